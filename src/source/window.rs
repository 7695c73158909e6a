//! Bytes that can only be read once, front to back, seen through a window that grows as far as it is needed.
//!
//! In: a reader, with a decompressor around it where its first bytes ask for one. Out: the bytes from the current
//! position on.
//! Never: a window larger than what was asked for, memory for bytes that never came.

#![forbid(unsafe_code)]

use super::error::Fault;
use super::format::Compression;
use super::unpack::{Gzip, Zstd};
use std::io::{self, BufRead, Read};

/// The window's first size: some hundred packets.
const FIRST_SIZE: usize = 256 << 10;

pub(super) struct Window<'m> {
    reader: Box<dyn Read + Send + 'm>,
    compression: Compression,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    failure: Option<Fault>,
}

impl<'m> Window<'m> {
    /// A window over `reader`, which is compressed as `compression` says.
    pub(super) fn new(reader: impl BufRead + Send + 'm, compression: Compression) -> io::Result<Self> {
        let reader: Box<dyn Read + Send + 'm> = match compression {
            Compression::None => Box::new(reader),
            Compression::Gzip => Box::new(Gzip::new(reader)),
            Compression::Zstd => Box::new(Zstd::new(reader)?),
        };
        Ok(Self { reader, compression, buffer: Vec::new(), start: 0, end: 0, ended: false, failure: None })
    }

    /// The bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// True where [`Self::bytes`] reach to the end of what can be read.
    pub(super) const fn at_end(&self) -> bool {
        self.ended
    }

    /// Why there is nothing more to read, where that is not the proper end.
    pub(super) const fn failure(&self) -> Option<&Fault> {
        self.failure.as_ref()
    }

    /// Moves over the first `n` bytes at hand.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Reads until there are `need` bytes at hand or no more to read.
    pub(super) fn fill(&mut self, need: usize) {
        while self.end - self.start < need && !self.ended {
            if self.end == self.buffer.len() {
                self.make_room();
            }
            let Some(room) = self.buffer.get_mut(self.end..) else { return };
            match self.reader.read(room) {
                Ok(0) => self.ended = true,
                Ok(n) => self.end += n.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(self.fault(&error));
                }
            }
        }
    }

    /// Moves what is left to the front where at least as much was used up before it, and doubles the buffer otherwise:
    /// so every byte is moved a bounded number of times whatever a decoder asks for, and the buffer grows with the
    /// bytes that really came and not with those that were announced.
    fn make_room(&mut self) {
        let left = self.end - self.start;
        if self.start > 0 && self.start >= left {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = left;
        } else {
            self.buffer.resize((self.buffer.len() * 2).max(FIRST_SIZE), 0);
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        match (self.compression, error.kind()) {
            (Compression::Gzip | Compression::Zstd, io::ErrorKind::UnexpectedEof) => Fault::CompressedCutShort,
            (Compression::Gzip | Compression::Zstd, io::ErrorKind::InvalidData) => {
                Fault::Compression(error.to_string())
            }
            _ => Fault::Io(error.to_string()),
        }
    }
}
