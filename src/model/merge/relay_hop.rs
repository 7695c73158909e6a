//! The two sides of a TURN server put together: what became of each packet inside, and which allocations talk to each
//! other.
//!
//! In: allocations, the flows inside TURN and those at relayed addresses. Out: figures by direction.
//! Never: a loss where the other side was not being captured.

use super::pairing::{CLOCK_NANOS, Pairing, pair};
use super::{Merge, Place};
use crate::model::flow::{Direction, Flow, Origin, Peer};
use crate::model::relay_hop::{DelayFigures, HopFigures, NAMED_FRAMES, RelayHop};
use crate::model::shard::{Leg, Print};
use crate::model::snapshot::AllocationRow;
use crate::net::Endpoint;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Allocations of one five-tuple, or of one relayed address, that are joined; those after them are not.
const MAX_SIBLINGS: usize = 16;
/// What a packet may take that is lost where none came out to compare it with.
const USUAL_NANOS: i64 = 1_000_000_000;

/// The flows on the sides of servers.
struct Sides<'a> {
    /// Inside TURN, by the flow around them.
    inner: BTreeMap<Place, Vec<(Endpoint, &'a Flow)>>,
    /// At relayed addresses, by their two ends in order; none where two flows have the same, in different tunnels.
    outer: BTreeMap<(Endpoint, Endpoint), Option<Place>>,
}

/// One side of a direction.
struct Side<'a> {
    prints: &'a [Print],
    /// Datagrams that cannot be known again.
    cut: u64,
    /// While it was being captured, and its prints were kept.
    since: Timestamp,
    until: Timestamp,
}

/// The sums of a direction over all peers.
#[derive(Default)]
struct Sum {
    figures: HopFigures,
    delays: Vec<i64>,
    is_told: bool,
    clocks_differ: bool,
}

impl<'a> Merge<'a> {
    /// Fills in what takes both sides of the server. `places` are the flows of the rows, `inputs` how many captures there
    /// are.
    pub(super) fn join_relays(&self, rows: &mut [AllocationRow], places: &[Place], inputs: usize) {
        let sides = self.sides();
        let lives = Lives::of(rows, places, self.end);
        let mut talks: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (at, life) in lives.joined() {
            let hop = self.relay_hop(&rows[at], places[at], life, &sides, inputs);
            let inside = sides.inner_of(places[at]).filter(|(_, flow)| life.overlaps((flow.first_ts, flow.last_ts)));
            let bound = rows[at].allocation.channels.values().filter_map(|channel| channel.peer);
            for peer in inside.map(|(peer, _)| *peer).chain(bound) {
                let others = lives.relaying_at(peer, life).filter(|other| *other != at);
                talks.extend(others.flat_map(|other| [(at, other), (other, at)]));
            }
            rows[at].relay_hop = hop;
        }
        for (one, other) in talks {
            let id = rows[other].id.clone();
            rows[one].relay_peers.push(id);
        }
    }

    fn sides(&self) -> Sides<'a> {
        let mut sides = Sides { inner: BTreeMap::new(), outer: BTreeMap::new() };
        for place in &self.order {
            let flow = self.flow(*place);
            match flow.origin {
                Origin::InTurn { parent, peer: Peer::Address(peer) } => {
                    sides.inner.entry((place.0, parent)).or_default().push((peer, flow));
                }
                Origin::Captured if flow.leg.is_some() => {
                    let ends = in_order(flow.tuple.src, flow.tuple.dst);
                    sides.outer.entry(ends).and_modify(|known| *known = None).or_insert(Some(*place));
                }
                _ => {}
            }
        }
        sides
    }

    fn relay_hop(&self, row: &AllocationRow, place: Place, life: Life, sides: &Sides<'a>, inputs: usize) -> RelayHop {
        let Some(relayed) = row.allocation.relayed.filter(|_| !sides.outer.is_empty()) else {
            return RelayHop::default();
        };
        let behind_nat = Endpoint { addr: row.server.addr, port: relayed.port };
        let (mut to_peer, mut from_peer) = (Sum::default(), Sum::default());
        for (peer, inner) in sides.inner_of(place) {
            let found = [relayed, behind_nat].into_iter().find_map(|end| Some((end, sides.outer_of(end, *peer)?)));
            let (Some((end, outer_place)), Some(inner_leg)) = (found, &inner.leg) else { continue };
            let outer = self.flow(outer_place);
            let Some(outer_leg) = &outer.leg else { continue };
            let (outward, client) = (outer.direction_from(end), row.allocation.client_direction);
            let inner_span = (self.flow(place).first_ts, self.flow(place).last_ts);
            let outer_span = outer_leg.span().unwrap_or((outer.first_ts, outer.last_ts));
            let captured = |span| if inputs > 1 { span } else { (self.front.first_ts, self.front.last_ts) };
            let within = |direction| self.side(inner_leg, direction, place.0, captured(inner_span), life);
            let without = |direction| self.side(outer_leg, direction, outer_place.0, captured(outer_span), life);
            let forth = (within(client), without(outward));
            let back = (without(outward.opposite()), within(client.opposite()));
            let paired = (pair(forth.0.prints, forth.1.prints), pair(back.0.prints, back.1.prints));
            // Without a packet that is on both sides these are two flows that have nothing to do with one another.
            if paired.0.told_apart.is_empty() && paired.1.told_apart.is_empty() {
                continue;
            }
            // That the server sends nothing at all to this peer, or that nobody captured what it sends: nothing tells.
            if !forth.1.prints.is_empty() {
                to_peer.add(&forth.0, &forth.1, &paired.0);
            }
            from_peer.add(&back.0, &back.1, &paired.1);
        }
        let clocks_differ = to_peer.clocks_differ || from_peer.clocks_differ;
        RelayHop { to_peer: to_peer.figures(clocks_differ), from_peer: from_peer.figures(clocks_differ) }
    }

    /// One side of an allocation. One capture sees both sides for as long as it lasts; of several nobody knows, but from
    /// the first to the last packet of its own, which one saw this side when.
    fn side(
        &self,
        leg: &'a Leg,
        direction: Direction,
        shard: usize,
        captured: (Timestamp, Timestamp),
        life: Life,
    ) -> Side<'a> {
        let prints = leg.prints(direction);
        let first = prints.partition_point(|print| print.ts < life.since);
        let prints = prints.get(first..).unwrap_or_default();
        let count = prints.partition_point(|print| print.ts <= life.until);
        let kept_until = self.shards[shard].prints.full_since.unwrap_or(captured.1);
        Side {
            prints: prints.get(..count).unwrap_or_default(),
            cut: leg.cut(direction),
            since: captured.0.max(life.since),
            until: captured.1.min(kept_until).min(life.over.unwrap_or(life.until)).min(life.until),
        }
    }
}

impl<'a> Sides<'a> {
    /// The flows inside this one, and their peers.
    fn inner_of(&self, place: Place) -> impl Iterator<Item = &(Endpoint, &'a Flow)> {
        self.inner.get(&place).into_iter().flatten()
    }

    /// The flow between a relayed address and a peer.
    fn outer_of(&self, relayed: Endpoint, peer: Endpoint) -> Option<Place> {
        *self.outer.get(&in_order(relayed, peer))?
    }
}

fn in_order(a: Endpoint, b: Endpoint) -> (Endpoint, Endpoint) {
    (a.min(b), a.max(b))
}

impl Sum {
    fn add(&mut self, into: &Side<'_>, out: &Side<'_>, pairing: &Pairing) {
        self.is_told = true;
        let figures = &mut self.figures;
        figures.matched += (pairing.told_apart.len() + pairing.alike.len()) as u64;
        figures.reordered += pairing.reordered();
        figures.unseen += pairing.extra;
        let (shortest, longest) = pairing.span.unwrap_or((0, USUAL_NANOS));
        let is_judged = |print: &Print| {
            let (earliest, latest) = (print.ts.plus_nanos(shortest), print.ts.plus_nanos(longest));
            earliest >= out.since && latest <= out.until && (print.is_rtp() || out.cut == 0)
        };
        for print in pairing.missing.iter().filter_map(|index| into.prints.get(*index as usize)) {
            if is_judged(print) {
                figures.lost += 1;
                figures.lost_frames.push(print.frame());
            }
        }
        let delays = pairing.told_apart.iter().filter_map(|(before, after)| {
            Some(out.prints.get(*after as usize)?.ts.nanos_since(into.prints.get(*before as usize)?.ts))
        });
        self.delays.extend(delays);
        self.clocks_differ |= pairing.span.is_some_and(|(shortest, _)| shortest < -CLOCK_NANOS);
    }

    fn figures(mut self, clocks_differ: bool) -> Option<HopFigures> {
        self.figures.lost_frames.sort_unstable();
        self.figures.lost_frames.truncate(NAMED_FRAMES);
        if !clocks_differ {
            self.figures.delay_ms = DelayFigures::of(self.delays);
        }
        self.is_told.then_some(self.figures)
    }
}

/// From when on an allocation had its five-tuple and its relayed address to itself, and until when.
#[derive(Clone, Copy)]
struct Life {
    since: Timestamp,
    until: Timestamp,
    /// When the client asked to delete it, or it ran out: what comes later need not come out.
    over: Option<Timestamp>,
}

impl Life {
    fn overlaps(self, (first, last): (Timestamp, Timestamp)) -> bool {
        first <= self.until && last >= self.since
    }
}

/// The lives of those allocations that came to be within the capture.
struct Lives {
    lives: BTreeMap<usize, Life>,
    by_relayed: BTreeMap<Endpoint, Vec<usize>>,
}

impl Lives {
    fn of(rows: &[AllocationRow], places: &[Place], end: Timestamp) -> Self {
        let mut by_place: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        let mut by_relayed: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
        for ((at, row), place) in rows.iter().enumerate().zip(places) {
            if row.allocation.created_ts.is_none() {
                continue;
            }
            by_place.entry(*place).or_default().push(at);
            row.allocation.relayed.into_iter().for_each(|relayed| by_relayed.entry(relayed).or_default().push(at));
        }
        let mut lives: BTreeMap<usize, Life> = BTreeMap::new();
        for group in by_place.values().chain(by_relayed.values()) {
            // One more than is joined, since it ends the life of the last one.
            let group = group.get(..MAX_SIBLINGS + 1).unwrap_or(group);
            let births: Vec<Timestamp> = group.iter().filter_map(|at| rows[*at].allocation.created_ts).collect();
            for (at, created) in group.iter().zip(&births) {
                let whole =
                    Life { since: Timestamp::from_nanos(i64::MIN), until: end.max(*created), over: rows[*at].ended_ts };
                let life = lives.entry(*at).or_insert(whole);
                if births.iter().any(|birth| birth < created) {
                    life.since = life.since.max(*created);
                }
                let next = births.iter().filter(|birth| *birth > created).min();
                life.until = next.map_or(life.until, |next| life.until.min(*next));
            }
        }
        for beyond in by_place.values().chain(by_relayed.values()).filter_map(|group| group.get(MAX_SIBLINGS..)) {
            lives.retain(|at, _| !beyond.contains(at));
        }
        Self { lives, by_relayed }
    }

    fn joined(&self) -> impl Iterator<Item = (usize, Life)> {
        self.lives.iter().map(|(at, life)| (*at, *life))
    }

    /// Those that relay at this address during a life.
    fn relaying_at(&self, relayed: Endpoint, during: Life) -> impl Iterator<Item = usize> {
        let all = self.by_relayed.get(&relayed).into_iter().flatten().copied();
        all.filter(move |at| self.lives.get(at).is_some_and(|life| life.overlaps((during.since, during.until))))
    }
}
