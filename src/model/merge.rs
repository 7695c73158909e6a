//! From the shards to one snapshot: rows in order, what belongs together across flows joined.
//!
//! In: the front, the shards, what the source knows. Out: a [`Snapshot`]. Never: an order taken from a hash map or
//! from the number of a shard.

mod calls;
mod described;
mod fingerprints;
mod ice;
mod leaving;
mod mobility;
mod one_sided;
mod pairing;
mod relay_hop;
mod retransmission;
mod secrecy;

use super::analyzer::{Front, Options};
use super::capture::CaptureFacts;
use super::class::{Class, ClassCounts};
use super::dtls;
use super::finding_rules;
use super::flow::{Direction, Flow, Origin};
use super::forget::{Forgotten, Memory};
use super::media_context::{Format, MediaContexts};
use super::relay_hop::RelayHop;
use super::rtp_stream::{ClockSource, Series, StreamFigures};
use super::shard::{Shard, StreamEntry};
use super::snapshot::{
    AllocationRow, CaptureSummary, FlowRow, HandshakeRow, OnlySsrcs, PairRow, RtcpRow, Snapshot, StreamKind, StreamRow,
    TransactionRow,
};
use crate::net::{FiveTuple, TunnelLayer};
use crate::packet::FrameNo;
use crate::proto::rtp::Ssrc;
use crate::proto::rtp::payload_type::{MediaKind, PayloadRole, static_payload_type};
use crate::time::Timestamp;
use described::Described;
use fingerprints::Announced;
pub(crate) use leaving::{Named, Staying};
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The snapshot of all that the front and the shards know.
pub(crate) fn snapshot(
    options: &Options,
    front: &Front,
    shards: &[Shard],
    memory: Option<&Memory>,
    facts: CaptureFacts,
) -> Snapshot {
    Merge::new(options, front, shards).snapshot(memory, facts)
}

/// The same, and what of it stays at this time.
pub(crate) fn staying(
    options: &Options,
    front: &Front,
    shards: &[Shard],
    memory: &Memory,
    (facts, now): (CaptureFacts, Timestamp),
) -> (Snapshot, Staying) {
    let merge = Merge::new(options, front, shards);
    let snapshot = merge.snapshot(Some(memory), facts);
    let staying = merge.staying(&snapshot, now, memory.idle);
    (snapshot, staying)
}

/// A flow's place: which shard, which index there.
type Place = (usize, u32);

/// A row of a stream, and what it takes to join it to others.
struct Draft {
    place: Place,
    row: StreamRow,
    /// The payload types that those of a retransmission stream stand for.
    repeats: Vec<u8>,
    /// True where an end has a description.
    is_described: bool,
}

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

    fn snapshot(&self, memory: Option<&Memory>, facts: CaptureFacts) -> Snapshot {
        let mut streams: Vec<Draft> = Vec::with_capacity(self.shards.iter().map(|shard| shard.streams.len()).sum());
        let mut tallies: Vec<Tally> = Vec::with_capacity(self.order.len());
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
            let secrecy = self.secrecy(*place);
            for index in &flow.streams {
                let entry = &self.shards[place.0].streams[*index as usize];
                let figures = entry.stream.figures(self.options.remove_copies);
                duplicates_removed += figures.copies.packets;
                let encrypted = secrecy.is_srtp(entry.direction, entry.ssrc, &figures);
                let described = self.described(*place, entry.direction);
                if self.is_stream(*place, entry, secrecy.has_keys(), described) {
                    tally.classes.add(if encrypted { Class::Srtp } else { Class::Rtp }, figures.packets);
                    streams.push(self.draft(*place, entry, encrypted, described, figures));
                } else {
                    tally.unknown("rtp not confirmed by a second packet", figures.packets);
                }
            }
            tallies.push(tally);
        }
        streams.sort_by_key(|Draft { place, row, .. }| {
            (row.figures.first_frame, self.flow(*place).first_frame, row.ssrc, row.src, row.via)
        });
        retransmission::link(&mut streams);
        let clock_rates = clock_rates(&streams);
        let loads = self.loads(&streams);

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
        for (place, tally) in self.order.iter().zip(tallies) {
            packets += &tally.classes;
            for (reason, count) in &tally.reasons {
                *other.entry((*reason).to_owned()).or_default() += count;
            }
            flows.push(self.flow_row(*place, tally));
        }
        let untracked: u64 = self.shards.iter().map(|shard| shard.untracked_datagrams).sum();
        packets.add(Class::Other, untracked);

        let inner: u64 = self.shards.iter().map(|shard| shard.inner_datagrams).sum();
        let inputs = facts.files.len();
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
            forgotten: Forgotten::default(),
            forgotten_findings: BTreeMap::new(),
            forgotten_listed: BTreeMap::new(),
            only_ssrcs: None,
        };
        let others = streams.iter().map(|draft| draft.row.ssrc).filter(|ssrc| !self.is_wanted(*ssrc)).collect();
        let mut snapshot = Snapshot {
            capture,
            packets,
            other,
            flows,
            rtcp: self.rtcp(&clock_rates),
            transactions: self.transactions(),
            pairs: self.pairs(),
            allocations: self.allocations(inputs),
            handshakes: self.handshakes(),
            sessions: self.front.signalling.sessions().to_vec(),
            icmp: self.front.icmp.rows().to_vec(),
            signals: self.front.signalling.trail.messages().to_vec(),
            signals_not_kept: self.front.signalling.trail.dropped,
            findings: Vec::new(),
            bandwidth: Series::sum(streams.iter().filter_map(|draft| draft.row.series.as_ref())),
            streams: streams
                .into_iter()
                .map(|draft| draft.row)
                .filter(|row| self.is_wanted(row.ssrc))
                .enumerate()
                .map(|(at, row)| StreamRow { id: format!("r{}", at + 1), ..row })
                .collect(),
        };
        self.join_sessions(&mut snapshot);
        self.join_ice(&mut snapshot, loads);
        snapshot.capture.only_ssrcs = self.only_ssrcs(&snapshot, others);
        if let Some(memory) = memory {
            memory.add_counts(&mut snapshot);
        }
        snapshot.findings = finding_rules::all(&snapshot, &self.faults());
        if let Some(memory) = memory {
            snapshot.capture.forgotten_listed = memory.add_findings(&mut snapshot.findings);
            finding_rules::sort(&mut snapshot.findings);
        }
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
    fn is_stream(&self, place: Place, entry: &StreamEntry, has_keys: bool, described: Described<'_>) -> bool {
        let flow = self.flow(place);
        entry.stream.is_confirmed()
            || has_keys
            || flow.details.as_ref().is_some_and(|details| details.ice.is_valid())
            || matches!(flow.origin, Origin::InTurn { .. })
            || described.is_any()
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
            first_backward: flow.first_backward,
            first_ts: flow.first_ts,
            last_ts: streams.fold(flow.last_ts, Timestamp::max),
        }
    }

    fn draft(
        &self,
        place: Place,
        entry: &StreamEntry,
        encrypted: bool,
        described: Described<'a>,
        figures: StreamFigures,
    ) -> Draft {
        let flow = self.flow(place);
        let formats: Vec<&Format> =
            figures.payload_types_by_use.iter().filter_map(|payload_type| described.format(*payload_type)).collect();
        let format = main_format(&formats);
        let codec = format.map(|format| format.encoding.clone()).or_else(|| {
            figures
                .payload_types_by_use
                .iter()
                .find_map(|number| static_payload_type(*number))
                .map(|row| row.encoding.to_owned())
        });
        let section_kind = figures.payload_types_by_use.iter().find_map(|payload_type| described.kind(*payload_type));
        let source = described.source(entry.ssrc);
        let row = StreamRow {
            id: String::new(),
            flow: self.id(place),
            src: flow.sender(entry.direction),
            dst: flow.receiver(entry.direction),
            peer: match flow.origin {
                Origin::Captured => None,
                Origin::InTurn { peer, .. } => Some(peer),
            },
            transport: flow.tuple.transport,
            tunnels: self.tunnels(flow),
            via: entry.via,
            ssrc: entry.ssrc,
            encrypted,
            kind: stream_kind(format, section_kind, &figures),
            codec,
            mid: source.and_then(|source| source.mid.clone()).or_else(|| format.and_then(|format| format.mid.clone())),
            cname: self.cname(place, entry.ssrc).or_else(|| source.and_then(|source| source.cname.clone())),
            rtx_of: source.and_then(|source| source.rtx_of),
            in_red: false,
            figures,
            packets: entry.log.packets(self.options.remove_copies, entry.stream.is_mirrored()),
            series: entry.series.as_deref().cloned().map(|mut series| {
                if encrypted {
                    series.forget_keyframes();
                }
                series
            }),
        };
        let repeats = formats.iter().filter_map(|format| format.apt).collect();
        Draft { place, row, repeats, is_described: described.is_any() }
    }

    fn cname(&self, place: Place, ssrc: u32) -> Option<String> {
        let own = self.flow(place).details.as_deref();
        let sibling = self.rtcp_sibling(place).map(|(details, _)| details);
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
        let all = self.details().flat_map(|(place, flow, details)| {
            let generations = details.ice.summaries(self.end);
            generations.into_iter().map(move |pair| (place, flow, details, pair))
        });
        let mut rows: Vec<PairRow> = all
            .map(|(place, flow, details, pair)| PairRow {
                id: String::new(),
                flow: self.id(place),
                local: flow.tuple.src,
                remote: flow.tuple.dst,
                peer: match flow.origin {
                    Origin::Captured => None,
                    Origin::InTurn { peer, .. } => Some(peer),
                },
                kinds: [None, None],
                generation: None,
                selected: None,
                integrity: details.pair_integrity.seen,
                pair,
            })
            .collect();
        for (at, row) in rows.iter_mut().enumerate() {
            row.id = format!("p{}", at + 1);
        }
        rows
    }

    fn allocations(&self, inputs: usize) -> Vec<AllocationRow> {
        let mut placed: Vec<(Place, AllocationRow)> = self
            .details()
            .flat_map(|(place, flow, details)| {
                details.turn.allocations().iter().map(move |allocation| {
                    (
                        place,
                        AllocationRow {
                            id: String::new(),
                            flow: self.id(place),
                            client: flow.sender(allocation.client_direction),
                            server: flow.receiver(allocation.client_direction),
                            transport: flow.tuple.transport,
                            end: allocation.end(self.end),
                            ended_ts: allocation.ended_ts(self.end),
                            moved_from: None,
                            moved_to: None,
                            allocation: allocation.clone(),
                            relay_hop: RelayHop::default(),
                            relay_peers: Vec::new(),
                        },
                    )
                })
            })
            .collect();
        placed.sort_by_key(|(_, row)| row.allocation.first_frame);
        let (places, mut rows): (Vec<Place>, Vec<AllocationRow>) = placed.into_iter().unzip();
        for (at, row) in rows.iter_mut().enumerate() {
            row.id = format!("t{}", at + 1);
        }
        mobility::join(&mut rows);
        self.join_relays(&mut rows, &places, inputs);
        rows
    }

    fn handshakes(&self) -> Vec<HandshakeRow> {
        let announced = LazyCell::new(|| Announced::of(&self.front.signalling));
        let announced = &announced;
        let rows = self.details().flat_map(|(place, flow, details)| {
            let handshakes = details.dtls.iter().flat_map(|dtls| dtls.handshakes());
            handshakes.filter(|handshake| handshake.was_seen()).map(move |handshake| {
                // Where nobody can be told to be the client, it is whoever sent first.
                let client = match handshake.client {
                    Some(dtls::Direction::BToA) => Direction::Backward,
                    Some(dtls::Direction::AToB) | None => Direction::Forward,
                };
                HandshakeRow {
                    id: String::new(),
                    flow: self.id(place),
                    client: flow.sender(client),
                    server: flow.receiver(client),
                    sdp_fingerprint: self.check_fingerprints(announced, place, handshake),
                    sdp_setup: self.check_setup(announced, place, handshake),
                    handshake: handshake.clone(),
                }
            })
        });
        rows.enumerate().map(|(at, row)| HandshakeRow { id: format!("d{}", at + 1), ..row }).collect()
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
            ("relayed_packets_not_matched", sum(|shard| shard.prints.dropped)),
            ("sessions_not_kept", self.front.signalling.dropped_sessions),
            ("descriptions_not_kept", self.front.signalling.dropped_descriptions),
            ("icmp_errors_not_kept", self.front.icmp.dropped),
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
        faults.extend(self.one_sided());
        faults
    }
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

/// The format of the payload type that is media, the first in the order of use; else that of any.
fn main_format<'a>(formats: &[&'a Format]) -> Option<&'a Format> {
    let media = formats.iter().find(|format| PayloadRole::of_encoding(&format.encoding) == PayloadRole::Media);
    media.or(formats.first()).copied()
}

/// By the format; else, where the SDP names none for the payload type, by the section that lists it, by the static
/// table, by the clock.
fn stream_kind(format: Option<&Format>, section_kind: Option<&str>, figures: &StreamFigures) -> Option<StreamKind> {
    match format.map(|format| PayloadRole::of_encoding(&format.encoding)) {
        Some(PayloadRole::Rtx) => return Some(StreamKind::Rtx),
        Some(PayloadRole::Fec) => return Some(StreamKind::Fec),
        Some(PayloadRole::TelephoneEvent) => return Some(StreamKind::Event),
        _ => {}
    }
    if let Some(kind) = format.map(|format| format.kind.as_str()).or(section_kind) {
        return Some(match kind {
            "audio" => StreamKind::Audio,
            "video" => StreamKind::Video,
            "text" => StreamKind::Text,
            _ => StreamKind::Other,
        });
    }
    let known = figures.payload_types_by_use.iter().find_map(|number| static_payload_type(*number));
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

/// The clock rate of each SSRC, where all streams with that SSRC agree.
fn clock_rates(streams: &[Draft]) -> BTreeMap<u32, u32> {
    let mut rates: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    for Draft { row, .. } in streams {
        let Some(rate) = row.figures.timing.clock.rate else { continue };
        rates.entry(row.ssrc).and_modify(|known| *known = known.filter(|other| *other == rate)).or_insert(Some(rate));
    }
    rates.into_iter().filter_map(|(ssrc, rate)| Some((ssrc, rate?))).collect()
}

#[cfg(test)]
mod relay_hop_tests;
#[cfg(test)]
mod tests;
