//! A small histogram of milliseconds, for quantiles of many streams at once.
//!
//! In: values in milliseconds. Out: quantiles, exact to an eighth of an octave (at most 6 % off).
//! Never: more than its fixed size; a full HDR histogram per stream would cost tens of kilobytes each.

/// Buckets per octave.
const PER_OCTAVE: usize = 8;
/// Octaves from 2^-10 ms (one microsecond) to 2^17 ms (two minutes).
const OCTAVES: usize = 27;
const LOWEST_EXPONENT: i32 = -10;
const BUCKETS: usize = PER_OCTAVE * OCTAVES;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Twin {
    First,
    Second,
}

/// The counts of two series that nearly always have nearly the same value: side by side, so that both are one look into
/// memory. Empty until the first value.
#[derive(Clone, Debug, Default)]
pub(crate) struct TwinHistogram {
    below: [u32; 2],
    buckets: Option<Box<[[u32; 2]; BUCKETS]>>,
}

impl TwinHistogram {
    /// Counts one value; values below a microsecond are one bucket, those above the range fall into the last.
    #[inline(always)]
    pub(crate) fn record(&mut self, twin: Twin, millis: f64) {
        // The exponent and the first three bits of the fraction of an IEEE 754 number are the bucket.
        let position = (millis.to_bits() >> 49) as i64 - ((1023 + i64::from(LOWEST_EXPONENT)) << 3);
        if position < 0 || millis <= 0.0 {
            self.below[twin as usize] += 1;
            return;
        }
        let buckets = self.buckets.get_or_insert_with(|| Box::new([[0; 2]; BUCKETS]));
        buckets[(position as usize).min(BUCKETS - 1)][twin as usize] += 1;
    }

    /// From here on the second goes its own way: until now it was as the first.
    #[cold]
    pub(crate) fn part(&mut self) {
        self.below[1] = self.below[0];
        self.buckets.iter_mut().flat_map(|buckets| buckets.iter_mut()).for_each(|[first, second]| *second = *first);
    }

    /// The value below which the fraction `q` of all values lies, as the middle of its bucket; 0 where empty.
    pub(crate) fn quantile(&self, twin: Twin, q: f64) -> f64 {
        let Some(buckets) = &self.buckets else { return 0.0 };
        let counts = || buckets.iter().map(|pair| u64::from(pair[twin as usize]));
        let below = u64::from(self.below[twin as usize]);
        let total = below + counts().sum::<u64>();
        let rank = ((q * total as f64).ceil() as u64).max(1);
        let mut seen = below;
        if seen >= rank {
            return 0.0;
        }
        for (index, count) in counts().enumerate() {
            seen += count;
            if seen >= rank {
                let octave = (index / PER_OCTAVE) as i32 + LOWEST_EXPONENT;
                let within = (index % PER_OCTAVE) as f64 + 0.5;
                return 2_f64.powi(octave) * (1.0 + within / PER_OCTAVE as f64);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::Twin::{First, Second};
    use super::*;

    #[test]
    fn quantiles_are_within_the_bucket_of_the_true_value() {
        let mut histogram = TwinHistogram::default();
        (1..=1000).for_each(|i| histogram.record(First, f64::from(i) * 0.1));
        for (q, truth) in [(0.5, 50.0), (0.95, 95.0), (0.01, 1.0)] {
            let value = histogram.quantile(First, q);
            assert!((value / truth - 1.0).abs() < 0.07, "{q}: {value}");
        }
    }

    #[test]
    fn zero_and_absurd_values_have_a_place() {
        let mut histogram = TwinHistogram::default();
        histogram.record(First, 0.0);
        histogram.record(First, f64::MAX);
        histogram.record(First, 1e-9);
        assert_eq!(histogram.quantile(First, 0.5), 0.0);
        assert!(histogram.quantile(First, 1.0) > 100_000.0);
    }

    #[test]
    fn the_second_is_as_the_first_until_they_part() {
        let mut histogram = TwinHistogram::default();
        (1..=100).for_each(|i| histogram.record(First, f64::from(i)));
        histogram.part();
        assert_eq!(histogram.quantile(First, 0.95), histogram.quantile(Second, 0.95));
        (1..=1000).for_each(|_| histogram.record(Second, 0.5));
        assert!(histogram.quantile(First, 0.5) > 40.0 && histogram.quantile(Second, 0.5) < 1.0);
    }
}
