//! snoop, RFC 1761.
//!
//! In: the bytes from the file header on. Out: a [`Step`] for each record.
//! Never: a search behind damage: a damaged snoop file ends where the damage is.

#![forbid(unsafe_code)]

use super::decode::{Context, Head, InterfaceNames, MAX_PACKET, Step};
use super::error::Fault;
use super::format::ByteOrder;
use crate::packet::LinkType;
use crate::time::Timestamp;

/// Bytes of the file header (RFC 1761, section 2).
pub(super) const FILE_HEADER: usize = 16;

/// Bytes of a packet record before its data (RFC 1761, section 3).
const RECORD_HEADER: usize = 24;

/// The walk over one file, from its header on.
#[derive(Clone)]
pub(super) struct Snoop {
    link: LinkType,
    interface: Option<u32>,
}

impl Snoop {
    /// `None` where the file header has a datalink type that is not read.
    pub(super) fn new(file_header: &[u8]) -> Option<Self> {
        // RFC 1761, section 2: 0 is IEEE 802.3, 4 is Ethernet, 8 is FDDI.
        let link = match ByteOrder::Big.u32_at(file_header, 12)? {
            0 | 4 => LinkType::ETHERNET,
            8 => LinkType::FDDI,
            _ => return None,
        };
        Some(Self { link, interface: None })
    }

    pub(super) fn step(&mut self, bytes: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        let Some(interface) = self.interface else {
            self.interface = Some(context.interface(self.link, 0, InterfaceNames::default()));
            return Step::Skip(FILE_HEADER);
        };
        let field = |at| ByteOrder::Big.u32_at(bytes, at);
        let (Some(original), Some(included), Some(length), Some(drops), Some(seconds), Some(micros)) =
            (field(0), field(4), field(8), field(12), field(16), field(20))
        else {
            return context.need(RECORD_HEADER, bytes.len());
        };
        let (included, length) = (included as usize, length as usize);
        let end = RECORD_HEADER.saturating_add(included);
        if included > MAX_PACKET || length < end || length > end.saturating_add(USUAL_PADDING) {
            return Step::End(Some((context.offset, Fault::Damaged("a record length that cannot be"))));
        }
        if bytes.len() < length {
            return context.need(length, bytes.len());
        }
        // Counted from the start of the capture, so the last one is the sum.
        context.summary.counted_drops = Some(u64::from(drops));
        *head = Head {
            ts: Timestamp::from_parts(i64::from(seconds), i64::from(micros) * 1000),
            interface,
            link: self.link,
            wire_len: original.max(included as u32),
            start: RECORD_HEADER,
            end,
            next: length,
        };
        Step::Record
    }
}

/// The pad brings a record to a multiple of four bytes; more than this is no pad.
const USUAL_PADDING: usize = 64;
