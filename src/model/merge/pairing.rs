//! What went into a relay and what came out of it, packet by packet.
//!
//! In: the prints of both sides of one direction, in capture order. Out: pairs, and who has no partner.
//! Never: a guess where two packets look alike. Such are counted in order, and say nothing of delay.

use crate::model::shard::Print;
use crate::time::NANOS_PER_SEC;

/// Longer than this no relay keeps a packet, and two packets that look alike stand apart.
const LONGEST_NANOS: i64 = 10 * NANOS_PER_SEC;
/// What a packet that others look like may take beyond the fastest and the slowest of those that are told apart.
const SLACK_NANOS: i64 = 10_000_000;
/// Two clocks of one machine: a packet may seem to come out this long before it went in.
pub(super) const CLOCK_NANOS: i64 = 1_000_000;

/// The outcome, by index into what went in and what came out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairing {
    /// Those that no other packet looks like, in the order in which they came out.
    pub(super) told_apart: Vec<(u32, u32)>,
    /// Pairs of those that look alike.
    pub(super) alike: Vec<(u32, u32)>,
    /// Went in and did not come out, in order.
    pub(super) missing: Vec<u32>,
    /// Came out and had not been seen to go in.
    pub(super) extra: u64,
    /// The shortest and the longest time between, of those that are told apart, in nanoseconds.
    pub(super) span: Option<(i64, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    key: u32,
    nanos: i64,
    came_out: bool,
    index: u32,
}

/// Pairs `into` with `out`.
pub(super) fn pair(into: &[Print], out: &[Print]) -> Pairing {
    let mut events: Vec<Event> = Vec::with_capacity(into.len() + out.len());
    for (prints, came_out) in [(into, false), (out, true)] {
        events.extend(prints.iter().zip(0..).map(|(print, index)| Event {
            key: print.key,
            nanos: print.ts.as_nanos(),
            came_out,
            index,
        }));
    }
    events.sort_unstable();
    let mut pairing = Pairing::default();
    let mut ambiguous: Vec<&[Event]> = Vec::new();
    let looks_alike = |a: &Event, b: &Event| a.key == b.key && b.nanos.saturating_sub(a.nanos) <= LONGEST_NANOS;
    for cluster in events.chunk_by(looks_alike) {
        let came_out = cluster.iter().filter(|event| event.came_out).count();
        match (cluster.len() - came_out, came_out) {
            (1, 1) => pairing.tell_apart(cluster),
            (_, 0) => pairing.missing.extend(cluster.iter().map(|event| event.index)),
            (0, _) => pairing.extra += came_out as u64,
            _ => ambiguous.push(cluster),
        }
    }
    let (shortest, longest) = match pairing.span {
        Some((shortest, longest)) => (shortest - SLACK_NANOS, longest + SLACK_NANOS),
        None => (-CLOCK_NANOS, LONGEST_NANOS),
    };
    ambiguous.into_iter().for_each(|cluster| pairing.in_order(cluster, shortest, longest));
    pairing.told_apart.sort_unstable_by_key(|pair| pair.1);
    pairing.missing.sort_unstable();
    pairing
}

impl Pairing {
    /// Takes a packet that went in and came out, and that nothing else looks like.
    fn tell_apart(&mut self, cluster: &[Event]) {
        let side = |came_out| cluster.iter().find(|event| event.came_out == came_out);
        let (Some(into), Some(out)) = (side(false), side(true)) else { return };
        let took = out.nanos - into.nanos;
        let (shortest, longest) = self.span.unwrap_or((took, took));
        self.span = Some((shortest.min(took), longest.max(took)));
        self.told_apart.push((into.index, out.index));
    }

    /// Takes packets that look alike: each one that went in has the first one that came out neither too early nor too late.
    fn in_order(&mut self, cluster: &[Event], shortest: i64, longest: i64) {
        let mut out = cluster.iter().filter(|event| event.came_out).peekable();
        for into in cluster.iter().filter(|event| !event.came_out) {
            while out.next_if(|event| event.nanos - into.nanos < shortest).is_some() {
                self.extra += 1;
            }
            match out.next_if(|event| event.nanos - into.nanos <= longest) {
                Some(event) => self.alike.push((into.index, event.index)),
                None => self.missing.push(into.index),
            }
        }
        self.extra += out.count() as u64;
    }

    /// Those of the packets told apart that came out behind one that went in later.
    pub(super) fn reordered(&self) -> u64 {
        let mut latest = 0;
        let overtaken = self.told_apart.iter().filter(|(into, _)| {
            let is_overtaken = *into < latest;
            latest = latest.max(*into);
            is_overtaken
        });
        overtaken.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints of (milliseconds, key).
    fn prints(of: &[(i64, u32)]) -> Vec<Print> {
        of.iter().zip(1..).map(|((millis, key), frame)| Print::at(millis * 1000, *key, frame)).collect()
    }

    fn paired(into: &[(i64, u32)], out: &[(i64, u32)]) -> Pairing {
        pair(&prints(into), &prints(out))
    }

    #[test]
    fn what_does_not_come_out_is_missing_and_what_never_went_in_is_extra() {
        let pairing = paired(&[(0, 1), (20, 2), (40, 3)], &[(1, 1), (41, 3), (50, 9)]);
        assert_eq!(pairing.told_apart, [(0, 0), (2, 1)]);
        assert_eq!((pairing.missing, pairing.extra), (vec![1], 1));
        assert_eq!(pairing.span, Some((1_000_000, 1_000_000)));
    }

    #[test]
    fn a_packet_that_is_overtaken_is_reordered() {
        assert_eq!(paired(&[(0, 1), (20, 2), (40, 3)], &[(1, 1), (41, 3), (42, 2)]).reordered(), 1);
        assert_eq!(paired(&[(0, 1), (20, 2), (40, 3)], &[(1, 1), (21, 2), (42, 3)]).reordered(), 0);
        assert_eq!(paired(&[(0, 1), (1, 2), (2, 3)], &[(5, 3), (6, 2), (7, 1)]).reordered(), 2);
    }

    #[test]
    fn packets_that_look_alike_are_counted_and_their_delay_is_not() {
        let into: Vec<(i64, u32)> = (0..10).map(|n| (n * 20, 7)).chain([(300, 1)]).collect();
        let all: Vec<(i64, u32)> = (0..10).map(|n| (n * 20 + 1, 7)).chain([(301, 1)]).collect();
        let pairing = paired(&into, &all);
        assert_eq!((pairing.alike.len(), pairing.told_apart.len(), pairing.missing.len()), (10, 1, 0));
        let without_the_fourth: Vec<(i64, u32)> = all.iter().copied().filter(|(millis, _)| *millis != 61).collect();
        let pairing = paired(&into, &without_the_fourth);
        assert_eq!((pairing.alike.len(), pairing.missing), (9, vec![3]));
    }

    #[test]
    fn a_packet_that_is_sent_again_later_is_another_one() {
        let pairing = paired(&[(0, 7), (15_000, 7)], &[(1, 7), (15_001, 7)]);
        assert_eq!(pairing.told_apart, [(0, 0), (1, 1)]);
        assert_eq!(paired(&[(0, 7), (15_000, 7)], &[(1, 7)]).missing, [1]);
    }

    #[test]
    fn clocks_that_differ_pair_all_the_same() {
        let pairing = paired(&[(5000, 1), (5020, 2)], &[(10, 1), (31, 2)]);
        assert_eq!(pairing.told_apart, [(0, 0), (1, 1)]);
        assert_eq!(pairing.span, Some((-4_990_000_000, -4_989_000_000)));
    }

    #[test]
    fn nothing_pairs_with_nothing() {
        assert_eq!(pair(&[], &[]), Pairing::default());
        assert_eq!(paired(&[(0, 1)], &[]).missing, [0]);
        assert_eq!(paired(&[], &[(0, 1)]).extra, 1);
    }
}
