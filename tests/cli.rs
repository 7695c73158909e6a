//! The command line as users and scripts meet it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Program, Record, Run, Value, read_pcapng, root, tool_or_skip, write_pcap};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_rtcscope"))
}

fn case(name: &str) -> PathBuf {
    root().join("captures").join(name).join("input.pcapng")
}

fn run(arguments: &[&str]) -> Run {
    program().run(arguments)
}

fn stdout(run: &Run) -> String {
    String::from_utf8(run.stdout.clone()).expect("stdout is UTF-8")
}

fn report(file: &Path, more: &[&str]) -> Value {
    program().report(file, more).expect("the analysis succeeds")
}

/// A folder of the test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn written(folder: &Path, name: &str, records: &[Record]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, write_pcap(records)).expect("a capture can be written");
    file
}

fn records(name: &str) -> Vec<Record> {
    read_pcapng(&std::fs::read(case(name)).expect("the case is there"))
}

/// The parts of a report that do not name files.
const CONTENT: [&str; 9] = ["packets", "flows", "rtp_streams", "rtcp", "stun", "turn", "dtls", "sessions", "findings"];

fn same(one: &Value, other: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!one[*key].is_null(), "{key} is not there");
        assert_eq!(one[*key], other[*key], "{key}");
    }
}

fn streams(report: &Value) -> &Vec<Value> {
    report["rtp_streams"].as_array().expect("rtp_streams is a list")
}

#[test]
fn version_names_the_program_and_its_version() {
    let run = run(&["--version"]);
    assert_eq!(run.code, Some(0));
    let text = stdout(&run);
    let behind =
        text.trim().strip_prefix(&format!("rtcscope {}", env!("CARGO_PKG_VERSION"))).expect("name and version");
    assert!(behind.is_empty() || behind.starts_with(" (") && behind.ends_with(')'), "{text}");
}

#[test]
fn help_names_every_subcommand() {
    let run = run(&["--help"]);
    assert_eq!(run.code, Some(0));
    for subcommand in ["analyze", "completions", "man"] {
        assert!(stdout(&run).contains(subcommand), "{subcommand} is not in the help");
    }
    assert_eq!(run.stderr, "");
}

#[test]
fn usage_errors_exit_with_2_and_say_so_on_stderr() {
    for wrong in [
        &["analyze"][..],
        &["--no-such-option"],
        &["completions", "no-such-shell"],
        &["analyze", "--threads", "x", "f"],
    ] {
        let run = run(wrong);
        assert_eq!(run.code, Some(2), "{wrong:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{wrong:?} wrote to stdout");
        assert!(!run.stderr.is_empty(), "{wrong:?} said nothing");
    }
}

#[test]
fn a_file_that_is_not_there_exits_with_3_and_is_named() {
    let run = run(&["analyze", "/nonexistent/no-such-file.pcap", "--format", "json"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.is_empty());
    assert!(run.stderr.contains("no-such-file.pcap"), "{}", run.stderr);
}

#[test]
fn a_word_that_is_no_command_is_a_file_that_is_not_there() {
    let run = run(&["no-such-command", "x"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.is_empty());
    assert!(run.stderr.contains("no-such-command"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_no_capture_exits_with_3() {
    let file = scratch("no-capture").join("text.pcap");
    std::fs::write(&file, "this is not a capture, and long enough not to be taken for a cut header").expect("written");
    let run = program().run(&["analyze".as_ref(), file.as_os_str()]);
    assert_eq!(run.code, Some(3));
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_damaged_capture_exits_with_0_and_with_3_when_strict() {
    for name in ["damaged-truncated", "damaged-corrupted"] {
        let file = case(name);
        let lenient = program().run(&["analyze".as_ref(), file.as_os_str(), "--format".as_ref(), "json".as_ref()]);
        assert_eq!(lenient.code, Some(0), "{name}: {}", lenient.stderr);
        let strict = program().run(&[
            "analyze".as_ref(),
            file.as_os_str(),
            "--format".as_ref(),
            "json".as_ref(),
            "--strict".as_ref(),
        ]);
        assert_eq!(strict.code, Some(3), "{name}");
    }
    assert_eq!(report(&case("damaged-truncated"), &[])["capture"]["files"][0]["truncated"], true);
    assert_eq!(report(&case("damaged-truncated"), &[])["capture"]["packets"], 300);
    assert_eq!(report(&case("damaged-corrupted"), &[])["capture"]["packets"], 716);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let file = case("webrtc-relay-udp");
    assert!(!program().report_bytes(&file, &[]).expect("the analysis succeeds").is_empty(), "nothing would be written");
    let mut child = program()
        .command(&["analyze".as_ref(), file.as_os_str(), "--format".as_ref(), "json".as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut complaints = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut complaints).expect("stderr can be read");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(complaints, "");
}

#[test]
fn a_dash_reads_the_capture_from_stdin() {
    let file = case("sip-hold");
    let bytes = std::fs::read(&file).expect("the case is there");
    let run = program().run_with_stdin(&["analyze", "-", "--format", "json"], bytes);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let piped: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let opened = report(&file, &[]);
    same(&piped, &opened, &CONTENT);
}

#[test]
fn the_container_changes_nothing_but_its_name() {
    let gzip = report(&root().join("captures/container-pcap-gz/input.pcap.gz"), &[]);
    let pcapng = report(&case("sip-hold"), &[]);
    same(&gzip, &pcapng, &CONTENT);
    same(&gzip["capture"], &pcapng["capture"], &["packets", "bytes", "first_ts", "last_ts"]);
}

#[test]
fn several_files_are_merged_by_time() {
    let folder = scratch("merge");
    let all = records("webrtc-relay-udp");
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for (index, record) in all.iter().enumerate() {
        if index % 2 == 0 { even.push(record.clone()) } else { odd.push(record.clone()) }
    }
    let whole = report(&written(&folder, "whole.pcap", &all), &[]);
    let (even, odd) = (written(&folder, "even.pcap", &even), written(&folder, "odd.pcap", &odd));
    let odd = odd.to_str().expect("a path in UTF-8");
    let merged = report(&even, &[odd]);
    assert_eq!(merged["capture"]["files"].as_array().map(Vec::len), Some(2));
    assert_eq!(merged["capture"]["packets"], all.len());
    same(&merged, &whole, &["packets", "rtp_streams", "rtcp", "stun", "ice", "turn", "dtls", "sessions"]);
}

#[test]
fn a_filter_keeps_what_tcpdump_keeps() {
    if !tool_or_skip("tcpdump", "the comparison of filters with tcpdump") {
        return;
    }
    let file = case("webrtc-relay-udp");
    for filter in ["udp port 3478", "tcp", "host 10.77.1.2 and udp", "not port 8080", "udp and portrange 30000-40000"] {
        let tcpdump =
            Command::new("tcpdump").arg("--count").arg("-r").arg(&file).arg(filter).output().expect("tcpdump runs");
        let counted = String::from_utf8_lossy(&tcpdump.stdout).into_owned();
        let kept: u64 = counted.split(' ').next().and_then(|count| count.parse().ok()).expect("tcpdump counts");
        assert!(kept > 0, "{filter} keeps nothing and proves nothing");
        assert_eq!(report(&file, &["-f", filter])["capture"]["packets"], kept, "{filter}");
    }
}

#[test]
fn a_filter_that_is_none_is_a_usage_error() {
    let file = case("sip-hold");
    let run = program().run(&["analyze".as_ref(), file.as_os_str(), "-f".as_ref(), "udp prt 3478".as_ref()]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

#[test]
fn ssrc_keeps_the_streams_of_that_source() {
    let all = report(&case("webrtc-relay-udp"), &[]);
    let one = report(&case("webrtc-relay-udp"), &["--ssrc", "0x5352db24"]);
    assert!(streams(&all).len() > streams(&one).len());
    assert!(!streams(&one).is_empty());
    assert!(streams(&one).iter().all(|stream| stream["ssrc"] == "0x5352db24"), "{:?}", streams(&one));
}

#[test]
fn a_time_window_keeps_the_packets_in_it() {
    let all = records("sip-hold");
    let start = all[0].nanos;
    let inside = all.iter().filter(|record| (2_000_000_000..4_000_000_000).contains(&(record.nanos - start))).count();
    let window = report(&case("sip-hold"), &["--time-from", "2s", "--time-to", "4s"]);
    assert_eq!(window["capture"]["packets"], inside);
    assert!(window["capture"]["duration_s"].as_f64().is_some_and(|seconds| seconds > 1.5 && seconds <= 2.0));
}

#[test]
fn csv_has_one_header_and_as_many_columns_in_each_row() {
    let file = case("webrtc-relay-udp");
    let run = program().run(&["analyze".as_ref(), file.as_os_str(), "--format".as_ref(), "csv".as_ref()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let text = stdout(&run);
    let mut lines = text.lines();
    let header = columns(lines.next().expect("a header"));
    assert!(header.iter().any(|title| title == "ssrc"), "{header:?}");
    let rows: Vec<Vec<String>> = lines.map(columns).collect();
    assert_eq!(rows.len(), streams(&report(&file, &[])).len());
    assert!(rows.iter().all(|row| row.len() == header.len()), "{text}");
}

/// The columns of a CSV line (RFC 4180): commas inside quotes do not divide.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            _ => columns.last_mut().expect("there is one").push(character),
        }
    }
    columns
}

#[test]
fn ndjson_is_one_object_a_line() {
    let file = case("webrtc-relay-udp");
    let run = program().run(&["analyze".as_ref(), file.as_os_str(), "--format".as_ref(), "ndjson".as_ref()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let text = stdout(&run);
    assert!(text.lines().count() > 10, "{text}");
    for line in text.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object()), "{line}");
    }
}

#[test]
fn text_is_the_default_and_has_no_escapes_when_piped() {
    let file = case("sip-hold");
    let run = program().run(&["analyze".as_ref(), file.as_os_str()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let text = stdout(&run);
    assert!(text.contains("0xca110000"), "{text}");
    assert!(!text.contains('\u{1b}'), "escape sequences in a pipe");
    assert!(!text.trim_start().starts_with('{'), "JSON was not asked for");
    assert_eq!(run.stderr, "", "progress in a pipe");
}

#[test]
fn r_names_the_file_as_tshark_has_it() {
    let file = case("sip-hold");
    let arguments: [OsString; 5] =
        ["analyze".into(), "-r".into(), file.clone().into(), "--format".into(), "json".into()];
    let run = program().run(&arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stdout.is_empty());
    assert_eq!(run.stdout, program().report_bytes(&file, &[]).expect("the analysis succeeds"));
}

#[test]
fn completions_are_made_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let run = run(&["completions", shell]);
        assert_eq!(run.code, Some(0), "{shell}: {}", run.stderr);
        assert!(stdout(&run).contains("rtcscope") && stdout(&run).contains("analyze"), "{shell}");
    }
}

#[test]
fn the_man_page_is_a_man_page() {
    let run = run(&["man"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(stdout(&run).contains(".TH rtcscope"), "{}", stdout(&run));
}
