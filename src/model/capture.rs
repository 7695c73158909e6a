//! What the source knows of the capture itself, handed through to the snapshot.
//!
//! In: nothing. Out: the types. Never: a file opened here.

use crate::packet::FrameNo;
use crate::time::Timestamp;

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
    /// True where the file ends within a record or block.
    pub truncated: bool,
    /// What is wrong with it, in words that name file, frame and offset; the first places of many.
    pub damage: Vec<Damage>,
    /// All places that `damage` is the beginning of.
    pub damaged_places: u64,
    /// Bytes that were passed over at these places.
    pub skipped_bytes: u64,
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
    /// Inputs that could not be read at all, in words that name the file and say why.
    pub refused: Vec<String>,
    /// Packets that the capturing machine dropped; none where nobody says.
    pub dropped_by_capture: Option<u64>,
    /// Packets that the user's filter or window of time left out.
    pub filtered_out: u64,
    /// Those of them that are outside of the window, whatever the filter would have said.
    pub outside_window: u64,
    /// Those of them that the filter left out and that have a VLAN tag, which a filter does not look behind unasked.
    pub filtered_vlan: u64,
    /// The kernel ran the filter, and did not say how many packets it left out.
    pub filtered_uncounted: bool,
    /// The earliest and the latest time of the input, where a filter or a window stands before it.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What the user limited the input to.
    pub asked: Asked,
}

/// A filter and a window of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// In the words of the user.
    pub filter: Option<String>,
    /// Only packets from this time on.
    pub from: Option<Timestamp>,
    /// Only packets before this time.
    pub to: Option<Timestamp>,
}
