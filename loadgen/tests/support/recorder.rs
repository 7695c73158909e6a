//! A peer that sends back what comes, and writes down who sent what when.

#![allow(clippy::disallowed_methods, reason = "a peer has a clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A packet as it was captured, or as it was heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Packet {
    /// Nanoseconds; of a capture, or since the run began.
    pub(crate) at: u64,
    /// RTP header included.
    pub(crate) bytes: usize,
    pub(crate) marker: bool,
}

/// What was heard.
#[derive(Default)]
pub(crate) struct Heard {
    /// By allocation and stream, with the time at which each packet was due.
    pub(crate) streams: BTreeMap<(u32, u16), Vec<Packet>>,
    /// From where each allocation was heard: its relayed addresses.
    pub(crate) relays: BTreeMap<u32, BTreeSet<SocketAddr>>,
    /// The run; a new one takes the place of the one before.
    run: u32,
    /// Nanoseconds by which each packet came later than the most punctual one, in order.
    pub(crate) lateness: Vec<i64>,
}

/// The peer.
pub(crate) struct Recorder {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Heard>,
}

impl Recorder {
    /// At a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("its address");
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || listen(&socket, &stop)
        });
        Self { address, stop, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn heard(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it listened")
    }
}

fn listen(socket: &UdpSocket, stop: &AtomicBool) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = [0; 2_048];
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    while !stop.load(Ordering::Relaxed) {
        let Ok((bytes, from)) = socket.recv_from(&mut buffer) else { continue };
        let arrived = began.elapsed().as_nanos() as i64;
        drop(socket.send_to(&buffer[..bytes], from));
        let field =
            |at: usize, length: usize| buffer[at..at + length].iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        // Behind the RTP header: run, allocation, stream, number, when it was due.
        let (run, allocation, stream, due) =
            (field(12, 4) as u32, field(16, 4) as u32, field(20, 2) as u16, field(30, 8));
        if run != heard.run {
            heard = Heard { run, ..Heard::default() };
        }
        heard.lateness.push(arrived - due as i64);
        let packet = Packet { at: due, bytes, marker: buffer[1] & 0x80 != 0 };
        heard.streams.entry((allocation, stream)).or_default().push(packet);
        heard.relays.entry(allocation).or_default().insert(from);
    }
    // The clocks began at different times.
    let least = heard.lateness.iter().min().copied().unwrap_or(0);
    heard.lateness.iter_mut().for_each(|lateness| *lateness -= least);
    heard.lateness.sort_unstable();
    heard
}
