//! `m=` lines (RFC 8866, section 5.14) and what can be asked of a section.
//!
//! In: the value of an `m=` line. Out: a [`Media`] that the lines after it fill.
//! Never: a section dropped because its protocol is unknown (T.38, BFCP and MSRP are sections like any other).

use super::attribute::Attributes;
use super::lines::Words;
use super::rtp::{ExtMap, Fmtp, RtpMap, SourceInfo};
use super::{Connection, TextLine};

/// What a section carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `text` (RFC 4103)
    Text,
    /// `application`: data channels, BFCP
    Application,
    /// `message`: MSRP (RFC 4975)
    Message,
    /// `image`: T.38
    Image,
    /// Anything else, as written.
    Other(String),
    /// The line had no word at all.
    #[default]
    Unsaid,
}

impl MediaKind {
    fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "text" => Self::Text,
            "application" => Self::Application,
            "message" => Self::Message,
            "image" => Self::Image,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// The word of the `m=` line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Application => "application",
            Self::Message => "message",
            Self::Image => "image",
            Self::Other(word) => word,
            Self::Unsaid => "",
        }
    }
}

/// The protocol of an `m=` line as it was written, `UDP/TLS/RTP/SAVPF`, with questions that ignore its case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportProtocol(String);

impl TransportProtocol {
    /// As `word` has it.
    pub fn of(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn has(&self, words: &[&str]) -> bool {
        self.0.split('/').any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
    }

    /// RTP in any profile.
    pub fn is_rtp(&self) -> bool {
        self.has(&["RTP", "AVP", "AVPF", "SAVP", "SAVPF"])
    }

    /// SRTP: RFC 3711 and RFC 5124 profiles, whoever makes the keys.
    pub fn is_srtp(&self) -> bool {
        self.has(&["SAVP", "SAVPF"])
    }

    /// Keys from DTLS or TLS (RFC 5764, RFC 8842, RFC 8122).
    pub fn is_dtls(&self) -> bool {
        self.has(&["TLS", "DTLS"])
    }

    /// The RTCP feedback profiles (RFC 4585, RFC 5124).
    pub fn has_feedback(&self) -> bool {
        self.has(&["AVPF", "SAVPF"])
    }

    /// Over TCP (RFC 4571, RFC 4975, RFC 8842).
    pub fn is_tcp(&self) -> bool {
        self.has(&["TCP"])
    }

    /// Data channels (RFC 8841).
    pub fn is_sctp(&self) -> bool {
        self.has(&["SCTP"])
    }
}

/// One media description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: MediaKind,
    /// The port; 0 says that the section is refused or off, `None` that it was no port number.
    pub port: Option<u16>,
    /// Number of port pairs behind the slash, for layered streams.
    pub port_count: Option<u32>,
    /// The transport protocol.
    pub protocol: TransportProtocol,
    /// Payload types of RTP, else `*`, `t38`, `webrtc-datachannel` and the like.
    pub formats: Vec<String>,
    /// `c=` lines of the section.
    pub connections: Vec<Connection>,
    /// Other lines of the section, in order. An `m=` line with a fault is kept here as text too.
    pub other_lines: Vec<TextLine>,
    /// `a=` lines of the section.
    pub attributes: Attributes,
}

impl Media {
    /// The section that an `m=` line opens, and what is wrong with the line.
    pub(super) fn from_line(value: &str) -> (Self, Result<(), &'static str>) {
        let mut words = Words::new(value);
        let kind = words.word().map(MediaKind::parse).unwrap_or_default();
        let mut port_words = words.word().unwrap_or_default().splitn(2, '/');
        let port = port_words.next().and_then(|port| port.parse().ok());
        let port_count = port_words.next().and_then(|count| count.parse().ok());
        let protocol = TransportProtocol::of(words.word().unwrap_or_default());
        let formats = words.list();
        let outcome = match port {
            None => Err("m= without a port number"),
            Some(_) if formats.is_empty() => Err("m= without a format"),
            Some(_) => Ok(()),
        };
        let mut media = Self { kind, port, port_count, protocol, formats, ..Self::default() };
        if outcome.is_err() {
            media.other_lines.push(TextLine { letter: Some('m'), text: value.to_owned() });
        }
        (media, outcome)
    }

    /// The RTP payload types among the formats; empty for sections that are not RTP.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        let formats = if self.protocol.is_rtp() { self.formats.as_slice() } else { &[] };
        formats.iter().filter_map(|format| format.parse().ok()).filter(|pt| *pt < 128)
    }

    /// True where the port is 0 and no `a=bundle-only` explains it (RFC 9143, section 6): the section is refused.
    pub fn is_rejected(&self) -> bool {
        self.port == Some(0) && !self.attributes.bundle_only
    }

    /// The codec of a payload type; the first line counts where it is there twice.
    pub fn rtpmap(&self, payload_type: u8) -> Option<&RtpMap> {
        self.attributes.rtpmaps.iter().find(|map| map.payload_type == payload_type)
    }

    /// The format parameters of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&Fmtp> {
        self.attributes.fmtps.iter().find(|fmtp| fmtp.format.parse() == Ok(payload_type))
    }

    /// The payload type that a retransmission payload type repairs (RFC 4588, section 8.1).
    pub fn apt(&self, payload_type: u8) -> Option<u8> {
        self.fmtp(payload_type)?.apt()
    }

    /// The header extension with this id (RFC 8285, section 5).
    pub fn extension(&self, id: u16) -> Option<&ExtMap> {
        self.attributes.extmaps.iter().find(|map| map.id == id)
    }

    /// What `a=ssrc` lines say of an SSRC.
    pub fn source(&self, ssrc: u32) -> Option<&SourceInfo> {
        self.attributes.sources.iter().find(|source| source.ssrc == ssrc)
    }
}
