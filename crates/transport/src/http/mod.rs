//! Streamable HTTP, every revision on one endpoint.
//!
//! A request that carries its version is served by itself: its answer is JSON, or an event stream as soon as there
//! is something to say before the answer. A request that opens with `initialize` gets a session (2025-03-26 to
//! 2025-11-25) with its GET stream, resumable streams and DELETE. Clients that know only HTTP+SSE of 2024-11-05 are
//! served where [`Config::sse`] says so.
//!
//! The listener is our own on hyper: it bounds header, body and idle times, connections, sessions and streams, each
//! under a name of [`Limits`]. It speaks HTTP/1.1 and, with the feature `http2`, HTTP/2. Until a stricter scanner stands beneath it, put a reverse
//! proxy that normalises requests in front where clients are hostile: hyper tolerates bare line feeds.
//!
//! # Layout
//! - `config`, `allowance`: what can be set; `routes`: the paths of an endpoint.
//! - `endpoint`: answers requests, whatever brings them; `state`: what its requests share; `connect_info`: the connection
//!   that a request came on.
//! - `listener`: connections, their limits and their end; `linger`: the end of those that were refused.
//! - `http2` (feature of this name): connections of HTTP/2; `preface`: which of the two a client speaks; `unread`: streams that their
//!   client leaves unread.
//! - `tls` (feature of this name): TLS and mutual TLS of the listener, with certificates that change while it serves.
//! - `pipeline`: the checks of a request, first failure wins. Its steps: `access` (Host, Origin, browsers), `authenticate`, `accept`,
//!   `version`, `request_body`.
//! - `caller_tokens`: the tokens of callers, for what exchanges them.
//! - `credential`: what verifies credentials; `credential_watch`: streams end with the credential that opened them; `protected_resource`,
//!   `resource`, `challenge`, `public_url`: what a refused client is told, and the metadata of RFC 9728.
//! - `compat`: which clients may leave out headers.
//! - `modern`, `legacy`: the two eras' ways from a message to an answer; `sessions`: those of legacy clients.
//! - `sse`, `sse_channel`: HTTP+SSE of 2024-11-05.
//! - [`rest`]: tools for programs that speak no MCP.
//! - `replay_buffer`: the events of a session's stream, for clients that resume it; `stream_permit`: how many streams are
//!   open.
//! - `socket`: the way to a [`websocket`](crate::websocket).
//! - `body`, `response`: what goes out.
//! - `tower`, `axum` (features of these names): the endpoint as a service of tower, and within an application of axum;
//!   `mount`: the path that it is nested under there.

mod accept;
mod access;
mod allowance;
mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
mod body;
mod caller_key;
mod caller_tokens;
mod challenge;
mod client_address;
mod compat;
mod config;
mod connect_info;
mod credential;
mod credential_watch;
mod endpoint;
mod further;
#[cfg(feature = "http2")]
mod http2;
mod legacy;
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
mod linger;
mod listener;
mod modern;
#[cfg(feature = "axum")]
mod mount;
mod open_streams;
mod operations;
mod pipeline;
#[cfg(feature = "http2")]
mod preface;
mod protected_resource;
mod public_url;
mod refusal_observer;
mod replay_buffer;
mod request_body;
mod resource;
mod response;
pub mod rest;
mod routes;
mod sessions;
#[cfg(feature = "websocket")]
mod socket;
mod sse;
mod sse_channel;
mod state;
mod stream_permit;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tower")]
mod tower;
mod trace_headers;
#[cfg(feature = "http2")]
mod unread;
mod version;

pub use allowance::{AllowedHost, AllowedOrigin, InvalidAllowance};
pub use body::Body;
pub use caller_tokens::{CallerToken, CallerTokens};
pub use client_address::{InvalidTrustedProxy, TrustedProxy};
pub use compat::{Compat, KnownClient, UnknownClient};
pub use config::{
    Authentication, Authenticator, ClientHeaderNames, Config, Limits, RefusalWriter, Route, SettingNames,
    Token,
};
pub use connect_info::ConnectInfo;
pub use credential::{
    ClientCertificate, Credential, CredentialError, CredentialVerifier, DpopSupport, PublicPath, Scheme,
    Verification,
};
pub use endpoint::Endpoint;
pub use further::{FurtherEndpoint, FurtherEndpoints};
pub use listener::{Listener, Refused};
pub use operations::{Health, HealthStatus, Operations};
pub use protected_resource::ProtectedResource;
pub use public_url::{InvalidPublicUrl, PublicUrl};
pub use refusal_observer::{HttpRefusal, RefusalObserver};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsCertificates, TlsError, TlsFiles};
