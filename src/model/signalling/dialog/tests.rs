//! Transactions and events of calls.

use super::*;
use crate::model::signalling::{SessionState, SessionSummary};
use crate::model::stage::Stage;

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:5060";
const PROXY: &str = "10.0.0.3:5060";

fn message(start: &str, cseq: &str, tag: &str, more: &str) -> Vec<u8> {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    format!(
        "{start}\r\nCall-ID: 1\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=a\r\nTo: <sip:b@b>{tag}\r\n{more}\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn request(cseq: &str) -> Vec<u8> {
    let (_, method) = cseq.split_once(' ').unwrap();
    message(&format!("{method} sip:b@b SIP/2.0"), cseq, "", "")
}

fn response(code: u16, cseq: &str, tag: &str) -> Vec<u8> {
    message(&format!("SIP/2.0 {code} Because"), cseq, tag, "")
}

fn only(stage: &mut Stage) -> SessionSummary {
    let mut sessions = stage.snapshot().sessions;
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

fn events(session: &SessionSummary) -> String {
    let text = |event: &SessionEvent| {
        let detail = event.kind.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
        format!("{} {}{detail}", event.frame, event.kind.name())
    };
    session.dialog.events.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_transaction_counts_what_was_sent_again_and_keeps_its_codes() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE")).udp(500, A, B, &request("1 INVITE"));
    stage.udp(510, B, A, &response(100, "1 INVITE", "")).udp(600, B, A, &response(180, "1 INVITE", "b"));
    stage.udp(700, B, A, &response(180, "1 INVITE", "b")).udp(2000, B, A, &response(200, "1 INVITE", "b"));
    stage.udp(2500, B, A, &response(200, "1 INVITE", "b")).udp(2600, A, B, &request("1 ACK"));
    stage.udp(9000, B, A, &request("7 BYE")).udp(9010, A, B, &response(200, "7 BYE", "b"));
    let session = only(&mut stage);
    let [invite, bye] = &session.dialog.transactions[..] else { panic!("{:?}", session.dialog.transactions) };
    assert_eq!((invite.requests, invite.answers, invite.retransmissions()), (2, 2, 2));
    assert_eq!(invite.provisional, [(100, FrameNo(3)), (180, FrameNo(4))]);
    assert_eq!(invite.answer, Some((200, "Because".to_owned(), FrameNo(6))));
    assert_eq!((invite.answer_ms, invite.ack), (Some(2000.0), Some(FrameNo(8))));
    assert_eq!((bye.method.as_str(), bye.from.to_string().as_str(), bye.answers), ("BYE", B, 1));
    assert_eq!(events(&session), "4 progress 180, 6 answered, 9 bye");
    let (frame, _, who) = session.ended.unwrap();
    assert_eq!((session.state, frame, who.to_string().as_str()), (SessionState::Ended, FrameNo(9), B));
}

#[test]
fn a_call_is_refused_with_its_code_and_the_frame_that_has_it() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE")).udp(9, B, A, &response(486, "1 INVITE", "b"));
    let session = only(stage.udp(10, A, B, &request("1 ACK")));
    assert_eq!((session.state, events(&session).as_str()), (SessionState::Refused, "2 refused 486"));
}

#[test]
fn a_call_is_cancelled_also_where_the_487_is_not_there() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE")).udp(9, B, A, &response(180, "1 INVITE", "b"));
    let session = only(stage.udp(3000, A, B, &request("1 CANCEL")));
    assert_eq!((session.state, events(&session).as_str()), (SessionState::Cancelled, "2 progress 180, 3 cancel"));
}

#[test]
fn an_answer_that_crossed_the_cancel_has_answered() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE")).udp(3000, A, B, &request("1 CANCEL"));
    let session = only(stage.udp(3001, B, A, &response(200, "1 INVITE", "b")));
    assert_eq!(session.state, SessionState::Established);
}

#[test]
fn branches_that_ring_are_a_fork_and_an_invite_within_the_call_is_none() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &request("1 INVITE")).udp(9, B, A, &response(180, "1 INVITE", "b"));
    stage.udp(10, B, A, &response(183, "1 INVITE", "c")).udp(11, B, A, &response(200, "1 INVITE", "c"));
    stage.udp(12, A, B, &request("2 INVITE")).udp(13, B, A, &response(200, "2 INVITE", "c"));
    let refer = message("REFER sip:b@b SIP/2.0", "3 REFER", "c", "Refer-To: <sip:d@d>\r\n");
    let session = only(stage.udp(14, A, B, &refer));
    assert_eq!(
        events(&session),
        "2 progress 180, 3 progress 183, 3 fork c, 4 answered, 5 renegotiation, 7 refer <sip:d@d>"
    );
}

#[test]
fn what_a_proxy_sends_on_is_not_sent_again() {
    let mut stage = Stage::new();
    stage.udp(0, A, PROXY, &request("1 INVITE")).udp(1, PROXY, B, &request("1 INVITE"));
    stage.udp(5, B, PROXY, &response(200, "1 INVITE", "b")).udp(6, PROXY, A, &response(200, "1 INVITE", "b"));
    let session = only(&mut stage);
    let counts: Vec<_> = session.dialog.transactions.iter().map(|known| (known.requests, known.answers)).collect();
    assert_eq!((counts, events(&session).as_str()), (vec![(1, 1), (1, 1)], "3 answered"));
}

#[test]
fn a_dialog_remembers_few_things_however_much_is_said() {
    let mut stage = Stage::new();
    for n in 0..200 {
        stage.udp(n, A, B, &request(&format!("{n} INVITE")));
        stage.udp(n, B, A, &response(180, &format!("{n} INVITE"), &format!("t{n}")));
    }
    let session = only(&mut stage);
    assert_eq!(session.dialog.transactions.len(), MAX_TRANSACTIONS);
    assert_eq!((session.dialog.events.len(), session.dialog.tags.len()), (MAX_EVENTS, MAX_FORKS));
}
