//! ```text
//! ┌ r3: lost on the wire, and as the receiver reports ──────────┐
//! │ on the wire     12 ▁▁▁▁▂▂▂▂▂▂▅▅▅▅▅▅███████                  │   both are sums since the beginning
//! │ reported        11      ▂    ▂    ▅    █                    │
//! └─────────────────────────────────────────────────────────────┘
//! ┌ RTCP reports (24, by time) ─────────────────────────────────┐
//! └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! In: a stream and the reports about it. Out: what was lost, seen from two places. Never: one taken for the other.

use super::super::theme::Theme;
use super::chart::{self, Curve};
use super::pane;
use crate::model::snapshot::{Snapshot, StreamRow};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn render(out: &mut Frame<'_>, area: Rect, row: Option<&StreamRow>, snapshot: &Snapshot, theme: Theme) {
    let course = row.and_then(|row| Some((row, row.series.as_ref()?)));
    let Some((row, series)) = course else {
        let block = pane::frame("Lost over time", theme);
        let text = Line::styled(" no stream that was seen here is selected", theme.frame());
        return out.render_widget(Paragraph::new(text).block(block), area);
    };
    let title = format!("{}: lost on the wire until here, and as its receiver reports", row.id);
    let block = pane::frame(&title, theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let Some(span) = chart::Span::whole(series) else { return };
    let points = series.points();
    let wire = points.iter().filter_map(|at| Some((at.ts, series.missing_until(at.ts)? as f64)));
    let about = snapshot.rtcp.iter().flat_map(|from| &from.sender.reports).filter(|point| point.about.0 == row.ssrc);
    let mut reported: Vec<_> = about.map(|point| (point.ts, f64::from(point.cumulative_lost))).collect();
    reported.sort_by_key(|point| point.0);
    let curves = [
        Curve { name: "on the wire", decimals: 0, points: wire.collect(), lasts: chart::step(series) },
        Curve { name: "reported", decimals: 0, points: reported, lasts: 0 },
    ];
    chart::render(out, inner, span, &curves, theme);
}
