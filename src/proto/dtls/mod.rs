//! DTLS 1.0 (RFC 4347), 1.2 (RFC 6347) and 1.3 (RFC 9147): records, handshake fragments, message bodies, certificates.
//!
//! In: the payload of one datagram, the payload of one handshake record, the body of one whole handshake message, the
//! DER of one certificate. Out: borrowed views with exact offsets, and a [`ParseError`](crate::bytes::ParseError) for
//! the part that could not be read. Never: memory of another datagram (what spans datagrams is put together by the
//! model), decryption, a panic.

#![forbid(unsafe_code)]

mod certificate;
mod extension;
mod handshake;
mod hello;
mod message;
mod names;
mod record;
#[cfg(test)]
pub(crate) mod vectors;

pub use certificate::{CertificateInfo, Fingerprint, KeyKind};
pub use extension::{Extension, ExtensionValue, Extensions, KeyShare, Opaques, Sender, UseSrtp};
pub use handshake::{Fragment, Fragments, HandshakeType};
pub use hello::{ClientHello, HelloVerifyRequest, ServerHello};
pub use message::{
    CertificateChain, CertificateRequest, CertificateVerify, Message, NewSessionTicket, ServerKeyExchange,
};
pub use names::{
    AlertDescription, AlertLevel, CipherSuite, ExtensionType, NamedGroup, SignatureScheme, SrtpProfile, Version,
};
pub use record::{Alert, ContentType, Header, Record, Records, starts_with_record};

/// A list of 16-bit numbers as they stand in a message: cipher suites, groups, profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct U16List<'a>(&'a [u8]);

impl<'a> U16List<'a> {
    /// The numbers in the order of the message; an odd last byte is left out.
    pub fn iter(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(u16::from_be_bytes)
    }

    /// How many numbers there are.
    pub const fn len(self) -> usize {
        self.0.len() / 2
    }

    /// True where there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}
