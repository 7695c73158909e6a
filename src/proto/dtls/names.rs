//! Numbers of the IANA registries for TLS, and their names.
//!
//! In: a number of a message. Out: the registry's name, or nothing where we do not know it. Never: a rejection; a
//! number without a name is data like any other.

use std::fmt;

macro_rules! registry {
    ($(#[$doc:meta])* $type:ident($repr:ty), $unknown:literal { $($number:literal = $constant:ident, $name:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $type(pub $repr);

        impl $type {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: $type = $type($number);)*

            /// The registry's name, where we know it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }

        /// The name, or the number in hexadecimal where there is none.
        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, $unknown, self.0),
                }
            }
        }
    };
}
pub(super) use registry;

registry! {
    /// A protocol version as it stands on the wire: ones' complement of the number people say (RFC 6347, section 4.1).
    Version(u16), "0x{:04x}" {
        0xfeff = DTLS_1_0, "1.0";
        0xfefd = DTLS_1_2, "1.2";
        0xfefc = DTLS_1_3, "1.3";
        0x0100 = OPENSSL_PRE_1_0, "pre-1.0 (OpenSSL)";
    }
}

impl Version {
    /// True for a version that a record header carries: these four and no other have been seen in the wild.
    pub const fn is_known(self) -> bool {
        self.name().is_some()
    }
}

registry! {
    /// A DTLS-SRTP protection profile: RFC 5764 section 4.1.2, RFC 7714 section 14.2, RFC 8269 section 5,
    /// RFC 8723 section 10.1.
    SrtpProfile(u16), "0x{:04x}" {
        0x0001 = AES128_CM_HMAC_SHA1_80, "SRTP_AES128_CM_HMAC_SHA1_80";
        0x0002 = AES128_CM_HMAC_SHA1_32, "SRTP_AES128_CM_HMAC_SHA1_32";
        0x0005 = NULL_HMAC_SHA1_80, "SRTP_NULL_HMAC_SHA1_80";
        0x0006 = NULL_HMAC_SHA1_32, "SRTP_NULL_HMAC_SHA1_32";
        0x0007 = AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM";
        0x0008 = AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM";
        0x0009 = DOUBLE_AEAD_AES_128_GCM, "DOUBLE_AEAD_AES_128_GCM_AEAD_AES_128_GCM";
        0x000a = DOUBLE_AEAD_AES_256_GCM, "DOUBLE_AEAD_AES_256_GCM_AEAD_AES_256_GCM";
        0x000b = ARIA_128_CTR_HMAC_SHA1_80, "SRTP_ARIA_128_CTR_HMAC_SHA1_80";
        0x000c = ARIA_128_CTR_HMAC_SHA1_32, "SRTP_ARIA_128_CTR_HMAC_SHA1_32";
        0x000d = ARIA_256_CTR_HMAC_SHA1_80, "SRTP_ARIA_256_CTR_HMAC_SHA1_80";
        0x000e = ARIA_256_CTR_HMAC_SHA1_32, "SRTP_ARIA_256_CTR_HMAC_SHA1_32";
        0x000f = AEAD_ARIA_128_GCM, "SRTP_AEAD_ARIA_128_GCM";
        0x0010 = AEAD_ARIA_256_GCM, "SRTP_AEAD_ARIA_256_GCM";
    }
}

registry! {
    /// A group for key exchange: RFC 8446 section 4.2.7, RFC 8422 section 5.1.1, RFC 7027, RFC 7919, RFC 8734; the
    /// post-quantum hybrids are of draft-ietf-tls-ecdhe-mlkem.
    NamedGroup(u16), "0x{:04x}" {
        19 = SECP192R1, "secp192r1";
        21 = SECP224R1, "secp224r1";
        22 = SECP256K1, "secp256k1";
        23 = SECP256R1, "secp256r1";
        24 = SECP384R1, "secp384r1";
        25 = SECP521R1, "secp521r1";
        26 = BRAINPOOL_P256R1, "brainpoolP256r1";
        27 = BRAINPOOL_P384R1, "brainpoolP384r1";
        28 = BRAINPOOL_P512R1, "brainpoolP512r1";
        29 = X25519, "x25519";
        30 = X448, "x448";
        31 = BRAINPOOL_P256R1_TLS13, "brainpoolP256r1tls13";
        32 = BRAINPOOL_P384R1_TLS13, "brainpoolP384r1tls13";
        33 = BRAINPOOL_P512R1_TLS13, "brainpoolP512r1tls13";
        256 = FFDHE2048, "ffdhe2048";
        257 = FFDHE3072, "ffdhe3072";
        258 = FFDHE4096, "ffdhe4096";
        259 = FFDHE6144, "ffdhe6144";
        260 = FFDHE8192, "ffdhe8192";
        0x0200 = MLKEM512, "MLKEM512";
        0x0201 = MLKEM768, "MLKEM768";
        0x0202 = MLKEM1024, "MLKEM1024";
        0x11eb = SECP256R1_MLKEM768, "SecP256r1MLKEM768";
        0x11ec = X25519_MLKEM768, "X25519MLKEM768";
        0x11ed = SECP384R1_MLKEM1024, "SecP384r1MLKEM1024";
        0x6399 = X25519_KYBER768_DRAFT00, "X25519Kyber768Draft00";
    }
}

registry! {
    /// A signature scheme: RFC 8446 section 4.2.3; the SHA-1, SHA-224 and DSA ones are pairs of hash and signature of
    /// RFC 5246 section 7.4.1.4.1.
    SignatureScheme(u16), "0x{:04x}" {
        0x0201 = RSA_PKCS1_SHA1, "rsa_pkcs1_sha1";
        0x0202 = DSA_SHA1, "dsa_sha1";
        0x0203 = ECDSA_SHA1, "ecdsa_sha1";
        0x0301 = RSA_PKCS1_SHA224, "rsa_pkcs1_sha224";
        0x0303 = ECDSA_SHA224, "ecdsa_sha224";
        0x0401 = RSA_PKCS1_SHA256, "rsa_pkcs1_sha256";
        0x0403 = ECDSA_SECP256R1_SHA256, "ecdsa_secp256r1_sha256";
        0x0501 = RSA_PKCS1_SHA384, "rsa_pkcs1_sha384";
        0x0503 = ECDSA_SECP384R1_SHA384, "ecdsa_secp384r1_sha384";
        0x0601 = RSA_PKCS1_SHA512, "rsa_pkcs1_sha512";
        0x0603 = ECDSA_SECP521R1_SHA512, "ecdsa_secp521r1_sha512";
        0x0804 = RSA_PSS_RSAE_SHA256, "rsa_pss_rsae_sha256";
        0x0805 = RSA_PSS_RSAE_SHA384, "rsa_pss_rsae_sha384";
        0x0806 = RSA_PSS_RSAE_SHA512, "rsa_pss_rsae_sha512";
        0x0807 = ED25519, "ed25519";
        0x0808 = ED448, "ed448";
        0x0809 = RSA_PSS_PSS_SHA256, "rsa_pss_pss_sha256";
        0x080a = RSA_PSS_PSS_SHA384, "rsa_pss_pss_sha384";
        0x080b = RSA_PSS_PSS_SHA512, "rsa_pss_pss_sha512";
        0x0904 = MLDSA44, "mldsa44";
        0x0905 = MLDSA65, "mldsa65";
        0x0906 = MLDSA87, "mldsa87";
    }
}

registry! {
    /// A hello extension: RFC 8446 section 4.2 and the RFCs that its table names.
    ExtensionType(u16), "0x{:04x}" {
        0 = SERVER_NAME, "server_name";
        1 = MAX_FRAGMENT_LENGTH, "max_fragment_length";
        5 = STATUS_REQUEST, "status_request";
        10 = SUPPORTED_GROUPS, "supported_groups";
        11 = EC_POINT_FORMATS, "ec_point_formats";
        13 = SIGNATURE_ALGORITHMS, "signature_algorithms";
        14 = USE_SRTP, "use_srtp";
        15 = HEARTBEAT, "heartbeat";
        16 = ALPN, "application_layer_protocol_negotiation";
        18 = SIGNED_CERTIFICATE_TIMESTAMP, "signed_certificate_timestamp";
        21 = PADDING, "padding";
        22 = ENCRYPT_THEN_MAC, "encrypt_then_mac";
        23 = EXTENDED_MASTER_SECRET, "extended_master_secret";
        27 = COMPRESS_CERTIFICATE, "compress_certificate";
        28 = RECORD_SIZE_LIMIT, "record_size_limit";
        34 = DELEGATED_CREDENTIAL, "delegated_credential";
        35 = SESSION_TICKET, "session_ticket";
        41 = PRE_SHARED_KEY, "pre_shared_key";
        42 = EARLY_DATA, "early_data";
        43 = SUPPORTED_VERSIONS, "supported_versions";
        44 = COOKIE, "cookie";
        45 = PSK_KEY_EXCHANGE_MODES, "psk_key_exchange_modes";
        47 = CERTIFICATE_AUTHORITIES, "certificate_authorities";
        50 = SIGNATURE_ALGORITHMS_CERT, "signature_algorithms_cert";
        51 = KEY_SHARE, "key_share";
        53 = CONNECTION_ID_DRAFT, "connection_id (draft)";
        54 = CONNECTION_ID, "connection_id";
        0xff01 = RENEGOTIATION_INFO, "renegotiation_info";
    }
}

registry! {
    /// How bad an alert is: RFC 5246, section 7.2.
    AlertLevel(u8), "{}" {
        1 = WARNING, "warning";
        2 = FATAL, "fatal";
    }
}

registry! {
    /// What an alert says: RFC 8446 section 6, RFC 5246 section 7.2, RFC 9147 section 10 for too_many_cids_requested.
    AlertDescription(u8), "{}" {
        0 = CLOSE_NOTIFY, "close_notify";
        10 = UNEXPECTED_MESSAGE, "unexpected_message";
        20 = BAD_RECORD_MAC, "bad_record_mac";
        21 = DECRYPTION_FAILED, "decryption_failed";
        22 = RECORD_OVERFLOW, "record_overflow";
        30 = DECOMPRESSION_FAILURE, "decompression_failure";
        40 = HANDSHAKE_FAILURE, "handshake_failure";
        41 = NO_CERTIFICATE, "no_certificate";
        42 = BAD_CERTIFICATE, "bad_certificate";
        43 = UNSUPPORTED_CERTIFICATE, "unsupported_certificate";
        44 = CERTIFICATE_REVOKED, "certificate_revoked";
        45 = CERTIFICATE_EXPIRED, "certificate_expired";
        46 = CERTIFICATE_UNKNOWN, "certificate_unknown";
        47 = ILLEGAL_PARAMETER, "illegal_parameter";
        48 = UNKNOWN_CA, "unknown_ca";
        49 = ACCESS_DENIED, "access_denied";
        50 = DECODE_ERROR, "decode_error";
        51 = DECRYPT_ERROR, "decrypt_error";
        52 = TOO_MANY_CIDS_REQUESTED, "too_many_cids_requested";
        60 = EXPORT_RESTRICTION, "export_restriction";
        70 = PROTOCOL_VERSION, "protocol_version";
        71 = INSUFFICIENT_SECURITY, "insufficient_security";
        80 = INTERNAL_ERROR, "internal_error";
        86 = INAPPROPRIATE_FALLBACK, "inappropriate_fallback";
        90 = USER_CANCELED, "user_canceled";
        100 = NO_RENEGOTIATION, "no_renegotiation";
        109 = MISSING_EXTENSION, "missing_extension";
        110 = UNSUPPORTED_EXTENSION, "unsupported_extension";
        111 = CERTIFICATE_UNOBTAINABLE, "certificate_unobtainable";
        112 = UNRECOGNIZED_NAME, "unrecognized_name";
        113 = BAD_CERTIFICATE_STATUS_RESPONSE, "bad_certificate_status_response";
        114 = BAD_CERTIFICATE_HASH_VALUE, "bad_certificate_hash_value";
        115 = UNKNOWN_PSK_IDENTITY, "unknown_psk_identity";
        116 = CERTIFICATE_REQUIRED, "certificate_required";
        120 = NO_APPLICATION_PROTOCOL, "no_application_protocol";
    }
}

/// A cipher suite's number in the IANA registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CipherSuite(pub u16);

impl CipherSuite {
    /// The registry's name, where it is known.
    pub fn name(self) -> Option<&'static str> {
        if self.0 == 0xc0ff {
            // draft-cragie-tls-ecjpake, section 8: never registered, and what Thread devices speak.
            return Some("TLS_ECJPAKE_WITH_AES_128_CCM_8");
        }
        tls_parser::TlsCipherSuite::from_id(self.0).map(|suite| suite.name)
    }

    /// Bytes of the authentication tag of an AEAD suite: 8 for the `_CCM_8` suites (RFC 6655, section 4), else 16.
    pub fn aead_tag_len(self) -> usize {
        if self.name().is_some_and(|name| name.contains("_CCM_8")) { 8 } else { 16 }
    }
}

/// The name, or the number in hexadecimal where there is none.
impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_print_the_names_of_the_registry() {
        assert_eq!(SrtpProfile(7).to_string(), "SRTP_AEAD_AES_128_GCM");
        assert_eq!(NamedGroup(0x11ec).to_string(), "X25519MLKEM768");
        assert_eq!(AlertDescription(42).to_string(), "bad_certificate");
        assert_eq!(CipherSuite(0x1301).to_string(), "TLS_AES_128_GCM_SHA256");
        assert_eq!(CipherSuite(0xc02b).to_string(), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(Version(0xfefd).to_string(), "1.2");
    }

    #[test]
    fn an_unknown_number_prints_as_itself() {
        assert_eq!(SrtpProfile(0xbeef).to_string(), "0xbeef");
        assert_eq!(CipherSuite(0x1a1a).to_string(), "0x1a1a");
        assert_eq!(AlertDescription(200).to_string(), "200");
        assert!(!Version(0x0303).is_known());
    }

    #[test]
    fn the_tag_of_a_ccm_8_suite_is_eight_bytes() {
        assert_eq!(CipherSuite(0xc0ae).aead_tag_len(), 8);
        assert_eq!(CipherSuite(0x1301).aead_tag_len(), 16);
    }
}
