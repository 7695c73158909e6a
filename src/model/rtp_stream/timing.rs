//! Interarrival jitter, drift and skew of one RTP stream, and the clock rate where nobody told it.
//!
//! In: arrival time and RTP timestamp of each unique packet. Out: [`TimingSummary`] (RFC 3550 A.8).
//! Never: a figure with a guessed clock that is not labelled as inferred.

use super::histogram::{Twin, TwinHistogram};
use crate::time::Timestamp;

/// Rates that an inferred clock snaps to, in Hz.
const RATES: [u32; 7] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000, 90_000];
/// Packets held back at most until the clock is inferred.
const PENDING_LIMIT: usize = 512;
/// Packets and nanoseconds that an inference needs: less has too much jitter in its slope.
const INFER_PACKETS: usize = 50;
const INFER_NANOS: i64 = 2_000_000_000;
/// What an inference at the end of a short stream is content with.
const SHORT_PACKETS: usize = 10;
const SHORT_NANOS: i64 = 150_000_000;
/// How far from a rate, as a ratio, a slope may be to snap to it.
const SNAP_RATIO: f64 = 1.04;
/// Nanoseconds of media without a fit after which the clock stays unknown.
const GIVE_UP_NANOS: i64 = 30_000_000_000;
/// RTP time that passes beyond what arrival explains, in milliseconds, from which on a difference is a discontinuity.
const JUMP_MILLIS: f64 = 10_000.0;
/// Nanoseconds of media below which a slope says nothing of drift.
const DRIFT_NANOS: i64 = 2_000_000_000;
/// The fastest clock, for a jump where the clock is not known yet.
const FASTEST: u32 = 90_000;

/// Where the clock rate comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockSource {
    /// The SDP of the session.
    Sdp,
    /// The static table of RFC 3551.
    Static,
    /// The slope of RTP timestamps over arrival times.
    Inferred,
    /// Not known.
    None,
}

/// The clock of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// In Hz; none where it is not known.
    pub rate: Option<u32>,
    /// Who says so.
    pub source: ClockSource,
}

/// Figures of one jitter estimator, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct JitterSummary {
    pub last: f64,
    pub mean: f64,
    pub max: f64,
    pub p50: f64,
    pub p95: f64,
}

/// What the timestamps say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TimingSummary {
    /// The clock that the figures were computed with.
    pub clock: Clock,
    /// RFC 3550 A.8 over all unique packets; none without clock or with one packet.
    pub jitter: Option<JitterSummary>,
    /// The same, sampled on the first packet of each RTP timestamp.
    pub frame_jitter: Option<JitterSummary>,
    /// Slope of arrival minus RTP time in parts per million; none below two seconds of media.
    pub drift_ppm: Option<f64>,
    /// The largest deviation of arrival from RTP time, signed, in milliseconds.
    pub skew_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    ts: Timestamp,
    rtp_ts: u32,
}

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    mode: Mode,
    /// The next packet that is measured is measured from and not to: what lies before it had another clock, or a pause
    /// of which nothing is known.
    needs_reference: bool,
    /// The clock stays unknown, whatever other payload types come in between.
    gave_up: bool,
    millis_per_tick: f64,
    jitter: Jitter,
    deviation: Deviation,
    /// Apart from `jitter` only once a timestamp repeats: until then they are the same.
    frames: Option<Jitter>,
    /// Of `jitter`, and of `frames`.
    histogram: TwinHistogram,
    clock: Clock,
    /// The longest segment before the present one, with its span.
    longest: Option<Box<(i64, Deviation)>>,
    pending: Vec<Sample>,
}

/// What becomes of the next packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// It is measured.
    Measure,
    /// It is the first of a new reference.
    Restart,
    /// It is held back until there are enough to infer the clock.
    HoldBack,
    /// Nothing: it is comfort noise or an event in the midst of media with another clock, or the clock stays unknown.
    Ignore,
}

#[derive(Clone, Debug)]
struct Jitter {
    last: Sample,
    value: f64,
    sum: f64,
    max: f64,
    samples: u64,
}

/// Least squares of (arrival - RTP time) over arrival, both in milliseconds since the first packet.
#[derive(Clone, Copy, Debug, Default)]
struct Deviation {
    first_arrival: Timestamp,
    ticks: i64,
    n: f64,
    sum_x: f64,
    sum_xx: f64,
    sum_y: f64,
    sum_xy: f64,
    min: f64,
    max: f64,
}

impl Timing {
    /// The state after the first packet; `is_media` as for [`Self::change_clock`].
    pub(crate) fn new(ts: Timestamp, rtp_ts: u32, clock: Clock, is_media: bool) -> Self {
        let first = Sample { ts, rtp_ts };
        let mut this = Self {
            mode: Mode::Ignore,
            needs_reference: false,
            gave_up: false,
            millis_per_tick: 0.0,
            jitter: Jitter::new(first),
            deviation: Deviation::new(first),
            frames: None,
            histogram: TwinHistogram::default(),
            clock: Clock { rate: None, source: ClockSource::None },
            longest: None,
            pending: Vec::new(),
        };
        this.change_clock(clock, is_media);
        this.packet(ts, rtp_ts);
        this
    }

    /// Takes the next unique packet; true where its timestamp jumped by more than arrival explains.
    #[inline]
    pub(crate) fn packet(&mut self, ts: Timestamp, rtp_ts: u32) -> bool {
        let sample = Sample { ts, rtp_ts };
        if self.mode == Mode::Measure {
            self.measure(sample)
        } else {
            self.unusual(sample);
            false
        }
    }

    #[inline(never)]
    fn unusual(&mut self, sample: Sample) {
        match self.mode {
            Mode::Measure => {
                self.measure(sample);
            }
            Mode::Restart => self.restart_reference(sample),
            Mode::HoldBack => self.hold_back(sample),
            Mode::Ignore => {}
        }
    }

    /// The first packet of a new segment: it has no interarrival difference to the one before.
    pub(crate) fn restart(&mut self, ts: Timestamp, rtp_ts: u32) {
        let sample = Sample { ts, rtp_ts };
        match self.mode {
            Mode::Measure | Mode::Restart => self.restart_reference(sample),
            Mode::HoldBack => {
                self.pending.clear();
                self.pending.push(sample);
            }
            Mode::Ignore => {}
        }
    }

    /// What was measured stays, the next differences are to `sample`.
    #[cold]
    fn restart_reference(&mut self, sample: Sample) {
        let span = self.deviation.span(self.jitter.last);
        if span > 0 && self.longest.as_ref().is_none_or(|longest| longest.0 < span) {
            self.longest = Some(Box::new((span, self.deviation)));
        }
        self.deviation = Deviation::new(sample);
        self.jitter.last = sample;
        if let Some(frames) = &mut self.frames {
            frames.last = sample;
        }
        self.needs_reference = false;
        self.mode = Mode::Measure;
    }

    /// The next packets have this clock. Comfort noise and events (`is_media` false) tell nothing of the stream's own
    /// clock: they are measured where theirs is the same, as RFC 3389 wants it, and left out where it is not.
    pub(crate) fn change_clock(&mut self, clock: Clock, is_media: bool) {
        let known = self.clock.rate.is_some();
        match clock.rate {
            Some(rate) if known && self.clock.rate == Some(rate) => {
                self.resume();
                if is_media {
                    self.clock = clock;
                }
            }
            _ if !is_media => self.mode = Mode::Ignore,
            Some(rate) => self.learn_clock(Clock { rate: Some(rate), ..clock }),
            // The payload types of one stream nearly always share a clock: what was inferred goes for all of them.
            None if known && self.clock.source == ClockSource::Inferred => self.resume(),
            None => self.mode = if self.gave_up { Mode::Ignore } else { Mode::HoldBack },
        }
    }

    /// Goes on with the clock that is known. Where packets of an unknown one came in between, RTP time need not have run
    /// with arrival.
    fn resume(&mut self) {
        self.needs_reference |= !self.pending.is_empty();
        self.pending.clear();
        self.mode = if self.needs_reference { Mode::Restart } else { Mode::Measure };
    }

    /// The clock rate has become known, or is another from here on.
    fn learn_clock(&mut self, clock: Clock) {
        let held = std::mem::take(&mut self.pending);
        self.clock = clock;
        self.millis_per_tick = clock.rate.map_or(0.0, millis_per_tick);
        self.needs_reference = true;
        self.mode = Mode::Restart;
        held.into_iter().for_each(|sample| {
            self.packet(sample.ts, sample.rtp_ts);
        });
    }

    /// True where the timestamp jumped: nothing was measured.
    #[inline(always)]
    fn measure(&mut self, sample: Sample) -> bool {
        let last = self.jitter.last;
        let ticks = sample.rtp_ts.wrapping_sub(last.rtp_ts) as i32;
        let arrival = sample.ts.nanos_since(last.ts) as f64 * 1e-6;
        let media = f64::from(ticks) * self.millis_per_tick;
        // RTP time went further than arrival by more than a pause or a burst explains.
        if media.abs() > arrival.abs() + JUMP_MILLIS {
            self.restart_reference(sample);
            return true;
        }
        if ticks <= 0 || self.frames.is_some() {
            self.measure_frame(sample);
        }
        self.jitter.difference((arrival - media).abs(), sample);
        self.histogram.record(Twin::First, self.jitter.value);
        self.deviation.packet(sample.ts, ticks, self.millis_per_tick);
        false
    }

    /// Before the packet has changed `jitter`.
    #[inline(never)]
    fn measure_frame(&mut self, sample: Sample) {
        let histogram = &mut self.histogram;
        let frames = self.frames.get_or_insert_with(|| {
            histogram.part();
            self.jitter.clone()
        });
        let ticks = sample.rtp_ts.wrapping_sub(frames.last.rtp_ts) as i32;
        if ticks > 0 {
            let arrival = sample.ts.nanos_since(frames.last.ts) as f64 * 1e-6;
            frames.difference((arrival - f64::from(ticks) * self.millis_per_tick).abs(), sample);
            histogram.record(Twin::Second, frames.value);
        }
    }

    #[inline(never)]
    fn hold_back(&mut self, sample: Sample) {
        if self.pending.last().is_some_and(|last| sample.jumps(*last, millis_per_tick(FASTEST))) {
            self.pending.clear();
        }
        self.pending.push(sample);
        let first = self.pending[0].ts;
        let long = self.pending.len() >= INFER_PACKETS && sample.ts.nanos_since(first) >= INFER_NANOS;
        let full = self.pending.len() >= PENDING_LIMIT;
        // A slope that fits no rate may fit later: try again each time the number of samples has doubled.
        if full || (long && self.pending.len().is_power_of_two()) || self.pending.len() == INFER_PACKETS && long {
            match infer(&self.pending) {
                Some(rate) => self.learn_clock(Clock { rate: Some(rate), source: ClockSource::Inferred }),
                None if full && sample.ts.nanos_since(first) >= GIVE_UP_NANOS => {
                    self.gave_up = true;
                    self.mode = Mode::Ignore;
                    self.pending = Vec::new();
                }
                None if full => {
                    let mut keep = false;
                    self.pending.retain(|_| {
                        keep = !keep;
                        keep
                    });
                }
                None => {}
            }
        }
    }

    /// Jitter in milliseconds behind the last packet that was measured; none while the clock is not known.
    pub(crate) fn present_jitter(&self) -> Option<f64> {
        (self.clock.rate.is_some() && self.jitter.samples > 0).then_some(self.jitter.value)
    }

    /// The figures, as if the stream ended here.
    pub(crate) fn summary(&self) -> TimingSummary {
        if self.mode == Mode::HoldBack
            && let Some(rate) = infer(&self.pending)
        {
            let mut known = self.clone();
            known.learn_clock(Clock { rate: Some(rate), source: ClockSource::Inferred });
            return known.figures();
        }
        self.figures()
    }

    fn figures(&self) -> TimingSummary {
        let known = self.clock.rate.is_some();
        let jitter = known.then(|| self.jitter.summary(&self.histogram, Twin::First)).flatten();
        let span = self.deviation.span(self.jitter.last);
        let present = (span, self.deviation);
        let (span, deviation) = self.longest.as_deref().filter(|longest| longest.0 > span).unwrap_or(&present);
        TimingSummary {
            clock: self.clock,
            jitter,
            frame_jitter: self.frames.as_ref().map_or(jitter, |frames| frames.summary(&self.histogram, Twin::Second)),
            drift_ppm: if known { deviation.drift_ppm(*span) } else { None },
            skew_ms: if known { deviation.skew_ms() } else { None },
        }
    }
}

impl Sample {
    fn jumps(self, last: Sample, millis_per_tick: f64) -> bool {
        let arrival = self.ts.nanos_since(last.ts) as f64 * 1e-6;
        let media = f64::from(self.rtp_ts.wrapping_sub(last.rtp_ts) as i32) * millis_per_tick;
        media.abs() > arrival.abs() + JUMP_MILLIS
    }
}

impl Jitter {
    fn new(first: Sample) -> Self {
        Self { last: first, value: 0.0, sum: 0.0, max: 0.0, samples: 0 }
    }

    /// RFC 3550, A.8: one interarrival difference in milliseconds, and the packet that made it.
    #[inline(always)]
    fn difference(&mut self, millis: f64, sample: Sample) {
        self.value += (millis - self.value) * 0.0625;
        self.last = sample;
        self.sum += self.value;
        if self.value > self.max {
            self.max = self.value;
        }
        self.samples += 1;
    }

    fn summary(&self, histogram: &TwinHistogram, twin: Twin) -> Option<JitterSummary> {
        (self.samples > 0).then(|| JitterSummary {
            last: self.value,
            mean: self.sum / self.samples as f64,
            max: self.max,
            p50: histogram.quantile(twin, 0.5).min(self.max),
            p95: histogram.quantile(twin, 0.95).min(self.max),
        })
    }
}

impl Deviation {
    fn new(first: Sample) -> Self {
        Self { first_arrival: first.ts, n: 1.0, ..Self::default() }
    }

    #[inline(always)]
    fn packet(&mut self, ts: Timestamp, ticks: i32, millis_per_tick: f64) {
        self.ticks += i64::from(ticks);
        let x = ts.nanos_since(self.first_arrival) as f64 * 1e-6;
        let y = x - self.ticks as f64 * millis_per_tick;
        self.n += 1.0;
        self.sum_x += x;
        self.sum_xx += x * x;
        self.sum_y += y;
        self.sum_xy += x * y;
        if y < self.min {
            self.min = y;
        }
        if y > self.max {
            self.max = y;
        }
    }

    /// Nanoseconds from the first to the last packet.
    fn span(&self, last: Sample) -> i64 {
        last.ts.nanos_since(self.first_arrival)
    }

    fn drift_ppm(&self, span: i64) -> Option<f64> {
        let spread = self.n * self.sum_xx - self.sum_x * self.sum_x;
        (span >= DRIFT_NANOS && spread > 0.0).then(|| (self.n * self.sum_xy - self.sum_x * self.sum_y) / spread * 1e6)
    }

    fn skew_ms(&self) -> Option<f64> {
        (self.n > 1.0).then(|| if self.max >= -self.min { self.max } else { self.min })
    }
}

fn millis_per_tick(rate: u32) -> f64 {
    1000.0 / f64::from(rate.max(1))
}

/// The rate whose slope the samples have; none where they are too few or fit no rate.
fn infer(samples: &[Sample]) -> Option<u32> {
    let (first, last) = (samples.first()?, samples.last()?);
    if samples.len() < SHORT_PACKETS || last.ts.nanos_since(first.ts) < SHORT_NANOS {
        return None;
    }
    let (mut n, mut sx, mut sxx, mut sy, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut ticks = 0_i64;
    let mut previous = first.rtp_ts;
    for sample in samples {
        ticks += i64::from(sample.rtp_ts.wrapping_sub(previous) as i32);
        previous = sample.rtp_ts;
        let x = sample.ts.nanos_since(first.ts) as f64 * 1e-9;
        let y = ticks as f64;
        n += 1.0;
        sx += x;
        sxx += x * x;
        sy += y;
        sxy += x * y;
    }
    let slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    if slope.is_nan() || slope <= 0.0 {
        return None;
    }
    let distance = |rate: u32| (slope / f64::from(rate)).ln().abs();
    let nearest = RATES.into_iter().min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    // 44.1 kHz is rare and its neighbour is not: it takes a closer fit.
    let nearest = if nearest == 44_100 && distance(nearest) > 0.02 { 48_000 } else { nearest };
    (distance(nearest) <= SNAP_RATIO.ln()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Clock = Clock { rate: Some(8000), source: ClockSource::Static };
    const UNKNOWN: Clock = Clock { rate: None, source: ClockSource::None };

    fn run(clock: Clock, packets: impl IntoIterator<Item = (i64, u32)>) -> TimingSummary {
        let mut packets = packets.into_iter();
        let (at, rtp_ts) = packets.next().unwrap();
        let mut timing = Timing::new(Timestamp::from_nanos(at * 1000), rtp_ts, clock, true);
        for (at, rtp_ts) in packets {
            timing.packet(Timestamp::from_nanos(at * 1000), rtp_ts);
        }
        timing.summary()
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_no_drift() {
        let sum = run(KNOWN, (0..500).map(|i| (i * 20_000, i as u32 * 160)));
        let jitter = sum.jitter.unwrap();
        assert!(jitter.max < 1e-9 && jitter.p95 < 1e-9);
        assert!(sum.drift_ppm.unwrap().abs() < 1e-3 && sum.skew_ms.unwrap().abs() < 1e-6);
    }

    #[test]
    fn jitter_moves_a_sixteenth_of_the_difference() {
        let sum = run(KNOWN, [(0, 0), (28_000, 160)]);
        assert!((sum.jitter.unwrap().last - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_clock_is_inferred_and_the_held_packets_are_measured_with_it() {
        for (rate, step) in [(8000_u32, 160_u32), (48_000, 960), (90_000, 1800), (44_100, 882), (16_000, 320)] {
            let wobble = |i: i64| if i % 3 == 0 { 3_000 } else { 0 };
            let packets = || (0..400).map(move |i| (i * 20_000 + wobble(i), i as u32 * step));
            let inferred = run(UNKNOWN, packets());
            assert_eq!(inferred.clock, Clock { rate: Some(rate), source: ClockSource::Inferred });
            let known = run(Clock { rate: Some(rate), source: ClockSource::Sdp }, packets());
            assert_eq!(inferred.jitter, known.jitter);
        }
    }

    #[test]
    fn a_clock_that_fits_no_rate_stays_unknown() {
        let sum = run(UNKNOWN, (0..2000).map(|i| (i * 20_000, i as u32 * 7)));
        assert_eq!(sum.clock, UNKNOWN);
        assert_eq!((sum.jitter, sum.drift_ppm), (None, None));
    }

    #[test]
    fn frame_jitter_looks_at_the_first_packet_of_each_timestamp_only() {
        let video = Clock { rate: Some(90_000), source: ClockSource::Sdp };
        let sum = run(video, (0..300).map(|i| ((i / 3) * 40_000 + (i % 3) * 500, (i / 3) as u32 * 3600)));
        assert!(sum.frame_jitter.unwrap().max < 1e-6);
        assert!(sum.jitter.unwrap().mean > 0.3);
    }

    #[test]
    fn a_clock_that_does_not_fit_at_first_is_inferred_later() {
        // Nine hundred packets of a burst at the start, and then media at its pace.
        let burst = (0..900).map(|i| (i * 3_000, i as u32 * 320));
        let sum = run(UNKNOWN, burst.chain((0..1200).map(|i| (2_700_000 + i * 20_000, 288_000 + i as u32 * 960))));
        assert_eq!(sum.clock, Clock { rate: Some(48_000), source: ClockSource::Inferred });
    }

    /// Packets of one clock, then of another, then of the first again, as `change_clock` is told of them.
    fn with_another_in_between(first: Clock, other: Clock, is_media: bool, other_ticks: u32) -> TimingSummary {
        let at = |i: i64| Timestamp::from_nanos(i * 20_000_000);
        let mut timing = Timing::new(at(0), 0, first, true);
        (1..200).for_each(|i| {
            timing.packet(at(i), i as u32 * 160);
        });
        timing.change_clock(other, is_media);
        (200..220).for_each(|i| {
            timing.packet(at(i), 32_000 + (i as u32 - 200) * other_ticks);
        });
        timing.change_clock(first, true);
        (220..600).for_each(|i| {
            timing.packet(at(i), i as u32 * 160);
        });
        timing.summary()
    }

    #[test]
    fn a_telephone_event_whose_timestamp_stands_still_is_no_jitter() {
        let event = Clock { rate: Some(16_000), source: ClockSource::Sdp };
        let sum = with_another_in_between(KNOWN, event, false, 0);
        assert!(sum.jitter.unwrap().max < 1e-9 && sum.skew_ms.unwrap().abs() < 1e-6, "{sum:?}");
        assert_eq!(sum.clock, KNOWN);
    }

    #[test]
    fn comfort_noise_with_the_clock_of_the_media_is_measured_with_it() {
        let noise = Clock { rate: Some(8000), source: ClockSource::Static };
        let late = with_another_in_between(KNOWN, noise, false, 320);
        assert!(late.jitter.unwrap().max > 1.0, "{late:?}");
    }

    #[test]
    fn a_stream_that_begins_with_comfort_noise_takes_its_clock_from_the_media() {
        let noise = Clock { rate: Some(8000), source: ClockSource::Static };
        let mut timing = Timing::new(Timestamp::from_nanos(0), 0, noise, false);
        timing.change_clock(UNKNOWN, true);
        (1..300).for_each(|i| {
            timing.packet(Timestamp::from_nanos(i * 20_000_000), i as u32 * 960);
        });
        assert_eq!(timing.summary().clock, Clock { rate: Some(48_000), source: ClockSource::Inferred });
    }

    #[test]
    fn a_payload_type_of_another_rate_begins_anew_and_mixes_no_clocks() {
        let wide = Clock { rate: Some(48_000), source: ClockSource::Sdp };
        let sum = with_another_in_between(KNOWN, wide, true, 960);
        assert!(sum.jitter.unwrap().max < 1e-9 && sum.drift_ppm.unwrap().abs() < 1e-3, "{sum:?}");
    }

    #[test]
    fn a_payload_type_without_a_known_clock_leaves_the_known_one_alone() {
        let sum = with_another_in_between(KNOWN, UNKNOWN, true, 7);
        assert_eq!(sum.clock, KNOWN);
        assert!(sum.jitter.unwrap().max < 1e-9, "{sum:?}");
    }

    #[test]
    fn a_stretch_without_a_clock_in_which_rtp_time_ran_otherwise_is_no_jitter() {
        let at = |i: i64| Timestamp::from_nanos(i * 20_000_000);
        let mut timing = Timing::new(at(0), 0, KNOWN, true);
        (1..200).for_each(|i| {
            timing.packet(at(i), i as u32 * 160);
        });
        timing.change_clock(UNKNOWN, true);
        (200..250).for_each(|i| {
            timing.packet(at(i), 32_000 + (i as u32 - 200) * 960);
        });
        timing.change_clock(KNOWN, true);
        (250..600).for_each(|i| {
            timing.packet(at(i), 80_000 + (i as u32 - 250) * 160);
        });
        let sum = timing.summary();
        assert!(sum.jitter.unwrap().max < 1e-9 && sum.skew_ms.unwrap().abs() < 1e-6, "{sum:?}");
    }

    #[test]
    fn a_new_reference_waits_for_media_where_noise_comes_first() {
        let at = |i: i64| Timestamp::from_nanos(i * 20_000_000);
        let wide = Clock { rate: Some(48_000), source: ClockSource::Sdp };
        let mut timing = Timing::new(at(0), 0, KNOWN, true);
        (1..200).for_each(|i| {
            timing.packet(at(i), i as u32 * 160);
        });
        timing.change_clock(wide, true);
        timing.change_clock(KNOWN, false);
        timing.packet(at(200), 7);
        timing.change_clock(wide, true);
        (201..600).for_each(|i| {
            timing.packet(at(i), i as u32 * 960);
        });
        let sum = timing.summary();
        assert!(sum.jitter.unwrap().max < 1e-9 && sum.skew_ms.unwrap().abs() < 1e-6, "{sum:?}");
    }

    #[test]
    fn what_was_given_up_stays_given_up_after_comfort_noise() {
        let at = |i: i64| Timestamp::from_nanos(i * 20_000_000);
        let noise = Clock { rate: Some(8000), source: ClockSource::Static };
        let mut timing = Timing::new(at(0), 0, UNKNOWN, true);
        (1..4000).for_each(|i| {
            timing.packet(at(i), i as u32 * 7);
        });
        timing.change_clock(noise, false);
        timing.change_clock(UNKNOWN, true);
        (4000..6000).for_each(|i| {
            timing.packet(at(i), i as u32 * 160);
        });
        assert_eq!(timing.summary().clock, UNKNOWN);
    }

    #[test]
    fn a_slope_between_two_rates_is_neither() {
        for hertz in [40_750_u64, 42_000, 45_500, 60_000] {
            let sum = run(UNKNOWN, (0..3000).map(|i| (i * 20_000, (i as u64 * hertz / 50) as u32)));
            assert_eq!(sum.clock, UNKNOWN, "{hertz}");
        }
    }

    #[test]
    fn a_jump_of_the_timestamps_is_no_jitter_and_no_drift() {
        for clock in [KNOWN, UNKNOWN] {
            let probe = [(0, 0), (5_000, 0)];
            let sum =
                run(clock, probe.into_iter().chain((1..500).map(|i| (i * 20_000, 3_000_000_000 + i as u32 * 160))));
            assert_eq!(sum.clock.rate, Some(8000));
            assert!(sum.jitter.unwrap().max < 1.0, "{:?}", sum.jitter);
            assert!(sum.drift_ppm.unwrap().abs() < 1.0 && sum.skew_ms.unwrap().abs() < 1.0);
        }
    }

    #[test]
    fn the_longer_segment_tells_the_drift() {
        let long = (0..5000).map(|i| (i * 20_002, i as u32 * 160));
        let short = (5000..5200).map(|i| (i * 20_002, 2_000_000_000 + i as u32 * 161));
        let sum = run(KNOWN, long.chain(short));
        assert!((sum.drift_ppm.unwrap() - 100.0).abs() < 0.2, "{:?}", sum.drift_ppm);
    }

    #[test]
    fn a_late_packet_of_an_older_frame_is_no_frame() {
        let video = Clock { rate: Some(90_000), source: ClockSource::Sdp };
        let frames = (0..300).flat_map(|i| {
            let late = (i > 0).then(|| (i * 40_000 + 900, (i as u32 - 1) * 3600));
            [Some((i * 40_000, i as u32 * 3600)), late].into_iter().flatten()
        });
        assert!(run(video, frames).frame_jitter.unwrap().max < 1e-6);
    }

    #[test]
    fn drift_is_the_slope_of_arrival_over_media_time() {
        let sum = run(KNOWN, (0..5000).map(|i| (i * 20_002, i as u32 * 160)));
        assert!((sum.drift_ppm.unwrap() - 100.0).abs() < 0.2, "{:?}", sum.drift_ppm);
    }
}
