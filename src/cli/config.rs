//! What is meant by what was typed.
//!
//! In: [`InputArguments`]. Out: [`Reading`], or a message that names the argument. Never: a file opened.

use super::args::InputArguments;
use super::credentials::TurnArguments;
use super::moment::Moment;
use crate::net::filter::Filter;
use crate::source::Input;
use std::path::PathBuf;

/// A valid request for a snapshot.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) inputs: Vec<Input>,
    pub(super) descriptions: Vec<PathBuf>,
    pub(super) filter: Option<Filter>,
    pub(super) ssrcs: Vec<u32>,
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
    pub(super) remove_copies: bool,
    pub(super) turn: TurnArguments,
    pub(super) threads: usize,
    pub(super) strict: bool,
    pub(super) quiet: bool,
}

/// Threads at most: more than shards would only wait.
const MAX_THREADS: usize = 32;
/// Threads where nobody says: more than the records can be handed out to would only wait, too.
const USUAL_THREADS: usize = 4;

impl Reading {
    pub(super) fn of(arguments: InputArguments) -> Result<Self, String> {
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
        let selection = arguments.selection;
        let filter = selection.filter.as_deref().map(Filter::parse).transpose().map_err(|error| error.to_string())?;
        let (from, to) = window(selection.time_from, selection.time_to)?;
        let available = || std::thread::available_parallelism().map_or(1, usize::from).min(USUAL_THREADS);
        let threads = selection.threads.unwrap_or_else(available);
        if threads == 0 || threads > MAX_THREADS {
            return Err(format!("--threads: {threads} is not from 1 to {MAX_THREADS}"));
        }
        let ssrcs = selection.ssrc.iter().map(|text| parse_ssrc(text)).collect::<Result<_, _>>()?;
        Ok(Self {
            inputs,
            descriptions,
            filter,
            ssrcs,
            from,
            to,
            remove_copies: !selection.keep_duplicates,
            turn: selection.turn,
            threads,
            strict: selection.strict,
            quiet: selection.quiet,
        })
    }
}

/// A window that nothing can be in is a slip of the hand.
fn window(from: Option<String>, to: Option<String>) -> Result<(Option<Moment>, Option<Moment>), String> {
    let moment = |name: &str, text: Option<String>| {
        let parsed = text.map(|text| {
            Moment::parse(&text).ok_or(format!(
                "--{name}: `{text}` is no time; say 30s, 1m30s, 250ms, @SECONDS or 2026-11-21T08:00:00Z"
            ))
        });
        parsed.transpose()
    };
    let window = (moment("time-from", from)?, moment("time-to", to)?);
    match window {
        (Some(from), Some(to)) if to.is_before_or_at(from) => {
            Err("--time-to is not later than --time-from; no packet can be between them".to_owned())
        }
        window => Ok(window),
    }
}

pub(super) fn parse_ssrc(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("--ssrc: `{text}` is no SSRC; say 0x1a2b3c4d or a decimal number up to 4294967295"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssrc_is_hexadecimal_with_a_prefix_and_decimal_without() {
        assert_eq!(parse_ssrc("0x1A2b3c4d"), Ok(0x1a2b_3c4d));
        assert_eq!(parse_ssrc("4294967295"), Ok(u32::MAX));
        assert!(parse_ssrc("1a2b").is_err() && parse_ssrc("0x123456789").is_err());
    }
}
