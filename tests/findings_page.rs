//! `docs/findings.md` is what the rules say of themselves. `BLESS=1` writes it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use rtcscope::view::explain;
use support::root;

#[test]
fn the_document_of_the_findings_is_what_the_rules_say() {
    let file = root().join("docs/findings.md");
    let written = explain::markdown();
    if std::env::var_os("BLESS").is_some_and(|value| value != "0") {
        std::fs::write(&file, written).expect("the document can be written");
        return;
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == written, "docs/findings.md is of other rules: BLESS=1 cargo test --test findings_page writes it");
}
