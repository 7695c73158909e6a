use super::*;
use crate::model::analyzer::Options;
use crate::model::snapshot::TransactionRow;
use crate::model::stage::{Stage, channel_data, check, rtp, stun};
use crate::proto::stun::{AttributeType, Class as Message, Method, Value};

const SECOND: i64 = 1000;
const HERE: &str = "10.0.0.1:4000";
const THERE: &str = "10.0.0.2:5000";
const SERVER: &str = "10.0.0.9:3478";

/// A stage on which what was quiet for a minute leaves.
fn stage() -> Stage {
    Stage::with(Options { forget_after: Some(60_000_000_000), ..Options::default() })
}

/// So much time goes by, with something else in it every ten seconds.
fn quiet(stage: &mut Stage, from: i64, seconds: i64) {
    for at in (0..=seconds).step_by(10) {
        stage.udp(from + at * SECOND, "10.0.5.1:7", "10.0.5.2:7", b"still here");
    }
}

fn talk(stage: &mut Stage, from: i64, seconds: i64) {
    for at in 0..seconds {
        stage.udp(from + at * SECOND, HERE, THERE, &rtp(0, 7, at as u16, at as u32 * 8000));
    }
}

#[test]
fn a_flow_that_is_quiet_leaves_and_stays_in_the_counts() {
    let mut stage = stage();
    talk(&mut stage, 0, 5);
    quiet(&mut stage, 5 * SECOND, 200);
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.flows.len(), snapshot.streams.len()), (1, 0));
    assert_eq!((snapshot.packets.of(Class::Rtp), snapshot.packets.of(Class::Other)), (5, 21));
    let left = snapshot.capture.forgotten;
    assert_eq!((left.flows, left.streams, left.rtp_packets, left.rtp_lost), (1, 1, 5, 0));
}

#[test]
fn a_flow_that_goes_on_stays_with_all_it_ever_was() {
    let mut stage = stage();
    talk(&mut stage, 0, 600);
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.streams.len(), snapshot.streams[0].figures.packets), (1, 600));
    assert!(snapshot.capture.forgotten.is_nothing());
}

#[test]
fn without_the_option_nothing_ever_leaves() {
    let mut stage = Stage::new();
    talk(&mut stage, 0, 5);
    quiet(&mut stage, 5 * SECOND, 7200);
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.flows.len(), snapshot.streams.len()), (2, 1));
    assert!(snapshot.capture.forgotten.is_nothing());
}

#[test]
fn a_source_that_is_over_leaves_a_flow_that_goes_on() {
    let mut stage = stage();
    for source in 0..50_i64 {
        for at in 0..10_i64 {
            let packet = rtp(0, 100 + source as u32, at as u16, at as u32 * 8000);
            stage.udp((source * 10 + at) * SECOND, HERE, THERE, &packet);
        }
    }
    let snapshot = stage.snapshot();
    assert_eq!((snapshot.flows.len(), snapshot.packets.of(Class::Rtp)), (1, 500));
    assert!(snapshot.streams.len() < 10, "{}", snapshot.streams.len());
    assert_eq!(snapshot.flows[0].classes.of(Class::Rtp), 500);
    assert_eq!(snapshot.streams.len() as u64 + snapshot.capture.forgotten.streams, 50);
}

/// An allocation of ten minutes.
fn allocate(stage: &mut Stage) {
    let relayed = Value::Address("10.0.0.9:49152".parse().unwrap());
    let granted = [(AttributeType::XOR_RELAYED_ADDRESS, relayed), (AttributeType::LIFETIME, Value::U32(600))];
    stage.udp(0, HERE, SERVER, &stun(Message::Request, Method::ALLOCATE, 1, &[]));
    stage.udp(1, SERVER, HERE, &stun(Message::SuccessResponse, Method::ALLOCATE, 1, &granted));
}

#[test]
fn an_allocation_that_lives_waits_longer_than_one_that_was_deleted() {
    let alive = |deletes: bool| {
        let mut stage = stage();
        allocate(&mut stage);
        if deletes {
            let zero = [(AttributeType::LIFETIME, Value::U32(0))];
            stage.udp(5, HERE, SERVER, &stun(Message::Request, Method::REFRESH, 2, &zero));
            stage.udp(6, SERVER, HERE, &stun(Message::SuccessResponse, Method::REFRESH, 2, &zero));
        }
        quiet(&mut stage, 10, 150);
        let snapshot = stage.snapshot();
        (snapshot.allocations.len(), snapshot.capture.forgotten.allocations)
    };
    assert_eq!(alive(false), (1, 0));
    assert_eq!(alive(true), (0, 1));
}

#[test]
fn the_flow_around_media_stays_while_one_inside_goes_on_and_another_leaves() {
    let mut stage = stage();
    allocate(&mut stage);
    for (id, number, peer) in [(2, 0x4000, "10.0.0.20:1"), (3, 0x4001, "10.0.0.21:1")] {
        let bind = [
            (AttributeType::CHANNEL_NUMBER, Value::U16(number)),
            (AttributeType::XOR_PEER_ADDRESS, Value::Address(peer.parse().unwrap())),
        ];
        stage.udp(10, HERE, SERVER, &stun(Message::Request, Method::CHANNEL_BIND, id, &bind));
        stage.udp(11, SERVER, HERE, &stun(Message::SuccessResponse, Method::CHANNEL_BIND, id, &[]));
    }
    for at in 0..400_i64 {
        let number = if at < 5 { 0x4001 } else { 0x4000 };
        let packet = rtp(0, u32::from(number), at as u16, at as u32 * 8000);
        stage.udp(20 + at * SECOND, HERE, SERVER, &channel_data(number, &packet));
    }
    let snapshot = stage.snapshot();
    let inner: Vec<&str> = snapshot.flows.iter().filter_map(|row| row.parent.as_deref()).collect();
    assert_eq!((snapshot.allocations.len(), inner), (1, vec!["f1"]));
    assert_eq!((snapshot.streams.len(), snapshot.streams[0].ssrc), (1, 0x4000));
    assert_eq!(snapshot.streams[0].figures.packets, 395);
    assert_eq!(snapshot.packets.of(Class::Rtp), 400);
}

#[test]
fn a_finding_outlives_what_proved_it() {
    let mut stage = stage();
    for at in (0..400_i64).filter(|at| at % 10 != 3) {
        stage.udp(at * 20, HERE, THERE, &rtp(0, 7, at as u16, at as u32 * 160));
    }
    quiet(&mut stage, 8 * SECOND, 200);
    let snapshot = stage.snapshot();
    let loss: Vec<&Finding> = snapshot.findings.iter().filter(|finding| finding.code == "RTP_LOSS").collect();
    assert!(matches!(loss[..], [finding] if finding.subject.is_none() && !finding.frames.is_empty()), "{loss:?}");
    assert!(snapshot.streams.is_empty());
    assert_eq!(snapshot.capture.forgotten_findings.get("RTP_LOSS"), Some(&1));
}

#[test]
fn however_many_flows_there_were_those_of_the_last_time_are_kept() {
    let mut stage = stage();
    for number in 0..5_000_i64 {
        let port = 1 + number % 60_000;
        let request = stun(Message::Request, Method::BINDING, (number % 250) as u8, &[]);
        stage.udp(number * 200, &format!("10.1.0.1:{port}"), THERE, &request);
    }
    let snapshot = stage.snapshot();
    assert!((300..400).contains(&snapshot.flows.len()), "{} flows", snapshot.flows.len());
    assert_eq!(snapshot.flows.len() as u64 + snapshot.capture.forgotten.flows, 5_000);
    assert_eq!(snapshot.packets.of(Class::Stun), 5_000);
}

#[test]
fn one_packet_of_the_far_future_makes_nothing_leave() {
    let mut stage = stage();
    talk(&mut stage, 0, 30);
    stage.udp(900_000 * SECOND, THERE, "10.0.5.2:7", b"from the future");
    talk(&mut stage, 31 * SECOND, 300);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams.len(), 1);
    assert_eq!(snapshot.streams[0].figures.packets, 330);
}

#[test]
fn a_clock_that_is_set_back_goes_on_forgetting() {
    let mut stage = stage();
    talk(&mut stage, 900_000 * SECOND, 100);
    for number in 0..300_i64 {
        stage.udp(number * 10 * SECOND, &format!("10.1.0.1:{}", 100 + number), THERE, b"hello there");
    }
    let snapshot = stage.snapshot();
    assert!(snapshot.flows.len() < 20, "{}", snapshot.flows.len());
}

#[test]
fn a_transaction_of_a_flow_that_goes_on_stays() {
    let mut stage = stage();
    stage.udp(0, HERE, THERE, &check(1, true));
    quiet(&mut stage, 0, 30);
    talk(&mut stage, 30 * SECOND, 200);
    let ids = |row: &TransactionRow| row.transaction.first_frame;
    assert_eq!(stage.snapshot().transactions.iter().map(ids).collect::<Vec<_>>(), [FrameNo(1)]);
}
