//! How tables stand: order, filter, the selected row, the rows in sight.
//!
//! In: a table, what it is sorted by and limited to. Out: rows. Never: the same order worked out twice for a snapshot.

use super::super::action::Screen;
use super::super::list::{List, Seen};
use super::super::order;
use super::super::render::areas;
use super::{Focus, State, moved};
use crate::model::snapshot::{Snapshot, StreamRow};
use ratatui::layout::Position;
use std::sync::Arc;

/// How a table stands.
#[derive(Clone, Debug, Default)]
pub(in crate::view::tui) struct ListState {
    /// The rows that are shown, in their order.
    pub(in crate::view::tui) rows: Vec<usize>,
    /// The place of the selected one among them.
    pub(in crate::view::tui) at: usize,
    /// The place of the first that is in sight.
    pub(in crate::view::tui) offset: usize,
    /// What the selected one is, whatever its place.
    pub(in crate::view::tui) id: Option<String>,
    pub(in crate::view::tui) sort: usize,
    pub(in crate::view::tui) is_reversed: bool,
    pub(in crate::view::tui) filter: String,
    /// What `rows` were made for.
    settled: Option<Settled>,
}

/// A table's rows are the same for as long as these are.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Settled {
    generation: u64,
    sort: usize,
    is_reversed: bool,
    filter: String,
    stream: Option<usize>,
}

impl ListState {
    /// The selected row.
    pub(in crate::view::tui) fn selected(&self) -> Option<usize> {
        self.rows.get(self.at).copied()
    }
}

impl State {
    /// What tables are made from.
    pub(in crate::view::tui) fn seen<'a>(&self, snapshot: &'a Snapshot, stream: Option<&'a StreamRow>) -> Seen<'a> {
        Seen::of(snapshot, stream, Arc::clone(&self.known))
    }

    /// Puts the tables of the screen in order.
    pub(in crate::view::tui) fn settle_all(&mut self, snapshot: &Snapshot) {
        if self.paths == List::Allocations && self.screen != Screen::Turn {
            // The first of the three tables that has something in it.
            let paths = [List::Allocations, List::Pairs, List::Handshakes];
            let seen = self.seen(snapshot, None);
            self.paths = paths.into_iter().find(|list| list.len(&seen) > 0).unwrap_or(List::Allocations);
        }
        for list in [List::Streams, List::Sessions] {
            self.settle(list, snapshot);
        }
        if let Some(list) = self.list().filter(|list| !matches!(list, List::Streams | List::Sessions)) {
            self.settle(list, snapshot);
        }
    }

    /// Puts the rows of a table in order and finds the selected one again.
    pub(in crate::view::tui) fn settle(&mut self, list: List, snapshot: &Snapshot) {
        let of_stream = list == List::Reports;
        let stream = self.lists[List::Streams as usize].selected().filter(|_| of_stream);
        let state = &self.lists[list as usize];
        let settled = Settled {
            generation: self.generation,
            sort: state.sort,
            is_reversed: state.is_reversed,
            filter: state.filter.clone(),
            stream,
        };
        let seen = self.seen(snapshot, if of_stream { self.stream(snapshot) } else { None });
        let rows = if state.settled.as_ref() == Some(&settled) {
            state.rows.clone()
        } else {
            order::rows(list, &seen, state.sort, state.is_reversed, &state.filter)
        };
        let found =
            state.id.as_ref().and_then(|id| rows.iter().position(|row| list.id(&seen, *row).as_ref() == Some(id)));
        let at = found.unwrap_or(state.at).min(rows.len().saturating_sub(1));
        let id = rows.get(at).and_then(|row| list.id(&seen, *row));
        let state = &mut self.lists[list as usize];
        (state.rows, state.at, state.id, state.settled) = (rows, at, id, Some(settled));
        self.keep_in_sight(list);
    }

    /// Moves the rows in sight so that the selected one is among them.
    pub(in crate::view::tui) fn keep_in_sight(&mut self, list: List) {
        let room = self.room(list);
        let state = &mut self.lists[list as usize];
        let last = state.rows.len().saturating_sub(room);
        state.offset = state.offset.clamp((state.at + 1).saturating_sub(room), state.at).min(last);
    }

    /// Rows of a table that have room on its screen.
    pub(in crate::view::tui) fn room(&self, list: List) -> usize {
        let screen = Screen::ALL.into_iter().find(|screen| List::on(*screen, list) == Some(list));
        let area = screen.and_then(|screen| areas(self.size, screen, false).list);
        area.map_or(1, |area| usize::from(area.height).saturating_sub(2 + list.heads()).max(1))
    }

    pub(in crate::view::tui) fn select(&mut self, list: List, by: isize, snapshot: &Snapshot) {
        let stream = if list == List::Reports { self.stream(snapshot) } else { None };
        let seen = self.seen(snapshot, stream);
        let state = &mut self.lists[list as usize];
        state.at = moved(state.at, by, state.rows.len().saturating_sub(1));
        state.id = state.rows.get(state.at).and_then(|row| list.id(&seen, *row));
        self.scroll = 0;
        self.keep_in_sight(list);
    }

    pub(in crate::view::tui) fn sort(&mut self, change: impl FnOnce(&mut ListState, usize), snapshot: &Snapshot) {
        let Some(list) = self.table() else {
            return self.tell("there is no table here to sort".to_owned());
        };
        change(&mut self.lists[list as usize], order::sorts(list).len());
        self.settle(list, snapshot);
    }

    pub(in crate::view::tui) fn click(&mut self, at: Position, snapshot: &Snapshot) {
        let areas = self.areas();
        if areas.tabs.contains(at) {
            if let Some(screen) = super::super::render::tab_at(at.x) {
                self.show(screen, snapshot);
            }
            return;
        }
        let (Some(list), Some(area)) = (self.list(), areas.list) else { return };
        if areas.frame.is_some_and(|frame| frame.contains(at)) {
            self.focus = Focus::Frame;
            return;
        }
        if !area.contains(at) {
            if self.screen == Screen::Sessions && areas.detail.contains(at) {
                let line = usize::from(at.y.saturating_sub(areas.detail.y + 1)) + self.scroll;
                let rung = self.rung_at(line);
                self.focus = Focus::Ladder;
                self.rung = rung.unwrap_or(self.rung);
                self.cited = None;
            }
            return;
        }
        self.focus = Focus::List;
        let line = usize::from(at.y.saturating_sub(area.y));
        let state = &self.lists[list as usize];
        if let Some(row) = line.checked_sub(1 + list.heads()).filter(|row| state.offset + row < state.rows.len()) {
            let by = (state.offset + row) as isize - state.at as isize;
            self.select(list, by, snapshot);
        }
    }
}
