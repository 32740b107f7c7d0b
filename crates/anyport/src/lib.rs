//! Write servers for the Model Context Protocol, once, for clients of every revision.
//!
//! ```no_run
//! use anyport::{Server, stdio, tool};
//!
//! /// Says hello.
//! #[tool]
//! async fn hello(/** Who is greeted */ name: String) -> String { format!("Hello, {name}!") }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::builder("hello", "1.0.0").add(hello).build()?;
//!     Ok(stdio::serve(anyport::live(server), stdio::Config::default(), std::future::pending()).await?)
//! }
//! ```
//!
//! This crate is a facade: everything in it lives in one of the crates below, whose documentation says more.
//!
//! - [`server`]: tools, resources, prompts and completion from functions.
//! - [`service`]: the one trait that everything answering a request implements, and layers around it.
//! - [`protocol`]: the messages and rules, without I/O.
//! - [`http`], [`stdio`]: how clients reach a server.

// The macros write `::anyport`, in our own tests and documentation too.
#[allow(unused_extern_crates, reason = "only what macros write uses it")]
extern crate self as anyport;

pub use anyport_protocol as protocol;
pub use anyport_server as server;
pub use anyport_service as service;
#[cfg(feature = "http")]
pub use anyport_transport::http;
#[cfg(feature = "stdio")]
pub use anyport_transport::stdio;

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
