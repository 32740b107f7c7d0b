//! Requests to servers: over kept connections, with redirects.

use std::{sync::Arc, time::Instant};

use anyport_service::sync::Lock;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

use super::{
    AccessRefusal, Authorizer, Endpoint, Fault, SignInFailed,
    address_policy::AddressClass,
    connector::{Connector, chain, find},
    fault::{SendError, shown},
    headers::RequestHeaders,
    pool::{HostPool, HttpPool, Place},
    redirect::{Redirected, class_of, is_redirect, target},
};
use crate::client::{HttpExchange, MessageObserver};

/// Sends requests; clones share their connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    home_sender: Sender,
    /// The sender of the last redirect to another origin.
    elsewhere: Arc<Lock<Option<Elsewhere>>>,
    /// The headers that every request to the server has: those that the user has set, and the host.
    given: HeaderMap,
    /// The origin that `given` is for.
    home: url::Origin,
    /// The address of nearly every request, prepared once.
    usual: Option<Usual>,
    redirects: usize,
    observer: Option<Arc<dyn MessageObserver>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    /// The places of the server's host, if there is a pool.
    pool: Option<Arc<HostPool>>,
}

/// By what a request is authorized.
#[derive(Clone, Copy)]
struct Authorization<'a> {
    value: &'a HeaderValue,
    authorizer: &'a dyn Authorizer,
}

impl Authorization<'_> {
    /// Adds it to the headers of a request, with the proof that belongs to this very request.
    fn add(self, method: &Method, url: &Url, headers: &mut HeaderMap) {
        headers.insert(header::AUTHORIZATION, self.value.clone());
        if let Some(proof) = self.authorizer.proof(method, url, self.value) {
            headers.insert(DPOP, proof);
        }
    }
}

/// How far a request has come.
struct Progress<'a> {
    /// Whether a server has sent it on.
    is_redirected: bool,
    /// Its place in the pool.
    place: &'a Place,
}

/// Sends requests on connections of its own.
#[derive(Clone)]
struct Sender {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
}

/// Sends the requests that a server has redirected to another origin, to addresses of the server's own class.
struct Elsewhere {
    origin: url::Origin,
    class: AddressClass,
    sender: Sender,
}

#[derive(Clone)]
struct Usual {
    url: Url,
    /// The same as it is shown.
    shown: Arc<str>,
    uri: http::Uri,
    /// For the proxy that reads the requests, if there is one.
    credentials: Option<HeaderValue>,
}

impl Outbound {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let connector = Connector::new(endpoint.options.clone());
        let usual = uri(&endpoint.url).ok().map(|uri| {
            let credentials = connector.proxy_credentials(&uri);
            Usual { url: endpoint.url.clone(), shown: shown(&endpoint.url).into(), uri, credentials }
        });
        let (mut given, home) = (endpoint.headers.clone(), endpoint.url.origin());
        // The HTTP library would write it anew each time.
        if let Some(host) = usual.as_ref().and_then(|usual| host(&usual.uri)) {
            given.entry(header::HOST).or_insert(host);
        }
        let (home_sender, elsewhere) = (Sender::new(connector), Arc::default());
        let (redirects, authorizer) = (endpoint.redirects, endpoint.authorizer.clone());
        Self { home_sender, elsewhere, given, home, usual, redirects, observer: None, authorizer, pool: None }
    }

    /// Tells `observer` of every request.
    pub(super) fn observer(mut self, observer: Option<Arc<dyn MessageObserver>>) -> Self {
        self.observer = observer;
        self
    }

    /// Lets the calls to `server` take places of `pool`.
    pub(super) fn pool(mut self, pool: Option<&HttpPool>, server: &Url) -> Self {
        self.pool = pool.map(|pool| pool.host(server));
        self
    }

    /// The places of the server's host, if there is a pool.
    pub(super) fn host_pool(&self) -> Option<&Arc<HostPool>> {
        self.pool.as_ref()
    }

    /// Sends a request and returns the head of the response; its body comes as it is read.
    ///
    /// Redirects are followed, as long as they are few. A request with a body is sent on to the same host only, or to its
    /// `https`, and no request to an address of another class: see [`target`] and [`AddressClass`]. Credentials go to the
    /// server's own origin only.
    ///
    /// `place` is taken before anything is sent. It belongs to the response, and is dropped with that. One that is redirected
    /// keeps the place of the server's own host.
    ///
    /// # Errors
    /// Why there is no response. The refusal of another host is an error too, which repeats nothing of it.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &RequestHeaders,
        body: Bytes,
        place: &Place,
    ) -> Result<Response<Incoming>, SendError> {
        let mut progress = Progress { is_redirected: false, place };
        let observed = self.observer.as_ref().map(|observer| (observer, method.clone(), Instant::now()));
        let sent = match &self.authorizer {
            None => self.follow(method, url, headers, body, None, &mut progress).await,
            Some(authorizer) => {
                let authorized = self.authorized(&**authorizer, method, url, headers, body, &mut progress);
                // Most endpoints have none: their calls have no room for this.
                Box::pin(authorized).await
            }
        };
        if let Some((observer, method, started)) = observed {
            let usual = self.usual.as_ref().filter(|usual| usual.url == *url);
            observer.http(&HttpExchange {
                method: method.as_str(),
                url: &usual.map_or_else(|| shown(url).into(), |usual| usual.shown.clone()),
                status: sent.as_ref().ok().map(|response| response.status().as_u16()),
                elapsed: started.elapsed(),
            });
        }
        sent.map_err(|fault| SendError { fault, is_redirected: progress.is_redirected })
    }

    /// Sends a request with what `authorizer` gives, and once more if that answers a refusal.
    ///
    /// 2026-07-28, authorization §Token Requirements: "authorization **MUST** be included in every HTTP request from client to
    /// server".
    async fn authorized(
        &self,
        authorizer: &dyn Authorizer,
        method: Method,
        url: &Url,
        headers: &RequestHeaders,
        body: Bytes,
        progress: &mut Progress<'_>,
    ) -> Result<Response<Incoming>, Fault> {
        let (mut attempt, mut forbidden) = (0, 0);
        loop {
            if let Some(prepared) = authorizer.prepare() {
                prepared.await;
            }
            let sent = authorizer.authorization();
            let authorization = sent.as_ref().map(|value| Authorization { value, authorizer });
            let method = method.clone();
            // What only gives a session back is not worth a login.
            let is_last = method == Method::DELETE;
            let response = self.follow(method, url, headers, body.clone(), authorization, progress).await?;
            let is_refusal = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            // What another origin refuses has no credentials of the server's.
            let is_elsewhere = response.extensions().get::<Redirected>().is_some();
            // RFC 9449 §8.2: the next nonce "can be supplied on any response", not on refusals alone.
            if let (Some(nonce), false) = (response.headers().get(DPOP_NONCE), is_elsewhere) {
                authorizer.nonce(nonce);
            }
            if !is_refusal || is_last || is_elsewhere {
                return Ok(response);
            }
            let refusal = AccessRefusal {
                status: response.status().as_u16(),
                challenges: challenges(&response),
                sent,
                attempt,
                forbidden,
                is_public: self.class(url) == Some(AddressClass::Public),
            };
            let is_forbidden = response.status() == StatusCode::FORBIDDEN;
            // A login takes as long as its user does.
            progress.place.give_back();
            match authorizer.refused(refusal).await {
                Ok(true) => {
                    attempt += 1;
                    forbidden += u32::from(is_forbidden);
                }
                Ok(false) => return Ok(response),
                Err(SignInFailed { why, is_temporary }) => {
                    return Err(Fault::SignIn { at: shown(url), why, is_temporary });
                }
            }
        }
    }

    /// The class of the address that the last connection to `url` leads to; `None` if the caller dials.
    pub(super) fn class(&self, url: &Url) -> Option<AddressClass> {
        let info = uri(url).ok().and_then(|uri| self.home_sender.connector.reached(&uri));
        class_of(url, info)
    }

    /// Sends a request, and notes once a server has sent it on. `authorization` goes to the server's own origin alone.
    async fn follow(
        &self,
        method: Method,
        url: &Url,
        headers: &RequestHeaders,
        body: Bytes,
        authorization: Option<Authorization<'_>>,
        progress: &mut Progress<'_>,
    ) -> Result<Response<Incoming>, Fault> {
        progress.place.take().await.map_err(Box::new)?;
        // Once led away, always away: a server that sends us back does not choose what we carry.
        let mut trusted = true;
        let mut sent_on: Option<(Url, Url, Sender)> = None;
        for _ in 0..=self.redirects {
            let (from, at, sender) = sent_on
                .as_ref()
                .map_or((url, url, &self.home_sender), |(from, at, sender)| (from, at, sender));
            let usual = self.usual.as_ref().filter(|usual| trusted && usual.url == *at);
            trusted = usual.is_some() || trusted && at.origin() == self.home;
            let (uri, credentials) = match usual {
                Some(usual) => (usual.uri.clone(), usual.credentials.clone()),
                None => {
                    let uri = uri(at)?;
                    let credentials = self.home_sender.connector.proxy_credentials(&uri);
                    (uri, credentials)
                }
            };
            let mut carried = if trusted { self.all(headers) } else { public(headers) };
            if let (Some(authorization), true) = (authorization, trusted) {
                authorization.add(&method, at, &mut carried);
            }
            if let Some(credentials) = credentials {
                carried.insert(header::PROXY_AUTHORIZATION, credentials);
            }
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri;
            *request.headers_mut() = carried;
            let mut response =
                sender.client.request(request).await.map_err(|error| lost(from, at, &error))?;
            progress.is_redirected |= is_redirect(&response);
            let Some(to) = target(at, &response, !body.is_empty())? else {
                if sent_on.is_some() && at.origin() != url.origin() {
                    let redirected = Redirected::of(url, at);
                    redirected.check(&response)?;
                    response.extensions_mut().insert(redirected);
                }
                return Ok(response);
            };
            tracing::debug!(from = shown(at), to = shown(&to), "the server sends us on");
            let sender = self.sender_for(at, &to, sender);
            sent_on = Some((at.clone(), to, sender));
        }
        let why = "it was not the first redirect, and more are not followed";
        let to = shown(sent_on.as_ref().map_or(url, |(_, to, _)| to));
        Err(Fault::Redirect { from: self.home.ascii_serialization(), to, why })
    }

    /// What sends on to `to`, to where `from` has redirected what `sender` sent.
    ///
    /// Another origin needs a connection of its own, whose address is looked at when it is made: a name that leads
    /// elsewhere a moment later gains nothing.
    fn sender_for(&self, from: &Url, to: &Url, sender: &Sender) -> Sender {
        if from.origin() == to.origin() {
            // Bound to the class that it is bound to.
            return sender.clone();
        }
        let info = uri(from).ok().and_then(|uri| sender.connector.reached(&uri));
        let Some(class) = class_of(from, info) else { return self.home_sender.clone() };
        let origin = to.origin();
        let mut elsewhere = self.elsewhere.lock();
        if let Some(known) = elsewhere.as_ref().filter(|known| known.origin == origin && known.class == class)
        {
            return known.sender.clone();
        }
        let sender = Sender::new(self.home_sender.connector.of_class(class));
        *elsewhere = Some(Elsewhere { origin, class, sender: sender.clone() });
        sender
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

impl Sender {
    fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(READ_AHEAD)
            .build(connector.clone());
        Self { client, connector }
    }
}

/// Why a request to `url`, to which `from` has sent us on if that is another one, has no response.
fn lost(from: &Url, url: &Url, error: &hyper_util::client::legacy::Error) -> Fault {
    match find::<Fault>(error) {
        Some(Fault::Redirect { why, .. }) => Fault::Redirect { from: shown(from), to: shown(url), why },
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

/// The values of `WWW-Authenticate` that are text.
pub(super) fn challenges(response: &Response<Incoming>) -> Vec<String> {
    let values = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
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

const DPOP: HeaderName = HeaderName::from_static("dpop");
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How many headers a request has, beside those that the user wants.
const ROOM: usize = 12;

pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("anyport/", env!("CARGO_PKG_VERSION")));

/// Bytes that are read of a response before somebody takes them: what a slow caller leaves stays with the server.
const READ_AHEAD: usize = 128 << 10;

/// How long a connection is kept that nothing is asked on; shorter than most servers keep theirs.
const IDLE: std::time::Duration = std::time::Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: A redirect leads to no address of another class, however many redirects came before it.
    #[tokio::test]
    async fn a_second_redirect_within_an_origin_stays_bound_to_the_class_of_the_first() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let here = listener.local_addr().unwrap();
        let outbound = Outbound::new(&Endpoint::new("http://server.example/mcp").unwrap().without_proxy());
        let [first, second] =
            ["first", "second"].map(|path| Url::parse(&format!("http://{here}/{path}")).unwrap());
        let dial = async |sender: &Sender| sender.connector.connect(&uri(&second).unwrap()).await;
        for class in
            [AddressClass::Public, AddressClass::Private, AddressClass::LinkLocal, AddressClass::Loopback]
        {
            let bound = Sender::new(outbound.home_sender.connector.of_class(class));
            // Between its two redirects the name of the origin may have come to mean this machine.
            let next = outbound.sender_for(&first, &second, &bound);
            match (class, dial(&next).await) {
                (AddressClass::Loopback, Ok(_)) => {}
                (_, Err(Fault::Redirect { why, .. })) => {
                    assert_eq!(why, "it leads to this machine", "{class:?}")
                }
                (_, reached) => panic!("{class:?}: {:?}", reached.err()),
            }
        }
        assert!(dial(&outbound.home_sender).await.is_ok(), "what no redirect binds goes there");
    }
}
