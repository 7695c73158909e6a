//! The word `ladder`: what happened, as a sequence diagram.
//!
//! In: what was typed. Out: the drawing; the exit code. Never: a width that nobody has.

use super::args::LadderArguments;
use super::config::Reading;
use super::examine::{INPUT, USAGE, examine};
use super::output;
use super::run::fail;
use crate::model::snapshot::Ladder;
use crate::view::{ladder as drawn, text};
use std::io::IsTerminal;
use std::process::ExitCode;

/// Columns where nothing tells.
const DEFAULT_WIDTH: usize = 100;
/// Fewer have no room for two hosts and a word.
const LEAST_WIDTH: usize = 60;

pub(super) fn ladder(arguments: LadderArguments) -> ExitCode {
    let LadderArguments { input, session, width, ascii, full, color, output: file } = arguments;
    let reading = match Reading::of(input) {
        Ok(reading) => reading,
        Err(message) => return fail(USAGE, &message),
    };
    if width.is_some_and(|width| width < LEAST_WIDTH) {
        return fail(USAGE, &format!("--width: a ladder takes {LEAST_WIDTH} columns at least"));
    }
    let is_terminal = file.is_none() && std::io::stdout().is_terminal();
    let width = width.or_else(|| output::width(is_terminal)).unwrap_or(DEFAULT_WIDTH);
    // COLUMNS=0 sets no limit elsewhere; a drawing has one.
    let width = if width == 0 { DEFAULT_WIDTH } else { width.max(LEAST_WIDTH) };
    let examined = match examine(&reading) {
        Ok(examined) => examined,
        Err(code) => return code,
    };
    let ladder = match Ladder::of(&examined.snapshot, session.as_deref(), drawn::columns(width)) {
        Ok(ladder) => ladder,
        Err(unknown) => return fail(USAGE, &unknown.to_string()),
    };
    let written = output::to(file.as_deref(), &mut |out, terminal| {
        let style = text::Style { width: Some(width), ..output::style(terminal, color, full) };
        drawn::write(&ladder, &drawn::Drawing { style, ascii }, out)
    });
    match written {
        Ok(()) => examined.exit_code(&reading),
        Err(error) => fail(INPUT, &format!("the ladder could not be written: {error}")),
    }
}
