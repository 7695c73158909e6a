//! Where data and notes go.
//!
//! In: a snapshot and how to write it. Out: bytes on standard output or in a file. Never: an error for a closed pipe.

use super::args::{Color, Format};
use super::config::Config;
use crate::model::snapshot::Snapshot;
use crate::view::{csv, json, ndjson, text};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Columns where neither a terminal nor COLUMNS tells.
const DEFAULT_WIDTH: usize = 120;

/// Writes the report. A reader that has gone away has seen what it wanted.
pub(super) fn report(snapshot: &Snapshot, config: &Config) -> io::Result<()> {
    match &config.output {
        Some(path) => to(&mut BufWriter::new(File::create(path)?), snapshot, config, false),
        None => match to(&mut BufWriter::new(io::stdout().lock()), snapshot, config, io::stdout().is_terminal()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        },
    }
}

fn to(out: &mut dyn Write, snapshot: &Snapshot, config: &Config, terminal: bool) -> io::Result<()> {
    match config.format {
        Format::Json => json::write(snapshot, terminal, out)?,
        Format::Ndjson => ndjson::write(snapshot, out)?,
        Format::Csv => csv::write(snapshot, out)?,
        Format::Text => {
            let color = match config.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            };
            let style =
                text::Style { width: Some(width(terminal)).filter(|width| *width > 0), color, full: config.full };
            text::write(snapshot, &style, out)?;
        }
    }
    out.flush()
}

/// The terminal's width; for a pipe or file COLUMNS, of which 0 sets no limit.
fn width(terminal: bool) -> usize {
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    let told = if terminal { size().or_else(columns) } else { columns() };
    told.unwrap_or(DEFAULT_WIDTH)
}

/// A note or an error for the person at the terminal.
#[expect(clippy::print_stderr, reason = "standard error is where diagnostics go, and this is the one place for them")]
pub(super) fn note(message: &str) {
    eprintln!("rtcscope: {message}");
}
