//! The events of a snapshot, in order, with what repeats folded.
//!
//! In: a snapshot and what of it is shown. Out: [`Draft`]s. Never: an event that no frame shows.

use super::super::dtls::{self, Flight, HandshakeSummary, State};
use super::super::snapshot::{
    AllocationRow, HandshakeRow, Outcome, Peer, Severity, Signal, SignalMessage, Snapshot, StreamRow, TransactionRow,
};
use super::scope::Scope;
use super::{Stroke, Tone};
use crate::net::{Addr, Endpoint};
use crate::packet::FrameNo;
use crate::proto::sdp::Direction;
use crate::proto::stun::Method;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An event whose ends have no column yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) frame: FrameNo,
    pub(super) ts: Option<Timestamp>,
    pub(super) ends: Option<(Endpoint, Endpoint)>,
    pub(super) stroke: Stroke,
    pub(super) text: String,
    pub(super) tone: Tone,
    fold: Fold,
}

/// What becomes of events that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fold {
    Never,
    /// The first one says how often it was sent.
    Again(String),
    /// The first one is shown, those behind it are counted by one line. The second text names them.
    More(String, String),
}

impl Draft {
    fn message(frame: FrameNo, ts: Timestamp, ends: (Endpoint, Endpoint), text: String, tone: Tone) -> Self {
        let stroke = Stroke::Message;
        Self { frame, ts: Some(ts), ends: Some(ends), stroke, text, tone, fold: Fold::Never }
    }
}

/// In capture order.
pub(super) fn of(snapshot: &Snapshot, scope: &Scope<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let messages = snapshot.signals.iter().filter(|message| scope.has_session(message.session));
    drafts.extend(messages.map(|message| signal(snapshot, message)));
    let shared = SharedPaths::of(snapshot);
    for row in snapshot.transactions.iter().filter(|row| scope.has_flow_at(&row.flow, row.transaction.first_ts)) {
        transaction(snapshot, row, &shared, &mut drafts);
    }
    for row in snapshot.handshakes.iter().filter(|row| scope.has_flow_at(&row.flow, row.handshake.first.ts)) {
        handshake(row, &mut drafts);
    }
    media(snapshot, scope, &mut drafts);
    findings(snapshot, scope, &mut drafts);
    // A finding stands behind the event that it is about, a request before its answer.
    drafts.sort_by_key(|draft| (draft.frame, draft.ends.is_none()));
    folded(drafts, snapshot.capture.first_ts.unwrap_or_default())
}

fn signal(snapshot: &Snapshot, message: &SignalMessage) -> Draft {
    let described =
        if message.has_description { format!(" with SDP{}", directions(snapshot, message)) } else { String::new() };
    let text = format!("{} {}{described}", message.signal.name().to_uppercase(), message.text);
    let code = message.text.get(..3).and_then(|code| code.parse::<u16>().ok());
    let tone = match code {
        Some(401 | 407) => Tone::Doubtful,
        Some(400..) => Tone::Bad,
        Some(200..300) => Tone::Good,
        _ if message.text == "CANCEL" => Tone::Doubtful,
        _ => Tone::Plain,
    };
    let (from, to) = (message.src, message.dst);
    let fold = match message.signal {
        // Each request of a poll comes from another port.
        Signal::Http => Fold::More(format!("http {} {} {text}", from.addr, to.addr), text.clone()),
        _ => Fold::Again(format!("{from} {to} {text} {}", message.key)),
    };
    Draft { fold, ..Draft::message(message.frame, message.ts, (from, to), text, tone) }
}

/// `: audio sendonly` for a description whose media does not flow both ways.
fn directions(snapshot: &Snapshot, message: &SignalMessage) -> String {
    let session = message.session.and_then(|session| snapshot.sessions.get(session));
    let described = session
        .and_then(|session| session.descriptions.iter().find(|described| described.frame == Some(message.frame)));
    let Some(described) = described else { return String::new() };
    let sdp = &described.sdp;
    let one_way = sdp.media.iter().filter(|media| sdp.direction(media) != Direction::SendRecv);
    let words: Vec<String> =
        one_way.map(|media| format!("{} {}", media.kind.as_str(), sdp.direction(media).as_str())).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// Frames of the checks that nominated a pair, and flows beside which another one asks the same host: these are named.
struct SharedPaths<'s> {
    nominating: BTreeSet<FrameNo>,
    ambiguous: BTreeSet<&'s str>,
}

impl<'s> SharedPaths<'s> {
    fn of(snapshot: &'s Snapshot) -> Self {
        let mut flows: BTreeMap<(Addr, Addr, bool), BTreeSet<&str>> = BTreeMap::new();
        for row in &snapshot.transactions {
            let (one, other) = (row.src.addr.min(row.dst.addr), row.src.addr.max(row.dst.addr));
            let is_binding = row.transaction.method == Method::BINDING;
            flows.entry((one, other, is_binding)).or_default().insert(&row.flow);
        }
        let shared = flows.into_values().filter(|flows| flows.len() > 1);
        Self {
            nominating: snapshot.pairs.iter().filter_map(|row| row.pair.nominated_frame).collect(),
            ambiguous: shared.flatten().collect(),
        }
    }
}

fn transaction(snapshot: &Snapshot, row: &TransactionRow, shared: &SharedPaths<'_>, drafts: &mut Vec<Draft>) {
    let transaction = &row.transaction;
    let method = transaction.method;
    let nominates = shared.nominating.contains(&transaction.first_frame);
    let mut name = if method == Method::BINDING { "STUN Binding".to_owned() } else { format!("TURN {method}") };
    if nominates {
        name += " USE-CANDIDATE";
    }
    if shared.ambiguous.contains(row.flow.as_str()) {
        name += &format!(" ({})", row.flow);
    }
    let again = match transaction.request_count {
        0 | 1 => String::new(),
        count => format!(", sent {count} times"),
    };
    let ends = (row.src, row.dst);
    let (tone, what) = match row.outcome {
        Outcome::Indication => (Tone::Faint, "indication"),
        Outcome::Open if transaction.request_count < 3 => (Tone::Doubtful, "request, no answer yet"),
        Outcome::Open | Outcome::Timeout => (Tone::Bad, "request, no answer"),
        Outcome::Success | Outcome::Error => (Tone::Plain, "request"),
    };
    let code = transaction.error_code.map(|code| code.to_string()).unwrap_or_default();
    let key = format!("{} {} {} {method} {nominates} {} {code}", row.flow, row.src, row.dst, row.outcome.name());
    let answer = transaction.response_frame.zip(transaction.latency_ms);
    let (Some((frame, latency)), Outcome::Success | Outcome::Error) = (answer, row.outcome) else {
        let text = format!("{name} {what}{again}");
        let fold = Fold::More(key, format!("{name} {what}"));
        drafts.push(Draft { fold, ..Draft::message(transaction.first_frame, transaction.first_ts, ends, text, tone) });
        return;
    };
    let reason = match &transaction.error_reason {
        Some(reason) if !reason.is_empty() => format!("{code} {reason}"),
        _ => code,
    };
    let (answered, bad) = match row.outcome {
        // The first answer to whoever has no credentials yet.
        Outcome::Error if matches!(transaction.error_code, Some(401 | 438)) => (reason, Tone::Doubtful),
        Outcome::Error => (reason, Tone::Bad),
        _ if method == Method::BINDING => ("answered".to_owned(), Tone::Good),
        _ => ("success".to_owned(), Tone::Good),
    };
    if method == Method::BINDING {
        let tone = if nominates || bad != Tone::Good { bad } else { Tone::Plain };
        let text = format!("{name}, {answered} in {latency:.1} ms (frame {frame}){again}");
        let fold = Fold::More(key, format!("{name}, {answered}"));
        drafts.push(Draft { fold, ..Draft::message(transaction.first_frame, transaction.first_ts, ends, text, tone) });
        return;
    }
    let ts = transaction.first_ts.plus_nanos((latency * 1e6).round() as i64);
    let relayed = relayed(snapshot, row, ts).map(|end| format!(", relays as {end}")).unwrap_or_default();
    let request = Fold::More(format!("{key} request"), format!("{name} request"));
    let response = Fold::More(format!("{key} response"), format!("{name} {answered}"));
    let text = format!("{name} request{again}");
    drafts.push(Draft {
        fold: request,
        ..Draft::message(transaction.first_frame, transaction.first_ts, ends, text, Tone::Plain)
    });
    let text = format!("{name} {answered}{relayed}, {latency:.1} ms");
    drafts.push(Draft { fold: response, ..Draft::message(frame, ts, (row.dst, row.src), text, bad) });
}

/// The relayed address that an answer gave.
fn relayed(snapshot: &Snapshot, row: &TransactionRow, ts: Timestamp) -> Option<Endpoint> {
    let of_flow = |allocation: &&AllocationRow| allocation.flow == row.flow;
    let asked = row.transaction.method == Method::ALLOCATE && row.outcome == Outcome::Success;
    let mut made = snapshot.allocations.iter().filter(of_flow).filter(|row| row.allocation.created_ts == Some(ts));
    made.next().filter(|_| asked)?.allocation.relayed
}

fn handshake(row: &HandshakeRow, drafts: &mut Vec<Draft>) {
    let handshake = &row.handshake;
    let client = handshake.client.unwrap_or(dtls::Direction::AToB);
    let last = handshake.flights.len().saturating_sub(1);
    for (at, flight) in handshake.flights.iter().enumerate() {
        let ends = if flight.from == client { (row.client, row.server) } else { (row.server, row.client) };
        let (text, tone) = flight_text(handshake, flight, at == last);
        drafts.push(Draft::message(flight.first.frame, flight.first.ts, ends, text, tone));
    }
    // One that DTLS 1.3 hides is inferred, and not in the list.
    let hidden = handshake.alert.iter().filter(|_| handshake.alerts.is_empty());
    for alert in handshake.alerts.iter().chain(hidden) {
        let ends = if alert.from == client { (row.client, row.server) } else { (row.server, row.client) };
        let (text, tone) = match (&alert.alert, alert.after_completion) {
            (None, true) => ("DTLS alert, encrypted: most likely the end".to_owned(), Tone::Plain),
            (None, false) => ("DTLS alert, encrypted".to_owned(), Tone::Bad),
            (Some(_), after) => (format!("DTLS alert: {}", alert.text()), if after { Tone::Plain } else { Tone::Bad }),
        };
        drafts.push(Draft::message(alert.at.frame, alert.at.ts, ends, text, tone));
    }
}

fn flight_text(handshake: &HandshakeSummary, flight: &Flight, is_last: bool) -> (String, Tone) {
    let mut names: Vec<String> = Vec::new();
    for message in &flight.messages {
        let name = message.kind.to_string();
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let mut text = format!("DTLS {}", names.join(", "));
    if flight.retransmissions > 0 {
        text += &format!(", sent {} times", u64::from(flight.retransmissions) + 1);
    }
    match (is_last, handshake.state, handshake.handshake_ms()) {
        (true, State::Complete, Some(time)) => {
            let version = handshake.version.map(|version| format!(" {version}")).unwrap_or_default();
            (format!("{text}; DTLS{version} complete after {time:.1} ms"), Tone::Good)
        }
        (true, State::Complete, None) => (format!("{text}; complete"), Tone::Good),
        (true, State::Incomplete, _) => (format!("{text}; nothing more: incomplete"), Tone::Bad),
        _ => (text, if flight.retransmissions > 0 { Tone::Doubtful } else { Tone::Plain }),
    }
}

/// Streams that are alike: more of them are told as one.
const ALIKE: usize = 6;

fn media(snapshot: &Snapshot, scope: &Scope<'_>, drafts: &mut Vec<Draft>) {
    let start = snapshot.capture.first_ts.unwrap_or_default();
    let alike = |row: &StreamRow| format!("{} {} {} {:?}", row.src, row.dst, stream_name(row), row.peer);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let streams = || snapshot.streams.iter().filter(|row| scope.has_stream(row));
    streams().for_each(|row| *counts.entry(alike(row)).or_default() += 1);
    for row in streams() {
        let figures = &row.figures;
        let ends = (row.src, row.dst);
        let is_one_of_many = counts.get(&alike(row)).is_some_and(|count| *count > ALIKE);
        let text = stream_text(row, start);
        let tone = if figures.sequence.lost == 0 { Tone::Good } else { Tone::Doubtful };
        let fold = if is_one_of_many { Fold::More(alike(row), stream_name(row)) } else { Fold::Never };
        let draft = Draft::message(figures.first_frame, figures.first_ts, ends, text, tone);
        drafts.push(Draft { stroke: Stroke::Media, fold, ..draft });
    }
}

/// `SRTP video VP8`; without a codec by the payload types.
fn stream_name(row: &StreamRow) -> String {
    let codec = row.codec.clone().unwrap_or_else(|| {
        let types: Vec<String> = row.figures.payload_types.iter().map(ToString::to_string).collect();
        format!("PT{}", types.join(","))
    });
    let kind = row.kind.map(|kind| format!(" {}", kind.name())).unwrap_or_default();
    format!("{}{kind} {codec}", if row.encrypted { "SRTP" } else { "RTP" })
}

fn stream_text(row: &StreamRow, start: Timestamp) -> String {
    let figures = &row.figures;
    let until = figures.last_ts.millis_since(start) / 1000.0;
    let lost = row.loss().lost_pct.filter(|_| figures.sequence.lost > 0);
    let lost = lost.map(|lost| format!(", {lost:.1} % lost")).unwrap_or_default();
    let peer = match row.peer {
        Some(Peer::Address(peer)) => format!(", TURN peer {peer}"),
        Some(Peer::Channel(number)) => format!(", TURN channel 0x{number:04x}"),
        None => String::new(),
    };
    let packets = if figures.packets == 1 { "packet" } else { "packets" };
    let number = grouped(figures.packets);
    format!("{} {}: {number} {packets} until {until:.3} s{lost}{peer}", stream_name(row), row.id)
}

/// `1,329`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Errors and warnings, at the first frame that proves them.
fn findings(snapshot: &Snapshot, scope: &Scope<'_>, drafts: &mut Vec<Draft>) {
    let times: BTreeMap<FrameNo, Timestamp> =
        drafts.iter().filter_map(|draft| Some((draft.frame, draft.ts?))).collect();
    for finding in snapshot.findings.iter().filter(|finding| finding.severity != Severity::Info) {
        let Some(frame) = finding.frames.first() else { continue };
        if !scope.has_finding(finding, times.contains_key(frame)) {
            continue;
        }
        drafts.push(Draft {
            frame: *frame,
            ts: times.get(frame).copied(),
            ends: None,
            stroke: Stroke::Message,
            text: format!("{} {}", finding.code, finding.summary),
            tone: if finding.severity == Severity::Error { Tone::Bad } else { Tone::Doubtful },
            fold: Fold::Never,
        });
    }
}

/// The place of the first event of a kind and of the line for those behind it, how many there are, and the last time.
struct Repeated {
    first: usize,
    more: Option<usize>,
    count: usize,
    name: String,
    last: Timestamp,
}

fn folded(drafts: Vec<Draft>, start: Timestamp) -> Vec<Draft> {
    let mut kept: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut seen: BTreeMap<String, Repeated> = BTreeMap::new();
    for mut draft in drafts {
        let (key, name) = match std::mem::replace(&mut draft.fold, Fold::Never) {
            Fold::Never => {
                kept.push(draft);
                continue;
            }
            Fold::Again(key) => (key, None),
            Fold::More(key, name) => (key, Some(name)),
        };
        let ts = draft.ts.unwrap_or_default();
        let Some(known) = seen.get_mut(&key) else {
            let first = kept.len();
            seen.insert(key, Repeated { first, more: None, count: 1, name: name.unwrap_or_default(), last: ts });
            kept.push(draft);
            continue;
        };
        known.count += 1;
        known.last = ts;
        if known.more.is_none() && !known.name.is_empty() {
            known.more = Some(kept.len());
            kept.push(draft);
        }
    }
    for repeated in seen.into_values().filter(|repeated| repeated.count > 1) {
        let until = repeated.last.millis_since(start) / 1000.0;
        match repeated.more.and_then(|at| kept.get_mut(at)) {
            // One more is shown as it is.
            Some(_) if repeated.count == 2 => {}
            Some(more) => {
                more.text = format!("{}: {} more until {until:.3} s", repeated.name, repeated.count - 1);
                more.tone = if more.tone == Tone::Bad { Tone::Bad } else { Tone::Faint };
            }
            None => {
                if let Some(first) = kept.get_mut(repeated.first) {
                    first.text += &format!(", sent {} times", repeated.count);
                    first.tone = if first.tone == Tone::Plain { Tone::Doubtful } else { first.tone };
                }
            }
        }
    }
    kept
}
