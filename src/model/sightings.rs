//! What was seen of each packet, small enough to be held against what another capture saw of it.
//!
//! In: records in capture order. Out: [`Sightings`]: for each datagram when, in which frame, in which group, and a key that the
//! same datagram has at every point of its path. Never: payload, or more than a bound.
//!
//! RTP is known by SSRC, sequence number, timestamp, marker and payload type, which no relay changes; anything else by a hash
//! of its bytes. What TURN carries is taken out of it, so that a packet is the same before and behind a relay.

use super::analyzer::{Front, FrontSink};
use super::media::Media;
use super::media_context::Announcement;
use super::shard::{Framing, Look};
use super::tcp::Connections;
use crate::net::{Carrier, Datagram, Endpoint, FiveTuple, Transport};
use crate::packet::{FedPacket, FrameNo, PacketSink, RawPacket};
use crate::proto::channel_data::ChannelData;
use crate::proto::demux::{Class as Proposal, Reason};
use crate::proto::rtp::RtpHeader;
use crate::proto::stun::{self, AttributeType, Method};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Packets kept, 24 bytes each, and groups of them; those beyond are counted.
const MAX_SEEN: usize = 4 << 20;
const MAX_GROUPS: usize = 1 << 16;
/// Messages in messages.
const MAX_DEPTH: u8 = 4;

/// What the packets of a group are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// What looks like RTP of this SSRC.
    Rtp(u32),
    /// Anything else, by its class.
    Other(&'static str),
}

/// Packets of one kind from one end to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The sender, as on the wire.
    pub src: Endpoint,
    /// The receiver, as on the wire.
    pub dst: Endpoint,
    /// UDP or TCP.
    pub transport: Transport,
    /// What they are.
    pub kind: Kind,
    /// Time to live of the first one.
    pub ttl: u8,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The same at every point of its path, and of no other packet in all likelihood.
    pub key: u64,
    /// When.
    pub ts: Timestamp,
    /// In which frame.
    pub frame: u32,
    /// Index of its group.
    pub group: u32,
}

/// All of them, in capture order.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    /// In order of their first packet.
    pub groups: Vec<Group>,
    /// In capture order.
    pub seen: Vec<Sighting>,
    /// Time of the first and of the latest record, of any kind.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Packets for which there was no room.
    pub not_kept: u64,
    /// Packets whose end a snap length cut off, so that they can be known by nothing.
    pub cut: u64,
}

/// Collects them.
pub struct Collector {
    front: Front,
    store: Store,
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector {
    /// One that has seen nothing.
    pub fn new() -> Self {
        let front = Front { connections: Connections::new(true), ..Front::default() };
        // Fixed seeds: the key of a packet has to be the same in both captures.
        let hasher = ahash::RandomState::with_seeds(0x7274, 0x6373, 0x636f, 0x7065);
        Self { front, store: Store { hasher, index: HashMap::default(), sightings: Sightings::default() } }
    }

    /// Takes the next record.
    pub fn packet(&mut self, packet: &RawPacket<'_>) {
        let (first, last) = self.store.sightings.span.unwrap_or((packet.ts, packet.ts));
        self.store.sightings.span = Some((first.min(packet.ts), last.max(packet.ts)));
        self.front.packet(packet, &mut self.store);
    }

    /// The input has ended.
    pub fn finish(mut self) -> Sightings {
        self.front.end(&mut self.store);
        self.store.sightings
    }
}

impl PacketSink<'_> for Collector {
    fn packet(&mut self, fed: FedPacket<'_, '_>) -> bool {
        Collector::packet(self, &fed.packet);
        true
    }
}

struct Store {
    hasher: ahash::RandomState,
    index: HashMap<(Endpoint, Endpoint, Transport, Kind), u32, ahash::RandomState>,
    sightings: Sightings,
}

impl FrontSink for &mut Store {
    fn media(&mut self, media: Media) {
        let (carrier, flow, look) = media.unpacked();
        if let Look::Rtp(header, _) = look {
            self.rtp(&carrier, &flow, &header);
        }
    }

    fn datagram(&mut self, datagram: &Datagram<'_>, framing: Framing, look: Look) {
        // A part of a stream may be cut otherwise at the other point; only whole messages are compared.
        let is_part =
            matches!(framing, Framing::Opaque(_)) && matches!(look, Look::Other(Proposal::Unknown(Reason::Empty)));
        if !is_part {
            let class = match framing {
                Framing::Opaque(class) => Some(class.name()),
                _ => None,
            };
            self.message(datagram, datagram.payload, look, class, 0);
        }
    }

    fn announce(&mut self, _: &Arc<Announcement>, _: &Datagram<'_>) {}
}

impl Store {
    fn message(&mut self, outer: &Datagram<'_>, payload: &[u8], look: Look, class: Option<&'static str>, depth: u8) {
        let proposal = match look {
            Look::Rtp(header, _) => return self.rtp(&outer.carrier, &outer.flow, &header),
            Look::Other(proposal) => proposal,
        };
        if outer.missing > 0 {
            self.sightings.cut += 1;
            return;
        }
        if let Some(inner) = carried(proposal, payload).filter(|_| depth < MAX_DEPTH) {
            return self.message(outer, inner, Look::at(inner, 0), None, depth + 1);
        }
        if payload.is_empty() {
            return;
        }
        let kind = Kind::Other(class.unwrap_or(name(proposal)));
        let key = self.hasher.hash_one(payload);
        self.note(&outer.carrier, &outer.flow, kind, key);
    }

    fn rtp(&mut self, carrier: &Carrier, flow: &FiveTuple, header: &RtpHeader) {
        let marks = (header.marker(), header.payload_type());
        let key = self.hasher.hash_one((header.ssrc, header.sequence, header.timestamp, marks));
        self.note(carrier, flow, Kind::Rtp(header.ssrc.0), key);
    }

    fn note(&mut self, carrier: &Carrier, flow: &FiveTuple, kind: Kind, key: u64) {
        let name = (flow.src, flow.dst, flow.transport, kind);
        let sightings = &mut self.sightings;
        let known = self.index.get(&name).copied();
        if sightings.seen.len() >= MAX_SEEN || (known.is_none() && sightings.groups.len() >= MAX_GROUPS) {
            sightings.not_kept += 1;
            return;
        }
        let group = known.unwrap_or_else(|| {
            let (src, dst, transport, kind) = name;
            sightings.groups.push(Group { src, dst, transport, kind, ttl: carrier.ttl });
            let group = sightings.groups.len() as u32 - 1;
            self.index.insert(name, group);
            group
        });
        let FrameNo(frame) = carrier.frame;
        sightings.seen.push(Sighting { key, ts: carrier.ts, frame: u32::try_from(frame).unwrap_or(u32::MAX), group });
    }
}

/// What a message of TURN carries.
fn carried(proposal: Proposal, payload: &[u8]) -> Option<&[u8]> {
    match proposal {
        Proposal::TurnChannel => ChannelData::parse(payload).ok().map(|channel| channel.data),
        Proposal::Stun => {
            let message = stun::Message::parse(payload).ok()?;
            let is_relayed = message.class() == stun::Class::Indication
                && (message.method() == Method::SEND || message.method() == Method::DATA);
            message.attribute_bytes(AttributeType::DATA).filter(|_| is_relayed)
        }
        _ => None,
    }
}

const fn name(proposal: Proposal) -> &'static str {
    match proposal {
        Proposal::Stun => "stun",
        Proposal::Zrtp => "zrtp",
        Proposal::Dtls | Proposal::ProposedDtls => "dtls",
        Proposal::TurnChannel => "turn_channel",
        Proposal::QuicLong | Proposal::ProposedQuicShort => "quic",
        Proposal::Rtp => "rtp",
        Proposal::Rtcp => "rtcp",
        Proposal::Sip => "sip",
        Proposal::Rtsp => "rtsp",
        Proposal::Sap | Proposal::Unknown(_) => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{channel_data, rtp, stun as message};
    use super::*;
    use crate::packet::LinkType;
    use crate::proto::stun::{Class, Value};
    use std::net::SocketAddrV4;

    fn saw(packets: &[(&str, &str, &[u8])]) -> Sightings {
        let mut collector = Collector::new();
        for (n, (from, to, payload)) in packets.iter().enumerate() {
            let (from, to): (SocketAddrV4, SocketAddrV4) = (from.parse().unwrap(), to.parse().unwrap());
            let length = 28 + payload.len() as u16;
            let mut data = vec![0x45, 0];
            data.extend(length.to_be_bytes());
            data.extend([0, n as u8, 0, 0, 60, 17, 0, 0]);
            data.extend(from.ip().octets());
            data.extend(to.ip().octets());
            data.extend(from.port().to_be_bytes());
            data.extend(to.port().to_be_bytes());
            data.extend((length - 20).to_be_bytes());
            data.extend([0, 0]);
            data.extend_from_slice(payload);
            collector.packet(&RawPacket {
                ts: Timestamp::from_nanos(n as i64),
                frame: FrameNo(n as u64 + 1),
                interface: 0,
                link: LinkType::RAW,
                wire_len: u32::from(length),
                data: &data,
            });
        }
        collector.finish()
    }

    #[test]
    fn a_packet_is_the_same_before_and_behind_a_relay() {
        let media = rtp(96, 7, 1, 2);
        let indication = message(Class::Indication, Method::SEND, 1, &[(AttributeType::DATA, Value::Bytes(&media))]);
        let seen = saw(&[
            ("10.0.0.1:5", "10.0.0.2:3478", &channel_data(0x4000, &media)),
            ("10.0.0.1:5", "10.0.0.2:3478", &indication),
            ("10.0.0.2:50000", "10.0.0.3:6", &media),
            ("10.0.0.2:50000", "10.0.0.3:6", &rtp(96, 7, 2, 2)),
        ]);
        let keys: Vec<u64> = seen.seen.iter().map(|sighting| sighting.key).collect();
        assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3]);
        assert_eq!(seen.seen.iter().map(|sighting| sighting.group).collect::<Vec<_>>(), [0, 0, 1, 1]);
        assert_eq!((seen.groups[1].kind, seen.groups[1].ttl), (Kind::Rtp(7), 60));
    }

    #[test]
    fn what_is_no_rtp_is_known_by_its_bytes_and_two_collectors_agree() {
        let binding = message(Class::Request, Method::BINDING, 1, &[]);
        let other = message(Class::Request, Method::BINDING, 2, &[]);
        let one = saw(&[("10.0.0.1:5", "10.0.0.2:6", &binding), ("10.0.0.1:5", "10.0.0.2:6", b"hello")]);
        let two = saw(&[("10.0.9.1:5", "10.0.0.2:6", &other), ("10.0.9.1:5", "10.0.0.2:6", &binding)]);
        assert_eq!(one.seen[0].key, two.seen[1].key);
        assert_ne!(one.seen[0].key, two.seen[0].key);
        assert_eq!(one.groups[0].kind, Kind::Other("stun"));
        assert_eq!(one.groups[1].kind, Kind::Other("other"));
        assert_eq!(one.span, Some((Timestamp::from_nanos(0), Timestamp::from_nanos(1))));
    }
}
