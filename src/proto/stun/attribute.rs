//! The walk over the attributes of a message.
//!
//! In: the bytes after a header. Out: one [`Attribute`] after the other, and where the walk had to stop. Never: an
//! attribute whose value is not there in full, a walk that does not end.

use super::attribute_type::AttributeType;
use super::message::{HEADER_LEN, LAYER, Message};
use super::value::{self, Value};
use crate::bytes::ParseError;

/// One attribute: its number, its bytes and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The number.
    pub kind: AttributeType,
    /// The value, without padding.
    pub bytes: &'a [u8],
    /// Offset in bytes of the attribute's own header from the start of the message.
    pub offset: usize,
    pub(super) mask: u128,
}

impl<'a> Attribute<'a> {
    /// Reads the value. The error's offset counts from the start of the message; the bytes stay readable in `bytes`.
    pub fn value(&self) -> Result<Value<'a>, ParseError> {
        value::read(self.kind.shape(), self.bytes, self.mask)
            .map_err(|reason| ParseError::invalid(LAYER, self.offset, reason))
    }

    /// Reads it as an address; `None` where it is not one.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        match self.value() {
            Ok(Value::Address(address)) => Some(address),
            _ => None,
        }
    }
}

/// Iterator over the attributes of a message, in their order, duplicates included. When it has ended, [`Self::error`]
/// tells whether it came to the end of the message.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    body: &'a [u8],
    position: usize,
    mask: u128,
    /// What REMOTE-ADDRESS of MS-TURN, under the number of XOR-PEER-ADDRESS, is XORed with.
    peer_mask: u128,
    padded: bool,
    error: Option<ParseError>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(message: &Message<'a>) -> Self {
        let mask = message.transaction_id().bits();
        let ms_turn = message.is_ms_turn();
        let peer_mask = if ms_turn || message.is_rfc3489() { 0 } else { mask };
        Self { body: message.body(), position: 0, mask, peer_mask, padded: !ms_turn, error: None }
    }

    /// Where the walk stopped before the end of the message, and why. A value that cannot be understood does not stop it.
    pub const fn error(&self) -> Option<ParseError> {
        self.error
    }

    fn stop(&mut self, error: ParseError) -> Option<Attribute<'a>> {
        self.error = Some(error);
        self.position = self.body.len();
        None
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let rest = self.body.get(self.position..)?;
        let offset = HEADER_LEN + self.position;
        let Some((&[a, b, c, d], values)) = rest.split_first_chunk::<4>() else {
            if rest.is_empty() {
                return None;
            }
            return self.stop(ParseError::short(LAYER, offset, 4, rest.len()));
        };
        let len = usize::from(u16::from_be_bytes([c, d]));
        let Some(bytes) = values.get(..len) else {
            return self.stop(ParseError::short(LAYER, offset + 4, len, values.len()));
        };
        let kind = AttributeType(u16::from_be_bytes([a, b]));
        // The padding of the last attribute may have been left out.
        let step = if self.padded { len.next_multiple_of(4) } else { len };
        self.position = (self.position + 4 + step).min(self.body.len());
        let mask = if kind == AttributeType::XOR_PEER_ADDRESS { self.peer_mask } else { self.mask };
        Some(Attribute { kind, bytes, offset, mask })
    }
}
