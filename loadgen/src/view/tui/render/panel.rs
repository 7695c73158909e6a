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

/// The rows in a frame; those that do not fit are left out from the end.
pub(super) fn figures(out: &mut Frame<'_>, area: Rect, title: &str, rows: &[Row], theme: Theme) {
    let lines = lines(rows, theme);
    out.render_widget(Paragraph::new(lines).block(frame(title, theme)), area);
}

/// The same, but where rows do not fit the last line says how many.
pub(super) fn list(out: &mut Frame<'_>, area: Rect, title: &str, rows: &[Row], theme: Theme) {
    let block = frame(title, theme);
    let room = usize::from(block.inner(area).height);
    let mut lines = lines(rows, theme);
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push(Line::styled(format!(" and {} more", rows.len() - lines.len()), theme.label()));
    }
    out.render_widget(Paragraph::new(lines).block(block), area);
}

fn lines(rows: &[Row], theme: Theme) -> Vec<Line<'_>> {
    let label_width = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    rows.iter().map(|row| line(row, label_width, theme)).collect()
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
