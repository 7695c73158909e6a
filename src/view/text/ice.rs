//! Candidate pairs.
//!
//! In: pairs. Out: a table, those that carry media first. Never: a pair that was only offered in SDP.

use super::figures::{UNKNOWN, count, decimal, plural, spread};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{CandidateKind, PairRow, PairStatus, Snapshot};
use std::io;

const COLUMNS: [Column; 15] = [
    Column::left("id", 0),
    Column::left("flow", 3),
    Column::address("local", 0).least(15),
    Column::address("remote", 0).least(15),
    Column::address("TURN peer", 1).least(15),
    Column::left("candidates", 0),
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
    pairs.sort_by_key(|row| (row.is_selected() != Some(true), rank(row.pair.status)));
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
        table.note(roles(row));
        table.note(consent(row));
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

/// `host ⇄ relay`; a dash where nothing tells.
fn candidates(row: &PairRow) -> String {
    let [local, remote] = &row.kinds;
    let name = |kind: &Option<CandidateKind>| kind.as_ref().map_or(UNKNOWN, CandidateKind::as_str).to_owned();
    match (local, remote) {
        (None, None) => UNKNOWN.to_owned(),
        _ => format!("{} ⇄ {}", name(local), name(remote)),
    }
}

/// Restarts, and who was not of one mind about the roles.
fn roles(row: &PairRow) -> Vec<Cell> {
    let mut items = Vec::new();
    if row.generation.is_some_and(|generation| generation > 0) {
        let restarts = plural(row.generation.unwrap_or(0), "ICE restart", "ICE restarts");
        items.push(Cell::plain(format!("after {restarts}")));
    }
    if row.pair.role_conflicts > 0 {
        let frame = row.pair.first_role_conflict.map(|frame| format!(", first in frame {frame}")).unwrap_or_default();
        let conflicts = plural(row.pair.role_conflicts, "role conflict", "role conflicts");
        items.push(Cell::new(format!("{conflicts} (487){frame}"), Ink::Doubtful));
    }
    items
}

fn consent(row: &PairRow) -> Vec<Cell> {
    let longest = row.pair.consent_gaps.iter().max_by(|one, other| one.millis.total_cmp(&other.millis));
    let Some(gap) = longest else { return Vec::new() };
    let until = gap.ended.map_or_else(|| "to the end".to_owned(), |frame| format!("until frame {frame}"));
    let seconds = decimal(Some(gap.millis / 1000.0), 1);
    let checks = plural(gap.missed, "check", "checks");
    let ink = if row.pair.consent_expired() { Ink::Bad } else { Ink::Doubtful };
    let expired = if row.pair.consent_expired() { "; consent had expired" } else { "" };
    vec![Cell::new(format!("no answer for {seconds} s {until}, {checks} missed{expired}"), ink)]
}

fn pair(table: &mut Table, row: &PairRow) {
    let pair = &row.pair;
    let [min, mean, max] = spread(&pair.rtt);
    let missed_ink = if pair.consent_missed > 0 { Ink::Doubtful } else { Ink::Plain };
    let state = match row.selected {
        Some([true, true]) => Cell::new("selected", Ink::Good),
        Some([true, false]) => Cell::new("selected →", Ink::Good),
        Some([false, true]) => Cell::new("selected ←", Ink::Good),
        _ => Cell::new(pair.status.name(), ink(pair.status)),
    };
    table.row(vec![
        Cell::new(&row.id, Ink::Strong),
        Cell::plain(&row.flow),
        Cell::plain(row.local.to_string()),
        Cell::plain(row.remote.to_string()),
        Cell::plain(row.peer.map(|peer| peer.text()).unwrap_or_default()),
        Cell::plain(candidates(row)),
        state,
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
