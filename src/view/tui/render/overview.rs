//! ```text
//! ┌ Capture ────────────────────────┐┌ Sessions ──────────────┐
//! │ files, packets, time, classes,  ││ 3 established, 1 failed│
//! │ what is missing                 ││ s1 sip …               │
//! └─────────────────────────────────┘└────────────────────────┘
//! ┌ RTP ──────────────────────────────────────────────────────┐
//! │ kbit/s       112.4 ▁▂▃▄▅▆▇███████████                     │
//! └───────────────────────────────────────────────────────────┘
//! ┌ Worst streams ──────────────────┐┌ Findings ──────────────┐
//! │ id, codec, loss, jitter         ││ error CODE summary     │
//! └─────────────────────────────────┘└────────────────────────┘
//! ```
//!
//! In: a snapshot. Out: what somebody wants to know first. Never: a table in full; those have screens of their own.

use super::super::list::List;
use super::super::order;
use super::super::state::State;
use super::super::theme::Theme;
use super::chart::{self, Curve};
use super::pane;
use crate::model::snapshot::Snapshot;
use crate::view::text::findings;
use crate::view::text::sessions;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn render(out: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot, theme: Theme) {
    let curve = if area.height >= 40 { 6 } else { 4 };
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(curve), Constraint::Fill(1)]).areas(area);
    let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
    let [capture, calls] = Layout::horizontal(halves).areas(top);
    let [streams, faults] = Layout::horizontal(halves).areas(bottom);
    let head = state.below().iter().map(|cells| theme.line(cells)).collect();
    out.render_widget(Paragraph::new::<Vec<Line<'_>>>(head).block(pane::frame("Capture", theme)), capture);
    let tally =
        if snapshot.sessions.is_empty() { "No session".to_owned() } else { sessions::tally(&snapshot.sessions) };
    rows(out, calls, List::Sessions, &tally, (state, snapshot), theme);
    bandwidth(out, middle, snapshot, theme);
    let worst = format!("Streams, worst first ({})", snapshot.streams.len());
    rows(out, streams, List::Streams, &worst, (state, snapshot), theme);
    let tally = findings::tally(&snapshot.findings);
    let title = if tally.is_empty() { "No finding".to_owned() } else { tally };
    rows(out, faults, List::Findings, &title, (state, snapshot), theme);
}

/// As many rows of a table as have room, in its usual order.
fn rows(
    out: &mut Frame<'_>,
    area: Rect,
    list: List,
    title: &str,
    (state, snapshot): (&State, &Snapshot),
    theme: Theme,
) {
    let block = pane::frame(title, theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let seen = state.seen(snapshot, None);
    let all = order::usual(list, &seen);
    let room = usize::from(inner.height).saturating_sub(list.heads());
    let hidden = all.len().saturating_sub(room);
    let first = &all[..room.min(all.len())];
    if first.is_empty() {
        return;
    }
    let (heads, lines) = list.table(&seen, first).lines(usize::from(inner.width));
    let text: Vec<Line<'_>> = heads.iter().chain(&lines).map(|cells| theme.line(cells)).collect();
    out.render_widget(Paragraph::new(text), inner);
    if hidden > 0 && area.height > 1 {
        let place = Rect::new(area.x, area.bottom() - 1, area.width.saturating_sub(1), 1);
        let text = Line::styled(format!(" and {hidden} more "), theme.frame()).right_aligned();
        out.render_widget(text, place);
    }
}

fn bandwidth(out: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, theme: Theme) {
    let block = pane::frame("RTP of all streams", theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let Some((series, span)) =
        snapshot.bandwidth.as_ref().and_then(|series| Some((series, chart::Span::whole(series)?)))
    else {
        return out.render_widget(Line::styled(" none", theme.frame()), inner);
    };
    let points = series.points().iter().map(|at| (at.ts, at.bps / 1000.0)).collect();
    let curve = Curve { name: "kbit/s", decimals: 1, points, lasts: chart::step(series) };
    chart::render(out, inner, span, &[curve], theme);
}
