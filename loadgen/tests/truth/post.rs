//! A post office between turnload and a TURN server on UDP, and the peer behind it: what passes is delayed as the test
//! says, and it is written down when it came and when it left.
//!
//! It stands directly in front of turnload: what it hands to the loopback interface has arrived some microseconds later.
//! So it knows the truth of each round trip, whatever the server and the machine did meanwhile.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use turnload::media::{Arrived, read};

/// So long before a packet has to leave the thread stops to sleep: the system wakes nobody to the microsecond.
const SPIN: Duration = Duration::from_micros(120);
const LOOK: Duration = Duration::from_millis(5);
/// RFC 8656, section 12.4.
const CHANNEL_HEADER: usize = 4;

/// Where packets are delayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// At the peer, behind the server.
    Peer,
    /// Media on the way back from the server: for pairs, which have no peer.
    Back,
    /// Answers of the server to requests.
    Answers,
}

/// What is done to the packets.
pub(crate) struct Orders {
    pub(crate) place: Place,
    /// How long the packet of this number waits, counted over all that pass there.
    pub(crate) delay: Box<dyn FnMut(u64) -> Duration + Send>,
    /// So long after the first packet nothing is read or sent for so long.
    pub(crate) stall: Option<(Duration, Duration)>,
}

/// A packet on its last stretch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) packet: Arrived,
    /// Nanoseconds of the post's clock just before it was handed over, and just after.
    pub(crate) left: (u64, u64),
}

/// Someone who asks the server for something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// When its first request came.
    pub(crate) asked: u64,
    /// When it was given each answer.
    pub(crate) answered: Vec<u64>,
}

/// What the post has seen.
#[derive(Default, Debug)]
pub(crate) struct Book {
    pub(crate) passed: Vec<Passed>,
    /// Nanoseconds that packets stayed where they were delayed.
    pub(crate) injected: Vec<u64>,
    /// The least difference of the post's clock to that of the run, seen when packets came in.
    pub(crate) offset: i64,
    /// The same, seen at the peer; the way through the server is in it.
    pub(crate) offset_at_peer: i64,
    /// What left the peer.
    pub(crate) reflected: Vec<Passed>,
    pub(crate) clients: Vec<Client>,
}

pub(crate) struct Post {
    pub(crate) front: SocketAddr,
    pub(crate) peer: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Book>,
}

impl Post {
    pub(crate) fn open(server: SocketAddr, orders: Orders) -> Self {
        let (front, peer) = (socket(), socket());
        let (front_address, peer_address) = (address(&front), address(&peer));
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let office = Office {
            server,
            orders,
            front,
            peer,
            clients: Vec::new(),
            waiting: BinaryHeap::new(),
            start: Instant::now(),
            first: None,
            count: 0,
            book: Book { offset: i64::MAX, offset_at_peer: i64::MAX, ..Book::default() },
        };
        let thread = std::thread::spawn(move || office.run(&told));
        Self { front: front_address, peer: peer_address, stop, thread }
    }

    pub(crate) fn close(self) -> Book {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the post did its work")
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_nonblocking(true).expect("does not wait");
    // What comes during a stall must not be lost.
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20).expect("a buffer");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

/// From which socket, and where to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    PeerTo(SocketAddr),
    ClientAt(usize),
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Letter {
    due: u64,
    number: u64,
    came: u64,
    way: Way,
    bytes: Vec<u8>,
}

struct Office {
    server: SocketAddr,
    orders: Orders,
    /// Where turnload sends to.
    front: UdpSocket,
    peer: UdpSocket,
    /// Each client of the server, and its socket to the server.
    clients: Vec<(SocketAddr, UdpSocket)>,
    waiting: BinaryHeap<Reverse<Letter>>,
    start: Instant,
    first: Option<u64>,
    count: u64,
    book: Book,
}

impl Office {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn run(mut self, stop: &AtomicBool) -> Book {
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).expect("a slack");
        while !stop.load(Relaxed) {
            self.deliver();
            self.wait();
            self.stall();
            self.come();
            self.relayed();
            self.reflect();
        }
        self.book
    }

    fn deliver(&mut self) {
        while self.waiting.peek().is_some_and(|Reverse(letter)| letter.due <= self.now()) {
            let Some(Reverse(letter)) = self.waiting.pop() else { return };
            let before = self.now();
            self.book.injected.push(before - letter.came);
            match letter.way {
                Way::PeerTo(to) => {
                    self.peer.send_to(&letter.bytes, to).expect("sent back");
                    if let Ok(packet) = read(&letter.bytes) {
                        self.book.reflected.push(Passed { packet, left: (before, self.now()) });
                    }
                }
                Way::ClientAt(client) => self.hand_over(client, &letter.bytes),
            }
        }
    }

    fn hand_over(&mut self, client: usize, bytes: &[u8]) {
        let before = self.now();
        // Whoever has gone takes nothing any longer.
        drop(self.front.send_to(bytes, self.clients[client].0));
        if let Some(packet) = media(bytes) {
            self.book.passed.push(Passed { packet, left: (before, self.now()) });
        } else {
            self.book.clients[client].answered.push(before);
        }
    }

    fn wait(&self) {
        let next =
            self.waiting.peek().map(|Reverse(letter)| Duration::from_nanos(letter.due.saturating_sub(self.now())));
        let time = next.map_or(LOOK, |next| next.saturating_sub(SPIN).min(LOOK));
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        let sockets = self.clients.iter().map(|(_, socket)| socket).chain([&self.front, &self.peer]);
        let mut sockets: Vec<PollFd<'_>> = sockets.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        // Woken early by a signal, the loop goes round once more.
        let _ = poll(&mut sockets, Some(&time));
    }

    fn stall(&mut self) {
        if let (Some(first), Some((after, length))) = (self.first, self.orders.stall)
            && self.now() - first >= after.as_nanos() as u64
        {
            self.orders.stall = None;
            std::thread::sleep(length);
        }
    }

    /// From turnload to the server.
    fn come(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = self.front.recv_from(&mut buffer) {
            let now = self.now();
            if let Some(packet) = media(&buffer[..length]) {
                self.first.get_or_insert(now);
                self.book.offset = self.book.offset.min(now as i64 - packet.stamp.sent.as_nanos() as i64);
            }
            let known = self.clients.iter().position(|(client, _)| *client == from);
            let client = known.unwrap_or_else(|| {
                let socket = socket();
                socket.connect(self.server).expect("connected");
                self.clients.push((from, socket));
                self.book.clients.push(Client { asked: now, ..Client::default() });
                self.clients.len() - 1
            });
            drop(self.clients[client].1.send(&buffer[..length]));
        }
    }

    /// From the server to turnload.
    fn relayed(&mut self) {
        let mut buffer = [0; 2_048];
        for client in 0..self.clients.len() {
            while let Ok(length) = self.clients[client].1.recv(&mut buffer) {
                let bytes = &buffer[..length];
                let place = if media(bytes).is_some() { Place::Back } else { Place::Answers };
                if self.orders.place == place {
                    self.keep(Way::ClientAt(client), bytes);
                } else {
                    self.hand_over(client, bytes);
                }
            }
        }
    }

    /// The peer.
    fn reflect(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            match self.peer.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    if let Ok(packet) = read(&buffer[..length]) {
                        let offset = self.now() as i64 - packet.stamp.sent.as_nanos() as i64;
                        self.book.offset_at_peer = self.book.offset_at_peer.min(offset);
                    }
                    if self.orders.place == Place::Peer {
                        self.keep(Way::PeerTo(from), &buffer[..length]);
                    } else {
                        drop(self.peer.send_to(&buffer[..length], from));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier packet.
                Err(_) => {}
            }
        }
    }

    fn keep(&mut self, way: Way, bytes: &[u8]) {
        let came = self.now();
        let delay = (self.orders.delay)(self.count);
        let due = came + delay.as_nanos() as u64;
        self.waiting.push(Reverse(Letter { due, number: self.count, came, way, bytes: bytes.to_vec() }));
        self.count += 1;
    }
}

/// What is in ChannelData.
fn media(bytes: &[u8]) -> Option<Arrived> {
    let is_channel = bytes.first().is_some_and(|first| first >> 6 == 1);
    let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    if is_channel { read(bytes.get(CHANNEL_HEADER..CHANNEL_HEADER + length)?).ok() } else { None }
}
