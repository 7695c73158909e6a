//! Feedback messages RTPFB and PSFB (RFC 4585, section 6, and the formats registered since).
//!
//! In: one packet. Out: who tells whom what, lists as iterators over the packet's own bytes.
//! Never: a list longer than the packet can hold; a NACK of n bytes names at most 17 n / 4 packets.

use super::transport_cc::TransportCc;
use super::{RtcpPacket, packet_type};
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::Ssrc;

/// RTPFB and PSFB share their beginning (RFC 4585, section 6.1).
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// Who sends the feedback.
    pub sender: Ssrc,
    /// Whose stream it is about; 0 in the messages that name their targets in [`control`](Self::control).
    pub media: Ssrc,
    /// The feedback control information.
    pub control: Control<'a>,
}

/// Feedback control information by packet type and format.
#[derive(Clone, Copy, Debug)]
pub enum Control<'a> {
    /// RTPFB 1, generic NACK (RFC 4585, section 6.2.1).
    Nack(LostPackets<'a>),
    /// RTPFB 3, temporary maximum bit rate request (RFC 5104, section 4.2.1).
    Tmmbr(Entries<'a, BitrateLimit>),
    /// RTPFB 4, temporary maximum bit rate notification (RFC 5104, section 4.2.2); empty where nothing is limited.
    Tmmbn(Entries<'a, BitrateLimit>),
    /// RTPFB 5, request for a sender report (RFC 6051, section 3.2).
    SenderReportRequest,
    /// RTPFB 7, third-party report of transport loss (RFC 6642, section 4.1).
    ThirdPartyLoss(LostPackets<'a>),
    /// RTPFB 15, draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
    TransportCc(TransportCc<'a>),
    /// PSFB 1, picture loss indication (RFC 4585, section 6.3.1).
    PictureLoss,
    /// PSFB 2, slice loss indication (RFC 4585, section 6.3.2).
    SliceLoss(Entries<'a, LostSlices>),
    /// PSFB 3, reference picture selection indication (RFC 4585, section 6.3.3).
    ReferencePicture(ReferencePicture<'a>),
    /// PSFB 4, full intra request (RFC 5104, section 4.3.1).
    FullIntraRequest(Entries<'a, Command>),
    /// PSFB 5, temporal-spatial trade-off request (RFC 5104, section 4.3.2).
    TradeOffRequest(Entries<'a, Command>),
    /// PSFB 6, temporal-spatial trade-off notification (RFC 5104, section 4.3.3).
    TradeOffNotification(Entries<'a, Command>),
    /// PSFB 7, H.271 video back channel message (RFC 5104, section 4.3.4).
    VideoBackChannel(BackChannelMessages<'a>),
    /// PSFB 8, third-party report of payload loss (RFC 6642, section 4.2).
    ThirdPartyPictureLoss(Entries<'a, Ssrc>),
    /// PSFB 15 with the identifier `REMB`, draft-alvestrand-rmcat-remb-03, section 2.
    Remb(Remb<'a>),
    /// PSFB 15, application layer feedback (RFC 4585, section 6.4).
    Application(&'a [u8]),
    /// Another format; the packet's `packet_type` and `count` name it.
    Other(&'a [u8]),
}

impl<'a> Feedback<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        let mut reader = packet.body("rtcp feedback")?;
        let sender = Ssrc(reader.u32()?);
        let media = Ssrc(reader.u32()?);
        let read = if packet.packet_type == packet_type::TRANSPORT_FEEDBACK {
            transport_control(packet.count, reader)
        } else {
            payload_control(packet.count, reader)
        };
        let (control, error) = read.unwrap_or_else(|error| (Control::Other(reader.rest()), Some(error)));
        Ok((Self { sender, media, control }, error))
    }
}

type Read<T> = Result<(T, Option<ParseError>), ParseError>;

fn transport_control(format: u8, reader: Reader<'_>) -> Read<Control<'_>> {
    Ok(match format {
        1 => map(Entries::new(reader), |entries| Control::Nack(LostPackets(entries))),
        3 => map(Entries::new(reader), Control::Tmmbr),
        4 => map(Entries::or_none(reader), Control::Tmmbn),
        5 => (Control::SenderReportRequest, None),
        7 => map(Entries::new(reader), |entries| Control::ThirdPartyLoss(LostPackets(entries))),
        15 => map(TransportCc::parse(reader)?, Control::TransportCc),
        _ => (Control::Other(reader.rest()), None),
    })
}

fn payload_control(format: u8, reader: Reader<'_>) -> Read<Control<'_>> {
    Ok(match format {
        1 => (Control::PictureLoss, None),
        2 => map(Entries::new(reader), Control::SliceLoss),
        3 => (Control::ReferencePicture(ReferencePicture::parse(reader)?), None),
        4 => map(Entries::new(reader), Control::FullIntraRequest),
        5 => map(Entries::new(reader), Control::TradeOffRequest),
        6 => map(Entries::new(reader), Control::TradeOffNotification),
        7 => {
            let messages = BackChannelMessages { reader, error: None };
            let mut walk = messages;
            walk.by_ref().for_each(drop);
            (Control::VideoBackChannel(messages), walk.error)
        }
        8 => map(Entries::new(reader), Control::ThirdPartyPictureLoss),
        15 if reader.rest().starts_with(Remb::IDENTIFIER) => map(Remb::parse(reader)?, Control::Remb),
        15 => (Control::Application(reader.rest()), None),
        _ => (Control::Other(reader.rest()), None),
    })
}

fn map<T, U>((value, error): (T, Option<ParseError>), into: impl FnOnce(T) -> U) -> (U, Option<ParseError>) {
    (into(value), error)
}

/// A list entry of fixed length.
pub trait Entry: Sized {
    /// Bytes of one entry, not 0.
    const LEN: usize;
    /// Reads one entry from a reader that holds as many bytes.
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError>;
}

/// A list of entries of one kind; iterates over those that are whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entries<'a, T> {
    bytes: &'a [u8],
    kind: std::marker::PhantomData<T>,
}

impl<'a, T: Entry> Entries<'a, T> {
    /// The rest of the reader; an error where an entry is cut, or where there is none.
    fn new(mut reader: Reader<'a>) -> (Self, Option<ParseError>) {
        let (entries, cut) = Self::or_none(reader);
        let lacking = if entries.is_empty() { reader.take(T::LEN).err() } else { None };
        (entries, cut.or(lacking))
    }

    /// The rest of the reader, which may be empty; an error where an entry is cut.
    fn or_none(mut reader: Reader<'a>) -> (Self, Option<ParseError>) {
        let whole = reader.remaining() / T::LEN * T::LEN;
        let bytes = reader.take(whole).unwrap_or_default();
        let cut = if reader.is_empty() { None } else { reader.take(T::LEN).err() };
        (Self { bytes, kind: std::marker::PhantomData }, cut)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let bytes = self.bytes;
        bytes.chunks_exact(T::LEN).filter_map(|entry| T::read(&mut Reader::new("rtcp feedback entry", entry)).ok())
    }

    /// Number of entries.
    pub const fn len(&self) -> usize {
        self.bytes.len() / T::LEN
    }

    /// True where there is none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Entry for Ssrc {
    const LEN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        reader.u32().map(Ssrc)
    }
}

/// A packet identifier with the bit mask of the sixteen that follow it (RFC 4585, section 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostPair {
    /// PID: a lost packet.
    pub first: u16,
    /// BLP: bit i, counted from the lowest, is packet `first + i + 1`.
    pub mask: u16,
}

impl Entry for LostPair {
    const LEN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { first: reader.u16()?, mask: reader.u16()? })
    }
}

impl LostPair {
    /// The sequence numbers, ascending from the first, around the wrap.
    pub fn sequences(self) -> impl Iterator<Item = u16> {
        let followers = (0..16_u16).filter(move |bit| self.mask >> bit & 1 == 1);
        std::iter::once(self.first).chain(followers.map(move |bit| self.first.wrapping_add(bit + 1)))
    }
}

/// The sequence numbers that a NACK names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostPackets<'a>(Entries<'a, LostPair>);

impl<'a> LostPackets<'a> {
    /// Every sequence number, in the order of the message.
    pub fn sequences(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().flat_map(LostPair::sequences)
    }

    /// The pairs as they were sent.
    pub const fn pairs(&self) -> Entries<'a, LostPair> {
        self.0
    }
}

/// An entry of TMMBR and TMMBN (RFC 5104, section 4.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BitrateLimit {
    /// In a request who shall obey, in a notification who owns the limit.
    pub source: Ssrc,
    /// Bits per second; saturates where the exponent passes 64 bits.
    pub bits_per_second: u64,
    /// Bytes of overhead per packet that the limit counts in.
    pub overhead: u16,
}

impl Entry for BitrateLimit {
    const LEN: usize = 8;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let source = Ssrc(reader.u32()?);
        let word = reader.u32()?;
        let bits_per_second = scaled(word >> 26, word >> 9 & 0x1_ffff);
        Ok(Self { source, bits_per_second, overhead: (word & 0x1ff) as u16 })
    }
}

/// `mantissa << exponent`, saturating.
fn scaled(exponent: u32, mantissa: u32) -> u64 {
    let mantissa = u64::from(mantissa);
    if mantissa.leading_zeros() >= exponent { mantissa << exponent } else { u64::MAX }
}

/// An entry of SLI (RFC 4585, section 6.3.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostSlices {
    /// First lost macroblock, 13 bits.
    pub first: u16,
    /// Number of lost macroblocks, 13 bits.
    pub count: u16,
    /// Low six bits of the codec's picture identifier.
    pub picture: u8,
}

impl Entry for LostSlices {
    const LEN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let word = reader.u32()?;
        Ok(Self { first: (word >> 19) as u16, count: (word >> 6 & 0x1fff) as u16, picture: (word & 0x3f) as u8 })
    }
}

/// The content of RPSI (RFC 4585, section 6.3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReferencePicture<'a> {
    /// RTP payload type whose codec reads the bits.
    pub payload_type: u8,
    /// The codec's own bits.
    pub bits: &'a [u8],
    /// How many bits at the end of `bits` are padding.
    pub padding_bits: u8,
}

impl<'a> ReferencePicture<'a> {
    fn parse(mut reader: Reader<'a>) -> Result<Self, ParseError> {
        let padding = reader.u8()?;
        let payload_type = reader.u8()? & 0x7f;
        let rest = reader.rest();
        let bytes = rest.len().checked_sub(usize::from(padding / 8));
        let bits = bytes.and_then(|len| rest.get(..len)).ok_or(reader.invalid("padding longer than the message"))?;
        Ok(Self { payload_type, bits, padding_bits: padding % 8 })
    }
}

/// An entry of FIR, TSTR and TSTN (RFC 5104, sections 4.3.1.1, 4.3.2.1, 4.3.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// Who shall obey; in a notification who asked.
    pub source: Ssrc,
    /// Command sequence number: the same number is a repetition.
    pub sequence: u8,
    /// Trade-off index, 0 (high spatial quality) to 31 (high frame rate); 0 in FIR.
    pub index: u8,
}

impl Entry for Command {
    const LEN: usize = 8;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let source = Ssrc(reader.u32()?);
        let word = reader.u32()?;
        Ok(Self { source, sequence: (word >> 24) as u8, index: (word & 0x1f) as u8 })
    }
}

/// An entry of VBCM (RFC 5104, section 4.3.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackChannelMessage<'a> {
    /// Who shall obey.
    pub source: Ssrc,
    /// Command sequence number.
    pub sequence: u8,
    /// RTP payload type whose codec reads the message.
    pub payload_type: u8,
    /// H.271 message.
    pub message: &'a [u8],
}

/// Walks the entries of VBCM, each of its own length.
#[derive(Clone, Copy, Debug)]
pub struct BackChannelMessages<'a> {
    reader: Reader<'a>,
    error: Option<ParseError>,
}

impl<'a> BackChannelMessages<'a> {
    fn entry(&mut self) -> Result<BackChannelMessage<'a>, ParseError> {
        let source = Ssrc(self.reader.u32()?);
        let sequence = self.reader.u8()?;
        let payload_type = self.reader.u8()? & 0x7f;
        let len = usize::from(self.reader.u16()?);
        let message = self.reader.take(len)?;
        // Entries begin on 32-bit boundaries; the last may leave the fill out.
        let fill = self.reader.remaining().min(len.next_multiple_of(4) - len);
        self.reader.skip(fill)?;
        Ok(BackChannelMessage { source, sequence, payload_type, message })
    }
}

impl<'a> Iterator for BackChannelMessages<'a> {
    type Item = BackChannelMessage<'a>;

    fn next(&mut self) -> Option<BackChannelMessage<'a>> {
        if self.reader.is_empty() || self.error.is_some() {
            return None;
        }
        self.entry().map_err(|error| self.error = Some(error)).ok()
    }
}

/// Receiver estimated maximum bitrate, draft-alvestrand-rmcat-remb-03, section 2.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remb<'a> {
    /// Bits per second; saturates where the exponent passes 64 bits.
    pub bits_per_second: u64,
    /// The streams that share it.
    pub sources: Entries<'a, Ssrc>,
}

impl<'a> Remb<'a> {
    const IDENTIFIER: &'static [u8] = b"REMB";

    fn parse(mut reader: Reader<'a>) -> Read<Self> {
        reader.skip(Self::IDENTIFIER.len())?;
        let count = usize::from(reader.u8()?);
        let word = reader.u24()?;
        let bits_per_second = scaled(word >> 18, word & 0x3_ffff);
        let short = (reader.remaining() / Ssrc::LEN < count)
            .then(|| ParseError::short("rtcp feedback", reader.position(), count * Ssrc::LEN, reader.remaining()));
        let len = (count * Ssrc::LEN).min(reader.remaining() / Ssrc::LEN * Ssrc::LEN);
        let sources = Entries { bytes: reader.take(len)?, kind: std::marker::PhantomData };
        Ok((Self { bits_per_second, sources }, short))
    }
}
