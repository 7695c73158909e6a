//! Keeping allocations, and where they are kept from: short lifetimes, old nonces, addresses to send from, peers elsewhere.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::coturn::{Coturn, free_port, until};
use support::{assert_done, assert_lossless, interrupt, judged, load, measuring, program, run, skipped};

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(24_000..25_000).relay_ports(100)
}

#[test]
fn short_lives_and_old_nonces_are_outlived_without_a_loss() {
    let _turn = measuring();
    // coturn holds to its maximum who asks for more, and grants ten minutes to who asks for nothing.
    let options = "stale-nonce=1\nmax-allocate-lifetime=3\npermission-lifetime=2\nchannel-lifetime=2";
    let Some(server) = coturn().options(options).start() else { return };
    for path in ["", "-s"] {
        let lives = "--lifetime 900s --permission-lifetime 2s";
        let (code, value) = run(&server.uri(), &format!("-m 5 --duration 4s --pps 50 {lives} {path}"));
        let sent = value["media"]["sent_packets"].as_u64().expect("a number");
        assert!((900..=1_000).contains(&sent), "{sent}");
        assert_lossless(&value, 5, sent);
        let allocations = &value["allocations"];
        // Each after half its time: two refreshes, three renewals, and nonces that are too old for nearly all of them.
        for (figure, least) in [("refreshes", 10), ("renewals", 15), ("stale_nonces", 10)] {
            assert!(allocations[figure].as_u64().is_some_and(|count| count >= least), "{figure}: {value:#}");
        }
        assert_eq!((&allocations["lost"], &allocations["undeleted"]), (&0.into(), &0.into()), "{value:#}");
        assert_done(code, &value);
    }
}

#[test]
fn what_is_not_renewed_in_time_is_seen_as_loss() {
    let _turn = measuring();
    let Some(server) = coturn().options("permission-lifetime=1\nchannel-lifetime=1").start() else { return };
    let (_, value) = run(&server.uri(), "-m 2 --duration 4s --pps 50");
    // The counterpart of the test above: its servers really forget.
    assert!(value["media"]["lost_packets"].as_u64().is_some_and(|lost| lost > 50), "{value:#}");
    assert_eq!(value["allocations"]["renewals"], 0, "{value:#}");
}

#[test]
fn allocations_are_deleted_at_the_end_unless_they_are_abandoned() {
    let _turn = measuring();
    let Some(server) = coturn().options("user-quota=4").start() else { return };
    let three = |arguments: &str| {
        let (_, value) = run(&server.uri(), &format!("-m 3 -n 5 -z 10 {arguments}"));
        // coturn gives a place back a little after it has answered.
        std::thread::sleep(Duration::from_millis(1_500));
        let allocations = &value["allocations"];
        (allocations["succeeded"].as_u64(), allocations["errors"]["486"].as_u64())
    };
    assert_eq!(three(""), (Some(3), None));
    assert_eq!(three("--abandon"), (Some(3), None));
    assert_eq!(three(""), (Some(1), Some(2)), "three were left behind");
}

#[test]
fn source_addresses_take_turns() {
    let _turn = measuring();
    let Some(server) = coturn().options("verbose").start() else { return };
    let sources = "--source-ip 127.0.0.2 --source-ip 127.0.0.3 --source-ip 127.0.0.4";
    for transport in ["", "-t"] {
        let (code, value) = run(&server.uri(), &format!("-m 6 -n 10 -z 10 {sources} {transport}"));
        assert_lossless(&value, 6, 60);
        assert_done(code, &value);
    }
    // coturn tells where a client was when it forgets it, a little after the deletion.
    let clients = |source: &str| {
        let (log, mark) = (server.log(), format!("remote {source}:"));
        let ports: BTreeSet<String> =
            log.split(&mark).skip(1).filter_map(|rest| Some(rest.split_once(',')?.0.to_owned())).collect();
        ports.len()
    };
    let sources = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    // Two over UDP and two over TCP; of each as many.
    let has_forgotten = || sources.iter().all(|source| clients(source) >= 4);
    assert!(until(has_forgotten), "{}", server.log());
    assert!(sources.iter().all(|source| clients(source) == clients(sources[0])), "{}", server.log());
}

#[test]
fn a_flood_sends_far_more_than_a_voice_and_mixes_nothing_up() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let flood = load(&server.uri(), "-m 2 --duration 1s --profile flood").output();
    let (code, value) = judged(&flood.expect("turnload runs"));
    let media = &value["media"];
    assert!(media["sent_packets"].as_u64().is_some_and(|sent| sent > 2_000), "{value:#}");
    assert!(media["delivered_packets"].as_u64().is_some_and(|delivered| delivered > 0), "{value:#}");
    for name in ["duplicated", "misdelivered", "corrupted"] {
        assert_eq!(media[name], 0, "{name}: {value:#}");
    }
    // Who floods may be the first to give up, and says so then.
    assert_eq!(code, Some(if value["valid"] == true { 0 } else { 4 }), "{value:#}");
}

/// A process that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn carried_to_peer_at(port: u16) {
    let Some(server) = coturn().start() else { return };
    // The letters of turnutils_uclient, and our own words.
    for arguments in [format!("--peer 127.0.0.1:{port}"), format!("-s -e 127.0.0.1 -r {port}")] {
        let (code, value) = run(&server.uri(), &format!("-m 4 -n 20 -z 10 {arguments}"));
        assert_lossless(&value, 4, 80);
        assert_done(code, &value);
        assert!(value["media"]["rtt_ms"]["p50"].is_f64() && value["generator"]["peer_cpu_s"].is_null(), "{value:#}");
    }
}

#[test]
fn a_peer_of_its_own_process_answers_until_it_is_interrupted() {
    let _turn = measuring();
    let port = free_port();
    let mut peer = Peer(program(&["peer", "--bind", &format!("127.0.0.1:{port}")]).spawn().expect("turnload runs"));
    std::thread::sleep(Duration::from_millis(300));
    carried_to_peer_at(port);
    interrupt(&peer.0);
    assert_eq!(peer.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn the_peer_of_coturn_answers_as_well() {
    const PROGRAM: &str = "/usr/bin/turnutils_peer";
    if !Path::new(PROGRAM).exists() {
        return skipped(&format!("{PROGRAM} is not installed"));
    }
    let _turn = measuring();
    let port = free_port();
    let mut command = Command::new(PROGRAM);
    command.args(["-L", "127.0.0.1", "-p", &port.to_string()]);
    let _peer =
        Peer(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    std::thread::sleep(Duration::from_millis(300));
    carried_to_peer_at(port);
}
