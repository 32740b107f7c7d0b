//! Certificates as an authority of the test issues them, and clients that have them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyport_transport::{client::http::Endpoint, http::TlsCertificates};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::common::{client::Connection, within};

/// An authority that issues certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A certificate that it issued.
pub(super) type Issued = CertifiedKey<KeyPair>;

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Issuers are told apart by their names.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority {number}"));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for `localhost`, or for a client.
    pub(super) fn issue(&self) -> Issued {
        self.issue_until(2100)
    }

    /// One that is valid until the year begins.
    pub(super) fn issue_until(&self, year: i32) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let signing_key = KeyPair::generate().unwrap();
        CertifiedKey { cert: params.signed_by(&signing_key, &self.0).unwrap(), signing_key }
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that trusts this authority, and that has a certificate or none.
    pub(super) fn client(&self, own: Option<&Issued>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        Client(match own {
            Some(own) => builder.with_client_auth_cert(vec![own.cert.der().clone()], key(own)).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    /// The endpoint of a server at `address`, for clients that trust this authority.
    pub(super) fn endpoint(&self, address: SocketAddr, path: &str) -> Endpoint {
        let endpoint = Endpoint::new(&format!("https://localhost:{}{path}", address.port())).unwrap();
        endpoint.trust(self.pem().as_bytes()).unwrap().without_proxy()
    }
}

/// What a server has for it.
pub(super) fn certificates(issued: &Issued) -> TlsCertificates {
    TlsCertificates::new(issued.cert.pem(), issued.signing_key.serialize_pem())
}

fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap()
}

/// A client that a test writes bytes with.
#[derive(Clone)]
pub(super) struct Client(ClientConfig);

impl Client {
    /// Offers these protocols to speak over TLS.
    pub(super) fn offering(mut self, protocols: &[&str]) -> Self {
        self.0.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    pub(super) async fn try_open(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    pub(super) async fn open(&self, address: SocketAddr) -> Connection {
        Connection::over(within(self.try_open(address)).await.unwrap())
    }
}
