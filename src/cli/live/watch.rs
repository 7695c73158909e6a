//! What is new since the last look.
//!
//! In: snapshots, one after the other. Out: what each second brought, and the findings that have come to stay.
//! Never: a finding told twice, or one of a moment: it is told once two snapshots have it.

use crate::model::snapshot::{ClassCounts, Finding, FrameNo, Snapshot};
use crate::time::{NANOS_PER_SEC, Timestamp};
use crate::view::live::Second;
use std::collections::BTreeSet;

/// Streams that were heard of within so many seconds are asked for the worst loss.
const RECENT: i64 = 5;
/// Findings that are remembered as told: more than a report has of any rule, many times over.
const MAX_TOLD: usize = 65_536;

/// What a finding is known by while its words change.
type Key = (&'static str, Option<FrameNo>, Option<String>);

/// The memory of the last look.
#[derive(Default)]
pub(in crate::cli) struct Watch {
    packets: u64,
    bytes: u64,
    dropped: u64,
    classes: ClassCounts,
    /// What the last line's clock showed.
    clock: Option<Timestamp>,
    pending: BTreeSet<Key>,
    told: BTreeSet<Key>,
}

impl Watch {
    /// What came since the last look, `seconds` ago.
    pub(in crate::cli) fn second<'s>(&mut self, snapshot: &'s Snapshot, seconds: f64) -> Second<'s> {
        let capture = &snapshot.capture;
        let dropped = capture.facts.dropped_by_capture;
        let mut classes = ClassCounts::default();
        for (class, number) in snapshot.packets.iter() {
            // What is known to be RTP only later was something else before: a class may lose packets.
            classes.add(class, number.saturating_sub(self.classes.of(class)));
        }
        // Where nothing came time goes on all the same: it is to be seen when an outage began.
        let quiet = self.clock.filter(|_| capture.packets == self.packets);
        self.clock = quiet.map(|clock| clock.plus_nanos((seconds * 1e9) as i64)).or(capture.last_ts);
        let second = Second {
            ts: self.clock,
            seconds,
            packets: capture.packets - self.packets,
            bytes: capture.bytes - self.bytes,
            dropped: dropped.map(|dropped| dropped.saturating_sub(self.dropped)),
            packets_total: capture.packets,
            dropped_total: dropped,
            classes,
            streams: snapshot.streams.len() + capture.forgotten.streams as usize,
            sessions: snapshot.sessions.len() + capture.forgotten.sessions as usize,
            worst: worst(snapshot),
            findings: self.findings(snapshot),
        };
        self.packets = capture.packets;
        self.bytes = capture.bytes;
        self.dropped = dropped.unwrap_or(0);
        self.classes = snapshot.packets;
        second
    }

    /// Findings that this snapshot and the one before have, and that were not told yet.
    fn findings<'s>(&mut self, snapshot: &'s Snapshot) -> Vec<&'s Finding> {
        let lasting = snapshot.findings.iter().filter(|finding| !finding.tells_of_nothing());
        let keyed: Vec<(Key, &Finding)> = lasting.map(|finding| (key(finding), finding)).collect();
        if self.told.len() >= MAX_TOLD {
            // What the report lists no longer will hardly come back.
            let listed: BTreeSet<&Key> = keyed.iter().map(|(key, _)| key).collect();
            self.told.retain(|key| listed.contains(key));
        }
        let mut new = Vec::new();
        for (key, finding) in &keyed {
            if self.pending.contains(key) && self.told.len() < MAX_TOLD && self.told.insert(key.clone()) {
                new.push(*finding);
            }
        }
        self.pending = keyed.into_iter().map(|(key, _)| key).collect();
        new
    }
}

fn key(finding: &Finding) -> Key {
    let frame = finding.frames.first().copied();
    (finding.code, frame, if frame.is_none() { finding.subject.clone() } else { None })
}

/// The stream of those that run that lost most.
fn worst(snapshot: &Snapshot) -> Option<(&str, f64)> {
    let now = snapshot.capture.last_ts?;
    let recent = snapshot.streams.iter().filter(|row| now.nanos_since(row.figures.last_ts) < RECENT * NANOS_PER_SEC);
    let losses = recent.filter_map(|row| Some((row.id.as_str(), row.loss().lost_pct?)));
    losses.max_by(|one, other| one.1.total_cmp(&other.1).then_with(|| other.0.cmp(one.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::analyzer::{Analyzer, Options};
    use crate::model::capture::CaptureFacts;
    use crate::packet::{LinkType, RawPacket};

    #[test]
    fn time_goes_on_where_nothing_comes_and_is_that_of_the_packets_again_where_something_does() {
        let mut analyzer = Analyzer::new(Options::default());
        let mut packet = |frame, seconds| {
            let ts = Timestamp::from_parts(seconds, 0);
            let (frame, link) = (FrameNo(frame), LinkType::ETHERNET);
            analyzer.packet(&RawPacket { ts, frame, interface: 0, link, wire_len: 60, data: &[0; 60] });
            analyzer.snapshot(CaptureFacts::default())
        };
        let mut watch = Watch::default();
        let mut clock = |snapshot: &Snapshot| watch.second(snapshot, 1.5).ts.map(Timestamp::as_nanos);
        let first = packet(1, 100);
        let seen = [clock(&first), clock(&first), clock(&first), clock(&packet(2, 110))];
        assert_eq!(seen, [100.0, 101.5, 103.0, 110.0].map(|seconds: f64| Some((seconds * 1e9) as i64)));
    }
}
