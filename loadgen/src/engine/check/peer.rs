//! An own socket as the peer, and packets both ways through the relay.
//!
//! In: an allocation with a permission. Out: which packets arrived. Never: a packet believed that this check did not send.
//!
//! Both sides begin. What the peer sends opens a NAT on its way, and where the relay sees it come from another address than
//! was expected, the client sends there too: then the round trip does not depend on what this machine's NAT does.

use super::path::{FIRST_PAUSE, Relay, transaction};
use super::talk::timespec;
use crate::check::{Cause, Exchange, binding};
use crate::client::PeerId;
use crate::clock::Moment;
use crate::config::is_near;
use crate::engine::clock::RunClock;
use crate::engine::socket;
use crate::random::Random;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How long packets are sent that do not arrive.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between them.
const PAUSE: Duration = Duration::from_millis(200);
/// For the server to say where the peer's socket is outside.
const BINDING_PATIENCE: Duration = Duration::from_secs(2);
/// Addresses from which the peer's packets may seem to come; a NAT makes one, whoever forges makes many.
const MAX_SOURCES: usize = 2;

/// A socket of our own that plays the peer.
pub(super) struct Own {
    socket: UdpSocket,
    /// Where relays reach it.
    pub(super) outside: SocketAddr,
}

impl Own {
    /// Opens it on the way to the relay; where that way leads out of our network, the server says how it looks from there.
    pub(super) fn open(
        server: SocketAddr,
        relayed: SocketAddr,
        random: &mut Random,
        clock: RunClock,
    ) -> Result<Self, String> {
        let same_family = server.is_ipv4() == relayed.is_ipv4();
        // The relayed address may be a mistake, so that the way to the server tells more.
        let target = if same_family && !relayed.ip().is_loopback() { server } else { relayed };
        let local = socket::way_to(target).ok_or_else(|| format!("this machine has no way to {relayed}"))?;
        let open = UdpSocket::bind((local, 0)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        });
        let (socket, address) = open.map_err(|error| format!("{local}: {error}"))?;
        let mut own = Self { socket, outside: address };
        if !is_near(server.ip()) && is_near(local) {
            if !same_family {
                return Err(format!("nobody says how {local} looks from {server}"));
            }
            own.outside = own.ask(server, random, clock).ok_or_else(|| {
                format!("{server} does not say over UDP how {local} looks from there, so that the relay cannot find it")
            })?;
        }
        Ok(own)
    }

    fn ask(&self, server: SocketAddr, random: &mut Random, clock: RunClock) -> Option<SocketAddr> {
        let bound = ask(&self.socket, server, 0, BINDING_PATIENCE, random, clock)?;
        Some(bound.0.mapped)
    }
}

/// A Binding request from a socket that hears everybody; the answer and who sent it.
pub(super) fn ask(
    socket: &UdpSocket,
    server: SocketAddr,
    change: u32,
    patience: Duration,
    random: &mut Random,
    clock: RunClock,
) -> Option<(binding::Bound, SocketAddr)> {
    let id = transaction(random);
    let request = binding::request(id, change);
    let begin = clock.now();
    let end = begin.plus(patience);
    let (mut resend_at, mut pause) = (begin, FIRST_PAUSE);
    let mut buffer = [0; 2048];
    while clock.now() < end {
        if clock.now() >= resend_at {
            // An answer to the one before may say that the port is closed; silence says the same a little later.
            drop(socket.send_to(&request, server));
            resend_at = clock.now().plus(pause);
            pause *= 2;
        }
        readable(socket, resend_at.min(end), clock);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(Ok(bound)) = buffer.get(..length).and_then(|bytes| binding::answer(bytes, id)) {
                return Some((bound, from));
            }
        }
    }
    None
}

fn readable(socket: &UdpSocket, until: Moment, clock: RunClock) {
    let mut places = [PollFd::new(socket, PollFlags::IN)];
    // Interrupted or not, the caller looks.
    let _ = poll(&mut places, Some(&timespec(until.since(clock.now()))));
}

/// What is sent: which check, which side began, which packet.
struct Token {
    run: u64,
    of_peer: bool,
    number: u32,
}

const TOKEN_LEN: usize = 16;

impl Token {
    fn write(&self) -> [u8; TOKEN_LEN] {
        let mut bytes = [0; TOKEN_LEN];
        // The first bits keep it apart from STUN and ChannelData (RFC 7983).
        bytes[0] = 0x80;
        bytes[1] = u8::from(self.of_peer);
        bytes[4..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..].copy_from_slice(&self.run.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8], run: u64) -> Option<Self> {
        let bytes: &[u8; TOKEN_LEN] = bytes.try_into().ok()?;
        let [first, of_peer, _, _, a, b, c, d, id @ ..] = *bytes;
        let is_ours = first == 0x80 && of_peer <= 1 && u64::from_be_bytes(id) == run;
        is_ours.then(|| Self { run, of_peer: of_peer == 1, number: u32::from_be_bytes([a, b, c, d]) })
    }
}

/// Sends until a packet of the peer has come back to it, or patience ends.
pub(super) fn exchange(
    relay: &mut Relay,
    own: &Own,
    relayed: SocketAddr,
    random: &mut Random,
) -> Result<Exchange, Cause> {
    let clock = relay.clock;
    let run = random.bits();
    let end = clock.now().plus(PATIENCE);
    let mut found = Exchange { waited: PATIENCE, ..Exchange::default() };
    let mut sources = vec![own.outside];
    let mut sent: Vec<Moment> = Vec::new();
    let mut next_at = clock.now();
    let mut buffer = [0; 2048];
    while clock.now() < end {
        let now = clock.now();
        if now >= next_at {
            next_at = now.plus(PAUSE);
            let number = sent.len() as u32;
            sent.push(now);
            // A relay that cannot be reached shows by what does not come.
            drop(own.socket.send_to(&Token { run, of_peer: true, number }.write(), relayed));
            for source in &sources {
                send(relay, *source, &Token { run, of_peer: false, number }.write())?;
            }
        }
        relay.step(next_at.min(end), Some(own.socket.as_fd()), "the packets through the relay")?;
        for (from, payload) in std::mem::take(&mut relay.data) {
            if Token::read(&payload, run).is_some_and(|token| token.of_peer) {
                found.inward = true;
                if !sources.contains(&from) && sources.len() < MAX_SOURCES {
                    sources.push(from);
                }
                send(relay, from, &payload)?;
            }
        }
        while let Ok((length, from)) = own.socket.recv_from(&mut buffer) {
            let Some(token) = buffer.get(..length).and_then(|bytes| Token::read(bytes, run)) else { continue };
            found.outward = Some(from);
            if let Some(sent) = sent.get(token.number as usize).filter(|_| token.of_peer) {
                found.round_trip = Some(clock.now().since(*sent));
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// To a peer that is ready; one that is not yet gets the next packet.
fn send(relay: &mut Relay, to: SocketAddr, payload: &[u8]) -> Result<(), Cause> {
    let id: PeerId = relay.client.open_peer(to, relay.clock.now());
    let mut out = Vec::new();
    if relay.client.wrap(id, payload.len(), &mut out).is_some() {
        out.extend_from_slice(payload);
        relay.client.finish_wrap(&mut out, 0);
        relay.talk.send(&out).map_err(|broken| super::talk::cause(&broken, "the packets through the relay"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_and_no_other_is() {
        let bytes = Token { run: 7, of_peer: true, number: 3 }.write();
        assert!(Token::read(&bytes, 7).is_some_and(|token| token.of_peer && token.number == 3));
        assert!(Token::read(&bytes, 8).is_none());
        for cut in 0..bytes.len() {
            assert!(Token::read(&bytes[..cut], 7).is_none());
        }
    }
}
