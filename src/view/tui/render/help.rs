//! ```text
//! ┌ Keys ─────────────────────────────────────────────┐
//! │ 1       overview of the capture                   │   over the middle of the screen
//! │ Tab     next screen; Shift-Tab: the one before    │
//! └───────────────────────────────────────────────────┘
//! ```
//!
//! In: the table of keys. Out: the page. Never: a key that is not in the table.

use super::super::keymap::KEYMAP;
use super::super::theme::Theme;
use super::pane;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

pub(super) fn render(out: &mut Frame<'_>, theme: Theme) {
    let lines: Vec<Line<'_>> = KEYMAP
        .iter()
        .filter_map(|key| {
            let meaning = key.meaning?;
            Some(Line::from(vec![Span::styled(format!(" {:<7}", key.name), theme.title()), Span::raw(meaning)]))
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area: Rect = out.area().centered(Constraint::Max(68), Constraint::Max(height));
    out.render_widget(Clear, area);
    out.render_widget(Paragraph::new(lines).block(pane::frame("Keys", theme)), area);
}
