//! Which streams were RTP and which SRTP. Nothing in an RTP header says so; what stands around it does.
//!
//! In: a flow with the state of its DTLS, ICE and RTCP. Out: a verdict for each stream. Never: a look at payloads, or a
//! verdict for a part of a stream: one that began in the clear and was encrypted later is SRTP.
//!
//! The evidence in this order; the first that says something decides:
//!
//! 1. A DTLS handshake on the five-tuple that chose a profile for SRTP and was completed: a stream that goes on behind
//!    it is SRTP (RFC 5764, section 3), whatever RTCP came in the clear before it or after its end.
//! 2. RTCP, on the five-tuple or on that of the ports above: sender and receiver reports in the clear against encrypted
//!    packets, the majority counts. Of the stream's own source; else of the stream's direction; else of both. What
//!    reports has to be SRTCP where the media is SRTP (RFC 3711, section 3.4). Packets without a report do not count:
//!    endpoints open a NAT with an APP packet before they have keys and say BYE after they dropped them. Nor does a report
//!    before the first encrypted packet: ZRTP agrees on keys while the media is on its way.
//! 3. A handshake that may have negotiated SRTP and was under way when the stream was: DTLS 1.3 hides the choice, and a
//!    capture may lack the beginning or the end.
//! 4. The profile in the SDP, `SAVP` and `SAVPF` or not, of the receiver, else of the sender. `AVP` with keys beside it
//!    is undecided (RFC 8643).
//! 5. An answered connectivity check around media without any RTCP in the clear: a capture that began in the middle of a
//!    WebRTC call.

use super::super::flow::{Details, Direction, Origin};
use super::super::rtp_stream::StreamFigures;
use super::{Merge, Place};
use crate::net::{Endpoint, FiveTuple};
use crate::proto::rtp::Ssrc;
use crate::time::Timestamp;
use std::cmp::Ordering;

/// Reports in the clear and encrypted packets.
#[derive(Clone, Copy, Default)]
struct Rtcp {
    clear: u64,
    encrypted: u64,
}

impl Rtcp {
    fn verdict(self) -> Option<bool> {
        match self.encrypted.cmp(&self.clear) {
            Ordering::Greater => Some(true),
            Ordering::Less => Some(false),
            Ordering::Equal => None,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self { clear: self.clear + other.clear, encrypted: self.encrypted + other.encrypted }
    }
}

/// What a flow tells of its streams.
pub(super) struct Secrecy {
    /// The end of the first handshake that chose a profile for SRTP.
    agreed_since: Option<Timestamp>,
    /// The beginning of the first that may have.
    negotiated_since: Option<Timestamp>,
    /// By direction: of each source, ascending.
    sources: [Vec<(Ssrc, Rtcp)>; 2],
    profile: [Option<bool>; 2],
    /// Connectivity was checked, and no RTCP was in the clear.
    is_like_webrtc: bool,
}

impl Secrecy {
    /// True where a stream with these figures was SRTP.
    pub(super) fn is_srtp(&self, direction: Direction, ssrc: u32, figures: &StreamFigures) -> bool {
        let went_on_behind = |since: Timestamp| figures.last_ts > since;
        if self.agreed_since.is_some_and(went_on_behind) {
            return true;
        }
        self.rtcp(direction, ssrc)
            .or(self.negotiated_since.is_some_and(went_on_behind).then_some(true))
            .or(self.profile[direction as usize])
            .unwrap_or(self.is_like_webrtc)
    }

    /// True where a handshake gave keys for SRTP, or may have. RTCP is no such proof: random bytes look like it.
    pub(super) fn has_keys(&self) -> bool {
        self.agreed_since.or(self.negotiated_since).is_some()
    }

    fn rtcp(&self, direction: Direction, ssrc: u32) -> Option<bool> {
        let own = &self.sources[direction as usize];
        let of_source = own.binary_search_by_key(&Ssrc(ssrc), |(source, _)| *source).ok().and_then(|at| own.get(at));
        let sum = |direction: Direction| {
            self.sources[direction as usize].iter().fold(Rtcp::default(), |sum, (_, rtcp)| sum.plus(*rtcp))
        };
        of_source
            .and_then(|(_, rtcp)| rtcp.verdict())
            .or_else(|| sum(direction).verdict())
            .or_else(|| sum(direction).plus(sum(direction.opposite())).verdict())
    }
}

impl Merge<'_> {
    /// What a flow tells of its streams.
    pub(super) fn secrecy(&self, place: Place) -> Secrecy {
        let own = self.flow(place).details.as_deref();
        let sibling = self.rtcp_sibling(place);
        let handshakes = || own.iter().flat_map(|details| &details.dtls).flat_map(|dtls| dtls.handshakes());
        let possible = handshakes().filter(|handshake| handshake.may_have_srtp());
        let plain = own.map_or(0, |details| details.rtcp.plain) + sibling.map_or(0, |(details, _)| details.rtcp.plain);
        Secrecy {
            agreed_since: handshakes().filter_map(|handshake| handshake.srtp_since()).min(),
            negotiated_since: possible.map(|handshake| handshake.first.ts).min(),
            sources: [Direction::Forward, Direction::Backward].map(|direction| {
                let there = sibling
                    .map(|(details, mirrored)| (details, if mirrored { direction.opposite() } else { direction }));
                sources(own.map(|details| (details, direction)), there)
            }),
            profile: [Direction::Forward, Direction::Backward]
                .map(|direction| self.described(place, direction).is_secure()),
            is_like_webrtc: own.is_some_and(|details| details.ice.is_valid()) && plain == 0,
        }
    }

    /// The flow of the ports above, where RTCP of its own goes (RFC 3550, section 11), and whether its directions are
    /// the other way round. Inside TURN the ports are the relay's, and a neighbour is somebody else's.
    pub(super) fn rtcp_sibling(&self, place: Place) -> Option<(&Details, bool)> {
        let flow = self.flow(place);
        if !matches!(flow.origin, Origin::Captured) {
            return None;
        }
        let above = |endpoint: Endpoint| Endpoint { port: endpoint.port.wrapping_add(1), ..endpoint };
        let tuple = FiveTuple { src: above(flow.tuple.src), dst: above(flow.tuple.dst), ..flow.tuple };
        let mirrored = FiveTuple { src: tuple.dst, dst: tuple.src, ..tuple };
        [(tuple, false), (mirrored, true)].into_iter().find_map(|(tuple, mirrored)| {
            let sibling = self.flow(*self.by_tuple.get(&tuple)?);
            Some((sibling.details.as_deref()?, mirrored))
        })
    }
}

/// The RTCP of each source of a direction, over a flow and its sibling.
fn sources(own: Option<(&Details, Direction)>, sibling: Option<(&Details, Direction)>) -> Vec<(Ssrc, Rtcp)> {
    let said = |(details, direction): (&Details, Direction)| {
        details
            .rtcp
            .clear_and_encrypted(direction)
            .map(|(source, clear, encrypted)| (source, Rtcp { clear, encrypted }))
            .collect::<Vec<_>>()
    };
    let mut all: Vec<(Ssrc, Rtcp)> = [own, sibling].into_iter().flatten().flat_map(said).collect();
    all.sort_by_key(|(source, _)| *source);
    all.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = kept.1.plus(later.1);
        }
        same
    });
    all
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, check, rtp, stun};
    use crate::proto::stun::{Class, Method};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    /// A receiver report in the clear, of this source.
    fn report(ssrc: u8) -> [u8; 8] {
        [0x80, 201, 0, 1, 0, 0, 0, ssrc]
    }

    /// An APP packet in the clear, with which some open a NAT before they have keys.
    fn ping(ssrc: u8) -> Vec<u8> {
        [&[0x80, 204, 0, 3, 0, 0, 0, ssrc], &b"PING\0\0\0\0"[..]].concat()
    }

    /// An SRTCP packet: a receiver report's header, encrypted bytes, the index with its E bit, a tag.
    fn srtcp(ssrc: u8) -> Vec<u8> {
        let head = [0x81, 201, 0, 7, 0, 0, 0, ssrc];
        [&head, &[0xa5; 24][..], &[0x80, 0, 0, 1], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]].concat()
    }

    /// Three packets of a source, twenty milliseconds apart.
    fn media(stage: &mut Stage, millis: i64, from: &str, to: &str, ssrc: u32) {
        for seq in 0..3 {
            stage.udp(millis + 20 * i64::from(seq), from, to, &rtp(96, ssrc, seq, u32::from(seq) * 960));
        }
    }

    /// What each stream was, in order of its first packet.
    fn encrypted(stage: &mut Stage) -> Vec<bool> {
        stage.snapshot().streams.iter().map(|row| row.encrypted).collect()
    }

    fn described(stage: &mut Stage, profile: &str, more: &str) {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 6000 {profile} 96\r\n\
             a=rtpmap:96 opus/48000/2\r\n{more}"
        );
        stage.analyzer.session_description("a.sdp", text.as_bytes());
    }

    #[test]
    fn rtcp_in_the_clear_before_and_after_the_keys_does_not_outweigh_a_handshake() {
        let mut stage = Stage::new();
        for millis in 0..5 {
            stage.udp(millis, A, B, &report(1));
        }
        stage.handshake(10, A, B);
        media(&mut stage, 20, A, B, 1);
        stage.udp(100, A, B, &srtcp(1)).udp(200, A, B, &report(1));
        assert_eq!(encrypted(&mut stage), [true]);
    }

    #[test]
    fn a_stream_that_was_over_before_the_handshake_is_not_encrypted_by_it() {
        let mut stage = Stage::new();
        media(&mut stage, 0, A, B, 1);
        stage.handshake(100, A, B);
        media(&mut stage, 200, A, B, 2);
        assert_eq!(encrypted(&mut stage), [false, true]);
    }

    #[test]
    fn packets_that_are_no_reports_say_nothing_against_encrypted_ones() {
        let mut stage = Stage::new();
        media(&mut stage, 0, A, B, 1);
        for millis in 0..9 {
            stage.udp(millis, "10.0.0.1:5001", "10.0.0.2:6001", &ping(1));
        }
        stage.udp(100, "10.0.0.1:5001", "10.0.0.2:6001", &srtcp(1));
        assert_eq!(encrypted(&mut stage), [true]);
    }

    #[test]
    fn reports_before_anybody_had_keys_do_not_count() {
        let mut stage = Stage::new();
        media(&mut stage, 0, A, B, 1);
        media(&mut stage, 0, B, A, 2);
        for millis in 0..3 {
            stage.udp(millis, A, B, &report(1)).udp(millis, B, A, &report(2));
        }
        stage.udp(100, A, B, &srtcp(1));
        assert_eq!(encrypted(&mut stage), [true, true]);
        // One that was only taken for encrypted does not outweigh the many that follow.
        for millis in 0..3 {
            stage.udp(200 + millis, A, B, &report(1)).udp(200 + millis, B, A, &report(2));
        }
        assert_eq!(encrypted(&mut stage), [false, false]);
    }

    #[test]
    fn each_direction_and_each_source_is_what_its_own_reports_are() {
        let mut stage = Stage::new();
        for (from, to, ssrc) in [(A, B, 1), (A, B, 2), (A, B, 3), (B, A, 4)] {
            media(&mut stage, 0, from, to, ssrc);
        }
        stage.udp(99, A, B, &srtcp(1)).udp(100, A, B, &srtcp(1)).udp(102, A, B, &report(2));
        stage.udp(103, B, A, &report(4));
        // The third has said nothing itself and goes by its direction.
        assert_eq!(encrypted(&mut stage), [true, false, true, false]);
    }

    #[test]
    fn reports_of_the_ports_above_count_for_the_direction_that_they_have_there() {
        let mut stage = Stage::new();
        media(&mut stage, 0, A, B, 1);
        media(&mut stage, 0, B, A, 2);
        let (above_a, above_b) = ("10.0.0.1:5001", "10.0.0.2:6001");
        // The first to speak up there is the other side.
        stage.udp(100, above_b, above_a, &ping(2));
        stage.udp(101, above_a, above_b, &srtcp(1)).udp(102, above_b, above_a, &report(2));
        assert_eq!(encrypted(&mut stage), [true, false]);
    }

    #[test]
    fn as_many_reports_in_the_clear_as_encrypted_ones_leave_it_to_the_description() {
        for (profile, expected) in [("RTP/SAVP", true), ("RTP/AVP", false)] {
            let mut stage = Stage::new();
            described(&mut stage, profile, "");
            media(&mut stage, 0, A, B, 1);
            stage.udp(100, A, B, &srtcp(1)).udp(101, A, B, &report(1));
            assert_eq!(encrypted(&mut stage), [expected], "{profile}");
        }
    }

    #[test]
    fn a_plain_profile_outweighs_connectivity_checks_unless_there_are_keys_beside_it() {
        for (more, expected) in [("", false), ("a=fingerprint:sha-256 00\r\n", true)] {
            let mut stage = Stage::new();
            described(&mut stage, "RTP/AVP", more);
            stage.udp(0, A, B, &check(1, true));
            stage.udp(1, B, A, &stun(Class::SuccessResponse, Method::BINDING, 1, &[]));
            media(&mut stage, 10, A, B, 1);
            assert_eq!(encrypted(&mut stage), [expected], "{more}");
        }
    }
}
