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
};

/// Sends requests; clones share their connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    /// What the user wants in every request.
    given: HeaderMap,
    /// The origin that `given` is for.
    home: url::Origin,
    redirects: usize,
}

impl Outbound {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let connector = Connector::new(endpoint.options.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.clone());
        let (given, home) = (endpoint.headers.clone(), endpoint.url.origin());
        Self { client, connector, given, home, redirects: endpoint.redirects }
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
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Fault> {
        let (mut url, mut trusted) = (url.clone(), true);
        for _ in 0..=self.redirects {
            // Once led away, always away: who sends us back does not choose what we carry.
            trusted &= url.origin() == self.home;
            let response = self.once(method.clone(), &url, headers, body.clone(), trusted).await?;
            let Some(next) = redirect(&url, &response)? else { return Ok(response) };
            tracing::debug!(from = %url, to = %next, "the server sends us on");
            url = next;
        }
        let why = "it was not the first redirect, and more are not followed";
        Err(Fault::Redirect { from: self.home.ascii_serialization(), to: url.into(), why })
    }

    async fn once(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        trusted: bool,
    ) -> Result<Response<Incoming>, Fault> {
        let uri = uri(url)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        if let Some(credentials) = self.connector.proxy_credentials(&uri) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, credentials);
        }
        let all = request.headers_mut();
        if trusted {
            all.extend(self.given.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        for (name, value) in headers {
            if trusted || is_public(name.as_str()) {
                all.insert(name, value.clone());
            }
        }
        all.entry(header::USER_AGENT).or_insert(USER_AGENT);
        let target =
            format!("{}:{}", uri.host().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        *request.uri_mut() = uri;
        self.client.request(request).await.map_err(|error| match find::<Fault>(&error) {
            Some(fault) => fault.clone(),
            None => Fault::Lost { target, why: chain(&error) },
        })
    }
}

/// Headers that tell nothing that only the server may know. The session's id and the arguments that are mirrored into
/// headers are not among them.
fn is_public(name: &str) -> bool {
    matches!(name, "accept" | "content-type" | "mcp-protocol-version" | "mcp-method" | "mcp-name")
}

/// Where `response` sends us.
fn redirect(from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, Fault> {
    // A POST stays one: what MCP posts cannot be said by GET, so 303, which demands that, is no way to go.
    let moved = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !moved.contains(&response.status()) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).map(HeaderValue::to_str);
    let Some(Ok(location)) = location else { return Ok(None) };
    let refused =
        |why| Fault::Redirect { from: from.to_string(), to: location.chars().take(256).collect(), why };
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
        .map_err(|error: http::uri::InvalidUri| Fault::Url { url: text.into(), why: error.to_string() })
}

pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("anyport/", env!("CARGO_PKG_VERSION")));

/// How long a connection is kept that nothing is asked on; shorter than most servers keep theirs.
const IDLE: std::time::Duration = std::time::Duration::from_secs(30);
