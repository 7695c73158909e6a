//! When a stream's packets are due.
//!
//! In: a [`StreamPlan`], a seed, a start. Out: packets in the order of their time. Never: a clock; a stall of the
//! caller changes nothing of what is due.

use super::payload::{MIN_PAYLOAD, Packet, StreamId};
use super::plan::{
    AUDIO_INTERVAL, COMFORT_FRAMES, FRAME_SWING, KEY_INTERVAL, KEY_WEIGHT, Kind, MTU, PAUSE, Shape, Steps, StreamPlan,
    TALK,
};
use super::track::{Course, Replaying};
use crate::clock::Moment;
use crate::random::Random;
use std::sync::Arc;

/// Its multiples leave no large gap in a round of 64 bits, however many there are of them.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

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
#[derive(Clone, Debug)]
enum State {
    Even,
    Talk(Spell),
    Frames(Frames),
    Flood,
    Replay(Replaying),
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
        let spread = Random::of(seed, u64::from(id.stream)).bits();
        let turn = spread.wrapping_add(u64::from(id.allocation).wrapping_mul(GOLDEN_RATIO));
        let phase = ((u128::from(turn) * u128::from(plan.interval.whole())) >> 64) as u64;
        let at = Moment::from_nanos(start.as_nanos().saturating_add(phase));
        let shape = match &plan.shape {
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
            Shape::Replay { track, course, among } => {
                let turn = match course {
                    Course::Once | Course::Again => 0,
                    Course::Spread => u64::from(id.allocation / (*among).max(1)).wrapping_mul(GOLDEN_RATIO),
                };
                State::Replay(Replaying::new(Arc::clone(track), start.as_nanos(), turn))
            }
        };
        let left = plan.packets().unwrap_or(u64::MAX);
        let mut pacer = Self {
            kind: plan.kind,
            shape,
            interval: plan.interval.shifted(random.below(plan.interval.denominator())),
            size: plan.size.shifted(random.below(plan.size.denominator())),
            first_timestamp: random.bits() as u32,
            random,
            origin: at,
            at,
            left,
        };
        match &mut pacer.shape {
            State::Frames(frames) => frames.begin(key_frame(&mut pacer.size)),
            State::Replay(replaying) => pacer.at = Moment::from_nanos(replaying.due()),
            State::Even | State::Talk(_) | State::Flood => {}
        }
        pacer
    }

    /// So many packets at most.
    #[must_use]
    pub const fn limited(mut self, packets: u64) -> Self {
        self.left = if packets < self.left { packets } else { self.left };
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
            State::Replay(replaying) => replaying.take(),
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
            State::Replay(replaying) => {
                self.at = Moment::from_nanos(replaying.due());
                0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Profile;
    use crate::config::Traffic;

    const SECOND: u64 = 1_000_000_000;

    fn id(allocation: u32) -> StreamId {
        StreamId { run: 1, allocation, stream: 0 }
    }

    fn plan(traffic: &Traffic) -> StreamPlan {
        StreamPlan::of(traffic).expect("a plan").remove(0)
    }

    fn profile(profile: Profile) -> StreamPlan {
        plan(&Traffic::Profile(profile, None))
    }

    fn take(plan: &StreamPlan, allocation: u32, count: usize) -> Vec<Due> {
        let mut pacer = Pacer::new(plan, 99, id(allocation), Moment::from_nanos(5 * SECOND));
        (0..count).map_while(|_| pacer.next()).collect()
    }

    fn nanos(due: &Due) -> u64 {
        due.at.as_nanos()
    }

    /// What is due in so many seconds from the first packet on.
    fn lasting(plan: &StreamPlan, allocation: u32, seconds: u64) -> Vec<Due> {
        let mut pacer = Pacer::new(plan, 99, id(allocation), Moment::START);
        let end = pacer.due().map_or(0, Moment::as_nanos) + seconds * SECOND;
        std::iter::from_fn(|| pacer.due().filter(|at| at.as_nanos() < end).and_then(|_| pacer.next())).collect()
    }

    fn bytes(list: &[Due]) -> u64 {
        list.iter().map(|due| u64::from(due.packet.bytes)).sum()
    }

    #[test]
    fn voice_is_a_packet_every_twenty_milliseconds_for_hours() {
        let list = take(&profile(Profile::Audio), 3, 200_000);
        for (index, due) in list.iter().enumerate() {
            assert_eq!(nanos(due) - nanos(&list[0]), index as u64 * 20_000_000);
            let ticks = due.packet.rtp_timestamp.wrapping_sub(list[0].packet.rtp_timestamp);
            assert_eq!((ticks, due.packet.bytes, due.packet.payload_type), (index as u32 * 960, 92, 111));
        }
    }

    #[test]
    fn a_rate_that_no_nanosecond_divides_does_not_drift() {
        let rate = "7pps".parse().expect("a rate");
        let list = take(&plan(&Traffic::Steady { rate, size: 172 }), 1, 7 * 10_000 + 1);
        for (second, due) in list.iter().step_by(7).enumerate() {
            assert!((nanos(due) - nanos(&list[0])).abs_diff(second as u64 * SECOND) <= 1, "{second}");
        }
    }

    #[test]
    fn sizes_and_intervals_by_hand_give_exactly_their_bitrate() {
        let rate = "37pps".parse().expect("a rate");
        let bitrate = "100001bps".parse().expect("a bitrate");
        let sized = lasting(&plan(&Traffic::Sized { rate, bitrate }), 1, 3_600);
        assert_eq!(sized.len(), 37 * 3_600);
        assert!((bytes(&sized) * 8).abs_diff(100_001 * 3_600) < 16);
        let filled = lasting(&plan(&Traffic::Filled { bitrate, size: 1_200 }), 1, 3_600);
        assert!((bytes(&filled) * 8).abs_diff(100_001 * 3_600) <= 1_200 * 8);
    }

    #[test]
    fn video_has_its_bitrate_over_whole_groups_of_pictures() {
        for bitrate in ["30kbps", "300kbps", "1500kbps", "8mbps"] {
            let bitrate = bitrate.parse().expect("a bitrate");
            let traffic = Traffic::Profile(Profile::Video, Some(bitrate));
            let list = lasting(&plan(&traffic), 4, 1_000);
            let exact = bitrate.bits_per_second() * 1_000 / 8;
            // A hundred groups; the first key frame comes on top, and the last group is cut anywhere.
            assert!(bytes(&list).abs_diff(exact) < exact / 2_000, "{bitrate:?}: {} {exact}", bytes(&list));
        }
    }

    #[test]
    fn frames_are_bursts_of_even_packets_below_the_mtu_that_end_with_a_marker() {
        let list = take(&profile(Profile::Video), 8, 20_000);
        let mut frames = 0_u64;
        for frame in list.split_inclusive(|due| due.packet.marker).filter(|frame| frame[frame.len() - 1].packet.marker)
        {
            assert!(
                frame
                    .iter()
                    .all(|due| (due.at, due.packet.rtp_timestamp) == (frame[0].at, frame[0].packet.rtp_timestamp))
            );
            let sizes = || frame.iter().map(|due| due.packet.bytes);
            let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
            assert!(most <= 1_200 && usize::from(least) >= MIN_PAYLOAD && most - least <= 1, "{least} {most}");
            assert!((nanos(&frame[0]) - nanos(&list[0])).abs_diff(frames * SECOND / 30) <= 1);
            let ticks = frame[0].packet.rtp_timestamp.wrapping_sub(list[0].packet.rtp_timestamp);
            assert_eq!(u64::from(ticks), frames * 3_000);
            frames += 1;
        }
        assert!(frames > 2_000, "{frames}");
    }

    /// Numbers of the frames that are key frames.
    fn key_frames(allocation: u32, packets: usize) -> Vec<usize> {
        let list = take(&profile(Profile::Video), allocation, packets);
        let sizes: Vec<u64> = list.split_inclusive(|due| due.packet.marker).map(bytes).collect();
        // 1.5 Mbit/s in 30 frames are 6,250 bytes each.
        (0..sizes.len()).filter(|index| sizes[*index] > 20_000).collect()
    }

    #[test]
    fn key_frames_come_every_ten_seconds_and_not_to_all_streams_at_once() {
        let mut seconds = [0_u32; 10];
        for allocation in 0..200 {
            let keys = key_frames(allocation, 5_000);
            assert_eq!(keys[0], 0);
            assert!(keys[2..].windows(2).all(|pair| pair[1] - pair[0] == 300), "{keys:?}");
            seconds[(keys[1] - 1) / 30] += 1;
        }
        assert!(seconds.iter().all(|count| *count > 5), "{seconds:?}");
    }

    #[test]
    fn a_thousand_streams_that_begin_together_are_spread_over_their_interval() {
        for seed in [0, 1, 0xffff_ffff] {
            let plan = profile(Profile::Audio);
            let mut slots = [0_u32; 20];
            for allocation in 0..1_000 {
                let first = Pacer::new(&plan, seed, id(allocation), Moment::START).due().expect("a packet");
                slots[(first.as_nanos() / 1_000_000) as usize] += 1;
            }
            assert!(slots.iter().all(|count| (45..=55).contains(count)), "{slots:?}");
        }
    }

    #[test]
    fn pauses_have_comfort_noise_every_400_ms_and_speech_begins_with_a_marker() {
        let list = lasting(&profile(Profile::AudioDtx), 6, 600);
        let is_noise = |due: &Due| usize::from(due.packet.bytes) == MIN_PAYLOAD;
        for pair in list.windows(2) {
            let gap = nanos(&pair[1]) - nanos(&pair[0]);
            assert!(gap.is_multiple_of(20_000_000) && gap <= 400_000_000, "{gap}");
            assert!(is_noise(&pair[0]) || gap == 20_000_000);
            assert_eq!(pair[1].packet.marker, is_noise(&pair[0]) && !is_noise(&pair[1]));
        }
        assert!(list.iter().any(is_noise) && !list.iter().all(is_noise));
    }

    #[test]
    fn plans_foretell_what_pacers_do() {
        for kind in [Profile::Audio, Profile::AudioDtx, Profile::Video] {
            let plan = profile(kind);
            let (mut packets, mut bits) = (0, 0);
            for allocation in 0..100 {
                let list = lasting(&plan, allocation, 100);
                packets += list.len();
                bits += bytes(&list) * 8;
            }
            let (packets, bits) = (packets as f64 / 10_000.0, bits as f64 / 10_000.0);
            let (planned, planned_bits) =
                (plan.packets_per_second().expect("a rate"), plan.bits_per_second().expect("a bitrate"));
            // Four standard deviations of what speech and pauses add up to.
            assert!((packets / planned - 1.0).abs() < 0.04, "{kind:?}: {packets} {planned}");
            assert!((bits / planned_bits - 1.0).abs() < 0.04, "{kind:?}: {bits} {planned_bits}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_packets_and_another_one_others() {
        let list = |seed: u64, allocation: u32| -> Vec<Due> {
            let mut pacer = Pacer::new(&profile(Profile::Video), seed, id(allocation), Moment::START);
            (0..500).map_while(|_| pacer.next()).collect()
        };
        assert_eq!(list(1, 1), list(1, 1));
        assert_ne!(list(1, 1), list(2, 1));
        assert_ne!(list(1, 1), list(1, 2));
    }

    #[test]
    fn a_flood_is_always_due_and_a_limit_ends_it() {
        let mut pacer = Pacer::new(&profile(Profile::Flood), 1, id(9), Moment::from_nanos(77)).limited(1_000);
        let list: Vec<Due> = std::iter::from_fn(|| pacer.next()).collect();
        assert_eq!((list.len(), pacer.due()), (1_000, None));
        assert!(list.iter().all(|due| due.at == Moment::from_nanos(77)));
    }

    #[test]
    fn the_end_of_time_ends_a_schedule() {
        let start = Moment::from_nanos(u64::MAX - SECOND);
        for kind in [Profile::Audio, Profile::AudioDtx, Profile::Video, Profile::Av] {
            let mut pacer = Pacer::new(&profile(kind), 1, id(9), start);
            let mut packets = 0;
            while pacer.next().is_some() {
                packets += 1;
            }
            assert!((1..1_000).contains(&packets), "{kind:?}: {packets}");
        }
    }

    #[test]
    fn a_schedule_takes_little_memory() {
        assert!(size_of::<Pacer>() <= 160, "{}", size_of::<Pacer>());
    }
}
