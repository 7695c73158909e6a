//! The headers around a message: Ethernet or cooked, IP, UDP or TCP.
//!
//! In: the start of a frame. Out: fields, and where they end. Never: tunnels, which have a field as a whole.

use super::{Tree, hex};
use crate::packet::LinkType;
use std::net::{Ipv4Addr, Ipv6Addr};

const IPV4: u64 = 0x0800;
const IPV6: u64 = 0x86dd;
const VLANS: [u64; 3] = [0x8100, 0x88a8, 0x9100];

/// Gives where the first byte behind them is.
pub(super) fn headers(tree: &mut Tree<'_>, link: LinkType) -> usize {
    let (at, kind) = match link {
        LinkType::ETHERNET => ethernet(tree),
        LinkType::LINUX_SLL => {
            tree.add("Linux cooked capture", "", 0..16);
            (16, tree.number(14, 2).unwrap_or(0))
        }
        LinkType::LINUX_SLL2 => {
            tree.add("Linux cooked capture v2", "", 0..20);
            (20, tree.number(0, 2).unwrap_or(0))
        }
        LinkType::NULL | LinkType::LOOP => {
            tree.add("Loopback", "", 0..4);
            (4, by_version(tree, 4))
        }
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            (0, by_version(tree, 0))
        }
        _ => return 0,
    };
    match kind {
        IPV4 => ipv4(tree, at),
        IPV6 => ipv6(tree, at),
        _ => Some(at),
    }
    .unwrap_or(at)
}

fn by_version(tree: &Tree<'_>, at: usize) -> u64 {
    match tree.number(at, 1).map(|first| first >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        _ => 0,
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn ethernet(tree: &mut Tree<'_>) -> (usize, u64) {
    let (to, from) = (mac(tree.slice(&(0..6))), mac(tree.slice(&(6..12))));
    let mut end = 14;
    let mut kind = tree.number(12, 2).unwrap_or(0);
    tree.within("Ethernet", format!("{from} → {to}"), 0..end, |tree| {
        tree.add("Destination", to, 0..6);
        tree.add("Source", from, 6..12);
        tree.hex("Type", 12, 2);
    });
    while VLANS.contains(&kind) && end < 64 {
        let tag = tree.number(end, 2).unwrap_or(0);
        tree.add("VLAN", format!("{}, priority {}", tag & 0xfff, tag >> 13), end..end + 4);
        kind = tree.number(end + 2, 2).unwrap_or(0);
        end += 4;
    }
    (end, kind)
}

fn ipv4(tree: &mut Tree<'_>, at: usize) -> Option<usize> {
    let address = |tree: &Tree<'_>, at| Some(Ipv4Addr::from(tree.number(at, 4)? as u32).to_string());
    let (from, to) = (address(tree, at + 12)?, address(tree, at + 16)?);
    let end = at + (tree.number(at, 1)? & 0xf) as usize * 4;
    let protocol = tree.number(at + 9, 1)?;
    let fragment = tree.number(at + 6, 2)?;
    tree.within("IPv4", format!("{from} → {to}"), at..end, |tree| {
        tree.hex("DSCP and ECN", at + 1, 1);
        tree.count("Total length", at + 2, 2);
        tree.hex("Identification", at + 4, 2);
        let more = if fragment & 0x2000 != 0 { ", more fragments" } else { "" };
        let whole = if fragment & 0x4000 != 0 { ", don't fragment" } else { "" };
        tree.add("Fragment offset", format!("{}{more}{whole}", (fragment & 0x1fff) * 8), at + 6..at + 8);
        tree.count("Time to live", at + 8, 1);
        tree.add("Protocol", protocol_name(protocol), at + 9..at + 10);
        tree.hex("Header checksum", at + 10, 2);
        tree.add("Source", from, at + 12..at + 16);
        tree.add("Destination", to, at + 16..at + 20);
        if end > at + 20 {
            tree.add("Options", hex(tree.slice(&(at + 20..end))), at + 20..end);
        }
    });
    if fragment & 0x1fff != 0 { Some(end) } else { transport(tree, end, protocol) }
}

fn ipv6(tree: &mut Tree<'_>, at: usize) -> Option<usize> {
    let address = |tree: &Tree<'_>, at: usize| {
        let bytes: [u8; 16] = tree.slice(&(at..at + 16)).try_into().ok()?;
        Some(Ipv6Addr::from(bytes).to_string())
    };
    let (from, to) = (address(tree, at + 8)?, address(tree, at + 24)?);
    let mut next = tree.number(at + 6, 1)?;
    let mut end = at + 40;
    tree.within("IPv6", format!("{from} → {to}"), at..end, |tree| {
        tree.count("Payload length", at + 4, 2);
        tree.add("Next header", protocol_name(next), at + 6..at + 7);
        tree.count("Hop limit", at + 7, 1);
        tree.add("Source", from, at + 8..at + 24);
        tree.add("Destination", to, at + 24..at + 40);
    });
    // Hop-by-hop options, routing, destination options (RFC 8200, section 4).
    while matches!(next, 0 | 43 | 60) && end < at + 512 {
        let length = (tree.number(end + 1, 1)? as usize + 1) * 8;
        tree.add("Extension header", format!("{next}"), end..end + length);
        next = tree.number(end, 1)?;
        end += length;
    }
    transport(tree, end, next)
}

fn protocol_name(number: u64) -> String {
    match number {
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        1 => "ICMP".to_owned(),
        58 => "ICMPv6".to_owned(),
        47 => "GRE".to_owned(),
        number => number.to_string(),
    }
}

fn transport(tree: &mut Tree<'_>, at: usize, protocol: u64) -> Option<usize> {
    let (from, to) = (tree.number(at, 2)?, tree.number(at + 2, 2)?);
    match protocol {
        17 => {
            tree.within("UDP", format!("port {from} → {to}"), at..at + 8, |tree| {
                tree.count("Source port", at, 2);
                tree.count("Destination port", at + 2, 2);
                tree.count("Length", at + 4, 2);
                tree.hex("Checksum", at + 6, 2);
            });
            Some(at + 8)
        }
        6 => {
            let end = at + (tree.number(at + 12, 1)? >> 4) as usize * 4;
            let flags = tree.number(at + 13, 1)?;
            const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
            let set = NAMES.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 != 0).map(|(_, name)| *name);
            let set = set.collect::<Vec<_>>().join(" ");
            tree.within("TCP", format!("port {from} → {to}, {set}"), at..end, |tree| {
                tree.count("Source port", at, 2);
                tree.count("Destination port", at + 2, 2);
                tree.count("Sequence number", at + 4, 4);
                tree.count("Acknowledgment number", at + 8, 4);
                tree.add("Flags", set.clone(), at + 13..at + 14);
                tree.count("Window", at + 14, 2);
                tree.hex("Checksum", at + 16, 2);
                if end > at + 20 {
                    tree.add("Options", hex(tree.slice(&(at + 20..end))), at + 20..end);
                }
            });
            Some(end)
        }
        _ => Some(at),
    }
}
