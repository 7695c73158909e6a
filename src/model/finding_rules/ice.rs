//! Connectivity checks that found no path, lost it, or moved to another (RFC 8445, RFC 7675).
//!
//! The pairs of one session are judged together: of many pairs nearly all fail in the best of calls.

use super::super::class::Class;
use super::super::finding::{Finding, Severity};
use super::super::ice::SideChecks;
use super::super::snapshot::{PairRow, PairStatus, StreamRow};
use super::evidence::{IceSession, count, span};
use super::{Evidence, Rule};
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::proto::stun::Method;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Checks, retransmissions included, below which silence proves nothing.
const CHECKS: u64 = 5;
/// Seconds of silence from the first check on, after which users have given up; agents try longer.
const PATIENCE_S: f64 = 5.0;
/// Seconds for which checks are made at least before that is a failure.
const TRIED_S: f64 = 2.0;
/// Consent expires after 30 s without an answer (RFC 7675, section 5.1).
const CONSENT_S: f64 = 30.0;
/// Unanswered checks at the end, and how long they went on: who hangs up leaves a check or two behind.
const LOST_CHECKS: u64 = 3;
const LOST_S: f64 = 10.0;
/// Where the capture ends before consent does: more of them, and seconds behind the last answer in which both sides are
/// seen to send on, so that neither has hung up.
const PROVEN_CHECKS: u64 = 5;
const ALIVE_S: f64 = 5.0;
/// Error code for a role conflict (RFC 8445, section 7.3.1.1).
const ROLE_CONFLICT: u16 = 487;

pub(super) static ONE_SIDED: Rule = Rule {
    code: "ICE_ONE_SIDED_CHECKS",
    severity: Severity::Error,
    title: "Connectivity checks go out and nothing comes back",
    explanation: "Only one side is seen to send checks, to all addresses that it knows of the other, and none was answered: a \
        firewall drops them, or the other side never got this side's candidates and does not take part.",
    advice: "Let UDP pass in both directions, or offer a TURN server over TCP and TLS. Look whether offer, answer and trickled \
        candidates reached the other side, and capture there too.",
    find: |evidence| failed(evidence, true),
};

pub(super) static FAILED: Rule = Rule {
    code: "ICE_FAILED",
    severity: Severity::Error,
    title: "No candidate pair works",
    explanation: "Both sides send connectivity checks and no check was answered on any pair, or none of one side: what it sends \
        does not reach the other, or is refused there, or the answers get lost. Without a pair there is no call.",
    advice: "Look at the types of the candidates: host candidates alone do not cross a NAT. Offer a TURN server, over TCP and TLS \
        too, and look whether the username fragments in the checks are those of the descriptions.",
    find: |evidence| failed(evidence, false).into_iter().chain(deaf(evidence)).collect(),
};

pub(super) static CONSENT_LOST: Rule = Rule {
    code: "ICE_CONSENT_LOST",
    severity: Severity::Error,
    title: "A connection stopped answering",
    explanation: "The pair worked; then the checks that ask whether the other side still wants to receive went unanswered, for \
        longer than consent lasts, or while both sides went on, and no other pair took over. A side has to stop sending \
        then.",
    advice: "Look at what happened at the last answer: a network that went away, a NAT that forgot, a side that crashed. An ICE \
        restart would look for another path.",
    find: consent_lost,
};

pub(super) static ROLES: Rule = Rule {
    code: "ICE_ROLE_CONFLICT",
    severity: Severity::Info,
    title: "Both ICE agents took the same role (487)",
    explanation: "Both sides were controlling, or both controlled; one of them switches on the 487. That costs a round trip. It \
        is a fault where it goes on: then nobody nominates, or both do.",
    advice: "The offerer controls, unless it is an ICE-lite server. Third-party call control often gets it wrong.",
    find: role_conflict,
};

pub(super) static SWITCHED: Rule = Rule {
    code: "ICE_PAIR_SWITCHED",
    severity: Severity::Info,
    title: "Media moved to another candidate pair",
    explanation: "The stream goes on at other addresses: a better pair was found, or the one before broke. Each row of the stream \
        has the figures of one pair only.",
    advice: "Nothing to mend where it happens early. In the midst of a call look at what became of the pair before.",
    find: switched,
};

fn failed(evidence: &Evidence<'_>, one_sided: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for session in evidence.ice() {
        let checks: u64 = session.pairs.iter().map(|row| row.pair.checks).sum();
        let first = session.pairs.iter().min_by_key(|row| row.pair.first_frame);
        let flows: Vec<_> = session.pairs.iter().filter_map(|row| evidence.flow(&row.flow)).collect();
        let began = flows.iter().map(|flow| flow.first_ts).min().unwrap_or_default();
        let ended = flows.iter().map(|flow| flow.last_ts).max().unwrap_or_default();
        // Who gives up at once has not failed.
        let tried = ended.millis_since(began) / 1000.0;
        let waited = evidence.seconds_to_end(began);
        let (Some(first), false) = (first, session.is_answered()) else { continue };
        // Media or a handshake on a pair shows that the answers only missed the capture.
        let works = evidence.carries(session, |class| class != Class::Stun);
        if checks < CHECKS || waited < PATIENCE_S || tried < TRIED_S || works {
            continue;
        }
        let is_one_sided = flows.iter().all(|flow| flow.first_backward.is_none());
        if is_one_sided != one_sided {
            continue;
        }
        let pairs = session.pairs.len() as u64;
        let (who, rule) = match one_sided {
            true => (format!("{} sent {checks} checks", first.local.addr), &ONE_SIDED),
            false => (format!("{} and {} sent {checks} checks", first.local.addr, first.remote.addr), &FAILED),
        };
        let summary = format!("{who} on {} in {}, and none was answered", count(pairs, "pair", "pairs"), span(tried));
        let frames = session.pairs.iter().map(|row| row.pair.first_frame);
        findings.push(rule.finding(summary).with_frames(frames).about(&first.flow));
    }
    findings
}

/// Sessions in which one side's checks are answered and the other's are not, and nothing came of it.
fn deaf(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for session in evidence.ice().iter().filter(|session| session.is_answered()) {
        if evidence.carries(session, |class| class != Class::Stun) {
            continue;
        }
        let of = |fragment: &'_ str| {
            let rows = session
                .pairs
                .iter()
                .flat_map(|row| row.pair.sides.iter().zip([row.local, row.remote]).map(move |own| (*row, own)));
            let own = rows.filter(|(_, (side, _))| side.fragment.as_deref() == Some(fragment) && side.checks > 0);
            own.map(|(row, (side, endpoint))| (row, side, endpoint)).collect::<Vec<_>>()
        };
        let [one, other] = session.fragments.map(of);
        for (own, others) in [(&one, &other), (&other, &one)] {
            let answers =
                |rows: &[(&PairRow, &SideChecks, Endpoint)]| rows.iter().map(|(_, side, _)| side.answers).sum::<u64>();
            let checks: u64 = own.iter().map(|(_, side, _)| side.checks).sum();
            let spans = || own.iter().filter_map(|(_, side, _)| side.span);
            let (Some(first), Some(last)) = (spans().map(|span| span.0).min(), spans().map(|span| span.1).max()) else {
                continue;
            };
            let tried = last.millis_since(first) / 1000.0;
            let (Some((row, _, from)), Some((.., to))) = (own.first(), others.first()) else { continue };
            // Where time jumps in the capture, nobody can tell.
            let lasted = tried.min(evidence.seconds_to_end(first));
            if answers(own) > 0 || answers(others) == 0 || checks < CHECKS || lasted < PATIENCE_S {
                continue;
            }
            let summary = format!(
                "{} sent {checks} checks in {}, and none was answered, though those of {} were",
                from.addr,
                span(tried),
                to.addr
            );
            let frames = session.pairs.iter().map(|row| row.pair.first_frame);
            let answered = others.iter().filter_map(|(row, ..)| row.pair.last_answer).map(|(frame, _)| frame);
            findings.push(FAILED.finding(summary).with_frames(frames.chain(answered)).about(&row.flow));
        }
    }
    findings
}

/// The latest of the times that a session's pairs have.
fn latest<'a>(
    session: &IceSession<'a>,
    of: impl Fn(&PairRow) -> Option<(FrameNo, Timestamp)>,
) -> Option<(&'a PairRow, FrameNo, Timestamp)> {
    let times = session.pairs.iter().filter_map(|row| of(row).map(|(frame, ts)| (*row, frame, ts)));
    times.max_by_key(|(_, frame, _)| *frame)
}

fn consent_lost(evidence: &Evidence<'_>) -> Vec<Finding> {
    let is_proven = |answer: Timestamp, row: &PairRow, unanswered: u64| {
        let is_alive = |end| {
            let last = evidence.last_sent(&row.flow, end);
            last.is_some_and(|last| last.millis_since(answer) / 1000.0 >= ALIVE_S)
        };
        let clock_runs_on = evidence.seconds_to_end(answer) >= LOST_S;
        unanswered >= PROVEN_CHECKS && clock_runs_on && is_alive(row.local) && is_alive(row.remote)
    };
    let lost = |session: &IceSession<'_>| {
        let (row, answer_frame, answer) = latest(session, |row| row.pair.last_answer)?;
        let (_, check_frame, check) = latest(session, |row| Some(row.pair.last_check))?;
        let unanswered: u64 = session.pairs.iter().map(|row| row.pair.checks_since_answer).sum();
        let tried = check.millis_since(answer) / 1000.0;
        let is_lost = row.pair.status == PairStatus::Nominated
            && unanswered >= LOST_CHECKS
            && tried >= LOST_S
            && (evidence.seconds_to_end(answer) >= CONSENT_S || is_proven(answer, row, unanswered));
        let summary = format!(
            "{} ⇄ {}: no check was answered after frame {answer_frame}, though {unanswered} were sent for {} more",
            row.local,
            row.remote,
            span(tried)
        );
        is_lost.then(|| CONSENT_LOST.finding(summary).with_frames([answer_frame, check_frame]).about(&row.flow))
    };
    evidence.ice().iter().filter_map(lost).collect()
}

fn role_conflict(evidence: &Evidence<'_>) -> Vec<Finding> {
    let is_conflict = |row: &&super::super::snapshot::TransactionRow| {
        row.transaction.method == Method::BINDING && row.transaction.error_code == Some(ROLE_CONFLICT)
    };
    let mut by_flow: BTreeMap<(FrameNo, &str), Vec<FrameNo>> = BTreeMap::new();
    let mut firsts: BTreeMap<&str, FrameNo> = BTreeMap::new();
    for row in evidence.snapshot.transactions.iter().filter(is_conflict) {
        let frame = row.transaction.response_frame.unwrap_or(row.transaction.first_frame);
        let first = *firsts.entry(&row.flow).or_insert(frame);
        by_flow.entry((first, &row.flow)).or_default().push(frame);
    }
    let case = |((_, flow), frames): ((FrameNo, &str), Vec<FrameNo>)| {
        let settled = evidence.ice_of(flow).is_some_and(IceSession::is_answered);
        let end = if settled { "and the checks went on" } else { "and no check was answered after that" };
        let summary = format!(
            "{flow}: {} refused with 487 Role Conflict, {end}",
            count(frames.len() as u64, "check was", "checks were")
        );
        let severity = if settled { Severity::Info } else { Severity::Warning };
        Finding { severity, ..ROLES.finding(summary).with_frames(frames).about(flow) }
    };
    by_flow.into_iter().map(case).collect()
}

fn switched(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for session in evidence.ice() {
        let mut by_source: BTreeMap<u32, Vec<&StreamRow>> = BTreeMap::new();
        for row in session.pairs.iter().flat_map(|pair| evidence.streams(&pair.flow)) {
            by_source.entry(row.ssrc).or_default().push(row);
        }
        // All streams of a bundle move at once: one case for each two flows.
        let mut moves: BTreeMap<(&str, &str), (&StreamRow, &StreamRow)> = BTreeMap::new();
        for rows in by_source.values_mut() {
            rows.sort_by_key(|row| row.figures.first_frame);
            for two in rows.windows(2) {
                let [before, after] = two else { continue };
                // Side by side they are one packet on two legs of a relay, or two senders with one SSRC.
                if before.flow != after.flow && after.figures.first_frame > before.figures.last_frame {
                    moves.entry((&before.flow, &after.flow)).or_insert((before, after));
                }
            }
        }
        findings.extend(moves.into_values().map(|(before, after)| {
            let summary = format!("{} at {} went on as {} at {}", before.id, before.src, after.id, after.src);
            let frames = [before.figures.last_frame, after.figures.first_frame];
            SWITCHED.finding(summary).with_frames(frames).about(&after.flow)
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, check, rtp, stun};
    use super::super::tests::codes;
    use super::*;
    use crate::proto::stun::{AttributeType, Class as StunClass, Value};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    const B2: &str = "10.0.0.2:6002";

    fn answer(id: u8) -> Vec<u8> {
        stun(StunClass::SuccessResponse, Method::BINDING, id, &[])
    }

    /// Checks of A on two pairs for six seconds.
    fn checks() -> Stage {
        let mut stage = Stage::new();
        for id in 0..6 {
            let at = i64::from(id) * 1200;
            stage.udp(at, A, B, &check(id, false)).udp(at + 50, A, B2, &check(100 + id, false));
        }
        stage
    }

    #[test]
    fn checks_of_one_side_without_any_answer_are_told_from_those_of_both() {
        let findings = checks().snapshot().findings;
        assert_eq!(findings[0].code, "ICE_ONE_SIDED_CHECKS");
        assert_eq!(findings[0].summary, "10.0.0.1 sent 12 checks on 2 pairs in 6.0 s, and none was answered");
        assert_eq!(findings[0].frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 2]);
        let mut both = checks();
        assert_eq!(codes(both.udp(7000, B, A, &check(50, false))), ["ICE_FAILED"]);
    }

    #[test]
    fn a_side_of_which_no_check_is_answered_finds_no_path_though_it_answers_the_other() {
        let mut deaf = checks();
        deaf.udp(6060, B, A, &check(60, false)).udp(6061, A, B, &answer(60));
        let findings = deaf.snapshot().findings;
        assert_eq!(findings[0].code, "ICE_FAILED");
        assert_eq!(
            findings[0].summary,
            "10.0.0.1 sent 12 checks in 6.0 s, and none was answered, though those of 10.0.0.2 were"
        );
        assert_eq!(codes(deaf.udp(6100, B, A, &answer(5))), [] as [&str; 0]);
    }

    #[test]
    fn one_answered_pair_or_media_is_enough() {
        let mut answered = checks();
        assert_eq!(codes(answered.udp(7000, B2, A, &answer(105))), [] as [&str; 0]);
        let mut media = checks();
        (0..40).for_each(|seq| {
            media.udp(7000 + i64::from(seq) * 20, A, B, &rtp(0, 7, seq, u32::from(seq) * 160));
        });
        assert_eq!(codes(&mut media), [] as [&str; 0]);
    }

    #[test]
    fn a_few_checks_before_the_end_of_the_capture_prove_nothing() {
        let mut stage = Stage::new();
        (0..6).for_each(|id| {
            stage.udp(i64::from(id) * 100, A, B, &check(id, false));
        });
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
    }

    #[test]
    fn consent_is_lost_where_checks_go_on_without_an_answer_and_not_where_one_hangs_up() {
        let nominated = || {
            let mut stage = Stage::new();
            stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
            stage
        };
        let mut lost = nominated();
        (1..=10).for_each(|id| {
            lost.udp(i64::from(id) * 2500, A, B, &check(id + 1, false));
        });
        lost.udp(32_000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut lost), ["ICE_CONSENT_LOST"]);
        let mut hung_up = nominated();
        hung_up.udp(2500, A, B, &check(2, false)).udp(40_000, A, "10.0.0.9:9", b"later");
        assert_eq!(codes(&mut hung_up), [] as [&str; 0]);
    }

    #[test]
    fn consent_is_lost_before_its_time_where_both_sides_are_seen_to_go_on() {
        let lost = |until: i64| {
            let mut stage = Stage::new();
            stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
            for at in 0..600_u16 {
                let millis = 20 + i64::from(at) * 20;
                stage.udp(millis, A, B, &rtp(0, 7, at, u32::from(at) * 160));
                if millis < until {
                    stage.udp(millis + 1, B, A, &rtp(0, 8, at, u32::from(at) * 160));
                }
                if at % 100 == 99 {
                    stage.udp(millis + 2, A, B, &check(10 + (at / 100) as u8, false));
                }
            }
            codes(&mut stage)
        };
        assert_eq!(lost(20_000)[0], "ICE_CONSENT_LOST");
        assert!(!lost(4000).contains(&"ICE_CONSENT_LOST"), "it may have hung up");
    }

    #[test]
    fn a_role_conflict_that_was_settled_is_a_note() {
        let mut stage = Stage::new();
        let code = Value::ErrorCode { code: 487, reason: b"Role Conflict" };
        let refusal = stun(StunClass::ErrorResponse, Method::BINDING, 1, &[(AttributeType::ERROR_CODE, code)]);
        stage.udp(0, A, B, &check(1, false)).udp(1, B, A, &refusal);
        assert_eq!(stage.snapshot().findings[0].severity, Severity::Warning);
        stage.udp(2, A, B, &check(2, false)).udp(3, B, A, &answer(2));
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].severity), ("ICE_ROLE_CONFLICT", Severity::Info));
    }

    #[test]
    fn media_that_goes_on_at_another_pair_is_told_once() {
        let mut stage = Stage::new();
        stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
        stage.udp(2, A, B2, &check(2, true)).udp(3, B2, A, &answer(2));
        (0..100_u16).for_each(|seq| {
            let to = if seq < 50 { B } else { B2 };
            stage.udp(100 + i64::from(seq) * 20, A, to, &rtp(0, 7, seq, u32::from(seq) * 160));
            stage.udp(100 + i64::from(seq) * 20, A, to, &rtp(8, 8, seq, u32::from(seq) * 160));
        });
        let findings = stage.snapshot().findings;
        let moved: Vec<_> = findings.iter().filter(|finding| finding.code == "ICE_PAIR_SWITCHED").collect();
        assert_eq!(moved.len(), 1, "{findings:?}");
        assert_eq!(moved[0].frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [103, 105]);
    }
}
