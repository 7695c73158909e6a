//! Candidate pairs with what the signalling and the TURN servers say of them, and with what passed on them.
//!
//! In: the rows of the snapshot, sessions joined. Out: the kinds of the candidates of each pair, its generation, whether
//! it is selected; and of each session its transports, with restarts and switches. Never: a kind that nothing tells.

mod carriers;
mod kinds;
mod sections;
mod selection;
mod switches;

use super::super::flow::Direction;
use super::super::snapshot::{IceTransport, PairRow, Snapshot};
use super::{Draft, Merge};
use crate::packet::FrameNo;
use crate::time::Timestamp;
use kinds::{Announced, Seen};
use selection::Joined;
use std::collections::HashMap;

/// What passed on a flow under one key: a source, or DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// The source of RTP and its direction; none for DTLS, which goes both ways.
    pub(super) source: Option<(u32, Direction)>,
    /// The first packet.
    pub(super) first: (Timestamp, FrameNo),
    /// When the last one came.
    pub(super) last: Timestamp,
}

/// What passed, by the id of the flow.
pub(super) type Loads = HashMap<String, Vec<Load>, ahash::RandomState>;

impl Merge<'_> {
    /// The loads of streams, those included that no list will have.
    pub(super) fn loads(&self, streams: &[Draft]) -> Loads {
        let mut loads = Loads::default();
        for Draft { place, row, .. } in streams {
            let figures = &row.figures;
            let first = (figures.first_ts, figures.first_frame);
            let direction = self.flow(*place).direction_from(row.src);
            let load = Load { source: Some((row.ssrc, direction)), first, last: figures.last_ts };
            loads.entry(row.flow.clone()).or_default().push(load);
        }
        loads
    }

    /// Joins the pairs to descriptions, allocations and loads.
    pub(super) fn join_ice(&self, snapshot: &mut Snapshot, mut loads: Loads) {
        for (place, _, details) in self.details() {
            let handshakes = details.dtls.iter().flat_map(|dtls| dtls.handshakes());
            let dtls = handshakes.map(|seen| Load {
                source: None,
                first: (seen.first.ts, seen.first.frame),
                last: seen.last.ts,
            });
            let mut dtls = dtls.peekable();
            if dtls.peek().is_some() {
                loads.entry(self.id(place)).or_default().extend(dtls);
            }
        }
        let seen = Seen::of(self, snapshot);
        let mut sessions = std::mem::take(&mut snapshot.sessions);
        for session in &mut sessions {
            let own: Vec<usize> = session.call.pairs.iter().filter_map(|id| number(id)).collect();
            let announced = Announced::of(session);
            for at in &own {
                let Some(row) = snapshot.pairs.get_mut(*at) else { continue };
                row.kinds = self.kinds(row, &announced, &seen);
            }
            let rows = own.iter().filter_map(|at| snapshot.pairs.get(*at));
            let transports = selection::transports(self, session, &rows.collect::<Vec<_>>(), &loads);
            session.call.ice_restarts = transports
                .iter()
                .map(|joined| joined.transport.restarts)
                .chain([sections::described_restarts(session)])
                .max()
                .unwrap_or(0);
            session.call.ice = transports.into_iter().map(|joined| apply(joined, &mut snapshot.pairs)).collect();
        }
        snapshot.sessions = sessions;
    }
}

/// Writes what was found of a transport to its pairs.
fn apply(joined: Joined, pairs: &mut [PairRow]) -> IceTransport {
    for (id, generation, selected) in joined.pairs {
        if let Some(row) = number(&id).and_then(|at| pairs.get_mut(at)) {
            (row.generation, row.selected) = (Some(generation), selected);
        }
    }
    joined.transport
}

/// The place of a pair by its id.
fn number(id: &str) -> Option<usize> {
    id.strip_prefix('p')?.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests;
