use super::super::super::snapshot::{CandidateKind, PairRow, SetupCheck, Snapshot};
use super::super::super::stage::{Stage, channel_data, rtp, stun};
use crate::proto::stun::{AttributeType, Class, Method, Value};
use std::net::SocketAddr;

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:6000";
const B2: &str = "10.0.0.2:6002";

/// A check of who has the fragment behind the colon.
fn check(id: u8, username: &'static [u8], nominates: bool) -> Vec<u8> {
    let mut attributes = vec![
        (AttributeType::USERNAME, Value::Text(username)),
        (AttributeType::PRIORITY, Value::U32(0x6e7f_00ff)),
        (AttributeType::ICE_CONTROLLING, Value::U64(7)),
    ];
    if nominates {
        attributes.push((AttributeType::USE_CANDIDATE, Value::Flag));
    }
    stun(Class::Request, Method::BINDING, id, &attributes)
}

/// The answer to one, that saw it come from an address.
fn answer(id: u8, seen: &str) -> Vec<u8> {
    let seen: SocketAddr = seen.parse().unwrap();
    stun(Class::SuccessResponse, Method::BINDING, id, &[(AttributeType::XOR_MAPPED_ADDRESS, Value::Address(seen))])
}

fn sdp(ufrag: &str, setup: &str, candidates: &[&str]) -> String {
    let candidates: String = candidates.iter().map(|text| format!("a=candidate:1 1 {text}\r\n")).collect();
    // Two parties have two origins.
    let origin = if setup == "actpass" { 1 } else { 2 };
    format!(
        "v=0\r\no=- {origin} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\na=setup:{setup}\r\n\
         {candidates}"
    )
}

/// An exchange over HTTP: A has the fragment `aaaa`, B `bbbb`.
fn described(of_a: &[&str], of_b: &[&str]) -> Stage {
    let mut stage = Stage::new();
    exchange(&mut stage, 0, [1, 1], [&sdp("aaaa", "actpass", of_a), &sdp("bbbb", "active", of_b)]);
    stage
}

/// Both texts at their places in the connection; what comes next is behind them.
fn exchange(stage: &mut Stage, at: i64, seqs: [u32; 2], [offer, answer]: [&str; 2]) -> [u32; 2] {
    let http = |start: &str, body: &str| {
        format!("{start}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let (client, server) = ("10.0.0.1:40000", "10.0.0.2:80");
    let texts = [http("POST /whip HTTP/1.1\r\nHost: b", offer), http("HTTP/1.1 201 Created", answer)];
    let [asked, answered] = seqs;
    stage.tcp(at, client, server, asked, 0x10, texts[0].as_bytes());
    stage.tcp(at + 10, server, client, answered, 0x10, texts[1].as_bytes());
    [asked + texts[0].len() as u32, answered + texts[1].len() as u32]
}

/// A checks B, nominates, and is seen as itself or as somebody else.
fn nominated<'s>(stage: &'s mut Stage, at: i64, to: &str, seen: &str) -> &'s mut Stage {
    stage.udp(at, A, to, &check(1, b"bbbb:aaaa", true)).udp(at + 1, to, A, &answer(1, seen))
}

fn kinds(snapshot: &Snapshot) -> [Option<&str>; 2] {
    let row = snapshot.pairs.first().unwrap();
    [0, 1].map(|end: usize| row.kinds[end].as_ref().map(CandidateKind::as_str))
}

fn media(stage: &mut Stage, from: i64, count: u16, to: &str, ssrc: u32) {
    for seq in 0..count {
        let at = from + i64::from(seq) * 20;
        stage.udp(at, A, to, &rtp(111, ssrc, (from / 20) as u16 + seq, (from as u32 / 20 + u32::from(seq)) * 960));
    }
}

const HOST_A: &str = "udp 2113937151 10.0.0.1 5000 typ host";
const HOST_B: &str = "udp 2113937151 10.0.0.2 6000 typ host";

#[test]
fn candidates_have_the_kind_that_their_description_gives_them() {
    let reflexive = "udp 1 10.0.0.2 6000 typ srflx raddr 192.168.0.9 rport 999";
    for (of_b, kind) in [(HOST_B, "host"), (reflexive, "srflx"), ("udp 1 10.0.0.2 6000 typ relay", "relay")] {
        let mut stage = described(&[HOST_A], &[of_b]);
        assert_eq!(kinds(&nominated(&mut stage, 20, B, A).snapshot()), [Some("host"), Some(kind)]);
    }
}

#[test]
fn the_candidate_of_a_pair_is_what_the_other_side_saw() {
    let reflexive = "udp 1 203.0.113.7 7000 typ srflx raddr 10.0.0.1 rport 5000";
    let mut stage = described(&[HOST_A, reflexive], &[HOST_B]);
    assert_eq!(kinds(&nominated(&mut stage, 20, B, "203.0.113.7:7000").snapshot())[0], Some("srflx"));
    let mut within = described(&[HOST_A, reflexive], &[HOST_B]);
    assert_eq!(kinds(&nominated(&mut within, 20, B, A).snapshot())[0], Some("host"));
}

#[test]
fn what_nobody_announced_is_peer_reflexive_and_without_candidates_unknown() {
    let mut stage = described(&["udp 1 10.0.0.1 5002 typ host"], &[]);
    assert_eq!(kinds(&nominated(&mut stage, 20, B, A).snapshot()), [Some("prflx"), None]);
    let mut nothing = Stage::new();
    assert_eq!(kinds(&nominated(&mut nothing, 20, B, A).snapshot()), [None, None]);
}

#[test]
fn names_of_multicast_dns_bases_and_tcp_clients_are_hosts() {
    let name = "udp 1 de5b5274-a6fb-4995-b5c0-28da09952b9f.local 5000 typ host";
    let base = "udp 1 203.0.113.7 7000 typ srflx raddr 10.0.0.1 rport 5000";
    for of_a in [name, base] {
        let mut stage = described(&[of_a], &[HOST_B]);
        assert_eq!(kinds(&nominated(&mut stage, 20, B, A).snapshot())[0], Some("host"), "{of_a}");
    }
    let mut other_port = described(&["udp 1 de5b5274.local 5004 typ host"], &[HOST_B]);
    assert_eq!(kinds(&nominated(&mut other_port, 20, B, A).snapshot())[0], Some("prflx"));
    // One over TCP says nothing of UDP.
    let mut active = described(&["tcp 1 10.0.0.1 9 typ host tcptype active"], &[HOST_B]);
    assert_eq!(kinds(&nominated(&mut active, 20, B, A).snapshot())[0], Some("prflx"));
}

#[test]
fn without_descriptions_the_servers_tell_who_is_reflexive_and_who_is_relayed() {
    let (server, outside) = ("192.0.2.1:3478", "203.0.113.7:7000");
    let mut stage = Stage::new();
    stage.udp(0, A, server, &stun(Class::Request, Method::BINDING, 9, &[])).udp(1, server, A, &answer(9, outside));
    assert_eq!(kinds(&nominated(&mut stage, 20, B, outside).snapshot()), [Some("srflx"), None]);

    let mut relayed = Stage::new();
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let granted = [
        (AttributeType::XOR_RELAYED_ADDRESS, address("192.0.2.1:50000")),
        (AttributeType::XOR_MAPPED_ADDRESS, address(A)),
        (AttributeType::LIFETIME, Value::U32(600)),
    ];
    let bind = [(AttributeType::CHANNEL_NUMBER, Value::U16(0x4000)), (AttributeType::XOR_PEER_ADDRESS, address(B))];
    relayed
        .udp(0, A, server, &stun(Class::Request, Method::ALLOCATE, 2, &[(AttributeType::LIFETIME, Value::U32(600))]))
        .udp(1, server, A, &stun(Class::SuccessResponse, Method::ALLOCATE, 2, &granted))
        .udp(2, A, server, &stun(Class::Request, Method::CHANNEL_BIND, 3, &bind))
        .udp(3, server, A, &stun(Class::SuccessResponse, Method::CHANNEL_BIND, 3, &[]))
        .udp(4, A, server, &channel_data(0x4000, &check(1, b"bbbb:aaaa", true)))
        .udp(5, server, A, &channel_data(0x4000, &answer(1, "192.0.2.1:50000")));
    assert_eq!(kinds(&relayed.snapshot()), [Some("relay"), None]);
}

fn selected(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pairs.iter().filter(|row| row.is_selected() == Some(true)).map(|row: &PairRow| row.id.as_str()).collect()
}

fn switches(snapshot: &Snapshot) -> Vec<(&str, Option<u64>)> {
    let transports = &snapshot.sessions[0].call.ice;
    let of_first = transports[0].switches.iter();
    of_first.map(|switch| (switch.pair.as_str(), switch.frame.map(|frame| frame.0))).collect()
}

#[test]
fn of_two_nominated_pairs_the_one_that_carries_the_media_in_the_end_is_selected() {
    let mut stage = Stage::new();
    nominated(&mut stage, 0, B, A);
    nominated(&mut stage, 2, B2, A);
    let undecided = stage.snapshot();
    assert_eq!((selected(&undecided), undecided.pairs[0].selected), (vec![], None));
    media(&mut stage, 100, 50, B, 7);
    assert_eq!(selected(&stage.snapshot()), ["p1"]);
    media(&mut stage, 1200, 50, B2, 7);
    let moved = stage.snapshot();
    assert_eq!((selected(&moved), switches(&moved)), (vec!["p2"], vec![("p1", Some(5)), ("p2", Some(55))]));
    assert_eq!((moved.pairs[0].selected, moved.pairs[1].selected), (Some([false; 2]), Some([true, false])));
}

#[test]
fn a_pair_that_goes_on_behind_another_is_selected_again() {
    let mut stage = Stage::new();
    nominated(&mut stage, 0, B, A);
    nominated(&mut stage, 2, B2, A);
    media(&mut stage, 100, 50, B, 7);
    media(&mut stage, 1200, 50, B2, 7);
    media(&mut stage, 2400, 50, B, 7);
    let back = stage.snapshot();
    assert_eq!((selected(&back), switches(&back)), (vec!["p1"], vec![("p1", Some(5)), ("p2", Some(55)), ("p1", None)]));
}

#[test]
fn where_nothing_passes_the_one_nominated_pair_is_selected() {
    let mut stage = Stage::new();
    stage.udp(0, A, B2, &check(3, b"bbbb:aaaa", false));
    nominated(&mut stage, 1, B, A);
    assert_eq!(selected(&stage.snapshot()), ["p2"]);
}

#[test]
fn an_ice_restart_is_a_generation_of_its_own_also_on_the_same_addresses() {
    let mut stage = Stage::new();
    let (offered, answered) = (sdp("aaaa", "actpass", &[HOST_A]), sdp("bbbb", "active", &[HOST_B]));
    let seqs = exchange(&mut stage, 0, [1, 1], [&offered, &answered]);
    nominated(&mut stage, 20, B, A);
    media(&mut stage, 100, 50, B, 7);
    exchange(&mut stage, 1200, seqs, [&sdp("cccc", "actpass", &[HOST_A]), &sdp("dddd", "active", &[HOST_B])]);
    stage.udp(1300, A, B, &check(5, b"dddd:cccc", true)).udp(1301, B, A, &answer(5, A));
    // The pair before goes on to be checked until the new one is selected.
    stage.udp(1302, A, B, &check(6, b"bbbb:aaaa", false)).udp(1303, B, A, &answer(6, A));
    media(&mut stage, 1400, 50, B, 7);
    let snapshot = stage.snapshot();
    let rows: Vec<_> = snapshot.pairs.iter().map(|row| (row.pair.restarts, row.generation, row.pair.checks)).collect();
    assert_eq!(rows, [(0, Some(0), 2), (1, Some(1), 1)]);
    assert_eq!((selected(&snapshot), switches(&snapshot).len()), (vec!["p2"], 2));
    assert_eq!((snapshot.sessions.len(), snapshot.sessions[0].call.ice_restarts), (1, 1));
}

#[test]
fn two_sources_side_by_side_are_two_transports() {
    let mut stage = Stage::new();
    nominated(&mut stage, 0, B, A);
    nominated(&mut stage, 2, B2, A);
    for at in 0..20 {
        media(&mut stage, 100 + at * 200, 10, B, 7);
        media(&mut stage, 100 + at * 200, 10, B2, 8);
    }
    let snapshot = stage.snapshot();
    assert_eq!((selected(&snapshot), snapshot.sessions[0].call.ice.len()), (vec!["p1", "p2"], 2));
}

#[test]
fn a_handshake_has_the_roles_that_setup_gives_or_others() {
    let row = |client: &str, server: &str| {
        let mut stage = described(&[HOST_A], &[HOST_B]);
        nominated(&mut stage, 20, B, A).handshake(30, client, server).snapshot().handshakes[0].clone()
    };
    assert_eq!(row(B, A).sdp_setup, SetupCheck::Match);
    assert_eq!(row(A, B).sdp_setup, SetupCheck::Mismatch);
    let alone = Stage::new().handshake(0, A, B).snapshot().handshakes[0].clone();
    assert_eq!(alone.sdp_setup, SetupCheck::NoSdp);
}
