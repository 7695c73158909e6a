//! The RTP streams, the one that fared worst first.
//!
//! In: streams. Out: a table; below a stream with losses how they were spread. Never: tshark's figures.

use super::figures::{UNKNOWN, count, decimal, kbps, plural};
use super::index::Index;
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{ClockSource, Snapshot, StreamRow};
use crate::time::NANOS_PER_SEC;
use std::io;

/// Lengths of loss runs that are listed, unless all are wanted.
const RUNS: usize = 6;

const COLUMNS: [Column; 22] = [
    Column::left("id", 0),
    Column::left("flow", 0),
    Column::address("from", 16),
    Column::address("to", 16),
    Column::address("TURN peer", 15).least(15),
    Column::left("SSRC", 0),
    Column::left("", 14).named("RTP or SRTP"),
    Column::left("kind", 0),
    Column::left("codec", 1).least(5),
    Column::right("clock", 6),
    Column::right("packets", 0),
    Column::right("lost", 3),
    Column::right("lost %", 0),
    Column::right("dup", 11),
    Column::right("reord", 12),
    Column::right("mean", 8).group("jitter ms"),
    Column::right("p95", 0).group("jitter ms"),
    Column::right("max", 9).group("jitter ms"),
    Column::right("gap ms", 5),
    Column::right("mean", 0).group("kbit/s"),
    Column::right("max 1s", 10).group("kbit/s"),
    Column::left("remarks", 13).least(12),
];

pub(super) fn write(snapshot: &Snapshot, index: &Index<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let streams = snapshot.worst_first();
    if streams.is_empty() {
        return Ok(());
    }
    let order = if streams.len() > 1 { "; worst first" } else { "" };
    page.section("Media streams", &format!("{}{order}", plural(streams.len() as u64, "stream", "streams")))?;
    let shown = page.shown(streams.len());
    let runs = page.shown_of(usize::MAX, RUNS);
    table(&streams[..shown.min(streams.len())], index, runs).write(page)?;
    page.more(streams.len(), shown)?;
    if streams.iter().take(shown).any(|row| row.figures.timing.clock.source == ClockSource::Inferred) {
        page.line(&[Cell::new("  ~ clock inferred from timestamps and arrivals", Ink::Faint)])?;
    }
    Ok(())
}

/// Those streams, with at most so many lengths of loss runs below each.
pub(in crate::view) fn table(streams: &[&StreamRow], index: &Index<'_>, runs: usize) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in streams {
        stream(&mut table, index, row);
        table.note(faults(row));
        table.note(losses(row, runs));
    }
    table
}

fn stream(table: &mut Table, index: &Index<'_>, row: &StreamRow) {
    let figures = &row.figures;
    let sequence = &figures.sequence;
    let lost_pct = row.loss().lost_pct;
    let loss_ink = loss_ink(lost_pct);
    let jitter = figures.timing.jitter.as_ref();
    // A burst of some packets within milliseconds has a mean that no second of it ever had.
    let lasts_a_second = figures.last_ts.nanos_since(figures.first_ts) >= NANOS_PER_SEC;
    let milliseconds = |value: Option<f64>| Cell::plain(decimal(value, 2));
    let doubtful = |number: u64| Cell::new(count(number), if number > 0 { Ink::Doubtful } else { Ink::Plain });
    table.row(vec![
        Cell::new(&row.id, Ink::Strong),
        index.direction(&row.flow, row.src),
        Cell::plain(row.src.to_string()),
        Cell::plain(row.dst.to_string()),
        Cell::plain(row.peer.map(|peer| peer.text()).unwrap_or_default()),
        Cell::plain(format!("0x{:08x}", row.ssrc)),
        Cell::plain(if row.encrypted { "SRTP" } else { "RTP" }),
        Cell::plain(row.kind.map_or(UNKNOWN, |kind| kind.name())),
        Cell::plain(codec(row)),
        Cell::plain(clock(row)),
        Cell::plain(count(figures.packets)),
        Cell::new(count(sequence.lost), loss_ink),
        Cell::new(decimal(lost_pct, 2), loss_ink),
        doubtful(sequence.duplicates),
        doubtful(sequence.reordered),
        milliseconds(jitter.map(|jitter| jitter.mean)),
        milliseconds(jitter.map(|jitter| jitter.p95)),
        milliseconds(jitter.map(|jitter| jitter.max)),
        Cell::plain(decimal(figures.delta.map(|delta| delta.max), 1)),
        Cell::plain(kbps(figures.mean_bps.filter(|_| lasts_a_second))),
        Cell::plain(kbps((figures.max_1s_bps > 0).then_some(figures.max_1s_bps as f64))),
        Cell::plain(remarks(row)),
    ]);
}

/// Five percent is where interactive media falls apart whatever the codec does.
pub(in crate::view) fn loss_ink(lost_pct: Option<f64>) -> Ink {
    match lost_pct {
        Some(pct) if pct >= 5.0 => Ink::Bad,
        Some(pct) if pct > 0.0 => Ink::Doubtful,
        _ => Ink::Plain,
    }
}

/// The encoding name, else the payload types.
pub(in crate::view) fn codec(row: &StreamRow) -> String {
    let types = &row.figures.payload_types;
    let listed = || types.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    row.codec.clone().unwrap_or_else(|| format!("PT{}", listed()))
}

fn clock(row: &StreamRow) -> String {
    let clock = row.figures.timing.clock;
    let mark = if clock.source == ClockSource::Inferred { "~" } else { "" };
    clock.rate.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate}{mark}"))
}

fn remarks(row: &StreamRow) -> String {
    let mut remarks = Vec::new();
    remarks.extend(row.rtx_of.map(|repeated| format!("repeats 0x{repeated:08x}")));
    remarks.extend(row.in_red.then(|| "in RED".to_owned()));
    remarks.extend(row.mid.as_ref().map(|mid| format!("mid {mid}")));
    remarks.extend(row.cname.as_ref().filter(|cname| !cname.is_empty()).map(|cname| format!("cname {cname}")));
    remarks.extend(row.via.name().filter(|_| row.peer.is_none()).map(str::to_owned));
    remarks.join(", ")
}

/// What makes the figures above doubtful.
fn faults(row: &StreamRow) -> Vec<Cell> {
    let figures = &row.figures;
    let sequence = &figures.sequence;
    let mut items = Vec::new();
    let mut say = |happened: bool, text: String| {
        if happened {
            items.push(Cell::new(text, Ink::Doubtful));
        }
    };
    let restarts = sequence.segments.saturating_sub(1);
    say(
        restarts > 0,
        format!("{} segments: numbering restarted {}", sequence.segments, plural(restarts, "time", "times")),
    );
    say(sequence.misordered > 0, format!("{} far out of sequence", plural(sequence.misordered, "packet", "packets")));
    say(
        sequence.reordered > 0,
        format!("{} reordered, by up to {}", count(sequence.reordered), count(sequence.max_reorder_distance)),
    );
    say(sequence.duplicates > 0, format!("{} came twice", plural(sequence.duplicates, "packet", "packets")));
    say(
        figures.copies.packets > 0,
        format!("{} made by the capture not counted", plural(figures.copies.packets, "copy", "copies")),
    );
    items
}

/// How losses were spread: short runs are congestion or radio, long ones an outage.
fn losses(row: &StreamRow, most: usize) -> Vec<Cell> {
    let sequence = &row.figures.sequence;
    let Some((longest, _)) = sequence.loss_runs.last_key_value().filter(|_| sequence.lost > 0) else {
        return Vec::new();
    };
    let mut runs: Vec<String> = sequence
        .loss_runs
        .iter()
        .take(most)
        .map(|(length, number)| format!("{} of {length}", count(*number)))
        .collect();
    if sequence.loss_runs.len() > most {
        runs.push(format!("…, the longest of {}", count(u64::from(*longest))));
    }
    let mut items = vec![Cell::plain(format!("loss runs: {}", runs.join(", ")))];
    let loss = row.loss();
    if sequence.bursts > 0 {
        items.push(Cell::plain(format!(
            "{} of {} ms with {} % lost",
            plural(sequence.bursts, "burst", "bursts"),
            decimal(loss.burst_duration_ms, 0),
            decimal(loss.burst_density_pct, 1)
        )));
        items.push(Cell::plain(format!("between them {} % lost", decimal(loss.gap_density_pct, 2))));
    }
    items
}
