//! The pages of the rules: one, the list of all, and the document of all.
//!
//! In: the table of rules. Out: text, Markdown. Never: a word that is not in the table.

use crate::model::snapshot::{RULES, Rule, Severity};
use std::fmt::Write;

/// Columns of a page on a terminal.
const WIDTH: usize = 80;
/// Letters in which a code may differ from what was typed.
const MAX_DISTANCE: usize = 4;

/// The page of a rule; the code may be typed in small letters and with `-`.
pub fn page(code: &str) -> Option<String> {
    let code = canonical(code);
    let rule = RULES.iter().find(|rule| rule.code == code)?;
    let mut text = format!("{} ({})\n{}\n", rule.code, rule.severity.name(), rule.title);
    for (head, words) in [("What it means", rule.explanation), ("What to do", rule.advice)] {
        let _ = write!(text, "\n{head}\n{}", wrapped(words, "  "));
    }
    Some(text)
}

/// All rules, one a line.
pub fn list() -> String {
    let widest = RULES.iter().map(|rule| rule.code.len()).max().unwrap_or(0);
    let mut text = String::new();
    for rule in RULES {
        let _ = writeln!(text, "{:widest$}  {:7}  {}", rule.code, rule.severity.name(), rule.title);
    }
    text
}

/// Codes that may have been meant, the nearest first.
pub fn near(code: &str) -> Vec<&'static str> {
    let code = canonical(code);
    let mut near: Vec<(usize, &str)> = RULES
        .iter()
        .map(|rule| (if rule.code.contains(&code) { 0 } else { distance(&code, rule.code) }, rule.code))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .collect();
    near.sort();
    near.into_iter().take(5).map(|(_, code)| code).collect()
}

/// The document `docs/findings.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Findings\n\nWhat `rtcscope` looks for, each with its code, what it means and what to do; `rtcscope explain CODE` prints \
         one of\nthese pages. Errors come first in a report, then warnings, then notes; of each, what explains most comes \
         first, as it\ndoes here. This page is written from the rules themselves (`src/model/finding_rules/`).\n",
    );
    for (severity, head) in [(Severity::Error, "Errors"), (Severity::Warning, "Warnings"), (Severity::Info, "Notes")] {
        let _ = write!(text, "\n## {head}\n");
        RULES.iter().filter(|rule| rule.severity == severity).for_each(|rule| section(rule, &mut text));
    }
    text
}

fn section(rule: &Rule, text: &mut String) {
    let _ = write!(
        text,
        "\n### {}\n\n{}.\n\n{}\n\n**What to do:** {}\n",
        rule.code, rule.title, rule.explanation, rule.advice
    );
}

fn canonical(code: &str) -> String {
    code.trim().to_ascii_uppercase().replace('-', "_")
}

fn wrapped(words: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut line = String::from(indent);
    for word in words.split_whitespace() {
        if line.len() > indent.len() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.truncate(indent.len());
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
    text
}

/// How many letters have to be changed, added or taken away (Levenshtein). What was typed may be long: only its
/// beginning counts.
fn distance(typed: &str, code: &str) -> usize {
    let mut row: Vec<usize> = (0..=code.len()).collect();
    for (at, typed) in typed.bytes().take(64).enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, letter) in row.iter_mut().skip(1).zip(code.bytes()) {
            let changed = diagonal + usize::from(letter != typed);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_its_code_and_fits_a_terminal() {
        for rule in RULES {
            let page = page(rule.code).unwrap();
            assert!(page.starts_with(rule.code) && page.lines().all(|line| line.len() <= WIDTH), "{page}");
        }
    }

    #[test]
    fn a_code_is_found_in_small_letters_too() {
        assert_eq!(page("dtls-alert"), page("DTLS_ALERT"));
        assert!(page("DTLS_ALERT").is_some() && page("DTLS").is_none());
    }

    #[test]
    fn what_was_mistyped_is_near_to_what_was_meant() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(near("DTLS_ALRET").first(), Some(&"DTLS_ALERT"));
        assert!(near("negative").contains(&"RTCP_NEGATIVE_RTT"));
        assert_eq!(near("Something else altogether"), Vec::<&str>::new());
    }
}
