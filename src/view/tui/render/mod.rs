//! The screen.
//!
//! ```text
//! 1 Overview 2 Streams 3 Stream 4 RTCP 5 Sessions 6 TURN 7 SDP 8 Findings 9 Flows
//! ┌ Media streams (8, by loss, reversed, with "opus") ──────────────────────────┐
//! │ a table whose selected row is shown the other way round                     │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! ┌ r3 ─────────────────────────────────────────────────────────────────────────┐
//! │ what there is to say of the selected row; or the whole screen               │
//! └─────────────────────────────────────────────────────────────────────────────┘
//!  call.pcapng   ? keys  / filter  s sort  w save  e export  q quit
//! ```
//!
//! In: a state and a snapshot. Out: a frame. Never: a change of either.

mod chart;
mod frame;
mod help;
mod overview;
mod pane;
mod reports;
mod stream;
mod table;

use super::action::Screen;
use super::list::List;
use super::state::{Focus, State};
use super::theme::Theme;
use crate::model::snapshot::Snapshot;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Where things stand on a screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Areas {
    pub(super) tabs: Rect,
    /// The table, where the screen has one.
    pub(super) list: Option<Rect>,
    /// What is below it, or fills the screen.
    pub(super) detail: Rect,
    /// Curves between the two.
    pub(super) curves: Option<Rect>,
    /// The frame of a ladder's selected event.
    pub(super) frame: Option<Rect>,
    footer: Rect,
}

/// Lines of curves with their frame, where the screen is high and where it is not.
const CURVES: (u16, u16) = (17, 8);
const HIGH: u16 = 40;

/// Lines for the curves of a stream, at least one each: half of a small screen, two thirds of a high one.
fn course_height(height: u16) -> u16 {
    const CURVES: u16 = 5;
    // Marks, time, frame.
    const OTHER: u16 = 4;
    let wanted = if height < HIGH * 3 / 4 { height / 2 } else { height * 2 / 3 };
    wanted.saturating_sub(OTHER) / CURVES * CURVES + OTHER
}

/// The areas of a screen of that size. `is_inside`: somebody looks into the ladder.
pub(super) fn areas(size: Rect, screen: Screen, is_inside: bool) -> Areas {
    let [tabs, middle, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(size);
    let curves = if size.height >= HIGH { CURVES.0 } else { CURVES.1 };
    // Parts of ten that the table takes, and lines of curves.
    let (parts, curves) = match screen {
        Screen::Overview | Screen::Sdp => (0, 0),
        Screen::Stream => (0, course_height(middle.height.min(40)).max(9)),
        Screen::Streams => (6, 0),
        Screen::Reports => (7, curves),
        Screen::Sessions => (3, 0),
        Screen::Turn | Screen::Findings => (5, 0),
        Screen::Flows => (7, 0),
    };
    let [curve_area, rest] = Layout::vertical([Constraint::Length(curves), Constraint::Fill(1)]).areas(middle);
    let list_height = u32::from(rest.height) * parts / 10;
    let [list, detail] = Layout::vertical([Constraint::Length(list_height as u16), Constraint::Fill(1)]).areas(rest);
    if screen == Screen::Sessions && is_inside {
        let [detail, frame] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(middle);
        return Areas { tabs, list: Some(Rect::ZERO), detail, curves: None, frame: Some(frame), footer };
    }
    let curves = (curves > 0).then_some(curve_area);
    Areas { tabs, list: (parts > 0).then_some(list), detail, curves, frame: None, footer }
}

/// Draws `state`.
pub fn render(out: &mut Frame<'_>, state: &State, snapshot: &Snapshot, theme: Theme) {
    let areas = areas(out.area(), state.screen(), state.is_inside());
    out.render_widget(Paragraph::new(tabs(state, theme)), areas.tabs);
    if let (Some(list), Some(area)) = (state.list(), areas.list.filter(|area| !area.is_empty())) {
        table::render(out, area, list, state, snapshot, theme);
    }
    match (state.screen(), areas.curves) {
        (Screen::Overview, _) => overview::render(out, areas.detail, state, snapshot, theme),
        (Screen::Stream, Some(curves)) => stream::render(out, curves, state, snapshot, theme),
        (Screen::Reports, Some(curves)) => reports::render(out, curves, state.stream(snapshot), snapshot, theme),
        _ => {}
    }
    if state.screen() != Screen::Overview {
        pane::render(out, areas.detail, &below_title(state, snapshot), state, theme);
    }
    if let Some(area) = areas.frame {
        frame::render(out, area, state, theme);
    }
    out.render_widget(Paragraph::new(footer(state, theme)), areas.footer);
    if state.is_help_shown() {
        help::render(out, theme);
    }
}

/// The screen whose tab is at that column.
pub(super) fn tab_at(column: u16) -> Option<Screen> {
    let mut at = 0;
    Screen::ALL.into_iter().enumerate().find_map(|(number, screen)| {
        let width = tab(number, screen).len() as u16;
        let is_here = (at..at + width).contains(&column);
        at += width + 1;
        is_here.then_some(screen)
    })
}

fn tab(number: usize, screen: Screen) -> String {
    format!("{} {}", number + 1, screen.name())
}

fn tabs(state: &State, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, screen) in Screen::ALL.into_iter().enumerate() {
        let style = if screen == state.screen() { theme.selected() } else { ratatui::style::Style::new() };
        spans.extend([Span::styled(tab(number, screen), style), Span::raw(" ")]);
    }
    Line::from(spans)
}

fn below_title(state: &State, snapshot: &Snapshot) -> String {
    let stream = || state.stream(snapshot).map_or_else(|| "no stream".to_owned(), |row| row.id.clone());
    let session = || match state.session() {
        Some(at) => format!("s{}", at + 1),
        None if state.hidden(List::Sessions, "session").is_some() => "no session".to_owned(),
        None => "the whole capture".to_owned(),
    };
    match state.screen() {
        Screen::Stream => format!("Figures of {}", stream()),
        Screen::Reports => "Senders".to_owned(),
        Screen::Sessions => format!("Ladder of {}", session()),
        Screen::Sdp => format!("Offer and answer of {}", session()),
        Screen::Findings => "What it means".to_owned(),
        Screen::Overview | Screen::Streams | Screen::Turn | Screen::Flows => "Row".to_owned(),
    }
}

fn footer(state: &State, theme: Theme) -> Line<'static> {
    if let Some(message) = state.message() {
        return Line::styled(format!(" {message}"), theme.ink(crate::view::text::Ink::Strong));
    }
    if let Some(list) = state.list().filter(|_| state.is_typing()) {
        let filter = &state.list_state(list).filter;
        return Line::from(vec![
            Span::styled(" filter: ", theme.title()),
            Span::raw(filter.clone()),
            Span::styled(" ", theme.selected()),
            Span::styled("  Enter keeps it, Esc the one before", theme.frame()),
        ]);
    }
    let hints = match (state.screen(), state.is_inside()) {
        (_, true) if state.focus() == Focus::Frame => "↑↓ field  Esc ladder",
        (_, true) => "↑↓ event  Enter fields  Esc sessions",
        (Screen::Overview, _) => "Enter findings",
        (Screen::Streams, _) => "Enter stream  / filter  s sort",
        (Screen::Stream, _) => "←→ moment  +- zoom  [ ] stream  Enter RTCP",
        (Screen::Reports, _) => "[ ] stream  s sort",
        (Screen::Sessions, _) => "Enter ladder  / filter  s sort",
        (Screen::Turn, _) => "←→ table  Enter flow  / filter  s sort",
        (Screen::Sdp, _) => "[ ] session  ↑↓ scroll",
        (Screen::Findings, _) => "Enter evidence  / filter  s sort",
        (Screen::Flows, _) => "Enter stream or session  / filter",
    };
    let mut spans = vec![Span::styled(format!(" {hints}  w save  e report  ? keys  q quit"), theme.frame())];
    if state.is_paused() {
        spans.push(Span::styled("  HELD", theme.title()));
    }
    if state.is_following() {
        spans.push(Span::styled("  FOLLOWS", theme.title()));
    }
    spans.push(Span::styled(format!("  {}", state.title()), theme.frame()));
    Line::from(spans)
}

/// A title with how many rows there are, how they stand, and what they are limited to.
fn list_title(list: List, state: &State) -> String {
    let shown = state.list_state(list);
    let sorts = super::order::sorts(list);
    let sort = sorts.get(shown.sort).copied().unwrap_or_default();
    let reversed = if shown.is_reversed { " reversed" } else { "" };
    let filter = if shown.filter.is_empty() { String::new() } else { format!(", with \"{}\"", shown.filter) };
    format!("{} ({}, by {sort}{reversed}{filter})", list.name(), shown.rows.len())
}
