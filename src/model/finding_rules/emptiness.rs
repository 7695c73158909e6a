//! The rules for a report with little in it: that nothing was found has a reason too.
//!
//! In: a snapshot without findings. Out: findings that say what is missing, and what most often hides it.
//! Never: a word where there is something of what was asked for.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{OnlySsrcs, Snapshot, Ssrc};
use super::super::words::utc_date;
use super::{Evidence, Rule};
use std::collections::BTreeSet;

pub(super) static NO_PACKETS: Rule = Rule {
    code: "NO_PACKETS",
    severity: Severity::Warning,
    title: "Nothing to report on",
    explanation: "There is nothing left to report on.",
    advice: "Look at the interface and the filter of the capture program, and let it run while the call does. A time like 30s \
        counts from the first packet; a date is UTC where it names no offset.",
    find: |evidence| found(evidence, |snapshot| (snapshot.capture.packets == 0).then(|| no_packets(snapshot))),
};

pub(super) static NO_RTC: Rule = Rule {
    code: "NO_RTC",
    severity: Severity::Info,
    title: "No RTC traffic",
    explanation: "No STUN, TURN, DTLS, RTP, RTCP, SIP or RTSP was recognised.",
    advice: "Capture where the media passes, and while it does; what is inside of a VPN or TLS cannot be seen.",
    find: |evidence| {
        found(evidence, |snapshot| {
            let has_rtc = snapshot.packets.iter().any(|(class, number)| class.is_rtc() && number > 0);
            // Signalling in an application's own messages is a call too; a file of descriptions is no packet.
            let has_rtc = has_rtc || snapshot.sessions.iter().any(|session| session.first_frame.is_some());
            (snapshot.capture.packets > 0 && !has_rtc).then(|| no_rtc(snapshot))
        })
    },
};

pub(super) static SSRC_NOT_SEEN: Rule = Rule {
    code: "SSRC_NOT_SEEN",
    severity: Severity::Warning,
    title: "An SSRC that was asked for is not there",
    explanation: "Streams and RTCP are limited to SSRCs, of which these are not in the capture.",
    advice: "An SSRC is hexadecimal with 0x before it, and decimal without.",
    find: |evidence| {
        found(evidence, |snapshot| {
            let only = snapshot.capture.only_ssrcs.as_ref().filter(|only| !only.not_seen.is_empty());
            only.map(ssrc_not_seen)
        })
    },
};

/// SSRCs that are named, of many.
const NAMED: usize = 8;

const FILTER_HIDES: &str = "Behind a VLAN tag a filter looks only where it says `vlan`: try 'udp or (vlan and udp)' for \
    'udp'. A port keeps no later fragments of a fragmented datagram: filter on hosts instead.";

impl Finding {
    /// True where it says that the report has less in it than was hoped for.
    pub fn tells_of_nothing(&self) -> bool {
        [NO_PACKETS.code, NO_RTC.code, SSRC_NOT_SEEN.code].contains(&self.code)
    }
}

/// Session descriptions alone are no capture in which packets could be missed.
fn found(evidence: &Evidence<'_>, find: impl Fn(&Snapshot) -> Option<Finding>) -> Vec<Finding> {
    let snapshot = evidence.snapshot;
    if snapshot.capture.facts.files.is_empty() { Vec::new() } else { find(snapshot).into_iter().collect() }
}

fn no_packets(snapshot: &Snapshot) -> Finding {
    let facts = &snapshot.capture.facts;
    let explanation = NO_PACKETS.explanation;
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
    Finding { explanation, advice, ..NO_PACKETS.finding(summary) }
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
    let summary = format!("no RTC that is known here is in these packets: {}{left_out}", classes.join(", "));
    let advice = if by_filter > 0 { FILTER_HIDES } else { NO_RTC.advice };
    Finding { advice, ..NO_RTC.finding(summary) }
}

fn ssrc_not_seen(only: &OnlySsrcs) -> Finding {
    let here = match only.others.len() {
        0 => String::new(),
        number => format!("; left out are {number} others: {}", list(&only.others)),
    };
    SSRC_NOT_SEEN.finding(format!("no RTP stream and no RTCP has SSRC {}{here}", list(&only.not_seen)))
}

fn list(ssrcs: &BTreeSet<u32>) -> String {
    let mut names: Vec<String> = ssrcs.iter().take(NAMED).map(|ssrc| Ssrc(*ssrc).to_string()).collect();
    if ssrcs.len() > NAMED {
        names.push("…".to_owned());
    }
    names.join(", ")
}
