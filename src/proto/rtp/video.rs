//! What the first bytes of a video payload in clear say about key frames, and about the codec itself.
//!
//! In: the payload of one packet, without padding and taken out of RED, in which browsers may wrap video too.
//! Out: `None` wherever the bytes leave it open.
//! Never: reassembly of a frame; a word about an encrypted payload.

/// Video codecs whose payload formats are known here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VideoCodec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// AV1 RTP specification, version 1.0.
    Av1,
}

impl VideoCodec {
    /// By the encoding name of an `rtpmap`, in any letter case.
    pub fn of_encoding(name: &str) -> Option<Self> {
        const NAMES: [(&str, VideoCodec); 5] = [
            ("VP8", VideoCodec::Vp8),
            ("VP9", VideoCodec::Vp9),
            ("H264", VideoCodec::H264),
            ("H265", VideoCodec::H265),
            ("AV1", VideoCodec::Av1),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, codec)| *codec)
    }
}

/// Whether this packet begins coded data of a key frame: `Some(true)`, or of another frame: `Some(false)`. `None` for
/// a packet that continues what an earlier one began, carries parameters only, or is cut. A key frame of several
/// slices says so in several packets of one RTP timestamp.
pub fn keyframe(codec: VideoCodec, payload: &[u8]) -> Option<bool> {
    match codec {
        VideoCodec::Vp8 => vp8(payload),
        VideoCodec::Vp9 => vp9(payload),
        VideoCodec::H264 => h264(payload),
        VideoCodec::H265 => h265(payload),
        VideoCodec::Av1 => av1(payload),
    }
}

/// The codec that a payload proves by itself: a VP8 key frame by its start code and dimensions, H.264 by an aggregate
/// of parameter sets whose sizes add up. A random payload of another codec passes with odds below one in a million.
pub fn proven_codec(payload: &[u8]) -> Option<VideoCodec> {
    if vp8(payload) == Some(true) {
        return Some(VideoCodec::Vp8);
    }
    const SPS: u8 = 7;
    let (&header, rest) = payload.split_first()?;
    let (mut count, mut first) = (0, None);
    for unit in aggregate(rest) {
        let byte = *unit?.first()?;
        first = first.or(Some(byte));
        count += 1;
    }
    // F must be clear (RFC 6184, section 1.3).
    let is_aggregate = header & 0x9f == STAP_A && count > 1;
    (is_aggregate && first.is_some_and(|byte| byte & 0x9f == SPS)).then_some(VideoCodec::H264)
}

/// Width and height in pixels of the VP8 key frame that begins in this packet (RFC 6386, section 9.1).
pub fn vp8_dimensions(payload: &[u8]) -> Option<(u16, u16)> {
    let frame = vp8_frame_start(payload)?;
    let &[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = frame.first_chunk::<10>()? else { return None };
    // Two bits of scale stand above fourteen of size; P = 0 is a key frame.
    let (width, height) = (u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff);
    (tag & 1 == 0 && width > 0 && height > 0).then_some((width, height))
}

/// The frame bytes behind the payload descriptor, where this packet begins the first partition
/// (RFC 7741, section 4.2: S set and PID 0).
fn vp8_frame_start(payload: &[u8]) -> Option<&[u8]> {
    let (&descriptor, mut rest) = payload.split_first()?;
    if descriptor & 0x17 != 0x10 {
        return None;
    }
    if descriptor & 0x80 != 0 {
        let (&extensions, behind) = rest.split_first()?;
        let picture_id = match (extensions & 0x80, behind.first()) {
            (0, _) => 0,
            (_, first) => 1 + usize::from(first? >> 7),
        };
        let tl0_picture_index = usize::from(extensions >> 6 & 1);
        let tid_or_key_index = usize::from(extensions & 0x30 != 0);
        rest = behind.get(picture_id + tl0_picture_index + tid_or_key_index..)?;
    }
    Some(rest)
}

fn vp8(payload: &[u8]) -> Option<bool> {
    let tag = *vp8_frame_start(payload)?.first()?;
    if tag & 1 == 1 {
        return Some(false);
    }
    // Without its start code this is no VP8 frame, whatever the bit says.
    vp8_dimensions(payload).map(|_| true)
}

/// RFC 9628, section 4.2: B begins a layer frame, P says that it is predicted from earlier pictures. Above spatial
/// layer 0 a frame without P depends on the layer below, so only layer 0 tells.
fn vp9(payload: &[u8]) -> Option<bool> {
    let (&descriptor, mut rest) = payload.split_first()?;
    let set = |bit: u8| descriptor & bit != 0;
    if !set(0x08) {
        return None;
    }
    if set(0x80) {
        let len = 1 + usize::from(rest.first()? >> 7);
        rest = rest.get(len..)?;
    }
    if set(0x20) && rest.first()? & 0x0e != 0 {
        return None;
    }
    Some(!set(0x40))
}

/// NAL unit types of RFC 6184, table 1.
const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const FU_A: u8 = 28;
const FU_B: u8 = 29;

fn h264(payload: &[u8]) -> Option<bool> {
    let (&header, rest) = payload.split_first()?;
    match header & 0x1f {
        STAP_A => key_unit(aggregate(rest), h264_unit),
        // A decoding order number of two bytes comes first (section 5.7.1).
        STAP_B => key_unit(aggregate(rest.get(2..)?), h264_unit),
        FU_A | FU_B => match rest.first()? {
            start if start & 0x80 != 0 => h264_slice(start & 0x1f),
            _ => None,
        },
        _ => h264_slice(header & 0x1f),
    }
}

fn h264_unit(unit: &[u8]) -> Option<bool> {
    h264_slice(unit.first()? & 0x1f)
}

/// ITU-T H.264, table 7-1: 5 is a slice of an IDR picture, 1 to 4 are slices of others.
const fn h264_slice(unit_type: u8) -> Option<bool> {
    match unit_type {
        5 => Some(true),
        1..=4 => Some(false),
        _ => None,
    }
}

fn h265(payload: &[u8]) -> Option<bool> {
    const AGGREGATION: u8 = 48;
    const FRAGMENTATION: u8 = 49;
    let (header, rest) = payload.split_first_chunk::<2>()?;
    match header[0] >> 1 & 0x3f {
        // Without DONL, as sprop-max-don-diff is 0 wherever order is kept (RFC 7798, section 4.4.2).
        AGGREGATION => key_unit(aggregate(rest), |unit| h265_slice(unit.first()? >> 1 & 0x3f)),
        FRAGMENTATION => match rest.first()? {
            start if start & 0x80 != 0 => h265_slice(start & 0x3f),
            _ => None,
        },
        unit_type => h265_slice(unit_type),
    }
}

/// ITU-T H.265, table 7-1: 16 to 21 are random access pictures (BLA, IDR, CRA), 0 to 9 slices of others.
const fn h265_slice(unit_type: u8) -> Option<bool> {
    match unit_type {
        16..=21 => Some(true),
        0..=9 => Some(false),
        _ => None,
    }
}

/// The units of an aggregation packet, each behind its 16-bit size; `None` once, where the sizes do not add up.
fn aggregate(mut rest: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = rest.split_first_chunk::<2>().and_then(|(size, behind)| {
            let size = usize::from(u16::from_be_bytes(*size));
            behind.split_at_checked(size)
        });
        let (unit, behind) = unit.unzip();
        rest = behind.unwrap_or_default();
        Some(unit)
    })
}

/// A key slice anywhere makes the packet a key one; another slice makes it another's.
fn key_unit<'a>(units: impl Iterator<Item = Option<&'a [u8]>>, slice: impl Fn(&[u8]) -> Option<bool>) -> Option<bool> {
    let mut key = None;
    for unit in units {
        match slice(unit?) {
            Some(true) => return Some(true),
            Some(false) => key = Some(false),
            None => {}
        }
    }
    key
}

/// AV1 RTP specification, section 4.4: N marks the first packet of a coded video sequence, Z a packet that continues
/// an OBU. Elsewhere the frame header tells, where it is the first OBU.
fn av1(payload: &[u8]) -> Option<bool> {
    const OBU_FRAME_HEADER: u8 = 3;
    const OBU_FRAME: u8 = 6;
    let (&aggregation, rest) = payload.split_first()?;
    if aggregation & 0x80 != 0 {
        return None;
    }
    if aggregation & 0x08 != 0 {
        return Some(true);
    }
    // W = 1: the one element has no length before it.
    let obu = if aggregation >> 4 & 0x03 == 1 { rest } else { rest.get(leb128_len(rest)?..)? };
    let (&header, rest) = obu.split_first()?;
    // AV1 bitstream specification, section 5.3.2: type, extension flag, size flag.
    if !matches!(header >> 3 & 0x0f, OBU_FRAME_HEADER | OBU_FRAME) {
        return None;
    }
    let mut frame = rest.get(usize::from(header >> 2 & 1)..)?;
    if header & 0x02 != 0 {
        frame = frame.get(leb128_len(frame)?..)?;
    }
    // Section 5.9.2: show_existing_frame, then two bits of frame_type, of which 0 is KEY_FRAME.
    match frame.first()? >> 5 {
        0 => Some(true),
        1..=3 => Some(false),
        _ => None,
    }
}

/// Bytes of a leb128 number, at most eight (AV1 bitstream specification, section 4.10.5).
fn leb128_len(bytes: &[u8]) -> Option<usize> {
    bytes.iter().take(8).position(|byte| byte & 0x80 == 0).map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VP8_KEY: [u8; 14] = [0x90, 0x80, 0x81, 0x02, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01];

    #[test]
    fn a_vp8_key_frame_needs_its_start_code() {
        assert_eq!(keyframe(VideoCodec::Vp8, &VP8_KEY), Some(true));
        assert_eq!(vp8_dimensions(&VP8_KEY), Some((640, 480)));
        assert_eq!(proven_codec(&VP8_KEY), Some(VideoCodec::Vp8));
        let mut broken = VP8_KEY;
        broken[7] = 0;
        assert_eq!((keyframe(VideoCodec::Vp8, &broken), proven_codec(&broken)), (None, None));
    }

    #[test]
    fn other_vp8_packets_are_delta_frames_or_say_nothing() {
        let mut delta = VP8_KEY;
        delta[4] |= 1;
        assert_eq!(keyframe(VideoCodec::Vp8, &delta), Some(false));
        assert_eq!(keyframe(VideoCodec::Vp8, &[0x80, 0x80, 0x81, 0x02, 0x10]), None, "S clear");
        assert_eq!(keyframe(VideoCodec::Vp8, &[0x11, 0x10]), None, "second partition");
        assert_eq!(keyframe(VideoCodec::Vp8, &[0x10, 0x01]), Some(false), "descriptor of one byte");
    }

    #[test]
    fn vp9_tells_by_the_start_of_the_lowest_spatial_layer() {
        assert_eq!(keyframe(VideoCodec::Vp9, &[0x8a, 0x81, 0x02, 0x00]), Some(true));
        assert_eq!(keyframe(VideoCodec::Vp9, &[0xca, 0x01, 0x00]), Some(false));
        assert_eq!(keyframe(VideoCodec::Vp9, &[0xaa, 0x01, 0x00]), Some(true), "layer 0");
        assert_eq!(keyframe(VideoCodec::Vp9, &[0xaa, 0x01, 0x03]), None, "layer 1");
        assert_eq!(keyframe(VideoCodec::Vp9, &[0x82, 0x01, 0x00]), None, "B clear");
    }

    #[test]
    fn h264_tells_by_slices_alone_and_within_aggregates_and_fragments() {
        let stap = [0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 0x88];
        assert_eq!(keyframe(VideoCodec::H264, &stap), Some(true));
        assert_eq!(proven_codec(&stap), Some(VideoCodec::H264));
        assert_eq!(keyframe(VideoCodec::H264, &stap[..8]), None, "parameter sets only");
        assert_eq!(keyframe(VideoCodec::H264, &stap[..11]), None, "cut");
        assert_eq!(proven_codec(&stap[..11]), None, "sizes do not add up");
        assert_eq!(keyframe(VideoCodec::H264, &[0x65, 0x88]), Some(true));
        assert_eq!(keyframe(VideoCodec::H264, &[0x41, 0x9a]), Some(false));
        assert_eq!(keyframe(VideoCodec::H264, &[0x7c, 0x85, 1]), Some(true));
        assert_eq!(keyframe(VideoCodec::H264, &[0x7c, 0x81, 1]), Some(false));
        assert_eq!(keyframe(VideoCodec::H264, &[0x7c, 0x05, 1]), None, "continues");
        assert_eq!(keyframe(VideoCodec::H264, &[0x79, 0, 1, 0, 1, 0x65]), Some(true));
    }

    #[test]
    fn the_aggregate_on_which_the_rtp_crate_panics_says_nothing() {
        assert_eq!(keyframe(VideoCodec::H264, &[0x18, 0, 0, 0]), None);
        assert_eq!(proven_codec(&[0x18, 0, 0, 0]), None);
    }

    #[test]
    fn h265_tells_by_random_access_pictures() {
        assert_eq!(keyframe(VideoCodec::H265, &[0x26, 0x01, 0xaf]), Some(true), "IDR_W_RADL");
        assert_eq!(keyframe(VideoCodec::H265, &[0x02, 0x01, 0xd0]), Some(false), "TRAIL_R");
        assert_eq!(keyframe(VideoCodec::H265, &[0x40, 0x01, 0x0c]), None, "VPS");
        assert_eq!(keyframe(VideoCodec::H265, &[0x62, 0x01, 0x93]), Some(true), "fragment start");
        assert_eq!(keyframe(VideoCodec::H265, &[0x62, 0x01, 0x13]), None, "fragment middle");
        assert_eq!(keyframe(VideoCodec::H265, &[0x60, 0x01, 0, 2, 0x40, 1, 0, 2, 0x26, 1]), Some(true));
    }

    #[test]
    fn av1_tells_by_the_new_sequence_bit_or_the_frame_header() {
        assert_eq!(keyframe(VideoCodec::Av1, &[0x18, 0x0a, 0x0b]), Some(true), "N set");
        assert_eq!(keyframe(VideoCodec::Av1, &[0x90, 0x00]), None, "Z set");
        assert_eq!(keyframe(VideoCodec::Av1, &[0x10, 0x30, 0x20]), Some(false), "inter frame");
        assert_eq!(keyframe(VideoCodec::Av1, &[0x20, 0x03, 0x34, 0x00, 0x20]), Some(false), "length and extension");
        assert_eq!(keyframe(VideoCodec::Av1, &[0x10, 0x0a, 0x0b]), None, "sequence header");
        assert_eq!(keyframe(VideoCodec::Av1, &[0x10, 0x32, 0x80, 0x01, 0x00]), Some(true), "with its size");
    }

    #[test]
    fn encodings_are_found_in_any_case() {
        assert_eq!(VideoCodec::of_encoding("h264"), Some(VideoCodec::H264));
        assert_eq!(VideoCodec::of_encoding("VP7"), None);
    }

    #[test]
    fn short_and_random_payloads_never_panic() {
        let mut state = 7_u32;
        for round in 0..4000 {
            let payload: Vec<u8> = (0..round % 24)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1] {
                let _ = keyframe(codec, &payload);
            }
            assert_eq!(proven_codec(&payload), None);
        }
    }
}
