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
    /// Number of the newest slot on the capture clock.
    newest: i64,
    sum: u64,
    max: u64,
}

impl RateWindow {
    /// The window after the first packet.
    pub(crate) fn new(ts: Timestamp, bytes: u32) -> Self {
        let mut this =
            Self { slots: Box::new([0; SLOTS]), newest: ts.as_nanos().div_euclid(SLOT_NANOS), sum: 0, max: 0 };
        this.add(this.newest, bytes);
        this
    }

    /// Takes the next packet; one from before the window (a clock that went back) counts to the newest slot.
    #[inline]
    pub(crate) fn packet(&mut self, ts: Timestamp, bytes: u32) {
        let slot = ts.as_nanos().div_euclid(SLOT_NANOS);
        if slot > self.newest {
            self.slide(slot);
        }
        self.add(self.newest, bytes);
    }

    #[inline]
    fn slide(&mut self, slot: i64) {
        if slot - self.newest >= SLOTS as i64 {
            self.slots.fill(0);
            self.sum = 0;
            self.newest = slot;
            return;
        }
        while self.newest < slot {
            self.newest += 1;
            let index = self.newest.rem_euclid(SLOTS as i64) as usize;
            self.sum -= u64::from(self.slots[index]);
            self.slots[index] = 0;
        }
    }

    #[inline]
    fn add(&mut self, slot: i64, bytes: u32) {
        let entry = &mut self.slots[slot.rem_euclid(SLOTS as i64) as usize];
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
    fn a_clock_that_goes_back_loses_no_bytes() {
        let mut window = RateWindow::new(at(10_000), 10);
        window.packet(at(1), 10);
        assert_eq!(window.max_bps(), 160);
    }
}
