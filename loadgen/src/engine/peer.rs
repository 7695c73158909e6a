//! The reflector: sends every datagram back to where it came from.
//!
//! In: what relays deliver. Out: the same bytes, and counts. Never: a look into a packet; what is lost here has to be
//! told from what the server lost, so drops of the socket and the CPU of the thread are counted apart.

use super::clock::{Waited, thread_cpu};
use super::socket::{dropped, listener, local_address};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, sockopt};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::thread::JoinHandle;
use std::time::Duration;

/// The largest datagram.
const BUFFER: usize = 65_536;
/// How often an idle reflector looks whether it may end.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often one looks who waits for its last counts.
const LOOK: Duration = Duration::from_millis(5);
/// Packets between two publications of the counts.
const PUBLISH_EVERY: u64 = 256;

/// What a reflector did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PeerCounts {
    /// Datagrams sent back.
    pub(crate) reflected: u64,
    /// Datagrams that could not be sent back.
    pub(crate) refused: u64,
    /// Datagrams that its socket had no room for.
    pub(crate) dropped: u64,
    /// CPU time of its thread.
    pub(crate) cpu: Duration,
    /// What its thread waited for a CPU.
    pub(crate) waited: Waited,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    is_asked: AtomicBool,
    reflected: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    cpu_nanos: AtomicU64,
    waited_nanos: AtomicU64,
    waited_times: AtomicU64,
}

/// A reflector with a thread of its own; ends when dropped.
pub(crate) struct Reflector {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Reflector {
    /// Listens at `bind` (port 0: any).
    ///
    /// # Errors
    /// Of the system: the address is not ours, the port is taken.
    pub(crate) fn start(bind: SocketAddr) -> io::Result<Self> {
        let socket = listener(bind)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        let address = local_address(&socket).unwrap_or(bind);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("reflector".into()).spawn(move || reflect(&socket, &theirs))?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it did, after it has read all that lay in its socket; none where it does not get to it in that time.
    pub(crate) fn final_counts(&self, limit: Duration) -> Option<PeerCounts> {
        self.shared.is_asked.store(true, Release);
        let looks = limit.as_millis() / LOOK.as_millis();
        let is_told = (0..looks).any(|_| {
            std::thread::sleep(LOOK);
            !self.shared.is_asked.load(Acquire)
        });
        is_told.then(|| self.counts())
    }

    /// What it did so far.
    pub(crate) fn counts(&self) -> PeerCounts {
        PeerCounts {
            reflected: self.shared.reflected.load(Relaxed),
            refused: self.shared.refused.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
            cpu: Duration::from_nanos(self.shared.cpu_nanos.load(Relaxed)),
            waited: Waited {
                time: Duration::from_nanos(self.shared.waited_nanos.load(Relaxed)),
                times: self.shared.waited_times.load(Relaxed),
            },
        }
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn reflect(socket: &OwnedFd, shared: &Shared) {
    let mut buffer = vec![0; BUFFER];
    let (mut reflected, mut refused, mut since) = (0, 0, 0);
    loop {
        let mut is_idle = false;
        match rustix::net::recvfrom(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _, from)) => {
                match from.map(|from| send_back(socket, &buffer[..length], &from)) {
                    Some(Ok(())) => reflected += 1,
                    _ => refused += 1,
                }
                since += 1;
            }
            // An ICMP error of an earlier packet says nothing about this socket.
            Err(Errno::INTR | Errno::CONNREFUSED) => {}
            Err(_) => (since, is_idle) = (PUBLISH_EVERY, true),
        }
        if since >= PUBLISH_EVERY {
            since = 0;
            shared.reflected.store(reflected, Relaxed);
            shared.refused.store(refused, Relaxed);
            shared.dropped.store(dropped(socket).into(), Relaxed);
            shared.cpu_nanos.store(u64::try_from(thread_cpu().as_nanos()).unwrap_or(u64::MAX), Relaxed);
            let waited = Waited::of_thread();
            shared.waited_nanos.store(u64::try_from(waited.time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
            shared.waited_times.store(waited.times, Relaxed);
            if is_idle {
                shared.is_asked.store(false, Release);
            }
            if shared.stop.load(Relaxed) {
                return;
            }
        }
    }
}

fn send_back(socket: &OwnedFd, bytes: &[u8], to: &SocketAddrAny) -> Result<(), Errno> {
    loop {
        match rustix::net::sendto(socket, bytes, SendFlags::empty(), to) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_reflector_sends_back_what_it_gets_and_counts_it() {
        let reflector = Reflector::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a reflector");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a client");
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        for round in 0..300_u32 {
            client.send_to(&round.to_be_bytes(), reflector.address()).expect("sent");
            let mut buffer = [0; 8];
            assert_eq!(client.recv(&mut buffer).expect("an echo"), 4);
            assert_eq!(buffer[..4], round.to_be_bytes());
        }
        let counts = reflector.final_counts(Duration::from_secs(5)).expect("in time");
        assert_eq!((counts.reflected, counts.refused, counts.dropped), (300, 0, 0));
        assert!(counts.cpu > Duration::ZERO);
    }
}
