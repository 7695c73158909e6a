//! How a call would be rated by who hears it: the E-model of ITU-T G.107 over what was measured.
//!
//! In: codec, loss, jitter and round trip of a stream. Out: an estimated mean opinion score. Never: a score for a codec whose
//! impairments G.113 does not tell.

use super::snapshot::{StreamKind, StreamRow};

/// R of a call without delay and loss, with the default values of G.107.
const BEST: f64 = 93.2;
/// One-way milliseconds from which delay is felt in the conversation itself (approximation of G.107, Idd).
const FELT_MS: f64 = 177.3;

/// Equipment impairment and robustness against loss (G.113, appendix I; with packet loss concealment).
fn impairment(codec: &str) -> Option<(f64, f64)> {
    const TABLE: [(&str, f64, f64); 5] =
        [("PCMU", 0.0, 25.1), ("PCMA", 0.0, 25.1), ("G729", 11.0, 19.0), ("G723", 15.0, 16.1), ("GSM-EFR", 5.0, 10.0)];
    let row = TABLE.into_iter().find(|(name, ..)| name.eq_ignore_ascii_case(codec))?;
    Some((row.1, row.2))
}

impl StreamRow {
    /// The estimate, from 1 to 4.5; none for other media than audio, and for codecs without known impairments. Without a
    /// round trip the delay of the network counts as none.
    pub fn mos(&self, rtt_ms: Option<f64>) -> Option<f64> {
        if self.kind.is_some_and(|kind| kind != StreamKind::Audio) {
            return None;
        }
        let (equipment, robustness) = impairment(self.codec.as_deref()?)?;
        let loss = self.loss().lost_pct?;
        // What a jitter buffer has to hold so that nearly nothing comes too late.
        let buffer = self.figures.timing.jitter.map_or(0.0, |jitter| 2.0 * jitter.p95);
        Some(score(equipment, robustness, loss, rtt_ms.unwrap_or(0.0) / 2.0 + buffer))
    }
}

fn score(equipment: f64, robustness: f64, lost_pct: f64, delay_ms: f64) -> f64 {
    let delay = 0.024 * delay_ms + 0.11 * (delay_ms - FELT_MS).max(0.0);
    let rating = BEST - delay - (equipment + (95.0 - equipment) * lost_pct / (lost_pct + robustness));
    // G.107, annex B.
    match rating {
        rating if rating <= 0.0 => 1.0,
        rating if rating >= 100.0 => 4.5,
        rating => (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flawless_call_has_the_best_score_of_the_model() {
        let (equipment, robustness) = impairment("pcmu").unwrap();
        assert!((score(equipment, robustness, 0.0, 0.0) - 4.41).abs() < 0.01);
    }

    #[test]
    fn loss_delay_and_a_worse_codec_lower_it() {
        let best = score(0.0, 25.1, 0.0, 0.0);
        let lower = [score(0.0, 25.1, 2.0, 0.0), score(0.0, 25.1, 0.0, 300.0), score(11.0, 19.0, 0.0, 0.0)];
        assert!(lower.iter().all(|score| *score < best - 0.05), "{lower:?}");
        assert!((1.0..1.2).contains(&score(0.0, 25.1, 100.0, 2_000.0)));
    }

    #[test]
    fn a_codec_without_known_impairments_has_none() {
        assert_eq!(impairment("opus"), None);
    }
}
