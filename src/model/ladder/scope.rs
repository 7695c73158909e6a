//! Which flows a session has.
//!
//! In: a snapshot and a session's id. Out: [`Scope`]. Never: a flow that only resembles one of the session's.
//!
//! A flow belongs to a session where the session's descriptions name one of its ends, as an address or a candidate; where its
//! checks carry the fragments of two of its descriptions; or where one that does lies inside it.

use super::super::media_context::addresses;
use super::super::snapshot::{Peer, SessionSummary, Snapshot};
use crate::net::Endpoint;
use std::collections::BTreeSet;
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
    Session { index: usize, flows: BTreeSet<&'s str> },
}

impl<'s> Scope<'s> {
    pub(super) fn of(snapshot: &'s Snapshot, session: Option<&str>) -> Result<Self, UnknownSession> {
        let Some(asked) = session else { return Ok(Scope::Everything) };
        let index = asked.trim_start_matches('s').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match index.and_then(|index| Some((index, snapshot.sessions.get(index)?))) {
            Some((index, session)) => Ok(Scope::Session { index, flows: flows_of(snapshot, session) }),
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
            Scope::Session { index, .. } => session == Some(*index),
        }
    }

    pub(super) fn has_flow(&self, flow: &str) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Session { flows, .. } => flows.contains(flow),
        }
    }
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
