//! Every way to a coturn, with all that belongs to it: transports, families, credentials, channels and indications.
//!
//! A gentle load, on loopback: each combination has to carry it without a loss.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use support::coturn::{Coturn, LONG_TERM, REST, Server};
use support::{Measuring, assert_done, assert_lossless, load, measuring, run_as};

/// 4 allocations, 20 packets each, 100 packets a second: a fifth of a second.
const GENTLE: &str = "-m 4 -n 20 -z 10";

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(24_000..25_000).relay_ports(100).secure().ipv6()
}

/// One server for each kind of credentials, and how a client shows them.
fn servers() -> Option<(Measuring, [(Server, Credentials); 2])> {
    let turn = measuring();
    let long_term = coturn().auth(LONG_TERM).start()?;
    let rest = coturn().auth(REST).start()?;
    Some((turn, [(long_term, Credentials::LongTerm), (rest, Credentials::Rest)]))
}

#[derive(Clone, Copy)]
enum Credentials {
    LongTerm,
    Rest,
}

fn carries_all(uri: &str, credentials: Credentials, arguments: &str) {
    let (code, value) = run_as(|| {
        let mut command = load(uri, &format!("{GENTLE} {arguments}"));
        if let Credentials::Rest = credentials {
            command.env_remove("TURN_PASSWORD").env("TURN_SECRET", "logen");
        }
        command
    });
    assert_lossless(&value, 4, 80);
    assert_done(code, &value);
}

/// Both families to the server, both kinds of credentials, both ways to the peer.
fn every_combination_carries_all(uris: fn(&Server) -> [String; 2], transport: &str) {
    let Some((_turn, servers)) = servers() else { return };
    for (server, credentials) in &servers {
        let authority = server.authority();
        let is_secure = transport.contains("tls");
        let trust = if is_secure { format!("--ca-file {}", authority.display()) } else { String::new() };
        for uri in uris(server) {
            let suffix = match transport {
                "udp" | "tls" => "",
                "tcp" => "?transport=tcp",
                _ => "?transport=udp",
            };
            for path in ["", "-s"] {
                carries_all(&format!("{uri}{suffix}"), *credentials, &format!("{trust} {path}"));
            }
        }
    }
}

fn plain(server: &Server) -> [String; 2] {
    [server.uri(), server.uri_ipv6()]
}

fn secure(server: &Server) -> [String; 2] {
    [server.secure_uri(), server.secure_uri_ipv6()]
}

#[test]
fn udp_carries_all_over_both_families_with_both_credentials_in_channels_and_indications() {
    every_combination_carries_all(plain, "udp");
}

#[test]
fn tcp_carries_all_over_both_families_with_both_credentials_in_channels_and_indications() {
    every_combination_carries_all(plain, "tcp");
}

#[test]
fn tls_carries_all_over_both_families_with_both_credentials_in_channels_and_indications() {
    every_combination_carries_all(secure, "tls");
}

#[test]
fn dtls_carries_all_over_both_families_with_both_credentials_in_channels_and_indications() {
    every_combination_carries_all(secure, "dtls");
}

#[test]
fn pairs_carry_all_over_every_transport() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let trust = format!("--ca-file {}", server.authority().display());
    let [plain, secure] = [server.uri(), server.secure_uri()];
    for (uri, arguments) in [
        (plain.clone(), ""),
        (plain.clone(), "-s"),
        (plain, "-t"),
        (secure.clone(), trust.as_str()),
        (secure + "?transport=udp", trust.as_str()),
    ] {
        carries_all(&uri, Credentials::LongTerm, &format!("-y {arguments}"));
    }
}

#[test]
fn ipv6_relays_carry_all_to_a_peer_and_in_pairs() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    for uri in plain(&server) {
        for arguments in ["", "-s", "-t", "-y", "-y -s"] {
            carries_all(&uri, Credentials::LongTerm, &format!("-x {arguments}"));
        }
    }
}

#[test]
fn a_server_that_asks_for_no_credentials_gets_none() {
    let _turn = measuring();
    let Some(server) = coturn().auth("no-auth").start() else { return };
    for path in ["", "-s", "-t"] {
        let (code, value) = run_as(|| {
            let mut command = load(&server.uri(), &format!("{GENTLE} --no-auth {path}"));
            command.env_remove("TURN_USERNAME").env_remove("TURN_PASSWORD");
            command
        });
        assert_lossless(&value, 4, 80);
        assert_done(code, &value);
    }
}
