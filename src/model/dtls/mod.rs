//! DTLS associations: the handshakes on one five-tuple, and what they agreed on.
//!
//! In: the payloads of one five-tuple's datagrams, in capture order, with direction, time and frame. Out: a
//! [`HandshakeSummary`] for each handshake. Never: decryption, the wall clock, memory that grows with packets.

#![forbid(unsafe_code)]

mod flight;
mod handshake;
mod negotiation;
mod reassembly;
mod summary;
#[cfg(test)]
mod tests;

pub use flight::{Flight, FlightMessage, MessageKind};
pub use summary::{AlertSeen, HandshakeSummary, Offer, Opening, PeerCertificate, RecordCounts, State};

use crate::bytes::ParseError;
use crate::packet::FrameNo;
use crate::proto::dtls::{ContentType, Header, Record, Records};
use crate::time::Timestamp;
use handshake::Handshake;

/// Who sends: one of the two ends of a five-tuple.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From the end that the caller calls A.
    AToB,
    /// From the other one.
    BToA,
}

impl Direction {
    /// The other direction.
    pub const fn opposite(self) -> Self {
        match self {
            Self::AToB => Self::BToA,
            Self::BToA => Self::AToB,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::AToB => 0,
            Self::BToA => 1,
        }
    }
}

/// A frame and its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// The frame.
    pub frame: FrameNo,
    /// When it was captured.
    pub ts: Timestamp,
}

/// What a datagram turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramSeen {
    /// Records that were read.
    pub records: usize,
    /// What could not be read of the record layer; errors within handshake messages are counted in the summary.
    pub error: Option<ParseError>,
}

/// As many handshakes are kept for a five-tuple; of more, the oldest are forgotten.
const MAX_HANDSHAKES: usize = 64;

/// The handshakes of one five-tuple.
#[derive(Debug, Default)]
pub struct Association {
    past: Vec<HandshakeSummary>,
    current: Option<Handshake>,
    forgotten: u64,
    recent: [RecentRecords; 2],
}

impl Association {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of a datagram that is DTLS by its first byte.
    pub fn datagram(&mut self, from: Direction, ts: Timestamp, frame: FrameNo, payload: &[u8]) -> DatagramSeen {
        let at = Point { frame, ts };
        let mut seen = DatagramSeen { records: 0, error: None };
        let id_len = self.current.as_ref().and_then(|handshake| handshake.connection_id_len(from));
        for record in Records::new(payload, id_len) {
            match record {
                Ok(record) => {
                    seen.records += 1;
                    self.record(from, at, &record);
                }
                Err(error) => {
                    seen.error = Some(error);
                    if let Some(handshake) = &mut self.current {
                        handshake.error(at, error);
                    }
                }
            }
        }
        if seen.records > 0
            && let Some(handshake) = &mut self.current
        {
            handshake.settle(at);
        }
        seen
    }

    /// The handshakes in the order in which they began. Records that tell of no handshake make none.
    pub fn handshakes(&self) -> impl Iterator<Item = &HandshakeSummary> {
        let current = self.current.as_ref().filter(|handshake| !handshake.is_blank());
        self.past.iter().chain(current.map(Handshake::summary))
    }

    /// Handshakes that found no room: the oldest ones.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn record(&mut self, from: Direction, at: Point, record: &Record<'_>) {
        if self.recent.get_mut(from.index()).is_some_and(|recent| recent.repeats(record)) {
            if let Some(handshake) = &mut self.current {
                handshake.captured_duplicate();
            }
            return;
        }
        if self.begins_handshake(from, at, record) {
            self.open(Opening::ClientHello, at);
        } else if self.begins_renegotiation(record) {
            let before = self.current.as_ref().map(|handshake| handshake.summary().clone());
            self.open(Opening::Renegotiation, at);
            if let (Some(before), Some(handshake)) = (before, &mut self.current) {
                handshake.inherit(&before);
            }
        }
        let handshake = self.current.get_or_insert_with(|| Handshake::new(Opening::Joined, at));
        handshake.record(from, at, record);
    }

    fn open(&mut self, opening: Opening, at: Point) {
        if let Some(past) = self.current.replace(Handshake::new(opening, at))
            && !past.is_blank()
        {
            if self.past.len() + 1 >= MAX_HANDSHAKES {
                self.past.remove(0);
                self.forgotten += 1;
            }
            self.past.push(past.into_summary());
        }
    }

    fn begins_handshake(&self, from: Direction, at: Point, record: &Record<'_>) -> bool {
        let Some(hello) = handshake::client_hello_start(record) else { return false };
        match &self.current {
            None => true,
            Some(handshake) => handshake.is_succeeded_by(from, at, &hello),
        }
    }

    /// A ChangeCipherSpec that is itself encrypted (RFC 5246, section 7.1) ends a second negotiation.
    fn begins_renegotiation(&self, record: &Record<'_>) -> bool {
        let Header::Classic { content_type, epoch, .. } = record.header else { return false };
        content_type == ContentType::CHANGE_CIPHER_SPEC
            && epoch > 0
            && self.current.as_ref().is_some_and(|handshake| handshake.is_before_epoch(epoch))
    }
}

/// Digests of the last records of one direction. A record that comes again with the same sequence number is one that was
/// captured twice or duplicated by the network, since a retransmission has a number of its own (RFC 6347, section 4.2.4).
#[derive(Debug, Default)]
struct RecentRecords {
    digests: [u64; 32],
    next: usize,
}

impl RecentRecords {
    /// True where the record is one of the last; else it becomes one.
    fn repeats(&mut self, record: &Record<'_>) -> bool {
        let digest = digest(record);
        if self.digests.contains(&digest) {
            return true;
        }
        if let Some(slot) = self.digests.get_mut(self.next) {
            *slot = digest;
        }
        self.next = (self.next + 1) % self.digests.len();
        false
    }
}

/// FNV-1a over the header and both ends of the payload: enough, since the header numbers the record and the payload's
/// ends hold the random of a hello or the tag of an encrypted record. Never 0, which stands for an empty slot.
fn digest(record: &Record<'_>) -> u64 {
    const END: usize = 48;
    let payload = record.payload;
    let head = payload.get(..END).unwrap_or(payload);
    let tail = payload.get(payload.len().saturating_sub(END)..).unwrap_or_default();
    let bytes = record.header_bytes.iter().chain(head).chain(tail);
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    hash.max(1)
}
