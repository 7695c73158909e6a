//! How far the clock of one capture is ahead of the other's, and which way packets went.
//!
//! In: matched packets with the difference of their times. Out: [`ClockOffset`], and a heading for each direction. Never: a delay
//! where no offset is known.
//!
//! A packet from A to B shows offset + delay, one from B to A offset - delay. So the smallest difference one way and the largest
//! the other enclose the offset; it is taken in the middle, which is right where both ways take equally long at best. With
//! packets of one way only, their smallest delay is taken for zero.

use super::path::{DirectionBy, Heading};
use crate::net::Endpoint;
use std::collections::BTreeMap;

/// Differences of medians below this do not tell which way packets went, in nanoseconds.
const TELLING: i64 = 1_000;

/// How the offset is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// By the smallest delays of both ways.
    BothWays,
    /// By the smallest delay of one way, which is taken for none.
    OneWay,
}

/// The clock of B against that of A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockOffset {
    /// How far B is ahead, in nanoseconds.
    pub nanos: i64,
    /// How that is known.
    pub basis: Basis,
    /// The smallest delay there and back together, in nanoseconds; none with one way.
    pub round_trip_nanos: Option<i64>,
    /// The offset in the second half less that in the first, in nanoseconds: clocks that run apart; none with one way.
    pub change_nanos: Option<i64>,
}

/// Matched packets of one pair of groups.
pub(super) struct Strand {
    pub(super) src: Endpoint,
    pub(super) dst: Endpoint,
    /// Time to live at A and at B.
    pub(super) ttl: (u8, u8),
    /// Time at A, and time at B less time at A, in nanoseconds, in the order of A.
    pub(super) differences: Vec<(i64, i64)>,
}

/// Which way each strand went, and the offset; no offset without a matched packet.
pub(super) fn measure(strands: &[Strand]) -> (Vec<(Heading, DirectionBy)>, Option<ClockOffset>) {
    let directions = directions(strands);
    let headings: Vec<(Heading, DirectionBy)> =
        strands.iter().map(|strand| directions.get(&direction(strand)).copied().unwrap_or(ASSUMED)).collect();
    let all = |_: i64| true;
    let Some(bounds) = Bounds::of(strands, &headings, all) else { return (headings, None) };
    let Some((nanos, round_trip)) = bounds.middle() else {
        let nanos = bounds.least_ahead.or(bounds.most_behind).unwrap_or_default();
        return (
            headings,
            Some(ClockOffset { nanos, basis: Basis::OneWay, round_trip_nanos: None, change_nanos: None }),
        );
    };
    let times = || strands.iter().flat_map(|strand| &strand.differences).map(|(time, _)| *time);
    let half = times().min().zip(times().max()).map(|(first, last)| first + (last - first) / 2).unwrap_or_default();
    let of_half = |second: bool| Some(Bounds::of(strands, &headings, |time| (time > half) == second)?.middle()?.0);
    let change = of_half(true).zip(of_half(false)).map(|(second, first)| second - first);
    let offset =
        ClockOffset { nanos, basis: Basis::BothWays, round_trip_nanos: Some(round_trip), change_nanos: change };
    (headings, Some(offset))
}

const ASSUMED: (Heading, DirectionBy) = (Heading::AToB, DirectionBy::Assumed);

/// Two hosts, and which of them sends; the ports where a host talks to itself.
type Direction = ((Endpoint, Endpoint), bool);

fn direction(strand: &Strand) -> Direction {
    let bare = |end: Endpoint| if strand.src.addr == strand.dst.addr { end } else { Endpoint { port: 0, ..end } };
    let (src, dst) = (bare(strand.src), bare(strand.dst));
    ((src.min(dst), src.max(dst)), src < dst)
}

fn directions(strands: &[Strand]) -> BTreeMap<Direction, (Heading, DirectionBy)> {
    let mut differences: BTreeMap<Direction, (Vec<i64>, (u8, u8))> = BTreeMap::new();
    for strand in strands.iter().filter(|strand| !strand.differences.is_empty()) {
        let (all, _) = differences.entry(direction(strand)).or_insert_with(|| (Vec::new(), strand.ttl));
        all.extend(strand.differences.iter().map(|(_, difference)| *difference));
    }
    let known: Vec<(Direction, i64, (u8, u8))> = differences
        .into_iter()
        .filter_map(|(direction, (mut all, ttl))| Some((direction, median(&mut all)?, ttl)))
        .collect();
    let opposite = |(hosts, sign): Direction| {
        known.iter().find(|(direction, _, _)| *direction == (hosts, !sign)).map(|(_, median, _)| *median)
    };
    // Where only one way was matched, the middle of all that went both ways tells.
    let both: Vec<i64> =
        known.iter().filter_map(|(direction, median, _)| Some((median + opposite(*direction)?) / 2)).collect();
    let middle = (!both.is_empty()).then(|| both.iter().sum::<i64>() / both.len() as i64);
    let heading = |(direction, median, (ttl_a, ttl_b)): &(Direction, i64, (u8, u8))| {
        let later = match (opposite(*direction), middle) {
            (Some(other), _) => median - other,
            (None, Some(middle)) => median - middle,
            (None, None) => 0,
        };
        let heading = match (later, ttl_a.cmp(ttl_b)) {
            (TELLING.., _) => (Heading::AToB, DirectionBy::Delay),
            (..=MINUS_TELLING, _) => (Heading::BToA, DirectionBy::Delay),
            (_, std::cmp::Ordering::Greater) => (Heading::AToB, DirectionBy::Hops),
            (_, std::cmp::Ordering::Less) => (Heading::BToA, DirectionBy::Hops),
            _ => ASSUMED,
        };
        (*direction, heading)
    };
    known.iter().map(heading).collect()
}

const MINUS_TELLING: i64 = -TELLING;

fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// What encloses the offset.
#[derive(Clone, Copy, Default)]
struct Bounds {
    least_ahead: Option<i64>,
    most_behind: Option<i64>,
}

impl Bounds {
    /// None where no packet was matched at a time that is wanted.
    fn of(strands: &[Strand], headings: &[(Heading, DirectionBy)], wanted: impl Fn(i64) -> bool) -> Option<Self> {
        let mut bounds = Self::default();
        for (strand, (heading, _)) in strands.iter().zip(headings) {
            let differences =
                strand.differences.iter().filter(|(time, _)| wanted(*time)).map(|(_, difference)| *difference);
            match heading {
                Heading::AToB => bounds.least_ahead = differences.chain(bounds.least_ahead).min(),
                Heading::BToA => bounds.most_behind = differences.chain(bounds.most_behind).max(),
            }
        }
        (bounds.least_ahead.is_some() || bounds.most_behind.is_some()).then_some(bounds)
    }

    /// The offset, and the smallest delay there and back.
    fn middle(self) -> Option<(i64, i64)> {
        let (ahead, behind) = (self.least_ahead?, self.most_behind?);
        Some((behind + (ahead - behind) / 2, ahead - behind))
    }
}
