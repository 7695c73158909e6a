//! The JSON report has every key that is promised, each of its type, and its sums are right.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Case, Program, Record, Value, cases, write_pcap};

/// The promise. A string names the type of a value: `int`, `num`, `str`, `bool`, `ts` (seconds with nine decimals), `hex`
/// (`0x` and hexadecimal digits); `a|b|c` one of these words; `?` behind it allows null. A list holds the shape of every
/// element, an object with the key `*` the shape of every value. Behind an object in a list stands whether some case has
/// to show one.
fn promise() -> Value {
    let distribution = json!({"last": "num?", "mean": "num?", "max": "num?", "p95": "num?"});
    let spread = json!({"p50": "num?", "p99": "num?"});
    let hop = json!({"matched": "int?", "lost": "int?", "delay_ms": spread});
    let tshark = json!({
        "packets": "int", "lost": "int", "lost_pct": "num", "min_delta_ms": "num?", "mean_delta_ms": "num?",
        "max_delta_ms": "num?", "min_jitter_ms": "num?", "mean_jitter_ms": "num?", "max_jitter_ms": "num?",
        "problem": "bool"
    });
    json!({
        "schema": "rtcscope-report/1",
        "tool": {"name": "rtcscope", "version": "str"},
        "capture": {
            "files": [{"name": "str", "format": "str", "link_types": ["str"], "packets": "int", "truncated": "bool",
                "damage": ["str"], "damaged_places": "int", "skipped_bytes": "int"}],
            "packets": "int", "bytes": "int", "first_ts": "ts?", "last_ts": "ts?", "duration_s": "num?",
            "dropped_by_capture": "int?", "duplicates_removed": "int", "inner_datagrams": "int",
            "filtered_out": "int", "outside_window": "int", "filtered_vlan": "int", "limits": {"*": "int"},
            "options": {"filter": "str?", "from_ts": "ts?", "to_ts": "ts?", "ssrcs": ["hex"]}
        },
        "packets": {
            "stun": "int", "turn_channel": "int", "turn_indication": "int", "dtls": "int", "rtp": "int", "rtcp": "int",
            "srtp": "int", "srtcp": "int", "zrtp": "int", "quic": "int", "sip": "int", "rtsp": "int", "http": "int",
            "websocket": "int", "tls": "int", "other": "int", "malformed": "int"
        },
        "flows": [{
            "id": "str", "proto": "str", "a": "str", "b": "str", "path": ["str"], "classes": {"*": "int"},
            "first_frame": "int", "parent": "str?"
        }],
        "rtp_streams": [{
            "id": "str", "flow": "str", "src": "str", "dst": "str", "path": ["str"], "ssrc": "hex", "encrypted": "bool",
            "kind": "str?", "codec": "str?", "payload_types": ["int"], "clock_rate": "num?",
            "clock_source": "sdp|static|inferred|none", "mid": "str?", "rid": "str?", "cname": "str?", "rtx_of": "str?",
            "first_ts": "ts", "last_ts": "ts", "first_frame": "int", "packets": "int", "bytes": "int",
            "expected": "int", "lost": "int", "lost_pct": "num?", "duplicates": "int", "reordered": "int",
            "segments": "int", "jitter_ms": distribution,
            "delta_ms": {"mean": "num?", "max": "num?", "max_frame": "int?"},
            "bitrate_bps": {"mean": "num?", "max_1s": "num?"}, "loss_runs": {"*": "int"}, "mos": "num?", "tshark": tshark
        }],
        "rtcp": [{
            "flow": "str", "ssrc": "hex", "sr": "int", "rr": "int", "sdes": "int", "bye": "int", "app": "int",
            "nack": "int", "pli": "int", "fir": "int", "remb": "int", "twcc": "int", "ccfb": "int", "xr": "int",
            "encrypted": "int",
            "reports": [{
                "frame": "int", "ts": "ts", "about": "hex", "fraction_lost": "num", "cumulative_lost": "int",
                "jitter_ms": "num?", "rtt_ms": "num?"
            }]
        }],
        "stun": {"transactions": [{
            "flow": "str", "id": "str", "method": "str", "first_frame": "int", "request_count": "int",
            "outcome": "success|error|timeout|open|indication", "error_code": "int?", "rtt_ms": "num?"
        }]},
        "ice": [{
            "local": "str", "remote": "str", "ufrag": "str?", "state": "checking|valid|nominated|failed",
            "restarts": "int", "checks": "int",
            "rtt_ms": {"min": "num?", "mean": "num?", "max": "num?"},
            "consent": {"checks": "int", "missed": "int", "longest_gap_ms": "num?"}
        }],
        "turn": {"allocations": [{
            "id": "str", "client": "str", "server": "str", "transport": "udp|tcp|tls", "relayed": "str?", "mapped": "str?",
            "username": "str?", "realm": "str?", "software": "str?", "created_ts": "ts?", "lifetime_s": "int?",
            "refreshes": "int", "ended": "deleted|expired|open|failed", "error_code": "int?", "setup_ms": "num?",
            "channels": [{"number": "hex", "peer": "str?", "packets_out": "int", "packets_in": "int"}],
            "permissions": ["str"], "relay_hop": {"to_peer": hop, "from_peer": hop}
        }]},
        "dtls": [{
            "flow": "str", "client": "str", "server": "str", "version": "str?", "cipher_suite": "str?",
            "srtp_profile": "str?", "state": "complete|incomplete|alert", "alert": "str?", "handshake_ms": "num?",
            "retransmitted_flights": "int",
            "certificates": [{"from": "str?", "fingerprint_sha256": "str", "subject": "str?", "not_after": "str?"}],
            "sdp_fingerprint": "match|mismatch|no-sdp?"
        }],
        "sessions": [{
            "id": "str", "signalling": "sip|websocket|http|rtsp|sap|file|none", "call_id": "str?", "offer": "any", "answer": "any",
            "setup_ms": {"signalling": "num?", "gathering": "num?", "first_check": "num?", "nomination": "num?",
                "handshake": "num?", "first_rtp": "num?", "total": "num?"},
            "flows": ["str"], "streams": ["str"], "allocations": ["str"], "handshakes": ["str"], "pairs": ["str"],
            "media": "any", "state": "str"
        }],
        "findings": [{
            "code": "str", "severity": "error|warning|info", "summary": "str", "explanation": "str", "advice": "str",
            "frames": ["int"], "filter": "str?", "subject": "str?"
        }]
    })
}

/// Lists whose elements need not appear in any of our captures: DTLS 1.3 hides certificates, and nobody limits a report
/// on a case.
const MAY_STAY_EMPTY: &[&str] = &["dtls[].certificates", "capture.options.ssrcs"];

fn reports() -> Vec<(Case, Value)> {
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let report = |case: Case| (case.clone(), program.report(&case.input, &[]).expect("the analysis succeeds"));
    cases().into_iter().map(report).collect()
}

struct Check {
    complaints: Vec<String>,
    /// How many elements were seen in each list.
    elements: BTreeMap<String, usize>,
}

impl Check {
    fn value(&mut self, path: &str, shape: &Value, value: &Value) {
        match shape {
            Value::Object(shape) => self.object(path, shape, value),
            Value::Array(shape) => {
                let path = format!("{path}[]");
                let seen = self.elements.entry(path.trim_start_matches('.').to_owned()).or_default();
                let Some(elements) = value.as_array() else { return self.complain(&path, "a list", value) };
                *seen += elements.len();
                for element in elements {
                    self.value(&path, &shape[0], element);
                }
            }
            Value::String(kind) => {
                let (kind, nullable) = kind.strip_suffix('?').map_or((kind.as_str(), false), |kind| (kind, true));
                if !(nullable && value.is_null() || is(kind, value)) {
                    self.complain(path, kind, value);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, path: &str, shape: &Map<String, Value>, value: &Value) {
        let Some(object) = value.as_object() else { return self.complain(path, "an object", value) };
        if let Some(each) = shape.get("*") {
            return object.iter().for_each(|(key, value)| self.value(&format!("{path}.{key}"), each, value));
        }
        for (key, shape) in shape {
            let path = format!("{path}.{key}");
            match object.get(key) {
                Some(value) => self.value(&path, shape, value),
                None => self.complaints.push(format!("{path} is not there")),
            }
        }
    }

    fn complain(&mut self, path: &str, wanted: &str, value: &Value) {
        self.complaints.push(format!("{path} should be {wanted} and is {value}"));
    }
}

fn is(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "any" => true,
        "int" => value.is_i64() || value.is_u64(),
        "num" => value.is_number(),
        "bool" => value.is_boolean(),
        "str" => text.is_some(),
        "hex" => {
            text.and_then(|text| text.strip_prefix("0x")).is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok())
        }
        "ts" => text.and_then(|text| text.split_once('.')).is_some_and(|(seconds, nanos)| {
            seconds.parse::<i64>().is_ok() && nanos.len() == 9 && nanos.bytes().all(|digit| digit.is_ascii_digit())
        }),
        words => text.is_some_and(|text| words.split('|').any(|word| word == text)),
    }
}

#[test]
fn every_promised_key_is_there_and_of_its_type_in_every_case() {
    let promise = promise();
    let mut check = Check { complaints: Vec::new(), elements: BTreeMap::new() };
    for (case, report) in reports() {
        let before = check.complaints.len();
        check.value("", &promise, &report);
        for complaint in &mut check.complaints[before..] {
            complaint.insert_str(0, &format!("{}: ", case.name));
        }
    }
    assert!(check.complaints.is_empty(), "{}", check.complaints.join("\n"));
    let never: Vec<&String> = check
        .elements
        .iter()
        .filter(|(path, count)| **count == 0 && !MAY_STAY_EMPTY.contains(&path.trim_end_matches("[]")))
        .map(|(path, _)| path)
        .collect();
    assert!(never.is_empty(), "no case shows an element of {never:?}, so that nothing is known of its keys");
}

#[test]
fn the_classes_add_up_to_the_packets_and_what_was_inside_them() {
    for (case, report) in reports() {
        let classes = report["packets"].as_object().expect("packets is an object");
        let sum: u64 = classes.values().filter_map(Value::as_u64).sum();
        let capture = |key: &str| report["capture"][key].as_u64().expect("an integer");
        let accounted = capture("packets") - capture("duplicates_removed") + capture("inner_datagrams");
        assert_eq!(sum, accounted, "{}: {classes:?}", case.name);
    }
}

#[test]
fn flows_add_up_to_the_classes_and_reasons_to_the_rest() {
    let sum =
        |counts: &Value| -> u64 { counts.as_object().expect("an object").values().filter_map(Value::as_u64).sum() };
    for (case, report) in reports() {
        let empty = Vec::new();
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for flow in report["flows"].as_array().unwrap_or(&empty) {
            for (class, count) in flow["classes"].as_object().expect("an object") {
                *classes.entry(class).or_default() += count.as_u64().expect("an integer");
            }
            assert_eq!(sum(&flow["other"]), flow["classes"]["other"].as_u64().unwrap_or(0), "{}: {flow}", case.name);
        }
        for (class, count) in report["packets"].as_object().expect("an object") {
            let in_flows = classes.get(class.as_str()).copied().unwrap_or(0);
            // What has no ports is in no flow: ARP, ICMP, fragments, broken headers.
            let fits = match class.as_str() {
                "other" | "malformed" => Some(in_flows) <= count.as_u64(),
                _ => Some(in_flows) == count.as_u64(),
            };
            assert!(fits, "{}: {class} {count}, in flows {in_flows}", case.name);
        }
        assert_eq!(Some(sum(&report["other"])), report["packets"]["other"].as_u64(), "{}", case.name);
    }
}

#[test]
fn files_add_up_to_the_capture() {
    for (case, report) in reports() {
        let files = report["capture"]["files"].as_array().expect("files is a list");
        let sum: u64 = files.iter().filter_map(|file| file["packets"].as_u64()).sum();
        assert_eq!(Some(sum), report["capture"]["packets"].as_u64(), "{}", case.name);
    }
}

#[test]
fn loss_is_what_was_expected_and_did_not_come() {
    let mut seen = 0;
    for (case, report) in reports() {
        for stream in report["rtp_streams"].as_array().expect("rtp_streams is a list") {
            let number = |key: &str| stream[key].as_i64().expect("an integer");
            let unique = number("packets") - number("duplicates");
            assert_eq!(number("lost"), (number("expected") - unique).max(0), "{}: {stream}", case.name);
            let runs = stream["loss_runs"].as_object().expect("loss_runs is an object");
            let in_runs: i64 =
                runs.iter().map(|(run, count)| run.parse::<i64>().unwrap_or(0) * count.as_i64().unwrap_or(0)).sum();
            assert_eq!(in_runs, number("lost"), "{}: {stream}", case.name);
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} streams");
}

#[test]
fn every_reference_leads_somewhere() {
    for (case, report) in reports() {
        let ids = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect()
        };
        let flows = ids(&report["flows"]);
        let mut sorted = flows.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), flows.len(), "{}: a flow id stands twice", case.name);
        for list in [&report["rtp_streams"], &report["rtcp"], &report["stun"]["transactions"], &report["dtls"]] {
            for entry in list.as_array().into_iter().flatten() {
                let flow = entry["flow"].as_str().unwrap_or_default();
                assert!(flows.iter().any(|id| id == flow), "{}: no flow {flow:?} for {entry}", case.name);
            }
        }
        let frames = report["capture"]["packets"].as_u64().expect("an integer");
        for finding in report["findings"].as_array().into_iter().flatten() {
            for frame in finding["frames"].as_array().into_iter().flatten() {
                assert!(frame.as_u64().is_some_and(|frame| (1..=frames).contains(&frame)), "{}: {finding}", case.name);
            }
        }
    }
}

fn report_of(case: &str) -> Value {
    let input = support::root().join("captures").join(case).join("input.pcapng");
    Program::new(env!("CARGO_BIN_EXE_rtcscope")).report(&input, &[]).expect("the analysis succeeds")
}

#[test]
fn copies_of_a_mirror_port_change_no_figure_but_those_of_tshark() {
    let mirrored = report_of("mirror-duplicates");
    let alone = report_of("sip-hold");
    assert_eq!(mirrored["capture"]["duplicates_removed"], 360);
    assert_eq!((&mirrored["packets"]["sip"], &mirrored["packets"]["rtp"]), (&json!(4), &json!(356)));
    // The case is the first half of the call: what does not depend on the length must be the same.
    for (one, other) in [&mirrored, &alone]
        .map(|report| report["rtp_streams"].as_array().expect("a list"))
        .iter()
        .map(|list| &list[0])
        .zip([178, 350])
    {
        assert_eq!((&one["packets"], &one["expected"]), (&json!(other), &json!(other)));
        for key in ["lost", "duplicates", "reordered"] {
            assert_eq!(one[key], 0, "{key}");
        }
    }
    for stream in mirrored["rtp_streams"].as_array().expect("a list") {
        assert_eq!((&stream["tshark"]["packets"], &stream["tshark"]["lost"]), (&json!(356), &json!(-178)));
    }
}

#[test]
fn damaged_files_are_read_behind_the_damage() {
    for (case, packets, truncated) in [("damaged-corrupted", 716, false), ("damaged-truncated", 300, true)] {
        let report = report_of(case);
        assert_eq!(report["capture"]["packets"], packets, "{case}");
        assert_eq!(report["capture"]["files"][0]["truncated"], truncated, "{case}");
        assert_eq!(report["findings"][0]["code"], "CAPTURE_DAMAGED", "{case}");
    }
}

#[test]
fn tunnels_are_in_the_path_and_vlans_are_not() {
    let report = report_of("tunnels");
    let mut packets: BTreeMap<String, u64> = BTreeMap::new();
    for stream in report["rtp_streams"].as_array().expect("a list") {
        let path = stream["path"].as_array().expect("a list").iter().filter_map(Value::as_str).collect::<Vec<_>>();
        *packets.entry(path.join("/")).or_default() += stream["packets"].as_u64().expect("an integer");
    }
    assert_eq!(packets.keys().collect::<Vec<_>>(), ["gre/udp", "udp", "vxlan:4711/udp"]);
    assert_eq!((packets.values().sum::<u64>(), &report["packets"]["rtcp"]), (653, &json!(57)));
}

#[test]
fn the_relayed_call_has_in_it_what_an_independent_count_found() {
    let report = report_of("webrtc-relay-udp");
    let inner: Vec<&Value> =
        report["flows"].as_array().expect("a list").iter().filter(|flow| flow["parent"].is_string()).collect();
    assert_eq!(inner.len(), 1);
    assert_eq!(inner[0]["classes"], json!({"stun": 32, "dtls": 71, "srtp": 1329, "srtcp": 329}));
    let ends: Vec<&Value> =
        report["turn"]["allocations"].as_array().expect("a list").iter().map(|one| &one["ended"]).collect();
    assert_eq!(ends, ["deleted", "failed", "failed"]);
    // The two that failed are sockets on which the browser did not go on after the challenge.
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report_of("turn-wrong-password")["findings"][0]["code"], "TURN_ALLOCATE_UNAUTHORIZED");
}

/// Datagrams from 10.0.0.1:5000 to 10.0.0.2:6000 as a capture.
fn capture_of(name: &str, datagrams: &[Vec<u8>]) -> PathBuf {
    let frame = |payload: &[u8]| {
        let udp = [&[0x13, 0x88, 0x17, 0x70][..], &(8 + payload.len() as u16).to_be_bytes(), &[0, 0], payload].concat();
        let ip = [&[0x45, 0][..], &(20 + udp.len() as u16).to_be_bytes(), &[0, 0, 0, 0, 64, 17, 0, 0]].concat();
        let addresses = [10, 0, 0, 1, 10, 0, 0, 2];
        [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &ip, &addresses, &udp].concat()
    };
    let records: Vec<Record> = (1_700_000_000_000_000_000..)
        .step_by(1_000_000)
        .zip(datagrams)
        .map(|(nanos, payload)| Record { nanos, frame: frame(payload) })
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report_schema");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let file = folder.join(name);
    std::fs::write(&file, write_pcap(&records)).expect("a capture can be written");
    file
}

fn report_on(file: &Path) -> Value {
    Program::new(env!("CARGO_BIN_EXE_rtcscope")).report(file, &[]).expect("the analysis succeeds")
}

fn text_on(file: &Path) -> String {
    let run = Program::new(env!("CARGO_BIN_EXE_rtcscope")).run(&[file.as_os_str()]);
    String::from_utf8(run.stdout).expect("the report is UTF-8")
}

/// A DTLS 1.2 record with one handshake message that is a single fragment (RFC 6347, sections 4.1 and 4.2.2).
fn handshake(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = [0, 0, body.len() as u8];
    let message = [&[kind][..], &length, &[0, number, 0, 0, 0], &length, body].concat();
    [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, message.len() as u8][..], &message].concat()
}

#[test]
fn whose_a_certificate_is_stays_null_where_nothing_tells_the_client() {
    // A chain with one certificate that is an empty sequence: whose it is stands in other messages.
    let certificate = || handshake(11, 1, &[0, 0, 5, 0, 0, 2, 0x30, 0]);
    let file = capture_of("certificate.pcap", &[certificate()]);
    let alone = report_on(&file);
    assert!(text_on(&file).contains("      certificate -"), "{}", text_on(&file));
    assert_eq!(alone["dtls"][0]["certificates"][0]["from"], Value::Null);
    assert_eq!(alone["dtls"][0]["certificates"].as_array().map(Vec::len), Some(1));
    let server_hello_done = handshake(14, 2, &[]);
    let told = report_on(&capture_of("certificate-of-server.pcap", &[certificate(), server_hello_done]));
    assert_eq!(told["dtls"][0]["certificates"][0]["from"], "server");
}

#[test]
fn an_ice_restart_on_the_same_addresses_is_counted() {
    let check = |id: u8, username: &[u8; 8]| {
        let header = [0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, id];
        [&header[..], &[0, 6, 0, 8], username].concat()
    };
    let file = capture_of("restart.pcap", &[check(1, b"aaaa:bbb"), check(2, b"cccc:ddd"), check(3, b"cccc:ddd")]);
    assert!(text_on(&file).contains("after 1 ICE restart"), "{}", text_on(&file));
    let report = report_on(&file);
    let rows = [0, 1].map(|row| ["ufrag", "checks", "restarts"].map(|key| report["ice"][row][key].clone()));
    assert_eq!(json!(rows), json!([["aaaa:bbb", 1, 0], ["cccc:ddd", 2, 1]]));
}

#[test]
fn what_the_cases_say_of_themselves_is_counted() {
    let figures = |case: &str, ssrc: &str, from: &str| -> (i64, i64) {
        let report = report_of(case);
        let streams = report["rtp_streams"].as_array().cloned().unwrap_or_default();
        let of = streams
            .iter()
            .filter(|stream| stream["ssrc"] == ssrc && stream["src"].as_str().is_some_and(|src| src.contains(from)));
        let number = |stream: &Value, key: &str| stream[key].as_i64().unwrap_or(0);
        of.fold((0, 0), |(unique, lost), stream| {
            (unique + number(stream, "packets") - number(stream, "duplicates"), lost + number(stream, "lost"))
        })
    };
    assert_eq!(figures("webrtc-relay-udp", "0x5352db24", ""), (427, 0));
    assert_eq!(figures("webrtc-relay-udp", "0xcc54c59f", ""), (223, 0));
    assert_eq!(figures("webrtc-loss", "0x5985ca81", "fd77:2::2"), (418, 19));
    assert_eq!(figures("webrtc-loss", "0x65355948", "fd77:2::2"), (225, 9));
    assert_eq!(figures("webrtc-loss", "0x99e89dab", "fd77:1::2"), (438, 0));
    assert_eq!(figures("webrtc-ice-restart", "0xe2d0b657", ""), (529, 0));
    assert_eq!(figures("sip-hold", "0xca110000", "10.77.1.2"), (350, 0));
    assert_eq!(figures("ip-fragments", "0xca110000", "10.77.1.2"), (350, 0));
    assert_eq!(figures("ip-fragments", "0xca110000", "10.77.2.2"), (333, 17));
    assert_eq!(figures("webrtc-unencrypted", "0x4f2f2d5c", ""), (84, 0));
    assert_eq!(figures("mirror-duplicates", "0xca110000", "10.77.1.2"), (178, 0));
    assert_eq!(figures("rtsp-interleaved", "0xd18d3586", ""), (345, 0));
    assert_eq!(figures("mid-call", "0x84643f49", ""), (110, 0));
    assert_eq!(figures("damaged-truncated", "0xca110000", "10.77.1.2"), (148, 0));
}
