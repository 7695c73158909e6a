//! The server of the `turn` crate for one test, with an address and credentials of the test's choice: ends when dropped.
//!
//! That of `turnload demo` is the same make, and knows one user at 127.0.0.1 only.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use turn::auth::{AuthHandler, LongTermAuthHandler, generate_auth_key};
use turn::relay::relay_none::RelayAddressGeneratorNone;
use turn::server::Server;
use turn::server::config::{ConnConfig, ServerConfig};
use webrtc_util::vnet::net::Net;

/// Whom it believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// alice, as `load` names her.
    Alice,
    /// Who has the secret `logen`.
    Secret,
}

pub(crate) struct SecondServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SecondServer {
    /// Listens on, and relays from, `address`.
    pub(crate) fn start(address: IpAddr, known: Known) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket.set_nonblocking(true).expect("a socket that does not wait");
        let place = socket.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let (tell, hear) = mpsc::channel();
        let thread = std::thread::spawn(move || serve(socket, address, known, &tell, stopped));
        hear.recv().expect("a server that begins");
        Self { address: place, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn uri(&self) -> String {
        format!("turn:{}", self.address)
    }
}

impl Drop for SecondServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(socket: UdpSocket, address: IpAddr, known: Known, tell: &mpsc::Sender<()>, stopped: oneshot::Receiver<()>) {
    let auth_handler: Arc<dyn AuthHandler + Send + Sync> = match known {
        Known::Alice => Arc::new(Alice),
        Known::Secret => Arc::new(LongTermAuthHandler::new("logen".to_owned())),
    };
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = ServerConfig {
            conn_configs: vec![ConnConfig {
                conn: Arc::new(tokio::net::UdpSocket::from_std(socket).expect("a socket of the runtime")),
                relay_addr_generator: Box::new(RelayAddressGeneratorNone {
                    address: host,
                    net: Arc::new(Net::new(None)),
                }),
            }],
            realm: "example.org".to_owned(),
            auth_handler,
            channel_bind_timeout: Duration::from_mins(10),
            alloc_close_notify: None,
        };
        let _server = Server::new(config).await.expect("a server");
        tell.send(()).expect("somebody waits");
        drop(stopped.await);
    });
}

struct Alice;

impl AuthHandler for Alice {
    fn auth_handle(&self, name: &str, realm: &str, _from: SocketAddr) -> Result<Vec<u8>, turn::Error> {
        if name == "alice" { Ok(generate_auth_key(name, realm, "sesame")) } else { Err(turn::Error::ErrNoSuchUser) }
    }
}
