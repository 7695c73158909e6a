//! The command line: what was typed, what is meant, and the wiring of source, model and view.
//!
//! In: arguments. Out: an exit code, data on standard output, everything else on standard error.
//! Never: an analysis of its own.

#![forbid(unsafe_code)]

pub mod args;
mod check;
mod config;
pub mod credentials;
mod diff;
mod examine;
mod feed;
mod fragments;
mod frames;
mod ladder;
#[cfg(target_os = "linux")]
pub mod live;
mod moment;
mod output;
mod progress;
mod run;
mod save;
mod screen;
mod tui;

pub use run::main;
