//! Candidate pairs.
//!
//! In: pairs. Out: a table, those that carry media first. Never: a pair that was only offered in SDP.

use super::figures::{count, decimal, plural, spread};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{PairRow, PairStatus, Snapshot};
use std::io;

const COLUMNS: [Column; 13] = [
    Column::left("flow", 0),
    Column::address("local", 0).least(15),
    Column::address("remote", 0).least(15),
    Column::address("TURN peer", 1).least(15),
    Column::left("state", 0),
    Column::right("checks", 2),
    Column::right("min", 8).group("RTT ms"),
    Column::right("mean", 0).group("RTT ms"),
    Column::right("max", 7).group("RTT ms"),
    Column::right("checks", 5).group("consent"),
    Column::right("missed", 3).group("consent"),
    Column::right("max gap s", 6).group("consent"),
    Column::left("ufrag", 9).least(9),
];

pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let mut pairs: Vec<&PairRow> = snapshot.pairs.iter().collect();
    if pairs.is_empty() {
        return Ok(());
    }
    // Stable: pairs of one state stay in order of their first frame.
    pairs.sort_by_key(|row| rank(row.pair.status));
    page.section("ICE candidate pairs", &tally(&pairs))?;
    let shown = page.shown(pairs.len());
    table(&pairs[..shown]).write(page)?;
    page.more(pairs.len(), shown)
}

/// Those pairs.
pub(in crate::view) fn table(rows: &[&PairRow]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        pair(&mut table, row);
        table.note(restarts(row));
    }
    table
}

const fn rank(status: PairStatus) -> u8 {
    match status {
        PairStatus::Nominated => 0,
        PairStatus::Valid => 1,
        PairStatus::Failed => 2,
        PairStatus::Checking => 3,
    }
}

const fn ink(status: PairStatus) -> Ink {
    match status {
        PairStatus::Nominated => Ink::Good,
        PairStatus::Valid => Ink::Plain,
        PairStatus::Failed => Ink::Bad,
        PairStatus::Checking => Ink::Doubtful,
    }
}

fn tally(pairs: &[&PairRow]) -> String {
    let states = [PairStatus::Nominated, PairStatus::Valid, PairStatus::Failed, PairStatus::Checking];
    let present = states.iter().filter_map(|status| {
        let number = pairs.iter().filter(|row| row.pair.status == *status).count() as u64;
        (number > 0).then(|| format!("{} {}", count(number), status.name()))
    });
    format!("{}: {}", plural(pairs.len() as u64, "pair", "pairs"), present.collect::<Vec<_>>().join(", "))
}

fn restarts(row: &PairRow) -> Vec<Cell> {
    let restarts = plural(row.pair.restarts, "ICE restart", "ICE restarts");
    let text = format!("{restarts} on these addresses; the figures are of the time since the last");
    (row.pair.restarts > 0).then(|| Cell::new(text, Ink::Doubtful)).into_iter().collect()
}

fn pair(table: &mut Table, row: &PairRow) {
    let pair = &row.pair;
    let [min, mean, max] = spread(&pair.rtt);
    let missed_ink = if pair.consent_missed > 0 { Ink::Doubtful } else { Ink::Plain };
    table.row(vec![
        Cell::plain(&row.flow),
        Cell::plain(row.local.to_string()),
        Cell::plain(row.remote.to_string()),
        Cell::plain(row.peer.map(|peer| peer.text()).unwrap_or_default()),
        Cell::new(pair.status.name(), ink(pair.status)),
        Cell::plain(count(pair.checks)),
        Cell::plain(min),
        Cell::plain(mean),
        Cell::plain(max),
        Cell::plain(count(pair.consent_checks)),
        Cell::new(count(pair.consent_missed), missed_ink),
        Cell::plain(decimal(pair.consent_longest_gap_ms.map(|gap| gap / 1000.0), 1)),
        Cell::plain(pair.ufrag.as_deref().unwrap_or_default()),
    ]);
}
