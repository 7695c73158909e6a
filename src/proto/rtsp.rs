//! RTSP (RFC 2326, and 2.0 of RFC 7826 as far as it looks alike): messages, Transport headers, interleaved frames.
//!
//! In: the bytes of a stream that [`frame`] cuts. Out: a borrowed [`Message`] or an [`Interleaved`] frame.
//! Never: memory of a SETUP; which channel carries what is for the caller to keep.
#![forbid(unsafe_code)]

pub use super::header::{Header, Headers, Parameters, StartLine};

use super::framing::{Frame, Need, sized};
use super::header::{Head, comma_separated, number, text, with_parameters};
use super::multipart::{ContentType, find_part};
use super::sdp::looks_like_sdp;
use crate::bytes::{ParseError, Reader};

const PROTOCOL: &str = "RTSP/";

/// First byte of an interleaved frame (RFC 2326, section 10.12; RFC 7826, section 14).
const INTERLEAVED_MAGIC: u8 = b'$';

/// An RTP or RTCP packet between RTSP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaved<'a> {
    /// Channel, as the Transport header gave it.
    pub channel: u8,
    /// The packet.
    pub payload: &'a [u8],
}

impl<'a> Interleaved<'a> {
    /// Reads a frame; what stands behind it is left alone. `None` where it is not whole or is no frame.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new("rtsp interleaved", bytes);
        if reader.u8().ok()? != INTERLEAVED_MAGIC {
            return None;
        }
        let (channel, length) = (reader.u8().ok()?, reader.u16().ok()?);
        Some(Self { channel, payload: reader.take(usize::from(length)).ok()? })
    }
}

/// The bytes that the first message, interleaved frame or run of line ends of a stream takes.
pub fn frame(bytes: &[u8]) -> Frame {
    if bytes.first() == Some(&INTERLEAVED_MAGIC) {
        return match bytes {
            [_, _, high, low, ..] => sized(4, usize::from(u16::from_be_bytes([*high, *low])), bytes.len()),
            _ => Frame::NeedMore(Need::Bytes(4)),
        };
    }
    let line_ends = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if line_ends > 0 {
        return Frame::Complete(line_ends);
    }
    match Head::in_stream(bytes, |line| StartLine::parse(line, PROTOCOL).is_some()) {
        // Without a usable Content-Length there is no body (RFC 2326, section 4.4).
        Ok(head) => sized(head.length, content_length(head.headers).flatten().unwrap_or(0), bytes.len()),
        Err(frame) => frame,
    }
}

/// Content-Length: the outer `None` says that it is not there, the inner one that it is no number.
fn content_length(headers: Headers<'_>) -> Option<Option<usize>> {
    headers.value("Content-Length").map(number)
}

/// One RTSP message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Request or status line.
    pub start: StartLine<'a>,
    /// All headers.
    pub headers: Headers<'a>,
    /// The body as far as it is there.
    pub body: &'a [u8],
    /// What is wrong with the head or the length of the body.
    pub error: Option<ParseError>,
}

/// The value of a Session header (RFC 2326, section 12.37).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// Session identifier.
    pub id: &'a str,
    /// Seconds that the server waits for a sign of life.
    pub timeout_s: Option<u32>,
}

impl<'a> Message<'a> {
    /// Reads a message that [`frame`] cut. `None` where the first line is not RTSP's.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = Head::split(bytes);
        let start = StartLine::parse(head.start_line, PROTOCOL)?;
        let content = bytes.get(head.length..).unwrap_or_default();
        let (length, mut error) = match content_length(head.headers) {
            None => (0, None),
            Some(None) => (content.len(), Some(ParseError::invalid("rtsp", 0, "Content-Length is no number"))),
            Some(Some(length)) if length > content.len() => {
                (content.len(), Some(ParseError::short("rtsp body", head.length, length, content.len())))
            }
            Some(Some(length)) => (length, None),
        };
        if !head.complete {
            error = Some(ParseError::short("rtsp", bytes.len(), 1, 0));
        }
        Some(Self { start, headers: head.headers, body: content.get(..length).unwrap_or_default(), error })
    }

    /// CSeq, which ties a response to its request.
    pub fn cseq(&self) -> Option<u32> {
        self.headers.value("CSeq").and_then(number)
    }

    /// Session.
    pub fn session(&self) -> Option<Session<'a>> {
        let (id, parameters) = with_parameters(self.headers.value("Session")?);
        let timeout_s = parameters.value("timeout").and_then(|seconds| number(seconds.as_bytes()));
        Some(Session { id: text(id), timeout_s })
    }

    /// The transports of all Transport headers, most wanted first: several in a request, one in a response.
    pub fn transports(&self) -> impl Iterator<Item = Transport<'a>> + use<'a> {
        self.headers.named(["Transport", "Transport"]).flat_map(comma_separated).map(Transport::parse)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        self.headers.value("Content-Type").map(ContentType::parse)
    }

    /// The session description of a DESCRIBE response or an ANNOUNCE.
    pub fn sdp(&self) -> Option<&'a [u8]> {
        match self.content_type() {
            Some(content_type) => find_part(&content_type, self.body, "application/sdp"),
            None => looks_like_sdp(self.body).then_some(self.body),
        }
        .filter(|sdp| !sdp.is_empty())
    }
}

/// `first-second`, or one number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<T> {
    /// For RTP.
    pub first: T,
    /// For RTCP.
    pub second: Option<T>,
}

/// One transport of a Transport header (RFC 2326, section 12.39).
#[derive(Clone, Copy, Debug)]
pub struct Transport<'a> {
    /// `RTP/AVP`, `RTP/AVP/TCP`, as written.
    pub protocol: &'a str,
    /// True where `multicast` is said; RTSP 1.0 means it also where neither is said, which nobody follows.
    pub multicast: bool,
    /// Ports of the client.
    pub client_port: Option<Pair<u16>>,
    /// Ports of the server.
    pub server_port: Option<Pair<u16>>,
    /// Ports of a multicast session.
    pub port: Option<Pair<u16>>,
    /// Channels of interleaved frames.
    pub interleaved: Option<Pair<u8>>,
    /// SSRC of the sender, hexadecimal on the wire.
    pub ssrc: Option<u32>,
    /// Address that the media come from, where it is not the server's.
    pub source: Option<&'a str>,
    /// Address that the media go to, where it is not the client's.
    pub destination: Option<&'a str>,
    /// All parameters; `dest_addr` and `src_addr` of RTSP 2.0 among them.
    pub parameters: Parameters<'a>,
}

impl<'a> Transport<'a> {
    fn parse(value: &'a [u8]) -> Self {
        let (protocol, parameters) = with_parameters(value);
        // RFC 7826, section 18.54, allows several SSRCs, separated by slashes: the first is the first stream's.
        let ssrc = parameters.value("ssrc").and_then(|list| list.split('/').next()).map(str::trim_ascii);
        Self {
            protocol: text(protocol),
            multicast: parameters.parameter("multicast").is_some(),
            client_port: pair(parameters, "client_port"),
            server_port: pair(parameters, "server_port"),
            port: pair(parameters, "port"),
            interleaved: pair(parameters, "interleaved"),
            ssrc: ssrc.and_then(|ssrc| u32::from_str_radix(ssrc, 16).ok()),
            source: parameters.value("source"),
            destination: parameters.value("destination"),
            parameters,
        }
    }
}

fn pair<T: std::str::FromStr>(parameters: Parameters<'_>, name: &str) -> Option<Pair<T>> {
    let mut numbers = parameters.value(name)?.splitn(2, '-').map(|part| number(part.trim_ascii().as_bytes()));
    Some(Pair { first: numbers.next()??, second: numbers.next().flatten() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::framing::tests::assert_needs_are_honest;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Door\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n";

    fn describe_response() -> String {
        let length = SDP.len();
        format!("RTSP/1.0 200 OK\r\ncseq: 2\r\nContent-Type: application/sdp\r\nContent-length: {length}\r\n\r\n{SDP}")
    }

    #[test]
    fn a_describe_response_gives_its_description() {
        let response = describe_response();
        let message = Message::parse(response.as_bytes()).unwrap();
        assert_eq!(message.start, StartLine::Response { code: 200, reason: "OK" });
        assert_eq!((message.cseq(), message.error), (Some(2), None));
        assert_eq!(message.sdp(), Some(SDP.as_bytes()));
    }

    #[test]
    fn a_setup_negotiates_ports_and_channels() {
        let request = b"SETUP rtsp://192.0.2.1/door/track1 RTSP/1.0\r\nCSeq: 3\r\n\
            Transport: RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
        let message = Message::parse(request).unwrap();
        let transports: Vec<_> = message.transports().collect();
        assert_eq!(transports.len(), 2);
        assert_eq!(transports[0].client_port, Some(Pair { first: 5000, second: Some(5001) }));
        assert_eq!(transports[1].protocol, "RTP/AVP/TCP");
        assert_eq!(transports[1].interleaved, Some(Pair { first: 0, second: Some(1) }));
        let response = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 8f2a;timeout=65\r\nTransport: RTP/AVP;unicast;\
            destination=192.0.2.7;source=192.0.2.1;client_port=5000;server_port=70000-1;ssrc=DEADBEEF\r\n\r\n";
        let message = Message::parse(response).unwrap();
        assert_eq!(message.session(), Some(Session { id: "8f2a", timeout_s: Some(65) }));
        let transport = message.transports().next().unwrap();
        assert_eq!((transport.source, transport.destination), (Some("192.0.2.1"), Some("192.0.2.7")));
        assert_eq!(transport.client_port, Some(Pair { first: 5000, second: None }));
        assert_eq!((transport.server_port, transport.ssrc), (None, Some(0xdead_beef)));
        assert!(!transport.multicast);
    }

    #[test]
    fn rtsp_2_addresses_are_parameters() {
        let request = b"SETUP rtsp://h/t RTSP/2.0\r\nTransport: RTP/AVP;multicast;port=3456-3457;ttl=16;\
            dest_addr=\"224.2.0.1:3456\"/\"224.2.0.1:3457\"\r\n\r\n";
        let transport = Message::parse(request).unwrap().transports().next().unwrap();
        assert!(transport.multicast);
        assert_eq!(transport.port, Some(Pair { first: 3456, second: Some(3457) }));
        assert_eq!(transport.parameters.value("ttl"), Some("16"));
        assert!(transport.parameters.value("dest_addr").unwrap().contains("224.2.0.1:3457"));
    }

    #[test]
    fn interleaved_frames_stand_between_messages() {
        let mut stream = b"$\x01\x00\x03abc".to_vec();
        stream.extend_from_slice(describe_response().as_bytes());
        stream.extend_from_slice(b"\r\n$\x00\x00\x00");
        let mut position = 0;
        let mut lengths = Vec::new();
        while let Frame::Complete(length) = frame(&stream[position..]) {
            lengths.push(length);
            position += length;
        }
        assert_eq!(lengths, [7, describe_response().len(), 2, 4]);
        assert_eq!(Interleaved::parse(&stream), Some(Interleaved { channel: 1, payload: b"abc" }));
        assert_eq!(Interleaved::parse(&stream[7..]), None);
        for length in 1..7 {
            assert_eq!(frame(&stream[..length]), Frame::NeedMore(Need::Bytes(if length < 4 { 4 } else { 7 })));
            assert_eq!(Interleaved::parse(&stream[..length]), None, "{length}");
        }
    }

    #[test]
    fn every_truncation_needs_more_and_is_read_as_far_as_it_goes() {
        let response = describe_response();
        assert_needs_are_honest(frame, response.as_bytes());
        for length in 0..response.len() {
            let cut = &response.as_bytes()[..length];
            if let Some(message) = Message::parse(cut) {
                assert!(message.error.is_some() || message.body.is_empty(), "{length}");
                assert!(SDP.as_bytes().starts_with(message.body));
            }
        }
    }

    #[test]
    fn other_protocols_and_broken_lengths_are_told_apart() {
        assert_eq!(frame(b"OPTIONS sip:a SIP/2.0\r\n\r\n"), Frame::NotThis);
        assert_eq!(frame(b"GET / HTTP/1.1\r\n\r\n"), Frame::NotThis);
        assert_eq!(frame(b"\x80\x60\x00\x01"), Frame::NotThis);
        let broken = b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\nbody";
        assert_eq!(frame(broken), Frame::Complete(broken.len() - 4));
        let message = Message::parse(broken).unwrap();
        assert_eq!((message.body, message.error.unwrap().reason), (&b"body"[..], "Content-Length is no number"));
        assert_eq!(frame(b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n"), Frame::NotThis);
    }

    #[test]
    fn garbage_is_read_without_a_panic() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let response = describe_response();
        for _ in 0..2000 {
            let mut bytes = response.clone().into_bytes();
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 32) as u8;
            }
            if let Frame::Complete(length) = frame(&bytes) {
                assert!((1..=bytes.len()).contains(&length));
            }
            if let Some(message) = Message::parse(&bytes) {
                assert!(message.transports().count() < 10 && message.body.len() <= SDP.len());
            }
        }
    }
}
