//! TURN between one client and one server: the allocations on one five-tuple, as RFC 8656 lets them live.
//!
//! In: each request and response with a TURN method, and how many data messages passed. Out: [`Allocation`]s, in
//! order. Never: the relayed side of the server, which is another five-tuple.

mod allocation;
mod life;

use super::flow::Direction;
use super::stun::Transaction;
use crate::net::{Addr, Carrier, Endpoint};
use crate::proto::stun::{AttributeType, Class, Message, Method, TransactionId, Value};
use crate::time::Timestamp;
pub use allocation::{Allocation, AllocationEnd, Channel, ExpiredInUse, Traffic, TurnError, Volume};
use life::{CHANNEL_NANOS, PERMISSION_NANOS};
pub use life::{Grant, LifeChange, LifeEvent, Stray, StrayTarget};
use std::collections::HashMap;

/// Bounds per five-tuple.
const MAX_ALLOCATIONS: usize = 1024;
const MAX_PENDING: usize = 1024;
const MAX_PERMISSIONS: usize = 4096;
/// As many as there ever were channel numbers for one allocation (RFC 5766, section 11).
const MAX_CHANNELS: usize = 1 << 14;
/// Bounds per allocation.
const MAX_ERRORS: usize = 256;
const MAX_TICKETS: usize = 64;
/// Characters of a name or a reason that are kept; RFC 8489 allows 508 bytes of a user name, 763 of the others.
const MAX_TEXT: usize = 763;
/// Lifetime that a server grants where it says none (RFC 8656, section 3.2).
const DEFAULT_LIFETIME_S: u32 = 600;
/// Ports of TURN servers (RFC 8656, section 17; RFC 7065, section 3.2 for TLS).
const SERVER_PORTS: [u16; 2] = [3478, 5349];

/// Allocation Mismatch (RFC 8656, section 18).
const MISMATCH: u16 = 437;

/// What a request asked for, until its response comes.
#[derive(Clone, Debug)]
enum Asked {
    Allocate,
    Refresh { ticket: Option<u64> },
    Permissions(Vec<Addr>),
    Channel { number: u16, peer: Endpoint },
    Connect,
}

impl Asked {
    /// The first peer that it names.
    fn peer(&self) -> Option<Addr> {
        match self {
            Asked::Permissions(addrs) => addrs.first().copied(),
            Asked::Channel { peer, .. } => Some(peer.addr),
            Asked::Allocate | Asked::Refresh { .. } | Asked::Connect => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Pending {
    asked: Asked,
    has_credentials: bool,
    /// Time of the first request.
    since: Timestamp,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnState {
    allocations: Vec<Allocation>,
    pending: HashMap<TransactionId, Pending, ahash::RandomState>,
    /// The last Allocate request: one with the same id is the same request once more.
    last_allocate: Option<TransactionId>,
    room: Room,
    /// What went over the five-tuple before any allocation was asked for.
    before: Traffic,
    pub(crate) dropped: u64,
}

/// What the allocations of a five-tuple may still keep together.
#[derive(Clone, Debug)]
struct Room {
    /// Peers that were asked for.
    bindings: usize,
    channels: usize,
    permissions: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { bindings: MAX_CHANNELS, channels: MAX_CHANNELS, permissions: MAX_PERMISSIONS }
    }
}

/// Takes a place for what is new; false where there is none.
const fn take_place(room: &mut usize, is_known: bool) -> bool {
    if is_known {
        return true;
    }
    let Some(rest) = room.checked_sub(1) else { return false };
    *room = rest;
    true
}

impl TurnState {
    /// True for the methods that belong to TURN (RFC 8656, section 17; RFC 6062, section 6.1).
    pub(crate) fn is_turn(method: Method) -> bool {
        [
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::CONNECT,
            Method::CONNECTION_BIND,
            Method::CONNECTION_ATTEMPT,
        ]
        .contains(&method)
    }

    /// Takes a request of the client.
    pub(crate) fn request(&mut self, direction: Direction, carrier: &Carrier, message: &Message<'_>) {
        let Some(asked) = asked(message) else { return };
        let is_allocate = matches!(asked, Asked::Allocate);
        if is_allocate && self.last_allocate.replace(message.transaction_id()) == Some(message.transaction_id()) {
            return;
        }
        if is_allocate {
            self.attempt(direction, carrier);
        }
        let is_new = !self.pending.contains_key(&message.transaction_id());
        if let Some(allocation) = self.meant_by(is_allocate).and_then(|index| self.allocations.get_mut(index)) {
            if is_new {
                allocation.asked(carrier, message.method(), &asked);
            }
            if let Asked::Channel { number, peer } = asked {
                // Known from here on: data may pass the response on its way.
                allocation.bind(number, peer, &mut self.room);
            }
            if let Some(username) = message.attribute_bytes(AttributeType::USERNAME) {
                allocation.username = Some(text(username));
            }
            if let Some(realm) = message.attribute_bytes(AttributeType::REALM) {
                allocation.realm = Some(text(realm));
            }
        }
        if self.pending.len() >= MAX_PENDING {
            // So many without an answer will not get one.
            self.pending.clear();
            self.allocations.iter_mut().for_each(|allocation| allocation.awaited.clear());
        }
        let has_credentials = message.find(AttributeType::USERNAME).is_some();
        let pending = || Pending { asked, has_credentials, since: carrier.ts };
        self.pending.entry(message.transaction_id()).or_insert_with(pending);
    }

    /// The allocation that a message is about: the newest, but while that is only asked for and the one before it
    /// lives, all but Allocate is about the latter.
    fn meant_by(&self, is_allocate: bool) -> Option<usize> {
        let newest = self.allocations.len().checked_sub(1)?;
        let unborn = self.allocations.get(newest).is_some_and(|allocation| !allocation.lives());
        let before =
            newest.checked_sub(1).filter(|before| self.allocations.get(*before).is_some_and(Allocation::lives));
        Some(if unborn && !is_allocate { before.unwrap_or(newest) } else { newest })
    }

    /// 437 says that the five-tuple has an allocation already (RFC 8656, section 7.2): where that one is known, there
    /// was no second one. What the server said of it counts for the first.
    fn forget_mismatch(&mut self) {
        let Some(unborn) = self.allocations.pop_if(|allocation| !allocation.lives()) else { return };
        match self.allocations.last_mut() {
            Some(living) if living.lives() => {
                self.room.bindings += unborn.bindings.len();
                living.not_kept += unborn.not_kept;
                living.take_over(unborn);
            }
            _ => self.allocations.push(unborn),
        }
    }

    fn attempt(&mut self, direction: Direction, carrier: &Carrier) {
        let begins = match self.allocations.last() {
            None => true,
            Some(last) => last.deleted.is_some() || last.created_ts.is_some() || last.failed,
        };
        if !begins {
            return;
        }
        if self.allocations.len() == MAX_ALLOCATIONS {
            self.dropped += 1;
            return;
        }
        let mut allocation = Allocation::new(direction, carrier.frame, carrier.ts);
        allocation.traffic = std::mem::take(&mut self.before);
        if direction == Direction::Backward {
            let Traffic { to_server, to_client, .. } = &mut allocation.traffic;
            std::mem::swap(to_server, to_client);
        }
        self.allocations.push(allocation);
    }

    /// Takes the server's response and the transaction that it completed.
    pub(crate) fn response(&mut self, carrier: &Carrier, message: &Message<'_>, transaction: &Transaction) {
        let pending = self.pending.remove(&message.transaction_id());
        if self.allocations.is_empty() {
            // The capture began after the Allocate: a success tells that there is an allocation.
            if message.class() != Class::SuccessResponse || transaction.method == Method::ALLOCATE {
                return;
            }
            self.attempt(transaction.from, carrier);
        }
        let is_allocate = transaction.method == Method::ALLOCATE;
        let meant = self.meant_by(is_allocate).and_then(|index| self.allocations.get_mut(index));
        let Some(allocation) = meant else { return };
        if is_allocate {
            allocation.asking = None;
        }
        if let Some(software) = message.attribute_bytes(AttributeType::SOFTWARE) {
            allocation.software = Some(text(software));
        }
        if let Some(realm) = message.attribute_bytes(AttributeType::REALM) {
            allocation.realm.get_or_insert_with(|| text(realm));
        }
        if let Some(peer) = pending.as_ref().and_then(|pending| pending.asked.peer()) {
            allocation.awaited.remove(&peer);
        }
        if message.class() == Class::ErrorResponse {
            allocation.refused(carrier, message, transaction.method, pending.as_ref());
            if is_allocate && message.error_code().is_some_and(|(code, _)| code == MISMATCH) {
                self.forget_mismatch();
            }
            return;
        }
        let Some(Pending { asked, since, .. }) = pending else { return };
        if let Some(ticket) = message.attribute_bytes(AttributeType::MOBILITY_TICKET)
            && allocation.tickets.len() < MAX_TICKETS
        {
            allocation.tickets.push(ticket_digest(ticket));
        }
        match asked {
            Asked::Allocate if allocation.created_ts.is_none() => allocation.created(carrier, message),
            Asked::Refresh { ticket } => allocation.refreshed(carrier, message, since, ticket, &mut self.room),
            Asked::Permissions(addrs) => {
                addrs.into_iter().for_each(|addr| allocation.permit(carrier, addr, &mut self.room));
            }
            Asked::Channel { number, peer } => {
                // RFC 8656, section 12.2: a binding installs the permission too.
                allocation.permit(carrier, peer.addr, &mut self.room);
                allocation.bound(carrier, number, peer, &mut self.room);
            }
            _ => {}
        }
    }

    /// Counts a message of the five-tuple, whatever it is; `bytes` are its own, without padding.
    pub(crate) fn passed(&mut self, direction: Direction, bytes: usize, padding: usize) {
        let Some(allocation) = self.allocations.last_mut() else {
            // Who the client is shows with the first request of TURN; what comes before is a question of the client.
            let Traffic { to_server, to_client, .. } = &mut self.before;
            (if direction == Direction::Forward { to_server } else { to_client }).add(bytes, padding);
            return;
        };
        let is_outward = allocation.client_direction == direction;
        let Traffic { to_server, to_client, .. } = &mut allocation.traffic;
        (if is_outward { to_server } else { to_client }).add(bytes, padding);
    }

    /// Counts a ChannelData message; gives the peer where its binding is known. `ports` are the sender's and the
    /// receiver's: where the capture began after the Allocate, the well-known port tells which side is the server.
    pub(crate) fn channel_data(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        ports: (u16, u16),
        (number, data_len): (u16, usize),
    ) -> Option<Endpoint> {
        if self.allocations.is_empty() {
            let from_server = SERVER_PORTS.contains(&ports.0) && !SERVER_PORTS.contains(&ports.1);
            self.attempt(if from_server { direction.opposite() } else { direction }, carrier);
        }
        let allocation = self.meant_by(false).and_then(|index| self.allocations.get_mut(index))?;
        let peer = allocation.bindings.get(&number).copied();
        let outward = allocation.client_direction == direction;
        if let Some(channel) = allocation.channel(number, &mut self.room) {
            channel.peer = channel.peer.or(peer);
            *(if outward { &mut channel.packets_out } else { &mut channel.packets_in }) += 1;
        }
        if outward {
            allocation.traffic.data_out.add(data_len, 0);
            allocation.sends_on(carrier, number, peer);
        } else {
            allocation.traffic.data_in.add(data_len, 0);
            allocation.served(carrier, peer.map(|peer| peer.addr), Some(number));
        }
        peer
    }

    /// Counts a Send or Data indication; `data_len` is none where there is no data in it.
    pub(crate) fn indication(
        &mut self,
        carrier: &Carrier,
        method: Method,
        peer: Option<Endpoint>,
        data_len: Option<usize>,
    ) {
        let Some(allocation) = self.meant_by(false).and_then(|index| self.allocations.get_mut(index)) else { return };
        let peer = peer.map(|peer| peer.addr);
        let Traffic { data_out, data_in, .. } = &mut allocation.traffic;
        if method == Method::SEND {
            allocation.indications_out += 1;
            data_len.into_iter().for_each(|len| data_out.add(len, 0));
            peer.into_iter().for_each(|peer| allocation.sends_to(carrier, peer));
        } else {
            allocation.indications_in += 1;
            data_len.into_iter().for_each(|len| data_in.add(len, 0));
            allocation.served(carrier, peer, None);
        }
    }

    /// Counts what the check of a message's MESSAGE-INTEGRITY has shown.
    pub(crate) fn integrity(&mut self, carrier: &Carrier, is_right: Option<bool>) {
        if let Some(allocation) = self.allocations.last_mut() {
            allocation.integrity.note(carrier, is_right);
        }
    }

    pub(crate) fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }
}

impl Allocation {
    fn bind(&mut self, number: u16, peer: Endpoint, room: &mut Room) {
        if take_place(&mut room.bindings, self.bindings.contains_key(&number)) {
            self.bindings.insert(number, peer);
        } else {
            self.not_kept += 1;
        }
    }

    /// A request of the client, the first time that it is sent.
    fn asked(&mut self, carrier: &Carrier, method: Method, asked: &Asked) {
        let peer = asked.peer();
        let retried = self
            .errors
            .iter_mut()
            .find(|error| error.retried_frame.is_none() && error.method == method && error.peer == peer);
        if let Some(error) = retried {
            error.retried_frame = Some(carrier.frame);
        }
        match asked {
            Asked::Allocate => self.asking = Some(carrier.ts),
            Asked::Refresh { .. } if self.expires.is_some_and(|expires| carrier.ts <= expires) => {
                self.refreshing = Some(carrier.frame);
            }
            _ => self.used(carrier),
        }
        if self.awaited.len() < MAX_PENDING {
            self.awaited.extend(peer);
        }
    }

    fn permit(&mut self, carrier: &Carrier, addr: Addr, room: &mut Room) {
        let known = self.permissions.get(&addr).copied();
        if !take_place(&mut room.permissions, known.is_some()) {
            self.not_kept += 1;
            return;
        }
        self.still_lives(carrier.ts);
        if known.is_none() {
            self.happened(carrier, LifeChange::Permitted(addr));
        }
        self.permissions.insert(addr, Grant::again(known, carrier.ts, PERMISSION_NANOS));
    }

    fn bound(&mut self, carrier: &Carrier, number: u16, peer: Endpoint, room: &mut Room) {
        let Some(channel) = self.channel(number, room) else { return };
        channel.peer = Some(peer);
        channel.binds += 1;
        let is_first = channel.grant.is_none();
        channel.grant = Some(Grant::again(channel.grant, carrier.ts, CHANNEL_NANOS));
        if is_first {
            self.happened(carrier, LifeChange::Bound(number, peer));
        }
    }

    fn channel(&mut self, number: u16, room: &mut Room) -> Option<&mut Channel> {
        if !take_place(&mut room.channels, self.channels.contains_key(&number)) {
            self.not_kept += 1;
            return None;
        }
        Some(self.channels.entry(number).or_default())
    }

    fn created(&mut self, carrier: &Carrier, message: &Message<'_>) {
        self.created_ts.get_or_insert(carrier.ts);
        self.relayed = message.address(AttributeType::XOR_RELAYED_ADDRESS).map(Endpoint::from);
        self.mapped = message.address(AttributeType::XOR_MAPPED_ADDRESS).map(Endpoint::from);
        let lifetime = self.granted(carrier, message);
        self.happened(carrier, LifeChange::Created(lifetime));
    }

    /// `since` is when the client asked, `ticket` that of a client that has moved here (RFC 8016).
    fn refreshed(
        &mut self,
        carrier: &Carrier,
        message: &Message<'_>,
        since: Timestamp,
        ticket: Option<u64>,
        room: &mut Room,
    ) {
        let lifetime = self.granted(carrier, message);
        if lifetime == 0 {
            self.deleted = Some(since);
            self.happened(carrier, LifeChange::Deleted);
            room.bindings += self.bindings.len();
            self.bindings.clear();
            return;
        }
        self.expired_in_use = None;
        self.refreshing = None;
        self.refreshes += 1;
        let has_moved = ticket.is_some() && self.created_ts.is_none() && self.shown_ticket.is_none();
        self.shown_ticket = self.shown_ticket.or(ticket);
        let change = if has_moved { LifeChange::Moved(lifetime) } else { LifeChange::Refreshed(lifetime) };
        self.happened(carrier, change);
    }

    fn granted(&mut self, carrier: &Carrier, message: &Message<'_>) -> u32 {
        let lifetime = match message.value(AttributeType::LIFETIME) {
            Some(Value::U32(seconds)) => seconds,
            _ => DEFAULT_LIFETIME_S,
        };
        if lifetime > 0 {
            self.lifetime_s = Some(lifetime);
            self.expires = Some(carrier.ts.plus_nanos(i64::from(lifetime) * crate::time::NANOS_PER_SEC));
        }
        lifetime
    }

    /// 401 and 438 are challenges (RFC 8489, section 9.2.5): the client asks again. Others end an attempt.
    fn refused(&mut self, carrier: &Carrier, message: &Message<'_>, method: Method, pending: Option<&Pending>) {
        let Some((code, reason)) = message.error_code() else { return };
        if method == Method::ALLOCATE && !self.lives() && code != 401 && code != 438 {
            self.failed = true;
        }
        let had_credentials = pending.is_some_and(|pending| pending.has_credentials);
        let peer = pending.and_then(|pending| pending.asked.peer());
        let error = TurnError {
            method,
            code,
            reason: text(reason),
            frame: carrier.frame,
            had_credentials,
            peer,
            retried_frame: None,
        };
        let is_challenge = error.is_challenge() || code == 438;
        self.happened(
            carrier,
            match is_challenge {
                true => LifeChange::Challenged { code, method },
                false => LifeChange::Refused { code, method, peer },
            },
        );
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

/// A ticket is as long as a server likes, and only compared.
fn ticket_digest(ticket: &[u8]) -> u64 {
    ticket.iter().fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into_owned()
}

fn asked(message: &Message<'_>) -> Option<Asked> {
    match message.method() {
        Method::ALLOCATE => Some(Asked::Allocate),
        Method::REFRESH => {
            let ticket = message.attribute_bytes(AttributeType::MOBILITY_TICKET).map(ticket_digest);
            Some(Asked::Refresh { ticket })
        }
        Method::CONNECT => Some(Asked::Connect),
        Method::CREATE_PERMISSION => Some(Asked::Permissions(
            message
                .attributes()
                .filter(|attribute| attribute.kind == AttributeType::XOR_PEER_ADDRESS)
                .filter_map(|attribute| attribute.address())
                .map(|peer| Addr::from(peer.ip()))
                .collect(),
        )),
        Method::CHANNEL_BIND => {
            let peer = message.address(AttributeType::XOR_PEER_ADDRESS)?.into();
            let Some(Value::U16(number)) = message.value(AttributeType::CHANNEL_NUMBER) else { return None };
            Some(Asked::Channel { number, peer })
        }
        _ => None,
    }
}

#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod tests;
