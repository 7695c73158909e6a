//! What all shards know, and how they are told to end.
//!
//! In: what the wiring decided. Out: shared values. Never: changed while the load runs, but for the word to end.

use super::clock::RunClock;
use super::wire::Transport;
use crate::client::{ClientConfig, DataPath, EvenPort, Family};
use crate::clock::Moment;
use crate::credentials::Identity;
use crate::media::Parts;
use crate::scenario::Scenario;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

/// A load, ready to be driven.
pub(crate) struct Plan {
    pub(crate) clock: RunClock,
    /// Time since 1970 when the run began: REST credentials are made of it.
    pub(crate) unix_start: Duration,
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    /// To send from in turn; the system's choice where empty.
    pub(crate) source_ips: Vec<IpAddr>,
    /// The server may send us to another one that is no neighbour.
    pub(crate) may_leave: bool,
    pub(crate) identity: Identity,
    pub(crate) family: Option<Family>,
    pub(crate) even_port: EvenPort,
    pub(crate) dont_fragment: bool,
    pub(crate) path: DataPath,
    /// To ask for; the server's default where none.
    pub(crate) lifetime: Option<Duration>,
    /// Of permissions and channels on this server.
    pub(crate) permission_lifetime: Duration,
    pub(crate) tcp_relay: bool,
    /// Leave allocations to expire.
    pub(crate) abandon: bool,
    pub(crate) far_end: FarEnd,
    pub(crate) parts: Parts,
    /// Packets of each stream.
    pub(crate) messages: Option<u64>,
    pub(crate) scenario: Scenario,
    /// Media before this does not count in the end.
    pub(crate) measured_from: Option<Moment>,
    pub(crate) seed: u64,
    /// Tells the packets of this run from those of others.
    pub(crate) run: u32,
    pub(crate) shards: u32,
    pub(crate) signal: Signal,
}

/// Where the media goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FarEnd {
    /// To a reflector.
    Peer(SocketAddr),
    /// To the relay of another allocation, and back from it.
    Pairs,
}

impl Plan {
    /// What allocation `id` asks for, when it begins at `now` since the run began.
    pub(crate) fn client(
        &self,
        id: u32,
        attempt: u32,
        since_start: Duration,
        reservation_token: Option<[u8; 8]>,
    ) -> ClientConfig {
        ClientConfig {
            credentials: self.identity.login(self.unix_start + since_start),
            family: self.family,
            even_port: self.even_port,
            reservation_token,
            dont_fragment: self.dont_fragment,
            lifetime: self.lifetime,
            permission_lifetime: self.permission_lifetime,
            reliable: self.transport.is_reliable(),
            path: self.path,
            tcp_relay: self.tcp_relay,
            seed: self.seed
                ^ u64::from(self.run)
                ^ (u64::from(id) << 32 | u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// Each second allocation gets the port that the one before reserved.
    pub(super) fn reserves(&self) -> bool {
        self.even_port == EvenPort::Reserve
    }

    /// Allocations send to each other.
    pub(super) fn is_paired(&self) -> bool {
        self.far_end == FarEnd::Pairs
    }

    /// Two of them belong together.
    pub(super) fn is_in_twos(&self) -> bool {
        self.is_paired() || self.reserves()
    }

    /// From where allocation `id` sends.
    pub(super) fn source(&self, id: u32) -> Option<IpAddr> {
        let at = (id as usize).checked_rem(self.source_ips.len())?;
        self.source_ips.get(at).copied()
    }
}

/// How far the run is; goes forward only.
#[derive(Default)]
pub(crate) struct Signal(AtomicU8);

const DRAIN: u8 = 1;
const STOP: u8 = 2;

impl Signal {
    /// No more media, delete what is there.
    pub(crate) fn drain(&self) {
        self.0.fetch_max(DRAIN, Relaxed);
    }

    /// At once.
    pub(crate) fn stop(&self) {
        self.0.fetch_max(STOP, Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.0.load(Relaxed) >= DRAIN
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.load(Relaxed) >= STOP
    }
}
