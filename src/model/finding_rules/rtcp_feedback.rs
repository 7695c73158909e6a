//! What RTCP says, and what it does not (RFC 3550, section 6; RFC 4585).

use super::super::class::Class;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::{FeedbackSpan, RtcpRow};
use super::evidence::{UnseenReport, is_media, way};
use super::{Evidence, Rule};
use crate::net::Addr;
use std::collections::BTreeSet;

/// Seconds of media in which RTCP has to come: the largest interval is 5 s, drawn at random up to half as long again, and
/// a receiver may lose one (RFC 3550, section 6.2).
const RTCP_S: f64 = 20.0;
/// Requests for a picture of a receiver that cannot decode: one a second over ten of them. A healthy call has some at its
/// beginning and one for each switch.
const PICTURES: u64 = 10;
const PICTURES_PER_S: f64 = 1.0;
/// Negative acknowledgements of a receiver for which retransmission does not keep up.
const NACKS: u64 = 100;
const NACKS_PER_S: f64 = 10.0;
/// Shortest span over which a rate is taken.
const SPAN_S: f64 = 3.0;

pub(super) static PICTURE_STORM: Rule = Rule {
    code: "RTCP_PLI_STORM",
    severity: Severity::Warning,
    title: "A receiver asks for a new picture again and again",
    explanation: "Picture loss indications or full intra requests go on at one a second or more: the receiver cannot decode what it \
        gets, and each answer is a large picture that makes loss more likely.",
    advice: "Look at loss on the way to this receiver, at whether the sender answers with a key frame at all, and at payload types \
        and codecs that the receiver does not have.",
    find: |evidence| {
        let storm = |row: &RtcpRow| {
            let requests = row.sender.counts.pli + row.sender.counts.fir;
            (requests >= PICTURES, requests, PICTURES_PER_S)
        };
        storms(evidence, &PICTURE_STORM, "asks for a picture", storm, |row| &row.sender.picture_requests)
    },
};

pub(super) static NACK_STORM: Rule = Rule {
    code: "RTCP_NACK_STORM",
    severity: Severity::Warning,
    title: "A receiver asks for lost packets without end",
    explanation: "Negative acknowledgements go on at ten a second or more: the loss on the way to this receiver is more than \
        retransmission mends, or what is sent again gets lost too.",
    advice: "Look at RTP_LOSS and RTP_LOSS_DOWNSTREAM for where the packets die, and at whether the sender answers with \
        retransmissions.",
    find: |evidence| {
        let storm = |row: &RtcpRow| (row.sender.counts.nack >= NACKS, row.sender.counts.nack, NACKS_PER_S);
        storms(evidence, &NACK_STORM, "asks for lost packets", storm, |row| &row.sender.nacks)
    },
};

pub(super) static MISSING: Rule = Rule {
    code: "RTCP_MISSING",
    severity: Severity::Info,
    title: "There is media and no RTCP",
    explanation: "Between these addresses media flows and nobody sends RTCP: what the receiver misses cannot be told, nor round \
        trips, and sound and picture cannot be put in step.",
    advice: "Where RTCP is wanted: its port is that of RTP plus one unless a=rtcp or a=rtcp-mux says otherwise; look whether a \
        firewall drops it.",
    find: missing,
};

pub(super) static STREAM_MISSING: Rule = Rule {
    code: "CAPTURE_MISSES_STREAM",
    severity: Severity::Warning,
    title: "The capture lacks a stream that a receiver reports on",
    explanation: "A receiver tells of a stream that grows, and no packet of it is in the capture: one direction goes another way, \
        or was not captured. That it is not here does not mean that it was lost.",
    advice: "Capture where both directions pass: at one of the hosts, or on both ports of a link in use.",
    find: stream_missing,
};

fn storms(
    evidence: &Evidence<'_>,
    rule: &Rule,
    what: &str,
    storm: impl Fn(&RtcpRow) -> (bool, u64, f64),
    of: impl Fn(&RtcpRow) -> &FeedbackSpan,
) -> Vec<Finding> {
    let case = |row: &RtcpRow| {
        let (is_enough, number, limit) = storm(row);
        let (first, last) = of(row).span?;
        let seconds = last.millis_since(first) / 1000.0;
        let rate = number as f64 / seconds.max(SPAN_S);
        let summary =
            format!("{}: {} {what} {number} times, {rate:.1} a second", way(row.src, row.dst), row.sender.ssrc);
        let finding = rule.finding(summary).with_frames(of(row).frames.clone()).about(&row.flow);
        (is_enough && seconds >= SPAN_S && rate >= limit).then_some(finding)
    };
    evidence.snapshot.rtcp.iter().filter_map(case).collect()
}

fn missing(evidence: &Evidence<'_>) -> Vec<Finding> {
    let ends = |one: Addr, other: Addr| (one.min(other), one.max(other));
    let with_rtcp = evidence
        .snapshot
        .flows
        .iter()
        .filter(|flow| flow.classes.of(Class::Rtcp) > 0 || flow.classes.of(Class::Srtcp) > 0);
    let reported: BTreeSet<(Addr, Addr)> = with_rtcp.map(|flow| ends(flow.a.addr, flow.b.addr)).collect();
    let silent: Vec<_> = evidence
        .snapshot
        .streams
        .iter()
        .filter(|row| is_media(row) && !reported.contains(&ends(row.src.addr, row.dst.addr)))
        .filter(|row| row.figures.last_ts.millis_since(row.figures.first_ts) / 1000.0 >= RTCP_S)
        .collect();
    let Some(first) = silent.first() else { return Vec::new() };
    let summary = match silent.len() {
        1 => format!("{}: {} has no RTCP beside it", way(first.src, first.dst), first.id),
        more => format!("{more} streams have no RTCP beside them, {} the first", first.id),
    };
    let frames = silent.iter().map(|row| row.figures.first_frame);
    vec![MISSING.finding(summary).with_frames(frames).about(&first.id)]
}

fn stream_missing(evidence: &Evidence<'_>) -> Vec<Finding> {
    let snapshot = evidence.snapshot;
    let facts = &snapshot.capture.facts;
    let is_part = snapshot.capture.only_ssrcs.is_some() || facts.filtered_out > 0 || facts.filtered_uncounted;
    let streams_left_out = snapshot.capture.limits.get("packets_of_streams_not_followed").is_some_and(|left| *left > 0);
    if is_part || streams_left_out {
        return Vec::new();
    }
    let case = |report: UnseenReport<'_>| {
        let summary = format!("{} reports on {}, of which no packet is here", report.row.src, report.first.about);
        let frames = [report.first.frame, report.last.frame];
        STREAM_MISSING.finding(summary).with_frames(frames).about(&report.row.flow)
    };
    evidence.reports_on_unseen().into_iter().map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    fn send(stage: &mut Stage, packets: u16) {
        (0..packets).for_each(|seq| {
            stage.udp(i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
    }

    fn report(about: u8, highest: u32) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, about, 0, 0, 0, 0];
        bytes.extend(highest.to_be_bytes());
        bytes.extend([0; 12]);
        bytes
    }

    /// A picture loss indication of B about A's stream (RFC 4585, section 6.3.1), behind an empty report.
    const PLI: [u8; 20] = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 7];

    #[test]
    fn media_without_rtcp_is_a_note_once_it_lasts() {
        let mut stage = Stage::new();
        send(&mut stage, 500);
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        send(&mut stage, 1100);
        assert!(codes(&mut stage).contains(&"RTCP_MISSING"));
        stage.udp(30_000, "10.0.0.2:6001", "10.0.0.1:5001", &report(7, 900));
        assert!(!codes(&mut stage).contains(&"RTCP_MISSING"));
    }

    #[test]
    fn a_request_for_a_picture_each_half_second_is_a_storm_and_a_few_are_not() {
        let mut stage = Stage::new();
        send(&mut stage, 500);
        (0..5).for_each(|at| {
            stage.udp(10_000 + at * 500, B, A, &PLI);
        });
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        (5..20).for_each(|at| {
            stage.udp(10_000 + at * 500, B, A, &PLI);
        });
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].frames.len()), ("RTCP_PLI_STORM", 10));
        assert!(findings[0].summary.ends_with("asks for a picture 20 times, 2.1 a second"), "{}", findings[0].summary);
    }

    #[test]
    fn lost_packets_that_are_asked_for_without_end_are_a_storm() {
        // A negative acknowledgement (RFC 4585, section 6.2.1) behind an empty report.
        let nack = |number: u8| {
            let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
            [report.as_slice(), &[0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, 7, 0, number, 0, 0]].concat()
        };
        let asked = |times: u8, every: i64| {
            let mut stage = Stage::new();
            send(&mut stage, 500);
            (0..times).for_each(|at| {
                stage.udp(10_000 + i64::from(at) * every, B, A, &nack(at));
            });
            codes(&mut stage)
        };
        assert_eq!(asked(110, 50), ["RTCP_NACK_STORM"]);
        assert_eq!(asked(110, 500), [] as [&str; 0]);
    }

    #[test]
    fn a_report_on_a_stream_that_is_not_here_says_that_the_capture_lacks_it() {
        let mut stage = Stage::new();
        send(&mut stage, 500);
        stage.udp(10_000, B, A, &report(8, 1000));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(15_000, B, A, &report(8, 1250));
        assert_eq!(codes(&mut stage), ["CAPTURE_MISSES_STREAM"]);
    }
}
