//! Whole runs of the built program against coturn, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where the program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use std::time::Duration;
use support::coturn::{Coturn, Server, free_port};
use support::{Measuring, assert_done, assert_lossless, interrupt, judged, load, measuring, run};

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn(options: &str) -> Option<(Measuring, Server)> {
    let turn = measuring();
    Some((turn, Coturn::among(24_000..25_000).relay_ports(250).secure().options(options).start()?))
}

#[test]
fn audio_for_two_seconds_loses_nothing() {
    let Some((_turn, server)) = coturn("") else { return };
    let (code, value) = run(&server.uri(), "-m 20 --duration 2s --profile audio");
    let sent = value["media"]["sent_packets"].as_u64().expect("a number");
    // 20 streams at 50 packets a second; allocating takes some of the two seconds.
    assert!((1_800..=2_000).contains(&sent), "{sent}");
    assert_lossless(&value, 20, sent);
    assert_done(code, &value);
    assert_eq!(value["schema"], "turnload-result/1");
    assert!(value["media"]["rtt_ms"]["p50"].as_f64().is_some_and(|millis| millis > 0.0));
    assert!(value["intervals"].as_array().is_some_and(|rows| rows.len() >= 2));
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let Some((_turn, server)) = coturn("") else { return };
    for transport in ["", "?transport=udp"] {
        let uri = format!("{}{transport}", server.secure_uri());
        let (code, value) = run(&uri, "-m 2 -n 5");
        assert_eq!((code, &value["allocations"]["errors"]["tls"]), (Some(3), &2.into()), "{value:#}");
        let (code, value) = run(&uri, "-m 2 -n 5 --insecure");
        assert_lossless(&value, 2, 10);
        assert_done(code, &value);
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_three() {
    for arguments in ["-m 5 --duration 30s", "-m 5 --duration 30s -t"] {
        let (code, value) = run(&format!("turn:127.0.0.1:{}", free_port()), arguments);
        assert_eq!((code, &value["allocations"]["errors"]["unreachable"]), (Some(3), &5.into()), "{value:#}");
    }
}

#[test]
fn an_interrupt_deletes_what_is_there_and_says_that_it_was_cut_short() {
    let Some((_turn, server)) = coturn("") else { return };
    let load = load(&server.uri(), "-m 10 --duration 60s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_millis(1_500));
    interrupt(&load);
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    assert_eq!((code, &value["allocations"]["succeeded"]), (Some(5), &10.into()), "{value:#}");
    assert_eq!((&value["media"]["lost_packets"], value["incomplete"].is_null()), (&0.into(), false), "{value:#}");
}

#[test]
fn calls_come_and_go() {
    let Some((_turn, server)) = coturn("") else { return };
    let (code, value) = run(&server.uri(), "--arrival 40/s --hold 300ms --duration 1s --seed 7");
    let made = value["allocations"]["succeeded"].as_u64().expect("a number");
    assert!((30..=80).contains(&made), "{made}");
    assert_eq!((&value["media"]["lost_packets"], &value["seed"]), (&0.into(), &7.into()), "{value:#}");
    assert_done(code, &value);
}
