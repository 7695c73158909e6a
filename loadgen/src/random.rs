//! Pseudo-random numbers: the same seed, the same run.
//!
//! In: a seed. Out: numbers. Never: anything that does not follow from the seed.

/// A generator of eight bytes; SplitMix64 as its authors give it (Steele, Lea, Flood: Fast Splittable Pseudorandom
/// Number Generators, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// What follows from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// What follows from a seed and the number of one of many that share it; neighbours have nothing in common.
    pub const fn of(seed: u64, number: u64) -> Self {
        Self(mix(seed ^ mix(number.wrapping_add(GOLDEN))))
    }

    /// All 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// One of `0..bound`; zero where `bound` is zero. Its bias is below `bound` in 2^64.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// A number above zero and up to one.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed: the time to the next of events that know nothing of each other.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}

/// 2^64 over the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_published_algorithm() {
        let mut random = Random::new(1_234_567);
        assert_eq!(
            [random.bits(), random.bits(), random.bits()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn bounded_numbers_reach_all_of_their_range_and_no_more() {
        let mut random = Random::of(7, 3);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn exponential_gaps_have_their_mean_and_are_never_negative() {
        let mut random = Random::new(5);
        let gaps: Vec<f64> = (0..20_000).map(|_| random.exponential(3.0)).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((mean - 3.0).abs() < 0.1, "{mean}");
        assert!(gaps.iter().all(|gap| *gap >= 0.0 && gap.is_finite()));
    }
}
