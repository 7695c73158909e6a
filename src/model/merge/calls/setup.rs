//! How long each step of a session took, and the steps in order.
//!
//! In: a session and the rows that belong to it. Out: [`Setup`] and its [`Step`]s. Never: a step that was not seen.

use super::super::super::call::{Setup, Step};
use super::super::super::signalling::{SessionSummary, Signal};
use super::super::super::snapshot::{AllocationRow, HandshakeRow, PairRow, Snapshot, StreamRow};
use super::Members;
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// A frame and its time, to be compared by time first.
type Moment = (Timestamp, FrameNo);

/// The rows of a session.
struct Rows<'s> {
    streams: Vec<&'s StreamRow>,
    pairs: Vec<&'s PairRow>,
    handshakes: Vec<&'s HandshakeRow>,
    allocations: Vec<&'s AllocationRow>,
}

impl<'s> Rows<'s> {
    fn of(members: &Members, snapshot: &'s Snapshot) -> Self {
        Self {
            streams: members.streams.keys().filter_map(|at| snapshot.streams.get(*at)).collect(),
            pairs: members.pairs.iter().filter_map(|at| snapshot.pairs.get(*at)).collect(),
            handshakes: members.handshakes.iter().filter_map(|at| snapshot.handshakes.get(*at)).collect(),
            allocations: members.allocations.iter().filter_map(|at| snapshot.allocations.get(*at)).collect(),
        }
    }

    fn first_check(&self) -> Option<Moment> {
        self.pairs.iter().map(|row| (row.pair.first_ts, row.pair.first_frame)).min()
    }

    fn nomination(&self) -> Option<Moment> {
        self.pairs.iter().filter_map(|row| Some((row.pair.nominated_ts?, row.pair.nominated_frame?))).min()
    }

    fn client_hello(&self) -> Option<Moment> {
        self.handshakes.iter().filter_map(|row| row.handshake.client_hello).map(|at| (at.ts, at.frame)).min()
    }

    /// The handshake that was complete first.
    fn handshake(&self) -> Option<(Moment, Option<f64>)> {
        let complete = self
            .handshakes
            .iter()
            .filter_map(|row| row.handshake.completed.map(|at| ((at.ts, at.frame), row.handshake.handshake_ms())));
        complete.min_by_key(|(at, _)| *at)
    }

    fn first_rtp(&self) -> Option<(Moment, &'s StreamRow)> {
        let streams = self.streams.iter().map(|row| ((row.figures.first_ts, row.figures.first_frame), *row));
        streams.min_by_key(|(at, _)| *at)
    }

    fn first_request(&self) -> Option<Moment> {
        self.allocations.iter().map(|row| (row.allocation.first_ts, row.allocation.first_frame)).min()
    }

    fn last_allocation(&self) -> Option<Timestamp> {
        self.allocations.iter().filter_map(|row| row.allocation.created_ts).max()
    }
}

/// The setup of a session and its steps.
pub(super) fn setup(session: &SessionSummary, members: &Members, snapshot: &Snapshot) -> (Setup, Vec<Step>) {
    let rows = Rows::of(members, snapshot);
    let mut steps = steps(session, &rows);
    steps.sort_by_key(|step| (step.ts, step.frame));
    let first_rtp = rows.first_rtp().map(|(at, _)| at.0);
    let described = session.descriptions.iter().find_map(|described| described.ts);
    let start = match session.signal {
        Signal::File => None,
        // Media alone does not say that it begins here.
        Signal::None => {
            [rows.first_request(), rows.first_check(), rows.client_hello()].into_iter().flatten().min().map(|at| at.0)
        }
        _ => Some(session.first_ts),
    };
    let answer = session.answer().filter(|_| session.offer().is_some()).and_then(|answer| answer.ts);
    let answered = match session.signal {
        Signal::Sip => session.answered_ts(),
        _ => answer,
    };
    let since = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let millis = to?.millis_since(from?);
        (millis >= 0.0).then_some(millis)
    };
    let first_check = rows.first_check().map(|at| at.0);
    let nominated = rows.nomination().map(|at| at.0);
    let candidates = session.candidates.iter().map(|known| known.ts);
    let gathered = candidates.filter(|ts| first_rtp.is_none_or(|first| *ts <= first)).max().max(rows.last_allocation());
    let gathering_from = [described, rows.first_request().map(|at| at.0)].into_iter().flatten().min();
    let (handshake_done, handshake) = rows.handshake().map_or((None, None), |((ts, _), took)| (Some(ts), took));
    let before = [start, answered, gathered, first_check, nominated, handshake_done];
    let ready = before.into_iter().flatten().filter(|ts| first_rtp.is_some_and(|first| *ts <= first)).max();
    let setup = Setup {
        signalling: since(start, answered),
        gathering: since(gathering_from, gathered),
        first_check: since(start, first_check),
        nomination: since(first_check, nominated),
        handshake,
        first_rtp: since(ready, first_rtp),
        total: since(start, first_rtp),
    };
    (setup, steps)
}

fn steps(session: &SessionSummary, rows: &Rows<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |at: Option<Moment>, what: String| {
        if let Some((ts, frame)) = at {
            steps.push(Step { ts, frame, what });
        }
    };
    for described in &session.descriptions {
        let what = if described.is_offer { "offer" } else { "answer" };
        step(described.ts.zip(described.frame), what.to_owned());
    }
    let trickled = |known: &super::super::super::signalling::Trickled| (known.ts, known.frame);
    step(session.candidates.first().map(trickled), "first candidate".to_owned());
    step(session.candidates.last().map(trickled).filter(|_| session.candidates.len() > 1), "last candidate".to_owned());
    for event in &session.dialog.events {
        let detail = event.kind.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
        step(Some((event.ts, event.frame)), format!("{}{detail}", event.kind.name()));
    }
    if let Some((frame, ts, _)) = session.ended.filter(|_| session.signal != Signal::Sip) {
        step(Some((ts, frame)), "deleted".to_owned());
    }
    step(rows.first_request(), "first request to TURN".to_owned());
    step(rows.first_check(), "first check".to_owned());
    step(rows.nomination(), "nominated".to_owned());
    step(rows.client_hello(), "ClientHello".to_owned());
    step(rows.handshake().map(|(at, _)| at), "handshake complete".to_owned());
    let mut kinds: Vec<&'static str> = Vec::new();
    let mut streams = rows.streams.clone();
    streams.sort_by_key(|row| (row.figures.first_ts, row.figures.first_frame));
    for row in streams {
        let kind = row.kind.map_or("media", |kind| kind.name());
        if !kinds.contains(&kind) {
            kinds.push(kind);
            step(Some((row.figures.first_ts, row.figures.first_frame)), format!("first {kind}"));
        }
    }
    let last = rows.streams.iter().map(|row| (row.figures.last_ts, row.figures.last_frame)).max();
    step(last, "last media".to_owned());
    steps
}
