//! When a stream's packets are due.
//!
//! In: a [`StreamPlan`], a seed, a start. Out: packets in the order of their time. Never: a clock; a stall of the
//! caller changes nothing of what is due.

use super::payload::{MIN_PAYLOAD, Packet, StreamId};
use super::plan::{
    AUDIO_INTERVAL, COMFORT_FRAMES, FRAME_SWING, KEY_INTERVAL, KEY_WEIGHT, Kind, MTU, PAUSE, Shape, Steps, StreamPlan,
    TALK,
};
use crate::clock::Moment;
use crate::random::Random;

/// A packet that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// When. A flood's packets are due at its start, always: the caller's own time is their schedule.
    pub at: Moment,
    /// What to send.
    pub packet: Packet,
}

/// The schedule of one stream.
#[derive(Clone, Debug)]
pub struct Pacer {
    kind: Kind,
    shape: State,
    interval: Steps,
    size: Steps,
    random: Random,
    /// When the first interval begins: the timestamps count from it.
    origin: Moment,
    /// When the next packet, or frame, is due.
    at: Moment,
    /// Timestamps begin anywhere (RFC 3550, section 5.1).
    first_timestamp: u32,
    /// Packets that may still come.
    left: u64,
}

/// What the next packet depends on besides time.
#[derive(Clone, Copy, Debug)]
enum State {
    Even,
    Talk(Spell),
    Frames(Frames),
    Flood,
}

/// Speech, or a pause.
#[derive(Clone, Copy, Debug)]
struct Spell {
    talking: bool,
    /// Frames of it that are left.
    frames: u32,
    /// At its first packet.
    fresh: bool,
}

/// Where a stream of frames is.
#[derive(Clone, Copy, Debug)]
struct Frames {
    /// Frames before the next key frame.
    until_key: u16,
    /// What the next frame gives back of the deviation of the one before, so that each pair has its mean.
    owed: Option<i32>,
    /// What is left of the frame that is being sent.
    bytes: u64,
    packets: u32,
}

impl Pacer {
    /// The schedule of stream `id` from `start` on. Streams that share a seed and a start are spread evenly over their
    /// interval, in the order of their allocations nowhere near each other.
    pub fn new(plan: &StreamPlan, seed: u64, id: StreamId, start: Moment) -> Self {
        let mut random = Random::of(seed, u64::from(id.allocation) << 16 | u64::from(id.stream));
        // Multiples of the golden ratio leave no large gap, however many there are of them.
        let spread = Random::of(seed, u64::from(id.stream)).bits();
        let turn = spread.wrapping_add(u64::from(id.allocation).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let phase = ((u128::from(turn) * u128::from(plan.interval.whole())) >> 64) as u64;
        let at = Moment::from_nanos(start.as_nanos().saturating_add(phase));
        let shape = match plan.shape {
            Shape::Even => State::Even,
            Shape::Talk => State::Talk(Spell::new(&mut random, None)),
            // Every stream begins with a key frame; where the next one is differs, or all would have theirs at once.
            Shape::Frames => State::Frames(Frames {
                until_key: random.below(u64::from(KEY_INTERVAL)) as u16,
                owed: None,
                bytes: 0,
                packets: 0,
            }),
            Shape::Flood => State::Flood,
        };
        let mut pacer = Self {
            kind: plan.kind,
            shape,
            interval: plan.interval.shifted(random.below(plan.interval.denominator())),
            size: plan.size.shifted(random.below(plan.size.denominator())),
            first_timestamp: random.bits() as u32,
            random,
            origin: at,
            at,
            left: u64::MAX,
        };
        if let State::Frames(frames) = &mut pacer.shape {
            frames.begin(key_frame(&mut pacer.size));
        }
        pacer
    }

    /// So many packets at most.
    #[must_use]
    pub const fn limited(mut self, packets: u64) -> Self {
        self.left = packets;
        self
    }

    /// The next packet. None where all have been, or after the 584 years that a [`Moment`] can say.
    #[allow(clippy::should_implement_trait, reason = "a schedule is asked, not walked through")]
    pub fn next(&mut self) -> Option<Due> {
        if self.left == 0 || self.at.as_nanos() == u64::MAX {
            return None;
        }
        self.left -= 1;
        let at = self.at;
        let rtp_timestamp = self.timestamp();
        let (bytes, marker) = match &mut self.shape {
            State::Even | State::Flood => (self.size.next(), false),
            State::Talk(spell) if spell.talking => (self.size.next(), spell.fresh),
            State::Talk(_) => (MIN_PAYLOAD as u64, false),
            State::Frames(frames) => frames.take(),
        };
        self.advance();
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        let packet = Packet { bytes, payload_type: self.kind.payload_type(), marker, rtp_timestamp };
        Some(Due { at, packet })
    }

    /// When the next packet is due, without taking it.
    pub const fn due(&self) -> Option<Moment> {
        if self.left == 0 || self.at.as_nanos() == u64::MAX { None } else { Some(self.at) }
    }

    /// From this packet to the next.
    fn advance(&mut self) {
        let intervals = match &mut self.shape {
            State::Flood => 0,
            State::Even => 1,
            State::Talk(spell) => spell.advance(&mut self.random),
            State::Frames(frames) if frames.packets > 0 => 0,
            State::Frames(frames) => {
                let bytes = frames.next_size(&mut self.size, &mut self.random);
                frames.begin(bytes);
                1
            }
        };
        let nanos = (0..intervals).fold(0_u64, |sum, _| sum.saturating_add(self.interval.next()));
        self.at = Moment::from_nanos(self.at.as_nanos().saturating_add(nanos));
    }

    /// The schedule in ticks of the media's clock, to the nearest one.
    fn timestamp(&self) -> u32 {
        let elapsed = u128::from(self.at.as_nanos() - self.origin.as_nanos());
        let ticks = (elapsed * u128::from(self.kind.clock_rate()) + 500_000_000) / 1_000_000_000;
        self.first_timestamp.wrapping_add(ticks as u32)
    }
}

impl Spell {
    /// After one that was speech or a pause; the first one is either, as often as each is met.
    fn new(random: &mut Random, before: Option<bool>) -> Self {
        let talking = before.map_or_else(|| random.unit() <= TALK / (TALK + PAUSE), |talked| !talked);
        let mean = if talking { TALK } else { PAUSE };
        let frames = (random.exponential(mean) / AUDIO_INTERVAL as f64).round().max(1.0);
        Self { talking, frames: frames as u32, fresh: true }
    }

    /// Frames to the next one that is sent.
    fn advance(&mut self, random: &mut Random) -> u32 {
        let step = if self.talking { 1 } else { COMFORT_FRAMES.min(self.frames) };
        self.frames -= step;
        self.fresh = false;
        if self.frames == 0 {
            *self = Self::new(random, Some(self.talking));
        }
        step
    }
}

impl Frames {
    fn begin(&mut self, bytes: u64) {
        self.bytes = bytes;
        self.packets = u32::try_from(bytes.div_ceil(MTU.into())).unwrap_or(u32::MAX).max(1);
    }

    /// Bytes of the next packet, and whether it ends its frame; packets of a frame are as even as can be.
    fn take(&mut self) -> (u64, bool) {
        let bytes = self.bytes.div_ceil(self.packets.max(1).into());
        self.bytes -= bytes;
        self.packets = self.packets.saturating_sub(1);
        (bytes, self.packets == 0)
    }

    fn next_size(&mut self, size: &mut Steps, random: &mut Random) -> u64 {
        let Some(until_key) = self.until_key.checked_sub(1) else {
            self.until_key = KEY_INTERVAL - 1;
            return key_frame(size);
        };
        self.until_key = until_key;
        let swing = i32::try_from(size.whole() / FRAME_SWING).unwrap_or(i32::MAX);
        let deviation = self.owed.take().unwrap_or_else(|| {
            let deviation = random.below(2 * swing as u64 + 1) as i64 - i64::from(swing);
            let deviation = deviation as i32;
            self.owed = Some(-deviation);
            deviation
        });
        size.next().saturating_add_signed(deviation.into())
    }
}

fn key_frame(size: &mut Steps) -> u64 {
    (0..KEY_WEIGHT).fold(0_u64, |sum, _| sum.saturating_add(size.next()))
}
