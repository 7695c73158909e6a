//! Sender and receiver reports (RFC 3550, section 6.4).
//!
//! In: one packet. Out: sender information, report blocks, and the profile's extension behind them.
//! Never: a round-trip time, which needs the packet that a block answers.

use super::RtcpPacket;
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::Ssrc;

/// Bytes of a report block (section 6.4.1).
const BLOCK_LEN: usize = 24;

/// SR (section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport<'a> {
    /// Who sends this report.
    pub sender: Ssrc,
    /// NTP timestamp, 32.32 fixed point seconds since 1900.
    pub ntp: u64,
    /// The same instant on the RTP clock of the sender's stream.
    pub rtp_timestamp: u32,
    /// RTP packets sent since the stream began.
    pub packet_count: u32,
    /// Payload bytes sent since the stream began, without header and padding.
    pub octet_count: u32,
    /// What the sender receives.
    pub blocks: ReportBlocks<'a>,
    /// Bytes behind the blocks that a profile may define; empty nearly always.
    pub extension: &'a [u8],
}

/// RR (section 6.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverReport<'a> {
    /// Who sends this report.
    pub sender: Ssrc,
    /// What it receives.
    pub blocks: ReportBlocks<'a>,
    /// Bytes behind the blocks that a profile may define.
    pub extension: &'a [u8],
}

/// One report block (section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// Whose packets the block is about.
    pub about: Ssrc,
    /// Share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits with a sign, negative where duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Highest sequence number received, below the count of its cycles.
    pub extended_highest: u32,
    /// Interarrival jitter in ticks of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last SR received; 0 where none was.
    pub last_sr: u32,
    /// Delay between receiving that SR and sending this block, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// The report blocks that are whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl SenderReport<'_> {
    /// The middle 32 bits of the NTP timestamp, by which a report block names this report.
    pub const fn ntp_middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        let mut reader = packet.body("rtcp sender report")?;
        let sender = Ssrc(reader.u32()?);
        let ntp = reader.u64()?;
        let rtp_timestamp = reader.u32()?;
        let packet_count = reader.u32()?;
        let octet_count = reader.u32()?;
        let (blocks, extension, error) = blocks(&mut reader, packet.count);
        Ok((Self { sender, ntp, rtp_timestamp, packet_count, octet_count, blocks, extension }, error))
    }
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        let mut reader = packet.body("rtcp receiver report")?;
        let sender = Ssrc(reader.u32()?);
        let (blocks, extension, error) = blocks(&mut reader, packet.count);
        Ok((Self { sender, blocks, extension }, error))
    }
}

/// As many whole blocks as there are, up to the count.
fn blocks<'a>(reader: &mut Reader<'a>, count: u8) -> (ReportBlocks<'a>, &'a [u8], Option<ParseError>) {
    let wanted = usize::from(count) * BLOCK_LEN;
    match reader.take(wanted) {
        Ok(bytes) => (ReportBlocks(bytes), reader.rest(), None),
        Err(error) => {
            let whole = reader.remaining() / BLOCK_LEN * BLOCK_LEN;
            (ReportBlocks(reader.take(whole).unwrap_or_default()), &[], Some(error))
        }
    }
}

impl<'a> ReportBlocks<'a> {
    /// Number of blocks, 0 to 31.
    pub const fn len(&self) -> usize {
        self.0.len() / BLOCK_LEN
    }

    /// True where there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        let (blocks, _) = self.0.as_chunks::<BLOCK_LEN>();
        blocks.iter().filter_map(|block| ReportBlock::read(block).ok())
    }
}

impl ReportBlock {
    fn read(bytes: &[u8; BLOCK_LEN]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("rtcp report block", bytes);
        Ok(Self {
            about: Ssrc(reader.u32()?),
            fraction_lost: reader.u8()?,
            // The shift up and back carries the sign of bit 23.
            cumulative_lost: (reader.u24()? << 8).cast_signed() >> 8,
            extended_highest: reader.u32()?,
            jitter: reader.u32()?,
            last_sr: reader.u32()?,
            delay_since_last_sr: reader.u32()?,
        })
    }
}
