//! The dashboard.
mod action;
mod history;
mod keymap;
mod theme;
