//! DTLS handshakes that were not begun, did not end, or met the wrong certificate (RFC 6347, RFC 5763, RFC 8122).

use super::super::class::Class;
use super::super::dtls::{Direction, Flight, MessageKind, Opening, State};
use super::super::finding::{Finding, Severity};
use super::super::negotiation::Security;
use super::super::snapshot::{FingerprintCheck, HandshakeRow, PairStatus};
use super::evidence::{IceSession, span};
use super::{Evidence, Rule};
use crate::net::Endpoint;
use crate::proto::dtls::Version;
use std::collections::BTreeSet;

/// Seconds without progress after which a handshake is stuck: its timers have sent a flight again twice by then
/// (RFC 6347, section 4.2.4.1: 1 s, then 2 s).
const STUCK_S: f64 = 4.0;
/// Seconds from the nomination on in which every handshake and every first packet comes.
const IDLE_S: f64 = 10.0;
/// Alerts that speak of a certificate (RFC 8446, section 6.2): bad, unsupported, revoked, expired, unknown, unknown CA,
/// bad status response, bad hash value, required.
const CERTIFICATE_ALERTS: [u8; 9] = [42, 43, 44, 45, 46, 48, 113, 114, 116];

pub(super) static FINGERPRINT: Rule = Rule {
    code: "DTLS_FINGERPRINT_MISMATCH",
    severity: Severity::Error,
    title: "A certificate is not the one that the SDP announced",
    explanation: "The SHA-256 of the certificate in the handshake is none of the a=fingerprint lines of its side: the description \
        is of another session or was changed on the way, or somebody sits in between. A peer that checks refuses.",
    advice: "Look at what changes descriptions between the two: a gateway that joins calls, an old description used again, an \
        application that edits SDP.",
    find: fingerprint,
};

pub(super) static REFUSED: Rule = Rule {
    code: "DTLS_CERTIFICATE_REFUSED",
    severity: Severity::Error,
    title: "A side did not accept the other's certificate",
    explanation: "The handshake ended with an alert where the certificate of the other side had to be checked. In WebRTC that \
        means that it is not the one of a=fingerprint. DTLS 1.3 encrypts certificates and alerts, so there the place of the \
        alert tells, and not its words.",
    advice: "Compare a=fingerprint of the SDP that the refusing side was given with the certificate that the other side uses. TURN \
        over DTLS: the client has to trust the server's certificate and find its name in it.",
    find: refused,
};

pub(super) static ROLES: Rule = Rule {
    code: "DTLS_ROLE_CLASH",
    severity: Severity::Error,
    title: "Both sides play the DTLS client",
    explanation: "Both sent a ClientHello and neither answered the other's: both take a=setup:active for theirs, and the \
        handshake never begins.",
    advice: "The offer says a=setup:actpass, the answer active or passive; look at what the descriptions said, and at re-offers \
        that changed it.",
    find: roles,
};

pub(super) static STUCK: Rule = Rule {
    code: "DTLS_STUCK",
    severity: Severity::Error,
    title: "A DTLS handshake does not end",
    explanation: "The handshake was begun and went on no further. Large flights with certificates are cut into fragments; where \
        only those are missing, the path drops large packets. Where nothing came back at all, the other side does not take \
        part.",
    advice: "Look at who is silent, at the size of the flight that got no answer, and at the log of the silent side.",
    find: stuck,
};

pub(super) static NOT_STARTED: Rule = Rule {
    code: "DTLS_NOT_STARTED",
    severity: Severity::Warning,
    title: "A path was found and nothing was sent on it",
    explanation: "A candidate pair was nominated, and neither a DTLS handshake nor media followed: both sides may wait for the \
        other (a=setup:passive on both), or the application never began. An error where the descriptions agreed on DTLS.",
    advice: "Compare a=setup of offer and answer: one of them has to be active. Look at the logs of both sides.",
    find: not_started,
};

pub(super) static CERTIFICATE_DATES: Rule = Rule {
    code: "DTLS_CERTIFICATE_EXPIRED",
    severity: Severity::Info,
    title: "A certificate was used outside of its dates",
    explanation: "Browsers do not look at the dates where a=fingerprint tells which certificate it is; a client of TURN over DTLS \
        does, and refuses.",
    advice: "Renew the certificate, and look at the clock of the capturing machine: the dates are compared with its time.",
    find: certificate_dates,
};

fn side(row: &HandshakeRow, from: Direction) -> Endpoint {
    if row.handshake.client.is_none_or(|client| client == from) { row.client } else { row.server }
}

fn fingerprint(evidence: &Evidence<'_>) -> Vec<Finding> {
    let rows = evidence.snapshot.handshakes.iter().filter(|row| row.sdp_fingerprint == FingerprintCheck::Mismatch);
    rows.map(|row| {
        let own = row.handshake.certificates.iter().filter(|certificate| certificate.position == 0);
        let shown: Vec<String> =
            own.clone().map(|seen| format!("{} sent {}", side(row, seen.from), seen.info.fingerprint_sha256)).collect();
        let summary = format!("{}: a certificate is not that of its description: {}", row.flow, shown.join("; "));
        FINGERPRINT.finding(summary).with_frames(own.map(|seen| seen.at.frame)).about(&row.flow)
    })
    .collect()
}

fn refused(evidence: &Evidence<'_>) -> Vec<Finding> {
    let handshakes = evidence.snapshot.handshakes.iter();
    let cases = handshakes.filter_map(|row| {
        let (seen, words) = (row.handshake.ending_alert()?, refusal(row)?);
        let (sender, other) = (side(row, seen.from), side(row, seen.from.opposite()));
        let summary = format!("{}: {sender} did not accept the certificate of {other}: it sent {words}", row.flow);
        Some(REFUSED.finding(summary).with_frames([seen.at.frame]).about(&row.flow))
    });
    cases.collect()
}

/// The alert that ended a handshake, where it speaks of a certificate.
fn refusal(row: &HandshakeRow) -> Option<String> {
    let seen = row.handshake.ending_alert()?;
    let for_media = !row.handshake.offer.srtp_profiles.is_empty();
    match seen.alert {
        Some(alert) if CERTIFICATE_ALERTS.contains(&alert.description.0) => Some(alert.to_string()),
        // Behind the hellos of DTLS 1.3 there is little else to refuse, and between browsers nothing.
        None if row.handshake.version == Some(Version::DTLS_1_3) && row.handshake.version_negotiated && for_media => {
            Some("an encrypted alert where that was due".to_owned())
        }
        _ => None,
    }
}

/// True where a rule of this file says why an alert ended the handshake.
pub(super) fn is_explained(row: &HandshakeRow) -> bool {
    refusal(row).is_some() || row.handshake.both_clients.is_some()
}

fn roles(evidence: &Evidence<'_>) -> Vec<Finding> {
    let rows = evidence.snapshot.handshakes.iter().filter(|row| row.handshake.state != State::Complete);
    rows.filter_map(|row| {
        let second = row.handshake.both_clients?;
        let first = row.handshake.client_hello.map(|point| point.frame);
        let summary = format!("{}: {} and {} both sent a ClientHello", row.flow, row.client, row.server);
        Some(ROLES.finding(summary).with_frames(first.into_iter().chain([second.frame])).about(&row.flow))
    })
    .collect()
}

/// The flows on which a handshake ended well or that carry what only keys explain.
fn keyed<'a>(evidence: &Evidence<'a>) -> BTreeSet<&'a str> {
    let complete = evidence.snapshot.handshakes.iter().filter(|row| row.handshake.state == State::Complete);
    let streams = evidence.snapshot.streams.iter().filter(|row| row.encrypted);
    complete.map(|row| row.flow.as_str()).chain(streams.map(|row| row.flow.as_str())).collect()
}

fn stuck(evidence: &Evidence<'_>) -> Vec<Finding> {
    let keyed = keyed(evidence);
    let is_stuck = |row: &&HandshakeRow| {
        let handshake = &row.handshake;
        handshake.state == State::Incomplete
            && handshake.opening == Opening::ClientHello
            && handshake.both_clients.is_none()
            && handshake.records.application_data == 0
            && evidence.seconds_to_end(handshake.last.ts).max(repeated_s(row)) >= STUCK_S
            && !keyed.contains(row.flow.as_str())
            // ICE may have moved the handshake to another pair of the session.
            && evidence
                .ice_of(&row.flow)
                .is_none_or(|session| session.pairs.iter().all(|pair| !keyed.contains(pair.flow.as_str())))
    };
    let rows = evidence.snapshot.handshakes.iter().filter(is_stuck);
    rows.filter_map(|row| {
        let last = row.handshake.flights.last()?;
        // The end of DTLS 1.3 is encrypted: behind the client's last flight it may be complete with nothing more to say.
        let may_be_whole = Some(last.from) == row.handshake.client
            && last.messages.iter().any(|message| message.kind == MessageKind::Encrypted);
        if may_be_whole {
            return None;
        }
        let (sender, silent) = (side(row, last.from), side(row, last.from.opposite()));
        let times = match last.retransmissions {
            0 => String::new(),
            more => format!(", sent {} times", more + 1),
        };
        let summary = format!(
            "{}: the handshake stopped behind {} of {sender}{times}; {silent} gave no answer to it for {}",
            row.flow,
            words(last),
            span(evidence.seconds_to_end(last.first.ts))
        );
        let frames = row.handshake.flights.iter().map(|flight| flight.first.frame);
        let repeated = last.retransmission_frames.iter().copied();
        Some(STUCK.finding(summary).with_frames(frames.chain(repeated)).about(&row.flow))
    })
    .collect()
}

/// How long the last flight was sent again and again.
fn repeated_s(row: &HandshakeRow) -> f64 {
    let last = row.handshake.flights.last().filter(|flight| flight.retransmissions > 0);
    last.map_or(0.0, |flight| row.handshake.last.ts.millis_since(flight.first.ts) / 1000.0)
}

/// `ClientHello`, `ServerHello to ServerHelloDone`.
fn words(flight: &Flight) -> String {
    match (flight.messages.first(), flight.messages.last()) {
        (Some(first), Some(last)) if first.kind != last.kind => format!("{} to {}", first.kind, last.kind),
        (Some(first), _) => first.kind.to_string(),
        _ => "a flight".to_owned(),
    }
}

fn not_started(evidence: &Evidence<'_>) -> Vec<Finding> {
    let idle = |session: &IceSession<'_>| {
        let nominated = || session.pairs.iter().filter(|row| row.pair.status == PairStatus::Nominated);
        let since = nominated().filter_map(|row| row.pair.nominated_ts).min()?;
        // Agents move on to better pairs: the one that was kept is the one that was answered last.
        let (answered, row) =
            nominated().filter_map(|row| Some((row.pair.last_answer?.1, row))).max_by_key(|(ts, _)| *ts)?;
        // Still in use long behind the nomination, and not given up at once.
        let waited = answered.millis_since(since) / 1000.0;
        let is_idle = waited >= IDLE_S && !evidence.carries(session, |class| class != Class::Stun);
        let summary = format!(
            "{} ⇄ {}: nominated in frame {}, and in {} nothing but checks came",
            row.local,
            row.remote,
            row.pair.nominated_frame?,
            span(waited)
        );
        let finding = NOT_STARTED.finding(summary).with_frames(row.pair.nominated_frame).about(&row.flow);
        let severity = if expects_handshake(evidence, &row.flow) { Severity::Error } else { finding.severity };
        is_idle.then_some(Finding { severity, ..finding })
    };
    evidence.ice().iter().filter_map(idle).collect()
}

/// True where offer and answer agreed on DTLS for what would flow here.
fn expects_handshake(evidence: &Evidence<'_>, flow: &str) -> bool {
    let mut sessions =
        evidence.snapshot.sessions.iter().filter(|session| session.call.flows.iter().any(|id| id == flow));
    sessions.any(|session| {
        let mut accepted = session.call.media.iter().filter(|row| row.agreed.accepted).peekable();
        accepted.peek().is_some() && accepted.all(|row| row.agreed.security == Security::Dtls)
    })
}

fn certificate_dates(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &evidence.snapshot.handshakes {
        for seen in row.handshake.certificates.iter().filter(|seen| seen.position == 0) {
            let now = seen.at.ts.seconds();
            let words = match (seen.info.not_before, seen.info.not_after) {
                (_, Some(after)) if now > after => format!("ended {} before", span((now - after) as f64)),
                (Some(before), _) if now < before => format!("begins {} later", span((before - now) as f64)),
                _ => continue,
            };
            let summary = format!("{}: the certificate of {} {words}", row.flow, side(row, seen.from));
            // Where keys of SRTP are agreed on, the fingerprint counts and no date.
            let matters = row.handshake.state == State::Alert && row.handshake.offer.srtp_profiles.is_empty();
            let severity = if matters { Severity::Error } else { Severity::Info };
            let finding = CERTIFICATE_DATES.finding(summary).with_frames([seen.at.frame]).about(&row.flow);
            findings.push(Finding { severity, ..finding });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, check, stun};
    use super::super::tests::codes;
    use crate::model::finding::Severity;
    use crate::proto::dtls::vectors::{AIORTC_1_2, CHROMIUM_1_3, hex};
    use crate::proto::stun::{Class, Method};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    /// Within the dates of the certificates of the vectors.
    const THEN: i64 = 1_795_000_000_000;

    fn codes_without_dates(stage: &mut Stage) -> Vec<&'static str> {
        codes(stage).into_iter().filter(|code| *code != "DTLS_CERTIFICATE_EXPIRED").collect()
    }

    #[test]
    fn a_client_hello_without_an_answer_is_stuck_once_its_timers_are_over() {
        let mut stage = Stage::new();
        stage.udp(THEN, A, B, &hex(AIORTC_1_2[0]));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(THEN + 5000, A, "10.0.0.9:9", b"later");
        let findings = stage.snapshot().findings;
        assert_eq!(findings[0].code, "DTLS_STUCK");
        assert!(findings[0].summary.contains("behind ClientHello of 10.0.0.1:5000; 10.0.0.2:6000 gave no answer"));
    }

    #[test]
    fn a_handshake_that_stops_midway_names_the_flight() {
        let mut stage = Stage::new();
        stage.udp(THEN, A, B, &hex(AIORTC_1_2[0])).udp(THEN + 1, B, A, &hex(AIORTC_1_2[1]));
        stage.udp(THEN + 5000, A, "10.0.0.9:9", b"later");
        let findings = stage.snapshot().findings;
        let stuck = findings.iter().find(|finding| finding.code == "DTLS_STUCK").unwrap();
        assert!(stuck.summary.contains("of 10.0.0.2:6000; 10.0.0.1:5000 gave no answer"), "{}", stuck.summary);
        assert_eq!(stuck.frames.len(), 2);
    }

    #[test]
    fn a_handshake_of_dtls_1_3_that_nobody_answers_is_stuck_too() {
        let stuck = |datagrams: usize| {
            let mut stage = Stage::new();
            for (at, datagram) in CHROMIUM_1_3.iter().enumerate().take(datagrams) {
                let (from, to) = if matches!(at, 2 | 3 | 5) { (B, A) } else { (A, B) };
                stage.udp(THEN + at as i64, from, to, &hex(datagram));
            }
            stage.udp(THEN + 5000, A, "10.0.0.9:9", b"later");
            let findings = stage.snapshot().findings;
            findings.into_iter().find(|finding| finding.code == "DTLS_STUCK").map(|finding| finding.summary)
        };
        assert!(stuck(2).unwrap().contains("behind ClientHello of 10.0.0.1:5000; 10.0.0.2:6000 gave no answer"));
        for datagrams in [3, 4] {
            let summary = stuck(datagrams).unwrap();
            assert!(summary.contains("of 10.0.0.2:6000; 10.0.0.1:5000 gave no answer"), "{summary}");
        }
        assert_eq!(stuck(6), None);
    }

    #[test]
    fn a_certificate_before_its_dates_is_a_note() {
        let findings = Stage::new().handshake(0, A, B).snapshot().findings;
        let finding = findings.iter().find(|finding| finding.code == "DTLS_CERTIFICATE_EXPIRED").unwrap();
        assert_eq!(finding.severity, Severity::Info);
        assert!(finding.summary.contains("begins") && finding.frames.len() == 1, "{}", finding.summary);
    }

    /// A call over SIP between two with ICE, by DTLS or without, whose nominated pair stays idle.
    fn idle_call(profile: &str, more: &str) -> Severity {
        let sdp = |host: &str, port: u16, own: &str, setup: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n\
                 a=ice-ufrag:{own}\r\na=ice-pwd:0123456789012345678901\r\na=setup:{setup}\r\n{more}"
            )
        };
        let mut stage = Stage::new();
        let (offer, answer) = (sdp("10.0.0.1", 5000, "here", "actpass"), sdp("10.0.0.2", 6000, "there", "passive"));
        stage.agree(THEN, 1, ("10.0.0.1:5060", "10.0.0.2:5060"), &offer, &answer);
        let answer = |id| stun(Class::SuccessResponse, Method::BINDING, id, &[]);
        for (at, id) in [(20, 1), (5000, 2), (11_000, 3)] {
            stage.udp(THEN + at, A, B, &check(id, id == 1)).udp(THEN + at + 1, B, A, &answer(id));
        }
        let findings = stage.snapshot().findings;
        findings.iter().find(|finding| finding.code == "DTLS_NOT_STARTED").unwrap().severity
    }

    #[test]
    fn a_path_without_a_handshake_is_an_error_where_one_was_agreed_on() {
        let fingerprint = "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\n";
        assert_eq!(idle_call("UDP/TLS/RTP/SAVP", fingerprint), Severity::Error);
        assert_eq!(idle_call("RTP/AVP", ""), Severity::Warning);
    }

    #[test]
    fn a_certificate_that_no_description_announced_is_an_error() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 6000 UDP/TLS/RTP/SAVP 0\r\n\
                   a=setup:actpass\r\na=fingerprint:sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:\
                   00:00:00:00:00:00:00:00:00\r\n";
        let invite = format!(
            "INVITE sip:a@a SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1\r\nFrom: <sip:b@b>;tag=1\r\n\
             To: <sip:a@a>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        let mut stage = Stage::new();
        stage.udp(THEN, "10.0.0.2:5060", "10.0.0.1:5060", invite.as_bytes()).handshake(THEN + 20, A, B);
        let findings = stage.snapshot().findings;
        let finding = findings.iter().find(|finding| finding.code == "DTLS_FINGERPRINT_MISMATCH").unwrap();
        assert_eq!(finding.severity, Severity::Error);
        assert!(!finding.frames.is_empty() && finding.summary.contains("10.0.0.2:6000 sent"), "{}", finding.summary);
    }

    #[test]
    fn a_whole_handshake_is_not_stuck() {
        let mut stage = Stage::new();
        stage.handshake(THEN, A, B).udp(THEN + 60_000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes_without_dates(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn two_client_hellos_are_a_clash_of_roles() {
        let mut stage = Stage::new();
        stage.udp(THEN, A, B, &hex(AIORTC_1_2[0])).udp(THEN + 1, B, A, &hex(AIORTC_1_2[0]));
        stage.udp(THEN + 9000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut stage), ["DTLS_ROLE_CLASH"]);
    }

    #[test]
    fn a_pair_that_was_given_up_for_a_better_one_hides_nothing() {
        let mut stage = Stage::new();
        let answer = |id| stun(Class::SuccessResponse, Method::BINDING, id, &[]);
        stage.udp(THEN, A, B, &check(1, true)).udp(THEN + 1, B, A, &answer(1));
        stage.udp(THEN + 20, A, "10.0.0.2:6002", &check(2, true)).udp(THEN + 21, "10.0.0.2:6002", A, &answer(2));
        for second in 1..=11_u8 {
            let at = THEN + i64::from(second) * 1000;
            stage.udp(at, A, "10.0.0.2:6002", &check(2 + second, false));
            stage.udp(at + 1, "10.0.0.2:6002", A, &answer(2 + second));
        }
        let findings = stage.snapshot().findings;
        assert_eq!(findings[0].code, "DTLS_NOT_STARTED");
        assert!(findings[0].summary.starts_with("10.0.0.1:5000 ⇄ 10.0.0.2:6002"), "{}", findings[0].summary);
    }

    #[test]
    fn a_nominated_pair_on_which_nothing_follows_is_told_while_it_is_kept() {
        let mut stage = Stage::new();
        let answer = |id| stun(Class::SuccessResponse, Method::BINDING, id, &[]);
        stage.udp(THEN, A, B, &check(1, true)).udp(THEN + 1, B, A, &answer(1));
        stage.udp(THEN + 5000, A, B, &check(2, false)).udp(THEN + 5001, B, A, &answer(2));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(THEN + 11_000, A, B, &check(3, false)).udp(THEN + 11_001, B, A, &answer(3));
        assert_eq!(codes(&mut stage), ["DTLS_NOT_STARTED"]);
        assert_eq!(codes_without_dates(stage.handshake(THEN + 12_000, A, B)), [] as [&str; 0]);
    }
}
