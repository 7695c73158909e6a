//! The ladder as it was read and found good: `tests/ladder/<case>.<width>.txt`. `BLESS=1` writes it.

#![forbid(unsafe_code)]

use std::path::Path;
use support::{Case, Program, cases, conclude, root, trial};
use unicode_width::UnicodeWidthStr;

/// A call through a relay, one by SIP, one that changes its paths, and one that fails.
const CASES: [&str; 4] = ["webrtc-relay-udp", "sip-hold", "webrtc-ice-restart", "turn-wrong-password"];
const WIDTHS: [usize; 3] = [60, 100, 200];

fn main() {
    let mut trials = Vec::new();
    for case in cases() {
        if CASES.contains(&case.name.as_str()) {
            let case = case.clone();
            trials.push(trial(format!("{}::100", case.name), move || golden(&case)));
        }
        trials.push(trial(format!("{}::every_line_fits", case.name), move || fits(&case)));
    }
    trials.push(trial("a_session_that_there_is_not".to_owned(), unknown_session));
    trials.push(trial("README".to_owned(), readme));
    conclude(trials);
}

fn ladder(case: &Case, more: &[&str]) -> Result<String, String> {
    let input = case.input.strip_prefix(root()).unwrap_or(&case.input).display().to_string();
    let arguments = [&["ladder", &input, "--quiet"], more].concat();
    let run = Program::new(env!("CARGO_BIN_EXE_rtcscope")).run(&arguments);
    match run.code {
        Some(0) => String::from_utf8(run.stdout).map_err(|error| error.to_string()),
        code => Err(format!("exit code {code:?}: {}", run.stderr)),
    }
}

fn golden(case: &Case) -> Vec<String> {
    let actual = match ladder(case, &["--width", "100"]) {
        Ok(actual) => actual,
        Err(error) => return vec![error],
    };
    let file = root().join("tests/ladder").join(format!("{}.100.txt", case.name));
    if std::env::var_os("BLESS").is_some_and(|value| value != "0") {
        return std::fs::write(&file, actual).err().map(|error| error.to_string()).into_iter().collect();
    }
    compare(&file, &actual)
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
    for width in WIDTHS {
        let columns = width.to_string();
        let plain = match ladder(case, &["--width", &columns]) {
            Ok(plain) => plain,
            Err(error) => return vec![error],
        };
        if plain.lines().count() < 2 && !plain.starts_with("nothing to draw") {
            complaints.push(format!("this is no ladder: {plain}"));
        }
        for line in plain.lines() {
            if line.width() > width || line.chars().any(char::is_control) || line.ends_with(' ') {
                complaints.push(format!("at {width} columns this is too wide or has what it should not: {line}"));
            }
        }
        match ladder(case, &["--width", &columns, "--ascii"]) {
            Ok(ascii) if !ascii.is_ascii() => complaints.push(format!("this is not ASCII: {ascii}")),
            Ok(ascii) if ascii.lines().count() != plain.lines().count() => {
                complaints.push("with ASCII there are other lines".to_owned());
            }
            Ok(_) => {}
            Err(error) => complaints.push(error),
        }
    }
    complaints
}

fn unknown_session() -> Vec<String> {
    let run =
        Program::new(env!("CARGO_BIN_EXE_rtcscope")).run(&["ladder", "captures/sip-hold", "--session", "s9", "-q"]);
    let expected = "rtcscope: there is no session `s9`; there are 1: s1\n";
    if run.code == Some(2) && run.stderr == expected { Vec::new() } else { vec![format!("{run:?}")] }
}

/// The beginning of what the README shows.
fn readme() -> Vec<String> {
    let Some(case) = cases().into_iter().find(|case| case.name == CASES[1]) else { return vec!["no case".into()] };
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let shown = readme.split("```text\n").find(|block| block.contains("SIP INVITE")).unwrap_or_default();
    let shown = shown.split("```").next().unwrap_or_default();
    match ladder(&case, &["--width", "100"]) {
        Ok(actual) if !shown.is_empty() && actual == shown => Vec::new(),
        Ok(actual) => vec![format!("the README does not show what is printed:\n{actual}")],
        Err(error) => vec![error],
    }
}
