//! Whole runs of the built program against a second make of server: the one of `turnload demo`, in this process.
//!
//! No other program is needed, so these always run. It speaks UDP only; what is the same for every server is asked of
//! coturn in `load.rs`.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use support::coturn::free_port;
use support::second::{Known, SecondServer};
use support::{assert_done, assert_lossless, interrupt, judged, measuring, program, run_as, skipped, unless_invalid};
use turnload::engine::demo::DemoServer;

fn server() -> DemoServer {
    DemoServer::start(7).expect("a server")
}

fn load(server: &DemoServer, password: &str, arguments: &str) -> Command {
    let mut command = support::load(&format!("turn:{}", server.address()), arguments);
    command.env("TURN_USERNAME", server.user()).env("TURN_PASSWORD", password);
    command
}

fn run(server: &DemoServer, arguments: &str) -> (Option<i32>, Value) {
    run_as(|| load(server, server.password().reveal(), arguments))
}

#[test]
fn channels_and_indications_to_a_peer_and_in_pairs_lose_nothing() {
    let (_turn, server) = (measuring(), server());
    for arguments in ["", "-s", "-y", "-y -s", "--profile video"] {
        let (code, value) = run(&server, &format!("{arguments} -m 6 -n 25"));
        assert_lossless(&value, 6, 150);
        assert_done(code, &value);
    }
}

#[test]
fn both_families_both_credentials_and_both_ways_to_the_peer_lose_nothing() {
    let _turn = measuring();
    let [v4, v6] = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    if UdpSocket::bind((v6, 0)).is_err() {
        return skipped("there is no IPv6 on the loopback interface");
    }
    for known in [Known::Alice, Known::Secret] {
        for (address, relay) in [(v4, ""), (v6, "-x")] {
            let server = SecondServer::start(address, known);
            for way in ["", "-s", "-y"] {
                let (code, value) = run_as(|| {
                    let mut command = support::load(&server.uri(), &format!("-m 4 -n 20 -z 10 {relay} {way}"));
                    if known == Known::Secret {
                        // This make takes user names of the expiry alone.
                        command.env_remove("TURN_USERNAME").env_remove("TURN_PASSWORD").env("TURN_SECRET", "logen");
                    }
                    command
                });
                assert_lossless(&value, 4, 80);
                assert_done(code, &value);
            }
        }
    }
}

#[test]
fn a_wrong_secret_ends_with_three() {
    let _turn = measuring();
    let server = SecondServer::start(Ipv4Addr::LOCALHOST.into(), Known::Secret);
    let mut command = support::load(&server.uri(), "-m 3 --duration 30s");
    command.env_remove("TURN_USERNAME").env_remove("TURN_PASSWORD").env("TURN_SECRET", "negol");
    let (code, value) = judged(&command.output().expect("turnload runs"));
    assert_eq!((code, &value["allocations"]["failed"]), (Some(3), &3.into()), "{value:#}");
}

#[test]
fn short_lives_are_outlived_without_a_loss() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = run(&server, "-m 4 --duration 3s --pps 50 --lifetime 2s --permission-lifetime 2s");
    let sent = value["media"]["sent_packets"].as_u64().expect("a number");
    assert_lossless(&value, 4, sent);
    let allocations = &value["allocations"];
    // Each after half its time: two or three of each.
    for figure in ["refreshes", "renewals"] {
        assert!(allocations[figure].as_u64().is_some_and(|count| (8..=12).contains(&count)), "{figure}: {value:#}");
    }
    assert_eq!((&allocations["lost"], &allocations["undeleted"]), (&0.into(), &0.into()), "{value:#}");
    assert_done(code, &value);
}

#[test]
fn source_addresses_take_turns_without_a_loss() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = run(&server, "-m 6 -n 20 -z 10 --source-ip 127.0.0.2 --source-ip 127.0.0.3");
    assert_lossless(&value, 6, 120);
    assert_done(code, &value);
}

#[test]
fn the_loss_of_every_packet_is_no_success() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = run(&server, &format!("-m 3 -n 20 -z 10 --peer 127.0.0.1:{}", free_port()));
    assert_eq!((code, &value["media"]["lost_packets"]), (Some(3), &60.into()), "{value:#}");
}

#[test]
fn audio_for_a_second_comes_back_with_its_round_trips() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = run(&server, "-m 10 --duration 1s --profile audio --seed 3");
    let sent = value["media"]["sent_packets"].as_u64().expect("a number");
    // 10 streams at 50 packets a second; allocating takes some of the second.
    assert!((400..=510).contains(&sent), "{sent}");
    assert_lossless(&value, 10, sent);
    assert_eq!(value["seed"], 3);
    assert_done(code, &value);
    assert!(value["media"]["rtt_ms"]["p50"].as_f64().is_some_and(|millis| millis > 0.0));
}

#[test]
fn a_wrong_password_ends_with_three_whatever_code_the_server_has_for_it() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = judged(&load(&server, "wrong", "-m 5 --duration 30s").output().expect("turnload runs"));
    assert_eq!((code, &value["allocations"]["failed"]), (Some(3), &5.into()), "{value:#}");
    // RFC 8489, section 9.2.4 wants 401; this server says 400.
    assert_eq!(value["allocations"]["errors"]["400"], 5, "{value:#}");
}

#[test]
fn calls_come_and_go_and_leave_nothing_behind() {
    let (_turn, server) = (measuring(), server());
    let (code, value) = run(&server, "--arrival 40/s --hold 300ms --duration 1s --seed 7");
    let made = value["allocations"]["succeeded"].as_u64().expect("a number");
    assert!((30..=80).contains(&made), "{made}");
    assert_eq!(value["media"]["lost_packets"], 0, "{value:#}");
    assert_done(code, &value);
}

#[test]
fn a_server_that_ends_takes_its_allocations_and_is_told() {
    let _turn = measuring();
    let ended = unless_invalid(|| {
        let server = server();
        let load = load(&server, server.password().reveal(), "-m 10 --duration 60s").spawn().expect("turnload runs");
        std::thread::sleep(Duration::from_millis(1_500));
        drop(server);
        Some(judged(&load.wait_with_output().expect("it ends by itself, long before its time")))
    });
    let (code, value) = ended.expect("an attempt");
    let allocations = &value["allocations"];
    assert_eq!((&allocations["succeeded"], &allocations["lost"]), (&10.into(), &10.into()), "{value:#}");
    assert_eq!(code, Some(3), "{value:#}");
}

#[test]
fn an_interrupt_deletes_what_is_there_and_says_that_it_was_cut_short() {
    let (_turn, server) = (measuring(), server());
    let load = load(&server, server.password().reveal(), "-m 10 --duration 60s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_millis(1_500));
    interrupt(&load);
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    assert_eq!((code, &value["allocations"]["succeeded"]), (Some(5), &10.into()), "{value:#}");
    assert_eq!((&value["media"]["lost_packets"], value["incomplete"].is_null()), (&0.into(), false), "{value:#}");
}

#[test]
fn the_demonstration_needs_nothing_and_shows_a_whole_result() {
    let _turn = measuring();
    let (code, value) =
        run_as(|| program(&["demo", "-m", "10", "--duration", "1s", "--seed", "5", "--format", "json"]));
    let sent = value["media"]["sent_packets"].as_u64().expect("a number");
    assert!(sent >= 400, "{sent}");
    assert_lossless(&value, 10, sent);
    assert_eq!((&value["schema"], &value["seed"]), (&"turnload-result/1".into(), &5.into()));
    assert_done(code, &value);
    assert!(value["intervals"].as_array().is_some_and(|rows| rows.len() >= 2), "{value:#}");
    assert!(value["intervals"][1]["server"]["cpu_cores"].is_number(), "{value:#}");
}
