//! TCP connections: their messages one by one.
//!
//! In: segments in capture order. Out: messages as datagrams of their five-tuple, signalling to the signalling.
//! Never: bytes kept beyond a bound; a stream that is none of ours is not put together at all.

mod dialogue;
mod websocket;

use super::analyzer::FrontSink;
use super::class::Class;
use super::copies::CopyGuard;
use super::shard::{Framing, Look};
use super::signalling::Signalling;
use crate::net::tcp::{Connection, Direction, StreamEvent};
use crate::net::{Carrier, Datagram, FiveTuple, Segment, TcpFlags};
use crate::packet::FrameNo;
use crate::proto::demux::{Class as Proposal, Reason};
use crate::proto::http;
use crate::time::Timestamp;
use dialogue::Dialogue;
use hashbrown::HashMap;
use std::collections::VecDeque;
use websocket::Websocket;

/// Connections followed at once; a new one takes the place of one that has been quiet.
const MAX_CONNECTIONS: usize = 1 << 16;
/// Bytes that all connections together may hold, behind holes and of unfinished messages.
const MAX_HELD_IN_ALL: usize = 128 << 20;

/// All connections.
pub(crate) struct Connections {
    remove_copies: bool,
    by_tuple: HashMap<FiveTuple, u32, ahash::RandomState>,
    talks: Vec<Talk>,
    /// Those that hold bytes, in the order in which they began to.
    holding: VecDeque<u32>,
    held: usize,
    max_held: usize,
    max_connections: usize,
    /// Where the search for one to replace goes on.
    hand: usize,
    /// How often a connection had to hand on what it held to make room for others.
    pub(crate) given_up: u64,
    /// Segments whose end a snap length cut off: a hole in their stream.
    pub(crate) cut: u64,
    /// Segments that a mirror port showed before.
    pub(crate) copies: u64,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Connections {
    pub(crate) fn new(remove_copies: bool) -> Self {
        Self {
            remove_copies,
            by_tuple: HashMap::default(),
            talks: Vec::new(),
            holding: VecDeque::new(),
            held: 0,
            max_held: MAX_HELD_IN_ALL,
            max_connections: MAX_CONNECTIONS,
            hand: 0,
            given_up: 0,
            cut: 0,
            copies: 0,
        }
    }

    /// Takes a segment; gives how many datagrams it has handed on, at least one; a copy counts as one.
    #[inline(never)]
    pub(crate) fn segment(
        &mut self,
        segment: &Segment<'_>,
        signalling: &mut Signalling,
        sink: &mut impl FrontSink,
    ) -> u64 {
        let (index, mut delivered) = self.talk(&segment.flow, signalling, sink);
        let Some(talk) = self.talks.get_mut(index as usize) else { return delivered };
        if self.remove_copies && talk.copies.is_copied_segment(segment) {
            self.copies += 1;
            return delivered + 1;
        }
        let held_before = talk.held_cost();
        self.cut += u64::from(segment.missing > 0);
        let (messages, class) = talk.segment(segment, signalling, sink);
        let held = talk.held_cost();
        self.held = (self.held + held).saturating_sub(held_before);
        if held > 0 && !std::mem::replace(&mut talk.is_holding, true) {
            self.holding.push_back(index);
        }
        delivered += messages;
        if messages == 0 {
            let Segment { carrier, flow, missing, payload, .. } = *segment;
            let look = Look::Other(Proposal::Unknown(Reason::Empty));
            sink.datagram(&Datagram { carrier, flow, missing, payload }, Framing::Opaque(class), look);
            delivered += 1;
        }
        if self.held > self.max_held {
            delivered += self.make_room(signalling, sink);
        }
        delivered
    }

    /// Those that have held bytes for longest hand them on, with the gaps before them, until there is room again.
    #[cold]
    fn make_room(&mut self, signalling: &mut Signalling, sink: &mut impl FrontSink) -> u64 {
        let mut delivered = 0;
        while self.held > self.max_held / 2
            && let Some(index) = self.holding.pop_front()
        {
            let Some(talk) = self.talks.get_mut(index as usize) else { continue };
            talk.is_holding = false;
            let held = talk.held_cost();
            if held > 0 {
                self.given_up += 1;
                delivered += talk.flush(signalling, sink);
                self.held = self.held.saturating_sub(held);
            }
        }
        delivered
    }

    /// Connections of which one side was captured, and that side acknowledges what the other sent all the same.
    pub(crate) fn one_sided(&self) -> impl Iterator<Item = (&FiveTuple, Acknowledged)> {
        self.talks.iter().filter_map(|talk| match talk.acknowledged {
            [Some(own), None] | [None, Some(own)] => Some((talk.connection.flow(), own)),
            _ => None,
        })
    }

    /// The input has ended: what waited behind lost segments is handed on. Gives how many datagrams that were.
    pub(crate) fn end(&mut self, signalling: &mut Signalling, sink: &mut impl FrontSink) -> u64 {
        self.talks.iter_mut().map(|talk| talk.flush(signalling, sink)).sum()
    }

    /// The connection of a five-tuple, and how many datagrams were handed on to make room for it.
    fn talk(&mut self, flow: &FiveTuple, signalling: &mut Signalling, sink: &mut impl FrontSink) -> (u32, u64) {
        let canonical = canonical(flow);
        if let Some(index) = self.by_tuple.get(&canonical) {
            return (*index, 0);
        }
        let (index, delivered) = if self.talks.len() < self.max_connections {
            self.talks.push(Talk::new(*flow));
            (self.talks.len() as u32 - 1, 0)
        } else {
            self.replace(*flow, signalling, sink)
        };
        self.by_tuple.insert(canonical, index);
        (index, delivered)
    }

    /// The hand goes round and takes the first one that has had no segment since it last came by.
    #[cold]
    fn replace(&mut self, flow: FiveTuple, signalling: &mut Signalling, sink: &mut impl FrontSink) -> (u32, u64) {
        while let Some(talk) = self.talks.get_mut(self.hand) {
            if !std::mem::take(&mut talk.is_recent) {
                break;
            }
            self.hand = (self.hand + 1) % self.talks.len();
        }
        let index = self.hand;
        self.hand = (self.hand + 1) % self.talks.len().max(1);
        let Some(talk) = self.talks.get_mut(index) else { return (0, 0) };
        self.by_tuple.remove(&canonical(talk.connection.flow()));
        let held = talk.held_cost();
        self.given_up += u64::from(held > 0);
        self.held = self.held.saturating_sub(held);
        let delivered = talk.flush(signalling, sink);
        // It keeps its place in the queue of those that hold bytes.
        *talk = Talk { is_holding: talk.is_holding, ..Talk::new(flow) };
        (index as u32, delivered)
    }
}

impl Connections {
    /// The five-tuples of all connections.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &FiveTuple> {
        self.talks.iter().map(|talk| talk.connection.flow())
    }

    /// What a connection holds that had no segment for some time has nothing more to wait for. Gives how many datagrams were
    /// handed on.
    pub(crate) fn settle(
        &mut self,
        is_fresh: impl Fn(Timestamp) -> bool,
        signalling: &mut Signalling,
        sink: &mut impl FrontSink,
    ) -> u64 {
        let quiet =
            |talk: &&mut Talk| talk.held_cost() > 0 && !talk.carrier.is_some_and(|carrier| is_fresh(carrier.ts));
        let delivered = self.talks.iter_mut().filter(quiet).map(|talk| talk.flush(signalling, sink)).sum();
        self.held = self.talks.iter().map(Talk::held_cost).sum();
        delivered
    }

    /// Lets go the connections that had no segment for some time, unless the flow of one is still followed: `is_followed`
    /// has the order of [`flows`](Self::flows). Gives how many they are.
    pub(crate) fn forget(&mut self, is_fresh: impl Fn(Timestamp) -> bool, is_followed: &[bool]) -> u64 {
        let mut talks = Vec::new();
        let mut left = 0;
        let followed = is_followed.iter().copied().chain(std::iter::repeat(false));
        for (talk, is_followed) in std::mem::take(&mut self.talks).into_iter().zip(followed) {
            if is_followed || talk.carrier.is_some_and(|carrier| is_fresh(carrier.ts)) {
                talks.push(talk);
            } else {
                left += 1;
            }
        }
        self.by_tuple = talks.iter().zip(0..).map(|(talk, index)| (canonical(talk.connection.flow()), index)).collect();
        self.holding = talks.iter().zip(0..).filter(|(talk, _)| talk.is_holding).map(|(_, index)| index).collect();
        self.held = talks.iter().map(Talk::held_cost).sum();
        self.hand = 0;
        self.talks = talks;
        left
    }
}

fn canonical(flow: &FiveTuple) -> FiveTuple {
    if flow.src <= flow.dst { *flow } else { reversed(flow) }
}

fn reversed(flow: &FiveTuple) -> FiveTuple {
    FiveTuple { src: flow.dst, dst: flow.src, ..*flow }
}

fn directed(forward: &FiveTuple, direction: Direction) -> FiveTuple {
    match direction {
        Direction::Forward => *forward,
        Direction::Reverse => reversed(forward),
    }
}

/// Where messages go.
struct Outlet<'a, S> {
    websocket: &'a mut Option<Box<Websocket>>,
    signalling: &'a mut Signalling,
    sink: &'a mut S,
}

impl<S: FrontSink> Outlet<'_, S> {
    fn hand_on(&mut self, datagram: &Datagram<'_>, direction: Direction, framing: Framing) {
        let Self { websocket, signalling, sink } = self;
        match framing {
            Framing::Opaque(Class::Sip) => signalling.sip(datagram, *sink),
            Framing::Opaque(Class::Http) => {
                let message = http::Message::parse(datagram.payload);
                if let Some(message) = message.filter(|message| message.is_websocket_upgrade()) {
                    **websocket = Some(Box::new(Websocket::granted(direction, message.websocket_extensions)));
                }
                signalling.http(datagram, *sink);
            }
            Framing::Opaque(Class::Rtsp) => signalling.rtsp(datagram, *sink),
            Framing::Opaque(Class::Websocket) => {
                let websocket = websocket.get_or_insert_default();
                if let Some(message) = websocket.frame(direction, datagram.payload) {
                    signalling.websocket(&Datagram { payload: &message, ..*datagram }, *sink);
                }
            }
            _ => {}
        }
        let look = Look::at(datagram.payload, datagram.missing);
        if matches!(look, Look::Other(Proposal::Stun)) {
            signalling.relayed.stun(datagram, *sink);
        }
        sink.datagram(datagram, framing, look);
    }

    fn event(&mut self, direction: Direction, event: &StreamEvent<'_>) {
        match event {
            StreamEvent::Start { from_syn: true } => *self.websocket = None,
            StreamEvent::Gap { .. } => {
                if let Some(websocket) = self.websocket {
                    websocket.lost(direction);
                }
            }
            StreamEvent::Start { .. } | StreamEvent::Data { .. } | StreamEvent::End { .. } => {}
        }
    }
}

/// What a side acknowledges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// Bytes of the other side between the two acknowledgments.
    pub(crate) bytes: u32,
    /// The first segment, and the last one that acknowledges more.
    pub(crate) frames: [FrameNo; 2],
    first: u32,
}

impl Acknowledged {
    fn new(segment: &Segment<'_>) -> Self {
        Self { bytes: 0, frames: [segment.carrier.frame; 2], first: segment.ack }
    }

    fn add(&mut self, segment: &Segment<'_>) {
        let bytes = segment.ack.wrapping_sub(self.first);
        if bytes > self.bytes && bytes < 1 << 31 {
            (self.bytes, self.frames[1]) = (bytes, segment.carrier.frame);
        }
    }
}

/// A connection and what is said on it.
struct Talk {
    connection: Connection,
    dialogue: Dialogue,
    /// Its messages put together, once it speaks WebSocket.
    websocket: Option<Box<Websocket>>,
    copies: CopyGuard,
    /// By direction; none for a side of which nothing was captured.
    acknowledged: [Option<Acknowledged>; 2],
    /// Of the last segment: what the end of the input sets free is dated by it.
    carrier: Option<Carrier>,
    /// It stands in the queue of those that hold bytes.
    is_holding: bool,
    /// It had a segment since the hand last came by.
    is_recent: bool,
}

impl Talk {
    fn new(flow: FiveTuple) -> Self {
        Self {
            connection: Connection::new(flow),
            dialogue: Dialogue::default(),
            websocket: None,
            copies: CopyGuard::default(),
            acknowledged: [None; 2],
            carrier: None,
            is_holding: false,
            is_recent: false,
        }
    }

    /// Takes a segment; gives how many messages it completed, and its class where it completed none.
    fn segment(
        &mut self,
        segment: &Segment<'_>,
        signalling: &mut Signalling,
        sink: &mut impl FrontSink,
    ) -> (u64, Class) {
        let Self { connection, dialogue, websocket, acknowledged, .. } = self;
        let own = &mut acknowledged[connection.direction(&segment.flow) as usize];
        if segment.flags.has(TcpFlags::ACK) {
            own.get_or_insert_with(|| Acknowledged::new(segment)).add(segment);
        }
        let mut outlet = Outlet { websocket, signalling, sink };
        let mut messages = 0;
        if dialogue.is_framed() || segment.flags.has(TcpFlags::SYN) {
            let forward = *connection.flow();
            connection.segment(segment, &mut |direction, event| {
                outlet.event(direction, &event);
                dialogue.event(direction, event, &mut |payload, framing| {
                    messages += 1;
                    let flow = directed(&forward, direction);
                    let datagram = Datagram { carrier: segment.carrier, flow, missing: 0, payload };
                    outlet.hand_on(&datagram, direction, framing);
                });
            });
            if !dialogue.is_framed() {
                // From here on nobody waits for what is missing, on either side.
                connection.discard();
                dialogue.discard();
            }
        }
        self.carrier = Some(segment.carrier);
        self.is_recent = true;
        let class = if segment.payload.is_empty() { Class::Other } else { self.dialogue.class() };
        (messages, class)
    }

    fn held_cost(&self) -> usize {
        let websocket = self.websocket.as_ref().map_or(0, |websocket| websocket.held_cost());
        self.connection.held_cost() + self.dialogue.held_bytes() + websocket
    }

    /// Hands on what waited behind lost segments and forgets what is no whole message; gives how many datagrams it was.
    fn flush(&mut self, signalling: &mut Signalling, sink: &mut impl FrontSink) -> u64 {
        let Self { connection, dialogue, websocket, carrier, .. } = self;
        let Some(carrier) = *carrier else { return 0 };
        let forward = *connection.flow();
        let mut outlet = Outlet { websocket, signalling, sink };
        let mut delivered = 0;
        connection.finish(&mut |direction, event| {
            outlet.event(direction, &event);
            dialogue.event(direction, event, &mut |payload, framing| {
                delivered += 1;
                let flow = directed(&forward, direction);
                outlet.hand_on(&Datagram { carrier, flow, missing: 0, payload }, direction, framing);
            });
        });
        dialogue.finish(&mut |direction, payload, framing| {
            delivered += 1;
            let flow = directed(&forward, direction);
            outlet.hand_on(&Datagram { carrier, flow, missing: 0, payload }, direction, framing);
        });
        *outlet.websocket = None;
        delivered
    }
}

#[cfg(test)]
mod tests;
