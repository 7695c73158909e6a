//! STUN transactions: how many of each method went which way, and those that did not go well.
//!
//! In: transactions. Out: a table by method and outcome, and one of failures. Never: a row per transaction.

use super::figures::{count, plural, spread};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{Endpoint, FrameNo, Outcome, Snapshot, Spread, TransactionRow};
use std::collections::BTreeMap;
use std::io;

const METHODS: [Column; 8] = [
    Column::left("method", 0),
    Column::left("outcome", 0),
    Column::right("transactions", 0),
    Column::right("requests", 2),
    Column::right("resent", 0),
    Column::right("min", 0).group("RTT ms"),
    Column::right("mean", 0).group("RTT ms"),
    Column::right("max", 0).group("RTT ms"),
];

const FAILURES: [Column; 9] = [
    Column::left("flow", 0),
    Column::address("from", 2).least(15),
    Column::address("to", 1).least(15),
    Column::left("method", 0),
    Column::left("outcome", 0),
    Column::left("error", 0).least(12),
    Column::right("count", 0),
    Column::right("requests", 4),
    Column::right("first frame", 3),
];

pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    if snapshot.transactions.is_empty() {
        return Ok(());
    }
    let number = snapshot.transactions.len() as u64;
    page.section("STUN transactions", &plural(number, "transaction", "transactions"))?;
    let mut sums: BTreeMap<(String, u8), Sum> = BTreeMap::new();
    for row in &snapshot.transactions {
        sums.entry((row.transaction.method_name(), rank(row.outcome))).or_insert_with(|| Sum::of(row.outcome)).add(row);
    }
    let mut table = Table::new(&METHODS);
    for ((method, _), sum) in &sums {
        sum.row(method, &mut table);
    }
    table.write(page)?;
    failures(snapshot, page)
}

const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Error => 1,
        Outcome::Timeout => 2,
        Outcome::Open => 3,
        Outcome::Indication => 4,
    }
}

const fn ink(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Success => Ink::Good,
        Outcome::Timeout => Ink::Bad,
        Outcome::Error | Outcome::Open => Ink::Doubtful,
        Outcome::Indication => Ink::Plain,
    }
}

struct Sum {
    outcome: Outcome,
    transactions: u64,
    requests: u64,
    rtt: Spread,
}

impl Sum {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, transactions: 0, requests: 0, rtt: Spread::default() }
    }

    fn add(&mut self, row: &TransactionRow) {
        self.transactions += 1;
        self.requests += u64::from(row.transaction.request_count);
        if let Some(rtt) = row.transaction.rtt_ms {
            self.rtt.add(rtt);
        }
    }

    fn row(&self, method: &str, table: &mut Table) {
        let resent = self.requests.saturating_sub(self.transactions);
        let [min, mean, max] = spread(&self.rtt).map(Cell::plain);
        table.row(vec![
            Cell::plain(method),
            Cell::new(self.outcome.name(), ink(self.outcome)),
            Cell::plain(count(self.transactions)),
            Cell::plain(count(self.requests)),
            Cell::new(count(resent), if resent > 0 { Ink::Doubtful } else { Ink::Plain }),
            min,
            mean,
            max,
        ]);
    }
}

/// Failures that say the same thing: who asked whom for what, and how it ended.
type Failure<'a> = (&'a str, Endpoint, Endpoint, String, u8, Option<u16>);

struct Failed<'a> {
    row: &'a TransactionRow,
    transactions: u64,
    requests: u64,
    first: FrameNo,
}

fn failures(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let mut kinds: BTreeMap<Failure<'_>, Failed<'_>> = BTreeMap::new();
    for row in &snapshot.transactions {
        if matches!(row.outcome, Outcome::Success | Outcome::Indication) {
            continue;
        }
        let transaction = &row.transaction;
        let kind = (&*row.flow, row.src, row.dst, transaction.method_name(), rank(row.outcome), transaction.error_code);
        let first = transaction.first_frame;
        let failed = kinds.entry(kind).or_insert(Failed { row, transactions: 0, requests: 0, first });
        failed.transactions += 1;
        failed.requests += u64::from(transaction.request_count);
        failed.first = failed.first.min(first);
    }
    if kinds.is_empty() {
        return Ok(());
    }
    let mut failed: Vec<&Failed<'_>> = kinds.values().collect();
    failed.sort_by_key(|failed| failed.first);
    let shown = page.shown(failed.len());
    let mut table = Table::new(&FAILURES);
    for failed in failed.iter().take(shown) {
        failed.write(&mut table);
    }
    page.line(&[])?;
    page.line(&[Cell::new("  Without success, in order of the first frame", Ink::Faint)])?;
    table.write(page)?;
    page.more(failed.len(), shown)
}

impl Failed<'_> {
    fn write(&self, table: &mut Table) {
        let (row, transaction) = (self.row, &self.row.transaction);
        // Servers challenge the first request with 401 and an old nonce with 438 (RFC 8489, section 9.2.5).
        let challenge = matches!(transaction.error_code, Some(401 | 438));
        let ink = if challenge { Ink::Faint } else { ink(row.outcome) };
        let reason = transaction.error_reason.as_deref().unwrap_or_default();
        let error = transaction.error_code.map(|code| format!("{code} {reason}")).unwrap_or_default();
        table.row(vec![
            Cell::plain(&row.flow),
            Cell::plain(row.src.to_string()),
            Cell::plain(row.dst.to_string()),
            Cell::plain(transaction.method_name()),
            Cell::new(row.outcome.name(), ink),
            Cell::new(error, ink),
            Cell::plain(count(self.transactions)),
            Cell::plain(count(self.requests)),
            Cell::plain(self.first.to_string()),
        ]);
    }
}
