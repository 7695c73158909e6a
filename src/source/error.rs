//! What can go wrong with an input, in words for the person who named it.
//!
//! In: nothing. Out: [`OpenError`] for an input that gives no records at all, [`InputError`] for the place where a
//! readable one ends too early or is damaged.
//! Never: the bytes of a packet.

#![forbid(unsafe_code)]

use crate::packet::FrameNo;
use std::fmt;
use std::io;

/// An input that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {refusal}")]
pub struct OpenError {
    /// The input as it was named.
    pub file: String,
    /// Why it was refused.
    pub refusal: Refusal,
}

/// Why an input was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The operating system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is not one byte.
    #[error("the file is empty")]
    Empty,
    /// The first bytes belong to no capture format that we read. Holds them in hexadecimal.
    #[error("not a capture file (it begins with {0})")]
    NotACapture(String),
    /// It begins as a capture, and ends inside the file header.
    #[error("cut short inside the file header")]
    HeaderCutShort,
    /// It is a capture of a kind that we do not read.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The glob is malformed.
    #[error("not a valid pattern: {0}")]
    Pattern(String),
    /// The glob or folder has no capture file in it.
    #[error("no capture file found there")]
    NothingFound,
}

/// A place in a readable input where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file as it was named.
    pub file: String,
    /// The last good record before that place, counted in this file from 1; 0 where there is none.
    pub frame_in_file: u64,
    /// The same record, counted in the merged input; 0 where there is none.
    pub frame: FrameNo,
    /// Byte offset from the start of the (decompressed) file.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at byte {}", self.file, self.fault, self.offset)?;
        if self.frame_in_file == 0 {
            return f.write_str(", before the first frame");
        }
        write!(f, ", after frame {}", self.frame_in_file)?;
        if self.frame.0 != self.frame_in_file {
            write!(f, " (frame {} of the merged input)", self.frame)?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file ends inside a record or block.
    #[error("cut short (needs {need} bytes, has {have})")]
    CutShort {
        /// Bytes that the record needs.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// What stands there cannot be.
    #[error("damaged ({0})")]
    Damaged(&'static str),
    /// The compressed data end too early.
    #[error("the compressed data are cut short")]
    CompressedCutShort,
    /// The decompressor gave up.
    #[error("the compressed data are damaged ({0})")]
    Compression(String),
    /// The operating system failed while reading.
    #[error("cannot be read further ({0})")]
    Io(String),
}

impl Fault {
    /// True where bytes are missing at the end, as after a full disk or a killed writer.
    pub const fn is_truncation(&self) -> bool {
        matches!(self, Fault::CutShort { .. } | Fault::CompressedCutShort)
    }
}
