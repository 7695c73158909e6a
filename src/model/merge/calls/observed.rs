//! What was agreed against what came.
//!
//! In: the descriptions of a session and its streams. Out: its rounds, and its sections with the streams of each and
//! what is not as agreed. Never: a thing missed where nothing of the media path was captured.

use super::super::super::call::{Difference, DifferenceKind, MediaRow, Round};
use super::super::super::negotiation::{Negotiated, negotiate};
use super::super::super::signalling::{Described, SessionState, SessionSummary};
use super::super::super::snapshot::{Snapshot, StreamKind, StreamRow};
use super::Members;
use super::sides::{Side, exchanges, own_address, rounds};
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::proto::rtp::payload_type::PayloadRole;
use crate::time::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// Differences of one section and direction that are kept.
const MAX_DIFFERENCES: usize = 16;
/// Media that was agreed on has not failed to come before so long after the answer.
const PATIENCE_NANOS: i64 = 2_000_000_000;

/// What was found.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) rounds: Vec<Round>,
    pub(super) media: Vec<MediaRow>,
    /// Streams that no section explains.
    pub(super) unexpected: Vec<String>,
    /// Streams of RFC 2198, by place, and the codec inside them.
    pub(super) in_red: Vec<(usize, String)>,
}

/// Holds the streams of a session against its descriptions.
pub(super) fn observe(session: &SessionSummary, sides: &[Side], members: &Members, snapshot: &Snapshot) -> Observed {
    let (rounds, mut agreed) = rounds(session, sides);
    let is_declared = session.signal.is_declared();
    if let (true, Some(described)) = (is_declared, session.descriptions.first()) {
        // Nobody answers; who is described sends, and to whom is not said.
        let mut own = (*described.sdp).clone();
        // Where the ports are told elsewhere, as in RTSP, 0 refuses nothing.
        own.media.iter_mut().for_each(|media| media.port = media.port.filter(|port| *port != 0));
        let own = negotiate(&own, &own);
        agreed.push(own.into_iter().map(|section| Negotiated { sends: [false; 2], ..section }).collect());
    }
    let Some(last) = agreed.last() else { return Observed { rounds, ..Observed::default() } };
    let said = Said::of(session, sides);
    let mut rows: Vec<MediaRow> =
        last.iter().map(|agreed| MediaRow { agreed: agreed.clone(), seen: Default::default() }).collect();
    let mut unexpected = Vec::new();
    let mut in_red = Vec::new();
    let mut owners: Vec<(usize, Side, &StreamRow)> = Vec::new();
    for (at, side) in &members.streams {
        let Some(row) = snapshot.streams.get(*at) else { continue };
        match said.section(*side, row, last).filter(|section| *section < rows.len()) {
            Some(section) => {
                owners.push((section, *side, row));
                in_red.extend(codec_in_red(row, &agreed, section).map(|codec| (*at, codec)));
            }
            None => unexpected.push(row.id.clone()),
        }
    }
    for (section, side, row) in &owners {
        let seen = &mut rows[*section].seen[*side];
        seen.streams.push(row.id.clone());
        seen.packets += row.figures.packets;
    }
    if is_declared {
        return Observed { rounds, media: rows, unexpected, in_red };
    }
    let can_miss = members.has_media_path() && has_waited(session, snapshot);
    for (section, media) in rows.iter_mut().enumerate() {
        for side in [0, 1] {
            let own: Vec<&StreamRow> = owners
                .iter()
                .filter(|(known, from, _)| (*known, *from) == (section, side))
                .map(|(.., row)| *row)
                .collect();
            let ever = agreed.iter().any(|round| round.get(section).is_some_and(|media| media.sends[side]));
            // What was agreed before the first description that was captured, nobody knows.
            let judged: Vec<&StreamRow> = own
                .iter()
                .copied()
                .filter(|row| session.descriptions.first().and_then(|first| first.ts) <= Some(row.figures.first_ts))
                .collect();
            let mut found = said.differences(section, side, &judged);
            let is_media = matches!(media.agreed.kind.as_str(), "audio" | "video");
            if own.is_empty() && media.agreed.sends[side] && is_media && can_miss {
                found.push(Difference { kind: DifferenceKind::NeverCame, frames: said.last_round.clone() });
            }
            if !judged.is_empty() && !ever {
                let frames = judged.iter().map(|row| row.figures.first_frame);
                let frames = said.last_round.iter().copied().chain(frames).collect();
                found.insert(0, Difference { kind: DifferenceKind::NotAgreed, frames });
            }
            found.truncate(MAX_DIFFERENCES);
            media.seen[side].differences = found;
        }
    }
    Observed { rounds, media: rows, unexpected, in_red }
}

/// What is inside RFC 2198 is hidden by encryption: it is what both sides want most (RFC 3264, section 5.1).
fn codec_in_red(row: &StreamRow, agreed: &[Vec<Negotiated>], section: usize) -> Option<String> {
    row.codec.as_deref().filter(|codec| PayloadRole::of_encoding(codec) == PayloadRole::Red)?;
    let rounds = agreed.iter().rev().filter_map(|round| round.get(section));
    let codecs = rounds.map(|media| &media.codecs).find(|codecs| !codecs.is_empty())?;
    let media = codecs.iter().find(|codec| PayloadRole::of_encoding(&codec.encoding) == PayloadRole::Media)?;
    Some(media.encoding.clone())
}

/// True where the session came to be, and it and the capture went on for long enough behind the last answer.
fn has_waited(session: &SessionSummary, snapshot: &Snapshot) -> bool {
    let was_on = matches!(session.state, SessionState::Established | SessionState::Ended | SessionState::Negotiated);
    if !was_on {
        return false;
    }
    let answer = exchanges(session).last().and_then(|(_, answer)| session.descriptions.get(*answer)?.ts);
    let ended = session.ended.map(|(_, ts, _)| ts);
    let end: Option<Timestamp> = ended.or(snapshot.capture.last_ts);
    matches!((answer, end), (Some(answer), Some(end)) if end.nanos_since(answer) >= PATIENCE_NANOS)
}

/// What both sides ever said, by what a packet shows.
struct Said<'s> {
    descriptions: Vec<(&'s Described, Side)>,
    /// Sources by who sends them.
    by_source: HashMap<(Side, u32), usize, ahash::RandomState>,
    by_mid: HashMap<&'s str, usize, ahash::RandomState>,
    /// Addresses of the `m=` lines without ICE, by who receives there.
    by_address: HashMap<(Side, Endpoint), usize, ahash::RandomState>,
    /// Payload types by who wants to receive them; none where several sections have it.
    by_payload_type: HashMap<(Side, u8), Option<usize>, ahash::RandomState>,
    /// Frames of the last offer that was answered, and of its answer.
    last_round: Vec<FrameNo>,
    has_ice: bool,
}

impl<'s> Said<'s> {
    fn of(session: &'s SessionSummary, sides: &[Side]) -> Self {
        let descriptions: Vec<(&Described, Side)> = session.descriptions.iter().zip(sides.iter().copied()).collect();
        let last = exchanges(session).last().copied();
        let frames = last.into_iter().flat_map(|(offer, answer)| [offer, answer]);
        let last_round = frames.filter_map(|at| session.descriptions.get(at)?.frame).collect();
        let mut said = Self {
            descriptions,
            by_source: HashMap::default(),
            by_mid: HashMap::default(),
            by_address: HashMap::default(),
            by_payload_type: HashMap::default(),
            last_round,
            has_ice: false,
        };
        for (described, side) in said.descriptions.clone() {
            for (section, media) in described.sdp.media.iter().enumerate() {
                for source in &media.attributes.sources {
                    said.by_source.insert((side, source.ssrc), section);
                }
                if let Some(mid) = &media.attributes.mid {
                    said.by_mid.entry(mid).or_insert(section);
                }
                said.has_ice |= described.sdp.ice_credentials(media).is_some();
                if let Some(address) = own_address(&described.sdp, media) {
                    said.by_address.entry((side, address)).or_insert(section);
                }
                for payload_type in media.payload_types() {
                    let known = said.by_payload_type.entry((side, payload_type)).or_insert(Some(section));
                    *known = known.filter(|known| *known == section);
                }
            }
        }
        said
    }

    /// The section of a stream.
    fn section(&self, sender: Side, row: &StreamRow, sections: &[Negotiated]) -> Option<usize> {
        let receiver = 1 - sender;
        let by_address = |side, endpoint| self.by_address.get(&(side, endpoint)).copied().filter(|_| !self.has_ice);
        let payload_type = row.figures.payload_types_by_use.first().copied();
        let by_kind = || {
            let word = match row.kind? {
                StreamKind::Audio => "audio",
                StreamKind::Video => "video",
                _ => return None,
            };
            let mut of_kind = sections.iter().enumerate().filter(|(_, media)| media.kind == word && media.accepted);
            of_kind.next().map(|(at, _)| at).filter(|_| of_kind.next().is_none())
        };
        self.by_source
            .get(&(sender, row.ssrc))
            .copied()
            .or_else(|| self.by_mid.get(row.mid.as_deref()?).copied())
            .or_else(|| by_address(receiver, row.dst).or(by_address(sender, row.src)))
            .or_else(|| self.by_payload_type.get(&(receiver, payload_type?)).copied().flatten())
            .or_else(|| self.by_payload_type.get(&(sender, payload_type?)).copied().flatten())
            .or_else(by_kind)
    }

    fn of_side(
        &self,
        side: Side,
        section: usize,
    ) -> impl Iterator<Item = (&'s Described, &'s crate::proto::sdp::Media)> {
        let own = self.descriptions.iter().filter(move |(_, own)| *own == side);
        own.filter_map(move |(described, _)| Some((*described, described.sdp.media.get(section)?)))
    }

    /// What streams of a section and direction show that was not said. Each thing once, with the first frame.
    fn differences(&self, section: usize, sender: Side, streams: &[&StreamRow]) -> Vec<Difference> {
        let receiver = 1 - sender;
        let mut found: Vec<Difference> = Vec::new();
        let mut note = |kind: DifferenceKind, frames: Vec<Option<FrameNo>>| {
            if found.iter().all(|known| known.kind != kind) && found.len() < MAX_DIFFERENCES {
                found.push(Difference { kind, frames: frames.into_iter().flatten().collect() });
            }
        };
        let named: BTreeSet<u8> =
            self.of_side(receiver, section).flat_map(|(_, media)| media.payload_types().collect::<Vec<_>>()).collect();
        let last = |side| self.of_side(side, section).last().and_then(|(described, _)| described.frame);
        let names_sources = self
            .of_side(sender, section)
            .last()
            .is_some_and(|(_, media)| !media.attributes.sources.is_empty() && media.attributes.rids.is_empty());
        let places = |side| -> Vec<Endpoint> {
            let all = self.of_side(side, section).filter_map(|(described, media)| own_address(&described.sdp, media));
            all.collect()
        };
        let (sources, destinations) = (places(sender), places(receiver));
        for row in streams {
            let first = Some(row.figures.first_frame);
            for payload_type in row.figures.payload_types.iter().filter(|number| !named.contains(*number)) {
                note(DifferenceKind::PayloadType(*payload_type), vec![last(receiver), first]);
            }
            if names_sources && !self.by_source.contains_key(&(sender, row.ssrc)) {
                note(DifferenceKind::Ssrc(row.ssrc), vec![last(sender), first]);
            }
            // With ICE, and inside TURN, addresses are found on the way.
            if self.has_ice || row.peer.is_some() {
                continue;
            }
            if let Some(described) = sources.last().filter(|_| !sources.contains(&row.src)) {
                let kind = DifferenceKind::Source { described: *described, seen: row.src };
                note(kind, vec![last(sender), first]);
            }
            if let Some(described) = destinations.last().filter(|_| !destinations.contains(&row.dst)) {
                let kind = DifferenceKind::Destination { described: *described, seen: row.dst };
                note(kind, vec![last(receiver), first]);
            }
        }
        found
    }
}
