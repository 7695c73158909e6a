//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: keys, verification (RFC 8489, sections 9, 14.5 to 14.7).
//!
//! In: credentials, a message. Out: a [`Key`] to use again and again, and a [`Check`]. Never: a password that shows in
//! debug output.

use super::attribute_type::AttributeType;
use super::message::Message;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt;

/// RFC 8489, section 14.7: so that a CRC-32 of an application does not pass for the fingerprint.
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Bytes of the hash in MESSAGE-INTEGRITY (RFC 8489, section 14.5).
pub(super) const SHA1_LEN: usize = 20;

/// Bytes of the hash in MESSAGE-INTEGRITY-SHA256 where it is not truncated (RFC 8489, section 14.6).
pub(super) const SHA256_LEN: usize = 32;

/// What the check of a hash or of the fingerprint has shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// The attribute is not there.
    Absent,
    /// It is there and holds what it has to.
    Right,
    /// It is there and does not.
    Wrong,
}

/// A key for both integrity attributes, with the first block of each HMAC already computed.
///
/// Usernames, realms and passwords go in as they are: who has other than ASCII prepares them first (RFC 8265,
/// OpaqueString; SASLprep in RFC 5389).
#[derive(Clone)]
pub struct Key {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl Key {
    /// Short-term credential: the password itself (RFC 8489, section 9.1.1). What ICE uses.
    pub fn short_term(password: &[u8]) -> Self {
        Self { sha1: Hmac::new(&block::<Sha1>(password).into()), sha256: Hmac::new(&block::<Sha256>(password).into()) }
    }

    /// Long-term credential with the algorithm MD5, that of RFC 5389 (RFC 8489, section 18.5.1.1).
    pub fn long_term_md5(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::short_term(&joined::<Md5>(&[username, realm, password]))
    }

    /// Long-term credential with the algorithm SHA-256 (RFC 8489, section 18.5.1.2).
    pub fn long_term_sha256(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::short_term(&joined::<Sha256>(&[username, realm, password]))
    }

    /// USERHASH of a username (RFC 8489, section 14.4).
    pub fn userhash(username: &[u8], realm: &[u8]) -> [u8; SHA256_LEN] {
        joined::<Sha256>(&[username, realm]).into()
    }

    pub(super) fn sha1_of(&self, message: &[u8], length: u16) -> Hmac<Sha1> {
        covered(self.sha1.clone(), message, length)
    }

    pub(super) fn sha256_of(&self, message: &[u8], length: u16) -> Hmac<Sha256> {
        covered(self.sha256.clone(), message, length)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A key of any length as the 64 bytes that HMAC begins with (RFC 2104, section 2).
fn block<D: Digest>(key: &[u8]) -> [u8; 64] {
    let mut block = [0; 64];
    if let Some(start) = block.get_mut(..key.len()) {
        start.copy_from_slice(key);
    } else {
        for (to, from) in block.iter_mut().zip(D::digest(key)) {
            *to = from;
        }
    }
    block
}

fn joined<D: Digest>(parts: &[&[u8]]) -> hmac::digest::Output<D> {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize()
}

/// Feeds the message up to the attribute, with the length that the header has to have there.
fn covered<M: Mac>(mut mac: M, message: &[u8], length: u16) -> M {
    mac.update(message.get(..2).unwrap_or_default());
    mac.update(&length.to_be_bytes());
    mac.update(message.get(4..).unwrap_or_default());
    mac
}

/// FINGERPRINT over the bytes before it, with the length that the header has to have there.
pub(super) fn fingerprint_of(message: &[u8], length: u16) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(message.get(..2).unwrap_or_default());
    crc.update(&length.to_be_bytes());
    crc.update(message.get(4..).unwrap_or_default());
    crc.finalize() ^ FINGERPRINT_XOR
}

impl Message<'_> {
    /// Checks FINGERPRINT. Not last in the message it counts as `Wrong`. In a cut message it is `Absent`.
    pub fn fingerprint(&self) -> Check {
        let Some(attribute) = self.find(AttributeType::FINGERPRINT) else {
            return Check::Absent;
        };
        let end = attribute.offset + 8;
        let stated: Option<[u8; 4]> = attribute.bytes.try_into().ok();
        let (covered, length) = self.before(attribute.offset, end);
        let right =
            end == self.declared_len() && stated.map(u32::from_be_bytes) == Some(fingerprint_of(covered, length));
        if right { Check::Right } else { Check::Wrong }
    }

    /// Checks MESSAGE-INTEGRITY. Attributes after it are not covered and do not matter.
    pub fn integrity(&self, key: &Key) -> Check {
        let Some(attribute) = self.find(AttributeType::MESSAGE_INTEGRITY) else {
            return Check::Absent;
        };
        let (covered, length) = self.before(attribute.offset, attribute.offset + 4 + attribute.bytes.len());
        match key.sha1_of(covered, length).verify_slice(attribute.bytes) {
            Ok(()) => Check::Right,
            Err(_) => Check::Wrong,
        }
    }

    /// Checks MESSAGE-INTEGRITY-SHA256, truncated to 16 bytes or more (RFC 8489, section 14.6).
    pub fn integrity_sha256(&self, key: &Key) -> Check {
        let Some(attribute) = self.find(AttributeType::MESSAGE_INTEGRITY_SHA256) else {
            return Check::Absent;
        };
        let hash = attribute.bytes;
        let (covered, length) = self.before(attribute.offset, attribute.offset + 4 + hash.len());
        let allowed = (16..=SHA256_LEN).contains(&hash.len()) && hash.len().is_multiple_of(4);
        if allowed && key.sha256_of(covered, length).verify_truncated_left(hash).is_ok() {
            Check::Right
        } else {
            Check::Wrong
        }
    }

    /// The message up to `offset`, and the length that its header has if it ends at `end`.
    fn before(&self, offset: usize, end: usize) -> (&[u8], u16) {
        let length = end.saturating_sub(super::HEADER_LEN);
        (self.bytes().get(..offset).unwrap_or_default(), u16::try_from(length).unwrap_or(u16::MAX))
    }
}
