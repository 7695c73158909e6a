//! The analyzer: records in, a snapshot of what they mean out.
//!
//! In: records in capture order. Out: [`Snapshot`]. Never: a clock, a file, or an order that depends on threads.
//!
//! It has two halves. The `Front` sees every record in order: it decodes headers, puts fragments and TCP streams
//! together and reads the signalling, whose SDP it announces to all shards. A `Shard` sees the datagrams of its
//! five-tuples in order and keeps flows, transactions, handshakes and streams.

use super::capture::CaptureFacts;
use super::class::{Class, ClassCounts};
use super::clock_steps::ClockSteps;
use super::forget::Memory;
use super::icmp::IcmpErrors;
pub use super::integrity::TurnCredentials;
use super::media::Media;
use super::media_context::Announcement;
use super::merge;
use super::round::Round;
use super::shard::{Framing, Look, Shard};
use super::signalling::Signalling;
use super::snap_length::CutRecords;
use super::snapshot::Snapshot;
use super::tcp::Connections;
use crate::net::{Datagram, Decoder, FiveTuple, OtherReason, Unit, Verdict};
use crate::packet::{FrameNo, RawPacket};
use crate::proto::demux::Class as Proposal;
use crate::proto::sap;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shards that five-tuples are spread over, whatever the number of threads.
pub(crate) const SHARDS: usize = 32;

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Count the copies that a mirror port made once (on by default).
    pub remove_copies: bool,
    /// Keep only the streams and RTCP of these SSRCs; all where empty.
    pub ssrcs: Vec<u32>,
    /// Keep time and size of each packet of a stream (off by default): memory then grows with packets, and whoever feeds
    /// them has to look at [`Analyzer::kept_packets`].
    pub keep_packets: bool,
    /// Keep how each stream went over time (off by default): a bounded number of intervals of a bounded number of streams.
    pub series: bool,
    /// Look for keyframes in the payload of each packet of a stream with a series (off by default): every packet then takes the
    /// general way, which costs some three times as much.
    pub keyframes: bool,
    /// Nanoseconds of capture time after which what was quiet leaves (none by default: then nothing does). Whoever feeds
    /// packets has to look at [`Analyzer::is_sweep_due`].
    pub forget_after: Option<i64>,
    /// What is known of a TURN server's credentials, to check MESSAGE-INTEGRITY.
    pub turn_credentials: TurnCredentials,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            remove_copies: true,
            ssrcs: Vec::new(),
            keep_packets: false,
            series: false,
            keyframes: false,
            forget_after: None,
            turn_credentials: TurnCredentials::default(),
        }
    }
}

/// The state of an analysis.
pub struct Analyzer {
    options: Options,
    front: Front,
    shards: Vec<Shard>,
    memory: Option<Memory>,
}

impl Analyzer {
    /// An analysis that has seen nothing.
    pub fn new(options: Options) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::new(&options)).collect();
        let connections = Connections::new(options.remove_copies);
        let memory = options.forget_after.filter(|idle| *idle > 0).map(Memory::new);
        let reads_payloads = options.keyframes;
        Self { options, front: Front { connections, reads_payloads, ..Front::default() }, shards, memory }
    }

    /// Takes the next record.
    pub fn packet(&mut self, packet: &RawPacket<'_>) {
        if self.front.packets == 0 {
            self.shards.iter_mut().for_each(|shard| shard.starts_at(packet.ts));
        }
        self.front.packet(packet, AllShards { shards: &mut self.shards, memory: self.memory.as_mut() });
        if let Some(memory) = &mut self.memory {
            memory.passed(packet.ts);
        }
    }

    /// Takes the next record, and leaves to `round` what is for the shards.
    #[inline]
    pub(super) fn gather(&mut self, packet: &RawPacket<'_>, round: &mut Round<'static>) {
        self.front.packet(packet, round.sink(None, self.memory.as_mut()));
        if let Some(memory) = &mut self.memory {
            memory.passed(packet.ts);
        }
    }

    /// Takes what was left to `round`.
    pub(super) fn take(&mut self, round: &mut Round<'_>) {
        for (batch, shard) in round.batches.iter_mut().zip(&mut self.shards) {
            batch.start = self.front.first_ts;
            batch.drain_into(shard);
        }
        round.copied = 0;
    }

    /// Streams, or what may turn out to be one.
    pub(super) fn streams(&self) -> usize {
        self.shards.iter().map(|shard| shard.streams.len()).sum()
    }

    /// True where something may have been quiet for too long.
    #[inline]
    pub fn is_sweep_due(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.due().is_some())
    }

    /// Lets go what has been quiet for too long, and counts it. Takes about as long as two snapshots.
    pub fn sweep(&mut self, facts: CaptureFacts) {
        let Self { options, front, shards, memory, .. } = self;
        let Some(memory) = memory else { return };
        let Some(now) = memory.due() else { return };
        let idle = memory.idle;
        let is_fresh = |ts: Timestamp| now.nanos_since(ts).unsigned_abs() < idle.unsigned_abs();
        let Front { connections, signalling, extra_datagrams, .. } = front;
        let mut sink = AllShards { shards, memory: Some(memory) };
        *extra_datagrams += connections.settle(is_fresh, signalling, &mut sink);
        let (before, mut staying) = merge::staying(options, front, shards, memory, (facts.clone(), now));
        for announcement in memory.recent() {
            staying.named.endpoints.extend(announcement.named());
            staying.named.fragments.extend(announcement.fragments().map(str::to_owned));
        }
        for (place, class, packets) in &staying.counted {
            shards[place.0].count(place.1, *class, *packets);
        }
        for ((shard, flows), streams) in shards.iter_mut().zip(&staying.flows).zip(&staying.streams) {
            shard.forget(flows, streams, now.plus_nanos(idle.saturating_neg()));
            shard.forget_announced(&staying.named);
        }
        front.signalling.forget(&staying.sessions, &staying.named, is_fresh);
        front.icmp.forget(is_fresh);
        let after = merge::snapshot(options, front, shards, Some(memory), facts);
        let followed: Vec<bool> = front.connections.flows().map(|flow| shards[shard_of(flow)].has(flow)).collect();
        let left = front.connections.forget(is_fresh, &followed);
        memory.left(&before, &after, left);
        memory.looked(now);
    }

    /// A session description from a file: as if it had been said before the first packet.
    pub fn session_description(&mut self, name: &str, body: &[u8]) {
        let announcement = self.front.signalling.file(name, body);
        self.shards.iter_mut().for_each(|shard| shard.announce(&announcement));
    }

    /// The input has ended: what waited for more is given up.
    pub fn finish(&mut self) {
        self.front.end(AllShards { shards: &mut self.shards, memory: None });
    }

    /// Everything known so far; `facts` are what the source knows of itself.
    pub fn snapshot(&self, facts: CaptureFacts) -> Snapshot {
        merge::snapshot(&self.options, &self.front, &self.shards, self.memory.as_ref(), facts)
    }

    /// Packets kept so far, as [`Options::keep_packets`] wants, also of what may turn out to be no stream.
    pub fn kept_packets(&self) -> usize {
        self.shards.iter().map(Shard::kept_packets).sum()
    }

    pub(crate) fn parts(&mut self) -> (&mut Front, &mut [Shard]) {
        (&mut self.front, &mut self.shards)
    }
}

/// Where the front hands on what it found.
pub(crate) trait FrontSink {
    fn media(&mut self, media: Media);
    fn datagram(&mut self, datagram: &Datagram<'_>, framing: Framing, look: Look);
    /// `datagram` is the one that carried the announcement: its place in the order.
    fn announce(&mut self, announcement: &Arc<Announcement>, datagram: &Datagram<'_>);
}

struct AllShards<'s> {
    shards: &'s mut [Shard],
    /// Who remembers what was announced, where something may leave.
    memory: Option<&'s mut Memory>,
}

impl FrontSink for AllShards<'_> {
    fn media(&mut self, media: Media) {
        self.shards[shard_of_media(&media)].media(&[media]);
    }

    fn datagram(&mut self, datagram: &Datagram<'_>, framing: Framing, look: Look) {
        self.shards[shard_of(&datagram.flow)].datagram(datagram, framing, look);
    }

    fn announce(&mut self, announcement: &Arc<Announcement>, _: &Datagram<'_>) {
        self.shards.iter_mut().for_each(|shard| shard.announce(announcement));
        if let Some(memory) = &mut self.memory {
            memory.announced(announcement);
        }
    }
}

/// The shard of a five-tuple, the same for both directions. A fixed mix and no seeded hash: the shard must not depend
/// on the run.
#[inline]
pub(crate) fn shard_of(flow: &FiveTuple) -> usize {
    shard_between(flow.src.folded(), flow.dst.folded())
}

/// As [`shard_of`].
#[inline(always)]
pub(crate) fn shard_of_media(media: &Media) -> usize {
    let (src, dst) = media.folded();
    shard_between(src, dst)
}

#[inline(always)]
fn shard_between(src: u64, dst: u64) -> usize {
    let sum = src.wrapping_add(dst);
    ((sum ^ sum >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize % SHARDS
}

/// The half that sees everything in order.
#[derive(Default)]
pub(crate) struct Front {
    pub(crate) decoder: Decoder,
    pub(crate) connections: Connections,
    pub(crate) signalling: Signalling,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Time of the first record, and the latest of any; meaningless without packets.
    pub(crate) first_ts: Timestamp,
    pub(crate) last_ts: Timestamp,
    pub(crate) clock_steps: ClockSteps,
    pub(crate) cut: CutRecords,
    /// Records that carried no datagram, by class; fragments stand apart.
    pub(crate) classes: ClassCounts,
    pub(crate) other: BTreeMap<OtherReason, u64>,
    pub(crate) malformed: Malformed,
    pub(crate) icmp: IcmpErrors,
    /// Media goes to the shards with all of its bytes.
    pub(crate) reads_payloads: bool,
    /// Records with an IP fragment that was not the last missing one of its datagram.
    pub(crate) fragments: u64,
    /// Datagrams that a record carried beyond its first.
    pub(crate) extra_datagrams: u64,
}

/// Headers that contradict themselves: how many, and the first few as evidence.
#[derive(Default)]
pub(crate) struct Malformed {
    pub(crate) count: u64,
    pub(crate) examples: Vec<(FrameNo, crate::bytes::ParseError)>,
}

const MALFORMED_EXAMPLES: usize = 20;

impl Front {
    #[inline(always)]
    pub(crate) fn packet(&mut self, packet: &RawPacket<'_>, mut sink: impl FrontSink) {
        if self.packets == 0 {
            self.first_ts = packet.ts;
            self.last_ts = packet.ts;
        }
        self.packets += 1;
        self.bytes += u64::from(packet.wire_len);
        self.last_ts = self.last_ts.max(packet.ts);
        self.clock_steps.record(packet.ts, packet.frame);
        match Media::at(packet) {
            Some(media) if !self.reads_payloads => sink.media(media),
            _ => self.any_packet(packet, sink),
        }
    }

    /// Whatever a record may hold.
    #[inline(never)]
    fn any_packet(&mut self, packet: &RawPacket<'_>, mut sink: impl FrontSink) {
        self.cut.record(packet);
        let Self { decoder, connections, signalling, icmp, reads_payloads, .. } = self;
        let mut delivered = 0_u64;
        let verdict = decoder.packet(packet, |unit| match unit {
            Unit::Datagram(datagram) => {
                delivered += 1;
                let look = Look::at(datagram.payload, datagram.missing);
                match (look, Media::of(&datagram, look)) {
                    (_, Some(media)) if !*reads_payloads => return sink.media(media),
                    (Look::Other(Proposal::Sip), _) => signalling.sip(&datagram, &mut sink),
                    (Look::Other(_), _) if datagram.flow.dst.port == sap::PORT => {
                        signalling.sap(&datagram, &mut sink);
                    }
                    (Look::Other(Proposal::Stun), _) => signalling.relayed.stun(&datagram, &mut sink),
                    _ => {}
                }
                sink.datagram(&datagram, Framing::Datagram, look);
            }
            Unit::Segment(segment) => delivered += connections.segment(&segment, signalling, &mut sink),
            Unit::Error(error) => icmp.error(&error),
        });
        match verdict {
            Verdict::Delivered if delivered > 0 => self.extra_datagrams += delivered - 1,
            verdict => self.undelivered(packet.frame, verdict),
        }
    }

    #[cold]
    fn undelivered(&mut self, frame: FrameNo, verdict: Verdict) {
        match verdict {
            Verdict::Malformed(error) => {
                self.classes.add(Class::Malformed, 1);
                self.malformed.count += 1;
                if self.malformed.examples.len() < MALFORMED_EXAMPLES {
                    self.malformed.examples.push((frame, error));
                }
            }
            Verdict::Other(reason) => {
                self.classes.add(Class::Other, 1);
                *self.other.entry(reason).or_default() += 1;
            }
            Verdict::Delivered | Verdict::FragmentHeld => self.fragments += 1,
        }
    }

    /// The input has ended.
    pub(crate) fn end(&mut self, mut sink: impl FrontSink) {
        self.extra_datagrams += self.connections.end(&mut self.signalling, &mut sink);
    }
}
