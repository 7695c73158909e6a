//! Captures as load: what a recording peer behind a relay hears, held against the capture itself.
//!
//! The capture is read here by hand, so that the readers of the program are not their own judges.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use support::recorder::{Packet, Recorder};
use support::{load, measuring, program, run_as};
use turnload::engine::demo::DemoServer;

/// Smallest packet that has room for what measures it.
const SMALLEST: usize = 50;

fn capture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../captures").join(name).join("input.pcapng")
}

/// RTP inside of ChannelData on UDP, by the side that sent it and SSRC, of a pcapng file with nanoseconds in the order of
/// this machine.
fn captured(name: &str) -> BTreeMap<(bool, u32), Vec<Packet>> {
    let file = std::fs::read(capture(name)).expect("a capture");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let mut streams: BTreeMap<(bool, u32), Vec<Packet>> = BTreeMap::new();
    let mut block = 0;
    while block < file.len() {
        let (kind, length) = (word(block), word(block + 4) as usize);
        // Enhanced Packet Block: interface, time in two halves, lengths, data.
        if kind == 6 {
            let at = u64::from(word(block + 12)) << 32 | u64::from(word(block + 16));
            let frame = &file[block + 28..block + 28 + word(block + 20) as usize];
            // Ethernet, IPv4 without options, UDP, ChannelData.
            let (udp, data) = (&frame[34..], &frame[46..]);
            let is_channel = frame[23] == 17 && frame.len() > 58 && udp[8] >> 6 == 1;
            if is_channel && data[0] >> 6 == 2 && !(192..224).contains(&data[1]) {
                let from_client = udp[2..4] == 3478_u16.to_be_bytes();
                let ssrc = u32::from_be_bytes(data[8..12].try_into().expect("four bytes"));
                let bytes = usize::from(u16::from_be_bytes([udp[10], udp[11]]));
                let packet = Packet { at, bytes, marker: data[1] & 0x80 != 0 };
                streams.entry((from_client, ssrc)).or_default().push(packet);
            }
        }
        block += length;
    }
    streams
}

/// The result; where this machine has too much to do besides, it is that of a late generator, and all the same whole.
fn replay(arguments: &str, name: &str) -> Value {
    let server = DemoServer::start(7).expect("a server");
    run_as(|| {
        let mut command = load(&format!("turn:{}", server.address()), arguments);
        command.env("TURN_USERNAME", server.user()).env("TURN_PASSWORD", server.password().reveal());
        command.arg("--replay").arg(capture(name));
        command
    })
    .1
}

/// Since the first packet of all of them.
fn since_the_first<K: Ord + Copy>(streams: BTreeMap<K, Vec<Packet>>) -> Vec<Vec<Packet>> {
    let first = streams.values().flatten().map(|packet| packet.at).min().expect("a packet");
    let mut streams: Vec<Vec<Packet>> = streams.into_values().collect();
    streams.iter_mut().flatten().for_each(|packet| packet.at -= first);
    // Whatever the streams are called.
    streams.sort();
    streams
}

#[test]
fn a_peer_behind_the_relay_hears_the_sizes_and_the_timing_of_the_capture_to_the_nanosecond() {
    let captured = captured("mid-call");
    // As the description of the capture says.
    assert_eq!(captured.values().map(Vec::len).collect::<Vec<_>>(), [200, 111, 200, 110]);
    let (_measuring, peer) = (measuring(), Recorder::start());
    let value = replay(&format!("-m 2 --peer {}", peer.address()), "mid-call");
    let heard = peer.heard();
    let small = captured.values().flatten().filter(|packet| packet.bytes < SMALLEST).count();
    for (allocation, from_client) in [(0, false), (1, true)] {
        let mut of_side = captured.clone();
        of_side.retain(|(side, _), _| *side == from_client);
        of_side.values_mut().flatten().for_each(|packet| packet.bytes = packet.bytes.max(SMALLEST));
        let mut of_allocation = heard.streams.clone();
        of_allocation.retain(|(number, _), _| *number == allocation);
        let (heard, captured) = (since_the_first(of_allocation), since_the_first(of_side));
        let wrong = heard.iter().flatten().zip(captured.iter().flatten()).find(|(heard, captured)| heard != captured);
        assert!(heard == captured, "allocation {allocation}: {wrong:?}");
    }
    // They did not only say so: half of them came within two milliseconds of their time.
    let median = heard.lateness[heard.lateness.len() / 2];
    assert!(median < 2_000_000, "{median} ns late");
    let (media, facts) = (&value["media"], &value["replay"]);
    assert_eq!((&media["sent_packets"], &media["delivered_packets"]), (&621.into(), &621.into()), "{value:#}");
    assert_eq!((&facts["parts"], &facts["streams"], &facts["packets"]), (&2.into(), &4.into(), &621.into()));
    assert_eq!(facts["padded_packets"], small as u64, "{value:#}");
    assert_eq!((&value["incomplete"], &value["config"]["end"]["kind"]), (&Value::Null, &"once-through".into()));
}

#[test]
fn a_number_of_packets_goes_round_and_two_allocations_play_the_sides_of_a_call_to_each_other() {
    let value = replay("-m 4 -y -n 15", "webrtc-simulcast");
    let (media, facts) = (&value["media"], &value["replay"]);
    let streams = media["streams"].as_u64().expect("a number");
    // Two pairs; the two sides have different numbers of streams, and each of these is heard by the other side.
    assert_eq!(streams, 2 * facts["streams"].as_u64().expect("a number"), "{value:#}");
    assert_eq!((&media["sent_packets"], &media["delivered_packets"]), (&(15 * streams).into(), &(15 * streams).into()));
    for name in ["lost_packets", "duplicated", "misdelivered", "corrupted"] {
        assert_eq!(media[name], 0, "{name}: {value:#}");
    }
}

#[test]
fn with_a_duration_it_goes_on_and_allocations_of_a_part_begin_at_different_places() {
    let (_measuring, peer) = (measuring(), Recorder::start());
    let value = replay(&format!("-m 8 --duration 1s --peer {}", peer.address()), "mid-call");
    let heard = peer.heard();
    let captured = captured("mid-call");
    // The audio of all who play the side of the client: each stretch of sizes stands somewhere in the capture.
    let whole: Vec<usize> = captured[&(true, 0x5352_db24)].iter().map(|packet| packet.bytes.max(SMALLEST)).collect();
    let round = [whole.clone(), whole].concat();
    let mut places = Vec::new();
    for allocation in [1, 3, 5, 7] {
        let stretch = (0..2)
            .filter_map(|stream| heard.streams.get(&(allocation, stream)))
            .map(|packets| packets.iter().map(|packet| packet.bytes).collect::<Vec<_>>())
            .filter(|sizes| sizes.len() > 20)
            .find_map(|sizes| round.windows(sizes.len()).position(|window| window == sizes));
        places.push(stretch.expect("a stretch of the capture"));
    }
    assert_eq!(places[0], 0);
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 20), "{places:?}");
    assert_eq!(value["media"]["lost_packets"], 0, "{value:#}");
}

#[test]
fn a_file_without_media_ends_with_two_and_says_what_it_is() {
    let run = |name: &str| {
        program(&["turn:127.0.0.1", "--no-auth", "-m", "2", "--dry-run", "--replay"])
            .arg(capture(name))
            .output()
            .expect("turnload runs")
    };
    let refused = run("turn-wrong-password");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("no RTP stream in it") && said.contains("stun"), "{said}");
    let planned = run("mid-call");
    let plan = String::from_utf8_lossy(&planned.stdout);
    assert!(plan.contains("4 captured in 2 parts in turn") && plan.contains("packets      621 from"), "{plan}");
    assert_eq!(planned.status.code(), Some(0));
}
