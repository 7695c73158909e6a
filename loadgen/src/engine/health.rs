//! Was it the generator that could not keep up?
//!
//! In: what the shards and the peer counted of themselves. Out: sentences, none where the figures speak of the server.
//! Never: a figure of the server.

use super::clock::Waited;
use super::cpus::Shares;
use super::peer::PeerCounts;
use crate::stats::{Distribution, ShardStats};
use std::time::Duration;

/// One packet in a hundred late, and the p99 is ours; one in a thousand lost by ourselves, and the loss is.
const LATE_SHARE: f64 = 0.01;
/// One or two late ones of a few packets are chance.
const LATE_LEAST: u64 = 3;
const OWN_LOSS_SHARE: f64 = 0.001;
/// So many of the answers read late, and allocations took so long because of us. A few handshakes at once make some.
const LATE_READS: f64 = 0.25;
/// A thread that has so little left is where packets wait.
const BUSY_SHARE: f64 = 0.95;
/// A thread that had to wait for a CPU for so much of the time did what others left it.
const WAITING_SHARE: f64 = 0.4;
/// Who is pinned to CPUs that are never free, and of which others have so much, runs when it is let.
const IDLE_SHARE: f64 = 0.05;
const OTHERS_SHARE: f64 = 0.5;
/// A part of the round trips that is ours, where it is more than a busy machine makes of every wake-up.
const OWN_SHARE: f64 = 0.25;
const OWN_LEAST_MS: f64 = 1.0;
/// Below it a share of time says nothing.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a shard's thread did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) waited: Waited,
}

/// Why the figures say nothing of the server.
pub(super) fn complaints(stats: &ShardStats, efforts: &[Effort]) -> Vec<String> {
    let mut complaints = of_packets(stats);
    complaints.extend(of_allocations(stats));
    complaints.extend(of_threads(stats, efforts));
    complaints
}

/// What others had of the CPUs that turnload was pinned to.
pub(super) fn of_cpus(shares: Shares) -> Option<String> {
    (shares.idle < IDLE_SHARE && shares.others > OTHERS_SHARE).then(|| {
        format!(
            "turnload was pinned to CPUs of which others had {:.0} %, and which were never free",
            shares.others * 100.0
        )
    })
}

fn of_packets(stats: &ShardStats) -> Vec<String> {
    let counters = &stats.counters;
    let mut complaints = Vec::new();
    let late = share(counters.late_sends, counters.sent_packets);
    let lag = stats.send_lag.percentiles().unwrap_or_default();
    if late > LATE_SHARE && counters.late_sends >= LATE_LEAST {
        complaints.push(format!(
            "{:.1} % of the packets left more than 5 ms after they were due, the last of them {:.0} ms",
            late * 100.0,
            lag.max
        ));
    } else if is_ours(lag.mean, stats) {
        complaints.push(format!(
            "packets left {:.1} ms after they were due on the average: that much of their round trips is turnload's",
            lag.mean
        ));
    }
    if share(counters.socket_drops, counters.delivered_packets + counters.socket_drops) > OWN_LOSS_SHARE {
        complaints.push(format!(
            "{} packets came back and were dropped because turnload did not read them in time",
            counters.socket_drops
        ));
    }
    if share(counters.send_errors, counters.offered_packets) > OWN_LOSS_SHARE {
        complaints.push(format!("{} packets did not fit into the sockets of turnload", counters.send_errors));
    }
    complaints
}

fn of_allocations(stats: &ShardStats) -> Vec<String> {
    let counters = &stats.counters;
    let mut complaints = Vec::new();
    let local = stats.errors.count("local") + stats.later_errors.count("local");
    if local > 0 {
        complaints.push(format!("this machine had no socket or port for {local} allocations"));
    }
    let late = share(counters.late_reads, counters.answers);
    if late > LATE_READS {
        complaints.push(format!(
            "{:.0} % of the server's answers were read more than 5 ms after they had arrived",
            late * 100.0
        ));
    }
    complaints
}

fn of_threads(stats: &ShardStats, efforts: &[Effort]) -> Vec<String> {
    let mut complaints = Vec::new();
    // A flood keeps its threads busy because that is what it is for; lateness tells of the others.
    if stats.counters.late_sends > 0 && efforts.iter().any(|effort| is_busy(effort.cpu, effort.wall)) {
        complaints.push("a thread of turnload was busy all the time".to_owned());
    }
    let waiting = |effort: &Effort| effort.waited.share_of(effort.wall);
    let longest = efforts.iter().map(waiting).fold(0.0, f64::max);
    if longest > WAITING_SHARE {
        complaints.push(format!(
            "a thread of turnload had something to do and waited for a CPU for {:.0} % of the time: others had it",
            longest * 100.0
        ));
    }
    complaints
}

/// What the embedded peer did to the round trips; it has no counts where it was kept from even telling them.
pub(super) fn of_peer(stats: &ShardStats, peer: Option<PeerCounts>, wall: Duration) -> Vec<String> {
    let Some(peer) = peer else {
        return vec!["the embedded peer had no CPU; run `turnload peer` on another host".to_owned()];
    };
    let mut complaints = Vec::new();
    if share(peer.dropped, peer.reflected + peer.dropped) > OWN_LOSS_SHARE {
        complaints.push(format!("the embedded peer dropped {} packets before it read them", peer.dropped));
    }
    if is_busy(peer.cpu, wall) {
        complaints.push("the embedded peer was busy all the time; run `turnload peer` on another host".to_owned());
    }
    let wait = peer.waited.mean().as_secs_f64() * 1e3;
    if is_ours(wait, stats) || peer.waited.share_of(wall) > WAITING_SHARE {
        complaints.push(format!(
            "the embedded peer waited {wait:.1} ms for a CPU on the average before it sent packets back; run `turnload \
             peer` on another host"
        ));
    }
    complaints
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Waited {
    fn share_of(self, wall: Duration) -> f64 {
        self.time.as_secs_f64() / wall.max(SHORTEST).as_secs_f64()
    }
}

fn is_busy(cpu: Duration, wall: Duration) -> bool {
    wall > SHORTEST && cpu.as_secs_f64() > BUSY_SHARE * wall.as_secs_f64()
}

/// So many milliseconds of each way are so much of it that the figures are about us.
fn is_ours(own: f64, stats: &ShardStats) -> bool {
    let mean = |way: &Distribution| way.percentiles().map(|way| way.mean);
    let way = mean(&stats.rtt).or_else(|| mean(&stats.one_way));
    own > OWN_LEAST_MS && way.is_some_and(|way| own > OWN_SHARE * way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(late: u64, drops: u64) -> ShardStats {
        let mut stats = ShardStats::default();
        stats.counters.offered_packets = 10_000;
        stats.counters.sent_packets = 10_000;
        stats.counters.delivered_packets = 10_000;
        stats.counters.late_sends = late;
        stats.counters.socket_drops = drops;
        stats
    }

    #[test]
    fn a_few_late_packets_are_no_complaint() {
        assert_eq!(complaints(&stats(50, 5), &[]), Vec::<String>::new());
    }

    #[test]
    fn each_weakness_of_the_generator_is_named() {
        assert!(complaints(&stats(500, 0), &[])[0].contains("5.0 % of the packets left"));
        assert!(complaints(&stats(0, 50), &[])[0].contains("50 packets came back and were dropped"));
        let busy = Effort { cpu: Duration::from_secs(10), wall: Duration::from_secs(10), ..Effort::default() };
        assert!(complaints(&stats(1, 0), &[busy])[0].contains("busy all the time"));
        assert_eq!(complaints(&stats(0, 0), &[busy]), Vec::<String>::new());
        let peer = PeerCounts { reflected: 1_000, dropped: 10, ..PeerCounts::default() };
        assert!(of_peer(&stats(0, 0), Some(peer), Duration::from_secs(9))[0].contains("embedded peer"));
        let mut without_ports = stats(0, 0);
        without_ports.errors.add("local", "no port");
        assert!(complaints(&without_ports, &[])[0].contains("1 allocations"));
    }

    #[test]
    fn who_waits_for_a_cpu_cannot_judge_a_server() {
        let effort = |waited| Effort {
            wall: Duration::from_secs(10),
            waited: Waited { time: Duration::from_millis(waited), times: 1_000 },
            ..Effort::default()
        };
        assert_eq!(complaints(&stats(0, 0), &[effort(3_900)]), Vec::<String>::new());
        assert!(complaints(&stats(0, 0), &[effort(0), effort(5_200)])[0].contains("for 52 % of the time"));
    }

    #[test]
    fn who_is_pinned_beside_others_is_told_so() {
        assert!(of_cpus(Shares { idle: 0.01, others: 0.9 }).is_some_and(|told| told.contains("others had 90 %")));
        // Busy by ourselves, or with room.
        assert_eq!(of_cpus(Shares { idle: 0.01, others: 0.3 }), None);
        assert_eq!(of_cpus(Shares { idle: 0.2, others: 0.7 }), None);
    }

    #[test]
    fn a_delay_of_our_own_counts_by_what_it_is_of_the_round_trips() {
        let peer = |micros: u64| {
            let waited = Waited { time: Duration::from_micros(micros * 1_000), times: 1_000 };
            Some(PeerCounts { reflected: 10_000, waited, ..PeerCounts::default() })
        };
        for (round_trip, own, is_told) in [(4_000, 1_600, true), (20_000, 1_600, false), (1_000, 800, false)] {
            let mut stats = stats(0, 0);
            stats.rtt.record(Duration::from_micros(round_trip));
            assert_eq!(
                !of_peer(&stats, peer(own), Duration::from_secs(9)).is_empty(),
                is_told,
                "peer {round_trip} {own}"
            );
            stats.send_lag.record(Duration::from_micros(own));
            assert_eq!(!complaints(&stats, &[]).is_empty(), is_told, "{round_trip} {own}");
        }
    }

    #[test]
    fn a_peer_that_never_ran_is_told_though_no_packet_came_back_to_show_its_delay() {
        let wall = Duration::from_secs(4);
        let peer = |waited| PeerCounts {
            waited: Waited { time: Duration::from_millis(waited), times: 2 },
            ..PeerCounts::default()
        };
        let mut lost = stats(0, 0);
        lost.counters.delivered_packets = 0;
        assert_eq!(of_peer(&lost, Some(peer(100)), wall), Vec::<String>::new());
        assert!(of_peer(&lost, Some(peer(3_900)), wall)[0].contains("embedded peer"));
        assert!(of_peer(&lost, None, wall)[0].contains("embedded peer had no CPU"));
    }

    #[test]
    fn answers_that_lie_in_the_socket_are_our_delay_of_allocations() {
        let mut stats = stats(0, 0);
        stats.counters.answers = 100;
        stats.counters.late_reads = 25;
        assert_eq!(complaints(&stats, &[]), Vec::<String>::new());
        stats.counters.late_reads = 40;
        assert!(complaints(&stats, &[])[0].contains("40 % of the server's answers"));
    }
}
