//! The tests of RFC 5780 against a server that is in two places.
//!
//! In: the server and its OTHER-ADDRESS. Out: what the NAT does, as far as answers came. Never: a wait of more than some
//! seconds.

use super::peer::ask;
use crate::check::{Nat, nat};
use crate::config::is_near;
use crate::engine::clock::RunClock;
use crate::engine::socket;
use crate::random::Random;
use rtcscope::proto::stun::AttributeType;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// For an answer that may not come by nature of the test: transmissions at 0, 0.5 and 1.5 s would say no more.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// `None` where the other place is none that could be asked.
pub(super) fn behaviour(server: SocketAddr, other: SocketAddr, random: &mut Random, clock: RunClock) -> Option<Nat> {
    // A server behind a NAT may name an address of its own network, or none at all.
    let is_strange = other.ip() == server.ip()
        || other.port() == server.port()
        || other.is_ipv4() != server.is_ipv4()
        || other.ip().is_unspecified()
        || (is_near(other.ip()) && !is_near(server.ip()));
    if is_strange {
        return None;
    }
    let open = || {
        let socket = UdpSocket::bind((socket::way_to(server)?, 0)).ok()?;
        socket.set_nonblocking(true).ok()?;
        let address = socket.local_addr().ok()?;
        Some((socket, address))
    };
    let mut mapped_by = |socket: &UdpSocket, place: SocketAddr, change: u32| {
        ask(socket, place, change, PATIENCE, random, clock).map(|(bound, from)| (bound.mapped, from))
    };
    // RFC 5780, section 4.3.
    let (socket, local) = open()?;
    let (first, _) = mapped_by(&socket, server, 0)?;
    let same_port = SocketAddr::new(other.ip(), server.port());
    let second = if first == local { None } else { mapped_by(&socket, same_port, 0).map(|(mapped, _)| mapped) };
    let is_new = second.is_some_and(|second| second != first);
    let third = if is_new { mapped_by(&socket, other, 0).map(|(mapped, _)| mapped) } else { None };
    // Section 4.4, from a socket that has sent to nobody else.
    let (socket, _) = open()?;
    mapped_by(&socket, server, 0)?;
    let both = AttributeType::CHANGE_IP | AttributeType::CHANGE_PORT;
    let answered = |answer: Option<(SocketAddr, SocketAddr)>| answer.is_some_and(|(_, from)| from != server);
    let from_other_address = answered(mapped_by(&socket, server, both));
    let from_other_port = from_other_address || answered(mapped_by(&socket, server, AttributeType::CHANGE_PORT));
    Some(Nat {
        mapping: nat::mapping(local, first, second, third),
        filtering: Some(nat::filtering(from_other_address, from_other_port)),
    })
}
