//! Two runs of one scenario: what got better or worse.
//!
//! In: both reports. Out: [`Runs`]. Never: a judgement on a figure that one of them does not know.

use super::runs_figures::{Better, Figure, RUN, STREAM};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Better or worse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Judgement {
    /// B is better than A.
    Better,
    /// B is worse than A.
    Worse,
    /// Within the tolerance.
    Same,
    /// One of them does not know it, or neither way is better.
    Unjudged,
}

/// A figure of both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What it is.
    pub name: &'static str,
    /// Its unit; empty for a count.
    pub unit: &'static str,
    /// Of A.
    pub a: Option<f64>,
    /// Of B.
    pub b: Option<f64>,
    /// Changes up to this are none; none where it is not judged.
    pub tolerance: Option<f64>,
    /// What it comes to.
    pub judgement: Judgement,
}

/// A stream of both runs, or of one.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStream {
    /// `audio`, `video`; none where nothing tells.
    pub kind: Option<String>,
    /// The codec, or the payload types.
    pub codec: String,
    /// From where to where: addresses where both runs have the same, else hosts by their first stream.
    pub direction: String,
    /// Its number among those that are alike, from 1.
    pub number: usize,
    /// Its id in A.
    pub a: Option<String>,
    /// Its id in B.
    pub b: Option<String>,
    /// Of both; empty where only one has it.
    pub figures: Vec<Judged>,
    /// A stream of audio or video that B lacks is worse; otherwise what its figures come to.
    pub judgement: Judgement,
}

/// Findings of one code.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingChange {
    /// The code.
    pub code: String,
    /// `error`, `warning`, `info`.
    pub severity: String,
    /// How many in A.
    pub a: u64,
    /// How many in B.
    pub b: u64,
    /// Infos are not judged.
    pub judgement: Judgement,
}

/// The whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// In the order of A, then those that only B has.
    pub streams: Vec<RunStream>,
    /// Of the whole run; those that neither knows are left out.
    pub figures: Vec<Judged>,
    /// Those whose number changed, by code.
    pub findings: Vec<FindingChange>,
    /// How many things got better, and worse.
    pub better: usize,
    /// How many got worse.
    pub worse: usize,
}

impl Runs {
    pub(super) fn of(a: &Value, b: &Value) -> Self {
        let streams = streams(a, b);
        let figures: Vec<Judged> =
            judged(RUN, a, b).into_iter().filter(|figure| figure.a.is_some() || figure.b.is_some()).collect();
        let findings = findings(a, b);
        let of_streams = streams.iter().flat_map(|stream| {
            let alone = stream.figures.is_empty().then_some(stream.judgement);
            stream.figures.iter().map(|figure| figure.judgement).chain(alone)
        });
        let all: Vec<Judgement> = of_streams
            .chain(figures.iter().map(|figure| figure.judgement))
            .chain(findings.iter().map(|finding| finding.judgement))
            .collect();
        let count = |wanted| all.iter().filter(|judgement| **judgement == wanted).count();
        let (better, worse) = (count(Judgement::Better), count(Judgement::Worse));
        Self { streams, figures, findings, better, worse }
    }

    /// In a word.
    pub const fn verdict(&self) -> &'static str {
        match (self.better, self.worse) {
            (0, 0) => "same",
            (_, 0) => "better",
            (0, _) => "worse",
            _ => "mixed",
        }
    }
}

fn judged(figures: &[Figure], a: &Value, b: &Value) -> Vec<Judged> {
    let judge = |figure: &Figure| {
        let (of_a, of_b) = (figure.of(a), figure.of(b));
        let tolerance = of_a.zip(of_b).filter(|_| figure.better != Better::Neither);
        let tolerance = tolerance.map(|(a, b)| figure.absolute.max(figure.relative * a.abs().max(b.abs())));
        let judgement = match (of_a, of_b, tolerance) {
            (Some(a), Some(b), Some(tolerance)) if (b - a).abs() <= tolerance => Judgement::Same,
            (Some(a), Some(b), Some(_)) if (b > a) == (figure.better == Better::More) => Judgement::Better,
            (Some(_), Some(_), Some(_)) => Judgement::Worse,
            _ => Judgement::Unjudged,
        };
        Judged { name: figure.name, unit: figure.unit, a: of_a, b: of_b, tolerance, judgement }
    };
    figures.iter().map(judge).collect()
}

/// What a stream is matched by.
type Name = (String, String, String);

fn streams(a: &Value, b: &Value) -> Vec<RunStream> {
    let by_address = hosts(a).into_iter().collect::<BTreeSet<_>>() == hosts(b).into_iter().collect::<BTreeSet<_>>();
    let (of_a, of_b) = (named(a, by_address), named(b, by_address));
    let mut places_b: BTreeMap<&Name, Vec<&Value>> = BTreeMap::new();
    of_b.iter().for_each(|(name, row)| places_b.entry(name).or_default().push(row));
    let mut numbers: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut streams = Vec::new();
    for (name, row) in &of_a {
        let number = numbers.entry(name).or_default();
        let other = places_b.get(name).and_then(|rows| rows.get(*number)).copied();
        *number += 1;
        streams.push(stream(name, *number, Some(row), other));
    }
    for (name, rows) in places_b {
        let matched = numbers.get(name).copied().unwrap_or(0);
        let alone = (1..).zip(rows).skip(matched);
        streams.extend(alone.map(|(number, row)| stream(name, number, None, Some(row))));
    }
    streams
}

fn stream((kind, codec, direction): &Name, number: usize, a: Option<&Value>, b: Option<&Value>) -> RunStream {
    let figures = match (a, b) {
        (Some(a), Some(b)) => judged(STREAM, a, b),
        _ => Vec::new(),
    };
    let is_media = matches!(kind.as_str(), "audio" | "video");
    let has = |wanted| figures.iter().any(|figure| figure.judgement == wanted);
    let judgement = match (a, b) {
        (Some(_), Some(_)) if has(Judgement::Worse) => Judgement::Worse,
        (Some(_), Some(_)) if has(Judgement::Better) => Judgement::Better,
        (Some(_), Some(_)) => Judgement::Same,
        (Some(_), None) if is_media => Judgement::Worse,
        (None, Some(_)) if is_media => Judgement::Better,
        _ => Judgement::Unjudged,
    };
    let id = |row: Option<&Value>| row.and_then(|row| row.get("id")?.as_str()).map(str::to_owned);
    RunStream {
        kind: (!kind.is_empty()).then(|| kind.clone()),
        codec: codec.clone(),
        direction: direction.clone(),
        number,
        a: id(a),
        b: id(b),
        figures,
        judgement,
    }
}

/// Hosts of the streams in order of their first one.
fn hosts(report: &Value) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for row in rows(report) {
        for end in ["src", "dst"] {
            let host = host(row, end);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

fn named(report: &Value, by_address: bool) -> Vec<(Name, &Value)> {
    let hosts = hosts(report);
    let shown = |host: String| match hosts.iter().position(|known| *known == host) {
        Some(at) if !by_address => format!("host {}", at + 1),
        _ => host,
    };
    let name = |row: &Value| {
        let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let types = row.get("payload_types").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let types: Vec<String> = types.iter().map(Value::to_string).collect();
        let codec = Some(word("codec")).filter(|codec| !codec.is_empty());
        let codec = codec.unwrap_or_else(|| format!("PT{}", types.join(",")));
        (word("kind"), codec, format!("{} → {}", shown(host(row, "src")), shown(host(row, "dst"))))
    };
    rows(report).iter().map(|row| (name(row), row)).collect()
}

fn rows(report: &Value) -> &[Value] {
    report.get("rtp_streams").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The address without its port.
fn host(row: &Value, end: &str) -> String {
    let end = row.get(end).and_then(Value::as_str).unwrap_or_default();
    end.rsplit_once(':').map_or(end, |(host, _)| host).trim_matches(['[', ']']).to_owned()
}

fn findings(a: &Value, b: &Value) -> Vec<FindingChange> {
    let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (report, is_a) in [(a, true), (b, false)] {
        let rows = report.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for row in rows {
            let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (of_a, of_b) = counts.entry((word("code"), word("severity"))).or_default();
            *(if is_a { of_a } else { of_b }) += 1;
        }
    }
    let changed = counts.into_iter().filter(|(_, (a, b))| a != b);
    changed
        .map(|((code, severity), (a, b))| {
            let judgement = match severity.as_str() {
                "info" => Judgement::Unjudged,
                _ if b > a => Judgement::Worse,
                _ => Judgement::Better,
            };
            FindingChange { code, severity, a, b, judgement }
        })
        .collect()
}
