//! How a stream went over time, in intervals of one length.
//!
//! In: each packet that is no duplicate, with what is missing and the jitter behind it. Out: [`Series`]. Never: asked for by
//! the report, or memory that grows with time: where intervals run out, two become one.

use crate::packet::FrameNo;
use crate::time::{NANOS_PER_SEC, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// Intervals at most, and the length that they begin with.
const INTERVALS: u64 = 240;
const FIRST_STEP: i64 = 100_000_000;
/// Intervals that each copy of a series has for its own; the rest is shared as long as it does not change.
const RECENT: usize = 32;
/// Keyframes that are kept: the first ones.
const KEYFRAMES: usize = 256;

/// What stands for no time, less than any.
const NONE: f32 = -1.0;

/// What happened in one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    bytes: u64,
    packets: u32,
    /// Packets missing since the stream began, at the end of the interval.
    missing: u32,
    /// The highest.
    jitter_ms: f32,
    /// The longest wait for one of its packets.
    delta_ms: f32,
    /// That of its first packet; 0 without any.
    frame: FrameNo,
}

impl Interval {
    /// One in which nothing came.
    const fn empty(missing: u32) -> Self {
        Self { bytes: 0, packets: 0, missing, jitter_ms: NONE, delta_ms: NONE, frame: FrameNo(0) }
    }

    /// Takes what came later into it as well.
    fn extend(&mut self, later: &Interval) {
        self.bytes += later.bytes;
        self.packets = self.packets.saturating_add(later.packets);
        self.missing = later.missing;
        self.jitter_ms = self.jitter_ms.max(later.jitter_ms);
        self.delta_ms = self.delta_ms.max(later.delta_ms);
        if self.frame == FrameNo(0) {
            self.frame = later.frame;
        }
    }
}

/// What happened over time. All that begin at the same moment can be added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What intervals are counted from.
    start: Timestamp,
    /// Nanoseconds of an interval.
    step: i64,
    /// The number of the first interval that is kept.
    first: u64,
    /// All intervals but the last ones, which a copy for a snapshot shares: thousands of streams are copied twice a second.
    settled: Arc<Vec<Interval>>,
    /// The last ones; where there are any at all, there is one here.
    recent: Vec<Interval>,
    /// The interval of `recent` that the last packet belonged to, and its time: most packets belong to the same.
    current: usize,
    current_time: Range<Timestamp>,
    last: Option<Timestamp>,
    keyframes: Vec<(Timestamp, FrameNo)>,
    /// RTP timestamp of the last keyframe.
    keyframe_ticks: Option<u32>,
}

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesPoint {
    /// When it begins.
    pub ts: Timestamp,
    /// RTP bits per second.
    pub bps: f64,
    /// Packets that arrived.
    pub packets: u32,
    /// Packets more that are missing at its end than at its beginning.
    pub lost: u32,
    /// The highest interarrival jitter; none without a clock.
    pub jitter_ms: Option<f64>,
    /// The longest wait for a packet of it; none where nothing came, and for the first packet of all.
    pub delta_ms: Option<f64>,
    /// The first frame of it; none where nothing came.
    pub frame: Option<FrameNo>,
}

impl Series {
    /// One without packets; `start` is that of the capture.
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            start,
            step: FIRST_STEP,
            first: 0,
            settled: Arc::default(),
            recent: Vec::new(),
            current: 0,
            current_time: start..start,
            last: None,
            keyframes: Vec::new(),
            keyframe_ticks: None,
        }
    }

    /// Takes a packet. One from before the first (a clock that went back) counts to the first.
    pub(crate) fn packet(&mut self, ts: Timestamp, frame: FrameNo, bytes: u32, missing: u64, jitter_ms: Option<f64>) {
        let delta_ms = self.last.replace(ts).map_or(NONE, |last| ts.millis_since(last).max(0.0) as f32);
        let Some(interval) = self.at(ts) else { return };
        interval.extend(&Interval {
            bytes: u64::from(bytes),
            packets: 1,
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            jitter_ms: jitter_ms.map_or(NONE, |millis| millis as f32),
            delta_ms,
            frame,
        });
    }

    /// Takes a packet of a keyframe with these RTP ticks, which the packets of one frame have in common.
    pub(crate) fn keyframe(&mut self, ts: Timestamp, frame: FrameNo, ticks: u32) {
        let is_known = self.keyframe_ticks.replace(ticks) == Some(ticks);
        if !is_known && self.keyframes.len() < KEYFRAMES {
            self.keyframes.push((ts, frame));
        }
    }

    /// What looks like a keyframe in encrypted bytes is none.
    pub(crate) fn forget_keyframes(&mut self) {
        self.keyframes = Vec::new();
    }

    /// The first packets of the first keyframes, where the payload can be read and its codec is known.
    pub fn keyframes(&self) -> &[(Timestamp, FrameNo)] {
        &self.keyframes
    }

    /// The bytes and packets of all of them, which have the same beginning; none where there is none.
    pub(crate) fn sum<'a>(all: impl Iterator<Item = &'a Series> + Clone) -> Option<Self> {
        let start = all.clone().next()?.start;
        let filled = || all.clone().filter(|series| !series.recent.is_empty());
        let mut sum = Self::new(start);
        let begin = filled().map(Series::begins).min()?;
        let end = filled().map(|series| series.time(series.len().saturating_sub(1))).max()?;
        sum.step = filled().map(|series| series.step).max()?;
        sum.at(begin)?;
        sum.at(end)?;
        let mut total = vec![Interval::empty(0); sum.len()];
        for series in filled() {
            // Steps are doubled ones of the same.
            let wider = (sum.step / series.step).max(1) as u64;
            for (at, interval) in series.intervals().enumerate().filter(|(_, interval)| interval.packets > 0) {
                let place = ((series.first + at as u64) / wider).saturating_sub(sum.first);
                if let Some(own) = total.get_mut(place as usize) {
                    own.bytes += interval.bytes;
                    own.packets = own.packets.saturating_add(interval.packets);
                }
            }
        }
        sum.replace(total);
        Some(sum)
    }

    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.settled.iter().chain(&self.recent)
    }

    fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    /// Takes these for its intervals.
    fn replace(&mut self, mut intervals: Vec<Interval>) {
        // The last one will change.
        self.recent = intervals.split_off(intervals.len().saturating_sub(1));
        self.settled = Arc::new(intervals);
        self.current_time = self.start..self.start;
    }

    fn begins(&self) -> Timestamp {
        self.time(0)
    }

    fn time(&self, at: usize) -> Timestamp {
        let number = i64::try_from(self.first.saturating_add(at as u64)).unwrap_or(i64::MAX);
        self.start.plus_nanos(number.saturating_mul(self.step))
    }

    fn number(&self, ts: Timestamp) -> u64 {
        u64::try_from(ts.nanos_since(self.start) / self.step).unwrap_or(0)
    }

    #[inline]
    fn at(&mut self, ts: Timestamp) -> Option<&mut Interval> {
        if self.current_time.contains(&ts) {
            return self.recent.get_mut(self.current);
        }
        self.find(ts)
    }

    #[inline(never)]
    fn find(&mut self, ts: Timestamp) -> Option<&mut Interval> {
        if self.recent.is_empty() {
            self.first = self.number(ts);
        }
        while self.number(ts).saturating_sub(self.first) >= INTERVALS {
            self.halve();
        }
        let at = self.number(ts).saturating_sub(self.first) as usize;
        let missing = self.recent.last().map_or(0, |last| last.missing);
        if at >= self.len() {
            let intervals = at + 1 - self.settled.len();
            self.recent.resize(intervals, Interval::empty(missing));
            if self.recent.len() > RECENT {
                let last = self.recent.len() - 1;
                Arc::make_mut(&mut self.settled).extend(self.recent.drain(..last));
            }
        }
        let Some(place) = at.checked_sub(self.settled.len()) else {
            return Arc::make_mut(&mut self.settled).get_mut(at);
        };
        self.current = place;
        self.current_time = self.time(at)..self.time(at + 1);
        self.recent.get_mut(place)
    }

    /// Makes one interval of two.
    fn halve(&mut self) {
        let first = self.first / 2;
        let mut wider: Vec<Interval> = Vec::with_capacity(self.len() / 2 + 1);
        for (at, interval) in self.intervals().enumerate() {
            let place = ((self.first + at as u64) / 2 - first) as usize;
            match wider.get_mut(place) {
                None => wider.push(*interval),
                Some(own) => own.extend(interval),
            }
        }
        self.first = first;
        self.step *= 2;
        self.replace(wider);
    }

    /// Seconds of an interval.
    pub fn step_seconds(&self) -> f64 {
        self.step as f64 / NANOS_PER_SEC as f64
    }

    /// All intervals in order.
    pub fn points(&self) -> Vec<SeriesPoint> {
        let mut before = 0;
        let known = |millis: f32| (millis >= 0.0).then_some(f64::from(millis));
        let point = |(at, interval): (usize, &Interval)| {
            let lost = interval.missing.saturating_sub(before);
            before = interval.missing;
            SeriesPoint {
                ts: self.time(at),
                bps: interval.bytes as f64 * 8.0 / self.step_seconds(),
                packets: interval.packets,
                lost,
                jitter_ms: known(interval.jitter_ms),
                delta_ms: known(interval.delta_ms),
                frame: (interval.frame != FrameNo(0)).then_some(interval.frame),
            }
        };
        self.intervals().enumerate().map(point).collect()
    }

    /// Packets that were missing at the end of the interval around `ts`; none before the stream began.
    pub fn missing_until(&self, ts: Timestamp) -> Option<u64> {
        let at = self.number(ts).checked_sub(self.first)?;
        let at = at as usize;
        let kept =
            at.checked_sub(self.settled.len()).map_or_else(|| self.settled.get(at), |place| self.recent.get(place));
        let interval = kept.or(self.recent.last())?;
        Some(u64::from(interval.missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn packets_count_to_the_interval_in_which_they_came() {
        let mut series = Series::new(at(0));
        series.packet(at(250), FrameNo(1), 100, 0, Some(1.0));
        series.packet(at(299), FrameNo(1), 100, 1, Some(3.0));
        series.packet(at(510), FrameNo(1), 50, 1, None);
        let points = series.points();
        assert_eq!(points.iter().map(|point| point.packets).collect::<Vec<_>>(), [2, 0, 0, 1]);
        assert_eq!((points[0].ts, points[0].bps, points[0].lost), (at(200), 16_000.0, 1));
        assert_eq!((points[0].jitter_ms, points[3].jitter_ms, points[3].lost), (Some(3.0), None, 0));
    }

    #[test]
    fn what_is_missing_is_known_at_each_moment_since_the_stream_began() {
        let mut series = Series::new(at(0));
        series.packet(at(250), FrameNo(1), 100, 0, None);
        series.packet(at(450), FrameNo(1), 100, 7, None);
        assert_eq!(
            [100, 260, 360, 460, 9999].map(|millis| series.missing_until(at(millis))),
            [None, Some(0), Some(0), Some(7), Some(7)]
        );
    }

    #[test]
    fn a_day_takes_no_more_intervals_than_a_minute() {
        let mut series = Series::new(at(0));
        (0..86_400).for_each(|second| series.packet(at(50 + second * 1000), FrameNo(1), 10, 0, None));
        let points = series.points();
        assert!(points.len() <= INTERVALS as usize && points.len() > INTERVALS as usize / 2 - 1, "{}", points.len());
        assert_eq!(points.iter().map(|point| u64::from(point.packets)).sum::<u64>(), 86_400);
        assert!((points[5].bps - 80.0).abs() < 1.0, "{:?}", points[5]);
    }

    #[test]
    fn a_copy_stays_as_it_was_while_the_series_goes_on() {
        let mut series = Series::new(at(0));
        let mut copies = Vec::new();
        for packet in 0..2000 {
            series.packet(at(packet * 70), FrameNo(packet as u64 + 1), 10, 0, None);
            copies.push((packet as u32 + 1, series.clone()));
            // A late one belongs to an interval that the copy has, too.
            series.packet(at(packet * 35), FrameNo(1), 10, 0, None);
        }
        for (packets, copy) in copies {
            assert_eq!(copy.points().iter().map(|point| point.packets).sum::<u32>(), packets * 2 - 1);
        }
    }

    #[test]
    fn a_clock_that_goes_back_or_far_ahead_breaks_nothing() {
        let mut series = Series::new(at(1_000_000));
        series.packet(at(1_000_500), FrameNo(1), 10, 0, None);
        series.packet(at(0), FrameNo(1), 10, 0, None);
        series.packet(Timestamp::from_nanos(i64::MAX), FrameNo(1), 10, 0, None);
        assert_eq!(series.points().iter().map(|point| point.packets).sum::<u32>(), 3);
    }

    #[test]
    fn an_interval_has_the_longest_wait_and_its_first_frame() {
        let mut series = Series::new(at(0));
        for (millis, frame) in [(10, 3), (30, 5), (90, 6), (210, 9)] {
            series.packet(at(millis), FrameNo(frame), 10, 0, None);
        }
        let points = series.points();
        let seen: Vec<_> = points.iter().map(|point| (point.delta_ms, point.frame)).collect();
        assert_eq!(seen, [(Some(60.0), Some(FrameNo(3))), (None, None), (Some(120.0), Some(FrameNo(9)))]);
    }

    #[test]
    fn the_packets_of_a_keyframe_are_one_keyframe() {
        let mut series = Series::new(at(0));
        for (frame, ticks) in [(1, 90), (2, 90), (3, 180)] {
            series.keyframe(at(10), FrameNo(frame), ticks);
        }
        assert_eq!(series.keyframes().iter().map(|(_, frame)| frame.0).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_sum_has_all_packets_of_its_parts() {
        let (mut short, mut long) = (Series::new(at(0)), Series::new(at(0)));
        (0..10).for_each(|number| short.packet(at(5000 + number * 20), FrameNo(1), 100, 0, None));
        (0..6000).for_each(|number| long.packet(at(number * 20), FrameNo(1), 100, 0, None));
        let sum = Series::sum([&short, &long].into_iter()).unwrap();
        assert_eq!(sum.points().iter().map(|point| point.packets).sum::<u32>(), 6010);
        assert_eq!(Series::sum([].into_iter()), None);
    }
}
