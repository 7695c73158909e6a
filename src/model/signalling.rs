//! Signalling: dialogs, their offers and answers, and the media addresses that they tell of.
//!
//! In: SIP messages in capture order, whatever carried them, and SDP files. Out: [`SessionSummary`] per dialog, and an
//! announcement of each description for the shards. Never: media; joining the two is done after the merge.

mod rounds;

use super::analyzer::FrontSink;
use super::media_context::{Announcement, MediaContexts};
use super::trail::Trail;
use crate::net::{Datagram, Endpoint};
use crate::packet::FrameNo;
use crate::proto::sdp::SessionDescription;
use crate::proto::sip::{Message, StartLine};
use crate::proto::{http, rtsp};
use crate::time::Timestamp;
use rounds::{Part, Rounds};
use std::collections::HashMap;
use std::sync::Arc;

/// Dialogs kept; those beyond are counted.
const MAX_SESSIONS: usize = 1 << 16;
/// Bytes of text (descriptions, names) that all dialogs together keep; what they hold of it takes some ten times more.
const MAX_TEXT: usize = 16 << 20;
/// Characters of a name that are kept.
const MAX_NAME: usize = 1024;
/// Descriptions kept per dialog: the first offer and answer, and what follows.
const MAX_DESCRIPTIONS: usize = 32;

/// The part of a description that nobody is asked to answer.
const DECLARED: Part = Part { round: 0, is_offer: true };

/// What told of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIP.
    Sip,
    /// HTTP with descriptions as bodies.
    Http,
    /// RTSP.
    Rtsp,
    /// An SDP file.
    File,
}

impl Signal {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            Signal::Sip => "sip",
            Signal::Http => "http",
            Signal::Rtsp => "rtsp",
            Signal::File => "file",
        }
    }
}

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// INVITE sent, no final response yet.
    Calling,
    /// A provisional response beyond 100 came.
    Ringing,
    /// 2xx to the INVITE.
    Established,
    /// BYE to a call that nobody refused.
    Ended,
    /// A final response of 300 or more to the INVITE. A BYE behind it changes nothing.
    Failed,
    /// 487 to the INVITE, after a CANCEL or a BYE that came before the answer.
    Cancelled,
    /// A description without a call around it.
    Described,
}

impl SessionState {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            SessionState::Calling => "calling",
            SessionState::Ringing => "ringing",
            SessionState::Established => "established",
            SessionState::Ended => "ended",
            SessionState::Failed => "failed",
            SessionState::Cancelled => "cancelled",
            SessionState::Described => "described",
        }
    }
}

/// A description with its place in the capture.
#[derive(Clone, Debug)]
pub struct Described {
    /// The frame that carried its last byte; none for a file.
    pub frame: Option<FrameNo>,
    /// True for an offer (RFC 3264), false for an answer. A description that nobody is asked to answer, of RTSP or of a
    /// file, is an offer.
    pub is_offer: bool,
    /// What it says.
    pub sdp: Arc<SessionDescription>,
    /// What a strict reader would refuse of it; none where it accepts it.
    pub strict_error: Option<String>,
    round: u32,
    /// The latest round that began with the same offer again, which is not kept twice.
    repeated_in: u32,
}

impl Described {
    fn answers(&self, offer: &Described) -> bool {
        !self.is_offer && (self.round == offer.round || self.round == offer.repeated_in)
    }
}

/// One dialog.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// What told of it.
    pub signal: Signal,
    /// Call-ID, or the name of the file.
    pub call_id: String,
    /// URI of From.
    pub from: Option<String>,
    /// URI of To.
    pub to: Option<String>,
    /// Who sent the INVITE, to whom.
    pub addresses: Option<(Endpoint, Endpoint)>,
    /// Where it stands.
    pub state: SessionState,
    /// The final status that made the state what it is: the last one of an INVITE, but not the refusal of one within an
    /// established call; none where the call is tried again after a refusal.
    pub status: Option<(u16, String)>,
    /// First frame; none for a file.
    pub first_frame: Option<FrameNo>,
    /// From the INVITE to its first 2xx, in milliseconds.
    pub setup_ms: Option<f64>,
    /// Offers and answers in order.
    pub descriptions: Vec<Described>,
    first_ts: Timestamp,
}

impl SessionSummary {
    /// The first offer that was answered, or where none was, the first.
    pub fn offer(&self) -> Option<&Described> {
        self.exchange().0
    }

    /// The first answer to [`SessionSummary::offer`]; the first answer of all where there is no offer.
    pub fn answer(&self) -> Option<&Described> {
        self.exchange().1
    }

    fn exchange(&self) -> (Option<&Described>, Option<&Described>) {
        let offers = || self.descriptions.iter().filter(|described| described.is_offer);
        let answer_to = |offer| self.descriptions.iter().find(|described| described.answers(offer));
        if let Some((offer, answer)) = offers().find_map(|offer| Some((offer, answer_to(offer)?))) {
            return (Some(offer), Some(answer));
        }
        let offer = offers().next();
        (offer, self.descriptions.first().filter(|_| offer.is_none()))
    }

    /// Takes the status of a response to an INVITE.
    fn response(&mut self, code: u16, reason: &str, at: Timestamp) {
        let before = self.state;
        let was_established = self.setup_ms.is_some();
        if was_established && code >= 300 {
            // An INVITE within the call that is refused leaves the call as it was (RFC 3261, section 14.1).
            return;
        }
        self.state = match (before, code) {
            (_, 100) => before,
            (SessionState::Calling, 101..=199) => SessionState::Ringing,
            (_, 101..=199) => before,
            (SessionState::Ended, 200..=299) => before,
            (_, 200..=299) => SessionState::Established,
            (_, 487) => SessionState::Cancelled,
            // A challenge is followed by another INVITE of the same dialog.
            (_, 401 | 407) => before,
            _ => SessionState::Failed,
        };
        if code >= 200 {
            self.status = Some((code, name(reason)));
        }
        if (200..300).contains(&code) && !was_established {
            self.setup_ms = Some(at.millis_since(self.first_ts));
        }
    }
}

/// The state.
#[derive(Default)]
pub(crate) struct Signalling {
    sessions: Vec<SessionSummary>,
    /// The offers and answers of each, at the same index.
    rounds: Vec<Rounds>,
    by_call_id: HashMap<String, usize, ahash::RandomState>,
    pub(crate) contexts: MediaContexts,
    pub(crate) trail: Trail,
    /// Bytes of [`MAX_TEXT`] that are used.
    text: usize,
    pub(crate) dropped_sessions: u64,
    pub(crate) dropped_descriptions: u64,
}

impl Signalling {
    /// Takes a SIP message.
    pub(crate) fn sip(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Some(message) = Message::parse(datagram.payload) else { return };
        let index = self.session(datagram, &message);
        self.trail.sip(datagram, index, &message);
        let Some(index) = index else { return };
        self.progress(index, datagram, &message);
        if let Some(body) = message.sdp() {
            let part = self.rounds[index].sip(&message);
            self.description(index, part, body, datagram, sink);
        }
    }

    /// Takes an HTTP message: a description in a body of its own type, as WHIP and WHEP carry it (RFC 9725).
    pub(crate) fn http(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Some(message) = http::Message::parse(datagram.payload) else { return };
        let has_description = message.content_type.is_some_and(|content_type| content_type.is("application/sdp"));
        let index = if has_description { self.on_connection(Signal::Http, datagram) } else { None };
        self.trail.http(datagram, index, &message);
        if let Some(index) = index {
            let part = self.rounds[index].http(matches!(message.start, StartLine::Response { .. }));
            self.description(index, part, &message.content(), datagram, sink);
        }
    }

    /// Takes an RTSP message: the description of a DESCRIBE, and the ports that a SETUP settles (RFC 7826, section 18.54).
    pub(crate) fn rtsp(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Some(message) = rtsp::Message::parse(datagram.payload) else { return };
        let described = message.sdp().and_then(|body| Some((body, self.on_connection(Signal::Rtsp, datagram)?)));
        self.trail.rtsp(datagram, described.map(|(_, index)| index), &message);
        if let Some((body, index)) = described {
            self.description(index, DECLARED, body, datagram, sink);
        }
        if !matches!(message.start, StartLine::Response { code: 200, .. }) {
            return;
        }
        for transport in message.transports() {
            let port = |ports: Option<rtsp::Pair<u16>>| ports.map(|ports| ports.first);
            let (server, client) = (datagram.flow.src.addr, datagram.flow.dst.addr);
            let settled = [(server, port(transport.server_port)), (client, port(transport.client_port))];
            let endpoints = settled.into_iter().filter_map(|(addr, port)| Some(Endpoint { addr, port: port? }));
            self.announce(Announcement::of_endpoints(endpoints), datagram, sink);
        }
    }

    /// The session of a connection that carries one: both directions are the same.
    fn on_connection(&mut self, signal: Signal, datagram: &Datagram<'_>) -> Option<usize> {
        let (src, dst) = (datagram.flow.src, datagram.flow.dst);
        let name = format!("{} {} {}", signal.name(), src.min(dst), src.max(dst));
        if let Some(index) = self.by_call_id.get(&name) {
            return Some(*index);
        }
        let index = self.open(&name, signal, SessionState::Described, datagram.carrier.ts)?;
        let session = &mut self.sessions[index];
        session.first_frame = Some(datagram.carrier.frame);
        session.addresses = Some((src, dst));
        Some(index)
    }

    fn description(
        &mut self,
        index: usize,
        part: Part,
        body: &[u8],
        datagram: &Datagram<'_>,
        sink: &mut impl FrontSink,
    ) {
        let description = SessionDescription::parse(body);
        if self.knows(index, part, &description) {
            return;
        }
        let announcement = Announcement::of(&description);
        self.describe(index, part, Some(datagram.carrier.frame), description, body);
        self.announce(announcement, datagram, sink);
    }

    fn announce(&mut self, announcement: Announcement, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        if announcement.is_empty() {
            return;
        }
        let announcement = Arc::new(announcement);
        self.contexts.add(&announcement);
        sink.announce(&announcement, datagram);
    }

    /// Takes a description from a file, as if it had been said before the first packet.
    pub(crate) fn file(&mut self, name: &str, body: &[u8]) -> Arc<Announcement> {
        let description = SessionDescription::parse(body);
        let announcement = Arc::new(Announcement::of(&description));
        self.contexts.add(&announcement);
        if let Some(index) = self.open(name, Signal::File, SessionState::Described, Timestamp::default()) {
            self.describe(index, DECLARED, None, description, body);
        }
        announcement
    }

    /// The dialog of a message. Only a session's own: REGISTER, OPTIONS and the like have no media to tell of.
    fn session(&mut self, datagram: &Datagram<'_>, message: &Message<'_>) -> Option<usize> {
        let call_id = message.call_id()?;
        if let Some(index) = self.by_call_id.get(call_id) {
            return Some(*index);
        }
        let method = message.cseq()?.method;
        if method != "INVITE" && message.sdp().is_none() {
            return None;
        }
        let index = self.open(call_id, Signal::Sip, SessionState::Calling, datagram.carrier.ts)?;
        let (source, target) = match message.start {
            StartLine::Request { .. } => (datagram.flow.src, datagram.flow.dst),
            StartLine::Response { .. } => (datagram.flow.dst, datagram.flow.src),
        };
        let session = &mut self.sessions[index];
        session.first_frame = Some(datagram.carrier.frame);
        session.addresses = Some((source, target));
        session.from = message.from().map(|from| name(from.uri));
        session.to = message.to().map(|to| name(to.uri));
        let names = [&session.from, &session.to].into_iter().flatten().map(String::len);
        self.text += names.sum::<usize>() + session.call_id.len();
        Some(index)
    }

    fn open(&mut self, call_id: &str, signal: Signal, state: SessionState, first_ts: Timestamp) -> Option<usize> {
        if self.sessions.len() == MAX_SESSIONS || self.text >= MAX_TEXT || call_id.len() > MAX_NAME {
            self.dropped_sessions += 1;
            return None;
        }
        let index = self.sessions.len();
        self.by_call_id.insert(call_id.to_owned(), index);
        self.sessions.push(SessionSummary {
            signal,
            call_id: call_id.to_owned(),
            from: None,
            to: None,
            addresses: None,
            state,
            status: None,
            first_frame: None,
            setup_ms: None,
            descriptions: Vec::new(),
            first_ts,
        });
        self.rounds.push(Rounds::default());
        Some(index)
    }

    fn progress(&mut self, index: usize, datagram: &Datagram<'_>, message: &Message<'_>) {
        let session = &mut self.sessions[index];
        let method = message.cseq().map(|cseq| cseq.method);
        match message.start {
            StartLine::Request { method: "INVITE", .. } => {
                // Asked again, with credentials, at another place or with other codecs.
                let is_new = self.rounds[index].invite(message);
                if is_new && matches!(session.state, SessionState::Failed | SessionState::Cancelled) {
                    session.state = SessionState::Calling;
                    session.status = None;
                }
            }
            // A BYE behind a refusal ends nothing: some clients send one all the same.
            StartLine::Request { method: "BYE", .. }
                if !matches!(session.state, SessionState::Failed | SessionState::Cancelled) =>
            {
                session.state = SessionState::Ended;
            }
            StartLine::Response { code, reason } if method == Some("INVITE") => {
                session.response(code, reason, datagram.carrier.ts);
            }
            _ => {}
        }
    }

    /// True where the description says nothing new: a message sent again, the 200 after a 183, or a round that repeats
    /// what the last one settled (a session refreshed, an INVITE sent again with credentials).
    fn knows(&mut self, index: usize, part: Part, description: &SessionDescription) -> bool {
        let is_known = |(age, known): &(usize, &mut Described)| {
            let sent_again = (known.round, known.is_offer) == (part.round, part.is_offer);
            let settled = *age < 2 && known.round != part.round;
            (sent_again || settled) && *known.sdp == *description
        };
        let Some((_, known)) = self.sessions[index].descriptions.iter_mut().rev().enumerate().find(is_known) else {
            return false;
        };
        if known.is_offer && part.is_offer {
            known.repeated_in = known.repeated_in.max(part.round);
        }
        true
    }

    fn describe(
        &mut self,
        index: usize,
        part: Part,
        frame: Option<FrameNo>,
        description: SessionDescription,
        body: &[u8],
    ) {
        let session = &mut self.sessions[index];
        if session.descriptions.len() == MAX_DESCRIPTIONS || self.text >= MAX_TEXT {
            self.dropped_descriptions += 1;
            return;
        }
        self.text += body.len();
        session.descriptions.push(Described {
            frame,
            is_offer: part.is_offer,
            sdp: Arc::new(description),
            strict_error: crate::proto::sdp::strict(&String::from_utf8_lossy(body)).err(),
            round: part.round,
            repeated_in: part.round,
        });
    }

    /// All dialogs, in order of their first message.
    pub(crate) fn sessions(&self) -> &[SessionSummary] {
        &self.sessions
    }
}

fn name(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
