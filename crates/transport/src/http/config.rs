use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_protocol::{Error, Limits as MessageLimits, Revision, limits, settings};
use anyport_service::{ClientHeaders, Overload, Principal, sync::Lock};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    allowance::{AllowedHost, AllowedOrigin},
    caller_tokens::CallerTokens,
    client_address::TrustedProxy,
    compat::Compat,
    credential::CredentialVerifier,
    further::FurtherEndpoints,
    operations::Operations,
    protected_resource::ProtectedResource,
    public_url::PublicUrl,
    refusal_observer::RefusalObserver,
};
use crate::{BufferedBytes, ClientObserver};

settings! {
    /// How to serve over HTTP.
    #[derive(Clone, Debug)]
    pub struct Config {
        /// The path of the MCP endpoint.
        #[default("`/mcp`" = "/mcp".into())]
        #[set(into)]
        pub path: String,
        /// The revisions that are supported.
        #[default("all" = Revision::ALL.into())]
        #[set(into)]
        pub supported: Arc<[Revision]>,
        /// Names, beside loopback ones, under which clients may reach this server.
        #[default("none" = Vec::new())]
        #[set(into)]
        pub allow_hosts: Vec<AllowedHost>,
        /// Web origins, beside our own on loopback, whose pages may call this server.
        #[default("none" = Vec::new())]
        #[set(into)]
        pub allow_origins: Vec<AllowedOrigin>,
        /// How callers are authenticated.
        #[default(Authentication::Anonymous)]
        pub authentication: Authentication,
        /// The URL under which clients reach this server. Its host and its origin are allowed; resource identifiers and
        /// challenges are made of it, and never of what a request says.
        #[default("none" = None)]
        #[set(into)]
        pub public_url: Option<PublicUrl>,
        /// What the server says of itself as a protected resource, and the scopes that each of its requests needs.
        #[default("no authorization server" = ProtectedResource::default())]
        pub resource: ProtectedResource,
        /// TLS, which a [`Listener`](super::Listener) then speaks, and nothing else. An endpoint within an application leaves it to
        /// the application.
        #[cfg(feature = "tls")]
        #[default("not spoken" = None)]
        #[set(into)]
        pub tls: Option<super::tls::Tls>,
        /// The time for which browsers that have come over TLS come over TLS alone: `Strict-Transport-Security` (RFC 6797) of responses over
        /// TLS.
        #[default("not said" = None)]
        #[set(into)]
        pub hsts: Option<Duration>,
        /// Whether a [`Listener`](super::Listener) speaks HTTP/2 as well, if it is built with the feature `http2`.
        #[default(true)]
        pub http2: bool,
        /// How error messages name the settings of this endpoint: those of whoever runs it.
        #[default("the fields of [`Config`]" = SettingNames::default())]
        pub setting_names: SettingNames,
        /// The clients that may leave out headers which 2026-07-28 requires.
        #[default("none" = Compat::default())]
        pub compat: Compat,
        /// Whether and how WebSockets are served as well.
        #[cfg(feature = "websocket")]
        #[default("not served" = None)]
        #[set(into)]
        pub websocket: Option<crate::websocket::Config>,
        /// Whether HTTP+SSE, the transport of 2024-11-05, is served as well, for clients that know no other: its stream at
        /// `/sse`, its messages at `/messages`, both also below [`Config::path`]; and a GET of the MCP endpoint itself by
        /// such a client opens the stream. The specification has deprecated it (2026-07-28, streamable-http §HTTP+SSE
        /// Transport). It requires a revision before 2026-07-28 among the supported ones.
        #[default(false)]
        pub sse: bool,
        /// Whether the REST interface is served as well, which calls tools without MCP: `POST` of their names to `/call` and
        /// `GET` of their list at `/tools`, both below [`Config::path`], and `GET /health`; see [`rest`](super::rest).
        #[default(false)]
        pub rest: bool,
        /// The part that a proxy in front removes from our paths, such as `/tools`. HTTP+SSE needs it to tell its clients
        /// where to post. The path under which an axum router is nested is known without this.
        #[default("empty" = String::new())]
        #[set(into)]
        pub public_prefix: String,
        /// The reverse proxies whose word on the address of a client counts: what they write into `X-Forwarded-For` or `Forwarded`
        /// (RFC 7239). They must write one of them into every request. Limits of one address are those of
        /// [`ConnectInfo::client`](super::ConnectInfo::client).
        #[default("none" = Vec::new())]
        #[set(into)]
        pub trusted_proxies: Vec<TrustedProxy>,
        /// The headers of requests that calls take along in their context, for servers behind this one. Calls by WebSocket and
        /// HTTP+SSE have none: their headers are those of a connection.
        #[default("none" = None)]
        #[set(into)]
        pub client_headers: Option<ClientHeaderNames>,
        /// Where the tokens of callers are noted, for a service that exchanges them. Only those of
        /// [`Authentication::verified_by`] are.
        #[default("none" = None)]
        #[set(into)]
        pub caller_tokens: Option<CallerTokens>,
        /// What operators see beside MCP: how the program is, and its numbers. It is served beside the REST interface.
        #[default("whether it runs" = None)]
        #[set(into)]
        pub operations: Option<Arc<dyn Operations>>,
        /// Further routes beside the MCP endpoint.
        #[default("none" = Vec::new())]
        #[set(into)]
        pub routes: Vec<Route>,
        /// Further MCP endpoints beside that of [`Config::path`], each with a service, a path and sessions of its own. Whatever
        /// else is set here holds for all of them; `max_sessions`, `max_streams` and the other limits of one endpoint hold for
        /// each. WebSockets and [`Config::routes`] are those of the first alone. They may be changed while they are served:
        /// [`FurtherEndpoints::set`].
        #[default("none" = FurtherEndpoints::default())]
        #[set(into)]
        pub further_endpoints: FurtherEndpoints,
        /// The limits.
        #[default("those of [`Limits`]" = Limits::default())]
        pub limits: Limits,
        /// The budget of large answers.
        #[default("one of its own" = BufferedBytes::default())]
        pub buffers: BufferedBytes,
        /// Whether new work is refused: sessions, and bodies of requests that are not small. A layer of the service refuses calls.
        #[default("never" = Overload::default())]
        pub overload: Overload,
        /// The observer of the messages of clients.
        #[default("none" = None)]
        #[set(into)]
        pub observer: Option<Arc<dyn ClientObserver>>,
        /// The observer of requests that are refused before they are read.
        #[default("none" = None)]
        #[set(into)]
        pub refusal_observer: Option<Arc<dyn RefusalObserver>>,
    }
}

impl Config {
    /// Whether only clients with a certificate can open a connection.
    pub(super) fn demands_client_certificates(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().is_some_and(super::tls::Tls::demands_client_certificates);
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Whether HTTP+SSE is served.
    pub(super) fn serves_sse(&self) -> bool {
        self.sse && self.supported.iter().any(|revision| revision.has_sessions())
    }
}

limits! {
    /// The limits of an HTTP listener; the names are those of the configuration.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// Size, depth and node count of a message.
        #[default("those of [`MessageLimits`]" = MessageLimits::default())]
        pub message: MessageLimits,
        /// The number of connections. Further connections are accepted, get 503 and are closed.
        #[default(1_024)]
        pub max_connections: usize,
        /// How much of the file descriptors that the process may have (`RLIMIT_NOFILE`) is in use at most when a connection is
        /// accepted, in percent. The rest is for what runs.
        #[default(90)]
        #[limit(
            Count "max_descriptors_percent", note = " percent of the file descriptors of the process are open; on a Unix socket, too",
            beyond = "new connections get 503 with `Retry-After` and are closed, except for `/health` and `/metrics`; what is open goes on"
        )]
        pub max_descriptors_percent: u32,
        /// The number of connections of one address; those of [`Config::trusted_proxies`] are not bounded. A network of IPv6 counts as
        /// one address.
        #[default("three quarters of `max_connections`" = None)]
        #[limit(
            Count "max_connections_per_address", note = "three quarters of `--max-connections`; those of trusted proxies are not counted",
            beyond = "as for `--max-connections`: 503 with `Retry-After`, and the connection is closed"
        )]
        #[set(into)]
        pub max_connections_per_address: Option<usize>,
        /// The number of header fields of one request.
        #[default(100)]
        #[limit(Count "max_headers", beyond = "431, and the connection is closed")]
        pub max_headers: usize,
        /// The size of the head of one request in bytes.
        #[default(64 KiB)]
        #[limit(
            Bytes "max_header_bytes", note = "; not less than 8 KiB", at_least = 8192,
            beyond = "431, and the connection is closed"
        )]
        pub max_header_bytes: usize,
        /// The time in which a client must have agreed on TLS with a listener that speaks it.
        #[default(10 s)]
        #[limit(
            Seconds "tls_handshake_timeout", note = " of a TLS handshake, where TLS is spoken",
            beyond = "the connection is closed"
        )]
        pub tls_handshake_timeout: Duration,
        /// The time in which the head of a request must arrive, including the time that the connection is idle before it.
        #[default(30 s)]
        #[limit(Seconds "header_timeout", beyond = "the connection is closed")]
        pub header_timeout: Duration,
        /// The time in which the body of a request must arrive.
        #[default(30 s)]
        #[limit(Seconds "body_timeout", beyond = "408")]
        pub body_timeout: Duration,
        /// The time that a client may leave unread what we send.
        #[default(60 s)]
        #[limit(Seconds "write_timeout", beyond = "the connection is closed")]
        pub write_timeout: Duration,
        /// The number of streams that are open at once on one connection of HTTP/2.
        #[default(100)]
        #[limit(
            Count "http2_max_streams", note = " of one connection of HTTP/2",
            beyond = "the stream is refused (`REFUSED_STREAM`), and the client may repeat its request"
        )]
        pub http2_max_streams: usize,
        /// The number of streams of one connection of HTTP/2 that its client reset before they were taken up, and of those that
        /// its mistakes made us reset.
        #[default(100)]
        #[limit(
            Count "http2_max_resets", note = " of one connection of HTTP/2",
            beyond = "the connection is closed (`ENHANCE_YOUR_CALM`)"
        )]
        pub http2_max_resets: usize,
        /// The bytes of one request that a client of HTTP/2 may send ahead.
        #[default(256 KiB)]
        #[limit(
            Bytes "http2_stream_window", note = " a stream of HTTP/2", at_least = 1024,
            beyond = "the client waits; one that does not is disconnected"
        )]
        pub http2_stream_window: usize,
        /// The bytes of all requests on one connection of HTTP/2 that its client may send ahead.
        #[default(1 MiB)]
        #[limit(
            Bytes "http2_connection_window", note = " a connection of HTTP/2; not less than 64 KiB", at_least = 65536,
            beyond = "the client waits; one that does not is disconnected"
        )]
        pub http2_connection_window: usize,
        /// The interval at which a client of HTTP/2 that sends nothing is asked whether it is there, and the time that it has to
        /// answer.
        #[default(30 s)]
        #[limit(Seconds "http2_ping", note = " of HTTP/2", beyond = "a connection whose client does not answer is closed")]
        pub http2_ping: Duration,
        /// The number of listen and GET streams.
        #[default(10_000)]
        #[limit(Count "max_streams", beyond = "-32603 `overloaded`, 503")]
        pub max_streams: usize,
        /// The number of these streams of one caller: an authenticated principal, or else an address.
        #[default("three quarters of `max_streams`" = None)]
        #[limit(
            Count "max_streams_per_caller", note = "three quarters of `max_streams`; callers without authentication are told apart by their address",
            beyond = "-32603 `overloaded`, 503"
        )]
        #[set(into)]
        pub max_streams_per_caller: Option<usize>,
        /// The number of sessions.
        #[default(10_000)]
        #[limit(
            Count "max_sessions",
            beyond = "the session that has been idle longest ends; 503 if no session is idle. A session of HTTP+SSE never counts as idle here"
        )]
        pub max_sessions: usize,
        /// The number of sessions of one caller: an authenticated principal, or else an address.
        #[default("three quarters of `max_sessions`" = None)]
        #[limit(
            Count "max_sessions_per_caller", note = "three quarters of `max_sessions`; callers as for `max_streams_per_caller`",
            beyond = "the caller's session that has been idle longest ends; -32603 `overloaded`, 503, if none of them is idle"
        )]
        #[set(into)]
        pub max_sessions_per_caller: Option<usize>,
        /// The time that a session may be idle.
        #[default(1 hour)]
        #[limit(
            Seconds "session_idle",
            beyond = "the session ends; requests with its id get 404. A session of HTTP+SSE is idle if nothing is sent on it and no request is open"
        )]
        pub session_idle: Duration,
        /// The size in bytes of the replay buffer of a stream, and of all ended streams of a session together.
        #[default(4 MiB)]
        #[limit(Bytes "sse_log", note = " a stream", beyond = "older events can no longer be resumed")]
        pub sse_log: usize,
        /// The time that the replay buffer of an ended stream stays.
        #[default(5 minutes)]
        #[limit(
            Seconds "sse_log_ttl", note = " after the end of a stream",
            beyond = "its events can no longer be resumed"
        )]
        pub sse_log_ttl: Duration,
        /// The size in bytes of the messages that wait for the reader of a stream of HTTP+SSE.
        #[default(1 MiB)]
        #[limit(
            Bytes "sse_buffer", note = " a stream of HTTP+SSE",
            beyond = "its calls wait for its reader; a reader that takes nothing for the `write_timeout` loses its session"
        )]
        pub sse_buffer: usize,
        /// The number of open requests in one session, on one stream of HTTP+SSE, and on one WebSocket.
        #[default(1_024)]
        #[limit(
            Count "max_open_requests", note = " a connection, or a session of Streamable HTTP",
            beyond = "-32603 `overloaded`, 503"
        )]
        pub max_open_requests: usize,
        /// The number of calls of one array that run at once in the REST interface.
        #[default(16)]
        #[limit(
            Count "batch_concurrency", note = " calls of one array, at the [REST interface](rest.md)",
            beyond = "the others of the array wait for them"
        )]
        pub batch_concurrency: usize,
        /// The number of tools that the REST interface lists.
        #[default(10_000)]
        #[limit(
            Count "max_tools_listed", note = " tools, at the [REST interface](rest.md)",
            beyond = "the list is marked `truncated`"
        )]
        pub max_tools_listed: usize,
        /// The interval of the SSE keep-alive comment on a stream with nothing to send, so that no proxy closes it. It also decides
        /// when a JSON response becomes an event stream: after so long a silence of its call, if the client accepts one.
        #[default(15 s)]
        #[limit(
            Seconds "keep_alive",
            beyond = "a stream with nothing to send gets an SSE keep-alive comment; a call that was silent for so long is answered by an event stream instead of JSON"
        )]
        pub keep_alive: Duration,
        /// The interval at which the credential of an open stream or WebSocket is verified again.
        #[default(30 s)]
        #[limit(
            Seconds "credential_check",
            beyond = "the credential by which a stream or WebSocket was opened is verified again; the stream ends if it was revoked"
        )]
        pub credential_check: Duration,
        /// The number of tokens of callers that are kept to be exchanged.
        #[default(10_000)]
        #[limit(
            Count "max_caller_tokens", note = " of callers, where an upstream has `auth = \"token_exchange\"`",
            beyond = "the token that ends soonest is forgotten, until its caller's next request brings it again"
        )]
        pub max_caller_tokens: usize,
        /// The time in which running calls may end after the listener begins to stop.
        #[default(10 s)]
        #[limit(Seconds "drain", beyond = "calls that still run when the program stops are cancelled")]
        pub drain: Duration,
    }
}

/// How error messages name the settings that would have let a request in: the words after "to allow it,".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingNames {
    /// For a host that is not allowed.
    pub allow_hosts: Cow<'static, str>,
    /// For a web origin that is not allowed.
    pub allow_origins: Cow<'static, str>,
}

impl Default for SettingNames {
    fn default() -> Self {
        Self {
            allow_hosts: "add it to `allow_hosts` of the server's `http::Config`".into(),
            allow_origins: "add it to `allow_origins` of the server's `http::Config`".into(),
        }
    }
}

/// Who may call. There is no default among callers: anonymous ones are let in by choosing so.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Anyone who can reach the port.
    Anonymous,
    /// Who presents one of these as `Authorization: Bearer`.
    Tokens(Vec<Token>),
    /// Callers that the application has logged in: the [`Principal`] in the request's extensions, or the
    /// [`Authorization`](anyport_service::Authorization) with its scopes, which a middleware of the application puts there. A request without one gets 401. For an [`Endpoint`](super::Endpoint) within an application.
    Application,
    /// Callers that a function recognises; a request that it does not recognise gets 401.
    Function(Authenticator),
    /// Callers whose credential is valid: the header `Authorization` of each request is verified. See
    /// [`Authentication::verified_by`].
    Verified(Arc<dyn CredentialVerifier>),
}

impl Authentication {
    /// Authenticates callers by `function`, which receives the head of each request: its method, URI, headers and
    /// extensions. It runs after the checks of Host and Origin, and for no request that needs no authentication.
    ///
    /// ```
    /// use anyport_service::{Principal, Service};
    /// use anyport_transport::http::{Authentication, Config};
    ///
    /// # async fn user_of_session(cookie: &str) -> Option<String> { Some(cookie.to_owned()) }
    /// let by_cookie = Authentication::by(async |head| {
    ///     let cookie = head.headers.get("cookie")?.to_str().ok()?.to_owned();
    ///     Some(Principal::named(user_of_session(&cookie).await?))
    /// });
    /// let config = Config::default().authentication(by_cookie);
    /// # let _ = config;
    /// ```
    pub fn by<F, R>(function: F) -> Self
    where
        F: Fn(http::request::Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Principal>> + Send + 'static,
    {
        Self::Function(Authenticator(Arc::new(move |head| Box::pin(function(head)))))
    }

    /// Authenticates callers by `verifier`, which verifies the one credential of each request: a bearer token, or one that is
    /// bound to a key by DPoP. A request without one gets 401 with a challenge, a bad one 401 `invalid_token`, and one that cannot
    /// be verified now 503. Streams end with the credential that opened them.
    ///
    /// What a challenge says, and where clients find the authorization server, is [`Config::resource`] and
    /// [`Config::public_url`].
    pub fn verified_by(verifier: impl CredentialVerifier) -> Self {
        Self::Verified(Arc::new(verifier))
    }
}

/// A function that authenticates callers: see [`Authentication::by`].
#[derive(Clone)]
pub struct Authenticator(Arc<Authenticate>);

type Authenticate =
    dyn Fn(http::request::Parts) -> Pin<Box<dyn Future<Output = Option<Principal>> + Send>> + Send + Sync;

impl Authenticator {
    /// The principal of the caller that sent `head`.
    pub(super) async fn authenticate(&self, head: http::request::Parts) -> Option<Principal> {
        (self.0)(head).await
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}

/// The names of headers that calls take along: see [`Config::client_headers`]. Clones share the names, which may be changed while
/// requests are served.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaderNames(Arc<Lock<Arc<[HeaderName]>>>);

impl ClientHeaderNames {
    /// Sets the names.
    pub fn set(&self, names: impl IntoIterator<Item = HeaderName>) {
        *self.0.lock() = names.into_iter().collect();
    }

    /// Checks the headers of these names that a request has.
    ///
    /// # Errors
    /// -32600 for one that comes twice, or that is not visible ASCII: which value was meant is not guessed.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let names = self.0.lock().clone();
        for name in &*names {
            let mut values = headers.get_all(name).iter();
            let wrong = match (values.next(), values.next()) {
                (_, Some(_)) => "comes more than once: send it once",
                (Some(value), None) if value.to_str().is_err() => "has other characters than visible ASCII",
                _ => continue,
            };
            return Err(Error::invalid_request(format!("the header {name}, which is passed on, {wrong}")));
        }
        Ok(())
    }

    /// The headers of these names that a request has.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<ClientHeaders> {
        let names = self.0.lock().clone();
        let found = names.iter().filter_map(|name| {
            let mut values = headers.get_all(name).iter();
            let (value, None) = (values.next()?, values.next()) else { return None };
            Some((name.as_str(), value.to_str().ok()?))
        });
        let found = ClientHeaders::new(found);
        (!found.is_empty()).then_some(found)
    }
}

/// A bearer token and whom it stands for. Only its digest is kept.
#[derive(Clone)]
pub struct Token {
    principal: Principal,
    digest: [u8; 32],
}

impl Token {
    /// The holder of `secret` is the principal `name`.
    pub fn new(name: &str, secret: &str) -> Self {
        Self { principal: Principal::named(name), digest: Sha256::digest(secret).into() }
    }

    /// The principal, if `presented` is the secret. Takes the same time whatever was presented: digests of equal
    /// length are compared, bit by bit to the end.
    pub(super) fn verify(&self, presented: &[u8]) -> Option<&Principal> {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        bool::from(self.digest.ct_eq(&digest)).then_some(&self.principal)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.principal)
    }
}

/// Something served beside the MCP endpoint, behind the same Host and Origin checks.
#[derive(Clone)]
pub struct Route {
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) has_segment: bool,
    pub(super) open: bool,
    pub(super) any_origin: bool,
    pub(super) refusals: Option<RefusalWriter>,
    pub(super) answer: Arc<Answer>,
}

/// Writes the response to a request that is refused before a [`Route`] sees it: of the status, and of what is wrong in words.
pub type RefusalWriter = fn(StatusCode, &str) -> http::Response<Bytes>;

type Answer =
    dyn Fn(http::Request<Bytes>) -> Pin<Box<dyn Future<Output = http::Response<Bytes>> + Send>> + Send + Sync;

impl Route {
    /// Answers `method` on exactly `path`. The body has been read within the listener's limits. The caller is in the extensions
    /// of the request: an [`Authorization`](anyport_service::Authorization), beside the [`ConnectInfo`](super::ConnectInfo).
    pub fn new<F>(
        method: http::Method,
        path: impl Into<String>,
        answer: impl Fn(http::Request<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = http::Response<Bytes>> + Send + 'static,
    {
        let answer = Arc::new(move |request| {
            let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(answer(request));
            answer
        });
        Self {
            method,
            path: path.into(),
            has_segment: false,
            open: false,
            any_origin: false,
            refusals: None,
            answer,
        }
    }

    /// Whether it answers this request.
    pub(super) fn is(&self, parts: &http::request::Parts) -> bool {
        self.has_path(parts.uri.path()) && self.method == parts.method
    }

    /// Whether it is a route of `path`.
    pub(super) fn has_path(&self, path: &str) -> bool {
        if !self.has_segment {
            return self.path == path;
        }
        let segment = path.strip_prefix(&*self.path).and_then(|rest| rest.strip_prefix('/'));
        segment.is_some_and(|segment| !segment.is_empty() && !segment.contains('/'))
    }

    /// Answers on the paths of one more segment, whatever that is, in place of its path.
    #[must_use]
    pub fn with_segment(mut self) -> Self {
        self.has_segment = true;
        self
    }

    /// Needs no token: for health checks.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Has `write` write the responses to requests that are refused before they come here: for a host or an origin that is not
    /// allowed, a method that the path does not have, or a body that is too large. Default: as errors of JSON-RPC. The first route of
    /// a path decides.
    #[must_use]
    pub fn refusals(mut self, write: RefusalWriter) -> Self {
        self.refusals = Some(write);
        self
    }

    /// Needs no token, and may be called by the pages of every origin, which read its answer: for documents and endpoints that
    /// are public and look at no cookie.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self.open()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} {})", self.method, self.path)
    }
}
