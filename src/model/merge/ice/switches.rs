//! When a side sent on which pair, and so which one it had selected (RFC 8445, section 8).
//!
//! In: the carriers of a transport. Out: its switches, and what a side sends on in the end. Never: a nomination.

use super::super::super::flow::Direction;
use super::super::super::snapshot::{PairRow, PairSwitch};
use super::carriers::Carrier;
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// The time in which a side sent on a pair.
pub(super) struct Span<'c, 's> {
    carrier: &'c Carrier<'s>,
    row: &'s PairRow,
    side: usize,
    from: Endpoint,
    first: (Timestamp, FrameNo),
    last: Timestamp,
}

/// When a side sent on which pair, in order: its sources, and DTLS before these. DTLS that only one of the two sends on
/// cannot be told apart, so that it decides alone where neither has sources, and nothing is known of a side without.
pub(super) fn spans<'c, 's>(
    lane: &'c [Carrier<'s>],
    side: usize,
    forward: impl Fn(&PairRow) -> usize,
) -> Vec<Span<'c, 's>> {
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
pub(super) fn sweep<'c, 's>(spans: &[Span<'c, 's>], switches: &mut Vec<PairSwitch>) -> Option<&'c Carrier<'s>> {
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
