//! pcapng: sections, interfaces, packets, and the blocks around them.
//!
//! In: the bytes from the first Section Header Block on. Out: a [`Step`] for each block.
//! Never: trust in a block length that its repetition at the block's end does not confirm.
//!
//! Section numbers are those of <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>.

#![forbid(unsafe_code)]

mod clock;
mod notes;
mod options;
mod write;

use super::decode::{Context, Head, InterfaceNames, MAX_BLOCK, MAX_PACKET, Search, Step};
use super::format::{ByteOrder, SECTION_HEADER};
use crate::packet::LinkType;
use crate::time::Timestamp;
use clock::Clock;
use options::{COMMENT, Options};
pub use write::PcapngWriter;

/// Bytes of the smallest Section Header Block.
pub(super) const FILE_HEADER: usize = 28;

// Block types (section 11.1).
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const SYSTEMD_JOURNAL: u32 = 9;
const DECRYPTION_SECRETS: u32 = 10;
const SECTION: u32 = 0x0a0d_0d0a;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;

/// Type, length, and the length again at the end (section 3.1).
const FRAME: usize = 12;

/// Interfaces of one section; no capturing machine has as many.
const MAX_INTERFACES: usize = 65_536;

/// A search accepts no block longer than this, so that the whole block is in view.
const MAX_FOUND: usize = 1 << 20;

/// The walk over one file, from its first Section Header Block on.
#[derive(Clone)]
pub(super) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<SectionInterface>,
    /// The time of the last packet, for Simple Packet Blocks, which have none.
    last: Timestamp,
    search: Option<Search>,
}

/// An interface of the current section.
#[derive(Clone, Copy)]
struct SectionInterface {
    index: u32,
    link: LinkType,
    snap_len: u32,
    clock: Clock,
    /// What its last Interface Statistics Block said.
    dropped: u64,
}

impl Pcapng {
    pub(super) const fn new(order: ByteOrder) -> Self {
        Self { order, interfaces: Vec::new(), last: Timestamp::from_nanos(0), search: None }
    }

    /// Takes the block at the start of `bytes` where it is a packet without options and nothing is remarkable about it;
    /// this is the hot path.
    #[inline]
    pub(super) fn ordinary(&mut self, bytes: &[u8], head: &mut Head) -> bool {
        if self.search.is_some() || self.order.u32_at(bytes, 0) != Some(ENHANCED_PACKET) {
            return false;
        }
        let Some(total) = self.order.u32_at(bytes, 4) else { return false };
        let Some(body) = self.body(bytes, total as usize) else { return false };
        matches!(self.enhanced_packet(body, head), Ok(end) if body.len() - end < 4)
    }

    pub(super) fn step(&mut self, bytes: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        if let Some(search) = self.search {
            return self.go_on_searching(search, bytes, context);
        }
        let Some((kind, total)) = self.block_header(bytes) else {
            return self.no_block_header(bytes, context);
        };
        if !(FRAME..=MAX_BLOCK).contains(&total) {
            return self.search(context, "a block length that cannot be");
        }
        if bytes.len() < total {
            return self.cut_short(kind, total, bytes, context);
        }
        match self.body(bytes, total) {
            Some(body) => self.block(kind, body, head, context),
            None => self.search(context, "a block whose two lengths differ"),
        }
    }

    /// What is between the two lengths of a block, where they agree.
    #[inline]
    fn body<'a>(&self, bytes: &'a [u8], total: usize) -> Option<&'a [u8]> {
        let behind = total.checked_sub(4)?;
        let body = bytes.get(8..behind)?;
        (self.order.u32_at(bytes, behind)? as usize == total && total <= MAX_BLOCK).then_some(body)
    }

    /// Type and length of the block; a section header changes the byte order first.
    fn block_header(&mut self, bytes: &[u8]) -> Option<(u32, usize)> {
        if bytes.len() < FRAME {
            return None;
        }
        if bytes.starts_with(&SECTION_HEADER) {
            self.order = ByteOrder::of_section(bytes)?;
        }
        Some((self.order.u32_at(bytes, 0)?, self.order.u32_at(bytes, 4)? as usize))
    }

    #[cold]
    fn no_block_header(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Step {
        if bytes.len() < FRAME {
            return context.need(FRAME, bytes.len());
        }
        self.search(context, "a section header without a byte order")
    }

    /// The block does not end within the bytes at hand. At the end of the file this is a truncated block where its
    /// fields agree with its length; otherwise it is the length that is damaged, and good blocks may follow.
    #[cold]
    fn cut_short(&mut self, kind: u32, total: usize, bytes: &[u8], context: &mut Context<'_>) -> Step {
        if !context.at_end {
            return Step::Need(total);
        }
        let in_doubt = match (kind, self.order.u32_at(bytes, 20)) {
            (ENHANCED_PACKET | OBSOLETE_PACKET, Some(captured)) => {
                let packet = (captured as usize).saturating_add(32);
                packet > total || total - packet > MAX_FOUND
            }
            (ENHANCED_PACKET | OBSOLETE_PACKET, None) => false,
            _ => total > MAX_FOUND,
        };
        if in_doubt {
            return self.search(context, "a block that ends behind the end of the file");
        }
        context.need(total, bytes.len())
    }

    /// Section 4.3. Returns where the packet ends in the body.
    #[inline]
    fn enhanced_packet(&mut self, body: &[u8], head: &mut Head) -> Result<usize, &'static str> {
        let field = |at| self.order.u32_at(body, at).ok_or("an Enhanced Packet Block shorter than its fields");
        let packet = PacketFields {
            interface: field(0)?,
            high: field(4)?,
            low: field(8)?,
            captured: field(12)?,
            original: field(16)?,
        };
        self.packet(packet, body, head)
    }

    /// A packet that begins at byte 20 of the body.
    #[inline]
    fn packet(&mut self, packet: PacketFields, body: &[u8], head: &mut Head) -> Result<usize, &'static str> {
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return Err("a packet of an interface that is not described");
        };
        let captured = packet.captured as usize;
        let end = 20_usize.saturating_add(captured);
        if captured > MAX_PACKET || end > body.len() {
            return Err("a packet longer than its block");
        }
        *head = Head {
            ts: interface.clock.at(packet.high, packet.low),
            interface: interface.index,
            link: interface.link,
            wire_len: packet.original.max(packet.captured),
            start: 8 + 20,
            end: 8 + end,
            next: body.len() + FRAME,
        };
        self.last = head.ts;
        Ok(end)
    }

    fn block(&mut self, kind: u32, body: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        let packet = match kind {
            ENHANCED_PACKET => self.enhanced_packet(body, head),
            OBSOLETE_PACKET => self.obsolete_packet(body, head, context),
            SIMPLE_PACKET => self.simple_packet(body, head, context),
            _ => return self.other_block(kind, body, context),
        };
        match packet {
            Ok(end) => {
                notes::packet(body.get(end.next_multiple_of(4)..).unwrap_or_default(), self.order, context);
                Step::Record
            }
            Err(fault) => skip_block(body, context, fault),
        }
    }

    fn other_block(&mut self, kind: u32, body: &[u8], context: &mut Context<'_>) -> Step {
        match kind {
            SECTION => {
                self.interfaces.clear();
                notes::section(body, self.order, context);
            }
            INTERFACE_DESCRIPTION => return self.interface_description(body, context),
            NAME_RESOLUTION => notes::names(body, self.order, context),
            INTERFACE_STATISTICS => self.interface_statistics(body, context),
            DECRYPTION_SECRETS => notes::secrets(body, self.order, context),
            _ => {}
        }
        Step::Skip(body.len() + FRAME)
    }

    /// Section 4.2.
    fn interface_description(&mut self, body: &[u8], context: &mut Context<'_>) -> Step {
        const IF_NAME: u16 = 2;
        const IF_DESCRIPTION: u16 = 3;
        const IF_TSRESOL: u16 = 9;
        const IF_TSOFFSET: u16 = 14;
        let (Some(link), Some(snap_len)) = (self.order.u16_at(body, 0), self.order.u32_at(body, 4)) else {
            return skip_block(body, context, "an Interface Description Block shorter than its fields");
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            return skip_block(body, context, "more than 65536 interfaces in a section");
        }
        let (mut resolution, mut offset) = (None, 0);
        let mut names = InterfaceNames::default();
        for (code, value) in Options::new(body.get(8..).unwrap_or_default(), self.order) {
            match code {
                IF_NAME => names.name = Some(value),
                IF_DESCRIPTION => names.description = Some(value),
                IF_TSRESOL => resolution = value.first().copied(),
                IF_TSOFFSET => offset = self.order.u64_at(value, 0).unwrap_or(0).cast_signed(),
                COMMENT if names.comments.len() < 64 => names.comments.push(value),
                COMMENT => context.summary.comments_not_kept += 1,
                _ => {}
            }
        }
        let link = LinkType(link);
        let index = context.interface(link, snap_len, names);
        self.interfaces.push(SectionInterface {
            index,
            link,
            snap_len,
            clock: Clock::new(resolution, offset),
            dropped: 0,
        });
        Step::Skip(body.len() + FRAME)
    }

    /// Section 4.4: no interface (it is the first), no time, no options, and no captured length but the snap length and
    /// that of the block.
    fn simple_packet(&self, body: &[u8], head: &mut Head, context: &mut Context<'_>) -> Result<usize, &'static str> {
        let (Some(original), Some(interface)) = (self.order.u32_at(body, 0), self.interfaces.first()) else {
            return Err("a Simple Packet Block without a length or an interface");
        };
        let limit = if interface.snap_len == 0 { usize::MAX } else { interface.snap_len as usize };
        let captured = (original as usize).min(limit).min(body.len() - 4);
        if captured > MAX_PACKET {
            return Err("a packet longer than 16 MiB");
        }
        context.summary.packets_without_time += 1;
        *head = Head {
            ts: self.last,
            interface: interface.index,
            link: interface.link,
            wire_len: original,
            start: 8 + 4,
            end: 8 + 4 + captured,
            next: body.len() + FRAME,
        };
        Ok(body.len())
    }

    /// Appendix A: as the enhanced one, but a 16-bit interface and a 16-bit drop count in place of the first field.
    fn obsolete_packet(
        &mut self,
        body: &[u8],
        head: &mut Head,
        context: &mut Context<'_>,
    ) -> Result<usize, &'static str> {
        /// The drop count where it is not known.
        const UNKNOWN: u16 = 0xffff;
        const SHORT: &str = "a Packet Block shorter than its fields";
        let order = self.order;
        let field = |at| order.u32_at(body, at).ok_or(SHORT);
        let packet = PacketFields {
            interface: order.u16_at(body, 0).ok_or(SHORT)?.into(),
            high: field(4)?,
            low: field(8)?,
            captured: field(12)?,
            original: field(16)?,
        };
        let end = self.packet(packet, body, head)?;
        if let Some(drops) = order.u16_at(body, 2).filter(|&drops| drops != UNKNOWN) {
            let sum = context.summary.counted_drops.unwrap_or(0);
            context.summary.counted_drops = Some(sum.saturating_add(drops.into()));
        }
        Ok(end)
    }

    /// Section 4.6. The counts are sums since the start of the capture, so the last block of an interface holds.
    fn interface_statistics(&mut self, body: &[u8], context: &mut Context<'_>) {
        let interface = self.order.u32_at(body, 0).and_then(|id| self.interfaces.get_mut(id as usize));
        let (Some(interface), Some(dropped)) = (interface, notes::drops(body, self.order)) else { return };
        let others = context.summary.statistics_drops.unwrap_or(0).saturating_sub(interface.dropped);
        context.summary.statistics_drops = Some(others.saturating_add(dropped));
        interface.dropped = dropped;
    }

    fn search(&mut self, context: &mut Context<'_>, fault: &'static str) -> Step {
        let (search, step) = Search::begin(context, fault);
        self.search = Some(search);
        step
    }

    #[cold]
    fn go_on_searching(&mut self, mut search: Search, bytes: &[u8], context: &mut Context<'_>) -> Step {
        let found = search.go_on(bytes, context, |at| self.is_block(bytes.get(at..).unwrap_or_default()));
        self.search = if found.is_ok() { None } else { Some(search) };
        found.map_or_else(|step| step, Step::Skip)
    }

    /// A block that nothing speaks against: a known type, and two equal lengths, a multiple of four.
    fn is_block(&self, bytes: &[u8]) -> bool {
        let is_section = bytes.starts_with(&SECTION_HEADER);
        let order = if is_section { ByteOrder::of_section(bytes) } else { Some(self.order) };
        let Some(order) = order else { return false };
        let (Some(kind), Some(total)) = (order.u32_at(bytes, 0), order.u32_at(bytes, 4)) else { return false };
        let known = matches!(
            kind,
            SECTION | INTERFACE_DESCRIPTION
                ..=ENHANCED_PACKET | SYSTEMD_JOURNAL | DECRYPTION_SECRETS | CUSTOM | CUSTOM_NOT_COPIED
        );
        let length = total as usize;
        known
            && total % 4 == 0
            && (FRAME..=MAX_FOUND).contains(&length)
            && order.u32_at(bytes, length - 4) == Some(total)
    }
}

/// The fields that a packet block begins with.
#[derive(Clone, Copy)]
struct PacketFields {
    interface: u32,
    high: u32,
    low: u32,
    captured: u32,
    original: u32,
}

/// Passes over a block whose frame is sound and whose content is not.
#[cold]
fn skip_block(body: &[u8], context: &mut Context<'_>, fault: &'static str) -> Step {
    let length = body.len() + FRAME;
    context.damaged(fault);
    context.summary.skipped_bytes += length as u64;
    Step::Skip(length)
}
