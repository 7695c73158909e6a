//! The timestamps of a pcapng interface.
//!
//! In: `if_tsresol` and `if_tsoffset` (draft-ietf-opsawg-pcapng, section 4.2), and the 64-bit counts of packets.
//! Out: points on the capture clock.
//! Never: an overflow; what is out of range saturates.

use crate::time::{NANOS_PER_SEC, Timestamp};

/// How an interface counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    offset_nanos: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A unit is so many nanoseconds.
    Nanos(u64),
    /// A nanosecond is so many units; 0 for more than 64 bits can count.
    PerNano(u64),
    /// A unit is 2 to the minus this many seconds.
    Binary(u32),
}

/// `if_tsresol` where the option is missing: microseconds.
const DEFAULT_RESOLUTION: u8 = 6;

impl Clock {
    /// `offset` is in seconds.
    pub(super) fn new(resolution: Option<u8>, offset: i64) -> Self {
        let resolution = resolution.unwrap_or(DEFAULT_RESOLUTION);
        let exponent = u32::from(resolution & 0x7f);
        let unit = if resolution & 0x80 != 0 {
            Unit::Binary(exponent)
        } else if exponent <= 9 {
            Unit::Nanos(10_u64.pow(9 - exponent))
        } else {
            Unit::PerNano(10_u64.checked_pow(exponent - 9).unwrap_or(0))
        };
        Self { unit, offset_nanos: offset.saturating_mul(NANOS_PER_SEC) }
    }

    #[inline]
    pub(super) fn at(self, high: u32, low: u32) -> Timestamp {
        let count = u64::from(high) << 32 | u64::from(low);
        let nanos = match self.unit {
            Unit::Nanos(nanos) => count.saturating_mul(nanos),
            Unit::PerNano(units) => count.checked_div(units).unwrap_or(0),
            Unit::Binary(shift) => {
                let nanos = (u128::from(count) * NANOS_PER_SEC as u128) >> shift;
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        };
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(self.offset_nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_without_a_resolution_counts_microseconds() {
        assert_eq!(Clock::new(None, 0).at(0, 5).as_nanos(), 5_000);
    }

    #[test]
    fn decimal_resolutions_on_both_sides_of_a_nanosecond_are_read() {
        assert_eq!(Clock::new(Some(0), 0).at(0, 7).as_nanos(), 7 * NANOS_PER_SEC);
        assert_eq!(Clock::new(Some(9), 0).at(1, 1).as_nanos(), (1 << 32) + 1);
        assert_eq!(Clock::new(Some(12), 0).at(0, 1_234_567).as_nanos(), 1_234);
        assert_eq!(Clock::new(Some(127), 0).at(u32::MAX, u32::MAX).as_nanos(), 0);
    }

    #[test]
    fn a_binary_resolution_is_read() {
        assert_eq!(Clock::new(Some(0x80 | 20), 0).at(0, 1 << 19).as_nanos(), NANOS_PER_SEC / 2);
        assert_eq!(Clock::new(Some(0x80), 0).at(0, 3).as_nanos(), 3 * NANOS_PER_SEC);
        assert_eq!(Clock::new(Some(0xff), 0).at(u32::MAX, u32::MAX).as_nanos(), 0);
    }

    #[test]
    fn times_out_of_range_saturate() {
        let (earliest, latest) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
        assert_eq!(Clock::new(Some(0), 0).at(u32::MAX, u32::MAX), latest);
        assert_eq!(Clock::new(Some(0x80), 1).at(u32::MAX, u32::MAX), latest);
        assert_eq!(Clock::new(None, i64::MIN).at(0, 0), earliest);
    }

    #[test]
    fn an_offset_is_in_seconds_and_may_be_negative() {
        assert_eq!(Clock::new(None, -3600).at(0, 0).as_nanos(), -3600 * NANOS_PER_SEC);
    }
}
