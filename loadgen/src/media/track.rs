//! Streams of a capture, to be sent again: tables of times and sizes that all allocations share.
//!
//! In: tables. Out: the place of an allocation in them, packet by packet. Never: a table of its own for an allocation; a
//! time that is not the capture's.

use super::payload::MIN_PAYLOAD;
use super::plan::Kind;
use std::sync::Arc;
use std::time::Duration;

/// A part with all its packets at one time begins anew after so long.
const SHORTEST_PERIOD: u64 = 1_000_000_000;

/// A packet of a captured stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Beat {
    /// Nanoseconds after the first packet of the part.
    pub at: u64,
    /// Bytes, RTP header included; what is below [`MIN_PAYLOAD`] is sent with that.
    pub bytes: u16,
    /// RTP marker bit.
    pub marker: bool,
}

/// How often a part is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Course {
    /// From its beginning to its end.
    Once,
    /// From its beginning, and again from there.
    Again,
    /// The same without an end in sight: the first allocation that plays a part begins at its beginning, the next ones
    /// elsewhere in it, as far from each other as can be, or all would have their key frames at once.
    Spread,
}

/// One captured stream.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Track {
    pub(super) kind: Kind,
    pub(super) beats: Box<[Beat]>,
    /// Nanoseconds after which it begins anew; that of the whole part.
    pub(super) period: u64,
}

impl Track {
    /// The streams of a part, whose times count from its first packet. The part begins anew one mean gap of its busiest
    /// stream after its last packet.
    pub(super) fn part(streams: Vec<(Kind, Vec<Beat>)>) -> Vec<Arc<Self>> {
        let last = |beats: &[Beat]| beats.last().map_or(0, |beat| beat.at);
        let span = streams.iter().map(|(_, beats)| last(beats)).max().unwrap_or(0);
        // Of equal ones the first.
        let busiest = streams.iter().rev().max_by_key(|(_, beats)| beats.len());
        let gap = busiest.and_then(|(_, beats)| {
            let first = beats.first()?.at;
            (last(beats) - first).checked_div(beats.len() as u64 - 1)
        });
        let period = match gap {
            Some(gap) if gap > 0 => span.saturating_add(gap),
            _ => span.saturating_add(SHORTEST_PERIOD),
        };
        let track = |(kind, beats): (Kind, Vec<Beat>)| Arc::new(Self { kind, beats: beats.into(), period });
        streams.into_iter().map(track).collect()
    }

    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.period).as_secs_f64()
    }

    /// Bytes of one round, as they are sent.
    pub(super) fn bytes(&self) -> u64 {
        self.beats.iter().map(|beat| u64::from(beat.bytes).max(MIN_PAYLOAD as u64)).sum()
    }
}

/// Where a stream is in its table.
#[derive(Clone, Debug)]
pub(super) struct Replaying {
    track: Arc<Track>,
    beat: usize,
    /// When this round began, or would have.
    round: u64,
}

impl Replaying {
    /// Begins at `start`, so far into the part as `turn` is of a whole round. Not for a track without beats.
    pub(super) fn new(track: Arc<Track>, start: u64, turn: u64) -> Self {
        let position = ((u128::from(turn) * u128::from(track.period)) >> 64) as u64;
        let beat = track.beats.partition_point(|beat| beat.at < position);
        // May lie before the run began; the sum with what comes of the round does not.
        let round = start.wrapping_sub(position);
        let mut this = Self { track, beat, round };
        this.wrap();
        this
    }

    /// When the packet that comes next is due, which may be beyond any time.
    pub(super) fn due(&self) -> u64 {
        let at = self.track.beats.get(self.beat).map_or(0, |beat| beat.at);
        self.round.wrapping_add(at)
    }

    /// Size and marker of that packet, and on to the next.
    pub(super) fn take(&mut self) -> (u64, bool) {
        let beat = self.track.beats.get(self.beat).copied();
        self.beat += 1;
        self.wrap();
        beat.map_or((0, false), |beat| (beat.bytes.into(), beat.marker))
    }

    fn wrap(&mut self) {
        if self.beat >= self.track.beats.len() {
            self.beat = 0;
            self.round = self.round.wrapping_add(self.track.period);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(times: &[u64]) -> Vec<Beat> {
        times.iter().map(|at| Beat { at: *at, bytes: 100, marker: false }).collect()
    }

    #[test]
    fn a_part_begins_anew_one_mean_gap_of_its_busiest_stream_after_its_last_packet() {
        let tracks = Track::part(vec![(Kind::Audio, beats(&[0, 20, 40, 60])), (Kind::Video, beats(&[5, 70]))]);
        assert_eq!(tracks.iter().map(|track| track.period).collect::<Vec<_>>(), [90, 90]);
        for alone in [&[0][..], &[0, 0, 0]] {
            let tracks = Track::part(vec![(Kind::Audio, beats(alone))]);
            assert_eq!(tracks[0].period, SHORTEST_PERIOD);
        }
    }

    #[test]
    fn whoever_begins_elsewhere_plays_the_same_in_turn() {
        let track = Track::part(vec![(Kind::Audio, beats(&[0, 10, 11, 30, 59]))]).remove(0);
        let dues = |turn: u64| {
            let mut replaying = Replaying::new(Arc::clone(&track), 1_000, turn);
            let next = |_| {
                let due = replaying.due();
                replaying.take();
                due
            };
            (0..11).map(next).collect::<Vec<_>>()
        };
        let period = track.period;
        assert_eq!(period, 59 + 14);
        let gaps = |dues: &[u64]| dues.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        assert_eq!(dues(0)[..6], [1_000, 1_010, 1_011, 1_030, 1_059, 1_073]);
        for turn in [1_u64 << 62, 1 << 63, u64::MAX] {
            let position = ((u128::from(turn) * u128::from(period)) >> 64) as u64;
            let elsewhere = dues(turn);
            let skipped = track.beats.iter().filter(|beat| beat.at < position).count();
            assert!((1_000..1_000 + period).contains(&elsewhere[0]), "{elsewhere:?}");
            assert_eq!(gaps(&elsewhere)[..5], gaps(&dues(0))[skipped..skipped + 5], "{turn}");
        }
    }
}
