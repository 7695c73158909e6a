//! What two captures come to, on packets made up.

use super::*;
use crate::model::sightings::{Group, Sighting};
use crate::net::{Addr, Endpoint, Transport};
use crate::time::Timestamp;
use serde_json::json;

const MS: i64 = 1_000_000;

fn end(host: u8, port: u16) -> Endpoint {
    Endpoint { addr: Addr::v4([10, 0, 0, host]), port }
}

/// Packets as (sender, receiver, key, milliseconds): of RTP, with the sender as SSRC.
fn saw(ttl: u8, packets: &[(u8, u8, u64, i64)]) -> Sightings {
    let mut sightings = Sightings::default();
    let mut packets = packets.to_vec();
    packets.sort_by_key(|(_, _, _, at)| *at);
    for (n, (from, to, key, at)) in (1..).zip(packets) {
        let (src, dst) = (end(from, 5000), end(to, 5000));
        let known = sightings.groups.iter().position(|group| (group.src, group.dst) == (src, dst));
        let group = known.unwrap_or_else(|| {
            let kind = Kind::Rtp(u32::from(from));
            sightings.groups.push(Group { src, dst, transport: Transport::Udp, kind, ttl });
            sightings.groups.len() - 1
        });
        let ts = Timestamp::from_nanos(at * MS);
        sightings.seen.push(Sighting { key, ts, frame: n, group: group as u32 });
        let (first, last) = sightings.span.unwrap_or((ts, ts));
        sightings.span = Some((first.min(ts), last.max(ts)));
    }
    sightings
}

/// A report with a stream for each group.
fn report(sightings: &Sightings) -> Value {
    let stream = |(n, group): (usize, &Group)| {
        let Kind::Rtp(ssrc) = group.kind else { return Value::Null };
        json!({
            "id": format!("r{}", n + 1), "src": group.src.to_string(), "dst": group.dst.to_string(),
            "ssrc": format!("0x{ssrc:08x}"), "kind": "audio",
        })
    };
    json!({"rtp_streams": sightings.groups.iter().enumerate().map(stream).collect::<Vec<_>>()})
}

fn compared(a: &Sightings, b: &Sightings) -> Path {
    path(&Side { sightings: a, report: &report(a) }, &Side { sightings: b, report: &report(b) })
}

#[test]
fn delays_and_offset_come_from_both_ways_and_the_way_from_the_delays() {
    // A is near host 1, B near host 2; B's clock is 1000 ms ahead; there 4 to 9 ms, back 4 ms.
    let a = saw(64, &[(1, 2, 10, 100), (1, 2, 11, 120), (1, 2, 12, 140), (2, 1, 20, 114), (2, 1, 21, 134)]);
    let b = saw(64, &[(1, 2, 10, 1104), (1, 2, 11, 1129), (1, 2, 12, 1145), (2, 1, 20, 1110), (2, 1, 21, 1130)]);
    let path = compared(&a, &b);
    let clock = path.clock.unwrap();
    assert_eq!((clock.nanos, clock.basis, clock.round_trip_nanos), (1000 * MS, Basis::BothWays, Some(8 * MS)));
    let [there, back] = path.streams.as_slice() else { panic!("{:?}", path.streams) };
    assert_eq!((there.heading, there.heading_by), (Heading::AToB, DirectionBy::Delay));
    assert_eq!((back.heading, back.heading_by), (Heading::BToA, DirectionBy::Delay));
    assert_eq!(there.passage.delay, Some(Delay { min: 4 * MS, p50: 5 * MS, p99: 9 * MS, max: 9 * MS }));
    assert_eq!(back.passage.delay, Some(Delay { min: 4 * MS, p50: 4 * MS, p99: 4 * MS, max: 4 * MS }));
    assert_eq!(path.faults(), (0, 0));
}

#[test]
fn with_one_way_only_the_smallest_delay_is_none_and_hops_tell_the_way() {
    let a = saw(63, &[(1, 2, 10, 1100), (1, 2, 11, 1120)]);
    let b = saw(64, &[(1, 2, 10, 100), (1, 2, 11, 117)]);
    let path = compared(&a, &b);
    assert_eq!(path.clock.unwrap().basis, Basis::OneWay);
    let stream = &path.streams[0];
    assert_eq!((stream.heading, stream.heading_by), (Heading::BToA, DirectionBy::Hops));
    assert_eq!(stream.passage.delay, Some(Delay { min: 0, p50: 0, p99: 3 * MS, max: 3 * MS }));
    assert_eq!(stream.passage.hops, Some(1));
}

#[test]
fn loss_counts_only_while_both_captures_ran() {
    let a = saw(64, &[(1, 2, 10, 0), (1, 2, 11, 20), (1, 2, 12, 40), (1, 2, 13, 60), (1, 2, 14, 80)]);
    let b = saw(64, &[(1, 2, 11, 20), (1, 2, 13, 60), (1, 2, 99, 30)]);
    let passage = &compared(&a, &b).streams[0].passage;
    assert_eq!((passage.matched, passage.lost, passage.outside, passage.extra), (2, 1, 2, 1));
    assert_eq!((passage.lost_frames.as_slice(), passage.lost_pct), (&[3][..], Some(100.0 / 3.0)));
}

#[test]
fn a_packet_that_comes_behind_later_ones_is_one_reordered_packet() {
    let a = saw(64, &[(1, 2, 10, 0), (1, 2, 11, 20), (1, 2, 12, 40), (1, 2, 13, 60)]);
    let b = saw(64, &[(1, 2, 11, 20), (1, 2, 12, 40), (1, 2, 10, 50), (1, 2, 13, 60)]);
    assert_eq!(compared(&a, &b).streams[0].passage.reordered, 1);
}

#[test]
fn of_two_legs_of_a_relay_the_one_that_shares_most_packets_is_the_other_end() {
    let a = saw(64, &[(1, 2, 10, 0), (1, 2, 11, 20), (1, 2, 12, 40)]);
    let b = saw(64, &[(1, 2, 10, 1), (3, 4, 10, 2), (3, 4, 11, 22), (1, 2, 11, 21), (1, 2, 12, 41)]);
    let path = compared(&a, &b);
    assert_eq!((path.streams.len(), path.streams[0].passage.matched), (1, 3));
    assert_eq!(path.only_b.iter().map(|lone| (lone.ssrc, lone.packets)).collect::<Vec<_>>(), [(3, 2)]);
}

#[test]
fn the_same_packet_twice_is_matched_once_each() {
    let a = saw(64, &[(1, 2, 10, 0), (1, 2, 11, 20), (1, 2, 11, 21)]);
    let b = saw(64, &[(1, 2, 10, 0), (1, 2, 10, 1), (1, 2, 11, 20), (1, 2, 11, 21)]);
    let passage = &compared(&a, &b).streams[0].passage;
    assert_eq!((passage.matched, passage.lost, passage.extra), (3, 0, 1));
}

#[test]
fn messages_decide_before_media_and_times_where_there_is_media_only() {
    let media = saw(64, &[(1, 2, 10, 0), (1, 2, 11, 20)]);
    let later = saw(64, &[(1, 2, 10, 90_000), (1, 2, 11, 90_020)]);
    assert_eq!(decide(&media, &media).mode, Mode::Path);
    assert_eq!(decide(&media, &later).mode, Mode::Runs);
    let with = |mut sightings: Sightings, key: u64| {
        let group = Group { kind: Kind::Other("stun"), ..sightings.groups[0].clone() };
        sightings.groups.push(group);
        sightings.seen.push(Sighting { key, ts: Timestamp::default(), frame: 9, group: 1 });
        sightings
    };
    assert_eq!(decide(&with(media.clone(), 7), &with(later.clone(), 7)).mode, Mode::Path);
    assert_eq!(decide(&with(media.clone(), 7), &with(media.clone(), 8)).mode, Mode::Runs);
    assert_eq!(decide(&media, &Sightings::default()).mode, Mode::Runs);
}

fn run(lost_pct: f64, host: &str) -> Value {
    let stream = |kind: &str, src: &str, dst: &str, lost: f64| {
        json!({
            "id": format!("{kind} {src}"), "kind": kind, "codec": "x", "src": format!("{src}:5"), "dst": format!("{dst}:6"),
            "packets": 100, "lost_pct": lost, "jitter_ms": {"p95": null}, "first_ts": "1.5", "last_ts": "3.75",
        })
    };
    json!({
        "rtp_streams": [stream("audio", host, "b", lost_pct), stream("audio", "b", host, 0.0), stream("video", host, "b", 0.0)],
        "sessions": [{"state": "ended", "setup_ms": {"total": 500.0}}],
        "turn": {"allocations": [{"ended": "deleted", "setup_ms": 30.0}]},
        "findings": [{"code": "X", "severity": "warning"}, {"code": "I", "severity": "info"}],
    })
}

#[test]
fn a_change_within_the_tolerance_is_none() {
    let same = runs(&run(1.0, "a"), &run(1.4, "a"));
    assert_eq!((same.verdict(), same.better, same.worse, same.findings.len()), ("same", 0, 0, 0));
    let worse = runs(&run(1.0, "a"), &run(1.6, "a"));
    assert_eq!((worse.verdict(), worse.worse), ("worse", 1));
    assert_eq!(runs(&run(1.6, "a"), &run(1.0, "a")).verdict(), "better");
    let lost = worse.streams[0].figures.iter().find(|figure| figure.name == "lost").unwrap();
    assert_eq!((lost.a, lost.b, lost.tolerance, lost.judgement), (Some(1.0), Some(1.6), Some(0.5), Judgement::Worse));
    let unknown = worse.streams[0].figures.iter().find(|figure| figure.name == "jitter p95").unwrap();
    assert_eq!((unknown.a, unknown.judgement), (None, Judgement::Unjudged));
    assert_eq!(worse.streams[0].figures[1].a, Some(2.25));
}

#[test]
fn streams_are_matched_by_hosts_where_addresses_differ() {
    let other = runs(&run(1.0, "a"), &run(1.0, "c"));
    assert_eq!(other.verdict(), "same");
    assert!(other.streams.iter().all(|stream| stream.a.is_some() && stream.b.is_some()));
    assert_eq!(other.streams[0].direction, "host 1 → host 2");
}

#[test]
fn what_is_gone_and_what_came_is_judged() {
    let before = run(1.0, "a");
    let mut after = before.clone();
    after["rtp_streams"].as_array_mut().unwrap().pop();
    after["findings"] = json!([{"code": "Y", "severity": "error"}]);
    after["turn"]["allocations"][0]["ended"] = json!("failed");
    after["sessions"][0]["setup_ms"] = json!(900.0);
    let changed = runs(&before, &after);
    let gone = changed.streams.iter().find(|stream| stream.b.is_none()).unwrap();
    assert_eq!((gone.kind.as_deref(), gone.judgement), (Some("video"), Judgement::Worse));
    let findings: Vec<(&str, Judgement)> =
        changed.findings.iter().map(|finding| (finding.code.as_str(), finding.judgement)).collect();
    assert_eq!(findings, [("I", Judgement::Unjudged), ("X", Judgement::Better), ("Y", Judgement::Worse)]);
    assert_eq!((changed.verdict(), changed.better, changed.worse), ("mixed", 1, 4));
}
