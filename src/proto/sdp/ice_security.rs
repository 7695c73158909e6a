//! What ICE, DTLS and SDES exchange through SDP: credentials, fingerprints, roles, keys.
//!
//! In: the values of `a=fingerprint`, `a=setup`, `a=crypto`. Out: their parts.
//! Never: a key that is checked or used here.

use super::lines::{MAX_WORDS, Words};
use std::fmt;

/// `ice-ufrag` and `ice-pwd` (RFC 8839, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceCredentials<'a> {
    /// Username fragment.
    pub ufrag: &'a str,
    /// Password, the key of the checks' MESSAGE-INTEGRITY.
    pub pwd: &'a str,
}

/// `a=fingerprint` (RFC 8122, section 5). Displays as `sha-256 AA:BB:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash function, in lower case: `sha-256`.
    pub hash: String,
    /// The digest of the certificate.
    pub digest: Vec<u8>,
}

impl Fingerprint {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let hash = words.word()?.to_ascii_lowercase();
        // SHA-512 is the longest of the registered functions.
        let digest = words.word()?.split(':').take(64).map(octet).collect::<Option<Vec<u8>>>()?;
        Some(Self { hash, digest })
    }
}

fn octet(hex: &str) -> Option<u8> {
    let two_digits = hex.len() == 2 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash)?;
        for (index, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

/// `a=setup` (RFC 4145, section 4): who opens the connection, for DTLS who is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Opens: the DTLS client.
    Active,
    /// Waits: the DTLS server.
    Passive,
    /// Either, for the answerer to choose.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    pub(super) fn parse(value: &str) -> Option<Self> {
        Some(match value.to_ascii_lowercase().as_str() {
            "active" => Self::Active,
            "passive" => Self::Passive,
            "actpass" => Self::ActPass,
            "holdconn" => Self::HoldConn,
            _ => return None,
        })
    }

    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

/// One key of `a=crypto` (RFC 4568, section 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParameter {
    /// `inline`.
    pub method: String,
    /// Master key and salt, base64 as written.
    pub key: String,
    /// Lifetime in packets as written, `2^20`.
    pub lifetime: Option<String>,
    /// Master key identifier and its length in bytes.
    pub mki: Option<(String, u8)>,
}

/// `a=crypto` (RFC 4568, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Ties offer and answer together.
    pub tag: u32,
    /// `AES_CM_128_HMAC_SHA1_80` and the like, as written.
    pub suite: String,
    /// The keys, one in practice.
    pub keys: Vec<KeyParameter>,
    /// `KDR=…`, `UNENCRYPTED_SRTP`, `FEC_ORDER=…`, …
    pub session_parameters: Vec<String>,
}

impl Crypto {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let (tag, suite) = (words.number()?, words.word()?.to_owned());
        let keys = words.word()?.split(';').take(MAX_WORDS).map(key).collect::<Option<Vec<_>>>()?;
        Some(Self { tag, suite, keys, session_parameters: words.list() })
    }
}

fn key(text: &str) -> Option<KeyParameter> {
    let (method, info) = text.split_once(':')?;
    let mut parts = info.split('|');
    let key = parts.next()?.to_owned();
    let (mut lifetime, mut mki) = (None, None);
    for part in parts.take(2) {
        // Only the MKI has a colon (RFC 4568, section 6.1).
        match part.split_once(':') {
            Some((id, length)) => mki = length.parse().ok().map(|length| (id.to_owned(), length)),
            None => lifetime = Some(part.to_owned()),
        }
    }
    Some(KeyParameter { method: method.to_owned(), key, lifetime, mki })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_4568_is_read() {
        let crypto = Crypto::parse(
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32;\
             inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|1:4 KDR=1 UNENCRYPTED_SRTCP",
        )
        .unwrap();
        assert_eq!((crypto.tag, crypto.suite.as_str(), crypto.keys.len()), (1, "AES_CM_128_HMAC_SHA1_80", 2));
        assert_eq!(crypto.keys[0].key, "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR");
        assert_eq!(crypto.keys[0].lifetime.as_deref(), Some("2^20"));
        assert_eq!(crypto.keys[0].mki, Some(("1".to_owned(), 32)));
        assert_eq!((crypto.keys[1].lifetime.as_deref(), &crypto.keys[1].mki), (None, &Some(("1".to_owned(), 4))));
        assert_eq!(crypto.session_parameters, ["KDR=1", "UNENCRYPTED_SRTCP"]);
        assert_eq!(Crypto::parse("one AES inline:x"), None);
        assert_eq!(Crypto::parse("1 AES keyless"), None);
    }

    #[test]
    fn a_fingerprint_is_bytes_whatever_its_case() {
        let fingerprint = Fingerprint::parse("SHA-256 0a:fF:10").unwrap();
        assert_eq!(fingerprint, Fingerprint { hash: "sha-256".to_owned(), digest: vec![0x0a, 0xff, 0x10] });
        assert_eq!(fingerprint.to_string(), "sha-256 0A:FF:10");
        for bad in ["sha-256", "sha-256 0a:f", "sha-256 +a:ff", "sha-256 é:ff"] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
