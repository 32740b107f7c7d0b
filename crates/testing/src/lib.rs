//! Test an MCP server.
//!
//! A [`Client`] is in the same process as the server: `server.client().await?`, and call. Nothing but the server runs,
//! so tokio's clock can be paused.
//!
//! ```
//! use anyport_server::{Context, NoArguments, Server, Tool};
//! use anyport_testing::TestServer;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hello = Tool::new("hello").run(async |_: NoArguments, _: Context| "Hello!");
//! let server = Server::builder("hello", "1.0.0").add(hello).build()?;
//! let mut client = server.client().await?;
//! assert_eq!(client.call("hello", json!({})).await?.text(), "Hello!");
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//! A [`Wire`] is a client that speaks the messages of one revision, whichever that is, and shows them as they came:
//! no type stands between a test and the bytes. It reaches any [`Service`](anyport_service::Service) over a [`Link`]:
//! standard streams in memory, Streamable HTTP, HTTP+SSE or a WebSocket on a real port, a Unix socket, or no transport but
//! memory.
//!
//! ```
//! use anyport_protocol::{Raw, Revision};
//! use anyport_service::{Context, Reply, Request, Service};
//! use anyport_testing::{Link, Wire};
//! use serde_json::json;
//!
//! struct Hello;
//!
//! impl Service for Hello {
//!     fn call(&self, _: Request, _: Context) -> Reply {
//!         Reply::ready(Ok(Raw::from(json!({"resultType": "complete", "content": [], "tools": []}))))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), anyport_testing::Lost> {
//! for revision in Revision::ALL {
//!     let mut wire = Wire::over(Link::stdio(Hello));
//!     wire.open(revision).await?;
//!     let answer = wire.call("tools/call", json!({"name": "hello"})).await?;
//!     assert_eq!(answer.outcome?["content"], json!([]));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A peer that plays a text
//! A [`Script`] is a dialogue in words, of which one side is played: a server of any revision for a client under test, or a
//! client for a server. It fails on the first difference.
//!
//! ```
//! use anyport_testing::{Link, Script, Wire};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script::server(r#"
//!     > tools/call {"name": "greet", "arguments": {"name": "$who"}}
//!     < {"resultType": "complete", "content": [{"type": "text", "text": "$who"}]}
//! "#)?;
//! let (address, playing) = script.http().await?;
//! let mut wire = Wire::over(Link::connect(address, "/mcp"));
//! let answer = wire.call("tools/call", json!({"name": "greet", "arguments": {"name": "Ada"}})).await?;
//! assert_eq!(answer.text(), "Ada");
//! playing.finish().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`Client`], [`Connect`]: the client in the same process.
//! - [`Transcript`]: what it said and heard, to compare with a golden file.
//! - [`Wire`]: the client on the wire: requests, answers, questions, changes, cancellation.
//! - [`Answer`], [`Question`]: what came back.
//! - [`Link`]: what carries the messages, and the service at its other end.
//! - [`Remote`]: a server that runs already, and the headers by which a client is known to it.
//! - [`Script`]: one side of a dialogue, played from a text.
//! - [`chaos`]: a bad network in front of any address.
//! - `conformance` (feature of that name): holding a server against the specification.
//! - [`Fault`]: requests that are almost valid.
//! - `generators` (feature of that name): JSON and messages for proptest.
//!
//! # Time
//! Most transports of a [`Wire`] use threads or sockets, so do not pause tokio's clock around them: a paused clock runs ahead as soon
//! as the runtime waits for either. [`Link::memory`] and [`Link::endpoint`] use none. Whatever does not come within [`Wire::patience`] is [`Lost`].

mod answer;
pub mod chaos;
mod client;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "generators")]
pub mod generators;
mod link;
mod lost;
mod near_valid;
mod refusal;
pub mod script;
mod wire;

pub use answer::{Answer, Call, Question};
pub use client::{Client, Connect, TestServer, Transcript};
pub use link::{Link, remote::Remote};
pub use lost::Lost;
pub use near_valid::Fault;
pub use refusal::Refusal;
pub use script::Script;
pub use wire::{Heard, Wire};
