//! What was agreed by offer and answer against what came (RFC 3264).
//!
//! All of one session and direction make one finding: what is wrong with one section is most often wrong with all.

use super::super::call::{Difference, DifferenceKind, MediaRow};
use super::super::finding::{Finding, Severity};
use super::super::snapshot::SessionSummary;
use super::{Evidence, Rule};

/// Comfort noise (RFC 3389): phones send it without having said so, and nobody minds.
const COMFORT_NOISE: [u8; 2] = [13, 19];

pub(super) static MISSING: Rule = Rule {
    code: "SDP_MEDIA_MISSING",
    severity: Severity::Warning,
    title: "Media that was agreed on never came",
    explanation: "Offer and answer let this side send a section, other media of the same side came, but not one packet of this \
        section.",
    advice: "Look at the sender: a track that was never added or has no source, a camera without permission, an encoder that \
        did not start. With ports of its own for the section, look at the firewall.",
    find: |evidence| {
        cases(evidence, &MISSING, |session, side, known| {
            let came = session.call.media.iter().any(|row| !row.seen[side].streams.is_empty());
            (came && known.kind == DifferenceKind::NeverCame).then(|| "nothing of it came".to_owned())
        })
    },
};

pub(super) static NOT_AGREED: Rule = Rule {
    code: "SDP_MEDIA_NOT_AGREED",
    severity: Severity::Warning,
    title: "Media came that nobody had agreed to",
    explanation: "No round of offer and answer lets this side send the section: one of the two descriptions says recvonly, inactive \
        or port 0. A receiver that keeps to the rules drops it.",
    advice: "Compare the direction attributes of both descriptions: an answer repeats sendonly as recvonly, not as sendonly. Look \
        for a middlebox that rewrites them.",
    find: |evidence| {
        cases(evidence, &NOT_AGREED, |_, _, known| {
            (known.kind == DifferenceKind::NotAgreed)
                .then(|| "it came though the descriptions do not let it".to_owned())
        })
    },
};

pub(super) static PAYLOAD_TYPE: Rule = Rule {
    code: "SDP_PAYLOAD_TYPE",
    severity: Severity::Warning,
    title: "Packets have a payload type that the receiver never named",
    explanation: "The payload type says how to decode a packet, and its numbers are those of the receiver's description. It cannot \
        know what to do with one that is not there.",
    advice: "Look at the answer: with another number for the same codec the sender has to use the receiver's number. Look for a \
        gateway that passes media on without translating.",
    find: |evidence| {
        cases(evidence, &PAYLOAD_TYPE, |_, _, known| match &known.kind {
            DifferenceKind::PayloadType(number) if !COMFORT_NOISE.contains(number) => {
                Some(format!("payload type {number} is in none of the receiver's descriptions"))
            }
            _ => None,
        })
    },
};

pub(super) static ADDRESS: Rule = Rule {
    code: "SDP_ADDRESS_DIFFERS",
    severity: Severity::Info,
    title: "Media does not use the addresses of the descriptions",
    explanation: "Without ICE media goes where the m= and c= lines say. Here it comes from, or goes to, another address: a NAT \
        rewrote it, or a media proxy stands between.",
    advice: "Media in both directions works all the same where the other side answers to where packets come from (symmetric \
        RTP). Where it does not: a STUN server or a session border controller that describes the public address.",
    find: |evidence| {
        cases(evidence, &ADDRESS, |_, _, known| {
            let way = match known.kind {
                DifferenceKind::Source { .. } => "it comes from",
                DifferenceKind::Destination { .. } => "it goes to",
                _ => return None,
            };
            Some(format!("{way} {}", known.kind.detail()?))
        })
    },
};

/// One finding for each session and side of which `told` has something to say.
fn cases(
    evidence: &Evidence<'_>,
    rule: &Rule,
    told: impl Fn(&SessionSummary, usize, &Difference) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, session) in (1..).zip(&evidence.snapshot.sessions) {
        for (side, name) in ["the offerer", "the answerer"].into_iter().enumerate() {
            let rows = session.call.media.iter();
            let found: Vec<_> = rows
                .flat_map(|row| row.seen[side].differences.iter().map(move |known| (row, known)))
                .filter_map(|(row, known)| Some((row, known, told(session, side, known)?)))
                .collect();
            let Some((row, _, words)) = found.first() else { continue };
            let more = if found.len() > 1 { format!(", and {} more like it", found.len() - 1) } else { String::new() };
            let summary = format!("{} from {name}: {words}{more}", section(row));
            let frames = found.iter().flat_map(|(_, known, _)| known.frames.iter().copied());
            findings.push(rule.finding(summary).with_frames(frames).about(&format!("s{number}")));
        }
    }
    findings
}

fn section(row: &MediaRow) -> String {
    row.agreed.mid.as_ref().map_or_else(|| row.agreed.kind.clone(), |mid| format!("{} {mid}", row.agreed.kind))
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;

    const A: &str = "10.0.0.1:5060";
    const B: &str = "10.0.0.2:5060";

    fn message(start: &str, cseq: &str, body: &str) -> Vec<u8> {
        format!(
            "{start}\r\nCall-ID: 1\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// A call with audio both ways and video as it is said, and 300 packets of audio each way.
    fn call(video: &str) -> Stage {
        let sdp = |host: &str, video: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
                 m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na={video}\r\n"
            )
        };
        let mut stage = Stage::new();
        stage.udp(0, A, B, &message("INVITE sip:b@b SIP/2.0", "1 INVITE", &sdp("10.0.0.1", video)));
        stage.udp(10, B, A, &message("SIP/2.0 200 OK", "1 INVITE", &sdp("10.0.0.2", "sendrecv")));
        for n in 0..300 {
            let at = 20 + 20 * i64::from(n);
            stage.udp(at, "10.0.0.1:4000", "10.0.0.2:4000", &rtp(0, 1, n, u32::from(n) * 160));
            stage.udp(at + 5, "10.0.0.2:4000", "10.0.0.1:4000", &rtp(0, 2, n, u32::from(n) * 160));
        }
        stage
    }

    fn video(stage: &mut Stage, from: &str, to: &str, payload_type: u8, ssrc: u32) {
        for n in 0..100 {
            stage.udp(6100 + 30 * i64::from(n), from, to, &rtp(payload_type, ssrc, n, u32::from(n) * 2700));
        }
    }

    fn own(stage: &mut Stage) -> Vec<&'static str> {
        codes(stage).into_iter().filter(|code| code.starts_with("SDP_")).collect()
    }

    #[test]
    fn a_section_that_stays_empty_is_told_for_each_side() {
        let mut stage = call("sendrecv");
        assert_eq!(own(&mut stage), ["SDP_MEDIA_MISSING", "SDP_MEDIA_MISSING"]);
        video(&mut stage, "10.0.0.1:4002", "10.0.0.2:4002", 96, 3);
        assert_eq!(own(&mut stage), ["SDP_MEDIA_MISSING"]);
        video(&mut stage, "10.0.0.2:4002", "10.0.0.1:4002", 96, 4);
        assert_eq!(own(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn what_was_not_agreed_is_told_by_what_is_wrong_with_it() {
        let mut stage = call("sendonly");
        video(&mut stage, "10.0.0.1:4002", "10.0.0.2:4002", 96, 3);
        assert_eq!(own(&mut stage), [] as [&str; 0]);
        video(&mut stage, "10.0.0.2:4002", "10.0.0.1:4002", 96, 4);
        assert_eq!(own(&mut stage), ["SDP_MEDIA_NOT_AGREED"]);
        let mut stage = call("sendonly");
        video(&mut stage, "10.0.0.1:7777", "10.0.0.2:4002", 97, 3);
        assert_eq!(own(&mut stage), ["SDP_PAYLOAD_TYPE", "SDP_ADDRESS_DIFFERS"]);
    }

    #[test]
    fn what_came_before_the_first_captured_description_was_agreed_on_elsewhere() {
        let sdp = |host: &str, direction: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na={direction}\r\n"
            )
        };
        let held = |before: bool| {
            let mut stage = Stage::new();
            let send = |stage: &mut Stage, at: i64| {
                for n in 0..100 {
                    stage.udp(
                        at + 20 * i64::from(n),
                        "10.0.0.2:4000",
                        "10.0.0.1:4000",
                        &rtp(8, 2, n, u32::from(n) * 160),
                    );
                }
            };
            if before {
                send(&mut stage, 0);
            }
            stage.udp(3000, A, B, &message("INVITE sip:b@b SIP/2.0", "2 INVITE", &sdp("10.0.0.1", "sendonly")));
            stage.udp(3010, B, A, &message("SIP/2.0 200 OK", "2 INVITE", &sdp("10.0.0.2", "recvonly")));
            if !before {
                send(&mut stage, 3020);
            }
            own(&mut stage)
        };
        assert_eq!(held(true), [] as [&str; 0]);
        assert_eq!(held(false), ["SDP_PAYLOAD_TYPE", "SDP_MEDIA_NOT_AGREED"]);
    }
}
