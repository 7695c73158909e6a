//! Media that begins late, and protected media for which no keys were seen to be made.

use super::super::class::Class;
use super::super::finding::{Finding, Severity};
use super::super::negotiation::Security;
use super::super::snapshot::SessionSummary;
use super::evidence::span;
use super::{Evidence, Rule};

/// Milliseconds between the end of the setup and the first packet of media, from which on people say hello twice.
const LATE_MS: f64 = 3000.0;
/// Packets below which a capture that begins in the midst of a handshake may have missed it.
const ENOUGH: u64 = 50;

pub(super) static LATE: Rule = Rule {
    code: "RTP_LATE",
    severity: Severity::Warning,
    title: "Media begins seconds after the call was set up",
    explanation: "Signalling, checks and handshake were done, and no RTP came for three seconds or more: the one who picked up heard \
        nothing at first.",
    advice: "Look at what the sender waits for: a permission for its microphone, a camera that starts, a media server that attaches \
        the stream late, an early packet that a firewall has to let out first.",
    find: late,
};

pub(super) static WITHOUT_HANDSHAKE: Rule = Rule {
    code: "SRTP_WITHOUT_HANDSHAKE",
    severity: Severity::Warning,
    title: "Protected media without a handshake",
    explanation: "Offer and answer agreed on keys from a DTLS handshake, the capture has the media from its beginning, and no \
        handshake: the keys were made elsewhere, or the other side cannot read what is sent.",
    advice: "Look at whether the handshake took another path that was not captured. Else look at a side that goes on with keys of a \
        call before, or that was made to send before its handshake was complete.",
    find: without_handshake,
};

fn sessions<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = (String, &'a SessionSummary)> {
    (1..).zip(&evidence.snapshot.sessions).map(|(number, session)| (format!("s{number}"), session))
}

fn late(evidence: &Evidence<'_>) -> Vec<Finding> {
    sessions(evidence)
        .filter_map(|(id, session)| {
            // Without an answer nobody knows when media was wanted.
            session.answer()?;
            let waited = session.call.setup.first_rtp.filter(|waited| *waited >= LATE_MS)?;
            let first = first_stream(evidence, session)?;
            let summary = format!("{id}: the first RTP came {} after all else was done", span(waited / 1000.0));
            Some(LATE.finding(summary).with_frames([first]).about(&id))
        })
        .collect()
}

fn first_stream(evidence: &Evidence<'_>, session: &SessionSummary) -> Option<crate::packet::FrameNo> {
    let rows = session.call.streams.iter().filter_map(|id| evidence.stream(id));
    rows.map(|row| row.figures.first_frame).min()
}

fn without_handshake(evidence: &Evidence<'_>) -> Vec<Finding> {
    sessions(evidence)
        .filter_map(|(id, session)| {
            let call = &session.call;
            let is_by_dtls = !call.media.is_empty()
                && call.media.iter().all(|row| !row.agreed.accepted || row.agreed.security == Security::Dtls);
            // Any DTLS on its flows, finished or not, is for other rules.
            let has_dtls = call
                .flows
                .iter()
                .filter_map(|id| evidence.flow(id))
                .any(|flow| flow.classes.iter().any(|(class, number)| class == Class::Dtls && number > 0));
            let rows = call.streams.iter().filter_map(|id| evidence.stream(id)).filter(|row| row.encrypted);
            let packets: u64 = rows.map(|row| row.figures.packets).sum();
            if !is_by_dtls || has_dtls || packets < ENOUGH {
                return None;
            }
            let answer = session.answer().and_then(|answer| answer.frame)?;
            let first = first_stream(evidence, session).filter(|first| *first > answer)?;
            let summary = format!("{id}: {packets} packets of SRTP, and no handshake that made keys for them");
            Some(WITHOUT_HANDSHAKE.finding(summary).with_frames([answer, first]).about(&id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// A call that is answered after 10 ms, whose media begins at that time; with keys from a handshake, or without any.
    fn call(first_rtp: i64, profile: &str, more: &str) -> Stage {
        let sdp = |host: &str, port: u16| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n{more}"
            )
        };
        let mut stage = Stage::new();
        let ends = ("10.0.0.1:5060", "10.0.0.2:5060");
        stage.agree(0, 1, ends, &sdp("10.0.0.1", 5000), &sdp("10.0.0.2", 6000));
        for seq in 0..200_u16 {
            let at = first_rtp + i64::from(seq) * 20;
            stage.udp(at, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
            stage.udp(at + 1, B, A, &rtp(0, 8, seq, u32::from(seq) * 160));
        }
        stage
    }

    #[test]
    fn media_that_begins_late_is_told_and_in_time_it_is_not() {
        assert!(codes(&mut call(5000, "RTP/AVP", "")).contains(&"RTP_LATE"));
        assert!(!codes(&mut call(500, "RTP/AVP", "")).contains(&"RTP_LATE"));
    }

    #[test]
    fn protected_media_needs_a_handshake_where_one_was_agreed_on() {
        let fingerprint =
            "a=setup:actpass\r\na=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\n";
        assert!(codes(&mut call(100, "UDP/TLS/RTP/SAVP", fingerprint)).contains(&"SRTP_WITHOUT_HANDSHAKE"));
        let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
        for (profile, more) in [("RTP/AVP", ""), ("RTP/SAVP", key)] {
            assert!(!codes(&mut call(100, profile, more)).contains(&"SRTP_WITHOUT_HANDSHAKE"), "{profile}");
        }
    }
}
