//! Building a message at the end of a `Vec`.
//!
//! In: class, method, transaction id and values. Out: the bytes of one message, appended. Never: a message with a length
//! that lies because something did not fit.

use super::attribute_type::{AttributeType, Shape};
use super::integrity::{self, Key, SHA1_LEN, SHA256_LEN};
use super::message::{HEADER_LEN, TransactionId};
use super::message_type::{self, Class, Method};
use super::value::{self, Value};
use hmac::Mac;
use std::fmt;

/// Something is longer than its length field of 16 bits can say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("longer than a length field of 16 bits can say")
    }
}

impl std::error::Error for TooLong {}

/// A message under construction. Attributes are appended in the order of the calls; integrity goes before fingerprint,
/// and the fingerprint last (RFC 8489, sections 14.5 to 14.7).
///
/// The `Vec` keeps its capacity from one message to the next, so that a sender that reuses it does not allocate.
#[derive(Debug)]
#[must_use = "the length in the header is written by `finish`"]
pub struct Builder<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    mask: u128,
    too_long: bool,
}

impl<'v> Builder<'v> {
    /// Appends the header. An id of RFC 3489 makes a message of RFC 3489.
    pub fn new(out: &'v mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = out.len();
        out.extend_from_slice(&message_type::join(class, method).to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&id.bits().to_be_bytes());
        Self { out, start, mask: id.bits(), too_long: false }
    }

    /// Appends an attribute. An address is XORed where the type wants that.
    pub fn attribute(mut self, kind: AttributeType, value: &Value<'_>) -> Self {
        let mask = if kind.shape() == Shape::XorAddress { self.mask } else { 0 };
        self.open(kind);
        let before = self.out.len();
        value::write(value, mask, self.out);
        self.close(before)
    }

    /// Appends an attribute of any type with the bytes as they are.
    pub fn raw(mut self, kind: AttributeType, bytes: &[u8]) -> Self {
        self.open(kind);
        let before = self.out.len();
        self.out.extend_from_slice(bytes);
        self.close(before)
    }

    /// Appends MESSAGE-INTEGRITY over what is there.
    pub fn integrity(self, key: &Key) -> Self {
        let (message, length) = self.covered(SHA1_LEN);
        let hash = key.sha1_of(message, length).finalize().into_bytes();
        self.raw(AttributeType::MESSAGE_INTEGRITY, &hash)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over what is there, not truncated.
    pub fn integrity_sha256(self, key: &Key) -> Self {
        let (message, length) = self.covered(SHA256_LEN);
        let hash = key.sha256_of(message, length).finalize().into_bytes();
        self.raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &hash)
    }

    /// Appends FINGERPRINT over what is there.
    pub fn fingerprint(self) -> Self {
        let (message, length) = self.covered(4);
        let crc = integrity::fingerprint_of(message, length);
        self.raw(AttributeType::FINGERPRINT, &crc.to_be_bytes())
    }

    /// Writes the length into the header and returns the bytes of the message. Where something was too long, the `Vec` is
    /// as it was before [`Self::new`].
    pub fn finish(self) -> Result<usize, TooLong> {
        let len = self.out.len() - self.start;
        let length = u16::try_from(len - HEADER_LEN).ok().filter(|_| !self.too_long);
        let field = self.out.get_mut(self.start + 2..self.start + 4);
        let (Some(length), Some(field)) = (length, field) else {
            self.out.truncate(self.start);
            return Err(TooLong);
        };
        field.copy_from_slice(&length.to_be_bytes());
        Ok(len)
    }

    fn open(&mut self, kind: AttributeType) {
        self.out.extend_from_slice(&kind.0.to_be_bytes());
        self.out.extend_from_slice(&[0; 2]);
    }

    /// Writes the length of the value that begins at `before`, and pads it with zeros.
    fn close(mut self, before: usize) -> Self {
        let len = self.out.len() - before;
        match (u16::try_from(len), self.out.get_mut(before - 2..before)) {
            (Ok(length), Some(field)) => field.copy_from_slice(&length.to_be_bytes()),
            _ => self.too_long = true,
        }
        self.out.resize(before + len.next_multiple_of(4), 0);
        self
    }

    /// The message so far, and the length its header has once an attribute with `value_len` bytes follows.
    fn covered(&self, value_len: usize) -> (&[u8], u16) {
        let message = self.out.get(self.start..).unwrap_or_default();
        let length = (message.len() + 4 + value_len).saturating_sub(HEADER_LEN);
        // A message that long is refused by `finish`, whatever its hash.
        (message, u16::try_from(length).unwrap_or(u16::MAX))
    }
}
