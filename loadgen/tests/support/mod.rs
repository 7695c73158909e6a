//! What the tests of whole programs share: servers of their own, the built program, its result.
//!
//! Nothing here asserts what a server or the program is like; that is for the tests.

#![allow(dead_code, reason = "no file of tests uses all of it")]

pub(crate) mod coturn;
pub(crate) mod recorder;
#[cfg(feature = "demo")]
pub(crate) mod second;

use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Says past the harness, which shows what passing tests print to nobody, that something was not tested. Where
/// `TURNLOAD_TESTS_MUST_RUN` is set, that is a failure.
pub(crate) fn skipped(because: &str) {
    let line = format!("SKIPPED: {because}, nothing was tested\n");
    assert!(std::env::var_os("TURNLOAD_TESTS_MUST_RUN").is_none(), "{line}");
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// Held while a test measures: one does at a time, also among processes, and where several checkouts are tested.
pub(crate) struct Measuring {
    _lock: File,
}

pub(crate) fn measuring() -> Measuring {
    let lock = lock_file("measuring");
    lock.lock().expect("a lock");
    // Where it may, before other work on this machine: what is started from here on inherits it. Not for the measuring to
    // look better than it is, but for it to be of the programs and not of the neighbours.
    let _ = rustix::process::setpriority_process(None, -15);
    Measuring { _lock: lock }
}

fn lock_file(name: &str) -> File {
    let path: PathBuf = std::env::temp_dir().join(format!("turnload-tests-{name}.lock"));
    File::options().create(true).append(true).open(path).expect("a file to lock")
}

/// The built program without credentials from outside, its output piped.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnload"));
    for name in ["TURN_USERNAME", "TURN_PASSWORD", "TURN_SECRET"] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A load whose result is an object, with alice's credentials. `arguments` are parted at blanks.
pub(crate) fn load(uri: &str, arguments: &str) -> Command {
    let mut command = program(&[uri, "--format", "json"]);
    command.args(arguments.split_whitespace()).env("TURN_USERNAME", "alice").env("TURN_PASSWORD", "sesame");
    command
}

/// How a load ended, and its result.
pub(crate) type Ended = (Option<i32>, Value);

pub(crate) fn run(uri: &str, arguments: &str) -> Ended {
    run_as(|| load(uri, arguments))
}

/// The same of a program that may be started more than once.
pub(crate) fn run_as(command: impl Fn() -> Command) -> Ended {
    unless_invalid(|| Some(judged(&command().output().expect("turnload runs")))).expect("an attempt")
}

/// What an attempt has come to. Where other work on this machine kept the generator from its own, and the result says so,
/// there is nothing to be learnt of it: it is made anew, three times and after ever longer pauses; then it counts.
pub(crate) fn unless_invalid(mut attempt: impl FnMut() -> Option<Ended>) -> Option<Ended> {
    let mut last = attempt()?;
    for pause in [1, 5, 15] {
        if last.1["valid"] == true {
            break;
        }
        std::thread::sleep(Duration::from_secs(pause));
        last = attempt()?;
    }
    Some(last)
}

pub(crate) fn judged(output: &Output) -> Ended {
    let notes = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {notes}"));
    (output.status.code(), value)
}

/// What ^C does.
pub(crate) fn interrupt(process: &Child) {
    let pid = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
}

/// As meant, by a generator that could keep up.
#[track_caller]
pub(crate) fn assert_done(code: Option<i32>, value: &Value) {
    assert_eq!((code, &value["valid"]), (Some(0), &true.into()), "{value:#}");
}

#[track_caller]
pub(crate) fn assert_lossless(value: &Value, allocations: u64, packets: u64) {
    let (made, media) = (&value["allocations"], &value["media"]);
    assert_eq!((&made["succeeded"], &made["failed"]), (&allocations.into(), &0.into()), "{value:#}");
    for name in ["sent_packets", "delivered_packets"] {
        assert_eq!(media[name], packets, "{name}: {value:#}");
    }
    for name in ["lost_packets", "duplicated", "misdelivered", "corrupted"] {
        assert_eq!(media[name], 0, "{name}: {value:#}");
    }
}
