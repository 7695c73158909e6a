//! What the two streams of a connection say: which protocol, and its messages one by one.
//!
//! In: the bytes of each stream in order, and where some are lost. Out: whole messages with their framing.
//! Never: more bytes held than a bound, or a byte looked at again for each segment that comes behind it.

use super::super::class::Class;
use super::super::shard::Framing;
use crate::net::tcp::{Direction, StreamEvent};
use crate::proto::framing::{Frame, MAX_BODY, MAX_HEAD, Need};
use crate::proto::{http, rtsp, sip, stun, websocket};

/// Bytes of one message, or of one that has not been recognised, that a direction may hold: the longest that is read.
const MAX_HELD: usize = MAX_HEAD + MAX_BODY;
/// Bytes after which a stream that speaks nothing known is left alone.
pub(super) const MAX_UNKNOWN: usize = 4096;
/// How often each byte of a direction may be looked at again on the average, beyond so many bytes in all: tiny segments
/// must not make a long message be read from its start for each of them.
const MAX_LOOKS: usize = 32;
const FREE_LOOKS: usize = 16 << 10;

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

    const fn is_framed(self) -> bool {
        !matches!(self, Speech::Tls | Speech::Foreign)
    }
}

/// What both streams of a connection say.
#[derive(Default)]
pub(super) struct Dialogue {
    speech: Speech,
    sides: [Side; 2],
    unknown_bytes: usize,
    /// How often bytes were looked at, and how many.
    #[cfg(test)]
    looks: (usize, usize),
}

/// What one of the streams has said so far and not to its end.
struct Side {
    held: Vec<u8>,
    /// Bytes were lost before those held: the start of a message has to be found first.
    astray: bool,
    /// What the held bytes wait for, and how many of them do not have it.
    need: Need,
    seen: usize,
    /// What they waited for is here, but they have been looked at too often.
    is_put_off: bool,
    /// Bytes that may still be looked at again.
    allowance: usize,
    /// Bytes of a message that is too long to be read, and that are still to come.
    stepped_over: u64,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            astray: false,
            need: Need::Bytes(0),
            seen: 0,
            is_put_off: false,
            allowance: FREE_LOOKS,
            stepped_over: 0,
        }
    }
}

impl Side {
    /// Whether the held bytes are worth a look.
    fn is_due(&mut self) -> bool {
        if self.held.len() > MAX_HELD {
            return true;
        }
        if !self.is_put_off && !self.need.is_met(&self.held, self.seen) {
            self.seen = self.held.len();
            return false;
        }
        self.is_put_off = self.allowance < self.held.len();
        if !self.is_put_off {
            self.allowance -= self.held.len();
        }
        !self.is_put_off
    }

    fn forget(&mut self) {
        self.astray |= !self.held.is_empty();
        self.held = Vec::new();
    }
}

impl Dialogue {
    /// Its messages are looked at, so its bytes must be in order.
    pub(super) fn is_framed(&self) -> bool {
        self.speech.is_framed()
    }

    /// The class of a segment that completes no message.
    pub(super) fn class(&self) -> Class {
        self.speech.class()
    }

    /// Memory of what is held.
    pub(super) fn held_bytes(&self) -> usize {
        self.sides.iter().map(|side| side.held.capacity()).sum()
    }

    /// Takes what one of the streams says next; gives each message that is whole with it.
    pub(super) fn event(
        &mut self,
        direction: Direction,
        event: StreamEvent<'_>,
        message: &mut impl FnMut(&[u8], Framing),
    ) {
        let side = direction as usize;
        match event {
            StreamEvent::Start { from_syn } => {
                self.last_look(direction, message);
                self.sides[side].held.clear();
                self.sides[side].astray = !from_syn;
                self.sides[side].stepped_over = 0;
                if from_syn && self.sides.iter().all(|side| side.held.is_empty()) {
                    self.speech = Speech::Unknown;
                    self.unknown_bytes = 0;
                }
            }
            StreamEvent::Gap { .. } => {
                self.last_look(direction, message);
                self.sides[side].held.clear();
                self.sides[side].astray = true;
                self.sides[side].stepped_over = 0;
            }
            StreamEvent::Data { bytes, .. } => self.data(side, bytes, message),
            StreamEvent::End { .. } => self.last_look(direction, message),
        }
    }

    /// Hands on what was put off, and forgets what is no whole message.
    pub(super) fn finish(&mut self, message: &mut impl FnMut(Direction, &[u8], Framing)) {
        for direction in [Direction::Forward, Direction::Reverse] {
            self.last_look(direction, &mut |payload, framing| message(direction, payload, framing));
        }
        self.discard();
    }

    /// Forgets what is held.
    pub(super) fn discard(&mut self) {
        self.sides.iter_mut().for_each(Side::forget);
    }

    fn data(&mut self, side: usize, bytes: &[u8], message: &mut impl FnMut(&[u8], Framing)) {
        if !self.speech.is_framed() {
            return;
        }
        if self.speech == Speech::Unknown {
            self.unknown_bytes += bytes.len();
        }
        let Side { held, allowance, stepped_over, .. } = &mut self.sides[side];
        let bytes = step_over(stepped_over, bytes);
        *allowance = allowance.saturating_add(bytes.len().saturating_mul(MAX_LOOKS));
        if held.is_empty() {
            let (used, need) = self.messages(side, bytes, message);
            self.keep(side, bytes.get(used..).unwrap_or_default().to_vec(), need);
        } else {
            held.extend_from_slice(bytes);
            if self.sides[side].is_due() {
                self.look_again(side, message);
            }
        }
    }

    /// Nothing more comes behind the held bytes: what was put off is due.
    fn last_look(&mut self, direction: Direction, message: &mut impl FnMut(&[u8], Framing)) {
        let side = direction as usize;
        if std::mem::take(&mut self.sides[side].is_put_off) {
            self.look_again(side, message);
        }
    }

    fn look_again(&mut self, side: usize, message: &mut impl FnMut(&[u8], Framing)) {
        let mut held = std::mem::take(&mut self.sides[side].held);
        let (used, need) = self.messages(side, &held, message);
        held.drain(..used.min(held.len()));
        held.shrink_to(2 * held.len() + MAX_UNKNOWN);
        self.keep(side, held, need);
    }

    fn keep(&mut self, side: usize, rest: Vec<u8>, need: Need) {
        let is_framed = self.speech.is_framed();
        let side = &mut self.sides[side];
        side.is_put_off = false;
        if rest.len() > MAX_HELD {
            side.astray = true;
        } else if is_framed && !rest.is_empty() {
            side.seen = rest.len();
            side.need = need;
            side.held = rest;
        }
    }

    /// Hands on the whole messages at the start of `bytes`; gives how many bytes they took, and what the rest waits for.
    fn messages(&mut self, side: usize, bytes: &[u8], message: &mut impl FnMut(&[u8], Framing)) -> (usize, Need) {
        #[cfg(test)]
        {
            self.looks = (self.looks.0 + 1, self.looks.1 + bytes.len());
        }
        let anything = Need::Bytes(0);
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            if self.speech == Speech::Unknown {
                self.speech = self.recognise(side, rest);
                if self.speech == Speech::Unknown {
                    break;
                }
            }
            if self.sides[side].astray {
                let Some(start) = self.find_start(rest) else {
                    if self.speech == Speech::Websocket {
                        // Nothing marks the start of a frame; it is known by its end, with that of a segment.
                        return (bytes.len(), anything);
                    }
                    return (used + rest.len().saturating_sub(MAX_UNKNOWN), anything);
                };
                used += start;
                self.sides[side].astray = false;
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
                    }
                }
                Next::More(need) => return (used, need),
                Next::TooLong(length) => {
                    self.sides[side].stepped_over = length;
                    let rest = step_over(&mut self.sides[side].stepped_over, rest);
                    used = bytes.len() - rest.len();
                }
                Next::Lost => {
                    self.sides[side].astray = true;
                    used += 1;
                }
            }
        }
        (used, anything)
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
            _ if self.sides[side].astray && websocket::looks_like_frames(bytes) => Speech::Websocket,
            // A capture that began within a connection begins within a message.
            _ if self.sides[side].astray && stun::find_start(bytes).is_some() => Speech::Turn,
            _ => Speech::Unknown,
        };
        if speech == Speech::Unknown && self.unknown_bytes > MAX_UNKNOWN { Speech::Foreign } else { speech }
    }

    fn find_start(&self, bytes: &[u8]) -> Option<usize> {
        match self.speech {
            Speech::Turn => stun::find_start(bytes),
            Speech::Rfc4571 => (0..bytes.len()).find(|start| is_rfc4571_start(&bytes[*start..])),
            Speech::Sip => find_whole(bytes, sip::frame),
            Speech::Rtsp => find_whole(bytes, rtsp::frame),
            Speech::Http => line_starts(bytes).find(|start| is_http_start(&bytes[*start..])),
            Speech::Websocket => websocket::are_whole_frames(bytes).then_some(0),
            Speech::Unknown | Speech::Tls | Speech::Foreign => Some(0),
        }
    }

    fn next_message(&self, bytes: &[u8]) -> Next {
        let textual = |frame: Frame, class: Class| match frame {
            Frame::Complete(len) => Next::Message { len, skip: 0, framing: Framing::Opaque(class) },
            Frame::NeedMore(need) => Next::More(need),
            Frame::NotThis => Next::Lost,
        };
        match self.speech {
            Speech::Turn => match stun::frame(bytes) {
                stun::Frame::Stun(len) | stun::Frame::ChannelData { len } => {
                    Next::Message { len, skip: 0, framing: Framing::Stream }
                }
                stun::Frame::NeedMore(length) => Next::More(Need::Bytes(length)),
                stun::Frame::Neither => Next::Lost,
            },
            Speech::Rfc4571 => match bytes {
                [high, low, rest @ ..] => match usize::from(u16::from_be_bytes([*high, *low])) {
                    len if rest.len() >= len => Next::Message { len: len + 2, skip: 2, framing: Framing::Rfc4571 },
                    len => Next::More(Need::Bytes(len + 2)),
                },
                _ => Next::More(Need::Bytes(2)),
            },
            Speech::Sip => textual(sip::frame(bytes), Class::Sip),
            Speech::Http => textual(http::frame(bytes), Class::Http),
            Speech::Rtsp => match bytes {
                [b'$', channel, high, low, rest @ ..] => {
                    let len = usize::from(u16::from_be_bytes([*high, *low]));
                    let framing = Framing::Interleaved(*channel);
                    if rest.len() >= len {
                        Next::Message { len: len + 4, skip: 4, framing }
                    } else {
                        Next::More(Need::Bytes(len + 4))
                    }
                }
                [b'$', ..] => Next::More(Need::Bytes(4)),
                _ => textual(rtsp::frame(bytes), Class::Rtsp),
            },
            Speech::Websocket => match websocket::oversized(bytes) {
                Some(length) => Next::TooLong(length),
                None => textual(websocket::frame(bytes), Class::Websocket),
            },
            Speech::Unknown | Speech::Tls | Speech::Foreign => Next::More(Need::Bytes(0)),
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
    /// The beginning of one, and what to wait for.
    More(Need),
    /// The beginning of one of so many bytes, which nobody waits for.
    TooLong(u64),
    Lost,
}

/// What stands behind the bytes that are not read.
fn step_over<'a>(left: &mut u64, bytes: &'a [u8]) -> &'a [u8] {
    let skipped = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= skipped as u64;
    bytes.get(skipped..).unwrap_or_default()
}

/// The first line that begins a whole message.
fn find_whole(bytes: &[u8], frame: impl Fn(&[u8]) -> Frame) -> Option<usize> {
    let found = line_starts(bytes).map(|start| (start, frame(&bytes[start..]))).find(|(_, frame)| match frame {
        Frame::Complete(_) => true,
        // Nothing below ends a line or a head either: looking at each line would take the square of the time.
        Frame::NeedMore(need) => matches!(need, Need::Line | Need::Head),
        Frame::NotThis => false,
    });
    found.filter(|(_, frame)| matches!(frame, Frame::Complete(_))).map(|(start, _)| start)
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
