//! Which streams an allocation has: the same for all, or those of a capture in turn.
//!
//! In: a [`Traffic`], or the parts of a capture. Out: the [`StreamPlan`]s of an allocation. Never: plans of its own for
//! each allocation.

use super::plan::{Kind, StreamPlan, Unplannable};
use super::track::{Beat, Course, Track};
use crate::config::Traffic;
use std::sync::Arc;

/// Streams of an allocation at most.
pub const MAX_STREAMS: usize = 16;

/// What allocations play: the one with number *n* plays part *n* modulo their number.
#[derive(Clone, PartialEq, Debug)]
pub struct Parts(Arc<[Vec<StreamPlan>]>);

impl Parts {
    /// One part for all.
    ///
    /// # Errors
    /// Sizes that cannot be, and a replay.
    pub fn of(traffic: &Traffic) -> Result<Self, Unplannable> {
        Ok(Self(Arc::new([StreamPlan::of(traffic)?])))
    }

    /// The parts of a capture: of each the streams with their packets in order of time, counted from the first packet of
    /// the part. Of more than [`MAX_STREAMS`] the last ones are sent as one, each packet at its time. None where there
    /// is no packet.
    pub fn replayed(parts: Vec<Vec<(Kind, Vec<Beat>)>>, course: Course) -> Option<Self> {
        let parts: Vec<Vec<_>> = parts
            .into_iter()
            .map(|streams| few(streams.into_iter().filter(|(_, beats)| !beats.is_empty()).collect()))
            .filter(|streams| !streams.is_empty())
            .collect();
        let among = u32::try_from(parts.len()).ok().filter(|among| *among > 0)?;
        let plan = |track| StreamPlan::replay(track, course, among);
        Some(Self(parts.into_iter().map(|streams| Track::part(streams).into_iter().map(plan).collect()).collect()))
    }

    /// The streams of an allocation.
    pub fn of_allocation(&self, allocation: u32) -> &[StreamPlan] {
        (allocation as usize).checked_rem(self.0.len()).and_then(|part| self.0.get(part)).map_or(&[], Vec::as_slice)
    }

    /// Each part.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[StreamPlan]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Seconds of the longest part; none without a capture.
    pub fn longest(&self) -> Option<f64> {
        self.0.iter().flatten().filter_map(StreamPlan::seconds).reduce(f64::max)
    }

    /// Packets of so many allocations that play their parts once; none where these have no end.
    pub fn packets(&self, allocations: u64) -> Option<u64> {
        let each: Option<Vec<u64>> =
            self.0.iter().map(|streams| streams.iter().map(StreamPlan::packets).sum::<Option<u64>>()).collect();
        let (each, parts) = (each?, self.0.len() as u64);
        let rest = (allocations % parts) as usize;
        Some(allocations / parts * each.iter().sum::<u64>() + each.iter().take(rest).sum::<u64>())
    }

    /// Of an allocation in the mean of the parts; none where a stream has none.
    pub fn mean(&self, of: fn(&StreamPlan) -> Option<f64>) -> Option<f64> {
        let sum: Option<f64> = self.0.iter().flatten().map(of).sum();
        sum.map(|sum| sum / self.0.len() as f64)
    }
}

/// Puts what goes beyond the bound together.
fn few(mut streams: Vec<(Kind, Vec<Beat>)>) -> Vec<(Kind, Vec<Beat>)> {
    if streams.len() > MAX_STREAMS {
        let mut rest: Vec<Beat> = streams.drain(MAX_STREAMS - 1..).flat_map(|(_, beats)| beats).collect();
        rest.sort_by_key(|beat| beat.at);
        streams.push((Kind::Data, rest));
    }
    streams
}

#[cfg(test)]
mod tests {
    use super::super::{Pacer, StreamId};
    use super::*;
    use crate::args::Profile;
    use crate::clock::Moment;

    fn beat(at: u64, bytes: u16) -> Beat {
        Beat { at, bytes, marker: at.is_multiple_of(3) }
    }

    fn capture() -> Vec<Vec<(Kind, Vec<Beat>)>> {
        let audio = vec![beat(0, 92), beat(20_000_000, 30), beat(40_500_000, 95)];
        let video = vec![beat(7_000_000, 1_200), beat(7_000_100, 1_200), beat(7_000_200, 333)];
        vec![vec![(Kind::Audio, audio), (Kind::Video, video)], vec![(Kind::Audio, vec![beat(0, 60), beat(1_000, 61)])]]
    }

    fn played(parts: &Parts, allocation: u32, count: usize) -> Vec<(u16, u64, u16, bool)> {
        let mut all = Vec::new();
        for (number, plan) in (0..).zip(parts.of_allocation(allocation)) {
            let id = StreamId { run: 1, allocation, stream: number };
            let mut pacer = Pacer::new(plan, 9, id, Moment::from_nanos(1_000_000_000));
            all.extend(
                (0..count)
                    .map_while(|_| pacer.next())
                    .map(|due| (number, due.at.as_nanos() - 1_000_000_000, due.packet.bytes, due.packet.marker)),
            );
        }
        all
    }

    fn as_captured(part: usize) -> Vec<(u16, u64, u16, bool)> {
        let of = |(number, (_, beats)): (u16, (Kind, Vec<Beat>))| {
            beats.into_iter().map(move |beat| (number, beat.at, beat.bytes, beat.marker))
        };
        (0..).zip(capture().remove(part)).flat_map(of).collect()
    }

    #[test]
    fn each_allocation_plays_its_part_with_the_times_and_sizes_of_the_capture() {
        let parts = Parts::replayed(capture(), Course::Once).expect("parts");
        for allocation in 0..6 {
            assert_eq!(played(&parts, allocation, 100), as_captured(allocation as usize % 2), "{allocation}");
        }
    }

    #[test]
    fn a_part_goes_round_with_all_its_streams_together() {
        let parts = Parts::replayed(capture(), Course::Again).expect("parts");
        let period = 40_500_000 + 20_250_000;
        let mut expected = Vec::new();
        for number in 0..2 {
            let once: Vec<_> = as_captured(0).into_iter().filter(|packet| packet.0 == number).collect();
            expected.extend((0..2).flat_map(|round| {
                once.clone()
                    .into_iter()
                    .map(move |(number, at, bytes, marker)| (number, at + round * period, bytes, marker))
            }));
        }
        assert_eq!(played(&parts, 4, 6), expected);
    }

    #[test]
    fn the_first_of_a_part_begins_at_its_beginning_and_the_next_ones_spread_over_it() {
        let second = |n: u64| beat(n * 1_000_000_000, 100 + n as u16);
        let parts = Parts::replayed(vec![vec![(Kind::Audio, (0..100).map(second).collect())]], Course::Spread);
        let parts = parts.expect("parts");
        let mut begin: Vec<u16> = (0..10).map(|allocation| played(&parts, allocation, 1)[0].2 - 100).collect();
        assert_eq!(begin[0], 0);
        begin.sort_unstable();
        let gaps: Vec<u16> = begin.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (5..=20).contains(gap)), "{begin:?}");
        // Each of them starts at once: the next packet of the part is at most a second away.
        assert!((0..10).all(|allocation| played(&parts, allocation, 1)[0].1 <= 1_000_000_000));
    }

    #[test]
    fn many_streams_are_sent_by_few_and_no_packet_is_left_out() {
        let streams = (0..40).map(|n| (Kind::Video, vec![beat(n, 100), beat(100 - n, 101)])).collect();
        let parts = Parts::replayed(vec![streams], Course::Once).expect("parts");
        assert_eq!(parts.of_allocation(0).len(), MAX_STREAMS);
        let mut times: Vec<u64> = played(&parts, 0, 1_000).into_iter().map(|packet| packet.1).collect();
        let mut expected: Vec<u64> = (0..40).flat_map(|n| [n, 100 - n]).collect();
        times.sort_unstable();
        expected.sort_unstable();
        assert_eq!(times, expected);
    }

    #[test]
    fn rates_are_the_mean_of_the_parts() {
        let once_a_second = |bytes: u16| vec![(Kind::Audio, vec![beat(0, bytes), beat(1_000_000_000, bytes)])];
        let parts = Parts::replayed(vec![once_a_second(100), once_a_second(20)], Course::Again).expect("parts");
        assert_eq!(parts.mean(StreamPlan::packets_per_second), Some(1.0));
        // Below the smallest packet it is that one.
        assert_eq!(parts.mean(StreamPlan::bits_per_second), Some((800.0 + 400.0) / 2.0));
        assert_eq!(
            Parts::of(&Traffic::Profile(Profile::Flood, None)).expect("a part").mean(StreamPlan::packets_per_second),
            None
        );
    }

    #[test]
    fn nothing_to_play_is_no_part() {
        assert_eq!(Parts::replayed(Vec::new(), Course::Once), None);
        assert_eq!(Parts::replayed(vec![vec![(Kind::Audio, Vec::new())]], Course::Once), None);
    }
}
