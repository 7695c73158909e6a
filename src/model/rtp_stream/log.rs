//! The packets of a stream one by one, for those who want to send the like.
//!
//! In: each packet, and how many copies the stream had counted before and after it. Out: times and sizes. Never: asked
//! for by the report; memory here grows with packets.

use super::StreamPacket;
use crate::time::Timestamp;

/// A packet of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptPacket {
    /// When it was captured.
    pub ts: Timestamp,
    /// Bytes of the RTP packet on the wire, header included.
    pub bytes: u32,
    /// RTP sequence number.
    pub seq: u16,
    /// RTP marker bit.
    pub marker: bool,
}

/// Whether the capture doubled it; the second kind is judged once all of the stream is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Sent,
    LikelyCopy,
    CertainCopy,
}

/// The packets of a stream in capture order.
#[derive(Default)]
pub(crate) struct PacketLog(Vec<(KeptPacket, Origin)>);

impl PacketLog {
    /// Takes a packet; `before` and `after` are certain and likely copies that the stream counts without and with it.
    pub(crate) fn add(&mut self, packet: &StreamPacket, before: (u64, u64), after: (u64, u64)) {
        let origin = match (after.0 > before.0, after.1 > before.1) {
            (true, _) => Origin::CertainCopy,
            (false, true) => Origin::LikelyCopy,
            (false, false) => Origin::Sent,
        };
        self.0
            .push((KeptPacket { ts: packet.ts, bytes: packet.bytes, seq: packet.seq, marker: packet.marker }, origin));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that the figures count.
    pub(crate) fn packets(&self, remove_copies: bool, is_mirrored: bool) -> Vec<KeptPacket> {
        let counts = |origin: Origin| match origin {
            Origin::Sent => true,
            Origin::LikelyCopy => !(remove_copies && is_mirrored),
            Origin::CertainCopy => !remove_copies,
        };
        self.0.iter().filter(|(_, origin)| counts(*origin)).map(|(packet, _)| *packet).collect()
    }
}
