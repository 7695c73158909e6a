//! A picture that stands still though no packet of it is missing.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{StreamKind, StreamRow};
use super::evidence::{is_media, session_of, span, way};
use super::{Evidence, Rule};
use crate::time::Timestamp;

/// Milliseconds without a packet that a viewer takes for a frozen picture.
const FROZEN_MS: f64 = 1000.0;
/// Packets of a stream, and the mean milliseconds between them, that make it one that sends all the time.
const PACKETS: u64 = 100;
const STEADY_MS: f64 = 100.0;
/// The part of a gap that the timestamps behind it went on by, below which what came then had waited.
const HELD_UP: f64 = 0.5;
/// Milliseconds around a gap in which signalling explains it.
const ABOUT_MS: f64 = 1000.0;

pub(super) static RULE: Rule = Rule {
    code: "RTP_FREEZE",
    severity: Severity::Warning,
    title: "A picture freezes, and no packet is missing",
    explanation: "Nothing came of a picture for a second or more, and the sequence numbers behind it go on without a gap. \
        Where the timestamps went on by less than the time that passed, the picture was made and held up on its way, or the \
        sender's clock stood still. Where they went on with the time, the sender had nothing to send: a note, since a \
        camera that was switched off for a moment does the same.",
    advice: "Held up: look at queues, wireless links and pauses of the sending machine at that moment, and whether other streams \
        of the same sender stopped too. Nothing sent: look at the camera, the processor and the application at the sender.",
    find: |evidence| evidence.snapshot.streams.iter().filter_map(|row| case(evidence, row)).collect(),
};

fn is_picture(row: &StreamRow) -> bool {
    is_media(row) && row.kind == Some(StreamKind::Video)
}

fn case(evidence: &Evidence<'_>, row: &StreamRow) -> Option<Finding> {
    let delta = row.figures.delta.filter(|delta| delta.max >= FROZEN_MS && delta.mean <= STEADY_MS)?;
    let notes = &row.figures.notes;
    let is_behind_loss = notes.losses.iter().chain(&notes.longest_loss).any(|place| place.after == delta.max_frame);
    let is_new_run = row.figures.sequence.segments > 1;
    let jumps = evidence.snapshot.capture.clock_steps.count > 0;
    if !is_picture(row) || row.figures.packets < PACKETS || is_behind_loss || is_new_run || jumps {
        return None;
    }
    let gap = gap(row)?;
    if has_layers(evidence, row, gap) || was_said(evidence, row, gap) {
        return None;
    }
    let went_on = row.figures.timing.clock.rate.map(|rate| f64::from(delta.max_ticks) * 1000.0 / f64::from(rate));
    let held_up = went_on.filter(|went_on| (0.0..delta.max * HELD_UP).contains(went_on));
    let (severity, words) = match held_up {
        Some(went_on) => (RULE.severity, format!("its timestamps went on by {} only", span(went_on / 1000.0))),
        None => (Severity::Info, "its sender sent nothing".to_owned()),
    };
    let summary = format!(
        "{}: nothing came for {} before frame {}, no packet is missing, and {words}",
        way(row.src, row.dst),
        span(delta.max / 1000.0),
        delta.max_frame
    );
    Some(Finding { severity, ..RULE.finding(summary).with_frames([delta.max_before, delta.max_frame]).about(&row.id) })
}

/// The longest time without a packet.
fn gap(row: &StreamRow) -> Option<(Timestamp, Timestamp)> {
    let delta = row.figures.delta?;
    Some((delta.max_since, delta.max_since.plus_nanos((delta.max * 1e6) as i64)))
}

/// True where the same sender went on with other pictures: one layer was paused, and not the sender.
fn has_layers(evidence: &Evidence<'_>, row: &StreamRow, (from, to): (Timestamp, Timestamp)) -> bool {
    evidence.streams(&row.flow).iter().any(|other| {
        let is_other = is_picture(other) && other.src == row.src && other.id != row.id;
        let is_meanwhile = other.figures.first_ts < to && other.figures.last_ts > from;
        let is_frozen_too = gap(other).is_some_and(|(other_from, other_to)| other_from < to && other_to > from);
        is_other && is_meanwhile && !is_frozen_too
    })
}

/// True where a description came around the gap: a hold, a track that was taken away and came again.
fn was_said(evidence: &Evidence<'_>, row: &StreamRow, (from, to): (Timestamp, Timestamp)) -> bool {
    session_of(evidence, &row.flow).is_some_and(|session| {
        let mut described = session.descriptions.iter().filter_map(|described| described.ts);
        // An RTSP client pauses and goes on without a description.
        session.signal.is_declared()
            || described.any(|ts| ts.millis_since(from) > -ABOUT_MS && ts.millis_since(to) < ABOUT_MS)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Severity;
    use super::super::super::stage::{Stage, rtp};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// H.263 at 25 packets a second, from whose middle on packets come so much later, with timestamps that go on by so many
    /// seconds more.
    fn freeze(later: i64, more: u32, lost: u16) -> Option<Severity> {
        let mut stage = Stage::new();
        for seq in 0..500_u16 {
            let is_behind = seq >= 250;
            let number = if is_behind { seq + lost } else { seq };
            let at = i64::from(seq) * 40 + if is_behind { later } else { 0 };
            let rtp_ts = u32::from(seq) * 3600 + if is_behind { more * 90_000 } else { 0 };
            stage.udp(at, A, B, &rtp(34, 7, number, rtp_ts));
        }
        let findings = stage.snapshot().findings;
        findings.iter().find(|finding| finding.code == "RTP_FREEZE").map(|finding| finding.severity)
    }

    #[test]
    fn a_gap_without_loss_is_told_by_what_the_timestamps_say_of_it() {
        assert_eq!(freeze(3000, 0, 0), Some(Severity::Warning));
        assert_eq!(freeze(3000, 3, 0), Some(Severity::Info));
        assert_eq!(freeze(900, 0, 0), None);
        assert_eq!(freeze(3000, 3, 75), None, "that is an outage");
    }
}
