//! What a coturn refuses, of allocations and of peers, and where else it sends its clients: counted by code with its
//! reason, never the end of the run for the others.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use support::coturn::Coturn;
use support::{assert_done, assert_lossless, load, measuring, run};

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(24_000..25_000).relay_ports(100)
}

/// Granted, refused, and of these by `code`; what was granted carried all.
#[track_caller]
fn assert_refused(value: &Value, granted: u64, code: &str, refused: u64, reason: &str) {
    let allocations = &value["allocations"];
    assert_eq!(
        (&allocations["succeeded"], &allocations["failed"], &allocations["errors"][code]),
        (&granted.into(), &refused.into(), &refused.into()),
        "{value:#}"
    );
    let said = allocations["error_reasons"][code].as_str().expect("a reason");
    assert!(said.contains(reason), "{said}");
    let media = &value["media"];
    assert_eq!((&media["streams"], &media["lost_packets"]), (&granted.into(), &0.into()), "{value:#}");
}

#[test]
fn a_full_quota_of_a_user_or_of_the_server_is_counted_and_the_others_go_on() {
    let _turn = measuring();
    for quota in ["user-quota=5", "total-quota=5"] {
        let Some(server) = coturn().options(quota).start() else { return };
        let (code, value) = run(&server.uri(), "-m 8 -n 20 -z 10");
        assert_refused(&value, 5, "486", 3, "486 Allocation Quota Reached");
        assert_eq!(value["media"]["delivered_packets"], 100, "{value:#}");
        assert_done(code, &value);
    }
}

#[test]
fn a_short_range_of_ports_is_counted_and_the_others_go_on() {
    let _turn = measuring();
    let Some(server) = coturn().relay_ports(5).start() else { return };
    let (code, value) = run(&server.uri(), "-m 8 -n 20 -z 10");
    assert_refused(&value, 5, "508", 3, "508 Cannot create socket");
    assert_done(code, &value);
}

#[test]
fn a_wrong_password_a_wrong_secret_and_no_credentials_are_counted_and_end_with_three() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    for arguments in ["-w mallory", "-u nobody", "--no-auth"] {
        let mut command = load(&server.uri(), &format!("-m 3 --duration 30s {arguments}"));
        if arguments == "--no-auth" {
            command.env_remove("TURN_USERNAME").env_remove("TURN_PASSWORD");
        }
        let (code, value) = support::judged(&command.output().expect("turnload runs"));
        assert_refused(&value, 0, "401", 3, "");
        assert_eq!(code, Some(3), "{value:#}");
    }
}

#[test]
fn a_family_that_the_server_does_not_relay_is_named_without_the_padding_of_its_reason() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let (code, value) = run(&server.uri(), "-x -m 2 -n 5");
    assert_eq!(code, Some(3), "{value:#}");
    assert_eq!(value["allocations"]["errors"]["440"], 2, "{value:#}");
    let reason = &value["allocations"]["error_reasons"]["440"];
    assert_eq!(reason, "Allocate: 440 Unsupported address family");
}

#[test]
fn peers_that_the_server_refuses_are_counted_and_end_with_three() {
    let _turn = measuring();
    let Some(guarded) = coturn().guards_loopback().start() else { return };
    let Some(denying) = coturn().options("denied-peer-ip=127.0.0.0-127.255.255.255").start() else { return };
    for server in [guarded, denying] {
        for arguments in ["", "-s", "-t", "-y", "-T -t"] {
            let (code, value) = run(&server.uri(), &format!("-m 4 --duration 1s {arguments}"));
            let allocations = &value["allocations"];
            assert_eq!((code, &allocations["succeeded"]), (Some(3), &4.into()), "{arguments}: {value:#}");
            assert!(allocations["peers_refused"].as_u64().is_some_and(|refused| refused >= 2), "{value:#}");
            assert_eq!(allocations["peers_refused"], allocations["later_errors"]["403"], "{value:#}");
            let reason = allocations["later_error_reasons"]["403"].as_str().expect("a reason");
            assert!(reason.ends_with("403 Forbidden IP"), "{reason}");
        }
    }
}

#[test]
fn the_summary_names_what_refused_every_peer() {
    let _turn = measuring();
    let Some(server) = coturn().guards_loopback().start() else { return };
    let mut command = support::program(&[&server.uri(), "-m", "2", "--duration", "1s"]);
    let output = command.env("TURN_USERNAME", "alice").env("TURN_PASSWORD", "sesame").output().expect("turnload runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("credentials  long-term, user alice"), "{text}");
    assert!(
        text.contains("Verdict: nothing could be sent: the server granted 2 allocations and refused the peer of each"),
        "{text}"
    );
}

#[test]
fn a_tcp_relay_is_granted_with_a_permission_for_its_peer() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let (code, value) = run(&server.uri(), "-T -t -m 3 --duration 1s");
    let allocations = &value["allocations"];
    assert_eq!((&allocations["succeeded"], &allocations["peers_refused"]), (&3.into(), &0.into()), "{value:#}");
    assert_eq!(value["media"]["streams"], 0, "nothing is sent through them yet");
    assert_done(code, &value);
}

#[test]
fn a_redirection_is_followed_and_counted() {
    let _turn = measuring();
    let Some(second) = coturn().start() else { return };
    let Some(first) = coturn().options(&format!("alternate-server=127.0.0.1:{}", second.port())).start() else {
        return;
    };
    for transport in ["", "-t"] {
        let (code, value) = run(&first.uri(), &format!("-m 4 -n 20 -z 10 {transport}"));
        assert_lossless(&value, 4, 80);
        assert_eq!(value["allocations"]["redirected"], 4, "{value:#}");
        assert_done(code, &value);
    }
}

#[test]
fn servers_that_send_their_clients_round_in_a_circle_are_left_after_some_rounds() {
    let _turn = measuring();
    let port = support::coturn::free_port();
    // Whatever its own address is, it names one where another such server is: itself, through another name of it.
    let Some(server) = coturn().options(&format!("alternate-server=127.0.0.1:{port}")).start() else { return };
    let Some(other) =
        coturn().options(&format!("alternate-server=127.0.0.1:{}", server.port())).listening_at(port).start()
    else {
        return;
    };
    let (code, value) = run(&other.uri(), "-m 2 --duration 20s");
    assert_eq!((code, &value["allocations"]["errors"]["300"]), (Some(3), &2.into()), "{value:#}");
    assert!(value["duration_s"].as_f64().is_some_and(|seconds| seconds < 5.0), "{value:#}");
}

/// A server that knows every five-tuple of old: 437 to each Allocate request (RFC 8656, section 7.2).
fn mismatching() -> (SocketAddr, std::thread::JoinHandle<BTreeSet<SocketAddr>>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    let address = socket.local_addr().expect("an address");
    let thread = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        let mut request = [0; 1_500];
        while let Ok((_, from)) = socket.recv_from(&mut request) {
            seen.insert(from);
            // Allocate error response, ERROR-CODE 437, no reason.
            let mut answer = vec![0x01, 0x13, 0, 8];
            answer.extend_from_slice(&request[4..20]);
            answer.extend_from_slice(&[0, 9, 0, 4, 0, 0, 4, 37]);
            socket.send_to(&answer, from).expect("sent");
        }
        seen
    });
    (address, thread)
}

#[test]
fn a_port_that_the_server_knows_of_old_is_changed_for_another_and_counted_at_last() {
    let _turn = measuring();
    let (address, server) = mismatching();
    let (code, value) = run(&format!("turn:{address}"), "-m 3 --duration 30s");
    let allocations = &value["allocations"];
    assert_eq!((code, &allocations["errors"]["437"]), (Some(3), &3.into()), "{value:#}");
    let ports = server.join().expect("it answers").len() as u64;
    assert_eq!((ports, &allocations["mismatched"]), (12, &9.into()), "each from a port and three others: {value:#}");
}
