//! The decoder from the outside: whole records in, units and verdicts out.

use super::*;
use crate::net::datagram::{Addr, TcpFlags};
use crate::net::verdict::Unit;
use crate::packet::LinkType;

mod links;
mod sample;
mod tunnels;

use sample::*;

/// A unit with its payload copied, in words that are easy to compare.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    flow: String,
    payload: Vec<u8>,
    missing: u32,
    carrier: Carrier,
    tunnel: TunnelId,
}

impl From<Unit<'_>> for Seen {
    fn from(unit: Unit<'_>) -> Self {
        let (kind, flow, payload, missing, carrier) = match unit {
            Unit::Datagram(d) => ("udp", d.flow, d.payload, d.missing, d.carrier),
            Unit::Segment(s) => ("tcp", s.flow, s.payload, s.missing, s.carrier),
            Unit::Error(e) => ("icmp", e.flow, &[] as &[u8], 0, e.carrier),
        };
        let payload = payload.to_vec();
        Seen { flow: format!("{kind} {} > {}", flow.src, flow.dst), payload, missing, carrier, tunnel: flow.tunnel }
    }
}

fn record(link: LinkType, data: &[u8]) -> RawPacket<'_> {
    RawPacket { ts: Timestamp::from_nanos(5), frame: FrameNo(9), interface: 0, link, wire_len: data.len() as u32, data }
}

fn decode(decoder: &mut Decoder, packet: &RawPacket<'_>) -> (Vec<Seen>, Verdict) {
    let mut seen = Vec::new();
    let verdict = decoder.packet(packet, |unit| seen.push(unit.into()));
    (seen, verdict)
}

/// What one record gives to a decoder that has seen nothing before.
fn alone(link: LinkType, data: &[u8]) -> (Vec<Seen>, Verdict) {
    decode(&mut Decoder::default(), &record(link, data))
}

/// The one unit of a record that was delivered.
#[track_caller]
fn only(link: LinkType, data: &[u8]) -> Seen {
    let (mut seen, verdict) = alone(link, data);
    assert_eq!((seen.len(), verdict), (1, Verdict::Delivered), "{seen:?}");
    seen.remove(0)
}

const FLOW: &str = "udp 10.0.0.1:5000 > 10.0.0.2:6000";

#[test]
fn a_plain_datagram_comes_with_all_facts_of_its_headers() {
    let mut ip = ipv4(17, &udp(5000, 6000, b"hello"));
    ip[1] = 0xb8;
    ip[4..6].copy_from_slice(&[0x12, 0x34]);
    let seen = only(LinkType::ETHERNET, &ethernet(0x0800, &ip));
    assert_eq!((seen.flow.as_str(), seen.payload.as_slice(), seen.missing), (FLOW, &b"hello"[..], 0));
    let carrier = seen.carrier;
    assert_eq!((carrier.ts.as_nanos(), carrier.frame, carrier.ip_len), (5, FrameNo(9), 33));
    assert_eq!((carrier.ip_id, carrier.ttl, carrier.traffic_class), (Some(0x1234), 64, 0xb8));
}

#[test]
fn a_segment_comes_with_numbers_flags_and_without_options() {
    let tcp = tcp(5000, 6000, &[1, 1, 1, 0], b"hello");
    for packet in [ethernet(0x0800, &ipv4(6, &tcp)), ethernet(0x86dd, &ipv6(6, &tcp))] {
        let mut found = None;
        let verdict = Decoder::default().packet(&record(LinkType::ETHERNET, &packet), |unit| {
            let Unit::Segment(segment) = unit else { panic!("a datagram") };
            found = Some((segment.seq, segment.ack, segment.flags, segment.payload.to_vec()));
        });
        assert_eq!(verdict, Verdict::Delivered);
        assert_eq!(found, Some((0x0102_0304, 0x0506_0708, TcpFlags(0x18), b"hello".to_vec())));
    }
}

#[test]
fn the_payload_is_a_slice_of_the_record() {
    for data in [ethernet(0x0800, &ipv4(17, &udp(1, 2, b"x"))), ethernet(0x86dd, &ipv6(17, &udp(1, 2, b"x")))] {
        let mut calls = 0;
        Decoder::default().packet(&record(LinkType::ETHERNET, &data), |unit| {
            let Unit::Datagram(datagram) = unit else { panic!("a segment") };
            calls += 1;
            assert!(std::ptr::eq(datagram.payload, &data[data.len() - 1..]));
        });
        assert_eq!(calls, 1);
    }
}

#[test]
fn the_straight_line_and_the_walk_agree() {
    let mut random = Random(7);
    let (mut plainly, mut straight) = (0, 0);
    for round in 0..12_000 {
        let (protocol, transport) = match round % 3 {
            0 => (6, tcp(5000, 6000, &[1, 1, 1, 1], &random.bytes(30))),
            1 => (17, udp(random.next() as u16, 6000, &random.bytes(30))),
            _ => (17, udp(5000, 4789, &random.bytes(30))),
        };
        let (ether_type, ip) = if random.next() & 1 == 0 {
            (0x0800, ipv4(protocol, &transport))
        } else {
            (0x86dd, ipv6(protocol, &transport))
        };
        let (link, mut data) = links::usual(random.next() as usize, ether_type, &ip);
        if random.next() & 1 == 0 {
            let position = random.next() as usize % data.len();
            data[position] = random.next() as u8;
        }
        data.truncate(data.len() - usize::from(round % 5 == 0));
        let packet = record(link, &data);
        let mut walked = Vec::<Seen>::new();
        let verdict = Decoder::default().walk(&packet, &mut |unit| walked.push(unit.into()));
        let mut usual = Vec::<Seen>::new();
        if plain::usual(&packet, &mut |unit| usual.push(unit.into())).is_some() {
            plainly += 1;
            assert_eq!((verdict, &usual), (Verdict::Delivered, &walked), "{data:02x?}");
        } else {
            assert!(usual.is_empty());
        }
        if let Some(datagram) = plain::Straight::of(&packet) {
            straight += 1;
            let seen = &walked[0];
            assert_eq!((walked.len(), datagram.payload()), (1, seen.payload.as_slice()), "{data:02x?}");
            let ([a, b, c, d, e, f, g, h], ports) = (datagram.addresses().to_le_bytes(), datagram.ports());
            let src = Endpoint { addr: Addr::v4([a, b, c, d]), port: (ports >> 16) as u16 };
            let dst = Endpoint { addr: Addr::v4([e, f, g, h]), port: ports as u16 };
            assert_eq!(seen.flow, format!("udp {src} > {dst}"));
            let carrier = seen.carrier;
            let len_and_id = datagram.len_and_id();
            assert_eq!((len_and_id >> 16, Some(len_and_id as u16)), (carrier.ip_len, carrier.ip_id));
            assert_eq!((datagram.ttl(), datagram.traffic_class()), (carrier.ttl, carrier.traffic_class));
            assert_eq!(datagram.link_tag(packet.interface), carrier.link_tag);
        }
    }
    assert!(plainly > 4000 && straight > 200, "{plainly} {straight}");
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut data = ethernet(0x0800, &ipv4(17, &udp(5000, 6000, b"x")));
    data.extend([0; 17]);
    assert_eq!(only(LinkType::ETHERNET, &data).payload, b"x");
    let mut data = ethernet(0x0800, &ipv4(6, &tcp(5000, 6000, &[], b"")));
    data.extend([0; 6]);
    assert_eq!(only(LinkType::ETHERNET, &data).payload, b"");
}

#[test]
fn a_snap_length_leaves_part_of_the_payload_and_the_count_of_the_rest() {
    for data in [
        ethernet(0x0800, &ipv4(17, &udp(5000, 6000, &[7; 100]))),
        ethernet(0x0800, &ipv4(6, &tcp(5000, 6000, &[], &[7; 100]))),
    ] {
        let cut = RawPacket { wire_len: data.len() as u32, ..record(LinkType::ETHERNET, &data[..data.len() - 60]) };
        let (seen, verdict) = decode(&mut Decoder::default(), &cut);
        assert_eq!(verdict, Verdict::Delivered);
        assert_eq!((seen[0].payload.len(), seen[0].missing), (40, 60));
    }
}

#[test]
fn a_total_length_of_zero_means_all_that_was_on_the_wire() {
    let mut ip = ipv4(6, &tcp(5000, 6000, &[], &[7; 100]));
    ip[2..4].copy_from_slice(&[0, 0]);
    let data = ethernet(0x0800, &ip);
    let seen = only(LinkType::ETHERNET, &data);
    assert_eq!((seen.payload.len(), seen.missing, seen.carrier.ip_len), (100, 0, 140));
    let cut = RawPacket { wire_len: data.len() as u32, ..record(LinkType::ETHERNET, &data[..100]) };
    let (seen, _) = decode(&mut Decoder::default(), &cut);
    assert_eq!((seen[0].payload.len(), seen[0].missing), (46, 54));
}

#[test]
fn a_udp_length_of_zero_takes_all_and_one_below_eight_is_malformed() {
    let mut packet = ipv4(17, &udp(5000, 6000, b"hello"));
    packet[24..26].copy_from_slice(&[0, 0]);
    assert_eq!(only(LinkType::RAW, &packet).payload, b"hello");
    packet[24..26].copy_from_slice(&[0, 7]);
    assert!(matches!(alone(LinkType::RAW, &packet).1, Verdict::Malformed(ParseError { layer: "udp", .. })));
    packet[24..26].copy_from_slice(&[0, 20]);
    assert_eq!(only(LinkType::RAW, &packet).missing, 7);
    packet[24..26].copy_from_slice(&[0, 10]);
    assert_eq!(only(LinkType::RAW, &packet).payload, b"he");
}

#[test]
fn the_length_field_of_udp_lite_is_a_coverage() {
    let mut packet = ipv4(136, &udp(5000, 6000, b"hello"));
    packet[24..26].copy_from_slice(&[0, 8]);
    assert_eq!(only(LinkType::RAW, &packet).payload, b"hello");
}

#[test]
fn impossible_lengths_in_an_ip_header_are_malformed() {
    let good = ipv4(17, &udp(5000, 6000, b"hello"));
    for (offset, value) in [(0, 0x44), (0, 0x4f), (0, 0x55), (3, 19)] {
        let mut packet = good.clone();
        packet[offset] = value;
        assert!(matches!(alone(LinkType::RAW, &packet).1, Verdict::Malformed(_)), "{offset} {value}");
    }
}

#[test]
fn ipv4_options_are_gone_over() {
    let mut packet = ipv4(17, &udp(5000, 6000, b"hello"));
    packet.splice(20..20, [0x94, 4, 0, 0]);
    packet[0] = 0x46;
    packet[3] += 4;
    assert_eq!(
        (only(LinkType::RAW, &packet).flow.as_str(), only(LinkType::RAW, &packet).payload),
        (FLOW, b"hello".to_vec())
    );
}

#[test]
fn ipv6_extension_headers_are_gone_over() {
    let hop_by_hop = [43, 0, 1, 4, 0, 0, 0, 0];
    let routing = [51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let authentication = [44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let atomic_fragment = [60, 0, 0, 0, 0, 0, 0, 1];
    let destination = [17, 0, 1, 4, 0, 0, 0, 0];
    let payload =
        [&hop_by_hop[..], &routing, &authentication, &atomic_fragment, &destination, &udp(5000, 6000, b"hello")]
            .concat();
    let seen = only(LinkType::RAW, &ipv6(0, &payload));
    assert_eq!((seen.flow.as_str(), seen.payload.as_slice()), ("udp [fd00::1]:5000 > [fd00::2]:6000", &b"hello"[..]));
    assert_eq!(seen.carrier.ip_id, None);
    let endless = ipv6(60, &[[60, 0, 1, 4, 0, 0, 0, 0]; 40].concat());
    assert!(matches!(alone(LinkType::RAW, &endless).1, Verdict::Malformed(_)));
}

#[test]
fn what_is_neither_udp_nor_tcp_has_a_reason() {
    let quoted = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &ipv4(17, &udp(5000, 6000, b"hello"))].concat();
    let cases = [
        (ethernet(0x0800, &ipv4(1, &quoted)), OtherReason::Icmp),
        (ethernet(0x86dd, &ipv6(58, &quoted)), OtherReason::Icmp),
        (ethernet(0x86dd, &ipv6(59, &[])), OtherReason::NoNextHeader),
        (ethernet(0x0800, &ipv4(2, &quoted)), OtherReason::Igmp),
        (ethernet(0x0800, &ipv4(132, &quoted)), OtherReason::Sctp),
        (ethernet(0x0800, &ipv4(50, &quoted)), OtherReason::Esp),
        (ethernet(0x0800, &ipv4(89, &quoted)), OtherReason::IpProtocol(89)),
        (ethernet(0x0806, &quoted), OtherReason::Arp),
        (ethernet(0x88cc, &quoted), OtherReason::EtherType(0x88cc)),
        (ethernet(0x0026, &quoted), OtherReason::Llc),
    ];
    for (data, reason) in cases {
        let (seen, verdict) = alone(LinkType::ETHERNET, &data);
        assert_eq!(verdict, Verdict::Other(reason));
        // What an ICMP error quotes is told as that.
        let quoted: Vec<&str> = seen.iter().map(|seen| seen.flow.as_str()).collect();
        let is_quote = reason == OtherReason::Icmp && data[12..14] == [0x08, 0x00];
        assert_eq!(quoted, if is_quote { vec!["icmp 10.0.0.1:5000 > 10.0.0.2:6000"] } else { vec![] });
    }
    assert_eq!(alone(LinkType(9999), &quoted).1, Verdict::Other(OtherReason::LinkType(9999)));
}

#[test]
fn fragments_of_both_versions_are_put_together_in_any_order() {
    let datagram = udp(5000, 6000, &(0..200).collect::<Vec<u8>>());
    let v4: Vec<_> = [(1, 0..80), (1, 80..160), (0, 160..208)]
        .map(|(more, range)| {
            let mut packet = ipv4(17, &datagram[range.clone()]);
            packet[6..8].copy_from_slice(&((more << 13) | (range.start as u16 / 8)).to_be_bytes());
            packet
        })
        .into();
    let v6: Vec<_> = [(1, 0..80), (1, 80..160), (0, 160..208)]
        .map(|(more, range)| {
            let offset = (range.start as u16 | more).to_be_bytes();
            ipv6(44, &[&[17, 0, offset[0], offset[1], 0, 0, 0, 9], &datagram[range]].concat())
        })
        .into();
    for (parts, ip_len) in [(v4, 3 * 20 + 208), (v6, 3 * 48 + 208)] {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
            let mut decoder = Decoder::default();
            let results = order.map(|part| decode(&mut decoder, &record(LinkType::RAW, &parts[part])));
            assert_eq!((&results[0].1, &results[1].1), (&Verdict::FragmentHeld, &Verdict::FragmentHeld));
            assert_eq!(results[2].1, Verdict::Delivered);
            assert_eq!(results[2].0[0].payload, datagram[8..]);
            assert_eq!(results[2].0[0].carrier.ip_len, ip_len);
            assert_eq!((decoder.fragments().reassembled, decoder.fragments().held), (1, 0));
        }
    }
}

#[test]
fn a_fragment_header_within_a_fragmented_datagram_is_malformed() {
    let inner = [&[17, 0, 0, 1, 0, 0, 0, 3][..], &udp(5000, 6000, b"")].concat();
    let mut decoder = Decoder::default();
    let first = ipv6(44, &[&[44, 0, 0, 1, 0, 0, 0, 9][..], &inner[..8]].concat());
    let last = ipv6(44, &[&[44, 0, 0, 8, 0, 0, 0, 9][..], &inner[8..]].concat());
    assert_eq!(decode(&mut decoder, &record(LinkType::RAW, &first)).1, Verdict::FragmentHeld);
    assert!(matches!(decode(&mut decoder, &record(LinkType::RAW, &last)).1, Verdict::Malformed(_)));
}

#[test]
fn interface_macs_and_vlan_change_the_link_tag_and_nothing_else_does() {
    let ip = ipv4(17, &udp(5000, 6000, b"hello"));
    let base = only(LinkType::ETHERNET, &ethernet(0x0800, &ip)).carrier.link_tag;
    let mut later = ip.clone();
    later[8] = 63;
    assert_eq!(only(LinkType::ETHERNET, &ethernet(0x0800, &later)).carrier.link_tag, base);
    let mut other_mac = ethernet(0x0800, &ip);
    other_mac[11] ^= 1;
    let tag = |data: &[u8]| only(LinkType::ETHERNET, data).carrier.link_tag;
    let vlan_5 = ethernet(0x8100, &[&[0, 5, 8, 0], &ip[..]].concat());
    let vlan_6 = ethernet(0x8100, &[&[0, 6, 8, 0], &ip[..]].concat());
    let data = ethernet(0x0800, &ip);
    let elsewhere = RawPacket { interface: 1, ..record(LinkType::ETHERNET, &data) };
    let mut tags = vec![base, tag(&other_mac), tag(&vlan_5), tag(&vlan_6)];
    tags.push(decode(&mut Decoder::default(), &elsewhere).0[0].carrier.link_tag);
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 5);
}

#[test]
fn every_truncation_of_every_sample_ends_well() {
    for (link, data) in samples() {
        let mut decoder = Decoder::default();
        for len in 0..data.len() {
            for wire_len in [len, data.len()] {
                let packet = RawPacket { wire_len: wire_len as u32, ..record(link, &data[..len]) };
                let (seen, verdict) = decode(&mut decoder, &packet);
                assert_eq!(seen.len() == 1, verdict == Verdict::Delivered, "{link} cut to {len}");
            }
        }
    }
}

#[test]
fn garbage_on_every_link_type_ends_well() {
    let mut random = Random(42);
    let links: Vec<_> = samples().into_iter().map(|(link, _)| link).collect();
    let mut decoder = Decoder::new(Limits { fragment_bytes: 1 << 16, ..Limits::default() });
    for round in 0..20_000 {
        let len = random.next() as usize % 120;
        let data = random.bytes(len);
        decode(&mut decoder, &record(links[round % links.len()], &data));
        assert!(decoder.fragments().held_bytes <= 1 << 16);
    }
}

#[test]
fn damaged_samples_end_well_and_never_give_more_bytes_than_there_were() {
    let mut random = Random(99);
    let mut decoder = Decoder::new(Limits { fragment_bytes: 1 << 16, tunnel_stacks: 50, ..Limits::default() });
    for (link, data) in samples() {
        for _ in 0..400 {
            let mut data = data.clone();
            for _ in 0..1 + random.next() % 3 {
                let position = random.next() as usize % data.len();
                data[position] = random.next() as u8;
            }
            let (seen, _) = decode(&mut decoder, &record(link, &data));
            assert!(seen.iter().all(|unit| unit.payload.len() <= data.len()));
        }
    }
    assert!(decoder.tunnels().len() <= 50);
}

#[test]
fn another_reader_of_packets_finds_the_same() {
    let mut random = Random(3);
    for round in 0..200 {
        let payload = random.bytes(round);
        let ethernet = || etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut data = Vec::new();
        let tagged = || ethernet().double_vlan(5.try_into().unwrap(), 6.try_into().unwrap());
        match round % 4 {
            0 => ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(5000, 6000).write(&mut data, &payload),
            1 => tagged().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(5000, 6000).write(&mut data, &payload),
            2 => tagged().ipv6([1; 16], [2; 16], 64).tcp(5000, 6000, 7, 8).write(&mut data, &payload),
            _ => ethernet().ipv6([1; 16], [2; 16], 64).udp(5000, 6000).write(&mut data, &payload),
        }
        .unwrap();
        let sliced = etherparse::SlicedPacket::from_ethernet(&data).unwrap();
        let expected = match sliced.transport.unwrap() {
            etherparse::TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port(), udp.payload().to_vec()),
            etherparse::TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port(), tcp.payload().to_vec()),
            other => panic!("{other:?}"),
        };
        let mut found = None;
        Decoder::default().packet(&record(LinkType::ETHERNET, &data), |unit| {
            found = Some(match unit {
                Unit::Datagram(d) => (d.flow.src.port, d.flow.dst.port, d.payload.to_vec()),
                Unit::Segment(s) => (s.flow.src.port, s.flow.dst.port, s.payload.to_vec()),
                Unit::Error(error) => (error.flow.src.port, error.flow.dst.port, Vec::new()),
            });
        });
        assert_eq!(found, Some(expected));
    }
}
