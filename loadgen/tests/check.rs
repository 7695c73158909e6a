//! `turnload check` against coturn, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where a program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Output;
use std::time::Duration;
use support::coturn::{Coturn, REST, Server, Validity, certificate, free_port};
use support::program;

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(26_000..27_000).relay_ports(20).secure()
}

fn check(arguments: &[&str]) -> Output {
    program(&[&["check"], arguments].concat()).output().expect("the program runs")
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
    let Some(server) = coturn().start() else { return };
    let authority = server.authority().display().to_string();
    let uris = [
        server.uri(),
        format!("{}?transport=tcp", server.uri()),
        server.secure_uri(),
        format!("{}?transport=udp", server.secure_uri()),
        format!("stun:127.0.0.1:{}", server.port()),
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
    let Some(server) = coturn().start() else { return };
    let output = check(&[&[server.uri().as_str()], ALICE].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(&format!("{}: fine", server.uri())) && text.contains("round trip"), "{text}");
    assert!(text.lines().any(|line| line.contains(" relay ") && line.contains("127.0.0.1")), "{text}");
}

#[test]
fn a_wrong_password_and_none_are_told() {
    let Some(server) = coturn().start() else { return };
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
    let Some(server) = coturn().auth(REST).start() else {
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
    let Some(server) = coturn().start() else { return };
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
    let Some(server) = coturn().start() else { return };
    let (tls, dtls) = (server.secure_uri(), format!("{}?transport=udp", server.secure_uri()));
    // Another authority than the one that signed it.
    let other = tempfile::tempdir().expect("a folder");
    certificate(other.path(), "subjectAltName=IP:127.0.0.1", Validity::Now).expect("openssl was there before");
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
    let Some(server) = coturn().leaf("subjectAltName=DNS:turn.example.org", Validity::Now).start() else {
        return;
    };
    let verdict = |server: &Server| {
        let authority = server.authority().display().to_string();
        let (object, _) = checked(&[&[server.secure_uri().as_str()], ALICE, &["--ca-file", &authority]].concat());
        object["uris"][0]["paths"][0]["certificate"].as_str().map(str::to_owned)
    };
    assert_eq!(verdict(&server).as_deref(), Some("wrong-name"));
    drop(server);
    let Some(server) = coturn().leaf("subjectAltName=IP:127.0.0.1", Validity::LongAgo).start() else { return };
    assert_eq!(verdict(&server).as_deref(), Some("expired"));
}

#[test]
fn a_self_signed_certificate_is_told() {
    let Some(server) = coturn().start() else { return };
    // The authority's own certificate in the place of the leaf's.
    let folder = server.folder();
    for kind in ["pem", "key"] {
        std::fs::copy(folder.join(format!("ca.{kind}")), folder.join(format!("self.{kind}"))).expect("copied");
    }
    let place = folder.display();
    let options = format!("cert={place}/self.pem\npkey={place}/self.key");
    let Some(second) = coturn().options(&options).start() else { return };
    let authority = second.authority().display().to_string();
    let (object, code) = checked(&[&[second.secure_uri().as_str()], ALICE, &["--ca-file", &authority]].concat());
    assert_eq!((causes(&object), code), (vec!["certificate"], 3), "{object:#}");
    assert_eq!(object["uris"][0]["paths"][0]["certificate"], "self-signed");
}

#[test]
fn a_server_that_guards_its_own_network_is_fine() {
    let Some(server) = coturn().guards_loopback().start() else { return };
    let (object, code) = checked(&[&[server.uri().as_str()], ALICE].concat());
    assert_eq!((causes(&object), code), (vec!["fine"], 0), "{object:#}");
    let remarks = object["uris"][0]["paths"][0]["remarks"].to_string();
    assert!(remarks.contains("403 for the peer 127.0.0.1"), "{remarks}");
}

#[test]
fn a_relay_that_names_an_address_where_it_is_not_is_told() {
    // TEST-NET-1: nobody is there.
    let Some(server) = coturn().options("external-ip=192.0.2.1").start() else { return };
    let (object, code) = checked(&[&[server.uri().as_str()], ALICE].concat());
    assert_eq!(code, 1, "{object:#}");
    assert!(["private-relay", "relay-unreachable"].contains(&causes(&object)[0]), "{object:#}");
}

#[test]
fn nat_behaviour_is_told_where_the_server_is_in_two_places() {
    let alternative = free_port();
    let options = format!("listening-ip=127.0.0.2\nalt-listening-port={alternative}");
    let Some(server) = coturn().options(&options).start() else { return };
    let (object, code) = checked(&[&format!("stun:127.0.0.1:{}", server.port())]);
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
    let Some(server) = coturn().start() else { return };
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

#[test]
fn a_server_that_answers_rubbish_is_told_from_one_that_is_silent() {
    let rubbish = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = rubbish.local_addr().expect("an address").port();
    // Each request comes back as it was sent, which holds SOFTWARE of the one who asks.
    let echo = std::thread::spawn(move || {
        rubbish.set_read_timeout(Some(Duration::from_secs(8))).expect("a socket");
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = rubbish.recv_from(&mut buffer) {
            rubbish.send_to(&buffer[..length], from).expect("loopback");
        }
    });
    let (object, code) = checked(&[&[format!("turn:127.0.0.1:{port}").as_str()], ALICE].concat());
    assert_eq!((causes(&object), code), (vec!["no-answer"], 3), "{object:#}");
    let path = &object["uris"][0]["paths"][0];
    let remarks = path["remarks"].to_string();
    assert!(remarks.contains("that answers nothing that was asked"), "{path:#}");
    assert!(path["software"].is_null(), "the words of a stranger are no server's: {path:#}");
    echo.join().expect("the echo");
}
