//! The flows of some five-tuples: each datagram is told apart by itself and goes to the state of its flow.
//!
//! In: datagrams in capture order, and announcements of media. Out: flows and streams for the merge.
//! Never: the five-tuples of another shard, or memory beyond its bounds.

mod forget;
mod legs;

use super::analyzer::Options;
use super::class::{Class, ClassCounts};
use super::dtls;
use super::flow::{Direction, Flow, Origin, Peer, Via};
use super::integrity::TurnCredentials;
use super::media::{Media, Routes};
use super::media_context::{Announcement, Format, MediaContexts};
use super::merge::Named;
use super::relayed::RelayedAddresses;
use super::rtp_stream::{PacketLog, PayloadClock, RtpStream, Series, StreamPacket, relative_ms};
use super::turn::TurnState;
use crate::net::{Carrier, Datagram, Endpoint, FiveTuple, Transport};
use crate::proto::channel_data::{ChannelData, HEADER_LEN};
use crate::proto::demux::{self, Class as Proposal};
use crate::proto::rtcp::{RtcpShape, shape};
use crate::proto::rtp::video::{VideoCodec, keyframe};
use crate::proto::rtp::{RtpHeader, RtpPacket};
use crate::proto::stun::{self, AttributeType, Method};
use crate::time::Timestamp;
use hashbrown::{HashMap, HashTable};
pub(crate) use legs::{Leg, Print, PrintRoom};
use std::collections::VecDeque;

/// Bounds of a shard; what is beyond is counted and not followed. With all shards full a flow costs some 2 KB and a
/// stream some 4 KB, so that either table stays below 1 GB.
const MAX_FLOWS: usize = 1 << 14;
const MAX_STREAMS: usize = 1 << 13;
/// Streams whose series are kept, of 14 KB each at most.
const MAX_SERIES: usize = 1 << 10;
/// Room for flows and streams from the start: to grow is to copy them, and memory that is not used costs nothing.
const FEW: usize = 64;
/// STUN transactions, and RTCP report blocks, senders and names, that all flows of a shard may keep together.
const MAX_TRANSACTIONS: usize = 1 << 16;
const MAX_REPORT_BLOCKS: usize = 1 << 17;
/// Unconfirmed streams per flow. Random bytes look like RTP once in four and fill them; but a trunk or a conference
/// sends so many streams in turn that two packets of one are this far apart.
const MAX_UNCONFIRMED: usize = 256;
/// Datagrams inside datagrams.
const MAX_DEPTH: u8 = 4;

/// How a message lay in what carried it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// A UDP datagram.
    Datagram,
    /// A message of a TCP stream that frames itself: STUN, ChannelData, SIP.
    Stream,
    /// A frame of RFC 4571.
    Rfc4571,
    /// An RTSP interleaved frame on a channel.
    Interleaved(u8),
    /// Bytes of a stream whose class is known and whose content is not looked at here.
    Opaque(Class),
}

/// What one look at a datagram's first bytes tells. The front takes it while they are in the cache: a shard that came
/// back for them would wait for memory at every packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// The header of what has RTP's structure, and its length on the wire. Nothing else of it is looked at.
    Rtp(RtpHeader, u32),
    /// Anything else.
    Other(Proposal),
}

impl Look {
    #[inline]
    pub(crate) fn at(payload: &[u8], missing: u32) -> Self {
        match demux::classify_cut(payload, missing) {
            Proposal::Rtp => match RtpHeader::parse(payload) {
                Ok(header) => Look::Rtp(header, payload.len() as u32 + missing),
                Err(_) => Look::Other(Proposal::Rtp),
            },
            proposal => Look::Other(proposal),
        }
    }
}

/// An RTP stream and where it belongs.
pub(crate) struct StreamEntry {
    pub(crate) direction: Direction,
    pub(crate) via: Via,
    pub(crate) ssrc: u32,
    pub(crate) stream: RtpStream,
    /// Its packets, where they are to be kept.
    pub(crate) log: PacketLog,
    /// How it went over time, where that is wanted.
    pub(crate) series: Option<Box<Series>>,
    key: (u32, u64),
}

impl StreamEntry {
    /// Takes a packet; gives the series where it belongs into one.
    #[inline(never)]
    fn packet(&mut self, rel_ms: f64, packet: &StreamPacket) -> Option<&mut Series> {
        let unique = self.stream.unique_packets();
        self.stream.packet_out_of_line(rel_ms, packet);
        let series = self.series.as_mut().filter(|_| self.stream.unique_packets() > unique)?;
        let (missing, jitter_ms) = self.stream.present();
        series.packet(packet.ts, packet.frame, packet.bytes, missing, jitter_ms);
        Some(series)
    }
}

/// What the flows of a shard may still keep.
struct Room {
    transactions: usize,
    report_blocks: usize,
}

/// The state.
pub(crate) struct Shard {
    remove_copies: bool,
    keep_packets: bool,
    kept_packets: usize,
    keep_series: bool,
    kept_series: usize,
    turn_credentials: TurnCredentials,
    hasher: TupleHasher,
    by_tuple: HashTable<u32>,
    inner: HashMap<(u32, Peer), u32, ahash::RandomState>,
    pub(crate) flows: Vec<Flow>,
    by_ssrc: HashMap<(u32, u64), u32, ahash::RandomState>,
    pub(crate) streams: Vec<StreamEntry>,
    /// Those that no second packet had confirmed when they were last looked at, oldest first: noise goes when there is
    /// no room left.
    doubtful: VecDeque<u32>,
    pub(crate) contexts: MediaContexts,
    relayed: RelayedAddresses,
    pub(crate) prints: PrintRoom,
    routes: Routes,
    room: Room,
    /// Time of the first record of the capture.
    start: Timestamp,
    /// Datagrams found inside others.
    pub(crate) inner_datagrams: u64,
    /// Copies that a mirror port made, outside of RTP.
    pub(crate) copies: u64,
    /// Messages outside of RTP whose end a snap length cut off.
    pub(crate) cut: ClassCounts,
    /// Datagrams of flows, and packets of streams, beyond the bounds.
    pub(crate) untracked_datagrams: u64,
    pub(crate) untracked_stream_packets: u64,
}

impl Shard {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            remove_copies: options.remove_copies,
            keep_packets: options.keep_packets,
            kept_packets: 0,
            keep_series: options.series,
            kept_series: 0,
            turn_credentials: options.turn_credentials.clone(),
            hasher: TupleHasher::new(),
            by_tuple: HashTable::new(),
            inner: HashMap::default(),
            flows: Vec::with_capacity(FEW),
            by_ssrc: HashMap::default(),
            streams: Vec::with_capacity(FEW),
            doubtful: VecDeque::new(),
            contexts: MediaContexts::default(),
            relayed: RelayedAddresses::default(),
            prints: PrintRoom::default(),
            routes: Routes::default(),
            room: Room { transactions: MAX_TRANSACTIONS, report_blocks: MAX_REPORT_BLOCKS },
            start: Timestamp::default(),
            inner_datagrams: 0,
            copies: 0,
            cut: ClassCounts::default(),
            untracked_datagrams: 0,
            untracked_stream_packets: 0,
        }
    }

    /// The capture begins at this time: tshark's figures count from there.
    pub(crate) fn starts_at(&mut self, start: Timestamp) {
        self.start = start;
    }

    /// The signalling has told of a media address, or a TURN server of one that it relays at.
    pub(crate) fn announce(&mut self, announcement: &Announcement) {
        for endpoint in announcement.relayed() {
            self.relayed.add(*endpoint);
        }
        self.contexts.add(announcement);
    }

    /// Takes RTP packets on UDP and IPv4, in capture order.
    pub(crate) fn media(&mut self, run: &[Media]) {
        if self.keep_packets {
            return run.iter().for_each(|media| self.media_without_route(media));
        }
        let version = self.contexts.version();
        let keep_series = self.keep_series;
        for media in run {
            let Some(index) = self.routes.find(media, version) else {
                self.media_without_route(media);
                continue;
            };
            let entry = &mut self.streams[index as usize];
            if entry.stream.payload_type() != media.header().payload_type() {
                self.media_without_route(media);
            } else if keep_series {
                entry.packet(relative_ms(media.ts(), self.start), &media.stream_packet());
            } else {
                entry.stream.packet(relative_ms(media.ts(), self.start), &media.stream_packet());
            }
        }
    }

    #[inline(never)]
    fn media_without_route(&mut self, media: &Media) {
        let (carrier, flow, look) = media.unpacked();
        self.datagram(&Datagram { carrier, flow, missing: 0, payload: &[] }, Framing::Datagram, look);
        // A confirmed stream keeps its place to the end, and all that may change its clock changes the version too. On a side
        // of a TURN server each packet is looked at.
        let key = (media.header().ssrc.0, Via::Datagram);
        let found = self.stream_of(&flow, key).filter(|index| self.streams[*index as usize].stream.is_confirmed());
        if let Some(index) = found {
            self.routes.insert(media, self.contexts.version(), index);
        }
    }

    pub(crate) fn kept_packets(&self) -> usize {
        self.kept_packets
    }

    /// The stream that packets may take the short way to.
    fn stream_of(&self, tuple: &FiveTuple, (ssrc, via): (u32, Via)) -> Option<u32> {
        let hash = self.hasher.hash(tuple);
        let flow = *self.by_tuple.find(hash, |index| same_flow(&self.flows[*index as usize].tuple, tuple))?;
        if self.flows[flow as usize].leg.is_some() {
            return None;
        }
        let direction = self.flows[flow as usize].direction_of(tuple);
        self.by_ssrc.get(&(flow, stream_key(ssrc, via) | direction_bit(direction))).copied()
    }

    /// Whether this five-tuple is followed.
    pub(crate) fn has(&self, tuple: &FiveTuple) -> bool {
        let hash = self.hasher.hash(tuple);
        self.by_tuple.find(hash, |index| same_flow(&self.flows[*index as usize].tuple, tuple)).is_some()
    }

    /// Knows no more of what was announced than the signalling does.
    pub(crate) fn forget_announced(&mut self, named: &Named) {
        self.contexts.retain(|at| named.endpoints.contains(at), |fragment| named.fragments.contains(fragment));
        self.relayed.retain(|at| named.endpoints.contains(at));
    }

    /// Takes the next datagram.
    pub(crate) fn datagram(&mut self, datagram: &Datagram<'_>, framing: Framing, look: Look) {
        let Some((flow, direction)) = self.flow(&datagram.flow, &datagram.carrier) else {
            self.untracked_datagrams += 1;
            return;
        };
        if direction == Direction::Backward {
            self.flows[flow as usize].first_backward.get_or_insert(datagram.carrier.frame);
        }
        let via = match framing {
            Framing::Datagram => Via::Datagram,
            Framing::Stream => Via::Stream,
            Framing::Rfc4571 => Via::Rfc4571,
            Framing::Interleaved(channel) => Via::Interleaved(channel),
            Framing::Opaque(class) => {
                self.flows[flow as usize].count(class);
                return;
            }
        };
        let message = Inner {
            carrier: &datagram.carrier,
            flow,
            direction,
            via,
            missing: datagram.missing,
            payload: datagram.payload,
            depth: 0,
        };
        self.message(&message, look);
    }

    #[inline]
    fn flow(&mut self, tuple: &FiveTuple, carrier: &Carrier) -> Option<(u32, Direction)> {
        let hash = self.hasher.hash(tuple);
        let flows = &mut self.flows;
        if let Some(index) = self.by_tuple.find(hash, |index| same_flow(&flows[*index as usize].tuple, tuple)) {
            let flow = &mut flows[*index as usize];
            flow.last_ts = flow.last_ts.max(carrier.ts);
            return Some((*index, flow.direction_of(tuple)));
        }
        let index = self.new_flow(*tuple, Origin::Captured, carrier)?;
        let (hasher, flows) = (&self.hasher, &self.flows);
        self.by_tuple.insert_unique(hash, index, |index| hasher.hash(&flows[*index as usize].tuple));
        Some((index, Direction::Forward))
    }

    fn new_flow(&mut self, tuple: FiveTuple, origin: Origin, carrier: &Carrier) -> Option<u32> {
        if self.flows.len() >= MAX_FLOWS {
            return None;
        }
        let mut flow = Flow::new(tuple, origin, carrier.frame, carrier.ts);
        flow.leg = self.leg(&flow);
        self.flows.push(flow);
        Some(self.flows.len() as u32 - 1)
    }

    #[inline]
    fn message(&mut self, message: &Inner<'_>, look: Look) {
        if self.flows[message.flow as usize].leg.is_some() {
            self.print(message, look);
        }
        match look {
            Look::Rtp(header, bytes) => self.rtp(message, header, bytes),
            Look::Other(proposal) => self.not_rtp(message, proposal),
        }
    }

    #[inline]
    fn rtp(&mut self, message: &Inner<'_>, header: RtpHeader, bytes: u32) {
        let flow = &mut self.flows[message.flow as usize];
        let packet = StreamPacket::new(message.carrier, header, bytes);
        let key = stream_key(header.ssrc.0, message.via);
        let rel_ms = relative_ms(message.carrier.ts, self.start);
        let refresh = flow.context_version != self.contexts.version();
        let recent = &mut flow.recent[message.direction as usize];
        let found = match recent.find(key) {
            Some(index) => Some(index),
            None => {
                let index = self.by_ssrc.get(&(message.flow, key | direction_bit(message.direction))).copied();
                if let Some(index) = index {
                    recent.insert(key, index);
                }
                index
            }
        };
        let Some(index) = found else {
            self.new_stream(message, header.ssrc.0, key, rel_ms, &packet);
            return;
        };
        if refresh {
            self.refresh_clocks(message.flow);
        }
        let entry = &mut self.streams[index as usize];
        if entry.stream.payload_type() != packet.payload_type {
            let clock = payload_clock(
                &self.contexts,
                &self.flows[message.flow as usize],
                message.direction,
                packet.payload_type,
            );
            entry.stream.set_payload_clock(packet.payload_type, clock);
        }
        let was_confirmed = entry.stream.is_confirmed();
        let copies = entry.stream.copies_seen();
        if let Some(series) = entry.packet(rel_ms, &packet)
            && begins_keyframe(&self.contexts, &self.flows[message.flow as usize], message, &packet)
        {
            series.keyframe(packet.ts, packet.frame, packet.rtp_ts);
        }
        if self.keep_packets {
            entry.log.add(&packet, copies, entry.stream.copies_seen());
            self.kept_packets += 1;
        }
        if !was_confirmed && entry.stream.is_confirmed() {
            self.flows[message.flow as usize].unconfirmed.retain(|unconfirmed| *unconfirmed != index);
        }
    }

    #[cold]
    fn new_stream(&mut self, message: &Inner<'_>, ssrc: u32, key: u64, rel_ms: f64, packet: &StreamPacket) {
        let flow = &mut self.flows[message.flow as usize];
        let clock = payload_clock(&self.contexts, flow, message.direction, packet.payload_type);
        let map_key = (message.flow, key | direction_bit(message.direction));
        let mut log = PacketLog::default();
        if self.keep_packets {
            log.add(packet, (0, 0), (0, 0));
            self.kept_packets += 1;
        }
        let series = (self.keep_series && self.kept_series < MAX_SERIES).then(|| {
            self.kept_series += 1;
            let mut series = Series::new(self.start);
            series.packet(packet.ts, packet.frame, packet.bytes, 0, None);
            if begins_keyframe(&self.contexts, flow, message, packet) {
                series.keyframe(packet.ts, packet.frame, packet.rtp_ts);
            }
            Box::new(series)
        });
        let entry = StreamEntry {
            direction: message.direction,
            via: message.via,
            ssrc,
            stream: RtpStream::new(rel_ms, packet, clock),
            log,
            series,
            key: map_key,
        };
        let index = if flow.unconfirmed.len() >= MAX_UNCONFIRMED {
            // The oldest one has found no second packet among all that came since: it was none.
            let index = flow.unconfirmed[0];
            self.replace_stream(index, entry);
            index
        } else if self.streams.len() < MAX_STREAMS {
            self.streams.push(entry);
            let index = self.streams.len() as u32 - 1;
            self.doubtful.push_back(index);
            index
        } else if let Some(index) = self.oldest_doubtful() {
            self.doubtful.push_back(index);
            self.replace_stream(index, entry);
            index
        } else {
            self.untracked_stream_packets += 1;
            self.flows[message.flow as usize].count_unknown("more streams than are followed");
            return;
        };
        let flow = &mut self.flows[message.flow as usize];
        flow.streams.push(index);
        flow.unconfirmed.push(index);
        flow.recent[message.direction as usize].insert(key, index);
        self.by_ssrc.insert(map_key, index);
    }

    fn oldest_doubtful(&mut self) -> Option<u32> {
        std::iter::from_fn(|| self.doubtful.pop_front())
            .find(|index| self.streams.get(*index as usize).is_some_and(|entry| !entry.stream.is_confirmed()))
    }

    /// Takes a stream from its flow, which counts its packets as unknown, and puts another into its place.
    fn replace_stream(&mut self, index: u32, entry: StreamEntry) {
        let old = std::mem::replace(&mut self.streams[index as usize], entry);
        self.by_ssrc.remove(&old.key);
        self.kept_packets -= old.log.len();
        self.kept_series -= usize::from(old.series.is_some());
        let flow = &mut self.flows[old.key.0 as usize];
        flow.streams.retain(|stream| *stream != index);
        flow.unconfirmed.retain(|stream| *stream != index);
        flow.recent[old.direction as usize].forget(stream_key(old.ssrc, old.via));
        for _ in 0..old.stream.packets() {
            flow.count_unknown("rtp not confirmed by a second packet");
        }
    }

    /// The signalling has said something since the flow was last looked at: its streams may have a clock now.
    #[cold]
    fn refresh_clocks(&mut self, flow_index: u32) {
        let flow = &mut self.flows[flow_index as usize];
        flow.context_version = self.contexts.version();
        for index in &self.flows[flow_index as usize].streams {
            let entry = &mut self.streams[*index as usize];
            let flow = &self.flows[flow_index as usize];
            let payload_type = entry.stream.payload_type();
            let clock = payload_clock(&self.contexts, flow, entry.direction, payload_type);
            entry.stream.set_payload_clock(payload_type, clock);
        }
    }

    fn not_rtp(&mut self, message: &Inner<'_>, proposal: Proposal) {
        let flow = &mut self.flows[message.flow as usize];
        let class = match proposal {
            Proposal::Unknown(reason) => {
                flow.count_unknown(reason.as_str());
                return;
            }
            // Nothing in a short header can be checked: it is QUIC where the flow has begun as QUIC.
            Proposal::ProposedQuicShort if flow.classes.of(Class::Quic) == 0 => {
                flow.count_unknown("QUIC byte without a QUIC handshake");
                return;
            }
            Proposal::ProposedDtls if flow.classes.of(Class::Dtls) == 0 => {
                flow.count_unknown("DTLS 1.3 byte without a DTLS handshake");
                return;
            }
            Proposal::Sap => {
                flow.count_unknown("SAP");
                return;
            }
            Proposal::QuicLong | Proposal::ProposedQuicShort => Class::Quic,
            _ => {
                self.rtc(message, proposal);
                return;
            }
        };
        flow.count(class);
    }

    fn rtc(&mut self, message: &Inner<'_>, proposal: Proposal) {
        let flow = &mut self.flows[message.flow as usize];
        // TCP has sorted its own copies out.
        let may_be_copied = self.remove_copies && flow.tuple.transport == Transport::Udp;
        if may_be_copied && flow.details().copies.is_copy(message.direction, message.carrier, message.payload) {
            self.copies += 1;
            return;
        }
        // Of ChannelData only what is inside matters.
        if message.missing > 0 && proposal != Proposal::TurnChannel {
            self.cut.add(cut_class(proposal), 1);
        }
        match proposal {
            Proposal::Sip => flow.count(Class::Sip),
            Proposal::Rtsp => flow.count(Class::Rtsp),
            Proposal::Zrtp => flow.count(Class::Zrtp),
            Proposal::Stun => self.stun(message),
            Proposal::TurnChannel => self.turn_channel(message),
            Proposal::Dtls | Proposal::ProposedDtls => {
                flow.count(Class::Dtls);
                let Carrier { ts, frame, .. } = *message.carrier;
                let from = match message.direction {
                    Direction::Forward => dtls::Direction::AToB,
                    Direction::Backward => dtls::Direction::BToA,
                };
                let association = flow.details().dtls.get_or_insert_default();
                association.datagram(from, ts, frame, message.payload);
                let keyed = association.handshakes().any(|handshake| handshake.srtp_profile.is_some());
                if keyed && !flow.tshark_formats_lost {
                    flow.tshark_formats_lost = true;
                    self.refresh_clocks(message.flow);
                }
            }
            _ => self.rtcp(message),
        }
    }

    fn rtcp(&mut self, message: &Inner<'_>) {
        let flow = &mut self.flows[message.flow as usize];
        let room = &mut self.room.report_blocks;
        let state = &mut flow.details().rtcp;
        let class = match shape(message.payload, message.missing) {
            RtcpShape::Plain => {
                state.compound(message.direction, message.carrier, message.payload, message.missing, room);
                Class::Rtcp
            }
            RtcpShape::Encrypted(_) | RtcpShape::Authenticated(_) => {
                state.encrypted(message.direction, message.carrier, message.payload, room);
                Class::Srtcp
            }
            // A snap length cuts compounds short: what is there is still a report.
            RtcpShape::Malformed(_) if message.missing > 0 => {
                state.compound(message.direction, message.carrier, message.payload, message.missing, room);
                Class::Rtcp
            }
            RtcpShape::Malformed(_) => {
                flow.count_unknown("rtcp that contradicts itself");
                return;
            }
        };
        flow.count(class);
        if class == Class::Rtcp {
            let (streams, by_ssrc) = (&self.streams, &self.by_ssrc);
            flow.details().rtcp.heard(message.direction, |ssrc| {
                let key = stream_key(ssrc.0, message.via) | direction_bit(message.direction);
                let index = *by_ssrc.get(&(message.flow, key))?;
                Some(streams.get(index as usize)?.stream.last_heard())
            });
        }
    }

    fn stun(&mut self, message: &Inner<'_>) {
        let Ok(stun) = stun::Message::parse(message.payload) else {
            self.flows[message.flow as usize].count_unknown("stun header that contradicts itself");
            return;
        };
        let method = stun.method();
        if stun.class() == stun::Class::Indication && (method == Method::SEND || method == Method::DATA) {
            self.turn_indication(message, &stun);
            return;
        }
        let flow = &mut self.flows[message.flow as usize];
        flow.count(Class::Stun);
        let (direction, carrier) = (message.direction, message.carrier);
        let details = flow.details();
        // Nobody but the capture is to blame for what a snap length cut.
        if message.missing == 0 {
            details.transactions.check(carrier, &stun);
        }
        let is_turn = TurnState::is_turn(method);
        if stun.class() == stun::Class::Request {
            if method == Method::BINDING {
                details.ice.request(direction, carrier, &stun);
            } else if is_turn {
                details.turn.request(direction, carrier, &stun);
            }
        }
        match stun.class() {
            stun::Class::SuccessResponse if method == Method::BINDING => details.ice.success(direction, carrier, &stun),
            stun::Class::ErrorResponse if method == Method::BINDING => details.ice.error(direction, carrier, &stun),
            _ => {}
        }
        let completed = details.transactions.message(direction, carrier, &stun, &mut self.room.transactions);
        if let Some(completed) = completed.filter(|_| is_turn) {
            details.turn.response(carrier, &stun, completed);
        }
        details.turn.passed(direction, message.len(), 0);
        if message.missing > 0 {
            return;
        }
        if is_turn {
            let is_right = details.turn_keys.check(&stun, &self.turn_credentials);
            details.turn.integrity(carrier, is_right);
        } else if method == Method::BINDING {
            details.pair_integrity.binding(direction, carrier, &stun, &self.contexts);
        }
    }

    fn turn_indication(&mut self, message: &Inner<'_>, stun: &stun::Message<'_>) {
        let flow = &mut self.flows[message.flow as usize];
        flow.count(Class::TurnIndication);
        let peer = stun.address(AttributeType::XOR_PEER_ADDRESS).map(Endpoint::from);
        let data = stun.attribute_bytes(AttributeType::DATA);
        let turn = &mut flow.details().turn;
        turn.passed(message.direction, message.len(), 0);
        turn.indication(message.carrier, stun.method(), peer, data.map(<[u8]>::len));
        if let (Some(peer), Some(data)) = (peer, data) {
            self.inside(message, Via::TurnIndication, Peer::Address(peer), data, 0);
        }
    }

    fn turn_channel(&mut self, message: &Inner<'_>) {
        let flow = &mut self.flows[message.flow as usize];
        let Ok(channel) = ChannelData::parse(message.payload) else {
            flow.count_unknown("channel data that contradicts itself");
            return;
        };
        flow.count(Class::TurnChannel);
        let number = channel.channel.number();
        let ports = (flow.sender(message.direction).port, flow.receiver(message.direction).port);
        let turn = &mut flow.details().turn;
        let data = (number, usize::from(channel.declared));
        let peer = turn.channel_data(message.direction, message.carrier, ports, data);
        let own = HEADER_LEN + data.1;
        turn.passed(message.direction, own, message.len().saturating_sub(own));
        let peer = peer.map_or(Peer::Channel(number), Peer::Address);
        let missing = message.missing.min(u32::from(channel.declared).saturating_sub(channel.data.len() as u32));
        self.inside(message, Via::TurnChannel, peer, channel.data, missing);
    }

    /// A datagram inside a message: it has a flow of its own and is told apart like any other.
    fn inside(&mut self, outer: &Inner<'_>, via: Via, peer: Peer, data: &[u8], missing: u32) {
        self.inner_datagrams += 1;
        let inner = match self.inner.get(&(outer.flow, peer)) {
            Some(index) => *index,
            None => {
                let tuple = self.flows[outer.flow as usize].tuple;
                let origin = Origin::InTurn { parent: outer.flow, peer };
                let Some(index) = self.new_flow(tuple, origin, outer.carrier) else {
                    self.untracked_datagrams += 1;
                    return;
                };
                self.inner.insert((outer.flow, peer), index);
                index
            }
        };
        let flow = &mut self.flows[inner as usize];
        flow.last_ts = flow.last_ts.max(outer.carrier.ts);
        if outer.direction == Direction::Backward {
            flow.first_backward.get_or_insert(outer.carrier.frame);
        }
        flow.count_via(via);
        if outer.depth >= MAX_DEPTH {
            flow.count_unknown("datagrams nested too deep");
            return;
        }
        let message = Inner { flow: inner, via, missing, payload: data, depth: outer.depth + 1, ..*outer };
        self.message(&message, Look::at(data, missing));
    }
}

/// Under which name a cut message is told.
fn cut_class(proposal: Proposal) -> Class {
    match proposal {
        Proposal::Sip => Class::Sip,
        Proposal::Rtsp => Class::Rtsp,
        Proposal::Zrtp => Class::Zrtp,
        Proposal::Stun => Class::Stun,
        Proposal::Dtls | Proposal::ProposedDtls => Class::Dtls,
        _ => Class::Rtcp,
    }
}

/// A message on its way through the shard.
#[derive(Clone, Copy)]
struct Inner<'a> {
    carrier: &'a Carrier,
    flow: u32,
    direction: Direction,
    via: Via,
    missing: u32,
    payload: &'a [u8],
    depth: u8,
}

impl Inner<'_> {
    /// Its bytes, those included that were not captured.
    fn len(&self) -> usize {
        self.payload.len() + self.missing as usize
    }
}

/// What an allocation's peer or the user names of connectivity checks say of a payload type: they hold where addresses do not.
fn peer_format<'c>(
    contexts: &'c MediaContexts,
    flow: &Flow,
    direction: Direction,
    payload_type: u8,
) -> Option<&'c Format> {
    let (receiver, sender) = (flow.receiver(direction), flow.sender(direction));
    let by_peer = match flow.origin {
        Origin::InTurn { peer: Peer::Address(peer), .. } => {
            contexts.first_format([receiver, peer, sender], payload_type).map(|(format, _)| format)
        }
        _ => None,
    };
    // Connectivity checks name both sides, whatever addresses they have come to have.
    let by_fragment = || {
        let ice = &flow.details.as_deref()?.ice;
        [direction.opposite(), direction]
            .into_iter()
            .find_map(|end| contexts.of_fragment(ice.fragment(end)?)?.formats.get(&payload_type))
    };
    by_fragment().or(by_peer)
}

/// The format of a packet, by whatever describes it.
fn payload_format<'c>(
    contexts: &'c MediaContexts,
    flow: &Flow,
    direction: Direction,
    packet: &StreamPacket,
) -> Option<&'c Format> {
    let described = contexts.format(flow.receiver(direction), flow.sender(direction), packet.payload_type);
    peer_format(contexts, flow, direction, packet.payload_type).or(described.map(|(format, _)| format))
}

/// The clock of a packet's payload type by the receiver's description (RFC 3264, section 5.1: a payload type is what
/// the describer wants to receive), else by the sender's. Inside TURN descriptions name the peer's address and not the
/// server's; tshark knows nothing of that.
fn payload_clock(contexts: &MediaContexts, flow: &Flow, direction: Direction, payload_type: u8) -> PayloadClock {
    let (receiver, sender) = (flow.receiver(direction), flow.sender(direction));
    let format = contexts.format(receiver, sender, payload_type);
    let clock = PayloadClock::of(payload_type, format, !flow.tshark_formats_lost);
    match peer_format(contexts, flow, direction, payload_type) {
        Some(format) => {
            let honest = PayloadClock::of(payload_type, Some((format, false)), false).honest;
            PayloadClock { honest, ..clock }
        }
        None => clock,
    }
}

/// Whether the payload can be read, its codec is known, and a keyframe begins in it.
fn begins_keyframe(contexts: &MediaContexts, flow: &Flow, message: &Inner<'_>, packet: &StreamPacket) -> bool {
    let Ok(whole) = RtpPacket::parse(message.payload) else { return false };
    let format = payload_format(contexts, flow, message.direction, packet);
    let codec = format.and_then(|format| VideoCodec::of_encoding(&format.encoding));
    codec.is_some_and(|codec| keyframe(codec, whole.payload()) == Some(true))
}

#[inline]
fn stream_key(ssrc: u32, via: Via) -> u64 {
    let way = match via {
        Via::Datagram => 0,
        Via::Stream => 1,
        Via::Rfc4571 => 2,
        Via::TurnChannel => 3,
        Via::TurnIndication => 4,
        Via::Interleaved(channel) => 0x100 | u64::from(channel),
    };
    u64::from(ssrc) | way << 32
}

#[inline]
fn direction_bit(direction: Direction) -> u64 {
    (direction as u64) << 63
}

/// A keyed hash of a five-tuple, the same for both directions, in two multiplications: it runs for every packet. The
/// key is drawn per run, so that no capture can be crafted to make all flows meet in one bucket.
struct TupleHasher([u64; 4]);

impl TupleHasher {
    fn new() -> Self {
        let random = ahash::RandomState::new();
        Self([0_u64, 1, 2, 3].map(|n| random.hash_one(n)))
    }

    #[inline]
    fn hash(&self, tuple: &FiveTuple) -> u64 {
        let halves = |endpoint: &Endpoint| {
            let (high, low) = endpoint.addr.halves();
            // The last two bytes of an address, which come last here, are its busiest; the port goes to its quietest.
            (high, low ^ u64::from(endpoint.port) << 16)
        };
        let ((src_high, src_low), (dst_high, dst_low)) = (halves(&tuple.src), halves(&tuple.dst));
        let rest = u64::from(tuple.tunnel.0) << 1 | tuple.transport as u64;
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let low = fold(src_low.wrapping_add(dst_low) ^ self.0[0], src_low ^ dst_low ^ self.0[1]);
        fold(low ^ src_high.wrapping_add(dst_high) ^ self.0[2], rest ^ src_high ^ dst_high ^ self.0[3])
    }
}

#[inline]
fn same_flow(known: &FiveTuple, tuple: &FiveTuple) -> bool {
    known.transport == tuple.transport
        && known.tunnel == tuple.tunnel
        && ((known.src == tuple.src && known.dst == tuple.dst) || (known.src == tuple.dst && known.dst == tuple.src))
}

#[cfg(test)]
mod tests;
