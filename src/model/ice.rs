//! Connectivity checks on one five-tuple: the first view of a candidate pair.
//!
//! In: each Binding request with ICE attributes and each success response.
//! Out: [`PairSummary`]. Never: SDP, other pairs, or who won; that takes the whole session.

use super::flow::Direction;
use super::stun::TIMEOUT_NANOS;
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Message};
use crate::time::Timestamp;
use std::collections::VecDeque;

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
    /// ICE restarts on this five-tuple; all else is of the time since the last.
    pub restarts: u64,
    /// What became of it.
    pub status: PairStatus,
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

/// A check, retransmissions included.
#[derive(Clone, Copy, Debug)]
struct Check {
    id: u128,
    from: Direction,
    frame: FrameNo,
    first: Timestamp,
    last: Timestamp,
    nominates: bool,
    /// Sent after the nomination.
    is_consent: bool,
    answered: bool,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairState {
    /// USERNAME of the first check, who sent it, and the USERNAME of those before a restart.
    ufrag: Option<Box<[u8]>>,
    ufrag_sender: Option<Direction>,
    ufrag_before: Option<Box<[u8]>>,
    restarts: u64,
    checks: u64,
    first: Option<(FrameNo, Timestamp)>,
    last_check: Option<(FrameNo, Timestamp)>,
    any_answer: Option<(FrameNo, Timestamp)>,
    checks_since_answer: u64,
    /// Checks and answers to them, by who asked, and when the first and the last check was sent.
    asked: [u64; 2],
    answers: [u64; 2],
    spans: [Option<(Timestamp, Timestamp)>; 2],
    rtt: Spread,
    /// The newest checks, oldest first.
    recent: VecDeque<Check>,
    nominated: Option<(FrameNo, Timestamp)>,
    consent_checks: u64,
    /// Consent checks without an answer that are no longer among the newest.
    consent_lost: u64,
    last_answer: [Option<Timestamp>; 2],
    longest_gap_ms: Option<f64>,
}

/// Checks that are remembered: with consent every 2.5 s and both ways, more than may be in flight.
const MAX_RECENT: usize = 32;
/// Bytes of a USERNAME that are kept: two fragments of 256 and the colon (RFC 8445, section 5.3).
const MAX_USERNAME: usize = 513;

impl PairState {
    /// Takes a Binding request; one without ICE attributes (a keep-alive, a STUN server's client) is no check.
    pub(crate) fn request(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
        let username = message.attribute_bytes(AttributeType::USERNAME);
        let is_check = message.find(AttributeType::PRIORITY).is_some()
            || message.find(AttributeType::ICE_CONTROLLING).is_some()
            || message.find(AttributeType::ICE_CONTROLLED).is_some()
            || username.is_some_and(|name| name.contains(&b':'));
        if !is_check || username.is_some_and(|name| !self.is_of_this_session(from, name)) {
            return;
        }
        self.checks += 1;
        self.first.get_or_insert((carrier.frame, carrier.ts));
        self.last_check = Some((carrier.frame, carrier.ts));
        self.checks_since_answer += 1;
        self.asked[from as usize] += 1;
        let (first, _) = self.spans[from as usize].unwrap_or((carrier.ts, carrier.ts));
        self.spans[from as usize] = Some((first, carrier.ts));
        let id = message.transaction_id().bits();
        if let Some(known) = self.recent.iter_mut().find(|check| check.id == id && check.from == from) {
            known.last = carrier.ts;
            return;
        }
        if self.recent.len() == MAX_RECENT
            && self.recent.pop_front().is_some_and(|oldest| oldest.is_consent && !oldest.answered)
        {
            self.consent_lost += 1;
        }
        let is_consent = self.nominated.is_some();
        self.consent_checks += u64::from(is_consent);
        self.recent.push_back(Check {
            id,
            from,
            frame: carrier.frame,
            first: carrier.ts,
            last: carrier.ts,
            nominates: message.find(AttributeType::USE_CANDIDATE).is_some(),
            is_consent,
            answered: false,
        });
    }

    /// Other fragments are an ICE restart (RFC 8445, section 9): all begins anew. False for a straggler of before it.
    fn is_of_this_session(&mut self, from: Direction, username: &[u8]) -> bool {
        let username = username.get(..MAX_USERNAME).unwrap_or(username);
        match &self.ufrag {
            Some(known) if same_fragments(known, username) => {}
            Some(_) if self.ufrag_before.as_ref().is_some_and(|before| same_fragments(before, username)) => {
                return false;
            }
            Some(_) => {
                let ufrag_before = self.ufrag.take();
                *self = Self { restarts: self.restarts + 1, ufrag_before, ..Self::default() };
                self.named(from, username);
            }
            None => self.named(from, username),
        }
        true
    }

    fn named(&mut self, from: Direction, username: &[u8]) {
        self.ufrag = Some(username.into());
        self.ufrag_sender = Some(from);
    }

    /// The username fragment of who sends in this direction, as its description has it. A check names the receiver's,
    /// and behind the colon the sender's (RFC 8445, section 7.2.2).
    pub(crate) fn fragment(&self, sender: Direction) -> Option<&str> {
        let (receivers, senders) = std::str::from_utf8(self.ufrag.as_ref()?).ok()?.split_once(':')?;
        Some(if self.ufrag_sender == Some(sender) { senders } else { receivers })
    }

    /// Takes a success response to a Binding request, that `from` sent. The answers count here and not by the flow's
    /// transactions, whose table may be full.
    pub(crate) fn success(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
        let id = message.transaction_id().bits();
        let asked = from.opposite();
        let Some(check) = self.recent.iter_mut().find(|check| check.id == id && check.from == asked) else { return };
        if check.answered || carrier.ts.nanos_since(check.first) >= TIMEOUT_NANOS {
            return;
        }
        check.answered = true;
        let Check { frame, last, nominates, .. } = *check;
        self.answers[asked as usize] += 1;
        self.any_answer = Some((carrier.frame, carrier.ts));
        self.checks_since_answer = 0;
        if carrier.ts >= last {
            self.rtt.add(carrier.ts.millis_since(last));
        }
        if self.nominated.is_some() {
            self.longest_gap_ms = self.gap_until(asked, carrier.ts);
            self.last_answer[asked as usize] = Some(carrier.ts);
        } else if nominates {
            self.nominated = Some((frame, carrier.ts));
            self.last_answer = [Some(carrier.ts); 2];
        }
    }

    /// The longest gap where the next answer to this side's checks came, or did not come, at `now`.
    fn gap_until(&self, side: Direction, now: Timestamp) -> Option<f64> {
        let gap = self.last_answer[side as usize].map(|before| now.millis_since(before)).filter(|gap| *gap >= 0.0);
        match (self.longest_gap_ms, gap) {
            (Some(longest), Some(gap)) => Some(longest.max(gap)),
            (longest, gap) => longest.or(gap),
        }
    }

    /// Consent checks whose answer did not come: a later one of the same side was answered, or 39.5 s have passed.
    /// And the longest gap, that may last until the end.
    fn missed_and_gap(&self, end: Timestamp) -> (u64, Option<f64>) {
        let mut missed = self.consent_lost;
        let mut longest = self.longest_gap_ms;
        for side in [Direction::Forward, Direction::Backward] {
            let mut overtaken = false;
            let mut waits = false;
            for check in self.recent.iter().rev().filter(|check| check.from == side && check.is_consent) {
                waits |= !check.answered && !overtaken;
                overtaken |= check.answered;
                let overdue = end.nanos_since(check.first) >= TIMEOUT_NANOS;
                missed += u64::from(!check.answered && (overtaken || overdue));
            }
            if waits {
                let gap = self.gap_until(side, end);
                longest = if gap > longest { gap } else { longest };
            }
        }
        (missed, longest)
    }

    /// True where a check was answered.
    pub(crate) fn is_valid(&self) -> bool {
        self.answers.iter().any(|answers| *answers > 0)
    }

    /// The pair as if the capture ended at `end`; none where there was no check.
    pub(crate) fn summary(&self, end: Timestamp) -> Option<PairSummary> {
        let (first_frame, first_ts) = self.first?;
        let (consent_missed, consent_longest_gap_ms) = self.missed_and_gap(end);
        let status = match (self.nominated, self.is_valid()) {
            (Some(_), _) => PairStatus::Nominated,
            (None, true) => PairStatus::Valid,
            (None, false) if end.nanos_since(first_ts) >= TIMEOUT_NANOS => PairStatus::Failed,
            (None, false) => PairStatus::Checking,
        };
        Some(PairSummary {
            ufrag: self.ufrag.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            restarts: self.restarts,
            status,
            checks: self.checks,
            rtt: self.rtt,
            first_frame,
            first_ts,
            nominated_frame: self.nominated.map(|(frame, _)| frame),
            nominated_ts: self.nominated.map(|(_, ts)| ts),
            consent_checks: self.consent_checks,
            consent_missed,
            consent_longest_gap_ms,
            last_answer: self.any_answer,
            last_check: self.last_check.unwrap_or((first_frame, first_ts)),
            checks_since_answer: self.checks_since_answer,
            sides: [Direction::Forward, Direction::Backward].map(|side| SideChecks {
                fragment: self.fragment(side).map(str::to_owned),
                checks: self.asked[side as usize],
                answers: self.answers[side as usize],
                span: self.spans[side as usize],
            }),
        })
    }
}

/// True for the same two fragments in either order: each side names the other's first.
fn same_fragments(one: &[u8], other: &[u8]) -> bool {
    let mut here = one.splitn(2, |byte| *byte == b':');
    let mut there = other.splitn(2, |byte| *byte == b':');
    let (first, second) = (here.next(), here.next());
    let (other_first, other_second) = (there.next(), there.next());
    one == other || (second.is_some() && first == other_second && second == other_first)
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, check, stun};
    use super::*;
    use crate::proto::stun::{Class, Method, Value};

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
        stage.udp(39_510, A, "10.0.0.9:9", b"later");
        let pair = pair(&mut stage);
        assert_eq!((pair.consent_checks, pair.consent_missed), (1, 1));
    }

    #[test]
    fn a_request_without_ice_attributes_is_no_check() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &stun(Class::Request, Method::BINDING, 1, &[])).udp(1, B, A, &answer(1));
        assert!(stage.snapshot().pairs.is_empty());
    }

    #[test]
    fn a_consent_check_in_flight_at_the_end_is_not_missed() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1)).udp(5001, A, B, &check(2, false));
        let waits = pair(&mut stage);
        assert_eq!((waits.consent_checks, waits.consent_missed), (1, 0));
        assert_eq!(waits.consent_longest_gap_ms, Some(5000.0));
        stage.udp(44_501, A, "10.0.0.9:9", b"later");
        let missed = pair(&mut stage);
        assert_eq!((missed.consent_missed, missed.consent_longest_gap_ms), (1, Some(44_500.0)));
    }

    #[test]
    fn a_consent_check_sent_three_times_is_one_check() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        stage.udp(5000, A, B, &check(2, false)).udp(5500, A, B, &check(2, false)).udp(5501, B, A, &answer(2));
        stage.udp(5502, A, B, &check(2, false));
        let pair = pair(&mut stage);
        assert_eq!((pair.checks, pair.consent_checks, pair.consent_missed), (4, 1, 0));
        assert_eq!(pair.consent_longest_gap_ms, Some(5500.0));
    }

    #[test]
    fn a_check_in_the_same_instant_as_the_nomination_and_after_it_is_consent() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        stage.udp(1, A, B, &check(2, false)).udp(1, B, A, &answer(2));
        let pair = pair(&mut stage);
        assert_eq!((pair.consent_checks, pair.consent_missed), (1, 0));
    }

    fn named(id: u8, username: &'static [u8]) -> Vec<u8> {
        stun(Class::Request, Method::BINDING, id, &[(AttributeType::USERNAME, Value::Text(username))])
    }

    #[test]
    fn other_fragments_are_a_restart_and_the_pair_begins_anew() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        stage.udp(2, B, A, &named(2, b"here:there")).udp(3, A, B, &answer(2));
        assert_eq!((pair(&mut stage).restarts, pair(&mut stage).status), (0, PairStatus::Nominated));
        stage.udp(10, A, B, &named(3, b"east:west")).udp(11, B, A, &named(4, b"here:there"));
        stage.udp(12, B, A, &named(5, b"west:east"));
        let anew = pair(&mut stage);
        assert_eq!((anew.restarts, anew.ufrag.as_deref(), anew.status), (1, Some("east:west"), PairStatus::Checking));
        assert_eq!((anew.checks, anew.first_frame), (2, FrameNo(5)));
    }

    #[test]
    fn each_side_has_the_fragment_that_its_own_checks_name_last() {
        let carrier = Carrier {
            ts: Timestamp::default(),
            frame: FrameNo(1),
            ip_len: 100,
            ip_id: None,
            ttl: 64,
            traffic_class: 0,
            link_tag: 0,
        };
        let mut state = PairState::default();
        assert_eq!(state.fragment(Direction::Forward), None);
        for (id, username) in [(1, &b"there:here"[..]), (2, b"east:west")] {
            let bytes = named(id, username);
            state.request(Direction::Backward, &carrier, &Message::parse(&bytes).unwrap());
            let (receivers, senders) = std::str::from_utf8(username).unwrap().split_once(':').unwrap();
            assert_eq!(state.fragment(Direction::Backward), Some(senders));
            assert_eq!(state.fragment(Direction::Forward), Some(receivers));
        }
    }

    #[test]
    fn consent_is_answered_also_where_no_more_transactions_are_kept() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        for number in 0..20_000_u32 {
            let mut request = check(9, false);
            request[8..12].copy_from_slice(&number.to_be_bytes());
            let mut response = answer(9);
            response[8..12].copy_from_slice(&number.to_be_bytes());
            stage.udp(2, A, B, &request).udp(2, B, A, &response);
        }
        let pair = pair(&mut stage);
        assert_eq!((pair.consent_checks, pair.consent_missed), (20_000, 0));
    }
}
