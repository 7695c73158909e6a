//! Messages that are lines: SIP, RTSP, HTTP, and the SDP in them.
//!
//! In: text. Out: a field for each line. Never: passwords and keys hidden, which are in the bytes beside anyway.

use super::{Tree, words};
use std::ops::Range;

pub(super) fn message(tree: &mut Tree<'_>, protocol: &str, at: Range<usize>) {
    let bytes = tree.slice(&at);
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    tree.within(protocol, words(first.trim_ascii_end()), at.clone(), |tree| lines(tree, bytes, at.clone()));
}

/// The lines of `bytes`, which lie at `at` byte by byte, masked perhaps.
pub(super) fn lines(tree: &mut Tree<'_>, bytes: &[u8], at: Range<usize>) {
    let mut start = at.start;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let line = line.trim_ascii_end();
        if !line.is_empty() {
            let (name, value) = named(line);
            tree.add(name, value, start..(start + line.len()).min(at.end));
        }
        start = end;
    }
}

/// `a=mid` and `0`, `Call-ID` and `1@host`; a line without a name is a line.
fn named(line: &[u8]) -> (String, String) {
    let is_name =
        |name: &[u8]| !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    // A line of SDP (RFC 8866, section 5).
    if let [letter, b'=', rest @ ..] = line
        && letter.is_ascii_lowercase()
    {
        let colon = rest.iter().position(|byte| *byte == b':').filter(|at| *letter == b'a' && is_name(&rest[..*at]));
        return match colon {
            Some(at) => (format!("a={}", words(&rest[..at])), words(&rest[at + 1..])),
            None => (format!("{}=", char::from(*letter)), words(rest)),
        };
    }
    match line.iter().position(|byte| *byte == b':').filter(|at| is_name(&line[..*at])) {
        Some(at) => (words(&line[..at]), words(line[at + 1..].trim_ascii_start())),
        None => ("Line".to_owned(), words(line)),
    }
}
