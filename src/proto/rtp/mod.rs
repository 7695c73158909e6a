//! RTP (RFC 3550, section 5): the fixed header, CSRC list, header extension and payload of one packet.
//!
//! In: the payload of one datagram. Out: a borrowed view that computes the rest on demand.
//! Never: a copy, a decision whether the payload is encrypted. With SRTP (RFC 3711) everything up to the payload is
//! in clear, so the header, the CSRC list and the extension can be believed, and the padding count cannot.

#![forbid(unsafe_code)]

pub mod extension;
pub mod extmap;
pub mod payload;
pub mod payload_type;
pub mod video;

use crate::bytes::ParseError;
use extension::Extension;
use std::fmt;

const LAYER: &str = "rtp";

/// Length of the fixed header in bytes (RFC 3550, section 5.1).
pub const FIXED_HEADER_LEN: usize = 12;

/// The version that RFC 3550 and RFC 1889 define; 0 is `vat`, 1 a draft (RFC 3550, section 5.1).
pub const VERSION: u8 = 2;

/// A synchronization source identifier (RFC 3550, section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ssrc(pub u32);

/// `0x1a2b3c4d`.
impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The twelve bytes that every RTP packet begins with (RFC 3550, section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpHeader {
    /// V, P, X and CC as they stand in the first byte.
    first: u8,
    /// M and PT as they stand in the second byte.
    second: u8,
    /// Sequence number, wraps at 65536.
    pub sequence: u16,
    /// RTP timestamp in ticks of the payload's clock, wraps.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// Reads the first twelve bytes. Fails on fewer, and on a version that is not 2.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let Some(&header) = bytes.first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(ParseError::short(LAYER, 0, FIXED_HEADER_LEN, bytes.len()));
        };
        if header[0] >> 6 != VERSION {
            return Err(ParseError::invalid(LAYER, 0, "version is not 2"));
        }
        Ok(Self::of(header))
    }

    /// From twelve bytes that are known to be an RTP header.
    #[inline(always)]
    pub(crate) fn of([first, second, s0, s1, t0, t1, t2, t3, a, b, c, d]: [u8; FIXED_HEADER_LEN]) -> Self {
        Self {
            first,
            second,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([a, b, c, d])),
        }
    }

    /// The P bit: the payload ends in padding.
    pub const fn has_padding(&self) -> bool {
        self.first & 0x20 != 0
    }

    /// The X bit: one header extension follows the CSRC list.
    pub const fn has_extension(&self) -> bool {
        self.first & 0x10 != 0
    }

    /// Number of CSRC identifiers, 0 to 15.
    pub const fn csrc_count(&self) -> usize {
        (self.first & 0x0f) as usize
    }

    /// The M bit; its meaning is the profile's: end of a video frame, start of a talk spurt.
    pub const fn marker(&self) -> bool {
        self.second & 0x80 != 0
    }

    /// Payload type, 0 to 127.
    pub const fn payload_type(&self) -> u8 {
        self.second & 0x7f
    }
}

/// What the end of the packet says about padding (RFC 3550, section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// The P bit is clear.
    Absent,
    /// So many bytes, the count itself included; 1 to 255.
    Bytes(u8),
    /// The P bit is set and the last byte is 0 or more than what follows the header: damage, a cut, or ciphertext.
    Unreadable,
}

/// One RTP packet. Costs the read of the fixed header and of the extension's length; the rest waits to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    /// The fixed header.
    pub header: RtpHeader,
    bytes: &'a [u8],
    /// What CC and the extension's length claim; beyond the end of `bytes` in a packet that is cut or broken.
    claimed_header_len: usize,
}

impl<'a> RtpPacket<'a> {
    /// Reads the fixed header and the lengths behind it. Fails only where [`RtpHeader::parse`] does: a CSRC list or
    /// an extension that is cut off is told by [`error`](Self::error).
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = RtpHeader::parse(bytes)?;
        let mut claimed_header_len = FIXED_HEADER_LEN + 4 * header.csrc_count();
        if header.has_extension() {
            let words = bytes.get(claimed_header_len + 2..).and_then(|at| at.first_chunk::<2>());
            claimed_header_len += 4 + words.map_or(0, |words| 4 * usize::from(u16::from_be_bytes(*words)));
        }
        Ok(Self { header, bytes, claimed_header_len })
    }

    /// Bytes before the payload: fixed header, CSRC list, extension; never more than there are.
    #[inline]
    pub fn header_len(&self) -> usize {
        self.claimed_header_len.min(self.bytes.len())
    }

    /// The packet as it was given.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Set where the CSRC list or the extension is longer than the packet.
    pub fn error(&self) -> Option<ParseError> {
        if self.claimed_header_len <= self.bytes.len() {
            return None;
        }
        let csrc_end = FIXED_HEADER_LEN + 4 * self.header.csrc_count();
        let (offset, end) = if self.bytes.len() < csrc_end {
            (FIXED_HEADER_LEN, csrc_end)
        } else if self.bytes.len() < csrc_end + 4 {
            (csrc_end, csrc_end + 4)
        } else {
            (csrc_end + 4, self.claimed_header_len)
        };
        Some(ParseError::short(LAYER, offset, end - offset, self.bytes.len() - offset))
    }

    /// The contributing sources that are there, in order (RFC 3550, section 5.1).
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        let list = self.bytes.get(FIXED_HEADER_LEN..).unwrap_or_default();
        let (words, _) = list.as_chunks::<4>();
        words.iter().take(self.header.csrc_count()).map(|word| Ssrc(u32::from_be_bytes(*word)))
    }

    /// The header extension (RFC 3550, section 5.3.1), cut to what is there. `None` where the X bit is clear or the
    /// four bytes of the extension's own header are missing.
    #[inline]
    pub fn extension(&self) -> Option<Extension<'a>> {
        if !self.header.has_extension() {
            return None;
        }
        let start = FIXED_HEADER_LEN + 4 * self.header.csrc_count();
        let (&[p0, p1, _, _], data) = self.bytes.get(start..self.header_len())?.split_first_chunk::<4>()?;
        Some(Extension { profile: u16::from_be_bytes([p0, p1]), data })
    }

    /// Everything behind the header: payload and padding in clear, or ciphertext and authentication tag.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(self.claimed_header_len..).unwrap_or_default()
    }

    /// What the last byte says where the P bit is set. Not to be believed on SRTP, where that byte is ciphertext.
    pub fn padding(&self) -> Padding {
        if !self.header.has_padding() {
            return Padding::Absent;
        }
        let body = self.body();
        match body.last() {
            Some(&count) if count > 0 && usize::from(count) <= body.len() => Padding::Bytes(count),
            _ => Padding::Unreadable,
        }
    }

    /// The body without readable padding: the payload of a packet in clear.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let body = self.body();
        match self.padding() {
            Padding::Bytes(count) => &body[..body.len() - usize::from(count)],
            Padding::Absent | Padding::Unreadable => body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::rtp::extension::ExtensionForm;

    /// Two CSRCs, a one-byte extension of one word, three bytes of payload and five of padding.
    const FULL: [u8; 36] = [
        0xb2, 0xef, 0x12, 0x34, 0x00, 0x01, 0x00, 0x02, 0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0,
        1, 0x10, 0xaa, 0, 0, 1, 2, 3, 0, 0, 0, 0, 5,
    ];

    /// A linear congruential generator, so that garbage is the same in every run.
    fn garbage(seed: u32, len: usize) -> Vec<u8> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn every_field_of_a_full_packet_is_read() {
        let packet = RtpPacket::parse(&FULL).unwrap();
        assert!(packet.header.has_padding() && packet.header.has_extension() && packet.header.marker());
        assert_eq!(packet.header.payload_type(), 111);
        assert_eq!((packet.header.sequence, packet.header.timestamp), (0x1234, 0x0001_0002));
        assert_eq!(packet.header.ssrc.to_string(), "0xcafebabe");
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        let extension = packet.extension().unwrap();
        assert_eq!((extension.form(), extension.data), (ExtensionForm::OneByte, &[0x10, 0xaa, 0, 0][..]));
        assert_eq!(packet.header_len(), 28);
        assert_eq!((packet.padding(), packet.payload()), (Padding::Bytes(5), &[1, 2, 3][..]));
        assert_eq!(packet.error(), None);
    }

    #[test]
    fn an_ssrc_prints_eight_hexadecimal_digits() {
        assert_eq!(format!("{} {:?}", Ssrc(0x2a), Ssrc(u32::MAX)), "0x0000002a 0xffffffff");
    }

    #[test]
    fn a_packet_cut_at_any_length_gives_what_is_there_and_says_what_is_missing() {
        for len in 0..FULL.len() {
            let Ok(packet) = RtpPacket::parse(&FULL[..len]) else {
                assert!(len < FIXED_HEADER_LEN);
                continue;
            };
            assert_eq!(packet.error().is_some(), len < 28, "at {len}");
            assert_eq!(packet.header_len(), len.min(28), "at {len}");
            assert_eq!(packet.csrcs().count(), ((len - 12) / 4).min(2), "at {len}");
            assert_eq!(packet.extension().is_some(), len >= 24, "at {len}");
            assert_eq!(packet.body().len(), len.saturating_sub(28), "at {len}");
        }
        assert_eq!(RtpPacket::parse(&FULL[..18]).unwrap().error(), Some(ParseError::short("rtp", 12, 8, 6)));
        assert_eq!(RtpPacket::parse(&FULL[..22]).unwrap().error(), Some(ParseError::short("rtp", 20, 4, 2)));
        assert_eq!(RtpPacket::parse(&FULL[..26]).unwrap().error(), Some(ParseError::short("rtp", 24, 4, 2)));
    }

    #[test]
    fn a_version_other_than_two_is_not_rtp() {
        let mut bytes = FULL;
        bytes[0] = 0x40;
        assert_eq!(RtpHeader::parse(&bytes), Err(ParseError::invalid("rtp", 0, "version is not 2")));
    }

    #[test]
    fn a_padding_count_that_cannot_be_leaves_the_body_whole() {
        for count in [0, 9, 255] {
            let mut bytes = FULL;
            bytes[35] = count;
            let packet = RtpPacket::parse(&bytes).unwrap();
            assert_eq!((packet.padding(), packet.payload().len()), (Padding::Unreadable, 8));
        }
        let mut bytes = FULL;
        bytes[35] = 8;
        assert_eq!(RtpPacket::parse(&bytes).unwrap().payload(), &[] as &[u8], "padding alone, as a bandwidth probe");
    }

    #[test]
    fn the_headers_agree_with_the_rtp_crate_on_packets_that_it_builds() {
        use rtp::header::{Extension as TheirExtension, Header};
        use webrtc_util::marshal::Marshal;
        for seed in 0..200_u32 {
            let csrc = (0..seed % 16).map(|n| n * 7).collect();
            let header = Header {
                version: 2,
                padding: false,
                extension: seed % 3 == 0,
                marker: seed % 2 == 0,
                payload_type: (seed % 128) as u8,
                sequence_number: (seed * 331) as u16,
                timestamp: seed.wrapping_mul(0x9e37_79b9),
                ssrc: !seed,
                csrc,
                extension_profile: 0xbede,
                extensions: if seed % 3 == 0 {
                    vec![TheirExtension { id: 3, payload: garbage(seed, 1 + (seed % 16) as usize).into() }]
                } else {
                    vec![]
                },
                extensions_padding: 0,
            };
            let theirs = rtp::packet::Packet { header, payload: garbage(seed, (seed % 40) as usize).into() };
            let bytes = theirs.marshal().unwrap();
            let ours = RtpPacket::parse(&bytes).unwrap();
            assert_eq!(ours.header.payload_type(), theirs.header.payload_type);
            assert_eq!(ours.header.marker(), theirs.header.marker);
            assert_eq!(ours.header.sequence, theirs.header.sequence_number);
            assert_eq!(ours.header.timestamp, theirs.header.timestamp);
            assert_eq!(ours.header.ssrc, Ssrc(theirs.header.ssrc));
            assert_eq!(ours.csrcs().map(|csrc| csrc.0).collect::<Vec<_>>(), theirs.header.csrc);
            assert_eq!(ours.payload(), &theirs.payload[..]);
            let elements: Vec<_> = ours.extension().iter().flat_map(|extension| extension.elements()).collect();
            assert_eq!(elements.len(), theirs.header.extensions.len());
            for (element, their) in elements.iter().zip(&theirs.header.extensions) {
                assert_eq!((element.id, element.data), (their.id, &their.payload[..]));
            }
        }
    }

    #[test]
    fn packets_on_which_the_rtp_crate_panics_are_decoded() {
        let one_byte = [0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1, 0, 0, 0, 9];
        let two_byte = [0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 0, 0, 9, 9];
        for (bytes, at) in [(one_byte, 3), (two_byte, 4)] {
            let packet = RtpPacket::parse(&bytes).unwrap();
            assert_eq!((packet.error(), packet.header_len()), (None, 20));
            let mut elements = packet.extension().unwrap().elements();
            assert_eq!(elements.next(), None);
            assert_eq!(elements.error().map(|error| error.offset), Some(at));
        }
    }

    #[test]
    fn garbage_never_panics() {
        for seed in 0..2000 {
            let mut bytes = garbage(seed, (seed % 97) as usize);
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            let Ok(packet) = RtpPacket::parse(&bytes) else { continue };
            let _ = (packet.error(), packet.csrcs().count(), packet.padding(), packet.payload());
            if let Some(extension) = packet.extension() {
                assert!(extension.elements().count() <= extension.data.len());
            }
        }
    }
}
