//! The built program: what it writes where, and how it ends.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::process::{Command, Output};

fn turnload(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnload"));
    for name in ["TURN_USERNAME", "TURN_PASSWORD", "TURN_SECRET"] {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_dry_run_shows_the_plan_and_sends_nothing() {
    let output = turnload(&["turn:127.0.0.1", "-u", "user", "-m", "1000", "--dry-run"], &[("TURN_PASSWORD", "p")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("nothing was sent"));
}

#[test]
fn wrong_arguments_end_with_two_and_the_reason() {
    let output = turnload(&["turn:127.0.0.1:99999", "--no-auth"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("port `99999` is not from 1 to 65535"));
}

#[test]
fn packets_that_cannot_be_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("times.hlog").display().to_string();
    for arguments in [&["-l", "49"][..], &["--pps", "50", "--bitrate", "10kbps"], &["-l", "12", "--dry-run"]] {
        let server = &["turn:127.0.0.1:9", "--no-auth", "-m", "1", "-n", "1", "--hlog", &log][..];
        let output = turnload(&[server, arguments].concat(), &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let notes = text(&output.stderr);
        assert!(notes.contains("--size") && notes.contains("at least 50"), "{notes}");
        assert!(output.stdout.is_empty() && !folder.path().join("times.hlog").exists(), "{arguments:?}");
    }
}

#[test]
fn secrets_are_echoed_in_no_message() {
    for arguments in [
        &["turn:127.0.0.1", "-w", "opensesame", "--ramp", "x"][..],
        &["turn:127.0.0.1", "-w", "opensesame", "--unknown"],
        &["turn:127.0.0.1", "-w", "pass", "opensesame"],
        &["turn:u:opensesame@127.0.0.1"],
        &["turn:127.0.0.1", "-w", "opensesame", "--dry-run"],
    ] {
        let output = turnload(arguments, &[("TURN_SECRET", "opensesame")]);
        let all = text(&output.stdout) + &text(&output.stderr);
        assert!(!all.contains("opensesame"), "{arguments:?}: {all}");
    }
}

#[test]
fn help_is_data_and_shows_no_secret_of_the_environment() {
    let output = turnload(&["--help"], &[("TURN_PASSWORD", "opensesame")]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    assert!(help.contains("--allocations") && help.contains("TURN_PASSWORD") && !help.contains("opensesame"));
}

#[test]
fn examples_and_codes_in_the_help_are_not_broken_by_a_narrow_terminal() {
    let help = text(&turnload(&["--help"], &[("COLUMNS", "80")]).stdout);
    let (_, below) = help.split_once("Examples:").expect("examples");
    assert!(below.lines().all(|line| line.chars().count() < 80), "{below}");
    assert!(below.contains("\n  turnload demo\n") && below.contains("Exit codes: 0 done, "), "{below}");
}
