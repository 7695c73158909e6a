//! ICMP errors about what was sent: nobody listens there, nothing leads there, or it is too large.

use super::super::class::Class;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::{FlowRow, IcmpRow};
use super::evidence::span;
use super::{Evidence, Rule};
use crate::net::{Endpoint, IcmpReason, Transport};
use std::collections::{BTreeMap, BTreeSet};

/// Errors below which a port may only have been opened a moment late.
const ENOUGH: u64 = 3;
/// The same in seconds between the first and the last.
const LASTING_S: f64 = 1.0;
/// Hosts send one error a second and no more (RFC 1812, section 4.3.2.8, asks for a limit). Where media goes on for longer than
/// this without one, somebody listens.
const SILENCE_MS: f64 = 3_000.0;
/// Who leaves a call first is sent to for a while by who has not heard of it; longer than this is no such moment.
const AFTERWARDS_S: f64 = 5.0;

pub(super) static UNREACHABLE: Rule = Rule {
    code: "DESTINATION_UNREACHABLE",
    severity: Severity::Error,
    title: "What is sent is refused at its destination",
    explanation: "ICMP errors say that what was sent could not be delivered, and nothing ever came from there: nobody listens at \
        that port, or nothing leads to that host. The other side hears nothing of this sender.",
    advice: "Port unreachable comes from the host itself: look whether the program runs, and at which address and port it \
        listens; the port in the SDP may be another. Host, network unreachable and prohibited come from a router or firewall: \
        look at its address, routes and rules.",
    find: unreachable,
};

pub(super) static CLOSED: Rule = Rule {
    code: "PEER_PORT_CLOSED",
    severity: Severity::Info,
    title: "One side has gone and is still sent to",
    explanation: "The other side took part, and then its host answered with ICMP port unreachable for seconds: the program has \
        ended or closed its socket, and the sender has not heard of it.",
    advice: "Look whether the call was ended by its signalling before that, and whether that message arrived. A crash looks the \
        same.",
    find: closed,
};

pub(super) static PATH_MTU: Rule = Rule {
    code: "PATH_MTU",
    severity: Severity::Warning,
    title: "Packets are too large for their path",
    explanation: "A router says that packets are larger than its next hop takes and may not be fragmented: they are lost. Small \
        packets pass, so sound often works and pictures, handshakes and long SIP messages do not.",
    advice: "Send smaller packets: an RTP payload of 1,200 bytes fits nearly everywhere. Tunnels and VPNs are the usual reason; \
        look that ICMP reaches the sender, or clamp the size where the tunnel begins.",
    find: path_mtu,
};

/// The ICMP errors of one reason about what a side of a flow sent, with that flow.
fn cases<'a>(evidence: &Evidence<'a>) -> Vec<(&'a IcmpRow, &'a FlowRow)> {
    let rows = &evidence.snapshot.icmp;
    if rows.is_empty() {
        return Vec::new();
    }
    let key = |transport: Transport, a: Endpoint, b: Endpoint| (transport, a.min(b), a.max(b));
    let outer = evidence.snapshot.flows.iter().filter(|flow| flow.parent.is_none());
    let flows: BTreeMap<_, &FlowRow> = outer.map(|flow| (key(flow.transport, flow.a, flow.b), flow)).collect();
    let of = |row: &'a IcmpRow| Some((row, *flows.get(&key(row.flow.transport, row.flow.src, row.flow.dst))?));
    // Ports are used again: what was said before the flow began is not about it.
    rows.iter().filter_map(of).filter(|(row, flow)| row.last_ts >= flow.first_ts).collect()
}

/// Seconds between the first and the last error.
fn lasted(row: &IcmpRow) -> f64 {
    row.last_ts.millis_since(row.first_ts) / 1000.0
}

const fn is_refusal(reason: IcmpReason) -> bool {
    !matches!(reason, IcmpReason::PacketTooBig | IcmpReason::TimeExceeded)
}

fn unreachable(evidence: &Evidence<'_>) -> Vec<Finding> {
    // Of the candidates of a pair many lead nowhere, and the checks are there to find out.
    let checked: BTreeSet<&str> = evidence.snapshot.pairs.iter().map(|pair| pair.flow.as_str()).collect();
    let mut findings = Vec::new();
    for (row, flow) in cases(evidence) {
        let never_answered = flow.first_backward.is_none() && flow.a == row.flow.src;
        // A phone without RTCP is none the worse for it.
        let sends = |classes: &[Class]| classes.iter().any(|class| flow.classes.of(*class) > 0);
        let is_call = sends(&[Class::Rtp, Class::Srtp, Class::Sip, Class::Stun, Class::Dtls]);
        let is_heard_now_and_then = sends(&[Class::Rtp, Class::Srtp])
            && (row.first_ts.millis_since(flow.first_ts) > SILENCE_MS
                || row.max_gap_ms > SILENCE_MS
                || flow.last_ts.millis_since(row.last_ts) > SILENCE_MS);
        let is_lasting = row.count >= ENOUGH && lasted(row) >= LASTING_S;
        let is_sip = flow.classes.of(Class::Sip) > 0;
        if !is_refusal(row.reason)
            || !never_answered
            || !is_call
            || is_heard_now_and_then
            || !(is_lasting || is_sip)
            || flow.transport != Transport::Udp
            || checked.contains(flow.id.as_str())
        {
            continue;
        }
        let summary = format!(
            "{} → {}: {} {} from {}{}; nothing came from there",
            row.flow.src,
            row.flow.dst,
            row.count,
            if row.count == 1 { format!("{} error", row.reason) } else { format!("{} errors", row.reason) },
            row.from,
            if row.count == 1 { String::new() } else { format!(" in {}", span(lasted(row))) },
        );
        let finding = UNREACHABLE.finding(summary).with_frames(row.frames.iter().copied()).about(&flow.id);
        // A caller that tries the next address of a name goes on at once.
        findings.push(Finding { severity: if is_lasting { finding.severity } else { Severity::Warning }, ..finding });
    }
    findings
}

fn closed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let is_case = |(row, flow): &(&IcmpRow, &FlowRow)| {
        let took_part = flow.a == row.flow.dst || flow.first_backward.is_some();
        let has_media = flow.classes.of(Class::Rtp) + flow.classes.of(Class::Srtp) > 0;
        row.reason == IcmpReason::PortUnreachable
            && took_part
            && has_media
            && row.count >= ENOUGH
            && lasted(row) >= AFTERWARDS_S
    };
    let finding = |(row, flow): (&IcmpRow, &FlowRow)| {
        let summary = format!(
            "{} → {}: {} port unreachable errors in {}, after it had taken part",
            row.flow.src,
            row.flow.dst,
            row.count,
            span(lasted(row)),
        );
        CLOSED.finding(summary).with_frames(row.frames.iter().copied()).about(&flow.id)
    };
    cases(evidence).into_iter().filter(is_case).map(finding).collect()
}

fn path_mtu(evidence: &Evidence<'_>) -> Vec<Finding> {
    // TCP is made to find out that way.
    let is_case = |(row, flow): &(&IcmpRow, &FlowRow)| {
        row.reason == IcmpReason::PacketTooBig
            && flow.transport == Transport::Udp
            && flow.classes.iter().any(|(class, number)| class.is_rtc() && number > 0)
    };
    let finding = |(row, flow): (&IcmpRow, &FlowRow)| {
        let takes = row.mtu.map_or_else(String::new, |mtu| format!(": its next hop takes {mtu} bytes"));
        let packets = if row.count == 1 { "1 packet was" } else { "packets were" };
        let number = if row.count == 1 { String::new() } else { format!("{} ", row.count) };
        let summary =
            format!("{} → {}: {number}{packets} too large for {}{takes}", row.flow.src, row.flow.dst, row.from);
        PATH_MTU.finding(summary).with_frames(row.frames.iter().copied()).about(&flow.id)
    };
    cases(evidence).into_iter().filter(is_case).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, stun};
    use super::super::tests::codes;
    use super::*;
    use crate::proto::stun::{Class as Kind, Method};

    const HERE: &str = "10.0.0.1:5000";
    const THERE: &str = "10.0.0.2:6000";

    /// An ICMP error from 10.0.0.`from` about a datagram from HERE to THERE with that IP identification.
    fn icmp(kind: u8, code: u8, mtu: u16, from: u8, id: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, from, 10, 0, 0, 1];
        packet.extend([kind, code, 0, 0, 0, 0]);
        packet.extend(mtu.to_be_bytes());
        packet.extend([0x45, 0, 0, 200]);
        packet.extend(id.to_be_bytes());
        packet.extend([0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0x13, 0x88, 0x17, 0x70, 0, 180, 0, 0]);
        packet
    }

    fn rtp(seq: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(seq.to_be_bytes());
        packet.extend((u32::from(seq) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend([0; 160]);
        packet
    }

    /// Speech for so many packets, each of which is refused.
    fn refused(packets: u16, code: u8) -> Stage {
        let mut stage = Stage::new();
        for seq in 0..packets {
            let at = i64::from(seq) * 20;
            stage.udp(at, HERE, THERE, &rtp(seq)).ip(0, at + 1, &icmp(3, code, 0, 2, seq));
        }
        stage
    }

    #[test]
    fn speech_to_a_port_at_which_nobody_listens_is_an_error_that_names_who_said_so() {
        let findings = refused(100, 3).snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("DESTINATION_UNREACHABLE", Severity::Error));
        assert_eq!(
            findings[0].summary,
            "10.0.0.1:5000 → 10.0.0.2:6000: 100 port unreachable errors from 10.0.0.2 in 2.0 s; nothing came from there"
        );
        assert_eq!(findings[0].frames.first().map(|frame| frame.0), Some(2));
        assert!(refused(100, 1).snapshot().findings[0].summary.contains("100 host unreachable errors"));
    }

    #[test]
    fn a_port_that_opens_a_moment_late_is_none() {
        let mut stage = refused(10, 3);
        for seq in 10..200 {
            stage.udp(i64::from(seq) * 20, HERE, THERE, &rtp(seq));
        }
        assert!(!codes(&mut stage).contains(&"DESTINATION_UNREACHABLE"));
    }

    #[test]
    fn a_receiver_that_begins_late_and_ends_early_was_there() {
        let mut stage = Stage::new();
        for seq in 0..500 {
            let at = i64::from(seq) * 20;
            stage.udp(at, HERE, THERE, &rtp(seq));
            if !(75..400).contains(&seq) {
                stage.ip(0, at + 1, &icmp(3, 3, 0, 2, seq));
            }
        }
        assert!(!codes(&mut stage).contains(&"DESTINATION_UNREACHABLE"));
    }

    #[test]
    fn the_copies_of_a_mirror_port_are_one_error() {
        let mut stage = Stage::new();
        for seq in 0..100 {
            let at = i64::from(seq) * 20;
            stage.udp(at, HERE, THERE, &rtp(seq)).ip(0, at + 1, &icmp(3, 3, 0, 2, seq)).again(1);
        }
        assert_eq!(stage.snapshot().icmp[0].count, 100);
    }

    #[test]
    fn who_took_part_and_has_gone_is_no_error() {
        let mut stage = Stage::new();
        for seq in 0..50 {
            stage.udp(i64::from(seq) * 20, HERE, THERE, &rtp(seq)).udp(i64::from(seq) * 20, THERE, HERE, &rtp(seq));
        }
        for seq in 50..400 {
            let at = i64::from(seq) * 20;
            stage.udp(at, HERE, THERE, &rtp(seq)).ip(0, at + 1, &icmp(3, 3, 0, 2, seq));
        }
        let codes = codes(&mut stage);
        assert!(codes.contains(&"PEER_PORT_CLOSED") && !codes.contains(&"DESTINATION_UNREACHABLE"), "{codes:?}");
    }

    #[test]
    fn a_server_that_does_not_run_is_told_from_one_that_is_silent() {
        let mut stage = Stage::new();
        for (id, at) in [0, 500, 1500, 3500].into_iter().enumerate() {
            stage.udp(at, HERE, THERE, &stun(Kind::Request, Method::ALLOCATE, 1, &[]));
            stage.ip(0, at + 1, &icmp(3, 3, 0, 2, id as u16));
        }
        assert_eq!(codes(&mut stage)[..2], ["DESTINATION_UNREACHABLE", "TURN_NO_ANSWER"]);
    }

    #[test]
    fn requests_that_look_the_same_are_refused_each_and_a_copy_is_not() {
        let mut stage = Stage::new();
        for at in [0, 500, 1500, 3500] {
            stage.udp(at, HERE, THERE, &stun(Kind::Request, Method::ALLOCATE, 1, &[]));
            stage.ip(0, at + 1, &icmp(3, 3, 0, 2, 0)).again(1);
        }
        let snapshot = stage.snapshot();
        assert_eq!((snapshot.icmp[0].count, snapshot.findings[0].code), (4, "DESTINATION_UNREACHABLE"));
    }

    #[test]
    fn a_router_that_takes_less_is_named_with_what_it_takes() {
        let mut stage = Stage::new();
        for seq in 0..20 {
            let at = i64::from(seq) * 20;
            stage.udp(at, HERE, THERE, &rtp(seq)).udp(at, THERE, HERE, &rtp(seq));
        }
        stage.ip(0, 500, &icmp(3, 4, 1400, 9, 1)).ip(0, 520, &icmp(3, 4, 1280, 9, 2));
        let findings = stage.snapshot().findings;
        let found = findings.iter().find(|finding| finding.code == "PATH_MTU").expect("a finding");
        assert_eq!(
            found.summary,
            "10.0.0.1:5000 → 10.0.0.2:6000: 2 packets were too large for 10.0.0.9: its next hop takes 1280 bytes"
        );
    }
}
