//! Descriptions and candidates in HTTP bodies and WebSocket messages: WHIP, WHEP, and what applications make up.
//!
//! In: whole messages of a connection. Out: sessions with offers and answers, candidates, announcements.
//! Never: an application's field names. A description is known by its text, what it is by the words beside it, and where
//! it belongs by its origin and its ICE fragment; a poll may bring the answer on another connection than the offer went.

use super::forget::moved;
use super::session::{SessionState, Signal, Trickled};
use super::{MAX_NAME, MAX_SESSIONS, Signalling};
use crate::model::analyzer::FrontSink;
use crate::model::media_context::Announcement;
use crate::net::{Datagram, Endpoint};
use crate::packet::FrameNo;
use crate::proto::framing::MAX_BODY;
use crate::proto::http;
use crate::proto::sdp::{
    CandidateTransport, SessionDescription, Setup, TrickledCandidate, find_candidates, find_sdp, said_to_be_offer,
};
use crate::proto::sip::{Message, StartLine};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io::Read;

/// Descriptions and candidates of one message that are read.
const MAX_FOUND: usize = 64;
/// Candidates of a session that are kept.
const MAX_CANDIDATES: usize = 256;
/// Candidates that came before their description and are kept until it comes.
const MAX_EARLY: usize = 256;
/// Sessions with an offer that nobody has answered yet.
const MAX_OPEN: usize = 1024;

/// Which session something belongs to.
#[derive(Default)]
pub(super) struct Web {
    by_connection: HashMap<(Endpoint, Endpoint), usize, ahash::RandomState>,
    by_party: HashMap<String, usize, ahash::RandomState>,
    by_fragment: HashMap<String, usize, ahash::RandomState>,
    /// The path that a server gave to a session (RFC 9725, section 4.2).
    by_resource: HashMap<String, usize, ahash::RandomState>,
    /// Those whose last description is an offer, oldest first.
    open: VecDeque<usize>,
    early: VecDeque<(FrameNo, Timestamp, TrickledCandidate)>,
}

impl Web {
    /// The sessions have other numbers from now on, or have left.
    pub(super) fn forget(&mut self, places: &[Option<usize>], is_fresh: impl Fn(Timestamp) -> bool) {
        self.by_connection.retain(|_, index| moved(places, index));
        self.by_connection.shrink_to(self.by_connection.len() * 2);
        for names in [&mut self.by_party, &mut self.by_fragment, &mut self.by_resource] {
            names.retain(|_, index| moved(places, index));
            names.shrink_to(names.len() * 2);
        }
        self.open.retain_mut(|index| moved(places, index));
        self.early.retain(|(_, ts, _)| is_fresh(*ts));
    }
}

impl Signalling {
    /// Takes a WebSocket message: SIP (RFC 7118), or anything with descriptions in it.
    pub(crate) fn websocket(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        if Message::parse(datagram.payload).is_some() {
            self.sip(datagram, sink);
        } else {
            let told = self.text(Signal::Websocket, datagram, datagram.payload, sink);
            let index = told.or_else(|| self.on_web_connection(datagram));
            self.trail.websocket(datagram, index);
        }
    }

    /// Takes an HTTP message: WHIP and WHEP (RFC 9725), or anything with descriptions in it.
    pub(crate) fn http(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Some(message) = http::Message::parse(datagram.payload) else { return };
        let told = self.http_message(&message, datagram, sink);
        let index = told.or_else(|| self.on_web_connection(datagram));
        self.trail.http(datagram, index, &message);
    }

    /// The session that was last spoken of on this connection.
    fn on_web_connection(&self, datagram: &Datagram<'_>) -> Option<usize> {
        self.web.by_connection.get(&connection(datagram)).copied()
    }

    fn http_message(
        &mut self,
        message: &http::Message<'_>,
        datagram: &Datagram<'_>,
        sink: &mut impl FrontSink,
    ) -> Option<usize> {
        let is = |media_type| message.content_type.is_some_and(|content_type| content_type.is(media_type));
        if let StartLine::Request { method: "DELETE", uri } = message.start
            && let Some(index) = self.web.by_resource.get(path(uri))
        {
            let session = &mut self.sessions[*index];
            session.state = SessionState::Ended;
            session.ended = Some((datagram.carrier.frame, datagram.carrier.ts, datagram.flow.src));
            return Some(*index);
        }
        if message.content_type.is_some_and(|content_type| is_page_or_media(content_type.media_type)) {
            return None;
        }
        let content = content(message);
        if is("application/trickle-ice-sdpfrag") {
            self.fragment(datagram, &content, sink);
            return None;
        }
        let told = self.text(Signal::Http, datagram, &content, sink);
        let location = message.location.map(path).filter(|path| path.len() <= MAX_NAME);
        if let (Some(index), Some(path)) = (told, location)
            && self.web.by_resource.len() < MAX_SESSIONS
        {
            self.web.by_resource.insert(path.to_owned(), index);
        }
        told
    }

    /// Reads whatever descriptions and candidates a message holds; gives the session of the last description.
    fn text(
        &mut self,
        signal: Signal,
        datagram: &Datagram<'_>,
        text: &[u8],
        sink: &mut impl FrontSink,
    ) -> Option<usize> {
        let mut told = None;
        let mut rest = text;
        for _ in 0..MAX_FOUND {
            let Some(found) = find_sdp(rest) else { break };
            let said = said_to_be_offer(rest, &found);
            // In a body that is nothing but a description tshark finds it too.
            let is_whole = found.offset == 0 && found.escape_levels == 0 && signal == Signal::Http;
            told = self.web_description(signal, datagram, &found.text, said, is_whole, sink).or(told);
            rest = rest.get(found.end..).unwrap_or_default();
        }
        for found in find_candidates(text).take(MAX_FOUND) {
            self.candidate(datagram, found, sink);
        }
        told
    }

    fn web_description(
        &mut self,
        signal: Signal,
        datagram: &Datagram<'_>,
        body: &[u8],
        said: Option<bool>,
        tshark_sees: bool,
        sink: &mut impl FrontSink,
    ) -> Option<usize> {
        let description = SessionDescription::parse(body);
        let connection = connection(datagram);
        if let Some(index) = self.session_that_has(&connection, &description) {
            self.belongs(connection, index);
            return Some(index);
        }
        let party = party(&description);
        let of_party = party.as_ref().and_then(|party| self.web.by_party.get(party)).copied();
        let waiting = self.waiting(datagram, &connection, &description);
        let is_offer = said.or_else(|| is_offer_by_role(&description)).unwrap_or(waiting.is_none());
        let of_connection = self.web.by_connection.get(&connection).copied();
        let index = match is_offer {
            false => waiting.or(of_party).or(of_connection),
            true => of_party.or(of_connection.filter(|_| party.is_none())),
        };
        let index = match index {
            Some(index) => index,
            None => self.begin(signal, datagram)?,
        };
        self.belongs(connection, index);
        let part = self.rounds[index].web(is_offer);
        let announcement = match tshark_sees {
            true => Announcement::of(&description),
            false => Announcement::within_text(&description),
        };
        let fragments: Vec<String> = fragments(&description).map(str::to_owned).collect();
        let kept = self.sessions[index].descriptions.len();
        self.describe(index, part, Some(datagram), description, body);
        if self.sessions[index].descriptions.len() > kept {
            self.web.open.retain(|open| *open != index);
            if is_offer {
                self.web.open.push_back(index);
                self.web.open.drain(..self.web.open.len().saturating_sub(MAX_OPEN));
            }
            if let Some(party) = party {
                self.web.by_party.insert(party, index);
            }
            for fragment in fragments {
                self.web.by_fragment.insert(fragment, index);
            }
            self.sessions[index].described(is_offer);
        }
        self.announce(announcement, datagram, sink);
        self.early_candidates(datagram, sink);
        Some(index)
    }

    /// The session that has this very description: it came again, or on its way to the other side.
    fn session_that_has(&self, connection: &(Endpoint, Endpoint), description: &SessionDescription) -> Option<usize> {
        let by_fragment = fragments(description).find_map(|fragment| self.web.by_fragment.get(fragment));
        let index = *by_fragment.or_else(|| self.web.by_connection.get(connection))?;
        let has_fragment = by_fragment.is_some();
        let known = &self.sessions[index].descriptions;
        let mut recent = known.iter().rev().take(if has_fragment { known.len() } else { 1 });
        recent.any(|known| *known.sdp == *description).then_some(index)
    }

    /// The session whose offer waits for this description.
    fn waiting(
        &self,
        datagram: &Datagram<'_>,
        connection: &(Endpoint, Endpoint),
        description: &SessionDescription,
    ) -> Option<usize> {
        let (src, dst) = (datagram.flow.src, datagram.flow.dst);
        let open = |index: usize| {
            let last = self.sessions[index].descriptions.last()?;
            let fits = last.is_offer && last.sdp.media.len() == description.media.len();
            last.ends.filter(|_| fits)
        };
        let on_connection = self.web.by_connection.get(connection).copied();
        let here = on_connection.filter(|index| open(*index).is_some_and(|(from, _)| from != src));
        here.or_else(|| {
            let elsewhere = |index: &usize| {
                open(*index)
                    .is_some_and(|(from, to)| from.addr == dst.addr && (to.addr, to.port) == (src.addr, src.port))
                    || open(*index).is_some_and(|(from, to)| from == dst && to.addr == src.addr)
            };
            self.web.open.iter().rev().copied().find(elsewhere)
        })
    }

    fn begin(&mut self, signal: Signal, datagram: &Datagram<'_>) -> Option<usize> {
        let (src, dst) = (datagram.flow.src, datagram.flow.dst);
        let name = format!("{} {} {}", signal.name(), src.min(dst), src.max(dst));
        let index = self.open(&name, signal, SessionState::Described, datagram.carrier.ts)?;
        let session = &mut self.sessions[index];
        session.first_frame = Some(datagram.carrier.frame);
        session.addresses = Some((src, dst));
        Some(index)
    }

    fn belongs(&mut self, connection: (Endpoint, Endpoint), index: usize) {
        if self.web.by_connection.len() < MAX_SESSIONS || self.web.by_connection.contains_key(&connection) {
            self.web.by_connection.insert(connection, index);
        }
    }

    /// Takes the body of a WHIP PATCH: a description of nothing but fragments and candidates (RFC 8840, section 9).
    fn fragment(&mut self, datagram: &Datagram<'_>, body: &[u8], sink: &mut impl FrontSink) {
        let description = SessionDescription::parse(body);
        let sections = std::iter::once((None, &description.attributes))
            .chain(description.media.iter().enumerate().map(|(at, media)| (u32::try_from(at).ok(), &media.attributes)));
        let mut found = Vec::new();
        for (m_line_index, attributes) in sections {
            let ufrag = attributes.ice_ufrag.as_ref().or(description.attributes.ice_ufrag.as_ref());
            found.extend(attributes.candidates.iter().take(MAX_FOUND).map(|candidate| TrickledCandidate {
                offset: 0,
                candidate: candidate.clone(),
                mid: attributes.mid.clone(),
                m_line_index,
                ufrag: ufrag.cloned().or_else(|| candidate.ufrag.clone()),
            }));
        }
        found.into_iter().take(MAX_FOUND).for_each(|found| self.candidate(datagram, found, sink));
    }

    fn candidate(&mut self, datagram: &Datagram<'_>, found: TrickledCandidate, sink: &mut impl FrontSink) {
        let carrier = &datagram.carrier;
        let session = match &found.ufrag {
            Some(ufrag) => self.web.by_fragment.get(ufrag).copied(),
            None => self.web.by_connection.get(&connection(datagram)).copied(),
        };
        match session {
            Some(index) => self.known_candidate(index, carrier.frame, carrier.ts, found, datagram, sink),
            None if found.ufrag.is_some() => {
                self.web.early.push_back((carrier.frame, carrier.ts, found));
                self.web.early.drain(..self.web.early.len().saturating_sub(MAX_EARLY));
            }
            None => {}
        }
    }

    /// A description has come: candidates may have waited for it.
    fn early_candidates(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        for (frame, ts, found) in std::mem::take(&mut self.web.early) {
            let session = found.ufrag.as_ref().and_then(|ufrag| self.web.by_fragment.get(ufrag)).copied();
            match session {
                Some(index) => self.known_candidate(index, frame, ts, found, datagram, sink),
                None => self.web.early.push_back((frame, ts, found)),
            }
        }
    }

    fn known_candidate(
        &mut self,
        index: usize,
        frame: FrameNo,
        ts: Timestamp,
        found: TrickledCandidate,
        datagram: &Datagram<'_>,
        sink: &mut impl FrontSink,
    ) {
        let TrickledCandidate { candidate, mid, m_line_index, ufrag, .. } = found;
        let session = &mut self.sessions[index];
        // Without a fragment it is of the side that sends it, which described itself last.
        let sender = Some(datagram.flow.src);
        let own = session.descriptions.iter().rev().find(|known| known.ends.map(|(from, _)| from) == sender);
        let ufrag = ufrag.or_else(|| fragments(&own?.sdp).next().map(str::to_owned));
        let mid = mid.or_else(|| {
            let of_fragment =
                |known: &&super::Described| fragments(&known.sdp).any(|known| Some(known) == ufrag.as_deref());
            let described = session.descriptions.iter().rev().find(of_fragment)?;
            described.sdp.media.get(usize::try_from(m_line_index?).ok()?)?.attributes.mid.clone()
        });
        let trickled = Trickled { frame, ts, ufrag, mid, candidate };
        let is_known = session.candidates.iter().any(|known| {
            (&known.ufrag, &known.mid, &known.candidate) == (&trickled.ufrag, &trickled.mid, &trickled.candidate)
        });
        if is_known {
            return;
        }
        let address = trickled.candidate.address.ip().filter(|_| trickled.candidate.component == 1);
        let is_udp = matches!(trickled.candidate.transport, CandidateTransport::Udp);
        let context = trickled.ufrag.as_deref().and_then(|ufrag| self.contexts.of_fragment(ufrag));
        if let (Some(ip), true, Some(context)) = (address, is_udp, context) {
            let endpoint = Endpoint { addr: ip.into(), port: trickled.candidate.port };
            let announcement = Announcement::of_candidate(endpoint, context);
            self.announce(announcement, datagram, sink);
        }
        if self.sessions[index].candidates.len() < MAX_CANDIDATES {
            self.sessions[index].candidates.push(trickled);
        }
    }
}

/// Both directions of a connection are one.
fn connection(datagram: &Datagram<'_>) -> (Endpoint, Endpoint) {
    let (src, dst) = (datagram.flow.src, datagram.flow.dst);
    (src.min(dst), src.max(dst))
}

fn fragments(description: &SessionDescription) -> impl Iterator<Item = &str> {
    let mut last = None;
    let own = description.media.iter().filter_map(|media| Some(description.ice_credentials(media)?.ufrag));
    own.filter(move |fragment| last.replace(*fragment) != Some(*fragment)).take(MAX_FOUND)
}

/// Who describes itself: the origin without its version (RFC 8866, section 5.2). None where it could be anybody's, as
/// some libraries write the same in every description.
fn party(description: &SessionDescription) -> Option<String> {
    let origin = description.origin.as_ref()?;
    let ip = origin.connection.address.ip();
    let is_own = ip.is_some_and(|ip| !ip.is_unspecified() && !ip.is_loopback());
    let key = format!("{} {} {}", origin.username, origin.session_id, origin.connection.address);
    (key.len() <= MAX_NAME && (is_own || origin.session_id.len() >= 9)).then_some(key)
}

/// An offer leaves the choice of the DTLS role, an answer chooses (RFC 8842, section 5.2 and 5.3).
fn is_offer_by_role(description: &SessionDescription) -> Option<bool> {
    description.media.iter().find_map(|media| description.setup(media)).and_then(|setup| match setup {
        Setup::ActPass => Some(true),
        Setup::Active | Setup::Passive => Some(false),
        Setup::HoldConn => None,
    })
}

/// What a browser shows or runs is no signalling, though a script may have a description in it as a pattern.
fn is_page_or_media(media_type: &str) -> bool {
    const TYPES: [&str; 4] = ["text/html", "text/css", "text/javascript", "application/javascript"];
    const FAMILIES: [&str; 4] = ["image", "audio", "video", "font"];
    let family = media_type.split('/').next().unwrap_or_default();
    TYPES.iter().any(|known| media_type.eq_ignore_ascii_case(known))
        || FAMILIES.iter().any(|known| family.eq_ignore_ascii_case(known))
}

/// A request target or a Location without scheme and host.
fn path(uri: &str) -> &str {
    let Some((_, rest)) = uri.split_once("://") else { return uri };
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
}

/// The body with its chunks put together, inflated where it is compressed (RFC 9110, section 8.4.1).
fn content<'a>(message: &http::Message<'a>) -> Cow<'a, [u8]> {
    let content = message.content();
    let inflated = |reader: &mut dyn Read| {
        let mut out = Vec::new();
        // What is there of a body that was cut is worth reading.
        let _ = reader.take(MAX_BODY as u64).read_to_end(&mut out);
        out
    };
    match message.content_encoding.map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => Cow::Owned(inflated(&mut flate2::read::MultiGzDecoder::new(&*content))),
        Some("deflate") => Cow::Owned(inflated(&mut flate2::read::ZlibDecoder::new(&*content))),
        _ => content,
    }
}

#[cfg(test)]
mod tests;
