//! The dashboard of the built program in a real terminal, which tmux is.
//!
//! Where tmux is missing, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use support::{announce_skip, read_pcapng};
use tempfile::TempDir;

/// A terminal of its own, gone when dropped.
struct Terminal {
    /// Of the tmux that serves nobody else.
    socket: String,
    /// Where the program runs, and writes what it is asked to.
    folder: TempDir,
}

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).join("input.pcapng")
}

impl Terminal {
    /// One in which the dashboard runs, and then says how it ended; none without tmux.
    fn run(environment: &str, arguments: &str) -> Option<Self> {
        Self::run_line(&format!("env -u NO_COLOR {environment} '{}' tui {arguments}", env!("CARGO_BIN_EXE_rtcscope")))
    }

    /// The same for any line of a shell.
    fn run_line(line: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::new().expect("a folder");
        let socket = format!("rtcscope-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let terminal = Self { socket, folder };
        // The mode of the terminal is shown by what it shows of a line that is typed.
        let script = format!(
            "cd '{}'; {line}; echo \"ended with $?\"; read line; echo \"read $line\"; sleep 30",
            terminal.folder.path().display()
        );
        let made = Command::new("tmux")
            .args(["-u", "-f", "/dev/null", "-L", &terminal.socket])
            .args(["new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", &script])
            .output();
        match made {
            Ok(output) if output.status.success() => Some(terminal),
            _ => {
                announce_skip("the dashboard in a terminal", "tmux gives none.");
                None
            }
        }
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").args(["-u", "-L", &self.socket]).args(arguments).output().expect("tmux runs")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn type_in(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// What tmux knows of the terminal.
    fn mode(&self, name: &str) -> String {
        let text = self.tmux(&["display-message", "-p", &format!("#{{{name}}}")]).stdout;
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// The screen once all of these are on it.
    #[track_caller]
    fn until(&self, said: &[&str]) -> String {
        for _ in 0..200 {
            let screen = self.screen();
            if said.iter().all(|said| screen.contains(said)) {
                return screen;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no {said:?} on\n{}", self.screen());
    }

    /// The program has ended with this code, and left the terminal as it was.
    #[track_caller]
    fn assert_left_alone(&self, code: u8) {
        self.until(&[&format!("ended with {code}")]);
        let modes = ["alternate_on", "cursor_flag", "mouse_any_flag"].map(|name| self.mode(name));
        assert_eq!(modes, ["0", "1", "0"]);
        self.type_in(&["typed", "Enter"]);
        let screen = self.until(&["read typed"]);
        assert!(screen.lines().any(|line| line == "typed"), "what is typed is not shown:\n{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn quoted(name: &str) -> String {
    format!("'{}'", capture(name).display())
}

#[test]
fn somebody_walks_all_screens_filters_saves_and_quits() {
    let Some(terminal) = Terminal::run("", &quoted("webrtc-relay-udp")) else { return };
    terminal.until(&["1 Overview", " Capture ", "RTP of all streams", "q quit"]);
    let screens = [
        ("2", " Media streams ("),
        ("3", " Figures of r"),
        ("4", " RTCP reports ("),
        ("5", " Ladder of s1 "),
        ("6", " TURN allocations ("),
        ("7", " Offer and answer of s1 "),
        ("8", " What it means "),
        ("9", " Flows ("),
        ("1", " Capture "),
        ("Tab", " Media streams ("),
    ];
    for (key, title) in screens {
        terminal.type_in(&[key]);
        terminal.until(&[title]);
    }
    terminal.type_in(&["?"]);
    terminal.until(&[" Keys ", "next screen"]);
    terminal.type_in(&["Escape"]);
    terminal.type_in(&["9"]);
    terminal.until(&[" Flows ("]);
    terminal.type_in(&["/"]);
    terminal.until(&["filter:"]);
    terminal.type_in(&["-l", "no such text"]);
    terminal.until(&["none with this text"]);
    terminal.type_in(&["Escape"]);
    terminal.until(&["f1 ", "q quit"]);
    terminal.type_in(&["5"]);
    terminal.until(&[" Ladder of s1 "]);
    terminal.type_in(&["w"]);
    terminal.until(&["packets of s1 are in rtcscope-s1.pcapng"]);
    terminal.type_in(&["Enter", "Down"]);
    terminal.until(&[" Frame 38 ", "field ", "STUN"]);
    terminal.type_in(&["Enter", "Down"]);
    terminal.until(&["Esc ladder"]);
    terminal.type_in(&["Escape"]);
    terminal.until(&["Enter fields"]);
    terminal.type_in(&["Escape"]);
    terminal.until(&["Sessions (1"]);
    terminal.type_in(&["e"]);
    terminal.until(&["the report is in rtcscope-report.json"]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
    let saved = read_pcapng(&std::fs::read(terminal.folder.path().join("rtcscope-s1.pcapng")).expect("packets"));
    let all = read_pcapng(&std::fs::read(capture("webrtc-relay-udp")).expect("a capture"));
    assert!(!saved.is_empty() && saved.len() < all.len() && saved.iter().all(|record| all.contains(record)));
    let report = std::fs::read(terminal.folder.path().join("rtcscope-report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["schema"], "rtcscope-report/1");
}

#[test]
fn a_session_that_was_saved_is_the_same_session_when_it_is_read_again() {
    let Some(terminal) = Terminal::run("", &quoted("sip-hold")) else { return };
    terminal.until(&["q quit"]);
    terminal.type_in(&["5"]);
    terminal.until(&[" Ladder of s1 "]);
    terminal.type_in(&["F2"]);
    terminal.until(&["are in rtcscope-s1.pcapng"]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
    let streams = |path: &Path| {
        let run = Command::new(env!("CARGO_BIN_EXE_rtcscope")).arg(path).args(["--format", "json"]).output();
        let report: serde_json::Value = serde_json::from_slice(&run.expect("a run").stdout).expect("JSON");
        let rows = report["rtp_streams"].as_array().expect("streams").clone();
        rows.iter().map(|row| (row["ssrc"].clone(), row["packets"].clone())).collect::<Vec<_>>()
    };
    let saved = streams(&terminal.folder.path().join("rtcscope-s1.pcapng"));
    assert!(!saved.is_empty());
    assert_eq!(saved, streams(&capture("sip-hold")));
}

#[test]
fn a_signal_ends_it_and_leaves_the_terminal_as_it_was() {
    for (signal, code) in [("-TERM", 0), ("-INT", 0), ("-HUP", 129), ("-QUIT", 131)] {
        for arguments in ["", "--speed 1 "] {
            let line = format!("{arguments}{}", quoted("sip-hold"));
            let Some(terminal) = Terminal::run("", &line) else { return };
            terminal.until(&["q quit"]);
            let shell = terminal.mode("pane_pid");
            let found = Command::new("ps").args(["-o", "pid=,comm=", "--ppid", &shell]).output().expect("ps runs");
            let processes = String::from_utf8_lossy(&found.stdout).into_owned();
            let process = processes.lines().find(|line| line.contains("rtcscope"));
            let process = process.expect("the dashboard is a child of its shell");
            let pid = process.split_whitespace().next().expect("a pid");
            assert!(Command::new("kill").args([signal, pid]).status().expect("kill runs").success());
            // A capture that is played is ended as if somebody had left, where its terminal may still be there.
            let code = if signal == "-QUIT" && !arguments.is_empty() { 0 } else { code };
            terminal.assert_left_alone(code);
        }
    }
}

#[test]
fn a_terminal_that_is_closed_ends_the_dashboard() {
    let line = format!("echo $$ > pid; exec '{}' tui {}", env!("CARGO_BIN_EXE_rtcscope"), quoted("sip-hold"));
    let Some(terminal) = Terminal::run_line(&line) else { return };
    terminal.until(&["q quit"]);
    let pid = std::fs::read_to_string(terminal.folder.path().join("pid")).expect("a process");
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    terminal.tmux(&["kill-server"]);
    for _ in 0..100 {
        if !process.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it runs on without a terminal");
}

#[test]
fn the_shell_gets_the_terminal_back_and_the_dashboard_goes_on_where_it_was() {
    let program = env!("CARGO_BIN_EXE_rtcscope");
    let line = format!("set -m; '{program}' tui {}; echo stopped; read line; fg", quoted("sip-hold"));
    let Some(terminal) = Terminal::run_line(&line) else { return };
    terminal.until(&["q quit"]);
    terminal.type_in(&["5"]);
    terminal.until(&[" Ladder of s1 "]);
    let modes = || ["alternate_on", "cursor_flag", "mouse_any_flag"].map(|name| terminal.mode(name));
    terminal.type_in(&["C-z"]);
    terminal.until(&["stopped"]);
    assert_eq!(modes(), ["0", "1", "0"]);
    terminal.type_in(&["Enter"]);
    terminal.until(&[" Ladder of s1 ", "q quit"]);
    assert_eq!(modes(), ["1", "0", "1"]);
    terminal.type_in(&["2"]);
    terminal.until(&[" Media streams ("]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
}

#[test]
fn where_there_is_no_screen_it_says_so() {
    let Some(terminal) = Terminal::run("TERM=dumb", &quoted("sip-hold")) else { return };
    terminal.until(&["the dashboard needs a terminal", "ended with 2"]);
    assert_eq!(terminal.mode("alternate_on"), "0");
}

#[test]
fn keys_come_from_the_terminal_where_the_capture_comes_from_standard_input() {
    let Some(terminal) = Terminal::run("", &format!("- < {}", quoted("sip-hold"))) else { return };
    terminal.until(&["q quit"]);
    terminal.type_in(&["5"]);
    terminal.until(&[" Ladder of s1 "]);
    terminal.type_in(&["Enter"]);
    terminal.until(&["which cannot be read a second time"]);
    terminal.type_in(&["Escape"]);
    terminal.type_in(&["w"]);
    terminal.until(&["standard input cannot be read a second time"]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
}

#[test]
fn a_replay_grows_at_its_pace_and_has_it_all_at_the_end() {
    // 14 seconds of capture.
    let Some(terminal) = Terminal::run("", &format!("--speed 5 {}", quoted("webrtc-relay-udp"))) else { return };
    let number = |screen: &str| {
        let line = screen.lines().find_map(|line| line.split_once("Packets    "));
        line.and_then(|(_, rest)| rest.split(',').next()?.replace(' ', "").parse::<u64>().ok())
    };
    let early = number(&terminal.until(&[" Capture ", "Packets    "]));
    assert!(early.is_none_or(|packets| packets < 1000), "{early:?} packets at once");
    terminal.until(&["that was all; q quits"]);
    terminal.until(&["1,857, 574.1 kB"]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
}

#[test]
fn a_pipe_is_watched_while_it_brings_packets_and_after_it_has_ended() {
    let line = format!("(cat {}; sleep 1) | '{}' live -", quoted("sip-hold"), env!("CARGO_BIN_EXE_rtcscope"));
    let Some(terminal) = Terminal::run_line(&line) else { return };
    terminal.until(&[" Capture ", "SIP "]);
    terminal.until(&["that was all; q quits"]);
    terminal.type_in(&["5"]);
    terminal.until(&[" Ladder of s1 ", "INVITE"]);
    terminal.type_in(&["w"]);
    terminal.until(&["the packets are kept only where -w"]);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(0);
}

#[test]
fn a_terminal_that_is_closed_ends_a_capture_and_leaves_its_file_and_its_report() {
    let program = env!("CARGO_BIN_EXE_rtcscope");
    let line = format!("(cat {}; sleep 60) | '{program}' live - -w kept.pcapng -o report.txt", quoted("sip-hold"));
    let Some(terminal) = Terminal::run_line(&line) else { return };
    terminal.until(&[" Capture ", "SIP "]);
    let folder = terminal.folder.path().to_path_buf();
    // The folder lives as long as `terminal`.
    terminal.tmux(&["kill-server"]);
    let all = read_pcapng(&std::fs::read(capture("sip-hold")).expect("a capture")).len();
    let kept = || std::fs::read(folder.join("kept.pcapng")).map_or(0, |bytes| read_pcapng(&bytes).len());
    let report = || std::fs::read_to_string(folder.join("report.txt")).unwrap_or_default();
    for _ in 0..200 {
        if kept() == all && report().contains(&format!("Packets    {all},")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} of {all} packets were kept, and this report: {}", kept(), report());
}
