//! What is said of a capture that is cut, jumps in time, or was made at two places.

use super::super::super::snapshot::Class;
use super::super::super::stage::{Stage, channel_data, check, rtp, stun};
use super::*;
use crate::proto::stun::{Class as StunClass, Method};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:6000";

fn only(snapshot: &Snapshot) -> &Finding {
    assert_eq!(snapshot.findings.len(), 1, "{:?}", snapshot.findings);
    &snapshot.findings[0]
}

fn frames(finding: &Finding) -> Vec<u64> {
    finding.frames.iter().map(|frame| frame.0).collect()
}

/// Ethernet, IP and UDP, and so many bytes of payload.
const fn payload(bytes: usize) -> usize {
    42 + bytes
}

#[test]
fn a_message_that_the_capture_cut_is_not_called_malformed() {
    let report = [0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0];
    for (bytes, snap_length, class) in [
        (check(1, true), payload(30), Class::Stun),
        (channel_data(0x4000, &check(1, true)), payload(40), Class::Stun),
        (report.to_vec(), payload(20), Class::Rtcp),
    ] {
        let mut whole = Stage::new();
        assert_eq!(whole.udp(0, A, B, &bytes).snapshot().findings, []);
        let mut cut = Stage::cut_to(snap_length);
        let snapshot = cut.udp(0, A, B, &bytes).snapshot();
        assert_eq!(only(&snapshot).code, "CAPTURE_SNAP_LENGTH");
        assert_eq!((snapshot.packets.of(class), snapshot.capture.cut_messages.of(class)), (1, 1), "{class:?}");
    }
}

#[test]
fn a_message_that_its_sender_broke_still_is() {
    let mut broken = check(1, true);
    broken.truncate(30);
    let snapshot = Stage::new().udp(0, A, B, &broken).snapshot();
    assert_eq!(only(&snapshot).code, "MESSAGE_MALFORMED");
}

#[test]
fn the_snap_length_is_told_with_what_it_leaves_unjudged() {
    let mut stage = Stage::cut_to(payload(24));
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &stun(StunClass::SuccessResponse, Method::BINDING, 1, &[]));
    (0..20).for_each(|seq| {
        stage.udp(10 + i64::from(seq), A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
    });
    stage.tcp(50, A, B, 1, 0, &[0; 100]);
    let snapshot = stage.snapshot();
    let finding = only(&snapshot);
    assert_eq!(finding.summary, "22 of 23 packets cut to 66 bytes; cut within: STUN 1, TCP segments 1");
    assert_eq!((finding.severity, frames(finding)[..3].to_vec()), (Severity::Warning, vec![1, 3, 4]));
    assert_eq!(snapshot.streams[0].figures.sequence.lost, 0);
}

#[test]
fn where_only_media_is_cut_it_is_a_note() {
    let mut stage = Stage::cut_to(payload(12));
    stage.udp(0, A, B, &rtp(0, 7, 1, 0)).udp(20, A, B, &rtp(0, 7, 2, 160));
    let snapshot = stage.snapshot();
    assert_eq!(only(&snapshot).severity, Severity::Info);
    assert_eq!(snapshot.streams[0].figures.packets, 2);
}

#[test]
fn headers_that_are_cut_off_are_not_malformed_and_short_ones_are() {
    let mut stage = Stage::cut_to(36);
    let snapshot = stage.udp(0, A, B, &check(1, true)).snapshot();
    assert_eq!(only(&snapshot).summary, "1 of 1 packets cut to 36 bytes; cut within: headers 1");
    assert_eq!((snapshot.packets.of(Class::Malformed), snapshot.packets.of(Class::Other)), (0, 1));

    let whole = [0x45, 0, 0, 22, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2];
    let snapshot = Stage::new().ip(0, 0, &whole).snapshot();
    assert_eq!(only(&snapshot).code, "PACKET_MALFORMED");
}

#[test]
fn time_that_jumps_is_told_once_with_the_frames_around_the_jumps() {
    let mut stage = Stage::new();
    for millis in [500_000, 501_000, 3_000, 4_000, 2_500] {
        stage.udp(millis, A, B, b"anything");
    }
    let snapshot = stage.snapshot();
    let finding = only(&snapshot);
    let summary = "from frame 2 to 3 time jumps back by 8.3 minutes; from frame 4 to 5 time jumps back by 1.5 s";
    assert_eq!((finding.code, finding.summary.as_str()), ("CAPTURE_TIME_JUMPS", summary));
    assert_eq!(frames(finding), [2, 3, 4, 5]);
}

#[test]
fn a_record_with_a_wrong_date_is_told_as_such() {
    let now = 1_700_000_000_000;
    let mut stage = Stage::new();
    stage.udp(now, A, B, b"anything").udp(0, A, B, b"anything").udp(now + 5, A, B, b"anything");
    let snapshot = stage.snapshot();
    assert_eq!(only(&snapshot).summary, "frame 2 is dated 53.9 years before the frames around it");
}

#[test]
fn many_jumps_are_counted_and_the_first_are_named() {
    let mut stage = Stage::new();
    (0..40).for_each(|at| {
        stage.udp(100_000 + 5_000 * (at % 2), A, B, b"anything");
    });
    let snapshot = stage.snapshot();
    let finding = only(&snapshot);
    assert!(finding.summary.ends_with("; and 16 more"), "{}", finding.summary);
    assert_eq!(finding.frames.len(), FRAMES);
}

/// A stream of 200 packets, each with a copy on another interface where `is_copied` says so.
fn copied(is_copied: impl Fn(u16) -> bool) -> Snapshot {
    let mut stage = Stage::new();
    for seq in 0..200 {
        stage.udp(20 * i64::from(seq), A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        if is_copied(seq) {
            stage.again(1);
        }
    }
    stage.snapshot()
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn copies_of_a_part_of_a_stream_show_two_places_of_capture() {
    let snapshot = copied(|seq| seq % 10 != 3);
    assert_eq!(codes(&snapshot), ["CAPTURE_TWO_PLACES", "CAPTURE_DUPLICATES"]);
    let finding = &snapshot.findings[0];
    assert_eq!((finding.summary.as_str(), frames(finding)), ("r1: 180 copies of 200 packets", vec![1, 380]));
    assert_eq!(snapshot.streams[0].figures.sequence.lost, 0);
}

#[test]
fn copies_of_all_packets_are_a_mirror_ports() {
    assert_eq!(codes(&copied(|_| true)), ["CAPTURE_DUPLICATES"]);
    assert_eq!(codes(&copied(|seq| seq != 77)), ["CAPTURE_DUPLICATES"]);
}

#[test]
fn a_few_copies_show_nothing() {
    assert_eq!(codes(&copied(|seq| seq % 50 == 0)), ["CAPTURE_DUPLICATES"]);
}

#[test]
fn two_copies_of_each_packet_are_no_part_and_of_every_other_they_are() {
    let figures = |each: fn(u16) -> usize| {
        let mut stage = Stage::new();
        for seq in 0..200 {
            stage.udp(20 * i64::from(seq), A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
            for copy in 0..each(seq) {
                stage.again(copy as u32 + 1);
            }
        }
        stage.snapshot()
    };
    assert_eq!(codes(&figures(|_| 2)), ["CAPTURE_DUPLICATES"]);
    assert_eq!(codes(&figures(|seq| 1 + usize::from(seq % 2))), ["CAPTURE_TWO_PLACES", "CAPTURE_DUPLICATES"]);
}
