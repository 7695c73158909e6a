//! A capture that runs and the analysis of what it has brought so far.
//!
//! In: a [`Request`]. Out: a snapshot whenever one is asked for, and the last one when it has ended. Never: a packet that
//! waits for whoever looks at a snapshot, but for the time that it takes to make it; that long the ring holds what comes.
//!
//! One thread takes packets from the ring or the pipe, and analyses and writes them. Snapshots are made by whoever wants
//! one.

use super::super::examine::file_facts;
use super::super::feed::Wants;
use super::config::{Origin, Request};
use crate::model::analyzer::{Analyzer, Options, TurnCredentials};
use crate::model::capture::{CaptureFacts, FileFacts};
use crate::model::snapshot::{Snapshot, utc_date};
use crate::packet::{FedPacket, FrameNo, LinkType, PacketFeed, PacketSink, RawPacket};
use crate::source::live::{Instruction, Keep, LiveCapture, LiveOptions, drop_privileges};
use crate::source::{CaptureFiles, Input, PacketSource, SavedFiles};
use crate::time::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// How long a look into the ring waits for packets.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the end waits for packets that are on their way.
const FAREWELL: Duration = Duration::from_secs(2);
/// The same for a pipe, whose writer may have nothing to say.
const PIPE_FAREWELL: Duration = Duration::from_millis(500);
/// Records of a pipe between two looks at what its reader says of it.
const RECORDS: u64 = 256;

/// The capture.
pub(in crate::cli) struct Engine {
    shared: Arc<Shared>,
    /// Its other end goes with the thread.
    ended: mpsc::Receiver<()>,
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

struct Shared {
    /// Who wants a snapshot holds it, and packets wait before it: a lock alone would let the thread that has just given it
    /// back take it again.
    turnstile: Mutex<()>,
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    analyzer: Analyzer,
    wants: Wants,
    saved: Option<SavedFiles>,
    /// The files of `-w` number frames as we do.
    renumbers: bool,
    taken: u64,
    count: Option<u64>,
    files: Vec<FileFacts>,
    dropped: Option<u64>,
    filtered_uncounted: bool,
    errors: Vec<String>,
}

impl Engine {
    /// Opens everything and begins; `now` is where the first file begins.
    ///
    /// # Errors
    /// In words: an interface or a file cannot be opened.
    pub(in crate::cli) fn start(
        request: &Request,
        turn_credentials: TurnCredentials,
        now: Timestamp,
    ) -> Result<Self, String> {
        let options = Options {
            remove_copies: request.remove_copies,
            ssrcs: request.ssrcs.clone(),
            turn_credentials,
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
        let keep = if request.write.is_some() || request.has_output { Keep::Files } else { Keep::Nothing };
        drop_privileges(keep).map_err(|error| format!("privileges cannot be dropped: {error}"))?;
        let state = State {
            analyzer: Analyzer::new(options),
            wants: Wants::new(request.filter.clone(), (None, None)),
            renumbers: capture.is_some() || saved.is_some(),
            saved,
            taken: 0,
            count: request.count,
            files: Vec::new(),
            dropped: None,
            filtered_uncounted: capture.as_ref().is_some_and(LiveCapture::is_filtered_by_kernel),
            errors: Vec::new(),
        };
        let shared =
            Arc::new(Shared { turnstile: Mutex::new(()), state: Mutex::new(state), stop: AtomicBool::new(false) });
        let (leaves, ended) = mpsc::channel::<()>();
        let farewell = if capture.is_some() { FAREWELL } else { PIPE_FAREWELL };
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("capture".to_owned());
        let body = move || {
            match capture {
                Some(capture) => listen(capture, &theirs),
                None => read_pipe(&theirs),
            }
            drop(leaves);
        };
        thread.spawn(body).map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { shared, ended, farewell })
    }

    /// All that is known now.
    pub(in crate::cli) fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The same from elsewhere.
    pub(in crate::cli) fn onlooker(&self) -> Onlooker {
        Onlooker(Arc::clone(&self.shared))
    }

    /// True where each packet has to come up here before the filter can look at it.
    pub(in crate::cli) fn filters_late(&self, request: &Request) -> bool {
        request.filter.is_some() && request.origin != Origin::Pipe && !self.shared.state().filtered_uncounted
    }

    /// Waits at most so long; true where the capture has ended by itself.
    pub(in crate::cli) fn wait(&self, timeout: Duration) -> bool {
        !matches!(self.ended.recv_timeout(timeout), Err(mpsc::RecvTimeoutError::Timeout))
    }

    /// Ends the capture, takes what is on its way, and closes the files.
    pub(in crate::cli) fn finish(self) -> Ended {
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
        let program = request.filter.as_ref()?.compile(link).ok()?;
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
    fn snapshot(&self) -> Snapshot {
        let _held = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        self.state().snapshot()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for whoever brings packets: behind those who want a snapshot.
    fn enter(&self) -> MutexGuard<'_, State> {
        drop(self.turnstile.lock().unwrap_or_else(PoisonError::into_inner));
        self.state()
    }
}

impl State {
    /// Takes a packet; false where that was the last one wanted.
    fn packet(&mut self, packet: &RawPacket<'_>, name: impl FnOnce() -> String) -> bool {
        if self.count.is_some_and(|count| self.taken >= count) {
            return false;
        }
        if !self.wants.all() && !self.wants.packet(packet) {
            return true;
        }
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

    fn flush(&mut self) {
        if let Some(Err(error)) = self.saved.as_mut().map(SavedFiles::flush) {
            self.give_up_saving(error.to_string());
        }
    }

    /// The analysis goes on where a disk is full.
    fn give_up_saving(&mut self, error: String) {
        self.saved = None;
        self.errors.push(error);
    }

    fn snapshot(&self) -> Snapshot {
        self.analyzer.snapshot(self.facts())
    }

    /// What is known of the source.
    fn facts(&self) -> CaptureFacts {
        CaptureFacts {
            files: self.files.clone(),
            refused: Vec::new(),
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
    while wants_more && !(is_stopping && quiet >= LiveCapture::settled()) {
        if !is_stopping && shared.stop.load(Relaxed) {
            is_stopping = true;
            if capture.stop().is_err() {
                break;
            }
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

/// The thread of a capture from a pipe.
fn read_pipe(shared: &Shared) {
    // A pipe is looked at here, because whoever writes into it may take his time with the first byte.
    let files = match CaptureFiles::open(&[Input::Stdin]) {
        Ok(files) => files,
        Err(refused) => {
            shared.enter().errors.extend(refused.iter().map(ToString::to_string));
            return;
        }
    };
    let mut reader = files.reader();
    let mut records = 0_u64;
    while !shared.stop.load(Relaxed) {
        let mut sink = Pipe { shared, wants_more: true };
        let more = reader.feed(1, &mut sink);
        records += 1;
        let goes_on = more && sink.wants_more;
        if !goes_on || records == 1 || records.is_multiple_of(RECORDS) {
            let mut state = shared.enter();
            state.files = reader.files().map(file_facts).collect();
            state.dropped = reader.dropped_by_capture();
            state.flush();
        }
        if !goes_on {
            break;
        }
    }
}

/// Where the records of a pipe go.
struct Pipe<'s> {
    shared: &'s Shared,
    wants_more: bool,
}

impl<'m> PacketSink<'m> for Pipe<'_> {
    fn packet(&mut self, fed: FedPacket<'m, '_>) -> bool {
        let mut state = self.shared.enter();
        // The next look at the reader's own count may be long in coming.
        if let Some(file) = state.files.first_mut() {
            file.packets += 1;
        }
        self.wants_more = state.packet(&fed.packet, || "-".to_owned());
        self.wants_more
    }
}
