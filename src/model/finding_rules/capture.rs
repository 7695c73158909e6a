//! What the way a capture was made does to its figures: cut packets, time that jumps, the same call seen twice.
//!
//! In: a snapshot without findings. Out: one finding for each of these, with the frames that show it.
//! Never: the sender blamed for what the capture did.

use super::super::clock_steps::ClockStep;
use super::super::finding::{Finding, Severity};
use super::super::snapshot::{Snapshot, StreamRow};
use super::{FRAMES, Rule};
use crate::net::OtherReason;
use crate::packet::FrameNo;
use crate::time::NANOS_PER_SEC;

/// Cases that a summary names.
const NAMED: usize = 3;

pub(super) static SNAP_LENGTH: Rule = Rule {
    code: "CAPTURE_SNAP_LENGTH",
    severity: Severity::Warning,
    title: "The capture has cut packets short",
    explanation: "A snap length kept only the first bytes of each packet. RTP headers, and with them loss and jitter, do \
        not suffer. What stood behind the cut cannot be judged: STUN attributes and what is inside indications, \
        certificates of DTLS, descriptions in SIP, report blocks of RTCP, and messages on TCP, whose streams have holes. \
        None of it is called malformed.",
    advice: "Capture anew with whole packets: tcpdump -s 0.",
    find: |evidence| cut(evidence.snapshot).into_iter().collect(),
};

pub(super) static TIME_JUMPS: Rule = Rule {
    code: "CAPTURE_TIME_JUMPS",
    severity: Severity::Warning,
    title: "Time jumps in the capture",
    explanation: "Captures were put one behind the other, the clock of the capturing machine was set, or a record is \
        damaged. Durations, rates, gaps, jitter and timeouts count a jump as time that passed.",
    advice: "Files that were joined: give them one by one, or together, and they are merged by time. Else look at the \
        parts before and behind the jump alone, with --time-from and --time-to.",
    find: |evidence| clock_steps(evidence.snapshot).into_iter().collect(),
};

pub(super) static TWO_PLACES: Rule = Rule {
    code: "CAPTURE_TWO_PLACES",
    severity: Severity::Warning,
    title: "The capture has the same call from two places",
    explanation: "A mirror port doubles all packets of a stream. Here some came once and others twice: they were \
        captured at two places that did not see the same, such as before and behind a hop that loses packets, or a call \
        captured at both ends. A packet counts as soon as one of the places has it, so loss between them is not in \
        these figures.",
    advice: "Look at the capture of each place alone. Where one file has both, --keep-duplicates counts all of it, \
        and -f vlan tells the places apart where one of them is in a VLAN.",
    find: |evidence| two_places(evidence.snapshot).into_iter().collect(),
};

fn cut(snapshot: &Snapshot) -> Option<Finding> {
    let capture = &snapshot.capture;
    let records = &capture.cut_records;
    if records.packets == 0 {
        return None;
    }
    let kept = if records.shortest == records.longest {
        format!("to {} bytes", records.longest)
    } else {
        format!("to {} bytes at most", records.longest)
    };
    let headers = snapshot.other.get(&OtherReason::CutOff.to_string()).copied().unwrap_or(0);
    let mut touched: Vec<String> = capture
        .cut_messages
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{} {count}", class.name().to_uppercase()))
        .collect();
    if capture.cut_segments > 0 {
        touched.push(format!("TCP segments {}", capture.cut_segments));
    }
    if headers > 0 {
        touched.push(format!("headers {headers}"));
    }
    let (severity, touched) = match touched.as_slice() {
        [] => (Severity::Info, "no message cut that is read to its end".to_owned()),
        all => (Severity::Warning, format!("cut within: {}", all.join(", "))),
    };
    let summary = format!("{} of {} packets cut {kept}; {touched}", records.packets, capture.packets);
    let frames = records.frames.iter().copied();
    Some(Finding { severity, ..SNAP_LENGTH.finding(summary).with_frames(frames) })
}

fn clock_steps(snapshot: &Snapshot) -> Option<Finding> {
    let steps = &snapshot.capture.clock_steps;
    let named: Vec<String> = steps.examples.iter().take(NAMED).map(step_words).collect();
    let summary = match steps.count - named.len() as u64 {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    };
    let frames = steps.examples.iter().flat_map(|step| [step.before, step.after]);
    (steps.count > 0).then(|| TIME_JUMPS.finding(summary).with_frames(frames))
}

fn step_words(step: &ClockStep) -> String {
    let ClockStep { before, after, nanos, is_stray } = *step;
    let by = span(nanos.unsigned_abs());
    let direction = if nanos < 0 { ("before", "back") } else { ("after", "forward") };
    if is_stray {
        format!("frame {after} is dated {by} {} the frames around it", direction.0)
    } else {
        format!("from frame {before} to {after} time jumps {} by {by}", direction.1)
    }
}

/// In the largest unit of which there are two.
fn span(nanos: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(365 * 86_400, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes")];
    let seconds = nanos as f64 / NANOS_PER_SEC as f64;
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= 2.0 * *unit as f64);
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{:.1} {name}", seconds / unit as f64)
}

/// Packets of a stream below which nothing is said of it, with a copy or without.
const ENOUGH: u64 = 10;

/// Where a stream has copies of some of its packets only: those that have one, of all.
///
/// What came twice without being known for a copy counts as well: copies that came late are among it.
fn partly_copied(row: &StreamRow) -> Option<(u64, u64)> {
    let duplicates = row.figures.sequence.duplicates;
    let unique = row.figures.packets.checked_sub(duplicates)?;
    let copies = row.figures.copies.packets;
    // A third place gives two copies to each packet, and so on.
    let beyond = (copies + duplicates).checked_rem(unique)?;
    let share = beyond as f64 / unique as f64;
    let is_part = (0.05..0.99).contains(&share) && beyond >= ENOUGH && unique - beyond >= ENOUGH;
    (is_part && copies >= ENOUGH).then_some((copies, unique))
}

pub(super) fn two_places(snapshot: &Snapshot) -> Option<Finding> {
    let partly = || snapshot.streams.iter().filter_map(|row| Some((row, partly_copied(row)?)));
    let named: Vec<String> = partly()
        .take(NAMED)
        .map(|(row, (copies, unique))| format!("{}: {copies} copies of {unique} packets", row.id))
        .collect();
    let frames: Vec<FrameNo> =
        partly().flat_map(|(row, _)| [row.figures.first_frame, row.figures.last_frame]).take(FRAMES).collect();
    let more = partly().count() - named.len();
    let summary = match more {
        0 => named.join(", "),
        more => format!("{}, and {more} more streams", named.join(", ")),
    };
    (!named.is_empty()).then(|| TWO_PLACES.finding(summary).with_frames(frames))
}

#[cfg(test)]
mod tests;
