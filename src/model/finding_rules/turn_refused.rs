//! A TURN server that refused.

use super::super::finding::{Finding, Severity};
use super::super::turn::AllocationEnd;
use super::{Evidence, Rule};

pub(super) static ALLOCATION_FAILED: Rule = Rule {
    code: "TURN_ALLOCATION_FAILED",
    severity: Severity::Error,
    title: "The TURN server refused an allocation",
    explanation: "The TURN server refused; media that needs the relay cannot flow.",
    advice: "Look at the code and the server's log. 300: another server is meant. 400, 420: client and server do not \
        understand each other. 440, 443: the address family is not served. 500: the server has a fault.",
    find: allocation_failed,
};

fn allocation_failed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let failed = evidence.snapshot.allocations.iter().filter(|row| row.end == AllocationEnd::Failed);
    // A client that is asked for credentials and never comes back has given up on this socket, as browsers do with
    // sockets that they do not need; nobody refused it anything.
    failed
        .filter_map(|row| {
            let error = row.allocation.errors.iter().rfind(|error| !error.is_challenge())?;
            let summary =
                format!("{} got no allocation from {}: {} {}", row.client, row.server, error.code, error.reason);
            let frames = row.allocation.errors.iter().map(|error| error.frame);
            Some(ALLOCATION_FAILED.finding(summary).with_frames(frames).about(&row.id))
        })
        .collect()
}
