use super::*;
use crate::net::datagram::{Carrier, Endpoint, Transport, TunnelId};
use proptest::prelude::*;

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;

fn flow(reverse: bool) -> FiveTuple {
    let client = Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, 1], 40000)));
    let server = Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, 2], 3478)));
    let (src, dst) = if reverse { (server, client) } else { (client, server) };
    FiveTuple { src, dst, transport: Transport::Tcp, tunnel: TunnelId(0) }
}

fn segment(frame: u64, flags: u8, seq: u32, payload: &[u8]) -> Segment<'_> {
    let carrier = Carrier {
        ts: Timestamp::from_nanos(frame as i64 * 1000),
        frame: FrameNo(frame),
        ip_len: 40 + payload.len() as u32,
        ip_id: None,
        ttl: 64,
        traffic_class: 0,
        link_tag: 0,
    };
    Segment { carrier, flow: flow(false), seq, ack: 0, flags: TcpFlags(flags), missing: 0, payload }
}

fn reply(frame: u64, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Segment<'_> {
    Segment { flow: flow(true), ack, ..segment(frame, flags, seq, payload) }
}

/// The events as short lines.
#[derive(Default)]
struct Log(Vec<String>);

impl Log {
    fn note(&mut self, event: StreamEvent<'_>) {
        self.0.push(match event {
            StreamEvent::Start { from_syn } => format!("start {from_syn}"),
            StreamEvent::Data { bytes, offset, frame, .. } => {
                format!("{offset}:{} #{frame}", String::from_utf8_lossy(bytes))
            }
            StreamEvent::Gap { bytes, offset, frame, .. } => format!("{offset}:gap {bytes} #{frame}"),
            StreamEvent::End { reset } => format!("end {reset}"),
        });
    }
}

fn run(stream: &mut StreamAssembler, segments: &[Segment<'_>]) -> Vec<String> {
    let mut log = Log::default();
    for segment in segments {
        stream.segment(segment, &mut |event| log.note(event));
    }
    log.0
}

fn finish(stream: &mut StreamAssembler) -> Vec<String> {
    let mut log = Log::default();
    stream.finish(&mut |event| log.note(event));
    log.0
}

fn run_connection(connection: &mut Connection, segments: &[Segment<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for segment in segments {
        connection.segment(segment, &mut |direction, event| {
            let mut log = Log::default();
            log.note(event);
            let arrow = if direction == Direction::Forward { ">" } else { "<" };
            lines.extend(log.0.into_iter().map(|line| format!("{arrow} {line}")));
        });
    }
    lines
}

#[test]
fn bytes_in_order_are_the_slices_of_the_segments_themselves() {
    let mut stream = StreamAssembler::new();
    let payload = b"hello".as_slice();
    let mut same = false;
    stream.segment(&segment(1, SYN, 99, b""), &mut |_| {});
    stream.segment(&segment(2, ACK, 100, payload), &mut |event| {
        if let StreamEvent::Data { bytes, .. } = event {
            same = std::ptr::eq(bytes, payload);
        }
    });
    assert!(same);
    assert_eq!(stream.held_cost(), 0);
}

#[test]
fn a_segment_before_its_turn_waits_and_keeps_its_own_frame() {
    let mut stream = StreamAssembler::new();
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, 99, b""),
            segment(2, ACK, 103, b"def"),
            segment(3, ACK, 106, b"g"),
            segment(4, ACK, 100, b"abc"),
        ],
    );
    assert_eq!(lines, ["start true", "0:abc #4", "3:def #2", "6:g #3"]);
    assert_eq!(stream.held_cost(), 0);
}

#[test]
fn the_first_bytes_of_an_overlap_win() {
    let mut stream = StreamAssembler::new();
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, 99, b""),
            segment(2, ACK, 100, b"ab"),
            segment(3, ACK, 104, b"ef"),
            segment(4, ACK, 103, b"DEFG"),
            segment(5, ACK, 100, b"ABCDEFGH"),
        ],
    );
    assert_eq!(lines, ["start true", "0:ab #2", "2:C #5", "3:D #4", "4:ef #3", "6:G #4", "7:H #5"]);
}

#[test]
fn a_retransmission_is_not_handed_on() {
    let mut stream = StreamAssembler::new();
    let lines =
        run(&mut stream, &[segment(1, SYN, 99, b""), segment(2, ACK, 100, b"abc"), segment(3, ACK, 100, b"abc")]);
    assert_eq!(lines, ["start true", "0:abc #2"]);
}

#[test]
fn a_capture_that_begins_in_the_middle_begins_with_its_first_bytes() {
    let mut stream = StreamAssembler::new();
    let lines = run(&mut stream, &[segment(1, ACK, 499, b""), segment(2, ACK, 500, b"ab"), segment(3, ACK, 502, b"c")]);
    assert_eq!(lines, ["start false", "0:ab #2", "2:c #3"]);
}

#[test]
fn sequence_numbers_wrap() {
    let mut stream = StreamAssembler::new();
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, u32::MAX - 2, b""),
            segment(2, ACK, 1, b"def"),
            segment(3, ACK, u32::MAX - 1, b"abc"),
            segment(4, ACK | FIN, 4, b""),
        ],
    );
    assert_eq!(lines, ["start true", "0:abc #3", "3:def #2", "end false"]);
}

#[test]
fn more_than_four_gibibytes_keep_their_offsets() {
    let mut stream = StreamAssembler::new();
    run(&mut stream, &[segment(1, SYN, 0, b"")]);
    let step = 1 << 20;
    let mut seq = 1_u32;
    for frame in 0..4100 {
        run(&mut stream, &[Segment { missing: step - 1, ..segment(frame, ACK, seq, b"x") }]);
        seq = seq.wrapping_add(step);
    }
    let lines = run(&mut stream, &[segment(5000, ACK, seq, b"end")]);
    assert_eq!(lines, [format!("{}:end #5000", 4100_u64 << 20)]);
}

#[test]
fn a_hole_is_given_up_when_too_many_pieces_wait() {
    let mut stream = StreamAssembler::new();
    run(&mut stream, &[segment(1, SYN, 99, b""), segment(2, ACK, 100, b"ab")]);
    let mut lines = Vec::new();
    for index in 0..257 {
        assert!(lines.is_empty());
        lines = run(&mut stream, &[segment(u64::from(index) + 3, ACK, 112 + index, b"x")]);
    }
    assert_eq!(lines.first().map(String::as_str), Some("2:gap 10 #3"));
    assert_eq!(lines.len(), 258);
    assert_eq!(stream.held_cost(), 0);
}

#[test]
fn a_hole_is_given_up_when_too_many_bytes_wait() {
    let mut stream = StreamAssembler::new();
    run(&mut stream, &[segment(1, SYN, 99, b"")]);
    let large = vec![b'x'; 60_000];
    let mut seq = 101_u32;
    for frame in 0..17 {
        assert!(run(&mut stream, &[segment(frame, ACK, seq, &large)]).is_empty());
        seq += 60_000;
    }
    let lines = run(&mut stream, &[segment(20, ACK, seq, &large)]);
    assert_eq!(lines.first().map(String::as_str), Some("0:gap 1 #0"));
    assert_eq!(lines.len(), 19);
}

#[test]
fn an_acknowledged_hole_is_given_up_at_once() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            reply(2, SYN | ACK, 499, 100, b""),
            segment(3, ACK, 100, b"ab"),
            segment(4, ACK, 105, b"fg"),
            reply(5, ACK, 500, 107, b""),
            segment(6, ACK, 107, b"h"),
        ],
    );
    assert_eq!(lines, ["> start true", "< start true", "> 0:ab #3", "> 2:gap 3 #4", "> 5:fg #4", "> 7:h #6"]);
}

#[test]
fn an_acknowledgment_that_was_captured_before_its_bytes_loses_nothing() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            reply(2, SYN | ACK, 499, 100, b""),
            reply(3, ACK, 500, 102, b""),
            segment(4, ACK, 100, b"ab"),
            reply(5, ACK, 500, 107, b""),
            segment(6, ACK, 107, b"h"),
        ],
    );
    assert_eq!(lines, ["> start true", "< start true", "> 0:ab #4", "> 2:gap 5 #6", "> 7:h #6"]);
}

#[test]
fn cut_off_bytes_are_a_gap_behind_the_captured_ones() {
    let mut stream = StreamAssembler::new();
    let cut = |frame, seq, payload| Segment { missing: 5, ..segment(frame, ACK, seq, payload) };
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, 99, b""),
            cut(2, 100, b"ab"),
            cut(3, 114, b"no"),
            cut(4, 107, b"hi"),
            segment(5, ACK, 121, b"v"),
        ],
    );
    assert_eq!(
        lines,
        ["start true", "0:ab #2", "2:gap 5 #2", "7:hi #4", "9:gap 5 #4", "14:no #3", "16:gap 5 #3", "21:v #5"]
    );
}

#[test]
fn keep_alives_and_window_probes_hand_on_no_byte_twice() {
    let mut stream = StreamAssembler::new();
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, 99, b""),
            segment(2, ACK, 100, b"abc"),
            segment(3, ACK, 102, b"\0"),
            segment(4, ACK, 102, b""),
            segment(5, ACK, 103, b"d"),
            segment(6, ACK, 103, b"def"),
        ],
    );
    assert_eq!(lines, ["start true", "0:abc #2", "3:d #5", "4:ef #6"]);
}

#[test]
fn a_fin_waits_for_the_bytes_before_it() {
    let mut stream = StreamAssembler::new();
    let lines =
        run(&mut stream, &[segment(1, SYN, 99, b""), segment(2, ACK | FIN, 103, b"d"), segment(3, ACK, 100, b"abc")]);
    assert_eq!(lines, ["start true", "0:abc #3", "3:d #2", "end false"]);
    assert!(run(&mut stream, &[segment(4, ACK | FIN, 103, b"d")]).is_empty());
}

#[test]
fn an_acknowledged_fin_ends_the_stream_though_bytes_before_it_are_missing() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            reply(2, SYN | ACK, 499, 100, b""),
            segment(3, ACK | FIN, 110, b""),
            reply(4, ACK, 500, 111, b""),
        ],
    );
    assert_eq!(lines, ["> start true", "< start true", "> 0:gap 10 #3", "> end false"]);
}

#[test]
fn the_end_of_the_capture_hands_on_what_waits() {
    let mut stream = StreamAssembler::new();
    run(&mut stream, &[segment(1, SYN, 99, b""), segment(2, ACK, 104, b"e"), segment(3, ACK | FIN, 107, b"")]);
    assert_eq!(finish(&mut stream), ["0:gap 4 #2", "4:e #2", "5:gap 2 #3", "end false"]);
    assert!(finish(&mut stream).is_empty());
}

#[test]
fn a_reset_ends_the_stream_and_its_number_is_no_acknowledgment() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            reply(2, SYN | ACK, 499, 100, b""),
            segment(3, ACK, 105, b"fg"),
            reply(4, RST | ACK, 500, 107, b""),
        ],
    );
    assert_eq!(lines, ["> start true", "< start true", "< end true"]);
}

#[test]
fn a_refused_connection_ends_the_stream_that_never_began() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(&mut connection, &[segment(1, SYN, 99, b""), reply(2, RST | ACK, 0, 100, b"")]);
    assert_eq!(lines, ["> start true", "< end true"]);
}

#[test]
fn a_new_syn_on_the_five_tuple_is_a_new_connection_in_both_directions() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            reply(2, SYN | ACK, 499, 100, b""),
            segment(3, ACK, 102, b"c"),
            reply(4, ACK, 500, 100, b"old"),
            segment(5, SYN, 7000, b""),
            reply(6, SYN | ACK, 9000, 7001, b""),
            reply(7, ACK, 9001, 7001, b"new"),
            segment(8, ACK, 7001, b"new"),
        ],
    );
    assert_eq!(
        lines,
        [
            "> start true",
            "< start true",
            "< 0:old #4",
            "> 0:gap 2 #3",
            "> 2:c #3",
            "> start true",
            "< start true",
            "< 0:new #7",
            "> 0:new #8"
        ]
    );
}

#[test]
fn repeated_syns_open_nothing() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[
            segment(1, SYN, 99, b""),
            segment(10, SYN, 99, b""),
            reply(13, SYN | ACK, 499, 100, b""),
            reply(14, SYN | ACK, 499, 100, b""),
            Segment { ack: 500, ..segment(18, ACK, 100, b"") },
        ],
    );
    assert_eq!(lines, ["> start true", "< start true"]);
}

#[test]
fn a_syn_that_was_not_captured_is_known_from_its_answer() {
    let mut connection = Connection::new(flow(true));
    let lines = run_connection(
        &mut connection,
        &[reply(1, SYN | ACK, 499, 100, b""), segment(2, ACK, 102, b"cd"), segment(3, ACK, 100, b"ab")],
    );
    assert_eq!(lines, ["> start true", "< start true", "< 0:ab #3", "< 2:cd #2"]);
}

#[test]
fn data_on_the_syn_is_the_start_of_the_stream() {
    let mut connection = Connection::new(flow(false));
    let lines = run_connection(
        &mut connection,
        &[segment(1, SYN, 99, b"fast"), reply(2, SYN | ACK, 499, 104, b""), segment(3, ACK, 104, b"er")],
    );
    assert_eq!(lines, ["> start true", "> 0:fast #1", "< start true", "> 4:er #3"]);
}

#[test]
fn a_lone_segment_far_outside_the_window_is_ignored_and_two_that_join_are_a_new_start() {
    let mut stream = StreamAssembler::new();
    let lines = run(
        &mut stream,
        &[
            segment(1, SYN, 99, b""),
            segment(2, ACK, 0x7000_0000, b"wild"),
            segment(3, ACK, 100, b"ab"),
            segment(4, ACK, 0xc000_0000, b"xx"),
            segment(5, ACK, 0xc000_0002, b"yy"),
            segment(6, ACK, 0xc000_0004, b"zz"),
        ],
    );
    assert_eq!(lines, ["start true", "0:ab #3", "start false", "0:yy #5", "2:zz #6"]);
}

#[test]
fn garbage_segments_keep_the_bounds_and_never_panic() {
    let mut connection = Connection::new(flow(false));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let payload = vec![0_u8; 70_000];
    for frame in 0..20_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let near = (state >> 8) as u32 % 400_000;
        let seq = if state & 0xf0 == 0 { (state >> 20) as u32 } else { near };
        let length = if state & 7 == 0 { (state >> 40) as usize % 70_000 } else { (state >> 40) as usize % 8 };
        let flags = if state & 0x300 == 0 { (state >> 32) as u8 } else { ACK };
        let garbage = Segment {
            flow: flow(state & 1 == 0),
            ack: (state >> 44) as u32,
            missing: if state & 0x3c00 == 0 { (state >> 16) as u32 } else { 0 },
            ..segment(frame, flags, seq, &payload[..length])
        };
        connection.segment(&garbage, &mut |_, _| {});
        for stream in [&connection.forward, &connection.reverse] {
            assert!(stream.held_cost() <= (1 << 20) + 256 * 96);
        }
    }
    connection.finish(&mut |_, _| {});
    assert_eq!(connection.held_cost(), 0);
}

/// Ranges that cover a stream of `length` bytes, with overlaps and repetitions, in any order.
fn segments_of(length: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let cuts = proptest::collection::vec(0..length, 0..20);
    let extra = proptest::collection::vec((0..length, 1..40_usize), 0..20);
    (cuts, extra).prop_flat_map(move |(mut cuts, extra)| {
        cuts.extend([0, length]);
        cuts.sort_unstable();
        let mut ranges: Vec<_> =
            cuts.windows(2).map(|pair| (pair[0], pair[1])).filter(|(start, end)| start < end).collect();
        ranges.extend(extra.into_iter().map(|(start, size)| (start, (start + size).min(length))));
        Just(ranges).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_of_repeated_and_overlapping_segments_gives_the_stream(
        (stream, ranges) in proptest::collection::vec(any::<u8>(), 1..600)
            .prop_flat_map(|stream| { let ranges = segments_of(stream.len()); (Just(stream), ranges) }),
        isn: u32,
        fin_at in 0..40_usize,
    ) {
        let mut assembler = StreamAssembler::new();
        let mut out = Vec::new();
        let mut ends = 0;
        let mut sink = |event: StreamEvent<'_>| match event {
            StreamEvent::Data { bytes, offset, .. } => {
                assert_eq!(offset, out.len() as u64);
                out.extend_from_slice(bytes);
            }
            StreamEvent::Gap { .. } => panic!("nothing is missing"),
            StreamEvent::End { reset } => {
                assert!(!reset);
                ends += 1;
            }
            StreamEvent::Start { from_syn } => assert!(from_syn),
        };
        assembler.segment(&segment(1, SYN, isn, b""), &mut sink);
        let first = isn.wrapping_add(1);
        let fin = segment(2, ACK | FIN, first.wrapping_add(stream.len() as u32), b"");
        for (index, (start, end)) in ranges.iter().copied().enumerate() {
            if index == fin_at {
                assembler.segment(&fin, &mut sink);
            }
            let seq = first.wrapping_add(start as u32);
            assembler.segment(&segment(3, ACK, seq, &stream[start..end]), &mut sink);
        }
        if fin_at >= ranges.len() {
            assembler.segment(&fin, &mut sink);
        }
        prop_assert_eq!(&out, &stream);
        prop_assert_eq!(ends, 1);
        prop_assert_eq!(assembler.held_cost(), 0);
    }
}
