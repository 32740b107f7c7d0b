//! Test an MCP server on the wire.
//!
//! A [`Wire`] is a client that speaks the messages of one revision, whichever that is, and shows them as they came:
//! no type stands between a test and the bytes. It reaches any [`Service`](anyport_service::Service) over a [`Link`]:
//! standard streams in memory, or Streamable HTTP on a real socket.
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
//! # Layout
//! - [`Wire`]: the client: requests, answers, questions, changes, cancellation.
//! - [`Answer`], [`Question`]: what came back.
//! - [`Link`]: what carries the messages, and the service at its other end.
//! - `generators` (feature of that name): JSON and messages for proptest.
//!
//! # Time
//! The transports use threads and sockets, so do not pause tokio's clock around them: a paused clock runs ahead as soon
//! as the runtime waits for either. Whatever does not come within [`Wire::patience`] is [`Lost`].

mod answer;
#[cfg(feature = "generators")]
pub mod generators;
mod link;
mod wire;

pub use answer::{Answer, Call, Question, Refusal};
pub use link::{Link, Lost};
pub use wire::{Heard, Wire};
