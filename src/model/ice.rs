//! Connectivity checks on one five-tuple: the first view of a candidate pair.
//!
//! In: each Binding request with ICE attributes and each response. Out: a [`PairSummary`] for each generation: an ICE
//! restart begins another one. Never: SDP, other pairs, or who won; that takes the whole session.

mod generation;

use super::flow::Direction;
use crate::net::{Carrier, Endpoint};
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Message};
use crate::time::Timestamp;
use generation::Generation;

/// What became of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PairStatus {
    /// Checks were sent, none was answered, and the capture ended too early to call it failed.
    Checking,
    /// A check was answered.
    Valid,
    /// A check with USE-CANDIDATE was answered (RFC 8445, section 8.1.1).
    Nominated,
    /// No check was answered within 39.5 s.
    Failed,
}

/// Smallest, mean and largest of a set of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many.
    pub samples: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    sum: f64,
}

impl Spread {
    /// One more value.
    pub(crate) fn add(&mut self, value: f64) {
        self.min = if self.samples == 0 { value } else { self.min.min(value) };
        self.max = if self.samples == 0 { value } else { self.max.max(value) };
        self.sum += value;
        self.samples += 1;
    }

    /// The mean; none without values.
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

/// Who nominates (RFC 8445, section 6.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IceRole {
    /// Nominates.
    Controlling,
    /// Takes what the other side nominates.
    Controlled,
}

impl IceRole {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            IceRole::Controlling => "controlling",
            IceRole::Controlled => "controlled",
        }
    }
}

/// A time without an answer in which checks for consent were not answered (RFC 7675, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConsentGap {
    /// The answer before it, or the nomination.
    pub from: Timestamp,
    /// How long, in milliseconds; where it is open, to the end of the capture.
    pub millis: f64,
    /// Checks in it without an answer.
    pub missed: u64,
    /// The answer that ended it; none where it lasts to the end.
    pub ended: Option<FrameNo>,
}

/// Consent ends so long after the last answer (RFC 7675, section 5.1), in milliseconds.
pub const CONSENT_LASTS_MS: f64 = 30_000.0;

/// A candidate pair as its checks show it, from one ICE restart to the next.
#[derive(Clone, Debug)]
pub struct PairSummary {
    /// USERNAME of the first check: the receiver's fragment, a colon, the sender's.
    pub ufrag: Option<String>,
    /// The username fragments of who sent the flow's first datagram and of the other side.
    pub fragments: Option<[String; 2]>,
    /// ICE restarts on this five-tuple before it.
    pub restarts: u64,
    /// What became of it.
    pub status: PairStatus,
    /// The component by PRIORITY, as section 5.1.2.1 of RFC 8445 recommends to make it: 1 RTP, 2 RTCP.
    pub component: Option<u8>,
    /// The roles that both sides took last, in the order of `fragments`.
    pub roles: [Option<IceRole>; 2],
    /// Answers with 487 Role Conflict, and the first of them.
    pub role_conflicts: u64,
    /// The frame of the first.
    pub first_role_conflict: Option<FrameNo>,
    /// As who each side was seen by the other (XOR-MAPPED-ADDRESS), in the order of `fragments`.
    pub mapped: [Option<Endpoint>; 2],
    /// Binding requests with ICE attributes, both directions, retransmissions included.
    pub checks: u64,
    /// Round trips of answered checks.
    pub rtt: Spread,
    /// Frame of the first check.
    pub first_frame: FrameNo,
    /// When that was sent.
    pub first_ts: Timestamp,
    /// Frame of the first check with USE-CANDIDATE whose answer came.
    pub nominated_frame: Option<FrameNo>,
    /// When that was answered.
    pub nominated_ts: Option<Timestamp>,
    /// Checks after nomination (RFC 7675), retransmissions not included.
    pub consent_checks: u64,
    /// Those without an answer that are not still in flight: a later one of the same side was answered, or 39.5 s passed.
    pub consent_missed: u64,
    /// The longest time between two answers after nomination, in milliseconds; also from the nomination to the first,
    /// and from the last to the capture's end where a check waits.
    pub consent_longest_gap_ms: Option<f64>,
    /// Times without an answer in which checks were missed, the first sixteen, in order of their end.
    pub consent_gaps: Vec<ConsentGap>,
    /// The last answer to any check: frame and time.
    pub last_answer: Option<(FrameNo, Timestamp)>,
    /// The last check, and how many since the last answer were sent, retransmissions included.
    pub last_check: (FrameNo, Timestamp),
    /// Those checks.
    pub checks_since_answer: u64,
    /// The same by who asked: first who sent the first datagram of the pair, then the other.
    pub sides: [SideChecks; 2],
}

/// The checks that one side of a pair sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideChecks {
    /// Its username fragment.
    pub fragment: Option<String>,
    /// Binding requests with ICE attributes, retransmissions included.
    pub checks: u64,
    /// Those that were answered.
    pub answers: u64,
    /// When the first and the last of them were sent.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl PairSummary {
    /// True where consent had ended before it was given again, or the capture ended: none may send then.
    pub fn consent_expired(&self) -> bool {
        self.consent_longest_gap_ms.is_some_and(|gap| gap >= CONSENT_LASTS_MS)
    }
}

/// Generations of a five-tuple that are kept beside the last two; of more the oldest are forgotten.
const MAX_PAST: usize = 14;

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairState {
    now: Option<Box<Generation>>,
    /// The generation before: it goes on until a pair of the new one is selected (RFC 8445, section 9).
    before: Option<Box<Generation>>,
    past: Vec<PairSummary>,
    /// Where no check was seen, as who each side was told to be seen.
    reflexive: [Option<Endpoint>; 2],
}

impl PairState {
    /// Takes a Binding request; one without ICE attributes (a keep-alive, a STUN server's client) is no check.
    pub(crate) fn request(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
        let username = message.attribute_bytes(AttributeType::USERNAME);
        let is_check = message.find(AttributeType::PRIORITY).is_some()
            || message.find(AttributeType::ICE_CONTROLLING).is_some()
            || message.find(AttributeType::ICE_CONTROLLED).is_some()
            || username.is_some_and(|name| name.contains(&b':'));
        if is_check {
            self.generation(from, carrier, username).request(from, carrier, message);
        }
    }

    /// Other fragments are an ICE restart (RFC 8445, section 9): all begins anew.
    fn generation(&mut self, from: Direction, carrier: &Carrier, username: Option<&[u8]>) -> &mut Generation {
        let is_of = |known: &Option<Box<Generation>>| known.as_ref().is_some_and(|known| known.has(username));
        if !is_of(&self.now) && is_of(&self.before) {
            // A straggler.
            return self.before.get_or_insert_default();
        }
        if !is_of(&self.now) && self.now.is_some() {
            let begun = self.now.as_ref().map_or(0, |known| known.restarts() + 1);
            let next = Some(Box::new(Generation::after(begun)));
            let oldest = std::mem::replace(&mut self.before, std::mem::replace(&mut self.now, next));
            self.past.extend(oldest.and_then(|oldest| oldest.summary(carrier.ts)));
            if self.past.len() > MAX_PAST {
                self.past.remove(0);
            }
        }
        let now = self.now.get_or_insert_default();
        now.name(from, username);
        now
    }

    /// The username fragment of who sends in this direction, as its description has it. A check names the receiver's,
    /// and behind the colon the sender's (RFC 8445, section 7.2.2).
    pub(crate) fn fragment(&self, sender: Direction) -> Option<&str> {
        self.now.as_ref()?.fragment(sender)
    }

    /// Takes a success response to a Binding request, that `from` sent. The answers count here and not by the flow's
    /// transactions, whose table may be full.
    pub(crate) fn success(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
        if self.now.is_none() {
            let mapped = message.address(AttributeType::XOR_MAPPED_ADDRESS).map(Endpoint::from);
            let known = &mut self.reflexive[from.opposite() as usize];
            *known = mapped.or(*known);
        }
        let live = [&mut self.now, &mut self.before].into_iter().flatten();
        for generation in live {
            if generation.success(from, carrier, message) {
                return;
            }
        }
    }

    /// Takes an error response to a Binding request, that `from` sent.
    pub(crate) fn error(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
        let live = [&mut self.now, &mut self.before].into_iter().flatten();
        for generation in live {
            if generation.error(from, carrier, message) {
                return;
            }
        }
    }

    /// True where a check was answered.
    pub(crate) fn is_valid(&self) -> bool {
        let is_valid = |known: &Option<Box<Generation>>| known.as_ref().is_some_and(|known| known.is_valid());
        is_valid(&self.now)
    }

    /// As who each side is seen by a STUN server, in the order of directions.
    pub(crate) const fn reflexive(&self) -> [Option<Endpoint>; 2] {
        self.reflexive
    }

    /// Each generation of the pair as if the capture ended at `end`, the oldest first; none where there was no check.
    pub(crate) fn summaries(&self, end: Timestamp) -> Vec<PairSummary> {
        let live = [&self.before, &self.now].into_iter().flatten();
        let live = live.filter_map(|generation| generation.summary(end));
        self.past.iter().cloned().chain(live).collect()
    }
}

#[cfg(test)]
mod tests;
