//! From a frame of the ring to a record as a capture file would have it.
//!
//! In: a frame. Out: link type and bytes; a VLAN tag that the card or the kernel took off stands in its place again.
//! Never: a copy where the bytes are right as they lie.

use super::ring::Frame;
use crate::packet::LinkType;

/// Hardware types whose frames begin with an Ethernet header (linux/if_arp.h).
pub(super) const LIKE_ETHERNET: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];
/// `ARPHRD_RAWIP`, which libc does not have.
const RAWIP: u16 = 519;
/// Bytes of a cooked header, version 2 (LINKTYPE_LINUX_SLL2).
const COOKED: usize = 20;
/// Where a VLAN tag stands in an Ethernet frame: behind the two addresses (IEEE 802.1Q, clause 9).
const TAG_AT: usize = 12;

/// How packets of an interface begin. What is not known here, or has no header that a capture could show, gets a cooked one.
pub(super) const fn link_type(hardware: u16) -> LinkType {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => LinkType::ETHERNET,
        libc::ARPHRD_NONE | RAWIP => LinkType::RAW,
        libc::ARPHRD_IEEE80211 => LinkType::IEEE802_11,
        libc::ARPHRD_IEEE80211_PRISM => LinkType::IEEE802_11_PRISM,
        libc::ARPHRD_IEEE80211_RADIOTAP => LinkType::IEEE802_11_RADIOTAP,
        _ => LinkType::LINUX_SLL2,
    }
}

/// The bytes of a record and their length on the wire; `scratch` is where they are put together if they have to be.
pub(super) fn record<'a>(frame: &Frame<'a>, link: LinkType, scratch: &'a mut Vec<u8>) -> (&'a [u8], u32) {
    match (link, frame.vlan()) {
        (LinkType::LINUX_SLL2, vlan) => cooked(frame, vlan, scratch),
        (LinkType::ETHERNET, Some((protocol, control))) if frame.bytes.len() >= TAG_AT => {
            let (addresses, rest) = frame.bytes.split_at(TAG_AT);
            scratch.clear();
            scratch.extend_from_slice(addresses);
            scratch.extend_from_slice(&protocol.to_be_bytes());
            scratch.extend_from_slice(&control.to_be_bytes());
            scratch.extend_from_slice(rest);
            (scratch, frame.wire_len().saturating_add(4))
        }
        _ => (frame.bytes, frame.wire_len()),
    }
}

fn cooked<'a>(frame: &Frame<'a>, vlan: Option<(u16, u16)>, scratch: &'a mut Vec<u8>) -> (&'a [u8], u32) {
    let (length, sender) = frame.sender();
    let protocol = vlan.map_or(frame.protocol(), |(protocol, _)| protocol);
    scratch.clear();
    scratch.extend_from_slice(&protocol.to_be_bytes());
    scratch.extend_from_slice(&[0, 0]);
    scratch.extend_from_slice(&frame.index().to_be_bytes());
    scratch.extend_from_slice(&frame.hardware().to_be_bytes());
    scratch.extend_from_slice(&[frame.kind(), length]);
    scratch.extend_from_slice(&sender);
    if let Some((_, control)) = vlan {
        scratch.extend_from_slice(&control.to_be_bytes());
        scratch.extend_from_slice(&frame.protocol().to_be_bytes());
    }
    let header = scratch.len();
    scratch.extend_from_slice(frame.bytes.get(frame.link_header()..).unwrap_or_default());
    debug_assert!(header >= COOKED);
    (scratch, frame.wire_len().saturating_sub(frame.link_header() as u32).saturating_add(header as u32))
}

#[cfg(test)]
mod tests {
    use super::super::ring::fixture;
    use super::*;

    #[test]
    fn a_tag_that_was_taken_off_stands_behind_the_addresses_again() {
        let bytes = [[9; 12].as_slice(), &[8, 0, 0x45]].concat();
        let mut scratch = Vec::new();
        let said = fixture::head(115);
        let (record, wire) = record(&fixture::frame(&said, &bytes), LinkType::ETHERNET, &mut scratch);
        assert_eq!(record, [[9; 12].as_slice(), &[0x88, 0xa8, 0x20, 0x07, 8, 0, 0x45]].concat());
        assert_eq!(wire, 15 + 100 + 4);
    }

    #[test]
    fn a_cooked_header_names_interface_and_sender_and_keeps_the_tag() {
        let bytes = [[9; 14].as_slice(), &[0x45, 1]].concat();
        let mut scratch = Vec::new();
        let said = fixture::head(116);
        let (record, wire) = record(&fixture::frame(&said, &bytes), LinkType::LINUX_SLL2, &mut scratch);
        let head = [0x88, 0xa8, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0];
        assert_eq!(record, [head.as_slice(), &[0x20, 0x07, 8, 0, 0x45, 1]].concat());
        assert_eq!(wire, 2 + 100 + 24);
    }

    #[test]
    fn an_untagged_ethernet_frame_is_not_copied() {
        let bytes = [7; 60];
        let mut scratch = Vec::new();
        let head = fixture::untagged(60);
        let plain = fixture::frame(&head, &bytes);
        assert_eq!(record(&plain, LinkType::ETHERNET, &mut scratch).0.as_ptr(), bytes.as_ptr());
    }
}
