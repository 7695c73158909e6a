//! The client against coturn, over plain blocking sockets of the loopback interface.
//!
//! Each test starts a server of its own and ends it. Where the program is not installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that talks to another program is an edge")]

mod support;

use rtcscope::proto::stun::Method;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime};
use support::coturn::{Coturn, REST, Server};
use turnload::client::{
    Client, ClientConfig, DataPath, EvenPort, Event, Failure, Family, Input, PERMISSION_LIFETIME, PeerId, State,
};
use turnload::clock::Moment;
use turnload::credentials::{Credentials, Login, SecretSource};
use turnload::secret::Secret;

/// coturn grants 600 s where a client asks for less, and holds who asks for more to this.
const SHORT_LIVED: &str = "max-allocate-lifetime=3";

/// Tells the clients of a test apart.
static CLIENTS: AtomicU16 = AtomicU16::new(0);

/// Above the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(61_000..65_000).relay_ports(40)
}

fn long_lived() -> ClientConfig {
    ClientConfig { lifetime: Some(Duration::from_secs(900)), ..config() }
}

fn socket_to(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(server).expect("connected");
    socket
}

fn login(password: &str) -> Option<Arc<Login>> {
    Some(Arc::new(Login { user: "alice".to_owned(), password: Secret::from(password.to_owned()) }))
}

fn config() -> ClientConfig {
    ClientConfig {
        credentials: login("sesame"),
        family: None,
        even_port: EvenPort::No,
        reservation_token: None,
        dont_fragment: false,
        lifetime: None,
        permission_lifetime: PERMISSION_LIFETIME,
        reliable: false,
        path: DataPath::Channels,
        tcp_relay: false,
        seed: u64::from(std::process::id()) << 16 | u64::from(CLIENTS.fetch_add(1, Ordering::Relaxed)),
    }
}

/// A client, and what moves its bytes.
struct Driver {
    client: Client,
    socket: UdpSocket,
    start: Instant,
    events: Vec<Event>,
    data: Vec<(Option<PeerId>, Vec<u8>)>,
}

impl Driver {
    fn new(server: &Server, config: ClientConfig) -> Self {
        Self::on(socket_to(server.address()), config)
    }

    fn on(socket: UdpSocket, config: ClientConfig) -> Self {
        Self { client: Client::new(config), socket, start: Instant::now(), events: Vec::new(), data: Vec::new() }
    }

    fn now(&self) -> Moment {
        Moment::START.plus(self.start.elapsed())
    }

    fn step(&mut self) {
        let mut out = Vec::new();
        while self.client.poll_transmit(&mut out) {
            // A server that is gone is told by ICMP; the client finds out by itself.
            drop(self.socket.send(&out));
            out.clear();
        }
        // Refreshes are counted, and come whenever they are due.
        let events = std::iter::from_fn(|| self.client.poll_event());
        self.events.extend(events.filter(|event| *event != Event::Refreshed));
        let wait = self.client.poll_timeout().map_or(Duration::from_millis(50), |next| next.since(self.now()));
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(50));
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut buffer = [0; 2048];
        let received = self.socket.recv(&mut buffer);
        let now = self.now();
        if let Ok(len) = received
            && let Input::Data { peer, payload } = self.client.handle_input(&buffer[..len], now)
        {
            self.data.push((peer, payload.to_vec()));
        }
        if self.client.poll_timeout().is_some_and(|next| next <= now) {
            self.client.handle_timeout(now);
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}: {:?} {:?}", self.events, self.client.counters());
            self.step();
        }
    }

    /// Asks for the allocation and returns the event that answers.
    fn allocated(&mut self) -> Event {
        self.client.allocate(self.now());
        self.until("allocation", |driver| !driver.events.is_empty());
        self.events.remove(0)
    }

    fn up(server: &Server, config: ClientConfig) -> Self {
        let mut driver = Self::new(server, config);
        let event = driver.allocated();
        assert!(matches!(event, Event::Allocated { .. }), "{event:?}");
        driver
    }

    fn ready(&mut self, peer: SocketAddr) -> PeerId {
        let id = self.client.open_peer(peer, self.now());
        self.until("peer", |driver| !driver.events.is_empty());
        assert_eq!(self.events.remove(0), Event::PeerReady(id));
        id
    }

    fn send(&mut self, peer: PeerId, payload: &[u8]) {
        let mut out = Vec::new();
        self.client.wrap(peer, payload.len(), &mut out).expect("a peer that is ready");
        out.extend_from_slice(payload);
        self.client.finish_wrap(&mut out, 0);
        self.socket.send(&out).expect("sent");
    }

    /// A hundred packets to a peer and back, one after the other.
    fn echoes(&mut self, peer_ip: &str) {
        let peer = UdpSocket::bind((peer_ip, 0)).expect("a peer");
        peer.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let id = self.ready(peer.local_addr().expect("an address"));
        for number in 0..100_u8 {
            let payload = vec![number; usize::from(number)];
            self.send(id, &payload);
            let mut buffer = [0; 2048];
            let (len, from) = peer.recv_from(&mut buffer).expect("relayed to the peer");
            assert_eq!((Some(from), &buffer[..len]), (self.client.relayed(), &payload[..]));
            peer.send_to(&buffer[..len], from).expect("sent back");
            self.until("echo", |driver| !driver.data.is_empty());
            assert_eq!(self.data.remove(0), (Some(id), payload));
        }
        assert!(self.events.is_empty() && self.data.is_empty());
    }

    fn closed(&mut self) {
        self.client.close(self.now());
        self.until("deletion", |driver| driver.client.state() == State::Closed && !driver.events.is_empty());
        assert_eq!(self.events.pop(), Some(Event::Closed));
    }
}

#[test]
fn long_term_credentials_and_channels_relay_without_loss() {
    let Some(server) = coturn().start() else { return };
    let mut driver = Driver::up(&server, config());
    assert_eq!(driver.client.mapped(), driver.socket.local_addr().ok());
    driver.echoes("127.0.0.1");
    assert_eq!(driver.client.counters().challenges, 1);
    assert_eq!(driver.client.counters().forged, 0);
    driver.closed();
}

#[test]
fn indications_relay_without_loss() {
    let Some(server) = coturn().start() else { return };
    let mut driver = Driver::up(&server, ClientConfig { path: DataPath::Indications, ..config() });
    driver.echoes("127.0.0.1");
    driver.closed();
}

#[test]
fn a_shared_secret_gives_credentials_that_the_server_takes_until_they_expire() {
    let Some(server) = coturn().auth(REST).start() else { return };
    let identity = Credentials::Rest {
        user: Some("alice".to_owned()),
        secret: SecretSource::Text(Secret::from("logen".to_owned())),
        expiry: Duration::from_secs(60),
        separator: ':',
    }
    .identity(&|_| Err(std::io::ErrorKind::NotFound.into()))
    .expect("nothing is read");
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let mut driver = Driver::up(&server, ClientConfig { credentials: identity.login(unix), ..config() });
    driver.echoes("127.0.0.1");
    driver.closed();

    let expired = identity.login(unix - Duration::from_secs(120));
    let event = Driver::new(&server, ClientConfig { credentials: expired, ..config() }).allocated();
    assert_eq!(event, Event::Failed(Failure::WrongPassword));
}

#[test]
fn a_server_that_does_not_ask_gets_no_credentials() {
    let Some(server) = coturn().auth("no-auth").start() else { return };
    let mut driver = Driver::up(&server, ClientConfig { credentials: None, ..config() });
    driver.echoes("127.0.0.1");
    driver.closed();
    assert_eq!(driver.client.counters().challenges, 0);
}

#[test]
fn an_ipv6_relay_reaches_an_ipv6_peer() {
    let Some(server) = coturn().ipv6().start() else { return };
    for path in [DataPath::Channels, DataPath::Indications] {
        let mut driver = Driver::up(&server, ClientConfig { family: Some(Family::IPV6), path, ..config() });
        assert!(driver.client.relayed().is_some_and(|relayed| relayed.is_ipv6()));
        driver.echoes("::1");
        driver.closed();
    }
}

#[test]
fn a_wrong_password_is_told_from_other_refusals() {
    let Some(server) = coturn().start() else { return };
    let mut driver = Driver::new(&server, ClientConfig { credentials: login("mallory"), ..config() });
    assert_eq!(driver.allocated(), Event::Failed(Failure::WrongPassword));
    assert_eq!(driver.client.counters().requests, 2);
}

#[test]
fn a_full_quota_is_a_486_and_a_deletion_makes_room() {
    let Some(server) = coturn().options("user-quota=1").start() else { return };
    let mut first = Driver::up(&server, config());
    let event = Driver::new(&server, config()).allocated();
    let Event::Failed(failure) = event else { panic!("{event:?}") };
    assert_eq!(failure.key(), "486");
    assert!(matches!(&failure, Failure::Code { reason, .. } if reason.contains("Quota")), "{failure}");
    first.closed();
    // coturn gives the place back a little after it has answered.
    let mut tries = 0;
    while !matches!(Driver::new(&server, config()).allocated(), Event::Allocated { .. }) {
        tries += 1;
        assert!(tries < 50);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_short_range_of_ports_is_a_508() {
    let Some(server) = coturn().relay_ports(2).start() else { return };
    let mut drivers: Vec<Driver> = Vec::new();
    let refusal = (0..4).find_map(|_| {
        let mut driver = Driver::new(&server, config());
        let event = driver.allocated();
        drivers.push(driver);
        if let Event::Failed(failure) = event { Some(failure) } else { None }
    });
    assert_eq!(refusal.map(|failure| failure.key()), Some("508".to_owned()));
}

#[test]
fn stale_nonces_and_short_lifetimes_do_not_end_an_allocation() {
    let Some(server) = coturn().options(SHORT_LIVED).options("stale-nonce=1").start() else { return };
    let mut driver = Driver::up(&server, long_lived());
    driver.until("refreshes", |driver| driver.client.counters().refreshes >= 3);
    assert!(driver.client.counters().stale_nonces >= 1, "{:?}", driver.client.counters());
    assert_eq!(driver.client.state(), State::Up);
    driver.echoes("127.0.0.1");
    driver.closed();
}

#[test]
fn a_reserved_port_is_given_to_the_one_who_brings_the_token() {
    let Some(server) = coturn().start() else { return };
    let first = Driver::up(&server, ClientConfig { even_port: EvenPort::Reserve, ..config() });
    let port = first.client.relayed().expect("a relayed address").port();
    assert_eq!(port % 2, 0);
    let token = first.client.reservation();
    assert!(token.is_some());
    let second = Driver::up(&server, ClientConfig { reservation_token: token, ..config() });
    assert_eq!(second.client.relayed().expect("a relayed address").port(), port + 1);
}

#[test]
fn an_old_allocation_at_the_same_address_is_told_by_its_code() {
    let Some(server) = coturn().start() else { return };
    let old = Driver::up(&server, config());
    let mut new = Driver::on(old.socket.try_clone().expect("the same socket"), config());
    let event = new.allocated();
    assert!(matches!(event, Event::Failed(Failure::Code { code: 437, .. })), "{event:?}");
}

#[test]
fn a_killed_server_is_a_lost_allocation() {
    let Some(mut server) = coturn().options(SHORT_LIVED).start() else { return };
    let mut driver = Driver::up(&server, long_lived());
    server.kill();
    driver.until("loss", |driver| driver.client.state() == State::Failed && !driver.events.is_empty());
    assert_eq!(driver.events, [Event::Lost(Failure::Timeout { method: Method::REFRESH })]);
}
