//! One JSON object per line: for streams of rows into other tools.
//!
//! In: a snapshot. Out: each row of the report with its kind under `row`. Never: a line that needs another one to be read,
//! more than one row in memory, a row left out in silence.

use super::json;
use crate::model::snapshot::Snapshot;
use serde_json::{Map, Value};
use std::io;

/// Writes all rows, in the report's order.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    json::each_row(snapshot, &mut |kind, row| line(kind, row, out))
}

fn line(kind: &'static str, row: Value, out: &mut dyn io::Write) -> io::Result<()> {
    let Value::Object(fields) = row else {
        return Err(io::Error::other(format!("a row of kind {kind} has no fields")));
    };
    let mut line = Map::new();
    line.insert("row".to_owned(), Value::from(kind));
    line.extend(fields);
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::{CaptureSummary, ClassCounts};
    use std::collections::BTreeMap;

    fn nothing() -> Snapshot {
        Snapshot {
            capture: CaptureSummary::default(),
            packets: ClassCounts::default(),
            other: BTreeMap::new(),
            flows: Vec::new(),
            streams: Vec::new(),
            bandwidth: None,
            rtcp: Vec::new(),
            transactions: Vec::new(),
            pairs: Vec::new(),
            allocations: Vec::new(),
            handshakes: Vec::new(),
            sessions: Vec::new(),
            icmp: Vec::new(),
            signals: Vec::new(),
            signals_not_kept: 0,
            findings: Vec::new(),
        }
    }

    #[test]
    fn behind_a_row_that_nobody_takes_no_other_is_made() {
        let mut kinds = Vec::new();
        let full = json::each_row(&nothing(), &mut |kind, _| {
            kinds.push(kind);
            if kind == "packets" { Err(io::Error::other("full")) } else { Ok(()) }
        });
        assert_eq!(kinds, ["report", "capture", "packets"]);
        assert_eq!(full.unwrap_err().to_string(), "full");
    }

    #[test]
    fn a_row_without_fields_is_an_error_and_not_a_line_less() {
        let mut out = Vec::new();
        assert!(line("flow", Value::Null, &mut out).is_err());
        line("flow", serde_json::json!({"id": "f1"}), &mut out).unwrap();
        assert_eq!(out, b"{\"id\":\"f1\",\"row\":\"flow\"}\n");
    }
}
