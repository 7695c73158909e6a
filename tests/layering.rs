//! Data walks one way through the layers, and the core opens nothing: held against what the sources name.
//!
//! A module's own tests may reach further; what counts is the code before `#[cfg(test)]`.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module of the root package may name of its siblings.
const ROOT: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("bytes", &[]),
    ("packet", &["time"]),
    ("source", &["packet", "time"]),
    ("net", &["packet", "bytes", "time"]),
    ("proto", &["bytes", "time"]),
    ("model", &["net", "proto", "packet", "bytes", "time"]),
    ("check", &[]),
    ("compare", &["model::sightings", "net", "time"]),
    ("dissect", &["net", "proto", "packet"]),
    ("view", &["model::snapshot", "model::finding", "check", "compare", "dissect", "time"]),
    ("cli", &["check", "compare", "dissect", "source", "net", "proto", "model", "view", "packet", "bytes", "time"]),
];

/// The same for the load generator; `rtcscope::` names are those of the root library.
const LOADGEN: &[(&str, &[&str])] = &[
    ("client", &["rtcscope::proto", "rtcscope::bytes"]),
    ("media", &["rtcscope::proto", "rtcscope::bytes"]),
    ("scenario", &["rtcscope::proto", "rtcscope::bytes"]),
    ("stats", &["media"]),
    ("knee", &[]),
    ("replay", &["media", "result", "rtcscope::model", "rtcscope::source"]),
    ("result", &["stats", "knee"]),
    ("scrape", &["result"]),
    ("check", &["client", "result", "rtcscope::proto"]),
    ("view", &["check", "media", "stats", "result", "knee"]),
    ("engine", &["check", "client", "media", "scenario", "scrape", "stats", "result", "rtcscope::proto"]),
];

/// Names that open, sleep or look at a clock, and the modules in which none of them may stand.
const IO: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
    "thread::sleep",
    "tokio::",
];
const CORE: &[&str] = &[
    "src/check",
    "src/compare",
    "src/dissect",
    "src/net",
    "src/proto",
    "src/model",
    "loadgen/src/check",
    "loadgen/src/client",
    "loadgen/src/knee",
    "loadgen/src/media",
    "loadgen/src/scenario",
    "loadgen/src/scrape",
];

/// The one exception: threads by flow, whose result does not depend on them.
const THREADS: (&str, &str) = ("src/model/pipeline.rs", "std::thread");

/// Where `unsafe` may stand.
const UNSAFE_ALLOWED: &[&str] = &["src/source/", "loadgen/src/engine"];

struct Source {
    /// Path from the root of the repository, with slashes.
    path: String,
    /// The code alone: without comments, literals, and tests.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the sources can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source is text");
                let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push(Source { path: name, code: code(&text) });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Leaves out comments, the contents of string literals, and everything from `#[cfg(test)]` on `mod tests`.
fn code(text: &str) -> String {
    let without_tests = match text.find("#[cfg(test)]\nmod tests") {
        Some(at) => &text[..at],
        None => text,
    };
    let mut code = String::new();
    for line in without_tests.lines() {
        let mut in_string = false;
        let mut previous = ' ';
        for character in line.chars() {
            match character {
                '"' if previous != '\\' && previous != '\'' => in_string = !in_string,
                '/' if previous == '/' && !in_string => {
                    code.pop();
                    break;
                }
                _ => {}
            }
            if !in_string {
                code.push(character);
            }
            previous = character;
        }
        code.push('\n');
    }
    code
}

/// The module paths that the code names below `start` (`crate::`, `rtcscope::`), braces of `use` taken apart, cut to two
/// segments.
fn named(code: &str, start: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(start) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        expand("", &code[at + start.len()..], &mut names);
    }
    names
}

/// Reads one path or one `{…}` group of paths; returns the rest behind it.
fn expand<'a>(prefix: &str, text: &'a str, names: &mut BTreeSet<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(prefix, rest, names).trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        return rest;
    }
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    match rest.strip_prefix("::") {
        Some(deeper) if !prefix.contains("::") => expand(&path, deeper, names),
        _ => {
            names.insert(path);
            let rest = rest.trim_start();
            rest.strip_prefix("as ")
                .map_or(rest, |alias| alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
        }
    }
}

/// The first segment of a path below `src/`: `src/net/ip.rs` and `src/net.rs` are `net`.
fn module<'a>(path: &'a str, base: &str) -> &'a str {
    let inside = path.strip_prefix(base).unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

/// Complaints about every name in `sources` that the table does not allow.
fn forbidden(sources: &[Source], base: &str, table: &[(&str, &[&str])]) -> Vec<String> {
    let siblings: BTreeSet<&str> = table.iter().map(|(name, _)| *name).collect();
    let mut complaints = Vec::new();
    for source in sources {
        let own = module(&source.path, base);
        let Some((_, allowed)) = table.iter().find(|(name, _)| *name == own) else { continue };
        let crate_names = named(&source.code, "crate::").into_iter();
        let library_names = named(&source.code, "rtcscope::").into_iter().map(|name| format!("rtcscope::{name}"));
        for name in crate_names.chain(library_names) {
            let first = name.split("::").next().unwrap_or(&name);
            let is_layer = siblings.contains(first) || first == "rtcscope";
            let is_allowed = |entry: &&str| name == **entry || name.starts_with(&format!("{entry}::"));
            if is_layer && first != own && !allowed.iter().any(is_allowed) {
                complaints.push(format!("{} names {name}; {own} may name {allowed:?}", source.path));
            }
        }
    }
    complaints
}

#[test]
fn no_module_of_the_library_reaches_back() {
    assert_eq!(forbidden(&sources("src"), "src/", ROOT), Vec::<String>::new());
}

#[test]
fn no_module_of_the_load_generator_reaches_back() {
    assert_eq!(forbidden(&sources("loadgen/src"), "loadgen/src/", LOADGEN), Vec::<String>::new());
}

#[test]
fn the_core_opens_nothing_sleeps_never_and_has_no_clock() {
    let mut complaints = Vec::new();
    for source in sources("src").into_iter().chain(sources("loadgen/src")) {
        if !CORE.iter().any(|core| source.path.starts_with(&format!("{core}/")) || source.path == format!("{core}.rs"))
        {
            continue;
        }
        let is_exempt = |name: &str| (source.path.as_str(), name) == THREADS && !source.code.contains("thread::sleep");
        for name in IO.iter().filter(|name| source.code.contains(**name) && !is_exempt(name)) {
            complaints.push(format!("{} names {name}", source.path));
        }
    }
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn unsafe_code_stands_at_the_edges_only() {
    let is_unsafe =
        |code: &str| code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
    let complaints: Vec<String> = sources("src")
        .into_iter()
        .chain(sources("loadgen/src"))
        .filter(|source| is_unsafe(&source.code) && !UNSAFE_ALLOWED.iter().any(|edge| source.path.starts_with(edge)))
        .map(|source| source.path)
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn the_table_of_the_architecture_page_is_this_one() {
    let Ok(page) = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")) else { return };
    for (module, allowed) in ROOT {
        let documented = page.lines().any(|line| {
            line.starts_with('|')
                && line.split('|').nth(1).is_some_and(|cell| cell.split([',', ' ', '`']).any(|word| word == *module))
        });
        assert!(documented, "docs/ARCHITECTURE.md has no row for {module}, which may name {allowed:?}");
    }
}

#[test]
fn names_are_found_in_groups_and_inline_but_not_in_comments_strings_or_tests() {
    let text = "use crate::{a::{b, C}, d as e};\n// crate::comment\nfn f() { crate::g::h(\"crate::string\") }\n\
                #[cfg(test)]\nmod tests { use crate::test; }\n";
    let names: Vec<String> = named(&code(text), "crate::").into_iter().collect();
    assert_eq!(names, ["a::C", "a::b", "d", "g::h"]);
}

#[test]
fn a_name_that_reaches_back_is_reported() {
    let source = Source {
        path: "src/net/ip.rs".into(),
        code: "use crate::model::Analyzer;\nuse crate::packet::LinkType;".into(),
    };
    let complaints = forbidden(&[source], "src/", ROOT);
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].contains("model::Analyzer"));
}
