//! The thread of a capture that somebody else makes or has made: a pipe as it comes, or files at the pace of their packets.
//!
//! In: a reader over inputs. Out: packets for the engine, and what there is to know of the inputs. Never: the engine held while
//! a packet is waited for.

use super::super::examine::file_facts;
use super::engine::Shared;
use super::instant;
use crate::packet::{FedPacket, PacketFeed, PacketSink};
use crate::source::{CaptureFiles, Input, PacketSource};
use crate::time::Timestamp;
use std::time::{Duration, Instant};

/// Records between two looks at what the reader says of its inputs.
const RECORDS: u64 = 256;
/// How soon the end of a wait is noticed that nobody wants any more.
const ATTENTION: Duration = Duration::from_millis(20);
/// The longest wait for a packet: a clock that jumps, or a capture with a break, is gone on with.
const LONGEST: Duration = Duration::from_secs(10);

/// When a packet is due whose time is known.
pub(super) struct Pace {
    speed: f64,
    began: Option<(Timestamp, Instant)>,
}

impl Pace {
    /// `speed` seconds of the capture go by in one.
    pub(super) const fn new(speed: f64) -> Self {
        Self { speed, began: None }
    }

    /// When the packet is due.
    fn due(&mut self, ts: Timestamp, now: Instant) -> Instant {
        let (first, began) = *self.began.get_or_insert((ts, now));
        let nanos = ts.nanos_since(first) as f64 / self.speed;
        // Where the clock went back, time is counted from there; late packets are due at once.
        let offset = Duration::try_from_secs_f64(nanos / 1e9).unwrap_or(if nanos < 0.0 {
            Duration::ZERO
        } else {
            Duration::MAX
        });
        let latest = now + LONGEST;
        let due = began.checked_add(offset).map_or(latest, |due| due.min(latest));
        if nanos < 0.0 {
            self.began = Some((ts, now));
            return now;
        }
        if due == latest {
            self.began = Some((ts, latest));
        }
        due
    }
}

/// Reads standard input.
pub(super) fn read_pipe(shared: &Shared) {
    // A pipe is looked at here, because whoever writes into it may take his time with the first byte.
    match CaptureFiles::open(&[Input::Stdin]) {
        Ok(files) => read(&files, shared, None),
        Err(refused) => shared.enter().errors.extend(refused.iter().map(ToString::to_string)),
    }
}

/// Reads inputs to their end, as fast as they come where there is no pace.
pub(super) fn read(files: &CaptureFiles, shared: &Shared, mut pace: Option<Pace>) {
    let mut reader = files.reader();
    let mut records = 0_u64;
    while !shared.is_stopping() {
        let mut sink = Taken { shared, pace: pace.as_mut(), wants_more: true };
        let more = reader.feed(1, &mut sink);
        records += 1;
        let goes_on = more && sink.wants_more;
        if !goes_on || records == 1 || records.is_multiple_of(RECORDS) {
            let mut state = shared.enter();
            state.files = reader.files().map(file_facts).collect();
            state.dropped = reader.dropped_by_capture();
            state.flush();
        }
        if !goes_on {
            break;
        }
    }
}

/// Where the records go.
struct Taken<'s> {
    shared: &'s Shared,
    pace: Option<&'s mut Pace>,
    wants_more: bool,
}

impl<'m> PacketSink<'m> for Taken<'_> {
    fn packet(&mut self, fed: FedPacket<'m, '_>) -> bool {
        if let Some(pace) = &mut self.pace {
            if !self.shared.enter().wants(&fed.packet) {
                return true;
            }
            let due = pace.due(fed.packet.ts, instant());
            loop {
                let wait = due.saturating_duration_since(instant());
                if wait.is_zero() {
                    break;
                }
                if self.shared.is_stopping() {
                    self.wants_more = false;
                    return false;
                }
                std::thread::sleep(wait.min(ATTENTION));
            }
            self.wants_more = self.shared.enter().take(&fed.packet, String::new);
            return self.wants_more;
        }
        let mut state = self.shared.enter();
        // The next look at the reader's own count may be long in coming.
        if let Some(file) = state.files.first_mut() {
            file.packets += 1;
        }
        self.wants_more = state.packet(&fed.packet, || "-".to_owned());
        self.wants_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_due_at_its_pace_and_a_jump_of_the_clock_is_gone_on_with() {
        let began = instant();
        let mut pace = Pace::new(2.0);
        let mut wait = |seconds: i64, passed: u64| {
            let now = began + Duration::from_secs(passed);
            pace.due(Timestamp::from_parts(1_000_000 + seconds, 0), now).saturating_duration_since(now).as_secs_f64()
        };
        assert_eq!([wait(0, 0), wait(1, 0), wait(4, 1), wait(5, 100)], [0.0, 0.5, 1.0, 0.0]);
        // A day later: a short wait, and from there on the pace again.
        assert_eq!([wait(86_400, 100), wait(86_402, 110)], [10.0, 1.0]);
        // Back to the beginning: at once, and on from there.
        assert_eq!([wait(0, 120), wait(2, 120)], [0.0, 1.0]);
    }
}
