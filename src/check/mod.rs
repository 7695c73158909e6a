//! Assertions over a report, for tests that run on their own.
//!
//! In: a file of expectations as text, and the report as a JSON value. Out: a [`Verdict`] for each assertion, with the value
//! that made it fail and where that stands; or a first file for a report. Never: a file opened, a look at anything but the
//! report, an unknown value taken for a good one.

#![forbid(unsafe_code)]

mod evaluate;
mod expectations;
mod expression;
mod first_file;
mod parser;
mod select;
mod values;

pub use evaluate::judge;
pub use expectations::{Expectations, FileError};
pub use first_file::first_file;

/// What became of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The name that the file gives it, else its expression.
    pub name: String,
    /// The expressions, as they were written.
    pub expressions: Vec<String>,
    /// Line of the file where it stands, from 1.
    pub line: usize,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// Whether an assertion holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// For all that it was asked of: how many values that were.
    Held(usize),
    /// Not for these.
    Failed(Vec<Failure>),
    /// It was not asked, for this reason.
    Skipped(String),
}

/// What an assertion failed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The place in the report, as a path, and what stands there, in a few words.
    pub place: String,
    /// What was found there: `is 4.2`.
    pub found: String,
    /// The expression that does not hold.
    pub expression: String,
}

#[cfg(test)]
mod tests;
