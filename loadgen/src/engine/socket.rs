//! Sockets of allocations and of the peer: opened, sized, counted.
//!
//! In: addresses. Out: non-blocking descriptors. Never: a name resolved; an address looked up for each packet, which is
//! what connected sockets are for.

use super::limits::{CLIENT_BUFFER, PEER_BUFFER};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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

/// Asks the system to note when each datagram or segment arrived.
#[allow(unsafe_code, reason = "rustix has no SO_TIMESTAMPNS")]
pub(super) fn note_arrivals(socket: impl AsFd) -> bool {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the system reads an int, which `on` is.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    result == 0
}

/// Room for one control message with a timespec; aligned as control messages have to be.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Takes a datagram, or what there is of a stream, and when it (or the last segment of it) arrived by the clock of the
/// time of day, where the system noted it.
#[allow(unsafe_code, reason = "rustix reads no SCM_TIMESTAMPNS")]
#[inline]
pub(super) fn receive_noted(socket: impl AsFd, buffer: &mut [u8]) -> Result<(usize, Option<Duration>), Errno> {
    use std::os::fd::AsRawFd;
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: zeros are a valid msghdr: null pointers with lengths of zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control.0).cast();
    message.msg_controllen = size_of_val(&control.0) as _;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; `message` points to `buffer` and `control`, which
    // live and are ours alone until the call is over, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, 0) };
    let Ok(length) = usize::try_from(length) else {
        return Err(std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error));
    };
    // SAFETY: `message` is as recvmsg left it, and its control buffer is alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Ok((length, None));
    }
    // SAFETY: not null, so it points to a whole header inside of `control`, which is aligned for it.
    let (level, kind, size) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
    // SAFETY: only computes a length.
    let wanted = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
    if (level, kind) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) || size < wanted {
        return Ok((length, None));
    }
    // SAFETY: the control message holds at least a timespec, which is read without asking for alignment.
    let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) else {
        return Ok((length, None));
    };
    Ok((length, Some(Duration::new(seconds, nanos))))
}

/// Sends datagrams of `length` bytes, of which the last may be shorter, all or none: the system parts them.
#[allow(unsafe_code, reason = "rustix has no UDP_SEGMENT")]
pub(super) fn send_segments(socket: impl AsFd, datagrams: &[u8], length: usize) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let length = u16::try_from(length).map_err(|_| Errno::MSGSIZE)?;
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: datagrams.as_ptr().cast_mut().cast(), iov_len: datagrams.len() };
    // SAFETY: zeros are a valid msghdr: null pointers with lengths of zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control.0).cast();
    // SAFETY: only computes a length; it is far below that of `control`.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<u16>() as u32) } as _;
    // SAFETY: `message` points to `control`, which is alive and holds more than a header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Err(Errno::INVAL);
    }
    // SAFETY: not null, so it points to a whole header inside of `control`, which is aligned for it and ours alone; what
    // stands behind it has room for the length, which is written without asking for alignment.
    unsafe {
        (*header).cmsg_level = libc::SOL_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(length);
    }
    // SAFETY: the descriptor is open as long as `socket` is borrowed; `message` points to `datagrams` and `control`, which
    // live until the call is over, with their true lengths; the system only reads them.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, 0) };
    match sent {
        0.. => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)),
    }
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
    fn the_system_knows_when_a_datagram_arrived() {
        let listener = listener(loopback()).expect("a listener");
        assert!(note_arrivals(&listener));
        // The system begins to note a moment after it was first asked to; until then a datagram arrives when it is read.
        std::thread::sleep(Duration::from_millis(100));
        let client = datagrams(local_address(&listener).expect("its address"), None).expect("a client");
        use crate::engine::clock::time_of_day;
        let before = time_of_day();
        rustix::net::send(&client, b"hello", SendFlags::empty()).expect("sent");
        let after = time_of_day();
        std::thread::sleep(Duration::from_millis(20));
        let mut buffer = [0; 16];
        let (length, arrived) = receive_noted(&listener, &mut buffer).expect("received");
        let arrived = arrived.expect("a time");
        assert_eq!(&buffer[..length], b"hello");
        assert!(before <= arrived && arrived <= after, "{before:?} {arrived:?} {after:?}");
    }

    #[test]
    fn datagrams_of_one_call_arrive_one_by_one() {
        let listener = listener(loopback()).expect("a listener");
        let client = datagrams(local_address(&listener).expect("its address"), None).expect("a client");
        let bytes: Vec<u8> = (0..2_500_u32).map(|at| (at / 10) as u8).collect();
        send_segments(&client, &bytes, 1_046).expect("sent");
        let mut buffer = [0; 4_000];
        for expected in bytes.chunks(1_046) {
            let (length, _) = rustix::net::recv(&listener, &mut buffer[..], RecvFlags::DONTWAIT).expect("received");
            assert_eq!(&buffer[..length], expected);
        }
        assert!(rustix::net::recv(&listener, &mut buffer[..], RecvFlags::DONTWAIT).is_err());
        // More than a datagram holds is refused, and nothing of it is sent.
        assert!(send_segments(&client, &[0; 70_000], 1_000).is_err());
        assert!(rustix::net::recv(&listener, &mut buffer[..], RecvFlags::DONTWAIT).is_err());
    }

    #[test]
    fn the_system_knows_when_a_segment_arrived() {
        let listener = std::net::TcpListener::bind(loopback()).expect("a listener");
        let client = stream(listener.local_addr().expect("its address"), None).expect("a client");
        assert!(note_arrivals(&client));
        let (mut server, _) = listener.accept().expect("a connection");
        std::thread::sleep(Duration::from_millis(100));
        use crate::engine::clock::time_of_day;
        let before = time_of_day();
        std::io::Write::write_all(&mut server, b"hello").expect("sent");
        let after = time_of_day();
        std::thread::sleep(Duration::from_millis(20));
        let (length, arrived) = receive_noted(&client, &mut [0; 16]).expect("received");
        let arrived = arrived.expect("a time");
        assert_eq!(length, 5);
        assert!(before <= arrived && arrived <= after, "{before:?} {arrived:?} {after:?}");
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        assert_eq!(way_to(SocketAddr::from(([127, 0, 0, 1], 9))), Some(IpAddr::from([127, 0, 0, 1])));
    }
}
