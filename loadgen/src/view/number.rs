//! Numbers as people read them.
//!
//! In: counts, rates, times. Out: short text with its unit. Never: a loss that is there shown as none, NaN.

use std::time::Duration;

/// What stands for a value that nobody knows.
pub(crate) const UNKNOWN: &str = "-";

/// All digits, in groups of three: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count, with a prefix of 1000: `49.9 k`; below 1000 as it is.
fn scaled(value: f64) -> (String, &'static str) {
    if !value.is_finite() {
        return (UNKNOWN.to_owned(), "");
    }
    let mut rest = value;
    let mut prefix = "";
    for larger in ["k", "M", "G", "T"] {
        // 999.95 would be written as 1000.
        if rest.abs() < 999.5 {
            break;
        }
        rest /= 1_000.0;
        prefix = larger;
    }
    // Beside 1.98 k stands 2.00 k: what changes each second keeps its width.
    let number = if prefix.is_empty() { three_digits(rest) } else { with_point(rest) };
    (number, prefix)
}

/// `12.3`, `1.23`, `123`; whole numbers below ten without a point.
fn three_digits(value: f64) -> String {
    match value.abs() {
        whole if whole.fract() == 0.0 && whole < 1_000.0 => format!("{value:.0}"),
        _ => with_point(value),
    }
}

fn with_point(value: f64) -> String {
    match value.abs() {
        large if large >= 99.95 => format!("{value:.0}"),
        middle if middle >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let (number, prefix) = scaled(value);
    format!("{number} {prefix}{unit}")
}

/// Bits a second: `1.60 Mbit/s`.
pub(crate) fn bitrate(bits_per_second: f64) -> String {
    with_unit(bits_per_second, "bit/s")
}

/// Packets a second: `49.9 kpps`.
pub(crate) fn packet_rate(packets_per_second: f64) -> String {
    with_unit(packets_per_second, "pps")
}

/// How often a second: `712/s`, `1.20 k/s`.
pub(crate) fn rate(per_second: f64) -> String {
    let (number, prefix) = scaled(per_second);
    let space = if prefix.is_empty() { "" } else { " " };
    format!("{number}{space}{prefix}/s")
}

/// A size in units of 1024: `20.0 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let mut rest = bytes;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if rest < 1_024.0 {
            break;
        }
        rest /= 1_024.0;
        unit = larger;
    }
    format!("{} {unit}", three_digits(rest))
}

/// Milliseconds, down to the microsecond where they are few: `0.214 ms`, `12.3 ms`, `1.20 s`.
pub(crate) fn millis(millis: f64) -> String {
    match millis {
        unknown if !unknown.is_finite() => UNKNOWN.to_owned(),
        0.0 => "0 ms".to_owned(),
        below if below < 0.9995 => format!("{below:.3} ms"),
        whole if whole < 999.5 => format!("{} ms", three_digits(whole)),
        long => format!("{} s", three_digits(long / 1_000.0)),
    }
}

/// The same where there may be none.
pub(crate) fn optional_millis(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), millis)
}

/// Percent; what is there but small is never shown as zero: `0 %`, `<0.001 %`, `0.012 %`, `9.4 %`.
pub(crate) fn percent(percent: f64) -> String {
    match percent {
        unknown if !unknown.is_finite() => UNKNOWN.to_owned(),
        none if none <= 0.0 => "0 %".to_owned(),
        tiny if tiny < 0.001 => "<0.001 %".to_owned(),
        small if small < 0.1 => format!("{small:.3} %"),
        middle if middle < 10.0 => format!("{middle:.2} %"),
        // 99.99 is not all.
        large if large < 100.0 && large > 99.9 => ">99.9 %".to_owned(),
        large => format!("{large:.1} %"),
    }
}

/// A span as it could be typed: `1m30s`, `2h5m`, `0.5s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 {
        let text = format!("{:.1}", span.as_secs_f64());
        return format!("{}s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(value, _)| *value > 0).map(|(value, unit)| format!("{value}{unit}")).collect()
}

/// A place in a run: `00:12`, `1:05:09`.
pub(crate) fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// Text that somebody else chose, on one line, without control characters and what turns the direction of writing.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_in_groups_of_three() {
        let texts: Vec<String> = [0, 12, 999, 1_000, 1_234_567].map(count).into();
        assert_eq!(texts, ["0", "12", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn rates_keep_three_digits_and_never_show_a_thousand_of_a_unit() {
        assert_eq!(packet_rate(50.0), "50 pps");
        assert_eq!(packet_rate(49_950.0), "50.0 kpps");
        assert_eq!((packet_rate(1_990.0), packet_rate(2_000.0)), ("1.99 kpps".to_owned(), "2.00 kpps".to_owned()));
        assert_eq!(packet_rate(999_700.0), "1.00 Mpps");
        assert_eq!(bitrate(1_604_000.0), "1.60 Mbit/s");
        assert_eq!(rate(712.4), "712/s");
        assert_eq!(rate(1_200.0), "1.20 k/s");
        assert_eq!(rate(f64::NAN), "-/s");
        assert_eq!(bytes(20.0 * 1_024.0), "20 KiB");
    }

    #[test]
    fn a_loss_that_is_there_is_never_shown_as_none_and_a_packet_that_came_is_not_lost() {
        let texts: Vec<String> = [0.0, 0.000_01, 0.012, 0.5, 9.4, 42.0, 99.99, 100.0].map(percent).into();
        assert_eq!(texts, ["0 %", "<0.001 %", "0.012 %", "0.50 %", "9.40 %", "42.0 %", ">99.9 %", "100.0 %"]);
    }

    #[test]
    fn times_go_from_microseconds_to_seconds() {
        let texts: Vec<String> = [0.0, 0.2141, 0.9999, 12.34, 999.7, 39_500.0].map(millis).into();
        assert_eq!(texts, ["0 ms", "0.214 ms", "1.00 ms", "12.3 ms", "1.00 s", "39.5 s"]);
        assert_eq!((optional_millis(None), millis(f64::NAN)), ("-".to_owned(), "-".to_owned()));
    }

    #[test]
    fn spans_are_written_as_they_are_typed() {
        let texts: Vec<String> = [0.5, 30.0, 90.0, 7_500.0].map(|s| span(Duration::from_secs_f64(s))).into();
        assert_eq!(texts, ["0.5s", "30s", "1m30s", "2h5m"]);
        assert_eq!(clock(Duration::from_secs(12)), "00:12");
        assert_eq!(clock(Duration::from_secs(3_909)), "1:05:09");
    }

    #[test]
    fn a_reason_from_a_server_cannot_move_the_cursor() {
        assert_eq!(plain("Allocation\u{1b}[2J Quota\nReached"), "Allocation [2J Quota Reached");
        assert_eq!(plain("\u{202e}dehcaeR"), " dehcaeR");
    }
}
