//! ```text
//! ┌ Last 52 s ─────────────────────────────────┐
//! │ offered    50.0 kpps ▁▂▃▄▅▆▇███████████████│   the latest value, then the past; the newest at the right edge,
//! │ delivered  49.9 kpps ▁▂▃▄▅▆▇███████████████│   each curve between zero and its own maximum
//! │ lost          0.01 %             ▂  █      │
//! └────────────────────────────────────────────┘
//! ```
//!
//! In: curves. Out: one or more lines of blocks for each. Never: two curves on one axis.

use super::super::figures::Curve;
use super::super::history::History;
use super::super::theme::Theme;
use super::panel;
use crate::view::number::span;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline};
use std::time::Duration;

/// Columns of names and values.
const LABEL: u16 = 11;
const VALUE: u16 = 11;
/// Curves are of floats, sparklines of whole numbers: thousandths are as fine as blocks can show.
const SCALE: f64 = 1_000.0;

/// Rows that `curves` curves of `height` lines take.
pub(super) const fn height(curves: u16, height: u16) -> u16 {
    curves * height + 2
}

pub(super) fn render(
    out: &mut Frame<'_>,
    area: Rect,
    history: &History,
    seconds_a_column: usize,
    curves: &[Curve],
    theme: Theme,
) {
    let columns = usize::from(area.width.saturating_sub(2 + 1 + LABEL + VALUE));
    let past = Duration::from_secs((columns * seconds_a_column) as u64);
    let block = panel::frame(&format!("Last {}, {} a column", span(past), seconds(seconds_a_column)), theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let rows = Layout::vertical(curves.iter().map(|_| Constraint::Fill(1))).split(inner);
    for (curve, row) in curves.iter().zip(rows.iter()) {
        let widths = [Constraint::Length(1 + LABEL + VALUE), Constraint::Fill(1)];
        let [names, blocks] = Layout::horizontal(widths).areas(*row);
        let (label, value) = (usize::from(LABEL), usize::from(VALUE) - 1);
        let mut data = history.columns(columns, seconds_a_column, curve.of);
        let named = |name: &str, text: &str| {
            Line::from(vec![
                Span::styled(format!(" {name:<label$}"), theme.label()),
                Span::raw(format!("{text:>value$} ")),
            ])
        };
        let mut text = vec![named(curve.name, &curve.latest)];
        // The height of the axis, where there is a line for it.
        if let Some(highest) = data.iter().flatten().copied().reduce(f64::max) {
            text.push(named("  highest", &(curve.text)(highest)));
        }
        out.render_widget(Paragraph::new(text), names);
        data.reverse();
        let data: Vec<Option<u64>> =
            data.into_iter().map(|value| value.map(|value| (value * SCALE).round() as u64)).collect();
        let sparkline = Sparkline::default()
            .direction(RenderDirection::RightToLeft)
            .style(theme.curve())
            .absent_value_symbol(" ")
            .data(data);
        out.render_widget(sparkline, blocks);
    }
}

fn seconds(count: usize) -> String {
    format!("{count} s")
}
