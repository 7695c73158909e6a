//! Where the time of a capture does not run on: files put one behind the other, a clock that was set, a damaged record.
//!
//! In: time and number of every record, in order. Out: how often time jumped, and the first few jumps.
//! Never: a judgement on gaps that a quiet network explains, or memory that grows with the jumps.

use crate::packet::FrameNo;
use crate::time::{NANOS_PER_SEC, Timestamp};

/// Records of several interfaces come out of order by milliseconds; a second is none of that.
const MAX_BACK: i64 = NANOS_PER_SEC;
/// A capture may be quiet for a weekend, or go on after months. Years are a clock's.
const MAX_AHEAD: i64 = 366 * DAY;
/// A record whose neighbours are no further apart than this has a wrong date itself.
const DAY: i64 = 86_400 * NANOS_PER_SEC;
const EXAMPLES: usize = 5;

/// One jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The record before it.
    pub before: FrameNo,
    /// The record behind it.
    pub after: FrameNo,
    /// From the one to the other; negative where time went back.
    pub nanos: i64,
    /// The next record is dated as those before: only this one stands apart.
    pub is_stray: bool,
}

/// All jumps of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockStepSummary {
    /// How many; a record that stands apart counts once.
    pub count: u64,
    /// The first few.
    pub examples: Vec<ClockStep>,
}

/// The watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockSteps {
    last: Timestamp,
    /// 0 before the first record.
    last_frame: FrameNo,
    latest: Option<ClockStep>,
    summary: ClockStepSummary,
}

impl ClockSteps {
    /// Takes the next record.
    #[inline]
    pub(crate) fn record(&mut self, ts: Timestamp, frame: FrameNo) {
        let nanos = ts.nanos_since(self.last);
        if !(-MAX_BACK..=MAX_AHEAD).contains(&nanos) {
            self.step(nanos, frame);
        }
        self.last = ts;
        self.last_frame = frame;
    }

    pub(crate) fn summary(&self) -> &ClockStepSummary {
        &self.summary
    }

    #[cold]
    #[inline(never)]
    fn step(&mut self, nanos: i64, frame: FrameNo) {
        if self.last_frame == FrameNo(0) {
            return;
        }
        let way_out = self.latest.take();
        if let Some(out) = way_out.filter(|out| out.after == self.last_frame && is_way_back(out.nanos, nanos)) {
            let known = self.summary.examples.last_mut().filter(|example| example.after == out.after);
            if let Some(example) = known {
                example.is_stray = true;
            }
            return;
        }
        let step = ClockStep { before: self.last_frame, after: frame, nanos, is_stray: false };
        self.latest = Some(step);
        self.summary.count += 1;
        if self.summary.examples.len() < EXAMPLES {
            self.summary.examples.push(step);
        }
    }
}

/// The second jump leads, by the day, to where the first one came from.
fn is_way_back(out: i64, back: i64) -> bool {
    out.unsigned_abs() > MAX_AHEAD as u64 && out.saturating_add(back).unsigned_abs() < DAY as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of these seconds, numbered from 1.
    fn watch(seconds: &[f64]) -> ClockStepSummary {
        let mut steps = ClockSteps::default();
        for (at, second) in seconds.iter().enumerate() {
            steps.record(Timestamp::from_nanos((second * 1e9) as i64), FrameNo(at as u64 + 1));
        }
        steps.summary().clone()
    }

    const NOW: f64 = 1_700_000_000.0;

    #[test]
    fn quiet_weeks_and_records_a_little_out_of_order_are_no_jumps() {
        let month = 30.0 * 86_400.0;
        assert_eq!(watch(&[NOW, NOW + 0.5, NOW - 0.4, NOW + month]), ClockStepSummary::default());
    }

    #[test]
    fn the_first_record_has_no_time_to_jump_from() {
        assert_eq!(watch(&[NOW]).count, 0);
        assert_eq!(watch(&[0.0, 1.0]).count, 0);
    }

    #[test]
    fn time_that_goes_back_by_more_than_a_second_jumps() {
        let summary = watch(&[NOW, NOW + 5.0, NOW + 1.5, NOW + 2.0]);
        let step = ClockStep { before: FrameNo(2), after: FrameNo(3), nanos: -3_500_000_000, is_stray: false };
        assert_eq!(summary, ClockStepSummary { count: 1, examples: vec![step] });
    }

    #[test]
    fn a_clock_that_is_set_from_1970_jumps_once() {
        let summary = watch(&[3.0, 4.0, NOW, NOW + 1.0]);
        assert_eq!((summary.count, summary.examples[0].after, summary.examples[0].is_stray), (1, FrameNo(3), false));
    }

    #[test]
    fn a_record_years_away_from_its_neighbours_is_one_jump_and_stands_apart() {
        for stray in [0.0, NOW + 2e9] {
            let summary = watch(&[NOW, NOW + 1.0, stray, NOW + 1.1, NOW + 1.2]);
            assert_eq!((summary.count, summary.examples.len()), (1, 1), "{stray}");
            assert_eq!((summary.examples[0].after, summary.examples[0].is_stray), (FrameNo(3), true), "{stray}");
        }
    }

    #[test]
    fn two_records_with_a_wrong_date_jump_there_and_back() {
        let summary = watch(&[NOW, 0.0, 0.1, NOW + 1.0]);
        assert_eq!(summary.examples.iter().map(|step| step.after).collect::<Vec<_>>(), [FrameNo(2), FrameNo(4)]);
    }

    #[test]
    fn however_often_time_jumps_a_few_examples_are_kept() {
        let seconds: Vec<f64> = (0..1000).map(|at| NOW + f64::from(at % 2) * 10.0).collect();
        let summary = watch(&seconds);
        assert_eq!((summary.count, summary.examples.len()), (499, EXAMPLES));
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        let mut steps = ClockSteps::default();
        for (at, nanos) in [i64::MIN, i64::MAX, i64::MIN, i64::MIN, i64::MAX].into_iter().enumerate() {
            steps.record(Timestamp::from_nanos(nanos), FrameNo(at as u64 + 1));
        }
        assert!(steps.summary().count > 0);
    }
}
