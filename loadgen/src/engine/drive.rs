//! A whole run: the shards' threads, and what they say, put together once a second.
//!
//! In: a plan, a reflector or none. Out: [`Progress`] once a second and [`Outcome`] at the end. Never: a packet.

use super::clock::process_cpu;
use super::cpus::PinnedCpus;
use super::health::{Effort, complaints, of_cpus, of_peer};
use super::interrupt::Interrupt;
use super::peer::{PeerCounts, Reflector};
use super::plan::Plan;
use super::server::ServerProbe;
use super::shard::{Report, Shard, Standing};
use crate::clock::Moment;
use crate::result::{Allocations, Generator, Interval, Media, Phase, Progress, Timeline};
use crate::stats::ShardStats;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows of the timeline are so long.
const INTERVAL: Duration = Duration::from_secs(1);
/// Shards report at the full second; a moment later all of them have.
const SETTLE: Duration = Duration::from_millis(50);
/// So long before a row ends, those are asked who may take a while to answer.
const LEAD: Duration = Duration::from_millis(150);
/// The embedded peer is given so long for its last word.
const PEERS_LIMIT: Duration = Duration::from_secs(2);
/// How soon a signal is heard.
const HEARING: Duration = Duration::from_millis(50);

/// What a run has come to.
pub(crate) struct Outcome {
    pub(crate) duration: Duration,
    pub(crate) stats: ShardStats,
    pub(crate) generator: Generator,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) invalid_because: Vec<String>,
    pub(crate) incomplete: Option<String>,
}

/// Who looks on.
pub(crate) trait Watch {
    /// Once a second: how far it is, and what was counted in that second.
    fn progress(&mut self, progress: &Progress, interval: &ShardStats);

    /// Something that the user should know, on a line.
    fn note(&mut self, note: &str);

    /// Asked some times a second.
    fn wish(&mut self) -> Wish;
}

/// What whoever looks on wants of the run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wish {
    /// Nothing.
    GoOn,
    /// End as if the time were over.
    Enough,
    /// Delete the allocations and end.
    Drain,
    /// End at once.
    Stop,
}

/// Drives the load to its end.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn drive(
    plan: &Arc<Plan>,
    reflector: Option<&Reflector>,
    interrupt: &Interrupt,
    server: &mut ServerProbe,
    watch: &mut dyn Watch,
) -> io::Result<Outcome> {
    let (sender, reports) = channel();
    let mut threads = Vec::new();
    for number in 0..plan.shards {
        let shard = Shard::new(Arc::clone(plan), number, sender.clone())?;
        let thread = std::thread::Builder::new().name(format!("shard-{number}"));
        threads.push(thread.spawn(move || shard.run())?);
    }
    drop(sender);
    let mut desk = Desk::new(plan, reflector);
    let mut due = Moment::START.plus(INTERVAL + SETTLE);
    // A first look, so that the first row has rates.
    server.prepare();
    server.sample(plan.clock.now());
    let mut is_prepared = false;
    let mut wish = Wish::GoOn;
    loop {
        let has_ended = desk.listen(&reports);
        let signalled = match (interrupt.came(), wish) {
            (false, _) => wish,
            (true, Wish::GoOn | Wish::Enough) => Wish::Drain,
            (true, _) => Wish::Stop,
        };
        wish = watch.wish().max(signalled);
        match wish {
            Wish::GoOn => {}
            Wish::Enough | Wish::Drain => plan.signal.drain(),
            Wish::Stop => plan.signal.stop(),
        }
        let now = plan.clock.now();
        if now.plus(LEAD) >= due && !is_prepared {
            server.prepare();
            is_prepared = true;
        }
        if now >= due || has_ended {
            let at = if has_ended { now } else { due };
            let sample = server.sample(now);
            desk.server_cpu = server.our_cpu();
            let interval = desk.close_interval(
                at.since(Moment::START).saturating_sub(if has_ended { Duration::ZERO } else { SETTLE }),
                sample,
            );
            watch.progress(&desk.progress(now, has_ended), &interval);
            server.notes().iter().for_each(|note| watch.note(note));
            is_prepared = false;
            due = due.plus(INTERVAL);
        }
        if has_ended {
            break;
        }
    }
    let lost_threads = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
    Ok(desk.finish(wish > Wish::Enough, lost_threads))
}

/// Where reports come together.
struct Desk<'p> {
    plan: &'p Plan,
    reflector: Option<&'p Reflector>,
    pinned: Option<PinnedCpus>,
    /// Since the interval began.
    fresh: ShardStats,
    sum: ShardStats,
    standing: Vec<Standing>,
    efforts: Vec<Effort>,
    timeline: Timeline,
    last_end: Duration,
    /// Of the process, before this load.
    earlier_cpu: Duration,
    last_cpu: Duration,
    last_peer: PeerCounts,
    /// Of a server in this process.
    server_cpu: Duration,
}

impl<'p> Desk<'p> {
    fn new(plan: &'p Plan, reflector: Option<&'p Reflector>) -> Self {
        let shards = plan.shards as usize;
        Self {
            plan,
            reflector,
            pinned: PinnedCpus::watch(),
            fresh: ShardStats::default(),
            sum: ShardStats::default(),
            standing: vec![Standing::default(); shards],
            efforts: vec![Effort::default(); shards],
            timeline: Timeline::default(),
            last_end: Duration::ZERO,
            earlier_cpu: process_cpu().saturating_sub(reflector.map_or(Duration::ZERO, |peer| peer.counts().cpu)),
            last_cpu: Duration::ZERO,
            last_peer: PeerCounts::default(),
            server_cpu: Duration::ZERO,
        }
    }

    /// Takes reports for a moment; whether there will be no more.
    fn listen(&mut self, reports: &Receiver<Report>) -> bool {
        match reports.recv_timeout(HEARING) {
            Ok(report) => {
                self.fresh.merge(&report.stats);
                if report.is_settling {
                    self.sum.merge(&report.stats.without_media());
                } else {
                    self.sum.merge(&report.stats);
                }
                let shard = report.shard as usize;
                if let Some(standing) = self.standing.get_mut(shard) {
                    *standing = report.standing;
                }
                if let Some(effort) = self.efforts.get_mut(shard) {
                    *effort = Effort {
                        cpu: report.cpu,
                        wall: self.plan.clock.now().since(Moment::START),
                        waited: report.waited,
                    };
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }

    /// A row of the timeline; what was counted in it.
    fn close_interval(&mut self, end: Duration, server: Option<crate::result::ServerSample>) -> ShardStats {
        let fresh = self.fresh.take_interval();
        let length = end.saturating_sub(self.last_end);
        let peer = self.reflector.map(Reflector::counts);
        let cpu = self.cpu(peer);
        let peer_cpu = peer.map(|peer| peer.cpu.saturating_sub(self.last_peer.cpu));
        let second = Interval {
            at: end,
            length,
            wanted: self.plan.scenario.wanted(Moment::START.plus(end)),
            up: self.standing.iter().map(|standing| u64::from(standing.up)).sum(),
            allocations: Allocations::over(&fresh, length),
            media: Media::over(&fresh, length),
            generator: Generator::of(&fresh, cpu.saturating_sub(self.last_cpu), peer_cpu),
            server,
            level: None,
        };
        self.timeline.push(second, &fresh);
        self.last_end = end;
        self.last_cpu = cpu;
        self.last_peer = peer.unwrap_or_default();
        fresh
    }

    /// CPU of the process without the peer and the server.
    fn cpu(&self, peer: Option<PeerCounts>) -> Duration {
        let others = peer.map_or(Duration::ZERO, |peer| peer.cpu) + self.server_cpu;
        process_cpu().saturating_sub(self.earlier_cpu + others)
    }

    fn generator(&self) -> Generator {
        let peer = self.reflector.map(Reflector::counts);
        Generator::of(&self.sum, self.cpu(peer), peer.map(|peer| peer.cpu))
    }

    fn progress(&self, now: Moment, has_ended: bool) -> Progress {
        let scenario = &self.plan.scenario;
        let is_draining = scenario.ends().is_some_and(|end| now >= end) || self.plan.signal.is_draining();
        let phase = match () {
            () if has_ended => Phase::Done,
            () if is_draining => Phase::Drain,
            () if now < scenario.full_at() => Phase::Ramp,
            () => Phase::Hold,
        };
        Progress {
            phase,
            ends: scenario.ends().map(|end| end.since(Moment::START)),
            allocating: self.standing.iter().map(|standing| u64::from(standing.pending)).sum(),
            last: self.timeline.latest().clone(),
            allocations: Allocations::of(&self.sum),
            media: Media::of(&self.sum),
            generator: self.generator(),
        }
    }

    fn finish(self, is_interrupted: bool, lost_threads: usize) -> Outcome {
        let incomplete = match (lost_threads, is_interrupted) {
            (0, false) => None,
            (0, true) => Some("interrupted".to_owned()),
            (lost, _) => Some(format!("{lost} of {} threads were lost", self.plan.shards)),
        };
        let mut invalid_because = complaints(&self.sum, &self.efforts);
        if let Some(reflector) = self.reflector {
            let peer = reflector.final_counts(PEERS_LIMIT);
            invalid_because.extend(of_peer(&self.sum, peer, self.last_end));
        }
        invalid_because.extend(self.pinned.as_ref().and_then(PinnedCpus::shares).and_then(of_cpus));
        Outcome {
            duration: self.last_end,
            generator: self.generator(),
            intervals: self.timeline.into_rows(),
            invalid_because,
            incomplete,
            stats: self.sum,
        }
    }
}
