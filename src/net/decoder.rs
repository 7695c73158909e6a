//! The walk from a record to the datagram or segment in it.
//!
//! In: records in the order of the capture. Out: calls of a sink, and a verdict on each record.
//! Never: an allocation on the common path, a failure as a whole, a record that changes how another is read (except
//! that fragments wait for one another).

use super::cut::{Cut, LinkTag};
use super::datagram::{Carrier, Datagram, Endpoint, FiveTuple, Transport, TunnelId, TunnelKind, TunnelLayer};
use super::defrag::{self, Arrival, FragmentPool, FragmentStatistics};
use super::icmp;
use super::icmp::IcmpError;
use super::ip::{self, Fragment, IpHeader, IpPayload, protocol};
use super::link::{Inside, Link};
use super::plain;
use super::tunnel::{self, Tunnel, TunnelTable};
use super::verdict::{OtherReason, Unit, Verdict};
use super::wireless;
use crate::bytes::ParseError;
use crate::packet::{FrameNo, RawPacket};
use crate::time::Timestamp;

/// What a decoder may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IP datagrams that wait for fragments at a time.
    pub fragmented_datagrams: usize,
    /// Bytes of these, with a charge for the bookkeeping.
    pub fragment_bytes: usize,
    /// Different stacks of tunnels.
    pub tunnel_stacks: usize,
    /// Tunnels in one another.
    pub tunnel_depth: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fragmented_datagrams: 4096, fragment_bytes: 32 << 20, tunnel_stacks: 1 << 16, tunnel_depth: 8 }
    }
}

/// Turns records into datagrams and segments.
#[derive(Debug)]
pub struct Decoder {
    tunnel_depth: u8,
    fragments: FragmentPool,
    tunnels: TunnelTable,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Decoder {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            tunnel_depth: limits.tunnel_depth,
            fragments: FragmentPool::new(limits.fragmented_datagrams, limits.fragment_bytes),
            tunnels: TunnelTable::new(limits.tunnel_stacks),
        }
    }

    /// Calls `sink` for what the record carried: at most once, but for 802.11 aggregates, which hold several packets.
    pub fn packet(&mut self, packet: &RawPacket<'_>, mut sink: impl FnMut(Unit<'_>)) -> Verdict {
        match plain::usual(packet, &mut sink) {
            Some(()) => Verdict::Delivered,
            None => self.walk(packet, &mut sink),
        }
    }

    /// The tunnels that [`FiveTuple::tunnel`] counts.
    pub fn tunnels(&self) -> &TunnelTable {
        &self.tunnels
    }

    /// What became of fragments.
    pub fn fragments(&self) -> FragmentStatistics {
        self.fragments.statistics()
    }

    /// Header by header, whatever there is.
    fn walk(&mut self, packet: &RawPacket<'_>, sink: &mut dyn FnMut(Unit<'_>)) -> Verdict {
        let mut link = Link::new(LinkTag::new(packet.interface));
        let inside = link.open(packet.link, Cut::new(packet.data, packet.wire_len as usize));
        let mut walk = Walk { decoder: self, sink, ts: packet.ts, frame: packet.frame };
        let result = inside.and_then(|inside| walk.inside(inside, link, Place::default()));
        let cut = packet.data.len() < packet.wire_len as usize;
        result.err().map_or(Verdict::Delivered, |verdict| verdict.on_headers(cut))
    }
}

/// Where in a stack of tunnels the walk is.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    tunnel: TunnelId,
    depth: u8,
}

/// One record's walk. `Ok` where the sink was called.
struct Walk<'d, 's> {
    decoder: &'d mut Decoder,
    sink: &'s mut dyn FnMut(Unit<'_>),
    ts: Timestamp,
    frame: FrameNo,
}

impl Walk<'_, '_> {
    fn inside(&mut self, inside: Inside<'_>, link: Link, place: Place) -> Result<(), Verdict> {
        match inside {
            Inside::Ip(cut) => self.ip(cut, link, place),
            Inside::Aggregate(cut) => self.aggregate(cut, link, place),
        }
    }

    /// Delivered where one of the subframes was, otherwise what became of the last one.
    fn aggregate(&mut self, cut: Cut<'_>, link: Link, place: Place) -> Result<(), Verdict> {
        let mut result = Err(ParseError::short("802.11 a-msdu", 0, 14, cut.bytes().len()).into());
        let mut rest = cut;
        while let Some((subframe, next)) = wireless::subframe(rest) {
            let mut link = link;
            let one = match link.llc(subframe) {
                Ok(Inside::Ip(packet)) => self.ip(packet, link, place),
                Ok(Inside::Aggregate(_)) => Err(OtherReason::Llc.into()),
                Err(verdict) => Err(verdict),
            };
            if result.is_err() {
                result = one;
            }
            rest = next;
        }
        result
    }

    fn ip(&mut self, cut: Cut<'_>, link: Link, place: Place) -> Result<(), Verdict> {
        let (header, payload) = ip::open(cut)?;
        match payload.fragment {
            None => self.transport(&header, payload, link, place),
            Some(fragment) => self.fragment(header, payload, fragment, link, place),
        }
    }

    fn fragment(
        &mut self,
        header: IpHeader,
        payload: IpPayload<'_>,
        fragment: Fragment,
        link: Link,
        place: Place,
    ) -> Result<(), Verdict> {
        let whole = self.decoder.fragments.insert(&Arrival {
            key: defrag::Key {
                src: header.src,
                dst: header.dst,
                id: fragment.id,
                protocol: if header.v4 { payload.protocol } else { 0 },
                tunnel: place.tunnel,
            },
            ts: self.ts,
            timeout: if header.v4 { defrag::TIMEOUT_V4 } else { defrag::TIMEOUT_V6 },
            fragment,
            tag: link.tag.value() ^ u32::from(header.ttl) << 24,
            protocol: payload.protocol,
            ip_len: header.ip_len,
            content: payload.content,
        })?;
        let Some(whole) = whole else {
            return Err(Verdict::FragmentHeld);
        };
        let header = IpHeader { ip_len: whole.ip_len, ..header };
        let cut = whole.bytes.len() < whole.wire;
        let payload = ip::extensions(whole.protocol, Cut::new(&whole.bytes, whole.wire))
            .map_err(|verdict| verdict.on_headers(cut))?;
        if payload.fragment.is_some() {
            return Err(ParseError::invalid("ip fragment", 0, "a fragment header within a fragmented datagram").into());
        }
        self.transport(&header, payload, link, place).map_err(|verdict| verdict.on_headers(cut))
    }

    fn transport(
        &mut self,
        header: &IpHeader,
        payload: IpPayload<'_>,
        link: Link,
        place: Place,
    ) -> Result<(), Verdict> {
        let cut = payload.content;
        match payload.protocol {
            protocol::UDP => self.udp(header, cut, false, link, place),
            protocol::UDP_LITE => self.udp(header, cut, true, link, place),
            protocol::TCP => self.tcp(header, cut, link, place),
            protocol::GRE => {
                let tunnel = tunnel::gre(cut)?;
                self.tunnel(tunnel, link, place)
            }
            protocol::IPV4 | protocol::IPV6 => {
                let place = self.enter(TunnelLayer { kind: TunnelKind::IpIp, id: 0 }, place)?;
                self.ip(cut, link, place)
            }
            protocol::ICMP | protocol::ICMPV6 => {
                if let Some(error) = icmp::error(payload.protocol == protocol::ICMP, cut, place.tunnel) {
                    let icmp::Message { flow, reason, mtu, quote } = error;
                    let carrier = self.carrier(header, link);
                    (self.sink)(Unit::Error(IcmpError { carrier, from: header.src, flow, reason, mtu, quote }));
                }
                Err(OtherReason::Icmp.into())
            }
            protocol::IGMP => Err(OtherReason::Igmp.into()),
            protocol::SCTP => Err(OtherReason::Sctp.into()),
            protocol::ESP => Err(OtherReason::Esp.into()),
            other => Err(OtherReason::IpProtocol(other).into()),
        }
    }

    fn enter(&mut self, layer: TunnelLayer, place: Place) -> Result<Place, Verdict> {
        if place.depth >= self.decoder.tunnel_depth {
            return Err(OtherReason::TunnelDepth.into());
        }
        Ok(Place { tunnel: self.decoder.tunnels.enter(place.tunnel, layer), depth: place.depth + 1 })
    }

    fn tunnel(&mut self, tunnel: Tunnel<'_>, link: Link, place: Place) -> Result<(), Verdict> {
        let place = self.enter(tunnel.layer, place)?;
        let mut link = Link::new(link.tag);
        let inside = link.ether_type(tunnel.ether_type, tunnel.content)?;
        self.inside(inside, link, place)
    }

    /// RFC 768; RFC 3828 has the checksum's coverage in the place of the length.
    fn udp(&mut self, header: &IpHeader, cut: Cut<'_>, lite: bool, link: Link, place: Place) -> Result<(), Verdict> {
        let head = cut.head::<8>("udp")?;
        let (src_port, dst_port) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let payload = match u16::from_be_bytes([head[4], head[5]]) {
            _ if lite => cut.after(8),
            // Jumbograms (RFC 2675, section 4), and before segmentation by the network card.
            0 => cut.after(8),
            1..8 => return Err(ParseError::invalid("udp", 4, "length below the header's own").into()),
            length => cut.of_length(usize::from(length)).after(8),
        };
        if let Some(tunnel) = tunnel::in_udp(src_port, dst_port, payload) {
            match self.tunnel(tunnel, link, place) {
                // It only looked like one.
                Err(Verdict::Malformed(_) | Verdict::Other(OtherReason::TunnelDepth)) => {}
                result => return result,
            }
        }
        let carrier = self.carrier(header, link);
        (self.sink)(Unit::Datagram(Datagram {
            carrier,
            flow: flow(header, src_port, dst_port, Transport::Udp, place),
            missing: payload.missing(),
            payload: payload.bytes(),
        }));
        Ok(())
    }

    /// RFC 9293, section 3.1.
    fn tcp(&mut self, header: &IpHeader, cut: Cut<'_>, link: Link, place: Place) -> Result<(), Verdict> {
        let head = cut.head::<20>("tcp")?;
        let header_len = usize::from(head[12] >> 4) * 4;
        if header_len < 20 || header_len > cut.wire() {
            return Err(ParseError::invalid("tcp", 12, "data offset outside the segment").into());
        }
        let payload = cut.after(header_len);
        let src_port = u16::from_be_bytes([head[0], head[1]]);
        let dst_port = u16::from_be_bytes([head[2], head[3]]);
        let flow = flow(header, src_port, dst_port, Transport::Tcp, place);
        let carrier = self.carrier(header, link);
        (self.sink)(Unit::Segment(plain::segment(carrier, flow, head, payload.missing(), payload.bytes())));
        Ok(())
    }

    fn carrier(&self, header: &IpHeader, link: Link) -> Carrier {
        Carrier {
            ts: self.ts,
            frame: self.frame,
            ip_len: header.ip_len,
            ip_id: header.ip_id,
            ttl: header.ttl,
            traffic_class: header.traffic_class,
            link_tag: link.tag.value(),
        }
    }
}

fn flow(header: &IpHeader, src_port: u16, dst_port: u16, transport: Transport, place: Place) -> FiveTuple {
    FiveTuple {
        src: Endpoint { addr: header.src, port: src_port },
        dst: Endpoint { addr: header.dst, port: dst_port },
        transport,
        tunnel: place.tunnel,
    }
}

#[cfg(test)]
mod tests;
