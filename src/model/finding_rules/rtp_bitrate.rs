//! A stream that goes on with a small part of its bitrate.
//!
//! Cameras that are covered, static screens and silence need few bits too: without a sign of trouble on the path it is a
//! note, and where another layer of the same picture goes on nothing.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{Lull, StreamKind, StreamRow};
use super::evidence::{is_media, session_of, span, was_said, way};
use super::{Evidence, Rule};
use crate::packet::FrameNo;

/// Seconds that a collapse has to last: shorter ones are those of a picture that stands still, or of probing.
const LASTED_S: f64 = 5.0;
/// Usual bits per second below which there is nothing to collapse from: the lowest layer of a simulcast has this much.
const ENOUGH_BPS: u64 = 150_000;
/// Packets lost around it that show trouble on the path.
const ENOUGH_LOST: u64 = 5;
/// Loss in a receiver's report, in 1/256, from which on senders cut their rate: 10 % (draft-ietf-rmcat-gcc-02, section 6).
const CUT: u8 = 26;
/// Milliseconds before it in which a report counts.
const BEFORE_MS: f64 = 5000.0;

pub(super) static RULE: Rule = Rule {
    code: "RTP_BITRATE_COLLAPSE",
    severity: Severity::Warning,
    title: "The bitrate of a picture collapses",
    explanation: "For at least five seconds a stream had less than a quarter of the bitrate that it had before (the median of all \
        its seconds), and went on to send: the picture is coarse, or moves by jerks. With packets lost at that time the \
        sender's congestion control has cut it; without a sign of that it is a note, since a picture in which nothing moves \
        needs few bits too.",
    advice: "Look at loss and delay on the path at that time, at REMB and transport-wide feedback where they are in the clear, and \
        at what else shares the link. Without loss: at the sender's processor, and at what was to be seen.",
    find: |evidence| evidence.snapshot.streams.iter().filter_map(|row| case(evidence, row)).collect(),
};

fn case(evidence: &Evidence<'_>, row: &StreamRow) -> Option<Finding> {
    let lull = row.figures.lull.filter(|lull| lull.seconds() >= LASTED_S && lull.usual_bps >= ENOUGH_BPS)?;
    // An audio codec with silence suppression does it all the time.
    let is_picture = is_media(row) && row.kind == Some(StreamKind::Video);
    let jumps = evidence.snapshot.capture.clock_steps.count > 0;
    let is_by_word = session_of(evidence, &row.flow).is_some_and(|session| was_said(session, lull.span.0));
    if !is_picture || jumps || is_by_word || has_layers(evidence, row, &lull) {
        return None;
    }
    let reported = reported(evidence, row, &lull);
    let signs = match (lull.lost >= ENOUGH_LOST, reported.first()) {
        (true, _) => format!(", with {} packets lost around it", lull.lost),
        (false, Some((_, percent))) => format!(", and the receiver reported {percent:.0} % of loss"),
        (false, None) => String::new(),
    };
    let summary = format!(
        "{}: {} kbit/s for {} instead of {} or more{signs}",
        way(row.src, row.dst),
        lull.bps / 1000,
        span(lull.seconds()),
        lull.usual_bps / 1000
    );
    let frames = lull.frames.into_iter().chain(reported.iter().map(|(frame, _)| *frame));
    let severity = if signs.is_empty() { Severity::Info } else { RULE.severity };
    Some(Finding { severity, ..RULE.finding(summary).with_frames(frames).about(&row.id) })
}

/// True where the same sender sent other pictures at that time: a layer was given up for another.
fn has_layers(evidence: &Evidence<'_>, row: &StreamRow, lull: &Lull) -> bool {
    evidence.streams(&row.flow).iter().any(|other| {
        let is_picture = is_media(other) && other.kind == Some(StreamKind::Video) && other.src == row.src;
        let is_meanwhile = other.figures.first_ts < lull.span.1 && other.figures.last_ts > lull.span.0;
        other.id != row.id && is_picture && is_meanwhile
    })
}

/// Reports of much loss around that time, with the percentage.
fn reported(evidence: &Evidence<'_>, row: &StreamRow, lull: &Lull) -> Vec<(FrameNo, f64)> {
    let reporters = evidence.snapshot.rtcp.iter().filter(|other| other.src.addr == row.dst.addr);
    let points = reporters.flat_map(|reporter| &reporter.sender.reports).filter(|point| {
        let is_about = point.about.0 == row.ssrc && point.fraction_lost >= CUT;
        is_about && point.ts.millis_since(lull.span.0) > -BEFORE_MS && point.ts <= lull.span.1
    });
    points.map(|point| (point.frame, f64::from(point.fraction_lost) * 100.0 / 256.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Severity;
    use super::super::super::stage::Stage;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// Forty seconds of H.263 at 25 packets a second, with so many bytes in each second; `is_lost` by sequence number.
    fn told(bytes: impl Fn(u16) -> usize, is_lost: impl Fn(u16) -> bool) -> Option<Severity> {
        let mut stage = Stage::new();
        for seq in (0..1000_u16).filter(|seq| !is_lost(*seq)) {
            let mut packet = vec![0x80, 34];
            packet.extend(seq.to_be_bytes());
            packet.extend((u32::from(seq) * 3600).to_be_bytes());
            packet.extend([0, 0, 0, 7]);
            packet.resize(12 + bytes(seq / 25) / 25, 0);
            stage.udp(i64::from(seq) * 40, A, B, &packet);
        }
        let findings = stage.snapshot().findings;
        findings.iter().find(|finding| finding.code == "RTP_BITRATE_COLLAPSE").map(|finding| finding.severity)
    }

    fn collapsing(second: u16) -> usize {
        if (20..30).contains(&second) { 2_500 } else { 30_000 }
    }

    #[test]
    fn a_collapse_without_loss_is_a_note_and_with_loss_a_warning() {
        assert_eq!(told(collapsing, |_| false), Some(Severity::Info));
        assert_eq!(told(collapsing, |seq| (480..488).contains(&seq)), Some(Severity::Warning));
    }

    #[test]
    fn a_third_is_no_collapse_and_neither_are_a_few_seconds() {
        assert_eq!(told(|second| if second < 20 { 30_000 } else { 12_000 }, |_| false), None);
        assert_eq!(told(|second| if (20..24).contains(&second) { 2_500 } else { 30_000 }, |_| false), None);
    }
}
