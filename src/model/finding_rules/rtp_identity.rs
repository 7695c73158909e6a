//! Streams that change who they are: new numbers, another SSRC, another address, one SSRC for two senders.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::StreamRow;
use super::evidence::{is_media, way};
use super::{Evidence, Rule};
use crate::net::Endpoint;
use std::collections::BTreeMap;

/// Packets of a stream below which it is no part of a call that goes on.
const ENOUGH: u64 = 50;
/// Seconds between the end of one and the beginning of the other that still make it one.
const HANDOVER_S: f64 = 2.0;

pub(super) static RESTARTED: Rule = Rule {
    code: "RTP_SEQUENCE_JUMP",
    severity: Severity::Info,
    title: "Sequence numbers begin anew",
    explanation: "The numbers jumped by more than loss or reordering explain, and went on from there: the sender began anew with \
        the same SSRC. Loss is counted on each side of the jump and not across it.",
    advice: "Mostly harmless: another source was switched in. With SRTP a jump back may make the receiver refuse all that follows.",
    find: restarted,
};

pub(super) static CHANGED: Rule = Rule {
    code: "RTP_SSRC_CHANGED",
    severity: Severity::Info,
    title: "A sender changed its SSRC",
    explanation: "One stream ends and another with the same payload type begins at once between the same addresses: the sender, or \
        something in between, was switched.",
    advice: "Transfer, music on hold and forking do this. Receivers that expect one SSRC only fall silent here.",
    find: changed,
};

pub(super) static SHARED: Rule = Rule {
    code: "RTP_SSRC_SHARED",
    severity: Severity::Info,
    title: "Both sides send with the same SSRC",
    explanation: "An SSRC names one sender. Here packets go both ways with the same one: something sends back what it gets (an echo \
        test or a loop), or two senders chose the same (RFC 3550, section 8.2).",
    advice: "An echo test wants it so. Else look for a loop; RTCP reports cannot tell the two apart.",
    find: shared,
};

pub(super) static MOVED: Rule = Rule {
    code: "RTP_SOURCE_MOVED",
    severity: Severity::Info,
    title: "A stream comes from another address",
    explanation: "The stream goes on with the same SSRC from another address or port to the same receiver, without ICE: a NAT gave \
        the sender another port, or the sender changed its network.",
    advice: "Receivers that only take the first address fall silent here. Send often enough that the NAT does not forget.",
    find: moved,
};

fn media<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a StreamRow> {
    evidence.snapshot.streams.iter().filter(|row| is_media(row) && row.figures.packets >= ENOUGH)
}

fn restarted(evidence: &Evidence<'_>) -> Vec<Finding> {
    media(evidence)
        .filter(|row| row.figures.sequence.segments > 1)
        .map(|row| {
            let jumps = row.figures.sequence.segments - 1;
            let times = if jumps == 1 { "once".to_owned() } else { format!("{jumps} times") };
            let summary = format!("{}: the sequence numbers jumped {times}", way(row.src, row.dst));
            RESTARTED.finding(summary).with_frames(row.figures.notes.restarts.clone()).about(&row.id)
        })
        .collect()
}

/// Streams one behind the other that have something in common, in order of time.
fn handovers<'a, K: Ord>(
    rows: impl Iterator<Item = &'a StreamRow>,
    common: impl Fn(&'a StreamRow) -> K,
) -> Vec<(&'a StreamRow, &'a StreamRow)> {
    let mut groups: BTreeMap<K, Vec<&StreamRow>> = BTreeMap::new();
    for row in rows {
        groups.entry(common(row)).or_default().push(row);
    }
    let mut found = Vec::new();
    for mut rows in groups.into_values() {
        rows.sort_by_key(|row| row.figures.first_frame);
        for two in rows.windows(2) {
            let [before, after] = two else { continue };
            let gap = after.figures.first_ts.millis_since(before.figures.last_ts) / 1000.0;
            if (0.0..=HANDOVER_S).contains(&gap) {
                found.push((*before, *after));
            }
        }
    }
    found
}

fn changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let common = |row: &'_ StreamRow| (row.src, row.dst, row.via, row.figures.payload_types.first().copied());
    handovers(media(evidence), common)
        .into_iter()
        .filter(|(before, after)| before.ssrc != after.ssrc && before.flow == after.flow)
        .map(|(before, after)| {
            let summary = format!("{}: {} ends and {} goes on", way(before.src, before.dst), before.id, after.id);
            let frames = [before.figures.last_frame, after.figures.first_frame];
            CHANGED.finding(summary).with_frames(frames).about(&after.id)
        })
        .collect()
}

fn shared(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut forward: BTreeMap<(&str, u32), &StreamRow> = BTreeMap::new();
    let mut findings = Vec::new();
    for row in media(evidence) {
        match forward.get(&(row.flow.as_str(), row.ssrc)) {
            Some(other) if other.src == row.dst => {
                let summary = format!("{} ⇄ {}: {} and {} have one SSRC", other.src, other.dst, other.id, row.id);
                let frames = [other.figures.first_frame, row.figures.first_frame];
                findings.push(SHARED.finding(summary).with_frames(frames).about(&row.flow));
            }
            Some(_) => {}
            None => {
                forward.insert((&row.flow, row.ssrc), row);
            }
        }
    }
    findings
}

fn moved(evidence: &Evidence<'_>) -> Vec<Finding> {
    let without_ice = media(evidence).filter(|row| evidence.ice_of(&row.flow).is_none() && row.peer.is_none());
    let common = |row: &'_ StreamRow| -> (u32, Endpoint, _) { (row.ssrc, row.dst, row.via) };
    handovers(without_ice, common)
        .into_iter()
        .filter(|(before, after)| before.src != after.src)
        .map(|(before, after)| {
            let summary = format!("{} → {}: {} goes on from {}", before.src, before.dst, before.id, after.src);
            let frames = [before.figures.last_frame, after.figures.first_frame];
            MOVED.finding(summary).with_frames(frames).about(&after.id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;
    use super::*;

    const A: &str = "10.0.0.1:5000";
    const A2: &str = "10.0.0.1:5002";
    const B: &str = "10.0.0.2:6000";

    fn send(stage: &mut Stage, at: i64, from: &str, to: &str, ssrc: u32, first: u16) {
        (0..100_u16).for_each(|n| {
            let bytes = rtp(0, ssrc, first + n, u32::from(first + n) * 160);
            stage.udp(at + i64::from(n) * 20, from, to, &bytes);
        });
    }

    #[test]
    fn each_change_of_identity_is_told_with_the_frames_around_it() {
        for (from, to, ssrc, first, code) in [
            (A, B, 7, 20_000, "RTP_SEQUENCE_JUMP"),
            (A, B, 8, 0, "RTP_SSRC_CHANGED"),
            (A2, B, 7, 100, "RTP_SOURCE_MOVED"),
            (B, A, 7, 0, "RTP_SSRC_SHARED"),
        ] {
            let mut stage = Stage::new();
            send(&mut stage, 0, A, B, 7, 0);
            send(&mut stage, 2000, from, to, ssrc, first);
            let findings = stage.snapshot().findings;
            let found: Vec<_> = findings.iter().filter(|finding| finding.code.starts_with("RTP_S")).collect();
            assert_eq!(found.len(), 1, "{findings:?}");
            assert_eq!((found[0].code, found[0].severity), (code, Severity::Info));
            assert_eq!(found[0].frames.last().map(|frame| frame.0), Some(101), "{code}");
        }
    }

    #[test]
    fn two_streams_side_by_side_are_no_change() {
        let mut stage = Stage::new();
        (0..100_u16).for_each(|n| {
            stage.udp(i64::from(n) * 20, A, B, &rtp(0, 7, n, u32::from(n) * 160));
            stage.udp(i64::from(n) * 20, A2, B, &rtp(0, 8, n, u32::from(n) * 160));
        });
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }
}
