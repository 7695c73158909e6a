//! The part of a stream's time that is looked at, and the moment that somebody points to.
//!
//! In: zoom, steps aside, the stream. Out: a window and a cursor within the stream's time. Never: a moment outside of it.

use super::State;
use crate::model::snapshot::{FrameNo, Series, Snapshot, StreamRow};
use crate::time::{NANOS_PER_SEC, Timestamp};

/// From when to when.
pub(in crate::view::tui) type Window = (Timestamp, Timestamp);

/// Intervals that a window has at least.
const LEAST: i64 = 8;

/// What of a stream's course is looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Course {
    /// The stream that this is about.
    stream: Option<String>,
    /// None: all of it.
    window: Option<Window>,
    cursor: Option<Timestamp>,
}

fn step(series: &Series) -> i64 {
    ((series.step_seconds() * NANOS_PER_SEC as f64) as i64).max(1)
}

/// From the beginning of the first interval to the end of the last.
fn whole(series: &Series) -> Option<Window> {
    let points = series.points();
    Some((points.first()?.ts, points.last()?.ts.plus_nanos(step(series))))
}

impl State {
    fn course_of<'a>(&self, snapshot: &'a Snapshot) -> Option<(&'a StreamRow, &'a Series, Window)> {
        let row = self.stream(snapshot)?;
        let series = row.series.as_ref()?;
        Some((row, series, whole(series)?))
    }

    /// The part of the stream's time that is shown; none without a course.
    pub(in crate::view::tui) fn window(&self, snapshot: &Snapshot) -> Option<Window> {
        let (row, _, whole) = self.course_of(snapshot)?;
        let own = self.course.window.filter(|_| self.course.stream.as_ref() == Some(&row.id));
        Some(own.unwrap_or(whole))
    }

    /// The moment that is pointed to.
    pub(in crate::view::tui) fn cursor(&self, snapshot: &Snapshot) -> Option<Timestamp> {
        let row = self.stream(snapshot)?;
        self.course.cursor.filter(|_| self.course.stream.as_ref() == Some(&row.id))
    }

    /// Half as much time, or twice as much, around the cursor.
    pub(super) fn zoom(&mut self, is_in: bool, snapshot: &Snapshot) {
        let Some(((row, series, whole), (from, to))) = self.course_of(snapshot).zip(self.window(snapshot)) else {
            return;
        };
        let length = to.nanos_since(from);
        let wanted = if is_in { (length / 2).max(step(series) * LEAST) } else { length.saturating_mul(2) };
        let middle = self.cursor(snapshot).unwrap_or_else(|| from.plus_nanos(length / 2));
        // What is pointed to stays where it is on the screen.
        let part = middle.nanos_since(from) as f64 / length.max(1) as f64;
        let begin = middle.plus_nanos(-(wanted as f64 * part) as i64);
        self.set_window(row.id.clone(), (begin, begin.plus_nanos(wanted)), whole);
    }

    /// Earlier or later by half of what is shown.
    pub(super) fn pan(&mut self, is_later: bool, snapshot: &Snapshot) {
        let Some(((row, _, whole), (from, to))) = self.course_of(snapshot).zip(self.window(snapshot)) else { return };
        let half = to.nanos_since(from) / 2;
        let by = if is_later { half } else { -half };
        self.set_window(row.id.clone(), (from.plus_nanos(by), to.plus_nanos(by)), whole);
        let (from, to) = self.window(snapshot).unwrap_or(whole);
        self.course.cursor = self.course.cursor.map(|cursor| cursor.max(from).min(to));
    }

    /// Keeps the window inside of the stream's time.
    fn set_window(&mut self, stream: String, (from, to): Window, whole: Window) {
        let length = to.nanos_since(from).min(whole.1.nanos_since(whole.0));
        let from = from.min(whole.1.plus_nanos(-length)).max(whole.0);
        let window = (from, from.plus_nanos(length));
        let cursor = self.course.cursor.filter(|_| self.course.stream.as_ref() == Some(&stream));
        self.course = Course { stream: Some(stream), window: (window != whole).then_some(window), cursor };
    }

    /// To the interval before or behind; the window comes along.
    pub(super) fn point_aside(&mut self, by: i64, snapshot: &Snapshot) {
        let Some(((row, series, whole), (from, to))) = self.course_of(snapshot).zip(self.window(snapshot)) else {
            return;
        };
        let columns = i64::from(self.size.width.saturating_sub(28)).max(1);
        let stride = step(series).max(to.nanos_since(from) / columns);
        let last = whole.1.plus_nanos(-1);
        let id = row.id.clone();
        let cursor = match self.cursor(snapshot) {
            Some(cursor) => cursor.plus_nanos(stride.saturating_mul(by)).max(whole.0).min(last),
            None => from.plus_nanos(to.nanos_since(from) / 2),
        };
        self.point_to(id, cursor, snapshot);
    }

    fn point_to(&mut self, stream: String, cursor: Timestamp, snapshot: &Snapshot) {
        let Some(((_, _, whole), (from, to))) = self.course_of(snapshot).zip(self.window(snapshot)) else { return };
        let outside = cursor.nanos_since(to.plus_nanos(-1)).max(0) - from.nanos_since(cursor).max(0);
        self.set_window(stream.clone(), (from.plus_nanos(outside), to.plus_nanos(outside)), whole);
        (self.course.stream, self.course.cursor) = (Some(stream), Some(cursor));
    }

    /// To the interval that a frame is in, where the frame is one of the stream's time.
    pub(super) fn point_to_frame(&mut self, frame: FrameNo, snapshot: &Snapshot) {
        let Some((row, series, _)) = self.course_of(snapshot) else { return };
        let id = row.id.clone();
        let points = series.points();
        let before = points.iter().rfind(|point| point.frame.is_some_and(|first| first <= frame));
        if let Some(point) = before.or(points.first()) {
            let (ts, first) = (point.ts, point.frame);
            self.point_to(id, ts, snapshot);
            if let Some(first) = first.filter(|first| *first != frame) {
                self.tell(format!("frame {frame} is in the interval at the cursor, which begins with frame {first}"));
            }
        }
    }

    /// The newest of it, in a window as long as before.
    pub(super) fn follow_course(&mut self, snapshot: &Snapshot) {
        let Some(((row, _, whole), (from, to))) = self.course_of(snapshot).zip(self.window(snapshot)) else { return };
        let length = to.nanos_since(from);
        if self.course.window.is_some() {
            self.set_window(row.id.clone(), (whole.1.plus_nanos(-length), whole.1), whole);
        }
    }
}
