//! Flows of which only one side was captured, where that side shows that the other sends too.
//!
//! In: what flows and TCP connections noted. Out: faults for the rules to judge. Never: a flow that both sides were seen on.

use super::super::finding_rules::Fault;
use super::super::flow::Direction;
use super::Merge;
use crate::net::FiveTuple;

impl Merge<'_> {
    /// Answers to requests, and acknowledgments of segments, that are not in the capture; in order of the flows.
    pub(super) fn one_sided(&self) -> Vec<Fault> {
        let whole = |place| self.flow(place).first_backward.is_some();
        let unasked = self.details().filter(|(place, ..)| !whole(*place)).filter_map(|(place, _, details)| {
            let unasked = &details.transactions.unasked;
            let count = unasked.counts[Direction::Forward as usize];
            (count > 0).then(|| Fault::Unasked { flow: self.id(place), count, frames: unasked.frames.clone() })
        });
        let mut acknowledged: Vec<_> = self
            .front
            .connections
            .one_sided()
            .filter_map(|(tuple, own)| {
                let back = FiveTuple { src: tuple.dst, dst: tuple.src, ..*tuple };
                let place = *self.by_tuple.get(tuple).or_else(|| self.by_tuple.get(&back))?;
                (own.bytes > 0 && !whole(place)).then_some((place, own))
            })
            .collect();
        acknowledged.sort_by_key(|(place, _)| self.flow(*place).first_frame);
        let acknowledged = acknowledged.into_iter().map(|(place, own)| Fault::Acknowledged {
            flow: self.id(place),
            bytes: own.bytes,
            frames: own.frames,
        });
        unasked.chain(acknowledged).collect()
    }
}
