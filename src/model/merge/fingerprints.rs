//! Whether the certificates of a handshake are those that the signalling announced (RFC 8122, section 5), and its roles
//! those of `a=setup` (RFC 8842, section 5).
//!
//! In: all descriptions, and a handshake. Out: a [`FingerprintCheck`], a [`SetupCheck`]. Never: a mismatch while some
//! description may be missing, or a verdict over a hash that is not computed here: of a certificate SHA-256 is known.

use super::super::dtls::{self, HandshakeSummary};
use super::super::flow::Direction;
use super::super::signalling::Signalling;
use super::super::snapshot::{FingerprintCheck, SetupCheck};
use super::{Merge, Place};
use crate::net::Endpoint;
use crate::proto::sdp::{Media, SessionDescription, Setup};
use std::collections::{HashMap, HashSet};

/// The hash of which every certificate's fingerprint is known (RFC 8122, section 5: all have to know it).
const SHA_256: &str = "sha-256";

/// Fingerprints of a section that are read: an honest one has one for each hash and certificate.
const MAX_FINGERPRINTS: usize = 16;

/// What was ever announced for one side: a later description does not undo a handshake.
#[derive(Clone, Default)]
struct Side<'a> {
    has_fingerprint: bool,
    /// Those by SHA-256, none where all were by other functions.
    digests: HashSet<&'a [u8], ahash::RandomState>,
    /// It named a role, and was to be the client, or the server.
    has_setup: bool,
    is_client: bool,
    is_server: bool,
}

/// The fingerprints of all descriptions.
pub(super) struct Announced<'a> {
    by_address: HashMap<Endpoint, Side<'a>, ahash::RandomState>,
    by_fragment: HashMap<&'a str, Side<'a>, ahash::RandomState>,
    is_whole: bool,
}

impl<'a> Announced<'a> {
    pub(super) fn of(signalling: &'a Signalling) -> Self {
        let is_whole = signalling.dropped_sessions == 0 && signalling.dropped_descriptions == 0;
        let mut announced = Self { by_address: HashMap::default(), by_fragment: HashMap::default(), is_whole };
        for session in signalling.sessions() {
            for described in &session.descriptions {
                for media in &described.sdp.media {
                    announced.add(&described.sdp, media);
                }
            }
        }
        announced
    }

    fn add(&mut self, description: &'a SessionDescription, media: &'a Media) {
        let fingerprints = description.fingerprints(media);
        let setup = description.setup(media);
        if fingerprints.is_empty() && setup.is_none() {
            return;
        }
        let tell = |side: &mut Side<'a>| {
            side.has_fingerprint |= !fingerprints.is_empty();
            let read = fingerprints.iter().take(MAX_FINGERPRINTS);
            let known = read.filter(|fingerprint| fingerprint.hash == SHA_256);
            side.digests.extend(known.map(|fingerprint| fingerprint.digest.as_slice()));
            side.has_setup |= setup.is_some();
            side.is_client |= setup == Some(Setup::Active);
            side.is_server |= setup == Some(Setup::Passive);
        };
        for endpoint in addresses(description, media) {
            tell(self.by_address.entry(endpoint).or_default());
        }
        if let Some(credentials) = description.ice_credentials(media) {
            tell(self.by_fragment.entry(credentials.ufrag).or_default());
        }
    }
}

impl Side<'_> {
    fn check(&self, certificate: Option<&[u8]>) -> FingerprintCheck {
        match certificate {
            _ if !self.has_fingerprint => FingerprintCheck::NoSdp,
            Some(digest) if self.digests.contains(digest) => FingerprintCheck::Match,
            Some(_) if !self.digests.is_empty() => FingerprintCheck::Mismatch,
            _ => FingerprintCheck::Unknown,
        }
    }

    /// Whether it was to be the client; none where it left that open, or said both in the course of time.
    fn role(&self) -> Option<bool> {
        (self.is_client != self.is_server).then_some(self.is_client)
    }
}

/// Where a section may be reached: its own address, that of its RTCP, and its candidates. A port of 0 or 9 stands for
/// none.
fn addresses<'a>(description: &'a SessionDescription, media: &'a Media) -> impl Iterator<Item = Endpoint> + use<'a> {
    let own = description.connection(media).map(|connection| &connection.address).zip(media.port);
    let candidates = media.attributes.candidates.iter().map(|candidate| (&candidate.address, candidate.port));
    [own, description.rtcp_destination(media)]
        .into_iter()
        .flatten()
        .chain(candidates)
        .filter_map(|(address, port)| Some(Endpoint { addr: address.ip()?.into(), port }))
        .filter(|endpoint| !matches!(endpoint.port, 0 | 9))
}

impl<'a> Merge<'a> {
    /// What the certificates of a handshake are to the descriptions of the two sides that sent them. One side that
    /// does not match is enough for a mismatch, and else one that does for a match.
    pub(super) fn check_fingerprints(
        &self,
        announced: &Announced<'a>,
        place: Place,
        handshake: &HandshakeSummary,
    ) -> FingerprintCheck {
        let sides = [(Direction::Forward, dtls::Direction::AToB), (Direction::Backward, dtls::Direction::BToA)];
        let checks = sides.map(|(direction, from)| {
            let own = handshake.certificates.iter().find(|seen| seen.from == from && seen.position == 0);
            let digest = own.map(|certificate| certificate.info.fingerprint_sha256.0.as_slice());
            self.announced_by(announced, place, direction).map_or(FingerprintCheck::NoSdp, |side| side.check(digest))
        });
        let by_weight = [FingerprintCheck::Mismatch, FingerprintCheck::Match, FingerprintCheck::Unknown];
        match by_weight.into_iter().find(|check| checks.contains(check)) {
            Some(FingerprintCheck::Mismatch) if !announced.is_whole => FingerprintCheck::Unknown,
            Some(check) => check,
            None => FingerprintCheck::NoSdp,
        }
    }

    /// What the roles of a handshake are to those of the two sides that play them.
    pub(super) fn check_setup(
        &self,
        announced: &Announced<'a>,
        place: Place,
        handshake: &HandshakeSummary,
    ) -> SetupCheck {
        let sides = [(Direction::Forward, dtls::Direction::AToB), (Direction::Backward, dtls::Direction::BToA)];
        let of = |direction| self.announced_by(announced, place, direction).filter(|side| side.has_setup);
        let known = sides.map(|(direction, from)| of(direction).map(|side| (side.role(), from)));
        if known.iter().all(Option::is_none) {
            return SetupCheck::NoSdp;
        }
        // Where both sent a ClientHello, neither is it by role.
        let Some(client) = handshake.client.filter(|_| handshake.both_clients.is_none()) else {
            return SetupCheck::Unknown;
        };
        let plays = known.into_iter().flatten().filter_map(|(role, from)| Some(role? == (from == client)));
        match plays.reduce(|one, other| one && other) {
            Some(true) => SetupCheck::Match,
            Some(false) if announced.is_whole => SetupCheck::Mismatch,
            _ => SetupCheck::Unknown,
        }
    }

    /// The side that sends in a direction. Where connectivity checks name it, by its username fragment: addresses are
    /// used again, and a browser need not have named its own.
    fn announced_by<'s>(
        &self,
        announced: &'s Announced<'a>,
        place: Place,
        direction: Direction,
    ) -> Option<&'s Side<'a>> {
        let details = self.flow(place).details.as_ref()?;
        match details.ice.fragment(direction) {
            Some(fragment) => announced.by_fragment.get(fragment),
            None => {
                let names = self.names(place, direction).into_iter().flatten();
                names.filter_map(|endpoint| announced.by_address.get(&endpoint)).next()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::snapshot::HandshakeRow;
    use super::super::super::stage::{Stage, stun};
    use super::*;
    use crate::proto::stun::{AttributeType, Class, Method, Value};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    const WRONG: &str =
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

    fn only(stage: &mut Stage) -> HandshakeRow {
        let rows = stage.snapshot().handshakes;
        assert_eq!(rows.len(), 1);
        rows[0].clone()
    }

    /// The fingerprints of client and server.
    fn true_ones() -> [String; 2] {
        let row = only(Stage::new().handshake(0, A, B));
        [row.handshake.client, row.handshake.server()].map(|side| {
            let own = row.handshake.certificates.iter().find(|certificate| Some(certificate.from) == side);
            own.unwrap().info.fingerprint_sha256.to_string()
        })
    }

    fn description(host: &str, port: u16, session: &str, section: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{session}\
             m=audio {port} UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 opus/48000/2\r\n{section}"
        )
    }

    fn line(hash: &str, digest: &str) -> String {
        format!("a=fingerprint:{hash} {digest}\r\n")
    }

    /// The verdict over these descriptions, with a handshake from A to B.
    fn checked(descriptions: &[String]) -> FingerprintCheck {
        let mut stage = Stage::new();
        for text in descriptions {
            stage.analyzer.session_description("a.sdp", text.as_bytes());
        }
        only(stage.handshake(0, A, B)).sdp_fingerprint
    }

    #[test]
    fn certificates_match_at_the_level_of_the_session_and_of_the_section() {
        let [client, server] = true_ones();
        let of_client = description("10.0.0.1", 5000, &line("SHA-256", &client.to_lowercase()), "");
        let of_server = description("10.0.0.2", 6000, &line("sha-256", WRONG), &line("sha-256", &server));
        assert_eq!(checked(&[of_client.clone(), of_server]), FingerprintCheck::Match);
        assert_eq!(checked(&[of_client]), FingerprintCheck::Match, "the other side was not described");
    }

    #[test]
    fn one_wrong_side_is_a_mismatch() {
        let [client, server] = true_ones();
        let of_client = description("10.0.0.1", 5000, "", &line("sha-256", &client));
        let of_server = description("10.0.0.2", 6000, "", &line("sha-256", WRONG));
        assert_eq!(checked(&[of_client, of_server]), FingerprintCheck::Mismatch);
        let swapped = description("10.0.0.1", 5000, "", &line("sha-256", &server));
        assert_eq!(checked(&[swapped]), FingerprintCheck::Mismatch, "it is that of the other side");
    }

    #[test]
    fn one_of_several_fingerprints_is_enough() {
        let [client, _] = true_ones();
        let lines = line("sha-1", "00:01") + &line("sha-256", WRONG) + &line("sha-256", &client);
        assert_eq!(checked(&[description("10.0.0.1", 5000, "", &lines)]), FingerprintCheck::Match);
        let before = description("10.0.0.1", 5000, "", &line("sha-256", &client));
        let after = description("10.0.0.1", 5000, "", &line("sha-256", WRONG));
        assert_eq!(checked(&[before, after]), FingerprintCheck::Match, "a later description announces another one");
    }

    #[test]
    fn what_cannot_be_compared_is_unknown_and_what_was_not_announced_is_not_there() {
        for hash in ["sha-1", "sha-384", "sha-512"] {
            let only_other = description("10.0.0.1", 5000, "", &line(hash, WRONG));
            assert_eq!(checked(&[only_other]), FingerprintCheck::Unknown, "{hash}");
        }
        assert_eq!(checked(&[]), FingerprintCheck::NoSdp);
        assert_eq!(checked(&[description("10.0.0.1", 5000, "", "")]), FingerprintCheck::NoSdp);
        let elsewhere = description("10.0.0.1", 5008, "", &line("sha-256", WRONG));
        assert_eq!(checked(&[elsewhere]), FingerprintCheck::NoSdp);
    }

    #[test]
    fn the_port_of_rtcp_and_the_candidates_belong_to_the_section_too() {
        let [client, _] = true_ones();
        let above = description("10.0.0.1", 4999, "", &line("sha-256", &client));
        assert_eq!(checked(&[above]), FingerprintCheck::Match);
        let candidate = "a=candidate:1 2 udp 1 10.0.0.1 5000 typ host\r\n";
        let by_candidate = description("192.0.2.1", 9, "", &(line("sha-256", &client) + candidate));
        assert_eq!(checked(&[by_candidate]), FingerprintCheck::Match);
    }

    #[test]
    fn the_fragments_of_the_checks_name_the_descriptions_better_than_addresses_do() {
        let [client, server] = true_ones();
        let credentials = |ufrag: &str| format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n");
        let mut stage = Stage::new();
        for (host, port, ufrag, digest) in [
            ("192.0.2.1", 9, "cccc", client.as_str()),
            ("192.0.2.2", 9, "ssss", server.as_str()),
            // Another call used the address before.
            ("10.0.0.1", 5000, "oooo", WRONG),
        ] {
            let text = description(host, port, "", &(line("sha-256", digest) + &credentials(ufrag)));
            stage.analyzer.session_description("a.sdp", text.as_bytes());
        }
        let username = (AttributeType::USERNAME, Value::Text(b"cccc:ssss"));
        stage.udp(0, B, A, &stun(Class::Request, Method::BINDING, 1, &[username]));
        assert_eq!(only(stage.handshake(10, A, B)).sdp_fingerprint, FingerprintCheck::Match);
    }

    #[test]
    fn nothing_is_called_a_mismatch_where_descriptions_were_left_out() {
        let mut descriptions = vec![description("10.0.0.1", 5000, "", &line("sha-256", WRONG))];
        assert_eq!(checked(&descriptions), FingerprintCheck::Mismatch);
        // More text than is kept.
        let filler = "a=x:".to_owned() + &"y".repeat(900_000) + "\r\n";
        descriptions.extend((0..20).map(|n| description("10.0.0.9", 7000 + n, "", &filler)));
        assert_eq!(checked(&descriptions), FingerprintCheck::Unknown);
    }
}
