//! The dashboard of the built program in a real terminal, which tmux is.
//!
//! Where tmux is missing, the tests say so and pass.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that waits for another program is an edge")]

mod support;

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::skipped;

/// A terminal of its own, gone when dropped.
struct Terminal {
    /// Of the tmux that serves nobody else.
    socket: String,
}

impl Terminal {
    /// One in which turnload runs, and then says how it ended; none without tmux.
    fn run(size: (u16, u16), environment: &str, arguments: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let terminal = Self { socket: format!("turnload-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed)) };
        let program = env!("CARGO_BIN_EXE_turnload");
        // The mode of the terminal is shown by what it shows of a line that is typed.
        let script = format!(
            "env -u NO_COLOR {environment} '{program}' {arguments}; echo \"ended with $?\"; read line; echo \"read $line\"; \
             sleep 30"
        );
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let made = Command::new("tmux")
            .args(["-u", "-f", "/dev/null", "-L", &terminal.socket])
            .args(["new-session", "-d", "-x", &width, "-y", &height, "sh", "-c", &script])
            .output();
        match made {
            Ok(output) if output.status.success() => Some(terminal),
            _ => {
                skipped("tmux gives no terminal");
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

    fn resize(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// What tmux knows of the terminal.
    fn mode(&self, name: &str) -> String {
        let text = self.tmux(&["display-message", "-p", &format!("#{{{name}}}")]).stdout;
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// The screen once it is so.
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        for _ in 0..200 {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no {what} on\n{}", self.screen());
    }

    /// The program has ended, with this code, and left the terminal as it was.
    #[track_caller]
    fn assert_left_alone(&self, codes: &[u8]) {
        let screen = self.until("end", |screen| screen.contains("ended with"));
        assert!(codes.iter().any(|code| screen.contains(&format!("ended with {code}"))), "{screen}");
        assert_eq!((self.mode("alternate_on"), self.mode("cursor_flag")), ("0".to_owned(), "1".to_owned()));
        self.type_in(&["typed", "Enter"]);
        let screen = self.until("line", |screen| screen.contains("read typed"));
        assert!(screen.lines().any(|line| line == "typed"), "what is typed is not shown:\n{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn is_shown(screen: &str) -> bool {
    screen.contains(" Allocations ") && screen.contains(" Generator ")
}

/// Every row between the first and the last is of a frame from edge to edge.
#[track_caller]
fn assert_framed(screen: &str, width: usize, height: usize) {
    let rows: Vec<&str> = screen.lines().collect();
    assert_eq!(rows.len(), height, "{screen}");
    for row in &rows[1..height - 1] {
        assert_eq!(row.chars().count(), width, "{row}\n{screen}");
        assert!(row.starts_with(['┌', '│', '└']) && row.ends_with(['┐', '│', '┘']), "{row}\n{screen}");
    }
    assert!(rows[0].starts_with(" turnload  turn:127.0.0.1:") && rows[height - 1].contains("q end"), "{screen}");
}

/// `00:07` of `hold  00:07 of 00:21`.
fn clock(screen: &str) -> Option<&str> {
    screen.lines().next()?.rsplit_once(" of ")?.0.rsplit(' ').next()
}

#[test]
fn figures_move_keys_are_explained_and_q_deletes_ends_and_sums_up() {
    let Some(terminal) = Terminal::run((120, 40), "", "demo -m 5 --duration 60s") else { return };
    terminal.until("start", |screen| screen.contains("starting"));
    let first = terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
    assert_framed(&first, 120, 40);
    let words: Vec<&str> = first.split_whitespace().collect();
    for said in ["over udp", "wanted 5", "up 5", "RTT p99", "send lag", "server CPU", "none"] {
        assert!(words.join(" ").contains(said), "{said} is not on\n{first}");
    }
    terminal.until("progress", |screen| is_shown(screen) && clock(screen) > clock(&first));
    terminal.type_in(&["?"]);
    let help = terminal.until("page of keys", |screen| screen.contains(" Keys "));
    assert!(help.contains("Ctrl-C") && help.contains("delete the allocations and end"), "{help}");
    terminal.type_in(&["?"]);
    terminal.until("dashboard without it", |screen| !screen.contains(" Keys ") && is_shown(screen));
    terminal.type_in(&["q"]);
    let screen = terminal.until("summary", |screen| screen.contains("Verdict: incomplete"));
    assert!(screen.contains("5 of 5 granted") && !is_shown(&screen), "{screen}");
    terminal.assert_left_alone(&[5]);
}

#[test]
fn a_small_terminal_shows_all_of_a_run_that_ends_by_itself() {
    let Some(terminal) = Terminal::run((80, 24), "", "demo -m 5 --duration 2s") else { return };
    let screen = terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
    assert_framed(&screen, 80, 24);
    for said in ["of 00:03", "latency p99", "misdelivered", "server CPU", "RTT p50", "Errors", "? keys"] {
        assert!(screen.contains(said), "{said} is not on\n{screen}");
    }
    terminal.until("verdict", |screen| screen.contains("Verdict: "));
    // On a machine that has other work the generator may have been the bottleneck.
    terminal.assert_left_alone(&[0, 4]);
}

#[test]
fn control_c_ends_as_q_does() {
    let Some(terminal) = Terminal::run((80, 24), "", "demo -m 5 --duration 60s") else { return };
    terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
    terminal.type_in(&["C-c"]);
    terminal.until("summary", |screen| screen.contains("Verdict: incomplete (interrupted)"));
    terminal.assert_left_alone(&[5]);
}

#[test]
fn a_terminal_that_is_closed_ends_the_run() {
    let Some(terminal) = Terminal::run((80, 24), "", "demo -m 5 --duration 60s") else { return };
    terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
    let shell = terminal.mode("pane_pid");
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("a shell");
    let load = format!("/proc/{}/stat", children.trim());
    // A process that has ended stays as a zombie until somebody asks for it.
    let runs = || std::fs::read_to_string(&load).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(runs(), "{children:?}");
    drop(terminal);
    let began = Instant::now();
    while runs() {
        assert!(began.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_terminal_of_another_size_is_filled_at_once() {
    let Some(terminal) = Terminal::run((120, 40), "", "demo -m 5 --duration 60s") else { return };
    terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
    terminal.resize(80, 24);
    let is_small = |screen: &str| screen.lines().nth(1).is_some_and(|row| row.chars().count() == 80);
    let screen = terminal.until("smaller dashboard", |screen| is_small(screen) && screen.contains("q end"));
    assert_framed(&screen, 80, 24);
    terminal.resize(20, 5);
    terminal.until("corner of it", |screen| screen.lines().count() == 5 && screen.contains("hold  00:"));
    terminal.resize(120, 40);
    let is_large = |screen: &str| screen.lines().nth(1).is_some_and(|row| row.chars().count() == 120);
    let screen = terminal.until("dashboard as before", |screen| is_large(screen) && screen.contains("q end"));
    assert_framed(&screen, 120, 40);
    terminal.type_in(&["q"]);
    terminal.assert_left_alone(&[5]);
}

#[test]
fn no_color_leaves_no_colour_in_a_real_terminal() {
    let coloured = |environment: &str| {
        let terminal = Terminal::run((80, 24), environment, "demo -m 5 --duration 60s")?;
        terminal.until("dashboard", |screen| is_shown(screen) && screen.contains("hold"));
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]).stdout;
        // Colours of letters are 30 to 39 and 90 to 97, those behind them 40 to 49.
        let codes = String::from_utf8_lossy(&screen).into_owned();
        let sequences = codes.split("\u{1b}[").skip(1).filter_map(|part| part.split_once('m'));
        let is_colour = |code: &str| matches!(code.parse(), Ok(30..=38 | 40..=48 | 90..=97));
        Some(sequences.flat_map(|(codes, _)| codes.split(';')).any(is_colour))
    };
    let (Some(plain), Some(usual)) = (coloured("NO_COLOR=1"), coloured("")) else { return };
    assert!(!plain && usual, "with NO_COLOR {plain}, without {usual}");
}

#[test]
fn where_there_is_no_screen_there_are_lines() {
    // High enough for the lines and the result below them: who looks late still sees all.
    let here = Terminal::run((100, 80), "TERM=dumb", "demo -m 5 --duration 2s");
    let elsewhere = Terminal::run((100, 80), "", "demo -m 5 --duration 2s < /dev/null");
    let (Some(here), Some(elsewhere)) = (here, elsewhere) else { return };
    for terminal in [here, elsewhere] {
        let screen = terminal.until("line", |screen| screen.contains("00:02  hold   up 5/5  offered "));
        assert!(!is_shown(&screen) && terminal.mode("alternate_on") == "0", "{screen}");
        terminal.until("verdict", |screen| screen.contains("Verdict: "));
    }
}
