//! A TURN server inside the process, for those who have none at hand: `turnload demo` and tests that always run.
//!
//! In: a seed. Out: a server at an ephemeral port of 127.0.0.1 that knows one user, on one thread of its own. Never: an
//! address that others can reach; a figure of it that says anything about TURN servers in general.

use super::server::ServerProbe;
use super::socket::listener;
use crate::random::Random;
use crate::secret::Secret;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use turn::auth::{AuthHandler, generate_auth_key};
use turn::relay::relay_none::RelayAddressGeneratorNone;
use turn::server::Server;
use turn::server::config::{ConnConfig, ServerConfig};
use webrtc_util::vnet::net::Net;

const REALM: &str = "turnload.demo";
/// RFC 8656, section 12: a channel lasts ten minutes.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Which of the numbers of a seed are ours: those of allocations are small.
const STREAM: u64 = 0x6465_6d6f;

/// A running server; ends, and its allocations with it, when dropped.
pub struct DemoServer {
    address: SocketAddr,
    user: String,
    password: Secret,
    /// Of the system, for its CPU time.
    thread_id: u32,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DemoServer {
    /// Starts one whose user and password follow from the seed.
    ///
    /// # Errors
    /// Of the system: no port, no thread. What the server itself refuses comes as [`io::ErrorKind::Other`].
    pub fn start(seed: u64) -> io::Result<Self> {
        let mut random = Random::of(seed, STREAM);
        let user = format!("demo-{:08x}", random.bits() >> 32);
        let password = Secret::from(format!("{:016x}", random.bits()));
        let socket = UdpSocket::from(listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?);
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let known = OneUser { key: generate_auth_key(&user, REALM, password.reveal()), name: user.clone() };
        let (stop, stopped) = oneshot::channel();
        let (tell, hear) = mpsc::channel();
        let thread = std::thread::Builder::new().name("demo-server".into()).spawn(move || {
            let outcome = serve(socket, known, &tell, stopped);
            // Nobody listens any longer where it had begun well.
            drop(tell.send(outcome.map(|()| 0)));
        })?;
        let thread_id =
            hear.recv().unwrap_or_else(|_| Err(io::Error::other("the server's thread ended before it began")))?;
        Ok(Self { address, user, password, thread_id, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, for UDP.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The user that it knows.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// And the password.
    pub const fn password(&self) -> &Secret {
        &self.password
    }

    pub(crate) fn probe(&self) -> ServerProbe {
        ServerProbe::of_thread(self.thread_id)
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Until the other end of `stopped` is gone.
fn serve(
    socket: UdpSocket,
    known: OneUser,
    tell: &mpsc::Sender<io::Result<u32>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    // One thread, so that its CPU time is the server's; dropping the runtime ends every task of the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = ServerConfig {
            conn_configs: vec![ConnConfig {
                conn: Arc::new(tokio::net::UdpSocket::from_std(socket)?),
                relay_addr_generator: Box::new(RelayAddressGeneratorNone {
                    address: Ipv4Addr::LOCALHOST.to_string(),
                    net: Arc::new(Net::new(None)),
                }),
            }],
            realm: REALM.to_owned(),
            auth_handler: Arc::new(known),
            channel_bind_timeout: CHANNEL_LIFETIME,
            alloc_close_notify: None,
        };
        let _server = Server::new(config).await.map_err(io::Error::other)?;
        let thread_id = rustix::thread::gettid().as_raw_nonzero().get();
        drop(tell.send(Ok(thread_id.unsigned_abs())));
        drop(stopped.await);
        Ok(())
    })
}

struct OneUser {
    name: String,
    key: Vec<u8>,
}

impl AuthHandler for OneUser {
    fn auth_handle(&self, name: &str, _realm: &str, _from: SocketAddr) -> Result<Vec<u8>, turn::Error> {
        if name == self.name { Ok(self.key.clone()) } else { Err(turn::Error::ErrNoSuchUser) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_knows_the_same_user_and_another_seed_another() {
        let (first, again, other) = (DemoServer::start(7), DemoServer::start(7), DemoServer::start(8));
        let (first, again, other) = (first.expect("one"), again.expect("two"), other.expect("three"));
        assert_eq!((first.user(), first.password()), (again.user(), again.password()));
        assert_ne!((first.user(), first.password()), (other.user(), other.password()));
        assert_ne!(first.address(), again.address());
        assert!(first.address().ip().is_loopback());
    }

    #[test]
    fn a_server_that_is_dropped_leaves_its_port() {
        let address = DemoServer::start(1).expect("a server").address();
        UdpSocket::bind(address).expect("the port is free again");
    }
}
