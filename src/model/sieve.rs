//! Packets that belong to something, out of all.
//!
//! In: datagrams and segments in capture order. Out: whether each belongs. Never: a datagram taken for a call's because of
//! its addresses, where what it says is another call's.

use super::belonging::{Belonging, FlowPart};
use crate::net::{Datagram, FiveTuple, Segment};
use crate::packet::FrameNo;
use crate::proto::channel_data::ChannelData;
use crate::proto::demux::{Class, classify_cut};
use crate::proto::rtp::RtpHeader;
use crate::proto::sip;
use crate::proto::stun::{self, AttributeType, Method};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Messages in messages that are opened.
const MAX_DEPTH: usize = 4;

/// Tells packets apart.
#[derive(Debug)]
pub struct Sieve<'b> {
    wanted: &'b Belonging,
    /// Directions of TCP in which a message of the call has begun, and the frame that completes it.
    open: BTreeMap<FiveTuple, FrameNo>,
}

impl<'b> Sieve<'b> {
    /// One for these packets.
    pub const fn new(wanted: &'b Belonging) -> Self {
        Self { wanted, open: BTreeMap::new() }
    }

    /// Whether a record belongs to it, whatever it holds.
    pub fn has_frame(&self, frame: FrameNo) -> bool {
        self.wanted.frames.contains(&frame)
    }

    /// Whether a datagram belongs to it.
    pub fn has_datagram(&self, datagram: &Datagram<'_>) -> bool {
        let call_id =
            self.wanted.call_id.as_deref().filter(|_| datagram.payload.first().is_some_and(u8::is_ascii_alphabetic));
        if let (Some(wanted), Some(message)) = (call_id, sip::Message::parse(datagram.payload)) {
            return message.call_id() == Some(wanted);
        }
        let mut parts = self.parts(&datagram.flow).peekable();
        if parts.peek().is_none() {
            return false;
        }
        let (payload, missing) = innermost(datagram.payload, datagram.missing);
        let class = classify_cut(payload, missing);
        parts.any(|part| has_payload(part, &datagram.flow, datagram.carrier.ts, class, payload))
    }

    /// Whether a segment belongs to it. A message of a call may have several: from the one that names the call to the one that
    /// completes it all of that direction do.
    pub fn has_segment(&mut self, segment: &Segment<'_>) -> bool {
        let frame = segment.carrier.frame;
        if let Some(call_id) = self.wanted.call_id.as_deref().map(str::as_bytes).filter(|id| !id.is_empty()) {
            if segment.payload.windows(call_id.len()).any(|window| window == call_id) {
                let whole = self.wanted.frames.range(frame..).next().copied();
                self.open.insert(segment.flow, whole.unwrap_or(frame));
            }
            if self.open.get(&segment.flow).is_some_and(|whole| frame <= *whole) {
                return true;
            }
        }
        self.is_in_time(&segment.flow, segment.carrier.ts)
    }

    /// Whether a message about a flow, of which it has no more than the addresses, belongs to it.
    pub fn is_in_time(&self, flow: &FiveTuple, ts: Timestamp) -> bool {
        self.parts(flow).any(|part| part.rest.is_some_and(|span| span.has(ts)))
    }

    fn parts(&self, flow: &FiveTuple) -> impl Iterator<Item = &'b FlowPart> {
        let (transport, src, dst) = (flow.transport, flow.src, flow.dst);
        let is_on =
            move |part: &&FlowPart| part.transport == transport && (part.ends == (src, dst) || part.ends == (dst, src));
        self.wanted.flows.iter().filter(is_on)
    }
}

fn has_payload(part: &FlowPart, flow: &FiveTuple, ts: Timestamp, class: Class, payload: &[u8]) -> bool {
    let in_time = part.rest.is_some_and(|span| span.has(ts));
    match class {
        Class::Rtp => {
            let source = RtpHeader::parse(payload).ok().map(|header| (flow.src, header.ssrc.0));
            let is_in = |sources: &BTreeSet<_>| source.is_some_and(|source| sources.contains(&source));
            is_in(&part.own) || in_time && !is_in(&part.others)
        }
        Class::Rtcp => {
            // Wherever a report names a source, it does so in a word of its own.
            let names = |ssrc: u32| payload.chunks_exact(4).skip(1).any(|word| word == ssrc.to_be_bytes());
            let is_about = |sources: &BTreeSet<(_, u32)>| sources.iter().any(|(_, ssrc)| names(*ssrc));
            is_about(&part.own) || in_time && !is_about(&part.others)
        }
        _ => in_time,
    }
}

/// What TURN carries, however deep, and how much of it the capture lacks.
fn innermost(payload: &[u8], missing: u32) -> (&[u8], u32) {
    let mut inner = payload;
    for _ in 0..MAX_DEPTH {
        let data = match classify_cut(inner, missing) {
            Class::TurnChannel => ChannelData::parse(inner).ok().map(|channel| channel.data),
            Class::Stun => stun::Message::parse(inner).ok().and_then(|message| {
                let carries = message.class() == stun::Class::Indication
                    && [Method::SEND, Method::DATA].contains(&message.method());
                carries.then(|| message.attribute_bytes(AttributeType::DATA)).flatten()
            }),
            _ => None,
        };
        let Some(data) = data else { break };
        inner = data;
    }
    (inner, missing)
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, channel_data, check, rtp};
    use super::*;
    use crate::model::snapshot::Snapshot;
    use crate::net::{Carrier, Endpoint, TcpFlags, Transport, TunnelId};
    use std::net::SocketAddr;

    const A: &str = "10.0.0.1:4000";
    const B: &str = "10.0.0.2:6000";
    const PROXIES: (&str, &str) = ("10.0.0.1:5060", "10.0.0.2:5060");

    fn flow(src: &str, dst: &str, transport: Transport) -> FiveTuple {
        let end = |text: &str| Endpoint::from(text.parse::<SocketAddr>().unwrap());
        FiveTuple { src: end(src), dst: end(dst), transport, tunnel: TunnelId::default() }
    }

    fn carrier(frame: u64, millis: i64) -> Carrier {
        let ts = Timestamp::from_nanos(millis * 1_000_000);
        Carrier { ts, frame: FrameNo(frame), ip_len: 0, ip_id: None, ttl: 64, traffic_class: 0, link_tag: 0 }
    }

    fn has(wanted: &Belonging, millis: i64, (src, dst): (&str, &str), payload: &[u8]) -> bool {
        let flow = flow(src, dst, Transport::Udp);
        Sieve::new(wanted).has_datagram(&Datagram { carrier: carrier(0, millis), flow, missing: 0, payload })
    }

    fn sip(start: &str, call: &str, cseq: &str, port: u16) -> Vec<u8> {
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.{}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n",
            if port == 4000 { 1 } else { 2 }
        );
        format!(
            "{start}\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Two calls through the same proxies and ports, the second 20 s behind the first.
    fn two_calls() -> Snapshot {
        let mut stage = Stage::new();
        let (a, b) = PROXIES;
        for (begin, call, ssrc) in [(0, "one", 7), (20_000, "two", 8)] {
            stage.udp(begin, a, b, &sip("INVITE sip:b SIP/2.0", call, "1 INVITE", 4000));
            stage.udp(begin + 10, b, a, &sip("SIP/2.0 200 OK", call, "1 INVITE", 6000));
            for n in 0..4_u16 {
                stage.udp(begin + 20 + i64::from(n) * 20, A, B, &rtp(0, ssrc, n, u32::from(n) * 160));
            }
            stage.udp(begin + 200, a, b, &sip("BYE sip:b SIP/2.0", call, "2 BYE", 4000));
        }
        stage.snapshot()
    }

    #[test]
    fn a_call_has_its_own_messages_and_media_and_none_of_the_next_on_its_ports() {
        let snapshot = two_calls();
        let wanted = Belonging::of(&snapshot, "s1").unwrap();
        let bye = |call| sip("BYE sip:b SIP/2.0", call, "2 BYE", 4000);
        assert!(has(&wanted, 200, PROXIES, &bye("one")) && !has(&wanted, 200, PROXIES, &bye("two")));
        assert!(!has(&wanted, 200, PROXIES, b"OPTIONS sip:b SIP/2.0\r\nCall-ID: three\r\nCSeq: 1 OPTIONS\r\n\r\n"));
        assert!(has(&wanted, 60, (A, B), &rtp(0, 7, 9, 9)) && !has(&wanted, 20_060, (A, B), &rtp(0, 8, 9, 9)));
        assert!(has(&wanted, 50, (B, A), &check(1, false)) && !has(&wanted, 20_050, (B, A), &check(1, false)));
        assert!(!has(&wanted, 50, ("10.0.0.1:4002", B), &check(1, false)));
    }

    #[test]
    fn a_stream_has_its_source_inside_turn_too_and_what_rtcp_says_of_it() {
        let snapshot = two_calls();
        let wanted = Belonging::of(&snapshot, "r1").unwrap();
        assert_eq!(wanted.of, "r1");
        assert!(has(&wanted, 90_000, (A, B), &rtp(0, 7, 9, 9)));
        assert!(has(&wanted, 0, (A, B), &channel_data(0x4001, &rtp(0, 7, 9, 9))));
        assert!(!has(&wanted, 0, (B, A), &rtp(0, 7, 9, 9)), "the other direction is another stream");
        assert!(!has(&wanted, 0, (A, B), &rtp(0, 8, 9, 9)) && !has(&wanted, 50, (A, B), &check(1, false)));
        let bye = |ssrc: u8| [0x81, 203, 0, 1, 0, 0, 0, ssrc];
        assert!(has(&wanted, 0, (B, A), &bye(7)) && !has(&wanted, 0, (B, A), &bye(9)));
    }

    #[test]
    fn a_flow_has_all_that_runs_on_it_and_one_inside_turn_is_named_with_the_one_around_it() {
        let mut stage = Stage::new();
        stage.handshake(0, A, B);
        for n in 0..3_u16 {
            let packet = channel_data(0x4001, &rtp(0, 7, n, u32::from(n) * 160));
            stage.udp(100 + i64::from(n) * 20, A, B, &packet);
        }
        let snapshot = stage.snapshot();
        let inner = snapshot.flows.iter().find(|row| row.parent.is_some()).unwrap();
        let wanted = Belonging::of(&snapshot, &inner.id).unwrap();
        assert_eq!(wanted.of, format!("f1, the flow around {},", inner.id));
        assert!(has(&wanted, 0, (B, A), b"whatever") && !has(&wanted, 0, PROXIES, b"whatever"));
        assert_eq!(Belonging::of(&snapshot, "d1").unwrap().of, "f1, the flow of d1,");
        assert_eq!(Belonging::of(&snapshot, "x9"), None);
    }

    #[test]
    fn a_message_of_the_call_over_tcp_is_had_from_the_segment_that_names_it_to_the_one_that_ends_it() {
        let wanted =
            Belonging { call_id: Some("one".to_owned()), ..Belonging::of_frames("s1".to_owned(), [FrameNo(4)]) };
        let mut sieve = Sieve::new(&wanted);
        let mut has = |frame, ends: (&str, &str), payload: &[u8]| {
            let flow = flow(ends.0, ends.1, Transport::Tcp);
            let (seq, ack, flags, missing) = (0, 0, TcpFlags::default(), 0);
            sieve.has_segment(&Segment { carrier: carrier(frame, 0), flow, seq, ack, flags, missing, payload })
        };
        assert!(!has(1, PROXIES, b"INVITE sip:b SIP/2.0\r\nCall-ID: two"));
        assert!(has(2, PROXIES, b"INVITE sip:b SIP/2.0\r\nCall-ID: one"));
        assert!(has(3, PROXIES, b"v=0") && has(4, PROXIES, b"m=audio"));
        assert!(!has(3, (PROXIES.1, PROXIES.0), b"SIP/2.0 200 OK") && !has(5, PROXIES, b"BYE sip:b SIP/2.0"));
    }
}
