//! The pcapng blocks that say something about the capture without being a packet.
//!
//! In: the body of a block, its frame already checked. Out: finds in the file's summary.
//! Never: an error; what does not fit is left out.

use super::options::{COMMENT, Options};
use crate::source::decode::Context;
use crate::source::format::ByteOrder;
use crate::source::summary::CommentSubject;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Comments of a Section Header Block (draft-ietf-opsawg-pcapng, section 4.1).
pub(super) fn section(body: &[u8], order: ByteOrder, context: &mut Context<'_>) {
    for (code, value) in Options::new(body.get(16..).unwrap_or_default(), order) {
        if code == COMMENT {
            context.summary.comment(CommentSubject::Section, value);
        }
    }
}

/// Names of a Name Resolution Block (section 4.5).
pub(super) fn names(body: &[u8], order: ByteOrder, context: &mut Context<'_>) {
    /// `nrb_record_ipv4`.
    const IPV4: u16 = 1;
    /// `nrb_record_ipv6`.
    const IPV6: u16 = 2;
    // Records and options have the same frame, and the end of records that of the options.
    for (kind, value) in Options::new(body, order) {
        let (address, names) = match kind {
            IPV4 => match value.split_first_chunk::<4>() {
                Some((address, names)) => (IpAddr::V4(Ipv4Addr::from(*address)), names),
                None => continue,
            },
            IPV6 => match value.split_first_chunk::<16>() {
                Some((address, names)) => (IpAddr::V6(Ipv6Addr::from(*address)), names),
                None => continue,
            },
            _ => continue,
        };
        for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            context.summary.host(address, name);
        }
    }
}

/// The secrets of a Decryption Secrets Block (section 4.7).
pub(super) fn secrets(body: &[u8], order: ByteOrder, context: &mut Context<'_>) {
    let (Some(kind), Some(length)) = (order.u32_at(body, 0), order.u32_at(body, 4)) else { return };
    let data = body.get(8..).unwrap_or_default();
    context.summary.secrets(kind, data.get(..length as usize).unwrap_or(data));
}

/// Packets lost by an interface up to an Interface Statistics Block (section 4.6): `isb_ifdrop` and `isb_osdrop`.
/// `None` where it names neither.
pub(super) fn drops(body: &[u8], order: ByteOrder) -> Option<u64> {
    /// `isb_ifdrop`: dropped by the interface for lack of resources.
    const IF_DROP: u16 = 5;
    /// `isb_osdrop`: dropped by the operating system.
    const OS_DROP: u16 = 7;
    Options::new(body.get(12..).unwrap_or_default(), order)
        .filter(|(code, _)| matches!(*code, IF_DROP | OS_DROP))
        .filter_map(|(_, value)| order.u64_at(value, 0))
        .reduce(u64::saturating_add)
}

/// Comments and drop count of a packet's options (section 4.3).
pub(super) fn packet(options: &[u8], order: ByteOrder, context: &mut Context<'_>) {
    /// `epb_dropcount`: packets lost since the one before.
    const DROP_COUNT: u16 = 4;
    for (code, value) in Options::new(options, order) {
        match code {
            COMMENT => context.packet_comment(value),
            DROP_COUNT => {
                if let Some(count) = order.u64_at(value, 0) {
                    let sum = context.summary.counted_drops.unwrap_or(0);
                    context.summary.counted_drops = Some(sum.saturating_add(count));
                }
            }
            _ => {}
        }
    }
}
