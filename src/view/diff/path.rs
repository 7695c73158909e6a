//! Two points of one path, as text.
//!
//! In: a [`Path`]. Out: clock, streams, other packets, what only one has. Never: a delay where the clocks are not known.

use super::super::text::{Cell, Column, Ink, Page, Table, count, decimal};
use crate::compare::{Basis, ClockOffset, DirectionBy, Heading, Lone, Path, PathStream};
use std::io;

/// An offset that changes by more is told.
const TELLING_CHANGE: i64 = 1_000_000;

pub(super) fn write(path: &Path, page: &mut Page<'_>) -> io::Result<()> {
    clock(path.clock, page)?;
    let (lost, reordered) = path.faults();
    let ink = if lost + reordered > 0 { Ink::Bad } else { Ink::Good };
    let (packets, came) = (count(lost), count(reordered));
    let words =
        format!("of the streams in both, {packets} packets were lost between the points and {came} came out of order");
    page.wrapped(Cell::new("Between", Ink::Strong), 9, " ", &[Cell::new(words, ink)])?;
    streams(&path.streams, page)?;
    others(path, page)?;
    lone("A", &path.only_a, page)?;
    lone("B", &path.only_b, page)?;
    if path.not_compared > 0 {
        let words = format!(
            "{} packets were not compared: cut by a snap length, or more than are kept",
            count(path.not_compared)
        );
        page.wrapped(Cell::plain(""), 2, " ", &[Cell::new(words, Ink::Doubtful)])?;
    }
    Ok(())
}

fn clock(clock: Option<ClockOffset>, page: &mut Page<'_>) -> io::Result<()> {
    let lead = Cell::new("Clock", Ink::Strong);
    let Some(clock) = clock else {
        return page.wrapped(lead, 9, " ", &[Cell::new("no packet is in both: nothing to compare", Ink::Doubtful)]);
    };
    let by = decimal(Some(clock.nanos.unsigned_abs() as f64 / 1e9), 6);
    let way = if clock.nanos < 0 { "behind" } else { "ahead of" };
    let mut words = vec![Cell::plain(format!("B is {by} s {way} A"))];
    match (clock.basis, clock.round_trip_nanos) {
        (Basis::BothWays, Some(least)) => {
            let least = decimal(Some(least as f64 / 1e6), 3);
            words.push(Cell::new(
                format!("(smallest delay there and back {least} ms, half of it each way)"),
                Ink::Faint,
            ));
        }
        _ => {
            let text =
                "(packets of one way only: their smallest delay is taken for none, so delays are what is above it)";
            words.push(Cell::new(text, Ink::Doubtful));
        }
    }
    if let Some(change) = clock.change_nanos.filter(|change| change.abs() > TELLING_CHANGE) {
        let change = decimal(Some(change as f64 / 1e6), 3);
        words.push(Cell::new(
            format!("the clocks run apart: {change} ms from the first half to the second"),
            Ink::Doubtful,
        ));
    }
    page.wrapped(lead, 9, " ", &words)
}

fn streams(streams: &[PathStream], page: &mut Page<'_>) -> io::Result<()> {
    page.section("Media streams in both", &format!("{} streams", count(streams.len() as u64)))?;
    if streams.is_empty() {
        return page.line(&[Cell::new("  none", Ink::Faint)]);
    }
    let mut table = Table::new(&[
        Column::left("A", 0),
        Column::left("B", 0),
        Column::left("SSRC", 2),
        Column::left("kind", 3),
        Column::left("codec", 5),
        Column::left("way", 1),
        Column::right("matched", 1),
        Column::right("lost", 0),
        Column::right("lost %", 1),
        Column::right("reord", 1),
        Column::right("extra", 4),
        Column::right("min", 5).group("delay ms"),
        Column::right("p50", 1).group("delay ms"),
        Column::right("p99", 2).group("delay ms"),
        Column::right("max", 3).group("delay ms"),
        Column::right("hops", 6),
        Column::right("outside", 7),
    ]);
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let number = |value: u64, bad: bool| Cell::new(count(value), if bad && value > 0 { Ink::Bad } else { Ink::Plain });
    for stream in streams {
        let passage = &stream.passage;
        let delay = |of: fn(&crate::compare::Delay) -> i64| {
            Cell::plain(decimal(passage.delay.as_ref().map(|delay| of(delay) as f64 / 1e6), 3))
        };
        let arrow = match stream.heading {
            Heading::AToB => "A → B",
            Heading::BToA => "B → A",
        };
        let assumed = if stream.heading_by == DirectionBy::Assumed { "?" } else { "" };
        table.row(vec![
            Cell::plain(word(&stream.a)),
            Cell::plain(word(&stream.b)),
            Cell::plain(format!("0x{:08x}", stream.ssrc)),
            Cell::plain(word(&stream.kind)),
            Cell::plain(word(&stream.codec)),
            Cell::plain(format!("{arrow}{assumed}")),
            number(passage.matched, false),
            number(passage.lost, true),
            Cell::plain(decimal(passage.lost_pct, 2)),
            number(passage.reordered, true),
            number(passage.extra, true),
            delay(|delay| delay.min),
            delay(|delay| delay.p50),
            delay(|delay| delay.p99),
            delay(|delay| delay.max),
            Cell::plain(passage.hops.map_or("-".to_owned(), |hops| hops.to_string())),
            number(passage.outside, false),
        ]);
        if !passage.lost_frames.is_empty() {
            let frames: Vec<String> = passage.lost_frames.iter().map(u64::to_string).collect();
            let more = if passage.lost > frames.len() as u64 { ", …" } else { "" };
            let of = if stream.heading == Heading::AToB { "A" } else { "B" };
            table.note(vec![Cell::new(format!("lost: frames {}{more} of {of}", frames.join(", ")), Ink::Faint)]);
        }
    }
    table.write(page)?;
    if streams.iter().any(|stream| stream.heading_by == DirectionBy::Assumed) {
        let words = "? neither times nor hops tell the way: taken as from A to B";
        page.wrapped(Cell::plain(""), 2, " ", &[Cell::new(words, Ink::Faint)])?;
    }
    Ok(())
}

fn others(path: &Path, page: &mut Page<'_>) -> io::Result<()> {
    if path.others.is_empty() {
        return Ok(());
    }
    page.section("Other packets", "by their bytes")?;
    let mut table = Table::new(&[
        Column::left("class", 0),
        Column::right("in both", 0),
        Column::right("only in A", 0),
        Column::right("only in B", 0),
    ]);
    for row in &path.others {
        let numbers = [row.matched, row.only_a, row.only_b].map(|number| Cell::plain(count(number)));
        table.row([Cell::plain(&row.class)].into_iter().chain(numbers).collect());
    }
    table.write(page)
}

fn lone(side: &str, streams: &[Lone], page: &mut Page<'_>) -> io::Result<()> {
    if streams.is_empty() {
        return Ok(());
    }
    page.section(&format!("Media streams only in {side}"), &format!("{} streams", count(streams.len() as u64)))?;
    let mut table = Table::new(&[
        Column::left("id", 0),
        Column::left("SSRC", 1),
        Column::address("from", 2),
        Column::address("to", 2),
        Column::right("packets", 0),
    ]);
    for stream in streams {
        table.row(vec![
            Cell::plain(&stream.id),
            Cell::plain(format!("0x{:08x}", stream.ssrc)),
            Cell::plain(&stream.src),
            Cell::plain(&stream.dst),
            Cell::plain(count(stream.packets)),
        ]);
    }
    table.write(page)
}
