//! Both sides of a TURN server through the whole analyzer.

use super::super::snapshot::{AllocationRow, Snapshot};
use super::super::stage::{Stage, channel_data, rtp, stun};
use crate::model::analyzer::Options;
use crate::model::capture::{CaptureFacts, FileFacts};
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Class, Method, Value};
use std::net::SocketAddr;

const CLIENT: &str = "10.0.0.1:5000";
const OTHER: &str = "10.0.0.4:5000";
const SERVER: &str = "10.0.0.2:3478";
const RELAYED: &str = "10.0.0.2:49152";
const OTHERS_RELAYED: &str = "10.0.0.2:49153";
const PEER: &str = "10.0.0.3:7000";

fn address(kind: AttributeType, text: &str) -> (AttributeType, Value<'static>) {
    (kind, Value::Address(text.parse::<SocketAddr>().unwrap()))
}

impl Stage {
    /// An allocation with channel 0x4001 to a peer.
    fn relay(&mut self, id: u8, client: &str, relayed: &str, peer: &str) -> &mut Self {
        let relayed = address(AttributeType::XOR_RELAYED_ADDRESS, relayed);
        let lifetime = (AttributeType::LIFETIME, Value::U32(600));
        let bind =
            [(AttributeType::CHANNEL_NUMBER, Value::U16(0x4001)), address(AttributeType::XOR_PEER_ADDRESS, peer)];
        self.udp(0, client, SERVER, &stun(Class::Request, Method::ALLOCATE, id, &[]));
        self.udp(1, SERVER, client, &stun(Class::SuccessResponse, Method::ALLOCATE, id, &[relayed, lifetime]));
        self.udp(2, client, SERVER, &stun(Class::Request, Method::CHANNEL_BIND, id, &bind));
        self.udp(3, SERVER, client, &stun(Class::SuccessResponse, Method::CHANNEL_BIND, id, &[]))
    }

    /// A packet of the client through the server; what the server drops does not come out.
    fn forth(&mut self, millis: i64, data: &[u8], comes_out: bool) -> &mut Self {
        self.udp(millis, CLIENT, SERVER, &channel_data(0x4001, data));
        if comes_out {
            self.udp(millis + 2, RELAYED, PEER, data);
        }
        self
    }

    fn back(&mut self, millis: i64, data: &[u8], comes_out: bool) -> &mut Self {
        self.udp(millis, PEER, RELAYED, data);
        if comes_out {
            self.udp(millis + 3, SERVER, CLIENT, &channel_data(0x4001, data));
        }
        self
    }
}

fn row(snapshot: &Snapshot) -> &AllocationRow {
    assert_eq!(snapshot.allocations.len(), 1);
    &snapshot.allocations[0]
}

/// RTP of a number that says all.
fn media(seq: u16) -> Vec<u8> {
    rtp(0, 9, seq, u32::from(seq) * 160)
}

#[test]
fn packets_are_matched_on_both_sides_and_the_lost_are_named() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        stage.forth(100 + i64::from(seq) * 20, &media(seq), seq != 4);
        stage.back(110 + i64::from(seq) * 20, format!("data number {seq}").as_bytes(), seq != 7 && seq != 8);
    }
    let snapshot = stage.udp(1000, "10.0.0.8:8", "10.0.0.9:9", b"later").snapshot();
    let hop = &row(&snapshot).relay_hop;
    let (forth, back) = (hop.to_peer.as_ref().unwrap(), hop.from_peer.as_ref().unwrap());
    assert_eq!((forth.matched, forth.lost, forth.reordered, forth.unseen), (9, 1, 0, 0));
    assert_eq!(forth.lost_frames, [FrameNo(21)]);
    assert_eq!(forth.delay_ms.unwrap().p50, 2.0);
    assert_eq!((back.matched, back.lost, back.lost_frames.len()), (8, 2, 2));
    assert_eq!(back.delay_ms.unwrap().max, 3.0);
}

#[test]
fn a_capture_of_one_side_says_nothing() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        stage.udp(100 + i64::from(seq) * 20, CLIENT, SERVER, &channel_data(0x4001, &media(seq)));
    }
    assert_eq!(row(&stage.snapshot()).relay_hop, Default::default());
}

#[test]
fn flows_at_the_relayed_address_that_have_nothing_in_common_are_not_both_sides() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        stage.udp(100 + i64::from(seq) * 20, CLIENT, SERVER, &channel_data(0x4001, &media(seq)));
        stage.udp(101 + i64::from(seq) * 20, RELAYED, PEER, &media(seq + 1000));
    }
    assert_eq!(row(&stage.snapshot()).relay_hop, Default::default());
}

#[test]
fn what_is_in_the_server_at_the_end_of_the_capture_is_not_lost() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        stage.forth(100 + i64::from(seq) * 20, &media(seq), true);
    }
    let snapshot = stage.forth(300, &media(10), false).snapshot();
    let forth = row(&snapshot).relay_hop.to_peer.clone().unwrap();
    assert_eq!((forth.matched, forth.lost), (10, 0));
}

#[test]
fn a_packet_that_comes_when_the_client_has_deleted_the_allocation_is_not_lost() {
    let lifetime = [(AttributeType::LIFETIME, Value::U32(0))];
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        stage.back(100 + i64::from(seq) * 20, &media(seq), true);
    }
    stage.udp(400, CLIENT, SERVER, &stun(Class::Request, Method::REFRESH, 9, &lifetime));
    stage.back(401, &media(10), false);
    stage.udp(402, SERVER, CLIENT, &stun(Class::SuccessResponse, Method::REFRESH, 9, &lifetime));
    stage.back(500, &media(11), false).udp(1000, "10.0.0.8:8", "10.0.0.9:9", b"later");
    let back = row(&stage.snapshot()).relay_hop.from_peer.clone().unwrap();
    assert_eq!((back.matched, back.lost), (10, 0));
}

#[test]
fn copies_of_a_mirror_port_are_one_packet_on_either_side() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        let millis = 100 + i64::from(seq) * 20;
        stage.udp(millis, CLIENT, SERVER, &channel_data(0x4001, &media(seq))).again(1);
        stage.udp(millis + 2, RELAYED, PEER, &media(seq)).again(1);
    }
    let forth = row(&stage.snapshot()).relay_hop.to_peer.clone().unwrap();
    assert_eq!((forth.matched, forth.lost, forth.unseen), (10, 0, 0));
    let mut stage = Stage::with(Options { remove_copies: false, ..Options::default() });
    stage.relay(1, CLIENT, RELAYED, PEER).forth(100, &media(1), true).forth(120, &media(2), true);
    assert_eq!(row(&stage.snapshot()).relay_hop, Default::default());
}

#[test]
fn of_several_captures_the_other_side_is_believed_from_its_first_packet_to_its_last() {
    let two = || CaptureFacts { files: vec![FileFacts::default(); 2], ..CaptureFacts::default() };
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..20 {
        // The capture of the peer's side ran from the fifth packet to the fifteenth.
        stage.forth(100 + i64::from(seq) * 20, &media(seq), (5..15).contains(&seq) && seq != 9);
    }
    stage.analyzer.finish();
    let snapshot = stage.analyzer.snapshot(two());
    let forth = row(&snapshot).relay_hop.to_peer.clone().unwrap();
    assert_eq!((forth.matched, forth.lost), (9, 1));
}

#[test]
fn clocks_that_differ_leave_the_delay_unknown_and_the_loss_known() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, PEER);
    for seq in 0..10 {
        let millis = 1000 + i64::from(seq) * 20;
        stage.udp(millis, CLIENT, SERVER, &channel_data(0x4001, &media(seq)));
        if seq != 5 {
            stage.udp(millis - 500, RELAYED, PEER, &media(seq));
        }
    }
    let forth =
        row(&stage.udp(3000, "10.0.0.8:8", "10.0.0.9:9", b"later").snapshot()).relay_hop.to_peer.clone().unwrap();
    assert_eq!((forth.matched, forth.lost, forth.delay_ms), (9, 1, None));
}

#[test]
fn two_allocations_that_are_each_others_peers_know_of_each_other() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, RELAYED, OTHERS_RELAYED).relay(2, OTHER, OTHERS_RELAYED, RELAYED);
    for seq in 0..5 {
        let millis = 100 + i64::from(seq) * 20;
        stage.udp(millis, CLIENT, SERVER, &channel_data(0x4001, &media(seq)));
        stage.udp(millis + 1, RELAYED, OTHERS_RELAYED, &media(seq));
        stage.udp(millis + 2, SERVER, OTHER, &channel_data(0x4001, &media(seq)));
    }
    let rows = stage.snapshot().allocations;
    assert_eq!(
        (rows[0].relay_peers.as_slice(), rows[1].relay_peers.as_slice()),
        (&["t2".to_owned()][..], &["t1".to_owned()][..])
    );
    assert_eq!(rows[0].relay_hop.to_peer.as_ref().unwrap().matched, 5);
    assert_eq!(rows[1].relay_hop.from_peer.as_ref().unwrap().matched, 5);
}

#[test]
fn a_server_behind_a_nat_relays_at_the_address_at_which_it_is_captured() {
    let mut stage = Stage::new();
    stage.relay(1, CLIENT, "192.0.2.1:49152", PEER).forth(100, &media(1), true).forth(120, &media(2), true);
    assert_eq!(row(&stage.snapshot()).relay_hop.to_peer.as_ref().unwrap().matched, 2);
}
