//! What lies between an allocation and its server: UDP, TCP, TLS or DTLS, on one non-blocking socket.
//!
//! In: messages to send, and what the socket says. Out: whole messages, one after the other. Never: a wait; a message
//! cut or joined; memory for each allocation where the transport has no state.

mod backlog;
mod dtls;
mod framing;
mod tls;
mod trust;

pub(crate) use trust::{Belief, authorities};

use super::clock::RunClock;
use super::socket;
use crate::check::Doubt;
use crate::clock::Moment;
use backlog::Backlog;
use dtls::DtlsWire;
use framing::Partial;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tls::TlsWire;

/// Which transport, and what it needs to begin.
#[derive(Clone)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls(Arc<Belief>),
    /// Datagrams inside DTLS.
    Dtls(Arc<Belief>),
}

impl Transport {
    /// The system notes when each message arrives, so that they may be read a little later. Of a stream it notes only the
    /// last of those that are read at once.
    pub(crate) const fn notes_each_arrival(&self) -> bool {
        matches!(self, Transport::Udp | Transport::Dtls(_))
    }

    /// The same to a server that has another name, where a server before it said so.
    pub(crate) fn named(&self, domain: Option<&str>) -> Result<Self, Broken> {
        let Some(domain) = domain else { return Ok(self.clone()) };
        let named = |belief: &Belief| belief.named(domain).map(Arc::new).map_err(Broken::Security);
        Ok(match self {
            Transport::Udp => Transport::Udp,
            Transport::Tcp => Transport::Tcp,
            Transport::Tls(belief) => Transport::Tls(named(belief)?),
            Transport::Dtls(belief) => Transport::Dtls(named(belief)?),
        })
    }

    /// Nothing is lost on the way: nothing is retransmitted, and ChannelData is padded.
    pub(crate) const fn is_reliable(&self) -> bool {
        matches!(self, Transport::Tcp | Transport::Tls(_))
    }
}

/// Why a link is of no use any longer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// Nobody listens there, or there is no way.
    Unreachable(Errno),
    /// Nobody answered when the transport was to be set up.
    Silent,
    /// The server closed it.
    Closed,
    /// The system gives no more sockets, ports or memory.
    Exhausted(Errno),
    /// The server's certificate is not believed, with the reason.
    Certificate(Doubt, String),
    /// TLS or DTLS, with its reason.
    Security(String),
    /// Bytes that are no message.
    Garbage,
}

impl Broken {
    /// Under which it is counted.
    pub(crate) const fn key(&self) -> &'static str {
        match self {
            Broken::Unreachable(_) => "unreachable",
            Broken::Silent => "timeout",
            Broken::Closed => "closed",
            Broken::Exhausted(_) => "local",
            Broken::Certificate(..) | Broken::Security(_) => "tls",
            Broken::Garbage => "protocol",
        }
    }

    /// For a person.
    pub(crate) fn reason(&self) -> String {
        match self {
            Broken::Unreachable(errno) | Broken::Exhausted(errno) => errno.to_string(),
            Broken::Silent => "no answer when the connection was to be made".to_owned(),
            Broken::Closed => "the server closed the connection".to_owned(),
            Broken::Certificate(Doubt::Other, reason) | Broken::Security(reason) => reason.clone(),
            Broken::Certificate(doubt, _) => {
                let advice = doubt.advice().map_or_else(String::new, |advice| format!("; {advice}"));
                format!("the server's certificate: {}{advice}", doubt.words())
            }
            Broken::Garbage => "the server sent what is no STUN and no ChannelData".to_owned(),
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Broken::Certificate(trust::doubt(why), error.to_string()),
            _ => Broken::Security(error.to_string()),
        }
    }

    fn of(errno: Errno) -> Self {
        match errno {
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::ADDRINUSE
            | Errno::ADDRNOTAVAIL
            | Errno::AGAIN => Broken::Exhausted(errno),
            Errno::PIPE | Errno::CONNRESET => Broken::Closed,
            _ => Broken::Unreachable(errno),
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The socket has it, or the transport will give it to the socket.
    Yes,
    /// There was no room; it is gone.
    NoRoom,
}

/// A transport that is not there by then never will be: as long as a stream waits for an answer (Ti, RFC 8489, section
/// 6.2.2).
pub(crate) const SETUP: Duration = Duration::from_millis(39_500);

enum Wire {
    Udp,
    Tcp { connected: bool, partial: Partial, backlog: Backlog },
    Tls(Box<TlsWire>),
    Dtls(Box<DtlsWire>),
}

/// One socket and what is on it.
pub(crate) struct Link {
    socket: OwnedFd,
    wire: Wire,
    /// When it has to be ready.
    ready_by: Moment,
}

impl Link {
    /// Begins to connect.
    pub(crate) fn open(
        transport: &Transport,
        server: SocketAddr,
        source: Option<IpAddr>,
        clock: RunClock,
    ) -> Result<Self, Broken> {
        // Where the system does not note arrivals, messages arrive when they are read.
        let noted = |socket: OwnedFd| {
            socket::note_arrivals(&socket);
            socket
        };
        let datagrams = || socket::datagrams(server, source).map(noted).map_err(Broken::of);
        let stream = || socket::stream(server, source).map(noted).map_err(Broken::of);
        let (socket, wire) = match transport {
            Transport::Udp => (datagrams()?, Wire::Udp),
            Transport::Tcp => {
                (stream()?, Wire::Tcp { connected: false, partial: Partial::default(), backlog: Backlog::default() })
            }
            Transport::Tls(belief) => (stream()?, Wire::Tls(Box::new(TlsWire::new(belief)?))),
            Transport::Dtls(belief) => {
                let socket = datagrams()?;
                let mut dtls = DtlsWire::new(Arc::clone(belief), clock);
                dtls.start(&socket)?;
                (socket, Wire::Dtls(Box::new(dtls)))
            }
        };
        Ok(Self { socket, wire, ready_by: clock.now().plus(SETUP) })
    }

    /// Messages can be sent.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        match &self.wire {
            Wire::Udp => true,
            Wire::Tcp { connected, .. } => *connected,
            Wire::Tls(tls) => tls.is_ready(),
            Wire::Dtls(dtls) => dtls.is_ready(),
        }
    }

    /// The socket should say when it can be written to.
    pub(crate) fn wants_write(&self) -> bool {
        match &self.wire {
            Wire::Udp | Wire::Dtls(_) => false,
            Wire::Tcp { connected, backlog, .. } => !connected || !backlog.is_empty(),
            Wire::Tls(tls) => tls.wants_write(),
        }
    }

    /// There is room for media. Of a datagram that is only known when it is sent; of a stream there is none as long as the
    /// server does not read.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        match &self.wire {
            Wire::Udp | Wire::Dtls(_) => true,
            Wire::Tcp { backlog, .. } => backlog.has_room(),
            Wire::Tls(tls) => tls.has_room(),
        }
    }

    /// Several messages may go with one call.
    pub(crate) const fn takes_bursts(&self) -> bool {
        matches!(self.wire, Wire::Udp)
    }

    /// Sends messages of `length` bytes, of which the last may be shorter. How many of them, from the first on, the socket
    /// had room for.
    pub(crate) fn send_burst(&mut self, messages: &[u8], length: usize) -> Result<u64, Broken> {
        match socket::send_segments(&self.socket, messages, length) {
            Ok(()) => return Ok(messages.len().div_ceil(length.max(1)) as u64),
            Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(0),
            // The way there takes no segments, as where they are larger than its MTU; or the socket has an error to tell.
            Err(_) => {}
        }
        let mut taken = 0;
        for message in messages.chunks(length.max(1)) {
            if self.send(message)? != Sent::Yes {
                break;
            }
            taken += 1;
        }
        Ok(taken)
    }

    /// Sends one whole message. A stream takes it always: what is lost there would never be sent again.
    #[inline]
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<Sent, Broken> {
        match &mut self.wire {
            Wire::Udp => send_datagram(&self.socket, message),
            Wire::Tcp { backlog, .. } => backlog.send(&self.socket, message).map(|()| Sent::Yes),
            Wire::Tls(tls) => tls.send(&self.socket, message).map(|()| Sent::Yes),
            Wire::Dtls(dtls) => dtls.send(&self.socket, message),
        }
    }

    /// Takes what one `recv` gives, at most `buffer`, and hands on each whole message with the time of day at which it
    /// arrived, where the system noted it.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut deliver: impl FnMut(&[u8], Option<Duration>),
    ) -> Result<(), Broken> {
        let (length, arrived) = match socket::receive_noted(&self.socket, buffer) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Err(Broken::of(errno)),
        };
        // Of a stream it is the time of the last segment that was read, which the messages before it came with or before.
        let mut deliver = |message: &[u8]| deliver(message, arrived);
        match &mut self.wire {
            Wire::Udp => deliver(&buffer[..length]),
            Wire::Tcp { .. } | Wire::Tls(_) if length == 0 => return Err(Broken::Closed),
            Wire::Tcp { partial, .. } => partial.split(&buffer[..length], &mut deliver)?,
            Wire::Tls(tls) => tls.receive(&self.socket, &buffer[..length], &mut deliver)?,
            Wire::Dtls(dtls) => dtls.receive(&self.socket, &buffer[..length], &mut deliver)?,
        }
        Ok(())
    }

    /// The socket can be written to.
    pub(crate) fn writable(&mut self) -> Result<(), Broken> {
        match &mut self.wire {
            Wire::Udp | Wire::Dtls(_) => Ok(()),
            Wire::Tcp { connected, backlog, .. } => {
                connected_or(&self.socket, connected)?;
                backlog.flush(&self.socket)
            }
            Wire::Tls(tls) => tls.writable(&self.socket),
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        let due = match &self.wire {
            Wire::Dtls(dtls) => dtls.poll_timeout(),
            _ => None,
        };
        let last = (!self.is_ready()).then_some(self.ready_by);
        due.into_iter().chain(last).min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Moment) -> Result<(), Broken> {
        if now >= self.ready_by && !self.is_ready() {
            return Err(Broken::Silent);
        }
        match &mut self.wire {
            Wire::Dtls(dtls) => dtls.handle_timeout(&self.socket),
            _ => Ok(()),
        }
    }

    /// Says goodbye where the transport has a word for it.
    pub(crate) fn close(&mut self) {
        match &mut self.wire {
            Wire::Udp | Wire::Tcp { .. } => {}
            Wire::Tls(tls) => tls.close(&self.socket),
            Wire::Dtls(dtls) => dtls.close(&self.socket),
        }
    }

    /// Datagrams that the system threw away because the socket's buffer was full.
    pub(crate) fn dropped(&self) -> u32 {
        match &self.wire {
            Wire::Udp | Wire::Dtls(_) => socket::dropped(&self.socket),
            Wire::Tcp { .. } | Wire::Tls(_) => 0,
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[inline]
fn send_datagram(socket: &OwnedFd, bytes: &[u8]) -> Result<Sent, Broken> {
    match rustix::net::send(socket, bytes, SendFlags::empty()) {
        Ok(_) => Ok(Sent::Yes),
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Ok(Sent::NoRoom),
        Err(errno) => Err(Broken::of(errno)),
    }
}

/// The first time a socket can be written to says how connecting went.
fn connected_or(socket: &OwnedFd, connected: &mut bool) -> Result<(), Broken> {
    if !*connected {
        match rustix::net::sockopt::socket_error(socket) {
            Ok(Ok(())) => *connected = true,
            Ok(Err(errno)) | Err(errno) => return Err(Broken::of(errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Trust;
    use crate::uri::Host;
    use rustix::net::{RecvFlags, sockopt};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that has little room for what it does not read, and its address.
    fn narrow_server() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        sockopt::set_socket_recv_buffer_size(&listener, 4_096).expect("a small buffer");
        let address = listener.local_addr().expect("its address");
        (listener, address)
    }

    fn opened(transport: &Transport, server: SocketAddr) -> Link {
        let link = Link::open(transport, server, None, RunClock::start());
        link.unwrap_or_else(|broken| panic!("a link: {}", broken.reason()))
    }

    /// Gets on until it is so.
    fn until(link: &mut Link, is_so: impl Fn(&Link) -> bool) {
        let mut buffer = [0; 4_096];
        for _ in 0..5_000 {
            assert_eq!(link.writable(), Ok(()));
            if is_so(link) {
                return;
            }
            assert_eq!(link.receive(&mut buffer, |_, _| {}), Ok(()));
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("not within five seconds");
    }

    /// Sends until there is no more room, and as much again; how many messages.
    fn sent_beyond_room(link: &mut Link) -> u32 {
        let mut count = 0;
        let mut send = |link: &mut Link| {
            let mut message = [0; 1_000];
            message[..4].copy_from_slice(&u32::to_be_bytes(count));
            assert_eq!(link.send(&message), Ok(Sent::Yes));
            count += 1;
            assert!(count < 100_000, "the socket takes everything");
            count
        };
        while link.has_room() {
            send(link);
        }
        let first = send(link);
        while send(link) < first + 100 {}
        assert!(link.wants_write() && !link.has_room());
        count
    }

    /// All messages are there, whole and in order.
    fn assert_whole(mut server: impl Read, count: u32) {
        for number in 0..count {
            let mut message = [0; 1_000];
            server.read_exact(&mut message).expect("a message");
            assert_eq!(message[..4], number.to_be_bytes());
        }
    }

    #[test]
    fn who_never_answers_to_a_handshake_is_not_waited_for_without_end() {
        // The system accepts connections, and nobody speaks.
        let (_listener, address) = narrow_server();
        let belief = Belief::new(&Trust::Anybody, &Host::Address(address.ip())).expect("a belief");
        for transport in [Transport::Tls(Arc::new(belief)), Transport::Tcp] {
            let before = Moment::START.plus(SETUP);
            let mut link = opened(&transport, address);
            let last = link.poll_timeout().expect("an end");
            assert!((before..before.plus(Duration::from_secs(5))).contains(&last), "{last:?}");
            until(&mut link, |link| !link.wants_write());
            let is_tcp = matches!(transport, Transport::Tcp);
            assert_eq!((link.is_ready(), link.poll_timeout()), (is_tcp, (!is_tcp).then_some(last)));
            assert_eq!(link.handle_timeout(Moment::from_nanos(last.as_nanos() - 1)), Ok(()));
            let ended = if is_tcp { Ok(()) } else { Err(Broken::Silent) };
            assert_eq!(link.handle_timeout(last), ended);
        }
        assert_eq!(Broken::Silent.key(), "timeout");
    }

    #[test]
    fn a_stream_that_is_not_read_says_that_it_is_full_and_loses_nothing() {
        let (listener, address) = narrow_server();
        let mut link = opened(&Transport::Tcp, address);
        let (server, _) = listener.accept().expect("a connection");
        until(&mut link, Link::is_ready);
        let count = sent_beyond_room(&mut link);
        let reading = std::thread::spawn(move || assert_whole(server, count));
        until(&mut link, |link| link.has_room() && !link.wants_write());
        reading.join().expect("all of them");
    }

    #[test]
    fn tls_that_is_not_read_says_that_it_is_full_and_loses_nothing() {
        let own = dimpl::certificate::generate_self_signed_certificate().expect("a certificate");
        let key = PrivateKeyDer::try_from(own.private_key).expect("its key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(own.certificate)], key)
            .expect("a configuration");
        let (listener, address) = narrow_server();
        let belief = Belief::new(&Trust::Anybody, &Host::Address(address.ip())).expect("a belief");
        let mut link = opened(&Transport::Tls(Arc::new(belief)), address);
        let shaking = std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("a connection");
            let connection = ServerConnection::new(Arc::new(config)).expect("a connection");
            let mut server = StreamOwned::new(connection, socket);
            server.flush().expect("a handshake");
            while server.conn.is_handshaking() {
                server.conn.complete_io(&mut server.sock).expect("a handshake");
            }
            server
        });
        until(&mut link, Link::is_ready);
        let server = shaking.join().expect("a server");
        let count = sent_beyond_room(&mut link);
        let reading = std::thread::spawn(move || assert_whole(server, count));
        until(&mut link, |link| link.has_room() && !link.wants_write());
        reading.join().expect("all of them");
    }

    #[test]
    fn what_the_system_does_not_part_is_sent_one_by_one() {
        let listener = socket::listener(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let address = socket::local_address(&listener).expect("its address");
        let link = Link::open(&Transport::Udp, address, None, RunClock::start());
        let Ok(mut link) = link else { panic!("a link") };
        assert!(link.takes_bursts());
        // More of them than it takes at once; and a few, which it takes.
        for count in [200, 7] {
            let messages: Vec<u8> = (0..count * 100 - 1).map(|at| (at / 100) as u8).collect();
            assert!(matches!(link.send_burst(&messages, 100), Ok(taken) if taken == count as u64));
            for message in messages.chunks(100) {
                let mut buffer = [0; 200];
                let (length, _) = rustix::net::recv(&listener, &mut buffer[..], RecvFlags::DONTWAIT).expect("received");
                assert_eq!(&buffer[..length], message);
            }
        }
    }
}
