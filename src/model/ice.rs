//! Connectivity checks on one five-tuple: the first view of a candidate pair.
//!
//! In: each Binding request with ICE attributes and the transaction that its response completed.
//! Out: [`PairSummary`]. Never: SDP, other pairs, or who won; that takes the whole session.

use super::stun::{Outcome, Transaction};
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Message};
use crate::time::Timestamp;

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

/// A candidate pair as its checks show it.
#[derive(Clone, Debug)]
pub struct PairSummary {
    /// USERNAME of the first check: the receiver's fragment, a colon, the sender's.
    pub ufrag: Option<String>,
    /// What became of it.
    pub status: PairStatus,
    /// Binding requests with ICE attributes, both directions, retransmissions included.
    pub checks: u64,
    /// Round trips of answered checks.
    pub rtt: Spread,
    /// Frame of the first check.
    pub first_frame: FrameNo,
    /// Frame of the first check with USE-CANDIDATE whose answer came.
    pub nominated_frame: Option<FrameNo>,
    /// Checks after nomination (RFC 7675).
    pub consent_checks: u64,
    /// Those without an answer.
    pub consent_missed: u64,
    /// The longest time between two answers after nomination, in milliseconds.
    pub consent_longest_gap_ms: Option<f64>,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairState {
    ufrag: Option<String>,
    checks: u64,
    first: Option<(FrameNo, Timestamp)>,
    rtt: Spread,
    nominating: Vec<u128>,
    nominated: Option<(FrameNo, Timestamp)>,
    consent_checks: u64,
    consent_answers: u64,
    last_answer: [Option<Timestamp>; 2],
    longest_gap_ms: Option<f64>,
}

/// Nominating checks that wait for their answer.
const MAX_NOMINATING: usize = 64;

impl PairState {
    /// Takes a Binding request; one without ICE attributes (a keep-alive, a STUN server's client) is no check.
    pub(crate) fn request(&mut self, carrier: &Carrier, message: &Message<'_>) {
        let username = message.attribute_bytes(AttributeType::USERNAME);
        let is_check = message.find(AttributeType::PRIORITY).is_some()
            || message.find(AttributeType::ICE_CONTROLLING).is_some()
            || message.find(AttributeType::ICE_CONTROLLED).is_some()
            || username.is_some_and(|name| name.contains(&b':'));
        if !is_check {
            return;
        }
        self.checks += 1;
        self.first.get_or_insert((carrier.frame, carrier.ts));
        if self.ufrag.is_none() {
            self.ufrag = username.map(|name| String::from_utf8_lossy(name).into_owned());
        }
        if self.nominated.is_some() {
            self.consent_checks += 1;
        } else if message.find(AttributeType::USE_CANDIDATE).is_some() && self.nominating.len() < MAX_NOMINATING {
            self.nominating.push(message.transaction_id().bits());
        }
    }

    /// Takes the transaction that a Binding response completed.
    pub(crate) fn completed(&mut self, carrier: &Carrier, transaction: &Transaction) {
        if self.checks == 0 || transaction.outcome != Outcome::Success {
            return;
        }
        if let Some(rtt) = transaction.rtt_ms {
            self.rtt.add(rtt);
        }
        if self.nominated.is_some() {
            let last = &mut self.last_answer[transaction.from as usize];
            if let Some(before) = last.replace(carrier.ts) {
                let gap = carrier.ts.millis_since(before);
                self.longest_gap_ms = Some(self.longest_gap_ms.map_or(gap, |longest| longest.max(gap)));
            }
            // An answer to a check of before the nomination is no consent.
            if self.nominated.is_some_and(|(_, since)| transaction.first_ts > since) {
                self.consent_answers += 1;
            }
        } else if self.nominating.contains(&transaction.id.bits()) {
            self.nominated = Some((transaction.first_frame, carrier.ts));
            self.nominating = Vec::new();
        }
    }

    /// True where a check was answered.
    pub(crate) fn is_valid(&self) -> bool {
        self.rtt.samples > 0
    }

    /// The pair as if the capture ended at `end`; none where there was no check.
    pub(crate) fn summary(&self, end: Timestamp) -> Option<PairSummary> {
        let (first_frame, first_ts) = self.first?;
        let status = match (self.nominated, self.is_valid()) {
            (Some(_), _) => PairStatus::Nominated,
            (None, true) => PairStatus::Valid,
            (None, false) if end.nanos_since(first_ts) >= super::stun::TIMEOUT_NANOS => PairStatus::Failed,
            (None, false) => PairStatus::Checking,
        };
        Some(PairSummary {
            ufrag: self.ufrag.clone(),
            status,
            checks: self.checks,
            rtt: self.rtt,
            first_frame,
            nominated_frame: self.nominated.map(|(frame, _)| frame),
            consent_checks: self.consent_checks,
            consent_missed: self.consent_checks.saturating_sub(self.consent_answers),
            consent_longest_gap_ms: self.longest_gap_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, check, stun};
    use super::*;
    use crate::proto::stun::{Class, Method};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    fn answer(id: u8) -> Vec<u8> {
        stun(Class::SuccessResponse, Method::BINDING, id, &[])
    }

    fn pair(stage: &mut Stage) -> PairSummary {
        let pairs = stage.snapshot().pairs;
        assert_eq!(pairs.len(), 1);
        pairs[0].pair.clone()
    }

    #[test]
    fn an_answered_check_makes_a_pair_valid_and_an_answered_nomination_nominated() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, false)).udp(4, B, A, &answer(1));
        let valid = pair(&mut stage);
        assert_eq!((valid.status, valid.ufrag.as_deref()), (PairStatus::Valid, Some("there:here")));
        assert_eq!(valid.rtt.mean(), Some(4.0));
        stage.udp(10, A, B, &check(2, true)).udp(12, B, A, &answer(2));
        let nominated = pair(&mut stage);
        assert_eq!((nominated.status, nominated.nominated_frame), (PairStatus::Nominated, Some(FrameNo(3))));
    }

    #[test]
    fn a_pair_that_nobody_answers_is_checking_and_after_the_timeout_failed() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(500, A, B, &check(1, true));
        let checking = pair(&mut stage);
        assert_eq!((checking.status, checking.checks), (PairStatus::Checking, 2));
        stage.udp(39_500, A, "10.0.0.9:9", b"later");
        assert_eq!(pair(&mut stage).status, PairStatus::Failed);
    }

    #[test]
    fn consent_is_what_is_checked_after_nomination() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        stage.udp(5000, A, B, &check(2, false)).udp(5001, B, A, &answer(2));
        stage.udp(10_000, A, B, &check(3, false));
        stage.udp(15_000, A, B, &check(4, false)).udp(15_002, B, A, &answer(4));
        let pair = pair(&mut stage);
        assert_eq!((pair.consent_checks, pair.consent_missed), (3, 1));
        assert_eq!(pair.consent_longest_gap_ms, Some(10_001.0));
    }

    #[test]
    fn an_answer_to_a_check_from_before_the_nomination_is_no_consent() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, false)).udp(1, A, B, &check(2, true)).udp(2, B, A, &answer(2));
        stage.udp(3, B, A, &answer(1)).udp(10, A, B, &check(3, false));
        let pair = pair(&mut stage);
        assert_eq!((pair.consent_checks, pair.consent_missed), (1, 1));
    }

    #[test]
    fn a_request_without_ice_attributes_is_no_check() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &stun(Class::Request, Method::BINDING, 1, &[])).udp(1, B, A, &answer(1));
        assert!(stage.snapshot().pairs.is_empty());
    }
}
