//! Calls by SIP that did not come to be (RFC 3261).

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{SessionState, SessionSummary, Signal};
use super::evidence::span;
use super::{Evidence, Rule};

/// An INVITE on UDP is sent for 64 times T1 of 500 ms (RFC 3261, section 17.1.1.2, timer B).
const TIMER_B_S: f64 = 32.0;
/// Seconds in which a client that was challenged comes back; it has only to compute a hash.
const CHALLENGE_S: f64 = 5.0;

pub(super) static REFUSED: Rule = Rule {
    code: "SIP_CALL_REFUSED",
    severity: Severity::Error,
    title: "A SIP call was refused",
    explanation: "The INVITE got a final response of 400 or above: the call never came to be. The code and the words behind it \
        say who refused and why.",
    advice: "4xx: the request was not understood or not wanted there. 5xx: the server failed. 6xx: nobody may answer it. Look \
        for the first hop that sent the code, and at its log for the Call-ID.",
    find: refused,
};

pub(super) static CANCELLED: Rule = Rule {
    code: "SIP_CALL_CANCELLED",
    severity: Severity::Error,
    title: "A SIP call was cancelled before it was answered",
    explanation: "The caller, or a proxy whose time was over, gave the call up before anybody answered: 487 ended the INVITE.",
    advice: "Look at how long it rang, and at who sent the CANCEL and with which Reason header: a person who hung up, a timer, \
        or a fork of the call that somebody else answered.",
    find: cancelled,
};

pub(super) static NO_ANSWER: Rule = Rule {
    code: "SIP_NO_ANSWER",
    severity: Severity::Error,
    title: "An INVITE got no response at all",
    explanation: "Not even a provisional response came within the 32 s in which an INVITE is repeated: it does not reach the \
        other side, or the responses do not come back.",
    advice: "Look at address, port and transport that the INVITE goes to, at firewalls and at the Via header, which is where the \
        responses go. Large INVITEs on UDP are fragmented, and fragments are often dropped: try TCP.",
    find: no_answer,
};

pub(super) static CHALLENGED: Rule = Rule {
    code: "SIP_AUTHENTICATION_FAILED",
    severity: Severity::Error,
    title: "A SIP call ended at the challenge for credentials",
    explanation: "The INVITE was answered with 401 or 407 and nothing better followed: the caller has no credentials, or its \
        credentials were challenged again.",
    advice: "Compare user, password and realm of the caller with the account on the server.",
    find: challenged,
};

fn calls<'a>(evidence: &Evidence<'a>, state: SessionState) -> impl Iterator<Item = (String, &'a SessionSummary)> {
    let numbered = (1..).zip(&evidence.snapshot.sessions).map(|(at, row)| (format!("s{at}"), row));
    numbered.filter(move |(_, row)| row.signal == Signal::Sip && row.state == state)
}

/// `alice@a → bob@b`, by the URIs or else the addresses.
fn parties(row: &SessionSummary) -> String {
    let (from, to) = match (&row.from, &row.to, row.addresses) {
        (Some(from), Some(to), _) => (from.clone(), to.clone()),
        (_, _, Some((from, to))) => (from.to_string(), to.to_string()),
        _ => return row.call_id.clone(),
    };
    format!("{from} → {to}")
}

fn refused(evidence: &Evidence<'_>) -> Vec<Finding> {
    let failed = calls(evidence, SessionState::Refused).chain(calls(evidence, SessionState::Failed));
    failed
        .filter_map(|(id, row)| {
            // 3xx sends the caller elsewhere; that is for the next INVITE to tell.
            let (code, reason) = row.status.as_ref().filter(|(code, _)| *code >= 400)?;
            let summary = format!("{}: the call was refused with {code} {reason}", parties(row));
            let frames = row.first_frame.into_iter().chain(row.state_frame);
            let finding = REFUSED.finding(summary).with_frames(frames).about(&id);
            Some(Finding { advice: advice(*code).unwrap_or(finding.advice), ..finding })
        })
        .collect()
}

/// For the codes that nearly always mean one thing.
fn advice(code: u16) -> Option<&'static str> {
    Some(match code {
        403 => "The server knows the call and forbids it: look at the rights of the account and at rules by address.",
        404 | 604 => {
            "The number or name is not known there: compare the URI with what is registered, and the dial plan."
        }
        408 => {
            "Nobody answered in time behind the hop that sent it: look whether the callee is registered and reachable."
        }
        480 => "The callee is known and not there now: look at its registration, and at do-not-disturb.",
        486 | 600 => {
            "The callee is in another call or refuses calls; nothing is broken. Call waiting or a mailbox would help."
        }
        488 | 606 => {
            "The offer does not suit: compare codecs, RTP/AVP with RTP/SAVP, and addresses of the SDP with what the \
            other side supports."
        }
        502..=504 => "A server behind the one that sent it failed or was silent: look at its log for the Call-ID.",
        _ => return None,
    })
}

fn cancelled(evidence: &Evidence<'_>) -> Vec<Finding> {
    let cancelled = calls(evidence, SessionState::Cancelled);
    cancelled
        .map(|(id, row)| {
            let summary = format!("{}: the call was cancelled before it was answered", parties(row));
            CANCELLED.finding(summary).with_frames(row.first_frame.into_iter().chain(row.state_frame)).about(&id)
        })
        .collect()
}

fn no_answer(evidence: &Evidence<'_>) -> Vec<Finding> {
    let failed = calls(evidence, SessionState::Failed);
    failed
        .filter_map(|(id, row)| {
            let waited = evidence.seconds_to_end(row.first_ts());
            // Any response, a 100 too, comes from the other side.
            let to = row.addresses.map(|(_, to)| to)?;
            let answered = row.status.is_some() || is_heard_from(evidence, row);
            let summary = format!("{}: {to} gave no response to the INVITE for {}", parties(row), span(waited));
            (waited >= TIMER_B_S && !answered)
                .then(|| NO_ANSWER.finding(summary).with_frames(row.first_frame).about(&id))
        })
        .collect()
}

/// True where the callee's address sent anything to the caller's on the flow of the INVITE.
fn is_heard_from(evidence: &Evidence<'_>, row: &SessionSummary) -> bool {
    let Some((from, to)) = row.addresses else { return true };
    let mut flows = evidence.snapshot.flows.iter();
    flows.any(|flow| {
        let forward = flow.a == to && flow.b == from;
        let backward = flow.a == from && flow.b == to && flow.first_backward.is_some();
        forward || backward
    })
}

fn challenged(evidence: &Evidence<'_>) -> Vec<Finding> {
    let waiting = calls(evidence, SessionState::Calling).chain(calls(evidence, SessionState::Ringing));
    waiting
        .filter_map(|(id, row)| {
            let (code, reason) = row.status.as_ref().filter(|(code, _)| matches!(code, 401 | 407))?;
            let (first, last) = row.challenges?;
            let summary = format!("{}: the call stopped at {code} {reason}", parties(row));
            let frames = if first == last { vec![first] } else { vec![first, last] };
            (evidence.seconds_to_end(row.first_ts()) >= CHALLENGE_S)
                .then(|| CHALLENGED.finding(summary).with_frames(frames).about(&id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::Stage;
    use super::super::tests::codes;
    use super::*;

    const A: &str = "10.0.0.1:5060";
    const B: &str = "10.0.0.2:5060";

    fn request(method: &str, cseq: u32) -> Vec<u8> {
        message(&format!("{method} sip:bob@b SIP/2.0"), method, cseq)
    }

    fn response(status: &str, cseq: u32) -> Vec<u8> {
        message(&format!("SIP/2.0 {status}"), "INVITE", cseq)
    }

    fn message(start: &str, method: &str, cseq: u32) -> Vec<u8> {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{cseq}\r\nFrom: <sip:alice@a>;tag=1\r\n\
             To: <sip:bob@b>\r\nCall-ID: one\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn a_refusal_names_its_code_its_words_and_both_frames() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &request("INVITE", 1)).udp(1, B, A, &response("486 Busy Here", 1));
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("SIP_CALL_REFUSED", Severity::Error));
        assert_eq!(findings[0].summary, "sip:alice@a → sip:bob@b: the call was refused with 486 Busy Here");
        assert_eq!(findings[0].frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_cancelled_call_is_told_and_a_redirected_one_is_not() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &request("INVITE", 1)).udp(1, B, A, &response("180 Ringing", 1));
        stage.udp(5000, A, B, &request("CANCEL", 1)).udp(5001, B, A, &response("487 Request Terminated", 1));
        assert_eq!(codes(&mut stage), ["SIP_CALL_CANCELLED"]);
        let mut redirected = Stage::new();
        redirected.udp(0, A, B, &request("INVITE", 1)).udp(1, B, A, &response("302 Moved Temporarily", 1));
        assert_eq!(codes(&mut redirected), [] as [&str; 0]);
    }

    #[test]
    fn an_invite_without_any_response_is_told_once_the_timer_is_over() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &request("INVITE", 1)).udp(31_000, A, B, &request("INVITE", 1));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(33_000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut stage), ["SIP_NO_ANSWER"]);
        stage.udp(34_000, B, A, &response("100 Trying", 1));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn a_challenge_that_was_answered_is_nothing_and_one_that_was_not_is_the_cause() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &request("INVITE", 1)).udp(1, B, A, &response("407 Proxy Authentication Required", 1));
        stage.udp(6000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut stage), ["SIP_AUTHENTICATION_FAILED"]);
        stage.udp(6001, A, B, &request("INVITE", 2)).udp(6002, B, A, &response("200 OK", 2));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }
}
