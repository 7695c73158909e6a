//! TCP reassembly: from the segments of a connection to the two byte streams that they carry.
//!
//! In: [`Segment`]s in the order of the capture. Out: [`StreamEvent`]s, in the order of the stream; bytes that come in
//! order are handed on as slices of the segment itself.
//! Never: a wait without an end for bytes that were not captured, more than a bounded amount of held bytes, a look at
//! what the bytes mean.

#![forbid(unsafe_code)]

mod held;
mod stream;

use crate::net::datagram::{FiveTuple, Segment, TcpFlags};
use crate::packet::FrameNo;
use crate::time::Timestamp;
use stream::StreamAssembler;

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

/// Both streams of a five-tuple. It carries the acknowledgments of one side to the stream of the other and tells when
/// a SYN opens a new connection on the same five-tuple.
#[derive(Debug)]
pub struct Connection {
    flow: FiveTuple,
    forward: StreamAssembler,
    reverse: StreamAssembler,
}

impl Connection {
    /// A connection that has seen nothing; `flow` is [`Direction::Forward`].
    pub fn new(flow: FiveTuple) -> Self {
        Self { flow, forward: StreamAssembler::new(), reverse: StreamAssembler::new() }
    }

    /// Takes the next segment of either direction and hands on what it sets free, in both directions.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(Direction, StreamEvent<'_>)) {
        let direction = self.direction(&segment.flow);
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

    /// Forgets what both streams hold: nobody asks any more what they say.
    pub fn discard(&mut self) {
        self.forward.discard();
        self.reverse.discard();
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
}

#[cfg(test)]
mod tests;
