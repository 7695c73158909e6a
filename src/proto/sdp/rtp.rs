//! Attributes that explain RTP: payload types, feedback, header extensions, SSRCs.
//!
//! In: the values of `a=rtpmap`, `fmtp`, `rtcp-fb`, `extmap`, `ssrc`, `ssrc-group`. Out: their parts.
//! Never: knowledge of a codec; parameters stay as text.

use super::attribute::{Attribute, Direction, Msid};
use super::lines::{Words, non_empty};

/// SSRCs of one section that are gathered; further ones stay as text.
const MAX_SOURCES: usize = 1024;

/// `a=rtpmap` (RFC 8866, section 6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Payload type.
    pub payload_type: u8,
    /// Encoding name, as written.
    pub encoding: String,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Channels; `None` where nothing is said, which means one.
    pub channels: Option<u8>,
}

impl RtpMap {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let payload_type = words.number()?;
        let mut parts = words.rest().split('/').map(str::trim_ascii);
        let encoding = non_empty(parts.next()?)?;
        let clock_rate = parts.next()?.parse().ok()?;
        Some(Self { payload_type, encoding, clock_rate, channels: parts.next().and_then(|count| count.parse().ok()) })
    }
}

/// `a=fmtp` (RFC 8866, section 6.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// A format of the `m=` line, in RTP a payload type.
    pub format: String,
    /// The parameters, as written.
    pub parameters: String,
}

impl Fmtp {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        Some(Self { format: words.word()?.to_owned(), parameters: words.rest().to_owned() })
    }

    /// The value of a `name=value` parameter, names compared without case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim_ascii().eq_ignore_ascii_case(name).then(|| value.trim_ascii())
        })
    }

    /// The payload type that this one retransmits (RFC 4588, section 8.1).
    pub fn apt(&self) -> Option<u8> {
        self.parameter("apt")?.parse().ok()
    }
}

/// `a=rtcp-fb` (RFC 4585, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFeedback {
    /// Payload type; `None` for `*`, all of them.
    pub payload_type: Option<u8>,
    /// `nack`, `ccm`, `transport-cc`, …
    pub kind: String,
    /// `pli`, `fir`, …
    pub parameter: Option<String>,
}

impl RtcpFeedback {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let payload_type = match words.word()? {
            "*" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self { payload_type, kind: words.word()?.to_owned(), parameter: non_empty(words.rest()) })
    }
}

/// `a=extmap` (RFC 8285, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtMap {
    /// Id on the wire; above 255 only while an offer has more extensions than ids.
    pub id: u16,
    /// Direction, where it is not that of the section.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: String,
    /// What stands behind the URI.
    pub attributes: Option<String>,
}

impl ExtMap {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let (id, direction) = match words.word()?.split_once('/') {
            Some((id, direction)) => (id, Direction::parse(direction)),
            None => (Words::new(value).word()?, None),
        };
        Some(Self {
            id: id.parse().ok()?,
            direction,
            uri: words.word()?.to_owned(),
            attributes: non_empty(words.rest()),
        })
    }
}

/// All `a=ssrc` lines of one SSRC (RFC 5576, section 4.1).
#[derive(Clone, Debug, PartialEq)]
pub struct SourceInfo {
    /// The SSRC.
    pub ssrc: u32,
    /// `cname`, as in RTCP SDES.
    pub cname: Option<String>,
    /// `msid`.
    pub msid: Option<Msid>,
    /// `mslabel`, `label`, `fmtp` and what else there is.
    pub other: Vec<Attribute>,
}

/// Files an `a=ssrc` value under its SSRC. `None` where it cannot be read or there is no room.
pub(super) fn add_source(sources: &mut Vec<SourceInfo>, value: &str) -> Option<()> {
    let mut words = Words::new(value);
    let ssrc: u32 = words.number()?;
    // The lines of one SSRC follow each other, so the search from the end is short.
    let index = match sources.iter().rposition(|source| source.ssrc == ssrc) {
        Some(index) => index,
        None if sources.len() >= MAX_SOURCES => return None,
        None => {
            sources.push(SourceInfo { ssrc, cname: None, msid: None, other: Vec::new() });
            sources.len() - 1
        }
    };
    let source = sources.get_mut(index)?;
    let (name, value) = match words.rest().split_once(':') {
        Some((name, value)) => (name.trim_ascii(), Some(value.trim_ascii())),
        None => (words.rest(), None),
    };
    match (name.to_ascii_lowercase().as_str(), value) {
        ("", None) => {}
        ("cname", Some(cname)) => source.cname = Some(cname.to_owned()),
        ("msid", Some(msid)) => source.msid = Msid::parse(msid),
        _ => source.other.push(Attribute { name: name.to_owned(), value: value.map(str::to_owned) }),
    }
    Some(())
}

/// `a=ssrc-group` (RFC 5576, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceGroup {
    /// `FID` (media and its retransmission), `SIM`, `FEC-FR`, …, as written.
    pub semantics: String,
    /// The SSRCs in order.
    pub ssrcs: Vec<u32>,
}

impl SourceGroup {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let semantics = words.word()?.to_owned();
        let ssrcs = words.take(super::lines::MAX_WORDS).map(|word| word.parse().ok()).collect::<Option<Vec<u32>>>()?;
        Some(Self { semantics, ssrcs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtpmap_has_name_clock_and_channels() {
        let opus = RtpMap::parse("111 opus/48000/2").unwrap();
        assert_eq!((opus.payload_type, opus.encoding.as_str()), (111, "opus"));
        assert_eq!((opus.clock_rate, opus.channels), (48000, Some(2)));
        assert_eq!(RtpMap::parse("0 PCMU/8000").unwrap().channels, None);
        for bad in ["", "96", "96 VP8", "300 VP8/90000", "96 VP8/fast", "x opus/48000"] {
            assert_eq!(RtpMap::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn apt_and_parameters_are_found_with_blanks_around_them() {
        let rtx = Fmtp::parse("97 rtx-time=3000; APT=96").unwrap();
        assert_eq!((rtx.apt(), rtx.parameter("rtx-time")), (Some(96), Some("3000")));
        let events = Fmtp::parse("101 0-16,66").unwrap();
        assert_eq!((events.parameters.as_str(), events.apt()), ("0-16,66", None));
    }

    #[test]
    fn extension_maps_have_an_optional_direction() {
        let plain = ExtMap::parse("3 urn:ietf:params:rtp-hdrext:sdes:mid").unwrap();
        assert_eq!((plain.id, plain.direction), (3, None));
        let sided = ExtMap::parse("4/recvonly urn:x short fast").unwrap();
        assert_eq!((sided.id, sided.direction), (4, Some(Direction::RecvOnly)));
        assert_eq!(sided.attributes.as_deref(), Some("short fast"));
        assert_eq!(ExtMap::parse("urn:x"), None);
    }

    #[test]
    fn lines_of_one_ssrc_are_gathered() {
        let mut sources = Vec::new();
        for line in ["7 cname:Ab/c+=", "7 msid:stream track", "8 cname:z", "7 mslabel:stream", "9"] {
            assert_eq!(add_source(&mut sources, line), Some(()), "{line}");
        }
        assert_eq!(sources.iter().map(|source| source.ssrc).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(sources[0].cname.as_deref(), Some("Ab/c+="));
        let msid = Msid { stream: "stream".to_owned(), track: Some("track".to_owned()) };
        assert_eq!(sources[0].msid, Some(msid));
        assert_eq!(sources[0].other[0].name, "mslabel");
        assert_eq!(add_source(&mut sources, "4294967296 cname:x"), None);
    }

    #[test]
    fn more_ssrcs_than_there_is_room_for_are_refused() {
        let mut sources = Vec::new();
        let taken = (0..2 * MAX_SOURCES).filter(|ssrc| add_source(&mut sources, &format!("{ssrc} cname:x")).is_some());
        assert_eq!(taken.count(), MAX_SOURCES);
    }

    #[test]
    fn groups_and_feedback_are_read() {
        let group = SourceGroup::parse("FID 1 4294967295").unwrap();
        assert_eq!((group.semantics.as_str(), group.ssrcs.as_slice()), ("FID", &[1, u32::MAX][..]));
        assert_eq!(SourceGroup::parse("FID 1 two"), None);
        let all = RtcpFeedback::parse("* ccm fir").unwrap();
        assert_eq!((all.payload_type, all.kind.as_str(), all.parameter.as_deref()), (None, "ccm", Some("fir")));
        assert_eq!(RtcpFeedback::parse("96 goog-remb").unwrap().parameter, None);
        assert_eq!(RtcpFeedback::parse("nack"), None);
    }
}
