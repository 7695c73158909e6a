//! ```text
//! kbit/s      112.4 ▁▂▃▄▅▆▇███████████████████
//!   highest   120.0                              of each curve its name, its latest and its highest value, and time from
//! lost            3          █                   left to right
//!   highest       3
//! ```
//!
//! In: curves over the same time. Out: blocks, each between zero and its own maximum. Never: two curves on one axis.

use super::super::theme::Theme;
use crate::model::snapshot::Series;
use crate::time::Timestamp;
use crate::view::text::figures::decimal;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

/// Columns of names and values.
const LABEL: u16 = 26;
/// Curves are of floats, sparklines of whole numbers: thousandths are as fine as blocks can show.
const SCALE: f64 = 1_000.0;

/// A curve: values at moments, in the order of these.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) decimals: usize,
    pub(super) points: Vec<(Timestamp, f64)>,
}

/// The first and the last moment that is shown.
pub(super) type Span2 = (Timestamp, Timestamp);

/// From the beginning of the first interval to that of the last.
pub(super) fn span(series: &Series) -> Option<Span2> {
    let points = series.points();
    Some((points.first()?.ts, points.last()?.ts))
}

/// The curves one below the other.
pub(super) fn render(out: &mut Frame<'_>, area: Rect, (from, to): Span2, curves: &[Curve], theme: Theme) {
    let rows = Layout::vertical(curves.iter().map(|_| Constraint::Fill(1))).split(area);
    for (curve, row) in curves.iter().zip(rows.iter()) {
        let [names, blocks] = Layout::horizontal([Constraint::Length(LABEL), Constraint::Fill(1)]).areas(*row);
        let text = |value: Option<f64>| decimal(value, curve.decimals);
        let last = curve.points.last().map(|point| point.1);
        let highest = curve.points.iter().map(|point| point.1).reduce(f64::max);
        let named = |name: &str, value: String| {
            Line::from(vec![Span::styled(format!(" {name:<12}"), theme.frame()), Span::raw(format!("{value:>12} "))])
        };
        let lines = vec![named(curve.name, text(last)), named("  highest", text(highest))];
        out.render_widget(Paragraph::new(lines), names);
        let data = columns(curve, from, to, usize::from(blocks.width));
        let sparkline = Sparkline::default().style(theme.curve()).absent_value_symbol(" ").data(data);
        out.render_widget(sparkline, blocks);
    }
}

/// The highest value of each column; none where no point is.
fn columns(curve: &Curve, from: Timestamp, to: Timestamp, columns: usize) -> Vec<Option<u64>> {
    let mut data: Vec<Option<u64>> = vec![None; columns];
    let nanos = to.nanos_since(from).max(1) as f64;
    let at = |ts: Timestamp| {
        let part = ts.nanos_since(from) as f64 / nanos;
        (part * columns.saturating_sub(1) as f64).round().clamp(0.0, columns.saturating_sub(1) as f64) as usize
    };
    for (number, (ts, value)) in curve.points.iter().enumerate() {
        let first = at(*ts);
        // A point lasts until the next one, so that wide screens have no holes.
        let next = curve.points.get(number + 1).map_or(first + 1, |(next, _)| at(*next)).max(first + 1);
        let scaled = (value * SCALE).round().max(0.0) as u64;
        for column in data.iter_mut().take(next).skip(first) {
            *column = Some(column.unwrap_or(0).max(scaled));
        }
    }
    data
}
