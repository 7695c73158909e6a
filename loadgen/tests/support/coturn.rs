//! A coturn for one test: started with a configuration of its own on loopback, ended by its process.

use super::{lock_file, skipped};
use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = "/usr/bin/turnserver";
/// alice, as `load` names her.
pub(crate) const LONG_TERM: &str = "lt-cred-mech\nuser=alice:sesame";
pub(crate) const REST: &str = "use-auth-secret\nstatic-auth-secret=logen";

/// Relay ports are shared out in blocks of so many.
const BLOCK: u16 = 20;

/// What a server is to be like. Without more said: IPv4, no TLS, alice, peers on loopback allowed.
pub(crate) struct Coturn {
    ports: Range<u16>,
    relay_ports: u16,
    auth: &'static str,
    options: String,
    leaf: Option<(&'static str, Validity)>,
    is_ipv6: bool,
    guards_loopback: bool,
    port: Option<u16>,
}

impl Coturn {
    /// Relays from a part of `ports` that no other server of these tests has.
    pub(crate) fn among(ports: Range<u16>) -> Self {
        Self {
            ports,
            relay_ports: 100,
            auth: LONG_TERM,
            options: String::new(),
            leaf: None,
            is_ipv6: false,
            guards_loopback: false,
            port: None,
        }
    }

    /// How many ports it relays from.
    pub(crate) fn relay_ports(self, count: u16) -> Self {
        Self { relay_ports: count, ..self }
    }

    /// The lines about credentials, in the place of [`LONG_TERM`].
    pub(crate) fn auth(self, lines: &'static str) -> Self {
        Self { auth: lines, ..self }
    }

    /// More lines of the configuration.
    pub(crate) fn options(mut self, lines: &str) -> Self {
        self.options.push_str(lines);
        self.options.push('\n');
        self
    }

    /// TLS and DTLS, with a certificate for the loopback addresses.
    pub(crate) fn secure(self) -> Self {
        self.leaf("subjectAltName=IP:127.0.0.1,IP:::1", Validity::Now)
    }

    /// TLS and DTLS, with a certificate for these names and this time.
    pub(crate) fn leaf(self, names: &'static str, validity: Validity) -> Self {
        Self { leaf: Some((names, validity)), ..self }
    }

    /// Listens on, and relays from, `::1` as well.
    pub(crate) fn ipv6(self) -> Self {
        Self { is_ipv6: true, ..self }
    }

    /// At this port, for one that others have to know before.
    pub(crate) fn listening_at(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Without `allow-loopback-peers`.
    pub(crate) fn guards_loopback(self) -> Self {
        Self { guards_loopback: true, ..self }
    }

    /// `None`, and a line to say so, where coturn, openssl or IPv6 is not there.
    pub(crate) fn start(self) -> Option<Server> {
        if !Path::new(PROGRAM).exists() {
            skipped(&format!("{PROGRAM} is not installed"));
            return None;
        }
        if self.is_ipv6 && UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            skipped("there is no IPv6 on the loopback interface");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        if let Some((names, validity)) = self.leaf {
            certificate(folder.path(), names, validity)?;
        }
        let (first, locks) = self.slot();
        let mut server = Server { process: None, port: 0, tls_port: 0, folder, _relay_ports: locks };
        // Somebody else may have taken a port since it was seen to be free.
        for _ in 0..3 {
            server.listen(self.port, |folder, port, tls_port| self.configuration(folder, port, tls_port, first));
            let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
            addresses.extend(self.is_ipv6.then_some(IpAddr::from(Ipv6Addr::LOCALHOST)));
            if addresses.into_iter().all(|address| server.answers_at(address, self.leaf.is_some())) {
                return Some(server);
            }
            server.kill();
        }
        panic!("coturn does not answer: {}", server.log());
    }

    fn configuration(&self, folder: &Path, port: u16, tls_port: u16, first: u16) -> String {
        let place = folder.display();
        let mut lines = format!(
            "listening-ip=127.0.0.1\nlistening-port={port}\ntls-listening-port={tls_port}\nrelay-ip=127.0.0.1\n\
             min-port={first}\nmax-port={}\nrealm=example.org\nno-cli\nlog-file=stdout\nsimple-log\n\
             pidfile={place}/pid\nuserdb={place}/db\n{}\n",
            first + self.relay_ports - 1,
            self.auth
        );
        lines += if self.is_ipv6 { "listening-ip=::1\nrelay-ip=::1\n" } else { "" };
        lines += if self.guards_loopback { "" } else { "allow-loopback-peers\n" };
        lines += &match self.leaf {
            Some(_) => format!("cert={place}/leaf.pem\npkey={place}/leaf.key\n"),
            None => "no-tls\nno-dtls\n".to_owned(),
        };
        // At the end: of two lines with one name the later counts.
        lines += &self.options;
        lines
    }

    /// The first relay port of a part of the range, and what holds it: a lock for each block, because tests may be
    /// processes, and want parts of different sizes.
    fn slot(&self) -> (u16, Vec<File>) {
        let size = self.relay_ports.next_multiple_of(BLOCK);
        for _ in 0..3_000 {
            for first in (self.ports.start..=self.ports.end - size).step_by(size.into()) {
                let blocks = (first..first + size).step_by(BLOCK.into());
                let locks: Option<Vec<File>> = blocks.map(|block| locked(&format!("ports-{block}"))).collect();
                if let Some(locks) = locks {
                    return (first, locks);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no relay ports are free in {:?}", self.ports);
    }
}

/// None where another one holds it.
fn locked(name: &str) -> Option<File> {
    let lock = lock_file(name);
    match lock.try_lock() {
        Ok(()) => Some(lock),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("{error}"),
    }
}

/// A coturn that runs.
pub(crate) struct Server {
    process: Option<Child>,
    port: u16,
    tls_port: u16,
    folder: tempfile::TempDir,
    _relay_ports: Vec<File>,
}

impl Server {
    /// Starts it on ports that are free, with the configuration for them.
    fn listen(&mut self, port: Option<u16>, configuration: impl Fn(&Path, u16, u16) -> String) {
        (self.port, self.tls_port) = (port.unwrap_or_else(free_port), free_port());
        let path = self.folder().join("turnserver.conf");
        std::fs::write(&path, configuration(self.folder(), self.port, self.tls_port)).expect("a configuration");
        let log = File::create(self.folder().join("log")).expect("a log");
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(&path).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("coturn starts"));
    }

    /// Waits until it answers a Binding request (RFC 8489), and takes connections.
    fn answers_at(&self, address: IpAddr, is_secure: bool) -> bool {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket.connect((address, self.port)).expect("connected");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let answers = || {
            // Refused until the server listens.
            drop(socket.send(&request));
            socket.recv(&mut [0; 256]).is_ok()
        };
        let connects = |port| TcpStream::connect((address, port)).is_ok();
        until(answers) && until(|| connects(self.port)) && (!is_secure || until(|| connects(self.tls_port)))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn uri(&self) -> String {
        format!("turn:127.0.0.1:{}", self.port)
    }

    pub(crate) fn uri_ipv6(&self) -> String {
        format!("turn:[::1]:{}", self.port)
    }

    pub(crate) fn secure_uri(&self) -> String {
        format!("turns:127.0.0.1:{}", self.tls_port)
    }

    pub(crate) fn secure_uri_ipv6(&self) -> String {
        format!("turns:[::1]:{}", self.tls_port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Certificates and what else it keeps.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate of who signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.folder().join("log")).expect("a log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// At once, as a crash is.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks again and again, for three seconds.
pub(crate) fn until(holds: impl Fn() -> bool) -> bool {
    (0..150).any(|_| {
        holds() || {
            std::thread::sleep(Duration::from_millis(20));
            false
        }
    })
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Validity {
    Now,
    /// In January 2020.
    LongAgo,
}

/// An authority and a leaf, both ECDSA, which every DTLS client can check. None without openssl.
pub(crate) fn certificate(folder: &Path, names: &str, validity: Validity) -> Option<()> {
    let authority = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ncertificate = ca.pem\n\
                     private_key = ca.key\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";
    let extensions = format!("{names}\nbasicConstraints=CA:FALSE\n");
    for (file, text) in [("ca.conf", authority), ("ext", &extensions), ("index", ""), ("serial", "01\n")] {
        std::fs::write(folder.join(file), text).expect("written");
    }
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let period = match validity {
        Validity::Now => "-days 2",
        Validity::LongAgo => "-startdate 20200101000000Z -enddate 20200201000000Z",
    };
    for arguments in [
        format!("{new} -x509 -subj /CN=authority -days 2 -keyout ca.key -out ca.pem"),
        format!("{new} -subj /CN=leaf -keyout leaf.key -out leaf.csr"),
        // `x509 -req` makes none for the past before OpenSSL 3.4.
        format!("ca -batch -notext -config ca.conf -extfile ext {period} -in leaf.csr -out leaf.pem"),
    ] {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let Ok(made) = made else {
            skipped("openssl is not installed");
            return None;
        };
        assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
    }
    Some(())
}

/// Free for UDP and TCP, on both families where there are two.
pub(crate) fn free_port() -> u16 {
    for _ in 0..50 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("an address").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && !is_taken_on_ipv6(port) {
            return port;
        }
    }
    panic!("no port is free")
}

fn is_taken_on_ipv6(port: u16) -> bool {
    let bound = UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).map(drop);
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}
