//! What the two sides agree on, out of their hellos and certificates.
//!
//! In: messages in plaintext. Out: the summary's fields for them. Never: longer lists than the bounds below, however long
//! those of a message are.

use super::summary::{HandshakeSummary, Offer, PeerCertificate};
use super::{Direction, Point};
use crate::bytes::ParseError;
use crate::proto::dtls::{
    CertificateChain, CertificateInfo, CipherSuite, ClientHello, ExtensionType, ExtensionValue, Extensions, NamedGroup,
    ServerHello, SignatureScheme, U16List, Version,
};

/// Certificates that are kept, the first ones.
const MAX_CERTIFICATES: usize = 8;
/// Entries of a list of the ClientHello that are kept.
const MAX_LIST: usize = 64;

impl HandshakeSummary {
    /// Takes what the client offers.
    pub(super) fn take_offer(&mut self, hello: &ClientHello<'_>) {
        self.client_connection_id = connection_id(hello.extensions);
        self.offer = offer(hello);
    }

    /// Takes what the server chose, a HelloRetryRequest's choice too.
    pub(super) fn choose(&mut self, hello: &ServerHello<'_>, client_session_id: &[u8]) {
        let extensions = hello.extensions;
        let version = hello.selected_version();
        self.version = Some(version);
        self.version_negotiated = true;
        self.cipher_suite = hello.cipher_suite;
        match extensions.value(ExtensionType::KEY_SHARE) {
            Some(ExtensionValue::KeyShare(share)) => self.group = share.iter().next().map(|(group, _)| group),
            Some(ExtensionValue::SelectedGroup(group)) => self.group = Some(group),
            _ => {}
        }
        if let Some(ExtensionValue::UseSrtp(srtp)) = extensions.value(ExtensionType::USE_SRTP) {
            self.srtp_profile = srtp.profiles().next();
        }
        if let Some(ExtensionValue::Alpn(names)) = extensions.value(ExtensionType::ALPN) {
            self.alpn = names.iter().next().map(text);
        }
        self.server_connection_id = connection_id(extensions);
        self.extended_master_secret = extensions.find(ExtensionType::EXTENDED_MASTER_SECRET).is_some();
        if version == Version::DTLS_1_3 {
            self.resumed = Some(extensions.find(ExtensionType::PRE_SHARED_KEY).is_some());
        } else if !hello.session_id.is_empty() && hello.session_id == client_session_id {
            // RFC 5246 section 7.4.1.3, and RFC 5077 section 3.4 for tickets: an id that comes back resumes.
            self.resumed = Some(true);
        }
    }

    /// Takes the certificates of one side; gives what is wrong with those that could not be read.
    pub(super) fn add_certificates(
        &mut self,
        from: Direction,
        at: Point,
        chain: CertificateChain<'_>,
    ) -> Vec<ParseError> {
        let room = MAX_CERTIFICATES.saturating_sub(self.certificates.len());
        let mut errors = Vec::new();
        for (position, der) in chain.iter().take(room).enumerate() {
            let (info, error) = CertificateInfo::read(der);
            errors.extend(error);
            self.certificates.push(PeerCertificate { from, position, at, info });
        }
        errors
    }
}

fn connection_id(extensions: Extensions<'_>) -> Option<Vec<u8>> {
    match extensions.value(ExtensionType::CONNECTION_ID) {
        Some(ExtensionValue::ConnectionId(id)) => Some(id.to_vec()),
        _ => None,
    }
}

fn offer(hello: &ClientHello<'_>) -> Offer {
    let mut offer = Offer {
        versions: hello.offered_versions().into_iter().take(MAX_LIST).collect(),
        cipher_suites: numbers(hello.cipher_suites, CipherSuite),
        resumption: !hello.session_id.is_empty(),
        ..Offer::default()
    };
    for extension in hello.extensions.iter() {
        match extension.value() {
            Ok(ExtensionValue::UseSrtp(srtp)) => offer.srtp_profiles = srtp.profiles().take(MAX_LIST).collect(),
            Ok(ExtensionValue::SupportedGroups(list)) => offer.groups = numbers(list, NamedGroup),
            Ok(ExtensionValue::KeyShare(shares)) => {
                offer.key_shares = shares.iter().map(|(group, _)| group).take(MAX_LIST).collect();
            }
            Ok(ExtensionValue::SignatureAlgorithms(list)) => {
                offer.signature_algorithms = numbers(list, SignatureScheme);
            }
            Ok(ExtensionValue::Alpn(names)) => offer.alpn = names.iter().map(text).take(MAX_LIST).collect(),
            Ok(ExtensionValue::ServerName(name)) => offer.server_name = Some(text(name)),
            Ok(ExtensionValue::ExtendedMasterSecret) => offer.extended_master_secret = true,
            Ok(ExtensionValue::EncryptThenMac) => offer.encrypt_then_mac = true,
            Ok(ExtensionValue::SessionTicket(ticket)) => offer.resumption |= !ticket.is_empty(),
            Ok(_) if extension.kind == ExtensionType::PRE_SHARED_KEY => offer.resumption = true,
            Ok(_) | Err(_) => {}
        }
    }
    offer
}

fn numbers<T>(list: U16List<'_>, wrap: impl Fn(u16) -> T) -> Vec<T> {
    list.iter().take(MAX_LIST).map(wrap).collect()
}

/// At most 255 characters, control characters shown as `U+FFFD`: a name must not steer a terminal.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(255).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
