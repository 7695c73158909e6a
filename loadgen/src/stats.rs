//! What a shard counts while it runs.
//!
//! In: events, with the times that belong to them. Out: [`ShardStats`], taken interval by interval and merged; the
//! sum of the intervals is the run, to the last packet. Never: a lock, a clock, memory that grows with events.

mod packed;

pub use packed::PackedStats;

use crate::clock::Moment;
use crate::media::{Fate, Verdict};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::time::Duration;

/// A packet that leaves so long after it was due is late: a quarter of the interval of voice.
pub const LATE_SEND: Duration = Duration::from_millis(5);
/// An answer to a request that is read so long after it arrived keeps the next request waiting.
const LATE_READ: Duration = Duration::from_millis(5);
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
    /// Those that were to be ended, and nobody answered.
    undeleted,
    /// Those that were sent to another server (300).
    redirected,
    /// Those that were asked for again from another port, because somebody had had the first one (437).
    mismatched,
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
    /// Renewals of permissions and channels that succeeded.
    renewals,
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
    /// Packets that are not what was sent; as such they are lost, too.
    corrupted,
    /// Packets too old to tell whether they are copies; they stay lost.
    stale,
    /// Packets that left later than 5 ms after they were due.
    late_sends,
    /// Answers of the server to requests.
    answers,
    /// Those that were read later than 5 ms after they had arrived.
    late_reads,
    /// Packets that the socket refused.
    send_errors,
    /// Packets that were not sent, because the server did not read the stream of its allocation; they are lost.
    blocked,
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

/// Which way packets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To a reflector and back: their time is a round trip.
    Echo,
    /// From one allocation to another of this process: their time is one way.
    Direct,
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
    /// From when a packet was due until it was at the other end, where both ends share a clock.
    pub one_way: Distribution,
    /// From when a packet was due until the socket had it.
    pub send_lag: Distribution,
    /// When allocations were requested, and granted.
    pub allocating: Span,
    /// When packets were due.
    pub offering: Span,
    /// The longest time in which nothing at all came although packets were on their way.
    pub silence: Duration,
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

    /// An answer to a request was read, so long after it arrived.
    pub fn answered(&mut self, lag: Duration) {
        self.counters.answers += 1;
        self.counters.late_reads += u64::from(lag > LATE_READ);
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

    /// A packet arrived whole, this way.
    pub fn arrived(&mut self, verdict: &Verdict, way: Way) {
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
            match way {
                Way::Echo => self.rtt.record(verdict.since_scheduled),
                Way::Direct => self.one_way.record(verdict.since_scheduled),
            }
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
        self.silence = self.silence.max(other.silence);
    }

    /// What was counted of allocations alone.
    #[must_use]
    pub fn without_media(&self) -> Self {
        let all = &self.counters;
        let counters = Counters {
            requested: all.requested,
            succeeded: all.succeeded,
            failed: all.failed,
            lost: all.lost,
            closed: all.closed,
            undeleted: all.undeleted,
            redirected: all.redirected,
            mismatched: all.mismatched,
            peers_refused: all.peers_refused,
            requests: all.requests,
            retransmissions: all.retransmissions,
            challenges: all.challenges,
            stale_nonces: all.stale_nonces,
            refreshes: all.refreshes,
            renewals: all.renewals,
            streams: all.streams,
            answers: all.answers,
            late_reads: all.late_reads,
            ..Counters::default()
        };
        Self {
            counters,
            errors: self.errors.clone(),
            later_errors: self.later_errors.clone(),
            latency: self.latency.clone(),
            allocating: self.allocating,
            silence: self.silence,
            ..Self::default()
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Arrived, Receiver, Stamp, StreamId};
    use crate::random::Random;

    fn distribution(micros: impl IntoIterator<Item = u64>) -> Distribution {
        let mut distribution = Distribution::default();
        micros.into_iter().for_each(|value| distribution.record(Duration::from_micros(value)));
        distribution
    }

    #[test]
    fn percentiles_are_right_to_a_thousandth_up_to_a_minute() {
        let percentiles = distribution((1..=60_000).map(|value| value * 1_000)).percentiles().expect("values");
        for (value, exact) in [
            (percentiles.p50, 30_000.0),
            (percentiles.p90, 54_000.0),
            (percentiles.p99, 59_400.0),
            (percentiles.p999, 59_940.0),
        ] {
            assert!((value / exact - 1.0_f64).abs() <= 0.001, "{value} {exact}");
        }
        assert_eq!((percentiles.max, percentiles.mean), (60_000.0, 30_000.5));
    }

    #[test]
    fn small_values_are_told_apart_by_the_microsecond() {
        let percentiles = distribution([0, 1, 2, 3, 1_999]).percentiles().expect("values");
        assert_eq!((percentiles.p50, percentiles.max), (0.002, 1.999));
        let mut half = Distribution::default();
        half.record(Duration::from_nanos(1_499));
        half.record(Duration::from_nanos(1_500));
        assert_eq!(half.percentiles().map(|values| (values.p50, values.max)), Some((0.001, 0.002)));
    }

    #[test]
    fn beyond_a_minute_maximum_and_mean_stay_exact() {
        let percentiles = distribution([100_000_000, 300_000_000]).percentiles().expect("values");
        assert_eq!((percentiles.max, percentiles.mean), (300_000.0, 200_000.0));
        assert!(percentiles.p50 >= 60_000.0);
        assert_eq!(distribution([]).percentiles(), None);
    }

    #[test]
    fn no_percentile_is_above_the_maximum() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let values = distribution((0..1 + random.below(20)).map(|_| random.below(50_000_000)).collect::<Vec<_>>());
            let percentiles = values.percentiles().expect("values");
            let named = percentiles.named().map(|(_, value)| value);
            assert!(named[..5].windows(2).all(|pair| pair[0] <= pair[1]), "{percentiles:?}");
        }
    }

    #[test]
    fn the_reason_of_an_error_is_kept_and_merging_has_no_order() {
        let errors = |list: &[(&str, &str)]| {
            let mut errors = Errors::default();
            list.iter().for_each(|(key, reason)| errors.add(key, reason));
            errors
        };
        let one = errors(&[("486", ""), ("486", "Quota\u{7}"), ("timeout", "")]);
        let two = errors(&[("486", "Allocation Quota Reached"), ("508", "No port")]);
        let (mut forward, mut backward) = (one.clone(), two.clone());
        forward.merge(&two);
        backward.merge(&one);
        assert_eq!(forward, backward);
        assert_eq!((forward.count("486"), forward.total(), forward.count("300")), (3, 5, 0));
        let listed: Vec<(&str, u64, &str)> =
            forward.iter().map(|(key, errors)| (key.as_str(), errors.count, errors.reason.as_str())).collect();
        assert_eq!(listed, [("486", 3, "Allocation Quota Reached"), ("508", 1, "No port"), ("timeout", 1, "")]);
        assert_eq!(one.iter().next().map(|(_, errors)| errors.reason.as_str()), Some("Quota"));
    }

    #[test]
    fn a_hostile_reason_is_cut() {
        let mut errors = Errors::default();
        errors.add("400", &"ä".repeat(5_000));
        assert_eq!(errors.iter().map(|(_, errors)| errors.reason.chars().count()).collect::<Vec<_>>(), [127]);
    }

    /// Any of what can happen to a shard.
    fn happen(stats: &mut ShardStats, receiver: &mut Receiver, random: &mut Random, now: Moment) {
        let time = Duration::from_micros(random.below(100_000));
        match random.below(9) {
            0 => stats.requested(now),
            1 => stats.succeeded(time, now),
            2 => stats.failed("486", "Quota"),
            3 => stats.lost("timeout", ""),
            4 => stats.offered(92, now),
            5 => stats.sent(92, time),
            6 => stats.counters.missed += receiver.settle(random.below(100)),
            7 => stats.peer_refused("403", "Forbidden"),
            _ => {
                let id = StreamId { allocation: u32::from(random.below(10) == 0), ..StreamId::default() };
                let stamp = Stamp { id, sequence: random.below(100), scheduled: Moment::START, sent: Moment::START };
                let way = if random.below(2) == 0 { Way::Echo } else { Way::Direct };
                stats.arrived(&receiver.arrive(&Arrived { stamp, bytes: 92 }, now), way);
            }
        }
    }

    #[test]
    fn the_intervals_of_all_shards_sum_to_the_run() {
        let mut random = Random::new(77);
        let (mut whole, mut summed) = (ShardStats::default(), ShardStats::default());
        for shard in 0..3 {
            let mut stats = ShardStats::default();
            let mut receiver = Receiver::new(StreamId::default());
            // The same events once more for a shard that nobody takes anything from.
            let (mut twin, mut untaken) = (receiver.clone(), ShardStats::default());
            for step in 0..2_000 {
                let now = Moment::from_nanos(step * 1_000_000 + shard);
                let mut again = random.clone();
                happen(&mut stats, &mut receiver, &mut random, now);
                happen(&mut untaken, &mut twin, &mut again, now);
                if random.below(100) == 0 {
                    summed.merge(&stats.take_interval());
                    assert_eq!(stats.counters, Counters::default());
                }
            }
            summed.merge(&stats.take_interval());
            let (tally, counters) = (receiver.tally(), &untaken.counters);
            assert_eq!(
                (tally.delivered, tally.reordered, tally.recovered, tally.duplicated, tally.misdelivered, tally.missed),
                (
                    counters.delivered_packets,
                    counters.reordered,
                    counters.recovered,
                    counters.duplicated,
                    counters.misdelivered,
                    counters.missed
                )
            );
            whole.merge(&untaken);
        }
        assert_eq!(summed.counters, whole.counters);
        assert!(summed.counters.delivered_packets > 0 && summed.counters.recovered > 0);
        assert_eq!((&summed.errors, &summed.later_errors), (&whole.errors, &whole.later_errors));
        assert_eq!((summed.allocating, summed.offering), (whole.allocating, whole.offering));
        for of in [
            |stats: &ShardStats| stats.latency.clone(),
            |stats: &ShardStats| stats.rtt.clone(),
            |stats: &ShardStats| stats.jitter.clone(),
            |stats: &ShardStats| stats.one_way.clone(),
            |stats: &ShardStats| stats.send_lag.clone(),
        ] {
            let (one, other) = (of(&summed), of(&whole));
            assert!(one.count() > 0 && one.histogram() == other.histogram());
            assert_eq!(one.percentiles(), other.percentiles());
        }
    }

    #[test]
    fn a_packet_that_leaves_late_is_counted_as_late() {
        let mut stats = ShardStats::default();
        stats.sent(92, LATE_SEND);
        stats.sent(92, LATE_SEND + Duration::from_nanos(1));
        assert_eq!((stats.counters.sent_packets, stats.counters.sent_bytes, stats.counters.late_sends), (2, 184, 1));
    }

    #[test]
    fn the_last_packet_stands_for_an_interval_too() {
        let mut stats = ShardStats::default();
        assert_eq!(stats.media_time(), Duration::ZERO);
        for packet in 0..50 {
            stats.offered(92, Moment::from_nanos(packet * 20_000_000));
        }
        assert_eq!(stats.media_time(), Duration::from_secs(1));
    }
}
