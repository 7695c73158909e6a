//! STUN and ChannelData on a stream: where a message ends, and where one begins (RFC 8489, section 6.2.2; RFC 8656,
//! section 12.5).
//!
//! In: a run of bytes of one direction of a TCP or TLS stream. Out: the length of the message at its start, or the offset
//! of the first message. Never: a state between calls; more work than a few looks per byte.

use super::attribute_type::AttributeType;
use super::message::{HEADER_LEN, MAGIC_COOKIE};
use crate::proto::channel_data::{self, ChannelNumber};

/// What stands at the start of a run of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A whole STUN message of this many bytes.
    Stun(usize),
    /// A whole ChannelData message; `len` bytes with the padding to a multiple of 4 that it has on a stream.
    ChannelData {
        /// Header, data and padding.
        len: usize,
    },
    /// The start of either; this many bytes from the start are needed to say more.
    NeedMore(usize),
    /// Neither.
    Neither,
}

/// Looks at the start of `bytes`. STUN needs the magic cookie: RFC 3489 did not define TURN, nor a way to tell its messages
/// apart on a stream.
pub fn frame(bytes: &[u8]) -> Frame {
    let Some(&first) = bytes.first() else {
        return Frame::NeedMore(channel_data::HEADER_LEN);
    };
    match first >> 6 {
        0b00 => stun(bytes),
        0b01 => channel_data(bytes),
        _ => Frame::Neither,
    }
}

fn stun(bytes: &[u8]) -> Frame {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let seen = bytes.get(4..).unwrap_or_default();
    let seen = seen.get(..4).unwrap_or(seen);
    if !cookie.starts_with(seen) || bytes.get(3).is_some_and(|low| low & 0b11 != 0) {
        return Frame::Neither;
    }
    let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() else {
        return Frame::NeedMore(HEADER_LEN);
    };
    let len = HEADER_LEN + usize::from(u16::from_be_bytes([high, low]));
    if bytes.len() < HEADER_LEN {
        Frame::NeedMore(HEADER_LEN)
    } else if bytes.len() < len {
        Frame::NeedMore(len)
    } else {
        Frame::Stun(len)
    }
}

fn channel_data(bytes: &[u8]) -> Frame {
    let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() else {
        return Frame::NeedMore(channel_data::HEADER_LEN);
    };
    let len = channel_data::HEADER_LEN + usize::from(u16::from_be_bytes([high, low])).next_multiple_of(4);
    if bytes.len() < len { Frame::NeedMore(len) } else { Frame::ChannelData { len } }
}

/// Finds the first message in a stream that is entered in its middle: after lost segments, or where the capture began
/// late. `None` where nothing is sure yet; more bytes may make it so.
///
/// A STUN header with the magic cookie is sure. A ChannelData header is sure where it holds exactly one STUN message, or
/// where two of the messages that follow it back to back have the same channel number. STUN messages among them confirm
/// nothing: the attributes before one, taken for ChannelData, lead to it as well.
pub fn find_start(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&offset| {
        let rest = bytes.get(offset..).unwrap_or_default();
        match rest.first() {
            Some(first) if first >> 6 == 0b00 => is_stun(rest) && !is_inside_data(bytes, offset),
            Some(first) if first >> 6 == 0b01 => holds_stun(rest) || chain_confirms(rest),
            _ => false,
        }
    })
}

/// A STUN header up to the cookie; the rest of it may be still to come.
fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && !matches!(stun(bytes), Frame::Neither)
}

/// True where the STUN message at `offset` is the value of a DATA attribute: a connectivity check in a Send or Data
/// indication.
fn is_inside_data(bytes: &[u8], offset: usize) -> bool {
    let around = offset.checked_sub(4).and_then(|start| bytes.get(start..));
    around.is_some_and(|around| around.starts_with(&AttributeType::DATA.0.to_be_bytes()) && holds_stun(around))
}

/// True where the length behind two bytes, in ChannelData or in an attribute, is that of the STUN message behind it.
fn holds_stun(bytes: &[u8]) -> bool {
    let Some((&[_, _, high, low], inner)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let data = usize::from(u16::from_be_bytes([high, low]));
    match inner.first_chunk::<4>() {
        Some(&[first, _, high, low]) if first >> 6 == 0 && is_stun(inner) => {
            HEADER_LEN + usize::from(u16::from_be_bytes([high, low])) == data
        }
        _ => false,
    }
}

/// How many messages are walked from an offset before it is given up.
const CHAIN: usize = 8;

fn chain_confirms(bytes: &[u8]) -> bool {
    let number = channel_number(bytes);
    let mut rest = bytes;
    let mut agreeing = 0;
    for link in 0..CHAIN {
        let same = rest.first().is_some_and(|first| first >> 6 == 0b01) && channel_number(rest) == number;
        if link > 0 && number.is_some() && same {
            agreeing += 1;
            if agreeing == 2 {
                return true;
            }
        }
        let (Frame::Stun(len) | Frame::ChannelData { len }) = frame(rest) else {
            return false;
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

fn channel_number(bytes: &[u8]) -> Option<ChannelNumber> {
    ChannelNumber::new(u16::from_be_bytes(*bytes.first_chunk::<2>()?))
}
