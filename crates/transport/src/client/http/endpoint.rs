use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use super::{
    Authorizer, Fault,
    client_certificate::{ClientIdentity, InvalidClientCertificate},
    connector::{ConnectorOptions, Proxies},
    fault::without_secrets,
};
use crate::client::{Dial, NameResolver};

/// Where a server is reached over HTTP, and how.
///
/// Any host may be reached unless [`Endpoint::public_only`] says otherwise; proxies are those of the environment
/// (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), though never for this machine itself.
#[derive(Clone)]
pub struct Endpoint {
    pub(in crate::client) url: Url,
    /// Their values are marked, and never shown.
    pub(in crate::client) headers: HeaderMap,
    pub(super) redirects: usize,
    pub(super) answer_max: usize,
    pub(in crate::client) options: ConnectorOptions,
    pub(super) authorizer: Option<Arc<dyn Authorizer>>,
}

impl Endpoint {
    /// The server at `url`: `http://` or `https://`, without a user in it.
    ///
    /// # Errors
    /// [`Fault::Url`].
    pub fn new(url: &str) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::Url { url: without_secrets(url), why };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("it must begin with http:// or https://".into()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // The words of this error must not tell the password.
            let why = "it must not name a user; put credentials into a header (Authorization)".into();
            return Err(Fault::Url { url: format!("{}://..", parsed.scheme()), why });
        }
        let options = ConnectorOptions {
            public_only: false,
            proxies: Proxies::Environment,
            timeout: Duration::from_secs(10),
            roots: Vec::new(),
            accepts_any_certificate: false,
            identity: None,
            dial: None,
            resolver: None,
        };
        let headers = HeaderMap::new();
        Ok(Self { url: parsed, headers, redirects: 5, answer_max: 64 << 20, options, authorizer: None })
    }

    /// Sends `name: value` with every request to this origin, and to no other one.
    ///
    /// # Errors
    /// [`Fault::Header`] for what is no header, or one that the protocol writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Fault> {
        let wrong = |why| Fault::Header { name: name.into(), why };
        let parsed: HeaderName =
            name.parse().map_err(|_| wrong("its name must be a token, as HTTP calls it"))?;
        let ours = |prefix| parsed.as_str().starts_with(prefix);
        if OURS.contains(&parsed.as_str()) || ours("mcp-param-") || ours("sec-websocket-") {
            return Err(wrong("it is written here for each request"));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| wrong("its value must be visible ASCII characters"))?;
        value.set_sensitive(true);
        self.headers.append(parsed, value);
        Ok(self)
    }

    /// Lets `authorizer` give every request to this origin its header `Authorization`, and answer refusals.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// Refuses to connect to addresses that are not of the public internet: of this machine, of private networks,
    /// link-local and special ones. A name is resolved once, and the connection made to the addresses that were looked
    /// at; redirects are looked at in the same way. Through a proxy only addresses are looked at, since it is the proxy
    /// that resolves names.
    #[must_use]
    pub fn public_only(mut self) -> Self {
        self.options.public_only = true;
        self
    }

    /// How many redirects are followed in a row. Default 5.
    #[must_use]
    pub fn redirects(mut self, most: usize) -> Self {
        self.redirects = most;
        self
    }

    /// How many bytes one message of the server may have. Default 64 MiB.
    #[must_use]
    pub fn answer_max(mut self, bytes: usize) -> Self {
        self.answer_max = bytes;
        self
    }

    /// How long it may take to resolve the name, connect, and agree on TLS, together. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Goes through the proxy at this URL (`http://` or `socks5://`), whatever the environment says.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.options.proxies = Proxies::One(url.into());
        self
    }

    /// Connects by `dial`, wherever the URL leads: names are not resolved, and no proxy is used. TLS is agreed on over what
    /// was dialled where the URL demands it.
    #[must_use]
    pub fn dial(mut self, dial: Dial) -> Self {
        self.options.dial = Some(dial);
        self
    }

    /// Resolves names by `resolver` instead of the system. Which addresses may be connected to is checked all the same.
    #[must_use]
    pub fn resolver(mut self, resolver: NameResolver) -> Self {
        self.options.resolver = Some(resolver);
        self
    }

    /// Goes through no proxy, whatever the environment says.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.options.proxies = Proxies::None;
        self
    }

    /// Trusts the certificates in `pem`, besides those that the system trusts.
    ///
    /// # Errors
    /// When `pem` holds no certificate, or cannot be read.
    pub fn trust(mut self, pem: &[u8]) -> Result<Self, rustls::pki_types::pem::Error> {
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Err(rustls::pki_types::pem::Error::NoItemsFound);
        }
        self.options.roots.extend(found);
        Ok(self)
    }

    /// Shows the server, and no other one, a certificate of this program where the server asks for one (mutual TLS): the first of
    /// `certificates`, with those of its chain, whose private key is `key`; both in PEM.
    ///
    /// # Errors
    /// When one of both cannot be read, or they do not belong together.
    pub fn client_certificate(
        mut self,
        certificates: &[u8],
        key: &[u8],
    ) -> Result<Self, InvalidClientCertificate> {
        self.options.identity = Some(ClientIdentity::new(&self.url, certificates, key)?);
        Ok(self)
    }

    /// Accepts every certificate: one that the server has signed itself, that has expired, or that is for another name.
    ///
    /// # Danger
    /// Whoever stands between can then pretend to be the server, and read credentials and calls. It is for tests on a network of
    /// one's own; [`trust`](Self::trust) is the safe way to a server with a certificate of its own.
    #[must_use]
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.options.accepts_any_certificate = true;
        self
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

/// Without what may be secret: the query, values of headers, a proxy's password.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &without_secrets(self.url.as_str()))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What the protocol writes into a request itself.
const OURS: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
    "upgrade",
];
