//! Everything that answers a request is a [`Service`].
//!
//! A tool handler, a router, a connection to a server, a cache, a policy, a whole gateway: one trait. Transports
//! stand at both ends and turn bytes into calls and calls into bytes; what MCP says is `anyport-protocol`.
//!
//! Inside, every call speaks the newest revision and is stateless: its [`Context`] carries the caller's revision,
//! capabilities, principal and deadline. So what stands in the middle (auth, limits, policy, audit) holds for
//! every revision and every transport alike.
//!
//! # Layout
//! - [`Service`], [`Request`]: the trait and what it takes.
//! - [`Context`], [`Principal`], [`Authorization`]: what is known about one call; [`Presence`]: whether its client is connected; [`ClientHeaders`]:
//!   keys that the client brings for servers behind this one; [`Demand`]: what clients want of calls that no client has made.
//! - [`Network`], [`TraceHeaders`]: what carried a call.
//! - [`Overload`]: whether new work is refused because the process would run out of something.
//! - [`CallTrail`]: follows a call for what records it.
//! - [`Reply`]: notifications and questions, then exactly one [`Outcome`].
//! - [`emit`]: a reply written as an async function.
//! - [`peer`]: the other end of a session or connection, outside any call.
//! - [`Backoff`]: how long to wait before trying again.
//! - [`Clock`]: the time since a moment, and the moments of timers.
//! - [`address`]: which addresses are of the public internet; `visible_text` (a feature): which characters can be seen.
//! - [`sync`]: a mutex that ignores poisoning.

pub mod address;
mod authorization;
mod backoff;
mod carrier;
mod client_headers;
mod clock;
mod context;
mod demand;
pub mod emit;
mod overload;
pub mod peer;
mod presence;
mod principal;
mod reply;
mod service;
pub mod sync;
mod trail;
#[cfg(feature = "visible-text")]
pub mod visible_text;

pub use authorization::{Authorization, ScopedPrincipal, is_scope};
pub use backoff::Backoff;
pub use carrier::{Network, TraceHeaders};
pub use client_headers::ClientHeaders;
pub use clock::Clock;
pub use context::{Context, InputMode};
pub use demand::{Demand, DemandGuard, WeakDemand};
pub use emit::Emitter;
pub use overload::{Overload, OverloadCause};
pub use peer::{Peer, PeerEvent, PeerEvents, SessionId, WeakPeer};
pub use presence::{Presence, PresenceGuard};
pub use principal::Principal;
pub use reply::{Answer, AnswerSink, Event, Notification, Outcome, Relay, Reply, Responder, ServerRequest};
pub use service::{Request, Service};
pub use trail::{Admission, CallTrail};
