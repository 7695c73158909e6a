//! Messages cut out of TCP streams, with segments that end anywhere, get lost and never come.

use super::super::analyzer::Options;
use super::super::snapshot::Snapshot;
use super::super::stage::{Stage, channel_data, check, classes, rtp, stun};
use super::*;
use crate::proto::stun::{Class as StunClass, Method};

const CLIENT: &str = "10.0.0.1:5000";
const SERVER: &str = "10.0.0.2:3478";
const SYN: u8 = TcpFlags::SYN;

/// Sends the stream in segments of `size` bytes, each first byte at position 1; without those that `is_lost` names.
fn send(stage: &mut Stage, from: &str, to: &str, bytes: &[u8], size: usize, is_lost: impl Fn(usize) -> bool) {
    stage.tcp(0, from, to, 0, SYN, &[]);
    for (at, piece) in bytes.chunks(size).enumerate().filter(|(at, _)| !is_lost(*at)) {
        stage.tcp(at as i64 + 1, from, to, 1 + (at * size) as u32, 0, piece);
    }
}

/// Padded to four bytes, as ChannelData is over TCP (RFC 8656, section 12.5).
fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn turn_stream(messages: u16) -> Vec<u8> {
    let mut bytes = stun(StunClass::Request, Method::ALLOCATE, 1, &[]);
    for seq in 0..messages {
        let mut media = rtp(96, 7, seq, u32::from(seq) * 960);
        media.truncate(31);
        bytes.extend(padded(channel_data(0x4000, &media)));
    }
    bytes
}

#[test]
fn messages_are_found_wherever_segments_end() {
    let bytes = turn_stream(20);
    for size in [1, 3, 7, 20, 36, 50, 1000] {
        let mut stage = Stage::new();
        send(&mut stage, CLIENT, SERVER, &bytes, size, |_| false);
        let snapshot = stage.snapshot();
        assert_eq!(classes(&snapshot.flows[0]).split(", other").next(), Some("stun 1, turn_channel 20"), "{size}");
        assert_eq!(classes(&snapshot.flows[1]), "rtp 20", "{size}");
        assert_eq!(snapshot.streams[0].figures.sequence.lost, 0);
    }
}

#[test]
fn every_packet_is_counted_once_also_where_one_segment_has_many_messages() {
    for size in [1, 33, 100, 1400] {
        let mut stage = Stage::new();
        send(&mut stage, CLIENT, SERVER, &turn_stream(50), size, |at| at % 9 == 5);
        let snapshot = stage.snapshot();
        let capture = &snapshot.capture;
        assert_eq!(snapshot.packets.total(), capture.packets + capture.inner_datagrams, "{size}");
    }
}

#[test]
fn after_a_lost_segment_the_next_message_is_found_again() {
    let mut stage = Stage::new();
    send(&mut stage, CLIENT, SERVER, &turn_stream(60), 50, |at| at == 10);
    let snapshot = stage.snapshot();
    let channel = snapshot.flows[0].classes.of(Class::TurnChannel);
    assert!((57..60).contains(&channel), "{channel}");
    assert_eq!(snapshot.streams[0].figures.sequence.segments, 1);
}

#[test]
fn a_capture_that_begins_within_a_message_finds_the_next() {
    let bytes = turn_stream(40);
    let mut stage = Stage::new();
    for (at, piece) in bytes[33..].chunks(100).enumerate() {
        stage.tcp(at as i64, CLIENT, SERVER, (at * 100) as u32, 0, piece);
    }
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.flows[0].classes.of(Class::TurnChannel), 39);
}

#[test]
fn ice_over_tcp_has_a_length_before_each_packet() {
    let framed = |packet: Vec<u8>| [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
    let mut bytes = framed(check(1, false));
    (0..5).for_each(|seq| bytes.extend(framed(rtp(96, 7, seq, u32::from(seq) * 960))));
    let mut stage = Stage::new();
    send(&mut stage, CLIENT, "10.0.0.2:9", &bytes, 40, |_| false);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams[0].path(), ["tcp", "rfc4571"]);
    assert_eq!((snapshot.streams[0].figures.packets, snapshot.pairs.len()), (5, 1));
}

#[test]
fn rtp_between_rtsp_messages_has_the_channel_as_its_way() {
    let mut bytes = b"PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec();
    for seq in 0..4 {
        let packet = rtp(96, 7, seq, u32::from(seq) * 960);
        bytes.extend([b'$', 2, 0, packet.len() as u8]);
        bytes.extend(packet);
    }
    bytes.extend(b"TEARDOWN rtsp://a/b RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    let mut stage = Stage::new();
    send(&mut stage, CLIENT, "10.0.0.2:554", &bytes, 25, |_| false);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams[0].via, super::super::flow::Via::Interleaved(2));
    assert_eq!(snapshot.streams[0].figures.packets, 4);
    assert!(snapshot.flows[0].classes.of(Class::Rtsp) >= 2);
}

const INVITE: &[u8] = b"INVITE sip:b@b SIP/2.0\r\nCall-ID: 77\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

#[test]
fn half_a_first_line_is_neither_sip_nor_rtsp_yet() {
    for size in [1, 5, 16, 60] {
        let mut stage = Stage::new();
        send(&mut stage, CLIENT, "10.0.0.2:5060", INVITE, size, |_| false);
        let snapshot = stage.snapshot();
        assert_eq!(snapshot.sessions[0].call_id, "77", "{size}");
        assert_eq!(snapshot.packets.of(Class::Rtsp), 0, "{size}");
    }
}

#[test]
fn empty_lines_that_keep_a_connection_alive_do_not_hide_what_it_speaks() {
    let mut stage = Stage::new();
    send(&mut stage, CLIENT, "10.0.0.2:5060", &[b"\r\n\r\n", INVITE].concat(), 4, |_| false);
    assert_eq!(stage.snapshot().sessions[0].call_id, "77");
}

#[test]
fn after_the_upgrade_a_connection_speaks_websocket() {
    let mut stage = Stage::new();
    let get = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    stage.tcp(0, CLIENT, SERVER, 0, SYN, &[]).tcp(1, CLIENT, SERVER, 1, 0, get);
    stage.tcp(2, SERVER, CLIENT, 1, 0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    let snapshot = stage.tcp(3, CLIENT, SERVER, 41, 0, &[0x81, 0x80, 1, 2, 3, 4]).snapshot();
    assert_eq!(snapshot.packets.of(Class::Http), 2);
    assert_eq!(snapshot.packets.of(Class::Websocket), 1);
}

#[test]
fn what_all_connections_hold_together_has_a_bound() {
    let mut stage = Stage::new();
    stage.analyzer.parts().0.connections.max_held = 100_000;
    for port in 0..100 {
        let from = format!("10.0.0.1:{}", 1024 + port);
        // A hole in front of a message: it waits, and is there when the room is needed.
        stage.tcp(0, &from, SERVER, 0, SYN, &[]).tcp(1, &from, SERVER, 20_000, 0, INVITE);
        stage.tcp(2, &from, SERVER, 30_000, 0, &[b'x'; 3000]);
        assert!(stage.analyzer.parts().0.connections.held <= 100_000);
    }
    let connections = &stage.analyzer.parts().0.connections;
    assert!(connections.given_up > 50, "{}", connections.given_up);
    let snapshot = stage.snapshot();
    assert!(snapshot.capture.limits["connections_not_waited_for"] > 50);
    assert_eq!(snapshot.packets.total(), snapshot.capture.packets + snapshot.capture.inner_datagrams);
}

#[test]
fn nothing_is_held_for_a_connection_whose_bytes_nobody_reads() {
    let hello: &[u8] = &[0x16, 3, 1, 0, 4, 1, 0, 0, 0];
    let garbage: &[u8] = &[0xff; 2 * dialogue::MAX_UNKNOWN];
    for from_client in [hello, garbage] {
        let mut stage = Stage::new();
        stage.tcp(0, CLIENT, SERVER, 0, SYN, &[]).tcp(1, SERVER, CLIENT, 0, SYN, &[]);
        // A hole in front of what both sides say, which is never filled.
        stage.tcp(2, SERVER, CLIENT, 5000, 0, b"later").tcp(3, CLIENT, SERVER, 90_000, 0, b"later");
        assert!(stage.analyzer.parts().0.connections.held > 0);
        stage.tcp(4, CLIENT, SERVER, 1, 0, from_client).tcp(5, SERVER, CLIENT, 1, 0, b"");
        stage.tcp(6, SERVER, CLIENT, 8000, 0, b"later still").tcp(7, CLIENT, SERVER, 95_000, 0, b"later still");
        assert_eq!(stage.analyzer.parts().0.connections.held, 0);
        let snapshot = stage.snapshot();
        assert_eq!(snapshot.capture.limits["connections_not_waited_for"], 0);
        assert_eq!(snapshot.packets.total(), snapshot.capture.packets);
    }
}

#[test]
fn the_longest_message_that_is_read_is_held_until_it_is_whole() {
    let head = |filler: usize| {
        let body = crate::proto::framing::MAX_BODY;
        let filler = "f".repeat(filler);
        format!(
            "INVITE sip:b@b SIP/2.0\r\nCall-ID: 77\r\nCSeq: 1 INVITE\r\nX: {filler}\r\nContent-Length: {body}\r\n\r\n"
        )
    };
    let message = [head(60_000).into_bytes(), vec![b'x'; crate::proto::framing::MAX_BODY]].concat();
    let mut stage = Stage::new();
    send(&mut stage, CLIENT, "10.0.0.2:5060", &message, 50_000, |_| false);
    assert_eq!(stage.snapshot().sessions[0].call_id, "77");
}

#[test]
fn a_new_connection_takes_the_place_of_a_quiet_one() {
    let mut stage = Stage::new();
    stage.analyzer.parts().0.connections.max_connections = 4;
    let from = |port: u32| format!("10.0.0.1:{}", 1024 + port);
    for port in 0..40 {
        // The first one keeps talking.
        stage.tcp(i64::from(port), &from(0), SERVER, 1 + port, 0, b"x");
        send(&mut stage, &from(port + 1), SERVER, INVITE, 30, |_| false);
    }
    let connections = &stage.analyzer.parts().0.connections;
    assert_eq!((connections.talks.len(), connections.by_tuple.len()), (4, 4));
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.packets.of(Class::Sip), 40 * 3);
    assert_eq!(snapshot.packets.total(), snapshot.capture.packets);
}

#[test]
fn a_head_that_never_ends_is_not_held_for_ever() {
    let mut stage = Stage::new();
    let endless = [b"INVITE sip:b@b SIP/2.0\r\n".to_vec(), b"A: b\r\n".repeat(60_000)].concat();
    send(&mut stage, CLIENT, SERVER, &endless, 1400, |_| false);
    let connections = &stage.analyzer.parts().0.connections;
    assert!(connections.held <= 3 * dialogue::MAX_UNKNOWN + 1400, "{}", connections.held);
}

#[test]
fn garbage_is_left_alone_after_a_few_kilobytes() {
    for seed in 1..40 {
        let bytes: Vec<u8> = (0..30).flat_map(|n| crate::proto::dtls::vectors::garbage(seed * 100 + n, 1000)).collect();
        let mut stage = Stage::new();
        send(&mut stage, CLIENT, SERVER, &bytes, 500, |at| at % 7 == 6);
        let snapshot = stage.snapshot();
        assert_eq!(snapshot.packets.total(), snapshot.capture.packets + snapshot.capture.inner_datagrams);
    }
}

/// A call's signalling and relayed media over TCP, each segment as often as `times` says: on other interfaces, or on
/// the same.
fn mirrored(options: Options, times: u32, other_interfaces: bool) -> Snapshot {
    let mut stage = Stage::with(options);
    stage.tcp(0, CLIENT, SERVER, 0, SYN, &[]);
    for (at, piece) in turn_stream(40).chunks(50).enumerate() {
        stage.tcp(at as i64 + 1, CLIENT, SERVER, 1 + (at * 50) as u32, 0, piece);
        for copy in 1..times {
            stage.again(if other_interfaces { copy } else { 0 });
        }
    }
    stage.snapshot()
}

#[test]
fn segments_that_a_mirror_port_doubled_are_copies_and_change_no_class() {
    let once = mirrored(Options::default(), 1, true);
    let thrice = mirrored(Options::default(), 3, true);
    assert_eq!((thrice.packets, &thrice.other), (once.packets, &once.other));
    let segments = once.capture.packets - 1;
    assert_eq!(thrice.capture.duplicates_removed, 2 * segments);
    assert_eq!(thrice.packets.total(), once.capture.packets + thrice.capture.inner_datagrams);
    assert_eq!(thrice.streams[0].figures.sequence.duplicates, 0);
}

#[test]
fn segments_that_are_doubled_to_the_last_bit_are_copies_once_that_shows() {
    let doubled = mirrored(Options::default(), 2, false);
    let segments = (doubled.capture.packets - 1) / 2;
    // Eight originals have to be there, and the SYN is the first.
    assert_eq!(doubled.capture.duplicates_removed, segments - 6);
}

#[test]
fn who_keeps_duplicates_has_each_segment_counted() {
    let kept = mirrored(Options { remove_copies: false, ..Options::default() }, 2, true);
    assert_eq!(kept.capture.duplicates_removed, 0);
    assert_eq!(kept.packets.total(), kept.capture.packets + kept.capture.inner_datagrams);
}

#[test]
fn a_segment_that_was_sent_again_is_no_copy() {
    let mut stage = Stage::new();
    stage.tcp(0, CLIENT, SERVER, 0, SYN, &[]).tcp(1, CLIENT, SERVER, 1, 0, INVITE).tcp(2, CLIENT, SERVER, 1, 0, INVITE);
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.capture.duplicates_removed, snapshot.packets.total()), (0, 3));
}
