//! The knee in words, and the capacity curve as a table.
//!
//! In: what a search has shown. Out: lines. Never: a knee of the server where the generator gave up.

use super::super::error_text;
use super::super::number::{UNKNOWN, count, optional_millis, packet_rate, percent, plain};
use super::{heading, value};
use crate::knee::{Axis, Capacity, Cause, Knee, Point};
use crate::stats::ErrorCount;
use std::io::{self, Write};

/// The line of a step.
pub fn step(axis: Axis, level: u64, cause: Option<&Cause>) -> String {
    let became = cause.map_or_else(|| "carried".to_owned(), |cause| format!("not carried: {}", because(cause)));
    format!("{}: {became}", load(axis, level))
}

/// Where the search came to, in a sentence without its end.
pub(super) fn sentence(capacity: &Capacity) -> String {
    let load = |level| load(capacity.axis, level);
    match &capacity.knee {
        None => "the search for the knee was cut short".to_owned(),
        Some(Knee { carried, failed: None }) => {
            format!("no knee: {} were carried, and no more were to be tried", load(*carried))
        }
        Some(Knee { carried, failed: Some((level, cause @ Cause::Generator(_))) }) => format!(
            "the generator gave up at {}, and not the server, whose knee is beyond {} ({})",
            load(*level),
            load(*carried),
            because(cause)
        ),
        Some(Knee { carried: 0, failed: Some((level, cause)) }) => {
            format!("the server does not even carry {} ({})", load(*level), because(cause))
        }
        Some(Knee { carried, failed: Some((level, cause)) }) => format!(
            "the knee of the server is at {}: at {} it gave up, and not the generator ({})",
            load(*carried),
            load(*level),
            because(cause)
        ),
    }
}

/// Of which step the figures of the result are; none where no step was tried to its end.
pub(super) fn shown(capacity: &Capacity) -> Option<String> {
    let is_shown = |point: &&Point| {
        point.cause.is_none() && capacity.knee.as_ref().is_some_and(|knee| knee.carried == point.level)
    };
    match capacity.curve.iter().rev().find(is_shown) {
        Some(point) => Some(format!("of the highest step that was carried, {}", load(capacity.axis, point.level))),
        None => capacity.curve.last().map(|point| format!("of the last step, {}", load(capacity.axis, point.level))),
    }
}

/// The table.
pub(super) fn write(capacity: &Capacity, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "Knee", &sentence(capacity))?;
    let head =
        ["tried", "granted", "offered", "delivered", "lost", "p50", "p99", "server", "turnload"].map(str::to_owned);
    for (row, end) in std::iter::once((head, "")).chain(capacity.curve.iter().map(|point| (cells(point), mark(point))))
    {
        let mut line = String::from(" ");
        row.iter().for_each(|cell| line.push_str(&format!(" {cell:>10}")));
        writeln!(out, "{}", format!("{line}  {end}").trim_end())?;
    }
    Ok(())
}

fn cells(point: &Point) -> [String; 9] {
    [
        count(point.level),
        count(point.granted),
        packet_rate(point.offered_pps),
        packet_rate(point.delivered_pps),
        point.lost_pct.map_or_else(|| UNKNOWN.to_owned(), percent),
        optional_millis(point.p50_ms),
        optional_millis(point.p99_ms),
        point.server_cores.map_or_else(|| UNKNOWN.to_owned(), |cores| format!("{cores:.2} CPU")),
        format!("{:.2} CPU", point.generator_cores),
    ]
}

const fn mark(point: &Point) -> &'static str {
    match point.cause {
        None => "carried",
        Some(Cause::Generator(_)) => "generator gave up",
        Some(Cause::Refused { .. }) => "refused",
        Some(Cause::Lost { .. }) => "allocations lost",
        Some(Cause::Threshold { .. }) => "threshold failed",
        Some(Cause::Stalled { .. }) => "server stalled",
    }
}

fn load(axis: Axis, level: u64) -> String {
    match axis {
        Axis::Allocations => format!("{} allocations", count(level)),
        Axis::PacketRate => format!("{} packets a second and stream", count(level)),
    }
}

fn because(cause: &Cause) -> String {
    let said = |key: &str, reason: &str| {
        let text = error_text(key, &ErrorCount { count: 1, reason: reason.to_owned() });
        format!("{}: {text}", plain(key))
    };
    match cause {
        Cause::Threshold { threshold, value: figure } => {
            format!("{threshold} does not hold, it is {}", value(*figure))
        }
        Cause::Refused { key, reason, granted } => format!("{} granted, then {}", count(*granted), said(key, reason)),
        Cause::Lost { key, reason, count: lost } => {
            format!("{} lost after they were granted, {}", count(*lost), said(key, reason))
        }
        Cause::Stalled { longest } => {
            format!(
                "the server stood still: nothing came from it for {}",
                optional_millis(Some(longest.as_secs_f64() * 1e3))
            )
        }
        Cause::Generator(complaints) => plain(&complaints.join("; ")),
    }
}
