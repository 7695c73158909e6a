//! The word `check`: captures against a file of expectations.
//!
//! In: what was typed. Out: verdicts, or a first file of expectations; the exit code. Never: a capture read before the
//! expectations are known to be right.

use super::args::{CheckArguments, VerdictFormat};
use super::config::Reading;
use super::examine::{Examined, FAILED, INPUT, USAGE, examine};
use super::output::{self, note};
use super::run::fail;
use crate::check::{Expectations, Outcome, first_file, judge};
use crate::view::{json, verdicts};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn check(arguments: CheckArguments) -> ExitCode {
    let CheckArguments { input, expect, write, format, color, output } = arguments;
    let source = input.read.iter().chain(&input.files).map(|path| path.display().to_string()).collect::<Vec<_>>();
    let reading = match Reading::of(input) {
        Ok(reading) => reading,
        Err(message) => return fail(USAGE, &message),
    };
    if write {
        return write_first(&reading, &source.join(" "), expect.as_deref());
    }
    let Some(file) = expect else { return fail(USAGE, "--expect is missing") };
    let expectations = match read(&file) {
        Ok(expectations) => expectations,
        Err(code) => return code,
    };
    let (examined, report) = match examined(&reading) {
        Ok(examined) => examined,
        Err(code) => return code,
    };
    let judged = judge(&expectations, &report);
    let name = file.display().to_string();
    let written = output::to(output.as_deref(), &mut |out, terminal| match format {
        VerdictFormat::Text => verdicts::text(&judged, &name, &output::style(terminal, color, true), out),
        VerdictFormat::Junit => verdicts::junit(&judged, &name, out),
    });
    if let Err(error) = written {
        return fail(INPUT, &format!("the verdicts could not be written: {error}"));
    }
    if judged.iter().any(|verdict| matches!(verdict.outcome, Outcome::Failed(_))) {
        return ExitCode::from(FAILED);
    }
    examined.exit_code(&reading)
}

fn examined(reading: &Reading) -> Result<(Examined, Value), ExitCode> {
    let examined = examine(reading)?;
    let report = json::value(&examined.snapshot)
        .map_err(|error| fail(INPUT, &format!("the report could not be made: {error}")))?;
    Ok((examined, report))
}

fn read(file: &Path) -> Result<Expectations, ExitCode> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| fail(USAGE, &format!("{name}: {error}")))?;
    Expectations::parse(&text).map_err(|errors| {
        errors.iter().for_each(|error| note(&format!("{name}:{error}")));
        ExitCode::from(USAGE)
    })
}

/// A file that somebody has written is never written over.
fn write_first(reading: &Reading, source: &str, file: Option<&Path>) -> ExitCode {
    if let Some(file) = file.filter(|file| file.exists()) {
        return fail(USAGE, &format!("{}: is there already; --write makes new files only", file.display()));
    }
    let (examined, report) = match examined(reading) {
        Ok(examined) => examined,
        Err(code) => return code,
    };
    let text = first_file(&report, source);
    let written = match file {
        Some(file) => OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes())),
        None => output::to(None, &mut |out, _| out.write_all(text.as_bytes())),
    };
    match written {
        Ok(()) => examined.exit_code(reading),
        Err(error) => fail(INPUT, &format!("the file could not be written: {error}")),
    }
}
