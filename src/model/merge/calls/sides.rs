//! Who is who in a session: which of its two sides made each description, and where that side may be met.
//!
//! In: sessions. Out: their sides by ICE fragment, address and SSRC; rounds of offer and answer.
//! Never: an address that may be anybody's.

use super::super::super::call::Round;
use super::super::super::negotiation::{Negotiated, changes, negotiate};
use super::super::super::signalling::{Described, SessionSummary};
use crate::net::Endpoint;
use crate::proto::sdp::{Media, SessionDescription};
use crate::time::Timestamp;
use std::collections::HashMap;

/// Sessions with the same address that are asked, the latest first.
const MAX_ASKED: usize = 16;

/// A side of a session: 0 who offered first, 1 who answered.
pub(in super::super) type Side = usize;

/// The side of each description of a session, in their order.
pub(in super::super) fn sides(session: &SessionSummary) -> Vec<Side> {
    let mut sides: Vec<Side> = Vec::with_capacity(session.descriptions.len());
    for (at, described) in session.descriptions.iter().enumerate() {
        let before = || session.descriptions.iter().take(at).zip(&sides);
        let offerer = before().rfind(|(offer, _)| offer.is_offer && described.answers(offer));
        let side = match (described.is_offer, offerer) {
            (false, Some((_, side))) => 1 - side,
            (false, None) => 1,
            (true, _) => {
                let is_same = |known: &Described| is_same_party(known, described);
                let own = before().rfind(|(known, _)| is_same(known)).map(|(_, side)| *side);
                own.unwrap_or(0)
            }
        };
        sides.push(side);
    }
    sides
}

/// The same origin (RFC 8866, section 5.2), else the same host.
fn is_same_party(one: &Described, other: &Described) -> bool {
    let key = |described: &Described| {
        let origin = described.sdp.origin.as_ref()?;
        Some((origin.username.clone(), origin.session_id.clone(), origin.connection.address.clone()))
    };
    match (key(one), key(other)) {
        (Some(one), Some(other)) if one == other => true,
        _ => matches!((one.ends, other.ends), (Some((one, _)), Some((other, _))) if one.addr == other.addr),
    }
}

/// Offers with their last answers, by place among the descriptions.
pub(super) fn exchanges(session: &SessionSummary) -> Vec<(usize, usize)> {
    let all = &session.descriptions;
    let answer_to = |offer: &Described| all.iter().rposition(|known| known.answers(offer));
    let offers = all.iter().enumerate().filter(|(_, known)| known.is_offer);
    offers.filter_map(|(at, offer)| Some((at, answer_to(offer)?))).collect()
}

/// The rounds of a session, and its sections as each of them left them, seen from the side that offered first.
pub(super) fn rounds(session: &SessionSummary, sides: &[Side]) -> (Vec<Round>, Vec<Vec<Negotiated>>) {
    let mut rounds = Vec::new();
    let mut agreed: Vec<Vec<Negotiated>> = Vec::new();
    for (offer_at, answer_at) in exchanges(session) {
        let (Some(offer), Some(answer)) = (session.descriptions.get(offer_at), session.descriptions.get(answer_at))
        else {
            continue;
        };
        let by_first = sides.get(offer_at) == Some(&0);
        let mut sections = negotiate(&offer.sdp, &answer.sdp);
        if !by_first {
            sections = sections.into_iter().map(Negotiated::from_the_other_side).collect();
        }
        let changes = agreed.last().map(|before| changes(before, &sections)).unwrap_or_default();
        rounds.push(Round { offer: offer.frame, answer: answer.frame, by_first, changes });
        agreed.push(sections);
    }
    (rounds, agreed)
}

/// Where a section wants its media and RTCP, and the candidates. A port of 0 or 9 stands for none.
pub(super) fn addresses<'a>(
    description: &'a SessionDescription,
    media: &'a Media,
) -> impl Iterator<Item = Endpoint> + use<'a> {
    let candidates = media.attributes.candidates.iter().map(|candidate| (&candidate.address, candidate.port));
    let rtcp = description.rtcp_destination(media);
    rtcp.into_iter()
        .chain(candidates)
        .filter_map(|(address, port)| Some(Endpoint { addr: address.ip()?.into(), port }))
        .filter(|endpoint| !matches!(endpoint.port, 0 | 9))
        .filter(|endpoint| !endpoint.addr.ip().is_unspecified())
        .chain(own_address(description, media))
}

/// Where the `m=` and `c=` lines want the media.
pub(super) fn own_address(description: &SessionDescription, media: &Media) -> Option<Endpoint> {
    let ip = description.connection(media)?.address.ip().filter(|ip| !ip.is_unspecified())?;
    Some(Endpoint { addr: ip.into(), port: media.port.filter(|port| !matches!(port, 0 | 9))? })
}

/// Sessions by what leads to them.
pub(super) struct Index<'s> {
    /// Fragments are short, so that two sessions may have the same one.
    by_fragment: HashMap<&'s str, Vec<(usize, Side)>, ahash::RandomState>,
    by_endpoint: HashMap<Endpoint, Vec<(usize, Side)>, ahash::RandomState>,
    /// When each session began, in ascending order, and ended.
    lives: Vec<(Timestamp, Option<Timestamp>)>,
}

/// Media may begin a little before its signalling is seen, and go on a little after the end.
const SLACK_NANOS: i64 = 5_000_000_000;

impl<'s> Index<'s> {
    pub(super) fn of(sessions: &'s [SessionSummary], sides: &[Vec<Side>]) -> Self {
        let mut index = Self { by_fragment: HashMap::default(), by_endpoint: HashMap::default(), lives: Vec::new() };
        for (at, (session, sides)) in sessions.iter().zip(sides).enumerate() {
            for (described, side) in session.descriptions.iter().zip(sides) {
                for media in &described.sdp.media {
                    if let Some(credentials) = described.sdp.ice_credentials(media) {
                        let known = index.by_fragment.entry(credentials.ufrag).or_default();
                        if known.last() != Some(&(at, *side)) {
                            known.push((at, *side));
                        }
                    }
                    addresses(&described.sdp, media).for_each(|endpoint| index.add(endpoint, at, *side));
                }
            }
            for trickled in &session.candidates {
                let known = trickled.ufrag.as_deref().and_then(|ufrag| index.by_fragment.get(ufrag));
                let side = known.and_then(|known| known.iter().rev().find(|(session, _)| *session == at)).copied();
                if let (Some(ip), Some((_, side))) = (trickled.candidate.address.ip(), side) {
                    index.add(Endpoint { addr: ip.into(), port: trickled.candidate.port }, at, side);
                }
            }
            for (server, client) in &session.transports {
                index.add(*server, at, 0);
                index.add(*client, at, 1);
            }
            index.lives.push((session.first_ts, session.ended.map(|(_, ts, _)| ts)));
        }
        index
    }

    fn add(&mut self, endpoint: Endpoint, session: usize, side: Side) {
        let known = self.by_endpoint.entry(endpoint).or_default();
        if !known.iter().rev().take_while(|(known, _)| *known == session).any(|(_, known)| *known == side) {
            known.push((session, side));
        }
    }

    /// The session of two ends that checks name so, and the side that is at the first of them. Where both fragments are
    /// known they have to be of one session; where one is, the latest that had begun is meant.
    pub(super) fn checked(&self, fragments: [&str; 2], ts: Timestamp) -> Option<(usize, Side)> {
        let [one, other] = fragments.map(|name| self.by_fragment.get(name).map(Vec::as_slice).unwrap_or_default());
        let latest = |known: &[(usize, Side)]| {
            let begun = |(session, _): &&(usize, Side)| {
                self.lives.get(*session).is_some_and(|(begins, _)| ts.nanos_since(*begins) >= -SLACK_NANOS)
            };
            known.iter().rev().filter(begun).take(MAX_ASKED).copied().collect::<Vec<_>>()
        };
        match (latest(one), latest(other)) {
            (one, other) if other.is_empty() => one.first().copied(),
            (one, other) if one.is_empty() => other.first().map(|(session, side)| (*session, 1 - side)),
            (one, other) => one.into_iter().find(|(session, side)| other.contains(&(*session, 1 - side))),
        }
    }

    /// The session between two ends at a time, and the side that is at the first of them; each end has several names.
    /// An address is used again, so that of several sessions the latest that had begun is meant.
    pub(super) fn between(&self, ends: [[Option<Endpoint>; 2]; 2], ts: Timestamp) -> Option<(usize, Side)> {
        let mut best: Option<((bool, Timestamp), usize, Side)> = None;
        for (at, names) in ends.iter().enumerate() {
            for (session, side) in names.iter().flatten().flat_map(|name| self.begun(*name, ts)) {
                let Some((begins, ended)) = self.lives.get(session).copied() else { continue };
                if ended.is_some_and(|ended| ts.nanos_since(ended) > SLACK_NANOS) {
                    continue;
                }
                let has_other = ends[1 - at].iter().flatten().any(|name| self.has(*name, session, 1 - side));
                let rank = (has_other, begins);
                if best.as_ref().is_none_or(|(known, ..)| rank > *known) {
                    best = Some((rank, session, if at == 0 { side } else { 1 - side }));
                }
            }
        }
        best.map(|(_, session, side)| (session, side))
    }

    /// The latest sessions with an address that had begun.
    fn begun(&self, endpoint: Endpoint, ts: Timestamp) -> impl Iterator<Item = (usize, Side)> {
        let known = self.by_endpoint.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        let has_begun = |(session, _): &(usize, Side)| {
            self.lives.get(*session).is_some_and(|(begins, _)| ts.nanos_since(*begins) >= -SLACK_NANOS)
        };
        let begun = known.get(..known.partition_point(has_begun)).unwrap_or_default();
        begun.iter().rev().take(MAX_ASKED).copied()
    }

    fn has(&self, endpoint: Endpoint, session: usize, side: Side) -> bool {
        let known = self.by_endpoint.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        let from = known.partition_point(|(known, _)| *known < session);
        let own = known.get(from..).unwrap_or_default();
        own.iter().take_while(|(known, _)| *known == session).any(|(_, known)| *known == side)
    }
}
