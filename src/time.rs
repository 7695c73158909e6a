//! The capture clock: nanoseconds since the Unix epoch, as the capture file tells them.
//!
//! In: seconds and fractions of capture records. Out: points and signed differences.
//! Never: the wall clock. There is no `now()` here, on purpose.

use std::fmt;

/// A point on the capture clock, in nanoseconds since 1970-01-01T00:00:00Z, negative before it. What lies outside of the
/// years 1823 and 2116 is held at these ends, so that no difference of two can overflow: several are taken per packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The ends of the range.
const LIMIT: i64 = i64::MAX / 2;

/// Nanoseconds in a second.
pub const NANOS_PER_SEC: i64 = 1_000_000_000;

impl Timestamp {
    /// From nanoseconds since the epoch.
    #[inline(always)]
    pub const fn from_nanos(nanos: i64) -> Self {
        if nanos > LIMIT {
            Self(LIMIT)
        } else if nanos < -LIMIT {
            Self(-LIMIT)
        } else {
            Self(nanos)
        }
    }

    /// From seconds and nanoseconds.
    pub const fn from_parts(seconds: i64, nanos: i64) -> Self {
        Self::from_nanos(seconds.saturating_mul(NANOS_PER_SEC).saturating_add(nanos))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// The nanoseconds within the second, 0 to 999,999,999.
    pub const fn subsec_nanos(self) -> i64 {
        self.0.rem_euclid(NANOS_PER_SEC)
    }

    /// Nanoseconds from `earlier` to `self`; negative where `self` is the earlier one.
    #[inline(always)]
    pub const fn nanos_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// Milliseconds from `earlier` to `self`.
    pub fn millis_since(self, earlier: Timestamp) -> f64 {
        self.nanos_since(earlier) as f64 / 1e6
    }

    /// This point moved by a signed number of nanoseconds.
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self::from_nanos(self.0.saturating_add(nanos))
    }
}

/// Decimal seconds with nine digits, as the JSON report writes `*_ts`. Digit by digit: a report has thousands of them, and
/// the general formatting of a padded number costs ten times as much.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A sign, ten digits of seconds, the point and nine digits.
        let mut text = [b'0'; 21];
        let mut rest = self.0.unsigned_abs();
        let mut start = text.len();
        while start > 10 || rest > 0 {
            start -= 1;
            if start == 11 {
                text[start] = b'.';
                continue;
            }
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if self.0 < 0 {
            start -= 1;
            text[start] = b'-';
        }
        f.write_str(text.get(start..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_nine_decimals_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp::from_parts(1, 5).to_string(), "1.000000005");
        assert_eq!(Timestamp::from_nanos(-1_500_000_000).to_string(), "-1.500000000");
        assert_eq!(Timestamp::from_nanos(0).to_string(), "0.000000000");
        assert_eq!(Timestamp::from_nanos(i64::MIN).to_string(), "-4611686018.427387903");
        assert_eq!(Timestamp::from_nanos(i64::MAX).to_string(), "4611686018.427387903");
    }

    #[test]
    fn differences_are_signed_and_those_of_the_ends_fit() {
        let early = Timestamp::from_nanos(10);
        assert_eq!(early.nanos_since(Timestamp::from_nanos(30)), -20);
        assert_eq!(Timestamp::from_nanos(i64::MAX).nanos_since(Timestamp::from_nanos(i64::MIN)), i64::MAX - 1);
    }
}
