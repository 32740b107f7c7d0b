//! Requests beside the protocol, such as those to an authorization server.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use hyper::body::Incoming;
use tokio::time::timeout;
use url::Url;

use super::{
    Endpoint, Fault,
    address_policy::AddressClass,
    fault::shown,
    headers::RequestHeaders,
    outbound::{DPOP_NONCE, Outbound, challenges},
    pool::Place,
    received::{Broken, collect},
};

/// One request that carries no message of the protocol.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SideRequest {
    body: Option<Bytes>,
    headers: HeaderMap,
    answer_max: usize,
    timeout: Duration,
}

/// The answer to a [`SideRequest`], of whatever status.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SideAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: Option<String>,
    /// The values of `WWW-Authenticate`.
    pub challenges: Vec<String>,
    /// The content; `None` if it is longer than the request allows.
    pub body: Option<Bytes>,
    /// The value of `DPoP-Nonce` (RFC 9449 §8).
    pub dpop_nonce: Option<String>,
    /// The value of `Cache-Control`.
    pub cache_control: Option<String>,
    /// Whether the server is on the public internet, as far as the connection tells.
    pub is_public: bool,
}

impl SideRequest {
    /// A GET that accepts JSON of at most `answer_max` bytes, within `timeout`.
    pub fn get(answer_max: usize, timeout: Duration) -> Self {
        Self { body: None, headers: HeaderMap::new(), answer_max, timeout }
    }

    /// A POST of `body`, whose type is `content_type`.
    pub fn post(
        content_type: &'static str,
        body: impl Into<Bytes>,
        answer_max: usize,
        timeout: Duration,
    ) -> Self {
        let get = Self::get(answer_max, timeout);
        Self { body: Some(body.into()), ..get }
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Adds a header, whose value is not shown.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }
}

impl Endpoint {
    /// Another URL, which is reached in the same way: with the same proxies and certificates, though without any header or
    /// authorizer of this endpoint.
    ///
    /// # Errors
    /// [`Fault::Url`].
    pub fn beside(&self, url: &str) -> Result<Self, Fault> {
        let mut beside = Self::new(url)?;
        beside.options.proxies = self.options.proxies.clone();
        beside.options.roots = self.options.roots.clone();
        // It is for the server of this endpoint alone, which may have documents beside.
        beside.options.identity = self.options.identity.clone();
        beside.options.timeout = self.options.timeout;
        beside.options.resolver = self.options.resolver.clone();
        beside.options.public_only = self.options.public_only;
        Ok(beside)
    }

    /// Sends a request to this URL that carries no message of the protocol. Redirects are followed as
    /// [`Endpoint::redirects`] says.
    ///
    /// # Errors
    /// When there is no answer. A status that tells of a failure is none.
    pub async fn ask(&self, request: SideRequest) -> Result<SideAnswer, Fault> {
        let within = request.timeout;
        timeout(within, self.asked(request)).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", within.as_secs_f32());
            Err(Fault::Lost { target: shown(&self.url), why })
        })
    }

    async fn asked(&self, request: SideRequest) -> Result<SideAnswer, Fault> {
        let SideRequest { body, headers, answer_max, .. } = request;
        let mut endpoint = self.clone();
        endpoint.headers.extend(headers);
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let outbound = Outbound::new(&endpoint);
        let (own, body) = (RequestHeaders::json(), body.unwrap_or_default());
        let response = outbound.send(method, &self.url, &own, body, &Place::default()).await?;
        let is_public = outbound.class(&self.url) == Some(AddressClass::Public);
        let status = response.status().as_u16();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let challenges = challenges(&response);
        let nonce = response.headers().get(DPOP_NONCE).and_then(|value| value.to_str().ok());
        let dpop_nonce = nonce.map(str::to_owned);
        let cache_control = response.headers().get(header::CACHE_CONTROL);
        let cache_control = cache_control.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = read(&self.url, response, answer_max).await?;
        Ok(SideAnswer { status, content_type, challenges, body, dpop_nonce, cache_control, is_public })
    }
}

async fn read(url: &Url, response: Response<Incoming>, most: usize) -> Result<Option<Bytes>, Fault> {
    match collect(response, most).await {
        Ok(body) => Ok(Some(body)),
        Err(Broken::Invalid(_) | Broken::Malformed(_) | Broken::Overloaded(_)) => Ok(None),
        Err(Broken::Cut(why)) => Err(Fault::Lost { target: shown(url), why }),
    }
}

impl SideAnswer {
    /// An answer with this status and body, of which nothing else is known.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let (content_type, challenges) = (None, Vec::new());
        Self {
            status,
            content_type,
            challenges,
            body: Some(body.into()),
            dpop_nonce: None,
            cache_control: None,
            is_public: false,
        }
    }
}
