//! Formats results and progress of a run for a person or a machine.
//!
//! In: a result, a progress, a configuration. Out: text, JSON, tables, logs, screens. Never: a decision, a figure that
//! what it was given does not hold, a secret.

#![forbid(unsafe_code)]

pub mod hlog;
mod number;
