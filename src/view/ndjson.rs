//! One JSON object per line: for streams of rows into other tools.
//!
//! In: a snapshot. Out: each row of the report with its kind under `row`. Never: a line that needs another one to be read.

use super::json;
use crate::model::snapshot::Snapshot;
use serde_json::Value;
use std::io;

/// Writes all rows, in the report's order.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    for (kind, rows) in json::rows(snapshot) {
        for row in rows {
            let Value::Object(fields) = row else { continue };
            let mut line = serde_json::Map::new();
            line.insert("row".to_owned(), Value::from(kind));
            line.extend(fields);
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}
