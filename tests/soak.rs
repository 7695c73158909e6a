//! A capture that goes on for a day: what is over leaves, nothing that was counted or found is lost, memory is flat.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

#[path = "soak/day.rs"]
mod day;

use day::{BEGIN, EVERY, TAKES};
use rtcscope::model::analyzer::{Analyzer, Options};
use rtcscope::model::capture::CaptureFacts;
use rtcscope::model::snapshot::Snapshot;
use rtcscope::packet::{FrameNo, LinkType, RawPacket};
use rtcscope::time::Timestamp;
use std::io::{Read, Write};
use std::process::Stdio;
use support::{Program, Value};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// What live does where nobody says otherwise.
const FORGET_AFTER: u64 = 300;

/// The analysis as live drives it.
struct Run {
    analyzer: Analyzer,
    frame: u64,
}

impl Run {
    fn new(forget_after: Option<u64>) -> Self {
        let forget_after = forget_after.map(|seconds| seconds as i64 * 1_000_000_000);
        Self { analyzer: Analyzer::new(Options { forget_after, ..Options::default() }), frame: 0 }
    }

    fn second(&mut self, at: u64) {
        for (nanos, data) in day::second(at) {
            self.frame += 1;
            self.analyzer.packet(&RawPacket {
                ts: Timestamp::from_nanos(nanos as i64),
                frame: FrameNo(self.frame),
                interface: 0,
                link: LinkType::ETHERNET,
                wire_len: data.len() as u32,
                data: &data,
            });
            if self.analyzer.is_sweep_due() {
                self.analyzer.sweep(CaptureFacts::default());
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.analyzer.snapshot(CaptureFacts::default())
    }
}

fn found(snapshot: &Snapshot, code: &str) -> usize {
    snapshot.findings.iter().filter(|finding| finding.code == code).count()
}

#[test]
fn what_is_over_leaves_and_no_total_goes_back() {
    let mut run = Run::new(Some(FORGET_AFTER));
    let mut before = run.snapshot();
    // What is quiet for so long is gone, wherever the last look was; what is open by its own words waits four times as long.
    let (quiet, open) = (TAKES + FORGET_AFTER * 3 / 2, TAKES + FORGET_AFTER * 9 / 2);
    let (alive, hanging) = (quiet / EVERY, open / EVERY);
    for at in 0..8 * HOUR {
        run.second(at);
        if at % (HOUR / 2) != 0 {
            continue;
        }
        let now = run.snapshot();
        assert_eq!(now.packets.total() - now.capture.inner_datagrams, run.frame, "at {at} s");
        for (class, count) in now.packets.iter() {
            assert!(count >= before.packets.of(class), "{} at {at} s", class.name());
        }
        let bound = |what: &str, length: usize, most: u64| assert!(length as u64 <= most, "{length} {what} at {at} s");
        bound("flows", now.flows.len(), 6 * alive + 4 * hanging + 2 * quiet);
        bound("streams", now.streams.len(), 4 * alive);
        bound("sessions", now.sessions.len(), 2 * alive + hanging);
        bound("allocations", now.allocations.len(), hanging);
        bound("transactions", now.transactions.len(), 4 * alive + 3 * hanging);
        bound("pairs", now.pairs.len(), 2 * alive);
        bound("handshakes", now.handshakes.len(), 2 * alive);
        bound("RTCP senders", now.rtcp.len(), 4 * alive);
        bound("signals", now.signals.len(), 5 * alive + 5 * hanging);
        bound("findings", now.findings.len(), 1000);
        let (left, earlier) = (&now.capture.forgotten, &before.capture.forgotten);
        assert!(left.flows >= earlier.flows && left.findings >= earlier.findings);
        let streams = |snapshot: &Snapshot| snapshot.streams.len() as u64 + snapshot.capture.forgotten.streams;
        let calls = day::calls(at);
        assert!(streams(&now) >= streams(&before) && streams(&now) >= 2 * calls.saturating_sub(1), "at {at} s");
        let sessions = now.sessions.len() as u64 + left.sessions;
        assert!(sessions.abs_diff(calls) <= 2, "{sessions} sessions of {calls} calls at {at} s");
        before = now;
    }
    let limits: Vec<_> = before.capture.limits.iter().filter(|(_, count)| **count > 0).collect();
    assert!(limits.is_empty(), "{limits:?}");
    let lossy = before.capture.forgotten_findings.get("RTP_LOSS").copied().unwrap_or(0);
    assert!(found(&before, "RTP_LOSS") >= 64 && lossy > day::calls(7 * HOUR) / 7, "{lossy}");
    let listed = before.findings.len() as u64;
    assert!(before.capture.forgotten.findings_not_listed > 0 && listed < before.capture.forgotten.findings);
}

#[test]
fn what_has_not_been_quiet_for_long_is_the_same_as_if_nothing_ever_left() {
    let (mut all, mut few) = (Run::new(None), Run::new(Some(FORGET_AFTER)));
    for at in 0..HOUR {
        all.second(at);
        few.second(at);
    }
    [&mut all, &mut few].into_iter().for_each(|run| run.analyzer.finish());
    let (all, few) = (all.snapshot(), few.snapshot());
    assert_eq!(all.packets, few.packets);
    assert_eq!(all.other, few.other);
    assert!(few.streams.len() * 2 < all.streams.len());
    let latest = |snapshot: &Snapshot| -> Vec<String> {
        let since = Timestamp::from_nanos(((BEGIN + HOUR - FORGET_AFTER) * 1_000_000_000) as i64);
        let rows = snapshot.streams.iter().filter(|row| row.figures.first_ts >= since);
        rows.map(|row| format!("{} {} {:?} {:?}", row.src, row.ssrc, row.codec, row.figures)).collect()
    };
    assert!(latest(&few).len() > 50);
    assert_eq!(latest(&all), latest(&few));
    let codes = |snapshot: &Snapshot| {
        let mut codes: Vec<&str> = snapshot.findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    assert_eq!(codes(&all), codes(&few));
}

/// Anonymous memory of a process in KiB.
fn anonymous(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn memory_after_a_day_is_that_after_two_hours() {
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let mut command = program.command(&["live", "-", "--format", "json", "--quiet"]);
    let mut live = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut pipe = live.stdin.take().expect("a pipe");
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        pipe.write_all(&word.to_le_bytes()).expect("it reads");
    }
    let (mut early, mut late) = (0, 0);
    for at in 0..DAY {
        let mut bytes = Vec::new();
        for (nanos, frame) in day::second(at) {
            let (seconds, rest, length) = (nanos / 1_000_000_000, nanos % 1_000_000_000, frame.len() as u32);
            for word in [seconds as u32, rest as u32, length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(frame);
        }
        // It has read all but what the pipe holds.
        pipe.write_all(&bytes).expect("it reads");
        // The most of an hour, wherever in it the looks fell.
        if at % 60 == 0 && (HOUR..2 * HOUR).contains(&at) {
            early = early.max(anonymous(live.id()));
        } else if at % 60 == 0 && at >= DAY - HOUR {
            late = late.max(anonymous(live.id()));
        }
    }
    drop(pipe);
    let mut out = String::new();
    live.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    assert!(live.wait().expect("it ends").success());
    println!("{early} KiB in the second hour, {late} KiB in the last");
    assert!(late * 10 <= early * 13, "{early} KiB in the second hour, {late} KiB in the last");
    let report: Value = serde_json::from_str(&out).expect("a report");
    let forgotten = &report["capture"]["forgotten"];
    assert!(forgotten["flows"].as_u64().is_some_and(|flows| flows > 100_000), "{forgotten}");
    assert!(forgotten["rtp_streams"].as_u64().is_some_and(|streams| streams > 2 * day::calls(DAY) * 9 / 10));
}
