//! What the curves are drawn of.
//!
//! In: a point a second. Out: the last ones, several taken together where a column of the screen stands for more than
//! one. Never: more than an hour of them.

use std::collections::VecDeque;

/// An hour, where there is a point each second.
const CAPACITY: usize = 3_600;

/// A second; none where nothing was measured.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Point {
    /// Packets that were due, a second.
    pub(super) offered_pps: f64,
    /// Packets that arrived, a second.
    pub(super) delivered_pps: f64,
    /// Of those that were due.
    pub(super) lost_pct: Option<f64>,
    /// Round trips.
    pub(super) rtt_p50_ms: Option<f64>,
    /// Round trips.
    pub(super) rtt_p99_ms: Option<f64>,
}

/// The points of the last hour, oldest first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    /// How many there were before the first.
    evicted: usize,
}

impl History {
    pub(super) fn push(&mut self, point: Point) {
        if self.points.len() == CAPACITY {
            self.points.pop_front();
            self.evicted += 1;
        }
        self.points.push_back(point);
    }

    /// The highest value of each `step` points, for the last `columns` columns, oldest first. The highest, because a
    /// bad second must not vanish among good ones.
    pub(super) fn columns(&self, columns: usize, step: usize, of: fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
        let step = step.max(1);
        // Columns begin at multiples of `step`, so that a finished one does not change any more.
        let mut result: Vec<Option<f64>> = Vec::with_capacity(columns);
        for (at, point) in self.points.iter().enumerate() {
            if result.is_empty() || (self.evicted + at).is_multiple_of(step) {
                result.push(None);
            }
            if let (Some(column), Some(value)) = (result.last_mut(), of(point).filter(|value| value.is_finite())) {
                *column = Some(column.map_or(value, |highest: f64| highest.max(value)));
            }
        }
        result.split_off(result.len().saturating_sub(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[f64]) -> History {
        let mut history = History::default();
        losses.iter().for_each(|loss| history.push(Point { lost_pct: Some(*loss), ..Point::default() }));
        history
    }

    #[test]
    fn the_last_columns_are_kept() {
        let columns = history(&[1.0, 2.0, 3.0, 4.0]).columns(2, 1, |point| point.lost_pct);
        assert_eq!(columns, [Some(3.0), Some(4.0)]);
    }

    #[test]
    fn a_bad_second_does_not_vanish_among_good_ones() {
        let columns = history(&[0.0, 9.0, 0.0, 1.0, 0.0]).columns(10, 3, |point| point.lost_pct);
        assert_eq!(columns, [Some(9.0), Some(1.0)]);
    }

    #[test]
    fn what_was_not_measured_is_a_gap() {
        let mut history = history(&[1.0]);
        history.push(Point::default());
        assert_eq!(history.columns(10, 1, |point| point.lost_pct), [Some(1.0), None]);
    }

    #[test]
    fn an_hour_is_all_that_is_kept() {
        let mut history = History::default();
        (0..2 * CAPACITY).for_each(|_| history.push(Point::default()));
        assert_eq!((history.points.len(), history.evicted), (CAPACITY, CAPACITY));
    }
}
