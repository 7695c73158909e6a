//! What the input itself lacks: files that cannot be read, damage, drops, and what was left out for a bound's sake.
//!
//! In: what the source and the merge counted. Out: findings with those counts. Never: a word about the traffic.

use super::super::finding::{Finding, Severity};
use super::evidence::count;
use super::{Evidence, Rule, capture};

/// Inputs that could not be read and are named, of many.
pub(super) const MAX_REFUSED: usize = 16;

pub(super) static REFUSED: Rule = Rule {
    code: "CAPTURE_REFUSED",
    severity: Severity::Warning,
    title: "An input cannot be read",
    explanation: "The input could not be read at all. The report is of the others alone.",
    advice: "Look whether the name is right, whether the file may be read, and whether it is a capture.",
    find: refused,
};

pub(super) static DAMAGED: Rule = Rule {
    code: "CAPTURE_DAMAGED",
    severity: Severity::Warning,
    title: "A capture file is cut off or damaged",
    explanation: "The file is cut off or damaged there. Everything that could be read before and behind it was.",
    advice: "Copy the capture again, or stop the capture program before copying its file.",
    find: damaged,
};

pub(super) static DROPPED: Rule = Rule {
    code: "CAPTURE_DROPPED_PACKETS",
    severity: Severity::Warning,
    title: "The capturing machine dropped packets",
    explanation: "What the capture lost looks like loss of the network in every figure below.",
    advice: "Do not trust loss figures of this capture; capture with a filter or a larger buffer.",
    find: dropped,
};

pub(super) static LIMIT: Rule = Rule {
    code: "LIMIT_REACHED",
    severity: Severity::Warning,
    title: "More than is kept at once",
    explanation: "There was more of it than is kept at once. It is counted by class, and missing in the lists.",
    advice: "Analyze a part of the capture: with a filter, or a window of time.",
    find: limit,
};

pub(super) static DUPLICATES: Rule = Rule {
    code: "CAPTURE_DUPLICATES",
    severity: Severity::Info,
    title: "The capture has packets several times",
    explanation: "A mirror port or an any-interface capture shows one packet several times on its way.",
    advice: "Nothing to mend. --keep-duplicates counts them all.",
    find: duplicates,
};

fn refused(evidence: &Evidence<'_>) -> Vec<Finding> {
    let inputs = &evidence.snapshot.capture.facts.refused;
    let mut findings: Vec<Finding> =
        inputs.iter().take(MAX_REFUSED).map(|input| REFUSED.finding(input.clone())).collect();
    if inputs.len() > MAX_REFUSED {
        let summary = format!("{} more inputs could not be read", inputs.len() - MAX_REFUSED);
        findings.push(REFUSED.finding(summary));
    }
    findings
}

fn damaged(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &evidence.snapshot.capture.facts.files {
        let places = file.damage.iter();
        findings.extend(places.map(|damage| DAMAGED.finding(damage.text.clone()).with_frames(damage.frame)));
        let more = file.damaged_places.saturating_sub(file.damage.len() as u64);
        if more > 0 {
            findings.push(DAMAGED.finding(format!(
                "{}: {more} more damaged places; {} bytes passed over in all",
                file.name, file.skipped_bytes
            )));
        }
    }
    findings
}

fn dropped(evidence: &Evidence<'_>) -> Vec<Finding> {
    let dropped = evidence.snapshot.capture.facts.dropped_by_capture.filter(|dropped| *dropped > 0);
    dropped
        .map(|dropped| DROPPED.finding(format!("the capturing machine dropped {dropped} packets")))
        .into_iter()
        .collect()
}

fn limit(evidence: &Evidence<'_>) -> Vec<Finding> {
    let snapshot = evidence.snapshot;
    let of_allocations = snapshot.allocations.iter().map(|row| row.allocation.not_kept).sum::<u64>();
    let limits: Vec<String> = snapshot
        .capture
        .limits
        .iter()
        .map(|(what, count)| (*count, what.replace('_', " ")))
        .chain(Some((of_allocations, "channels and permissions of allocations not kept".to_owned())))
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if limits.is_empty() { Vec::new() } else { vec![LIMIT.finding(limits.join(", "))] }
}

fn duplicates(evidence: &Evidence<'_>) -> Vec<Finding> {
    let removed = evidence.snapshot.capture.duplicates_removed;
    if removed == 0 {
        return Vec::new();
    }
    let summary = format!(
        "{} that the capture made; each was counted once",
        count(removed, "packet is a copy", "packets are copies")
    );
    let advice = if capture::two_places(evidence.snapshot).is_some() {
        "Not every packet has one: see CAPTURE_TWO_PLACES. --keep-duplicates counts them all."
    } else {
        DUPLICATES.advice
    };
    vec![Finding { advice, ..DUPLICATES.finding(summary) }]
}
