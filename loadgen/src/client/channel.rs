//! Peers: their permissions and channels (RFC 8656, sections 9, 10 and 12), and the data to and from them.
//!
//! In: addresses, answers, the time. Out: requests that keep a peer reachable, and the bytes around data. Never: a channel
//! number for two peers.
//!
//! With [`DataPath::Channels`] a ChannelBind does it all: it makes and prolongs the permission as well (RFC 8656, section
//! 12.2), so that it is sent at the pace of permissions and no CreatePermission beside it.

use super::event::{Event, Failure, PeerId};
use super::session::{Answer, Session, refreshed_after, silence};
use super::transaction::{Attempt, Due, Transaction};
use super::{ClientConfig, DataPath, Moment};
use rtcscope::proto::channel_data::{self, ChannelNumber};
use rtcscope::proto::stun::{AttributeType, Builder, Class, Message, Method, Value};
use std::net::SocketAddr;
use std::time::Duration;

/// As many as there are channel numbers (RFC 8656, section 12).
pub(super) const MAX_PEERS: usize = (ChannelNumber::MAX.number() - ChannelNumber::MIN.number()) as usize + 1;
/// RFC 8656, section 9: 5 minutes.
pub const PERMISSION_LIFETIME: Duration = Duration::from_mins(5);
/// Bytes of an attribute before its value.
const ATTRIBUTE_HEADER_LEN: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// The allocation is not there yet.
    Waiting,
    Opening,
    Ready,
    Refused,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    standing: Standing,
    renew_at: Moment,
    transaction: Option<Box<Transaction>>,
}

/// What an answer meant to the peer that had asked.
#[derive(Debug)]
pub(super) enum Outcome {
    Handled,
    Ignored,
    /// The server knows of no allocation.
    NoAllocation(Failure),
}

impl Peer {
    pub(super) const fn waiting(address: SocketAddr) -> Self {
        Self { address, standing: Standing::Waiting, renew_at: Moment::START, transaction: None }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    pub(super) fn transaction(&mut self) -> Option<&mut Transaction> {
        self.transaction.as_deref_mut()
    }

    /// The first request, once the allocation is there.
    pub(super) fn open(&mut self, id: PeerId, session: &mut Session, now: Moment) {
        if self.standing == Standing::Waiting {
            self.standing = Standing::Opening;
            self.ask(id, Attempt::default(), session, now);
        }
    }

    /// Nothing more is asked for, and nothing sent.
    pub(super) fn end(&mut self) {
        self.standing = Standing::Refused;
        self.transaction = None;
    }

    fn ask(&mut self, id: PeerId, attempt: Attempt, session: &mut Session, now: Moment) {
        let peer = Value::Address(self.address);
        let transaction = match session.config.path {
            // RFC 6062, section 4: such an allocation has permissions, and no channels.
            DataPath::Channels if !session.config.tcp_relay => {
                session.request(Method::CHANNEL_BIND, attempt, now, |request, _| {
                    request
                        .attribute(AttributeType::CHANNEL_NUMBER, &Value::U16(channel(id).number()))
                        .attribute(AttributeType::XOR_PEER_ADDRESS, &peer)
                })
            }
            _ => session.request(Method::CREATE_PERMISSION, attempt, now, |request, _| {
                request.attribute(AttributeType::XOR_PEER_ADDRESS, &peer)
            }),
        };
        self.transaction = Some(Box::new(transaction));
    }

    /// Reads an answer to the request in flight.
    pub(super) fn answered(
        &mut self,
        id: PeerId,
        message: &Message<'_>,
        session: &mut Session,
        now: Moment,
        events: &mut impl Extend<Event>,
    ) -> Outcome {
        let Some(mut transaction) = self.transaction.take() else { return Outcome::Ignored };
        match session.answer(&mut transaction, message) {
            Answer::Forged => {
                self.transaction = Some(transaction);
                return Outcome::Ignored;
            }
            Answer::Again(attempt) => self.ask(id, attempt, session, now),
            Answer::Success => {
                self.renew_at = transaction.sent.plus(refreshed_after(session.config.permission_lifetime));
                if self.standing == Standing::Ready {
                    session.counters.renewals += 1;
                } else {
                    self.standing = Standing::Ready;
                    events.extend([Event::PeerReady(id)]);
                }
            }
            Answer::Failure(failure @ Failure::Code { code: 437, .. }) => return Outcome::NoAllocation(failure),
            Answer::Failure(failure) => {
                self.end();
                events.extend([Event::PeerRefused(id, failure)]);
            }
        }
        Outcome::Handled
    }

    pub(super) fn due(&self) -> Option<Moment> {
        match &self.transaction {
            Some(transaction) => Some(transaction.due()),
            None => self.is_ready().then_some(self.renew_at),
        }
    }

    pub(super) fn handle_timeout(
        &mut self,
        id: PeerId,
        session: &mut Session,
        now: Moment,
        events: &mut impl Extend<Event>,
    ) {
        let Some(transaction) = &mut self.transaction else {
            if self.is_ready() && now >= self.renew_at {
                self.ask(id, Attempt::default(), session, now);
            }
            return;
        };
        match transaction.handle_timeout(now) {
            Due::Nothing => {}
            Due::Retransmission => session.counters.retransmissions += 1,
            Due::GivingUp => {
                let failure = silence(transaction);
                self.end();
                events.extend([Event::PeerRefused(id, failure)]);
            }
        }
    }
}

/// The channel of a peer. [`MAX_PEERS`] keeps it in the range.
fn channel(id: PeerId) -> ChannelNumber {
    ChannelNumber::new(ChannelNumber::MIN.number() + id.0).unwrap_or(ChannelNumber::MAX)
}

/// The peer of a channel, which may not have been opened.
pub(super) fn peer_of(channel: ChannelNumber) -> Option<PeerId> {
    channel.number().checked_sub(ChannelNumber::MIN.number()).map(PeerId)
}

/// Appends a ChannelData header.
pub(super) fn wrap_channel_data(id: PeerId, payload_len: usize, out: &mut Vec<u8>) -> Option<()> {
    let len = u16::try_from(payload_len).ok()?;
    out.extend_from_slice(&channel_data::header(channel(id), len));
    Some(())
}

/// Appends a Send indication up to the value of its DATA.
pub(super) fn wrap_indication(
    peer: SocketAddr,
    payload_len: usize,
    session: &mut Session,
    out: &mut Vec<u8>,
) -> Option<()> {
    let data_len = u16::try_from(payload_len).ok()?;
    let start = out.len();
    let id = session.transaction_id();
    let ClientConfig { dont_fragment, .. } = session.config;
    let mut builder = Builder::new(out, Class::Indication, Method::SEND, id)
        .attribute(AttributeType::XOR_PEER_ADDRESS, &Value::Address(peer));
    if dont_fragment {
        builder = builder.attribute(AttributeType::DONT_FRAGMENT, &Value::Flag);
    }
    let written = builder.finish().ok()?;
    let body = written - rtcscope::proto::stun::HEADER_LEN + ATTRIBUTE_HEADER_LEN + payload_len.next_multiple_of(4);
    let (Ok(length), Some(field)) = (u16::try_from(body), out.get_mut(start + 2..start + 4)) else {
        out.truncate(start);
        return None;
    };
    field.copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&AttributeType::DATA.0.to_be_bytes());
    out.extend_from_slice(&data_len.to_be_bytes());
    Some(())
}
