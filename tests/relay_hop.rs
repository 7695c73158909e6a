//! What became of packets inside a TURN server is what an independent count finds, and what was taken out is missed.
//!
//! `tests/relay_hop/count` opens the same captures by its own means (tshark only takes payloads out of frames) and
//! compares payloads byte by byte. Matched, lost and the frames of the lost are equal, and so is the time inside to the
//! nanosecond.
//!
//! Then packets are taken out of a capture on one side of the server: it looks as if the server had dropped them, and
//! each of them is found, in its direction, by the frame with which it went in.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Program, Record, Value, conclude, read_pcapng, root, shared_or_skip, skipped, tool_or_skip, trial, write_pcap,
};

const BOTH_SIDES: &str = "captures/turn-both-sides/input.pcapng";

fn main() {
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let mut trials = Vec::new();
    let what = "the comparison with an independent count of relayed packets";
    if tool_or_skip("tshark", what) && tool_or_skip("python3", what) {
        for (name, captures) in captures() {
            let program = program.clone();
            trials.push(trial(format!("{name} against an independent count"), move || {
                compare(&program, &captures).unwrap_or_else(|error| vec![error])
            }));
        }
    } else {
        trials.push(skipped("tshark or python3 is not there"));
    }
    for drop in [Drop::ToPeer, Drop::FromPeer, Drop::Both] {
        let program = program.clone();
        trials.push(trial(format!("packets taken out {}", drop.name()), move || {
            dropped(&program, drop).unwrap_or_else(|error| vec![error])
        }));
    }
    conclude(trials)
}

/// Captures of both sides: those of the repository, and those made on a server or at client and peer at once.
fn captures() -> Vec<(String, Vec<PathBuf>)> {
    let own = ["turn-both-sides", "turn-server-cut"]
        .map(|case| (case.to_owned(), vec![root().join("captures").join(case).join("input.pcapng")]));
    let mut all = own.to_vec();
    let Some(shared) = shared_or_skip("the count of relayed packets in more captures") else { return all };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(shared.join("calls"))
        .expect("the calls can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().expect("a call has a name").to_string_lossy().into_owned();
        let [server, client, peer] = ["r", "client", "peer"].map(|place| folder.join(format!("{place}.pcapng")));
        if server.is_file() {
            all.push((name, vec![server]));
        } else if client.is_file() && peer.is_file() {
            all.push((name, vec![client, peer]));
        }
    }
    all
}

fn compare(program: &Program, captures: &[PathBuf]) -> Result<Vec<String>, String> {
    let counted = count(captures)?;
    let rest: Vec<&str> = captures[1..].iter().filter_map(|path| path.to_str()).collect();
    let report = program.report(&captures[0], &rest)?;
    let allocations = report["turn"]["allocations"].as_array().ok_or("the report has no allocations")?;
    let granted: Vec<&Value> = allocations.iter().filter(|row| !row["relayed"].is_null()).collect();
    let mut complaints = Vec::new();
    if granted.len() != counted.len() {
        complaints.push(format!("{} allocations here, {} in the count", granted.len(), counted.len()));
    }
    for expected in &counted {
        let Some(row) = granted.iter().find(|row| row["relayed"] == expected["relayed"]) else {
            complaints.push(format!("no allocation relays at {}", expected["relayed"]));
            continue;
        };
        for direction in ["to_peer", "from_peer"] {
            let (here, there) = (&row["relay_hop"][direction], &expected[direction]);
            for (key, here) in [
                ("matched", &here["matched"]),
                ("lost", &here["lost"]),
                ("lost_frames", &here["lost_frames"]),
                ("reordered", &here["reordered"]),
                ("p50", &here["delay_ms"]["p50"]),
                ("p99", &here["delay_ms"]["p99"]),
                ("max", &here["delay_ms"]["max"]),
            ] {
                if *here != there[key] {
                    complaints.push(format!("{} {direction} {key}: {here} here, {} counted", row["id"], there[key]));
                }
            }
        }
    }
    Ok(complaints)
}

fn count(captures: &[PathBuf]) -> Result<Vec<Value>, String> {
    let output = Command::new("python3")
        .arg(root().join("tests/relay_hop/count"))
        .args(captures)
        .output()
        .map_err(|error| error.to_string())?;
    let counted: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("the count failed: {error}\n{}", String::from_utf8_lossy(&output.stderr)))?;
    counted.as_array().cloned().ok_or_else(|| "the count is no list".to_owned())
}

/// Behind which side of the server packets are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    ToPeer,
    FromPeer,
    Both,
}

impl Drop {
    const fn name(self) -> &'static str {
        match self {
            Drop::ToPeer => "on the way to the peer",
            Drop::FromPeer => "on the way to the client",
            Drop::Both => "on both ways",
        }
    }
}

/// The addresses of the recording: client, server at the client's side, server at the peer's side, peer.
const CLIENT: [u8; 4] = [10, 77, 1, 2];
const RELAY: [u8; 4] = [10, 77, 2, 1];
const PEER: [u8; 4] = [10, 77, 2, 2];
/// Ethernet, IPv4 and UDP headers; that of channel data.
const HEADERS: usize = 42;
const CHANNEL_HEADER: usize = 4;

/// A datagram of the recording that is relayed data, on either side.
struct Relayed<'a> {
    to_client: bool,
    data: &'a [u8],
}

/// Data on its way out of the server.
fn leaving(record: &Record) -> Option<Relayed<'_>> {
    let (src, dst) = (record.frame.get(26..30)?, record.frame.get(30..34)?);
    let payload = record.frame.get(HEADERS..)?;
    if src == RELAY && dst == PEER {
        return Some(Relayed { to_client: false, data: payload });
    }
    (dst == CLIENT && payload.first()? >> 6 == 1)
        .then(|| Some(Relayed { to_client: true, data: payload.get(CHANNEL_HEADER..)? }))
        .flatten()
}

/// Data on its way into the server.
fn entering(record: &Record) -> Option<Relayed<'_>> {
    let (src, dst) = (record.frame.get(26..30)?, record.frame.get(30..34)?);
    let payload = record.frame.get(HEADERS..)?;
    if src == PEER && dst == RELAY {
        return Some(Relayed { to_client: true, data: payload });
    }
    (src == CLIENT && payload.first()? >> 6 == 1)
        .then(|| Some(Relayed { to_client: false, data: payload.get(CHANNEL_HEADER..)? }))
        .flatten()
}

/// Every seventh message that leaves the server is taken out, but neither the first ones nor the last ones of the run.
fn dropped(program: &Program, drop: Drop) -> Result<Vec<String>, String> {
    let file = std::fs::read(root().join(BOTH_SIDES)).map_err(|error| error.to_string())?;
    let records = read_pcapng(&file);
    let wanted = |to_client: bool| match drop {
        Drop::ToPeer => !to_client,
        Drop::FromPeer => to_client,
        Drop::Both => true,
    };
    let mut leaves = 0;
    let out: BTreeSet<usize> = records
        .iter()
        .enumerate()
        .filter(|(_, record)| leaving(record).is_some_and(|relayed| wanted(relayed.to_client)))
        .filter_map(|(at, _)| {
            leaves += 1;
            (leaves % 7 == 3 && leaves < 60).then_some(at)
        })
        .collect();
    let left: Vec<Record> =
        records.iter().enumerate().filter(|(at, _)| !out.contains(at)).map(|(_, record)| record.clone()).collect();
    let mut missed: [BTreeSet<u64>; 2] = Default::default();
    for at in &out {
        let gone = leaving(&records[*at]).ok_or("it left the server")?;
        // The last packet before it with the same data, going the same way.
        let entered = records[..*at].iter().rposition(|record| {
            entering(record).is_some_and(|relayed| (relayed.to_client, relayed.data) == (gone.to_client, gone.data))
        });
        let entered = entered.ok_or("it went into the server")?;
        let frame = entered - out.range(..entered).count() + 1;
        missed[usize::from(gone.to_client)].insert(frame as u64);
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let capture = folder.path().join("dropped.pcap");
    std::fs::write(&capture, write_pcap(&left)).map_err(|error| error.to_string())?;
    let report = program.report(Path::new(&capture), &[])?;
    let mut complaints = Vec::new();
    for (direction, missed) in ["to_peer", "from_peer"].into_iter().zip(&missed) {
        let mut lost = 0;
        let mut frames = BTreeSet::new();
        let mut matched = 0;
        for row in report["turn"]["allocations"].as_array().ok_or("the report has no allocations")? {
            let leg = &row["relay_hop"][direction];
            lost += leg["lost"].as_u64().unwrap_or(0);
            matched += leg["matched"].as_u64().unwrap_or(0);
            frames.extend(leg["lost_frames"].as_array().into_iter().flatten().filter_map(Value::as_u64));
        }
        if (lost, &frames) != (missed.len() as u64, missed) {
            complaints.push(format!("{direction}: {lost} lost in frames {frames:?}, taken out were {missed:?}"));
        }
        if matched != 80 - missed.len() as u64 {
            complaints.push(format!("{direction}: {matched} matched of 80, {} were taken out", missed.len()));
        }
    }
    if missed.iter().all(BTreeSet::is_empty) {
        complaints.push("nothing was taken out".to_owned());
    }
    Ok(complaints)
}
