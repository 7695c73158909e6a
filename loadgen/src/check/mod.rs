//! Whether servers can be reached and relay: what was found, and what it means.
//!
//! In: facts that were seen on the way to each server, times and addresses. Out: candidates, one verdict for each URI with
//! its cause, an exit code. Never: a socket, a clock, a secret.

#![forbid(unsafe_code)]

pub mod binding;
mod cause;
pub mod nat;
mod relay;
pub mod rest;

pub use cause::{Asked, Cause, Doubt, expired, refusal};
pub use nat::Nat;
pub use relay::{Exchange, judge_relay, peer_refused};

use crate::result::{EXIT_DONE, EXIT_REFUSED, EXIT_THRESHOLD};
use crate::uri::{ServerUri, Wire};
use std::net::SocketAddr;
use std::time::Duration;

/// Everything that a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Host candidates: one for each address of the interfaces of this machine that is no loopback.
    pub hosts: Vec<Candidate>,
    /// In the order in which they were named.
    pub uris: Vec<UriReport>,
    /// What concerns no URI by itself.
    pub remarks: Vec<String>,
}

/// What became of one URI.
#[derive(Clone, Debug)]
pub struct UriReport {
    /// Which.
    pub uri: ServerUri,
    /// How long the name took to resolve; `None` for an address.
    pub resolved: Option<Duration>,
    /// Each address that the name stands for.
    pub paths: Vec<Path>,
    /// Why there is no path at all.
    pub failure: Option<Cause>,
}

/// What became of one address of a server.
#[derive(Clone, Debug)]
pub struct Path {
    /// Where the server is.
    pub server: SocketAddr,
    /// What carried the messages.
    pub wire: Wire,
    /// How long each step took that was done.
    pub times: Times,
    /// What the certificate was worth; `None` where none was seen.
    pub certificate: Option<Certificate>,
    /// What was gathered.
    pub candidates: Vec<Candidate>,
    /// REALM of the server.
    pub realm: Option<String>,
    /// SOFTWARE of the server.
    pub software: Option<String>,
    /// What the server granted.
    pub lifetime: Option<Duration>,
    /// RFC 5780, where the server supports it.
    pub nat: Option<Nat>,
    /// What is worth to know and no failure.
    pub remarks: Vec<String>,
    /// Why it is of no use, or of less than it should be.
    pub failure: Option<Cause>,
}

/// How long each step took; `None` for one that was not done or did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// TCP connection.
    pub connect: Option<Duration>,
    /// TLS or DTLS handshake.
    pub handshake: Option<Duration>,
    /// Binding request to answer.
    pub binding: Option<Duration>,
    /// Allocate request to relayed address, challenge included.
    pub allocate: Option<Duration>,
    /// CreatePermission request to answer.
    pub permission: Option<Duration>,
    /// A packet of the peer through the relay to the client and back.
    pub round_trip: Option<Duration>,
}

/// What a certificate was worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certificate {
    /// An authority that is believed signed it for this name.
    Believed,
    /// Nobody looked at it (`--insecure`).
    NotJudged,
    /// It is not believed.
    Doubted(Doubt),
}

/// Kinds of candidates (RFC 8445, section 5.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An own interface.
    Host,
    /// Our address as the server sees it.
    ServerReflexive,
    /// An address of the server that relays.
    Relay,
}

impl Kind {
    /// As candidates name it (RFC 8839, section 5.1).
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::ServerReflexive => "srflx",
            Kind::Relay => "relay",
        }
    }
}

/// An address at which this machine can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Since the check began.
    pub at: Duration,
    /// How it came about.
    pub kind: Kind,
    /// How peers reach it.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

impl Path {
    /// Nothing is known yet.
    pub fn new(server: SocketAddr, wire: Wire) -> Self {
        Self {
            server,
            wire,
            times: Times::default(),
            certificate: None,
            candidates: Vec::new(),
            realm: None,
            software: None,
            lifetime: None,
            nat: None,
            remarks: Vec::new(),
            failure: None,
        }
    }

    /// The candidate of a kind.
    pub fn candidate(&self, kind: Kind) -> Option<SocketAddr> {
        self.candidates.iter().find(|candidate| candidate.kind == kind).map(|candidate| candidate.address)
    }
}

impl UriReport {
    /// Everything that was asked of it works, over each of its addresses.
    pub fn is_fine(&self) -> bool {
        self.failure.is_none() && !self.paths.is_empty() && self.paths.iter().all(|path| path.failure.is_none())
    }

    /// The server was reached over one address at least and gave what the URI is for: an address, or a relay.
    pub fn is_usable(&self) -> bool {
        let wanted = if self.uri.scheme.is_turn() { Kind::Relay } else { Kind::ServerReflexive };
        self.paths.iter().any(|path| path.candidate(wanted).is_some())
    }

    /// An address that this machine has no way to is no failure of a server that works at another one: few machines have
    /// both IPv4 and IPv6.
    pub fn settle(&mut self) {
        if !self.paths.iter().any(|path| path.failure.is_none()) {
            return;
        }
        for path in &mut self.paths {
            if let Some(cause @ Cause::Unreachable(_)) = &path.failure {
                path.remarks.push(cause.to_string());
                path.failure = None;
            }
        }
    }

    /// The first thing that is wrong.
    pub fn cause(&self) -> Option<&Cause> {
        self.failure.as_ref().or_else(|| self.paths.iter().find_map(|path| path.failure.as_ref()))
    }
}

impl Report {
    /// 0 where all is fine; 3 where no URI could be used, because no server was reached or each refused; else 1.
    pub fn exit_code(&self) -> u8 {
        if !self.uris.is_empty() && self.uris.iter().all(UriReport::is_fine) {
            EXIT_DONE
        } else if self.uris.iter().any(UriReport::is_usable) {
            EXIT_THRESHOLD
        } else {
            EXIT_REFUSED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(relay: bool, failure: Option<Cause>) -> Path {
        let server = SocketAddr::from(([192, 0, 2, 1], 3478));
        let mut path = Path::new(server, Wire::Udp);
        if relay {
            let (at, kind) = (Duration::ZERO, Kind::Relay);
            path.candidates.push(Candidate { at, kind, protocol: "udp", address: server });
        }
        path.failure = failure;
        path
    }

    fn report(uris: Vec<Vec<Path>>) -> u8 {
        let uri: ServerUri = "turn:192.0.2.1".parse().expect("a URI");
        let of = |paths| UriReport { uri: uri.clone(), resolved: None, paths, failure: None };
        Report { uris: uris.into_iter().map(of).collect(), ..Report::default() }.exit_code()
    }

    #[test]
    fn all_fine_is_zero_something_wrong_is_one_and_nothing_usable_is_three() {
        assert_eq!(report(vec![vec![path(true, None)]]), 0);
        assert_eq!(report(vec![vec![path(true, None)], vec![path(false, Some(Cause::Refused))]]), 1);
        assert_eq!(report(vec![vec![path(true, None), path(false, Some(Cause::Refused))]]), 1);
        assert_eq!(report(vec![vec![path(true, Some(Cause::RelayUnreachable { waited: Duration::ZERO }))]]), 1);
        assert_eq!(report(vec![vec![path(false, Some(Cause::Refused))]]), 3);
        assert_eq!(report(vec![vec![]]), 3);
        assert_eq!(report(vec![]), 3);
    }

    #[test]
    fn an_address_without_a_way_counts_only_where_no_other_one_works() {
        let unreachable = || path(false, Some(Cause::Unreachable("Network is unreachable".to_owned())));
        let settled = |paths| {
            let uri = "turn:turn.example.org".parse().expect("a URI");
            let mut report = UriReport { uri, resolved: None, paths, failure: None };
            report.settle();
            report
        };
        let works = settled(vec![unreachable(), path(true, None)]);
        assert!(works.is_fine() && works.paths[0].remarks.len() == 1);
        assert!(!settled(vec![unreachable()]).is_fine());
        assert!(!settled(vec![path(true, None), path(false, Some(Cause::Refused))]).is_fine());
    }

    #[test]
    fn a_stun_server_is_usable_without_a_relay() {
        let mut path = path(false, None);
        let address = path.server;
        let (at, kind) = (Duration::ZERO, Kind::ServerReflexive);
        path.candidates.push(Candidate { at, kind, protocol: "udp", address });
        let uri = "stun:192.0.2.1".parse().expect("a URI");
        let report = UriReport { uri, resolved: None, paths: vec![path], failure: None };
        assert!(report.is_fine() && report.is_usable());
    }
}
