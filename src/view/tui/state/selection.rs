//! What of a screen is copied or saved.
//!
//! In: the screen, and what is selected on it. Out: text, or which packets somebody wants. Never: the packets.

use super::super::action::Screen;
use super::super::list::List;
use super::{Effect, State};
use crate::model::snapshot::{Belonging, Finding, Snapshot};
use crate::view::text::Cell;

/// Which packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// What they belong to: `s1`, `r3`.
    pub name: String,
    /// Those.
    pub packets: Belonging,
}

impl State {
    /// The selected row as text; where a screen has no table, all that stands on it.
    pub(super) fn copied(&self, snapshot: &Snapshot) -> Option<String> {
        let text = match self.list() {
            Some(list) => {
                let seen = self.seen(snapshot, self.stream(snapshot));
                self.lists[list as usize].selected().map(|row| list.text(&seen, row))
            }
            None => {
                let line = |cells: &Vec<Cell>| cells.iter().map(Cell::text).collect();
                Some(self.below.iter().map(line).collect::<Vec<String>>().join("\n"))
            }
        };
        text.filter(|text| !text.is_empty())
    }

    pub(super) fn saved(&mut self, snapshot: &Snapshot) -> Option<Effect> {
        let selection = self.selection(snapshot);
        if selection.is_none() {
            self.tell("nothing is selected that has packets".to_owned());
        }
        selection.map(Effect::Save)
    }

    /// The packets of what the screen or its selected row is about.
    fn selection(&self, snapshot: &Snapshot) -> Option<Selection> {
        let name = match self.screen {
            Screen::Sessions | Screen::Sdp => format!("s{}", self.session()? + 1),
            Screen::Stream | Screen::Reports => self.stream(snapshot)?.id.clone(),
            Screen::Findings => {
                let row = self.lists[List::Findings as usize].selected()?;
                return of_finding(snapshot, snapshot.findings.get(row)?);
            }
            _ => {
                let list = self.list()?;
                let row = self.lists[list as usize].selected()?;
                list.id(&self.seen(snapshot, None), row)?
            }
        };
        Belonging::of(snapshot, &name).map(|packets| Selection { name, packets })
    }
}

/// What the finding is about; where that has no packets of its own, the frames that it cites.
fn of_finding(snapshot: &Snapshot, finding: &Finding) -> Option<Selection> {
    let subject = finding.subject.as_ref();
    let whole = subject.and_then(|name| Some((name.clone(), Belonging::of(snapshot, name)?)));
    let cited = || {
        let packets =
            Belonging::of_frames(format!("{}, those that it cites,", finding.code), finding.frames.iter().copied());
        (!finding.frames.is_empty()).then(|| (finding.code.to_owned(), packets))
    };
    whole.or_else(cited).map(|(name, packets)| Selection { name, packets })
}
