//! Connections to servers over HTTP, over real sockets: to our own server in every revision, and to servers that follow
//! a script.

mod nonsense;
pub(crate) mod ours;
mod outbound;
mod pool;
mod probe;
mod redirects;
mod replaced;
pub(crate) mod script;
mod scripted;
mod strained;
