//! An RTP packet on UDP and IPv4, which is nearly all that a media capture holds: as small as it can be queued, and the
//! short way to its stream.
//!
//! In: what the front found in a record. Out: the packet for its stream. Never: a byte of payload, and nothing that the
//! general way of a datagram would decide otherwise.

use super::rtp_stream::StreamPacket;
use super::shard::Look;
use crate::net::{Addr, Carrier, Datagram, Endpoint, FiveTuple, Straight, Transport, TunnelId};
use crate::packet::{FrameNo, RawPacket};
use crate::proto::demux;
use crate::proto::rtp::{FIXED_HEADER_LEN, RtpHeader};
use crate::time::Timestamp;

/// All that a shard needs of it, in less than a cache line. The fields stay as they stood in their headers until the
/// stream reads them: to queue a packet is a few copies.
#[derive(Clone, Copy)]
pub(crate) struct Media {
    ts: Timestamp,
    frame: FrameNo,
    /// Source (low half) and destination, in little-endian order.
    addresses: u64,
    /// Source (high half) and destination.
    ports: u32,
    rtp: [u8; FIXED_HEADER_LEN],
    /// Total length (high half) and identification of the IP header.
    len_and_id: u32,
    link_tag: u32,
    /// Of the RTP packet.
    bytes: u16,
    ttl: u8,
    traffic_class: u8,
}

impl Media {
    /// The media in a record; none where it is anything else, or in a less usual wrapping.
    #[inline(always)]
    pub(crate) fn at(packet: &RawPacket<'_>) -> Option<Self> {
        let datagram = Straight::of(packet)?;
        if !demux::is_rtp(datagram.payload()) {
            return None;
        }
        Some(Self {
            ts: packet.ts,
            frame: packet.frame,
            addresses: datagram.addresses(),
            ports: datagram.ports(),
            rtp: *datagram.payload().first_chunk()?,
            len_and_id: datagram.len_and_id(),
            link_tag: datagram.link_tag(packet.interface),
            bytes: datagram.payload().len() as u16,
            ttl: datagram.ttl(),
            traffic_class: datagram.traffic_class(),
        })
    }

    /// The media in a datagram that was looked at; none where it is anything else.
    pub(crate) fn of(datagram: &Datagram<'_>, look: Look) -> Option<Self> {
        let (Datagram { carrier, flow, payload, .. }, Look::Rtp(_, bytes)) = (datagram, look) else { return None };
        if flow.transport != Transport::Udp || flow.tunnel != TunnelId(0) {
            return None;
        }
        let join = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let ([a, b, c, d], [e, f, g, h]) = (flow.src.addr.v4_octets()?, flow.dst.addr.v4_octets()?);
        Some(Self {
            ts: carrier.ts,
            frame: carrier.frame,
            addresses: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            ports: join(flow.src.port, flow.dst.port),
            rtp: *payload.first_chunk()?,
            len_and_id: join(u16::try_from(carrier.ip_len).ok()?, carrier.ip_id?),
            link_tag: carrier.link_tag,
            bytes: u16::try_from(bytes).ok()?,
            ttl: carrier.ttl,
            traffic_class: carrier.traffic_class,
        })
    }

    /// When it was captured.
    #[inline(always)]
    pub(crate) fn ts(&self) -> Timestamp {
        self.ts
    }

    /// The RTP header.
    #[inline(always)]
    pub(crate) fn header(&self) -> RtpHeader {
        RtpHeader::of(self.rtp)
    }

    /// Sender and receiver as [`Endpoint::folded`].
    #[inline(always)]
    pub(crate) fn folded(&self) -> (u64, u64) {
        let src = Endpoint::folded_v4(self.addresses as u32, (self.ports >> 16) as u16);
        (src, Endpoint::folded_v4((self.addresses >> 32) as u32, self.ports as u16))
    }

    #[inline(always)]
    fn carrier(&self) -> Carrier {
        Carrier {
            ts: self.ts,
            frame: self.frame,
            ip_len: self.len_and_id >> 16,
            ip_id: Some(self.len_and_id as u16),
            ttl: self.ttl,
            traffic_class: self.traffic_class,
            link_tag: self.link_tag,
        }
    }

    /// The packet as its stream takes it.
    #[inline(always)]
    pub(crate) fn stream_packet(&self) -> StreamPacket {
        StreamPacket::new(&self.carrier(), self.header(), u32::from(self.bytes))
    }

    /// The packet as the general way takes it.
    pub(crate) fn unpacked(&self) -> (Carrier, FiveTuple, Look) {
        let [a, b, c, d, e, f, g, h] = self.addresses.to_le_bytes();
        let flow = FiveTuple {
            src: Endpoint { addr: Addr::v4([a, b, c, d]), port: (self.ports >> 16) as u16 },
            dst: Endpoint { addr: Addr::v4([e, f, g, h]), port: self.ports as u16 },
            transport: Transport::Udp,
            tunnel: TunnelId(0),
        };
        (self.carrier(), flow, Look::Rtp(self.header(), u32::from(self.bytes)))
    }

    #[inline(always)]
    fn route_key(&self) -> RouteKey {
        let [.., a, b, c, d] = self.rtp;
        (self.addresses, u64::from(self.ports) << 32 | u64::from(u32::from_ne_bytes([a, b, c, d])))
    }
}

/// Addresses; ports and SSRC.
type RouteKey = (u64, u64);

/// Places in the table of a shard. Two streams may share one; more take turns, which costs time and nothing else.
const ROUTES: usize = 512;
const NO_STREAM: u32 = u32::MAX;

/// The streams that the last packets went to. No hash table: what is found here has been looked up before.
#[derive(Default)]
pub(crate) struct Routes(Vec<[Route; 2]>);

#[derive(Clone, Copy)]
struct Route {
    key: RouteKey,
    version: u32,
    stream: u32,
}

impl Routes {
    /// The stream of a packet that was looked up while the signalling stood at `version`.
    #[inline(always)]
    pub(crate) fn find(&self, media: &Media, version: u32) -> Option<u32> {
        let key = media.route_key();
        let routes = self.0.get(place(key))?;
        let route = if routes[0].key == key { &routes[0] } else { &routes[1] };
        (route.key == key && route.version == version && route.stream != NO_STREAM).then_some(route.stream)
    }

    /// Remembers the stream of a packet.
    pub(crate) fn insert(&mut self, media: &Media, version: u32, stream: u32) {
        let key = media.route_key();
        if self.0.is_empty() {
            self.0 = vec![[Route { key: (0, 0), version: 0, stream: NO_STREAM }; 2]; ROUTES];
        }
        let routes = &mut self.0[place(key)];
        // The one that was remembered first goes.
        if routes[0].key != key {
            routes[1] = routes[0];
        }
        routes[0] = Route { key, version, stream };
    }
}

#[inline(always)]
fn place((addresses, rest): RouteKey) -> usize {
    ((addresses ^ rest.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize % ROUTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::analyzer::{shard_of, shard_of_media};
    use crate::net::{Decoder, Unit};
    use crate::packet::LinkType;

    fn datagram(n: u8) -> (Datagram<'static>, Look) {
        let carrier = Carrier {
            ts: Timestamp::from_nanos(i64::from(n)),
            frame: FrameNo(u64::from(n)),
            ip_len: 200,
            ip_id: Some(7),
            ttl: 64,
            traffic_class: 0xb8,
            link_tag: 5,
        };
        let endpoint = |host, port| Endpoint { addr: Addr::v4([10, 0, n, host]), port };
        let flow = FiveTuple {
            src: endpoint(1, 5000 + u16::from(n)),
            dst: endpoint(2, 6000),
            transport: Transport::Udp,
            tunnel: TunnelId(0),
        };
        let datagram = Datagram { carrier, flow, missing: 0, payload: &RTP };
        (datagram, Look::at(&RTP, 0))
    }

    const RTP: [u8; 12] = [0x80, 0, 0, 5, 0, 0, 0, 160, 0, 0, 0, 9];

    fn media(n: u8, ssrc: u8) -> Media {
        let (datagram, look) = datagram(n);
        let mut media = Media::of(&datagram, look).unwrap();
        media.rtp[11] = ssrc;
        media
    }

    #[test]
    fn a_packet_unpacks_to_what_it_was_made_of_and_goes_to_the_shard_of_its_flow() {
        for n in 0..=255 {
            let (datagram, look) = datagram(n);
            let media = Media::of(&datagram, look).unwrap();
            let (carrier, flow, unpacked) = media.unpacked();
            assert_eq!((carrier, flow), (datagram.carrier, datagram.flow));
            let (Look::Rtp(before, 12), Look::Rtp(after, 12)) = (look, unpacked) else { panic!("{n}") };
            assert_eq!(before, after);
            assert_eq!(shard_of_media(&media), shard_of(&flow));
        }
    }

    #[test]
    fn a_record_gives_the_same_packet_as_its_datagram() {
        let mut record = vec![9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 8, 0];
        record.extend([0x45, 0xb8, 0, 40, 1, 2, 0x40, 0, 63, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        record.extend([0x13, 0x88, 0x17, 0x70, 0, 20, 0, 0]);
        record.extend([0x80, 0xe0, 0, 7, 0, 0, 0, 160, 0, 0, 0, 9]);
        let packet = RawPacket {
            ts: Timestamp::from_nanos(77),
            frame: FrameNo(5),
            interface: 3,
            link: LinkType::ETHERNET,
            wire_len: record.len() as u32,
            data: &record,
        };
        let straight = Media::at(&packet).unwrap().unpacked();
        let mut general = None;
        Decoder::default().packet(&packet, |unit| {
            if let Unit::Datagram(datagram) = unit {
                general = Media::of(&datagram, Look::at(datagram.payload, datagram.missing));
            }
        });
        let general = general.unwrap().unpacked();
        assert_eq!((straight.0, straight.1), (general.0, general.1));
        assert_eq!((straight.0.ip_len, straight.0.ip_id, straight.0.ttl), (40, Some(0x0102), 63));
        let cut = RawPacket { wire_len: packet.wire_len + 1, ..packet };
        assert!(Media::at(&cut).is_none());
    }

    #[test]
    fn only_udp_on_ipv4_outside_of_tunnels_is_taken() {
        let (datagram, look) = datagram(1);
        assert!(Media::of(&datagram, look).is_some());
        let flow = datagram.flow;
        let inside = FiveTuple { tunnel: TunnelId(3), ..flow };
        let tcp = FiveTuple { transport: Transport::Tcp, ..flow };
        let six = FiveTuple { dst: Endpoint { addr: Addr::v6([0x20; 16]), port: 1 }, ..flow };
        for flow in [inside, tcp, six] {
            assert!(Media::of(&Datagram { flow, ..datagram }, look).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn a_route_is_found_by_the_same_packet_and_the_same_version_only() {
        let mut routes = Routes::default();
        assert_eq!(routes.find(&media(1, 9), 0), None);
        routes.insert(&media(1, 9), 4, 17);
        assert_eq!(routes.find(&media(1, 9), 4), Some(17));
        assert_eq!(routes.find(&media(1, 9), 5), None);
        assert_eq!(routes.find(&media(1, 8), 4), None);
        assert_eq!(routes.find(&media(2, 9), 4), None);
    }
}
