//! One flow: both directions of a five-tuple, or of an inner path inside it, and what travelled on it.
//!
//! In: what the shard found in each datagram. Out: the counts and the per-protocol states of the flow.
//! Never: another flow's business.

use super::class::{Class, ClassCounts};
use super::copies::CopyGuard;
use super::dtls::Association;
use super::ice::PairState;
use super::integrity::{PairIntegrity, TurnKeys};
use super::rtcp::RtcpState;
use super::shard::Leg;
use super::stun::Transactions;
use super::turn::TurnState;
use crate::net::{Endpoint, FiveTuple};
use crate::packet::FrameNo;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Which way a datagram went on its flow: `Forward` as the first one did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// The other way.
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }
}

/// Through what the datagrams of a flow or stream travelled, beyond UDP or TCP itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// A UDP datagram.
    Datagram,
    /// A message of a TCP stream that frames itself: TURN, SIP.
    Stream,
    /// RFC 4571 framing on TCP.
    Rfc4571,
    /// RTSP interleaved (RFC 7826, section 14), with the channel.
    Interleaved(u8),
    /// TURN ChannelData.
    TurnChannel,
    /// TURN Send or Data indication.
    TurnIndication,
}

impl Via {
    /// The report's word; none for the plain ones.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Via::Datagram | Via::Stream => None,
            Via::Rfc4571 => Some("rfc4571"),
            Via::Interleaved(_) => Some("rtsp-interleaved"),
            Via::TurnChannel => Some("turn-channel"),
            Via::TurnIndication => Some("turn-indication"),
        }
    }
}

/// The far end of an inner flow as the TURN client names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Peer {
    /// The peer's transport address.
    Address(Endpoint),
    /// A channel whose binding was not captured.
    Channel(u16),
}

/// Where a flow lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// On the wire.
    Captured,
    /// Inside TURN, in the flow with this index of the same shard.
    InTurn { parent: u32, peer: Peer },
}

/// The streams seen last on one direction, for the packet that follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecentStreams {
    entries: [(u64, u32); RECENT_STREAMS],
    next: u8,
}

const RECENT_STREAMS: usize = 4;
const NO_STREAM: u32 = u32::MAX;

impl RecentStreams {
    const EMPTY: Self = Self { entries: [(0, NO_STREAM); RECENT_STREAMS], next: 0 };

    #[inline]
    pub(crate) fn find(&self, key: u64) -> Option<u32> {
        self.entries.iter().find(|entry| entry.0 == key && entry.1 != NO_STREAM).map(|entry| entry.1)
    }

    pub(crate) fn insert(&mut self, key: u64, stream: u32) {
        self.entries[usize::from(self.next) % RECENT_STREAMS] = (key, stream);
        self.next = self.next.wrapping_add(1);
    }

    pub(crate) fn forget(&mut self, key: u64) {
        self.entries.iter_mut().filter(|entry| entry.0 == key).for_each(|entry| entry.1 = NO_STREAM);
    }
}

/// The state of a flow.
pub(crate) struct Flow {
    /// As the first datagram had it.
    pub(crate) tuple: FiveTuple,
    pub(crate) origin: Origin,
    pub(crate) recent: [RecentStreams; 2],
    /// tshark forgets the formats of a five-tuple when it sees a ServerHello with use_srtp there.
    pub(crate) tshark_formats_lost: bool,
    /// The announcement count when the flow's SDP context was last looked up.
    pub(crate) context_version: u32,
    pub(crate) first_frame: FrameNo,
    pub(crate) first_ts: Timestamp,
    /// The first datagram that did not go as the flow's first one did.
    pub(crate) first_backward: Option<FrameNo>,
    /// The latest of the datagrams that came the general way; packets of streams may come a shorter one (`media.rs`), and
    /// streams keep a time of their own.
    pub(crate) last_ts: Timestamp,
    /// Everything but RTP, which is counted by its streams.
    pub(crate) classes: ClassCounts,
    pub(crate) streams: Vec<u32>,
    /// Streams of this flow that two consistent packets have not confirmed yet, oldest first.
    pub(crate) unconfirmed: Vec<u32>,
    /// Where the flow is a side of a TURN server.
    pub(crate) leg: Option<Box<Leg>>,
    pub(crate) details: Option<Box<Details>>,
}

/// What most flows of an unfriendly capture never need.
#[derive(Default)]
pub(crate) struct Details {
    pub(crate) copies: CopyGuard,
    pub(crate) transactions: Transactions,
    pub(crate) ice: PairState,
    pub(crate) pair_integrity: PairIntegrity,
    pub(crate) turn_keys: TurnKeys,
    pub(crate) turn: TurnState,
    /// Boxed: it is by far the largest, and most flows have none.
    pub(crate) dtls: Option<Box<Association>>,
    pub(crate) rtcp: RtcpState,
    /// Why datagrams were not taken for anything, and how many.
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    /// Over which ways inner datagrams came.
    pub(crate) vias: Vec<Via>,
}

impl Flow {
    pub(crate) fn new(tuple: FiveTuple, origin: Origin, frame: FrameNo, ts: Timestamp) -> Self {
        Self {
            tuple,
            origin,
            recent: [RecentStreams::EMPTY; 2],
            tshark_formats_lost: false,
            context_version: 0,
            first_frame: frame,
            first_ts: ts,
            first_backward: None,
            last_ts: ts,
            classes: ClassCounts::default(),
            streams: Vec::new(),
            unconfirmed: Vec::new(),
            leg: None,
            details: None,
        }
    }

    /// The way of a datagram with this tuple, which is the flow's in either direction.
    #[inline]
    pub(crate) fn direction_of(&self, tuple: &FiveTuple) -> Direction {
        if self.tuple.src == tuple.src && self.tuple.dst == tuple.dst {
            Direction::Forward
        } else {
            Direction::Backward
        }
    }

    /// The way of what this end sends.
    pub(crate) fn direction_from(&self, end: Endpoint) -> Direction {
        if self.tuple.src == end { Direction::Forward } else { Direction::Backward }
    }

    /// The sender's side of a direction.
    pub(crate) fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::Forward => self.tuple.src,
            Direction::Backward => self.tuple.dst,
        }
    }

    /// The receiver's side of a direction.
    pub(crate) fn receiver(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::Forward => self.tuple.dst,
            Direction::Backward => self.tuple.src,
        }
    }

    pub(crate) fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// The streams have other numbers from now on.
    pub(crate) fn forget_recent(&mut self) {
        self.recent = [RecentStreams::EMPTY; 2];
    }

    pub(crate) fn count(&mut self, class: Class) {
        self.classes.add(class, 1);
    }

    /// Counts a datagram that is nothing we know, with the reason.
    pub(crate) fn count_unknown(&mut self, reason: &'static str) {
        self.count(Class::Other);
        *self.details().reasons.entry(reason).or_default() += 1;
    }

    pub(crate) fn count_via(&mut self, via: Via) {
        let vias = &mut self.details().vias;
        if !vias.contains(&via) {
            vias.push(via);
            vias.sort_unstable();
        }
    }
}
