//! The dashboard of a run: a key becomes an action, an action a state, a state a frame.
//!
//! In: key events and a progress each second. Out: frames, and what the person wants of the run. Never: a terminal set
//! up or read, a clock; both are the caller's.

mod action;
mod figures;
mod history;
mod keymap;
mod render;
mod state;
mod theme;

pub use action::Action;
pub use keymap::action;
pub use render::render;
pub use state::{Quit, State};
pub use theme::Theme;

#[cfg(test)]
mod tests;
