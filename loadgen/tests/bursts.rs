//! Frames leave with one call to the system where UDP allows it; nobody may see a difference.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use support::coturn::Coturn;
use support::recorder::{Packet, Recorder};
use support::{assert_lossless, measuring, run};

/// Below the ephemeral ports of Linux, and away from those of other tests.
const PORTS: Range<u16> = 27_500..28_000;

/// What a peer hears of two streams of video, each from its first packet on.
fn heard(uri: &str, arguments: &str) -> BTreeMap<(u32, u16), Vec<Packet>> {
    let peer = Recorder::start();
    let load = format!("-m 2 -n 100 --profile video --bitrate 1mbps --seed 9 {arguments} --peer {}", peer.address());
    let (_, value) = run(uri, &load);
    assert_lossless(&value, 2, 200);
    let mut streams = peer.heard().streams;
    for packets in streams.values_mut() {
        let first = packets[0].at;
        packets.iter_mut().for_each(|packet| packet.at -= first);
    }
    streams
}

#[test]
fn a_frame_in_one_call_arrives_as_the_packets_it_has_one_by_one() {
    let (_measuring, Some(server)) = (measuring(), Coturn::among(PORTS).start()) else { return };
    let one_by_one = heard(&server.uri(), "-t");
    let packets = &one_by_one[&(0, 0)];
    // There are bursts: most packets are due with the one before.
    assert!(packets.windows(2).filter(|pair| pair[0].at == pair[1].at).count() > 60);
    for arguments in ["", "-s"] {
        assert!(heard(&server.uri(), arguments) == one_by_one, "with {arguments:?}");
    }
}
