//! How a stream went, looked at once a second: a bitrate that collapses, a marking that changes.
//!
//! In: one packet of each second, with the bits of that second. Out: the longest [`Lull`], and the [`Marking`]. Never: work
//! for each packet, or memory that grows with time: of the usual bitrate a histogram is kept.

use crate::packet::FrameNo;
use crate::time::Timestamp;

/// Buckets of the histogram: two for each octave of bits per second.
const BUCKETS: usize = 80;
/// Seconds before a bitrate is known to be the usual one.
const USUAL_SECONDS: u32 = 10;
/// A second has collapsed where it has less than this part of the usual bitrate.
const SMALL_PART: u64 = 4;
/// Milliseconds between two looks above which nothing was sent in between: that is a pause.
const PAUSE_MS: f64 = 2000.0;
/// Looks before a lull in which missing packets are counted to it: a sender slows down behind the loss.
const BEFORE: usize = 5;
/// Changes of the marking that are kept, the first ones.
const MAX_REMARKS: usize = 4;

/// A time in which a stream went on with a small part of its usual bitrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lull {
    /// The packets between which it lies: the last one looked at before, and the last one within.
    pub frames: [FrameNo; 2],
    /// When these came.
    pub span: (Timestamp, Timestamp),
    /// The median of the seconds before, in bits per second, rounded down by up to a third.
    pub usual_bps: u64,
    /// The mean of it.
    pub bps: u64,
    /// Packets that went missing in it and in the five seconds before.
    pub lost: u64,
    bits: u64,
    looks: u64,
    missing_before: u64,
}

impl Lull {
    /// Seconds that it lasted.
    pub fn seconds(&self) -> f64 {
        self.span.1.millis_since(self.span.0) / 1000.0
    }
}

/// Another marking than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The first packet that was looked at and has it.
    pub frame: FrameNo,
    /// The code point before.
    pub from: u8,
    /// The code point since.
    pub to: u8,
}

/// The differentiated services code points of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marking {
    /// That of the first packet.
    pub first: u8,
    /// The first changes that lasted a second or more.
    pub changes: Vec<Remark>,
}

impl Marking {
    /// Of a traffic class, whose lower two bits are ECN (RFC 3168).
    pub(super) fn of(traffic_class: u8) -> Self {
        Self { first: traffic_class >> 2, changes: Vec::new() }
    }

    fn now(&self) -> u8 {
        self.changes.last().map_or(self.first, |change| change.to)
    }

    /// The only one that it has; none where it changed.
    pub fn only(&self) -> Option<u8> {
        self.changes.is_empty().then_some(self.first)
    }
}

/// The state.
#[derive(Clone, Debug)]
pub(super) struct Course {
    histogram: [u16; BUCKETS],
    seconds: u32,
    last: Option<(FrameNo, Timestamp)>,
    /// Packets missing at the last looks, the newest last.
    missing: [u64; BEFORE],
    lull: Option<Lull>,
    longest: Option<Lull>,
    marking: Marking,
    /// A marking that one look has shown.
    candidate: Option<Remark>,
}

impl Course {
    pub(super) fn new(first_class: u8) -> Self {
        Self {
            histogram: [0; BUCKETS],
            seconds: 0,
            last: None,
            missing: [0; BEFORE],
            lull: None,
            longest: None,
            marking: Marking::of(first_class),
            candidate: None,
        }
    }

    /// A look at the packet with which a second is over, and at the bits of that second. `missing`: packets since the
    /// stream began.
    pub(super) fn second(&mut self, at: (FrameNo, Timestamp), bits: u64, missing: u64, traffic_class: u8) {
        self.mark(at.0, traffic_class >> 2);
        let before = self.last.replace(at);
        let is_pause = before.is_some_and(|(_, ts)| !(0.0..PAUSE_MS).contains(&at.1.millis_since(ts)));
        let usual = self.usual_bps();
        match (before, usual) {
            (Some(before), Some(usual)) if !is_pause && bits * SMALL_PART < usual => {
                let missing_before = self.missing[0];
                let lull = self.lull.get_or_insert(Lull {
                    frames: [before.0, at.0],
                    span: (before.1, at.1),
                    usual_bps: usual,
                    bps: 0,
                    lost: 0,
                    bits: 0,
                    looks: 0,
                    missing_before,
                });
                (lull.frames[1], lull.span.1) = at;
                lull.bits += bits;
                lull.looks += 1;
                lull.bps = lull.bits / lull.looks;
                lull.lost = missing.saturating_sub(lull.missing_before);
            }
            _ => {
                self.end_lull();
                if !is_pause {
                    let own = &mut self.histogram[bucket(bits)];
                    *own = own.saturating_add(1);
                    self.seconds = self.seconds.saturating_add(1);
                }
            }
        }
        self.missing.rotate_left(1);
        self.missing[BEFORE - 1] = missing;
    }

    fn end_lull(&mut self) {
        if let Some(lull) = self.lull.take()
            && self.longest.is_none_or(|longest| lull.seconds() > longest.seconds())
        {
            self.longest = Some(lull);
        }
    }

    fn mark(&mut self, frame: FrameNo, code_point: u8) {
        let from = self.marking.now();
        self.candidate = match self.candidate.take() {
            _ if code_point == from => None,
            Some(known) if known.to == code_point => {
                if self.marking.changes.len() < MAX_REMARKS {
                    self.marking.changes.push(known);
                }
                None
            }
            _ => Some(Remark { frame, from, to: code_point }),
        };
    }

    /// The lower end of the median's bucket.
    fn usual_bps(&self) -> Option<u64> {
        if self.seconds < USUAL_SECONDS {
            return None;
        }
        let all: u64 = self.histogram.iter().map(|count| u64::from(*count)).sum();
        let mut below = 0;
        let median = self.histogram.iter().position(|count| {
            below += u64::from(*count);
            below * 2 > all
        });
        median.map(lower_end)
    }

    /// The longest one, also one that lasts.
    pub(super) fn lull(&self) -> Option<Lull> {
        self.longest.into_iter().chain(self.lull).max_by(|one, other| one.seconds().total_cmp(&other.seconds()))
    }

    pub(super) fn marking(&self) -> Marking {
        self.marking.clone()
    }
}

fn bucket(bits: u64) -> usize {
    let Some(octave) = bits.checked_ilog2().filter(|octave| *octave > 0) else { return 0 };
    let half = bits >> (octave - 1) & 1;
    (octave as usize * 2 + half as usize).min(BUCKETS - 1)
}

fn lower_end(bucket: usize) -> u64 {
    let (octave, half) = (bucket / 2, bucket as u64 % 2);
    if octave == 0 { 0 } else { (2 + half) << (octave - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(rates: impl IntoIterator<Item = (i64, u64)>) -> Course {
        let mut course = Course::new(0);
        for (second, bits) in rates {
            let ts = Timestamp::from_nanos(second * 1_000_000_000);
            course.second((FrameNo(second as u64), ts), bits, 0, 0);
        }
        course
    }

    #[test]
    fn buckets_hold_what_lies_above_their_lower_end() {
        for bits in [1_u64, 2, 3, 4, 5, 1000, 1_000_000, 1_499_999, 8_000_000_000] {
            let end = lower_end(bucket(bits));
            assert!(end <= bits && bits < end * 3 / 2 + 2, "{bits}: {end}");
        }
    }

    #[test]
    fn a_collapse_has_its_length_and_its_share() {
        let course = course((0..20).map(|at| (at, 2_000_000)).chain((20..28).map(|at| (at, 100_000))));
        let lull = course.lull().unwrap();
        assert_eq!((lull.seconds(), lull.bps, lull.frames), (8.0, 100_000, [FrameNo(19), FrameNo(27)]));
        assert!((1_333_334..=2_000_000).contains(&lull.usual_bps), "{}", lull.usual_bps);
    }

    #[test]
    fn a_pause_is_no_collapse_and_neither_is_a_half() {
        let pause = course((0..20).chain(30..40).map(|at| (at, 2_000_000)));
        assert_eq!(pause.lull(), None);
        assert_eq!(course((0..40).map(|at| (at, if at < 20 { 2_000_000 } else { 900_000 }))).lull(), None);
    }

    #[test]
    fn a_marking_that_lasts_is_another_and_one_packet_is_not() {
        let mut course = Course::new(46 << 2);
        for (at, class) in [46, 0, 46, 46, 0, 0, 0].into_iter().enumerate() {
            let ts = Timestamp::from_nanos(at as i64 * 1_000_000_000);
            course.second((FrameNo(at as u64), ts), 1000, 0, class << 2 | 1);
        }
        let remark = Remark { frame: FrameNo(4), from: 46, to: 0 };
        assert_eq!(course.marking(), Marking { first: 46, changes: vec![remark] });
    }
}
