//! ```text
//! ┌ r3 over 12.3 s, 0.1 s each ─────────────────────────────────┐
//! │ kbit/s       112.4 ▁▂▃▄▅▆▇█████████████████                 │
//! │ lost             3          █                               │   from the wire
//! │ jitter ms      1.2 ▂▂▃▂▂▂▂▂▂▂▂▂                             │
//! │ RTT ms        24.1    ▂    ▂    ▃    ▂                      │   from reports of RTCP
//! └─────────────────────────────────────────────────────────────┘
//! ┌ Figures of r3 ──────────────────────────────────────────────┐
//! └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! In: a stream. Out: its course over time. Never: a curve of what nobody measured.

use super::super::theme::Theme;
use super::chart::{self, Curve};
use super::pane;
use crate::model::snapshot::{Snapshot, StreamRow};
use crate::view::text::figures::decimal;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn render(out: &mut Frame<'_>, area: Rect, row: Option<&StreamRow>, snapshot: &Snapshot, theme: Theme) {
    let course = row.and_then(|row| Some((row, row.series.as_ref()?)));
    let Some((row, series)) = course else {
        let block = pane::frame("No stream", theme);
        let text = Line::styled(" nothing is known of its course", theme.frame());
        return out.render_widget(Paragraph::new(text).block(block), area);
    };
    let title = format!("{}, each point {} s", row.id, decimal(Some(series.step_seconds()), 1));
    let block = pane::frame(&title, theme);
    let inner = block.inner(area);
    out.render_widget(block, area);
    let points = series.points();
    let Some(span) = chart::span(series) else { return };
    let rtts = snapshot.rtcp.iter().flat_map(|from| &from.sender.reports).filter(|point| point.about.0 == row.ssrc);
    let mut rtts: Vec<_> = rtts.filter_map(|point| Some((point.ts, point.rtt_ms?))).collect();
    rtts.sort_by_key(|point| point.0);
    let curves = [
        Curve { name: "kbit/s", decimals: 1, points: points.iter().map(|at| (at.ts, at.bps / 1000.0)).collect() },
        Curve { name: "lost", decimals: 0, points: points.iter().map(|at| (at.ts, f64::from(at.lost))).collect() },
        Curve {
            name: "jitter ms",
            decimals: 2,
            points: points.iter().filter_map(|at| Some((at.ts, at.jitter_ms?))).collect(),
        },
        Curve { name: "RTT ms", decimals: 1, points: rtts },
    ];
    let known: Vec<Curve> = curves.into_iter().filter(|curve| !curve.points.is_empty()).collect();
    chart::render(out, inner, span, &known, theme);
}
