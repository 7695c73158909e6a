//! The record layer: where each record of a datagram starts and ends, and what its header says.
//!
//! In: the payload of one datagram, and how long the connection id of its receiver is where that is known.
//! Out: [`Record`]s with offsets, at the end an error for a bad tail. Never: a look inside an encrypted record.

use super::Version;
use super::names::{AlertDescription, AlertLevel, registry};
use crate::bytes::{ParseError, Reader};
use std::fmt;

registry! {
    /// The content type of a record: RFC 5246 section 6.2.1, RFC 6520, RFC 9146 section 4, RFC 9147 section 4.
    ContentType(u8), "{}" {
        20 = CHANGE_CIPHER_SPEC, "change_cipher_spec";
        21 = ALERT, "alert";
        22 = HANDSHAKE, "handshake";
        23 = APPLICATION_DATA, "application_data";
        24 = HEARTBEAT, "heartbeat";
        25 = TLS12_CID, "tls12_cid";
        26 = ACK, "ack";
    }
}

/// The fixed part of a classic record header: type, version, epoch, sequence number, length (RFC 6347, section 4.1).
const PLAINTEXT_HEADER_LEN: usize = 13;
/// The most that a record may carry: 2^14 bytes and 2048 of expansion (RFC 6347 section 4.1, RFC 5246 section 6.2.3).
const MAX_RECORD_LEN: usize = (1 << 14) + 2048;
/// A connection id is at most this long (RFC 9146, section 3).
const MAX_CONNECTION_ID_LEN: usize = 255;
const LAYER: &str = "dtls record";

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    /// The header of DTLS 1.0 and 1.2, of DTLS 1.3 before encryption, and of RFC 9146.
    Classic {
        /// Content type; of a record with connection id it is hidden and this is [`ContentType::TLS12_CID`].
        content_type: ContentType,
        /// Version of the record, which is not always the one negotiated.
        version: Version,
        /// How often the cipher state changed.
        epoch: u16,
        /// 48 bits, counted from 0 in each epoch and direction.
        sequence: u64,
        /// RFC 9146; empty without.
        connection_id: &'a [u8],
    },
    /// The unified header of an encrypted record of DTLS 1.3 (RFC 9147, section 4): first byte `001CSLEE`.
    Unified {
        /// The low two bits of the epoch: 1 early data, 2 handshake, 3 application data, then it wraps.
        epoch_bits: u8,
        /// The low bits of the record number, encrypted on the wire (RFC 9147, section 4.2.3).
        encrypted_sequence: u16,
        /// Empty without.
        connection_id: &'a [u8],
    },
}

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where its header begins in the datagram, in bytes.
    pub offset: usize,
    /// What the header says.
    pub header: Header<'a>,
    /// The header's bytes.
    pub header_bytes: &'a [u8],
    /// The captured payload.
    pub payload: &'a [u8],
    /// Bytes of the payload that the header promises but the datagram does not have.
    pub missing: usize,
}

impl<'a> Record<'a> {
    /// The content type, unless encryption hides it.
    pub const fn content_type(&self) -> Option<ContentType> {
        match self.header {
            Header::Classic { content_type: ContentType::TLS12_CID, .. } | Header::Unified { .. } => None,
            Header::Classic { content_type, .. } => Some(content_type),
        }
    }

    /// True for a record in epoch 0 with a classic header: its payload can be read.
    pub const fn is_plaintext(&self) -> bool {
        matches!(self.header, Header::Classic { epoch: 0, .. })
    }

    /// The payload as an alert, where it is one in plaintext (RFC 5246, section 7.2).
    pub fn alert(&self) -> Option<Alert> {
        let Header::Classic { content_type: ContentType::ALERT, epoch: 0, .. } = self.header else { return None };
        let [level, description] = <[u8; 2]>::try_from(self.payload).ok()?;
        Some(Alert { level: AlertLevel(level), description: AlertDescription(description) })
    }
}

/// A plaintext alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Warning or fatal.
    pub level: AlertLevel,
    /// The reason.
    pub description: AlertDescription,
}

/// `fatal internal_error`.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.description)
    }
}

/// True where the datagram begins with a classic record of a known type and version whose length is allowed and not
/// zero: enough to tell DTLS from chance. A datagram that begins with a unified header has nothing to tell it by, so it
/// is DTLS only on a five-tuple that spoke DTLS before.
pub fn starts_with_record(datagram: &[u8]) -> bool {
    let first = datagram.first().copied().map(ContentType);
    let known = first.is_some_and(|kind| kind.name().is_some() && kind != ContentType::TLS12_CID);
    known && matches!(Records::new(datagram, None).next(), Some(Ok(record)) if !record.payload.is_empty())
}

/// The records of a datagram, in order. A record that the datagram cuts off is yielded with [`Record::missing`] set and
/// followed by the error; after an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    datagram: &'a [u8],
    offset: usize,
    connection_id_len: Option<usize>,
    pending: Option<ParseError>,
    done: bool,
}

impl<'a> Records<'a> {
    /// `connection_id_len` is the length of the id that the receiver of this datagram asked for, in bytes. Where it is
    /// not known, a record that carries one is taken to reach to the end of the datagram.
    pub const fn new(datagram: &'a [u8], connection_id_len: Option<usize>) -> Self {
        Self { datagram, offset: 0, connection_id_len, pending: None, done: false }
    }

    fn read(&mut self, bytes: &'a [u8], first: u8) -> Result<Record<'a>, ParseError> {
        let mut reader = Reader::new(LAYER, bytes);
        let (header, length) =
            if first >> 5 == 0b001 { self.unified(&mut reader)? } else { self.classic(&mut reader)? };
        let header_len = reader.position();
        if length > MAX_RECORD_LEN {
            return Err(ParseError::invalid(LAYER, header_len, "longer than a record may be"));
        }
        let captured = length.min(reader.remaining());
        let missing = length - captured;
        if missing > 0 {
            self.pending = Some(ParseError::short(LAYER, header_len, length, captured));
        }
        let header_bytes = bytes.get(..header_len).unwrap_or_default();
        Ok(Record { offset: self.offset, header, header_bytes, payload: reader.take(captured)?, missing })
    }

    fn classic(&self, reader: &mut Reader<'a>) -> Result<(Header<'a>, usize), ParseError> {
        let content_type = ContentType(reader.u8()?);
        if content_type.name().is_none() {
            return Err(ParseError::invalid(LAYER, 0, "unknown content type"));
        }
        let version = Version(reader.u16()?);
        if !version.is_known() {
            return Err(ParseError::invalid(LAYER, 1, "unknown version"));
        }
        let epoch = reader.u16()?;
        let sequence = u64::from(reader.u16()?) << 32 | u64::from(reader.u32()?);
        let connection_id = match content_type {
            ContentType::TLS12_CID => reader.take(self.classic_connection_id_len(reader.rest())?)?,
            _ => &[],
        };
        let length = usize::from(reader.u16()?);
        Ok((Header::Classic { content_type, version, epoch, sequence, connection_id }, length))
    }

    /// `rest` begins at the connection id; it is followed by the length of what follows.
    fn classic_connection_id_len(&self, rest: &[u8]) -> Result<usize, ParseError> {
        match self.connection_id_len {
            Some(known) => Ok(known),
            // RFC 9146, section 4: a record with an id of no bytes has the ordinary header, so 1 is the least.
            None => connection_id_len_that_fits(rest, 1).ok_or(ParseError::invalid(
                LAYER,
                PLAINTEXT_HEADER_LEN - 2,
                "connection id of unknown length",
            )),
        }
    }

    fn unified(&self, reader: &mut Reader<'a>) -> Result<(Header<'a>, usize), ParseError> {
        let first = reader.u8()?;
        let (has_id, long_sequence, has_length) = (first & 0x10 != 0, first & 0x08 != 0, first & 0x04 != 0);
        let after_id = if long_sequence { 2 } else { 1 };
        let id_len = match (has_id, self.connection_id_len) {
            (false, _) => 0,
            (true, Some(known)) => known,
            (true, None) if has_length => unified_connection_id_len_that_fits(reader.rest(), after_id)
                .ok_or(ParseError::invalid(LAYER, 1, "connection id of unknown length"))?,
            (true, None) => return Err(ParseError::invalid(LAYER, 1, "connection id of unknown length")),
        };
        let connection_id = reader.take(id_len)?;
        let encrypted_sequence = if long_sequence { reader.u16()? } else { u16::from(reader.u8()?) };
        let length = if has_length { usize::from(reader.u16()?) } else { reader.remaining() };
        Ok((Header::Unified { epoch_bits: first & 0x03, encrypted_sequence, connection_id }, length))
    }
}

/// The least length of at least `least` for which the two bytes behind the id say what is left of the datagram.
fn connection_id_len_that_fits(rest: &[u8], least: usize) -> Option<usize> {
    (least..=MAX_CONNECTION_ID_LEN).find(|&id_len| {
        let Some([high, low]) = rest.get(id_len..id_len + 2).and_then(|two| <[u8; 2]>::try_from(two).ok()) else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        length > 0 && id_len + 2 + length == rest.len()
    })
}

/// As [`connection_id_len_that_fits`], with the sequence number between id and length.
fn unified_connection_id_len_that_fits(rest: &[u8], sequence_len: usize) -> Option<usize> {
    connection_id_len_that_fits(rest, sequence_len).map(|both| both - sequence_len)
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.pending.take() {
            self.done = true;
            return Some(Err(at(self.offset, error)));
        }
        let rest = self.datagram.get(self.offset..)?;
        let first = *rest.first()?;
        if self.done {
            return None;
        }
        match self.read(rest, first) {
            Ok(record) => {
                if record.missing == 0 {
                    self.offset += record.header_bytes.len() + record.payload.len();
                }
                Some(Ok(record))
            }
            Err(error) => {
                self.done = true;
                Some(Err(at(self.offset, error)))
            }
        }
    }
}

/// The same error with its offset counted from the start of the datagram.
fn at(offset: usize, error: ParseError) -> ParseError {
    ParseError { offset: error.offset.saturating_add(offset), ..error }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{garbage, hex};
    use super::*;

    const HANDSHAKE: &str = "16fefd0000000000000007000400010203";

    fn records(bytes: &[u8], id_len: Option<usize>) -> Vec<Result<Record<'_>, ParseError>> {
        Records::new(bytes, id_len).collect()
    }

    #[test]
    fn a_datagram_of_several_records_gives_each_with_its_offset() {
        let bytes = hex(&format!("{HANDSHAKE}14fefd0000000000000008000101 16fefd00010000000000000002aabb"));
        let all: Vec<Record<'_>> = records(&bytes, None).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(all.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 17, 31]);
        assert_eq!(all[0].payload, [0, 1, 2, 3]);
        assert_eq!(all[0].content_type(), Some(ContentType::HANDSHAKE));
        assert!(all[0].is_plaintext() && !all[2].is_plaintext());
        let Header::Classic { version, epoch, sequence, .. } = all[0].header else { panic!("classic") };
        assert_eq!((version, epoch, sequence), (Version::DTLS_1_2, 0, 7));
        assert!(matches!(all[2].header, Header::Classic { epoch: 1, sequence: 0, .. }));
    }

    #[test]
    fn the_version_of_an_old_openssl_is_a_record_too() {
        let bytes = hex("16 0100 0000 000000000000 0001 00");
        assert!(matches!(records(&bytes, None)[..], [Ok(_)]));
        assert!(starts_with_record(&bytes));
    }

    #[test]
    fn every_truncation_gives_what_is_there_and_one_error() {
        let bytes = hex(HANDSHAKE);
        for len in 1..bytes.len() {
            let all = records(&bytes[..len], None);
            let Some(Err(error)) = all.last() else { panic!("no error at {len}") };
            assert!(error.need > error.have, "{len}: {error}");
            if len >= PLAINTEXT_HEADER_LEN {
                let Ok(record) = all[0] else { panic!("no record at {len}") };
                assert_eq!((record.payload.len(), record.missing), (len - 13, 17 - len));
                assert_eq!(all.len(), 2);
            } else {
                assert_eq!(all.len(), 1);
            }
        }
        assert!(records(&[], None).is_empty());
    }

    #[test]
    fn a_bad_tail_is_an_error_at_its_offset_behind_the_good_records() {
        let bytes = hex(&format!("{HANDSHAKE}ffffff"));
        let all = records(&bytes, None);
        assert!(all[0].is_ok());
        assert_eq!(all[1], Err(ParseError::invalid("dtls record", 17, "unknown content type")));
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn a_unified_header_is_read_with_and_without_length_and_connection_id() {
        let bytes = hex("2e ce7c 0003 010203 2d 1234 0002 aabb 21 07 0102030405");
        let all: Vec<Record<'_>> = records(&bytes, None).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(all[0].header, Header::Unified { epoch_bits: 2, encrypted_sequence: 0xce7c, connection_id: &[] });
        assert_eq!(all[0].payload, [1, 2, 3]);
        assert_eq!(all[1].header, Header::Unified { epoch_bits: 1, encrypted_sequence: 0x1234, connection_id: &[] });
        assert_eq!(all[2].header, Header::Unified { epoch_bits: 1, encrypted_sequence: 7, connection_id: &[] });
        assert_eq!(all[2].payload, [1, 2, 3, 4, 5]);
        assert_eq!(all[2].content_type(), None);

        let with_id = hex("3f c1c2c3 0009 0002 aabb");
        for id_len in [Some(3), None] {
            let [Ok(record)] = records(&with_id, id_len)[..] else { panic!("{id_len:?}") };
            let Header::Unified { epoch_bits, encrypted_sequence, connection_id } = record.header else { panic!() };
            assert_eq!((epoch_bits, encrypted_sequence, connection_id), (3, 9, &[0xc1, 0xc2, 0xc3][..]));
        }
    }

    #[test]
    fn a_record_with_connection_id_of_dtls_1_2_is_read_with_known_and_unknown_length() {
        let bytes = hex("19 fefd 0001 000000000005 c1c2c3c4 0003 010203");
        for id_len in [Some(4), None] {
            let [Ok(record)] = records(&bytes, id_len)[..] else { panic!("{id_len:?}") };
            let Header::Classic { connection_id, sequence, epoch, .. } = record.header else { panic!() };
            assert_eq!((connection_id, sequence, epoch), (&[0xc1, 0xc2, 0xc3, 0xc4][..], 5, 1));
            assert_eq!((record.payload, record.content_type()), (&[1, 2, 3][..], None));
        }
    }

    #[test]
    fn an_alert_is_read_in_plaintext_only() {
        let bytes = hex("15 fefd 0000 000000000001 0002 0250 15 fefd 0001 000000000001 0002 0250");
        let all: Vec<Record<'_>> = records(&bytes, None).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(all[0].alert().map(|alert| alert.to_string()), Some("fatal internal_error".to_owned()));
        assert_eq!(all[1].alert(), None);
    }

    #[test]
    fn other_traffic_does_not_start_with_a_record() {
        assert!(!starts_with_record(&hex("3904010000010000000000000766697265666f78")));
        assert!(!starts_with_record(&hex("160301000000000000000000000100")));
        assert!(!starts_with_record(&[]));
    }

    #[test]
    fn garbage_ends_after_one_error() {
        for seed in 0..2000u64 {
            let bytes = garbage(seed, 64);
            for id_len in [None, Some(0), Some(8), Some(255)] {
                let all = records(&bytes, id_len);
                assert!(all.iter().rev().skip(1).all(Result::is_ok));
            }
        }
    }
}
