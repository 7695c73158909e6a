//! What the decoders of the formats have in common: one step over the bytes at hand.
//!
//! In: the bytes from the current position on. Out: a [`Step`], and finds in the [`Context`].
//! Never: a copy of packet bytes, a read, a step that goes nowhere for ever.

#![forbid(unsafe_code)]

use super::error::Fault;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::record::Interface;
use super::snoop::Snoop;
use super::summary::{CommentSubject, FileSummary};
use crate::packet::{FrameNo, LinkType};
use crate::time::Timestamp;

/// Largest packet that is believed, in bytes. tcpdump writes up to 256 KiB, other writers more (USB, D-Bus).
pub(super) const MAX_PACKET: usize = 16 << 20;

/// Largest block that is believed, in bytes; key logs in Decryption Secrets Blocks are the largest that occur.
pub(super) const MAX_BLOCK: usize = 32 << 20;

/// A search for the next good record looks at this many bytes at a time,
pub(super) const SEARCH_STEP: usize = 1 << 20;
/// sees this many, so that a chain of records can be followed,
pub(super) const SEARCH_VIEW: usize = 2 << 20;
/// and gives up after this many.
pub(super) const SEARCH_LIMIT: u64 = 64 << 20;

/// What a decoder found at the start of the bytes that it was given.
#[derive(Debug)]
pub(super) enum Step {
    /// A record, which was written to the caller's [`Head`].
    Record,
    /// Nothing to hand on in the first so many bytes. None only where a search found what it sought right there.
    Skip(usize),
    /// So many bytes are needed, or all that is left of the file. Never an answer to bytes that reach to the end.
    Need(usize),
    /// The file ends here, with a fault unless this is its proper end.
    End(Option<(u64, Fault)>),
}

/// A record that was found: everything but its number, and where its bytes are.
///
/// Decoders write it in place, because an enum of this size would be copied twice for each packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) ts: Timestamp,
    pub(super) interface: u32,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    /// Start of the packet, from the start of the step's bytes.
    pub(super) start: usize,
    /// End of the packet; inside the step's bytes.
    pub(super) end: usize,
    /// Start of the next record; inside the step's bytes or at their end.
    pub(super) next: usize,
}

impl Head {
    /// Before the first record.
    pub(super) const NONE: Head = Head {
        ts: Timestamp::from_nanos(0),
        interface: 0,
        link: LinkType::NULL,
        wire_len: 0,
        start: 0,
        end: 0,
        next: 0,
    };
}

/// Comments kept of one packet.
const MAX_COMMENTS_OF_A_PACKET: usize = 64;

/// Where a decoder stands, and where it leaves what it finds besides records.
pub(super) struct Context<'a> {
    /// Offset of the step's first byte in the file.
    pub(super) offset: u64,
    /// True where the step's bytes reach to the end of the file.
    pub(super) at_end: bool,
    /// Index of the file.
    pub(super) file: usize,
    /// Number of the file's last record in the merged input.
    pub(super) last_frame: FrameNo,
    pub(super) summary: &'a mut FileSummary,
    pub(super) interfaces: &'a mut Interfaces,
    /// Comments of the record that comes next; their frame number is known when it is handed out.
    pub(super) packet_comments: &'a mut Vec<Vec<u8>>,
}

impl Context<'_> {
    /// Notes a place that is passed over. The skipped bytes are added as they are skipped.
    #[cold]
    pub(super) fn damaged(&mut self, fault: &'static str) {
        let place = self.summary.place(self.last_frame, self.offset, Fault::Damaged(fault));
        self.summary.damaged(place);
    }

    /// More bytes are needed at the start of this step: asks for them, or says that the file is cut short.
    #[cold]
    pub(super) fn need(&self, need: usize, have: usize) -> Step {
        match (self.at_end, have) {
            (false, _) => Step::Need(need),
            (true, 0) => Step::End(None),
            (true, _) => Step::End(Some((self.offset, Fault::CutShort { need: need as u64, have: have as u64 }))),
        }
    }

    /// A new interface of this file; returns its index over all files.
    pub(super) fn interface(&mut self, link: LinkType, snap_len: u32, names: InterfaceNames<'_>) -> u32 {
        self.summary.link_type(link);
        let index = self.interfaces.add(|| Interface {
            file: self.file,
            name: names.name.map(text),
            description: names.description.map(text),
            link,
            snap_len,
        });
        for comment in names.comments {
            self.summary.comment(CommentSubject::Interface(index), comment);
        }
        index
    }

    pub(super) fn packet_comment(&mut self, comment: &[u8]) {
        if self.packet_comments.len() < MAX_COMMENTS_OF_A_PACKET {
            self.packet_comments.push(comment.to_vec());
        } else {
            self.summary.comments_not_kept += 1;
        }
    }
}

/// What a pcapng Interface Description Block says in words.
#[derive(Default)]
pub(super) struct InterfaceNames<'a> {
    pub(super) name: Option<&'a [u8]>,
    pub(super) description: Option<&'a [u8]>,
    pub(super) comments: Vec<&'a [u8]>,
}

/// Names are shown in one line; longer ones do not occur outside of hostile files.
const MAX_NAME: usize = 256;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_NAME).unwrap_or(bytes)).into_owned()
}

/// The interfaces of all files, in the order in which they were met.
#[derive(Default)]
pub(super) struct Interfaces {
    pub(super) described: Vec<Interface>,
    met: u32,
}

const MAX_DESCRIBED: usize = 65_536;

impl Interfaces {
    fn add(&mut self, describe: impl FnOnce() -> Interface) -> u32 {
        let index = self.met;
        self.met = self.met.saturating_add(1);
        if self.described.len() < MAX_DESCRIBED {
            self.described.push(describe());
        }
        index
    }
}

/// A search for the next good record after damage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    began: u64,
    searched: u64,
    fault: &'static str,
}

impl Search {
    /// Notes the damage at the start of the step and begins behind its first byte.
    #[cold]
    pub(super) fn begin(context: &mut Context<'_>, fault: &'static str) -> (Self, Step) {
        context.damaged(fault);
        context.summary.skipped_bytes += 1;
        (Self { began: context.offset, searched: 0, fault }, Step::Skip(1))
    }

    /// Looks for a place where `good` holds. `Ok` has its distance from the start of the step, and the search is over.
    /// `Err` has the step to take before asking again.
    #[cold]
    pub(super) fn go_on(
        &mut self,
        bytes: &[u8],
        context: &mut Context<'_>,
        good: impl Fn(usize) -> bool,
    ) -> Result<usize, Step> {
        if !context.at_end && bytes.len() < SEARCH_VIEW {
            return Err(Step::Need(SEARCH_VIEW));
        }
        let step = bytes.len().min(SEARCH_STEP);
        let found = (0..step).find(|&at| good(at));
        let passed = found.unwrap_or(step);
        context.summary.skipped_bytes += passed as u64;
        if let Some(at) = found {
            return Ok(at);
        }
        self.searched += step as u64;
        if step == bytes.len() || self.searched >= SEARCH_LIMIT {
            return Err(Step::End(Some((self.began, Fault::Damaged(self.fault)))));
        }
        Err(Step::Skip(step))
    }
}

/// The decoder of one file.
#[derive(Clone)]
pub(super) enum Decoder {
    Pcap(Pcap),
    Pcapng(Pcapng),
    Snoop(Snoop),
}

impl Decoder {
    /// Takes what is at the start of `bytes` where it is an ordinary packet, and leaves everything else to
    /// [`Self::step`].
    #[inline]
    pub(super) fn ordinary(&mut self, bytes: &[u8], head: &mut Head) -> bool {
        match self {
            Decoder::Pcap(pcap) => pcap.ordinary(bytes, head),
            Decoder::Pcapng(pcapng) => pcapng.ordinary(bytes, head),
            Decoder::Snoop(_) => false,
        }
    }

    pub(super) fn step(&mut self, bytes: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        match self {
            Decoder::Pcap(pcap) => pcap.step(bytes, head, context),
            Decoder::Pcapng(pcapng) => pcapng.step(bytes, head, context),
            Decoder::Snoop(snoop) => snoop.step(bytes, head, context),
        }
    }
}
