//! Connections to servers over HTTP, over real sockets: to our own server in every revision, and to servers that follow
//! a script.

mod nonsense;
mod ours;
mod outbound;
mod probe;
mod redirects;
mod script;
mod scripted;
mod strained;
