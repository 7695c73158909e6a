//! What belongs to a session beyond its signalling, and what was agreed against what came.
//!
//! In: filled after the merge. Out: a part of [`SessionSummary`](super::signalling::SessionSummary). Never: formatted text.

use super::negotiation::Negotiated;
use crate::net::Endpoint;
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// All that was joined to a session.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Ids of flows: those of the signalling, of checks, handshakes, media, and of TURN around them.
    pub flows: Vec<String>,
    /// Ids of streams.
    pub streams: Vec<String>,
    /// Ids of TURN allocations.
    pub allocations: Vec<String>,
    /// Ids of DTLS handshakes.
    pub handshakes: Vec<String>,
    /// Ids of candidate pairs.
    pub pairs: Vec<String>,
    /// How long each step took.
    pub setup: Setup,
    /// The steps in order.
    pub timeline: Vec<Step>,
    /// Each offer that was answered.
    pub rounds: Vec<Round>,
    /// Its sections as last agreed on, and what came.
    pub media: Vec<MediaRow>,
    /// Streams between the two sides that no section explains.
    pub unexpected: Vec<String>,
    /// ICE restarts, by the descriptions or by the checks, whichever shows more.
    pub ice_restarts: u64,
    /// Which candidate pair carried what there was to carry, for each component.
    pub ice: Vec<IceTransport>,
}

/// The candidate pairs of one component of one transport, over all ICE restarts: one of them is selected at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceTransport {
    /// 1 for RTP and all that is multiplexed with it, 2 for RTCP; none where nothing tells.
    pub component: Option<u8>,
    /// ICE restarts that its checks show.
    pub restarts: u64,
    /// Ids of all pairs. One that was captured at several points of its way has an id at each.
    pub pairs: Vec<String>,
    /// Which pair each side selected when, in order; the last one of a side is so to the end.
    pub switches: Vec<PairSwitch>,
}

/// A side begins to send on a pair what it has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairSwitch {
    /// When.
    pub ts: Timestamp,
    /// The first packet on it; none where an earlier pair goes on.
    pub frame: Option<FrameNo>,
    /// Who sends: 0 the side that offered first, 1 the other. Without descriptions 0 is who is at `local` of the first pair.
    pub side: usize,
    /// Its address on the wire.
    pub from: Endpoint,
    /// Id of the pair.
    pub pair: String,
}

/// The steps of setting up, in milliseconds; none for a step that was not seen or not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Setup {
    /// From the first message to the answer.
    pub signalling: Option<f64>,
    /// From the first description, or the first request to a TURN server, to the last candidate that came before media,
    /// or the last allocation.
    pub gathering: Option<f64>,
    /// From the start to the first connectivity check.
    pub first_check: Option<f64>,
    /// From the first check to the first nomination that was answered.
    pub nomination: Option<f64>,
    /// From the first ClientHello to the end of the first handshake.
    pub handshake: Option<f64>,
    /// From the last of the steps above that came before it to the first RTP packet.
    pub first_rtp: Option<f64>,
    /// From the start to the first RTP packet.
    pub total: Option<f64>,
}

/// A moment in the life of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub ts: Timestamp,
    /// The frame that shows it.
    pub frame: FrameNo,
    /// What it is, in a word or two.
    pub what: String,
}

/// One exchange of offer and answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The frame of the offer.
    pub offer: Option<FrameNo>,
    /// The frame of the answer.
    pub answer: Option<FrameNo>,
    /// True where who offered first offers again.
    pub by_first: bool,
    /// What it changed, in words.
    pub changes: Vec<String>,
}

/// One section.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaRow {
    /// As last agreed on. `sends` and all other pairs stand for who offered first and who answered, whoever made the
    /// last offer.
    pub agreed: Negotiated,
    /// What came from who offered first, and from who answered.
    pub seen: [SeenMedia; 2],
}

/// What came of a section in one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenMedia {
    /// Ids of the streams.
    pub streams: Vec<String>,
    /// Their packets.
    pub packets: u64,
    /// What is not as agreed.
    pub differences: Vec<Difference>,
}

/// Something that is not as it was agreed.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What.
    pub kind: DifferenceKind,
    /// The frames that show it: descriptions, first packets.
    pub frames: Vec<FrameNo>,
}

/// What is not as it was agreed.
#[derive(Clone, Debug, PartialEq)]
pub enum DifferenceKind {
    /// It was agreed to be sent, and no packet came.
    NeverCame,
    /// Packets came of a direction that no round of offer and answer allows.
    NotAgreed,
    /// Packets have a payload type that the receiver never named.
    PayloadType(u8),
    /// The sender names its sources, but not this one.
    Ssrc(u32),
    /// Packets come from another address than the sender described: a NAT, in all likelihood.
    Source {
        /// As described.
        described: Endpoint,
        /// On the wire.
        seen: Endpoint,
    },
    /// Packets go to another address than the receiver described.
    Destination {
        /// As described.
        described: Endpoint,
        /// On the wire.
        seen: Endpoint,
    },
}

impl DifferenceKind {
    /// The report's word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NeverCame => "never-came",
            Self::NotAgreed => "not-agreed",
            Self::PayloadType(_) => "payload-type",
            Self::Ssrc(_) => "ssrc",
            Self::Source { .. } => "source-address",
            Self::Destination { .. } => "destination-address",
        }
    }

    /// The number or the addresses.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NeverCame | Self::NotAgreed => None,
            Self::PayloadType(number) => Some(number.to_string()),
            Self::Ssrc(ssrc) => Some(format!("0x{ssrc:08x}")),
            Self::Source { described, seen } | Self::Destination { described, seen } => {
                Some(format!("{seen} instead of {described}"))
            }
        }
    }
}
