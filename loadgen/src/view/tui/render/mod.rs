//! The screen.
//!
//! ```text
//!  turnload  turn:127.0.0.1:3478 over UDP                    hold  00:42 of 01:10
//! ┌ Allocations ───────────┐┌ Media ───────────────────┐┌ Generator ──────────────┐
//! │ by state               ││ offered, delivered, lost ││ is it the bottleneck?   │
//! └────────────────────────┘└──────────────────────────┘└─────────────────────────┘
//! ┌ Last 52 s ───────────────────────────────────────────────────────────────────┐
//! │ curves: offered, delivered, lost, RTT p50, RTT p99                            │
//! └───────────────────────────────────────────────────────────────────────────────┘
//! ┌ Errors ──────────────────────────────────────────────────────────────────────┐
//! │ by code, with the server's words                                              │
//! └───────────────────────────────────────────────────────────────────────────────┘
//!  q end  p pause  z zoom  ? keys
//! ```
//!
//! In: a state. Out: a frame. Never: a change of the state.

mod curves;
mod help;
mod panel;

use super::figures::{self, CURVES};
use super::state::{Quit, State};
use super::theme::Theme;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Rows of the panels with their frames; on a high screen they have room for more.
const PANELS: u16 = 10;
const HIGH_PANELS: u16 = 13;
/// From this height on there is more room than 24 lines give.
const HIGH: u16 = 40;
/// Lines of each curve there.
const HIGH_CURVE: u16 = 4;

/// Draws `state`.
pub fn render(out: &mut Frame<'_>, state: &State, theme: Theme) {
    let is_high = out.area().height >= HIGH;
    let (panels, curve) = if is_high { (HIGH_PANELS, HIGH_CURVE) } else { (PANELS, 1) };
    let curves_height = curves::height(CURVES.len() as u16, curve);
    let rows = [1, panels, curves_height].map(Constraint::Length);
    let rest = [Constraint::Fill(1), Constraint::Length(1)];
    let [top, panels, middle, errors, bottom] = Layout::vertical([rows.as_slice(), &rest].concat()).areas(out.area());
    let shown = state.shown();
    match &shown.latest {
        None => out.render_widget(Paragraph::new(format!(" turnload  {}  starting", state.target())), top),
        Some(progress) => {
            let text = figures::time(progress);
            let width = text.chars().count() as u16 + 2;
            let [place, time] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(top);
            let target =
                Line::from(vec![Span::styled(" turnload  ", theme.title()), Span::raw(state.target().to_owned())]);
            out.render_widget(Paragraph::new(target), place);
            out.render_widget(Paragraph::new(text).right_aligned(), time);
            let [allocations, media, generator] = thirds(panels);
            panel::figures(out, allocations, "Allocations", &figures::allocations(progress), theme);
            panel::figures(out, media, "Media", &figures::media(progress), theme);
            panel::figures(out, generator, "Generator", &figures::generator(progress), theme);
            let drawn: Vec<_> = CURVES.iter().map(|curve| curve.of(progress)).collect();
            curves::render(out, middle, &shown.history, state.seconds_a_column(), &drawn, theme);
            let rows = figures::errors(progress, state.notes(), state.steps());
            panel::list(out, errors, "Errors", &rows, theme);
        }
    }
    out.render_widget(Paragraph::new(footer(state, theme)), bottom);
    if state.is_help_shown() {
        help::render(out, theme);
    }
}

fn thirds(area: Rect) -> [Rect; 3] {
    Layout::horizontal([Constraint::Ratio(24, 80), Constraint::Ratio(30, 80), Constraint::Ratio(26, 80)]).areas(area)
}

fn footer(state: &State, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::styled(" q end  p pause  z zoom  ? keys", theme.label())];
    if state.is_paused() {
        spans.push(Span::styled("   PAUSED, the run goes on", theme.notable()));
    }
    match state.quit() {
        Quit::No => {}
        Quit::Drain => {
            spans.push(Span::styled("   ENDING: allocations are deleted; q again: at once", theme.notable()))
        }
        Quit::Now => spans.push(Span::styled("   ENDING AT ONCE", theme.bad())),
    }
    Line::from(spans)
}
