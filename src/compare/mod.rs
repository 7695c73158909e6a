//! Two captures held against each other.
//!
//! In: what both saw of each packet, and both reports as JSON values. Out: a [`Path`] where they are two points of one path, or
//! [`Runs`] where they are two runs of one scenario. Never: a file, a clock, or a judgement without a tolerance that is told.

#![forbid(unsafe_code)]

mod clock;
mod pairing;
mod path;
mod runs;
mod runs_figures;

pub use clock::{Basis, ClockOffset};
pub use path::{Delay, DirectionBy, Heading, Lone, OtherPackets, Path, PathStream};
pub use runs::{FindingChange, Judged, Judgement, RunStream, Runs};

use crate::model::sightings::{Kind, Sightings};
use pairing::Pairing;
use serde_json::Value;

/// Parts of the packets that must be in both captures for these to be points of one path.
const COINCIDE: f64 = 0.3;

/// A capture and what was made of it.
pub struct Side<'s> {
    /// What was seen of each packet.
    pub sightings: &'s Sightings,
    /// The report.
    pub report: &'s Value,
}

/// What two captures are to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Two points of one path.
    Path,
    /// Two runs of one scenario.
    Runs,
}

/// How that was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What they are.
    pub mode: Mode,
    /// Why, in a few words.
    pub why: String,
}

/// Tells what two captures are to each other. Messages that carry random numbers decide where there are any: RTP may be the
/// same in two runs, where a file was played.
pub fn decide(a: &Sightings, b: &Sightings) -> Decision {
    let is_random = |kind: Kind| matches!(kind, Kind::Other("stun" | "dtls" | "sip" | "rtcp" | "http" | "rtsp"));
    let messages = share(a, b, is_random);
    let media = share(a, b, |kind| matches!(kind, Kind::Rtp(_)));
    let (mode, why) = match (messages, media) {
        (None, None) => (Mode::Runs, "there are no packets that could be the same".to_owned()),
        (Some(messages), _) => {
            let mode = if messages.part() >= COINCIDE { Mode::Path } else { Mode::Runs };
            (mode, messages.said("signalling and control messages"))
        }
        (None, Some(media)) if media.part() < COINCIDE => (Mode::Runs, media.said("RTP packets")),
        (None, Some(media)) if overlap(a, b) => (Mode::Path, media.said("RTP packets")),
        (None, Some(media)) => (Mode::Runs, format!("{}, but not at the same time of day", media.said("RTP packets"))),
    };
    Decision { mode, why }
}

/// How many packets of the capture that has fewer are in the other one.
struct Share {
    both: usize,
    of: usize,
}

impl Share {
    fn part(&self) -> f64 {
        self.both as f64 / self.of.max(1) as f64
    }

    fn said(&self, what: &str) -> String {
        format!("{} of {} {what} of the smaller capture are in both", self.both, self.of)
    }
}

/// None where one of them has no such packet.
fn share(a: &Sightings, b: &Sightings, wanted: impl Fn(Kind) -> bool) -> Option<Share> {
    let keys = |sightings: &Sightings| {
        let of_group: Vec<bool> = sightings.groups.iter().map(|group| wanted(group.kind)).collect();
        let seen = sightings.seen.iter().filter(|seen| of_group.get(seen.group as usize).is_some_and(|wanted| *wanted));
        let mut keys: Vec<u64> = seen.map(|seen| seen.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    let (a, b) = (keys(a), keys(b));
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let both = few.iter().filter(|key| many.binary_search(key).is_ok()).count();
    (!few.is_empty()).then_some(Share { both, of: few.len() })
}

fn overlap(a: &Sightings, b: &Sightings) -> bool {
    a.span.zip(b.span).is_some_and(|((first_a, last_a), (first_b, last_b))| first_a <= last_b && first_b <= last_a)
}

/// Two points of one path.
pub fn path(a: &Side<'_>, b: &Side<'_>) -> Path {
    Path::of(a, b, &Pairing::of(a.sightings, b.sightings))
}

/// Two runs of one scenario.
pub fn runs(a: &Value, b: &Value) -> Runs {
    Runs::of(a, b)
}

#[cfg(test)]
mod tests;
