//! Sessions: what was said, what belongs to them, what was agreed and what came.
//!
//! In: sessions of the snapshot. Out: objects of the report. Never: a description in full.

use super::{Rounded, Text};
use crate::model::snapshot::{
    Described, Difference as DifferenceState, Endpoint, IceTransport, Media as SdpMedia, MediaRow, PairSwitch,
    Round as RoundState, SeenMedia, SessionDescription, SessionEvent, SessionSummary, Setup as SetupState,
    SipTransaction, Snapshot, Step as StepState, negotiated_direction,
};
use crate::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Session<'a> {
    id: String,
    signalling: &'static str,
    call_id: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    a: Option<Text<Endpoint>>,
    b: Option<Text<Endpoint>>,
    state: &'static str,
    status: Option<u16>,
    reason: Option<&'a str>,
    ended_by: Option<Text<Endpoint>>,
    first_frame: Option<u64>,
    setup_ms: Setup,
    offer: Option<Description<'a>>,
    answer: Option<Description<'a>>,
    descriptions: usize,
    candidates: usize,
    rounds: Vec<Round<'a>>,
    media: Vec<Media<'a>>,
    flows: &'a [String],
    streams: &'a [String],
    unexpected_streams: &'a [String],
    allocations: &'a [String],
    handshakes: &'a [String],
    pairs: &'a [String],
    ice_restarts: u64,
    ice: Vec<Ice<'a>>,
    transactions: Vec<Transaction<'a>>,
    events: Vec<Event>,
    timeline: Vec<Step<'a>>,
}

pub(super) fn sessions(snapshot: &Snapshot) -> impl Iterator<Item = Session<'_>> {
    snapshot.sessions.iter().enumerate().map(|(at, session)| Session::of(at, session))
}

impl<'a> Session<'a> {
    fn of(at: usize, session: &'a SessionSummary) -> Self {
        let described = session.answer().or(session.offer());
        let call = &session.call;
        Self {
            id: format!("s{}", at + 1),
            signalling: session.signal.name(),
            call_id: Some(session.call_id.as_str()).filter(|name| !name.is_empty()),
            from: session.from.as_deref(),
            to: session.to.as_deref(),
            a: session.addresses.map(|(one, _)| Text(one)),
            b: session.addresses.map(|(_, other)| Text(other)),
            state: session.state.name(),
            status: session.status.as_ref().map(|(code, _)| *code),
            reason: session.status.as_ref().map(|(_, reason)| reason.as_str()),
            ended_by: session.ended.map(|(.., who)| Text(who)),
            first_frame: session.first_frame.map(|frame| frame.0),
            setup_ms: Setup::of(&call.setup),
            offer: session.offer().map(Description::of),
            answer: session.answer().map(Description::of),
            descriptions: session.descriptions.len(),
            candidates: session.candidates.len(),
            rounds: call.rounds.iter().map(Round::of).collect(),
            media: described
                .map(|described| agreed_media(&described.sdp, &call.media, session.signal.is_declared()))
                .unwrap_or_default(),
            flows: &call.flows,
            streams: &call.streams,
            unexpected_streams: &call.unexpected,
            allocations: &call.allocations,
            handshakes: &call.handshakes,
            pairs: &call.pairs,
            ice_restarts: call.ice_restarts,
            ice: call.ice.iter().map(|transport| Ice::of(transport, session.first_ts)).collect(),
            transactions: session.dialog.transactions.iter().map(Transaction::of).collect(),
            events: session.dialog.events.iter().map(Event::of).collect(),
            timeline: call.timeline.iter().map(|step| Step::of(step, session.first_ts)).collect(),
        }
    }
}

/// The pairs of one component.
#[derive(Serialize)]
struct Ice<'a> {
    component: Option<u8>,
    restarts: u64,
    pairs: &'a [String],
    switches: Vec<Switch<'a>>,
}

/// Who is at `from` begins to send on a pair, in milliseconds since the session began.
#[derive(Serialize)]
struct Switch<'a> {
    ms: Rounded,
    frame: Option<u64>,
    from: Text<Endpoint>,
    pair: &'a str,
}

impl<'a> Ice<'a> {
    fn of(transport: &'a IceTransport, start: Timestamp) -> Self {
        let switch = |switch: &'a PairSwitch| Switch {
            ms: Rounded(switch.ts.millis_since(start)),
            frame: switch.frame.map(|frame| frame.0),
            from: Text(switch.from),
            pair: &switch.pair,
        };
        Self {
            component: transport.component,
            restarts: transport.restarts,
            pairs: &transport.pairs,
            switches: transport.switches.iter().map(switch).collect(),
        }
    }
}

#[derive(Serialize)]
struct Setup {
    signalling: Option<Rounded>,
    gathering: Option<Rounded>,
    first_check: Option<Rounded>,
    nomination: Option<Rounded>,
    handshake: Option<Rounded>,
    first_rtp: Option<Rounded>,
    total: Option<Rounded>,
}

impl Setup {
    fn of(setup: &SetupState) -> Self {
        Self {
            signalling: setup.signalling.map(Rounded),
            gathering: setup.gathering.map(Rounded),
            first_check: setup.first_check.map(Rounded),
            nomination: setup.nomination.map(Rounded),
            handshake: setup.handshake.map(Rounded),
            first_rtp: setup.first_rtp.map(Rounded),
            total: setup.total.map(Rounded),
        }
    }
}

#[derive(Serialize)]
struct Round<'a> {
    offer_frame: Option<u64>,
    answer_frame: Option<u64>,
    by: &'static str,
    changes: &'a [String],
}

impl<'a> Round<'a> {
    fn of(round: &'a RoundState) -> Self {
        Self {
            offer_frame: round.offer.map(|frame| frame.0),
            answer_frame: round.answer.map(|frame| frame.0),
            by: if round.by_first { "offerer" } else { "answerer" },
            changes: &round.changes,
        }
    }
}

#[derive(Serialize)]
struct Transaction<'a> {
    method: &'a str,
    cseq: u32,
    from: Text<Endpoint>,
    to: Text<Endpoint>,
    frame: u64,
    requests: u64,
    provisional: Vec<Provisional>,
    status: Option<u16>,
    reason: Option<&'a str>,
    answer_frame: Option<u64>,
    answers: u64,
    answer_ms: Option<Rounded>,
    ack_frame: Option<u64>,
}

#[derive(Serialize)]
struct Provisional {
    status: u16,
    frame: u64,
}

impl<'a> Transaction<'a> {
    fn of(known: &'a SipTransaction) -> Self {
        let provisional = known.provisional.iter();
        Self {
            method: &known.method,
            cseq: known.cseq,
            from: Text(known.from),
            to: Text(known.to),
            frame: known.frame.0,
            requests: known.requests,
            provisional: provisional.map(|(status, frame)| Provisional { status: *status, frame: frame.0 }).collect(),
            status: known.answer.as_ref().map(|(code, ..)| *code),
            reason: known.answer.as_ref().map(|(_, reason, _)| reason.as_str()),
            answer_frame: known.answer.as_ref().map(|(.., frame)| frame.0),
            answers: known.answers,
            answer_ms: known.answer_ms.map(Rounded),
            ack_frame: known.ack.map(|frame| frame.0),
        }
    }
}

#[derive(Serialize)]
struct Event {
    frame: u64,
    what: &'static str,
    detail: Option<String>,
    from: Text<Endpoint>,
}

impl Event {
    fn of(event: &SessionEvent) -> Self {
        let (from, _) = event.ends;
        Self { frame: event.frame.0, what: event.kind.name(), detail: event.kind.detail(), from: Text(from) }
    }
}

/// A moment, in milliseconds since the session began.
#[derive(Serialize)]
struct Step<'a> {
    ms: Rounded,
    frame: u64,
    what: &'a str,
}

impl<'a> Step<'a> {
    fn of(step: &'a StepState, start: Timestamp) -> Self {
        Self { ms: Rounded(step.ts.millis_since(start)), frame: step.frame.0, what: &step.what }
    }
}

/// What was agreed for a section, and what came from who offered first and from who answered.
#[derive(Serialize)]
struct Agreed<'a> {
    accepted: bool,
    agreed_direction: Option<&'static str>,
    codecs: Vec<&'a str>,
    bundled_with: Option<&'a str>,
    rtcp_mux: bool,
    agreed_extensions: Vec<Extension<'a>>,
    layers_from_offerer: &'a [String],
    layers_from_answerer: &'a [String],
    security: &'static str,
    from_offerer: Seen<'a>,
    from_answerer: Seen<'a>,
}

#[derive(Serialize)]
struct Seen<'a> {
    streams: &'a [String],
    packets: u64,
    differences: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    what: &'static str,
    detail: Option<String>,
    frames: Vec<u64>,
}

impl<'a> Agreed<'a> {
    fn of(row: &'a MediaRow, is_declared: bool) -> Self {
        let agreed = &row.agreed;
        let [offerer, answerer] = &row.seen;
        let extension = |(id, uri): &'a (u16, String)| Extension { id: *id, uri };
        Self {
            accepted: agreed.accepted,
            agreed_direction: (!is_declared).then(|| negotiated_direction(agreed.sends)),
            codecs: agreed.codecs.iter().map(|codec| codec.encoding.as_str()).collect(),
            bundled_with: agreed.bundled_with.as_deref(),
            rtcp_mux: agreed.rtcp_mux,
            agreed_extensions: agreed.extensions.iter().map(extension).collect(),
            layers_from_offerer: &agreed.layers[0],
            layers_from_answerer: &agreed.layers[1],
            security: agreed.security.name(),
            from_offerer: Seen::of(offerer),
            from_answerer: Seen::of(answerer),
        }
    }
}

impl<'a> Seen<'a> {
    fn of(seen: &'a SeenMedia) -> Self {
        let difference = |difference: &DifferenceState| Difference {
            what: difference.kind.name(),
            detail: difference.kind.detail(),
            frames: difference.frames.iter().map(|frame| frame.0).collect(),
        };
        Self {
            streams: &seen.streams,
            packets: seen.packets,
            differences: seen.differences.iter().map(difference).collect(),
        }
    }
}

/// The sections of a description, each with what was agreed on of it.
fn agreed_media<'a>(sdp: &'a SessionDescription, rows: &'a [MediaRow], is_declared: bool) -> Vec<Media<'a>> {
    let mut agreed = rows.iter().map(|row| Some(Agreed::of(row, is_declared))).chain(std::iter::repeat_with(|| None));
    media(sdp).into_iter().map(|media| Media { agreed: agreed.next().flatten(), ..media }).collect()
}

#[derive(Serialize)]
struct Description<'a> {
    frame: Option<u64>,
    strict_error: Option<&'a str>,
    sdp: Sdp<'a>,
}

#[derive(Serialize)]
struct Sdp<'a> {
    session_name: Option<&'a str>,
    ice_ufrag: Option<&'a str>,
    fingerprints: Vec<String>,
    groups: Vec<String>,
    media: Vec<Media<'a>>,
}

impl<'a> Description<'a> {
    fn of(described: &'a Described) -> Self {
        let sdp = &*described.sdp;
        Self {
            frame: described.frame.map(|frame| frame.0),
            strict_error: described.strict_error.as_deref(),
            sdp: Sdp {
                session_name: sdp.session_name.as_deref(),
                ice_ufrag: sdp.attributes.ice_ufrag.as_deref(),
                fingerprints: sdp.attributes.fingerprints.iter().map(ToString::to_string).collect(),
                groups: sdp
                    .attributes
                    .groups
                    .iter()
                    .map(|group| format!("{} {}", group.semantics, group.mids.join(" ")))
                    .collect(),
                media: media(sdp),
            },
        }
    }
}

#[derive(Serialize)]
struct Media<'a> {
    kind: &'a str,
    port: Option<u16>,
    protocol: &'a str,
    connection: Option<String>,
    direction: &'static str,
    mid: Option<&'a str>,
    formats: Vec<Format<'a>>,
    candidates: usize,
    ice_ufrag: Option<&'a str>,
    fingerprints: Vec<String>,
    setup: Option<&'static str>,
    crypto: Vec<&'a str>,
    ssrcs: Vec<String>,
    rids: Vec<&'a str>,
    extensions: Vec<Extension<'a>>,
    #[serde(flatten)]
    agreed: Option<Agreed<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    payload_type: u8,
    encoding: Option<&'a str>,
    clock_rate: Option<u32>,
    channels: Option<u8>,
    parameters: Option<&'a str>,
}

#[derive(Serialize)]
struct Extension<'a> {
    id: u16,
    uri: &'a str,
}

fn media(sdp: &SessionDescription) -> Vec<Media<'_>> {
    sdp.media.iter().map(|media| Media::of(sdp, media)).collect()
}

impl<'a> Media<'a> {
    fn of(sdp: &'a SessionDescription, media: &'a SdpMedia) -> Self {
        let attributes = &media.attributes;
        Self {
            kind: media.kind.as_str(),
            port: media.port,
            protocol: media.protocol.as_str(),
            connection: sdp.connection(media).map(|connection| connection.address.to_string()),
            direction: sdp.direction(media).as_str(),
            mid: attributes.mid.as_deref(),
            formats: media
                .payload_types()
                .map(|payload_type| {
                    let map = media.rtpmap(payload_type);
                    Format {
                        payload_type,
                        encoding: map.map(|map| map.encoding.as_str()),
                        clock_rate: map.map(|map| map.clock_rate),
                        channels: map.and_then(|map| map.channels),
                        parameters: media.fmtp(payload_type).map(|fmtp| fmtp.parameters.as_str()),
                    }
                })
                .collect(),
            candidates: attributes.candidates.len(),
            ice_ufrag: sdp.ice_credentials(media).map(|credentials| credentials.ufrag),
            fingerprints: sdp.fingerprints(media).iter().map(ToString::to_string).collect(),
            setup: sdp.setup(media).map(|setup| setup.as_str()),
            crypto: attributes.cryptos.iter().map(|crypto| crypto.suite.as_str()).collect(),
            ssrcs: attributes.sources.iter().map(|source| format!("0x{:08x}", source.ssrc)).collect(),
            rids: attributes.rids.iter().map(|rid| rid.id.as_str()).collect(),
            extensions: attributes
                .extmaps
                .iter()
                .map(|extension| Extension { id: extension.id, uri: extension.uri.as_str() })
                .collect(),
            agreed: None,
        }
    }
}
