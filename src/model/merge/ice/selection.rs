//! Which candidate pair is selected, when that changed, and how often ICE was restarted (RFC 8445, sections 8 and 9).
//!
//! In: the pairs of a session, and what passed on them. Out: a transport for each component, with its switches. Pairs
//! are of one transport where they have fragments, five-tuple, source or section in common. Never: a selection by
//! nomination where something passed: with several nominations only the agents know which one counts.

use super::super::super::signalling::SessionSummary;
use super::super::super::snapshot::{IceTransport, PairRow, PairStatus, PairSwitch};
use super::super::Merge;
use super::Loads;
use super::carriers::{carriers, ends, lanes};
use super::sections::Sections;
use super::switches::{spans, sweep};
use crate::net::Endpoint;
use crate::packet::FrameNo;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A transport, and for each of its pairs the generation and whether it is selected.
pub(super) struct Joined {
    pub(super) transport: IceTransport,
    pub(super) pairs: Vec<(String, u64, Option<[bool; 2]>)>,
}

/// The two fragments of a pair, in order.
pub(super) type Fragments<'s> = (&'s str, &'s str);

pub(super) fn fragments(row: &PairRow) -> Option<Fragments<'_>> {
    let [one, other] = row.pair.fragments.as_ref()?;
    Some((one.min(other), one.max(other)))
}

/// What two pairs of a transport have in common.
#[derive(PartialEq, Eq, Hash)]
enum Bond<'s> {
    Fragments(Fragments<'s>),
    Flow(&'s str),
    Source(u32),
    Section(usize, usize),
}

/// The transports of a session, in order of their first pair.
pub(super) fn transports(merge: &Merge<'_>, session: &SessionSummary, rows: &[&PairRow], loads: &Loads) -> Vec<Joined> {
    let sections = Sections::of(session);
    let mut leader: Vec<usize> = (0..rows.len()).collect();
    let find = |leader: &[usize], mut at: usize| {
        while leader[at] != at {
            at = leader[at];
        }
        at
    };
    let mut known: HashMap<(u8, Bond<'_>), usize, ahash::RandomState> = HashMap::default();
    for (at, row) in rows.iter().enumerate() {
        let named = row.pair.fragments.iter().flatten().flat_map(|fragment| sections.of_fragment(fragment));
        let sources = loads.get(&row.flow).into_iter().flatten().filter_map(|load| Some(load.source?.0));
        let bonds = fragments(row).map(Bond::Fragments).into_iter().chain([Bond::Flow(&row.flow)]);
        let bonds = bonds.chain(named.map(|(side, section)| Bond::Section(side, section)));
        for bond in bonds.chain(sources.map(Bond::Source)) {
            let other = *known.entry((row.pair.component.unwrap_or(1), bond)).or_insert(at);
            let (one, other) = (find(&leader, at), find(&leader, other));
            let lower = one.min(other);
            (leader[one], leader[other]) = (lower, lower);
        }
        leader[at] = find(&leader, at);
    }
    let mut groups: BTreeMap<usize, Vec<&PairRow>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        groups.entry(find(&leader, at)).or_default().push(row);
    }
    groups.into_values().flat_map(|rows| transport(merge, &sections, &rows, loads)).collect()
}

/// One group of pairs: a transport, or several where sources run side by side.
fn transport(merge: &Merge<'_>, sections: &Sections<'_>, rows: &[&PairRow], loads: &Loads) -> Vec<Joined> {
    let generations = generations(rows);
    let restarts = generations.values().copied().max().unwrap_or(0);
    let generation = |row: &PairRow| fragments(row).and_then(|own| generations.get(&own)).copied().unwrap_or(0);
    let component = rows.iter().find_map(|row| row.pair.component);
    let forward = |row: &PairRow| side(merge, sections, rows, row);
    let mut lanes = lanes(carriers(merge, rows, loads));
    if lanes.is_empty() {
        lanes.push(Vec::new());
    }
    let later = lanes.iter().skip(1).flatten().flat_map(|carrier| &carrier.rows).map(|row| row.id.as_str());
    let later: BTreeSet<&str> = later.collect();
    let mut joined = Vec::with_capacity(lanes.len());
    for (at, lane) in lanes.iter().enumerate() {
        let own: Vec<&PairRow> = match at {
            // Those that carried nothing stand with the first.
            0 => rows.iter().copied().filter(|row| !later.contains(row.id.as_str())).collect(),
            _ => lane.iter().flat_map(|carrier| carrier.rows.iter().copied()).collect(),
        };
        let mut switches = Vec::new();
        let mut last: [BTreeSet<&str>; 2] = Default::default();
        for (side, last) in last.iter_mut().enumerate() {
            let end = sweep(&spans(lane, side, forward), &mut switches);
            last.extend(end.into_iter().flat_map(|carrier| &carrier.rows).map(|row| row.id.as_str()));
        }
        if lane.is_empty() {
            let only = nominated(merge, &own, |row| generation(row) == restarts);
            switches.extend(only.iter().take(1).filter_map(|row| {
                Some(PairSwitch {
                    ts: row.pair.nominated_ts?,
                    frame: row.pair.nominated_frame,
                    side: forward(row),
                    from: row.local,
                    pair: row.id.clone(),
                })
            }));
            last.fill(only.iter().map(|row| row.id.as_str()).collect());
        }
        switches.sort_by_key(|switch| (switch.ts, switch.frame));
        let selected = |row: &PairRow| {
            let first = forward(row);
            let is_last = |side: usize| last.get(side).is_some_and(|last| last.contains(row.id.as_str()));
            (!switches.is_empty()).then(|| [is_last(first), is_last(1 - first)])
        };
        let pairs = own.iter().map(|row| (row.id.clone(), generation(row), selected(row))).collect();
        let transport =
            IceTransport { component, restarts, pairs: own.iter().map(|row| row.id.clone()).collect(), switches };
        joined.push(Joined { transport, pairs });
    }
    joined
}

/// The side of a transport that is at `local` of a pair: by who made its fragment, else as on the first pair, by
/// fragment or host.
fn side(merge: &Merge<'_>, sections: &Sections<'_>, rows: &[&PairRow], row: &PairRow) -> usize {
    let own = row.pair.fragments.as_ref();
    if let Some([forward, backward]) = own {
        let described = sections.side(forward).or_else(|| Some(1 - sections.side(backward)?));
        if let Some(side) = described {
            return side;
        }
    }
    let Some(first) = rows.first() else { return 0 };
    if let (Some([known, other]), Some([forward, _])) = (first.pair.fragments.as_ref(), own)
        && (known == forward || other == forward)
    {
        return usize::from(known != forward);
    }
    let (one, other) = ends(merge, first);
    let (forward, _) = ends(merge, row);
    usize::from(one.addr != forward.addr && other.addr == forward.addr)
}

/// The restarts before each pair of fragments: those whose fragments are both new begin another generation.
fn generations<'s>(rows: &[&'s PairRow]) -> BTreeMap<Fragments<'s>, u64> {
    let mut first: BTreeMap<Fragments<'s>, FrameNo> = BTreeMap::new();
    for row in rows {
        let Some(own) = fragments(row) else { continue };
        let known = first.entry(own).or_insert(row.pair.first_frame);
        *known = row.pair.first_frame.min(*known);
    }
    let mut in_order: Vec<(FrameNo, Fragments<'s>)> = first.into_iter().map(|(own, frame)| (frame, own)).collect();
    in_order.sort_unstable();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut restarts = 0;
    let mut generations = BTreeMap::new();
    for (_, (one, other)) in in_order {
        if !known.is_empty() && !known.contains(one) && !known.contains(other) {
            restarts += 1;
        }
        known.extend([one, other]);
        generations.insert((one, other), restarts);
    }
    generations
}

/// Where nothing passed: the one pair that was nominated after the last restart, at all points where it was captured.
fn nominated<'s>(merge: &Merge<'_>, rows: &[&'s PairRow], is_newest: impl Fn(&PairRow) -> bool) -> Vec<&'s PairRow> {
    let is_meant = |row: &&PairRow| row.pair.status == PairStatus::Nominated && is_newest(row);
    let all: Vec<&'s PairRow> = rows.iter().copied().filter(is_meant).collect();
    let ends = all.iter().map(|row| {
        let (one, other) = ends(merge, row);
        (one.min(other), one.max(other))
    });
    let different: BTreeSet<(Endpoint, Endpoint)> = ends.collect();
    if different.len() == 1 { all } else { Vec::new() }
}
