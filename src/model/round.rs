//! The datagrams of some records, in order by shard: what the front hands on before the shards look at it.
//!
//! In: what the front found in records. Out: the same to each shard, all that is its own at once, so that its state is in the
//! cache meanwhile. Never: another order within a shard than that of the capture.

use super::analyzer::{FrontSink, SHARDS, shard_of, shard_of_media};
use super::forget::Memory;
use super::media::Media;
use super::media_context::Announcement;
use super::shard::{Framing, Look, Shard};
use crate::net::{Carrier, Datagram, FiveTuple};
use crate::proto::demux::{Class as Proposal, Reason};
use crate::time::Timestamp;
use std::sync::Arc;

/// Records of a usual round.
pub(super) const ROUND: usize = 8192;
/// Bytes copied (where the capture is not mapped) that end a round early.
pub(super) const ROUND_BYTES: usize = 4 << 20;
/// Copied bytes that weigh as much as a record.
const BYTES_PER_WEIGHT: usize = ROUND_BYTES / ROUND;

/// One batch per shard.
#[derive(Default)]
pub(super) struct Round<'m> {
    pub(super) batches: Vec<Batch<'m>>,
    pub(super) copied: usize,
}

/// Datagrams of one shard in capture order.
pub(super) struct Batch<'m> {
    /// Time of the first record of the capture.
    pub(super) start: Timestamp,
    media: Vec<Media>,
    /// Everything else, with how much of `media` comes before it.
    others: Vec<(usize, Other<'m>)>,
    copies: Vec<u8>,
}

struct Other<'m> {
    carrier: Carrier,
    flow: FiveTuple,
    missing: u32,
    framing: Framing,
    look: Look,
    content: Content<'m>,
}

enum Content<'m> {
    Mapped(&'m [u8]),
    Copied { start: usize, len: usize },
    Announcement(Arc<Announcement>),
}

impl Default for Batch<'_> {
    /// With room for its share of a round of nothing but media, and some more.
    fn default() -> Self {
        Self {
            start: Timestamp::default(),
            media: Vec::with_capacity(ROUND / SHARDS * 3 / 2),
            others: Vec::new(),
            copies: Vec::new(),
        }
    }
}

impl<'m> Batch<'m> {
    /// What it holds, in records and what copies come to in records.
    pub(super) fn weight(&self) -> usize {
        self.media.len() + self.others.len() + self.copies.len() / BYTES_PER_WEIGHT
    }

    fn push(&mut self, other: Other<'m>) {
        self.others.push((self.media.len(), other));
    }

    #[inline(never)]
    fn copy(&mut self, payload: &[u8], copied: &mut usize) -> Content<'m> {
        let start = self.copies.len();
        self.copies.extend_from_slice(payload);
        *copied += payload.len();
        Content::Copied { start, len: payload.len() }
    }

    pub(super) fn drain_into(&mut self, shard: &mut Shard) {
        shard.starts_at(self.start);
        let mut done = 0;
        for (before, other) in &self.others {
            shard.media(self.media.get(done..*before).unwrap_or_default());
            other.to_shard(&self.copies, shard);
            done = *before;
        }
        shard.media(self.media.get(done..).unwrap_or_default());
        self.media.clear();
        self.others.clear();
        self.copies.clear();
    }
}

impl Other<'_> {
    fn to_shard(&self, copies: &[u8], shard: &mut Shard) {
        let payload = match &self.content {
            Content::Mapped(payload) => payload,
            Content::Copied { start, len } => copies.get(*start..start + len).unwrap_or_default(),
            Content::Announcement(announcement) => {
                shard.announce(announcement);
                return;
            }
        };
        let datagram = Datagram { carrier: self.carrier, flow: self.flow, missing: self.missing, payload };
        shard.datagram(&datagram, self.framing, self.look);
    }
}

impl<'m> Round<'m> {
    /// Where the front puts what it found in a record; `memory` is who remembers what was announced, where something may leave.
    pub(super) fn sink<'r>(
        &'r mut self,
        mapped: Option<&'m [u8]>,
        memory: Option<&'r mut Memory>,
    ) -> RoundSink<'r, 'm> {
        RoundSink { round: self, mapped, memory }
    }
}

pub(super) struct RoundSink<'r, 'm> {
    round: &'r mut Round<'m>,
    /// The record, where its bytes outlive the round.
    mapped: Option<&'m [u8]>,
    memory: Option<&'r mut Memory>,
}

impl FrontSink for RoundSink<'_, '_> {
    #[inline(always)]
    fn media(&mut self, media: Media) {
        self.round.batches[shard_of_media(&media)].media.push(media);
    }

    fn datagram(&mut self, datagram: &Datagram<'_>, framing: Framing, look: Look) {
        let batch = &mut self.round.batches[shard_of(&datagram.flow)];
        let content = match self.mapped.and_then(|record| same_bytes_of(record, datagram.payload)) {
            Some(payload) => Content::Mapped(payload),
            None => batch.copy(datagram.payload, &mut self.round.copied),
        };
        let Datagram { carrier, flow, missing, .. } = *datagram;
        batch.push(Other { carrier, flow, missing, framing, look, content });
    }

    fn announce(&mut self, announcement: &Arc<Announcement>, datagram: &Datagram<'_>) {
        for batch in &mut self.round.batches {
            batch.push(Other {
                carrier: datagram.carrier,
                flow: datagram.flow,
                missing: 0,
                framing: Framing::Datagram,
                look: Look::Other(Proposal::Unknown(Reason::Empty)),
                content: Content::Announcement(Arc::clone(announcement)),
            });
        }
        if let Some(memory) = &mut self.memory {
            memory.announced(announcement);
        }
    }
}

/// The part of `record` that `payload` is, with the lifetime of `record`; none where it lies elsewhere (reassembled).
#[inline]
fn same_bytes_of<'m>(record: &'m [u8], payload: &[u8]) -> Option<&'m [u8]> {
    let start = (payload.as_ptr() as usize).checked_sub(record.as_ptr() as usize)?;
    record.get(start..start.checked_add(payload.len())?)
}
