//! The JSON of a comparison, schema `rtcscope-diff/1`.
//!
//! In: what was compared and what it came to. Out: one object, keys always in the same order. Never: NaN, or 0 for "unknown".

use super::{Outcome, Subject};
use crate::compare::{
    Basis, DirectionBy, Heading, Judged, Judgement, Lone, Mode, OtherPackets, Path, PathStream, RunStream, Runs,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::io;

#[derive(Serialize)]
struct Report<'r> {
    schema: &'static str,
    tool: Value,
    a: &'r str,
    b: &'r str,
    mode: &'static str,
    decided_by: &'r str,
    path: Option<Value>,
    runs: Option<Value>,
}

/// Writes it, and a line end.
///
/// # Errors
/// Those of the writer.
pub fn write(subject: &Subject<'_>, outcome: &Outcome<'_>, pretty: bool, out: &mut dyn io::Write) -> io::Result<()> {
    let (path, runs) = match outcome {
        Outcome::Path(path) => (Some(path_value(path)), None),
        Outcome::Runs(runs) => (None, Some(runs_value(runs))),
    };
    let report = Report {
        schema: "rtcscope-diff/1",
        tool: json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")}),
        a: subject.a,
        b: subject.b,
        mode: match subject.decision.mode {
            Mode::Path => "path",
            Mode::Runs => "runs",
        },
        decided_by: &subject.decision.why,
        path,
        runs,
    };
    if pretty {
        serde_json::to_writer_pretty(&mut *out, &report)?;
    } else {
        serde_json::to_writer(&mut *out, &report)?;
    }
    out.write_all(b"\n")
}

/// Nanoseconds as milliseconds; both are exact to six decimals.
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

fn path_value(path: &Path) -> Value {
    let clock = path.clock;
    json!({
        "clock": {
            "b_ahead_ms": clock.map(|clock| millis(clock.nanos)),
            "basis": clock.map(|clock| match clock.basis {
                Basis::BothWays => "both-ways",
                Basis::OneWay => "one-way",
            }),
            "round_trip_floor_ms": clock.and_then(|clock| clock.round_trip_nanos).map(millis),
            "change_ms": clock.and_then(|clock| clock.change_nanos).map(millis),
        },
        "streams": path.streams.iter().map(stream).collect::<Vec<_>>(),
        "others": path.others.iter().map(other).collect::<Vec<_>>(),
        "only_a": path.only_a.iter().map(lone).collect::<Vec<_>>(),
        "only_b": path.only_b.iter().map(lone).collect::<Vec<_>>(),
        "not_compared": path.not_compared,
    })
}

fn stream(stream: &PathStream) -> Value {
    let passage = &stream.passage;
    json!({
        "a": stream.a,
        "b": stream.b,
        "ssrc": format!("0x{:08x}", stream.ssrc),
        "kind": stream.kind,
        "codec": stream.codec,
        "src": stream.src,
        "dst": stream.dst,
        "direction": match stream.heading {
            Heading::AToB => "a-to-b",
            Heading::BToA => "b-to-a",
        },
        "direction_by": match stream.heading_by {
            DirectionBy::Delay => "delay",
            DirectionBy::Hops => "hops",
            DirectionBy::Assumed => "assumed",
        },
        "matched": passage.matched,
        "lost": passage.lost,
        "lost_pct": passage.lost_pct.map(|percent| (percent * 1e6).round() / 1e6),
        "lost_frames": passage.lost_frames,
        "extra": passage.extra,
        "outside": passage.outside,
        "reordered": passage.reordered,
        "delay_ms": {
            "min": passage.delay.map(|delay| millis(delay.min)),
            "p50": passage.delay.map(|delay| millis(delay.p50)),
            "p99": passage.delay.map(|delay| millis(delay.p99)),
            "max": passage.delay.map(|delay| millis(delay.max)),
        },
        "hops": passage.hops,
    })
}

fn other(row: &OtherPackets) -> Value {
    json!({"class": row.class, "matched": row.matched, "only_a": row.only_a, "only_b": row.only_b})
}

fn lone(row: &Lone) -> Value {
    json!({
        "id": row.id, "ssrc": format!("0x{:08x}", row.ssrc), "src": row.src, "dst": row.dst, "packets": row.packets,
    })
}

const fn word(judgement: Judgement) -> Option<&'static str> {
    match judgement {
        Judgement::Better => Some("better"),
        Judgement::Worse => Some("worse"),
        Judgement::Same => Some("same"),
        Judgement::Unjudged => None,
    }
}

fn runs_value(runs: &Runs) -> Value {
    let findings = runs.findings.iter().map(|finding| {
        json!({
            "code": finding.code, "severity": finding.severity, "a": finding.a, "b": finding.b,
            "judgement": word(finding.judgement),
        })
    });
    json!({
        "verdict": runs.verdict(),
        "better": runs.better,
        "worse": runs.worse,
        "figures": runs.figures.iter().map(figure).collect::<Vec<_>>(),
        "streams": runs.streams.iter().map(run_stream).collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn figure(figure: &Judged) -> Value {
    let rounded = |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| (value * 1e6).round() / 1e6);
    json!({
        "name": figure.name,
        "unit": Some(figure.unit).filter(|unit| !unit.is_empty()),
        "a": rounded(figure.a),
        "b": rounded(figure.b),
        "tolerance": rounded(figure.tolerance),
        "judgement": word(figure.judgement),
    })
}

fn run_stream(stream: &RunStream) -> Value {
    json!({
        "a": stream.a,
        "b": stream.b,
        "kind": stream.kind,
        "codec": stream.codec,
        "direction": stream.direction,
        "number": stream.number,
        "judgement": word(stream.judgement),
        "figures": stream.figures.iter().map(figure).collect::<Vec<_>>(),
    })
}
