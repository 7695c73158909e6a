//! What all requests of a client share: credentials, transaction ids, counters.
//!
//! In: what a request is for, and the answer to it. Out: a [`Transaction`], and what the answer means whatever the method.
//! Never: an answer believed whose integrity is wrong.

use super::auth::Auth;
use super::event::{Counters, Failure};
use super::transaction::{Attempt, Transaction};
use super::{ClientConfig, Moment};
use crate::credentials::Login;
use rtcscope::proto::stun::{Builder, Check, Class, Message, Method, TransactionId};
use std::time::Duration;

/// How many realms, and how many stale nonces, one request is sent anew for. A server that goes on so never ends.
const PATIENCE: u8 = 3;

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    Success,
    Failure(Failure),
    /// The same request once more, with what the server now wants.
    Again(Attempt),
    /// Not the server's.
    Forged,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) config: ClientConfig,
    pub(super) counters: Counters,
    auth: Option<Box<Auth>>,
    random: u64,
}

impl Session {
    pub(super) fn new(config: ClientConfig) -> Self {
        let random = config.seed;
        Self { config, counters: Counters::default(), auth: None, random }
    }

    /// Unpredictable to nobody: a run repeats by its seed.
    pub(super) fn transaction_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        let (high, low) = (self.next_random().to_be_bytes(), self.next_random().to_be_bytes());
        for (to, from) in id.iter_mut().zip(high.into_iter().chain(low)) {
            *to = from;
        }
        TransactionId::new(id)
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A request with the attributes of `fill`, signed where the server was heard to want that.
    pub(super) fn request(
        &mut self,
        method: Method,
        attempt: Attempt,
        now: Moment,
        fill: impl for<'v> FnOnce(Builder<'v>, &ClientConfig) -> Builder<'v>,
    ) -> Transaction {
        let id = self.transaction_id();
        let mut request = Vec::new();
        let mut builder = fill(Builder::new(&mut request, Class::Request, method, id), &self.config);
        let credentials = self.auth.as_ref().zip(self.config.credentials.as_ref());
        let authenticated = credentials.is_some();
        if let Some((auth, login)) = credentials {
            builder = auth.sign(builder, login);
        }
        // User name, realm, nonce and algorithms are bounded, so that no request is too long.
        let built = builder.finish();
        debug_assert!(built.is_ok(), "{built:?}");
        self.counters.requests += 1;
        let mut transaction = Transaction::new(id, method, request, self.config.reliable, now);
        transaction.authenticated = authenticated;
        transaction.attempt = attempt;
        transaction
    }

    /// Reads an answer to `transaction`.
    pub(super) fn answer(&mut self, transaction: &mut Transaction, message: &Message<'_>) -> Answer {
        let check = match &self.auth {
            Some(auth) if transaction.authenticated => auth.check(message),
            _ => Check::Right,
        };
        if message.class() == Class::SuccessResponse {
            return if check == Check::Right { Answer::Success } else { self.forged(transaction) };
        }
        let Some((code, reason)) = message.error_code() else {
            return Answer::Failure(Failure::Protocol("an error response without ERROR-CODE"));
        };
        let login = self.config.credentials.clone();
        match (code, login) {
            (401, Some(login)) => self.challenged(transaction, message, &login),
            (438, Some(login)) => self.stale(transaction, message, &login),
            // RFC 8489, section 9.2.5, wants integrity in errors too, but a server that refuses before it looks at the
            // user has no key, and its reason is worth more than a timeout.
            _ if check == Check::Wrong => self.forged(transaction),
            _ => Answer::Failure(Failure::code(code, reason, transaction.method())),
        }
    }

    fn challenged(&mut self, transaction: &Transaction, message: &Message<'_>, login: &Login) -> Answer {
        let mut attempt = transaction.attempt;
        let same_realm = self.auth.as_ref().is_some_and(|auth| auth.is_for_realm_of(message));
        if transaction.authenticated && same_realm {
            return Answer::Failure(Failure::WrongPassword);
        }
        if attempt.challenges >= PATIENCE {
            return Answer::Failure(Failure::Protocol("a new realm for each request"));
        }
        attempt.challenges += 1;
        self.counters.challenges += 1;
        // Another realm begins anew: what the one before offered is not its offer.
        self.auth = None;
        self.learn(message, login, attempt)
    }

    fn stale(&mut self, transaction: &Transaction, message: &Message<'_>, login: &Login) -> Answer {
        let mut attempt = transaction.attempt;
        self.counters.stale_nonces += 1;
        if attempt.stale_nonces >= PATIENCE {
            let reason = message.error_code().map_or(&[][..], |(_, reason)| reason);
            return Answer::Failure(Failure::code(438, reason, transaction.method()));
        }
        attempt.stale_nonces += 1;
        self.learn(message, login, attempt)
    }

    fn learn(&mut self, message: &Message<'_>, login: &Login, attempt: Attempt) -> Answer {
        match Auth::of_challenge(message, login, self.auth.as_deref()) {
            Ok(auth) => {
                self.auth = Some(Box::new(auth));
                Answer::Again(attempt)
            }
            Err(why) => Answer::Failure(Failure::Protocol(why)),
        }
    }

    /// Over UDP the right answer may still come; over a stream none will (RFC 8489, section 9.2.5).
    fn forged(&mut self, transaction: &mut Transaction) -> Answer {
        self.counters.forged += 1;
        transaction.forged = true;
        if self.config.reliable { Answer::Failure(FORGED) } else { Answer::Forged }
    }
}

const FORGED: Failure = Failure::Protocol("an answer whose integrity is wrong or missing");

/// When what lives so long is prolonged: a long life leaves a minute for all transmissions and another nonce (RFC 8656,
/// section 8), a short one the half of it.
pub(super) fn refreshed_after(lifetime: Duration) -> Duration {
    const MARGIN: Duration = Duration::from_mins(1);
    lifetime.saturating_sub(MARGIN).max(lifetime / 2)
}

/// Why a request that was given up got no answer.
pub(super) fn silence(transaction: &Transaction) -> Failure {
    if transaction.forged { FORGED } else { Failure::Timeout { method: transaction.method() } }
}
