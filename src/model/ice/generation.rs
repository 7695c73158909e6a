//! The checks of a candidate pair from one ICE restart to the next.
//!
//! In: requests and responses of one pair of username fragments. Out: a [`PairSummary`]. Never: the generation before.

use super::super::flow::Direction;
use super::super::stun::TIMEOUT_NANOS;
use super::{ConsentGap, IceRole, PairStatus, PairSummary, SideChecks, Spread};
use crate::net::{Carrier, Endpoint};
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Message, Value};
use crate::time::Timestamp;
use std::collections::VecDeque;

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
pub(super) struct Generation {
    /// USERNAME of the first check, and who sent it.
    ufrag: Option<Box<[u8]>>,
    ufrag_sender: Option<Direction>,
    restarts: u64,
    component: Option<u8>,
    roles: [Option<IceRole>; 2],
    role_conflicts: u64,
    first_role_conflict: Option<FrameNo>,
    mapped: [Option<Endpoint>; 2],
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
    gaps: Vec<ConsentGap>,
}

/// Checks that are remembered: with consent every 2.5 s and both ways, more than may be in flight.
const MAX_RECENT: usize = 32;
/// Gaps that are kept.
const MAX_GAPS: usize = 16;
/// Bytes of a USERNAME that are kept: two fragments of 256 and the colon (RFC 8445, section 5.3).
const MAX_USERNAME: usize = 513;
/// Error code for a role conflict (RFC 8445, section 7.3.1.1).
const ROLE_CONFLICT: u16 = 487;

impl Generation {
    /// One that begins with the restart of this number.
    pub(super) fn after(restarts: u64) -> Self {
        Self { restarts, ..Self::default() }
    }

    pub(super) const fn restarts(&self) -> u64 {
        self.restarts
    }

    /// True where a check with this USERNAME belongs to it; one without belongs to any.
    pub(super) fn has(&self, username: Option<&[u8]>) -> bool {
        match (&self.ufrag, username) {
            (Some(known), Some(username)) => same_fragments(known, cut(username)),
            _ => true,
        }
    }

    /// Names it by the USERNAME of a check, where it has no name yet.
    pub(super) fn name(&mut self, from: Direction, username: Option<&[u8]>) {
        if self.ufrag.is_none()
            && let Some(username) = username
        {
            self.ufrag = Some(cut(username).into());
            self.ufrag_sender = Some(from);
        }
    }

    /// The username fragment of who sends in this direction.
    pub(super) fn fragment(&self, sender: Direction) -> Option<&str> {
        let (receivers, senders) = std::str::from_utf8(self.ufrag.as_ref()?).ok()?.split_once(':')?;
        Some(if self.ufrag_sender == Some(sender) { senders } else { receivers })
    }

    /// Takes a check.
    pub(super) fn request(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) {
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
        self.note_role(from, message);
        if self.component.is_none()
            && let Some(Value::U32(priority)) = message.value(AttributeType::PRIORITY)
        {
            self.component = component(priority);
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

    fn note_role(&mut self, from: Direction, message: &Message<'_>) {
        let has = |attribute| message.find(attribute).is_some();
        let role = match (has(AttributeType::ICE_CONTROLLING), has(AttributeType::ICE_CONTROLLED)) {
            (true, false) => IceRole::Controlling,
            (false, true) => IceRole::Controlled,
            _ => return,
        };
        self.roles[from as usize] = Some(role);
    }

    /// Takes a success response that `from` sent; false where it answers no check of this generation.
    pub(super) fn success(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) -> bool {
        let id = message.transaction_id().bits();
        let asked = from.opposite();
        let Some(check) = self.recent.iter_mut().find(|check| check.id == id && check.from == asked) else {
            return false;
        };
        if check.answered || carrier.ts.nanos_since(check.first) >= TIMEOUT_NANOS {
            return true;
        }
        check.answered = true;
        let Check { frame, first, last, nominates, is_consent, .. } = *check;
        self.answers[asked as usize] += 1;
        self.any_answer = Some((carrier.frame, carrier.ts));
        self.checks_since_answer = 0;
        let mapped = message.address(AttributeType::XOR_MAPPED_ADDRESS).map(Endpoint::from);
        self.mapped[asked as usize] = mapped.or(self.mapped[asked as usize]);
        if carrier.ts >= last {
            self.rtt.add(carrier.ts.millis_since(last));
        }
        if self.nominated.is_some() {
            self.longest_gap_ms = self.gap_until(asked, carrier.ts);
            if is_consent {
                self.end_gap(asked, first, carrier);
            }
            self.last_answer[asked as usize] = Some(carrier.ts);
        } else if nominates {
            self.nominated = Some((frame, carrier.ts));
            self.last_answer = [Some(carrier.ts); 2];
        }
        true
    }

    /// This side's consent was given again, by the answer to a check that was sent at that time.
    fn end_gap(&mut self, side: Direction, sent: Timestamp, carrier: &Carrier) {
        let Some(from) = self.last_answer[side as usize] else { return };
        let missed = self.unanswered(side, from).filter(|check| check.first < sent).count() as u64;
        if missed > 0 && self.gaps.len() < MAX_GAPS {
            let millis = carrier.ts.millis_since(from);
            self.gaps.push(ConsentGap { from, millis, missed, ended: Some(carrier.frame) });
        }
    }

    /// The checks that a side has sent since then and that nobody answered.
    fn unanswered(&self, side: Direction, since: Timestamp) -> impl Iterator<Item = &Check> {
        self.recent
            .iter()
            .filter(move |check| check.from == side && check.is_consent && !check.answered && check.first > since)
    }

    /// Takes an error response that `from` sent; false where it answers no check of this generation.
    pub(super) fn error(&mut self, from: Direction, carrier: &Carrier, message: &Message<'_>) -> bool {
        let id = message.transaction_id().bits();
        let is_ours = self.recent.iter().any(|check| check.id == id && check.from == from.opposite());
        if is_ours && message.error_code().is_some_and(|(code, _)| code == ROLE_CONFLICT) {
            self.role_conflicts += 1;
            self.first_role_conflict.get_or_insert(carrier.frame);
        }
        is_ours
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

    /// Gaps that last until the end: checks of the side have waited for longer than consent lasts.
    fn open_gaps(&self, end: Timestamp) -> impl Iterator<Item = ConsentGap> + '_ {
        [Direction::Forward, Direction::Backward].into_iter().filter_map(move |side| {
            let from = self.last_answer[side as usize]?;
            let (missed, millis) = (self.unanswered(side, from).count() as u64, end.millis_since(from));
            let is_open = missed > 0 && millis >= super::CONSENT_LASTS_MS;
            is_open.then_some(ConsentGap { from, millis, missed, ended: None })
        })
    }

    /// True where a check was answered.
    pub(super) fn is_valid(&self) -> bool {
        self.answers.iter().any(|answers| *answers > 0)
    }

    /// The pair as if the capture ended at `end`; none where there was no check.
    pub(super) fn summary(&self, end: Timestamp) -> Option<PairSummary> {
        let (first_frame, first_ts) = self.first?;
        let (consent_missed, consent_longest_gap_ms) = self.missed_and_gap(end);
        let status = match (self.nominated, self.is_valid()) {
            (Some(_), _) => PairStatus::Nominated,
            (None, true) => PairStatus::Valid,
            (None, false) if end.nanos_since(first_ts) >= TIMEOUT_NANOS => PairStatus::Failed,
            (None, false) => PairStatus::Checking,
        };
        let fragments = [Direction::Forward, Direction::Backward].map(|side| self.fragment(side).map(str::to_owned));
        let sides = [Direction::Forward, Direction::Backward].map(|side| SideChecks {
            fragment: self.fragment(side).map(str::to_owned),
            checks: self.asked[side as usize],
            answers: self.answers[side as usize],
            span: self.spans[side as usize],
        });
        Some(PairSummary {
            ufrag: self.ufrag.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            fragments: match fragments {
                [Some(forward), Some(backward)] => Some([forward, backward]),
                _ => None,
            },
            restarts: self.restarts,
            status,
            component: self.component,
            roles: self.roles,
            role_conflicts: self.role_conflicts,
            first_role_conflict: self.first_role_conflict,
            mapped: self.mapped,
            checks: self.checks,
            rtt: self.rtt,
            first_frame,
            first_ts,
            nominated_frame: self.nominated.map(|(frame, _)| frame),
            nominated_ts: self.nominated.map(|(_, ts)| ts),
            consent_checks: self.consent_checks,
            consent_missed,
            consent_longest_gap_ms,
            consent_gaps: self.gaps.iter().copied().chain(self.open_gaps(end)).collect(),
            last_answer: self.any_answer,
            last_check: self.last_check.unwrap_or((first_frame, first_ts)),
            checks_since_answer: self.checks_since_answer,
            sides,
        })
    }
}

/// The component that a priority was made of: its last byte is 256 less the component.
fn component(priority: u32) -> Option<u8> {
    match 256 - (priority & 0xff) {
        component @ 1..=2 => Some(component as u8),
        _ => None,
    }
}

fn cut(username: &[u8]) -> &[u8] {
    username.get(..MAX_USERNAME).unwrap_or(username)
}

/// True for the same two fragments in either order: each side names the other's first.
fn same_fragments(one: &[u8], other: &[u8]) -> bool {
    let mut here = one.splitn(2, |byte| *byte == b':');
    let mut there = other.splitn(2, |byte| *byte == b':');
    let (first, second) = (here.next(), here.next());
    let (other_first, other_second) = (there.next(), there.next());
    one == other || (second.is_some() && first == other_second && second == other_first)
}
