//! Calls from the first INVITE on, and what they say of media.

use super::super::snapshot::Snapshot;
use super::super::stage::{Stage, rtp};
use super::*;
use crate::packet::FrameNo;

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:5060";

fn sip(start: &str, call: &str, method: &str, body: &str) -> Vec<u8> {
    message(start, call, &format!("1 {method}"), "1", body)
}

fn message(start: &str, call: &str, cseq: &str, from_tag: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag={from_tag}\r\nTo: <sip:b@b>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request within the call, by the caller.
fn request(cseq: &str, body: &str) -> Vec<u8> {
    let (_, method) = cseq.split_once(' ').unwrap();
    message(&format!("{method} sip:b@b SIP/2.0"), "1", cseq, "1", body)
}

/// The response to it.
fn response(code: u16, cseq: &str, body: &str) -> Vec<u8> {
    message(&format!("SIP/2.0 {code} Because"), "1", cseq, "1", body)
}

/// Frames of the offer and of the answer that stand for the call.
fn exchange(stage: &mut Stage) -> (Option<u64>, Option<u64>) {
    let session = stage.snapshot().sessions.remove(0);
    let frame = |described: Option<&Described>| described.and_then(|described| described.frame).map(|frame| frame.0);
    (frame(session.offer()), frame(session.answer()))
}

/// Frame and part of each description: `1 offer, 2 answer`.
fn parts(stage: &mut Stage) -> String {
    let session = stage.snapshot().sessions.remove(0);
    let part =
        |known: &Described| format!("{} {}", known.frame.unwrap(), if known.is_offer { "offer" } else { "answer" });
    session.descriptions.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn ours(port: u16) -> String {
    description("10.0.0.1", port, "sendrecv")
}

fn theirs(port: u16) -> String {
    description("10.0.0.2", port, "sendrecv")
}

fn description(host: &str, port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 96\r\n\
         a=rtpmap:96 opus/48000/2\r\na={direction}\r\n"
    )
}

fn invite(body: &str) -> Vec<u8> {
    sip("INVITE sip:b@b SIP/2.0", "1", "INVITE", body)
}

fn reply(code: u16, body: &str) -> Vec<u8> {
    sip(&format!("SIP/2.0 {code} Because"), "1", "INVITE", body)
}

fn state(snapshot: &Snapshot) -> SessionState {
    assert_eq!(snapshot.sessions.len(), 1);
    snapshot.sessions[0].state
}

#[test]
fn a_call_rings_is_established_and_ends() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite(""));
    assert_eq!(state(&stage.snapshot()), SessionState::Calling);
    stage.udp(5, B, A, &reply(100, ""));
    assert_eq!(state(&stage.snapshot()), SessionState::Calling);
    stage.udp(10, B, A, &reply(180, ""));
    assert_eq!(state(&stage.snapshot()), SessionState::Ringing);
    stage.udp(300, B, A, &reply(200, ""));
    let snapshot = stage.snapshot();
    assert_eq!((state(&snapshot), snapshot.sessions[0].setup_ms), (SessionState::Established, Some(300.0)));
    stage.udp(900, A, B, &sip("BYE sip:b@b SIP/2.0", "1", "BYE", ""));
    let snapshot = stage.udp(901, B, A, &sip("SIP/2.0 200 OK", "1", "BYE", "")).snapshot();
    assert_eq!(state(&snapshot), SessionState::Ended);
    let session = &snapshot.sessions[0];
    assert_eq!((session.from.as_deref(), session.to.as_deref()), (Some("sip:a@a"), Some("sip:b@b")));
    assert_eq!(session.addresses.map(|(from, to)| (from.to_string(), to.to_string())), Some((A.into(), B.into())));
}

#[test]
fn final_responses_decide_what_became_of_a_call() {
    for (code, expected) in [
        (486, SessionState::Refused),
        (487, SessionState::Cancelled),
        (603, SessionState::Refused),
        (503, SessionState::Failed),
        (408, SessionState::Failed),
        (407, SessionState::Calling),
    ] {
        let snapshot = Stage::new().udp(0, A, B, &invite("")).udp(10, B, A, &reply(code, "")).snapshot();
        assert_eq!(state(&snapshot), expected, "{code}");
        assert_eq!(snapshot.sessions[0].status, Some((code, "Because".to_owned())));
    }
}

#[test]
fn a_refused_re_invite_leaves_the_call_as_it_was() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite("")).udp(10, B, A, &reply(200, ""));
    stage.udp(20, A, B, &invite("")).udp(30, B, A, &reply(488, ""));
    assert_eq!(state(&stage.snapshot()), SessionState::Established);
}

#[test]
fn a_bye_behind_a_refusal_does_not_make_it_a_call_that_ended() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(5, B, A, &response(180, "1 INVITE", ""));
    stage.udp(10, B, A, &response(403, "1 INVITE", "")).udp(11, A, B, &request("1 ACK", ""));
    stage.udp(12, A, B, &request("2 BYE", "")).udp(13, B, A, &response(200, "2 BYE", ""));
    let snapshot = stage.snapshot();
    assert_eq!(state(&snapshot), SessionState::Refused);
    assert_eq!(snapshot.sessions[0].status, Some((403, "Because".to_owned())));
}

#[test]
fn a_call_that_is_given_up_while_it_rings_is_cancelled() {
    for method in ["CANCEL", "BYE"] {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &request("1 INVITE", "")).udp(5, B, A, &response(180, "1 INVITE", ""));
        stage.udp(9, A, B, &request(&format!("1 {method}"), "")).udp(10, B, A, &response(487, "1 INVITE", ""));
        assert_eq!(state(&stage.snapshot()), SessionState::Cancelled, "{method}");
    }
}

#[test]
fn a_refusal_within_the_call_is_not_its_status() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", "")).udp(10, B, A, &response(200, "1 INVITE", ""));
    stage.udp(20, A, B, &request("2 INVITE", "")).udp(30, B, A, &response(488, "2 INVITE", ""));
    stage.udp(40, A, B, &request("3 BYE", ""));
    let snapshot = stage.snapshot();
    assert_eq!((state(&snapshot), snapshot.sessions[0].status.as_ref().unwrap().0), (SessionState::Ended, 200));
}

#[test]
fn a_call_that_is_tried_again_after_a_refusal_is_calling_again() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", "")).udp(10, B, A, &response(422, "1 INVITE", ""));
    stage.udp(11, A, B, &request("1 INVITE", ""));
    let stands = |stage: &mut Stage| {
        let snapshot = stage.snapshot();
        (state(&snapshot), snapshot.sessions[0].status.as_ref().map(|status| status.0))
    };
    assert_eq!(stands(&mut stage), (SessionState::Refused, Some(422)), "the same one once more");
    stage.udp(20, A, B, &request("2 INVITE", ""));
    assert_eq!(stands(&mut stage), (SessionState::Calling, None));
    stage.udp(30, B, A, &response(200, "2 INVITE", ""));
    assert_eq!(stands(&mut stage), (SessionState::Established, Some(200)));
}

#[test]
fn the_response_to_an_invite_without_an_offer_offers_and_the_ack_answers() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", "")).udp(10, B, A, &response(200, "1 INVITE", &theirs(5000)));
    stage.udp(500, B, A, &response(200, "1 INVITE", &theirs(5000)));
    stage.udp(510, A, B, &request("1 ACK", &ours(4000))).udp(520, A, B, &request("1 ACK", &ours(4000)));
    assert_eq!(parts(&mut stage), "2 offer, 4 answer");
}

#[test]
fn a_prack_answers_where_a_provisional_response_offered_and_offers_where_it_answered() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", "")).udp(1, B, A, &response(183, "1 INVITE", &theirs(5000)));
    stage.udp(2, A, B, &request("2 PRACK", &ours(4000))).udp(3, B, A, &response(200, "2 PRACK", ""));
    stage.udp(4, B, A, &response(200, "1 INVITE", "")).udp(5, A, B, &request("1 ACK", ""));
    assert_eq!(parts(&mut stage), "2 offer, 3 answer");

    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(183, "1 INVITE", &theirs(5000)));
    stage.udp(2, A, B, &request("2 PRACK", &ours(4002))).udp(3, B, A, &response(200, "2 PRACK", &theirs(5002)));
    assert_eq!(parts(&mut stage), "1 offer, 2 answer, 3 offer, 4 answer");
}

#[test]
fn an_update_is_a_round_of_its_own_whoever_sends_it() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(183, "1 INVITE", &theirs(5000)));
    // The callee counts for itself: the number is that of the INVITE.
    stage.udp(2, B, A, &message("UPDATE sip:a@a SIP/2.0", "1", "1 UPDATE", "2", &theirs(5002)));
    stage.udp(3, A, B, &message("SIP/2.0 200 OK", "1", "1 UPDATE", "2", &ours(4002)));
    assert_eq!(parts(&mut stage), "1 offer, 2 answer, 3 offer, 4 answer");
}

#[test]
fn an_offer_that_is_refused_leaves_the_next_one_an_offer() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(200, "1 INVITE", &theirs(5000)));
    stage.udp(2, A, B, &request("2 INVITE", &ours(4002))).udp(3, B, A, &response(488, "2 INVITE", ""));
    stage.udp(4, A, B, &request("3 INVITE", &ours(4004))).udp(5, B, A, &response(200, "3 INVITE", &theirs(5004)));
    assert_eq!(parts(&mut stage), "1 offer, 2 answer, 3 offer, 5 offer, 6 answer");
}

#[test]
fn the_offer_and_the_answer_of_a_call_are_of_one_round() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(488, "1 INVITE", ""));
    assert_eq!(exchange(&mut stage), (Some(1), None));
    stage.udp(2, A, B, &request("2 INVITE", &ours(4002)));
    assert_eq!(exchange(&mut stage), (Some(1), None));
    stage.udp(3, B, A, &response(200, "2 INVITE", &theirs(5002)));
    assert_eq!(exchange(&mut stage), (Some(3), Some(4)));
    stage.udp(4, A, B, &request("3 INVITE", &ours(4004))).udp(5, B, A, &response(200, "3 INVITE", &theirs(5004)));
    assert_eq!(exchange(&mut stage), (Some(3), Some(4)), "the first that both sides agreed on");
}

#[test]
fn an_answer_whose_offer_was_not_captured_stands_alone() {
    let mut stage = Stage::new();
    stage.udp(0, B, A, &response(200, "1 INVITE", &theirs(5000)));
    assert_eq!(exchange(&mut stage), (None, Some(1)));
}

#[test]
fn a_second_answer_of_a_round_is_an_answer() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(183, "1 INVITE", &theirs(5000)));
    stage.udp(2, B, A, &response(200, "1 INVITE", &theirs(5002)));
    // The 183 comes once more, late.
    stage.udp(3, B, A, &response(183, "1 INVITE", &theirs(5000)));
    assert_eq!(parts(&mut stage), "1 offer, 2 answer, 3 answer");
}

#[test]
fn an_invite_sent_again_with_credentials_is_no_new_offer() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(407, "1 INVITE", ""));
    stage.udp(2, A, B, &request("2 INVITE", &ours(4000))).udp(3, B, A, &response(200, "2 INVITE", &theirs(5000)));
    assert_eq!(parts(&mut stage), "1 offer, 4 answer");
    assert_eq!(exchange(&mut stage), (Some(1), Some(4)));
}

#[test]
fn an_echo_that_answers_with_the_offer_itself_has_answered() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE", &ours(4000))).udp(1, B, A, &response(200, "1 INVITE", &ours(4000)));
    assert_eq!(parts(&mut stage), "1 offer, 2 answer");
}

#[test]
fn a_response_whose_request_was_not_captured_is_an_answer() {
    let mut stage = Stage::new();
    stage.udp(1, B, A, &response(200, "1 INVITE", &theirs(5000)));
    assert_eq!(parts(&mut stage), "1 answer");
}

#[test]
fn a_round_is_found_again_behind_others() {
    let mut stage = Stage::new();
    // An INVITE without an offer: a description in its response offers, where the INVITE is still known.
    stage.udp(0, A, B, &request("1 INVITE", ""));
    for cseq in 2..=8_u16 {
        stage.udp(i64::from(cseq), A, B, &request(&format!("{cseq} UPDATE"), &ours(4000)));
    }
    stage.udp(100, B, A, &response(200, "1 INVITE", &theirs(5000)));
    stage.udp(101, A, B, &request("1 ACK", &ours(4002)));
    assert_eq!(parts(&mut stage), "2 offer, 9 offer, 10 answer");
}

#[test]
fn the_newest_round_is_found_behind_many_others() {
    let mut stage = Stage::new();
    for cseq in 1..=100_u16 {
        stage.udp(i64::from(cseq), A, B, &request(&format!("{cseq} INVITE"), &ours(4000)));
    }
    stage.udp(200, B, A, &response(200, "100 INVITE", &theirs(5000)));
    assert_eq!(parts(&mut stage), "1 offer, 101 answer");
}

#[test]
fn offer_and_answer_follow_each_other_and_retransmissions_are_neither() {
    let (offer, answer) = (description("10.0.0.1", 4000, "sendrecv"), description("10.0.0.2", 5000, "sendrecv"));
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite(&offer)).udp(500, A, B, &invite(&offer));
    stage.udp(600, B, A, &reply(183, &answer)).udp(700, B, A, &reply(200, &answer));
    let hold = description("10.0.0.1", 4000, "sendonly");
    stage.udp(800, A, B, &invite(&hold));
    let session = stage.snapshot().sessions.remove(0);
    let order: Vec<(u64, bool)> =
        session.descriptions.iter().map(|known| (known.frame.map_or(0, |frame| frame.0), known.is_offer)).collect();
    assert_eq!(order, [(1, true), (3, false), (5, true)]);
    assert_eq!((session.offer().unwrap().frame, session.answer().unwrap().frame), (Some(FrameNo(1)), Some(FrameNo(3))));
}

#[test]
fn a_description_names_the_codec_and_the_clock_of_media_that_goes_there() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite(&description("10.0.0.1", 4000, "sendrecv")));
    for seq in 0..3 {
        let packet = rtp(96, 7, seq, u32::from(seq) * 960);
        stage.udp(100 + 20 * i64::from(seq), "10.0.0.2:5000", "10.0.0.1:4000", &packet);
    }
    let row = stage.snapshot().streams.remove(0);
    assert_eq!((row.codec.as_deref(), row.figures.timing.clock.rate), (Some("opus"), Some(48_000)));
    assert_eq!(row.kind.map(|kind| kind.name()), Some("audio"));
    assert!(!row.encrypted);
}

#[test]
fn media_that_comes_before_its_description_gets_its_clock_from_it_later() {
    let mut stage = Stage::new();
    let media = |stage: &mut Stage, seq: u16| {
        let packet = rtp(96, 7, seq, u32::from(seq) * 960);
        stage.udp(20 * i64::from(seq), "10.0.0.2:5000", "10.0.0.1:4000", &packet);
    };
    media(&mut stage, 0);
    stage.udp(10, A, B, &invite(&description("10.0.0.1", 4000, "sendrecv")));
    (1..5).for_each(|seq| media(&mut stage, seq));
    let row = stage.snapshot().streams.remove(0);
    assert_eq!((row.codec.as_deref(), row.figures.timing.clock.rate), (Some("opus"), Some(48_000)));
}

#[test]
fn a_secure_profile_makes_media_srtp() {
    let body = description("10.0.0.1", 4000, "sendrecv").replace("RTP/AVP", "RTP/SAVP");
    let mut stage = Stage::new();
    stage.udp(0, A, B, &invite(&body));
    let snapshot = stage.udp(100, "10.0.0.2:5000", "10.0.0.1:4000", &rtp(96, 7, 1, 0)).snapshot();
    assert!(snapshot.streams[0].encrypted);
}

#[test]
fn requests_without_a_session_make_none() {
    let mut stage = Stage::new();
    for method in ["REGISTER", "OPTIONS", "SUBSCRIBE"] {
        stage.udp(0, A, B, &sip(&format!("{method} sip:b SIP/2.0"), method, method, ""));
    }
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.sessions.len(), snapshot.packets.of(super::super::class::Class::Sip)), (0, 3));
}

#[test]
fn a_file_describes_media_before_the_first_packet() {
    let mut stage = Stage::new();
    stage.analyzer.session_description("call.sdp", description("10.0.0.1", 4000, "recvonly").as_bytes());
    stage.udp(0, "10.0.0.2:5000", "10.0.0.1:4000", &rtp(96, 7, 1, 0));
    let snapshot = stage.snapshot();
    assert_eq!((state(&snapshot), snapshot.sessions[0].signal), (SessionState::Described, Signal::File));
    assert_eq!(snapshot.streams[0].codec.as_deref(), Some("opus"));
}

#[test]
fn text_has_a_bound_over_all_calls() {
    let mut stage = Stage::new();
    let filler = "a=x:".to_owned() + &"y".repeat(50_000) + "\r\n";
    for call in 0..400 {
        let body = description("10.0.0.1", 4000, "sendrecv") + &filler;
        stage.udp(call, A, B, &sip("INVITE sip:b@b SIP/2.0", &call.to_string(), "INVITE", &body));
    }
    assert!(stage.analyzer.parts().0.signalling.text <= MAX_TEXT + 60_000);
    let snapshot = stage.snapshot();
    assert!(snapshot.sessions.len() < 400 && snapshot.capture.limits["sessions_not_kept"] > 0);
    assert_eq!(snapshot.findings[0].code, "LIMIT_REACHED");
}
