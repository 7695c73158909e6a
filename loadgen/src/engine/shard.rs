//! A thread with its share of the allocations: it opens, sends what is due, takes what comes, closes.
//!
//! In: the plan and its signal. Out: statistics once a second, and the last ones at the end. Never: a lock or a memory
//! allocation for a packet; a packet sent before its time.

mod pairs;

use super::clock::{Almanac, Waited, thread_cpu};
use super::plan::{FarEnd, Plan};
use super::session::{GRID, News, Phase, Sent, Session};
use super::wheel::Wheel;
use super::wire::Broken;
use crate::clock::Moment;
use crate::scenario::{Arrival, Arrivals, Spacing, share};
use crate::stats::ShardStats;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Sockets that are told about at once.
const EVENTS: usize = 256;
/// Packets sent before the sockets are looked at again.
const BURST: usize = 64;
/// The largest datagram, and a good part of a stream.
const BUFFER: usize = 65_536;
/// Allocations asked for at once where the load does not say when: more only fill the server's socket buffer.
const IN_FLIGHT: usize = 64;
/// An answer that takes longer is not waited for with the next request.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often the number of allocations is looked at while it changes, and while it does not.
const LOOK_SOON: Duration = Duration::from_millis(1);
const LOOK_LATER: Duration = Duration::from_millis(50);
/// Statistics go to the control thread so often.
const REPORT: Duration = Duration::from_secs(1);
/// How long the last echoes may take where others come back fast; and where they take long, or nothing comes at all, so
/// that a stall at the end is no loss either: as long as any packet may take.
const LINGER: Duration = Duration::from_millis(500);
const MAX_LINGER: Duration = Duration::from_secs(2);
/// An answer that takes longer than this at the end of an allocation is none: RTO (RFC 8489, section 6.2.1).
const LAST_ANSWER: Duration = Duration::from_millis(500);
/// How often it is looked whether they have come.
const LINGER_STEP: Duration = Duration::from_millis(20);
/// Between two deletions, so that the server's socket buffer holds them.
const DELETE_GAP: Duration = Duration::from_micros(100);
/// How long the answers to deletions are waited for.
const DELETE_PATIENCE: Duration = Duration::from_secs(3);

/// What a shard says once a second.
pub(crate) struct Report {
    pub(crate) shard: u32,
    /// Since the report before.
    pub(crate) stats: ShardStats,
    /// CPU time of the thread since it began.
    pub(crate) cpu: Duration,
    /// What the thread waited for a CPU since it began.
    pub(crate) waited: Waited,
    pub(crate) standing: Standing,
    /// Of the time before the media counts.
    pub(crate) is_settling: bool,
}

/// Allocations by where they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) pending: u32,
    pub(crate) up: u32,
    pub(crate) closing: u32,
}

/// Why a timer is in the wheel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// A packet of the stream with this number.
    Media(u8),
    /// Client or transport.
    Timeout,
    /// The call ends.
    Ends,
    /// The last echoes may be here.
    Linger,
    /// The number of allocations.
    Look,
    /// The media counts from now on.
    Measure,
    /// Statistics.
    Report,
}

impl Why {
    const fn number(self) -> u8 {
        match self {
            Why::Media(stream) => stream,
            Why::Timeout => u8::MAX,
            Why::Ends => u8::MAX - 1,
            Why::Linger => u8::MAX - 2,
            Why::Look => u8::MAX - 3,
            Why::Measure => u8::MAX - 4,
            Why::Report => u8::MAX - 5,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            u8::MAX => Why::Timeout,
            254 => Why::Ends,
            253 => Why::Linger,
            252 => Why::Look,
            251 => Why::Measure,
            250 => Why::Report,
            stream => Why::Media(stream),
        }
    }
}

/// A place in the slab, and which of those that have been there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    const NOBODY: Self = Self { slot: u32::MAX, generation: 0 };
    /// Generations that fit into a token.
    const GENERATIONS: u32 = 1 << 24;

    const fn token(self, why: Why) -> u64 {
        self.slot as u64 | (why.number() as u64) << 32 | (self.generation as u64) << 40
    }

    const fn of(token: u64) -> (Self, Why) {
        let key = Self { slot: token as u32, generation: (token >> 40) as u32 };
        (key, Why::of((token >> 32) as u8))
    }
}

/// To the nanosecond, as far as the system goes.
fn sleep(time: Duration) {
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    // Woken early by a signal, the loop goes round once more.
    let _ = rustix::thread::nanosleep(&time);
}

/// Packets, and first requests, that were sent since anything came.
#[derive(Default)]
struct Unheard {
    packets: u32,
    since: Moment,
}

impl Unheard {
    /// As many in a row are not lost by chance.
    const MANY: u32 = 3;

    #[inline]
    fn sent(&mut self, now: Moment) {
        if self.packets == 0 {
            self.since = now;
        }
        self.packets += 1;
    }

    /// How long it has been silent.
    fn silence(&self, now: Moment) -> Duration {
        if self.packets < Self::MANY { Duration::ZERO } else { now.since(self.since) }
    }
}

/// One allocation, or two that talk to each other.
type Call = [Option<Key>; 2];

/// The thread.
pub(super) struct Shard {
    plan: Arc<Plan>,
    number: u32,
    epoll: OwnedFd,
    wheel: Wheel,
    sessions: Vec<Option<Box<Session>>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    live: u32,
    /// All that were begun and not yet ended by us, also those that failed: they are not tried again.
    roster: Vec<Call>,
    arrivals: Option<Arrivals>,
    next_call: Option<Arrival>,
    almanac: Almanac,
    /// No socket ever owes anything.
    is_datagrams: bool,
    in_flight: VecDeque<(Moment, Key)>,
    /// How many were ever begun, in singles or pairs.
    begun: u32,
    /// When the next deletion may be sent.
    next_delete: Moment,
    draining_until: Option<Moment>,
    /// When a socket last had something, and what was sent since.
    last_heard: Moment,
    unheard: Unheard,
    is_settling: bool,
    stats: ShardStats,
    reports: Sender<Report>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Shard {
    /// # Errors
    /// The system gives no epoll.
    pub(super) fn new(plan: Arc<Plan>, number: u32, reports: Sender<Report>) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            number,
            epoll,
            wheel: Wheel::new(),
            sessions: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            live: 0,
            roster: Vec::new(),
            arrivals: plan.scenario.arrivals(Spacing::Poisson),
            next_call: None,
            almanac: Almanac::of(plan.clock),
            is_datagrams: !plan.transport.is_reliable(),
            in_flight: VecDeque::new(),
            begun: 0,
            next_delete: Moment::START,
            draining_until: None,
            last_heard: Moment::START,
            unheard: Unheard::default(),
            is_settling: plan.measured_from.is_some(),
            stats: ShardStats::default(),
            reports,
            plan,
            input: vec![0; BUFFER],
            output: Vec::with_capacity(BUFFER),
        })
    }

    /// Runs until the load is over, or the signal says so.
    pub(super) fn run(mut self) {
        // The default slack of 50 µs would be seen in every latency.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let now = self.plan.clock.now();
        self.wheel.insert(now, Key::NOBODY.token(Why::Look));
        self.wheel.insert(now.plus(REPORT), Key::NOBODY.token(Why::Report));
        if let Some(at) = self.plan.measured_from {
            self.wheel.insert(at, Key::NOBODY.token(Why::Measure));
        }
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let mut last_look = Moment::START;
        loop {
            let mut now = self.do_what_is_due();
            if self.plan.signal.is_stopped() || self.is_over(now) {
                break;
            }
            let next = self.wheel.next().unwrap_or(Moment::from_nanos(u64::MAX));
            // A wake-up for each packet costs more than the packet. Where the system notes when they arrived, they can
            // wait for the next ones, but not longer than a grain of the grid.
            if self.plan.transport.notes_each_arrival() && next > now && events.len() < EVENTS {
                let until = next.min(last_look.plus(GRID));
                if until > now {
                    sleep(until.since(now));
                    if until == next {
                        now = self.do_what_is_due();
                    } else {
                        now = self.plan.clock.now();
                    }
                }
            }
            let wait = self.wheel.next().map_or(REPORT, |next| next.since(now)).min(REPORT);
            let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
            self.almanac = Almanac::of(self.plan.clock);
            last_look = self.plan.clock.now();
            for event in &events {
                let (key, _) = Key::of(event.data.u64());
                let flags = event.flags;
                if flags.contains(epoll::EventFlags::OUT) {
                    self.writable(key);
                }
                if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
                    self.readable(key);
                }
            }
        }
        self.finish();
    }

    /// Everything that is due, but not so much that the sockets wait for long; the time after it.
    fn do_what_is_due(&mut self) -> Moment {
        let mut now = self.plan.clock.now();
        for _ in 0..BURST {
            let Some((at, token)) = self.wheel.pop_due(now) else { break };
            let (key, why) = Key::of(token);
            match why {
                Why::Media(stream) => self.send_media(key, stream, now),
                Why::Timeout => self.timeout(key, at, now),
                Why::Ends => self.end(key, now),
                Why::Linger => self.linger(key, now),
                Why::Look => self.look(now),
                Why::Measure => self.measure(),
                Why::Report => self.report(at, now),
            }
            now = self.plan.clock.now();
        }
        now
    }

    fn session(&mut self, key: Key) -> Option<&mut Session> {
        self.sessions
            .get_mut(key.slot as usize)?
            .as_deref_mut()
            .filter(|session| session.body.generation == key.generation)
    }

    // ---- media ----

    #[inline]
    fn send_media(&mut self, key: Key, stream: u8, now: Moment) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        match session.send_media(stream.into(), now, &mut self.output, &mut self.stats) {
            Ok(Some(next)) => {
                self.unheard.sent(now);
                self.wheel.insert(next, key.token(Why::Media(stream)));
            }
            Ok(None) => {
                let both = session.body.has_sent_all()
                    && self.partner(key).is_none_or(|other| self.session(other).is_some_and(|s| s.body.has_sent_all()));
                if both {
                    self.end(key, now);
                }
            }
            Err(broken) => self.break_off(key, &broken),
        }
        if !self.is_datagrams {
            self.watch(key);
        }
    }

    #[inline]
    fn readable(&mut self, key: Key) {
        let now = self.plan.clock.now();
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        self.last_heard = now;
        // What comes once nothing more is waited for is no echo.
        if session.body.phase != Phase::Closing {
            self.stats.silence = self.stats.silence.max(self.unheard.silence(now));
            self.unheard.packets = 0;
        }
        match session.receive(&mut self.input, now, self.almanac, &mut self.stats) {
            Ok(false) => {}
            Ok(true) => self.pump(key, now),
            Err(broken) => self.break_off(key, &broken),
        }
    }

    // ---- one session ----

    fn writable(&mut self, key: Key) {
        let now = self.plan.clock.now();
        let Some(session) = self.session(key) else { return };
        match session.link.writable() {
            Ok(()) => self.pump(key, now),
            Err(broken) => self.break_off(key, &broken),
        }
    }

    fn timeout(&mut self, key: Key, at: Moment, now: Moment) {
        let Some(session) = self.session(key) else { return };
        if session.body.armed != Some(at) {
            return;
        }
        session.body.armed = None;
        match session.handle_timeout(now) {
            Ok(()) => self.pump(key, now),
            Err(broken) => self.break_off(key, &broken),
        }
    }

    /// Sends what the client wants, hears it, and sets its timer.
    fn pump(&mut self, key: Key, now: Moment) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        match session.pump(now, &mut self.output, &mut self.stats) {
            Ok(Some(News::Allocated)) => self.allocated(key, now),
            Ok(Some(News::PeerReady)) => self.peer_ready(key, now),
            // Nothing can be sent any longer.
            Ok(Some(News::PeerRefused)) => self.end(key, now),
            Ok(Some(News::Redirected(server))) => self.redirect(key, server, now),
            Ok(Some(News::Over)) => self.free(key),
            Ok(None) => {}
            Err(broken) => self.break_off(key, &broken),
        }
        self.arm(key);
        self.watch(key);
    }

    fn arm(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        if let Some(at) = session.poll_timeout()
            && session.body.armed.is_none_or(|armed| at < armed)
        {
            session.body.armed = Some(at);
            self.wheel.insert(at, key.token(Why::Timeout));
        }
    }

    /// Tells the epoll where a stream owes bytes to its socket.
    #[inline]
    fn watch(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        let wants = session.link.wants_write();
        if wants != session.body.watches_write {
            session.body.watches_write = wants;
            let flags = if wants { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let data = epoll::EventData::new_u64(key.token(Why::Timeout));
            if let Err(errno) = epoll::modify(&self.epoll, &session.link, data, flags) {
                self.break_off(key, &Broken::Unreachable(errno));
            }
        }
    }

    fn allocated(&mut self, key: Key, now: Moment) {
        let far_end = self.plan.far_end;
        let is_draining = self.draining_until.is_some();
        let Some(session) = self.session(key) else { return };
        if is_draining || session.body.is_unwanted {
            self.end(key, now);
            return;
        }
        self.begin_next(key, now);
        match far_end {
            FarEnd::Peer(peer) => {
                let Some(session) = self.session(key) else { return };
                session.body.open_peer(peer, now);
                self.pump(key, now);
            }
            FarEnd::Pairs => {
                let Some(other) = self.partner(key) else { return };
                let mine = self.session(key).and_then(|session| session.body.client.relayed());
                let theirs = self.session(other).and_then(|session| session.body.client.relayed());
                let (Some(mine), Some(theirs)) = (mine, theirs) else { return };
                for (key, peer) in [(key, theirs), (other, mine)] {
                    if let Some(session) = self.session(key) {
                        session.body.open_peer(peer, now);
                    }
                    self.pump(key, now);
                }
            }
        }
    }

    fn peer_ready(&mut self, key: Key, now: Moment) {
        // What is sent through a TCP relay goes over connections of its own (RFC 6062), which are not made.
        if self.plan.tcp_relay {
            return;
        }
        match self.plan.far_end {
            FarEnd::Peer(_) => self.start_media(key, None, now),
            FarEnd::Pairs => {
                let Some(other) = self.partner(key) else { return };
                if self.session(other).is_some_and(|session| session.body.peer_is_ready) {
                    self.start_media(key, Some(other), now);
                    self.start_media(other, Some(key), now);
                }
            }
        }
    }

    fn start_media(&mut self, key: Key, from: Option<Key>, now: Moment) {
        let plan = Arc::clone(&self.plan);
        // The shards' grids lie between each other, so that not all send at once.
        let grid = Moment::START.plus(GRID * self.number / plan.shards);
        let from = match from {
            Some(other) => self.session(other).map(|session| session.body.id),
            None => None,
        };
        let Some(session) = self.session(key) else { return };
        if session.body.phase != Phase::Up {
            return;
        }
        let from = from.unwrap_or(session.body.id);
        let dues = session.body.start_media(&plan, from, now, grid);
        self.stats.counters.streams += dues.len() as u64;
        for (stream, due) in dues {
            self.wheel.insert(due, key.token(Why::Media(stream as u8)));
        }
    }

    fn redirect(&mut self, key: Key, server: std::net::SocketAddr, now: Moment) {
        let plan = Arc::clone(&self.plan);
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        session.body.armed = None;
        match session.redirect(&plan, server, now, &mut self.stats) {
            Ok(true) => {
                self.register(key);
                self.pump(key, now);
            }
            Ok(false) => {
                let why = if crate::config::is_near(server.ip()) {
                    "after others before, which is not followed"
                } else {
                    "a public address that nobody was asked about, which is not followed; name that server where its \
                     owner agrees"
                };
                self.stats.failed("300", &format!("redirected to {server}, {why}"));
                self.free(key);
            }
            Err(broken) => self.break_off(key, &broken),
        }
    }

    // ---- ends ----

    /// Stops the media and waits for what is on its way; of a pair for both.
    fn end(&mut self, key: Key, now: Moment) {
        if let Some(other) = self.partner(key) {
            self.end_one(other, now);
        }
        self.end_one(key, now);
    }

    fn end_one(&mut self, key: Key, now: Moment) {
        let Some(session) = self.session(key) else { return };
        let latest = session.body.opened.plus(LAST_ANSWER);
        match session.body.phase {
            // One that came just before the end has no answer yet, and that is not the server's fault.
            Phase::Connecting | Phase::Allocating if now < latest => {
                session.body.is_unwanted = true;
                self.wheel.insert(latest, key.token(Why::Ends));
            }
            Phase::Connecting | Phase::Allocating => {
                self.stats.failed("timeout", "no answer before the end of the load");
                self.free(key);
            }
            Phase::Up | Phase::Streaming => {
                let is_unheard = session.body.peer.is_some() && !session.body.peer_is_ready;
                if is_unheard && now >= latest {
                    self.stats.peer_refused("timeout", "no answer before the end of the load");
                }
                let Some(session) = self.session(key) else { return };
                session.body.stop_media(now);
                self.wheel.insert(now.plus(LINGER_STEP), key.token(Why::Linger));
            }
            Phase::Lingering | Phase::Closing | Phase::Over => {}
        }
    }

    /// Deletes the allocation once the last echoes are here, or are lost.
    fn linger(&mut self, key: Key, now: Moment) {
        let senders = self.senders(key);
        let next_delete = self.next_delete.max(now);
        let last_heard = self.last_heard;
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation || session.body.phase != Phase::Lingering {
            return;
        }
        if !session.body.is_settled {
            let ended = session.body.ended;
            let is_stalled = last_heard <= ended && !session.body.is_lossy();
            let patience = if is_stalled { MAX_LINGER } else { LINGER.max(session.body.longest * 2).min(MAX_LINGER) };
            if now < ended.plus(patience) && !session.body.is_complete(senders) {
                self.wheel.insert(now.plus(LINGER_STEP), key.token(Why::Linger));
                return;
            }
            if is_stalled && !session.body.is_complete(senders) {
                self.stats.silence = self.stats.silence.max(self.unheard.silence(now));
            }
            session.body.settle_all(senders, &mut self.stats);
            if self.plan.abandon {
                self.free(key);
                return;
            }
            self.next_delete = next_delete.plus(DELETE_GAP);
            if next_delete > now {
                self.wheel.insert(next_delete, key.token(Why::Linger));
                return;
            }
        }
        session.body.phase = Phase::Closing;
        session.body.client.close(now);
        self.pump(key, now);
    }

    fn break_off(&mut self, key: Key, broken: &Broken) {
        let senders = self.senders(key);
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        session.body.settle_all(senders, &mut self.stats);
        session.body.break_off(broken, &mut self.stats);
        self.free(key);
    }

    /// How many packets the streams have sent that are to arrive here.
    fn senders(&self, key: Key) -> Sent {
        let sender = self.partner(key).unwrap_or(key);
        let session = self.sessions.get(sender.slot as usize).and_then(Option::as_deref);
        session.map_or(Sent::default(), |session| session.body.sent())
    }

    fn free(&mut self, key: Key) {
        let senders = self.senders(key);
        let Some(place) = self.sessions.get_mut(key.slot as usize) else { return };
        if place.as_ref().is_none_or(|session| session.body.generation != key.generation) {
            return;
        }
        let Some(mut session) = place.take() else { return };
        session.body.settle_all(senders, &mut self.stats);
        session.account(&mut self.stats);
        session.link.close();
        if let Some(partner) =
            session.body.partner.and_then(|slot| self.sessions.get_mut(slot as usize)?.as_deref_mut())
            && partner.body.partner == Some(key.slot)
        {
            // Nobody is left to send to.
            partner.body.partner = None;
            partner.body.pause();
            let partner = Key { slot: session.body.partner.unwrap_or_default(), generation: partner.body.generation };
            // Nothing but the streams would end it.
            if self.plan.scenario.ends().is_none() {
                self.end_one(partner, self.plan.clock.now());
            }
        }
        self.free.push(key.slot);
        self.live -= 1;
        if let Some(next) = session.body.next {
            self.give_up(next, session.body.id + 1);
        }
    }

    fn is_over(&self, now: Moment) -> bool {
        match self.draining_until {
            Some(until) => self.live == 0 || now >= until,
            None => false,
        }
    }

    fn drain(&mut self, now: Moment) {
        if self.draining_until.is_some() {
            return;
        }
        self.stats.silence = self.stats.silence.max(self.unheard.silence(now));
        self.draining_until = Some(now.plus(MAX_LINGER + DELETE_GAP * self.live + DELETE_PATIENCE));
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            self.end_one(key, now);
        }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        (0_u32..).zip(&self.sessions).filter_map(|(slot, session)| {
            session.as_ref().map(|session| Key { slot, generation: session.body.generation })
        })
    }

    fn finish(mut self) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            // Who ends at once leaves the others there, too.
            let may_delete = !self.plan.abandon;
            let is_left = self.session(key).is_some_and(|session| match session.body.phase {
                Phase::Closing => true,
                Phase::Up | Phase::Streaming | Phase::Lingering => may_delete,
                Phase::Connecting | Phase::Allocating | Phase::Over => false,
            });
            self.stats.counters.undeleted += u64::from(is_left);
            self.free(key);
        }
        self.send_report();
    }

    // ---- how many ----

    /// Opens and ends as many as the scenario says.
    fn look(&mut self, now: Moment) {
        if self.draining_until.is_some() {
            return;
        }
        let scenario = &self.plan.scenario;
        let ends = scenario.ends();
        if self.plan.signal.is_draining() || ends.is_some_and(|end| now >= end) {
            self.drain(now);
            return;
        }
        let next = if self.arrivals.is_some() { self.take_calls(now) } else { self.keep_up(now) };
        // Nothing is there, and nothing will come.
        let is_idle = self.live == 0 && next.is_none_or(|next| Some(next) == ends);
        if is_idle {
            self.drain(now);
            return;
        }
        let latest = now.plus(LOOK_LATER);
        let next = next.map_or(latest, |next| next.min(latest));
        self.wheel.insert(next, Key::NOBODY.token(Why::Look));
    }

    /// Brings the allocations to the number that is wanted; when to look again.
    fn keep_up(&mut self, now: Moment) -> Option<Moment> {
        let wanted = self.plan.scenario.wanted(now);
        let wanted = if self.plan.is_in_twos() { wanted / 2 } else { wanted };
        let wanted = share(wanted, self.number, self.plan.shards) as usize;
        while self.roster.len() > wanted {
            let Some(call) = self.roster.pop() else { break };
            call.into_iter().flatten().for_each(|key| self.end_one(key, now));
        }
        // Many at once are asked for as fast as the server answers; a few when they are due.
        let at_once = wanted - self.roster.len();
        while self.roster.len() < wanted {
            if at_once > IN_FLIGHT && self.in_flight(now) >= IN_FLIGHT {
                return Some(now.plus(LOOK_SOON));
            }
            let call = self.open_call(now, now);
            self.roster.push(call);
        }
        self.plan.scenario.next_change(now)
    }

    /// Opens the calls that have arrived; when the next one does.
    fn take_calls(&mut self, now: Moment) -> Option<Moment> {
        loop {
            let shards = u64::from(self.plan.shards);
            let mine = |call: &Arrival| call.index % shards == u64::from(self.number);
            let call = match self.next_call.take() {
                Some(call) => call,
                None => self.arrivals.as_mut()?.find(mine)?,
            };
            if call.at > now {
                self.next_call = Some(call);
                return Some(call.at);
            }
            for key in self.open_call(call.at, now).into_iter().flatten() {
                self.wheel.insert(call.until, key.token(Why::Ends));
            }
        }
    }

    /// Opens a session; it may fail at once.
    fn open(&mut self, id: u32, due: Moment, now: Moment) -> Option<Key> {
        self.stats.requested(now);
        let slot = self.free.pop().unwrap_or(self.sessions.len() as u32);
        if slot as usize == self.sessions.len() {
            self.sessions.push(None);
            self.generations.push(0);
        }
        let generation = (self.generations[slot as usize] + 1) % Key::GENERATIONS;
        self.generations[slot as usize] = generation;
        match Session::open(&self.plan, id, generation, due, now) {
            Ok(session) => {
                let key = Key { slot, generation };
                self.unheard.sent(now);
                self.sessions[slot as usize] = Some(Box::new(session));
                self.live += 1;
                self.in_flight.push_back((now, key));
                self.register(key);
                self.pump(key, now);
                Some(key)
            }
            Err(broken) => {
                self.stats.failed(broken.key(), &broken.reason());
                self.free.push(slot);
                None
            }
        }
    }

    fn register(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        session.body.watches_write = session.link.wants_write();
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, session.body.watches_write);
        let data = epoll::EventData::new_u64(key.token(Why::Timeout));
        if let Err(errno) = epoll::add(&self.epoll, &session.link, data, flags) {
            self.break_off(key, &Broken::Exhausted(errno));
        }
    }

    /// Allocations that were asked for just now and have no answer yet.
    fn in_flight(&mut self, now: Moment) -> usize {
        while let Some((since, key)) = self.in_flight.front().copied() {
            let is_waiting =
                self.session(key).is_some_and(|s| matches!(s.body.phase, Phase::Connecting | Phase::Allocating));
            if is_waiting && now.since(since) < PATIENCE {
                break;
            }
            self.in_flight.pop_front();
        }
        self.in_flight.len()
    }

    // ---- statistics ----

    fn report(&mut self, at: Moment, now: Moment) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            let senders = self.senders(key);
            if let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) {
                session.body.settle(senders, &mut self.stats);
                session.account(&mut self.stats);
            }
        }
        self.send_report();
        let next = at.plus(REPORT);
        self.wheel.insert(if next > now { next } else { now.plus(REPORT) }, Key::NOBODY.token(Why::Report));
    }

    /// What was counted so far is reported, and the streams begin anew.
    fn measure(&mut self) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            let senders = self.senders(key);
            if let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) {
                session.body.begin_anew(senders, &mut self.stats);
                session.account(&mut self.stats);
            }
        }
        self.send_report();
        self.is_settling = false;
    }

    fn send_report(&mut self) {
        let mut standing = Standing::default();
        for session in self.sessions.iter().flatten() {
            match session.body.phase {
                Phase::Connecting | Phase::Allocating => standing.pending += 1,
                Phase::Up | Phase::Streaming | Phase::Lingering => standing.up += 1,
                Phase::Closing | Phase::Over => standing.closing += 1,
            }
        }
        let stats = self.stats.take_interval();
        let report = Report {
            shard: self.number,
            stats,
            cpu: thread_cpu(),
            waited: Waited::of_thread(),
            standing,
            is_settling: self.is_settling,
        };
        // Where nobody listens any longer, the run is being given up.
        drop(self.reports.send(report));
    }
}
