//! Streamable HTTP, every revision on one endpoint.
//!
//! A request that carries its version is served by itself: its answer is JSON, or an event stream as soon as there
//! is something to say before the answer. A request that opens with `initialize` gets a session (2025-03-26 to
//! 2025-11-25) with its GET stream, resumable streams and DELETE. Clients that know only HTTP+SSE of 2024-11-05 are
//! served where [`Config::sse`] says so.
//!
//! The listener is our own on hyper: it bounds header, body and idle times, connections, sessions and streams, each
//! under a name of [`Limits`]. HTTP/1.1 only, for now. Until a stricter scanner stands beneath it, put a reverse
//! proxy that normalises requests in front where clients are hostile: hyper tolerates bare line feeds.
//!
//! # Layout
//! - `config`: what can be set.
//! - `endpoint`: answers requests, wherever they come from.
//! - `listener`: connections, their limits and their end.
//! - `access`: who may speak: Host, Origin, browsers, tokens.
//! - `pipeline`: the checks of a request, first failure wins.
//! - `compat`: which clients may leave out headers.
//! - `modern`, `legacy`: the two eras' ways from a message to an answer.
//! - `sse`: HTTP+SSE of 2024-11-05.
//! - [`rest`]: tools for programs that speak no MCP.
//! - `replay_buffer`: what was said on a session's stream, for clients that come back.
//! - `socket`: the way to a [`websocket`](crate::websocket).
//! - `body`, `response`: what goes out.
//! - `tower`, `axum` (features of these names): the endpoint as a service of tower, and within an axum application.

mod access;
#[cfg(feature = "axum")]
pub mod axum;
mod body;
mod compat;
mod config;
mod endpoint;
mod legacy;
mod listener;
mod modern;
mod pipeline;
mod replay_buffer;
mod response;
pub mod rest;
mod sessions;
#[cfg(feature = "websocket")]
mod socket;
mod sse;
#[cfg(feature = "tower")]
mod tower;

pub use access::{AllowedHost, AllowedOrigin, InvalidAllowance};
pub use body::Body;
pub use compat::{Compat, KnownClient, UnknownClient};
pub use config::{Authentication, Config, Limits, Route, Token};
pub use endpoint::{ConnectInfo, Endpoint};
pub use listener::{Listener, Refused};
