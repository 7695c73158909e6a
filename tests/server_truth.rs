//! Allocations, users, errors and relayed bytes are those that the TURN server itself wrote into its log.
//!
//! coturn logs for each session (a five-tuple, from its first message on) each request that it granted or refused and, at
//! its end, `usage` (messages and bytes from the client and to it) and `peer usage` (data from peers and to them). What
//! these count was found out by counting:
//!
//! - `rp`, `rb`: STUN and ChannelData messages of the client, headers included and without the padding of a stream, from the
//!   first message of the five-tuple on, Binding and refused Allocate included;
//! - `sp`, `sb`: those to the client, with the padding that is sent on a stream;
//! - of `peer usage` the data alone: `sp`, `sb` what went to peers, `rp`, `rb` what came from them, also where it was dropped
//!   for the lack of a permission;
//! - an error is logged by the request's method and once more as the answer, `message processed, error CODE`.
//!
//! The bound is 0. A log does not end with the usage of a session that the server still had when it was stopped; such are
//! compared in all else.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Program, Value, conclude, shared_or_skip, skipped, trial};

/// What the server counts and no capture shows, and why.
struct Exception {
    call: &'static str,
    client: &'static str,
    key: &'static str,
    /// What the server has more than the capture.
    more: u64,
    #[expect(dead_code, reason = "it is for who reads the table")]
    why: &'static str,
}

const CLOSED: &str = "frames 6100 and 6101 came from the peer after the FIN of the client (6096) and before its RST (6105): the \
                      server wrote 2 messages of 54 and 62 bytes, padded to 56 and 64, to a socket that was closed already";

const EXCEPTIONS: &[Exception] = &[
    Exception { call: "c05-relay-tcp", client: "10.77.1.2:37246", key: "sp", more: 2, why: CLOSED },
    Exception { call: "c05-relay-tcp", client: "10.77.1.2:37246", key: "sb", more: 120, why: CLOSED },
    Exception { call: "c05-relay-tcp", client: "10.77.1.2:37246", key: "peer rp", more: 3, why: DROPPED_AND_CLOSED },
    Exception { call: "c05-relay-tcp", client: "10.77.1.2:37246", key: "peer rb", more: 204, why: DROPPED_AND_CLOSED },
    Exception { call: "c04-relay-udp", client: "10.77.1.2:33711", key: "peer rp", more: 1, why: DROPPED },
    Exception { call: "c04-relay-udp", client: "10.77.1.2:33711", key: "peer rb", more: 96, why: DROPPED },
];

const DROPPED: &str = "the first packet of the peer came before there was a permission: seen at the relayed address (lost inside \
                       the server by our own account), never sent to the client";
const DROPPED_AND_CLOSED: &str =
    "one packet came before there was a permission, as above, and the two of the closed socket";

fn main() {
    let Some(shared) = shared_or_skip("the comparison with the logs of TURN servers") else {
        conclude(vec![skipped("the corpus is not there")]);
    };
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let trials = calls(&shared)
        .into_iter()
        .map(|(call, capture, log)| {
            let program = program.clone();
            trial(call.clone(), move || compare(&program, &call, &capture, &log).unwrap_or_else(|error| vec![error]))
        })
        .collect();
    conclude(trials)
}

/// Every call with a log of the server and a capture: of the server's own, else of the client's.
fn calls(shared: &Path) -> Vec<(String, PathBuf, PathBuf)> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(shared.join("calls"))
        .expect("the calls can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    folders
        .into_iter()
        .filter_map(|folder| {
            let log = Some(folder.join("coturn.log")).filter(|path| path.is_file())?;
            let captures = ["r.pcapng", "client.pcapng", "a.pcapng"].map(|name| folder.join(name));
            let capture = captures.into_iter().find(|path| path.is_file())?;
            Some((folder.file_name()?.to_string_lossy().into_owned(), capture, log))
        })
        .collect()
}

/// What the server says of one five-tuple.
#[derive(Debug, Default)]
struct Session {
    user: String,
    realm: String,
    /// LIFETIME that was granted with the allocation.
    granted: Option<u64>,
    successes: BTreeMap<String, u64>,
    /// `peer ADDRESS lifetime updated`: once for each peer of a CreatePermission, and for each ChannelBind.
    grants: u64,
    errors: BTreeMap<u64, u64>,
    client: Option<String>,
    usage: BTreeMap<String, u64>,
}

/// The words of the log are `session ID: …`.
fn sessions(log: &str) -> Vec<Session> {
    let mut sessions: BTreeMap<&str, Session> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for line in log.lines() {
        let Some((id, said)) = line.split_once("session ").and_then(|(_, rest)| rest.split_once(": ")) else {
            continue;
        };
        if !order.contains(&id) {
            order.push(id);
        }
        sessions.entry(id).or_default().line(said);
    }
    order.iter().filter_map(|id| sessions.remove(id)).collect()
}

impl Session {
    fn line(&mut self, said: &str) {
        let within = |before: &str, after: char| {
            said.split_once(before).and_then(|(_, rest)| Some(rest.split_once(after)?.0.to_owned()))
        };
        for user in
            [within("user <", '>'), within("username=<", '>')].into_iter().flatten().filter(|user| !user.is_empty())
        {
            self.user = user;
        }
        for realm in [within("realm <", '>'), within("realm=<", '>')].into_iter().flatten() {
            self.realm = realm;
        }
        self.grants += u64::from(said.starts_with("peer ") && said.contains(" lifetime updated: "));
        if said.starts_with("new, ") {
            self.granted = said.split_once("lifetime=").and_then(|(_, rest)| leading_number(rest));
        }
        if let Some(method) = within("incoming packet ", ' ') {
            let code = said.split_once("processed, error ").and_then(|(_, rest)| leading_number(rest));
            match code {
                Some(code) if method == "message" => *self.errors.entry(code).or_default() += 1,
                None if said.ends_with("processed, success") => *self.successes.entry(method).or_default() += 1,
                _ => {}
            }
        }
        let prefix =
            if said.starts_with("peer usage: ") { Some("peer ") } else { said.starts_with("usage: ").then_some("") };
        if let Some(prefix) = prefix {
            for key in ["rp", "rb", "sp", "sb"] {
                let count = said.split_once(&format!("{key}=")).and_then(|(_, rest)| leading_number(rest));
                *self.usage.entry(format!("{prefix}{key}")).or_default() += count.unwrap_or(0);
            }
        }
        if let Some(remote) = said.split_once("remote ").and_then(|(_, rest)| rest.split_once(", reason")) {
            self.client = Some(remote.0.to_owned());
        }
    }
}

fn leading_number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn compare(program: &Program, call: &str, capture: &Path, log: &Path) -> Result<Vec<String>, String> {
    let log = String::from_utf8_lossy(&std::fs::read(log).map_err(|error| error.to_string())?).into_owned();
    let report = program.report(capture, &[])?;
    let rows = report["turn"]["allocations"].as_array().ok_or("the report has no allocations")?;
    // A capture of one client does not show the others; one of TLS or DTLS shows nobody.
    let users: Vec<&str> = rows.iter().filter_map(|row| row["username"].as_str()).collect();
    let is_at_server = capture.ends_with("r.pcapng");
    let sessions: Vec<Session> =
        sessions(&log).into_iter().filter(|session| is_at_server || users.contains(&session.user.as_str())).collect();
    let mut complaints = Vec::new();
    let mut equal = |what: &str, here: String, server: String| {
        if here != server {
            complaints.push(format!("{what}: {here} here, {server} at the server"));
        }
    };
    let counted = |values: Vec<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
        format!("{counts:?}")
    };
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let granted = |row: &&Value| !row["created_ts"].is_null();
    equal(
        "allocations by user and realm",
        counted(rows.iter().filter(granted).map(|row| text(&row["username"]) + "@" + &text(&row["realm"])).collect()),
        counted(
            sessions
                .iter()
                .filter(|session| session.granted.is_some())
                .map(|session| format!("{}@{}", session.user, session.realm))
                .collect(),
        ),
    );
    let errors = rows.iter().flat_map(|row| row["errors"].as_array().into_iter().flatten());
    equal(
        "errors by code",
        counted(errors.map(|error| error["code"].to_string()).collect()),
        counted(
            sessions
                .iter()
                .flat_map(|session| &session.errors)
                .flat_map(|(code, count)| std::iter::repeat_n(code.to_string(), *count as usize))
                .collect(),
        ),
    );
    let events = |name: &str| {
        let of_row =
            |row: &Value| row["events"].as_array().into_iter().flatten().filter(|event| event["event"] == name).count();
        rows.iter().map(of_row).sum::<usize>() as u64
    };
    let successes = |method: &str| sessions.iter().filter_map(|session| session.successes.get(method)).sum::<u64>();
    let sum_of = |list: &str, key: &str| {
        let of_row =
            |row: &Value| row[list].as_array().into_iter().flatten().filter_map(|part| part[key].as_u64()).sum::<u64>();
        rows.iter().map(of_row).sum::<u64>()
    };
    equal("ALLOCATE", events("created").to_string(), successes("ALLOCATE").to_string());
    equal("REFRESH", (events("refreshed") + events("deleted")).to_string(), successes("REFRESH").to_string());
    equal("CHANNEL_BIND", sum_of("channels", "binds").to_string(), successes("CHANNEL_BIND").to_string());
    equal(
        "peers of CHANNEL_BIND and CREATE_PERMISSION",
        sum_of("permission_grants", "times").to_string(),
        sessions.iter().map(|session| session.grants).sum::<u64>().to_string(),
    );
    for session in sessions.iter().filter(|session| !session.usage.is_empty()) {
        let Some(client) = &session.client else { continue };
        let Some(row) = rows.iter().find(|row| row["client"] == client.as_str()) else {
            equal("a session of a client", "none".to_owned(), client.clone());
            continue;
        };
        let number = |direction: &str, key: &str| row["traffic"][direction][key].as_u64().unwrap_or(0);
        for (key, here) in [
            ("rp", number("to_server", "packets")),
            ("rb", number("to_server", "bytes")),
            ("sp", number("to_client", "packets")),
            ("sb", number("to_client", "bytes") + number("to_client", "padding_bytes")),
            ("peer sp", number("data_out", "packets")),
            ("peer sb", number("data_out", "bytes")),
            ("peer rp", number("data_in", "packets")),
            ("peer rb", number("data_in", "bytes")),
        ] {
            let known =
                EXCEPTIONS.iter().find(|known| (known.call, known.client, known.key) == (call, client.as_str(), key));
            let here = here + known.map_or(0, |known| known.more);
            equal(&format!("{client} {key}"), here.to_string(), session.usage[key].to_string());
        }
    }
    Ok(complaints)
}
