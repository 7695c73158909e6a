//! Announcements of sessions (SAP, RFC 2974).
//!
//! In: the payload of a datagram to port 9875. Out: a borrowed [`Announcement`]. Never: a check of its signature, or
//! a payload inflated; a compressed one is handed on as it is.
#![forbid(unsafe_code)]

use super::sdp::looks_like_sdp;
use crate::bytes::{ParseError, Reader};
use std::net::IpAddr;

/// Where announcements go (RFC 2974, section 3).
pub const PORT: u16 = 9875;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// True where it takes the session back (section 3).
    pub is_deletion: bool,
    /// The payload is encrypted: nobody here can read it.
    pub is_encrypted: bool,
    /// The payload is compressed with zlib.
    pub is_compressed: bool,
    /// With the source, this names the message (section 5).
    pub hash: u16,
    /// Who announces.
    pub source: IpAddr,
    /// The description, or for a deletion its `o=` line.
    pub payload: &'a [u8],
}

impl<'a> Announcement<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// Where it is cut off, of another version, or no session description.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("sap", bytes);
        let flags = reader.u8()?;
        if flags >> 5 != 1 {
            return Err(ParseError::invalid("sap", 0, "not version 1"));
        }
        let authentication = usize::from(reader.u8()?) * 4;
        let hash = reader.u16()?;
        let source = if flags & 0x10 != 0 {
            let octets: [u8; 16] = reader.take(16)?.try_into().unwrap_or([0; 16]);
            IpAddr::from(octets)
        } else {
            let octets: [u8; 4] = reader.take(4)?.try_into().unwrap_or([0; 4]);
            IpAddr::from(octets)
        };
        reader.take(authentication)?;
        let rest = reader.rest();
        let (is_deletion, is_encrypted, is_compressed) = (flags & 4 != 0, flags & 2 != 0, flags & 1 != 0);
        let mut message = Self { is_deletion, is_encrypted, is_compressed, hash, source, payload: rest };
        if !is_encrypted && !is_compressed {
            message.payload = message.described()?;
        }
        Ok(message)
    }

    /// The payload behind its type, which may be left out (section 6).
    fn described(&self) -> Result<&'a [u8], ParseError> {
        let begins = |bytes: &[u8]| if self.is_deletion { bytes.starts_with(b"o=") } else { looks_like_sdp(bytes) };
        if begins(self.payload) {
            return Ok(self.payload);
        }
        let mut parts = self.payload.splitn(2, |byte| *byte == 0);
        let (kind, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match kind.eq_ignore_ascii_case(b"application/sdp") {
            true => Ok(rest),
            false => Err(ParseError::invalid("sap", 0, "no session description")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=radio\r\n";

    fn message(flags: u8, source: &[u8], authentication: &[u8], payload: &[u8]) -> Vec<u8> {
        [&[flags, (authentication.len() / 4) as u8, 0xab, 0xcd][..], source, authentication, payload].concat()
    }

    #[test]
    fn an_announcement_has_its_description_with_and_without_a_type() {
        for payload in [SDP.to_vec(), [b"application/sdp\0", SDP].concat()] {
            let bytes = message(0x20, &[10, 0, 0, 1], &[7; 8], &payload);
            let read = Announcement::parse(&bytes).unwrap();
            assert_eq!((read.hash, read.source.to_string().as_str(), read.payload), (0xabcd, "10.0.0.1", SDP));
            assert!(!read.is_deletion && !read.is_encrypted && !read.is_compressed);
        }
        let v6 = message(0x30, &[0xfd; 16], &[], SDP);
        assert!(Announcement::parse(&v6).unwrap().source.is_ipv6());
    }

    #[test]
    fn a_deletion_has_an_origin_and_a_compressed_one_is_as_it_was() {
        let gone = message(0x24, &[10, 0, 0, 1], &[], b"o=- 1 1 IN IP4 10.0.0.1\r\n");
        assert!(Announcement::parse(&gone).unwrap().is_deletion);
        let packed = message(0x21, &[10, 0, 0, 1], &[], b"\x78\x9c...");
        assert_eq!(Announcement::parse(&packed).unwrap().payload, b"\x78\x9c...");
    }

    #[test]
    fn every_truncation_and_garbage_is_read_without_a_panic() {
        let whole = message(0x20, &[10, 0, 0, 1], &[7; 8], &[b"application/sdp\0", SDP].concat());
        for length in 0..whole.len() {
            let read = Announcement::parse(&whole[..length]);
            assert!(read.is_err() || SDP.starts_with(read.unwrap().payload), "{length}");
        }
        let garbage = crate::proto::dtls::vectors::garbage(4, 4000);
        for start in 0..garbage.len() {
            let _ = Announcement::parse(&garbage[start..(start + 60).min(garbage.len())]);
        }
        assert!(Announcement::parse(&message(0x40, &[10, 0, 0, 1], &[], SDP)).is_err());
        assert!(Announcement::parse(&message(0x20, &[10, 0, 0, 1], &[], b"text/html\0x")).is_err());
    }
}
