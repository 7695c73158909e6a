//! Tunnels of every kind around the same packet, and what only looks like a tunnel.

use super::*;

fn layer(kind: TunnelKind, id: u32) -> TunnelLayer {
    TunnelLayer { kind, id }
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, &udp(40_000, port, payload)))
}

fn in_ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(protocol, payload))
}

/// Each with [`hello`] inside, but for Teredo, which carries IPv6.
pub(super) fn wrapped() -> Vec<(TunnelLayer, Vec<u8>)> {
    let ip = hello();
    let bridged = ethernet(0x0800, &ip);
    let gtp_length = (ip.len() as u16).to_be_bytes();
    let gtp_options = ((ip.len() + 8) as u16).to_be_bytes();
    let gre = layer(TunnelKind::Gre, 0);
    let gre_7 = layer(TunnelKind::Gre, 7);
    let ip_ip = layer(TunnelKind::IpIp, 0);
    vec![
        (gre, in_ipv4(47, &joined(&[&[0, 0, 8, 0], &ip]))),
        (gre_7, in_ipv4(47, &joined(&[&[0xb0, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &ip]))),
        (gre_7, in_ipv4(47, &joined(&[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &bridged]))),
        (gre, in_ipv4(47, &joined(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0; 8], &bridged]))),
        (gre, in_ipv4(47, &joined(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[0; 11], &[1], &[0; 8], &bridged]))),
        (gre, in_ipv4(47, &joined(&[&[0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0x21], &ip]))),
        (ip_ip, in_ipv4(4, &ip)),
        (ip_ip, ethernet(0x86dd, &ipv6(4, &ip))),
        (layer(TunnelKind::Vxlan, 0x1_0203), in_udp(4789, &joined(&[&[8, 0, 0, 0, 1, 2, 3, 0], &bridged]))),
        (layer(TunnelKind::Vxlan, 5), in_udp(8472, &joined(&[&[0x88, 8, 0, 9, 0, 0, 5, 0], &bridged]))),
        (layer(TunnelKind::Vxlan, 5), in_udp(4789, &joined(&[&[8, 1, 2, 3, 0, 0, 5, 4], &bridged]))),
        (layer(TunnelKind::Geneve, 5), in_udp(6081, &joined(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &bridged]))),
        (layer(TunnelKind::Geneve, 5), in_udp(6081, &joined(&[&[1, 0x40, 8, 0, 0, 0, 5, 0, 0, 0, 0, 0], &ip]))),
        (layer(TunnelKind::GtpU, 0), in_udp(2152, &joined(&[&[0x30, 0xff], &gtp_length, &[0, 0, 0, 9], &ip]))),
        (
            layer(TunnelKind::GtpU, 0),
            in_udp(2152, &joined(&[&[0x34, 0xff], &gtp_options, &[0, 0, 0, 9, 0, 1, 0, 0x85, 1, 0, 0, 0], &ip])),
        ),
    ]
}

#[test]
fn every_tunnel_is_opened_and_known_by_kind_and_id() {
    for (index, (expected, data)) in wrapped().iter().enumerate() {
        let mut decoder = Decoder::default();
        let (seen, verdict) = decode(&mut decoder, &record(LinkType::ETHERNET, data));
        assert_eq!(verdict, Verdict::Delivered, "sample {index}");
        assert_eq!((seen[0].flow.as_str(), seen[0].payload.as_slice()), (FLOW, &b"hello"[..]), "sample {index}");
        assert_eq!(decoder.tunnels().layers(seen[0].tunnel), [*expected], "sample {index}");
    }
}

#[test]
fn both_directions_of_gtp_u_are_one_tunnel_whatever_their_endpoint_identifiers() {
    let ip = hello();
    let length = (ip.len() as u16).to_be_bytes();
    let mut decoder = Decoder::default();
    let tunnels = [[0, 0, 0, 9], [0, 0, 7, 1]].map(|teid| {
        let data = in_udp(2152, &joined(&[&[0x30, 0xff], &length, &teid, &ip]));
        decode(&mut decoder, &record(LinkType::ETHERNET, &data)).0[0].tunnel
    });
    assert_eq!(tunnels[0], tunnels[1]);
}

#[test]
fn teredo_is_opened_behind_its_indications() {
    let mut inner = ipv6(17, &udp(5000, 6000, b"hello"));
    inner[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
    let authentication = [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    for before in [vec![], authentication.to_vec(), origin.to_vec(), joined(&[&authentication, &origin])] {
        let mut decoder = Decoder::default();
        let data = in_udp(3544, &joined(&[&before, &inner]));
        let (seen, _) = decode(&mut decoder, &record(LinkType::ETHERNET, &data));
        assert_eq!(seen[0].payload, b"hello");
        assert_eq!(decoder.tunnels().layers(seen[0].tunnel), [layer(TunnelKind::Teredo, 0)]);
    }
}

#[test]
fn a_stack_of_tunnels_is_kept_from_the_outside_in() {
    let vxlan = joined(&[&[8, 0, 0, 0, 0, 0, 5, 0], &in_ipv4(47, &joined(&[&[0, 0, 8, 0], &hello()]))]);
    let mut decoder = Decoder::default();
    let data = in_udp(4789, &vxlan);
    let (seen, _) = decode(&mut decoder, &record(LinkType::ETHERNET, &data));
    assert_eq!(seen[0].flow, FLOW);
    let expected = [layer(TunnelKind::Vxlan, 5), layer(TunnelKind::Gre, 0)];
    assert_eq!(decoder.tunnels().layers(seen[0].tunnel), expected);
    let (again, _) = decode(&mut decoder, &record(LinkType::ETHERNET, &data));
    assert_eq!((again[0].tunnel, decoder.tunnels().len()), (seen[0].tunnel, 2));
}

#[test]
fn a_datagram_on_a_tunnel_port_that_is_no_tunnel_stays_a_datagram() {
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let rtp = [0x88, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let channel_data = [0x48, 0, 0, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 8, 0, 0x45];
    let truncated = joined(&[&[8, 0, 0, 0, 0, 0, 5, 0], &ethernet(0x0800, &hello())[..30]]);
    let gtp_echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    for port in [4789, 8472, 6081, 2152, 3544] {
        for payload in [&stun[..], &rtp, &channel_data, &truncated, &gtp_echo, &[]] {
            let seen = only(LinkType::ETHERNET, &in_udp(port, payload));
            assert_eq!((seen.payload.as_slice(), seen.tunnel), (payload, TunnelId(0)), "{port}");
        }
    }
}

#[test]
fn tunnels_deeper_than_the_limit_are_not_opened() {
    let nested = |count: usize| (0..count).fold(hello(), |inner, _| ipv4(4, &inner));
    assert_eq!(only(LinkType::RAW, &nested(8)).flow, FLOW);
    assert_eq!(alone(LinkType::RAW, &nested(9)).1, Verdict::Other(OtherReason::TunnelDepth));
    assert_eq!(alone(LinkType::RAW, &nested(2000)).1, Verdict::Other(OtherReason::TunnelDepth));
    let shallow = &mut Decoder::new(Limits { tunnel_depth: 0, ..Limits::default() });
    let data = in_udp(4789, &joined(&[&[8, 0, 0, 0, 0, 0, 5, 0], &ethernet(0x0800, &hello())]));
    assert_eq!(decode(shallow, &record(LinkType::ETHERNET, &data)).0[0].flow, "udp 10.0.0.1:40000 > 10.0.0.2:4789");
}

#[test]
fn a_full_table_gives_every_further_stack_one_number_and_counts() {
    let mut decoder = Decoder::new(Limits { tunnel_stacks: 3, ..Limits::default() });
    let tunnel = |decoder: &mut Decoder, vni| {
        let data = in_udp(4789, &joined(&[&[8, 0, 0, 0, 0, 0, vni, 0], &ethernet(0x0800, &hello())]));
        decode(decoder, &record(LinkType::ETHERNET, &data)).0[0].tunnel
    };
    let ids: Vec<_> = (0..5).map(|vni| tunnel(&mut decoder, vni)).collect();
    let overflow = TunnelTable::OVERFLOW;
    assert_eq!(ids, [TunnelId(1), TunnelId(2), TunnelId(3), overflow, overflow]);
    assert_eq!((decoder.tunnels().overflows(), decoder.tunnels().layers(overflow)), (2, &[][..]));
    assert_eq!(tunnel(&mut decoder, 1), TunnelId(2));
}

#[test]
fn fragments_in_different_tunnels_do_not_meet() {
    let datagram = udp(5000, 6000, b"0123456789abcdef");
    let fragment = |vni, range: std::ops::Range<usize>, field: u16| {
        let mut ip = ipv4(17, &datagram[range]);
        ip[6..8].copy_from_slice(&field.to_be_bytes());
        in_udp(4789, &joined(&[&[8, 0, 0, 0, 0, 0, vni, 0], &ethernet(0x0800, &ip)]))
    };
    let mut decoder = Decoder::default();
    let mut verdict = |data: &[u8]| decode(&mut decoder, &record(LinkType::ETHERNET, data)).1;
    assert_eq!(verdict(&fragment(1, 0..16, 0x2000)), Verdict::FragmentHeld);
    assert_eq!(verdict(&fragment(2, 16..24, 2)), Verdict::FragmentHeld);
    assert_eq!(verdict(&fragment(1, 16..24, 2)), Verdict::Delivered);
}

#[test]
fn forms_of_gre_that_are_not_known_are_not_opened() {
    for head in [[0x40, 0, 8, 0], [0, 1, 8, 0], [0, 2, 8, 0]] {
        let verdict = alone(LinkType::ETHERNET, &in_ipv4(47, &joined(&[&head, &hello()]))).1;
        assert_eq!(verdict, Verdict::Other(OtherReason::IpProtocol(47)));
    }
}
