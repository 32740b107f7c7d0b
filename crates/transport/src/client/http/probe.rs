//! Diagnosis of a connection to a server: name, proxy, TCP and TLS, one step at a time.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Uri, header};
use hyper_rustls::MaybeHttpsStream;
use tokio::time::timeout;

use super::{
    Endpoint, Fault,
    connector::{Connector, HostPort},
    headers::RequestHeaders,
    outbound::{Outbound, uri},
    plain_stream::PlainStream,
    pool::Place,
    received::{Broken, collect},
};

/// Makes the steps of a connection to a server one by one.
///
/// The connector of all connections makes them, with the same proxies, certificates and bounds.
pub struct Probe {
    connector: Connector,
    uri: Uri,
    target: HostPort,
    limit: Duration,
}

/// A connection on which nothing was sent yet.
pub struct ProbedConnection<'a> {
    probe: &'a Probe,
    io: PlainStream,
}

/// A document about a server.
#[derive(Clone, Debug)]
pub struct FetchedDocument {
    /// The HTTP status.
    pub status: u16,
    /// What it says that it is.
    pub content_type: Option<String>,
    /// The content; empty when it is longer than 64 KiB.
    pub body: Bytes,
}

impl Probe {
    /// A probe of the server at `endpoint`.
    ///
    /// # Errors
    /// [`Fault::Url`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, Fault> {
        let uri = uri(&endpoint.url)?;
        let target = HostPort::of(&uri)?;
        Ok(Self {
            connector: Connector::new(endpoint.options.clone()),
            uri,
            target,
            limit: endpoint.options.timeout,
        })
    }

    /// The proxy that it leads through, as `host:port`.
    pub fn proxy(&self) -> Option<String> {
        let proxy = self.connector.proxy(&self.uri, &self.target)?;
        HostPort::of(proxy.uri()).ok().map(|proxy| proxy.name())
    }

    /// Where it leads, as `host:port`.
    pub fn target(&self) -> String {
        self.target.name()
    }

    /// The addresses of the server's name; through a proxy, of the proxy's.
    ///
    /// # Errors
    /// When the name is not known, or leads to where we may not go.
    pub async fn resolve(&self) -> Result<Vec<IpAddr>, Fault> {
        self.within(self.connector.resolve(&self.uri, &self.target)).await
    }

    /// Connects, without any TLS.
    ///
    /// # Errors
    /// When nobody takes the connection.
    pub async fn connect(&self) -> Result<ProbedConnection<'_>, Fault> {
        let io = self.within(self.connector.reach(&self.uri, &self.target, false)).await?;
        Ok(ProbedConnection { probe: self, io })
    }

    async fn within<T>(&self, step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let late = || Fault::ConnectTimeout { target: self.target(), after: self.limit };
        timeout(self.limit, step).await.unwrap_or_else(|_| Err(late()))
    }
}

impl ProbedConnection<'_> {
    /// The address at the other end: the proxy's, where there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.io.address
    }

    /// Agrees on TLS, also where the URL does not ask for it, and says which version of it is spoken.
    ///
    /// # Errors
    /// [`Fault::Tls`] when the other side does not prove that it is the host, or speaks no TLS.
    pub async fn secure(self) -> Result<&'static str, Fault> {
        let Self { probe, io } = self;
        let secured = probe.within(probe.connector.secure(&probe.uri, &probe.target, io)).await?;
        let version = match &secured {
            MaybeHttpsStream::Https(io) => io.inner().get_ref().1.protocol_version(),
            MaybeHttpsStream::Http(_) => None,
        };
        Ok(match version {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        })
    }
}

impl Endpoint {
    /// Fetches what is at this URL, as a browser would: no message of the protocol, but documents about a server.
    ///
    /// # Errors
    /// When nothing could be fetched. A status that tells of a failure is none.
    pub async fn fetch(&self) -> Result<FetchedDocument, Fault> {
        let fetched = timeout(self.options.timeout, self.fetched()).await;
        fetched.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", self.options.timeout.as_secs_f32());
            Err(Fault::Lost { target: super::fault::shown(&self.url), why })
        })
    }

    async fn fetched(&self) -> Result<FetchedDocument, Fault> {
        let headers = RequestHeaders::json();
        let (outbound, no_place) = (Outbound::new(self), &Place::default());
        let response = outbound.send(Method::GET, &self.url, &headers, Bytes::new(), no_place).await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = match collect(response, LONGEST).await {
            Ok(body) => body,
            Err(Broken::Invalid(_) | Broken::Malformed(_) | Broken::Overloaded(_)) => Bytes::new(),
            Err(Broken::Cut(why)) => {
                return Err(Fault::Lost { target: super::fault::shown(&self.url), why });
            }
        };
        Ok(FetchedDocument { status, content_type, body })
    }
}

/// Longer documents about a server are not read.
const LONGEST: usize = 64 << 10;
