//! A capture that runs and the analysis of what it has brought so far.
//!
//! In: a [`Request`], or files and a pace. Out: a snapshot whenever one is asked for, and the last one when it has ended. Never: a packet that
//! waits for whoever looks at a snapshot, but for the time that it takes to make it; that long the ring holds what comes.
//!
//! One thread takes packets from the ring, the pipe or the files, and analyses and writes them. Snapshots are made by whoever wants
//! one.

use super::super::config::Reading;
use super::super::examine::{describe, open_again};
use super::super::feed::Wants;
use super::config::{Origin, Request};
use super::instant;
use super::reader::{Pace, read, read_pipe};
use crate::model::analyzer::{Analyzer, Options, TurnCredentials};
use crate::model::capture::{CaptureFacts, FileFacts};
use crate::model::gathering::Gathering;
use crate::model::snapshot::{Snapshot, utc_date};
use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::source::SavedFiles;
use crate::source::live::{Instruction, Keep, LiveCapture, LiveOptions, drop_privileges};
use crate::time::Timestamp;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// How often it is asked whether all interfaces are still there.
const ROLL_CALL: Duration = Duration::from_secs(1);
/// How long a look into the ring waits for packets.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the end waits for packets that are on their way.
const FAREWELL: Duration = Duration::from_secs(2);
/// The same for a pipe, whose writer may have nothing to say.
const PIPE_FAREWELL: Duration = Duration::from_millis(500);

/// The capture.
pub(in crate::cli) struct Engine {
    shared: Arc<Shared>,
    /// Its other end goes with the thread.
    ended: Mutex<mpsc::Receiver<()>>,
    farewell: Duration,
}

/// Who may look at a capture from another thread.
pub(in crate::cli) struct Onlooker(Arc<Shared>);

impl Onlooker {
    /// All that is known now.
    pub(in crate::cli) fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// How it ended.
pub(in crate::cli) struct Ended {
    pub(in crate::cli) snapshot: Snapshot,
    /// What went wrong, in words.
    pub(in crate::cli) errors: Vec<String>,
    /// What there is to know of the input, in words.
    pub(in crate::cli) notes: Vec<String>,
}

pub(super) struct Shared {
    /// Who wants a snapshot holds it, and packets wait before it: a lock alone would let the thread that has just given it
    /// back take it again.
    turnstile: Mutex<()>,
    state: Mutex<State>,
    stop: AtomicBool,
}

pub(super) struct State {
    analyzer: Gathering,
    wants: Wants,
    saved: Option<SavedFiles>,
    /// The files of `-w` number frames as we do.
    renumbers: bool,
    taken: u64,
    count: Option<u64>,
    pub(super) files: Vec<FileFacts>,
    pub(super) dropped: Option<u64>,
    filtered_uncounted: bool,
    refused: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// By what two looks at a capture differ: packets, drops, inputs, errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) struct Mark(u64, Option<u64>, usize, usize);

impl Engine {
    /// Opens everything and begins; `now` is where the first file begins. `for_person` keeps what a dashboard shows beyond a
    /// report, and the right to write what it is asked to save.
    ///
    /// # Errors
    /// In words: an interface or a file cannot be opened.
    pub(in crate::cli) fn start(
        request: &Request,
        turn_credentials: TurnCredentials,
        now: Timestamp,
        for_person: bool,
    ) -> Result<Self, String> {
        let options = Options {
            remove_copies: request.remove_copies,
            ssrcs: request.ssrcs.clone(),
            turn_credentials,
            series: for_person,
            forget_after: request.forget_after,
            ..Options::default()
        };
        let capture = match &request.origin {
            Origin::Pipe => None,
            Origin::Interfaces(names) => Some(open(request, names)?),
        };
        let saved = request.write.as_ref().map(|(path, ring)| {
            SavedFiles::create(path, *ring, request.snap_length, now, digits).map_err(|error| error.to_string())
        });
        let saved = saved.transpose()?;
        let writes = for_person || request.write.is_some() || request.has_output;
        let keep = if writes { Keep::Files } else { Keep::Nothing };
        drop_privileges(keep).map_err(|error| format!("privileges cannot be dropped: {error}"))?;
        let state = State {
            renumbers: capture.is_some() || saved.is_some(),
            saved,
            count: request.count,
            filtered_uncounted: capture
                .as_ref()
                .is_some_and(|capture| request.filter.is_some() && capture.is_filtered_by_kernel()),
            ..State::new(Analyzer::new(options), Wants::new(request.filter.clone(), (None, None)))
        };
        let farewell = if capture.is_some() { FAREWELL } else { PIPE_FAREWELL };
        Self::run(state, farewell, move |shared| match capture {
            Some(capture) => listen(capture, shared),
            None => read_pipe(shared),
        })
    }

    /// Begins to read files, `speed` times as fast as their packets came.
    ///
    /// # Errors
    /// In words: there is nothing that can be read.
    pub(in crate::cli) fn replay(
        reading: &Reading,
        turn_credentials: TurnCredentials,
        speed: f64,
    ) -> Result<Self, String> {
        let files = open_again(&reading.inputs)?;
        let options = Options {
            remove_copies: reading.remove_copies,
            ssrcs: reading.ssrcs.clone(),
            turn_credentials,
            series: true,
            keyframes: true,
            ..Options::default()
        };
        let mut analyzer = Analyzer::new(options);
        let mut refused: Vec<String> = files.refused().iter().map(ToString::to_string).collect();
        refused.extend(describe(&mut analyzer, reading));
        let wants = Wants::new(reading.filter.clone(), (reading.from, reading.to));
        let state = State { refused, ..State::new(analyzer, wants) };
        Self::run(state, PIPE_FAREWELL, move |shared| read(&files, shared, Some(Pace::new(speed))))
    }

    /// Starts the thread that brings packets.
    fn run(state: State, farewell: Duration, body: impl FnOnce(&Shared) + Send + 'static) -> Result<Self, String> {
        let shared =
            Arc::new(Shared { turnstile: Mutex::new(()), state: Mutex::new(state), stop: AtomicBool::new(false) });
        let (leaves, ended) = mpsc::channel::<()>();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("capture".to_owned());
        let body = move || {
            // What it left behind is still worth a report, and is told to be a part only.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| body(&theirs)));
            if ended.is_err() {
                theirs.state().errors.push("the capture broke off: a fault of this program".to_owned());
            }
            drop(leaves);
        };
        thread.spawn(body).map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { shared, ended: Mutex::new(ended), farewell })
    }

    /// All that is known now.
    pub(in crate::cli) fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The same from elsewhere.
    pub(in crate::cli) fn onlooker(&self) -> Onlooker {
        Onlooker(Arc::clone(&self.shared))
    }

    /// The same, where something has come since `seen`.
    pub(in crate::cli) fn newer(&self, seen: &mut Option<Mark>) -> Option<Snapshot> {
        let _held = self.shared.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.shared.state();
        let mark = Mark(state.taken, state.dropped, state.files.len(), state.errors.len());
        (seen.replace(mark) != Some(mark)).then(|| state.snapshot())
    }

    /// The files of `-w` with all that came so far; none where packets are not written.
    pub(in crate::cli) fn written(&self) -> Vec<PathBuf> {
        let mut state = self.shared.state();
        state.flush();
        state.saved.as_ref().map_or_else(Vec::new, |saved| saved.files().cloned().collect())
    }

    /// True where files of `-w` were taken away, so that those that are left number their frames anew.
    pub(in crate::cli) fn has_lost_files(&self) -> bool {
        self.shared.state().saved.as_ref().is_some_and(|saved| !saved.are_all_there())
    }

    /// What came so far is in the files of `-w`.
    pub(in crate::cli) fn flush(&self) {
        self.shared.state().flush();
    }

    /// What went wrong so far, in words.
    pub(in crate::cli) fn errors(&self) -> Vec<String> {
        self.shared.state().errors.clone()
    }

    /// True where each packet has to come up here before the filter can look at it.
    pub(in crate::cli) fn filters_late(&self, request: &Request) -> bool {
        request.filter.is_some() && request.origin != Origin::Pipe && !self.shared.state().filtered_uncounted
    }

    /// Waits at most so long; true where the capture has ended by itself.
    pub(in crate::cli) fn wait(&self, timeout: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(ended.recv_timeout(timeout), Err(mpsc::RecvTimeoutError::Timeout))
    }

    /// Ends the capture, takes what is on its way, and closes the files.
    pub(in crate::cli) fn finish(&self) -> Ended {
        self.shared.stop.store(true, Relaxed);
        self.wait(self.farewell);
        let mut state = self.shared.state();
        state.analyzer.finish();
        let dropped = state.dropped;
        if let Some(Err(error)) = state.saved.take().map(|saved| saved.finish(dropped)) {
            state.errors.push(error.to_string());
        }
        // What a pipe still brings, if its reader wakes, is nobody's.
        state.count = Some(0);
        let snapshot = state.snapshot();
        let damage =
            snapshot.capture.facts.files.iter().flat_map(|file| &file.damage).map(|damage| damage.text.clone());
        let notes = state.wants.filter_errors.iter().cloned().chain(damage).collect();
        Ended { snapshot, errors: std::mem::take(&mut state.errors), notes }
    }
}

fn open(request: &Request, names: &[String]) -> Result<LiveCapture, String> {
    let filter = |link: LinkType| {
        let program = request.filter.as_ref().or(request.usual_filter.as_ref())?.compile(link).ok()?;
        let instruction =
            |one: &crate::net::filter::Instruction| Instruction { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
        Some(program.instructions().iter().map(instruction).collect())
    };
    let options = LiveOptions {
        interfaces: names,
        promiscuous: request.promiscuous,
        snap_length: request.snap_length,
        buffer: request.buffer,
        filter: &filter,
    };
    LiveCapture::open(&options).map_err(|error| error.to_string())
}

/// `20261121162239`, as in the names of dumpcap's files, in UTC.
fn digits(ts: Timestamp) -> String {
    utc_date(ts.seconds()).chars().filter(char::is_ascii_digit).collect()
}

impl Shared {
    /// Nothing more is wanted.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    fn snapshot(&self) -> Snapshot {
        let _held = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        self.state().snapshot()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for whoever brings packets: behind those who want a snapshot.
    pub(super) fn enter(&self) -> MutexGuard<'_, State> {
        drop(self.turnstile.lock().unwrap_or_else(PoisonError::into_inner));
        self.state()
    }
}

impl State {
    /// One that keeps no files and takes all packets under their own numbers.
    fn new(analyzer: Analyzer, wants: Wants) -> Self {
        Self {
            analyzer: Gathering::new(analyzer),
            wants,
            saved: None,
            renumbers: false,
            taken: 0,
            count: None,
            files: Vec::new(),
            dropped: None,
            filtered_uncounted: false,
            refused: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Whether this packet is asked for; what is not is counted.
    pub(super) fn wants(&mut self, packet: &RawPacket<'_>) -> bool {
        self.wants.all() || self.wants.packet(packet)
    }

    /// Takes a packet; false where that was the last one wanted.
    pub(super) fn packet(&mut self, packet: &RawPacket<'_>, name: impl FnOnce() -> String) -> bool {
        if self.count.is_some_and(|count| self.taken >= count) {
            return false;
        }
        if !self.wants(packet) {
            return true;
        }
        self.take(packet, name)
    }

    /// The same for one that is asked for.
    pub(super) fn take(&mut self, packet: &RawPacket<'_>, name: impl FnOnce() -> String) -> bool {
        self.taken += 1;
        let frame = if self.renumbers { FrameNo(self.taken) } else { packet.frame };
        let packet = RawPacket { frame, ..*packet };
        self.analyzer.packet(&packet);
        if self.analyzer.is_sweep_due() {
            let facts = self.facts();
            self.analyzer.sweep(facts);
        }
        if let Some(saved) = &mut self.saved {
            let dropped = self.dropped;
            if let Err(error) = saved.packet(&packet, name, || dropped) {
                self.give_up_saving(error.to_string());
            }
        }
        self.count.is_none_or(|count| self.taken < count)
    }

    pub(super) fn flush(&mut self) {
        if let Some(Err(error)) = self.saved.as_mut().map(SavedFiles::flush) {
            self.give_up_saving(error.to_string());
        }
    }

    /// The analysis goes on where a disk is full.
    fn give_up_saving(&mut self, error: String) {
        self.saved = None;
        self.errors.push(error);
    }

    fn snapshot(&mut self) -> Snapshot {
        let facts = self.facts();
        self.analyzer.snapshot(facts)
    }

    /// What is known of the source.
    fn facts(&self) -> CaptureFacts {
        CaptureFacts {
            files: self.files.clone(),
            refused: self.refused.clone(),
            dropped_by_capture: self.dropped,
            filtered_out: self.wants.filtered_out,
            outside_window: 0,
            filtered_vlan: self.wants.filtered_vlan,
            filtered_uncounted: self.filtered_uncounted,
            span: self.wants.span,
            asked: self.wants.asked(),
        }
    }
}

/// The thread of a capture from interfaces.
fn listen(mut capture: LiveCapture, shared: &Shared) {
    shared.enter().source(&mut capture);
    let mut wants_more = true;
    let mut quiet = Duration::ZERO;
    let mut is_stopping = false;
    let mut called = instant();
    while wants_more && !(is_stopping && quiet >= LiveCapture::settled()) {
        if !is_stopping && shared.is_stopping() {
            is_stopping = true;
            if capture.stop().is_err() {
                break;
            }
        }
        if !is_stopping {
            capture.rest();
        }
        let timeout = if is_stopping { LiveCapture::settled() } else { PATIENCE };
        let mut state = None;
        let brought = capture.next_batch(timeout, &mut |packet, name| {
            wants_more = state.get_or_insert_with(|| shared.enter()).packet(packet, || name.to_owned());
            wants_more
        });
        let mut state = state.unwrap_or_else(|| shared.enter());
        match brought {
            Ok(true) => quiet = Duration::ZERO,
            Ok(false) => {
                quiet += timeout;
                state.flush();
            }
            Err(error) => {
                state.errors.push(error.to_string());
                wants_more = false;
            }
        }
        state.source(&mut capture);
        if called.elapsed() >= ROLL_CALL {
            called = instant();
            let gone = capture.gone().into_iter();
            state.errors.extend(gone.map(|name| format!("the interface {name} has gone; the others go on")));
        }
    }
}

impl State {
    /// What the capture says of itself.
    fn source(&mut self, capture: &mut LiveCapture) {
        self.dropped = Some(capture.dropped());
        self.files.clear();
        self.files.extend(capture.interfaces().iter().map(|interface| FileFacts {
            name: interface.name.clone(),
            format: "live".to_owned(),
            link_types: vec![interface.link.to_string()],
            packets: interface.packets,
            ..FileFacts::default()
        }));
    }
}
