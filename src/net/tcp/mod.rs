//! TCP reassembly: from the segments of a connection to the two byte streams that they carry.
//!
//! In: [`Segment`]s in the order of the capture. Out: [`StreamEvent`]s, in the order of the stream; bytes that come in
//! order are handed on as slices of the segment itself.
//! Never: a wait without an end for bytes that were not captured, more than a bounded amount of held bytes, a look at
//! what the bytes mean.

#![forbid(unsafe_code)]

mod held;
mod stream;

pub use stream::{StreamAssembler, StreamStatistics};

use crate::net::datagram::{FiveTuple, Segment, TcpFlags};
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// What a stream yields.
///
/// `offset` counts bytes from the start of the stream (RFC 9293, section 3.4: the number after the SYN's is offset 0;
/// without a captured SYN the first captured byte is). `ts` and `frame` are those of the segment that carried the
/// bytes; where they had to wait for a hole to be filled, the segment that was passed in when the event came is the
/// one that delivered them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// A connection begins. Whatever was understood of the stream before belongs to another connection.
    Start {
        /// True where the capture has the SYN: offset 0 is the first byte that the application wrote. False where the
        /// capture begins in the middle of the connection, and with it perhaps of a message.
        from_syn: bool,
    },
    /// The next bytes.
    Data {
        /// Never empty.
        bytes: &'a [u8],
        /// Stream offset of the first.
        offset: u64,
        /// Capture time of the segment that carried them.
        ts: Timestamp,
        /// Its frame number.
        frame: FrameNo,
    },
    /// Bytes that the capture does not have and that are not waited for any more.
    Gap {
        /// How many, at least 1.
        bytes: u64,
        /// Stream offset of the first.
        offset: u64,
        /// Capture time of the segment behind the hole, or of the one whose end was cut off.
        ts: Timestamp,
        /// Its frame number.
        frame: FrameNo,
    },
    /// The sender closed the stream, or a reset ended it; a reset comes without a start where it refuses a connection.
    /// Bytes may still follow: segments that were in flight, or that prove the reset a forged one.
    End {
        /// True for RST, false for FIN.
        reset: bool,
    },
}

/// Which of the two streams of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// That of the five-tuple the connection was made with.
    Forward,
    /// The other one.
    Reverse,
}

impl Direction {
    /// The other one.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }
}

/// When the three segments of the latest handshake (RFC 9293, section 3.5) were captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The last SYN before the answer.
    pub syn: Option<Timestamp>,
    /// The first SYN with ACK.
    pub syn_ack: Option<Timestamp>,
    /// The first segment of the client after it.
    pub ack: Option<Timestamp>,
}

impl Handshake {
    /// Round trip from the capture point to the server and back, in nanoseconds.
    pub fn server_rtt_nanos(&self) -> Option<i64> {
        Some(self.syn_ack?.nanos_since(self.syn?))
    }

    /// Round trip from the capture point to the client and back, in nanoseconds.
    pub fn client_rtt_nanos(&self) -> Option<i64> {
        Some(self.ack?.nanos_since(self.syn_ack?))
    }
}

/// Both streams of a five-tuple. It carries the acknowledgments of one side to the stream of the other and tells when
/// a SYN opens a new connection on the same five-tuple.
#[derive(Debug)]
pub struct Connection {
    flow: FiveTuple,
    forward: StreamAssembler,
    reverse: StreamAssembler,
    client: Option<Direction>,
    handshake: Handshake,
}

impl Connection {
    /// A connection that has seen nothing; `flow` is [`Direction::Forward`].
    pub fn new(flow: FiveTuple) -> Self {
        Self {
            flow,
            forward: StreamAssembler::new(),
            reverse: StreamAssembler::new(),
            client: None,
            handshake: Handshake::default(),
        }
    }

    /// Takes the next segment of either direction and hands on what it sets free, in both directions.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(Direction, StreamEvent<'_>)) {
        let direction = self.direction(&segment.flow);
        self.shake(direction, segment);
        let (own, other) = match direction {
            Direction::Forward => (&mut self.forward, &mut self.reverse),
            Direction::Reverse => (&mut self.reverse, &mut self.forward),
        };
        let mut own_sink = |event: StreamEvent<'_>| sink(direction, event);
        let opens = own.opens_connection(segment);
        let reopens = opens && !own.is_idle();
        own.segment(segment, &mut own_sink);
        let mut other_sink = |event: StreamEvent<'_>| sink(direction.opposite(), event);
        if reopens && !segment.flags.has(TcpFlags::ACK) {
            other.close(&mut other_sink);
        }
        // The number in a reset is not an acknowledgment of data (RFC 9293, section 3.10.7.1).
        if segment.flags.has(TcpFlags::ACK) && !segment.flags.has(TcpFlags::RST) {
            if opens {
                other.expect(segment.ack, &mut other_sink);
            }
            other.acknowledged(segment.ack, &mut other_sink);
        }
    }

    /// Hands on what both streams still hold, with the gaps before it. For the end of the capture, or an eviction.
    pub fn finish(&mut self, sink: &mut impl FnMut(Direction, StreamEvent<'_>)) {
        self.forward.finish(&mut |event: StreamEvent<'_>| sink(Direction::Forward, event));
        self.reverse.finish(&mut |event: StreamEvent<'_>| sink(Direction::Reverse, event));
    }

    /// Memory of the bytes that wait in both streams.
    pub fn held_cost(&self) -> usize {
        self.forward.held_cost() + self.reverse.held_cost()
    }

    /// The five-tuple of [`Direction::Forward`].
    pub const fn flow(&self) -> &FiveTuple {
        &self.flow
    }

    /// Which direction a five-tuple of this connection is.
    pub fn direction(&self, flow: &FiveTuple) -> Direction {
        if flow.src == self.flow.src && flow.dst == self.flow.dst { Direction::Forward } else { Direction::Reverse }
    }

    /// The stream of a direction.
    pub const fn stream(&self, direction: Direction) -> &StreamAssembler {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Reverse => &self.reverse,
        }
    }

    /// What the opener of the connection sends; `None` where the capture has no part of a handshake.
    pub const fn client(&self) -> Option<Direction> {
        self.client
    }

    /// The times of the latest handshake.
    pub const fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    fn shake(&mut self, direction: Direction, segment: &Segment<'_>) {
        let ts = segment.carrier.ts;
        match (segment.flags.has(TcpFlags::SYN), segment.flags.has(TcpFlags::ACK)) {
            (true, false) => {
                let answered = self.handshake.syn_ack.is_some();
                if !answered || self.stream(direction).opens_connection(segment) {
                    self.handshake = Handshake { syn: Some(ts), ..Handshake::default() };
                    self.client = Some(direction);
                }
            }
            (true, true) if self.stream(direction).opens_connection(segment) => {
                self.client = Some(direction.opposite());
                let syn = self.handshake.syn.filter(|_| self.handshake.syn_ack.is_none());
                self.handshake = Handshake { syn, syn_ack: Some(ts), ack: None };
            }
            (false, true) if self.client == Some(direction) && self.handshake.syn_ack.is_some() => {
                self.handshake.ack.get_or_insert(ts);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
