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
fn an_input_that_cannot_be_read_beside_others_is_a_note_and_a_finding() {
    let folder = scratch("refused");
    let missing = folder.join("missing.sdp");
    std::fs::write(folder.join("text.pcap"), "this is no capture, and long enough for a header").expect("written");
    for refused in [&missing, &folder.join("missing.pcap"), &folder.join("text.pcap")] {
        let found = report(&case("sip-hold"), &[path(refused)]);
        assert_eq!(found["capture"]["files"].as_array().map(Vec::len), Some(1));
        assert_eq!(streams(&found).len(), 2);
        let refusal = finding(&found, "CAPTURE_REFUSED");
        let summary = refusal["summary"].as_str().expect("words");
        assert!(summary.starts_with(&format!("{}: ", refused.display())), "{summary}");
        for (more, code) in [(&[][..], 0), (&["--strict"], 3)] {
            let run = run(&[&[path(&case("sip-hold")), path(refused), "--format", "json"][..], more].concat());
            assert_eq!((run.code, run.stderr), (Some(code), format!("rtcscope: {summary}\n")));
        }
    }
    let description = folder.join("call.sdp");
    std::fs::write(&description, "v=0\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n").expect("written");
    let found = report(&description, &[path(&missing)]);
    assert_eq!(found["sessions"].as_array().map(Vec::len), Some(1));
    finding(&found, "CAPTURE_REFUSED");
    let nothing = run(&[path(&missing), path(&missing)]);
    assert_eq!((nothing.code, nothing.stdout.len(), nothing.stderr.lines().count()), (Some(3), 0, 2));
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

fn text(arguments: &[&str], columns: Option<&str>) -> String {
    let mut command = program().command(arguments);
    match columns {
        Some(columns) => command.env("COLUMNS", columns),
        None => command.env_remove("COLUMNS"),
    };
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("stdout is UTF-8")
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path in UTF-8")
}

/// The one finding of that code.
fn finding<'a>(report: &'a Value, code: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    let found: Vec<&Value> = findings.iter().filter(|finding| finding["code"] == code).collect();
    assert_eq!(found.len(), 1, "{code} in {findings:?}");
    found[0]
}

#[test]
fn a_report_limited_to_ssrcs_says_so_and_that_the_rest_is_whole() {
    let file = case("webrtc-relay-udp");
    let all = report(&file, &[]);
    let one = report(&file, &["--ssrc", "0x5352db24"]);
    same(&all, &one, &["packets", "flows", "stun", "ice", "turn", "dtls"]);
    assert_eq!(all["capture"]["options"]["ssrcs"], serde_json::json!([]));
    assert_eq!(one["capture"]["options"]["ssrcs"], serde_json::json!(["0x5352db24"]));
    let line = "Limited    streams and RTCP only of SSRC 0x5352db24; all else is of the whole capture\n";
    assert!(text(&[path(&file), "--ssrc", "0x5352db24"], None).contains(line));
    assert!(!text(&[path(&file)], None).contains("Limited"));
}

#[test]
fn an_ssrc_that_nothing_has_is_said_in_the_report_and_on_stderr_and_is_no_failure() {
    let file = case("webrtc-relay-udp");
    let asked = ["--ssrc", "7", "--ssrc", "0x5352db24"];
    let found = report(&file, &asked);
    let summary = finding(&found, "SSRC_NOT_SEEN")["summary"].as_str().expect("words");
    assert!(
        summary.starts_with("no RTP stream and no RTCP has SSRC 0x00000007; left out are 5 others: 0x"),
        "{summary}"
    );
    for (more, expected) in [(&[][..], format!("rtcscope: {summary}\n")), (&["--quiet"], String::new())] {
        let run = run(&[&[path(&file), "--format", "csv"][..], &asked, more].concat());
        assert_eq!((run.code, run.stderr), (Some(0), expected));
    }
    assert_eq!(report(&file, &["--ssrc", "0x5352db24"])["findings"], serde_json::json!([]));
}

#[test]
fn a_filter_that_leaves_nothing_says_how_much_it_left_out_and_what_filters_hide() {
    let file = case("sip-hold");
    let arguments = ["-f", "udp port 1"];
    let empty = report(&file, &arguments);
    let found = finding(&empty, "NO_PACKETS");
    assert_eq!(found["summary"], "none of the 718 packets matches the filter");
    assert!(found["advice"].as_str().is_some_and(|advice| advice.contains("`vlan`")), "{found}");
    assert_eq!(empty["capture"]["filtered_out"], 718);
    assert_eq!(empty["capture"]["options"]["filter"], "udp port 1");
    let run = run(&[&[path(&file)][..], &arguments].concat());
    assert_eq!((run.code, &*run.stderr), (Some(0), "rtcscope: none of the 718 packets matches the filter\n"));
    assert!(stdout(&run).contains("Filter     718 packets left out by 'udp port 1'\n"), "{}", stdout(&run));
}

#[test]
fn tagged_packets_that_a_filter_left_out_are_counted_and_the_advice_finds_them() {
    let tagged = |record: &Record| {
        let (addresses, rest) = record.frame.split_at(12);
        Record { nanos: record.nanos, frame: [addresses, &[0x81, 0, 0, 7], rest].concat() }
    };
    let folder = scratch("vlan");
    let file = written(&folder, "tagged.pcap", &records("sip-hold").iter().map(tagged).collect::<Vec<_>>());
    let empty = report(&file, &["-f", "udp"]);
    let summary = &finding(&empty, "NO_PACKETS")["summary"];
    assert_eq!(summary, "none of the 718 packets matches the filter (718 of them have a VLAN tag)");
    assert_eq!(empty["capture"]["filtered_vlan"], 718);
    let whole = report(&file, &["-f", "udp or (vlan and udp)"]);
    assert_eq!(streams(&whole).len(), 2);
    let codes: Vec<&str> =
        whole["findings"].as_array().expect("a list").iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(codes, ["RTP_SSRC_SHARED"], "the echo of the call, and nothing else");
}

#[test]
fn a_window_that_leaves_nothing_says_when_the_capture_was() {
    let empty = report(&case("sip-hold"), &["--time-from", "1h"]);
    let found = finding(&empty, "NO_PACKETS");
    let expected = "none of the 718 packets is within the window of time, the input is from 2026-11-21T04:01:12Z to \
                    2026-11-21T04:01:22Z";
    assert_eq!(found["summary"], expected);
    assert_eq!(empty["capture"]["outside_window"], 718);
    let both = report(&case("sip-hold"), &["--time-to", "1s", "-f", "tcp"]);
    let summary = finding(&both, "NO_PACKETS")["summary"].as_str().expect("words");
    assert!(summary.starts_with("none of the 718 packets is left: "), "{summary}");
}

#[test]
fn a_capture_without_rtc_or_without_packets_says_so() {
    let folder = scratch("nothing");
    let is_arp = |record: &&Record| record.frame[12..14] == [8, 6];
    let arp: Vec<Record> = records("sip-hold").iter().filter(is_arp).cloned().collect();
    assert!(!arp.is_empty());
    let none = report(&written(&folder, "arp.pcap", &arp), &[]);
    let expected = format!("no RTC that is known here is in these packets: other {}", arp.len());
    assert_eq!(finding(&none, "NO_RTC")["summary"], expected);
    let filtered = report(&case("sip-hold"), &["-f", "not udp"]);
    let expected = format!("{expected}; the filter left out {}", 718 - arp.len());
    assert_eq!(finding(&filtered, "NO_RTC")["summary"], expected);
    let empty = written(&folder, "empty.pcap", &[]);
    assert_eq!(finding(&report(&empty, &[]), "NO_PACKETS")["summary"], "there is no packet in the input");
    assert_eq!(run(&[path(&empty)]).stderr, "rtcscope: there is no packet in the input\n");
}

#[test]
fn no_findings_are_no_all_clear() {
    let page = text(&[path(&case("webrtc-relay-udp"))], None).replace("\n  ", " ");
    assert!(page.contains("━━ Findings none: "), "{page}");
    assert!(page.contains(" rules were checked (`rtcscope explain` lists them)"), "{page}");
    assert!(page.contains("That is no proof of a good call: "), "{page}");
}

#[test]
fn text_for_a_file_is_120_columns_wide_unless_columns_says_otherwise() {
    let widest = |columns| {
        let page = text(&[path(&case("webrtc-loss"))], columns);
        (page.lines().map(|line| line.chars().count()).max().unwrap_or(0), page.contains("no room for: "))
    };
    let (usual, names_what_is_left_out) = widest(None);
    assert!((100..=120).contains(&usual) && names_what_is_left_out, "{usual}");
    assert_eq!(widest(Some("120")), widest(None));
    let (narrow, names_what_is_left_out) = widest(Some("80"));
    assert!((60..=80).contains(&narrow) && names_what_is_left_out, "{narrow}");
    let (unlimited, names_what_is_left_out) = widest(Some("0"));
    assert!(unlimited > 160 && !names_what_is_left_out, "{unlimited}");
}

#[test]
fn damage_behind_which_nothing_is_read_is_told_once() {
    let file = written(&scratch("damage-at-the-end"), "damaged.pcap", &records("sip-hold"));
    let mut bytes = std::fs::read(&file).expect("it was written");
    bytes.extend([0; 1000]);
    std::fs::write(&file, bytes).expect("it can be written");
    let report = report(&file, &[]);
    let found = &report["capture"]["files"][0];
    assert_eq!((&found["damaged_places"], &found["skipped_bytes"]), (&serde_json::json!(1), &serde_json::json!(1000)));
    let damage = found["damage"].as_array().expect("a list");
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].as_str().is_some_and(|text| text.ends_with("after frame 718; nothing can be read behind it")));
    finding(&report, "CAPTURE_DAMAGED");
    let run = run(&[path(&file)]);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let page = stdout(&run).replace("\n           ", " ");
    assert_eq!(page.matches("a record header of zeros").count(), 1, "{page}");
    assert!(page.contains("damaged in 1 place\n"), "{page}");
}

#[test]
fn a_window_may_be_said_as_dates_and_is_the_same() {
    let file = case("sip-hold");
    let start = i64::try_from(records("sip-hold")[0].nanos).expect("nanoseconds");
    assert_eq!(start / 1_000_000_000, 1_795_233_672, "the dates below are two and four seconds after it");
    let fraction = start % 1_000_000_000;
    let from = format!("2026-11-21T04:01:14.{fraction:09}Z");
    let to = format!("2026-11-21 05:01:16.{fraction:09}+01:00");
    let dates = report(&file, &["--time-from", &from, "--time-to", &to]);
    let relative = report(&file, &["--time-from", "2s", "--time-to", "4s"]);
    assert!(dates["capture"]["packets"].as_u64().is_some_and(|packets| packets > 100));
    same(&dates, &relative, &CONTENT);
    same(&dates["capture"], &relative["capture"], &["packets", "options", "filtered_out", "outside_window"]);
}

#[test]
fn a_time_after_the_first_packet_is_unknown_where_there_is_no_packet() {
    let empty = written(&scratch("window-of-nothing"), "empty.pcap", &[]);
    let found = report(&empty, &["--time-from", "30s", "--time-to", "@1795233672"]);
    let options = &found["capture"]["options"];
    assert_eq!((&options["from_ts"], &options["to_ts"]), (&Value::Null, &"1795233672.000000000".into()));
}

#[test]
fn a_date_that_no_capture_can_have_is_a_usage_error() {
    let run = run(&[path(&case("sip-hold")), "--time-to", "2200-01-01T00:00:00Z"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("2200-01-01T00:00:00Z"), "{}", run.stderr);
}

#[test]
fn a_window_that_ends_before_it_begins_is_a_usage_error() {
    let file = case("sip-hold");
    for (from, to) in [("4s", "2s"), ("2026-11-21T08:00:00Z", "@1"), ("yesterday", "4s")] {
        let run = run(&[path(&file), "--time-from", from, "--time-to", to]);
        assert_eq!(run.code, Some(2), "{from} {to}");
        assert!(run.stderr.contains("--time-from"), "{}", run.stderr);
    }
}

#[test]
fn help_says_how_many_threads_and_which_times() {
    let help = stdout(&run(&["analyze", "--help"])).split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["from 1 to 32", "2026-11-21T08:00:00", "@N", "COLUMNS", "in UTC where it names no offset"] {
        assert!(help.contains(words), "{words}: {help}");
    }
    assert_eq!(run(&["analyze", "--threads", "33", "f"]).code, Some(2));
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

#[test]
fn csv_without_a_stream_says_so_on_stderr() {
    let run = run(&[path(&case("turn-wrong-password")), "--format", "csv"]);
    assert_eq!((run.code, stdout(&run).lines().count()), (Some(0), 1));
    assert_eq!(run.stderr, "rtcscope: no RTP stream to list; csv has rows for nothing else\n");
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
    let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["row"], &first["schema"]), (&"report".into(), &"rtcscope-report/1".into()));
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

#[test]
fn explain_prints_one_page_or_the_list_of_all_and_knows_what_was_mistyped() {
    let page = run(&["explain", "DTLS_ALERT"]);
    assert_eq!(page.code, Some(0));
    assert!(stdout(&page).starts_with("DTLS_ALERT (error)\n") && stdout(&page).contains("What to do"));
    let list = run(&["explain"]);
    assert_eq!(list.code, Some(0));
    assert!(stdout(&list).lines().any(|line| line.starts_with("CAPTURE_DAMAGED ")));
    let mistyped = run(&["explain", "DTLS_ALRET"]);
    assert_eq!((mistyped.code, mistyped.stdout.len()), (Some(2), 0));
    assert!(mistyped.stderr.contains("did you mean DTLS_ALERT"), "{}", mistyped.stderr);
}
