//! A first file of expectations for a report: what it shows, with room for the next run.
//!
//! In: a report. Out: TOML that the same report fulfils. Never: a figure of the report as it is where it changes from run to
//! run.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Sessions that get a line each.
const SESSIONS: usize = 10;

/// The text of the file; `source` names the capture.
pub fn first_file(report: &Value, source: &str) -> String {
    let mut file = File::default();
    file.comment(&format!("What a capture has to show, made from {}", visible(source)));
    file.comment("by `rtcscope check --write`. Figures that change from run to run have room above or below what was");
    file.comment("seen, which stands behind them; make it narrower or wider, and delete what does not matter.");
    file.comment("");
    file.comment("rtcscope check CAPTURE --expect THIS_FILE    exit code 0: all hold, 1: one does not");
    findings(report, &mut file);
    streams(report, &mut file);
    turn(report, &mut file);
    ice_and_dtls(report, &mut file);
    sessions(report, &mut file);
    file.text
}

#[derive(Default)]
struct File {
    text: String,
}

impl File {
    fn comment(&mut self, comment: &str) {
        self.line(format!("# {comment}").trim_end());
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn assertion(&mut self, name: &str, selector: Option<&str>, expressions: &[(String, String)]) {
        if expressions.is_empty() {
            return;
        }
        self.line("\n[[assert]]");
        self.line(&format!("name = {}", quoted(name)));
        if let Some(selector) = selector {
            self.line(&format!("for_each = {}", quoted(selector)));
        }
        self.line("expr = [");
        for (expression, seen) in expressions {
            let note = if seen.is_empty() { String::new() } else { format!("  # {}", visible(seen)) };
            self.line(&format!("  {},{note}", quoted(expression)));
        }
        self.line("]");
    }
}

fn findings(report: &Value, file: &mut File) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for finding in rows(report, &["findings"]) {
        let (severity, code) = (text(finding, "severity"), text(finding, "code"));
        if severity != "info" {
            *counts.entry((severity, code)).or_default() += 1;
        }
    }
    let mut expressions = Vec::new();
    for severity in ["error", "warning"] {
        let of_severity = || counts.iter().filter(|((other, _), _)| *other == severity);
        let total: usize = of_severity().map(|(_, count)| count).sum();
        expressions.push((format!("findings.{severity} == {total}"), String::new()));
        for ((_, code), count) in of_severity() {
            expressions.push((format!("findings.code[{code}] == {count}"), String::new()));
        }
    }
    file.assertion("what deserves attention", None, &expressions);
}

fn streams(report: &Value, file: &mut File) {
    let mut groups: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for stream in rows(report, &["rtp_streams"]) {
        groups.entry((text(stream, "kind"), text(stream, "codec"))).or_default().push(stream);
    }
    for ((kind, codec), streams) in groups {
        let name = if kind.is_empty() { "streams of unknown kind".to_owned() } else { format!("{kind} {codec}") };
        let kind = if kind.is_empty() { "kind=null".to_owned() } else { format!("kind={kind}") };
        let selector = match codec {
            "" => format!("rtp_streams[{kind}, codec=null]"),
            codec if !codec.contains(|c: char| c == '\'' || c.is_control()) => {
                format!("rtp_streams[{kind}, codec='{codec}']")
            }
            // A name that cannot be written between quotes.
            _ => continue,
        };
        let count = streams.len();
        file.assertion(
            &format!("{}: how many", name.trim()),
            None,
            &[(format!("{selector}.count == {count}"), String::new())],
        );
        let mut expressions = Vec::new();
        let mut least = |key: &str, part: f64| {
            if let Some((least, _)) = ends(&streams, key) {
                expressions.push((format!("{key} >= {}", down(least * part)), format!("{least} at least")));
            }
        };
        least("packets", 0.8);
        least("bitrate_bps.mean", 0.7);
        let mut most = |key: &str, times: f64, plus: f64| {
            if let Some((_, most)) = ends(&streams, key) {
                expressions.push((format!("{key} <= {}", up(most * times + plus)), format!("{most} at most")));
            }
        };
        most("lost_pct", 1.5, 0.5);
        most("jitter_ms.p95", 1.5, 2.0);
        most("delta_ms.max", 2.0, 20.0);
        file.assertion(&format!("{}: each", name.trim()), Some(&selector), &expressions);
    }
}

fn turn(report: &Value, file: &mut File) {
    let allocations = rows(report, &["turn", "allocations"]);
    let mut expressions = counted("turn.allocations", "ended", allocations);
    let granted: Vec<&Value> = allocations.iter().filter(|row| at(row, "setup_ms").is_some()).collect();
    if let Some((_, most)) = ends(&granted, "setup_ms") {
        let expression = format!("turn.allocations[setup_ms!=null].setup_ms <= {}", up(most * 2.0 + 50.0));
        expressions.push((expression, format!("{most} at most")));
    }
    file.assertion("TURN allocations", None, &expressions);
}

fn ice_and_dtls(report: &Value, file: &mut File) {
    let pairs = rows(report, &["ice"]);
    let nominated = pairs.iter().filter(|pair| text(pair, "state") == "nominated").count();
    let mut expressions = Vec::new();
    if !pairs.is_empty() {
        expressions.push((format!("ice[state=nominated].count == {nominated}"), String::new()));
    }
    if nominated > 0 {
        let missed = pairs.iter().filter(|pair| text(pair, "state") == "nominated");
        let missed = missed.filter_map(|pair| at(pair, "consent.missed")).fold(0.0, f64::max);
        expressions.push((format!("ice[state=nominated].consent.missed <= {}", up(missed)), String::new()));
    }
    file.assertion("ICE", None, &expressions);
    let handshakes = rows(report, &["dtls"]);
    let mut expressions = counted("dtls", "state", handshakes);
    for key in ["version", "sdp_fingerprint"] {
        let first = handshakes.first().map(|row| text(row, key)).unwrap_or_default();
        if !first.is_empty() && handshakes.iter().all(|row| text(row, key) == first) {
            expressions.push((format!("dtls.{key} == '{first}'"), String::new()));
        }
    }
    file.assertion("DTLS", None, &expressions);
}

fn sessions(report: &Value, file: &mut File) {
    let sessions = rows(report, &["sessions"]);
    let mut expressions = Vec::new();
    if !sessions.is_empty() {
        expressions.push((format!("sessions.count == {}", sessions.len()), String::new()));
    }
    for (index, session) in sessions.iter().enumerate().take(SESSIONS) {
        expressions.push((format!("sessions[{index}].state == {}", text(session, "state")), String::new()));
        for key in ["setup_ms", "setup_ms.total"] {
            if let Some(seen) = at(session, key) {
                let expression = format!("sessions[{index}].{key} <= {}", up(seen * 2.0 + 100.0));
                expressions.push((expression, format!("{seen}")));
            }
        }
    }
    file.assertion("sessions", None, &expressions);
}

/// How many there are, and how many of each state.
fn counted(path: &str, key: &str, rows: &[Value]) -> Vec<(String, String)> {
    let mut expressions = Vec::new();
    if rows.is_empty() {
        return expressions;
    }
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *states.entry(text(row, key)).or_default() += 1;
    }
    expressions.push((format!("{path}.count == {}", rows.len()), String::new()));
    for (state, count) in states.iter().filter(|(state, _)| !state.is_empty()) {
        expressions.push((format!("{path}[{key}={state}].count == {count}"), String::new()));
    }
    expressions
}

fn rows<'r>(report: &'r Value, keys: &[&str]) -> &'r [Value] {
    let found = keys.iter().try_fold(report, |value, key| value.get(key));
    found.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'r>(row: &'r Value, key: &str) -> &'r str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn at(row: &Value, path: &str) -> Option<f64> {
    path.split('.').try_fold(row, |value, key| value.get(key))?.as_f64()
}

/// The smallest and the largest; none where one is unknown.
fn ends(rows: &[&Value], path: &str) -> Option<(f64, f64)> {
    let values = rows.iter().map(|row| at(row, path)).collect::<Option<Vec<f64>>>()?;
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    Some((least, most))
}

/// Two digits that are not smaller.
fn up(value: f64) -> String {
    rounded(value, f64::ceil)
}

/// Two digits that are not larger.
fn down(value: f64) -> String {
    rounded(value, f64::floor)
}

fn rounded(value: f64, round: impl Fn(f64) -> f64) -> String {
    if value <= 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let digits = value.log10().floor() as i32 - 1;
    let scale = 10_f64.powi(digits.abs());
    // Multiplied or divided by a whole number, so that no tail of binary fractions shows.
    if digits < 0 { (round(value * scale) / scale).to_string() } else { (round(value / scale) * scale).to_string() }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if c.is_control() => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
