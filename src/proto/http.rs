//! HTTP/1.x heads and bodies (RFC 9112), as far as signalling travels in them: WHIP and WHEP, REST signalling in JSON,
//! WebSocket upgrades.
//!
//! In: the bytes of a stream that [`frame`] cuts. Out: a [`Message`] with the fields that lead to the body.
//! Never: HTTP/2; memory of a request, so the response to a HEAD is taken for one with a body.
#![forbid(unsafe_code)]

pub use super::header::StartLine;

use super::framing::{Frame, MAX_BODY, MAX_HEAD, MAX_START_LINE, Need, sized};
use super::header::{number, text};
use super::multipart::ContentType;
use crate::bytes::ParseError;
use httparse::{EMPTY_HEADER, ParserConfig, Status};
use std::borrow::Cow;

/// Headers of one head that are read; a head with more is not taken for HTTP.
const MAX_HEADERS: usize = 96;

/// One HTTP message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Request or status line.
    pub start: StartLine<'a>,
    /// Host.
    pub host: Option<&'a str>,
    /// Location, which names the resource that a WHIP POST made (RFC 9725, section 4.2).
    pub location: Option<&'a str>,
    /// Upgrade, `websocket` (RFC 6455, section 4).
    pub upgrade: Option<&'a str>,
    /// Sec-WebSocket-Protocol.
    pub websocket_protocol: Option<&'a str>,
    /// Sec-WebSocket-Extensions.
    pub websocket_extensions: Option<&'a str>,
    /// Content-Type.
    pub content_type: Option<ContentType<'a>>,
    /// Content-Encoding, where there is one; the body is not decoded.
    pub content_encoding: Option<&'a str>,
    /// Content-Length, where it is a number.
    pub content_length: Option<usize>,
    /// Whether the last transfer encoding is `chunked`.
    pub chunked: bool,
    /// The body as it was on the wire, as far as it is there.
    pub body: &'a [u8],
    /// Where the message is cut off or its head does not end.
    pub error: Option<ParseError>,
}

/// The bytes that the first message of a stream takes.
///
/// A response without a length goes on until its connection closes (RFC 9112, section 6.3): `NeedMore`, and
/// [`Message::parse`] reads what is there when the end has come.
pub fn frame(bytes: &[u8]) -> Frame {
    let (message, head) = match head(bytes.get(..MAX_HEAD).unwrap_or(bytes)) {
        Head::Whole(message, length) => (message, length),
        Head::Beginning(_) if bytes.len() >= MAX_HEAD => return Frame::NotThis,
        Head::Beginning(None) if bytes.len() >= MAX_START_LINE => return Frame::NotThis,
        Head::Beginning(None) => return Frame::NeedMore(Need::Line),
        Head::Beginning(Some(_)) => return Frame::NeedMore(Need::Head),
        Head::NotHttp => return Frame::NotThis,
    };
    let body = bytes.get(head..).unwrap_or_default();
    match message.body_length(body) {
        Frame::Complete(length) => sized(head, length, bytes.len()),
        Frame::NeedMore(_) if body.len() > MAX_BODY => Frame::NotThis,
        Frame::NeedMore(Need::Bytes(length)) => Frame::NeedMore(Need::Bytes(head + length.min(MAX_BODY + 1))),
        other => other,
    }
}

impl<'a> Message<'a> {
    /// Reads a message that [`frame`] cut, or what is there of one. `None` where the first line is not HTTP's.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (mut message, head, whole) = match head(bytes) {
            Head::Whole(message, length) => (message, length, true),
            Head::Beginning(Some(message)) => (message, bytes.len(), false),
            Head::Beginning(None) | Head::NotHttp => return None,
        };
        let body = bytes.get(head..).unwrap_or_default();
        let (length, error) = match message.body_length(body) {
            Frame::Complete(length) if length > body.len() => {
                (body.len(), Some(ParseError::short("http body", head, length, body.len())))
            }
            Frame::Complete(length) => (length, None),
            Frame::NeedMore(_) if !message.chunked => (body.len(), None),
            Frame::NeedMore(_) => (body.len(), Some(ParseError::short("http body", bytes.len(), 1, 0))),
            Frame::NotThis => (body.len(), Some(ParseError::invalid("http body", head, "not chunked as it says"))),
        };
        message.body = body.get(..length).unwrap_or(body);
        message.error = if whole { error } else { Some(ParseError::short("http", bytes.len(), 1, 0)) };
        Some(message)
    }

    /// Bytes of the body, which may be more than are here (RFC 9112, section 6.3).
    fn body_length(&self, body: &[u8]) -> Frame {
        match self.start {
            StartLine::Response { code: 100..=199 | 204 | 304, .. } => Frame::Complete(0),
            _ if self.chunked => chunked_length(body),
            _ if self.content_length.is_some() => Frame::Complete(self.content_length.unwrap_or_default()),
            StartLine::Request { .. } => Frame::Complete(0),
            StartLine::Response { .. } => Frame::NeedMore(Need::Bytes(usize::MAX)),
        }
    }

    /// The body with the chunks put together; copied only where there are several. Damage ends it.
    pub fn content(&self) -> Cow<'a, [u8]> {
        if !self.chunked {
            return Cow::Borrowed(self.body);
        }
        let mut chunks = chunks(self.body);
        match (chunks.next(), chunks.next()) {
            (first, None) => Cow::Borrowed(first.unwrap_or_default()),
            (first, second) => Cow::Owned(first.into_iter().chain(second).chain(chunks).flatten().copied().collect()),
        }
    }

    /// Whether the message asks for a WebSocket or grants one (RFC 6455, section 4).
    pub fn is_websocket_upgrade(&self) -> bool {
        let code_fits = !matches!(self.start, StartLine::Response { code, .. } if code != 101);
        code_fits && self.upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    }

    fn new(start: StartLine<'a>, headers: &[httparse::Header<'a>]) -> Self {
        let value = |name: &str| {
            headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.trim_ascii())
        };
        let last_encoding = headers.iter().rfind(|header| header.name.eq_ignore_ascii_case("Transfer-Encoding"));
        let last_encoding = last_encoding.and_then(|header| text(header.value).rsplit(',').next());
        Self {
            start,
            host: value("Host").map(text),
            location: value("Location").map(text),
            upgrade: value("Upgrade").map(text),
            websocket_protocol: value("Sec-WebSocket-Protocol").map(text),
            websocket_extensions: value("Sec-WebSocket-Extensions").map(text),
            content_type: value("Content-Type").map(ContentType::parse),
            content_encoding: value("Content-Encoding").map(text),
            content_length: value("Content-Length").filter(|value| !value.is_empty()).and_then(number),
            chunked: last_encoding.is_some_and(|encoding| encoding.trim_ascii().eq_ignore_ascii_case("chunked")),
            body: &[],
            error: None,
        }
    }
}

enum Head<'a> {
    Whole(Message<'a>, usize),
    /// With the message where the first line was whole.
    Beginning(Option<Message<'a>>),
    NotHttp,
}

fn head(bytes: &[u8]) -> Head<'_> {
    let mut config = ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true);
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    if bytes.starts_with(b"HTTP/") || b"HTTP/".starts_with(bytes) {
        let mut response = httparse::Response::new(&mut headers);
        let status = config.parse_response(&mut response, bytes);
        let start = response.code.map(|code| StartLine::Response { code, reason: response.reason.unwrap_or_default() });
        return whole_or_beginning(status, start, response.headers);
    }
    let mut request = httparse::Request::new(&mut headers);
    let status = config.parse_request(&mut request, bytes);
    let start = match (request.method, request.path, request.version) {
        (Some(method), Some(uri), Some(_)) => Some(StartLine::Request { method, uri }),
        _ => None,
    };
    whole_or_beginning(status, start, request.headers)
}

fn whole_or_beginning<'a>(
    status: httparse::Result<usize>,
    start: Option<StartLine<'a>>,
    headers: &[httparse::Header<'a>],
) -> Head<'a> {
    let message = start.map(|start| Message::new(start, headers));
    match (status, message) {
        (Ok(Status::Complete(length)), Some(message)) => Head::Whole(message, length),
        (Ok(Status::Partial), message) => Head::Beginning(message),
        _ => Head::NotHttp,
    }
}

/// One chunk: where its data stands in `body`, and where the next begins. Empty data is the last chunk.
fn chunk(body: &[u8], position: usize) -> Result<(&[u8], usize), Frame> {
    let rest = body.get(position..).unwrap_or_default();
    let (line, size) = match httparse::parse_chunk_size(rest) {
        Ok(Status::Complete((line, size))) => (position + line, usize::try_from(size).unwrap_or(usize::MAX)),
        Ok(Status::Partial) => return Err(Frame::NeedMore(Need::Bytes(body.len() + 1))),
        Err(_) => return Err(Frame::NotThis),
    };
    let end = line.saturating_add(size);
    let with_line_end = Need::Bytes(end.saturating_add(if size > 0 { 2 } else { 0 }));
    let data = body.get(line..end).ok_or(Frame::NeedMore(with_line_end))?;
    match (size, body.get(end..).unwrap_or_default()) {
        (0, _) => Ok((data, end)),
        (_, [b'\r', b'\n', ..]) => Ok((data, end + 2)),
        (_, [] | [b'\r']) => Err(Frame::NeedMore(with_line_end)),
        _ => Err(Frame::NotThis),
    }
}

/// Bytes of a chunked body with its trailer (RFC 9112, section 7.1).
fn chunked_length(body: &[u8]) -> Frame {
    let mut position = 0;
    loop {
        match chunk(body, position) {
            Ok(([], trailer)) => {
                let mut end = trailer;
                for line in body.get(trailer..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
                    end += line.len();
                    if matches!(line, b"\r\n" | b"\n") {
                        return Frame::Complete(end);
                    }
                }
                return Frame::NeedMore(Need::Bytes(body.len() + 1));
            }
            Ok((_, next)) => position = next,
            Err(frame) => return frame,
        }
    }
}

/// The data of the chunks; of the last one what is there, where the body is cut.
fn chunks(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut position = Some(0);
    std::iter::from_fn(move || {
        let at = position?;
        match chunk(body, at) {
            Ok((data, next)) => {
                position = Some(next).filter(|_| !data.is_empty());
                Some(data).filter(|data| !data.is_empty())
            }
            Err(_) => {
                position = None;
                let rest = body.get(at..)?;
                let Ok(Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else { return None };
                let data = rest.get(line..)?;
                data.get(..usize::try_from(size).unwrap_or(usize::MAX)).or(Some(data)).filter(|data| !data.is_empty())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::framing::tests::assert_needs_are_honest;
    use crate::proto::sdp::find_sdp;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

    fn whip() -> String {
        let length = SDP.len();
        format!(
            "POST /whip/room HTTP/1.1\r\nHost: media.example\r\nCONTENT-TYPE: application/sdp; charset=utf-8\r\n\
             Content-Length: {length}\r\n\r\n{SDP}"
        )
    }

    fn chunked_answer() -> String {
        let (first, second) = SDP.split_at(10);
        format!(
            "HTTP/1.1 201 Created\r\nLocation: /whip/7\r\nContent-Type: application/sdp\r\nTransfer-Encoding: gzip, Chunked\r\n\
             \r\na\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\nTrailer: t\r\n\r\n",
            second.len()
        )
    }

    #[test]
    fn a_whip_offer_is_read() {
        let request = whip();
        let message = Message::parse(request.as_bytes()).unwrap();
        assert_eq!(message.start, StartLine::Request { method: "POST", uri: "/whip/room" });
        assert_eq!(message.host, Some("media.example"));
        assert!(message.content_type.unwrap().is("application/sdp"));
        assert_eq!((message.content().as_ref(), message.error), (SDP.as_bytes(), None));
        assert_eq!(frame(format!("{request}GET").as_bytes()), Frame::Complete(request.len()));
    }

    #[test]
    fn a_chunked_answer_is_put_together() {
        let response = chunked_answer();
        let message = Message::parse(response.as_bytes()).unwrap();
        assert_eq!(message.start, StartLine::Response { code: 201, reason: "Created" });
        assert_eq!(message.location, Some("/whip/7"));
        assert!(message.chunked);
        assert_eq!(message.content().as_ref(), SDP.as_bytes());
        assert_eq!(frame(format!("{response}HTTP").as_bytes()), Frame::Complete(response.len()));
    }

    #[test]
    fn one_chunk_is_not_copied() {
        let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert!(matches!(Message::parse(response).unwrap().content(), Cow::Borrowed(b"{}")));
    }

    #[test]
    fn a_description_in_json_is_found_in_the_content() {
        let json = r#"{"janus":"message","jsep":{"type":"offer","sdp":"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"}}"#;
        let request = format!("POST /janus HTTP/1.1\r\nContent-Length: {}\r\n\r\n{json}", json.len());
        let content = Message::parse(request.as_bytes()).unwrap().content();
        assert_eq!(find_sdp(&content).unwrap().text.as_ref(), b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n");
    }

    #[test]
    fn every_truncation_needs_more_and_is_read_as_far_as_it_goes() {
        for text in [whip(), chunked_answer()] {
            let first_line = text.find("\r\n").unwrap() + 2;
            assert_eq!(Message::parse(text.as_bytes()).unwrap().error, None);
            assert_needs_are_honest(frame, text.as_bytes());
            for length in 0..text.len() {
                let cut = &text.as_bytes()[..length];
                let message = Message::parse(cut);
                assert!(message.is_some() || length < first_line, "{length}");
                if let Some(message) = message {
                    assert!(message.error.is_some(), "{length}");
                    assert!(SDP.as_bytes().starts_with(&message.content()), "{length}");
                }
            }
        }
    }

    #[test]
    fn a_head_cut_by_the_capture_keeps_the_headers_that_are_there() {
        let message = Message::parse(b"POST /a HTTP/1.1\r\nHost: media.example\r\nContent-Ty").unwrap();
        assert_eq!((message.host, message.error.is_some()), (Some("media.example"), true));
    }

    #[test]
    fn bodies_follow_the_rules_of_their_kind() {
        let length = |head: &str| match frame(format!("{head}\r\n\r\nbody").as_bytes()) {
            Frame::Complete(length) => Ok(length - head.len() - 4),
            other => Err(other),
        };
        assert_eq!(length("GET / HTTP/1.1"), Ok(0));
        assert_eq!(length("HTTP/1.1 204 No Content\r\nContent-Length: 4"), Ok(0));
        assert_eq!(length("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket"), Ok(0));
        assert_eq!(length("HTTP/1.0 200 OK"), Err(Frame::NeedMore(Need::Bytes(19 + MAX_BODY + 1))));
        assert_eq!(length("HTTP/1.1 200 OK\r\nContent-Length: 2"), Ok(2));
        assert_eq!(length("HTTP/1.1 200 OK\r\nContent-Length: 9999999"), Err(Frame::NotThis));
        assert_eq!(length("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"), Err(Frame::NotThis));
        assert_eq!(length("GET / HTTP/1.1\r\nContent-Length: x"), Ok(0));
    }

    #[test]
    fn a_websocket_upgrade_is_recognised_on_both_sides() {
        let request =
            b"GET /ws HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
        let message = Message::parse(request).unwrap();
        assert!(message.is_websocket_upgrade());
        assert_eq!(message.websocket_protocol, Some("sip"));
        assert!(Message::parse(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n").unwrap().is_websocket_upgrade());
        assert!(!Message::parse(b"HTTP/1.1 400 X\r\nupgrade: websocket\r\n\r\n").unwrap().is_websocket_upgrade());
    }

    #[test]
    fn other_protocols_are_not_http() {
        for bytes in [
            &b"INVITE sip:a SIP/2.0\r\n\r\n"[..],
            b"OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n",
            b"RTSP/1.0 200 OK\r\n\r\n",
            b"\x16\x03\x01\x00\x05",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert_eq!(frame(bytes), Frame::NotThis, "{bytes:?}");
            assert!(Message::parse(bytes).is_none(), "{bytes:?}");
        }
        let endless = [b"GET / HTTP/1.1\r\n".to_vec(), vec![b'a'; MAX_HEAD]].concat();
        assert_eq!(frame(&endless), Frame::NotThis);
        assert_eq!(frame(&[b'A'; MAX_START_LINE]), Frame::NotThis);
    }

    #[test]
    fn garbage_is_read_without_a_panic() {
        let mut state = 0xdead_beef_cafe_f00d_u64;
        for round in 0..2000 {
            let mut bytes = if round % 2 == 0 { whip() } else { chunked_answer() }.into_bytes();
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
                assert!(message.content().len() <= bytes.len());
            }
        }
        let hostile = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx";
        assert!(matches!(frame(hostile), Frame::NeedMore(Need::Bytes(length)) if length <= hostile.len() + MAX_BODY));
        assert_eq!(Message::parse(hostile).unwrap().content().as_ref(), b"x");
    }
}
