//! The result as one JSON object, schema `turnload-result/1`.
//!
//! In: a result and what was meant. Out: one object, keys always in the same order. Never: NaN, -1 or 0 for "unknown",
//! a secret.

mod config;
mod knee;

pub(crate) use config::wire;

use crate::config::RunConfig;
use crate::result::{Allocations, Generator, Interval, Media, RunResult, ServerSample};
use crate::stats::{Errors, Percentiles};
use config::Config;
use knee::{Found, axis};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Raised where a key that others read changes its meaning.
const SCHEMA: &str = "turnload-result/1";

/// Writes the object and a line end.
///
/// # Errors
/// Those of the writer.
pub fn write(result: &RunResult, config: &RunConfig, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, &Report::of(result, config))?;
    out.write_all(b"\n")?;
    out.flush()
}

#[derive(Serialize)]
struct Report<'r> {
    schema: &'static str,
    tool: Tool,
    target: &'r str,
    config: Config,
    seed: u64,
    duration_s: f64,
    valid: bool,
    invalid_because: &'r [String],
    incomplete: Option<&'r str>,
    exit_code: u8,
    replay: Option<ReplayFigures<'r>>,
    allocations: AllocationFigures<'r>,
    media: MediaFigures,
    generator: GeneratorFigures,
    intervals: Vec<Row<'r>>,
    thresholds: Vec<Judged>,
    knee: Option<Found<'r>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ReplayFigures<'r> {
    parts: u64,
    streams: u64,
    packets: u64,
    padded_packets: u64,
    length_s: f64,
    notes: &'r [String],
}

#[derive(Serialize)]
struct AllocationFigures<'r> {
    requested: u64,
    succeeded: u64,
    failed: u64,
    lost: u64,
    undeleted: u64,
    peers_refused: u64,
    requests: u64,
    retransmissions: u64,
    refreshes: u64,
    renewals: u64,
    stale_nonces: u64,
    redirected: u64,
    mismatched: u64,
    errors: BTreeMap<&'r str, u64>,
    error_reasons: BTreeMap<&'r str, &'r str>,
    later_errors: BTreeMap<&'r str, u64>,
    later_error_reasons: BTreeMap<&'r str, &'r str>,
    latency_ms: Option<Quantiles>,
    per_second: Option<f64>,
}

#[derive(Serialize)]
struct MediaFigures {
    streams: u64,
    offered_packets: u64,
    sent_packets: u64,
    delivered_packets: u64,
    lost_packets: i64,
    blocked_packets: u64,
    lost_pct: Option<f64>,
    duplicated: u64,
    reordered: u64,
    misdelivered: u64,
    corrupted: u64,
    stale: u64,
    offered_bps: Option<f64>,
    delivered_bps: Option<f64>,
    delivered_pps: Option<f64>,
    rtt_ms: Option<Quantiles>,
    jitter_ms: Option<Quantiles>,
    one_way_ms: Option<Quantiles>,
}

#[derive(Serialize)]
struct GeneratorFigures {
    cpu_s: Option<f64>,
    peer_cpu_s: Option<f64>,
    max_send_lag_ms: Option<f64>,
    late_sends: u64,
    send_errors: u64,
    socket_drops: u64,
}

#[derive(Serialize)]
struct Quantiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
}

#[derive(Serialize)]
struct Row<'r> {
    at_s: f64,
    length_s: f64,
    wanted: u32,
    up: u64,
    allocations: AllocationFigures<'r>,
    media: MediaFigures,
    generator: GeneratorFigures,
    server: Option<Server>,
    level: Option<u64>,
}

#[derive(Serialize)]
struct Server {
    cpu_cores: Option<f64>,
    memory_bytes: Option<u64>,
    allocations: Option<u64>,
    machine_cpu_cores: Option<f64>,
    machine_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Judged {
    expr: String,
    value: Option<f64>,
    ok: bool,
}

/// JSON has no other numbers.
fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl<'r> Report<'r> {
    fn of(result: &'r RunResult, config: &RunConfig) -> Self {
        let judged = result.thresholds.iter().map(|outcome| Judged {
            expr: outcome.threshold.to_string(),
            value: outcome.value.and_then(number),
            ok: outcome.ok,
        });
        Self {
            schema: SCHEMA,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            target: &result.target,
            config: Config::of(config, result.seed),
            seed: result.seed,
            duration_s: result.duration.as_secs_f64(),
            valid: result.is_valid(),
            invalid_because: &result.invalid_because,
            incomplete: result.incomplete.as_deref(),
            exit_code: result.exit_code(),
            replay: result.replayed.as_ref().map(|replayed| ReplayFigures {
                parts: replayed.parts,
                streams: replayed.streams,
                packets: replayed.packets,
                padded_packets: replayed.padded_packets,
                length_s: replayed.length.as_secs_f64(),
                notes: &replayed.notes,
            }),
            allocations: AllocationFigures::of(&result.allocations),
            media: MediaFigures::of(&result.media),
            generator: GeneratorFigures::of(&result.generator),
            intervals: result.intervals.iter().map(Row::of).collect(),
            thresholds: judged.collect(),
            knee: result.knee.as_ref().map(Found::of),
        }
    }
}

impl<'r> AllocationFigures<'r> {
    fn of(allocations: &'r Allocations) -> Self {
        let counts = |errors: &'r Errors| errors.iter().map(|(key, error)| (key.as_str(), error.count)).collect();
        let reasons = |errors: &'r Errors| {
            let given = errors.iter().filter(|(_, error)| !error.reason.is_empty());
            given.map(|(key, error)| (key.as_str(), error.reason.as_str())).collect()
        };
        Self {
            requested: allocations.requested,
            succeeded: allocations.succeeded,
            failed: allocations.failed,
            lost: allocations.lost,
            undeleted: allocations.undeleted,
            peers_refused: allocations.peers_refused,
            requests: allocations.requests,
            retransmissions: allocations.retransmissions,
            refreshes: allocations.refreshes,
            renewals: allocations.renewals,
            stale_nonces: allocations.stale_nonces,
            redirected: allocations.redirected,
            mismatched: allocations.mismatched,
            errors: counts(&allocations.errors),
            error_reasons: reasons(&allocations.errors),
            later_errors: counts(&allocations.later_errors),
            later_error_reasons: reasons(&allocations.later_errors),
            latency_ms: allocations.latency_ms.as_ref().map(Quantiles::of),
            per_second: number(allocations.per_second),
        }
    }
}

impl MediaFigures {
    fn of(media: &Media) -> Self {
        Self {
            streams: media.streams,
            offered_packets: media.offered_packets,
            sent_packets: media.sent_packets,
            delivered_packets: media.delivered_packets,
            lost_packets: media.lost_packets,
            blocked_packets: media.blocked_packets,
            lost_pct: media.lost_pct.and_then(number),
            duplicated: media.duplicated,
            reordered: media.reordered,
            misdelivered: media.misdelivered,
            corrupted: media.corrupted,
            stale: media.stale,
            offered_bps: number(media.offered_bps),
            delivered_bps: number(media.delivered_bps),
            delivered_pps: number(media.delivered_pps),
            rtt_ms: media.rtt_ms.as_ref().map(Quantiles::of),
            jitter_ms: media.jitter_ms.as_ref().map(Quantiles::of),
            one_way_ms: media.one_way_ms.as_ref().map(Quantiles::of),
        }
    }
}

impl GeneratorFigures {
    fn of(generator: &Generator) -> Self {
        Self {
            cpu_s: number(generator.cpu_s),
            peer_cpu_s: generator.peer_cpu_s.and_then(number),
            max_send_lag_ms: number(generator.max_send_lag_ms),
            late_sends: generator.late_sends,
            send_errors: generator.send_errors,
            socket_drops: generator.socket_drops,
        }
    }
}

impl Quantiles {
    fn of(percentiles: &Percentiles) -> Self {
        Self {
            p50: number(percentiles.p50),
            p90: number(percentiles.p90),
            p99: number(percentiles.p99),
            p999: number(percentiles.p999),
            max: number(percentiles.max),
            mean: number(percentiles.mean),
        }
    }
}

impl<'r> Row<'r> {
    fn of(interval: &'r Interval) -> Self {
        Self {
            at_s: interval.at.as_secs_f64(),
            length_s: interval.length.as_secs_f64(),
            wanted: interval.wanted,
            up: interval.up,
            allocations: AllocationFigures::of(&interval.allocations),
            media: MediaFigures::of(&interval.media),
            generator: GeneratorFigures::of(&interval.generator),
            server: interval.server.as_ref().map(Server::of),
            level: interval.level,
        }
    }
}

impl Server {
    fn of(sample: &ServerSample) -> Self {
        Self {
            cpu_cores: sample.cpu_cores.and_then(number),
            memory_bytes: sample.memory_bytes,
            allocations: sample.allocations,
            machine_cpu_cores: sample.machine_cpu_cores.and_then(number),
            machine_memory_bytes: sample.machine_memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples;
    use serde_json::Value;

    fn object(result: &RunResult) -> Value {
        let mut text = Vec::new();
        write(result, &samples::config("turnload turn:127.0.0.1 -u user -w opensesame"), &mut text).expect("a vector");
        assert!(!String::from_utf8_lossy(&text).contains("opensesame"));
        serde_json::from_slice(&text).expect("JSON")
    }

    #[test]
    fn every_key_of_the_contract_is_there_with_its_type() {
        let object = object(&samples::result());
        for (path, is_right) in [
            ("/schema", Value::is_string as fn(&Value) -> bool),
            ("/target", Value::is_string),
            ("/config", Value::is_object),
            ("/valid", Value::is_boolean),
            ("/invalid_because", Value::is_array),
            ("/allocations/requested", Value::is_u64),
            ("/allocations/succeeded", Value::is_u64),
            ("/allocations/failed", Value::is_u64),
            ("/allocations/errors/486", Value::is_u64),
            ("/allocations/latency_ms/p999", Value::is_f64),
            ("/allocations/per_second", Value::is_f64),
            ("/media/streams", Value::is_u64),
            ("/media/offered_packets", Value::is_u64),
            ("/media/sent_packets", Value::is_u64),
            ("/media/delivered_packets", Value::is_u64),
            ("/media/lost_packets", Value::is_i64),
            ("/media/lost_pct", Value::is_f64),
            ("/media/duplicated", Value::is_u64),
            ("/media/reordered", Value::is_u64),
            ("/media/misdelivered", Value::is_u64),
            ("/media/corrupted", Value::is_u64),
            ("/media/offered_bps", Value::is_f64),
            ("/media/delivered_bps", Value::is_f64),
            ("/media/delivered_pps", Value::is_f64),
            ("/media/rtt_ms/p50", Value::is_f64),
            ("/media/rtt_ms/max", Value::is_f64),
            ("/media/jitter_ms/mean", Value::is_f64),
            ("/generator/cpu_s", Value::is_f64),
            ("/generator/max_send_lag_ms", Value::is_f64),
            ("/generator/late_sends", Value::is_u64),
            ("/generator/socket_drops", Value::is_u64),
            ("/intervals/0/media/rtt_ms/p99", Value::is_f64),
            ("/intervals/0/server/cpu_cores", Value::is_f64),
            ("/intervals/0/server/memory_bytes", Value::is_u64),
            ("/intervals/0/server/allocations", Value::is_u64),
            ("/intervals/0/server/machine_cpu_cores", Value::is_f64),
            ("/intervals/0/server/machine_memory_bytes", Value::is_u64),
            ("/thresholds/0/expr", Value::is_string),
            ("/thresholds/0/value", Value::is_f64),
            ("/thresholds/0/ok", Value::is_boolean),
        ] {
            let value = object.pointer(path).unwrap_or_else(|| panic!("{path} is missing"));
            assert!(is_right(value), "{path} is {value}");
        }
        assert_eq!(object["schema"], "turnload-result/1");
    }

    #[test]
    fn figures_that_thresholds_name_are_keys_of_the_same_path_and_value() {
        let result = samples::result();
        let object = object(&result);
        for (path, value) in result.figures() {
            let pointer = format!("/{}", path.replace('.', "/"));
            let written = object.pointer(&pointer).and_then(Value::as_f64);
            // An error that did not happen has no key, and counts as zero.
            let expected =
                if path.starts_with("allocations.errors") { value.filter(|count| *count > 0.0) } else { value };
            assert_eq!(written, expected, "{path}");
        }
    }

    #[test]
    fn what_nobody_knows_is_null_and_never_no_number() {
        let mut result = RunResult::default();
        result.media.offered_bps = f64::NAN;
        result.generator.max_send_lag_ms = f64::INFINITY;
        let object = object(&result);
        for path in [
            "/allocations/latency_ms",
            "/media/rtt_ms",
            "/media/jitter_ms",
            "/media/lost_pct",
            "/media/offered_bps",
            "/generator/max_send_lag_ms",
            "/incomplete",
        ] {
            assert_eq!(object.pointer(path), Some(&Value::Null), "{path}");
        }
    }

    #[test]
    fn an_invalid_result_says_so_and_why() {
        let mut result = samples::result();
        result.invalid_because.push("sends were late".to_owned());
        let object = object(&result);
        assert_eq!((&object["valid"], &object["exit_code"]), (&Value::from(false), &Value::from(4)));
        assert_eq!(object["invalid_because"][0], "sends were late");
    }

    #[test]
    fn a_search_is_written_with_its_knee_and_its_curve() {
        let mut result = samples::result();
        result.knee = Some(samples::capacity());
        let knee = &object(&result)["knee"];
        insta::assert_snapshot!("knee", serde_json::to_string_pretty(knee).expect("JSON"));
    }

    #[test]
    fn the_same_result_gives_the_same_bytes() {
        let text = || {
            let mut text = Vec::new();
            write(&samples::result(), &samples::config("turnload turn:127.0.0.1 --no-auth"), &mut text)
                .expect("a vector");
            text
        };
        assert_eq!(text(), text());
    }
}
