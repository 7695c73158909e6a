//! The flights of a handshake: who sent which messages, when, and how often.
//!
//! In: messages as they are seen, in capture order. Out: [`Flight`]s (RFC 6347, section 4.2.4). Never: more than a
//! bounded number of messages.

use super::{Direction, Point};
use crate::packet::FrameNo;
use crate::proto::dtls::HandshakeType;
use std::fmt;

/// A handshake has about fifteen messages.
const MAX_MESSAGES: usize = 64;
/// As many frames of retransmissions are named for a flight.
const MAX_RETRANSMISSION_FRAMES: usize = 16;
/// As many fragments of a message are told apart to see whether one came again.
const MAX_FRAGMENTS: usize = 64;

/// What stands in a flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// A handshake message in plaintext.
    Handshake(HandshakeType),
    /// A ServerHello that asks for another ClientHello (RFC 8446, section 4.1.4).
    HelloRetryRequest,
    /// DTLS 1.2: what follows is encrypted.
    ChangeCipherSpec,
    /// DTLS 1.2: the encrypted handshake message behind the ChangeCipherSpec, which is a Finished.
    Finished,
    /// DTLS 1.3: the records of epoch 2, whose messages cannot be told apart.
    Encrypted,
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(message_type) => fmt::Display::fmt(message_type, f),
            Self::HelloRetryRequest => f.write_str("HelloRetryRequest"),
            Self::ChangeCipherSpec => f.write_str("ChangeCipherSpec"),
            Self::Finished => f.write_str("Finished"),
            Self::Encrypted => f.write_str("encrypted"),
        }
    }
}

/// One message of a flight.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlightMessage {
    /// What it is.
    pub kind: MessageKind,
    /// Its number, where it is in plaintext.
    pub message_seq: Option<u16>,
    /// Length of its body in bytes, where it is in plaintext.
    pub length: Option<u32>,
    /// The first frame with a part of it, and when.
    pub first: Point,
    /// The last frame with a part of it, retransmissions among them, and when.
    pub last: Point,
    /// The frame with which it was whole; `None` for one of which a part was never captured.
    pub complete: Option<Point>,
    /// Records that carried a part of it.
    pub records: u64,
    /// How often it was sent; 1 without retransmission. Always 1 for [`MessageKind::Encrypted`], where a retransmission
    /// cannot be told from what is new.
    pub transmissions: u32,
    /// How often the fragment at an offset was seen.
    fragments: Vec<(u32, u32)>,
}

/// Messages that one side sends before it waits for the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Who sent it.
    pub from: Direction,
    /// Its messages in capture order.
    pub messages: Vec<FlightMessage>,
    /// When it began.
    pub first: Point,
    /// The last frame of its first transmission.
    pub last: Point,
    /// How often it was sent again, in whole or in part.
    pub retransmissions: u32,
    /// Frames of these, the first sixteen.
    pub retransmission_frames: Vec<FrameNo>,
}

impl Flight {
    /// True where every message of it that was begun is whole.
    pub fn is_complete(&self) -> bool {
        self.messages.iter().all(|message| message.complete.is_some())
    }
}

/// What a part of a message is identified by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) kind: MessageKind,
    pub(super) message_seq: Option<u16>,
    pub(super) length: Option<u32>,
    pub(super) fragment_offset: u32,
}

impl Part {
    /// All of a message that has no handshake header we could read.
    pub(super) const fn opaque(kind: MessageKind) -> Self {
        Self { kind, message_seq: None, length: None, fragment_offset: 0 }
    }
}

/// The flights of one handshake so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct FlightLog {
    flights: Vec<Flight>,
    messages: usize,
    /// Parts of messages for which there was no room.
    not_kept: u64,
    changed: bool,
}

/// Where a message stands in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    flight: usize,
    message: usize,
}

impl FlightLog {
    pub(super) fn flights(&self) -> &[Flight] {
        &self.flights
    }

    /// True where something was noted since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn not_kept(&self) -> u64 {
        self.not_kept
    }

    /// Notes a part of a message; `None` where there is no room for another message.
    pub(super) fn note(&mut self, from: Direction, at: Point, part: Part) -> Option<Place> {
        self.changed = true;
        let place = match self.find(from, &part) {
            Some(place) => place,
            None => self.open(from, at, &part)?,
        };
        let flight = self.flights.get_mut(place.flight)?;
        let message = flight.messages.get_mut(place.message)?;
        if message.count(&part) {
            if message.transmissions > flight.retransmissions + 1 {
                flight.retransmissions = message.transmissions - 1;
            }
            let frames = &mut flight.retransmission_frames;
            if frames.len() < MAX_RETRANSMISSION_FRAMES && frames.last() != Some(&at.frame) {
                frames.push(at.frame);
            }
        } else {
            flight.last = at;
        }
        message.last = at;
        message.records += 1;
        Some(place)
    }

    /// True where the message was whole before.
    pub(super) fn is_complete(&self, place: Place) -> bool {
        self.message(place).is_some_and(|message| message.complete.is_some())
    }

    /// The message is whole now; `kind` says better than its first fragment did what it is.
    pub(super) fn complete(&mut self, place: Place, at: Point, kind: MessageKind) {
        let flight = self.flights.get_mut(place.flight);
        if let Some(message) = flight.and_then(|flight| flight.messages.get_mut(place.message)) {
            message.complete.get_or_insert(at);
            message.kind = kind;
            self.changed = true;
        }
    }

    /// The message of that kind from that side.
    pub(super) fn of_kind(&self, from: Direction, kind: MessageKind) -> Option<&FlightMessage> {
        let mut flights = self.flights.iter().filter(|flight| flight.from == from);
        flights.find_map(|flight| flight.messages.iter().find(|message| message.kind == kind))
    }

    fn message(&self, place: Place) -> Option<&FlightMessage> {
        self.flights.get(place.flight)?.messages.get(place.message)
    }

    fn find(&self, from: Direction, part: &Part) -> Option<Place> {
        let same = |message: &FlightMessage| match part.message_seq {
            Some(_) => message.message_seq == part.message_seq && message.length == part.length,
            None => message.kind == part.kind,
        };
        self.flights.iter().enumerate().filter(|(_, flight)| flight.from == from).find_map(|(index, flight)| {
            flight.messages.iter().position(same).map(|message| Place { flight: index, message })
        })
    }

    fn open(&mut self, from: Direction, at: Point, part: &Part) -> Option<Place> {
        if self.messages >= MAX_MESSAGES {
            self.not_kept += 1;
            return None;
        }
        self.messages += 1;
        let flight = self.flight_for(from, part).unwrap_or_else(|| {
            let (first, last) = (at, at);
            let (messages, retransmission_frames) = (Vec::new(), Vec::new());
            self.flights.push(Flight { from, messages, first, last, retransmissions: 0, retransmission_frames });
            self.flights.len() - 1
        });
        let messages = &mut self.flights.get_mut(flight)?.messages;
        messages.push(FlightMessage {
            kind: part.kind,
            message_seq: part.message_seq,
            length: part.length,
            first: at,
            last: at,
            complete: None,
            records: 0,
            transmissions: 1,
            fragments: Vec::new(),
        });
        Some(Place { flight, message: messages.len() - 1 })
    }

    /// The flight that a new message belongs to, or `None` where it begins one. A message that was overtaken belongs to
    /// the flight of the one with the higher number that overtook it. The hellos that ask or answer alone are flights by
    /// themselves, so that a capture of one direction shows its flights too.
    fn flight_for(&self, from: Direction, part: &Part) -> Option<usize> {
        let overtook = |flight: &Flight| {
            let numbers = flight.messages.iter().filter_map(|message| message.message_seq);
            flight.from == from && part.message_seq.is_some_and(|seq| numbers.max().is_some_and(|max| max > seq))
        };
        if let Some(index) = self.flights.iter().position(overtook) {
            return Some(index);
        }
        let last = self.flights.last().filter(|flight| flight.from == from)?;
        let alone = last.messages.last().is_some_and(|message| {
            matches!(
                message.kind,
                MessageKind::Handshake(HandshakeType::CLIENT_HELLO | HandshakeType::HELLO_VERIFY_REQUEST)
                    | MessageKind::HelloRetryRequest
            )
        });
        (!alone).then(|| self.flights.len() - 1)
    }
}

impl FlightMessage {
    /// Counts the part; true where it was there before, so that this is a retransmission.
    fn count(&mut self, part: &Part) -> bool {
        if self.kind == MessageKind::Encrypted {
            return false;
        }
        if let Some((_, count)) = self.fragments.iter_mut().find(|(offset, _)| *offset == part.fragment_offset) {
            *count = count.saturating_add(1);
            self.transmissions = self.transmissions.max(*count);
            return true;
        }
        if self.fragments.len() < MAX_FRAGMENTS {
            self.fragments.push((part.fragment_offset, 1));
        }
        // A new division into fragments (after a change of the path's MTU) brings no new part of a whole message.
        self.complete.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(frame: u64) -> Point {
        Point { frame: FrameNo(frame), ts: Timestamp::from_nanos(frame as i64) }
    }

    fn part(message_type: HandshakeType, seq: u16, fragment_offset: u32) -> Part {
        let kind = MessageKind::Handshake(message_type);
        Part { kind, message_seq: Some(seq), length: Some(100), fragment_offset }
    }

    #[test]
    fn a_change_of_direction_begins_a_flight_and_an_overtaken_message_joins_its_own() {
        let mut log = FlightLog::default();
        log.note(Direction::AToB, at(1), part(HandshakeType::CLIENT_HELLO, 0, 0));
        log.note(Direction::BToA, at(2), part(HandshakeType::SERVER_HELLO, 0, 0));
        log.note(Direction::BToA, at(3), part(HandshakeType::SERVER_HELLO_DONE, 2, 0));
        log.note(Direction::AToB, at(4), part(HandshakeType::CLIENT_KEY_EXCHANGE, 1, 0));
        log.note(Direction::BToA, at(5), part(HandshakeType::CERTIFICATE, 1, 0));
        let sizes: Vec<usize> = log.flights().iter().map(|flight| flight.messages.len()).collect();
        assert_eq!(sizes, [1, 3, 1]);
    }

    #[test]
    fn flights_of_one_direction_are_told_apart_where_the_other_is_not_captured() {
        let mut log = FlightLog::default();
        log.note(Direction::AToB, at(1), part(HandshakeType::CLIENT_HELLO, 0, 0));
        log.note(Direction::AToB, at(2), part(HandshakeType::CLIENT_HELLO, 1, 0));
        log.note(Direction::AToB, at(3), part(HandshakeType::CERTIFICATE, 2, 0));
        log.note(Direction::AToB, at(3), Part::opaque(MessageKind::ChangeCipherSpec));
        let sizes: Vec<usize> = log.flights().iter().map(|flight| flight.messages.len()).collect();
        assert_eq!(sizes, [1, 1, 2]);
    }

    #[test]
    fn a_flight_sent_again_counts_once_however_many_fragments_it_has() {
        let mut log = FlightLog::default();
        for frame in [1, 10, 20] {
            for offset in [0, 40, 80] {
                log.note(Direction::AToB, at(frame), part(HandshakeType::CERTIFICATE, 1, offset));
            }
        }
        let flight = &log.flights()[0];
        assert_eq!((flight.retransmissions, flight.messages[0].transmissions), (2, 3));
        assert_eq!(flight.retransmission_frames, [FrameNo(10), FrameNo(20)]);
        assert_eq!((flight.first, flight.last), (at(1), at(1)));
        assert_eq!(flight.messages[0].last, at(20));
    }

    #[test]
    fn the_log_is_bounded() {
        let mut log = FlightLog::default();
        for seq in 0..1000 {
            log.note(Direction::AToB, at(1), part(HandshakeType::CERTIFICATE, seq, 0));
        }
        assert_eq!(log.flights().iter().map(|flight| flight.messages.len()).sum::<usize>(), MAX_MESSAGES);
        assert_eq!(log.not_kept(), 1000 - MAX_MESSAGES as u64);
    }
}
