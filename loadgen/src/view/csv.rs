//! The timeline as a table for spreadsheets (RFC 4180, lines end with LF).
//!
//! In: intervals. Out: a head and a record each; a field is empty where the value is unknown. Never: a number with a
//! unit in it, a field that has to be quoted.

use super::offered_pps;
use crate::result::{Interval, RunResult};
use crate::stats::{Errors, Percentiles};
use std::io::{self, Write};

type Column = (&'static str, fn(&Interval) -> String);

const COLUMNS: &[Column] = &[
    ("at_s", |row| seconds(row.at.as_secs_f64())),
    ("length_s", |row| seconds(row.length.as_secs_f64())),
    ("wanted", |row| row.wanted.to_string()),
    ("up", |row| row.up.to_string()),
    ("requested", |row| row.allocations.requested.to_string()),
    ("succeeded", |row| row.allocations.succeeded.to_string()),
    ("failed", |row| row.allocations.failed.to_string()),
    ("lost", |row| row.allocations.lost.to_string()),
    ("undeleted", |row| row.allocations.undeleted.to_string()),
    ("peers_refused", |row| row.allocations.peers_refused.to_string()),
    ("requests", |row| row.allocations.requests.to_string()),
    ("retransmissions", |row| row.allocations.retransmissions.to_string()),
    ("refreshes", |row| row.allocations.refreshes.to_string()),
    ("renewals", |row| row.allocations.renewals.to_string()),
    ("stale_nonces", |row| row.allocations.stale_nonces.to_string()),
    ("redirected", |row| row.allocations.redirected.to_string()),
    ("mismatched", |row| row.allocations.mismatched.to_string()),
    ("errors", |row| errors(&row.allocations.errors)),
    ("later_errors", |row| errors(&row.allocations.later_errors)),
    ("latency_p50_ms", |row| quantile(row.allocations.latency_ms, |latency| latency.p50)),
    ("latency_p99_ms", |row| quantile(row.allocations.latency_ms, |latency| latency.p99)),
    ("latency_max_ms", |row| quantile(row.allocations.latency_ms, |latency| latency.max)),
    ("offered_packets", |row| row.media.offered_packets.to_string()),
    ("sent_packets", |row| row.media.sent_packets.to_string()),
    ("delivered_packets", |row| row.media.delivered_packets.to_string()),
    ("lost_packets", |row| row.media.lost_packets.to_string()),
    ("blocked_packets", |row| row.media.blocked_packets.to_string()),
    ("lost_pct", |row| optional(row.media.lost_pct)),
    ("duplicated", |row| row.media.duplicated.to_string()),
    ("reordered", |row| row.media.reordered.to_string()),
    ("misdelivered", |row| row.media.misdelivered.to_string()),
    ("corrupted", |row| row.media.corrupted.to_string()),
    ("offered_pps", |row| optional(Some(offered_pps(row)))),
    ("delivered_pps", |row| optional(Some(row.media.delivered_pps))),
    ("offered_bps", |row| optional(Some(row.media.offered_bps))),
    ("delivered_bps", |row| optional(Some(row.media.delivered_bps))),
    ("rtt_p50_ms", |row| quantile(row.media.rtt_ms, |rtt| rtt.p50)),
    ("rtt_p90_ms", |row| quantile(row.media.rtt_ms, |rtt| rtt.p90)),
    ("rtt_p99_ms", |row| quantile(row.media.rtt_ms, |rtt| rtt.p99)),
    ("rtt_max_ms", |row| quantile(row.media.rtt_ms, |rtt| rtt.max)),
    ("jitter_p50_ms", |row| quantile(row.media.jitter_ms, |jitter| jitter.p50)),
    ("jitter_p99_ms", |row| quantile(row.media.jitter_ms, |jitter| jitter.p99)),
    ("cpu_s", |row| optional(Some(row.generator.cpu_s))),
    ("peer_cpu_s", |row| optional(row.generator.peer_cpu_s)),
    ("max_send_lag_ms", |row| optional(Some(row.generator.max_send_lag_ms))),
    ("late_sends", |row| row.generator.late_sends.to_string()),
    ("send_errors", |row| row.generator.send_errors.to_string()),
    ("socket_drops", |row| row.generator.socket_drops.to_string()),
    ("server_cpu_cores", |row| optional(row.server.and_then(|server| server.cpu_cores))),
    ("server_memory_bytes", |row| whole(row.server.and_then(|server| server.memory_bytes))),
    ("server_allocations", |row| whole(row.server.and_then(|server| server.allocations))),
    ("server_machine_cpu_cores", |row| optional(row.server.and_then(|server| server.machine_cpu_cores))),
    ("server_machine_memory_bytes", |row| whole(row.server.and_then(|server| server.machine_memory_bytes))),
    ("level", |row| whole(row.level)),
];

/// Writes the table.
///
/// # Errors
/// Those of the writer.
pub fn write(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in &result.intervals {
        let fields: Vec<String> = COLUMNS.iter().map(|(_, field)| field(row)).collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    out.flush()
}

fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

fn optional(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(|value| format!("{value:.6}")).unwrap_or_default()
}

fn whole(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn quantile(percentiles: Option<Percentiles>, of: fn(&Percentiles) -> f64) -> String {
    optional(percentiles.as_ref().map(of))
}

/// `486:3 timeout:1`.
fn errors(errors: &Errors) -> String {
    let all: Vec<String> = errors.iter().map(|(key, error)| format!("{}:{}", word(key), error.count)).collect();
    all.join(" ")
}

/// A key without what would end a field.
fn word(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples;

    fn table(result: &RunResult) -> Vec<Vec<String>> {
        let mut text = Vec::new();
        write(result, &mut text).expect("a vector takes it");
        let text = String::from_utf8(text).expect("text");
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    fn field(table: &[Vec<String>], row: usize, name: &str) -> String {
        let column = table[0].iter().position(|known| known == name).expect(name);
        table[row + 1][column].clone()
    }

    #[test]
    fn each_interval_is_a_record_with_a_field_for_each_name() {
        let table = table(&samples::result());
        assert_eq!(table.len(), 1 + 3);
        assert!(table.iter().all(|record| record.len() == COLUMNS.len()));
        assert_eq!(field(&table, 1, "at_s"), "2.000");
        assert_eq!(
            (field(&table, 1, "requests"), field(&table, 1, "retransmissions")),
            ("4".to_owned(), "1".to_owned())
        );
        assert_eq!((field(&table, 1, "refreshes"), field(&table, 1, "renewals")), ("3".to_owned(), "2".to_owned()));
        assert_eq!(field(&table, 1, "stale_nonces"), "5");
        assert_eq!(field(&table, 1, "lost_packets"), "12");
        assert_eq!(field(&table, 1, "offered_pps"), "49800.000000");
        assert_eq!(field(&table, 1, "rtt_p50_ms"), "0.240000");
        assert_eq!(field(&table, 1, "server_memory_bytes"), "52428800");
        assert_eq!(field(&table, 1, "server_allocations"), "996");
        assert_eq!(field(&table, 1, "server_machine_cpu_cores"), "1.500000");
    }

    #[test]
    fn what_nobody_knows_is_an_empty_field() {
        let mut result = RunResult::default();
        result.intervals.push(Interval::default());
        result.intervals[0].generator.cpu_s = f64::NAN;
        let table = table(&result);
        for name in ["rtt_p50_ms", "latency_p99_ms", "lost_pct", "server_cpu_cores", "cpu_s", "level"] {
            assert_eq!(field(&table, 0, name), "", "{name}");
        }
    }

    #[test]
    fn a_row_of_a_search_says_of_which_step_it_is() {
        let mut result = samples::result();
        result.intervals[2].level = Some(64);
        let table = table(&result);
        assert_eq!((field(&table, 1, "level"), field(&table, 2, "level")), (String::new(), "64".to_owned()));
    }

    #[test]
    fn errors_are_one_field_whatever_their_keys() {
        let mut result = RunResult::default();
        result.intervals.push(Interval::default());
        let errors = &mut result.intervals[0].allocations.errors;
        errors.add("486", "Quota, reached");
        errors.add("486", "");
        errors.add("a,b\n", "");
        assert_eq!(field(&table(&result), 0, "errors"), "486:2 a_b_:1");
    }
}
