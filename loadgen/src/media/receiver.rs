//! What became of a stream's packets.
//!
//! In: packets that arrived whole, and how many were sent. Out: a [`Verdict`] on each, and a [`Tally`]. Never: memory
//! that grows with packets, a packet counted lost whose answer had no time to come back.
//!
//! What is missing is kept as gaps between what has arrived: nothing at all while nothing is lost, and any packet, of
//! whatever age, is told to be new or a duplicate. There are at most [`MAX_GAPS`]; beyond, the oldest are forgotten, and
//! a packet from so long ago is [`Fate::Stale`].

use super::payload::{Arrived, StreamId};
use crate::clock::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// Gaps remembered per stream: four KiB, and only where packets are lost.
const MAX_GAPS: usize = 256;

/// What a packet turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// The first of its number.
    New,
    /// The first of its number, after it had been counted as lost.
    Recovered,
    /// Not the first of its number.
    Duplicate,
    /// From so long ago that nobody knows whether it is the first; it stays lost.
    Stale,
    /// Of another stream or another run.
    Misdelivered,
}

impl Fate {
    /// True where the packet counts as delivered.
    pub const fn is_delivery(self) -> bool {
        matches!(self, Fate::New | Fate::Recovered)
    }
}

/// What is known of a packet that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What it is.
    pub fate: Fate,
    /// It is a delivery, and came behind a later one.
    pub reordered: bool,
    /// Bytes, RTP header included.
    pub bytes: u16,
    /// From when it was due until it was here.
    pub since_scheduled: Duration,
    /// From when it was given to the socket until it was here.
    pub since_sent: Duration,
    /// The stream's jitter with it (RFC 3550, section 6.4.1).
    pub jitter: Duration,
}

/// What a stream's receiver has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Packets that arrived at least once.
    pub delivered: u64,
    /// Those of them that came behind a later one.
    pub reordered: u64,
    /// Those of them that had been counted as lost.
    pub recovered: u64,
    /// Further copies.
    pub duplicated: u64,
    /// Packets too old to be judged.
    pub stale: u64,
    /// Packets of other streams.
    pub misdelivered: u64,
    /// Packets that were counted as lost, [`recovered`](Self::recovered) ones included.
    pub missed: u64,
}

impl Tally {
    /// Packets that were lost and have not come since.
    pub const fn lost(&self) -> u64 {
        self.missed - self.recovered
    }
}

/// The receiver of one stream.
#[derive(Clone, Debug)]
pub struct Receiver {
    id: StreamId,
    tally: Tally,
    /// The number after the highest that arrived.
    next: u64,
    /// Numbers below `next` that have not arrived, `start..end`, in order, neither empty nor touching.
    gaps: VecDeque<(u64, u64)>,
    /// Below it nothing is known any more.
    floor: u64,
    /// Forgotten, missing, and not yet counted as lost.
    forgotten: u64,
    /// Below it what is missing has been counted as lost.
    settled: u64,
    /// Transit time of the packet before, and the jitter in sixteenths, both in nanoseconds (RFC 3550, appendix A.8).
    transit: Option<i64>,
    jitter: u64,
}

impl Receiver {
    /// Of the packets of `id`.
    pub const fn new(id: StreamId) -> Self {
        Self {
            id,
            tally: Tally {
                delivered: 0,
                reordered: 0,
                recovered: 0,
                duplicated: 0,
                stale: 0,
                misdelivered: 0,
                missed: 0,
            },
            next: 0,
            gaps: VecDeque::new(),
            floor: 0,
            forgotten: 0,
            settled: 0,
            transit: None,
            jitter: 0,
        }
    }

    /// Whose packets these are.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// What has been counted.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A packet that arrived at `now`.
    pub fn arrive(&mut self, packet: &Arrived, now: Moment) -> Verdict {
        let is_behind = packet.stamp.sequence < self.next;
        let fate = if packet.stamp.id == self.id { self.place(packet.stamp.sequence) } else { Fate::Misdelivered };
        let reordered = is_behind && fate.is_delivery();
        self.tally.delivered += u64::from(fate.is_delivery());
        self.tally.reordered += u64::from(reordered);
        match fate {
            Fate::New => {}
            Fate::Recovered => self.tally.recovered += 1,
            Fate::Duplicate => self.tally.duplicated += 1,
            Fate::Stale => self.tally.stale += 1,
            Fate::Misdelivered => self.tally.misdelivered += 1,
        }
        if fate.is_delivery() {
            self.vary(packet.stamp.scheduled, now);
        }
        Verdict {
            fate,
            reordered,
            bytes: packet.bytes,
            since_scheduled: packet.since_scheduled(now),
            since_sent: packet.since_sent(now),
            jitter: self.jitter(),
        }
    }

    /// Counts as lost what is missing of the first `sent` packets, and says how many of them had not been counted yet.
    /// Their answers must have had time: while a stream goes on, `sent` is how many had been sent a while ago. A packet
    /// that comes after all is [`Fate::Recovered`].
    pub fn settle(&mut self, sent: u64) -> u64 {
        let from = self.settled;
        if sent <= from {
            return 0;
        }
        let inside = |(start, end): &(u64, u64)| (*end).min(sent).saturating_sub((*start).max(from));
        // The latest first: what lies below the last settlement ends the walk.
        let in_gaps: u64 = self.gaps.iter().rev().take_while(|(_, end)| *end > from).map(inside).sum();
        let behind = sent.saturating_sub(self.next.max(from));
        let mut missed = in_gaps + behind;
        if sent >= self.floor {
            missed += std::mem::take(&mut self.forgotten);
        }
        self.settled = sent;
        self.tally.missed += missed;
        missed
    }

    /// The jitter now (RFC 3550, section 6.4.1): of arrival against schedule.
    pub const fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter >> 4)
    }

    fn place(&mut self, sequence: u64) -> Fate {
        if sequence >= self.next {
            if sequence > self.next {
                self.gaps.push_back((self.next, sequence));
                self.forget();
            }
            self.next = sequence.saturating_add(1);
            return self.first(sequence);
        }
        if sequence < self.floor {
            return Fate::Stale;
        }
        let at = self.gaps.partition_point(|(_, end)| *end <= sequence);
        let Some((start, end)) = self.gaps.get(at).copied().filter(|(start, _)| *start <= sequence) else {
            return Fate::Duplicate;
        };
        match (start == sequence, end == sequence + 1) {
            (true, true) => drop(self.gaps.remove(at)),
            (true, false) => self.gaps[at].0 += 1,
            (false, true) => self.gaps[at].1 -= 1,
            (false, false) => {
                self.gaps[at].1 = sequence;
                self.gaps.insert(at + 1, (sequence + 1, end));
                self.forget();
            }
        }
        self.first(sequence)
    }

    const fn first(&self, sequence: u64) -> Fate {
        if sequence < self.settled { Fate::Recovered } else { Fate::New }
    }

    /// Keeps the bound on gaps.
    fn forget(&mut self) {
        if self.gaps.len() > MAX_GAPS
            && let Some((start, end)) = self.gaps.pop_front()
        {
            self.floor = end;
            self.forgotten += end.saturating_sub(start.max(self.settled));
        }
    }

    /// RFC 3550, appendix A.8, in nanoseconds; the schedule is the sampling instant.
    fn vary(&mut self, scheduled: Moment, now: Moment) {
        let transit = now.as_nanos().wrapping_sub(scheduled.as_nanos()) as i64;
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.abs_diff(before);
            self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }
}
