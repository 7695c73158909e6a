//! One RTP stream: everything that its packets say over time, in the honest figures and in tshark's.
//!
//! In: each packet of one (five-tuple, path, SSRC), in capture order. Out: [`StreamFigures`].
//! Never: a packet's bytes kept, or a decision about other streams.

mod course;
mod histogram;
mod log;
mod notes;
mod rate;
mod sequence;
mod series;
mod timing;
mod tshark;

pub use course::{Lull, Marking, Remark};
pub use log::KeptPacket;
pub(crate) use log::PacketLog;
pub use notes::{LossPlace, StreamNotes};
pub use sequence::SequenceSummary;
pub use series::{Series, SeriesPoint};
pub use timing::{Clock, ClockSource, JitterSummary, TimingSummary};
pub use tshark::TsharkSummary;
pub(crate) use tshark::relative_ms;

use super::media_context::Format;
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::rtp::RtpHeader;
use crate::proto::rtp::payload_type::{static_payload_type, tshark_clock_rate};
use crate::time::Timestamp;
use course::Course;
use rate::RateWindow;
use sequence::{Arrival, Sequence};
use timing::Timing;
use tshark::{TsharkFigures, TsharkPacket};

/// How far two packets of one SSRC may lie apart to confirm each other: sequence numbers, and RTP ticks (ten seconds
/// of video) beyond what the time between them explains at 90 kHz.
const CONSISTENT_SEQUENCE: u16 = 100;
const CONSISTENT_TICKS: i64 = 900_000;
/// Packets of a stream before alike ones can be told from those that the network doubled, as in `model/copies.rs`.
const ENOUGH_ORIGINALS: u64 = 8;
/// Recent packets that a copy is compared with.
const RECENT: usize = 16;

/// What the figures need of a packet: its place in the capture, and fields of its IP and RTP headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamPacket {
    pub(crate) ts: Timestamp,
    pub(crate) frame: FrameNo,
    /// Bytes of the IP packet, and of the RTP packet with its header, on the wire.
    pub(crate) ip_len: u32,
    pub(crate) bytes: u32,
    pub(crate) rtp_ts: u32,
    pub(crate) seq: u16,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    /// A number that differs where the same packet was captured at another place.
    pub(crate) tag: u32,
    /// Identification of the IPv4 header, 0 where there is none.
    pub(crate) ip_id: u16,
    /// DSCP and ECN.
    pub(crate) traffic_class: u8,
}

impl StreamPacket {
    /// A packet of `bytes` that `carrier` brought.
    #[inline]
    pub(crate) fn new(carrier: &Carrier, header: RtpHeader, bytes: u32) -> Self {
        Self {
            ts: carrier.ts,
            frame: carrier.frame,
            ip_len: carrier.ip_len,
            bytes,
            rtp_ts: header.timestamp,
            seq: header.sequence,
            payload_type: header.payload_type(),
            marker: header.marker(),
            tag: carrier.link_tag ^ u32::from(carrier.ttl) << 24,
            ip_id: carrier.ip_id.unwrap_or(0),
            traffic_class: carrier.traffic_class,
        }
    }
}

/// The clock of a payload type, and what tshark would take for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayloadClock {
    pub(crate) honest: Clock,
    /// False for comfort noise and telephone events, whose clock need not be that of the media around them.
    pub(crate) is_media: bool,
    /// In whole kHz; 0.0 where tshark has none.
    pub(crate) tshark_ticks_per_ms: f64,
}

impl PayloadClock {
    /// From the format that the SDP gives a payload type, where there is one, and the static table. tshark knows the
    /// formats of addresses on `m=` and `c=` lines only, and not where it has forgotten them.
    pub(crate) fn of(payload_type: u8, format: Option<(&Format, bool)>, known_to_tshark: bool) -> Self {
        let honest = match (format, static_payload_type(payload_type)) {
            (Some((format, _)), _) if format.clock_rate > 0 => {
                Clock { rate: Some(format.clock_rate), source: ClockSource::Sdp }
            }
            (_, Some(entry)) => Clock { rate: Some(entry.clock_rate), source: ClockSource::Static },
            _ => Clock { rate: None, source: ClockSource::None },
        };
        let tshark_rate = match (payload_type, format) {
            (0..96, _) => tshark_clock_rate(payload_type),
            // RFC 4733, section 2.2.1: the timestamp stands still during an event.
            (_, Some((format, _))) if has_prefix(&format.encoding, "telephone-event") => 0,
            (_, Some((format, true))) if known_to_tshark => format.clock_rate,
            _ => 0,
        };
        let is_media = match format {
            Some((format, _)) => {
                !has_prefix(&format.encoding, "telephone-event") && !has_prefix(&format.encoding, "CN")
            }
            None => !is_comfort_noise(payload_type),
        };
        Self { honest, is_media, tshark_ticks_per_ms: f64::from(tshark_rate / 1000) }
    }
}

/// RFC 3389, section 4, and the number that comfort noise had before.
#[inline(always)]
fn is_comfort_noise(payload_type: u8) -> bool {
    matches!(payload_type, 13 | 19)
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Arrival gaps between unique packets, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DeltaSummary {
    pub mean: f64,
    pub max: f64,
    pub max_frame: FrameNo,
    /// The packet before the longest gap.
    pub max_before: FrameNo,
    /// When the unique packet before it came.
    pub max_since: Timestamp,
    /// RTP ticks from that to the one behind the gap.
    pub max_ticks: i32,
}

/// Copies of a stream's packets that the capture made (a mirror port), which the figures leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// How many.
    pub packets: u64,
    /// Their RTP bytes.
    pub bytes: u64,
    /// Their IP bytes.
    pub ip_bytes: u64,
}

impl Copies {
    fn add(&mut self, packet: &StreamPacket) {
        self.packets += 1;
        self.bytes += u64::from(packet.bytes);
        self.ip_bytes += u64::from(packet.ip_len);
    }

    fn remove(&mut self, packet: &StreamPacket) {
        self.packets -= 1;
        self.bytes -= u64::from(packet.bytes);
        self.ip_bytes -= u64::from(packet.ip_len);
    }
}

/// The figures of one stream.
#[derive(Clone, Debug)]
pub struct StreamFigures {
    /// Capture time of the first packet.
    pub first_ts: Timestamp,
    /// The latest capture time of any packet.
    pub last_ts: Timestamp,
    /// Frame of the first packet.
    pub first_frame: FrameNo,
    /// Frame of the last packet.
    pub last_frame: FrameNo,
    /// Received packets, duplicates included, copies of a mirror port not.
    pub packets: u64,
    /// RTP bytes of those (header and payload).
    pub bytes: u64,
    /// IP bytes of those.
    pub ip_bytes: u64,
    /// Payload types seen, ascending.
    pub payload_types: Vec<u8>,
    /// The same, those of most packets first.
    pub payload_types_by_use: Vec<u8>,
    /// Sums over the sequence numbers.
    pub sequence: SequenceSummary,
    /// Jitter, drift, clock.
    pub timing: TimingSummary,
    /// Arrival gaps; none with one packet, or where the capture's clock went back by more than the stream took.
    pub delta: Option<DeltaSummary>,
    /// RTP bits per second of the unique packets from the first to the last; none with one packet.
    pub mean_bps: Option<f64>,
    /// IP bits per second from the first to the last packet.
    pub mean_ip_bps: Option<f64>,
    /// The most RTP bits in any one second.
    pub max_1s_bps: u64,
    /// What the capture doubled.
    pub copies: Copies,
    /// Where in the capture something happened to it.
    pub notes: StreamNotes,
    /// The longest time in which it had a small part of its usual bitrate.
    pub lull: Option<Lull>,
    /// How its packets are marked (RFC 2474).
    pub marking: Marking,
    /// Timestamp of the first packet.
    pub first_rtp_ts: u32,
    /// What tshark prints.
    pub tshark: TsharkSummary,
}

/// What identifies a packet among copies of it.
#[derive(Clone, Copy, Debug, Default)]
struct Fingerprint {
    tag: u32,
    bytes: u32,
    seq: u16,
    ip_id: u16,
}

#[derive(Clone, Debug)]
struct Deltas {
    last: Timestamp,
    samples: u64,
    max_nanos: i64,
    max_frame: FrameNo,
    max_before: FrameNo,
    max_since: Timestamp,
    max_ticks: i32,
}

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct RtpStream {
    payload_type: u8,
    confirmed: bool,
    tshark_ticks_per_ms: f64,
    last_rtp_ts: u32,
    packets: u64,
    bytes: u64,
    ip_bytes: u64,
    /// Packets of each payload type, up to the last change of it, and how many packets there were then.
    uses: Vec<(u8, u64)>,
    uses_until: u64,
    last_ts: Timestamp,
    last_frame: FrameNo,
    tshark: TsharkFigures,
    deltas: Deltas,
    timing: Timing,
    sequence: Sequence,
    rate: RateWindow,
    recent: [Fingerprint; RECENT],
    first_ts: Timestamp,
    first_frame: FrameNo,
    first_rtp_ts: u32,
    first_class: u8,
    /// Copies on another interface, MAC, VLAN or hop count: surely the capture's doing.
    certain_copies: Copies,
    /// Copies alike to the last bit: a mirror port's where at least half of the packets have one, else the network's.
    likely_copies: Copies,
    /// Duplicates, copies and misordered packets: what no bitrate counts.
    not_unique: Copies,
    /// The last misordered packet: the first of a new segment where the next one follows it.
    misordered: Option<StreamPacket>,
    /// Nothing uncommon happened to most streams.
    notes: Option<Box<StreamNotes>>,
    /// Of streams that last a second.
    course: Option<Box<Course>>,
}

impl RtpStream {
    /// The state after the first packet.
    pub(crate) fn new(rel_ms: f64, packet: &StreamPacket, clock: PayloadClock) -> Self {
        let mut this = Self {
            payload_type: packet.payload_type,
            confirmed: false,
            tshark_ticks_per_ms: clock.tshark_ticks_per_ms,
            last_rtp_ts: packet.rtp_ts,
            packets: 1,
            bytes: u64::from(packet.bytes),
            ip_bytes: u64::from(packet.ip_len),
            uses: Vec::new(),
            uses_until: 0,
            last_ts: packet.ts,
            last_frame: packet.frame,
            tshark: TsharkFigures::new(rel_ms, &packet.for_tshark()),
            deltas: Deltas {
                last: packet.ts,
                samples: 0,
                max_nanos: 0,
                max_frame: packet.frame,
                max_before: packet.frame,
                max_since: packet.ts,
                max_ticks: 0,
            },
            timing: Timing::new(packet.ts, packet.rtp_ts, clock.honest, clock.is_media),
            sequence: Sequence::new(packet.seq),
            rate: RateWindow::new(packet.ts, packet.bytes),
            recent: [Fingerprint::default(); RECENT],
            first_ts: packet.ts,
            first_frame: packet.frame,
            first_rtp_ts: packet.rtp_ts,
            first_class: packet.traffic_class,
            certain_copies: Copies::default(),
            likely_copies: Copies::default(),
            not_unique: Copies::default(),
            misordered: None,
            notes: None,
            course: None,
        };
        this.remember(packet);
        this
    }

    /// The payload type of the packet before: the caller looks up the clock of another one.
    #[inline]
    pub(crate) fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The clock of the payload type that the next packets have.
    pub(crate) fn set_payload_clock(&mut self, payload_type: u8, clock: PayloadClock) {
        if self.payload_type != payload_type {
            add_use(&mut self.uses, self.payload_type, self.packets - self.uses_until);
            self.uses_until = self.packets;
            self.payload_type = payload_type;
        }
        self.tshark_ticks_per_ms = clock.tshark_ticks_per_ms;
        self.timing.change_clock(clock.honest, clock.is_media);
    }

    /// Takes a packet after the first.
    #[inline(always)]
    pub(crate) fn packet(&mut self, rel_ms: f64, packet: &StreamPacket) {
        self.tshark.packet(rel_ms, &packet.for_tshark(), self.tshark_ticks_per_ms);
        if !self.confirmed {
            self.confirmed = self.is_consistent(packet);
        }
        self.packets += 1;
        self.bytes += u64::from(packet.bytes);
        self.ip_bytes += u64::from(packet.ip_len);
        match self.sequence.packet(packet.seq) {
            Arrival::Forward => self.unique(packet),
            Arrival::Gap => self.behind_gap(packet),
            Arrival::Reordered => self.late(packet),
            Arrival::Duplicate => self.duplicate(packet),
            Arrival::Misordered => self.misordered(packet),
            Arrival::Restart => self.restart(packet),
        }
        self.last_rtp_ts = packet.rtp_ts;
        self.last_ts = self.last_ts.max(packet.ts);
        self.last_frame = packet.frame;
        self.remember(packet);
    }

    /// As [`Self::packet`], for callers that are not in a hurry.
    #[inline(never)]
    pub(crate) fn packet_out_of_line(&mut self, rel_ms: f64, packet: &StreamPacket) {
        self.packet(rel_ms, packet);
    }

    #[inline(always)]
    fn unique(&mut self, packet: &StreamPacket) {
        if self.timing.packet(packet.ts, packet.rtp_ts) {
            self.notes().clock_jump(packet.frame);
        }
        self.unique_gap(packet);
    }

    #[cold]
    fn notes(&mut self) -> &mut StreamNotes {
        self.notes.get_or_insert_default()
    }

    #[cold]
    fn behind_gap(&mut self, packet: &StreamPacket) {
        let (before, missing) = ((self.last_frame, self.deltas.last), self.sequence.missing());
        self.notes().loss(before, (packet.frame, packet.ts), packet.seq, missing);
        self.unique(packet);
    }

    #[cold]
    fn late(&mut self, packet: &StreamPacket) {
        self.notes().late(packet.frame, packet.seq);
        self.unique(packet);
    }

    #[cold]
    fn restart(&mut self, packet: &StreamPacket) {
        if let Some(first) = self.misordered.take() {
            self.not_unique.remove(&first);
            self.timing.restart(first.ts, first.rtp_ts);
            self.unique_gap(&first);
            self.notes().restart(first.frame);
        }
        self.unique(packet);
    }

    #[cold]
    fn misordered(&mut self, packet: &StreamPacket) {
        self.not_unique.add(packet);
        self.misordered = Some(*packet);
    }

    #[inline(always)]
    fn unique_gap(&mut self, packet: &StreamPacket) {
        let deltas = &mut self.deltas;
        let gap = packet.ts.nanos_since(deltas.last);
        deltas.samples += 1;
        if gap > deltas.max_nanos {
            deltas.max_nanos = gap;
            deltas.max_frame = packet.frame;
            deltas.max_before = self.last_frame;
            deltas.max_since = deltas.last;
            deltas.max_ticks = packet.rtp_ts.wrapping_sub(self.last_rtp_ts) as i32;
        }
        deltas.last = packet.ts;
        if self.rate.packet(packet.ts, packet.bytes) {
            self.second(packet);
        }
    }

    /// A second has passed.
    #[cold]
    fn second(&mut self, packet: &StreamPacket) {
        let (bits, missing) = (self.rate.last_second(), self.sequence.missing_so_far());
        let first_class = self.first_class;
        let course = self.course.get_or_insert_with(|| Box::new(Course::new(first_class)));
        course.second((packet.frame, packet.ts), bits, missing, packet.traffic_class);
    }

    /// Tells a copy that the capture made from a packet that really came twice.
    #[cold]
    fn duplicate(&mut self, packet: &StreamPacket) {
        self.not_unique.add(packet);
        let before = self.recent[usize::from(packet.seq) % RECENT];
        let now = Fingerprint::of(packet);
        if (before.seq, before.ip_id, before.bytes) != (now.seq, now.ip_id, now.bytes) {
            return;
        }
        let copies = if before.tag != now.tag { &mut self.certain_copies } else { &mut self.likely_copies };
        copies.add(packet);
    }

    #[inline]
    fn remember(&mut self, packet: &StreamPacket) {
        self.recent[usize::from(packet.seq) % RECENT] = Fingerprint::of(packet);
    }

    fn is_consistent(&self, packet: &StreamPacket) -> bool {
        let ahead = packet.seq.wrapping_sub(self.sequence.highest() as u16);
        let near = ahead != 0 && ahead.min(ahead.wrapping_neg()) <= CONSISTENT_SEQUENCE;
        let ticks = i64::from((packet.rtp_ts.wrapping_sub(self.last_rtp_ts) as i32).unsigned_abs());
        let millis = packet.ts.nanos_since(self.last_ts).unsigned_abs() / 1_000_000;
        let explained = CONSISTENT_TICKS.saturating_add_unsigned(millis.saturating_mul(90));
        near && packet.payload_type == self.payload_type && ticks <= explained
    }

    /// True once two consistent packets were seen.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The latest capture time of any packet.
    pub(crate) fn last_ts(&self) -> Timestamp {
        self.last_ts
    }

    /// When the latest unique packet came, and the timestamp of the latest of any.
    pub(crate) fn last_heard(&self) -> (Timestamp, u32) {
        (self.deltas.last, self.last_rtp_ts)
    }

    /// Packets so far, copies included.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    /// Copies so far: those that are the capture's, and those that may be.
    pub(crate) fn copies_seen(&self) -> (u64, u64) {
        (self.certain_copies.packets, self.likely_copies.packets)
    }

    /// Packets that are no duplicate, no copy and not misordered.
    pub(crate) fn unique_packets(&self) -> u64 {
        self.packets - self.not_unique.packets
    }

    /// Sequence numbers that have not come yet, and the jitter by now.
    pub(crate) fn present(&self) -> (u64, Option<f64>) {
        (self.sequence.missing_so_far(), self.timing.present_jitter())
    }

    /// True where the copies that may be the capture's are.
    pub(crate) fn is_mirrored(&self) -> bool {
        let first_seen = self.packets - self.certain_copies.packets - self.likely_copies.packets;
        first_seen >= ENOUGH_ORIGINALS && self.likely_copies.packets * 2 >= first_seen
    }

    fn copies(&self, remove_copies: bool) -> Copies {
        if !remove_copies {
            return Copies::default();
        }
        let likely = if self.is_mirrored() { self.likely_copies } else { Copies::default() };
        Copies {
            packets: self.certain_copies.packets + likely.packets,
            bytes: self.certain_copies.bytes + likely.bytes,
            ip_bytes: self.certain_copies.ip_bytes + likely.ip_bytes,
        }
    }

    /// The figures, as if the stream ended here. `remove_copies`: count a mirror port's copies once.
    pub(crate) fn figures(&self, remove_copies: bool) -> StreamFigures {
        let copies = self.copies(remove_copies);
        let mut uses = self.uses.clone();
        add_use(&mut uses, self.payload_type, self.packets - self.uses_until);
        uses.sort_unstable();
        let mut by_use = uses.clone();
        by_use.sort_by_key(|(_, packets)| std::cmp::Reverse(*packets));
        let mut sequence = self.sequence.summary();
        sequence.duplicates -= copies.packets;
        let (bytes, ip_bytes) = (self.bytes - copies.bytes, self.ip_bytes - copies.ip_bytes);
        let sum_nanos = self.deltas.last.nanos_since(self.first_ts) as f64;
        let seconds = sum_nanos * 1e-9;
        let mean = |bytes: u64| (seconds > 0.0).then(|| bytes as f64 * 8.0 / seconds);
        StreamFigures {
            first_ts: self.first_ts,
            last_ts: self.last_ts,
            first_frame: self.first_frame,
            last_frame: self.last_frame,
            packets: self.packets - copies.packets,
            bytes,
            ip_bytes,
            payload_types: uses.iter().map(|(payload_type, _)| *payload_type).collect(),
            payload_types_by_use: by_use.iter().map(|(payload_type, _)| *payload_type).collect(),
            sequence,
            timing: self.timing.summary(),
            delta: (self.deltas.samples > 0 && sum_nanos >= 0.0).then(|| DeltaSummary {
                mean: sum_nanos * 1e-6 / self.deltas.samples as f64,
                max: self.deltas.max_nanos as f64 * 1e-6,
                max_frame: self.deltas.max_frame,
                max_before: self.deltas.max_before,
                max_since: self.deltas.max_since,
                max_ticks: self.deltas.max_ticks,
            }),
            mean_bps: mean(self.bytes - self.not_unique.bytes),
            mean_ip_bps: mean(self.ip_bytes - self.not_unique.ip_bytes),
            max_1s_bps: self.rate.max_bps(),
            copies,
            notes: self.notes.as_deref().cloned().unwrap_or_default(),
            lull: self.course.as_deref().and_then(Course::lull),
            marking: self.course.as_deref().map_or_else(|| Marking::of(self.first_class), Course::marking),
            first_rtp_ts: self.first_rtp_ts,
            tshark: self.tshark.summary(),
        }
    }
}

fn add_use(uses: &mut Vec<(u8, u64)>, payload_type: u8, packets: u64) {
    match uses.iter_mut().find(|(known, _)| *known == payload_type) {
        Some((_, count)) => *count += packets,
        None => uses.push((payload_type, packets)),
    }
}

impl StreamPacket {
    #[inline]
    fn for_tshark(&self) -> TsharkPacket {
        TsharkPacket { seq: self.seq, rtp_ts: self.rtp_ts, payload_type: self.payload_type, marker: self.marker }
    }
}

impl Fingerprint {
    #[inline]
    fn of(packet: &StreamPacket) -> Self {
        Self { tag: packet.tag, bytes: packet.bytes, seq: packet.seq, ip_id: packet.ip_id }
    }
}
