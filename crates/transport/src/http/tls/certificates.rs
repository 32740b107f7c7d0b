use std::{fmt, sync::Arc};

use rustls::{
    Error, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use sha2::{Digest, Sha256};

use super::error::TlsError;

/// The certificate of a server with its key, in PEM, and the issuers of its clients' certificates.
#[derive(Clone)]
pub struct TlsCertificates {
    certificate: Pem,
    key: Pem,
    client_ca: Option<Pem>,
}

/// HTTP/1.1, as the handshake names it (RFC 7301 §6).
pub(super) const HTTP1: &[u8] = b"http/1.1";

/// HTTP/2, as the handshake names it (RFC 9113 §3.2).
#[cfg(feature = "http2")]
pub(in crate::http) const HTTP2: &[u8] = b"h2";

/// A text in PEM, and what errors call it.
#[derive(Clone)]
pub(super) struct Pem {
    pub(super) place: String,
    pub(super) text: Vec<u8>,
}

impl TlsCertificates {
    /// A certificate, followed by those of its intermediate issuers, and its private key (PKCS#8, PKCS#1 or SEC1).
    pub fn new(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let pem = |place: &str, text| Pem { place: place.into(), text };
        Self::of(pem("the certificate", certificate.into()), pem("the key", key.into()), None)
    }

    pub(super) fn of(certificate: Pem, key: Pem, client_ca: Option<Pem>) -> Self {
        Self { certificate, key, client_ca }
    }

    /// Every client must have a certificate that one of these issued, or no connection is opened (mutual TLS).
    #[must_use]
    pub fn client_ca(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.client_ca = Some(Pem { place: "the client CA".into(), text: certificates.into() });
        self
    }

    /// Whether clients must have certificates.
    pub(super) fn demands_client_certificates(&self) -> bool {
        self.client_ca.is_some()
    }

    /// A digest of all that is in it.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for pem in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten() {
            digest.update(Sha256::digest(&pem.text));
        }
        digest.finalize().into()
    }

    /// What connections are opened with. TLS 1.2 and 1.3, and what is spoken over it.
    pub(super) fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&self.certificate)(error))?;
        let builder = match &self.client_ca {
            Some(client_ca) => builder.with_client_cert_verifier(verifier(client_ca, provider)?),
            None => builder.with_no_client_auth(),
        };
        let (certificates, key) = (certificates(&self.certificate)?, key(&self.key)?);
        let mut config = builder.with_single_cert(certificates, key).map_err(|error| self.fault(error))?;
        config.alpn_protocols = vec![HTTP1.to_vec()];
        #[cfg(feature = "http2")]
        config.alpn_protocols.insert(0, HTTP2.to_vec());
        if self.demands_client_certificates() {
            // A resumed session would bring a certificate that was verified once, and that may have expired since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    /// Why certificate and key are not fit for each other.
    fn fault(&self, error: Error) -> TlsError {
        match error {
            Error::InconsistentKeys(_) => TlsError::Mismatch {
                key: self.key.place.clone(),
                certificate: self.certificate.place.clone(),
            },
            Error::InvalidCertificate(_) => unusable(&self.certificate)(error),
            error => unusable(&self.key)(error),
        }
    }
}

/// The key is a secret.
impl fmt::Debug for TlsCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificates")
            .field("client_ca", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

/// Verifies that a client's certificate was issued by one of these, and that it is valid now.
fn verifier(
    client_ca: &Pem,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(client_ca)? {
        roots.add(certificate).map_err(unusable(client_ca))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TlsError::Unusable { place: client_ca.place.clone(), reason: error.to_string() })
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.text).collect();
    // What the error says is a line of the file.
    let found = found.map_err(|_| TlsError::Pem { place: pem.place.clone() })?;
    match found.is_empty() {
        true => Err(TlsError::NoCertificate { place: pem.place.clone() }),
        false => Ok(found),
    }
}

fn key(pem: &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    let place = pem.place.clone();
    PrivateKeyDer::from_pem_slice(&pem.text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { place },
        // What the error says is a line of the file, which may be of the key.
        _ => TlsError::Pem { place },
    })
}

fn unusable(pem: &Pem) -> impl Fn(Error) -> TlsError {
    |error| TlsError::Unusable { place: pem.place.clone(), reason: error.to_string() }
}
