//! A live capture as OpenMetrics text; whoever has the socket serves it.
//!
//! In: snapshots, one after the other. Out: text that ends with `# EOF`, in seconds, bytes, packets. Never: a counter that
//! goes back, NaN, or more streams with a series of their own than [`MAX_STREAMS`].

use crate::model::snapshot::{AllocationEnd, Peer, RULES, Snapshot, StreamRow};
use crate::time::{NANOS_PER_SEC, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{Display, Write};

/// What the text is served as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Streams that are listed one by one: of those that run, the worst.
pub const MAX_STREAMS: usize = 1000;
/// A stream runs that was heard of within so many seconds.
const RUNS: i64 = 10;

/// The counters so far: a snapshot may know less than the one before, where what looked like loss came late or was
/// something else after all.
#[derive(Debug, Default)]
pub struct Metrics {
    highest: BTreeMap<String, u64>,
}

type Labels<'l> = [(&'static str, &'l str)];

struct Text<'m> {
    text: String,
    highest: &'m mut BTreeMap<String, u64>,
}

impl Metrics {
    /// The text of a snapshot.
    pub fn exposition(&mut self, snapshot: &Snapshot) -> String {
        let mut text = Text { text: String::with_capacity(16_384), highest: &mut self.highest };
        text.family("build", "info", "", "What runs.");
        text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        capture(&mut text, snapshot);
        tables(&mut text, snapshot);
        findings(&mut text, snapshot);
        streams(&mut text, snapshot);
        text.text.push_str("# EOF\n");
        text.text
    }
}

impl Text<'_> {
    /// Begins a family; its samples follow. `unit` is the end of its name, where it has one.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# TYPE rtcscope_{name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT rtcscope_{name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP rtcscope_{name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl Display) {
        let labels = written(labels);
        let _ = writeln!(self.text, "rtcscope_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, unit: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", unit, help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, unit: &str, help: &str, value: u64) {
        self.family(name, "counter", unit, help);
        self.count(name, &[], value);
    }

    /// A sample of a counter, which stands where it stood when there is less.
    fn count(&mut self, name: &str, labels: &Labels<'_>, value: u64) {
        let key = format!("rtcscope_{name}_total{}", written(labels));
        let highest = self.highest.entry(key).or_default();
        *highest = value.max(*highest);
        let value = *highest;
        self.sample(&format!("{name}_total"), labels, value);
    }

    fn quantiles(&mut self, name: &str, help: &str, mut millis: Vec<f64>) {
        millis.retain(|value| value.is_finite());
        millis.sort_by(f64::total_cmp);
        self.family(name, "summary", "seconds", help);
        for (label, share) in [("0.5", 0.5), ("0.95", 0.95), ("1", 1.0)] {
            let at = ((millis.len() as f64 * share).ceil() as usize).saturating_sub(1);
            if let Some(value) = millis.get(at) {
                self.sample(name, &[("quantile", label)], value / 1000.0);
            }
        }
    }
}

/// `{a="b",c="d"}`, with backslash, quote and line feed as they are written there; other control characters have no place.
fn written(labels: &Labels<'_>) -> String {
    let mut text = String::new();
    for (at, (name, value)) in labels.iter().enumerate() {
        text.push(if at == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other if other.is_control() => text.push(' '),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    if !text.is_empty() {
        text.push('}');
    }
    text
}

fn capture(text: &mut Text<'_>, snapshot: &Snapshot) {
    let capture = &snapshot.capture;
    text.counter("captured_packets", "packets", "Packets that were analyzed.", capture.packets);
    text.counter("captured_bytes", "bytes", "Their length on the wire.", capture.bytes);
    let help = "Packets that the capturing machine dropped.";
    text.counter("capture_dropped_packets", "packets", help, capture.facts.dropped_by_capture.unwrap_or(0));
    if let Some(last) = capture.last_ts {
        let help = "The latest time of any packet.";
        text.gauge("capture_last_packet_timestamp_seconds", "seconds", help, last.as_nanos() as f64 / 1e9);
    }
    text.family("packets", "counter", "packets", "Packets and datagrams inside of packets, by what they are.");
    for (class, count) in snapshot.packets.iter() {
        text.count("packets", &[("class", class.name())], count);
    }
    let (rows, left) = (&snapshot.streams, &capture.forgotten);
    let sum = |of: fn(&StreamRow) -> u64| rows.iter().map(of).sum::<u64>();
    let [packets, bytes, lost] =
        [sum(|row| row.figures.packets), sum(|row| row.figures.bytes), sum(|row| row.figures.sequence.lost)];
    text.counter("rtp_received_packets", "packets", "Packets of all RTP streams.", packets + left.rtp_packets);
    text.counter("rtp_received_bytes", "bytes", "Their RTP headers and payloads.", bytes + left.rtp_bytes);
    text.counter("rtp_lost_packets", "packets", "Packets that the streams lost.", lost + left.rtp_lost);
    text.family("left_out", "counter", "", "What tables had no room for, by table.");
    for (table, count) in &capture.limits {
        text.count("left_out", &[("table", table)], *count);
    }
}

/// What is followed, what was ever seen, what left.
fn tables(text: &mut Text<'_>, snapshot: &Snapshot) {
    let left = &snapshot.capture.forgotten;
    let rows = |rows: usize| rows as u64;
    let all = [
        ("flows", rows(snapshot.flows.len()), left.flows),
        ("streams", rows(snapshot.streams.len()), left.streams),
        ("sessions", rows(snapshot.sessions.len()), left.sessions),
        ("allocations", rows(snapshot.allocations.len()), left.allocations),
        ("handshakes", rows(snapshot.handshakes.len()), left.handshakes),
        ("pairs", rows(snapshot.pairs.len()), left.pairs),
        ("transactions", rows(snapshot.transactions.len()), left.transactions),
    ];
    text.family("followed", "gauge", "", "What is followed now, by table.");
    all.iter().for_each(|(table, now, _)| text.sample("followed", &[("table", table)], now));
    text.family("seen", "counter", "", "What was ever followed, by table.");
    all.iter().for_each(|(table, now, left)| text.count("seen", &[("table", table)], now + left));
    text.family("evicted", "counter", "", "What left because it had been quiet, by table.");
    all.iter().for_each(|(table, _, left)| text.count("evicted", &[("table", table)], *left));
    text.count("evicted", &[("table", "connections")], left.connections);
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    snapshot.sessions.iter().for_each(|session| *states.entry(session.state.name()).or_default() += 1);
    text.family("sessions", "gauge", "", "Sessions that are followed, by where they stand.");
    states.iter().for_each(|(state, count)| text.sample("sessions", &[("state", state)], count));
    text.family("allocations", "gauge", "", "TURN allocations that are followed, by where they stand.");
    let states = [
        (AllocationEnd::Open, "open"),
        (AllocationEnd::Deleted, "deleted"),
        (AllocationEnd::Expired, "expired"),
        (AllocationEnd::Failed, "failed"),
    ];
    for (end, state) in states {
        let count = snapshot.allocations.iter().filter(|row| row.end == end).count();
        text.sample("allocations", &[("state", state)], count);
    }
}

fn findings(text: &mut Text<'_>, snapshot: &Snapshot) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for finding in snapshot.findings.iter().filter(|finding| !finding.tells_of_nothing()) {
        *counts.entry((finding.code, finding.severity.name())).or_default() += 1;
    }
    for (code, left) in &snapshot.capture.forgotten_findings {
        // Of those that are listed too, none counts twice.
        let known = snapshot.capture.forgotten_listed.get(code).copied().unwrap_or(0);
        let severity = RULES.iter().find(|rule| rule.code == *code).map_or("info", |rule| rule.severity.name());
        *counts.entry((code, severity)).or_default() += left.saturating_sub(known);
    }
    text.family("findings", "counter", "", "Findings so far, by code and severity.");
    for ((code, severity), count) in counts {
        text.count("findings", &[("code", code), ("severity", severity)], count);
    }
}

fn streams(text: &mut Text<'_>, snapshot: &Snapshot) {
    let now = snapshot.capture.last_ts.unwrap_or_default();
    let running: Vec<&StreamRow> = snapshot.streams.iter().filter(|row| runs(row, now)).collect();
    text.gauge("running_streams", "streams", "RTP streams that were heard of in the last ten seconds.", running.len());
    let rtts = round_trips(snapshot);
    let jitter = |row: &StreamRow| row.figures.timing.jitter.map(|jitter| jitter.last);
    let help = "Interarrival jitter of the streams that run (RFC 3550).";
    text.quantiles("jitter_seconds", help, running.iter().filter_map(|row| jitter(row)).collect());
    let help = "Round trips by the latest RTCP report on each source that runs.";
    text.quantiles("rtt_seconds", help, running.iter().filter_map(|row| rtts.get(&row.ssrc).copied()).collect());
    let mut worst = running;
    worst.sort_by(|one, other| badness(other).total_cmp(&badness(one)));
    let mut known = BTreeSet::new();
    let (listed, rest): (Vec<_>, Vec<_>) = worst
        .into_iter()
        .map(|row| (names(row), row))
        .enumerate()
        .partition(|(at, (names, _))| *at < MAX_STREAMS && known.insert(names.clone()));
    let listed: Vec<(Vec<(&'static str, &str)>, &StreamRow)> = listed
        .iter()
        .map(|(_, (names, row))| (names.iter().map(|(name, value)| (*name, value.as_str())).collect(), *row))
        .collect();
    let rest: Vec<&StreamRow> = rest.into_iter().map(|(_, (_, row))| row).collect();
    type Figure = fn(&StreamRow) -> u64;
    let counters: [(&str, &str, &str, Figure); 2] = [
        ("stream_received_packets", "packets", "Packets of a stream that runs.", |row| row.figures.packets),
        ("stream_received_bytes", "bytes", "Their RTP headers and payloads.", |row| row.figures.bytes),
    ];
    for (name, unit, help, of) in counters {
        text.family(name, "counter", unit, help);
        // Its labels come and go with it: what was highest is not remembered.
        listed.iter().for_each(|(labels, row)| text.sample(&format!("{name}_total"), labels, of(row)));
    }
    // What comes late is lost no longer.
    text.family("stream_lost_packets", "gauge", "packets", "Packets that a stream lost.");
    listed.iter().for_each(|(labels, row)| text.sample("stream_lost_packets", labels, row.figures.sequence.lost));
    text.family("stream_jitter_seconds", "gauge", "seconds", "Interarrival jitter of a stream (RFC 3550).");
    for (labels, row) in &listed {
        if let Some(millis) = jitter(row).filter(|millis| millis.is_finite()) {
            text.sample("stream_jitter_seconds", labels, millis / 1000.0);
        }
    }
    let help = "Round trip by the latest RTCP report on a stream, between capture and receiver.";
    text.family("stream_rtt_seconds", "gauge", "seconds", help);
    for (labels, row) in &listed {
        if let Some(millis) = rtts.get(&row.ssrc).filter(|millis| millis.is_finite()) {
            text.sample("stream_rtt_seconds", labels, millis / 1000.0);
        }
    }
    let sum = |of: Figure| rest.iter().map(|row| of(row)).sum::<u64>();
    text.gauge("unlisted_streams", "streams", "Streams that run and have no series of their own.", rest.len());
    let help = "Packets of these.";
    text.gauge("unlisted_streams_received_packets", "packets", help, sum(|row| row.figures.packets));
    let help = "Packets that these lost.";
    text.gauge("unlisted_streams_lost_packets", "packets", help, sum(|row| row.figures.sequence.lost));
}

fn runs(row: &StreamRow, now: Timestamp) -> bool {
    now.nanos_since(row.figures.last_ts).unsigned_abs() < (RUNS * NANOS_PER_SEC).unsigned_abs()
}

/// By loss, then by jitter.
fn badness(row: &StreamRow) -> f64 {
    let jitter = row.figures.timing.jitter.map_or(0.0, |jitter| jitter.last);
    row.loss().lost_pct.unwrap_or(0.0) * 1e6 + jitter
}

/// The latest round trip in milliseconds of each source.
fn round_trips(snapshot: &Snapshot) -> HashMap<u32, f64> {
    let mut latest: HashMap<u32, (Timestamp, f64)> = HashMap::new();
    for point in snapshot.rtcp.iter().flat_map(|row| &row.sender.reports) {
        let Some(rtt) = point.rtt_ms else { continue };
        let known = latest.entry(point.about.0).or_insert((point.ts, rtt));
        if known.0 <= point.ts {
            *known = (point.ts, rtt);
        }
    }
    latest.into_iter().map(|(ssrc, (_, rtt))| (ssrc, rtt)).collect()
}

/// The labels of a stream.
fn names(row: &StreamRow) -> Vec<(&'static str, String)> {
    let peer = match row.peer {
        Some(Peer::Address(peer)) => peer.to_string(),
        Some(Peer::Channel(number)) => format!("channel {number:#06x}"),
        None => String::new(),
    };
    vec![
        ("src", row.src.to_string()),
        ("dst", row.dst.to_string()),
        ("peer", peer),
        ("path", row.path().join(" ")),
        ("ssrc", format!("{:#010x}", row.ssrc)),
        ("codec", row.codec.clone().unwrap_or_default()),
        ("kind", row.kind.map_or("", |kind| kind.name()).to_owned()),
    ]
}

#[cfg(test)]
mod tests;
