//! Every folder of `captures/` with an input is a case: one, two and four threads give the same bytes, and these are
//! `expected.json`. `BLESS=1` writes it.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::Path;
use support::{Case, Program, Value, cases, conclude, trial};

/// Differences that are shown before the rest is only counted.
const SHOWN: usize = 40;

fn main() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value != "0");
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let trials = cases()
        .into_iter()
        .map(|case| {
            let program = program.clone();
            trial(case.name.clone(), move || check(&program, &case, bless).err().into_iter().collect())
        })
        .collect();
    conclude(trials)
}

fn check(program: &Program, case: &Case, bless: bool) -> Result<(), String> {
    if !case.folder.join("README.md").is_file() {
        return Err("the case has no README.md that says what it is for".into());
    }
    // By the name that it has for somebody who stands in the checkout: the report repeats it.
    let input = case.input.strip_prefix(support::root()).unwrap_or(&case.input);
    let report = same_with_every_number_of_threads(program, input)?;
    let actual: Value = serde_json::from_slice(&report).map_err(|error| format!("the report is no JSON: {error}"))?;
    let expected_file = case.folder.join("expected.json");
    if bless {
        let text = serde_json::to_string_pretty(&actual).map_err(|error| error.to_string())?;
        return std::fs::write(&expected_file, text + "\n").map_err(|error| error.to_string());
    }
    let Ok(expected) = std::fs::read_to_string(&expected_file) else {
        return Err("no expected.json; run with BLESS=1, then read what was written".into());
    };
    let expected: Value = serde_json::from_str(&expected).map_err(|error| format!("expected.json: {error}"))?;
    let differences = differences(&expected, &actual);
    if differences.is_empty() { Ok(()) } else { Err(shown(&differences)) }
}

fn same_with_every_number_of_threads(program: &Program, input: &Path) -> Result<Vec<u8>, String> {
    let one = program.report_bytes(input, &["--threads", "1"])?;
    for threads in ["2", "4"] {
        let many = program.report_bytes(input, &["--threads", threads])?;
        if many != one {
            let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
            let differences = shown(&differences(&parsed(&one), &parsed(&many)));
            return Err(format!("{threads} threads do not say what one thread says:\n{differences}"));
        }
    }
    Ok(one)
}

/// `path: expected, got` for every leaf in which the two differ.
fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", Some(expected), Some(actual), &mut found);
    found
}

fn walk(path: &str, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<String>) {
    match (expected, actual) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                walk(&format!("{path}.{key}"), old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                walk(&format!("{path}[{index}]"), old.get(index), new.get(index), found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{}: expected {}, got {}", path.trim_start_matches('.'), leaf(expected), leaf(actual))),
    }
}

fn leaf(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn shown(differences: &[String]) -> String {
    let mut text = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    if differences.len() > SHOWN {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nand {} more", differences.len() - SHOWN);
    }
    text
}
