//! Where in the capture something happened to a stream: the evidence beside the sums.
//!
//! In: the uncommon packets only: one behind a gap of sequence numbers, one that came late, the first of a new segment, one
//! whose timestamp jumped. Out: [`StreamNotes`]. Never: work for a packet that follows the one before it, or memory that
//! grows with them.

use crate::packet::FrameNo;
use crate::time::Timestamp;

/// Places of each kind that are kept: the first ones.
const KEPT: usize = 8;

/// Sequence numbers that did not come between two packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossPlace {
    /// The last packet before.
    pub before: FrameNo,
    /// The first packet behind.
    pub after: FrameNo,
    /// When that came.
    pub after_ts: Timestamp,
    /// Nanoseconds between the two.
    pub nanos: i64,
    /// Packets that are missing; those that came late are taken off.
    pub missing: u16,
    /// Sequence number of `after`, and how many were missing at first.
    seq: u16,
    width: u16,
}

/// Places of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamNotes {
    /// Where packets are missing: the first places.
    pub losses: Vec<LossPlace>,
    /// The one of them all that took longest.
    pub longest_loss: Option<LossPlace>,
    /// Packets that came behind a later one: the first.
    pub reordered: Vec<FrameNo>,
    /// First packets of new runs of sequence numbers: the first.
    pub restarts: Vec<FrameNo>,
    /// Packets whose timestamp jumped, by more than arrival explains: the first, and how many in all.
    pub clock_jumps: Vec<FrameNo>,
    /// All packets whose timestamp jumped.
    pub clock_jump_count: u64,
}

impl StreamNotes {
    /// Whether there may have been more losses than are kept.
    pub fn may_lack_losses(&self) -> bool {
        self.losses.len() >= KEPT
    }

    /// Packets are missing before this one.
    pub(super) fn loss(&mut self, before: (FrameNo, Timestamp), after: (FrameNo, Timestamp), seq: u16, missing: u16) {
        let nanos = after.1.nanos_since(before.1);
        let place =
            LossPlace { before: before.0, after: after.0, after_ts: after.1, nanos, missing, seq, width: missing };
        if self.losses.len() < KEPT {
            self.losses.push(place);
        }
        if self.longest_loss.is_none_or(|longest| nanos > longest.nanos) {
            self.longest_loss = Some(place);
        }
    }

    /// A packet came behind a later one: it is not missing where it was thought to be.
    pub(super) fn late(&mut self, frame: FrameNo, seq: u16) {
        keep(&mut self.reordered, frame);
        for place in self.losses.iter_mut().chain(&mut self.longest_loss) {
            let behind = place.seq.wrapping_sub(seq);
            if (1..=place.width).contains(&behind) {
                place.missing = place.missing.saturating_sub(1);
            }
        }
    }

    /// A new run of sequence numbers begins.
    pub(super) fn restart(&mut self, frame: FrameNo) {
        keep(&mut self.restarts, frame);
    }

    /// The timestamp jumped.
    pub(super) fn clock_jump(&mut self, frame: FrameNo) {
        self.clock_jump_count += 1;
        keep(&mut self.clock_jumps, frame);
    }
}

fn keep(frames: &mut Vec<FrameNo>, frame: FrameNo) {
    if frames.len() < KEPT {
        frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(frame: u64, millis: i64) -> (FrameNo, Timestamp) {
        (FrameNo(frame), Timestamp::from_nanos(millis * 1_000_000))
    }

    #[test]
    fn a_packet_that_came_late_is_not_missing_any_more() {
        let mut notes = StreamNotes::default();
        notes.loss(at(4, 60), at(5, 120), 1, 2);
        notes.late(FrameNo(6), 0);
        assert_eq!((notes.losses[0].missing, notes.losses[0].nanos), (1, 60_000_000));
        assert_eq!(notes.longest_loss.unwrap().missing, 1);
        notes.late(FrameNo(7), 65_000);
        assert_eq!((notes.losses[0].missing, notes.reordered.len()), (1, 2), "that was another gap");
    }

    #[test]
    fn the_first_places_are_kept_and_the_longest_of_all() {
        let mut notes = StreamNotes::default();
        for n in 0..100 {
            notes.loss(at(n, 0), at(n + 1, if n == 90 { 5000 } else { 40 }), n as u16, 1);
            notes.restart(FrameNo(n));
        }
        assert_eq!((notes.losses.len(), notes.restarts.len()), (KEPT, KEPT));
        assert!(notes.may_lack_losses());
        assert_eq!(notes.longest_loss.unwrap().before, FrameNo(90));
    }
}
