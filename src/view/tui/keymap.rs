//! Which key means what: one table, for reading keys and for the page of help.
//!
//! In: input events. Out: [`Action`]. Never: a state; but where a filter is being typed, letters are letters.

use super::action::{Action, Screen};
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

/// A key, as it is read and as it is shown.
pub(super) struct Binding {
    code: KeyCode,
    modifiers: KeyModifiers,
    /// Its name.
    pub(super) name: &'static str,
    /// What it does.
    action: Action,
    /// The same in words; none for another key of the binding above.
    pub(super) meaning: Option<&'static str>,
}

const fn key(code: KeyCode, name: &'static str, action: Action, meaning: &'static str) -> Binding {
    Binding { code, modifiers: KeyModifiers::NONE, name, action, meaning: Some(meaning) }
}

/// Another key for the binding above.
const fn also(code: KeyCode, name: &'static str, action: Action) -> Binding {
    Binding { code, modifiers: KeyModifiers::NONE, name, action, meaning: None }
}

const fn letter(letter: char, name: &'static str, action: Action, meaning: &'static str) -> Binding {
    key(KeyCode::Char(letter), name, action, meaning)
}

/// All of them.
pub(super) const KEYMAP: &[Binding] = &[
    letter('1', "1 - 9", Action::Show(Screen::Overview), "the screens, by the numbers of their tabs"),
    also(KeyCode::Char('2'), "2", Action::Show(Screen::Streams)),
    also(KeyCode::Char('3'), "3", Action::Show(Screen::Stream)),
    also(KeyCode::Char('4'), "4", Action::Show(Screen::Reports)),
    also(KeyCode::Char('5'), "5", Action::Show(Screen::Sessions)),
    also(KeyCode::Char('6'), "6", Action::Show(Screen::Turn)),
    also(KeyCode::Char('7'), "7", Action::Show(Screen::Sdp)),
    also(KeyCode::Char('8'), "8", Action::Show(Screen::Findings)),
    also(KeyCode::Char('9'), "9", Action::Show(Screen::Flows)),
    key(KeyCode::Tab, "Tab", Action::Next, "next screen; Shift-Tab: the one before"),
    also(KeyCode::BackTab, "Shift-Tab", Action::Previous),
    key(KeyCode::Up, "↑↓", Action::Up, "move; also k and j, PgUp and PgDn, Home and End"),
    also(KeyCode::Down, "Down", Action::Down),
    also(KeyCode::Char('k'), "k", Action::Up),
    also(KeyCode::Char('j'), "j", Action::Down),
    also(KeyCode::PageUp, "PgUp", Action::PageUp),
    also(KeyCode::PageDown, "PgDn", Action::PageDown),
    also(KeyCode::Home, "Home", Action::First),
    also(KeyCode::Char('g'), "g", Action::First),
    also(KeyCode::End, "End", Action::Last),
    also(KeyCode::Char('G'), "G", Action::Last),
    key(KeyCode::Left, "←→", Action::Left, "another table or session; on 3 a moment; also h and l"),
    also(KeyCode::Right, "Right", Action::Right),
    also(KeyCode::Char('h'), "h", Action::Left),
    also(KeyCode::Char('l'), "l", Action::Right),
    letter('[', "[ ]", Action::Aside(-1), "the stream or session before, behind"),
    also(KeyCode::Char(']'), "]", Action::Aside(1)),
    letter('+', "+ -", Action::Zoom(true), "less of a stream's time, or more of it"),
    also(KeyCode::Char('='), "=", Action::Zoom(true)),
    also(KeyCode::Char('-'), "-", Action::Zoom(false)),
    letter('<', "< >", Action::Pan(false), "what was earlier, or later"),
    also(KeyCode::Char('>'), ">", Action::Pan(true)),
    letter('K', "K J", Action::DetailUp, "scroll what stands below a table"),
    also(KeyCode::Char('J'), "J", Action::DetailDown),
    key(KeyCode::Enter, "Enter", Action::Open, "open: stream, ladder, frame, evidence; Esc goes back"),
    also(KeyCode::Esc, "Esc", Action::Back),
    letter('/', "/ F7", Action::Filter, "show only rows with a text that is typed; empty: all"),
    also(KeyCode::F(7), "F7", Action::Filter),
    Binding {
        modifiers: KeyModifiers::CONTROL,
        ..letter('u', "Ctrl-U", Action::EraseAll, "while it is typed: take it back; Ctrl-W: its last word")
    },
    Binding { modifiers: KeyModifiers::CONTROL, ..also(KeyCode::Char('w'), "Ctrl-W", Action::EraseWord) },
    letter('s', "s S", Action::Sort, "sort by the next column; S turns the order around"),
    also(KeyCode::Char('S'), "S", Action::Reverse),
    letter(' ', "Space", Action::TogglePause, "hold the display still, or go on"),
    letter('f', "f", Action::Follow, "follow what is new, or stop it"),
    letter('w', "w F2", Action::Save, "save the packets of the row as pcapng"),
    also(KeyCode::F(2), "F2", Action::Save),
    letter('e', "e", Action::Export, "write the report as JSON"),
    letter('y', "y", Action::Copy, "copy the row, event or field that is selected"),
    letter('?', "? F1", Action::ToggleHelp, "show or hide this page"),
    also(KeyCode::F(1), "F1", Action::ToggleHelp),
    Binding {
        modifiers: KeyModifiers::CONTROL,
        ..letter('z', "Ctrl-Z", Action::Suspend, "back to the shell; its fg brings the dashboard back")
    },
    letter('q', "q", Action::Quit, "quit; also Ctrl-C"),
    // In raw mode the terminal makes no SIGINT of it.
    Binding { modifiers: KeyModifiers::CONTROL, ..also(KeyCode::Char('c'), "Ctrl-C", Action::Quit) },
];

/// What `event` means; none where it means nothing. `is_typing`: a filter is being typed.
pub fn action(event: &Event, is_typing: bool) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => of_key(*key, is_typing),
        Event::Mouse(mouse) => of_mouse(*mouse),
        _ => None,
    }
}

fn of_key(event: KeyEvent, is_typing: bool) -> Option<Action> {
    // `?` and `S` arrive with or without Shift, as the terminal likes.
    let modifiers = event.modifiers - KeyModifiers::SHIFT;
    if is_typing {
        match event.code {
            KeyCode::Char(letter) if modifiers.is_empty() => return Some(Action::Type(letter)),
            KeyCode::Backspace => return Some(Action::Erase),
            KeyCode::Enter => return Some(Action::Accept),
            KeyCode::Esc => return Some(Action::Cancel),
            _ => {}
        }
    }
    let bound = KEYMAP.iter().find(|binding| binding.code == event.code && binding.modifiers == modifiers);
    bound.map(|binding| binding.action)
}

fn of_mouse(event: MouseEvent) -> Option<Action> {
    match event.kind {
        MouseEventKind::ScrollUp => Some(Action::Up),
        MouseEventKind::ScrollDown => Some(Action::Down),
        MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(event.column, event.row)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn digits_go_to_the_screens_in_their_order() {
        for (at, screen) in Screen::ALL.into_iter().enumerate() {
            let digit = char::from_digit(at as u32 + 1, 10).unwrap();
            assert_eq!(action(&pressed(KeyCode::Char(digit), KeyModifiers::NONE), false), Some(Action::Show(screen)));
        }
    }

    #[test]
    fn capitals_come_with_and_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            assert_eq!(action(&pressed(KeyCode::Char('S'), modifiers), false), Some(Action::Reverse));
            assert_eq!(action(&pressed(KeyCode::Char('?'), modifiers), false), Some(Action::ToggleHelp));
        }
    }

    #[test]
    fn letters_of_a_filter_are_letters() {
        assert_eq!(action(&pressed(KeyCode::Char('q'), KeyModifiers::NONE), true), Some(Action::Type('q')));
        assert_eq!(action(&pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), true), Some(Action::Quit));
        assert_eq!(action(&pressed(KeyCode::Char('w'), KeyModifiers::CONTROL), true), Some(Action::EraseWord));
        assert_eq!(action(&pressed(KeyCode::Char('u'), KeyModifiers::CONTROL), true), Some(Action::EraseAll));
        assert_eq!(action(&pressed(KeyCode::Enter, KeyModifiers::NONE), true), Some(Action::Accept));
    }

    #[test]
    fn keys_let_go_mean_nothing() {
        let released = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE) };
        assert_eq!(action(&Event::Key(released), false), None);
        assert_eq!(action(&pressed(KeyCode::Char('x'), KeyModifiers::NONE), false), None);
    }

    #[test]
    fn no_key_has_two_meanings() {
        for (at, one) in KEYMAP.iter().enumerate() {
            let same = |other: &&Binding| (other.code, other.modifiers) == (one.code, one.modifiers);
            assert!(!KEYMAP[..at].iter().any(|other| same(&other)), "{}", one.name);
        }
    }
}
