//! Transport-wide congestion control feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
//!
//! In: the bytes behind the two SSRCs. Out: one status per transport sequence number, with its arrival.
//! Never: a table of statuses: a few bytes of run lengths can claim 65,535 of them, so they are counted out one by one.

use crate::bytes::{ParseError, Reader};

/// One feedback message.
#[derive(Clone, Copy, Debug)]
pub struct TransportCc<'a> {
    /// Transport sequence number of the first status.
    pub base: u16,
    /// How many statuses the message claims to hold.
    pub status_count: u16,
    /// Time of the receiver's clock, in 64 ms, that the first delta counts from; 24 bits with a sign.
    pub reference_time: i32,
    /// Counts feedback messages, wraps at 256.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: Reader<'a>,
}

/// What the receiver tells of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It did not arrive, or not yet.
    Missing,
    /// It arrived so many 250 µs after the one received before it, or after the reference time. 0 to 255 where sent as
    /// a small delta, else signed.
    Delta(i16),
    /// It arrived, time not told: symbol 3, reserved in the draft and used so by transport-wide-cc-02.
    Untimed,
}

impl Arrival {
    /// The delta in 250 µs, where there is one.
    pub const fn delta(self) -> Option<i16> {
        match self {
            Self::Delta(delta) => Some(delta),
            Self::Missing | Self::Untimed => None,
        }
    }
}

/// Microseconds in a unit of [`Arrival::Delta`] (section 3.1.5).
pub const DELTA_MICROS: i64 = 250;

/// Microseconds in a unit of [`TransportCc::reference_time`] (section 3.1).
pub const REFERENCE_MICROS: i64 = 64_000;

impl<'a> TransportCc<'a> {
    pub(super) fn parse(mut reader: Reader<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        let base = reader.u16()?;
        let status_count = reader.u16()?;
        // The shift up and back carries the sign of bit 23.
        let reference_time = (reader.u24()? << 8).cast_signed() >> 8;
        let feedback_count = reader.u8()?;
        let start = reader;
        let mut told = 0_usize;
        let mut error = None;
        // The chunks end where they have told the count; nothing else separates them from the deltas.
        while told < usize::from(status_count) {
            match reader.u16() {
                Ok(chunk) => told += usize::from(Chunk(chunk).len()),
                Err(short) => {
                    error = Some(short);
                    // What is left of half a chunk is no delta.
                    reader.skip(reader.remaining())?;
                    break;
                }
            }
        }
        let chunks = start.rest().get(..reader.position() - start.position()).unwrap_or_default();
        let feedback = Self { base, status_count, reference_time, feedback_count, chunks, deltas: reader };
        let mut statuses = feedback.statuses();
        statuses.by_ref().for_each(drop);
        Ok((feedback, error.or(statuses.error)))
    }

    /// The statuses in order of their sequence numbers, as many as chunks and deltas really tell; at most 65,535.
    pub const fn statuses(&self) -> Statuses<'a> {
        Statuses {
            sequence: self.base,
            left: self.status_count,
            chunk: Chunk(0),
            chunk_left: 0,
            chunks: Reader::new("rtcp transport-cc", self.chunks),
            deltas: self.deltas,
            error: None,
        }
    }
}

/// A packet chunk (sections 3.1.3 and 3.1.4).
#[derive(Clone, Copy, Debug)]
struct Chunk(u16);

impl Chunk {
    const fn len(self) -> u16 {
        match self.0 >> 14 {
            0b10 => 14,
            0b11 => 7,
            _ => self.0 & 0x1fff,
        }
    }

    /// The two-bit symbol of the status that has `left` statuses of this chunk from itself to the end.
    const fn symbol(self, left: u16) -> u16 {
        match self.0 >> 14 {
            0b10 => self.0 >> (left - 1) & 1,
            0b11 => self.0 >> (2 * (left - 1)) & 3,
            _ => self.0 >> 13,
        }
    }
}

/// Walks statuses: transport sequence number and arrival.
#[derive(Clone, Debug)]
pub struct Statuses<'a> {
    sequence: u16,
    left: u16,
    chunk: Chunk,
    chunk_left: u16,
    chunks: Reader<'a>,
    deltas: Reader<'a>,
    error: Option<ParseError>,
}

impl Statuses<'_> {
    fn arrival(&mut self) -> Result<Option<Arrival>, ParseError> {
        while self.chunk_left == 0 {
            let Ok(chunk) = self.chunks.u16() else { return Ok(None) };
            self.chunk = Chunk(chunk);
            self.chunk_left = self.chunk.len();
        }
        let symbol = self.chunk.symbol(self.chunk_left);
        self.chunk_left -= 1;
        Ok(Some(match symbol {
            0 => Arrival::Missing,
            1 => Arrival::Delta(self.deltas.u8()?.into()),
            2 => Arrival::Delta(self.deltas.u16()?.cast_signed()),
            _ => Arrival::Untimed,
        }))
    }
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Arrival);

    fn next(&mut self) -> Option<(u16, Arrival)> {
        self.left = self.left.checked_sub(1)?;
        let sequence = self.sequence;
        match self.arrival() {
            Ok(Some(arrival)) => {
                self.sequence = sequence.wrapping_add(1);
                Some((sequence, arrival))
            }
            ended => {
                self.error = ended.err();
                self.left = 0;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fci: &[u8]) -> (TransportCc<'_>, Option<ParseError>) {
        TransportCc::parse(Reader::new("test", fci)).unwrap()
    }

    /// A run of 2 missing, a vector of 14 one-bit symbols, 3 of 7 two-bit symbols; a large delta at the end.
    const FEEDBACK: [u8; 18] =
        [0xff, 0xfe, 0, 19, 0xff, 0xff, 0xff, 7, 0x00, 0x02, 0xa0, 0x01, 0xf8, 0x00, 4, 255, 0xff, 0xfc];

    #[test]
    fn run_lengths_and_vectors_and_both_deltas_are_counted_out() {
        let (feedback, error) = parse(&FEEDBACK);
        assert_eq!((feedback.base, feedback.status_count, feedback.reference_time), (0xfffe, 19, -1));
        assert_eq!((feedback.feedback_count, error), (7, None));
        let statuses: Vec<_> = feedback.statuses().collect();
        assert_eq!(statuses.len(), 19);
        assert_eq!(statuses[..3], [(0xfffe, Arrival::Missing), (0xffff, Arrival::Missing), (0, Arrival::Delta(4))]);
        assert!(statuses[3..15].iter().all(|(_, arrival)| *arrival == Arrival::Missing));
        assert_eq!(statuses[15..17], [(13, Arrival::Delta(255)), (14, Arrival::Untimed)]);
        assert_eq!(statuses[17..], [(15, Arrival::Delta(-4)), (16, Arrival::Missing)]);
    }

    #[test]
    fn a_run_of_received_packets_takes_a_delta_for_each() {
        let (feedback, error) = parse(&[0, 1, 0, 3, 0, 0, 1, 0, 0x20, 0x03, 1, 2, 3]);
        assert_eq!(error, None);
        let deltas: Vec<_> = feedback.statuses().map(|(sequence, arrival)| (sequence, arrival.delta())).collect();
        assert_eq!(deltas, [(1, Some(1)), (2, Some(2)), (3, Some(3))]);
    }

    #[test]
    fn a_feedback_cut_anywhere_tells_what_it_can() {
        for len in 8..FEEDBACK.len() {
            let (feedback, error) = parse(&FEEDBACK[..len]);
            assert!(error.is_some(), "at {len}");
            let expected = match len {
                8 | 9 => 0,
                10..=14 => 2,
                15 => 15,
                _ => 17,
            };
            assert_eq!(feedback.statuses().count(), expected, "at {len}");
        }
        assert!((0..8).all(|len| TransportCc::parse(Reader::new("test", &FEEDBACK[..len])).is_err()));
    }

    #[test]
    fn runs_of_length_zero_end_with_the_bytes() {
        let (feedback, error) = parse(&[0, 1, 0xff, 0xff, 0, 0, 1, 0, 0x20, 0, 0x20, 0, 0, 0]);
        assert_eq!((feedback.statuses().count(), error.is_some()), (0, true));
    }
}
