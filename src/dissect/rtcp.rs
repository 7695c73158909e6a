//! RTCP compounds (RFC 3550, section 6), and what of SRTCP is in the clear.
//!
//! In: bytes whose first packet is RTCP. Out: fields of each packet. Never: encrypted bytes read as if they were not.

use super::{Tree, hex, words};
use crate::proto::rtcp::{self, Message, RtcpPacket, RtcpShape, packet_type, packet_type_name};
use std::ops::Range;

pub(super) fn compound(tree: &mut Tree<'_>, at: Range<usize>) {
    let bytes = tree.slice(&at);
    if !matches!(rtcp::shape(bytes, 0), RtcpShape::Plain) {
        return tree.within("SRTCP", "encrypted behind the first header", at.clone(), |tree| {
            header(tree, at.start);
            tree.hex("Sender SSRC", at.start + 4, 4);
            tree.add("Encrypted", format!("{} bytes", at.len().saturating_sub(8)), at.start + 8..at.end);
        });
    }
    for packet in rtcp::packets(bytes) {
        one(tree, at.start + packet.offset, &packet);
    }
}

fn header(tree: &mut Tree<'_>, at: usize) {
    let count = tree.number(at, 1).unwrap_or(0) & 0x1f;
    tree.add("Count or format", count.to_string(), at..at + 1);
    let number = tree.number(at + 1, 1).unwrap_or(0);
    let name = u8::try_from(number).ok().and_then(packet_type_name).unwrap_or("unknown");
    tree.add("Packet type", format!("{number} ({name})"), at + 1..at + 2);
    tree.count("Length", at + 2, 2);
}

fn one(tree: &mut Tree<'_>, at: usize, packet: &RtcpPacket<'_>) {
    let end = at + packet.bytes.len();
    let name = packet_type_name(packet.packet_type).unwrap_or("unknown");
    tree.within(format!("RTCP {name}"), feedback_name(packet), at..end, |tree| {
        header(tree, at);
        match packet.message().0 {
            Message::SenderReport(report) => {
                tree.hex("Sender SSRC", at + 4, 4);
                let seconds = report.ntp as f64 / 4_294_967_296.0;
                tree.add("NTP timestamp", format!("{seconds:.6} s since 1900"), at + 8..at + 16);
                tree.count("RTP timestamp", at + 16, 4);
                tree.count("Packets sent", at + 20, 4);
                tree.count("Octets sent", at + 24, 4);
                (0..report.blocks.len()).for_each(|number| block(tree, at + 28 + number * 24));
            }
            Message::ReceiverReport(report) => {
                tree.hex("Sender SSRC", at + 4, 4);
                (0..report.blocks.len()).for_each(|number| block(tree, at + 8 + number * 24));
            }
            Message::SourceDescription(_) => chunks(tree, at + 4, end),
            Message::Bye(_) => {
                (0..usize::from(packet.count)).for_each(|number| {
                    tree.hex("SSRC", at + 4 + number * 4, 4);
                });
            }
            Message::Feedback(_) | Message::CongestionControl(_) => {
                tree.hex("Sender SSRC", at + 4, 4);
                tree.hex("Media SSRC", at + 8, 4);
                control(tree, at + 12, end, packet);
            }
            _ => {
                tree.hex("SSRC", at + 4, 4);
                tree.add("Content", hex(tree.slice(&(at + 8..end))), at + 8..end);
            }
        }
    });
}

/// RFC 4585, section 6; RFC 5104, section 4; RFC 8888; drafts of REMB and transport-wide feedback.
fn feedback_name(packet: &RtcpPacket<'_>) -> &'static str {
    match (packet.packet_type, packet.count) {
        (packet_type::TRANSPORT_FEEDBACK, 1) => "generic NACK",
        (packet_type::TRANSPORT_FEEDBACK, 11) => "congestion control feedback",
        (packet_type::TRANSPORT_FEEDBACK, 15) => "transport-wide feedback",
        (packet_type::PAYLOAD_FEEDBACK, 1) => "picture loss indication",
        (packet_type::PAYLOAD_FEEDBACK, 4) => "full intra request",
        (packet_type::PAYLOAD_FEEDBACK, 15) if packet.bytes.get(12..16) == Some(b"REMB") => "REMB",
        _ => "",
    }
}

fn block(tree: &mut Tree<'_>, at: usize) {
    let about = tree.number(at, 4).unwrap_or(0);
    tree.within("Report block", format!("about 0x{about:08x}"), at..at + 24, |tree| {
        tree.hex("SSRC", at, 4);
        let fraction = tree.number(at + 4, 1).unwrap_or(0);
        tree.add("Fraction lost", format!("{:.1} %", fraction as f64 * 100.0 / 256.0), at + 4..at + 5);
        let lost = tree.number(at + 5, 3).unwrap_or(0) as i32;
        // 24 bits with a sign.
        tree.add("Cumulative lost", (lost << 8 >> 8).to_string(), at + 5..at + 8);
        tree.count("Highest sequence", at + 8, 4);
        tree.count("Jitter", at + 12, 4);
        tree.hex("Last SR", at + 16, 4);
        let delay = tree.number(at + 20, 4).unwrap_or(0);
        tree.add("Delay since last SR", format!("{:.1} ms", delay as f64 * 1000.0 / 65_536.0), at + 20..at + 24);
    });
}

/// Chunks of SDES (RFC 3550, section 6.5).
fn chunks(tree: &mut Tree<'_>, mut at: usize, end: usize) {
    const ITEMS: [&str; 8] = ["CNAME", "NAME", "EMAIL", "PHONE", "LOC", "TOOL", "NOTE", "PRIV"];
    while at + 4 < end {
        let start = at;
        tree.hex("SSRC", at, 4);
        at += 4;
        while at < end {
            let Some(kind) = tree.number(at, 1).filter(|kind| *kind != 0) else { break };
            let length = tree.number(at + 1, 1).unwrap_or(0) as usize;
            let name = ITEMS.get(kind as usize - 1).copied().unwrap_or("Item");
            let value = at + 2..(at + 2 + length).min(end);
            tree.add(name, words(tree.slice(&value)), at..value.end);
            at += 2 + length;
        }
        // At least one zero ends a chunk, up to the next word.
        at = start + (at + 1 - start).next_multiple_of(4);
    }
}

fn control(tree: &mut Tree<'_>, at: usize, end: usize, packet: &RtcpPacket<'_>) {
    match (packet.packet_type, packet.count) {
        (packet_type::TRANSPORT_FEEDBACK, 1) => {
            let mut next = at;
            while next + 4 <= end {
                let (first, mask) = (tree.number(next, 2).unwrap_or(0), tree.number(next + 2, 2).unwrap_or(0));
                let more = (0..16).filter(|bit| mask >> bit & 1 != 0).map(|bit| (first + bit + 1) & 0xffff);
                let lost: Vec<String> = [first].into_iter().chain(more).map(|number| number.to_string()).collect();
                tree.add("Lost", lost.join(" "), next..next + 4);
                next += 4;
            }
        }
        (packet_type::PAYLOAD_FEEDBACK, 4) => {
            let mut next = at;
            while next + 8 <= end {
                tree.hex("SSRC", next, 4);
                tree.count("Command sequence", next + 4, 1);
                next += 8;
            }
        }
        (packet_type::PAYLOAD_FEEDBACK, 15) if tree.slice(&(at..at + 4)) == b"REMB" => {
            let exponent = tree.number(at + 5, 1).unwrap_or(0) >> 2;
            let mantissa = tree.number(at + 5, 3).unwrap_or(0) & 0x3_ffff;
            tree.add("Bitrate", format!("{} bit/s", mantissa << exponent.min(45)), at + 5..at + 8);
            (at + 8..end.saturating_sub(3)).step_by(4).for_each(|at| {
                tree.hex("SSRC", at, 4);
            });
        }
        (packet_type::TRANSPORT_FEEDBACK, 15) => {
            tree.count("Base sequence", at, 2);
            tree.count("Packet status count", at + 2, 2);
            let reference = tree.number(at + 4, 3).unwrap_or(0);
            tree.add("Reference time", format!("{} ms", reference * 64), at + 4..at + 7);
            tree.count("Feedback count", at + 7, 1);
            tree.add("Chunks and deltas", hex(tree.slice(&(at + 8..end))), at + 8..end);
        }
        _ if at < end => tree.add("Control information", hex(tree.slice(&(at..end))), at..end),
        _ => {}
    }
}
