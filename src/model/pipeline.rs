//! The analysis on several threads: one walks the capture, all work on shards, the result is as with one.
//!
//! In: a feed of records and an [`Analyzer`]. Out: the analyzer after the last record.
//! Never: an order that depends on threads. A shard takes its datagrams in capture order whoever works on it, and
//! which shard a five-tuple belongs to depends on its addresses alone.

use super::analyzer::{Analyzer, Front, SHARDS};
use super::round::{Batch, ROUND, ROUND_BYTES, Round};
use super::shard::Shard;
use crate::packet::{FedPacket, PacketFeed, PacketSink};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What may wait for the shards, as [`Batch::weight`], before the walk waits for them.
const BACKLOG: usize = ROUND * 3;

/// Feeds everything that `feed` yields to `analyzer`, on `threads` threads (at least one).
pub fn run<'m>(analyzer: &mut Analyzer, feed: &mut (impl PacketFeed<'m> + Send), threads: usize) {
    let (front, shards) = analyzer.parts();
    let work = Work::new(feed, front, shards, threads.max(1));
    std::thread::scope(|scope| {
        for worker in 1..threads.max(1) {
            let work = &work;
            scope.spawn(move || work.run(worker));
        }
        work.run(0);
    });
}

struct Work<'w, 'm, F> {
    walk: Mutex<Walk<'w, 'm, F>>,
    shards: Vec<Mutex<&'w mut Shard>>,
    queues: Vec<Mutex<Queue<'m>>>,
    threads: usize,
    /// The weight of all batches that wait or are being worked on.
    queued: AtomicUsize,
    walked: AtomicBool,
    /// A thread panicked: its part will never be done.
    abandoned: AtomicBool,
    changed: Condvar,
    sleep: Mutex<()>,
}

struct Walk<'w, 'm, F> {
    feed: &'w mut F,
    front: &'w mut Front,
    round: Round<'m>,
}

/// Batches of one shard: those that wait, and those that were done and come back to the same shard, since shards differ
/// in what they need.
#[derive(Default)]
struct Queue<'m> {
    waiting: VecDeque<Batch<'m>>,
    spare: Vec<Batch<'m>>,
}

/// Lets the other threads go when this one panics.
struct Guard<'w> {
    abandoned: &'w AtomicBool,
    changed: &'w Condvar,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abandoned.store(true, Ordering::Release);
            self.changed.notify_all();
        }
    }
}

impl<'w, 'm, F: PacketFeed<'m> + Send> Work<'w, 'm, F> {
    fn new(feed: &'w mut F, front: &'w mut Front, shards: &'w mut [Shard], threads: usize) -> Self {
        Self {
            walk: Mutex::new(Walk { feed, front, round: Round::default() }),
            shards: shards.iter_mut().map(Mutex::new).collect(),
            queues: (0..SHARDS).map(|_| Mutex::default()).collect(),
            threads,
            queued: AtomicUsize::new(0),
            walked: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            changed: Condvar::new(),
            sleep: Mutex::new(()),
        }
    }

    /// Walks where there is room, else works on what waits. False where there is nothing to do now.
    fn step(&self, worker: usize) -> bool {
        let has_room = self.queued.load(Ordering::Acquire) < BACKLOG;
        (has_room && self.walk_a_round()) || self.work_on_shards(worker)
    }

    fn run(&self, worker: usize) {
        let _guard = Guard { abandoned: &self.abandoned, changed: &self.changed };
        while !self.abandoned.load(Ordering::Acquire) {
            let walked = self.walked.load(Ordering::Acquire);
            if self.step(worker) {
                continue;
            }
            // A batch leaves the count when it is done, not when it is taken.
            if walked && self.queued.load(Ordering::Acquire) == 0 {
                return;
            }
            // The time is a bound on a wake-up that was missed, not a pace.
            let guard = lock(&self.sleep);
            drop(self.changed.wait_timeout(guard, Duration::from_micros(200)));
        }
    }

    /// False where another thread walks.
    fn walk_a_round(&self) -> bool {
        let Ok(mut walk) = self.walk.try_lock() else { return false };
        if self.walked.load(Ordering::Acquire) {
            return false;
        }
        let Walk { feed, front, round } = &mut *walk;
        round.batches.extend(self.queues.iter().map(|queue| lock(queue).spare.pop().unwrap_or_default()));
        round.copied = 0;
        let more = feed.feed(ROUND, &mut Intake { front, round });
        if !more {
            front.end(round.sink(None, None));
        }
        for (mut batch, queue) in round.batches.drain(..).zip(&self.queues) {
            batch.start = front.first_ts;
            let mut queue = lock(queue);
            match batch.weight() {
                0 => queue.spare.push(batch),
                weight => {
                    self.queued.fetch_add(weight, Ordering::AcqRel);
                    queue.waiting.push_back(batch);
                }
            }
        }
        if !more {
            self.walked.store(true, Ordering::Release);
        }
        self.changed.notify_all();
        true
    }

    /// True where at least one batch was done. Each thread starts elsewhere, so that they meet seldom.
    fn work_on_shards(&self, worker: usize) -> bool {
        let mut did = false;
        for step in 0..SHARDS {
            let index = (worker * SHARDS / self.threads + step) % SHARDS;
            let Ok(mut shard) = self.shards[index].try_lock() else { continue };
            loop {
                let Some(mut batch) = lock(&self.queues[index]).waiting.pop_front() else { break };
                let weight = batch.weight();
                batch.drain_into(&mut shard);
                lock(&self.queues[index]).spare.push(batch);
                self.queued.fetch_sub(weight, Ordering::AcqRel);
                // Whoever waits for room to walk need not wait for the rest of this shard.
                self.changed.notify_all();
                did = true;
            }
        }
        did
    }
}

/// Takes the records of a round.
struct Intake<'r, 'm> {
    front: &'r mut Front,
    round: &'r mut Round<'m>,
}

impl<'m> PacketSink<'m> for Intake<'_, 'm> {
    #[inline(always)]
    fn packet(&mut self, FedPacket { packet, mapped }: FedPacket<'m, '_>) -> bool {
        self.front.packet(&packet, self.round.sink(mapped, None));
        self.round.copied <= ROUND_BYTES
    }
}

/// A thread that panicked cannot have left a half-written batch that matters more than going on with the rest.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::analyzer::Options;
    use crate::model::capture::CaptureFacts;
    use crate::packet::{FrameNo, LinkType, RawPacket};
    use crate::time::Timestamp;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    struct Broken;

    impl<'m> PacketFeed<'m> for Broken {
        fn feed(&mut self, _: usize, _: &mut impl PacketSink<'m>) -> bool {
            panic!("a feed that breaks")
        }
    }

    /// One call, so that all of it goes to one shard.
    struct OneFlow {
        left: usize,
    }

    impl<'m> PacketFeed<'m> for OneFlow {
        fn feed(&mut self, limit: usize, sink: &mut impl PacketSink<'m>) -> bool {
            for _ in 0..limit.min(self.left) {
                self.left -= 1;
                let mut data = [0_u8; 60];
                data[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17]);
                data[26..42].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0x17, 0x70, 0, 26, 0, 0]);
                data[42] = 0x80;
                data[44..46].copy_from_slice(&(self.left as u16).wrapping_neg().to_be_bytes());
                let packet = RawPacket {
                    ts: Timestamp::default(),
                    frame: FrameNo(1),
                    interface: 0,
                    link: LinkType::ETHERNET,
                    wire_len: 60,
                    data: &data,
                };
                if !sink.packet(FedPacket { packet, mapped: None }) {
                    return true;
                }
            }
            self.left > 0
        }
    }

    #[test]
    fn the_walk_does_not_run_ahead_of_one_busy_shard() {
        let mut analyzer = Analyzer::new(Options::default());
        let (front, shards) = analyzer.parts();
        let mut feed = OneFlow { left: ROUND * 40 };
        let work = Work::new(&mut feed, front, shards, 4);
        // Others work on all shards: no batch gets done.
        let busy: Vec<_> = work.shards.iter().map(lock).collect();
        while work.step(3) {}
        let waiting = work.queued.load(Ordering::Acquire);
        assert!((BACKLOG..BACKLOG + ROUND).contains(&waiting), "{waiting}");
        drop(busy);
        work.run(0);
        assert_eq!(work.queued.load(Ordering::Acquire), 0);
        drop(work);
        let snapshot = analyzer.snapshot(CaptureFacts::default());
        assert_eq!(snapshot.streams[0].figures.packets, ROUND as u64 * 40);
    }

    #[test]
    fn a_panic_on_one_thread_ends_the_others() {
        for threads in [1, 2, 4] {
            let mut analyzer = Analyzer::new(Options::default());
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut analyzer, &mut Broken, threads)));
            assert!(outcome.is_err());
        }
    }
}
