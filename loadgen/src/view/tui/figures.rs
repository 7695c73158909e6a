//! What stands on the dashboard, as rows and curves: the only file of it that knows a progress from the inside.
//!
//! In: a progress. Out: labels, texts, and how to feel about them. Never: a place on the screen.

use super::history::Point;
use crate::result::{Progress, ServerSample};
use crate::stats::ErrorCount;
use crate::view::number::{
    UNKNOWN, bitrate, bytes, clock, count, millis, optional_millis, packet_rate, percent, plain, rate,
};
use crate::view::{error_text, offered_pps, phase, signed_count};

/// How to feel about a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Notable,
    /// As it should not be.
    Bad,
}

/// A label and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) tone: Tone,
}

fn row(label: &str, value: String, tone: Tone) -> Row {
    Row { label: label.to_owned(), value, tone }
}

/// Zero is as it should be, everything else is not.
fn unwanted(label: &str, number: u64, tone: Tone) -> Row {
    row(label, count(number), if number == 0 { Tone::Plain } else { tone })
}

/// A curve and its name.
pub(super) struct CurveOf {
    name: &'static str,
    of: fn(&Point) -> Option<f64>,
    text: fn(f64) -> String,
}

/// A curve with its latest value.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) latest: String,
    pub(super) of: fn(&Point) -> Option<f64>,
    pub(super) text: fn(f64) -> String,
}

impl CurveOf {
    pub(super) fn of(&self, progress: &Progress) -> Curve {
        let latest = (self.of)(&point(progress)).map_or_else(|| UNKNOWN.to_owned(), self.text);
        Curve { name: self.name, latest, of: self.of, text: self.text }
    }
}

/// All curves, from the top.
pub(super) const CURVES: [CurveOf; 5] = [
    CurveOf { name: "offered", of: |point| Some(point.offered_pps), text: packet_rate },
    CurveOf { name: "delivered", of: |point| Some(point.delivered_pps), text: packet_rate },
    CurveOf { name: "lost", of: |point| point.lost_pct, text: percent },
    CurveOf { name: "RTT p50", of: |point| point.rtt_p50_ms, text: millis },
    CurveOf { name: "RTT p99", of: |point| point.rtt_p99_ms, text: millis },
];

/// Of the last interval, for the curves.
pub(super) fn point(progress: &Progress) -> Point {
    let media = &progress.last.media;
    Point {
        offered_pps: offered_pps(&progress.last),
        delivered_pps: media.delivered_pps,
        // Below zero where more came late than was lost.
        lost_pct: media.lost_pct.map(|pct| pct.max(0.0)),
        rtt_p50_ms: media.rtt_ms.map(|rtt| rtt.p50),
        rtt_p99_ms: media.rtt_ms.map(|rtt| rtt.p99),
    }
}

/// Phase and time: `hold  00:42 of 01:10`.
pub(super) fn time(progress: &Progress) -> String {
    let of = progress.ends.map_or_else(String::new, |ends| format!(" of {}", clock(ends)));
    format!("{}  {}{of} ", phase(progress.phase), clock(progress.last.at))
}

/// The panels begin with what matters most: on a small screen their ends are cut off.
pub(super) fn allocations(progress: &Progress) -> Vec<Row> {
    let (all, last) = (&progress.allocations, &progress.last);
    let is_all_up = last.up >= last.wanted.into();
    vec![
        row("wanted", count(last.wanted.into()), Tone::Plain),
        row("up", count(last.up), if is_all_up { Tone::Good } else { Tone::Plain }),
        row("allocating", count(progress.allocating), Tone::Plain),
        unwanted("failed", all.failed, Tone::Bad),
        unwanted("lost", all.lost, Tone::Bad),
        row("latency p50", optional_millis(all.latency_ms.map(|latency| latency.p50)), Tone::Plain),
        row("latency p99", optional_millis(all.latency_ms.map(|latency| latency.p99)), Tone::Plain),
        row("rate", rate(last.allocations.per_second), Tone::Plain),
        row("granted", count(all.succeeded), Tone::Plain),
        row("latency max", optional_millis(all.latency_ms.map(|latency| latency.max)), Tone::Plain),
    ]
}

pub(super) fn media(progress: &Progress) -> Vec<Row> {
    let (all, last) = (&progress.media, &progress.last.media);
    let lost_tone = if all.lost_packets > 0 { Tone::Bad } else { Tone::Plain };
    vec![
        row("offered", bitrate(last.offered_bps), Tone::Plain),
        row("delivered", bitrate(last.delivered_bps), Tone::Plain),
        row("lost", all.lost_pct.map_or_else(|| UNKNOWN.to_owned(), percent), lost_tone),
        row("lost packets", signed_count(all.lost_packets), lost_tone),
        unwanted("reordered", all.reordered, Tone::Notable),
        unwanted("duplicated", all.duplicated, Tone::Notable),
        unwanted("misdelivered", all.misdelivered, Tone::Bad),
        unwanted("corrupted", all.corrupted, Tone::Bad),
        row("streams", count(all.streams), Tone::Plain),
        row("jitter p99", optional_millis(last.jitter_ms.map(|jitter| jitter.p99)), Tone::Plain),
        row("RTT max", optional_millis(last.rtt_ms.map(|rtt| rtt.max)), Tone::Plain),
    ]
}

pub(super) fn generator(progress: &Progress) -> Vec<Row> {
    let (all, last) = (&progress.generator, &progress.last.generator);
    let seconds = progress.last.length.as_secs_f64();
    let cores = |cpu_s: f64| if seconds > 0.0 { format!("{:.2} cores", cpu_s / seconds) } else { UNKNOWN.to_owned() };
    let mut rows = vec![
        row("send lag", optional_millis(Some(last.max_send_lag_ms)), Tone::Plain),
        unwanted("late sends", all.late_sends, Tone::Bad),
        unwanted("refused", all.send_errors, Tone::Notable),
        unwanted("drops", all.socket_drops, Tone::Bad),
        row("CPU", cores(last.cpu_s), Tone::Plain),
        row("peer CPU", last.peer_cpu_s.map_or_else(|| UNKNOWN.to_owned(), cores), Tone::Plain),
    ];
    rows.extend(progress.last.server.iter().flat_map(server));
    rows
}

/// What is known of it.
fn server(server: &ServerSample) -> Vec<Row> {
    let cores = |cores: f64| format!("{cores:.2} cores");
    let memory = |memory: u64| bytes(memory as f64);
    let figures = [
        ("server CPU", server.cpu_cores.map(cores)),
        ("its memory", server.memory_bytes.map(memory)),
        ("it holds", server.allocations.map(count)),
        ("host CPU", server.machine_cpu_cores.map(cores)),
        ("host mem", server.machine_memory_bytes.map(memory)),
    ];
    figures.into_iter().filter_map(|(label, value)| Some(row(label, value?, Tone::Plain))).collect()
}

/// Of a search the last step; errors, the most frequent first; what else the user should know; the earlier steps.
pub(super) fn errors(progress: &Progress, notes: &[String], steps: &[String]) -> Vec<Row> {
    let all = &progress.allocations;
    let first = all.errors.iter().map(|entry| (entry, ""));
    let later = all.later_errors.iter().map(|entry| (entry, " (after it was granted)"));
    let mut entries: Vec<((&String, &ErrorCount), &str)> = first.chain(later).collect();
    entries.sort_by_key(|((_, error), _)| std::cmp::Reverse(error.count));
    let entries = entries.into_iter().map(|((key, error), when)| {
        let text = format!("{:>7}  {}{when}", count(error.count), error_text(key, error));
        row(&plain(key), text, Tone::Bad)
    });
    let mut steps = steps.iter().rev().map(|step| row("step", step.clone(), Tone::Plain));
    let last = steps.next();
    let notes = notes.iter().map(|note| row("note", note.clone(), Tone::Notable));
    let rows: Vec<Row> = last.into_iter().chain(entries).chain(notes).chain(steps).collect();
    if rows.is_empty() { vec![row("none", String::new(), Tone::Good)] } else { rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Errors;
    use crate::view::samples;

    fn tone(rows: &[Row], label: &str) -> Tone {
        rows.iter().find(|row| row.label == label).unwrap_or_else(|| panic!("no {label}")).tone
    }

    #[test]
    fn what_should_not_be_stands_out_and_zero_does_not() {
        let mut progress = samples::progress(42);
        assert_eq!(tone(&allocations(&progress), "failed"), Tone::Bad);
        assert_eq!(tone(&allocations(&progress), "lost"), Tone::Plain);
        assert_eq!(tone(&media(&progress), "misdelivered"), Tone::Plain);
        assert_eq!(tone(&generator(&progress), "late sends"), Tone::Plain);
        progress.media.misdelivered = 1;
        progress.generator.late_sends = 1;
        assert_eq!(tone(&media(&progress), "misdelivered"), Tone::Bad);
        assert_eq!(tone(&generator(&progress), "late sends"), Tone::Bad);
    }

    #[test]
    fn the_commonest_error_stands_first() {
        let mut progress = samples::progress(42);
        (0..9).for_each(|_| progress.allocations.later_errors.add("437", "Allocation Mismatch"));
        let labels: Vec<String> = errors(&progress, &[], &[]).into_iter().map(|row| row.label).collect();
        assert_eq!(labels, ["437", "486", "timeout"]);
    }

    #[test]
    fn the_last_step_of_a_search_stands_first_and_the_earlier_ones_last() {
        let (notes, steps) = (["no endpoint".to_owned()], ["16: carried".to_owned(), "32: refused".to_owned()]);
        let rows = errors(&samples::progress(42), &notes, &steps);
        let labels: Vec<&str> = rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["step", "486", "timeout", "note", "step"]);
        assert_eq!((rows[0].value.as_str(), rows[4].value.as_str()), ("32: refused", "16: carried"));
    }

    #[test]
    fn nothing_to_say_is_said() {
        let mut progress = samples::progress(42);
        progress.allocations.errors = Errors::default();
        assert_eq!(errors(&progress, &[], &[]), [row("none", String::new(), Tone::Good)]);
    }

    #[test]
    fn packets_that_come_late_do_not_pull_the_curve_of_loss_below_zero() {
        let mut progress = samples::progress(42);
        progress.last.media.lost_pct = Some(-0.5);
        assert_eq!(point(&progress).lost_pct, Some(0.0));
    }
}
