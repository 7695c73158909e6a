//! ```text
//! ┌ Ladder of s1 ──────────────────────────────┐
//! │ lines that can be scrolled through         │
//! └──────────────────────────────── 12 of 340 ─┘
//! ```
//!
//! In: lines, and how far somebody has scrolled. Out: a frame with those in sight. Never: more lines than there is room for.

use super::super::state::{Focus, State};
use super::super::theme::Theme;
use crate::view::text::Cell;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

/// A frame with a title.
pub(super) fn frame(title: &str, theme: Theme) -> Block<'static> {
    Block::bordered().border_style(theme.frame()).title(Span::styled(format!(" {title} "), theme.title()))
}

/// What stands below a table.
pub(super) fn render(out: &mut Frame<'_>, area: Rect, title: &str, state: &State, theme: Theme) {
    let lines = state.below();
    let room = usize::from(area.height.saturating_sub(2));
    let from = state.scroll().min(lines.len().saturating_sub(room));
    let mut block = frame(title, theme);
    if state.focus() == Focus::Ladder {
        block = block.border_style(theme.title());
    }
    if lines.len() > room {
        let place = format!(" {} of {} ", (from + room).min(lines.len()), lines.len());
        block = block.title_bottom(Line::styled(place, theme.frame()).right_aligned());
    }
    let selected = state.rung().map_or(0..0, |rung| rung.lines.0..rung.lines.1);
    let line = |(at, line): (usize, &Vec<Cell>)| {
        let line = theme.line(line);
        if selected.contains(&at) { line.patch_style(theme.selected()) } else { line }
    };
    let shown: Vec<Line<'_>> = lines.iter().enumerate().skip(from).take(room).map(line).collect();
    out.render_widget(Paragraph::new(shown).block(block), area);
}
