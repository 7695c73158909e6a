//! Whether a relay relays: judged by what a packet did.
//!
//! In: addresses, and which packets arrived. Out: what is wrong, or worth a remark. Never: a relay blamed for what the
//! network of this machine does.

use super::Cause;
use crate::client::Failure;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// What became of the packets between an own socket and the client, through the relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exchange {
    /// One of the peer came to the client.
    pub inward: bool,
    /// One of the client came to the peer, from this address.
    pub outward: Option<SocketAddr>,
    /// A packet of the peer, to the client and back.
    pub round_trip: Option<Duration>,
    /// For how long packets were sent.
    pub waited: Duration,
}

/// From how far an address can be reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Reach {
    Nowhere,
    Host,
    Link,
    Site,
    World,
}

/// What the relayed address and the exchange say of the relay.
///
/// # Errors
/// What is wrong; else a remark, where there is something to be said.
pub fn judge_relay(server: IpAddr, relayed: SocketAddr, exchange: Option<&Exchange>) -> Result<Option<String>, Cause> {
    let seen = exchange.and_then(|exchange| exchange.outward).map(|from| from.ip());
    let seen_elsewhere = seen.filter(|seen| seen.to_canonical() != relayed.ip().to_canonical());
    let private = Cause::PrivateRelay { relayed, seen: seen_elsewhere };
    // A server that is reached from the world and relays at an address of its own network is behind a NAT.
    if reach(relayed.ip()) < reach(server) {
        return Err(private);
    }
    let Some(exchange) = exchange else { return Ok(None) };
    match (exchange.inward, exchange.outward) {
        (true, Some(_)) => Ok(seen_elsewhere
            .map(|seen| format!("the relay says that it is {}, its packets come from {seen}", relayed.ip()))),
        (true, None) => Err(Cause::RelayMute { waited: exchange.waited }),
        (false, Some(_)) if seen_elsewhere.is_some() => Err(private),
        (false, _) => Err(Cause::RelayUnreachable { waited: exchange.waited }),
    }
}

/// What it means that the server refused a permission: a failure, or a remark where it guards its own network.
///
/// # Errors
/// What is wrong.
pub fn peer_refused(peer: SocketAddr, failure: &Failure, waited: Duration) -> Result<String, Cause> {
    match failure {
        Failure::Code { code: 403, .. } if reach(peer.ip()) < Reach::World => Ok(format!(
            "403 for the peer {peer}: the server does not relay to loopback or private addresses, which is as it should \
             be; no packet was sent through the relay"
        )),
        Failure::Code { code: 403, .. } => Err(Cause::PeerForbidden { peer }),
        Failure::Code { code, .. } => Err(Cause::Code { code: *code, text: failure.to_string() }),
        Failure::Timeout { .. } => Err(Cause::NoAnswer { step: "CreatePermission", waited }),
        Failure::WrongPassword | Failure::Protocol(_) => Err(Cause::Protocol(failure.to_string())),
    }
}

fn reach(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    // RFC 6598: addresses of carriers' NATs.
    let is_shared = u32::from(address) >> 22 == u32::from(Ipv4Addr::new(100, 64, 0, 0)) >> 22;
    match address {
        _ if address.is_unspecified() => Reach::Nowhere,
        _ if address.is_loopback() => Reach::Host,
        _ if address.is_link_local() => Reach::Link,
        _ if address.is_private() || is_shared => Reach::Site,
        _ => Reach::World,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    match address {
        _ if address.is_unspecified() => Reach::Nowhere,
        _ if address.is_loopback() => Reach::Host,
        _ if address.is_unicast_link_local() => Reach::Link,
        _ if address.is_unique_local() => Reach::Site,
        _ => Reach::World,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcscope::proto::stun::Method;

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().expect("an address"), 50_000)
    }

    fn judged(server: &str, relayed: &str, inward: bool, from: Option<&str>) -> Result<Option<String>, &'static str> {
        let exchange = Exchange { inward, outward: from.map(at), ..Exchange::default() };
        judge_relay(at(server).ip(), at(relayed), Some(&exchange)).map_err(|cause| cause.key())
    }

    #[test]
    fn a_relay_at_a_lesser_address_than_its_server_lacks_external_ip() {
        for (server, relayed) in [
            ("203.0.113.1", "10.0.0.5"),
            ("203.0.113.1", "100.64.3.2"),
            ("10.0.0.5", "127.0.0.1"),
            ("127.0.0.1", "0.0.0.0"),
            ("2001:db8::1", "fd00::1"),
        ] {
            assert_eq!(judged(server, relayed, true, Some(relayed)), Err("private-relay"), "{server} {relayed}");
            assert!(judge_relay(at(server).ip(), at(relayed), None).is_err());
        }
    }

    #[test]
    fn a_packet_both_ways_is_all_that_is_asked() {
        assert_eq!(judged("203.0.113.1", "203.0.113.2", true, Some("203.0.113.2")), Ok(None));
        assert_eq!(judged("127.0.0.1", "127.0.0.1", true, Some("127.0.0.1")), Ok(None));
        assert_eq!(judge_relay(at("10.0.0.1").ip(), at("10.0.0.1"), None), Ok(None));
        let remark = judged("10.0.0.1", "203.0.113.2", true, Some("10.0.0.1")).expect("no failure");
        assert!(remark.is_some_and(|remark| remark.contains("come from 10.0.0.1")));
    }

    #[test]
    fn one_way_is_told_from_the_other() {
        assert_eq!(judged("203.0.113.1", "203.0.113.1", false, None), Err("relay-unreachable"));
        assert_eq!(judged("203.0.113.1", "203.0.113.1", false, Some("203.0.113.1")), Err("relay-unreachable"));
        assert_eq!(judged("203.0.113.1", "203.0.113.9", false, Some("203.0.113.1")), Err("private-relay"));
        assert_eq!(judged("203.0.113.1", "203.0.113.1", true, None), Err("relay-mute"));
    }

    #[test]
    fn a_403_for_a_private_peer_is_no_failure() {
        let failure = Failure::Code { code: 403, reason: "Forbidden".to_owned(), method: Method::CREATE_PERMISSION };
        for peer in ["127.0.0.1", "192.168.1.2", "::1", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(peer_refused(at(peer), &failure, Duration::ZERO).is_ok(), "{peer}");
        }
        let public = peer_refused(at("203.0.113.7"), &failure, Duration::ZERO);
        assert_eq!(public.map_err(|cause| cause.key()), Err("peer-forbidden"));
    }
}
