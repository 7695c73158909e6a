//! Sockets of allocations and of the peer: opened, sized, counted.
//!
//! In: addresses. Out: non-blocking descriptors. Never: a name resolved; an address looked up for each packet, which is
//! what connected sockets are for.

use super::limits::{CLIENT_BUFFER, PEER_BUFFER};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, SocketAddr};

/// A UDP socket that speaks to `server` only.
pub(super) fn datagrams(server: SocketAddr, source: Option<IpAddr>) -> Result<OwnedFd, Errno> {
    let socket = open(server, SocketType::DGRAM, source)?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket)
}

/// A TCP socket that begins to connect to `server`.
pub(super) fn stream(server: SocketAddr, source: Option<IpAddr>) -> Result<OwnedFd, Errno> {
    let socket = open(server, SocketType::STREAM, source)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn open(server: SocketAddr, kind: SocketType, source: Option<IpAddr>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family(server), kind, flags, None)?;
    if kind == SocketType::DGRAM {
        // What the system gives may be less; the drops of the socket are counted, so that is no error.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, CLIENT_BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&socket, CLIENT_BUFFER);
    }
    if let Some(source) = source {
        rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    }
    Ok(socket)
}

/// A UDP socket that hears everybody.
pub(super) fn listener(bind: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket_with(family(bind), SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // The forced size is for those with the right to it; the other for everybody.
    if sockopt::set_socket_recv_buffer_size_force(&socket, PEER_BUFFER).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(&socket, PEER_BUFFER);
    }
    let _ = sockopt::set_socket_send_buffer_size(&socket, PEER_BUFFER);
    rustix::net::bind(&socket, &bind)?;
    Ok(socket)
}

/// Where a socket is bound.
pub(super) fn local_address(socket: impl AsFd) -> Option<SocketAddr> {
    SocketAddr::try_from(rustix::net::getsockname(socket).ok()?).ok()
}

/// The address this machine would send from to `target`; nothing is sent.
pub(crate) fn way_to(target: SocketAddr) -> Option<IpAddr> {
    let socket = datagrams(target, None).ok()?;
    local_address(&socket).map(|address| address.ip())
}

const fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// Datagrams that the system threw away because the socket's buffer was full, since it was opened.
#[allow(unsafe_code, reason = "rustix has no SO_MEMINFO")]
pub(super) fn dropped(socket: impl AsFd) -> u32 {
    use std::os::fd::AsRawFd;
    /// `SK_MEMINFO_DROPS` of linux/sock_diag.h, and how many figures there are up to it.
    const DROPS: usize = 8;
    const SO_MEMINFO: libc::c_int = 55;
    let mut figures = [0_u32; DROPS + 1];
    let mut length = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the system writes at most `length` bytes, which
    // is the size of `figures`, and any bytes are a valid u32.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { figures[DROPS] } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{RecvFlags, SendFlags};

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn a_connected_socket_and_a_listener_talk() {
        let listener = listener(loopback()).expect("a listener");
        let address = local_address(&listener).expect("its address");
        let client = datagrams(address, None).expect("a client");
        rustix::net::send(&client, b"hello", SendFlags::empty()).expect("sent");
        let mut buffer = [0; 16];
        let (length, _, _) = rustix::net::recvfrom(&listener, &mut buffer, RecvFlags::empty()).expect("received");
        assert_eq!(&buffer[..length], b"hello");
        assert!(matches!(rustix::net::recv(&client, &mut buffer, RecvFlags::empty()), Err(Errno::AGAIN)));
    }

    #[test]
    fn what_a_full_buffer_throws_away_is_counted() {
        let listener = listener(loopback()).expect("a listener");
        sockopt::set_socket_recv_buffer_size(&listener, 4_096).expect("a small buffer");
        let client = datagrams(local_address(&listener).expect("its address"), None).expect("a client");
        for _ in 0..200 {
            rustix::net::send(&client, &[0; 500], SendFlags::empty()).expect("sent");
        }
        let mut received = 0;
        while rustix::net::recv(&listener, &mut [0; 600][..], RecvFlags::DONTWAIT).is_ok() {
            received += 1;
        }
        assert_eq!((received + dropped(&listener), dropped(&client)), (200, 0));
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        assert_eq!(way_to(SocketAddr::from(([127, 0, 0, 1], 9))), Some(IpAddr::from([127, 0, 0, 1])));
    }
}
