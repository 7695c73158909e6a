//! Codec, clock rate, kind and section of each stream are those of the browsers' own `getStats`.
//!
//! Every call was signalled over a WebSocket or HTTP that the capture holds, so that nothing has to be guessed.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::path::Path;
use support::{Program, Value, shared_or_skip};

/// Calls whose signalling stayed within one page and is in no capture.
const NOT_SIGNALLED: &[&str] = &["c26-loopback-onepage"];

#[test]
fn streams_have_the_codecs_that_the_browsers_say() {
    let Some(shared) = shared_or_skip("the comparison with the browsers' codecs") else { return };
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let mut folders: Vec<_> = std::fs::read_dir(shared.join("calls"))
        .expect("the calls can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let (mut compared, mut complaints) = (0, Vec::new());
    for folder in folders {
        let Ok(text) = std::fs::read_to_string(folder.join("truth.json")) else { continue };
        let truth: Value = serde_json::from_str(&text).expect("truth.json is JSON");
        let call = folder.file_name().expect("a call has a name").to_string_lossy().into_owned();
        if NOT_SIGNALLED.contains(&call.as_str()) {
            continue;
        }
        for client in ["a", "b"] {
            let capture = folder.join(format!("{client}.pcapng"));
            if capture.is_file() && truth[client]["final"].is_array() {
                compared += compare(&program, &call, &capture, &truth[client]["final"], &mut complaints);
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(compared >= 60, "only {compared} streams were compared");
}

/// How many streams were compared.
fn compare(program: &Program, call: &str, capture: &Path, stats: &Value, complaints: &mut Vec<String>) -> usize {
    let report = program.report(capture, &[]).expect("the analysis succeeds");
    let stats = stats.as_array().expect("statistics are a list");
    let mut compared = 0;
    for stat in stats.iter().filter(|stat| matches!(stat["type"].as_str(), Some("inbound-rtp" | "outbound-rtp"))) {
        let Some(codec) = stats.iter().find(|codec| codec["type"] == "codec" && codec["id"] == stat["codecId"]) else {
            continue;
        };
        let (Some(ssrc), Some(mime)) = (stat["ssrc"].as_u64(), codec["mimeType"].as_str()) else { continue };
        let name = format!("0x{ssrc:08x}");
        for stream in report["rtp_streams"].as_array().into_iter().flatten().filter(|row| row["ssrc"] == name.as_str())
        {
            compared += 1;
            let encoding = mime.split('/').nth(1).unwrap_or_default();
            let is_it = stream["codec"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(encoding));
            let mid = stat["mid"].is_null() || stream["mid"] == stat["mid"];
            let clock = stream["clock_rate"] == codec["clockRate"] && stream["clock_source"] == "sdp";
            if !is_it || !mid || !clock || stream["kind"] != stat["kind"] {
                complaints.push(format!(
                    "{call} {name}: {} {} {} {} mid {}, the browser has {mime} {} mid {}",
                    stream["codec"],
                    stream["clock_rate"],
                    stream["clock_source"],
                    stream["kind"],
                    stream["mid"],
                    codec["clockRate"],
                    stat["mid"]
                ));
            }
        }
    }
    compared
}
