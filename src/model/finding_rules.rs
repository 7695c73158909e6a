//! The rules that turn what a snapshot shows into findings, and the pages that explain them.
//!
//! In: a snapshot without findings, and the faults that decoding met. Out: findings, errors first, of each severity the
//! one that explains most first. Never: a finding that no frame or count of the snapshot proves.
//!
//! # To add a rule
//!
//! 1. A small file in `finding_rules/` with a `static RULE: Rule`: a code that never changes, the severity, a title, what
//!    it means in general, what to do, and `find`, which looks at the [`Evidence`] and gives a finding for each case:
//!    `RULE.finding(summary).with_frames(frames).about(id)`. The summary names what, who and how much; the frames prove
//!    it. Rules that read the same evidence share a file. A threshold is a constant that says where it comes from.
//! 2. A line in [`RULES`]. Its place there is its rank: what can be the cause of something else stands above it.
//! 3. Tests in that file: a capture that has it, and a healthy one that comes close and has not.
//! 4. `BLESS=1 cargo test --test findings_page` writes the rule into `docs/findings.md`.
//!
//! A rule that may be wrong is left out: a false alarm costs more than silence.

mod candidates;
mod capture;
mod capture_direction;
mod dtls;
mod dtls_alert;
mod dtls_setup;
mod emptiness;
mod evidence;
mod fragments;
mod ice;
mod icmp;
mod input;
mod malformed;
mod media_start;
mod negotiated;
mod no_answer;
mod rtcp_feedback;
mod rtcp_negative_rtt;
mod rtp_bitrate;
mod rtp_downstream;
mod rtp_freeze;
mod rtp_identity;
mod rtp_loss;
mod rtp_marking;
mod rtp_one_way;
mod rtp_stopped;
mod rtp_sync;
mod rtp_timing;
mod sip;
mod turn_life;
mod turn_refused;
mod turn_relay;

use super::finding::{Finding, Severity};
use super::snapshot::Snapshot;
use crate::bytes::ParseError;
use crate::packet::FrameNo;
use evidence::Evidence;

/// Every rule, the one that explains most first: a cause stands above what follows from it.
pub static RULES: &[&Rule] = &[
    &emptiness::NO_PACKETS,
    &emptiness::NO_RTC,
    &emptiness::SSRC_NOT_SEEN,
    &input::REFUSED,
    &input::DAMAGED,
    &input::DROPPED,
    &capture::TIME_JUMPS,
    &capture::TWO_PLACES,
    &capture::SNAP_LENGTH,
    &input::LIMIT,
    &capture_direction::RULE,
    &rtcp_feedback::STREAM_MISSING,
    &icmp::UNREACHABLE,
    &sip::REFUSED,
    &sip::CHALLENGED,
    &sip::NO_ANSWER,
    &sip::CANCELLED,
    &no_answer::TURN,
    &turn_refused::EXPIRED_CREDENTIALS,
    &turn_refused::UNAUTHORIZED,
    &turn_refused::QUOTA,
    &turn_refused::CAPACITY,
    &turn_refused::FORBIDDEN,
    &turn_refused::MISMATCH,
    &turn_refused::WRONG_CREDENTIALS,
    &turn_refused::TRANSPORT,
    &turn_refused::ALLOCATION_FAILED,
    &turn_life::EXPIRED,
    &turn_refused::STALE_NONCE,
    &turn_refused::REQUEST_FAILED,
    &turn_life::NO_PERMISSION,
    &turn_life::NO_CHANNEL,
    &no_answer::STUN,
    &candidates::ONLY_MDNS,
    &candidates::ONLY_HOST,
    &ice::ONE_SIDED,
    &ice::FAILED,
    &dtls::FINGERPRINT,
    &dtls::ROLES,
    &dtls_setup::RULE,
    &dtls::REFUSED,
    &dtls::CERTIFICATE_DATES,
    &dtls_alert::RULE,
    &dtls::STUCK,
    &dtls::NOT_STARTED,
    &rtp_one_way::RULE,
    &negotiated::MISSING,
    &negotiated::PAYLOAD_TYPE,
    &negotiated::NOT_AGREED,
    &ice::CONSENT_LOST,
    &turn_relay::LOSS,
    &rtp_stopped::RULE,
    &rtp_loss::OUTAGE,
    &rtp_loss::LOSS,
    &rtp_downstream::RULE,
    &rtp_loss::BURST_LOSS,
    &rtp_freeze::RULE,
    &rtp_bitrate::RULE,
    &rtp_sync::RULE,
    &media_start::WITHOUT_HANDSHAKE,
    &media_start::LATE,
    &turn_relay::DELAY,
    &rtp_timing::CLOCK_JUMP,
    &rtp_timing::JITTER,
    &rtp_loss::REORDERED,
    &rtcp_feedback::PICTURE_STORM,
    &rtcp_feedback::NACK_STORM,
    &icmp::PATH_MTU,
    &fragments::RULE,
    &ice::ROLES,
    &ice::SWITCHED,
    &rtp_marking::RULE,
    &rtp_identity::MOVED,
    &rtp_identity::CHANGED,
    &rtp_identity::RESTARTED,
    &rtp_identity::SHARED,
    &rtcp_feedback::MISSING,
    &malformed::PACKET,
    &malformed::MESSAGE,
    &rtcp_negative_rtt::RULE,
    &negotiated::ADDRESS,
    &icmp::CLOSED,
    &input::DUPLICATES,
];

/// Rules that take streams and RTCP that are not there for proof.
static OF_MISSING_STREAMS: &[&Rule] = &[
    &candidates::ONLY_MDNS,
    &rtcp_feedback::STREAM_MISSING,
    &rtp_one_way::RULE,
    &rtp_stopped::RULE,
    &negotiated::MISSING,
    &rtcp_feedback::MISSING,
];
/// Rules that take an answer that is not there for proof.
static OF_MISSING_ANSWERS: &[&Rule] = &[
    &icmp::UNREACHABLE,
    &capture_direction::RULE,
    &sip::NO_ANSWER,
    &no_answer::TURN,
    &no_answer::STUN,
    &ice::ONE_SIDED,
    &ice::FAILED,
    &ice::CONSENT_LOST,
    &dtls::STUCK,
    &dtls::NOT_STARTED,
];

/// Frames of a finding at most: the first ones prove it, `--full` tables have the rest.
const FRAMES: usize = 10;
/// Findings of one rule at most; what is beyond is counted in one last finding.
const MAX_CASES: usize = 1000;

/// A rule and its page.
pub struct Rule {
    /// A stable name.
    pub code: &'static str,
    /// How bad it is, where a case does not say otherwise.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means in general.
    pub explanation: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// The cases of it.
    find: fn(&Evidence<'_>) -> Vec<Finding>,
}

impl Rule {
    /// A case, so far without frames.
    fn finding(&self, summary: String) -> Finding {
        Finding {
            code: self.code,
            severity: self.severity,
            summary,
            explanation: self.explanation,
            advice: self.advice,
            frames: Vec::new(),
            subject: None,
            cases: 1,
        }
    }

    /// False where it looks for what the user may have left out: of what nobody looked at nothing is missing.
    fn can_prove(&self, snapshot: &Snapshot) -> bool {
        let filter = snapshot.capture.facts.asked.filter.as_deref();
        // Other filters leave out both directions of a conversation, or none.
        let by_direction =
            filter.is_some_and(|filter| filter.split_whitespace().any(|word| word == "src" || word == "dst"));
        let some_only = filter.is_some() || snapshot.capture.only_ssrcs.is_some();
        !(some_only && self.is_in(OF_MISSING_STREAMS) || by_direction && self.is_in(OF_MISSING_ANSWERS))
    }

    fn is_in(&self, rules: &[&Rule]) -> bool {
        rules.iter().any(|rule| rule.code == self.code)
    }

    fn cases(&self, evidence: &Evidence<'_>) -> Vec<Finding> {
        let mut findings = (self.find)(evidence);
        if findings.len() > MAX_CASES {
            let more = findings.len() - MAX_CASES;
            findings.truncate(MAX_CASES);
            findings.push(Finding { cases: more as u64, ..self.finding(format!("{more} more cases are not listed")) });
        }
        findings
    }
}

impl Finding {
    /// The first few of these frames prove it.
    fn with_frames(mut self, frames: impl IntoIterator<Item = FrameNo>) -> Self {
        for frame in frames {
            if self.frames.len() == FRAMES {
                break;
            }
            if !self.frames.contains(&frame) {
                self.frames.push(frame);
            }
        }
        self
    }

    /// The id of what it is about.
    fn about(mut self, id: &str) -> Self {
        self.subject = Some(id.to_owned());
        self
    }
}

/// What decoding met on its way.
pub(crate) enum Fault {
    /// Link, IP or transport headers that contradict themselves.
    Headers { frame: FrameNo, error: ParseError },
    /// Messages of one flow.
    Messages { flow: String, what: &'static str, count: u64, first: FrameNo },
    /// Responses of who sends on a flow, to requests that were not captured.
    Unasked { flow: String, count: u64, frames: Vec<FrameNo> },
    /// Bytes of the silent side of a TCP connection that the other side acknowledges.
    Acknowledged { flow: String, bytes: u32, frames: [FrameNo; 2] },
}

/// All findings of a snapshot.
pub(crate) fn all(snapshot: &Snapshot, faults: &[Fault]) -> Vec<Finding> {
    let evidence = Evidence::new(snapshot, faults);
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    for (rank, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.can_prove(snapshot)) {
        let looks_for_what_is_missing = rule.is_in(OF_MISSING_STREAMS) || rule.is_in(OF_MISSING_ANSWERS);
        let is_doubtful = looks_for_what_is_missing && rule.code != capture_direction::RULE.code;
        let is_believed = |finding: &Finding| !is_doubtful || !evidence.is_half(finding);
        let cases = rule.cases(&evidence).into_iter();
        findings.extend(cases.filter(is_believed).map(|finding| (rank, finding)));
    }
    findings.sort_by_key(|(rank, finding)| (finding.severity, *rank, first(finding)));
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn first(finding: &Finding) -> u64 {
    finding.frames.first().map_or(u64::MAX, |frame| frame.0)
}

/// Findings of different times in the order of [`all`].
pub(crate) fn sort(findings: &mut [Finding]) {
    let rank = |finding: &Finding| RULES.iter().position(|rule| rule.code == finding.code);
    findings.sort_by_cached_key(|finding| (finding.severity, rank(finding), first(finding)));
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, stun};
    use super::input::MAX_REFUSED;
    use super::*;
    use crate::proto::stun::{Class, Method};
    use std::collections::BTreeSet;

    /// The codes of all findings, in their order.
    pub(super) fn codes(stage: &mut Stage) -> Vec<&'static str> {
        stage.snapshot().findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn every_rule_has_a_code_of_its_own_and_all_words_of_its_page() {
        let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), RULES.len());
        for rule in RULES {
            let of_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(rule.code.bytes().all(of_code), "{}", rule.code);
            assert!(!rule.title.ends_with('.') && rule.title.len() <= 60, "{}", rule.title);
            assert!(rule.explanation.ends_with('.') && rule.advice.ends_with('.'), "{}", rule.code);
        }
    }

    #[test]
    fn every_rule_of_a_file_stands_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/finding_rules");
        let mut written = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(path).unwrap();
                let code = |line: &str| Some(line.trim().strip_prefix("code: \"")?.strip_suffix("\",")?.to_owned());
                written.extend(text.lines().filter_map(code));
            }
        }
        assert_eq!(written, RULES.iter().map(|rule| rule.code.to_owned()).collect());
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

    #[test]
    fn what_the_capturing_machine_dropped_and_fragments_that_did_not_come_are_counted() {
        let mut stage = Stage::new();
        let request = stun(Class::Request, Method::BINDING, 1, &[]);
        let mut snapshot = stage.udp(0, "10.0.0.1:5000", "10.0.0.2:3478", &request).snapshot();
        let codes = |snapshot: &Snapshot| all(snapshot, &[]).iter().map(|finding| finding.code).collect::<Vec<_>>();
        snapshot.capture.fragments.held = 2;
        snapshot.capture.facts.dropped_by_capture = Some(0);
        assert_eq!(codes(&snapshot), [] as [&str; 0]);
        snapshot.capture.fragments.expired = 1;
        snapshot.capture.facts.dropped_by_capture = Some(7);
        assert_eq!(codes(&snapshot), ["CAPTURE_DROPPED_PACKETS", "IP_FRAGMENTS_MISSING"]);
    }

    #[test]
    fn of_many_cases_of_one_rule_the_rest_is_counted() {
        let mut snapshot = Stage::new().snapshot();
        let damage = |at: u64| crate::model::capture::Damage { text: at.to_string(), frame: Some(FrameNo(at)) };
        let file = crate::model::capture::FileFacts {
            damage: (0..1500).map(damage).collect(),
            damaged_places: 1500,
            ..crate::model::capture::FileFacts::default()
        };
        snapshot.capture.facts.files = vec![file];
        let findings = all(&snapshot, &[]);
        let damaged: Vec<&Finding> = findings.iter().filter(|finding| finding.code == "CAPTURE_DAMAGED").collect();
        assert_eq!(damaged.len(), MAX_CASES + 1);
        assert!(damaged.iter().any(|finding| finding.summary == "500 more cases are not listed"));
        assert_eq!(damaged.iter().map(|finding| finding.cases).sum::<u64>(), 1500);
    }
}
