//! What we say of a call's paths and keys is what its browsers say.
//!
//! `truth.json` of a recorded call holds the browsers' own `getStats` and descriptions. Held against it: the candidate
//! pairs that a browser checked or was checked on, with the types of their candidates; which of them it sends on in the
//! end, and how often that changed; the roles of ICE and DTLS; the version and cipher suite of DTLS; the SRTP profile; the
//! fingerprints; the codecs; the ICE restarts. All are equal. Where a figure cannot be, the reason stands at [`UNLIKE`] or
//! at the check.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::{Program, Value, conclude, shared_or_skip, skipped, trial};

/// What one call has otherwise, and why.
const UNLIKE: &[(&str, &str, &str)] = &[
    (
        "c21-bad-fingerprint",
        "selected",
        "the browser moved to a pair on which it never sent a byte: the handshake had failed before",
    ),
    ("c21-bad-fingerprint", "fingerprints", "one description has a forged fingerprint on purpose"),
    (
        "f01-firefox-firefox",
        "types",
        "the browser was checked before the candidate came, and goes on to call it prflx; it was announced as host",
    ),
];

fn main() {
    let Some(shared) = shared_or_skip("the comparison with what browsers say of paths and keys") else {
        conclude(vec![skipped("the corpus is not there")]);
    };
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let trials = calls(&shared).into_iter().map(|(call, client, capture, truth)| {
        let program = program.clone();
        trial(format!("{call} at client {client}"), move || match program.report(&capture, &[]) {
            Ok(report) => {
                Comparison { call: &call, client, report: &report, truth: &truth, complaints: Vec::new() }.all()
            }
            Err(error) => vec![error],
        })
    });
    conclude(trials.collect())
}

/// Every capture taken at a client that left its statistics.
fn calls(shared: &Path) -> Vec<(String, &'static str, PathBuf, Value)> {
    let entries = std::fs::read_dir(shared.join("calls")).expect("the calls can be listed");
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut calls = Vec::new();
    for folder in folders {
        let texts = ["truth.json", "truth.aiortc.json"].map(|name| std::fs::read_to_string(folder.join(name)).ok());
        let Some(text) = texts.into_iter().flatten().next() else { continue };
        let truth: Value = serde_json::from_str(&text).expect("the truth is JSON");
        for client in ["a", "b"] {
            let capture = folder.join(format!("{client}.pcapng"));
            if capture.is_file() && !statistics(&truth[client]).is_empty() {
                let call = folder.file_name().expect("a call has a name").to_string_lossy().into_owned();
                calls.push((call, client, capture, truth.clone()));
            }
        }
    }
    calls
}

/// Browsers leave a list under `final`, aiortc an object of its own.
fn statistics(side: &Value) -> Vec<&Value> {
    match (&side["final"], side) {
        (Value::Array(list), _) => list.iter().collect(),
        (_, Value::Object(entries)) => entries.values().filter(|value| value["type"].is_string()).collect(),
        _ => Vec::new(),
    }
}

struct Comparison<'t> {
    call: &'t str,
    client: &'static str,
    report: &'t Value,
    truth: &'t Value,
    complaints: Vec<String>,
}

/// A pair: the addresses of the browser and of the other side, as candidates have them.
type Ends = (String, String);

impl Comparison<'_> {
    fn all(mut self) -> Vec<String> {
        self.pairs();
        self.selection();
        self.roles();
        self.keys();
        self.fingerprints();
        self.codecs();
        self.restarts();
        self.complaints
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, here: T, browser: T) {
        if here != browser {
            self.complaints.push(format!("{what}: {here:?} here, {browser:?} in the browser"));
        }
    }

    fn is_unlike(&self, what: &str) -> bool {
        UNLIKE.iter().any(|(call, figure, _)| *call == self.call && *figure == what)
    }

    fn of_type(&self, kind: &str) -> Vec<&Value> {
        statistics(&self.truth[self.client]).into_iter().filter(|stat| stat["type"] == kind).collect()
    }

    fn with_id(&self, id: &Value) -> Option<&Value> {
        statistics(&self.truth[self.client]).into_iter().find(|stat| stat["id"] == *id)
    }

    fn transport(&self) -> Option<&Value> {
        self.of_type("transport").first().copied()
    }

    /// A browser's pair: ends and types.
    fn stated(&self, pair: &Value) -> Option<(Ends, [String; 2])> {
        let candidates = [self.with_id(&pair["localCandidateId"])?, self.with_id(&pair["remoteCandidateId"])?];
        let [local, remote] = candidates.map(|candidate| {
            let address = candidate["address"].as_str().unwrap_or("?");
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            format!("{address}:{}", candidate["port"])
        });
        let types = candidates.map(|candidate| candidate["candidateType"].as_str().unwrap_or("?").to_owned());
        Some(((local, remote), types))
    }

    /// Our pairs by their ends as this browser has them, with the key prefix of its own end.
    fn seen(&self) -> Vec<(Ends, &'static str, &Value)> {
        let locals: BTreeSet<String> =
            self.of_type("candidate-pair").iter().filter_map(|pair| Some(self.stated(pair)?.0.0)).collect();
        let rows = self.report["ice"].as_array().into_iter().flatten();
        let named = |row: &Value, end: &str| {
            let mapped = row[format!("{end}_mapped")].as_str();
            mapped.or(row[end].as_str()).unwrap_or("?").to_owned()
        };
        let of_row = |row| {
            let (local, remote) = (named(row, "local"), named(row, "remote"));
            match locals.contains(&local) {
                true => ((local, remote), "local", row),
                false => ((remote, local), "remote", row),
            }
        };
        rows.map(of_row).collect()
    }

    /// Pairs on which the browser sent or got a check. Firefox does not count those that it sends.
    fn pairs(&mut self) {
        let was_checked = |pair: &&Value| {
            let counts = ["requestsSent", "requestsReceived", "responsesReceived"];
            counts.iter().any(|key| pair[*key].as_u64().unwrap_or(0) > 0)
        };
        let stated = self.of_type("candidate-pair").into_iter().filter(was_checked);
        let stated: Vec<_> = stated.filter_map(|pair| Some((self.stated(pair)?, pair["nominated"] == true))).collect();
        if self.of_type("candidate-pair").is_empty() {
            // aiortc says nothing of pairs.
            return;
        }
        let with_types =
            self.report["sessions"].as_array().into_iter().flatten().any(|session| session["offer"].is_object());
        let with_types = with_types && !self.is_unlike("types");
        let browser: BTreeSet<_> = stated
            .into_iter()
            .map(|((ends, types), nominated)| {
                (ends, types.map(|name| if with_types { name } else { String::new() }), nominated)
            })
            .collect();
        let here: BTreeSet<_> = self
            .seen()
            .into_iter()
            .map(|(ends, own, row)| {
                let other = if own == "local" { "remote" } else { "local" };
                let kind =
                    |end: &str| row[format!("{end}_type")].as_str().filter(|_| with_types).unwrap_or("").to_owned();
                (ends, [kind(own), kind(other)], row["state"] == "nominated")
            })
            .collect();
        self.equal("pairs", here, browser);
    }

    fn selection(&mut self) {
        let Some(transport) = self.transport().cloned() else { return };
        let by_pair = self.of_type("candidate-pair").into_iter().find(|pair| pair["selected"] == true);
        let selected = self.with_id(&transport["selectedCandidatePairId"]).or(by_pair);
        let browser: Vec<Ends> =
            selected.and_then(|pair| self.stated(pair)).map(|(ends, _)| ends).into_iter().collect();
        if self.is_unlike("selected") || self.of_type("candidate-pair").is_empty() {
            return;
        }
        let own = self
            .seen()
            .into_iter()
            .filter(|(_, own, row)| row["selected_by"].as_array().is_some_and(|by| by.iter().any(|end| end == own)));
        let own: Vec<(Ends, String)> =
            own.map(|(ends, own, row)| (ends, row[own].as_str().unwrap_or("?").to_owned())).collect();
        let here: Vec<Ends> = own.into_iter().map(|(ends, _)| ends).collect();
        self.equal("selected pair", here, browser);
        // Firefox does not count changes.
        let Some(changes) = transport["selectedCandidatePairChanges"].as_u64() else { return };
        let ours: Vec<String> =
            self.seen().into_iter().map(|(_, own, row)| row[own].as_str().unwrap_or("?").to_owned()).collect();
        let transports =
            self.report["sessions"].as_array().into_iter().flatten().flat_map(|session| session["ice"].as_array());
        let switches = transports.flatten().flat_map(|transport| transport["switches"].as_array()).flatten();
        let count = switches.filter(|switch| ours.iter().any(|address| switch["from"] == address.as_str())).count();
        self.equal("changes of the selected pair", count as u64, changes);
    }

    fn roles(&mut self) {
        let Some(transport) = self.transport().cloned() else { return };
        let roles: BTreeSet<String> = self
            .seen()
            .into_iter()
            .filter_map(|(_, own, row)| Some(row[format!("{own}_role")].as_str()?.to_owned()))
            .collect();
        let is_seen = !roles.is_empty() && !self.of_type("candidate-pair").is_empty();
        if let Some(role) = transport["iceRole"].as_str().filter(|_| is_seen) {
            self.equal("role of ICE", roles, BTreeSet::from([role.to_owned()]));
        }
        let ours: BTreeSet<String> =
            self.seen().into_iter().filter_map(|(_, own, row)| Some(row[own].as_str()?.to_owned())).collect();
        let handshakes = self.report["dtls"].as_array().cloned().unwrap_or_default();
        if let (Some(handshake), Some(role)) = (handshakes.first(), transport["dtlsRole"].as_str()) {
            let is_client = handshake["client"].as_str().is_some_and(|client| ours.contains(client));
            self.equal("role of DTLS", if is_client { "client" } else { "server" }, role);
            if self.report["sessions"][0]["offer"].is_object() {
                self.equal("a=setup", &handshake["sdp_setup"], &Value::from("match"));
            }
        }
    }

    /// Version, suite and profile of the handshake.
    fn keys(&mut self) {
        let handshakes = self.report["dtls"].as_array().cloned().unwrap_or_default();
        let Some(transport) = self.transport().cloned() else { return };
        let is_connected = transport["dtlsState"] == "connected";
        let complete = handshakes.iter().filter(|handshake| handshake["state"] == "complete");
        self.equal("handshakes complete", complete.count(), usize::from(is_connected));
        let (Some(handshake), true) = (handshakes.first(), is_connected) else { return };
        if let Some(version) = transport["tlsVersion"].as_str() {
            let name = if version == "FEFC" { "1.3" } else { "1.2" };
            self.equal("version", &handshake["version"], &Value::from(name));
        }
        if transport["dtlsCipher"].is_string() {
            self.equal("cipher suite", &handshake["cipher_suite"], &transport["dtlsCipher"]);
        }
        if transport["srtpCipher"].is_null() {
            return;
        }
        match handshake["srtp_profile"].is_null() {
            false => self.equal("SRTP profile", &handshake["srtp_profile"], &transport["srtpCipher"]),
            // DTLS 1.3 encrypts the choice: it is one of those that were offered.
            true => {
                let offered = handshake["srtp_profiles_offered"].as_array().cloned().unwrap_or_default();
                self.equal("SRTP profile among those offered", offered.contains(&transport["srtpCipher"]), true);
            }
        }
    }

    /// The certificates are those of the descriptions, and, where DTLS shows them, those of the handshake.
    fn fingerprints(&mut self) {
        let of_browser = self.of_type("certificate").into_iter().filter_map(|stat| stat["fingerprint"].as_str());
        let stated: BTreeSet<String> = of_browser.map(str::to_owned).collect();
        let mut described = BTreeSet::new();
        for session in self.report["sessions"].as_array().into_iter().flatten() {
            for said in ["offer", "answer"] {
                let sdp = &session[said]["sdp"];
                let media = sdp["media"].as_array().into_iter().flatten().map(|media| &media["fingerprints"]);
                for text in media.chain([&sdp["fingerprints"]]).filter_map(Value::as_array).flatten() {
                    described.extend(text.as_str().and_then(|text| text.strip_prefix("sha-256 ")).map(str::to_owned));
                }
            }
        }
        let missing = stated.iter().filter(|print| !described.is_empty() && !described.contains(*print)).count();
        if !self.is_unlike("fingerprints") {
            self.equal("fingerprints of the browser that no description has", missing, 0);
        }
        // A call that came to nothing has no certificate of the other side.
        if stated.len() == 2 && !described.is_empty() {
            self.equal("fingerprints", described, stated.clone());
        }
        let shown = self.report["dtls"].as_array().into_iter().flatten().flat_map(|row| row["certificates"].as_array());
        let shown = shown.flatten().filter_map(|certificate| certificate["fingerprint_sha256"].as_str());
        let shown: BTreeSet<String> = shown.map(str::to_owned).collect();
        if !shown.is_empty() && !stated.is_empty() {
            self.equal("certificates of the handshake", shown, stated);
        }
    }

    /// The codec of each source, where there is signalling to name it.
    fn codecs(&mut self) {
        if !self.report["sessions"][0]["offer"].is_object() {
            return;
        }
        let sources = [self.of_type("outbound-rtp"), self.of_type("inbound-rtp")].concat();
        let stated = sources.into_iter().filter_map(|stat| {
            let mime = self.with_id(&stat["codecId"])?["mimeType"].as_str()?;
            let ssrc = format!("{:#010x}", stat["ssrc"].as_u64()?);
            Some((ssrc, mime.split_once('/')?.1.to_lowercase()))
        });
        for (ssrc, codec) in stated.collect::<Vec<_>>() {
            let rows = self.report["rtp_streams"].as_array().into_iter().flatten();
            let of_source = rows.filter(|row| row["ssrc"] == ssrc.as_str() && row["packets"].as_u64() > Some(0));
            let here: BTreeSet<String> =
                of_source.filter_map(|row| Some(row["codec"].as_str()?.to_lowercase())).collect();
            // Nothing was sent: no stream, and none expected.
            if !here.is_empty() {
                self.equal(&format!("codec of {ssrc}"), here, BTreeSet::from([codec]));
            }
        }
    }

    /// The recording's script says how often ICE was restarted.
    fn restarts(&mut self) {
        let marks = self.truth["marks"].as_array().into_iter().flatten().filter_map(|mark| mark[1].as_str());
        let asked = marks.filter(|mark| mark.contains("restartIce") || mark.contains("iceRestart")).count() as u64;
        let sessions = self.report["sessions"].as_array().into_iter().flatten();
        let here: u64 = sessions.filter_map(|session| session["ice_restarts"].as_u64()).sum();
        self.equal("ICE restarts", here, asked);
    }
}
