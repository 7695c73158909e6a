//! The report for a person, who may have been woken up for it: what is wrong first, then who talked to whom, then the
//! figures.
//!
//! In: a snapshot, and how wide and colourful the terminal is. Out: lines. Never: a line wider than the terminal, or a
//! control character that comes from the capture.

pub(super) mod dtls;
pub(super) mod figures;
pub(super) mod findings;
pub(super) mod flows;
pub(super) mod head;
pub(super) mod ice;
pub(super) mod index;
pub(super) mod media;
mod page;
pub(super) mod rtcp;
pub(super) mod sessions;
mod stun;
mod table;
pub(super) mod turn;

use crate::model::snapshot::Snapshot;
pub(super) use figures::{bytes, count, decimal};
use index::Index;
pub(super) use page::{Cell, Cut, Ink, Page, visible, width, words};
use std::io;
pub(super) use table::{Column, Table};

/// How to write it.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the terminal; none where the output is no terminal.
    pub width: Option<usize>,
    /// ANSI colours.
    pub color: bool,
    /// Every row of every table.
    pub full: bool,
}

/// Writes it.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let index = Index::of(snapshot);
    let mut page = Page::new(style, out);
    head::write(snapshot, &mut page)?;
    findings::write(snapshot, &mut page)?;
    flows::write(snapshot, &index, &mut page)?;
    media::write(snapshot, &index, &mut page)?;
    rtcp::write(snapshot, &index, &mut page)?;
    turn::write(snapshot, &mut page)?;
    ice::write(snapshot, &mut page)?;
    dtls::write(snapshot, &mut page)?;
    stun::write(snapshot, &mut page)?;
    sessions::write(snapshot, &mut page)
}

#[cfg(test)]
mod tests;
