//! What a run says, in one sentence: whether the server or the generator gave up.
//!
//! In: a result. Out: a sentence that follows its exit code. Never: a judgement that the result does not hold.

use super::super::error_text;
use super::super::number::{count, percent, plain};
use super::value;
use crate::result::{Downfall, EXIT_INCOMPLETE, EXIT_INVALID, EXIT_THRESHOLD, RunResult};
use crate::stats::Errors;

/// The sentence.
pub fn verdict(result: &RunResult) -> String {
    if let Some(capacity) = result.knee.as_ref().filter(|_| result.incomplete.is_none()) {
        return format!("{}.", super::knee::sentence(capacity));
    }
    match (result.exit_code(), result.downfall()) {
        (EXIT_INCOMPLETE, _) => {
            let why = result.incomplete.as_deref().unwrap_or_default();
            format!("incomplete ({}); the figures are those until then.", plain(why))
        }
        (EXIT_INVALID, _) => format!(
            "the generator gave up, and not the server ({}); the figures say nothing of what the server can carry.",
            plain(&result.invalid_because.join("; "))
        ),
        (_, Some(downfall)) => fallen(result, downfall),
        (EXIT_THRESHOLD, _) if result.thresholds.iter().all(|outcome| outcome.ok || outcome.value.is_none()) => {
            let missing = result.thresholds.iter().filter(|outcome| !outcome.ok);
            let missing: Vec<String> = missing.map(|outcome| outcome.threshold.figure.to_string()).collect();
            format!(
                "nobody is known to have given up, but what a threshold is for was not measured: {}.",
                missing.join(", ")
            )
        }
        (EXIT_THRESHOLD, _) => {
            let failed = result.thresholds.iter().filter(|outcome| !outcome.ok);
            let failed: Vec<String> =
                failed.map(|outcome| format!("{} is {}", outcome.threshold.figure, value(outcome.value))).collect();
            format!(
                "the server, or the way to it, gave up, and not the generator: {} of {} thresholds failed ({}).",
                failed.len(),
                result.thresholds.len(),
                failed.join(", ")
            )
        }
        (_, None) => done(result),
    }
}

/// How nothing was carried, and why.
fn fallen(result: &RunResult, downfall: Downfall) -> String {
    let (allocations, media) = (&result.allocations, &result.media);
    match downfall {
        Downfall::NoneGranted => {
            let why = mostly(&allocations.errors);
            format!("the server granted none of {} allocations{why}.", count(allocations.requested))
        }
        Downfall::AllLost => {
            let gone = match (allocations.lost, allocations.undeleted) {
                (lost, 0) => format!("{} of {} allocations were lost", count(lost), count(allocations.succeeded)),
                (0, unheard) => format!("nobody answered to the deletion of {} allocations", count(unheard)),
                (lost, unheard) => {
                    format!("{} allocations were lost, {} could not be deleted", count(lost), count(unheard))
                }
            };
            let why = mostly(&allocations.later_errors);
            format!("the server went away and was not there at the end: {gone}{why}.")
        }
        Downfall::AllPeersRefused => {
            let (granted, why) = (count(allocations.succeeded), mostly(&allocations.later_errors));
            format!(
                "nothing could be sent: the server granted {granted} allocations and refused the peer of each{why}."
            )
        }
        // Somebody is there who sends it back, if not as it was.
        Downfall::NothingBack if media.corrupted + media.misdelivered > 0 => format!(
            "the server carried nothing as it was: of {} packets {} came back changed and {} at another allocation.",
            count(media.sent_packets),
            count(media.corrupted),
            count(media.misdelivered)
        ),
        Downfall::NothingBack => format!(
            "the server carried nothing: of {} packets not one came back. Does the server reach the peer, and is a \
             peer there?",
            count(media.sent_packets)
        ),
    }
}

/// The commonest reason; of several equally common ones the first.
fn mostly(errors: &Errors) -> String {
    let commonest = errors.iter().reduce(|a, b| if b.1.count > a.1.count { b } else { a });
    commonest.map_or_else(String::new, |(key, error)| format!(" (mostly {}: {})", plain(key), error_text(key, error)))
}

fn done(result: &RunResult) -> String {
    let (allocations, media) = (&result.allocations, &result.media);
    let mut shortfall = Vec::new();
    if allocations.failed > 0 {
        shortfall.push(format!("{} of {} allocations failed", count(allocations.failed), count(allocations.requested)));
    }
    if allocations.lost > 0 {
        shortfall.push(format!("{} were lost later", count(allocations.lost)));
    }
    if allocations.undeleted > 0 {
        shortfall.push(format!("nobody answered to the deletion of {}", count(allocations.undeleted)));
    }
    if allocations.peers_refused > 0 {
        shortfall.push(format!("the peers of {} were refused", count(allocations.peers_refused)));
    }
    if media.lost_packets > 0 {
        shortfall.push(format!("{} of the packets were lost", percent(media.lost_pct.unwrap_or_default())));
    }
    if let Some(longest) = result.stalled {
        shortfall.push(format!("it stood still for {:.1} s", longest.as_secs_f64()));
    }
    let thresholds = match result.thresholds.len() {
        0 => String::new(),
        1 => "; the threshold holds".to_owned(),
        2 => "; both thresholds hold".to_owned(),
        several => format!("; all {several} thresholds hold"),
    };
    if allocations.requested == 0 {
        return format!("nothing was asked of the server{thresholds}.");
    }
    if shortfall.is_empty() && media.offered_packets == 0 {
        return format!(
            "the server granted what was asked for, and the generator kept up; no packet was due in this time, so that \
             nothing is known of what the server relays{thresholds}."
        );
    }
    if shortfall.is_empty() {
        return format!(
            "neither gave up: the server carried all that was offered, and the generator kept up{thresholds}."
        );
    }
    format!(
        "the generator kept up; the server, or the way to it, did not carry all of it: {}{thresholds}.",
        shortfall.join(", ")
    )
}
