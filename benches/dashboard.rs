//! What a key costs until its frame is drawn, with 5,000 streams: `cargo bench --bench dashboard`.
//!
//! The terminal is one in memory of 120 columns and 40 lines, so that the figures are those of the dashboard alone. Behind
//! the means of each screen it prints the percentiles of a walk through all of it.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench without its input has nothing to say")]

#[path = "synthetic.rs"]
#[allow(dead_code, reason = "a program of its own, of which only the writing is wanted")]
mod synthetic;

use criterion::{Criterion, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use rtcscope::model::analyzer::{Analyzer, Options};
use rtcscope::model::capture::CaptureFacts;
use rtcscope::model::pipeline;
use rtcscope::model::snapshot::Snapshot;
use rtcscope::source::{CaptureFiles, Input};
use rtcscope::view::tui::{Action, Screen, State, Theme, render};
use std::time::{Duration, Instant};

const STREAMS: &str = "5000";
const PACKETS: &str = "250000";
const SIZE: (u16, u16) = (120, 40);

/// As the dashboard gets it from a capture of that many streams.
fn snapshot() -> Snapshot {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("streams.pcap");
    synthetic::write(file.to_str().expect("a name"), PACKETS, STREAMS, "1").expect("a capture");
    let files = CaptureFiles::open(&[Input::Path(file)]).expect("the capture was just written");
    let mut analyzer = Analyzer::new(Options { series: true, ..Options::default() });
    pipeline::run(&mut analyzer, &mut files.reader(), 2);
    analyzer.snapshot(CaptureFacts::default())
}

/// A dashboard and the terminal that it is drawn to.
struct Shown<'s> {
    snapshot: &'s Snapshot,
    state: State,
    terminal: Terminal<TestBackend>,
}

impl<'s> Shown<'s> {
    fn of(snapshot: &'s Snapshot) -> Self {
        let mut state = State::new("streams.pcap");
        state.refresh(snapshot);
        state.resize(SIZE.0, SIZE.1, snapshot);
        Self { snapshot, state, terminal: Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a terminal") }
    }

    fn press(&mut self, action: Action) {
        self.state.update(action, self.snapshot);
        self.draw();
    }

    fn draw(&mut self) {
        let (state, snapshot) = (&self.state, self.snapshot);
        self.terminal.draw(|frame| render(frame, state, snapshot, Theme::of(None))).expect("a frame");
    }
}

fn keys(criterion: &mut Criterion) {
    let snapshot = snapshot();
    assert_eq!(snapshot.streams.len().to_string(), STREAMS);
    let mut group = criterion.benchmark_group("key to frame, 5,000 streams, 120x40");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    for screen in Screen::ALL {
        let mut shown = Shown::of(&snapshot);
        shown.press(Action::Show(screen));
        let mut is_down = false;
        group.bench_function(format!("a row on, {}", screen.name()), |bencher| {
            bencher.iter(|| {
                is_down = !is_down;
                shown.press(if is_down { Action::Down } else { Action::Up });
            });
        });
    }
    let mut shown = Shown::of(&snapshot);
    shown.press(Action::Show(Screen::Streams));
    group.bench_function("another order, Streams", |bencher| bencher.iter(|| shown.press(Action::Sort)));
    shown.press(Action::Filter);
    let mut is_typed = false;
    group.bench_function("a letter of a filter, Streams", |bencher| {
        bencher.iter(|| {
            is_typed = !is_typed;
            shown.press(if is_typed { Action::Type('7') } else { Action::Erase });
        });
    });
    group.bench_function("a new snapshot, Streams", |bencher| {
        bencher.iter(|| {
            shown.state.refresh(&snapshot);
            shown.draw();
        });
    });
    group.finish();
    percentiles(&snapshot);
}

/// The slowest keys of a walk through all screens, with the first ones of each, which nothing is kept for yet.
#[allow(clippy::disallowed_methods, reason = "what is measured is time")]
fn percentiles(snapshot: &Snapshot) {
    let walk = [
        Action::Down,
        Action::PageDown,
        Action::Sort,
        Action::Down,
        Action::Reverse,
        Action::Last,
        Action::Up,
        Action::Filter,
        Action::Type('1'),
        Action::Type('2'),
        Action::Cancel,
        Action::First,
        Action::Right,
        Action::Left,
    ];
    let mut times = Vec::new();
    for _ in 0..8 {
        let mut shown = Shown::of(snapshot);
        for screen in Screen::ALL {
            for action in [Action::Show(screen)].into_iter().chain(walk) {
                let start = Instant::now();
                shown.press(action);
                times.push((start.elapsed(), screen, action));
            }
        }
    }
    times.sort_by_key(|(time, ..)| *time);
    let at = |part: usize| times.get(times.len() * part / 100).expect("times");
    let (slowest, screen, action) = times.last().expect("times");
    println!(
        "{} keys: half below {:?}, 99 of 100 below {:?}, the slowest {slowest:?} ({action:?} on {})",
        times.len(),
        at(50).0,
        at(99).0,
        screen.name()
    );
}

criterion_group!(benches, keys);
criterion_main!(benches);
