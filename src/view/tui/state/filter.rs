//! The text that the rows of a table are limited to, while somebody types it.
//!
//! In: letters. Out: the rows that have them. Never: a table filtered that is not in sight.

use super::super::list::List;
use super::{Focus, State};
use crate::model::snapshot::Snapshot;

/// Characters of a filter.
const LONGEST: usize = 100;

impl State {
    /// The table that keys are about: none where the screen has none, or lies behind what was opened.
    pub(super) fn table(&self) -> Option<List> {
        self.list().filter(|_| self.focus == Focus::List)
    }

    /// Begins a new text: until a letter is typed, all rows are shown.
    pub(super) fn begin_filter(&mut self, snapshot: &Snapshot) {
        if self.is_typing() {
            return;
        }
        let Some(list) = self.table() else {
            return self.tell("there is no table here to filter".to_owned());
        };
        self.before = Some(self.lists[list as usize].filter.clone());
        self.retype(snapshot, String::clear);
    }

    /// Changes the text while it is typed.
    pub(super) fn retype(&mut self, snapshot: &Snapshot, change: impl FnOnce(&mut String)) {
        let Some(list) = self.table().filter(|_| self.is_typing()) else { return };
        change(&mut self.lists[list as usize].filter);
        self.scroll = 0;
        self.settle(list, snapshot);
    }

    /// Brings the text back that was there before.
    pub(super) fn cancel_filter(&mut self, snapshot: &Snapshot) {
        let before = self.before.clone().unwrap_or_default();
        self.retype(snapshot, |filter| *filter = before);
        self.before = None;
    }

    /// What the filter of a table hides all of, in words; none where it has rows or no filter.
    pub(in crate::view::tui) fn hidden(&self, list: List, rows: &str) -> Option<String> {
        let shown = &self.lists[list as usize];
        let is_hidden = shown.rows.is_empty() && !shown.filter.is_empty();
        is_hidden.then(|| format!("The filter \"{}\" leaves no {rows}; an empty one shows all.", shown.filter))
    }
}

/// Adds a letter where there is room for one.
pub(super) fn lengthen(filter: &mut String, letter: char) {
    if filter.chars().count() < LONGEST {
        filter.push(letter);
    }
}

/// Takes the last word away, and the blanks behind it.
pub(super) fn take_word(filter: &mut String) {
    let rest = filter.trim_end();
    let kept = rest.rfind(char::is_whitespace).map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
    filter.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_with_the_blanks_behind_it() {
        for (text, left) in [("one two ", "one "), ("one ", ""), ("", ""), ("ä\u{2003}ö", "ä\u{2003}"), ("  ", "")] {
            let mut filter = text.to_owned();
            take_word(&mut filter);
            assert_eq!(filter, left, "{text:?}");
        }
    }
}
