//! TURN allocations.
//!
//! In: rows of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::transport::Integrity;
use super::{Rounded, Text};
use crate::model::snapshot::{
    Allocation as AllocationState, AllocationRow, Endpoint, ExpiredInUse as ExpiredState, HopFigures, LifeChange,
    LifeEvent, RelayHop as HopState, Stray as StrayState, StrayTarget, Traffic as TrafficState, Volume as VolumeState,
    method_name,
};
use crate::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Allocation<'a> {
    id: &'a str,
    flow: &'a str,
    client: Text<Endpoint>,
    server: Text<Endpoint>,
    transport: &'static str,
    relayed: Option<Text<Endpoint>>,
    mapped: Option<Text<Endpoint>>,
    username: Option<&'a str>,
    realm: Option<&'a str>,
    software: Option<&'a str>,
    first_frame: u64,
    created_ts: Option<Text<Timestamp>>,
    lifetime_s: Option<u32>,
    refreshes: u64,
    ended: &'static str,
    error_code: Option<u16>,
    setup_ms: Option<Rounded>,
    channels: Vec<Channel>,
    permissions: Vec<String>,
    permission_grants: Vec<PermissionGrant>,
    indications: Indications,
    errors: Vec<Error<'a>>,
    relay_hop: RelayHop,
    relay_peers: &'a [String],
    ended_ts: Option<Text<Timestamp>>,
    expired_in_use: Option<ExpiredInUse>,
    moved_from: Option<&'a str>,
    moved_to: Option<&'a str>,
    integrity: Integrity,
    traffic: Traffic,
    strays: Vec<Stray>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Channel {
    number: String,
    peer: Option<Text<Endpoint>>,
    packets_out: u64,
    packets_in: u64,
    binds: u64,
    bound_ts: Option<Text<Timestamp>>,
    expires_ts: Option<Text<Timestamp>>,
}

/// Objects of nulls where the capture does not hold both sides of the server, so that their keys can always be read.
#[derive(Serialize)]
struct RelayHop {
    to_peer: Leg,
    from_peer: Leg,
}

impl RelayHop {
    fn of(hop: &HopState) -> Self {
        Self { to_peer: Leg::of(hop.to_peer.as_ref()), from_peer: Leg::of(hop.from_peer.as_ref()) }
    }
}

#[derive(Serialize)]
struct Leg {
    matched: Option<u64>,
    lost: Option<u64>,
    lost_frames: Option<Vec<u64>>,
    unseen: Option<u64>,
    reordered: Option<u64>,
    delay_ms: Delay,
}

impl Leg {
    fn of(figures: Option<&HopFigures>) -> Self {
        let delay = figures.and_then(|figures| figures.delay_ms);
        Self {
            matched: figures.map(|figures| figures.matched),
            lost: figures.map(|figures| figures.lost),
            lost_frames: figures.map(|figures| figures.lost_frames.iter().map(|frame| frame.0).collect()),
            unseen: figures.map(|figures| figures.unseen),
            reordered: figures.map(|figures| figures.reordered),
            delay_ms: Delay {
                p50: delay.map(|delay| Rounded(delay.p50)),
                p99: delay.map(|delay| Rounded(delay.p99)),
                max: delay.map(|delay| Rounded(delay.max)),
            },
        }
    }
}

#[derive(Serialize)]
struct Delay {
    p50: Option<Rounded>,
    p99: Option<Rounded>,
    max: Option<Rounded>,
}

#[derive(Serialize)]
struct Indications {
    packets_out: u64,
    packets_in: u64,
}

#[derive(Serialize)]
struct Error<'a> {
    method: String,
    code: u16,
    reason: &'a str,
    frame: u64,
    had_credentials: bool,
    peer: Option<String>,
    retried_frame: Option<u64>,
}

impl<'a> Allocation<'a> {
    pub(super) fn of(row: &'a AllocationRow) -> Self {
        let allocation: &AllocationState = &row.allocation;
        Self {
            id: &row.id,
            flow: &row.flow,
            client: Text(row.client),
            server: Text(row.server),
            transport: row.transport.name(),
            relayed: allocation.relayed.map(Text),
            mapped: allocation.mapped.map(Text),
            username: allocation.username.as_deref(),
            realm: allocation.realm.as_deref(),
            software: allocation.software.as_deref(),
            first_frame: allocation.first_frame.0,
            created_ts: allocation.created_ts.map(Text),
            lifetime_s: allocation.lifetime_s,
            refreshes: allocation.refreshes,
            ended: row.end.name(),
            error_code: allocation.error_code(),
            setup_ms: allocation.setup_ms().map(Rounded),
            channels: allocation
                .channels
                .iter()
                .map(|(number, channel)| Channel {
                    number: channel_name(*number),
                    peer: channel.peer.map(Text),
                    packets_out: channel.packets_out,
                    packets_in: channel.packets_in,
                    binds: channel.binds,
                    bound_ts: channel.grant.map(|grant| Text(grant.since)),
                    expires_ts: channel.grant.and_then(|grant| grant.expires).map(Text),
                })
                .collect(),
            permissions: allocation.permissions.keys().map(ToString::to_string).collect(),
            permission_grants: allocation
                .permissions
                .iter()
                .map(|(peer, grant)| PermissionGrant {
                    peer: peer.to_string(),
                    since_ts: Text(grant.since),
                    expires_ts: grant.expires.map(Text),
                    times: grant.times,
                })
                .collect(),
            indications: Indications { packets_out: allocation.indications_out, packets_in: allocation.indications_in },
            errors: allocation
                .errors
                .iter()
                .map(|error| Error {
                    method: error.method_name(),
                    code: error.code,
                    reason: &error.reason,
                    frame: error.frame.0,
                    had_credentials: error.had_credentials,
                    peer: error.peer.map(|peer| peer.to_string()),
                    retried_frame: error.retried_frame.map(|frame| frame.0),
                })
                .collect(),
            relay_hop: RelayHop::of(&row.relay_hop),
            relay_peers: &row.relay_peers,
            ended_ts: row.ended_ts.map(Text),
            expired_in_use: allocation.expired_in_use.as_ref().map(ExpiredInUse::of),
            moved_from: row.moved_from.as_deref(),
            moved_to: row.moved_to.as_deref(),
            integrity: Integrity::of(&allocation.integrity),
            traffic: Traffic::of(&allocation.traffic),
            strays: allocation.strays.iter().map(Stray::of).collect(),
            events: allocation.events.iter().map(Event::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct PermissionGrant {
    peer: String,
    since_ts: Text<Timestamp>,
    expires_ts: Option<Text<Timestamp>>,
    times: u64,
}

#[derive(Serialize)]
struct ExpiredInUse {
    expired_ts: Text<Timestamp>,
    packets: u64,
    first_frame: u64,
    missed_refresh_frame: Option<u64>,
}

impl ExpiredInUse {
    fn of(state: &ExpiredState) -> Self {
        Self {
            expired_ts: Text(state.expired_ts),
            packets: state.packets,
            first_frame: state.first_frame.0,
            missed_refresh_frame: state.missed_refresh.map(|frame| frame.0),
        }
    }
}

#[derive(Serialize)]
struct Traffic {
    to_server: Volume,
    to_client: Volume,
    data_out: Volume,
    data_in: Volume,
}

impl Traffic {
    fn of(state: &TrafficState) -> Self {
        Self {
            to_server: Volume::of(state.to_server),
            to_client: Volume::of(state.to_client),
            data_out: Volume::of(state.data_out),
            data_in: Volume::of(state.data_in),
        }
    }
}

#[derive(Serialize)]
struct Volume {
    packets: u64,
    bytes: u64,
    padding_bytes: u64,
}

impl Volume {
    fn of(state: VolumeState) -> Self {
        Self { packets: state.packets, bytes: state.bytes, padding_bytes: state.padding }
    }
}

#[derive(Serialize)]
struct Stray {
    peer: Option<String>,
    channel: Option<String>,
    expired: bool,
    packets: u64,
    first_frame: u64,
}

impl Stray {
    fn of(state: &StrayState) -> Self {
        let (peer, channel) = match state.target {
            StrayTarget::Peer(peer) => (Some(peer.to_string()), None),
            StrayTarget::Channel(number) => (None, Some(channel_name(number))),
        };
        Self { peer, channel, expired: state.expired, packets: state.packets, first_frame: state.first_frame.0 }
    }
}

#[derive(Serialize)]
struct Event {
    ts: Text<Timestamp>,
    frame: u64,
    event: &'static str,
    method: Option<String>,
    code: Option<u16>,
    lifetime_s: Option<u32>,
    peer: Option<String>,
    channel: Option<String>,
}

impl Event {
    fn of(state: &LifeEvent) -> Self {
        let event = Self {
            ts: Text(state.ts),
            frame: state.frame.0,
            event: state.change.name(),
            method: None,
            code: None,
            lifetime_s: None,
            peer: None,
            channel: None,
        };
        match &state.change {
            LifeChange::Challenged { code, method } => {
                Self { method: Some(method_name(*method)), code: Some(*code), ..event }
            }
            LifeChange::Refused { code, method, peer } => Self {
                method: Some(method_name(*method)),
                code: Some(*code),
                peer: peer.map(|peer| peer.to_string()),
                ..event
            },
            LifeChange::Created(lifetime) | LifeChange::Refreshed(lifetime) | LifeChange::Moved(lifetime) => {
                Self { lifetime_s: Some(*lifetime), ..event }
            }
            LifeChange::Permitted(peer) => Self { peer: Some(peer.to_string()), ..event },
            LifeChange::Bound(number, peer) => {
                Self { peer: Some(peer.to_string()), channel: Some(channel_name(*number)), ..event }
            }
            LifeChange::Deleted => event,
        }
    }
}

fn channel_name(number: u16) -> String {
    format!("0x{number:04x}")
}
