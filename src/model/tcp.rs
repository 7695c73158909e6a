//! TCP connections: which protocol a stream speaks, and its messages one by one.
//!
//! In: segments in capture order. Out: messages as datagrams of their five-tuple, signalling to the signalling.
//! Never: bytes kept beyond a bound; a stream that is none of ours is not put together at all.

use super::analyzer::FrontSink;
use super::class::Class;
use super::copies::CopyGuard;
use super::shard::{Framing, Look};
use super::signalling::Signalling;
use crate::net::tcp::{Connection, Direction, StreamEvent};
use crate::net::{Carrier, Datagram, FiveTuple, Segment, TcpFlags};
use crate::proto::demux::{Class as Proposal, Reason};
use crate::proto::framing::Frame;
use crate::proto::{http, rtsp, sip, stun};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Connections followed at once; a new one takes the place of one that has been quiet.
const MAX_CONNECTIONS: usize = 1 << 16;
/// Bytes of one message, or of one that has not been recognised, that a direction may hold.
const MAX_HELD: usize = 1 << 20;
/// Bytes that all connections together may hold, behind holes and of unfinished messages.
const MAX_HELD_IN_ALL: usize = 128 << 20;
/// Bytes after which a stream that speaks nothing known is left alone.
const MAX_UNKNOWN: usize = 4096;

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Speech {
    #[default]
    Unknown,
    Turn,
    Rfc4571,
    Sip,
    Rtsp,
    Http,
    Websocket,
    Tls,
    Foreign,
}

impl Speech {
    /// The class of a segment that completes no message.
    const fn class(self) -> Class {
        match self {
            Speech::Sip => Class::Sip,
            Speech::Rtsp => Class::Rtsp,
            Speech::Http => Class::Http,
            Speech::Websocket => Class::Websocket,
            Speech::Tls => Class::Tls,
            Speech::Unknown | Speech::Turn | Speech::Rfc4571 | Speech::Foreign => Class::Other,
        }
    }

    /// Its messages are looked at, so its bytes must be in order.
    const fn is_framed(self) -> bool {
        matches!(self, Speech::Unknown | Speech::Turn | Speech::Rfc4571 | Speech::Sip | Speech::Rtsp | Speech::Http)
    }
}

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

fn hand_on(datagram: &Datagram<'_>, framing: Framing, signalling: &mut Signalling, sink: &mut impl FrontSink) {
    match framing {
        Framing::Opaque(Class::Sip) => signalling.sip(datagram, sink),
        Framing::Opaque(Class::Http) => signalling.http(datagram, sink),
        Framing::Opaque(Class::Rtsp) => signalling.rtsp(datagram, sink),
        _ => {}
    }
    sink.datagram(datagram, framing, Look::at(datagram.payload, datagram.missing));
}

/// A connection and what is said on it.
struct Talk {
    connection: Connection,
    dialogue: Dialogue,
    copies: CopyGuard,
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
            copies: CopyGuard::default(),
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
        let Self { connection, dialogue, .. } = self;
        let mut messages = 0;
        if dialogue.speech.is_framed() || segment.flags.has(TcpFlags::SYN) {
            let forward = *connection.flow();
            connection.segment(segment, &mut |direction, event| {
                dialogue.event(direction, event, &mut |payload, framing| {
                    messages += 1;
                    let flow = directed(&forward, direction);
                    let datagram = Datagram { carrier: segment.carrier, flow, missing: 0, payload };
                    hand_on(&datagram, framing, signalling, sink);
                });
            });
        }
        self.carrier = Some(segment.carrier);
        self.is_recent = true;
        let class = if segment.payload.is_empty() { Class::Other } else { self.dialogue.speech.class() };
        (messages, class)
    }

    fn held_cost(&self) -> usize {
        self.connection.held_cost() + self.dialogue.held.iter().map(Vec::capacity).sum::<usize>()
    }

    /// Hands on what waited behind lost segments and forgets what is no whole message; gives how many datagrams it was.
    fn flush(&mut self, signalling: &mut Signalling, sink: &mut impl FrontSink) -> u64 {
        let Self { connection, dialogue, carrier, .. } = self;
        let Some(carrier) = *carrier else { return 0 };
        let forward = *connection.flow();
        let mut delivered = 0;
        connection.finish(&mut |direction, event| {
            dialogue.event(direction, event, &mut |payload, framing| {
                delivered += 1;
                let datagram = Datagram { carrier, flow: directed(&forward, direction), missing: 0, payload };
                hand_on(&datagram, framing, signalling, sink);
            });
        });
        for (held, astray) in dialogue.held.iter_mut().zip(&mut dialogue.astray) {
            *astray |= !held.is_empty();
            *held = Vec::new();
        }
        delivered
    }
}

/// What both streams of a connection say.
#[derive(Default)]
struct Dialogue {
    speech: Speech,
    held: [Vec<u8>; 2],
    /// Bytes were lost before those held: the start of a message has to be found first.
    astray: [bool; 2],
    unknown_bytes: usize,
}

impl Dialogue {
    fn event(&mut self, direction: Direction, event: StreamEvent<'_>, message: &mut impl FnMut(&[u8], Framing)) {
        let side = direction as usize;
        match event {
            StreamEvent::Start { from_syn } => {
                self.held[side].clear();
                self.astray[side] = !from_syn;
                if from_syn && self.held.iter().all(Vec::is_empty) {
                    self.speech = Speech::Unknown;
                    self.unknown_bytes = 0;
                }
            }
            StreamEvent::Gap { .. } => {
                self.held[side].clear();
                self.astray[side] = true;
            }
            StreamEvent::Data { bytes, .. } => self.data(side, bytes, message),
            StreamEvent::End { .. } => {}
        }
    }

    fn data(&mut self, side: usize, bytes: &[u8], message: &mut impl FnMut(&[u8], Framing)) {
        if !self.speech.is_framed() {
            return;
        }
        let mut held = std::mem::take(&mut self.held[side]);
        let whole: &[u8] = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let used = self.messages(side, whole, message);
        let rest = whole.get(used..).unwrap_or_default();
        if rest.len() > MAX_HELD {
            self.astray[side] = true;
        } else if self.speech.is_framed() && !rest.is_empty() {
            if held.is_empty() {
                held = rest.to_vec();
            } else {
                held.drain(..used);
                held.shrink_to(2 * held.len() + MAX_UNKNOWN);
            }
            self.held[side] = held;
        }
    }

    /// Hands on the whole messages at the start of `bytes`; gives how many bytes they took.
    fn messages(&mut self, side: usize, bytes: &[u8], message: &mut impl FnMut(&[u8], Framing)) -> usize {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            if self.speech == Speech::Unknown {
                self.speech = self.recognise(side, rest);
                if self.speech == Speech::Unknown {
                    break;
                }
            }
            if self.astray[side] {
                let Some(start) = self.find_start(rest) else { return used + rest.len().saturating_sub(MAX_UNKNOWN) };
                used += start;
                self.astray[side] = false;
                continue;
            }
            match self.next_message(rest) {
                Next::Message { len, skip, framing } => {
                    let whole = rest.get(skip..len).unwrap_or_default();
                    message(whole, framing);
                    used += len;
                    // RFC 6455, section 4.1: behind the 101 the connection speaks WebSocket.
                    if framing == Framing::Opaque(Class::Http) && whole.starts_with(b"HTTP/1.1 101") {
                        self.speech = Speech::Websocket;
                        return bytes.len();
                    }
                }
                Next::More => break,
                Next::Lost => {
                    self.astray[side] = true;
                    used += 1;
                }
            }
        }
        used
    }

    fn recognise(&mut self, side: usize, bytes: &[u8]) -> Speech {
        // SIP and RTSP keep a connection alive with empty lines (RFC 5626, section 3.5.1), and only a whole first line
        // tells which of them it is.
        let text = bytes.trim_ascii_start();
        let has_line = text.contains(&b'\n');
        let speech = match bytes {
            [0x14..=0x17, 3, 0..=4, ..] => Speech::Tls,
            _ if is_stun_start(bytes) => Speech::Turn,
            _ if is_rfc4571_start(bytes) => Speech::Rfc4571,
            _ if is_http_start(text) => Speech::Http,
            _ if has_line && text[0] != b'$' && rtsp::frame(text) != Frame::NotThis => Speech::Rtsp,
            _ if has_line && sip::frame(text) != Frame::NotThis => Speech::Sip,
            // A capture that began within a connection begins within a message.
            _ if self.astray[side] && stun::find_start(bytes).is_some() => Speech::Turn,
            _ => Speech::Unknown,
        };
        if speech == Speech::Unknown {
            self.unknown_bytes += bytes.len();
            if self.unknown_bytes > MAX_UNKNOWN {
                return Speech::Foreign;
            }
        }
        speech
    }

    fn find_start(&self, bytes: &[u8]) -> Option<usize> {
        match self.speech {
            Speech::Turn => stun::find_start(bytes),
            Speech::Rfc4571 => (0..bytes.len()).find(|start| is_rfc4571_start(&bytes[*start..])),
            Speech::Sip => line_starts(bytes).find(|start| matches!(sip::frame(&bytes[*start..]), Frame::Complete(_))),
            Speech::Rtsp => {
                line_starts(bytes).find(|start| matches!(rtsp::frame(&bytes[*start..]), Frame::Complete(_)))
            }
            Speech::Http => line_starts(bytes).find(|start| is_http_start(&bytes[*start..])),
            Speech::Unknown | Speech::Websocket | Speech::Tls | Speech::Foreign => Some(0),
        }
    }

    fn next_message(&self, bytes: &[u8]) -> Next {
        let textual = |frame: Frame, class: Class| match frame {
            Frame::Complete(len) => Next::Message { len, skip: 0, framing: Framing::Opaque(class) },
            Frame::NeedMore => Next::More,
            Frame::NotThis => Next::Lost,
        };
        match self.speech {
            Speech::Turn => match stun::frame(bytes) {
                stun::Frame::Stun(len) | stun::Frame::ChannelData { len } => {
                    Next::Message { len, skip: 0, framing: Framing::Stream }
                }
                stun::Frame::NeedMore(_) => Next::More,
                stun::Frame::Neither => Next::Lost,
            },
            Speech::Rfc4571 => match bytes {
                [high, low, rest @ ..] => match usize::from(u16::from_be_bytes([*high, *low])) {
                    len if rest.len() >= len => Next::Message { len: len + 2, skip: 2, framing: Framing::Rfc4571 },
                    _ => Next::More,
                },
                _ => Next::More,
            },
            Speech::Sip => textual(sip::frame(bytes), Class::Sip),
            Speech::Http => textual(http::frame(bytes), Class::Http),
            Speech::Rtsp => match bytes {
                [b'$', channel, high, low, rest @ ..] => {
                    let len = usize::from(u16::from_be_bytes([*high, *low]));
                    let framing = Framing::Interleaved(*channel);
                    if rest.len() >= len { Next::Message { len: len + 4, skip: 4, framing } } else { Next::More }
                }
                [b'$', ..] => Next::More,
                _ => textual(rtsp::frame(bytes), Class::Rtsp),
            },
            Speech::Unknown | Speech::Websocket | Speech::Tls | Speech::Foreign => Next::More,
        }
    }
}

enum Next {
    /// A message of `len` bytes, whose first `skip` are framing.
    Message {
        len: usize,
        skip: usize,
        framing: Framing,
    },
    More,
    Lost,
}

fn line_starts(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    std::iter::once(0)
        .chain(bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
        .filter(|start| *start < bytes.len())
}

fn is_stun_start(bytes: &[u8]) -> bool {
    bytes.len() >= stun::HEADER_LEN && !matches!(stun::frame(bytes), stun::Frame::Neither) && bytes[0] >> 6 == 0
        || stun::find_start(bytes) == Some(0)
}

/// A length and a STUN message of that length: ICE over TCP begins so (RFC 6544, section 7).
fn is_rfc4571_start(bytes: &[u8]) -> bool {
    let Some((&[high, low], rest)) = bytes.split_first_chunk::<2>() else { return false };
    let len = usize::from(u16::from_be_bytes([high, low]));
    match rest.get(..stun::HEADER_LEN) {
        Some(head) if head[0] >> 6 == 0 && head[4..8] == stun::MAGIC_COOKIE.to_be_bytes() => {
            usize::from(u16::from_be_bytes([head[2], head[3]])) + stun::HEADER_LEN == len
        }
        _ => false,
    }
}

fn is_http_start(bytes: &[u8]) -> bool {
    const STARTS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"CONNECT ", b"HTTP/1.0", b"HTTP/1.1"];
    STARTS.iter().any(|start| bytes.starts_with(start))
}

#[cfg(test)]
mod tests;
