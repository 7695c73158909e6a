//! RTP packets that did not come: singly, in bursts, for a while, or in another order.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{LossPlace, StreamKind, StreamRow};
use super::evidence::{count, is_media, span, way};
use super::{Evidence, Rule};
use std::collections::BTreeMap;

/// Percent of loss from which on a conversation suffers, and from which on it is broken. ITU-T G.1010, table I.1: below 1 %
/// for video calls, below 3 % for speech.
pub(super) const LOSS_PCT: f64 = 1.0;
pub(super) const BROKEN_PCT: f64 = 3.0;
/// Packets expected and lost below which a percentage is chance.
pub(super) const ENOUGH_EXPECTED: u64 = 100;
pub(super) const ENOUGH_LOST: u64 = 5;
/// Seconds of a stream below which its packets were put together by somebody, or are a test tone.
const ENOUGH_S: f64 = 1.0;
/// Seconds without a packet that a listener takes for the end of the call, and packets that are missing for it: a pause
/// of the sender has no missing numbers.
const OUTAGE_S: f64 = 1.0;
const OUTAGE_PACKETS: u16 = 5;
/// Packets lost one behind the other that no concealment bridges: 200 ms of speech at the usual 20 ms.
const BURST: u32 = 10;
/// Percent of packets out of order, and how many, from which on players that drop late packets lose them.
const REORDERED_PCT: f64 = 1.0;
const ENOUGH_REORDERED: u64 = 10;

const NOT_BELIEVED: &str = "; the capturing machine dropped packets too, so this may be its doing";

pub(super) static OUTAGE: Rule = Rule {
    code: "RTP_OUTAGE",
    severity: Severity::Error,
    title: "Media stopped for a while, and what was sent is lost",
    explanation: "For at least a second nothing came, and the sequence numbers behind it show that the sender went on: the path \
        was interrupted before the capture point. Listeners hear silence and see a frozen picture.",
    advice: "Look at what happened on the path at that time: a handover, a link that went down, a route or NAT that changed, a \
        queue that filled up. Whether other traffic of the same hosts stopped too tells how far away it was.",
    find: outage,
};

pub(super) static LOSS: Rule = Rule {
    code: "RTP_LOSS",
    severity: Severity::Error,
    title: "RTP packets are lost before the capture point",
    explanation: "Sequence numbers are missing: the sender sent these packets and they did not reach the place of the capture. \
        From 1 % on video calls suffer, from 3 % on speech does.",
    advice: "Capture nearer to the sender, until the loss is gone: it happens behind that place. Wireless links, full uplinks and \
        policed rates are the usual reasons.",
    find: loss,
};

pub(super) static BURST_LOSS: Rule = Rule {
    code: "RTP_BURST_LOSS",
    severity: Severity::Warning,
    title: "Many packets in a row are lost",
    explanation: "Ten or more packets one behind the other are missing: more than forward error correction and concealment make \
        good, also where the loss in percent is small.",
    advice: "Look at queues that overflow and at wireless links; bursts are rarely random noise.",
    find: burst_loss,
};

pub(super) static REORDERED: Rule = Rule {
    code: "RTP_REORDERED",
    severity: Severity::Warning,
    title: "RTP packets come in another order",
    explanation: "Packets overtake each other on the way. Players with a small buffer drop those that come late.",
    advice: "Look at links used in parallel, per-packet load sharing, and queues by size or class that split the stream.",
    find: reordered,
};

/// A sender whose packets also take another way, which no sequence number tells apart from loss: a tunnel that they went
/// into, another path.
fn has_other_ways(evidence: &Evidence<'_>, row: &StreamRow) -> bool {
    let mut others = evidence.streams_of_ssrc(row.ssrc).iter().filter(|other| other.id != row.id);
    others.any(|other| {
        let is_meanwhile = other.figures.first_ts < row.figures.last_ts && other.figures.last_ts > row.figures.first_ts;
        (other.src, other.dst) == (row.src, row.dst) && is_meanwhile
    })
}

/// Media streams with so many packets, over so long, that percentages mean something. Telephone events alone are what
/// somebody kept of a stream.
fn streams<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a StreamRow> {
    evidence.snapshot.streams.iter().filter(|row| {
        let lasted = row.figures.last_ts.millis_since(row.figures.first_ts) / 1000.0;
        is_media(row)
            && row.kind != Some(StreamKind::Event)
            && row.figures.sequence.expected >= ENOUGH_EXPECTED
            && lasted >= ENOUGH_S
            && !has_other_ways(evidence, row)
    })
}

fn doubt(evidence: &Evidence<'_>) -> &'static str {
    let dropped = evidence.snapshot.capture.facts.dropped_by_capture.unwrap_or(0);
    if dropped > 0 { NOT_BELIEVED } else { "" }
}

/// An error, or a warning where the capture itself lost packets.
fn believed(evidence: &Evidence<'_>, severity: Severity) -> Severity {
    if doubt(evidence).is_empty() { severity } else { severity.max(Severity::Warning) }
}

/// The longest time for which nothing came though it was sent.
pub(super) fn outage_of(row: &StreamRow) -> Option<&LossPlace> {
    let place = row.figures.notes.longest_loss.as_ref()?;
    (place.nanos as f64 >= OUTAGE_S * 1e9 && place.missing >= OUTAGE_PACKETS).then_some(place)
}

fn outage(evidence: &Evidence<'_>) -> Vec<Finding> {
    // The streams of one direction of a path stop together.
    let mut by_path: BTreeMap<(&str, _), Vec<(&StreamRow, &LossPlace)>> = BTreeMap::new();
    for row in evidence.snapshot.streams.iter().filter(|row| is_media(row)) {
        if let Some(place) = outage_of(row).filter(|_| !has_other_ways(evidence, row)) {
            by_path.entry((&row.flow, row.src)).or_default().push((row, place));
        }
    }
    let case = |rows: Vec<(&StreamRow, &LossPlace)>| {
        let (row, longest) = rows.iter().max_by_key(|(_, place)| place.nanos)?;
        let lost: Vec<String> = rows.iter().map(|(row, place)| format!("{} {}", row.id, place.missing)).collect();
        let summary = format!(
            "{}: nothing came for {} before frame {}; lost: {}{}",
            way(row.src, row.dst),
            span(longest.nanos as f64 / 1e9),
            longest.after,
            lost.join(", "),
            doubt(evidence)
        );
        let frames = rows.iter().flat_map(|(_, place)| [place.before, place.after]);
        let finding = OUTAGE.finding(summary).with_frames(frames).about(&row.id);
        Some(Finding { severity: believed(evidence, finding.severity), ..finding })
    };
    by_path.into_values().filter_map(case).collect()
}

fn loss(evidence: &Evidence<'_>) -> Vec<Finding> {
    streams(evidence)
        .filter_map(|row| {
            let sum = &row.figures.sequence;
            // One interruption is told as such, and is no rate of loss.
            let outage = outage_of(row).map_or(0, |place| u64::from(place.missing));
            let (lost, expected) = (sum.lost.saturating_sub(outage), sum.expected.saturating_sub(outage));
            let percent = 100.0 * lost as f64 / expected.max(1) as f64;
            if lost < ENOUGH_LOST || percent < LOSS_PCT {
                return None;
            }
            let severity = if percent >= BROKEN_PCT { Severity::Error } else { Severity::Warning };
            let summary = format!(
                "{}: {lost} of {expected} packets are lost ({percent:.1} %){}",
                way(row.src, row.dst),
                doubt(evidence)
            );
            let places = row.figures.notes.losses.iter().filter(|place| place.missing > 0);
            let finding = LOSS.finding(summary).with_frames(places.map(|place| place.after)).about(&row.id);
            Some(Finding { severity: believed(evidence, severity), ..finding })
        })
        .collect()
}

fn burst_loss(evidence: &Evidence<'_>) -> Vec<Finding> {
    streams(evidence)
        .filter_map(|row| {
            let outage = outage_of(row).map(|place| u32::from(place.missing));
            let runs = row.figures.sequence.loss_runs.iter().rev();
            // Of the longest run one may be the interruption that is told already.
            let (length, times) = runs
                .map(|(length, times)| (*length, times - u64::from(outage == Some(*length))))
                .find(|(_, times)| *times > 0)?;
            let summary = format!(
                "{}: {length} packets in a row are lost{}{}",
                way(row.src, row.dst),
                if times > 1 { format!(", {times} times") } else { String::new() },
                doubt(evidence)
            );
            let places = row.figures.notes.losses.iter().chain(&row.figures.notes.longest_loss);
            let places = places.filter(|place| u32::from(place.missing) >= BURST);
            let finding = BURST_LOSS.finding(summary).with_frames(places.map(|place| place.after)).about(&row.id);
            (length >= BURST).then_some(finding)
        })
        .collect()
}

fn reordered(evidence: &Evidence<'_>) -> Vec<Finding> {
    streams(evidence)
        .filter_map(|row| {
            let sum = &row.figures.sequence;
            let percent = 100.0 * sum.reordered as f64 / sum.expected as f64;
            let summary = format!(
                "{}: {} of {} packets came late ({percent:.1} %), by up to {}",
                way(row.src, row.dst),
                sum.reordered,
                sum.expected,
                count(sum.max_reorder_distance, "place", "places")
            );
            let finding = REORDERED.finding(summary).with_frames(row.figures.notes.reordered.clone()).about(&row.id);
            (sum.reordered >= ENOUGH_REORDERED && percent >= REORDERED_PCT).then_some(finding)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::*;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// Ten seconds of 20 ms packets from A to B without these.
    fn without(is_lost: impl Fn(u16) -> bool) -> Vec<Finding> {
        let mut stage = Stage::new();
        (0..500_u16).filter(|seq| !is_lost(*seq)).for_each(|seq| {
            stage.udp(i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
        let findings = stage.snapshot().findings;
        findings.into_iter().filter(|finding| finding.severity != Severity::Info).collect()
    }

    fn told(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
        findings.iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn loss_is_a_warning_from_one_percent_and_an_error_from_three() {
        assert_eq!(told(&without(|seq| seq % 125 == 60)), []);
        assert_eq!(told(&without(|seq| seq % 50 == 25)), [("RTP_LOSS", Severity::Warning)]);
        let findings = without(|seq| seq % 25 == 12);
        assert_eq!(told(&findings), [("RTP_LOSS", Severity::Error)]);
        assert_eq!(findings[0].summary, "10.0.0.1:5000 → 10.0.0.2:6000: 20 of 500 packets are lost (4.0 %)");
        assert_eq!(findings[0].frames[..2], [crate::packet::FrameNo(13), crate::packet::FrameNo(37)]);
    }

    #[test]
    fn an_interruption_is_told_as_such_and_not_as_a_rate_of_loss() {
        let findings = without(|seq| (100..200).contains(&seq));
        assert_eq!(told(&findings), [("RTP_OUTAGE", Severity::Error)]);
        assert!(findings[0].summary.contains("nothing came for 2.0 s before frame 101; lost: r1 100"));
        assert_eq!(findings[0].frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [100, 101]);
    }

    #[test]
    fn a_pause_of_the_sender_is_no_interruption() {
        let mut stage = Stage::new();
        (0..500_u16).for_each(|seq| {
            let at = i64::from(seq) * 20 + if seq < 250 { 0 } else { 9000 };
            stage.udp(at, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
        let findings = stage.snapshot().findings;
        assert!(findings.iter().all(|finding| finding.severity == Severity::Info), "{findings:?}");
    }

    #[test]
    fn a_burst_is_told_where_the_percentage_is_small() {
        let mut stage = Stage::new();
        (0..2000_u16).filter(|seq| !(100..112).contains(seq)).for_each(|seq| {
            stage.udp(i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].frames[0].0), ("RTP_BURST_LOSS", 101));
    }

    #[test]
    fn what_the_capturing_machine_dropped_is_not_blamed_on_the_network() {
        let mut snapshot = {
            let mut stage = Stage::new();
            (0..500_u16).filter(|seq| seq % 10 != 5).for_each(|seq| {
                stage.udp(i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
            });
            stage.snapshot()
        };
        snapshot.capture.facts.dropped_by_capture = Some(50);
        let findings = super::super::all(&snapshot, &[]);
        let loss = findings.iter().find(|finding| finding.code == "RTP_LOSS").unwrap();
        assert!(loss.severity == Severity::Warning && loss.summary.contains("its doing"));
    }

    #[test]
    fn packets_that_overtake_each_other_are_told() {
        let mut stage = Stage::new();
        (0..500_u16).for_each(|at| {
            let seq = if at % 20 == 10 {
                at + 1
            } else if at % 20 == 11 {
                at - 1
            } else {
                at
            };
            stage.udp(i64::from(at) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
        let findings = stage.snapshot().findings;
        let finding = findings.iter().find(|finding| finding.code == "RTP_REORDERED").unwrap();
        assert!(finding.summary.contains("25 of 500 packets came late (5.0 %), by up to 1 place"));
    }
}
