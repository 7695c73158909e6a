//! The dashboard over a snapshot: a key becomes an action, an action a state, a state a frame.
//!
//! In: input events, and a snapshot whenever there is a new one. Out: frames, and what the person wants to have done
//! ([`Effect`]). Never: a terminal set up or read, a file, a clock; all of that is the caller's.

mod action;
mod document;
mod keymap;
mod list;
mod order;
mod render;
mod state;
mod theme;

pub use action::{Action, Screen};
pub use keymap::action;
pub use render::render;
pub use state::{Effect, Frame, Selection, State};
pub use theme::Theme;

#[cfg(test)]
mod tests;
