//! The figures that `tshark -q -z rtp,streams` of Wireshark 4.0 prints for a stream, so that a user can compare.
//!
//! In: every packet of the stream in capture order, copies of a mirror port included. Out: [`TsharkSummary`].
//! Never: shown as the truth where the honest figures differ; never used for a decision.

use super::is_comfort_noise;
use crate::time::Timestamp;

/// A drop of the sequence number beyond this counts as a jump forward over the wrap.
const WRAP_DROP: i32 = 0xff00;

/// What tshark prints. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are tshark's column heads")]
pub struct TsharkSummary {
    pub packets: u32,
    pub lost: i32,
    pub lost_pct: f64,
    pub min_delta_ms: Option<f64>,
    pub mean_delta_ms: f64,
    pub max_delta_ms: f64,
    pub min_jitter_ms: Option<f64>,
    pub mean_jitter_ms: f64,
    pub max_jitter_ms: f64,
    pub problem: bool,
}

/// What of a packet the figures need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TsharkPacket {
    pub(crate) seq: u16,
    pub(crate) rtp_ts: u32,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
}

/// The state after at least one packet.
#[derive(Clone, Debug)]
pub(crate) struct TsharkFigures {
    start_ms: f64,
    time_ms: f64,
    last_nominal_ms: f64,
    last_arrival_ms: f64,
    jitter: f64,
    delta_ms: Aggregate,
    jitter_ms: Aggregate,
    first_rtp_ts: u32,
    total: u32,
    cycles: u32,
    first_seq: u16,
    stop_seq: u16,
    expected_seq: u16,
    payload_type: u8,
    under: bool,
    problem: bool,
}

/// Minimum, running mean and maximum over the regular packets.
#[derive(Clone, Copy, Debug)]
struct Aggregate {
    /// Infinite without a sample.
    min: f64,
    max: f64,
    /// The running mean times `weight`.
    sum: f64,
    weight: f64,
}

impl Aggregate {
    const EMPTY: Self = Self { min: f64::INFINITY, max: 0.0, sum: 0.0, weight: 1.0 };

    /// The running mean `m = (m * (earlier - 1) + value) / earlier` weighs with the count of all packets before this
    /// one, the irregular ones too: so does tshark. Held as a sum it needs no division where none was irregular.
    #[inline(always)]
    fn add(&mut self, value: f64, earlier: f64) {
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        if self.weight != earlier - 1.0 {
            self.reweigh(earlier - 1.0);
        }
        self.sum += value;
        self.weight = earlier;
    }

    #[cold]
    fn reweigh(&mut self, weight: f64) {
        self.sum *= weight / self.weight;
    }

    /// None without a sample, where tshark prints -1.
    fn min(&self) -> Option<f64> {
        (self.min != f64::INFINITY).then_some(self.min)
    }

    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

impl TsharkFigures {
    /// The state after the first packet; `rel_ms` counts from the first frame of the capture.
    pub(crate) fn new(rel_ms: f64, packet: &TsharkPacket) -> Self {
        Self {
            start_ms: rel_ms,
            time_ms: rel_ms,
            last_nominal_ms: 0.0,
            last_arrival_ms: 0.0,
            jitter: 0.0,
            delta_ms: Aggregate::EMPTY,
            jitter_ms: Aggregate::EMPTY,
            first_rtp_ts: packet.rtp_ts,
            total: 1,
            cycles: 0,
            first_seq: packet.seq,
            stop_seq: packet.seq,
            expected_seq: packet.seq,
            payload_type: packet.payload_type,
            under: false,
            problem: false,
        }
    }

    /// Takes a packet after the first. `ticks_per_ms` is the clock rate in whole kHz, 0.0 where tshark knows none.
    #[inline]
    pub(crate) fn packet(&mut self, rel_ms: f64, packet: &TsharkPacket, ticks_per_ms: f64) {
        let elapsed_ticks = packet.rtp_ts.wrapping_sub(self.first_rtp_ts);
        let in_time = elapsed_ticks < 1 << 31;
        self.count_cycles(packet.seq, in_time);
        self.check_sequence(packet.seq);

        // Neither comfort noise nor the packet after it is taken into aggregates.
        let noise = is_comfort_noise(packet.payload_type);
        let after_noise = is_comfort_noise(self.payload_type);
        self.payload_type = packet.payload_type;

        if in_time {
            let has_clock = ticks_per_ms != 0.0;
            if has_clock {
                self.measure_jitter(rel_ms, f64::from(elapsed_ticks) / ticks_per_ms);
            } else {
                // The arrival moves on without the timestamp: the next packet with a clock pays for it.
                self.last_arrival_ms = rel_ms - self.start_ms;
            }
            let delta = rel_ms - self.time_ms;
            if !packet.marker && !noise && !after_noise {
                let earlier = f64::from(self.total);
                self.delta_ms.add(delta, earlier);
                if has_clock {
                    self.jitter_ms.add(self.jitter, earlier);
                }
            }
            self.time_ms = rel_ms;
        } else {
            self.problem = true;
        }
        self.stop_seq = packet.seq;
        self.total = self.total.wrapping_add(1);
    }

    #[inline]
    fn count_cycles(&mut self, seq: u16, in_time: bool) {
        if !in_time {
            return;
        }
        if (seq < self.first_seq && !self.under) || (seq == 0 && self.stop_seq == 65_535) {
            self.cycles += 1;
            self.under = true;
        } else if seq > self.first_seq && self.under {
            self.under = false;
        }
    }

    #[inline]
    fn check_sequence(&mut self, seq: u16) {
        let ahead = i32::from(seq) - i32::from(self.expected_seq);
        if ahead == 1 || ahead == -65_535 {
            self.expected_seq = seq;
        } else {
            self.problem = true;
            if ahead > 1 || -ahead > WRAP_DROP {
                self.expected_seq = seq;
            }
        }
    }

    #[inline]
    fn measure_jitter(&mut self, rel_ms: f64, nominal_ms: f64) {
        let arrival_ms = rel_ms - self.start_ms;
        let difference = ((arrival_ms - self.last_arrival_ms) - (nominal_ms - self.last_nominal_ms)).abs();
        self.jitter = (15.0 * self.jitter + difference) / 16.0;
        self.last_arrival_ms = arrival_ms;
        self.last_nominal_ms = nominal_ms;
    }

    /// The row that tshark would print now.
    pub(crate) fn summary(&self) -> TsharkSummary {
        let expected = u32::from(self.stop_seq)
            .wrapping_add(self.cycles.wrapping_mul(65_536))
            .wrapping_sub(u32::from(self.first_seq))
            .wrapping_add(1);
        let lost = expected.wrapping_sub(self.total) as i32;
        TsharkSummary {
            packets: self.total,
            lost,
            lost_pct: if expected == 0 { 0.0 } else { 100.0 * f64::from(lost) / f64::from(expected) },
            min_delta_ms: self.delta_ms.min(),
            mean_delta_ms: self.delta_ms.mean(),
            max_delta_ms: self.delta_ms.max,
            min_jitter_ms: self.jitter_ms.min(),
            mean_jitter_ms: self.jitter_ms.mean(),
            max_jitter_ms: self.jitter_ms.max,
            problem: self.problem,
        }
    }
}

/// Milliseconds from the first frame of the capture. Wireshark adds seconds and nanoseconds as floating point; this
/// is the same but for the last bit, which no printed digit shows.
#[inline]
pub(crate) fn relative_ms(ts: Timestamp, first_frame: Timestamp) -> f64 {
    ts.nanos_since(first_frame) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(packets: &[(f64, u16, u32)]) -> TsharkSummary {
        let make = |&(_, seq, rtp_ts): &(f64, u16, u32)| TsharkPacket { seq, rtp_ts, payload_type: 0, marker: false };
        let mut state = TsharkFigures::new(packets[0].0, &make(&packets[0]));
        for packet in &packets[1..] {
            state.packet(packet.0, &make(packet), 8.0);
        }
        state.summary()
    }

    #[test]
    fn a_duplicate_makes_the_loss_negative_as_tshark_prints_it() {
        let sum = figures(&[(0.0, 1, 0), (20.0, 2, 160), (20.1, 2, 160), (40.0, 3, 320)]);
        assert_eq!((sum.packets, sum.lost, sum.problem), (4, -1, true));
        assert!((sum.lost_pct + 100.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_stream_of_one_packet_has_no_minimum() {
        let sum = figures(&[(5.0, 9, 0)]);
        assert_eq!((sum.packets, sum.lost, sum.min_delta_ms, sum.min_jitter_ms), (1, 0, None, None));
    }

    #[test]
    fn jitter_follows_the_running_sixteenth() {
        let sum = figures(&[(0.0, 1, 0), (20.0, 2, 160), (48.0, 3, 320)]);
        assert_eq!((sum.min_jitter_ms, sum.max_jitter_ms, sum.mean_jitter_ms), (Some(0.0), 0.5, 0.25));
        assert_eq!((sum.min_delta_ms, sum.mean_delta_ms, sum.max_delta_ms), (Some(20.0), 24.0, 28.0));
    }

    #[test]
    fn the_sequence_number_wraps_once() {
        let sum = figures(&[(0.0, 65_534, 0), (20.0, 65_535, 160), (40.0, 0, 320), (60.0, 1, 480)]);
        assert_eq!((sum.packets, sum.lost, sum.problem), (4, 0, false));
    }

    #[test]
    fn a_packet_from_before_the_first_timestamp_counts_but_is_not_measured() {
        let sum = figures(&[(0.0, 5, 1600), (20.0, 4, 1440), (40.0, 6, 1760)]);
        assert_eq!((sum.packets, sum.max_delta_ms, sum.problem), (3, 40.0, true));
    }
}
