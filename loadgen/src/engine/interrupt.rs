//! The user wants it to end.
//!
//! In: SIGINT, SIGTERM, and SIGHUP of a terminal that is closed. Out: how often since the last look, once or more. Never:
//! anything done inside of a handler; a run ended by the terminal from which it was detached.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Catches the signals from its making on, for the rest of the process.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn catch() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let hangup = (!is_detached()).then_some(SIGHUP);
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal came since this was asked last.
    pub(crate) fn came(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

/// Whoever started this with nohup wants it to outlive the terminal: SIGHUP is ignored then.
fn is_detached() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, SIGHUP)
}

/// What `/proc/self/status` says of a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_started_with_nohup_is_told_by_the_signals_that_it_ignores() {
        let status = |mask: &str| format!("Name:\tturnload\nSigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert!(ignores(&status("0000000000001001"), SIGHUP));
        assert!(!ignores(&status("0000000000001000"), SIGHUP));
        assert!(!ignores(&status("what"), SIGHUP) && !ignores("", SIGHUP));
    }
}
