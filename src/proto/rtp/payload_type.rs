//! What a payload type or an encoding name says without an SDP: the static table of RFC 3551, section 6, and the
//! names that mark a payload as something other than media.
//!
//! In: a number or a name. Out: encoding, kind, clock rate, role. Never: a guess about a dynamic payload type.

/// Audio or video.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MediaKind {
    /// `A` in the tables of RFC 3551.
    Audio,
    /// `V`.
    Video,
    /// `AV`: a multiplex such as MP2T.
    AudioVideo,
}

/// A row of RFC 3551, tables 4 and 5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticPayloadType {
    /// The number, 0 to 34.
    pub number: u8,
    /// The encoding name of the table.
    pub encoding: &'static str,
    /// Audio or video.
    pub kind: MediaKind,
    /// RTP clock rate in Hz; for G722 it is 8000 although the codec samples at 16000 (section 4.5.2).
    pub clock_rate: u32,
    /// Channels of an audio encoding; 0 where the notion does not apply.
    pub channels: u8,
}

const fn audio(number: u8, encoding: &'static str, clock_rate: u32, channels: u8) -> StaticPayloadType {
    StaticPayloadType { number, encoding, kind: MediaKind::Audio, clock_rate, channels }
}

const fn video(number: u8, encoding: &'static str, kind: MediaKind) -> StaticPayloadType {
    StaticPayloadType { number, encoding, kind, clock_rate: 90_000, channels: 0 }
}

/// Sorted by number. 1, 2 and 19 are reserved since RFC 3551 and are not here.
const STATIC: [StaticPayloadType; 24] = [
    audio(0, "PCMU", 8000, 1),
    audio(3, "GSM", 8000, 1),
    audio(4, "G723", 8000, 1),
    audio(5, "DVI4", 8000, 1),
    audio(6, "DVI4", 16_000, 1),
    audio(7, "LPC", 8000, 1),
    audio(8, "PCMA", 8000, 1),
    audio(9, "G722", 8000, 1),
    audio(10, "L16", 44_100, 2),
    audio(11, "L16", 44_100, 1),
    audio(12, "QCELP", 8000, 1),
    audio(13, "CN", 8000, 1),
    audio(14, "MPA", 90_000, 0),
    audio(15, "G728", 8000, 1),
    audio(16, "DVI4", 11_025, 1),
    audio(17, "DVI4", 22_050, 1),
    audio(18, "G729", 8000, 1),
    video(25, "CelB", MediaKind::Video),
    video(26, "JPEG", MediaKind::Video),
    video(28, "nv", MediaKind::Video),
    video(31, "H261", MediaKind::Video),
    video(32, "MPV", MediaKind::Video),
    video(33, "MP2T", MediaKind::AudioVideo),
    video(34, "H263", MediaKind::Video),
];

/// The row of a statically assigned payload type; `None` for reserved, unassigned and dynamic ones.
pub fn static_payload_type(payload_type: u8) -> Option<&'static StaticPayloadType> {
    STATIC.iter().find(|row| row.number == payload_type)
}

/// The clock rate in Hz by which tshark 4.0.17 computes a payload type below 96; 0 where it has none and leaves
/// jitter out. Observed: it still knows 1016 (1), G721 (2) and the old comfort noise (19), which RFC 3551 withdrew.
pub fn tshark_clock_rate(payload_type: u8) -> u32 {
    match payload_type {
        1 | 2 | 19 => 8000,
        _ => static_payload_type(payload_type).map_or(0, |row| row.clock_rate),
    }
}

/// What the packets of an encoding are for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PayloadRole {
    /// Audio or video itself.
    Media,
    /// Retransmission (RFC 4588).
    Rtx,
    /// Redundant coding (RFC 2198); its blocks are media.
    Red,
    /// Forward error correction: RFC 5109, 6015, 8627 and the drafts before it.
    Fec,
    /// DTMF and tones (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
}

impl PayloadRole {
    /// By the encoding name of an `rtpmap`, in any letter case (RFC 4855, section 3).
    pub fn of_encoding(name: &str) -> Self {
        const NAMES: [(&str, PayloadRole); 10] = [
            ("rtx", PayloadRole::Rtx),
            ("red", PayloadRole::Red),
            ("ulpfec", PayloadRole::Fec),
            ("parityfec", PayloadRole::Fec),
            ("1d-interleaved-parityfec", PayloadRole::Fec),
            ("flexfec", PayloadRole::Fec),
            ("flexfec-03", PayloadRole::Fec),
            ("telephone-event", PayloadRole::TelephoneEvent),
            ("tone", PayloadRole::TelephoneEvent),
            ("CN", PayloadRole::ComfortNoise),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(PayloadRole::Media, |(_, role)| *role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_static_table_is_sorted_and_leaves_reserved_numbers_out() {
        assert!(STATIC.is_sorted_by(|a, b| a.number < b.number));
        for reserved in [1, 2, 19, 20, 24, 27, 29, 30, 35, 72, 76, 96, 127, 255] {
            assert_eq!(static_payload_type(reserved), None);
        }
        let pcmu = static_payload_type(0).unwrap();
        assert_eq!((pcmu.encoding, pcmu.clock_rate, pcmu.channels), ("PCMU", 8000, 1));
        assert_eq!(static_payload_type(9).map(|row| row.clock_rate), Some(8000), "G722 counts at 8 kHz");
        assert_eq!(static_payload_type(33).map(|row| row.kind), Some(MediaKind::AudioVideo));
    }

    #[test]
    fn tshark_computes_the_withdrawn_types_at_eight_kilohertz_and_the_unassigned_not_at_all() {
        let with_clock: Vec<u8> = (0..=127).filter(|number| tshark_clock_rate(*number) != 0).collect();
        let expected: Vec<u8> = (0..=19).chain([25, 26, 28, 31, 32, 33, 34]).collect();
        assert_eq!(with_clock, expected);
        assert_eq!([1, 2, 16, 17, 19].map(tshark_clock_rate), [8000, 8000, 11_025, 22_050, 8000]);
    }

    #[test]
    fn roles_are_told_by_encoding_names_in_any_case() {
        assert_eq!(PayloadRole::of_encoding("RTX"), PayloadRole::Rtx);
        assert_eq!(PayloadRole::of_encoding("FlexFEC-03"), PayloadRole::Fec);
        assert_eq!(PayloadRole::of_encoding("cn"), PayloadRole::ComfortNoise);
        assert_eq!(PayloadRole::of_encoding("opus"), PayloadRole::Media);
    }
}
