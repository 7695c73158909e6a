//! Content types and multipart bodies (RFC 2045, section 5; RFC 2046, section 5.1).
//!
//! In: the value of a Content-Type header and a body. Out: the parts, and the one of a wanted type.
//! Never: a copy; transfer encodings are not undone.
#![forbid(unsafe_code)]

use super::header::{Headers, Parameters, split_headers, text, with_parameters};

/// Multiparts inside multiparts that are opened.
const MAX_DEPTH: u32 = 3;

/// The value of a Content-Type header.
#[derive(Clone, Copy, Debug)]
pub struct ContentType<'a> {
    /// `application/sdp`, as written.
    pub media_type: &'a str,
    /// `boundary=…`, `charset=…`.
    pub parameters: Parameters<'a>,
}

impl<'a> ContentType<'a> {
    /// Reads a header value.
    pub fn parse(value: &'a [u8]) -> Self {
        let (media_type, parameters) = with_parameters(value);
        Self { media_type: text(media_type), parameters }
    }

    /// Whether it is this type, in any case.
    pub fn is(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type)
    }

    /// Whether it is a multipart of any kind.
    pub fn is_multipart(&self) -> bool {
        self.media_type.get(..10).is_some_and(|head| head.eq_ignore_ascii_case("multipart/"))
    }
}

/// One part of a multipart body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// Its headers.
    pub(super) headers: Headers<'a>,
    /// Its body.
    pub(super) body: &'a [u8],
}

impl<'a> Part<'a> {
    /// Its content type, where it says one.
    pub(super) fn content_type(&self) -> Option<ContentType<'a>> {
        self.headers.value("Content-Type").map(ContentType::parse)
    }
}

/// The parts of a multipart body. Without a `boundary` parameter the first line that begins with `--` gives it; a last
/// part that is not closed goes to the end.
pub(super) fn parts<'a>(content_type: &ContentType<'a>, body: &'a [u8]) -> impl Iterator<Item = Part<'a>> {
    let boundary = content_type.parameters.parameter("boundary").flatten().or_else(|| first_boundary(body));
    let mut rest = boundary.and_then(|boundary| Some(delimiter(body, boundary)?.after));
    std::iter::from_fn(move || {
        let (whole, boundary) = (rest?, boundary?);
        let next = delimiter(whole, boundary);
        let content = next.as_ref().map_or(whole, |delimiter| delimiter.before);
        rest = next.filter(|delimiter| !delimiter.closes).map(|delimiter| delimiter.after);
        let (headers, length, complete) = split_headers(content);
        let has_headers = complete || headers.value("Content-Type").is_some();
        let body = if has_headers { content.get(length..).unwrap_or_default() } else { content };
        (!whole.is_empty()).then_some(Part { headers: if has_headers { headers } else { Headers::default() }, body })
    })
}

/// The body, or the first part of it at any depth, that is of a type.
pub(super) fn find_part<'a>(content_type: &ContentType<'a>, body: &'a [u8], media_type: &str) -> Option<&'a [u8]> {
    find_within(content_type, body, media_type, MAX_DEPTH)
}

fn find_within<'a>(content_type: &ContentType<'a>, body: &'a [u8], media_type: &str, depth: u32) -> Option<&'a [u8]> {
    if content_type.is(media_type) {
        return Some(body);
    }
    let depth = depth.checked_sub(1).filter(|_| content_type.is_multipart())?;
    parts(content_type, body).find_map(|part| find_within(&part.content_type()?, part.body, media_type, depth))
}

struct Delimiter<'a> {
    before: &'a [u8],
    after: &'a [u8],
    closes: bool,
}

/// The first line that is `--boundary`; the line end before it belongs to it.
fn delimiter<'a>(bytes: &'a [u8], boundary: &[u8]) -> Option<Delimiter<'a>> {
    let mut position = 0;
    loop {
        let rest = bytes.get(position..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length)?;
        if let Some(tail) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) {
            let closes = tail.starts_with(b"--");
            if closes || tail.trim_ascii().is_empty() {
                let before = bytes.get(..position)?;
                let before = before.strip_suffix(b"\n").unwrap_or(before);
                let before = before.strip_suffix(b"\r").unwrap_or(before);
                return Some(Delimiter { before, after: rest.get(length..)?, closes });
            }
        }
        position += length;
    }
}

fn first_boundary(body: &[u8]) -> Option<&[u8]> {
    let line = body.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"--"))?;
    line.get(2..).map(|line| line.trim_ascii_end()).filter(|boundary| !boundary.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"preamble\r\n--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--xy\r\n--x \r\n\
        content-type: Application/SDP;charset=utf-8\r\n\r\nv=0\r\ns=-\r\n\r\n--x\r\n\r\nbare\r\n--x--\r\nepilogue";

    #[test]
    fn parts_are_cut_at_their_boundary_only() {
        let content_type = ContentType::parse(b"multipart/mixed; boundary=\"x\"");
        let bodies: Vec<_> = parts(&content_type, BODY).map(|part| text(part.body)).collect();
        assert_eq!(bodies, ["hi\r\n--xy", "v=0\r\ns=-\r\n", "bare"]);
        assert_eq!(find_part(&content_type, BODY, "application/sdp"), Some(&b"v=0\r\ns=-\r\n"[..]));
        assert_eq!(find_part(&content_type, BODY, "application/json"), None);
    }

    #[test]
    fn a_missing_boundary_parameter_is_taken_from_the_body() {
        let content_type = ContentType::parse(b"multipart/mixed");
        assert_eq!(find_part(&content_type, BODY, "application/sdp"), Some(&b"v=0\r\ns=-\r\n"[..]));
        assert_eq!(parts(&content_type, b"nothing").count(), 0);
    }

    #[test]
    fn a_part_that_is_not_closed_goes_to_the_end() {
        let content_type = ContentType::parse(b"multipart/related;boundary=x");
        let start = BODY.windows(4).position(|window| window == b"v=0\r").unwrap();
        for length in 0..BODY.len() {
            let found = find_part(&content_type, &BODY[..length], "application/sdp");
            assert_eq!(found.is_some_and(|sdp| sdp.starts_with(b"v=0")), length >= start + 3, "{length}");
        }
    }

    #[test]
    fn multiparts_inside_multiparts_are_opened_to_a_depth() {
        let mut body = b"v=0\r\n".to_vec();
        let mut kind = "application/sdp".to_owned();
        for depth in 0..6u32 {
            let found = find_part(&ContentType::parse(kind.as_bytes()), &body, "application/sdp");
            assert_eq!(found.is_some(), depth <= MAX_DEPTH, "{depth}");
            body = [format!("--b{depth}\r\nContent-Type: {kind}\r\n\r\n").as_bytes(), &body, b"\r\n"].concat();
            body.extend_from_slice(format!("--b{depth}--\r\n").as_bytes());
            kind = format!("multipart/mixed;boundary=b{depth}");
        }
    }
}
