//! The search for the knee against coturn with limits that are known, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where the program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use support::coturn::{Coturn, Server};
use support::{Measuring, judged, load, measuring};

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn(options: &str) -> Option<(Measuring, Server)> {
    let turn = measuring();
    Some((turn, Coturn::among(25_000..26_000).relay_ports(1_000).options(options).start()?))
}

/// Exit code, result, and the lines on standard error. Where other work on this machine kept the generator from sending
/// in time, and the result says so, once more: nothing of the server is to be learnt of it.
fn search(server: &Server, arguments: &str) -> (Option<i32>, Value, String) {
    let once = || {
        let mut command = load(&server.uri(), arguments);
        command.args(["--settle", "300ms", "--server-pid", &server.pid().to_string()]);
        let output = command.output().expect("turnload runs");
        let (code, value) = judged(&output);
        (code, value, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let first = once();
    if first.1["knee"]["gave_up"] == "generator" { once() } else { first }
}

#[track_caller]
fn assert_near(knee: &Value, truth: f64) {
    let found = knee["carried"].as_f64().expect("a number");
    assert!((found - truth).abs() <= truth * 0.1, "{found} is not within a tenth of {truth}: {knee:#}");
}

#[test]
fn a_quota_is_found_and_named_by_its_code() {
    let Some((_turn, server)) = coturn("total-quota=50") else { return };
    let (code, value, notes) = search(&server, "--find-knee --duration 1s --threshold media.lost_pct<2");
    let knee = &value["knee"];
    assert_near(knee, 50.0);
    assert_eq!((&knee["gave_up"], &knee["what"]), (&"server".into(), &"allocations".into()), "{knee:#}");
    assert_eq!((&knee["cause"]["kind"], &knee["cause"]["code"]), (&"refused".into(), &"486".into()), "{knee:#}");
    assert_eq!((code, &value["allocations"]["succeeded"]), (Some(0), &knee["carried"]), "{value:#}");
    assert!(notes.contains("486: "), "{notes}");
    let best = knee["curve"].as_array().expect("a curve").iter().find(|step| step["level"] == knee["carried"]);
    assert!(best.is_some_and(|step| step["server_cores"].is_f64() && step["p99_ms"].is_f64()), "{knee:#}");
}

#[test]
fn a_limit_of_bytes_a_second_is_found_as_a_packet_rate() {
    // 172 bytes of media and four of the channel's header (RFC 8656, section 12.4), 93 times a second. The server
    // counts by full seconds of its own clock: two seconds hold one of them.
    let Some((_turn, server)) = coturn("max-bps=16368") else { return };
    let (code, value, _) = search(&server, "--find-knee=pps --duration 2s --size 172 --threshold media.lost_pct<1");
    let knee = &value["knee"];
    assert_near(knee, 93.0);
    assert_eq!((&knee["gave_up"], &knee["what"]), (&"server".into(), &"pps".into()), "{knee:#}");
    assert_eq!((&knee["cause"]["kind"], &knee["cause"]["expr"]), (&"threshold".into(), &"media.lost_pct<1".into()));
    assert_eq!((code, &value["valid"], &value["thresholds"][0]["ok"]), (Some(0), &true.into(), &true.into()));
    // What was offered beyond the limit was not delivered, and the curve says so.
    let steps = knee["curve"].as_array().expect("a curve");
    let failed = steps.iter().find(|step| step["level"] == knee["failed_at"]).expect("the step that failed");
    assert!(failed["offered_pps"].as_f64() > failed["delivered_pps"].as_f64(), "{knee:#}");
}
