//! What we count per SSRC is what the browsers counted that sent and received it.
//!
//! `truth.json` of a recorded call holds the browsers' own `getStats`, taken after sending was stopped and two seconds
//! had gone by for everything in flight to arrive. So the bound is this:
//!
//! - the capture began before the call and ended after it, nothing was under way at its ends: the bound is 0 packets;
//! - unless a stream went on after the moment of the statistics (a browser probes with RTX while it is idle): then it is
//!   what the stream sent in that time at its mean rate, rounded up;
//! - Firefox does not count packets that it sends or gets before its DTLS is done. A handshake here takes at most 60 ms,
//!   which is three audio packets of 20 ms.
//!
//! A browser counts a video SSRC together with its RTX, so that we add these up. Loss is that of the media SSRC alone.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::path::{Path, PathBuf};
use support::{Program, Value, conclude, shared_or_skip, skipped, trial};

/// Packets that Firefox may leave out.
const FIREFOX_BEFORE_DTLS: u64 = 3;

/// Calls in which a browser's figure has another meaning, and what is then not compared.
const EXCEPTIONS: &[(&str, Unlike, &str)] = &[
    (
        "c19-blackout-recover",
        Unlike::Sent,
        "the browser counts packets that it hands to a socket while no candidate pair is alive; they never reach the wire",
    ),
    (
        "c19-blackout-recover",
        Unlike::Lost,
        "after a hole of seven seconds the browser takes the jump of the sequence number for a new start and counts no loss",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unlike {
    Sent,
    Lost,
}

fn main() {
    let Some(shared) = shared_or_skip("the comparison with the browsers' own statistics") else {
        conclude(vec![skipped("the corpus is not there")]);
    };
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let trials = calls(&shared)
        .into_iter()
        .map(|(call, client, capture, truth)| {
            let program = program.clone();
            trial(format!("{call} at client {client}"), move || {
                match compare(&program, &call, client, &capture, &truth) {
                    Ok(complaints) => complaints,
                    Err(error) => vec![error],
                }
            })
        })
        .collect();
    conclude(trials)
}

/// Every capture taken at a client whose browser left its statistics.
fn calls(shared: &Path) -> Vec<(String, &'static str, PathBuf, Value)> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(shared.join("calls"))
        .expect("the calls can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let mut calls = Vec::new();
    for folder in folders {
        let Ok(text) = std::fs::read_to_string(folder.join("truth.json")) else { continue };
        let truth: Value = serde_json::from_str(&text).expect("truth.json is JSON");
        for client in ["a", "b"] {
            let capture = folder.join(format!("{client}.pcapng"));
            if capture.is_file() && truth[client]["final"].is_array() {
                let call = folder.file_name().expect("a call has a name").to_string_lossy().into_owned();
                calls.push((call, client, capture, truth.clone()));
            }
        }
    }
    calls
}

fn compare(program: &Program, call: &str, client: &str, capture: &Path, truth: &Value) -> Result<Vec<String>, String> {
    let report = program.report(capture, &[])?;
    let streams = report["rtp_streams"].as_array().ok_or("the report has no rtp_streams")?;
    let firefox = truth["config"]["firefox"].is_array();
    let mut complaints = Vec::new();
    let mut compared = 0;
    for stat in truth[client]["final"].as_array().into_iter().flatten() {
        let outbound = stat["type"] == "outbound-rtp";
        if !outbound && stat["type"] != "inbound-rtp" {
            continue;
        }
        compared += 1;
        let seen = Seen::of(streams, stat, &truth[client]);
        let bound = seen.after_statistics + if firefox { FIREFOX_BEFORE_DTLS } else { 0 };
        let title = format!("{} {} SSRC {}", stat["type"].as_str().unwrap_or("?"), stat["kind"], stat["ssrc"]);
        let counted = if outbound { &stat["packetsSent"] } else { &stat["packetsReceived"] };
        let mut check = |what: &str, unlike: Option<Unlike>, here: u64, browser: u64| {
            let agree = here.abs_diff(browser) <= bound;
            let exception = EXCEPTIONS.iter().find(|(name, other, _)| *name == call && Some(*other) == unlike);
            // An exception is for a whole call, of which some streams may well agree: only disagreement is judged.
            if !agree && exception.is_none() {
                complaints.push(format!("{title}: {what} {here} here, {browser} in the browser, bound {bound}"));
            }
        };
        check("packets", outbound.then_some(Unlike::Sent), seen.packets, counted.as_u64().unwrap_or(0));
        if !outbound && let Some(lost) = stat["packetsLost"].as_u64() {
            check("lost", Some(Unlike::Lost), seen.lost, lost);
        }
    }
    if compared == 0 {
        complaints.push("no statistics to compare with".into());
    }
    Ok(complaints)
}

/// What our report says about an SSRC and its RTX, over all five-tuples.
#[derive(Debug, Default)]
struct Seen {
    /// Different packets of the SSRC and its RTX.
    packets: u64,
    /// Lost of the SSRC alone.
    lost: u64,
    /// The most that can have been on the wire after the browser took its statistics.
    after_statistics: u64,
}

impl Seen {
    fn of(streams: &[Value], stat: &Value, truth: &Value) -> Self {
        let media = ssrc(&stat["ssrc"]);
        let rtx = ssrc(&stat["rtxSsrc"]).or_else(|| described_rtx(truth, &stat["ssrc"]));
        let statistics_s = stat["timestamp"].as_f64().unwrap_or(f64::MAX) / 1000.0;
        let mut seen = Self::default();
        for stream in streams {
            let name = stream["ssrc"].as_str();
            let is_media = name.is_some() && name == media.as_deref();
            let is_rtx = name.is_some() && name == rtx.as_deref();
            if !is_media && !is_rtx {
                continue;
            }
            let number = |key: &str| stream[key].as_u64().unwrap_or(0);
            let packets = number("packets") - number("duplicates");
            seen.packets += packets;
            if is_media {
                seen.lost += number("lost");
            }
            let (first, last) = (seconds(&stream["first_ts"]), seconds(&stream["last_ts"]));
            if last > statistics_s {
                let share = (last - statistics_s) / (last - first).max(f64::EPSILON);
                seen.after_statistics += (packets as f64 * share.min(1.0)).ceil() as u64;
            }
        }
        seen
    }
}

/// The RTX of an SSRC by the FID groups of the descriptions (RFC 5576, section 4.2): Firefox names it nowhere else.
fn described_rtx(truth: &Value, media: &Value) -> Option<String> {
    let group = format!("a=ssrc-group:FID {media} ");
    ["localSdp", "remoteSdp"].iter().find_map(|side| {
        let number = truth[*side].as_str()?.split_once(&group)?.1.split(['\r', '\n', ' ']).next()?;
        ssrc(&Value::from(number.parse::<u64>().ok()?))
    })
}

fn ssrc(number: &Value) -> Option<String> {
    number.as_u64().map(|number| format!("{number:#010x}"))
}

fn seconds(timestamp: &Value) -> f64 {
    timestamp.as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
