//! Timing wheel with exact times.
//!
//! In: moments with a token each, in any order. Out: the tokens that are due, earliest first, with the moment they were
//! meant for. Never: the clock; a moment rounded; a timer taken back (whoever asked for it judges what it still means).

use crate::clock::Moment;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A grain is 131 µs: finer than the packets of some thousand streams lie apart, so that a grain holds only a few.
const GRAIN_BITS: u32 = 17;
const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u64 = SLOTS as u64 - 1;
/// 134 ms, 137 s, 39 h.
const LEVELS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    at: u64,
    token: u64,
}

impl Ord for Entry {
    /// The other way round: the heap gives its greatest, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.token).cmp(&(self.at, self.token))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Level {
    slots: Vec<Vec<Entry>>,
    /// A bit for each slot that holds something.
    occupied: [u64; SLOTS / 64],
}

impl Level {
    fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), occupied: [0; SLOTS / 64] }
    }

    fn put(&mut self, slot: usize, entry: Entry) {
        self.slots[slot].push(entry);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The first slot that holds something, from `start` on.
    fn first_from(&self, start: usize) -> Option<usize> {
        if start >= SLOTS {
            return None;
        }
        let mut word = start / 64;
        let mut bits = self.occupied[word] & (u64::MAX << (start % 64));
        loop {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            word += 1;
            bits = *self.occupied.get(word)?;
        }
    }
}

/// Moments to come.
pub(super) struct Wheel {
    levels: [Level; LEVELS],
    /// Beyond the last level.
    far: Vec<Entry>,
    /// Of the present grain and before it.
    ready: BinaryHeap<Entry>,
    /// The present grain.
    grain: u64,
    /// What a slot held while it is poured out; kept for its memory.
    poured: Vec<Entry>,
}

impl Wheel {
    /// Begins with the run.
    pub(super) fn new() -> Self {
        Self {
            levels: std::array::from_fn(|_| Level::new()),
            far: Vec::new(),
            ready: BinaryHeap::new(),
            grain: 0,
            poured: Vec::new(),
        }
    }

    /// `token` will be due at `at`; at once where that is past.
    pub(super) fn insert(&mut self, at: Moment, token: u64) {
        self.place(Entry { at: at.as_nanos(), token });
    }

    /// The earliest that is due at `now`, and when it was meant to be.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<(Moment, u64)> {
        let now = now.as_nanos();
        loop {
            if let Some(first) = self.ready.peek() {
                if first.at > now {
                    return None;
                }
                return self.ready.pop().map(|entry| (Moment::from_nanos(entry.at), entry.token));
            }
            if !self.advance(now >> GRAIN_BITS) {
                return None;
            }
        }
    }

    /// No timer is due before this; none where there is no timer. Exact within 134 ms, early beyond.
    pub(super) fn next(&self) -> Option<Moment> {
        if let Some(first) = self.ready.peek() {
            return Some(Moment::from_nanos(first.at));
        }
        let Some((level, slot)) = self.next_slot() else {
            return self.far.iter().map(|entry| entry.at).min().map(Moment::from_nanos);
        };
        if level == 0 {
            return self.levels[0].slots[slot].iter().map(|entry| entry.at).min().map(Moment::from_nanos);
        }
        Some(Moment::from_nanos(self.start_of(level, slot) << GRAIN_BITS))
    }

    fn place(&mut self, entry: Entry) {
        let grain = entry.at >> GRAIN_BITS;
        if grain <= self.grain {
            self.ready.push(entry);
            return;
        }
        for (level, wheel) in self.levels.iter_mut().enumerate() {
            let above = SLOT_BITS * (level as u32 + 1);
            if grain >> above == self.grain >> above {
                let slot = (grain >> (SLOT_BITS * level as u32)) & SLOT_MASK;
                wheel.put(slot as usize, entry);
                return;
            }
        }
        self.far.push(entry);
    }

    /// Goes to the next grain that holds something, not beyond `last`. Whether anything may have become ready.
    fn advance(&mut self, last: u64) -> bool {
        if last <= self.grain {
            return false;
        }
        let Some((level, slot)) = self.next_slot() else {
            // Nothing in the wheels: what is far may come into reach.
            let had_far = !self.far.is_empty();
            self.grain = last;
            let far = std::mem::take(&mut self.far);
            far.into_iter().for_each(|entry| self.place(entry));
            return had_far && !self.ready.is_empty();
        };
        let start = self.start_of(level, slot);
        if start > last {
            return false;
        }
        self.grain = start;
        let mut poured = std::mem::take(&mut self.poured);
        std::mem::swap(&mut poured, &mut self.levels[level].slots[slot]);
        self.levels[level].occupied[slot / 64] &= !(1 << (slot % 64));
        for entry in poured.drain(..) {
            self.place(entry);
        }
        // The slot gets its memory back where it may be needed again soon.
        if level == 0 {
            std::mem::swap(&mut poured, &mut self.levels[0].slots[slot]);
        }
        self.poured = poured;
        true
    }

    /// The slot that comes next, on the lowest level that has one.
    fn next_slot(&self) -> Option<(usize, usize)> {
        (0..LEVELS).find_map(|level| {
            let here = (self.grain >> (SLOT_BITS * level as u32)) & SLOT_MASK;
            self.levels[level].first_from(here as usize + 1).map(|slot| (level, slot))
        })
    }

    /// The first grain of a slot ahead.
    const fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * level as u32;
        let above = shift + SLOT_BITS;
        ((self.grain >> above) << above) | ((slot as u64) << shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    /// Pops as the engine does: it waits until `next`, and takes what is due.
    fn drain(wheel: &mut Wheel) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        while let Some(next) = wheel.next() {
            while let Some((moment, token)) = wheel.pop_due(next) {
                assert!(moment <= next);
                out.push((moment.as_nanos(), token));
            }
        }
        out
    }

    #[test]
    fn timers_come_in_the_order_of_their_exact_moments() {
        let mut wheel = Wheel::new();
        let mut expected = Vec::new();
        let mut state = 88_172_645_463_325_252_u64;
        for token in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // From nanoseconds to days.
            let moment = state >> (17 + token % 46);
            wheel.insert(at(moment), token);
            expected.push((moment, token));
        }
        expected.sort_unstable();
        assert_eq!(drain(&mut wheel), expected);
    }

    #[test]
    fn nothing_comes_before_its_moment() {
        let mut wheel = Wheel::new();
        for moment in [1, 131_071, 131_072, 5_000_000, 134_217_728, 200_000_000, 137_438_953_472, 200_000_000_000] {
            wheel.insert(at(moment), moment);
            assert_eq!(wheel.pop_due(at(moment - 1)), None, "{moment}");
            assert_eq!(wheel.pop_due(at(moment)), Some((at(moment), moment)));
            assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn a_moment_that_is_past_is_due_at_once() {
        let mut wheel = Wheel::new();
        assert_eq!(wheel.pop_due(at(10_000_000_000)), None);
        wheel.insert(at(5), 1);
        assert_eq!(wheel.next(), Some(at(5)));
        assert_eq!(wheel.pop_due(at(10_000_000_000)), Some((at(5), 1)));
    }

    #[test]
    fn streams_keep_their_pace_over_the_borders_of_the_levels() {
        let mut wheel = Wheel::new();
        let interval = 20_000_000;
        for stream in 0..50 {
            wheel.insert(at(stream * 400_001), stream);
        }
        let mut sent = [0_u64; 50];
        let mut now = 0;
        while now < 300_000_000_000 {
            // A wake-up late by as much as a busy machine makes it.
            now = wheel.next().map_or(now, Moment::as_nanos) + 30_000;
            while let Some((moment, stream)) = wheel.pop_due(at(now)) {
                assert_eq!(moment.as_nanos(), stream * 400_001 + sent[stream as usize] * interval);
                assert!(now - moment.as_nanos() < 200_000, "{now} {moment:?}");
                sent[stream as usize] += 1;
                wheel.insert(moment.plus(std::time::Duration::from_nanos(interval)), stream);
            }
        }
        assert!(sent.iter().all(|count| (14_998..=15_001).contains(count)), "{sent:?}");
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let mut wheel = Wheel::new();
        for token in 0..1_000 {
            wheel.insert(at(token * 3_600_000_000_000), token);
        }
        let mut tokens = Vec::new();
        while let Some((_, token)) = wheel.pop_due(at(u64::MAX)) {
            tokens.push(token);
        }
        assert_eq!(tokens, (0..1_000).collect::<Vec<_>>());
    }
}
