//! Media that is marked for its class on one part of its way, or in one direction, and not on the other (RFC 2474).

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{StreamKind, StreamRow};
use super::evidence::{count, is_media, way};
use super::{Evidence, Rule};
use crate::net::Transport;
use std::collections::BTreeMap;

/// Packets of a stream below which it says nothing of how a sender marks.
const ENOUGH: u64 = 50;

pub(super) static RULE: Rule = Rule {
    code: "RTP_DSCP_DIFFERS",
    severity: Severity::Info,
    title: "Media is not marked alike everywhere",
    explanation: "The differentiated services code point gives media its place in queues (RFC 8837: EF for audio, AF41 or AF42 for \
        video). Here it changes in the midst of a stream, is lost at a relay, or only one direction has it: the other waits \
        behind everything else where the link is full.",
    advice: "Look at who clears it: many providers and access points do, and relays that pass payloads on need not copy it. Senders \
        need to be told to mark (Windows: a policy; browsers: the priority of an encoding).",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    changed(evidence).into_iter().chain(lost_at_relay(evidence)).chain(one_way(evidence)).collect()
}

/// On TCP all streams of a connection share what its segments have.
fn streams<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a StreamRow> {
    let rows = evidence.snapshot.streams.iter();
    rows.filter(|row| is_media(row) && row.figures.packets >= ENOUGH && row.transport == Transport::Udp)
}

fn changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let case = |row: &StreamRow| {
        let changes = &row.figures.marking.changes;
        let first = changes.first()?;
        let more = match changes.len() {
            1 => String::new(),
            more => format!(", and it changes {}", count(more as u64 - 1, "more time", "more times")),
        };
        let summary = format!(
            "{}: marked {} until frame {}, and {} from there on{more}",
            way(row.src, row.dst),
            name(first.from),
            first.frame,
            name(first.to)
        );
        let frames = [row.figures.first_frame].into_iter().chain(changes.iter().map(|change| change.frame));
        Some(RULE.finding(summary).with_frames(frames).about(&row.id))
    };
    streams(evidence).filter_map(case).collect()
}

/// The same source comes to a host and goes on from it.
fn lost_at_relay(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut by_source: BTreeMap<u32, Vec<&StreamRow>> = BTreeMap::new();
    for row in streams(evidence) {
        by_source.entry(row.ssrc).or_default().push(row);
    }
    let mut findings = Vec::new();
    for rows in by_source.values() {
        for before in rows.iter().filter(|row| row.figures.marking.only().is_some_and(|marked| marked > 0)) {
            let span = |row: &StreamRow| (row.figures.first_ts, row.figures.last_ts);
            let next = rows.iter().find(|after| {
                let is_meanwhile = span(after).0 < span(before).1 && span(before).0 < span(after).1;
                after.src.addr == before.dst.addr && after.dst.addr != before.src.addr && is_meanwhile
            });
            let Some(after) = next.filter(|after| after.figures.marking.only() == Some(0)) else { continue };
            let marked = name(before.figures.marking.first);
            let summary =
                format!("{} is marked {marked} to {}, and {} from there on is not", before.id, before.dst, after.id);
            let frames = [before.figures.first_frame, after.figures.first_frame];
            findings.push(RULE.finding(summary).with_frames(frames).about(&after.id));
        }
    }
    findings
}

/// One case for each flow and kind of media.
fn one_way(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut flows: BTreeMap<(&str, &str), Vec<&StreamRow>> = BTreeMap::new();
    for row in streams(evidence) {
        if let Some(kind) = row.kind.filter(|kind| matches!(kind, StreamKind::Audio | StreamKind::Video)) {
            flows.entry((&row.flow, kind.name())).or_default().push(row);
        }
    }
    let mut findings: Vec<Finding> = flows.iter().filter_map(|((_, kind), rows)| unlike(kind, rows)).collect();
    findings.sort_by_key(|finding| finding.frames.first().copied());
    findings
}

/// Where one direction is marked and the other is not.
fn unlike(kind: &str, rows: &[&StreamRow]) -> Option<Finding> {
    let first = rows.first()?;
    let back = rows.iter().find(|row| row.src == first.dst)?;
    // Streams of one direction that differ among themselves are marked by intent.
    let of = |direction: &StreamRow| {
        let mut own = rows.iter().filter(|row| row.src == direction.src).map(|row| row.figures.marking.only());
        let marked = own.next()??;
        own.all(|other| other == Some(marked)).then_some(marked)
    };
    let (marked, plain, code_point) = match (of(first)?, of(back)?) {
        (0, 0) => return None,
        (code_point, 0) => (first, back, code_point),
        (0, code_point) => (back, first, code_point),
        _ => return None,
    };
    let path = way(marked.src, marked.dst);
    let summary = format!("{path}: {kind} is marked {}, and not marked in the other direction", name(code_point));
    let frames = [marked.figures.first_frame, plain.figures.first_frame];
    Some(RULE.finding(summary).with_frames(frames).about(&marked.flow))
}

/// As RFC 4594 names it.
fn name(code_point: u8) -> String {
    match code_point {
        0 => "best effort (0)".to_owned(),
        46 => "EF (46)".to_owned(),
        44 => "voice admit (44)".to_owned(),
        1 => "lower effort (1)".to_owned(),
        8 | 16 | 24 | 32 | 40 | 48 | 56 => format!("CS{} ({code_point})", code_point / 8),
        10..=38 if code_point.is_multiple_of(2) => format!("AF{}{} ({code_point})", code_point / 8, code_point % 8 / 2),
        _ => code_point.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::name;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];
    const C: [u8; 4] = [10, 0, 0, 3];

    /// Ten seconds of speech with a code point by second.
    fn send(stage: &mut Stage, from: [u8; 4], to: [u8; 4], ssrc: u32, code_point: impl Fn(u16) -> u8) {
        for seq in 0..500_u16 {
            let payload = rtp(0, ssrc, seq, u32::from(seq) * 160);
            let len = 28 + payload.len() as u16;
            let mut ip = vec![0x45, code_point(seq / 50) << 2];
            ip.extend(len.to_be_bytes());
            ip.extend(seq.to_be_bytes());
            ip.extend([0, 0, 64, 17, 0, 0]);
            ip.extend(from);
            ip.extend(to);
            ip.extend([5000_u16.to_be_bytes(), 5000_u16.to_be_bytes(), (len - 20).to_be_bytes(), [0, 0]].concat());
            ip.extend(payload);
            stage.ip(0, i64::from(seq) * 20, &ip);
        }
    }

    fn summaries(stage: &mut Stage) -> Vec<String> {
        let findings = stage.snapshot().findings;
        findings.into_iter().filter(|own| own.code == "RTP_DSCP_DIFFERS").map(|own| own.summary).collect()
    }

    #[test]
    fn one_direction_without_its_mark_is_told_and_both_alike_are_not() {
        let mut stage = Stage::new();
        send(&mut stage, A, B, 7, |_| 46);
        send(&mut stage, B, A, 8, |_| 46);
        assert_eq!(summaries(&mut stage), [] as [&str; 0]);
        let mut stage = Stage::new();
        send(&mut stage, A, B, 7, |_| 46);
        send(&mut stage, B, A, 8, |_| 0);
        let told = "10.0.0.1:5000 → 10.0.0.2:5000: audio is marked EF (46), and not marked in the other direction";
        assert_eq!(summaries(&mut stage), [told]);
    }

    #[test]
    fn a_mark_that_changes_is_told() {
        let mut stage = Stage::new();
        send(&mut stage, A, B, 7, |second| if second < 5 { 46 } else { 0 });
        let summaries = summaries(&mut stage);
        assert!(
            summaries[0].contains("marked EF (46) until frame 251, and best effort (0) from there on"),
            "{summaries:?}"
        );
    }

    #[test]
    fn a_mark_that_is_lost_at_a_host_on_the_way_is_told() {
        let mut stage = Stage::new();
        send(&mut stage, A, B, 7, |_| 46);
        send(&mut stage, B, C, 7, |_| 0);
        assert!(summaries(&mut stage)[0].contains("r1 is marked EF (46) to 10.0.0.2:5000"));
    }

    #[test]
    fn code_points_have_their_names() {
        assert_eq!([34, 36, 46, 8, 3].map(name), ["AF41 (34)", "AF42 (36)", "EF (46)", "CS1 (8)", "3"]);
    }
}
