//! The report for a person, as it was read and found good: `tests/text_report/<case>.<width>.txt`. `BLESS=1` writes it.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;
use support::{Case, cases, conclude, root, trial};
use unicode_width::UnicodeWidthStr;

/// A call through a relay, one by SIP, and one that fails.
const CASES: [&str; 3] = ["webrtc-relay-udp", "sip-hold", "turn-wrong-password"];
const WIDTHS: [usize; 2] = [80, 160];
/// Widths that every report must fit, pretty or not.
const ANY_WIDTHS: [usize; 3] = [30, 80, 133];

fn main() {
    let mut trials = Vec::new();
    for case in cases() {
        if CASES.contains(&case.name.as_str()) {
            for width in WIDTHS {
                let case = case.clone();
                trials.push(trial(format!("{}::{width}", case.name), move || golden(&case, width)));
            }
        }
        trials.push(trial(format!("{}::every_line_fits", case.name), move || fits(&case)));
    }
    trials.push(trial("README::100".to_owned(), readme));
    conclude(trials);
}

/// The report as bytes that are text; the input is named from the root, so that no path of a machine is in it.
fn report(case: &Case, width: usize, more: &[&str]) -> Result<String, String> {
    let input = case.input.strip_prefix(root()).unwrap_or(&case.input);
    let output = Command::new(env!("CARGO_BIN_EXE_rtcscope"))
        .current_dir(root())
        .env("COLUMNS", width.to_string())
        .env_remove("NO_COLOR")
        .arg("analyze")
        .arg(input)
        .args(["--quiet", "--format", "text"])
        .args(more)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn golden(case: &Case, width: usize) -> Vec<String> {
    let actual = match report(case, width, &[]) {
        Ok(actual) => actual,
        Err(error) => return vec![error],
    };
    let folder = root().join("tests/text_report");
    let file = folder.join(format!("{}.{width}.txt", case.name));
    if std::env::var_os("BLESS").is_some_and(|value| value != "0") {
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, actual));
        return written.err().map(|error| error.to_string()).into_iter().collect();
    }
    compare(&file, &actual)
}

/// The report that the README opens with, which leaves out the last section.
fn readme() -> Vec<String> {
    let Some(case) = cases().into_iter().find(|case| case.name == CASES[0]) else { return vec!["no case".into()] };
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    match report(&case, 100, &[]) {
        Ok(actual) if !shown.is_empty() && actual.starts_with(shown) => Vec::new(),
        Ok(actual) => vec![format!("the README does not show what is printed at 100 columns:\n{actual}")],
        Err(error) => vec![error],
    }
}

fn compare(file: &Path, actual: &str) -> Vec<String> {
    let Ok(expected) = std::fs::read_to_string(file) else {
        return vec![format!("no {}; run with BLESS=1, then read what was written", file.display())];
    };
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let differing = (0..old.len().max(new.len())).filter(|at| old.get(*at) != new.get(*at));
    differing
        .map(|at| format!("line {}\n  - {}\n  + {}", at + 1, old.get(at).unwrap_or(&""), new.get(at).unwrap_or(&"")))
        .collect()
}

fn fits(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    for width in ANY_WIDTHS {
        for more in [&[][..], &["--full"]] {
            match report(case, width, more) {
                Ok(text) => complaints.extend(text.lines().filter_map(|line| complaint(line, width))),
                Err(error) => complaints.push(error),
            }
        }
    }
    complaints
}

fn complaint(line: &str, width: usize) -> Option<String> {
    let reason = if line.width() > width {
        "is too wide"
    } else if line.chars().any(char::is_control) {
        "has a control character"
    } else if line.contains("NaN") || line.split_whitespace().any(|word| ["-0", "-0.0", "-0.00"].contains(&word)) {
        "has a number that is none"
    } else if line.ends_with(' ') {
        "ends with a blank"
    } else {
        return None;
    };
    Some(format!("at {width} columns this {reason}: {line}"))
}
