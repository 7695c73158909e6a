//! ```text
//! ┌ Keys ─────────────────────────────────────────────┐
//! │ q       delete the allocations and end; again: …  │   over the middle of the screen
//! │ ?       show or hide this page                    │
//! └───────────────────────────────────────────────────┘
//! ```
//!
//! In: the table of keys. Out: the page. Never: a key that is not in the table.

use super::super::keymap::KEYMAP;
use super::super::theme::Theme;
use super::panel;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

/// What marks and words of the screen mean.
const LEGEND: &[&str] = &[
    "!  not as it should be          *  worth a look",
    "RTT counts from the scheduled time of a packet, so that a",
    "stall of this program is in it; send lag says how much.",
    "Curves show the worst second of each column.",
];

pub(super) fn render(out: &mut Frame<'_>, theme: Theme) {
    let mut lines: Vec<Line<'_>> = KEYMAP
        .iter()
        .map(|key| Line::from(vec![Span::styled(format!(" {:<8}", key.name), theme.title()), Span::raw(key.meaning)]))
        .collect();
    lines.push(Line::default());
    lines.extend(LEGEND.iter().map(|line| Line::raw(format!(" {line}"))));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area: Rect = out.area().centered(Constraint::Max(62), Constraint::Max(height));
    out.render_widget(Clear, area);
    out.render_widget(Paragraph::new(lines).block(panel::frame("Keys", theme)), area);
}
