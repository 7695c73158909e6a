//! The transactions of a SIP dialog, and what happened in it.
//!
//! In: each message of a Call-ID. Out: transactions with their retransmissions and codes, and events in order.
//! Never: the state of the call, which [`SessionSummary`](super::SessionSummary) keeps.

use super::name;
use crate::net::{Datagram, Endpoint};
use crate::packet::FrameNo;
use crate::proto::sip::{Message, StartLine};
use crate::time::Timestamp;

/// Transactions, events, provisional responses of a transaction, and branches of a fork that are kept.
const MAX_TRANSACTIONS: usize = 64;
const MAX_EVENTS: usize = 64;
const MAX_PROVISIONAL: usize = 8;
const MAX_FORKS: usize = 16;

/// One transaction on one hop (RFC 3261, section 17).
#[derive(Clone, Debug)]
pub struct SipTransaction {
    /// The method, as written.
    pub method: String,
    /// The number of its CSeq.
    pub cseq: u32,
    /// Who asked.
    pub from: Endpoint,
    /// Who was asked.
    pub to: Endpoint,
    /// Where it was first asked, or answered where the request was not captured.
    pub frame: FrameNo,
    /// When that was.
    pub ts: Timestamp,
    /// Times that the request was captured.
    pub requests: u64,
    /// Provisional responses: code and frame of the first of each.
    pub provisional: Vec<(u16, FrameNo)>,
    /// The final response: code, reason and frame.
    pub answer: Option<(u16, String, FrameNo)>,
    /// Times that the final response was captured.
    pub answers: u64,
    /// From the first request to the final response, in milliseconds.
    pub answer_ms: Option<f64>,
    /// The ACK of an INVITE.
    pub ack: Option<FrameNo>,
}

impl SipTransaction {
    /// Requests and final responses beyond the first of each.
    pub fn retransmissions(&self) -> u64 {
        self.requests.saturating_sub(1) + self.answers.saturating_sub(1)
    }
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEvent {
    /// The frame that shows it.
    pub frame: FrameNo,
    /// When.
    pub ts: Timestamp,
    /// Who did it, and to whom.
    pub ends: (Endpoint, Endpoint),
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A provisional response beyond 100, the first with its code.
    Progress(u16),
    /// The first 2xx to the INVITE.
    Answered,
    /// A final response to an INVITE of 300 or more.
    Refused(u16),
    /// Another INVITE or UPDATE within the call.
    Renegotiation,
    /// CANCEL.
    Cancel,
    /// BYE, or the DELETE of a session over HTTP.
    Bye,
    /// REFER, and to whom.
    Refer(String),
    /// A further branch of the call answers or rings, by its tag.
    Fork(String),
}

impl EventKind {
    /// The report's word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Progress(_) => "progress",
            Self::Answered => "answered",
            Self::Refused(_) => "refused",
            Self::Renegotiation => "renegotiation",
            Self::Cancel => "cancel",
            Self::Bye => "bye",
            Self::Refer(_) => "refer",
            Self::Fork(_) => "fork",
        }
    }

    /// The code, the target of a REFER, the tag of a branch.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Progress(code) | Self::Refused(code) => Some(code.to_string()),
            Self::Refer(detail) | Self::Fork(detail) => Some(detail.clone()),
            Self::Answered | Self::Renegotiation | Self::Cancel | Self::Bye => None,
        }
    }
}

/// What a dialog remembers.
#[derive(Clone, Debug, Default)]
pub struct Dialog {
    /// In order of their first frame.
    pub transactions: Vec<SipTransaction>,
    /// In order.
    pub events: Vec<SessionEvent>,
    /// Tags of the branches that answered an INVITE of the caller.
    tags: Vec<String>,
}

impl Dialog {
    /// Something happened.
    pub(super) fn note(&mut self, datagram: &Datagram<'_>, kind: EventKind) {
        if self.events.len() < MAX_EVENTS {
            let ends = (datagram.flow.src, datagram.flow.dst);
            self.events.push(SessionEvent { frame: datagram.carrier.frame, ts: datagram.carrier.ts, ends, kind });
        }
    }

    /// Takes a message; gives how many bytes it made the dialog grow by.
    pub(super) fn message(&mut self, datagram: &Datagram<'_>, message: &Message<'_>) -> usize {
        let Some(cseq) = message.cseq() else { return 0 };
        let before = self.transactions.len() + self.events.len() + self.tags.len();
        let (frame, ts) = (datagram.carrier.frame, datagram.carrier.ts);
        match message.start {
            StartLine::Request { method: "ACK", .. } => {
                let invite = self.transactions.iter_mut().rev().find(|known| {
                    known.method == "INVITE" && known.cseq == cseq.number && known.from.addr == datagram.flow.src.addr
                });
                if let Some(invite) = invite {
                    invite.ack.get_or_insert(frame);
                }
            }
            StartLine::Request { method, .. } => self.request(datagram, message, method, cseq.number),
            StartLine::Response { code, reason } => {
                let (from, to) = (datagram.flow.dst, datagram.flow.src);
                let Some(known) = self.transaction(cseq.method, cseq.number, from, to, datagram) else { return 0 };
                if code < 200 {
                    let is_new = known.provisional.iter().all(|(known, _)| *known != code);
                    if is_new && known.provisional.len() < MAX_PROVISIONAL {
                        known.provisional.push((code, frame));
                        if code > 100 && cseq.method == "INVITE" {
                            self.note(datagram, EventKind::Progress(code));
                        }
                    }
                } else {
                    known.answers += 1;
                    if known.answer.is_none() {
                        known.answer = Some((code, name(reason), frame));
                        known.answer_ms = (known.requests > 0).then(|| ts.millis_since(known.ts));
                        let is_challenge = matches!(code, 401 | 407);
                        if cseq.method == "INVITE" && code >= 300 && !is_challenge {
                            self.note(datagram, EventKind::Refused(code));
                        }
                    }
                }
                self.branch(datagram, message, code, cseq.method);
            }
        }
        (self.transactions.len() + self.events.len() + self.tags.len() - before) * size_of::<SipTransaction>()
    }

    fn request(&mut self, datagram: &Datagram<'_>, message: &Message<'_>, method: &str, cseq: u32) {
        let is_within = self
            .transactions
            .iter()
            .any(|known| known.method == "INVITE" && matches!(known.answer, Some((200..=299, ..))));
        let (from, to) = (datagram.flow.src, datagram.flow.dst);
        let Some(known) = self.transaction(method, cseq, from, to, datagram) else { return };
        known.requests += 1;
        if known.requests > 1 {
            return;
        }
        match method {
            "INVITE" | "UPDATE" if is_within => self.note(datagram, EventKind::Renegotiation),
            "CANCEL" => self.note(datagram, EventKind::Cancel),
            "BYE" => self.note(datagram, EventKind::Bye),
            "REFER" => {
                let target = message.value("Refer-To").unwrap_or_default();
                self.note(datagram, EventKind::Refer(name(target)));
            }
            _ => {}
        }
    }

    /// The transaction of a request or response on its hop. A proxy's next hop is another transaction.
    fn transaction(
        &mut self,
        method: &str,
        cseq: u32,
        from: Endpoint,
        to: Endpoint,
        datagram: &Datagram<'_>,
    ) -> Option<&mut SipTransaction> {
        let is_it = |known: &SipTransaction| {
            (known.method.as_str(), known.cseq, known.from, known.to) == (method, cseq, from, to)
        };
        if let Some(at) = self.transactions.iter().rposition(is_it) {
            return self.transactions.get_mut(at);
        }
        if self.transactions.len() == MAX_TRANSACTIONS {
            return None;
        }
        self.transactions.push(SipTransaction {
            method: name(method),
            cseq,
            from,
            to,
            frame: datagram.carrier.frame,
            ts: datagram.carrier.ts,
            requests: 0,
            provisional: Vec::new(),
            answer: None,
            answers: 0,
            answer_ms: None,
            ack: None,
        });
        self.transactions.last_mut()
    }

    /// Several tags in the answers to the INVITE of one caller are branches of a fork (RFC 3261, section 12.1).
    fn branch(&mut self, datagram: &Datagram<'_>, message: &Message<'_>, code: u16, method: &str) {
        let is_answered = self.events.iter().any(|event| event.kind == EventKind::Answered);
        if method != "INVITE" || code <= 100 || code >= 300 {
            return;
        }
        let tag = message.to().and_then(|to| to.tag()).unwrap_or_default();
        let is_new = !tag.is_empty() && self.tags.iter().all(|known| known != tag);
        if is_new && self.tags.len() < MAX_FORKS {
            self.tags.push(name(tag));
            if self.tags.len() > 1 && !is_answered {
                self.note(datagram, EventKind::Fork(name(tag)));
            }
        }
        if code >= 200 && !is_answered {
            self.note(datagram, EventKind::Answered);
        }
    }
}

#[cfg(test)]
mod tests;
