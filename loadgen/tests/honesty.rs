//! Does turnload say so when it was turnload itself that could not keep up, and only then?
//!
//! It is starved on purpose: pinned to a CPU beside busy loops that each test starts and ends by their processes. Nobody
//! else's work is touched; on that CPU it only takes its share.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

#[path = "support/starving.rs"]
mod starving;
mod support;

use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use rustix::thread::sched_setaffinity;
use serde_json::Value;
use starving::{BusyLoops, one_cpu, pinned};
use std::time::{Duration, Instant};
use support::coturn::{Coturn, Server};
use support::{judged, load, measuring, skipped};

fn server() -> Option<Server> {
    Coturn::among(28_000..28_500).start()
}

/// A load on a CPU that it has to share.
fn starved(loops: usize, arguments: &str) -> Option<(Option<i32>, Value)> {
    let server = server()?;
    let _measuring = measuring();
    let _loops = BusyLoops::start(loops);
    let load = pinned(|| load(&server.uri(), arguments).spawn().expect("turnload runs"));
    Some(judged(&load.wait_with_output().expect("it ends")))
}

/// It says that the result is worth nothing, and why.
#[track_caller]
fn assert_owned_up(code: Option<i32>, value: &Value, reason: &str) {
    let because = value["invalid_because"].as_array().expect("a list");
    assert_eq!((code, &value["valid"]), (Some(4), &false.into()), "{value:#}");
    let is_named = because.iter().any(|because| because.as_str().is_some_and(|text| text.contains(reason)));
    assert!(is_named, "{reason} is not in {because:?}");
}

#[test]
fn beside_one_busy_loop_a_small_load_is_not_valid() {
    let Some((code, value)) = starved(1, "-m 10 --duration 2s") else { return };
    assert_owned_up(code, &value, "pinned to CPUs");
}

#[test]
fn beside_busy_loops_a_hundred_allocations_in_a_ramp_are_not_valid() {
    let Some((code, value)) = starved(3, "-m 100 --ramp 1s --duration 1s") else { return };
    assert_owned_up(code, &value, "pinned to CPUs");
}

#[test]
fn beside_busy_loops_allocations_without_media_to_speak_of_are_not_valid() {
    let Some((code, value)) = starved(3, "-m 60 --ramp 2s --pps 1 --duration 100ms") else { return };
    assert_owned_up(code, &value, "pinned to CPUs");
}

#[test]
fn beside_busy_loops_a_flood_is_not_valid() {
    let Some((code, value)) = starved(3, "-m 4 --profile flood --duration 2s") else { return };
    assert_owned_up(code, &value, "pinned to CPUs");
}

#[test]
fn a_generator_that_was_stopped_is_not_valid_and_its_packets_show_it() {
    let Some(server) = server() else { return };
    let _measuring = measuring();
    let load = load(&server.uri(), "-m 4 --duration 3s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_secs(1));
    stall(Pid::from_child(&load), Duration::from_millis(600));
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    assert_owned_up(code, &value, "5 ms after they were due");
    let figure = |value: &Value| value.as_f64().expect("a number");
    assert!(figure(&value["generator"]["max_send_lag_ms"]) > 550.0, "{value:#}");
    assert!(figure(&value["media"]["rtt_ms"]["max"]) > 550.0, "{value:#}");
}

#[test]
fn a_starved_embedded_peer_is_named() {
    let Some(server) = server() else { return };
    let _measuring = measuring();
    let _loops = BusyLoops::start(3);
    let load = load(&server.uri(), "-m 10 --duration 2s").spawn().expect("turnload runs");
    let began = Instant::now();
    let peer = loop {
        if let Some(peer) = thread(load.id(), "reflector") {
            break peer;
        }
        assert!(began.elapsed() < Duration::from_secs(1), "there is no peer");
        std::thread::sleep(Duration::from_millis(1));
    };
    sched_setaffinity(Some(peer), &one_cpu()).expect("pinned");
    setpriority_process(Some(peer), 19).expect("nice");
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    assert_owned_up(code, &value, "embedded peer");
}

/// The thread of that name.
fn thread(process: u32, name: &str) -> Option<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    threads.flatten().find_map(|thread| {
        let is_it = std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim() == name);
        is_it.then(|| thread.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)).flatten()
    })
}

fn stall(process: Pid, time: Duration) {
    kill_process(process, Signal::STOP).expect("stopped");
    std::thread::sleep(time);
    kill_process(process, Signal::CONT).expect("goes on");
}

/// Idle and other ticks of all CPUs (proc(5)).
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").expect("the times of the CPUs");
    let first = stat.lines().next().expect("a line");
    let figures: Vec<u64> =
        first.split_whitespace().skip(1).take(8).map(|figure| figure.parse().expect("a number")).collect();
    (figures[3] + figures[4], figures.iter().sum())
}

/// Runs it until the machine had nothing else to do meanwhile: then nobody but turnload could be to blame. None, and a
/// line to say so, where that never was.
fn undisturbed(mut run: impl FnMut() -> (Option<i32>, Value)) -> Option<(Option<i32>, Value)> {
    for _ in 0..5 {
        let before = ticks();
        let (code, value) = run();
        let after = ticks();
        let idle = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
        if value["valid"] == true || idle > 0.8 {
            return Some((code, value));
        }
    }
    skipped("this machine is busy with something else");
    None
}

#[test]
fn a_gentle_load_on_a_machine_with_room_is_valid() {
    let Some(server) = server() else { return };
    let _measuring = measuring();
    let run = || judged(&load(&server.uri(), "-m 10 --ramp 500ms --duration 1s").output().expect("turnload runs"));
    let Some((code, value)) = undisturbed(run) else { return };
    assert_eq!((code, &value["invalid_because"]), (Some(0), &Value::Array(Vec::new())), "{value:#}");
}

/// A load on a server that is stopped for so long after a second.
fn on_a_stalled_server(arguments: &str, time: Duration) -> Option<Value> {
    let server = server()?;
    let _measuring = measuring();
    let run = || {
        let load = load(&server.uri(), arguments).spawn().expect("turnload runs");
        std::thread::sleep(Duration::from_secs(1));
        let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process")).expect("a process");
        stall(pid, time);
        judged(&load.wait_with_output().expect("it ends"))
    };
    let (code, value) = undisturbed(run)?;
    assert_eq!((code, &value["valid"]), (Some(0), &true.into()), "{value:#}");
    Some(value)
}

#[test]
fn a_server_that_stalls_is_not_the_fault_of_the_generator() {
    for transport in ["", "-t"] {
        let arguments = format!("-m 20 --duration 2500ms {transport}");
        let Some(value) = on_a_stalled_server(&arguments, Duration::from_millis(800)) else { return };
        let media = &value["media"];
        assert!(media["rtt_ms"]["max"].as_f64() > Some(750.0), "{value:#}");
        assert_eq!(media["lost_packets"], 0, "{value:#}");
        assert_eq!(media["offered_packets"], media["sent_packets"], "{value:#}");
    }
}

#[test]
fn a_server_that_stalls_while_it_is_asked_for_allocations_makes_them_slow_and_the_generator_valid() {
    let arguments = "-m 40 --ramp 2s --pps 5 --duration 500ms";
    let Some(value) = on_a_stalled_server(arguments, Duration::from_millis(700)) else { return };
    let allocations = &value["allocations"];
    assert_eq!(allocations["succeeded"], 40, "{value:#}");
    assert!(allocations["latency_ms"]["max"].as_f64() > Some(600.0), "{value:#}");
}
