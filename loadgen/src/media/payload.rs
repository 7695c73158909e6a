//! The bytes of a packet: RTP in front, then who sent it as which of its packets and when, then filling.
//!
//! In: a [`Stamp`] and a size, or bytes that came back. Out: bytes, or the stamp, or why they are none of ours. Never:
//! a packet taken for whole of which a bit changed.

use crate::clock::Moment;
use rtcscope::proto::rtp::{FIXED_HEADER_LEN, VERSION};
use std::fmt;
use std::time::Duration;

/// Where the stamp begins.
const STAMP_AT: usize = FIXED_HEADER_LEN;
/// Where the checksum stands, which covers all before and behind it.
const CHECKSUM_AT: usize = STAMP_AT + 34;
/// The smallest packet: RTP header, stamp and checksum.
pub const MIN_PAYLOAD: usize = STAMP_AT + Stamp::LEN;

/// Whose packet it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    /// The run, so that late packets of one before are not taken for ours.
    pub run: u32,
    /// The allocation in the run.
    pub allocation: u32,
    /// The stream of the allocation: 0, or 1 for the video of `av`.
    pub stream: u16,
}

impl StreamId {
    /// The SSRC that follows from it: different for all streams of a run as far as 32 bits go.
    pub const fn ssrc(self) -> u32 {
        // Odd factors keep neighbours apart; the low bits of each part survive.
        self.run.wrapping_mul(0x85eb_ca6b) ^ (self.allocation << 1 | self.stream as u32 & 1).wrapping_mul(0x9e37_79b1)
    }
}

/// What each packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Whose it is.
    pub id: StreamId,
    /// The how-manieth of its stream that was *sent*, from 0; one that the socket refused gives its number back.
    pub sequence: u64,
    /// When it was due.
    pub scheduled: Moment,
    /// When it was given to the socket.
    pub sent: Moment,
}

impl Stamp {
    /// Bytes of a stamp and the checksum behind it.
    pub const LEN: usize = 38;
}

/// What an RTP header says beyond the stamp, and how long the packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Bytes, RTP header included; at least [`MIN_PAYLOAD`].
    pub bytes: u16,
    /// RTP payload type (RFC 3550, section 5.1).
    pub payload_type: u8,
    /// RTP marker bit.
    pub marker: bool,
    /// RTP timestamp.
    pub rtp_timestamp: u32,
}

/// A packet of ours that arrived whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived {
    /// What was written into it.
    pub stamp: Stamp,
    /// Its bytes, RTP header included.
    pub bytes: u16,
}

impl Arrived {
    /// From when it was due to `now`: there and back through a reflector. A stall of the sender is part of it.
    pub const fn since_scheduled(&self, now: Moment) -> Duration {
        now.since(self.stamp.scheduled)
    }

    /// From when it was given to the socket to `now`.
    pub const fn since_sent(&self, now: Moment) -> Duration {
        now.since(self.stamp.sent)
    }
}

/// Why bytes are no packet of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrupt {
    /// Shorter than [`MIN_PAYLOAD`] or longer than any packet.
    Length(usize),
    /// No RTP version 2.
    NotRtp,
    /// At least one bit differs from what was sent, or we never sent it.
    Checksum,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corrupt::Length(bytes) => write!(f, "{bytes} bytes"),
            Corrupt::NotRtp => f.write_str("no RTP"),
            Corrupt::Checksum => f.write_str("checksum"),
        }
    }
}

/// Appends a packet to `out`; a size below [`MIN_PAYLOAD`] gives one of [`MIN_PAYLOAD`].
pub fn write(out: &mut Vec<u8>, stamp: &Stamp, packet: &Packet) {
    let length = usize::from(packet.bytes).max(MIN_PAYLOAD);
    let mut front = [0_u8; MIN_PAYLOAD];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        front[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    // RFC 3550, section 5.1: no padding, no extension, no CSRC.
    put(&[VERSION << 6, packet.payload_type & 0x7f | u8::from(packet.marker) << 7]);
    put(&(stamp.sequence as u16).to_be_bytes());
    put(&packet.rtp_timestamp.to_be_bytes());
    put(&stamp.id.ssrc().to_be_bytes());
    put(&stamp.id.run.to_be_bytes());
    put(&stamp.id.allocation.to_be_bytes());
    put(&stamp.id.stream.to_be_bytes());
    put(&stamp.sequence.to_be_bytes());
    put(&stamp.scheduled.as_nanos().to_be_bytes());
    put(&stamp.sent.as_nanos().to_be_bytes());
    let start = out.len();
    out.extend_from_slice(&front);
    fill(out, length - MIN_PAYLOAD, stamp.sequence);
    let sum = checksum(&out[start..]);
    out[start + CHECKSUM_AT..start + MIN_PAYLOAD].copy_from_slice(&sum.to_be_bytes());
}

/// Reads a packet back.
///
/// # Errors
/// Bytes that we did not send so.
pub fn read(bytes: &[u8]) -> Result<Arrived, Corrupt> {
    let (Ok(length), Some(front)) = (u16::try_from(bytes.len()), bytes.first_chunk::<MIN_PAYLOAD>()) else {
        return Err(Corrupt::Length(bytes.len()));
    };
    if front[0] >> 6 != VERSION {
        return Err(Corrupt::NotRtp);
    }
    if u32::from_be_bytes(field(front, CHECKSUM_AT)) != checksum(bytes) {
        return Err(Corrupt::Checksum);
    }
    let id = StreamId {
        run: u32::from_be_bytes(field(front, STAMP_AT)),
        allocation: u32::from_be_bytes(field(front, STAMP_AT + 4)),
        stream: u16::from_be_bytes(field(front, STAMP_AT + 8)),
    };
    let number = |at| u64::from_be_bytes(field(front, STAMP_AT + at));
    let moment = |at| Moment::from_nanos(number(at));
    let stamp = Stamp { id, sequence: number(10), scheduled: moment(18), sent: moment(26) };
    Ok(Arrived { stamp, bytes: length })
}

/// `N` bytes at a place that is known to be inside.
fn field<const N: usize>(front: &[u8; MIN_PAYLOAD], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&front[at..at + N]);
    field
}

/// CRC-32 over everything but itself; `bytes` are at least [`MIN_PAYLOAD`]. It finds every burst of up to 32 bits.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..CHECKSUM_AT]);
    crc.update(&bytes[MIN_PAYLOAD..]);
    crc.finalize()
}

/// Bytes without a pattern that something on the way could compress; made once, since a copy costs less than a
/// generator.
static FILLING: [u8; FILLING_LEN] = filling();
const FILLING_LEN: usize = 4_096;

const fn filling() -> [u8; FILLING_LEN] {
    let mut bytes = [0; FILLING_LEN];
    let mut random = crate::random::Random::new(0x7475_726e_6c6f_6164);
    let mut at = 0;
    while at < FILLING_LEN {
        bytes[at] = (random.bits() >> 32) as u8;
        at += 1;
    }
    bytes
}

fn fill(out: &mut Vec<u8>, length: usize, sequence: u64) {
    // Another part of it in each packet, so that two packets are not alike.
    let mut at = (sequence as usize).wrapping_mul(61) % FILLING_LEN;
    let mut left = length;
    while left > 0 {
        let step = left.min(FILLING_LEN - at);
        out.extend_from_slice(&FILLING[at..at + step]);
        left -= step;
        at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use rtcscope::proto::rtp::RtpHeader;
    use std::collections::BTreeSet;

    fn stamp(sequence: u64) -> Stamp {
        Stamp {
            id: StreamId { run: 0xdead_beef, allocation: 4_711, stream: 1 },
            sequence,
            scheduled: Moment::from_nanos(123_456_789),
            sent: Moment::from_nanos(123_460_000),
        }
    }

    fn packet(bytes: u16) -> Packet {
        Packet { bytes, payload_type: 96, marker: true, rtp_timestamp: 0x0102_0304 }
    }

    #[test]
    fn what_is_written_reads_back_at_every_kind_of_size() {
        for bytes in [50, 51, 92, 172, 1_200, 4_096, 4_200, 65_507] {
            let mut out = vec![9, 9, 9];
            write(&mut out, &stamp(70_000), &packet(bytes));
            assert_eq!(out.len(), 3 + usize::from(bytes));
            assert_eq!(read(&out[3..]), Ok(Arrived { stamp: stamp(70_000), bytes }));
        }
    }

    #[test]
    fn a_size_that_has_no_room_for_the_stamp_is_the_smallest_that_has() {
        let mut out = Vec::new();
        write(&mut out, &stamp(1), &packet(12));
        assert_eq!((out.len(), read(&out).map(|arrived| arrived.bytes)), (MIN_PAYLOAD, Ok(50)));
    }

    #[test]
    fn the_header_is_rtp_for_everybody_else() {
        let mut out = Vec::new();
        write(&mut out, &stamp(0x1_0005), &packet(92));
        let header = RtpHeader::parse(&out).expect("RTP");
        assert_eq!((header.payload_type(), header.marker(), header.sequence), (96, true, 5));
        assert_eq!((header.timestamp, header.ssrc.0), (0x0102_0304, stamp(0).id.ssrc()));
        assert!(!header.has_padding() && !header.has_extension() && header.csrc_count() == 0);
    }

    #[test]
    fn every_single_changed_bit_is_found() {
        let mut out = Vec::new();
        write(&mut out, &stamp(3), &packet(100));
        for bit in 0..out.len() * 8 {
            out[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&out).is_err(), "bit {bit}");
            out[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(read(&out).is_ok());
    }

    #[test]
    fn every_truncation_and_an_added_byte_are_found() {
        let mut out = Vec::new();
        write(&mut out, &stamp(3), &packet(120));
        for length in 0..out.len() {
            assert!(read(&out[..length]).is_err(), "{length}");
        }
        out.push(0);
        assert_eq!(read(&out), Err(Corrupt::Checksum));
    }

    #[test]
    fn garbage_is_no_packet() {
        let mut random = Random::new(11);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..random.below(300)).map(|_| random.bits() as u8).collect();
            assert!(read(&bytes).is_err());
        }
        assert_eq!(read(&vec![0x80; 70_000]), Err(Corrupt::Length(70_000)));
        assert_eq!(read(&[0; 60]), Err(Corrupt::NotRtp));
    }

    #[test]
    fn the_streams_of_a_run_have_different_ssrcs() {
        let ssrcs: BTreeSet<u32> = (0..5_000_u32)
            .flat_map(|allocation| (0..2).map(move |stream| StreamId { run: 77, allocation, stream }.ssrc()))
            .collect();
        assert_eq!(ssrcs.len(), 10_000);
    }
}
