//! RTCP of one flow: who sent what, and every report block as a point on the timeline of the SSRC it is about.
//!
//! In: each RTCP compound, or SRTCP packet with its clear first header. Out: [`SenderSummary`] per sender.
//! Never: the sender's NTP clock for a round trip, only the capture's.

use super::flow::Direction;
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::rtcp::report::SenderReport;
use crate::proto::rtcp::{self, Message, RtcpPacket, packet_type};
use crate::proto::rtp::Ssrc;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Bounds of what a flow keeps; what is beyond is counted.
const MAX_SENDERS: usize = 4096;
const MAX_POINTS: usize = 65_536;
/// Sender reports of one SSRC whose capture time is kept for a later LSR to name, and SSRCs of a flow that have some.
const MAX_SENDER_REPORTS: usize = 4;
const MAX_REPORTING: usize = 256;
/// Clock readings of a sender: where there are more, every second one goes.
const MAX_CLOCKS: usize = 64;
/// Frames of a kind of feedback that are kept of a sender.
const MAX_FEEDBACK_FRAMES: usize = 10;
/// The same with time and stream, for who looks at one stream; they take the room of report blocks.
const MAX_FEEDBACK_MARKS: usize = 256;

/// Packets by type of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the packet types")]
pub struct RtcpCounts {
    pub sr: u64,
    pub rr: u64,
    pub sdes: u64,
    pub bye: u64,
    pub app: u64,
    pub nack: u64,
    pub pli: u64,
    pub fir: u64,
    pub remb: u64,
    pub twcc: u64,
    pub ccfb: u64,
    pub xr: u64,
    /// TMMBR, TMMBN, SLI, RPSI and all that have no count of their own.
    pub other: u64,
    pub encrypted: u64,
}

/// One report block (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportPoint {
    /// Frame that carried it.
    pub frame: FrameNo,
    /// Its capture time.
    pub ts: Timestamp,
    /// The SSRC that it is about.
    pub about: Ssrc,
    /// Loss since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start of reception, signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub extended_highest: u32,
    /// Interarrival jitter in RTP ticks.
    pub jitter_ticks: u32,
    /// From the capture point to the reporter and back; none where the SR that it names was not captured.
    pub rtt_ms: Option<f64>,
}

/// What a sender report says of the sender's clocks (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Frame that carried it.
    pub frame: FrameNo,
    /// Its capture time.
    pub ts: Timestamp,
    /// NTP timestamp, 32.32 fixed point seconds since 1900.
    pub ntp: u64,
    /// The same instant on the RTP clock of the stream.
    pub rtp_ts: u32,
    /// When the last packet of the stream before it came, and its timestamp; none where the stream is on another flow.
    pub heard: Option<(Timestamp, u32)>,
}

/// What one SSRC sent.
#[derive(Clone, Debug)]
pub struct SenderSummary {
    /// The sender.
    pub ssrc: Ssrc,
    pub(crate) direction: Direction,
    /// Packets by type.
    pub counts: RtcpCounts,
    /// Its last packet, also an encrypted one.
    pub last: (FrameNo, Timestamp),
    /// Sender and receiver reports in the clear; those since the first encrypted packet of anybody on the flow, where
    /// there is one: before that nobody had keys.
    pub(crate) clear_reports: u64,
    /// Canonical name of its SDES.
    pub cname: Option<String>,
    /// Its clock readings in capture order.
    pub clocks: Vec<ClockReading>,
    /// Its report blocks in capture order.
    pub reports: Vec<ReportPoint>,
    /// Reports that would have given a negative round trip: the clocks of capture and sender disagree.
    pub negative_rtts: Vec<FrameNo>,
    /// Negative acknowledgements: the first and the last.
    pub nacks: FeedbackSpan,
    /// Picture loss indications and full intra requests.
    pub picture_requests: FeedbackSpan,
}

/// The first few frames of a kind of feedback, and its span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackSpan {
    /// The first ones.
    pub frames: Vec<FrameNo>,
    /// Time of the first and of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// When the first few hundred came, in which frames, and about which stream.
    pub marks: Vec<(Timestamp, FrameNo, Ssrc)>,
}

impl FeedbackSpan {
    fn add(&mut self, carrier: &Carrier, about: Option<Ssrc>, room: &mut usize) {
        if self.frames.len() < MAX_FEEDBACK_FRAMES {
            self.frames.push(carrier.frame);
        }
        if let Some(about) = about.filter(|_| self.marks.len() < MAX_FEEDBACK_MARKS && *room > 0) {
            *room -= 1;
            self.marks.push((carrier.ts, carrier.frame, about));
        }
        self.span = Some((self.span.map_or(carrier.ts, |(first, _)| first), carrier.ts));
    }
}

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct RtcpState {
    senders: BTreeMap<(Direction, Ssrc), SenderSummary>,
    /// Middle 32 bits of the NTP time of the last sender reports of an SSRC, with when they were captured.
    sender_reports: BTreeMap<Ssrc, VecDeque<(u32, Timestamp)>>,
    points: usize,
    /// Report blocks, senders and names beyond the bounds.
    pub(crate) dropped: u64,
    /// Compounds with a part that could not be read: how many, and the first frame.
    pub(crate) broken: u64,
    pub(crate) first_broken: Option<FrameNo>,
    /// Names of sources, also of those that sent no RTCP of their own.
    pub(crate) cnames: BTreeMap<Ssrc, String>,
    /// Compounds in the clear.
    pub(crate) plain: u64,
    has_keys: bool,
    /// Who sent sender reports in the last compound.
    fresh: Vec<Ssrc>,
}

impl RtcpState {
    /// Takes a compound in the clear, of which `missing` bytes were not captured. `room` is how many report blocks, senders
    /// and names may still be kept, here and elsewhere.
    pub(crate) fn compound(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        bytes: &[u8],
        missing: u32,
        room: &mut usize,
    ) {
        self.plain += 1;
        self.fresh.clear();
        let mut packets = rtcp::packets(bytes);
        let mut broken = false;
        for packet in packets.by_ref() {
            broken |= self.packet(direction, carrier, &packet, room);
        }
        // Nobody but the capture is to blame for what a snap length cut.
        if missing == 0 && (broken || packets.error().is_some()) {
            self.broken += 1;
            self.first_broken.get_or_insert(carrier.frame);
        }
    }

    /// Takes an SRTCP packet: of its content only the first header and sender are in the clear.
    pub(crate) fn encrypted(&mut self, direction: Direction, carrier: &Carrier, bytes: &[u8], room: &mut usize) {
        if !std::mem::replace(&mut self.has_keys, true) {
            self.senders.values_mut().for_each(|sender| sender.clear_reports = 0);
        }
        let sender = bytes.get(4..).and_then(|rest| rest.first_chunk()).map(|word| Ssrc(u32::from_be_bytes(*word)));
        if let Some(sender) = sender.and_then(|ssrc| self.sender(direction, ssrc, room)) {
            sender.counts.encrypted += 1;
            sender.last = (carrier.frame, carrier.ts);
        }
    }

    fn packet(&mut self, direction: Direction, carrier: &Carrier, packet: &RtcpPacket<'_>, room: &mut usize) -> bool {
        let (message, error) = packet.message();
        // SDES and BYE name sources, not a sender; they count for the first.
        let ssrc = match packet.packet_type {
            packet_type::SOURCE_DESCRIPTION | packet_type::BYE if packet.count == 0 => None,
            _ => packet.first_ssrc(),
        };
        let rtts = self.report_blocks(carrier, &message, room);
        if let Message::SourceDescription(description) = &message {
            for (source, item) in description.items() {
                if item.kind == rtcp::source::SdesKind::Cname {
                    self.name(source, item.text, room);
                }
            }
        }
        if let Message::SenderReport(report) = &message {
            self.remember_report(report.sender, report.ntp_middle(), carrier.ts, room);
            self.read_clock(direction, carrier, report, room);
        }
        let Some(sender) = ssrc.and_then(|ssrc| self.sender(direction, ssrc, room)) else { return error.is_some() };
        // FIR names the stream in its entries (RFC 5104, section 4.3.1.1), the others in the header.
        let at = if (packet.packet_type, packet.count) == (packet_type::PAYLOAD_FEEDBACK, 4) { 12 } else { 8 };
        let about =
            packet.bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|word| Ssrc(u32::from_be_bytes(*word)));
        count(&mut sender.counts, packet);
        sender.last = (carrier.frame, carrier.ts);
        match (packet.packet_type, packet.count) {
            (packet_type::TRANSPORT_FEEDBACK, 1) => sender.nacks.add(carrier, about, room),
            (packet_type::PAYLOAD_FEEDBACK, 1 | 4) => sender.picture_requests.add(carrier, about, room),
            _ => {}
        }
        sender.clear_reports += u64::from(matches!(message, Message::SenderReport(_) | Message::ReceiverReport(_)));
        for (point, negative) in rtts {
            if negative {
                sender.negative_rtts.push(carrier.frame);
            }
            sender.reports.push(point);
        }
        error.is_some()
    }

    fn name(&mut self, source: Ssrc, text: &[u8], room: &mut usize) {
        if !self.cnames.contains_key(&source) {
            if self.cnames.len() >= MAX_SENDERS || *room == 0 {
                self.dropped += 1;
                return;
            }
            *room -= 1;
        }
        self.cnames.insert(source, String::from_utf8_lossy(text).into_owned());
    }

    /// An NTP timestamp of zero says that the sender has no clock.
    fn read_clock(&mut self, direction: Direction, carrier: &Carrier, report: &SenderReport<'_>, room: &mut usize) {
        if report.ntp == 0 || *room == 0 {
            return;
        }
        *room -= 1;
        let Carrier { frame, ts, .. } = *carrier;
        let reading = ClockReading { frame, ts, ntp: report.ntp, rtp_ts: report.rtp_timestamp, heard: None };
        let Some(sender) = self.sender(direction, report.sender, room) else { return };
        if sender.clocks.len() == MAX_CLOCKS {
            *room += MAX_CLOCKS / 2;
            let mut nth = 0;
            sender.clocks.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
        sender.clocks.push(reading);
        self.fresh.push(report.sender);
    }

    /// Takes, for each sender report of the last compound, what was last heard of the stream by then.
    pub(crate) fn heard(&mut self, direction: Direction, of: impl Fn(Ssrc) -> Option<(Timestamp, u32)>) {
        for ssrc in self.fresh.drain(..) {
            let sender = self.senders.get_mut(&(direction, ssrc));
            if let Some(reading) = sender.and_then(|sender| sender.clocks.last_mut()) {
                reading.heard = of(ssrc);
            }
        }
    }

    /// Of each SSRC the last few, so that many senders on one flow do not push out each other's.
    fn remember_report(&mut self, sender: Ssrc, ntp_middle: u32, ts: Timestamp, room: &mut usize) {
        if !self.sender_reports.contains_key(&sender) {
            if self.sender_reports.len() >= MAX_REPORTING {
                let last = |reports: &VecDeque<(u32, Timestamp)>| reports.back().map(|(_, ts)| *ts);
                let quietest = self.sender_reports.iter().min_by_key(|(_, reports)| last(reports));
                if let Some(quietest) = quietest.map(|(ssrc, _)| *ssrc) {
                    self.sender_reports.remove(&quietest);
                }
            } else if *room == 0 {
                return;
            } else {
                *room -= 1;
            }
        }
        let reports = self.sender_reports.entry(sender).or_default();
        if reports.len() == MAX_SENDER_REPORTS {
            reports.pop_front();
        }
        reports.push_back((ntp_middle, ts));
    }

    /// The points of a report, each with whether its round trip came out negative.
    fn report_blocks(
        &mut self,
        carrier: &Carrier,
        message: &Message<'_>,
        room: &mut usize,
    ) -> Vec<(ReportPoint, bool)> {
        let blocks = match message {
            Message::SenderReport(report) => report.blocks,
            Message::ReceiverReport(report) => report.blocks,
            _ => return Vec::new(),
        };
        let mut points = Vec::with_capacity(blocks.len());
        for block in blocks.iter() {
            if self.points == MAX_POINTS || *room == 0 {
                self.dropped += 1;
                continue;
            }
            self.points += 1;
            *room -= 1;
            let rtt = self.round_trip(carrier.ts, block.about, block.last_sr, block.delay_since_last_sr);
            let point = ReportPoint {
                frame: carrier.frame,
                ts: carrier.ts,
                about: block.about,
                fraction_lost: block.fraction_lost,
                cumulative_lost: block.cumulative_lost,
                extended_highest: block.extended_highest,
                jitter_ticks: block.jitter,
                rtt_ms: rtt.filter(|millis| *millis >= 0.0),
            };
            points.push((point, rtt.is_some_and(|millis| millis < 0.0)));
        }
        points
    }

    /// Capture time of the report minus capture time of the sender report that it names, minus the reporter's delay.
    /// LSR 0 says that the reporter has had none (RFC 3550, section 6.4.1).
    fn round_trip(&self, now: Timestamp, about: Ssrc, last_sr: u32, delay: u32) -> Option<f64> {
        if last_sr == 0 {
            return None;
        }
        let named = self.sender_reports.get(&about)?.iter().rev().find(|(middle, _)| *middle == last_sr)?;
        Some(now.millis_since(named.1) - f64::from(delay) * 1000.0 / 65_536.0)
    }

    fn sender(&mut self, direction: Direction, ssrc: Ssrc, room: &mut usize) -> Option<&mut SenderSummary> {
        if !self.senders.contains_key(&(direction, ssrc)) {
            if self.senders.len() >= MAX_SENDERS || *room == 0 {
                self.dropped += 1;
                return None;
            }
            *room -= 1;
        }
        Some(self.senders.entry((direction, ssrc)).or_insert_with(|| SenderSummary {
            ssrc,
            direction,
            counts: RtcpCounts::default(),
            last: (FrameNo(0), Timestamp::default()),
            clear_reports: 0,
            cname: None,
            clocks: Vec::new(),
            reports: Vec::new(),
            negative_rtts: Vec::new(),
            nacks: FeedbackSpan::default(),
            picture_requests: FeedbackSpan::default(),
        }))
    }

    /// Reports in the clear, once somebody has keys only those since then, and encrypted packets of each sender of a
    /// direction.
    pub(crate) fn clear_and_encrypted(&self, direction: Direction) -> impl Iterator<Item = (Ssrc, u64, u64)> + '_ {
        let senders = self.senders.range((direction, Ssrc(0))..=(direction, Ssrc(u32::MAX)));
        senders.map(|((_, ssrc), sender)| (*ssrc, sender.clear_reports, sender.counts.encrypted))
    }

    /// Everyone who sent, in order of direction and SSRC.
    /// What takes room: report blocks, senders, names.
    pub(crate) fn kept(&self) -> usize {
        self.points + self.senders.len() + self.cnames.len() + self.sender_reports.len()
    }

    /// Lets go report blocks from before a time. Who sent them is still known.
    pub(crate) fn forget(&mut self, before: Timestamp) {
        self.points = 0;
        for sender in self.senders.values_mut() {
            sender.reports.retain(|point| point.ts >= before);
            sender.reports.shrink_to(sender.reports.len() * 2);
            self.points += sender.reports.len();
        }
    }

    pub(crate) fn summaries(&self) -> impl Iterator<Item = SenderSummary> + '_ {
        self.senders.values().map(|sender| {
            let cname = self.cnames.get(&sender.ssrc).cloned();
            SenderSummary { cname, ..sender.clone() }
        })
    }
}

/// RFC 4585, sections 6.2.1 and 6.3.1; RFC 5104, section 4.3.1.1; transport-wide feedback and REMB by their drafts.
fn count(counts: &mut RtcpCounts, packet: &RtcpPacket<'_>) {
    let counter = match (packet.packet_type, packet.count) {
        (packet_type::SENDER_REPORT, _) => &mut counts.sr,
        (packet_type::RECEIVER_REPORT, _) => &mut counts.rr,
        (packet_type::SOURCE_DESCRIPTION, _) => &mut counts.sdes,
        (packet_type::BYE, _) => &mut counts.bye,
        (packet_type::APP, _) => &mut counts.app,
        (packet_type::EXTENDED_REPORT, _) => &mut counts.xr,
        (packet_type::TRANSPORT_FEEDBACK, 1) => &mut counts.nack,
        (packet_type::TRANSPORT_FEEDBACK, 11) => &mut counts.ccfb,
        (packet_type::TRANSPORT_FEEDBACK, 15) => &mut counts.twcc,
        (packet_type::PAYLOAD_FEEDBACK, 1) => &mut counts.pli,
        (packet_type::PAYLOAD_FEEDBACK, 4) => &mut counts.fir,
        (packet_type::PAYLOAD_FEEDBACK, 15) if packet.bytes.get(12..16) == Some(b"REMB") => &mut counts.remb,
        _ => &mut counts.other,
    };
    *counter += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier(millis: i64, frame: u64) -> Carrier {
        Carrier {
            ts: Timestamp::from_nanos(millis * 1_000_000),
            frame: FrameNo(frame),
            ip_len: 100,
            ip_id: None,
            ttl: 64,
            traffic_class: 0,
            link_tag: 0,
        }
    }

    /// An SR of SSRC 1 with the middle NTP bits 0x22223333.
    const SENDER_REPORT: [u8; 28] = [
        0x80, 200, 0, 6, 0, 0, 0, 1, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 3, 0,
    ];

    fn receiver_report(last_sr: u32, delay: u32) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 64, 0xff, 0xff, 0xfe, 0, 0, 0, 9, 0, 0, 0, 80];
        bytes.extend(last_sr.to_be_bytes());
        bytes.extend(delay.to_be_bytes());
        bytes
    }

    #[test]
    fn the_round_trip_is_measured_on_the_capture_clock() {
        let mut state = RtcpState::default();
        state.compound(Direction::Forward, &carrier(1000, 1), &SENDER_REPORT, 0, &mut 100);
        state.compound(Direction::Backward, &carrier(1600, 2), &receiver_report(0x2222_3333, 65_536 / 2), 0, &mut 100);
        let senders: Vec<_> = state.summaries().collect();
        assert_eq!((senders[0].counts.sr, senders[1].counts.rr), (1, 1));
        let point = senders[1].reports[0];
        assert_eq!((point.about, point.fraction_lost, point.cumulative_lost), (Ssrc(1), 64, -2));
        assert!((point.rtt_ms.unwrap() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_report_that_names_no_captured_sender_report_has_no_round_trip() {
        let mut state = RtcpState::default();
        state.compound(Direction::Forward, &carrier(1000, 1), &SENDER_REPORT, 0, &mut 100);
        for last_sr in [0, 5] {
            state.compound(Direction::Backward, &carrier(1600, 2), &receiver_report(last_sr, 0), 0, &mut 100);
        }
        let reports = state.summaries().last().unwrap().reports;
        assert_eq!(reports.iter().map(|point| point.rtt_ms).collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn a_negative_round_trip_is_no_figure_but_a_fact() {
        let mut state = RtcpState::default();
        state.compound(Direction::Forward, &carrier(1000, 1), &SENDER_REPORT, 0, &mut 100);
        state.compound(Direction::Backward, &carrier(1100, 7), &receiver_report(0x2222_3333, 65_536), 0, &mut 100);
        let sender = state.summaries().last().unwrap();
        assert_eq!((sender.reports[0].rtt_ms, sender.negative_rtts), (None, vec![FrameNo(7)]));
    }

    #[test]
    fn a_report_block_without_room_is_counted_and_not_kept() {
        let mut state = RtcpState::default();
        // One for the sender, one for a block.
        let mut room = 2;
        for frame in 1..4 {
            state.compound(Direction::Forward, &carrier(1000, frame), &receiver_report(0, 0), 0, &mut room);
        }
        let sender = state.summaries().next().unwrap();
        assert_eq!((sender.counts.rr, sender.reports.len(), state.dropped, room), (3, 1, 2, 0));
    }

    #[test]
    fn senders_and_names_take_room_like_report_blocks() {
        let mut state = RtcpState::default();
        let mut room = 3;
        for ssrc in 1..=4_u8 {
            let named = [0x81, 202, 0, 3, 0, 0, 0, ssrc, 1, 1, b'x', 0, 0, 0, 0, 0];
            state.compound(Direction::Forward, &carrier(0, 1), &named, 0, &mut room);
        }
        state.encrypted(Direction::Backward, &carrier(1, 0), &[0x80, 200, 0, 6, 0, 0, 0, 9], &mut room);
        assert_eq!((state.senders.len() + state.cnames.len(), room), (3, 0));
        assert_eq!(state.dropped, 6);
    }

    #[test]
    fn many_senders_do_not_push_out_each_others_reports() {
        let mut state = RtcpState::default();
        let mut room = 10_000;
        state.compound(Direction::Forward, &carrier(1000, 1), &SENDER_REPORT, 0, &mut room);
        for other in 0..1000_u32 {
            let mut report = SENDER_REPORT;
            report[4..8].copy_from_slice(&(100 + other % 200).to_be_bytes());
            state.compound(Direction::Forward, &carrier(1001, 2), &report, 0, &mut room);
        }
        state.compound(Direction::Backward, &carrier(1100, 3), &receiver_report(0x2222_3333, 0), 0, &mut room);
        let reporter = state.summaries().last().unwrap();
        assert_eq!(reporter.reports[0].rtt_ms, Some(100.0));
        for other in 0..1000_u32 {
            let mut report = SENDER_REPORT;
            report[4..8].copy_from_slice(&(1000 + other).to_be_bytes());
            state.compound(Direction::Forward, &carrier(1200, 4), &report, 0, &mut room);
        }
        assert_eq!(state.sender_reports.len(), MAX_REPORTING);
    }
}
