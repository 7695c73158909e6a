//! In which order a table stands, and which of its rows match a filter.
//!
//! In: a table, what it is sorted by, a text. Out: numbers of rows. Never: a row formatted for the sake of sorting.

use super::list::{List, Seen};
use super::state::ListState;
use crate::model::snapshot::Snapshot;
use std::cmp::Ordering;
use std::sync::Arc;

/// What a table can be sorted by; the first is how it stands at first.
pub(super) const fn sorts(list: List) -> &'static [&'static str] {
    match list {
        List::Streams => {
            &["worst", "start", "loss", "jitter", "bitrate", "packets", "gap", "RTT", "MOS", "codec", "SSRC"]
        }
        List::Reports => &["time", "loss", "RTT", "jitter"],
        List::Sessions => &["start", "state", "setup time"],
        List::Allocations => &["start", "end", "setup time"],
        List::Pairs => &["start", "state", "RTT"],
        List::Handshakes => &["start", "state", "time"],
        List::Findings => &["severity", "frame", "code"],
        List::Flows => &["start", "packets", "length"],
    }
}

/// Whether what is new stands at the end of the table.
pub(super) fn is_newest_last(list: List, state: &ListState) -> bool {
    let by = sorts(list).get(state.sort).copied().unwrap_or_default();
    matches!(by, "start" | "time") && !state.is_reversed
}

/// By what a row is sorted. Large numbers come first: they are what somebody looks for.
enum Key {
    Number(Option<f64>),
    Text(String),
}

impl Key {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => {
                b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY))
            }
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (Key::Number(_), Key::Text(_)) => Ordering::Less,
            (Key::Text(_), Key::Number(_)) => Ordering::Greater,
        }
    }
}

/// The rows in that order, or in the opposite one, that have `filter` in their text.
pub(super) fn rows(list: List, seen: &Seen<'_>, sort: usize, is_reversed: bool, filter: &str) -> Vec<usize> {
    let by = sorts(list).get(sort).copied().unwrap_or_default();
    let mut rows = sorted(list, seen, by);
    if is_reversed {
        rows.reverse();
    }
    if !filter.is_empty() {
        let wanted = filter.to_lowercase();
        let known = Arc::clone(&seen.known);
        match list {
            // Which reports there are depends on the stream.
            List::Reports => rows.retain(|row| list.text(seen, *row).to_lowercase().contains(&wanted)),
            _ => {
                let texts = known.texts(list, seen);
                rows.retain(|row| texts.get(*row).is_some_and(|text| text.contains(&wanted)));
            }
        }
    }
    rows
}

/// The rows as they stand at first.
pub(super) fn usual<'k>(list: List, seen: &'k Seen<'_>) -> &'k [usize] {
    seen.known.usual(list, || rows(list, seen, 0, false, ""))
}

fn sorted(list: List, seen: &Seen<'_>, by: &str) -> Vec<usize> {
    let snapshot = seen.snapshot;
    if (list, by) == (List::Streams, "worst") {
        return worst_first(snapshot);
    }
    let mut keyed: Vec<(Key, usize)> =
        (0..list.len(seen)).map_while(|row| Some((key(list, seen, by, row)?, row))).collect();
    // Without a key for it, as the snapshot has them.
    if keyed.is_empty() {
        return (0..list.len(seen)).collect();
    }
    keyed.sort_by(|a, b| a.0.compare(&b.0));
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn worst_first(snapshot: &Snapshot) -> Vec<usize> {
    let places: std::collections::BTreeMap<&str, usize> =
        snapshot.streams.iter().enumerate().map(|(at, row)| (row.id.as_str(), at)).collect();
    let worst = snapshot.worst_first();
    worst.iter().filter_map(|row| places.get(row.id.as_str()).copied()).collect()
}

/// None where the order is that of the snapshot.
fn key(list: List, seen: &Seen<'_>, by: &str, row: usize) -> Option<Key> {
    let snapshot = seen.snapshot;
    let number = |value: Option<f64>| Some(Key::Number(value));
    let text = |value: &str| Some(Key::Text(value.to_owned()));
    match list {
        List::Streams => {
            let row = snapshot.streams.get(row)?;
            match by {
                "loss" => number(row.loss().lost_pct),
                "jitter" => number(row.figures.timing.jitter.map(|jitter| jitter.p95)),
                "bitrate" => number(row.figures.mean_bps),
                "packets" => number(Some(row.figures.packets as f64)),
                "gap" => number(row.figures.delta.map(|delta| delta.max)),
                "RTT" => number(seen.known.rtt(row.ssrc)),
                // The lowest first.
                "MOS" => number(row.mos(seen.known.rtt(row.ssrc)).map(std::ops::Neg::neg)),
                "SSRC" => number(Some(-f64::from(row.ssrc))),
                "codec" => text(row.codec.as_deref().unwrap_or("~")),
                _ => None,
            }
        }
        List::Reports => {
            let (from, point) = seen.reports().get(row)?;
            match by {
                "loss" => number(Some(f64::from(point.fraction_lost))),
                "RTT" => number(point.rtt_ms),
                "jitter" => number(from.jitter_ms(point)),
                _ => None,
            }
        }
        List::Sessions => {
            let row = snapshot.sessions.get(row)?;
            match by {
                "state" => text(row.state.name()),
                "setup time" => number(row.call.setup.total.or(row.setup_ms)),
                _ => None,
            }
        }
        List::Allocations => {
            let row = snapshot.allocations.get(row)?;
            match by {
                "end" => text(row.end.name()),
                "setup time" => number(row.allocation.setup_ms()),
                _ => None,
            }
        }
        List::Pairs => {
            let row = snapshot.pairs.get(row)?;
            match by {
                "state" => text(row.pair.status.name()),
                "RTT" => number(row.pair.rtt.mean()),
                _ => None,
            }
        }
        List::Handshakes => {
            let row = snapshot.handshakes.get(row)?;
            match by {
                "state" => text(row.handshake.state.name()),
                "time" => number(row.handshake.handshake_ms()),
                _ => None,
            }
        }
        List::Findings => {
            let row = snapshot.findings.get(row)?;
            match by {
                // The earliest first.
                "frame" => number(row.frames.first().map(|frame| -(frame.0 as f64))),
                "code" => text(row.code),
                _ => None,
            }
        }
        List::Flows => {
            let row = snapshot.flows.get(row)?;
            match by {
                "packets" => number(Some(row.classes.total() as f64)),
                "length" => number(Some(row.last_ts.millis_since(row.first_ts))),
                _ => None,
            }
        }
    }
}
