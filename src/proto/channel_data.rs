//! ChannelData messages of TURN (RFC 8656, section 12).
//!
//! In: a UDP payload or a framed piece of a stream, or a channel and data. Out: a borrowed [`ChannelData`], or bytes at the
//! end of a `Vec`. Never: a copy of the data while reading.

#![forbid(unsafe_code)]

use crate::bytes::ParseError;
use crate::proto::stun::TooLong;
use std::fmt;

/// Bytes before the data (RFC 8656, section 12.4).
pub const HEADER_LEN: usize = 4;

const LAYER: &str = "channel data";

/// A channel number: 0x4000 to 0x4FFF (RFC 8656, section 12), to 0x7FFF in RFC 5766, section 11.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The first number that may be bound.
    pub const MIN: Self = Self(0x4000);
    /// The last number that RFC 8656 lets bind.
    pub const MAX: Self = Self(0x4fff);

    /// From its number; `None` outside 0x4000 to 0x7FFF.
    pub const fn new(number: u16) -> Option<Self> {
        if number >> 14 == 0b01 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// True from 0x5000 on: a number that RFC 5766 allowed and RFC 8656 reserves.
    pub const fn is_rfc5766_only(self) -> bool {
        self.0 > Self::MAX.0
    }
}

/// `0x4001`.
impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

impl fmt::Debug for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A ChannelData message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel.
    pub channel: ChannelNumber,
    /// The length field: bytes of data that were sent.
    pub declared: u16,
    /// The data, without padding; shorter than `declared` where it was cut.
    pub data: &'a [u8],
    /// What follows the data: padding to a multiple of 4, which is required on a stream and allowed over UDP. More than
    /// that is an error.
    pub trailing: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads the message at the start of `bytes`; an error only where there is no header of one.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let Some((&[a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::short(LAYER, 0, HEADER_LEN, bytes.len()));
        };
        let Some(channel) = ChannelNumber::new(u16::from_be_bytes([a, b])) else {
            return Err(ParseError::invalid(LAYER, 0, "channel number outside 0x4000 to 0x7fff"));
        };
        let declared = u16::from_be_bytes([c, d]);
        let (data, trailing) = rest.split_at(rest.len().min(usize::from(declared)));
        Ok(Self { channel, declared, data, trailing })
    }

    /// What is wrong with the length: data cut, or more behind it than padding.
    pub fn error(&self) -> Option<ParseError> {
        let declared = usize::from(self.declared);
        if self.data.len() < declared {
            return Some(ParseError::short(LAYER, HEADER_LEN, declared, self.data.len()));
        }
        if self.trailing.len() > declared.wrapping_neg() % 4 {
            return Some(ParseError::invalid(LAYER, HEADER_LEN + declared, "bytes after data and padding"));
        }
        None
    }
}

/// The header for data of `len` bytes, for senders that keep data elsewhere.
pub const fn header(channel: ChannelNumber, len: u16) -> [u8; HEADER_LEN] {
    let [a, b] = channel.0.to_be_bytes();
    let [c, d] = len.to_be_bytes();
    [a, b, c, d]
}

/// Appends a message for a datagram: no padding.
pub fn write(channel: ChannelNumber, data: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    let len = u16::try_from(data.len()).map_err(|_| TooLong)?;
    out.extend_from_slice(&header(channel, len));
    out.extend_from_slice(data);
    Ok(())
}

/// Appends a message for a stream, padded to a multiple of 4 (RFC 8656, section 12.5).
pub fn write_padded(channel: ChannelNumber, data: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    write(channel, data, out)?;
    out.resize(out.len() + data.len().wrapping_neg() % 4, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelNumber = ChannelNumber(0x4001);

    #[test]
    fn numbers_from_0x5000_belong_to_the_older_rfc_only() {
        assert_eq!(ChannelNumber::new(0x3fff), None);
        assert_eq!(ChannelNumber::new(0x8000), None);
        assert!(!ChannelNumber::new(0x4fff).unwrap().is_rfc5766_only());
        assert!(ChannelNumber::new(0x5000).unwrap().is_rfc5766_only());
        assert_eq!(ChannelNumber::new(0x7fff).unwrap().to_string(), "0x7fff");
    }

    #[test]
    fn data_is_read_as_it_was_written() {
        for len in 0..9 {
            let data = &b"12345678"[..len];
            let mut plain = Vec::new();
            write(CHANNEL, data, &mut plain).unwrap();
            let mut padded = Vec::new();
            write_padded(CHANNEL, data, &mut padded).unwrap();
            assert_eq!(plain.len(), 4 + len);
            assert_eq!(padded.len() % 4, 0);
            assert!(padded.starts_with(&plain));
            for bytes in [&plain, &padded] {
                let message = ChannelData::parse(bytes).unwrap();
                assert_eq!((message.channel, message.data), (CHANNEL, data));
                assert_eq!(message.error(), None);
            }
        }
    }

    #[test]
    fn cut_data_is_handed_on_with_the_length_it_had() {
        let bytes = [0x40, 0x01, 0x00, 0x06, 1, 2, 3, 4, 5, 6];
        for cut in 0..bytes.len() {
            match ChannelData::parse(&bytes[..cut]) {
                Err(error) => {
                    assert!(cut < 4);
                    assert_eq!(error, ParseError::short(LAYER, 0, 4, cut));
                }
                Ok(message) => {
                    assert_eq!(message.data, &bytes[4..cut]);
                    assert_eq!(message.declared, 6);
                    assert_eq!(message.error(), Some(ParseError::short(LAYER, 4, 6, cut - 4)));
                }
            }
        }
    }

    #[test]
    fn more_than_padding_after_the_data_is_an_error() {
        let padded = ChannelData::parse(&[0x40, 0, 0, 1, 9, 0, 0, 0]).unwrap();
        assert_eq!((padded.data, padded.trailing, padded.error()), (&[9][..], &[0, 0, 0][..], None));
        let longer = ChannelData::parse(&[0x40, 0, 0, 1, 9, 0, 0, 0, 0]).unwrap();
        assert_eq!(longer.error(), Some(ParseError::invalid(LAYER, 5, "bytes after data and padding")));
    }

    #[test]
    fn data_that_the_length_cannot_tell_is_refused_and_nothing_is_written() {
        let mut out = vec![7];
        assert_eq!(write_padded(CHANNEL, &[0; 0x1_0000], &mut out), Err(TooLong));
        assert_eq!(out, [7]);
    }
}
