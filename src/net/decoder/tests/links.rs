//! Link headers of every kind around the same packet.

use super::*;

const SNAP_IP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
const ADDRESSES: [u8; 18] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3];

fn cooked(hardware: u16, protocol: u16, content: &[u8]) -> Vec<u8> {
    joined(&[&[0, 0], &hardware.to_be_bytes(), &[0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &protocol.to_be_bytes(), content])
}

fn cooked_v2(protocol: u16, content: &[u8]) -> Vec<u8> {
    let rest = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    joined(&[&protocol.to_be_bytes(), &rest, content])
}

fn wireless(control: [u8; 2], behind_addresses: &[u8], content: &[u8]) -> Vec<u8> {
    joined(&[&control, &[0, 0], &ADDRESSES, &[0x10, 0], behind_addresses, content])
}

/// One of the link headers that the straight line knows.
pub(super) fn usual(choice: usize, ether_type: u16, ip: &[u8]) -> (LinkType, Vec<u8>) {
    let [high, low] = ether_type.to_be_bytes();
    match choice % 5 {
        0 => (LinkType::ETHERNET, ethernet(ether_type, ip)),
        1 => (LinkType::ETHERNET, ethernet(0x8100, &joined(&[&[0x20, 5, high, low], ip]))),
        2 => (LinkType::ETHERNET, ethernet(0x88a8, &joined(&[&[0, 5, 0x81, 0, 0, 6, high, low], ip]))),
        3 => (LinkType::LINUX_SLL, cooked(1, ether_type, ip)),
        _ => (LinkType::LINUX_SLL2, cooked_v2(ether_type, ip)),
    }
}

/// Each with [`hello`] inside.
pub(super) fn wrapped() -> Vec<(LinkType, Vec<u8>)> {
    let ip = hello();
    let snap = joined(&[&SNAP_IP, &ip]);
    let tagged = joined(&[&[0, 5, 8, 0], &ip]);
    let pppoe = joined(&[&[0x11, 0, 0, 9, 0, 35, 0, 0x21], &ip]);
    let bridged = ethernet(0x0800, &ip);
    let data = wireless([0x08, 0x01], &[], &snap);
    vec![
        (LinkType::ETHERNET, ethernet(0x0800, &ip)),
        (LinkType::ETHERNET, ethernet(snap.len() as u16, &snap)),
        (LinkType::ETHERNET, ethernet(0x8100, &tagged)),
        (LinkType::ETHERNET, ethernet(0x88a8, &joined(&[&[0, 6, 0x91, 0, 0, 7, 0x81, 0], &tagged]))),
        (LinkType::ETHERNET, ethernet(0x8847, &joined(&[&[0, 1, 0, 64, 0, 2, 1, 64], &ip]))),
        (LinkType::ETHERNET, ethernet(0x8848, &joined(&[&[0, 2, 1, 64, 0, 0, 0, 0], &bridged]))),
        (LinkType::ETHERNET, ethernet(0x8847, &joined(&[&[0, 2, 1, 64], &bridged]))),
        (LinkType::ETHERNET, ethernet(0x8864, &pppoe)),
        (LinkType::PPP_ETHER, pppoe),
        (LinkType::LINUX_SLL, cooked(1, 0x0800, &ip)),
        (LinkType::LINUX_SLL, cooked(772, 0x0800, &ip)),
        (LinkType::LINUX_SLL, cooked(65534, 0x0800, &ip)),
        (LinkType::LINUX_SLL, cooked(512, 0x0800, &ip)),
        (LinkType::LINUX_SLL, cooked(1, 0x8100, &tagged)),
        (LinkType::LINUX_SLL, cooked(1, 0x0004, &snap)),
        (LinkType::LINUX_SLL, cooked(801, 0x0004, &data)),
        (LinkType::LINUX_SLL2, cooked_v2(0x0800, &ip)),
        (LinkType::LINUX_SLL2, cooked_v2(0x8100, &tagged)),
        (LinkType::RAW, ip.clone()),
        (LinkType::RAW_BSD, ip.clone()),
        (LinkType::RAW_OPENBSD, ip.clone()),
        (LinkType::IPV4, ip.clone()),
        (LinkType::NULL, joined(&[&[2, 0, 0, 0], &ip])),
        (LinkType::NULL, joined(&[&[0, 0, 0, 2], &ip])),
        (LinkType::LOOP, joined(&[&[0, 0, 0, 2], &ip])),
        (LinkType::PPP, joined(&[&[0xff, 3, 0, 0x21], &ip])),
        (LinkType::PPP, joined(&[&[0, 0x21], &ip])),
        (LinkType::PPP, joined(&[&[0x21], &ip])),
        (LinkType::PPP_HDLC, joined(&[&[0xff, 3, 0, 0x21], &ip])),
        (LinkType::PPP_HDLC, joined(&[&[0x0f, 0, 8, 0], &ip])),
        (LinkType::C_HDLC, joined(&[&[0x8f, 0, 8, 0], &ip])),
        (LinkType::FDDI, joined(&[&[0x50], &ADDRESSES[..12], &snap])),
        (LinkType::FRELAY, joined(&[&[0x18, 0x41, 3, 0xcc], &ip])),
        (LinkType::FRELAY, joined(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &ip])),
        (LinkType::FRELAY, joined(&[&[0x18, 0x41, 8, 0], &ip])),
        (LinkType::IEEE802_11, data.clone()),
        (LinkType::IEEE802_11, wireless([0x88, 0x02], &[0, 0], &snap)),
        (LinkType::IEEE802_11, wireless([0x88, 0x83], &[2, 0, 0, 0, 0, 4, 0, 0, 1, 1, 1, 1], &snap)),
        (LinkType::IEEE802_11_RADIOTAP, joined(&[&[0, 0, 8, 0, 0, 0, 0, 0], &data])),
        (LinkType::PPI, joined(&[&[0, 0, 8, 0, 105, 0, 0, 0], &data])),
        (LinkType::PPI, joined(&[&[0, 0, 8, 0, 1, 0, 0, 0], &bridged])),
        (LinkType::IEEE802_11_PRISM, joined(&[&[0x44, 0, 0, 0, 16, 0, 0, 0], &[0; 8], &data])),
        (LinkType::IEEE802_11_PRISM, joined(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 16], &[0; 8], &data])),
    ]
}

#[test]
fn every_link_header_is_taken_off() {
    for (index, (link, data)) in wrapped().iter().enumerate() {
        let (seen, verdict) = alone(*link, data);
        assert_eq!(verdict, Verdict::Delivered, "sample {index}, {link}");
        assert_eq!(
            (seen[0].flow.as_str(), seen[0].payload.as_slice()),
            (FLOW, &b"hello"[..]),
            "sample {index}, {link}"
        );
    }
}

#[test]
fn every_number_of_the_ipv6_family_is_known_in_both_byte_orders() {
    let ip = ipv6(17, &udp(5000, 6000, b"hello"));
    for family in [10_u32, 24, 28, 30] {
        for bytes in [family.to_be_bytes(), family.to_le_bytes()] {
            assert_eq!(only(LinkType::NULL, &joined(&[&bytes, &ip])).payload, b"hello");
        }
    }
    assert_eq!(alone(LinkType::NULL, &[7, 0, 0, 0]).1, Verdict::Other(OtherReason::AddressFamily(7)));
}

#[test]
fn vlan_tags_without_end_are_malformed() {
    let data = ethernet(0x8100, &[0, 1, 0x81, 0].repeat(100));
    assert!(matches!(alone(LinkType::ETHERNET, &data).1, Verdict::Malformed(_)));
}

#[test]
fn labels_without_end_are_malformed() {
    let data = ethernet(0x8847, &[0, 1, 0, 64].repeat(100));
    assert!(matches!(alone(LinkType::ETHERNET, &data).1, Verdict::Malformed(_)));
    assert!(matches!(alone(LinkType::ETHERNET, &ethernet(0x8847, &[0, 1, 1, 64])).1, Verdict::Malformed(_)));
}

#[test]
fn ppi_within_ppi_without_end_is_malformed() {
    let data = [0, 0, 8, 0, 192, 0, 0, 0].repeat(100);
    assert!(matches!(alone(LinkType::PPI, &data).1, Verdict::Malformed(_)));
}

#[test]
fn the_length_of_802_3_cuts_what_is_behind_it() {
    let mut snap = joined(&[&SNAP_IP, &hello()]);
    let length = snap.len() as u16 - 2;
    snap.extend([9; 20]);
    let seen = only(LinkType::ETHERNET, &ethernet(length, &snap));
    assert_eq!((seen.payload.as_slice(), seen.missing), (&b"hel"[..], 2));
}

#[test]
fn a_snap_header_of_another_organization_is_not_an_ether_type() {
    let content = joined(&[&[0xaa, 0xaa, 3, 0, 0, 1, 8, 0], &hello()]);
    let verdict = alone(LinkType::ETHERNET, &ethernet(content.len() as u16, &content)).1;
    assert_eq!(verdict, Verdict::Other(OtherReason::Llc));
}

#[test]
fn a_pppoe_session_of_another_version_is_malformed_and_discovery_is_not_a_session() {
    let malformed = ethernet(0x8864, &joined(&[&[0x21, 0, 0, 9, 0, 35, 0, 0x21], &hello()]));
    assert!(matches!(alone(LinkType::ETHERNET, &malformed).1, Verdict::Malformed(_)));
    let control = ethernet(0x8864, &[0x11, 0, 0, 9, 0, 4, 0xc0, 0x21, 1, 1]);
    assert_eq!(alone(LinkType::ETHERNET, &control).1, Verdict::Other(OtherReason::PppProtocol(0xc021)));
}

#[test]
fn wireless_frames_that_cannot_be_opened_say_why() {
    let snap = joined(&[&SNAP_IP, &hello()]);
    let cases = [
        (wireless([0x80, 0], &[], &snap), OtherReason::WirelessControl),
        (wireless([0x48, 0], &[], &[]), OtherReason::WirelessControl),
        (wireless([0x08, 0x41], &[], &snap), OtherReason::WirelessEncrypted),
        (wireless([0x08, 0x05], &[], &snap), OtherReason::WirelessFragment),
    ];
    for (data, reason) in cases {
        assert_eq!(alone(LinkType::IEEE802_11, &data).1, Verdict::Other(reason));
    }
}

#[test]
fn radiotap_flags_tell_of_padding_and_of_damage() {
    let snap = joined(&[&SNAP_IP, &hello()]);
    let padded = wireless([0x88, 0x01], &[0, 0, 0xee, 0xee], &snap);
    let flags_only = |flags| [0, 0, 9, 0, 2, 0, 0, 0, flags];
    let behind_time = |flags| joined(&[&[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0], &[0; 4], &[7; 8], &[flags]]);
    for header in [flags_only(0x20).to_vec(), behind_time(0x20)] {
        assert_eq!(only(LinkType::IEEE802_11_RADIOTAP, &joined(&[&header, &padded])).payload, b"hello");
    }
    for header in [flags_only(0x40).to_vec(), behind_time(0x60)] {
        let verdict = alone(LinkType::IEEE802_11_RADIOTAP, &joined(&[&header, &padded])).1;
        assert_eq!(verdict, Verdict::Other(OtherReason::WirelessDamaged));
    }
}

#[test]
fn every_packet_of_an_aggregate_is_delivered() {
    let subframe = |payload: &[u8]| {
        let ip = ipv4(17, &udp(5000, 6000, payload));
        let length = (8 + ip.len() as u16).to_be_bytes();
        let mut bytes = joined(&[&ADDRESSES[..12], &length, &SNAP_IP, &ip]);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let content = joined(&[&subframe(b"one"), &subframe(b"three"), &subframe(b"five")]);
    let (seen, verdict) = alone(LinkType::IEEE802_11, &wireless([0x88, 0x01], &[0x80, 0], &content));
    let payloads: Vec<_> = seen.iter().map(|unit| unit.payload.as_slice()).collect();
    assert_eq!((verdict, payloads), (Verdict::Delivered, vec![&b"one"[..], b"three", b"five"]));
}
