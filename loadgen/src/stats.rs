//! What a shard counts while it runs.
//!
//! In: events, with the times that belong to them. Out: [`ShardStats`], taken interval by interval and merged; the
//! sum of the intervals is the run, to the last packet. Never: a lock, a clock, memory that grows with events.

use crate::clock::Moment;
use crate::media::{Fate, Verdict};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::time::Duration;

/// A packet that leaves so long after it was due is late: a quarter of the interval of voice.
pub const LATE_SEND: Duration = Duration::from_millis(5);
/// Microseconds beyond which values are only known to be that large.
const MAX_MICROS: u64 = 60_000_000;
/// Values are told apart to one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;
/// Characters of a reason that are kept; a server may send 127 of them (RFC 8489, section 14.8).
const MAX_REASON: usize = 127;

/// How durations are distributed, in microseconds up to a minute; maximum and mean are exact.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    max: u64,
    sum: u128,
}

impl Default for Distribution {
    #[allow(clippy::expect_used, reason = "the bounds are constants, and valid")]
    fn default() -> Self {
        let histogram =
            Histogram::new_with_bounds(1, MAX_MICROS, SIGNIFICANT_DIGITS).expect("constant bounds are valid");
        Self { histogram, max: 0, sum: 0 }
    }
}

impl Distribution {
    /// One more; to the nearest microsecond.
    pub fn record(&mut self, value: Duration) {
        let micros = u64::try_from((value.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros.min(MAX_MICROS));
        self.max = self.max.max(micros);
        self.sum += u128::from(micros);
    }

    /// Adds what another has recorded.
    pub fn merge(&mut self, other: &Self) {
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "both have the same bounds, so nothing can be out of them");
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// What is known of them; none of none.
    pub fn percentiles(&self) -> Option<Percentiles> {
        if self.count() == 0 {
            return None;
        }
        // A bucket reports its upper end, which may be above all that is in it.
        let at = |quantile| millis(self.histogram.value_at_quantile(quantile).min(self.max));
        Some(Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(self.max),
            mean: self.sum as f64 / self.count() as f64 / 1_000.0,
        })
    }

    /// The histogram, in microseconds, for logs that standard tools read.
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// Milliseconds, to the microsecond.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    pub mean: f64,
}

impl Percentiles {
    /// By the names that results and thresholds have for them.
    pub const fn named(&self) -> [(&'static str, f64); 6] {
        [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p999", self.p999),
            ("max", self.max),
            ("mean", self.mean),
        ]
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What is counted; all of it only grows.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Counters {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Adds what another has counted.
            pub const fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// All of them by name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Allocations that were begun.
    requested,
    /// Those that the server granted.
    succeeded,
    /// Those that it did not.
    failed,
    /// Those that were up and ended before they should: a refresh refused, a connection gone.
    lost,
    /// Those that were ended as meant.
    closed,
    /// Those that were sent to another server (300).
    redirected,
    /// Permissions and channels that were refused.
    peers_refused,
    /// Requests, each counted once.
    requests,
    /// Requests that were sent again because no answer came.
    retransmissions,
    /// 401 answers that gave realm and nonce.
    challenges,
    /// 438 answers.
    stale_nonces,
    /// Refreshes of allocations that succeeded.
    refreshes,
    /// Streams that began.
    streams,
    /// Packets that were due.
    offered_packets,
    /// Their bytes, RTP headers included.
    offered_bytes,
    /// Packets that the socket took.
    sent_packets,
    /// Their bytes.
    sent_bytes,
    /// Packets that came back, each counted once.
    delivered_packets,
    /// Their bytes.
    delivered_bytes,
    /// Packets that did not come back in time.
    missed,
    /// Those of them that came back later.
    recovered,
    /// Further copies of packets that had come back.
    duplicated,
    /// Packets that came back behind a later one of their stream.
    reordered,
    /// Packets of another allocation, stream or run.
    misdelivered,
    /// Packets that are not what was sent.
    corrupted,
    /// Packets too old to tell whether they are copies; they stay lost.
    stale,
    /// Packets that left later than 5 ms after they were due.
    late_sends,
    /// Packets that the socket refused.
    send_errors,
    /// Datagrams that the system dropped before we read them.
    socket_drops,
}

/// How often something failed for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorCount {
    /// How often.
    pub count: u64,
    /// What the server says of it; of several texts the first in order.
    pub reason: String,
}

/// Failures by key: an error code, `timeout`, …
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Errors(BTreeMap<String, ErrorCount>);

impl Errors {
    /// One more. Control characters of the reason are left out.
    pub fn add(&mut self, key: &str, reason: &str) {
        let reason = reason.chars().filter(|letter| !letter.is_control()).take(MAX_REASON).collect();
        self.add_all(key, &ErrorCount { count: 1, reason });
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (key, errors) in &other.0 {
            self.add_all(key, errors);
        }
    }

    fn add_all(&mut self, key: &str, more: &ErrorCount) {
        let Some(known) = self.0.get_mut(key) else {
            self.0.insert(key.to_owned(), more.clone());
            return;
        };
        known.count += more.count;
        if !more.reason.is_empty() && (known.reason.is_empty() || more.reason < known.reason) {
            known.reason.clone_from(&more.reason);
        }
    }

    /// How often; zero where it never did.
    pub fn count(&self, key: &str) -> u64 {
        self.0.get(key).map_or(0, |errors| errors.count)
    }

    /// How often in all.
    pub fn total(&self) -> u64 {
        self.0.values().map(|errors| errors.count).sum()
    }

    /// In the order of their keys.
    pub fn iter(&self) -> Iter<'_, String, ErrorCount> {
        self.0.iter()
    }

    /// True where nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'e> IntoIterator for &'e Errors {
    type Item = (&'e String, &'e ErrorCount);
    type IntoIter = Iter<'e, String, ErrorCount>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// From the first to the last of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span(Option<(Moment, Moment)>);

impl Span {
    /// One more.
    pub fn add(&mut self, at: Moment) {
        self.merge(&Self(Some((at, at))));
    }

    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.0 = match (self.0, other.0) {
            (Some((first, last)), Some((start, end))) => Some((first.min(start), last.max(end))),
            (one, other) => one.or(other),
        };
    }

    /// How long; zero of none and of one.
    pub fn length(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |(first, last)| last.since(first))
    }
}

/// All that a shard counts.
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    /// Counters. Those that no method counts are the caller's to count.
    pub counters: Counters,
    /// Why allocations failed.
    pub errors: Errors,
    /// Why allocations were lost, and permissions and channels refused.
    pub later_errors: Errors,
    /// From the first request of an allocation to its success.
    pub latency: Distribution,
    /// From when a packet was due until it was back.
    pub rtt: Distribution,
    /// The jitter of a packet's stream, with each packet.
    pub jitter: Distribution,
    /// From one end to the other, where both share a clock.
    pub one_way: Distribution,
    /// From when a packet was due until the socket had it.
    pub send_lag: Distribution,
    /// When allocations were requested, and granted.
    pub allocating: Span,
    /// When packets were due.
    pub offering: Span,
}

impl ShardStats {
    /// An allocation is requested.
    pub fn requested(&mut self, now: Moment) {
        self.counters.requested += 1;
        self.allocating.add(now);
    }

    /// It is granted, so long after.
    pub fn succeeded(&mut self, latency: Duration, now: Moment) {
        self.counters.succeeded += 1;
        self.latency.record(latency);
        self.allocating.add(now);
    }

    /// It is not, for this reason.
    pub fn failed(&mut self, key: &str, reason: &str) {
        self.counters.failed += 1;
        self.errors.add(key, reason);
    }

    /// It was granted, and is gone.
    pub fn lost(&mut self, key: &str, reason: &str) {
        self.counters.lost += 1;
        self.later_errors.add(key, reason);
    }

    /// A permission or channel is refused.
    pub fn peer_refused(&mut self, key: &str, reason: &str) {
        self.counters.peers_refused += 1;
        self.later_errors.add(key, reason);
    }

    /// A packet was due; whether it is sent is another question.
    pub fn offered(&mut self, bytes: u16, at: Moment) {
        self.counters.offered_packets += 1;
        self.counters.offered_bytes += u64::from(bytes);
        self.offering.add(at);
    }

    /// The socket took it, so long after it was due.
    pub fn sent(&mut self, bytes: u16, lag: Duration) {
        self.counters.sent_packets += 1;
        self.counters.sent_bytes += u64::from(bytes);
        self.counters.late_sends += u64::from(lag > LATE_SEND);
        self.send_lag.record(lag);
    }

    /// A packet came back whole.
    pub fn arrived(&mut self, verdict: &Verdict) {
        let counters = &mut self.counters;
        match verdict.fate {
            Fate::New => {}
            Fate::Recovered => counters.recovered += 1,
            Fate::Duplicate => counters.duplicated += 1,
            Fate::Stale => counters.stale += 1,
            Fate::Misdelivered => counters.misdelivered += 1,
        }
        if verdict.fate.is_delivery() {
            counters.delivered_packets += 1;
            counters.delivered_bytes += u64::from(verdict.bytes);
            counters.reordered += u64::from(verdict.reordered);
            self.rtt.record(verdict.since_scheduled);
            self.jitter.record(verdict.jitter);
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.errors.merge(&other.errors);
        self.later_errors.merge(&other.later_errors);
        self.latency.merge(&other.latency);
        self.rtt.merge(&other.rtt);
        self.jitter.merge(&other.jitter);
        self.one_way.merge(&other.one_way);
        self.send_lag.merge(&other.send_lag);
        self.allocating.merge(&other.allocating);
        self.offering.merge(&other.offering);
    }

    /// What was counted since it was last taken; begins anew.
    #[must_use]
    pub fn take_interval(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The time that the offered packets stand for: one interval more than from the first to the last.
    pub fn media_time(&self) -> Duration {
        let packets = self.counters.offered_packets;
        let Some(gaps) = packets.checked_sub(1).filter(|gaps| *gaps > 0) else { return Duration::ZERO };
        self.offering.length().mul_f64(packets as f64 / gaps as f64)
    }
}
