//! The JSON report, schema `rtcscope-report/1`.
//!
//! In: a snapshot. Out: one object, keys and rows always in the same order. Never: NaN, -1 or 0 for "unknown".

mod media;
mod sections;
mod transport;

use crate::model::finding::Finding;
use crate::model::snapshot::{
    AllocationRow, FlowRow, HandshakeRow, PairRow, RtcpRow, Snapshot, StreamRow, TransactionRow,
};
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// Bytes of the report that are written at once.
const BUFFER: usize = 1 << 16;

/// Raised where a key that others read changes its meaning.
const SCHEMA: &str = "rtcscope-report/1";

/// Writes the report and a line end.
///
/// # Errors
/// Those of the writer.
pub fn write(snapshot: &Snapshot, pretty: bool, out: &mut dyn Write) -> io::Result<()> {
    let report = Report::of(snapshot);
    // A call through `dyn` for every token would cost more than making the tokens.
    let mut out = io::BufWriter::with_capacity(BUFFER, out);
    if pretty {
        serde_json::to_writer_pretty(&mut out, &report)?;
    } else {
        serde_json::to_writer(&mut out, &report)?;
    }
    out.write_all(b"\n")?;
    out.flush()
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
    flows: Rows<'a, FlowRow, transport::Flow<'a>>,
    rtp_streams: Rows<'a, StreamRow, media::Stream<'a>>,
    rtcp: Rows<'a, RtcpRow, media::Rtcp<'a>>,
    stun: Stun<'a>,
    ice: Rows<'a, PairRow, transport::Pair<'a>>,
    turn: Turn<'a>,
    dtls: Rows<'a, HandshakeRow, transport::Handshake<'a>>,
    sessions: Vec<sections::Session<'a>>,
    findings: Rows<'a, Finding, sections::Finding<'a>>,
}

/// The rows of a list, each made when it is written: all at once they would fill the memory a second time.
struct Rows<'a, T, R>(&'a [T], fn(&'a T) -> R);

impl<T, R: Serialize> Serialize for Rows<'_, T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
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
    transactions: Rows<'a, TransactionRow, transport::Transaction<'a>>,
}

#[derive(Serialize)]
struct Turn<'a> {
    allocations: Rows<'a, AllocationRow, transport::Allocation<'a>>,
}

impl<'a> Report<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            schema: SCHEMA,
            tool: Tool::this_version(),
            capture: sections::Capture::of(&snapshot.capture),
            packets: sections::Packets(&snapshot.packets),
            other: &snapshot.other,
            flows: Rows(&snapshot.flows, transport::Flow::of),
            rtp_streams: Rows(&snapshot.streams, media::Stream::of),
            rtcp: Rows(&snapshot.rtcp, media::Rtcp::of),
            stun: Stun { transactions: Rows(&snapshot.transactions, transport::Transaction::of) },
            ice: Rows(&snapshot.pairs, transport::Pair::of),
            turn: Turn { allocations: Rows(&snapshot.allocations, transport::Allocation::of) },
            dtls: Rows(&snapshot.handshakes, transport::Handshake::of),
            sessions: sections::sessions(snapshot),
            findings: Rows(&snapshot.findings, sections::Finding::of),
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
