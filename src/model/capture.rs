//! What the source knows of the capture itself, handed through to the snapshot.
//!
//! In: nothing. Out: the types. Never: a file opened here.

use crate::packet::FrameNo;

/// One input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileFacts {
    /// As the user named it.
    pub name: String,
    /// `pcap`, `pcapng`, with `+gzip` or `+zstd`.
    pub format: String,
    /// Link types in order of appearance.
    pub link_types: Vec<String>,
    /// Records.
    pub packets: u64,
    /// True where the file ends within a record or block, or is damaged.
    pub truncated: bool,
    /// What is wrong with it, in words that name file, frame and offset.
    pub damage: Vec<Damage>,
}

/// A place where a file is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// In words: file, frame, offset, what.
    pub text: String,
    /// The last frame before it, in the merged input.
    pub frame: Option<FrameNo>,
}

/// What is known of the whole input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureFacts {
    /// The inputs in the order given.
    pub files: Vec<FileFacts>,
    /// Packets that the capturing machine dropped; none where nobody says.
    pub dropped_by_capture: Option<u64>,
    /// Packets that a filter of the user left out.
    pub filtered_out: u64,
}
