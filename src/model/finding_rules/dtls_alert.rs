//! A handshake that an alert ended.

use super::super::dtls::State;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::HandshakeRow;
use super::{Evidence, Rule, dtls};

pub(super) static RULE: Rule = Rule {
    code: "DTLS_ALERT",
    severity: Severity::Error,
    title: "An alert ended the DTLS handshake",
    explanation: "Without the handshake nothing can be said on this five-tuple: no allocation where it is TURN over DTLS, no \
        data channel where it is one, no media where its SRTP keys were to come from here.",
    advice: "Look at versions, cipher suites and certificates that both sides accept, and at the log of who sent the \
        alert. TURN over DTLS: the client has to trust the server's certificate and find its name in it. Media: compare the \
        certificate with a=fingerprint of the SDP, and the roles with a=setup.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &evidence.snapshot.handshakes {
        let Some(alert) = row.handshake.ending_alert().filter(|_| !dtls::is_explained(row)) else { continue };
        let name = alert.alert.map_or_else(|| "an encrypted alert".to_owned(), |alert| alert.to_string());
        let summary = format!("{}: the DTLS handshake ended with {name}", row.flow);
        let finding = RULE.finding(summary).with_frames([alert.at.frame]).about(&row.flow);
        let is_media = !row.handshake.offer.srtp_profiles.is_empty();
        let finding = if is_media { of_media(finding) } else { finding };
        let severity = if was_tried_again(evidence, row) { Severity::Warning } else { finding.severity };
        findings.push(Finding { severity, ..finding });
    }
    findings
}

/// True where the same client reached the same server by a later handshake.
fn was_tried_again(evidence: &Evidence<'_>, row: &HandshakeRow) -> bool {
    let mut others = evidence.snapshot.handshakes.iter();
    others.any(|other| {
        other.handshake.state == State::Complete
            && (other.client.addr, other.server) == (row.client.addr, row.server)
            && other.handshake.first.frame > row.handshake.first.frame
    })
}

/// The client offered SRTP: what the handshake was for is known.
fn of_media(finding: Finding) -> Finding {
    Finding {
        explanation: "Without the handshake there are no SRTP keys, and no media.",
        advice: "Compare the certificate's fingerprint with a=fingerprint of the SDP, and the roles with a=setup.",
        ..finding
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::Stage;
    use crate::packet::FrameNo;
    use crate::proto::dtls::vectors::{COTURN_ALERT, hex};

    #[test]
    fn an_alert_without_srtp_in_the_offer_speaks_of_turn_too() {
        let mut stage = Stage::new();
        for (at, datagram) in COTURN_ALERT.iter().enumerate() {
            let (from, to) =
                if at % 2 == 0 { ("10.0.0.1:5000", "10.0.0.2:5349") } else { ("10.0.0.2:5349", "10.0.0.1:5000") };
            stage.udp(at as i64, from, to, &hex(datagram));
        }
        let findings = stage.snapshot().findings;
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.code, finding.frames.as_slice()), ("DTLS_ALERT", &[FrameNo(4)][..]));
        assert!(finding.explanation.contains("TURN over DTLS") && finding.advice.contains("TURN over DTLS"));
    }
}
