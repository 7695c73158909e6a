//! Payload formats that wrap or accompany media: telephone events, retransmission, redundancy.
//!
//! In: the payload of one packet in clear. Out: views of its parts. Never: the payload of an encrypted packet, whose
//! bytes mean nothing here.

use crate::bytes::{ParseError, Reader};

/// A telephone event (RFC 4733, section 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    /// Event code: 0 to 15 are DTMF (section 3.2).
    pub event: u8,
    /// E: the event is over and `duration` is final.
    pub end: bool,
    /// Power of the tone below 0 dBm0 in dB, 0 to 63.
    pub minus_dbm0: u8,
    /// Ticks of the RTP clock since the packet's RTP timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the four bytes; more events may follow in the same payload.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("telephone-event", payload);
        let event = reader.u8()?;
        let flags = reader.u8()?;
        Ok(Self { event, end: flags & 0x80 != 0, minus_dbm0: flags & 0x3f, duration: reader.u16()? })
    }

    /// The key of a DTMF event (RFC 4733, table 3): `0` to `9`, `*`, `#`, `A` to `D`.
    pub fn key(&self) -> Option<char> {
        b"0123456789*#ABCD".get(usize::from(self.event)).map(|key| char::from(*key))
    }
}

/// A retransmission (RFC 4588, section 4): the sequence number that the packet had, and its payload. `None` for a
/// payload below two bytes, such as the empty one of a bandwidth probe.
pub fn retransmission(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, original) = payload.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*sequence), original))
}

/// One block of redundant coding (RFC 2198, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RedundantBlock<'a> {
    /// Payload type of the block.
    pub payload_type: u8,
    /// Ticks by which the block is older than the packet's RTP timestamp; `None` for the primary block, the last.
    pub timestamp_offset: Option<u16>,
    /// Its bytes, cut to what is there.
    pub data: &'a [u8],
}

/// Walks the blocks of a RED payload, oldest first, primary last.
#[derive(Clone, Debug)]
pub struct RedundantBlocks<'a> {
    headers: Reader<'a>,
    data: Reader<'a>,
    done: bool,
    error: Option<ParseError>,
}

const RED_LAYER: &str = "red";

impl<'a> RedundantBlocks<'a> {
    /// Finds the end of the block headers.
    pub fn new(payload: &'a [u8]) -> Self {
        let headers = Reader::new(RED_LAYER, payload);
        let mut data = headers;
        // F set: four bytes of header and another one behind. F clear: one byte, the last.
        let found = loop {
            match data.u8() {
                Ok(first) if first & 0x80 == 0 => break Ok(()),
                Ok(_) => {
                    if let Err(error) = data.skip(3) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        Self { headers, data, done: found.is_err(), error: found.err() }
    }

    /// Where and why the walk broke off, once it did.
    pub const fn error(&self) -> Option<ParseError> {
        self.error
    }

    fn block(&mut self) -> Result<RedundantBlock<'a>, ParseError> {
        let first = self.headers.u8()?;
        let payload_type = first & 0x7f;
        if first & 0x80 == 0 {
            self.done = true;
            return Ok(RedundantBlock { payload_type, timestamp_offset: None, data: self.data.rest() });
        }
        let word = self.headers.u24()?;
        let data = self.data.take((word & 0x3ff) as usize)?;
        Ok(RedundantBlock { payload_type, timestamp_offset: Some((word >> 10) as u16), data })
    }
}

impl<'a> Iterator for RedundantBlocks<'a> {
    type Item = RedundantBlock<'a>;

    fn next(&mut self) -> Option<RedundantBlock<'a>> {
        if self.done {
            return None;
        }
        match self.block() {
            Ok(block) => Some(block),
            Err(error) => {
                self.done = true;
                self.error = Some(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_event_is_read_and_knows_its_key() {
        let event = TelephoneEvent::parse(&[11, 0x8a, 0x03, 0x20]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 11, end: true, minus_dbm0: 10, duration: 800 });
        assert_eq!(event.key(), Some('#'));
        assert_eq!(TelephoneEvent { event: 16, ..event }.key(), None, "a hook flash is no key");
        assert!((0..4).all(|len| TelephoneEvent::parse(&[11, 0x8a, 0x03, 0x20][..len]).is_err()));
    }

    #[test]
    fn a_retransmission_gives_the_original_number_and_payload() {
        assert_eq!(retransmission(&[0x12, 0x34, 9]), Some((0x1234, &[9][..])));
        assert_eq!(retransmission(&[0x12]), None);
    }

    #[test]
    fn red_blocks_come_in_order_with_the_primary_last() {
        let payload = [0xef, 0x0f, 0x00, 0x02, 0xef, 0x07, 0x80, 0x01, 0x6f, 1, 2, 3, 4, 5];
        let mut blocks = RedundantBlocks::new(&payload);
        let list: Vec<_> =
            blocks.by_ref().map(|block| (block.payload_type, block.timestamp_offset, block.data)).collect();
        assert_eq!(list, [(111, Some(960), &[1, 2][..]), (111, Some(480), &[3]), (111, None, &[4, 5])]);
        assert_eq!(blocks.error(), None);
    }

    #[test]
    fn a_red_payload_with_the_primary_block_alone_is_one_block() {
        let list: Vec<_> = RedundantBlocks::new(&[0x60, 7, 8]).collect();
        assert_eq!(list, [RedundantBlock { payload_type: 96, timestamp_offset: None, data: &[7, 8] }]);
    }

    #[test]
    fn a_red_payload_cut_anywhere_says_so_and_never_panics() {
        let payload = [0xef, 0x0f, 0x00, 0x02, 0xef, 0x07, 0x80, 0x01, 0x6f, 1, 2, 3, 4, 5];
        for len in 0..payload.len() {
            let mut blocks = RedundantBlocks::new(&payload[..len]);
            let count = blocks.by_ref().count();
            assert_eq!(blocks.error().is_some(), len < 12, "at {len}");
            assert_eq!(
                count,
                match len {
                    0..=10 => 0,
                    11 => 1,
                    _ => 3,
                },
                "at {len}"
            );
        }
        let endless = [0xff; 1000];
        assert_eq!(RedundantBlocks::new(&endless).count(), 0);
    }
}
