//! All that is known at one moment, in the order and with the names of the report.
//!
//! In: filled by the merge. Out: what every view reads. Never: a reference into the state, or formatted text.

pub use super::belonging::{Belonging, FlowPart};
pub use super::call::{
    Call, Difference, DifferenceKind, IceTransport, MediaRow, PairSwitch, Round, SeenMedia, Setup, Step,
};
pub use super::capture::{Asked, CaptureFacts, Damage, FileFacts};
pub use super::class::{Class, ClassCounts};
pub use super::clock_steps::{ClockStep, ClockStepSummary};
pub use super::dtls::{AlertSeen, Direction as DtlsDirection, Flight, HandshakeSummary, State as HandshakeState};
pub use super::finding::{Finding, Severity};
pub use super::finding_rules::{RULES, Rule};
pub use super::flow::{Peer, Via};
pub use super::forget::Forgotten;
pub use super::ice::{ConsentGap, IceRole, PairStatus, PairSummary, Spread};
pub use super::icmp::IcmpRow;
pub use super::integrity::Integrity;
pub use super::ladder::{Arrow, Event, Host, Ladder, Stroke, Tone, UnknownSession};
pub use super::negotiation::{Negotiated, NegotiatedCodec, Security, direction as negotiated_direction};
pub use super::relay_hop::{DelayFigures, HopFigures, RelayHop};
pub use super::rtcp::{ClockReading, FeedbackSpan, ReportPoint, RtcpCounts, SenderSummary};
pub use super::rtp_stream::{
    Clock, ClockSource, DeltaSummary, JitterSummary, KeptPacket, LossPlace, Lull, Marking, Remark, SequenceSummary,
    Series, SeriesPoint, StreamFigures, StreamNotes, TimingSummary, TsharkSummary,
};
pub use super::session_time::Span;
pub use super::signalling::{
    Described, Dialog, EventKind, SessionEvent, SessionState, SessionSummary, Signal, SipTransaction, Trickled,
};
pub use super::snap_length::CutRecords;
pub use super::stun::{Outcome, Transaction};
pub use super::trail::SignalMessage;
pub use super::turn::{
    Allocation, AllocationEnd, Channel, ExpiredInUse, Grant, LifeChange, LifeEvent, Stray, StrayTarget, Traffic,
    TurnError, Volume,
};
pub use super::words::{LossFigures, clock_source_name, method_name, utc_date};
pub use crate::net::{Endpoint, FragmentStatistics, Transport, TunnelKind, TunnelLayer};
pub use crate::packet::FrameNo;
pub use crate::proto::rtp::Ssrc;
pub use crate::proto::sdp::{CandidateKind, Media, SessionDescription};

use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The input.
    pub capture: CaptureSummary,
    /// One class per packet or inner datagram.
    pub packets: ClassCounts,
    /// Why packets are `other`, and how many.
    pub other: BTreeMap<String, u64>,
    /// In order of their first frame.
    pub flows: Vec<FlowRow>,
    /// In order of their first frame.
    pub streams: Vec<StreamRow>,
    /// RTP of all streams over time, where [`series`](super::analyzer::Options::series) are wanted.
    pub bandwidth: Option<Series>,
    /// By flow and sender.
    pub rtcp: Vec<RtcpRow>,
    /// In order of their first frame.
    pub transactions: Vec<TransactionRow>,
    /// In order of their first frame.
    pub pairs: Vec<PairRow>,
    /// In order of their first frame.
    pub allocations: Vec<AllocationRow>,
    /// In order of their first frame.
    pub handshakes: Vec<HandshakeRow>,
    /// In order of their first frame.
    pub sessions: Vec<SessionSummary>,
    /// ICMP errors, in order of their first frame.
    pub icmp: Vec<IcmpRow>,
    /// What the signalling said, in capture order.
    pub signals: Vec<SignalMessage>,
    /// How many of them there was no room for.
    pub signals_not_kept: u64,
    /// Errors first; of each severity what explains most, then by frame.
    pub findings: Vec<Finding>,
}

/// The input as a whole.
#[derive(Clone, Debug, Default)]
pub struct CaptureSummary {
    /// What the source knows.
    pub facts: CaptureFacts,
    /// Records analysed.
    pub packets: u64,
    /// Their length on the wire.
    pub bytes: u64,
    /// Time of the first record.
    pub first_ts: Option<Timestamp>,
    /// The latest time of any record.
    pub last_ts: Option<Timestamp>,
    /// Where time does not run on.
    pub clock_steps: ClockStepSummary,
    /// Records that a snap length cut.
    pub cut_records: CutRecords,
    /// Messages that such a cut leaves unjudged, by class.
    pub cut_messages: ClassCounts,
    /// Segments of TCP whose end is cut off: their streams have holes.
    pub cut_segments: u64,
    /// Copies of a mirror port that were counted once.
    pub duplicates_removed: u64,
    /// Datagrams found inside others, or beyond the first of a record.
    pub inner_datagrams: u64,
    /// IP fragments.
    pub fragments: FragmentStatistics,
    /// What was left out for a bound's sake, by table.
    pub limits: BTreeMap<&'static str, u64>,
    /// What has left because it had been quiet: in the counts it is still there, in the lists it is not.
    pub forgotten: Forgotten,
    /// Findings, by code, that only what has left could prove, those included that are no longer listed.
    pub forgotten_findings: BTreeMap<&'static str, u64>,
    /// Those of them that are listed.
    pub forgotten_listed: BTreeMap<&'static str, u64>,
    /// The SSRCs that streams and RTCP are limited to; none where all are shown.
    pub only_ssrcs: Option<OnlySsrcs>,
}

/// A limit to some SSRCs. It takes rows from the lists of streams and RTCP, and nothing from any count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnlySsrcs {
    /// Those asked for.
    pub wanted: BTreeSet<u32>,
    /// Those of them that no stream has and no RTCP is from or about.
    pub not_seen: BTreeSet<u32>,
    /// Those of the streams that were left out.
    pub others: BTreeSet<u32>,
}

/// A flow.
#[derive(Clone, Debug)]
pub struct FlowRow {
    /// `f1`, `f2`, … in order.
    pub id: String,
    /// UDP or TCP.
    pub transport: Transport,
    /// Who sent first.
    pub a: Endpoint,
    /// The other side.
    pub b: Endpoint,
    /// Tunnels around it, from the outside in.
    pub tunnels: Vec<TunnelLayer>,
    /// The ways inside the transport, for an inner flow.
    pub vias: Vec<Via>,
    /// The TURN peer of an inner flow.
    pub peer: Option<Peer>,
    /// The flow that it is inside of.
    pub parent: Option<String>,
    /// Datagrams by class.
    pub classes: ClassCounts,
    /// Why datagrams are `other`.
    pub reasons: BTreeMap<&'static str, u64>,
    /// First frame.
    pub first_frame: FrameNo,
    /// First frame that `b` sent; none where only `a` is seen to send. Inside TURN `a` and `b` are the ends of the outer flow.
    pub first_backward: Option<FrameNo>,
    /// Time of the first frame.
    pub first_ts: Timestamp,
    /// Time of the last frame.
    pub last_ts: Timestamp,
}

/// What kind of media a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum StreamKind {
    Audio,
    Video,
    Text,
    Rtx,
    Fec,
    Event,
    Other,
}

impl StreamKind {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            StreamKind::Audio => "audio",
            StreamKind::Video => "video",
            StreamKind::Text => "text",
            StreamKind::Rtx => "rtx",
            StreamKind::Fec => "fec",
            StreamKind::Event => "event",
            StreamKind::Other => "other",
        }
    }
}

/// An RTP stream.
#[derive(Clone, Debug)]
pub struct StreamRow {
    /// `r1`, `r2`, … in order.
    pub id: String,
    /// The flow that it is on.
    pub flow: String,
    /// Sender, as on the wire.
    pub src: Endpoint,
    /// Receiver, as on the wire.
    pub dst: Endpoint,
    /// The TURN peer, where it runs inside TURN.
    pub peer: Option<Peer>,
    /// UDP or TCP.
    pub transport: Transport,
    /// Tunnels around it.
    pub tunnels: Vec<TunnelLayer>,
    /// The way inside the transport.
    pub via: Via,
    /// The synchronization source.
    pub ssrc: u32,
    /// True for SRTP.
    pub encrypted: bool,
    /// Known from SDP or the payload type, else inferred from the clock; none where nothing tells.
    pub kind: Option<StreamKind>,
    /// Encoding name of the payload type that most packets have.
    pub codec: Option<String>,
    /// Media section of the SDP.
    pub mid: Option<String>,
    /// Canonical name from SDES or SDP.
    pub cname: Option<String>,
    /// The stream that this one repeats packets of: by the SDP's FID group, else the only one that its `apt` fits.
    pub rtx_of: Option<u32>,
    /// True where its packets are those of RFC 2198 around `codec`, which then is the one that the descriptions want
    /// most.
    pub in_red: bool,
    /// All figures.
    pub figures: StreamFigures,
    /// The packets that the figures count, in capture order, where
    /// [`keep_packets`](super::analyzer::Options::keep_packets) wants them; else empty.
    pub packets: Vec<KeptPacket>,
    /// How it went over time, where [`series`](super::analyzer::Options::series) are wanted and there was room.
    pub series: Option<Series>,
}

/// RTCP of one sender.
#[derive(Clone, Debug)]
pub struct RtcpRow {
    /// The flow.
    pub flow: String,
    /// Who sent it.
    pub src: Endpoint,
    /// Who received it.
    pub dst: Endpoint,
    /// Counts and reports.
    pub sender: SenderSummary,
    /// Clock rates of the streams that are reported on, where known: for the jitter in milliseconds.
    pub clock_rates: BTreeMap<u32, u32>,
}

/// A STUN transaction.
#[derive(Clone, Debug)]
pub struct TransactionRow {
    /// The flow.
    pub flow: String,
    /// Who asked.
    pub src: Endpoint,
    /// Who was asked.
    pub dst: Endpoint,
    /// The outcome at the capture's end.
    pub outcome: Outcome,
    /// The rest.
    pub transaction: Transaction,
}

/// A candidate pair.
#[derive(Clone, Debug)]
pub struct PairRow {
    /// `p1`, `p2`, … in order.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// Who sent the first datagram of the pair.
    pub local: Endpoint,
    /// The other side.
    pub remote: Endpoint,
    /// The TURN peer, where the pair runs inside TURN.
    pub peer: Option<Peer>,
    /// What kind of candidate stands at `local` and at `remote`; none where nothing tells.
    pub kinds: [Option<CandidateKind>; 2],
    /// ICE restarts of its session before it; none where it belongs to no session.
    pub generation: Option<u64>,
    /// Whether it is the one that `local` and that `remote` sends on in the end, of those of its component; none where
    /// nothing was sent and nothing else decides. The two sides may differ.
    pub selected: Option<[bool; 2]>,
    /// What MESSAGE-INTEGRITY of its checks and answers shows with the passwords of the SDP.
    pub integrity: Integrity,
    /// The rest.
    pub pair: PairSummary,
}

impl PairRow {
    /// Whether either side sends on it in the end.
    pub fn is_selected(&self) -> Option<bool> {
        self.selected.map(|[local, remote]| local || remote)
    }
}

/// A TURN allocation.
#[derive(Clone, Debug)]
pub struct AllocationRow {
    /// `t1`, `t2`, … in order.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// Who asked for it.
    pub client: Endpoint,
    /// The TURN server.
    pub server: Endpoint,
    /// How the client reaches the server.
    pub transport: Transport,
    /// How it ended.
    pub end: AllocationEnd,
    /// The rest.
    pub allocation: Allocation,
    /// When it ended; none while it lives, and where it never came to be.
    pub ended_ts: Option<Timestamp>,
    /// The allocation that the client took along from another five-tuple to be this one (RFC 8016).
    pub moved_from: Option<String>,
    /// The allocation that this one went on as, on another five-tuple.
    pub moved_to: Option<String>,
    /// What the server did to the packets.
    pub relay_hop: RelayHop,
    /// Ids of the allocations whose relayed addresses are peers of this one, or have it for a peer.
    pub relay_peers: Vec<String>,
}

/// A DTLS handshake.
#[derive(Clone, Debug)]
pub struct HandshakeRow {
    /// `d1`, `d2`, … in order.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// Who sent the ClientHello.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// What its certificates are to the fingerprints of the SDP.
    pub sdp_fingerprint: FingerprintCheck,
    /// What its roles are to `a=setup` of the SDP.
    pub sdp_setup: SetupCheck,
    /// The rest.
    pub handshake: HandshakeSummary,
}

/// What the roles of a handshake are to `a=setup` (RFC 4145, section 4; RFC 8842, section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupCheck {
    /// Who was to be active sent the ClientHello.
    Match,
    /// Who was to be passive sent the ClientHello.
    Mismatch,
    /// No description with a role belongs to it.
    NoSdp,
    /// There are roles, but none that decides, or it is not known who the client is.
    Unknown,
}

impl SetupCheck {
    /// The report's word; none where it is unknown.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            SetupCheck::Match => Some("match"),
            SetupCheck::Mismatch => Some("mismatch"),
            SetupCheck::NoSdp => Some("no-sdp"),
            SetupCheck::Unknown => None,
        }
    }
}

/// What the certificates of a handshake are to `a=fingerprint` (RFC 8122, section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FingerprintCheck {
    /// Those that could be compared are those that were announced.
    Match,
    /// A side sent another certificate than its description announced.
    Mismatch,
    /// No description with a fingerprint belongs to it.
    NoSdp,
    /// There are fingerprints, but nothing to compare them with: the certificates are encrypted (DTLS 1.3), were not
    /// captured, or were announced by another hash than SHA-256.
    Unknown,
}

impl FingerprintCheck {
    /// The report's word; none where it is unknown.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            FingerprintCheck::Match => Some("match"),
            FingerprintCheck::Mismatch => Some("mismatch"),
            FingerprintCheck::NoSdp => Some("no-sdp"),
            FingerprintCheck::Unknown => None,
        }
    }
}
