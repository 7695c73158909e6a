//! The built program, run from outside.
//!
//! In: arguments and bytes for stdin. Out: exit code, stdout, stderr. Never: longer than the limit.

use crate::files::root;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often a run is looked at, while it lasts.
const POLL: Duration = Duration::from_millis(2);

/// The program under test.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    limit: Duration,
    address_space_kib: Option<u64>,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` where a signal or the time limit ended it.
    pub code: Option<i32>,
    /// True where the time limit ended it.
    pub timed_out: bool,
    /// Its data.
    pub stdout: Vec<u8>,
    /// Its diagnostics.
    pub stderr: String,
}

impl Program {
    /// The program at `path`, with a limit of one minute and no limit of memory.
    pub fn new(path: &str) -> Self {
        Self { path: path.into(), limit: Duration::from_secs(60), address_space_kib: None }
    }

    /// The same with another limit of time and at most `address_space_kib` KiB of address space (`ulimit -v`).
    #[must_use]
    pub fn confined(mut self, limit: Duration, address_space_kib: u64) -> Self {
        self.limit = limit;
        self.address_space_kib = Some(address_space_kib);
        self
    }

    /// A command with the limit of memory in force, for what [`Program::run`] cannot express.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = match self.address_space_kib {
            None => Command::new(&self.path),
            Some(kib) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("ulimit -v {kib}; exec \"$0\" \"$@\"")).arg(&self.path);
                shell
            }
        };
        command.args(arguments).current_dir(root()).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs it with nothing on stdin.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        self.run_with_stdin(arguments, Vec::new())
    }

    /// Runs it with `input` on stdin.
    pub fn run_with_stdin<S: AsRef<OsStr>>(&self, arguments: &[S], input: Vec<u8>) -> Run {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let writer = thread::spawn(move || {
            // A program that does not read its stdin closes it; that is its right.
            let _ = stdin.write_all(&input);
        });
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let (code, timed_out) = self.wait(&mut child);
        writer.join().expect("the writer ends with the program");
        Run {
            code,
            timed_out,
            stdout: stdout.join().expect("stdout was read"),
            stderr: String::from_utf8_lossy(&stderr.join().expect("stderr was read")).into_owned(),
        }
    }

    fn wait(&self, child: &mut Child) -> (Option<i32>, bool) {
        let mut left = self.limit.as_millis() / POLL.as_millis();
        loop {
            if let Some(status) = child.try_wait().expect("the program can be waited for") {
                return (status.code(), false);
            }
            if left == 0 {
                child.kill().expect("the program can be ended");
                child.wait().expect("the program can be waited for");
                return (None, true);
            }
            left -= 1;
            thread::sleep(POLL);
        }
    }

    /// `analyze FILE --format json` and `more`, which must succeed, as the bytes that were printed.
    pub fn report_bytes(&self, file: &Path, more: &[&str]) -> Result<Vec<u8>, String> {
        let mut arguments: Vec<OsString> = vec!["analyze".into(), file.into(), "--format".into(), "json".into()];
        arguments.extend(more.iter().map(OsString::from));
        let run = self.run(&arguments);
        if run.timed_out {
            return Err(format!("{}: not done after {} s", file.display(), self.limit.as_secs()));
        }
        match run.code {
            Some(0) => Ok(run.stdout),
            code => Err(format!("{}: exit code {code:?}: {}", file.display(), run.stderr.trim())),
        }
    }

    /// The same, parsed.
    pub fn report(&self, file: &Path, more: &[&str]) -> Result<Value, String> {
        let bytes = self.report_bytes(file, more)?;
        serde_json::from_slice(&bytes).map_err(|error| format!("{}: no JSON: {error}", file.display()))
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("the pipe can be read");
        all
    })
}
