//! A reader over a byte slice that cannot read outside it, and the error that says where it stopped.
//!
//! In: a borrowed slice. Out: big-endian integers and sub-slices of the same lifetime, or a [`ParseError`].
//! Never: a copy, a panic.

use std::fmt;

/// Where and why a decoder stopped: it needed `need` bytes at `offset` of the layer, and `have` were left.
/// Where the length is not the fault but the content is, `reason` says so and `need == have`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The layer that was being read, in lower case: `"ipv4"`, `"stun attribute"`.
    pub layer: &'static str,
    /// Offset in bytes from the start of the layer's own slice.
    pub offset: usize,
    /// Bytes that were needed at that offset.
    pub need: usize,
    /// Bytes that were there.
    pub have: usize,
    /// What is wrong, in a few words: `"too short"`, `"length below the header's own"`.
    pub reason: &'static str,
}

impl ParseError {
    /// The slice ended before `need` bytes.
    pub const fn short(layer: &'static str, offset: usize, need: usize, have: usize) -> Self {
        Self { layer, offset, need, have, reason: "too short" }
    }

    /// The bytes are there, what they say cannot be.
    pub const fn invalid(layer: &'static str, offset: usize, reason: &'static str) -> Self {
        Self { layer, offset, need: 0, have: 0, reason }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.layer, self.offset, self.reason)?;
        if self.need > self.have {
            write!(f, " (needs {} bytes, has {})", self.need, self.have)?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

/// A cursor over a slice. Every read is checked, and a failed one leaves the cursor where it was.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    layer: &'static str,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; `layer` names the errors.
    pub const fn new(layer: &'static str, bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, layer }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// True at the end.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes not read yet, without moving.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], ParseError> {
        match self.rest().get(..n) {
            Some(slice) => {
                self.position += n;
                Ok(slice)
            }
            None => Err(ParseError::short(self.layer, self.position, n, self.remaining())),
        }
    }

    /// Moves over `n` bytes.
    pub fn skip(&mut self, n: usize) -> Result<(), ParseError> {
        self.take(n).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(ParseError::short(self.layer, self.position, N, self.remaining())),
        }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ParseError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, network order.
    pub fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes, network order.
    pub fn u24(&mut self) -> Result<u32, ParseError> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes, network order.
    pub fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, network order.
    pub fn u64(&mut self) -> Result<u64, ParseError> {
        self.array().map(u64::from_be_bytes)
    }

    /// An error at the current position for content that cannot be.
    pub const fn invalid(&self, reason: &'static str) -> ParseError {
        ParseError::invalid(self.layer, self.position, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_network_order() {
        let mut reader = Reader::new("test", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u24(), Ok(0x04_0506));
        assert_eq!(reader.u32(), Ok(0x0708_090a));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_read_past_the_end_says_what_it_needed_and_does_not_move() {
        let mut reader = Reader::new("test", &[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.u32(), Err(ParseError::short("test", 2, 4, 1)));
        assert_eq!(reader.u8(), Ok(3));
    }
}
