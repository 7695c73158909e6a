//! The capture, the class counts and findings.
//!
//! In: parts of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::{Rounded, Text, ssrc};
use crate::model::snapshot::{
    CaptureSummary, ClassCounts, FileFacts, Finding as FindingState, Forgotten as ForgottenState, Ssrc,
};
use crate::time::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct Capture<'a> {
    files: Vec<File<'a>>,
    packets: u64,
    bytes: u64,
    first_ts: Option<Text<Timestamp>>,
    last_ts: Option<Text<Timestamp>>,
    duration_s: Option<Rounded>,
    dropped_by_capture: Option<u64>,
    filtered_out: u64,
    outside_window: u64,
    filtered_vlan: u64,
    options: Options<'a>,
    duplicates_removed: u64,
    inner_datagrams: u64,
    limits: &'a BTreeMap<&'static str, u64>,
    /// Only there where something has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<Forgotten>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    format: &'a str,
    link_types: &'a [String],
    packets: u64,
    truncated: bool,
    damage: Vec<&'a str>,
    damaged_places: u64,
    skipped_bytes: u64,
}

impl<'a> File<'a> {
    fn of(file: &'a FileFacts) -> Self {
        Self {
            name: &file.name,
            format: &file.format,
            link_types: &file.link_types,
            packets: file.packets,
            truncated: file.truncated,
            damage: file.damage.iter().map(|damage| damage.text.as_str()).collect(),
            damaged_places: file.damaged_places,
            skipped_bytes: file.skipped_bytes,
        }
    }
}

/// What the user limited the report to: nulls and an empty list where it is of everything.
#[derive(Serialize)]
struct Options<'a> {
    filter: Option<&'a str>,
    from_ts: Option<Text<Timestamp>>,
    to_ts: Option<Text<Timestamp>>,
    ssrcs: Vec<Text<Ssrc>>,
}

impl<'a> Options<'a> {
    fn of(capture: &'a CaptureSummary) -> Self {
        let asked = &capture.facts.asked;
        let ssrcs = capture.only_ssrcs.iter().flat_map(|only| &only.wanted);
        Self {
            filter: asked.filter.as_deref(),
            from_ts: asked.from.map(Text),
            to_ts: asked.to.map(Text),
            ssrcs: ssrcs.map(|number| ssrc(*number)).collect(),
        }
    }
}

impl<'a> Capture<'a> {
    pub(super) fn of(capture: &'a CaptureSummary) -> Self {
        Self {
            files: capture.facts.files.iter().map(File::of).collect(),
            packets: capture.packets,
            bytes: capture.bytes,
            first_ts: capture.first_ts.map(Text),
            last_ts: capture.last_ts.map(Text),
            duration_s: capture
                .first_ts
                .zip(capture.last_ts)
                .map(|(first, last)| Rounded(last.millis_since(first) / 1000.0)),
            dropped_by_capture: capture.facts.dropped_by_capture,
            filtered_out: capture.facts.filtered_out,
            outside_window: capture.facts.outside_window,
            filtered_vlan: capture.facts.filtered_vlan,
            options: Options::of(capture),
            duplicates_removed: capture.duplicates_removed,
            inner_datagrams: capture.inner_datagrams,
            limits: &capture.limits,
            forgotten: (!capture.forgotten.is_nothing()).then(|| Forgotten::of(&capture.forgotten)),
        }
    }
}

/// What has left because it had been quiet: of each list how many rows, and what they came to.
#[derive(Serialize)]
struct Forgotten {
    flows: u64,
    rtp_streams: u64,
    sessions: u64,
    turn_allocations: u64,
    dtls: u64,
    ice: u64,
    stun_transactions: u64,
    rtcp: u64,
    signals: u64,
    connections: u64,
    rtp_packets: u64,
    rtp_bytes: u64,
    rtp_lost: u64,
    findings: u64,
    findings_not_listed: u64,
}

impl Forgotten {
    const fn of(known: &ForgottenState) -> Self {
        Self {
            flows: known.flows,
            rtp_streams: known.streams,
            sessions: known.sessions,
            turn_allocations: known.allocations,
            dtls: known.handshakes,
            ice: known.pairs,
            stun_transactions: known.transactions,
            rtcp: known.rtcp_senders,
            signals: known.signals,
            connections: known.connections,
            rtp_packets: known.rtp_packets,
            rtp_bytes: known.rtp_bytes,
            rtp_lost: known.rtp_lost,
            findings: known.findings,
            findings_not_listed: known.findings_not_listed,
        }
    }
}

pub(super) struct Packets<'a>(pub(super) &'a ClassCounts);

impl Serialize for Packets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (class, count) in self.0.iter() {
            map.serialize_entry(class.name(), &count)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    summary: &'a str,
    explanation: &'static str,
    advice: &'static str,
    frames: Vec<u64>,
    filter: Option<String>,
    subject: Option<&'a str>,
}

impl<'a> Finding<'a> {
    pub(super) fn of(finding: &'a FindingState) -> Self {
        Self {
            code: finding.code,
            severity: finding.severity.name(),
            summary: &finding.summary,
            explanation: finding.explanation,
            advice: finding.advice,
            frames: finding.frames.iter().map(|frame| frame.0).collect(),
            filter: finding.display_filter(),
            subject: finding.subject.as_deref(),
        }
    }
}
