//! From the shards to one snapshot: rows in order, what belongs together across flows joined.
//!
//! In: the front, the shards, what the source knows. Out: a [`Snapshot`]. Never: an order taken from a hash map or
//! from the number of a shard.

use super::analyzer::{Front, Options};
use super::capture::CaptureFacts;
use super::class::{Class, ClassCounts};
use super::dtls;
use super::finding_rules;
use super::flow::{Direction, Flow, Origin};
use super::media_context::{Format, MediaContexts};
use super::rtp_stream::{ClockSource, StreamFigures};
use super::shard::{Shard, StreamEntry};
use super::snapshot::{
    AllocationRow, CaptureSummary, FlowRow, HandshakeRow, OnlySsrcs, PairRow, RtcpRow, Snapshot, StreamKind, StreamRow,
    TransactionRow,
};
use crate::net::{Endpoint, FiveTuple, TunnelLayer};
use crate::packet::FrameNo;
use crate::proto::rtp::Ssrc;
use crate::proto::rtp::payload_type::{MediaKind, PayloadRole, static_payload_type};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The snapshot of all that the front and the shards know.
pub(crate) fn snapshot(options: &Options, front: &Front, shards: &[Shard], facts: CaptureFacts) -> Snapshot {
    Merge::new(options, front, shards).snapshot(facts)
}

/// A flow's place: which shard, which index there.
type Place = (usize, u32);

struct Merge<'a> {
    options: &'a Options,
    front: &'a Front,
    shards: &'a [Shard],
    /// All flows in order of their first frame; an inner flow stands behind the one it is inside of.
    order: Vec<Place>,
    ids: HashMap<Place, String, ahash::RandomState>,
    by_tuple: HashMap<FiveTuple, Place, ahash::RandomState>,
    end: Timestamp,
}

impl<'a> Merge<'a> {
    fn new(options: &'a Options, front: &'a Front, shards: &'a [Shard]) -> Self {
        let mut order: Vec<Place> = Vec::new();
        for (shard_index, shard) in shards.iter().enumerate() {
            order.extend((0..shard.flows.len() as u32).map(|index| (shard_index, index)));
        }
        // Flows of one frame are of one shard, where the outer one is older.
        order.sort_by_key(|(shard, index)| (shards[*shard].flows[*index as usize].first_frame, *index));
        let ids = order.iter().enumerate().map(|(at, place)| (*place, format!("f{}", at + 1))).collect();
        let by_tuple = order
            .iter()
            .map(|place| (*place, &shards[place.0].flows[place.1 as usize]))
            .filter(|(_, flow)| flow.origin == Origin::Captured)
            .map(|(place, flow)| (flow.tuple, place))
            .collect();
        let end = front.last_ts;
        Self { options, front, shards, order, ids, by_tuple, end }
    }

    fn flow(&self, place: Place) -> &'a Flow {
        &self.shards[place.0].flows[place.1 as usize]
    }

    fn id(&self, place: Place) -> String {
        self.ids.get(&place).cloned().unwrap_or_default()
    }

    fn contexts(&self) -> &'a MediaContexts {
        &self.front.signalling.contexts
    }

    fn tunnels(&self, flow: &Flow) -> Vec<TunnelLayer> {
        self.front.decoder.tunnels().layers(flow.tuple.tunnel).to_vec()
    }

    fn snapshot(&self, facts: CaptureFacts) -> Snapshot {
        let mut streams: Vec<(Place, StreamRow)> = Vec::new();
        let mut flow_classes: HashMap<Place, Tally, ahash::RandomState> = HashMap::default();
        let copied_fragments = if self.options.remove_copies { self.copied_fragments() } else { 0 };
        let mut duplicates_removed: u64 = self.shards.iter().map(|shard| shard.copies).sum();
        duplicates_removed += self.front.connections.copies + copied_fragments;
        for place in &self.order {
            let flow = self.flow(*place);
            let mut tally = Tally { classes: flow.classes, reasons: self.reasons(flow) };
            let explained = tally.reasons.values().sum();
            let unexplained = flow.classes.of(Class::Other).saturating_sub(explained);
            if unexplained > 0 {
                tally.reasons.insert("TCP segment that ends no message", unexplained);
            }
            let encrypted = self.is_srtp(*place);
            for index in &flow.streams {
                let entry = &self.shards[place.0].streams[*index as usize];
                let figures = entry.stream.figures(self.options.remove_copies);
                duplicates_removed += figures.copies.packets;
                if self.is_stream(*place, entry, encrypted) {
                    tally.classes.add(if encrypted { Class::Srtp } else { Class::Rtp }, figures.packets);
                    streams.push((*place, self.stream_row(*place, entry, encrypted, figures)));
                } else {
                    tally.unknown("rtp not confirmed by a second packet", figures.packets);
                }
            }
            flow_classes.insert(*place, tally);
        }
        streams.sort_by_key(|(place, row)| {
            (row.figures.first_frame, self.flow(*place).first_frame, row.ssrc, row.src, row.via)
        });
        link_retransmissions(&mut streams, self.contexts());
        let clock_rates = clock_rates(&streams);

        let mut packets = self.front.classes;
        let mut other: BTreeMap<String, u64> = BTreeMap::new();
        for (reason, count) in &self.front.other {
            *other.entry(reason.to_string()).or_default() += count;
        }
        let fragments = self.front.fragments - copied_fragments;
        packets.add(Class::Other, fragments);
        if fragments > 0 {
            other.insert("IP fragment of a datagram that its last one stands for".to_owned(), fragments);
        }
        let mut flows = Vec::with_capacity(self.order.len());
        for place in &self.order {
            let tally = flow_classes.remove(place).unwrap_or_default();
            packets += &tally.classes;
            for (reason, count) in &tally.reasons {
                *other.entry((*reason).to_owned()).or_default() += count;
            }
            flows.push(self.flow_row(*place, tally));
        }
        let untracked: u64 = self.shards.iter().map(|shard| shard.untracked_datagrams).sum();
        packets.add(Class::Other, untracked);

        let inner: u64 = self.shards.iter().map(|shard| shard.inner_datagrams).sum();
        let capture = CaptureSummary {
            facts,
            packets: self.front.packets,
            bytes: self.front.bytes,
            first_ts: (self.front.packets > 0).then_some(self.front.first_ts),
            last_ts: (self.front.packets > 0).then_some(self.front.last_ts),
            clock_steps: self.front.clock_steps.summary().clone(),
            cut_records: self.front.cut.clone(),
            cut_messages: self.cut_messages(),
            cut_segments: self.front.connections.cut,
            duplicates_removed,
            inner_datagrams: inner + self.front.extra_datagrams,
            fragments: self.front.decoder.fragments(),
            limits: self.limits(untracked),
            only_ssrcs: None,
        };
        let others = streams.iter().map(|(_, row)| row.ssrc).filter(|ssrc| !self.is_wanted(*ssrc)).collect();
        let mut snapshot = Snapshot {
            capture,
            packets,
            other,
            flows,
            rtcp: self.rtcp(&clock_rates),
            transactions: self.transactions(),
            pairs: self.pairs(),
            allocations: self.allocations(),
            handshakes: self.handshakes(),
            sessions: self.front.signalling.sessions().to_vec(),
            findings: Vec::new(),
            streams: streams
                .into_iter()
                .map(|(_, row)| row)
                .filter(|row| self.is_wanted(row.ssrc))
                .enumerate()
                .map(|(at, row)| StreamRow { id: format!("r{}", at + 1), ..row })
                .collect(),
        };
        snapshot.capture.only_ssrcs = self.only_ssrcs(&snapshot, others);
        snapshot.findings = finding_rules::all(&snapshot, &self.faults());
        snapshot
    }

    fn only_ssrcs(&self, snapshot: &Snapshot, others: BTreeSet<u32>) -> Option<OnlySsrcs> {
        let wanted: BTreeSet<u32> = self.options.ssrcs.iter().copied().collect();
        let streams = snapshot.streams.iter().map(|row| row.ssrc);
        let rtcp = snapshot.rtcp.iter().map(|row| &row.sender);
        let named = rtcp.flat_map(|sender| sender.reports.iter().map(|point| point.about.0).chain([sender.ssrc.0]));
        let seen: BTreeSet<u32> = streams.chain(named).collect();
        let not_seen = wanted.difference(&seen).copied().collect();
        (!wanted.is_empty()).then_some(OnlySsrcs { wanted, not_seen, others })
    }

    /// Fragments that wait in a record of their own and are copies. The pool counts by fragment, the front by record: of
    /// several in one record it may know less.
    fn copied_fragments(&self) -> u64 {
        self.front.decoder.fragments().copies().min(self.front.fragments)
    }

    fn cut_messages(&self) -> ClassCounts {
        self.shards.iter().fold(ClassCounts::default(), |mut sum, shard| {
            sum += &shard.cut;
            sum
        })
    }

    fn is_wanted(&self, ssrc: u32) -> bool {
        self.options.ssrcs.is_empty() || self.options.ssrcs.contains(&ssrc)
    }

    /// RTP is confirmed by two packets, by SDP, or by DTLS-SRTP, ICE or TURN around it.
    fn is_stream(&self, place: Place, entry: &StreamEntry, encrypted: bool) -> bool {
        let flow = self.flow(place);
        entry.stream.is_confirmed()
            || encrypted
            || flow.details.as_ref().is_some_and(|details| details.ice.is_valid())
            || matches!(flow.origin, Origin::InTurn { .. })
            || [flow.tuple.src, flow.tuple.dst].iter().any(|side| self.contexts().at(*side).is_some())
    }

    /// SRTP is told by its DTLS handshake, its SRTCP, the SDP; failing these, by connectivity checks around media
    /// without a single RTCP packet in the clear, as in a capture that began in the middle of a WebRTC call.
    fn is_srtp(&self, place: Place) -> bool {
        let flow = self.flow(place);
        let rtcp_port = |endpoint: Endpoint| Endpoint { port: endpoint.port.wrapping_add(1), ..endpoint };
        let rtcp_tuple = FiveTuple { src: rtcp_port(flow.tuple.src), dst: rtcp_port(flow.tuple.dst), ..flow.tuple };
        let mirrored = FiveTuple { src: rtcp_tuple.dst, dst: rtcp_tuple.src, ..rtcp_tuple };
        // Inside TURN the ports are the relay's and the peer's inner flow has others: a neighbour is somebody else's.
        let captured = matches!(flow.origin, Origin::Captured);
        let sibling = [rtcp_tuple, mirrored]
            .iter()
            .filter(|_| captured)
            .find_map(|tuple| self.by_tuple.get(tuple))
            .map(|at| self.flow(*at));
        let rtcp = |flow: &Flow| flow.details.as_ref().map_or((0, 0), |all| (all.rtcp.plain, all.rtcp.encrypted));
        let (plain, encrypted) = [Some(flow), sibling]
            .into_iter()
            .flatten()
            .map(rtcp)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if plain + encrypted > 0 {
            return encrypted > plain;
        }
        if let Some(details) = &flow.details
            && (is_dtls_srtp(details) || details.ice.is_valid())
        {
            return true;
        }
        let described = [flow.tuple.dst, flow.tuple.src].into_iter().find_map(|side| self.contexts().at(side));
        described.is_some_and(|context| context.srtp && !context.rtp)
    }

    fn reasons(&self, flow: &Flow) -> BTreeMap<&'static str, u64> {
        flow.details.as_ref().map(|details| details.reasons.clone()).unwrap_or_default()
    }

    fn flow_row(&self, place: Place, tally: Tally) -> FlowRow {
        let flow = self.flow(place);
        let (parent, peer) = match flow.origin {
            Origin::Captured => (None, None),
            Origin::InTurn { parent, peer } => (Some(self.id((place.0, parent))), Some(peer)),
        };
        let streams = flow.streams.iter().map(|index| self.shards[place.0].streams[*index as usize].stream.last_ts());
        FlowRow {
            id: self.id(place),
            transport: flow.tuple.transport,
            a: flow.tuple.src,
            b: flow.tuple.dst,
            tunnels: self.tunnels(flow),
            vias: flow.details.as_ref().map(|details| details.vias.clone()).unwrap_or_default(),
            peer,
            parent,
            classes: tally.classes,
            reasons: tally.reasons,
            first_frame: flow.first_frame,
            first_ts: flow.first_ts,
            last_ts: streams.fold(flow.last_ts, Timestamp::max),
        }
    }

    fn stream_row(&self, place: Place, entry: &StreamEntry, encrypted: bool, figures: StreamFigures) -> StreamRow {
        let flow = self.flow(place);
        let (src, dst) = (flow.sender(entry.direction), flow.receiver(entry.direction));
        let format = self.main_format(src, dst, &figures);
        let codec = format.map(|format| format.encoding.clone()).or_else(|| {
            figures
                .payload_types
                .iter()
                .find_map(|number| static_payload_type(*number))
                .map(|row| row.encoding.to_owned())
        });
        let source = [src, dst].iter().find_map(|side| self.contexts().at(*side)?.sources.get(&entry.ssrc));
        StreamRow {
            id: String::new(),
            flow: self.id(place),
            src,
            dst,
            peer: match flow.origin {
                Origin::Captured => None,
                Origin::InTurn { peer, .. } => Some(peer),
            },
            transport: flow.tuple.transport,
            tunnels: self.tunnels(flow),
            via: entry.via,
            ssrc: entry.ssrc,
            encrypted,
            kind: stream_kind(format, &figures),
            codec,
            mid: source.and_then(|source| source.mid.clone()).or_else(|| format.and_then(|format| format.mid.clone())),
            cname: self.cname(flow, entry.ssrc).or_else(|| source.and_then(|source| source.cname.clone())),
            rtx_of: source.and_then(|source| source.rtx_of),
            figures,
        }
    }

    /// The format of the first payload type that is media; else that of any.
    fn main_format(&self, src: Endpoint, dst: Endpoint, figures: &StreamFigures) -> Option<&'a Format> {
        let formats: Vec<&Format> = figures
            .payload_types
            .iter()
            .filter_map(|payload_type| self.contexts().format(dst, src, *payload_type))
            .map(|(format, _)| format)
            .collect();
        let media = formats.iter().find(|format| PayloadRole::of_encoding(&format.encoding) == PayloadRole::Media);
        media.or(formats.first()).copied()
    }

    fn cname(&self, flow: &Flow, ssrc: u32) -> Option<String> {
        let own = flow.details.as_ref();
        let next_port = |endpoint: Endpoint| Endpoint { port: endpoint.port.wrapping_add(1), ..endpoint };
        let tuple = FiveTuple { src: next_port(flow.tuple.src), dst: next_port(flow.tuple.dst), ..flow.tuple };
        let swapped = FiveTuple { src: tuple.dst, dst: tuple.src, ..tuple };
        let sibling = self.by_tuple.get(&tuple).or_else(|| self.by_tuple.get(&swapped));
        let sibling = sibling.and_then(|place| self.flow(*place).details.as_ref());
        [own, sibling].into_iter().flatten().find_map(|details| details.rtcp.cnames.get(&Ssrc(ssrc))).cloned()
    }

    fn details(&self) -> impl Iterator<Item = (Place, &'a Flow, &'a super::flow::Details)> + '_ {
        self.order.iter().filter_map(|place| {
            let flow = self.flow(*place);
            Some((*place, flow, flow.details.as_deref()?))
        })
    }

    fn rtcp(&self, clock_rates: &BTreeMap<u32, u32>) -> Vec<RtcpRow> {
        let mut rows = Vec::new();
        for (place, flow, details) in self.details() {
            for sender in details.rtcp.summaries() {
                let about_wanted = sender.reports.iter().any(|point| self.is_wanted(point.about.0));
                if !self.is_wanted(sender.ssrc.0) && !about_wanted {
                    continue;
                }
                let rates =
                    sender.reports.iter().filter_map(|point| Some((point.about.0, *clock_rates.get(&point.about.0)?)));
                rows.push(RtcpRow {
                    flow: self.id(place),
                    src: flow.sender(sender.direction),
                    dst: flow.receiver(sender.direction),
                    clock_rates: rates.collect(),
                    sender,
                });
            }
        }
        rows
    }

    fn transactions(&self) -> Vec<TransactionRow> {
        let mut rows: Vec<TransactionRow> = self
            .details()
            .flat_map(|(place, flow, details)| {
                details.transactions.list().iter().map(move |transaction| TransactionRow {
                    flow: self.id(place),
                    src: flow.sender(transaction.from),
                    dst: flow.receiver(transaction.from),
                    outcome: transaction.outcome_at(self.end),
                    transaction: transaction.clone(),
                })
            })
            .collect();
        rows.sort_by_key(|row| row.transaction.first_frame);
        rows
    }

    fn pairs(&self) -> Vec<PairRow> {
        self.details()
            .filter_map(|(place, flow, details)| {
                Some(PairRow {
                    flow: self.id(place),
                    local: flow.tuple.src,
                    remote: flow.tuple.dst,
                    peer: match flow.origin {
                        Origin::Captured => None,
                        Origin::InTurn { peer, .. } => Some(peer),
                    },
                    pair: details.ice.summary(self.end)?,
                })
            })
            .collect()
    }

    fn allocations(&self) -> Vec<AllocationRow> {
        let mut rows: Vec<AllocationRow> = self
            .details()
            .flat_map(|(place, flow, details)| {
                details.turn.allocations().iter().map(move |allocation| AllocationRow {
                    id: String::new(),
                    flow: self.id(place),
                    client: flow.sender(allocation.client_direction),
                    server: flow.receiver(allocation.client_direction),
                    transport: flow.tuple.transport,
                    end: allocation.end(self.end),
                    allocation: allocation.clone(),
                })
            })
            .collect();
        rows.sort_by_key(|row| row.allocation.first_frame);
        for (at, row) in rows.iter_mut().enumerate() {
            row.id = format!("t{}", at + 1);
        }
        rows
    }

    fn handshakes(&self) -> Vec<HandshakeRow> {
        self.details()
            .flat_map(|(place, flow, details)| {
                details.dtls.iter().flat_map(|dtls| dtls.handshakes()).map(move |handshake| {
                    // Where nobody can be told to be the client, it is whoever sent first.
                    let client = match handshake.client {
                        Some(dtls::Direction::BToA) => Direction::Backward,
                        Some(dtls::Direction::AToB) | None => Direction::Forward,
                    };
                    HandshakeRow {
                        flow: self.id(place),
                        client: flow.sender(client),
                        server: flow.receiver(client),
                        sdp_fingerprint: "no-sdp",
                        handshake: handshake.clone(),
                    }
                })
            })
            .collect()
    }

    fn limits(&self, untracked_datagrams: u64) -> BTreeMap<&'static str, u64> {
        let sum = |of: fn(&Shard) -> u64| self.shards.iter().map(of).sum::<u64>();
        let details = |of: fn(&super::flow::Details) -> u64| self.details().map(|(_, _, all)| of(all)).sum::<u64>();
        BTreeMap::from([
            ("datagrams_of_flows_not_followed", untracked_datagrams),
            ("packets_of_streams_not_followed", sum(|shard| shard.untracked_stream_packets)),
            ("connections_not_waited_for", self.front.connections.given_up),
            ("stun_transactions_not_kept", details(|all| all.transactions.dropped)),
            ("rtcp_reports_not_kept", details(|all| all.rtcp.dropped)),
            ("allocations_not_kept", details(|all| all.turn.dropped)),
            ("sessions_not_kept", self.front.signalling.dropped_sessions),
            ("descriptions_not_kept", self.front.signalling.dropped_descriptions),
        ])
    }

    fn faults(&self) -> Vec<finding_rules::Fault> {
        let mut faults: Vec<finding_rules::Fault> = Vec::new();
        for (frame, error) in &self.front.malformed.examples {
            faults.push(finding_rules::Fault::Headers { frame: *frame, error: *error });
        }
        let mut of_flow = |place: Place, what: &'static str, count: u64, first: Option<FrameNo>| {
            if let Some(first) = first {
                faults.push(finding_rules::Fault::Messages { flow: self.id(place), what, count, first });
            }
        };
        for (place, _, details) in self.details() {
            let stun = &details.transactions;
            of_flow(place, "STUN with a wrong FINGERPRINT", stun.bad_fingerprints, stun.first_bad_fingerprint);
            of_flow(place, "STUN with an attribute that cannot be read", stun.broken, stun.first_broken);
            of_flow(place, "RTCP with a part that cannot be read", details.rtcp.broken, details.rtcp.first_broken);
        }
        faults
    }
}

/// A handshake that negotiates SRTP keys (RFC 5764): the client offers profiles, and the server did not leave them out
/// where its answer can be read.
fn is_dtls_srtp(details: &super::flow::Details) -> bool {
    details.dtls.iter().flat_map(|dtls| dtls.handshakes()).any(|handshake| {
        let hello_unseen = handshake.client_hello.is_none();
        handshake.srtp_profile.is_some() || !handshake.offer.srtp_profiles.is_empty() || hello_unseen
    })
}

/// Classes of one flow with its streams counted in.
#[derive(Default)]
struct Tally {
    classes: ClassCounts,
    reasons: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn unknown(&mut self, reason: &'static str, count: u64) {
        self.classes.add(Class::Other, count);
        *self.reasons.entry(reason).or_default() += count;
    }
}

fn stream_kind(format: Option<&Format>, figures: &StreamFigures) -> Option<StreamKind> {
    if let Some(format) = format {
        return Some(match PayloadRole::of_encoding(&format.encoding) {
            PayloadRole::Rtx => StreamKind::Rtx,
            PayloadRole::Fec => StreamKind::Fec,
            PayloadRole::TelephoneEvent => StreamKind::Event,
            _ => match format.kind.as_str() {
                "audio" => StreamKind::Audio,
                "video" => StreamKind::Video,
                "text" => StreamKind::Text,
                _ => StreamKind::Other,
            },
        });
    }
    let known = figures.payload_types.iter().find_map(|number| static_payload_type(*number));
    if let Some(row) = known {
        return Some(match row.kind {
            MediaKind::Audio => StreamKind::Audio,
            MediaKind::Video | MediaKind::AudioVideo => StreamKind::Video,
        });
    }
    match (figures.timing.clock.source, figures.timing.clock.rate) {
        (ClockSource::Inferred, Some(90_000)) => Some(StreamKind::Video),
        (ClockSource::Inferred, Some(_)) => Some(StreamKind::Audio),
        _ => None,
    }
}

/// Where the SDP names no FID group, RTX of a section with one media stream repeats that stream.
fn link_retransmissions(streams: &mut [(Place, StreamRow)], contexts: &MediaContexts) {
    // None where there is more than one.
    let mut only: HashMap<(String, Endpoint, Option<String>), Option<u32>, ahash::RandomState> = HashMap::default();
    for (_, row) in streams.iter().filter(|(_, row)| matches!(row.kind, Some(StreamKind::Video | StreamKind::Audio))) {
        only.entry((row.flow.clone(), row.src, row.mid.clone()))
            .and_modify(|ssrc| *ssrc = None)
            .or_insert(Some(row.ssrc));
    }
    for (_, row) in streams.iter_mut().filter(|(_, row)| row.kind == Some(StreamKind::Rtx) && row.rtx_of.is_none()) {
        if contexts.at(row.dst).or_else(|| contexts.at(row.src)).is_none() {
            continue;
        }
        row.rtx_of = only.get(&(row.flow.clone(), row.src, row.mid.clone())).copied().flatten();
    }
}

/// The clock rate of each SSRC, where all streams with that SSRC agree.
fn clock_rates(streams: &[(Place, StreamRow)]) -> BTreeMap<u32, u32> {
    let mut rates: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    for (_, row) in streams {
        let Some(rate) = row.figures.timing.clock.rate else { continue };
        rates.entry(row.ssrc).and_modify(|known| *known = known.filter(|other| *other == rate)).or_insert(Some(rate));
    }
    rates.into_iter().filter_map(|(ssrc, rate)| Some((ssrc, rate?))).collect()
}

#[cfg(test)]
mod tests;
