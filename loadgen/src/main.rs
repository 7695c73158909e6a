//! The turnload program.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use turnload::args::Arguments;
use turnload::config::Request;

/// A request that cannot be fulfilled: wrong, or not part of this version.
const USAGE: u8 = 2;

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
    let message = match Request::of(arguments, &|name| std::env::var_os(name)) {
        Ok(request) => format!("the arguments are valid, but {} is not part of this version", request.deed()),
        Err(message) => message.to_string(),
    };
    // Nobody is left to be told where standard error is closed.
    drop(writeln!(std::io::stderr(), "turnload: {message}"));
    ExitCode::from(USAGE)
}
