//! Formats results and progress of a run for a person or a machine.
//!
//! In: a result, a progress, a configuration. Out: text, JSON, tables, logs, screens. Never: a decision, a figure that
//! what it was given does not hold, a secret.

#![forbid(unsafe_code)]

pub mod check;
pub mod csv;
pub mod hlog;
pub mod json;
mod number;
pub mod plan;
pub mod prometheus;
#[cfg(test)]
mod samples;
pub mod text;
pub mod tui;

pub(crate) use number::span;

use crate::result::{Interval, Media, Phase};
use crate::stats::ErrorCount;

/// Packets that were due a second.
fn offered_pps(interval: &Interval) -> f64 {
    let seconds = interval.length.as_secs_f64();
    if seconds > 0.0 { interval.media.offered_packets as f64 / seconds } else { 0.0 }
}

/// How many packets were lost, and how many percent: `360 (0.012 %)`.
fn lost(media: &Media) -> String {
    let packets = signed_count(media.lost_packets);
    media.lost_pct.map_or_else(|| packets.clone(), |pct| format!("{packets} ({})", number::percent(pct)))
}

fn signed_count(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{}", number::count(count.unsigned_abs()))
}

/// What the server says of an error, or what is to be said where it says nothing.
fn error_text(key: &str, error: &ErrorCount) -> String {
    match (key, error.reason.as_str()) {
        ("timeout", "") => "no answer".to_owned(),
        (_, "") => "no reason given".to_owned(),
        (_, reason) => number::plain(reason),
    }
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Ramp => "ramp",
        Phase::Hold => "hold",
        Phase::Drain => "drain",
        Phase::Done => "done",
    }
}
