//! The JSON report, schema `rtcscope-report/1`.
//!
//! In: a snapshot. Out: one object, keys and rows always in the same order. Never: NaN, -1 or 0 for "unknown".

mod dtls;
mod media;
mod sections;
mod sessions;
mod transport;
mod turn;

use crate::model::finding::Finding;
use crate::model::snapshot::{
    AllocationRow, FlowRow, HandshakeRow, PairRow, RtcpRow, Snapshot, StreamRow, TransactionRow,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
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

/// The report as a value: for who asks it questions.
///
/// # Errors
/// That of a row that cannot be made.
pub fn value(snapshot: &Snapshot) -> serde_json::Result<Value> {
    serde_json::to_value(Report::of(snapshot))
}

/// A row of the report's findings.
///
/// # Errors
/// That of a row that cannot be made.
pub(super) fn finding(finding: &Finding) -> serde_json::Result<Value> {
    serde_json::to_value(sections::Finding::of(finding))
}

/// Takes the rows of a stream of rows, one at a time, each with its kind.
pub(super) type RowSink<'s> = dyn FnMut(&'static str, Value) -> io::Result<()> + 's;

/// Hands on the rows of the report's lists, each made when the one before it has been taken.
///
/// # Errors
/// Those of the sink, behind which no row follows, and that of a row that cannot be made.
pub(super) fn each_row(snapshot: &Snapshot, sink: &mut RowSink<'_>) -> io::Result<()> {
    fn each<T: Serialize>(
        kind: &'static str,
        rows: impl IntoIterator<Item = T>,
        sink: &mut RowSink<'_>,
    ) -> io::Result<()> {
        rows.into_iter().try_for_each(|row| sink(kind, serde_json::to_value(row)?))
    }
    each("report", [Heading::of_this_version()], sink)?;
    each("capture", [sections::Capture::of(&snapshot.capture)], sink)?;
    each("packets", [sections::Packets(&snapshot.packets)], sink)?;
    each("other", [&snapshot.other], sink)?;
    each("flow", snapshot.flows.iter().map(transport::Flow::of), sink)?;
    each("rtp_stream", snapshot.streams.iter().map(media::Stream::of), sink)?;
    each("rtcp", snapshot.rtcp.iter().map(media::Rtcp::of), sink)?;
    each("stun_transaction", snapshot.transactions.iter().map(transport::Transaction::of), sink)?;
    each("ice", snapshot.pairs.iter().map(transport::Pair::of), sink)?;
    each("turn_allocation", snapshot.allocations.iter().map(turn::Allocation::of), sink)?;
    each("dtls", snapshot.handshakes.iter().map(dtls::Handshake::of), sink)?;
    each("session", sessions::sessions(snapshot), sink)?;
    each("finding", snapshot.findings.iter().map(sections::Finding::of), sink)
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
    dtls: Rows<'a, HandshakeRow, dtls::Handshake<'a>>,
    sessions: Sessions<'a>,
    findings: Rows<'a, Finding, sections::Finding<'a>>,
}

/// The rows of a list, each made when it is written: all at once they would fill the memory a second time.
struct Rows<'a, T, R>(&'a [T], fn(&'a T) -> R);

impl<T, R: Serialize> Serialize for Rows<'_, T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

/// The same for sessions, whose rows have their number.
struct Sessions<'a>(&'a Snapshot);

impl Serialize for Sessions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sessions::sessions(self.0))
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
    allocations: Rows<'a, AllocationRow, turn::Allocation<'a>>,
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
            turn: Turn { allocations: Rows(&snapshot.allocations, turn::Allocation::of) },
            dtls: Rows(&snapshot.handshakes, dtls::Handshake::of),
            sessions: Sessions(snapshot),
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
