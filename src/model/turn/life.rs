//! What happens to an allocation over time: what it is granted, for how long, and what is sent without.
//!
//! In: grants, refusals, data. Out: events and strays of the allocation. Never: a stray where the capture began after the
//! allocation, whose grants nobody saw then.

use super::MAX_ERRORS;
use super::allocation::{Allocation, ExpiredInUse};
use crate::net::{Addr, Carrier, Endpoint};
use crate::packet::FrameNo;
use crate::proto::stun::Method;
use crate::time::{NANOS_PER_SEC, Timestamp};

/// Bounds per allocation.
const MAX_EVENTS: usize = 256;
const MAX_STRAYS: usize = 64;
/// Lifetime of a permission (RFC 8656, section 9), and of a channel (section 12).
pub(super) const PERMISSION_NANOS: i64 = 300 * NANOS_PER_SEC;
pub(super) const CHANNEL_NANOS: i64 = 600 * NANOS_PER_SEC;
/// A server that serves beyond the end of a lifetime by more than this did not let it end: a refresh was not captured, or
/// its lifetimes are longer.
const LATE_NANOS: i64 = 5 * NANOS_PER_SEC;

/// A permission or the binding of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Time of the success response.
    pub since: Timestamp,
    /// When it runs out by the lifetime of RFC 8656; none where the server was seen to serve it longer.
    pub expires: Option<Timestamp>,
    /// How often it was granted.
    pub times: u64,
}

impl Grant {
    pub(super) fn again(known: Option<Self>, now: Timestamp, lifetime: i64) -> Self {
        let (since, times) = known.map_or((now, 0), |known| (known.since, known.times));
        Self { since, expires: Some(now.plus_nanos(lifetime)), times: times + 1 }
    }

    fn has_run_out(self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires < now)
    }

    /// The server served it.
    fn served(&mut self, now: Timestamp) {
        self.expires = self.expires.filter(|expires| now.nanos_since(*expires) <= LATE_NANOS);
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeEvent {
    /// When.
    pub ts: Timestamp,
    /// The frame that tells of it.
    pub frame: FrameNo,
    /// What.
    pub change: LifeChange,
}

/// What happened to an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeChange {
    /// The server asked for credentials, or for a new nonce.
    Challenged {
        /// 401 or 438.
        code: u16,
        /// What had been asked.
        method: Method,
    },
    /// The server refused something.
    Refused {
        /// The error code.
        code: u16,
        /// What had been asked.
        method: Method,
        /// The first peer that the request named.
        peer: Option<Addr>,
    },
    /// It came to be, for this many seconds.
    Created(u32),
    /// It was prolonged for this many seconds.
    Refreshed(u32),
    /// It was taken along to this five-tuple (RFC 8016), for this many seconds.
    Moved(u32),
    /// A permission was granted for the first time.
    Permitted(Addr),
    /// A channel was bound for the first time.
    Bound(u16, Endpoint),
    /// The client deleted it.
    Deleted,
}

impl LifeChange {
    /// The report's word.
    pub const fn name(&self) -> &'static str {
        match self {
            LifeChange::Challenged { .. } => "challenged",
            LifeChange::Refused { .. } => "refused",
            LifeChange::Created(_) => "created",
            LifeChange::Refreshed(_) => "refreshed",
            LifeChange::Moved(_) => "moved",
            LifeChange::Permitted(_) => "permitted",
            LifeChange::Bound(..) => "bound",
            LifeChange::Deleted => "deleted",
        }
    }
}

/// To whom data was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayTarget {
    /// To a peer, by Send indication.
    Peer(Addr),
    /// On a channel.
    Channel(u16),
}

/// Data of the client that the server has no leave to relay, by target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Where to.
    pub target: StrayTarget,
    /// True where there had been a permission or binding, which had run out.
    pub expired: bool,
    /// How many.
    pub packets: u64,
    /// The first of them.
    pub first_frame: FrameNo,
}

impl Allocation {
    pub(super) fn happened(&mut self, carrier: &Carrier, change: LifeChange) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(LifeEvent { ts: carrier.ts, frame: carrier.frame, change });
        }
    }

    /// The client sends data to a peer.
    pub(super) fn sends_to(&mut self, carrier: &Carrier, peer: Addr) {
        self.used(carrier);
        let grant = self.permissions.get(&peer).copied();
        let is_asked_for = self.awaited.contains(&peer);
        self.strays_unless(grant, is_asked_for, StrayTarget::Peer(peer), carrier);
    }

    /// The client sends data on a channel, which it has asked to be bound to `peer`.
    pub(super) fn sends_on(&mut self, carrier: &Carrier, number: u16, peer: Option<Endpoint>) {
        self.used(carrier);
        let grant = self.channels.get(&number).and_then(|channel| channel.grant);
        let is_asked_for = peer.is_some_and(|peer| self.awaited.contains(&peer.addr));
        self.strays_unless(grant, is_asked_for, StrayTarget::Channel(number), carrier);
    }

    /// What a second attempt on the five-tuple turned out to say of this one.
    pub(super) fn take_over(&mut self, unborn: Allocation) {
        self.errors.extend(unborn.errors);
        self.errors.truncate(MAX_ERRORS);
        self.events.extend(unborn.events);
        self.events.truncate(MAX_EVENTS);
        self.traffic.to_server.merge(unborn.traffic.to_server);
        self.traffic.to_client.merge(unborn.traffic.to_client);
    }

    fn strays_unless(&mut self, grant: Option<Grant>, is_asked_for: bool, target: StrayTarget, carrier: &Carrier) {
        let expired = match grant {
            Some(grant) if grant.has_run_out(carrier.ts) => true,
            None => false,
            Some(_) => return,
        };
        if is_asked_for || self.created_ts.is_none() || self.deleted.is_some() || self.not_kept > 0 {
            return;
        }
        let known = self.strays.iter_mut().find(|stray| (stray.target, stray.expired) == (target, expired));
        if let Some(known) = known {
            known.packets += 1;
        } else if self.strays.len() < MAX_STRAYS {
            self.strays.push(Stray { target, expired, packets: 1, first_frame: carrier.frame });
        }
    }

    /// The server hands over data of a peer, on a channel or not: whatever that takes was there.
    pub(super) fn served(&mut self, carrier: &Carrier, peer: Option<Addr>, number: Option<u16>) {
        self.still_lives(carrier.ts);
        if let Some(grant) = peer.and_then(|peer| self.permissions.get_mut(&peer)) {
            grant.served(carrier.ts);
        }
        let channel = number.and_then(|number| self.channels.get_mut(&number));
        if let Some(grant) = channel.and_then(|channel| channel.grant.as_mut()) {
            grant.served(carrier.ts);
        }
    }

    /// The client goes on to use it.
    pub(super) fn used(&mut self, carrier: &Carrier) {
        let Some(expired_ts) = self.expires.filter(|expires| carrier.ts > *expires && self.deleted.is_none()) else {
            return;
        };
        let in_use = self.expired_in_use.get_or_insert(ExpiredInUse {
            expired_ts,
            packets: 0,
            first_frame: carrier.frame,
            last_ts: carrier.ts,
            missed_refresh: self.refreshing,
        });
        in_use.packets += 1;
        in_use.last_ts = carrier.ts;
    }

    /// The server does what it does for living allocations only.
    pub(super) fn still_lives(&mut self, now: Timestamp) {
        if self.expires.is_some_and(|expires| now.nanos_since(expires) > LATE_NANOS) {
            self.expires = None;
            self.expired_in_use = None;
        }
    }
}
