//! How a run ends: with its server, without it, or by hand.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::process::Child;
use std::time::{Duration, Instant};
use support::coturn::{Coturn, Server, free_port};
use support::{Ended, interrupt, judged, load, measuring, run, unless_invalid};

/// Below the ephemeral ports of Linux, and away from those of other tests.
fn coturn() -> Coturn {
    Coturn::among(24_000..25_000).relay_ports(300).secure()
}

/// Over which transport it is reached.
type Uri = fn(&Server) -> String;

/// A load on a server that is started for it, and what is done to that a second after it began. None without a server.
fn meanwhile(arguments: &str, uri: Uri, deed: fn(&mut Server)) -> Option<Ended> {
    unless_invalid(|| {
        let mut server = coturn().start()?;
        let load = load(&uri(&server), arguments).spawn().expect("turnload runs");
        std::thread::sleep(Duration::from_secs(1));
        deed(&mut server);
        Some(ended(load))
    })
}

fn ended(load: Child) -> Ended {
    judged(&load.wait_with_output().expect("it ends"))
}

fn signal(server: &Server, signal: Signal) {
    let pid = Pid::from_raw(server.pid() as i32).expect("a process");
    kill_process(pid, signal).expect("it is there");
}

#[test]
fn a_server_that_is_killed_takes_all_with_it_and_the_run_ends_with_three() {
    let _turn = measuring();
    let ways: [(Uri, &str, &str); 4] = [
        (Server::uri, "", "unreachable"),
        (Server::uri, "-t", "closed"),
        (Server::secure_uri, "--insecure", "closed"),
        (|server| format!("{}?transport=udp", server.secure_uri()), "--insecure", "unreachable"),
    ];
    for (uri, arguments, key) in ways {
        let arguments = format!("-m 10 --duration 60s {arguments}");
        let Some((code, value)) = meanwhile(&arguments, uri, Server::kill) else { return };
        let allocations = &value["allocations"];
        assert_eq!((&allocations["succeeded"], &allocations["lost"]), (&10.into(), &10.into()), "{value:#}");
        assert_eq!((code, &allocations["later_errors"][key]), (Some(3), &10.into()), "{value:#}");
        assert!(value["media"]["delivered_packets"].as_u64().is_some_and(|delivered| delivered > 0), "{value:#}");
        assert!(value["duration_s"].as_f64().is_some_and(|seconds| seconds < 5.0), "nothing is left to do: {value:#}");
    }
}

#[test]
fn calls_that_come_and_go_do_not_hide_that_the_server_went_away() {
    let _turn = measuring();
    let load = "--arrival 30/s --hold 200ms --duration 2500ms --seed 1";
    let Some((code, value)) = meanwhile(load, Server::uri, Server::kill) else { return };
    let allocations = &value["allocations"];
    let count = |name: &str| allocations[name].as_u64().expect("a number");
    assert!(count("lost") > 0 && count("lost") < count("succeeded") && count("failed") > 10, "{value:#}");
    assert_eq!(code, Some(3), "{value:#}");
}

#[test]
fn a_server_that_hangs_is_found_out_when_nobody_answers_to_the_deletions() {
    let _turn = measuring();
    // Its end at last reaches it there, too.
    let stop = |server: &mut Server| signal(server, Signal::STOP);
    let Some((code, value)) = meanwhile("-m 5 --duration 1500ms", Server::uri, stop) else { return };
    let allocations = &value["allocations"];
    assert_eq!((&allocations["lost"], &allocations["undeleted"]), (&0.into(), &5.into()), "{value:#}");
    assert!(value["media"]["lost_packets"].as_u64().is_some_and(|lost| lost > 50), "{value:#}");
    assert_eq!(code, Some(3), "{value:#}");
}

#[test]
fn the_loss_of_every_packet_is_no_success() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let (code, value) = run(&server.uri(), &format!("-m 3 -n 20 -z 10 --peer 127.0.0.1:{}", free_port()));
    let media = &value["media"];
    assert_eq!((&media["sent_packets"], &media["delivered_packets"]), (&60.into(), &0.into()), "{value:#}");
    assert_eq!((code, &media["lost_packets"]), (Some(3), &60.into()), "{value:#}");
}

#[test]
fn calls_that_come_just_before_the_end_still_get_their_answer() {
    let _turn = measuring();
    let Some(server) = coturn().relay_ports(800).start() else { return };
    // Many a call is in the middle of its challenge when the load ends.
    for seed in 1..4 {
        let (code, value) =
            run(&server.uri(), &format!("--arrival 400/s --hold 20ms --duration 300ms --pps 50 --seed {seed}"));
        let allocations = &value["allocations"];
        assert_eq!(allocations["requested"], allocations["succeeded"], "{value:#}");
        assert_eq!((&allocations["failed"], &allocations["undeleted"]), (&0.into(), &0.into()), "{value:#}");
        // A packet for each call: a few late ones are too many, and none of them is the matter here.
        assert_eq!(code, Some(if value["valid"] == true { 0 } else { 4 }), "{value:#}");
    }
}

#[test]
fn the_second_interrupt_does_not_wait_for_a_server_that_hangs() {
    let _turn = measuring();
    let Some(server) = coturn().start() else { return };
    let load = load(&server.uri(), "-m 10 --duration 60s").spawn().expect("turnload runs");
    std::thread::sleep(Duration::from_secs(1));
    signal(&server, Signal::STOP);
    interrupt(&load);
    std::thread::sleep(Duration::from_millis(800));
    let second = Instant::now();
    interrupt(&load);
    let (code, value) = ended(load);
    // The deletions alone would be waited for longer.
    assert!(second.elapsed() < Duration::from_millis(1_500), "{:?}", second.elapsed());
    signal(&server, Signal::CONT);
    assert_eq!((code, &value["incomplete"]), (Some(5), &"interrupted".into()), "{value:#}");
    assert_eq!((&value["allocations"]["succeeded"], &value["schema"]), (&10.into(), &"turnload-result/1".into()));
    assert_eq!(value["allocations"]["undeleted"], 10, "they are still there, and the result says so: {value:#}");
}
