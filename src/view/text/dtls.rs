//! DTLS handshakes.
//!
//! In: handshakes. Out: a table; below each its certificates and its alert. Never: keys.

use super::figures::{UNKNOWN, count, decimal, plural};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{FingerprintCheck, HandshakeRow, HandshakeState, HandshakeSummary, SetupCheck, Snapshot};
use std::io;

/// Characters of a fingerprint that tell certificates apart, unless all are wanted: eight bytes with colons.
const FINGERPRINT: usize = 23;

const COLUMNS: [Column; 9] = [
    Column::left("flow", 0),
    Column::address("client", 5),
    Column::address("server", 6),
    Column::left("version", 0).least(7),
    Column::left("state", 0),
    Column::right("ms", 0),
    Column::right("resent", 3),
    Column::left("SRTP profile", 1).least(22),
    Column::left("cipher suite", 2).least(22),
];

pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let all = snapshot.handshakes.len();
    if all == 0 {
        return Ok(());
    }
    page.section("DTLS handshakes", &plural(all as u64, "handshake", "handshakes"))?;
    let badness = |row: &&HandshakeRow| u8::from(row.handshake.state.name() == "complete");
    let chosen = page.chosen(snapshot.handshakes.iter(), badness);
    let whole = page.shown_of(usize::MAX, 0) > 0;
    table(&chosen, whole).write(page)?;
    page.more(all, chosen.len())
}

/// Those handshakes, with whole fingerprints or with the beginning of each.
pub(in crate::view) fn table(rows: &[&HandshakeRow], whole: bool) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        handshake(&mut table, row);
        for certificate in certificates(row, whole) {
            table.note(certificate);
        }
        table.note(remarks(row));
    }
    table
}

pub(super) fn state_ink(state: &str) -> Ink {
    match state {
        "complete" => Ink::Good,
        "alert" => Ink::Bad,
        _ => Ink::Doubtful,
    }
}

fn handshake(table: &mut Table, row: &HandshakeRow) {
    let summary = &row.handshake;
    let state = summary.state.name();
    let resent = u64::from(summary.retransmitted_flights);
    table.row(vec![
        Cell::plain(&row.flow),
        Cell::plain(row.client.to_string()),
        Cell::plain(row.server.to_string()),
        Cell::plain(summary.version.map_or_else(|| UNKNOWN.to_owned(), |version| version.to_string())),
        Cell::new(state, state_ink(state)),
        Cell::plain(decimal(summary.handshake_ms(), 1)),
        Cell::new(count(resent), if resent > 0 { Ink::Doubtful } else { Ink::Plain }),
        Cell::plain(srtp_profile(summary)),
        Cell::plain(summary.cipher_suite.map_or_else(|| UNKNOWN.to_owned(), |suite| suite.to_string())),
    ]);
}

/// The one chosen; where that is encrypted, as in DTLS 1.3, those that were offered.
fn srtp_profile(summary: &HandshakeSummary) -> String {
    match (summary.srtp_profile, summary.offer.srtp_profiles.as_slice()) {
        (Some(profile), _) => short_name(profile),
        (None, []) => UNKNOWN.to_owned(),
        (None, offered) => {
            format!("one of {}", offered.iter().map(|profile| short_name(*profile)).collect::<Vec<_>>().join(", "))
        }
    }
}

/// All begin with the same word.
fn short_name(profile: impl ToString) -> String {
    let name = profile.to_string();
    name.strip_prefix("SRTP_").map(str::to_owned).unwrap_or(name)
}

fn certificates(row: &HandshakeRow, whole: bool) -> Vec<Vec<Cell>> {
    let summary = &row.handshake;
    let said = summary.certificates.iter().map(|certificate| {
        let from = match summary.client {
            Some(client) if certificate.from == client => "client",
            Some(_) => "server",
            None => "certificate",
        };
        let info = &certificate.info;
        let subject = if info.subject.is_empty() { UNKNOWN } else { &info.subject };
        let fingerprint = info.fingerprint_sha256.to_string();
        let fingerprint = match fingerprint.get(..FINGERPRINT) {
            Some(begin) if !whole => format!("{begin}…"),
            _ => fingerprint,
        };
        let mut items = vec![Cell::plain(format!("{from} {subject}"))];
        items.extend(info.key.as_ref().map(|key| Cell::plain(key.to_string())));
        items.push(Cell::plain(format!("sha-256 {fingerprint}")));
        items
    });
    said.collect()
}

fn remarks(row: &HandshakeRow) -> Vec<Cell> {
    let summary = &row.handshake;
    let mut items = Vec::new();
    match row.sdp_fingerprint {
        FingerprintCheck::Match => items.push(Cell::new("certificate is that of the SDP", Ink::Good)),
        FingerprintCheck::Mismatch => items.push(Cell::new("certificate is not that of the SDP", Ink::Bad)),
        FingerprintCheck::NoSdp | FingerprintCheck::Unknown => {}
    }
    if row.sdp_setup == SetupCheck::Mismatch {
        items.push(Cell::new("roles are not those of a=setup", Ink::Bad));
    }
    if summary.state == HandshakeState::Incomplete
        && let Some(last) = summary.flights.last()
    {
        let messages: Vec<String> = last.messages.iter().map(|message| message.kind.to_string()).collect();
        let times = match last.retransmissions {
            0 => String::new(),
            more => format!(", sent {} times", more + 1),
        };
        items.push(Cell::new(format!("no answer to {}{times}", messages.join(", ")), Ink::Doubtful));
    }
    if let Some(alert) = summary.ending_alert() {
        items.push(Cell::new(format!("alert {} in frame {}", alert.text(), alert.at.frame), Ink::Bad));
    }
    if let Some(second) = summary.both_clients {
        items.push(Cell::new(format!("both sides are client, frame {}", second.frame), Ink::Bad));
    }
    if summary.resumed == Some(true) {
        items.push(Cell::plain("session resumed"));
    }
    items
}
