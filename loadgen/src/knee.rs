//! The search for the load at which a server gives up.
//!
//! In: what became of each step that was tried. Out: what to try next, and at the end where the knee is and what made
//! it one. Never: a socket, a clock, a figure of a step judged here.
//!
//! Doubling from a load that most servers carry, up to the first failure; then bisection by ratios between the highest
//! load that was carried and the lowest that was not. One failure is no failure: a stall of a second would be taken for
//! the knee. A step that fails is repeated, and where the two disagree a third one decides; one in which the generator gave
//! up says nothing of the server and is repeated three times; and before the search ends,
//! the lowest load that was not carried is tried once more, because a stall may have lasted longer. A server that says by a
//! code how many it takes is believed at once, and the number that it took is tried next; where it takes that, and says the
//! same once more, the search is over.

#![forbid(unsafe_code)]

use crate::threshold::Threshold;
use clap::ValueEnum;
use std::time::Duration;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Axis {
    /// The number of allocations.
    #[default]
    Allocations,
    /// Packets a second of each stream.
    #[value(name = "pps")]
    PacketRate,
}

/// Why a load was not carried.
#[derive(Clone, PartialEq, Debug)]
pub enum Cause {
    /// A condition on the figures does not hold.
    Threshold {
        /// Which.
        threshold: Threshold,
        /// The figure; none where nothing was measured.
        value: Option<f64>,
    },
    /// Allocations were not granted.
    Refused {
        /// The error code, or `timeout` where no answer came.
        key: String,
        /// What the server says of it.
        reason: String,
        /// How many it granted.
        granted: u64,
    },
    /// Allocations were granted and lost, or their peers refused.
    Lost {
        /// The error code, or what else ended them.
        key: String,
        /// What the server says of it.
        reason: String,
        /// How many.
        count: u64,
    },
    /// The server stood still, and whatever else was seen follows from it.
    Stalled {
        /// How long nothing came from it at all.
        longest: Duration,
    },
    /// The generator could not offer it; nothing is known of the server.
    Generator(Vec<String>),
}

impl Cause {
    /// Told by the server itself with an error code.
    pub fn is_said(&self) -> bool {
        matches!(self, Cause::Refused { key, .. } if key.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// It may be over in a moment: no answer came, or the generator had no time.
    pub fn may_pass(&self) -> bool {
        match self {
            Cause::Stalled { .. } | Cause::Generator(_) => true,
            Cause::Refused { key, .. } | Cause::Lost { key, .. } => key == "timeout",
            Cause::Threshold { .. } => false,
        }
    }

    /// A server that stands still for a while shows it, among others.
    pub fn may_be_a_stall(&self) -> bool {
        match self {
            Cause::Threshold { threshold, .. } => !threshold.figure.to_string().starts_with("generator."),
            Cause::Refused { .. } => !self.is_said(),
            Cause::Lost { .. } => true,
            Cause::Stalled { .. } | Cause::Generator(_) => false,
        }
    }
}

/// What to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Offer so much.
    Try(u64),
    /// Nothing more.
    Done(Knee),
}

/// Where the search has come to.
#[derive(Clone, PartialEq, Debug)]
pub struct Knee {
    /// The highest load that was carried; zero where none was.
    pub carried: u64,
    /// The lowest load above it that was not, and why. None where the limit of the command line was carried.
    pub failed: Option<(u64, Cause)>,
}

/// One step as it was measured: a point of the capacity curve.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Point {
    /// The load that was tried, in units of the axis.
    pub level: u64,
    /// Allocations that were granted.
    pub granted: u64,
    /// Packets a second that were due.
    pub offered_pps: f64,
    /// Packets a second that came back.
    pub delivered_pps: f64,
    /// Percent of those sent; none where none was.
    pub lost_pct: Option<f64>,
    /// Median of the round trips, or one way where both ends are ours.
    pub p50_ms: Option<f64>,
    /// Their 99th percentile.
    pub p99_ms: Option<f64>,
    /// CPU of the server in cores; none where it is not looked at.
    pub server_cores: Option<f64>,
    /// CPU of the generator in cores, its embedded peer included.
    pub generator_cores: f64,
    /// Why it was not carried; none where it was.
    pub cause: Option<Cause>,
}

/// What a search has shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Capacity {
    /// What grew.
    pub axis: Axis,
    /// The most that would have been tried.
    pub limit: u64,
    /// Where it came to; none where it was cut short.
    pub knee: Option<Knee>,
    /// All steps in the order in which they were tried.
    pub curve: Vec<Point>,
}

/// The search. Asked for [`next`](Self::next), told with [`tried`](Self::tried), until it is done.
#[derive(Clone, Debug)]
pub struct Search {
    axis: Axis,
    step: u64,
    limit: u64,
    carried: Option<u64>,
    failed: Option<(u64, Cause)>,
    /// How many the server said that it takes.
    hint: Option<u64>,
    /// The most that it ever granted in one step.
    granted: u64,
    /// A level that failed once.
    doubt: Option<Doubt>,
    /// The lowest load that was not carried was tried again at the end, or need not be.
    is_confirmed: bool,
    /// It was tried again.
    is_asked_again: bool,
}

#[derive(Clone, Debug, Default)]
struct Doubt {
    level: u64,
    successes: u32,
    /// Of the server.
    failures: u32,
    /// Of the generator.
    exhaustions: u32,
}

/// So often the generator may give up at a load before it is believed that it always does: other work on its machine may
/// have been the reason.
const EXHAUSTIONS: u32 = 4;

/// Carried and failed are so near each other at the end: far enough within a tenth.
const PRECISION: f64 = 1.05;

impl Search {
    /// Begins at `start` and goes up to `limit`, in multiples of `step`.
    pub fn new(axis: Axis, start: u64, limit: u64, step: u64) -> Self {
        let step = step.max(1);
        let limit = whole(limit, step).max(step);
        let hint = Some(whole(start, step).clamp(step, limit));
        Self {
            axis,
            step,
            limit,
            carried: None,
            failed: None,
            hint,
            granted: 0,
            doubt: None,
            is_confirmed: false,
            is_asked_again: false,
        }
    }

    /// What to try next.
    pub fn next(&self) -> Next {
        if let Some(doubt) = &self.doubt {
            return Next::Try(doubt.level);
        }
        let low = self.carried.unwrap_or(0);
        let high = self.failed.as_ref().map(|(level, _)| *level);
        if let Some(hint) = self.hint.filter(|hint| *hint > low && high.is_none_or(|high| *hint < high)) {
            return Next::Try(hint);
        }
        let level = match high {
            None if low >= self.limit => return self.done(),
            None => low.saturating_mul(2).min(self.limit),
            Some(high) if self.is_as_said(low) && !self.is_asked_again => high,
            Some(_) if self.is_as_said(low) => return self.done(),
            Some(high) if high <= low + self.step || high as f64 <= low as f64 * PRECISION => {
                if self.is_confirmed {
                    return self.done();
                }
                high
            }
            Some(high) => self.between(low, high),
        };
        Next::Try(level)
    }

    /// What became of `level`: why it was not carried, or none where it was.
    pub fn tried(&mut self, level: u64, cause: Option<Cause>) {
        let is_again = self.doubt.is_none() && self.failed.as_ref().is_some_and(|(failed, _)| *failed == level);
        self.granted = self.granted.max(match &cause {
            Some(Cause::Refused { granted, .. }) => *granted,
            Some(_) => 0,
            None if self.axis == Axis::Allocations => level,
            None => 0,
        });
        if is_again {
            match cause {
                Some(cause) => {
                    self.is_confirmed = true;
                    self.is_asked_again = true;
                    // What passes by is not why.
                    if !cause.may_pass() || self.failed.as_ref().is_some_and(|(_, why)| why.may_pass()) {
                        self.failed = Some((level, cause));
                    }
                }
                None => (self.carried, self.failed) = (Some(level), None),
            }
            return;
        }
        let mut doubt =
            self.doubt.take().filter(|doubt| doubt.level == level).unwrap_or(Doubt { level, ..Doubt::default() });
        let verdict = match cause {
            None => {
                doubt.successes += 1;
                // Where the server has failed once, two of three decide. That the generator has says nothing of it.
                (doubt.successes > doubt.failures).then_some(None)
            }
            Some(cause @ Cause::Generator(_)) => {
                doubt.exhaustions += 1;
                (doubt.exhaustions == EXHAUSTIONS).then_some(Some(cause))
            }
            Some(cause) => {
                doubt.failures += 1;
                (doubt.failures == 2 || self.is_certain(&cause)).then_some(Some(cause))
            }
        };
        match verdict {
            Some(verdict) => self.settle(level, verdict),
            None => self.doubt = Some(doubt),
        }
    }

    fn settle(&mut self, level: u64, verdict: Option<Cause>) {
        self.hint = None;
        match verdict {
            None => self.carried = self.carried.max(Some(level)),
            Some(cause) => {
                let is_certain = self.is_certain(&cause);
                if let (true, Cause::Refused { granted, .. }) = (is_certain, &cause) {
                    self.hint = Some(whole(*granted, self.step));
                }
                self.is_confirmed = is_certain;
                self.is_asked_again = false;
                self.failed = Some((level, cause));
            }
        }
    }

    /// The server says how many allocations it takes. Where they are fewer than before, those of the step before are
    /// not gone yet; and to a packet rate it says nothing.
    fn is_certain(&self, cause: &Cause) -> bool {
        self.axis == Axis::Allocations
            && cause.is_said()
            && matches!(cause, Cause::Refused { granted, .. } if *granted >= self.granted)
    }

    /// The server has carried exactly what it says that it takes.
    fn is_as_said(&self, carried: u64) -> bool {
        let granted = |cause: &Cause| match cause {
            Cause::Refused { granted, .. } if self.is_certain(cause) => Some(whole(*granted, self.step)),
            _ => None,
        };
        carried > 0 && self.failed.as_ref().and_then(|(_, cause)| granted(cause)) == Some(carried)
    }

    /// Loads are compared by their ratio, so that this is the middle; inside of both ends.
    fn between(&self, low: u64, high: u64) -> u64 {
        let middle = if low == 0 { high / 2 } else { ((low as f64) * (high as f64)).sqrt().round() as u64 };
        whole(middle, self.step).clamp(low + self.step, high - self.step)
    }

    fn done(&self) -> Next {
        Next::Done(Knee { carried: self.carried.unwrap_or(0), failed: self.failed.clone() })
    }
}

const fn whole(level: u64, step: u64) -> u64 {
    level - level % step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn loss() -> Cause {
        Cause::Threshold { threshold: "media.lost_pct<0.5".parse().expect("a threshold"), value: Some(3.0) }
    }

    fn stall() -> Cause {
        Cause::Stalled { longest: Duration::from_millis(1_700) }
    }

    fn refused(granted: u64) -> Cause {
        Cause::Refused { key: "486".to_owned(), reason: "Allocation Quota Reached".to_owned(), granted }
    }

    /// The knee that is found, and in how many steps.
    fn find(mut search: Search, mut server: impl FnMut(u64) -> Option<Cause>) -> (Knee, u32) {
        for steps in 0..200 {
            match search.next() {
                Next::Done(knee) => return (knee, steps),
                Next::Try(level) => search.tried(level, server(level)),
            }
        }
        panic!("it never ends: {search:?}");
    }

    fn is_near(found: u64, truth: u64) -> bool {
        found.abs_diff(truth) as f64 <= (truth as f64 * 0.1).max(1.0)
    }

    #[test]
    fn a_hard_limit_is_found_wherever_it_is() {
        for truth in (1..300).chain([999, 5_000, 12_345, 99_999]) {
            let (knee, steps) =
                find(Search::new(Axis::Allocations, 16, 100_000, 1), |level| (level > truth).then(loss));
            assert!(knee.carried <= truth && is_near(knee.carried, truth), "{truth}: {knee:?}");
            assert!(knee.failed.is_some_and(|(level, cause)| level > truth && cause == loss()));
            assert!(steps <= 27, "{truth}: {steps}");
        }
    }

    #[test]
    fn a_server_that_says_how_many_it_takes_is_believed_in_fewer_steps() {
        for truth in [1, 7, 40, 333, 5_000] {
            let server = |level: u64| (level > truth).then(|| refused(truth));
            let (knee, steps) = find(Search::new(Axis::Allocations, 16, 100_000, 1), server);
            assert_eq!(knee.carried, truth);
            assert_eq!(knee.failed.map(|(_, cause)| cause), Some(refused(truth)));
            assert!(steps <= 17, "{truth}: {steps}");
        }
    }

    #[test]
    fn a_soft_knee_in_noise_is_found_within_a_tenth() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let truth = 20 + random.below(5_000);
            // Between 97 and 103 percent of the truth chance decides, more and more often against it; and one step in
            // fifty fails because something else happened.
            let server = |level: u64| {
                let chance = (level as f64 / truth as f64 - 0.97) / 0.06;
                let is_bad = (random.below(1_000) as f64) < chance * 1_000.0 || random.below(50) == 0;
                is_bad.then(loss)
            };
            let (knee, steps) = find(Search::new(Axis::Allocations, 16, 100_000, 1), server);
            assert!(is_near(knee.carried, truth), "seed {seed}: {truth} {knee:?}");
            assert!(steps <= 36, "seed {seed}: {steps}");
        }
    }

    #[test]
    fn a_stall_is_not_taken_for_the_knee() {
        let timeout = || Cause::Refused { key: "timeout".to_owned(), reason: String::new(), granted: 3 };
        for stall in [timeout, stall] {
            for stalled in 0..24 {
                let mut step = 0;
                let server = |level: u64| {
                    step += 1;
                    // Long enough to fail a step and its repetition.
                    if step == stalled || step == stalled + 1 { Some(stall()) } else { (level > 700).then(loss) }
                };
                let (knee, _) = find(Search::new(Axis::Allocations, 16, 100_000, 1), server);
                assert!(is_near(knee.carried, 700), "{stalled}: {knee:?}");
                assert_eq!(knee.failed.map(|(_, cause)| cause), Some(loss()), "{stalled}");
            }
        }
    }

    #[test]
    fn a_server_that_stands_still_again_and_again_is_named_by_that() {
        let (knee, _) = find(Search::new(Axis::Allocations, 16, 1_000, 1), |_| Some(stall()));
        assert_eq!(knee, Knee { carried: 0, failed: Some((1, stall())) });
        // Only under load.
        let (knee, _) = find(Search::new(Axis::Allocations, 16, 1_000, 1), |level| (level > 100).then(stall));
        assert!(is_near(knee.carried, 100), "{knee:?}");
        assert_eq!(knee.failed.map(|(_, cause)| cause), Some(stall()));
    }

    #[test]
    fn a_generator_that_gives_up_first_is_named() {
        let tired = || Cause::Generator(vec!["packets left late".to_owned()]);
        let server = |level: u64| if level > 500 { Some(tired()) } else { (level > 2_000).then(loss) };
        let (knee, _) = find(Search::new(Axis::Allocations, 16, 100_000, 1), server);
        assert!(is_near(knee.carried, 500), "{knee:?}");
        assert_eq!(knee.failed.map(|(_, cause)| cause), Some(tired()));
    }

    #[test]
    fn a_generator_that_gives_up_now_and_then_only_delays_the_search() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            // Every third step, whatever the load.
            let server = |level: u64| match random.below(3) {
                0 => Some(Cause::Generator(Vec::new())),
                _ => (level > 90).then(|| refused(90)),
            };
            let (knee, _) = find(Search::new(Axis::Allocations, 16, 100_000, 1), server);
            let cause = knee.failed.as_ref().map(|(_, cause)| cause.clone());
            // Four in a row at one level are one in eighty, and then they are believed.
            if cause != Some(Cause::Generator(Vec::new())) {
                assert_eq!((knee.carried, cause), (90, Some(refused(90))), "seed {seed}");
            } else {
                assert!(knee.carried < 90, "{knee:?}");
            }
        }
    }

    #[test]
    fn who_never_fails_is_carried_to_the_limit_and_not_beyond() {
        let mut most = 0;
        let (knee, steps) = find(Search::new(Axis::Allocations, 16, 1_000, 1), |level| {
            most = most.max(level);
            None
        });
        assert_eq!((knee, most, steps), (Knee { carried: 1_000, failed: None }, 1_000, 7));
        assert_eq!(find(Search::new(Axis::Allocations, 16, 3, 1), |_| None).0.carried, 3);
    }

    #[test]
    fn who_fails_at_once_has_carried_nothing() {
        let (knee, steps) = find(Search::new(Axis::Allocations, 16, 1_000, 1), |_| Some(loss()));
        assert_eq!((knee, steps), (Knee { carried: 0, failed: Some((1, loss())) }, 11));
        let (knee, steps) = find(Search::new(Axis::Allocations, 16, 1_000, 1), |_| Some(refused(0)));
        assert_eq!((knee.carried, knee.failed, steps), (0, Some((1, refused(0))), 5));
    }

    #[test]
    fn places_that_are_not_free_yet_only_delay_the_search() {
        let mut step = 0_u64;
        let server = |level: u64| {
            step += 1;
            let free = if step.is_multiple_of(2) { 36 } else { 50 };
            (level > free).then(|| refused(free))
        };
        let (knee, _) = find(Search::new(Axis::Allocations, 16, 1_000, 1), server);
        assert!((34..=50).contains(&knee.carried), "{knee:?}");
    }

    #[test]
    fn pairs_are_never_parted() {
        let mut search = Search::new(Axis::Allocations, 15, 999, 2);
        while let Next::Try(level) = search.next() {
            assert!(level > 0 && level % 2 == 0, "{level}");
            search.tried(level, (level > 37).then(|| refused(37)));
        }
        assert_eq!(search.carried, Some(36));
    }
}
