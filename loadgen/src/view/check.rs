//! What a check found, as a table with verdicts and as one JSON object, schema `turnload-check/1`.
//!
//! In: a report. Out: text. Never: a decision, a secret, bytes of a server that move the cursor.

use super::json::wire;
use super::number::{UNKNOWN, plain};
use crate::check::{Candidate, Cause, Certificate, Path, Report, Times, UriReport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// Raised where a key that others read changes its meaning.
const SCHEMA: &str = "turnload-check/1";

/// Writes the table and the verdicts.
///
/// # Errors
/// Those of the writer.
pub fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    writeln!(out, "{:>10}  {:<5}  {:<8}  {:<39}  {:>5}  through", "time", "type", "protocol", "address", "port")?;
    for candidate in &report.hosts {
        row(&mut out, candidate, UNKNOWN)?;
    }
    for uri in &report.uris {
        for path in &uri.paths {
            for candidate in &path.candidates {
                row(&mut out, candidate, &through(uri, path))?;
            }
        }
    }
    for uri in &report.uris {
        writeln!(out)?;
        verdict(&mut out, uri)?;
    }
    for remark in &report.remarks {
        writeln!(out, "\nnote: {}", plain(remark))?;
    }
    let fine = report.uris.iter().filter(|uri| uri.is_fine()).count();
    writeln!(out, "\nVerdict: {fine} of {} fine", report.uris.len())?;
    out.flush()
}

fn row(out: &mut impl Write, candidate: &Candidate, through: &str) -> io::Result<()> {
    let Candidate { at, kind, protocol, address } = candidate;
    let (time, ip) = (millis(*at), address.ip().to_string());
    writeln!(out, "{time:>10}  {:<5}  {protocol:<8}  {ip:<39}  {:>5}  {through}", kind.name(), address.port())
}

/// The address too where a name has several.
fn through(uri: &UriReport, path: &Path) -> String {
    if uri.paths.len() > 1 { format!("{} at {}", uri.uri, path.server) } else { uri.uri.to_string() }
}

fn verdict(out: &mut impl Write, uri: &UriReport) -> io::Result<()> {
    let word = match (uri.is_fine(), uri.is_usable()) {
        (true, _) => "fine",
        (false, true) => "FAILED in part",
        (false, false) => "FAILED",
    };
    writeln!(out, "{}: {word}", uri.uri)?;
    if let Some(resolved) = uri.resolved {
        line(out, "name", &format!("resolved in {}", millis(resolved)))?;
    }
    if let Some(failure) = &uri.failure {
        cause(out, failure)?;
    }
    for path in &uri.paths {
        line(out, "server", &format!("{} over {}", path.server, wire(path.wire)))?;
        steps(out, path)?;
        for remark in &path.remarks {
            line(out, "note", remark)?;
        }
        if let Some(failure) = &path.failure {
            cause(out, failure)?;
        }
    }
    Ok(())
}

fn steps(out: &mut impl Write, path: &Path) -> io::Result<()> {
    let taken = named(&path.times);
    let taken: Vec<String> = taken
        .iter()
        .filter_map(|(name, took)| Some(format!("{} {}", name.replace('_', " "), millis((*took)?))))
        .collect();
    if !taken.is_empty() {
        line(out, "took", &taken.join(", "))?;
    }
    if let Some(certificate) = path.certificate {
        line(out, "certificate", worth(certificate))?;
    }
    if let Some(software) = &path.software {
        line(out, "software", software)?;
    }
    if let Some(realm) = &path.realm {
        line(out, "realm", realm)?;
    }
    if let Some(lifetime) = path.lifetime {
        line(out, "lifetime", &format!("{} s", lifetime.as_secs()))?;
    }
    if let Some(nat) = path.nat {
        let mapping = nat.mapping.map_or(UNKNOWN, |mapping| mapping.name());
        let filtering = nat.filtering.map_or(UNKNOWN, |filtering| filtering.name());
        line(out, "NAT", &format!("mapping {mapping}, filtering {filtering}"))?;
    }
    Ok(())
}

fn cause(out: &mut impl Write, cause: &Cause) -> io::Result<()> {
    line(out, "cause", &cause.to_string())?;
    cause.advice().map_or(Ok(()), |advice| line(out, "look at", advice))
}

fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<12} {}", plain(value))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

const fn worth(certificate: Certificate) -> &'static str {
    match certificate {
        Certificate::Believed => "valid",
        Certificate::NotJudged => "not judged (--insecure)",
        Certificate::Doubted(doubt) => doubt.name(),
    }
}

fn named(times: &Times) -> [(&'static str, Option<Duration>); 6] {
    let Times { connect, handshake, binding, allocate, permission, round_trip } = *times;
    [
        ("connect", connect),
        ("handshake", handshake),
        ("binding", binding),
        ("allocate", allocate),
        ("permission", permission),
        ("round_trip", round_trip),
    ]
}

/// Writes the object and a line end.
///
/// # Errors
/// Those of the writer.
pub fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let object = Object {
        schema: SCHEMA,
        tool: BTreeMap::from([("name", "turnload"), ("version", env!("CARGO_PKG_VERSION"))]),
        ok: report.exit_code() == 0,
        exit_code: report.exit_code(),
        hosts: report.hosts.iter().map(Row::of).collect(),
        uris: report.uris.iter().map(Uri::of).collect(),
        remarks: &report.remarks,
    };
    serde_json::to_writer_pretty(&mut out, &object)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[derive(Serialize)]
struct Object<'r> {
    schema: &'static str,
    tool: BTreeMap<&'static str, &'static str>,
    ok: bool,
    exit_code: u8,
    hosts: Vec<Row>,
    uris: Vec<Uri<'r>>,
    remarks: &'r [String],
}

#[derive(Serialize)]
struct Row {
    time_ms: f64,
    #[serde(rename = "type")]
    kind: &'static str,
    protocol: &'static str,
    address: String,
    port: u16,
}

impl Row {
    fn of(candidate: &Candidate) -> Self {
        Self {
            time_ms: in_millis(candidate.at),
            kind: candidate.kind.name(),
            protocol: candidate.protocol,
            address: candidate.address.ip().to_string(),
            port: candidate.address.port(),
        }
    }
}

#[derive(Serialize)]
struct Uri<'r> {
    uri: String,
    ok: bool,
    usable: bool,
    resolve_ms: Option<f64>,
    cause: Option<Why>,
    paths: Vec<Walked<'r>>,
}

impl<'r> Uri<'r> {
    fn of(uri: &'r UriReport) -> Self {
        Self {
            uri: uri.uri.to_string(),
            ok: uri.is_fine(),
            usable: uri.is_usable(),
            resolve_ms: uri.resolved.map(in_millis),
            cause: uri.cause().map(Why::of),
            paths: uri.paths.iter().map(Walked::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct Walked<'r> {
    server: String,
    transport: &'static str,
    ok: bool,
    times_ms: BTreeMap<&'static str, Option<f64>>,
    certificate: Option<&'static str>,
    realm: Option<&'r str>,
    software: Option<&'r str>,
    lifetime_s: Option<u64>,
    candidates: Vec<Row>,
    nat: Option<Behaviour>,
    remarks: &'r [String],
    cause: Option<Why>,
}

impl<'r> Walked<'r> {
    fn of(path: &'r Path) -> Self {
        Self {
            server: path.server.to_string(),
            transport: wire(path.wire),
            ok: path.failure.is_none(),
            times_ms: named(&path.times).into_iter().map(|(name, took)| (name, took.map(in_millis))).collect(),
            certificate: path.certificate.map(|certificate| match certificate {
                Certificate::Believed => "valid",
                Certificate::NotJudged => "not-judged",
                Certificate::Doubted(doubt) => doubt.name(),
            }),
            realm: path.realm.as_deref(),
            software: path.software.as_deref(),
            lifetime_s: path.lifetime.map(|lifetime| lifetime.as_secs()),
            candidates: path.candidates.iter().map(Row::of).collect(),
            nat: path.nat.map(|nat| Behaviour {
                mapping: nat.mapping.map(|mapping| mapping.name()),
                filtering: nat.filtering.map(|filtering| filtering.name()),
            }),
            remarks: &path.remarks,
            cause: path.failure.as_ref().map(Why::of),
        }
    }
}

#[derive(Serialize)]
struct Behaviour {
    mapping: Option<&'static str>,
    filtering: Option<&'static str>,
}

#[derive(Serialize)]
struct Why {
    code: &'static str,
    text: String,
    advice: Option<&'static str>,
}

impl Why {
    fn of(cause: &Cause) -> Self {
        Self { code: cause.key(), text: cause.to_string(), advice: cause.advice() }
    }
}

fn in_millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Doubt, Kind};
    use crate::uri::Wire;
    use std::net::SocketAddr;

    fn report() -> Report {
        let server = SocketAddr::from(([192, 0, 2, 1], 3478));
        let at = Duration::from_micros(12_340);
        let relay = Candidate { at, kind: Kind::Relay, protocol: "udp", address: server };
        let mut works = Path::new(server, Wire::Udp);
        works.times.allocate = Some(at);
        works.software = Some("serv\u{1b}er".to_owned());
        works.candidates.push(relay);
        let mut fails = Path::new(server, Wire::Tls);
        fails.certificate = Some(Certificate::Doubted(Doubt::Expired));
        fails.failure = Some(Cause::Certificate(Doubt::Expired, "expired in 2020".to_owned()));
        let of = |uri: &str, path| UriReport {
            uri: uri.parse().expect("a URI"),
            resolved: None,
            paths: vec![path],
            failure: None,
        };
        let uris = vec![of("turn:192.0.2.1", works), of("turns:192.0.2.1:3478", fails)];
        Report { hosts: vec![Candidate { kind: Kind::Host, ..relay }], uris, remarks: Vec::new() }
    }

    #[test]
    fn the_table_has_a_row_for_each_candidate_and_a_verdict_for_each_uri() {
        let mut bytes = Vec::new();
        text(&report(), &mut bytes).expect("a vector");
        let text = String::from_utf8(bytes).expect("text");
        let rows = text.lines().filter(|line| line.contains("192.0.2.1 ") && line.contains("12.3 ms")).count();
        assert_eq!(rows, 2, "{text}");
        assert!(text.contains("\nturn:192.0.2.1:3478: fine\n"), "{text}");
        assert!(text.contains("\nturns:192.0.2.1:3478: FAILED\n"), "{text}");
        assert!(text.contains("cause        certificate: it is expired (expired in 2020)"), "{text}");
        assert!(text.ends_with("\nVerdict: 1 of 2 fine\n") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_object_holds_verdicts_causes_and_candidates() {
        let mut bytes = Vec::new();
        json(&report(), &mut bytes).expect("a vector");
        let object: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!((&object["schema"], &object["exit_code"]), (&SCHEMA.into(), &1.into()));
        assert_eq!(object["uris"][0]["paths"][0]["candidates"][0]["type"], "relay");
        assert_eq!(object["uris"][0]["cause"], serde_json::Value::Null);
        assert_eq!(object["uris"][1]["cause"]["code"], "certificate");
        assert_eq!(object["uris"][1]["paths"][0]["certificate"], "expired");
    }
}
