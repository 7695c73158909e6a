//! What the streams of an allocation are: kinds, rates and sizes as exact fractions.
//!
//! In: a [`Traffic`]. Out: a [`StreamPlan`] for each stream of an allocation, or why it cannot be sent. Never: a rate
//! that was rounded.

use super::payload::MIN_PAYLOAD;
use super::track::{Course, Track};
use crate::args::Profile;
use crate::config::Traffic;
use crate::quantity::{Bitrate, Rate};
use std::fmt;
use std::sync::Arc;

/// Nanoseconds of an Opus frame as browsers send them (RFC 7587, section 4.2).
pub(super) const AUDIO_INTERVAL: u64 = 20_000_000;
/// 32 kbit/s of Opus, as browsers speak by default, in 20 ms; and the RTP header.
const AUDIO_BYTES: u64 = 80 + 12;
/// Mean nanoseconds of speech and of a pause of one who talks to somebody (ITU-T P.59, table 1).
pub(super) const TALK: f64 = 1.004e9;
pub(super) const PAUSE: f64 = 1.587e9;
/// In a pause Opus sends one frame of comfort noise in 400 ms: each 20th (RFC 7587, section 3.1.3).
pub(super) const COMFORT_FRAMES: u32 = 20;
/// Frames of video a second.
const FRAMES_PER_SECOND: u64 = 30;
/// Frames from one key frame to the next: ten seconds.
pub(super) const KEY_INTERVAL: u16 = 300;
/// A key frame is as large as so many others.
pub(super) const KEY_WEIGHT: u16 = 5;
/// Other frames differ from their mean by up to one part in so many.
pub(super) const FRAME_SWING: u64 = 4;
/// Bytes of an RTP packet at most, as browsers cut their frames.
pub(super) const MTU: u32 = 1_200;
/// The target where none is given: what browsers send of 720p.
const VIDEO_BITRATE: u64 = 1_500_000;
/// A flood is of packets as large as 20 ms of G.711: its rate is what costs a relay.
const FLOOD_BYTES: u64 = 172;
/// The largest payload of UDP over IPv4.
const MAX_BYTES: u64 = 65_507;

/// What a stream carries; decides payload type and RTP clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Opus: payload type 111, 48 kHz (RFC 7587).
    Audio,
    /// Frames: payload type 96, 90 kHz.
    Video,
    /// Sizes and rates by hand, floods: as video, but each packet a frame of its own.
    Data,
}

impl Kind {
    /// RTP payload type, of the dynamic ones (RFC 3551, section 6), as browsers number them.
    pub const fn payload_type(self) -> u8 {
        match self {
            Kind::Audio => 111,
            Kind::Video | Kind::Data => 96,
        }
    }

    /// Ticks of the RTP timestamp in a second.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Kind::Audio => 48_000,
            Kind::Video | Kind::Data => 90_000,
        }
    }
}

/// Why traffic cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unplannable {
    /// Packets that have no room for what measures them.
    TooSmall {
        /// Bytes that a packet would have, RTP header included.
        bytes: u64,
    },
    /// Packets that no datagram holds.
    TooLarge {
        /// Bytes that a packet would have, RTP header included.
        bytes: u64,
    },
    /// The streams of a capture are no plan; they are what they are.
    Replay,
}

impl fmt::Display for Unplannable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unplannable::TooSmall { bytes } => write!(
                f,
                "packets of {bytes} bytes: at least {MIN_PAYLOAD} are needed for the RTP header and what each packet \
                 carries to be measured by"
            ),
            Unplannable::TooLarge { bytes } => {
                write!(f, "packets of {bytes} bytes: no datagram holds more than {MAX_BYTES}")
            }
            Unplannable::Replay => f.write_str("the streams of a capture are replayed, not planned"),
        }
    }
}

impl std::error::Error for Unplannable {}

/// Whole numbers whose mean is exactly `numerator / denominator`, each of them one of the two next to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Steps {
    whole: u64,
    rest: u64,
    denominator: u64,
    carry: u64,
}

impl Steps {
    pub(super) fn new(numerator: u128, denominator: u64) -> Self {
        let denominator = denominator.max(1);
        let whole = u64::try_from(numerator / u128::from(denominator)).unwrap_or(u64::MAX);
        let rest = (numerator % u128::from(denominator)) as u64;
        Self { whole, rest, denominator, carry: 0 }
    }

    pub(super) const fn constant(value: u64) -> Self {
        Self { whole: value, rest: 0, denominator: 1, carry: 0 }
    }

    /// Begins somewhere between two whole numbers: `at` of `0..denominator`.
    pub(super) const fn shifted(mut self, at: u64) -> Self {
        self.carry = at % self.denominator;
        self
    }

    pub(super) const fn denominator(&self) -> u64 {
        self.denominator
    }

    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    pub(super) const fn next(&mut self) -> u64 {
        // Written so that no sum leaves 64 bits.
        if self.carry >= self.denominator - self.rest {
            self.carry -= self.denominator - self.rest;
            self.whole.saturating_add(1)
        } else {
            self.carry += self.rest;
            self.whole
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.whole as f64 + self.rest as f64 / self.denominator as f64
    }
}

/// When packets are due, and which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// One packet an interval.
    Even,
    /// The same while somebody talks.
    Talk,
    /// One frame an interval, in as many packets as it takes; `size` is of a frame.
    Frames,
    /// No interval.
    Flood,
    /// Those of a capture, which has so many parts.
    Replay { track: Arc<Track>, course: Course, among: u32 },
}

/// What one stream sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamPlan {
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    /// Nanoseconds.
    pub(super) interval: Steps,
    /// Bytes.
    pub(super) size: Steps,
}

impl StreamPlan {
    /// The streams of one allocation: one, or two where audio and video go together.
    ///
    /// # Errors
    /// Sizes that cannot be, and a replay.
    pub fn of(traffic: &Traffic) -> Result<Vec<Self>, Unplannable> {
        let plans = match traffic {
            Traffic::Profile(Profile::Audio, _) => vec![Self::audio(Shape::Even)],
            Traffic::Profile(Profile::AudioDtx, _) => vec![Self::audio(Shape::Talk)],
            Traffic::Profile(Profile::Video, bitrate) => vec![Self::video(*bitrate)],
            Traffic::Profile(Profile::Av, bitrate) => vec![Self::audio(Shape::Even), Self::video(*bitrate)],
            Traffic::Profile(Profile::Flood, _) => {
                vec![Self::data(Shape::Flood, Steps::constant(0), Steps::constant(FLOOD_BYTES))]
            }
            Traffic::Steady { rate, size } => {
                vec![Self::data(Shape::Even, interval(*rate), Steps::constant((*size).into()))]
            }
            Traffic::Filled { bitrate, size } => {
                let interval = Steps::new(u128::from(*size) * 8_000_000_000, bitrate.bits_per_second());
                vec![Self::data(Shape::Even, interval, Steps::constant((*size).into()))]
            }
            Traffic::Sized { rate, bitrate } => {
                let bits = u128::from(bitrate.bits_per_second()) * 1_000_000;
                let size = Steps::new(bits, rate.per_million_seconds().saturating_mul(8));
                vec![Self::data(Shape::Even, interval(*rate), size)]
            }
            Traffic::Replay(_) => return Err(Unplannable::Replay),
        };
        for plan in &plans {
            plan.check()?;
        }
        Ok(plans)
    }

    const fn audio(shape: Shape) -> Self {
        Self { kind: Kind::Audio, shape, interval: Steps::constant(AUDIO_INTERVAL), size: Steps::constant(AUDIO_BYTES) }
    }

    fn video(bitrate: Option<Bitrate>) -> Self {
        let bits = bitrate.map_or(VIDEO_BITRATE, Bitrate::bits_per_second);
        // All frames between two key frames weigh one each, and the key frame more; together they are the bitrate.
        let weights = u64::from(KEY_INTERVAL - 1 + KEY_WEIGHT);
        let size = Steps::new(u128::from(bits) * u128::from(KEY_INTERVAL), 8 * FRAMES_PER_SECOND * weights);
        let interval = Steps::new(1_000_000_000, FRAMES_PER_SECOND);
        Self { kind: Kind::Video, shape: Shape::Frames, interval, size }
    }

    const fn data(shape: Shape, interval: Steps, size: Steps) -> Self {
        Self { kind: Kind::Data, shape, interval, size }
    }

    pub(super) fn replay(track: Arc<Track>, course: Course, among: u32) -> Self {
        let (kind, none) = (track.kind, Steps::constant(0));
        Self { kind, shape: Shape::Replay { track, course, among }, interval: none, size: none }
    }

    fn check(&self) -> Result<(), Unplannable> {
        let smallest = match self.shape {
            Shape::Frames => self.size.whole() - self.size.whole() / FRAME_SWING,
            _ => self.size.whole(),
        };
        if smallest < MIN_PAYLOAD as u64 {
            return Err(Unplannable::TooSmall { bytes: smallest });
        }
        if self.shape != Shape::Frames && self.size.mean() > MAX_BYTES as f64 {
            return Err(Unplannable::TooLarge { bytes: self.size.whole().saturating_add(1) });
        }
        Ok(())
    }

    /// What it carries.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// False for a flood, which has no schedule: its packets are always due, and are scheduled when they are sent.
    pub fn is_paced(&self) -> bool {
        self.shape != Shape::Flood
    }

    /// True where the streams of one start meet on a grid; the times of a capture stay as they are.
    pub fn is_on_grid(&self) -> bool {
        !matches!(self.shape, Shape::Flood | Shape::Replay { .. })
    }

    /// Packets after which it ends by itself.
    pub fn packets(&self) -> Option<u64> {
        match &self.shape {
            Shape::Replay { track, course: Course::Once, .. } => Some(track.beats.len() as u64),
            _ => None,
        }
    }

    /// Seconds after which it begins anew, or ends; of a replay.
    pub fn seconds(&self) -> Option<f64> {
        if let Shape::Replay { track, .. } = &self.shape { Some(track.seconds()) } else { None }
    }

    /// Packets a second in the mean, for plans. None for a flood.
    pub fn packets_per_second(&self) -> Option<f64> {
        let per_second = 1e9 / self.interval.mean();
        match &self.shape {
            Shape::Even => Some(per_second),
            Shape::Talk => {
                let comfort_interval = f64::from(COMFORT_FRAMES) * AUDIO_INTERVAL as f64;
                // A pause begins with one, and then it is one for each whole interval of it.
                let in_pause = 1.0 / (1.0 - (-comfort_interval / PAUSE).exp());
                Some((TALK / AUDIO_INTERVAL as f64 + in_pause) * 1e9 / (TALK + PAUSE))
            }
            Shape::Frames => {
                let (size, frames) = (self.size.mean(), f64::from(KEY_INTERVAL));
                let key = (size * f64::from(KEY_WEIGHT) / f64::from(MTU)).ceil();
                Some(per_second * (packets_of_a_frame(size) * (frames - 1.0) + key) / frames)
            }
            Shape::Replay { track, .. } => Some(track.beats.len() as f64 / track.seconds()),
            Shape::Flood => None,
        }
    }

    /// Bits of RTP packets a second in the mean, headers included. None for a flood.
    pub fn bits_per_second(&self) -> Option<f64> {
        let per_second = 1e9 / self.interval.mean();
        match &self.shape {
            Shape::Even => Some(8.0 * self.size.mean() * per_second),
            Shape::Talk => {
                let talking = TALK / AUDIO_INTERVAL as f64 * 1e9 / (TALK + PAUSE);
                let silent = self.packets_per_second()? - talking;
                Some(8.0 * (talking * self.size.mean() + silent * MIN_PAYLOAD as f64))
            }
            Shape::Frames => {
                let weights = f64::from(KEY_INTERVAL - 1 + KEY_WEIGHT);
                Some(8.0 * self.size.mean() * weights / f64::from(KEY_INTERVAL) * per_second)
            }
            Shape::Replay { track, .. } => Some(8.0 * track.bytes() as f64 / track.seconds()),
            Shape::Flood => None,
        }
    }
}

/// In the mean of frames whose sizes are even between the two ends of their swing: each packet, by how many frames are
/// larger than those before it hold.
fn packets_of_a_frame(mean: f64) -> f64 {
    let swing = mean / FRAME_SWING as f64;
    let larger_than = |bytes: f64| ((mean + swing - bytes) / (2.0 * swing)).clamp(0.0, 1.0);
    let most = ((mean + swing) / f64::from(MTU)).ceil() as u64;
    (0..most).map(|packets| larger_than((packets * u64::from(MTU)) as f64)).sum()
}

fn interval(rate: Rate) -> Steps {
    Steps::new(1_000_000_000_000_000, rate.per_million_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitrate(text: &str) -> Bitrate {
        text.parse().expect("a bitrate")
    }

    #[test]
    fn steps_have_exactly_their_mean() {
        for (numerator, denominator) in [(10, 3), (1_000_000_000, 30), (7, 7), (0, 5), (999_999_999_999, 1_000_003)] {
            for shift in [0, 1, denominator / 2, denominator - 1] {
                let mut steps = Steps::new(numerator, denominator).shifted(shift);
                let count = 10_000_u128;
                let sum: u128 = (0..count).map(|_| u128::from(steps.next())).sum();
                let exact = (numerator * count + u128::from(shift)) / u128::from(denominator);
                assert_eq!(sum, exact, "{numerator}/{denominator} from {shift}");
            }
        }
    }

    #[test]
    fn audio_and_video_are_two_streams_and_everything_else_is_one() {
        let kinds = |traffic: Traffic| {
            StreamPlan::of(&traffic).map(|plans| plans.iter().map(StreamPlan::kind).collect::<Vec<_>>())
        };
        assert_eq!(kinds(Traffic::Profile(Profile::Av, None)), Ok(vec![Kind::Audio, Kind::Video]));
        assert_eq!(kinds(Traffic::Profile(Profile::AudioDtx, None)), Ok(vec![Kind::Audio]));
        assert_eq!(kinds(Traffic::Profile(Profile::Flood, None)), Ok(vec![Kind::Data]));
        assert_eq!(kinds(Traffic::Replay("calls.pcap".into())), Err(Unplannable::Replay));
    }

    #[test]
    fn plans_know_their_rates() {
        let rates = |traffic: Traffic| {
            let plan = StreamPlan::of(&traffic).expect("a plan").remove(0);
            (plan.packets_per_second(), plan.bits_per_second())
        };
        assert_eq!(rates(Traffic::Profile(Profile::Audio, None)), (Some(50.0), Some(36_800.0)));
        assert_eq!(rates(Traffic::Profile(Profile::Flood, None)), (None, None));
        let (_, video) = rates(Traffic::Profile(Profile::Video, Some(bitrate("2mbps"))));
        assert!((video.expect("a bitrate") - 2e6).abs() < 1e-3, "{video:?}");
    }

    #[test]
    fn packets_without_room_for_the_stamp_and_beyond_a_datagram_are_refused() {
        let rate: Rate = "50pps".parse().expect("a rate");
        let refused = |traffic: Traffic| StreamPlan::of(&traffic).expect_err("refused");
        assert_eq!(refused(Traffic::Steady { rate, size: 49 }), Unplannable::TooSmall { bytes: 49 });
        assert_eq!(refused(Traffic::Sized { rate, bitrate: bitrate("10kbps") }), Unplannable::TooSmall { bytes: 25 });
        assert!(matches!(refused(Traffic::Sized { rate, bitrate: bitrate("1gbps") }), Unplannable::TooLarge { .. }));
        assert!(matches!(
            refused(Traffic::Profile(Profile::Video, Some(bitrate("8kbps")))),
            Unplannable::TooSmall { .. }
        ));
        assert!(refused(Traffic::Steady { rate, size: 20 }).to_string().contains("at least 50"));
    }
}
