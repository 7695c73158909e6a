//! One allocation on a TURN server (RFC 8656), as a value: no socket, no clock, no thread.
//!
//! In: messages of the server and the time. Out: messages to send, when to be called again, and what happened. Never: IO,
//! an own idea of the time, a panic on whatever the server sends.
//!
//! After each call that takes `now`, [`Client::poll_transmit`] and [`Client::poll_event`] are drained, and
//! [`Client::poll_timeout`] says when [`Client::handle_timeout`] is due.

#![forbid(unsafe_code)]

mod event;

pub use event::{Counters, Event, Failure, Input, PeerId, State};
pub use rtcscope::proto::stun::Family;

use crate::clock::Moment;
use crate::credentials::Login;
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
    config: ClientConfig,
    state: State,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Client {
    /// Nothing is sent before [`Self::allocate`].
    pub fn new(config: ClientConfig) -> Self {
        Self { config, state: State::Idle, events: VecDeque::new(), counters: Counters::default() }
    }

    /// Asks for the allocation; does nothing where that was done.
    pub fn allocate(&mut self, _now: Moment) {
        if self.state == State::Idle {
            self.state = State::Failed;
            self.events.push_back(Event::Failed(Failure::Protocol("not part of this version")));
        }
    }

    /// Takes one datagram, or one message of a stream with its padding.
    pub fn handle_input<'b>(&mut self, _message: &'b [u8], _now: Moment) -> Input<'b> {
        Input::Ignored
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Moment) {}

    /// Appends one message to send; false where there is none.
    pub fn poll_transmit(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Moment> {
        None
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Makes a permission for the peer, with a channel where the path wants one. May be called before the allocation is
    /// there. The same address gives the same peer.
    pub fn open_peer(&mut self, _peer: SocketAddr, _now: Moment) -> PeerId {
        PeerId(0)
    }

    /// Appends what goes before `payload_len` bytes of payload. The payload is to be appended then, and
    /// [`Self::finish_wrap`] called. `None`, and nothing appended, where the peer is not ready or the payload too long.
    pub fn wrap(&mut self, _peer: PeerId, _payload_len: usize, _out: &mut Vec<u8>) -> Option<()> {
        None
    }

    /// Appends what goes behind the payload. `start` is where the message begins: the length of `out` before
    /// [`Self::wrap`].
    pub fn finish_wrap(&self, out: &mut Vec<u8>, start: usize) {
        if self.config.reliable || self.config.path == DataPath::Indications {
            let len = out.len().saturating_sub(start);
            out.resize(out.len() + len.wrapping_neg() % 4, 0);
        }
    }

    /// Deletes the allocation. One that is still asked for is deleted as soon as it is there.
    pub fn close(&mut self, _now: Moment) {
        self.state = State::Closed;
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The relayed address, from `Allocated` on.
    pub const fn relayed(&self) -> Option<SocketAddr> {
        None
    }

    /// Our address as the server sees it, from `Allocated` on.
    pub const fn mapped(&self) -> Option<SocketAddr> {
        None
    }

    /// RESERVATION-TOKEN, where the next port was to be kept; from `Allocated` on.
    pub const fn reservation(&self) -> Option<[u8; 8]> {
        None
    }

    /// What it did so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
