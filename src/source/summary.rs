//! What a file said about itself besides its packets.
//!
//! In: finds of the decoders. Out: [`FileSummary`].
//! Never: more memory than the bounds below, whatever the file says; what did not fit is counted.

#![forbid(unsafe_code)]

use super::error::{Fault, InputError};
use super::format::{Compression, FileFormat};
use crate::packet::{FrameNo, LinkType};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One file of the input, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// The file as it was named; `-` for standard input.
    pub name: String,
    /// What it is.
    pub format: FileFormat,
    /// What is around it.
    pub compression: Compression,
    /// Link types of its interfaces, in the order of their first mention, each once.
    pub link_types: Vec<LinkType>,
    /// Records read.
    pub packets: u64,
    /// Captured bytes of those records, without record headers.
    pub bytes: u64,
    /// Those of them that have no time of their own (pcapng Simple Packet Blocks) and got that of the one before.
    pub packets_without_time: u64,
    /// True where the end is missing.
    pub truncated: bool,
    /// Where and why reading ended before the end of the file.
    pub end: Option<InputError>,
    /// Places that were skipped on the way, the first 16 of them.
    pub damage: Vec<InputError>,
    /// All such places.
    pub damaged_places: u64,
    /// Bytes that were skipped there.
    pub skipped_bytes: u64,
    /// Comments of sections, interfaces and packets.
    pub comments: Vec<Comment>,
    /// Comments that were not kept because there were too many.
    pub comments_not_kept: u64,
    /// Names from Name Resolution Blocks by address, in the order of the file, at most 8 for an address.
    pub hosts: BTreeMap<IpAddr, Vec<String>>,
    /// Names that were not kept because there were too many.
    pub hosts_not_kept: u64,
    /// Contents of Decryption Secrets Blocks.
    pub secrets: Vec<Secrets>,
    /// Decryption Secrets Blocks that were not kept because they were too large together.
    pub secrets_not_kept: u64,
    pub(super) statistics_drops: Option<u64>,
    pub(super) counted_drops: Option<u64>,
    comment_bytes: usize,
    host_names: usize,
    secret_bytes: usize,
}

/// A comment of a pcapng file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What it is about.
    pub subject: CommentSubject,
    /// Its text; what is not UTF-8 is replaced.
    pub text: String,
}

/// What a comment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentSubject {
    /// A section, which is often the whole file.
    Section,
    /// An interface: an index as in `Record::interface`.
    Interface(u32),
    /// A packet, by its number in the merged input.
    Frame(FrameNo),
}

/// The content of a Decryption Secrets Block.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// `Secrets Type` (draft-ietf-opsawg-pcapng, section 4.7): `0x544c534b` is a TLS key log.
    pub kind: u32,
    /// The block's data, as they are.
    pub bytes: Vec<u8>,
}

/// Keys do not belong into a log, so this shows only how many bytes there are.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("kind", &self.kind).field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

const MAX_DAMAGE: usize = 16;
const MAX_LINK_TYPES: usize = 256;
const MAX_COMMENTS: usize = 16_384;
const MAX_COMMENT_BYTES: usize = 4 << 20;
const MAX_HOST_NAMES: usize = 65_536;
const MAX_NAMES_PER_HOST: usize = 8;
const MAX_SECRET_BYTES: usize = 64 << 20;

impl FileSummary {
    pub(super) const fn new(name: String, format: FileFormat, compression: Compression) -> Self {
        Self {
            name,
            format,
            compression,
            link_types: Vec::new(),
            packets: 0,
            bytes: 0,
            packets_without_time: 0,
            truncated: false,
            end: None,
            damage: Vec::new(),
            damaged_places: 0,
            skipped_bytes: 0,
            comments: Vec::new(),
            comments_not_kept: 0,
            hosts: BTreeMap::new(),
            hosts_not_kept: 0,
            secrets: Vec::new(),
            secrets_not_kept: 0,
            statistics_drops: None,
            counted_drops: None,
            comment_bytes: 0,
            host_names: 0,
            secret_bytes: 0,
        }
    }

    /// As the report writes it: `pcapng+gzip`.
    pub fn format_name(&self) -> String {
        format!("{}{}", self.format, self.compression.suffix())
    }

    /// Packets that the capturing side says it lost: the last Interface Statistics Block of each interface, summed, or
    /// where there is none the drop counts of the packets. `None` where the file does not say.
    pub fn dropped_by_capture(&self) -> Option<u64> {
        self.statistics_drops.or(self.counted_drops)
    }

    pub(super) fn link_type(&mut self, link: LinkType) {
        if self.link_types.len() < MAX_LINK_TYPES && !self.link_types.contains(&link) {
            self.link_types.push(link);
        }
    }

    pub(super) fn damaged(&mut self, place: InputError) {
        self.damaged_places += 1;
        if self.damage.len() < MAX_DAMAGE {
            self.damage.push(place);
        }
    }

    pub(super) fn ended(&mut self, place: InputError) {
        self.truncated = place.fault.is_truncation();
        self.end = Some(place);
    }

    pub(super) fn place(&self, frame: FrameNo, offset: u64, fault: Fault) -> InputError {
        InputError { file: self.name.clone(), frame_in_file: self.packets, frame, offset, fault }
    }

    pub(super) fn comment(&mut self, subject: CommentSubject, text: &[u8]) {
        if self.comments.len() >= MAX_COMMENTS || self.comment_bytes.saturating_add(text.len()) > MAX_COMMENT_BYTES {
            self.comments_not_kept += 1;
            return;
        }
        self.comment_bytes += text.len();
        self.comments.push(Comment { subject, text: String::from_utf8_lossy(text).into_owned() });
    }

    pub(super) fn host(&mut self, address: IpAddr, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        let known = self.hosts.get(&address).map_or(&[][..], Vec::as_slice);
        if known.iter().any(|other| *other == name) {
            return;
        }
        if self.host_names >= MAX_HOST_NAMES || known.len() >= MAX_NAMES_PER_HOST {
            self.hosts_not_kept += 1;
            return;
        }
        self.host_names += 1;
        self.hosts.entry(address).or_default().push(name.into_owned());
    }

    pub(super) fn secrets(&mut self, kind: u32, bytes: &[u8]) {
        // The 64 stand for what an entry costs besides its bytes, so that empty blocks are bounded too.
        let cost = bytes.len().saturating_add(64);
        if self.secret_bytes.saturating_add(cost) > MAX_SECRET_BYTES {
            self.secrets_not_kept += 1;
            return;
        }
        self.secret_bytes += cost;
        self.secrets.push(Secrets { kind, bytes: bytes.to_vec() });
    }
}
