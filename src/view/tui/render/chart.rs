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
use crate::time::{NANOS_PER_SEC, Timestamp};
use crate::view::text::figures::decimal;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{self, Line};
use ratatui::widgets::{Paragraph, Sparkline};

/// Columns of names and values.
const LABEL: u16 = 26;
/// Curves are of floats, sparklines of whole numbers: thousandths are as fine as blocks can show.
const SCALE: f64 = 1_000.0;

/// A curve: values at moments, in the order of these.
#[derive(Clone)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) decimals: usize,
    pub(super) points: Vec<(Timestamp, f64)>,
    /// Nanoseconds for which the last point holds: those of its interval.
    pub(super) lasts: i64,
}

/// Nanoseconds of an interval.
pub(super) fn step(series: &Series) -> i64 {
    (series.step_seconds() * NANOS_PER_SEC as f64) as i64
}

/// The first and the last moment that is shown, and the one that is pointed to.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) cursor: Option<Timestamp>,
}

impl Span {
    /// All of it.
    pub(super) fn whole(series: &Series) -> Option<Self> {
        let points = series.points();
        let end = points.last()?.ts.plus_nanos(step(series));
        Some(Self { from: points.first()?.ts, to: end, cursor: None })
    }

    /// The column of a moment, of so many; those outside lie before and behind all.
    fn column(&self, ts: Timestamp, columns: usize) -> i64 {
        let nanos = self.to.nanos_since(self.from).max(1) as f64;
        (ts.nanos_since(self.from) as f64 / nanos * columns as f64).floor() as i64
    }
}

impl Curve {
    /// What holds at that moment: the last point until then.
    fn value_at(&self, ts: Timestamp) -> Option<f64> {
        self.points.iter().rfind(|point| point.0 <= ts).map(|point| point.1)
    }
}

/// Where names end and curves begin.
pub(super) fn split(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Length(LABEL), Constraint::Fill(1)]).areas(area)
}

/// The curves one below the other.
pub(super) fn render(out: &mut Frame<'_>, area: Rect, span: Span, curves: &[Curve], theme: Theme) {
    let rows = Layout::vertical(curves.iter().map(|_| Constraint::Fill(1))).split(area);
    for (curve, row) in curves.iter().zip(rows.iter()) {
        let [names, blocks] = split(*row);
        let text = |value: Option<f64>| decimal(value, curve.decimals);
        let mut shown = curve.points.iter().filter(|point| point.0 >= span.from && point.0 < span.to);
        let highest = shown.clone().map(|point| point.1).reduce(f64::max);
        let value = match span.cursor {
            Some(cursor) => curve.value_at(cursor),
            None => shown.next_back().map(|point| point.1),
        };
        let named = |name: &str, value: String| {
            Line::from(vec![text::Span::styled(format!(" {name:<12}"), theme.frame()), format!("{value:>12} ").into()])
        };
        let lines = vec![named(curve.name, text(value)), named("  highest", text(highest))];
        out.render_widget(Paragraph::new(lines), names);
        let data = columns(curve, span, usize::from(blocks.width));
        let sparkline = Sparkline::default().style(theme.curve()).absent_value_symbol(" ").data(data);
        out.render_widget(sparkline, blocks);
    }
    point_out(out, split(area)[1], span, theme);
}

/// Shows the column that is pointed to the other way round.
pub(super) fn point_out(out: &mut Frame<'_>, blocks: Rect, span: Span, theme: Theme) {
    let Some(cursor) = span.cursor else { return };
    let at = u16::try_from(span.column(cursor, usize::from(blocks.width))).unwrap_or(u16::MAX);
    if at < blocks.width {
        let column = Rect { x: blocks.x + at, width: 1, ..blocks };
        out.buffer_mut().set_style(column, theme.selected());
    }
}

/// What happened, as letters at their moments; where several are in a column, the last.
pub(super) fn marks(span: Span, columns: usize, marks: &[(Timestamp, char)]) -> String {
    let mut line = vec![' '; columns];
    for (ts, letter) in marks {
        let place = usize::try_from(span.column(*ts, columns)).ok();
        if let Some(place) = place.and_then(|at| line.get_mut(at)) {
            *place = *letter;
        }
    }
    line.into_iter().collect()
}

/// The highest value of each column; none where no point is.
fn columns(curve: &Curve, span: Span, columns: usize) -> Vec<Option<u64>> {
    let mut data: Vec<Option<u64>> = vec![None; columns];
    let within = |column: i64| usize::try_from(column.max(0)).unwrap_or(0).min(columns);
    for (number, (ts, value)) in curve.points.iter().enumerate() {
        let first = span.column(*ts, columns);
        // A point lasts until the next one, so that wide screens have no holes.
        let end = curve.points.get(number + 1).map_or_else(|| ts.plus_nanos(curve.lasts), |(next, _)| *next);
        let next = span.column(end, columns);
        let (first, next) = (within(first), within(next.max(first + 1)));
        let scaled = (value * SCALE).round().max(0.0) as u64;
        for column in data.iter_mut().take(next).skip(first) {
            *column = Some(column.unwrap_or(0).max(scaled));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * NANOS_PER_SEC)
    }

    #[test]
    fn a_point_lasts_until_the_next_one_and_what_is_outside_is_not_shown() {
        let points = vec![(at(0), 9.0), (at(10), 1.0), (at(14), 2.0), (at(30), 9.0)];
        let curve = Curve { name: "x", decimals: 0, points, lasts: 0 };
        let span = Span { from: at(10), to: at(20), cursor: None };
        let (one, two) = (Some(1_000), Some(2_000));
        assert_eq!(columns(&curve, span, 10), [one, one, one, one, two, two, two, two, two, two]);
        assert_eq!([curve.value_at(at(13)), curve.value_at(at(-1))], [Some(1.0), None]);
    }

    #[test]
    fn the_last_point_lasts_for_its_interval() {
        let span = Span { from: at(0), to: at(2), cursor: None };
        let curve = |lasts| Curve { name: "x", decimals: 0, points: vec![(at(0), 1.0), (at(1), 2.0)], lasts };
        let (one, two) = (Some(1_000), Some(2_000));
        assert_eq!(columns(&curve(NANOS_PER_SEC), span, 6), [one, one, one, two, two, two]);
        assert_eq!(columns(&curve(0), span, 6), [one, one, one, two, None, None]);
    }

    #[test]
    fn marks_stand_at_their_moments() {
        let span = Span { from: at(0), to: at(10), cursor: None };
        assert_eq!(marks(span, 5, &[(at(-3), 'n'), (at(0), 'n'), (at(9), 'p'), (at(10), 'k')]), "n   p");
    }
}
