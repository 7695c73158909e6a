//! One request until its answer: its bytes, and when they are sent again (RFC 8489, section 6.2).
//!
//! In: a request and the time. Out: when to send it, and when to give up. Never: other bytes under the same transaction id.

use crate::clock::Moment;
use rtcscope::proto::stun::{Message, Method, TransactionId};
use std::time::Duration;

/// RTO (RFC 8489, section 6.2.1).
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Rc (RFC 8489, section 6.2.1): how often a request is transmitted.
const TRANSMISSIONS: u8 = 7;
/// Rm (RFC 8489, section 6.2.1): how many times the RTO the last transmission waits.
const LAST_PAUSES: u32 = 16;
/// Ti (RFC 8489, section 6.2.2): what a request on a reliable wire waits.
const RELIABLE_PAUSE: Duration = Duration::from_millis(39_500);

/// How often the same request was sent anew because the server wanted it otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Attempt {
    /// After 401.
    pub(super) challenges: u8,
    /// After 438.
    pub(super) stale_nonces: u8,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Nothing,
    Retransmission,
    GivingUp,
}

#[derive(Debug)]
pub(super) struct Transaction {
    id: TransactionId,
    method: Method,
    request: Vec<u8>,
    /// Whether it carries credentials.
    pub(super) authenticated: bool,
    /// Whether an answer came whose integrity was wrong.
    pub(super) forged: bool,
    pub(super) attempt: Attempt,
    /// First transmission: what the server grants is counted from here, as it cannot have begun before.
    pub(super) sent: Moment,
    due: Moment,
    transmissions: u8,
    unsent: bool,
}

impl Transaction {
    pub(super) fn new(id: TransactionId, method: Method, request: Vec<u8>, reliable: bool, now: Moment) -> Self {
        Self {
            id,
            method,
            request,
            authenticated: false,
            forged: false,
            attempt: Attempt::default(),
            sent: now,
            due: now.plus(if reliable { RELIABLE_PAUSE } else { FIRST_PAUSE }),
            transmissions: if reliable { TRANSMISSIONS } else { 1 },
            unsent: true,
        }
    }

    pub(super) fn is_answered_by(&self, message: &Message<'_>) -> bool {
        self.id == message.transaction_id() && self.method == message.method()
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }

    pub(super) const fn due(&self) -> Moment {
        self.due
    }

    /// Appends the request where it waits to be sent.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) -> bool {
        if self.unsent {
            out.extend_from_slice(&self.request);
        }
        std::mem::take(&mut self.unsent)
    }

    /// The pause after a late call counts from the call, so that a stall is not followed by a burst.
    pub(super) fn handle_timeout(&mut self, now: Moment) -> Due {
        if now < self.due {
            return Due::Nothing;
        }
        if self.transmissions >= TRANSMISSIONS {
            return Due::GivingUp;
        }
        let pauses = if self.transmissions + 1 == TRANSMISSIONS { LAST_PAUSES } else { 1 << self.transmissions };
        self.transmissions += 1;
        self.due = now.plus(FIRST_PAUSE * pauses);
        self.unsent = true;
        Due::Retransmission
    }
}
