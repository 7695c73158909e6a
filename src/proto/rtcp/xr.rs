//! Extended reports (RFC 3611).
//!
//! In: one packet. Out: its blocks, those of the RFC read, others by number.
//! Never: a table of a sequence range: a run-length list of four bytes can claim 65,536 packets, so it is walked.

use super::RtcpPacket;
use super::feedback::Entry;
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::Ssrc;

const LAYER: &str = "rtcp extended report";

/// XR (section 2).
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// Who sends this report.
    pub sender: Ssrc,
    blocks: Reader<'a>,
}

/// One report block (section 3).
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// BT (IANA registry "RTCP XR Block Type").
    pub number: u8,
    /// Eight bits whose meaning is the block's.
    pub specific: u8,
    /// What it says.
    pub content: Content<'a>,
}

/// The seven blocks of RFC 3611, section 4.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// 1: which packets were lost.
    LossRle(RunLengths<'a>),
    /// 2: which packets came more than once.
    DuplicateRle(RunLengths<'a>),
    /// 3: when packets came.
    ReceiptTimes(ReceiptTimes<'a>),
    /// 4: NTP timestamp that a receiver wants to have answered, 32.32 fixed point.
    ReceiverReferenceTime(u64),
    /// 5: the answers.
    DelaySinceLastRr(DelaysSinceLastRr<'a>),
    /// 6: statistics summary.
    Summary(Summary),
    /// 7: VoIP metrics.
    VoipMetrics(VoipMetrics),
    /// Another number, or a block too short for its own: the bytes behind the block header.
    Other(&'a [u8]),
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        let mut reader = packet.body(LAYER)?;
        let sender = Ssrc(reader.u32()?);
        let report = Self { sender, blocks: reader };
        let mut walk = report.blocks();
        walk.by_ref().for_each(drop);
        Ok((report, walk.error))
    }

    /// The blocks in order.
    pub const fn blocks(&self) -> Blocks<'a> {
        Blocks { reader: self.blocks, error: None, done: false }
    }
}

/// Walks blocks. One that is broken inside does not end the walk, one that is cut does.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    reader: Reader<'a>,
    error: Option<ParseError>,
    done: bool,
}

impl<'a> Blocks<'a> {
    fn block(&mut self) -> Result<Block<'a>, ParseError> {
        let number = self.reader.u8()?;
        let specific = self.reader.u8()?;
        let len = 4 * usize::from(self.reader.u16()?);
        let start = self.reader.position();
        let body = match self.reader.take(len) {
            Ok(body) => body,
            Err(error) => {
                self.done = true;
                self.error.get_or_insert(error);
                self.reader.rest()
            }
        };
        let content = content(number, specific, body).unwrap_or_else(|error| {
            self.error.get_or_insert(ParseError { layer: LAYER, offset: start + error.offset, ..error });
            Content::Other(body)
        });
        Ok(Block { number, specific, content })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        if self.done || self.reader.is_empty() {
            return None;
        }
        let block = self.block();
        if let Err(error) = block {
            self.done = true;
            self.error.get_or_insert(error);
        }
        block.ok()
    }
}

fn content(number: u8, specific: u8, body: &[u8]) -> Result<Content<'_>, ParseError> {
    let mut reader = Reader::new(LAYER, body);
    Ok(match number {
        1 => Content::LossRle(RunLengths::parse(specific, reader)?),
        2 => Content::DuplicateRle(RunLengths::parse(specific, reader)?),
        3 => Content::ReceiptTimes(ReceiptTimes::parse(specific, reader)?),
        4 => Content::ReceiverReferenceTime(reader.u64()?),
        5 => Content::DelaySinceLastRr(DelaysSinceLastRr(body)),
        6 => Content::Summary(Summary::parse(specific, reader)?),
        7 => Content::VoipMetrics(VoipMetrics::parse(reader)?),
        _ => Content::Other(body),
    })
}

/// The range that blocks 1, 2, 3 and 6 are about: from `begin` up to but without `end`, around the wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceRange {
    /// The stream.
    pub source: Ssrc,
    /// First sequence number.
    pub begin: u16,
    /// Last sequence number plus one.
    pub end: u16,
}

impl SequenceRange {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { source: Ssrc(reader.u32()?), begin: reader.u16()?, end: reader.u16()? })
    }

    /// The sequence numbers that are multiples of 2^thinning (section 4.1).
    fn thinned(self, thinning: u8) -> impl Iterator<Item = u16> {
        let step = 1_u32 << (thinning & 0x0f);
        let len = u32::from(self.end.wrapping_sub(self.begin));
        let first = (step - u32::from(self.begin) % step) % step;
        (first..len).step_by(step as usize).map(move |offset| self.begin.wrapping_add(offset as u16))
    }
}

/// Blocks 1 and 2 (sections 4.1 and 4.2).
#[derive(Clone, Copy, Debug)]
pub struct RunLengths<'a> {
    /// What is reported on.
    pub range: SequenceRange,
    /// T: only sequence numbers that are multiples of 2^T are told.
    pub thinning: u8,
    chunks: &'a [u8],
}

impl<'a> RunLengths<'a> {
    fn parse(specific: u8, mut reader: Reader<'a>) -> Result<Self, ParseError> {
        let range = SequenceRange::parse(&mut reader)?;
        Ok(Self { range, thinning: specific & 0x0f, chunks: reader.rest() })
    }

    /// Sequence numbers with their bit: in block 1 true for received, in block 2 true for received once only.
    /// Ends with the range or with the chunks, whatever comes first.
    pub fn packets(&self) -> impl Iterator<Item = (u16, bool)> + use<'a> {
        let (chunks, _) = self.chunks.as_chunks::<2>();
        let bits = chunks.iter().map(|chunk| u16::from_be_bytes(*chunk)).take_while(|chunk| *chunk != 0);
        self.range.thinned(self.thinning).zip(bits.flat_map(chunk_bits))
    }
}

/// The bits of a chunk: a run (section 4.1.1) or a vector of 15 (section 4.1.2).
fn chunk_bits(chunk: u16) -> impl Iterator<Item = bool> {
    let is_vector = chunk & 0x8000 != 0;
    let len = if is_vector { 15 } else { chunk & 0x3fff };
    (0..len).map(move |index| if is_vector { chunk >> (14 - index) & 1 == 1 } else { chunk & 0x4000 != 0 })
}

/// Block 3 (section 4.3).
#[derive(Clone, Copy, Debug)]
pub struct ReceiptTimes<'a> {
    /// What is reported on.
    pub range: SequenceRange,
    /// T: only sequence numbers that are multiples of 2^T are told.
    pub thinning: u8,
    times: &'a [u8],
}

impl<'a> ReceiptTimes<'a> {
    fn parse(specific: u8, mut reader: Reader<'a>) -> Result<Self, ParseError> {
        let range = SequenceRange::parse(&mut reader)?;
        Ok(Self { range, thinning: specific & 0x0f, times: reader.rest() })
    }

    /// Sequence numbers with their time of receipt in ticks of the RTP clock; 0 for a packet that did not come.
    pub fn packets(&self) -> impl Iterator<Item = (u16, u32)> + use<'a> {
        let (times, _) = self.times.as_chunks::<4>();
        self.range.thinned(self.thinning).zip(times.iter().map(|time| u32::from_be_bytes(*time)))
    }
}

/// Block 5 (section 4.5).
#[derive(Clone, Copy, Debug)]
pub struct DelaysSinceLastRr<'a>(&'a [u8]);

/// One answer to a receiver reference time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DelaySinceLastRr {
    /// The receiver that is answered.
    pub receiver: Ssrc,
    /// Middle 32 bits of the reference time; 0 where none was received.
    pub last_rr: u32,
    /// Delay between receiving it and sending this, in 1/65536 s.
    pub delay: u32,
}

impl Entry for DelaySinceLastRr {
    const LEN: usize = 12;
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { receiver: Ssrc(reader.u32()?), last_rr: reader.u32()?, delay: reader.u32()? })
    }
}

impl<'a> DelaysSinceLastRr<'a> {
    /// The answers that are whole.
    pub fn iter(&self) -> impl Iterator<Item = DelaySinceLastRr> + use<'a> {
        self.0
            .chunks_exact(DelaySinceLastRr::LEN)
            .filter_map(|entry| DelaySinceLastRr::read(&mut Reader::new(LAYER, entry)).ok())
    }
}

/// Block 6 (section 4.6). A field is `None` where the block's flags say that it is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// What is reported on.
    pub range: SequenceRange,
    /// Packets lost.
    pub lost: Option<u32>,
    /// Duplicates.
    pub duplicates: Option<u32>,
    /// Jitter in ticks of the RTP clock.
    pub jitter: Option<Spread<u32>>,
    /// IPv4 time to live or IPv6 hop limit.
    pub hops: Option<Spread<u8>>,
}

/// Four figures of one quantity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread<T> {
    /// Smallest.
    pub min: T,
    /// Largest.
    pub max: T,
    /// Mean.
    pub mean: T,
    /// Standard deviation.
    pub deviation: T,
}

impl Summary {
    fn parse(flags: u8, mut reader: Reader<'_>) -> Result<Self, ParseError> {
        let range = SequenceRange::parse(&mut reader)?;
        let (lost, duplicates) = (reader.u32()?, reader.u32()?);
        let jitter = Spread { min: reader.u32()?, max: reader.u32()?, mean: reader.u32()?, deviation: reader.u32()? };
        let hops = Spread { min: reader.u8()?, max: reader.u8()?, mean: reader.u8()?, deviation: reader.u8()? };
        let told = |bits: u8| flags & bits != 0;
        Ok(Self {
            range,
            lost: told(0x80).then_some(lost),
            duplicates: told(0x40).then_some(duplicates),
            jitter: told(0x20).then_some(jitter),
            hops: told(0x18).then_some(hops),
        })
    }
}

/// Block 7 (section 4.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoipMetrics {
    /// The stream.
    pub source: Ssrc,
    /// Share of packets lost since the beginning, in 1/256.
    pub loss_rate: u8,
    /// Share of packets that came too early or too late to play, in 1/256.
    pub discard_rate: u8,
    /// Share of packets lost or discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// The same within gaps.
    pub gap_density: u8,
    /// Mean length of bursts in ms.
    pub burst_duration_ms: u16,
    /// Mean length of gaps in ms.
    pub gap_duration_ms: u16,
    /// Round-trip time in ms; 0 where not known.
    pub round_trip_ms: u16,
    /// Delay of the end system in ms.
    pub end_system_delay_ms: u16,
    /// Signal level in dBm0; `None` for 127, unavailable. So are the next two.
    pub signal_level: Option<i8>,
    /// Noise level in dBm0.
    pub noise_level: Option<i8>,
    /// Residual echo return loss in dB.
    pub residual_echo_loss: Option<u8>,
    /// Gmin: the number of good packets that ends a burst; 16 is recommended.
    pub gmin: u8,
    /// R factor, 0 to 100; `None` for 127, unavailable. So is the next.
    pub r_factor: Option<u8>,
    /// R factor of the part of the call outside of this RTP session.
    pub external_r_factor: Option<u8>,
    /// Listening quality, MOS times ten; `None` for 127, unavailable. So is the next.
    pub mos_lq_tenths: Option<u8>,
    /// Conversational quality, MOS times ten.
    pub mos_cq_tenths: Option<u8>,
    /// Receiver configuration: packet loss concealment, adaptivity and rate of the jitter buffer, as sent.
    pub receiver_config: u8,
    /// Nominal delay of the jitter buffer in ms.
    pub buffer_nominal_ms: u16,
    /// Its largest delay so far.
    pub buffer_maximum_ms: u16,
    /// The largest it could have.
    pub buffer_absolute_maximum_ms: u16,
}

impl VoipMetrics {
    fn parse(mut reader: Reader<'_>) -> Result<Self, ParseError> {
        const UNAVAILABLE: u8 = 127;
        let told = |byte: u8| (byte != UNAVAILABLE).then_some(byte);
        let metrics = Self {
            source: Ssrc(reader.u32()?),
            loss_rate: reader.u8()?,
            discard_rate: reader.u8()?,
            burst_density: reader.u8()?,
            gap_density: reader.u8()?,
            burst_duration_ms: reader.u16()?,
            gap_duration_ms: reader.u16()?,
            round_trip_ms: reader.u16()?,
            end_system_delay_ms: reader.u16()?,
            signal_level: told(reader.u8()?).map(u8::cast_signed),
            noise_level: told(reader.u8()?).map(u8::cast_signed),
            residual_echo_loss: told(reader.u8()?),
            gmin: reader.u8()?,
            r_factor: told(reader.u8()?),
            external_r_factor: told(reader.u8()?),
            mos_lq_tenths: told(reader.u8()?),
            mos_cq_tenths: told(reader.u8()?),
            receiver_config: reader.u8()?,
            buffer_nominal_ms: {
                reader.skip(1)?;
                reader.u16()?
            },
            buffer_maximum_ms: reader.u16()?,
            buffer_absolute_maximum_ms: reader.u16()?,
        };
        Ok(metrics)
    }
}

#[cfg(test)]
#[path = "xr_tests.rs"]
mod tests;
