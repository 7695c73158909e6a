//! The streams: who, what, how they fared, and their course in a line.
//!
//! In: the streams in sight. Out: a table; narrow screens keep what tells good from bad. Never: a course of a stream that is not
//! in sight.

use super::Seen;
use crate::model::snapshot::{Series, SeriesPoint, StreamRow};
use crate::time::{NANOS_PER_SEC, Timestamp};
use crate::view::text::figures::{UNKNOWN, count, decimal, kbps};
use crate::view::text::{Cell, Column, Ink, Table, media};

/// Columns of a course.
const COURSE: usize = 24;
/// Scores below these are bad, and doubtful: G.109 calls them poor and low.
const POOR: f64 = 3.1;
const LOW: f64 = 3.6;

const COLUMNS: [Column; 21] = [
    Column::left("id", 0),
    Column::left("flow", 4),
    Column::address("from", 5).least(15),
    Column::address("to", 6).least(15),
    Column::address("TURN peer", 15).least(15),
    Column::left("SSRC", 3),
    Column::left("kind", 0),
    Column::left("codec", 0).least(5),
    Column::right("packets", 2),
    Column::right("lost", 9),
    Column::right("lost %", 0),
    Column::right("mean", 14).group("jitter ms"),
    Column::right("p95", 0).group("jitter ms"),
    Column::right("max", 13).group("jitter ms"),
    Column::right("gap ms", 8),
    Column::right("RTT ms", 1),
    Column::right("MOS", 1),
    Column::right("max 1s", 12).group("kbit/s"),
    Column::right("mean", 0).group("kbit/s"),
    Column::left("over time", 7).group("kbit/s").spare(),
    Column::left("lost over time", 10).spare(),
];

pub(super) fn table(seen: &Seen<'_>, rows: &[&StreamRow]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        stream(&mut table, seen, row);
    }
    table
}

fn stream(table: &mut Table, seen: &Seen<'_>, row: &StreamRow) {
    let figures = &row.figures;
    let lost_pct = row.loss().lost_pct;
    let loss_ink = media::loss_ink(lost_pct);
    let jitter = figures.timing.jitter.as_ref();
    let lasts_a_second = figures.last_ts.nanos_since(figures.first_ts) >= NANOS_PER_SEC;
    let milliseconds = |value: Option<f64>| Cell::plain(decimal(value, 2));
    let rtt = seen.known.rtt(row.ssrc);
    let mos = row.mos(rtt);
    let course = |value: fn(&SeriesPoint) -> f64| {
        let series = row.series.as_ref().filter(|_| seen.has_course);
        series.map_or_else(String::new, |series| line(series, seen.known.span, value))
    };
    let losses = if figures.sequence.lost > 0 { course(|point| f64::from(point.lost)) } else { String::new() };
    table.row(vec![
        Cell::new(&row.id, Ink::Strong),
        seen.index().direction(&row.flow, row.src),
        Cell::plain(row.src.to_string()),
        Cell::plain(row.dst.to_string()),
        Cell::plain(row.peer.map(|peer| peer.text()).unwrap_or_default()),
        Cell::plain(format!("0x{:08x}", row.ssrc)),
        Cell::plain(row.kind.map_or(UNKNOWN, |kind| kind.name())),
        Cell::plain(media::codec(row)),
        Cell::plain(count(figures.packets)),
        Cell::new(count(figures.sequence.lost), loss_ink),
        Cell::new(decimal(lost_pct, 2), loss_ink),
        milliseconds(jitter.map(|jitter| jitter.mean)),
        milliseconds(jitter.map(|jitter| jitter.p95)),
        milliseconds(jitter.map(|jitter| jitter.max)),
        Cell::plain(decimal(figures.delta.map(|delta| delta.max), 1)),
        Cell::plain(decimal(rtt, 1)),
        Cell::new(decimal(mos, 2), mos_ink(mos)),
        Cell::plain(kbps((figures.max_1s_bps > 0).then_some(figures.max_1s_bps as f64))),
        Cell::plain(kbps(figures.mean_bps.filter(|_| lasts_a_second))),
        Cell::plain(course(|point| point.bps)),
        Cell::new(losses, Ink::Doubtful),
    ]);
}

/// What somebody would look for.
pub(super) fn words(row: &StreamRow) -> String {
    let peer = row.peer.map(|peer| peer.text()).unwrap_or_default();
    let repeats = row.rtx_of.map(|of| format!("0x{of:08x}")).unwrap_or_default();
    let kind = row.kind.map_or("", |kind| kind.name());
    let protocol = if row.encrypted { "srtp" } else { "rtp" };
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let names = [media::codec(row), named(&row.mid), named(&row.cname), row.path().join(" ")].join(" ");
    let (id, flow, src, dst) = (&row.id, &row.flow, row.src, row.dst);
    format!("{id} {flow} {src} {dst} {peer} 0x{:08x} {kind} {protocol} {repeats} {names}", row.ssrc)
}

fn mos_ink(mos: Option<f64>) -> Ink {
    match mos {
        Some(mos) if mos < POOR => Ink::Bad,
        Some(mos) if mos < LOW => Ink::Doubtful,
        _ => Ink::Plain,
    }
}

/// The highest value of each part of the capture's time, in eighths of the highest of all; blank where nothing came.
fn line(series: &Series, span: Option<(Timestamp, Timestamp)>, value: fn(&SeriesPoint) -> f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some((from, to)) = span else { return String::new() };
    let nanos = to.nanos_since(from).max(1) as f64;
    let place = |ts: Timestamp| ((ts.nanos_since(from).max(0) as f64 / nanos * COURSE as f64) as usize).min(COURSE - 1);
    let mut parts: [Option<f64>; COURSE] = [None; COURSE];
    for point in series.points().iter().filter(|point| point.packets > 0) {
        let end = point.ts.plus_nanos((series.step_seconds() * NANOS_PER_SEC as f64) as i64 - 1);
        for part in parts.iter_mut().take(place(end) + 1).skip(place(point.ts)) {
            *part = Some(part.unwrap_or(0.0).max(value(point)));
        }
    }
    let highest = parts.iter().flatten().copied().fold(0.0, f64::max);
    let block = |part: &Option<f64>| match part {
        None => ' ',
        Some(_) if highest <= 0.0 => BLOCKS[0],
        Some(part) => BLOCKS[((part / highest * 7.0).round() as usize).min(7)],
    };
    parts.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::FrameNo;

    #[test]
    fn a_course_is_blank_where_nothing_came_and_full_where_most_came() {
        let at = |seconds: i64| Timestamp::from_nanos(seconds * NANOS_PER_SEC);
        let mut series = Series::new(at(0));
        (0..10).for_each(|number| {
            series.packet(at(12 + number), FrameNo(1), if number < 5 { 100 } else { 1000 }, 0, None)
        });
        let course = line(&series, Some((at(0), at(24))), |point| point.bps);
        assert_eq!(course, format!("{}▂▂▂▂▂█████  ", " ".repeat(12)));
        assert_eq!(line(&series, None, |point| point.bps), "");
    }
}
