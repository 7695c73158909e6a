//! One allocation and all that is known of its life.
//!
//! In: what the state of the five-tuple understood. Out: the types. Never: a word on what the capture does not show.

use super::life::{Grant, LifeEvent, Stray};
use crate::model::flow::Direction;
use crate::model::integrity::Integrity;
use crate::model::stun::TIMEOUT_NANOS;
use crate::net::{Addr, Endpoint};
use crate::packet::FrameNo;
use crate::proto::stun::Method;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// The peer it is bound to; none where the ChannelBind was not captured.
    pub peer: Option<Endpoint>,
    /// ChannelData messages from client to server.
    pub packets_out: u64,
    /// ChannelData messages from server to client.
    pub packets_in: u64,
    /// ChannelBind requests that succeeded.
    pub binds: u64,
    /// When it was bound, and until when it is.
    pub grant: Option<Grant>,
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
    /// The first peer that the request named.
    pub peer: Option<Addr>,
    /// Frame of the next request for the same: the client tried again.
    pub retried_frame: Option<FrameNo>,
}

impl TurnError {
    /// 401 and 438 to a request without credentials ask for them (RFC 8489, section 9.2.4): the way every allocation
    /// begins.
    pub fn is_challenge(&self) -> bool {
        !self.had_credentials && matches!(self.code, 401 | 438)
    }
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many.
    pub packets: u64,
    /// All of them, without padding.
    pub bytes: u64,
    /// Bytes that only fill a ChannelData message up, as on a stream they have to (RFC 8656, section 12.5).
    pub padding: u64,
}

impl Volume {
    pub(super) fn add(&mut self, bytes: usize, padding: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.padding += padding as u64;
    }

    pub(super) fn merge(&mut self, other: Volume) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.padding += other.padding;
    }
}

/// What went over the client's side of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// STUN and ChannelData messages of the client as they are, without the headers below.
    pub to_server: Volume,
    /// Those of the server.
    pub to_client: Volume,
    /// What the client sent to peers: the data inside of these.
    pub data_out: Volume,
    /// What came from peers.
    pub data_in: Volume,
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
    pub permissions: BTreeMap<Addr, Grant>,
    /// Send indications of the client and Data indications of the server.
    pub indications_out: u64,
    /// Data indications of the server.
    pub indications_in: u64,
    /// Error responses, challenges included, the first few hundred.
    pub errors: Vec<TurnError>,
    /// What happened to it, in order, the first few hundred.
    pub events: Vec<LifeEvent>,
    /// Data that the client sent where it had no permission or channel.
    pub strays: Vec<Stray>,
    /// What MESSAGE-INTEGRITY shows with the password that the user gave.
    pub integrity: Integrity,
    /// What went over it.
    pub traffic: Traffic,
    /// Its lifetime ran out while the client went on to use it.
    pub expired_in_use: Option<ExpiredInUse>,
    /// Requests for channels and permissions, and messages on channels, that are not among these: there was no room for
    /// more on the five-tuple.
    pub not_kept: u64,
    /// Peers by channel number, from the request on.
    pub(super) bindings: BTreeMap<u16, Endpoint>,
    /// Time of the last Allocate request while it has no answer.
    pub(super) asking: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    /// Time of the request that deleted it.
    pub(super) deleted: Option<Timestamp>,
    pub(super) failed: bool,
    /// Peers for which the client has asked for a permission or channel, and has no answer yet.
    pub(super) awaited: BTreeSet<Addr>,
    /// The last Refresh, while no success has answered it.
    pub(super) refreshing: Option<FrameNo>,
    /// Digests of the tickets that the server gave it, and of the one that the client showed on this five-tuple.
    pub(crate) tickets: Vec<u64>,
    pub(crate) shown_ticket: Option<u64>,
}

/// Use of an allocation that had run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiredInUse {
    /// When it ran out.
    pub expired_ts: Timestamp,
    /// Messages of the client after that.
    pub packets: u64,
    /// The first of them.
    pub first_frame: FrameNo,
    /// Time of the last of them.
    pub last_ts: Timestamp,
    /// The last Refresh before that, which no success answered; none where the client sent none.
    pub missed_refresh: Option<FrameNo>,
}

impl Allocation {
    pub(super) fn new(client_direction: Direction, frame: FrameNo, ts: Timestamp) -> Self {
        Self {
            client_direction,
            relayed: None,
            mapped: None,
            username: None,
            realm: None,
            software: None,
            first_frame: frame,
            first_ts: ts,
            created_ts: None,
            lifetime_s: None,
            refreshes: 0,
            channels: BTreeMap::new(),
            permissions: BTreeMap::new(),
            indications_out: 0,
            indications_in: 0,
            errors: Vec::new(),
            events: Vec::new(),
            strays: Vec::new(),
            integrity: Integrity::default(),
            traffic: Traffic::default(),
            expired_in_use: None,
            not_kept: 0,
            bindings: BTreeMap::new(),
            asking: None,
            expires: None,
            deleted: None,
            failed: false,
            awaited: BTreeSet::new(),
            refreshing: None,
            tickets: Vec::new(),
            shown_ticket: None,
        }
    }

    /// From the first Allocate request to the success response, in milliseconds.
    pub fn setup_ms(&self) -> Option<f64> {
        Some(self.created_ts?.millis_since(self.first_ts))
    }

    /// Code of the error that ended the attempt; none where the allocation came to be.
    pub fn error_code(&self) -> Option<u16> {
        if self.created_ts.is_some() { None } else { self.errors.last().map(|error| error.code) }
    }

    /// How it ended, with the end of the capture known.
    pub fn end(&self, capture_end: Timestamp) -> AllocationEnd {
        if self.deleted.is_some() {
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

    /// When it ended: the moment at which the client asked to delete it, or at which its lifetime ran out; none while it
    /// lives.
    pub fn ended_ts(&self, capture_end: Timestamp) -> Option<Timestamp> {
        self.deleted.or(self.expires.filter(|expires| *expires < capture_end))
    }

    /// Seconds that it has left at that moment; none where it is over, and where nobody said how long it lives.
    pub fn seconds_left(&self, now: Timestamp) -> Option<f64> {
        let left = self.expires?.millis_since(now) / 1000.0;
        (self.deleted.is_none() && left >= 0.0).then_some(left)
    }

    /// True where the client has been asked for nothing but credentials and the answer to them may still come.
    fn is_being_asked_for(&self, capture_end: Timestamp) -> bool {
        let in_flight = self.asking.is_some_and(|since| capture_end.nanos_since(since) < TIMEOUT_NANOS);
        in_flight && !self.failed && self.errors.iter().all(|error| error.is_challenge() || error.code == 438)
    }

    /// True where the server has it, also where that was before the capture.
    pub(super) fn lives(&self) -> bool {
        self.deleted.is_none()
            && (self.created_ts.is_some()
                || self.refreshes > 0
                || !self.channels.is_empty()
                || !self.permissions.is_empty())
    }
}
