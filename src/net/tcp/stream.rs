//! One direction of a connection.
//!
//! In: its segments, and the acknowledgments of the other direction. Out: [`StreamEvent`]s in the order of the stream.
//! Never: a copy of bytes that come in order, an unbounded wait.

use super::StreamEvent;
use super::held::{Held, Piece};
use crate::net::datagram::{Segment, TcpFlags};
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// Bytes that may wait behind a hole. A receive window is seldom larger, and where the other direction was captured
/// its acknowledgments end the wait long before.
const MAX_HELD_BYTES: usize = 1 << 20;

/// Pieces that may wait behind a hole.
const MAX_HELD_PIECES: usize = 256;

/// The largest window there is (RFC 7323, section 2.3): nothing valid is further ahead.
const MAX_AHEAD: u64 = 1 << 30;

/// Nothing is sent again from further back than this; what is further back belongs to another connection.
const MAX_BEHIND: u64 = 1 << 26;

/// Bytes of one segment that a snap length may have cut off. The largest segments that hosts build of many
/// (IPv6 jumbograms of RFC 2675) have half a megabyte.
const MAX_MISSING: u32 = 1 << 20;

/// Memory of a piece beyond its bytes.
const PIECE_OVERHEAD: usize = 96;

/// Positions are sequence numbers unwrapped to 64 bits; they begin above 2^32 so that a step back stays positive.
const FIRST_POSITION: u64 = 1 << 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte and no SYN so far.
    Idle,
    Open,
    /// FIN passed, or RST.
    Ended,
}

/// Where the FIN is, and what carried it.
#[derive(Clone, Copy, Debug)]
struct Fin {
    position: u64,
    ts: Timestamp,
    frame: FrameNo,
}

/// Puts the segments of one direction in order.
#[derive(Debug)]
pub(super) struct StreamAssembler {
    state: State,
    /// Position of stream offset 0.
    base: u64,
    /// Position of the next byte to hand on.
    next: u64,
    /// Highest position that the other side acknowledged.
    acknowledged: u64,
    fin: Option<Fin>,
    /// Sequence number after the last segment outside the window: two that join prove that the stream went on there.
    stray_end: Option<u32>,
    held: Held,
}

impl Default for StreamAssembler {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamAssembler {
    /// A direction that has seen nothing.
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            base: FIRST_POSITION,
            next: FIRST_POSITION,
            acknowledged: 0,
            fin: None,
            stray_end: None,
            held: Held::default(),
        }
    }

    /// Takes the next segment of this direction and hands on what it sets free.
    pub(super) fn segment(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let syn = segment.flags.has(TcpFlags::SYN);
        let first = segment.seq.wrapping_add(u32::from(syn));
        if syn {
            self.synchronize(segment, sink);
        }
        if segment.flags.has(TcpFlags::RST) {
            self.reset(sink);
            return;
        }
        let length = piece_length(segment);
        if length > 0 {
            if self.state == State::Idle {
                self.start(first, false, sink);
            }
            self.place(segment, first, length, sink);
        }
        if segment.flags.has(TcpFlags::FIN) && self.state == State::Open {
            let end = self.position(first.wrapping_add(length));
            if end >= self.next && end - self.next <= MAX_AHEAD {
                let carrier = &segment.carrier;
                self.fin.get_or_insert(Fin { position: end, ts: carrier.ts, frame: carrier.frame });
            }
        }
        self.end_at_fin(sink);
    }

    /// Takes the acknowledgment number of a segment of the *other* direction. What it covers has reached its receiver
    /// and will not be sent again: a hole below it is given up where bytes wait behind it.
    pub(super) fn acknowledged(&mut self, ack: u32, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.state == State::Idle {
            return;
        }
        let position = self.position(ack);
        if position > self.next.saturating_add(MAX_AHEAD) {
            return;
        }
        self.acknowledged = self.acknowledged.max(position);
        while self.held.first_start().is_some_and(|start| start <= self.acknowledged) {
            self.skip_hole(sink);
        }
        if self.fin.is_some_and(|fin| fin.position < self.acknowledged) {
            self.flush(sink);
        }
        self.end_at_fin(sink);
    }

    /// Hands on what is held, with the gaps before it. For the end of the capture, or an eviction.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        self.flush(sink);
        self.end_at_fin(sink);
    }

    /// Forgets what is held.
    pub(super) fn discard(&mut self) {
        self.held = Held::default();
    }

    /// Bytes that wait behind a hole, with a charge for each piece, so that many tiny ones count too.
    pub(super) fn held_cost(&self) -> usize {
        self.held.bytes() + self.held.len() * PIECE_OVERHEAD
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// True for a SYN that is not the repetition of the one that opened this stream.
    pub(super) fn opens_connection(&self, segment: &Segment<'_>) -> bool {
        let repeated = self.state == State::Open && segment.seq.wrapping_add(1) == self.base as u32;
        segment.flags.has(TcpFlags::SYN) && !repeated
    }

    /// Another connection has begun: what was held is handed on, and the next segment starts anew.
    pub(super) fn close(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        self.finish(sink);
        self.state = State::Idle;
    }

    /// The SYN with ACK of the other side tells where this stream begins, though its SYN was not captured. It may
    /// acknowledge bytes that came with the SYN (RFC 7413).
    pub(super) fn expect(&mut self, first: u32, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let known = self.state == State::Open && (self.base..=self.next).contains(&self.position(first));
        if !known {
            self.finish(sink);
            self.start(first, true, sink);
        }
    }

    fn synchronize(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.opens_connection(segment) {
            self.finish(sink);
            self.start(segment.seq.wrapping_add(1), true, sink);
        }
    }

    fn start(&mut self, first: u32, from_syn: bool, sink: &mut impl FnMut(StreamEvent<'_>)) {
        self.state = State::Open;
        self.base = FIRST_POSITION + u64::from(first);
        self.next = self.base;
        self.acknowledged = 0;
        self.fin = None;
        self.stray_end = None;
        sink(StreamEvent::Start { from_syn });
    }

    /// The position nearest to the next one that has this sequence number (RFC 9293, section 3.4).
    fn position(&self, seq: u32) -> u64 {
        let distance = seq.wrapping_sub(self.next as u32) as i32;
        self.next.saturating_add_signed(i64::from(distance))
    }

    fn place(&mut self, segment: &Segment<'_>, first: u32, length: u32, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.is_stray(first, length, sink) {
            return;
        }
        let start = self.position(first);
        let end = start.saturating_add(u64::from(length));
        let carrier = &segment.carrier;
        let piece = Piece { start, end, bytes: segment.payload, ts: carrier.ts, frame: carrier.frame };
        if end <= self.next {
            return;
        }
        // The hole before it was received by the other side, and nothing waits that could come before this piece.
        if start > self.next && start <= self.acknowledged && self.held.len() == 0 {
            self.give_up_to(start, &piece, sink);
        }
        if start <= self.next {
            self.hand_on(&piece, sink);
            return;
        }
        self.held.insert(&piece);
        while self.held.bytes() > MAX_HELD_BYTES
            || self.held.len() > MAX_HELD_PIECES
            || self.held.first_start().is_some_and(|first| first <= self.acknowledged)
        {
            self.skip_hole(sink);
        }
    }

    /// A segment that no window can hold is ignored, until a second one joins it: then the capture has lost the SYN of
    /// a new connection, or a great part of this one.
    fn is_stray(&mut self, first: u32, length: u32, sink: &mut impl FnMut(StreamEvent<'_>)) -> bool {
        let start = self.position(first);
        let end = start.saturating_add(u64::from(length));
        let behind = self.next.saturating_sub(end) > MAX_BEHIND;
        let ahead = start.saturating_sub(self.next) > MAX_AHEAD;
        if !behind && !ahead {
            self.stray_end = None;
            return false;
        }
        if self.stray_end == Some(first) {
            self.flush(sink);
            self.start(first, false, sink);
            return false;
        }
        self.stray_end = Some(first.wrapping_add(length));
        true
    }

    /// A piece that starts at the next position or before it. Where it overlaps pieces that came earlier, theirs are
    /// the first bytes, and they win.
    fn hand_on(&mut self, piece: &Piece<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        while self.next < piece.end {
            let to = self.held.first_start().unwrap_or(u64::MAX);
            self.emit(&piece.slice(self.next, to), sink);
            self.drain(sink);
        }
        self.drain(sink);
    }

    /// Hands on the held pieces that are next.
    fn drain(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        while let Some(held) = self.held.pop_at(self.next) {
            let piece = held.piece();
            self.emit(&piece.slice(self.next, piece.end), sink);
        }
    }

    /// Gives up the hole before the first held piece.
    fn skip_hole(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let Some(start) = self.held.first_start() else { return };
        if let Some(held) = self.held.pop_at(start) {
            let piece = held.piece();
            self.give_up_to(start, &piece, sink);
            self.emit(&piece.slice(self.next, piece.end), sink);
        }
        self.drain(sink);
    }

    /// Hands on everything held, and the gap before the FIN.
    fn flush(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        while self.held.len() > 0 {
            self.skip_hole(sink);
        }
        if let Some(Fin { position, ts, frame }) = self.fin {
            let end = Piece { start: position, end: position, bytes: &[], ts, frame };
            self.give_up_to(position, &end, sink);
        }
    }

    fn give_up_to(&mut self, position: u64, behind: &Piece<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let bytes = position.saturating_sub(self.next);
        if bytes == 0 {
            return;
        }
        let offset = self.next.saturating_sub(self.base);
        self.next = position;
        sink(StreamEvent::Gap { bytes, offset, ts: behind.ts, frame: behind.frame });
    }

    /// A piece that starts at the next position: its bytes, then the gap where its end was cut off.
    fn emit(&mut self, piece: &Piece<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let bytes = piece.bytes;
        if !bytes.is_empty() {
            let offset = self.next.saturating_sub(self.base);
            self.next = self.next.saturating_add(bytes.len() as u64);
            sink(StreamEvent::Data { bytes, offset, ts: piece.ts, frame: piece.frame });
        }
        self.give_up_to(piece.end, piece, sink);
    }

    fn end_at_fin(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let Some(fin) = self.fin.filter(|fin| fin.position <= self.next) else { return };
        // The FIN has a sequence number of its own, which is acknowledged like a byte.
        self.next = self.next.max(fin.position.saturating_add(1));
        self.fin = None;
        self.end(false, sink);
    }

    fn reset(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.state == State::Idle {
            // A refused connection: this side never had a stream.
            sink(StreamEvent::End { reset: true });
            return;
        }
        self.flush(sink);
        self.end(true, sink);
    }

    fn end(&mut self, reset: bool, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.state == State::Open {
            self.state = State::Ended;
            sink(StreamEvent::End { reset });
        }
    }
}

/// Payload bytes on the wire.
fn piece_length(segment: &Segment<'_>) -> u32 {
    u32::try_from(segment.payload.len()).unwrap_or(u32::MAX / 2).saturating_add(segment.missing.min(MAX_MISSING))
}
