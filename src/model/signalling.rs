//! Signalling: dialogs, their offers and answers, and the media addresses that they tell of.
//!
//! In: SIP messages in capture order, whatever carried them, and SDP files. Out: [`SessionSummary`] per dialog, and an
//! announcement of each description for the shards. Never: media; joining the two is done after the merge.

mod declared;
mod dialog;
mod forget;
mod rounds;
mod session;
mod web;

use super::analyzer::FrontSink;
use super::media_context::{Announcement, MediaContexts};
use super::relayed::RelayedAddresses;
use super::trail::Trail;
use crate::net::Datagram;
use crate::proto::sdp::SessionDescription;
use crate::proto::sip::{Message, StartLine};
use crate::time::Timestamp;
pub use dialog::{Dialog, EventKind, SessionEvent, SipTransaction};
use rounds::{Part, Rounds};
pub use session::{Described, SessionState, SessionSummary, Signal, Trickled};
use std::collections::HashMap;
use std::sync::Arc;
use web::Web;

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

/// The state.
#[derive(Default)]
pub(crate) struct Signalling {
    sessions: Vec<SessionSummary>,
    /// The offers and answers of each, at the same index.
    rounds: Vec<Rounds>,
    by_call_id: HashMap<String, usize, ahash::RandomState>,
    /// Which connections, parties and fragments belong to which session of HTTP and WebSocket.
    web: Web,
    pub(crate) contexts: MediaContexts,
    /// Where TURN servers relay: as media addresses, all shards are told of them.
    pub(crate) relayed: RelayedAddresses,
    pub(crate) trail: Trail,
    /// Bytes of [`MAX_TEXT`] that are used: by all, and by each at the same index.
    text: usize,
    texts: Vec<usize>,
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
        self.describe(index, part, Some(datagram), description, body);
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
        let bytes = names.sum::<usize>() + session.call_id.len();
        self.keeps(index, bytes);
        Some(index)
    }

    fn open(&mut self, call_id: &str, signal: Signal, state: SessionState, first_ts: Timestamp) -> Option<usize> {
        if self.sessions.len() == MAX_SESSIONS || self.text >= MAX_TEXT || call_id.len() > MAX_NAME {
            self.dropped_sessions += 1;
            return None;
        }
        let index = self.sessions.len();
        self.by_call_id.insert(call_id.to_owned(), index);
        self.sessions.push(SessionSummary::new(call_id.to_owned(), signal, state, first_ts));
        self.rounds.push(Rounds::default());
        self.texts.push(0);
        Some(index)
    }

    fn progress(&mut self, index: usize, datagram: &Datagram<'_>, message: &Message<'_>) {
        let session = &mut self.sessions[index];
        if self.text < MAX_TEXT {
            let bytes = session.dialog.message(datagram, message);
            self.keeps(index, bytes);
        }
        let session = &mut self.sessions[index];
        let method = message.cseq().map(|cseq| cseq.method);
        match message.start {
            StartLine::Request { method: "INVITE", .. } => {
                // Asked again, with credentials, at another place or with other codecs.
                let is_new = self.rounds[index].invite(message);
                if is_new && has_come_to_nothing(session.state) {
                    session.state = SessionState::Calling;
                    session.status = None;
                }
            }
            // A BYE behind a refusal ends nothing: some clients send one all the same.
            StartLine::Request { method: "BYE", .. }
                if !has_come_to_nothing(session.state) && session.ended.is_none() =>
            {
                session.state = SessionState::Ended;
                session.state_frame = Some(datagram.carrier.frame);
                session.ended = Some((datagram.carrier.frame, datagram.carrier.ts, datagram.flow.src));
            }
            // The 487 may be lost, or not be captured.
            StartLine::Request { method: "CANCEL", .. }
                if matches!(session.state, SessionState::Calling | SessionState::Ringing) =>
            {
                session.state = SessionState::Cancelled;
                session.state_frame = Some(datagram.carrier.frame);
            }
            StartLine::Response { code, reason } if method == Some("INVITE") => {
                session.response(code, reason, &datagram.carrier);
            }
            _ => {}
        }
    }

    /// True where the description says nothing new: a message sent again, the 200 after a 183, or a round that repeats
    /// what the last one settled (a session refreshed, an INVITE sent again with credentials).
    fn knows(&mut self, index: usize, part: Part, description: &SessionDescription) -> bool {
        // The answer to a new offer is one even where it says what the last one said.
        let answers_new = !part.is_offer
            && self.sessions[index].descriptions.iter().any(|known| known.is_offer && known.round == part.round);
        let is_known = |(age, known): &(usize, &mut Described)| {
            let sent_again = (known.round, known.is_offer) == (part.round, part.is_offer);
            let settled = *age < 2 && known.round != part.round && !answers_new;
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
        datagram: Option<&Datagram<'_>>,
        description: SessionDescription,
        body: &[u8],
    ) {
        let session = &self.sessions[index];
        if session.descriptions.len() == MAX_DESCRIPTIONS || self.text >= MAX_TEXT {
            self.dropped_descriptions += 1;
            return;
        }
        self.keeps(index, body.len());
        self.sessions[index].descriptions.push(Described {
            frame: datagram.map(|datagram| datagram.carrier.frame),
            ts: datagram.map(|datagram| datagram.carrier.ts),
            ends: datagram.map(|datagram| (datagram.flow.src, datagram.flow.dst)),
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

const fn has_come_to_nothing(state: SessionState) -> bool {
    matches!(state, SessionState::Refused | SessionState::Failed | SessionState::Cancelled)
}

fn name(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
