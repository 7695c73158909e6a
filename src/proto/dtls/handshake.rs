//! The handshake header, and fragments of handshake messages.
//!
//! In: the payload of one plaintext handshake record. Out: the fragments in it (RFC 6347, section 4.2.2; the same in
//! RFC 9147, section 5.2). Never: a join of fragments; that takes memory, which is the model's.

use super::names::registry;
use crate::bytes::{ParseError, Reader};

registry! {
    /// The type of a handshake message: RFC 5246 section 7.4, RFC 6347 section 4.3.2, RFC 9147 section 5.2.
    HandshakeType(u8), "{}" {
        0 = HELLO_REQUEST, "HelloRequest";
        1 = CLIENT_HELLO, "ClientHello";
        2 = SERVER_HELLO, "ServerHello";
        3 = HELLO_VERIFY_REQUEST, "HelloVerifyRequest";
        4 = NEW_SESSION_TICKET, "NewSessionTicket";
        5 = END_OF_EARLY_DATA, "EndOfEarlyData";
        6 = HELLO_RETRY_REQUEST, "HelloRetryRequest";
        8 = ENCRYPTED_EXTENSIONS, "EncryptedExtensions";
        9 = REQUEST_CONNECTION_ID, "RequestConnectionId";
        10 = NEW_CONNECTION_ID, "NewConnectionId";
        11 = CERTIFICATE, "Certificate";
        12 = SERVER_KEY_EXCHANGE, "ServerKeyExchange";
        13 = CERTIFICATE_REQUEST, "CertificateRequest";
        14 = SERVER_HELLO_DONE, "ServerHelloDone";
        15 = CERTIFICATE_VERIFY, "CertificateVerify";
        16 = CLIENT_KEY_EXCHANGE, "ClientKeyExchange";
        20 = FINISHED, "Finished";
        21 = CERTIFICATE_URL, "CertificateURL";
        22 = CERTIFICATE_STATUS, "CertificateStatus";
        23 = SUPPLEMENTAL_DATA, "SupplementalData";
        24 = KEY_UPDATE, "KeyUpdate";
        25 = COMPRESSED_CERTIFICATE, "CompressedCertificate";
    }
}

const LAYER: &str = "dtls handshake";

/// A piece of a handshake message, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Where its header begins in the record's payload, in bytes.
    pub offset: usize,
    /// What message this is of.
    pub message_type: HandshakeType,
    /// Length of the whole message in bytes, without the header.
    pub length: u32,
    /// Number of the message; a retransmission repeats it.
    pub message_seq: u16,
    /// Where this piece begins in the message.
    pub fragment_offset: u32,
    /// Length that the header gives for this piece; more than `body.len()` where the record was cut.
    pub fragment_length: u32,
    /// The captured bytes of the piece.
    pub body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The whole message, where this piece is all of it.
    pub fn whole(&self) -> Option<&'a [u8]> {
        (self.fragment_offset == 0 && self.body.len() as u64 == u64::from(self.length)).then_some(self.body)
    }
}

/// The fragments of a record, in order. One that the record cuts off is yielded with a short `body` and followed by the
/// error; after an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    reader: Reader<'a>,
    pending: Option<ParseError>,
    done: bool,
}

impl<'a> Fragments<'a> {
    /// `payload` is that of a handshake record in plaintext.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { reader: Reader::new(LAYER, payload), pending: None, done: false }
    }

    fn read(&mut self) -> Result<Fragment<'a>, ParseError> {
        let offset = self.reader.position();
        let message_type = HandshakeType(self.reader.u8()?);
        let length = self.reader.u24()?;
        let message_seq = self.reader.u16()?;
        let fragment_offset = self.reader.u24()?;
        let fragment_length = self.reader.u24()?;
        if fragment_offset + fragment_length > length {
            return Err(ParseError::invalid(LAYER, offset, "fragment beyond the end of its message"));
        }
        let (position, wanted) = (self.reader.position(), fragment_length as usize);
        let captured = wanted.min(self.reader.remaining());
        if captured < wanted {
            self.pending = Some(ParseError::short(LAYER, position, wanted, captured));
        }
        let body = self.reader.take(captured)?;
        Ok(Fragment { offset, message_type, length, message_seq, fragment_offset, fragment_length, body })
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<Fragment<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.pending.take() {
            self.done = true;
            return Some(Err(error));
        }
        if self.done || self.reader.is_empty() {
            return None;
        }
        let item = self.read();
        self.done = item.is_err();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{garbage, hex};
    use super::*;

    #[test]
    fn several_messages_of_one_record_are_read() {
        let payload = hex("0e000000 0006 000000 000000  0b000005 0002 000001 000003 aabbcc");
        let all: Vec<Fragment<'_>> = Fragments::new(&payload).collect::<Result<_, _>>().unwrap();
        assert_eq!(all[0].message_type, HandshakeType::SERVER_HELLO_DONE);
        assert_eq!(all[0].whole(), Some(&[][..]));
        assert_eq!((all[1].offset, all[1].message_seq, all[1].fragment_offset, all[1].length), (12, 2, 1, 5));
        assert_eq!((all[1].body, all[1].whole()), (&[0xaa, 0xbb, 0xcc][..], None));
    }

    #[test]
    fn a_fragment_beyond_its_message_is_refused() {
        let payload = hex("0b000005 0002 000003 000003 aabbcc");
        let [Err(error)] = Fragments::new(&payload).collect::<Vec<_>>()[..] else { panic!("accepted") };
        assert_eq!(error.reason, "fragment beyond the end of its message");
        let overflowing = hex("0bffffff 0002 ffffff ffffff");
        assert!(Fragments::new(&overflowing).next().unwrap().is_err());
    }

    #[test]
    fn every_truncation_gives_what_is_there_and_one_error() {
        let payload = hex("0b000003 0002 000000 000003 aabbcc");
        for len in 1..payload.len() {
            let all: Vec<_> = Fragments::new(&payload[..len]).collect();
            assert!(all.last().unwrap().is_err());
            if len >= 12 {
                assert_eq!(all[0].unwrap().body.len(), len - 12);
                assert_eq!(all[0].unwrap().whole(), None);
            }
        }
        assert_eq!(Fragments::new(&[]).count(), 0);
    }

    #[test]
    fn garbage_ends_after_one_error() {
        for seed in 0..2000 {
            let bytes = garbage(seed, 80);
            let all: Vec<_> = Fragments::new(&bytes).collect();
            assert!(all.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
