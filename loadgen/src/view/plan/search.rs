//! What a search for the knee would try.
//!
//! In: where it begins, where it ends, and what its steps are. Out: lines. Never: the search itself.

use super::super::number::{count, span};
use crate::knee::Axis;
use crate::threshold::Threshold;
use std::time::Duration;

/// A search before there is one.
#[derive(Clone, PartialEq, Debug)]
pub struct SearchPlan {
    /// What grows.
    pub axis: Axis,
    /// What is tried first.
    pub first: u64,
    /// The most that is tried.
    pub limit: u64,
    /// Time of a step that is not measured.
    pub settle: Duration,
    /// The same for each thousand allocations.
    pub settle_per_thousand: Duration,
    /// Time of a step that is measured.
    pub measured: Duration,
    /// How many steps there are, and how long they take, where the knee is near the limit.
    pub longest: (u32, Duration),
    /// What has to hold.
    pub thresholds: Vec<Threshold>,
}

impl SearchPlan {
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let (what, as_many) = match self.axis {
            Axis::Allocations => ("the number of allocations", "as many"),
            Axis::PacketRate => ("the packet rate of each stream", "as fast"),
        };
        let course = if self.first >= self.limit {
            format!("{} only", count(self.limit))
        } else {
            format!(
                "{}, then twice {as_many} up to {}, then between the last two",
                count(self.first),
                count(self.limit)
            )
        };
        let thresholds: Vec<String> = self.thresholds.iter().map(ToString::to_string).collect();
        let (steps, time) = self.longest;
        vec![
            ("searches", format!("{what}: {course}")),
            (
                "a step fails",
                format!(
                    "where {} does not hold, an allocation is refused or turnload cannot keep up",
                    thresholds.join(" or ")
                ),
            ),
            (
                "each step",
                format!(
                    "{} measured, after {} and {} for each 1,000 allocations",
                    span(self.measured),
                    span(self.settle),
                    span(self.settle_per_thousand)
                ),
            ),
            (
                "takes",
                format!(
                    "about {} in {steps} steps where the knee is near the limit",
                    span(Duration::from_secs(time.as_secs()))
                ),
            ),
        ]
    }
}
