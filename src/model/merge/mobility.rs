//! Allocations that a client took along to another five-tuple (RFC 8016).
//!
//! In: the tickets that servers gave and clients showed. Out: which allocation goes on as which.
//! Never: a ticket itself; digests are compared.

use crate::model::snapshot::{AllocationEnd, AllocationRow};
use std::collections::BTreeMap;

/// Links allocations by ticket. One that goes on elsewhere has not ended there: its end is that of the one it became.
pub(super) fn join(rows: &mut [AllocationRow]) {
    let mut given: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        given.extend(row.allocation.tickets.iter().map(|ticket| (*ticket, at)));
    }
    let moves: Vec<(usize, usize)> = rows
        .iter()
        .enumerate()
        .filter_map(|(to, row)| Some((*given.get(&row.allocation.shown_ticket?)?, to)))
        .filter(|(from, to)| from < to)
        .collect();
    // The last one first, so that an end goes back over several moves.
    for (from, to) in moves.into_iter().rev() {
        let (end, ended_ts) = (rows[to].end, rows[to].ended_ts);
        rows[to].moved_from = Some(rows[from].id.clone());
        rows[from].moved_to = Some(rows[to].id.clone());
        if rows[from].end != AllocationEnd::Deleted {
            (rows[from].end, rows[from].ended_ts) = (end, ended_ts);
        }
        rows[from].allocation.expired_in_use = None;
    }
}
