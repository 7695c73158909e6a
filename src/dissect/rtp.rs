//! RTP packets (RFC 3550, section 5.1).
//!
//! In: bytes with such a header. Out: its fields, extensions one by one. Never: the payload, which only a codec can read.

use super::{Tree, hex};
use crate::proto::rtp::RtpPacket;
use std::ops::Range;

/// RFC 8285, section 4.2, and the mask of section 4.3.
const ONE_BYTE: u64 = 0xbede;
const TWO_BYTES: u64 = 0x100;

pub(super) fn packet(tree: &mut Tree<'_>, at: Range<usize>) {
    let Ok(packet) = RtpPacket::parse(tree.slice(&at)) else { return tree.add("RTP", "cannot be read", at) };
    let (start, header) = (at.start, packet.header);
    let title =
        format!("payload type {}, sequence {}, SSRC 0x{:08x}", header.payload_type(), header.sequence, header.ssrc.0);
    let end = (start + packet.header_len()).min(at.end);
    tree.within("RTP", title, at.clone(), |tree| {
        let flag = |is_set: bool| if is_set { "yes" } else { "no" };
        tree.add("Version", "2", start..start + 1);
        tree.add("Padding", flag(header.has_padding()), start..start + 1);
        tree.add("Extension", flag(header.has_extension()), start..start + 1);
        tree.add("CSRC count", header.csrc_count().to_string(), start..start + 1);
        tree.add("Marker", flag(header.marker()), start + 1..start + 2);
        tree.add("Payload type", header.payload_type().to_string(), start + 1..start + 2);
        tree.count("Sequence number", start + 2, 2);
        tree.count("Timestamp", start + 4, 4);
        tree.hex("SSRC", start + 8, 4);
        for number in 0..header.csrc_count() {
            tree.hex("CSRC", start + 12 + number * 4, 4);
        }
        if header.has_extension() {
            extension(tree, start + 12 + header.csrc_count() * 4);
        }
        if end < at.end {
            tree.add("Payload", format!("{} bytes", at.end - end), end..at.end);
        }
    });
}

fn extension(tree: &mut Tree<'_>, at: usize) {
    let (Some(profile), Some(length)) = (tree.number(at, 2), tree.number(at + 2, 2)) else { return };
    let end = at + 4 + length as usize * 4;
    tree.within("Header extension", format!("profile 0x{profile:04x}, {} bytes", length * 4), at..end, |tree| {
        let is_short = profile == ONE_BYTE;
        if !is_short && profile >> 4 != TWO_BYTES {
            return;
        }
        let mut next = at + 4;
        while next < end {
            let Some(first) = tree.number(next, 1) else { return };
            // A byte of padding.
            if first == 0 {
                next += 1;
                continue;
            }
            let (id, length, head) = if is_short {
                (first >> 4, (first & 0xf) as usize + 1, 1)
            } else {
                (first, tree.number(next + 1, 1).unwrap_or(0) as usize, 2)
            };
            if is_short && id == 15 {
                return;
            }
            let value = next + head..(next + head + length).min(end);
            tree.add(format!("Element {id}"), hex(tree.slice(&value)), next..value.end);
            next += head + length;
        }
    });
}
