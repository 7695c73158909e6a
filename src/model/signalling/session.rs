//! One session: what told of it, where it stands, its descriptions and candidates.
//!
//! In: filled by [`Signalling`](super::Signalling). Out: [`SessionSummary`]. Never: media.

use super::dialog::{Dialog, EventKind};
use super::name;
use crate::model::call::Call;
use crate::net::{Carrier, Endpoint};
use crate::packet::FrameNo;
use crate::proto::sdp::{Candidate, SessionDescription};
use crate::time::Timestamp;
use std::sync::Arc;

/// What told of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIP.
    Sip,
    /// Messages of an application over WebSocket.
    Websocket,
    /// HTTP with descriptions as bodies, or within them.
    Http,
    /// RTSP.
    Rtsp,
    /// Announcements (RFC 2974).
    Sap,
    /// An SDP file.
    File,
    /// Nothing that was captured: it is known by its checks, handshakes and media.
    None,
}

impl Signal {
    /// True where one side describes and nobody answers.
    pub const fn is_declared(self) -> bool {
        matches!(self, Signal::Rtsp | Signal::Sap | Signal::File)
    }

    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            Signal::Sip => "sip",
            Signal::Websocket => "websocket",
            Signal::Http => "http",
            Signal::Rtsp => "rtsp",
            Signal::Sap => "sap",
            Signal::None => "none",
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
    /// A final response of 300 or more to the INVITE, from who was called. A BYE behind it changes nothing.
    Refused,
    /// 408 or 500 to 599 to the INVITE: nobody refused, but it came to nothing.
    Failed,
    /// 487 to the INVITE, after a CANCEL or a BYE that came before the answer.
    Cancelled,
    /// A description without a call around it.
    Described,
    /// An offer over HTTP or WebSocket, and no answer yet.
    Offered,
    /// An answer to it; what became of the media stands with the media.
    Negotiated,
}

impl SessionState {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            SessionState::Calling => "calling",
            SessionState::Ringing => "ringing",
            SessionState::Established => "established",
            SessionState::Ended => "ended",
            SessionState::Refused => "refused",
            SessionState::Failed => "failed",
            SessionState::Cancelled => "cancelled",
            SessionState::Described => "described",
            SessionState::Offered => "offered",
            SessionState::Negotiated => "negotiated",
        }
    }
}

/// A description with its place in the capture.
#[derive(Clone, Debug)]
pub struct Described {
    /// The frame that carried its last byte; none for a file.
    pub frame: Option<FrameNo>,
    /// When that was.
    pub ts: Option<Timestamp>,
    /// Who sent it to whom, on this leg of its way.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// True for an offer (RFC 3264), false for an answer. A description that nobody is asked to answer, of RTSP or of a
    /// file, is an offer.
    pub is_offer: bool,
    /// What it says.
    pub sdp: Arc<SessionDescription>,
    /// What a strict reader would refuse of it; none where it accepts it.
    pub strict_error: Option<String>,
    pub(super) round: u32,
    /// The latest round that began with the same offer again, which is not kept twice.
    pub(super) repeated_in: u32,
}

/// A candidate that came after its description (RFC 8838).
#[derive(Clone, Debug)]
pub struct Trickled {
    /// The frame that carried it.
    pub frame: FrameNo,
    /// When that was.
    pub ts: Timestamp,
    /// The username fragment it belongs to, where that is known.
    pub ufrag: Option<String>,
    /// The section it belongs to.
    pub mid: Option<String>,
    /// The candidate.
    pub candidate: Candidate,
}

impl Described {
    /// True for an answer to that offer.
    pub fn answers(&self, offer: &Described) -> bool {
        !self.is_offer && (self.round == offer.round || self.round == offer.repeated_in)
    }
}

/// One session: a SIP dialog, a connection's exchange of descriptions, a file.
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
    /// The frame that made the state what it is: of a final response, or of a BYE.
    pub state_frame: Option<FrameNo>,
    /// First and last frame with a 401 or 407 to an INVITE.
    pub challenges: Option<(FrameNo, FrameNo)>,
    /// From the INVITE to its first 2xx, in milliseconds.
    pub setup_ms: Option<f64>,
    /// Offers and answers in order.
    pub descriptions: Vec<Described>,
    /// BYE, or the DELETE of a session over HTTP: the frame, the time, and who sent it.
    pub ended: Option<(FrameNo, Timestamp, Endpoint)>,
    /// Transactions and events of SIP.
    pub dialog: Dialog,
    /// Addresses that an RTSP server and its client settled on, the server's first.
    pub transports: Vec<(Endpoint, Endpoint)>,
    /// What belongs to it beyond its signalling; empty before the merge.
    pub call: Call,
    /// CSeq of a PLAY or RECORD that waits for its response.
    pub(super) playing: Option<u32>,
    /// Candidates that came by themselves, in order.
    pub candidates: Vec<Trickled>,
    /// Time of the first message; meaningless for a file.
    pub first_ts: Timestamp,
}

/// An INVITE without any response has failed so long after it (timer B: RFC 3261, section 17.1.1.2).
const NO_ANSWER_NANOS: i64 = 32_000_000_000;

impl SessionSummary {
    /// A session of which nothing is known yet.
    pub(crate) fn new(call_id: String, signal: Signal, state: SessionState, first_ts: Timestamp) -> Self {
        Self {
            signal,
            call_id,
            from: None,
            to: None,
            addresses: None,
            state,
            status: None,
            first_frame: None,
            state_frame: None,
            challenges: None,
            setup_ms: None,
            descriptions: Vec::new(),
            ended: None,
            dialog: Dialog::default(),
            transports: Vec::new(),
            call: Call::default(),
            playing: None,
            candidates: Vec::new(),
            first_ts,
        }
    }

    /// True where nobody ever responded to the INVITE, though there was time.
    pub(crate) fn is_unanswered(&self, end: Option<Timestamp>) -> bool {
        let invites = || self.dialog.transactions.iter().filter(|known| known.method == "INVITE");
        // An ACK, or any other request within the call, follows a response that was not captured.
        let has_response = self
            .dialog
            .transactions
            .iter()
            .any(|known| known.answer.is_some() || !known.provisional.is_empty() || known.ack.is_some())
            || self.dialog.transactions.iter().any(|known| !matches!(known.method.as_str(), "INVITE" | "CANCEL"));
        let was_asked_at = invites().map(|known| known.ts).max();
        let waited = was_asked_at.zip(end).map(|(asked, end)| end.nanos_since(asked));
        !has_response && waited.is_some_and(|nanos| nanos >= NO_ANSWER_NANOS)
    }

    /// Time of the first message.
    pub fn first_ts(&self) -> Timestamp {
        self.first_ts
    }

    /// When the INVITE was answered with a 2xx.
    pub(crate) fn answered_ts(&self) -> Option<Timestamp> {
        let answered = self.dialog.events.iter().find(|event| event.kind == EventKind::Answered);
        answered.map(|event| event.ts)
    }

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

    /// Takes a description over HTTP or WebSocket.
    pub(super) fn described(&mut self, is_offer: bool) {
        self.state = match (self.state, is_offer) {
            (SessionState::Described, true) => SessionState::Offered,
            (SessionState::Described | SessionState::Offered, false) => SessionState::Negotiated,
            (state, _) => state,
        };
    }

    /// Takes the status of a response to an INVITE.
    pub(super) fn response(&mut self, code: u16, reason: &str, carrier: &Carrier) {
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
            (_, 408 | 500..=599) => SessionState::Failed,
            _ => SessionState::Refused,
        };
        if code >= 200 {
            self.status = Some((code, name(reason)));
            self.state_frame = Some(carrier.frame);
        }
        if matches!(code, 401 | 407) {
            let first = self.challenges.map_or(carrier.frame, |(first, _)| first);
            self.challenges = Some((first, carrier.frame));
        }
        if (200..300).contains(&code) && !was_established {
            self.setup_ms = Some(carrier.ts.millis_since(self.first_ts));
        }
    }
}
