//! Calls, and what their offers and answers say.
//!
//! In: sessions. Out: a table of calls; below each the media lines of offer and answer. Never: an SDP in full.

use super::figures::{UNKNOWN, count, decimal, plural, with_ms};
use super::page::{Cell, Ink, Page};
use super::table::{Column, Table};
use crate::model::snapshot::{
    Described, DifferenceKind, Media, MediaRow, SessionDescription, SessionState, SessionSummary, Signal, Snapshot,
    negotiated_direction,
};
use std::collections::BTreeMap;
use std::io;

/// Media sections of one description, and formats of one section, unless all are wanted.
const SECTIONS: usize = 6;
const FORMATS: usize = 6;

const COLUMNS: [Column; 9] = [
    Column::left("id", 0),
    Column::left("by", 6),
    Column::left("state", 0),
    Column::left("status", 1).least(10),
    Column::right("setup ms", 2),
    Column::right("frame", 5),
    Column::left("from", 0).least(12),
    Column::left("to", 0).least(12),
    Column::left("call-id", 7).least(12),
];

pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let all = snapshot.sessions.len();
    if all == 0 {
        return Ok(());
    }
    page.section("Sessions", &tally(&snapshot.sessions))?;
    let chosen = page.chosen(snapshot.sessions.iter().enumerate(), |(_, session)| rank(session.state));
    let most = Most { sections: page.shown_of(usize::MAX, SECTIONS), formats: page.shown_of(usize::MAX, FORMATS) };
    table(snapshot, &chosen, most).write(page)?;
    page.more(all, chosen.len())
}

/// Those sessions, each with its place among all.
pub(in crate::view) fn table(snapshot: &Snapshot, sessions: &[(usize, &SessionSummary)], most: Most) -> Table {
    let mut table = Table::new(&COLUMNS);
    for (at, session) in sessions {
        call(&mut table, *at, session);
        descriptions(&mut table, session, most);
        table.note(steps(session));
        table.note(ice(snapshot, session));
        rounds(&mut table, session, most);
        agreed(&mut table, session, most);
        table.note(members(session));
    }
    table
}

/// How much is said of a session.
#[derive(Clone, Copy)]
pub(in crate::view) struct Most {
    /// Media sections of a description.
    pub(in crate::view) sections: usize,
    /// Formats of a section.
    pub(in crate::view) formats: usize,
}

pub(in crate::view) fn tally(sessions: &[SessionSummary]) -> String {
    let mut states: BTreeMap<(u8, &str), u64> = BTreeMap::new();
    for session in sessions {
        *states.entry((rank(session.state), session.state.name())).or_default() += 1;
    }
    let states: Vec<String> = states.iter().map(|((_, name), number)| format!("{} {name}", count(*number))).collect();
    format!("{}: {}", plural(sessions.len() as u64, "session", "sessions"), states.join(", "))
}

/// Who is shown first where not all are.
const fn rank(state: SessionState) -> u8 {
    match state {
        SessionState::Failed => 0,
        SessionState::Refused => 1,
        SessionState::Cancelled => 2,
        SessionState::Calling => 3,
        SessionState::Ringing => 4,
        SessionState::Offered => 5,
        SessionState::Established => 6,
        SessionState::Negotiated => 7,
        SessionState::Ended => 8,
        SessionState::Described => 9,
    }
}

const fn ink(state: SessionState) -> Ink {
    match state {
        SessionState::Established | SessionState::Negotiated | SessionState::Ended => Ink::Good,
        SessionState::Failed | SessionState::Refused => Ink::Bad,
        SessionState::Cancelled | SessionState::Calling | SessionState::Ringing | SessionState::Offered => {
            Ink::Doubtful
        }
        SessionState::Described => Ink::Plain,
    }
}

fn call(table: &mut Table, at: usize, session: &SessionSummary) {
    let status = session.status.as_ref().map(|(code, reason)| format!("{code} {reason}")).unwrap_or_default();
    table.row(vec![
        Cell::new(format!("s{}", at + 1), Ink::Strong),
        Cell::plain(session.signal.name()),
        Cell::new(session.state.name(), ink(session.state)),
        Cell::plain(status),
        Cell::plain(decimal(session.call.setup.total.or(session.setup_ms), 1)),
        Cell::plain(session.first_frame.map_or_else(|| UNKNOWN.to_owned(), |frame| frame.to_string())),
        Cell::plain(side(session.from.as_deref(), session.addresses.map(|(one, _)| one.to_string()))),
        Cell::plain(side(session.to.as_deref(), session.addresses.map(|(_, other)| other.to_string()))),
        Cell::plain(if session.call_id.is_empty() { UNKNOWN } else { &session.call_id }),
    ]);
}

/// Who it is by name, without the scheme that nearly all have; else where.
fn side(uri: Option<&str>, address: Option<String>) -> String {
    let name = uri.map(|uri| uri.strip_prefix("sip:").unwrap_or(uri).to_owned());
    name.or(address).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// `set up: signalling 12.1 ms · first check …`.
fn steps(session: &SessionSummary) -> Vec<Cell> {
    let setup = &session.call.setup;
    let named = [
        ("signalling", setup.signalling),
        ("gathering", setup.gathering),
        ("first check after", setup.first_check),
        ("nomination", setup.nomination),
        ("handshake", setup.handshake),
        ("then media in", setup.first_rtp),
    ];
    let known = named.into_iter().filter(|(_, took)| took.is_some());
    let mut items: Vec<Cell> = known.map(|(name, took)| Cell::plain(format!("{name} {}", with_ms(took)))).collect();
    if !items.is_empty() {
        items.insert(0, Cell::new("setup", Ink::Faint));
    }
    items
}

/// What each round behind the first changed.
fn rounds(table: &mut Table, session: &SessionSummary, most: Most) {
    for round in session.call.rounds.iter().filter(|round| !round.changes.is_empty()).take(most.sections) {
        let frame = round.offer.map(|frame| format!(" in frame {frame}")).unwrap_or_default();
        let who = if round.by_first { "offerer" } else { "answerer" };
        let mut items = vec![Cell::new(format!("changed by the {who}{frame}"), Ink::Faint)];
        items.extend(round.changes.iter().map(Cell::plain));
        table.note(items);
    }
}

/// What was agreed and what came, one line a section.
fn agreed(table: &mut Table, session: &SessionSummary, most: Most) {
    for row in session.call.media.iter().take(most.sections) {
        let is_declared = session.signal.is_declared();
        let mut items = vec![Cell::plain(agreed_section(row, is_declared, most.formats))];
        let sides = if is_declared { ["sender", "receiver"] } else { ["offerer", "answerer"] };
        for (who, seen) in sides.into_iter().zip(&row.seen) {
            if !seen.streams.is_empty() {
                items.push(Cell::plain(format!(
                    "{} from the {who} in {}",
                    count(seen.packets),
                    seen.streams.join(" ")
                )));
            }
            for difference in &seen.differences {
                let frames: Vec<String> = difference.frames.iter().map(ToString::to_string).collect();
                let text = format!("{} (frames {})", words_of(&difference.kind, who), frames.join(", "));
                items.push(Cell::new(text, Ink::Doubtful));
            }
        }
        table.note(items);
    }
    if !session.call.unexpected.is_empty() {
        let text = format!("of no section: {}", session.call.unexpected.join(" "));
        table.note(vec![Cell::new(text, Ink::Doubtful)]);
    }
}

pub(in crate::view) fn agreed_section(row: &MediaRow, is_declared: bool, most: usize) -> String {
    let agreed = &row.agreed;
    let name = agreed.mid.as_ref().map_or_else(|| agreed.kind.clone(), |mid| format!("{} {mid}", agreed.kind));
    if !agreed.accepted {
        return format!("agreed {name} off");
    }
    let mut codecs: Vec<&str> = Vec::new();
    for codec in &agreed.codecs {
        if !codecs.contains(&codec.encoding.as_str()) {
            codecs.push(&codec.encoding);
        }
    }
    let hidden = codecs.len().saturating_sub(most);
    codecs.truncate(most);
    let more = if hidden > 0 { format!(" … {hidden} more") } else { String::new() };
    let codecs = codecs.iter().map(|codec| format!(" {codec}")).collect::<String>();
    match is_declared {
        true => format!("{name}{codecs}{more}"),
        false => format!("agreed {name} {}{codecs}{more}", negotiated_direction(agreed.sends)),
    }
}

pub(in crate::view) fn words_of(kind: &DifferenceKind, who: &str) -> String {
    let detail = kind.detail().unwrap_or_default();
    match kind {
        DifferenceKind::NeverCame => format!("nothing came from the {who}"),
        DifferenceKind::NotAgreed => format!("the {who} was not to send"),
        DifferenceKind::PayloadType(_) => format!("payload type {detail} from the {who} was not agreed"),
        DifferenceKind::Ssrc(_) => format!("SSRC {detail} from the {who} was not announced"),
        DifferenceKind::Source { .. } => format!("the {who} sends from {detail}"),
        DifferenceKind::Destination { .. } => format!("the {who} sends to {detail}"),
    }
}

/// `pair p2 host ⇄ host selected · 2 switches · 1 ICE restart`.
fn ice(snapshot: &Snapshot, session: &SessionSummary) -> Vec<Cell> {
    let mut items = Vec::new();
    for transport in &session.call.ice {
        let own = snapshot.pairs.iter().filter(|row| transport.pairs.contains(&row.id));
        for row in own.filter(|row| row.is_selected() == Some(true)) {
            let kinds = match &row.kinds {
                [Some(local), Some(remote)] => format!(" {} ⇄ {}", local.as_str(), remote.as_str()),
                _ => String::new(),
            };
            items.push(Cell::plain(format!("pair {}{kinds} selected", row.id)));
        }
        let of_side = |side: usize| transport.switches.iter().filter(|switch| switch.side == side).count() as u64;
        let switches = of_side(0).max(of_side(1)).saturating_sub(1);
        if switches > 0 {
            items.push(Cell::plain(plural(switches, "switch", "switches")));
        }
    }
    if session.call.ice_restarts > 0 {
        items.push(Cell::plain(plural(session.call.ice_restarts, "ICE restart", "ICE restarts")));
    }
    items
}

/// The ids of what belongs to it, few of each.
fn members(session: &SessionSummary) -> Vec<Cell> {
    const FEW: usize = 8;
    let call = &session.call;
    let lists = [
        ("flows", &call.flows),
        ("streams", &call.streams),
        ("allocations", &call.allocations),
        ("handshakes", &call.handshakes),
        ("pairs", &call.pairs),
    ];
    let shown = lists.into_iter().filter(|(_, ids)| !ids.is_empty()).map(|(name, ids)| {
        let few: Vec<&str> = ids.iter().take(FEW).map(String::as_str).collect();
        let more = if ids.len() > FEW { format!(" … {} more", ids.len() - FEW) } else { String::new() };
        Cell::new(format!("{name} {}{more}", few.join(" ")), Ink::Faint)
    });
    shown.collect()
}

fn descriptions(table: &mut Table, session: &SessionSummary, most: Most) {
    let said = session.offer().into_iter().chain(session.answer());
    for described in said {
        let frame = described.frame.map(|frame| format!(" in frame {frame}")).unwrap_or_default();
        let name = match (session.signal.is_declared(), described.is_offer) {
            (true, _) => "description",
            (false, true) => "offer",
            (false, false) => "answer",
        };
        let mut items = vec![Cell::plain(format!("{name}{frame}"))];
        items.extend(sections(session.signal, &described.sdp, most));
        table.note(items);
        table.note(complaint(described));
    }
    let later = session.descriptions.len() as u64;
    let named = session.offer().iter().count() as u64 + session.answer().iter().count() as u64;
    if later > named {
        let text = format!("{} follow", plural(later - named, "more description", "more descriptions"));
        table.note(vec![Cell::new(text, Ink::Faint)]);
    }
}

fn complaint(described: &Described) -> Vec<Cell> {
    let Some(error) = &described.strict_error else { return Vec::new() };
    vec![Cell::new(format!("a strict reader refuses it: {error}"), Ink::Doubtful)]
}

fn sections(signal: Signal, sdp: &SessionDescription, most: Most) -> Vec<Cell> {
    let mut items: Vec<Cell> = sdp
        .media
        .iter()
        .take(most.sections)
        .map(|media| Cell::plain(section(signal, sdp, media, most.formats)))
        .collect();
    if sdp.media.len() > most.sections {
        items.push(Cell::new(format!("… {} more", sdp.media.len() - most.sections), Ink::Faint));
    }
    items
}

/// `audio 10.0.0.1:5000 RTP/AVP sendrecv PCMU/8000 PCMA/8000`.
fn section(signal: Signal, sdp: &SessionDescription, media: &Media, most: usize) -> String {
    let address = sdp.connection(media).map(|connection| connection.address.to_string());
    let port = media.port.map_or_else(|| UNKNOWN.to_owned(), |port| port.to_string());
    let place = match (address, media.port) {
        // RFC 3264, section 6; where nobody answers, as in RTSP, it says that the port is told elsewhere.
        (_, Some(0)) if signal == Signal::Sip => "refused".to_owned(),
        (_, Some(0)) => String::new(),
        (Some(address), _) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), _) => format!("{address}:{port}"),
        (None, _) => format!("port {port}"),
    };
    let mut parts = vec![
        media.kind.as_str().to_owned(),
        place,
        media.protocol.as_str().to_owned(),
        sdp.direction(media).as_str().to_owned(),
    ];
    let mut formats: Vec<String> = media
        .payload_types()
        .map(|payload_type| {
            media
                .rtpmap(payload_type)
                .map_or_else(|| payload_type.to_string(), |map| format!("{}/{}", map.encoding, map.clock_rate))
        })
        .collect();
    if formats.is_empty() {
        formats.clone_from(&media.formats);
    }
    let hidden = formats.len().saturating_sub(most);
    formats.truncate(most);
    parts.extend(formats);
    if hidden > 0 {
        parts.push(format!("… {hidden} more"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}
