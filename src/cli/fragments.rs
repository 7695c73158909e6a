//! Fragments of IP datagrams that wait for the one that makes them whole.
//!
//! In: records that are such fragments. Out: those of a datagram, once somebody wants it. Never: more than a bound kept.

use crate::net::Datagram;
use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Fragments that wait; the oldest goes.
const MAX_HELD: usize = 4096;
/// Where the identification stands, seen from the source address of an IPv4 header (RFC 791).
const V4_BACK: usize = 8;
/// Its lower half behind the addresses of an IPv6 header, in a fragment header (RFC 8200, section 4.5).
const V6_AHEAD: usize = 6;

/// A record of its own.
pub(super) struct Held {
    ts: Timestamp,
    frame: FrameNo,
    interface: u32,
    link: LinkType,
    wire_len: u32,
    data: Vec<u8>,
}

impl Held {
    pub(super) fn packet(&self) -> RawPacket<'_> {
        let Self { ts, frame, interface, link, wire_len, .. } = *self;
        RawPacket { ts, frame, interface, link, wire_len, data: &self.data }
    }
}

/// Those that wait.
#[derive(Default)]
pub(super) struct Fragments {
    held: VecDeque<Held>,
}

impl Fragments {
    pub(super) fn hold(&mut self, packet: &RawPacket<'_>) {
        if self.held.len() >= MAX_HELD {
            self.held.pop_front();
        }
        let RawPacket { ts, frame, interface, link, wire_len, data } = *packet;
        self.held.push_back(Held { ts, frame, interface, link, wire_len, data: data.to_vec() });
    }

    /// The fragments of a datagram that a record has completed, in their order.
    pub(super) fn take(&mut self, datagram: &Datagram<'_>) -> Vec<Held> {
        let (taken, kept): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| is_part(&held.data, datagram));
        self.held = kept.into();
        taken
    }
}

/// Whether the addresses of the datagram stand in the record, with its identification where it belongs.
fn is_part(data: &[u8], datagram: &Datagram<'_>) -> bool {
    let Some(id) = datagram.carrier.ip_id.map(u16::to_be_bytes) else { return false };
    let (src, dst) = (datagram.flow.src.addr, datagram.flow.dst.addr);
    let addresses = match (src.v4_octets(), dst.v4_octets()) {
        (Some(src), Some(dst)) => [src, dst].concat(),
        _ => [src.as_u128().to_be_bytes(), dst.as_u128().to_be_bytes()].concat(),
    };
    let is_v4 = addresses.len() == 8;
    let found = data.windows(addresses.len()).enumerate().filter(|(_, window)| *window == addresses);
    found.map(|(at, _)| at).any(|at| {
        let place = if is_v4 { at.checked_sub(V4_BACK) } else { Some(at + addresses.len() + V6_AHEAD) };
        place.and_then(|place| data.get(place..place + id.len())) == Some(id.as_slice())
    })
}
