use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_protocol::{Limits as MessageLimits, Revision};
use anyport_service::Principal;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    allowance::{AllowedHost, AllowedOrigin},
    compat::Compat,
};

/// How to serve over HTTP.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the MCP endpoint. Default `/mcp`.
    pub path: String,
    /// Which revisions are spoken. Default all.
    pub supported: Arc<[Revision]>,
    /// Names, beside loopback ones, under which clients may reach this server.
    pub allow_hosts: Vec<AllowedHost>,
    /// Web origins, beside our own on loopback, whose pages may call this server.
    pub allow_origins: Vec<AllowedOrigin>,
    /// Who may call.
    pub authentication: Authentication,
    /// Which clients may leave out headers that 2026-07-28 requires. Default none.
    pub compat: Compat,
    /// Whether and how WebSockets are served as well. Default not.
    #[cfg(feature = "websocket")]
    pub websocket: Option<crate::websocket::Config>,
    /// Whether HTTP+SSE, the transport of 2024-11-05, is served as well, for clients that know no other: its stream at
    /// `/sse`, its messages at `/messages`, both also below [`Config::path`]; and a GET of the MCP endpoint itself by
    /// such a client opens the stream. Default no: the specification has deprecated it (2026-07-28, streamable-http
    /// §HTTP+SSE Transport). It takes a revision before 2026-07-28 among the supported ones.
    pub sse: bool,
    /// Whether tools can be called without a client of MCP as well: `POST` of their names to `/call` and `GET` of their list
    /// at `/tools`, both below [`Config::path`], and `GET /health`; see [`rest`](super::rest). Default no.
    pub plain: bool,
    /// What a proxy in front cuts off our paths, such as `/tools`, so that HTTP+SSE can tell its clients where to post.
    /// Default nothing. What an axum router is nested under is known without this.
    pub public_prefix: String,
    /// What else is served beside the MCP endpoint.
    pub routes: Vec<Route>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/mcp".into(),
            supported: Revision::ALL.into(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            authentication: Authentication::Anonymous,
            compat: Compat::default(),
            #[cfg(feature = "websocket")]
            websocket: None,
            sse: false,
            plain: false,
            public_prefix: String::new(),
            routes: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Whether HTTP+SSE is served.
    pub(super) fn serves_sse(&self) -> bool {
        self.sse && self.supported.iter().any(|revision| revision.has_sessions())
    }
}

/// What bounds a listener; the names are the configuration's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size, depth and node count of a message.
    pub message: MessageLimits,
    /// Connections at once; more are accepted, told 503 and closed. Default 1,024.
    pub max_connections: usize,
    /// Header fields of one request. Default 100.
    pub max_headers: usize,
    /// Bytes of one request's head. Default 64 KiB.
    pub max_header_bytes: usize,
    /// How long a request's head may take to arrive, the wait of an idle connection included. Default 30 s.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may leave what we send unread before its connection is closed. Default 60 s.
    pub write_timeout: Duration,
    /// Listen and GET streams at once. Default 10,000.
    pub max_streams: usize,
    /// Sessions at once; the longest idle one makes room. One of HTTP+SSE never does. Default 10,000.
    pub max_sessions: usize,
    /// How long a session may be idle. Default 1 hour.
    pub session_idle: Duration,
    /// Bytes that a stream of a session keeps for clients that come back (`sse_log`), and those of its streams that
    /// have ended keep together. Default 4 MiB.
    pub sse_log: usize,
    /// How long a stream that has ended is kept for them. Default 5 minutes.
    pub sse_log_ttl: Duration,
    /// Bytes that wait for the reader of a stream of HTTP+SSE (`sse_buffer`); beyond them its calls wait, and after the
    /// write timeout its session ends. Default 1 MiB.
    pub sse_buffer: usize,
    /// Requests that may be open at once in one session, on one stream of HTTP+SSE, and on one WebSocket. Default 1,024.
    pub max_open_requests: usize,
    /// Calls of one array that run at once in the plain interface (`batch_concurrency`); the others wait for them.
    /// Default 16.
    pub batch_concurrency: usize,
    /// Tools that the plain interface lists (`max_tools_listed`); a list that goes on is told to be `truncated`. Default
    /// 10,000.
    pub max_tools_listed: usize,
    /// Silence after which a stream says something empty, so that no proxy cuts it. Default 15 s.
    pub keep_alive: Duration,
    /// How long running calls may go on once the listener is told to stop. Default 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: MessageLimits::default(),
            max_connections: 1024,
            max_headers: 100,
            max_header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            max_streams: 10_000,
            max_sessions: 10_000,
            session_idle: Duration::from_secs(3600),
            sse_log: 4 << 20,
            sse_log_ttl: Duration::from_secs(300),
            sse_buffer: 1 << 20,
            max_open_requests: 1024,
            batch_concurrency: 16,
            max_tools_listed: 10_000,
            keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(10),
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
    pub(super) open: bool,
    pub(super) answer: Arc<Answer>,
}

type Answer =
    dyn Fn(http::Request<Bytes>) -> Pin<Box<dyn Future<Output = http::Response<Bytes>> + Send>> + Send + Sync;

impl Route {
    /// Answers `method` on exactly `path`. The body has been read within the listener's limits.
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
        Self { method, path: path.into(), open: false, answer }
    }

    /// Needs no token: for health checks.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} {})", self.method, self.path)
    }
}
