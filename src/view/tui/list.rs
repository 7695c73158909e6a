//! What the tables of the dashboard have in them.
//!
//! In: a snapshot, and numbers of rows. Out: the report's own tables of these rows, and what a row is called. Never: all rows
//! formatted where a screen shows twenty.

mod known;
mod streams;

use super::action::Screen;
use crate::model::snapshot::{Finding, FlowRow, ReportPoint, RtcpRow, Snapshot, StreamRow};
use crate::view::text::figures::{UNKNOWN, count, decimal};
use crate::view::text::index::Index;
use crate::view::text::rtcp::percent;
use crate::view::text::sessions::Most;
use crate::view::text::{Cell, Column, Ink, Table, dtls, findings, flows, ice, media, sessions, turn};
pub(super) use known::Known;
use std::cell::OnceCell;
use std::sync::Arc;

/// Parts of a row that are told below its table.
const PARTS: usize = 64;

const FINDINGS: [Column; 5] = [
    Column::left("severity", 0),
    Column::left("code", 0).least(16),
    Column::left("about", 0),
    Column::right("frame", 1),
    Column::left("summary", 2).least(24),
];

const REPORTS: [Column; 11] = [
    Column::right("time s", 0),
    Column::right("frame", 0),
    Column::left("flow", 6),
    Column::left("about SSRC", 5),
    Column::left("by SSRC", 4),
    Column::right("%", 0).group("reported lost"),
    Column::right("sum", 0).group("reported lost"),
    Column::right("on the wire", 0),
    Column::right("highest seq", 3),
    Column::right("jitter ms", 0),
    Column::right("RTT ms", 0),
];

/// A table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub(super) enum List {
    Streams,
    Reports,
    Sessions,
    Allocations,
    Pairs,
    Handshakes,
    Findings,
    Flows,
}

/// A snapshot, and what is looked up in it.
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The stream that reports are about; none where there is no stream, and all are shown.
    pub(super) stream: Option<&'a StreamRow>,
    pub(super) known: Arc<Known>,
    /// Rows show how they went over time.
    pub(super) has_course: bool,
    index: OnceCell<Index<'a>>,
    reports: OnceCell<Vec<(&'a RtcpRow, &'a ReportPoint)>>,
}

impl<'a> Seen<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, stream: Option<&'a StreamRow>, known: Arc<Known>) -> Self {
        Self { snapshot, stream, known, has_course: true, index: OnceCell::new(), reports: OnceCell::new() }
    }

    fn index(&self) -> &Index<'a> {
        self.index.get_or_init(|| Index::of(self.snapshot))
    }

    /// Every report block about the stream, in capture order.
    pub(super) fn reports(&self) -> &[(&'a RtcpRow, &'a ReportPoint)] {
        self.reports.get_or_init(|| {
            let wanted = |point: &&ReportPoint| self.stream.is_none_or(|stream| point.about.0 == stream.ssrc);
            let all = self.snapshot.rtcp.iter();
            let mut found: Vec<_> =
                all.flat_map(|row| row.sender.reports.iter().filter(wanted).map(move |point| (row, point))).collect();
            found.sort_by_key(|(_, point)| (point.frame, point.about));
            found
        })
    }
}

impl List {
    /// All.
    pub(super) const ALL: [List; 8] = [
        List::Streams,
        List::Reports,
        List::Sessions,
        List::Allocations,
        List::Pairs,
        List::Handshakes,
        List::Findings,
        List::Flows,
    ];

    /// The one that a screen shows; `paths` is the one that is in front on the screen of TURN, ICE and DTLS.
    pub(super) const fn on(screen: Screen, paths: List) -> Option<Self> {
        match screen {
            Screen::Overview | Screen::Stream | Screen::Sdp => None,
            Screen::Streams => Some(List::Streams),
            Screen::Reports => Some(List::Reports),
            Screen::Sessions => Some(List::Sessions),
            Screen::Turn => Some(paths),
            Screen::Findings => Some(List::Findings),
            Screen::Flows => Some(List::Flows),
        }
    }

    /// Its title.
    pub(super) const fn name(self) -> &'static str {
        match self {
            List::Streams => "Media streams",
            List::Reports => "RTCP reports",
            List::Sessions => "Sessions",
            List::Allocations => "TURN allocations",
            List::Pairs => "ICE pairs",
            List::Handshakes => "DTLS handshakes",
            List::Findings => "Findings",
            List::Flows => "Flows",
        }
    }

    /// Lines above its rows.
    pub(super) const fn heads(self) -> usize {
        match self {
            List::Streams | List::Reports | List::Pairs => 2,
            _ => 1,
        }
    }

    pub(super) fn len(self, seen: &Seen<'_>) -> usize {
        let snapshot = seen.snapshot;
        match self {
            List::Streams => snapshot.streams.len(),
            List::Reports => seen.reports().len(),
            List::Sessions => snapshot.sessions.len(),
            List::Allocations => snapshot.allocations.len(),
            List::Pairs => snapshot.pairs.len(),
            List::Handshakes => snapshot.handshakes.len(),
            List::Findings => snapshot.findings.len(),
            List::Flows => snapshot.flows.len(),
        }
    }

    /// What tells a row from all others, now and in the next snapshot.
    pub(super) fn id(self, seen: &Seen<'_>, row: usize) -> Option<String> {
        let snapshot = seen.snapshot;
        match self {
            List::Streams => snapshot.streams.get(row).map(|row| row.id.clone()),
            List::Reports => seen.reports().get(row).map(|(_, point)| format!("{} {}", point.frame, point.about)),
            List::Sessions => snapshot.sessions.get(row).map(|_| format!("s{}", row + 1)),
            List::Allocations => snapshot.allocations.get(row).map(|row| row.id.clone()),
            List::Pairs => snapshot.pairs.get(row).map(|row| row.id.clone()),
            List::Handshakes => snapshot.handshakes.get(row).map(|row| row.id.clone()),
            List::Findings => snapshot.findings.get(row).map(finding_id),
            List::Flows => snapshot.flows.get(row).map(|row| row.id.clone()),
        }
    }

    /// The flow that a row is on.
    pub(super) fn flow(self, snapshot: &Snapshot, row: usize) -> Option<&str> {
        match self {
            List::Streams => snapshot.streams.get(row).map(|row| row.flow.as_str()),
            List::Allocations => snapshot.allocations.get(row).map(|row| row.flow.as_str()),
            List::Pairs => snapshot.pairs.get(row).map(|row| row.flow.as_str()),
            List::Handshakes => snapshot.handshakes.get(row).map(|row| row.flow.as_str()),
            List::Flows => snapshot.flows.get(row).map(|row| row.id.as_str()),
            List::Reports | List::Sessions | List::Findings => None,
        }
    }

    /// The table of these rows.
    pub(super) fn table(self, seen: &Seen<'_>, rows: &[usize]) -> Table {
        let snapshot = seen.snapshot;
        match self {
            List::Streams => streams::table(seen, &some(&snapshot.streams, rows)),
            List::Reports => reports(seen, rows),
            List::Sessions => {
                let rows = rows.iter().filter_map(|at| Some((*at, snapshot.sessions.get(*at)?)));
                sessions::table(snapshot, &rows.collect::<Vec<_>>(), Most { sections: PARTS, formats: PARTS })
            }
            List::Allocations => turn::table(&some(&snapshot.allocations, rows), PARTS, snapshot.capture.last_ts),
            List::Pairs => ice::table(&some(&snapshot.pairs, rows)),
            List::Handshakes => dtls::table(&some(&snapshot.handshakes, rows), true),
            List::Findings => of_findings(&some(&snapshot.findings, rows)),
            List::Flows => {
                let rows: Vec<&FlowRow> = some(&snapshot.flows, rows);
                flows::table(&rows, snapshot, seen.index())
            }
        }
    }

    /// The table with all that the report says of these rows.
    pub(super) fn full_table(self, seen: &Seen<'_>, rows: &[usize]) -> Table {
        match self {
            List::Streams => media::table(&some(&seen.snapshot.streams, rows), seen.index(), PARTS),
            _ => self.table(seen, rows),
        }
    }

    /// What a filter looks for in a row. Of tables that may be long only what somebody would type, which takes less time.
    fn words(self, seen: &Seen<'_>, row: usize) -> String {
        let snapshot = seen.snapshot;
        match (self, snapshot.streams.get(row), snapshot.flows.get(row)) {
            (List::Streams, Some(row), _) => streams::words(row),
            (List::Flows, _, Some(row)) => {
                let classes = row.classes.iter().filter(|(_, number)| *number > 0);
                let classes: Vec<&str> = classes.map(|(class, _)| flows::class_name(class)).collect();
                let peer = row.peer.map(|peer| peer.text()).unwrap_or_default();
                let reasons: Vec<&str> = row.reasons.keys().copied().collect();
                let path = row.path().join(" ");
                format!("{} {path} {} {} {peer} {} {}", row.id, row.a, row.b, classes.join(" "), reasons.join(" "))
            }
            _ => self.text(seen, row),
        }
    }

    /// All that is said of a row, for the clipboard.
    pub(super) fn text(self, seen: &Seen<'_>, row: usize) -> String {
        let table = self.full_table(seen, &[row]);
        let entries = table.entries(0).into_iter().map(|(_, cell)| cell.text().to_owned());
        let notes = table.notes(0).iter().flatten().map(|cell| cell.text().to_owned());
        entries.chain(notes).collect::<Vec<_>>().join("\t")
    }
}

fn some<'a, T>(all: &'a [T], rows: &[usize]) -> Vec<&'a T> {
    rows.iter().filter_map(|at| all.get(*at)).collect()
}

/// A finding has no id: its code, what it is about and its first frame are as good.
fn finding_id(finding: &Finding) -> String {
    let frame = finding.frames.first().map(ToString::to_string).unwrap_or_default();
    format!("{} {} {frame}", finding.code, finding.subject.as_deref().unwrap_or_default())
}

fn of_findings(rows: &[&Finding]) -> Table {
    let mut table = Table::new(&FINDINGS);
    for finding in rows {
        table.row(vec![
            Cell::new(finding.severity.name(), findings::severity_ink(finding.severity)),
            Cell::new(finding.code, Ink::Strong),
            Cell::plain(finding.subject.as_deref().unwrap_or(UNKNOWN)),
            Cell::plain(finding.frames.first().map_or_else(|| UNKNOWN.to_owned(), ToString::to_string)),
            Cell::plain(&finding.summary),
        ]);
    }
    table
}

fn reports(seen: &Seen<'_>, rows: &[usize]) -> Table {
    let mut table = Table::new(&REPORTS);
    let all = seen.reports();
    for (row, point) in rows.iter().filter_map(|at| all.get(*at)) {
        let since = seen.snapshot.capture.first_ts.map(|first| point.ts.millis_since(first) / 1000.0);
        let wire = seen.stream.and_then(|stream| stream.series.as_ref()?.missing_until(point.ts));
        let doubtful = |lost: bool| if lost { Ink::Doubtful } else { Ink::Plain };
        table.row(vec![
            Cell::plain(decimal(since, 3)),
            Cell::plain(point.frame.to_string()),
            seen.index().direction(&row.flow, row.src),
            Cell::plain(point.about.to_string()),
            Cell::plain(row.sender.ssrc.to_string()),
            Cell::new(decimal(Some(percent(point.fraction_lost)), 1), doubtful(point.fraction_lost > 0)),
            Cell::new(decimal(Some(f64::from(point.cumulative_lost)), 0), doubtful(point.cumulative_lost > 0)),
            Cell::new(wire.map_or_else(|| UNKNOWN.to_owned(), count), doubtful(wire.is_some_and(|lost| lost > 0))),
            Cell::plain(count(u64::from(point.extended_highest))),
            Cell::plain(decimal(row.jitter_ms(point), 2)),
            Cell::plain(decimal(point.rtt_ms, 1)),
        ]);
    }
    table
}
