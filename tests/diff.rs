//! `diff` on a capture that was taken apart: what was removed, delayed and swapped is what it says, to the packet.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a panic is the verdict of a test")]

use std::path::{Path, PathBuf};
use support::{Program, Record, Run, Value, read_pcapng, root, shared_or_skip, write_pcap};

const MS: u64 = 1_000_000;
/// B's clock is this far ahead of A's.
const OFFSET: u64 = 3_600_000_123_457;
/// From A to B.
const THERE: u64 = 7 * MS;
/// From B to A; the offset is exact where both ways take equally long at best.
const BACK: u64 = 7 * MS;
/// The host beside A; the other one is beside B.
const NEAR_A: [u8; 4] = [10, 77, 1, 2];

fn run(arguments: &[&str]) -> Run {
    Program::new(env!("CARGO_BIN_EXE_rtcscope")).run(arguments)
}

fn stdout(run: &Run) -> String {
    String::from_utf8(run.stdout.clone()).expect("stdout is UTF-8")
}

fn report(a: &Path, b: &Path, more: &[&str]) -> Value {
    let (a, b) = (a.display().to_string(), b.display().to_string());
    let run = run(&[&["diff", &a, &b, "--format", "json", "--quiet"], more].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    serde_json::from_slice(&run.stdout).expect("it is JSON")
}

fn call() -> Vec<Record> {
    let file = root().join("captures/sip-hold/input.pcapng");
    read_pcapng(&std::fs::read(file).expect("the case is there"))
}

fn written(name: &str, records: &[Record]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let file = folder.join(name);
    std::fs::write(&file, write_pcap(records)).expect("a capture can be written");
    file
}

fn comes_from_a(record: &Record) -> bool {
    record.frame[26..30] == NEAR_A
}

fn is_rtp(record: &Record) -> bool {
    record.frame[23] == 17 && record.frame[42] == 0x80
}

/// What two taps saw of the records, with their places: each packet at the one that is nearer first.
struct Taps {
    a: Vec<(usize, Record)>,
    b: Vec<(usize, Record)>,
}

impl Taps {
    /// `late`: a packet and by how much more it is delayed.
    fn of(records: &[Record], late: &[(usize, u64)]) -> Self {
        let more = |place: usize| late.iter().find(|(other, _)| *other == place).map_or(0, |(_, more)| *more);
        let moved = |shift: &dyn Fn(usize, &Record) -> u64| {
            let mut moved: Vec<(usize, Record)> = records
                .iter()
                .enumerate()
                .map(|(place, record)| {
                    (place, Record { nanos: record.nanos + shift(place, record), frame: record.frame.clone() })
                })
                .collect();
            moved.sort_by_key(|(_, record)| record.nanos);
            moved
        };
        let a = moved(&|place, record| if comes_from_a(record) { 0 } else { BACK + more(place) });
        let b = moved(&|place, record| OFFSET + if comes_from_a(record) { THERE + more(place) } else { 0 });
        Self { a, b }
    }

    /// The number of a packet's frame.
    fn frame(tap: &[(usize, Record)], place: usize) -> u64 {
        tap.iter().position(|(other, _)| *other == place).expect("it is there") as u64 + 1
    }

    fn records(tap: &[(usize, Record)]) -> Vec<Record> {
        tap.iter().map(|(_, record)| record.clone()).collect()
    }
}

/// Places of the RTP packets of one direction.
fn media(records: &[Record], from_a: bool) -> Vec<usize> {
    let places = records.iter().enumerate().filter(|(_, record)| is_rtp(record) && comes_from_a(record) == from_a);
    places.map(|(place, _)| place).collect()
}

#[test]
fn what_was_removed_delayed_and_swapped_between_two_taps_is_found_to_the_packet() {
    let records = call();
    let (there, back) = (media(&records, true), media(&records, false));
    // One packet comes behind the one that follows it, which needs more than the gap between the two.
    let gap = records[there[101]].nanos - records[there[100]].nanos;
    let mut taps = Taps::of(&records, &[(there[100], gap + MS)]);
    let lost_there = [there[10], there[11], there[50]];
    let frames_there: Vec<u64> = lost_there.iter().map(|place| Taps::frame(&taps.a, *place)).collect();
    let frame_back = Taps::frame(&taps.b, back[20]);
    taps.b.retain(|(place, _)| !lost_there.contains(place));
    let frame_back = frame_back - lost_there.iter().filter(|place| **place < back[20]).count() as u64;
    taps.a.retain(|(place, _)| *place != back[20]);
    let frames_there: Vec<u64> =
        frames_there.iter().zip(lost_there).map(|(frame, place)| frame - u64::from(back[20] < place)).collect();
    let (a, b) = (written("a.pcap", &Taps::records(&taps.a)), written("b.pcap", &Taps::records(&taps.b)));
    let diff = report(&a, &b, &[]);
    assert_eq!(diff["schema"], "rtcscope-diff/1");
    assert_eq!(diff["mode"], "path");
    let clock = &diff["path"]["clock"];
    assert_eq!(clock["b_ahead_ms"], OFFSET as f64 / 1e6, "{clock}");
    assert_eq!((clock["basis"].as_str(), clock["round_trip_floor_ms"].as_f64()), (Some("both-ways"), Some(14.0)));
    assert_eq!(clock["change_ms"], 0.0);
    let streams = diff["path"]["streams"].as_array().expect("a list");
    assert_eq!(streams.len(), 2, "{streams:?}");
    let one = |direction: &str| {
        streams
            .iter()
            .find(|stream| stream["direction"] == direction)
            .unwrap_or_else(|| panic!("{direction}: {streams:?}"))
    };
    let out = one("a-to-b");
    assert_eq!(out["direction_by"], "delay");
    assert_eq!(out["matched"], there.len() - 3);
    assert_eq!((&out["lost"], &out["lost_frames"]), (&3.into(), &frames_there.into()));
    assert_eq!((&out["reordered"], &out["extra"], &out["outside"]), (&1.into(), &0.into(), &0.into()));
    let latest = (THERE + gap + MS) as f64 / 1e6;
    assert_eq!(out["delay_ms"]["min"], 7.0);
    assert_eq!((&out["delay_ms"]["p50"], &out["delay_ms"]["p99"]), (&7.0.into(), &7.0.into()));
    assert_eq!(out["delay_ms"]["max"], latest);
    let home = one("b-to-a");
    assert_eq!((&home["lost"], &home["lost_frames"]), (&1.into(), &vec![frame_back].into()));
    assert_eq!((&home["matched"], &home["reordered"]), (&(back.len() - 1).into(), &0.into()));
    let sip = diff["path"]["others"].as_array().expect("a list").iter().find(|row| row["class"] == "sip").expect("SIP");
    assert_eq!((&sip["only_a"], &sip["only_b"]), (&0.into(), &0.into()));

    let (a, b) = (a.display().to_string(), b.display().to_string());
    let text = run(&["diff", &a, &b, "--quiet", "--fail-on-worse"]);
    assert_eq!(text.code, Some(1));
    let words = stdout(&text);
    assert!(words.contains("4 packets were lost between the points and 1 came out of order"), "{words}");
    assert!(words.contains("B is 3,600.000123 s ahead of A"), "{words}");
    assert_eq!(stdout(&run(&["diff", &a, &b, "--quiet", "--threads", "1"])), words);
}

#[test]
fn taps_at_one_place_have_no_delay_and_lose_what_was_removed() {
    let records = call();
    let gone = media(&records, true)[30];
    let shifted = |(place, record): (usize, &Record)| {
        (place != gone).then(|| Record { nanos: record.nanos + OFFSET, frame: record.frame.clone() })
    };
    let other: Vec<Record> = records.iter().enumerate().filter_map(shifted).collect();
    let diff = report(&written("here.pcap", &records), &written("there.pcap", &other), &[]);
    assert_eq!(diff["path"]["clock"]["b_ahead_ms"], OFFSET as f64 / 1e6);
    let streams = diff["path"]["streams"].as_array().expect("a list");
    let lost: Vec<u64> = streams.iter().filter_map(|stream| stream["lost"].as_u64()).collect();
    assert_eq!(lost.iter().sum::<u64>(), 1, "{streams:?}");
    assert!(streams.iter().all(|stream| stream["delay_ms"]["max"] == 0.0 && stream["direction_by"] == "assumed"));
    assert!(streams.iter().any(|stream| stream["lost_frames"] == Value::from(vec![gone as u64 + 1])));
}

#[test]
fn two_runs_are_told_apart_from_two_points_and_judged() {
    let case = |name: &str| root().join("captures").join(name).join("input.pcapng");
    let diff = report(&case("webrtc-relay-udp"), &case("webrtc-relay-tcp"), &[]);
    assert_eq!(diff["mode"], "runs");
    let same = report(&case("webrtc-relay-udp"), &case("webrtc-relay-udp"), &["--mode", "runs"]);
    assert_eq!((&same["runs"]["verdict"], &same["runs"]["worse"]), (&"same".into(), &0.into()));
    assert_eq!(same["decided_by"], "as asked");

    let records = call();
    let gone: Vec<usize> = media(&records, false).into_iter().step_by(5).collect();
    let kept: Vec<Record> = records
        .iter()
        .enumerate()
        .filter(|(place, _)| !gone.contains(place))
        .map(|(_, record)| record.clone())
        .collect();
    let (good, bad) = (written("good.pcap", &records), written("bad.pcap", &kept));
    let worse = report(&good, &bad, &["--mode", "runs"]);
    assert_eq!(worse["runs"]["verdict"], "worse");
    let figures = |stream: &Value| stream["figures"].as_array().cloned().unwrap_or_default();
    let lost: Vec<Value> = worse["runs"]["streams"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(figures)
        .filter(|figure| figure["name"] == "lost" && figure["judgement"] == "worse")
        .collect();
    assert_eq!(lost.len(), 1, "{worse}");
    let (good, bad) = (good.display().to_string(), bad.display().to_string());
    assert_eq!(run(&["diff", &good, &bad, "--mode", "runs", "--fail-on-worse", "-q"]).code, Some(1));
    assert_eq!(run(&["diff", &bad, &good, "--mode", "runs", "--fail-on-worse", "-q"]).code, Some(0));
}

#[test]
fn what_cannot_be_compared_is_usage_or_input() {
    let good = root().join("captures/sip-hold").display().to_string();
    assert_eq!(run(&["diff", &good]).code, Some(2));
    assert_eq!(run(&["diff", &good, "-"]).code, Some(2));
    assert_eq!(run(&["diff", &good, "no-such-capture.pcap"]).code, Some(3));
}

#[test]
fn a_packet_is_the_same_before_and_behind_a_turn_server() {
    let Some(shared) = shared_or_skip("a TURN server between two captures") else { return };
    let folder = shared.join("calls/t01-udp-channel");
    let diff = report(&folder.join("client.pcapng"), &folder.join("peer.pcapng"), &[]);
    assert_eq!((&diff["mode"], &diff["path"]["clock"]["basis"]), (&"path".into(), &"both-ways".into()));
    let sum = |key: &str| {
        let streams = diff["path"]["streams"].as_array().expect("a list").iter();
        streams
            .chain(diff["path"]["others"].as_array().expect("a list"))
            .filter_map(|row| row[key].as_u64())
            .sum::<u64>()
    };
    assert!(sum("matched") >= 100, "{diff}");
    assert_eq!(sum("lost"), 0, "{diff}");
}
