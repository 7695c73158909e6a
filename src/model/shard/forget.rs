//! A shard lets go what has been quiet.
//!
//! In: which of its flows and streams stay. Out: the same shard without the others, and room where they were.
//! Never: an index of before that still stands somewhere.

use super::{FEW, MAX_REPORT_BLOCKS, MAX_TRANSACTIONS, Room, Shard};
use crate::model::class::Class;
use crate::model::flow::{Flow, Origin};
use crate::model::media::Routes;
use crate::time::Timestamp;
use hashbrown::{HashMap, HashTable};

/// Where each thing that stays has come to be; none for what leaves.
struct Places(Vec<Option<u32>>);

impl Places {
    fn of(stays: &[bool]) -> Self {
        let mut next = 0;
        Self(
            stays
                .iter()
                .map(|stays| {
                    next += u32::from(*stays);
                    stays.then_some(next.wrapping_sub(1))
                })
                .collect(),
        )
    }

    fn of_index(&self, index: u32) -> Option<u32> {
        self.0.get(index as usize).copied().flatten()
    }
}

impl Shard {
    /// Keeps what stays. An inner flow stays only where the one around it does, a stream only where its flow does.
    pub(crate) fn forget(&mut self, flows: &[bool], streams: &[bool], before: Timestamp) {
        if !(flows.iter().all(|stays| *stays) && streams.iter().all(|stays| *stays)) {
            self.remove(&Places::of(flows), &Places::of(streams));
        }
        self.make_room(before);
    }

    /// A flow counts packets of a stream that is about to leave it.
    pub(crate) fn count(&mut self, flow: u32, class: Class, packets: u64) {
        let Some(flow) = self.flows.get_mut(flow as usize) else { return };
        flow.classes.add(class, packets);
        if class == Class::Other {
            *flow.details().reasons.entry("rtp not confirmed by a second packet").or_default() += packets;
        }
    }

    fn remove(&mut self, flows: &Places, streams: &Places) {
        let old = std::mem::take(&mut self.flows);
        self.flows = Vec::with_capacity(FEW.max(flows.0.iter().flatten().count()));
        self.flows.extend(old.into_iter().enumerate().filter_map(|(at, mut flow)| {
            flows.of_index(at as u32)?;
            if let Origin::InTurn { parent, .. } = &mut flow.origin {
                *parent = flows.of_index(*parent)?;
            }
            let moved = |all: &[u32]| all.iter().filter_map(|index| streams.of_index(*index)).collect();
            (flow.streams, flow.unconfirmed) = (moved(&flow.streams), moved(&flow.unconfirmed));
            flow.forget_recent();
            Some(flow)
        }));
        let old = std::mem::take(&mut self.streams);
        self.streams = Vec::with_capacity(FEW.max(streams.0.iter().flatten().count()));
        self.streams.extend(old.into_iter().enumerate().filter_map(|(at, mut entry)| {
            streams.of_index(at as u32)?;
            entry.key.0 = flows.of_index(entry.key.0)?;
            Some(entry)
        }));
        self.doubtful = self.doubtful.iter().filter_map(|index| streams.of_index(*index)).collect();
        self.index();
    }

    /// The tables once more, of what is there.
    fn index(&mut self) {
        let Self { hasher, flows, .. } = self;
        let hash = |flow: &Flow| hasher.hash(&flow.tuple);
        self.by_tuple = HashTable::new();
        self.inner = HashMap::default();
        for (index, flow) in (0_u32..).zip(flows.iter()) {
            match flow.origin {
                Origin::Captured => {
                    self.by_tuple.insert_unique(hash(flow), index, |index| hash(&flows[*index as usize]));
                }
                Origin::InTurn { parent, peer } => {
                    self.inner.insert((parent, peer), index);
                }
            }
        }
        self.by_ssrc = self.streams.iter().zip(0_u32..).map(|(entry, index)| (entry.key, index)).collect();
        self.routes = Routes::default();
        self.kept_packets = self.streams.iter().map(|entry| entry.log.len()).sum();
        self.kept_series = self.streams.iter().filter(|entry| entry.series.is_some()).count();
    }

    /// Room as it is. Where less than half of it is left, flows that go on let go what is older than `before`.
    fn make_room(&mut self, before: Timestamp) {
        let details = |flows: &[Flow], of: fn(&super::super::flow::Details) -> usize| -> usize {
            flows.iter().filter_map(|flow| flow.details.as_deref()).map(of).sum()
        };
        let transactions = |flows: &[Flow]| details(flows, |all| all.transactions.list().len());
        let report_blocks = |flows: &[Flow]| details(flows, |all| all.rtcp.kept());
        let too_many =
            (transactions(&self.flows) > MAX_TRANSACTIONS / 2, report_blocks(&self.flows) > MAX_REPORT_BLOCKS / 2);
        for all in self.flows.iter_mut().filter_map(|flow| flow.details.as_deref_mut()) {
            if too_many.0 || all.transactions.is_half_full() {
                all.transactions.forget(before);
            }
            if too_many.1 {
                all.rtcp.forget(before);
            }
        }
        self.room = Room {
            transactions: MAX_TRANSACTIONS.saturating_sub(transactions(&self.flows)),
            report_blocks: MAX_REPORT_BLOCKS.saturating_sub(report_blocks(&self.flows)),
        };
        self.prints.recount(&self.flows);
    }
}
