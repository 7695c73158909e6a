//! What the key for copying takes: what is selected, at whatever depth somebody looks.
//!
//! In: the screen, and what is selected on it. Out: text for the clipboard. Never: what lies behind an opened row, or nothing
//! without a word.

use super::super::document;
use super::{Effect, Focus, State};
use crate::model::snapshot::Snapshot;

impl State {
    /// The selected field, event or row.
    pub(super) fn copy(&mut self, snapshot: &Snapshot) -> Option<Effect> {
        let text = match self.focus {
            Focus::Frame => self.selected_field(),
            Focus::Ladder => document::event_text(self, snapshot, self.below_width(), self.rung),
            Focus::List => self.copied(snapshot),
        };
        if text.is_none() {
            self.tell("there is nothing here to copy".to_owned());
        }
        text.map(Effect::Copy)
    }

    /// `name: value`.
    fn selected_field(&self) -> Option<String> {
        let (_, read) = self.frame()?;
        let field = read?.as_ref().ok()?.fields.get(self.field())?;
        let value = if field.value.is_empty() { String::new() } else { format!(": {}", field.value) };
        Some(format!("{}{value}", field.name))
    }
}
