//! What a datagram is, from its first byte and a look at its structure (RFC 7983, updated by RFC 9443; RFC 5761).
//!
//! In: the payload of one datagram, or what travelled inside a TURN channel. Out: a [`Class`]. Never: a verdict that needs
//! the datagram before it, a look further into the payload than the headers, except for text.
//!
//! The first byte proposes, the structure confirms. Where one datagram cannot confirm (RTP, QUIC short headers, DTLS 1.3
//! without a length), the model asks the flow.

#![forbid(unsafe_code)]

use crate::proto::stun;

/// The protocol of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// RFC 8489: the magic cookie is there. Or RFC 3489: it is not, but everything else agrees.
    Stun,
    /// RFC 6189: its own magic cookie is there.
    Zrtp,
    /// DTLS: a record header with a version and a length that fit, of 1.0, 1.2 or 1.3.
    Dtls,
    /// Perhaps a record of DTLS 1.3 (RFC 9147, section 4): its header says neither version nor length, or has a connection
    /// id of a length that only the handshake tells.
    ProposedDtls,
    /// ChannelData of TURN (RFC 8656, section 12) whose length fits the datagram.
    TurnChannel,
    /// A QUIC long header with a known version and connection ids that fit (RFC 9000, section 17.2).
    QuicLong,
    /// Perhaps a QUIC short header (RFC 9000, section 17.3), which has nothing to check.
    ProposedQuicShort,
    /// Perhaps RTP or SRTP: the header fits (RFC 3550, section 5.1).
    Rtp,
    /// RTCP or SRTCP: the length of the first packet fits (RFC 3550, section 6.1).
    Rtcp,
    /// A SIP request or status line (RFC 3261, section 7).
    Sip,
    /// An RTSP request or status line (RFC 7826, section 5; RFC 2326, section 6).
    Rtsp,
    /// A SAP announcement that carries SDP (RFC 2974).
    Sap,
    /// None of these, and why.
    Unknown(Reason),
}

/// Why a datagram was not taken for what its first byte proposes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// No byte at all.
    Empty,
    /// Fewer bytes than the shortest header of what the first byte proposes.
    TooShort,
    /// A first byte that RFC 9443 gives to nobody.
    FirstByte,
    /// Line ends and nothing else: a keep-alive (RFC 5626, section 4.4.1).
    KeepAlive,
    /// A start line of another textual protocol, such as HTTP.
    OtherText,
    /// First byte of STUN; neither the cookie nor a complete message of RFC 3489.
    NotStun,
    /// First byte of ZRTP without its cookie.
    NotZrtp,
    /// First byte of DTLS; content type or version is none.
    DtlsHeader,
    /// A DTLS record longer than the datagram, or too short to be encrypted.
    DtlsLength,
    /// Channel number of TURN; the length does not fit.
    ChannelLength,
    /// A QUIC version that is not known.
    QuicVersion,
    /// QUIC connection ids longer than allowed or than the datagram.
    QuicConnectionId,
    /// RTP contributing sources or header extension longer than the datagram.
    RtpHeader,
    /// An RTCP packet longer than the datagram, or shorter than its report blocks.
    RtcpLength,
}

impl Reason {
    /// In a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooShort => "shorter than a header",
            Self::FirstByte => "first byte of no protocol",
            Self::KeepAlive => "line-end keep-alive",
            Self::OtherText => "text of another protocol",
            Self::NotStun => "STUN byte without STUN",
            Self::NotZrtp => "ZRTP byte without its cookie",
            Self::DtlsHeader => "DTLS byte without type and version",
            Self::DtlsLength => "DTLS length does not fit",
            Self::ChannelLength => "channel number with a length that does not fit",
            Self::QuicVersion => "QUIC version not known",
            Self::QuicConnectionId => "QUIC connection ids do not fit",
            Self::RtpHeader => "RTP header does not fit",
            Self::RtcpLength => "RTCP length does not fit",
        }
    }
}

/// Classifies a datagram that was captured in full.
#[inline]
pub fn classify(payload: &[u8]) -> Class {
    classify_cut(payload, 0)
}

/// Classifies a datagram of which the capture lacks the last `missing` bytes: lengths are held against what was on the
/// wire, headers against what is there.
#[inline]
pub fn classify_cut(payload: &[u8], missing: u32) -> Class {
    let Some(&first) = payload.first() else {
        return Class::Unknown(Reason::Empty);
    };
    let wire = payload.len().saturating_add(missing as usize);
    match first {
        128..=191 => rtp_or_rtcp(payload, wire),
        64..=127 => channel_or_text(payload, wire),
        0..=3 => stun(payload, wire),
        20..=31 => dtls_record(payload, wire),
        32..=63 => dtls_unified(payload, wire),
        192..=255 => quic_long(payload, wire),
        16..=19 => zrtp(payload),
        4..=15 => unassigned(payload, wire),
    }
}

/// True for a datagram, captured in full, that [`classify`] takes for RTP.
#[inline(always)]
pub fn is_rtp(payload: &[u8]) -> bool {
    let Some(&[first, second, ..]) = payload.first_chunk::<12>() else { return false };
    // Neither contributing sources nor an extension: nothing more to look at.
    let plain = first & 0xdf == 0x80 && second & 0xe0 != 0xc0;
    plain || classify(payload) == Class::Rtp
}

/// The bytes at `offset` as a number of 16 bits.
#[inline]
fn u16_at(payload: &[u8], offset: usize) -> Option<u16> {
    payload.get(offset..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The bytes at `offset` as a number of 32 bits.
#[inline]
fn u32_at(payload: &[u8], offset: usize) -> Option<u32> {
    payload.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
}

#[inline]
fn rtp_or_rtcp(payload: &[u8], wire: usize) -> Class {
    // RFC 5761, section 4: packet types 192 to 223 are where RTP would have the marker and payload types 64 to 95.
    match payload.get(1) {
        Some(192..=223) => rtcp(payload, wire),
        _ => rtp(payload, wire),
    }
}

/// RFC 3550, section 5.1. Padding is not looked at: in SRTP its count is encrypted.
#[inline]
fn rtp(payload: &[u8], wire: usize) -> Class {
    let Some(&[first, ..]) = payload.first_chunk::<12>() else {
        return Class::Unknown(Reason::TooShort);
    };
    let sources_end = 12 + 4 * usize::from(first & 0x0f);
    let end = if first & 0x10 == 0 {
        sources_end
    } else {
        // Not captured, the length of the extension counts as zero.
        sources_end + 4 + 4 * usize::from(u16_at(payload, sources_end + 2).unwrap_or(0))
    };
    if end <= wire { Class::Rtp } else { Class::Unknown(Reason::RtpHeader) }
}

/// RFC 3550, sections 6.1 and 6.4. The first header is in the clear in SRTCP too, and what follows is at least as long.
#[inline]
fn rtcp(payload: &[u8], wire: usize) -> Class {
    let Some(&[first, packet_type, high, low]) = payload.first_chunk::<4>() else {
        return Class::Unknown(Reason::TooShort);
    };
    let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
    let blocks = 24 * usize::from(first & 0x1f);
    let least = match packet_type {
        200 => 28 + blocks,
        201 => 8 + blocks,
        _ => 4,
    };
    if least <= len && len <= wire { Class::Rtcp } else { Class::Unknown(Reason::RtcpLength) }
}

#[inline]
fn stun(payload: &[u8], wire: usize) -> Class {
    if payload.len() < stun::HEADER_LEN {
        return Class::Unknown(Reason::TooShort);
    }
    if u32_at(payload, 4) == Some(stun::MAGIC_COOKIE) {
        return Class::Stun;
    }
    rfc3489(payload, wire)
}

#[cold]
fn rfc3489(payload: &[u8], wire: usize) -> Class {
    if payload.len() == wire && stun::Message::parse(payload).is_ok() {
        Class::Stun
    } else {
        Class::Unknown(Reason::NotStun)
    }
}

/// RFC 6189, section 5: the cookie is `ZRTP`.
fn zrtp(payload: &[u8]) -> Class {
    match u32_at(payload, 4) {
        Some(0x5a52_5450) => Class::Zrtp,
        Some(_) => Class::Unknown(Reason::NotZrtp),
        None => Class::Unknown(Reason::TooShort),
    }
}

/// A record header with version, epoch and length (RFC 6347, section 4.1; RFC 9146, section 4; RFC 9147, section 4).
#[inline]
fn dtls_record(payload: &[u8], wire: usize) -> Class {
    /// Content type of a record with a connection id (RFC 9146, section 4), whose length only the handshake tells.
    const TLS12_CID: u8 = 25;
    let Some(&[content_type, major, minor, .., high, low]) = payload.first_chunk::<13>() else {
        return Class::Unknown(Reason::TooShort);
    };
    // 1.0, 1.2, and 1.3 where somebody writes it here against RFC 9147, section 5.3; 0x0100 is a draft of OpenSSL's time
    // that AnyConnect still speaks.
    let version = matches!([major, minor], [0xfe, 0xff | 0xfd | 0xfc] | [0x01, 0x00]);
    // Change cipher spec, alert, handshake, application data, heartbeat, tls12_cid, ACK.
    if !version || content_type > 26 {
        return Class::Unknown(Reason::DtlsHeader);
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    if content_type == TLS12_CID || 13 + len <= wire { Class::Dtls } else { Class::Unknown(Reason::DtlsLength) }
}

/// The shortest encrypted record of DTLS 1.3: sequence numbers are encrypted with 16 bytes of it (RFC 9147, section 4.2.3).
const LEAST_RECORD: usize = 16;

/// The unified header of DTLS 1.3: `001CSLEE` (RFC 9147, section 4, figure 3).
#[inline]
fn dtls_unified(payload: &[u8], wire: usize) -> Class {
    let first = payload.first().copied().unwrap_or(0);
    // What is R, E and C in SAP is set in nearly every DTLS 1.3 record: its sequence number has 16 bits.
    if first & 0x0b == 0 && is_sap(payload) {
        return Class::Sap;
    }
    let connection_id = first & 0x10 != 0;
    let sequence_end = if first & 0x08 != 0 { 3 } else { 2 };
    let has_length = first & 0x04 != 0;
    if connection_id || !has_length {
        let plausible = sequence_end + LEAST_RECORD <= wire;
        return if plausible { Class::ProposedDtls } else { Class::Unknown(Reason::DtlsLength) };
    }
    dtls_records(payload, wire)
}

/// Records that say how long they are, one after the other: unified headers with a length, and those of before DTLS 1.3.
/// One length that is not too large proves little, since one in ten of random bytes has it; an end just where the
/// datagram ends proves much. A last record without a length, or one with a connection id, leaves it open.
fn dtls_records(payload: &[u8], wire: usize) -> Class {
    let mut end = 0;
    while end < wire {
        let rest = payload.get(end..).unwrap_or_default();
        let (least, length_at) = match rest.first() {
            Some(20..=26) => (1, 11),
            Some(first @ 32..=63) if first & 0x14 == 0x04 => (LEAST_RECORD, if first & 0x08 != 0 { 3 } else { 2 }),
            Some(32..=63) if end + 2 + LEAST_RECORD <= wire => return Class::ProposedDtls,
            // What the snap length cut off is taken for granted.
            None => return Class::Dtls,
            Some(_) => return Class::Unknown(Reason::DtlsLength),
        };
        let Some(len) = u16_at(rest, length_at).map(usize::from) else {
            return Class::Unknown(if end == 0 { Reason::TooShort } else { Reason::DtlsLength });
        };
        end += length_at + 2 + len;
        if len < least || end > wire {
            return Class::Unknown(Reason::DtlsLength);
        }
    }
    Class::Dtls
}

/// RFC 2974, sections 3 and 6: version 1, neither encrypted nor compressed, and SDP behind the header.
fn is_sap(payload: &[u8]) -> bool {
    let Some(&[first, authentication_words, ..]) = payload.first_chunk::<4>() else {
        return false;
    };
    let source = if first & 0x10 == 0 { 4 } else { 16 };
    let start = 4 + source + 4 * usize::from(authentication_words);
    let rest = payload.get(start..).unwrap_or_default();
    rest.starts_with(b"v=0") || rest.starts_with(b"application/sdp\0")
}

#[inline]
fn channel_or_text(payload: &[u8], wire: usize) -> Class {
    let Some(&[first, second, high, low]) = payload.first_chunk::<4>() else {
        return Class::Unknown(Reason::TooShort);
    };
    // The shortest method and the versions start with three capitals.
    let capitals = first.is_ascii_uppercase() && second.is_ascii_uppercase() && high.is_ascii_uppercase();
    if capitals && let Some(class) = text(payload, wire) {
        return class;
    }
    let end = 4 + usize::from(u16::from_be_bytes([high, low]));
    if wire == end || wire == end.next_multiple_of(4) {
        // Above 0x4fff it is a number of RFC 5766. RFC 9443 gives the byte to QUIC, whose short header hits upon a fitting
        // length once in 16,000.
        return Class::TurnChannel;
    }
    if first < 80 {
        return Class::Unknown(Reason::ChannelLength);
    }
    // RFC 9000, section 10.3: nothing shorter is sent, so that it cannot be told from a stateless reset.
    if wire < 21 { Class::Unknown(Reason::TooShort) } else { Class::ProposedQuicShort }
}

/// A start line, or `None`.
#[cold]
fn text(payload: &[u8], wire: usize) -> Option<Class> {
    /// More than any method; RFC 3261 sets no bound.
    const METHOD: usize = 32;
    /// A start line with a long URI fits.
    const LINE: usize = 2048;
    if payload.starts_with(b"SIP/2.0 ") {
        return Some(Class::Sip);
    }
    if payload.starts_with(b"RTSP/1.0 ") || payload.starts_with(b"RTSP/2.0 ") {
        return Some(Class::Rtsp);
    }
    if payload.starts_with(b"HTTP/1.") {
        return Some(Class::Unknown(Reason::OtherText));
    }
    let head = payload.get(..METHOD).unwrap_or(payload);
    let space = head.iter().position(|byte| !(byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-')))?;
    if head.get(space) != Some(&b' ') {
        return None;
    }
    let head = payload.get(..LINE).unwrap_or(payload);
    let Some(end) = head.iter().position(|&byte| byte == b'\n') else {
        return if wire > payload.len() { scheme(payload.get(space + 1..)?) } else { None };
    };
    let line = head.get(..end)?.trim_ascii_end();
    if line.ends_with(b" SIP/2.0") {
        Some(Class::Sip)
    } else if line.ends_with(b" RTSP/1.0") || line.ends_with(b" RTSP/2.0") {
        Some(Class::Rtsp)
    } else if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") {
        Some(Class::Unknown(Reason::OtherText))
    } else {
        None
    }
}

/// What a request is by the URI behind its method, where the capture cut the line.
fn scheme(uri: &[u8]) -> Option<Class> {
    if [&b"sip:"[..], b"sips:", b"tel:"].iter().any(|scheme| uri.starts_with(scheme)) {
        Some(Class::Sip)
    } else if uri.starts_with(b"rtsp") {
        Some(Class::Rtsp)
    } else {
        None
    }
}

/// RFC 9000, section 17.2, and what RFC 8999 keeps for all versions.
fn quic_long(payload: &[u8], wire: usize) -> Class {
    let Some(version) = u32_at(payload, 1) else {
        return Class::Unknown(Reason::TooShort);
    };
    match connection_ids_end(payload, version) {
        None => Class::Unknown(Reason::QuicVersion),
        Some(end) if end <= wire => Class::QuicLong,
        Some(_) => Class::Unknown(Reason::QuicConnectionId),
    }
}

/// Where the connection ids of a long header end; `None` for an unknown version, a number beyond any datagram for an id
/// longer than the 20 bytes of RFC 9000, section 17.2.
fn connection_ids_end(payload: &[u8], version: u32) -> Option<usize> {
    const TOO_LONG: usize = usize::MAX;
    let nibbles = match version {
        // Version negotiation, RFC 9000, RFC 9369.
        0 | 1 | 0x6b33_43cf => false,
        // Drafts of RFC 9000; up to 21 both lengths share a byte.
        0xff00_0000..=0xff00_00ff => version < 0xff00_0016,
        // mvfst of Facebook.
        0xface_b000..=0xface_b00f => false,
        // Google QUIC Q046 to Q099 and T050 to T099; up to Q049 both lengths share a byte.
        0x5130_3436..=0x5130_3439 => true,
        0x5130_3530..=0x5130_3939 | 0x5430_3530..=0x5430_3939 => false,
        // RFC 9000, section 15: reserved to force version negotiation.
        _ if version & 0x0f0f_0f0f == 0x0a0a_0a0a => false,
        _ => return None,
    };
    let Some(&first_len) = payload.get(5) else {
        return Some(TOO_LONG);
    };
    if nibbles {
        let len = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
        return Some(6 + len(first_len >> 4) + len(first_len & 0x0f));
    }
    let second_at = 6 + usize::from(first_len);
    match payload.get(second_at) {
        Some(&second_len) if first_len <= 20 && second_len <= 20 => Some(second_at + 1 + usize::from(second_len)),
        _ => Some(TOO_LONG),
    }
}

/// First bytes that no protocol has; a line end may be a keep-alive, or stand before a SIP message (RFC 3261, section 7.5).
#[cold]
fn unassigned(payload: &[u8], wire: usize) -> Class {
    if !matches!(payload.first(), Some(b'\r' | b'\n')) {
        return Class::Unknown(Reason::FirstByte);
    }
    let skipped = payload.iter().take(8).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = payload.get(skipped..).unwrap_or_default();
    if rest.is_empty() {
        return Class::Unknown(Reason::KeepAlive);
    }
    match text(rest, wire - skipped) {
        Some(class) => class,
        None => Class::Unknown(Reason::FirstByte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `start`, then zeros up to `len` bytes.
    fn padded(start: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(len, 0);
        bytes
    }

    #[test]
    fn stun_needs_its_cookie_or_an_exact_walk() {
        let with_cookie = padded(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1], 20);
        assert_eq!(classify(&with_cookie), Class::Stun);
        let rfc3489 = padded(&[0, 1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 3, 0, 4], 28);
        assert_eq!(classify(&rfc3489), Class::Stun);
        assert_eq!(classify(&rfc3489[..27]), Class::Unknown(Reason::NotStun));
        assert_eq!(classify_cut(&rfc3489[..24], 4), Class::Unknown(Reason::NotStun));
        assert_eq!(classify(&with_cookie[..19]), Class::Unknown(Reason::TooShort));
    }

    #[test]
    fn a_stun_message_with_broken_attributes_or_cut_is_still_stun() {
        let bytes =
            padded(&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 6, 0xff, 0xff], 28);
        assert_eq!(classify(&bytes), Class::Stun);
        assert_eq!(classify_cut(&bytes[..20], 8), Class::Stun);
    }

    #[test]
    fn zrtp_is_known_by_its_cookie() {
        assert_eq!(classify(&padded(&[0x10, 0, 0, 1, 0x5a, 0x52, 0x54, 0x50], 28)), Class::Zrtp);
        assert_eq!(classify(&padded(&[0x10, 0, 0, 1], 28)), Class::Unknown(Reason::NotZrtp));
    }

    #[test]
    fn a_dtls_record_has_a_version_and_fits() {
        for version in [[0xfe, 0xfd], [0xfe, 0xff], [0xfe, 0xfc], [0x01, 0x00]] {
            let bytes = padded(&[22, version[0], version[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], 18);
            assert_eq!(classify(&bytes), Class::Dtls);
            assert_eq!(classify(&bytes[..17]), Class::Unknown(Reason::DtlsLength));
            assert_eq!(classify_cut(&bytes[..13], 5), Class::Dtls);
            assert_eq!(classify(&bytes[..12]), Class::Unknown(Reason::TooShort));
        }
        // TLS over UDP is not DTLS.
        assert_eq!(classify(&padded(&[22, 3, 1], 18)), Class::Unknown(Reason::DtlsHeader));
        assert_eq!(classify(&padded(&[27, 0xfe, 0xfd], 18)), Class::Unknown(Reason::DtlsHeader));
        assert_eq!(classify(&padded(&[25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0xcc, 0xcc, 0, 4], 19)), Class::Dtls);
    }

    #[test]
    fn dtls_1_3_with_a_length_is_confirmed_and_without_only_proposed() {
        let with_length = padded(&[0x2f, 0xab, 0xcd, 0, 20], 25);
        assert_eq!(classify(&with_length), Class::Dtls);
        let two = [&with_length[..], &with_length[..]].concat();
        assert_eq!(classify(&two), Class::Dtls);
        let followed = [&with_length[..], &[0x80]].concat();
        assert_eq!(classify(&followed), Class::Unknown(Reason::DtlsLength));
        assert_eq!(classify(&with_length[..24]), Class::Unknown(Reason::DtlsLength));
        assert_eq!(classify(&padded(&[0x2f, 0xab, 0xcd, 0, 15], 20)), Class::Unknown(Reason::DtlsLength));
        assert_eq!(classify(&padded(&[0x2a, 0xab, 0xcd], 19)), Class::ProposedDtls);
        assert_eq!(classify(&padded(&[0x2a, 0xab, 0xcd], 18)), Class::Unknown(Reason::DtlsLength));
        assert_eq!(classify(&padded(&[0x3f, 0xab, 0xcd], 40)), Class::ProposedDtls);
    }

    #[test]
    fn sap_is_known_by_the_sdp_behind_its_header() {
        let header = [0x20, 1, 0x12, 0x34, 192, 0, 2, 1, 0xaa, 0xaa, 0xaa, 0xaa];
        let typed = [&header[..], b"application/sdp\0v=0\r\n"].concat();
        assert_eq!(classify(&typed), Class::Sap);
        let untyped = [&header[..], b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"].concat();
        assert_eq!(classify(&untyped), Class::Sap);
        assert_eq!(classify(&padded(&header, 40)), Class::ProposedDtls);
    }

    #[test]
    fn channel_data_fits_its_datagram_but_for_padding() {
        for (len, class) in [
            (8, Class::Unknown(Reason::ChannelLength)),
            (9, Class::TurnChannel),
            (10, Class::Unknown(Reason::ChannelLength)),
            (12, Class::TurnChannel),
            (13, Class::Unknown(Reason::ChannelLength)),
            (16, Class::Unknown(Reason::ChannelLength)),
        ] {
            assert_eq!(classify(&padded(&[0x40, 0x01, 0, 5], len)), class, "{len} bytes");
        }
        assert_eq!(classify_cut(&[0x40, 0x01, 0, 4], 4), Class::TurnChannel);
        assert_eq!(classify(&padded(&[0x7f, 0xff, 0, 4], 8)), Class::TurnChannel);
    }

    #[test]
    fn sip_and_rtsp_win_over_channels_and_quic() {
        for (line, class) in [
            ("INVITE sip:bob@example.org SIP/2.0\r\nVia: x\r\n", Class::Sip),
            ("ACK sip:bob@example.org SIP/2.0\n", Class::Sip),
            ("SIP/2.0 200 OK\r\n", Class::Sip),
            ("DESCRIBE rtsp://example.org/a RTSP/1.0\r\n", Class::Rtsp),
            ("GET_PARAMETER * RTSP/2.0\r\n", Class::Rtsp),
            ("RTSP/1.0 200 OK\r\n", Class::Rtsp),
            ("NOTIFY * HTTP/1.1\r\n", Class::Unknown(Reason::OtherText)),
            ("HTTP/1.1 200 OK\r\n", Class::Unknown(Reason::OtherText)),
            ("\r\n\r\nOPTIONS sip:example.org SIP/2.0\r\n", Class::Sip),
            ("\r\n\r\n", Class::Unknown(Reason::KeepAlive)),
        ] {
            assert_eq!(classify(line.as_bytes()), class, "{line:?}");
        }
    }

    #[test]
    fn a_start_line_that_the_capture_cut_is_known_by_its_uri() {
        let line = b"INVITE sip:bob@exam";
        assert_eq!(classify_cut(line, 400), Class::Sip);
        assert_eq!(classify(line), Class::Unknown(Reason::ChannelLength));
        assert_eq!(classify_cut(b"SETUP rtsp://exam", 400), Class::Rtsp);
    }

    #[test]
    fn quic_long_headers_have_a_known_version_and_ids_that_fit() {
        for version in [0_u32, 1, 0x6b33_43cf, 0xff00_001d, 0x5130_3530, 0xface_b002, 0x1a2a_3a4a] {
            let mut bytes = vec![0xc3];
            bytes.extend_from_slice(&version.to_be_bytes());
            bytes.extend_from_slice(&[8, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
            assert_eq!(classify(&bytes), Class::QuicLong, "{version:#x}");
            assert_eq!(classify(&bytes[..14]), Class::Unknown(Reason::QuicConnectionId), "{version:#x}");
        }
        let shared_byte = padded(b"\xc3Q046\x50", 14);
        assert_eq!(classify(&shared_byte), Class::QuicLong);
        assert_eq!(classify(&shared_byte[..13]), Class::Unknown(Reason::QuicConnectionId));
        assert_eq!(classify(&padded(&[0xc3, 0, 0, 0, 1, 21], 60)), Class::Unknown(Reason::QuicConnectionId));
        assert_eq!(classify(&[0xff; 40]), Class::Unknown(Reason::QuicVersion));
        assert_eq!(classify(&[0xff]), Class::Unknown(Reason::TooShort));
    }

    #[test]
    fn a_quic_short_header_is_only_proposed() {
        assert_eq!(classify(&padded(&[0x55, 0xff, 0xff, 0xff], 40)), Class::ProposedQuicShort);
        assert_eq!(classify(&padded(&[0x55, 0xff, 0xff, 0xff], 20)), Class::Unknown(Reason::TooShort));
    }

    #[test]
    fn rtp_has_room_for_its_sources_and_its_extension() {
        assert_eq!(classify(&padded(&[0x80, 0], 12)), Class::Rtp);
        assert_eq!(classify(&padded(&[0x80, 0], 11)), Class::Unknown(Reason::TooShort));
        assert_eq!(classify(&padded(&[0x8f, 0], 72)), Class::Rtp);
        assert_eq!(classify(&padded(&[0x8f, 0], 71)), Class::Unknown(Reason::RtpHeader));
        let mut extended = padded(&[0x91, 0x60], 24);
        extended[16..20].copy_from_slice(&[0xbe, 0xde, 0, 1]);
        assert_eq!(classify(&extended), Class::Rtp);
        assert_eq!(classify(&extended[..23]), Class::Unknown(Reason::RtpHeader));
        assert_eq!(classify_cut(&extended[..14], 10), Class::Rtp);
    }

    #[test]
    fn the_padding_count_of_rtp_does_not_decide() {
        let mut encrypted = padded(&[0xa0, 0x60], 30);
        encrypted[29] = 0xff;
        assert_eq!(classify(&encrypted), Class::Rtp);
    }

    #[test]
    fn rtcp_is_as_long_as_its_blocks_and_no_longer_than_the_datagram() {
        assert_eq!(classify(&padded(&[0x81, 201, 0, 7], 32)), Class::Rtcp);
        assert_eq!(classify(&padded(&[0x81, 201, 0, 7], 46)), Class::Rtcp);
        assert_eq!(classify(&padded(&[0x81, 201, 0, 7], 31)), Class::Unknown(Reason::RtcpLength));
        assert_eq!(classify(&padded(&[0x81, 201, 0, 6], 32)), Class::Unknown(Reason::RtcpLength));
        assert_eq!(classify(&padded(&[0x80, 200, 0, 5], 32)), Class::Unknown(Reason::RtcpLength));
        assert_eq!(classify(&padded(&[0x8f, 205, 0, 2], 12)), Class::Rtcp);
        assert_eq!(classify_cut(&padded(&[0x81, 201, 0, 7], 8), 24), Class::Rtcp);
        // One below and one above the packet types of RTCP is RTP with a marker.
        assert_eq!(classify(&padded(&[0x80, 191], 12)), Class::Rtp);
        assert_eq!(classify(&padded(&[0x80, 224], 12)), Class::Rtp);
    }

    #[test]
    fn bytes_that_nobody_has_are_unknown() {
        assert_eq!(classify(&[]), Class::Unknown(Reason::Empty));
        for first in [4, 12, 15] {
            assert_eq!(classify(&padded(&[first], 40)), Class::Unknown(Reason::FirstByte));
        }
    }

    #[test]
    fn every_start_of_every_length_gets_a_class() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for first in 0..=255_u8 {
            for len in 0..60_usize {
                let mut bytes = vec![first];
                for _ in 0..len {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    bytes.push(state as u8);
                }
                for missing in [0, 7, u32::MAX] {
                    let allowed = match classify_cut(&bytes, missing) {
                        Class::Unknown(_) => true,
                        Class::Stun => first < 4,
                        Class::Zrtp => (16..20).contains(&first),
                        Class::Dtls | Class::ProposedDtls | Class::Sap => (20..64).contains(&first),
                        Class::TurnChannel | Class::Sip | Class::Rtsp => (64..128).contains(&first),
                        Class::ProposedQuicShort => (80..128).contains(&first),
                        Class::Rtp | Class::Rtcp => (128..192).contains(&first),
                        Class::QuicLong => first >= 192,
                    };
                    assert!(allowed, "{bytes:02x?}");
                }
            }
        }
    }
}
