//! What the signalling said, message by message: for whoever wants to read the course of a call.
//!
//! In: each message of SIP, HTTP and RTSP as it is read. Out: its first line in a few words, with frame, time and ends.
//! Never: a body, credentials, or more than a bound.

use super::signalling::Signal;
use crate::net::{Datagram, Endpoint};
use crate::packet::FrameNo;
use crate::proto::sdp::{find_candidates, find_sdp, looks_like_sdp};
use crate::proto::sip::StartLine;
use crate::proto::{http, rtsp, sip};
use crate::time::Timestamp;
use std::hash::{DefaultHasher, Hasher};

/// Messages kept; those beyond are counted.
const MAX_MESSAGES: usize = 1 << 15;
/// Characters of a text and of a key.
const MAX_TEXT: usize = 80;

/// A message of the signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMessage {
    /// The frame that completed it.
    pub frame: FrameNo,
    /// Its time.
    pub ts: Timestamp,
    /// Who sent it.
    pub src: Endpoint,
    /// Who received it.
    pub dst: Endpoint,
    /// Its protocol.
    pub signal: Signal,
    /// The number of its session, from 0; none where it belongs to none that is followed.
    pub session: Option<usize>,
    /// `INVITE`, `200 OK`, `POST /whip`.
    pub text: String,
    /// What a message that is sent again shares with the one before: call and transaction, or a digest of all its bytes.
    pub key: String,
    /// It has a session description.
    pub has_description: bool,
}

/// The messages so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    messages: Vec<SignalMessage>,
    pub(crate) dropped: u64,
}

impl Trail {
    pub(crate) fn messages(&self) -> &[SignalMessage] {
        &self.messages
    }

    /// Keeps the messages of the sessions that stay, with their numbers from now on, and of none those that `is_fresh`.
    pub(crate) fn forget(&mut self, sessions: &[Option<usize>], is_fresh: impl Fn(Timestamp) -> bool) {
        self.messages.retain_mut(|message| match message.session {
            Some(session) => {
                message.session = sessions.get(session).copied().flatten();
                message.session.is_some()
            }
            None => is_fresh(message.ts),
        });
        self.messages.shrink_to(self.messages.len() * 2);
    }

    /// Keeps a message, where there is room.
    fn note(&mut self, datagram: &Datagram<'_>, signal: Signal, session: Option<usize>, text: Text) {
        if self.messages.len() >= MAX_MESSAGES {
            self.dropped += 1;
            return;
        }
        self.messages.push(SignalMessage {
            frame: datagram.carrier.frame,
            ts: datagram.carrier.ts,
            src: datagram.flow.src,
            dst: datagram.flow.dst,
            signal,
            session,
            text: cut(&text.text),
            key: cut(&text.key),
            has_description: text.has_description,
        });
    }

    pub(crate) fn sip(&mut self, datagram: &Datagram<'_>, session: Option<usize>, message: &sip::Message<'_>) {
        let cseq = message.cseq().map(|cseq| (cseq.number, cseq.method));
        let text = match message.start {
            StartLine::Request { method, .. } => method.to_owned(),
            // Only the answer to an INVITE is known by itself.
            StartLine::Response { code, reason } => match cseq {
                Some((_, method)) if method != "INVITE" => format!("{code} {reason} ({method})"),
                _ => format!("{code} {reason}"),
            },
        };
        let (number, _) = cseq.unwrap_or((0, ""));
        let key = format!("{number} {}", message.call_id().unwrap_or_default());
        self.note(datagram, Signal::Sip, session, Text { text, key, has_description: message.sdp().is_some() });
    }

    pub(crate) fn http(&mut self, datagram: &Datagram<'_>, session: Option<usize>, message: &http::Message<'_>) {
        let has_description = looks_like_sdp(&message.content());
        let text = first_line(&message.start);
        self.note(datagram, Signal::Http, session, Text { text, key: String::new(), has_description });
    }

    /// Keeps a message that is about a session; the others of a WebSocket are the application's own affair.
    pub(crate) fn websocket(&mut self, datagram: &Datagram<'_>, session: Option<usize>) {
        let has_description = find_sdp(datagram.payload).is_some();
        if has_description || find_candidates(datagram.payload).next().is_some() {
            let text = if has_description { "message" } else { "candidate" }.to_owned();
            // Two candidates are two messages, although both are called one.
            let mut digest = DefaultHasher::new();
            digest.write(datagram.payload);
            let key = format!("{:016x}", digest.finish());
            self.note(datagram, Signal::Websocket, session, Text { text, key, has_description });
        }
    }

    pub(crate) fn rtsp(&mut self, datagram: &Datagram<'_>, session: Option<usize>, message: &rtsp::Message<'_>) {
        let key = message.cseq().map(|cseq| cseq.to_string()).unwrap_or_default();
        let text = first_line(&message.start);
        let has_description = message.sdp().is_some();
        self.note(datagram, Signal::Rtsp, session, Text { text, key, has_description });
    }
}

struct Text {
    text: String,
    key: String,
    has_description: bool,
}

/// Without what stands behind a question mark: that is where tokens are.
fn first_line(start: &StartLine<'_>) -> String {
    match start {
        StartLine::Request { method, uri, .. } => {
            format!("{method} {}", uri.split(['?', '#']).next().unwrap_or_default())
        }
        StartLine::Response { code, reason } => format!("{code} {reason}"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}
