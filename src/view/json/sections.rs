//! The capture, the class counts, sessions and findings.
//!
//! In: parts of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::{Rounded, Text, ssrc};
use crate::model::snapshot::{
    CaptureSummary, ClassCounts, Described, FileFacts, Finding as FindingState, Media as SdpMedia, SessionDescription,
    SessionSummary, Snapshot, Ssrc,
};
use crate::time::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct Capture<'a> {
    files: Vec<File<'a>>,
    packets: u64,
    bytes: u64,
    first_ts: Option<Text<Timestamp>>,
    last_ts: Option<Text<Timestamp>>,
    duration_s: Option<Rounded>,
    dropped_by_capture: Option<u64>,
    filtered_out: u64,
    outside_window: u64,
    filtered_vlan: u64,
    options: Options<'a>,
    duplicates_removed: u64,
    inner_datagrams: u64,
    limits: &'a BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    format: &'a str,
    link_types: &'a [String],
    packets: u64,
    truncated: bool,
    damage: Vec<&'a str>,
    damaged_places: u64,
    skipped_bytes: u64,
}

impl<'a> File<'a> {
    fn of(file: &'a FileFacts) -> Self {
        Self {
            name: &file.name,
            format: &file.format,
            link_types: &file.link_types,
            packets: file.packets,
            truncated: file.truncated,
            damage: file.damage.iter().map(|damage| damage.text.as_str()).collect(),
            damaged_places: file.damaged_places,
            skipped_bytes: file.skipped_bytes,
        }
    }
}

/// What the user limited the report to: nulls and an empty list where it is of everything.
#[derive(Serialize)]
struct Options<'a> {
    filter: Option<&'a str>,
    from_ts: Option<Text<Timestamp>>,
    to_ts: Option<Text<Timestamp>>,
    ssrcs: Vec<Text<Ssrc>>,
}

impl<'a> Options<'a> {
    fn of(capture: &'a CaptureSummary) -> Self {
        let asked = &capture.facts.asked;
        let ssrcs = capture.only_ssrcs.iter().flat_map(|only| &only.wanted);
        Self {
            filter: asked.filter.as_deref(),
            from_ts: asked.from.map(Text),
            to_ts: asked.to.map(Text),
            ssrcs: ssrcs.map(|number| ssrc(*number)).collect(),
        }
    }
}

impl<'a> Capture<'a> {
    pub(super) fn of(capture: &'a CaptureSummary) -> Self {
        Self {
            files: capture.facts.files.iter().map(File::of).collect(),
            packets: capture.packets,
            bytes: capture.bytes,
            first_ts: capture.first_ts.map(Text),
            last_ts: capture.last_ts.map(Text),
            duration_s: capture
                .first_ts
                .zip(capture.last_ts)
                .map(|(first, last)| Rounded(last.millis_since(first) / 1000.0)),
            dropped_by_capture: capture.facts.dropped_by_capture,
            filtered_out: capture.facts.filtered_out,
            outside_window: capture.facts.outside_window,
            filtered_vlan: capture.facts.filtered_vlan,
            options: Options::of(capture),
            duplicates_removed: capture.duplicates_removed,
            inner_datagrams: capture.inner_datagrams,
            limits: &capture.limits,
        }
    }
}

pub(super) struct Packets<'a>(pub(super) &'a ClassCounts);

impl Serialize for Packets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (class, count) in self.0.iter() {
            map.serialize_entry(class.name(), &count)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct Session<'a> {
    id: String,
    signalling: &'static str,
    call_id: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    state: &'static str,
    status: Option<u16>,
    reason: Option<&'a str>,
    first_frame: Option<u64>,
    setup_ms: Option<Rounded>,
    offer: Option<Description<'a>>,
    answer: Option<Description<'a>>,
    descriptions: usize,
    media: Vec<Media<'a>>,
}

pub(super) fn sessions(snapshot: &Snapshot) -> impl Iterator<Item = Session<'_>> {
    snapshot.sessions.iter().enumerate().map(|(at, session)| Session::of(at, session))
}

impl<'a> Session<'a> {
    fn of(at: usize, session: &'a SessionSummary) -> Self {
        let described = session.answer().or(session.offer());
        Self {
            id: format!("s{}", at + 1),
            signalling: session.signal.name(),
            call_id: &session.call_id,
            from: session.from.as_deref(),
            to: session.to.as_deref(),
            state: session.state.name(),
            status: session.status.as_ref().map(|(code, _)| *code),
            reason: session.status.as_ref().map(|(_, reason)| reason.as_str()),
            first_frame: session.first_frame.map(|frame| frame.0),
            setup_ms: session.setup_ms.map(Rounded),
            offer: session.offer().map(Description::of),
            answer: session.answer().map(Description::of),
            descriptions: session.descriptions.len(),
            media: described.map(|described| media(&described.sdp)).unwrap_or_default(),
        }
    }
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
        }
    }
}

#[derive(Serialize)]
pub(super) struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    summary: &'a str,
    explanation: &'static str,
    advice: &'static str,
    frames: Vec<u64>,
    filter: Option<String>,
    subject: Option<&'a str>,
}

impl<'a> Finding<'a> {
    pub(super) fn of(finding: &'a FindingState) -> Self {
        Self {
            code: finding.code,
            severity: finding.severity.name(),
            summary: &finding.summary,
            explanation: finding.explanation,
            advice: finding.advice,
            frames: finding.frames.iter().map(|frame| frame.0).collect(),
            filter: finding.display_filter(),
            subject: finding.subject.as_deref(),
        }
    }
}
