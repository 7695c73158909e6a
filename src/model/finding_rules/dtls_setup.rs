//! A handshake whose roles are not those that offer and answer agreed on (RFC 8842, section 5).

use super::super::dtls::State;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::{HandshakeRow, SetupCheck};
use super::{Evidence, Rule};

pub(super) static RULE: Rule = Rule {
    code: "DTLS_SETUP_MISMATCH",
    severity: Severity::Warning,
    title: "The DTLS roles are not those of a=setup",
    explanation: "The descriptions say which side is active and sends the ClientHello; here the other side sent it. A side that \
        keeps to its role does not answer, and each may wait for the other. A note where the handshake was completed all \
        the same.",
    advice: "Look at a=setup of the answer (active or passive, never actpass), at what rewrites descriptions on the way, and at \
        an answer to a later offer that changed roles while the association was kept.",
    find: |evidence| evidence.snapshot.handshakes.iter().filter_map(|row| case(evidence, row)).collect(),
};

fn case(evidence: &Evidence<'_>, row: &HandshakeRow) -> Option<Finding> {
    if row.sdp_setup != SetupCheck::Mismatch {
        return None;
    }
    let hello = row.handshake.client_hello?;
    let is_complete = row.handshake.state == State::Complete;
    let (severity, end) = match is_complete {
        true => (Severity::Info, "and the handshake was completed"),
        false => (RULE.severity, "and the handshake was not completed"),
    };
    let summary = format!(
        "{}: {} sent the ClientHello, though a=setup gives that to {}, {end}",
        row.flow, row.client, row.server
    );
    let sessions = evidence.snapshot.sessions.iter().filter(|session| session.call.handshakes.contains(&row.id));
    let described = sessions.flat_map(|session| &session.descriptions);
    let told = described.filter(|described| described.frame.is_some_and(|frame| frame < hello.frame));
    let told: Vec<_> = told.filter_map(|described| described.frame).collect();
    // Of many rounds the last one counts.
    let last = told[told.len().saturating_sub(2)..].iter().copied();
    Some(Finding { severity, ..RULE.finding(summary).with_frames(last.chain([hello.frame])).about(&row.flow) })
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Severity;
    use super::super::super::stage::Stage;
    use crate::proto::dtls::vectors::{AIORTC_1_2, hex};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    /// Within the dates of the certificates of the vectors.
    const THEN: i64 = 1_795_000_000_000;

    /// A call over SIP in which A answers to be the server or the client.
    fn call(answer: &str) -> Stage {
        let sdp = |host: &str, port: u16, setup: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} UDP/TLS/RTP/SAVP 0\r\n\
                 a=setup:{setup}\r\na=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\n"
            )
        };
        let mut stage = Stage::new();
        let (offer, answer) = (sdp("10.0.0.2", 6000, "actpass"), sdp("10.0.0.1", 5000, answer));
        stage.agree(THEN, 1, ("10.0.0.2:5060", "10.0.0.1:5060"), &offer, &answer);
        stage
    }

    #[test]
    fn the_passive_side_that_begins_is_told_and_the_active_one_is_not() {
        let of = |answer: &str| {
            let mut stage = call(answer);
            stage.udp(THEN + 20, A, B, &hex(AIORTC_1_2[0])).udp(THEN + 9000, A, "10.0.0.9:9", b"later");
            stage.snapshot().findings.into_iter().find(|finding| finding.code == "DTLS_SETUP_MISMATCH")
        };
        let finding = of("passive").unwrap();
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(finding.summary.contains("10.0.0.1:5000 sent the ClientHello"), "{}", finding.summary);
        assert_eq!(of("active"), None);
    }

    #[test]
    fn a_handshake_that_was_completed_all_the_same_is_a_note() {
        let findings = call("passive").handshake(THEN + 20, A, B).snapshot().findings;
        let finding = findings.iter().find(|finding| finding.code == "DTLS_SETUP_MISMATCH").unwrap();
        assert_eq!(finding.severity, Severity::Info);
    }
}
