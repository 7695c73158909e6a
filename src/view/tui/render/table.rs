//! ```text
//! ┌ Flows (12, by start) ──────────────────────┐
//! │ flow  over  from        to      packets    │
//! │ f1    udp   10.0.0.1 …  10.0…       120    │   the selected row is shown the other way round
//! └────────────────────────────────── 1 of 12 ─┘
//! ```
//!
//! In: a table and which of its rows are in sight. Out: a frame with them. Never: a row formatted that is not in sight.

use super::super::list::List;
use super::super::state::State;
use super::super::theme::Theme;
use super::{list_title, pane};
use crate::model::snapshot::Snapshot;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn render(out: &mut Frame<'_>, area: Rect, list: List, state: &State, snapshot: &Snapshot, theme: Theme) {
    let shown = state.list_state(list);
    let seen = state.seen(snapshot, state.stream(snapshot));
    let mut block = pane::frame(&list_title(list, state), theme);
    if !shown.rows.is_empty() {
        let place = format!(" {} of {} ", shown.at + 1, shown.rows.len());
        block = block.title_bottom(Line::styled(place, theme.frame()).right_aligned());
    }
    let inner = block.inner(area);
    out.render_widget(block, area);
    let room = state.room(list);
    let rows: Vec<usize> = shown.rows.iter().skip(shown.offset).take(room).copied().collect();
    if rows.is_empty() {
        let text = if shown.filter.is_empty() { " none" } else { " none with this text; / and Enter show all" };
        out.render_widget(Paragraph::new(Line::styled(text, theme.frame())), inner);
        return;
    }
    let (heads, lines) = list.table(&seen, &rows).lines(usize::from(inner.width));
    let mut text: Vec<Line<'_>> = Vec::with_capacity(heads.len() + lines.len());
    // A table whose groups had no room has a line less above its rows.
    text.resize(list.heads().saturating_sub(heads.len()), Line::default());
    text.extend(heads.iter().map(|cells| theme.line(cells)));
    for (at, cells) in lines.iter().enumerate() {
        let is_selected = shown.offset + at == shown.at;
        let line = theme.line(cells);
        text.push(if is_selected { line.patch_style(theme.selected()) } else { line });
    }
    out.render_widget(Paragraph::new(text), inner);
}
