//! A run in words: the summary that people paste into a ticket, and a line each second for those without a dashboard.
//!
//! In: a result, a progress. Out: text of at most some dozens of lines. Never: a colour, a secret, a line that needs
//! the one before it.

mod knee;
mod meant;
mod verdict;

pub use knee::step;
pub use meant::meant;
pub use verdict::verdict;

use super::number::{UNKNOWN, bitrate, bytes, clock, count, optional_millis, packet_rate, percent, plain, rate, span};
use super::{error_text, lost, offered_pps, phase};
use crate::media::MIN_PAYLOAD;
use crate::result::{Allocations, Generator, Media, Outcome, Progress, Replayed, RunResult, ServerSample};
use crate::stats::Percentiles;
use std::io::{self, Write};

/// Writes the summary.
///
/// # Errors
/// Those of the writer.
pub fn write(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let (target, took) = (plain(&result.target), span(result.duration));
    writeln!(out, "turnload {version} on {target}, {took}, seed {}", result.seed)?;
    for (name, value) in &result.config {
        entry(out, name, &plain(value))?;
    }
    if let Some(shown) = result.knee.as_ref().and_then(knee::shown) {
        entry(out, "figures", &shown)?;
    }
    writeln!(out)?;
    if let Some(replayed) = &result.replayed {
        capture(replayed, out)?;
    }
    allocations(&result.allocations, out)?;
    media(&result.media, out)?;
    generator(result, out)?;
    server(result, out)?;
    thresholds(&result.thresholds, out)?;
    if let Some(capacity) = &result.knee {
        knee::write(capacity, out)?;
    }
    writeln!(out, "\nVerdict: {}", verdict(result))
}

/// One line of what the last interval has shown.
pub fn line(progress: &Progress) -> String {
    let last = &progress.last;
    let mut text = format!(
        "{}  {:<5}  up {}/{}  offered {}  delivered {}  lost {}  RTT p50 {} p99 {}  lag {}",
        clock(last.at),
        phase(progress.phase),
        count(last.up),
        count(last.wanted.into()),
        packet_rate(offered_pps(last)),
        packet_rate(last.media.delivered_pps),
        last.media.lost_pct.map_or_else(|| UNKNOWN.to_owned(), percent),
        optional_millis(last.media.rtt_ms.map(|rtt| rtt.p50)),
        optional_millis(last.media.rtt_ms.map(|rtt| rtt.p99)),
        optional_millis(Some(last.generator.max_send_lag_ms)),
    );
    if progress.allocating > 0 {
        text.push_str(&format!("  allocating {}", count(progress.allocating)));
    }
    for (key, error) in last.allocations.errors.iter().chain(&last.allocations.later_errors) {
        text.push_str(&format!("  {} x{}", plain(key), count(error.count)));
    }
    text
}

fn heading(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{}", format!("{name:<15}{value}").trim_end())
}

/// A name may be as long as a server makes it, and a blank is behind it.
fn entry(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<12} {value}")
}

fn distribution(out: &mut dyn Write, name: &str, values: Option<&Percentiles>) -> io::Result<()> {
    let Some(values) = values else { return Ok(()) };
    let text: Vec<String> = values
        .named()
        .iter()
        .map(|(name, value)| {
            format!("{} {}", if *name == "p999" { "p99.9" } else { name }, optional_millis(Some(*value)))
        })
        .collect();
    entry(out, name, &text.join("  "))
}

fn capture(replayed: &Replayed, out: &mut dyn Write) -> io::Result<()> {
    let Replayed { parts, streams, packets, padded_packets, length, notes } = replayed;
    let summary = format!(
        "{} streams with {} packets, in {} parts of up to {}",
        count(*streams),
        count(*packets),
        count(*parts),
        span(*length)
    );
    heading(out, "Capture", &summary)?;
    if *padded_packets > 0 {
        let text = format!("{} packets, up to the {MIN_PAYLOAD} bytes that measuring takes", count(*padded_packets));
        entry(out, "enlarged", &text)?;
    }
    notes.iter().try_for_each(|note| entry(out, "note", &plain(note)))
}

fn allocations(allocations: &Allocations, out: &mut dyn Write) -> io::Result<()> {
    let mut text = format!("{} of {} granted", count(allocations.succeeded), count(allocations.requested));
    if allocations.failed > 0 {
        text.push_str(&format!(", {} failed", count(allocations.failed)));
    }
    let open = allocations.requested.saturating_sub(allocations.succeeded + allocations.failed);
    if open > 0 {
        text.push_str(&format!(", {} without an outcome", count(open)));
    }
    if allocations.lost > 0 {
        text.push_str(&format!(", {} lost later", count(allocations.lost)));
    }
    if allocations.undeleted > 0 {
        text.push_str(&format!(", {} left to expire, their deletion unanswered", count(allocations.undeleted)));
    }
    if allocations.per_second > 0.0 {
        text.push_str(&format!("; {}", rate(allocations.per_second)));
    }
    heading(out, "Allocations", &text)?;
    distribution(out, "latency", allocations.latency_ms.as_ref())?;
    let upkeep: Vec<String> = [
        (allocations.requests, "requests"),
        (allocations.retransmissions, "sent again"),
        (allocations.refreshes, "refreshes"),
        (allocations.renewals, "renewals of permissions and channels"),
        (allocations.stale_nonces, "stale nonces (438)"),
        (allocations.redirected, "redirections (300)"),
        (allocations.mismatched, "new ports (437)"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", count(number)))
    .collect();
    if !upkeep.is_empty() {
        entry(out, "upkeep", &upkeep.join(", "))?;
    }
    for (key, error) in &allocations.errors {
        entry(out, &plain(key), &format!("{}  {}", count(error.count), error_text(key, error)))?;
    }
    for (key, error) in &allocations.later_errors {
        entry(out, &plain(key), &format!("{}  {} (after it was granted)", count(error.count), error_text(key, error)))?;
    }
    Ok(())
}

fn media(media: &Media, out: &mut dyn Write) -> io::Result<()> {
    if media.offered_packets == 0 {
        return heading(out, "Media", "nothing was sent");
    }
    heading(
        out,
        "Media",
        &format!(
            "{} streams: {} packets due, {} sent, {} delivered",
            count(media.streams),
            count(media.offered_packets),
            count(media.sent_packets),
            count(media.delivered_packets)
        ),
    )?;
    entry(
        out,
        "lost",
        &format!(
            "{}; {} duplicated, {} reordered, {} misdelivered, {} corrupted, {} stale",
            lost(media),
            count(media.duplicated),
            count(media.reordered),
            count(media.misdelivered),
            count(media.corrupted),
            count(media.stale)
        ),
    )?;
    if media.blocked_packets > 0 {
        let text =
            format!("{} of them never sent, because the server did not read its streams", count(media.blocked_packets));
        entry(out, "blocked", &text)?;
    }
    let (offered, delivered) = (bitrate(media.offered_bps), bitrate(media.delivered_bps));
    entry(out, "rate", &format!("{offered} offered, {delivered} delivered, {}", packet_rate(media.delivered_pps)))?;
    distribution(out, "RTT", media.rtt_ms.as_ref())?;
    distribution(out, "jitter", media.jitter_ms.as_ref())?;
    distribution(out, "one way", media.one_way_ms.as_ref())
}

fn generator(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let Generator { cpu_s, peer_cpu_s, max_send_lag_ms, late_sends, send_errors, socket_drops } = &result.generator;
    heading(out, "Generator", if result.is_valid() { "kept up" } else { "WAS THE BOTTLENECK" })?;
    for reason in &result.invalid_because {
        entry(out, "because", &plain(reason))?;
    }
    let lag = optional_millis(Some(*max_send_lag_ms));
    entry(
        out,
        "sending",
        &format!(
            "{lag} behind at most, {} late, {} refused by sockets; {} dropped before they were read",
            count(*late_sends),
            count(*send_errors),
            count(*socket_drops)
        ),
    )?;
    let mut text = cpu(*cpu_s);
    if let Some(peer) = peer_cpu_s {
        text.push_str(&format!(", and {} of the peer", cpu(*peer)));
    }
    entry(out, "CPU", &text)
}

/// Of short runs there is little, and it is not nothing.
fn cpu(seconds: f64) -> String {
    if seconds < 9.995 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

/// The most that was seen of it.
fn server(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let samples = || result.intervals.iter().filter_map(|interval| interval.server.as_ref());
    let highest = |of: fn(&ServerSample) -> Option<f64>| samples().filter_map(of).reduce(f64::max);
    let cores = |of| highest(of).map(|cores| format!("{cores:.2} cores"));
    let memory = |of| highest(of).map(bytes);
    let allocations = highest(|sample| sample.allocations.map(|count| count as f64));
    let process = [
        cores(|sample| sample.cpu_cores),
        memory(|sample| sample.memory_bytes.map(|bytes| bytes as f64)),
        allocations.map(|allocations| format!("{} allocations", count(allocations as u64))),
    ];
    let machine = [
        cores(|sample| sample.machine_cpu_cores),
        memory(|sample| sample.machine_memory_bytes.map(|bytes| bytes as f64)),
    ];
    let said = |parts: &[Option<String>]| {
        let parts: Vec<&str> = parts.iter().filter_map(Option::as_deref).collect();
        if parts.is_empty() { None } else { Some(format!("{} at most", parts.join(", "))) }
    };
    match (said(&process), said(&machine)) {
        (None, None) => Ok(()),
        (process, machine) => {
            heading(out, "Server", process.as_deref().unwrap_or("known by its machine"))?;
            machine.map_or(Ok(()), |machine| entry(out, "its machine", &machine))
        }
    }
}

fn thresholds(outcomes: &[Outcome], out: &mut dyn Write) -> io::Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    heading(out, "Thresholds", "")?;
    for outcome in outcomes {
        let verdict = if outcome.ok { "ok" } else { "FAILED" };
        entry(out, verdict, &format!("{}: {}", outcome.threshold, value(outcome.value)))?;
    }
    Ok(())
}

/// A figure as it was held against a bound: not rounded to what it is not.
fn value(value: Option<f64>) -> String {
    match value {
        None => "not measured".to_owned(),
        Some(value) => format!("{}", (value * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests;
