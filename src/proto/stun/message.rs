//! The header of a message and the view over the whole of it.
//!
//! In: a datagram, or what [`frame`](super::frame) cut from a stream. Out: a [`Message`]. Never: a look at the
//! attributes of a message with the magic cookie before they are asked for.

use super::attribute::{Attribute, Attributes};
use super::attribute_type::AttributeType;
use super::message_type::{self, Class, Method};
use super::value::Value;
use crate::bytes::ParseError;
use std::fmt;
use std::net::SocketAddr;

/// Bytes before the first attribute (RFC 8489, section 5).
pub const HEADER_LEN: usize = 20;

/// The second word of the header (RFC 8489, section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The attribute that every message of MS-TURN begins with: MAGIC-COOKIE, 4 bytes, 0x72c64bc6.
const MS_TURN_START: [u8; 8] = [0x00, 0x0f, 0x00, 0x04, 0x72, 0xc6, 0x4b, 0xc6];

pub(super) const LAYER: &str = "stun";

/// The 16 bytes after the length: magic cookie and the transaction id of 96 bits (RFC 8489, section 5), or the
/// transaction id of 128 bits (RFC 3489, section 11.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u128);

impl TransactionId {
    /// An id of 96 bits, behind the magic cookie.
    pub const fn new(id: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = id;
        let low = u128::from_be_bytes([0, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l]);
        Self((MAGIC_COOKIE as u128) << 96 | low)
    }

    /// The 16 bytes of the header as they are.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 16 bytes of the header, magic cookie included.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// True where the first word is not the magic cookie.
    pub const fn is_rfc3489(self) -> bool {
        (self.0 >> 96) as u32 != MAGIC_COOKIE
    }
}

/// 24 hexadecimal digits, 32 for an id of RFC 3489.
impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_rfc3489() { write!(f, "{:032x}", self.0) } else { write!(f, "{:024x}", self.0 & (u128::MAX >> 32)) }
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A STUN message, borrowed. It may be cut, and its attributes may be broken: [`Self::error`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    trailing: &'a [u8],
    message_type: u16,
    length: u16,
    transaction_id: TransactionId,
}

impl<'a> Message<'a> {
    /// Reads the header of the message at the start of `bytes`.
    ///
    /// With the magic cookie the header alone decides. Without it, it is taken for a message of RFC 3489 only if that
    /// RFC or a draft of TURN knows the method, and the last attribute ends where `bytes` end.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::short(LAYER, 0, HEADER_LEN, bytes.len()));
        };
        let &[a, b, c, d, ref id @ ..] = header;
        if a & 0b1100_0000 != 0 {
            return Err(ParseError::invalid(LAYER, 0, "the two upper bits are not zero"));
        }
        let length = u16::from_be_bytes([c, d]);
        let body = rest.len().min(usize::from(length));
        let (bytes, trailing) = bytes.split_at(HEADER_LEN + body);
        let transaction_id = TransactionId(u128::from_be_bytes(*id));
        let message = Self { bytes, trailing, message_type: u16::from_be_bytes([a, b]), length, transaction_id };
        if transaction_id.is_rfc3489() && !message.is_plausible_rfc3489() {
            return Err(ParseError::invalid(LAYER, 4, "no magic cookie"));
        }
        Ok(message)
    }

    #[cold]
    fn is_plausible_rfc3489(&self) -> bool {
        // RFC 3489 has methods 1 and 2; MS-TURN, which kept its header, uses 3 to 6.
        let known = (1..=6).contains(&self.method().number());
        let whole = self.trailing.is_empty() && self.declared_len() == self.bytes.len();
        // An empty message is a request of RFC 3489 and nothing else; and nobody draws an id of zeros.
        let empty = self.length == 0 && !matches!(self.message_type, 0x0001 | 0x0002);
        if !known || !whole || empty || self.transaction_id.bits() == 0 {
            return false;
        }
        let mut attributes = self.attributes();
        attributes.by_ref().for_each(drop);
        attributes.error().is_none()
    }

    /// Class of the message.
    pub const fn class(&self) -> Class {
        message_type::split(self.message_type).0
    }

    /// Method of the message.
    pub const fn method(&self) -> Method {
        message_type::split(self.message_type).1
    }

    /// Cookie and transaction id.
    pub const fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// True without the magic cookie.
    pub const fn is_rfc3489(&self) -> bool {
        self.transaction_id.is_rfc3489()
    }

    /// True for MS-TURN, with or without the magic cookie in the header. Its attributes are not padded, its REMOTE-ADDRESS
    /// has the number of XOR-PEER-ADDRESS and is plain, and NONCE and REALM have each other's numbers.
    pub fn is_ms_turn(&self) -> bool {
        self.body().starts_with(&MS_TURN_START)
    }

    /// The bytes of the message that are there, header included.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the message in the slice that was parsed. RFC 8489 leaves room for nothing here over UDP.
    pub const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// Length of the whole message by its header, in bytes; more than `bytes().len()` where it was cut.
    pub const fn declared_len(&self) -> usize {
        HEADER_LEN + self.length as usize
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Walks the attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self)
    }

    /// The first attribute of a kind; later ones do not count (RFC 8489, section 14).
    pub fn find(&self, kind: AttributeType) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    /// The value of the first attribute of a kind; `None` where it is not there or cannot be read.
    pub fn value(&self, kind: AttributeType) -> Option<Value<'a>> {
        self.find(kind)?.value().ok()
    }

    /// The address in the first attribute of a kind.
    pub fn address(&self, kind: AttributeType) -> Option<SocketAddr> {
        self.find(kind)?.address()
    }

    /// The bytes of the first attribute of a kind, without padding.
    pub fn attribute_bytes(&self, kind: AttributeType) -> Option<&'a [u8]> {
        Some(self.find(kind)?.bytes)
    }

    /// REALM, also where MS-TURN has it.
    pub fn realm(&self) -> Option<&'a [u8]> {
        self.attribute_bytes(if self.is_ms_turn() { AttributeType::NONCE } else { AttributeType::REALM })
    }

    /// NONCE, also where MS-TURN has it.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.attribute_bytes(if self.is_ms_turn() { AttributeType::REALM } else { AttributeType::NONCE })
    }

    /// The code and reason phrase of ERROR-CODE.
    pub fn error_code(&self) -> Option<(u16, &'a [u8])> {
        match self.value(AttributeType::ERROR_CODE)? {
            Value::ErrorCode { code, reason } => Some((code, reason)),
            _ => None,
        }
    }

    /// Looks at everything and returns the first fault: a cut message, a walk that does not end with the message, a value
    /// that does not fit its attribute, a length that is not a multiple of 4. `None` where all is well.
    pub fn error(&self) -> Option<ParseError> {
        let mut attributes = self.attributes();
        let value = attributes.find_map(|attribute| attribute.value().err());
        if value.is_some() {
            return value;
        }
        if self.declared_len() > self.bytes.len() {
            let body = self.bytes.len() - HEADER_LEN;
            return Some(ParseError::short(LAYER, HEADER_LEN, usize::from(self.length), body));
        }
        if attributes.error().is_some() {
            return attributes.error();
        }
        if !self.length.is_multiple_of(4) && !self.is_rfc3489() && !self.is_ms_turn() {
            return Some(ParseError::invalid(LAYER, 2, "length is not a multiple of 4"));
        }
        if self.trailing.is_empty() {
            return None;
        }
        Some(ParseError::invalid(LAYER, self.bytes.len(), "bytes after the end of the message"))
    }
}
