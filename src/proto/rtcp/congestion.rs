//! Congestion control feedback (RFC 8888, section 3.1).
//!
//! In: one packet. Out: per stream a list of packets with arrival and ECN mark, and the time of the report.
//! Never: more entries than the packet has bytes for.

use super::RtcpPacket;
use crate::bytes::{ParseError, Reader};
use crate::proto::rtp::Ssrc;

/// The format of RTPFB.
pub const FORMAT: u8 = 11;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct CongestionControl<'a> {
    /// Who sends the feedback.
    pub sender: Ssrc,
    /// When it was sent: middle 32 bits of an NTP timestamp; `None` in a packet that is cut.
    pub report_timestamp: Option<u32>,
    streams: Reader<'a>,
}

/// What is told of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamReport<'a> {
    /// The stream.
    pub source: Ssrc,
    /// Sequence number of the first entry.
    pub begin: u16,
    metrics: &'a [u8],
}

/// One packet metric block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketMetric {
    /// RTP sequence number.
    pub sequence: u16,
    /// R: the packet arrived; the two below mean nothing where it did not.
    pub received: bool,
    /// ECN bits of its IP header.
    pub ecn: u8,
    /// How long before the report timestamp it arrived.
    pub offset: ArrivalOffset,
}

/// Arrival time offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArrivalOffset {
    /// In 1/1024 s, below 8189/1024.
    Ticks(u16),
    /// 0x1FFE: longer than can be told.
    OverRange,
    /// 0x1FFF: not known, or after the report timestamp.
    Unavailable,
}

impl<'a> CongestionControl<'a> {
    pub(super) fn parse(packet: &RtcpPacket<'a>) -> Result<(Self, Option<ParseError>), ParseError> {
        const LAYER: &str = "rtcp congestion control feedback";
        let mut reader = packet.body(LAYER)?;
        let sender = Ssrc(reader.u32()?);
        // The timestamp is the last word, and a packet that is cut ends in some other.
        let split = packet.bytes.len().checked_sub(4).filter(|at| packet.missing == 0 && *at >= reader.position());
        let (end, report_timestamp) = match split {
            Some(at) => {
                let last = packet.bytes.last_chunk::<4>();
                (at, last.map(|word| u32::from_be_bytes(*word)))
            }
            None => (packet.bytes.len(), None),
        };
        let mut streams = Reader::new(LAYER, packet.bytes.get(..end).unwrap_or_default());
        streams.skip(reader.position())?;
        let feedback = Self { sender, report_timestamp, streams };
        let mut walk = feedback.streams();
        walk.by_ref().for_each(drop);
        let no_timestamp = report_timestamp.is_none().then(|| ParseError::short(LAYER, end, 4, 0));
        Ok((feedback, walk.error.or(no_timestamp)))
    }

    /// The streams up to the first that is cut; of that one the entries that are there.
    pub const fn streams(&self) -> StreamReports<'a> {
        StreamReports { reader: self.streams, error: None }
    }
}

/// Walks streams.
#[derive(Clone, Debug)]
pub struct StreamReports<'a> {
    reader: Reader<'a>,
    error: Option<ParseError>,
}

impl<'a> StreamReports<'a> {
    fn stream(&mut self) -> Result<StreamReport<'a>, ParseError> {
        let source = Ssrc(self.reader.u32()?);
        let begin = self.reader.u16()?;
        let len = 2 * usize::from(self.reader.u16()?);
        let metrics = match self.reader.take(len) {
            Ok(metrics) => metrics,
            Err(error) => {
                self.error = Some(error);
                return Ok(StreamReport { source, begin, metrics: self.reader.rest() });
            }
        };
        // An odd number of entries is followed by 16 bits of zero.
        self.error = self.reader.skip(len % 4).err();
        Ok(StreamReport { source, begin, metrics })
    }
}

impl<'a> Iterator for StreamReports<'a> {
    type Item = StreamReport<'a>;

    fn next(&mut self) -> Option<StreamReport<'a>> {
        if self.reader.is_empty() || self.error.is_some() {
            return None;
        }
        self.stream().map_err(|error| self.error = Some(error)).ok()
    }
}

impl<'a> StreamReport<'a> {
    /// The entries in order of their sequence numbers.
    pub fn packets(&self) -> impl Iterator<Item = PacketMetric> + use<'a> {
        let (words, _) = self.metrics.as_chunks::<2>();
        let begin = self.begin;
        words.iter().enumerate().map(move |(index, word)| {
            let word = u16::from_be_bytes(*word);
            PacketMetric {
                sequence: begin.wrapping_add(index as u16),
                received: word & 0x8000 != 0,
                ecn: (word >> 13 & 3) as u8,
                offset: match word & 0x1fff {
                    0x1fff => ArrivalOffset::Unavailable,
                    0x1ffe => ArrivalOffset::OverRange,
                    ticks => ArrivalOffset::Ticks(ticks),
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [u8; 36] = [
        0x8b, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 3, 0x80, 0x05, 0x00, 0x00, 0xff, 0xff, 0, 0, 0, 0, 0,
        3, 0, 7, 0, 0, 0x12, 0x34, 0x56, 0x78,
    ];

    fn parse(bytes: &[u8]) -> (CongestionControl<'_>, Option<ParseError>) {
        let packet = super::super::packets(bytes).next().unwrap();
        CongestionControl::parse(&packet).unwrap()
    }

    #[test]
    fn streams_and_their_packets_are_told_with_offset_and_ecn() {
        let (feedback, error) = parse(&MESSAGE);
        assert_eq!((feedback.sender, feedback.report_timestamp, error), (Ssrc(1), Some(0x1234_5678), None));
        let streams: Vec<_> = feedback.streams().collect();
        assert_eq!(streams.iter().map(|stream| stream.source).collect::<Vec<_>>(), [Ssrc(2), Ssrc(3)]);
        let metric = |sequence, received, ecn, offset| PacketMetric { sequence, received, ecn, offset };
        assert_eq!(
            streams[0].packets().collect::<Vec<_>>(),
            [
                metric(0xffff, true, 0, ArrivalOffset::Ticks(5)),
                metric(0, false, 0, ArrivalOffset::Ticks(0)),
                metric(1, true, 3, ArrivalOffset::Unavailable),
            ]
        );
        assert_eq!(streams[1].packets().count(), 0, "a stream without entries");
    }

    #[test]
    fn a_message_cut_anywhere_gives_the_entries_before_the_cut() {
        for len in 8..MESSAGE.len() {
            let (feedback, error) = parse(&MESSAGE[..len]);
            assert!(error.is_some() && feedback.report_timestamp.is_none(), "at {len}");
            let entries: usize = feedback.streams().map(|stream| stream.packets().count()).sum();
            assert_eq!(entries, (len.saturating_sub(16) / 2).min(3), "at {len}");
        }
    }

    #[test]
    fn a_count_beyond_the_packet_is_an_error_and_not_a_loop() {
        let mut bytes = MESSAGE;
        bytes[14] = 0xff;
        let (feedback, error) = parse(&bytes);
        assert!(error.is_some());
        assert_eq!(feedback.streams().map(|stream| stream.packets().count()).sum::<usize>(), 8);
    }
}
