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

    /// Packets before the last one that arrived have not.
    pub fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Stamp;
    use crate::random::Random;
    use std::collections::BTreeSet;

    const ID: StreamId = StreamId { run: 7, allocation: 3, stream: 0 };

    fn packet(sequence: u64) -> Arrived {
        let scheduled = Moment::from_nanos(sequence * 20_000_000);
        Arrived { stamp: Stamp { id: ID, sequence, scheduled, sent: scheduled }, bytes: 92 }
    }

    fn arrive(receiver: &mut Receiver, sequence: u64) -> Fate {
        receiver.arrive(&packet(sequence), Moment::from_nanos(sequence * 20_000_000 + 1_000_000)).fate
    }

    fn arrive_all(receiver: &mut Receiver, sequences: impl IntoIterator<Item = u64>) -> Vec<Fate> {
        sequences.into_iter().map(|sequence| arrive(receiver, sequence)).collect()
    }

    #[test]
    fn packets_in_order_are_new_and_take_no_memory() {
        let mut receiver = Receiver::new(ID);
        assert!(arrive_all(&mut receiver, 0..10_000).iter().all(|fate| *fate == Fate::New));
        assert_eq!(receiver.settle(10_000), 0);
        assert_eq!(*receiver.tally(), Tally { delivered: 10_000, ..Tally::default() });
        assert_eq!(receiver.gaps.capacity(), 0);
    }

    #[test]
    fn a_copy_is_told_from_a_late_first_one_at_any_age() {
        let mut receiver = Receiver::new(ID);
        arrive_all(&mut receiver, (0..100_000).filter(|sequence| *sequence != 17));
        assert_eq!(
            arrive_all(&mut receiver, [16, 18, 17, 17]),
            [Fate::Duplicate, Fate::Duplicate, Fate::New, Fate::Duplicate]
        );
        assert_eq!((receiver.tally().duplicated, receiver.tally().reordered), (3, 1));
        assert_eq!((receiver.settle(100_000), receiver.gaps.len()), (0, 0));
    }

    #[test]
    fn packets_of_others_are_misdelivered_and_change_nothing_else() {
        let mut receiver = Receiver::new(ID);
        let others = [StreamId { run: 8, ..ID }, StreamId { allocation: 4, ..ID }, StreamId { stream: 1, ..ID }];
        for id in others {
            let mut foreign = packet(5);
            foreign.stamp.id = id;
            assert_eq!(receiver.arrive(&foreign, Moment::from_nanos(1)).fate, Fate::Misdelivered);
        }
        assert_eq!(*receiver.tally(), Tally { misdelivered: 3, ..Tally::default() });
        assert_eq!(arrive(&mut receiver, 0), Fate::New);
    }

    #[test]
    fn what_is_on_its_way_is_not_lost() {
        let mut receiver = Receiver::new(ID);
        arrive_all(&mut receiver, [0, 1, 3]);
        assert_eq!(receiver.settle(2), 0);
        assert_eq!(receiver.settle(3), 1);
        assert_eq!(receiver.settle(3), 0);
        assert_eq!(receiver.settle(6), 2);
        assert_eq!(receiver.tally().lost(), 3);
    }

    #[test]
    fn what_comes_after_it_was_counted_as_lost_is_recovered() {
        let mut receiver = Receiver::new(ID);
        arrive_all(&mut receiver, [0, 2]);
        assert_eq!(receiver.settle(5), 3);
        assert_eq!(
            arrive_all(&mut receiver, [1, 4, 4, 3]),
            [Fate::Recovered, Fate::Recovered, Fate::Duplicate, Fate::Recovered]
        );
        let tally = receiver.tally();
        // 4 came behind nothing; 1 and 3 did.
        assert_eq!((tally.lost(), tally.delivered, tally.reordered, tally.recovered), (0, 5, 2, 3));
    }

    #[test]
    fn nothing_arrives_at_all() {
        let mut receiver = Receiver::new(ID);
        assert_eq!((receiver.settle(50), receiver.settle(50), receiver.tally().lost()), (50, 0, 50));
    }

    /// What a network does to `count` packets: the order in which they and their copies arrive.
    fn network(random: &mut Random, count: u64, loss: u64, copies: u64, reach: u64) -> Vec<u64> {
        let mut arrivals: Vec<(u64, u64)> = Vec::new();
        for sequence in 0..count {
            let mut times = u64::from(random.below(100) >= loss);
            times += u64::from(random.below(100) < copies);
            for _ in 0..times {
                arrivals.push((sequence + random.below(reach), sequence));
            }
        }
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals.into_iter().map(|(_, sequence)| sequence).collect()
    }

    #[test]
    fn any_loss_copies_and_order_are_counted_as_by_one_who_remembers_everything() {
        let mut random = Random::new(2_024);
        for round in 0..60 {
            let count = 1_500;
            let (loss, copies, reach) = (random.below(60), random.below(30), 1 + random.below(40));
            let arrivals = network(&mut random, count, loss, copies, reach);
            let mut receiver = Receiver::new(ID);
            let (mut seen, mut expected, mut highest) = (BTreeSet::new(), Tally::default(), None);
            let mut settled = 0_u64;
            for sequence in arrivals {
                // Now and then what is old enough is settled.
                if random.below(50) == 0 {
                    let sent = highest.map_or(0, |highest: u64| highest.saturating_sub(random.below(30)));
                    let missing = (settled..sent).filter(|number| !seen.contains(number)).count() as u64;
                    assert_eq!(receiver.settle(sent), missing, "round {round}");
                    expected.missed += missing;
                    settled = settled.max(sent);
                }
                arrive(&mut receiver, sequence);
                if seen.insert(sequence) {
                    expected.delivered += 1;
                    expected.reordered += u64::from(highest.is_some_and(|highest| sequence < highest));
                    expected.recovered += u64::from(sequence < settled);
                } else {
                    expected.duplicated += 1;
                }
                highest = highest.max(Some(sequence));
            }
            expected.missed += receiver.settle(count);
            assert_eq!(*receiver.tally(), expected, "round {round}: {loss} {copies} {reach}");
            assert_eq!(expected.delivered + expected.lost(), count);
        }
    }

    #[test]
    fn gaps_are_bounded_and_every_packet_still_counts_once() {
        let mut random = Random::new(5);
        for step in [1, 100, 10_000] {
            let mut receiver = Receiver::new(ID);
            // Every other packet is missing, and many come far too late.
            let count = 20_000;
            for sequence in (0..count).step_by(2) {
                arrive(&mut receiver, sequence);
                if sequence % step == 0 {
                    receiver.settle(random.below(sequence + 1));
                }
                if random.below(10) == 0 {
                    arrive(&mut receiver, random.below(sequence + 1));
                }
                assert!(receiver.gaps.len() <= MAX_GAPS);
            }
            receiver.settle(count);
            let tally = receiver.tally();
            assert_eq!(tally.delivered + tally.lost(), count, "{tally:?}");
            assert!(tally.stale > 0 && tally.duplicated > 0, "{tally:?}");
        }
    }

    #[test]
    fn absurd_numbers_break_nothing() {
        let mut receiver = Receiver::new(ID);
        let mut far = packet(0);
        for sequence in [u64::MAX, u64::MAX - 1, 0, 1 << 63, u64::MAX] {
            far.stamp.sequence = sequence;
            far.stamp.scheduled = Moment::from_nanos(sequence);
            receiver.arrive(&far, Moment::from_nanos(u64::MAX - sequence));
        }
        receiver.settle(u64::MAX);
        assert!(receiver.tally().delivered >= 4);
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut random = Random::new(8);
        let mut receiver = Receiver::new(ID);
        // Section 6.4.1, in floating point: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16.
        let (mut expected, mut before) = (0.0_f64, None);
        for sequence in 0..5_000 {
            let delay = 1_000_000 + random.below(5_000_000);
            let now = Moment::from_nanos(sequence * 20_000_000 + delay);
            let verdict = receiver.arrive(&packet(sequence), now);
            if let Some(before) = before.replace(delay) {
                expected += (delay.abs_diff(before) as f64 - expected) / 16.0;
            }
            assert!((verdict.jitter.as_nanos() as f64 - expected).abs() < 2.0, "{sequence}");
            assert_eq!(verdict.since_scheduled, Duration::from_nanos(delay));
        }
        assert!(expected > 1_000_000.0);
    }

    #[test]
    fn a_constant_delay_has_no_jitter() {
        let mut receiver = Receiver::new(ID);
        arrive_all(&mut receiver, (0..100).filter(|sequence| sequence % 7 != 0));
        assert_eq!(receiver.jitter(), Duration::ZERO);
    }

    #[test]
    fn a_receiver_takes_little_memory() {
        assert!(size_of::<Receiver>() <= 192, "{}", size_of::<Receiver>());
    }
}
