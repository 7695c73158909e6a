//! The straight line: link headers that most captures have, IP without options and fragments, UDP or TCP.
//!
//! In: a record. Out: its datagram or segment, the same as the walk of the decoder would give.
//! Never: anything unusual, anything malformed, a tunnel: these are left to the walk.

use super::cut::LinkTag;
use super::datagram::{Addr, Carrier, Datagram, Endpoint, FiveTuple, Segment, TcpFlags, Transport, TunnelId};
use super::ip::protocol;
use super::link::{self, ether_type};
use super::tunnel;
use super::verdict::Unit;
use crate::packet::{LinkType, RawPacket};

/// A UDP datagram on IPv4 on Ethernet II that was captured whole: the most common record. Its headers are handed on as
/// they stand: on the hot path all their fields at once are more than there are registers.
#[derive(Clone, Copy)]
pub(crate) struct Straight<'a> {
    head: &'a [u8; 42],
    payload: &'a [u8],
}

impl<'a> Straight<'a> {
    /// None where the record is anything else.
    #[inline(always)]
    pub(crate) fn of(packet: &RawPacket<'a>) -> Option<Self> {
        let head: &[u8; 42] = packet.data.first_chunk()?;
        let this = Self { head, payload: &[] };
        let is_ipv4 = packet.link == LinkType::ETHERNET && this.at(12) == [0x08, 0x00, 0x45];
        let [fragment_high, fragment_low, _, protocol] = this.at(20);
        let is_whole = packet.data.len() >= packet.wire_len as usize;
        if !is_whole || !is_ipv4 || (fragment_high & 0x3f) | fragment_low != 0 || protocol != protocol::UDP {
            return None;
        }
        let udp_len = u16::from_be_bytes(this.at(38));
        let fits = u32::from(udp_len) + 20 <= u32::from(u16::from_be_bytes(this.at(16)));
        let ports = this.ports();
        if !fits || tunnel::is_port((ports >> 16) as u16) || tunnel::is_port(ports as u16) {
            return None;
        }
        Some(Self { payload: packet.data.get(42..34 + usize::from(udp_len))?, ..this })
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.head.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// What UDP carried.
    #[inline(always)]
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Source (low half) and destination address as they stand in the IP header, in little-endian order. A number and no
    /// bytes: these would be taken apart and put together again.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> u64 {
        u64::from_le_bytes(self.at(26))
    }

    /// Total length (high half) and identification of the IP header.
    #[inline(always)]
    pub(crate) fn len_and_id(&self) -> u32 {
        u32::from_be_bytes(self.at(16))
    }

    /// Time to live of the IP header.
    #[inline(always)]
    pub(crate) fn ttl(&self) -> u8 {
        let [ttl] = self.at(22);
        ttl
    }

    /// DSCP and ECN of the IP header.
    #[inline(always)]
    pub(crate) fn traffic_class(&self) -> u8 {
        let [traffic_class] = self.at(15);
        traffic_class
    }

    /// Source (high half) and destination port.
    #[inline(always)]
    pub(crate) fn ports(&self) -> u32 {
        u32::from_be_bytes(self.at(34))
    }

    /// As [`Carrier::link_tag`].
    #[inline(always)]
    pub(crate) fn link_tag(&self, interface: u32) -> u32 {
        LinkTag::new(interface).mix_macs(self.at(0)).value()
    }
}

/// Ethernet II with or without VLAN tags, Linux cooked captures; IPv4 and IPv6.
#[inline]
pub(super) fn usual(packet: &RawPacket<'_>, sink: &mut dyn FnMut(Unit<'_>)) -> Option<()> {
    let tag = LinkTag::new(packet.interface);
    let (ether_type, ip, tag) = match packet.link {
        LinkType::ETHERNET => ethernet(packet.data, tag)?,
        LinkType::LINUX_SLL => {
            let (head, ip) = packet.data.split_first_chunk()?;
            let (protocol, hardware, tag) = link::cooked_fields(head, tag);
            (link::is_wired(hardware).then_some(protocol)?, ip, tag)
        }
        LinkType::LINUX_SLL2 => {
            let (head, ip) = packet.data.split_first_chunk()?;
            let (protocol, hardware, tag) = link::cooked_v2_fields(head, tag);
            (link::is_wired(hardware).then_some(protocol)?, ip, tag)
        }
        _ => return None,
    };
    match ether_type {
        ether_type::IPV4 => ipv4(packet, ip, tag)?.deliver(ip, sink),
        ether_type::IPV6 => ipv6(packet, ip, tag)?.deliver(ip, sink),
        _ => None,
    }
}

fn ethernet(data: &[u8], tag: LinkTag) -> Option<(u16, &[u8], LinkTag)> {
    let ([macs @ .., high, low], mut rest) = data.split_first_chunk::<14>()?;
    let mut tag = tag.mix_macs(*macs);
    let mut ether_type = u16::from_be_bytes([*high, *low]);
    for _ in 0..2 {
        if !matches!(ether_type, ether_type::VLAN | ether_type::SERVICE_VLAN) {
            break;
        }
        let (tci, inner_type, inner) = link::vlan_fields(rest)?;
        (tag, ether_type, rest) = (tag.mix_vlan(tci), inner_type, inner);
    }
    Some((ether_type, rest, tag))
}

/// An IP packet whose header is as plain as can be.
struct Plain {
    carrier: Carrier,
    src: Addr,
    dst: Addr,
    protocol: u8,
    /// Where in the packet the transport begins and ends.
    start: usize,
    end: usize,
}

#[inline(always)]
fn ipv4(packet: &RawPacket<'_>, ip: &[u8], tag: LinkTag) -> Option<Plain> {
    let head: &[u8; 20] = ip.first_chunk()?;
    let unfragmented = (head[6] & 0x3f) | head[7] == 0;
    if head[0] != 0x45 || !unfragmented {
        return None;
    }
    let total_len = u16::from_be_bytes([head[2], head[3]]);
    Some(Plain {
        carrier: Carrier {
            ts: packet.ts,
            frame: packet.frame,
            ip_len: u32::from(total_len),
            ip_id: Some(u16::from_be_bytes([head[4], head[5]])),
            ttl: head[8],
            traffic_class: head[1],
            link_tag: tag.value(),
        },
        src: Addr::v4([head[12], head[13], head[14], head[15]]),
        dst: Addr::v4([head[16], head[17], head[18], head[19]]),
        protocol: head[9],
        start: 20,
        end: usize::from(total_len),
    })
}

#[inline(always)]
fn ipv6(packet: &RawPacket<'_>, ip: &[u8], tag: LinkTag) -> Option<Plain> {
    let (head, rest) = ip.split_first_chunk::<8>()?;
    let (src, rest) = rest.split_first_chunk()?;
    let (dst, _) = rest.split_first_chunk()?;
    // A length of zero is not plain: no transport fits, and the walk finds the true one.
    let end = 40 + usize::from(u16::from_be_bytes([head[4], head[5]]));
    (head[0] >> 4 == 6).then_some(Plain {
        carrier: Carrier {
            ts: packet.ts,
            frame: packet.frame,
            ip_len: end as u32,
            ip_id: None,
            ttl: head[7],
            traffic_class: head[0] << 4 | head[1] >> 4,
            link_tag: tag.value(),
        },
        src: Addr::v6(*src),
        dst: Addr::v6(*dst),
        protocol: head[6],
        start: 40,
        end,
    })
}

impl Plain {
    #[inline(always)]
    fn deliver(self, ip: &[u8], sink: &mut (impl FnMut(Unit<'_>) + ?Sized)) -> Option<()> {
        match self.protocol {
            protocol::UDP => self.udp(ip, sink),
            protocol::TCP => self.tcp(ip, sink),
            _ => None,
        }
    }

    #[inline(always)]
    fn udp(self, ip: &[u8], sink: &mut (impl FnMut(Unit<'_>) + ?Sized)) -> Option<()> {
        let head: &[u8; 8] = ip.get(self.start..)?.first_chunk()?;
        let udp_end = self.start + usize::from(u16::from_be_bytes([head[4], head[5]]));
        let payload = ip.get(self.start + 8..udp_end)?;
        let flow = self.flow(Transport::Udp, *head);
        if udp_end > self.end || tunnel::is_port(flow.src.port) || tunnel::is_port(flow.dst.port) {
            return None;
        }
        sink(Unit::Datagram(Datagram { carrier: self.carrier, flow, missing: 0, payload }));
        Some(())
    }

    #[inline(always)]
    fn tcp(self, ip: &[u8], sink: &mut (impl FnMut(Unit<'_>) + ?Sized)) -> Option<()> {
        let packet = ip.get(..self.end)?;
        let head: &[u8; 20] = packet.get(self.start..)?.first_chunk()?;
        let header_len = usize::from(head[12] >> 4) * 4;
        if header_len < 20 {
            return None;
        }
        let payload = packet.get(self.start + header_len..)?;
        let [ports @ .., _, _, _, _, _, _, _, _, _, _, _, _] = head;
        let flow = self.flow(Transport::Tcp, *ports);
        sink(Unit::Segment(segment(self.carrier, flow, head, 0, payload)));
        Some(())
    }

    #[inline(always)]
    fn flow(&self, transport: Transport, [a, b, c, d, ..]: [u8; 8]) -> FiveTuple {
        FiveTuple {
            src: Endpoint { addr: self.src, port: u16::from_be_bytes([a, b]) },
            dst: Endpoint { addr: self.dst, port: u16::from_be_bytes([c, d]) },
            transport,
            tunnel: TunnelId(0),
        }
    }
}

/// From the fixed part of a TCP header (RFC 9293, section 3.1).
#[inline(always)]
pub(super) fn segment<'a>(
    carrier: Carrier,
    flow: FiveTuple,
    tcp: &[u8; 20],
    missing: u32,
    payload: &'a [u8],
) -> Segment<'a> {
    Segment {
        carrier,
        flow,
        seq: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        ack: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        flags: TcpFlags(tcp[13]),
        missing,
        payload,
    }
}
