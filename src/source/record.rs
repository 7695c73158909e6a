//! What a source yields: records, and the interfaces that they name.
//!
//! In: nothing. Out: the types of the border between `source` and its caller.
//! Never: owned packet bytes.

#![forbid(unsafe_code)]

use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::time::Timestamp;

/// Where the bytes of a record lie, and so how long they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordBytes<'m, 's> {
    /// In a mapped file: as long as the [`CaptureFiles`](super::CaptureFiles) that mapped it.
    Mapped(&'m [u8]),
    /// In the source's own buffer: until the next record is asked for.
    Buffered(&'s [u8]),
}

impl<'m: 's, 's> RecordBytes<'m, 's> {
    /// The bytes, for as long as both kinds live.
    #[inline]
    pub const fn as_slice(self) -> &'s [u8] {
        match self {
            RecordBytes::Mapped(bytes) => bytes,
            RecordBytes::Buffered(bytes) => bytes,
        }
    }
}

/// A captured record, as [`RawPacket`] but with the lifetime of its bytes kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'m, 's> {
    /// When the capturing machine saw it. A pcapng Simple Packet Block has no time and gets that of the record before.
    pub ts: Timestamp,
    /// Its number in the merged input, from 1.
    pub frame: FrameNo,
    /// Index into [`PacketSource::interfaces`].
    pub interface: u32,
    /// How the bytes begin.
    pub link: LinkType,
    /// Length on the wire in bytes, never less than the captured length.
    pub wire_len: u32,
    /// The captured bytes.
    pub bytes: RecordBytes<'m, 's>,
}

impl<'m: 's, 's> Record<'m, 's> {
    /// The packet, to be used before the next record is asked for.
    #[inline]
    pub const fn packet(&self) -> RawPacket<'s> {
        self.with(self.bytes.as_slice())
    }

    /// The packet, to be kept as long as the mapped file. `None` where the bytes are only buffered.
    #[inline]
    pub const fn mapped_packet(&self) -> Option<RawPacket<'m>> {
        match self.bytes {
            RecordBytes::Mapped(bytes) => Some(self.with(bytes)),
            RecordBytes::Buffered(_) => None,
        }
    }

    const fn with<'a>(&self, data: &'a [u8]) -> RawPacket<'a> {
        RawPacket {
            ts: self.ts,
            frame: self.frame,
            interface: self.interface,
            link: self.link,
            wire_len: self.wire_len,
            data,
        }
    }
}

/// An interface that a record was captured on: one of a pcapng section, or the only one of another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Index of the file among the source's files.
    pub file: usize,
    /// `if_name` of pcapng.
    pub name: Option<String>,
    /// `if_description` of pcapng.
    pub description: Option<String>,
    /// How its packets begin.
    pub link: LinkType,
    /// Bytes after which packets were cut; 0 where there is no limit.
    pub snap_len: u32,
}

/// Something that yields records in the order in which the analyzer is to see them.
///
/// `'m` is the lifetime of [`RecordBytes::Mapped`]; a source that only buffers implements it for every `'m`.
pub trait PacketSource<'m> {
    /// The next record, or `None` at the end. After `None` it stays `None`.
    fn next_record(&mut self) -> Option<Record<'m, '_>>;

    /// The interfaces seen so far; [`Record::interface`] is an index into this slice.
    /// The slice stops growing at 65,536 entries, the indices do not.
    fn interfaces(&self) -> &[Interface];

    /// Packets that the capturing side says it lost, so far; `None` where it said nothing.
    fn dropped_by_capture(&self) -> Option<u64>;
}
