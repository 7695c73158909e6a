//! `--server-metrics` of the built program: endpoints as coturn and node_exporter have them, and such as answer nothing.
//!
//! The endpoints are of these tests, the server is the one of `turnload demo`.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Output;
use std::time::{Duration, Instant};
use support::{measuring, program};
use turnload::engine::demo::DemoServer;

/// Serves what `text` says of so many seconds.
fn endpoint(text: fn(f64) -> String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let began = Instant::now();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            drop(stream.read(&mut [0; 4_096]));
            let text = text(began.elapsed().as_secs_f64());
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
            drop(stream.write_all((head + &text).as_bytes()));
        }
    });
    address
}

fn coturn(seconds: f64) -> String {
    format!(
        "# TYPE turn_total_allocations gauge\nturn_total_allocations{{type=\"UDP\"}} 4\n\
         process_cpu_seconds_total {}\nprocess_resident_memory_bytes 1048576\n",
        1.0 + seconds / 2.0
    )
}

fn machine(seconds: f64) -> String {
    format!(
        "node_cpu_seconds_total{{cpu=\"0\",mode=\"user\"}} {}\nnode_cpu_seconds_total{{cpu=\"0\",mode=\"idle\"}} 9\n\
         node_memory_MemTotal_bytes 8e9\nnode_memory_MemAvailable_bytes 6e9\n",
        1_000.0 + seconds * 1.5
    )
}

fn load(server: &DemoServer, endpoints: &[SocketAddr], arguments: &str) -> Output {
    let mut command = program(&[&format!("turn:{}", server.address())]);
    command.args(arguments.split_whitespace());
    for endpoint in endpoints {
        command.arg("--server-metrics").arg(format!("http://{endpoint}/metrics?key=opensesame"));
    }
    command.env("TURN_USERNAME", server.user()).env("TURN_PASSWORD", server.password().reveal());
    command.output().expect("turnload runs")
}

fn result(output: &Output) -> Value {
    let notes = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {notes}"))
}

#[track_caller]
fn assert_about(value: &Value, truth: f64) {
    let found = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    // A scrape is timed when it is read, and the endpoint counts when it writes: far apart on a busy machine.
    assert!((found - truth).abs() < truth * 0.3, "{found} is not {truth}");
}

#[test]
fn what_the_server_and_its_machine_say_stands_on_the_timeline() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let endpoints = [endpoint(coturn), endpoint(machine)];
    let output = load(&server, &endpoints, "-m 4 --duration 2s --format json");
    let value = result(&output);
    let rows = value["intervals"].as_array().expect("rows");
    assert!(rows.len() >= 2, "{value:#}");
    for row in rows.iter().take(2) {
        let server = &row["server"];
        assert_eq!((&server["allocations"], &server["memory_bytes"]), (&4.into(), &1_048_576.into()), "{row:#}");
        assert_eq!(server["machine_memory_bytes"], 2_000_000_000_u64);
        assert_about(&server["cpu_cores"], 0.5);
        assert_about(&server["machine_cpu_cores"], 1.5);
    }
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(!notes.contains("--server-metrics") && !notes.contains("opensesame"), "{notes}");
}

#[test]
fn the_summary_and_the_table_show_it_too() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let output = load(&server, &[endpoint(coturn)], "-m 2 --duration 1s --format csv");
    let table = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = table.lines().next().expect("a head").split(',').collect();
    let column = names.iter().position(|name| *name == "server_allocations").expect("a column");
    assert!(table.lines().skip(1).all(|row| row.split(',').nth(column) == Some("4")), "{table}");
    let output = load(&server, &[endpoint(coturn)], "-m 2 --duration 1s");
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(summary.contains("Server         0.5") && summary.contains("1 MiB, 4 allocations at most"), "{summary}");
}

#[test]
fn a_step_of_a_search_has_the_cpu_of_the_server() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let search = "--find-knee -m 4 --duration 2s --settle 100ms --threshold media.lost_pct<50 --format json";
    let value = result(&load(&server, &[endpoint(coturn)], search));
    assert_about(&value["knee"]["curve"][0]["server_cores"], 0.5);
}

#[test]
fn an_endpoint_that_is_not_there_is_told_once_and_the_load_goes_on() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("an address");
    let output = load(&server, &[nobody], "-m 2 --duration 2s --format json");
    let notes = String::from_utf8_lossy(&output.stderr);
    assert_eq!(notes.matches("--server-metrics: ").count(), 1, "{notes}");
    assert!(!notes.contains("opensesame"), "{notes}");
    let value = result(&output);
    assert_eq!((output.status.code(), &value["intervals"][1]["server"]), (Some(0), &Value::Null), "{value:#}");
}

#[test]
fn an_endpoint_that_never_answers_does_not_hold_up_the_run() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let began = Instant::now();
    let output = load(&server, &[silent.local_addr().expect("an address")], "-m 2 --duration 1s --format json");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // Late on a busy machine (4) is no concern here.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    assert_eq!(result(&output)["media"]["lost_packets"], 0);
}
