//! Are the latencies true? A post office in the test (`truth/post.rs`) delays packets and knows for each when it was
//! handed to turnload; what turnload reports is held against that.
//!
//! The truth of a round trip is when the packet was handed over less when it was due, which it carries with it; the two
//! clocks differ by what the fastest packet shows. The path through the server is part of both sides, so nothing is
//! corrected for it. That the truth is what was injected is held apart, against the medians.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

#[path = "truth/post.rs"]
mod post;
mod support;

use post::{Book, Orders, Passed, Place, Post};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use support::coturn::Coturn;
use support::{judged, load, measuring, program};
use turnload::engine::demo::DemoServer;
use turnload::random::Random;

/// What turnload may be wrong by: a fiftieth, or so many milliseconds.
const SHARE: f64 = 0.02;
const LEAST: f64 = 0.05;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// What turnload reports, and what the post knows.
fn measure(arguments: &str, orders: Orders) -> (Value, Book) {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let post = Post::open(server.address(), orders);
    let mut command = program(&[&format!("turn:{}", post.front), "--format", "json"]);
    command.args(arguments.split_whitespace());
    if !arguments.contains("-y") {
        command.arg("--peer").arg(post.peer.to_string());
    }
    command.env("TURN_USERNAME", server.user()).env("TURN_PASSWORD", server.password().reveal());
    let output = command.output().expect("turnload runs");
    let book = post.close();
    let (_, value) = judged(&output);
    assert_eq!(value["media"]["delivered_packets"], book.passed.len(), "{value:#}");
    assert_eq!(value["media"]["lost_packets"], 0, "{value:#}");
    (value, book)
}

/// Milliseconds from when a packet was due until it was handed over: at least, at most.
fn round_trip(book: &Book, passed: &Passed) -> (f64, f64) {
    let since = |left: u64| (left as i64 - book.offset - passed.packet.stamp.scheduled.as_nanos() as i64) as f64 / 1e6;
    (since(passed.left.0), since(passed.left.1))
}

fn percentile(values: impl IntoIterator<Item = f64>, quantile: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let rank = (quantile * values.len() as f64).ceil().max(1.0) as usize;
    values[rank - 1]
}

const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// Each percentile lies between those of what it was at least and at most.
#[track_caller]
fn assert_true(reported: &Value, truth: &[(f64, f64)]) {
    assert_true_at(&QUANTILES, reported, truth);
}

#[track_caller]
fn assert_true_at(quantiles: &[(&str, f64)], reported: &Value, truth: &[(f64, f64)]) {
    let mut wrong = Vec::new();
    for &(name, quantile) in quantiles {
        let said = reported[name].as_f64().expect("a number");
        let least = percentile(truth.iter().map(|(least, _)| *least), quantile);
        let most = percentile(truth.iter().map(|(_, most)| *most), quantile);
        let is_true = said >= least - LEAST.max(SHARE * least) && said <= most + LEAST.max(SHARE * most);
        println!("{name:>5}: {said:.3} ms reported, {least:.3} to {most:.3} ms true");
        if !is_true {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} of {} packets: {reported:#}", truth.len());
}

fn assert_round_trips_are_true(value: &Value, book: &Book) {
    let truth: Vec<(f64, f64)> = book.passed.iter().map(|passed| round_trip(book, passed)).collect();
    assert_true(&value["media"]["rtt_ms"], &truth);
}

/// RFC 3550, appendix A.8, over all streams, with each packet.
fn jitters(book: &Book) -> Vec<(f64, f64)> {
    let mut streams: BTreeMap<_, (Option<f64>, f64)> = BTreeMap::new();
    let one = |passed: &Passed| {
        let transit = round_trip(book, passed).0;
        let (before, jitter) = streams.entry(passed.packet.stamp.id).or_default();
        if let Some(before) = before.replace(transit) {
            *jitter += ((transit - before).abs() - *jitter) / 16.0;
        }
        (*jitter, *jitter)
    };
    book.passed.iter().map(one).collect()
}

/// Four streams of a hundred packets a second.
const LOAD: &str = "-m 4 --pps 100 -l 172 --duration 2s --seed 5";

fn at_the_peer(delay: impl FnMut(u64) -> Duration + Send + 'static) -> Orders {
    Orders { place: Place::Peer, delay: Box::new(delay), stall: None }
}

#[track_caller]
fn assert_injected_shows(value: &Value, book: &Book) {
    let injected = percentile(book.injected.iter().map(|nanos| *nanos as f64 / 1e6), 0.5);
    let said = value["media"]["rtt_ms"]["p50"].as_f64().expect("a number");
    // The way through the server and back is added, and a machine that does something else meanwhile.
    assert!((injected..injected + 2.0).contains(&said), "{said} is not {injected} and the path");
}

#[test]
fn a_constant_delay_is_reported_as_it_is() {
    let (value, book) = measure(LOAD, at_the_peer(|_| micros(5_000)));
    assert_round_trips_are_true(&value, &book);
    assert_injected_shows(&value, &book);
}

#[test]
fn a_few_slow_packets_are_the_99th_percentile_and_not_the_median() {
    // Three in two hundred.
    let (value, book) = measure(LOAD, at_the_peer(|number| micros(if number % 200 < 3 { 40_000 } else { 2_000 })));
    assert_round_trips_are_true(&value, &book);
    assert_injected_shows(&value, &book);
    let rtt = &value["media"]["rtt_ms"];
    assert!(rtt["p99"].as_f64() > Some(40.0) && rtt["p90"].as_f64() < Some(40.0), "{rtt:#}");
}

#[test]
fn delays_between_one_and_thirty_milliseconds_are_told_apart() {
    let mut random = Random::new(11);
    let (value, book) = measure(LOAD, at_the_peer(move |_| micros(1_000 + random.below(29_000))));
    assert_round_trips_are_true(&value, &book);
    assert_true(&value["media"]["jitter_ms"], &jitters(&book));
}

#[test]
fn a_long_tail_is_reported_to_its_end() {
    let mut random = Random::new(12);
    let (value, book) = measure(
        LOAD,
        at_the_peer(move |_| {
            let share = (random.below(1_000_000) + 1) as f64 / 1e6;
            Duration::from_secs_f64(0.001 - 0.030 * share.ln())
        }),
    );
    assert_round_trips_are_true(&value, &book);
    assert_true(&value["media"]["jitter_ms"], &jitters(&book));
}

#[test]
fn packets_that_come_back_at_once_are_reported_to_the_microsecond() {
    let (value, book) = measure(LOAD, at_the_peer(|_| Duration::ZERO));
    assert_round_trips_are_true(&value, &book);
    assert_true(&value["media"]["jitter_ms"], &jitters(&book));
}

#[test]
fn a_stall_of_700_milliseconds_is_the_maximum() {
    let stall = (Duration::from_millis(800), Duration::from_millis(700));
    let (value, book) = measure(LOAD, Orders { stall: Some(stall), ..at_the_peer(|_| micros(1_000)) });
    assert_round_trips_are_true(&value, &book);
    let longest = value["media"]["rtt_ms"]["max"].as_f64().expect("a number");
    assert!(longest >= 690.0, "{longest}");
}

#[test]
fn all_packets_that_were_due_during_a_stall_show_it() {
    // A quarter of the two seconds; in it the round trips fall evenly from 500 ms to nothing, so that one in ten of all
    // is above three fifths of it. Who waits with the next packet for the answer to the last one sees four slow ones.
    let stall = (Duration::from_millis(700), Duration::from_millis(500));
    let (value, book) = measure(LOAD, Orders { stall: Some(stall), ..at_the_peer(|_| Duration::ZERO) });
    assert_round_trips_are_true(&value, &book);
    let p90 = value["media"]["rtt_ms"]["p90"].as_f64().expect("a number");
    assert!((270.0..340.0).contains(&p90), "{p90}");
}

#[test]
fn one_way_is_from_one_end_to_the_other() {
    let mut random = Random::new(13);
    let delay = move |_| micros(3_000 + random.below(20_000));
    let orders = Orders { place: Place::Back, delay: Box::new(delay), stall: None };
    let (value, book) = measure(&format!("{LOAD} -y"), orders);
    let truth: Vec<(f64, f64)> = book.passed.iter().map(|passed| round_trip(&book, passed)).collect();
    assert_true(&value["media"]["one_way_ms"], &truth);
    assert!(value["media"]["rtt_ms"]["p50"].is_null(), "{value:#}");
    assert_true(&value["media"]["jitter_ms"], &jitters(&book));
}

#[test]
fn packets_that_take_long_at_the_end_are_waited_for() {
    // The last ones leave when the load is over and take as long as all others.
    let (value, book) = measure(LOAD, at_the_peer(|_| micros(900_000)));
    assert_round_trips_are_true(&value, &book);
}

#[test]
fn an_allocation_takes_as_long_as_its_two_answers() {
    // The challenge and the grant, two milliseconds each. That a socket is opened before the first request is part of it;
    // how long that takes at worst, the machine knows.
    const OPENING: f64 = 0.2;
    let orders = Orders { place: Place::Answers, delay: Box::new(|_| micros(2_000)), stall: None };
    let (value, book) = measure("-m 100 --ramp 1s --pps 5 --duration 200ms --seed 5", orders);
    let took = |client: &post::Client| (client.answered[1] - client.asked) as f64 / 1e6;
    let truth: Vec<(f64, f64)> = book.clients.iter().map(|client| (took(client), took(client) + OPENING)).collect();
    assert_eq!(truth.len(), 100);
    let reported = &value["allocations"]["latency_ms"];
    assert_true_at(&QUANTILES[..1], reported, &truth);
    let slowest = percentile(truth.iter().map(|(least, _)| *least), 1.0);
    assert!(reported["max"].as_f64() > Some(slowest - LEAST), "{slowest} {reported:#}");
}

/// Over coturn, with the delays at the peer: what they are, and the way through the server, whose length a run without
/// delays gives. A machine that does something else in one of the two spoils both, so that one of three must be right.
fn assert_true_over(uri: &dyn Fn(&support::coturn::Server) -> String, arguments: &str) {
    let Some(server) = Coturn::among(28_000..28_500).secure().start() else { return };
    let arguments = format!("{LOAD} {}", arguments.replace("AUTHORITY", &server.authority().display().to_string()));
    let one = |delay: fn(u64) -> Duration| {
        let post = Post::open(SocketAddr::from(([127, 0, 0, 1], 9)), at_the_peer(delay));
        let arguments = format!("{arguments} --peer {}", post.peer);
        let output = load(&uri(&server), &arguments).output().expect("turnload runs");
        (judged(&output).1["media"].clone(), post.close())
    };
    let mut tries = Vec::new();
    for _ in 0..3 {
        let _measuring = measuring();
        let (base, _) = one(|_| Duration::ZERO);
        let (media, book) = one(|number| micros(if number % 200 < 3 { 40_000 } else { 5_000 }));
        assert_eq!((&media["lost_packets"], &media["delivered_packets"]), (&0.into(), &book.reflected.len().into()));
        let stayed = |passed: &Passed| {
            let since_due = passed.left.0 as i64 - passed.packet.stamp.scheduled.as_nanos() as i64;
            (since_due - book.offset_at_peer) as f64 / 1e6
        };
        let is_true = |(name, quantile): (&str, f64)| {
            let said = media["rtt_ms"][name].as_f64().expect("a number");
            let truth = percentile(book.reflected.iter().map(stayed), quantile);
            let path = base["rtt_ms"][name].as_f64().expect("a number");
            let slack = LEAST.max(SHARE * truth);
            println!("{name:>4}: {said:.3} ms reported, {truth:.3} ms at the peer, path {path:.3} ms");
            (truth - slack..=truth + path + slack).contains(&said)
        };
        let wrong: Vec<&str> = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)]
            .into_iter()
            .filter(|of| !is_true(*of))
            .map(|of| of.0)
            .collect();
        if wrong.is_empty() {
            return;
        }
        tries.push(wrong);
    }
    panic!("wrong three times: {tries:?}");
}

#[test]
fn over_tcp_the_latencies_are_true_as_well() {
    assert_true_over(&|server| server.uri(), "-t");
}

#[test]
fn over_tls_the_latencies_are_true_as_well() {
    assert_true_over(&|server| server.secure_uri(), "--ca-file AUTHORITY");
}

#[test]
fn over_dtls_the_latencies_are_true_as_well() {
    assert_true_over(&|server| format!("{}?transport=udp", server.secure_uri()), "--ca-file AUTHORITY");
}
