//! A look at servers: names resolved, sockets opened, packets sent and awaited.
//!
//! In: URIs, who we are, whom to believe. Out: a [`Report`]. Never: a wait that is not bounded, other than the system's for
//! names; more than a few packets to anybody.

mod nat;
mod path;
mod peer;
mod talk;

use super::clock::RunClock;
use super::interfaces;
use super::wire::{Belief, Transport};
use crate::check::{Candidate, Cause, Kind, Path, Report, UriReport};
use crate::config::Trust;
use crate::credentials::Login;
use crate::uri::{Host, ServerUri, Wire};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 4;
/// Servers that are looked at, at once and in all: lists of a REST endpoint come from elsewhere.
const AT_ONCE: usize = 8;
const MAX_URIS: usize = 32;

/// Who looks at the servers.
pub(crate) struct Visitor {
    /// What we say we are, `None` where nobody asks.
    pub(crate) login: Option<Arc<Login>>,
    /// The login was made of a shared secret.
    pub(crate) of_secret: bool,
    /// Whom to believe.
    pub(crate) trust: Trust,
    /// Time since 1970.
    pub(crate) unix: Duration,
    /// What everything random follows from.
    pub(crate) seed: u64,
}

/// Looks at all of them, several at once.
pub(crate) fn check(uris: &[ServerUri], visitor: &Visitor) -> Report {
    let clock = RunClock::start();
    let mut report = Report { hosts: hosts(clock), ..Report::default() };
    let (looked_at, rest) = uris.split_at(uris.len().min(MAX_URIS));
    if !rest.is_empty() {
        report.remarks.push(format!("{} URIs beyond the first {MAX_URIS} were not looked at", rest.len()));
    }
    for some in looked_at.chunks(AT_ONCE) {
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|uri| scope.spawn(|| look(uri, visitor, clock))).collect();
            threads.into_iter().zip(some).map(|(thread, uri)| thread.join().unwrap_or_else(|_| broken(uri))).collect()
        });
        let found: Vec<UriReport> = found;
        report.uris.extend(found);
    }
    report
}

fn broken(uri: &ServerUri) -> UriReport {
    let failure = Some(Cause::Local("the check itself broke".to_owned()));
    UriReport { uri: uri.clone(), resolved: None, paths: Vec::new(), failure }
}

/// One for each address that is not loopback (RFC 8445, section 5.1.1.1), with a port that a socket got there.
fn hosts(clock: RunClock) -> Vec<Candidate> {
    let bound = |address: IpAddr| UdpSocket::bind((address, 0)).and_then(|socket| socket.local_addr()).ok();
    let addresses = interfaces::addresses().into_iter().filter(|address| !address.is_loopback());
    let at = || clock.now().since(crate::clock::Moment::START);
    addresses
        .filter_map(bound)
        .map(|address| Candidate { at: at(), kind: Kind::Host, protocol: "udp", address })
        .collect()
}

fn look(uri: &ServerUri, visitor: &Visitor, clock: RunClock) -> UriReport {
    let mut report = UriReport { uri: uri.clone(), resolved: None, paths: Vec::new(), failure: None };
    let addresses = match &uri.host {
        Host::Address(address) => vec![SocketAddr::new(*address, uri.port)],
        Host::Name(name) => {
            let begin = clock.now();
            let found = (name.as_str(), uri.port).to_socket_addrs();
            match found {
                Ok(found) => {
                    report.resolved = Some(clock.now().since(begin));
                    found.collect()
                }
                Err(error) => {
                    report.failure = Some(Cause::Dns(error.to_string()));
                    return report;
                }
            }
        }
    };
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if distinct.is_empty() {
        report.failure = Some(Cause::Dns("it has no address".to_owned()));
    }
    let transport = match transport(uri, &visitor.trust) {
        Ok(transport) => transport,
        Err(why) => {
            report.failure = Some(Cause::Local(why));
            return report;
        }
    };
    let left_out = distinct.len().saturating_sub(MAX_ADDRESSES);
    for address in distinct.into_iter().take(MAX_ADDRESSES) {
        report.paths.push(path::walk(uri, address, &transport, visitor, clock));
    }
    if let Some(last) = report.paths.last_mut().filter(|_| left_out > 0) {
        last.remarks.push(format!("{left_out} more addresses of the name were not looked at"));
    }
    report.settle();
    report
}

fn transport(uri: &ServerUri, trust: &Trust) -> Result<Transport, String> {
    let belief = || Belief::new(trust, &uri.host).map(Arc::new);
    Ok(match uri.wire() {
        Wire::Udp => Transport::Udp,
        Wire::Tcp => Transport::Tcp,
        Wire::Tls => Transport::Tls(belief()?),
        Wire::Dtls => Transport::Dtls(belief()?),
    })
}

/// A candidate that was found now.
fn candidate(path: &mut Path, clock: RunClock, kind: Kind, protocol: &'static str, address: SocketAddr) {
    let at = clock.now().since(crate::clock::Moment::START);
    path.candidates.push(Candidate { at, kind, protocol, address });
}
