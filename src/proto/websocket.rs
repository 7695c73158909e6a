//! WebSocket frames (RFC 6455, section 5.2) and the offer of compression (RFC 7692).
//!
//! In: the bytes of a stream that [`frame`] cuts. Out: a borrowed [`WebsocketFrame`].
//! Never: messages put together of frames, or inflated; both need memory of what came before.
#![forbid(unsafe_code)]

use super::framing::{Frame, MAX_BODY, Need, sized};

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with the message of the frame before.
    Continuation,
    /// Begins a text.
    Text,
    /// Begins bytes.
    Binary,
    /// Closes.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// True for a frame that may stand between those of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    is_final: bool,
    is_compressed: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    /// Bytes of the head.
    length: usize,
    payload: u64,
}

impl Head {
    /// `Ok(None)` where more bytes have to come, and how many; `Err` where it is no frame.
    fn parse(bytes: &[u8]) -> Result<Result<Self, usize>, ()> {
        let [first, second, rest @ ..] = bytes else { return Ok(Err(2)) };
        // Nothing in use has a meaning for the other two reserved bits.
        if first & 0x30 != 0 {
            return Err(());
        }
        let opcode = Opcode::of(first & 0xf).ok_or(())?;
        let (is_final, is_compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        let short = second & 0x7f;
        if opcode.is_control() && (!is_final || is_compressed || short > 125) {
            return Err(());
        }
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let length = 2 + wide + if masked { 4 } else { 0 };
        if bytes.len() < length {
            return Ok(Err(length));
        }
        let (number, mask) = rest.split_at_checked(wide).ok_or(())?;
        let payload = match wide {
            0 => u64::from(short),
            _ => number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        // The shortest form has to be used, and the first bit has to be 0.
        let least = [0, 126, 1 << 16][if wide == 8 { 2 } else { wide / 2 }];
        if payload < least || payload >> 63 != 0 {
            return Err(());
        }
        let mask = mask.first_chunk().filter(|_| masked).copied();
        Ok(Ok(Self { is_final, is_compressed, opcode, mask, length, payload }))
    }
}

/// The bytes that the first frame of a stream takes.
pub fn frame(bytes: &[u8]) -> Frame {
    match Head::parse(bytes) {
        Ok(Ok(head)) => {
            let payload = usize::try_from(head.payload).unwrap_or(usize::MAX);
            sized(head.length, payload, bytes.len())
        }
        Ok(Err(need)) => Frame::NeedMore(Need::Bytes(need)),
        Err(()) => Frame::NotThis,
    }
}

/// The length on the wire of a frame that is too long to be read, so that a caller can step over it.
pub fn oversized(bytes: &[u8]) -> Option<u64> {
    let head = Head::parse(bytes).ok()?.ok()?;
    (head.payload > MAX_BODY as u64).then(|| head.length as u64 + head.payload)
}

/// True where whole frames follow each other up to the very end, the first of which begins a message in JSON or closes,
/// pings or pongs: a capture that began within a connection knows it by that.
pub fn looks_like_frames(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Frame::Complete(length) = frame(rest) {
        rest = rest.get(length..).unwrap_or_default();
        if rest.is_empty() {
            let Some(first) = WebsocketFrame::parse(bytes) else { return false };
            let start = first.payload().first().copied();
            return first.opcode == Opcode::Text && !first.is_compressed && matches!(start, Some(b'{' | b'['));
        }
    }
    false
}

/// True where whole frames follow each other up to the very end.
pub fn are_whole_frames(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Frame::Complete(length) = frame(rest) {
        rest = rest.get(length..).unwrap_or_default();
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebsocketFrame<'a> {
    /// The last of its message.
    pub is_final: bool,
    /// RSV1: the message is compressed (RFC 7692, section 6).
    pub is_compressed: bool,
    /// What it is.
    pub opcode: Opcode,
    mask: Option<[u8; 4]>,
    masked: &'a [u8],
}

impl<'a> WebsocketFrame<'a> {
    /// Reads a frame that [`frame`] cut, or what is there of one. `None` where it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = Head::parse(bytes).ok()?.ok()?;
        let rest = bytes.get(head.length..)?;
        let length = usize::try_from(head.payload).unwrap_or(usize::MAX);
        let masked = rest.get(..length).unwrap_or(rest);
        Some(Self {
            is_final: head.is_final,
            is_compressed: head.is_compressed,
            opcode: head.opcode,
            mask: head.mask,
            masked,
        })
    }

    /// The payload without its mask (RFC 6455, section 5.3).
    pub fn payload(&self) -> Vec<u8> {
        match self.mask {
            Some(mask) => self.masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect(),
            None => self.masked.to_vec(),
        }
    }
}

/// What two ends agreed on for compression, from the Sec-WebSocket-Extensions of the 101 (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflate {
    /// Each message of the server is compressed by itself.
    pub server_no_context_takeover: bool,
    /// Each message of the client is.
    pub client_no_context_takeover: bool,
}

impl Deflate {
    /// Reads the header; none where compression was not agreed on.
    pub fn parse(extensions: &str) -> Option<Self> {
        let mut words = extensions
            .split(',')
            .map(|extension| extension.split(';').map(str::trim_ascii))
            .find_map(|mut words| words.next()?.eq_ignore_ascii_case("permessage-deflate").then_some(words))?;
        let mut agreed = Self::default();
        words.by_ref().for_each(|word| {
            agreed.server_no_context_takeover |= word.eq_ignore_ascii_case("server_no_context_takeover");
            agreed.client_no_context_takeover |= word.eq_ignore_ascii_case("client_no_context_takeover");
        });
        Some(agreed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::framing::tests::assert_needs_are_honest;

    /// RFC 6455, section 5.7: "Hello", as a server and as a client sends it.
    const HELLO: &[u8] = b"\x81\x05Hello";
    const MASKED_HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for bytes in [HELLO, MASKED_HELLO] {
            assert_eq!(frame(&[bytes, b"\x89"].concat()), Frame::Complete(bytes.len()));
            let message = WebsocketFrame::parse(bytes).unwrap();
            assert_eq!((message.opcode, message.is_final, message.is_compressed), (Opcode::Text, true, false));
            assert_eq!(message.payload(), b"Hello");
        }
        let parts = [&b"\x01\x03Hel"[..], b"\x80\x02lo"].map(|bytes| WebsocketFrame::parse(bytes).unwrap());
        assert_eq!((parts[0].is_final, parts[1].is_final), (false, true));
        assert_eq!((parts[0].opcode, parts[1].opcode), (Opcode::Text, Opcode::Continuation));
        assert_eq!(WebsocketFrame::parse(b"\x89\x05Hello").unwrap().opcode, Opcode::Ping);
    }

    #[test]
    fn longer_lengths_are_read_and_have_to_be_needed() {
        let of = |head: &[u8], length: usize| frame(&[head, &vec![0; length]].concat());
        assert_eq!(of(b"\x82\x7e\x01\x00", 256), Frame::Complete(260));
        assert_eq!(of(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 65536), Frame::Complete(65546));
        assert_eq!(of(b"\x82\x7e\x00\x7d", 125), Frame::NotThis);
        assert_eq!(of(b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 65535), Frame::NotThis);
        assert_eq!(of(b"\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00", 9), Frame::NotThis);
    }

    #[test]
    fn what_is_too_long_is_stepped_over() {
        let head = b"\x82\xff\x00\x00\x00\x00\x00\x20\x00\x00mask";
        assert_eq!((frame(head), oversized(head)), (Frame::NotThis, Some(14 + (2 << 20))));
        assert_eq!(oversized(HELLO), None);
        assert_eq!(oversized(b"\x83\x05Hello"), None);
    }

    #[test]
    fn other_bytes_are_no_frame() {
        for bytes in [&b"\xa1\x05Hello"[..], b"\x83\x05Hello", b"\x09\x05Hello", b"\x89\x7e\x01\x00", b"\xc9\x00"] {
            assert_eq!(frame(bytes), Frame::NotThis, "{bytes:?}");
            assert_eq!(WebsocketFrame::parse(bytes), None);
        }
    }

    #[test]
    fn every_truncation_needs_more_and_is_read_as_far_as_it_goes() {
        for whole in [HELLO, MASKED_HELLO, &[&b"\x82\xfe\x01\x00mask"[..], &[7; 256]].concat()] {
            assert_needs_are_honest(frame, whole);
            let payload = WebsocketFrame::parse(whole).unwrap().payload();
            for length in 0..whole.len() {
                let cut = WebsocketFrame::parse(&whole[..length]);
                assert!(cut.is_none_or(|cut| payload.starts_with(&cut.payload())), "{length}");
            }
        }
    }

    #[test]
    fn frames_in_the_middle_of_a_connection_are_known_by_json_and_their_end() {
        let json = b"\x81\x02{}";
        assert!(looks_like_frames(json));
        assert!(looks_like_frames(&[&json[..], HELLO].concat()));
        assert!(!looks_like_frames(HELLO));
        assert!(!looks_like_frames(&json[..3]));
        assert!(!looks_like_frames(&[&json[..], b"\x81"].concat()));
        assert!(are_whole_frames(MASKED_HELLO) && !are_whole_frames(&MASKED_HELLO[1..]) && !are_whole_frames(b""));
    }

    #[test]
    fn compression_is_what_the_server_granted() {
        let context =
            |server, client| Some(Deflate { server_no_context_takeover: server, client_no_context_takeover: client });
        assert_eq!(Deflate::parse("permessage-deflate"), context(false, false));
        assert_eq!(
            Deflate::parse("x-other, Permessage-Deflate; server_max_window_bits=10; client_no_context_takeover"),
            context(false, true)
        );
        assert_eq!(Deflate::parse("permessage-deflate;server_no_context_takeover"), context(true, false));
        assert_eq!(Deflate::parse("x-webkit-deflate-frame"), None);
    }

    #[test]
    fn garbage_is_read_without_a_panic() {
        let garbage = crate::proto::dtls::vectors::garbage(11, 4000);
        for start in 0..garbage.len() {
            let bytes = &garbage[start..(start + 40).min(garbage.len())];
            if let Frame::Complete(length) = frame(bytes) {
                assert!((2..=bytes.len()).contains(&length));
            }
            let payload = WebsocketFrame::parse(bytes).map_or(0, |frame| frame.payload().len());
            assert!(payload <= bytes.len());
            let _ = (looks_like_frames(bytes), oversized(bytes));
        }
    }
}
