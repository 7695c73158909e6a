//! Datagrams larger than the path takes at once: IP cut them into fragments (RFC 791; RFC 8200, section 4.5).

use super::super::finding::{Finding, Severity};
use super::{Evidence, Rule};

/// Datagrams without all of their fragments below which the end of the capture may have cut one off.
const ENOUGH: u64 = 3;

pub(super) static RULE: Rule = Rule {
    code: "IP_FRAGMENTS_MISSING",
    severity: Severity::Warning,
    title: "Fragments of IP datagrams do not come",
    explanation: "Datagrams larger than the path takes at once are cut into fragments, and of some of them not all came: the whole \
        datagram is lost. Firewalls and NATs often drop fragments, and filters by port do not capture them. INVITEs with long \
        descriptions and handshakes with certificates are the large ones.",
    advice: "Keep datagrams below the path MTU: SIP over TCP, smaller certificates (ECDSA), a smaller DTLS MTU. Look also \
        whether the capture's filter left the fragments out.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let fragments = &evidence.snapshot.capture.fragments;
    let missing = fragments.expired + fragments.held;
    let summary = format!(
        "{missing} datagrams lack fragments; {} others were put together from {} fragments",
        fragments.reassembled, fragments.fragments
    );
    // Of other traffic it is not for this report to tell.
    let has_rtc = evidence.snapshot.packets.iter().any(|(class, number)| class.is_rtc() && number > 0);
    if missing >= ENOUGH && has_rtc { vec![RULE.finding(summary)] } else { Vec::new() }
}
