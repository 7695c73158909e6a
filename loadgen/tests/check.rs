//! `turnload check` against coturn, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where a program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const COTURN: &str = "/usr/bin/turnserver";
/// Below the ephemeral ports of Linux, and away from those of other tests; each server has a few of its own.
const RELAY_PORTS: u16 = 26_000;
const RELAY_PORTS_EACH: u16 = 20;
const LONG_TERM: &str = "lt-cred-mech\nuser=alice:sesame\nallow-loopback-peers\n";

static SERVERS: AtomicU16 = AtomicU16::new(0);

struct Server {
    process: Child,
    port: u16,
    tls_port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// `None`, and a line to say so, where coturn or openssl is not installed.
    fn start(options: &str) -> Option<Self> {
        Self::with_leaf(options, "subjectAltName=IP:127.0.0.1", &["-days", "2"])
    }

    fn with_leaf(options: &str, names: &str, days: &[&str]) -> Option<Self> {
        if !Path::new(COTURN).exists() {
            eprintln!("SKIPPED: {COTURN} is not installed, nothing was tested");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        certificate(folder.path(), names, days)?;
        let (port, tls_port) = (free_port(), free_port());
        let place = folder.path().display();
        let first = RELAY_PORTS + SERVERS.fetch_add(1, Ordering::Relaxed) * RELAY_PORTS_EACH;
        let config = format!(
            "listening-ip=127.0.0.1\nlistening-port={port}\ntls-listening-port={tls_port}\nrelay-ip=127.0.0.1\n\
             min-port={first}\nmax-port={}\nrealm=example.org\nno-cli\n\
             cert={place}/leaf.pem\npkey={place}/leaf.key\n\
             log-file=stdout\nsimple-log\npidfile={place}/pid\nuserdb={place}/db\n{options}\n",
            first + RELAY_PORTS_EACH - 1
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
        let server = Self { process, port, tls_port, folder };
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

    fn secure_uri(&self) -> String {
        format!("turns:127.0.0.1:{}", self.tls_port)
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// An authority and a leaf, both ECDSA, which every DTLS client can check. None without openssl.
fn certificate(folder: &Path, names: &str, days: &[&str]) -> Option<()> {
    std::fs::write(folder.join("ext"), format!("{names}\nbasicConstraints=CA:FALSE\n")).expect("written");
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let sign = format!(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out leaf.pem {}",
        days.join(" ")
    );
    for arguments in [
        format!("{new} -x509 -subj /CN=authority -days 2 -keyout ca.key -out ca.pem"),
        format!("{new} -subj /CN=leaf -keyout leaf.key -out leaf.csr"),
        sign,
    ] {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("SKIPPED: openssl makes no such certificate, nothing was tested");
            return None;
        }
    }
    Some(())
}

/// Free for UDP and TCP.
fn free_port() -> u16 {
    for _ in 0..50 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("an address").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free")
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnload"));
    for name in ["TURN_USERNAME", "TURN_PASSWORD", "TURN_SECRET"] {
        command.env_remove(name);
    }
    command.arg("check").args(arguments).output().expect("the program runs")
}

/// The object, and how the program ended.
fn checked(arguments: &[&str]) -> (Value, i32) {
    let output = check(&[arguments, &["--format", "json"]].concat());
    let object = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (object, output.status.code().expect("an end by itself"))
}

fn causes(object: &Value) -> Vec<&str> {
    let uris = object["uris"].as_array().expect("URIs");
    uris.iter().map(|uri| uri["cause"]["code"].as_str().unwrap_or("fine")).collect()
}

const ALICE: &[&str] = &["-u", "alice", "-w", "sesame"];

#[test]
fn every_transport_gives_candidates_and_a_round_trip() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let authority = server.authority().display().to_string();
    let uris = [
        server.uri(),
        format!("{}?transport=tcp", server.uri()),
        server.secure_uri(),
        format!("{}?transport=udp", server.secure_uri()),
        format!("stun:127.0.0.1:{}", server.port),
    ];
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    let (object, code) = checked(&[&uris, ALICE, &["--ca-file", &authority]].concat());
    assert_eq!((causes(&object), code), (vec!["fine"; 5], 0), "{object:#}");
    for (at, transport) in ["udp", "tcp", "tls", "dtls", "udp"].into_iter().enumerate() {
        let path = &object["uris"][at]["paths"][0];
        assert_eq!(path["transport"], transport);
        let is_secure = transport.ends_with("tls");
        assert_eq!(path["certificate"].as_str(), is_secure.then_some("valid"));
        assert_eq!(path["times_ms"]["handshake"].is_f64(), is_secure);
        assert_eq!(path["times_ms"]["connect"].is_f64(), matches!(transport, "tcp" | "tls"));
        let kinds: Vec<&str> =
            path["candidates"].as_array().expect("rows").iter().filter_map(|row| row["type"].as_str()).collect();
        let is_turn = at < 4;
        assert_eq!(kinds, if is_turn { vec!["srflx", "relay"] } else { vec!["srflx"] });
        assert_eq!(path["times_ms"]["round_trip"].is_f64(), is_turn, "{path:#}");
        assert_eq!(path["realm"].as_str(), is_turn.then_some("example.org"));
    }
}

#[test]
fn the_text_has_a_table_and_a_verdict() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let output = check(&[&[server.uri().as_str()], ALICE].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(&format!("{}: fine", server.uri())) && text.contains("round trip"), "{text}");
    assert!(text.lines().any(|line| line.contains(" relay ") && line.contains("127.0.0.1")), "{text}");
}

#[test]
fn a_wrong_password_and_none_are_told() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let uri = server.uri();
    let (object, code) = checked(&[&uri, "-u", "alice", "-w", "mallory-1"]);
    assert_eq!((causes(&object), code), (vec!["wrong-credentials"], 3), "{object:#}");
    let cause = object["uris"][0]["cause"]["text"].as_str().expect("text");
    assert!(cause.contains("example.org") && !object.to_string().contains("mallory-1"), "{object:#}");
    let (object, code) = checked(&[&uri, "--no-auth"]);
    assert_eq!((causes(&object), code), (vec!["no-credentials"], 3), "{object:#}");
}

#[test]
fn a_rest_user_name_whose_time_is_over_is_told_from_a_wrong_secret() {
    let Some(server) = Server::start("use-auth-secret\nstatic-auth-secret=logen\nallow-loopback-peers\n") else {
        return;
    };
    let uri = server.uri();
    let (object, code) = checked(&[&uri, "-W", "logen", "-u", "alice"]);
    assert_eq!((causes(&object), code), (vec!["fine"], 0), "{object:#}");
    let (object, _) = checked(&[&uri, "-u", "1600000000:alice", "-w", "whatever"]);
    assert_eq!(causes(&object), ["expired-user"], "{object:#}");
    let (object, _) = checked(&[&uri, "-W", "another", "-u", "alice"]);
    assert_eq!(causes(&object), ["wrong-credentials"], "{object:#}");
    assert!(object["uris"][0]["cause"]["text"].as_str().is_some_and(|text| text.contains("secret")));
}

#[test]
fn a_closed_port_refuses_beside_one_that_works() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let closed = free_port();
    let (udp, tcp) = (format!("turn:127.0.0.1:{closed}"), format!("turn:127.0.0.1:{closed}?transport=tcp"));
    let (object, code) = checked(&[&[udp.as_str(), &tcp, &server.uri()], ALICE].concat());
    assert_eq!((causes(&object), code), (vec!["refused", "refused", "fine"], 1), "{object:#}");
    let (_, code) = checked(&[&[udp.as_str(), &tcp], ALICE].concat());
    assert_eq!(code, 3);
}

#[test]
fn a_port_that_never_answers_is_told_after_five_seconds() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = silent.local_addr().expect("an address").port();
    let (turn, stun) = (format!("turn:127.0.0.1:{port}"), format!("stun:127.0.0.1:{port}"));
    let begin = std::time::Instant::now();
    let (object, code) = checked(&[&[turn.as_str(), &stun], ALICE].concat());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!((causes(&object), code), (vec!["no-answer", "no-answer"], 3), "{object:#}");
    let text = object["uris"][0]["cause"]["text"].as_str().expect("text");
    assert!(text.contains("within 5 s"), "{text}");
}

#[test]
fn certificates_are_judged_and_insecure_looks_away() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let (tls, dtls) = (server.secure_uri(), format!("{}?transport=udp", server.secure_uri()));
    // Another authority than the one that signed it.
    let other = tempfile::tempdir().expect("a folder");
    certificate(other.path(), "subjectAltName=IP:127.0.0.1", &["-days", "2"]).expect("openssl was there before");
    let stranger = other.path().join("ca.pem").display().to_string();
    let (object, code) = checked(&[&[tls.as_str(), &dtls], ALICE, &["--ca-file", &stranger]].concat());
    assert_eq!((causes(&object), code), (vec!["certificate", "certificate"], 3), "{object:#}");
    for at in 0..2 {
        assert_eq!(object["uris"][at]["paths"][0]["certificate"], "unknown-authority");
    }
    let (object, code) = checked(&[&[tls.as_str(), &dtls], ALICE, &["--insecure"]].concat());
    assert_eq!((causes(&object), code), (vec!["fine", "fine"], 0), "{object:#}");
    assert_eq!(object["uris"][0]["paths"][0]["certificate"], "not-judged");
}

#[test]
fn a_certificate_for_another_name_or_another_time_is_told() {
    let Some(server) = Server::with_leaf(LONG_TERM, "subjectAltName=DNS:turn.example.org", &["-days", "2"]) else {
        return;
    };
    let verdict = |server: &Server| {
        let authority = server.authority().display().to_string();
        let (object, _) = checked(&[&[server.secure_uri().as_str()], ALICE, &["--ca-file", &authority]].concat());
        object["uris"][0]["paths"][0]["certificate"].as_str().map(str::to_owned)
    };
    assert_eq!(verdict(&server).as_deref(), Some("wrong-name"));
    drop(server);
    let past = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"];
    let Some(server) = Server::with_leaf(LONG_TERM, "subjectAltName=IP:127.0.0.1", &past) else { return };
    assert_eq!(verdict(&server).as_deref(), Some("expired"));
}

#[test]
fn a_self_signed_certificate_is_told() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    // The authority's own certificate in the place of the leaf's.
    let folder = server.folder.path();
    for kind in ["pem", "key"] {
        std::fs::copy(folder.join(format!("ca.{kind}")), folder.join(format!("self.{kind}"))).expect("copied");
    }
    let place = folder.display();
    let options = format!("{LONG_TERM}cert={place}/self.pem\npkey={place}/self.key\n");
    let Some(second) = Server::start(&options) else { return };
    let authority = second.authority().display().to_string();
    let (object, code) = checked(&[&[second.secure_uri().as_str()], ALICE, &["--ca-file", &authority]].concat());
    assert_eq!((causes(&object), code), (vec!["certificate"], 3), "{object:#}");
    assert_eq!(object["uris"][0]["paths"][0]["certificate"], "self-signed");
}

#[test]
fn a_server_that_guards_its_own_network_is_fine() {
    let Some(server) = Server::start("lt-cred-mech\nuser=alice:sesame\n") else { return };
    let (object, code) = checked(&[&[server.uri().as_str()], ALICE].concat());
    assert_eq!((causes(&object), code), (vec!["fine"], 0), "{object:#}");
    let remarks = object["uris"][0]["paths"][0]["remarks"].to_string();
    assert!(remarks.contains("403 for the peer 127.0.0.1"), "{remarks}");
}

#[test]
fn a_relay_that_names_an_address_where_it_is_not_is_told() {
    // TEST-NET-1: nobody is there.
    let Some(server) = Server::start(&format!("{LONG_TERM}external-ip=192.0.2.1\n")) else { return };
    let (object, code) = checked(&[&[server.uri().as_str()], ALICE].concat());
    assert_eq!(code, 1, "{object:#}");
    assert!(["private-relay", "relay-unreachable"].contains(&causes(&object)[0]), "{object:#}");
}

#[test]
fn nat_behaviour_is_told_where_the_server_is_in_two_places() {
    let alternative = free_port();
    let options = format!("{LONG_TERM}listening-ip=127.0.0.2\nalt-listening-port={alternative}\n");
    let Some(server) = Server::start(&options) else { return };
    let (object, code) = checked(&[&format!("stun:127.0.0.1:{}", server.port)]);
    assert_eq!(code, 0, "{object:#}");
    let nat = &object["uris"][0]["paths"][0]["nat"];
    assert_eq!((&nat["mapping"], &nat["filtering"]), (&"no-nat".into(), &"endpoint-independent".into()), "{object:#}");
}

#[test]
fn a_name_that_stands_for_nothing_is_a_cause() {
    // RFC 6761, section 6.4: never resolved.
    let (object, code) = checked(&["stun:turn.invalid"]);
    assert_eq!((causes(&object), code), (vec!["dns"], 3), "{object:#}");
}

#[test]
fn an_endpoint_gives_servers_and_credentials() {
    let Some(server) = Server::start(LONG_TERM) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}/turn?key=opensesame", listener.local_addr().expect("an address"));
    let body = format!(r#"{{"username":"alice","password":"sesame","ttl":600,"uris":["{}"]}}"#, server.uri());
    let endpoint = std::thread::spawn(move || {
        for status in ["200 OK", "403 Forbidden"] {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 2048];
            let length = stream.read(&mut request).expect("a request");
            assert!(request[..length].starts_with(b"GET /turn?key=opensesame HTTP/1.1\r\n"));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).expect("an answer");
        }
    });
    let (object, code) = checked(&["--credentials-url", &url]);
    assert_eq!((causes(&object), code), (vec!["fine"], 0), "{object:#}");
    let output = check(&["--credentials-url", &url]);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), notes.contains("403"), notes.contains("opensesame")),
        (Some(3), true, false),
        "{notes}"
    );
    endpoint.join().expect("two requests");
}
