//! STUN transactions of one flow: request, retransmissions, response, time between.
//!
//! In: each STUN message that is not a Send or Data indication. Out: [`Transaction`]s in order of their first message.
//! Never: a timeout by the clock; only the capture's end tells that no answer came.

use super::flow::Direction;
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::stun::{Check, Class, Message, Method, TransactionId};
use crate::time::Timestamp;
use std::collections::HashMap;

/// When a client gives up: Rc = 7, Rm = 16, RTO = 500 ms (RFC 8489, section 6.2.1).
pub(crate) const TIMEOUT_NANOS: i64 = 39_500_000_000;
/// Transactions kept per flow; those beyond are counted.
const MAX_TRANSACTIONS: usize = 16_384;
/// Frames of responses without a request that are kept.
const MAX_UNASKED: usize = 10;

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A success response came.
    Success,
    /// An error response came.
    Error,
    /// No response within 39.5 s of the first request.
    Timeout,
    /// No response by the end of the capture, which came before a timeout.
    Open,
    /// An indication: none is expected.
    Indication,
}

/// One transaction, or one indication.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its 96 bits (128 in RFC 3489).
    pub id: TransactionId,
    /// The method.
    pub method: Method,
    pub(crate) from: Direction,
    /// Frame and time of the first request.
    pub first_frame: FrameNo,
    /// Time of the first request.
    pub first_ts: Timestamp,
    /// Time of the last request before the response.
    pub last_request_ts: Timestamp,
    /// Requests: 1 and the retransmissions.
    pub request_count: u32,
    /// Frame of the response.
    pub response_frame: Option<FrameNo>,
    /// Success, error, indication, or timeout where the response came too late; open while there is no response.
    pub outcome: Outcome,
    /// Code of an error response.
    pub error_code: Option<u16>,
    /// Reason phrase of an error response.
    pub error_reason: Option<String>,
    /// From the last request to the response.
    pub rtt_ms: Option<f64>,
    /// From the first request to the response.
    pub latency_ms: Option<f64>,
}

impl Transaction {
    /// The outcome with the end of the capture known.
    pub(crate) fn outcome_at(&self, end: Timestamp) -> Outcome {
        match self.outcome {
            Outcome::Open if end.nanos_since(self.first_ts) >= TIMEOUT_NANOS => Outcome::Timeout,
            outcome => outcome,
        }
    }
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    list: Vec<Transaction>,
    by_id: HashMap<(TransactionId, Method, Direction), usize, ahash::RandomState>,
    /// Messages that were not kept for the bound's sake.
    pub(crate) dropped: u64,
    /// Messages whose FINGERPRINT is there and wrong: how many, and the first frame.
    pub(crate) bad_fingerprints: u64,
    pub(crate) first_bad_fingerprint: Option<FrameNo>,
    /// Messages with an attribute that cannot be read: how many, and the first frame.
    pub(crate) broken: u64,
    pub(crate) first_broken: Option<FrameNo>,
    /// Responses whose request was not captured.
    pub(crate) unasked: Unasked,
}

/// Responses whose request was not captured: how many each direction has, and the first frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unasked {
    pub(crate) counts: [u64; 2],
    pub(crate) frames: Vec<FrameNo>,
}

impl Unasked {
    #[cold]
    fn add(&mut self, direction: Direction, frame: FrameNo) {
        self.counts[direction as usize] += 1;
        if self.frames.len() < MAX_UNASKED {
            self.frames.push(frame);
        }
    }
}

impl Transactions {
    /// Looks at what is wrong with a message, whatever it says.
    pub(crate) fn check(&mut self, carrier: &Carrier, message: &Message<'_>) {
        if message.fingerprint() == Check::Wrong {
            self.bad_fingerprints += 1;
            self.first_bad_fingerprint.get_or_insert(carrier.frame);
        }
        if message.error().is_some() {
            self.broken += 1;
            self.first_broken.get_or_insert(carrier.frame);
        }
    }

    /// Takes a message; gives the transaction that a response completed. `room` is how many transactions may still be
    /// kept, here and elsewhere.
    pub(crate) fn message(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        message: &Message<'_>,
        room: &mut usize,
    ) -> Option<&Transaction> {
        match message.class() {
            Class::Request => {
                self.request(direction, carrier, message, room);
                None
            }
            Class::Indication => {
                self.open(direction, carrier, message, Outcome::Indication, room);
                None
            }
            Class::SuccessResponse | Class::ErrorResponse => self.response(direction, carrier, message),
        }
    }

    fn request(&mut self, direction: Direction, carrier: &Carrier, message: &Message<'_>, room: &mut usize) {
        let key = (message.transaction_id(), message.method(), direction);
        match self.by_id.get(&key).and_then(|index| self.list.get_mut(*index)) {
            Some(known) if known.outcome == Outcome::Open => {
                known.request_count += 1;
                known.last_request_ts = carrier.ts;
            }
            // Sent again although the answer was there: the answer may have been lost behind the capture point.
            Some(known) => known.request_count += 1,
            None => self.open(direction, carrier, message, Outcome::Open, room),
        }
    }

    /// True where half of what is kept of a flow is there.
    pub(crate) fn is_half_full(&self) -> bool {
        self.list.len() > MAX_TRANSACTIONS / 2
    }

    fn open(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        message: &Message<'_>,
        outcome: Outcome,
        room: &mut usize,
    ) {
        if self.list.len() == MAX_TRANSACTIONS || *room == 0 {
            self.dropped += 1;
            return;
        }
        *room -= 1;
        self.by_id.insert((message.transaction_id(), message.method(), direction), self.list.len());
        self.list.push(Transaction {
            id: message.transaction_id(),
            method: message.method(),
            from: direction,
            first_frame: carrier.frame,
            first_ts: carrier.ts,
            last_request_ts: carrier.ts,
            request_count: 1,
            response_frame: None,
            outcome,
            error_code: None,
            error_reason: None,
            rtt_ms: None,
            latency_ms: None,
        });
    }

    fn response(&mut self, direction: Direction, carrier: &Carrier, message: &Message<'_>) -> Option<&Transaction> {
        let key = (message.transaction_id(), message.method(), direction.opposite());
        let Some(known) = self.by_id.get(&key).and_then(|index| self.list.get_mut(*index)) else {
            // Where requests were left out for the bound's sake, their responses say nothing.
            if self.dropped == 0 {
                self.unasked.add(direction, carrier.frame);
            }
            return None;
        };
        if known.outcome != Outcome::Open {
            return None;
        }
        if carrier.ts.nanos_since(known.first_ts) >= TIMEOUT_NANOS {
            known.outcome = Outcome::Timeout;
            return None;
        }
        // A file whose records are not in order of time has answers before their questions.
        let since = |earlier| Some(carrier.ts.millis_since(earlier)).filter(|millis| *millis >= 0.0);
        known.response_frame = Some(carrier.frame);
        known.rtt_ms = since(known.last_request_ts);
        known.latency_ms = since(known.first_ts);
        known.outcome = if message.class() == Class::SuccessResponse { Outcome::Success } else { Outcome::Error };
        if let Some((code, reason)) = message.error_code() {
            known.error_code = Some(code);
            known.error_reason = Some(String::from_utf8_lossy(reason).into_owned());
        }
        Some(known)
    }

    /// Lets go those that began before a time; what is sent again afterwards is a transaction of its own.
    pub(crate) fn forget(&mut self, before: Timestamp) {
        self.list.retain(|known| known.first_ts >= before);
        self.list.shrink_to(self.list.len() * 2);
        self.by_id =
            self.list.iter().enumerate().map(|(at, known)| ((known.id, known.method, known.from), at)).collect();
    }

    pub(crate) fn list(&self) -> &[Transaction] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, stun};
    use super::*;
    use crate::proto::stun::{AttributeType, Value};

    const CLIENT: &str = "10.0.0.1:5000";
    const SERVER: &str = "10.0.0.2:3478";

    fn request(id: u8) -> Vec<u8> {
        stun(Class::Request, Method::BINDING, id, &[])
    }

    fn success(id: u8) -> Vec<u8> {
        stun(Class::SuccessResponse, Method::BINDING, id, &[])
    }

    #[test]
    fn a_round_trip_counts_from_the_last_request_and_the_latency_from_the_first() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &request(1)).udp(500, CLIENT, SERVER, &request(1));
        stage.udp(510, SERVER, CLIENT, &success(1));
        let row = stage.snapshot().transactions.remove(0);
        assert_eq!((row.outcome, row.transaction.request_count), (Outcome::Success, 2));
        assert_eq!((row.transaction.rtt_ms, row.transaction.latency_ms), (Some(10.0), Some(510.0)));
        assert_eq!(row.src.to_string(), CLIENT);
    }

    #[test]
    fn an_error_has_its_code_and_its_words() {
        let code = Value::ErrorCode { code: 400, reason: b"Bad Request" };
        let refusal = stun(Class::ErrorResponse, Method::BINDING, 1, &[(AttributeType::ERROR_CODE, code)]);
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &request(1)).udp(10, SERVER, CLIENT, &refusal);
        let row = stage.snapshot().transactions.remove(0);
        assert_eq!((row.outcome, row.transaction.error_code), (Outcome::Error, Some(400)));
        assert_eq!(row.transaction.error_reason.as_deref(), Some("Bad Request"));
    }

    #[test]
    fn no_answer_is_a_timeout_only_where_the_capture_lasted_long_enough() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &request(1)).udp(39_000, CLIENT, SERVER, &request(2));
        stage.udp(40_000, CLIENT, "10.0.0.9:9", b"later");
        let outcomes: Vec<Outcome> = stage.snapshot().transactions.iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes, [Outcome::Timeout, Outcome::Open]);
    }

    #[test]
    fn an_answer_after_the_timeout_comes_too_late() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &request(1)).udp(39_500, SERVER, CLIENT, &success(1));
        let row = stage.snapshot().transactions.remove(0);
        assert_eq!((row.outcome, row.transaction.rtt_ms), (Outcome::Timeout, None));
        assert_eq!(row.transaction.response_frame, None);
    }

    #[test]
    fn an_answer_recorded_before_its_request_has_no_times() {
        let mut stage = Stage::new();
        stage.udp(100, CLIENT, SERVER, &request(1)).udp(90, SERVER, CLIENT, &success(1));
        let row = stage.snapshot().transactions.remove(0);
        assert_eq!((row.outcome, row.transaction.rtt_ms, row.transaction.latency_ms), (Outcome::Success, None, None));
    }

    #[test]
    fn an_indication_waits_for_nothing() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &stun(Class::Indication, Method::BINDING, 1, &[]));
        stage.udp(60_000, CLIENT, SERVER, &request(2));
        assert_eq!(stage.snapshot().transactions[0].outcome, Outcome::Indication);
    }

    #[test]
    fn the_same_id_asked_from_the_other_side_is_another_transaction() {
        let mut stage = Stage::new();
        stage.udp(0, CLIENT, SERVER, &request(1)).udp(1, SERVER, CLIENT, &request(1));
        stage.udp(2, SERVER, CLIENT, &success(1));
        let outcomes: Vec<Outcome> = stage.snapshot().transactions.iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes, [Outcome::Success, Outcome::Open]);
    }

    #[test]
    fn a_response_nobody_asked_for_makes_no_transaction() {
        let mut stage = Stage::new();
        stage.udp(0, SERVER, CLIENT, &success(1));
        assert_eq!(stage.snapshot().transactions.len(), 0);
    }

    #[test]
    fn a_wrong_fingerprint_is_a_finding_and_the_message_counts_all_the_same() {
        let mut wrong = stun(Class::Request, Method::BINDING, 1, &[(AttributeType::FINGERPRINT, Value::U32(1))]);
        wrong.truncate(28);
        let mut stage = Stage::new();
        let snapshot = stage.udp(0, CLIENT, SERVER, &wrong).snapshot();
        assert_eq!(snapshot.transactions.len(), 1);
        assert_eq!(snapshot.findings[0].code, "MESSAGE_MALFORMED");
        assert!(snapshot.findings[0].summary.contains("FINGERPRINT"), "{}", snapshot.findings[0].summary);
    }

    #[test]
    fn a_transaction_without_room_is_counted_and_not_kept() {
        let mut transactions = Transactions::default();
        let carrier = Carrier {
            ts: Timestamp::default(),
            frame: FrameNo(1),
            ip_len: 48,
            ip_id: None,
            ttl: 64,
            traffic_class: 0,
            link_tag: 0,
        };
        let mut room = 1;
        for id in [1, 2, 3] {
            let bytes = request(id);
            let message = Message::parse(&bytes).unwrap();
            assert!(transactions.message(Direction::Forward, &carrier, &message, &mut room).is_none());
        }
        assert_eq!((transactions.list().len(), transactions.dropped, room), (1, 2, 0));
    }
}
