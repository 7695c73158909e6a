//! The bodies of handshake messages other than the hellos, and the choice among all of them.
//!
//! In: message type and the body of a whole message. Out: a [`Message`]. Never: a guess at what is encrypted.

use super::extension::{long_vector, short_vector};
use super::{ClientHello, HandshakeType, HelloVerifyRequest, NamedGroup, ServerHello, SignatureScheme, U16List};
use crate::bytes::{ParseError, Reader};

/// A handshake message in plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// RFC 6347, section 4.2.1.
    ClientHello(ClientHello<'a>),
    /// RFC 5246 section 7.4.1.3; the HelloRetryRequest too.
    ServerHello(ServerHello<'a>),
    /// RFC 6347, section 4.2.1.
    HelloVerifyRequest(HelloVerifyRequest<'a>),
    /// RFC 5246, section 7.4.2.
    Certificate(CertificateChain<'a>),
    /// RFC 5246, section 7.4.4.
    CertificateRequest(CertificateRequest<'a>),
    /// RFC 5246, section 7.4.8.
    CertificateVerify(CertificateVerify<'a>),
    /// RFC 5246, section 7.4.3.
    ServerKeyExchange(ServerKeyExchange),
    /// RFC 5246, section 7.4.7: length of the body in bytes.
    ClientKeyExchange(usize),
    /// RFC 5246, section 7.4.5.
    ServerHelloDone,
    /// RFC 5077, section 3.3.
    NewSessionTicket(NewSessionTicket<'a>),
    /// Any other; Finished among them, which is only ever encrypted.
    Other(HandshakeType),
}

impl<'a> Message<'a> {
    /// Reads the body of a whole message. What is wrong with it comes second; a hello and a certificate chain are then
    /// read up to there, another message is [`Message::Other`].
    pub fn read(message_type: HandshakeType, body: &'a [u8]) -> (Self, Option<ParseError>) {
        let strict = |read: Result<Self, ParseError>| match read {
            Ok(message) => (message, None),
            Err(error) => (Self::Other(message_type), Some(error)),
        };
        match message_type {
            HandshakeType::CLIENT_HELLO => wrap(ClientHello::read(body), Self::ClientHello),
            HandshakeType::SERVER_HELLO => wrap(ServerHello::read(body), Self::ServerHello),
            HandshakeType::HELLO_VERIFY_REQUEST => wrap(HelloVerifyRequest::read(body), Self::HelloVerifyRequest),
            HandshakeType::CERTIFICATE => wrap(CertificateChain::read(body), Self::Certificate),
            HandshakeType::CERTIFICATE_REQUEST => strict(CertificateRequest::read(body).map(Self::CertificateRequest)),
            HandshakeType::CERTIFICATE_VERIFY => strict(CertificateVerify::read(body).map(Self::CertificateVerify)),
            HandshakeType::SERVER_KEY_EXCHANGE => (Self::ServerKeyExchange(ServerKeyExchange::read(body)), None),
            HandshakeType::CLIENT_KEY_EXCHANGE => (Self::ClientKeyExchange(body.len()), None),
            HandshakeType::SERVER_HELLO_DONE => (Self::ServerHelloDone, None),
            HandshakeType::NEW_SESSION_TICKET => strict(NewSessionTicket::read(body).map(Self::NewSessionTicket)),
            _ => (Self::Other(message_type), None),
        }
    }
}

fn wrap<'a, T>(
    (read, error): (T, Option<ParseError>),
    variant: impl FnOnce(T) -> Message<'a>,
) -> (Message<'a>, Option<ParseError>) {
    (variant(read), error)
}

/// The certificates of one side, its own first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateChain<'a>(&'a [u8]);

impl<'a> CertificateChain<'a> {
    fn read(body: &'a [u8]) -> (Self, Option<ParseError>) {
        let mut reader = Reader::new("dtls certificate message", body);
        let length = match reader.u24() {
            Ok(length) => length as usize,
            Err(error) => return (Self(&[]), Some(error)),
        };
        let rest = reader.rest();
        let (list, cut) = match reader.take(length) {
            Ok(list) => (list, None),
            Err(error) => (rest, Some(error)),
        };
        let chain = Self(list);
        let read: usize = chain.iter().map(|der| der.len() + 3).sum();
        let bad = (read != list.len()).then_some(ParseError::invalid(
            "dtls certificate message",
            3 + read,
            "certificate beyond the end of the list",
        ));
        (chain, cut.or(bad))
    }

    /// The DER of each certificate; ends at one that is cut off. A side without certificate sends an empty chain.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new("dtls certificate message", self.0);
        std::iter::from_fn(move || {
            let length = reader.u24().ok()?;
            reader.take(length as usize).ok()
        })
    }
}

/// RFC 5246, section 7.4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// ClientCertificateType numbers: 1 rsa_sign, 64 ecdsa_sign (RFC 8422, section 5.5).
    pub certificate_types: &'a [u8],
    /// Signature schemes; none in DTLS 1.0.
    pub signature_algorithms: U16List<'a>,
}

impl<'a> CertificateRequest<'a> {
    /// DTLS 1.0 has no list of signature schemes, and nothing in the body says which version it is of: where two lists
    /// do not fill it exactly, one has to.
    fn read(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("dtls certificate request", body);
        let certificate_types = short_vector(&mut reader)?;
        let first = long_vector(&mut reader)?;
        let signature_algorithms = if reader.is_empty() { U16List::default() } else { U16List(first) };
        if !reader.is_empty() {
            long_vector(&mut reader)?;
        }
        Ok(Self { certificate_types, signature_algorithms })
    }
}

/// RFC 5246, section 7.4.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateVerify<'a> {
    /// `None` in DTLS 1.0.
    pub scheme: Option<SignatureScheme>,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> CertificateVerify<'a> {
    fn read(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("dtls certificate verify", body);
        let (scheme, signature) = signed(&mut reader)?;
        Ok(Self { scheme, signature })
    }
}

/// How the server takes part in the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKeyExchange {
    /// RFC 8422, section 5.4; with a PSK hint before it RFC 5489, section 2.
    Ecdhe {
        /// The group of the key.
        group: NamedGroup,
        /// How the key is signed; `None` in DTLS 1.0 and where it is not signed.
        scheme: Option<SignatureScheme>,
    },
    /// RFC 5246, section 7.4.3.
    Dhe {
        /// Size of the prime in bits.
        prime_bits: usize,
    },
    /// A hint for a pre-shared key, or something else.
    Other,
}

impl ServerKeyExchange {
    /// What stands in the body depends on the cipher suite, which is in another message: the shape that fills the body
    /// exactly is taken.
    fn read(body: &[u8]) -> Self {
        let hinted = || {
            let mut reader = Reader::new("dtls server key exchange", body);
            long_vector(&mut reader).ok()?;
            ecdhe(reader.rest())
        };
        ecdhe(body).or_else(|| dhe(body)).or_else(hinted).unwrap_or(Self::Other)
    }
}

/// ECCurveType named_curve (RFC 8422, section 5.4).
const NAMED_CURVE: u8 = 3;

fn ecdhe(body: &[u8]) -> Option<ServerKeyExchange> {
    let mut reader = Reader::new("dtls server key exchange", body);
    if reader.u8().ok()? != NAMED_CURVE {
        return None;
    }
    let group = NamedGroup(reader.u16().ok()?);
    short_vector(&mut reader).ok()?;
    let scheme = signed_or_end(&mut reader)?;
    Some(ServerKeyExchange::Ecdhe { group, scheme })
}

fn dhe(body: &[u8]) -> Option<ServerKeyExchange> {
    let mut reader = Reader::new("dtls server key exchange", body);
    let prime = long_vector(&mut reader).ok()?;
    long_vector(&mut reader).ok()?;
    long_vector(&mut reader).ok()?;
    signed_or_end(&mut reader)?;
    Some(ServerKeyExchange::Dhe { prime_bits: prime.len() * 8 })
}

/// A signature that fills the rest, or nothing left; else `None`.
fn signed_or_end(reader: &mut Reader<'_>) -> Option<Option<SignatureScheme>> {
    if reader.is_empty() {
        return Some(None);
    }
    signed(reader).ok().map(|(scheme, _)| scheme)
}

/// A digitally signed struct up to the end: scheme, length, signature (RFC 5246, section 4.7); without the scheme in
/// DTLS 1.0 (RFC 4346, section 4.7).
fn signed<'a>(reader: &mut Reader<'a>) -> Result<(Option<SignatureScheme>, &'a [u8]), ParseError> {
    let mut with_scheme = *reader;
    let scheme = SignatureScheme(with_scheme.u16()?);
    if let Ok(signature) = long_vector(&mut with_scheme)
        && with_scheme.is_empty()
    {
        *reader = with_scheme;
        return Ok((Some(scheme), signature));
    }
    let signature = long_vector(reader)?;
    if reader.is_empty() { Ok((None, signature)) } else { Err(reader.invalid("bytes behind the signature")) }
}

/// RFC 5077, section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSessionTicket<'a> {
    /// Seconds; 0 leaves it to the client.
    pub lifetime_hint: u32,
    /// The ticket.
    pub ticket: &'a [u8],
}

impl<'a> NewSessionTicket<'a> {
    fn read(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new("dtls new session ticket", body);
        Ok(Self { lifetime_hint: reader.u32()?, ticket: long_vector(&mut reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{AIORTC_1_2, garbage, hex};
    use super::super::{ContentType, Fragments, Record, Records};
    use super::*;

    /// Type and body of each handshake message of a datagram whose fragments are in order.
    fn messages(datagram: &str) -> Vec<(HandshakeType, Vec<u8>)> {
        let bytes = hex(datagram);
        let mut all: Vec<(HandshakeType, Vec<u8>)> = Vec::new();
        for record in Records::new(&bytes, None).flatten().filter(is_handshake) {
            for fragment in Fragments::new(record.payload).flatten() {
                if fragment.fragment_offset == 0 {
                    all.push((fragment.message_type, Vec::new()));
                }
                all.last_mut().unwrap().1.extend(fragment.body);
            }
        }
        all
    }

    fn is_handshake(record: &Record<'_>) -> bool {
        record.is_plaintext() && record.content_type() == Some(ContentType::HANDSHAKE)
    }

    #[test]
    fn the_flight_of_a_server_is_read_message_by_message() {
        let flight = messages(AIORTC_1_2[1]);
        let read: Vec<_> = flight.iter().map(|(kind, body)| Message::read(*kind, body)).collect();
        assert!(read.iter().all(|(_, error)| error.is_none()));
        let [hello, certificate, key_exchange, request, done] = &read[..] else { panic!("{}", read.len()) };
        assert!(matches!(hello.0, Message::ServerHello(_)));
        let Message::Certificate(chain) = certificate.0 else { panic!() };
        assert_eq!(chain.iter().map(<[u8]>::len).collect::<Vec<_>>(), [345]);
        let expected = ServerKeyExchange::Ecdhe {
            group: NamedGroup::X25519,
            scheme: Some(SignatureScheme::ECDSA_SECP256R1_SHA256),
        };
        assert_eq!(key_exchange.0, Message::ServerKeyExchange(expected));
        let Message::CertificateRequest(request) = request.0 else { panic!() };
        assert_eq!((request.certificate_types, request.signature_algorithms.len()), (&[1, 2, 64][..], 20));
        assert_eq!(done.0, Message::ServerHelloDone);
    }

    #[test]
    fn the_flight_of_a_client_is_read_message_by_message() {
        let flight = messages(AIORTC_1_2[2]);
        let read: Vec<_> = flight.iter().map(|(kind, body)| Message::read(*kind, body).0).collect();
        assert!(matches!(read[0], Message::Certificate(_)));
        assert_eq!(read[1], Message::ClientKeyExchange(33));
        let Message::CertificateVerify(verify) = read[2] else { panic!() };
        assert_eq!((verify.scheme, verify.signature.len()), (Some(SignatureScheme::ECDSA_SECP256R1_SHA256), 71));
    }

    #[test]
    fn key_exchanges_of_other_shapes_are_told_apart() {
        let dhe = hex("0004 ffffffff 0001 02 0004 01020304 0401 0002 aabb");
        assert_eq!(ServerKeyExchange::read(&dhe), ServerKeyExchange::Dhe { prime_bits: 32 });
        let psk = hex("0002 6869 03 0017 02 0401");
        let expected = ServerKeyExchange::Ecdhe { group: NamedGroup::SECP256R1, scheme: None };
        assert_eq!(ServerKeyExchange::read(&psk), expected);
        let old = hex("03 0017 02 0401 0003 aabbcc");
        assert_eq!(ServerKeyExchange::read(&old), expected);
        assert_eq!(ServerKeyExchange::read(&hex("0002 6869")), ServerKeyExchange::Other);
    }

    #[test]
    fn a_certificate_request_of_dtls_1_0_has_no_schemes() {
        let body = hex("02 0140 0000");
        let (message, error) = Message::read(HandshakeType::CERTIFICATE_REQUEST, &body);
        let Message::CertificateRequest(request) = message else { panic!() };
        assert!(error.is_none() && request.signature_algorithms.is_empty());
    }

    #[test]
    fn every_truncation_of_a_certificate_chain_gives_an_error_and_no_half_certificate() {
        let body = hex("00000a 000002 aabb 000002 ccdd");
        let (message, error) = Message::read(HandshakeType::CERTIFICATE, &body);
        let Message::Certificate(chain) = message else { panic!() };
        assert_eq!((chain.iter().collect::<Vec<_>>(), error), (vec![&[0xaa, 0xbb][..], &[0xcc, 0xdd]], None));
        for len in 0..body.len() {
            let (message, error) = Message::read(HandshakeType::CERTIFICATE, &body[..len]);
            let Message::Certificate(chain) = message else { panic!() };
            assert!(error.is_some(), "{len}");
            assert_eq!(chain.iter().count(), usize::from(len >= 8));
        }
        let (_, error) = Message::read(HandshakeType::CERTIFICATE, &hex("000004 000009 aa"));
        assert_eq!(error.map(|error| error.offset), Some(3));
    }

    #[test]
    fn every_truncation_and_garbage_of_every_type_is_read_or_refused() {
        for (kind, body) in [AIORTC_1_2[1], AIORTC_1_2[2]].into_iter().flat_map(messages) {
            for len in 0..body.len() {
                let (message, error) = Message::read(kind, &body[..len]);
                if matches!(message, Message::Other(_)) {
                    assert!(error.is_some());
                }
            }
        }
        for seed in 0..1000 {
            let bytes = garbage(seed, 100);
            for kind in (0..26).map(HandshakeType) {
                let (message, error) = Message::read(kind, &bytes);
                assert!(error.is_none() || !matches!(message, Message::ServerHelloDone), "{kind}");
            }
        }
    }
}
