//! The pairs of a transport that carried something: each at all points where it was captured, and those that belong together.
//!
//! In: pairs, and what passed on their flows. Out: [`Carrier`]s in order, in lanes of one transport each. Never: which of them
//! is selected.

use super::super::super::flow::Direction;
use super::super::super::snapshot::PairRow;
use super::super::Merge;
use super::selection::{Fragments, fragments};
use super::{Load, Loads};
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Candidate pairs of one transport that carried something: more than any session has.
const MAX_CARRIERS: usize = 64;
/// Other sources on two pairs for so long are two transports. The two sides of one do not move to another pair in the
/// same moment, but before this is over.
const TOGETHER_NANOS: i64 = 2_000_000_000;
/// A packet takes less from one point of its way to another.
const ABOUT_NANOS: i64 = 500_000_000;

/// A candidate pair, captured at one point of its way or at several.
pub(super) struct Carrier<'s> {
    pub(super) rows: Vec<&'s PairRow>,
    /// What passed, with the row whose flow it passed on.
    pub(super) loads: Vec<(&'s PairRow, Load)>,
    pub(super) first: (Timestamp, FrameNo),
    pub(super) last: Timestamp,
}

/// The pairs on which something passed, in order.
pub(super) fn carriers<'s>(merge: &Merge<'_>, rows: &[&'s PairRow], loads: &Loads) -> Vec<Carrier<'s>> {
    let mut by_ends: BTreeMap<(Endpoint, Endpoint, Option<Fragments<'s>>), Vec<&'s PairRow>> = BTreeMap::new();
    for row in rows {
        let (one, other) = ends(merge, row);
        by_ends.entry((one.min(other), one.max(other), fragments(row))).or_default().push(row);
    }
    let mut by_flow: HashMap<&str, Vec<&PairRow>, ahash::RandomState> = HashMap::default();
    for row in rows {
        by_flow.entry(&row.flow).or_default().push(row);
    }
    let of_ends = by_ends.into_values().filter_map(|same| {
        let of_row = |row: &&'s PairRow| {
            let all = by_flow.get(row.flow.as_str()).map(Vec::as_slice).unwrap_or_default();
            let row = *row;
            own_loads(row, all, loads).into_iter().map(move |load| (row, load)).collect::<Vec<_>>()
        };
        let loads = same.iter().flat_map(of_row).collect();
        carrier(same, loads)
    });
    let mut carriers: Vec<Carrier<'s>> = Vec::new();
    let mut in_order: Vec<Carrier<'s>> = of_ends.collect();
    in_order.sort_by_key(|carrier| carrier.first);
    for carrier in in_order.into_iter().take(MAX_CARRIERS) {
        // The same sources at the same time: behind a NAT the ends have other addresses.
        match carriers.iter_mut().find(|known| is_same_way(known, &carrier)) {
            Some(known) => {
                known.rows.extend(carrier.rows);
                known.loads.extend(carrier.loads);
                known.last = known.last.max(carrier.last);
            }
            None => carriers.push(carrier),
        }
    }
    carriers
}

fn carrier<'s>(rows: Vec<&'s PairRow>, loads: Vec<(&'s PairRow, Load)>) -> Option<Carrier<'s>> {
    let first = loads.iter().map(|(_, load)| load.first).min()?;
    let last = loads.iter().map(|(_, load)| load.last).max()?;
    Some(Carrier { rows, loads, first, last })
}

/// The ends of a pair as its agents know them: inside TURN the relayed address and the peer.
pub(super) fn ends(merge: &Merge<'_>, row: &PairRow) -> (Endpoint, Endpoint) {
    let named = merge.place_of(&row.flow).and_then(|(_, place)| {
        let [forward, backward] = [Direction::Forward, Direction::Backward].map(|end| merge.names(place, end)[0]);
        forward.zip(backward)
    });
    named.unwrap_or((row.local, row.remote))
}

/// What passed on a pair in its generation, of all of its five-tuple: from its nomination to that of the next one.
fn own_loads(row: &PairRow, all: &[&PairRow], loads: &Loads) -> Vec<Load> {
    let begins = |row: &PairRow| row.pair.nominated_ts.zip(row.pair.nominated_frame);
    let earlier = all.iter().any(|other| other.pair.restarts < row.pair.restarts);
    let next = all.iter().filter(|other| other.pair.restarts > row.pair.restarts).filter_map(|other| begins(other));
    let until = next.min().map(|(ts, _)| ts);
    let from = match (earlier, begins(row)) {
        (false, _) => None,
        (true, Some(begins)) => Some(begins),
        // The one before it goes on.
        (true, None) => return Vec::new(),
    };
    let of_flow = loads.get(&row.flow).into_iter().flatten();
    let clipped = of_flow.map(|load| Load {
        first: from.map_or(load.first, |from| load.first.max(from)),
        last: until.map_or(load.last, |until| load.last.min(until)),
        ..*load
    });
    clipped.filter(|load| load.first.0 <= load.last).collect()
}

/// How long two spans run side by side, in nanoseconds.
fn together(one: (Timestamp, Timestamp), other: (Timestamp, Timestamp)) -> i64 {
    one.1.min(other.1).nanos_since(one.0.max(other.0))
}

/// True where a source began and ended on both in about the same moment: who goes to another pair and back does not.
fn is_same_way(one: &Carrier<'_>, other: &Carrier<'_>) -> bool {
    let is_about = |a: Timestamp, b: Timestamp| a.nanos_since(b).abs() <= ABOUT_NANOS;
    one.loads.iter().filter_map(|load| Some((load, ssrc(&load.1)?))).any(|((_, load), own)| {
        let mut same = other.loads.iter().filter(|(_, known)| ssrc(known) == Some(own));
        same.any(|(_, known)| {
            let both = together((load.first.0, load.last), (known.first.0, known.last));
            let shorter = load.last.nanos_since(load.first.0).min(known.last.nanos_since(known.first.0));
            is_about(load.first.0, known.first.0) && is_about(load.last, known.last) && both > shorter / 2
        })
    })
}

fn ssrc(load: &Load) -> Option<u32> {
    Some(load.source?.0)
}

/// Those that have sources of their own and run side by side are transports of their own.
pub(super) fn lanes(carriers: Vec<Carrier<'_>>) -> Vec<Vec<Carrier<'_>>> {
    let sources =
        |carrier: &Carrier<'_>| -> BTreeSet<u32> { carrier.loads.iter().filter_map(|(_, load)| ssrc(load)).collect() };
    let mut lanes: Vec<Vec<Carrier<'_>>> = Vec::new();
    for carrier in carriers {
        let own = sources(&carrier);
        let is_beside = |known: &Carrier<'_>| {
            let both = together((known.first.0, known.last), (carrier.first.0, carrier.last));
            let others = sources(known);
            both >= TOGETHER_NANOS && !own.is_empty() && !others.is_empty() && own.is_disjoint(&others)
        };
        match lanes.iter_mut().find(|lane| !lane.iter().any(is_beside)) {
            Some(lane) => lane.push(carrier),
            None => lanes.push(vec![carrier]),
        }
    }
    lanes
}
