//! The ladder's selected event, and the frame that shows it field by field.
//!
//! In: steps up and down, the bytes of a frame once somebody has read them. Out: which frame is wanted, which of its fields is
//! selected. Never: bytes of a frame that is not in sight kept.

use super::super::action::Screen;
use super::{Focus, State, moved};
use crate::dissect::Field;
use crate::model::snapshot::FrameNo;

/// An event of the ladder on the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::view::tui) struct Rung {
    /// Its first line, and the one behind its last.
    pub(in crate::view::tui) lines: (usize, usize),
    pub(in crate::view::tui) frame: FrameNo,
}

/// A frame taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// Its captured bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub fields: Vec<Field>,
}

/// What came of the last frame that was wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Read {
    frame: FrameNo,
    result: Result<Frame, String>,
}

impl State {
    /// The frame whose bytes are to be shown and are not there yet; see [`State::take_frame`].
    pub fn wanted_frame(&self) -> Option<FrameNo> {
        let wanted = self.selected_frame()?;
        (self.read.as_ref().map(|read| read.frame) != Some(wanted)).then_some(wanted)
    }

    /// Takes a frame, or why it cannot be had.
    pub fn take_frame(&mut self, frame: FrameNo, result: Result<Frame, String>) {
        // What carries the message is rarely what somebody wants to see of it.
        let is_around = |field: &&Field| {
            let name = field.name.as_str();
            field.depth > 0
                || name.starts_with("Frame ")
                || ["Ethernet", "VLAN", "IPv4", "IPv6", "UDP", "TCP"].contains(&name)
        };
        let fields = result.as_ref().map_or(&[] as &[Field], |frame| frame.fields.as_slice());
        let around = fields.iter().take_while(is_around).count();
        self.field = if around < fields.len() { around } else { 0 };
        self.read = Some(Read { frame, result });
    }

    fn selected_frame(&self) -> Option<FrameNo> {
        let is_shown = self.screen == Screen::Sessions && self.focus != Focus::List;
        let of_event = || self.rungs.get(self.rung).map(|rung| rung.frame);
        self.cited.or_else(of_event).filter(|_| is_shown)
    }

    /// The frame of the selected event, or the one that a finding cites, and, once it is there, its frame.
    pub(in crate::view::tui) fn frame(&self) -> Option<(FrameNo, Option<&Result<Frame, String>>)> {
        let wanted = self.selected_frame()?;
        Some((wanted, self.read.as_ref().filter(|read| read.frame == wanted).map(|read| &read.result)))
    }

    /// The place of the selected field.
    pub(in crate::view::tui) const fn field(&self) -> usize {
        self.field
    }

    pub(in crate::view::tui) fn rung(&self) -> Option<Rung> {
        self.rungs.get(self.rung).copied().filter(|_| self.focus != Focus::List && self.screen == Screen::Sessions)
    }

    /// To the event of a frame that a finding cites. Where there is none, the frame itself is shown, beside the event next to it.
    pub(super) fn show_evidence(&mut self, frame: FrameNo) {
        self.find_rung(frame);
        let found = self.rungs.get(self.rung).map(|rung| rung.frame);
        self.cited = (found != Some(frame)).then_some(frame);
        if let Some(nearest) = found.filter(|found| *found != frame) {
            self.tell(format!("frame {frame} has no line in this ladder and is shown below; the nearest is {nearest}"));
        }
    }

    pub(super) fn step_rung(&mut self, by: isize) {
        self.cited = None;
        self.rung = moved(self.rung, by, self.rungs.len().saturating_sub(1));
        self.keep_rung_in_sight();
    }

    pub(super) fn step_field(&mut self, by: isize) {
        let fields = match self.read.as_ref().map(|read| &read.result) {
            Some(Ok(frame)) => frame.fields.len(),
            _ => 0,
        };
        self.field = moved(self.field, by, fields.saturating_sub(1));
    }

    /// To the last event that is of this frame; else to the first behind it.
    pub(super) fn find_rung(&mut self, frame: FrameNo) {
        let same = self.rungs.iter().rposition(|rung| rung.frame == frame);
        let behind = || self.rungs.iter().position(|rung| rung.frame > frame);
        self.rung = same.or_else(behind).unwrap_or(self.rungs.len().saturating_sub(1));
        self.keep_rung_in_sight();
    }

    pub(super) fn keep_rung_in_sight(&mut self) {
        let Some(rung) = self.rung() else { return };
        let room = self.detail_room();
        // The names of the hosts stay in sight with the first event.
        let first = if self.rung == 0 { 0 } else { rung.lines.0 };
        self.scroll =
            self.scroll.clamp(rung.lines.1.saturating_sub(room), first.max(rung.lines.1.saturating_sub(room)));
    }

    /// The event that is drawn on that line of the ladder.
    pub(super) fn rung_at(&self, line: usize) -> Option<usize> {
        self.rungs.iter().position(|rung| (rung.lines.0..rung.lines.1).contains(&line))
    }
}
