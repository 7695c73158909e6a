//! Was it the generator that could not keep up?
//!
//! In: what the shards and the peer counted of themselves. Out: sentences, none where the figures speak of the server.
//! Never: a figure of the server.

use super::peer::PeerCounts;
use crate::stats::ShardStats;
use std::time::Duration;

/// One packet in a hundred late, and the p99 is ours; of a short and gentle load that is a single one, and its p99 is
/// just that packet. One in a thousand lost by ourselves, and the loss is.
const LATE_SHARE: f64 = 0.01;
const OWN_LOSS_SHARE: f64 = 0.001;
/// A thread that has so little left is where packets wait.
const BUSY_SHARE: f64 = 0.95;

/// What a shard's thread did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
}

/// Why the figures say nothing of the server.
pub(super) fn complaints(stats: &ShardStats, efforts: &[Effort], peer: Option<(PeerCounts, Duration)>) -> Vec<String> {
    let counters = &stats.counters;
    let mut complaints = Vec::new();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let late = share(counters.late_sends, counters.sent_packets);
    if late > LATE_SHARE {
        let worst = stats.send_lag.percentiles().map_or(0.0, |lag| lag.max);
        complaints.push(format!(
            "{:.1} % of the packets left more than 5 ms after they were due, the last of them {worst:.0} ms",
            late * 100.0
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
    let local = stats.errors.count("local") + stats.later_errors.count("local");
    if local > 0 {
        complaints.push(format!("this machine had no socket or port for {local} allocations"));
    }
    if let Some((peer, wall)) = peer {
        if share(peer.dropped, peer.reflected + peer.dropped) > OWN_LOSS_SHARE {
            complaints.push(format!("the embedded peer dropped {} packets before it read them", peer.dropped));
        }
        if is_busy(Effort { cpu: peer.cpu, wall }) {
            complaints.push("the embedded peer was busy all the time; run `turnload peer` on another host".to_owned());
        }
    }
    // A flood keeps its threads busy because that is what it is for; lateness tells of the others.
    if late > 0.0 && efforts.iter().any(|effort| is_busy(*effort)) {
        complaints.push("a thread of turnload was busy all the time".to_owned());
    }
    complaints
}

fn is_busy(effort: Effort) -> bool {
    effort.wall > Duration::from_secs(1) && effort.cpu.as_secs_f64() > BUSY_SHARE * effort.wall.as_secs_f64()
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
        assert_eq!(complaints(&stats(50, 5), &[], None), Vec::<String>::new());
    }

    #[test]
    fn each_weakness_of_the_generator_is_named() {
        assert!(complaints(&stats(500, 0), &[], None)[0].contains("5.0 % of the packets left"));
        assert!(complaints(&stats(0, 50), &[], None)[0].contains("50 packets came back and were dropped"));
        let busy = Effort { cpu: Duration::from_secs(10), wall: Duration::from_secs(10) };
        assert!(complaints(&stats(1, 0), &[busy], None)[0].contains("busy all the time"));
        assert_eq!(complaints(&stats(0, 0), &[busy], None), Vec::<String>::new());
        let peer = PeerCounts { reflected: 1_000, dropped: 10, ..PeerCounts::default() };
        assert!(complaints(&stats(0, 0), &[], Some((peer, Duration::from_secs(9))))[0].contains("embedded peer"));
        let mut without_ports = stats(0, 0);
        without_ports.errors.add("local", "no port");
        assert!(complaints(&without_ports, &[], None)[0].contains("1 allocations"));
    }
}
