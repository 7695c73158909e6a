//! Two captures held against each other, for a person or a machine.
//!
//! In: a [`Path`] or [`Runs`], and what was compared. Out: text, or JSON with the schema `rtcscope-diff/1`. Never: a judgement of
//! its own.

mod json;
mod path;
mod runs;

pub use json::write as json;

use super::text::{Cell, Ink, Page, Style};
use crate::compare::{Decision, Mode, Path, Runs};
use std::io;

/// What was compared.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The first capture, as it was named.
    pub a: &'s str,
    /// The second.
    pub b: &'s str,
    /// What they are to each other, and why.
    pub decision: &'s Decision,
}

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'o> {
    /// Two points of one path.
    Path(&'o Path),
    /// Two runs.
    Runs(&'o Runs),
}

/// Writes it for a person.
///
/// # Errors
/// Those of the writer.
pub fn text(subject: &Subject<'_>, outcome: &Outcome<'_>, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    page.wrapped(Cell::new("A", Ink::Strong), 9, " ", &[Cell::plain(subject.a)])?;
    page.wrapped(Cell::new("B", Ink::Strong), 9, " ", &[Cell::plain(subject.b)])?;
    let what = match subject.decision.mode {
        Mode::Path => "two points of one path",
        Mode::Runs => "two runs",
    };
    let why = Cell::new(format!("({})", subject.decision.why), Ink::Faint);
    page.wrapped(Cell::new("What", Ink::Strong), 9, " ", &[Cell::plain(what), why])?;
    match outcome {
        Outcome::Path(path) => path::write(path, &mut page),
        Outcome::Runs(runs) => runs::write(runs, &mut page),
    }
}
