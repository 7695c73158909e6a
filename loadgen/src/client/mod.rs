//! One allocation on a TURN server (RFC 8656), as a value: no socket, no clock, no thread.
//!
//! In: messages of the server and the time. Out: messages to send, when to be called again, and what happened. Never: IO,
//! an own idea of the time, a panic on whatever the server sends.
//!
//! After each call that takes `now`, [`Client::poll_transmit`] and [`Client::poll_event`] are drained, and
//! [`Client::poll_timeout`] says when [`Client::handle_timeout`] is due.

#![forbid(unsafe_code)]

mod allocation;
mod auth;
mod channel;
mod event;
mod session;
mod transaction;

#[cfg(test)]
mod tests;

pub(crate) use event::server_text;
pub use event::{Alternate, Counters, Event, Failure, Input, PeerId, State};
pub use rtcscope::proto::stun::Family;

use crate::clock::Moment;
use crate::credentials::Login;
use allocation::Allocation;
pub use channel::PERMISSION_LIFETIME;
use channel::{MAX_PEERS, Outcome, Peer};
use rtcscope::proto::channel_data::ChannelData;
use rtcscope::proto::stun::{AttributeType, Check, Class, Message, Method};
use session::Session;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// User and password, `None` where the server asks for none.
    pub credentials: Option<Arc<Login>>,
    /// REQUESTED-ADDRESS-FAMILY; the server's default where `None`.
    pub family: Option<Family>,
    /// EVEN-PORT.
    pub even_port: EvenPort,
    /// RESERVATION-TOKEN of an allocation before; [`Self::family`] and [`Self::even_port`] are not sent beside it
    /// (RFC 8656, section 7.1).
    pub reservation_token: Option<[u8; 8]>,
    /// DONT-FRAGMENT, in the Allocate request and in each Send indication.
    pub dont_fragment: bool,
    /// LIFETIME, whole seconds; the server's default where `None`.
    pub lifetime: Option<Duration>,
    /// How long permissions live, and how often channels are bound anew; [`PERMISSION_LIFETIME`] but for servers that
    /// are configured otherwise.
    pub permission_lifetime: Duration,
    /// TCP or TLS: nothing is retransmitted, ChannelData is padded.
    pub reliable: bool,
    /// How data goes to the peers.
    pub path: DataPath,
    /// REQUESTED-TRANSPORT TCP (RFC 6062). The connections of such an allocation are not made here.
    pub tcp_relay: bool,
    /// Of the transaction ids; another one for each client.
    pub seed: u64,
}

/// EVEN-PORT (RFC 8656, section 18.5).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EvenPort {
    /// Any port.
    #[default]
    No,
    /// An even one.
    Yes,
    /// An even one, and the next one kept for [`ClientConfig::reservation_token`].
    Reserve,
}

/// How data goes to the peers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum DataPath {
    /// ChannelData (RFC 8656, section 12).
    #[default]
    Channels,
    /// Send indications (RFC 8656, section 11).
    Indications,
}

/// One allocation.
#[derive(Debug)]
pub struct Client {
    session: Session,
    allocation: Allocation,
    peers: Vec<Peer>,
    events: VecDeque<Event>,
}

impl Client {
    /// Nothing is sent before [`Self::allocate`].
    pub fn new(config: ClientConfig) -> Self {
        let (session, allocation) = (Session::new(config), Allocation::new());
        Self { session, allocation, peers: Vec::new(), events: VecDeque::new() }
    }

    /// Asks for the allocation; does nothing where that was done.
    pub fn allocate(&mut self, now: Moment) {
        self.allocation.allocate(&mut self.session, &mut self.events, now);
        self.settle(now);
    }

    /// Takes one datagram, or one message of a stream with its padding.
    #[inline]
    pub fn handle_input<'b>(&mut self, message: &'b [u8], now: Moment) -> Input<'b> {
        match message.first().map(|first| first >> 6) {
            Some(0b01) => self.channel_data(message),
            Some(0b00) => self.stun(message, now),
            _ => Input::Ignored,
        }
    }

    fn channel_data<'b>(&self, message: &'b [u8]) -> Input<'b> {
        let Ok(message) = ChannelData::parse(message) else { return Input::Ignored };
        if message.data.len() < usize::from(message.declared) {
            return Input::Ignored;
        }
        let peer = channel::peer_of(message.channel).filter(|id| id.index() < self.peers.len());
        Input::Data { peer, payload: message.data }
    }

    fn stun<'b>(&mut self, bytes: &'b [u8], now: Moment) -> Input<'b> {
        let Ok(message) = Message::parse(bytes) else { return Input::Ignored };
        if message.is_rfc3489() || message.declared_len() > bytes.len() {
            return Input::Ignored;
        }
        match message.class() {
            Class::Request => Input::Ignored,
            Class::Indication => self.indication(&message),
            Class::SuccessResponse | Class::ErrorResponse => {
                let damaged = message.fingerprint() == Check::Wrong;
                if !damaged && self.answer(&message, now) { Input::Handled } else { Input::Ignored }
            }
        }
    }

    fn indication<'b>(&self, message: &Message<'b>) -> Input<'b> {
        let address = message.address(AttributeType::XOR_PEER_ADDRESS);
        let payload = message.attribute_bytes(AttributeType::DATA);
        let (Method::DATA, Some(address), Some(payload)) = (message.method(), address, payload) else {
            return Input::Ignored;
        };
        Input::Data { peer: self.peer_at(address), payload }
    }

    fn peer_at(&self, address: SocketAddr) -> Option<PeerId> {
        let index = self.peers.iter().position(|peer| peer.address == address)?;
        u16::try_from(index).ok().map(PeerId)
    }

    /// False for an answer that nobody waits for, or that is not the server's.
    fn answer(&mut self, message: &Message<'_>, now: Moment) -> bool {
        let Self { session, allocation, peers, events } = self;
        if allocation.transaction().is_some_and(|transaction| transaction.is_answered_by(message)) {
            let handled = allocation.answered(message, session, events, now);
            self.settle(now);
            return handled;
        }
        let asked = |peer: &mut Peer| peer.transaction().is_some_and(|transaction| transaction.is_answered_by(message));
        let Some((id, peer)) = identified(peers).find_map(|(id, peer)| asked(peer).then_some((id, peer))) else {
            return false;
        };
        match peer.answered(id, message, session, now, events) {
            Outcome::Ignored => return false,
            Outcome::Handled => {}
            Outcome::NoAllocation(failure) => {
                allocation.lost(failure, events);
                self.settle(now);
            }
        }
        true
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.allocation.handle_timeout(&mut self.session, &mut self.events, now);
        self.settle(now);
        for (id, peer) in identified(&mut self.peers) {
            peer.handle_timeout(id, &mut self.session, now, &mut self.events);
        }
    }

    /// Lets the peers follow the allocation.
    fn settle(&mut self, now: Moment) {
        match self.allocation.state {
            State::Idle | State::Allocating => {}
            State::Up => identified(&mut self.peers).for_each(|(id, peer)| peer.open(id, &mut self.session, now)),
            State::Closing | State::Closed | State::Failed => self.peers.iter_mut().for_each(Peer::end),
        }
    }

    /// Appends one message to send; false where there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let peers = self.peers.iter_mut().filter_map(Peer::transaction);
        self.allocation.transaction().into_iter().chain(peers).any(|transaction| transaction.transmit(out))
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.peers.iter().filter_map(Peer::due).chain(self.allocation.due()).min()
    }

    /// What happened since, the oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // Events are rare and allocations many: an empty queue keeps no memory.
            self.events = VecDeque::new();
        }
        event
    }

    /// Makes a permission for the peer, with a channel where the path wants one. May be called before the allocation is
    /// there. The same address gives the same peer. More than 4096 peers, or one after the end of the allocation, are
    /// refused by an event.
    pub fn open_peer(&mut self, peer: SocketAddr, now: Moment) -> PeerId {
        if let Some(id) = self.peer_at(peer) {
            return id;
        }
        let id = match u16::try_from(self.peers.len()) {
            Ok(index) if self.peers.len() < MAX_PEERS => PeerId(index),
            _ => {
                let failure = Failure::Protocol("more peers than there are channel numbers");
                self.events.push_back(Event::PeerRefused(PeerId(u16::MAX), failure));
                return PeerId(u16::MAX);
            }
        };
        // Most clients have one peer, and memory counts.
        if self.peers.is_empty() {
            self.peers.reserve_exact(1);
        }
        self.peers.push(Peer::waiting(peer));
        if matches!(self.allocation.state, State::Closing | State::Closed | State::Failed) {
            self.events.push_back(Event::PeerRefused(id, Failure::Protocol("a peer without an allocation")));
        }
        self.settle(now);
        id
    }

    /// Appends what goes before `payload_len` bytes of payload. The payload is to be appended then, and
    /// [`Self::finish_wrap`] called. `None`, and nothing appended, where the peer is not ready or the payload too long.
    #[inline]
    pub fn wrap(&mut self, peer: PeerId, payload_len: usize, out: &mut Vec<u8>) -> Option<()> {
        let ready = self.peers.get(peer.index()).filter(|peer| peer.is_ready())?;
        match self.session.config.path {
            // RFC 6062, section 4.3: connections of their own.
            _ if self.session.config.tcp_relay => None,
            DataPath::Channels => channel::wrap_channel_data(peer, payload_len, out),
            DataPath::Indications => channel::wrap_indication(ready.address, payload_len, &mut self.session, out),
        }
    }

    /// Appends what goes behind the payload. `start` is where the message begins: the length of `out` before
    /// [`Self::wrap`].
    #[inline]
    pub fn finish_wrap(&self, out: &mut Vec<u8>, start: usize) {
        if self.session.config.reliable || self.session.config.path == DataPath::Indications {
            let len = out.len().saturating_sub(start);
            out.resize(out.len() + len.wrapping_neg() % 4, 0);
        }
    }

    /// Deletes the allocation. One that is still asked for is deleted as soon as it is there.
    pub fn close(&mut self, now: Moment) {
        self.allocation.close(&mut self.session, &mut self.events, now);
        self.settle(now);
    }

    /// Does not wait for the answer to the Allocate request any longer. A server that only comes to it later finds the
    /// deletion behind it; where it would first ask who we are, nothing is sent.
    pub fn withdraw(&mut self, now: Moment) {
        self.allocation.withdraw(&mut self.session, now);
        self.settle(now);
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.allocation.state
    }

    /// The relayed address, from `Allocated` on.
    pub const fn relayed(&self) -> Option<SocketAddr> {
        self.allocation.relayed
    }

    /// Our address as the server sees it, from `Allocated` on.
    pub const fn mapped(&self) -> Option<SocketAddr> {
        self.allocation.mapped
    }

    /// RESERVATION-TOKEN, where the next port was to be kept; from `Allocated` on.
    pub const fn reservation(&self) -> Option<[u8; 8]> {
        self.allocation.reservation
    }

    /// What it did so far.
    pub const fn counters(&self) -> &Counters {
        &self.session.counters
    }
}

/// The peers with their ids; there are no more than 65,536 of them.
fn identified(peers: &mut [Peer]) -> impl Iterator<Item = (PeerId, &mut Peer)> {
    (0..=u16::MAX).map(PeerId).zip(peers)
}
