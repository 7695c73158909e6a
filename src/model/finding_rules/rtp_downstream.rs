//! Loss behind the capture point: what the receiver reports to be missing, less what is missing here already.
//!
//! The receiver's count of lost packets (RFC 3550, section 6.4.1) has all that got lost on its way. What is missing in the
//! capture got lost before; the rest behind. Duplicates make the receiver's count smaller, so this is never too much.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{ReportPoint, RtcpRow, StreamRow};
use super::evidence::{count, is_media, way};
use super::rtp_loss::{BROKEN_PCT, ENOUGH_EXPECTED, ENOUGH_LOST, LOSS_PCT};
use super::{Evidence, Rule};
use std::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    code: "RTP_LOSS_DOWNSTREAM",
    severity: Severity::Error,
    title: "RTP packets are lost behind the capture point",
    explanation: "The receiver's RTCP reports say that more packets are missing there than are missing here: they passed the \
        place of the capture and got lost behind it, or came too late for the receiver.",
    advice: "Capture nearer to the receiver, until its reports and the capture agree: the loss happens before that place.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut by_source: BTreeMap<u32, Vec<&StreamRow>> = BTreeMap::new();
    for row in evidence.snapshot.streams.iter().filter(|row| is_media(row)) {
        by_source.entry(row.ssrc).or_default().push(row);
    }
    let mut findings = Vec::new();
    for row in &evidence.snapshot.rtcp {
        let mut by_subject: BTreeMap<u32, Vec<&ReportPoint>> = BTreeMap::new();
        for point in &row.sender.reports {
            by_subject.entry(point.about.0).or_default().push(point);
        }
        for (about, points) in by_subject {
            let streams = by_source.get(&about).map_or(&[][..], Vec::as_slice);
            if let Some(stream) = reported_on(row, streams) {
                findings.extend(judged(stream, &points));
            }
        }
    }
    findings
}

/// The one stream that goes from whom the reports go to, to whom they come from.
fn reported_on<'a>(row: &RtcpRow, streams: &[&'a StreamRow]) -> Option<&'a StreamRow> {
    let mut fitting =
        streams.iter().filter(|stream| stream.src.addr == row.dst.addr && stream.dst.addr == row.src.addr);
    fitting.next().copied().filter(|_| fitting.next().is_none())
}

fn judged(stream: &StreamRow, points: &[&ReportPoint]) -> Option<Finding> {
    let last = points.last()?;
    // A receiver that was there before the capture has lost packets before it, too: its first report says how many. Where
    // the stream began in the capture, nothing was lost before.
    let sum = &stream.figures.sequence;
    let first = points.first().filter(|first| first.extended_highest != last.extended_highest)?;
    let grew = |from: u32| u64::from(last.extended_highest.wrapping_sub(from) & 0x7fff_ffff);
    let expected = grew(first.extended_highest);
    let lost = u64::try_from(i64::from(last.cumulative_lost) - i64::from(first.cumulative_lost)).ok()?;
    let behind = lost.saturating_sub(sum.lost);
    let percent = 100.0 * behind as f64 / expected.max(1) as f64;
    // A restart of the numbers makes counts of both sides of no use to each other.
    let is_comparable = sum.segments == 1 && expected >= ENOUGH_EXPECTED && expected <= sum.expected.saturating_mul(2);
    if !is_comparable || behind < ENOUGH_LOST || percent < LOSS_PCT {
        return None;
    }
    let severity = if percent >= BROKEN_PCT { Severity::Error } else { Severity::Warning };
    let before = match sum.lost {
        0 => "none is missing here".to_owned(),
        here => format!("{} missing here already", count(here, "is", "are")),
    };
    let summary = format!(
        "{}: the receiver misses {lost} of {expected} packets, and {before}: {behind} are lost behind the capture point \
         ({percent:.1} %)",
        way(stream.src, stream.dst)
    );
    let grown = points.windows(2).filter_map(|two| match two {
        [one, next] if next.cumulative_lost > one.cumulative_lost => Some(next.frame),
        _ => None,
    });
    Some(Finding { severity, ..RULE.finding(summary).with_frames(grown).about(&stream.id) })
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;
    use super::*;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// A receiver report of B about A's stream.
    fn report(highest: u32, lost: u32) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 7];
        bytes.extend((lost & 0x00ff_ffff).to_be_bytes());
        bytes.extend(highest.to_be_bytes());
        bytes.extend([0; 12]);
        bytes
    }

    /// Ten seconds of which every `here`th packet is missing, and the reports of a receiver that misses so many.
    fn call(here: u16, there: u32) -> Stage {
        let mut stage = Stage::new();
        for seq in 0..500_u16 {
            if seq % here != here / 2 {
                stage.udp(i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
            }
            if seq % 100 == 99 {
                let lost = there * u32::from(seq / 100) / 4;
                stage.udp(i64::from(seq) * 20 + 1, "10.0.0.2:6001", "10.0.0.1:5001", &report(u32::from(seq), lost));
            }
        }
        stage
    }

    #[test]
    fn what_the_receiver_misses_and_the_capture_has_is_lost_behind_it() {
        let findings = call(1000, 16).snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("RTP_LOSS_DOWNSTREAM", Severity::Error));
        assert!(findings[0].summary.contains("misses 16 of 400 packets, and none is missing here: 16 are lost behind"));
        assert_eq!(findings[0].frames.len(), 4);
    }

    #[test]
    fn what_is_missing_here_too_is_not_lost_behind() {
        assert!(!codes(&mut call(50, 10)).contains(&"RTP_LOSS_DOWNSTREAM"));
    }
}
