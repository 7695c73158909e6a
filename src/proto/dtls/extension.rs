//! The extensions of hello messages.
//!
//! In: the extension block of a hello. Out: a walk over the extensions by number, and the content of those that matter
//! for RTC. Never: a rejection of the walk because one extension's content is bad.

use super::{ExtensionType, NamedGroup, SrtpProfile, U16List, Version};
use crate::bytes::{ParseError, Reader};

const LAYER: &str = "dtls extension";

/// Which hello an extension stands in; several look different in each (RFC 8446, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// ClientHello.
    Client,
    /// ServerHello.
    Server,
    /// HelloRetryRequest, or the ServerHello that means one.
    Retry,
}

/// The extensions of one hello, as far as they are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions<'a> {
    bytes: &'a [u8],
    sender: Sender,
}

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its number.
    pub kind: ExtensionType,
    /// Its content.
    pub data: &'a [u8],
    /// Which hello it stands in.
    pub sender: Sender,
}

/// The content of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionValue<'a> {
    /// RFC 8446 section 4.2.1: what the client offers, best first.
    SupportedVersions(U16List<'a>),
    /// RFC 8446 section 4.2.1: what the server chose.
    SelectedVersion(Version),
    /// RFC 5764, section 4.1.1.
    UseSrtp(UseSrtp<'a>),
    /// RFC 7301: the protocols' names; the server's hello has one.
    Alpn(Opaques<'a>),
    /// RFC 9146 section 3: the id that the sender wants to receive records with.
    ConnectionId(&'a [u8]),
    /// RFC 8446, section 4.2.7.
    SupportedGroups(U16List<'a>),
    /// RFC 8446 section 4.2.8: the client's shares, or the server's one.
    KeyShare(KeyShare<'a>),
    /// RFC 8446 section 4.2.8: the group that the server asks a share of in a HelloRetryRequest.
    SelectedGroup(NamedGroup),
    /// RFC 8446, section 4.2.3.
    SignatureAlgorithms(U16List<'a>),
    /// RFC 6066 section 3: the host's name, empty in a ServerHello.
    ServerName(&'a [u8]),
    /// RFC 7627.
    ExtendedMasterSecret,
    /// RFC 7366.
    EncryptThenMac,
    /// RFC 5077 section 3.2: the ticket that the client wants to resume with, or empty.
    SessionTicket(&'a [u8]),
    /// RFC 8446 section 4.2.11 in a ServerHello: the handshake resumes a session.
    SelectedPreSharedKey(u16),
    /// Known by number at most.
    Other(&'a [u8]),
}

/// The content of use_srtp (RFC 5764, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseSrtp<'a> {
    /// Profiles, best first; the server's hello has the one chosen.
    pub profiles: U16List<'a>,
    /// Master key identifier, mostly empty.
    pub mki: &'a [u8],
}

impl<'a> UseSrtp<'a> {
    /// The profiles by name.
    pub fn profiles(self) -> impl Iterator<Item = SrtpProfile> + use<'a> {
        self.profiles.iter().map(SrtpProfile)
    }
}

/// A list of opaque strings, each with a length of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opaques<'a>(&'a [u8]);

impl<'a> Opaques<'a> {
    /// The strings in the order of the message; ends at one that is cut off.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(LAYER, self.0);
        std::iter::from_fn(move || {
            let len = reader.u8().ok()?;
            reader.take(usize::from(len)).ok()
        })
    }
}

/// The shares of a key_share extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShare<'a>(&'a [u8]);

impl<'a> KeyShare<'a> {
    /// Group and key of each share; ends at one that is cut off.
    pub fn iter(self) -> impl Iterator<Item = (NamedGroup, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(LAYER, self.0);
        std::iter::from_fn(move || {
            let group = NamedGroup(reader.u16().ok()?);
            let len = reader.u16().ok()?;
            Some((group, reader.take(usize::from(len)).ok()?))
        })
    }
}

impl<'a> Extensions<'a> {
    /// None at all, as in a hello that ends before them.
    pub const fn none(sender: Sender) -> Self {
        Self { bytes: &[], sender }
    }

    /// Walks the block once; extensions from one that is cut off on are left out, and the error says where.
    pub fn read(bytes: &'a [u8], sender: Sender) -> (Self, Option<ParseError>) {
        let mut reader = Reader::new(LAYER, bytes);
        let mut whole = 0;
        while !reader.is_empty() {
            if let Err(error) = next(&mut reader) {
                return (Self { bytes: bytes.get(..whole).unwrap_or_default(), sender }, Some(error));
            }
            whole = reader.position();
        }
        (Self { bytes, sender }, None)
    }

    /// The extensions in the order of the message.
    pub fn iter(self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        let mut reader = Reader::new(LAYER, self.bytes);
        std::iter::from_fn(move || {
            let (kind, data) = next(&mut reader).ok()?;
            Some(Extension { kind, data, sender: self.sender })
        })
    }

    /// The first extension of that number.
    pub fn find(self, kind: ExtensionType) -> Option<Extension<'a>> {
        self.iter().find(|extension| extension.kind == kind)
    }

    /// The content of the first extension of that number, where it can be read.
    pub fn value(self, kind: ExtensionType) -> Option<ExtensionValue<'a>> {
        self.find(kind)?.value().ok()
    }
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<(ExtensionType, &'a [u8]), ParseError> {
    let kind = ExtensionType(reader.u16()?);
    let len = reader.u16()?;
    Ok((kind, reader.take(usize::from(len))?))
}

impl<'a> Extension<'a> {
    /// What it says.
    pub fn value(&self) -> Result<ExtensionValue<'a>, ParseError> {
        let mut reader = Reader::new(LAYER, self.data);
        Ok(match (self.kind, self.sender) {
            (ExtensionType::SUPPORTED_VERSIONS, Sender::Client) => {
                ExtensionValue::SupportedVersions(U16List(short_vector(&mut reader)?))
            }
            (ExtensionType::SUPPORTED_VERSIONS, _) => ExtensionValue::SelectedVersion(Version(reader.u16()?)),
            (ExtensionType::USE_SRTP, _) => {
                let profiles = U16List(long_vector(&mut reader)?);
                // Some stacks leave the length of the MKI out; what comes before it is understood all the same.
                let mki = if reader.is_empty() { &[][..] } else { short_vector(&mut reader)? };
                ExtensionValue::UseSrtp(UseSrtp { profiles, mki })
            }
            (ExtensionType::ALPN, _) => ExtensionValue::Alpn(Opaques(long_vector(&mut reader)?)),
            (ExtensionType::CONNECTION_ID | ExtensionType::CONNECTION_ID_DRAFT, _) => {
                ExtensionValue::ConnectionId(short_vector(&mut reader)?)
            }
            (ExtensionType::SUPPORTED_GROUPS, _) => ExtensionValue::SupportedGroups(U16List(long_vector(&mut reader)?)),
            (ExtensionType::KEY_SHARE, Sender::Client) => ExtensionValue::KeyShare(KeyShare(long_vector(&mut reader)?)),
            (ExtensionType::KEY_SHARE, Sender::Server) => ExtensionValue::KeyShare(KeyShare(self.data)),
            (ExtensionType::KEY_SHARE, Sender::Retry) => ExtensionValue::SelectedGroup(NamedGroup(reader.u16()?)),
            (ExtensionType::SIGNATURE_ALGORITHMS, _) => {
                ExtensionValue::SignatureAlgorithms(U16List(long_vector(&mut reader)?))
            }
            (ExtensionType::SERVER_NAME, _) => ExtensionValue::ServerName(host_name(self.data)?),
            (ExtensionType::EXTENDED_MASTER_SECRET, _) => ExtensionValue::ExtendedMasterSecret,
            (ExtensionType::ENCRYPT_THEN_MAC, _) => ExtensionValue::EncryptThenMac,
            (ExtensionType::SESSION_TICKET, _) => ExtensionValue::SessionTicket(self.data),
            (ExtensionType::PRE_SHARED_KEY, Sender::Server) => ExtensionValue::SelectedPreSharedKey(reader.u16()?),
            _ => ExtensionValue::Other(self.data),
        })
    }
}

/// The first host_name (type 0) of a server name list; empty content stands for an acknowledgement.
fn host_name(data: &[u8]) -> Result<&[u8], ParseError> {
    if data.is_empty() {
        return Ok(&[]);
    }
    let mut list = Reader::new(LAYER, long_vector(&mut Reader::new(LAYER, data))?);
    loop {
        let kind = list.u8()?;
        let name = long_vector(&mut list)?;
        if kind == 0 {
            return Ok(name);
        }
    }
}

pub(super) fn short_vector<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = reader.u8()?;
    reader.take(usize::from(len))
}

pub(super) fn long_vector<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = reader.u16()?;
    reader.take(usize::from(len))
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{garbage, hex};
    use super::*;

    fn value(bytes: &[u8], sender: Sender) -> ExtensionValue<'_> {
        let (extensions, error) = Extensions::read(bytes, sender);
        assert_eq!(error, None);
        extensions.iter().next().unwrap().value().unwrap()
    }

    #[test]
    fn use_srtp_gives_profiles_and_key_identifier() {
        let bytes = hex("000e 0009 0004 00080007 02 a1a2");
        let ExtensionValue::UseSrtp(srtp) = value(&bytes, Sender::Client) else { panic!() };
        assert_eq!(srtp.profiles().collect::<Vec<_>>(), [SrtpProfile::AEAD_AES_256_GCM, SrtpProfile::AEAD_AES_128_GCM]);
        assert_eq!(srtp.mki, [0xa1, 0xa2]);
    }

    #[test]
    fn key_share_and_versions_differ_by_who_sends_them() {
        let client = hex("0033 000c 000a 11ec0002aabb 001d0000");
        let ExtensionValue::KeyShare(shares) = value(&client, Sender::Client) else { panic!() };
        let shares: Vec<_> = shares.iter().collect();
        assert_eq!(shares, [(NamedGroup::X25519_MLKEM768, &[0xaa, 0xbb][..]), (NamedGroup::X25519, &[][..])]);
        assert_eq!(value(&hex("0033 0002 0017"), Sender::Retry), ExtensionValue::SelectedGroup(NamedGroup::SECP256R1));
        assert_eq!(value(&hex("002b 0002 fefc"), Sender::Server), ExtensionValue::SelectedVersion(Version::DTLS_1_3));
        let offered = hex("002b 0005 04 fefcfefd");
        let ExtensionValue::SupportedVersions(versions) = value(&offered, Sender::Client) else { panic!() };
        assert_eq!(versions.iter().collect::<Vec<_>>(), [0xfefc, 0xfefd]);
    }

    #[test]
    fn names_protocols_and_ids_are_read() {
        let alpn = hex("0010 000b 0009 06776562727463 01 63");
        let ExtensionValue::Alpn(names) = value(&alpn, Sender::Client) else { panic!() };
        assert_eq!(names.iter().collect::<Vec<_>>(), [&b"webrtc"[..], b"c"]);
        assert_eq!(value(&hex("0000 0008 0006 00 0003 61622e"), Sender::Client), ExtensionValue::ServerName(b"ab."));
        assert_eq!(value(&hex("0000 0000"), Sender::Server), ExtensionValue::ServerName(b""));
        assert_eq!(value(&hex("0036 0003 02 0102"), Sender::Client), ExtensionValue::ConnectionId(&[1, 2]));
        assert_eq!(value(&hex("1a1a 0001 00"), Sender::Client), ExtensionValue::Other(&[0]));
    }

    #[test]
    fn an_extension_that_is_cut_off_leaves_those_before_it() {
        let bytes = hex("0017 0000 000e 0009 0004");
        let (extensions, error) = Extensions::read(&bytes, Sender::Client);
        assert_eq!(extensions.iter().count(), 1);
        assert_eq!(error, Some(ParseError::short("dtls extension", 8, 9, 2)));
        assert_eq!(extensions.value(ExtensionType::USE_SRTP), None);
        assert_eq!(extensions.value(ExtensionType::EXTENDED_MASTER_SECRET), Some(ExtensionValue::ExtendedMasterSecret));
    }

    #[test]
    fn garbage_in_every_extension_is_read_or_refused() {
        for seed in 0..500 {
            let data = garbage(seed, 40);
            for kind in (0..60).map(ExtensionType) {
                for sender in [Sender::Client, Sender::Server, Sender::Retry] {
                    match (Extension { kind, data: &data, sender }).value() {
                        Ok(ExtensionValue::Alpn(names)) => assert!(names.iter().count() <= data.len()),
                        Ok(ExtensionValue::KeyShare(shares)) => assert!(shares.iter().count() <= data.len()),
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        }
    }
}
