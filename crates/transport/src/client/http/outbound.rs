//! Requests to servers: over kept connections, with redirects.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

use super::{
    Endpoint, Fault,
    connector::{Connector, chain, find},
    fault::{SendError, shown, without_secrets},
    headers::RequestHeaders,
};

/// Sends requests; clones share their connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    /// The headers that every request to the server has: those that the user has set, and the host.
    given: HeaderMap,
    /// The origin that `given` is for.
    home: url::Origin,
    /// The address of nearly every request, prepared once.
    usual: Option<Usual>,
    redirects: usize,
}

#[derive(Clone)]
struct Usual {
    url: Url,
    uri: http::Uri,
    /// For the proxy that reads the requests, if there is one.
    credentials: Option<HeaderValue>,
}

impl Outbound {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let connector = Connector::new(endpoint.options.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(READ_AHEAD)
            .build(connector.clone());
        let usual = uri(&endpoint.url).ok().map(|uri| {
            let credentials = connector.proxy_credentials(&uri);
            Usual { url: endpoint.url.clone(), uri, credentials }
        });
        let (mut given, home) = (endpoint.headers.clone(), endpoint.url.origin());
        // The HTTP library would write it anew each time.
        if let Some(host) = usual.as_ref().and_then(|usual| host(&usual.uri)) {
            given.entry(header::HOST).or_insert(host);
        }
        Self { client, connector, given, home, usual, redirects: endpoint.redirects }
    }

    /// Sends a request and gives the response's head; its body comes as it is read. Redirects are followed, as long as
    /// they are few and lead to where we may go; credentials go to the server's own origin only.
    ///
    /// # Errors
    /// Why there is no response.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &RequestHeaders,
        body: Bytes,
    ) -> Result<Response<Incoming>, SendError> {
        let mut is_redirected = false;
        let sent = self.follow(method, url, headers, body, &mut is_redirected).await;
        sent.map_err(|fault| SendError { fault, is_redirected })
    }

    /// Sends a request, and notes once a server has sent it on.
    async fn follow(
        &self,
        method: Method,
        url: &Url,
        headers: &RequestHeaders,
        body: Bytes,
        is_redirected: &mut bool,
    ) -> Result<Response<Incoming>, Fault> {
        // Once led away, always away: a server that sends us back does not choose what we carry.
        let mut trusted = true;
        let mut next = None;
        for _ in 0..=self.redirects {
            let at = next.as_ref().unwrap_or(url);
            let usual = self.usual.as_ref().filter(|usual| trusted && usual.url == *at);
            trusted = usual.is_some() || trusted && at.origin() == self.home;
            let (uri, credentials) = match usual {
                Some(usual) => (usual.uri.clone(), usual.credentials.clone()),
                None => {
                    let uri = uri(at)?;
                    let credentials = self.connector.proxy_credentials(&uri);
                    (uri, credentials)
                }
            };
            let mut carried = if trusted { self.all(headers) } else { public(headers) };
            if let Some(credentials) = credentials {
                carried.insert(header::PROXY_AUTHORIZATION, credentials);
            }
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri;
            *request.headers_mut() = carried;
            let response = self.client.request(request).await.map_err(|error| lost(at, &error))?;
            *is_redirected |= is_redirect(&response);
            let Some(to) = redirect(at, &response)? else { return Ok(response) };
            tracing::debug!(from = shown(at), to = shown(&to), "the server sends us on");
            next = Some(to);
        }
        let why = "it was not the first redirect, and more are not followed";
        let to = shown(next.as_ref().unwrap_or(url));
        Err(Fault::Redirect { from: self.home.ascii_serialization(), to, why })
    }

    /// The headers of a request to the server itself.
    fn all(&self, headers: &RequestHeaders) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(ROOM + self.given.len());
        map.extend(self.given.iter().map(|(name, value)| (name.clone(), value.clone())));
        map.entry(header::USER_AGENT).or_insert(USER_AGENT);
        headers.add_all(&mut map);
        map
    }
}

fn lost(url: &Url, error: &hyper_util::client::legacy::Error) -> Fault {
    match find::<Fault>(error) {
        Some(fault) => fault.clone(),
        None => {
            let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
            Fault::Lost { target: format!("{host}:{port}"), why: chain(error) }
        }
    }
}

/// The headers of a request to another origin.
fn public(headers: &RequestHeaders) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(ROOM);
    map.insert(header::USER_AGENT, USER_AGENT);
    headers.add_public(&mut map);
    map
}

/// Whether `response` sends us on.
///
/// A POST stays one: what MCP posts cannot be said by GET, so 303, which demands that, is no way to go.
fn is_redirect(response: &Response<Incoming>) -> bool {
    let moved = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    moved.contains(&response.status())
}

/// Where `response` sends us.
fn redirect(from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, Fault> {
    if !is_redirect(response) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).map(HeaderValue::to_str);
    let Some(Ok(location)) = location else { return Ok(None) };
    let refused = |why| Fault::Redirect {
        from: shown(from),
        to: without_secrets(location).chars().take(256).collect(),
        why,
    };
    let to = from.join(location).map_err(|_| refused("this is no URL"))?;
    match (from.scheme(), to.scheme()) {
        ("https", "http") => Err(refused("what was said in private would be said in public")),
        (_, "http" | "https") if !to.username().is_empty() || to.password().is_some() => {
            Err(refused("it names a user"))
        }
        (_, "http" | "https") => Ok(Some(to)),
        _ => Err(refused("only http:// and https:// are followed")),
    }
}

/// The URL as the HTTP library wants it.
pub(crate) fn uri(url: &Url) -> Result<http::Uri, Fault> {
    let text = url.as_str();
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    text.parse()
        .map_err(|error: http::uri::InvalidUri| Fault::Url { url: shown(url), why: error.to_string() })
}

/// The `Host` of requests to `uri`: without the port that its scheme has anyway.
fn host(uri: &http::Uri) -> Option<HeaderValue> {
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let host = match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{}:{port}", uri.host()?),
        None => uri.host()?.to_owned(),
    };
    HeaderValue::try_from(host).ok()
}

/// How many headers a request has, beside those that the user wants.
const ROOM: usize = 12;

pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("anyport/", env!("CARGO_PKG_VERSION")));

/// Bytes that are read of a response before somebody takes them: what a slow caller leaves stays with the server.
const READ_AHEAD: usize = 128 << 10;

/// How long a connection is kept that nothing is asked on; shorter than most servers keep theirs.
const IDLE: std::time::Duration = std::time::Duration::from_secs(30);
