//! What is worth a person's attention.
//!
//! In: findings in their order. Out: each with the frames that show it; what it means and what to do is said once per
//! kind. Never: another order of severity.

use super::figures::plural;
use super::page::{Cell, Ink, Page, words};
use crate::model::snapshot::{Finding, RULES, Severity, Snapshot};
use std::io;

/// Where the words of a finding begin.
const INDENT: usize = 11;
/// Cases of one kind, unless all are wanted.
const CASES: usize = 5;

pub(in crate::view) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    if snapshot.findings.is_empty() {
        page.section("Findings", "")?;
        let text = format!(
            "none: {} rules were checked (`rtcscope explain` lists them), and none of them fits. That is no proof of a good \
             call: how it fared is in the tables below.",
            RULES.len()
        );
        return page.wrapped(Cell::plain(" "), 2, " ", &words(&text, Ink::Plain));
    }
    page.section("Findings", &tally(&snapshot.findings))?;
    for (at, cases) in by_kind(&snapshot.findings).iter().enumerate() {
        if at > 0 {
            page.line(&[])?;
        }
        kind(cases, page)?;
    }
    Ok(())
}

pub(in crate::view) fn tally(findings: &[Finding]) -> String {
    let counted = [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "note", "notes"),
    ];
    let present = counted.iter().filter_map(|(severity, one, many)| {
        let same = findings.iter().filter(|finding| finding.severity == *severity);
        let number = same.map(|finding| finding.cases).sum();
        (number > 0).then(|| plural(number, one, many))
    });
    present.collect::<Vec<_>>().join(", ")
}

/// Findings of one code together, where the first of them stands.
fn by_kind(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut kinds: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = |kind: &&mut Vec<&Finding>| {
            kind.first().is_some_and(|first| (first.code, first.severity) == (finding.code, finding.severity))
        };
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(finding),
            None => kinds.push(vec![finding]),
        }
    }
    kinds
}

pub(in crate::view) const fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::Error => Ink::Bad,
        Severity::Warning => Ink::Doubtful,
        Severity::Info => Ink::Plain,
    }
}

fn kind(cases: &[&Finding], page: &mut Page<'_>) -> io::Result<()> {
    let Some(first) = cases.first() else { return Ok(()) };
    let ink = severity_ink(first.severity);
    let number: u64 = cases.iter().map(|finding| finding.cases).sum();
    let times = if number > 1 { format!(" ×{number}") } else { String::new() };
    let lead = Cell::new(format!("  {:9}", first.severity.name()), ink);
    page.line(&[lead, Cell::new(format!("{}{times}", first.code), Ink::Strong)])?;
    let shown = page.shown_of(cases.len(), CASES);
    for finding in cases.iter().take(shown) {
        case(finding, page)?;
    }
    if shown < cases.len() {
        let more: u64 = cases.iter().skip(shown).map(|finding| finding.cases).sum();
        let text = format!("… {more} more like this; --full shows all");
        page.wrapped(Cell::plain(""), INDENT, " ", &words(&text, Ink::Faint))?;
    }
    page.wrapped(Cell::new("  why", Ink::Faint), INDENT, " ", &words(first.explanation, Ink::Plain))?;
    page.wrapped(Cell::new("  do", Ink::Faint), INDENT, " ", &words(first.advice, Ink::Plain))
}

fn case(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    // Sentences often open with the subject; it is not said twice.
    let subject = finding.subject.as_deref().filter(|subject| !finding.summary.starts_with(subject));
    let prefix = subject.map(|subject| format!("{subject}: ")).unwrap_or_default();
    let summary = words(&format!("{prefix}{}", finding.summary), severity_ink(finding.severity));
    page.wrapped(Cell::plain(""), INDENT, " ", &summary)?;
    let Some(filter) = finding.display_filter() else { return Ok(()) };
    // Blanks are allowed in the set, and are where a long one may be broken.
    page.wrapped(Cell::plain(""), INDENT, " ", &words(&filter.replace(',', ", "), Ink::Faint))
}
