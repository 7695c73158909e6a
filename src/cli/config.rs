//! What is meant by what was typed.
//!
//! In: [`AnalyzeArguments`]. Out: [`Config`], or a message that names the argument. Never: a file opened.

use super::args::{AnalyzeArguments, Color, Format};
use crate::net::filter::Filter;
use crate::source::Input;
use crate::time::Timestamp;
use std::path::PathBuf;

/// A point of time as a user names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// Nanoseconds after the first packet.
    After(i64),
    /// On the capture clock.
    At(Timestamp),
}

impl Moment {
    /// On the capture clock, with the first packet known.
    pub(super) const fn on_clock(self, first: Timestamp) -> Timestamp {
        match self {
            Moment::After(nanos) => first.plus_nanos(nanos),
            Moment::At(ts) => ts,
        }
    }
}

/// A valid request.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) inputs: Vec<Input>,
    pub(super) descriptions: Vec<PathBuf>,
    pub(super) format: Format,
    pub(super) filter: Option<Filter>,
    pub(super) ssrcs: Vec<u32>,
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
    pub(super) remove_copies: bool,
    pub(super) threads: usize,
    pub(super) strict: bool,
    pub(super) full: bool,
    pub(super) color: Color,
    pub(super) quiet: bool,
    pub(super) output: Option<PathBuf>,
}

/// Threads at most: more than shards would only wait.
const MAX_THREADS: usize = 32;

impl Config {
    pub(super) fn of(arguments: AnalyzeArguments) -> Result<Self, String> {
        let named: Vec<PathBuf> = arguments.read.into_iter().chain(arguments.files).collect();
        if named.is_empty() {
            return Err("no capture named; `-` reads standard input".to_owned());
        }
        let is_sdp = |path: &PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sdp"));
        let (descriptions, captures): (Vec<PathBuf>, Vec<PathBuf>) = named.into_iter().partition(is_sdp);
        let inputs = captures
            .into_iter()
            .map(|path| if path.as_os_str() == "-" { Input::Stdin } else { Input::Path(path) })
            .collect();
        let filter = arguments.filter.as_deref().map(Filter::parse).transpose().map_err(|error| error.to_string())?;
        let moment = |name: &str, text: Option<String>| {
            text.map(|text| {
                parse_moment(&text).ok_or(format!("--{name}: `{text}` is no time; say 30s, 1m30s, 250ms or @SECONDS"))
            })
            .transpose()
        };
        let available = || std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let threads = arguments.threads.unwrap_or_else(available);
        if threads == 0 || threads > MAX_THREADS {
            return Err(format!("--threads: {threads} is not from 1 to {MAX_THREADS}"));
        }
        let ssrcs = arguments.ssrc.iter().map(|text| parse_ssrc(text)).collect::<Result<_, _>>()?;
        Ok(Self {
            inputs,
            descriptions,
            format: arguments.format,
            filter,
            ssrcs,
            from: moment("time-from", arguments.time_from)?,
            to: moment("time-to", arguments.time_to)?,
            remove_copies: !arguments.keep_duplicates,
            threads,
            strict: arguments.strict,
            full: arguments.full,
            color: arguments.color,
            quiet: arguments.quiet,
            output: arguments.output,
        })
    }
}

fn parse_ssrc(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("--ssrc: `{text}` is no SSRC; say 0x1a2b3c4d or a decimal number up to 4294967295"))
}

/// `30s`, `1m30s`, `1.5s`, `250ms`, `2h`, a plain number of seconds, or `@` and seconds since the epoch.
fn parse_moment(text: &str) -> Option<Moment> {
    if let Some(epoch) = text.strip_prefix('@') {
        return decimal(epoch, 1_000_000_000).map(|nanos| Moment::At(Timestamp::from_nanos(nanos)));
    }
    if let Some(nanos) = decimal(text, 1_000_000_000) {
        return Some(Moment::After(nanos));
    }
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let nanos = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(decimal(number, nanos)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(Moment::After(total))
}

/// A decimal number of units of `unit` nanoseconds, exact to the nanosecond.
fn decimal(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let mut nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        let scale = 10_i64.pow(fraction.len() as u32);
        nanos = nanos
            .checked_add((i128::from(fraction.parse::<i64>().ok()?) * i128::from(unit) / i128::from(scale)) as i64)?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let after = |text: &str| parse_moment(text);
        assert_eq!(after("30s"), Some(Moment::After(30_000_000_000)));
        assert_eq!(after("1m30s"), Some(Moment::After(90_000_000_000)));
        assert_eq!(after("1.5s"), Some(Moment::After(1_500_000_000)));
        assert_eq!(after("250ms"), Some(Moment::After(250_000_000)));
        assert_eq!(after("2"), Some(Moment::After(2_000_000_000)));
        assert_eq!(after("@1700000000.000000001"), Some(Moment::At(Timestamp::from_nanos(1_700_000_000_000_000_001))));
        for wrong in ["", "s", "3x", "1..2s", "-1s", "99999999999999999999s", "@", "@x"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_ssrc_is_hexadecimal_with_a_prefix_and_decimal_without() {
        assert_eq!(parse_ssrc("0x1A2b3c4d"), Ok(0x1a2b_3c4d));
        assert_eq!(parse_ssrc("4294967295"), Ok(u32::MAX));
        assert!(parse_ssrc("1a2b").is_err() && parse_ssrc("0x123456789").is_err());
    }
}
