//! The clock of a run: nanoseconds since it began.
//!
//! In: what the engine reads from the system's monotonic clock. Out: points and differences. Never: the clock itself.

use std::time::Duration;

/// A point in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// When the run began.
    pub const START: Self = Self(0);

    /// From nanoseconds since the run began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the run began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Later by `duration`; saturates after 584 years.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// From `earlier` to this; zero where `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_move_on_and_never_back_before_each_other() {
        let later = Moment::START.plus(Duration::from_millis(3));
        assert_eq!(later.as_nanos(), 3_000_000);
        assert_eq!(
            (later.since(Moment::START), Moment::START.since(later)),
            (Duration::from_millis(3), Duration::ZERO)
        );
        assert_eq!(Moment::from_nanos(u64::MAX).plus(Duration::from_secs(1)), Moment::from_nanos(u64::MAX));
    }
}
