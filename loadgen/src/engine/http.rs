//! One document by HTTP or HTTPS.
//!
//! In: a URL, whom to believe. Out: the body as text. Never: the URL in an error, as it may hold a key; a body without
//! bound; a wait without end.

use super::wire::authorities;
use crate::config::Trust;
use crate::secret::Secret;
use rustls::crypto::aws_lc_rs;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// From the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_BODY: u64 = 1024 * 1024;

/// Gets it; one sentence where that fails.
pub(crate) fn get(url: &str, trust: &Trust) -> Result<String, String> {
    Document::new(url, trust, PATIENCE, MAX_BODY)?.get()
}

/// A document that is read again and again, over one connection where the server likes that.
pub(super) struct Document {
    agent: ureq::Agent,
    url: Secret,
    patience: Duration,
    max_body: u64,
}

impl Document {
    /// # Errors
    /// One sentence where the authorities cannot be read.
    pub(super) fn new(url: &str, trust: &Trust, patience: Duration, max_body: u64) -> Result<Self, String> {
        // Certificates matter only where one will be seen; a machine without authorities can speak plain HTTP.
        let roots = if url.starts_with("https:") { authorities(trust)? } else { Some(Vec::new()) };
        let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
        let tls = match roots {
            None => builder.disable_verification(true),
            Some(roots) => {
                let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
                builder.root_certs(RootCerts::new_with_certs(&roots))
            }
        };
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .timeout_global(Some(patience))
            .user_agent(concat!("turnload/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { agent, url: Secret::from(url.to_owned()), patience, max_body })
    }

    /// Gets it; one sentence where that fails.
    pub(super) fn get(&self) -> Result<String, String> {
        let mut answer = self.agent.get(self.url.reveal()).call().map_err(|error| self.plain(&error))?;
        answer.body_mut().with_config().limit(self.max_body).read_to_string().map_err(|error| self.plain(&error))
    }

    /// Some errors repeat the URL.
    fn plain(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::BadUri(_) => "the URL is not valid".to_owned(),
            ureq::Error::StatusCode(code) => format!("HTTP status {code}"),
            ureq::Error::Timeout(_) => format!("no answer within {} s", self.patience.as_secs()),
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        }
    }
}
