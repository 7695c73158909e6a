//! Where data and notes go.
//!
//! In: a snapshot and how to write it. Out: bytes on standard output or in a file. Never: an error for a closed pipe.

use super::args::{Color, Format};
use crate::model::snapshot::Snapshot;
use crate::view::{csv, json, ndjson, text};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Columns where neither a terminal nor COLUMNS tells.
const DEFAULT_WIDTH: usize = 120;

/// Hands the file, or standard output, to `write`, and whether it is a terminal. A reader that has gone away has seen what
/// it wanted.
pub(super) fn to(file: Option<&Path>, write: &mut dyn FnMut(&mut dyn Write, bool) -> io::Result<()>) -> io::Result<()> {
    let mut flushed = |out: &mut dyn Write, terminal| {
        write(out, terminal)?;
        out.flush()
    };
    match file {
        Some(path) => flushed(&mut BufWriter::new(File::create(path)?), false),
        None => match flushed(&mut BufWriter::new(io::stdout().lock()), io::stdout().is_terminal()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        },
    }
}

/// The report in a format.
pub(super) fn report(
    snapshot: &Snapshot,
    format: Format,
    style: &text::Style,
    terminal: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => json::write(snapshot, terminal, out),
        Format::Ndjson => ndjson::write(snapshot, out),
        Format::Csv => csv::write(snapshot, out),
        Format::Text => text::write(snapshot, style, out),
    }
}

/// How text is written there.
pub(super) fn style(terminal: bool, color: Color, full: bool) -> text::Style {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let width = width(terminal).unwrap_or(DEFAULT_WIDTH);
    text::Style { width: Some(width).filter(|width| *width > 0), color, full }
}

/// The terminal's width; for a pipe or file COLUMNS, of which 0 sets no limit.
pub(super) fn width(terminal: bool) -> Option<usize> {
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    if terminal { size().or_else(columns) } else { columns() }
}

/// A note or an error for the person at the terminal.
pub(super) fn note(message: &str) {
    progress(&format!("rtcscope: {message}"));
}

/// A line of what goes on, for the same person. Where nobody reads it, or the disk is full that it is kept on, there is nobody left to
/// tell: the work goes on.
pub(super) fn progress(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
