//! Which descriptions of a dialog are offers and which are answers.
//!
//! In: the kind of each message, by method and CSeq. Out: the round of offer and answer that its description belongs
//! to, and its part in it. Never: the description itself, or the order in which descriptions happened to be captured.
//!
//! SIP (RFC 3261, section 13.2.1; RFC 3262, section 5; RFC 6337, section 2.2): the description of a request is an offer,
//! the one in a response to it the answer. An INVITE without a description asks for an offer: the response has it, and
//! the ACK, or the PRACK where the response was provisional, answers. A description in any other PRACK is an offer again.
//! HTTP and WebSocket have no such numbers: `web.rs` says which is which, by the words beside a description.

use crate::proto::sip::{Message, StartLine};
use std::collections::VecDeque;

/// Transactions of a dialog that are remembered: both sides may have one under way, the rest are stragglers.
const MAX_ROUNDS: usize = 8;
/// Bytes of a tag that tell two sides apart.
const MAX_TAG: usize = 64;

/// Who made the offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offerer {
    Request,
    Response,
}

/// One transaction.
#[derive(Clone, Debug)]
struct Round {
    number: u32,
    method: Method,
    /// CSeq counts for each side by itself, which the tag of From tells apart.
    cseq: u32,
    from_tag: Box<[u8]>,
    offerer: Option<Offerer>,
    answered: bool,
}

/// The methods whose descriptions are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    Invite,
    /// UPDATE, PRACK, and what else carries a description.
    Other,
    Web,
}

/// The part of a description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// The same for an offer and its answers, and for nothing else in the dialog.
    pub(super) round: u32,
    pub(super) is_offer: bool,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    recent: VecDeque<Round>,
    next: u32,
}

impl Rounds {
    /// Takes an INVITE, and says whether it is a new one and not one sent again.
    pub(super) fn invite(&mut self, message: &Message<'_>) -> bool {
        let (cseq, tag) = numbers(message);
        let is_new = self.find(Method::Invite, cseq, tag).is_none();
        if is_new {
            self.open(Method::Invite, cseq, tag);
        }
        is_new
    }

    /// The part of a SIP message's description.
    pub(super) fn sip(&mut self, message: &Message<'_>) -> Part {
        let (cseq, tag) = numbers(message);
        let kind = |method| if method == "INVITE" { Method::Invite } else { Method::Other };
        match message.start {
            StartLine::Response { .. } => {
                let method = message.cseq().map_or("", |cseq| cseq.method);
                self.response(kind(method), cseq, tag)
            }
            StartLine::Request { method: "ACK", .. } => {
                let invite = self.find(Method::Invite, cseq, tag);
                self.round(invite, Method::Other, cseq, tag).answer()
            }
            StartLine::Request { method, .. } => {
                let waiting =
                    self.recent.iter().rposition(|round| round.waits_for_request() && *round.from_tag == *tag);
                match waiting.filter(|_| method == "PRACK") {
                    Some(waiting) => self.round(Some(waiting), Method::Invite, cseq, tag).answer(),
                    None => {
                        let known = self.find(kind(method), cseq, tag);
                        self.round(known, kind(method), cseq, tag).offer(Offerer::Request)
                    }
                }
            }
        }
    }

    /// The part of a description of which is known whether it offers: HTTP and WebSocket number nothing. An answer is
    /// one to the last offer.
    pub(super) fn web(&mut self, is_offer: bool) -> Part {
        let last = self.recent.len().checked_sub(1);
        match is_offer {
            true => self.round(None, Method::Web, 0, &[]).offer(Offerer::Request),
            false => self.round(last, Method::Web, 0, &[]).answer(),
        }
    }

    fn response(&mut self, method: Method, cseq: u32, tag: &[u8]) -> Part {
        let known = self.find(method, cseq, tag);
        let round = self.round(known, method, cseq, tag);
        match round.offerer {
            Some(Offerer::Request) => round.answer(),
            Some(Offerer::Response) => round.offer(Offerer::Response),
            None if known.is_some() && !round.answered => round.offer(Offerer::Response),
            // The request was not captured, and nearly all have an offer.
            None => round.answer(),
        }
    }

    fn find(&self, method: Method, cseq: u32, tag: &[u8]) -> Option<usize> {
        let is_it = |round: &Round| (round.method, round.cseq) == (method, cseq) && *round.from_tag == *tag;
        self.recent.iter().rposition(is_it)
    }

    /// The round at that place, or a new one.
    fn round(&mut self, at: Option<usize>, method: Method, cseq: u32, tag: &[u8]) -> &mut Round {
        let at = at.filter(|at| *at < self.recent.len()).unwrap_or_else(|| self.open(method, cseq, tag));
        &mut self.recent[at]
    }

    fn open(&mut self, method: Method, cseq: u32, from_tag: &[u8]) -> usize {
        if self.recent.len() == MAX_ROUNDS {
            self.recent.pop_front();
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.recent.push_back(Round {
            number,
            method,
            cseq,
            from_tag: from_tag.into(),
            offerer: None,
            answered: false,
        });
        self.recent.len() - 1
    }
}

impl Round {
    fn offer(&mut self, offerer: Offerer) -> Part {
        self.offerer.get_or_insert(offerer);
        Part { round: self.number, is_offer: true }
    }

    fn answer(&mut self) -> Part {
        self.answered = true;
        Part { round: self.number, is_offer: false }
    }

    /// True for an INVITE whose response offered.
    fn waits_for_request(&self) -> bool {
        self.method == Method::Invite && self.offerer == Some(Offerer::Response) && !self.answered
    }
}

fn numbers<'a>(message: &Message<'a>) -> (u32, &'a [u8]) {
    let tag = message.from().and_then(|from| from.tag()).unwrap_or_default().as_bytes();
    (message.cseq().map_or(0, |cseq| cseq.number), tag.get(..MAX_TAG).unwrap_or(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_remembers_few_transactions_however_many_it_has() {
        let mut rounds = Rounds::default();
        for cseq in 0..1000 {
            let text = format!(
                "INVITE sip:b SIP/2.0\r\nCSeq: {cseq} INVITE\r\nFrom: <sip:a>;tag={}\r\n\r\n",
                "t".repeat(5000)
            );
            let message = Message::parse(text.as_bytes()).unwrap();
            assert!(rounds.invite(&message) && !rounds.invite(&message));
        }
        assert_eq!(rounds.recent.len(), MAX_ROUNDS);
        assert!(rounds.recent.iter().all(|round| round.from_tag.len() == MAX_TAG));
    }
}
