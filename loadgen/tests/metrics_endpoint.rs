//! `--prometheus` of the built program, read as strictly as OpenMetrics 1.0 is written.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;
use support::{measuring, program};
use turnload::engine::demo::DemoServer;

/// Samples with their labels, and the kind of the family of each.
#[derive(Default)]
struct Metrics {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Panics at what a strict reader refuses.
    fn read(text: &str) -> Self {
        let mut metrics = Self::default();
        let mut family = (String::new(), String::new());
        let body = text.strip_suffix("# EOF\n").expect("the end is marked, and nothing is behind it");
        assert!(!body.contains("# EOF") && (body.is_empty() || body.ends_with('\n')), "{text}");
        for line in body.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "TYPE", name, kind] => {
                    let known = ["counter", "gauge", "info", "stateset", "summary"];
                    assert!(known.contains(&kind) && is_name(name), "{line}");
                    assert!(metrics.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                    family = (name.to_owned(), kind.to_owned());
                }
                ["#", "UNIT", name, unit] => {
                    assert!(name == family.0 && name.ends_with(&format!("_{unit}")), "{line}");
                }
                ["#", "HELP", name, help] => assert!(name == family.0 && !help.is_empty(), "{line}"),
                _ => metrics.sample(line, &family),
            }
        }
        metrics
    }

    fn sample(&mut self, line: &str, (family, kind): &(String, String)) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite(), "{line}");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} below {family}"));
        let right = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert_eq!(suffix, right, "{line}");
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(name) && !value.trim_end_matches('"').contains('"'), "{line}");
        }
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }

    fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:?}", self.samples))
    }

    fn counters(&self) -> impl Iterator<Item = (&String, f64)> {
        self.samples.iter().filter(|(series, _)| series.contains("_total")).map(|(series, value)| (series, *value))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Content type and body.
fn scrape(address: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    assert_eq!(length.parse(), Ok(body.len()));
    let kind = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).expect("a type");
    Some((kind.to_owned(), body.to_owned()))
}

#[test]
fn a_run_can_be_scraped_from_before_its_first_second_to_its_end() {
    let _measuring = measuring();
    let server = DemoServer::start(7).expect("a server");
    let mut load = program(&[&format!("turn:{}", server.address()), "-m", "10", "--duration", "3s"])
        .args(["--prometheus", "127.0.0.1:0", "--server-pid", &std::process::id().to_string()])
        .env("TURN_USERNAME", server.user())
        .env("TURN_PASSWORD", server.password().reveal())
        .spawn()
        .expect("turnload runs");
    let mut notes = BufReader::new(load.stderr.take().expect("a pipe")).lines();
    let address = notes.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, url) = line.split_once("metrics at http://")?;
        url.strip_suffix("/metrics").map(str::to_owned)
    });
    let address = address.expect("the program says where its metrics are");
    let mut scrapes = Vec::new();
    while let Some((kind, body)) = scrape(&address) {
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        scrapes.push(Metrics::read(&body));
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(notes);
    let output = load.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");

    let full: Vec<&Metrics> = scrapes.iter().filter(|metrics| !metrics.samples.is_empty()).collect();
    for pair in full.windows(2) {
        for (series, value) in pair[0].counters() {
            assert!(pair[1].value(series) >= value, "{series} went back");
        }
    }
    let (first, last) = (full[0], full.last().expect("a scrape"));
    let sent = "turnload_media_sent_packets_total";
    assert!(first.value(sent) > 0.0 && last.value(sent) > first.value(sent) + 400.0, "{}", last.value(sent));
    assert!((first.counters().count(), first.kinds.len()) > (12, 20));
    // Round trips on loopback, in seconds.
    let middle = last.value("turnload_media_rtt_seconds{quantile=\"0.5\"}");
    assert!(middle > 0.0 && middle < 0.1, "{middle}");
    assert!(full.iter().any(|metrics| metrics.value("turnload_allocations{state=\"up\"}") == 10.0));
    assert!(full.iter().any(|metrics| metrics.samples.contains_key("turnload_server_cpu_cores")));
}

#[test]
fn an_address_that_is_taken_is_an_error_before_anything_is_sent() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let at = taken.local_addr().expect("an address").to_string();
    let server = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    server.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let uri = format!("turn:{}", server.local_addr().expect("an address"));
    let output = program(&[&uri, "--no-auth", "-m", "1", "-n", "1", "--prometheus", &at]).output().expect("it runs");
    let notes = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{notes}");
    assert!(notes.contains(&format!("--prometheus {at}: ")) && notes.contains("in use"), "{notes}");
    assert!(output.stdout.is_empty());
    assert!(server.recv(&mut [0; 64]).is_err(), "nothing was asked of the server");
}
