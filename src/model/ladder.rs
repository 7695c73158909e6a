//! A capture, or one session of it, as a sequence of events between hosts.
//!
//! In: a snapshot. Out: a [`Ladder`]: columns, and events in capture order with what repeats folded. Never: an event without a
//! frame, or a host that sent and received nothing.

mod columns;
mod events;
mod scope;

pub use scope::UnknownSession;

use super::snapshot::Snapshot;
use crate::packet::FrameNo;
use crate::time::Timestamp;
use columns::Columns;
use events::Draft;
use scope::Scope;

/// The sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ladder {
    /// The columns, in order of their first event.
    pub hosts: Vec<Host>,
    /// In capture order.
    pub events: Vec<Event>,
    /// What times count from: the first packet of the capture.
    pub start: Option<Timestamp>,
    /// Events between hosts for which there was no column.
    pub left_out: usize,
    /// Messages of the signalling that were not kept.
    pub signals_not_kept: u64,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// An address; with a port where an address talks to itself.
    pub name: String,
    /// What it is known to be.
    pub roles: Vec<&'static str>,
}

/// How an event looks to who is in search of the fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it should be.
    Plain,
    /// A step that the call needed was done.
    Good,
    /// Not yet a fault.
    Doubtful,
    /// A refusal, a failure, silence.
    Bad,
    /// More of what was seen before.
    Faint,
}

/// What moves along an arrow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stroke {
    /// A message.
    Message,
    /// Media: many packets.
    Media,
}

/// From one column to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrow {
    /// Index of the sender's column.
    pub from: usize,
    /// Index of the receiver's column.
    pub to: usize,
    /// What it stands for.
    pub stroke: Stroke,
}

/// A line of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The first frame that shows it.
    pub frame: FrameNo,
    /// Its time; none where the frame is of something that has none.
    pub ts: Option<Timestamp>,
    /// None for a finding.
    pub arrow: Option<Arrow>,
    /// In a few words.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
}

impl Ladder {
    /// Of the whole capture, or of the session with that id, with at most so many columns: those of the busiest hosts.
    ///
    /// # Errors
    /// The ids that there are, where this is none of them.
    pub fn of(snapshot: &Snapshot, session: Option<&str>, columns: usize) -> Result<Self, UnknownSession> {
        let scope = Scope::of(snapshot, session)?;
        let drafts = events::of(snapshot, &scope);
        let mut columns = Columns::of(&drafts, columns);
        columns.name_roles(snapshot);
        let mut left_out = 0;
        let mut events = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let Draft { frame, ts, ends, stroke, text, tone, .. } = draft;
            let arrow = match ends {
                None => None,
                Some((from, to)) => match (columns.of_endpoint(from), columns.of_endpoint(to)) {
                    (Some(from), Some(to)) => Some(Arrow { from, to, stroke }),
                    _ => {
                        left_out += 1;
                        continue;
                    }
                },
            };
            events.push(Event { frame, ts, arrow, text, tone });
        }
        Ok(Self {
            hosts: columns.into_hosts(),
            events,
            start: snapshot.capture.first_ts,
            left_out,
            signals_not_kept: snapshot.signals_not_kept,
        })
    }
}

#[cfg(test)]
mod tests;
