//! A thread with its share of the allocations: it opens, sends what is due, takes what comes, closes.
//!
//! In: the plan and its signal. Out: statistics once a second, and the last ones at the end. Never: a lock or a memory
//! allocation for a packet; a packet sent before its time.

mod ending;
mod key;
mod load;
mod pairs;
mod setup;
mod tally;

pub(crate) use tally::{Report, Standing};

use super::clock::Almanac;
use super::plan::Plan;
use super::session::{GRID, Phase, Session};
use super::wheel::Wheel;
use crate::clock::Moment;
use crate::scenario::{Arrival, Arrivals, Spacing};
use crate::stats::ShardStats;
use key::{Key, Why};
use load::InFlight;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tally::REPORT;

/// Sockets that are told about at once.
const EVENTS: usize = 256;
/// Packets sent before the sockets are looked at again.
const BURST: usize = 64;
/// The largest datagram, and a good part of a stream.
const BUFFER: usize = 65_536;

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
    in_flight: InFlight,
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
            in_flight: InFlight::default(),
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
}
