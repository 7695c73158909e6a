//! Rows found by the flow that they belong to.
//!
//! In: a snapshot. Out: look-ups. Never: a search over all rows for each row.

use super::page::Cell;
use crate::model::snapshot::{AllocationRow, Endpoint, FlowRow, HandshakeRow, Peer, Snapshot};
use std::collections::BTreeMap;

/// By flow id.
pub(in crate::view) struct Index<'a> {
    flows: BTreeMap<&'a str, &'a FlowRow>,
    inner: BTreeMap<&'a str, Vec<&'a FlowRow>>,
    allocations: BTreeMap<&'a str, Vec<&'a AllocationRow>>,
    handshakes: BTreeMap<&'a str, Vec<&'a HandshakeRow>>,
}

impl<'a> Index<'a> {
    pub(in crate::view) fn of(snapshot: &'a Snapshot) -> Self {
        let mut index = Self {
            flows: snapshot.flows.iter().map(|row| (row.id.as_str(), row)).collect(),
            inner: BTreeMap::new(),
            allocations: BTreeMap::new(),
            handshakes: BTreeMap::new(),
        };
        for row in &snapshot.flows {
            if let Some(parent) = &row.parent {
                index.inner.entry(parent).or_default().push(row);
            }
        }
        for row in &snapshot.allocations {
            index.allocations.entry(&row.flow).or_default().push(row);
        }
        for row in &snapshot.handshakes {
            index.handshakes.entry(&row.flow).or_default().push(row);
        }
        index
    }

    /// Flows inside of one.
    pub(in crate::view) fn inner(&self, flow: &str) -> &[&'a FlowRow] {
        self.inner.get(flow).map_or(&[], Vec::as_slice)
    }

    /// DTLS handshakes on a flow.
    pub(in crate::view) fn handshakes(&self, flow: &str) -> &[&'a HandshakeRow] {
        self.handshakes.get(flow).map_or(&[], Vec::as_slice)
    }

    /// The relayed address that an inner flow runs through: of the allocation that has the peer's channel, else of the
    /// last that was created.
    pub(in crate::view) fn relayed(&self, inner: &FlowRow) -> Option<Endpoint> {
        let allocations = self.allocations.get(inner.parent.as_deref()?)?;
        let has_peer = |row: &&&AllocationRow| {
            row.allocation.channels.iter().any(|(number, channel)| match inner.peer {
                Some(Peer::Address(peer)) => channel.peer == Some(peer),
                Some(Peer::Channel(unbound)) => *number == unbound,
                None => false,
            })
        };
        let created = |row: &&&AllocationRow| row.allocation.relayed.is_some();
        let of_peer = allocations.iter().rfind(has_peer).filter(created);
        of_peer.or_else(|| allocations.iter().rfind(created))?.allocation.relayed
    }

    /// `f1 →` where the sender is the flow's first side, `f1 ←` where it is the other.
    pub(in crate::view) fn direction(&self, flow: &str, sender: Endpoint) -> Cell {
        let arrow = match self.flows.get(flow) {
            Some(row) if row.a == sender => " →",
            Some(_) => " ←",
            None => "",
        };
        Cell::plain(format!("{flow}{arrow}"))
    }
}
