//! The metrics of a run while it runs, as OpenMetrics text; whoever has the socket serves it.
//!
//! In: a progress. Out: text that ends with `# EOF`, units in seconds, bits, bytes. Never: a counter that goes back
//! (but where the next step of a search begins), NaN, a label that each allocation has its own value of.

use super::offered_pps;
use crate::result::{Phase, Progress, ServerSample};
use crate::stats::{Errors, Percentiles};
use std::fmt::Display;

/// What the text is served as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text before there is a progress.
pub const NOTHING_YET: &str = "# EOF\n";

/// The text.
pub fn exposition(progress: &Progress, target: &str) -> String {
    let mut text = Exposition(String::with_capacity(4_096));
    run(&mut text, progress, target);
    allocations(&mut text, progress);
    media(&mut text, progress);
    generator(&mut text, progress);
    if let Some(server) = &progress.last.server {
        self::server(&mut text, server);
    }
    text.0.push_str(NOTHING_YET);
    text.0
}

struct Exposition(String);

impl Exposition {
    /// Begins a family; its samples follow. `unit` is the end of its name, where it has one.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        self.0.push_str(&format!("# TYPE turnload_{name} {kind}\n"));
        if !unit.is_empty() {
            self.0.push_str(&format!("# UNIT turnload_{name} {unit}\n"));
        }
        self.0.push_str(&format!("# HELP turnload_{name} {help}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.push_str(&format!("turnload_{name}{braces} {value}\n"));
    }

    fn gauge(&mut self, name: &str, unit: &str, help: &str, value: f64) {
        if value.is_finite() {
            self.family(name, "gauge", unit, help);
            self.sample(name, &[], value);
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", "", help);
        self.sample(&format!("{name}_total"), &[], value);
    }

    fn quantiles(&mut self, name: &str, help: &str, percentiles: Option<Percentiles>) {
        let Some(percentiles) = percentiles else { return };
        let Percentiles { p50, p90, p99, p999, max, mean: _ } = percentiles;
        self.family(name, "summary", "seconds", help);
        for (quantile, millis) in [("0.5", p50), ("0.9", p90), ("0.99", p99), ("0.999", p999), ("1", max)] {
            if millis.is_finite() {
                self.sample(name, &[("quantile", quantile)], millis / 1_000.0);
            }
        }
    }

    fn errors(&mut self, name: &str, help: &str, errors: &Errors) {
        if errors.is_empty() {
            return;
        }
        self.family(name, "counter", "", help);
        for (key, error) in errors {
            self.sample(&format!("{name}_total"), &[("code", key)], error.count);
        }
    }
}

/// As label values are written: backslash, quote and line feed; other control characters have no place in them.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

fn run(text: &mut Exposition, progress: &Progress, target: &str) {
    text.family("run", "info", "", "What runs.");
    text.sample("run_info", &[("target", target), ("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("phase", "stateset", "", "Where the run is.");
    for phase in [Phase::Ramp, Phase::Hold, Phase::Drain, Phase::Done] {
        text.sample("phase", &[("turnload_phase", super::phase(phase))], u8::from(progress.phase == phase));
    }
    text.gauge("elapsed_seconds", "seconds", "Time since the run began.", progress.last.at.as_secs_f64());
}

fn allocations(text: &mut Exposition, progress: &Progress) {
    let Progress { last, allocations, .. } = progress;
    text.family("allocations", "gauge", "", "Allocations by state; wanted is what the load asks for.");
    text.sample("allocations", &[("state", "wanted")], last.wanted);
    text.sample("allocations", &[("state", "up")], last.up);
    text.sample("allocations", &[("state", "allocating")], progress.allocating);
    text.counter("allocations_requested", "Allocations that were begun.", allocations.requested);
    text.counter("allocations_succeeded", "Allocations that the server granted.", allocations.succeeded);
    text.counter("allocations_failed", "Allocations that it did not grant.", allocations.failed);
    text.counter("allocations_lost", "Allocations that were up and ended before they should.", allocations.lost);
    for (name, help, count) in [
        ("allocations_undeleted", "Deletions that nobody answered.", allocations.undeleted),
        ("allocations_peers_refused", "Permissions and channels that were refused.", allocations.peers_refused),
        ("allocations_requests", "Requests to the server, each counted once.", allocations.requests),
        (
            "allocations_retransmissions",
            "Requests that were sent once more, because no answer had come in time.",
            allocations.retransmissions,
        ),
        ("allocations_refreshes", "Allocations prolonged.", allocations.refreshes),
        ("allocations_renewals", "Permissions and channels prolonged.", allocations.renewals),
        (
            "allocations_stale_nonces",
            "438 answers, each followed by the request with another nonce.",
            allocations.stale_nonces,
        ),
        ("allocations_redirected", "300 answers that named another server.", allocations.redirected),
        (
            "allocations_mismatched",
            "437 answers that were followed by another try from another port.",
            allocations.mismatched,
        ),
    ] {
        text.counter(name, help, count);
    }
    text.errors("allocation_errors", "Allocations that failed, by error code.", &allocations.errors);
    let help = "Allocations lost and permissions and channels refused, by error code.";
    text.errors("allocation_later_errors", help, &allocations.later_errors);
    let help = "From the first request of an allocation to its success, in the last interval.";
    text.quantiles("allocation_latency_seconds", help, last.allocations.latency_ms);
}

fn media(text: &mut Exposition, progress: &Progress) {
    let Progress { last, media, .. } = progress;
    text.counter("media_streams", "Streams that began.", media.streams);
    text.counter("media_offered_packets", "Packets that were due.", media.offered_packets);
    text.counter("media_sent_packets", "Packets that the sockets took.", media.sent_packets);
    text.counter("media_delivered_packets", "Packets that came back, each counted once.", media.delivered_packets);
    // What came late is no longer lost, so that this may go down.
    text.gauge("media_lost_packets", "packets", "Packets that did not come back.", media.lost_packets as f64);
    let help =
        "Those of them that were not sent, because the server did not read what it had been sent on a stream before.";
    text.counter("media_blocked_packets", help, media.blocked_packets);
    text.counter("media_duplicated_packets", "Further copies of packets.", media.duplicated);
    text.counter("media_reordered_packets", "Packets behind a later one of their stream.", media.reordered);
    text.counter(
        "media_misdelivered_packets",
        "Packets that came to another allocation or stream.",
        media.misdelivered,
    );
    text.counter("media_corrupted_packets", "Packets that are not what was sent.", media.corrupted);
    if let Some(pct) = last.media.lost_pct {
        let help = "Share of the sent packets that were lost, in the last interval.";
        text.gauge("media_lost_ratio", "ratio", help, pct / 100.0);
    }
    for (name, unit, help, value) in [
        ("media_offered_packets_per_second", "packets_per_second", "Packets due a second.", offered_pps(last)),
        (
            "media_delivered_packets_per_second",
            "packets_per_second",
            "Packets a second that came back.",
            last.media.delivered_pps,
        ),
        ("media_offered_bits_per_second", "bits_per_second", "RTP bits due a second.", last.media.offered_bps),
        (
            "media_delivered_bits_per_second",
            "bits_per_second",
            "RTP bits a second that came back.",
            last.media.delivered_bps,
        ),
    ] {
        text.gauge(name, unit, help, value);
    }
    let help = "From when a packet was due until it was back, in the last interval.";
    text.quantiles("media_rtt_seconds", help, last.media.rtt_ms);
    text.quantiles("media_jitter_seconds", "Jitter of RFC 3550, in the last interval.", last.media.jitter_ms);
    text.quantiles("media_one_way_seconds", "From one end to the other, in the last interval.", last.media.one_way_ms);
}

fn generator(text: &mut Exposition, progress: &Progress) {
    let Progress { last, generator, .. } = progress;
    text.family("generator_cpu_seconds", "counter", "seconds", "CPU time of the generator, and of the embedded peer.");
    text.sample("generator_cpu_seconds_total", &[("part", "generator")], finite(generator.cpu_s));
    if let Some(peer) = generator.peer_cpu_s {
        text.sample("generator_cpu_seconds_total", &[("part", "peer")], finite(peer));
    }
    let help = "The longest time that a packet left after it was due, in the last interval.";
    text.gauge("generator_send_lag_seconds", "seconds", help, last.generator.max_send_lag_ms / 1_000.0);
    text.counter("generator_late_sends", "Packets that left more than 5 ms after they were due.", generator.late_sends);
    text.counter("generator_send_errors", "Packets that the sockets refused.", generator.send_errors);
    let help = "Datagrams that the system dropped before they were read.";
    text.counter("generator_socket_drops", help, generator.socket_drops);
}

fn server(text: &mut Exposition, server: &ServerSample) {
    if let Some(cores) = server.cpu_cores {
        text.gauge("server_cpu_cores", "cores", "CPU of the server in cores, in the last interval.", cores);
    }
    if let Some(bytes) = server.memory_bytes {
        text.gauge("server_memory_bytes", "bytes", "Resident memory of the server.", bytes as f64);
    }
    if let Some(count) = server.allocations {
        text.gauge("server_allocations", "", "Allocations that the server counts.", count as f64);
    }
    if let Some(cores) = server.machine_cpu_cores {
        let help = "CPU of the server's machine in cores, in the last interval.";
        text.gauge("server_machine_cpu_cores", "cores", help, cores);
    }
    if let Some(bytes) = server.machine_memory_bytes {
        let help = "Memory of the server's machine that is not available.";
        text.gauge("server_machine_memory_bytes", "bytes", help, bytes as f64);
    }
}

const fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples;
    use std::collections::BTreeSet;

    #[test]
    fn samples_have_base_units_and_labels() {
        let text = exposition(&samples::progress(42), "turn:127.0.0.1:3478");
        for line in [
            "turnload_run_info{target=\"turn:127.0.0.1:3478\",version=\"0.1.0\"} 1",
            "turnload_phase{turnload_phase=\"hold\"} 1",
            "turnload_allocations{state=\"up\"} 996",
            "turnload_allocations_requests_total 2100",
            "turnload_allocations_retransmissions_total 7",
            "turnload_allocations_refreshes_total 12",
            "turnload_allocations_renewals_total 24",
            "turnload_allocations_stale_nonces_total 36",
            "turnload_allocation_errors_total{code=\"486\"} 3",
            "turnload_media_offered_packets_total 3000010",
            "turnload_media_rtt_seconds{quantile=\"0.5\"} 0.00024",
            "turnload_media_offered_packets_per_second 49800",
            "turnload_generator_cpu_seconds_total{part=\"peer\"} 12.25",
            "turnload_server_memory_bytes 52428800",
            "turnload_server_allocations 996",
            "turnload_server_machine_cpu_cores 1.5",
            "# UNIT turnload_media_rtt_seconds seconds",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_family_is_declared_once_has_help_and_holds_the_samples_behind_it() {
        let text = exposition(&samples::progress(42), "t");
        let mut declared = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().expect("a name").to_owned();
                assert!(declared.insert(family.clone()), "{family} twice");
                assert!(text.contains(&format!("# HELP {family} ")), "{family} has no help");
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').expect("a unit");
                assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().expect("a name");
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} below {family}"));
                assert!(["", "_total", "_info"].contains(&suffix), "{line}");
                let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
                assert!(value.is_some_and(f64::is_finite), "{line}");
            }
        }
        assert!(declared.len() > 20);
    }

    #[test]
    fn what_was_not_measured_has_no_sample() {
        let mut progress = samples::progress(1);
        progress.last.media.rtt_ms = None;
        progress.last.media.lost_pct = None;
        progress.last.media.offered_bps = f64::NAN;
        progress.last.server = None;
        let text = exposition(&progress, "t");
        for name in ["rtt", "lost_ratio", "NaN", "offered_bits", "turnload_server"] {
            assert!(!text.contains(name), "{name}");
        }
    }

    #[test]
    fn a_label_cannot_end_itself() {
        let text = exposition(&samples::progress(1), "turn:\"evil\"\n# EOF\\");
        assert!(text.contains("target=\"turn:\\\"evil\\\"\\n# EOF\\\\\""), "{text}");
        assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), 1);
    }
}
