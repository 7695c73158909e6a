//! The dashboard over an engine: what `live` and `tui --speed` show.
//!
//! In: an engine that runs. Out: snapshots for the terminal, and whether what was waited for came. Never: a key that waits for
//! a snapshot, or a snapshot where nothing has come.
//!
//! A thread of its own takes the snapshots, at most two a second, and fewer where one takes long: the packets wait as long.

use super::super::screen;
use super::super::tui::{News, ReadFrame, Save, show};
use super::engine::Engine;
use super::{ATTENTION, instant};
use crate::model::snapshot::Snapshot;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two snapshots at least: what changes faster nobody reads, and each is work beside the packets.
const PAUSE: Duration = Duration::from_millis(500);
/// Snapshots take at most one part in so many of a thread: those of thousands of streams come every few seconds.
const SHARE: u32 = 100;

/// What ends the dashboard besides the person at it.
#[derive(Default)]
pub(in crate::cli) struct Until {
    pub(in crate::cli) duration: Option<Duration>,
    pub(in crate::cli) finding: Option<&'static str>,
    /// The end of the capture does.
    pub(in crate::cli) end: bool,
}

/// Between the thread that takes snapshots and the one that shows them.
#[derive(Default)]
struct Newest {
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// What there is to be told, in order.
    messages: Mutex<VecDeque<String>>,
    /// Held by whoever ends a process without a terminal.
    hung_up: Mutex<()>,
    has_left: AtomicBool,
    is_over: AtomicBool,
    /// The finding came.
    came: AtomicBool,
}

/// Tells the other thread when it is dropped.
struct Leaving<'l>(&'l AtomicBool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Shows what the engine brings until somebody leaves or it is over; true where the finding came that was waited for. A
/// terminal that is gone ends the process once the capture has been ended as it should be, also where the thread that shows
/// is held up by it.
///
/// # Errors
/// Those of the terminal.
pub(in crate::cli) fn dashboard(
    engine: &Engine,
    title: &str,
    until: &Until,
    (save, read): (&mut Save<'_>, &mut ReadFrame<'_>),
    at_hangup: &(dyn Fn(&Snapshot) + Sync),
) -> io::Result<bool> {
    let hangup = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&hangup))?;
    let newest = Newest::default();
    let mut next = || {
        if let Some(snapshot) = newest.snapshot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return News::Snapshot(snapshot);
        }
        if newest.is_over.load(Relaxed) {
            return News::Over;
        }
        let message = newest.messages.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        message.map_or(News::None, News::Message)
    };
    let first = Arc::new(engine.snapshot());
    let shown = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("snapshots".to_owned());
        thread.spawn_scoped(scope, || take_snapshots(engine, until, &newest, (&hangup, at_hangup)))?;
        // Also where showing ends in a panic: the scope waits for its thread.
        let _leaving = Leaving(&newest.has_left);
        show(title, first, &mut next, save, read)
    });
    if hangup.load(Relaxed) || screen::is_gone() {
        newest.hang_up(engine, at_hangup);
    }
    // Nobody looks at the flags of `show` any more.
    for signal in [SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)))?;
    }
    shown.map(|_| newest.came.load(Relaxed))
}

impl Newest {
    fn hang_up(&self, engine: &Engine, at_hangup: &(dyn Fn(&Snapshot) + Sync)) -> ! {
        // Two threads may see it.
        let _held = self.hung_up.lock().unwrap_or_else(PoisonError::into_inner);
        at_hangup(&engine.finish().snapshot);
        screen::leave();
        std::process::exit(128 + SIGHUP)
    }

    fn tell(&self, message: String) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
    }
}

fn take_snapshots(
    engine: &Engine,
    until: &Until,
    newest: &Newest,
    (hangup, at_hangup): (&AtomicBool, &(dyn Fn(&Snapshot) + Sync)),
) {
    let began = instant();
    let mut seen = None;
    let mut had = false;
    let mut due = began;
    let mut is_ended = false;
    let mut told = 0;
    while !newest.has_left.load(Relaxed) {
        if hangup.load(Relaxed) || screen::is_gone() {
            newest.hang_up(engine, at_hangup);
        }
        let now = instant();
        if now >= due || is_ended {
            engine.flush();
            for error in engine.errors().into_iter().skip(told) {
                newest.tell(error);
                told += 1;
            }
            if let Some(snapshot) = engine.newer(&mut seen) {
                let has = until.finding.is_some_and(|code| snapshot.findings.iter().any(|found| found.code == code));
                // A finding of a moment is none: the next snapshot has to have it, too.
                if has && (had || is_ended) {
                    newest.came.store(true, Relaxed);
                    newest.is_over.store(true, Relaxed);
                }
                had = has;
                *newest.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
            }
            due = now + PAUSE.max(now.elapsed() * SHARE);
        }
        if until.duration.is_some_and(|duration| began.elapsed() >= duration) {
            newest.is_over.store(true, Relaxed);
        }
        if is_ended {
            // The channel of an engine that has ended answers at once.
            std::thread::sleep(ATTENTION);
        } else if engine.wait(ATTENTION) {
            is_ended = true;
            // What went wrong is what there is to say of the end.
            match engine.errors().get(told..) {
                Some([.., last]) => newest.tell(format!("{last}; q quits")),
                _ => newest.tell("that was all; q quits".to_owned()),
            }
            told = engine.errors().len();
            if until.end {
                newest.is_over.store(true, Relaxed);
            }
        }
    }
}
