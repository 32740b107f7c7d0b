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
//! Except for [`serve`], which makes a program of a server, this crate is a facade: it re-exports items of the crates
//! below, which document them in detail.
//!
//! - [`server`]: tools, resources, prompts and completion from functions.
//! - `client`: calls to servers, over any service.
//! - [`service`]: the one trait that everything answering a request implements, and layers around it.
//! - [`protocol`]: the messages and rules, without I/O.
//! - [`stdio`], [`http`], `websocket`, [`unix`], [`memory`]: how clients reach a server.
//!
//! The root has the names that most servers use. [`ask`] has elicitation, sampling and roots, [`middleware`] the types
//! of functions around calls; the rest is in [`server`]: `Mount`, `List`, `Argument` and so on. Tests use the crate
//! `anyport-testing`. The repository's `docs/` is the book: a page for each task, from getting started to testing.
//!
//! # Features
//! - `client` (default): `Client`, which calls servers.
//! - `connect` (default): to servers that are child processes or on a Unix socket; `connect-http` (default): to those at
//!   URLs; `connect-websocket`: those of WebSockets, too.
//! - `http`, `stdio`, `unix` (default): these transports.
//! - `websocket`: WebSockets on the HTTP listener.
//! - `axum`, `tower`: MCP within an axum application, or as a service of tower.
//! - `anyhow`: the kind of an error is known inside an `anyhow::Error`.

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod error;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod listen;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod serve;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod shutdown;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod signals;
pub mod stack;

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
pub use self::{
    error::ServeError,
    listen::ListenAddr,
    serve::{Serve, serve, serve_service},
    signals::Signals,
};

// The macros write `::anyport`, in our own tests and documentation too.
#[allow(unused_extern_crates, reason = "only what macros write uses it")]
extern crate self as anyport;

#[cfg(feature = "client")]
pub use anyport_client as client;
#[cfg(feature = "client")]
pub use anyport_client::Client;
pub use anyport_protocol as protocol;
pub use anyport_seal as seal;
pub use anyport_server as server;
pub use anyport_service as service;
#[cfg(feature = "http")]
pub use anyport_transport::http;
pub use anyport_transport::memory;
#[cfg(feature = "stdio")]
pub use anyport_transport::stdio;
#[cfg(feature = "unix")]
pub use anyport_transport::unix;
#[cfg(feature = "websocket")]
pub use anyport_transport::websocket;

pub use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
pub use anyport_protocol::{Error, Raw, Revision, meta::LogLevel};
#[doc(hidden)]
pub use anyport_server::macros;
pub use anyport_server::{
    BuildError, Completion, CompletionRequest, Context, Elicited, Form, InvalidParams, Json, Messages,
    NoArguments, NotFound, PermissionDenied, Prompt, RateLimited, Resource, Server, State, Template, Tool,
    ToolError, ToolResult, prompt, resource, tool, tools,
};
pub use anyport_service::{Principal, Service};

/// Elicitation, sampling and roots: the server requests that a handler can send with [`Context::ask`].
pub mod ask {
    pub use anyport_protocol::types::{
        CreateMessageRequest, CreateMessageResult, ElicitAction, ElicitRequest, ElicitResult,
        ListRootsRequest, ListRootsResult, Root, SamplingMessage,
    };
    pub use anyport_server::{Elicited, Form, Question};
}

/// Types of functions around every call: see [`Builder::middleware`](anyport_server::Builder::middleware).
pub mod middleware {
    pub use anyport_layers::{Call, Next};
    pub use anyport_service::Outcome;
}

/// Layers for a service that is passed to `serve_service` or to a transport: timeout, rate limit, concurrency limit,
/// answer cache, middleware.
pub mod layer {
    pub use anyport_adapters::LegacyClientLayer;
    pub use anyport_layers::{
        Cache, CacheHandle, CacheLayer, CacheLimits, CatchPanic, CatchPanicLayer, ConcurrencyLimit,
        ConcurrencyLimitLayer, Either, Middleware, MiddlewareLayer, OptionalLayer, Quota, RateLimit,
        RateLimitLayer, Timeout, TimeoutLayer, Trace, TraceLayer, optional,
    };
    pub use tower::{Layer, ServiceBuilder};
}

/// Wraps a service that sends requests as results, so that it serves legacy clients as well, with the default limits.
///
/// A server with elicitation, sampling or roots needs this wrapper. Without it, only clients of the newest revision
/// receive requests. [`serve`] adds it by itself; use this function for servers that are passed to a transport by hand.
pub fn with_legacy_clients<S: Service>(service: S) -> LegacyClientAdapter<S> {
    LegacyClientAdapter::new(service, LegacyClientLimits::default())
}
