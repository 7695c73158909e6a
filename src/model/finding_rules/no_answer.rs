//! STUN and TURN servers that do not answer.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{Outcome, TransactionRow};
use super::evidence::span;
use super::{Evidence, Rule};
use crate::net::Endpoint;
use crate::proto::stun::Method;
use std::collections::{BTreeMap, BTreeSet};

/// Requests of one transaction below which a server that is silent may only be slow, or a packet lost: with an RTO of
/// 500 ms (RFC 8489, section 6.2.1) the third is sent after 1.5 s.
const REQUESTS: u32 = 3;
/// Seconds that an answer is waited for from the first request on; longer than any round trip.
const PATIENCE_S: f64 = 3.0;

const ONE_SIDED: &str = "; the capture has nothing at all towards it, so its direction may be missing";

pub(super) static TURN: Rule = Rule {
    code: "TURN_NO_ANSWER",
    severity: Severity::Error,
    title: "The TURN server does not answer",
    explanation: "The client asked for an allocation again and again and heard nothing: the address or port is wrong, the server \
        is down, or something on the way lets no packet pass. Media that needs the relay cannot flow.",
    advice: "Look whether the server listens on this address, port and transport, and whether a firewall lets UDP and TCP 3478 \
        and TLS 5349 or 443 pass in both directions. Offer TURN over TCP and TLS too.",
    find: turn,
};

pub(super) static STUN: Rule = Rule {
    code: "STUN_NO_ANSWER",
    severity: Severity::Warning,
    title: "The STUN server does not answer",
    explanation: "No Binding request to this server was answered. Clients learn their public address from it; without it only \
        hosts of one network, or those with a relay, find each other. Clients wait for it, so calls begin later.",
    advice: "Look whether the server listens on this address and port, and whether a firewall lets UDP 3478 pass.",
    find: stun,
};

fn turn(evidence: &Evidence<'_>) -> Vec<Finding> {
    let is_unanswered =
        |row: &&TransactionRow| row.transaction.method == Method::ALLOCATE && is_given_up(evidence, row);
    let rows = evidence.snapshot.transactions.iter().filter(is_unanswered);
    // An attempt by one socket is one case, however often it was made.
    let mut flows: BTreeSet<&str> = BTreeSet::new();
    // Another relay that the client got then or later.
    let served = |row: &TransactionRow| {
        let mut allocations = evidence.snapshot.allocations.iter();
        allocations.any(|known| {
            known.client.addr == row.src.addr
                && known.allocation.created_ts.is_some_and(|created| created >= row.transaction.first_ts)
        })
    };
    rows.filter(|row| flows.insert(&row.flow))
        .map(|row| {
            let finding = case(evidence, &TURN, row, &[row]);
            Finding { severity: if served(row) { Severity::Warning } else { finding.severity }, ..finding }
        })
        .collect()
}

fn stun(evidence: &Evidence<'_>) -> Vec<Finding> {
    let checked: BTreeSet<&str> = evidence.snapshot.pairs.iter().map(|row| row.flow.as_str()).collect();
    let mut servers: BTreeMap<Endpoint, Vec<&TransactionRow>> = BTreeMap::new();
    for row in &evidence.snapshot.transactions {
        let is_request = row.transaction.method == Method::BINDING && row.outcome != Outcome::Indication;
        if is_request && !checked.contains(row.flow.as_str()) {
            servers.entry(row.dst).or_default().push(row);
        }
    }
    let mut findings = Vec::new();
    for rows in servers.into_values() {
        // Anything from there, be it TURN, shows that the server lives.
        let answers = rows.iter().any(|row| has_answer(evidence, row));
        let given_up = rows.iter().find(|row| is_given_up(evidence, row));
        if let Some(first) = given_up.filter(|_| !answers) {
            findings.push(case(evidence, &STUN, first, &rows));
        }
    }
    findings
}

fn has_answer(evidence: &Evidence<'_>, row: &TransactionRow) -> bool {
    let is_heard = evidence.flow(&row.flow).is_none_or(|flow| flow.first_backward.is_some());
    is_heard || matches!(row.outcome, Outcome::Success | Outcome::Error)
}

fn is_given_up(evidence: &Evidence<'_>, row: &TransactionRow) -> bool {
    matches!(row.outcome, Outcome::Open | Outcome::Timeout)
        && row.transaction.request_count >= REQUESTS
        && evidence.seconds_to_end(row.transaction.first_ts) >= PATIENCE_S
}

fn case(evidence: &Evidence<'_>, rule: &Rule, first: &TransactionRow, rows: &[&TransactionRow]) -> Finding {
    let requests: u64 = rows.iter().map(|row| u64::from(row.transaction.request_count)).sum();
    let transaction = &first.transaction;
    let tried = transaction.last_request_ts.millis_since(transaction.first_ts) / 1000.0;
    // A capture of one direction has no answer from anybody.
    let is_deaf = !evidence.hears(first.src.addr) && sends_media(evidence, first);
    let deaf = if is_deaf { ONE_SIDED } else { "" };
    let summary = format!(
        "{} has no answer from {} to {requests} {} requests, the first of them repeated for {}{deaf}",
        first.src,
        first.dst,
        transaction.method_name(),
        span(tried),
    );
    let frames = rows.iter().map(|row| row.transaction.first_frame);
    let finding = rule.finding(summary).with_frames(frames).about(&first.flow);
    Finding { severity: if is_deaf { Severity::Warning } else { finding.severity }, ..finding }
}

fn sends_media(evidence: &Evidence<'_>, row: &TransactionRow) -> bool {
    evidence.snapshot.streams.iter().any(|stream| stream.src.addr == row.src.addr)
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, stun};
    use super::super::tests::codes;
    use super::*;
    use crate::proto::stun::{Class, Method};

    const CLIENT: &str = "10.0.0.1:5000";
    const SERVER: &str = "10.0.0.2:3478";

    /// Requests at 0, 0.5, 1.5 and 3.5 s.
    fn asks(method: Method) -> Stage {
        let mut stage = Stage::new();
        for at in [0, 500, 1500, 3500] {
            stage.udp(at, CLIENT, SERVER, &stun(Class::Request, method, 1, &[]));
        }
        stage
    }

    #[test]
    fn a_turn_server_that_is_silent_is_an_error_and_a_stun_server_a_warning() {
        let findings = asks(Method::ALLOCATE).snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("TURN_NO_ANSWER", Severity::Error));
        assert_eq!(
            findings[0].summary,
            "10.0.0.1:5000 has no answer from 10.0.0.2:3478 to 4 allocate requests, the first of them repeated for 3.5 s"
        );
        assert_eq!(codes(&mut asks(Method::BINDING)), ["STUN_NO_ANSWER"]);
    }

    #[test]
    fn a_server_that_answers_late_or_another_socket_is_not_silent() {
        let answer = stun(Class::SuccessResponse, Method::BINDING, 1, &[]);
        let mut late = asks(Method::BINDING);
        late.udp(3600, SERVER, CLIENT, &answer);
        assert_eq!(codes(&mut late), [] as [&str; 0]);
        let mut other = asks(Method::BINDING);
        other.udp(3600, "10.0.0.1:5001", SERVER, &stun(Class::Request, Method::BINDING, 1, &[]));
        other.udp(3601, SERVER, "10.0.0.1:5001", &answer);
        assert_eq!(codes(&mut other), [] as [&str; 0]);
    }

    #[test]
    fn two_requests_and_the_end_of_the_capture_prove_nothing() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &stun(Class::Request, Method::ALLOCATE, 1, &[]));
        stage.udp(500, CLIENT, SERVER, &stun(Class::Request, Method::ALLOCATE, 1, &[]));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }
}
