//! Bytes that contradict themselves.
//!
//! In: the faults that decoding met. Out: a finding for each kind and flow. Never: the sender blamed for a snap length.

use super::super::finding::{Finding, Severity};
use super::{Evidence, Fault, Rule};

pub(super) static PACKET: Rule = Rule {
    code: "PACKET_MALFORMED",
    severity: Severity::Warning,
    title: "Headers contradict themselves",
    explanation: "The headers below the payload contradict themselves or are cut off.",
    advice: "Look at the frame; where it is cut off, capture with a larger snap length.",
    find: packet,
};

pub(super) static MESSAGE: Rule = Rule {
    code: "MESSAGE_MALFORMED",
    severity: Severity::Warning,
    title: "Messages contradict themselves",
    explanation: "A message was understood in part; what could be read of it was counted.",
    advice: "Look at the frame; the sender does not keep to the RFC, or something on the way changed bytes.",
    find: message,
};

fn packet(evidence: &Evidence<'_>) -> Vec<Finding> {
    let of_headers = |fault: &Fault| match fault {
        Fault::Headers { frame, error } => {
            Some(PACKET.finding(format!("frame {frame}: {error}")).with_frames([*frame]))
        }
        _ => None,
    };
    evidence.faults.iter().filter_map(of_headers).collect()
}

fn message(evidence: &Evidence<'_>) -> Vec<Finding> {
    let of_messages = |fault: &Fault| match fault {
        Fault::Messages { flow, what, count, first } => {
            let summary = format!("{flow}: {count} messages of {what}, first in frame {first}");
            Some(MESSAGE.finding(summary).with_frames([*first]).about(flow))
        }
        _ => None,
    };
    evidence.faults.iter().filter_map(of_messages).collect()
}
