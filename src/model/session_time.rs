//! Which part of a flow's time is a session's: calls come and go, and the next one may have the same ports.
//!
//! In: the sessions of a snapshot. Out: a [`Span`] for each flow of one of them. Never: a bound on a flow that no other session
//! has.

use super::signalling::{SessionState, SessionSummary};
use super::snapshot::Snapshot;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A client gathers candidates so long before its first description.
const BEFORE_NANOS: i64 = 5_000_000_000;
/// What is on its way when a session ends: last reports, the close of DTLS, refreshes to 0.
const BEHIND_NANOS: i64 = 2_000_000_000;

/// From a moment to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Span {
    /// Always.
    pub const ALL: Self = Self { from: Timestamp::from_nanos(i64::MIN), until: Timestamp::from_nanos(i64::MAX) };

    /// True at that moment.
    pub fn has(&self, ts: Timestamp) -> bool {
        self.from <= ts && ts <= self.until
    }
}

/// When each of these flows is the session's. One that no other session has is so always; one that several have from a
/// little before its first message to a little after its end, and where its end was not captured until the next begins.
pub(crate) fn spans<'s>(
    snapshot: &'s Snapshot,
    session: usize,
    flows: impl Iterator<Item = &'s str>,
) -> BTreeMap<&'s str, Span> {
    let mut spans: BTreeMap<&str, Span> = flows.map(|flow| (flow, Span::ALL)).collect();
    let Some(own) = snapshot.sessions.get(session) else { return spans };
    let end = end(snapshot, session, own);
    for (at, other) in snapshot.sessions.iter().enumerate().filter(|(at, _)| *at != session) {
        let shared: Vec<&str> =
            other.call.flows.iter().map(String::as_str).filter(|id| spans.contains_key(id)).collect();
        if shared.is_empty() {
            continue;
        }
        let before = self::end(snapshot, at, other).filter(|end| *end <= own.first_ts);
        let begins = other.first_ts > own.first_ts;
        for id in shared {
            let Some(span) = spans.get_mut(id) else { continue };
            let from = own.first_ts.plus_nanos(-BEFORE_NANOS);
            span.from = span.from.max(before.map_or(from, |end| from.max(end)));
            match end {
                Some(end) => span.until = end.plus_nanos(BEHIND_NANOS),
                None if begins => span.until = span.until.min(other.first_ts),
                None => {}
            }
        }
    }
    spans
}

/// When a session was over, where something shows it.
fn end(snapshot: &Snapshot, at: usize, session: &SessionSummary) -> Option<Timestamp> {
    let is_over = matches!(session.state, SessionState::Refused | SessionState::Failed | SessionState::Cancelled);
    let said = || snapshot.signals.iter().filter(|message| message.session == Some(at)).map(|message| message.ts).max();
    session.ended.map(|(_, ts, _)| ts).or_else(|| said().filter(|_| is_over))
}
