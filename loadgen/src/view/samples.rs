//! A run for the tests of the views.

use crate::args::Arguments;
use crate::config::{Request, RunConfig};
use crate::knee::{Axis, Capacity, Cause, Knee, Point};
use crate::result::{Allocations, Generator, Interval, Media, Phase, Progress, RunResult, ServerSample};
use crate::stats::{Errors, Percentiles};
use clap::Parser;
use std::time::Duration;

pub(super) fn config(line: &str) -> RunConfig {
    let arguments = Arguments::try_parse_from(line.split(' ')).expect("arguments");
    match Request::of(arguments, &|_| None) {
        Ok(Request::Run(config)) => *config,
        other => panic!("no run: {other:?}"),
    }
}

pub(super) fn percentiles(p50: f64) -> Percentiles {
    Percentiles { p50, p90: p50 * 2.0, p99: p50 * 4.5, p999: p50 * 9.0, max: p50 * 20.0, mean: p50 * 1.25 }
}

pub(super) fn allocations() -> Allocations {
    let mut errors = Errors::default();
    (0..3).for_each(|_| errors.add("486", "Allocation Quota Reached"));
    errors.add("timeout", "");
    Allocations {
        requested: 1_000,
        succeeded: 996,
        failed: 4,
        requests: 2_100,
        retransmissions: 7,
        refreshes: 12,
        renewals: 24,
        stale_nonces: 36,
        errors,
        latency_ms: Some(percentiles(1.5)),
        per_second: 99.5,
        ..Allocations::default()
    }
}

pub(super) fn media() -> Media {
    Media {
        streams: 996,
        offered_packets: 3_000_010,
        sent_packets: 3_000_000,
        delivered_packets: 2_999_640,
        lost_packets: 360,
        blocked_packets: 0,
        lost_pct: Some(0.012),
        duplicated: 1,
        reordered: 2,
        misdelivered: 0,
        corrupted: 0,
        stale: 0,
        offered_bps: 36_800_000.5,
        delivered_bps: 36_795_584.5,
        delivered_pps: 49_994.5,
        rtt_ms: Some(percentiles(0.214)),
        jitter_ms: Some(percentiles(0.05)),
        one_way_ms: None,
    }
}

pub(super) fn generator() -> Generator {
    Generator {
        cpu_s: 24.5,
        peer_cpu_s: Some(12.25),
        max_send_lag_ms: 2.31,
        late_sends: 0,
        send_errors: 10,
        socket_drops: 0,
    }
}

/// Second `at`, with a loss of its own.
pub(super) fn interval(at: u64) -> Interval {
    let sent = 49_800;
    let lost = (at % 5) as i64 * 6;
    Interval {
        at: Duration::from_secs(at),
        length: Duration::from_secs(1),
        wanted: 1_000,
        up: 996,
        allocations: Allocations {
            requests: 4,
            retransmissions: 1,
            refreshes: 3,
            renewals: 2,
            stale_nonces: 5,
            ..Allocations::default()
        },
        media: Media {
            offered_packets: sent,
            sent_packets: sent,
            delivered_packets: sent - lost as u64,
            lost_packets: lost,
            lost_pct: Some(100.0 * lost as f64 / sent as f64),
            offered_bps: 36_652_800.0,
            delivered_bps: 36_648_384.0,
            delivered_pps: (sent - lost as u64) as f64,
            rtt_ms: Some(percentiles(0.2 + 0.02 * (at % 10) as f64)),
            jitter_ms: Some(percentiles(0.05)),
            ..Media::default()
        },
        generator: Generator { cpu_s: 0.42, peer_cpu_s: Some(0.21), max_send_lag_ms: 0.31, ..Generator::default() },
        server: Some(ServerSample {
            cpu_cores: Some(0.75),
            memory_bytes: Some(52_428_800),
            allocations: Some(996),
            machine_cpu_cores: Some(1.5),
            machine_memory_bytes: Some(3_221_225_472),
        }),
        level: None,
    }
}

pub(super) fn result() -> RunResult {
    let mut result = RunResult {
        target: "turn:127.0.0.1:3478".to_owned(),
        config: vec![("transport".to_owned(), "udp".to_owned()), ("traffic".to_owned(), "audio".to_owned())],
        seed: 7,
        duration: Duration::from_secs(70),
        allocations: allocations(),
        media: media(),
        generator: generator(),
        intervals: (1..=3).map(interval).collect(),
        ..RunResult::default()
    };
    let thresholds = ["media.lost_pct<0.1", "media.rtt_ms.p99<50"].map(|text| text.parse().expect("a threshold"));
    result.judge(&thresholds);
    result
}

/// A search that a quota ended.
pub(super) fn capacity() -> Capacity {
    let point = |level: u64, granted: u64, lost_pct: f64, cause: Option<Cause>| Point {
        level,
        granted,
        offered_pps: granted as f64 * 50.0,
        delivered_pps: granted as f64 * 50.0 * (1.0 - lost_pct / 100.0),
        lost_pct: Some(lost_pct),
        p50_ms: Some(0.2),
        p99_ms: Some(4.0),
        server_cores: Some(granted as f64 / 500.0),
        generator_cores: granted as f64 / 250.0,
        cause,
    };
    let lost = Cause::Threshold { threshold: "media.lost_pct<0.1".parse().expect("a threshold"), value: Some(0.4) };
    let tired = Cause::Generator(vec!["2.1 % of the packets left more than 5 ms after they were due".to_owned()]);
    let gone = Cause::Lost { key: "437".to_owned(), reason: "Allocation Mismatch".to_owned(), count: 2 };
    let refused = Cause::Refused { key: "486".to_owned(), reason: "Allocation Quota Reached".to_owned(), granted: 100 };
    Capacity {
        axis: Axis::Allocations,
        limit: 1_000,
        knee: Some(Knee { carried: 100, failed: Some((128, refused.clone())) }),
        curve: vec![
            point(16, 16, 0.0, None),
            point(32, 32, 0.4, Some(lost)),
            point(32, 32, 0.0, None),
            point(64, 64, 0.0, Some(gone)),
            point(64, 64, 0.0, Some(tired)),
            point(128, 100, 0.0, Some(refused)),
            Point { server_cores: None, p50_ms: None, p99_ms: None, lost_pct: None, ..point(100, 100, 0.0, None) },
        ],
    }
}

pub(super) fn progress(at: u64) -> Progress {
    Progress {
        phase: Phase::Hold,
        ends: Some(Duration::from_secs(70)),
        allocating: 0,
        last: interval(at),
        allocations: allocations(),
        media: media(),
        generator: generator(),
    }
}
