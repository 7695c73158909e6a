//! What a run has shown.
//!
//! In: what the shards counted, what the generator knows of itself, the thresholds. Out: [`RunResult`] with its exit
//! code, and [`Progress`] while it runs; views format both. Never: a figure that two views could compute differently.

mod exit;
mod timeline;

pub use exit::{Downfall, EXIT_DONE, EXIT_INCOMPLETE, EXIT_INVALID, EXIT_REFUSED, EXIT_THRESHOLD, EXIT_USAGE};
pub use timeline::Timeline;

use crate::knee::{Capacity, Cause, Point};
use crate::stats::{ErrorCount, Errors, Percentiles, ShardStats};
use crate::threshold::{Figure, Threshold};
use std::time::Duration;

/// Allocations, of a run or an interval.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Allocations {
    /// Begun.
    pub requested: u64,
    /// Granted.
    pub succeeded: u64,
    /// Not granted.
    pub failed: u64,
    /// Granted, and gone before they should.
    pub lost: u64,
    /// Deletions that nobody answered.
    pub undeleted: u64,
    /// Permissions and channels that were refused.
    pub peers_refused: u64,
    /// Requests to the server, each counted once.
    pub requests: u64,
    /// Requests that were sent once more, because no answer had come in time (RFC 8489, section 6.2.1).
    pub retransmissions: u64,
    /// Allocations prolonged.
    pub refreshes: u64,
    /// Permissions and channels prolonged.
    pub renewals: u64,
    /// 438 answers: a nonce had become too old, and the request was sent anew.
    pub stale_nonces: u64,
    /// 300 answers that were followed to another server.
    pub redirected: u64,
    /// 437 answers that were followed by another try from another port.
    pub mismatched: u64,
    /// Why they failed.
    pub errors: Errors,
    /// Why they were lost, and permissions and channels refused.
    pub later_errors: Errors,
    /// From the first request to the success; none where none succeeded.
    pub latency_ms: Option<Percentiles>,
    /// Granted, over the time from the first request to the last success.
    pub per_second: f64,
}

/// Media, of a run or an interval.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Media {
    /// Streams that began.
    pub streams: u64,
    /// Packets that were due.
    pub offered_packets: u64,
    /// Packets that the sockets took.
    pub sent_packets: u64,
    /// Packets that came back, each counted once.
    pub delivered_packets: u64,
    /// Packets that did not. Below zero in an interval into which more came that had been counted as lost.
    pub lost_packets: i64,
    /// Those of them that were not sent, because the server did not read what it had been sent on a stream before.
    pub blocked_packets: u64,
    /// Percent of those that were sent or blocked; none where none was.
    pub lost_pct: Option<f64>,
    /// Further copies.
    pub duplicated: u64,
    /// Came behind a later one of their stream.
    pub reordered: u64,
    /// Came to another allocation or stream than they were sent by.
    pub misdelivered: u64,
    /// Are not what was sent.
    pub corrupted: u64,
    /// Too old to tell whether they are copies; counted as lost.
    pub stale: u64,
    /// Bits a second that were due, RTP headers included.
    pub offered_bps: f64,
    /// Bits a second that came back.
    pub delivered_bps: f64,
    /// Packets a second that came back.
    pub delivered_pps: f64,
    /// From when a packet was due until it was back.
    pub rtt_ms: Option<Percentiles>,
    /// RFC 3550, section 6.4.1.
    pub jitter_ms: Option<Percentiles>,
    /// From one end to the other, where both share a clock.
    pub one_way_ms: Option<Percentiles>,
}

/// What the generator knows of itself, of a run or an interval.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Generator {
    /// CPU seconds, without the embedded peer.
    pub cpu_s: f64,
    /// CPU seconds of the embedded peer; none where the peer is elsewhere.
    pub peer_cpu_s: Option<f64>,
    /// The longest time that a packet left after it was due.
    pub max_send_lag_ms: f64,
    /// Packets that left more than 5 ms after they were due.
    pub late_sends: u64,
    /// Packets that the sockets refused.
    pub send_errors: u64,
    /// Datagrams that the system dropped before they were read.
    pub socket_drops: u64,
}

/// What is known of the server at some time.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ServerSample {
    /// CPU of its process in cores: 1.5 is one and a half.
    pub cpu_cores: Option<f64>,
    /// Resident memory of its process.
    pub memory_bytes: Option<u64>,
    /// Allocations that it counts.
    pub allocations: Option<u64>,
    /// CPU of its machine in cores, whoever uses it.
    pub machine_cpu_cores: Option<f64>,
    /// Memory of its machine that is not available any more.
    pub machine_memory_bytes: Option<u64>,
}

/// One row of the timeline: a second, or in a long run some.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Interval {
    /// Its end, since the run began.
    pub at: Duration,
    /// How long it was.
    pub length: Duration,
    /// Allocations that should be up at its end.
    pub wanted: u32,
    /// Allocations that are.
    pub up: u64,
    /// What happened in it.
    pub allocations: Allocations,
    /// What happened in it.
    pub media: Media,
    /// What happened in it.
    pub generator: Generator,
    /// At its end.
    pub server: Option<ServerSample>,
    /// In a search the load that was tried, in units of its axis.
    pub level: Option<u64>,
}

/// A threshold and what became of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// Which.
    pub threshold: Threshold,
    /// The figure; none where nothing was measured.
    pub value: Option<f64>,
    /// Whether it holds; what was not measured does not.
    pub ok: bool,
}

/// Where a run is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// The load grows.
    Ramp,
    /// It is there.
    Hold,
    /// Nothing more is sent; answers and deletions are awaited.
    Drain,
    /// It has ended.
    Done,
}

/// A run as far as it is, once an interval.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// When it ends, since it began; none where that is not known.
    pub ends: Option<Duration>,
    /// Allocations that wait for their answer.
    pub allocating: u64,
    /// The interval that has just ended.
    pub last: Interval,
    /// All so far.
    pub allocations: Allocations,
    /// All so far.
    pub media: Media,
    /// All so far.
    pub generator: Generator,
}

/// What was played of a capture.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Replayed {
    /// Parts: what one five-tuple carried in one direction. Allocation *n* plays part *n* modulo their number.
    pub parts: u64,
    /// RTP streams in them.
    pub streams: u64,
    /// Their packets.
    pub packets: u64,
    /// Those of them that are sent larger than they were, because less has no room for what measures them.
    pub padded_packets: u64,
    /// Time after which the longest part ends, or begins anew.
    pub length: Duration,
    /// What else was found, or left out, in words.
    pub notes: Vec<String>,
}

impl Replayed {
    /// What a person should know of it before the load.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        let padded = (self.padded_packets > 0).then(|| {
            format!(
                "{} of {} captured packets are sent larger than they were: less has no room for what measures them",
                self.padded_packets, self.packets
            )
        });
        padded.into_iter().chain(self.notes.iter().cloned())
    }
}

/// All that a run has shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RunResult {
    /// The server, as it was named.
    pub target: String,
    /// What was asked for, by name and in order, without secrets.
    pub config: Vec<(String, String)>,
    /// What everything random followed from.
    pub seed: u64,
    /// How long it took.
    pub duration: Duration,
    /// Why the figures say nothing of the server: the generator was the bottleneck. Empty where they do.
    pub invalid_because: Vec<String>,
    /// How long the server stood still: nothing came although much was on its way, and then it came late, or not at all.
    pub stalled: Option<Duration>,
    /// Why it ended early; none where it did not.
    pub incomplete: Option<String>,
    /// The capture that was played; none where none was.
    pub replayed: Option<Replayed>,
    /// Allocations.
    pub allocations: Allocations,
    /// Media.
    pub media: Media,
    /// The generator.
    pub generator: Generator,
    /// The timeline.
    pub intervals: Vec<Interval>,
    /// The thresholds; [`judge`](Self::judge) fills them.
    pub thresholds: Vec<Outcome>,
    /// What a search for the knee has shown. The figures above are then those of the highest step that was carried.
    pub knee: Option<Capacity>,
}

impl Allocations {
    /// Of all that was counted in a run.
    pub fn of(stats: &ShardStats) -> Self {
        Self::over(stats, stats.allocating.length())
    }

    /// Of what was counted in an interval of this length.
    pub fn over(stats: &ShardStats, length: Duration) -> Self {
        let counters = &stats.counters;
        Self {
            requested: counters.requested,
            succeeded: counters.succeeded,
            failed: counters.failed,
            lost: counters.lost,
            undeleted: counters.undeleted,
            peers_refused: counters.peers_refused,
            refreshes: counters.refreshes,
            renewals: counters.renewals,
            requests: counters.requests,
            retransmissions: counters.retransmissions,
            stale_nonces: counters.stale_nonces,
            redirected: counters.redirected,
            mismatched: counters.mismatched,
            errors: stats.errors.clone(),
            later_errors: stats.later_errors.clone(),
            latency_ms: stats.latency.percentiles(),
            per_second: per_second(counters.succeeded, length),
        }
    }
}

impl Media {
    /// Of all that was counted in a run.
    pub fn of(stats: &ShardStats) -> Self {
        Self::over(stats, stats.media_time())
    }

    /// Of what was counted in an interval of this length.
    pub fn over(stats: &ShardStats, length: Duration) -> Self {
        let counters = &stats.counters;
        let lost = (counters.missed + counters.blocked) as i64 - counters.recovered as i64;
        let sent = counters.sent_packets;
        let given = sent + counters.blocked;
        Self {
            streams: counters.streams,
            offered_packets: counters.offered_packets,
            sent_packets: sent,
            delivered_packets: counters.delivered_packets,
            lost_packets: lost,
            blocked_packets: counters.blocked,
            // In an interval, packets of earlier ones may be missed or turn up, which are no share of its own.
            lost_pct: (given > 0).then(|| (100.0 * lost as f64 / given as f64).clamp(0.0, 100.0)),
            duplicated: counters.duplicated,
            reordered: counters.reordered,
            misdelivered: counters.misdelivered,
            corrupted: counters.corrupted,
            stale: counters.stale,
            offered_bps: per_second(counters.offered_bytes * 8, length),
            delivered_bps: per_second(counters.delivered_bytes * 8, length),
            delivered_pps: per_second(counters.delivered_packets, length),
            rtt_ms: stats.rtt.percentiles(),
            jitter_ms: stats.jitter.percentiles(),
            one_way_ms: stats.one_way.percentiles(),
        }
    }
}

impl ServerSample {
    /// CPU of its process, or where that is not known of its machine.
    pub fn any_cpu_cores(&self) -> Option<f64> {
        self.cpu_cores.or(self.machine_cpu_cores)
    }

    /// What is known here, and what only `other` knows.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            cpu_cores: self.cpu_cores.or(other.cpu_cores),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            allocations: self.allocations.or(other.allocations),
            machine_cpu_cores: self.machine_cpu_cores.or(other.machine_cpu_cores),
            machine_memory_bytes: self.machine_memory_bytes.or(other.machine_memory_bytes),
        }
    }
}

impl Generator {
    /// Of what was counted, and the CPU time that it took.
    pub fn of(stats: &ShardStats, cpu: Duration, peer_cpu: Option<Duration>) -> Self {
        Self {
            cpu_s: cpu.as_secs_f64(),
            peer_cpu_s: peer_cpu.map(|cpu| cpu.as_secs_f64()),
            max_send_lag_ms: stats.send_lag.percentiles().map_or(0.0, |lag| lag.max),
            late_sends: stats.counters.late_sends,
            send_errors: stats.counters.send_errors,
            socket_drops: stats.counters.socket_drops,
        }
    }
}

fn per_second(count: u64, length: Duration) -> f64 {
    if length.is_zero() { 0.0 } else { count as f64 / length.as_secs_f64() }
}

impl RunResult {
    /// False where the generator itself was the bottleneck.
    pub fn is_valid(&self) -> bool {
        self.invalid_because.is_empty()
    }

    /// Holds the figures against the thresholds.
    pub fn judge(&mut self, thresholds: &[Threshold]) {
        let outcome = |threshold: &Threshold| {
            let value = self.figure(threshold.figure);
            Outcome { threshold: *threshold, value, ok: value.is_some_and(|value| threshold.holds(value)) }
        };
        self.thresholds = thresholds.iter().map(outcome).collect();
    }

    /// Why a load of `wanted` allocations was not carried; none where it was. The thresholds are judged before.
    ///
    /// What the server itself says goes first. Then the generator: whatever else is seen may be its own doing.
    pub fn obstacle(&self, wanted: u64) -> Option<Cause> {
        let said = |key: &str| key.bytes().all(|byte| byte.is_ascii_digit());
        if let Some((key, error)) = commonest(&self.allocations.errors, said) {
            return Some(self.refusal(&key, &error.reason));
        }
        if !self.is_valid() {
            return Some(Cause::Generator(self.invalid_because.clone()));
        }
        let cause = self.symptom(wanted)?;
        // Of all that follows from a stall nothing says what the server carries while it runs.
        Some(self.stalled.filter(|_| cause.may_be_a_stall()).map_or(cause, |longest| Cause::Stalled { longest }))
    }

    /// What is seen of a load that was not carried.
    fn symptom(&self, wanted: u64) -> Option<Cause> {
        let Self { allocations, .. } = self;
        if let Some((key, error)) = commonest(&allocations.errors, |_| true) {
            return Some(self.refusal(&key, &error.reason));
        }
        if let Some((key, error)) = commonest(&allocations.later_errors, |_| true) {
            return Some(Cause::Lost { key, reason: error.reason, count: allocations.later_errors.total() });
        }
        if allocations.succeeded < wanted {
            return Some(self.refusal("timeout", "not asked for in time, because earlier ones were not answered"));
        }
        let failed = self.thresholds.iter().find(|outcome| !outcome.ok)?;
        Some(Cause::Threshold { threshold: failed.threshold, value: failed.value })
    }

    fn refusal(&self, key: &str, reason: &str) -> Cause {
        Cause::Refused { key: key.to_owned(), reason: reason.to_owned(), granted: self.allocations.succeeded }
    }

    /// The point of the capacity curve that a load of `level` is; its media is measured from `from` to `until`.
    pub fn point(&self, level: u64, from: Duration, until: Duration, cause: Option<Cause>) -> Point {
        let media = &self.media;
        let way = media.rtt_ms.or(media.one_way_ms);
        // The last one where the window is shorter than a row.
        let is_inside = |row: &&Interval| row.at > from && row.at.saturating_sub(row.length) < until;
        let rows: Vec<&Interval> = self.intervals.iter().filter(is_inside).collect();
        let seconds: f64 = rows.iter().map(|row| row.length.as_secs_f64()).sum();
        let own = |row: &&Interval| row.generator.cpu_s + row.generator.peer_cpu_s.unwrap_or_default();
        let servers: Vec<f64> = rows.iter().filter_map(|row| row.server?.any_cpu_cores()).collect();
        // What was due and what came back are of the same time.
        let share =
            |count: u64| if media.delivered_packets == 0 { 0.0 } else { count as f64 / media.delivered_packets as f64 };
        Point {
            level,
            granted: self.allocations.succeeded,
            offered_pps: media.delivered_pps * share(media.offered_packets),
            delivered_pps: media.delivered_pps,
            lost_pct: media.lost_pct,
            p50_ms: way.map(|way| way.p50),
            p99_ms: way.map(|way| way.p99),
            server_cores: (!servers.is_empty()).then(|| servers.iter().sum::<f64>() / servers.len() as f64),
            generator_cores: if seconds > 0.0 { rows.iter().map(own).sum::<f64>() / seconds } else { 0.0 },
            cause,
        }
    }

    /// One figure; none where nothing was measured that it could be of.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::Errors(code) => Some(self.allocations.errors.count(&code.to_string()) as f64),
            _ => {
                let path = figure.to_string();
                self.figures().into_iter().find(|(known, _)| *known == path).and_then(|(_, value)| value)
            }
        }
    }

    /// All figures that are numbers, by their paths, as thresholds and the JSON name them.
    pub fn figures(&self) -> Vec<(String, Option<f64>)> {
        let Self { allocations, media, generator, .. } = self;
        let mut figures = Vec::new();
        let mut one = |path: &str, value: Option<f64>| figures.push((path.to_owned(), value));
        let count = |count: u64| Some(count as f64);
        one("allocations.requested", count(allocations.requested));
        one("allocations.succeeded", count(allocations.succeeded));
        one("allocations.failed", count(allocations.failed));
        one("allocations.lost", count(allocations.lost));
        one("allocations.undeleted", count(allocations.undeleted));
        one("allocations.peers_refused", count(allocations.peers_refused));
        one("allocations.requests", count(allocations.requests));
        one("allocations.retransmissions", count(allocations.retransmissions));
        one("allocations.refreshes", count(allocations.refreshes));
        one("allocations.renewals", count(allocations.renewals));
        one("allocations.stale_nonces", count(allocations.stale_nonces));
        one("allocations.redirected", count(allocations.redirected));
        one("allocations.mismatched", count(allocations.mismatched));
        one("allocations.per_second", Some(allocations.per_second));
        one("allocations.errors.timeout", count(allocations.errors.count("timeout")));
        one("media.streams", count(media.streams));
        one("media.offered_packets", count(media.offered_packets));
        one("media.sent_packets", count(media.sent_packets));
        one("media.delivered_packets", count(media.delivered_packets));
        one("media.lost_packets", Some(media.lost_packets as f64));
        one("media.blocked_packets", count(media.blocked_packets));
        one("media.lost_pct", media.lost_pct);
        one("media.duplicated", count(media.duplicated));
        one("media.reordered", count(media.reordered));
        one("media.misdelivered", count(media.misdelivered));
        one("media.corrupted", count(media.corrupted));
        one("media.stale", count(media.stale));
        one("media.offered_bps", Some(media.offered_bps));
        one("media.delivered_bps", Some(media.delivered_bps));
        one("media.delivered_pps", Some(media.delivered_pps));
        one("generator.cpu_s", Some(generator.cpu_s));
        one("generator.peer_cpu_s", generator.peer_cpu_s);
        one("generator.max_send_lag_ms", Some(generator.max_send_lag_ms));
        one("generator.late_sends", count(generator.late_sends));
        one("generator.send_errors", count(generator.send_errors));
        one("generator.socket_drops", count(generator.socket_drops));
        for (path, percentiles) in [
            ("allocations.latency_ms", allocations.latency_ms),
            ("media.rtt_ms", media.rtt_ms),
            ("media.jitter_ms", media.jitter_ms),
            ("media.one_way_ms", media.one_way_ms),
        ] {
            for (name, value) in percentiles.unwrap_or_default().named() {
                figures.push((format!("{path}.{name}"), percentiles.map(|_| value)));
            }
        }
        for (key, errors) in allocations.errors.iter().filter(|(key, _)| *key != "timeout") {
            figures.push((format!("allocations.errors.{key}"), count(errors.count)));
        }
        figures
    }
}

/// The error that is meant and came most often; of several equally common ones the first.
fn commonest(errors: &Errors, is_meant: fn(&str) -> bool) -> Option<(String, ErrorCount)> {
    let meant = errors.iter().filter(|(key, _)| is_meant(key));
    meant.reduce(|a, b| if b.1.count > a.1.count { b } else { a }).map(|(key, error)| (key.clone(), error.clone()))
}

/// How long the server stood still; none where it did not.
pub fn stalled(stats: &ShardStats) -> Option<Duration> {
    /// Shorter, and it was a busy moment.
    const LEAST: Duration = Duration::from_millis(400);
    /// Some servers hold a limit of bytes by full seconds and throw away the rest of each: silence without late packets.
    const WITHOUT_LATE_ONES: Duration = Duration::from_millis(1_100);
    let slowest = [&stats.rtt, &stats.one_way].into_iter().filter_map(|way| Some(way.percentiles()?.max));
    let came_late = slowest.fold(0.0, f64::max) >= 0.5 * stats.silence.as_secs_f64() * 1e3;
    let came_nothing = stats.counters.answers == 0 && stats.counters.delivered_packets == 0;
    let least = if came_late || came_nothing { LEAST } else { WITHOUT_LATE_ONES };
    (stats.silence >= least).then_some(stats.silence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use std::collections::BTreeSet;

    fn threshold(text: &str) -> Threshold {
        text.parse().expect("a threshold")
    }

    /// A second of one stream of voice, of which two packets of 50 are lost.
    fn stats() -> ShardStats {
        let mut stats = ShardStats::default();
        stats.requested(Moment::START);
        stats.succeeded(Duration::from_millis(20), Moment::from_nanos(20_000_000));
        stats.failed("486", "Allocation Quota Reached");
        for packet in 0..50 {
            stats.offered(92, Moment::from_nanos(packet * 20_000_000));
            stats.sent(92, Duration::from_micros(30));
            stats.rtt.record(Duration::from_millis(2));
            stats.jitter.record(Duration::from_micros(100));
        }
        stats.one_way.record(Duration::from_millis(1));
        stats.counters.delivered_packets = 48;
        stats.counters.delivered_bytes = 48 * 92;
        stats.counters.missed = 3;
        stats.counters.recovered = 1;
        stats
    }

    fn result() -> RunResult {
        let stats = stats();
        RunResult {
            allocations: Allocations::of(&stats),
            media: Media::of(&stats),
            generator: Generator::of(&stats, Duration::from_millis(1_500), Some(Duration::from_millis(500))),
            ..RunResult::default()
        }
    }

    #[test]
    fn rates_and_percentages_follow_from_what_was_counted() {
        let result = result();
        let media = &result.media;
        assert_eq!((media.lost_packets, media.lost_pct), (2, Some(4.0)));
        assert_eq!((media.offered_bps, media.delivered_bps, media.delivered_pps), (36_800.0, 35_328.0, 48.0));
        assert_eq!((result.allocations.per_second, result.generator.cpu_s), (50.0, 1.5));
        assert!((result.generator.max_send_lag_ms - 0.03).abs() < 1e-12);
    }

    #[test]
    fn what_the_server_left_in_a_full_stream_is_lost_though_it_was_never_sent() {
        let mut stats = ShardStats::default();
        (stats.counters.sent_packets, stats.counters.missed, stats.counters.blocked) = (60, 10, 40);
        let media = Media::over(&stats, Duration::from_secs(1));
        assert_eq!((media.lost_packets, media.blocked_packets, media.lost_pct), (50, 40, Some(50.0)));
        stats.counters.sent_packets = 0;
        stats.counters.missed = 0;
        assert_eq!(Media::over(&stats, Duration::from_secs(1)).lost_pct, Some(100.0));
    }

    #[test]
    fn an_interval_in_which_more_was_recovered_than_lost_has_lost_less_than_nothing() {
        let mut stats = ShardStats::default();
        stats.counters.recovered = 5;
        let media = Media::over(&stats, Duration::from_secs(1));
        assert_eq!((media.lost_packets, media.lost_pct), (-5, None));
        stats.counters.sent_packets = 1;
        assert_eq!(Media::over(&stats, Duration::from_secs(1)).lost_pct, Some(0.0));
        // Seven of the second before are given up in one that sent a single packet.
        (stats.counters.missed, stats.counters.recovered) = (7, 0);
        let media = Media::over(&stats, Duration::from_secs(1));
        assert_eq!((media.lost_packets, media.lost_pct), (7, Some(100.0)));
    }

    #[test]
    fn every_figure_of_the_result_can_be_a_threshold_and_every_threshold_finds_its_figure() {
        let result = result();
        let figures = result.figures();
        let paths: BTreeSet<&str> = figures.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths.len(), figures.len());
        for (path, value) in &figures {
            let figure: Figure = path.parse().expect(path);
            assert!(value.is_some(), "{path}");
            assert_eq!(result.figure(figure), *value, "{path}");
        }
        // The refusal of an unknown figure lists what there is.
        let known = "nothing".parse::<Figure>().expect_err("unknown").to_string();
        let (_, known) = known.split_once("there are ").expect("a list");
        for path in known.split(", ") {
            let is_figure = paths.contains(path) || paths.contains(format!("{path}.p99").as_str());
            assert!(is_figure, "{path}");
        }
        assert_eq!(known.split(", ").count() + 4 * 5 + 1, figures.len());
    }

    #[test]
    fn thresholds_hold_or_fail_by_the_figure_that_they_name() {
        let mut result = result();
        let judged = [
            ("media.lost_pct<4.1", Some(4.0), true),
            ("media.lost_pct<4", Some(4.0), false),
            ("media.rtt_ms.p99<=2", Some(2.0), true),
            ("allocations.errors.486==1", Some(1.0), true),
            ("allocations.errors.508==0", Some(0.0), true),
            ("allocations.succeeded>1", Some(1.0), false),
        ];
        let list: Vec<Threshold> = judged.iter().map(|(text, ..)| threshold(text)).collect();
        result.judge(&list);
        for (outcome, (text, value, ok)) in result.thresholds.iter().zip(judged) {
            assert_eq!((outcome.value, outcome.ok), (value, ok), "{text}");
        }
        assert_eq!(result.thresholds.len(), judged.len());
    }

    #[test]
    fn what_was_not_measured_fulfils_nothing() {
        let mut result = RunResult::default();
        result.judge(&[threshold("media.rtt_ms.p99<50"), threshold("media.lost_pct<1")]);
        assert!(result.thresholds.iter().all(|outcome| outcome.value.is_none() && !outcome.ok));
    }

    #[test]
    fn a_server_that_stood_still_is_told_from_one_that_throws_packets_away() {
        let stall = |silence, slowest| {
            let mut stats = ShardStats { silence: Duration::from_millis(silence), ..ShardStats::default() };
            stats.rtt.record(Duration::from_millis(slowest));
            stats.counters.delivered_packets = 1;
            stalled(&stats).map(|longest| longest.as_millis() as u64)
        };
        assert_eq!((stall(700, 690), stall(300, 300), stall(900, 3)), (Some(700), None, None));
        assert_eq!((stall(1_500, 3), stalled(&ShardStats::default())), (Some(1_500), None));
        // Nobody ever answered.
        let dead = ShardStats { silence: Duration::from_millis(700), ..ShardStats::default() };
        assert_eq!(stalled(&dead), Some(Duration::from_millis(700)));
    }

    #[test]
    fn what_follows_from_a_stall_is_called_so_and_what_the_server_says_is_not() {
        let stalled = || RunResult { stalled: Some(Duration::from_secs(1)), ..result() };
        let stall = Cause::Stalled { longest: Duration::from_secs(1) };
        // The server has refused one.
        assert!(matches!(stalled().obstacle(1), Some(Cause::Refused { key, .. }) if key == "486"));
        let mut lossy = stalled();
        lossy.allocations.errors = Errors::default();
        assert_eq!(lossy.obstacle(1), None);
        lossy.judge(&[threshold("media.lost_pct<1")]);
        assert_eq!(lossy.obstacle(1), Some(stall.clone()));
        lossy.judge(&[threshold("generator.cpu_s<1")]);
        assert!(matches!(lossy.obstacle(1), Some(Cause::Threshold { .. })));
        assert_eq!(lossy.obstacle(5), Some(stall));
        lossy.invalid_because.push("late".to_owned());
        assert!(matches!(lossy.obstacle(5), Some(Cause::Generator(_))));
    }
}
