//! One address of a server, step by step: connect, bind, allocate, permit, relay.
//!
//! In: an address and a transport. Out: a [`Path`]. Never: a step whose want of success is not told.

use super::peer::{self, Own};
use super::talk::{Talk, cause, certificate};
use super::{Visitor, candidate, nat};
use crate::check::{Asked, Cause, Certificate, Kind, Path, binding, judge_relay, peer_refused, refusal};
use crate::client::{
    Alternate, Client, ClientConfig, DataPath, EvenPort, Event, Input, PERMISSION_LIFETIME, State, server_text,
};
use crate::clock::Moment;
use crate::config::Trust;
use crate::engine::clock::RunClock;
use crate::engine::wire::Transport;
use crate::random::Random;
use crate::uri::{ServerUri, Wire};
use rtcscope::proto::stun::{Message, TransactionId};
use std::net::SocketAddr;
use std::time::Duration;

/// For a TCP connection, and again for a handshake.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// For a Binding response where that is all that is asked.
const BINDING_PATIENCE: Duration = Duration::from_secs(5);
/// For a Binding response where the server may also be silent on purpose and still relay.
const SHORT_BINDING_PATIENCE: Duration = Duration::from_secs(2);
/// For an allocation, challenge included.
const ALLOCATE_PATIENCE: Duration = Duration::from_secs(5);
/// For an allocation of a server that was silent before: both waits together are as long as others.
const SHORT_ALLOCATE_PATIENCE: Duration = Duration::from_secs(3);
/// For a permission.
pub(super) const PERMISSION_PATIENCE: Duration = Duration::from_secs(3);
/// For the deletion at the end, which nobody misses.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// RTO (RFC 8489, section 6.2.1).
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Servers that send clients on, one after the other.
const REDIRECTIONS: usize = 2;

/// Does all steps at one address.
pub(super) fn walk(
    uri: &ServerUri,
    server: SocketAddr,
    transport: &Transport,
    visitor: &Visitor,
    clock: RunClock,
) -> Path {
    let mut path = Path::new(server, uri.wire());
    let mut transport = transport.clone();
    for _ in 0..=REDIRECTIONS {
        match steps(uri, &transport, visitor, clock, &mut path) {
            Ok(None) => return path,
            Ok(Some(Alternate { server: elsewhere, domain })) => {
                let mut next = Path::new(elsewhere, path.wire);
                next.remarks = std::mem::take(&mut path.remarks);
                next.remarks.push(format!("{} sends clients on to {elsewhere} (300)", path.server));
                path = next;
                match transport.named(domain.as_deref()) {
                    Ok(named) => transport = named,
                    Err(broken) => {
                        path.failure = Some(cause(&broken, "the handshake"));
                        return path;
                    }
                }
            }
            Err(failure) => {
                path.failure = Some(failure);
                return path;
            }
        }
    }
    path.failure = Some(Cause::Redirected(path.server));
    path
}

/// `Some` address where the server sends us there.
fn steps(
    uri: &ServerUri,
    transport: &Transport,
    visitor: &Visitor,
    clock: RunClock,
    path: &mut Path,
) -> Result<Option<Alternate>, Cause> {
    let is_turn = uri.scheme.is_turn();
    let mut random = Random::of(visitor.seed, clock.now().as_nanos());
    let mut talk = connect(transport, &visitor.trust, clock, path)?;
    let patience = if is_turn { SHORT_BINDING_PATIENCE } else { BINDING_PATIENCE };
    let mut strays = Strays::default();
    let bound = bind(&mut talk, transport.is_reliable(), patience, &mut random, clock, &mut strays);
    let answered = bound.is_ok();
    match bound {
        Ok((bound, took)) => {
            path.times.binding = Some(took);
            path.software.clone_from(&bound.software);
            candidate(path, clock, Kind::ServerReflexive, protocol(path.wire), bound.mapped);
            if let Some(other) = bound.other.filter(|_| path.wire == Wire::Udp) {
                path.nat = nat::behaviour(path.server, other, &mut random, clock);
            }
        }
        // Some relays answer no Binding, or only with credentials; the Allocate response holds the same address.
        Err(cause @ (Cause::NoAnswer { .. } | Cause::Code { .. } | Cause::Protocol(_))) if is_turn => {
            path.remarks.push(cause.to_string());
        }
        Err(cause) => {
            path.remarks.extend(strays.remark());
            return Err(cause);
        }
    }
    if !is_turn {
        talk.close();
        return Ok(None);
    }
    let config = ClientConfig {
        credentials: visitor.login.clone(),
        family: None,
        even_port: EvenPort::No,
        reservation_token: None,
        dont_fragment: false,
        lifetime: None,
        permission_lifetime: PERMISSION_LIFETIME,
        reliable: transport.is_reliable(),
        path: DataPath::Indications,
        tcp_relay: false,
        seed: random.bits(),
    };
    let mut relay =
        Relay { client: Client::new(config), talk, clock, realm: None, software: None, strays, data: Vec::new() };
    let patience = if answered { ALLOCATE_PATIENCE } else { SHORT_ALLOCATE_PATIENCE };
    let waited = if answered { patience } else { patience + SHORT_BINDING_PATIENCE };
    let outcome = allocate(&mut relay, visitor, patience, waited, path);
    if matches!(outcome, Err(Cause::NoAnswer { .. })) {
        path.remarks.extend(relay.strays.remark());
    }
    let outcome = match outcome {
        Ok(None) => through(&mut relay, path, &mut random).map(|()| None),
        other => other,
    };
    relay.close();
    outcome
}

/// As candidates of this wire are reached.
const fn protocol(wire: Wire) -> &'static str {
    if wire.is_stream() { "tcp" } else { "udp" }
}

fn connect(transport: &Transport, trust: &Trust, clock: RunClock, path: &mut Path) -> Result<Talk, Cause> {
    let begin = clock.now();
    let step = if path.wire == Wire::Dtls { "the DTLS handshake" } else { "the TCP connection" };
    let mut talk = Talk::open(transport, path.server, clock).map_err(|broken| cause(&broken, step))?;
    let is_secure = matches!(path.wire, Wire::Tls | Wire::Dtls);
    if path.wire.is_stream() {
        let until = begin.plus(CONNECT_PATIENCE);
        while talk.connected.is_none() && clock.now() < until {
            talk.wait(until, None).map_err(|broken| cause(&broken, step))?;
        }
        let Some(connected) = talk.connected else {
            return Err(Cause::NoAnswer { step, waited: CONNECT_PATIENCE });
        };
        path.times.connect = Some(connected.since(begin));
    }
    if is_secure {
        let step = if path.wire == Wire::Dtls { step } else { "the TLS handshake" };
        let shaking = clock.now();
        let is_ready = talk.make_ready(shaking.plus(CONNECT_PATIENCE)).map_err(|broken| {
            path.certificate = certificate(&broken);
            cause(&broken, step)
        })?;
        if !is_ready {
            return Err(Cause::NoAnswer { step, waited: CONNECT_PATIENCE });
        }
        // DTLS began to shake hands when the link was opened.
        let from = if path.wire == Wire::Dtls { begin } else { shaking };
        path.times.handshake = Some(clock.now().since(from));
        path.certificate = Some(if *trust == Trust::Anybody { Certificate::NotJudged } else { Certificate::Believed });
    }
    Ok(talk)
}

/// A Binding request, repeated where it may get lost.
fn bind(
    talk: &mut Talk,
    is_reliable: bool,
    patience: Duration,
    random: &mut Random,
    clock: RunClock,
    strays: &mut Strays,
) -> Result<(binding::Bound, Duration), Cause> {
    let id = transaction(random);
    let request = binding::request(id, 0);
    let begin = clock.now();
    let end = begin.plus(patience);
    let (mut pause, mut resend_at) = (FIRST_PAUSE, begin);
    loop {
        let now = clock.now();
        if now >= end {
            return Err(Cause::NoAnswer { step: "Binding", waited: patience });
        }
        if now >= resend_at {
            talk.send(&request).map_err(|broken| cause(&broken, "Binding"))?;
            resend_at = if is_reliable { end } else { now.plus(pause) };
            pause *= 2;
        }
        talk.wait(resend_at.min(end), None).map_err(|broken| cause(&broken, "Binding"))?;
        while let Some(message) = talk.next() {
            if let Some(answer) = binding::answer(&message, id) {
                return answer.map(|bound| (bound, clock.now().since(begin)));
            }
            strays.note(&message);
        }
    }
}

pub(super) fn transaction(random: &mut Random) -> TransactionId {
    TransactionId::from_bits(
        u128::from(RFC5389_COOKIE) << 96 | (u128::from(random.bits()) << 64 | u128::from(random.bits())) >> 32,
    )
}

/// RFC 8489, section 5.
const RFC5389_COOKIE: u32 = 0x2112_a442;

/// What came and answers nothing that was asked.
#[derive(Default)]
struct Strays {
    count: u32,
    first: Vec<u8>,
}

impl Strays {
    /// Enough of it to tell HTTP from STUN.
    const SHOWN: usize = 8;

    fn note(&mut self, message: &[u8]) {
        if self.count == 0 {
            self.first = message.to_vec();
        }
        self.count = self.count.saturating_add(1);
    }

    /// Somebody is there, though nobody answers.
    fn remark(&self) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let shown: String = self.first.iter().take(Self::SHOWN).map(|byte| format!("{byte:02x}")).collect();
        let more = if self.first.len() > Self::SHOWN { "…" } else { "" };
        let came = if self.count == 1 { "a message came".to_owned() } else { format!("{} messages came", self.count) };
        Some(format!(
            "{came} that answers nothing that was asked, the first of {} bytes: {shown}{more}; is it a STUN server that is \
             there?",
            self.first.len()
        ))
    }
}

/// The client and the link that it is on.
pub(super) struct Relay {
    pub(super) client: Client,
    pub(super) talk: Talk,
    pub(super) clock: RunClock,
    realm: Option<String>,
    software: Option<String>,
    strays: Strays,
    /// What peers sent, with their address.
    pub(super) data: Vec<(SocketAddr, Vec<u8>)>,
}

impl Relay {
    /// Sends what is to be sent, waits until something happens, takes what came.
    pub(super) fn step(
        &mut self,
        until: Moment,
        other: Option<rustix::fd::BorrowedFd<'_>>,
        step: &'static str,
    ) -> Result<(), Cause> {
        let mut out = Vec::new();
        while self.client.poll_transmit(&mut out) {
            self.talk.send(&out).map_err(|broken| cause(&broken, step))?;
            out.clear();
        }
        let due = self.client.poll_timeout().map_or(until, |due| due.min(until));
        self.talk.wait(due, other).map_err(|broken| cause(&broken, step))?;
        let now = self.clock.now();
        while let Some(message) = self.talk.next() {
            let is_ignored = matches!(self.client.handle_input(&message, now), Input::Ignored);
            // What answers nothing may be of anybody, and says nothing of the server but that somebody is there.
            if !self.take_data(&message) && is_ignored {
                self.strays.note(&message);
            } else {
                self.look_at(&message);
            }
        }
        if self.client.poll_timeout().is_some_and(|due| due <= now) {
            self.client.handle_timeout(now);
        }
        Ok(())
    }

    /// What the client has no use for.
    fn look_at(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        if let Some(realm) = message.realm() {
            self.realm = Some(server_text(realm));
        }
        if let Some(software) = binding::software(&message) {
            self.software = Some(software);
        }
    }

    /// A Data indication, also of a peer that the client does not know: a NAT may stand between.
    fn take_data(&mut self, bytes: &[u8]) -> bool {
        use rtcscope::proto::stun::{AttributeType, Class, Method};
        let Ok(message) = Message::parse(bytes) else { return false };
        if (message.class(), message.method()) != (Class::Indication, Method::DATA) {
            return false;
        }
        if let Some(from) = message.address(AttributeType::XOR_PEER_ADDRESS)
            && let Some(payload) = message.attribute_bytes(AttributeType::DATA)
        {
            self.data.push((from, payload.to_vec()));
        }
        true
    }

    fn close(&mut self) {
        let now = self.clock.now();
        let until = now.plus(CLOSE_PATIENCE);
        self.client.close(now);
        while self.client.state() == State::Closing && self.clock.now() < until {
            if self.step(until, None, "the deletion").is_err() {
                break;
            }
        }
        self.talk.close();
    }
}

fn allocate(
    relay: &mut Relay,
    visitor: &Visitor,
    patience: Duration,
    waited: Duration,
    path: &mut Path,
) -> Result<Option<Alternate>, Cause> {
    let begin = relay.clock.now();
    let end = begin.plus(patience);
    relay.client.allocate(begin);
    loop {
        let outcome = relay.step(end, None, "Allocate");
        path.realm.clone_from(&relay.realm);
        path.software = path.software.take().or_else(|| relay.software.clone());
        match relay.client.poll_event() {
            Some(Event::Allocated { latency, lifetime }) => {
                path.times.allocate = Some(latency);
                path.lifetime = Some(lifetime);
                break;
            }
            Some(Event::Failed(failure) | Event::Lost(failure)) => {
                let user = visitor.login.as_ref().map(|login| login.user.as_str());
                let realm = path.realm.as_deref();
                let asked = Asked { user, of_secret: visitor.of_secret, realm, unix: visitor.unix, waited };
                return Err(refusal(&failure, &asked));
            }
            Some(Event::Redirected(elsewhere)) => return Ok(Some(elsewhere)),
            _ => {}
        }
        outcome?;
        if relay.clock.now() >= end {
            return Err(Cause::NoAnswer { step: "Allocate", waited });
        }
    }
    if let Some(mapped) = relay.client.mapped().filter(|_| path.candidate(Kind::ServerReflexive).is_none()) {
        candidate(path, relay.clock, Kind::ServerReflexive, protocol(path.wire), mapped);
    }
    if let Some(relayed) = relay.client.relayed() {
        candidate(path, relay.clock, Kind::Relay, "udp", relayed);
    }
    Ok(None)
}

/// A packet through the relay and back.
fn through(relay: &mut Relay, path: &mut Path, random: &mut Random) -> Result<(), Cause> {
    let Some(relayed) = relay.client.relayed() else { return Ok(()) };
    let server = path.server.ip();
    let own = match Own::open(path.server, relayed, random, relay.clock) {
        Ok(own) => own,
        Err(why) => {
            path.remarks.push(format!("no packet was sent through the relay: {why}"));
            return note(judge_relay(server, relayed, None)?, path);
        }
    };
    let begin = relay.clock.now();
    let end = begin.plus(PERMISSION_PATIENCE);
    relay.client.open_peer(own.outside, begin);
    loop {
        relay.step(end, None, "CreatePermission")?;
        match relay.client.poll_event() {
            Some(Event::PeerReady(_)) => break,
            Some(Event::PeerRefused(_, failure)) => {
                path.remarks.push(peer_refused(own.outside, &failure, PERMISSION_PATIENCE)?);
                return note(judge_relay(server, relayed, None)?, path);
            }
            Some(Event::Lost(failure)) => return Err(Cause::Protocol(failure.to_string())),
            _ if relay.clock.now() >= end => {
                return Err(Cause::NoAnswer { step: "CreatePermission", waited: PERMISSION_PATIENCE });
            }
            _ => {}
        }
    }
    path.times.permission = Some(relay.clock.now().since(begin));
    let exchange = peer::exchange(relay, &own, relayed, random)?;
    path.times.round_trip = exchange.round_trip;
    note(judge_relay(server, relayed, Some(&exchange))?, path)
}

fn note(remark: Option<String>, path: &mut Path) -> Result<(), Cause> {
    path.remarks.extend(remark);
    Ok(())
}
