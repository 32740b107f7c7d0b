//! The certificate by which this program shows a server who it is (mutual TLS).

use std::{fmt, sync::Arc};

use rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};
use url::Url;

/// A certificate with its private key, for one server: authorization servers and redirects to other hosts do not learn of it.
#[derive(Clone)]
pub(super) struct ClientIdentity {
    /// The host and port of the server.
    at: String,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// Why a certificate cannot be shown to a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClientCertificate {
    /// The certificates cannot be read, or there are none.
    #[error("no certificate can be read there: PEM with BEGIN CERTIFICATE is expected")]
    Certificate,
    /// The key cannot be read, or there is none.
    #[error("no private key can be read there: PEM with BEGIN PRIVATE KEY is expected")]
    Key,
    /// The key is of a kind that is not supported, or is not that of the certificate.
    #[error("the private key does not fit the certificate: {0}")]
    Mismatch(String),
}

impl ClientIdentity {
    /// The certificate that `certificates` begin with, the others of its chain, and its key, for the server at `url`.
    pub(super) fn new(url: &Url, certificates: &[u8], key: &[u8]) -> Result<Self, InvalidClientCertificate> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, pem::Error>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(InvalidClientCertificate::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidClientCertificate::Key)?;
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|error| InvalidClientCertificate::Mismatch(error.to_string()))?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
        let at = format!("{}:{}", host.to_ascii_lowercase(), port.unwrap_or_default());
        Ok(Self { at, chain, key: Arc::new(key) })
    }

    /// Whether it is for the server at `name`, a host and a port.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.at == name
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

/// The key is a secret.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("at", &self.at).finish_non_exhaustive()
    }
}
