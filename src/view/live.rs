//! A live capture, second by second.
//!
//! In: what a second brought. Out: a line for a person, or JSON lines. Never: a figure that is not in it, a
//! control character of the capture.

use super::json;
use super::text::{bytes, count, decimal, visible};
use crate::model::snapshot::{Class, ClassCounts, Finding, FrameNo, Snapshot, utc_date};
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::io::{self, Write};

/// What a second brought, or however long it was since the last look.
#[derive(Debug)]
pub struct Second<'s> {
    /// The latest time of any packet; where none came, that of the last second and as much as went by since.
    pub ts: Option<Timestamp>,
    /// How long it was.
    pub seconds: f64,
    /// Packets that came.
    pub packets: u64,
    /// Their length on the wire.
    pub bytes: u64,
    /// Packets that the capturing machine dropped meanwhile; none where it does not say.
    pub dropped: Option<u64>,
    /// Packets since the beginning.
    pub packets_total: u64,
    /// The same of those that were dropped.
    pub dropped_total: Option<u64>,
    /// Packets by class that came.
    pub classes: ClassCounts,
    /// RTP streams since the beginning.
    pub streams: usize,
    /// Sessions since the beginning.
    pub sessions: usize,
    /// The stream of those that run that lost most, and percent.
    pub worst: Option<(&'s str, f64)>,
    /// Findings that are new.
    pub findings: Vec<&'s Finding>,
}

impl Second<'_> {
    fn per_second(&self, number: u64) -> f64 {
        if self.seconds > 0.0 { number as f64 / self.seconds } else { 0.0 }
    }
}

/// A line for the second, and one for each finding.
pub fn lines(second: &Second<'_>) -> Vec<String> {
    let clock = second.ts.map(|ts| utc_date(ts.seconds()));
    let clock = clock.as_deref().and_then(|date| date.get(11..19)).unwrap_or("--:--:--").to_owned();
    let mut parts = vec![
        format!("{clock}  {} packets/s", decimal(Some(second.per_second(second.packets)), 0)),
        format!("{}/s", bytes(second.per_second(second.bytes) as u64)),
    ];
    if let Some(dropped) = second.dropped {
        parts.push(format!("{} dropped", count(dropped)));
    }
    let classes: Vec<String> =
        classes(&second.classes).map(|(class, number)| format!("{class} {}", count(number))).collect();
    if !classes.is_empty() {
        parts.push(classes.join(" "));
    }
    if second.streams > 0 {
        parts.push(format!(
            "{} {}",
            count(second.streams as u64),
            if second.streams == 1 { "stream" } else { "streams" }
        ));
    }
    if let Some((id, lost)) = second.worst {
        parts.push(format!("worst loss {} % {id}", decimal(Some(lost), 2)));
    }
    let found = second.findings.iter().map(|finding| {
        let frames: Vec<String> = finding.frames.iter().map(FrameNo::to_string).collect();
        let place = if frames.is_empty() { String::new() } else { format!(" (frames {})", frames.join(", ")) };
        {
            let (severity, code) = (finding.severity.name(), finding.code);
            format!("{clock}  {severity} {code}: {}{place}", visible(&finding.summary))
        }
    });
    [parts.join(" · ")].into_iter().chain(found).collect()
}

/// A JSON object of kind `second`, and one of kind `finding` for each.
///
/// # Errors
/// Those of the writer.
pub fn ndjson(second: &Second<'_>, out: &mut dyn Write) -> io::Result<()> {
    let number = |value: f64| Value::from((value * 1000.0).round() / 1000.0);
    let classes: Map<String, Value> =
        classes(&second.classes).map(|(class, number)| (class.to_owned(), Value::from(number))).collect();
    let worst = second
        .worst
        .map(|(id, lost)| Map::from_iter([("id".to_owned(), Value::from(id)), ("lost_pct".to_owned(), number(lost))]));
    let ts = || [("ts".to_owned(), second.ts.map_or(Value::Null, |ts| Value::from(ts.to_string())))];
    let fields = [
        ("seconds", number(second.seconds)),
        ("packets", Value::from(second.packets)),
        ("bytes", Value::from(second.bytes)),
        ("dropped", Value::from(second.dropped)),
        ("packets_total", Value::from(second.packets_total)),
        ("dropped_total", Value::from(second.dropped_total)),
        ("classes", Value::from(classes)),
        ("streams", Value::from(second.streams)),
        ("sessions", Value::from(second.sessions)),
        ("worst_stream", worst.map_or(Value::Null, Value::from)),
    ];
    line("second", ts().into_iter().chain(fields.map(|(key, value)| (key.to_owned(), value))), out)?;
    for finding in &second.findings {
        let Value::Object(fields) = json::finding(finding)? else { continue };
        line("finding", ts().into_iter().chain(fields), out)?;
    }
    out.flush()
}

/// The whole report as one object of kind `report`: the last line.
///
/// # Errors
/// Those of the writer.
pub fn report(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    if let Value::Object(fields) = json::value(snapshot)? {
        line("report", fields, out)?;
    }
    out.flush()
}

fn line(kind: &str, fields: impl IntoIterator<Item = (String, Value)>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Map::from_iter([("row".to_owned(), Value::from(kind))]);
    line.extend(fields);
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Classes that came, with the names of the report.
fn classes(classes: &ClassCounts) -> impl Iterator<Item = (&'static str, u64)> {
    classes.iter().filter(|(_, number)| *number > 0).map(|(class, number): (Class, u64)| (class.name(), number))
}
