//! Lines of a description and words of a line.
//!
//! In: bytes. Out: `letter=value` lines with their offset, words between blanks.
//! Never: a line that is dropped because its end, case or encoding is not what the RFC says.

use std::borrow::Cow;

/// Words of one line that lists are read from (formats, mids, SSRCs); no honest line has more.
pub(super) const MAX_WORDS: usize = 1024;

/// One line that is not empty.
pub(super) struct Line<'a> {
    /// Offset of the line in the description, in bytes.
    pub(super) offset: usize,
    /// The letter before `=`, in lower case; `None` where the line has not that form.
    pub(super) letter: Option<char>,
    /// What stands behind `=` without blanks around it, or the whole line. Bytes that are not UTF-8 are replaced.
    pub(super) value: Cow<'a, str>,
}

/// Splits at CRLF, LF or CR alone (RFC 8866, section 5, asks readers to take LF as well; neither CR nor LF can stand
/// within a line), and skips lines of nothing but blanks and NUL.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let position = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, position }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let offset = self.position;
            self.position += end + 1;
            let line = trim(rest.get(..end).unwrap_or_default());
            if line.is_empty() {
                continue;
            }
            let equals = line.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals.and_then(|at| line.split_at_checked(at)) {
                Some((name, value)) => (name.trim_ascii_end(), trim(value.get(1..).unwrap_or_default())),
                None => (&[][..], line),
            };
            return Some(match name {
                [letter] if letter.is_ascii_alphabetic() => Line {
                    offset,
                    letter: Some(char::from(letter.to_ascii_lowercase())),
                    value: String::from_utf8_lossy(value),
                },
                _ => Line { offset, letter: None, value: String::from_utf8_lossy(line) },
            });
        }
    }
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\0' | b' ' | b'\t'] = line {
        line = rest;
    }
    line.trim_ascii_start()
}

/// Words between blanks of one value.
pub(super) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn new(value: &'a str) -> Self {
        Self { rest: value.trim_ascii() }
    }

    /// The next word; `None` at the end.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.trim_ascii_start();
        Some(word).filter(|word| !word.is_empty())
    }

    /// The next word as a number.
    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    /// Everything that was not read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The remaining words, as owned strings, no more than [`MAX_WORDS`].
    pub(super) fn list(&mut self) -> Vec<String> {
        self.by_ref().take(MAX_WORDS).map(str::to_owned).collect()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.word()
    }
}

/// `Some(text)` of a text that is not empty.
pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
