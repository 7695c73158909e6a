//! Whole runs of the built program against coturn, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where the program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const COTURN: &str = "/usr/bin/turnserver";
/// Below the ephemeral ports of Linux, and away from those of other tests.
const RELAY_PORTS: (u16, u16) = (24_000, 24_999);

/// One run at a time: they measure.
static TURN: Mutex<()> = Mutex::new(());

struct Server {
    process: Child,
    port: u16,
    tls_port: u16,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Server {
    /// `None`, and a line to say so, where coturn is not installed.
    fn start(options: &str) -> Option<Self> {
        if !Path::new(COTURN).exists() {
            eprintln!("SKIPPED: {COTURN} is not installed, nothing was tested");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        certificate(folder.path())?;
        let (port, tls_port) = (free_port(), free_port());
        let place = folder.path().display();
        let (first, last) = RELAY_PORTS;
        let config = format!(
            "listening-ip=127.0.0.1\nlistening-port={port}\ntls-listening-port={tls_port}\nrelay-ip=127.0.0.1\n\
             min-port={first}\nmax-port={last}\nrealm=example.org\nno-cli\nallow-loopback-peers\n\
             lt-cred-mech\nuser=alice:sesame\ncert={place}/leaf.pem\npkey={place}/leaf.key\n\
             log-file=stdout\nsimple-log\npidfile={place}/pid\nuserdb={place}/db\n{options}\n"
        );
        let path = folder.path().join("turnserver.conf");
        std::fs::write(&path, config).expect("a configuration");
        let process = Command::new(COTURN)
            .arg("-c")
            .arg(&path)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn starts");
        let server = Self { process, port, tls_port, folder, _turn: turn };
        server.wait();
        Some(server)
    }

    /// Until it answers a Binding request (RFC 8489).
    fn wait(&self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.connect((Ipv4Addr::LOCALHOST, self.port)).expect("connected");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        for _ in 0..200 {
            drop(socket.send(&request));
            if socket.recv(&mut [0; 256]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("coturn does not answer");
    }

    fn uri(&self) -> String {
        format!("turn:127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority and a leaf for 127.0.0.1, both ECDSA, which every DTLS client can check. None without openssl.
fn certificate(folder: &Path) -> Option<()> {
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").expect("written");
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for arguments in [
        format!("{new} -x509 -subj /CN=authority -days 2 -keyout ca.key -out ca.pem"),
        format!("{new} -subj /CN=leaf -keyout leaf.key -out leaf.csr"),
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out leaf.pem".to_owned(),
    ] {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("SKIPPED: openssl makes no certificate, nothing was tested");
            return None;
        }
    }
    Some(())
}

/// Free for TCP and UDP.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn turnload(uri: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnload"));
    command.arg(uri).args(arguments.split_whitespace()).args(["--format", "json"]);
    command.env_remove("TURN_SECRET").env("TURN_USERNAME", "alice").env("TURN_PASSWORD", "sesame");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(uri: &str, arguments: &str) -> (Option<i32>, Value) {
    judged(&turnload(uri, arguments).output().expect("turnload runs"))
}

fn judged(output: &Output) -> (Option<i32>, Value) {
    let notes = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {notes}"));
    (output.status.code(), value)
}

/// As meant; or, where other work on this machine kept the generator from sending in time, that this is said.
#[track_caller]
fn assert_done(code: Option<i32>, value: &Value) {
    let is_valid = value["valid"] == true;
    assert_eq!(code, Some(if is_valid { 0 } else { 4 }), "{value:#}");
    if !is_valid {
        eprintln!("this machine is busy: {}", value["invalid_because"]);
    }
}

#[track_caller]
fn assert_lossless(value: &Value, allocations: u64, packets: u64) {
    let (made, media) = (&value["allocations"], &value["media"]);
    assert_eq!((&made["succeeded"], &made["failed"]), (&allocations.into(), &0.into()), "{value:#}");
    for name in ["sent_packets", "delivered_packets"] {
        assert_eq!(media[name], packets, "{name}: {value:#}");
    }
    for name in ["lost_packets", "duplicated", "misdelivered", "corrupted"] {
        assert_eq!(media[name], 0, "{name}: {value:#}");
    }
}

#[test]
fn audio_for_two_seconds_loses_nothing() {
    let Some(server) = Server::start("") else { return };
    let (code, value) = run(&server.uri(), "-m 20 --duration 2s --profile audio");
    let sent = value["media"]["sent_packets"].as_u64().expect("a number");
    // 20 streams at 50 packets a second; allocating takes some of the two seconds.
    assert!((1_800..=2_000).contains(&sent), "{sent}");
    assert_lossless(&value, 20, sent);
    assert_done(code, &value);
    assert_eq!(value["schema"], "turnload-result/1");
    assert!(value["media"]["rtt_ms"]["p50"].as_f64().is_some_and(|millis| millis > 0.0));
    assert!(value["intervals"].as_array().is_some_and(|rows| rows.len() >= 2));
}

#[test]
fn every_way_to_the_server_and_to_the_peer_loses_nothing() {
    let Some(server) = Server::start("") else { return };
    let authority = server.authority();
    let secure = format!("--ca-file {}", authority.display());
    let tls = format!("turns:127.0.0.1:{}", server.tls_port);
    for (uri, arguments) in [
        (server.uri(), "-s"),
        (server.uri(), "-y"),
        (server.uri(), "-y -s"),
        (server.uri(), "-t"),
        (server.uri(), "-t -s"),
        (tls.clone(), secure.as_str()),
        (format!("{tls}?transport=udp"), secure.as_str()),
    ] {
        let (code, value) = run(&uri, &format!("{arguments} -m 6 -n 25"));
        assert_lossless(&value, 6, 150);
        assert_done(code, &value);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let Some(server) = Server::start("") else { return };
    for transport in ["", "?transport=udp"] {
        let uri = format!("turns:127.0.0.1:{}{transport}", server.tls_port);
        let (code, value) = run(&uri, "-m 2 -n 5");
        assert_eq!((code, &value["allocations"]["errors"]["tls"]), (Some(3), &2.into()), "{value:#}");
        let (code, value) = run(&uri, "-m 2 -n 5 --insecure");
        assert_lossless(&value, 2, 10);
        assert_done(code, &value);
    }
}

#[test]
fn a_wrong_password_ends_with_three() {
    let Some(server) = Server::start("") else { return };
    let (code, value) = run(&server.uri(), "-m 5 --duration 30s -u alice -w wrong");
    assert_eq!(code, Some(3));
    assert_eq!((&value["allocations"]["failed"], &value["allocations"]["errors"]["401"]), (&5.into(), &5.into()));
}

#[test]
fn a_full_quota_is_counted_and_the_others_go_on() {
    let Some(server) = Server::start("user-quota=12") else { return };
    let (code, value) = run(&server.uri(), "-m 20 --duration 1s");
    let allocations = &value["allocations"];
    assert_eq!((&allocations["succeeded"], &allocations["errors"]["486"]), (&12.into(), &8.into()), "{value:#}");
    assert_eq!(value["media"]["lost_packets"], 0);
    assert_done(code, &value);
}

#[test]
fn a_server_that_is_not_there_ends_with_three() {
    for arguments in ["-m 5 --duration 30s", "-m 5 --duration 30s -t"] {
        let (code, value) = run(&format!("turn:127.0.0.1:{}", free_port()), arguments);
        assert_eq!((code, &value["allocations"]["errors"]["unreachable"]), (Some(3), &5.into()), "{value:#}");
    }
}

#[test]
fn a_server_that_dies_takes_its_allocations_and_is_told() {
    let Some(mut server) = Server::start("") else { return };
    let load = turnload(&server.uri(), "-m 10 --duration 60s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_millis(1_500));
    server.kill();
    let (_, value) = judged(&load.wait_with_output().expect("it ends by itself, long before its time"));
    assert_eq!(
        (&value["allocations"]["succeeded"], &value["allocations"]["lost"]),
        (&10.into(), &10.into()),
        "{value:#}"
    );
}

#[test]
fn an_interrupt_deletes_what_is_there_and_says_that_it_was_cut_short() {
    let Some(server) = Server::start("") else { return };
    let load = turnload(&server.uri(), "-m 10 --duration 60s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = rustix::process::Pid::from_child(&load);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    let (code, value) = judged(&load.wait_with_output().expect("it ends"));
    assert_eq!((code, &value["allocations"]["succeeded"]), (Some(5), &10.into()), "{value:#}");
    assert_eq!((&value["media"]["lost_packets"], value["incomplete"].is_null()), (&0.into(), false), "{value:#}");
}

#[test]
fn calls_come_and_go() {
    let Some(server) = Server::start("") else { return };
    let (code, value) = run(&server.uri(), "--arrival 40/s --hold 300ms --duration 1s --seed 7");
    let made = value["allocations"]["succeeded"].as_u64().expect("a number");
    assert!((30..=80).contains(&made), "{made}");
    assert_eq!((&value["media"]["lost_packets"], &value["seed"]), (&0.into(), &7.into()), "{value:#}");
    assert_done(code, &value);
}
