//! RTCP: who sent what, and what receivers say about the streams.
//!
//! In: one row per sender. Out: a table of senders, and one of the last report about each stream. Never: a figure of
//! our own beside the receiver's.

use super::figures::{count, decimal, plural};
use super::index::Index;
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{ReportPoint, RtcpCounts, RtcpRow, Snapshot, Ssrc};
use std::collections::BTreeMap;
use std::io;

const SENDERS: [Column; 6] = [
    Column::left("flow", 0),
    Column::address("from", 5),
    Column::address("to", 6),
    Column::left("SSRC", 0),
    Column::left("packets sent", 0).least(30),
    Column::left("cname", 2).least(8),
];

const REPORTS: [Column; 11] = [
    Column::left("flow", 1),
    Column::left("about SSRC", 0),
    Column::left("by SSRC", 0),
    Column::right("reports", 4),
    Column::right("last %", 0).group("lost"),
    Column::right("max %", 3).group("lost"),
    Column::right("sum", 0).group("lost"),
    Column::right("jitter ms", 0),
    Column::right("min", 6).group("RTT ms"),
    Column::right("mean", 0).group("RTT ms"),
    Column::right("max", 5).group("RTT ms"),
];

pub(super) fn write(snapshot: &Snapshot, index: &Index<'_>, page: &mut Page<'_>) -> io::Result<()> {
    if snapshot.rtcp.is_empty() {
        return Ok(());
    }
    page.section("RTCP", &plural(snapshot.rtcp.len() as u64, "sender", "senders"))?;
    let shown = page.shown(snapshot.rtcp.len());
    let mut senders = Table::new(&SENDERS);
    for row in snapshot.rtcp.iter().take(shown) {
        senders.row(vec![
            index.direction(&row.flow, row.src),
            Cell::plain(row.src.to_string()),
            Cell::plain(row.dst.to_string()),
            Cell::plain(row.sender.ssrc.to_string()),
            Cell::plain(packets(&row.sender.counts)),
            Cell::plain(row.sender.cname.as_deref().unwrap_or_default()),
        ]);
    }
    senders.write(page)?;
    page.more(snapshot.rtcp.len(), shown)?;
    reports(snapshot, index, page)
}

pub(in crate::view) fn packets(counts: &RtcpCounts) -> String {
    let all = [
        ("SR", counts.sr),
        ("RR", counts.rr),
        ("SDES", counts.sdes),
        ("BYE", counts.bye),
        ("APP", counts.app),
        ("NACK", counts.nack),
        ("PLI", counts.pli),
        ("FIR", counts.fir),
        ("REMB", counts.remb),
        ("TWCC", counts.twcc),
        ("CCFB", counts.ccfb),
        ("XR", counts.xr),
        ("other", counts.other),
        ("encrypted", counts.encrypted),
    ];
    let present = all.iter().filter(|(_, number)| *number > 0);
    present.map(|(name, number)| format!("{name} {}", count(*number))).collect::<Vec<_>>().join("  ")
}

fn reports(snapshot: &Snapshot, index: &Index<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let mut about: Vec<(&RtcpRow, Ssrc, Vec<&ReportPoint>)> = Vec::new();
    for row in &snapshot.rtcp {
        let mut of_row: BTreeMap<Ssrc, Vec<&ReportPoint>> = BTreeMap::new();
        for point in &row.sender.reports {
            of_row.entry(point.about).or_default().push(point);
        }
        about.extend(of_row.into_iter().map(|(ssrc, points)| (row, ssrc, points)));
    }
    if about.is_empty() {
        return Ok(());
    }
    let shown = page.shown(about.len());
    let mut table = Table::new(&REPORTS);
    for (row, ssrc, points) in about.iter().take(shown) {
        report(&mut table, index, row, *ssrc, points);
    }
    page.line(&[])?;
    page.line(&[Cell::new("  Reports of receivers, the last about each stream", Ink::Faint)])?;
    table.write(page)?;
    page.more(about.len(), shown)
}

pub(in crate::view) fn percent(fraction: u8) -> f64 {
    f64::from(fraction) * 100.0 / 256.0
}

fn report(table: &mut Table, index: &Index<'_>, row: &RtcpRow, about: Ssrc, points: &[&ReportPoint]) {
    let Some(last) = points.last() else { return };
    let worst = points.iter().map(|point| point.fraction_lost).max().unwrap_or_default();
    let rtts = || points.iter().filter_map(|point| point.rtt_ms);
    let samples = rtts().count();
    let mean = (samples > 0).then(|| rtts().sum::<f64>() / samples as f64);
    let lossy = |lost: bool| if lost { Ink::Doubtful } else { Ink::Plain };
    table.row(vec![
        index.direction(&row.flow, row.src),
        Cell::plain(about.to_string()),
        Cell::plain(row.sender.ssrc.to_string()),
        Cell::plain(count(points.len() as u64)),
        Cell::new(decimal(Some(percent(last.fraction_lost)), 1), lossy(last.fraction_lost > 0)),
        Cell::new(decimal(Some(percent(worst)), 1), lossy(worst > 0)),
        Cell::new(decimal(Some(f64::from(last.cumulative_lost)), 0), lossy(last.cumulative_lost > 0)),
        Cell::plain(decimal(row.jitter_ms(last), 2)),
        Cell::plain(decimal(rtts().min_by(f64::total_cmp), 1)),
        Cell::plain(decimal(mean, 1)),
        Cell::plain(decimal(rtts().max_by(f64::total_cmp), 1)),
    ]);
}
