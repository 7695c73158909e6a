//! Which packets belong to what a report names: to a stream, a session, a flow.
//!
//! In: a snapshot and an id. Out: a [`Belonging`], by which [`Sieve`](super::sieve::Sieve) tells packets apart. Never: packets of
//! a call that only used the same ports.

use super::class::Class;
use super::session_time::{Span, spans};
use super::signalling::Signal;
use super::snapshot::{FlowRow, Snapshot, StreamRow};
use crate::net::{Endpoint, Transport};
use crate::packet::FrameNo;
use std::collections::{BTreeMap, BTreeSet};

/// The packets of something.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Belonging {
    /// What they are the packets of, in words.
    pub of: String,
    /// By the flow that they run on.
    pub flows: Vec<FlowPart>,
    /// By their frames, whatever they hold.
    pub frames: BTreeSet<FrameNo>,
    /// SIP messages of this call.
    pub call_id: Option<String>,
}

/// Packets of one flow, as on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowPart {
    /// UDP or TCP.
    pub transport: Transport,
    /// Its two ends.
    pub ends: (Endpoint, Endpoint),
    /// RTP of these senders and sources, and RTCP about them.
    pub own: BTreeSet<(Endpoint, u32)>,
    /// Never RTP of these.
    pub others: BTreeSet<(Endpoint, u32)>,
    /// When all else belongs to it as well; none for never.
    pub rest: Option<Span>,
}

impl FlowPart {
    fn of(row: &FlowRow, rest: Option<Span>) -> Self {
        let (own, others) = (BTreeSet::new(), BTreeSet::new());
        Self { transport: row.transport, ends: (row.a, row.b), own, others, rest }
    }
}

impl Belonging {
    /// Of the stream, session, flow, allocation, pair or handshake with that id; none where there is no such thing.
    pub fn of(snapshot: &Snapshot, id: &str) -> Option<Self> {
        if let Some(row) = snapshot.streams.iter().find(|row| row.id == id) {
            return of_stream(snapshot, row);
        }
        match id.strip_prefix('s').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1)) {
            Some(at) => of_session(snapshot, at),
            None => of_flow(snapshot, id),
        }
    }

    /// Some frames.
    pub fn of_frames(of: String, frames: impl IntoIterator<Item = FrameNo>) -> Self {
        Self { of, frames: frames.into_iter().collect(), ..Self::default() }
    }
}

/// The flow on the wire, for one inside TURN that around it.
fn outermost<'s>(snapshot: &'s Snapshot, id: &str) -> Option<&'s FlowRow> {
    let mut row = snapshot.flows.iter().find(|row| row.id == id)?;
    while let Some(parent) = &row.parent {
        row = snapshot.flows.iter().find(|row| row.id == *parent)?;
    }
    Some(row)
}

fn of_flow(snapshot: &Snapshot, id: &str) -> Option<Belonging> {
    let allocations = snapshot.allocations.iter().map(|row| (&row.id, &row.flow));
    let pairs = snapshot.pairs.iter().map(|row| (&row.id, &row.flow));
    let handshakes = snapshot.handshakes.iter().map(|row| (&row.id, &row.flow));
    let found = allocations.chain(pairs).chain(handshakes).find(|(known, _)| *known == id);
    let flow = found.map_or(id, |(_, flow)| flow.as_str());
    let row = outermost(snapshot, flow)?;
    let of = match (row.id == flow, row.id == id) {
        (_, true) => id.to_owned(),
        (true, false) => format!("{}, the flow of {id},", row.id),
        (false, false) => format!("{}, the flow around {id},", row.id),
    };
    Some(Belonging { of, flows: vec![FlowPart::of(row, Some(Span::ALL))], ..Belonging::default() })
}

fn of_stream(snapshot: &Snapshot, row: &StreamRow) -> Option<Belonging> {
    let flow = outermost(snapshot, &row.flow)?;
    // The segments of a connection are not those of its messages.
    let while_it_ran = Span { from: row.figures.first_ts, until: row.figures.last_ts };
    let is_tcp = flow.transport == Transport::Tcp;
    let source = (row.src, row.ssrc);
    let media = FlowPart { own: [source].into(), ..FlowPart::of(flow, is_tcp.then_some(while_it_ran)) };
    let of = if is_tcp { format!("{}, the connection of {}, while it ran", flow.id, row.id) } else { row.id.clone() };
    let mut flows = vec![media];
    let hosts = BTreeSet::from([row.src.addr, row.dst.addr]);
    let is_about = |id: u32| id == row.ssrc;
    let reports = snapshot.rtcp.iter().filter(|rtcp| {
        let is_between = BTreeSet::from([rtcp.src.addr, rtcp.dst.addr]) == hosts;
        is_between && (is_about(rtcp.sender.ssrc.0) || rtcp.sender.reports.iter().any(|point| is_about(point.about.0)))
    });
    let paths: BTreeSet<&str> = reports.map(|rtcp| rtcp.flow.as_str()).collect();
    for path in paths {
        let beside =
            outermost(snapshot, path).filter(|beside| beside.id != flow.id && beside.transport == Transport::Udp);
        flows.extend(beside.map(|beside| FlowPart { own: [source].into(), ..FlowPart::of(beside, None) }));
    }
    Some(Belonging { of, flows, ..Belonging::default() })
}

fn of_session(snapshot: &Snapshot, at: usize) -> Option<Belonging> {
    let session = snapshot.sessions.get(at)?;
    let is_sip = session.signal == Signal::Sip;
    let own: BTreeSet<&str> = session.call.streams.iter().map(String::as_str).collect();
    let rows = session.call.flows.iter().filter_map(|id| outermost(snapshot, id));
    // What one SIP proxy says to another is of all their calls.
    let rows = rows.filter(|row| !is_sip || row.classes.of(Class::Sip) == 0);
    let rows: BTreeMap<&str, &FlowRow> = rows.map(|row| (row.id.as_str(), row)).collect();
    let spans = spans(snapshot, at, rows.keys().copied());
    let mut parts: BTreeMap<&str, FlowPart> =
        rows.iter().map(|(id, row)| (*id, FlowPart::of(row, spans.get(id).copied()))).collect();
    for row in &snapshot.streams {
        let Some(part) = outermost(snapshot, &row.flow).and_then(|flow| parts.get_mut(flow.id.as_str())) else {
            continue;
        };
        let sources = if own.contains(row.id.as_str()) { &mut part.own } else { &mut part.others };
        sources.insert((row.src, row.ssrc));
    }
    let said = snapshot.signals.iter().filter(|message| message.session == Some(at)).map(|message| message.frame);
    let described = session.descriptions.iter().filter_map(|described| described.frame);
    Some(Belonging {
        of: format!("s{}", at + 1),
        flows: parts.into_values().collect(),
        frames: said.chain(described).collect(),
        call_id: is_sip.then(|| session.call_id.clone()),
    })
}
