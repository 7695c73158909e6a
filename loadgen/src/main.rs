//! The turnload program.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use turnload::args::Arguments;
use turnload::config::Request;

/// A request that cannot be fulfilled.
const USAGE: u8 = turnload::result::EXIT_USAGE;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is none either.
            let code = if error.use_stderr() { USAGE } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match Request::of(arguments, &|name| std::env::var_os(name)) {
        Ok(request) => ExitCode::from(turnload::run::run(request)),
        Err(error) => {
            // Nobody is left to be told where standard error is closed.
            drop(writeln!(std::io::stderr(), "turnload: {error}"));
            ExitCode::from(USAGE)
        }
    }
}
