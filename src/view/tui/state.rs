//! What the dashboard knows of the person in front of it.
//!
//! In: actions, and the snapshot that they are about. Out: the next state, and now and then an [`Effect`]. Never: a terminal, a
//! clock, a file, a change of the snapshot.

mod copy;
mod course;
mod filter;
mod frame;
mod lists;
mod selection;
mod travel;

pub use frame::Frame;
pub(super) use frame::Rung;
pub(super) use lists::ListState;
pub use selection::Selection;

use super::action::{Action, Screen};
use super::document;
use super::list::{Known, List};
use super::order;
use super::render::{Areas, areas};
use crate::model::snapshot::{FrameNo, Snapshot, StreamRow};
use crate::view::text::Cell;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;

/// Screens that can be gone back to.
const TRAIL: usize = 32;

/// What the caller is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write the report to a file.
    Export,
    /// Put a text on the clipboard.
    Copy(String),
    /// Save packets.
    Save(Selection),
    /// Stop until somebody goes on.
    Suspend,
}

/// What keys move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Focus {
    /// The rows of the table; where there is none, the lines of the screen.
    List,
    /// The events of the ladder.
    Ladder,
    /// The fields of the frame below it.
    Frame,
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
    /// What is said where a filter leaves neither.
    hidden: [Option<String>; 2],
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
    focus: Focus,
    scroll: usize,
    /// What stands below the table, for as long as it is about the same.
    below: Vec<Vec<Cell>>,
    below_of: Option<Subject>,
    /// Keys have been taken since.
    is_behind: bool,
    /// The events of the ladder among those lines, and the place of the selected one.
    rungs: Vec<Rung>,
    rung: usize,
    /// The frame that a ladder which is not drawn yet is to show.
    evidence: Option<FrameNo>,
    /// A frame that is shown although no event of the ladder is of it.
    cited: Option<FrameNo>,
    read: Option<frame::Read>,
    field: usize,
    course: course::Course,
    is_following: bool,
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
            focus: Focus::List,
            scroll: 0,
            below: Vec::new(),
            below_of: None,
            is_behind: false,
            rungs: Vec::new(),
            rung: 0,
            evidence: None,
            cited: None,
            read: None,
            field: 0,
            course: course::Course::default(),
            is_following: false,
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
        if self.is_following {
            self.follow(snapshot);
            self.write_below(snapshot);
        }
    }

    /// To the newest of what the screen shows.
    fn follow(&mut self, snapshot: &Snapshot) {
        match (self.screen, self.list(), self.focus) {
            (Screen::Stream, ..) => self.follow_course(snapshot),
            (Screen::Sessions, _, Focus::Ladder) => self.step_rung(isize::MAX),
            // Only where what is new stands at the end.
            (_, Some(list), Focus::List) if order::is_newest_last(list, self.list_state(list)) => {
                self.select(list, isize::MAX, snapshot);
            }
            _ => {}
        }
    }

    fn write_below(&mut self, snapshot: &Snapshot) {
        self.is_behind = false;
        let subject = Subject {
            generation: self.generation,
            screen: self.screen,
            width: self.size.width,
            list: self.list().map(|list| (list, self.lists[list as usize].selected())),
            stream: self.lists[List::Streams as usize].selected(),
            session: self.session(),
            hidden: [self.hidden(List::Streams, ""), self.hidden(List::Sessions, "")],
        };
        if self.below_of.as_ref() != Some(&subject) {
            let width = self.below_width();
            let before = self.rungs.get(self.rung).map(|rung| rung.frame);
            let is_same =
                self.below_of.as_ref().is_some_and(|of| (of.screen, of.session) == (subject.screen, subject.session));
            (self.below, self.rungs) = document::below(self, snapshot, width);
            self.below_of = Some(subject);
            match before.filter(|_| is_same) {
                Some(frame) => self.find_rung(frame),
                None => (self.rung, self.cited) = (0, None),
            }
        }
        if let Some(frame) = self.evidence.take_if(|_| self.screen == Screen::Sessions) {
            self.focus = Focus::Ladder;
            self.show_evidence(frame);
        }
        self.scroll = self.scroll.min(self.last_line());
        self.keep_rung_in_sight();
    }

    /// Columns that have room below the table.
    fn below_width(&self) -> u16 {
        let whole = self.areas().detail.width;
        // The overview has them in its left half.
        if self.screen == Screen::Overview { whole / 2 } else { whole }.saturating_sub(2)
    }

    fn areas(&self) -> Areas {
        areas(self.size, self.screen, self.focus != Focus::List)
    }

    /// Lines that have room below the table.
    fn detail_room(&self) -> usize {
        usize::from(self.areas().detail.height.saturating_sub(2))
    }

    /// The first line in sight where the last one is.
    fn last_line(&self) -> usize {
        self.below.len().saturating_sub(self.detail_room())
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
        let effect = self.advance(action, snapshot);
        self.catch_up(snapshot);
        effect
    }

    /// The same where more keys may follow: what stands below a table is not written for rows that are only passed. To be
    /// drawn after [`State::catch_up`].
    pub fn advance(&mut self, action: Action, snapshot: &Snapshot) -> Option<Effect> {
        let is_step = matches!(action, Action::Up | Action::Down | Action::PageUp | Action::PageDown);
        if !is_step || self.table().is_none() || self.evidence.is_some() {
            self.catch_up(snapshot);
        }
        let effect = self.take(action, snapshot);
        if self.table().is_none() {
            // Somebody left the table by a click while typing.
            self.before = None;
        }
        self.is_behind = true;
        effect
    }

    /// Writes what stands below the row that the keys have led to.
    pub fn catch_up(&mut self, snapshot: &Snapshot) {
        if self.is_behind {
            self.write_below(snapshot);
        }
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
            Action::Aside(by) => self.neighbour(by, snapshot),
            Action::Zoom(is_in) => self.on_stream(|state| state.zoom(is_in, snapshot)),
            Action::Pan(is_later) => self.on_stream(|state| state.pan(is_later, snapshot)),
            Action::Follow => {
                self.is_following = !self.is_following;
                if self.is_following {
                    self.follow(snapshot);
                }
            }
            Action::DetailUp => self.scroll_by(-1),
            Action::DetailDown => self.scroll_by(1),
            Action::Open => self.open(snapshot),
            Action::Filter => self.begin_filter(snapshot),
            Action::Sort => self.sort(|list, sorts| list.sort = (list.sort + 1) % sorts.max(1), snapshot),
            Action::Reverse => self.sort(|list, _| list.is_reversed = !list.is_reversed, snapshot),
            Action::Suspend => return Some(Effect::Suspend),
            Action::TogglePause => self.is_paused = !self.is_paused,
            Action::Export => return Some(Effect::Export),
            Action::Copy => return self.copy(snapshot),
            Action::Save => return self.saved(snapshot),
            Action::Type(letter) => self.retype(snapshot, |filter| filter::lengthen(filter, letter)),
            Action::Erase => self.retype(snapshot, |filter| {
                filter.pop();
            }),
            Action::EraseWord => self.retype(snapshot, filter::take_word),
            Action::EraseAll => self.retype(snapshot, String::clear),
            Action::Accept => self.before = None,
            Action::Cancel => self.cancel_filter(snapshot),
            Action::Click(column, row) => self.click(Position::new(column, row), snapshot),
        }
        None
    }

    fn back(&mut self, snapshot: &Snapshot) {
        if self.focus != Focus::List {
            self.focus = if self.focus == Focus::Frame { Focus::Ladder } else { Focus::List };
            self.cited = self.cited.filter(|_| self.focus != Focus::List);
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
        self.focus = Focus::List;
        self.cited = None;
        self.scroll = 0;
        self.before = None;
        self.settle_all(snapshot);
    }

    fn page(&self) -> isize {
        let lines = match self.list().filter(|_| self.focus == Focus::List) {
            Some(list) => self.room(list),
            None => self.detail_room() / 2,
        };
        lines.max(1) as isize
    }

    fn step(&mut self, by: isize, snapshot: &Snapshot) {
        match (self.focus, self.list()) {
            (Focus::Ladder, _) => self.step_rung(by),
            (Focus::Frame, _) => self.step_field(by),
            (Focus::List, Some(list)) => self.select(list, by, snapshot),
            (Focus::List, None) => self.scroll_by(by),
        }
    }

    /// Says where it does nothing.
    fn on_stream(&mut self, change: impl FnOnce(&mut Self)) {
        match self.screen {
            Screen::Stream => change(self),
            _ => self.tell("time can be zoomed on the screen of a stream".to_owned()),
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
        !matches!(self.focus, Focus::List)
    }

    pub(super) const fn focus(&self) -> Focus {
        self.focus
    }

    pub(super) const fn is_following(&self) -> bool {
        self.is_following
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
