//! Two runs, as text.
//!
//! In: [`Runs`]. Out: the verdict, the figures side by side, findings that came and went. Never: a change without its tolerance.

use super::super::text::{Cell, Column, Ink, Page, Table, count, decimal};
use crate::compare::{Judged, Judgement, RunStream, Runs};
use std::io;

pub(super) fn write(runs: &Runs, page: &mut Page<'_>) -> io::Result<()> {
    let verdict = match runs.verdict() {
        "same" => "nothing changed beyond the tolerances".to_owned(),
        "mixed" => format!("B is better in {} and worse in {}", runs.better, runs.worse),
        "better" => format!("B is better in {}, worse in none", runs.better),
        _ => format!("B is worse in {}, better in none", runs.worse),
    };
    let ink = if runs.worse > 0 { Ink::Bad } else { Ink::Good };
    page.wrapped(Cell::new("Verdict", Ink::Strong), 9, " ", &[Cell::new(verdict, ink)])?;
    if !runs.figures.is_empty() {
        page.section("The whole run", "")?;
        figures(&runs.figures, page)?;
    }
    findings(runs, page)?;
    for stream in runs.streams.iter().filter(|stream| !stream.figures.is_empty()) {
        let (a, b) = (stream.a.as_deref().unwrap_or("-"), stream.b.as_deref().unwrap_or("-"));
        page.section(&name(stream), &format!("{a} of A, {b} of B, {}", stream.direction))?;
        figures(&stream.figures, page)?;
    }
    lone(runs, page)
}

fn name(stream: &RunStream) -> String {
    let number = if stream.number > 1 { format!(" {}", stream.number) } else { String::new() };
    format!("{} {}{number}", stream.kind.as_deref().unwrap_or("stream"), stream.codec)
}

const fn ink(judgement: Judgement) -> Ink {
    match judgement {
        Judgement::Better => Ink::Good,
        Judgement::Worse => Ink::Bad,
        Judgement::Same => Ink::Plain,
        Judgement::Unjudged => Ink::Faint,
    }
}

const fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Better => "better",
        Judgement::Worse => "worse",
        Judgement::Same => "same",
        Judgement::Unjudged => "-",
    }
}

fn figures(figures: &[Judged], page: &mut Page<'_>) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::left("figure", 0),
        Column::right("A", 0),
        Column::right("B", 0),
        Column::left("unit", 1),
        Column::right("change", 2),
        Column::right("same up to", 3),
        Column::left("B is", 0),
    ]);
    for figure in figures.iter().filter(|figure| figure.a.is_some() || figure.b.is_some()) {
        let shown = |value: Option<f64>| {
            let decimals = if value.is_none_or(|value| value.fract() == 0.0) || figure.unit == "bit/s" { 0 } else { 2 };
            decimal(value, decimals)
        };
        let change = figure.a.zip(figure.b).map(|(a, b)| b - a);
        let sign = if change.is_some_and(|change| change > 0.0) { "+" } else { "" };
        table.row(vec![
            Cell::plain(figure.name),
            Cell::plain(shown(figure.a)),
            Cell::plain(shown(figure.b)),
            Cell::plain(figure.unit),
            Cell::plain(format!("{sign}{}", shown(change))),
            Cell::plain(shown(figure.tolerance)),
            Cell::new(word(figure.judgement), ink(figure.judgement)),
        ]);
    }
    table.write(page)
}

fn findings(runs: &Runs, page: &mut Page<'_>) -> io::Result<()> {
    if runs.findings.is_empty() {
        return Ok(());
    }
    page.section("Findings that came or went", "")?;
    let mut table = Table::new(&[
        Column::left("code", 0),
        Column::left("severity", 1),
        Column::right("A", 0),
        Column::right("B", 0),
        Column::left("B is", 0),
    ]);
    for finding in &runs.findings {
        table.row(vec![
            Cell::plain(&finding.code),
            Cell::plain(&finding.severity),
            Cell::plain(count(finding.a)),
            Cell::plain(count(finding.b)),
            Cell::new(word(finding.judgement), ink(finding.judgement)),
        ]);
    }
    table.write(page)
}

fn lone(runs: &Runs, page: &mut Page<'_>) -> io::Result<()> {
    let alone: Vec<&RunStream> = runs.streams.iter().filter(|stream| stream.figures.is_empty()).collect();
    if alone.is_empty() {
        return Ok(());
    }
    page.section("Streams of one run only", &format!("{} streams", alone.len()))?;
    let mut table = Table::new(&[
        Column::left("A", 0),
        Column::left("B", 0),
        Column::left("stream", 0),
        Column::left("from and to", 2),
        Column::left("B is", 0),
    ]);
    for stream in alone {
        table.row(vec![
            Cell::plain(stream.a.as_deref().unwrap_or("-")),
            Cell::plain(stream.b.as_deref().unwrap_or("-")),
            Cell::plain(name(stream)),
            Cell::plain(&stream.direction),
            Cell::new(word(stream.judgement), ink(stream.judgement)),
        ]);
    }
    table.write(page)
}
