//! Bits per second of one RTP stream: mean, and the most in any one second.
//!
//! In: arrival time and size of each packet. Out: the largest sum over a sliding second, and once a second its sum.
//! Never: a queue of packets; the second slides in steps of 10 ms.

use crate::time::Timestamp;

const SLOTS: usize = 100;
const SLOT_NANOS: i64 = 10_000_000;

/// The sliding second.
#[derive(Clone, Debug)]
pub(crate) struct RateWindow {
    sum: u64,
    max: u64,
    /// The newest slot: its index, and its number since the epoch.
    newest: usize,
    newest_number: i64,
    /// The slot with which a whole second has passed since the last look at the sum.
    next_look: i64,
    slots: [u32; SLOTS],
}

impl RateWindow {
    /// The window after the first packet.
    pub(crate) fn new(ts: Timestamp, bytes: u32) -> Self {
        let number = slot_number(ts);
        let next_look = number.saturating_add(SLOTS as i64);
        let mut this = Self { sum: 0, max: 0, newest: 0, newest_number: number, next_look, slots: [0; SLOTS] };
        this.add(bytes);
        this
    }

    /// Takes the next packet; one from before the window (a clock that went back) counts to the newest slot. True where a
    /// second has passed since [`Self::last_second`] was last asked.
    #[inline(always)]
    pub(crate) fn packet(&mut self, ts: Timestamp, bytes: u32) -> bool {
        let number = slot_number(ts);
        if number - self.newest_number >= SLOTS as i64 {
            self.empty(number);
        }
        // Kept in registers on the way: a step is one slot, and packets of audio are several apart.
        let (mut newest, mut left) = (self.newest, 0);
        for _ in self.newest_number..number {
            newest = if newest >= SLOTS - 1 { 0 } else { newest + 1 };
            left += u64::from(std::mem::take(&mut self.slots[newest]));
        }
        self.sum -= left;
        self.newest = newest;
        self.newest_number = self.newest_number.max(number);
        self.add(bytes);
        number >= self.next_look
    }

    /// The bits of the last second.
    #[cold]
    pub(crate) fn last_second(&mut self) -> u64 {
        self.next_look = self.newest_number.saturating_add(SLOTS as i64);
        self.sum * 8
    }

    #[cold]
    fn empty(&mut self, number: i64) {
        self.slots.fill(0);
        self.sum = 0;
        self.newest_number = number;
    }

    #[inline(always)]
    fn add(&mut self, bytes: u32) {
        let entry = &mut self.slots[self.newest];
        let before = *entry;
        *entry = entry.saturating_add(bytes);
        self.sum += u64::from(*entry - before);
        self.max = self.max.max(self.sum);
    }

    /// The most bits in any second.
    pub(crate) fn max_bps(&self) -> u64 {
        self.max * 8
    }
}

#[inline(always)]
fn slot_number(ts: Timestamp) -> i64 {
    ts.as_nanos() / SLOT_NANOS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_steady_stream_has_fifty_packets_in_its_second() {
        let mut window = RateWindow::new(at(0), 100);
        (1..500).for_each(|i| {
            window.packet(at(i * 20), 100);
        });
        assert_eq!(window.max_bps(), 50 * 800);
    }

    #[test]
    fn each_second_is_looked_at_once() {
        let mut window = RateWindow::new(at(0), 100);
        let looks: Vec<i64> =
            (1..200).filter(|i| window.packet(at(i * 20), 100) && window.last_second() == 50 * 800).collect();
        assert_eq!(looks, [50, 100, 150]);
    }

    #[test]
    fn a_burst_stands_out_and_a_pause_empties_the_window() {
        let mut window = RateWindow::new(at(0), 1000);
        window.packet(at(900), 1000);
        window.packet(at(5000), 1500);
        assert_eq!(window.max_bps(), 16_000);
        window.packet(at(5500), 1500);
        assert_eq!(window.max_bps(), 24_000);
    }

    #[test]
    fn times_at_the_ends_of_the_range_end_the_walk_over_the_slots() {
        for nanos in [i64::MIN, i64::MAX - 5, i64::MAX] {
            let mut window = RateWindow::new(at(0), 10);
            window.packet(Timestamp::from_nanos(nanos), 10);
            window.packet(Timestamp::from_nanos(i64::MAX), 10);
            assert!(window.max_bps() >= 80);
        }
    }

    #[test]
    fn a_clock_that_goes_back_loses_no_bytes() {
        let mut window = RateWindow::new(at(10_000), 10);
        window.packet(at(1), 10);
        assert_eq!(window.max_bps(), 160);
    }
}
