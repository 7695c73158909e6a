//! RTCP (RFC 3550, section 6): the walk over a compound, and what each of its packets says.
//!
//! In: the payload of one datagram, in clear or decrypted, compound or reduced-size (RFC 5506). Out: packets with their
//! exact offsets, and their contents as borrowed views; a broken packet does not take those beside it along.
//! Never: a table that grows with what a packet claims. Whether a datagram is encrypted, [`shape`](fn@shape) tells.

#![forbid(unsafe_code)]

pub mod congestion;
pub mod feedback;
pub mod report;
mod shape;
pub mod source;
pub mod transport_cc;
pub mod xr;

pub use shape::{RtcpShape, SrtcpTrailer, shape};

use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::{Ssrc, VERSION};
use congestion::CongestionControl;
use feedback::Feedback;
use report::{ReceiverReport, SenderReport};
use source::{App, Bye, SourceDescription};
use xr::ExtendedReport;

const LAYER: &str = "rtcp";

/// The packet types of RTCP that may share a port with RTP (RFC 5761, section 4).
pub const PACKET_TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// Packet types (IANA registry "RTCP Control Packet Types").
pub mod packet_type {
    /// Sender report (RFC 3550, section 6.4.1).
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report (RFC 3550, section 6.4.2).
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description (RFC 3550, section 6.5).
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// Goodbye (RFC 3550, section 6.6).
    pub const BYE: u8 = 203;
    /// Application-defined (RFC 3550, section 6.7).
    pub const APP: u8 = 204;
    /// Transport-layer feedback (RFC 4585, section 6.2).
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback (RFC 4585, section 6.3).
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report (RFC 3611, section 2).
    pub const EXTENDED_REPORT: u8 = 207;
}

/// The registered abbreviation of a packet type.
pub const fn packet_type_name(packet_type: u8) -> Option<&'static str> {
    Some(match packet_type {
        192 => "FIR",     // RFC 2032
        193 => "NACK",    // RFC 2032
        194 => "SMPTETC", // RFC 5484
        195 => "IJ",      // RFC 5450
        200 => "SR",
        201 => "RR",
        202 => "SDES",
        203 => "BYE",
        204 => "APP",
        205 => "RTPFB",
        206 => "PSFB",
        207 => "XR",
        208 => "AVB",   // IEEE 1733
        209 => "RSI",   // RFC 5760
        210 => "TOKEN", // RFC 6284
        211 => "IDMS",  // RFC 7272
        212 => "RGRS",  // RFC 8861
        213 => "SNM",   // RFC 8286
        _ => return None,
    })
}

/// One packet of a compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtcpPacket<'a> {
    /// Offset of the header from the start of the compound, in bytes.
    pub offset: usize,
    /// Packet type, 192 to 223.
    pub packet_type: u8,
    /// The five bits beside version and padding: a count of reports, chunks or sources, a feedback format, a subtype.
    pub count: u8,
    /// Header and body without padding, cut to what is there.
    pub bytes: &'a [u8],
    /// Bytes of padding behind, the count included.
    pub padding: u8,
    /// Bytes that the header's length claims and the datagram does not have.
    pub missing: usize,
}

/// What a packet says.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    SourceDescription(SourceDescription<'a>),
    /// BYE.
    Bye(Bye<'a>),
    /// APP.
    App(App<'a>),
    /// RTPFB and PSFB, except congestion control feedback.
    Feedback(Feedback<'a>),
    /// RTPFB, format 11 (RFC 8888), which has a layout of its own.
    CongestionControl(CongestionControl<'a>),
    /// XR.
    ExtendedReport(ExtendedReport<'a>),
    /// A packet type that is known by number only, or a packet too short for the fixed part of its type.
    Other,
}

impl<'a> RtcpPacket<'a> {
    /// The first SSRC: in all types but SDES and BYE that of the sender of the packet. Stays in clear under SRTCP in
    /// the first packet of a compound.
    pub fn first_ssrc(&self) -> Option<Ssrc> {
        self.bytes.get(4..)?.first_chunk().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }

    /// Reads the body by its packet type. The error's offset counts from the packet's own header; what the message
    /// holds stands before it.
    pub fn message(&self) -> (Message<'a>, Option<ParseError>) {
        use packet_type::*;
        let read = match self.packet_type {
            SENDER_REPORT => SenderReport::parse(self).map(|(report, error)| (Message::SenderReport(report), error)),
            RECEIVER_REPORT => {
                ReceiverReport::parse(self).map(|(report, error)| (Message::ReceiverReport(report), error))
            }
            SOURCE_DESCRIPTION => {
                let (description, error) = SourceDescription::parse(self);
                Ok((Message::SourceDescription(description), error))
            }
            BYE => {
                let (bye, error) = Bye::parse(self);
                Ok((Message::Bye(bye), error))
            }
            APP => App::parse(self).map(|app| (Message::App(app), None)),
            TRANSPORT_FEEDBACK if self.count == congestion::FORMAT => {
                CongestionControl::parse(self).map(|(feedback, error)| (Message::CongestionControl(feedback), error))
            }
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK => {
                Feedback::parse(self).map(|(feedback, error)| (Message::Feedback(feedback), error))
            }
            EXTENDED_REPORT => {
                ExtendedReport::parse(self).map(|(report, error)| (Message::ExtendedReport(report), error))
            }
            _ => Ok((Message::Other, None)),
        };
        read.unwrap_or_else(|error| (Message::Other, Some(error)))
    }

    /// A reader behind the four bytes of the common header, counting from the header.
    fn body(&self, layer: &'static str) -> Result<Reader<'a>, ParseError> {
        let mut reader = Reader::new(layer, self.bytes);
        reader.skip(4)?;
        Ok(reader)
    }
}

/// Walks a compound. A packet whose length reaches beyond the end is yielded with what is there of it, and ends the
/// walk; a header that cannot be RTCP ends it at once.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    bytes: &'a [u8],
    position: usize,
    done: bool,
    error: Option<ParseError>,
}

/// Walks `bytes`, which hold RTCP in clear.
pub const fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets { bytes, position: 0, done: false, error: None }
}

impl<'a> Packets<'a> {
    /// The first thing that was wrong with the framing so far; its offset counts from the start of the compound.
    pub const fn error(&self) -> Option<ParseError> {
        self.error
    }

    /// Offset behind the last packet that was yielded, its padding included.
    pub const fn position(&self) -> usize {
        self.position
    }

    fn fault(&mut self, error: ParseError) {
        self.error.get_or_insert(error);
    }

    fn packet(&mut self) -> Result<RtcpPacket<'a>, ParseError> {
        let offset = self.position;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let Some(&[first, packet_type, l0, l1]) = rest.first_chunk::<4>() else {
            return Err(ParseError::short(LAYER, offset, 4, rest.len()));
        };
        if first >> 6 != VERSION {
            return Err(ParseError::invalid(LAYER, offset, "version is not 2"));
        }
        if !PACKET_TYPES.contains(&packet_type) {
            return Err(ParseError::invalid(LAYER, offset + 1, "packet type outside 192 to 223"));
        }
        // Section 6.4.1: 32-bit words, less one.
        let len = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let whole = rest.get(..len).unwrap_or(rest);
        self.position += whole.len();
        let missing = len - whole.len();
        if missing > 0 {
            self.fault(ParseError::short(LAYER, offset, len, whole.len()));
            self.done = true;
        }
        let padding = if first & 0x20 != 0 && missing == 0 { self.padding(offset, whole) } else { 0 };
        let bytes = whole.get(..whole.len() - usize::from(padding)).unwrap_or(whole);
        Ok(RtcpPacket { offset, packet_type, count: first & 0x1f, bytes, padding, missing })
    }

    /// The count in the last byte of a packet with the P bit (section 6.4.1); 0 where it cannot be. The RFC wants a
    /// multiple of four; transport-wide feedback ends in one to three bytes of padding in every browser.
    fn padding(&mut self, offset: usize, whole: &[u8]) -> u8 {
        let end = offset + whole.len();
        let count = whole.last().copied().unwrap_or(0);
        let valid = count > 0 && usize::from(count) <= whole.len() - 4;
        if !valid {
            self.fault(ParseError::invalid(LAYER, end - 1, "padding count that cannot be"));
        } else if end != self.bytes.len() {
            self.fault(ParseError::invalid(LAYER, offset, "padding before the last packet"));
        }
        if valid { count } else { 0 }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = RtcpPacket<'a>;

    fn next(&mut self) -> Option<RtcpPacket<'a>> {
        if self.done || self.position >= self.bytes.len() {
            return None;
        }
        match self.packet() {
            Ok(packet) => Some(packet),
            Err(error) => {
                self.fault(error);
                self.done = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
