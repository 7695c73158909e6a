//! SIP messages (RFC 3261) in datagrams and in streams.
//!
//! In: the bytes of a datagram, or of a stream that [`frame`] cuts. Out: a borrowed [`Message`] whose headers are
//! walked on demand. Never: an allocation, or a message refused for a header; only a first line that is not SIP's is.
#![forbid(unsafe_code)]

mod fields;

pub use super::header::{Header, Headers, Parameters, StartLine};
pub use fields::{CSeq, NameAddr, Via};

use super::framing::{Frame, MAX_BODY, sized};
use super::header::{Head, comma_separated, number, text};
use super::multipart::{ContentType, find_part};
use super::sdp::looks_like_sdp;
use crate::bytes::ParseError;

const PROTOCOL: &str = "SIP/";

/// The compact names (RFC 3261, section 7.3.3; RFC 3265, 3515, 3892, 4028, 4474, 3841).
const COMPACT_NAMES: [(&str, &str); 20] = [
    ("Accept-Contact", "a"),
    ("Allow-Events", "u"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Encoding", "e"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Event", "o"),
    ("From", "f"),
    ("Identity", "y"),
    ("Identity-Info", "n"),
    ("Refer-To", "r"),
    ("Referred-By", "b"),
    ("Reject-Contact", "j"),
    ("Request-Disposition", "d"),
    ("Session-Expires", "x"),
    ("Subject", "s"),
    ("Supported", "k"),
    ("To", "t"),
    ("Via", "v"),
];

/// The bytes that the first message of a stream takes. Line ends between messages (keep-alives, RFC 5626, section
/// 3.5.1) are a message of their own, for which [`Message::parse`] gives `None`.
///
/// A message with a Content-Type whose Content-Length is missing or is no number (against RFC 3261, section 20.14)
/// goes to the next first line of SIP, or to the end of what is there.
pub fn frame(bytes: &[u8]) -> Frame {
    let keep_alive = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if keep_alive > 0 {
        return Frame::Complete(keep_alive);
    }
    let head = match Head::in_stream(bytes, |line| StartLine::parse(line, PROTOCOL).is_some()) {
        Ok(head) => head,
        Err(frame) => return frame,
    };
    match content_length(head.headers) {
        Ok(Some(length)) => sized(head.length, length, bytes.len()),
        _ if values(head.headers, "Content-Type").next().is_none() => Frame::Complete(head.length),
        _ => Frame::Complete(head.length + to_next_message(bytes.get(head.length..).unwrap_or_default())),
    }
}

fn to_next_message(bytes: &[u8]) -> usize {
    let window = bytes.get(..MAX_BODY).unwrap_or(bytes);
    let mut position = 0;
    for line in window.split_inclusive(|byte| *byte == b'\n') {
        if StartLine::parse(line, PROTOCOL).is_some() {
            break;
        }
        position += line.len();
    }
    position
}

/// One SIP message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Request or status line.
    pub start: StartLine<'a>,
    /// All headers.
    pub headers: Headers<'a>,
    /// The body as long as Content-Length says, or all there is where it says nothing.
    pub body: &'a [u8],
    /// Bytes behind the body that Content-Length leaves out. A receiver drops them (RFC 3261, section 18.3).
    pub surplus: &'a [u8],
    /// What is wrong with the head or the length of the body.
    pub error: Option<ParseError>,
    content: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram, or a message that [`frame`] cut. `None` where the first line is not SIP's.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let head = Head::split(bytes.get(skipped..)?);
        let start = StartLine::parse(head.start_line, PROTOCOL)?;
        let offset = skipped + head.length;
        let content = bytes.get(offset..).unwrap_or_default();
        let (length, mut error) = match content_length(head.headers) {
            Ok(Some(length)) if length > content.len() => {
                (content.len(), Some(ParseError::short("sip body", offset, length, content.len())))
            }
            Ok(Some(length)) if length < content.len() => {
                (length, Some(ParseError::invalid("sip body", offset + length, "more bytes than Content-Length says")))
            }
            Ok(_) => (content.len(), None),
            Err(()) => (content.len(), Some(ParseError::invalid("sip", skipped, "Content-Length is no number"))),
        };
        if !head.complete {
            error = Some(ParseError::short("sip", bytes.len(), 1, 0));
        }
        let (body, surplus) = content.split_at_checked(length).unwrap_or((content, &[]));
        Some(Self { start, headers: head.headers, body, surplus, error, content })
    }

    /// The values of a header under its long or compact name, one for each line.
    pub fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        values(self.headers, name)
    }

    /// The first value of a header as text, up to the first byte that is not UTF-8.
    pub fn value(&self, name: &'static str) -> Option<&'a str> {
        self.values(name).next().map(text)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<&'a str> {
        self.value("Call-ID").filter(|id| !id.is_empty())
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq<'a>> {
        self.values("CSeq").next().and_then(CSeq::parse)
    }

    /// From, with the tag of the caller.
    pub fn from(&self) -> Option<NameAddr<'a>> {
        self.values("From").next().and_then(NameAddr::parse)
    }

    /// To, with the tag of the callee once there is one.
    pub fn to(&self) -> Option<NameAddr<'a>> {
        self.values("To").next().and_then(NameAddr::parse)
    }

    /// Contacts, of all lines and of lists in a line.
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr<'a>> + use<'a> {
        self.values("Contact").flat_map(comma_separated).filter_map(NameAddr::parse)
    }

    /// Via, the newest hop first, of all lines and of lists in a line.
    pub fn vias(&self) -> impl Iterator<Item = Via<'a>> + use<'a> {
        self.values("Via").flat_map(comma_separated).filter_map(Via::parse)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        self.values("Content-Type").next().map(ContentType::parse)
    }

    /// The session description: the body, or the part of a multipart, that says it is one or looks like one. Where
    /// Content-Length cuts it off or leaves it out (a gateway that rewrote it without counting), the bytes behind
    /// belong to it.
    pub fn sdp(&self) -> Option<&'a [u8]> {
        match self.content_type() {
            Some(content_type) => find_part(&content_type, self.content, "application/sdp"),
            None => looks_like_sdp(self.content).then_some(self.content),
        }
        .filter(|sdp| !sdp.is_empty())
    }
}

fn values<'a>(headers: Headers<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let compact = COMPACT_NAMES.iter().find(|(long, _)| long.eq_ignore_ascii_case(name)).map(|(_, short)| *short);
    headers.named([name, compact.unwrap_or(name)])
}

/// Content-Length: `Ok(None)` where it is not there, `Err` where it is no number or stands twice with two values.
fn content_length(headers: Headers<'_>) -> Result<Option<usize>, ()> {
    values(headers, "Content-Length").try_fold(None, |seen, value| {
        let length = number(value).ok_or(())?;
        if seen.is_some_and(|seen| seen != length) { Err(()) } else { Ok(Some(length)) }
    })
}

#[cfg(test)]
mod tests;
