//! `a=` lines, which stand at the session level and in sections alike.
//!
//! In: the value of an `a=` line. Out: its typed place in [`Attributes`], or its text in [`Attributes::other`].
//! Never: an attribute that is gone, known or not.

use super::Connection;
use super::candidate::Candidate;
use super::ice_security::{Crypto, Fingerprint, Setup};
use super::lines::{Words, non_empty};
use super::rtp::{self, ExtMap, Fmtp, RtcpFeedback, RtpMap, SourceGroup, SourceInfo};
use super::simulcast::{Rid, Simulcast};

/// `a=name` or `a=name:value`, as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The name, as written.
    pub name: String,
    /// What stands behind the colon.
    pub value: Option<String>,
}

/// Who sends (RFC 8866, section 6.7), seen by the sender of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The describing side only sends.
    SendOnly,
    /// The describing side only receives.
    RecvOnly,
    /// Nobody sends media; RTCP goes on.
    Inactive,
}

impl Direction {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// `a=group` (RFC 5888; BUNDLE: RFC 9143).
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `BUNDLE`, `LS`, `FID`, …, as written.
    pub semantics: String,
    /// Identification tags of the sections in it.
    pub mids: Vec<String>,
}

/// `a=msid` (RFC 8830), also inside `a=ssrc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Msid {
    /// Media stream id, `-` for a track without a stream.
    pub stream: String,
    /// Track id.
    pub track: Option<String>,
}

impl Msid {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        Some(Self { stream: words.word()?.to_owned(), track: words.word().map(str::to_owned) })
    }
}

/// `a=rtcp` (RFC 3605).
#[derive(Clone, Debug, PartialEq)]
pub struct RtcpPort {
    /// The port for RTCP.
    pub port: u16,
    /// The address, where it is not that of the media.
    pub connection: Option<Connection>,
}

/// All attributes of the session level or of one section. Lists are in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`; the last one counts.
    pub direction: Option<Direction>,
    /// `mid` (RFC 5888).
    pub mid: Option<String>,
    /// `group`.
    pub groups: Vec<Group>,
    /// `msid`.
    pub msids: Vec<Msid>,
    /// `bundle-only` (RFC 9143, section 6).
    pub bundle_only: bool,
    /// `rtcp` (RFC 3605).
    pub rtcp: Option<RtcpPort>,
    /// `rtcp-mux` (RFC 5761) or `rtcp-mux-only` (RFC 8858).
    pub rtcp_mux: bool,
    /// `rtcp-rsize` (RFC 5506).
    pub rtcp_rsize: bool,
    /// `ptime` in milliseconds.
    pub ptime_ms: Option<f64>,
    /// `maxptime` in milliseconds.
    pub maxptime_ms: Option<f64>,
    /// `rtpmap`.
    pub rtpmaps: Vec<RtpMap>,
    /// `fmtp`.
    pub fmtps: Vec<Fmtp>,
    /// `rtcp-fb` (RFC 4585, section 4.2).
    pub rtcp_feedback: Vec<RtcpFeedback>,
    /// `extmap` (RFC 8285).
    pub extmaps: Vec<ExtMap>,
    /// `ssrc` (RFC 5576), gathered by SSRC.
    pub sources: Vec<SourceInfo>,
    /// `ssrc-group` (RFC 5576).
    pub source_groups: Vec<SourceGroup>,
    /// `rid` (RFC 8851).
    pub rids: Vec<Rid>,
    /// `simulcast` (RFC 8853 and its drafts).
    pub simulcast: Option<Simulcast>,
    /// `candidate` (RFC 8839).
    pub candidates: Vec<Candidate>,
    /// `end-of-candidates` (RFC 8840).
    pub end_of_candidates: bool,
    /// `ice-ufrag`.
    pub ice_ufrag: Option<String>,
    /// `ice-pwd`.
    pub ice_pwd: Option<String>,
    /// `ice-options`.
    pub ice_options: Vec<String>,
    /// `ice-lite`.
    pub ice_lite: bool,
    /// `fingerprint` (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// `setup` (RFC 4145).
    pub setup: Option<Setup>,
    /// `crypto` (RFC 4568).
    pub cryptos: Vec<Crypto>,
    /// `sctp-port` (RFC 8841) or the port of the older `sctpmap`.
    pub sctp_port: Option<u16>,
    /// `max-message-size` in bytes (RFC 8841).
    pub max_message_size: Option<u64>,
    /// What has no typed place, and what could not be read into it.
    pub other: Vec<Attribute>,
}

impl Attributes {
    /// The text of an attribute that has no typed place; the outer `None` says that it is not there.
    pub fn other(&self, name: &str) -> Option<Option<&str>> {
        let found = self.other.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))?;
        Some(found.value.as_deref())
    }

    /// Files one attribute. On `Err` it is in `other`.
    pub(super) fn read(&mut self, text: &str) -> Result<(), &'static str> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name.trim_ascii(), Some(value.trim_ascii())),
            None => (text.trim_ascii(), None),
        };
        let filed = self.file(&name.to_ascii_lowercase(), value.unwrap_or_default());
        if filed != Filed::Typed {
            self.other.push(Attribute { name: name.to_owned(), value: value.map(str::to_owned) });
        }
        if filed == Filed::Unreadable { Err("an attribute whose value cannot be read") } else { Ok(()) }
    }

    fn file(&mut self, name: &str, value: &str) -> Filed {
        match name {
            "rtcp-mux" | "rtcp-mux-only" => flag(&mut self.rtcp_mux),
            "rtcp-rsize" => flag(&mut self.rtcp_rsize),
            "bundle-only" => flag(&mut self.bundle_only),
            "ice-lite" => flag(&mut self.ice_lite),
            "end-of-candidates" => flag(&mut self.end_of_candidates),
            "mid" => set(&mut self.mid, non_empty(value)),
            "ice-ufrag" => set(&mut self.ice_ufrag, non_empty(value)),
            "ice-pwd" => set(&mut self.ice_pwd, non_empty(value)),
            "ice-options" => {
                self.ice_options = Words::new(value).list();
                Filed::Typed
            }
            "ptime" => set(&mut self.ptime_ms, milliseconds(value)),
            "maxptime" => set(&mut self.maxptime_ms, milliseconds(value)),
            "setup" => set(&mut self.setup, Setup::parse(value)),
            "simulcast" => set(&mut self.simulcast, Simulcast::parse(value)),
            "rtcp" => set(&mut self.rtcp, rtcp_port(value)),
            "sctp-port" | "sctpmap" => set(&mut self.sctp_port, Words::new(value).number()),
            "max-message-size" => set(&mut self.max_message_size, value.parse().ok()),
            "group" => push(&mut self.groups, group(value)),
            "msid" => push(&mut self.msids, Msid::parse(value)),
            "rtpmap" => push(&mut self.rtpmaps, RtpMap::parse(value)),
            "fmtp" => push(&mut self.fmtps, Fmtp::parse(value)),
            "rtcp-fb" => push(&mut self.rtcp_feedback, RtcpFeedback::parse(value)),
            "extmap" => push(&mut self.extmaps, ExtMap::parse(value)),
            "ssrc-group" => push(&mut self.source_groups, SourceGroup::parse(value)),
            "rid" => push(&mut self.rids, Rid::parse(value)),
            "candidate" => push(&mut self.candidates, Candidate::parse(value)),
            "fingerprint" => push(&mut self.fingerprints, Fingerprint::parse(value)),
            "crypto" => push(&mut self.cryptos, Crypto::parse(value)),
            "ssrc" => filed(rtp::add_source(&mut self.sources, value)),
            _ => match Direction::parse(name) {
                Some(direction) => set(&mut self.direction, Some(direction)),
                None => Filed::Unknown,
            },
        }
    }
}

#[derive(PartialEq)]
enum Filed {
    Typed,
    Unknown,
    Unreadable,
}

fn filed(done: Option<()>) -> Filed {
    if done.is_some() { Filed::Typed } else { Filed::Unreadable }
}

fn flag(place: &mut bool) -> Filed {
    *place = true;
    Filed::Typed
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> Filed {
    filed(value.map(|value| *place = Some(value)))
}

fn push<T>(list: &mut Vec<T>, value: Option<T>) -> Filed {
    filed(value.map(|value| list.push(value)))
}

fn milliseconds(value: &str) -> Option<f64> {
    value.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0)
}

fn group(value: &str) -> Option<Group> {
    let mut words = Words::new(value);
    Some(Group { semantics: words.word()?.to_owned(), mids: words.list() })
}

fn rtcp_port(value: &str) -> Option<RtcpPort> {
    let mut words = Words::new(value);
    Some(RtcpPort { port: words.number()?, connection: Connection::from_words(&mut words) })
}
