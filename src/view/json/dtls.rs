//! DTLS handshakes.
//!
//! In: rows of the snapshot. Out: objects of the report. Never: keys.

use super::{Rounded, Text};
use crate::model::snapshot::{
    DtlsDirection, Endpoint, Flight as FlightState, HandshakeRow, HandshakeSummary, utc_date,
};
use crate::time::Timestamp;
use serde::Serialize;

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
    flights: Vec<Flight>,
    certificates: Vec<Certificate<'a>>,
    sdp_fingerprint: Option<&'static str>,
    sdp_setup: Option<&'static str>,
}

/// What one side sent before it waited for the other; `ms` counts from the first frame of the handshake.
#[derive(Serialize)]
struct Flight {
    from: Option<&'static str>,
    first_frame: u64,
    last_frame: u64,
    ms: Rounded,
    messages: Vec<String>,
    complete: bool,
    retransmissions: u32,
    retransmission_frames: Vec<u64>,
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

impl Flight {
    fn of(flight: &FlightState, handshake: &HandshakeSummary) -> Self {
        Self {
            from: role_of(flight.from, handshake),
            first_frame: flight.first.frame.0,
            last_frame: flight.last.frame.0,
            ms: Rounded(flight.first.ts.millis_since(handshake.first.ts)),
            messages: flight.messages.iter().map(|message| message.kind.to_string()).collect(),
            complete: flight.is_complete(),
            retransmissions: flight.retransmissions,
            retransmission_frames: flight.retransmission_frames.iter().map(|frame| frame.0).collect(),
        }
    }
}

/// None where nobody can be told to be the client.
fn role_of(from: DtlsDirection, handshake: &HandshakeSummary) -> Option<&'static str> {
    handshake.client.map(|client| if from == client { "client" } else { "server" })
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
            flights: handshake.flights.iter().map(|flight| Flight::of(flight, handshake)).collect(),
            certificates: handshake
                .certificates
                .iter()
                .map(|certificate| Certificate {
                    from: role_of(certificate.from, handshake),
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
            sdp_setup: row.sdp_setup.name(),
        }
    }
}
