//! The rules that turn what a snapshot shows into findings.
//!
//! In: a snapshot without findings, and the faults that decoding met. Out: findings, errors first.
//! Never: a finding that no frame or count of the snapshot proves.

mod capture;

use super::dtls::State;
use super::emptiness;
use super::finding::{Finding, Severity};
use super::snapshot::Snapshot;
use super::turn::AllocationEnd;
use crate::bytes::ParseError;
use crate::packet::FrameNo;

/// What the rules look at, for a report in which none of them found anything; a new rule adds its words.
pub const CHECKED: &str = "inputs that cannot be read, damage, drops, cuts, copies and clock jumps of the capture, \
    reached limits, malformed messages, refused TURN allocations, DTLS alerts, impossible round trips";

/// Inputs that could not be read and are named, of many.
const MAX_REFUSED: usize = 16;

/// What decoding met on its way.
pub(crate) enum Fault {
    /// Link, IP or transport headers that contradict themselves.
    Headers { frame: FrameNo, error: ParseError },
    /// Messages of one flow.
    Messages { flow: String, what: &'static str, count: u64, first: FrameNo },
}

/// All findings of a snapshot.
pub(crate) fn all(snapshot: &Snapshot, faults: &[Fault]) -> Vec<Finding> {
    let mut findings = Vec::new();
    refused(snapshot, &mut findings);
    input(snapshot, &mut findings);
    emptiness::rules(snapshot, &mut findings);
    capture::all(snapshot, &mut findings);
    findings.extend(faults.iter().map(fault));
    turn(snapshot, &mut findings);
    dtls(snapshot, &mut findings);
    round_trips(snapshot, &mut findings);
    findings.sort_by(|a, b| (a.severity, a.frames.first(), a.code).cmp(&(b.severity, b.frames.first(), b.code)));
    findings
}

/// An input that was named and of which nothing is in the report.
fn refused(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let finding = |summary: String| Finding {
        code: "CAPTURE_REFUSED",
        severity: Severity::Warning,
        summary,
        explanation: "The input could not be read at all. The report is of the others alone.",
        advice: "Look whether the name is right, whether the file may be read, and whether it is a capture.",
        frames: Vec::new(),
        subject: None,
    };
    let inputs = &snapshot.capture.facts.refused;
    findings.extend(inputs.iter().take(MAX_REFUSED).cloned().map(finding));
    if inputs.len() > MAX_REFUSED {
        findings.push(finding(format!("{} more inputs could not be read", inputs.len() - MAX_REFUSED)));
    }
}

fn input(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for damage in snapshot.capture.facts.files.iter().flat_map(|file| &file.damage) {
        findings.push(Finding {
            code: "CAPTURE_DAMAGED",
            severity: Severity::Warning,
            summary: damage.text.clone(),
            explanation: "The file is cut off or damaged there. Everything that could be read before and behind it was.",
            advice: "Copy the capture again, or stop the capture program before copying its file.",
            frames: damage.frame.into_iter().collect(),
            subject: None,
        });
    }
    for file in &snapshot.capture.facts.files {
        let more = file.damaged_places.saturating_sub(file.damage.len() as u64);
        if more > 0 {
            findings.push(Finding {
                code: "CAPTURE_DAMAGED",
                severity: Severity::Warning,
                summary: format!(
                    "{}: {more} more damaged places; {} bytes passed over in all",
                    file.name, file.skipped_bytes
                ),
                explanation: "The file is damaged there. Everything that could be read before and behind it was.",
                advice: "Copy the capture again, or stop the capture program before copying its file.",
                frames: Vec::new(),
                subject: None,
            });
        }
    }
    if let Some(dropped) = snapshot.capture.facts.dropped_by_capture.filter(|dropped| *dropped > 0) {
        findings.push(Finding {
            code: "CAPTURE_DROPPED_PACKETS",
            severity: Severity::Warning,
            summary: format!("the capturing machine dropped {dropped} packets"),
            explanation: "What the capture lost looks like loss of the network in every figure below.",
            advice: "Do not trust loss figures of this capture; capture with a filter or a larger buffer.",
            frames: Vec::new(),
            subject: None,
        });
    }
    let of_allocations = snapshot.allocations.iter().map(|row| row.allocation.not_kept).sum::<u64>();
    let limits: Vec<String> = snapshot
        .capture
        .limits
        .iter()
        .map(|(what, count)| (*count, what.replace('_', " ")))
        .chain(Some((of_allocations, "channels and permissions of allocations not kept".to_owned())))
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !limits.is_empty() {
        findings.push(Finding {
            code: "LIMIT_REACHED",
            severity: Severity::Warning,
            summary: limits.join(", "),
            explanation: "There was more of it than is kept at once. It is counted by class, and missing in the lists.",
            advice: "Analyze a part of the capture: with a filter, or a window of time.",
            frames: Vec::new(),
            subject: None,
        });
    }
    let removed = snapshot.capture.duplicates_removed;
    if removed > 0 {
        findings.push(Finding {
            code: "CAPTURE_DUPLICATES",
            severity: Severity::Info,
            summary: format!("{removed} packets are copies that the capture made; each was counted once"),
            explanation: "A mirror port or an any-interface capture shows one packet several times on its way.",
            advice: if capture::two_places(snapshot).is_some() {
                "Not every packet has one: see CAPTURE_TWO_PLACES. --keep-duplicates counts them all."
            } else {
                "Nothing to mend. --keep-duplicates counts them all."
            },
            frames: Vec::new(),
            subject: None,
        });
    }
}

fn fault(fault: &Fault) -> Finding {
    match fault {
        Fault::Headers { frame, error } => Finding {
            code: "PACKET_MALFORMED",
            severity: Severity::Warning,
            summary: format!("frame {frame}: {error}"),
            explanation: "The headers below the payload contradict themselves or are cut off.",
            advice: "Look at the frame; where it is cut off, capture with a larger snap length.",
            frames: vec![*frame],
            subject: None,
        },
        Fault::Messages { flow, what, count, first } => Finding {
            code: "MESSAGE_MALFORMED",
            severity: Severity::Warning,
            summary: format!("{flow}: {count} messages of {what}, first in frame {first}"),
            explanation: "A message was understood in part; what could be read of it was counted.",
            advice: "Look at the frame; the sender does not keep to the RFC, or something on the way changed bytes.",
            frames: vec![*first],
            subject: Some(flow.clone()),
        },
    }
}

fn turn(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for row in snapshot.allocations.iter().filter(|row| row.end == AllocationEnd::Failed) {
        // A client that is asked for credentials and never comes back has given up on this socket, as browsers do with
        // sockets that they do not need; nobody refused it anything.
        let Some(error) = row.allocation.errors.iter().rfind(|error| !error.is_challenge()) else { continue };
        findings.push(Finding {
            code: "TURN_ALLOCATION_FAILED",
            severity: Severity::Error,
            summary: format!(
                "{} got no allocation from {}: {} {}",
                row.client, row.server, error.code, error.reason
            ),
            explanation: "The TURN server refused; media that needs the relay cannot flow.",
            advice: "401 again and again: check user, password and realm. 486, 508: the server's quota or ports are used up.",
            frames: row.allocation.errors.iter().map(|error| error.frame).take(10).collect(),
            subject: Some(row.id.clone()),
        });
    }
}

fn dtls(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for row in &snapshot.handshakes {
        let Some(alert) = &row.handshake.alert else { continue };
        if row.handshake.state != State::Alert {
            continue;
        }
        let srtp = !row.handshake.offer.srtp_profiles.is_empty();
        let name = alert.alert.map_or_else(|| "an encrypted alert".to_owned(), |alert| alert.to_string());
        findings.push(Finding {
            code: "DTLS_ALERT",
            severity: Severity::Error,
            summary: format!("{}: the DTLS handshake ended with {name}", row.flow),
            explanation: if srtp {
                "Without the handshake there are no SRTP keys, and no media."
            } else {
                "Without the handshake nothing can be said on this five-tuple: no allocation where it is TURN over DTLS, no \
                 data channel where it is one, no media where its SRTP keys were to come from here."
            },
            advice: if srtp {
                "Compare the certificate's fingerprint with a=fingerprint of the SDP, and the roles with a=setup."
            } else {
                "Look at versions, cipher suites and certificates that both sides accept, and at the log of who sent the \
                 alert. TURN over DTLS: the client has to trust the server's certificate and find its name in it. Media: \
                 compare the certificate with a=fingerprint of the SDP, and the roles with a=setup."
            },
            frames: vec![alert.at.frame],
            subject: Some(row.flow.clone()),
        });
    }
}

fn round_trips(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for row in snapshot.rtcp.iter().filter(|row| !row.sender.negative_rtts.is_empty()) {
        findings.push(Finding {
            code: "RTCP_NEGATIVE_RTT",
            severity: Severity::Info,
            summary: format!("{}: reports of {} give a round trip below zero", row.flow, row.sender.ssrc),
            explanation: "The reporter claims to have held the report longer than the capture saw between SR and report.",
            advice: "The reporter's delay since last SR is wrong; do not trust its round trips.",
            frames: row.sender.negative_rtts.iter().copied().take(10).collect(),
            subject: Some(row.flow.clone()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;
    use std::collections::BTreeSet;

    /// Each finding that tells of something wrong, and the words for it in what was looked at. Those of a report with
    /// nothing in it are not among them: they never stand beside these words.
    const LOOKED_FOR: [(&str, &str); 13] = [
        ("CAPTURE_REFUSED", "inputs that cannot be read"),
        ("CAPTURE_DAMAGED", "damage"),
        ("CAPTURE_DROPPED_PACKETS", "drops"),
        ("CAPTURE_SNAP_LENGTH", "cuts"),
        ("CAPTURE_DUPLICATES", "copies"),
        ("CAPTURE_TWO_PLACES", "copies"),
        ("CAPTURE_TIME_JUMPS", "clock jumps of the capture"),
        ("LIMIT_REACHED", "reached limits"),
        ("PACKET_MALFORMED", "malformed messages"),
        ("MESSAGE_MALFORMED", "malformed messages"),
        ("TURN_ALLOCATION_FAILED", "refused TURN allocations"),
        ("DTLS_ALERT", "DTLS alerts"),
        ("RTCP_NEGATIVE_RTT", "impossible round trips"),
    ];

    #[test]
    fn what_was_looked_for_names_every_finding_that_there_is_and_nothing_else() {
        let rules = [include_str!("finding_rules.rs"), include_str!("finding_rules/capture.rs")];
        let code = |line: &'static str| line.trim().strip_prefix("code: \"")?.strip_suffix("\",");
        let in_rules: BTreeSet<&str> = rules.iter().flat_map(|rules| rules.lines()).filter_map(code).collect();
        let named: BTreeSet<&str> = LOOKED_FOR.iter().map(|(code, _)| *code).collect();
        assert_eq!(in_rules, named);
        let words: BTreeSet<&str> =
            CHECKED.split([',']).flat_map(|words| words.split(" and ")).map(str::trim).collect();
        let expected: BTreeSet<&str> = LOOKED_FOR.iter().map(|(_, words)| *words).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn inputs_that_cannot_be_read_are_named_and_of_many_the_first() {
        let mut snapshot = Stage::new().snapshot();
        snapshot.capture.facts.refused = (0..20).map(|number| format!("{number}.pcap: the file is empty")).collect();
        let findings = all(&snapshot, &[]);
        assert_eq!(findings.len(), MAX_REFUSED + 1);
        assert!(findings.iter().all(|finding| finding.code == "CAPTURE_REFUSED" && finding.frames.is_empty()));
        assert_eq!(findings[0].summary, "0.pcap: the file is empty");
        assert_eq!(findings[MAX_REFUSED].summary, "4 more inputs could not be read");
    }
    use crate::proto::dtls::vectors::{COTURN_ALERT, hex};

    #[test]
    fn an_alert_without_srtp_in_the_offer_speaks_of_turn_too() {
        let mut stage = Stage::new();
        for (at, datagram) in COTURN_ALERT.iter().enumerate() {
            let (from, to) =
                if at % 2 == 0 { ("10.0.0.1:5000", "10.0.0.2:5349") } else { ("10.0.0.2:5349", "10.0.0.1:5000") };
            stage.udp(at as i64, from, to, &hex(datagram));
        }
        let findings = stage.snapshot().findings;
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.code, finding.frames.as_slice()), ("DTLS_ALERT", &[FrameNo(4)][..]));
        assert!(finding.explanation.contains("TURN over DTLS") && finding.advice.contains("TURN over DTLS"));
    }
}
