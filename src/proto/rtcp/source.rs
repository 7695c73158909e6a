//! Packets about sources themselves: SDES, BYE and APP (RFC 3550, sections 6.5 to 6.7).
//!
//! In: one packet. Out: chunks with their items, leaving sources with their reason, application data.
//! Never: a judgement of text; it is handed on as the bytes it is.

use super::RtcpPacket;
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::Ssrc;

/// SDES (section 6.5).
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    reader: Reader<'a>,
    count: u8,
}

/// What is said of one source.
#[derive(Clone, Copy, Debug)]
pub struct SdesChunk<'a> {
    /// The source.
    pub source: Ssrc,
    items: &'a [u8],
}

/// One item of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItem<'a> {
    /// What it is.
    pub kind: SdesKind,
    /// Its bytes, UTF-8 by section 6.5; of [`Priv`](SdesKind::Priv) see [`private`](Self::private).
    pub text: &'a [u8],
}

/// Item types (IANA registry "RTP SDES Item Types").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SdesKind {
    /// 1, RFC 3550.
    Cname,
    /// 2.
    Name,
    /// 3.
    Email,
    /// 4.
    Phone,
    /// 5.
    Loc,
    /// 6.
    Tool,
    /// 7.
    Note,
    /// 8.
    Priv,
    /// 12, RFC 8852.
    RtpStreamId,
    /// 13, RFC 8852.
    RepairedRtpStreamId,
    /// 15, RFC 8843.
    Mid,
    /// Another number.
    Other(u8),
}

impl From<u8> for SdesKind {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Cname,
            2 => Self::Name,
            3 => Self::Email,
            4 => Self::Phone,
            5 => Self::Loc,
            6 => Self::Tool,
            7 => Self::Note,
            8 => Self::Priv,
            12 => Self::RtpStreamId,
            13 => Self::RepairedRtpStreamId,
            15 => Self::Mid,
            other => Self::Other(other),
        }
    }
}

impl<'a> SdesItem<'a> {
    /// Prefix and value of a PRIV item (section 6.5.8); `None` for other items and where the prefix does not fit.
    pub fn private(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.kind != SdesKind::Priv {
            return None;
        }
        let (&len, rest) = self.text.split_first()?;
        rest.split_at_checked(usize::from(len))
    }
}

impl<'a> SourceDescription<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> (Self, Option<ParseError>) {
        let mut reader = Reader::new("rtcp source description", packet.bytes);
        // The walk over packets has seen these four bytes.
        let _ = reader.skip(4);
        let description = Self { reader, count: packet.count };
        let mut chunks = description.chunks();
        chunks.by_ref().for_each(drop);
        (description, chunks.error)
    }

    /// The chunks up to the first that cannot be read; of that one the items before the fault.
    pub const fn chunks(&self) -> SdesChunks<'a> {
        SdesChunks { reader: self.reader, left: self.count, error: None }
    }

    /// Every item with the source it describes.
    pub fn items(&self) -> impl Iterator<Item = (Ssrc, SdesItem<'a>)> + use<'a> {
        self.chunks().flat_map(|chunk| chunk.items().map(move |item| (chunk.source, item)))
    }
}

/// Walks chunks.
#[derive(Clone, Debug)]
pub struct SdesChunks<'a> {
    reader: Reader<'a>,
    left: u8,
    error: Option<ParseError>,
}

impl<'a> SdesChunks<'a> {
    fn chunk(&mut self) -> Result<SdesChunk<'a>, ParseError> {
        let source = Ssrc(self.reader.u32()?);
        let start = self.reader;
        let mut end = start;
        let ended = loop {
            let before = end;
            match item(&mut end) {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => {
                    end = before;
                    break Err(error);
                }
            }
        };
        let items = start.rest().get(..end.position() - start.position()).unwrap_or_default();
        if let Err(error) = ended {
            self.error = Some(error);
            self.left = 0;
        }
        // Null octets fill the chunk up to the next 32-bit boundary; chunks begin on one.
        let fill = end.position().next_multiple_of(4) - end.position();
        if end.skip(fill).is_err() {
            self.left = 0;
        }
        self.reader = end;
        Ok(SdesChunk { source, items })
    }
}

impl<'a> Iterator for SdesChunks<'a> {
    type Item = SdesChunk<'a>;

    fn next(&mut self) -> Option<SdesChunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        match self.chunk() {
            Ok(chunk) => Some(chunk),
            Err(error) => {
                self.error = Some(error);
                self.left = 0;
                None
            }
        }
    }
}

impl<'a> SdesChunk<'a> {
    /// The items in order.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut reader = Reader::new("rtcp source description", self.items);
        std::iter::from_fn(move || item(&mut reader).ok().flatten())
    }
}

/// The next item; `None` at the null octet that ends a chunk.
fn item<'a>(reader: &mut Reader<'a>) -> Result<Option<SdesItem<'a>>, ParseError> {
    let number = reader.u8()?;
    if number == 0 {
        return Ok(None);
    }
    let len = usize::from(reader.u8()?);
    Ok(Some(SdesItem { kind: number.into(), text: reader.take(len)? }))
}

/// BYE (section 6.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why they leave, UTF-8 by the RFC.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> (Self, Option<ParseError>) {
        let mut reader = Reader::new("rtcp bye", packet.bytes);
        // The walk over packets has seen these four bytes.
        let _ = reader.skip(4);
        let sources = match reader.take(usize::from(packet.count) * 4) {
            Ok(sources) => sources,
            Err(error) => return (Self { sources: reader.rest(), reason: None }, Some(error)),
        };
        if reader.is_empty() {
            return (Self { sources, reason: None }, None);
        }
        match reader.u8().and_then(|len| reader.take(usize::from(len))) {
            Ok(reason) => (Self { sources, reason: Some(reason) }, None),
            Err(error) => (Self { sources, reason: Some(reader.rest()) }, Some(error)),
        }
    }

    /// The sources that leave.
    pub fn sources(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        let (words, _) = self.sources.as_chunks::<4>();
        words.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }
}

/// APP (section 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    /// Five bits for the application.
    pub subtype: u8,
    /// SSRC or CSRC of the sender.
    pub sender: Ssrc,
    /// Four characters that name the application.
    pub name: [u8; 4],
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<Self, ParseError> {
        let mut reader = packet.body("rtcp app")?;
        let sender = Ssrc(reader.u32()?);
        let name = reader.u32()?.to_be_bytes();
        Ok(Self { subtype: packet.count, sender, name, data: reader.rest() })
    }
}
