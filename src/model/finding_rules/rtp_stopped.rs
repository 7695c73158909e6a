//! Media of one side that ends in the midst of a call, while the call goes on.
//!
//! Of a side all media has to end: of one stream a user may have switched the camera off. A side that is heard no more in
//! any way may have hung up, and what was said of that need not be in the capture.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{SessionState, Signal, StreamRow};
use super::evidence::{is_media, session_of, span, was_said, way};
use super::{Evidence, Rule};
use crate::net::Endpoint;
use crate::time::Timestamp;

/// Packets of a stream, and the seconds that they take, behind which an end is no test tone's.
const PACKETS: u64 = 100;
const LASTED_S: f64 = 3.0;
/// Milliseconds between packets above which a sender is one that pauses by itself, as with silence suppression.
const PAUSE_MS: f64 = 1000.0;
/// Seconds for which the call goes on.
const GOES_ON_S: f64 = 10.0;
/// Seconds around the end in which the same media on another path explains it.
const ABOUT_S: f64 = 3.0;

pub(super) static RULE: Rule = Rule {
    code: "RTP_STOPPED",
    severity: Severity::Warning,
    title: "The media of one side ends in the midst of the call",
    explanation: "All media of a side ended and did not come back, while that side was still there and the other one went on to \
        send. Applications that send nothing while muted do this too: a note where no description in the capture says that \
        the side was still to send.",
    advice: "Ask whether the user muted microphone and camera. Else look at the sender at that moment: a device that went away, \
        an encoder that failed, an application in the background; and at whether the other side still got it (a mirror \
        that lost the direction).",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for flow in &evidence.snapshot.flows {
        for (from, to) in [(flow.a, flow.b), (flow.b, flow.a)] {
            findings.extend(stopped(evidence, &flow.id, from, to));
        }
    }
    findings
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.millis_since(from) / 1000.0
}

fn stopped(evidence: &Evidence<'_>, flow: &str, from: Endpoint, to: Endpoint) -> Option<Finding> {
    let (own, others): (Vec<&StreamRow>, Vec<&StreamRow>) =
        evidence.streams(flow).iter().copied().partition(|row| row.src == from);
    let last = own.iter().copied().max_by_key(|row| row.figures.last_ts)?;
    let end = last.figures.last_ts;
    let goes_on = |ts: Timestamp| seconds(end, ts) >= GOES_ON_S;
    let other = others.iter().copied().filter(|row| is_media(row)).max_by_key(|row| row.figures.last_ts)?;
    if !goes_on(other.figures.last_ts) || evidence.seconds_to_end(end) < GOES_ON_S {
        return None;
    }
    let is_steady = |row: &StreamRow| {
        is_media(row)
            && row.figures.packets >= PACKETS
            && seconds(row.figures.first_ts, row.figures.last_ts) >= LASTED_S
            && row.figures.delta.is_some_and(|delta| delta.max < PAUSE_MS)
    };
    // The other side was there before, and not only an announcement that nobody talks back to.
    let ended = own.iter().copied().filter(|row| is_steady(row) && seconds(row.figures.last_ts, end) < 1.0).count();
    let is_talk = other.figures.first_ts < end;
    let went_elsewhere = evidence.snapshot.streams.iter().any(|row| {
        let is_its = own.iter().any(|own| own.ssrc == row.ssrc) || row.src.addr == from.addr;
        is_its && row.flow != flow && seconds(end, row.figures.last_ts) > -ABOUT_S
    });
    let said_bye = evidence.snapshot.rtcp.iter().any(|row| row.src.addr == from.addr && row.sender.counts.bye > 0);
    let session = session_of(evidence, flow);
    let is_by_word = session.is_some_and(|session| was_said(session, end));
    // Of other signalling the end need not be known for what it is.
    let is_call =
        session.is_some_and(|session| session.signal == Signal::Sip && session.state == SessionState::Established);
    let is_there = is_call || evidence.last_sent(flow, from).is_some_and(goes_on);
    if ended == 0 || !is_talk || went_elsewhere || said_bye || is_by_word || !is_there {
        return None;
    }
    let summary = format!(
        "{}: no media came after frame {}, and the other side sent for {} more",
        way(from, to),
        last.figures.last_frame,
        span(seconds(end, other.figures.last_ts))
    );
    let finding =
        RULE.finding(summary).with_frames([last.figures.last_frame, other.figures.last_frame]).about(&last.id);
    let is_agreed = session.is_some_and(|session| session.answer().is_some());
    Some(Finding { severity: if is_agreed { finding.severity } else { Severity::Info }, ..finding })
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Severity;
    use super::super::super::stage::{Stage, rtp};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// The first round agrees on media both ways, the next one on none.
    fn describe(stage: &mut Stage, at: i64, number: u32) {
        let direction = if number == 1 { "sendrecv" } else { "inactive" };
        let sdp = |host: &str, port: u16| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"
            )
        };
        let ends = ("10.0.0.1:5060", "10.0.0.2:5060");
        stage.agree(at, number, ends, &sdp("10.0.0.1", 5000), &sdp("10.0.0.2", 6000));
    }

    /// A sends for thirty seconds, B for ten. B goes on with RTCP, and there may be signalling at some times.
    fn call(reports: bool, signalling: &[i64]) -> Option<Severity> {
        let mut stage = Stage::new();
        for seq in 0..1500_u16 {
            let at = 100 + i64::from(seq) * 20;
            for (number, when) in (1..).zip(signalling).filter(|(_, when)| **when / 20 == at / 20) {
                describe(&mut stage, *when, number);
            }
            stage.udp(at, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
            if seq < 500 {
                stage.udp(at + 1, B, A, &rtp(0, 8, seq, u32::from(seq) * 160));
            }
            if reports && seq % 250 == 0 {
                stage.udp(at + 2, B, A, &[0x80, 201, 0, 1, 0, 0, 0, 8]);
            }
        }
        let findings = stage.snapshot().findings;
        findings.iter().find(|finding| finding.code == "RTP_STOPPED").map(|finding| finding.severity)
    }

    #[test]
    fn a_side_that_goes_on_without_media_is_a_note_and_against_its_word_a_warning() {
        assert_eq!(call(true, &[]), Some(Severity::Info));
        assert_eq!(call(true, &[100]), Some(Severity::Warning));
        assert_eq!(call(false, &[100]), Some(Severity::Warning), "the call was not ended");
    }

    #[test]
    fn a_side_that_hung_up_or_said_so_is_not_told() {
        assert_eq!(call(false, &[]), None);
        assert_eq!(call(true, &[100, 10_000]), None);
    }
}
