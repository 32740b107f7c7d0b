//! Call MCP servers, of whatever revision and wherever they are.
//!
//! A [`Client`] stands over any [`Service`](anyport_service::Service): a server in the same process, a connection to one
//! elsewhere, a gateway. It speaks the newest revision; whoever carries its requests translates for older servers. What
//! a server asks in the middle of a call is answered by functions that are given to the [`Builder`], whichever way that
//! server asks.
//!
//! ```
//! # use anyport_server::{NoArguments, Server, Tool};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = Server::builder("hello", "1").tool(Tool::new("hello").run(async |_: NoArguments, _: anyport_server::Context| "Hello!")).build()?;
//! use anyport_client::Client;
//! use serde_json::json;
//!
//! let client = Client::over(server).open().await?;
//! let said = client.call("hello", json!({})).await?;
//! assert_eq!(said.text(), "Hello!");
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`Client`], [`Builder`]: typed calls, and what a client is made of.
//! - [`Call`], [`Steps`]: one call: progress, timeouts, cancelling.
//! - [`List`], [`Pages`]: lists, whole or page by page.
//! - [`Changes`], [`Listen`]: what a server says of itself.
//! - [`Handler`] and what it is given: [`Form`], [`Page`]; or single functions on the builder.
//! - `IntoEndpoint` (feature `connect`): where servers are that are not in this process; URLs, too, with `connect-http` and
//!   `connect-websocket`.
//! - [`Cache`]: answers that are still fresh.
//! - [`Error`]: what went wrong, and what to do.

mod builder;
mod cache;
mod call;
mod client;
#[cfg(feature = "connect")]
mod connect;
mod core;
mod decode;
mod error;
mod exchange;
mod handler;
mod list;
mod listen;
mod request;
mod result;
mod schema;

#[cfg(feature = "connect")]
pub use anyport_service::{Peer, PeerEvent, PeerEvents};
#[cfg(feature = "connect-http")]
pub use anyport_transport::client::http;
#[cfg(feature = "connect-websocket")]
pub use anyport_transport::client::websocket;
#[cfg(feature = "connect")]
pub use anyport_transport::client::{
    CloseReason, ConnectError, ConnectOptions, Connection, HttpExchange, MessageObserver, Target,
    child::{Command, LastLine},
};
#[cfg(feature = "connect")]
pub use anyport_upstream::RevisionCache;
pub use builder::Builder;
pub use cache::{Cache, CacheLimits};
pub use call::{Call, Step, Steps};
pub use client::Client;
#[cfg(feature = "connect")]
pub use connect::{IntoEndpoint, InvalidEndpoint};
pub use error::Error;
pub use exchange::Progress;
pub use handler::{Answers, ElicitAnswer, Form, Handler, Page, Refused};
pub use list::{List, Listed, Pages};
pub use listen::{Change, Changes, Listen};
pub use result::CallResult;
pub use schema::{ArgumentsError, check_arguments};
