//! The clock of the run and those of its threads.
//!
//! In: the system's clocks. Out: [`Moment`]s since the run began, CPU time. Never: the time of day.

use crate::clock::Moment;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::{Duration, Instant};

/// When the run began; copies of it agree across threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    start: Instant,
}

impl RunClock {
    /// Begins now.
    #[allow(clippy::disallowed_methods, reason = "the engine is where time comes from")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Since the run began.
    #[allow(clippy::disallowed_methods, reason = "the engine is where time comes from")]
    #[inline]
    pub(crate) fn now(self) -> Moment {
        Moment::START.plus(self.start.elapsed())
    }

    /// The same point for those who speak in instants.
    pub(crate) fn instant(self, moment: Moment) -> Instant {
        self.start + moment.since(Moment::START)
    }

    /// And back.
    pub(crate) fn moment(self, instant: Instant) -> Moment {
        Moment::START.plus(instant.saturating_duration_since(self.start))
    }
}

/// CPU time of the calling thread, of user and kernel.
pub(super) fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of the process.
pub(super) fn process_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn duration(time: Timespec) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_there_and_back_is_the_same() {
        let clock = RunClock::start();
        let moment = Moment::from_nanos(1_234_567_891);
        assert_eq!(clock.moment(clock.instant(moment)), moment);
        assert!(clock.now() <= clock.now());
    }

    #[test]
    fn work_costs_cpu_time() {
        let (thread, process) = (thread_cpu(), process_cpu());
        let mut sum = 0_u64;
        while thread_cpu() - thread < Duration::from_millis(2) {
            sum = sum.wrapping_mul(3).wrapping_add(1);
        }
        assert!(process_cpu() - process >= Duration::from_millis(2), "{sum}");
    }
}
