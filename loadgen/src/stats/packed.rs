//! What was counted in an interval, in some kilobytes, for as long as it may have to be joined with another one.
//!
//! In: [`ShardStats`]. Out: the same, but for the distribution of send lags, of which a row has the maximum only. Never:
//! a figure that is not exact after it.

use super::{Counters, Distribution, Errors, ShardStats, Span};

/// A distribution without its empty buckets.
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
        let mut before = 0;
        for bucket in distribution.histogram.iter_recorded() {
            let value = bucket.value_iterated_to();
            write(value - before, &mut buckets);
            write(bucket.count_at_value(), &mut buckets);
            before = value;
        }
        Self { buckets: buckets.into(), max: distribution.max, sum: distribution.sum }
    }

    fn add_to(&self, distribution: &mut Distribution) {
        let mut rest = self.buckets.iter().copied();
        let mut value = 0;
        while let (Some(step), Some(count)) = (read(&mut rest), read(&mut rest)) {
            value += step;
            // Any value of a bucket is counted in that bucket.
            distribution.histogram.saturating_record_n(value, count);
        }
        distribution.max = distribution.max.max(self.max);
        distribution.sum += self.sum;
    }
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

    #[test]
    fn what_was_packed_is_the_same_afterwards() {
        let before = stats(1);
        let packed = PackedStats::of(&before);
        let mut after = ShardStats::default();
        packed.add_to(&mut after);
        assert_eq!(
            (after.counters, &after.errors, &after.later_errors),
            (before.counters, &before.errors, &before.later_errors)
        );
        for (after, before) in
            [(&after.rtt, &before.rtt), (&after.jitter, &before.jitter), (&after.latency, &before.latency)]
        {
            assert_eq!(after.histogram(), before.histogram());
            assert_eq!(after.percentiles(), before.percentiles());
        }
        assert_eq!((after.media_time(), after.one_way.count()), (before.media_time(), 0));
        assert!((1_000..20_000).contains(&packed.bytes()), "{}", packed.bytes());
    }

    #[test]
    fn two_packed_are_as_one_that_counted_both() {
        let (one, other) = (stats(1), stats(2));
        let mut both = one.clone();
        both.merge(&other);
        let mut joined = ShardStats::default();
        [&one, &other].into_iter().for_each(|stats| PackedStats::of(stats).add_to(&mut joined));
        assert_eq!((joined.rtt.percentiles(), joined.counters), (both.rtt.percentiles(), both.counters));
    }
}
