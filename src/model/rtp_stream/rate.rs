//! Bits per second of one RTP stream: mean, and the most in any one second.
//!
//! In: arrival time and size of each packet. Out: the largest sum over a sliding second.
//! Never: a queue of packets; the second slides in steps of 10 ms.

use crate::time::Timestamp;

const SLOTS: usize = 100;
const SLOT_NANOS: i64 = 10_000_000;

/// The sliding second.
#[derive(Clone, Debug)]
pub(crate) struct RateWindow {
    slots: Box<[u32; SLOTS]>,
    /// Index of the newest slot, and the time at which it ends.
    newest: usize,
    newest_ends: i64,
    sum: u64,
    max: u64,
}

impl RateWindow {
    /// The window after the first packet.
    pub(crate) fn new(ts: Timestamp, bytes: u32) -> Self {
        let mut this =
            Self { slots: Box::new([0; SLOTS]), newest: 0, newest_ends: slot_end(ts.as_nanos()), sum: 0, max: 0 };
        this.add(bytes);
        this
    }

    /// Takes the next packet; one from before the window (a clock that went back) counts to the newest slot.
    #[inline]
    pub(crate) fn packet(&mut self, ts: Timestamp, bytes: u32) {
        let nanos = ts.as_nanos();
        if nanos.saturating_sub(self.newest_ends) >= SLOT_NANOS * SLOTS as i64 {
            self.empty(nanos);
        }
        while nanos >= self.newest_ends {
            self.newest = if self.newest + 1 == SLOTS { 0 } else { self.newest + 1 };
            self.newest_ends = self.newest_ends.saturating_add(SLOT_NANOS);
            self.sum -= u64::from(std::mem::take(&mut self.slots[self.newest]));
            if self.newest_ends == i64::MAX {
                break;
            }
        }
        self.add(bytes);
    }

    #[cold]
    fn empty(&mut self, nanos: i64) {
        self.slots.fill(0);
        self.sum = 0;
        self.newest_ends = slot_end(nanos);
    }

    #[inline]
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

fn slot_end(nanos: i64) -> i64 {
    (nanos.div_euclid(SLOT_NANOS) + 1).saturating_mul(SLOT_NANOS)
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
        (1..500).for_each(|i| window.packet(at(i * 20), 100));
        assert_eq!(window.max_bps(), 50 * 800);
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
