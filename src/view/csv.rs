//! The RTP streams as a table for spreadsheets (RFC 4180).
//!
//! In: a snapshot. Out: a head and one record per stream; a field is empty where the value is unknown.
//! Never: a number with a unit in it.

use crate::model::snapshot::{Snapshot, StreamRow, clock_source_name};
use std::io;

type Column = (&'static str, fn(&StreamRow) -> String);

const COLUMNS: &[Column] = &[
    ("id", |row| row.id.clone()),
    ("src", |row| row.src.to_string()),
    ("dst", |row| row.dst.to_string()),
    ("path", |row| row.path().join("/")),
    ("peer", |row| row.peer.map(|peer| peer.text()).unwrap_or_default()),
    ("ssrc", |row| format!("0x{:08x}", row.ssrc)),
    ("encrypted", |row| row.encrypted.to_string()),
    ("kind", |row| row.kind.map(|kind| kind.name().to_owned()).unwrap_or_default()),
    ("codec", |row| row.codec.clone().unwrap_or_default()),
    ("payload_types", |row| row.figures.payload_types.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")),
    ("clock_rate", |row| optional(row.figures.timing.clock.rate)),
    ("clock_source", |row| clock_source_name(row.figures.timing.clock.source).to_owned()),
    ("first_ts", |row| row.figures.first_ts.to_string()),
    ("last_ts", |row| row.figures.last_ts.to_string()),
    ("first_frame", |row| row.figures.first_frame.to_string()),
    ("packets", |row| row.figures.packets.to_string()),
    ("bytes", |row| row.figures.bytes.to_string()),
    ("expected", |row| row.figures.sequence.expected.to_string()),
    ("lost", |row| row.figures.sequence.lost.to_string()),
    ("lost_pct", |row| number(row.loss().lost_pct)),
    ("duplicates", |row| row.figures.sequence.duplicates.to_string()),
    ("reordered", |row| row.figures.sequence.reordered.to_string()),
    ("jitter_mean_ms", |row| number(row.figures.timing.jitter.map(|jitter| jitter.mean))),
    ("jitter_max_ms", |row| number(row.figures.timing.jitter.map(|jitter| jitter.max))),
    ("jitter_p95_ms", |row| number(row.figures.timing.jitter.map(|jitter| jitter.p95))),
    ("delta_mean_ms", |row| number(row.figures.delta.map(|delta| delta.mean))),
    ("delta_max_ms", |row| number(row.figures.delta.map(|delta| delta.max))),
    ("bitrate_bps", |row| number(row.figures.mean_bps)),
    ("bitrate_max_1s_bps", |row| row.figures.max_1s_bps.to_string()),
    ("flow", |row| row.flow.clone()),
    ("mid", |row| row.mid.clone().unwrap_or_default()),
    ("cname", |row| row.cname.clone().unwrap_or_default()),
    ("rtx_of", |row| row.rtx_of.map(|ssrc| format!("0x{ssrc:08x}")).unwrap_or_default()),
    ("segments", |row| row.figures.sequence.segments.to_string()),
    ("misordered", |row| row.figures.sequence.misordered.to_string()),
];

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn number(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.6}")).unwrap_or_default()
}

/// Writes the table.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS.iter().map(|(head, _)| *head))?;
    for row in &snapshot.streams {
        table.write_record(COLUMNS.iter().map(|(_, cell)| cell(row)))?;
    }
    table.flush()
}
