//! From one screen to another, along what belongs together.
//!
//! In: the screen, and what is selected on it. Out: another screen, or another row. Never: a row that a filter hides.

use super::super::action::Screen;
use super::super::list::List;
use super::{Focus, State, moved};
use crate::model::snapshot::{Finding, Snapshot};

impl State {
    /// To the neighbour of what the screen is about.
    pub(super) fn aside(&mut self, by: isize, snapshot: &Snapshot) {
        match self.screen {
            Screen::Turn => {
                const PATHS: [List; 3] = [List::Allocations, List::Pairs, List::Handshakes];
                let at = PATHS.iter().position(|list| *list == self.paths).unwrap_or(0);
                self.paths = PATHS[moved(at, by, PATHS.len() - 1)];
                self.enter(Screen::Turn, snapshot);
            }
            Screen::Stream => self.point_aside(by as i64, snapshot),
            Screen::Reports | Screen::Sdp | Screen::Sessions => self.neighbour(by, snapshot),
            Screen::Overview | Screen::Streams | Screen::Findings | Screen::Flows => {}
        }
    }

    /// To another stream or session, whichever the screen is about.
    pub(super) fn neighbour(&mut self, by: isize, snapshot: &Snapshot) {
        match self.screen {
            Screen::Streams | Screen::Stream | Screen::Reports => {
                self.select(List::Streams, by, snapshot);
                self.settle_all(snapshot);
                self.scroll = 0;
            }
            Screen::Sdp | Screen::Sessions => self.select(List::Sessions, by, snapshot),
            Screen::Overview | Screen::Turn | Screen::Findings | Screen::Flows => {}
        }
    }

    pub(super) fn open(&mut self, snapshot: &Snapshot) {
        match self.screen {
            Screen::Overview => self.show(Screen::Findings, snapshot),
            Screen::Streams => self.show(Screen::Stream, snapshot),
            Screen::Stream => self.show(Screen::Reports, snapshot),
            Screen::Sessions if self.focus == Focus::List => self.focus = Focus::Ladder,
            Screen::Sessions => self.focus = Focus::Frame,
            Screen::Sdp => self.show(Screen::Sessions, snapshot),
            Screen::Reports => {}
            Screen::Findings => {
                let finding = self.lists[List::Findings as usize].selected();
                if let Some(finding) = finding.and_then(|row| snapshot.findings.get(row)) {
                    self.go_to_evidence(finding, snapshot);
                }
            }
            Screen::Turn => {
                let row = self.lists[self.paths as usize].selected();
                if let Some(flow) = row.and_then(|row| self.paths.flow(snapshot, row)) {
                    self.go_to(flow, snapshot);
                }
            }
            Screen::Flows => {
                let row = self.lists[List::Flows as usize].selected();
                let Some(flow) = row.and_then(|row| List::Flows.flow(snapshot, row)) else { return };
                let stream = snapshot.streams.iter().find(|row| row.flow == flow);
                let session = || snapshot.sessions.iter().position(|row| row.call.flows.iter().any(|id| id == flow));
                match stream.map(|row| row.id.clone()).or_else(|| session().map(|at| format!("s{}", at + 1))) {
                    Some(id) => self.go_to(&id, snapshot),
                    None => self.tell(format!("no stream and no session is on {flow}")),
                }
            }
        }
    }

    /// To the first frame that shows it: on the course of its stream, or in the ladder of its session; else to what it is about.
    fn go_to_evidence(&mut self, finding: &Finding, snapshot: &Snapshot) {
        let Some(subject) = finding.subject.as_deref() else {
            return self.tell("it is about the capture as a whole".to_owned());
        };
        let frame = finding.frames.first().copied();
        let flow = self.flow_of(subject, snapshot);
        let session = snapshot.sessions.iter().enumerate().position(|(at, row)| {
            format!("s{}", at + 1) == subject || flow.is_some_and(|flow| row.call.flows.iter().any(|id| id == flow))
        });
        let is_stream = snapshot.streams.iter().any(|row| row.id == subject);
        match (session, frame) {
            (Some(session), Some(frame)) if !is_stream => {
                self.evidence = Some(frame);
                self.go_to(&format!("s{}", session + 1), snapshot);
            }
            _ => self.go_to(subject, snapshot),
        }
        if let Some(frame) = frame.filter(|_| is_stream) {
            self.point_to_frame(frame, snapshot);
        }
    }

    /// The flow that something is on.
    fn flow_of<'s>(&self, subject: &str, snapshot: &'s Snapshot) -> Option<&'s str> {
        let seen = self.seen(snapshot, None);
        [List::Allocations, List::Pairs, List::Handshakes, List::Flows].into_iter().find_map(|list| {
            let row = (0..list.len(&seen)).find(|row| list.id(&seen, *row).as_deref() == Some(subject))?;
            list.flow(snapshot, row)
        })
    }

    /// To the screen where that id stands, with its row selected.
    pub(super) fn go_to(&mut self, id: &str, snapshot: &Snapshot) {
        let seen = self.seen(snapshot, None);
        let lists = List::ALL.into_iter().filter(|list| !matches!(list, List::Reports | List::Findings));
        let found = lists
            .filter_map(|list| {
                let row = (0..list.len(&seen)).find(|row| list.id(&seen, *row).as_deref() == Some(id))?;
                Some((list, row))
            })
            .next();
        let Some((list, row)) = found else {
            return self.tell(format!("{id} has no row of its own"));
        };
        let screen = match list {
            List::Streams => Screen::Stream,
            List::Sessions => Screen::Sessions,
            List::Allocations | List::Pairs | List::Handshakes => {
                self.paths = list;
                Screen::Turn
            }
            List::Reports | List::Findings | List::Flows => Screen::Flows,
        };
        let state = &mut self.lists[list as usize];
        state.id = Some(id.to_owned());
        // What is gone to is shown, whatever was filtered before.
        if !state.rows.contains(&row) {
            state.filter.clear();
        }
        self.show(screen, snapshot);
    }
}
