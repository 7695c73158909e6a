//! What a TURN server refused, by its code (RFC 8656, section 18; RFC 8489, section 14.8).
//!
//! A challenge, 401 or 438 to a request without credentials, is how every allocation begins and is none of these. Nor is
//! an error behind which the same was asked again with success.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{AllocationRow, Outcome, TurnError};
use super::super::turn::AllocationEnd;
use super::evidence::span;
use super::{Evidence, Rule};
use crate::packet::FrameNo;
use crate::proto::stun::Method;
use std::collections::HashMap;

pub(super) static EXPIRED_CREDENTIALS: Rule = Rule {
    code: "TURN_CREDENTIALS_EXPIRED",
    severity: Severity::Error,
    title: "TURN credentials were used after their time",
    explanation: "The user name begins with a time in seconds since 1970: the end of credentials that a web service made with \
        the secret it shares with the TURN server. That time was over when they were used, so the server answers 401.",
    advice: "Ask the web service for new credentials before each call and do not keep them; look at its clock, at that of \
        the TURN server, and at the lifetime (ttl) that it gives.",
    find: |evidence| refusals(evidence, &EXPIRED_CREDENTIALS),
};

pub(super) static UNAUTHORIZED: Rule = Rule {
    code: "TURN_ALLOCATE_UNAUTHORIZED",
    severity: Severity::Error,
    title: "The TURN server does not accept the credentials",
    explanation: "The first 401 of an allocation only asks for credentials. Here the client answered with a user name and was \
        refused again: user, password or realm are not those of the server, and the relay is not to be had.",
    advice: "Compare user name and password with those that the server knows. Passwords made from a shared secret: both \
        sides must have the same secret, and the whole user name with its time goes into the password.",
    find: |evidence| refusals(evidence, &UNAUTHORIZED),
};

pub(super) static FORBIDDEN: Rule = Rule {
    code: "TURN_FORBIDDEN",
    severity: Severity::Error,
    title: "The TURN server forbids it (403)",
    explanation: "The credentials are good, and the server does not want to do this: the peer's address is one that it does not \
        relay to, often because it is private, or the user may not allocate.",
    advice: "Look at the peer rules of the server (coturn: denied-peer-ip, allowed-peer-ip, no-loopback-peers). A peer with a \
        private address is reached by its public one, or by a relay of its own.",
    find: |evidence| refusals(evidence, &FORBIDDEN),
};

pub(super) static QUOTA: Rule = Rule {
    code: "TURN_QUOTA_REACHED",
    severity: Severity::Error,
    title: "The user has as many allocations as allowed (486)",
    explanation: "The TURN server limits the allocations of a user, and this user has them all. Allocations that were not \
        deleted count until their lifetime is over.",
    advice: "Let clients delete allocations at the end (Refresh with lifetime 0), give each call its own user name, or raise \
        the quota (coturn: user-quota, total-quota).",
    find: |evidence| refusals(evidence, &QUOTA),
};

pub(super) static CAPACITY: Rule = Rule {
    code: "TURN_CAPACITY_REACHED",
    severity: Severity::Error,
    title: "The TURN server has no room (508)",
    explanation: "The server could not carry out the request for want of resources: nearly always the range of relay ports is \
        used up.",
    advice: "Give the server a larger range of ports (coturn: min-port, max-port), more addresses or open files, or share the \
        load among more servers.",
    find: |evidence| refusals(evidence, &CAPACITY),
};

pub(super) static MISMATCH: Rule = Rule {
    code: "TURN_ALLOCATION_MISMATCH",
    severity: Severity::Error,
    title: "Client and TURN server disagree on the allocation (437)",
    explanation: "An Allocate met an allocation that the server still has for this five-tuple, or another request met none: the \
        client used a port again too early, or the server lost the allocation, as by a restart.",
    advice: "Take a new local port for a new allocation. Where the server lost it: allocate anew, and look at why it did.",
    find: |evidence| refusals(evidence, &MISMATCH),
};

pub(super) static STALE_NONCE: Rule = Rule {
    code: "TURN_STALE_NONCE",
    severity: Severity::Error,
    title: "A stale nonce (438) was never answered",
    explanation: "The server wants a newer nonce and has sent it along. A client has to ask again with it; this one did not, so \
        the request was never carried out. A Refresh that is lost this way lets the allocation end, or live on for nothing.",
    advice: "Mend the client: it has to repeat the request with the nonce of the 438. A short lifetime of nonces on the server \
        (coturn: stale-nonce) brings it to light more often.",
    find: |evidence| refusals(evidence, &STALE_NONCE),
};

pub(super) static WRONG_CREDENTIALS: Rule = Rule {
    code: "TURN_WRONG_CREDENTIALS",
    severity: Severity::Error,
    title: "The allocation belongs to another user (441)",
    explanation: "Each request of an allocation must have the credentials that made it; these were others.",
    advice: "Keep the user name for the life of an allocation; new credentials are for a new allocation.",
    find: |evidence| refusals(evidence, &WRONG_CREDENTIALS),
};

pub(super) static TRANSPORT: Rule = Rule {
    code: "TURN_TRANSPORT_UNSUPPORTED",
    severity: Severity::Error,
    title: "The TURN server does not relay this transport (442)",
    explanation: "The client asked for a relay by another transport than the server offers: mostly TCP (RFC 6062) of a server \
        that relays UDP only.",
    advice: "Ask for UDP between server and peer; turn:host?transport=tcp is only about the way to the server.",
    find: |evidence| refusals(evidence, &TRANSPORT),
};

pub(super) static ALLOCATION_FAILED: Rule = Rule {
    code: "TURN_ALLOCATION_FAILED",
    severity: Severity::Error,
    title: "The TURN server refused an allocation",
    explanation: "The TURN server refused; media that needs the relay cannot flow.",
    advice: "Look at the code and the server's log. 300: another server is meant. 400, 420: client and server do not \
        understand each other. 440, 443: the address family is not served. 500: the server has a fault.",
    find: |evidence| refusals(evidence, &ALLOCATION_FAILED),
};

pub(super) static REQUEST_FAILED: Rule = Rule {
    code: "TURN_REQUEST_FAILED",
    severity: Severity::Warning,
    title: "The TURN server refused a request of an allocation",
    explanation: "The allocation is there, and something that the client wanted of it was refused: a permission, a channel or a \
        longer life. Data for that peer does not pass.",
    advice: "Look at the code and the server's log. 400, 420: client and server do not understand each other. 443: the peer \
        has an address of another family than the relay.",
    find: |evidence| refusals(evidence, &REQUEST_FAILED),
};

/// Last frame with a success, by flow and method.
type Successes<'a> = HashMap<(&'a str, Method), FrameNo, ahash::RandomState>;

/// The rule for an error that is left standing.
fn rule_of(row: &AllocationRow, error: &TurnError) -> &'static Rule {
    match error.code {
        401 if expired_for(row).is_some() => &EXPIRED_CREDENTIALS,
        401 => &UNAUTHORIZED,
        403 => &FORBIDDEN,
        437 => &MISMATCH,
        438 => &STALE_NONCE,
        441 => &WRONG_CREDENTIALS,
        442 => &TRANSPORT,
        486 => &QUOTA,
        508 => &CAPACITY,
        _ if row.end == AllocationEnd::Failed => &ALLOCATION_FAILED,
        _ => &REQUEST_FAILED,
    }
}

fn refusals(evidence: &Evidence<'_>, rule: &'static Rule) -> Vec<Finding> {
    let rows = evidence.snapshot.allocations.iter();
    let with_errors: Vec<&AllocationRow> =
        rows.filter(|row| row.allocation.errors.iter().any(|error| !error.is_challenge())).collect();
    if with_errors.is_empty() {
        return Vec::new();
    }
    let successes = successes(evidence);
    with_errors.into_iter().filter_map(|row| refusal(row, &successes, rule)).collect()
}

fn successes<'a>(evidence: &Evidence<'a>) -> Successes<'a> {
    let rows = evidence.snapshot.transactions.iter().filter(|row| row.outcome == Outcome::Success);
    rows.map(|row| ((row.flow.as_str(), row.transaction.method), row.transaction.first_frame)).collect()
}

/// The case of a rule in an allocation: its errors that nothing made good, told as one.
fn refusal(row: &AllocationRow, successes: &Successes<'_>, rule: &'static Rule) -> Option<Finding> {
    let failed = row.end == AllocationEnd::Failed;
    let stands = |error: &&TurnError| {
        let success = successes.get(&(row.flow.as_str(), error.method));
        !error.is_challenge() && (failed || success.is_none_or(|frame| *frame < error.frame))
    };
    let standing = row.allocation.errors.iter().filter(stands).filter(|error| std::ptr::eq(rule_of(row, error), rule));
    let errors: Vec<&TurnError> = standing.collect();
    let last = errors.last()?;
    // Of an attempt that failed, what the server said last is why.
    if failed && row.allocation.errors.iter().rfind(|error| !error.is_challenge()).is_some_and(|end| end != *last) {
        return None;
    }
    let reason = last.reason.trim_end_matches('\0');
    let what =
        if failed { "got no allocation from".to_owned() } else { format!("was refused {} by", last.method_name()) };
    let times = if errors.len() > 1 { format!(", {} times", errors.len()) } else { String::new() };
    let user = match (&row.allocation.username, last.code) {
        (Some(user), 401 | 441 | 486) => format!(" for user {user}"),
        _ => String::new(),
    };
    let late = expired_for(row).filter(|_| last.code == 401);
    let late = late.map(|seconds| format!("; they ended {} before", span(seconds))).unwrap_or_default();
    let summary = format!("{} {what} {}: {} {reason}{user}{times}{late}", row.client, row.server, last.code);
    let finding = rule.finding(summary).with_frames(errors.iter().map(|error| error.frame)).about(&row.id);
    Some(Finding { severity: severity(row, last, rule), ..finding })
}

/// A browser asks for a permission to each candidate of its peer, and a server refuses the private ones: that is no
/// fault where data passes by another.
fn severity(row: &AllocationRow, error: &TurnError, rule: &Rule) -> Severity {
    let allocation = &row.allocation;
    match error.code {
        403 if allocation.traffic.data_in.packets > 0 || !allocation.permissions.is_empty() => Severity::Info,
        // The end of an allocation that is gone already is no loss.
        437 if row.end == AllocationEnd::Deleted => Severity::Info,
        437 if row.end != AllocationEnd::Failed => Severity::Warning,
        _ => rule.severity,
    }
}

/// Seconds since 1970 of credentials that a service made for a time: the name is that time, alone or before a colon.
/// (draft-uberti-behave-turn-rest, section 2.2.) How many seconds it was over at the first request.
fn expired_for(row: &AllocationRow) -> Option<f64> {
    /// From 2001 on: shorter numbers are names.
    const EARLIEST: i64 = 1_000_000_000;
    let name = row.allocation.username.as_deref()?;
    let until: i64 = name.split(':').next().filter(|digits| digits.len() <= 11)?.parse().ok()?;
    let over = row.allocation.first_ts.seconds() - until;
    (until >= EARLIEST && over > 0).then_some(over as f64)
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, stun};
    use super::super::tests::codes;
    use super::*;
    use crate::proto::stun::{AttributeType, Class, Value};

    const CLIENT: &str = "10.0.0.1:5000";
    const SERVER: &str = "10.0.0.2:3478";

    /// A request, with a user name or without, and the server's answer: none is a success.
    fn asks(stage: &mut Stage, id: u8, method: Method, user: Option<&str>, refusal: Option<(u16, &str)>) {
        let name = user.map(|user| (AttributeType::USERNAME, Value::Text(user.as_bytes())));
        let at = 1_700_000_000_000 + i64::from(id) * 10;
        stage.udp(at, CLIENT, SERVER, &stun(Class::Request, method, id, name.as_slice()));
        let answer = match refusal {
            None => stun(Class::SuccessResponse, method, id, &[(AttributeType::LIFETIME, Value::U32(600))]),
            Some((code, reason)) => {
                let code = Value::ErrorCode { code, reason: reason.as_bytes() };
                stun(Class::ErrorResponse, method, id, &[(AttributeType::ERROR_CODE, code)])
            }
        };
        stage.udp(at + 1, SERVER, CLIENT, &answer);
    }

    fn refused_with(code: u16) -> Vec<Finding> {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, None, Some((401, "Unauthorized")));
        asks(&mut stage, 2, Method::ALLOCATE, Some("alice"), Some((code, "No")));
        stage.snapshot().findings
    }

    #[test]
    fn each_code_of_a_refused_allocation_is_named_with_the_frames_of_its_refusal() {
        for (code, rule) in [
            (401, "TURN_ALLOCATE_UNAUTHORIZED"),
            (403, "TURN_FORBIDDEN"),
            (437, "TURN_ALLOCATION_MISMATCH"),
            (441, "TURN_WRONG_CREDENTIALS"),
            (442, "TURN_TRANSPORT_UNSUPPORTED"),
            (486, "TURN_QUOTA_REACHED"),
            (500, "TURN_ALLOCATION_FAILED"),
            (508, "TURN_CAPACITY_REACHED"),
        ] {
            let findings = refused_with(code);
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!((finding.code, finding.severity), (rule, Severity::Error));
            assert_eq!(finding.frames, [FrameNo(4)]);
            assert!(finding.summary.starts_with(&format!("{CLIENT} got no allocation from {SERVER}: {code} No")));
        }
    }

    #[test]
    fn a_challenge_and_a_stale_nonce_that_were_answered_are_nothing() {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, None, Some((401, "Unauthorized")));
        asks(&mut stage, 2, Method::ALLOCATE, Some("alice"), None);
        asks(&mut stage, 3, Method::REFRESH, Some("alice"), Some((438, "Stale Nonce")));
        asks(&mut stage, 4, Method::REFRESH, Some("alice"), None);
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn a_refresh_that_is_refused_is_a_warning_while_the_allocation_lives() {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, None, Some((401, "Unauthorized")));
        asks(&mut stage, 2, Method::ALLOCATE, Some("alice"), None);
        asks(&mut stage, 3, Method::REFRESH, Some("alice"), Some((500, "Server Error")));
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("TURN_REQUEST_FAILED", Severity::Warning));
        assert_eq!(findings[0].frames, [FrameNo(6)]);
    }

    #[test]
    fn a_stale_nonce_that_nobody_answered_is_an_error() {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, Some("alice"), None);
        asks(&mut stage, 2, Method::REFRESH, Some("alice"), Some((438, "Stale nonce\0")));
        let findings = stage.snapshot().findings;
        assert_eq!(findings[0].code, "TURN_STALE_NONCE");
        assert_eq!(findings[0].summary, format!("{CLIENT} was refused refresh by {SERVER}: 438 Stale nonce"));
    }

    #[test]
    fn credentials_that_were_over_are_told_from_wrong_ones() {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, Some("1699999000:dave"), Some((401, "Unauthorized")));
        asks(&mut stage, 2, Method::ALLOCATE, Some("1699999000:dave"), Some((401, "Unauthorized")));
        let findings = stage.snapshot().findings;
        assert_eq!(findings[0].code, "TURN_CREDENTIALS_EXPIRED");
        assert!(findings[0].summary.ends_with("for user 1699999000:dave, 2 times; they ended 17 min before"));
        for name in ["1700009000:dave", "12345:dave", "dave"] {
            let mut stage = Stage::new();
            asks(&mut stage, 1, Method::ALLOCATE, Some(name), Some((401, "Unauthorized")));
            assert_eq!(codes(&mut stage), ["TURN_ALLOCATE_UNAUTHORIZED"], "{name}");
        }
    }

    #[test]
    fn one_peer_that_is_forbidden_is_no_fault_where_data_passes_by_another() {
        let mut stage = Stage::new();
        asks(&mut stage, 1, Method::ALLOCATE, Some("alice"), None);
        asks(&mut stage, 2, Method::CREATE_PERMISSION, Some("alice"), Some((403, "Forbidden IP")));
        assert_eq!(stage.snapshot().findings[0].severity, Severity::Error);
        let data = crate::model::stage::channel_data(0x4000, b"x");
        let findings = stage.udp(1_700_000_001_000, SERVER, CLIENT, &data).snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("TURN_FORBIDDEN", Severity::Info));
    }
}
