//! What is worked out once for a snapshot, however often it is drawn.
//!
//! In: a snapshot. Out: round trips by SSRC, the text of rows, their usual order. Never: work before somebody asks for it that
//! grows with more than the reports.

use super::{List, Seen};
use crate::model::snapshot::Snapshot;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Of one snapshot.
#[derive(Debug, Default)]
pub(in crate::view::tui) struct Known {
    /// The latest round trip that a report about an SSRC gave.
    rtts: BTreeMap<u32, f64>,
    /// The first and the last moment of the capture.
    pub(in crate::view::tui) span: Option<(Timestamp, Timestamp)>,
    texts: [OnceLock<Vec<String>>; List::ALL.len()],
    usual: [OnceLock<Vec<usize>>; List::ALL.len()],
}

impl Known {
    pub(in crate::view::tui) fn of(snapshot: &Snapshot) -> Self {
        let points = snapshot.rtcp.iter().flat_map(|row| &row.sender.reports);
        let mut rtts: BTreeMap<u32, (Timestamp, f64)> = BTreeMap::new();
        for point in points {
            let Some(rtt) = point.rtt_ms else { continue };
            let latest = rtts.entry(point.about.0).or_insert((point.ts, rtt));
            if point.ts >= latest.0 {
                *latest = (point.ts, rtt);
            }
        }
        Self {
            rtts: rtts.into_iter().map(|(ssrc, (_, rtt))| (ssrc, rtt)).collect(),
            span: snapshot.capture.first_ts.zip(snapshot.capture.last_ts),
            ..Self::default()
        }
    }

    pub(in crate::view::tui) fn rtt(&self, ssrc: u32) -> Option<f64> {
        self.rtts.get(&ssrc).copied()
    }

    /// What a filter looks for in each row, in lower case.
    pub(in crate::view::tui) fn texts(&self, list: List, seen: &Seen<'_>) -> &[String] {
        self.texts[list as usize]
            .get_or_init(|| (0..list.len(seen)).map(|row| list.words(seen, row).to_lowercase()).collect())
    }

    /// The rows as they stand at first.
    pub(in crate::view::tui) fn usual(&self, list: List, sort: impl FnOnce() -> Vec<usize>) -> &[usize] {
        self.usual[list as usize].get_or_init(sort)
    }
}
