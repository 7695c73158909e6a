//! Formats a [`Snapshot`](crate::model::snapshot::Snapshot) for a person or a machine.
//!
//! In: a snapshot. Out: text, JSON, rows. Never: a decision, a figure that the snapshot does not hold.

#![forbid(unsafe_code)]

pub mod csv;
pub mod diff;
pub mod explain;
pub mod json;
pub mod ladder;
pub mod live;
pub mod ndjson;
pub mod openmetrics;
pub mod text;
pub mod tui;
pub mod verdicts;
