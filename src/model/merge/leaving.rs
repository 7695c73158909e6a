//! What may leave: flows and streams that have been quiet, and sessions that are over.
//!
//! In: a snapshot, the time, and how long quiet is too long. Out: what stays. Never: a part of a session, an allocation or a
//! side of a TURN server whose other parts go on: what is joined leaves together.

use super::super::flow::{Direction, Origin, Peer, Via};
use super::super::forget::OPEN;
use super::super::media_context::addresses;
use super::super::signalling::{SessionState, SessionSummary, Signal};
use super::super::snapshot::{AllocationEnd, Class, Snapshot};
use super::{Merge, Place};
use crate::net::Endpoint;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What stays.
pub(crate) struct Staying {
    /// Of each shard, by index.
    pub(crate) flows: Vec<Vec<bool>>,
    pub(crate) streams: Vec<Vec<bool>>,
    /// RTP of streams that leave flows that stay: there it is counted from now on.
    pub(crate) counted: Vec<Counted>,
    /// Of the signalling, by index.
    pub(crate) sessions: Vec<bool>,
    /// Addresses and fragments of what stays.
    pub(crate) named: Named,
}

/// Packets of a class that a flow counts from now on.
type Counted = (Place, Class, u64);

/// Addresses and username fragments that something may still be asked of.
#[derive(Default)]
pub(crate) struct Named {
    pub(crate) endpoints: HashSet<Endpoint, ahash::RandomState>,
    pub(crate) fragments: HashSet<String, ahash::RandomState>,
}

/// What identifies a stream: its flow, direction, source and way.
type StreamKey = (Place, Direction, u32, Via);

/// How long ago is too long.
#[derive(Clone, Copy)]
struct Age {
    now: Timestamp,
    idle: i64,
}

impl Age {
    /// A time far ahead is of a clock that was set back since.
    fn is_fresh(self, ts: Timestamp, times: i64) -> bool {
        self.now.nanos_since(ts).unsigned_abs() < self.idle.saturating_mul(times).unsigned_abs()
    }
}

impl Merge<'_> {
    /// What stays at this time. `idle` is in nanoseconds.
    pub(crate) fn staying(&self, snapshot: &Snapshot, now: Timestamp, idle: i64) -> Staying {
        let age = Age { now, idle };
        let active: Vec<bool> = self.active(snapshot, age);
        let mut sessions = vec![true; self.front.signalling.sessions().len()];
        for (at, is_active) in self.signalled().zip(signalled_of(snapshot, &active)) {
            sessions[at] = is_active;
        }
        let stays = self.flows_that_stay(snapshot, &active, age);
        let mut flows: Vec<Vec<bool>> = self.shards.iter().map(|shard| vec![true; shard.flows.len()]).collect();
        for (place, stays) in self.order.iter().zip(&stays) {
            flows[place.0][place.1 as usize] = *stays;
        }
        let (streams, counted) = self.streams_that_stay(snapshot, &active, &flows, age);
        let named = self.named(snapshot, &stays, &sessions);
        Staying { flows, streams, counted, sessions, named }
    }

    /// Of each session of the snapshot, whether anything of it goes on.
    fn active(&self, snapshot: &Snapshot, age: Age) -> Vec<bool> {
        let streams: HashMap<&str, Timestamp, ahash::RandomState> =
            snapshot.streams.iter().map(|row| (row.id.as_str(), row.figures.last_ts)).collect();
        let pairs: HashMap<&str, Timestamp, ahash::RandomState> = snapshot
            .pairs
            .iter()
            .map(|row| (row.id.as_str(), row.pair.last_answer.map_or(row.pair.last_check.1, |last| last.1)))
            .collect();
        let handshakes: HashMap<&str, Timestamp, ahash::RandomState> =
            snapshot.handshakes.iter().map(|row| (row.id.as_str(), row.handshake.last.ts)).collect();
        let is_active = |session: &SessionSummary| {
            let is_open = matches!(session.state, SessionState::Established | SessionState::Negotiated)
                && session.signal != Signal::None;
            let call = &session.call;
            let media = call.streams.iter().filter_map(|id| streams.get(id.as_str()));
            let media = media.chain(call.pairs.iter().filter_map(|id| pairs.get(id.as_str())));
            let mut media = media.chain(call.handshakes.iter().filter_map(|id| handshakes.get(id.as_str())));
            session.signal == Signal::File
                || media.any(|ts| age.is_fresh(*ts, 1))
                || session.signal != Signal::None && age.is_fresh(last_word(session), if is_open { OPEN } else { 1 })
        };
        snapshot.sessions.iter().map(is_active).collect()
    }

    /// The sessions of the signalling in the order of the snapshot.
    fn signalled(&self) -> impl Iterator<Item = usize> {
        let sessions = self.front.signalling.sessions();
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        order.sort_by_key(|at| sessions[*at].first_frame);
        order.into_iter()
    }

    /// By the order of the flows.
    fn flows_that_stay(&self, snapshot: &Snapshot, active: &[bool], age: Age) -> Vec<bool> {
        let mut stays: Vec<bool> = snapshot.flows.iter().map(|row| age.is_fresh(row.last_ts, 1)).collect();
        for row in snapshot.allocations.iter().filter(|row| row.end == AllocationEnd::Open) {
            let Some((at, _)) = self.place_of(&row.flow) else { continue };
            let last = snapshot.flows.get(at).map(|flow| flow.last_ts);
            stays[at] |= last.is_some_and(|last| age.is_fresh(last, OPEN));
        }
        for (session, _) in snapshot.sessions.iter().zip(active).filter(|(_, is_active)| **is_active) {
            // What nobody signalled may have no end: a source with the same name in all its calls.
            let times = if session.signal == Signal::None { OPEN } else { i64::MAX };
            for (at, _) in session.call.flows.iter().filter_map(|id| self.place_of(id)) {
                stays[at] |= snapshot.flows.get(at).is_some_and(|row| age.is_fresh(row.last_ts, times));
            }
        }
        self.join_sides(snapshot, &mut stays);
        // An inner flow stands behind the one it is inside of.
        let at: HashMap<Place, usize, ahash::RandomState> =
            self.order.iter().enumerate().map(|(at, place)| (*place, at)).collect();
        for (number, place) in self.order.iter().enumerate().rev() {
            if let (true, Origin::InTurn { parent, .. }) = (stays[number], self.flow(*place).origin)
                && let Some(parent) = at.get(&(place.0, parent))
            {
                stays[*parent] = true;
            }
        }
        stays
    }

    /// The two sides of a TURN server stay or leave together: one alone would look like loss.
    fn join_sides(&self, snapshot: &Snapshot, stays: &mut [bool]) {
        let mut relayed: BTreeMap<Place, Vec<Endpoint>> = BTreeMap::new();
        for row in &snapshot.allocations {
            if let (Some((_, place)), Some(endpoint)) = (self.place_of(&row.flow), row.allocation.relayed) {
                relayed.entry(place).or_default().extend([endpoint, Endpoint { addr: row.server.addr, ..endpoint }]);
            }
        }
        let ends = |one: Endpoint, other: Endpoint| (one.min(other), one.max(other));
        let mut outer: HashMap<(Endpoint, Endpoint), Vec<usize>, ahash::RandomState> = HashMap::default();
        for (at, place) in self.order.iter().enumerate() {
            let flow = self.flow(*place);
            if flow.origin == Origin::Captured && flow.leg.is_some() {
                outer.entry(ends(flow.tuple.src, flow.tuple.dst)).or_default().push(at);
            }
        }
        for (at, place) in self.order.iter().enumerate() {
            let Origin::InTurn { parent, peer: Peer::Address(peer) } = self.flow(*place).origin else { continue };
            let addresses = relayed.get(&(place.0, parent)).into_iter().flatten();
            for other in addresses.filter_map(|own| outer.get(&ends(*own, peer))).flatten() {
                let either = stays[at] || stays[*other];
                (stays[at], stays[*other]) = (either, either);
            }
        }
    }

    fn streams_that_stay(
        &self,
        snapshot: &Snapshot,
        active: &[bool],
        flows: &[Vec<bool>],
        age: Age,
    ) -> (Vec<Vec<bool>>, Vec<Counted>) {
        let key = |row: &super::StreamRow| -> Option<StreamKey> {
            let (_, place) = self.place_of(&row.flow)?;
            Some((place, self.flow(place).direction_from(row.src), row.ssrc, row.via))
        };
        let by_id: HashMap<&str, StreamKey, ahash::RandomState> =
            snapshot.streams.iter().filter_map(|row| Some((row.id.as_str(), key(row)?))).collect();
        let signalled = snapshot.sessions.iter().zip(active);
        let signalled = signalled.filter(|(session, is_active)| **is_active && session.signal != Signal::None);
        let held: HashSet<StreamKey, ahash::RandomState> = signalled
            .flat_map(|(session, _)| &session.call.streams)
            .filter_map(|id| by_id.get(id.as_str()).copied())
            .collect();
        let classes: HashMap<StreamKey, (Class, u64), ahash::RandomState> = snapshot
            .streams
            .iter()
            .filter_map(|row| {
                let class = if row.encrypted { Class::Srtp } else { Class::Rtp };
                Some((key(row)?, (class, row.figures.packets)))
            })
            .collect();
        let mut streams: Vec<Vec<bool>> = self.shards.iter().map(|shard| vec![false; shard.streams.len()]).collect();
        let mut counted = Vec::new();
        for place in &self.order {
            for index in &self.flow(*place).streams {
                let entry = &self.shards[place.0].streams[*index as usize];
                let key = (*place, entry.direction, entry.ssrc, entry.via);
                let flow_stays = flows[place.0][place.1 as usize];
                let stays = flow_stays && (age.is_fresh(entry.stream.last_ts(), 1) || held.contains(&key));
                streams[place.0][*index as usize] = stays;
                if flow_stays && !stays {
                    let (class, packets) = classes.get(&key).copied().unwrap_or((Class::Other, entry.stream.packets()));
                    counted.push((*place, class, packets));
                }
            }
        }
        (streams, counted)
    }

    /// What the flows and sessions that stay go by.
    fn named(&self, snapshot: &Snapshot, stays: &[bool], sessions: &[bool]) -> Named {
        let mut named = Named::default();
        for (place, _) in self.order.iter().zip(stays).filter(|(_, stays)| **stays) {
            let flow = self.flow(*place);
            named.endpoints.extend([flow.tuple.src, flow.tuple.dst]);
            if let Origin::InTurn { peer: Peer::Address(peer), .. } = flow.origin {
                named.endpoints.insert(peer);
            }
            let ice = flow.details.as_deref().map(|details| &details.ice);
            let fragments = [Direction::Forward, Direction::Backward];
            named.fragments.extend(fragments.into_iter().filter_map(|end| ice?.fragment(end)).map(str::to_owned));
        }
        for row in &snapshot.allocations {
            let stays = self.place_of(&row.flow).is_some_and(|(at, _)| stays[at]);
            if let Some(relayed) = row.allocation.relayed.filter(|_| stays) {
                named.endpoints.extend([relayed, Endpoint { addr: row.server.addr, ..relayed }]);
            }
        }
        let all = self.front.signalling.sessions().iter().zip(sessions);
        for (session, _) in all.filter(|(_, stays)| **stays) {
            for described in &session.descriptions {
                for media in &described.sdp.media {
                    named.endpoints.extend(addresses(&described.sdp, media).into_iter().map(|(endpoint, _)| endpoint));
                    named.fragments.extend(described.sdp.ice_credentials(media).map(|own| own.ufrag.to_owned()));
                }
            }
            let trickled = session.candidates.iter().map(|trickled| &trickled.candidate);
            named.endpoints.extend(
                trickled.filter_map(|candidate| {
                    Some(Endpoint { addr: candidate.address.ip()?.into(), port: candidate.port })
                }),
            );
            named.endpoints.extend(session.transports.iter().flat_map(|(one, other)| [*one, *other]));
            named.endpoints.extend(session.addresses.into_iter().flat_map(|(one, other)| [one, other]));
        }
        named
    }
}

/// Of the sessions that the signalling told of, whether they go on.
fn signalled_of<'s>(snapshot: &'s Snapshot, active: &'s [bool]) -> impl Iterator<Item = bool> + 's {
    let all = snapshot.sessions.iter().zip(active);
    all.filter(|(session, _)| session.signal != Signal::None).map(|(_, is_active)| *is_active)
}

/// When the signalling of a session last said something.
fn last_word(session: &SessionSummary) -> Timestamp {
    let described = session.descriptions.iter().filter_map(|described| described.ts);
    let trickled = session.candidates.iter().map(|trickled| trickled.ts);
    let asked = session.dialog.transactions.iter().map(|asked| asked.ts);
    let events = session.dialog.events.iter().map(|event| event.ts);
    let ended = session.ended.map(|(_, ts, _)| ts);
    described.chain(trickled).chain(asked).chain(events).chain(ended).fold(session.first_ts, Timestamp::max)
}
