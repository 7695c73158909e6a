//! Points of time as people write them.
//!
//! In: the text of an argument. Out: [`Moment`], or nothing where the text is no time. Never: a time zone's name, the
//! wall clock, or a date that the capture clock does not reach.

use crate::time::{NANOS_PER_SEC, Timestamp};

/// A point of time as a user names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// Nanoseconds after the first packet.
    After(i64),
    /// On the capture clock.
    At(Timestamp),
}

impl Moment {
    /// `30s`, `1m30s`, `1.5s`, `250ms`, `2h`, a plain number of seconds; `@` and seconds since the epoch; a date and time
    /// as RFC 3339 has it, in UTC where no offset follows.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(epoch) = text.strip_prefix('@') {
            return decimal(epoch, NANOS_PER_SEC).and_then(on_capture_clock).map(Moment::At);
        }
        if let Some(nanos) = decimal(text, NANOS_PER_SEC) {
            return Some(Moment::After(nanos));
        }
        date_and_time(text).map(Moment::At).or_else(|| after(text).map(Moment::After))
    }

    /// On the capture clock, with the first packet known.
    pub(super) const fn on_clock(self, first: Timestamp) -> Timestamp {
        match self {
            Moment::After(nanos) => first.plus_nanos(nanos),
            Moment::At(ts) => ts,
        }
    }

    /// False also where only the first packet can tell.
    pub(super) fn is_before_or_at(self, other: Moment) -> bool {
        match (self, other) {
            (Moment::After(one), Moment::After(other)) => one <= other,
            (Moment::At(one), Moment::At(other)) => one <= other,
            _ => false,
        }
    }
}

/// Nanoseconds: `30s`, `1m30s`, `1.5s`, `250ms`, `2h`, or a plain number of seconds.
pub(super) fn length_of_time(text: &str) -> Option<i64> {
    decimal(text, NANOS_PER_SEC).or_else(|| after(text))
}

/// Numbers with units, one behind the other.
fn after(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let nanos = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SEC,
            "m" | "min" => 60 * NANOS_PER_SEC,
            "h" => 3600 * NANOS_PER_SEC,
            _ => return None,
        };
        total = total.checked_add(decimal(number, nanos)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A decimal number of units of `unit` nanoseconds, exact to the nanosecond.
fn decimal(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let mut nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        let scale = 10_i64.pow(fraction.len() as u32);
        nanos = nanos
            .checked_add((i128::from(fraction.parse::<i64>().ok()?) * i128::from(unit) / i128::from(scale)) as i64)?;
    }
    Some(nanos)
}

/// `2026-11-21T08:00:00.25+01:00` (RFC 3339, section 5.6); a blank may stand for the T, and the offset may be missing, as
/// the report writes its times.
fn date_and_time(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, offset_minutes) = offset(time)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    // A second 60 is a leap second, which the capture clock does not have: it is the next one.
    let is_date = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    let nanos = decimal(&format!("0.{fraction}"), NANOS_PER_SEC).filter(|_| !fraction.is_empty())?;
    let seconds = minutes * 60 + second;
    on_capture_clock(seconds.checked_mul(NANOS_PER_SEC)?.checked_add(nanos)?)
}

/// None beyond the ends of the capture clock, where it would become the end itself.
fn on_capture_clock(nanos: i64) -> Option<Timestamp> {
    Some(Timestamp::from_nanos(nanos)).filter(|ts| ts.as_nanos() == nanos)
}

/// The time without its offset, and the minutes that it is ahead of UTC.
fn offset(time: &str) -> Option<(&str, i64)> {
    if let Some(utc) = time.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(at);
    let (sign, offset) = offset.split_at(1);
    let [hours, minutes] = numbers(offset, ':', [2, 2])?;
    let ahead = hours * 60 + minutes;
    (hours < 24 && minutes < 60).then_some((clock, if sign == "-" { -ahead } else { ahead }))
}

/// Numbers of as many digits as `lengths` says, with `between` between them.
fn numbers<const N: usize>(text: &str, between: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part =
            parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Of the Gregorian calendar, in years that begin in March, so that the leap day is the last of its year.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month_from_march + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<i64> {
        match Moment::parse(text) {
            Some(Moment::At(ts)) => Some(ts.as_nanos()),
            _ => None,
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let after = |text: &str| Moment::parse(text);
        assert_eq!(after("30s"), Some(Moment::After(30_000_000_000)));
        assert_eq!(after("1m30s"), Some(Moment::After(90_000_000_000)));
        assert_eq!(after("1.5s"), Some(Moment::After(1_500_000_000)));
        assert_eq!(after("250ms"), Some(Moment::After(250_000_000)));
        assert_eq!(after("2"), Some(Moment::After(2_000_000_000)));
        assert_eq!(after("@1700000000.000000001"), Some(Moment::At(Timestamp::from_nanos(1_700_000_000_000_000_001))));
        for wrong in ["", "s", "3x", "1..2s", "-1s", "99999999999999999999s", "@", "@x"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_date_and_time_may_have_a_fraction_and_an_offset_and_is_utc_without() {
        let eight = 1_795_248_000 * NANOS_PER_SEC;
        for text in [
            "2026-11-21T08:00:00Z",
            "2026-11-21t08:00:00z",
            "2026-11-21 08:00:00",
            "2026-11-21T09:00:00+01:00",
            "2026-11-20T23:30:00-08:30",
            "2026-11-21T07:59:60Z",
            "2026-11-21T08:00:00.000000000-00:00",
        ] {
            assert_eq!(at(text), Some(eight), "{text}");
        }
        assert_eq!(at("2026-11-21T08:00:00.25Z"), Some(eight + 250_000_000));
        assert_eq!(at("2026-11-21 08:00:00.000000001"), Some(eight + 1));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("1969-12-31T23:59:59.5Z"), Some(-500_000_000));
        assert_eq!(at("2000-02-29T12:34:56Z"), Some(951_827_696 * NANOS_PER_SEC));
        assert_eq!(at("2100-01-01T00:00:00Z"), Some(4_102_444_800 * NANOS_PER_SEC));
    }

    #[test]
    fn a_date_that_the_capture_clock_does_not_reach_is_refused_and_not_moved() {
        for beyond in
            ["2117-01-01T00:00:00Z", "2200-01-01T00:00:00Z", "@4611686019", "@5000000000", "1823-01-01T00:00:00Z"]
        {
            assert_eq!(Moment::parse(beyond), None, "{beyond}");
        }
        assert_eq!(at("2116-01-01T00:00:00Z"), Some(4_607_280_000 * NANOS_PER_SEC));
        assert_eq!(at("@4611686018"), Some(4_611_686_018 * NANOS_PER_SEC));
    }

    #[test]
    fn what_only_looks_like_a_date_is_none() {
        for wrong in [
            "2026-11-21",
            "2026-11-21T",
            "2026-11-21T08:00",
            "2026-11-21T08:00:00.",
            "2026-11-21T08:00:00.0000000001Z",
            "2026-11-21T08:00:00ZZ",
            "2026-11-21T08:00:00+1:00",
            "2026-11-21T08:00:00+01:60",
            "2026-11-21T24:00:00Z",
            "2026-11-21T08:60:00Z",
            "2026-11-21T08:00:61Z",
            "2026-02-29T08:00:00Z",
            "2100-02-29T08:00:00Z",
            "2026-13-01T08:00:00Z",
            "2026-00-01T08:00:00Z",
            "26-11-21T08:00:00Z",
            "2026-11-21T08:00:00 UTC",
            "9999-12-31T23:59:59Z",
            "2026-1é-21T08:00:00Z",
        ] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn moments_of_two_kinds_are_in_no_order_until_the_first_packet_is_known() {
        let parse = |text| Moment::parse(text).unwrap();
        assert!(parse("2s").is_before_or_at(parse("2000ms")));
        assert!(!parse("3s").is_before_or_at(parse("2s")));
        assert!(parse("2026-11-21T08:00:00Z").is_before_or_at(parse("@1795248000")));
        assert!(!parse("2s").is_before_or_at(parse("@1795248000")));
    }
}
