//! Which candidate pair is selected, when that changed, and how often ICE was restarted (RFC 8445, sections 8 and 9).
//!
//! In: the pairs of a session, and what passed on them. Out: a transport for each component, with its switches. Pairs
//! are of one transport where they have fragments, five-tuple, source or section in common. Never: a selection by
//! nomination where something passed: with several nominations only the agents know which one counts.

use super::super::super::flow::Direction;
use super::super::super::signalling::{Described, SessionSummary};
use super::super::super::snapshot::{IceTransport, PairRow, PairStatus, PairSwitch};
use super::super::Merge;
use super::super::calls::sides::sides;
use super::{Load, Loads};
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::proto::sdp::Media;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Candidate pairs of one transport that carried something: more than any session has.
const MAX_CARRIERS: usize = 64;
/// Other sources on two pairs for so long are two transports. The two sides of one do not move to another pair in the
/// same moment, but before this is over.
const TOGETHER_NANOS: i64 = 2_000_000_000;
/// A packet takes less from one point of its way to another.
const ABOUT_NANOS: i64 = 500_000_000;

/// A transport, and for each of its pairs the generation and whether it is selected.
pub(super) struct Joined {
    pub(super) transport: IceTransport,
    pub(super) pairs: Vec<(String, u64, Option<[bool; 2]>)>,
}

/// The two fragments of a pair, in order.
type Fragments<'s> = (&'s str, &'s str);

fn fragments(row: &PairRow) -> Option<Fragments<'_>> {
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

/// The sections that username fragments are of, by the side that made them. Bundled ones are one section.
struct Sections<'s> {
    by_fragment: HashMap<&'s str, BTreeSet<(usize, usize)>, ahash::RandomState>,
}

impl<'s> Sections<'s> {
    fn of(session: &'s SessionSummary) -> Self {
        let mut by_fragment: HashMap<&'s str, BTreeSet<(usize, usize)>, ahash::RandomState> = HashMap::default();
        // What the answer does not bundle is not bundled (RFC 8843, section 7.3).
        let last = session.answer().or(session.offer());
        for (described, side) in session.descriptions.iter().zip(sides(session)) {
            for (at, media) in described.sdp.media.iter().enumerate() {
                if let Some(credentials) = described.sdp.ice_credentials(media) {
                    let section = last.and_then(|last| bundled_with(last, media)).unwrap_or(at);
                    by_fragment.entry(credentials.ufrag).or_default().insert((side, section));
                }
            }
        }
        Self { by_fragment }
    }

    /// The side that made a fragment.
    fn side(&self, fragment: &str) -> Option<usize> {
        let mut sides = self.of_fragment(fragment).map(|(side, _)| side);
        let first = sides.next()?;
        sides.all(|side| side == first).then_some(first)
    }

    fn of_fragment(&self, fragment: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.by_fragment.get(fragment).into_iter().flatten().copied()
    }
}

/// The place of the section that one is bundled with.
fn bundled_with(described: &Described, media: &Media) -> Option<usize> {
    let mid = media.attributes.mid.as_deref()?;
    let is_its = |members: &&Vec<String>| members.iter().any(|member| member == mid);
    let groups = described.sdp.attributes.groups.iter();
    let mut bundles = groups.filter(|group| group.semantics.eq_ignore_ascii_case("BUNDLE")).map(|group| &group.mids);
    let tag = bundles.find(is_its)?.first()?;
    described.sdp.media.iter().position(|media| media.attributes.mid.as_ref() == Some(tag))
}

/// Restarts that the descriptions show: rounds that changed the fragments of both sides (RFC 8839, section 4.4.3.1.1).
pub(super) fn described_restarts(session: &SessionSummary) -> u64 {
    let fragments = |described: &Described| -> BTreeSet<String> {
        let media = described.sdp.media.iter();
        media.filter_map(|media| Some(described.sdp.ice_credentials(media)?.ufrag.to_owned())).collect()
    };
    let all = &session.descriptions;
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut generations = 0_u64;
    for offer in all.iter().filter(|described| described.is_offer) {
        let Some(answer) = all.iter().rfind(|described| described.answers(offer)) else { continue };
        let (offered, answered) = (fragments(offer), fragments(answer));
        let is_new = |own: &BTreeSet<String>| !own.is_empty() && own.is_disjoint(&known);
        generations += u64::from(is_new(&offered) && is_new(&answered));
        known.extend(offered);
        known.extend(answered);
    }
    generations.saturating_sub(1)
}

/// A candidate pair, captured at one point of its way or at several.
struct Carrier<'s> {
    rows: Vec<&'s PairRow>,
    /// What passed, with the row whose flow it passed on.
    loads: Vec<(&'s PairRow, Load)>,
    first: (Timestamp, FrameNo),
    last: Timestamp,
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

/// The pairs on which something passed, in order.
fn carriers<'s>(merge: &Merge<'_>, rows: &[&'s PairRow], loads: &Loads) -> Vec<Carrier<'s>> {
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
fn ends(merge: &Merge<'_>, row: &PairRow) -> (Endpoint, Endpoint) {
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
fn lanes(carriers: Vec<Carrier<'_>>) -> Vec<Vec<Carrier<'_>>> {
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

/// The time in which a side sent on a pair.
struct Span<'c, 's> {
    carrier: &'c Carrier<'s>,
    row: &'s PairRow,
    side: usize,
    from: Endpoint,
    first: (Timestamp, FrameNo),
    last: Timestamp,
}

/// When a side sent on which pair, in order: its sources, and DTLS before these. DTLS that only one of the two sends on
/// cannot be told apart, so that it decides alone where neither has sources, and nothing is known of a side without.
fn spans<'c, 's>(lane: &'c [Carrier<'s>], side: usize, forward: impl Fn(&PairRow) -> usize) -> Vec<Span<'c, 's>> {
    let is_its = |row: &PairRow, direction: Direction| match direction {
        Direction::Forward => forward(row) == side,
        Direction::Backward => forward(row) != side,
    };
    let media = lane.iter().flat_map(|carrier| &carrier.loads).filter(|(_, load)| load.source.is_some());
    let own = media.clone().filter(|(row, load)| load.source.is_some_and(|(_, direction)| is_its(row, direction)));
    let begins = own.map(|(_, load)| load.first.0).min();
    if begins.is_none() && media.clone().next().is_some() {
        return Vec::new();
    }
    let mut spans: Vec<Span<'c, 's>> = Vec::new();
    for carrier in lane {
        let own = carrier.loads.iter().filter_map(|(row, load)| match load.source {
            Some((_, direction)) => is_its(row, direction).then_some((*row, load.first, load.last)),
            None => {
                let last = begins.map_or(load.last, |begins| load.last.min(begins));
                (load.first.0 <= last).then_some((*row, load.first, last))
            }
        });
        let own: Vec<_> = own.collect();
        let last = own.iter().map(|(.., last)| *last).max();
        if let (Some((row, first, _)), Some(last)) = (own.into_iter().min_by_key(|(_, first, _)| *first), last) {
            let from = if forward(row) == side { row.local } else { row.remote };
            spans.push(Span { carrier, row, side, from, first, last });
        }
    }
    spans.sort_by_key(|span| span.first);
    spans
}

impl Span<'_, '_> {
    fn switch(&self, ts: Timestamp, frame: Option<FrameNo>) -> PairSwitch {
        PairSwitch { ts, frame, side: self.side, from: self.from, pair: self.row.id.clone() }
    }
}

/// The switches of one side, and what it sends on in the end. What begins later is selected while it lasts; behind it an
/// earlier one may go on.
fn sweep<'c, 's>(spans: &[Span<'c, 's>], switches: &mut Vec<PairSwitch>) -> Option<&'c Carrier<'s>> {
    let mut open: Vec<&Span<'c, 's>> = Vec::new();
    for span in spans {
        ended(&mut open, switches, Some(span.first.0));
        switches.push(span.switch(span.first.0, Some(span.first.1)));
        open.push(span);
    }
    ended(&mut open, switches, None);
    open.last().map(|span| span.carrier)
}

/// Takes those that have ended by then, as long as others go on.
fn ended(open: &mut Vec<&Span<'_, '_>>, switches: &mut Vec<PairSwitch>, by: Option<Timestamp>) {
    while let [.., before, last] = open[..]
        && by.is_none_or(|by| last.last < by)
    {
        if before.last > last.last {
            switches.push(before.switch(last.last, None));
            open.pop();
        } else {
            // The earlier one ended under the later one.
            open.remove(open.len() - 2);
        }
    }
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
