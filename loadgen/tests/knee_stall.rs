//! The search for the knee on a coturn that is stopped for a while, and at limits of other kinds and sizes.
//!
//! Servers are stopped by their process, and by nothing else.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

#[path = "support/starving.rs"]
mod starving;
mod support;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use starving::{BusyLoops, pinned};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use support::coturn::{Coturn, Server};
use support::{judged, load, measuring};

fn coturn(options: &str) -> Option<Server> {
    Coturn::among(28_000..28_500).relay_ports(500).options(options).start()
}

/// What happens to a server while it is searched.
enum Fate {
    Runs,
    /// It is stopped after so long, for so long.
    StallsOnce(Duration, Duration),
    /// It runs for so long and is stopped for so long, in turn.
    Stutters(Duration, Duration),
}

/// Stops a server as its fate will have it, until it is dropped.
struct Stopper {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stopper {
    fn of(server: &Server, fate: Fate) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process")).expect("a process");
        let stop = move |time| {
            kill_process(pid, Signal::STOP).expect("stopped");
            std::thread::sleep(time);
            kill_process(pid, Signal::CONT).expect("goes on");
        };
        let thread = std::thread::spawn(move || match fate {
            Fate::Runs => {}
            Fate::StallsOnce(after, time) => {
                std::thread::sleep(after);
                stop(time);
            }
            Fate::Stutters(runs, stands) => {
                while !told.load(Relaxed) {
                    std::thread::sleep(runs);
                    stop(stands);
                }
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Searches; once more where it was the generator that gave up, because this machine had something else to do.
fn knee(options: &str, arguments: &str, fate: fn() -> Fate) -> Option<Value> {
    let mut knee = Value::Null;
    for _ in 0..2 {
        let server = coturn(options)?;
        let _measuring = measuring();
        let _stopper = Stopper::of(&server, fate());
        let output = load(&server.uri(), arguments).args(["--settle", "200ms"]).output().expect("turnload runs");
        knee = judged(&output).1["knee"].take();
        if knee["gave_up"] != "generator" {
            break;
        }
    }
    Some(knee)
}

#[track_caller]
fn assert_knee(knee: &Value, truth: f64, gave_up: &str, kind: &str) {
    let found = knee["carried"].as_f64().expect("a number");
    assert!((found - truth).abs() <= truth * 0.1, "{found} is not within a tenth of {truth}: {knee:#}");
    assert_eq!((&knee["gave_up"], &knee["cause"]["kind"]), (&gave_up.into(), &kind.into()), "{knee:#}");
}

fn causes(knee: &Value) -> Vec<&str> {
    let curve = knee["curve"].as_array().expect("a curve");
    curve.iter().filter_map(|step| step["cause"]["kind"].as_str()).collect()
}

const ALLOCATIONS: &str = "--find-knee --duration 500ms --pps 20 --threshold media.lost_pct<2 \
                           --threshold media.rtt_ms.p99<300";

#[test]
fn a_stall_of_two_seconds_is_not_the_knee_and_is_called_a_stall() {
    // It begins in one of the first steps, of 16 or 32 allocations, and the true limit lies above them.
    let fate = || Fate::StallsOnce(Duration::from_millis(700), Duration::from_secs(2));
    let Some(knee) = knee("total-quota=60", ALLOCATIONS, fate) else { return };
    assert_knee(&knee, 60.0, "server", "refused");
    assert_eq!(knee["cause"]["code"], "486", "{knee:#}");
    assert!(causes(&knee).contains(&"stalled"), "{knee:#}");
}

#[test]
fn a_stall_at_the_knee_does_not_move_it() {
    let fate = || Fate::StallsOnce(Duration::from_millis(3_500), Duration::from_millis(1_500));
    let Some(knee) = knee("total-quota=60", ALLOCATIONS, fate) else { return };
    assert_knee(&knee, 60.0, "server", "refused");
}

#[test]
fn a_server_that_is_stopped_a_third_of_the_time_has_given_up_and_not_the_generator() {
    let fate = || Fate::Stutters(Duration::from_millis(1_400), Duration::from_millis(600));
    let arguments = format!("{} -m 1", ALLOCATIONS.replace("500ms", "2s"));
    let Some(knee) = knee("", &arguments, fate) else { return };
    assert_eq!((&knee["carried"], &knee["gave_up"]), (&0.into(), &"server".into()), "{knee:#}");
    assert_eq!(knee["cause"]["kind"], "stalled", "{knee:#}");
}

#[test]
fn a_server_that_is_stopped_for_good_has_given_up_and_not_the_generator() {
    let fate = || Fate::StallsOnce(Duration::from_millis(400), Duration::from_secs(15));
    let Some(knee) = knee("", &format!("{ALLOCATIONS} -m 1"), fate) else { return };
    assert_eq!((&knee["carried"], &knee["gave_up"]), (&0.into(), &"server".into()), "{knee:#}");
    assert!(!causes(&knee).contains(&"generator"), "{knee:#}");
}

/// As many allocations, each with a packet now and then.
#[track_caller]
fn assert_quota(options: &str, quota: u64) {
    let arguments = "--find-knee --duration 300ms --pps 2 --threshold media.lost_pct<5";
    let Some(knee) = knee(options, arguments, || Fate::Runs) else { return };
    assert_knee(&knee, quota as f64, "server", "refused");
    assert_eq!((&knee["carried"], &knee["cause"]["code"]), (&quota.into(), &"486".into()), "{knee:#}");
}

#[test]
fn a_quota_of_seven_is_found_to_the_allocation() {
    assert_quota("total-quota=7", 7);
}

#[test]
fn a_quota_of_the_user_is_found_to_the_allocation() {
    assert_quota("user-quota=100", 100);
}

#[test]
fn a_quota_of_hundreds_is_found_to_the_allocation() {
    assert_quota("total-quota=333", 333);
}

#[test]
fn a_limit_of_bytes_is_found_as_a_packet_rate_of_large_packets() {
    // 1,000 bytes and the four of a channel's header, 120 times a second.
    let arguments = "--find-knee=pps --duration 2s --size 1000 --threshold media.lost_pct<1";
    let Some(knee) = knee("max-bps=120480", arguments, || Fate::Runs) else { return };
    assert_knee(&knee, 120.0, "server", "threshold");
    assert!(!causes(&knee).contains(&"stalled"), "{knee:#}");
}

#[test]
fn a_limit_of_each_allocation_is_no_limit_of_their_number() {
    // Five packets a second of 100 bytes are below what each may send.
    let arguments = "--find-knee --duration 500ms --pps 5 -l 100 -m 40 --threshold media.lost_pct<2";
    let Some(knee) = knee("max-bps=16368", arguments, || Fate::Runs) else { return };
    assert_knee(&knee, 40.0, "neither", "limit");
}

#[test]
fn what_the_generator_cannot_do_is_named_as_its_own() {
    // More packets than a thread that shares its CPU with others can send.
    let Some(server) = coturn("") else { return };
    let _measuring = measuring();
    let _loops = BusyLoops::start(3);
    let arguments = format!("{ALLOCATIONS} -m 1 --settle 200ms");
    let load = pinned(|| load(&server.uri(), &arguments).spawn().expect("turnload runs"));
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    let knee = &value["knee"];
    assert_eq!((&knee["gave_up"], &knee["cause"]["kind"]), (&"generator".into(), &"generator".into()), "{knee:#}");
    assert_eq!((code, &value["valid"]), (Some(4), &false.into()), "{value:#}");
}
