//! Quantities as people write them: `30s`, `200/s`, `2mbps`.
//!
//! In: text. Out: typed values, or [`InvalidQuantity`] that shows how it is written. Never: a unit guessed; only zero
//! needs none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is wrong with a quantity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidQuantity(pub(crate) String);

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidQuantity {}

/// The longest time that can be meant: a year. Beyond it a zero too many is more likely.
const MAX_NANOS: u128 = 366 * 86_400 * 1_000_000_000;
/// 100 Gbit/s: the fastest that a generator of our days could offer.
const MAX_BITS_PER_SECOND: u128 = 100_000_000_000;
/// The same line in the smallest packets that Ethernet carries.
const MAX_PER_SECOND: u128 = 150_000_000;

/// A span of time: `500ms`, `30s`, `1.5s`, `5m`, `1h`, `1m30s`, `0`.
///
/// # Errors
/// Text that is none, or more than a year.
pub fn duration(text: &str) -> Result<Duration, InvalidQuantity> {
    let wrong = || InvalidQuantity(format!("`{text}` is no time; say 500ms, 30s, 1m30s or 1h"));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0_u128;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = split_number(rest);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let nanos = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wrong()),
        };
        total += scaled(number, nanos).ok_or_else(wrong)?;
        if total > MAX_NANOS {
            return Err(InvalidQuantity(format!("`{text}` is more than a year")));
        }
        rest = tail;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX)))
}

/// How often something happens, in millionths of a hertz: `200/s`, `0.5/s`, `30/min`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate(u64);

impl Rate {
    /// So many times a second.
    pub fn per_second(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// So many times in a million seconds: the exact value.
    pub const fn per_million_seconds(self) -> u64 {
        self.0
    }

    /// So many times a second; up to what can be typed.
    pub fn hertz(times: u32) -> Self {
        Self(u64::from(times).clamp(1, MAX_PER_SECOND as u64) * 1_000_000)
    }

    /// One every `gap`; none for a gap of zero.
    pub fn every(gap: Duration) -> Option<Self> {
        let micros = 1_000_000_000_000_000_u128.checked_div(gap.as_nanos())?;
        (micros > 0 && micros <= MAX_PER_SECOND * 1_000_000).then_some(Self(micros as u64))
    }
}

impl FromStr for Rate {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (number, unit) = split_number(text);
        let divisor = match unit {
            "/s" | "pps" => Some(1),
            "/m" | "/min" => Some(60),
            "/h" => Some(3_600),
            _ => None,
        };
        let millionths = divisor.and_then(|divisor| Some(scaled(number, 1_000_000)? / divisor));
        match millionths {
            None => Err(InvalidQuantity(format!("`{text}` is no rate; say 200/s, 0.5/s, 30/min or 50pps"))),
            Some(0) => Err(InvalidQuantity(format!("`{text}` never happens; a rate is above zero"))),
            Some(millionths) if millionths > MAX_PER_SECOND * 1_000_000 => {
                Err(InvalidQuantity(format!("`{text}` is more than {MAX_PER_SECOND}/s")))
            }
            Some(millionths) => Ok(Self(millionths as u64)),
        }
    }
}

/// Bits per second: `64kbps`, `2mbps`, `1.5Mbps`, `1gbps`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Bits in a second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for Bitrate {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (number, unit) = split_number(text);
        let scale = match unit {
            "bps" => 1,
            "kbps" | "Kbps" => 1_000,
            "mbps" | "Mbps" => 1_000_000,
            "gbps" | "Gbps" => 1_000_000_000,
            // A capital B means bytes to many people, and eight times as much.
            _ => return Err(InvalidQuantity(format!("`{text}` is no bitrate; say 64kbps, 2mbps or 1gbps (bits)"))),
        };
        match scaled(number, scale) {
            Some(bits) if (1..=MAX_BITS_PER_SECOND).contains(&bits) => Ok(Self(bits as u64)),
            Some(_) => Err(InvalidQuantity(format!("`{text}` is not from 1bps to 100gbps"))),
            None => Err(InvalidQuantity(format!("`{text}` is no bitrate; say 64kbps, 2mbps or 1gbps (bits)"))),
        }
    }
}

/// The number that a text begins with, and what stands behind it.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

/// A decimal number times `scale`, exact and cut to whole ones. None where it is no number or an absurdly long one.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_short = |digits: &str| digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || number.ends_with('.') || !is_short(whole) || !is_short(fraction) {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok()?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    Some(whole.parse::<u128>().ok()? * scale + part * scale / 10_u128.pow(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("2h", 7_200_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_unit_or_with_a_wrong_one_is_refused() {
        for text in ["", "30", "s", "3x", "1..2s", "1.s", "-1s", "99999999999999999999s", "9999999h", "30s ", "1m30"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("30").expect_err("no unit").to_string().contains("30s"));
    }

    #[test]
    fn rates_are_per_second_minute_or_hour() {
        let rate = |text: &str| text.parse::<Rate>().map(Rate::per_second);
        assert_eq!(rate("200/s"), Ok(200.0));
        assert_eq!(rate("0.5/s"), Ok(0.5));
        assert_eq!(rate("30/min"), Ok(0.5));
        assert_eq!(rate("50pps"), Ok(50.0));
        for wrong in ["200", "/s", "0/s", "-1/s", "200/d", "1e9/s", "999999999999/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_interval_of_twenty_milliseconds_is_fifty_a_second() {
        assert_eq!(Rate::every(Duration::from_millis(20)), "50/s".parse().ok());
        assert_eq!(Rate::every(Duration::ZERO), None);
    }

    #[test]
    fn bitrates_count_bits_and_refuse_what_may_mean_bytes() {
        let bits = |text: &str| text.parse::<Bitrate>().map(Bitrate::bits_per_second);
        assert_eq!(bits("2mbps"), Ok(2_000_000));
        assert_eq!(bits("1.5Mbps"), Ok(1_500_000));
        assert_eq!(bits("64kbps"), Ok(64_000));
        assert_eq!(bits("800bps"), Ok(800));
        for wrong in ["2MBps", "2mb", "2", "0kbps", "0.1bps", "101gbps", "mbps"] {
            assert!(bits(wrong).is_err(), "{wrong}");
        }
    }
}
