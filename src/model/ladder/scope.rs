//! What a session has: flows, each for a time, and streams.
//!
//! In: a snapshot and a session's id. Out: [`Scope`]. Never: a flow that only resembles one of the session's, or what another
//! session did on it before or behind.
//!
//! A flow belongs to a session where the session's descriptions name one of its ends, as an address or a candidate; where its
//! checks carry the fragments of two of its descriptions; or where one that does lies inside it.

use super::super::media_context::addresses;
use super::super::session_time::{Span, spans};
use super::super::snapshot::{Finding, Peer, SessionSummary, Snapshot, StreamRow};
use crate::net::Endpoint;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// There is no session with that id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSession {
    /// What was asked for.
    pub asked: String,
    /// Those that there are, the first few.
    pub known: Vec<String>,
    /// How many there are.
    pub count: usize,
}

const SHOWN: usize = 8;

impl fmt::Display for UnknownSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no session `{}`; ", self.asked)?;
        match self.count {
            0 => f.write_str(
                "the signalling in the capture tells of none, and without --session the ladder shows everything",
            ),
            count => {
                let more = if count > SHOWN { ", …" } else { "" };
                write!(f, "there are {count}: {}{more}", self.known.join(", "))
            }
        }
    }
}

/// What is shown.
pub(super) enum Scope<'s> {
    Everything,
    Session(Session<'s>),
}

/// One session.
pub(super) struct Session<'s> {
    index: usize,
    flows: BTreeMap<&'s str, Span>,
    /// Its streams.
    own: BTreeSet<&'s str>,
    /// Streams that are another session's.
    others: BTreeSet<&'s str>,
    /// What a finding may be about: the flow it is on and when it began; none where that is not known.
    known: BTreeMap<&'s str, (&'s str, Option<Timestamp>)>,
}

impl<'s> Scope<'s> {
    pub(super) fn of(snapshot: &'s Snapshot, session: Option<&str>) -> Result<Self, UnknownSession> {
        let Some(asked) = session else { return Ok(Scope::Everything) };
        let index = asked.trim_start_matches('s').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match index.and_then(|index| Some((index, snapshot.sessions.get(index)?))) {
            Some((index, session)) => Ok(Scope::Session(Session::of(snapshot, index, session))),
            None => Err(UnknownSession {
                asked: asked.to_owned(),
                known: (1..=snapshot.sessions.len().min(SHOWN)).map(|number| format!("s{number}")).collect(),
                count: snapshot.sessions.len(),
            }),
        }
    }

    pub(super) fn has_session(&self, session: Option<usize>) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Session(own) => session == Some(own.index),
        }
    }

    /// Whether what happens on that flow at that time is shown.
    pub(super) fn has_flow_at(&self, flow: &str, ts: Timestamp) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Session(own) => own.flows.get(flow).is_some_and(|span| span.has(ts)),
        }
    }

    pub(super) fn has_stream(&self, row: &StreamRow) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Session(session) => {
                let id = row.id.as_str();
                let is_nobodys = || session.flows.contains_key(row.flow.as_str()) && !session.others.contains(id);
                session.own.contains(id) || is_nobodys()
            }
        }
    }

    /// Whether a finding is about what is shown; `is_event` where its first frame is one of an event.
    pub(super) fn has_finding(&self, finding: &Finding, is_event: bool) -> bool {
        let (own, subject) = match (self, finding.subject.as_deref()) {
            (Scope::Everything, _) => return true,
            (Scope::Session(_), None) => return is_event,
            (Scope::Session(own), Some(subject)) => (own, subject),
        };
        if own.own.contains(subject) || own.others.contains(subject) {
            return own.own.contains(subject);
        }
        if let Some(number) = subject.strip_prefix('s').and_then(|number| number.parse::<usize>().ok()) {
            return number == own.index + 1;
        }
        let (flow, ts) = own.known.get(subject).copied().unwrap_or((subject, None));
        let span = own.flows.get(flow);
        is_event || span.is_some_and(|span| ts.map_or(*span == Span::ALL, |ts| span.has(ts)))
    }
}

impl<'s> Session<'s> {
    fn of(snapshot: &'s Snapshot, index: usize, session: &'s SessionSummary) -> Self {
        let mut ids = flows_of(snapshot, session);
        if session.descriptions.is_empty() {
            ids.extend(session.call.flows.iter().map(String::as_str));
        }
        let others = snapshot.sessions.iter().enumerate().filter(|(at, _)| *at != index);
        let others = others.flat_map(|(_, other)| other.call.streams.iter().map(String::as_str));
        // Two sessions may have the same stream, where one is the other's second leg.
        let own: BTreeSet<&str> = session.call.streams.iter().map(String::as_str).collect();
        Self {
            index,
            flows: spans(snapshot, index, ids.into_iter()),
            others: others.filter(|id| !own.contains(id)).collect(),
            own,
            known: known(snapshot),
        }
    }
}

fn known(snapshot: &Snapshot) -> BTreeMap<&str, (&str, Option<Timestamp>)> {
    let streams = snapshot.streams.iter().map(|row| (&row.id, &row.flow, row.figures.first_ts));
    let allocations = snapshot.allocations.iter().map(|row| (&row.id, &row.flow, row.allocation.first_ts));
    let pairs = snapshot.pairs.iter().map(|row| (&row.id, &row.flow, row.pair.first_ts));
    let handshakes = snapshot.handshakes.iter().map(|row| (&row.id, &row.flow, row.handshake.first.ts));
    let all = streams.chain(allocations).chain(pairs).chain(handshakes);
    all.map(|(id, flow, ts)| (id.as_str(), (flow.as_str(), Some(ts)))).collect()
}

fn flows_of<'s>(snapshot: &'s Snapshot, session: &SessionSummary) -> BTreeSet<&'s str> {
    let mut ends: BTreeSet<Endpoint> = BTreeSet::new();
    let mut fragments: BTreeSet<&str> = BTreeSet::new();
    for described in &session.descriptions {
        let sdp = &described.sdp;
        fragments.extend(sdp.attributes.ice_ufrag.as_deref());
        for media in &sdp.media {
            fragments.extend(media.attributes.ice_ufrag.as_deref());
            ends.extend(addresses(sdp, media).into_iter().map(|(end, _)| end));
        }
    }
    let checked = snapshot.pairs.iter().filter(|row| {
        let ufrag = row.pair.ufrag.as_deref().and_then(|ufrag| ufrag.split_once(':'));
        ufrag.is_some_and(|(one, other)| fragments.contains(one) && fragments.contains(other))
    });
    let mut flows: BTreeSet<&str> = checked.map(|row| row.flow.as_str()).collect();
    let relays =
        snapshot.allocations.iter().filter(|row| row.allocation.relayed.is_some_and(|end| ends.contains(&end)));
    flows.extend(relays.map(|row| row.flow.as_str()));
    for flow in &snapshot.flows {
        let peer = match flow.peer {
            Some(Peer::Address(peer)) => ends.contains(&peer),
            _ => false,
        };
        if peer || ends.contains(&flow.a) || ends.contains(&flow.b) {
            flows.insert(&flow.id);
        }
    }
    // From the inside out, as deep as messages lie in one another.
    for _ in 0..4 {
        let outer = snapshot.flows.iter().filter(|flow| flows.contains(flow.id.as_str()));
        let outer: Vec<&str> = outer.filter_map(|flow| flow.parent.as_deref()).collect();
        flows.extend(outer);
    }
    flows
}
