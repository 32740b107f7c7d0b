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
//! Beside [`serve`], which makes a program of a server, this crate is a facade: everything in it lives in one of the
//! crates below, whose documentation says more.
//!
//! - [`server`]: tools, resources, prompts and completion from functions.
//! - `client`: calls to servers, over any service.
//! - [`service`]: the one trait that everything answering a request implements, and layers around it.
//! - [`protocol`]: the messages and rules, without I/O.
//! - [`stdio`], [`http`], `websocket`, [`unix`], [`memory`]: how clients reach a server.
//!
//! What stands at the top here is what most servers use. What is asked is in [`ask`], what stands around calls in
//! [`middleware`]; the rest is in [`server`]: `Mount`, `List`, `Argument` and so on. Tests use the crate
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
mod serve;
#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
mod signals;

#[cfg(any(feature = "http", feature = "stdio", feature = "unix"))]
pub use serve::{ListenAddr, Serve, ServeError, serve, serve_service};

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

/// What a handler can ask its caller with [`Context::ask`]: forms, pages to open, the client's model, its folders.
pub mod ask {
    pub use anyport_protocol::types::{
        CreateMessageRequest, CreateMessageResult, ElicitAction, ElicitRequest, ElicitResult,
        ListRootsRequest, ListRootsResult, Root, SamplingMessage,
    };
    pub use anyport_server::{Elicited, Form, Question};
}

/// What functions around every call are made of: see [`Builder::middleware`](anyport_server::Builder::middleware).
pub mod middleware {
    pub use anyport_layers::{Call, Next};
    pub use anyport_service::Outcome;
}

/// Layers to put around a service that is given to `serve_service` or to a transport: limits of time, rate and number,
/// answers that are kept, and any function.
pub mod layer {
    pub use anyport_layers::{
        Cache, CacheHandle, CacheLimits, CatchPanic, ConcurrencyLimit, Middleware, Quota, RateLimit, Timeout,
        Trace,
    };
}

/// Makes a service that asks by result serve clients that are asked live as well, with the default limits.
///
/// Every server that asks its clients anything needs this around it, else only those of the newest revision can be asked.
/// [`serve`] puts it there by itself; this is for servers that are given to a transport by hand.
pub fn with_legacy_clients<S: Service>(service: S) -> LegacyClientAdapter<S> {
    LegacyClientAdapter::new(service, LegacyClientLimits::default())
}
