//! Descriptions whose candidates cannot work between two networks (RFC 8445; RFC 8828; draft-ietf-mmusic-mdns-ice-candidates).
//!
//! Said only of sessions that found no path: a call within one network needs no more than host candidates.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::SessionSummary;
use super::evidence::{IceSession, span};
use super::{Evidence, Rule};
use crate::packet::FrameNo;
use crate::proto::sdp::{Candidate, CandidateKind};

/// Seconds from the description on in which checks begin and are answered in every call that works.
const PATIENCE_S: f64 = 5.0;

pub(super) static ONLY_MDNS: Rule = Rule {
    code: "ICE_ONLY_MDNS",
    severity: Severity::Error,
    title: "All candidates hide their address behind mDNS",
    explanation: "A browser that may not use camera or microphone gives names like 5b1c….local for its addresses. Only hosts of \
        the same network segment, where multicast DNS passes, can resolve them; for everybody else there is no address to \
        check, and no path was found.",
    advice: "Offer a STUN or TURN server, so that there are candidates with addresses. In tests: ask for the microphone first, or \
        switch the hiding off.",
    find: |evidence| cases(evidence, &ONLY_MDNS, |_| true, |candidate| candidate.address.is_mdns()),
};

pub(super) static ONLY_HOST: Rule = Rule {
    code: "ICE_ONLY_HOST",
    severity: Severity::Warning,
    title: "There are host candidates only, and no path was found",
    explanation: "The descriptions name the hosts' own addresses and neither public ones (srflx) nor relays. Across a NAT or \
        firewall they cannot be reached.",
    advice: "Give the clients a STUN and a TURN server, and look whether these answer: see STUN_NO_ANSWER and TURN_NO_ANSWER.",
    find: |evidence| {
        let is_host = |candidate: &Candidate| candidate.kind == CandidateKind::Host && !candidate.address.is_mdns();
        // Without a single check ICE was not used at all: a side that does not know it ignores the candidates.
        cases(evidence, &ONLY_HOST, |sessions| sessions > 0, is_host)
    },
};

/// `is_tried` is asked with the ICE sessions whose checks name this one.
fn cases(
    evidence: &Evidence<'_>,
    rule: &Rule,
    is_tried: impl Fn(usize) -> bool,
    is_such: impl Fn(&Candidate) -> bool,
) -> Vec<Finding> {
    let sessions = (1..).zip(&evidence.snapshot.sessions);
    sessions
        .filter(|(_, session)| {
            let tried = checks_of(evidence, session);
            tried.is_some_and(|tried| is_tried(tried.len()) && !tried.iter().any(|ice| ice.is_answered()))
        })
        .filter_map(|(number, session)| {
            let waited = evidence.seconds_to_end(session.first_ts());
            let (frames, candidates) = sides(session)?;
            let all = candidates.iter().all(|candidate| is_such(candidate));
            let summary = match candidates.first() {
                Some(first) if candidates.len() > 1 => {
                    format!("{} candidates, the first of them {} port {}", candidates.len(), first.address, first.port)
                }
                first => format!("the one candidate is {} port {}", first?.address, first?.port),
            };
            let summary = format!("{summary}; no check was answered for {}", span(waited));
            let finding = rule.finding(summary).with_frames(frames).about(&format!("s{number}"));
            (all && waited >= PATIENCE_S).then_some(finding)
        })
        .collect()
}

/// The frames of the descriptions and candidates, and all these, where offer and answer have some of each: their own,
/// and those that came after them.
fn sides(session: &SessionSummary) -> Option<(Vec<FrameNo>, Vec<&Candidate>)> {
    let (mut frames, mut all, mut has) = (Vec::new(), Vec::new(), [false; 2]);
    for described in session.descriptions.iter().filter(|described| described.frame.is_some()) {
        let is_its = |ufrag: &str| {
            let mut media = described.sdp.media.iter();
            media.any(|media| described.sdp.ice_credentials(media).is_some_and(|known| known.ufrag == ufrag))
        };
        let own: Vec<&Candidate> = described.sdp.media.iter().flat_map(|media| &media.attributes.candidates).collect();
        let trickled = session.candidates.iter().filter(|known| known.ufrag.as_deref().is_some_and(is_its));
        let later: Vec<_> = trickled.collect();
        if own.is_empty() && later.is_empty() {
            continue;
        }
        has[usize::from(described.is_offer)] = true;
        frames.extend(described.frame);
        frames.extend(later.iter().map(|known| known.frame));
        all.extend(own);
        all.extend(later.iter().map(|known| &known.candidate));
    }
    frames.sort_unstable();
    frames.dedup();
    (has == [true; 2]).then_some((frames, all))
}

/// The ICE sessions whose checks name a fragment of this session; none where it has no fragments.
fn checks_of<'e>(evidence: &'e Evidence<'_>, session: &SessionSummary) -> Option<Vec<&'e IceSession<'e>>> {
    let descriptions = session.descriptions.iter();
    let known: Vec<&str> = descriptions
        .flat_map(|described| described.sdp.media.iter().filter_map(|media| described.sdp.ice_credentials(media)))
        .map(|credentials| credentials.ufrag)
        .collect();
    let names = |ice: &&IceSession<'_>| ice.fragments.iter().any(|fragment| known.contains(fragment));
    (!known.is_empty()).then(|| evidence.ice().iter().filter(names).collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, stun};
    use super::super::tests::codes;
    use crate::proto::stun::{AttributeType, Class, Method, Value};

    /// An offer and an answer over HTTP with one candidate each.
    fn described(offered: &str, answered: &str) -> Stage {
        let sdp = |ufrag: &str, candidate: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n\
                 a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n\
                 a=candidate:1 1 udp 2113937151 {candidate}\r\n"
            )
        };
        let http = |start: &str, body: &str| {
            format!("{start}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let mut stage = Stage::new();
        let (client, server) = ("10.0.0.1:40000", "10.0.0.2:80");
        let offer = http("POST /whip HTTP/1.1\r\nHost: b", &sdp("here", offered));
        let answer = http("HTTP/1.1 201 Created", &sdp("there", answered));
        stage.tcp(0, client, server, 1, 0x10, offer.as_bytes());
        stage.tcp(10, server, client, 1, 0x10, answer.as_bytes());
        stage
    }

    const NAMES: &str = "de5b5274-a6fb-4995-b5c0-28da09952b9f.local 43728 typ host";
    const HOST: &str = "10.0.0.1 5000 typ host";

    #[test]
    fn names_or_hosts_alone_are_told_where_no_path_was_found() {
        for (offered, answered, code) in
            [(NAMES, NAMES, "ICE_ONLY_MDNS"), (HOST, HOST, "ICE_ONLY_HOST"), (HOST, NAMES, "")]
        {
            let mut stage = described(offered, answered);
            let username = [(AttributeType::USERNAME, Value::Text(b"there:here"))];
            stage.udp(100, "10.0.0.1:5000", "10.0.0.2:6000", &stun(Class::Request, Method::BINDING, 1, &username));
            assert_eq!(codes(&mut stage), [] as [&str; 0]);
            stage.udp(6000, "10.0.0.1:1", "10.0.0.9:9", b"later");
            let expected: Vec<&str> = Some(code).filter(|code| !code.is_empty()).into_iter().collect();
            assert_eq!(codes(&mut stage), expected);
        }
    }

    #[test]
    fn a_path_that_was_found_makes_them_good_enough() {
        let mut stage = described(NAMES, NAMES);
        let username = [(AttributeType::USERNAME, Value::Text(b"there:here"))];
        stage.udp(100, "10.0.0.1:5000", "10.0.0.2:6000", &stun(Class::Request, Method::BINDING, 1, &username));
        stage.udp(101, "10.0.0.2:6000", "10.0.0.1:5000", &stun(Class::SuccessResponse, Method::BINDING, 1, &[]));
        stage.udp(6000, "10.0.0.1:1", "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }
}
