//! ```text
//! ┌ Allocations ───────────┐
//! │ up           1,000     │   a label, a value; a value that is as it should not be stands out by colour and by !
//! │ failed     !     3     │
//! └────────────────────────┘
//! ```
//!
//! In: rows. Out: a frame with them, cut at its edges. Never: a figure that is not in the rows.

use super::super::figures::{Row, Tone};
use super::super::theme::Theme;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

/// A frame with a title.
pub(super) fn frame(title: &str, theme: Theme) -> Block<'static> {
    Block::bordered().border_style(theme.frame()).title(Span::styled(format!(" {title} "), theme.title()))
}

/// The rows in a frame; those that do not fit are left out from the end, and the last line says how many.
pub(super) fn render(out: &mut Frame<'_>, area: Rect, title: &str, rows: &[Row], theme: Theme) {
    let block = frame(title, theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let room = usize::from(inner.height);
    let shown = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
    let label_width = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<Line<'_>> = rows.iter().take(shown).map(|row| line(row, label_width, theme)).collect();
    if shown < rows.len() {
        lines.push(Line::styled(format!(" and {} more", rows.len() - shown), theme.label()));
    }
    out.render_widget(Paragraph::new(lines), inner);
}

fn line<'r>(row: &'r Row, label_width: usize, theme: Theme) -> Line<'r> {
    let (mark, style) = match row.tone {
        Tone::Plain => (' ', Style::new()),
        Tone::Good => (' ', theme.good()),
        Tone::Notable => ('*', theme.notable()),
        Tone::Bad => ('!', theme.bad()),
    };
    Line::from(vec![
        Span::styled(format!(" {:<label_width$} ", row.label), theme.label()),
        Span::styled(format!("{mark}{}", row.value), style),
    ])
}
