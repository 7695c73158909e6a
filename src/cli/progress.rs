//! A progress bar on standard error, for large input on a terminal.
//!
//! In: bytes read. Out: the bar. Never: a byte where standard error is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Input below this is read before a bar could be looked at.
const LARGE: u64 = 64 << 20;

/// The bar, where there is one.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// `total`: bytes to read, none for a pipe.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() || total.is_some_and(|total| total < LARGE) {
            return Self(None);
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left"),
            None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// Bytes read so far.
    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
