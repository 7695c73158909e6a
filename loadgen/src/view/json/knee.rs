//! The search for the knee as part of the result.
//!
//! In: what the search has shown. Out: an object. Never: a knee of the server where the generator gave up.

use super::number;
use crate::knee::{Axis, Capacity, Cause, Point};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Found<'r> {
    what: &'static str,
    limit: u64,
    carried: Option<u64>,
    failed_at: Option<u64>,
    gave_up: Option<&'static str>,
    cause: Option<Why<'r>>,
    curve: Vec<Step<'r>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Why<'r> {
    Limit,
    Threshold { expr: String, value: Option<f64> },
    Refused { code: &'r str, reason: &'r str, granted: u64 },
    Lost { code: &'r str, reason: &'r str, count: u64 },
    Stalled { longest_ms: f64 },
    Generator { because: &'r [String] },
}

#[derive(Serialize)]
struct Step<'r> {
    level: u64,
    granted: u64,
    offered_pps: Option<f64>,
    delivered_pps: Option<f64>,
    lost_pct: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    server_cores: Option<f64>,
    generator_cores: Option<f64>,
    carried: bool,
    cause: Option<Why<'r>>,
}

/// What grows, as it is typed.
pub(super) const fn axis(axis: Axis) -> &'static str {
    match axis {
        Axis::Allocations => "allocations",
        Axis::PacketRate => "pps",
    }
}

impl<'r> Found<'r> {
    pub(super) fn of(capacity: &'r Capacity) -> Self {
        let knee = capacity.knee.as_ref();
        let failed = knee.and_then(|knee| knee.failed.as_ref());
        Self {
            what: axis(capacity.axis),
            limit: capacity.limit,
            carried: knee.map(|knee| knee.carried),
            failed_at: failed.map(|(level, _)| *level),
            gave_up: knee.map(|_| match failed {
                None => "neither",
                Some((_, Cause::Generator(_))) => "generator",
                Some(_) => "server",
            }),
            cause: knee.map(|_| failed.map_or(Why::Limit, |(_, cause)| Why::of(cause))),
            curve: capacity.curve.iter().map(Step::of).collect(),
        }
    }
}

impl<'r> Why<'r> {
    fn of(cause: &'r Cause) -> Self {
        match cause {
            Cause::Threshold { threshold, value } => {
                Why::Threshold { expr: threshold.to_string(), value: value.and_then(number) }
            }
            Cause::Refused { key, reason, granted } => Why::Refused { code: key, reason, granted: *granted },
            Cause::Lost { key, reason, count } => Why::Lost { code: key, reason, count: *count },
            Cause::Stalled { longest } => Why::Stalled { longest_ms: longest.as_secs_f64() * 1e3 },
            Cause::Generator(because) => Why::Generator { because },
        }
    }
}

impl<'r> Step<'r> {
    fn of(point: &'r Point) -> Self {
        Self {
            level: point.level,
            granted: point.granted,
            offered_pps: number(point.offered_pps),
            delivered_pps: number(point.delivered_pps),
            lost_pct: point.lost_pct.and_then(number),
            p50_ms: point.p50_ms.and_then(number),
            p99_ms: point.p99_ms.and_then(number),
            server_cores: point.server_cores.and_then(number),
            generator_cores: number(point.generator_cores),
            carried: point.cause.is_none(),
            cause: point.cause.as_ref().map(Why::of),
        }
    }
}
