//! One direction that the capture does not have, though it was there: what the other side sends shows it.
//!
//! In: flows on which only one side is seen to send. Out: a finding for each two hosts, and the flows of which nothing that
//! is missing may be believed. Never: a stream that simply goes one way; nobody has to answer media.

use super::super::dtls::MessageKind;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::{FlowRow, HandshakeRow};
use super::evidence::UnseenReport;
use super::{Evidence, Fault, Rule};
use crate::net::{Addr, Transport};
use crate::packet::FrameNo;
use crate::proto::dtls::HandshakeType;
use crate::proto::stun::Method;
use std::collections::{BTreeMap, BTreeSet};

/// Answers without a request, below which the capture may have begun between the two.
const ANSWERS: u64 = 3;
/// TURN requests that nobody repeats, and the seconds in which they would have been: with an RTO of 500 ms twice
/// (RFC 8489, section 6.2.1).
const REQUESTS: usize = 2;
const REPEATED_S: f64 = 3.0;
/// Bytes of TCP that are acknowledged, more than a keep-alive has.
const BYTES: u32 = 100;

pub(super) static RULE: Rule = Rule {
    code: "CAPTURE_ONE_DIRECTION",
    severity: Severity::Warning,
    title: "The capture lacks one direction",
    explanation: "Nothing that one of two hosts sends to the other is in the capture, and the other shows that it comes: it answers \
        requests, acknowledges bytes or reports on media that are not here. Nothing that seems to be missing in this \
        direction is lost, and no rule that looks for missing answers or missing media says anything of it.",
    advice: "Capture where both directions pass: at one of the hosts, on both ports of a mirrored link, on each link of a bundle; \
        and look at filters that name a source or a destination.",
    find,
};

/// What one side of a flow does that it would not do without the other.
struct Proof<'a> {
    flow: &'a FlowRow,
    words: String,
    frames: Vec<FrameNo>,
}

type Hosts = (Addr, Addr);

fn hosts(flow: &FlowRow) -> Hosts {
    (flow.a.addr, flow.b.addr)
}

/// Flows of which only one side is seen to send, and proof that the other does, by the host that is seen and the one that
/// is not.
fn proofs<'a>(evidence: &Evidence<'a>) -> BTreeMap<Hosts, Vec<Proof<'a>>> {
    let mut all: BTreeMap<Hosts, Vec<Proof<'a>>> = BTreeMap::new();
    let found =
        of_faults(evidence).into_iter().chain(of_turn(evidence)).chain(of_dtls(evidence)).chain(of_rtcp(evidence));
    for proof in found.filter(|proof| is_one_way(evidence, proof.flow)) {
        all.entry(hosts(proof.flow)).or_default().push(proof);
    }
    all
}

/// True where nothing goes the other way, also not in another tunnel.
fn is_one_way(evidence: &Evidence<'_>, flow: &FlowRow) -> bool {
    let goes_back = |other: &FlowRow| {
        let is_reverse = (other.a, other.b) == (flow.b, flow.a);
        is_reverse || (other.a, other.b) == (flow.a, flow.b) && other.first_backward.is_some()
    };
    let others = evidence.flows_between(flow.a.addr, flow.b.addr);
    flow.first_backward.is_none() && !others.iter().any(|other| goes_back(other))
}

/// True where no packet went the other way between two hosts on any flow.
fn is_silent(evidence: &Evidence<'_>, (seen, silent): Hosts) -> bool {
    let mut flows = evidence.flows_between(seen, silent).iter();
    !flows.any(|flow| hosts(flow) == (silent, seen) || (hosts(flow) == (seen, silent) && flow.first_backward.is_some()))
}

/// The flows of which one direction is missing.
pub(super) fn halves<'a>(evidence: &Evidence<'a>) -> BTreeSet<&'a str> {
    let mut halves = BTreeSet::new();
    for (hosts_of, proofs) in proofs(evidence) {
        halves.extend(proofs.iter().map(|proof| proof.flow.id.as_str()));
        if is_silent(evidence, hosts_of) {
            let flows = evidence.flows_between(hosts_of.0, hosts_of.1).iter().filter(|flow| hosts(flow) == hosts_of);
            halves.extend(flows.map(|flow| flow.id.as_str()));
        }
    }
    halves
}

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let has_rtc = |flow: &FlowRow| flow.classes.iter().any(|(class, number)| class.is_rtc() && number > 0);
    let case = |(hosts_of, proofs): (Hosts, Vec<Proof<'_>>)| {
        let first = proofs.first()?;
        let is_silent = is_silent(evidence, hosts_of);
        let mut flows = evidence.flows_between(hosts_of.0, hosts_of.1).iter().filter(|_| is_silent);
        if !flows.any(|flow| hosts(flow) == hosts_of && has_rtc(flow))
            && !proofs.iter().any(|proof| has_rtc(proof.flow))
        {
            return None;
        }
        let (seen, silent) = match is_silent {
            true => (first.flow.a.addr.to_string(), first.flow.b.addr.to_string()),
            false => (first.flow.a.to_string(), first.flow.b.to_string()),
        };
        let more = match proofs.len() {
            1 => String::new(),
            number => format!(", and {} more like it", number - 1),
        };
        let summary = format!("nothing of {silent} to {seen} is here, though {seen} {}{more}", first.words);
        let frames = proofs.iter().flat_map(|proof| proof.frames.iter().copied());
        Some(RULE.finding(summary).with_frames(frames).about(&first.flow.id))
    };
    proofs(evidence).into_iter().filter_map(case).collect()
}

fn of_faults<'a>(evidence: &Evidence<'a>) -> Vec<Proof<'a>> {
    let proof = |fault: &Fault| match fault {
        Fault::Unasked { flow, count, frames } if *count >= ANSWERS => {
            let words = format!("answers {count} STUN requests");
            Some(Proof { flow: evidence.flow(flow)?, words, frames: frames.clone() })
        }
        Fault::Acknowledged { flow, bytes, frames } if *bytes >= BYTES => {
            let words = format!("acknowledges {bytes} bytes of TCP");
            Some(Proof { flow: evidence.flow(flow)?, words, frames: frames.to_vec() })
        }
        _ => None,
    };
    evidence.faults.iter().filter_map(proof).collect()
}

/// A client that goes on to use an allocation and repeats no request has its answers.
fn of_turn<'a>(evidence: &Evidence<'a>) -> Vec<Proof<'a>> {
    let mut by_flow: BTreeMap<&str, Vec<(FrameNo, bool)>> = BTreeMap::new();
    for row in &evidence.snapshot.transactions {
        let transaction = &row.transaction;
        let of_allocation = [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
        let is_proof = transaction.request_count == 1
            && transaction.response_frame.is_none()
            && evidence.seconds_to_end(transaction.first_ts) >= REPEATED_S;
        if of_allocation.contains(&transaction.method) {
            by_flow.entry(&row.flow).or_default().push((transaction.first_frame, is_proof));
        }
    }
    let proof = |(flow, requests): (&str, Vec<(FrameNo, bool)>)| {
        let flow = evidence.flow(flow).filter(|flow| flow.transport == Transport::Udp)?;
        let frames: Vec<FrameNo> = requests.iter().filter(|(_, is_proof)| *is_proof).map(|(frame, _)| *frame).collect();
        let words = format!("sent {} requests of an allocation and repeated none of them", requests.len());
        // One that was repeated may mean that the server does not answer.
        (frames.len() >= REQUESTS && frames.len() == requests.len()).then_some(Proof { flow, words, frames })
    };
    by_flow.into_iter().filter_map(proof).collect()
}

/// A side that goes on with a handshake has the other's flights.
fn of_dtls<'a>(evidence: &Evidence<'a>) -> Vec<Proof<'a>> {
    let proof = |row: &HandshakeRow| {
        let messages = row.handshake.flights.iter().flat_map(|flight| &flight.messages);
        // What is encrypted in DTLS 1.3 may be anything.
        let opens = [MessageKind::Handshake(HandshakeType::CLIENT_HELLO), MessageKind::Encrypted];
        let answers = messages.filter(|message| !opens.contains(&message.kind));
        let answers: BTreeSet<FrameNo> = answers.map(|message| message.first.frame).collect();
        let hello = row.handshake.client_hello.map(|hello| hello.frame);
        let frames: Vec<FrameNo> = hello.into_iter().chain(answers.iter().copied()).collect();
        // Somebody may have kept a single datagram of one.
        let flow = evidence.flow(&row.flow).filter(|_| !answers.is_empty() && frames.len() > 1)?;
        Some(Proof { flow, words: "goes on with a DTLS handshake".to_owned(), frames })
    };
    evidence.snapshot.handshakes.iter().filter_map(proof).collect()
}

/// A receiver that reports on a stream that grows gets it.
fn of_rtcp<'a>(evidence: &Evidence<'a>) -> Vec<Proof<'a>> {
    let proof = |report: UnseenReport<'a>| {
        let flow = evidence.flow(&report.row.flow)?;
        let words = format!("reports on {}, which grows by {} packets", report.first.about, report.growth);
        Some(Proof { flow, words, frames: vec![report.first.frame, report.last.frame] })
    };
    evidence.reports_on_unseen().into_iter().filter_map(proof).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp, stun};
    use super::super::tests::codes;
    use crate::proto::dtls::vectors::{AIORTC_1_2, hex};
    use crate::proto::stun::{Class, Method};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    fn answer(id: u8) -> Vec<u8> {
        stun(Class::SuccessResponse, Method::BINDING, id, &[])
    }

    #[test]
    fn answers_to_requests_that_are_not_here_show_the_other_direction() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &answer(1)).udp(1000, A, B, &answer(2));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(2000, A, B, &answer(3));
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].frames.len()), ("CAPTURE_ONE_DIRECTION", 3));
        assert_eq!(
            findings[0].summary,
            "nothing of 10.0.0.2 to 10.0.0.1 is here, though 10.0.0.1 answers 3 STUN requests"
        );
        stage.udp(3000, B, A, b"here");
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn a_client_of_turn_that_repeats_nothing_has_its_answers() {
        let request = |method, id| stun(Class::Request, method, id, &[]);
        let client = |repeats: bool| {
            let mut stage = Stage::new();
            stage.udp(0, A, B, &request(Method::CREATE_PERMISSION, 1)).udp(50, A, B, &request(Method::CHANNEL_BIND, 2));
            if repeats {
                stage.udp(550, A, B, &request(Method::CHANNEL_BIND, 2));
            }
            stage.udp(9000, A, "10.0.0.9:9", b"later");
            codes(&mut stage)
        };
        assert_eq!(client(false), ["CAPTURE_ONE_DIRECTION"]);
        assert!(!client(true).contains(&"CAPTURE_ONE_DIRECTION"));
    }

    #[test]
    fn half_of_a_handshake_is_not_stuck() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &hex(AIORTC_1_2[0])).udp(20, A, B, &hex(AIORTC_1_2[2]));
        stage.udp(9000, A, "10.0.0.9:9", b"later");
        let codes = codes(&mut stage);
        assert!(codes.contains(&"CAPTURE_ONE_DIRECTION") && !codes.contains(&"DTLS_STUCK"), "{codes:?}");
    }

    /// A segment with twenty bytes of STUN that acknowledges so many bytes.
    fn segment(seq: u32, ack: u32, id: u8) -> Vec<u8> {
        let payload = stun(Class::Request, Method::ALLOCATE, id, &[]);
        let mut ip = vec![0x45, 0];
        ip.extend((40 + payload.len() as u16).to_be_bytes());
        ip.extend([0, id, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        ip.extend([5000_u16.to_be_bytes(), 3478_u16.to_be_bytes()].concat());
        ip.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        ip.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        ip.extend(payload);
        ip
    }

    #[test]
    fn bytes_that_are_acknowledged_were_sent() {
        let mut stage = Stage::new();
        stage.ip(0, 0, &segment(1, 1, 1)).ip(0, 100, &segment(21, 81, 2));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.ip(0, 200, &segment(41, 181, 3));
        assert_eq!(codes(&mut stage), ["CAPTURE_ONE_DIRECTION"]);
    }

    /// A receiver report of A about a stream of B.
    fn report(highest: u32) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0];
        bytes.extend(highest.to_be_bytes());
        bytes.extend([0; 12]);
        bytes
    }

    #[test]
    fn a_call_whose_other_half_is_reported_on_is_not_one_way() {
        let sdp = |host: &str, port: u16| {
            format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
        };
        let call = |has_reports: bool| {
            let mut stage = Stage::new();
            let ends = ("10.0.0.8:5060", "10.0.0.9:5060");
            stage.agree(0, 1, ends, &sdp("10.0.0.1", 5000), &sdp("10.0.0.2", 6000));
            for seq in 0..500_u16 {
                stage.udp(100 + i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
                if has_reports && seq % 100 == 99 {
                    stage.udp(101 + i64::from(seq) * 20, "10.0.0.1:5001", "10.0.0.2:6001", &report(u32::from(seq)));
                }
            }
            codes(&mut stage)
        };
        assert_eq!(call(false)[0], "RTP_ONE_WAY");
        assert_eq!(call(true), ["CAPTURE_ONE_DIRECTION"]);
    }
}
