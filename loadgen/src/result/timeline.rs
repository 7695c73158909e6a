//! The rows of a run, of which there are never too many.
//!
//! In: each second, and what was counted in it. Out: rows; of the first hour one a second, later fewer and longer ones.
//! Never: a row that does not have the figures of its whole time (percentiles of joined rows are within half a percent,
//! all else is exact); memory that grows for days.

use super::{Allocations, Generator, Interval, Media, ServerSample};
use crate::stats::{PackedStats, ShardStats};
use std::time::Duration;

/// An hour of seconds. Beyond it neighbours are joined, so that a report stays some megabytes, and its reader awake.
const MAX_ROWS: usize = 3_600;

/// Grows by a second at a time.
#[derive(Debug)]
pub struct Timeline {
    rows: Vec<(Interval, PackedStats)>,
    max_rows: usize,
    /// The row that is not full yet.
    open: Option<Open>,
    /// So many seconds make a row.
    seconds_a_row: u64,
    latest: Interval,
}

#[derive(Debug)]
struct Open {
    row: Interval,
    stats: ShardStats,
    seconds: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::of(MAX_ROWS)
    }
}

impl Timeline {
    /// At most so many rows.
    fn of(max_rows: usize) -> Self {
        Self { rows: Vec::new(), max_rows, open: None, seconds_a_row: 1, latest: Interval::default() }
    }

    /// One second more, or what there is of one at the end.
    pub fn push(&mut self, second: Interval, stats: &ShardStats) {
        self.latest.clone_from(&second);
        if self.seconds_a_row == 1 {
            self.close(second, PackedStats::of(stats));
            return;
        }
        let open = match self.open.take() {
            None => Open { row: second, stats: stats.clone(), seconds: 1 },
            Some(Open { row, stats: mut sum, seconds }) => {
                sum.merge(stats);
                Open { row: joined(&row, second, &sum), stats: sum, seconds: seconds + 1 }
            }
        };
        if open.seconds == self.seconds_a_row {
            self.close(open.row, PackedStats::of(&open.stats));
        } else {
            self.open = Some(open);
        }
    }

    /// The last second, whatever row it is in.
    pub const fn latest(&self) -> &Interval {
        &self.latest
    }

    /// All rows, in order.
    pub fn into_rows(self) -> Vec<Interval> {
        self.rows.into_iter().map(|(row, _)| row).chain(self.open.map(|open| open.row)).collect()
    }

    fn close(&mut self, row: Interval, stats: PackedStats) {
        self.rows.push((row, stats));
        if self.rows.len() < self.max_rows {
            return;
        }
        self.seconds_a_row *= 2;
        let mut rows = std::mem::take(&mut self.rows).into_iter();
        while let Some((row, stats)) = rows.next() {
            self.rows.push(match rows.next() {
                None => (row, stats),
                Some((next, more)) => {
                    let mut sum = ShardStats::default();
                    stats.add_to(&mut sum);
                    more.add_to(&mut sum);
                    (joined(&row, next, &sum), PackedStats::of(&sum))
                }
            });
        }
    }
}

/// Two rows that follow each other as one, in which `stats` was counted.
fn joined(row: &Interval, next: Interval, stats: &ShardStats) -> Interval {
    let length = row.length + next.length;
    let generator = &next.generator;
    let peer_cpu_s = match (row.generator.peer_cpu_s, generator.peer_cpu_s) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    };
    Interval {
        length,
        allocations: Allocations::over(stats, length),
        media: Media::over(stats, length),
        generator: Generator {
            cpu_s: row.generator.cpu_s + generator.cpu_s,
            peer_cpu_s,
            max_send_lag_ms: row.generator.max_send_lag_ms.max(generator.max_send_lag_ms),
            late_sends: stats.counters.late_sends,
            send_errors: stats.counters.send_errors,
            socket_drops: stats.counters.socket_drops,
        },
        server: seen(row, &next),
        ..next
    }
}

/// Cores are of the whole time; the rest is as it was at the end.
fn seen(row: &Interval, next: &Interval) -> Option<ServerSample> {
    let (Some(one), Some(other)) = (row.server, next.server) else { return next.server.or(row.server) };
    let mean = |of: fn(&ServerSample) -> Option<f64>| {
        let weighed =
            |cores: Option<f64>, length: Duration| Some((cores? * length.as_secs_f64(), length.as_secs_f64()));
        match (weighed(of(&one), row.length), weighed(of(&other), next.length)) {
            (Some((one, before)), Some((other, after))) if before + after > 0.0 => {
                Some((one + other) / (before + after))
            }
            _ => of(&other).or(of(&one)),
        }
    };
    Some(ServerSample {
        cpu_cores: mean(|sample| sample.cpu_cores),
        machine_cpu_cores: mean(|sample| sample.machine_cpu_cores),
        ..other.or(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    /// As many as tests need.
    const ROWS: usize = 64;
    const SECOND: Duration = Duration::from_secs(1);

    /// What is counted in this second: a few packets, the slower the later.
    fn counted(second: u64) -> ShardStats {
        let mut stats = ShardStats::default();
        for packet in 0..4 {
            stats.offered(100, Moment::from_nanos(second * 1_000_000_000 + packet));
            stats.sent(100, Duration::from_micros(second % 997));
            stats.rtt.record(Duration::from_micros(100 + second % 1_000 + packet));
        }
        stats.counters.delivered_packets = 4;
        if second.is_multiple_of(10) {
            stats.failed("486", "Quota");
        }
        stats
    }

    fn row(second: u64, stats: &ShardStats) -> Interval {
        Interval {
            at: SECOND * (second as u32 + 1),
            length: SECOND,
            wanted: 4,
            up: second,
            allocations: Allocations::over(stats, SECOND),
            media: Media::over(stats, SECOND),
            generator: Generator::of(stats, Duration::from_millis(10), Some(Duration::from_millis(5))),
            server: Some(ServerSample {
                cpu_cores: Some((second % 2) as f64),
                memory_bytes: Some(second),
                ..ServerSample::default()
            }),
            level: None,
        }
    }

    fn timeline(seconds: u64) -> Timeline {
        let mut timeline = Timeline::of(ROWS);
        for second in 0..seconds {
            let stats = counted(second);
            timeline.push(row(second, &stats), &stats);
            assert!(timeline.rows.len() < ROWS, "after {second}");
            assert_eq!(timeline.latest().at, SECOND * (second as u32 + 1));
        }
        timeline
    }

    #[test]
    fn at_first_each_second_has_its_row() {
        let rows = timeline(ROWS as u64 - 1).into_rows();
        assert_eq!(rows.len(), ROWS - 1);
        assert!(rows.iter().all(|row| row.length == SECOND));
        assert_eq!(rows[47], row(47, &counted(47)));
    }

    #[test]
    fn of_a_longer_run_there_are_fewer_rows_and_nothing_is_missing() {
        let seconds = 2 * ROWS as u64 + 5;
        let rows = timeline(seconds).into_rows();
        assert!((ROWS / 2..=ROWS).contains(&rows.len()), "{}", rows.len());
        let mut end = Duration::ZERO;
        for row in &rows {
            assert_eq!(row.at - row.length, end, "rows follow each other");
            end = row.at;
        }
        assert_eq!(end, SECOND * seconds as u32);
        assert_eq!(rows.iter().map(|row| row.media.sent_packets).sum::<u64>(), 4 * seconds);
        assert_eq!(rows.iter().map(|row| row.allocations.failed).sum::<u64>(), seconds.div_ceil(10));
        let cpu: f64 = rows.iter().map(|row| row.generator.cpu_s).sum();
        assert!((cpu - 0.01 * seconds as f64).abs() < 1e-6, "{cpu}");
        let lengths: Vec<u64> = rows.iter().map(|row| row.length.as_secs()).collect();
        // The last one is not full.
        assert!(lengths[..lengths.len() - 1].iter().all(|length| *length == 4) && lengths.ends_with(&[1]));
    }

    #[test]
    fn a_joined_row_has_the_figures_of_its_whole_time() {
        let rows = timeline(ROWS as u64 + 7).into_rows();
        for index in [0, 1, 17, rows.len() - 2] {
            let row = &rows[index];
            let (first, end) = ((row.at - row.length).as_secs(), row.at.as_secs());
            let mut whole = ShardStats::default();
            (first..end).for_each(|second| whole.merge(&counted(second)));
            let truth = Media::over(&whole, row.length);
            let (found, rtt) = (row.media.rtt_ms.expect("trips"), truth.rtt_ms.expect("trips"));
            assert_eq!((found.max, found.mean), (rtt.max, rtt.mean));
            assert!((found.p50 - rtt.p50).abs() <= rtt.p50 * 0.005, "{index}: {found:?} and {rtt:?}");
            assert_eq!(Media { rtt_ms: truth.rtt_ms, ..row.media.clone() }, truth, "{index}");
            assert_eq!(row.allocations, Allocations::over(&whole, row.length), "{index}");
            assert_eq!(row.generator.max_send_lag_ms, whole.send_lag.percentiles().expect("lags").max);
            assert_eq!((row.up, row.wanted), (end - 1, 4));
            let server = row.server.expect("a server");
            assert_eq!((server.cpu_cores, server.memory_bytes), (Some(0.5), Some(end - 1)));
        }
    }

    #[test]
    fn what_days_keep_fits_into_some_megabytes() {
        let timeline = timeline(10 * ROWS as u64);
        let of_rows = |(_, stats): &(Interval, PackedStats)| stats.bytes() + size_of::<(Interval, PackedStats)>();
        let bytes = timeline.rows.iter().map(of_rows).sum::<usize>() / timeline.rows.len() * MAX_ROWS;
        assert!(bytes < 20_000_000, "{bytes}");
        assert!(timeline.seconds_a_row >= 8 && timeline.rows.len() < ROWS);
    }
}
