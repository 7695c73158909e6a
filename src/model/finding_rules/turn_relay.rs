//! What happens inside a TURN server, where the capture holds both of its sides.

use super::super::finding::{Finding, Severity};
use super::super::relay_hop::HopFigures;
use super::super::snapshot::AllocationRow;
use super::rtp_loss::{BROKEN_PCT, ENOUGH_EXPECTED, ENOUGH_LOST, LOSS_PCT};
use super::{Evidence, Rule};

/// Milliseconds that half of the packets, or one in a hundred, may stay in a server: a hop of a network adds less, and players
/// do not bridge more than the second without being heard (ITU-T G.114 leaves 150 ms for the whole way).
const HALF_MS: f64 = 20.0;
const SOME_MS: f64 = 100.0;

pub(super) static LOSS: Rule = Rule {
    code: "TURN_RELAY_LOSS",
    severity: Severity::Error,
    title: "The TURN server does not pass all packets on",
    explanation: "The capture holds both sides of the server: packets went into it and did not come out, while the other side was \
        captured. The network before and behind it is not to blame for these.",
    advice: "Look at the server's load (a busy core, full socket buffers), at its limits (max-bps, bps-capacity), and whether a \
        permission or channel for the peer was there from the first packet on.",
    find: loss,
};

pub(super) static DELAY: Rule = Rule {
    code: "TURN_RELAY_DELAY",
    severity: Severity::Warning,
    title: "Packets stay long in the TURN server",
    explanation: "The capture holds both sides of the server: the time between a packet's way in and its way out is that of the \
        server itself. A relay that has a free core takes well below a millisecond.",
    advice: "Look at the load of the server and of its machine, at threads that share one core with others, and at TCP or TLS \
        towards the client, where a lost segment holds up all behind it.",
    find: delay,
};

/// Each direction of each allocation, with words for it.
fn directions<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = (&'a AllocationRow, &'static str, &'a HopFigures)> {
    evidence.snapshot.allocations.iter().flat_map(|row| {
        let to_peer = row.relay_hop.to_peer.as_ref().map(|figures| (row, "to its peers", figures));
        let from_peer = row.relay_hop.from_peer.as_ref().map(|figures| (row, "from its peers", figures));
        to_peer.into_iter().chain(from_peer)
    })
}

fn loss(evidence: &Evidence<'_>) -> Vec<Finding> {
    directions(evidence)
        .filter_map(|(row, way, figures)| {
            let expected = figures.matched + figures.lost;
            let percent = 100.0 * figures.lost as f64 / expected.max(1) as f64;
            if figures.lost < ENOUGH_LOST || percent < LOSS_PCT {
                return None;
            }
            let summary = format!(
                "{} lost {} of {expected} packets of {} {way} ({percent:.1} %)",
                row.server, figures.lost, row.client
            );
            let severity = if percent >= BROKEN_PCT { Severity::Error } else { Severity::Warning };
            let finding = LOSS.finding(summary).with_frames(figures.lost_frames.iter().copied()).about(&row.id);
            Some(Finding { severity, ..finding })
        })
        .collect()
}

fn delay(evidence: &Evidence<'_>) -> Vec<Finding> {
    directions(evidence)
        .filter_map(|(row, way, figures)| {
            let delay = figures.delay_ms.filter(|_| figures.matched >= ENOUGH_EXPECTED)?;
            let summary = format!(
                "packets of {} {way} stay in {} for {:.1} ms, one in a hundred for {:.1} ms or more",
                row.client, row.server, delay.p50, delay.p99
            );
            (delay.p50 >= HALF_MS || delay.p99 >= SOME_MS)
                .then(|| DELAY.finding(summary).with_frames([row.allocation.first_frame]).about(&row.id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, channel_data, rtp, stun};
    use super::super::tests::codes;
    use crate::proto::stun::{AttributeType, Class, Method, Value};

    const CLIENT: &str = "10.0.0.1:5000";
    const SERVER: &str = "10.0.0.2:3478";
    const RELAYED: &str = "10.0.0.2:50000";
    const PEER: &str = "10.0.0.9:9000";

    /// A client that sends 300 packets through the server, which passes on those that `is_passed` wants, so much later.
    fn relay(is_passed: impl Fn(u16) -> bool, delay_ms: i64) -> Stage {
        let mut stage = Stage::new();
        let address = |name: AttributeType, text: &str| (name, Value::Address(text.parse().unwrap()));
        let mut ask = |at: i64, id: u8, method: Method, asked: &[_], granted: &[_]| {
            stage.udp(at, CLIENT, SERVER, &stun(Class::Request, method, id, asked));
            stage.udp(at + 1, SERVER, CLIENT, &stun(Class::SuccessResponse, method, id, granted));
        };
        let lifetime = (AttributeType::LIFETIME, Value::U32(600));
        ask(0, 1, Method::ALLOCATE, &[], &[address(AttributeType::XOR_RELAYED_ADDRESS, RELAYED), lifetime]);
        let number = (AttributeType::CHANNEL_NUMBER, Value::U16(0x4000));
        ask(10, 2, Method::CHANNEL_BIND, &[number, address(AttributeType::XOR_PEER_ADDRESS, PEER)], &[]);
        let mut packets: Vec<(i64, u16, bool)> = Vec::new();
        for seq in 0..300 {
            let at = 100 + i64::from(seq) * 20;
            packets.push((at, seq, true));
            packets.extend(is_passed(seq).then_some((at + delay_ms, seq, false)));
        }
        packets.sort_unstable_by_key(|packet| packet.0);
        for (at, seq, is_inward) in packets {
            let packet = rtp(96, 7, seq, u32::from(seq) * 160);
            if is_inward {
                stage.udp(at, CLIENT, SERVER, &channel_data(0x4000, &packet));
            } else {
                stage.udp(at, RELAYED, PEER, &packet);
            }
        }
        stage
    }

    #[test]
    fn a_server_that_drops_is_told_with_the_frames_and_one_that_passes_all_is_not() {
        assert!(!codes(&mut relay(|_| true, 1)).iter().any(|code| code.starts_with("TURN_RELAY")));
        let findings = relay(|seq| seq % 20 != 7, 1).snapshot().findings;
        let found = findings.iter().find(|finding| finding.code == "TURN_RELAY_LOSS").unwrap();
        assert!(found.summary.contains("lost 15 of 300 packets of 10.0.0.1:5000 to its peers (5.0 %)"), "{found:?}");
        assert_eq!(found.frames.len(), super::super::FRAMES);
    }

    #[test]
    fn a_server_that_holds_packets_up_is_told() {
        assert!(codes(&mut relay(|_| true, 30)).contains(&"TURN_RELAY_DELAY"));
        assert!(!codes(&mut relay(|_| true, 5)).contains(&"TURN_RELAY_DELAY"));
    }
}
