//! What datagrams are taken for, by themselves and by what is around them.

use super::super::rtp_stream::ClockSource;
use super::super::snapshot::{FlowRow, Snapshot};
use super::super::stage::{Stage, channel_data, check, classes, rtp, stun};
use super::*;
use crate::proto::dtls::vectors::{AIORTC_1_2, hex};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:6000";
const SERVER: &str = "10.0.0.2:3478";

fn flow(snapshot: &Snapshot) -> &FlowRow {
    assert_eq!(snapshot.flows.len(), 1, "{:?}", snapshot.flows);
    &snapshot.flows[0]
}

/// What the class sums must be, whatever was seen.
fn assert_sums(snapshot: &Snapshot) {
    let by_flow: u64 = snapshot.flows.iter().map(|row| row.classes.total()).sum();
    let capture = &snapshot.capture;
    assert_eq!(by_flow, capture.packets - capture.duplicates_removed + capture.inner_datagrams);
    for row in &snapshot.flows {
        assert_eq!(row.classes.of(Class::Other), row.reasons.values().sum::<u64>(), "{row:?}");
    }
}

/// Two packets of one stream.
fn media(stage: &mut Stage, from: &str, to: &str) {
    for seq in 0..2 {
        stage.udp(100 + 20 * i64::from(seq), from, to, &rtp(96, 7, seq, u32::from(seq) * 960));
    }
}

/// An SRTCP packet: a receiver report's header, encrypted bytes, the index with its E bit, a tag.
fn srtcp() -> Vec<u8> {
    let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    bytes.extend([0xa5; 24]);
    bytes.extend([0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    bytes
}

#[test]
fn one_packet_that_looks_like_rtp_is_not_believed_and_two_are() {
    let mut stage = Stage::new();
    let once = stage.udp(0, A, B, &rtp(96, 7, 1, 0)).snapshot();
    assert_eq!((classes(flow(&once)).as_str(), once.streams.len()), ("other 1", 0));
    let twice = stage.udp(20, A, B, &rtp(96, 7, 2, 960)).snapshot();
    assert_eq!((classes(flow(&twice)).as_str(), twice.streams.len()), ("rtp 2", 1));
    assert_sums(&twice);
}

#[test]
fn packets_that_do_not_fit_together_do_not_confirm_each_other() {
    let mut stage = Stage::new();
    for n in 0..40_u32 {
        stage.udp(i64::from(n), A, B, &rtp(96, n.wrapping_mul(0x9e37_79b9), (n * 7919) as u16, n << 27));
    }
    let snapshot = stage.snapshot();
    assert_eq!((classes(flow(&snapshot)).as_str(), snapshot.streams.len()), ("other 40", 0));
    assert_sums(&snapshot);
}

#[test]
fn a_valid_candidate_pair_confirms_a_single_packet() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, false));
    stage.udp(1, B, A, &stun(stun::Class::SuccessResponse, Method::BINDING, 1, &[]));
    let snapshot = stage.udp(2, A, B, &rtp(96, 7, 1, 0)).snapshot();
    assert_eq!(classes(flow(&snapshot)), "stun 2, srtp 1");
}

#[test]
fn media_beside_srtcp_is_srtp_and_beside_rtcp_rtp() {
    let mut encrypted = Stage::new();
    media(&mut encrypted, A, B);
    let snapshot = encrypted.udp(200, B, A, &srtcp()).snapshot();
    assert_eq!(classes(flow(&snapshot)), "srtp 2, srtcp 1");
    assert!(snapshot.streams[0].encrypted);

    let mut clear = Stage::new();
    media(&mut clear, A, B);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let snapshot = clear.udp(200, B, A, &report).snapshot();
    assert_eq!(classes(flow(&snapshot)), "rtp 2, rtcp 1");
    assert!(!snapshot.streams[0].encrypted);
}

#[test]
fn rtcp_on_the_next_port_speaks_for_the_media_port() {
    let mut stage = Stage::new();
    media(&mut stage, A, B);
    let snapshot = stage.udp(200, "10.0.0.2:6001", "10.0.0.1:5001", &srtcp()).snapshot();
    assert!(snapshot.streams[0].encrypted);
}

#[test]
fn media_behind_a_dtls_srtp_handshake_is_srtp() {
    let mut stage = Stage::new();
    stage.handshake(0, A, B);
    media(&mut stage, A, B);
    let snapshot = stage.snapshot();
    assert_eq!(classes(flow(&snapshot)), "dtls 4, srtp 2");
    assert_eq!(snapshot.handshakes.len(), 1);
}

#[test]
fn connectivity_checks_without_clear_rtcp_tell_of_srtp_and_with_it_of_rtp() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, false));
    stage.udp(1, B, A, &stun(stun::Class::SuccessResponse, Method::BINDING, 1, &[]));
    media(&mut stage, A, B);
    assert!(stage.snapshot().streams[0].encrypted);
    let snapshot = stage.udp(300, B, A, &[0x80, 201, 0, 1, 0, 0, 0, 9]).snapshot();
    assert!(!snapshot.streams[0].encrypted);
}

#[test]
fn what_is_inside_turn_has_a_flow_of_its_own_and_classes_of_its_own() {
    let mut stage = Stage::new();
    stage.udp(0, A, SERVER, &channel_data(0x4000, &check(1, false)));
    let answer = stun(stun::Class::SuccessResponse, Method::BINDING, 1, &[]);
    stage.udp(1, SERVER, A, &channel_data(0x4000, &answer));
    stage.udp(2, A, SERVER, &channel_data(0x4000, &rtp(96, 7, 1, 0)));
    stage.udp(3, A, SERVER, &channel_data(0x4001, &rtp(96, 8, 1, 0)));
    let snapshot = stage.snapshot();
    let rows: Vec<(String, String)> = snapshot.flows.iter().map(|row| (row.path().join("/"), classes(row))).collect();
    let expected = [("udp", "turn_channel 4"), ("udp/turn-channel", "stun 2, srtp 1"), ("udp/turn-channel", "rtp 1")];
    assert_eq!(rows, expected.map(|(path, classes)| (path.to_owned(), classes.to_owned())));
    assert_eq!(snapshot.capture.inner_datagrams, 4);
    assert_sums(&snapshot);
}

#[test]
fn datagrams_nested_without_end_are_opened_a_few_times() {
    let mut inner = rtp(96, 7, 1, 0);
    for _ in 0..20 {
        inner = channel_data(0x4000, &inner);
    }
    let snapshot = Stage::new().udp(0, A, SERVER, &inner).snapshot();
    assert_eq!(snapshot.flows.len(), usize::from(MAX_DEPTH) + 2);
    assert_eq!(snapshot.flows.last().unwrap().reasons.keys().collect::<Vec<_>>(), [&"datagrams nested too deep"]);
    assert_sums(&snapshot);
}

#[test]
fn bytes_of_dtls_1_3_and_quic_count_only_where_a_handshake_was() {
    let unified = [0x2c, 0, 1, 0, 5, 1, 2, 3, 4, 5];
    let mut stage = Stage::new();
    let snapshot = stage.udp(0, A, B, &unified).snapshot();
    assert_eq!(flow(&snapshot).classes.of(Class::Dtls), 0);
    stage.udp(1, B, A, &hex(AIORTC_1_2[0]));
    let snapshot = stage.udp(2, A, B, &[&unified[..], &[0; 20]].concat()).snapshot();
    assert_sums(&snapshot);
}

#[test]
fn copies_of_a_mirror_port_are_taken_out_of_signalling_too() {
    let ring = b"SIP/2.0 180 Ringing\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n";
    let mut shard = Shard::new(&Options::default());
    let mut carrier = Carrier {
        ts: Timestamp::from_nanos(1),
        frame: crate::packet::FrameNo(1),
        ip_len: 100,
        ip_id: Some(9),
        ttl: 64,
        traffic_class: 0,
        link_tag: 1,
    };
    let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
    let tunnel = crate::net::TunnelId(0);
    let flow = FiveTuple { src: endpoint(A), dst: endpoint(B), transport: Transport::Udp, tunnel };
    shard.datagram(&Datagram { carrier, flow, missing: 0, payload: ring }, Framing::Datagram, Look::at(ring, 0));
    carrier.link_tag = 2;
    shard.datagram(&Datagram { carrier, flow, missing: 0, payload: ring }, Framing::Datagram, Look::at(ring, 0));
    assert_eq!((shard.flows[0].classes.of(Class::Sip), shard.copies), (1, 1));
}

#[test]
fn noise_that_looked_like_rtp_once_makes_room_for_streams_that_come_later() {
    let mut stage = Stage::new();
    for n in 0..MAX_STREAMS as u32 + 100 {
        // All on one shard: it is chosen by addresses and ports, and the sum of these is the same.
        let (from, to) = (format!("10.0.0.1:{}", 1024 + n), format!("10.0.0.2:{}", 60_000 - n));
        stage.udp(0, &from, &to, &rtp(96, n, 1, 0));
    }
    let (from, to) = ("10.0.0.1:30000", "10.0.0.2:31024");
    for seq in 0..10 {
        stage.udp(20 * i64::from(seq), from, to, &rtp(96, 7, seq, u32::from(seq) * 960));
    }
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams.len(), 1);
    assert_eq!(snapshot.streams[0].figures.packets, 10);
    assert_eq!(snapshot.capture.limits["packets_of_streams_not_followed"], 0);
    assert_sums(&snapshot);
}

#[test]
fn a_description_in_the_midst_of_a_stream_gives_it_a_clock_from_there_on() {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n\
               m=audio 6000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
    let invite = format!(
        "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\
         Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let mut stage = Stage::new();
    let send = |stage: &mut Stage, n: u16| {
        let packet = rtp(96, 9, n, u32::from(n) * 960);
        stage.udp(i64::from(n) * 20, "10.0.0.1:5000", "10.0.0.2:6000", &packet);
    };
    (0..20).for_each(|n| send(&mut stage, n));
    stage.udp(390, "10.0.0.2:5060", "10.0.0.1:5060", invite.as_bytes());
    (20..40).for_each(|n| send(&mut stage, n));
    let snapshot = stage.snapshot();
    let [stream] = snapshot.streams.as_slice() else { panic!("{}", snapshot.streams.len()) };
    let clock = stream.figures.timing.clock;
    assert_eq!((clock.rate, clock.source), (Some(48_000), ClockSource::Sdp));
    assert_eq!((stream.figures.packets, stream.codec.as_deref()), (40, Some("opus")));
}

#[test]
fn keyframes_are_marked_where_payloads_are_read_and_the_rest_of_a_series_is_there_anyway() {
    let sdp = b"v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=video 6000 RTP/AVP 96\r\n\
        a=rtpmap:96 VP8/90000\r\n";
    let of = |keyframes: bool| {
        let mut stage = Stage::with(Options { series: true, keyframes, ..Options::default() });
        stage.analyzer.session_description("a.sdp", sdp);
        for seq in 0..60_u16 {
            let mut packet = vec![0x80, 96];
            packet.extend(seq.to_be_bytes());
            packet.extend((u32::from(seq) * 3000).to_be_bytes());
            packet.extend([0, 0, 0, 7]);
            // A payload descriptor that begins a partition; of each thirty frames the first is a keyframe of 64x48.
            let is_key = seq % 30 == 0;
            packet.extend([0x10, u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0]);
            packet.resize(200, 0);
            stage.udp(i64::from(seq) * 33, "10.0.0.1:5000", "10.0.0.2:6000", &packet);
        }
        let snapshot = stage.snapshot();
        let series = snapshot.streams[0].series.as_ref().expect("a series").clone();
        let packets: u32 = series.points().iter().map(|point| point.packets).sum();
        (series.keyframes().iter().map(|(_, frame)| frame.0).collect::<Vec<_>>(), packets)
    };
    assert_eq!(of(true), (vec![1, 31], 60));
    assert_eq!(of(false), (vec![], 60));
}

#[test]
fn a_payload_type_in_the_midst_of_a_stream_is_counted_and_the_codec_is_that_of_most_packets() {
    let mut stage = Stage::new();
    for n in 0..60_u16 {
        let payload_type = if n == 30 { 0 } else { 8 };
        stage.udp(i64::from(n) * 20, "10.0.0.1:5000", "10.0.0.2:6000", &rtp(payload_type, 9, n, u32::from(n) * 160));
    }
    let snapshot = stage.snapshot();
    let [stream] = snapshot.streams.as_slice() else { panic!("{}", snapshot.streams.len()) };
    assert_eq!((stream.figures.payload_types.as_slice(), stream.figures.packets), ([0, 8].as_slice(), 60));
    assert_eq!(stream.figures.payload_types_by_use, [8, 0]);
    assert_eq!(stream.codec.as_deref(), Some("PCMA"));
}

#[test]
fn no_mean_is_above_the_busiest_second_where_the_network_doubles_packets() {
    let mut stage = Stage::new();
    for n in 0..200_u16 {
        let packet = rtp(0, 9, n, u32::from(n) * 160);
        stage.udp(i64::from(n) * 20, A, B, &packet);
        if n % 3 == 0 {
            stage.udp(i64::from(n) * 20 + 1, A, B, &packet);
        }
    }
    let figures = &stage.snapshot().streams[0].figures;
    assert_eq!((figures.packets, figures.sequence.duplicates), (267, 67));
    // Two hundred packets have 199 gaps.
    assert!(
        figures.mean_bps.unwrap() * 199.0 / 200.0 <= figures.max_1s_bps as f64,
        "{:?} {}",
        figures.mean_bps,
        figures.max_1s_bps
    );
}

#[test]
fn the_packet_that_begins_a_segment_has_a_gap_before_and_after_it() {
    let mut stage = Stage::new();
    let numbers = (0..50_u16).chain(20_000..20_050);
    for (at, n) in numbers.enumerate() {
        stage.udp(at as i64 * 20, A, B, &rtp(0, 9, n, at as u32 * 160));
    }
    let figures = &stage.snapshot().streams[0].figures;
    assert_eq!((figures.sequence.segments, figures.sequence.misordered), (2, 0));
    assert_eq!(figures.delta.unwrap().mean, 20.0);
    assert!((figures.mean_bps.unwrap() - 100.0 * 32.0 * 8.0 / 1.98).abs() < 1.0, "{:?}", figures.mean_bps);
}

#[test]
fn streams_that_take_turns_on_one_five_tuple_are_all_found() {
    let mut stage = Stage::new();
    for n in 0..10_u16 {
        for ssrc in 0..200 {
            stage.udp(i64::from(n) * 20, A, B, &rtp(111, 1000 + ssrc, n, u32::from(n) * 960));
        }
    }
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams.len(), 200);
    assert_eq!(classes(flow(&snapshot)), "rtp 2000");
}

#[test]
fn random_bytes_are_neither_dtls_nor_streams() {
    let mut state = 7_u64;
    let mut stage = Stage::new();
    for n in 0..20_000 {
        let payload: Vec<u8> = (0..60)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            })
            .collect();
        stage.udp(n, A, B, &payload);
    }
    let snapshot = stage.snapshot();
    let row = flow(&snapshot);
    assert_eq!((snapshot.streams.len(), row.classes.of(Class::Dtls), row.classes.of(Class::Srtp)), (0, 0, 0));
    assert!(row.classes.of(Class::Other) > 19_900, "{}", classes(row));
}
