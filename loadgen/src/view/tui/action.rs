//! What a key can mean.
//!
//! In: nothing. Out: [`Action`]. Never: a key; which one means what is [`super::keymap`]'s.

/// What the person at the keyboard wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Delete the allocations and end; a second time: end at once.
    Quit,
    /// Close the page of keys; without one, as [`Action::Quit`].
    Back,
    /// Show or hide the page of keys.
    ToggleHelp,
    /// Stop or go on showing what is new; the run itself goes on.
    TogglePause,
    /// Show the next larger or smaller stretch of time.
    Zoom,
}
