//! What the dashboard knows.
//!
//! In: actions, and a progress each second. Out: the next state; [`State::quit`] says what the person wants of the run.
//! Never: a terminal, a clock, a decision about the run.

use super::action::Action;
use super::figures;
use super::history::History;
use crate::result::Progress;
use crate::view::number::plain;

/// Seconds that a column of the curves stands for.
const ZOOMS: [usize; 3] = [1, 5, 30];

/// What the person at the keyboard wants of the run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Quit {
    /// Go on.
    #[default]
    No,
    /// Delete the allocations and end.
    Drain,
    /// End at once.
    Now,
}

/// What there is to show.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) latest: Option<Progress>,
    pub(super) history: History,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct State {
    /// The server, and how it is reached.
    target: String,
    /// As it is.
    live: Shown,
    /// As it was when the display was paused.
    held: Option<Box<Shown>>,
    /// What the user should know.
    notes: Vec<String>,
    /// What became of the steps of a search.
    steps: Vec<String>,
    is_help_shown: bool,
    zoom: usize,
    quit: Quit,
}

impl State {
    /// Of a run that is about to begin. `target` stands at the top: `turn:127.0.0.1:3478 over udp`.
    pub fn new(target: &str) -> Self {
        Self {
            target: plain(target),
            live: Shown::default(),
            held: None,
            notes: Vec::new(),
            steps: Vec::new(),
            is_help_shown: false,
            zoom: 0,
            quit: Quit::No,
        }
    }

    /// Takes in what happened since the last one.
    pub fn progress(&mut self, progress: Progress) {
        self.live.history.push(figures::point(&progress));
        self.live.latest = Some(progress);
    }

    /// Shows `note` from now on, where there is room.
    pub fn note(&mut self, note: &str) {
        self.notes.push(plain(note));
    }

    /// Shows what became of a step.
    pub fn step(&mut self, step: &str) {
        self.steps.push(plain(step));
    }

    /// Does what a key means.
    pub fn update(&mut self, action: Action) {
        match action {
            // Somebody who wants to leave the page of keys does not want to end the run.
            Action::Back if self.is_help_shown => self.is_help_shown = false,
            Action::Quit | Action::Back => {
                self.quit = if self.quit == Quit::No { Quit::Drain } else { Quit::Now };
            }
            Action::ToggleHelp => self.is_help_shown = !self.is_help_shown,
            Action::TogglePause => {
                self.held = if self.held.is_some() { None } else { Some(Box::new(self.live.clone())) };
            }
            Action::Zoom => self.zoom = (self.zoom + 1) % ZOOMS.len(),
        }
    }

    /// What the person wants of the run.
    pub const fn quit(&self) -> Quit {
        self.quit
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    pub(super) fn shown(&self) -> &Shown {
        self.held.as_deref().unwrap_or(&self.live)
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    pub(super) const fn is_help_shown(&self) -> bool {
        self.is_help_shown
    }

    pub(super) fn seconds_a_column(&self) -> usize {
        ZOOMS.get(self.zoom).copied().unwrap_or(1)
    }
}
