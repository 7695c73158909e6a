//! The word `diff`: two captures against each other.
//!
//! In: what was typed. Out: the comparison; the exit code. Never: a capture whose packets could not be read twice.

use super::args::{DiffArguments, DiffFormat, DiffMode, InputArguments};
use super::config::Reading;
use super::examine::{FAILED, INPUT, USAGE, examine, sightings};
use super::output;
use super::run::fail;
use crate::compare::{Decision, Mode, Path, Runs, Side, decide, path, runs};
use crate::model::sightings::Sightings;
use crate::view::diff as drawn;
use crate::view::json;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn diff(arguments: DiffArguments) -> ExitCode {
    match compared(arguments) {
        Ok(code) | Err(code) => code,
    }
}

/// One of the captures, read.
struct Read {
    name: String,
    report: Value,
    sightings: Sightings,
    is_refused: bool,
}

impl Read {
    fn side(&self) -> Side<'_> {
        Side { sightings: &self.sightings, report: &self.report }
    }
}

enum Comparison {
    Path(Path),
    Runs(Runs),
}

fn compared(arguments: DiffArguments) -> Result<ExitCode, ExitCode> {
    let DiffArguments { a, b, selection, mode, fail_on_worse, format, full, color, output: file } = arguments;
    let read = |path: PathBuf| -> Result<Read, ExitCode> {
        let name = path.display().to_string();
        if name == "-" {
            return Err(fail(USAGE, "diff reads its captures twice, and standard input can be read once"));
        }
        let input = InputArguments { files: vec![path], read: Vec::new(), selection: selection.clone() };
        let reading = Reading::of(input).map_err(|message| fail(USAGE, &message))?;
        let examined = examine(&reading)?;
        let report = json::value(&examined.snapshot)
            .map_err(|error| fail(INPUT, &format!("the report could not be made: {error}")))?;
        let sightings = if mode == Some(DiffMode::Runs) { Sightings::default() } else { sightings(&reading)? };
        Ok(Read { name, report, sightings, is_refused: examined.is_damaged && reading.strict })
    };
    let (a, b) = (read(a)?, read(b)?);
    let asked = |mode| Decision { mode, why: "as asked".to_owned() };
    let decision = match mode {
        Some(DiffMode::Path) => asked(Mode::Path),
        Some(DiffMode::Runs) => asked(Mode::Runs),
        None => decide(&a.sightings, &b.sightings),
    };
    let comparison = match decision.mode {
        Mode::Path => Comparison::Path(path(&a.side(), &b.side())),
        Mode::Runs => Comparison::Runs(runs(&a.report, &b.report)),
    };
    let subject = drawn::Subject { a: &a.name, b: &b.name, decision: &decision };
    let (outcome, is_worse) = match &comparison {
        Comparison::Path(path) => (drawn::Outcome::Path(path), path.faults() != (0, 0)),
        Comparison::Runs(runs) => (drawn::Outcome::Runs(runs), runs.worse > 0),
    };
    let written = output::to(file.as_deref(), &mut |out, terminal| match format {
        DiffFormat::Text => drawn::text(&subject, &outcome, &output::style(terminal, color, full), out),
        DiffFormat::Json => drawn::json(&subject, &outcome, terminal, out),
    });
    if let Err(error) = written {
        return Err(fail(INPUT, &format!("the comparison could not be written: {error}")));
    }
    if is_worse && fail_on_worse {
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::from(if a.is_refused || b.is_refused { INPUT } else { 0 }))
}
