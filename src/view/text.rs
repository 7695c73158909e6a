//! The report for a person.
use crate::model::snapshot::Snapshot;
use std::io;

/// Writes it.
pub fn write(_: &Snapshot, _: &mut dyn io::Write) -> io::Result<()> {
    Ok(())
}
