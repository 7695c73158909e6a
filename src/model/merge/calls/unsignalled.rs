//! Sessions that no signalling tells of: flows that belong together by themselves.
//!
//! In: streams, pairs and handshakes of no session. Out: groups of them as sessions. Two flows are of one group where
//! they have the same two ICE fragments, the same two certificates, a source inside TURN and outside of it, or sources
//! of one canonical name from one host. Never: a group by hosts alone.

use super::super::super::flow::{Direction, Origin};
use super::super::super::signalling::{SessionState, SessionSummary, Signal};
use super::super::super::snapshot::Snapshot;
use super::super::{Merge, Place};
use super::{Members, Side};
use crate::net::{Addr, Endpoint};
use crate::packet::FrameNo;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// What two flows of a group have in common.
#[derive(PartialEq, Eq, Hash)]
enum Bond {
    Fragments(String, String),
    Certificates([u8; 32], [u8; 32]),
    Name(String, Addr),
    Source(u32),
}

/// A union of sets by the number of their flows.
struct Groups {
    leader: BTreeMap<usize, usize>,
    by_bond: HashMap<Bond, usize, ahash::RandomState>,
}

impl Groups {
    fn find(&self, flow: usize) -> usize {
        let mut at = flow;
        while let Some(next) = self.leader.get(&at).filter(|next| **next != at) {
            at = *next;
        }
        at
    }

    /// The lower number leads.
    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.leader.insert(one.max(other), one.min(other));
        // Short ways for those who ask again.
        self.leader.entry(one.min(other)).or_insert(one.min(other));
    }

    fn bond(&mut self, flow: usize, bond: Bond) {
        let known = *self.by_bond.entry(bond).or_insert(flow);
        self.unite(known, flow);
    }
}

/// The groups in order of their first flow.
pub(super) fn groups(merge: &Merge<'_>, snapshot: &Snapshot, rest: &Members) -> Vec<(SessionSummary, Members)> {
    let mut groups = Groups { leader: BTreeMap::new(), by_bond: HashMap::default() };
    let streams = rest.streams.keys().filter_map(|at| Some((*at, snapshot.streams.get(*at)?)));
    let mut of_stream = Vec::new();
    for (at, row) in streams {
        let Some((flow, place)) = merge.place_of(&row.flow) else { continue };
        groups.unite(flow, flow);
        of_stream.push((at, flow));
        if let Some(cname) = &row.cname {
            groups.bond(flow, Bond::Name(cname.clone(), row.src.addr));
        }
        if matches!(merge.flow(place).origin, Origin::InTurn { .. }) {
            groups.bond(flow, Bond::Source(row.ssrc));
        }
    }
    // A source that is inside TURN somewhere is the same one outside of it.
    for (at, flow) in &of_stream {
        let known = snapshot.streams.get(*at).and_then(|row| groups.by_bond.get(&Bond::Source(row.ssrc)).copied());
        if let Some(known) = known {
            groups.unite(known, *flow);
        }
    }
    let mut of_pair = Vec::new();
    for (at, row) in rest.pairs.iter().filter_map(|at| Some((*at, snapshot.pairs.get(*at)?))) {
        let Some((flow, _)) = merge.place_of(&row.flow) else { continue };
        groups.unite(flow, flow);
        of_pair.push((at, flow));
        if let Some((one, other)) = row.pair.ufrag.as_deref().and_then(|name| name.split_once(':')) {
            groups.bond(flow, Bond::Fragments(one.min(other).to_owned(), one.max(other).to_owned()));
        }
    }
    let mut of_handshake = Vec::new();
    for (at, row) in rest.handshakes.iter().filter_map(|at| Some((*at, snapshot.handshakes.get(*at)?))) {
        let Some((flow, _)) = merge.place_of(&row.flow) else { continue };
        let is_for_media = row.handshake.srtp_profile.is_some() || !row.handshake.offer.srtp_profiles.is_empty();
        // Anything may run over DTLS: TURN does.
        if !is_for_media && !groups.leader.contains_key(&flow) {
            continue;
        }
        groups.unite(flow, flow);
        of_handshake.push((at, flow));
        let own = row.handshake.certificates.iter().filter(|seen| seen.position == 0);
        let mut digests: Vec<[u8; 32]> = own.map(|seen| seen.info.fingerprint_sha256.0).collect();
        digests.sort_unstable();
        digests.dedup();
        if let [one, other] = digests[..] {
            groups.bond(flow, Bond::Certificates(one, other));
        }
    }
    let mut members: BTreeMap<usize, Members> = BTreeMap::new();
    let all = groups.leader.keys().copied().collect::<Vec<_>>();
    for flow in all {
        members.entry(groups.find(flow)).or_default().flows.insert(flow);
    }
    for (at, flow) in of_pair {
        members.entry(groups.find(flow)).or_default().pairs.insert(at);
    }
    for (at, flow) in of_handshake {
        members.entry(groups.find(flow)).or_default().handshakes.insert(at);
    }
    for (at, flow) in of_stream {
        let leader = groups.find(flow);
        let side = snapshot.streams.get(at).map_or(0, |row| side_of(merge, leader, flow, row.src));
        members.entry(leader).or_default().streams.insert(at, side);
    }
    members.into_iter().map(|(leader, members)| (session(merge, snapshot, leader, &members), members)).collect()
}

/// Who first sent on the first flow of a group is its first side.
fn side_of(merge: &Merge<'_>, leader: usize, flow: usize, src: Endpoint) -> Side {
    let place = |number: usize| merge.order.get(number).copied();
    let (Some(first), Some(own)) = (place(leader), place(flow)) else { return 0 };
    let is_forward = src == merge.flow(own).tuple.src;
    let sender = if is_forward { Direction::Forward } else { Direction::Backward };
    let fragment =
        |place: Place, end| merge.flow(place).details.as_deref().and_then(|details| details.ice.fragment(end));
    if let (Some(known), Some(own)) = (fragment(first, Direction::Forward), fragment(own, sender)) {
        return Side::from(known != own);
    }
    let hosts =
        |place: Place, end| merge.names(place, end).into_iter().flatten().map(|name| name.addr).collect::<Vec<_>>();
    let known = hosts(first, Direction::Forward);
    let is_first = |end| hosts(own, end).iter().any(|host| known.contains(host));
    match (is_first(sender), is_first(sender.opposite())) {
        (true, false) => 0,
        (false, true) => 1,
        // Both ends are one host, or neither is known.
        _ => Side::from(!is_forward),
    }
}

fn session(merge: &Merge<'_>, snapshot: &Snapshot, leader: usize, members: &Members) -> SessionSummary {
    let flows = members.flows.iter().filter_map(|at| snapshot.flows.get(*at));
    let (frame, ts) =
        flows.map(|row| (row.first_frame, row.first_ts)).min().unwrap_or((FrameNo(0), Timestamp::default()));
    let place = merge.order.get(leader).copied();
    let addresses = place.map(|place| {
        let end = |end| merge.names(place, end).into_iter().flatten().next().unwrap_or(merge.flow(place).sender(end));
        (end(Direction::Forward), end(Direction::Backward))
    });
    let mut session = SessionSummary::new(String::new(), Signal::None, SessionState::Described, ts);
    session.addresses = addresses;
    session.first_frame = Some(frame);
    session
}
