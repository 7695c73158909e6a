//! The words of the command line, each to what does it.
//!
//! In: the process' arguments. Out: its exit code. Never: a panic for bad input.

use super::args::{AnalyzeArguments, Arguments, Command, Format};
use super::check::check;
use super::config::Reading;
use super::diff::diff;
use super::examine::{INPUT, USAGE, examine};
use super::ladder::ladder;
use super::output::{self, note};
use super::tui::tui;
use crate::view::explain;
use clap::{CommandFactory, Parser};
use std::io::{self, Write};
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is none either.
            let code = if error.use_stderr() { USAGE } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match arguments.command {
        None => analyze(arguments.analyze),
        Some(Command::Analyze(arguments)) => analyze(*arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Live(arguments)) => super::live::live(*arguments),
        Some(Command::Check(arguments)) => check(*arguments),
        Some(Command::Ladder(arguments)) => ladder(*arguments),
        Some(Command::Diff(arguments)) => diff(*arguments),
        Some(Command::Tui(arguments)) => tui(*arguments),
        Some(Command::Explain { code }) => explain(code.as_deref()),
        Some(Command::Completions { shell }) => print(|out| {
            clap_complete::generate(shell, &mut Arguments::command(), "rtcscope", out);
            Ok(())
        }),
        Some(Command::Man) => print(|out| clap_mangen::Man::new(Arguments::command()).render(out)),
    }
}

fn print(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> ExitCode {
    let mut page = Vec::new();
    let result = render(&mut page).and_then(|()| io::stdout().write_all(&page));
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(INPUT, &error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn explain(code: Option<&str>) -> ExitCode {
    let page = match code {
        None => Some(explain::list()),
        Some(code) => explain::page(code),
    };
    if let Some(page) = page {
        return print(|out| out.write_all(page.as_bytes()));
    }
    let code = code.unwrap_or_default();
    let hint = match explain::near(code).as_slice() {
        [] => "`rtcscope explain` lists all".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    fail(USAGE, &format!("there is no finding {code:?}; {hint}"))
}

pub(super) fn fail(code: u8, message: &str) -> ExitCode {
    note(message);
    ExitCode::from(code)
}

fn analyze(arguments: AnalyzeArguments) -> ExitCode {
    let AnalyzeArguments { input, format, full, color, output } = arguments;
    let reading = match Reading::of(input) {
        Ok(reading) => reading,
        Err(message) => return fail(USAGE, &message),
    };
    let examined = match examine(&reading) {
        Ok(examined) => examined,
        Err(code) => return code,
    };
    if !reading.quiet && format == Format::Csv && examined.snapshot.streams.is_empty() {
        note("no RTP stream to list; csv has rows for nothing else");
    }
    let written = output::to(output.as_deref(), &mut |out, terminal| {
        output::report(&examined.snapshot, format, &output::style(terminal, color, full), terminal, out)
    });
    if let Err(error) = written {
        return fail(INPUT, &format!("the report could not be written: {error}"));
    }
    let code = examined.exit_code(&reading);
    // The process ends: to give all of it back piece by piece first would be work for nobody.
    std::mem::forget(examined);
    code
}
