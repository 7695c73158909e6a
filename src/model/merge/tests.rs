//! What is joined over flows and shards, and in which order it is told.

use super::super::stage::{Stage, channel_data, rtp, stun};
use super::*;
use crate::proto::stun::{self, AttributeType, Method, Value};

/// One description for both kinds, with retransmissions whose group is not named.
const DESCRIPTION: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n\
    m=video 6000 RTP/AVPF 96 97\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

fn stream(stage: &mut Stage, from: &str, to: &str, payload_type: u8, ssrc: u32) {
    for seq in 0..3 {
        stage.udp(i64::from(seq) * 20, from, to, &rtp(payload_type, ssrc, seq, u32::from(seq) * 1800));
    }
}

#[test]
fn flows_and_streams_are_told_in_the_order_of_their_first_frames() {
    let mut stage = Stage::new();
    let ports = [9000, 1234, 60_000, 5004, 77];
    for (at, port) in ports.iter().enumerate() {
        stream(&mut stage, &format!("10.0.0.1:{port}"), "10.0.0.2:6000", 0, 100 - at as u32);
    }
    let snapshot = stage.snapshot();
    let of_flows: Vec<u16> = snapshot.flows.iter().map(|row| row.a.port).collect();
    assert_eq!(of_flows, ports);
    let of_streams: Vec<(String, u32)> = snapshot.streams.iter().map(|row| (row.id.clone(), row.ssrc)).collect();
    assert_eq!(of_streams, [100, 99, 98, 97, 96].map(|ssrc| (format!("r{}", 101 - ssrc), ssrc)));
}

#[test]
fn retransmission_repeats_the_only_stream_of_its_section() {
    let mut stage = Stage::new();
    stage.analyzer.session_description("a.sdp", DESCRIPTION.as_bytes());
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 96, 1);
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 97, 2);
    let streams = stage.snapshot().streams;
    assert_eq!((streams[0].kind, streams[1].kind), (Some(StreamKind::Video), Some(StreamKind::Rtx)));
    assert_eq!((streams[0].rtx_of, streams[1].rtx_of), (None, Some(1)));
    assert_eq!(streams[0].mid.as_deref(), Some("v"));

    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 96, 3);
    let streams = stage.snapshot().streams;
    assert_eq!(streams[1].rtx_of, None, "of two streams nobody knows which one");
}

/// Two codecs in one section, each with its retransmission, and the words of `more`.
fn two_codecs(more: &str) -> Stage {
    let text = DESCRIPTION.replace("96 97\r\n", "96 97 98 99\r\n")
        + "a=rtpmap:98 H264/90000\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n"
        + more;
    let mut stage = Stage::new();
    stage.analyzer.session_description("a.sdp", text.as_bytes());
    for (payload_type, ssrc) in [(96, 1), (97, 2), (98, 3), (99, 4)] {
        stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", payload_type, ssrc);
    }
    stage
}

#[test]
fn retransmission_repeats_the_stream_of_the_payload_type_that_its_own_stands_for() {
    let mut stage = two_codecs("");
    let repeated: Vec<Option<u32>> = stage.snapshot().streams.iter().map(|row| row.rtx_of).collect();
    assert_eq!(repeated, [None, Some(1), None, Some(3)]);
    // The other way is another sender, with streams of its own.
    stream(&mut stage, "10.0.0.2:6000", "10.0.0.1:5000", 97, 5);
    assert_eq!(stage.snapshot().streams[4].rtx_of, None);
}

#[test]
fn a_group_of_the_description_outweighs_payload_types() {
    let sources: String = (1..=4).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\r\n")).collect();
    let mut stage = two_codecs(&format!("a=ssrc-group:FID 3 2\r\n{sources}"));
    let rows = stage.snapshot().streams;
    assert_eq!(rows.iter().map(|row| row.rtx_of).collect::<Vec<_>>(), [None, Some(3), None, Some(3)]);
}

#[test]
fn retransmission_that_nobody_described_stands_alone() {
    let mut stage = Stage::new();
    for (payload_type, ssrc) in [(96, 1), (97, 2)] {
        stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", payload_type, ssrc);
    }
    let rows = stage.snapshot().streams;
    assert_eq!(rows.iter().map(|row| (row.kind, row.rtx_of)).collect::<Vec<_>>(), [(None, None), (None, None)]);
}

#[test]
fn a_section_tells_the_kind_of_a_payload_type_that_it_does_not_name() {
    let text = DESCRIPTION.replace("96 97\r\n", "96 97 120\r\n");
    let mut stage = Stage::new();
    stage.analyzer.session_description("a.sdp", text.as_bytes());
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 120, 1);
    let row = stage.snapshot().streams.remove(0);
    assert_eq!((row.kind, row.codec), (Some(StreamKind::Video), None));
}

const CLIENT: &str = "10.0.0.1:5000";
const SERVER: &str = "10.0.0.3:3478";

/// An allocation of CLIENT with the relayed address 10.0.0.3:49152 and a channel to 10.0.0.2:6000.
fn relay(stage: &mut Stage) {
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let relayed = [(AttributeType::XOR_RELAYED_ADDRESS, address("10.0.0.3:49152"))];
    let bound = [
        (AttributeType::CHANNEL_NUMBER, Value::U16(0x4000)),
        (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.2:6000")),
    ];
    stage.udp(0, CLIENT, SERVER, &stun(stun::Class::Request, Method::ALLOCATE, 1, &[]));
    stage.udp(1, SERVER, CLIENT, &stun(stun::Class::SuccessResponse, Method::ALLOCATE, 1, &relayed));
    stage.udp(2, CLIENT, SERVER, &stun(stun::Class::Request, Method::CHANNEL_BIND, 2, &bound));
    stage.udp(3, SERVER, CLIENT, &stun(stun::Class::SuccessResponse, Method::CHANNEL_BIND, 2, &[]));
}

fn relayed_stream(stage: &mut Stage, from: &str, to: &str, payload_type: u8, ssrc: u32) {
    for seq in 0..3 {
        // Ten milliseconds by the clock of 90 kHz, so that there is jitter where the clock is known.
        let packet = channel_data(0x4000, &rtp(payload_type, ssrc, seq, u32::from(seq) * 900));
        stage.udp(10 + i64::from(seq) * 20, from, to, &packet);
    }
}

#[test]
fn media_inside_turn_is_what_the_description_of_its_peer_says() {
    let mut stage = Stage::new();
    stage.analyzer.session_description("a.sdp", DESCRIPTION.replace("AVPF", "SAVPF").as_bytes());
    relay(&mut stage);
    relayed_stream(&mut stage, CLIENT, SERVER, 96, 1);
    relayed_stream(&mut stage, SERVER, CLIENT, 96, 2);
    relayed_stream(&mut stage, CLIENT, SERVER, 97, 3);
    let rows = stage.snapshot().streams;
    for row in &rows[..2] {
        assert_eq!((row.codec.as_deref(), row.mid.as_deref(), row.encrypted), (Some("VP8"), Some("v"), true));
        let clock = row.figures.timing.clock;
        assert_eq!((clock.rate, clock.source), (Some(90_000), ClockSource::Sdp));
        assert!(row.figures.timing.jitter.is_some_and(|jitter| jitter.max > 0.0));
        assert_eq!(row.figures.tshark.max_jitter_ms, 0.0, "tshark knows no peers, and so no clock");
    }
    assert_eq!((rows[2].kind, rows[2].rtx_of), (Some(StreamKind::Rtx), Some(1)));
}

#[test]
fn media_inside_turn_to_the_client_is_what_the_description_of_the_relayed_address_says() {
    let ours = DESCRIPTION.replace("10.0.0.2", "10.0.0.3").replace("6000", "49152").replace("VP8", "AV1");
    let mut stage = Stage::new();
    stage.analyzer.session_description("theirs.sdp", DESCRIPTION.as_bytes());
    stage.analyzer.session_description("ours.sdp", ours.as_bytes());
    relay(&mut stage);
    relayed_stream(&mut stage, CLIENT, SERVER, 96, 1);
    relayed_stream(&mut stage, SERVER, CLIENT, 96, 2);
    let codecs: Vec<Option<String>> = stage.snapshot().streams.into_iter().map(|row| row.codec).collect();
    assert_eq!(codecs, [Some("VP8".to_owned()), Some("AV1".to_owned())]);
}

#[test]
fn what_is_sent_behind_a_handshake_elsewhere_is_no_handshake() {
    let mut stage = Stage::new();
    stage.handshake(0, "10.0.0.1:5000", "10.0.0.2:6000");
    let data = [&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 40][..], &[9; 40]].concat();
    stage.udp(10, "10.0.0.1:5002", "10.0.0.2:6002", &data).udp(11, "10.0.0.2:6002", "10.0.0.1:5002", &data);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.flows[1].classes.of(Class::Dtls), 2);
    assert_eq!(snapshot.handshakes.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>(), ["f1"]);
}

#[test]
fn only_the_streams_that_were_asked_for_are_told_and_all_are_counted() {
    let mut stage = Stage::new();
    stage.analyzer = super::super::analyzer::Analyzer::new(Options { ssrcs: vec![2], ..Options::default() });
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 0, 1);
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 0, 2);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams.iter().map(|row| (row.id.as_str(), row.ssrc)).collect::<Vec<_>>(), [("r1", 2)]);
    assert_eq!(snapshot.packets.of(Class::Rtp), 6);
}

#[test]
fn jitter_of_a_report_has_the_clock_of_the_stream_that_it_is_about() {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 80];
    report.extend([0; 8]);
    let mut stage = Stage::new();
    stream(&mut stage, "10.0.0.1:5000", "10.0.0.2:6000", 0, 1);
    stage.udp(100, "10.0.0.2:6001", "10.0.0.1:5001", &report);
    let row = stage.snapshot().rtcp.remove(0);
    assert_eq!(row.jitter_ms(&row.sender.reports[0]), Some(10.0));
}

#[test]
fn the_figures_of_words_follow_from_the_rows() {
    let mut stage = Stage::new();
    for seq in [0, 1, 2, 6, 7, 8, 9] {
        stage.udp(i64::from(seq) * 20, "10.0.0.1:5000", "10.0.0.2:6000", &rtp(0, 1, seq, u32::from(seq) * 160));
    }
    stream(&mut stage, "10.0.0.1:5002", "10.0.0.2:6002", 0, 2);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams[0].loss().lost_pct, Some(30.0));
    assert_eq!(snapshot.worst_first().iter().map(|row| row.ssrc).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (snapshot.streams[0].path(), snapshot.flows[1].path()),
        (vec!["udp".to_owned()], vec!["udp".to_owned()])
    );
}

/// An RTP packet on UDP in two IP fragments of one datagram.
fn fragments(seq: u16) -> [Vec<u8>; 2] {
    let media = rtp(0, 7, seq, u32::from(seq) * 160);
    let datagram = [&[0x13, 0x88, 0x17, 0x70, 0, 8 + media.len() as u8, 0, 0], &media[..]].concat();
    let fragment = |at: usize, more: u8, bytes: &[u8]| {
        let [high, low] = seq.to_be_bytes();
        let head = [0x45, 0, 0, 20 + bytes.len() as u8, high, low, more << 5, at as u8 / 8, 64, 17, 0, 0];
        [&head[..], &[10, 0, 0, 1, 10, 0, 0, 2], bytes].concat()
    };
    [fragment(0, 1, &datagram[..24]), fragment(24, 0, &datagram[24..])]
}

#[test]
fn a_fragment_that_came_twice_is_in_no_class_twice() {
    let set = |stage: &mut Stage, seq: u16, interface: u32| {
        for fragment in fragments(seq) {
            stage.ip(interface, 20 * i64::from(seq), &fragment);
        }
    };
    let each = |stage: &mut Stage, seq: u16, interface: u32| {
        for fragment in fragments(seq) {
            stage.ip(0, 20 * i64::from(seq), &fragment).again(interface);
        }
    };
    let sets = |stage: &mut Stage, seq: u16, interface: u32| {
        set(stage, seq, 0);
        set(stage, seq, interface);
    };
    let snapshot = |options: Options, packet: &dyn Fn(&mut Stage, u16, u32), interface: u32| {
        let mut stage = Stage::with(options);
        (1..=20).for_each(|seq| packet(&mut stage, seq, interface));
        stage.snapshot()
    };
    let plain = snapshot(Options::default(), &set, 0);
    assert_eq!((plain.packets.of(Class::Rtp), plain.packets.of(Class::Other)), (20, 20));
    for interface in [0, 1] {
        for packet in [&each as &dyn Fn(&mut Stage, u16, u32), &sets] {
            let mirrored = snapshot(Options::default(), packet, interface);
            assert_eq!((mirrored.packets, &mirrored.other), (plain.packets, &plain.other));
            assert_eq!(mirrored.capture.duplicates_removed, 40);
            let kept = snapshot(Options { remove_copies: false, ..Options::default() }, packet, interface);
            assert_eq!((kept.packets.total(), kept.capture.duplicates_removed), (80, 0));
        }
    }
}

#[test]
fn packets_are_kept_on_request_and_are_those_that_the_figures_count() {
    let kept = |options: Options, interface: u32| {
        let mut stage = Stage::with(options);
        for seq in 1..=20_u16 {
            let media = rtp(if seq == 9 { 0x80 } else { 0 }, 7, seq, u32::from(seq) * 160);
            stage.udp(20 * i64::from(seq), "10.0.0.1:5000", "10.0.0.2:6000", &media).again(interface);
            stage.udp(20 * i64::from(seq) + 1, "10.0.0.3:5000", "10.0.0.4:3478", &channel_data(0x4000, &media));
        }
        let snapshot = stage.snapshot();
        let streams = snapshot.streams.iter().map(|row| (row.figures.packets, row.packets.clone()));
        (streams.collect::<Vec<_>>(), stage.analyzer.kept_packets())
    };
    let wanted = Options { keep_packets: true, ..Options::default() };
    let (unasked, none) = kept(Options::default(), 1);
    assert!(none == 0 && unasked.iter().all(|(count, packets)| *count == 20 && packets.is_empty()));
    // Copies on another interface, and copies alike to the last bit.
    for interface in [0, 1] {
        let (streams, all) = kept(wanted.clone(), interface);
        assert_eq!((streams.len(), all), (2, 60));
        for ((count, packets), offset) in streams.into_iter().zip([0, 1]) {
            assert_eq!((count, packets.len()), (20, 20));
            for (packet, seq) in packets.into_iter().zip(1..) {
                assert_eq!(packet.ts.as_nanos(), (20 * seq + offset) * 1_000_000);
                assert_eq!((packet.bytes, i64::from(packet.seq), packet.marker), (32, seq, seq == 9));
            }
        }
        let (with_copies, _) = kept(Options { remove_copies: false, ..wanted.clone() }, interface);
        assert_eq!((with_copies[0].0, with_copies[0].1.len()), (40, 40));
    }
}
