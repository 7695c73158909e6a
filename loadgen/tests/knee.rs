//! The search for the knee against coturn with limits that are known, on loopback.
//!
//! Each test starts a server of its own with its own configuration and ends it by its process. Where the program is not
//! installed, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

use serde_json::Value;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const COTURN: &str = "/usr/bin/turnserver";
/// Below the ephemeral ports of Linux, and away from those of other tests.
const RELAY_PORTS: (u16, u16) = (25_000, 25_999);

/// One search at a time: they measure.
static TURN: Mutex<()> = Mutex::new(());

struct Server {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Server {
    /// `None`, and a line to say so, where coturn is not installed.
    fn start(options: &str) -> Option<Self> {
        if !Path::new(COTURN).exists() {
            eprintln!("SKIPPED: {COTURN} is not installed, nothing was tested");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let port =
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
        let place = folder.path().display();
        let (first, last) = RELAY_PORTS;
        let config = format!(
            "listening-ip=127.0.0.1\nlistening-port={port}\nrelay-ip=127.0.0.1\nmin-port={first}\nmax-port={last}\n\
             realm=example.org\nno-cli\nno-tls\nno-dtls\nallow-loopback-peers\nlt-cred-mech\nuser=alice:sesame\n\
             log-file=stdout\nsimple-log\npidfile={place}/pid\nuserdb={place}/db\n{options}\n"
        );
        let path = folder.path().join("turnserver.conf");
        std::fs::write(&path, config).expect("a configuration");
        let process = Command::new(COTURN)
            .arg("-c")
            .arg(&path)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn starts");
        let server = Self { process, port, _folder: folder, _turn: turn };
        server.wait();
        Some(server)
    }

    /// Until it answers a Binding request (RFC 8489).
    fn wait(&self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.connect((Ipv4Addr::LOCALHOST, self.port)).expect("connected");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        for _ in 0..200 {
            drop(socket.send(&request));
            if socket.recv(&mut [0; 256]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("coturn does not answer");
    }

    /// Exit code, result, and the lines on standard error.
    fn search(&self, arguments: &str) -> (Option<i32>, Value, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_turnload"))
            .arg(format!("turn:127.0.0.1:{}", self.port))
            .args(arguments.split_whitespace())
            .args(["--format", "json", "--settle", "300ms", "--server-pid"])
            .arg(self.process.id().to_string())
            .env_remove("TURN_SECRET")
            .env("TURN_USERNAME", "alice")
            .env("TURN_PASSWORD", "sesame")
            .stdin(Stdio::null())
            .output()
            .expect("turnload runs");
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {notes}"));
        (output.status.code(), value, notes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[track_caller]
fn assert_near(knee: &Value, truth: f64) {
    let found = knee["carried"].as_f64().expect("a number");
    assert!((found - truth).abs() <= truth * 0.1, "{found} is not within a tenth of {truth}: {knee:#}");
}

#[test]
fn a_quota_is_found_and_named_by_its_code() {
    let Some(server) = Server::start("total-quota=50") else { return };
    let (code, value, notes) = server.search("--find-knee --duration 1s --threshold media.lost_pct<2");
    let knee = &value["knee"];
    assert_near(knee, 50.0);
    assert_eq!((&knee["gave_up"], &knee["what"]), (&"server".into(), &"allocations".into()), "{knee:#}");
    assert_eq!((&knee["cause"]["kind"], &knee["cause"]["code"]), (&"refused".into(), &"486".into()), "{knee:#}");
    assert_eq!((code, &value["allocations"]["succeeded"]), (Some(0), &knee["carried"]), "{value:#}");
    assert!(notes.contains("486: "), "{notes}");
    let best = knee["curve"].as_array().expect("a curve").iter().find(|step| step["level"] == knee["carried"]);
    assert!(best.is_some_and(|step| step["server_cores"].is_f64() && step["p99_ms"].is_f64()), "{knee:#}");
}

#[test]
fn a_limit_of_bytes_a_second_is_found_as_a_packet_rate() {
    // 172 bytes of media and four of the channel's header (RFC 8656, section 12.4), 93 times a second. The server
    // counts by full seconds of its own clock: two seconds hold one of them.
    let Some(server) = Server::start("max-bps=16368") else { return };
    let (code, value, _) = server.search("--find-knee=pps --duration 2s --size 172 --threshold media.lost_pct<1");
    let knee = &value["knee"];
    assert_near(knee, 93.0);
    assert_eq!((&knee["gave_up"], &knee["what"]), (&"server".into(), &"pps".into()), "{knee:#}");
    assert_eq!((&knee["cause"]["kind"], &knee["cause"]["expr"]), (&"threshold".into(), &"media.lost_pct<1".into()));
    assert_eq!((code, &value["valid"], &value["thresholds"][0]["ok"]), (Some(0), &true.into(), &true.into()));
    // What was offered beyond the limit was not delivered, and the curve says so.
    let steps = knee["curve"].as_array().expect("a curve");
    let failed = steps.iter().find(|step| step["level"] == knee["failed_at"]).expect("the step that failed");
    assert!(failed["offered_pps"].as_f64() > failed["delivered_pps"].as_f64(), "{knee:#}");
}
