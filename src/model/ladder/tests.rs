//! What becomes an event, and what is folded.

use super::super::snapshot::{Signal, SignalMessage};
use super::super::stage::{Stage, check, rtp, stun};
use super::*;
use crate::proto::stun::{AttributeType, Class, Method, Value};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:3478";

fn ladder(stage: &mut Stage) -> Ladder {
    Ladder::of(&stage.snapshot(), None, 8).unwrap()
}

/// `1 0>1 text` for each event.
fn lines(ladder: &Ladder) -> Vec<String> {
    let line = |event: &Event| match event.arrow {
        Some(arrow) => format!("{} {}>{} {}", event.frame, arrow.from, arrow.to, event.text),
        None => format!("{} ! {}", event.frame, event.text),
    };
    ladder.events.iter().map(line).collect()
}

fn sip(start: &str, call: &str, cseq: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{start}\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn sdp(host: &str, port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// Two calls between the same hosts; the first is put on hold.
fn two_calls() -> Stage {
    let (a, b) = ("10.0.0.1:5060", "10.0.0.2:5060");
    let mut stage = Stage::new();
    stage.udp(0, a, b, &sip("INVITE sip:b SIP/2.0", "one", "1 INVITE", &sdp("10.0.0.1", 4000, "sendrecv")));
    stage.udp(500, a, b, &sip("INVITE sip:b SIP/2.0", "one", "1 INVITE", &sdp("10.0.0.1", 4000, "sendrecv")));
    stage.udp(510, b, a, &sip("SIP/2.0 200 OK", "one", "1 INVITE", &sdp("10.0.0.2", 6000, "sendrecv")));
    for n in 0..3 {
        let at = i64::from(n) * 20 + 520;
        stage.udp(at, "10.0.0.1:4000", "10.0.0.2:6000", &rtp(0, 7, n, u32::from(n) * 160));
        stage.udp(at + 1, "10.0.0.1:4002", "10.0.0.2:6002", &rtp(0, 8, n, u32::from(n) * 160));
    }
    stage.udp(600, a, b, &sip("INVITE sip:b SIP/2.0", "two", "1 INVITE", &sdp("10.0.0.1", 4002, "sendrecv")));
    stage.udp(610, b, a, &sip("SIP/2.0 486 Busy Here", "two", "1 INVITE", ""));
    stage.udp(700, a, b, &sip("INVITE sip:b SIP/2.0", "one", "2 INVITE", &sdp("10.0.0.1", 4000, "sendonly")));
    stage
}

#[test]
fn a_call_is_its_messages_and_its_media_in_order() {
    let ladder = ladder(&mut two_calls());
    assert_eq!(
        lines(&ladder),
        [
            "1 0>1 SIP INVITE with SDP, sent 2 times",
            "3 1>0 SIP 200 OK with SDP",
            "4 0>1 RTP audio PCMU r1: 3 packets until 0.560 s",
            "5 0>1 RTP audio PCMU r2: 3 packets until 0.561 s",
            "10 0>1 SIP INVITE with SDP",
            "10 ! SIP_CALL_REFUSED sip:a@a → sip:b@b: the call was refused with 486 Busy Here",
            "11 1>0 SIP 486 Busy Here",
            "12 0>1 SIP INVITE with SDP: audio sendonly",
        ]
    );
    let tones = [0, 1, 2, 6].map(|at| ladder.events[at].tone);
    assert_eq!(tones, [Tone::Doubtful, Tone::Good, Tone::Good, Tone::Bad]);
    assert_eq!(ladder.events[2].arrow.unwrap().stroke, Stroke::Media);
    assert_eq!(ladder.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_session_has_its_own_messages_and_the_flows_that_its_descriptions_name() {
    let snapshot = two_calls().snapshot();
    let of = |id| {
        lines(&Ladder::of(&snapshot, Some(id), 8).unwrap()).iter().map(|line| line[..1].to_owned()).collect::<String>()
    };
    assert_eq!(of("s1"), "1341");
    assert_eq!(of("s2"), "5111");
    let unknown = Ladder::of(&snapshot, Some("s3"), 8).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no session `s3`; there are 2: s1, s2");
}

/// Two calls one behind the other with the same ports for their media; each has checks there.
fn ports_used_again() -> Stage {
    let (a, b) = ("10.0.0.1:5060", "10.0.0.2:5060");
    let mut stage = Stage::new();
    for (number, call) in [(0, "one"), (1, "two")] {
        let begin = i64::from(number) * 20_000;
        stage.udp(begin, a, b, &sip("INVITE sip:b SIP/2.0", call, "1 INVITE", &sdp("10.0.0.1", 4000, "sendrecv")));
        stage.udp(begin + 10, b, a, &sip("SIP/2.0 200 OK", call, "1 INVITE", &sdp("10.0.0.2", 6000, "sendrecv")));
        let binding = stun(Class::Request, Method::BINDING, number as u8 + 1, &[]);
        stage.udp(begin + 15, "10.0.0.1:4000", "10.0.0.2:6000", &binding);
        for n in 0..4_u16 {
            // Of the second call one packet is missing.
            let seq = if n == 3 { n + number as u16 } else { n };
            let packet = rtp(0, 7 + number, seq, u32::from(seq) * 160);
            stage.udp(begin + 20 + i64::from(seq) * 20, "10.0.0.1:4000", "10.0.0.2:6000", &packet);
        }
        stage.udp(begin + 200, a, b, &sip("BYE sip:b SIP/2.0", call, "2 BYE", ""));
        stage.udp(begin + 210, b, a, &sip("SIP/2.0 200 OK", call, "2 BYE", ""));
    }
    stage
}

#[test]
fn a_session_has_nothing_of_another_that_used_its_ports_before_or_behind_it() {
    let snapshot = ports_used_again().snapshot();
    let frames = |id| -> Vec<u64> {
        Ladder::of(&snapshot, Some(id), 8).unwrap().events.iter().map(|event| event.frame.0).collect()
    };
    let (first, second) = (frames("s1"), frames("s2"));
    assert_eq!(snapshot.streams.len(), 2);
    assert!(first.contains(&3) && first.contains(&4) && first.iter().all(|frame| *frame <= 9), "{first:?}");
    assert!(second.contains(&12) && second.contains(&13) && second.iter().all(|frame| *frame >= 10), "{second:?}");
}

#[test]
fn a_session_without_signalling_before_it_leaves_a_call_its_own_messages() {
    let mut stage = Stage::new();
    for id in 1..=3 {
        stage.udp(i64::from(id), "10.0.1.1:1000", "10.0.1.2:2000", &check(id, true));
        let answer = stun(Class::SuccessResponse, Method::BINDING, id, &[]);
        stage.udp(i64::from(id) + 1, "10.0.1.2:2000", "10.0.1.1:1000", &answer);
    }
    let invite = sip("INVITE sip:b SIP/2.0", "one", "1 INVITE", &sdp("10.0.0.1", 4000, "sendrecv"));
    stage.udp(500, "10.0.0.1:5060", "10.0.0.2:5060", &invite);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.sessions.len(), 2);
    let ladder = Ladder::of(&snapshot, Some("s2"), 8).unwrap();
    assert_eq!(lines(&ladder), ["7 0>1 SIP INVITE with SDP"]);
}

#[test]
fn only_messages_with_the_same_bytes_were_sent_again() {
    let mut stage = Stage::new();
    stage.udp(0, "10.0.0.1:5060", "10.0.0.2:5060", &sip("INVITE sip:b SIP/2.0", "one", "1 INVITE", ""));
    let mut snapshot = stage.snapshot();
    let message = snapshot.signals[0].clone();
    let candidate = |frame, key: &str| SignalMessage {
        frame: FrameNo(frame),
        signal: Signal::Websocket,
        text: "candidate".to_owned(),
        key: key.to_owned(),
        ..message.clone()
    };
    snapshot.signals = vec![candidate(1, "a"), candidate(2, "b"), candidate(3, "a")];
    let ladder = Ladder::of(&snapshot, None, 8).unwrap();
    assert_eq!(lines(&ladder), ["1 0>1 WEBSOCKET candidate, sent 2 times", "2 0>1 WEBSOCKET candidate"]);
    assert_eq!(ladder.events[1].tone, Tone::Plain);
}

#[test]
fn checks_are_shown_once_and_then_counted_and_those_without_an_answer_by_themselves() {
    let mut stage = Stage::new();
    for id in 1..=4 {
        let at = i64::from(id) * 100;
        stage.udp(at, A, B, &check(id, id == 3));
        stage.udp(at + 2, B, A, &stun(Class::SuccessResponse, Method::BINDING, id, &[]));
    }
    stage.udp(600, A, B, &check(9, false)).udp(700, A, B, &check(9, false)).udp(800, A, B, &check(9, false));
    assert_eq!(
        lines(&ladder(&mut stage)),
        [
            "1 0>1 STUN Binding, answered in 2.0 ms (frame 2)",
            "3 0>1 STUN Binding, answered: 2 more until 0.300 s",
            "5 0>1 STUN Binding USE-CANDIDATE, answered in 2.0 ms (frame 6)",
            "9 0>1 STUN Binding request, no answer, sent 3 times",
        ]
    );
}

#[test]
fn a_refusal_by_a_turn_server_has_its_code_and_the_server_its_role() {
    let code = Value::ErrorCode { code: 486, reason: b"Allocation Quota Reached" };
    let mut stage = Stage::new();
    stage.udp(0, A, B, &stun(Class::Request, Method::ALLOCATE, 1, &[]));
    stage.udp(4, B, A, &stun(Class::ErrorResponse, Method::ALLOCATE, 1, &[(AttributeType::ERROR_CODE, code)]));
    let ladder = ladder(&mut stage);
    let lines = lines(&ladder);
    assert_eq!(lines[..2], ["1 0>1 TURN Allocate request", "2 1>0 TURN Allocate 486 Allocation Quota Reached, 4.0 ms"]);
    assert!(lines[2].starts_with("2 ! TURN_QUOTA_REACHED"), "{lines:?}");
    assert_eq!(ladder.hosts[1].roles, ["TURN server"]);
    assert_eq!(ladder.events[1].tone, Tone::Bad);
    assert!(ladder.events[2].ts.is_some());
}

#[test]
fn a_handshake_is_its_flights_with_the_time_it_took() {
    let ladder = ladder(Stage::new().handshake(0, A, B));
    let lines = lines(&ladder);
    assert_eq!(lines[0], "1 0>1 DTLS ClientHello");
    assert!(lines.last().unwrap().ends_with("Finished; DTLS 1.2 complete after 3.0 ms"), "{lines:?}");
    assert!(ladder.events.iter().all(|event| event.arrow.is_some()));
}

#[test]
fn an_address_that_talks_to_itself_has_a_column_for_each_port() {
    let mut stage = Stage::new();
    stage.udp(0, "127.0.0.1:1000", "127.0.0.1:2000", &check(1, false));
    stage.udp(1, "127.0.0.1:1000", "10.0.0.9:3000", &check(2, false));
    let names: Vec<String> = ladder(&mut stage).hosts.into_iter().map(|host| host.name).collect();
    assert_eq!(names, ["127.0.0.1:1000", "127.0.0.1:2000", "10.0.0.9"]);
}

#[test]
fn hosts_without_a_column_are_counted_and_the_busiest_stay() {
    let mut stage = Stage::new();
    for id in 1..=5 {
        stage.udp(0, A, &format!("10.0.1.{id}:1"), &check(id, false));
    }
    stage.udp(1, A, "10.0.1.4:2", &check(9, false));
    let ladder = Ladder::of(&stage.snapshot(), None, 3).unwrap();
    let names: Vec<&str> = ladder.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!((names, ladder.left_out), (vec!["10.0.0.1", "10.0.1.1", "10.0.1.4"], 3));
}

#[test]
fn many_streams_that_are_alike_are_told_as_one() {
    let mut stage = Stage::new();
    for ssrc in 1..=8 {
        stage.udp(0, A, B, &rtp(0, ssrc, 1, 0)).udp(20, A, B, &rtp(0, ssrc, 2, 160));
    }
    assert_eq!(
        lines(&ladder(&mut stage)),
        ["1 0>1 RTP audio PCMU r1: 2 packets until 0.020 s", "3 0>1 RTP audio PCMU: 7 more until 0.000 s"]
    );
}
