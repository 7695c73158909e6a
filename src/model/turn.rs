//! TURN between one client and one server: the allocations on one five-tuple, as RFC 8656 lets them live.
//!
//! In: each request and response with a TURN method, and how many data messages passed. Out: [`Allocation`]s, in
//! order. Never: the relayed side of the server, which is another five-tuple.

use super::flow::Direction;
use super::stun::{TIMEOUT_NANOS, Transaction};
use crate::net::{Addr, Carrier, Endpoint};
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Class, Message, Method, TransactionId, Value};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bounds per five-tuple.
const MAX_ALLOCATIONS: usize = 1024;
const MAX_PENDING: usize = 1024;
const MAX_PERMISSIONS: usize = 4096;
/// As many as there ever were channel numbers for one allocation (RFC 5766, section 11).
const MAX_CHANNELS: usize = 1 << 14;
/// Bound per allocation.
const MAX_ERRORS: usize = 256;
/// Characters of a name or a reason that are kept; RFC 8489 allows 508 bytes of a user name, 763 of the others.
const MAX_TEXT: usize = 763;
/// Lifetime that a server grants where it says none (RFC 8656, section 3.2).
const DEFAULT_LIFETIME_S: u32 = 600;
/// Ports of TURN servers (RFC 8656, section 17; RFC 7065, section 3.2 for TLS).
const SERVER_PORTS: [u16; 2] = [3478, 5349];

/// Allocation Mismatch (RFC 8656, section 18).
const MISMATCH: u16 = 437;

/// How an allocation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AllocationEnd {
    /// A Refresh with a zero lifetime succeeded.
    Deleted,
    /// Its lifetime ran out within the capture.
    Expired,
    /// Alive at the capture's end.
    Open,
    /// It never came to be.
    Failed,
}

/// A channel of an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The peer it is bound to; none where the ChannelBind was not captured.
    pub peer: Option<Endpoint>,
    /// ChannelData messages from client to server.
    pub packets_out: u64,
    /// ChannelData messages from server to client.
    pub packets_in: u64,
    /// ChannelBind requests that succeeded.
    pub binds: u64,
}

/// An error response to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnError {
    /// What was asked.
    pub method: Method,
    /// The code.
    pub code: u16,
    /// The server's words.
    pub reason: String,
    /// Frame of the response.
    pub frame: FrameNo,
    /// The request had a USERNAME.
    pub had_credentials: bool,
}

impl TurnError {
    /// 401 and 438 to a request without credentials ask for them (RFC 8489, section 9.2.4): the way every allocation
    /// begins.
    pub fn is_challenge(&self) -> bool {
        !self.had_credentials && matches!(self.code, 401 | 438)
    }
}

/// One allocation, or the attempt at one.
#[derive(Clone, Debug)]
pub struct Allocation {
    pub(crate) client_direction: Direction,
    /// XOR-RELAYED-ADDRESS.
    pub relayed: Option<Endpoint>,
    /// XOR-MAPPED-ADDRESS: the client as the server sees it.
    pub mapped: Option<Endpoint>,
    /// USERNAME of the client's requests.
    pub username: Option<String>,
    /// REALM of the server.
    pub realm: Option<String>,
    /// SOFTWARE of the server.
    pub software: Option<String>,
    /// Frame and time of the first Allocate request.
    pub first_frame: FrameNo,
    /// Time of the first Allocate request.
    pub first_ts: Timestamp,
    /// Time of the success response.
    pub created_ts: Option<Timestamp>,
    /// LIFETIME as last granted, in seconds.
    pub lifetime_s: Option<u32>,
    /// Refreshes that succeeded.
    pub refreshes: u64,
    /// Channels by number.
    pub channels: BTreeMap<u16, Channel>,
    /// Addresses with a permission.
    pub permissions: BTreeSet<Addr>,
    /// Send indications of the client and Data indications of the server.
    pub indications_out: u64,
    /// Data indications of the server.
    pub indications_in: u64,
    /// The last data of the client to the server, in a channel or a Send indication: frame and time.
    pub last_out: Option<(FrameNo, Timestamp)>,
    /// The last data of the server to the client.
    pub last_in: Option<(FrameNo, Timestamp)>,
    /// Error responses, challenges included, the first few hundred.
    pub errors: Vec<TurnError>,
    /// Requests for channels and permissions, and messages on channels, that are not among these: there was no room for
    /// more on the five-tuple.
    pub not_kept: u64,
    /// Peers by channel number, from the request on.
    bindings: BTreeMap<u16, Endpoint>,
    /// Time of the last Allocate request while it has no answer.
    asking: Option<Timestamp>,
    expires: Option<Timestamp>,
    deleted: bool,
    failed: bool,
}

impl Allocation {
    /// From the first Allocate request to the success response, in milliseconds.
    pub fn setup_ms(&self) -> Option<f64> {
        Some(self.created_ts?.millis_since(self.first_ts))
    }

    /// When the lifetime that was granted last is over.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Code of the error that ended the attempt; none where the allocation came to be.
    pub fn error_code(&self) -> Option<u16> {
        if self.created_ts.is_some() { None } else { self.errors.last().map(|error| error.code) }
    }

    /// How it ended, with the end of the capture known.
    pub fn end(&self, capture_end: Timestamp) -> AllocationEnd {
        if self.deleted {
            AllocationEnd::Deleted
        } else if self.created_ts.is_none()
            && (self.failed || !self.errors.is_empty())
            && !self.is_being_asked_for(capture_end)
        {
            AllocationEnd::Failed
        } else if self.expires.is_some_and(|expires| expires < capture_end) {
            AllocationEnd::Expired
        } else {
            AllocationEnd::Open
        }
    }

    /// True where the client has been asked for nothing but credentials and the answer to them may still come.
    fn is_being_asked_for(&self, capture_end: Timestamp) -> bool {
        let in_flight = self.asking.is_some_and(|since| capture_end.nanos_since(since) < TIMEOUT_NANOS);
        in_flight && !self.failed && self.errors.iter().all(|error| error.is_challenge() || error.code == 438)
    }

    /// True where the server has it, also where that was before the capture.
    fn lives(&self) -> bool {
        !self.deleted
            && (self.created_ts.is_some()
                || self.refreshes > 0
                || !self.channels.is_empty()
                || !self.permissions.is_empty())
    }
}

/// What a request asked for, until its response comes.
#[derive(Clone, Debug)]
enum Asked {
    Allocate,
    Refresh,
    Permissions(Vec<Addr>),
    Channel { number: u16, peer: Endpoint },
    Connect,
}

#[derive(Clone, Debug)]
struct Pending {
    asked: Asked,
    has_credentials: bool,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnState {
    allocations: Vec<Allocation>,
    pending: HashMap<TransactionId, Pending, ahash::RandomState>,
    /// The last Allocate request: one with the same id is the same request once more.
    last_allocate: Option<TransactionId>,
    room: Room,
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
        if let Some(allocation) = self.meant_by(is_allocate).and_then(|index| self.allocations.get_mut(index)) {
            if is_allocate {
                allocation.asking = Some(carrier.ts);
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
        }
        let has_credentials = message.find(AttributeType::USERNAME).is_some();
        self.pending.insert(message.transaction_id(), Pending { asked, has_credentials });
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
                living.errors.extend(unborn.errors);
                living.errors.truncate(MAX_ERRORS);
            }
            _ => self.allocations.push(unborn),
        }
    }

    fn attempt(&mut self, direction: Direction, carrier: &Carrier) {
        let begins = match self.allocations.last() {
            None => true,
            Some(last) => last.deleted || last.created_ts.is_some() || last.failed,
        };
        if !begins {
            return;
        }
        if self.allocations.len() == MAX_ALLOCATIONS {
            self.dropped += 1;
            return;
        }
        self.allocations.push(Allocation {
            client_direction: direction,
            relayed: None,
            mapped: None,
            username: None,
            realm: None,
            software: None,
            first_frame: carrier.frame,
            first_ts: carrier.ts,
            created_ts: None,
            lifetime_s: None,
            refreshes: 0,
            channels: BTreeMap::new(),
            permissions: BTreeSet::new(),
            indications_out: 0,
            indications_in: 0,
            last_out: None,
            last_in: None,
            errors: Vec::new(),
            not_kept: 0,
            bindings: BTreeMap::new(),
            asking: None,
            expires: None,
            deleted: false,
            failed: false,
        });
    }

    /// Takes the server's response and the transaction that it completed.
    pub(crate) fn response(&mut self, carrier: &Carrier, message: &Message<'_>, transaction: &Transaction) {
        let pending = self.pending.remove(&message.transaction_id());
        let had_credentials = pending.as_ref().is_some_and(|pending| pending.has_credentials);
        let asked = pending.map(|pending| pending.asked);
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
        if message.class() == Class::ErrorResponse {
            allocation.refused(carrier, message, transaction.method, had_credentials);
            if is_allocate && message.error_code().is_some_and(|(code, _)| code == MISMATCH) {
                self.forget_mismatch();
            }
            return;
        }
        match asked {
            Some(Asked::Allocate) if allocation.created_ts.is_none() => allocation.created(carrier, message),
            Some(Asked::Refresh) => allocation.refreshed(carrier, message, &mut self.room),
            Some(Asked::Permissions(addrs)) => {
                addrs.into_iter().for_each(|addr| allocation.permit(addr, &mut self.room));
            }
            Some(Asked::Channel { number, peer }) => {
                // RFC 8656, section 12.2: a binding installs the permission too.
                allocation.permit(peer.addr, &mut self.room);
                if let Some(channel) = allocation.channel(number, &mut self.room) {
                    channel.peer = Some(peer);
                    channel.binds += 1;
                }
            }
            _ => {}
        }
    }

    /// Counts a ChannelData message; gives the peer where its binding is known. `ports` are the sender's and the
    /// receiver's: where the capture began after the Allocate, the well-known port tells which side is the server.
    pub(crate) fn channel_data(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        ports: (u16, u16),
        number: u16,
    ) -> Option<Endpoint> {
        if self.allocations.is_empty() {
            let from_server = SERVER_PORTS.contains(&ports.0) && !SERVER_PORTS.contains(&ports.1);
            self.attempt(if from_server { direction.opposite() } else { direction }, carrier);
        }
        let allocation = self.meant_by(false).and_then(|index| self.allocations.get_mut(index))?;
        let peer = allocation.bindings.get(&number).copied();
        let outward = allocation.client_direction == direction;
        allocation.data(outward, carrier);
        if let Some(channel) = allocation.channel(number, &mut self.room) {
            channel.peer = channel.peer.or(peer);
            *(if outward { &mut channel.packets_out } else { &mut channel.packets_in }) += 1;
        }
        peer
    }

    /// Counts a Send or Data indication.
    pub(crate) fn indication(&mut self, carrier: &Carrier, method: Method) {
        if let Some(allocation) = self.meant_by(false).and_then(|index| self.allocations.get_mut(index)) {
            let outward = method == Method::SEND;
            allocation.data(outward, carrier);
            *(if outward { &mut allocation.indications_out } else { &mut allocation.indications_in }) += 1;
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

    fn data(&mut self, outward: bool, carrier: &Carrier) {
        *(if outward { &mut self.last_out } else { &mut self.last_in }) = Some((carrier.frame, carrier.ts));
    }

    fn permit(&mut self, addr: Addr, room: &mut Room) {
        if take_place(&mut room.permissions, self.permissions.contains(&addr)) {
            self.permissions.insert(addr);
        } else {
            self.not_kept += 1;
        }
    }

    fn channel(&mut self, number: u16, room: &mut Room) -> Option<&mut Channel> {
        if !take_place(&mut room.channels, self.channels.contains_key(&number)) {
            self.not_kept += 1;
            return None;
        }
        Some(self.channels.entry(number).or_insert(Channel { peer: None, packets_out: 0, packets_in: 0, binds: 0 }))
    }

    fn created(&mut self, carrier: &Carrier, message: &Message<'_>) {
        self.created_ts.get_or_insert(carrier.ts);
        self.relayed = message.address(AttributeType::XOR_RELAYED_ADDRESS).map(Endpoint::from);
        self.mapped = message.address(AttributeType::XOR_MAPPED_ADDRESS).map(Endpoint::from);
        self.granted(carrier, message);
    }

    fn refreshed(&mut self, carrier: &Carrier, message: &Message<'_>, room: &mut Room) {
        if self.granted(carrier, message) == 0 {
            self.deleted = true;
            room.bindings += self.bindings.len();
            self.bindings.clear();
        } else {
            self.refreshes += 1;
        }
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
    fn refused(&mut self, carrier: &Carrier, message: &Message<'_>, method: Method, had_credentials: bool) {
        let Some((code, reason)) = message.error_code() else { return };
        if method == Method::ALLOCATE && !self.lives() && code != 401 && code != 438 {
            self.failed = true;
        }
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(TurnError { method, code, reason: text(reason), frame: carrier.frame, had_credentials });
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into_owned()
}

fn asked(message: &Message<'_>) -> Option<Asked> {
    match message.method() {
        Method::ALLOCATE => Some(Asked::Allocate),
        Method::REFRESH => Some(Asked::Refresh),
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
mod tests;
