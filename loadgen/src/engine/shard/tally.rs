//! What a shard says of itself, once a second and at the end.
//!
//! In: the statistics that the shard and its sessions keep. Out: a [`Report`]. Never: a figure that is said twice.

use super::{Key, Shard, Why};
use crate::clock::Moment;
use crate::engine::clock::{Waited, thread_cpu};
use crate::engine::session::Phase;
use crate::stats::ShardStats;
use std::time::Duration;

/// Statistics go to the control thread so often.
pub(super) const REPORT: Duration = Duration::from_secs(1);

/// What a shard says once a second.
pub(crate) struct Report {
    pub(crate) shard: u32,
    /// Since the report before.
    pub(crate) stats: ShardStats,
    /// CPU time of the thread since it began.
    pub(crate) cpu: Duration,
    /// What the thread waited for a CPU since it began.
    pub(crate) waited: Waited,
    pub(crate) standing: Standing,
    /// Of the time before the media counts.
    pub(crate) is_settling: bool,
}

/// Allocations by where they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) pending: u32,
    pub(crate) up: u32,
    pub(crate) closing: u32,
}

impl Shard {
    pub(super) fn report(&mut self, at: Moment, now: Moment) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            let senders = self.senders(key);
            if let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) {
                session.body.settle(senders, &mut self.stats);
                session.account(&mut self.stats);
            }
        }
        self.send_report();
        let next = at.plus(REPORT);
        self.wheel.insert(if next > now { next } else { now.plus(REPORT) }, Key::NOBODY.token(Why::Report));
    }

    /// What was counted so far is reported, and the streams begin anew.
    pub(super) fn measure(&mut self) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            let senders = self.senders(key);
            if let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) {
                session.body.begin_anew(senders, &mut self.stats);
                session.account(&mut self.stats);
            }
        }
        self.send_report();
        self.is_settling = false;
    }

    pub(super) fn send_report(&mut self) {
        let mut standing = Standing::default();
        for session in self.sessions.iter().flatten() {
            match session.body.phase {
                Phase::Connecting | Phase::Allocating => standing.pending += 1,
                Phase::Up | Phase::Streaming | Phase::Lingering => standing.up += 1,
                Phase::Closing | Phase::Over => standing.closing += 1,
            }
        }
        let stats = self.stats.take_interval();
        let report = Report {
            shard: self.number,
            stats,
            cpu: thread_cpu(),
            waited: Waited::of_thread(),
            standing,
            is_settling: self.is_settling,
        };
        // Where nobody listens any longer, the run is being given up.
        drop(self.reports.send(report));
    }
}
