//! How many allocations should be up, and when calls begin and end.
//!
//! In: a [`Load`], its [`End`], a seed, points in time. Out: what should be then. Never: state; what is asked twice is
//! answered twice the same, in whatever order, by as many shards as there are.

use crate::clock::Moment;
use crate::config::{End, Load};
use crate::quantity::Rate;
use crate::random::Random;
use std::time::Duration;

/// A stretch in which the load goes in a straight line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stretch {
    start: u64,
    length: u64,
    from: u32,
    to: u32,
}

/// The course of a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    course: Course,
    seed: u64,
    /// From when on the load is what was asked for.
    full: Moment,
    ends: Option<Moment>,
    /// Packets of each stream.
    packets: Option<u64>,
}

#[derive(Clone, Debug)]
enum Course {
    /// In order, without gaps; after the last one its end is kept.
    Stretches(Vec<Stretch>),
    Arrivals {
        rate: Rate,
        hold: Duration,
    },
}

impl Scenario {
    /// The course of this load. Calls that arrive are all there once the first ones end: then its duration begins.
    pub fn new(load: &Load, end: End, seed: u64) -> Self {
        let (course, full) = match load {
            Load::Allocations { count, ramp } => {
                let ramp_up = Stretch { start: 0, length: nanos(*ramp), from: 0, to: *count };
                (Course::Stretches(vec![ramp_up]), Moment::START.plus(*ramp))
            }
            Load::Arrivals { rate, hold } => (Course::Arrivals { rate: *rate, hold: *hold }, Moment::START.plus(*hold)),
            Load::Stages(stages) => {
                let (mut start, mut from) = (0_u64, 0);
                let stretches = stages.list().iter().map(|stage| {
                    let stretch = Stretch { start, length: nanos(stage.over), from, to: stage.target };
                    (start, from) = (start.saturating_add(stretch.length), stage.target);
                    stretch
                });
                (Course::Stretches(stretches.collect()), Moment::START.plus(stages.duration()))
            }
        };
        let (ends, packets) = match end {
            End::After(time) => (Some(full.plus(time)), None),
            End::Messages(packets) => (None, Some(packets)),
            End::OnceThrough => (None, None),
            End::WithStages => (Some(full), None),
        };
        Self { course, seed, full, ends, packets }
    }

    /// When the load is what was asked for; of stages, which are all asked for, their end.
    pub const fn full_at(&self) -> Moment {
        self.full
    }

    /// When nothing should be up any more; none where the streams decide.
    pub const fn ends(&self) -> Option<Moment> {
        self.ends
    }

    /// Packets that each stream sends, where that ends the run.
    pub const fn packets(&self) -> Option<u64> {
        self.packets
    }

    /// Allocations that should be up; of calls that arrive, how many there are in the mean.
    pub fn wanted(&self, now: Moment) -> u32 {
        if self.ends.is_some_and(|end| now >= end) {
            return 0;
        }
        match &self.course {
            Course::Stretches(stretches) => {
                at(stretches, now.as_nanos()).map_or(0, |stretch| stretch.level(now.as_nanos()))
            }
            Course::Arrivals { rate, hold } => {
                let time = now.since(Moment::START).min(*hold);
                (rate.per_second() * time.as_secs_f64()).round() as u32
            }
        }
    }

    /// When [`wanted`](Self::wanted) is next another; none where it never is again, and of calls that arrive.
    pub fn next_change(&self, now: Moment) -> Option<Moment> {
        let Course::Stretches(stretches) = &self.course else { return None };
        let wanted = self.wanted(now);
        let mut time = now.as_nanos();
        while let Some(stretch) = at(stretches, time).filter(|stretch| time < stretch.end()) {
            let next = stretch.change_after(time).unwrap_or_else(|| stretch.end());
            if self.wanted(Moment::from_nanos(next)) != wanted {
                return Some(Moment::from_nanos(next));
            }
            time = next;
        }
        self.ends.filter(|end| *end > now && wanted > 0)
    }

    /// The most that is ever wanted; of calls that arrive, how many there are in the mean.
    pub fn peak(&self) -> u32 {
        match &self.course {
            Course::Stretches(stretches) => stretches.iter().map(|stretch| stretch.to).max().unwrap_or(0),
            Course::Arrivals { rate, hold } => (rate.per_second() * hold.as_secs_f64()).ceil() as u32,
        }
    }

    /// The calls that arrive, in order, until the run ends; none where the load is a number of allocations.
    pub fn arrivals(&self, spacing: Spacing) -> Option<Arrivals> {
        let Course::Arrivals { rate, hold } = self.course else { return None };
        let end = self.ends.map_or(u64::MAX, Moment::as_nanos);
        let random = Random::of(self.seed, ARRIVALS);
        Some(Arrivals { mean: 1e9 / rate.per_second(), rate, hold, spacing, random, index: 0, at: 0, end })
    }
}

/// Tells the random numbers of arrivals from those of streams, which are numbered up from zero.
const ARRIVALS: u64 = u64::MAX;

/// Of `wanted` allocations, those of one of `shards` that share them: allocation `n` is of shard `n % shards`.
pub const fn share(wanted: u32, shard: u32, shards: u32) -> u32 {
    if shards == 0 || shard >= shards {
        return 0;
    }
    wanted / shards + (shard < wanted % shards) as u32
}

/// How calls that arrive lie in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spacing {
    /// As calls of people who know nothing of each other.
    #[default]
    Poisson,
    /// One an interval.
    Even,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Which, from 0.
    pub index: u64,
    /// When it begins.
    pub at: Moment,
    /// When it ends, at the latest with the run.
    pub until: Moment,
}

/// Calls in the order in which they arrive; the same for each shard that asks.
#[derive(Clone, Debug)]
pub struct Arrivals {
    rate: Rate,
    hold: Duration,
    spacing: Spacing,
    random: Random,
    /// Nanoseconds between two of them.
    mean: f64,
    index: u64,
    at: u64,
    end: u64,
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let index = self.index;
        self.at = match self.spacing {
            Spacing::Poisson => self.at.saturating_add(self.random.exponential(self.mean).round() as u64),
            // From the start each time, so that nothing is ever rounded twice.
            Spacing::Even => {
                let exact = u128::from(index) * 1_000_000_000_000_000 / u128::from(self.rate.per_million_seconds());
                u64::try_from(exact).unwrap_or(u64::MAX)
            }
        };
        if self.at >= self.end {
            return None;
        }
        self.index += 1;
        let at = Moment::from_nanos(self.at);
        let until = at.plus(self.hold).min(Moment::from_nanos(self.end));
        Some(Arrival { index, at, until })
    }
}

/// The stretch of a time; behind the last one, that one.
fn at(stretches: &[Stretch], time: u64) -> Option<&Stretch> {
    let ended = stretches.partition_point(|stretch| stretch.end() <= time);
    stretches.get(ended).or(stretches.last())
}

impl Stretch {
    const fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Allocations wanted. On the way up the first one is wanted at once, on the way down the last one leaves at the
    /// end.
    fn level(&self, time: u64) -> u32 {
        if time >= self.end() {
            return self.to;
        }
        let height = u128::from(self.from.abs_diff(self.to));
        // Below the height, which is 32 bits wide.
        let done = (height * u128::from(time.saturating_sub(self.start)) / u128::from(self.length.max(1))) as u32;
        if self.to > self.from { (self.from + done + 1).min(self.to) } else { self.from - done }
    }

    /// When the level is next another inside of the stretch.
    fn change_after(&self, time: u64) -> Option<u64> {
        let height = u128::from(self.from.abs_diff(self.to));
        if height == 0 || self.length == 0 {
            return None;
        }
        let done = height * u128::from(time.saturating_sub(self.start)) / u128::from(self.length);
        let next = ((done + 1) * u128::from(self.length)).div_ceil(height);
        let next = self.start.saturating_add(u64::try_from(next).unwrap_or(u64::MAX));
        (next < self.end()).then_some(next)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocations(count: u32, ramp: u64, end: End) -> Scenario {
        Scenario::new(&Load::Allocations { count, ramp: Duration::from_secs(ramp) }, end, 1)
    }

    fn staged(text: &str) -> Scenario {
        Scenario::new(&Load::Stages(text.parse().expect("stages")), End::WithStages, 1)
    }

    fn arriving(rate: &str, hold: u64, seconds: u64, seed: u64) -> Scenario {
        let load = Load::Arrivals { rate: rate.parse().expect("a rate"), hold: Duration::from_secs(hold) };
        Scenario::new(&load, End::After(Duration::from_secs(seconds)), seed)
    }

    fn seconds(seconds: f64) -> Moment {
        Moment::from_nanos((seconds * 1e9) as u64)
    }

    /// All changes, from the start on.
    fn changes(scenario: &Scenario) -> Vec<(u64, u32)> {
        let mut now = Moment::START;
        let mut list = vec![(0, scenario.wanted(now))];
        while let Some(next) = scenario.next_change(now) {
            assert!(next > now, "{next:?}");
            now = next;
            list.push((now.as_nanos(), scenario.wanted(now)));
        }
        list
    }

    #[test]
    fn a_ramp_begins_at_once_and_is_even() {
        let scenario = allocations(10, 5, End::After(Duration::from_secs(60)));
        let expected: Vec<(u64, u32)> =
            (0..10).map(|n| (n * 500_000_000, n as u32 + 1)).chain([(65_000_000_000, 0)]).collect();
        assert_eq!(changes(&scenario), expected);
        assert_eq!((scenario.full_at(), scenario.ends()), (seconds(5.0), Some(seconds(65.0))));
    }

    #[test]
    fn without_a_ramp_all_are_wanted_at_once() {
        let scenario = allocations(5_000, 0, End::After(Duration::from_secs(1)));
        assert_eq!(changes(&scenario), [(0, 5_000), (1_000_000_000, 0)]);
    }

    #[test]
    fn a_number_of_packets_leaves_the_end_to_the_streams() {
        let scenario = allocations(3, 0, End::Messages(7));
        assert_eq!((scenario.ends(), scenario.packets(), scenario.next_change(Moment::START)), (None, Some(7), None));
        assert_eq!(scenario.wanted(Moment::from_nanos(u64::MAX)), 3);
    }

    #[test]
    fn stages_go_up_stay_go_down_and_end_with_nothing() {
        let scenario = staged("0:0,2s:4,5m:4,2s:0");
        assert_eq!(
            changes(&scenario),
            [
                (0, 1),
                (500_000_000, 2),
                (1_000_000_000, 3),
                (1_500_000_000, 4),
                (302_500_000_000, 3),
                (303_000_000_000, 2),
                (303_500_000_000, 1),
                (304_000_000_000, 0)
            ]
        );
        assert_eq!(scenario.peak(), 4);
    }

    #[test]
    fn a_stage_without_time_jumps_and_the_end_takes_all_away() {
        assert_eq!(changes(&staged("0:100,1s:100,0:7,1s:7")), [(0, 100), (1_000_000_000, 7), (2_000_000_000, 0)]);
    }

    #[test]
    fn every_change_of_random_stages_is_announced_to_the_nanosecond() {
        let mut random = Random::new(42);
        for _ in 0..200 {
            let stage = |random: &mut Random| format!("{}ns:{}", random.below(50), random.below(30));
            let text: Vec<String> = (0..6).map(|_| stage(&mut random)).chain(["1ns:3".to_owned()]).collect();
            let scenario = staged(&text.join(","));
            let mut walked = vec![(0, scenario.wanted(Moment::START))];
            for nanos in 1..400 {
                let wanted = scenario.wanted(Moment::from_nanos(nanos));
                if walked.last().is_some_and(|(_, before)| *before != wanted) {
                    walked.push((nanos, wanted));
                }
            }
            assert_eq!(changes(&scenario), walked, "{text:?}");
        }
    }

    #[test]
    fn shards_share_all_of_it_and_none_twice() {
        for wanted in 0..50 {
            for shards in 1..9 {
                assert_eq!((0..shards).map(|shard| share(wanted, shard, shards)).sum::<u32>(), wanted);
                for shard in 0..shards {
                    let of_shard = (0..wanted).filter(|number| number % shards == shard).count();
                    assert_eq!(share(wanted, shard, shards) as usize, of_shard);
                }
            }
        }
        assert_eq!((share(9, 0, 0), share(9, 4, 4)), (0, 0));
    }

    #[test]
    fn even_arrivals_do_not_drift_over_a_day() {
        let scenario = arriving("7/s", 30, 86_370, 1);
        let arrivals: Vec<Arrival> = scenario.arrivals(Spacing::Even).expect("arrivals").collect();
        assert_eq!(arrivals.len(), 7 * 86_400);
        assert_eq!(arrivals[7 * 1_000].at, seconds(1_000.0));
        assert_eq!(arrivals[0], Arrival { index: 0, at: Moment::START, until: seconds(30.0) });
        assert_eq!(arrivals.last().map(|last| last.until), Some(seconds(86_400.0)));
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_follow_from_the_seed() {
        let list = |seed: u64| -> Vec<Arrival> {
            arriving("200/s", 30, 70, seed).arrivals(Spacing::Poisson).expect("arrivals").collect()
        };
        let (one, two) = (list(1), list(2));
        assert_eq!(one, list(1));
        assert_ne!(one, two);
        // Twenty thousand, give or take five standard deviations.
        assert!((19_290..20_710).contains(&one.len()), "{}", one.len());
        // The number in a second scatters as much as its mean.
        let mut counts = [0_f64; 100];
        one.iter().for_each(|arrival| counts[(arrival.at.as_nanos() / 1_000_000_000) as usize] += 1.0);
        let variance = counts.iter().map(|count| (count - 200.0).powi(2)).sum::<f64>() / 100.0;
        assert!((120.0..300.0).contains(&variance), "{variance}");
    }

    #[test]
    fn calls_that_arrive_are_wanted_by_their_mean() {
        let scenario = arriving("200/s", 30, 60, 1);
        assert_eq!(scenario.wanted(seconds(10.0)), 2_000);
        assert_eq!((scenario.wanted(seconds(50.0)), scenario.peak()), (6_000, 6_000));
        assert_eq!((scenario.wanted(seconds(90.0)), scenario.next_change(Moment::START)), (0, None));
        assert!(allocations(1, 0, End::Messages(1)).arrivals(Spacing::Even).is_none());
    }
}
