//! Live captures: what comes from an interface or a pipe means what the same capture means as a file.
//!
//! The interfaces are made here, and need root; elsewhere that part is skipped, loudly.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "frames are sent with the pauses that they had")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Program, Record, Value, announce_skip, read_pcapng, root};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_rtcscope"))
}

fn case(name: &str) -> PathBuf {
    root().join("captures").join(name).join("input.pcapng")
}

fn records(name: &str) -> Vec<Record> {
    read_pcapng(&std::fs::read(case(name)).expect("the case is there"))
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn is_root(what: &str) -> bool {
    // SAFETY: asks for a number.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        announce_skip(what, "It needs root, to make interfaces and to capture from them.");
    }
    is_root
}

/// A pair of interfaces, of which each receives what the other sends; gone with the value.
struct Pair {
    sends: String,
    receives: String,
}

impl Pair {
    fn new(tag: &str) -> Self {
        let pair = Self {
            sends: format!("rs{}{tag}a", std::process::id() % 1_000_000),
            receives: format!("rs{}{tag}b", std::process::id() % 1_000_000),
        };
        ip(&["link", "add", &pair.sends, "type", "veth", "peer", "name", &pair.receives]);
        for name in [&pair.sends, &pair.receives] {
            // The kernel has nothing of its own to say there.
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
            ip(&["link", "set", name, "mtu", "65535", "arp", "off", "up"]);
        }
        pair
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.sends]).status();
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("ip runs");
    assert!(status.success(), "ip {arguments:?}");
}

/// Sends the frames by an interface, with the pauses that they have in the capture.
fn replay(records: &[Record], interface: &str) {
    let name = std::ffi::CString::new(interface).expect("a name without zeros");
    // SAFETY: the pointer is that of a string with a zero at its end.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: no pointer is handed over.
    let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
    assert!(index > 0 && descriptor >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was opened above, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let began = Instant::now();
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    for record in records {
        let due = Duration::from_nanos(record.nanos - records[0].nanos);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        // SAFETY: frame and address live until the call is over, and their lengths are true.
        let sent = unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                record.frame.as_ptr().cast(),
                record.frame.len(),
                0,
                (&raw const address).cast(),
                size_of_val(&address) as u32,
            )
        };
        assert_eq!(sent, record.frame.len() as isize, "{}", std::io::Error::last_os_error());
    }
}

/// The program, capturing.
struct Live {
    child: Child,
    notes: BufReader<ChildStderr>,
}

impl Live {
    /// Comes back when packets are being captured.
    fn start(arguments: &[&str]) -> Self {
        let all: Vec<&str> = [&["live"], arguments].concat();
        let mut command = program().command(&all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut notes = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut first = String::new();
        notes.read_line(&mut first).expect("a note");
        assert!(first.contains("capturing"), "{first}");
        Self { child, notes }
    }

    fn interrupt(&self) {
        // SAFETY: sends a signal to a child that was not waited for yet.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
    }

    /// Exit code, standard output, and what else it said.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut notes) = (String::new(), String::new());
        self.child.stdout.take().expect("stdout is piped").read_to_string(&mut out).expect("text");
        self.notes.read_to_string(&mut notes).expect("text");
        (self.child.wait().expect("it ends").code(), out, notes)
    }
}

/// What does not hang on the clocks of two runs: times, and what is computed of them, go; so does the input's name.
fn without_times(value: &Value) -> Value {
    let of_time = |key: &str| {
        let parts = ["_ms", "_ts", "bps", "jitter", "delta", "drift", "tshark", "clock", "burst", "gap"];
        key == "capture" || key == "ts" || parts.iter().any(|part| key.contains(part))
    };
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !of_time(key));
            Value::Object(kept.map(|(key, value)| (key.clone(), without_times(value))).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(without_times).collect()),
        Value::Number(number) if number.as_i64().is_none() && number.as_u64().is_none() => Value::Null,
        other => other.clone(),
    }
}

/// The parts of a report, and of its capture those that do not name the input.
fn assert_same(one: &Value, other: &Value) {
    let keys: Vec<&String> = one.as_object().expect("a report").keys().collect();
    assert!(keys.len() >= 12, "{keys:?}");
    for key in keys.into_iter().filter(|key| *key != "capture") {
        assert_eq!(one[key], other[key], "{key}");
    }
    for (key, value) in one["capture"].as_object().into_iter().flatten() {
        // A file without a word of drops says nothing; an interface says that there were none.
        if !["files", "dropped_by_capture"].contains(&key.as_str()) {
            assert_eq!(*value, other["capture"][key], "capture.{key}");
        }
    }
}

fn replayed_live_is_the_same(name: &str, tag: &str) {
    if !is_root(&format!("{name}, captured from an interface")) {
        return;
    }
    let (pair, folder) = (Pair::new(tag), scratch(name));
    let file = folder.join("written.pcapng");
    let written = file.to_str().expect("a path of text");
    let live = Live::start(&["-i", &pair.receives, "--no-tui", "--format", "json", "-w", written]);
    let records = records(name);
    replay(&records, &pair.sends);
    live.interrupt();
    let (code, out, notes) = live.end();
    assert_eq!(code, Some(0), "{notes}");
    let seen: Value = serde_json::from_str(&out).expect("a report");
    assert_eq!(seen["capture"]["dropped_by_capture"], 0, "{notes}");
    assert_eq!(seen["capture"]["files"][0]["format"], "live");
    assert_eq!(seen["capture"]["packets"], records.len());
    // Times and all: what was written while it ran means the same.
    assert_same(&program().report(&file, &[]).expect("a report"), &seen);
    let offline = program().report(&case(name), &[]).expect("a report");
    assert_same(&without_times(&offline), &without_times(&seen));
    let frames = |records: &[Record]| records.iter().map(|record| record.frame.clone()).collect::<Vec<_>>();
    let saved = read_pcapng(&std::fs::read(&file).expect("it was written"));
    assert!(frames(&saved) == frames(&records), "the frames of the file that live wrote are not those that were sent");
}

#[test]
fn a_call_with_sip_means_the_same_live() {
    replayed_live_is_the_same("sip-hold", "s");
}

#[test]
fn a_call_through_a_relay_means_the_same_live() {
    replayed_live_is_the_same("webrtc-relay-udp", "r");
}

#[test]
fn every_packet_of_a_flood_on_loopback_is_seen_once_or_counted_as_dropped() {
    if !is_root("a flood on loopback") {
        return;
    }
    const PACKETS: u64 = 100_000;
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = receiver.local_addr().expect("an address").port();
    let filter = format!("udp dst port {port}");
    let live = Live::start(&["-i", "lo", "-f", &filter, "--format", "json", "--buffer-size", "8MiB"]);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.connect(("127.0.0.1", port)).expect("a port");
    let mut packet = [0_u8; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    for number in 0..PACKETS {
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(number as u32 * 160).to_be_bytes());
        assert_eq!(sender.send(&packet).expect("loopback takes it"), packet.len());
    }
    live.interrupt();
    let (code, out, notes) = live.end();
    assert_eq!(code, Some(0), "{notes}");
    let report: Value = serde_json::from_str(&out).expect("a report");
    let of = |key: &str| report["capture"][key].as_u64().expect(key);
    assert_eq!(of("packets") + of("dropped_by_capture"), PACKETS, "{}", report["capture"]);
}

#[test]
fn whoever_reads_the_notes_may_leave_and_the_capture_goes_on() {
    if !is_root("a capture without a reader of its notes") {
        return;
    }
    let pair = Pair::new("n");
    let mut live = Live::start(&["-i", &pair.receives, "--no-tui"]);
    live.notes = BufReader::new(ChildStderr::from(OwnedFd::from(std::io::pipe().expect("a pipe").0)));
    // A line a second is written to nobody.
    std::thread::sleep(Duration::from_millis(1200));
    replay(&records("sip-hold")[..20], &pair.sends);
    live.interrupt();
    let (code, out, _) = live.end();
    assert_eq!(code, Some(0));
    assert!(out.lines().any(|line| line.starts_with("Packets") && line.contains(" 20,")), "{out}");
}

#[test]
fn an_interface_that_goes_is_named_and_the_capture_goes_on_with_the_others() {
    if !is_root("an interface that goes") {
        return;
    }
    let (stays, goes) = (Pair::new("o"), Pair::new("g"));
    let both = ["-i", &stays.receives, "-i", &goes.receives, "--no-tui", "--format", "json"];
    let mut live = Live::start(&both);
    let name = goes.receives.clone();
    drop(goes);
    let mut told = String::new();
    live.notes.read_line(&mut told).expect("a note");
    assert!(told.contains(&format!("the interface {name} has gone")), "{told}");
    let records = records("sip-hold");
    replay(&records[..20], &stays.sends);
    live.interrupt();
    let (code, out, _) = live.end();
    assert_eq!(code, Some(3));
    let report: Value = serde_json::from_str(&out).expect("a report");
    assert_eq!(report["capture"]["packets"], 20);
}

/// The same frames in a VLAN.
fn tagged(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        record.nanos = 0;
        record.frame.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    }
    records
}

#[test]
fn a_tag_that_the_kernel_took_off_is_there_again_for_filter_and_file() {
    if !is_root("frames with a VLAN tag") {
        return;
    }
    let (pair, folder) = (Pair::new("v"), scratch("vlan"));
    let file = folder.join("tagged.pcapng");
    let file = file.to_str().expect("a path of text");
    let records = tagged(records("sip-hold"));
    for (filter, packets) in [("vlan 7", records.len()), ("udp", 0)] {
        let live = Live::start(&["-i", &pair.receives, "-f", filter, "--format", "json", "-w", file]);
        replay(&records, &pair.sends);
        live.interrupt();
        let (code, out, notes) = live.end();
        assert_eq!(code, Some(0), "{notes}");
        let report: Value = serde_json::from_str(&out).expect("a report");
        assert_eq!(report["capture"]["packets"], packets, "{filter}");
        assert_eq!(report["capture"]["filtered_out"], records.len() - packets, "{filter}");
        let saved = read_pcapng(&std::fs::read(file).expect("it was written"));
        let as_sent = saved.iter().zip(&records).all(|(one, other)| one.frame == other.frame);
        assert!(saved.len() == packets && as_sent, "{filter}: {} frames", saved.len());
    }
}

#[test]
fn a_packet_that_passes_two_captured_interfaces_counts_once() {
    if !is_root("two interfaces at once") {
        return;
    }
    let pair = Pair::new("t");
    let live = Live::start(&["-i", &pair.receives, "-i", &pair.sends, "--format", "json"]);
    let records = records("sip-hold");
    let few = &records[..records.len() / 4];
    replay(few, &pair.sends);
    live.interrupt();
    let (code, out, notes) = live.end();
    assert_eq!(code, Some(0), "{notes}");
    let report: Value = serde_json::from_str(&out).expect("a report");
    assert_eq!(report["capture"]["packets"], 2 * few.len());
    assert_eq!(report["capture"]["duplicates_removed"], few.len());
    let files = report["capture"]["files"].as_array().expect("a list");
    assert!(files.len() == 2 && files.iter().all(|file| file["packets"] == few.len()), "{files:?}");
    let streams = report["rtp_streams"].as_array().expect("a list");
    assert!(streams.len() == 2 && streams.iter().all(|row| row["duplicates"] == 0 && row["lost"] == 0), "{streams:?}");
}

/// The text that is served at an address that a note named.
fn scrape(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("somebody listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").expect("they read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    text.to_owned()
}

#[test]
fn metrics_are_served_while_it_runs() {
    let arguments = ["live", "-", "--format", "json", "--prometheus", "127.0.0.1:0", "--forget-after", "2s"];
    let mut child = program()
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut notes = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut note = String::new();
    notes.read_line(&mut note).expect("a note");
    let address = note.trim().split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(&std::fs::read(case("sip-hold")).expect("the case is there")).expect("it reads");
    let packets = format!("rtcscope_captured_packets_total {}", records("sip-hold").len());
    let deadline = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let text = scrape(address);
        if text.lines().any(|line| line == packets) {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.lines().any(|line| line == "rtcscope_packets_total{class=\"sip\"} 14"), "{text}");
    drop(pipe);
    let mut out = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut out).expect("text");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_ring_of_files_keeps_the_latest() {
    if !is_root("a ring of files") {
        return;
    }
    let (pair, folder) = (Pair::new("f"), scratch("ring"));
    let file = folder.join("call.pcapng");
    let file = file.to_str().expect("a path of text");
    let ring = ["-b", "packets:100", "-b", "files:3", "-c", "718", "--format", "ndjson"];
    let live = Live::start(&[["-i", &pair.receives, "-w", file].as_slice(), ring.as_slice()].concat());
    let mut records = records("sip-hold");
    records.iter_mut().for_each(|record| record.nanos = 0);
    replay(&records, &pair.sends);
    let (code, out, notes) = live.end();
    assert_eq!(code, Some(0), "{notes}");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let numbers: Vec<&str> = names.iter().filter_map(|name| name.get(..11)).collect();
    assert_eq!(numbers, ["call_00006_", "call_00007_", "call_00008_"]);
    let packets: Vec<Value> = names
        .iter()
        .map(|name| program().report(&folder.join(name), &[]).expect("a report")["capture"]["packets"].clone())
        .collect();
    assert_eq!(packets, [100, 100, 18]);
    let last: Value = serde_json::from_str(out.lines().last().expect("a line")).expect("an object");
    assert_eq!((&last["row"], &last["capture"]["packets"]), (&"report".into(), &718.into()));
}

#[test]
fn a_pipe_is_analysed_while_it_is_open_and_means_the_same() {
    let mut live = Live::start(&["-", "--format", "ndjson"]);
    let mut stdin = live.child.stdin.take().expect("stdin is piped");
    let bytes = std::fs::read(case("sip-hold")).expect("the case is there");
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    stdin.write_all(first).expect("it reads");
    stdin.flush().expect("it reads");
    let mut lines = BufReader::new(live.child.stdout.take().expect("stdout is piped")).lines();
    let second: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("an object");
    assert_eq!(second["row"], "second");
    assert!(second["packets"].as_u64() > Some(300), "{second}");
    assert!(second["streams"] == 2 && second["sessions"] == 1, "{second}");
    stdin.write_all(rest).expect("it reads");
    drop(stdin);
    let mut last: Value =
        lines.map(|line| serde_json::from_str(&line.expect("text")).expect("an object")).last().expect("a report");
    assert_eq!(live.child.wait().expect("it ends").code(), Some(0));
    last.as_object_mut().expect("an object").remove("row");
    let offline = program().run_with_stdin(&["analyze", "-", "--format", "json"], bytes);
    let offline: Value = serde_json::from_slice(&offline.stdout).expect("a report");
    assert_eq!(last, offline);
}

#[test]
fn what_cannot_be_captured_is_said() {
    let run = |arguments: &[&str]| program().run(&[&["live"], arguments].concat());
    assert_eq!(run(&[]).code, Some(2));
    assert_eq!(run(&["call.pcapng"]).code, Some(2));
    assert_eq!(run(&["-i", "lo", "-f", "udp port sip"]).code, Some(2));
    assert_eq!(run(&["-i", "lo", "--until-finding", "NO_SUCH"]).code, Some(2));
    assert_eq!(run(&["-i", "lo", "-c", "0"]).code, Some(2));
    assert_eq!(run(&["-i", "lo", "-w", "one", "-o", "one"]).code, Some(2));
    // Before anything is captured, not when the report is to be written.
    let nowhere = run(&["-i", "lo", "--duration", "1h", "-o", "no-such-folder/report.txt"]);
    assert!(nowhere.code == Some(3) && nowhere.stderr.contains("no-such-folder/report.txt"), "{nowhere:?}");
    let gone = run(&["-i", "no-such-interface"]);
    assert_eq!(gone.code, Some(3));
    assert!(gone.stderr.contains("lo"), "{}", gone.stderr);
    let list = run(&["-D"]);
    assert!(list.code == Some(0) && String::from_utf8_lossy(&list.stdout).contains("lo ["), "{list:?}");
}
