//! Which key means what: one table, for reading keys and for the page of help.
//!
//! In: key events. Out: [`Action`]. Never: a state; a key means the same everywhere.

use super::action::Action;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key, as it is read and as it is shown.
pub(super) struct Binding {
    code: KeyCode,
    modifiers: KeyModifiers,
    /// Its name.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) action: Action,
    /// The same in words.
    pub(super) meaning: &'static str,
}

const fn key(code: KeyCode, name: &'static str, action: Action, meaning: &'static str) -> Binding {
    Binding { code, modifiers: KeyModifiers::NONE, name, action, meaning }
}

const QUIT: &str = "delete the allocations and end; again: end at once";

/// All of them.
pub(super) const KEYMAP: &[Binding] = &[
    key(KeyCode::Char('q'), "q", Action::Quit, QUIT),
    key(KeyCode::Esc, "Esc", Action::Back, "close this page; else as q"),
    // In raw mode the terminal makes no SIGINT of it.
    Binding { modifiers: KeyModifiers::CONTROL, ..key(KeyCode::Char('c'), "Ctrl-C", Action::Quit, "as q") },
    key(KeyCode::Char('p'), "p", Action::TogglePause, "pause the display; the run goes on"),
    key(KeyCode::Char(' '), "Space", Action::TogglePause, "as p"),
    key(KeyCode::Char('z'), "z", Action::Zoom, "more or less time in the curves"),
    key(KeyCode::Char('?'), "?", Action::ToggleHelp, "show or hide this page"),
];

/// What `event` means; none for a key that means nothing, and for one that is let go.
pub fn action(event: KeyEvent) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    // `?` arrives with or without Shift, as the terminal likes.
    let modifiers = event.modifiers - KeyModifiers::SHIFT;
    KEYMAP
        .iter()
        .find(|binding| binding.code == event.code && binding.modifiers == modifiers)
        .map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_esc_and_control_c_quit() {
        assert_eq!(action(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Action::Quit));
        assert_eq!(action(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)), Some(Action::Back));
        assert_eq!(action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Action::Quit));
    }

    #[test]
    fn a_question_mark_asks_for_help_with_and_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            assert_eq!(action(KeyEvent::new(KeyCode::Char('?'), modifiers)), Some(Action::ToggleHelp));
        }
    }

    #[test]
    fn other_keys_and_keys_let_go_mean_nothing() {
        assert_eq!(action(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE)), None);
        assert_eq!(action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)), None);
        let released = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE) };
        assert_eq!(action(released), None);
    }

    #[test]
    fn no_key_has_two_meanings() {
        for (at, one) in KEYMAP.iter().enumerate() {
            let same = |other: &&Binding| (other.code, other.modifiers) == (one.code, one.modifiers);
            assert!(!KEYMAP[..at].iter().any(|other| same(&other)), "{}", one.name);
        }
    }
}
