//! Write servers for the Model Context Protocol, once, for clients of every revision.
//!
//! ```no_run
//! use anyport::{Server, tool};
//!
//! /// Says hello.
//! #[tool]
//! async fn hello(/** Who is greeted */ name: String) -> String { format!("Hello, {name}!") }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), anyport::ServeError> {
//!     let server = Server::builder("hello", "1.0.0").add(hello).build()?;
//!     anyport::serve(server).stdio().await
//! }
//! ```
//!
//! Except for [`serve()`], which makes a program of a server, this crate is a facade: it re-exports items of the crates
//! below, which document them in detail. The root has the names that most servers use. Every other name is in one module,
//! and no type has two paths:
//!
//! - [`server`]: further parts of a server: `Builder`, `Mount`, `List`, `Argument` and so on.
//! - [`ask`]: the server requests of a handler: elicitation, sampling and roots.
//! - [`error`]: errors that say more than their words.
//! - [`middleware`]: functions around every call; [`layer`]: services around a service; [`stack`]: the layers of a program.
//! - [`serve`](mod@serve): addresses, signals, and services that are no [`Server`].
//! - [`stdio`], [`http`], `websocket`, [`unix`], [`memory`]: how clients reach a server.
//! - `client`: calls to servers, over any service; `auth`: logins to those servers that want one, and what verifies
//!   the tokens of callers.
//! - [`service`]: the one trait that everything answering a request implements.
//! - [`types`]: the messages of the newest revision; [`protocol`]: what is around them.
//! - [`seal`]: the keys of `requestState`; [`metrics`]: counters and gauges.
//!
//! Tests use the crate `anyport-testing`. The repository's `docs/` is the book: a page for each task, from getting started
//! to testing.
//!
//! # Features
//! - `client` (default): `Client`, which calls servers.
//! - `connect` (default): to servers that are child processes or on a Unix socket; `connect-http` (default): to those at
//!   URLs; `connect-websocket`: those of WebSockets, too.
//! - `auth`: logins to servers over HTTP that want to know who calls, and servers that want to know it.
//! - `http`, `stdio`, `unix` (default): these transports.
//! - `websocket`: WebSockets on the HTTP listener.
//! - `axum`, `tower`: MCP within an axum application, or as a service of tower.
//! - `anyhow`: the kind of an error is known inside an `anyhow::Error`.

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
pub mod serve;
pub mod stack;

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod listen;
#[cfg(feature = "http")]
mod protection;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod serve_error;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod shutdown;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod signals;

// The macros write `::anyport`, in our own tests and documentation too.
#[allow(unused_extern_crates, reason = "only what macros write uses it")]
extern crate self as anyport;

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
pub use crate::serve_error::ServeError;
#[cfg(feature = "client")]
pub use anyport_client::Client;
pub use anyport_protocol::Revision;
#[doc(hidden)]
pub use anyport_server::macros;
pub use anyport_server::{
    BuildError, Completion, CompletionRequest, Context, Json, Messages, Prompt, Resource, Server, State,
    Template, Tool, ToolError, ToolResult, prompt, resource, tool, tools,
};
pub use anyport_service::{Authorization, Principal, Service};

pub use anyport_metrics as metrics;
pub use anyport_protocol::types;
pub use anyport_seal as seal;
#[cfg(feature = "http")]
pub use anyport_transport::http;
pub use anyport_transport::memory;
#[cfg(feature = "stdio")]
pub use anyport_transport::stdio;
#[cfg(feature = "unix")]
pub use anyport_transport::unix;
#[cfg(feature = "websocket")]
pub use anyport_transport::websocket;

/// The parts of a server beside the names of the root: its builder, mounts, lists, arguments and limits.
pub mod server {
    pub use anyport_server::{
        Argument, Builder, Change, Clock, CompletionInput, Contents, DEFAULT_DRAIN, DEFAULT_LIST_TTL,
        DEFAULT_MAX_BACKGROUND, DEFAULT_MAX_BLOCKING, DEFAULT_MAX_BLOCKING_WAITING, DEFAULT_MAX_CALL_DEPTH,
        DEFAULT_MAX_LISTENERS, DEFAULT_MAX_SUBSCRIPTION_BYTES, DEFAULT_MAX_SUBSCRIPTIONS, DEFAULT_PAGE_SIZE,
        DEFAULT_STATE_BYTES, DEFAULT_STATE_TTL, Events, Failure, IntoCompletion, IntoContents, IntoMessages,
        IntoResourcePage, IntoResources, IntoToolResult, List, MAX_COMPLETIONS, MAX_PATTERN_BYTES,
        MAX_SCHEMA_DEPTH, MAX_SUBSCHEMAS, Mount, NoArguments, PageQuery, Part, ProgressValue, PromptHandler,
        ResourceHandler, ResourcePage, TemplateHandler, ToolHandler, Values, arguments_schema,
    };
}

/// The server requests that a handler can send with [`Context::ask`]: elicitation, sampling and roots. Their messages are
/// in [`types`].
pub mod ask {
    pub use anyport_server::{Confirmation, Elicited, Form, Question, QuestionError, QuestionKey};
}

/// The errors of handlers and of what handlers call: each says what kind of failure it was.
pub mod error {
    pub use anyport_server::{
        BackgroundError, BlockOnError, CallError, ContextError, ErrorKind, Fault, InternalError,
        InvalidParams, NotFound, PermissionDenied, RateLimited, StartError, StateError,
    };
}

/// The arguments and return values of functions around every call: see [`Builder::middleware`](server::Builder::middleware).
pub mod middleware {
    pub use anyport_layers::{Call, Next};
    pub use anyport_server::{IntoOutcome, MiddlewareRequest};
}

/// Layers for a service that is passed to `serve_service` or to a transport: timeout, rate limit, concurrency limit,
/// answer cache, middleware, the adapter for legacy clients.
pub mod layer {
    pub use anyport_adapters::{LegacyClientAdapter, LegacyClientLayer, LegacyClientLimits};
    pub use anyport_layers::{
        Cache, CacheHandle, CacheLayer, CacheLimits, CatchPanic, CatchPanicLayer, ConcurrencyLimit,
        ConcurrencyLimitLayer, Either, LoadShed, LoadShedLayer, LoadShedLimits, LocalRateLimiter, Middleware,
        MiddlewareLayer, OptionalLayer, Period, Quota, Rate, RateExceeded, RateKey, RateLimit,
        RateLimitLayer, RateLimiter, Rates, RunningCalls, Timeout, TimeoutLayer, Trace, TraceLayer, optional,
    };
    pub use tower::{Layer, ServiceBuilder};
}

/// What a [`Service`] takes and returns: request, context, reply, outcome; and the [`Peer`](service::Peer) outside of calls.
pub mod service {
    pub use anyport_service::{
        Answer, AnswerSink, Context, Event, InputMode, Notification, Outcome, Overload, OverloadCause, Peer,
        PeerEvent, PeerEvents, Relay, Reply, Request, Responder, ServerRequest, SessionId, WeakPeer, emit,
    };
}

/// What is around the messages of the protocol: methods, text that crosses as it came, errors, failures, limits.
pub mod protocol {
    pub use anyport_protocol::{
        Error, Id, Limits, Method, Raw,
        failure::{CloseReason, Failure},
        jsonrpc::{Reason, code},
        meta::LogLevel,
    };
}

/// Calls to servers: what a [`Client`] takes and returns, and how it connects.
#[cfg(feature = "client")]
pub mod client {
    #[cfg(feature = "connect-http")]
    pub use anyport_client::http;
    #[cfg(feature = "connect-websocket")]
    pub use anyport_client::websocket;
    pub use anyport_client::{
        Answers, Builder, Cache, CacheLimits, Call, CallResult, Change, Changes, ElicitAnswer, Error, Form,
        Handler, List, Listed, Listen, Page, Pages, Progress, Refused, Step, Steps,
    };
    #[cfg(feature = "connect")]
    pub use anyport_client::{
        Command, ConnectError, ConnectOptions, HttpExchange, IntoEndpoint, InvalidEndpoint, LastLine,
        MessageObserver, RevisionCache, Target,
    };
}

/// Logins to servers that want to know who calls: this program as an OAuth client.
#[cfg(feature = "auth")]
pub mod auth {
    pub use anyport_auth::resource_server;
    pub use anyport_auth::{
        ClientOptions, Credential, DEFAULT_ACCOUNT, Error, GivenClient, LoginGrant, Scopes, Secret,
        SecretReader, SignIn, SignInLimits, SignInOptions, SignInState, UserAgent, Vault,
    };
}

/// Serves `server` to clients of every revision. Say how they reach it, and await:
///
/// ```no_run
/// # use anyport::Server;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = || Server::builder("shop", "1.0.0").build();
/// // For a client that starts this program and talks to it on standard input and output.
/// anyport::serve(server()?).stdio().await?;
///
/// // For clients on this machine: over HTTP at http://127.0.0.1:3020/mcp, and on a Unix socket.
/// anyport::serve(server()?).http("127.0.0.1:3020").unix("/run/user/1000/shop.sock").await?;
/// # Ok(())
/// # }
/// ```
///
/// It does this, in order: it binds every address, so that an address in use is reported before anything starts; runs
/// the hooks of [`Builder::on_start`](server::Builder::on_start); serves until SIGINT, SIGTERM or SIGHUP, until the
/// future of [`Serve::until`](serve::Serve::until) completes, or, with [`Serve::stdio`](serve::Serve::stdio), until the client closes its side; ends listen
/// streams and lets running calls finish, within the drain time of each transport; and runs the hooks of
/// [`Builder::on_stop`](server::Builder::on_stop). A second signal ends it at once.
///
/// The server gets the layers that every program needs: a panic of a handler fails its call alone, legacy clients
/// receive requests inline, and the number of concurrent calls is bounded ([`Serve::max_concurrent_calls`](serve::Serve::max_concurrent_calls)). A program
/// that wants other layers assembles them and calls [`serve_service`](serve::serve_service).
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
pub fn serve(server: Server) -> serve::Serve {
    serve::Serve::server(server)
}

/// Wraps a service that sends requests as results, so that it serves legacy clients as well, with the default limits.
///
/// A server with elicitation, sampling or roots needs this wrapper. Without it, only clients of the newest revision
/// receive requests. [`serve()`] and an HTTP `Endpoint` add it by themselves; use this function for servers that are passed to
/// another transport by hand.
pub fn with_legacy_clients<S: Service>(service: S) -> layer::LegacyClientAdapter<S> {
    layer::LegacyClientAdapter::new(service, layer::LegacyClientLimits::default())
}
