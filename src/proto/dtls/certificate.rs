//! What a certificate says, as far as it matters for RTC: whose key, how strong, how long, and its fingerprint.
//!
//! In: the DER of one certificate. Out: [`CertificateInfo`]; the fingerprint in any case, the rest where X.509 can be
//! read. Never: a judgement whether the certificate is to be trusted, and no check of its signature.

use crate::bytes::ParseError;
use sha2::{Digest, Sha256};
use std::fmt;
use x509_parser::objects::oid_registry;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// A name or an algorithm is kept up to this many characters; the rest is the sender's to waste, not ours to keep.
const MAX_TEXT: usize = 256;
/// A handshake message of 64 KiB is the most that is put together, so no certificate is longer.
const MAX_CERTIFICATE_LEN: usize = 1 << 16;

/// SHA-256 over the DER of a certificate; prints as `a=fingerprint` has it (RFC 8122, section 5): `AA:BB:…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// What kind of key a certificate holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// RFC 3279, section 2.3.1: the size of the modulus in bits.
    Rsa {
        /// Bits.
        bits: usize,
    },
    /// RFC 5480: the curve by name, or by object identifier where the name is not known.
    Ec {
        /// `P-256`, `P-384`, …
        curve: String,
        /// Bits.
        bits: usize,
    },
    /// RFC 8410.
    Ed25519,
    /// RFC 8410.
    Ed448,
    /// By object identifier.
    Other(String),
}

/// `RSA 2048`, `EC P-256`, `Ed25519`.
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ec { curve, .. } => write!(f, "EC {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Ed448 => f.write_str("Ed448"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

/// One certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateInfo {
    /// Over the DER as it was sent.
    pub fingerprint_sha256: Fingerprint,
    /// Length of the DER in bytes.
    pub der_len: usize,
    /// The distinguished name: `CN=WebRTC`. At most 256 characters, no control characters. Empty where unknown.
    pub subject: String,
    /// As `subject`, of who signed it.
    pub issuer: String,
    /// Seconds since the Unix epoch.
    pub not_before: Option<i64>,
    /// Seconds since the Unix epoch.
    pub not_after: Option<i64>,
    /// The key.
    pub key: Option<KeyKind>,
    /// Name of the signature's algorithm, or its object identifier.
    pub signature_algorithm: Option<String>,
}

impl CertificateInfo {
    /// Reads the DER. Where it is not a certificate, the error says where and only fingerprint and length are known.
    pub fn read(der: &[u8]) -> (Self, Option<ParseError>) {
        let mut info = Self {
            fingerprint_sha256: Fingerprint(Sha256::digest(der).into()),
            der_len: der.len(),
            subject: String::new(),
            issuer: String::new(),
            not_before: None,
            not_after: None,
            key: None,
            signature_algorithm: None,
        };
        if der.len() > MAX_CERTIFICATE_LEN {
            return (info, Some(ParseError::invalid("certificate", 0, "longer than a handshake message may be")));
        }
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => {
                info.fill(&certificate);
                (info, None)
            }
            Err(_) => (info, Some(ParseError::invalid("certificate", 0, "not an X.509 certificate"))),
        }
    }

    fn fill(&mut self, certificate: &X509Certificate<'_>) {
        self.subject = distinguished_name(certificate.subject());
        self.issuer = distinguished_name(certificate.issuer());
        self.not_before = Some(certificate.validity().not_before.timestamp());
        self.not_after = Some(certificate.validity().not_after.timestamp());
        self.key = Some(key_kind(certificate));
        let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
        self.signature_algorithm = Some(signature_name(&algorithm).map_or_else(|| clean(&algorithm), str::to_owned));
    }

    /// True where the certificate was valid at a time in seconds since the epoch; `None` where it does not say.
    pub fn is_valid_at(&self, seconds: i64) -> Option<bool> {
        Some(self.not_before? <= seconds && seconds <= self.not_after?)
    }
}

fn distinguished_name(name: &X509Name<'_>) -> String {
    name.to_string_with_registry(oid_registry()).map_or_else(|_| String::new(), |text| clean(&text))
}

/// At most [`MAX_TEXT`] characters, control characters shown as `U+FFFD`: a name must not steer a terminal.
fn clean(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn key_kind(certificate: &X509Certificate<'_>) -> KeyKind {
    let key_info = certificate.public_key();
    let algorithm = key_info.algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        // RFC 8410, section 3.
        "1.3.101.112" => return KeyKind::Ed25519,
        "1.3.101.113" => return KeyKind::Ed448,
        _ => {}
    }
    match key_info.parsed() {
        Ok(PublicKey::RSA(rsa)) => KeyKind::Rsa { bits: significant_bits(rsa.modulus) },
        Ok(PublicKey::EC(_)) => {
            let oid = key_info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let oid = oid.map(|oid| oid.to_id_string()).unwrap_or_default();
            match curve(&oid) {
                Some((name, bits)) => KeyKind::Ec { curve: name.to_owned(), bits },
                None => KeyKind::Ec { curve: clean(&oid), bits: 0 },
            }
        }
        _ => KeyKind::Other(clean(&algorithm)),
    }
}

/// Bits of an unsigned big-endian number without its leading zeros.
fn significant_bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = number.get(first..).unwrap_or_default();
    digits.first().map_or(0, |top| digits.len() * 8 - top.leading_zeros() as usize)
}

/// RFC 5480 section 2.1.1.1, RFC 5639 section 4.1, SEC 2 for secp256k1.
fn curve(oid: &str) -> Option<(&'static str, usize)> {
    Some(match oid {
        "1.2.840.10045.3.1.7" => ("P-256", 256),
        "1.3.132.0.34" => ("P-384", 384),
        "1.3.132.0.35" => ("P-521", 521),
        "1.3.132.0.33" => ("P-224", 224),
        "1.2.840.10045.3.1.1" => ("P-192", 192),
        "1.3.132.0.10" => ("secp256k1", 256),
        "1.3.36.3.3.2.8.1.1.7" => ("brainpoolP256r1", 256),
        "1.3.36.3.3.2.8.1.1.11" => ("brainpoolP384r1", 384),
        "1.3.36.3.3.2.8.1.1.13" => ("brainpoolP512r1", 512),
        _ => return None,
    })
}

/// RFC 5758 section 3, RFC 4055 section 5, RFC 3279 section 2.2, RFC 8410 section 3: the names of those modules.
fn signature_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassa-pss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{garbage, hex};
    use super::*;

    /// The certificate of an aiortc client.
    const CERTIFICATE: &str = "308201543081fca00302010202146518d966cb74b6ecb59c4d744f4f469c90f837e7300a06082a8648ce3d040302302b3129\
        302706035504030c206163656639333164383632326532396264643266376463316530383866626231301e170d3236313132\
        303034333431345a170d3236313232313034333431345a302b3129302706035504030c206163656639333164383632326532\
        3962646432663764633165303838666262313059301306072a8648ce3d020106082a8648ce3d03010703420004959b770721\
        7615d1a0fedfd073e4da0b0450d35f1d5b29007452e0f9aa133de6678f281848345433e8c6c3fd94e71abce96cc99dc95912\
        772c3f70b9ffefa5d4300a06082a8648ce3d040302034700304402204919d41190b607cf8440e7eb49a231dc261b2cd87fff\
        f6c048e30a09157fdd6d022042935d45853be26d9da299348d4fbe3b9e74a6114211aa910f87e3945c3d88ea";

    #[test]
    fn a_self_signed_certificate_is_described() {
        let (info, error) = CertificateInfo::read(&hex(CERTIFICATE));
        assert_eq!(error, None);
        assert_eq!(info.subject, "CN=acef931d8622e29bdd2f7dc1e088fbb1");
        assert_eq!(info.issuer, info.subject);
        assert_eq!(info.key, Some(KeyKind::Ec { curve: "P-256".to_owned(), bits: 256 }));
        assert_eq!(info.signature_algorithm.as_deref(), Some("ecdsa-with-SHA256"));
        assert_eq!((info.not_before, info.not_after), (Some(1_795_149_254), Some(1_797_827_654)));
        assert_eq!(info.is_valid_at(1_795_235_664), Some(true));
        assert_eq!(info.is_valid_at(1_797_827_655), Some(false));
        assert_eq!(info.der_len, 344);
    }

    #[test]
    fn the_fingerprint_is_that_of_the_bytes_even_where_they_are_no_certificate() {
        let (info, error) = CertificateInfo::read(b"abc");
        // FIPS 180-2, appendix B.1.
        let expected =
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(info.fingerprint_sha256.to_string(), expected);
        assert_eq!(error.map(|error| error.reason), Some("not an X.509 certificate"));
        assert_eq!((info.subject.as_str(), info.key), ("", None));
    }

    #[test]
    fn every_truncation_is_refused() {
        let der = hex(CERTIFICATE);
        for len in 0..der.len() {
            assert!(CertificateInfo::read(&der[..len]).1.is_some(), "{len}");
        }
    }

    #[test]
    fn damaged_certificates_and_garbage_are_read_or_refused_without_control_characters() {
        let der = hex(CERTIFICATE);
        for position in 0..der.len() {
            for value in [0x00, 0x01, 0x1b, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[position] = value;
                let (info, _) = CertificateInfo::read(&damaged);
                assert!(!info.subject.chars().chain(info.issuer.chars()).any(char::is_control));
                assert!(info.subject.chars().count() <= MAX_TEXT);
            }
        }
        for seed in 0..500 {
            let bytes = garbage(seed, 200);
            assert_eq!(CertificateInfo::read(&bytes).0.der_len, bytes.len());
        }
    }

    #[test]
    fn leading_zeros_do_not_count_for_the_size_of_a_key() {
        assert_eq!(significant_bits(&[0, 0xff, 0]), 16);
        assert_eq!(significant_bits(&[0x01, 0]), 9);
        assert_eq!(significant_bits(&[0, 0]), 0);
    }
}
