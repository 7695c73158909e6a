//! A load that changes over time: `0:0,30s:2000,5m:2000,30s:0`.
//!
//! In: text. Out: [`Stages`], or an error that names the stage. Never: a stage without an end.

use crate::quantity::{InvalidQuantity, duration};
use std::str::FromStr;
use std::time::Duration;

/// Allocations at most that a stage may ask for: the relay ports of some twenty addresses.
pub const MAX_TARGET: u32 = 1_000_000;
/// Stages at most.
const MAX_STAGES: usize = 1_000;

/// One stage: over this time the load goes in a straight line from where it was to `target`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// How long it takes; zero jumps.
    pub over: Duration,
    /// Allocations at its end.
    pub target: u32,
}

/// The stages in order; at least one, and at least one takes time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stages(Vec<Stage>);

impl Stages {
    /// In order.
    pub fn list(&self) -> &[Stage] {
        &self.0
    }

    /// From the start to the end of the last one.
    pub fn duration(&self) -> Duration {
        self.0.iter().fold(Duration::ZERO, |sum, stage| sum.saturating_add(stage.over))
    }
}

impl FromStr for Stages {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let mut stages = Vec::new();
        for (at, stage) in text.split(',').enumerate() {
            if at == MAX_STAGES {
                return Err(InvalidQuantity(format!("more than {MAX_STAGES} stages")));
            }
            let place = |why: String| InvalidQuantity(format!("stage {}: {why}", at + 1));
            let Some((over, target)) = stage.trim().split_once(':') else {
                return Err(place(format!("`{stage}` is not TIME:ALLOCATIONS, as in 30s:2000")));
            };
            let over = duration(over).map_err(|error| place(error.to_string()))?;
            let target = target
                .parse()
                .ok()
                .filter(|target| *target <= MAX_TARGET && !stage.contains('+'))
                .ok_or_else(|| place(format!("`{target}` is no number of allocations up to {MAX_TARGET}")))?;
            stages.push(Stage { over, target });
        }
        let stages = Self(stages);
        if stages.duration().is_zero() {
            return Err(InvalidQuantity(format!("`{text}` takes no time at all")));
        }
        Ok(stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_a_plateau_and_a_drain_are_four_stages() {
        let stages: Stages = "0:0,30s:2000,5m:2000,30s:0".parse().expect("stages");
        let list: Vec<(u64, u32)> = stages.list().iter().map(|stage| (stage.over.as_secs(), stage.target)).collect();
        assert_eq!(list, [(0, 0), (30, 2000), (300, 2000), (30, 0)]);
        assert_eq!(stages.duration(), Duration::from_secs(360));
    }

    #[test]
    fn the_wrong_stage_is_named() {
        for (text, words) in [
            ("30s:10,5m", "stage 2: `5m` is not TIME:ALLOCATIONS"),
            ("30:10", "stage 1: `30` is no time"),
            ("30s:ten", "stage 1: `ten` is no number"),
            ("30s:1000001", "stage 1"),
            ("30s:10,", "stage 2"),
            ("", "stage 1"),
            ("0:100", "no time at all"),
        ] {
            let why = text.parse::<Stages>().expect_err(text).to_string();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
