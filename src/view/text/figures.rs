//! Numbers and times as a person reads them.
//!
//! In: values of the snapshot. Out: text, `-` where there is no value. Never: NaN, or a zero with a sign.

use crate::model::snapshot::{Spread, utc_date};
use crate::time::Timestamp;

/// For a value that does not exist.
pub(in crate::view) const UNKNOWN: &str = "-";

/// `1,234,567`.
pub(in crate::view) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With that many decimals, the whole part in groups of three.
pub(in crate::view) fn decimal(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return UNKNOWN.to_owned() };
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    let sign = if value < 0.0 && !is_zero { "-" } else { "" };
    match fraction {
        Some(fraction) => format!("{sign}{}.{fraction}", grouped(whole)),
        None => format!("{sign}{}", grouped(whole)),
    }
}

/// `8.4 ms`.
pub(in crate::view) fn with_ms(value: Option<f64>) -> String {
    let text = decimal(value, 1);
    if text == UNKNOWN { text } else { format!("{text} ms") }
}

/// Bits per second in kbit/s.
pub(in crate::view) fn kbps(bps: Option<f64>) -> String {
    decimal(bps.map(|bps| bps / 1000.0), 1)
}

/// Smallest, mean and largest with two decimals.
pub(in crate::view) fn spread(spread: &Spread) -> [String; 3] {
    let seen = |value: f64| (spread.samples > 0).then_some(value);
    [seen(spread.min), spread.mean(), seen(spread.max)].map(|value| decimal(value, 2))
}

/// `621 B`, `1.8 MB`: powers of ten.
pub(in crate::view) fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if value < 1000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64 / 1000.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if scaled < 999.95 {
            break;
        }
        scaled /= 1000.0;
        unit = larger;
    }
    format!("{} {unit}", decimal(Some(scaled), 1))
}

/// `0.261 ms`, `12.345 s`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`.
pub(in crate::view) fn duration(nanos: i64) -> String {
    let seconds = nanos.unsigned_abs() / 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 if nanos != 0 => format!("{} ms", decimal(Some(nanos as f64 * 1e-6), 3)),
        0..60 => format!("{} s", decimal(Some(nanos as f64 * 1e-9), 3)),
        60..3600 => format!("{sign}{minutes} min {:02} s", seconds % 60),
        3600..86_400 => format!("{sign}{hours} h {:02} min", minutes % 60),
        _ => format!("{sign}{} d {:02} h", count(days), hours % 24),
    }
}

/// `2026-11-21 03:32:10.123456`, in UTC.
pub(in crate::view) fn utc(ts: Timestamp) -> String {
    let date = utc_date(ts.seconds()).replace('T', " ");
    format!("{}.{:06}", date.trim_end_matches('Z'), ts.subsec_nanos() / 1000)
}

/// `3 flows`, `1 flow`.
pub(in crate::view) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(decimal(Some(1234.567), 1), "1,234.6");
        assert_eq!(decimal(Some(-1234.567), 0), "-1,235");
    }

    #[test]
    fn what_does_not_exist_is_a_dash_and_zero_has_no_sign() {
        assert_eq!(decimal(None, 2), "-");
        assert_eq!(decimal(Some(f64::NAN), 2), "-");
        assert_eq!(decimal(Some(f64::INFINITY), 2), "-");
        assert_eq!(decimal(Some(-0.001), 2), "0.00");
        assert_eq!(decimal(Some(-0.0), 0), "0");
        assert_eq!(with_ms(None), "-");
        assert_eq!(spread(&Spread::default()), ["-", "-", "-"]);
    }

    #[test]
    fn sizes_and_durations_have_the_unit_that_fits() {
        assert_eq!([999, 1000, 621_000, 999_950_000].map(bytes), ["999 B", "1.0 kB", "621.0 kB", "1.0 GB"]);
        assert_eq!(duration(12_345_678_901), "12.346 s");
        assert_eq!([0, 260_500, 999_999_000].map(duration), ["0.000 s", "0.261 ms", "999.999 ms"]);
        assert_eq!(duration(125_000_000_000), "2 min 05 s");
        assert_eq!(duration(3_725_000_000_000), "1 h 02 min");
        assert_eq!(duration(-200_000_000_000_000), "-2 d 07 h");
        assert_eq!(duration(i64::MIN), "-106,751 d 23 h");
    }

    #[test]
    fn a_time_is_told_in_utc_with_microseconds() {
        assert_eq!(utc(Timestamp::from_parts(951_827_696, 7_000)), "2000-02-29 12:34:56.000007");
    }
}
