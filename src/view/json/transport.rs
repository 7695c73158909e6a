//! Flows, STUN, ICE and DTLS.
//!
//! In: rows of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::{Rounded, Text};
use crate::model::snapshot::{
    Endpoint, FlowRow, HandshakeRow, Integrity as IntegrityState, PairRow, Spread, TransactionRow, utc_date,
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
    ufrag: Option<&'a str>,
    state: &'static str,
    restarts: u64,
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
}

impl<'a> Pair<'a> {
    pub(super) fn of(row: &'a PairRow) -> Self {
        let pair = &row.pair;
        Self {
            id: &row.id,
            flow: &row.flow,
            local: Text(row.local),
            remote: Text(row.remote),
            peer: row.peer.map(|peer| peer.text()),
            ufrag: pair.ufrag.as_deref(),
            state: pair.status.name(),
            restarts: pair.restarts,
            checks: pair.checks,
            first_frame: pair.first_frame.0,
            nominated_frame: pair.nominated_frame.map(|frame| frame.0),
            rtt_ms: Times::of(&pair.rtt),
            consent: Consent {
                checks: pair.consent_checks,
                missed: pair.consent_missed,
                longest_gap_ms: pair.consent_longest_gap_ms.map(Rounded),
            },
            integrity: Integrity::of(&row.integrity),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Handshake<'a> {
    id: &'a str,
    flow: &'a str,
    client: Text<Endpoint>,
    server: Text<Endpoint>,
    version: Option<String>,
    cipher_suite: Option<String>,
    srtp_profile: Option<String>,
    srtp_profiles_offered: Vec<String>,
    group: Option<String>,
    alpn: Option<&'a str>,
    resumed: Option<bool>,
    state: &'static str,
    alert: Option<String>,
    alert_frame: Option<u64>,
    first_frame: u64,
    first_ts: Text<Timestamp>,
    handshake_ms: Option<Rounded>,
    retransmitted_flights: u32,
    certificates: Vec<Certificate<'a>>,
    sdp_fingerprint: Option<&'static str>,
}

#[derive(Serialize)]
struct Certificate<'a> {
    from: Option<&'static str>,
    fingerprint_sha256: String,
    subject: &'a str,
    issuer: &'a str,
    key: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    frame: u64,
}

impl<'a> Handshake<'a> {
    pub(super) fn of(row: &'a HandshakeRow) -> Self {
        let handshake = &row.handshake;
        Self {
            id: &row.id,
            flow: &row.flow,
            client: Text(row.client),
            server: Text(row.server),
            version: handshake.version.map(|version| version.to_string()),
            cipher_suite: handshake.cipher_suite.map(|suite| suite.to_string()),
            srtp_profile: handshake.srtp_profile.map(|profile| profile.to_string()),
            srtp_profiles_offered: handshake.offer.srtp_profiles.iter().map(ToString::to_string).collect(),
            group: handshake.group.map(|group| group.to_string()),
            alpn: handshake.alpn.as_deref(),
            resumed: handshake.resumed,
            state: handshake.state.name(),
            alert: handshake.ending_alert().map(|alert| alert.text()),
            alert_frame: handshake.ending_alert().map(|alert| alert.at.frame.0),
            first_frame: handshake.first.frame.0,
            first_ts: Text(handshake.first.ts),
            handshake_ms: handshake.handshake_ms().map(Rounded),
            retransmitted_flights: handshake.retransmitted_flights,
            certificates: handshake
                .certificates
                .iter()
                .map(|certificate| Certificate {
                    from: handshake.client.map(|client| if certificate.from == client { "client" } else { "server" }),
                    fingerprint_sha256: certificate.info.fingerprint_sha256.to_string(),
                    subject: &certificate.info.subject,
                    issuer: &certificate.info.issuer,
                    key: certificate.info.key.as_ref().map(ToString::to_string),
                    not_before: certificate.info.not_before.map(utc_date),
                    not_after: certificate.info.not_after.map(utc_date),
                    frame: certificate.at.frame.0,
                })
                .collect(),
            sdp_fingerprint: row.sdp_fingerprint.name(),
        }
    }
}
