//! What an allocation is granted, what is sent without, and how it ends, as the analyzer sees it.

use super::super::snapshot::AllocationRow;
use super::super::stage::{Stage, channel_data, stun};
use super::*;
use crate::packet::FrameNo;
use std::net::SocketAddr;

const CLIENT: &str = "10.0.0.1:5000";
const ELSEWHERE: &str = "10.0.0.7:5001";
const SERVER: &str = "10.0.0.2:3478";
const PEER: &str = "10.0.0.3:7000";

type Attributes<'a> = [(AttributeType, Value<'a>)];

fn address(kind: AttributeType, text: &str) -> (AttributeType, Value<'static>) {
    (kind, Value::Address(text.parse::<SocketAddr>().unwrap()))
}

fn peer() -> (AttributeType, Value<'static>) {
    address(AttributeType::XOR_PEER_ADDRESS, PEER)
}

fn number() -> (AttributeType, Value<'static>) {
    (AttributeType::CHANNEL_NUMBER, Value::U16(0x4001))
}

fn lifetime(seconds: u32) -> (AttributeType, Value<'static>) {
    (AttributeType::LIFETIME, Value::U32(seconds))
}

impl Stage {
    fn exchange(
        &mut self,
        millis: i64,
        method: Method,
        id: u8,
        asked: &Attributes<'_>,
        said: &Attributes<'_>,
    ) -> &mut Self {
        self.udp(millis, CLIENT, SERVER, &stun(Class::Request, method, id, asked));
        self.udp(millis + 5, SERVER, CLIENT, &stun(Class::SuccessResponse, method, id, said))
    }

    fn refusal(&mut self, millis: i64, method: Method, id: u8, asked: &Attributes<'_>, code: u16) -> &mut Self {
        let code = (AttributeType::ERROR_CODE, Value::ErrorCode { code, reason: b"No" });
        self.udp(millis, CLIENT, SERVER, &stun(Class::Request, method, id, asked));
        self.udp(millis + 5, SERVER, CLIENT, &stun(Class::ErrorResponse, method, id, &[code]))
    }

    /// An allocation for 600 seconds, granted at millisecond 5.
    fn granted(&mut self) -> &mut Self {
        let relayed = address(AttributeType::XOR_RELAYED_ADDRESS, "10.0.0.2:49152");
        self.exchange(0, Method::ALLOCATE, 1, &[], &[relayed, lifetime(600)])
    }

    fn send(&mut self, millis: i64) -> &mut Self {
        let data = (AttributeType::DATA, Value::Bytes(b"hello"));
        self.udp(millis, CLIENT, SERVER, &stun(Class::Indication, Method::SEND, 0xee, &[peer(), data]))
    }

    fn receive(&mut self, millis: i64) -> &mut Self {
        let data = (AttributeType::DATA, Value::Bytes(b"hello"));
        self.udp(millis, SERVER, CLIENT, &stun(Class::Indication, Method::DATA, 0xef, &[peer(), data]))
    }

    fn on_channel(&mut self, millis: i64) -> &mut Self {
        self.udp(millis, CLIENT, SERVER, &channel_data(0x4001, b"hello"))
    }

    fn only_row(&mut self) -> AllocationRow {
        let snapshot = self.snapshot();
        assert_eq!(snapshot.allocations.len(), 1);
        snapshot.allocations[0].clone()
    }
}

fn strays(row: &AllocationRow) -> Vec<(StrayTarget, bool, u64, u64)> {
    let strays = row.allocation.strays.iter();
    strays.map(|stray| (stray.target, stray.expired, stray.packets, stray.first_frame.0)).collect()
}

fn peer_addr() -> Addr {
    Addr::v4([10, 0, 0, 3])
}

#[test]
fn what_happens_to_an_allocation_is_told_in_order() {
    let mut stage = Stage::new();
    stage.refusal(0, Method::ALLOCATE, 9, &[], 401);
    stage.exchange(10, Method::ALLOCATE, 1, &[(AttributeType::USERNAME, Value::Text(b"a"))], &[lifetime(600)]);
    stage.exchange(20, Method::CREATE_PERMISSION, 2, &[peer()], &[]);
    stage.exchange(30, Method::CHANNEL_BIND, 3, &[peer(), number()], &[]);
    stage.exchange(40, Method::REFRESH, 4, &[lifetime(300)], &[lifetime(300)]);
    stage.refusal(50, Method::CHANNEL_BIND, 5, &[peer(), number()], 400);
    stage.exchange(60, Method::REFRESH, 6, &[lifetime(0)], &[lifetime(0)]);
    let row = stage.only_row();
    let events: Vec<&str> = row.allocation.events.iter().map(|event| event.change.name()).collect();
    assert_eq!(events, ["challenged", "created", "permitted", "bound", "refreshed", "refused", "deleted"]);
    assert_eq!(row.allocation.events[4].change, LifeChange::Refreshed(300));
    assert_eq!(row.ended_ts, Some(Timestamp::from_nanos(60_000_000)));
}

#[test]
fn data_without_a_permission_is_a_stray_and_data_with_one_is_none() {
    let mut stage = Stage::new();
    stage.granted().send(10).send(20);
    assert_eq!(strays(&stage.only_row()), [(StrayTarget::Peer(peer_addr()), false, 2, 3)]);
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CREATE_PERMISSION, 2, &[peer()], &[]).send(20);
    assert!(strays(&stage.only_row()).is_empty());
}

#[test]
fn data_behind_a_request_that_has_no_answer_yet_is_no_stray() {
    let mut stage = Stage::new();
    stage.granted().udp(10, CLIENT, SERVER, &stun(Class::Request, Method::CREATE_PERMISSION, 2, &[peer()]));
    assert!(strays(&stage.send(11).only_row()).is_empty());
    let mut stage = Stage::new();
    stage.granted().refusal(10, Method::CREATE_PERMISSION, 2, &[peer()], 403).send(20);
    assert_eq!(strays(&stage.only_row()).len(), 1);
}

#[test]
fn a_permission_runs_out_after_five_minutes_and_a_channel_after_ten() {
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CREATE_PERMISSION, 2, &[peer()], &[]).send(300_000);
    assert!(strays(&stage.only_row()).is_empty());
    stage.send(300_100);
    assert_eq!(strays(&stage.only_row()), [(StrayTarget::Peer(peer_addr()), true, 1, 6)]);
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CHANNEL_BIND, 2, &[peer(), number()], &[]).on_channel(500_000);
    stage.exchange(500_010, Method::REFRESH, 3, &[], &[lifetime(600)]);
    assert!(strays(&stage.only_row()).is_empty());
    stage.on_channel(600_100);
    assert_eq!(strays(&stage.only_row()), [(StrayTarget::Channel(0x4001), true, 1, 8)]);
}

#[test]
fn a_server_that_still_serves_a_permission_has_longer_lifetimes() {
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CREATE_PERMISSION, 2, &[peer()], &[]).receive(310_000).send(310_100);
    let row = stage.only_row();
    assert!(strays(&row).is_empty());
    assert_eq!(row.allocation.permissions[&peer_addr()].expires, None);
}

#[test]
fn a_capture_that_begins_after_the_allocation_knows_of_no_stray() {
    let mut stage = Stage::new();
    stage.exchange(0, Method::REFRESH, 1, &[lifetime(600)], &[lifetime(600)]).send(10).on_channel(20);
    assert!(strays(&stage.only_row()).is_empty());
}

#[test]
fn an_allocation_that_runs_out_while_it_is_used_tells_the_refresh_that_was_missed() {
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CHANNEL_BIND, 2, &[peer(), number()], &[]);
    stage.udp(599_000, CLIENT, SERVER, &stun(Class::Request, Method::REFRESH, 3, &[lifetime(600)]));
    stage.on_channel(599_900).on_channel(601_000).on_channel(602_000);
    let row = stage.only_row();
    assert_eq!(row.end, AllocationEnd::Expired);
    let in_use = row.allocation.expired_in_use.unwrap();
    assert_eq!((in_use.packets, in_use.first_frame, in_use.missed_refresh), (2, FrameNo(7), Some(FrameNo(5))));
    assert_eq!(in_use.expired_ts, Timestamp::from_nanos(600_005_000_000));
}

#[test]
fn an_allocation_that_nobody_uses_any_more_expires_and_that_is_all() {
    let row = Stage::new().granted().udp(700_000, "10.0.0.8:8", "10.0.0.9:9", b"later").only_row();
    assert_eq!((row.end, row.allocation.expired_in_use), (AllocationEnd::Expired, None));
}

#[test]
fn a_server_that_goes_on_serving_did_not_let_it_expire() {
    let mut stage = Stage::new();
    stage.granted().exchange(10, Method::CREATE_PERMISSION, 2, &[peer()], &[]).send(601_000).receive(620_000);
    let row = stage.only_row();
    assert_eq!((row.end, row.allocation.expired_in_use), (AllocationEnd::Open, None));
}

#[test]
fn an_error_knows_the_request_that_came_after_it() {
    let mut stage = Stage::new();
    stage.granted().refusal(10, Method::CREATE_PERMISSION, 2, &[peer()], 438);
    let other = address(AttributeType::XOR_PEER_ADDRESS, "10.0.0.4:1");
    stage.exchange(20, Method::CREATE_PERMISSION, 3, &[other], &[]);
    assert_eq!(stage.only_row().allocation.errors[0].retried_frame, None);
    stage.exchange(30, Method::CREATE_PERMISSION, 4, &[peer()], &[]);
    let error = stage.only_row().allocation.errors[0].clone();
    assert_eq!((error.retried_frame, error.peer), (Some(FrameNo(7)), Some(peer_addr())));
}

#[test]
fn an_allocation_goes_along_to_another_address_with_its_ticket() {
    let ticket = |bytes: &'static [u8]| (AttributeType::MOBILITY_TICKET, Value::Bytes(bytes));
    let mut stage = Stage::new();
    let relayed = address(AttributeType::XOR_RELAYED_ADDRESS, "10.0.0.2:49152");
    stage.exchange(0, Method::ALLOCATE, 1, &[ticket(b"")], &[relayed, lifetime(600), ticket(b"first")]);
    stage.udp(100, ELSEWHERE, SERVER, &stun(Class::Request, Method::REFRESH, 2, &[lifetime(600), ticket(b"first")]));
    let answer = stun(Class::SuccessResponse, Method::REFRESH, 2, &[lifetime(600), ticket(b"second")]);
    stage.udp(110, SERVER, ELSEWHERE, &answer).udp(601_000, "10.0.0.8:8", "10.0.0.9:9", b"later");
    let rows = stage.snapshot().allocations;
    assert_eq!((rows[0].moved_to.as_deref(), rows[1].moved_from.as_deref()), (Some("t2"), Some("t1")));
    assert_eq!(rows[1].allocation.events[0].change, LifeChange::Moved(600));
    assert_eq!(rows[0].end, rows[1].end);
}

#[test]
fn messages_and_data_are_counted_by_way_and_without_padding() {
    let mut stage = Stage::new();
    stage.udp(0, CLIENT, SERVER, &stun(Class::Request, Method::BINDING, 8, &[]));
    stage.granted().exchange(10, Method::CHANNEL_BIND, 2, &[peer(), number()], &[]);
    let mut padded = channel_data(0x4001, b"hello");
    padded.extend([0; 3]);
    stage.udp(20, CLIENT, SERVER, &padded).udp(21, SERVER, CLIENT, &channel_data(0x4001, b"hi"));
    let Traffic { to_server, to_client, data_out, data_in } = stage.only_row().allocation.traffic;
    assert_eq!((to_server.packets, to_server.bytes, to_server.padding), (4, 20 + 20 + 20 + 8 + 12 + 9, 3));
    assert_eq!((to_client.packets, to_client.bytes), (3, 20 + 12 + 8 + 20 + 6));
    assert_eq!((data_out.packets, data_out.bytes), (1, 5));
    assert_eq!((data_in.packets, data_in.bytes), (1, 2));
}
