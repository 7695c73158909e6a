//! Reports whose own arithmetic is impossible.

use super::super::finding::{Finding, Severity};
use super::{Evidence, Rule};

pub(super) static RULE: Rule = Rule {
    code: "RTCP_NEGATIVE_RTT",
    severity: Severity::Info,
    title: "RTCP reports give a round trip below zero",
    explanation: "The reporter claims to have held the report longer than the capture saw between SR and report.",
    advice: "The reporter's delay since last SR is wrong; do not trust its round trips.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let rows = evidence.snapshot.rtcp.iter().filter(|row| !row.sender.negative_rtts.is_empty());
    rows.map(|row| {
        let summary = format!("{}: reports of {} give a round trip below zero", row.flow, row.sender.ssrc);
        RULE.finding(summary).with_frames(row.sender.negative_rtts.iter().copied()).about(&row.flow)
    })
    .collect()
}
