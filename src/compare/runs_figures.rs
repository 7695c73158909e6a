//! The figures by which two runs are compared, each with what is better and what still counts as the same.
//!
//! In: a report, or a row of one. Out: values by name. Never: a figure that the report does not have.

use serde_json::Value;

/// Which change is for the better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Better {
    Less,
    More,
    /// Neither: shown, not judged.
    Neither,
}

/// A figure.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) better: Better,
    /// The same up to this, or up to this part of the larger value.
    pub(super) absolute: f64,
    pub(super) relative: f64,
    source: Source,
}

enum Source {
    /// Of the row itself.
    At(&'static str),
    /// From the first to the last packet.
    Length,
    /// Of all rows of a list that know it.
    Most(&'static str, &'static [&'static str]),
    Mean(&'static str, &'static [&'static str]),
    /// Rows of a list whose key has one of these values, or has none of them.
    Count(&'static str, &'static str, &'static [&'static str], bool),
}

const fn figure(name: &'static str, unit: &'static str, better: Better, same: (f64, f64), source: Source) -> Figure {
    Figure { name, unit, better, absolute: same.0, relative: same.1, source }
}

/// Of a stream.
pub(super) const STREAM: &[Figure] = &[
    figure("packets", "", Better::Neither, (0.0, 0.0), Source::At("packets")),
    figure("length", "s", Better::Neither, (0.0, 0.0), Source::Length),
    figure("lost", "%", Better::Less, (0.5, 0.2), Source::At("lost_pct")),
    figure("jitter p95", "ms", Better::Less, (2.0, 0.3), Source::At("jitter_ms.p95")),
    figure("longest gap", "ms", Better::Less, (40.0, 0.5), Source::At("delta_ms.max")),
    figure("bitrate", "bit/s", Better::More, (2000.0, 0.2), Source::At("bitrate_bps.mean")),
    figure("MOS", "", Better::More, (0.1, 0.0), Source::At("mos")),
];

/// Of the whole run.
pub(super) const RUN: &[Figure] = &[
    figure(
        "session set-up, longest",
        "ms",
        Better::Less,
        (100.0, 0.3),
        Source::Most("sessions", &["setup_ms", "setup_ms.total"]),
    ),
    figure(
        "sessions failed",
        "",
        Better::Less,
        (0.0, 0.0),
        Source::Count("sessions", "state", &["failed", "cancelled"], true),
    ),
    figure(
        "TURN allocation, longest",
        "ms",
        Better::Less,
        (20.0, 0.5),
        Source::Most("turn.allocations", &["setup_ms"]),
    ),
    figure(
        "TURN allocations failed",
        "",
        Better::Less,
        (0.0, 0.0),
        Source::Count("turn.allocations", "ended", &["failed"], true),
    ),
    figure(
        "STUN without an answer",
        "",
        Better::Less,
        (3.0, 0.5),
        Source::Count("stun.transactions", "outcome", &["timeout", "open"], true),
    ),
    figure("ICE round trip", "ms", Better::Less, (5.0, 0.3), Source::Mean("ice", &["rtt_ms.mean"])),
    figure("ICE pairs nominated", "", Better::Neither, (0.0, 0.0), Source::Count("ice", "state", &["nominated"], true)),
    figure("DTLS handshake, longest", "ms", Better::Less, (20.0, 0.5), Source::Most("dtls", &["handshake_ms"])),
    figure("DTLS not complete", "", Better::Less, (0.0, 0.0), Source::Count("dtls", "state", &["complete"], false)),
    figure("RTCP round trip", "ms", Better::Less, (5.0, 0.3), Source::Mean("rtcp", &["reports.rtt_ms"])),
];

impl Figure {
    pub(super) fn of(&self, row: &Value) -> Option<f64> {
        match &self.source {
            Source::At(path) => numbers(row, path).first().copied(),
            Source::Length => {
                let (first, last) = (time(row, "first_ts")?, time(row, "last_ts")?);
                Some(((last - first) * 1e6).round() / 1e6)
            }
            Source::Most(list, paths) => all(row, list, paths).into_iter().reduce(f64::max),
            Source::Mean(list, paths) => {
                let numbers = all(row, list, paths);
                (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
            }
            Source::Count(list, key, values, wanted) => {
                let rows = rows(row, list);
                let is = |row: &&&Value| {
                    row.get(*key).and_then(Value::as_str).is_some_and(|value| values.contains(&value)) == *wanted
                };
                (!rows.is_empty()).then(|| rows.iter().filter(is).count() as f64)
            }
        }
    }
}

fn all(report: &Value, list: &str, paths: &[&str]) -> Vec<f64> {
    rows(report, list).into_iter().flat_map(|row| paths.iter().flat_map(|path| numbers(row, path))).collect()
}

fn rows<'v>(report: &'v Value, list: &str) -> Vec<&'v Value> {
    let list = list.split('.').try_fold(report, |value, key| value.get(key));
    list.and_then(Value::as_array).map(|rows| rows.iter().collect()).unwrap_or_default()
}

/// The numbers at a path, through one list.
fn numbers(row: &Value, path: &str) -> Vec<f64> {
    match path.split_once('.') {
        Some((key, rest)) => match row.get(key) {
            Some(Value::Array(list)) => list.iter().flat_map(|element| numbers(element, rest)).collect(),
            Some(value) => numbers(value, rest),
            None => Vec::new(),
        },
        None => row.get(path).and_then(Value::as_f64).into_iter().collect(),
    }
}

fn time(row: &Value, key: &str) -> Option<f64> {
    row.get(key)?.as_str()?.parse().ok()
}
