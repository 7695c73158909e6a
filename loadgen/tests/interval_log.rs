//! `--hlog` of the built program, read back with the reader of the HdrHistogram library.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]

mod support;

use base64::Engine;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::time::Duration;
use support::{judged, measuring, program};
use turnload::engine::demo::DemoServer;

/// A histogram of the log, and when it is of.
struct Interval {
    tag: Option<String>,
    start: Duration,
    length: Duration,
    /// Microseconds.
    values: Histogram<u64>,
}

fn read(log: &[u8]) -> Vec<Interval> {
    let intervals = IntervalLogIterator::new(log).filter_map(|entry| match entry.expect("a line that reads") {
        LogEntry::Interval(interval) => Some(interval),
        _ => None,
    });
    let decoded = intervals.map(|interval| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).expect("base64");
        Interval {
            tag: interval.tag().map(|tag| tag.as_str().to_owned()),
            start: interval.start_timestamp(),
            length: interval.duration(),
            values: Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram"),
        }
    });
    decoded.collect()
}

/// All under one tag as one histogram.
fn sum(log: &[Interval], tag: Option<&str>) -> Histogram<u64> {
    let mut sum = Histogram::new(3).expect("three digits");
    let meant = log.iter().filter(|interval| interval.tag.as_deref() == tag);
    meant.for_each(|interval| sum.add(&interval.values).expect("it grows"));
    sum
}

/// The result of a load, and its log.
fn logged(arguments: &str) -> (Value, Vec<Interval>) {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.hlog");
    let output = program(&[&format!("turn:{}", server.address()), "--format", "json", "--hlog"])
        .arg(&path)
        .args(arguments.split(' '))
        .env("TURN_USERNAME", server.user())
        .env("TURN_PASSWORD", server.password().reveal())
        .output()
        .expect("turnload runs");
    let log = read(&std::fs::read(&path).expect("a log"));
    let (_, value) = judged(&output);
    (value, log)
}

#[track_caller]
fn assert_same(values: &Histogram<u64>, written: &Value) {
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        let written = written[name].as_f64().expect("a number");
        let logged = values.value_at_quantile(quantile) as f64 / 1_000.0;
        // A bucket is known by its upper end, the result by its exact maximum; both to one part in a thousand.
        assert!((written - logged).abs() <= logged / 1_000.0, "{name}: {written} and {logged}");
    }
}

#[test]
fn the_log_adds_up_to_the_result() {
    let (value, log) = logged("-m 20 --ramp 1s --duration 2s");
    let trips = sum(&log, None);
    assert_eq!(value["media"]["delivered_packets"], trips.len(), "{value:#}");
    assert_same(&trips, &value["media"]["rtt_ms"]);
    let made = sum(&log, Some("allocation"));
    assert_eq!(value["allocations"]["succeeded"], made.len(), "{value:#}");
    assert_same(&made, &value["allocations"]["latency_ms"]);
    assert!(log.iter().all(|interval| interval.tag.as_deref().is_none_or(|tag| tag == "allocation")));
}

#[test]
fn intervals_follow_each_other_without_a_gap_and_are_those_of_the_result() {
    let (value, log) = logged("-m 4 --duration 2s");
    let rows = value["intervals"].as_array().expect("rows");
    let untagged: Vec<&Interval> = log.iter().filter(|interval| interval.tag.is_none()).collect();
    assert_eq!(untagged.len(), rows.len());
    let mut end = Duration::ZERO;
    for (interval, row) in untagged.iter().zip(rows) {
        // The format has milliseconds.
        assert!(interval.start.abs_diff(end) <= Duration::from_millis(2), "{:?} {end:?}", interval.start);
        end = interval.start + interval.length;
        let at = row["at_s"].as_f64().expect("a number");
        assert!((end.as_secs_f64() - at).abs() < 0.002, "{end:?} {at}");
        assert_eq!(row["media"]["delivered_packets"], interval.values.len());
    }
}

#[test]
fn pairs_have_no_round_trips_and_are_logged_one_way() {
    let (value, log) = logged("-m 4 -y --duration 1s");
    let delays = sum(&log, None);
    assert_eq!(value["media"]["delivered_packets"], delays.len(), "{value:#}");
    assert!(!delays.is_empty());
    assert_same(&delays, &value["media"]["one_way_ms"]);
}
