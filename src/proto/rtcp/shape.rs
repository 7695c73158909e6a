//! RTCP or SRTCP: told from one datagram, without keys.
//!
//! In: a datagram whose first two bytes read as RTCP (RFC 5761, section 4). Out: its [`RtcpShape`].
//! Never: decryption; a look at other datagrams of the flow. A caller that sees a flow should let the majority decide.
//!
//! SRTCP (RFC 3711, section 3.4) leaves the first eight bytes in clear: the header and the sender of the first packet.
//! Behind the ciphertext stand a word of E flag and 31-bit index, an optional MKI and the tag; with AEAD the tag ends
//! the ciphertext and the word is last (RFC 7714, section 9.2). The decision, in this order:
//!
//! 1. **Plain**: version 2, packet type 192 to 223, lengths that lead exactly to the end, padding on the last packet
//!    alone and with a count that can be. RFC 3550, section 6.4.1, requires as much, so RTCP in clear that is whole
//!    never fails here. SRTCP passes by accident only where ciphertext reads as headers: never with the usual 80-bit tag,
//!    which leaves a length that is no multiple of four; else below 2^-20 a datagram (version, type and a 16-bit length
//!    have to be right). A first packet that fills its compound has the index word behind it, and its second byte would
//!    have to be 192 to 223: an index above 2^22, which no session reaches.
//! 2. **Authenticated**: the same walk leads exactly to one of the trailers, whose word has E clear and an index below
//!    2^24: the cipher was NULL. Odds by accident as above, times 2^-8.
//! 3. **Malformed** where the walk has understood two packets and then broke: n bytes of ciphertext read as a second
//!    header that fits with odds of n/4 in 2^21, 2^-16 for 128 bytes.
//! 4. **Encrypted**: the first packet ends at or before one of the trailers, whose word has E set and an index below
//!    2^24. Of several, one that begins exactly where the first packet ends, else the lowest index. By accident, where
//!    RTCP is broken in its first packet: 2^-8 for each of the up to three trailers that the length allows.
//! 5. **Malformed** otherwise.
//!
//! A datagram that a snap length has cut shows no trailer. Its length on the wire still tells an 80-bit tag, and two
//! headers in a row, or one whose length is exact, still tell RTCP in clear; the rest stays malformed.

use super::{PACKET_TYPES, packets};
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::VERSION;

/// What a datagram on an RTCP port, or an RTCP one among RTP, is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtcpShape {
    /// RTCP in clear, framed as it should be.
    Plain,
    /// SRTCP. Header and sender of the first packet can be read, nothing else. `None` where a snap length cut the
    /// trailer off.
    Encrypted(Option<SrtcpTrailer>),
    /// SRTCP with the NULL cipher: everything before the trailer is RTCP in clear.
    Authenticated(SrtcpTrailer),
    /// Neither; where the walk broke off. Packets before that may be sound.
    Malformed(ParseError),
}

/// The candidate for the end of an SRTCP packet. It follows from lengths and likelihood, not from a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SrtcpTrailer {
    /// SRTCP index: counts the packets of a sender, 31 bits.
    pub index: u32,
    /// Offset of the word with E flag and index.
    pub index_offset: usize,
    /// Offset of the trailer: where plaintext or ciphertext end.
    pub offset: usize,
    /// Bytes of the authentication tag: 10, 4, 16 or 0. Tags of 0 and 16 cannot be told apart where the cipher hides
    /// the end of the last packet: both leave the word at the end.
    pub tag_len: usize,
    /// Bytes of the master key identifier between word and tag.
    pub mki_len: usize,
}

/// How a trailer is laid out.
struct Layout {
    tag_before_word: usize,
    mki: usize,
    tag_after: usize,
}

/// From the most to the least likely. The length of the compound is a multiple of four, so that of the datagram leaves
/// few of them: 2 over, the first or the fourth; 3 over, the fifth; 0 over, the others.
const LAYOUTS: [Layout; 6] = [
    // HMAC-SHA1-80 (RFC 3711, section 4.2.1), also in the _32 profiles of DTLS-SRTP (RFC 5764, section 4.1.2).
    Layout { tag_before_word: 0, mki: 0, tag_after: 10 },
    // AEAD (RFC 7714, section 9.2).
    Layout { tag_before_word: 16, mki: 0, tag_after: 0 },
    Layout { tag_before_word: 0, mki: 0, tag_after: 4 },
    Layout { tag_before_word: 0, mki: 4, tag_after: 10 },
    Layout { tag_before_word: 0, mki: 1, tag_after: 10 },
    Layout { tag_before_word: 0, mki: 0, tag_after: 0 },
];

/// Header and sender of the first packet, in clear under SRTCP (RFC 3711, section 3.4).
const CLEAR_LEN: usize = 8;

/// An index that a session reaches: 2^24 packets are half a year at one a second.
const INDEX_BOUND: u32 = 1 << 24;

/// Tells what a datagram is, of which `bytes` were captured and `missing` bytes behind them were not.
pub fn shape(bytes: &[u8], missing: u32) -> RtcpShape {
    let missing = missing as usize;
    let wire_len = bytes.len().saturating_add(missing);
    let mut walk = packets(bytes);
    let (mut count, mut whole, mut last) = (0, 0, None);
    for packet in walk.by_ref() {
        count += 1;
        whole += usize::from(packet.missing == 0);
        last = Some(packet);
    }
    let error = walk.error().or((missing > 0).then(|| ParseError::short("rtcp", bytes.len(), missing, 0)));
    let (error, last, first_end) = match (error, last, first_packet_end(bytes)) {
        (None, Some(_), _) => return RtcpShape::Plain,
        (Some(error), Some(last), Some(first_end)) => (error, last, first_end),
        (error, ..) => return RtcpShape::Malformed(error.unwrap_or(ParseError::short("rtcp", 0, 4, bytes.len()))),
    };
    if missing > 0 {
        let ran_out = walk.error().is_none_or(|error| error.need > error.have);
        let in_clear = ran_out && (last.missing == missing || count > 1 && last.missing < missing);
        return match wire_len % 4 {
            0 if in_clear => RtcpShape::Plain,
            2 | 3 if first_end <= wire_len => RtcpShape::Encrypted(None),
            _ => RtcpShape::Malformed(error),
        };
    }
    let clear_end = walk.position();
    if let Some((_, trailer)) = trailers(bytes).find(|(e, trailer)| !e && trailer.offset == clear_end) {
        return RtcpShape::Authenticated(trailer);
    }
    if whole > 1 {
        return RtcpShape::Malformed(error);
    }
    let candidates = trailers(bytes).filter(|(e, trailer)| *e && trailer.offset >= first_end);
    match candidates.min_by_key(|(_, trailer)| (trailer.offset != first_end, trailer.index)) {
        Some((_, trailer)) => RtcpShape::Encrypted(Some(trailer)),
        None => RtcpShape::Malformed(error),
    }
}

/// Where the first packet ends by its own header, which SRTCP leaves in clear.
fn first_packet_end(bytes: &[u8]) -> Option<usize> {
    let &[first, packet_type, l0, l1] = bytes.first_chunk::<4>()?;
    let end = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
    (first >> 6 == VERSION && PACKET_TYPES.contains(&packet_type) && end >= CLEAR_LEN).then_some(end)
}

/// The trailers that the length allows and whose index is one that a session reaches, with their E flag.
fn trailers(bytes: &[u8]) -> impl Iterator<Item = (bool, SrtcpTrailer)> {
    LAYOUTS.iter().filter_map(|layout| {
        let index_offset = bytes.len().checked_sub(4 + layout.mki + layout.tag_after)?;
        let offset = index_offset.checked_sub(layout.tag_before_word)?;
        if offset < CLEAR_LEN || !offset.is_multiple_of(4) {
            return None;
        }
        let word = Reader::new("srtcp", bytes.get(index_offset..)?).u32().ok()?;
        let index = word & 0x7fff_ffff;
        let tag_len = layout.tag_before_word + layout.tag_after;
        let trailer = SrtcpTrailer { index, index_offset, offset, tag_len, mki_len: layout.mki };
        (index < INDEX_BOUND).then_some((word >> 31 == 1, trailer))
    })
}
