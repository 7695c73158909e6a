//! Conditions on the result: `media.lost_pct<0.1`.
//!
//! In: text. Out: [`Threshold`], or an error that names what could have been meant. Never: a figure that no result has.

use crate::quantity::InvalidQuantity;
use std::fmt;
use std::str::FromStr;

/// The figures of a result that are single numbers.
const FIGURES: &[&str] = &[
    "allocations.requested",
    "allocations.succeeded",
    "allocations.failed",
    "allocations.lost",
    "allocations.undeleted",
    "allocations.peers_refused",
    "allocations.requests",
    "allocations.retransmissions",
    "allocations.refreshes",
    "allocations.renewals",
    "allocations.stale_nonces",
    "allocations.redirected",
    "allocations.mismatched",
    "allocations.per_second",
    "allocations.errors.timeout",
    "media.streams",
    "media.offered_packets",
    "media.sent_packets",
    "media.delivered_packets",
    "media.lost_packets",
    "media.blocked_packets",
    "media.lost_pct",
    "media.duplicated",
    "media.reordered",
    "media.misdelivered",
    "media.corrupted",
    "media.stale",
    "media.offered_bps",
    "media.delivered_bps",
    "media.delivered_pps",
    "generator.cpu_s",
    "generator.peer_cpu_s",
    "generator.max_send_lag_ms",
    "generator.late_sends",
    "generator.send_errors",
    "generator.socket_drops",
];
/// Those that are distributions, and what is known of one.
const DISTRIBUTIONS: &[&str] = &["allocations.latency_ms", "media.rtt_ms", "media.jitter_ms", "media.one_way_ms"];
const QUANTILES: &[&str] = &["p50", "p90", "p99", "p999", "max", "mean"];
/// Error codes of STUN responses (RFC 8489, section 14.8).
const ERROR_CODES: std::ops::RangeInclusive<u16> = 300..=699;

/// A figure of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// A single number, by its path.
    Number(&'static str),
    /// One value of a distribution: its path, and which.
    Quantile(&'static str, &'static str),
    /// Allocations that failed with this error code: `allocations.errors.486`.
    Errors(u16),
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Number(path) => f.write_str(path),
            Figure::Quantile(path, which) => write!(f, "{path}.{which}"),
            Figure::Errors(code) => write!(f, "allocations.errors.{code}"),
        }
    }
}

impl FromStr for Figure {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let same = |known: &&&'static str| **known == text;
        if let Some(path) = FIGURES.iter().find(same) {
            return Ok(Figure::Number(path));
        }
        if let Some(code) = text.strip_prefix("allocations.errors.").and_then(|code| code.parse().ok())
            && ERROR_CODES.contains(&code)
        {
            return Ok(Figure::Errors(code));
        }
        for path in DISTRIBUTIONS {
            let Some(behind) = text.strip_prefix(path) else { continue };
            let which = behind.strip_prefix('.').and_then(|which| QUANTILES.iter().find(|known| **known == which));
            return which.map(|which| Figure::Quantile(path, which)).ok_or_else(|| {
                InvalidQuantity(format!("`{text}`: say which value of {path}: {}", QUANTILES.join(", ")))
            });
        }
        let section = text.split('.').next().unwrap_or(text);
        let mut near: Vec<&str> = FIGURES.iter().chain(DISTRIBUTIONS).copied().collect();
        let in_section = |path: &&str| path.split('.').next() == Some(section);
        if near.iter().any(in_section) {
            near.retain(in_section);
        }
        Err(InvalidQuantity(format!("the result has no figure `{text}`; there are {}", near.join(", "))))
    }
}

/// How the figure is held against the bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// The longer ones first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// A condition that a run has to fulfil.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Threshold {
    /// Of which figure.
    pub figure: Figure,
    /// How.
    pub comparison: Comparison,
    /// Against what; finite.
    pub bound: f64,
}

impl Threshold {
    /// True where `value` fulfils it.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.bound,
            Comparison::LessOrEqual => value <= self.bound,
            Comparison::Equal => value == self.bound,
            Comparison::GreaterOrEqual => value >= self.bound,
            Comparison::Greater => value > self.bound,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign =
            COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison).map_or("", |(sign, _)| sign);
        write!(f, "{}{sign}{}", self.figure, self.bound)
    }
}

impl FromStr for Threshold {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let at = text.find(['<', '>', '=']).unwrap_or(text.len());
        let (figure, rest) = text.split_at(at);
        let known = COMPARISONS.iter().find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?)));
        let Some((comparison, bound)) = known else {
            let why = format!("`{text}` compares nothing; say FIGURE<NUMBER, with <, <=, ==, >= or >");
            return Err(InvalidQuantity(why));
        };
        let bound = bound.trim();
        let number = bound.parse::<f64>().ok().filter(|number| number.is_finite());
        let Some(number) = number else {
            return Err(InvalidQuantity(format!(
                "`{bound}` in `{text}` is no number (the unit is in the figure's name)"
            )));
        };
        Ok(Self { figure: figure.trim().parse()?, comparison, bound: number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Threshold>().expect_err(text).to_string()
    }

    #[test]
    fn a_threshold_holds_a_figure_against_a_number() {
        let threshold: Threshold = "media.lost_pct<0.1".parse().expect("a threshold");
        assert_eq!(threshold.figure, Figure::Number("media.lost_pct"));
        assert!(threshold.holds(0.05) && !threshold.holds(0.1) && !threshold.holds(f64::NAN));
    }

    #[test]
    fn quantiles_and_error_codes_are_figures_too() {
        let quantile: Threshold = " media.rtt_ms.p99 <= 50 ".parse().expect("a threshold");
        assert_eq!(quantile.figure, Figure::Quantile("media.rtt_ms", "p99"));
        assert!(quantile.holds(50.0));
        let errors: Threshold = "allocations.errors.486==0".parse().expect("a threshold");
        assert_eq!((errors.figure, errors.comparison), (Figure::Errors(486), Comparison::Equal));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["media.lost_pct<0.1", "media.rtt_ms.p99>=50", "allocations.errors.486==0"] {
            assert_eq!(text.parse::<Threshold>().expect("a threshold").to_string(), text);
        }
    }

    #[test]
    fn an_unknown_figure_is_answered_with_those_of_its_section() {
        let why = refusal("media.loss<1");
        assert!(why.contains("media.lost_pct") && !why.contains("generator.cpu_s"), "{why}");
        assert!(refusal("latency<1").contains("allocations.latency_ms"));
    }

    #[test]
    fn a_distribution_needs_one_of_its_values() {
        assert!(refusal("media.rtt_ms<50").contains("p99"));
        assert!(refusal("media.rtt_ms.p42<50").contains("p99"));
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        assert!(refusal("media.lost_pct").contains("compares nothing"));
        assert!(refusal("media.lost_pct=1").contains("compares nothing"));
        assert!(refusal("media.lost_pct<1%").contains("no number"));
        assert!(refusal("media.lost_pct<nan").contains("no number"));
        assert!(refusal("media.lost_pct<").contains("no number"));
        assert!(refusal("allocations.errors.9000<1").contains("no figure"));
    }
}
