//! What an offer and its answer agreed on (RFC 3264; browsers: RFC 8829).
//!
//! In: two descriptions. Out: [`Negotiated`] for each section. Never: what was sent; that is for who has seen it.

use crate::proto::rtp::payload_type::static_payload_type;
use crate::proto::sdp::{Direction, Media, RidDirection, SessionDescription, TransportProtocol};

/// Codecs, header extensions and layers of a section that are kept.
const MAX_CODECS: usize = 64;
const MAX_EXTENSIONS: usize = 64;
const MAX_LAYERS: usize = 16;

/// One section as both sides left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Its identification tag (RFC 5888).
    pub mid: Option<String>,
    /// `audio`, `video`, …
    pub kind: String,
    /// The answer's transport protocol.
    pub protocol: String,
    /// False where the answer, or already the offer, has port 0.
    pub accepted: bool,
    /// Whether the side that offered sends, and whether the one that answered does: both descriptions allow it.
    pub sends: [bool; 2],
    /// What both can, most wanted first by the answer.
    pub codecs: Vec<NegotiatedCodec>,
    /// The tag of the section whose transport it shares (RFC 9143).
    pub bundled_with: Option<String>,
    /// RTCP on the port of the media (RFC 5761).
    pub rtcp_mux: bool,
    /// Header extensions by id (RFC 8285).
    pub extensions: Vec<(u16, String)>,
    /// Layers of simulcast that the offering side, and the answering side, sends (RFC 8853).
    pub layers: [Vec<String>; 2],
    /// How media is secured.
    pub security: Security,
}

/// A codec that both sides named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// Encoding name, as the answer writes it.
    pub encoding: String,
    /// Hertz.
    pub clock_rate: u32,
    /// The payload types under which the offering side, and the answering side, wants to receive it.
    pub payload_types: [u8; 2],
}

/// Where the keys of the media come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// Nowhere.
    None,
    /// From a handshake on the media path (RFC 5764).
    Dtls,
    /// From the signalling (RFC 4568).
    Sdes,
}

impl Security {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dtls => "dtls",
            Self::Sdes => "sdes",
        }
    }
}

impl Negotiated {
    /// Its packets are RTP, so that a capture shows whether they came.
    pub fn is_rtp(&self) -> bool {
        TransportProtocol::of(&self.protocol).is_rtp()
    }

    /// It runs inside DTLS or TLS.
    pub fn is_dtls(&self) -> bool {
        TransportProtocol::of(&self.protocol).is_dtls()
    }

    /// The same where the parts of offering and answering side have changed.
    pub fn from_the_other_side(mut self) -> Self {
        self.sends.reverse();
        self.layers.reverse();
        self.codecs.iter_mut().for_each(|codec| codec.payload_types.reverse());
        self
    }
}

/// The sections of an offer and its answer, which has the same number of them (RFC 3264, section 6).
pub fn negotiate(offer: &SessionDescription, answer: &SessionDescription) -> Vec<Negotiated> {
    offer.media.iter().zip(&answer.media).map(|(own, theirs)| section(offer, own, answer, theirs)).collect()
}

fn section(offer: &SessionDescription, own: &Media, answer: &SessionDescription, theirs: &Media) -> Negotiated {
    let accepted = !own.is_rejected() && theirs.port != Some(0);
    let (ours, other) = (offer.direction(own), answer.direction(theirs));
    let can_send = |direction| matches!(direction, Direction::SendRecv | Direction::SendOnly);
    let can_receive = |direction| matches!(direction, Direction::SendRecv | Direction::RecvOnly);
    let sends = [
        accepted && can_send(ours) && can_receive(other) && !is_muted(answer, theirs),
        accepted && can_send(other) && can_receive(ours) && !is_muted(offer, own),
    ];
    let mid = theirs.attributes.mid.clone().or_else(|| own.attributes.mid.clone());
    let bundled_with = mid.as_deref().and_then(|mid| {
        let groups = &answer.attributes.groups;
        let group = groups.iter().find(|group| {
            group.semantics.eq_ignore_ascii_case("BUNDLE") && group.mids.iter().any(|member| member == mid)
        })?;
        group.mids.first().filter(|first| *first != mid).cloned()
    });
    let extensions = theirs
        .attributes
        .extmaps
        .iter()
        .filter(|extension| own.attributes.extmaps.iter().any(|offered| offered.uri == extension.uri));
    let has_fingerprint = !offer.fingerprints(own).is_empty() && !answer.fingerprints(theirs).is_empty();
    let has_crypto = !own.attributes.cryptos.is_empty() && !theirs.attributes.cryptos.is_empty();
    Negotiated {
        kind: own.kind.as_str().to_owned(),
        protocol: theirs.protocol.as_str().to_owned(),
        accepted,
        sends,
        codecs: if accepted { codecs(own, theirs) } else { Vec::new() },
        bundled_with,
        rtcp_mux: own.attributes.rtcp_mux && theirs.attributes.rtcp_mux,
        extensions: extensions.take(MAX_EXTENSIONS).map(|known| (known.id, known.uri.clone())).collect(),
        layers: [layers(own, theirs), layers(theirs, own)],
        security: match (has_fingerprint, has_crypto) {
            (true, _) => Security::Dtls,
            (false, true) => Security::Sdes,
            (false, false) => Security::None,
        },
        mid,
    }
}

/// The old way to hold a call: an address that nobody can send to (RFC 3264, section 8.4). With ICE it means nothing.
fn is_muted(description: &SessionDescription, media: &Media) -> bool {
    let is_nowhere = description.connection(media).is_some_and(|connection| connection.address.is_unspecified());
    is_nowhere && description.ice_credentials(media).is_none()
}

fn codecs(own: &Media, theirs: &Media) -> Vec<NegotiatedCodec> {
    let offered: Vec<Codec<'_>> = own.payload_types().filter_map(|number| Codec::of(own, number)).collect();
    let answered = theirs.payload_types().filter_map(|number| Codec::of(theirs, number));
    answered
        .filter_map(|codec| {
            let alike = || offered.iter().filter(|known| known.is_like(&codec));
            let known = alike()
                .find(|known| known.number == codec.number)
                .or_else(|| alike().find(|known| known.parameters == codec.parameters))
                .or_else(|| alike().next())?;
            Some(NegotiatedCodec {
                encoding: codec.encoding.to_owned(),
                clock_rate: codec.clock_rate,
                payload_types: [known.number, codec.number],
            })
        })
        .take(MAX_CODECS)
        .collect()
}

struct Codec<'a> {
    number: u8,
    encoding: &'a str,
    clock_rate: u32,
    parameters: Option<&'a str>,
}

impl<'a> Codec<'a> {
    fn of(media: &'a Media, number: u8) -> Option<Self> {
        let parameters = media.fmtp(number).map(|fmtp| fmtp.parameters.as_str());
        let (encoding, clock_rate) = match media.rtpmap(number) {
            Some(map) => (map.encoding.as_str(), map.clock_rate),
            None => static_payload_type(number).map(|row| (row.encoding, row.clock_rate))?,
        };
        Some(Self { number, encoding, clock_rate, parameters })
    }

    fn is_like(&self, other: &Codec<'_>) -> bool {
        self.encoding.eq_ignore_ascii_case(other.encoding) && self.clock_rate == other.clock_rate
    }
}

/// The layers that `sender` offers to send and `receiver` to receive.
fn layers(sender: &Media, receiver: &Media) -> Vec<String> {
    let of = |media: &Media, direction: RidDirection| -> Vec<String> {
        let rids = media.attributes.rids.iter().filter(|rid| rid.direction == direction);
        rids.take(MAX_LAYERS).map(|rid| rid.id.clone()).collect()
    };
    let received = of(receiver, RidDirection::Receive);
    of(sender, RidDirection::Send).into_iter().filter(|rid| received.contains(rid)).collect()
}

/// What another round of offer and answer changed, in words; sections by their tag, else by number from 1. The sides
/// have the same parts in both.
pub fn changes(before: &[Negotiated], after: &[Negotiated]) -> Vec<String> {
    let mut said = Vec::new();
    for (at, new) in after.iter().enumerate() {
        let name =
            new.mid.as_ref().map_or_else(|| format!("{} {}", new.kind, at + 1), |mid| format!("{} {mid}", new.kind));
        let Some(old) = before.get(at) else {
            said.push(format!("{name} added"));
            continue;
        };
        match (old.accepted, new.accepted) {
            (false, true) => said.push(format!("{name} on again")),
            (true, false) => {
                said.push(format!("{name} off"));
                continue;
            }
            _ => {}
        }
        if old.sends != new.sends {
            said.push(format!("{name} {} → {}", direction(old.sends), direction(new.sends)));
        }
        let names = |codecs: &[NegotiatedCodec]| codecs.iter().map(|codec| codec.encoding.clone()).collect::<Vec<_>>();
        if old.accepted && new.accepted && names(&old.codecs) != names(&new.codecs) {
            said.push(format!("{name} codecs {} → {}", list(&names(&old.codecs)), list(&names(&new.codecs))));
        }
        if old.security != new.security {
            said.push(format!("{name} keys {} → {}", old.security.name(), new.security.name()));
        }
    }
    said
}

/// As the offering side sees it.
pub const fn direction(sends: [bool; 2]) -> &'static str {
    match sends {
        [true, true] => "sendrecv",
        [true, false] => "sendonly",
        [false, true] => "recvonly",
        [false, false] => "inactive",
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(sections: &str) -> SessionDescription {
        SessionDescription::parse(
            format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\n{sections}").as_bytes(),
        )
    }

    fn one(offer: &str, answer: &str) -> Negotiated {
        negotiate(&describe(offer), &describe(answer)).remove(0)
    }

    fn names(media: &Negotiated) -> Vec<String> {
        media.codecs.iter().map(|codec| format!("{} {:?}", codec.encoding, codec.payload_types)).collect()
    }

    #[test]
    fn the_codecs_are_those_of_the_answer_that_the_offer_has() {
        let media = one(
            "m=audio 4000 RTP/AVP 0 8 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n",
            "m=audio 5000 RTP/AVP 111 0 18 101\r\na=rtpmap:111 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        assert_eq!(names(&media), ["OPUS [96, 111]", "PCMU [0, 0]", "telephone-event [97, 101]"]);
        assert_eq!((media.accepted, media.sends, media.security), (true, [true, true], Security::None));
    }

    #[test]
    fn of_several_formats_of_a_codec_the_one_of_the_same_number_or_parameters_is_meant() {
        let formats = |numbers: [u8; 2]| {
            let [one, zero] = numbers;
            format!(
                "m=video 4000 RTP/AVP {one} {zero}\r\na=rtpmap:{one} H264/90000\r\na=rtpmap:{zero} H264/90000\r\n\
                 a=fmtp:{one} packetization-mode=1\r\na=fmtp:{zero} packetization-mode=0\r\n"
            )
        };
        assert_eq!(names(&one(&formats([96, 97]), &formats([96, 97]))), ["H264 [96, 96]", "H264 [97, 97]"]);
        assert_eq!(names(&one(&formats([96, 97]), &formats([100, 101]))), ["H264 [96, 100]", "H264 [97, 101]"]);
    }

    #[test]
    fn a_side_sends_where_both_descriptions_let_it() {
        let section = |direction: &str| format!("m=audio 4000 RTP/AVP 0\r\na={direction}\r\n");
        for (offer, answer, sends) in [
            ("sendrecv", "sendrecv", [true, true]),
            ("sendonly", "recvonly", [true, false]),
            ("sendrecv", "recvonly", [true, false]),
            ("sendonly", "sendonly", [false, false]),
            ("recvonly", "sendrecv", [false, true]),
            ("sendrecv", "inactive", [false, false]),
        ] {
            assert_eq!(one(&section(offer), &section(answer)).sends, sends, "{offer} {answer}");
        }
    }

    #[test]
    fn a_hold_may_be_an_address_that_nobody_can_send_to() {
        let media = one("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", "m=audio 5000 RTP/AVP 0\r\n");
        assert_eq!(media.sends, [true, false]);
        let ice = "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:x\r\na=ice-pwd:0123456789012345678901\r\n";
        assert_eq!(one(ice, ice).sends, [true, true]);
    }

    #[test]
    fn a_section_with_port_0_is_off_and_a_bundled_one_is_not() {
        let on = "m=audio 4000 RTP/AVP 0\r\n";
        let off = "m=audio 0 RTP/AVP 0\r\n";
        for (offer, answer) in [(on, off), (off, off)] {
            let media = one(offer, answer);
            assert_eq!((media.accepted, media.sends, media.codecs.len()), (false, [false, false], 0));
        }
        assert!(one("m=audio 0 RTP/AVP 0\r\na=bundle-only\r\n", "m=audio 9 RTP/AVP 0\r\n").accepted);
    }

    #[test]
    fn bundle_mux_extensions_and_layers_are_what_both_said() {
        let offer = "a=group:BUNDLE a v\r\nm=audio 9 RTP/AVP 0\r\na=mid:a\r\na=rtcp-mux\r\nm=video 9 RTP/AVP 96\r\n\
                     a=mid:v\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=extmap:3 urn:x\r\na=extmap:4 urn:y\r\n\
                     a=rid:h send\r\na=rid:f send\r\na=rid:q send\r\na=simulcast:send h;f;q\r\n";
        let answer = "a=group:BUNDLE a v\r\nm=audio 9 RTP/AVP 0\r\na=mid:a\r\na=rtcp-mux\r\nm=video 9 RTP/AVP 96\r\n\
                      a=mid:v\r\na=rtpmap:96 VP8/90000\r\na=extmap:3 urn:x\r\na=rid:h recv\r\na=rid:q recv\r\n";
        let all = negotiate(&describe(offer), &describe(answer));
        assert_eq!((all[0].bundled_with.as_deref(), all[1].bundled_with.as_deref()), (None, Some("a")));
        assert_eq!((all[0].rtcp_mux, all[1].rtcp_mux), (true, false));
        assert_eq!(all[1].extensions, [(3, "urn:x".to_owned())]);
        assert_eq!(all[1].layers, [vec!["h".to_owned(), "q".to_owned()], vec![]]);
    }

    #[test]
    fn a_round_says_what_it_changed() {
        let call = |codecs: &str, offer: &str, answer: &str| {
            let section = |direction: &str| format!("m=audio 4000 RTP/AVP {codecs}\r\na={direction}\r\n");
            negotiate(&describe(&section(offer)), &describe(&section(answer)))
        };
        let (on, held) = (call("0 8", "sendrecv", "sendrecv"), call("0 8", "sendonly", "recvonly"));
        assert_eq!(changes(&on, &held), ["audio 1 sendrecv → sendonly"]);
        let theirs: Vec<Negotiated> = held.into_iter().map(Negotiated::from_the_other_side).collect();
        assert_eq!(changes(&on, &theirs), ["audio 1 sendrecv → recvonly"]);
        assert_eq!(changes(&on, &on), Vec::<String>::new());
        let narrow = call("8", "sendrecv", "sendrecv");
        assert_eq!(changes(&on, &narrow), ["audio 1 codecs PCMU PCMA → PCMA"]);
        assert_eq!(changes(&[], &on), ["audio 1 added"]);
        let off = negotiate(&describe("m=audio 4000 RTP/AVP 0\r\n"), &describe("m=audio 0 RTP/AVP 0\r\n"));
        assert_eq!(changes(&on, &off), ["audio 1 off"]);
        assert_eq!(changes(&off, &narrow), ["audio 1 on again", "audio 1 inactive → sendrecv"]);
    }
}
