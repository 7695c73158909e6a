//! Session descriptions (SDP, RFC 8866) as phones, browsers and servers send them.
//!
//! In: the bytes of one description, from a SIP, RTSP or HTTP body, a WebSocket message or a file; or a message that
//! carries one somewhere inside ([`find_sdp`], [`find_candidates`]). Out: an owned, typed [`SessionDescription`], and
//! beside it the verdict of a strict reader ([`strict()`]). Owned, because descriptions are rare and are kept for as
//! long as their session lives, long after the packet is gone.
//! Never: a refusal of the whole for the sake of a part. What cannot be read stays as text, and
//! [`SessionDescription::error`] says where the first such place is.
#![forbid(unsafe_code)]

mod attribute;
mod candidate;
mod find;
mod ice_security;
mod lines;
mod media;
mod rtp;
mod simulcast;
mod strict;

#[cfg(test)]
mod samples;

pub use attribute::{Attribute, Attributes, Direction, Group, Msid, RtcpPort};
pub use candidate::{Address, Candidate, CandidateKind, CandidateTransport, TcpType};
pub use find::{FoundSdp, TrickledCandidate, find_candidates, find_sdp, looks_like_sdp, said_to_be_offer};
pub use ice_security::{Crypto, Fingerprint, IceCredentials, KeyParameter, Setup};
pub use media::{Media, MediaKind, TransportProtocol};
pub use rtp::{ExtMap, Fmtp, RtcpFeedback, RtpMap, SourceGroup, SourceInfo};
pub use simulcast::{Rid, RidDirection, Simulcast, SimulcastLayer};
pub use strict::strict;

use crate::bytes::ParseError;
use lines::{Line, Lines, Words};

/// Bytes of one description that are read; the rest is left out and reported. The largest conference offers seen
/// have some 300 KB.
const MAX_BYTES: usize = 1 << 20;
/// Lines of one description that are read.
const MAX_LINES: usize = 32_768;
/// Media descriptions of one description that are read.
const MAX_MEDIA: usize = 1024;

/// `o=` (RFC 8866, section 5.2). User names with blanks in them are kept whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// User name, `-` where there is none.
    pub username: String,
    /// Session id, as text: it should be a number, and it is not always.
    pub session_id: String,
    /// Session version, as text.
    pub session_version: String,
    /// The address of the originating machine.
    pub connection: Connection,
}

/// `c=` (RFC 8866, section 5.7), also the tail of `o=` and of `a=rtcp:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// Network type, `IN`.
    pub net_type: String,
    /// Address type, `IP4` or `IP6`.
    pub addr_type: String,
    /// The address without TTL and count.
    pub address: Address,
    /// Multicast time to live, IPv4 only.
    pub ttl: Option<u8>,
    /// Number of contiguous multicast addresses.
    pub count: Option<u32>,
}

/// A line that has no typed place: `i=`, `u=`, `e=`, `p=`, `b=`, `t=`, `r=`, `z=`, `k=`, letters that no RFC knows,
/// and lines that are no `x=` at all.
#[derive(Clone, Debug, PartialEq)]
pub struct TextLine {
    /// The letter before `=`, in lower case; `None` where the line has not that form.
    pub letter: Option<char>,
    /// What stands behind `=`, or the whole line.
    pub text: String,
}

/// One session description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionDescription {
    /// `v=`.
    pub version: Option<u32>,
    /// `o=`.
    pub origin: Option<Origin>,
    /// `s=`, `-` or a blank where the session has no name.
    pub session_name: Option<String>,
    /// `c=` lines of the session level.
    pub connections: Vec<Connection>,
    /// Other lines of the session level, in order.
    pub other_lines: Vec<TextLine>,
    /// `a=` lines of the session level.
    pub attributes: Attributes,
    /// `m=` sections in order.
    pub media: Vec<Media>,
    /// The first place that could not be read.
    pub error: Option<ParseError>,
}

impl SessionDescription {
    /// Reads a description. Never fails: garbage gives an empty one with an error.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut session = Self::default();
        let text = bytes.get(..MAX_BYTES).unwrap_or(bytes);
        for (count, line) in Lines::new(text).enumerate() {
            if count >= MAX_LINES || (line.letter == Some('m') && session.media.len() >= MAX_MEDIA) {
                session.note(line.offset, "more lines than are read");
                return session;
            }
            if let Err(reason) = session.line(&line) {
                session.note(line.offset, reason);
            }
        }
        if session.version.is_none() {
            session.note(0, "no v= line");
        }
        if bytes.len() > MAX_BYTES {
            session.note(MAX_BYTES, "more bytes than are read");
        }
        session
    }

    fn note(&mut self, offset: usize, reason: &'static str) {
        self.error.get_or_insert(ParseError::invalid("sdp", offset, reason));
    }

    /// Files one line. On `Err` the line is kept as text all the same.
    fn line(&mut self, line: &Line<'_>) -> Result<(), &'static str> {
        let value = line.value.as_ref();
        let (connections, other_lines, attributes) = match self.media.last_mut() {
            Some(media) => (&mut media.connections, &mut media.other_lines, &mut media.attributes),
            None => (&mut self.connections, &mut self.other_lines, &mut self.attributes),
        };
        let outcome = match line.letter {
            Some('m') => {
                let (media, outcome) = Media::from_line(value);
                self.media.push(media);
                return outcome;
            }
            Some('a') => return attributes.read(value),
            Some('c') => Connection::from_words(&mut Words::new(value))
                .map(|connection| connections.push(connection))
                .ok_or("c= without an address"),
            Some('v') if self.version.is_none() => {
                value.trim().parse().map(|version| self.version = Some(version)).map_err(|_| "v= is no number")
            }
            Some('o') if self.origin.is_none() => {
                Origin::from_value(value).map(|origin| self.origin = Some(origin)).ok_or("o= with too few fields")
            }
            Some('s') if self.session_name.is_none() => {
                self.session_name = Some(value.to_owned());
                return Ok(());
            }
            Some('v' | 'o' | 's') => Err("a line that may stand once stands twice"),
            None => Err("not a letter and an equals sign"),
            Some(_) => {
                other_lines.push(TextLine { letter: line.letter, text: value.to_owned() });
                return Ok(());
            }
        };
        if outcome.is_err() {
            other_lines.push(TextLine { letter: line.letter, text: value.to_owned() });
        }
        outcome
    }

    /// The `c=` that holds for a section: its own first, else the session's.
    pub fn connection<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or(self.connections.first())
    }

    /// The direction that holds for a section; `sendrecv` where none is said (RFC 8866, section 6.7).
    pub fn direction(&self, media: &Media) -> Direction {
        media.attributes.direction.or(self.attributes.direction).unwrap_or(Direction::SendRecv)
    }

    /// ICE credentials that hold for a section, where both halves are there (RFC 8839, section 5.4).
    pub fn ice_credentials<'a>(&'a self, media: &'a Media) -> Option<IceCredentials<'a>> {
        let ufrag = media.attributes.ice_ufrag.as_deref().or(self.attributes.ice_ufrag.as_deref())?;
        let pwd = media.attributes.ice_pwd.as_deref().or(self.attributes.ice_pwd.as_deref())?;
        Some(IceCredentials { ufrag, pwd })
    }

    /// The fingerprints that hold for a section (RFC 8122, section 5).
    pub fn fingerprints<'a>(&'a self, media: &'a Media) -> &'a [Fingerprint] {
        let own = &media.attributes.fingerprints;
        if own.is_empty() { &self.attributes.fingerprints } else { own }
    }

    /// The DTLS role that holds for a section (RFC 4145, section 4; RFC 8842, section 5.2).
    pub fn setup(&self, media: &Media) -> Option<Setup> {
        media.attributes.setup.or(self.attributes.setup)
    }

    /// Address and port where the section wants its RTCP: `a=rtcp` (RFC 3605), else the media port with
    /// `a=rtcp-mux` (RFC 5761, section 5.1.1), else the port above it (RFC 3550, section 11).
    pub fn rtcp_destination<'a>(&'a self, media: &'a Media) -> Option<(&'a Address, u16)> {
        let own = self.connection(media).map(|connection| &connection.address);
        if media.attributes.rtcp_mux {
            return Some((own?, media.port?));
        }
        match &media.attributes.rtcp {
            Some(rtcp) => Some((rtcp.connection.as_ref().map(|connection| &connection.address).or(own)?, rtcp.port)),
            None => Some((own?, media.port.filter(|port| *port != 0)?.checked_add(1)?)),
        }
    }

    /// The section with this `a=mid`.
    pub fn media_by_mid(&self, mid: &str) -> Option<&Media> {
        self.media.iter().find(|media| media.attributes.mid.as_deref() == Some(mid))
    }
}

impl Origin {
    fn from_value(value: &str) -> Option<Self> {
        // Five fields stand behind the user name; counting from the end lets a user name have blanks.
        let words: Vec<&str> = value.split_ascii_whitespace().rev().take(lines::MAX_WORDS).collect();
        let [address, addr_type, net_type, session_version, session_id, username @ ..] = words.as_slice() else {
            return None;
        };
        let username = username.iter().rev().copied().collect::<Vec<_>>().join(" ");
        let connection = Connection::from_words(&mut Words::new(&format!("{net_type} {addr_type} {address}")))?;
        Some(Self {
            username,
            session_id: (*session_id).to_owned(),
            session_version: (*session_version).to_owned(),
            connection,
        })
    }
}

impl Connection {
    fn from_words(words: &mut Words<'_>) -> Option<Self> {
        let (net_type, addr_type) = (words.word()?, words.word()?);
        let mut parts = words.word()?.split('/');
        let address = Address::parse(parts.next()?);
        let is_v6 = addr_type.eq_ignore_ascii_case("IP6");
        // IPv6 has no TTL: what follows the slash is the count (RFC 8866, section 5.7).
        let ttl = if is_v6 { None } else { parts.next().and_then(|ttl| ttl.parse().ok()) };
        let count = parts.next().and_then(|count| count.parse().ok());
        Some(Self { net_type: net_type.to_owned(), addr_type: addr_type.to_owned(), address, ttl, count })
    }
}

#[cfg(test)]
mod tests;
