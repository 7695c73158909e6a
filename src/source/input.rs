//! What was named on the command line, and the files that it stands for.
//!
//! In: a path, a folder, a glob or `-`. Out: paths, in the order in which they are to be opened.
//! Never: a walk into folders below the named one.

#![forbid(unsafe_code)]

use super::error::Refusal;
use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// One input as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, named `-`.
    Stdin,
    /// A file, a folder (its capture files, by name), or a glob such as `ring/*.pcap` where no such file exists.
    Path(PathBuf),
}

impl From<&OsStr> for Input {
    fn from(argument: &OsStr) -> Self {
        if argument == "-" { Input::Stdin } else { Input::Path(argument.into()) }
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        path.as_os_str().into()
    }
}

/// A file that an input stands for.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// False for a file that merely lies in a named folder, where other files may lie too.
    pub(super) named: bool,
}

/// The files behind a path, at least one.
pub(super) fn candidates(path: &Path) -> Result<Vec<Candidate>, Refusal> {
    let found = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => in_folder(path, |_| true)?
            .into_iter()
            .filter(|path| path.is_file())
            .map(|path| Candidate { path, named: false })
            .collect(),
        Ok(_) => vec![Candidate { path: path.to_owned(), named: true }],
        Err(error) => {
            let Some(found) = matching(path)? else { return Err(error.into()) };
            found.into_iter().map(|path| Candidate { path, named: true }).collect()
        }
    };
    if found.is_empty() { Err(Refusal::NothingFound) } else { Ok(found) }
}

/// The files that match a glob; `None` where the path is none.
fn matching(path: &Path) -> Result<Option<Vec<PathBuf>>, Refusal> {
    let mut is_glob = false;
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let pattern = match component {
            Component::Normal(name) => name.to_str().filter(|name| name.contains(['*', '?', '[', '{'])),
            _ => None,
        };
        let Some(pattern) = pattern else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        is_glob = true;
        let matcher = matcher(pattern)?;
        // As in a shell, a file whose name begins with a dot has to be asked for.
        let hidden = pattern.starts_with('.');
        let matches = |name: &OsStr| matcher.is_match(name) && (hidden || !name.as_encoded_bytes().starts_with(b"."));
        // A folder that cannot be listed has no matches, as in a shell.
        found = found.iter().flat_map(|folder| in_folder(folder, matches).unwrap_or_default()).collect();
    }
    found.retain(|path| path.exists() && !path.is_dir());
    Ok(is_glob.then_some(found))
}

fn matcher(pattern: &str) -> Result<GlobMatcher, Refusal> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(glob.map_err(|error| Refusal::Pattern(error.to_string()))?.compile_matcher())
}

/// What lies in a folder and has a name that matches, sorted by name.
fn in_folder(folder: &Path, matches: impl Fn(&OsStr) -> bool) -> Result<Vec<PathBuf>, Refusal> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut paths = Vec::new();
    for entry in fs::read_dir(listed)? {
        let name = entry?.file_name();
        if matches(&name) {
            paths.push(folder.join(name));
        }
    }
    paths.sort();
    Ok(paths)
}
