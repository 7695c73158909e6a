//! What was counted in an interval, in some kilobytes, for as long as it may have to be joined with another one.
//!
//! In: [`ShardStats`]. Out: the same, but for the distribution of send lags, of which a row has the maximum only; and
//! percentiles are within half a percent. Never: a count, a maximum or a mean that is not exact after it.

use super::{Counters, Distribution, Errors, ShardStats, Span};

/// Bits of a value that are kept: the middle of what has the same ones is at most 1/256 away.
const KEPT_BITS: u32 = 8;

/// A distribution without its empty buckets, and with wider ones.
#[derive(Clone, Debug)]
struct PackedDistribution {
    /// How far the next bucket is from the one before, in microseconds, and what is in it; seven bits a byte.
    buckets: Box<[u8]>,
    max: u64,
    sum: u128,
}

/// All that was counted, but for send lags.
#[derive(Clone, Debug)]
pub struct PackedStats {
    counters: Counters,
    errors: Errors,
    later_errors: Errors,
    latency: PackedDistribution,
    rtt: PackedDistribution,
    jitter: PackedDistribution,
    one_way: PackedDistribution,
    allocating: Span,
    offering: Span,
}

impl PackedStats {
    /// Of `stats`.
    pub fn of(stats: &ShardStats) -> Self {
        Self {
            counters: stats.counters,
            errors: stats.errors.clone(),
            later_errors: stats.later_errors.clone(),
            latency: PackedDistribution::of(&stats.latency),
            rtt: PackedDistribution::of(&stats.rtt),
            jitter: PackedDistribution::of(&stats.jitter),
            one_way: PackedDistribution::of(&stats.one_way),
            allocating: stats.allocating,
            offering: stats.offering,
        }
    }

    /// Adds it to `stats`.
    pub fn add_to(&self, stats: &mut ShardStats) {
        stats.counters.merge(&self.counters);
        stats.errors.merge(&self.errors);
        stats.later_errors.merge(&self.later_errors);
        self.latency.add_to(&mut stats.latency);
        self.rtt.add_to(&mut stats.rtt);
        self.jitter.add_to(&mut stats.jitter);
        self.one_way.add_to(&mut stats.one_way);
        stats.allocating.merge(&self.allocating);
        stats.offering.merge(&self.offering);
    }

    /// How much of it lies beside this value itself.
    pub fn bytes(&self) -> usize {
        [&self.latency, &self.rtt, &self.jitter, &self.one_way].iter().map(|packed| packed.buckets.len()).sum()
    }
}

impl PackedDistribution {
    fn of(distribution: &Distribution) -> Self {
        let mut buckets = Vec::new();
        let (mut before, mut last, mut count) = (0, 0, 0);
        for bucket in distribution.histogram.iter_recorded() {
            let value = coarse(bucket.value_iterated_to());
            if value != last && count > 0 {
                write(last - before, &mut buckets);
                write(count, &mut buckets);
                (before, count) = (last, 0);
            }
            last = value;
            count += bucket.count_at_value();
        }
        if count > 0 {
            write(last - before, &mut buckets);
            write(count, &mut buckets);
        }
        Self { buckets: buckets.into(), max: distribution.max, sum: distribution.sum }
    }

    fn add_to(&self, distribution: &mut Distribution) {
        let mut rest = self.buckets.iter().copied();
        let mut value = 0;
        while let (Some(step), Some(count)) = (read(&mut rest), read(&mut rest)) {
            value += step;
            distribution.histogram.saturating_record_n(value, count);
        }
        distribution.max = distribution.max.max(self.max);
        distribution.sum += self.sum;
    }
}

/// The middle of all values with the same highest bits.
const fn coarse(value: u64) -> u64 {
    let bits = u64::BITS - value.leading_zeros();
    let Some(lost) = bits.checked_sub(KEPT_BITS + 1) else { return value };
    let lost = lost + 1;
    (value >> lost << lost) + (1 << (lost - 1))
}

/// Seven bits a byte, the lowest first; the highest bit says that there are more.
fn write(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// None at the end.
fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::random::Random;
    use std::time::Duration;

    fn stats(seed: u64) -> ShardStats {
        let mut random = Random::new(seed);
        let mut stats = ShardStats::default();
        for at in 0..2_000_u64 {
            let micros = 50 + random.below(400) * random.below(400);
            stats.offered(172, Moment::from_nanos(at * 500_000));
            stats.rtt.record(Duration::from_micros(micros));
            stats.jitter.record(Duration::from_micros(micros / 9));
        }
        stats.succeeded(Duration::from_secs(100), Moment::START);
        stats.failed("486", "Quota");
        stats.lost("437", "Mismatch");
        stats
    }

    #[test]
    fn numbers_of_any_size_are_read_as_they_were_written() {
        let numbers = [0, 1, 127, 128, 300, 60_000_000, u64::MAX];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| write(*number, &mut bytes));
        let mut rest = bytes.iter().copied();
        assert_eq!(numbers.map(|_| read(&mut rest)), numbers.map(Some));
        assert_eq!(read(&mut rest), None);
    }

    #[track_caller]
    fn assert_near(after: &Distribution, before: &Distribution) {
        let (Some(found), Some(truth)) = (after.percentiles(), before.percentiles()) else {
            assert_eq!(after.count(), before.count());
            return;
        };
        assert_eq!((after.count(), found.max, found.mean), (before.count(), truth.max, truth.mean));
        for ((name, found), (_, truth)) in found.named().into_iter().zip(truth.named()) {
            assert!((found - truth).abs() <= truth * 0.005, "{name}: {found} and {truth}");
        }
    }

    #[test]
    fn values_keep_their_highest_bits() {
        assert_eq!([0, 1, 200, 255].map(coarse), [0, 1, 200, 255]);
        assert_eq!([256, 257, 258].map(coarse), [257, 257, 259]);
        for value in (256..100_000).chain([59_999_999, 60_000_000]) {
            assert!(coarse(value).abs_diff(value) <= value / 256, "{value}: {}", coarse(value));
        }
    }

    #[test]
    fn what_was_packed_is_the_same_afterwards() {
        let before = stats(1);
        let packed = PackedStats::of(&before);
        let mut after = ShardStats::default();
        packed.add_to(&mut after);
        assert_eq!(after.counters, before.counters);
        assert_eq!((&after.errors, &after.later_errors), (&before.errors, &before.later_errors));
        assert_near(&after.rtt, &before.rtt);
        assert_near(&after.jitter, &before.jitter);
        assert_near(&after.latency, &before.latency);
        assert_near(&after.one_way, &before.one_way);
        assert_eq!(after.media_time(), before.media_time());
        assert!((500..4_000).contains(&packed.bytes()), "{}", packed.bytes());
    }

    #[test]
    fn two_packed_are_as_one_that_counted_both() {
        let (one, other) = (stats(1), stats(2));
        let mut both = one.clone();
        both.merge(&other);
        let mut joined = ShardStats::default();
        [&one, &other].into_iter().for_each(|stats| PackedStats::of(stats).add_to(&mut joined));
        assert_near(&joined.rtt, &both.rtt);
        assert_eq!(joined.counters, both.counters);
    }

    #[test]
    fn what_is_packed_again_and_again_does_not_wander() {
        let before = stats(1);
        let mut stats = before.clone();
        for _ in 0..20 {
            let packed = PackedStats::of(&stats);
            stats = ShardStats::default();
            packed.add_to(&mut stats);
        }
        assert_near(&stats.rtt, &before.rtt);
    }
}
