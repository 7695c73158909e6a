//! `check` as CI meets it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::path::{Path, PathBuf};
use support::{Program, Run, cases, root};

fn run(arguments: &[&str]) -> Run {
    Program::new(env!("CARGO_BIN_EXE_rtcscope")).run(arguments)
}

fn stdout(run: &Run) -> String {
    String::from_utf8(run.stdout.clone()).expect("stdout is UTF-8")
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn written(folder: &Path, text: &str) -> String {
    let file = folder.join("expect.toml");
    std::fs::write(&file, text).expect("a file can be written");
    file.display().to_string()
}

#[test]
fn a_first_file_of_each_case_holds_for_it() {
    let folder = scratch("first_file");
    for case in cases() {
        let input = case.input.strip_prefix(root()).unwrap_or(&case.input).display().to_string();
        let file = folder.join(format!("{}.toml", case.name)).display().to_string();
        let wrote = run(&["check", &input, "--write", "--expect", &file, "--quiet"]);
        assert_eq!((wrote.code, wrote.stderr.as_str()), (Some(0), ""), "{}", case.name);
        let checked = run(&["check", &input, "--expect", &file, "--quiet"]);
        let verdicts = stdout(&checked);
        assert_eq!(checked.code, Some(0), "{}: {verdicts}{}", case.name, checked.stderr);
        assert!(verdicts.contains(", 0 failed") && !verdicts.contains("skip"), "{}: {verdicts}", case.name);
    }
}

#[test]
fn an_assertion_that_does_not_hold_is_exit_code_one_with_its_value() {
    let file = written(
        &scratch("one"),
        "expect = [\n  \"turn.allocations.count == 3\",\n  \"rtp_streams[kind=video].packets == 222\",\n]\n",
    );
    let run = run(&["check", "captures/webrtc-relay-udp", "-e", &file, "--quiet", "--color", "never"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
    let text = stdout(&run);
    assert!(
        text.starts_with("ok    turn.allocations.count == 3\nFAIL  rtp_streams[kind=video].packets == 222 "),
        "{text}"
    );
    assert!(text.contains("rtp_streams[3].packets (r4 0xcc54c59f video VP8) is 223"), "{text}");
    assert!(text.ends_with("1 of 2 hold, 1 failed\n"), "{text}");
}

#[test]
fn junit_goes_to_a_file_and_the_exit_code_stays() {
    let folder = scratch("junit");
    let file = written(&folder, "expect = [\"findings.error == 5\"]");
    let xml = folder.join("junit.xml");
    let arguments = ["check", "captures/sip-hold", "-e", &file, "--format", "junit", "-o", &xml.display().to_string()];
    let run = run(&arguments);
    assert_eq!((run.code, run.stdout.as_slice()), (Some(1), &b""[..]));
    let xml = std::fs::read_to_string(xml).expect("the file is there");
    assert!(
        xml.contains("tests=\"1\" failures=\"1\"") && xml.contains("count of findings[severity=error] is "),
        "{xml}"
    );
}

#[test]
fn a_wrong_file_of_expectations_is_usage_and_names_the_place() {
    let file = written(&scratch("wrong"), "expect = [\n  \"rtp_streams[kind=audio.lost < 1\",\n]\n");
    let wrong = run(&["check", "captures/sip-hold", "-e", &file]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.starts_with(&format!("rtcscope: {file}:2:")), "{}", wrong.stderr);
    for arguments in [
        &["check", "captures/sip-hold"][..],
        &["check", "captures/sip-hold", "-e", "no-such-file.toml"],
        &["check", "-e", &file],
        &["check", "captures/sip-hold", "--write", "-e", &file],
    ] {
        assert_eq!(run(arguments).code, Some(2), "{arguments:?}");
    }
    let file = written(&scratch("unread"), "expect = [\"findings.error == 0\"]");
    assert_eq!(run(&["check", "no-such-capture.pcap", "-e", &file]).code, Some(3));
    let damaged = ["check", "captures/damaged-truncated", "-e", &file, "--quiet"];
    let code = run(&damaged).code;
    assert!(code == Some(0) || code == Some(1), "{code:?}");
}

#[test]
fn the_expectations_that_the_readme_shows_hold() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let shown = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows a file");
    let file = written(&scratch("readme"), shown);
    let run = run(&["check", "captures/webrtc-relay-udp", "-e", &file, "--quiet"]);
    assert_eq!(run.code, Some(0), "{}{}", stdout(&run), run.stderr);
}
