//! Flows, STUN and ICE.
//!
//! In: rows of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::{Rounded, Text};
use crate::model::snapshot::{
    CandidateKind, ConsentGap, Endpoint, FlowRow, IceRole, Integrity as IntegrityState, PairRow, Spread, TransactionRow,
};
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct Flow<'a> {
    id: &'a str,
    proto: &'static str,
    a: Text<Endpoint>,
    b: Text<Endpoint>,
    path: Vec<String>,
    peer: Option<String>,
    classes: BTreeMap<&'static str, u64>,
    other: &'a BTreeMap<&'static str, u64>,
    first_frame: u64,
    first_ts: Text<Timestamp>,
    last_ts: Text<Timestamp>,
    parent: Option<&'a str>,
}

impl<'a> Flow<'a> {
    pub(super) fn of(row: &'a FlowRow) -> Self {
        Self {
            id: &row.id,
            proto: row.transport.name(),
            a: Text(row.a),
            b: Text(row.b),
            path: row.path(),
            peer: row.peer.map(|peer| peer.text()),
            classes: row
                .classes
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(class, count)| (class.name(), count))
                .collect(),
            other: &row.reasons,
            first_frame: row.first_frame.0,
            first_ts: Text(row.first_ts),
            last_ts: Text(row.last_ts),
            parent: row.parent.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Transaction<'a> {
    flow: &'a str,
    src: Text<Endpoint>,
    dst: Text<Endpoint>,
    id: String,
    method: String,
    first_frame: u64,
    first_ts: Text<Timestamp>,
    response_frame: Option<u64>,
    request_count: u32,
    outcome: &'static str,
    error_code: Option<u16>,
    error_reason: Option<&'a str>,
    rtt_ms: Option<Rounded>,
    latency_ms: Option<Rounded>,
}

impl<'a> Transaction<'a> {
    pub(super) fn of(row: &'a TransactionRow) -> Self {
        let transaction = &row.transaction;
        Self {
            flow: &row.flow,
            src: Text(row.src),
            dst: Text(row.dst),
            id: transaction.id.to_string(),
            method: transaction.method_name(),
            first_frame: transaction.first_frame.0,
            first_ts: Text(transaction.first_ts),
            response_frame: transaction.response_frame.map(|frame| frame.0),
            request_count: transaction.request_count,
            outcome: row.outcome.name(),
            error_code: transaction.error_code,
            error_reason: transaction.error_reason.as_deref(),
            rtt_ms: transaction.rtt_ms.map(Rounded),
            latency_ms: transaction.latency_ms.map(Rounded),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Pair<'a> {
    id: &'a str,
    flow: &'a str,
    local: Text<Endpoint>,
    remote: Text<Endpoint>,
    peer: Option<String>,
    local_type: Option<&'a str>,
    remote_type: Option<&'a str>,
    local_mapped: Option<Text<Endpoint>>,
    remote_mapped: Option<Text<Endpoint>>,
    component: Option<u8>,
    ufrag: Option<&'a str>,
    state: &'static str,
    selected: Option<bool>,
    selected_by: Vec<&'static str>,
    generation: Option<u64>,
    restarts: u64,
    local_role: Option<&'static str>,
    remote_role: Option<&'static str>,
    role_conflicts: u64,
    checks: u64,
    first_frame: u64,
    nominated_frame: Option<u64>,
    rtt_ms: Times,
    consent: Consent,
    integrity: Integrity,
}

/// MESSAGE-INTEGRITY, where the password is known.
#[derive(Serialize)]
pub(super) struct Integrity {
    state: &'static str,
    right: u64,
    wrong: u64,
    first_wrong_frame: Option<u64>,
}

impl Integrity {
    pub(super) fn of(state: &IntegrityState) -> Self {
        Self {
            state: state.name(),
            right: state.right,
            wrong: state.wrong,
            first_wrong_frame: state.first_wrong.map(|frame| frame.0),
        }
    }
}

/// An object of nulls where nothing was measured, so that its keys can always be read.
#[derive(Serialize)]
struct Times {
    min: Option<Rounded>,
    mean: Option<Rounded>,
    max: Option<Rounded>,
}

impl Times {
    fn of(spread: &Spread) -> Self {
        let mean = spread.mean();
        Self { min: mean.map(|_| Rounded(spread.min)), mean: mean.map(Rounded), max: mean.map(|_| Rounded(spread.max)) }
    }
}

#[derive(Serialize)]
struct Consent {
    checks: u64,
    missed: u64,
    longest_gap_ms: Option<Rounded>,
    expired: bool,
    gaps: Vec<Gap>,
}

/// A time without an answer in which checks were missed; without a frame it lasts to the end.
#[derive(Serialize)]
struct Gap {
    from_ts: Text<Timestamp>,
    ms: Rounded,
    missed: u64,
    end_frame: Option<u64>,
}

impl Gap {
    fn of(gap: &ConsentGap) -> Self {
        let end_frame = gap.ended.map(|frame| frame.0);
        Self { from_ts: Text(gap.from), ms: Rounded(gap.millis), missed: gap.missed, end_frame }
    }
}

impl<'a> Pair<'a> {
    pub(super) fn of(row: &'a PairRow) -> Self {
        let pair = &row.pair;
        let [local_type, remote_type] = [0, 1].map(|end| row.kinds.get(end)?.as_ref().map(CandidateKind::as_str));
        let [local_role, remote_role] = pair.roles.map(|role| role.map(IceRole::name));
        let by = row.selected.unwrap_or_default().into_iter().zip(["local", "remote"]);
        let selected_by = by.filter(|(is_selected, _)| *is_selected).map(|(_, by)| by).collect();
        let [local_mapped, remote_mapped] = pair.mapped.map(|mapped| mapped.map(Text));
        Self {
            id: &row.id,
            flow: &row.flow,
            local: Text(row.local),
            remote: Text(row.remote),
            peer: row.peer.map(|peer| peer.text()),
            local_type,
            remote_type,
            local_mapped,
            remote_mapped,
            component: pair.component,
            ufrag: pair.ufrag.as_deref(),
            state: pair.status.name(),
            selected: row.is_selected(),
            selected_by,
            generation: row.generation,
            restarts: pair.restarts,
            local_role,
            remote_role,
            role_conflicts: pair.role_conflicts,
            checks: pair.checks,
            first_frame: pair.first_frame.0,
            nominated_frame: pair.nominated_frame.map(|frame| frame.0),
            rtt_ms: Times::of(&pair.rtt),
            consent: Consent {
                checks: pair.consent_checks,
                missed: pair.consent_missed,
                longest_gap_ms: pair.consent_longest_gap_ms.map(Rounded),
                expired: pair.consent_expired(),
                gaps: pair.consent_gaps.iter().map(Gap::of).collect(),
            },
            integrity: Integrity::of(&row.integrity),
        }
    }
}
