//! Where captures are.
//!
//! In: nothing but the place of this crate and the environment. Out: paths, in a stable order.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of `captures/` with an input in it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The capture in it.
    pub input: PathBuf,
}

const INPUTS: [&str; 4] = ["input.pcapng", "input.pcap", "input.pcap.gz", "input.pcapng.gz"];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository has a root")
}

/// The cases of `captures/`, by name.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = entries(&root().join("captures"))
        .into_iter()
        .filter_map(|folder| {
            let input = INPUTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())?;
            Some(Case { name: folder.file_name()?.to_string_lossy().into_owned(), folder, input })
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Every capture file in a folder and below it, sorted by path.
pub fn captures_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for path in entries(&next) {
            if path.is_dir() {
                folders.push(path);
            } else if is_capture(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Captures have many names, what lies beside them has few.
fn is_capture(path: &Path) -> bool {
    let uncompressed = match path.extension().and_then(OsStr::to_str) {
        Some("gz" | "zst") => path.with_extension(""),
        _ => path.to_path_buf(),
    };
    let extension = uncompressed.extension().and_then(OsStr::to_str).unwrap_or_default();
    !["tsv", "csv", "md", "json", "log", "txt", "sdp", "keylog", "key", "pem", "xml", "yaml"].contains(&extension)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = listing.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// An optional folder of more captures than the repository can hold: the one that `RTCSCOPE_SHARED` names, or `shared`
/// beside the repository.
pub fn shared() -> Option<PathBuf> {
    let beside = || Some(root().parent()?.join("shared"));
    let folder = std::env::var_os("RTCSCOPE_SHARED").map(PathBuf::from).or_else(beside)?;
    folder.join("calls").is_dir().then_some(folder)
}

/// The folder of more captures, or a word on stderr that nobody overlooks.
pub fn shared_or_skip(what: &str) -> Option<PathBuf> {
    let folder = shared();
    if folder.is_none() {
        announce_skip(what, "It needs captures that are not in the repository: name their folder in RTCSCOPE_SHARED.");
    }
    folder
}

/// True where `tool --version` runs; else a word on stderr that nobody overlooks.
pub fn tool_or_skip(tool: &str, what: &str) -> bool {
    let there = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        announce_skip(what, &format!("{tool} is not installed."));
    }
    there
}

/// Says on stderr what is not tested, so that nobody overlooks it.
#[allow(clippy::print_stderr, reason = "what could not be tested must be seen")]
pub fn announce_skip(what: &str, why: &str) {
    eprintln!("\n!!! SKIPPED: {what}\n!!! {why}\n");
}
