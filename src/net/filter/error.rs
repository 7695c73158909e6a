//! What is wrong with a filter, and where.
//!
//! In: the text, the place, a sentence. Out: the sentence with the place underlined.
//! Never: a control character of the text on the terminal.

use std::fmt;

/// A range of bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) const fn whole(text: &str) -> Self {
        Self { start: 0, end: text.len() }
    }

    /// From the start of this one to the end of `last`.
    pub(super) const fn to(self, last: Span) -> Self {
        Self { start: self.start, end: last.end }
    }
}

/// Characters of the text that are shown before the underlined place, and after its start.
const SHOWN_BEFORE: usize = 50;
const SHOWN_AFTER: usize = 70;

/// A filter that was not understood, or that a link type cannot have. It prints as the sentence, the text, and the
/// place underlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The characters around the place.
    shown: String,
    /// Characters of `shown` before the place.
    before: usize,
    /// Characters underlined.
    underlined: usize,
    column: usize,
    message: String,
}

impl FilterError {
    pub(super) fn new(text: &str, span: Span, message: impl Into<String>) -> Self {
        let index = text.char_indices().take_while(|(at, _)| *at < span.start).count();
        let width = text.char_indices().filter(|(at, _)| (span.start..span.end).contains(at)).count();
        let skipped = index.saturating_sub(SHOWN_BEFORE);
        let window = index - skipped + SHOWN_AFTER;
        let mut shown: String = if skipped > 0 { "…".into() } else { String::new() };
        let before = index - skipped + usize::from(skipped > 0);
        let visible = |character: char| if character.is_control() { ' ' } else { character };
        shown.extend(text.chars().skip(skipped).take(window).map(visible));
        if text.chars().nth(skipped + window).is_some() {
            shown.push('…');
        }
        let underlined = width.clamp(1, SHOWN_AFTER);
        Self { shown, before, underlined, column: index + 1, message: message.into() }
    }

    /// The character of the text at which the place begins, counted from 1.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, in a sentence without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.column, self.message)?;
        if self.shown.trim().is_empty() {
            return Ok(());
        }
        let (before, underlined) = (self.before, self.underlined);
        write!(f, "\n    {}\n    {:before$}{:^<underlined$}", self.shown, "", "")
    }
}

impl std::error::Error for FilterError {}
