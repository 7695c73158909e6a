//! Decompressors that lose nothing to a failure.
//!
//! In: a reader of gzip or zstd. Out: a reader of what is inside, to the last byte that was unpacked before the damage,
//! and only then the failure: `InvalidData` for damage, `UnexpectedEof` for an end that comes too early.
//! Never: output that depends on the size of the pieces in which the input comes or the output is asked for, so that a
//! file and a pipe give the same. The readers of the libraries give no output of a call that fails, whatever it had
//! unpacked by then.

#![forbid(unsafe_code)]

use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, BufRead, Read};
use zstd::stream::raw::{Decoder, Operation as _};

/// The window of deflate is at most 2 to this power (RFC 1951, section 2).
const WINDOW_BITS: u8 = 15;

/// What the library says of a member's header and trailer. Its words for what is between them depend on how much of the
/// input was at hand.
const CHECKS: [&str; 3] = ["incorrect header check", "incorrect data check", "incorrect length check"];

/// The members of a gzip file (RFC 1952, section 2.2), one after the other.
pub(super) struct Gzip<R> {
    reader: R,
    member: Decompress,
    /// True behind a whole member, where the file may end.
    may_end: bool,
    failure: Option<io::Error>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, member: Decompress::new_gzip(WINDOW_BITS), may_end: false, failure: None }
    }

    /// Unpacks a piece of the input. Returns the bytes of output, and true where the input is at its end.
    fn unpack(&mut self, output: &mut [u8]) -> io::Result<(usize, bool)> {
        let input = self.reader.fill_buf()?;
        let at_end = input.is_empty();
        if at_end && self.may_end {
            return Ok((0, true));
        }
        let (before_in, before_out) = (self.member.total_in(), self.member.total_out());
        let result = self.member.decompress(input, output, FlushDecompress::None);
        // Both hold after a failure too, and are no more than the lengths of the slices.
        let taken = (self.member.total_in() - before_in) as usize;
        let unpacked = (self.member.total_out() - before_out) as usize;
        self.reader.consume(taken);
        match result {
            Ok(Status::StreamEnd) => {
                self.member = Decompress::new_gzip(WINDOW_BITS);
                self.may_end = true;
            }
            Ok(Status::Ok | Status::BufError) => self.may_end = false,
            Err(error) => {
                let check = error.message().filter(|words| CHECKS.contains(words));
                let what = check.unwrap_or("corrupt deflate stream").to_owned();
                self.failure = Some(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok((unpacked, at_end))
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let (unpacked, at_end) = self.unpack(output)?;
            if unpacked > 0 || output.is_empty() || (at_end && self.may_end) {
                return Ok(unpacked);
            }
            if at_end && self.failure.is_none() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Bytes of input that tell how long a frame header is: its magic number and the first byte behind that (RFC 8878,
/// section 3.1.1).
const FRAME_HEADER_START: usize = 5;

/// The header of a block (RFC 8878, section 3.1.1.2).
const BLOCK_HEADER: usize = 3;

/// The frames of a zstd file (RFC 8878, section 3.1), one after the other.
///
/// The library says nothing of the output of a call that fails. So each call gets the input of at most one block, and
/// what a block gave is taken before the next byte of input is looked at.
pub(super) struct Zstd<R> {
    reader: R,
    decoder: Decoder<'static>,
    /// Input that the library would like to have, up to the end of the next block header; 0 behind a whole frame.
    wanted: usize,
    /// True behind a whole frame, where the file may end.
    may_end: bool,
    /// True where the output was too small for all that was unpacked.
    more_output: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(reader: R) -> io::Result<Self> {
        Ok(Self { reader, decoder: Decoder::new()?, wanted: 0, may_end: false, more_output: false })
    }

    /// The length of the next piece of input, which ends where a block, its header or that of a frame does.
    const fn piece(&self) -> usize {
        match self.wanted {
            0 => FRAME_HEADER_START,
            few @ 1..=BLOCK_HEADER => few,
            block_and_next_header => block_and_next_header - BLOCK_HEADER,
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            let piece = self.piece();
            let mut input: &[u8] = &[];
            if !self.more_output {
                input = self.reader.fill_buf()?;
                match (input.is_empty(), self.may_end) {
                    (true, true) => return Ok(0),
                    (true, false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    (false, _) => input = input.get(..piece).unwrap_or(input),
                }
            }
            let done = self
                .decoder
                .run_on_buffers(input, output)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.reader.consume(done.bytes_read);
            self.wanted = done.remaining;
            self.may_end = done.remaining == 0;
            self.more_output = !self.may_end && done.bytes_written == output.len();
            if done.bytes_written > 0 {
                return Ok(done.bytes_written);
            }
        }
    }
}
