//! Which certificates are believed, for TLS and DTLS alike.
//!
//! In: what the user said, and files of authorities. Out: a rustls configuration and a verdict on a leaf. Never: a
//! certificate believed because it could not be judged.

use crate::check::Doubt;
use crate::config::Trust;
use crate::uri::Host;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// What is believed of a server.
#[derive(Clone)]
pub(crate) struct Belief {
    pub(super) tls: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) dtls: Arc<dimpl::Config>,
    /// Our own, for DTLS servers that ask for one; made once.
    pub(super) own: dimpl::DtlsCertificate,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Belief {
    /// Reads the authorities.
    ///
    /// # Errors
    /// One sentence: no file, no certificate in it, a name that no certificate can be for.
    pub(crate) fn new(trust: &Trust, host: &Host) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match authorities(trust)? {
            None => Arc::new(Anybody(Arc::clone(&provider))),
            Some(certificates) => judge(&provider, certificates).map_err(|error| match trust {
                Trust::Authorities(file) => format!("--ca-file {}: {error}", file.display()),
                Trust::System | Trust::Anybody => error,
            })?,
        };
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        // Each allocation is a client of its own: what a resumed session saves would hide what the server can do.
        tls.resumption = rustls::client::Resumption::disabled();
        let name = match host {
            Host::Name(name) => server_name(name)?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let dtls = dimpl::Config::builder().build().map_err(|error| error.to_string())?;
        let own = dimpl::certificate::generate_self_signed_certificate().map_err(|error| error.to_string())?;
        Ok(Self { tls: Arc::new(tls), name, dtls: Arc::new(dtls), own, verifier })
    }

    /// The same of a server with another name (ALTERNATE-DOMAIN; RFC 8489, section 10).
    ///
    /// # Errors
    /// One sentence: a name that no certificate can be for.
    pub(super) fn named(&self, domain: &str) -> Result<Self, String> {
        Ok(Self { name: server_name(domain)?, ..self.clone() })
    }

    /// Judges the leaf that a DTLS server showed; intermediate ones are not handed on by the DTLS layer, so that the
    /// leaf has to be signed by an authority itself.
    pub(super) fn judge_leaf(&self, certificate: &[u8]) -> Result<(), rustls::Error> {
        let leaf = CertificateDer::from(certificate);
        self.verifier.verify_server_cert(&leaf, &[], &self.name, &[], UnixTime::now()).map(|_| ())
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name for TLS"))
}

/// What is wrong with a certificate, as far as it is told.
pub(super) fn doubt(error: &CertificateError) -> Doubt {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Doubt::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Doubt::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Doubt::WrongName,
        // A bad signature: an authority of that name is known, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Doubt::UnknownAuthority,
        // An authority that shows its own certificate: what `openssl req -x509` makes.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Doubt::SelfSigned,
        _ => Doubt::Other,
    }
}

/// Who is believed; `None` for anybody.
///
/// # Errors
/// One sentence: no file, no certificate in it.
pub(crate) fn authorities(trust: &Trust) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
    let file = match trust {
        Trust::Anybody => return Ok(None),
        Trust::System => return system().map(Some),
        Trust::Authorities(file) => file,
    };
    let place = file.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| format!("--ca-file {place}: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("--ca-file {place}: no certificate in it"));
    }
    Ok(Some(certificates))
}

fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err("the system has no certificates of authorities: --ca-file, or --insecure".to_owned());
    }
    Ok(found.certs)
}

fn judge(
    provider: &Arc<CryptoProvider>,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(authorities);
    if added == 0 {
        return Err("no certificate that can be read".to_owned());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| error.to_string())?)
}

/// `--insecure`: any certificate; that the server holds its key is checked nevertheless.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_believed_by_the_name_that_the_one_before_gave_it() {
        let host = Host::Name("turn.example.org".to_owned());
        let belief = Belief::new(&Trust::Anybody, &host).expect("a belief");
        let elsewhere = belief.named("relay.example.org").expect("a name");
        assert_eq!(
            (belief.name.to_str(), elsewhere.name.to_str()),
            ("turn.example.org".into(), "relay.example.org".into())
        );
        assert!(Arc::ptr_eq(&belief.verifier, &elsewhere.verifier));
        assert!(belief.named("no name").is_err());
    }
}
