//! Media that both sides agreed to send and that only one side is seen to send.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{SessionDescription, SessionSummary, Signal, StreamRow};
use super::evidence::{IceSession, is_media, span, way};
use super::{Evidence, Rule};
use crate::net::Endpoint;
use crate::proto::sdp::{Direction, Media, MediaKind};
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// Packets of one direction, and the seconds that they take, behind which the other is missing and not only late.
const PACKETS: u64 = 100;
const LATE_S: f64 = 3.0;

pub(super) static RULE: Rule = Rule {
    code: "RTP_ONE_WAY",
    severity: Severity::Error,
    title: "Media flows one way only",
    explanation: "Offer and answer agreed on media in both directions, and only one side is seen to send. The other side does not \
        send, sends to an address where it gets lost before this place, or has no microphone or camera.",
    advice: "Look at the address in the description of the side that hears nothing: a private one cannot be reached from outside \
        (NAT), and a firewall may drop what comes unasked. Capture at the silent side to see whether it sends at all.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let sessions = (1..).zip(&evidence.snapshot.sessions);
    sessions.filter_map(|(number, session)| one_way(evidence, session, &format!("s{number}"))).collect()
}

fn one_way(evidence: &Evidence<'_>, session: &SessionSummary, id: &str) -> Option<Finding> {
    let (offer, answer) = (session.offer()?, session.answer()?);
    // Before somebody answers there are announcements and tones, which nobody talks back to.
    let is_answered = session.signal != Signal::Sip || session.setup_ms.is_some();
    if !offer.is_offer || answer.is_offer || !is_answered {
        return None;
    }
    let spans = both_ways(session, evidence.snapshot.capture.last_ts?);
    let sent_s = |row: &StreamRow| -> f64 {
        let (first, last) = (row.figures.first_ts, row.figures.last_ts);
        spans.iter().map(|(from, to)| last.min(*to).millis_since(first.max(*from)).max(0.0) / 1000.0).sum()
    };
    let streams = streams_of(evidence, session);
    let seen = streams.iter().find(|row| row.figures.packets >= PACKETS && sent_s(row) >= LATE_S)?;
    let side = |row: &StreamRow| {
        let sections = session.call.media.iter();
        sections
            .flat_map(|media| media.seen.iter().enumerate())
            .find(|(_, own)| own.streams.contains(&row.id))
            .map(|(side, _)| side)
    };
    // Who moves to another pair of candidates may go on at another address.
    let is_own = |row: &StreamRow| match (side(row), side(seen)) {
        (Some(side), Some(own)) => side == own,
        _ => row.src.addr == seen.src.addr,
    };
    if streams.iter().any(|row| row.src.addr == seen.dst.addr || !is_own(row)) {
        return None;
    }
    let lasted = seen.figures.last_ts.millis_since(seen.figures.first_ts) / 1000.0;
    let summary = format!(
        "{}: {} packets in {}, and none the other way, though both agreed to send",
        way(seen.src, seen.dst),
        seen.figures.packets,
        span(lasted)
    );
    let frames = offer.frame.into_iter().chain(answer.frame).chain([seen.figures.first_frame]);
    Some(RULE.finding(summary).with_frames(frames).about(id))
}

/// When both sides were to send. In between there is silence by agreement: hold, or a side that never wanted to send.
fn both_ways(session: &SessionSummary, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let end = session.ended.map_or(end, |(_, ts, _)| ts);
    let picked_up = session.first_ts.plus_nanos((session.setup_ms.unwrap_or_default() * 1e6) as i64);
    let mut spans = Vec::new();
    let mut since: Option<Timestamp> = None;
    let mut offered = false;
    for described in &session.descriptions {
        let Some(ts) = described.ts else { continue };
        let both = is_both_ways(&described.sdp);
        if both && !described.is_offer && offered {
            since.get_or_insert(ts.max(picked_up));
        } else if !both {
            spans.extend(since.take().map(|since| (since, ts)));
        }
        offered = if described.is_offer { both } else { offered };
    }
    spans.extend(since.map(|since| (since, end)));
    spans
}

fn media(description: &SessionDescription) -> impl Iterator<Item = &Media> {
    let is_media = |media: &&Media| matches!(media.kind, MediaKind::Audio | MediaKind::Video);
    description.media.iter().filter(is_media).filter(|media| !media.is_rejected())
}

/// True where there is media and all of it goes both ways.
fn is_both_ways(description: &SessionDescription) -> bool {
    let is_held = |media: &Media| description.connection(media).is_some_and(|own| own.address.is_unspecified());
    let uses_ice = |media: &Media| description.ice_credentials(media).is_some();
    let both =
        |media: &Media| description.direction(media) == Direction::SendRecv && (uses_ice(media) || !is_held(media));
    media(description).next().is_some() && media(description).all(both)
}

/// The media streams of a session: on the pairs that its fragments name, else from or to an address of its descriptions,
/// and whatever else is on the flows of these.
fn streams_of<'a>(evidence: &Evidence<'a>, session: &SessionSummary) -> Vec<&'a StreamRow> {
    let mut fragments: BTreeSet<&str> = BTreeSet::new();
    let mut endpoints: BTreeSet<Endpoint> = BTreeSet::new();
    for described in &session.descriptions {
        for media in media(&described.sdp) {
            fragments.extend(described.sdp.ice_credentials(media).map(|credentials| credentials.ufrag));
            let address = described.sdp.connection(media).and_then(|connection| connection.address.ip());
            let own = address.zip(media.port).filter(|(_, port)| *port > 9);
            endpoints.extend(own.map(|(ip, port)| Endpoint { addr: ip.into(), port }));
        }
    }
    let named = |ice: &&IceSession<'_>| ice.fragments.iter().all(|fragment| fragments.contains(fragment));
    let of_pairs = evidence.ice().iter().filter(named).flat_map(|ice| &ice.pairs).map(|row| row.flow.as_str());
    let mut flows: BTreeSet<&str> = of_pairs.collect();
    if flows.is_empty() {
        flows.extend(endpoints.iter().flat_map(|end| evidence.media_flows_at(*end)));
    }
    flows.iter().flat_map(|flow| evidence.streams(flow)).copied().filter(|row| is_media(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp, stun};
    use super::super::tests::codes;
    use crate::proto::stun::{AttributeType, Class, Method, Value};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    const SIGNALLING: (&str, &str) = ("10.0.0.1:5060", "10.0.0.2:5060");

    fn sdp(host: &str, port: u16, direction: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"
        )
    }

    fn agree(stage: &mut Stage, at: i64, number: u32, offer: &str, answer: &str) {
        let (offer, answer) = (sdp("10.0.0.1", 5000, offer), sdp("10.0.0.2", 6000, answer));
        stage.agree(at, number, SIGNALLING, &offer, &answer);
    }

    fn call(direction: &str) -> Stage {
        let mut stage = Stage::new();
        agree(&mut stage, 0, 1, "sendrecv", direction);
        send(&mut stage, A, B, 7);
        stage
    }

    fn send(stage: &mut Stage, from: &str, to: &str, ssrc: u32) {
        (0..200_u16).for_each(|seq| {
            stage.udp(100 + i64::from(seq) * 20, from, to, &rtp(0, ssrc, seq, u32::from(seq) * 160));
        });
    }

    #[test]
    fn media_of_one_side_is_an_error_where_both_agreed_to_send() {
        let findings = call("sendrecv").snapshot().findings;
        assert_eq!(findings[0].code, "RTP_ONE_WAY");
        assert_eq!(findings[0].frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!codes(&mut call("recvonly")).contains(&"RTP_ONE_WAY"));
    }

    #[test]
    fn a_side_that_is_silent_before_and_after_a_hold_is_silent() {
        let mut stage = call("sendrecv");
        agree(&mut stage, 9000, 2, "sendonly", "recvonly");
        assert_eq!(codes(&mut stage)[0], "RTP_ONE_WAY");
        let mut held = call("recvonly");
        agree(&mut held, 9000, 2, "sendrecv", "sendrecv");
        assert!(!codes(&mut held).contains(&"RTP_ONE_WAY"), "nothing was sent since");
    }

    fn with_ice(stage: &mut Stage) {
        let own = |host: &str, port: u16, own: &str| {
            format!("{}a=ice-ufrag:{own}\r\na=ice-pwd:0123456789012345678901\r\n", sdp(host, port, "sendrecv"))
        };
        stage.agree(0, 1, SIGNALLING, &own("10.0.0.1", 5000, "here"), &own("10.0.0.2", 6000, "there"));
    }

    fn checked(stage: &mut Stage, at: i64, id: u8, from: &str, to: &str) {
        let attributes =
            [(AttributeType::USERNAME, Value::Text(b"there:here")), (AttributeType::USE_CANDIDATE, Value::Flag)];
        stage.udp(at, from, to, &stun(Class::Request, Method::BINDING, id, &attributes));
        stage.udp(at + 1, to, from, &stun(Class::SuccessResponse, Method::BINDING, id, &[]));
    }

    #[test]
    fn a_side_that_moves_to_another_pair_is_still_that_side() {
        const A2: &str = "10.0.1.1:5002";
        let call = |is_answered: bool| {
            let mut stage = Stage::new();
            with_ice(&mut stage);
            checked(&mut stage, 20, 1, A, B);
            checked(&mut stage, 22, 2, A2, B);
            for seq in 0..400_u16 {
                let from = if seq < 200 { A } else { A2 };
                let at = 100 + i64::from(seq) * 20;
                stage.udp(at, from, B, &rtp(0, 7, seq, u32::from(seq) * 160));
                if is_answered {
                    stage.udp(at + 1, B, from, &rtp(0, 8, seq, u32::from(seq) * 160));
                }
            }
            codes(&mut stage).contains(&"RTP_ONE_WAY")
        };
        assert!(call(false), "what it sends on the second pair is no media of the other side");
        assert!(!call(true));
    }

    #[test]
    fn media_of_the_other_side_from_whatever_port_makes_it_a_call() {
        for port in [6000, 6010] {
            let mut stage = call("sendrecv");
            send(&mut stage, &format!("10.0.0.2:{port}"), A, 8);
            assert!(!codes(&mut stage).contains(&"RTP_ONE_WAY"), "{port}");
        }
    }
}
