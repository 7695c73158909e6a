//! TURN allocations.
//!
//! In: allocations. Out: a table; below each who asked, its channels and its errors. Never: a password, which no
//! capture has.

use super::figures::{UNKNOWN, count, decimal, plural};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{Allocation, AllocationEnd, AllocationRow, Snapshot, StrayTarget, TurnError};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::io;

/// Channels, permissions and kinds of errors of one allocation, unless all are wanted.
const PARTS: usize = 8;

const COLUMNS: [Column; 12] = [
    Column::left("id", 0),
    Column::left("flow", 6),
    Column::address("client", 0).least(15),
    Column::address("server", 0).least(15),
    Column::left("over", 5),
    Column::address("relayed", 0).least(15),
    Column::address("mapped", 7),
    Column::left("ended", 0),
    Column::right("setup ms", 1),
    Column::right("lifetime s", 8),
    Column::right("left s", 2),
    Column::right("refreshes", 9),
];

pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let all = snapshot.allocations.len();
    if all == 0 {
        return Ok(());
    }
    page.section("TURN allocations", &tally(&snapshot.allocations))?;
    let chosen = page.chosen(snapshot.allocations.iter(), |row| rank(row.end));
    let parts = page.shown_of(usize::MAX, PARTS);
    table(&chosen, parts, None).write(page)?;
    page.more(all, chosen.len())
}

/// Those allocations, with at most so many channels, permissions and errors below each. `now`: how long each lives from then on
/// is told as well.
pub(in crate::view) fn table(rows: &[&AllocationRow], parts: usize, now: Option<Timestamp>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        allocation(&mut table, row, now);
        table.note(identity(&row.allocation));
        table.note(channels(&row.allocation, parts));
        table.note(permissions(&row.allocation, parts));
        table.note(errors(&row.allocation, parts));
        table.note(life(row));
        table.note(relay(row));
    }
    table
}

fn tally(rows: &[AllocationRow]) -> String {
    const ENDS: [AllocationEnd; 4] =
        [AllocationEnd::Failed, AllocationEnd::Expired, AllocationEnd::Deleted, AllocationEnd::Open];
    let present = ENDS.iter().filter_map(|end| {
        let number = rows.iter().filter(|row| row.end == *end).count() as u64;
        (number > 0).then(|| format!("{} {}", count(number), end.name()))
    });
    present.collect::<Vec<_>>().join(", ")
}

/// Who is shown first where not all are.
const fn rank(end: AllocationEnd) -> u8 {
    match end {
        AllocationEnd::Failed => 0,
        AllocationEnd::Expired => 1,
        AllocationEnd::Open => 2,
        AllocationEnd::Deleted => 3,
    }
}

/// One that is open without an answer is none yet.
const fn end_ink(row: &AllocationRow) -> Ink {
    match row.end {
        AllocationEnd::Failed => Ink::Bad,
        AllocationEnd::Expired => Ink::Doubtful,
        AllocationEnd::Open if row.allocation.relayed.is_none() => Ink::Doubtful,
        AllocationEnd::Deleted | AllocationEnd::Open => Ink::Good,
    }
}

fn allocation(table: &mut Table, row: &AllocationRow, now: Option<Timestamp>) {
    let allocation = &row.allocation;
    let unknown = || UNKNOWN.to_owned();
    table.row(vec![
        Cell::new(&row.id, Ink::Strong),
        Cell::plain(&row.flow),
        Cell::plain(row.client.to_string()),
        Cell::plain(row.server.to_string()),
        Cell::plain(row.transport.name()),
        Cell::plain(allocation.relayed.map_or_else(unknown, |relayed| relayed.to_string())),
        Cell::plain(allocation.mapped.map_or_else(unknown, |mapped| mapped.to_string())),
        Cell::new(row.end.name(), end_ink(row)),
        Cell::plain(decimal(allocation.setup_ms(), 1)),
        Cell::plain(allocation.lifetime_s.map_or_else(unknown, |seconds| count(u64::from(seconds)))),
        Cell::plain(now.map(|now| decimal(allocation.seconds_left(now), 0)).unwrap_or_default()),
        Cell::plain(count(allocation.refreshes)),
    ]);
}

fn identity(allocation: &Allocation) -> Vec<Cell> {
    let mut items = Vec::new();
    let realm = allocation.realm.as_ref().map(|realm| format!("@{realm}")).unwrap_or_default();
    match &allocation.username {
        Some(user) => items.push(Cell::plain(format!("user {user}{realm}"))),
        None if !realm.is_empty() => items.push(Cell::plain(format!("realm {}", realm.trim_start_matches('@')))),
        None => {}
    }
    items.extend(allocation.software.as_ref().map(|software| Cell::plain(format!("server {software}"))));
    let (out, back) = (allocation.indications_out, allocation.indications_in);
    if out + back > 0 {
        items.push(Cell::plain(format!("indications {} out, {} in", count(out), count(back))));
    }
    items
}

/// `channel 0x4000 to 10.0.0.9:5000 12 out, 10 in`.
fn channels(allocation: &Allocation, most: usize) -> Vec<Cell> {
    let said = allocation.channels.iter().map(|(number, channel)| {
        let peer = channel.peer.map_or_else(|| "an unknown peer".to_owned(), |peer| peer.to_string());
        let (out, back) = (count(channel.packets_out), count(channel.packets_in));
        Cell::plain(format!("channel 0x{number:04x} to {peer}: {out} out, {back} in"))
    });
    some(said.collect(), most)
}

/// Those that channels do not tell of already.
fn permissions(allocation: &Allocation, most: usize) -> Vec<Cell> {
    let of_channel =
        |addr| allocation.channels.values().any(|channel| channel.peer.is_some_and(|peer| peer.addr == addr));
    let said = allocation.permissions.keys().filter(|addr| !of_channel(**addr));
    some(said.map(|addr| Cell::plain(format!("permission for {addr}"))).collect(), most)
}

fn errors(allocation: &Allocation, most: usize) -> Vec<Cell> {
    let mut kinds: BTreeMap<(u16, String), Vec<&TurnError>> = BTreeMap::new();
    for error in &allocation.errors {
        kinds.entry((error.code, error.method_name())).or_default().push(error);
    }
    let said = kinds.iter().filter_map(|((code, method), errors)| {
        let first = errors.first()?;
        let times = if errors.len() > 1 { format!(" ×{}, first in", errors.len()) } else { " in".to_owned() };
        // The first 401 and each 438 tell the client realm and nonce (RFC 8489, section 9.2.5).
        let ink = if matches!(code, 401 | 438) && errors.len() == 1 { Ink::Faint } else { Ink::Doubtful };
        Some(Cell::new(format!("{method} {code} {}{times} frame {}", first.reason, first.frame), ink))
    });
    some(said.collect(), most)
}

/// What went wrong with its life, and where it came from and went.
fn life(row: &AllocationRow) -> Vec<Cell> {
    let mut items = Vec::new();
    if let Some(use_of) = &row.allocation.expired_in_use {
        let refresh = use_of.missed_refresh.map_or_else(
            || "never refreshed".to_owned(),
            |frame| format!("the Refresh of frame {frame} had no success"),
        );
        let messages = plural(use_of.packets, "message", "messages");
        let text = format!("expired in use: {messages} after it, first in frame {}, {refresh}", use_of.first_frame);
        items.push(Cell::new(text, Ink::Bad));
    }
    for stray in &row.allocation.strays {
        let state = if stray.expired { "expired" } else { "missing" };
        let target = match stray.target {
            StrayTarget::Peer(peer) => format!("to {peer}, permission {state}"),
            StrayTarget::Channel(number) => format!("on channel 0x{number:04x}, binding {state}"),
        };
        let packets = plural(stray.packets, "packet", "packets");
        items.push(Cell::new(format!("{packets} {target}, first in frame {}", stray.first_frame), Ink::Doubtful));
    }
    let integrity = &row.allocation.integrity;
    if integrity.wrong > 0 {
        let first = integrity.first_wrong.map(|frame| format!(", first in frame {frame}")).unwrap_or_default();
        let text = format!("MESSAGE-INTEGRITY wrong in {}{first}", plural(integrity.wrong, "message", "messages"));
        items.push(Cell::new(text, Ink::Bad));
    } else if integrity.right > 0 {
        items.push(Cell::new("MESSAGE-INTEGRITY ok", Ink::Good));
    }
    let moves = [("came over from", &row.moved_from), ("goes on as", &row.moved_to)];
    items.extend(moves.into_iter().filter_map(|(text, id)| Some(Cell::plain(format!("{text} {}", id.as_ref()?)))));
    items
}

/// `through the server: 880 to peers, 2 lost, 0.08 ms (p99 0.31, max 1.20), 877 from peers, 0.07 ms (p99 0.30, max 0.90)`,
/// and the other end where that is an allocation too.
fn relay(row: &AllocationRow) -> Vec<Cell> {
    let hop = &row.relay_hop;
    let directions = [(&hop.to_peer, "to peers"), (&hop.from_peer, "from peers")];
    let mut items: Vec<Cell> = directions
        .into_iter()
        .filter_map(|(figures, name)| {
            let figures = figures.as_ref()?;
            let mut text = format!("{} through the server {name}", count(figures.matched));
            text += &format!(", {} lost in it", count(figures.lost));
            if figures.reordered > 0 {
                text += &format!(", {} reordered", count(figures.reordered));
            }
            if let Some(delay) = figures.delay_ms {
                let [p50, p99, max] = [delay.p50, delay.p99, delay.max].map(|millis| decimal(Some(millis), 2));
                text += &format!(", {p50} ms (p99 {p99}, max {max})");
            }
            Some(Cell::new(text, if figures.lost > 0 { Ink::Doubtful } else { Ink::Plain }))
        })
        .collect();
    if !row.relay_peers.is_empty() {
        items.push(Cell::plain(format!("talks to {}", row.relay_peers.join(", "))));
    }
    items
}

fn some(mut items: Vec<Cell>, most: usize) -> Vec<Cell> {
    if items.len() > most {
        let hidden = (items.len() - most) as u64;
        items.truncate(most);
        items.push(Cell::new(format!("… {}", plural(hidden, "other", "others")), Ink::Faint));
    }
    items
}
