//! Records that a snap length cut: how many there are, and how much of them is left.
//!
//! In: every record. Out: counts and the first few frames. Never: a guess at what was cut off.

use crate::packet::{FrameNo, RawPacket};

const EXAMPLES: usize = 10;

/// The cut records of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutRecords {
    /// How many.
    pub packets: u64,
    /// Captured bytes of the shortest.
    pub shortest: usize,
    /// Captured bytes of the longest: no snap length that cut any of them was larger.
    pub longest: usize,
    /// The first few.
    pub frames: Vec<FrameNo>,
}

impl CutRecords {
    /// Takes the next record.
    #[inline]
    pub(crate) fn record(&mut self, packet: &RawPacket<'_>) {
        if packet.data.len() < packet.wire_len as usize {
            self.cut(packet.data.len(), packet.frame);
        }
    }

    #[inline(never)]
    fn cut(&mut self, captured: usize, frame: FrameNo) {
        self.shortest = if self.packets == 0 { captured } else { self.shortest.min(captured) };
        self.longest = self.longest.max(captured);
        self.packets += 1;
        if self.frames.len() < EXAMPLES {
            self.frames.push(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;
    use crate::time::Timestamp;

    #[test]
    fn only_records_with_fewer_bytes_than_were_on_the_wire_are_cut() {
        let mut cut = CutRecords::default();
        for (at, (captured, wire)) in [(60, 60), (96, 1000), (42, 97), (96, 96), (70, 60)].into_iter().enumerate() {
            cut.record(&RawPacket {
                ts: Timestamp::from_nanos(0),
                frame: FrameNo(at as u64 + 1),
                interface: 0,
                link: LinkType::RAW,
                wire_len: wire,
                data: &[0; 96][..captured],
            });
        }
        let frames = vec![FrameNo(2), FrameNo(3)];
        assert_eq!(cut, CutRecords { packets: 2, shortest: 42, longest: 96, frames });
    }

    #[test]
    fn of_many_cut_records_a_few_frames_are_kept() {
        let mut cut = CutRecords::default();
        (1..1000).for_each(|frame| cut.cut(96, FrameNo(frame)));
        assert_eq!((cut.packets, cut.frames.len()), (999, EXAMPLES));
    }
}
