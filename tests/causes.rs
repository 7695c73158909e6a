//! Each recording of a call that fails names its cause: as an error, and first. Each recording of one that works has no
//! error, and no finding beside those that are listed here with their reason.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use support::{Program, Value, captures_under, cases, conclude, shared_or_skip, trial};

/// What is wrong with a recording, by the beginning of its name.
const FAULTS: [(&str, &str); 22] = [
    ("calls/c07-loss5/a.pcapng", "RTP_LOSS"),
    ("calls/c07-loss5/a.plain.pcap", "RTP_LOSS"),
    ("calls/c07-loss5/b.pcapng", "RTP_LOSS"),
    // Packets died behind this capture point, which only reports in the clear can tell.
    ("calls/c15-h264-h264loss-oneway/a.plain.pcap", "RTP_LOSS_DOWNSTREAM"),
    ("calls/c18-turn-wrong-password/a.pcapng", "TURN_ALLOCATE_UNAUTHORIZED"),
    ("calls/c19-blackout-recover/a.pcapng", "RTP_OUTAGE"),
    ("calls/c19-blackout-recover/a.plain.pcap", "RTP_OUTAGE"),
    ("calls/c19-blackout-recover/b.pcapng", "RTP_OUTAGE"),
    ("calls/c21-bad-fingerprint/a.pcapng", "DTLS_CERTIFICATE_REFUSED"),
    ("calls/chromium-mdns-never-connects/a.pcapng", "ICE_ONLY_MDNS"),
    ("calls/s04-sipp-udp-486/a.pcapng", "SIP_CALL_REFUSED"),
    ("calls/s04-sipp-udp-488/a.pcapng", "SIP_CALL_REFUSED"),
    ("calls/t08-wrong-password/client.pcapng", "TURN_ALLOCATE_UNAUTHORIZED"),
    ("calls/t09-stale-nonce/client.pcapng", "TURN_STALE_NONCE"),
    ("calls/t10-user-quota-486/client.pcapng", "TURN_QUOTA_REACHED"),
    ("calls/t12-rest-expired/client.pcapng", "TURN_CREDENTIALS_EXPIRED"),
    ("calls/t13-denied-peer-403/client.pcapng", "TURN_FORBIDDEN"),
    ("calls/t14-capacity-508/client.pcapng", "TURN_CAPACITY_REACHED"),
    ("calls/t18-negative/client.pcapng", "TURN_NO_ANSWER"),
    ("captures/turn-wrong-password/", "TURN_ALLOCATE_UNAUTHORIZED"),
    ("captures/webrtc-loss/", "RTP_LOSS"),
    // Of some packets a fragment is missing.
    ("captures/ip-fragments/", "RTP_LOSS"),
];

/// Findings that a healthy recording may have: where, which, and why nobody would call it wrong.
const ALLOWED: [(&str, &str, &str); 17] = [
    ("", "ICE_PAIR_SWITCHED", "browsers move to IPv6 in the first second"),
    ("", "CAPTURE_DUPLICATES", "an any-interface capture of a relay sees a packet come and go"),
    ("", "RTCP_MISSING", "sipp and ffmpeg send none"),
    ("/peer.pcapng", "NO_RTC", "the peer of the relay is sent data that is no RTP"),
    ("/peer.pcapng", "NO_PACKETS", "nothing was ever relayed"),
    ("a.plain.pcap", "NO_PACKETS", "no packet was ever encrypted"),
    ("sip", "RTP_SSRC_SHARED", "sipp sends back what it gets"),
    ("captures/damaged-", "RTP_SSRC_SHARED", "made of a call of sipp"),
    ("captures/container-", "RTP_SSRC_SHARED", "made of a call of sipp"),
    ("captures/mirror-", "RTP_SSRC_SHARED", "made of a call of sipp"),
    ("t05-dtls/", "DTLS_ALERT", "the server did refuse four handshakes; the client came back from another port"),
    ("c08-simulcast-vp8/a.plain.pcap", "RTCP_PLI_STORM", "the receiver did ask for one layer 24 times"),
    ("x01-formats/snap96", "CAPTURE_SNAP_LENGTH", "it is cut"),
    ("x01-formats/truncated", "CAPTURE_DAMAGED", "it is cut off"),
    ("captures/damaged-", "CAPTURE_DAMAGED", "it is"),
    ("captures/damaged-", "MESSAGE_MALFORMED", "bytes of it are wrong"),
    ("captures/damaged-", "PACKET_MALFORMED", "bytes of it are wrong"),
];

fn main() {
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let mut inputs: Vec<(String, PathBuf)> =
        cases().into_iter().map(|case| (format!("captures/{}/", case.name), case.input)).collect();
    if let Some(shared) = shared_or_skip("causes of the recordings that are not in the repository") {
        let names = captures_under(&shared.join("calls")).into_iter();
        inputs.extend(names.map(|path| (name(&shared, &path), path)));
    }
    let mut trials = Vec::new();
    for (name, path) in inputs {
        let program = program.clone();
        let fault = FAULTS.iter().find(|(fault, _)| name.starts_with(fault)).map(|(_, code)| *code);
        trials.push(trial(name.clone(), move || match fault {
            Some(code) => names_its_cause(&program, &path, code),
            None => is_healthy(&program, &path, &name),
        }));
    }
    conclude(trials);
}

fn name(shared: &Path, path: &Path) -> String {
    path.strip_prefix(shared).unwrap_or(path).to_string_lossy().into_owned()
}

/// Severity, code and frames of each finding, in order.
fn findings(program: &Program, path: &Path) -> Result<Vec<(String, String, usize)>, String> {
    let report = program.report(path, &[])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = report["findings"].as_array().ok_or("the report has no findings")?;
    Ok(rows
        .iter()
        .map(|row| (text(&row["severity"]), text(&row["code"]), row["frames"].as_array().map_or(0, Vec::len)))
        .collect())
}

fn names_its_cause(program: &Program, path: &Path, code: &str) -> Vec<String> {
    match findings(program, path) {
        Err(error) => vec![error],
        Ok(findings) => match findings.first() {
            Some((severity, first, frames)) if severity == "error" && first == code && *frames > 0 => Vec::new(),
            _ => vec![format!("{code} is not the first error, with frames: {findings:?}")],
        },
    }
}

fn is_healthy(program: &Program, path: &Path, name: &str) -> Vec<String> {
    let allowed = |code: &str| ALLOWED.iter().any(|(place, allowed, _)| name.contains(place) && *allowed == code);
    match findings(program, path) {
        Err(error) => vec![error],
        Ok(findings) => findings
            .iter()
            .filter(|(severity, code, _)| severity == "error" || !allowed(code))
            .map(|(severity, code, _)| format!("{severity} {code} in a call that works"))
            .collect(),
    }
}
