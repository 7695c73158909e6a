//! The report for a person.
use crate::model::snapshot::Snapshot;
use std::io;

/// How to write it.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the terminal; none where the output is no terminal.
    pub width: Option<usize>,
    /// ANSI colours.
    pub color: bool,
    /// Every row of every table.
    pub full: bool,
}

/// Writes it.
///
/// # Errors
/// Those of the writer.
pub fn write(_: &Snapshot, _: &Style, _: &mut dyn io::Write) -> io::Result<()> {
    Ok(())
}
