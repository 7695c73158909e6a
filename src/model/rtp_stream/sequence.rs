//! Sequence numbers of one RTP stream: what came, what is missing, what came twice or late.
//!
//! In: the 16-bit sequence number of each packet in arrival order. Out: [`Arrival`] for each, and the sums of
//! RFC 3550 A.1 and A.3 with the runs of loss. Never: a packet's content, or memory that grows with packets.

use std::collections::BTreeMap;

/// A forward jump beyond this opens a probation (RFC 3550, A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3000;
/// A backward jump beyond this opens a probation (RFC 3550, A.1, MAX_MISORDER).
const MAX_MISORDER: u64 = 100;
/// Width of the window in which a duplicate is recognised and a loss becomes final, in packets.
const WINDOW: u64 = 2048;
/// Received packets that end a burst (RFC 3611, section 4.7.2, Gmin).
const GMIN: u64 = 16;
/// The first extended number: one cycle up, so that packets before the first one have a number too.
const FIRST_CYCLE: u64 = 1 << 16;

/// What a packet's sequence number says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// The next one.
    Forward,
    /// One after a gap, see [`Sequence::missing`].
    Gap,
    /// Not seen before, behind the highest.
    Reordered,
    /// Seen before.
    Duplicate,
    /// A jump that no second packet has confirmed.
    Misordered,
    /// The second consecutive packet after a jump: a new segment has begun with the packet before this one.
    Restart,
}

/// Sums over all segments of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceSummary {
    /// Highest minus first plus one, summed over segments.
    pub expected: u64,
    /// Expected minus unique, never negative.
    pub lost: u64,
    /// Packets whose number had been received before.
    pub duplicates: u64,
    /// Packets that came after a higher number.
    pub reordered: u64,
    /// The largest distance of a reordered packet to the highest number at its arrival.
    pub max_reorder_distance: u64,
    /// Lone packets with a number far away from all others.
    pub misordered: u64,
    /// Runs of consecutive numbers: 1 and one more for each restart.
    pub segments: u64,
    /// Lengths of runs of consecutive losses, and how many runs of each.
    pub loss_runs: BTreeMap<u32, u64>,
    /// Gilbert-Elliott: probability to go from received to lost; none without packets.
    pub gilbert_p: Option<f64>,
    /// Gilbert-Elliott: probability to go from lost to received; none without losses.
    pub gilbert_r: Option<f64>,
    /// RFC 3611 bursts: how many.
    pub bursts: u64,
    /// Packets (received or lost) inside bursts, and how many of them were lost.
    pub burst_packets: u64,
    /// Lost packets inside bursts.
    pub burst_lost: u64,
}

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    highest: u64,
    lowest: u64,
    probation: Option<u16>,
    /// Copies of the packet that opened the probation.
    probation_copies: u64,
    window: [u64; (WINDOW / 64) as usize],
    closed_expected: u64,
    unique: u64,
    duplicates: u64,
    reordered: u64,
    max_reorder_distance: u64,
    misordered: u64,
    segments: u64,
    losses: LossRuns,
    missing: u16,
}

#[derive(Clone, Debug, Default)]
struct LossRuns {
    run: u32,
    last_lost: u64,
    runs: BTreeMap<u32, u64>,
    lost: u64,
    burst_start: u64,
    burst_losses: u64,
    bursts: u64,
    burst_packets: u64,
    burst_lost: u64,
}

impl Sequence {
    /// The state after the first packet.
    pub(crate) fn new(seq: u16) -> Self {
        let first = FIRST_CYCLE + u64::from(seq);
        let mut this = Self {
            highest: first,
            lowest: first,
            probation: None,
            probation_copies: 0,
            window: [0; (WINDOW / 64) as usize],
            closed_expected: 0,
            unique: 1,
            duplicates: 0,
            reordered: 0,
            max_reorder_distance: 0,
            misordered: 0,
            segments: 1,
            losses: LossRuns::default(),
            missing: 0,
        };
        this.mark(first);
        this
    }

    /// Takes the next packet's number.
    #[inline]
    pub(crate) fn packet(&mut self, seq: u16) -> Arrival {
        let forward = seq.wrapping_sub(self.highest as u16);
        if forward == 1 {
            // The common packet: one step.
            self.highest += 1;
            self.retire(self.highest);
            self.mark(self.highest);
            self.unique += 1;
            self.probation = None;
            return Arrival::Forward;
        }
        self.uncommon(seq, forward)
    }

    /// The extended number of the highest packet.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// How many numbers have not come, as if the stream ended here.
    pub(crate) fn missing_so_far(&self) -> u64 {
        (self.closed_expected + self.highest - self.lowest + 1).saturating_sub(self.unique)
    }

    /// How many numbers were passed over by the last packet that arrived behind a gap.
    pub(crate) fn missing(&self) -> u16 {
        self.missing
    }

    #[inline(never)]
    fn uncommon(&mut self, seq: u16, forward: u16) -> Arrival {
        if forward == 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if forward <= MAX_DROPOUT {
            self.advance(u64::from(forward));
            self.probation = None;
            self.missing = forward - 1;
            return Arrival::Gap;
        }
        let behind = u64::from(forward.wrapping_neg());
        let extended = self.highest.saturating_sub(behind);
        if behind < WINDOW && extended >= self.lowest && self.is_marked(extended) {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if behind <= MAX_MISORDER {
            return self.late(extended, behind);
        }
        match self.probation {
            Some(expected) if expected == seq => {
                self.restart(seq);
                Arrival::Restart
            }
            Some(expected) if expected == seq.wrapping_add(1) => {
                self.probation_copies += 1;
                self.misordered += 1;
                Arrival::Misordered
            }
            _ => {
                self.probation = Some(seq.wrapping_add(1));
                self.probation_copies = 0;
                self.misordered += 1;
                Arrival::Misordered
            }
        }
    }

    fn late(&mut self, extended: u64, behind: u64) -> Arrival {
        self.mark(extended);
        self.lowest = self.lowest.min(extended);
        self.unique += 1;
        self.reordered += 1;
        self.max_reorder_distance = self.max_reorder_distance.max(behind);
        Arrival::Reordered
    }

    #[inline]
    fn advance(&mut self, steps: u64) {
        for _ in 0..steps {
            self.highest += 1;
            self.retire(self.highest);
        }
        self.mark(self.highest);
        self.unique += 1;
    }

    /// Makes the fate of the number final whose slot `extended` takes over, and clears the slot.
    #[inline(always)]
    fn retire(&mut self, extended: u64) {
        let (word, bit) = slot(extended);
        if self.window[word] & bit != 0 {
            self.window[word] &= !bit;
            self.losses.received();
        } else if extended >= self.lowest + WINDOW {
            self.losses.lost(extended - WINDOW);
        }
    }

    fn restart(&mut self, seq: u16) {
        let mut losses = std::mem::take(&mut self.losses);
        self.flush(&mut losses);
        self.losses = losses;
        self.closed_expected += self.highest - self.lowest + 1;
        // Beyond all numbers of the segment before, so that burst distances never join two segments.
        let cycle = ((self.highest >> 16) + 2) << 16;
        let first = cycle + u64::from(seq.wrapping_sub(1));
        self.lowest = first;
        self.highest = first;
        self.window = [0; (WINDOW / 64) as usize];
        self.mark(first);
        self.probation = None;
        self.segments += 1;
        self.misordered -= 1 + self.probation_copies;
        self.duplicates += self.probation_copies;
        self.probation_copies = 0;
        self.unique += 1;
        self.advance(1);
    }

    /// Adds the fate of all numbers of the segment as if no more came.
    fn flush(&self, losses: &mut LossRuns) {
        let start = self.lowest.max((self.highest + 1).saturating_sub(WINDOW));
        let mut extended = start;
        while extended <= self.highest {
            let (word, bit) = slot(extended);
            // A word of 64 that all came says so in one look.
            if bit == 1 && self.window[word] == u64::MAX && extended + 63 <= self.highest {
                losses.received();
                extended += 64;
                continue;
            }
            if self.window[word] & bit != 0 {
                losses.received();
            } else {
                losses.lost(extended);
            }
            extended += 1;
        }
        losses.received();
        losses.end_burst();
    }

    #[inline]
    fn mark(&mut self, extended: u64) {
        let (word, bit) = slot(extended);
        self.window[word] |= bit;
    }

    fn is_marked(&self, extended: u64) -> bool {
        let (word, bit) = slot(extended);
        self.window[word] & bit != 0
    }

    /// The sums, as if the stream ended here.
    pub(crate) fn summary(&self) -> SequenceSummary {
        // Only this is copied: the window is large, and a report asks every stream.
        let mut losses = self.losses.clone();
        self.flush(&mut losses);
        let expected = self.closed_expected + self.highest - self.lowest + 1;
        let runs: u64 = losses.runs.values().sum();
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        SequenceSummary {
            expected,
            lost: expected.saturating_sub(self.unique),
            duplicates: self.duplicates,
            reordered: self.reordered,
            max_reorder_distance: self.max_reorder_distance,
            misordered: self.misordered,
            segments: self.segments,
            gilbert_p: ratio(runs, self.unique),
            gilbert_r: ratio(runs, losses.lost),
            loss_runs: losses.runs,
            bursts: losses.bursts,
            burst_packets: losses.burst_packets,
            burst_lost: losses.burst_lost,
        }
    }
}

impl LossRuns {
    #[inline]
    fn received(&mut self) {
        if self.run > 0 {
            *self.runs.entry(self.run).or_default() += 1;
            self.run = 0;
        }
    }

    /// RFC 3611, section 4.7.2: losses with fewer than Gmin received packets between them form a burst.
    fn lost(&mut self, extended: u64) {
        self.run += 1;
        self.lost += 1;
        if self.burst_losses > 0 && extended - self.last_lost > GMIN {
            self.end_burst();
        }
        if self.burst_losses == 0 {
            self.burst_start = extended;
        }
        self.burst_losses += 1;
        self.last_lost = extended;
    }

    /// A single loss with Gmin received packets on both sides belongs to the gap and is no burst.
    fn end_burst(&mut self) {
        if self.burst_losses > 1 {
            self.bursts += 1;
            self.burst_packets += self.last_lost - self.burst_start + 1;
            self.burst_lost += self.burst_losses;
        }
        self.burst_losses = 0;
    }
}

#[inline]
fn slot(extended: u64) -> (usize, u64) {
    let index = extended % WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seqs: impl IntoIterator<Item = u16>) -> Sequence {
        let mut seqs = seqs.into_iter();
        let mut state = Sequence::new(seqs.next().unwrap());
        for seq in seqs {
            state.packet(seq);
        }
        state
    }

    #[test]
    fn a_stream_without_faults_has_none() {
        let sum = after(0..5000).summary();
        assert_eq!((sum.expected, sum.lost, sum.duplicates, sum.reordered), (5000, 0, 0, 0));
        assert_eq!((sum.misordered, sum.segments), (0, 1));
        assert!(sum.loss_runs.is_empty());
    }

    #[test]
    fn the_sequence_number_wraps() {
        let sum = after((65_530..=65_535).chain(0..10)).summary();
        assert_eq!((sum.expected, sum.lost), (16, 0));
    }

    #[test]
    fn losses_are_counted_in_runs_inside_and_outside_the_window() {
        let lost = [10, 20, 21, 4000, 4001, 4002];
        let sum = after((0..5000).filter(|seq| !lost.contains(seq))).summary();
        assert_eq!((sum.expected, sum.lost), (5000, 6));
        assert_eq!(sum.loss_runs, BTreeMap::from([(1, 1), (2, 1), (3, 1)]));
        assert_eq!((sum.bursts, sum.burst_lost, sum.burst_packets), (2, 6, 12 + 3));
    }

    #[test]
    fn a_duplicate_is_not_a_received_packet() {
        let sum = after([1, 2, 2, 3, 1, 5]).summary();
        assert_eq!((sum.expected, sum.lost, sum.duplicates), (5, 1, 2));
    }

    #[test]
    fn a_late_packet_fills_its_hole_and_says_how_late_it_was() {
        let sum = after([1, 2, 4, 5, 3, 6]).summary();
        assert_eq!((sum.lost, sum.reordered, sum.max_reorder_distance), (0, 1, 2));
    }

    #[test]
    fn a_packet_before_the_first_one_belongs_to_the_stream() {
        let sum = after([2, 1, 3]).summary();
        assert_eq!((sum.expected, sum.lost, sum.reordered), (3, 0, 1));
    }

    #[test]
    fn a_lone_outlier_is_misordered_and_no_loss() {
        let sum = after([1, 2, 30_000, 3, 4]).summary();
        assert_eq!((sum.expected, sum.lost, sum.misordered, sum.segments), (4, 0, 1, 1));
    }

    #[test]
    fn two_consecutive_packets_after_a_jump_open_a_segment() {
        let sum = after([1, 2, 3, 30_000, 30_001, 30_003]).summary();
        assert_eq!((sum.expected, sum.lost, sum.misordered, sum.segments), (3 + 4, 1, 0, 2));
    }

    #[test]
    fn a_copy_of_the_packet_that_opens_a_segment_is_a_duplicate() {
        let sum = after([1, 2, 3, 30_000, 30_000, 30_001, 30_002]).summary();
        assert_eq!((sum.expected, sum.lost, sum.duplicates), (6, 0, 1));
        assert_eq!((sum.misordered, sum.segments), (0, 2));
    }

    #[test]
    fn a_backward_jump_beyond_a_hundred_is_a_restart_too() {
        let sum = after((1000..1200).chain(1..50)).summary();
        assert_eq!((sum.expected, sum.lost, sum.segments), (249, 0, 2));
    }

    #[test]
    fn a_duplicate_older_than_the_reorder_limit_is_still_a_duplicate() {
        let sum = after((0..1000).chain([500])).summary();
        assert_eq!((sum.duplicates, sum.misordered), (1, 0));
    }

    #[test]
    fn lost_is_never_negative_and_sums_hold_for_any_order() {
        let mut state = 0x2545_f491_u32;
        for _ in 0..200 {
            let seqs: Vec<u16> = (0..300)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    (state >> (state % 9)) as u16
                })
                .collect();
            let end = after(seqs.iter().copied());
            let sum = end.summary();
            assert!(sum.expected >= end.unique, "{seqs:?}");
            assert_eq!(end.unique + sum.duplicates + sum.misordered, 300);
            assert_eq!(sum.loss_runs.iter().map(|(len, n)| u64::from(*len) * n).sum::<u64>(), sum.lost);
        }
    }
}
