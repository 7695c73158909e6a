//! ```text
//! ┌ r3 from 2.0 s to 9.5 s of 12.3 s, 0.1 s a point ────────────┐
//! │ kbit/s       112.4 ▁▂▃▄▅▆▇█████████████████                 │
//! │ lost             3          █                               │   from the wire; the values are those at the cursor,
//! │ jitter ms      1.2 ▂▂▃▂▂▂▂▂▂▂▂▂                             │   which is a column shown the other way round
//! │ delta ms      20.4 ▂▂▇▂▂▂▂▂▂▂▂▂                             │
//! │ RTT ms        24.1    ▂    ▂    ▃    ▂                      │   from reports of RTCP
//! │ marks              K     n  n     P                         │   keyframe, NACK, picture request
//! │ at 4.1 s frame 812 2.0                                  9.5 │
//! └─────────────────────────────────────────────────────────────┘
//! ┌ Figures of r3 ──────────────────────────────────────────────┐
//! └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! In: a stream, the part of its time that is looked at. Out: its course over time. Never: a curve of what nobody measured.

use super::super::document::first_gaps;
use super::super::list::List;
use super::super::state::State;
use super::super::theme::Theme;
use super::chart::{self, Curve, Span};
use super::pane;
use crate::model::snapshot::{FrameNo, Series, SeriesPoint, Snapshot, Ssrc, StreamRow};
use crate::time::Timestamp;
use crate::view::text::figures::decimal;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn render(out: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot, theme: Theme) {
    let row = state.stream(snapshot);
    let course = row.and_then(|row| Some((row, row.series.as_ref()?, Span::whole(row.series.as_ref()?)?)));
    let (Some((row, series, whole)), Some((from, to))) = (course, state.window(snapshot)) else {
        let block = pane::frame("No stream", theme);
        let hidden = state.hidden(List::Streams, "stream").map(|text| format!(" {text}"));
        let text = hidden.unwrap_or_else(|| " nothing is known of its course".to_owned());
        let text = Line::styled(text, theme.frame());
        return out.render_widget(Paragraph::new(text).block(block), area);
    };
    let since = |ts: Timestamp| {
        let start = snapshot.capture.first_ts.unwrap_or(whole.from);
        decimal(Some(ts.millis_since(start) / 1000.0), 1)
    };
    let part = if (from, to) == (whole.from, whole.to) {
        format!("{} s", decimal(Some(to.millis_since(from) / 1000.0), 1))
    } else {
        let length = whole.to.millis_since(whole.from) / 1000.0;
        format!("{} to {} s, part of {} s", since(from), since(to), decimal(Some(length), 1))
    };
    let title = format!("{}, {part}, {} s a point", row.id, decimal(Some(series.step_seconds()), 1));
    let mut block = pane::frame(&title, theme);
    if let Some(text) = first_gaps(row) {
        block = block.title_bottom(Line::styled(format!(" Lost: {text} "), theme.frame()));
    }
    let inner = block.inner(area);
    out.render_widget(block, area);
    let span = Span { from, to, cursor: state.cursor(snapshot) };
    let [curve_area, marks_area, time_area] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inner);
    chart::render(out, curve_area, span, &curves(row, series, snapshot), theme);

    let [name, blocks] = chart::split(marks_area);
    out.render_widget(Line::styled(" Key Nack Pict Lost", theme.frame()), name);
    let letters = chart::marks(span, usize::from(blocks.width), &marks(row, series, snapshot));
    out.render_widget(Line::raw(letters), blocks);
    chart::point_out(out, blocks, span, theme);

    let [name, blocks] = chart::split(time_area);
    let pointed = span.cursor.map(|cursor| {
        let points = series.points();
        let frame = points.iter().rfind(|point| point.ts <= cursor && point.frame.is_some()).and_then(|at| at.frame);
        format!(" {} s{}", since(cursor), frame.map(|frame| format!(", frame {frame}")).unwrap_or_default())
    });
    out.render_widget(Line::raw(pointed.unwrap_or_else(|| " ←→ point at a moment".to_owned())), name);
    out.render_widget(Line::styled(format!("{} s", since(from)), theme.frame()), blocks);
    out.render_widget(Line::styled(format!("{} s", since(to)), theme.frame()).right_aligned(), blocks);
}

fn curves(row: &StreamRow, series: &Series, snapshot: &Snapshot) -> Vec<Curve> {
    let points = series.points();
    let about = snapshot.rtcp.iter().flat_map(|from| &from.sender.reports).filter(|point| point.about.0 == row.ssrc);
    let mut rtts: Vec<_> = about.filter_map(|point| Some((point.ts, point.rtt_ms?))).collect();
    rtts.sort_by_key(|point| point.0);
    let of = |value: fn(&SeriesPoint) -> Option<f64>| {
        points.iter().filter_map(|point| Some((point.ts, value(point)?))).collect()
    };
    let lasts = chart::step(series);
    let curves = [
        Curve { name: "kbit/s", decimals: 1, points: of(|at| Some(at.bps / 1000.0)), lasts },
        Curve { name: "lost", decimals: 0, points: of(|at| Some(f64::from(at.lost))), lasts },
        Curve { name: "jitter ms", decimals: 2, points: of(|at| at.jitter_ms), lasts },
        Curve { name: "delta ms", decimals: 1, points: of(|at| at.delta_ms), lasts },
        Curve { name: "RTT ms", decimals: 1, points: rtts, lasts: 0 },
    ];
    curves.into_iter().filter(|curve| !curve.points.is_empty()).collect()
}

/// What happened, in the order in which it hides what lies in the same column: losses first, keyframes last.
fn marks(row: &StreamRow, series: &Series, snapshot: &Snapshot) -> Vec<(Timestamp, char)> {
    let mut marks: Vec<(Timestamp, char)> = {
        let losses = row.figures.notes.losses.iter().filter(|place| place.missing > 0);
        losses.map(|place| (place.after_ts, 'L')).collect()
    };
    let own = |all: &[(Timestamp, FrameNo, Ssrc)], letter: char| -> Vec<(Timestamp, char)> {
        all.iter().filter(|(_, _, about)| about.0 == row.ssrc).map(|(ts, ..)| (*ts, letter)).collect()
    };
    marks.extend(snapshot.rtcp.iter().flat_map(|from| own(&from.sender.nacks.marks, 'N')));
    marks.extend(snapshot.rtcp.iter().flat_map(|from| own(&from.sender.picture_requests.marks, 'P')));
    marks.extend(series.keyframes().iter().map(|(ts, _)| (*ts, 'K')));
    marks
}
