//! The user wants it to end.
//!
//! In: SIGINT and SIGTERM. Out: how often since the last look, once or more. Never: anything done inside of a handler.

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
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal came since this was asked last.
    pub(crate) fn came(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}
