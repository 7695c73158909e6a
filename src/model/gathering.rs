//! An analysis whose packets are gathered before the shards see them, for a capture that comes packet by packet.
//!
//! In: records in capture order, whose bytes are gone when the call is over. Out: what [`Analyzer`] gives. Never: a snapshot without
//! what was gathered; more than a bound of it.

use super::analyzer::{Analyzer, SHARDS};
use super::capture::CaptureFacts;
use super::round::{Batch, ROUND_BYTES, Round};
use super::snapshot::Snapshot;
use crate::packet::RawPacket;

/// Records that are gathered: for each stream some, so that those behind the first find its state in the cache, which the states of
/// a thousand streams in turn would throw each other out of; within bounds, since the records themselves want to stay there, too.
const FOR_EACH_STREAM: usize = 16;
const FEWEST: usize = 1 << 12;
const MOST: usize = 1 << 16;

/// The analysis and what waits for it.
pub struct Gathering {
    analyzer: Analyzer,
    round: Round<'static>,
    waiting: usize,
    /// How many may.
    room: usize,
}

impl Gathering {
    /// One with nothing gathered.
    pub fn new(analyzer: Analyzer) -> Self {
        let batches = (0..SHARDS).map(|_| Batch::default()).collect();
        Self { analyzer, round: Round { batches, copied: 0 }, waiting: 0, room: FEWEST }
    }

    /// Takes the next record.
    #[inline]
    pub fn packet(&mut self, packet: &RawPacket<'_>) {
        self.analyzer.gather(packet, &mut self.round);
        self.waiting += 1;
        if self.waiting >= self.room || self.round.copied > ROUND_BYTES {
            self.settle();
        }
    }

    /// Hands on what was gathered.
    fn settle(&mut self) {
        if self.waiting > 0 {
            self.analyzer.take(&mut self.round);
            self.waiting = 0;
            self.room = (self.analyzer.streams() * FOR_EACH_STREAM).clamp(FEWEST, MOST);
        }
    }

    /// As [`Analyzer::is_sweep_due`].
    #[inline]
    pub fn is_sweep_due(&self) -> bool {
        self.analyzer.is_sweep_due()
    }

    /// As [`Analyzer::sweep`].
    pub fn sweep(&mut self, facts: CaptureFacts) {
        self.settle();
        self.analyzer.sweep(facts);
    }

    /// As [`Analyzer::finish`].
    pub fn finish(&mut self) {
        self.settle();
        self.analyzer.finish();
    }

    /// As [`Analyzer::snapshot`].
    pub fn snapshot(&mut self, facts: CaptureFacts) -> Snapshot {
        self.settle();
        self.analyzer.snapshot(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::analyzer::Options;
    use crate::packet::{FrameNo, LinkType};
    use crate::time::Timestamp;

    /// A packet of one of 40 streams on 20 five-tuples, or each hundredth time a STUN request beside them.
    fn frame(number: u16) -> [u8; 62] {
        let mut data = [0_u8; 62];
        let call = (number % 20) as u8;
        data[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 48, 0, 1, 0, 0, 64, 17]);
        data[26..42].copy_from_slice(&[10, 0, 0, call, 10, 1, 0, call, 0x13, 0x88, 0x17, 0x70, 0, 28, 0, 0]);
        if number % 100 == 7 {
            data[42..50].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
            data[50..52].copy_from_slice(&number.to_be_bytes());
        } else {
            data[42..46].copy_from_slice(&[0x80, 0, ((number / 40) >> 8) as u8, (number / 40) as u8]);
            data[53] = (number % 40) as u8;
        }
        data
    }

    fn each_packet(count: u16, mut take: impl FnMut(&RawPacket<'_>)) {
        for number in 0..count {
            let data = frame(number);
            take(&RawPacket {
                ts: Timestamp::from_nanos(i64::from(number) * 500_000),
                frame: FrameNo(u64::from(number) + 1),
                interface: 0,
                link: LinkType::ETHERNET,
                wire_len: 62,
                data: &data,
            });
        }
    }

    #[test]
    fn what_was_gathered_comes_to_the_same_as_packet_by_packet_whenever_one_looks() {
        let mut direct = Analyzer::new(Options::default());
        each_packet(20_000, |packet| direct.packet(packet));
        direct.finish();
        let expected = direct.snapshot(CaptureFacts::default());
        assert_eq!((expected.streams.len(), expected.transactions.len()), (40, 200));
        for look_each in [1000, 4096, 20_001] {
            let mut gathering = Gathering::new(Analyzer::new(Options::default()));
            each_packet(20_000, |packet| {
                gathering.packet(packet);
                if packet.frame.0 % look_each == 0 {
                    let snapshot = gathering.snapshot(CaptureFacts::default());
                    assert_eq!(snapshot.packets.iter().map(|(_, count)| count).sum::<u64>(), packet.frame.0);
                }
            });
            gathering.finish();
            assert_eq!(format!("{:?}", gathering.snapshot(CaptureFacts::default())), format!("{expected:?}"));
        }
    }
}
