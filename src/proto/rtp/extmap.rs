//! Header extensions that an `extmap` attribute names (RFC 8285, section 5): URI to kind, bytes to value.
//!
//! In: a URI; the bytes of one element. Out: what they mean. Never: state of other packets.

use crate::bytes::{ParseError, Reader};

/// The header extensions whose contents are known here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExtensionKind {
    /// Client-to-mixer audio level (RFC 6464).
    AudioLevel,
    /// Mixer-to-client audio levels, one per CSRC (RFC 6465).
    CsrcAudioLevel,
    /// Absolute send time of libwebrtc, 24 bits.
    AbsSendTime,
    /// Absolute capture time of libwebrtc.
    AbsCaptureTime,
    /// Transport-wide sequence number, draft-holmer-rmcat-transport-wide-cc-extensions-01, section 2.
    TransportCc,
    /// The same with an optional request for feedback.
    TransportCc02,
    /// SDES item MID (RFC 8843, section 15.1).
    Mid,
    /// SDES item RtpStreamId (RFC 8852, section 3.1).
    Rid,
    /// SDES item RepairedRtpStreamId (RFC 8852, section 3.2).
    RepairedRid,
    /// Transmission time offset (RFC 5450, section 2).
    TransmissionOffset,
    /// Coordination of video orientation, 3GPP TS 26.114, section 7.4.5.
    VideoOrientation,
    /// Limits of the playout delay, of libwebrtc.
    PlayoutDelay,
    /// Camera or screen, of libwebrtc.
    VideoContentType,
    /// Times of a frame's way through the sender, of libwebrtc.
    VideoTiming,
    /// Dependency descriptor, AV1 RTP specification, appendix A.
    DependencyDescriptor,
}

const URIS: [(&str, ExtensionKind); 15] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", ExtensionKind::AudioLevel),
    ("urn:ietf:params:rtp-hdrext:csrc-audio-level", ExtensionKind::CsrcAudioLevel),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", ExtensionKind::AbsSendTime),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", ExtensionKind::AbsCaptureTime),
    ("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", ExtensionKind::TransportCc),
    ("http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02", ExtensionKind::TransportCc02),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", ExtensionKind::Mid),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", ExtensionKind::Rid),
    ("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", ExtensionKind::RepairedRid),
    ("urn:ietf:params:rtp-hdrext:toffset", ExtensionKind::TransmissionOffset),
    ("urn:3gpp:video-orientation", ExtensionKind::VideoOrientation),
    ("http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", ExtensionKind::PlayoutDelay),
    ("http://www.webrtc.org/experiments/rtp-hdrext/video-content-type", ExtensionKind::VideoContentType),
    ("http://www.webrtc.org/experiments/rtp-hdrext/video-timing", ExtensionKind::VideoTiming),
    (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        ExtensionKind::DependencyDescriptor,
    ),
];

/// What an element says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExtensionValue<'a> {
    /// RFC 6464, section 3.
    AudioLevel {
        /// The V flag: the sender believes that this is voice.
        voice: bool,
        /// Level below overload in dB, 0 (loudest) to 127 (silence).
        minus_dbov: u8,
    },
    /// RFC 6465, section 3: one byte per CSRC, level below overload in the low seven bits.
    CsrcAudioLevels(&'a [u8]),
    /// Seconds of the sender's clock, 6.18 fixed point, wraps every 64 s.
    AbsSendTime(u32),
    /// Capture instant.
    AbsCaptureTime {
        /// NTP time of the capturing system, 32.32 fixed point.
        ntp: u64,
        /// Estimated offset of the sender's clock to the capturing system's, 32.32 fixed point.
        clock_offset: Option<i64>,
    },
    /// Transport-wide sequence number.
    TransportCc {
        /// One counter for all streams of the transport.
        sequence: u16,
        /// The request of version 02, where there is one.
        request: Option<FeedbackRequest>,
    },
    /// Text of [`Mid`](ExtensionKind::Mid), [`Rid`](ExtensionKind::Rid) and
    /// [`RepairedRid`](ExtensionKind::RepairedRid).
    Text(&'a str),
    /// Ticks of the RTP clock from the RTP timestamp to the transmission; signed 24 bits.
    TransmissionOffset(i32),
    /// How the receiver has to turn the picture.
    VideoOrientation {
        /// C: the camera faces away from the user.
        back_camera: bool,
        /// F: flip horizontally.
        flip: bool,
        /// Clockwise rotation in degrees: 0, 90, 180, 270.
        rotation: u16,
    },
    /// Playout delay limits in milliseconds (sent in steps of 10).
    PlayoutDelay {
        /// Lower limit.
        min_ms: u16,
        /// Upper limit.
        max_ms: u16,
    },
    /// 0 unspecified, 1 screen; the other bits are experiments.
    VideoContentType(u8),
    /// Milliseconds after the capture of the frame, each at which a step of its way was done.
    VideoTiming(VideoTiming),
    /// The mandatory part of a dependency descriptor.
    DependencyDescriptor(DependencyDescriptor),
}

/// What a sender asks of the receiver through transport-wide-cc-02.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedbackRequest {
    /// T: the feedback shall tell arrival times.
    pub timestamps: bool,
    /// How many sequence numbers, this one included, it shall cover; 15 bits.
    pub count: u16,
}

/// The times of the video-timing extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VideoTiming {
    /// Why it was sent: bit 0 on a timer, bit 1 because the frame was large; 255 invalid.
    pub flags: u8,
    /// Encoding began.
    pub encode_start_ms: u16,
    /// Encoding was done.
    pub encode_finish_ms: u16,
    /// The frame was cut into packets.
    pub packetized_ms: u16,
    /// Its last packet left the pacer.
    pub pacer_exit_ms: u16,
    /// Two stamps for servers on the way.
    pub network_ms: [u16; 2],
}

/// The first three bytes of a dependency descriptor, AV1 RTP specification, appendix A.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DependencyDescriptor {
    /// First packet of a frame.
    pub start_of_frame: bool,
    /// Last packet of a frame.
    pub end_of_frame: bool,
    /// Frame dependency template, six bits.
    pub template: u8,
    /// Frame number, wraps.
    pub frame: u16,
    /// A new template structure is attached: this is sent with the first packet of a key frame. The extension stays in
    /// clear under SRTP, so it marks key frames of encrypted video too.
    pub structure_attached: bool,
}

impl ExtensionKind {
    /// By the URI of an `extmap` attribute; `None` for URIs that are not known here.
    pub fn of_uri(uri: &str) -> Option<Self> {
        URIS.iter().find(|(known, _)| *known == uri).map(|(_, kind)| *kind)
    }

    /// Reads the bytes of an element of this kind. Bytes beyond the known ones are left alone.
    pub fn decode(self, data: &[u8]) -> Result<ExtensionValue<'_>, ParseError> {
        let mut reader = Reader::new("rtp extension element", data);
        match self {
            Self::AudioLevel => {
                reader.u8().map(|byte| ExtensionValue::AudioLevel { voice: byte & 0x80 != 0, minus_dbov: byte & 0x7f })
            }
            Self::CsrcAudioLevel => Ok(ExtensionValue::CsrcAudioLevels(data)),
            Self::AbsSendTime => reader.u24().map(ExtensionValue::AbsSendTime),
            Self::AbsCaptureTime => reader.u64().map(|ntp| ExtensionValue::AbsCaptureTime {
                ntp,
                clock_offset: reader.u64().ok().map(u64::cast_signed),
            }),
            Self::TransportCc => reader.u16().map(|sequence| ExtensionValue::TransportCc { sequence, request: None }),
            Self::TransportCc02 => {
                let sequence = reader.u16()?;
                let request = reader.u16().ok();
                let request =
                    request.map(|word| FeedbackRequest { timestamps: word & 0x8000 != 0, count: word & 0x7fff });
                Ok(ExtensionValue::TransportCc { sequence, request })
            }
            Self::Mid | Self::Rid | Self::RepairedRid => str::from_utf8(data)
                .map(ExtensionValue::Text)
                .map_err(|error| ParseError::invalid("rtp extension element", error.valid_up_to(), "not UTF-8")),
            // The shift up and back carries the sign of bit 23.
            Self::TransmissionOffset => {
                reader.u24().map(|word| ExtensionValue::TransmissionOffset((word << 8).cast_signed() >> 8))
            }
            Self::VideoOrientation => reader.u8().map(|byte| ExtensionValue::VideoOrientation {
                back_camera: byte & 0x08 != 0,
                flip: byte & 0x04 != 0,
                rotation: u16::from(byte & 0x03) * 90,
            }),
            Self::PlayoutDelay => reader.u24().map(|word| ExtensionValue::PlayoutDelay {
                min_ms: (word >> 12) as u16 * 10,
                max_ms: (word & 0xfff) as u16 * 10,
            }),
            Self::VideoContentType => reader.u8().map(ExtensionValue::VideoContentType),
            Self::VideoTiming => video_timing(reader).map(ExtensionValue::VideoTiming),
            Self::DependencyDescriptor => dependency_descriptor(reader).map(ExtensionValue::DependencyDescriptor),
        }
    }
}

fn video_timing(mut reader: Reader<'_>) -> Result<VideoTiming, ParseError> {
    Ok(VideoTiming {
        flags: reader.u8()?,
        encode_start_ms: reader.u16()?,
        encode_finish_ms: reader.u16()?,
        packetized_ms: reader.u16()?,
        pacer_exit_ms: reader.u16()?,
        network_ms: [reader.u16()?, reader.u16()?],
    })
}

fn dependency_descriptor(mut reader: Reader<'_>) -> Result<DependencyDescriptor, ParseError> {
    let flags = reader.u8()?;
    Ok(DependencyDescriptor {
        start_of_frame: flags & 0x80 != 0,
        end_of_frame: flags & 0x40 != 0,
        template: flags & 0x3f,
        frame: reader.u16()?,
        structure_attached: reader.u8().is_ok_and(|extended| extended & 0x80 != 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExtensionKind as Kind;

    #[test]
    fn uris_are_known_exactly_and_others_are_not() {
        assert_eq!(Kind::of_uri("urn:ietf:params:rtp-hdrext:sdes:mid"), Some(Kind::Mid));
        assert_eq!(Kind::of_uri("urn:ietf:params:rtp-hdrext:sdes:mid2"), None);
        assert!(URIS.iter().all(|(uri, kind)| Kind::of_uri(uri) == Some(*kind)));
    }

    #[test]
    fn the_fixed_formats_are_read_bit_by_bit() {
        assert_eq!(Kind::AudioLevel.decode(&[0xb0]), Ok(ExtensionValue::AudioLevel { voice: true, minus_dbov: 48 }));
        assert_eq!(Kind::AbsSendTime.decode(&[0x12, 0x34, 0x56]), Ok(ExtensionValue::AbsSendTime(0x0012_3456)));
        assert_eq!(Kind::TransmissionOffset.decode(&[0xff, 0xff, 0xfe]), Ok(ExtensionValue::TransmissionOffset(-2)));
        assert_eq!(Kind::TransmissionOffset.decode(&[0x7f, 0, 0]), Ok(ExtensionValue::TransmissionOffset(0x7f_0000)));
        assert_eq!(
            Kind::VideoOrientation.decode(&[0x0b]),
            Ok(ExtensionValue::VideoOrientation { back_camera: true, flip: false, rotation: 270 })
        );
        assert_eq!(
            Kind::PlayoutDelay.decode(&[0x00, 0xa0, 0x28]),
            Ok(ExtensionValue::PlayoutDelay { min_ms: 100, max_ms: 400 })
        );
        assert_eq!(
            Kind::PlayoutDelay.decode(&[0xff, 0xff, 0xff]),
            Ok(ExtensionValue::PlayoutDelay { min_ms: 40_950, max_ms: 40_950 })
        );
        assert_eq!(Kind::VideoContentType.decode(&[1]), Ok(ExtensionValue::VideoContentType(1)));
        assert_eq!(
            Kind::VideoTiming.decode(&[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 0]),
            Ok(ExtensionValue::VideoTiming(VideoTiming {
                flags: 1,
                encode_start_ms: 2,
                encode_finish_ms: 3,
                packetized_ms: 4,
                pacer_exit_ms: 5,
                network_ms: [6, 256],
            }))
        );
    }

    #[test]
    fn a_transport_sequence_number_carries_a_request_only_in_version_two() {
        let data = [0x01, 0x02, 0x80, 0x05];
        let request = Some(FeedbackRequest { timestamps: true, count: 5 });
        assert_eq!(Kind::TransportCc02.decode(&data), Ok(ExtensionValue::TransportCc { sequence: 0x0102, request }));
        let without = Ok(ExtensionValue::TransportCc { sequence: 0x0102, request: None });
        assert_eq!(Kind::TransportCc02.decode(&data[..2]), without);
        assert_eq!(Kind::TransportCc.decode(&data), without);
    }

    #[test]
    fn an_absolute_capture_time_may_come_without_the_clock_offset() {
        let data = [0, 0, 0, 1, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let value = |clock_offset| Ok(ExtensionValue::AbsCaptureTime { ntp: 0x1_8000_0000, clock_offset });
        assert_eq!(Kind::AbsCaptureTime.decode(&data), value(Some(-0x1_0000_0000)));
        assert_eq!(Kind::AbsCaptureTime.decode(&data[..8]), value(None));
    }

    #[test]
    fn identifiers_are_text_or_an_error() {
        assert_eq!(Kind::Mid.decode(b"0"), Ok(ExtensionValue::Text("0")));
        assert_eq!(Kind::Rid.decode(&[b'q', 0xff]).unwrap_err().offset, 1);
    }

    #[test]
    fn a_dependency_descriptor_tells_of_an_attached_structure() {
        let value = |structure_attached| {
            Ok(ExtensionValue::DependencyDescriptor(DependencyDescriptor {
                start_of_frame: true,
                end_of_frame: false,
                template: 1,
                frame: 258,
                structure_attached,
            }))
        };
        assert_eq!(Kind::DependencyDescriptor.decode(&[0x81, 1, 2, 0x80, 0]), value(true));
        assert_eq!(Kind::DependencyDescriptor.decode(&[0x81, 1, 2]), value(false));
    }

    #[test]
    fn every_truncation_of_every_kind_is_a_value_or_an_error() {
        for (_, kind) in URIS {
            for len in 0..20 {
                let data = vec![b'a'; len];
                if let Err(error) = kind.decode(&data) {
                    assert!(error.offset <= len, "{kind:?}");
                }
            }
        }
    }
}
