//! What is meant by what was typed behind `live`.
//!
//! In: [`LiveArguments`]. Out: [`Request`], or a message that names the argument. Never: an interface or a file opened.

use super::super::config::parse_ssrc;
use super::super::credentials::TurnArguments;
use super::super::moment::length_of_time;
use super::args::LiveArguments;
use crate::model::snapshot::RULES;
use crate::net::filter::Filter;
use crate::source::FileRing;
use crate::source::live::{ANY, MAX_INTERFACES};
use crate::time::NANOS_PER_SEC;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The smallest that a packet can be cut to: no header of IP fits below.
const MIN_SNAP_LENGTH: u32 = 64;
/// As tcpdump has it: more than any packet has.
const MAX_SNAP_LENGTH: u32 = 262_144;
const MAX_BUFFER: u64 = 4 << 30;
const MIN_BUFFER: u64 = 2 << 20;
/// TCP of protocols that carry no call and much else: shells, files, mail, databases, queues. Signalling has no port of its own,
/// so all else comes, and nothing of UDP is left out. UDP stands first: most packets are, and each instruction costs.
const USUAL: &str = "udp or not (tcp and (port 22 or port 25 or port 445 or port 873 or port 2049 or port 3260 or port 3306 or \
                     port 5432 or port 6379 or port 9092 or port 27017))";

/// A look at all that there is takes some time: so often at most.
const MIN_FORGET_AFTER: i64 = NANOS_PER_SEC;

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Origin {
    Pipe,
    Interfaces(Vec<String>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Pipe => f.write_str("standard input"),
            Origin::Interfaces(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// A valid request for a live capture.
#[derive(Debug)]
pub(in crate::cli) struct Request {
    pub(in crate::cli) origin: Origin,
    pub(in crate::cli) filter: Option<Filter>,
    /// What the kernel is asked to hold back where the user says nothing.
    pub(in crate::cli) usual_filter: Option<Filter>,
    pub(in crate::cli) promiscuous: bool,
    pub(in crate::cli) snap_length: u32,
    pub(in crate::cli) buffer: usize,
    pub(in crate::cli) write: Option<(PathBuf, FileRing)>,
    pub(in crate::cli) duration: Option<Duration>,
    pub(in crate::cli) count: Option<u64>,
    pub(in crate::cli) until_finding: Option<&'static str>,
    /// In nanoseconds of capture time; none to forget nothing.
    pub(in crate::cli) forget_after: Option<i64>,
    /// Where metrics are served.
    pub(in crate::cli) prometheus: Option<SocketAddr>,
    pub(in crate::cli) ssrcs: Vec<u32>,
    pub(in crate::cli) remove_copies: bool,
    pub(in crate::cli) turn: TurnArguments,
    /// A file besides that is still to be opened.
    pub(in crate::cli) has_output: bool,
}

impl Request {
    pub(in crate::cli) fn of(arguments: &LiveArguments) -> Result<Self, String> {
        let origin = match (&arguments.input, arguments.interface.as_slice()) {
            (Some(path), _) if path.as_os_str() == "-" => Origin::Pipe,
            (Some(path), _) => {
                let path = path.display();
                return Err(format!(
                    "live reads interfaces (-i {path}?) and `-`; `rtcscope analyze {path}` reads files"
                ));
            }
            (None, []) => {
                return Err("no interface named: -i NAME, -i any, or `-` for a pipe; -D lists them".to_owned());
            }
            (None, names) if names.len() > MAX_INTERFACES => {
                return Err(format!("more than {MAX_INTERFACES} interfaces; -i {ANY} is all of them"));
            }
            (None, names) => Origin::Interfaces(names.to_vec()),
        };
        let snap_length = match arguments.snap_length {
            0 => MAX_SNAP_LENGTH,
            length if (MIN_SNAP_LENGTH..=MAX_SNAP_LENGTH).contains(&length) => length,
            length => {
                return Err(format!("--snap-length: {length} is not from {MIN_SNAP_LENGTH} to {MAX_SNAP_LENGTH}"));
            }
        };
        let buffer = size(&arguments.buffer_size, 1 << 20)
            .filter(|bytes| (MIN_BUFFER..=MAX_BUFFER).contains(bytes))
            .and_then(|bytes| usize::try_from(bytes).ok());
        let buffer = buffer.ok_or_else(|| {
            format!("--buffer-size: `{}` is no size from 2MiB to 4GiB; say 64MiB or 200MB", arguments.buffer_size)
        })?;
        let filter = arguments.filter.as_deref().map(Filter::parse).transpose().map_err(|error| error.to_string())?;
        let usual_filter = if arguments.everything { None } else { Filter::parse(USUAL).ok() };
        let ring = ring(&arguments.ring)?;
        if arguments.write.as_ref().is_some_and(|path| path.as_os_str() == "-") {
            return Err("--write: standard output is the report's; name a file".to_owned());
        }
        if arguments.write.is_some() && arguments.write == arguments.output {
            return Err("--write and --output name the same file".to_owned());
        }
        if arguments.count == Some(0) {
            return Err("-c: a capture of no packets; say how many".to_owned());
        }
        let known = |code: &String| {
            let rule = RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code));
            rule.map(|rule| rule.code)
                .ok_or_else(|| format!("--until-finding: there is no finding {code:?}; `rtcscope explain` lists all"))
        };
        let no_time = |text: &String| format!("--duration: `{text}` is no time; say 30s, 1m30s or 2h");
        let duration = arguments.duration.as_ref();
        let duration = duration.map(|text| length_of_time(text).ok_or_else(|| no_time(text))).transpose()?;
        let forget_after = match arguments.forget_after.trim() {
            "0" => None,
            text => match length_of_time(text) {
                Some(0) => None,
                Some(nanos) if nanos >= MIN_FORGET_AFTER => Some(nanos),
                _ => {
                    return Err(format!(
                        "--forget-after: `{text}` is no time of a second or more; say 300s or 10m, or 0"
                    ));
                }
            },
        };
        let ssrcs = arguments.ssrc.iter().map(|text| parse_ssrc(text)).collect::<Result<_, _>>()?;
        Ok(Self {
            origin,
            filter,
            usual_filter,
            promiscuous: arguments.promisc,
            snap_length,
            buffer,
            write: arguments.write.clone().map(|path| (path, ring)),
            duration: duration.map(|nanos| Duration::from_nanos(nanos.unsigned_abs())),
            count: arguments.count,
            until_finding: arguments.until_finding.as_ref().map(known).transpose()?,
            forget_after,
            prometheus: arguments.prometheus.as_deref().map(address).transpose()?,
            ssrcs,
            remove_copies: !arguments.keep_duplicates,
            turn: arguments.turn.clone(),
            has_output: arguments.output.is_some(),
        })
    }
}

/// A port of this machine, or an address and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let of_port = text.trim_start_matches(':').parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    text.parse().or(of_port).map_err(|_| format!("--prometheus: `{text}` is no address; say 9464 or 0.0.0.0:9464"))
}

/// The words of dumpcap; a size or a duration without a unit is in kilobytes, or seconds, as there.
fn ring(words: &[String]) -> Result<FileRing, String> {
    let mut ring = FileRing::default();
    for word in words {
        let wrong = || {
            format!(
                "--ring-buffer: `{word}` is none of filesize:10MB, duration:60s, packets:1000, files:5; \
                 a number alone is kB or seconds"
            )
        };
        let (when, value) = word.split_once(':').ok_or_else(wrong)?;
        let number = || value.parse::<u64>().ok().filter(|number| *number > 0);
        match when {
            "filesize" => ring.bytes = Some(size(value, 1000).filter(|bytes| *bytes > 0).ok_or_else(wrong)?),
            "duration" => ring.nanos = Some(length_of_time(value).filter(|nanos| *nanos > 0).ok_or_else(wrong)?),
            "packets" => ring.packets = Some(number().ok_or_else(wrong)?),
            "files" => ring.files = Some(number().and_then(|files| usize::try_from(files).ok()).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
    }
    if ring.files.is_some() && ring.bytes.is_none() && ring.nanos.is_none() && ring.packets.is_none() {
        return Err(
            "--ring-buffer: files:N says how many to keep; filesize, duration or packets when another one begins"
                .to_owned(),
        );
    }
    Ok(ring)
}

/// `10MB`, `64MiB`, `500kB`, or a number of `unit` bytes.
fn size(text: &str, unit: u64) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit = match suffix.to_ascii_lowercase().as_str() {
        "" => unit,
        "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units_and_one_where_none_is_said() {
        assert_eq!(size("10MB", 1), Some(10_000_000));
        assert_eq!(size("64MiB", 1), Some(64 << 20));
        assert_eq!(size("10240", 1000), Some(10_240_000));
        assert_eq!((size("", 1), size("MB", 1), size("1.5MB", 1), size("1TB", 1)), (None, None, None, None));
        assert_eq!(size("99999999999999999999", 1), None);
    }

    #[test]
    fn what_is_left_out_by_itself_is_a_filter_that_the_kernel_can_run() {
        let program = Filter::parse(USUAL).expect("a filter").compile(crate::packet::LinkType::ETHERNET);
        // BPF_MAXINSNS of Linux.
        assert!(program.expect("a program").instructions().len() < 4096);
    }

    #[test]
    fn rings_are_those_of_dumpcap() {
        let words = |words: &[&str]| ring(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let expected =
            FileRing { bytes: Some(10_000_000), nanos: Some(60_000_000_000), packets: Some(7), files: Some(5) };
        assert_eq!(words(&["filesize:10MB", "duration:60", "packets:7", "files:5"]), Ok(expected));
        assert_eq!(words(&[]), Ok(FileRing::default()));
        for wrong in ["files:5", "filesize", "filesize:0", "duration:x", "interval:5", "files:0"] {
            assert!(words(&[wrong]).is_err(), "{wrong}");
        }
    }
}
