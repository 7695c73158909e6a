//! What the dashboard knows of the person in front of it.
//!
//! In: actions, and the snapshot that they are about. Out: the next state, and now and then an [`Effect`]. Never: a terminal, a
//! clock, a file, a change of the snapshot.

mod lists;
mod selection;
mod travel;

pub(super) use lists::ListState;
pub use selection::Selection;

use super::action::{Action, Screen};
use super::document;
use super::list::{Known, List};
use super::render::areas;
use crate::model::snapshot::{Snapshot, StreamRow};
use crate::view::text::Cell;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;

/// Screens that can be gone back to.
const TRAIL: usize = 32;
/// Characters of a filter.
const FILTER: usize = 100;

/// What the caller is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write the report to a file.
    Export,
    /// Put a text on the clipboard.
    Copy(String),
    /// Save packets.
    Save(Selection),
}

/// What stands below a table is about: the snapshot, the screen and its width, and the rows that are selected.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Subject {
    generation: u64,
    screen: Screen,
    width: u16,
    list: Option<(List, Option<usize>)>,
    stream: Option<usize>,
    session: Option<usize>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct State {
    title: String,
    size: Rect,
    screen: Screen,
    /// The table in front on the screen of TURN, ICE and DTLS.
    paths: List,
    lists: [ListState; List::ALL.len()],
    known: Arc<Known>,
    /// Keys move what stands below the table.
    is_inside: bool,
    scroll: usize,
    /// What stands below the table, for as long as it is about the same.
    below: Vec<Vec<Cell>>,
    below_of: Option<Subject>,
    /// Counts snapshots.
    generation: u64,
    /// The filter as it was before somebody began to type.
    before: Option<String>,
    trail: Vec<Screen>,
    message: Option<String>,
    is_help_shown: bool,
    is_paused: bool,
    is_over: bool,
}

impl State {
    /// Of a dashboard that nobody has touched. `title` says what is looked at.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            size: Rect::new(0, 0, 80, 24),
            screen: Screen::Overview,
            paths: List::Allocations,
            lists: std::array::from_fn(|_| ListState::default()),
            known: Arc::default(),
            is_inside: false,
            scroll: 0,
            below: Vec::new(),
            below_of: None,
            generation: 0,
            before: None,
            trail: Vec::new(),
            message: None,
            is_help_shown: false,
            is_paused: false,
            is_over: false,
        }
    }

    /// The terminal has this size.
    pub fn resize(&mut self, width: u16, height: u16, snapshot: &Snapshot) {
        self.size = Rect::new(0, 0, width, height);
        List::ALL.iter().for_each(|list| self.keep_in_sight(*list));
        self.write_below(snapshot);
    }

    /// Takes a look at a new snapshot.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        self.generation += 1;
        self.known = Arc::new(Known::of(snapshot));
        self.settle_all(snapshot);
        self.write_below(snapshot);
    }

    fn write_below(&mut self, snapshot: &Snapshot) {
        let subject = Subject {
            generation: self.generation,
            screen: self.screen,
            width: self.size.width,
            list: self.list().map(|list| (list, self.lists[list as usize].selected())),
            stream: self.lists[List::Streams as usize].selected(),
            session: self.session(),
        };
        if self.below_of.as_ref() != Some(&subject) {
            let whole = areas(self.size, self.screen).detail.width;
            // The overview has them in its left half.
            let width = if self.screen == Screen::Overview { whole / 2 } else { whole }.saturating_sub(2);
            self.below = document::below(self, snapshot, width);
            self.below_of = Some(subject);
        }
        self.scroll = self.scroll.min(self.last_line());
    }

    /// The first line in sight where the last one is.
    fn last_line(&self) -> usize {
        let room = areas(self.size, self.screen).detail.height.saturating_sub(2);
        self.below.len().saturating_sub(usize::from(room))
    }

    /// Says something until the next key.
    pub fn tell(&mut self, message: String) {
        self.message = Some(message);
    }

    /// True once the person wants to leave.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// True while new snapshots are not to be shown.
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// True while letters belong to a filter.
    pub const fn is_typing(&self) -> bool {
        self.before.is_some()
    }

    /// Does what a key means.
    pub fn update(&mut self, action: Action, snapshot: &Snapshot) -> Option<Effect> {
        let effect = self.take(action, snapshot);
        self.write_below(snapshot);
        effect
    }

    fn take(&mut self, action: Action, snapshot: &Snapshot) -> Option<Effect> {
        self.message = None;
        if self.is_help_shown && !matches!(action, Action::Quit) {
            self.is_help_shown = false;
            if matches!(action, Action::Back | Action::ToggleHelp | Action::Click(..)) {
                return None;
            }
        }
        match action {
            Action::Quit => self.is_over = true,
            Action::Back => self.back(snapshot),
            Action::ToggleHelp => self.is_help_shown = true,
            Action::Show(screen) => self.show(screen, snapshot),
            Action::Next => self.show(self.screen.beyond(1), snapshot),
            Action::Previous => self.show(self.screen.beyond(Screen::ALL.len() - 1), snapshot),
            Action::Up => self.step(-1, snapshot),
            Action::Down => self.step(1, snapshot),
            Action::PageUp => self.step(-self.page(), snapshot),
            Action::PageDown => self.step(self.page(), snapshot),
            Action::First => self.step(isize::MIN, snapshot),
            Action::Last => self.step(isize::MAX, snapshot),
            Action::Left => self.aside(-1, snapshot),
            Action::Right => self.aside(1, snapshot),
            Action::DetailUp => self.scroll_by(-1),
            Action::DetailDown => self.scroll_by(1),
            Action::Open => self.open(snapshot),
            Action::Filter => self.before = self.listed().map(|list| list.filter.clone()),
            Action::Sort => self.sort(|list, sorts| list.sort = (list.sort + 1) % sorts.max(1), snapshot),
            Action::Reverse => self.sort(|list, _| list.is_reversed = !list.is_reversed, snapshot),
            Action::TogglePause => self.is_paused = !self.is_paused,
            Action::Export => return Some(Effect::Export),
            Action::Copy => return self.copied(snapshot).map(Effect::Copy),
            Action::Save => return self.saved(snapshot),
            Action::Type(letter) => self.retype(snapshot, |filter| {
                if filter.chars().count() < FILTER {
                    filter.push(letter);
                }
            }),
            Action::Erase => self.retype(snapshot, |filter| {
                filter.pop();
            }),
            Action::Accept => self.before = None,
            Action::Cancel => {
                let before = self.before.take().unwrap_or_default();
                self.retype(snapshot, |filter| *filter = before);
            }
            Action::Click(column, row) => self.click(Position::new(column, row), snapshot),
        }
        None
    }

    fn back(&mut self, snapshot: &Snapshot) {
        if self.is_inside {
            self.is_inside = false;
        } else if let Some(screen) = self.trail.pop() {
            self.enter(screen, snapshot);
        }
    }

    fn show(&mut self, screen: Screen, snapshot: &Snapshot) {
        if screen != self.screen {
            if self.trail.len() >= TRAIL {
                self.trail.remove(0);
            }
            self.trail.push(self.screen);
        }
        self.enter(screen, snapshot);
    }

    fn enter(&mut self, screen: Screen, snapshot: &Snapshot) {
        self.screen = screen;
        self.is_inside = false;
        self.scroll = 0;
        self.before = None;
        self.settle_all(snapshot);
    }

    fn page(&self) -> isize {
        let areas = areas(self.size, self.screen);
        let lines = match self.list().filter(|_| !self.is_inside) {
            Some(list) => self.room(list),
            None => usize::from(areas.detail.height).saturating_sub(2),
        };
        lines.max(1) as isize
    }

    fn step(&mut self, by: isize, snapshot: &Snapshot) {
        match self.list().filter(|_| !self.is_inside) {
            Some(list) => self.select(list, by, snapshot),
            None => self.scroll_by(by),
        }
    }

    fn scroll_by(&mut self, by: isize) {
        self.scroll = moved(self.scroll, by, self.last_line());
    }

    /// The stream that is looked at: the selected one.
    pub(super) fn stream<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a StreamRow> {
        self.lists[List::Streams as usize].selected().and_then(|row| snapshot.streams.get(row))
    }

    /// The place of the session that is looked at.
    pub(super) fn session(&self) -> Option<usize> {
        self.lists[List::Sessions as usize].selected()
    }

    /// The table on the screen.
    pub(super) fn list(&self) -> Option<List> {
        List::on(self.screen, self.paths)
    }

    fn listed(&self) -> Option<&ListState> {
        self.list().map(|list| &self.lists[list as usize])
    }

    pub(super) fn list_state(&self, list: List) -> &ListState {
        &self.lists[list as usize]
    }

    pub(super) const fn screen(&self) -> Screen {
        self.screen
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    pub(super) const fn is_help_shown(&self) -> bool {
        self.is_help_shown
    }

    pub(super) const fn is_inside(&self) -> bool {
        self.is_inside
    }

    pub(super) fn below(&self) -> &[Vec<Cell>] {
        &self.below
    }

    pub(super) const fn scroll(&self) -> usize {
        self.scroll
    }
}

/// `at` and so many steps, within 0 and `last`.
fn moved(at: usize, by: isize, last: usize) -> usize {
    at.saturating_add_signed(by).min(last)
}
