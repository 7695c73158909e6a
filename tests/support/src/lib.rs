//! What the tests share.
//!
//! In: the path of the built program. Out: runs of it under a limit of time and memory, its report as JSON, the
//! captures of this repository, and an optional folder of more captures.
//! Never: a judgement; the tests judge.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is linked into tests only, where a panic is the verdict"
)]

mod files;
mod pcap;
mod program;

pub use files::{Case, announce_skip, captures_under, cases, root, shared, shared_or_skip, tool_or_skip};
pub use pcap::{Record, read_pcapng, write_pcap};
pub use program::{Program, Run};
pub use serde_json::Value;

/// Runs the trials as libtest would, and leaves the process with its exit code.
pub fn conclude(trials: Vec<libtest_mimic::Trial>) -> ! {
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit()
}

/// A trial that fails with all of `check`'s complaints, one per line; none means that it passed.
pub fn trial(name: String, check: impl FnOnce() -> Vec<String> + Send + 'static) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || {
        let complaints = check();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
    })
}

/// A trial that is listed as ignored, so that what could not run stays in sight.
pub fn skipped(name: &str) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, || Ok(())).with_ignored_flag(true)
}
