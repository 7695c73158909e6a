//! The rules for a report with little in it: that nothing was found has a reason too.
//!
//! In: a snapshot without findings. Out: findings that say what is missing, and what most often hides it.
//! Never: a word where there is something of what was asked for.

use super::finding::{Finding, Severity};
use super::snapshot::{OnlySsrcs, Snapshot, Ssrc};
use super::words::utc_date;
use std::collections::BTreeSet;

const NO_PACKETS: &str = "NO_PACKETS";
const NO_RTC: &str = "NO_RTC";
const SSRC_NOT_SEEN: &str = "SSRC_NOT_SEEN";

/// SSRCs that are named, of many.
const NAMED: usize = 8;

const FILTER_HIDES: &str = "Behind a VLAN tag a filter looks only where it says `vlan`: try 'udp or (vlan and udp)' for \
    'udp'. A port keeps no later fragments of a fragmented datagram: filter on hosts instead.";

impl Finding {
    /// True where it says that the report has less in it than was hoped for.
    pub fn tells_of_nothing(&self) -> bool {
        matches!(self.code, NO_PACKETS | NO_RTC | SSRC_NOT_SEEN)
    }
}

pub(super) fn rules(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    // Session descriptions alone are no capture in which packets could be missed.
    if snapshot.capture.facts.files.is_empty() {
        return;
    }
    let has_rtc = snapshot.packets.iter().any(|(class, number)| class.is_rtc() && number > 0);
    if snapshot.capture.packets == 0 {
        findings.push(no_packets(snapshot));
    } else if !has_rtc {
        findings.push(no_rtc(snapshot));
    }
    let only = snapshot.capture.only_ssrcs.as_ref().filter(|only| !only.not_seen.is_empty());
    findings.extend(only.map(ssrc_not_seen));
}

fn finding(
    code: &'static str,
    severity: Severity,
    summary: String,
    explanation: &'static str,
    advice: &'static str,
) -> Finding {
    Finding { code, severity, summary, explanation, advice, frames: Vec::new(), subject: None }
}

fn no_packets(snapshot: &Snapshot) -> Finding {
    let facts = &snapshot.capture.facts;
    let explanation = "There is nothing left to report on.";
    let (summary, explanation, advice) = match (facts.filtered_out, facts.outside_window) {
        (0, _) => (
            "there is no packet in the input".to_owned(),
            "The input begins as a capture does, and holds no packet.",
            "Look at the interface and the filter of the capture program, and let it run while the call does.",
        ),
        (all, outside) if outside == all => (
            format!("none of the {all} packets is within the window of time{}", span(snapshot)),
            explanation,
            "A time like 30s counts from the first packet; a date is UTC where it names no offset.",
        ),
        (all, 0) => {
            (format!("none of the {all} packets matches the filter{}", tagged(snapshot)), explanation, FILTER_HIDES)
        }
        (all, outside) => (
            format!(
                "none of the {all} packets is left: {} do not match the filter{}, {outside} are outside of the window of \
                 time{}",
                all.saturating_sub(outside),
                tagged(snapshot),
                span(snapshot)
            ),
            explanation,
            FILTER_HIDES,
        ),
    };
    finding(NO_PACKETS, Severity::Warning, summary, explanation, advice)
}

/// What the filter does not look behind unasked.
fn tagged(snapshot: &Snapshot) -> String {
    match snapshot.capture.facts.filtered_vlan {
        0 => String::new(),
        number => format!(" ({number} of them have a VLAN tag)"),
    }
}

fn span(snapshot: &Snapshot) -> String {
    let Some((first, last)) = snapshot.capture.facts.span else { return String::new() };
    format!(", the input is from {} to {}", utc_date(first.seconds()), utc_date(last.seconds()))
}

fn no_rtc(snapshot: &Snapshot) -> Finding {
    let classes = snapshot.packets.iter().filter(|(_, number)| *number > 0);
    let mut classes: Vec<_> = classes.collect();
    classes.sort_by_key(|(class, number)| (std::cmp::Reverse(*number), *class));
    let classes: Vec<String> = classes.iter().map(|(class, number)| format!("{} {number}", class.name())).collect();
    let facts = &snapshot.capture.facts;
    let by_filter = facts.filtered_out.saturating_sub(facts.outside_window);
    let left_out = match by_filter {
        0 => String::new(),
        number => format!("; the filter left out {number}{}", tagged(snapshot)),
    };
    finding(
        NO_RTC,
        Severity::Info,
        format!("no RTC that is known here is in these packets: {}{left_out}", classes.join(", ")),
        "No STUN, TURN, DTLS, RTP, RTCP, SIP or RTSP was recognised.",
        if by_filter > 0 {
            FILTER_HIDES
        } else {
            "Capture where the media passes, and while it does; what is inside of a VPN or TLS cannot be seen."
        },
    )
}

fn ssrc_not_seen(only: &OnlySsrcs) -> Finding {
    let here = match only.others.len() {
        0 => String::new(),
        number => format!("; left out are {number} others: {}", list(&only.others)),
    };
    finding(
        SSRC_NOT_SEEN,
        Severity::Warning,
        format!("no RTP stream and no RTCP has SSRC {}{here}", list(&only.not_seen)),
        "Streams and RTCP are limited to SSRCs, of which these are not in the capture.",
        "An SSRC is hexadecimal with 0x before it, and decimal without.",
    )
}

fn list(ssrcs: &BTreeSet<u32>) -> String {
    let mut names: Vec<String> = ssrcs.iter().take(NAMED).map(|ssrc| Ssrc(*ssrc).to_string()).collect();
    if ssrcs.len() > NAMED {
        names.push("…".to_owned());
    }
    names.join(", ")
}
