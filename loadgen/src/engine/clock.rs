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

/// Tells moments of the run from times of day that lie close by: the system notes arrivals in these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Almanac {
    now: Moment,
    time_of_day: Duration,
}

impl Almanac {
    /// Holds for a second or so; beyond, the time of day may have been put right.
    #[inline]
    pub(super) fn of(clock: RunClock) -> Self {
        Self { now: clock.now(), time_of_day: time_of_day() }
    }

    /// When it was `time`; `read` at the latest, when the datagram was in our hands. One that seems to have lain for more
    /// than a second is a clock that jumped, and came when it was read.
    #[inline]
    pub(super) fn moment(self, time: Duration, read: Moment) -> Moment {
        let moment = if time >= self.time_of_day {
            self.now.plus(time - self.time_of_day)
        } else {
            let before = (self.time_of_day - time).as_nanos();
            let Some(nanos) = u64::try_from(before).ok().and_then(|nanos| self.now.as_nanos().checked_sub(nanos))
            else {
                return read;
            };
            Moment::from_nanos(nanos)
        };
        if moment > read || read.since(moment) > Duration::from_secs(1) { read } else { moment }
    }
}

/// Since 1970.
#[inline]
pub(super) fn time_of_day() -> Duration {
    duration(clock_gettime(ClockId::Realtime))
}

/// CPU time of the calling thread, of user and kernel.
pub(super) fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// How long a thread that had something to do was kept from it, because others had the CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waited {
    /// In sum.
    pub(crate) time: Duration,
    /// How often it got a CPU.
    pub(crate) times: u64,
}

impl Waited {
    /// Of the calling thread since it began; nothing where the system does not say.
    pub(super) fn of_thread() -> Self {
        std::fs::read_to_string("/proc/thread-self/schedstat")
            .ok()
            .and_then(|text| Self::read(&text))
            .unwrap_or_default()
    }

    /// Nanoseconds on a CPU, nanoseconds of waiting for one, how often it got one.
    fn read(text: &str) -> Option<Self> {
        let mut figures = text.split_whitespace().map(|figure| figure.parse::<u64>().ok());
        let (_, time, times) = (figures.next()??, figures.next()??, figures.next()??);
        Some(Self { time: Duration::from_nanos(time), times })
    }

    /// Before each time.
    pub(super) fn mean(self) -> Duration {
        Duration::from_nanos((self.time.as_nanos() as u64).checked_div(self.times).unwrap_or(0))
    }
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
    fn times_of_day_become_moments_that_are_not_after_the_reading() {
        let day = Duration::from_secs(1_700_000_000);
        let almanac = Almanac { now: Moment::from_nanos(5_000_000_000), time_of_day: day };
        let read = Moment::from_nanos(5_000_400_000);
        let moment = |time| almanac.moment(time, read).as_nanos();
        assert_eq!(moment(day + Duration::from_micros(100)), 5_000_100_000);
        assert_eq!(moment(day - Duration::from_micros(100)), 4_999_900_000);
        assert_eq!(moment(day + Duration::from_micros(900)), read.as_nanos());
        assert_eq!((moment(day - Duration::from_secs(2)), moment(Duration::ZERO)), (read.as_nanos(), read.as_nanos()));
    }

    #[test]
    fn who_waits_for_a_cpu_is_told_by_the_system() {
        let waited = Waited::read("8754811 16000000 40\n").expect("three figures");
        assert_eq!(waited, Waited { time: Duration::from_millis(16), times: 40 });
        assert_eq!((waited.mean(), Waited::default().mean()), (Duration::from_micros(400), Duration::ZERO));
        assert_eq!(Waited::read("1 2"), None);
        assert!(Waited::of_thread().times > 0 || !std::path::Path::new("/proc/thread-self/schedstat").exists());
    }

    #[test]
    fn work_costs_cpu_time() {
        let (thread, process) = (thread_cpu(), process_cpu());
        let mut sum = 0_u64;
        while thread_cpu() - thread < Duration::from_millis(2) {
            sum = sum.wrapping_mul(3).wrapping_add(1);
        }
        // The two clocks are not read at the same instant, nor advanced in the same steps.
        assert!(process_cpu() - process >= Duration::from_millis(1), "{sum}");
    }
}
