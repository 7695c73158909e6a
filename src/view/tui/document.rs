//! What stands below a table, or fills a screen: lines to scroll through.
//!
//! In: what is selected, a snapshot, a width. Out: lines of the report's cells. Never: a figure that the snapshot does not
//! hold.

mod sdp;
mod stream;

pub(super) use stream::first_gaps;

use super::action::Screen;
use super::list::List;
use super::state::{Rung, State};
use crate::model::snapshot::{Finding, Ladder, Snapshot, UnknownSession};
use crate::view::ladder::{self, Drawing};
use crate::view::text::rtcp::packets;
use crate::view::text::{Cell, Ink, Page, Style, findings, head, words};
use std::io;

/// Where the words behind a name begin.
const INDENT: usize = 11;

/// The lines, for a pane so wide, and the events of a ladder among them.
pub(super) fn below(state: &State, snapshot: &Snapshot, width: u16) -> (Vec<Vec<Cell>>, Vec<Rung>) {
    let width = usize::from(width).max(1);
    let mut rungs = Vec::new();
    let lines = lines(width, |page| match state.screen() {
        Screen::Overview => head::write(snapshot, page),
        Screen::Stream => match state.stream(snapshot) {
            Some(row) => stream::write(snapshot, row, width, page),
            None => absent(state, List::Streams, "stream", "There is no RTP stream in it.", page),
        },
        Screen::Reports => senders(state, snapshot, page),
        Screen::Sessions => {
            rungs = drawn(state, snapshot, width, page)?;
            Ok(())
        }
        Screen::Sdp => match state.session().and_then(|at| snapshot.sessions.get(at)) {
            Some(session) => sdp::write(session, width, page),
            None => absent(state, List::Sessions, "session", "There is no session in it.", page),
        },
        Screen::Findings => {
            let row = state.list_state(List::Findings).selected();
            match row.and_then(|row| snapshot.findings.get(row)) {
                Some(finding) => of_finding(finding, page),
                None => nothing("There is none to explain.", page),
            }
        }
        Screen::Streams | Screen::Turn | Screen::Flows => match state.list() {
            Some(list) => of_row(list, state, snapshot, page),
            None => Ok(()),
        },
    });
    (lines, rungs)
}

/// What is written to a page so wide.
pub(super) fn lines(width: usize, write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> Vec<Vec<Cell>> {
    let style = Style { width: Some(width), color: false, full: true };
    let mut lines = Vec::new();
    // Lines that are kept cannot fail to be written.
    drop(write(&mut Page::of_lines(&style, &mut lines)));
    lines
}

fn nothing(text: &str, page: &mut Page<'_>) -> io::Result<()> {
    page.wrapped(Cell::plain(""), 0, " ", &words(text, Ink::Faint))
}

/// Why there is nothing to tell of: a filter, or else that there is none.
fn absent(state: &State, list: List, row: &str, text: &str, page: &mut Page<'_>) -> io::Result<()> {
    nothing(state.hidden(list, row).as_deref().unwrap_or(text), page)
}

/// A name, and what there is to say.
fn entry(name: &str, items: &[Cell], page: &mut Page<'_>) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    page.wrapped(Cell::new(name, Ink::Faint), INDENT, " · ", items)
}

fn sentence(name: &str, text: &str, ink: Ink, page: &mut Page<'_>) -> io::Result<()> {
    page.wrapped(Cell::new(name, Ink::Faint), INDENT, " ", &words(text, ink))
}

/// All columns of a row, also those without room in its table, and what is said of it.
fn of_row(list: List, state: &State, snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let Some(row) = state.list_state(list).selected() else { return nothing("There is none in it.", page) };
    let table = list.full_table(&state.seen(snapshot, None), &[row]);
    for note in table.notes(0) {
        page.wrapped(Cell::plain(""), 2, " · ", note)?;
    }
    let entries = table.entries(0).into_iter();
    let named = entries.map(|(name, cell)| Cell::new(format!("{name} {}", cell.text()), cell.ink()));
    page.wrapped(Cell::plain(""), 2, " · ", &named.collect::<Vec<_>>())
}

fn of_finding(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    let ink = findings::severity_ink(finding.severity);
    page.line(&[Cell::new(finding.severity.name(), ink), Cell::plain("  "), Cell::new(finding.code, Ink::Strong)])?;
    sentence("what", &finding.summary, ink, page)?;
    sentence("why", finding.explanation, Ink::Plain, page)?;
    sentence("do", finding.advice, Ink::Plain, page)?;
    if let Some(subject) = &finding.subject {
        sentence("about", subject, Ink::Plain, page)?;
    }
    match finding.display_filter() {
        Some(filter) => sentence("frames", &filter.replace(',', ", "), Ink::Plain, page),
        None => Ok(()),
    }
}

/// Who sent the reports above.
fn senders(state: &State, snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let stream = state.stream(snapshot);
    let about = |ssrc: u32| stream.is_none_or(|row| row.ssrc == ssrc);
    if let Some(row) = stream {
        let wire = format!("{} of {} lost on the wire", row.figures.sequence.lost, row.figures.sequence.expected);
        sentence(
            &row.id,
            &format!("SSRC 0x{:08x}: {wire}, as far as it was captured here", row.ssrc),
            Ink::Plain,
            page,
        )?;
    }
    let mut is_any = false;
    for row in &snapshot.rtcp {
        if about(row.sender.ssrc.0) || row.sender.reports.iter().any(|point| about(point.about.0)) {
            is_any = true;
            sentence("sender", &format!("{} {} → {}", row.sender.ssrc, row.src, row.dst), Ink::Plain, page)?;
            sentence("", &packets(&row.sender.counts), Ink::Plain, page)?;
        }
    }
    if is_any { Ok(()) } else { nothing("No RTCP was captured that tells of it.", page) }
}

/// The ladder of the session; of everything where there is none.
fn drawn(state: &State, snapshot: &Snapshot, width: usize, page: &mut Page<'_>) -> io::Result<Vec<Rung>> {
    if let Some(text) = state.hidden(List::Sessions, "session") {
        return nothing(&text, page).map(|()| Vec::new());
    }
    match ladder_of(state, snapshot, width) {
        Ok(ladder) => {
            let style = Style { width: Some(width), color: false, full: true };
            let places = ladder::draw(&ladder, &Drawing { style, ascii: false }, page)?;
            let events = ladder.events.iter().zip(places);
            Ok(events.map(|(event, lines)| Rung { lines, frame: event.frame }).collect())
        }
        Err(unknown) => nothing(&unknown.to_string(), page).map(|()| Vec::new()),
    }
}

fn ladder_of(state: &State, snapshot: &Snapshot, width: usize) -> Result<Ladder, UnknownSession> {
    let id = state.session().map(|at| format!("s{}", at + 1));
    Ladder::of(snapshot, id.as_deref(), ladder::columns(width))
}

/// An event of the ladder in words, for a pane so wide.
pub(super) fn event_text(state: &State, snapshot: &Snapshot, width: u16, at: usize) -> Option<String> {
    let ladder = ladder_of(state, snapshot, usize::from(width).max(1)).ok()?;
    let event = ladder.events.get(at)?;
    let name = |host: usize| ladder.hosts.get(host).map(|host| host.name.clone()).unwrap_or_default();
    let ends = event.arrow.as_ref().map(|arrow| format!("{} → {}: ", name(arrow.from), name(arrow.to)));
    Some(format!("frame {}: {}{}", event.frame, ends.unwrap_or_default(), event.text))
}
