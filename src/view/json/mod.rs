//! The JSON report, schema `rtcscope-report/1`.
//!
//! In: a snapshot. Out: one object, keys and rows always in the same order. Never: NaN, -1 or 0 for "unknown".

mod media;
mod sections;
mod transport;

use crate::model::snapshot::Snapshot;
use serde::{Serialize, Serializer};
use std::io;

/// Raised where a key that others read changes its meaning.
const SCHEMA: &str = "rtcscope-report/1";

/// Writes the report and a line end.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, pretty: bool, out: &mut dyn io::Write) -> io::Result<()> {
    let report = Report::of(snapshot);
    // In memory first: a call through the writer for every token would cost more than making the tokens.
    let mut text = if pretty { serde_json::to_vec_pretty(&report)? } else { serde_json::to_vec(&report)? };
    text.push(b'\n');
    out.write_all(&text)
}

/// One row of a list of the report, for a stream of rows.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<(&'static str, Vec<serde_json::Value>)> {
    fn values<T: Serialize>(rows: impl Iterator<Item = T>) -> Vec<serde_json::Value> {
        rows.filter_map(|row| serde_json::to_value(row).ok()).collect()
    }
    vec![
        ("report", values(std::iter::once(Heading::of_this_version()))),
        ("capture", values(std::iter::once(sections::Capture::of(&snapshot.capture)))),
        ("packets", values(std::iter::once(sections::Packets(&snapshot.packets)))),
        ("other", values(std::iter::once(&snapshot.other))),
        ("flow", values(snapshot.flows.iter().map(transport::Flow::of))),
        ("rtp_stream", values(snapshot.streams.iter().map(media::Stream::of))),
        ("rtcp", values(snapshot.rtcp.iter().map(media::Rtcp::of))),
        ("stun_transaction", values(snapshot.transactions.iter().map(transport::Transaction::of))),
        ("ice", values(snapshot.pairs.iter().map(transport::Pair::of))),
        ("turn_allocation", values(snapshot.allocations.iter().map(transport::Allocation::of))),
        ("dtls", values(snapshot.handshakes.iter().map(transport::Handshake::of))),
        ("session", values(sections::sessions(snapshot).into_iter())),
        ("finding", values(snapshot.findings.iter().map(sections::Finding::of))),
    ]
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    tool: Tool,
    capture: sections::Capture<'a>,
    packets: sections::Packets<'a>,
    other: &'a std::collections::BTreeMap<String, u64>,
    flows: Vec<transport::Flow<'a>>,
    rtp_streams: Vec<media::Stream<'a>>,
    rtcp: Vec<media::Rtcp<'a>>,
    stun: Stun<'a>,
    ice: Vec<transport::Pair<'a>>,
    turn: Turn<'a>,
    dtls: Vec<transport::Handshake<'a>>,
    sessions: Vec<sections::Session<'a>>,
    findings: Vec<sections::Finding<'a>>,
}

/// What a stream of rows begins with, so that its reader knows what comes.
#[derive(Serialize)]
struct Heading {
    schema: &'static str,
    tool: Tool,
}

impl Heading {
    const fn of_this_version() -> Self {
        Self { schema: SCHEMA, tool: Tool::this_version() }
    }
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

impl Tool {
    const fn this_version() -> Self {
        Self { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }
    }
}

#[derive(Serialize)]
struct Stun<'a> {
    transactions: Vec<transport::Transaction<'a>>,
}

#[derive(Serialize)]
struct Turn<'a> {
    allocations: Vec<transport::Allocation<'a>>,
}

impl<'a> Report<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            schema: SCHEMA,
            tool: Tool::this_version(),
            capture: sections::Capture::of(&snapshot.capture),
            packets: sections::Packets(&snapshot.packets),
            other: &snapshot.other,
            flows: snapshot.flows.iter().map(transport::Flow::of).collect(),
            rtp_streams: snapshot.streams.iter().map(media::Stream::of).collect(),
            rtcp: snapshot.rtcp.iter().map(media::Rtcp::of).collect(),
            stun: Stun { transactions: snapshot.transactions.iter().map(transport::Transaction::of).collect() },
            ice: snapshot.pairs.iter().map(transport::Pair::of).collect(),
            turn: Turn { allocations: snapshot.allocations.iter().map(transport::Allocation::of).collect() },
            dtls: snapshot.handshakes.iter().map(transport::Handshake::of).collect(),
            sessions: sections::sessions(snapshot),
            findings: snapshot.findings.iter().map(sections::Finding::of).collect(),
        }
    }
}

/// A number rounded to six decimals: nanoseconds of a millisecond, and no tail of binary fractions.
#[derive(Clone, Copy)]
struct Rounded(f64);

impl Serialize for Rounded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.is_finite() {
            return serializer.serialize_none();
        }
        let rounded = (self.0 * 1e6).round() / 1e6;
        // Both zeros are one to a reader.
        serializer.serialize_f64(if rounded == 0.0 { 0.0 } else { rounded })
    }
}

/// Anything by its `Display`.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn ssrc(number: u32) -> Text<crate::model::snapshot::Ssrc> {
    Text(crate::model::snapshot::Ssrc(number))
}
