//! ClientHello, ServerHello (HelloRetryRequest among them) and HelloVerifyRequest.
//!
//! In: the body of a whole handshake message, or the first part of one. Out: every field up to where the body ends;
//! fields behind it are empty. Never: a rejection of a hello for what its extensions say.

use super::extension::{long_vector, short_vector};
use super::{CipherSuite, ExtensionType, ExtensionValue, Extensions, Sender, U16List, Version};
use crate::bytes::{ParseError, Reader};

/// The random that makes a ServerHello a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446, section 4.1.3).
const HELLO_RETRY_REQUEST_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// RFC 6347 section 4.2.1, RFC 9147 section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The version field; what DTLS 1.3 offers stands in the supported_versions extension.
    pub version: Version,
    /// 32 bytes.
    pub random: &'a [u8],
    /// At most 32 bytes.
    pub session_id: &'a [u8],
    /// From the HelloVerifyRequest; empty in the first ClientHello.
    pub cookie: &'a [u8],
    /// Best first.
    pub cipher_suites: U16List<'a>,
    /// Compression methods, 0 is none.
    pub compression_methods: &'a [u8],
    /// The extensions.
    pub extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    /// Reads as far as the body goes.
    pub fn read(body: &'a [u8]) -> (Self, Option<ParseError>) {
        let mut hello = Self {
            version: Version(0),
            random: &[],
            session_id: &[],
            cookie: &[],
            cipher_suites: U16List::default(),
            compression_methods: &[],
            extensions: Extensions::none(Sender::Client),
        };
        let error = hello.fill(body);
        (hello, error)
    }

    fn fill(&mut self, body: &'a [u8]) -> Option<ParseError> {
        let mut reader = Reader::new("dtls client hello", body);
        let mut fixed = || -> Result<(), ParseError> {
            self.version = Version(reader.u16()?);
            self.random = reader.take(32)?;
            self.session_id = short_vector(&mut reader)?;
            self.cookie = short_vector(&mut reader)?;
            self.cipher_suites = U16List(long_vector(&mut reader)?);
            self.compression_methods = short_vector(&mut reader)?;
            Ok(())
        };
        if let Err(error) = fixed() {
            return Some(error);
        }
        let (extensions, error) = extensions(&mut reader, Sender::Client);
        self.extensions = extensions;
        error
    }

    /// The versions offered: the supported_versions extension, without one the version field.
    pub fn offered_versions(&self) -> Vec<Version> {
        match self.extensions.value(ExtensionType::SUPPORTED_VERSIONS) {
            Some(ExtensionValue::SupportedVersions(list)) => list.iter().map(Version).collect(),
            _ => vec![self.version],
        }
    }
}

/// RFC 5246 section 7.4.1.3, RFC 9147 section 5.4; a HelloRetryRequest where [`ServerHello::is_retry`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The version field; see [`ServerHello::selected_version`].
    pub version: Version,
    /// 32 bytes.
    pub random: &'a [u8],
    /// At most 32 bytes.
    pub session_id: &'a [u8],
    /// The suite chosen; `None` where the body ends before it.
    pub cipher_suite: Option<CipherSuite>,
    /// 0 is none.
    pub compression_method: u8,
    /// The extensions.
    pub extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// Reads as far as the body goes.
    pub fn read(body: &'a [u8]) -> (Self, Option<ParseError>) {
        let mut hello = Self {
            version: Version(0),
            random: &[],
            session_id: &[],
            cipher_suite: None,
            compression_method: 0,
            extensions: Extensions::none(Sender::Server),
        };
        let error = hello.fill(body);
        (hello, error)
    }

    fn fill(&mut self, body: &'a [u8]) -> Option<ParseError> {
        let mut reader = Reader::new("dtls server hello", body);
        let mut fixed = || -> Result<(), ParseError> {
            self.version = Version(reader.u16()?);
            self.random = reader.take(32)?;
            self.session_id = short_vector(&mut reader)?;
            self.cipher_suite = Some(CipherSuite(reader.u16()?));
            self.compression_method = reader.u8()?;
            Ok(())
        };
        if let Err(error) = fixed() {
            return Some(error);
        }
        let sender = if self.is_retry() { Sender::Retry } else { Sender::Server };
        let (extensions, error) = extensions(&mut reader, sender);
        self.extensions = extensions;
        error
    }

    /// True for a HelloRetryRequest (RFC 8446, section 4.1.4).
    pub fn is_retry(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST_RANDOM
    }

    /// The version negotiated: the supported_versions extension, without one the version field.
    pub fn selected_version(&self) -> Version {
        match self.extensions.value(ExtensionType::SUPPORTED_VERSIONS) {
            Some(ExtensionValue::SelectedVersion(version)) => version,
            _ => self.version,
        }
    }
}

/// RFC 6347, section 4.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloVerifyRequest<'a> {
    /// 1.0 whatever is negotiated later.
    pub version: Version,
    /// What the client has to send back.
    pub cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    /// Reads as far as the body goes.
    pub fn read(body: &'a [u8]) -> (Self, Option<ParseError>) {
        let mut reader = Reader::new("dtls hello verify request", body);
        let version = reader.u16().map_or(Version(0), Version);
        match short_vector(&mut reader) {
            Ok(cookie) => (Self { version, cookie }, None),
            Err(error) => (Self { version, cookie: &[] }, Some(error)),
        }
    }
}

/// A hello may end before its extensions (RFC 5246, section 7.4.1.2); where the block is cut, its first part counts.
fn extensions<'a>(reader: &mut Reader<'a>, sender: Sender) -> (Extensions<'a>, Option<ParseError>) {
    if reader.is_empty() {
        return (Extensions::none(sender), None);
    }
    let mut peek = *reader;
    match long_vector(reader) {
        Ok(block) => Extensions::read(block, sender),
        Err(error) => match peek.u16() {
            Ok(_) => (Extensions::read(peek.rest(), sender).0, Some(error)),
            Err(_) => (Extensions::none(sender), Some(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{AIORTC_1_2, CHROMIUM_1_3, COTURN_ALERT, garbage, hex};
    use super::super::{Fragments, NamedGroup, Records, SrtpProfile};
    use super::*;

    /// The bytes of the first handshake message of a datagram, put together from `parts` datagrams.
    fn first_message(datagrams: &[&str]) -> Vec<u8> {
        let mut body = Vec::new();
        for datagram in datagrams {
            let bytes = hex(datagram);
            let record = Records::new(&bytes, None).next().unwrap().unwrap();
            body.extend(Fragments::new(record.payload).next().unwrap().unwrap().body);
        }
        body
    }

    #[test]
    fn the_client_hello_of_dtls_1_2_gives_suites_and_srtp_profiles() {
        let body = first_message(&AIORTC_1_2[..1]);
        let (hello, error) = ClientHello::read(&body);
        assert_eq!(error, None);
        assert_eq!(hello.offered_versions(), [Version::DTLS_1_2]);
        assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), [0xc02b, 0xcca9, 0xc009, 0xc00a]);
        let Some(ExtensionValue::UseSrtp(srtp)) = hello.extensions.value(ExtensionType::USE_SRTP) else { panic!() };
        let profiles: Vec<SrtpProfile> = srtp.profiles().collect();
        assert_eq!(profiles, [SrtpProfile(8), SrtpProfile(7), SrtpProfile(1)]);
        assert!(hello.extensions.find(ExtensionType::ENCRYPT_THEN_MAC).is_some());
        assert_eq!((hello.random[0], hello.random.len(), hello.compression_methods), (0xb7, 32, &[0][..]));
    }

    #[test]
    fn the_client_hello_of_dtls_1_3_offers_a_post_quantum_share() {
        let body = first_message(&CHROMIUM_1_3[..2]);
        let (hello, error) = ClientHello::read(&body);
        assert_eq!(error, None);
        assert_eq!(hello.offered_versions(), [Version::DTLS_1_3, Version::DTLS_1_2]);
        let Some(ExtensionValue::KeyShare(shares)) = hello.extensions.value(ExtensionType::KEY_SHARE) else { panic!() };
        let shares: Vec<(NamedGroup, usize)> = shares.iter().map(|(group, key)| (group, key.len())).collect();
        assert_eq!(shares, [(NamedGroup::X25519_MLKEM768, 1216), (NamedGroup::X25519, 32)]);
    }

    #[test]
    fn the_server_hello_of_dtls_1_3_says_its_version_in_an_extension() {
        let body = first_message(&CHROMIUM_1_3[2..3]);
        let (hello, error) = ServerHello::read(&body);
        assert_eq!(error, None);
        assert_eq!((hello.version, hello.selected_version()), (Version::DTLS_1_2, Version::DTLS_1_3));
        assert_eq!(hello.cipher_suite, Some(CipherSuite(0x1301)));
        assert!(!hello.is_retry());
    }

    #[test]
    fn a_hello_retry_request_is_told_by_its_random() {
        let mut body = hex("fefd");
        body.extend(HELLO_RETRY_REQUEST_RANDOM);
        body.extend(hex("00 1301 00 000c 002b0002fefc 003300020017"));
        let (hello, error) = ServerHello::read(&body);
        assert_eq!(error, None);
        assert!(hello.is_retry());
        let group = hello.extensions.value(ExtensionType::KEY_SHARE);
        assert_eq!(group, Some(ExtensionValue::SelectedGroup(NamedGroup::SECP256R1)));
    }

    #[test]
    fn the_cookie_of_a_hello_verify_request_comes_back_in_the_client_hello() {
        let (request, error) = (first_message(&COTURN_ALERT[1..2]), None);
        let (verify, verify_error) = HelloVerifyRequest::read(&request);
        assert_eq!((verify_error, verify.version), (error, Version::DTLS_1_0));
        let body = first_message(&COTURN_ALERT[2..3]);
        let (hello, _) = ClientHello::read(&body);
        assert!(!verify.cookie.is_empty());
        assert_eq!(hello.cookie, verify.cookie);
    }

    #[test]
    fn every_truncation_of_a_hello_gives_the_fields_before_the_cut() {
        let body = first_message(&AIORTC_1_2[..1]);
        for len in 0..body.len() {
            let (hello, error) = ClientHello::read(&body[..len]);
            // A hello that ends exactly before its extensions is a whole one of the time before extensions.
            assert_eq!(error.is_none(), len == 48, "{len}");
            assert_eq!(hello.random.len(), if len >= 34 { 32 } else { 0 });
            assert_eq!(hello.cipher_suites.len(), if len >= 46 { 4 } else { 0 });
        }
        let body = first_message(&CHROMIUM_1_3[2..3]);
        for len in 0..body.len() {
            let (hello, error) = ServerHello::read(&body[..len]);
            assert_eq!(error.is_none(), len == 38, "{len}");
            assert_eq!(hello.cipher_suite.is_some(), len >= 37);
        }
    }

    #[test]
    fn garbage_is_read_as_far_as_it_goes() {
        for seed in 0..2000 {
            let bytes = garbage(seed, 200);
            assert!(ClientHello::read(&bytes).0.random.len() <= 32);
            assert!(ServerHello::read(&bytes).0.random.len() <= 32);
            assert!(HelloVerifyRequest::read(&bytes).0.cookie.len() <= 255);
        }
    }
}
