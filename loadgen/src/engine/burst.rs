//! Packets of a stream that are due at the same time, one behind the other in one buffer: on UDP one call to the system
//! sends them all (UDP_SEGMENT).
//!
//! In: a stream, its client, a buffer. Out: the messages, and what to count once they are sent. Never: two packets with
//! different times; messages of different length, but for the last one, which may be shorter.

use super::session::Stream;
use crate::client::{Client, PeerId};
use crate::clock::Moment;
use crate::media::{self, MIN_PAYLOAD, Pacer, Stamp};
use crate::stats::ShardStats;

/// Messages that the system takes at once (`UDP_MAX_SEGMENTS` of Linux before 6.7), and bytes of all of them.
const MAX_MESSAGES: u64 = 64;
const MAX_BYTES: usize = 65_000;

/// What one call sends.
pub(super) struct Burst {
    /// Messages.
    pub(super) count: u64,
    /// Bytes of each of them but the last.
    pub(super) message: usize,
    /// When all of them were due.
    scheduled: Moment,
    /// Bytes of the packets, that of the last one apart.
    packet: u16,
    last_packet: u16,
}

impl Burst {
    /// Writes what is due of `stream`, and steps on: one packet, or where `takes_more` all of the same time that fit.
    #[inline]
    pub(super) fn write(
        stream: &mut Stream,
        (client, peer): (&mut Client, PeerId),
        takes_more: bool,
        now: Moment,
        out: &mut Vec<u8>,
        stats: &mut ShardStats,
    ) -> Option<Self> {
        let mut due = stream.due?;
        let scheduled = if stream.is_paced { due.at } else { now };
        let mut burst = Self { count: 0, message: 0, scheduled, packet: 0, last_packet: 0 };
        out.clear();
        loop {
            let length = due.packet.bytes.max(MIN_PAYLOAD as u16);
            let start = out.len();
            stats.offered(length, scheduled);
            stream.due = stream.pacer.as_mut().and_then(Pacer::next);
            if client.wrap(peer, length.into(), out).is_none() {
                stats.counters.send_errors += 1;
                return Some(burst);
            }
            let stamp = Stamp { id: stream.id, sequence: stream.sent + burst.count, scheduled, sent: now };
            media::write(out, &stamp, &due.packet);
            client.finish_wrap(out, start);
            if burst.count == 0 {
                (burst.message, burst.packet) = (out.len(), length);
            }
            burst.count += 1;
            burst.last_packet = length;
            let next = stream.due.filter(|next| takes_more && stream.is_paced && next.at == due.at);
            match next {
                Some(next) if burst.takes(next.packet.bytes, out.len()) => due = next,
                _ => return Some(burst),
            }
        }
    }

    /// Whether one more packet goes behind what is there.
    fn takes(&self, bytes: u16, length: usize) -> bool {
        self.last_packet == self.packet
            && bytes <= self.packet
            && self.count < MAX_MESSAGES
            && length + self.message <= MAX_BYTES
    }

    /// Counts them: nobody was asked to take them, as the server does not read what it was sent before.
    pub(super) const fn count_blocked(&self, stats: &mut ShardStats) {
        stats.counters.blocked += self.count;
    }

    /// Counts them: the socket took so many, the first ones.
    pub(super) fn count(&self, taken: u64, now: Moment, stats: &mut ShardStats) {
        let lag = now.since(self.scheduled);
        for number in 1..=taken {
            stats.sent(if number == self.count { self.last_packet } else { self.packet }, lag);
        }
        stats.counters.send_errors += self.count - taken;
    }
}
