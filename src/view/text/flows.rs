//! Who talked to whom, and what took place between them.
//!
//! In: flows, with the flows that are inside of them, and their handshakes. Out: a table with a line of contents below
//! each flow. Never: a line for each of ten thousand flows that have nothing to do with RTC, unless all are wanted.

use super::figures::{count, decimal, plural, with_ms};
use super::head::class_ink;
pub(in crate::view) use super::head::class_name;
use super::index::Index;
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{Class, FlowRow, HandshakeRow, Snapshot};
use std::io;

/// Inner flows of one flow, unless all are wanted.
const INNER: usize = 8;

const COLUMNS: [Column; 8] = [
    Column::left("flow", 0),
    Column::left("over", 5).least(8),
    Column::address("from", 0).least(15),
    Column::left("", 1).named("⇄"),
    Column::address("to", 0).least(15),
    Column::right("packets", 0),
    Column::right("start s", 6),
    Column::right("length s", 7),
];

pub(super) fn write(snapshot: &Snapshot, index: &Index<'_>, page: &mut Page<'_>) -> io::Result<()> {
    if snapshot.flows.is_empty() {
        return Ok(());
    }
    let outer = || snapshot.flows.iter().filter(|row| row.parent.is_none());
    let (mut shown, others): (Vec<&FlowRow>, Vec<&FlowRow>) = match page.shown(usize::MAX) {
        usize::MAX => (outer().collect(), Vec::new()),
        _ => outer().partition(|row| is_rtc(row) || !index.inner(&row.id).is_empty()),
    };
    let all = shown.len();
    let limit = page.shown(all);
    if limit < all {
        shown.sort_by_key(|row| std::cmp::Reverse(total(row, index)));
        shown.truncate(limit);
    }
    page.section("Flows", &title(all, limit, others.len()))?;
    let mut table = Table::new(&COLUMNS);
    for row in shown {
        outer_flow(&mut table, snapshot, index, row);
        let inner = index.inner(&row.id);
        let inner_shown = page.shown_of(inner.len(), INNER);
        for row in inner.iter().take(inner_shown) {
            inner_flow(&mut table, snapshot, index, row);
        }
        if inner_shown < inner.len() {
            let text = format!("… {} more peers inside {}; --full shows all", inner.len() - inner_shown, row.id);
            table.note(vec![Cell::new(text, Ink::Faint)]);
        }
    }
    if all > 0 {
        table.write(page)?;
    }
    page.more(all, limit)?;
    without_rtc(&others, page)
}

fn title(all: usize, shown: usize, others: usize) -> String {
    let rtc = if all == 0 { "none".to_owned() } else { plural(all as u64, "flow", "flows") };
    let order = if shown < all { ", largest first" } else { "" };
    if others > 0 { format!("{rtc} with RTC or signalling{order}") } else { format!("{rtc}{order}") }
}

/// True where a flow carries RTC, or a WebSocket, by which browsers mostly signal.
fn is_rtc(row: &FlowRow) -> bool {
    row.classes.iter().any(|(class, number)| number > 0 && (class.is_rtc() || class == Class::Websocket))
}

/// Packets of a flow; of one with inner flows the datagrams inside are in its own already.
fn total(row: &FlowRow, index: &Index<'_>) -> u64 {
    let inner: u64 = index.inner(&row.id).iter().map(|row| row.classes.total()).sum();
    row.classes.total().max(inner)
}

fn without_rtc(others: &[&FlowRow], page: &mut Page<'_>) -> io::Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    let mut sum = crate::model::snapshot::ClassCounts::default();
    others.iter().for_each(|row| sum += &row.classes);
    let lead = format!("  and {} without: ", plural(others.len() as u64, "flow", "flows"));
    let classes = sum.iter().filter(|(_, number)| *number > 0);
    let items: Vec<Cell> = classes
        .map(|(class, number)| Cell::new(format!("{} {}", class_name(class), count(number)), Ink::Faint))
        .collect();
    page.wrapped(Cell::new(lead, Ink::Faint), 6, " · ", &items)
}

fn times(snapshot: &Snapshot, row: &FlowRow) -> [Cell; 2] {
    let start = snapshot.capture.first_ts.map(|first| row.first_ts.millis_since(first) / 1000.0);
    let length = row.last_ts.millis_since(row.first_ts) / 1000.0;
    [start, Some(length)].map(|seconds| Cell::plain(decimal(seconds, 3)))
}

/// Those flows, outer and inner ones.
pub(in crate::view) fn table(rows: &[&FlowRow], snapshot: &Snapshot, index: &Index<'_>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        match row.parent {
            None => outer_flow(&mut table, snapshot, index, row),
            Some(_) => inner_flow(&mut table, snapshot, index, row),
        }
    }
    table
}

fn outer_flow(table: &mut Table, snapshot: &Snapshot, index: &Index<'_>, row: &FlowRow) {
    let [start, length] = times(snapshot, row);
    table.row(vec![
        Cell::new(&row.id, Ink::Strong),
        Cell::plain(row.path().join(" ")),
        Cell::plain(row.a.to_string()),
        Cell::plain("⇄"),
        Cell::plain(row.b.to_string()),
        Cell::plain(count(row.classes.total())),
        start,
        length,
    ]);
    table.note(contents(row, index));
}

/// Outer addresses are those of the row above; what is new is the relayed address and the peer.
fn inner_flow(table: &mut Table, snapshot: &Snapshot, index: &Index<'_>, row: &FlowRow) {
    let [start, length] = times(snapshot, row);
    let relayed = index.relayed(row).map_or_else(|| "relayed".to_owned(), |relayed| relayed.to_string());
    let peer = row.peer.map(|peer| peer.text()).unwrap_or_default();
    // All are inside TURN: what differs is the way.
    let ways = row.vias.iter().filter_map(|via| via.name()).map(|name| name.strip_prefix("turn-").unwrap_or(name));
    let ways: Vec<&str> = ways.collect();
    table.row(vec![
        Cell::new(format!("└ {}", row.id), Ink::Strong),
        Cell::plain(ways.join(", ")),
        Cell::plain(relayed),
        Cell::plain("⇄"),
        Cell::plain(peer),
        Cell::plain(count(row.classes.total())),
        start,
        length,
    ]);
    table.note(contents(row, index));
}

fn contents(row: &FlowRow, index: &Index<'_>) -> Vec<Cell> {
    let handshakes = index.handshakes(&row.id);
    let mut items = Vec::new();
    for (class, number) in row.classes.iter().filter(|(_, number)| *number > 0) {
        match handshakes.last() {
            Some(last) if class == Class::Dtls => items.push(handshake(last, handshakes.len(), number)),
            _ if class == Class::Other => items.push(other(row, number)),
            _ => items.push(Cell::new(format!("{} {}", class_name(class), count(number)), class_ink(class))),
        }
    }
    items
}

/// `other 12 (first byte of no protocol)`, of several reasons the most frequent one.
fn other(row: &FlowRow, number: u64) -> Cell {
    let mut reasons: Vec<(&&str, &u64)> = row.reasons.iter().filter(|(_, number)| **number > 0).collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let why = match reasons.as_slice() {
        [] => String::new(),
        [(only, _)] => format!(" ({only})"),
        [(first, _), rest @ ..] => {
            format!(" ({first}, {})", plural(rest.len() as u64, "more reason", "more reasons"))
        }
    };
    Cell::new(format!("other {}{why}", count(number)), Ink::Faint)
}

/// `DTLS 1.3 complete in 8.4 ms`, of several the last.
fn handshake(row: &HandshakeRow, handshakes: usize, packets: u64) -> Cell {
    let summary = &row.handshake;
    let version = summary.version.map(|version| format!(" {version}")).unwrap_or_default();
    let time = summary.handshake_ms().map(|ms| format!(" in {}", with_ms(Some(ms)))).unwrap_or_default();
    let number = if handshakes > 1 { format!(", {handshakes} handshakes") } else { String::new() };
    let text = format!("DTLS{version} {}{time} ({}{number})", summary.state.name(), count(packets));
    Cell::new(text, super::dtls::state_ink(summary.state.name()))
}
