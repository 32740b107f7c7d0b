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
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::builder("hello", "1.0.0").add(hello).build()?;
//!     Ok(anyport::serve(server).stdio().await?)
//! }
//! ```
//!
//! Beside [`serve`], which makes a program of a server, this crate is a facade: everything in it lives in one of the
//! crates below, whose documentation says more.
//!
//! - [`server`]: tools, resources, prompts and completion from functions.
//! - [`service`]: the one trait that everything answering a request implements, and layers around it.
//! - [`protocol`]: the messages and rules, without I/O.
//! - [`stdio`], [`http`], `websocket`, [`unix`], [`memory`]: how clients reach a server.

mod serve;
mod signals;

pub use serve::{Place, Serve, ServeError, serve, serve_service};

// The macros write `::anyport`, in our own tests and documentation too.
#[allow(unused_extern_crates, reason = "only what macros write uses it")]
extern crate self as anyport;

pub use anyport_protocol as protocol;
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

pub use anyport_protocol::{Error, Raw, Revision};
#[doc(hidden)]
pub use anyport_server::macros;
pub use anyport_server::{
    Context, InvalidParams, NotFound, PermissionDenied, Prompt, RateLimited, Resource, Server, State,
    Template, Tool, ToolError, prompt, resource, tool,
};
pub use anyport_service::{
    Principal, Service,
    bridge::{Shim, ShimLimits},
};

/// Makes a service that asks by result serve clients that are asked live as well, with the default limits. Every
/// server that asks its clients anything needs this around it.
pub fn live<S: Service>(service: S) -> Shim<S> {
    Shim::new(service, ShimLimits::default())
}
