//! Runs the steps of a search for the knee, one load after the other.
//!
//! In: what is searched and how far. Out: the result of the highest load that was carried, with the capacity curve.
//! Never: a figure computed here, a step chosen here.

#![forbid(unsafe_code)]

use crate::clock::Moment;
use crate::config::{End, FindKnee, Load, Peer, RunConfig, Traffic};
use crate::engine::drive::{Watch, Wish, drive};
use crate::engine::interrupt::Interrupt;
use crate::engine::limits;
use crate::engine::server::ServerProbe;
use crate::knee::{Axis, Capacity, Cause, Knee, Next, Point, Search};
use crate::quantity::Rate;
use crate::replay::{self, Media};
use crate::result::{Interval, Progress, RunResult};
use crate::run::{prepare, result};
use crate::stats::ShardStats;
use crate::view::plan::SearchPlan;
use crate::view::{span, text};
use crate::watch::Watcher;
use std::time::Duration;

/// What most servers carry: a floor of telephones, a stream of voice.
const FIRST_ALLOCATIONS: u64 = 16;
const FIRST_PACKET_RATE: u64 = 50;
/// Allocations are made while the step settles; a slow server makes a thousand in this time.
const SETTLE_PER_THOUSAND: Duration = Duration::from_millis(500);
/// A step that is measured for less says little.
const SHORTEST: Duration = Duration::from_secs(2);
/// Servers free a place some time after they have said that they did; a packet rate needs only one.
const BETWEEN: Duration = Duration::from_millis(300);
const BETWEEN_ALLOCATIONS: Duration = Duration::from_secs(1);
/// Where one has refused what it had granted before, its places are freed still later.
const AFTER_REFUSAL: Duration = Duration::from_secs(3);
/// One that stood still has to work off what came meanwhile, or stands still yet.
const AFTER_STALL: Duration = Duration::from_millis(1_500);

/// Searches.
///
/// # Errors
/// One sentence: the load cannot be made at all.
pub(crate) fn find(
    config: &RunConfig,
    media: &Media,
    search: FindKnee,
    seed: u64,
    interrupt: &Interrupt,
    watcher: &mut Watcher,
) -> Result<RunResult, String> {
    let mut state = begin(config, search);
    short(config).iter().for_each(|warning| watcher.note(warning));
    let mut shown = Shown::default();
    let mut warned = Vec::new();
    let mut server = ServerProbe::of(config).map_err(|error| format!("threads: {error}"))?;
    loop {
        let level = match state.next() {
            Next::Done(knee) => return Ok(shown.close(search, Some(knee))),
            Next::Try(level) => level,
        };
        let config = at_level(config, search, level);
        let (count, measured) = extent(&config);
        for warning in limits::prepare(count, config.source_ips.len() as u64) {
            if !warned.contains(&warning) {
                watcher.note(&warning);
                warned.push(warning);
            }
        }
        let settle = settle(search, count);
        let whole = RunConfig { end: End::After(settle + measured), ..config.clone() };
        // A rate that is searched is another one in each step; a capture is what it is.
        let (parts, replayed) = if search.axis == Axis::PacketRate { replay::media(&config)? } else { media.clone() };
        let (plan, reflector) = prepare(&whole, parts, seed, shown.tried.len() as u16, Some(settle))?;
        let mut watch = Step { inner: &mut *watcher, wanted: count, offset: shown.took, has_enough: false };
        let outcome = drive(&plan, reflector.as_ref(), interrupt, &mut server, &mut watch);
        let tried = result(&config, replayed, seed, outcome.map_err(|error| format!("threads: {error}"))?);
        if tried.incomplete.is_some() {
            shown.keep(level, tried);
            return Ok(shown.close(search, None));
        }
        let cause = tried.obstacle(count);
        let from = plan.scenario.full_at().since(Moment::START) + settle;
        watcher.step(&text::step(search.axis, level, cause.as_ref()));
        shown.curve.push(tried.point(level, from, from + measured, cause.clone()));
        shown.keep(level, tried);
        let is_refused = cause.as_ref().is_some_and(Cause::is_said);
        let has_stalled = matches!(cause, Some(Cause::Stalled { .. }));
        state.tried(level, cause);
        let pause = match state.next() {
            _ if has_stalled => AFTER_STALL,
            Next::Try(next) if next == level && is_refused => AFTER_REFUSAL,
            _ => pause(search.axis),
        };
        std::thread::sleep(pause);
        shown.took += pause;
    }
}

fn begin(config: &RunConfig, search: FindKnee) -> Search {
    let (first, step) = match search.axis {
        Axis::Allocations if config.peer == Peer::Pairs || config.relay.even_port => (FIRST_ALLOCATIONS, 2),
        Axis::Allocations => (FIRST_ALLOCATIONS, 1),
        Axis::PacketRate => (FIRST_PACKET_RATE, 1),
    };
    Search::new(search.axis, first, search.limit, step)
}

fn settle(search: FindKnee, allocations: u64) -> Duration {
    search.settle + SETTLE_PER_THOUSAND.mul_f64(allocations as f64 / 1_000.0)
}

/// Between two steps.
const fn pause(axis: Axis) -> Duration {
    match axis {
        Axis::PacketRate => BETWEEN,
        Axis::Allocations => BETWEEN_ALLOCATIONS,
    }
}

/// What is to be said of steps that are too short to tell a knee from an accident.
fn short(config: &RunConfig) -> Option<String> {
    let (_, measured) = extent(config);
    (measured < SHORTEST).then(|| {
        format!(
            "steps of {} are short: a stall of a moment looks like a knee; say --duration 2s or more",
            span(measured)
        )
    })
}

/// What a search would do: its steps, the load of the largest one, and what is to be said of it.
pub(crate) fn plan(config: &RunConfig, search: FindKnee) -> (SearchPlan, RunConfig, Option<String>) {
    let mut state = begin(config, search);
    let first = if let Next::Try(level) = state.next() { level } else { search.limit };
    // Near the limit there are the most steps; each that fails is tried again.
    let knee = search.limit - search.limit / 20;
    let (mut steps, mut takes) = (0, Duration::ZERO);
    while let Next::Try(level) = state.next() {
        let (allocations, measured) = extent(&at_level(config, search, level));
        takes += settle(search, allocations) + measured + pause(search.axis);
        steps += 1;
        state.tried(level, (level > knee).then(|| Cause::Generator(Vec::new())));
    }
    let plan = SearchPlan {
        axis: search.axis,
        first,
        limit: search.limit,
        settle: search.settle,
        settle_per_thousand: SETTLE_PER_THOUSAND,
        measured: extent(config).1,
        longest: (steps, takes),
        thresholds: config.thresholds.clone(),
    };
    (plan, at_level(config, search, search.limit), short(config))
}

/// The load of one step.
fn at_level(config: &RunConfig, search: FindKnee, level: u64) -> RunConfig {
    let mut config = config.clone();
    let level = u32::try_from(level).unwrap_or(u32::MAX);
    match (search.axis, &mut config.load, &mut config.traffic) {
        (Axis::Allocations, Load::Allocations { count, .. }, _) => *count = level,
        (Axis::PacketRate, _, Traffic::Steady { rate, .. }) => *rate = Rate::hertz(level),
        // The arguments allow nothing else.
        _ => {}
    }
    config
}

/// Allocations of a step, and how long it is measured.
fn extent(config: &RunConfig) -> (u64, Duration) {
    let count = if let Load::Allocations { count, .. } = config.load { count } else { 0 };
    let measured = if let End::After(time) = config.end { time } else { Duration::ZERO };
    (count.into(), measured)
}

/// All steps so far.
#[derive(Default)]
struct Shown {
    tried: Vec<(u64, RunResult)>,
    curve: Vec<Point>,
    intervals: Vec<Interval>,
    took: Duration,
}

impl Shown {
    /// Keeps a result; its timeline goes behind the others.
    fn keep(&mut self, level: u64, mut tried: RunResult) {
        let took = self.took;
        self.intervals.extend(tried.intervals.drain(..).map(|row| Interval {
            at: row.at + took,
            level: Some(level),
            ..row
        }));
        self.took += tried.duration;
        self.tried.push((level, tried));
    }

    /// The figures of the highest load that was carried, or else of the last one.
    fn close(mut self, search: FindKnee, knee: Option<Knee>) -> RunResult {
        let carried = knee.as_ref().map(|knee| knee.carried);
        let is_it =
            |(point, (level, _)): &(&Point, &(u64, RunResult))| Some(*level) == carried && point.cause.is_none();
        let at = self.curve.iter().zip(&self.tried).rposition(|pair| is_it(&pair));
        let at = at.or(self.tried.len().checked_sub(1));
        let mut result = at.map(|at| self.tried.swap_remove(at).1).unwrap_or_default();
        if let Some(Knee { failed: Some((_, Cause::Generator(complaints))), .. }) = &knee {
            result.invalid_because.clone_from(complaints);
        }
        result.duration = self.took;
        result.intervals = self.intervals;
        result.knee = Some(Capacity { axis: search.axis, limit: search.limit, knee, curve: self.curve });
        result
    }
}

/// Looks on during a step, and ends it once the server has refused.
struct Step<'w> {
    inner: &'w mut Watcher,
    wanted: u64,
    /// When the step began, since the search did.
    offset: Duration,
    has_enough: bool,
}

impl Watch for Step<'_> {
    fn progress(&mut self, progress: &Progress, interval: &ShardStats) {
        let allocations = &progress.allocations;
        self.has_enough |= allocations.failed > 0 && progress.allocating == 0 && allocations.requested >= self.wanted;
        let mut shown = progress.clone();
        shown.last.at += self.offset;
        shown.ends = shown.ends.map(|ends| ends + self.offset);
        self.inner.progress(&shown, interval);
    }

    fn note(&mut self, note: &str) {
        self.inner.note(note);
    }

    fn wish(&mut self) -> Wish {
        let enough = if self.has_enough { Wish::Enough } else { Wish::GoOn };
        self.inner.wish().max(enough)
    }
}
