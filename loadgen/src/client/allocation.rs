//! The allocation itself: Allocate, Refresh, deletion (RFC 8656, sections 6 to 8).
//!
//! In: answers and the time. Out: the one request in flight, and events. Never: two of these requests at once.

use super::event::{Alternate, Event, Failure, State, server_text};
use super::session::{Answer, Session, refreshed_after, silence};
use super::transaction::{Attempt, Due, Transaction};
use super::{ClientConfig, EvenPort, Moment};
use rtcscope::proto::stun::{AttributeType, Builder, Message, Method, Value};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// REQUESTED-TRANSPORT (RFC 8656, section 18.8; RFC 6062, section 4.1): protocol numbers of IP.
const UDP: u8 = 17;
const TCP: u8 = 6;
/// Bytes of the longest user name (RFC 8489, section 14.3: fewer than 509).
const USERNAME_LEN: usize = 508;
const SOFTWARE: &str = concat!("turnload ", env!("CARGO_PKG_VERSION"));

/// What the request in flight is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Allocate,
    Refresh,
    Close,
}

#[derive(Debug)]
struct Control {
    purpose: Purpose,
    transaction: Transaction,
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) state: State,
    pub(super) relayed: Option<SocketAddr>,
    pub(super) mapped: Option<SocketAddr>,
    pub(super) reservation: Option<[u8; 8]>,
    control: Option<Box<Control>>,
    started: Moment,
    lifetime: Duration,
    refresh_at: Moment,
    expires_at: Moment,
    /// Wanted closed before it was there.
    unwanted: bool,
}

impl Allocation {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Idle,
            relayed: None,
            mapped: None,
            reservation: None,
            control: None,
            started: Moment::START,
            lifetime: Duration::ZERO,
            refresh_at: Moment::START,
            expires_at: Moment::START,
            unwanted: false,
        }
    }

    pub(super) fn allocate(&mut self, session: &mut Session, events: &mut VecDeque<Event>, now: Moment) {
        if self.state != State::Idle {
            return;
        }
        self.state = State::Allocating;
        self.started = now;
        if session.config.credentials.as_ref().is_some_and(|login| login.user.len() > USERNAME_LEN) {
            return self.end(
                State::Failed,
                Event::Failed(Failure::Protocol("a user name of more than 508 bytes")),
                events,
            );
        }
        self.ask(Purpose::Allocate, Attempt::default(), session, now);
    }

    pub(super) fn close(&mut self, session: &mut Session, events: &mut VecDeque<Event>, now: Moment) {
        let asked = self.control.as_ref().is_some_and(|control| control.purpose == Purpose::Allocate);
        match self.state {
            State::Allocating if asked => self.unwanted = true,
            State::Idle | State::Allocating => self.end(State::Closed, Event::Closed, events),
            State::Up => {
                self.state = State::Closing;
                self.ask(Purpose::Close, Attempt::default(), session, now);
            }
            State::Closing | State::Closed | State::Failed => {}
        }
    }

    /// Deletes what may yet be granted: behind the request, which the server has not read or not answered.
    pub(super) fn withdraw(&mut self, session: &mut Session, now: Moment) {
        let may_be_granted = self.control.as_ref().is_some_and(|control| {
            let signed = control.transaction.authenticated || session.config.credentials.is_none();
            control.purpose == Purpose::Allocate && signed
        });
        if self.state == State::Allocating && may_be_granted {
            self.state = State::Closing;
            // Nobody said until when it lives.
            self.expires_at = Moment::from_nanos(u64::MAX);
            self.ask(Purpose::Close, Attempt::default(), session, now);
        }
    }

    fn ask(&mut self, purpose: Purpose, attempt: Attempt, session: &mut Session, now: Moment) {
        let transaction = match purpose {
            Purpose::Allocate => session.request(Method::ALLOCATE, attempt, now, allocate_attributes),
            Purpose::Refresh => session.request(Method::REFRESH, attempt, now, lifetime_attribute),
            Purpose::Close => session.request(Method::REFRESH, attempt, now, |request, _| {
                request.attribute(AttributeType::LIFETIME, &Value::U32(0))
            }),
        };
        self.control = Some(Box::new(Control { purpose, transaction }));
    }

    pub(super) fn transaction(&mut self) -> Option<&mut Transaction> {
        self.control.as_mut().map(|control| &mut control.transaction)
    }

    /// Reads an answer to the request in flight; false where it is not the server's.
    pub(super) fn answered(
        &mut self,
        message: &Message<'_>,
        session: &mut Session,
        events: &mut VecDeque<Event>,
        now: Moment,
    ) -> bool {
        let Some(mut control) = self.control.take() else { return false };
        match session.answer(&mut control.transaction, message) {
            Answer::Forged => {
                self.control = Some(control);
                return false;
            }
            Answer::Again(attempt) => self.ask(control.purpose, attempt, session, now),
            Answer::Success => self.succeeded(&control, message, session, events, now),
            Answer::Failure(failure) => {
                let server = message.address(AttributeType::ALTERNATE_SERVER);
                let domain = message.attribute_bytes(AttributeType::ALTERNATE_DOMAIN).map(server_text);
                let alternate = server.map(|server| Alternate { server, domain });
                self.refused(control.purpose, failure, alternate, events);
            }
        }
        true
    }

    fn succeeded(
        &mut self,
        control: &Control,
        message: &Message<'_>,
        session: &mut Session,
        events: &mut VecDeque<Event>,
        now: Moment,
    ) {
        let lifetime = match message.value(AttributeType::LIFETIME) {
            Some(Value::U32(seconds)) => Some(Duration::from_secs(seconds.into())),
            _ => None,
        };
        match control.purpose {
            Purpose::Allocate => {
                let relayed = message.address(AttributeType::XOR_RELAYED_ADDRESS);
                let (Some(relayed), Some(lifetime)) = (relayed, lifetime.filter(|lifetime| !lifetime.is_zero())) else {
                    let why = "an Allocate success response without XOR-RELAYED-ADDRESS or LIFETIME";
                    return self.end(State::Failed, Event::Failed(Failure::Protocol(why)), events);
                };
                self.relayed = Some(relayed);
                self.mapped = message.address(AttributeType::XOR_MAPPED_ADDRESS);
                self.reservation =
                    message.attribute_bytes(AttributeType::RESERVATION_TOKEN).and_then(|token| token.try_into().ok());
                self.granted(lifetime, control.transaction.sent);
                self.state = State::Up;
                events.push_back(Event::Allocated { latency: now.since(self.started), lifetime });
                if self.unwanted {
                    self.close(session, events, now);
                }
            }
            Purpose::Refresh => {
                let lifetime = lifetime.unwrap_or(self.lifetime);
                if lifetime.is_zero() {
                    let why = Failure::Protocol("a Refresh success response with a lifetime of zero");
                    return self.end(State::Failed, Event::Lost(why), events);
                }
                self.granted(lifetime, control.transaction.sent);
                session.counters.refreshes += 1;
                events.push_back(Event::Refreshed);
            }
            Purpose::Close => self.end(State::Closed, Event::Closed, events),
        }
    }

    fn granted(&mut self, lifetime: Duration, since: Moment) {
        self.lifetime = lifetime;
        self.refresh_at = since.plus(refreshed_after(lifetime));
        self.expires_at = since.plus(lifetime);
    }

    fn refused(
        &mut self,
        purpose: Purpose,
        failure: Failure,
        alternate: Option<Alternate>,
        events: &mut VecDeque<Event>,
    ) {
        match (purpose, &failure, alternate) {
            (Purpose::Allocate, Failure::Code { code: 300, .. }, Some(alternate)) => {
                self.end(State::Failed, Event::Redirected(alternate), events);
            }
            (Purpose::Allocate, ..) => self.end(State::Failed, Event::Failed(failure), events),
            (Purpose::Refresh, ..) => self.end(State::Failed, Event::Lost(failure), events),
            (Purpose::Close, ..) => self.end(State::Closed, Event::Closed, events),
        }
    }

    /// The server was heard to know of no allocation, or not heard at all.
    pub(super) fn lost(&mut self, failure: Failure, events: &mut VecDeque<Event>) {
        match (self.state, &failure) {
            (State::Closing, Failure::Code { .. }) => self.end(State::Closed, Event::Closed, events),
            (State::Closing, _) => self.end(State::Closed, Event::Undeleted, events),
            _ => self.end(State::Failed, Event::Lost(failure), events),
        }
    }

    fn end(&mut self, state: State, event: Event, events: &mut VecDeque<Event>) {
        self.state = state;
        self.control = None;
        events.push_back(event);
    }

    pub(super) fn due(&self) -> Option<Moment> {
        let alive = matches!(self.state, State::Up | State::Closing);
        let expiry = alive.then_some(self.expires_at);
        let next = match &self.control {
            Some(control) => Some(control.transaction.due()),
            None => (self.state == State::Up).then_some(self.refresh_at),
        };
        expiry.into_iter().chain(next).min()
    }

    pub(super) fn handle_timeout(&mut self, session: &mut Session, events: &mut VecDeque<Event>, now: Moment) {
        if matches!(self.state, State::Up | State::Closing) && now >= self.expires_at {
            return self.lost(Failure::Timeout { method: Method::REFRESH }, events);
        }
        if let Some(control) = &mut self.control {
            match control.transaction.handle_timeout(now) {
                Due::Nothing => {}
                Due::Retransmission => session.counters.retransmissions += 1,
                Due::GivingUp => {
                    let failure = silence(&control.transaction);
                    match control.purpose {
                        Purpose::Allocate => self.end(State::Failed, Event::Failed(failure), events),
                        Purpose::Refresh | Purpose::Close => self.lost(failure, events),
                    }
                }
            }
        } else if self.state == State::Up && now >= self.refresh_at {
            self.ask(Purpose::Refresh, Attempt::default(), session, now);
        }
    }
}

fn allocate_attributes<'v>(request: Builder<'v>, config: &ClientConfig) -> Builder<'v> {
    let transport = if config.tcp_relay { TCP } else { UDP };
    let mut request = request
        .attribute(AttributeType::SOFTWARE, &Value::Text(SOFTWARE.as_bytes()))
        .attribute(AttributeType::REQUESTED_TRANSPORT, &Value::U8(transport));
    if let Some(token) = &config.reservation_token {
        request = request.attribute(AttributeType::RESERVATION_TOKEN, &Value::Bytes(token));
    } else {
        if let Some(family) = config.family {
            request = request.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &Value::Family(family));
        }
        if config.even_port != EvenPort::No {
            let next_too = config.even_port == EvenPort::Reserve;
            request = request.attribute(AttributeType::EVEN_PORT, &Value::EvenPort(next_too));
        }
    }
    if config.dont_fragment {
        request = request.attribute(AttributeType::DONT_FRAGMENT, &Value::Flag);
    }
    lifetime_attribute(request, config)
}

fn lifetime_attribute<'v>(request: Builder<'v>, config: &ClientConfig) -> Builder<'v> {
    match config.lifetime {
        Some(lifetime) => {
            let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
            request.attribute(AttributeType::LIFETIME, &Value::U32(seconds))
        }
        None => request,
    }
}
