//! What of a screen is copied or saved.
//!
//! In: the screen, and what is selected on it. Out: text, or the flows whose packets somebody wants. Never: the packets.

use super::super::action::Screen;
use super::{Effect, State};
use crate::model::snapshot::{Endpoint, Snapshot, Transport};
use crate::view::text::Cell;

/// Which packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// What they belong to: `s1`, `r3`.
    pub name: String,
    /// The flows that they run on, as on the wire.
    pub flows: Vec<(Transport, Endpoint, Endpoint)>,
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

    /// The packets of the session, or of the flow that the selected row is on.
    fn selection(&self, snapshot: &Snapshot) -> Option<Selection> {
        let (name, ids): (String, Vec<&str>) = match self.screen {
            Screen::Sessions | Screen::Sdp => {
                let at = self.session()?;
                let call = &snapshot.sessions.get(at)?.call;
                (format!("s{}", at + 1), call.flows.iter().map(String::as_str).collect())
            }
            Screen::Stream | Screen::Reports => {
                let row = self.stream(snapshot)?;
                (row.id.clone(), vec![row.flow.as_str()])
            }
            _ => {
                let list = self.list()?;
                let row = self.lists[list as usize].selected()?;
                (list.id(&self.seen(snapshot, None), row)?, vec![list.flow(snapshot, row)?])
            }
        };
        let mut flows = Vec::new();
        for id in ids {
            let mut row = snapshot.flows.iter().find(|row| row.id == id);
            // What lies inside another flow is that flow's packets.
            while let Some(parent) = row.and_then(|row| row.parent.as_ref()) {
                row = snapshot.flows.iter().find(|row| row.id == *parent);
            }
            let Some(row) = row else { continue };
            let ends = (row.transport, row.a, row.b);
            if !flows.contains(&ends) {
                flows.push(ends);
            }
        }
        (!flows.is_empty()).then_some(Selection { name, flows })
    }
}
