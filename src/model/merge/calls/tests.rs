//! Sessions with all that belongs to them.

use super::super::super::call::Setup;
use super::super::super::snapshot::{Class as Kind, Snapshot};
use super::super::super::stage::{Stage, channel_data, check, rtp, stun};
use super::*;
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Class, Method, Value};

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:5060";
const MEDIA_A: &str = "10.0.0.1:4000";
const MEDIA_B: &str = "10.0.0.2:5000";

fn sip(start: &str, cseq: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nCall-ID: 1\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn invite(cseq: u32, body: &str) -> Vec<u8> {
    sip("INVITE sip:b@b SIP/2.0", &format!("{cseq} INVITE"), body)
}

fn ok(cseq: u32, body: &str) -> Vec<u8> {
    sip("SIP/2.0 200 OK", &format!("{cseq} INVITE"), body)
}

fn sdp(end: &str, sections: &str) -> String {
    let (host, port) = end.split_once(':').unwrap();
    let sections = sections.replace("PORT", port);
    format!("v=0\r\no=- {} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{sections}", host.len())
}

const AUDIO: &str = "m=audio PORT RTP/AVP 0\r\n";

fn media(stage: &mut Stage, millis: i64, from: &str, to: &str, payload_type: u8, ssrc: u32) {
    for n in 0..3 {
        stage.udp(millis + 20 * i64::from(n), from, to, &rtp(payload_type, ssrc, n, u32::from(n) * 160));
    }
}

/// A call between the two, answered after 100 ms; nothing of it is heard yet.
fn call(offer: &str, answer: &str) -> Stage {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite(1, &sdp(MEDIA_A, offer))).udp(100, B, A, &ok(1, &sdp(MEDIA_B, answer)));
    stage
}

fn only(snapshot: &Snapshot) -> &SessionSummary {
    assert_eq!(snapshot.sessions.len(), 1);
    &snapshot.sessions[0]
}

/// What is not as agreed, by section and side: `0 a: never-came`.
fn differences(stage: &mut Stage) -> Vec<String> {
    let snapshot = stage.snapshot();
    let mut all = Vec::new();
    for (at, row) in only(&snapshot).call.media.iter().enumerate() {
        for (side, seen) in ["a", "b"].into_iter().zip(&row.seen) {
            for known in &seen.differences {
                let detail = known.kind.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
                all.push(format!("{at} {side}: {}{detail}", known.kind.name()));
            }
        }
    }
    all
}

fn end(stage: &mut Stage) -> &mut Stage {
    stage.udp(9000, A, B, &sip("BYE sip:b@b SIP/2.0", "9 BYE", ""))
}

#[test]
fn a_call_has_its_media_on_both_sides_and_its_steps() {
    let mut stage = call(AUDIO, AUDIO);
    media(&mut stage, 130, MEDIA_A, MEDIA_B, 0, 7);
    media(&mut stage, 140, MEDIA_B, MEDIA_A, 0, 8);
    let snapshot = end(&mut stage).snapshot();
    let session = only(&snapshot);
    assert_eq!((&session.call.flows.join(" "), &session.call.streams.join(" ")), (&"f1 f2".into(), &"r1 r2".into()));
    let row = &session.call.media[0];
    assert_eq!([&row.seen[0].streams, &row.seen[1].streams], [&vec!["r1".to_owned()], &vec!["r2".to_owned()]]);
    let expected = Setup { signalling: Some(100.0), first_rtp: Some(30.0), total: Some(130.0), ..Setup::default() };
    assert_eq!(session.call.setup, expected);
    let steps: Vec<&str> = session.call.timeline.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["offer", "answer", "answered", "first audio", "last media", "bye"]);
    assert_eq!(differences(&mut stage), Vec::<String>::new());
}

#[test]
fn what_was_agreed_and_never_came_is_told_where_the_media_can_be_seen() {
    let mut stage = call(AUDIO, AUDIO);
    end(&mut stage);
    assert_eq!(differences(&mut stage), Vec::<String>::new(), "nobody saw the path of the media");
    let mut stage = call(AUDIO, AUDIO);
    media(&mut stage, 130, MEDIA_A, MEDIA_B, 0, 7);
    assert_eq!(differences(&mut stage), Vec::<String>::new(), "it may still come");
    end(&mut stage);
    assert_eq!(differences(&mut stage), ["0 b: never-came"]);
    let snapshot = stage.snapshot();
    assert_eq!(only(&snapshot).call.media[0].seen[1].differences[0].frames, [FrameNo(1), FrameNo(2)]);
}

#[test]
fn what_nobody_agreed_to_is_told() {
    let one_way = "m=audio PORT RTP/AVP 0\r\na=sendonly\r\n";
    let mut stage = call(one_way, AUDIO);
    media(&mut stage, 130, MEDIA_A, MEDIA_B, 0, 7);
    media(&mut stage, 140, MEDIA_B, MEDIA_A, 8, 8);
    assert_eq!(differences(end(&mut stage)), ["0 b: not-agreed", "0 b: payload-type 8"]);
}

#[test]
fn a_source_that_was_not_announced_and_an_address_that_was_not_described_are_told() {
    let named = "m=audio PORT RTP/AVP 0\r\na=ssrc:7 cname:x\r\n";
    let mut stage = call(named, named);
    media(&mut stage, 130, "10.0.0.1:4444", MEDIA_B, 0, 7);
    media(&mut stage, 140, MEDIA_B, MEDIA_A, 0, 8);
    assert_eq!(
        differences(end(&mut stage)),
        ["0 a: source-address 10.0.0.1:4444 instead of 10.0.0.1:4000", "0 b: ssrc 0x00000008"]
    );
}

#[test]
fn a_hold_is_a_round_that_changes_the_direction_whoever_asks_for_it() {
    let held = "m=audio PORT RTP/AVP 0\r\na=sendonly\r\n";
    let mut stage = call(AUDIO, AUDIO);
    stage.udp(200, A, B, &invite(2, &sdp(MEDIA_A, held))).udp(210, B, A, &ok(2, &sdp(MEDIA_B, AUDIO)));
    let back = message_from_b(1, &sdp(MEDIA_B, held));
    stage.udp(300, B, A, &back.0).udp(310, A, B, &back.1);
    let snapshot = stage.snapshot();
    let rounds: Vec<_> = only(&snapshot)
        .call
        .rounds
        .iter()
        .map(|round| (round.offer.unwrap().0, round.by_first, round.changes.join("; ")))
        .collect();
    let expected = [
        (1, true, String::new()),
        (3, true, "audio 1 sendrecv → sendonly".to_owned()),
        (5, false, "audio 1 sendonly → recvonly".to_owned()),
    ];
    assert_eq!(rounds, expected);
}

/// An INVITE within the call by who was called, and its answer.
fn message_from_b(cseq: u32, offer: &str) -> (Vec<u8>, Vec<u8>) {
    let from_b = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("tag=1", "tag=x").into_bytes();
    (from_b(invite(cseq, offer)), from_b(ok(cseq, &sdp(MEDIA_A, AUDIO))))
}

#[test]
fn of_two_calls_at_the_same_addresses_media_belongs_to_the_one_that_is_on() {
    let mut stage = call(AUDIO, AUDIO);
    media(&mut stage, 130, MEDIA_A, MEDIA_B, 0, 7);
    end(&mut stage);
    let second = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("Call-ID: 1", "Call-ID: 2").into_bytes();
    stage.udp(20_000, A, B, &second(invite(1, &sdp(MEDIA_A, AUDIO))));
    stage.udp(20_100, B, A, &second(ok(1, &sdp(MEDIA_B, AUDIO))));
    media(&mut stage, 20_130, MEDIA_A, MEDIA_B, 0, 9);
    let snapshot = stage.snapshot();
    let streams: Vec<String> = snapshot.sessions.iter().map(|session| session.call.streams.join(" ")).collect();
    assert_eq!(streams, ["r1", "r2"]);
}

#[test]
fn an_invite_that_nobody_ever_answered_has_failed() {
    let mut stage = Stage::new();
    let offer = invite(1, &sdp(MEDIA_A, AUDIO));
    let calling = stage.udp(0, A, B, &offer).snapshot();
    assert_eq!(only(&calling).state, SessionState::Calling);
    let failed = stage.udp(500, A, B, &offer).udp(33_000, "10.0.0.7:1", "10.0.0.8:1", b"x").snapshot();
    assert_eq!((only(&failed).state, only(&failed).dialog.transactions[0].requests), (SessionState::Failed, 2));
}

#[test]
fn without_signalling_checks_handshake_and_media_are_a_session() {
    let mut stage = Stage::new();
    stage.udp(0, MEDIA_A, MEDIA_B, &check(1, true));
    stage.udp(10, MEDIA_B, MEDIA_A, &stun(Class::SuccessResponse, Method::BINDING, 1, &[]));
    stage.handshake(20, MEDIA_A, MEDIA_B);
    media(&mut stage, 60, MEDIA_A, MEDIA_B, 96, 7);
    // The same two fragments on another path.
    stage.udp(70, "10.0.0.1:4001", "10.0.0.2:5001", &check(2, false));
    let snapshot = stage.snapshot();
    let session = only(&snapshot);
    assert_eq!(
        (session.signal, session.state, session.call_id.as_str()),
        (Signal::None, SessionState::Established, "")
    );
    let call = &session.call;
    let lists = [&call.flows, &call.streams, &call.handshakes, &call.pairs].map(|ids| ids.join(" "));
    assert_eq!(lists, ["f1 f2", "r1", "d1", "p1 p2"]);
    assert_eq!((call.setup.first_check, call.setup.nomination, call.setup.total), (Some(0.0), Some(10.0), Some(60.0)));
    assert_eq!(call.setup.handshake, snapshot.handshakes[0].handshake.handshake_ms());
}

#[test]
fn media_alone_is_a_session_whose_begin_nobody_knows() {
    let mut stage = Stage::new();
    media(&mut stage, 0, MEDIA_A, MEDIA_B, 0, 7);
    media(&mut stage, 5, MEDIA_B, MEDIA_A, 0, 8);
    media(&mut stage, 9, "10.0.0.1:4002", "10.0.0.2:5002", 0, 9);
    let snapshot = stage.snapshot();
    let streams: Vec<String> = snapshot.sessions.iter().map(|session| session.call.streams.join(" ")).collect();
    assert_eq!(streams, ["r1 r2", "r3"], "the same two hosts alone do not make a call");
    assert_eq!(snapshot.sessions[0].call.setup, Setup::default());
}

#[test]
fn an_allocation_belongs_to_the_session_of_what_is_inside_it() {
    const TURN: &str = "10.0.0.9:3478";
    let mut stage = Stage::new();
    let lifetime = [(AttributeType::LIFETIME, Value::U32(600))];
    let relayed = Value::Address("10.0.0.9:50000".parse().unwrap());
    let granted = [lifetime[0], (AttributeType::XOR_RELAYED_ADDRESS, relayed)];
    stage.udp(0, MEDIA_A, TURN, &stun(Class::Request, Method::ALLOCATE, 1, &[]));
    stage.udp(5, TURN, MEDIA_A, &stun(Class::SuccessResponse, Method::ALLOCATE, 1, &granted));
    for n in 0..3 {
        stage.udp(20 + i64::from(n), MEDIA_A, TURN, &channel_data(0x4000, &rtp(96, 7, n, u32::from(n) * 160)));
    }
    let snapshot = stage.snapshot();
    let call = &only(&snapshot).call;
    assert_eq!([&call.allocations, &call.streams, &call.flows].map(|ids| ids.join(" ")), ["t1", "r1", "f1 f2"]);
    assert_eq!((call.setup.gathering, call.setup.total), (Some(5.0), Some(20.0)));
    assert!(snapshot.packets.of(Kind::TurnChannel) > 0);
}

#[test]
fn a_codec_inside_red_is_what_both_sides_want_most() {
    let section = "m=audio PORT RTP/AVP 118 96\r\na=rtpmap:118 red/48000\r\na=rtpmap:96 opus/48000/2\r\n";
    let mut stage = call(section, section);
    media(&mut stage, 130, MEDIA_A, MEDIA_B, 118, 7);
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.streams[0].codec.as_deref(), snapshot.streams[0].in_red), (Some("opus"), true));
    assert!(snapshot.sessions[0].call.media[0].seen[0].differences.is_empty());
}
