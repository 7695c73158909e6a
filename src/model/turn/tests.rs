//! An allocation from its first request to its end, as the analyzer sees it.

use super::super::snapshot::{AllocationRow, Snapshot};
use super::super::stage::{Stage, channel_data, rtp, stun};
use super::*;
use std::net::SocketAddr;

const CLIENT: &str = "10.0.0.1:5000";
const SERVER: &str = "10.0.0.2:3478";

const USERNAME: (AttributeType, Value<'static>) = (AttributeType::USERNAME, Value::Text(b"alice"));

fn address(text: &str) -> Value<'static> {
    Value::Address(text.parse::<SocketAddr>().unwrap())
}

fn lifetime(seconds: u32) -> (AttributeType, Value<'static>) {
    (AttributeType::LIFETIME, Value::U32(seconds))
}

impl Stage {
    fn ask(&mut self, millis: i64, method: Method, id: u8, attributes: &[(AttributeType, Value<'_>)]) -> &mut Self {
        self.udp(millis, CLIENT, SERVER, &stun(Class::Request, method, id, attributes))
    }

    fn grant(&mut self, millis: i64, method: Method, id: u8, attributes: &[(AttributeType, Value<'_>)]) -> &mut Self {
        self.udp(millis, SERVER, CLIENT, &stun(Class::SuccessResponse, method, id, attributes))
    }

    fn refuse(&mut self, millis: i64, method: Method, id: u8, code: u16) -> &mut Self {
        let code = (AttributeType::ERROR_CODE, Value::ErrorCode { code, reason: b"No" });
        let realm = (AttributeType::REALM, Value::Text(b"example.org"));
        self.udp(millis, SERVER, CLIENT, &stun(Class::ErrorResponse, method, id, &[code, realm]))
    }

    /// Challenge, credentials, success: 600 seconds from millisecond 30 on.
    fn allocate(&mut self) -> &mut Self {
        let relayed = (AttributeType::XOR_RELAYED_ADDRESS, address("10.0.0.2:49152"));
        let mapped = (AttributeType::XOR_MAPPED_ADDRESS, address("192.0.2.7:5000"));
        self.ask(0, Method::ALLOCATE, 1, &[]).refuse(10, Method::ALLOCATE, 1, 401);
        self.ask(20, Method::ALLOCATE, 2, &[USERNAME]);
        self.grant(30, Method::ALLOCATE, 2, &[relayed, mapped, lifetime(600)])
    }

    /// Something elsewhere, so that the capture lasts.
    fn until(&mut self, millis: i64) -> &mut Self {
        self.udp(millis, "10.0.0.8:8", "10.0.0.9:9", b"later")
    }
}

fn only(snapshot: Snapshot) -> AllocationRow {
    assert_eq!(snapshot.allocations.len(), 1);
    snapshot.allocations[0].clone()
}

fn codes(snapshot: &Snapshot) -> Vec<&'static str> {
    snapshot.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_challenge_and_then_a_success_is_one_allocation() {
    let snapshot = Stage::new().allocate().snapshot();
    assert!(codes(&snapshot).is_empty());
    let row = only(snapshot);
    assert_eq!((row.client.to_string(), row.server.to_string()), (CLIENT.to_owned(), SERVER.to_owned()));
    assert_eq!((row.end, row.allocation.error_code()), (AllocationEnd::Open, None));
    let Allocation { relayed, mapped, username, realm, lifetime_s, .. } = &row.allocation;
    assert_eq!(relayed.unwrap().to_string(), "10.0.0.2:49152");
    assert_eq!(mapped.unwrap().to_string(), "192.0.2.7:5000");
    assert_eq!((username.as_deref(), realm.as_deref()), (Some("alice"), Some("example.org")));
    assert_eq!((*lifetime_s, row.allocation.setup_ms()), (Some(600), Some(30.0)));
    assert!(row.allocation.errors[0].is_challenge());
}

#[test]
fn a_challenge_that_the_client_does_not_take_up_failed_and_nobody_refused_it() {
    let snapshot = Stage::new().ask(0, Method::ALLOCATE, 1, &[]).refuse(10, Method::ALLOCATE, 1, 401).snapshot();
    assert!(codes(&snapshot).is_empty());
    let row = only(snapshot);
    assert_eq!((row.end, row.allocation.error_code()), (AllocationEnd::Failed, Some(401)));
}

#[test]
fn credentials_that_are_refused_are_an_error() {
    let mut stage = Stage::new();
    stage.ask(0, Method::ALLOCATE, 1, &[]).refuse(10, Method::ALLOCATE, 1, 401);
    stage.ask(20, Method::ALLOCATE, 2, &[USERNAME]).refuse(30, Method::ALLOCATE, 2, 401);
    let snapshot = stage.snapshot();
    assert_eq!(codes(&snapshot), ["TURN_ALLOCATE_UNAUTHORIZED"]);
    assert_eq!(only(snapshot).end, AllocationEnd::Failed);
}

#[test]
fn a_full_quota_is_an_error_and_the_next_request_a_new_attempt() {
    let mut stage = Stage::new();
    stage.ask(0, Method::ALLOCATE, 1, &[]).refuse(10, Method::ALLOCATE, 1, 486);
    let snapshot = stage.snapshot();
    assert_eq!(codes(&snapshot), ["TURN_QUOTA_REACHED"]);
    assert_eq!(only(snapshot).allocation.error_code(), Some(486));
    assert_eq!(stage.allocate().snapshot().allocations.len(), 2);
}

#[test]
fn a_refresh_prolongs_the_allocation() {
    let mut stage = Stage::new();
    stage.allocate().ask(500_000, Method::REFRESH, 3, &[USERNAME, lifetime(600)]);
    let row = only(stage.grant(500_010, Method::REFRESH, 3, &[lifetime(600)]).until(1_000_000).snapshot());
    assert_eq!((row.allocation.refreshes, row.end), (1, AllocationEnd::Open));
}

#[test]
fn a_refresh_with_lifetime_zero_deletes_it_and_another_allocation_may_follow() {
    let mut stage = Stage::new();
    stage.allocate().ask(5000, Method::REFRESH, 3, &[USERNAME, lifetime(0)]);
    stage.grant(5010, Method::REFRESH, 3, &[lifetime(0)]);
    let row = only(stage.snapshot());
    assert_eq!((row.allocation.refreshes, row.end), (0, AllocationEnd::Deleted));
    assert_eq!(row.allocation.lifetime_s, Some(600));
    stage.ask(6000, Method::ALLOCATE, 4, &[USERNAME]).grant(6010, Method::ALLOCATE, 4, &[lifetime(300)]);
    let ends: Vec<_> = stage.snapshot().allocations.iter().map(|row| row.end).collect();
    assert_eq!(ends, [AllocationEnd::Deleted, AllocationEnd::Open]);
}

#[test]
fn an_allocation_that_is_not_refreshed_expires() {
    assert_eq!(only(Stage::new().allocate().until(600_000).snapshot()).end, AllocationEnd::Open);
    assert_eq!(only(Stage::new().allocate().until(601_000).snapshot()).end, AllocationEnd::Expired);
}

#[test]
fn a_channel_has_its_peer_and_its_packets_both_ways() {
    let number = (AttributeType::CHANNEL_NUMBER, Value::U16(0x4001));
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    let mut stage = Stage::new();
    stage.allocate().ask(100, Method::CHANNEL_BIND, 3, &[USERNAME, number, peer]);
    stage.grant(110, Method::CHANNEL_BIND, 3, &[]);
    for seq in 0..3 {
        stage.udp(200, CLIENT, SERVER, &channel_data(0x4001, &rtp(0, 9, seq, 0)));
    }
    stage.udp(201, SERVER, CLIENT, &channel_data(0x4001, &rtp(0, 8, 0, 0)));
    let snapshot = stage.snapshot();
    let inner = snapshot.flows.iter().find(|row| row.parent.is_some()).unwrap();
    assert_eq!(inner.peer.unwrap().text(), "10.0.0.3:7000");
    let allocation = only(snapshot).allocation;
    let channel = &allocation.channels[&0x4001];
    assert_eq!((channel.packets_out, channel.packets_in, channel.binds), (3, 1, 1));
    assert!(allocation.permissions.contains_key(&channel.peer.unwrap().addr));
}

#[test]
fn permissions_are_those_that_were_granted() {
    let peer = |text| (AttributeType::XOR_PEER_ADDRESS, address(text));
    let mut stage = Stage::new();
    stage.allocate().ask(100, Method::CREATE_PERMISSION, 3, &[USERNAME, peer("10.0.0.3:1"), peer("10.0.0.4:1")]);
    stage.grant(110, Method::CREATE_PERMISSION, 3, &[]);
    stage.ask(120, Method::CREATE_PERMISSION, 4, &[USERNAME, peer("10.0.0.5:1")]);
    stage.refuse(130, Method::CREATE_PERMISSION, 4, 403);
    let row = only(stage.snapshot());
    let permissions: Vec<String> = row.allocation.permissions.keys().map(ToString::to_string).collect();
    assert_eq!(permissions, ["10.0.0.3", "10.0.0.4"]);
    assert_eq!((row.end, row.allocation.error_code()), (AllocationEnd::Open, None));
}

#[test]
fn channel_data_before_any_allocation_tells_of_one_whose_client_is_not_on_the_servers_port() {
    for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
        let row = only(Stage::new().udp(0, from, to, &channel_data(0x4000, &rtp(0, 9, 1, 0))).snapshot());
        assert_eq!((row.client.to_string(), row.server.to_string()), (CLIENT.to_owned(), SERVER.to_owned()));
        assert_eq!((row.end, row.allocation.created_ts), (AllocationEnd::Open, None));
        let channel = &row.allocation.channels[&0x4000];
        assert_eq!((channel.peer, channel.packets_out + channel.packets_in), (None, 1));
    }
}

#[test]
fn indications_are_counted_by_who_sent_them() {
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    let data = (AttributeType::DATA, Value::Bytes(b"hello"));
    let mut stage = Stage::new();
    stage.allocate().udp(100, CLIENT, SERVER, &stun(Class::Indication, Method::SEND, 3, &[peer, data]));
    stage.udp(101, SERVER, CLIENT, &stun(Class::Indication, Method::DATA, 4, &[peer, data]));
    stage.udp(102, SERVER, CLIENT, &stun(Class::Indication, Method::DATA, 5, &[peer, data]));
    let allocation = only(stage.snapshot()).allocation;
    assert_eq!((allocation.indications_out, allocation.indications_in), (1, 2));
}

#[test]
fn requests_without_answers_do_not_keep_later_ones_from_being_understood() {
    let mut stage = Stage::new();
    stage.allocate();
    let numbers = (0..2000_u32).map(|n| n.to_be_bytes());
    for number in numbers {
        let mut request = stun(Class::Request, Method::REFRESH, 9, &[lifetime(600)]);
        request[8..12].copy_from_slice(&number);
        stage.udp(100, CLIENT, SERVER, &request);
    }
    stage.ask(200, Method::REFRESH, 3, &[lifetime(0)]).grant(201, Method::REFRESH, 3, &[lifetime(0)]);
    assert_eq!(only(stage.snapshot()).end, AllocationEnd::Deleted);
}

#[test]
fn text_of_any_length_is_cut() {
    let long = [b'x'; 5000];
    let mut stage = Stage::new();
    stage.ask(0, Method::ALLOCATE, 1, &[(AttributeType::USERNAME, Value::Text(&long))]);
    assert_eq!(only(stage.snapshot()).allocation.username.map(|name| name.len()), Some(MAX_TEXT));
}

#[test]
fn an_allocate_that_is_sent_again_after_its_answer_is_no_new_allocation() {
    let mut stage = Stage::new();
    stage.allocate().ask(40, Method::ALLOCATE, 2, &[USERNAME]);
    let row = only(stage.snapshot());
    assert_eq!((row.end, row.allocation.created_ts.is_some()), (AllocationEnd::Open, true));
}

#[test]
fn an_allocate_that_mismatches_leaves_the_living_allocation_as_the_only_one() {
    let number = (AttributeType::CHANNEL_NUMBER, Value::U16(0x4001));
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    let mut stage = Stage::new();
    stage.allocate().ask(100, Method::CHANNEL_BIND, 3, &[USERNAME, number, peer]);
    stage.grant(110, Method::CHANNEL_BIND, 3, &[]).ask(200, Method::ALLOCATE, 4, &[USERNAME]);
    stage.udp(205, CLIENT, SERVER, &channel_data(0x4001, &rtp(0, 9, 0, 0)));
    stage.refuse(210, Method::ALLOCATE, 4, 437);
    stage.udp(220, CLIENT, SERVER, &channel_data(0x4001, &rtp(0, 9, 1, 0)));
    let row = only(stage.snapshot());
    assert_eq!((row.end, row.allocation.channels[&0x4001].packets_out), (AllocationEnd::Open, 2));
    assert_eq!(row.allocation.errors.last().map(|error| error.code), Some(437));
}

#[test]
fn a_mismatch_without_a_known_allocation_is_a_failure() {
    let mut stage = Stage::new();
    stage.ask(0, Method::ALLOCATE, 1, &[USERNAME]).refuse(10, Method::ALLOCATE, 1, 437);
    assert_eq!(only(stage.snapshot()).end, AllocationEnd::Failed);
}

#[test]
fn the_channels_of_a_deleted_allocation_are_not_those_of_the_next() {
    let number = (AttributeType::CHANNEL_NUMBER, Value::U16(0x4001));
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    let mut stage = Stage::new();
    stage.allocate().ask(100, Method::CHANNEL_BIND, 3, &[USERNAME, number, peer]);
    stage.grant(110, Method::CHANNEL_BIND, 3, &[]).ask(200, Method::REFRESH, 4, &[USERNAME, lifetime(0)]);
    stage.grant(210, Method::REFRESH, 4, &[lifetime(0)]).ask(300, Method::ALLOCATE, 5, &[USERNAME]);
    stage.grant(310, Method::ALLOCATE, 5, &[lifetime(600)]);
    stage.udp(400, CLIENT, SERVER, &channel_data(0x4001, &rtp(0, 9, 0, 0)));
    let rows = stage.snapshot().allocations;
    assert_eq!(rows[1].allocation.channels[&0x4001].peer, None);
}

#[test]
fn a_challenge_that_the_client_has_taken_up_is_open_until_the_answer_is_overdue() {
    let mut stage = Stage::new();
    stage.ask(0, Method::ALLOCATE, 1, &[]).refuse(10, Method::ALLOCATE, 1, 401);
    stage.ask(20, Method::ALLOCATE, 2, &[USERNAME]);
    assert_eq!(only(stage.snapshot()).end, AllocationEnd::Open);
    assert_eq!(only(stage.until(39_520).snapshot()).end, AllocationEnd::Failed);
}

#[test]
fn channels_have_a_bound_over_all_allocations_of_a_five_tuple() {
    let mut stage = Stage::new();
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    for round in 0..=(MAX_CHANNELS / 0x1000) as u8 {
        stage.ask(0, Method::ALLOCATE, round, &[USERNAME]).grant(0, Method::ALLOCATE, round, &[lifetime(600)]);
        for number in 0x4000..0x5000 {
            stage.ask(0, Method::CHANNEL_BIND, 99, &[(AttributeType::CHANNEL_NUMBER, Value::U16(number)), peer]);
            stage.udp(0, CLIENT, SERVER, &channel_data(number, b"data"));
        }
    }
    let snapshot = stage.snapshot();
    let allocations: Vec<&Allocation> = snapshot.allocations.iter().map(|row| &row.allocation).collect();
    assert_eq!(allocations.iter().map(|allocation| allocation.channels.len()).sum::<usize>(), MAX_CHANNELS);
    assert_eq!(allocations.iter().map(|allocation| allocation.bindings.len()).sum::<usize>(), MAX_CHANNELS);
    assert_eq!(allocations.iter().map(|allocation| allocation.not_kept).collect::<Vec<_>>(), [0, 0, 0, 0, 2 * 0x1000]);
    assert_eq!(snapshot.findings[0].code, "LIMIT_REACHED");
    assert_eq!(snapshot.findings[0].summary, "8192 channels and permissions of allocations not kept");
}

#[test]
fn a_deleted_allocation_leaves_its_place_to_the_channels_of_the_next() {
    let peer = (AttributeType::XOR_PEER_ADDRESS, address("10.0.0.3:7000"));
    let mut stage = Stage::new();
    for round in 0..MAX_CHANNELS / 0x1000 + 1 {
        let (id, other) = (2 * round as u8, 2 * round as u8 + 1);
        stage.ask(0, Method::ALLOCATE, id, &[USERNAME]).grant(0, Method::ALLOCATE, id, &[lifetime(600)]);
        for number in 0x4000..0x5000 {
            stage.ask(0, Method::CHANNEL_BIND, 99, &[(AttributeType::CHANNEL_NUMBER, Value::U16(number)), peer]);
        }
        stage.ask(0, Method::REFRESH, other, &[lifetime(0)]).grant(0, Method::REFRESH, other, &[lifetime(0)]);
    }
    let snapshot = stage.snapshot();
    assert!(snapshot.allocations.iter().all(|row| (row.allocation.not_kept, row.end) == (0, AllocationEnd::Deleted)));
}

#[test]
fn permissions_have_a_bound_over_all_allocations_of_a_five_tuple() {
    let mut stage = Stage::new();
    for round in 0..5_u8 {
        let (id, other) = (2 * round, 2 * round + 1);
        stage.ask(0, Method::ALLOCATE, id, &[USERNAME]).grant(0, Method::ALLOCATE, id, &[lifetime(600)]);
        let peer = |number: u16| SocketAddr::from(([10, 1 + round, (number >> 8) as u8, number as u8], 0));
        let peers: Vec<_> = (0..1000).map(|n| (AttributeType::XOR_PEER_ADDRESS, Value::Address(peer(n)))).collect();
        stage.ask(0, Method::CREATE_PERMISSION, other, &peers).grant(0, Method::CREATE_PERMISSION, other, &[]);
    }
    let rows = stage.snapshot().allocations;
    assert_eq!(rows.iter().map(|row| row.allocation.permissions.len()).sum::<usize>(), MAX_PERMISSIONS);
    assert_eq!(rows.iter().map(|row| row.allocation.not_kept).sum::<u64>(), 5000 - MAX_PERMISSIONS as u64);
}
