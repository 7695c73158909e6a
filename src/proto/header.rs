//! Heads of text protocols: a first line, `Name: value` lines, an empty line (SIP: RFC 3261, section 7; RTSP: RFC 2326,
//! section 4; MIME parts: RFC 2046, section 5.1).
//!
//! In: bytes. Out: borrowed views that are walked, not stored; nothing is allocated.
//! Never: a head refused for a line end, a case, a fold or a line that is no header.
#![forbid(unsafe_code)]

use super::framing::{Frame, MAX_HEAD, MAX_START_LINE, Need};

/// A head as far as it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The first line without its end.
    pub(crate) start_line: &'a [u8],
    /// The lines behind it.
    pub(crate) headers: Headers<'a>,
    /// Bytes up to the body.
    pub(crate) length: usize,
    /// Whether the empty line was there.
    pub(crate) complete: bool,
}

impl<'a> Head<'a> {
    /// Cuts the first line and the headers off.
    pub(crate) fn split(bytes: &'a [u8]) -> Self {
        let first_end = bytes.iter().position(|byte| *byte == b'\n');
        let first = first_end.map_or(bytes.len(), |end| end + 1);
        let start_line = trim_line(bytes.get(..first).unwrap_or_default());
        let (headers, length, complete) = split_headers(bytes.get(first..).unwrap_or_default());
        Self { start_line, headers, length: first + length, complete: first_end.is_some() && complete }
    }

    /// The complete head at the start of a stream whose first line `accepts`, or what the stream is instead.
    pub(crate) fn in_stream(bytes: &'a [u8], accepts: impl Fn(&[u8]) -> bool) -> Result<Self, Frame> {
        let window = bytes.get(..MAX_START_LINE).unwrap_or(bytes);
        match window.iter().position(|byte| *byte == b'\n') {
            Some(end) if accepts(trim_line(window.get(..end).unwrap_or_default())) => {}
            None if window.len() < MAX_START_LINE && may_begin_a_head(window) => {
                return Err(Frame::NeedMore(Need::Line));
            }
            _ => return Err(Frame::NotThis),
        }
        let head = Self::split(bytes.get(..MAX_HEAD).unwrap_or(bytes));
        match head.complete {
            true => Ok(head),
            false if bytes.len() < MAX_HEAD => Err(Frame::NeedMore(Need::Head)),
            false => Err(Frame::NotThis),
        }
    }
}

/// Header lines up to the empty line: the lines, the length with the empty line, and whether that was there.
pub(crate) fn split_headers(bytes: &[u8]) -> (Headers<'_>, usize, bool) {
    let mut position = 0;
    while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
        if trim_line(rest.get(..end).unwrap_or_default()).is_empty() {
            return (Headers { block: bytes.get(..position).unwrap_or_default() }, position + end + 1, true);
        }
        position += end + 1;
    }
    (Headers { block: bytes }, bytes.len(), false)
}

/// True for text whose first word may be a method or a version. Keeps binary protocols from being waited for.
fn may_begin_a_head(bytes: &[u8]) -> bool {
    let word = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let printable = |byte: &u8| (0x20..0x7f).contains(byte) || *byte >= 0x80 || matches!(byte, b'\t' | b'\r');
    word.len() <= 32 && word.iter().all(|byte| is_token(*byte) || *byte == b'/') && bytes.iter().all(printable)
}

/// A token character (RFC 3261, section 25.1; RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~#$&^|".contains(&byte)
}

fn trim_line(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first line of a SIP, RTSP or HTTP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// A request.
    Request {
        /// Method, as written.
        method: &'a str,
        /// Request-URI or request target, as written.
        uri: &'a str,
    },
    /// A response.
    Response {
        /// Status code, 100 to 999.
        code: u16,
        /// Reason phrase.
        reason: &'a str,
    },
}

impl<'a> StartLine<'a> {
    /// Reads a line whose version begins with `protocol` (`SIP/`), in any case (RFC 3261, section 7.1).
    pub(crate) fn parse(line: &'a [u8], protocol: &str) -> Option<Self> {
        let line = line.trim_ascii_end();
        let is_version = |word: &[u8]| match word.split_at_checked(protocol.len()) {
            Some((name, [major, b'.', minor])) => {
                name.eq_ignore_ascii_case(protocol.as_bytes()) && major.is_ascii_digit() && minor.is_ascii_digit()
            }
            _ => false,
        };
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (first, rest) = line.split_at_checked(space)?;
        let rest = rest.trim_ascii_start();
        if is_version(first) {
            let (code, reason) = rest.split_at_checked(3)?;
            let code = number(code).filter(|code| (100..=999).contains(code))?;
            let reason = matches!(reason.first(), None | Some(b' ')).then(|| text(reason.trim_ascii()))?;
            return Some(Self::Response { code, reason });
        }
        let (uri, version) = rest.split_at_checked(rest.iter().rposition(|byte| *byte == b' ')?)?;
        let is_request = is_version(version.trim_ascii()) && first.iter().all(|byte| is_token(*byte));
        (is_request && !first.is_empty()).then(|| Self::Request { method: text(first), uri: text(uri.trim_ascii()) })
    }
}

/// Header lines, walked on demand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    block: &'a [u8],
}

/// One header. The value has no blanks around it; a folded one has its line ends inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, as written.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl<'a> Headers<'a> {
    /// All headers in order. Lines without a colon are passed over.
    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = self.block;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (line, tail) = rest.split_at_checked(logical_line(rest))?;
                rest = tail;
                if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                    let (name, value) = line.split_at_checked(colon)?;
                    return Some(Header { name: name.trim_ascii(), value: value.get(1..)?.trim_ascii() });
                }
            }
            None
        })
    }

    /// The values of the headers with any of these names, in order.
    pub(crate) fn named(self, names: [&'static str; 2]) -> impl Iterator<Item = &'a [u8]> {
        let is_named = move |name: &[u8]| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
        self.iter().filter(move |header| is_named(header.name)).map(|header| header.value)
    }

    /// The first value of a header.
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|header| header.name.eq_ignore_ascii_case(name.as_bytes())).map(|header| header.value)
    }
}

/// Length of a line and of the lines that continue it by beginning with a blank (RFC 3261, section 7.3.1).
fn logical_line(block: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = block.get(end..).unwrap_or_default();
        let Some(newline) = rest.iter().position(|byte| *byte == b'\n') else { return block.len() };
        end += newline + 1;
        if !matches!(block.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

/// Cuts at a separator outside quotes and angle brackets, and trims the pieces; empty ones are left out. From a quote on
/// that never closes, quotes are letters like others.
fn pieces(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    let mut quotes_count = true;
    std::iter::from_fn(move || {
        loop {
            let whole = rest?;
            let mut end = separator_at(whole, separator, quotes_count);
            if end == Err(Unclosed) {
                quotes_count = false;
                end = separator_at(whole, separator, quotes_count);
            }
            let end = end.ok().flatten();
            rest = end.and_then(|end| whole.get(end + 1..));
            let piece = whole.get(..end.unwrap_or(whole.len())).unwrap_or_default().trim_ascii();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    })
}

/// A quote does not close.
#[derive(PartialEq)]
struct Unclosed;

fn separator_at(value: &[u8], separator: u8, quotes_count: bool) -> Result<Option<usize>, Unclosed> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let end = value.iter().position(|byte| {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted => escaped = !was_escaped,
            b'"' if quotes_count && !was_escaped => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            byte if *byte == separator => return !quoted && !bracketed,
            _ => {}
        }
        false
    });
    if quoted && end.is_none() { Err(Unclosed) } else { Ok(end) }
}

/// The values of a comma-separated header (RFC 3261, section 7.3.1).
pub(crate) fn comma_separated(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    pieces(value, b',')
}

/// What stands before the first `;`, and the `;name=value` parameters behind it.
pub(crate) fn with_parameters(value: &[u8]) -> (&[u8], Parameters<'_>) {
    let first = pieces(value, b';').next().unwrap_or_default();
    let is_first = value.trim_ascii_start().starts_with(first) && !value.trim_ascii_start().starts_with(b";");
    (if is_first { first } else { &[] }, Parameters { value, skip: usize::from(is_first) })
}

/// `;name=value` parameters of a header value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    value: &'a [u8],
    skip: usize,
}

impl<'a> Parameters<'a> {
    /// All of them: name and value, quotes taken off.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        pieces(self.value, b';').skip(self.skip).map(|piece| match piece.iter().position(|byte| *byte == b'=') {
            Some(equals) => {
                let value = piece.get(equals + 1..).unwrap_or_default().trim_ascii();
                let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
                (piece.get(..equals).unwrap_or_default().trim_ascii(), Some(inner.unwrap_or(value)))
            }
            None => (piece, None),
        })
    }

    /// A parameter: the outer `None` says that it is not there, the inner one that it has no value.
    pub fn parameter(self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of a parameter as text.
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.parameter(name)?.map(text)
    }
}

/// The longest beginning that is UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or(""),
    }
}

/// A decimal number of digits alone.
pub(crate) fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    let digits = bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(bytes).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(block: &[u8]) -> Vec<(String, String)> {
        let (headers, _, _) = split_headers(block);
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        headers.iter().map(|header| (owned(header.name), owned(header.value))).collect()
    }

    #[test]
    fn headers_are_walked_over_folds_and_lines_that_are_none() {
        let block = b"Via : a\r\n b\r\nnonsense\r\nSubject:\r\n\tx\r\nEmpty:\r\n\r\nBody: no\r\n";
        let pairs = values(block);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("Via", "a\r\n b"), pair("Subject", "x"), pair("Empty", "")]);
        assert_eq!(split_headers(block).1, block.len() - b"Body: no\r\n".len());
    }

    #[test]
    fn a_head_without_its_empty_line_is_not_complete() {
        let bytes = b"INVITE sip:a SIP/2.0\nVia: x\n\nbody";
        for length in 0..bytes.len() {
            let head = Head::split(&bytes[..length]);
            assert_eq!(head.complete, length >= 29, "{length}");
            assert!(head.length <= length);
        }
    }

    #[test]
    fn start_lines_are_requests_or_responses_of_the_protocol() {
        let request = StartLine::parse(b"INVITE  sip:a b@c  sip/2.0 ", "SIP/");
        assert_eq!(request, Some(StartLine::Request { method: "INVITE", uri: "sip:a b@c" }));
        let response = StartLine::parse(b"RTSP/1.0 200 Fine so far", "RTSP/");
        assert_eq!(response, Some(StartLine::Response { code: 200, reason: "Fine so far" }));
        assert_eq!(StartLine::parse(b"SIP/2.0 486", "SIP/"), Some(StartLine::Response { code: 486, reason: "" }));
        for no in
            ["GET / HTTP/1.1", "SIP/2.0 20", "SIP/2.0 2000 x", "SIP/2.0 099 x", "INVITE SIP/2.0", "", " x SIP/2.0"]
        {
            assert_eq!(StartLine::parse(no.as_bytes(), "SIP/"), None, "{no}");
        }
    }

    #[test]
    fn commas_and_semicolons_in_quotes_and_brackets_do_not_separate() {
        let value = br#""Doe, \"J;" <sip:j;x=1,2@h>;tag=1, <sip:k>, ,"#;
        let list: Vec<_> = comma_separated(value).map(text).collect();
        assert_eq!(list, [r#""Doe, \"J;" <sip:j;x=1,2@h>;tag=1"#, "<sip:k>"]);
        let (first, parameters) = with_parameters(list[0].as_bytes());
        assert_eq!(text(first), r#""Doe, \"J;" <sip:j;x=1,2@h>"#);
        assert_eq!(parameters.value("TAG"), Some("1"));
    }

    #[test]
    fn a_quote_that_never_closes_hides_nothing() {
        let (address, parameters) = with_parameters(br#"\"arik\" <sip:a;b@h>;tag=6433"#);
        assert_eq!((text(address), parameters.value("tag")), (r#"\"arik\" <sip:a;b@h>"#, Some("6433")));
        let hostile = br#"\","#.repeat(20_000);
        assert_eq!(comma_separated(&hostile).count(), 20_000);
    }

    #[test]
    fn parameters_have_names_with_and_without_values() {
        let (first, parameters) = with_parameters(b"x ; rport;boundary = \"a;b\";q=");
        assert_eq!(first, b"x");
        assert_eq!(parameters.parameter("rport"), Some(None));
        assert_eq!(parameters.value("boundary"), Some("a;b"));
        assert_eq!(parameters.value("q"), Some(""));
        assert_eq!(parameters.parameter("none"), None);
        let (first, parameters) = with_parameters(b";a=1");
        assert_eq!((first, parameters.value("a")), (&b""[..], Some("1")));
    }

    #[test]
    fn binary_streams_are_not_waited_for() {
        let accepts = |line: &[u8]| StartLine::parse(line, "SIP/").is_some();
        let frame = |bytes: &[u8]| Head::in_stream(bytes, accepts).map(|head| head.length).unwrap_err();
        assert_eq!(frame(b"\x16\x03\x01\x02\x00"), Frame::NotThis);
        assert_eq!(frame(b"INVITE sip:\x00"), Frame::NotThis);
        assert_eq!(frame(b"INVITE sip:a S"), Frame::NeedMore(Need::Line));
        assert_eq!(frame(b"INVITE sip:a SIP/2.0\r\na: b\r\n"), Frame::NeedMore(Need::Head));
        assert_eq!(frame(b"GET / HTTP/1.1\r\n\r\n"), Frame::NotThis);
        assert_eq!(frame(&[b'A'; 33]), Frame::NotThis);
        let long = [b"INVITE sip:a".to_vec(), vec![b'a'; MAX_START_LINE]].concat();
        assert_eq!(frame(&long), Frame::NotThis);
        let endless = [b"INVITE sip:a SIP/2.0\r\n".to_vec(), b"a: b\r\n".repeat(MAX_HEAD / 6)].concat();
        assert_eq!(frame(&endless), Frame::NotThis);
    }

    #[test]
    fn text_stops_at_the_first_byte_that_is_not_utf8() {
        assert_eq!(text(b"ab\xffc"), "ab");
        assert_eq!((number::<u16>(b"80"), number::<u16>(b"+80"), number::<u16>(b"")), (Some(80), None, None));
    }
}
