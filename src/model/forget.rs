//! What an analysis that runs for days lets go, and what it keeps of it.
//!
//! In: the time of packets, and a snapshot before and after something has left. Out: when it is time to look, and the
//! counts and findings of what has left, for every later snapshot. Never: a total that goes back because of it; a clock but
//! that of the packets.

use super::class::{Class, ClassCounts};
use super::finding::Finding;
use super::media_context::Announcement;
use super::snapshot::{FrameNo, Snapshot};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Looks in the time after which something may leave: it leaves at most a quarter of that late.
const LOOKS: i64 = 4;
/// What is still open, by its own words, waits so many times as long.
pub(crate) const OPEN: i64 = 4;
/// Findings of what has left that are kept of each rule, the latest.
const MAX_FINDINGS: usize = 64;
/// Announcements of addresses of which nothing came yet that are remembered in the time between two looks.
const MAX_RECENT: usize = 1 << 14;

/// What has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the lists")]
pub struct Forgotten {
    pub flows: u64,
    pub streams: u64,
    pub sessions: u64,
    pub allocations: u64,
    pub handshakes: u64,
    pub pairs: u64,
    pub transactions: u64,
    pub rtcp_senders: u64,
    pub signals: u64,
    pub connections: u64,
    /// RTP packets of the streams that left.
    pub rtp_packets: u64,
    /// Their bytes, RTP headers included.
    pub rtp_bytes: u64,
    /// Packets that they lost.
    pub rtp_lost: u64,
    /// Findings that only what has left could prove.
    pub findings: u64,
    /// Those of them that the report no longer lists, for the bound's sake.
    pub findings_not_listed: u64,
}

impl Forgotten {
    /// True where nothing has left.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The memory of what has left.
#[derive(Default)]
pub(crate) struct Memory {
    /// Nanoseconds of quiet after which something leaves.
    pub(crate) idle: i64,
    /// The time of the last packet, the earlier of the last two, and when to look again.
    last: Option<Timestamp>,
    now: Option<Timestamp>,
    next: Option<Timestamp>,
    pub(crate) total: Forgotten,
    /// What is to be added to the counts of what is there, so that they are those of all that ever was.
    classes: BTreeMap<Class, i64>,
    other: BTreeMap<String, i64>,
    limits: BTreeMap<&'static str, i64>,
    duplicates: i64,
    seen_ssrcs: BTreeSet<u32>,
    findings: BTreeMap<&'static str, VecDeque<Finding>>,
    /// How many findings there were of each rule.
    by_code: BTreeMap<&'static str, u64>,
    /// What was announced since each of the last looks.
    announced: VecDeque<Vec<Arc<Announcement>>>,
}

/// What a finding is known by while its words change.
type Key = (&'static str, Option<FrameNo>);

fn key(finding: &Finding) -> Key {
    (finding.code, finding.frames.first().copied())
}

impl Memory {
    pub(crate) fn new(idle: i64) -> Self {
        Self { idle, announced: VecDeque::from([Vec::new()]), ..Self::default() }
    }

    /// Takes the time of a packet. One that stands alone with its time moves nothing: two have to agree.
    #[inline]
    pub(crate) fn passed(&mut self, ts: Timestamp) {
        let Some(last) = self.last.replace(ts) else { return };
        let now = last.min(ts);
        self.now = Some(now);
        let interval = self.idle / LOOKS;
        match self.next {
            // The clock was set back.
            Some(next) if next.nanos_since(now) > interval => self.next = Some(now.plus_nanos(interval)),
            Some(_) => {}
            None => self.next = Some(now.plus_nanos(interval)),
        }
    }

    /// The time, where it is time to look.
    #[inline]
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let (next, now) = (self.next?, self.now?);
        (now >= next).then_some(now)
    }

    /// Somebody has looked.
    pub(crate) fn looked(&mut self, now: Timestamp) {
        self.next = Some(now.plus_nanos(self.idle / LOOKS));
        self.announced.push_back(Vec::new());
        while self.announced.len() as i64 > LOOKS + 1 {
            self.announced.pop_front();
        }
    }

    pub(crate) fn announced(&mut self, announcement: &Arc<Announcement>) {
        if let Some(recent) = self.announced.back_mut()
            && recent.len() < MAX_RECENT
        {
            recent.push(Arc::clone(announcement));
        }
    }

    /// Announcements of which something may still come.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &Announcement> {
        self.announced.iter().flatten().map(Arc::as_ref)
    }

    /// Takes down what is missing `after` something has left.
    pub(crate) fn left(&mut self, before: &Snapshot, after: &Snapshot, connections: u64) {
        let fewer = |before: usize, after: usize| before.saturating_sub(after) as u64;
        let total = &mut self.total;
        total.flows += fewer(before.flows.len(), after.flows.len());
        total.streams += fewer(before.streams.len(), after.streams.len());
        total.sessions += fewer(before.sessions.len(), after.sessions.len());
        total.allocations += fewer(before.allocations.len(), after.allocations.len());
        total.handshakes += fewer(before.handshakes.len(), after.handshakes.len());
        total.pairs += fewer(before.pairs.len(), after.pairs.len());
        total.transactions += fewer(before.transactions.len(), after.transactions.len());
        total.rtcp_senders += fewer(before.rtcp.len(), after.rtcp.len());
        total.signals += fewer(before.signals.len(), after.signals.len());
        total.connections += connections;
        let rtp = |snapshot: &Snapshot| {
            snapshot.streams.iter().map(|row| &row.figures).fold([0_u64; 3], |[packets, bytes, lost], figures| {
                [packets + figures.packets, bytes + figures.bytes, lost + figures.sequence.lost]
            })
        };
        let [packets, bytes, lost] = rtp(before);
        let [packets_left, bytes_left, lost_left] = rtp(after);
        total.rtp_packets += packets.saturating_sub(packets_left);
        total.rtp_bytes += bytes.saturating_sub(bytes_left);
        total.rtp_lost += lost.saturating_sub(lost_left);
        let missing = |before: u64, after: u64| before as i64 - after as i64;
        for (class, count) in before.packets.iter() {
            *self.classes.entry(class).or_default() += missing(count, after.packets.of(class));
        }
        let reasons: BTreeSet<&String> = before.other.keys().chain(after.other.keys()).collect();
        for reason in reasons {
            let count = |snapshot: &Snapshot| snapshot.other.get(reason).copied().unwrap_or(0);
            *self.other.entry(reason.clone()).or_default() += missing(count(before), count(after));
        }
        for (limit, count) in &before.capture.limits {
            let later = after.capture.limits.get(limit).copied().unwrap_or(0);
            *self.limits.entry(limit).or_default() += missing(*count, later);
        }
        self.duplicates += missing(before.capture.duplicates_removed, after.capture.duplicates_removed);
        if let Some(only) = &before.capture.only_ssrcs {
            self.seen_ssrcs.extend(only.wanted.difference(&only.not_seen));
        }
        self.keep_findings(before, after);
    }

    /// Keeps what nothing proves any more.
    fn keep_findings(&mut self, before: &Snapshot, after: &Snapshot) {
        let still: BTreeSet<Key> = after.findings.iter().map(key).collect();
        // What was kept before stands in both.
        let lost =
            before.findings.iter().filter(|finding| !still.contains(&key(finding)) && !finding.tells_of_nothing());
        for finding in lost {
            let kept = self.findings.entry(finding.code).or_default();
            if finding.frames.is_empty() {
                // Of the capture as a whole: its words change, and it is one.
                kept.retain(|known| !known.frames.is_empty());
            } else {
                self.total.findings += 1;
                *self.by_code.entry(finding.code).or_default() += 1;
            }
            kept.retain(|known| key(known) != key(finding));
            // Its number is somebody else's from now on.
            kept.push_back(Finding { subject: None, ..finding.clone() });
            if kept.len() > MAX_FINDINGS {
                kept.pop_front();
                self.total.findings_not_listed += 1;
            }
        }
    }

    /// Adds to a snapshot without findings what has left.
    pub(crate) fn add_counts(&self, snapshot: &mut Snapshot) {
        let sum = |count: u64, more: i64| count.saturating_add_signed(more);
        let mut classes = ClassCounts::default();
        for (class, count) in snapshot.packets.iter() {
            classes.add(class, sum(count, self.classes.get(&class).copied().unwrap_or(0)));
        }
        snapshot.packets = classes;
        for (reason, more) in &self.other {
            let count = snapshot.other.entry(reason.clone()).or_default();
            *count = sum(*count, *more);
        }
        snapshot.other.retain(|_, count| *count > 0);
        for (limit, more) in &self.limits {
            let count = snapshot.capture.limits.entry(limit).or_default();
            *count = sum(*count, *more);
        }
        snapshot.capture.duplicates_removed = sum(snapshot.capture.duplicates_removed, self.duplicates);
        if let Some(only) = &mut snapshot.capture.only_ssrcs {
            only.not_seen.retain(|ssrc| !self.seen_ssrcs.contains(ssrc));
        }
        snapshot.capture.forgotten = self.total;
        snapshot.capture.forgotten_findings = self.by_code.clone();
    }

    /// Adds the findings that nothing proves any more.
    /// Gives how many of each code with frames they are.
    pub(crate) fn add_findings(&self, findings: &mut Vec<Finding>) -> BTreeMap<&'static str, u64> {
        let mut listed = BTreeMap::new();
        let there: BTreeSet<Key> = findings.iter().map(key).collect();
        let whole: BTreeSet<&str> =
            findings.iter().filter(|finding| finding.frames.is_empty()).map(|finding| finding.code).collect();
        let gone = self.findings.values().flatten().filter(|finding| {
            !(there.contains(&key(finding)) || finding.frames.is_empty() && whole.contains(finding.code))
        });
        let gone: Vec<Finding> = gone.cloned().collect();
        for finding in gone.iter().filter(|finding| !finding.frames.is_empty()) {
            *listed.entry(finding.code).or_default() += 1;
        }
        findings.extend(gone);
        listed
    }
}

#[cfg(test)]
mod tests;
