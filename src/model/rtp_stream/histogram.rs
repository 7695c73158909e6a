//! A small histogram of milliseconds, for quantiles of many streams at once.
//!
//! In: values in milliseconds. Out: quantiles, exact to an eighth of an octave (at most 6 % off).
//! Never: more than its fixed size; a full HDR histogram per stream would cost tens of kilobytes each.

/// Buckets per octave.
const PER_OCTAVE: usize = 8;
/// Octaves from 2^-10 ms (one microsecond) to 2^17 ms (two minutes).
const OCTAVES: usize = 27;
const LOWEST_EXPONENT: i32 = -10;

/// The counts; empty until the first value.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogHistogram {
    below: u32,
    buckets: Option<Box<[u32; PER_OCTAVE * OCTAVES]>>,
}

impl LogHistogram {
    /// Counts one value; values below a microsecond are one bucket, those above the range fall into the last.
    #[inline]
    pub(crate) fn record(&mut self, millis: f64) {
        // The exponent and the first three bits of the fraction of an IEEE 754 number are the bucket.
        let position = (millis.to_bits() >> 49) as i64 - ((1023 + i64::from(LOWEST_EXPONENT)) << 3);
        if position < 0 || millis <= 0.0 {
            self.below += 1;
            return;
        }
        let buckets = self.buckets.get_or_insert_with(|| Box::new([0; PER_OCTAVE * OCTAVES]));
        buckets[(position as usize).min(PER_OCTAVE * OCTAVES - 1)] += 1;
    }

    /// The value below which the fraction `q` of all values lies, as the middle of its bucket; 0 where empty.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let Some(buckets) = &self.buckets else { return 0.0 };
        let total = u64::from(self.below) + buckets.iter().map(|count| u64::from(*count)).sum::<u64>();
        let rank = ((q * total as f64).ceil() as u64).max(1);
        let mut seen = u64::from(self.below);
        if seen >= rank {
            return 0.0;
        }
        for (index, count) in buckets.iter().enumerate() {
            seen += u64::from(*count);
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
    use super::*;

    #[test]
    fn quantiles_are_within_the_bucket_of_the_true_value() {
        let mut histogram = LogHistogram::default();
        (1..=1000).for_each(|i| histogram.record(f64::from(i) * 0.1));
        for (q, truth) in [(0.5, 50.0), (0.95, 95.0), (0.01, 1.0)] {
            let value = histogram.quantile(q);
            assert!((value / truth - 1.0).abs() < 0.07, "{q}: {value}");
        }
    }

    #[test]
    fn zero_and_absurd_values_have_a_place() {
        let mut histogram = LogHistogram::default();
        histogram.record(0.0);
        histogram.record(f64::MAX);
        histogram.record(1e-9);
        assert_eq!(histogram.quantile(0.5), 0.0);
        assert!(histogram.quantile(1.0) > 100_000.0);
    }
}
