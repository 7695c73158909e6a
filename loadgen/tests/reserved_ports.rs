//! EVEN-PORT and what it reserves (RFC 8656, section 7), asked of a coturn.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use std::ops::Range;
use support::coturn::Coturn;
use support::recorder::Recorder;
use support::{assert_done, assert_lossless, measuring, run};

/// Below the ephemeral ports of Linux, and away from those of other tests.
const PORTS: Range<u16> = 27_500..28_000;

#[test]
fn the_second_of_two_allocations_has_the_port_above_the_even_one_of_the_first() {
    let (_measuring, Some(server)) = (measuring(), Coturn::among(PORTS).start()) else { return };
    for transport in ["", "-t"] {
        let peer = Recorder::start();
        let (code, value) =
            run(&server.uri(), &format!("-m 10 -n 20 --even-port {transport} --peer {}", peer.address()));
        assert_lossless(&value, 10, 200);
        assert_done(code, &value);
        let heard = peer.heard();
        let port = |allocation: u32| -> u16 {
            let relays: Vec<u16> = heard.relays[&allocation].iter().map(|relay| relay.port()).collect();
            assert_eq!(relays.len(), 1, "one relayed address for allocation {allocation}");
            relays[0]
        };
        for first in (0..10).step_by(2) {
            assert!(port(first).is_multiple_of(2), "{} is odd", port(first));
            assert_eq!(port(first + 1), port(first) + 1, "above that of allocation {first}");
        }
    }
}

#[test]
fn two_neighbours_that_send_to_each_other_lose_nothing() {
    let (_measuring, Some(server)) = (measuring(), Coturn::among(PORTS).start()) else { return };
    let (code, value) = run(&server.uri(), "-m 6 -n 20 --even-port -y");
    assert_lossless(&value, 6, 120);
    assert_done(code, &value);
}

#[test]
fn where_no_two_ports_are_free_the_first_gets_508_and_the_second_is_never_asked_for() {
    let (_measuring, Some(server)) = (measuring(), Coturn::among(PORTS).relay_ports(4).start()) else { return };
    let (code, value) = run(&server.uri(), "-m 6 -n 20 --even-port");
    let allocations = &value["allocations"];
    assert_eq!((&allocations["succeeded"], &allocations["failed"]), (&4.into(), &2.into()), "{value:#}");
    assert_eq!((&allocations["errors"]["508"], &allocations["errors"]["no-reservation"]), (&1.into(), &1.into()));
    let media = &value["media"];
    assert_eq!((&media["sent_packets"], &media["delivered_packets"]), (&80.into(), &80.into()), "{value:#}");
    assert_eq!(code, Some(0));
}

#[test]
fn dont_fragment_is_asked_for_with_channels_and_with_indications() {
    let (_measuring, Some(server)) = (measuring(), Coturn::among(PORTS).start()) else { return };
    for arguments in ["-g", "-g -s"] {
        let (code, value) = run(&server.uri(), &format!("-m 4 -n 10 {arguments}"));
        assert_lossless(&value, 4, 40);
        assert_done(code, &value);
    }
}
