//! The MCP protocol without I/O: messages, revisions and session state machines.
//!
//! This crate holds the messages of the Model Context Protocol and the rules between them: JSON-RPC, the typed
//! messages of the newest revision, the table of methods, the older revisions as their difference to the next
//! newer one, and the dialogue of a session as a state machine. It performs no I/O, knows no clock and no
//! async runtime: everything here is a function from messages (and a time) to messages.
//!
//! # Layout
//! - [`json`]: text that is checked in one pass and then carried as it came.
//! - [`jsonrpc`]: ids, errors, and the envelope around every message.
//! - [`method`]: which methods exist, who sends them, in which revisions.
//! - [`revision`]: the revisions, what differs between them, and how a message is lifted and lowered between neighbours.
//! - [`meta`]: the reserved members of `_meta`.
//! - [`schema`]: what is known of a JSON Schema without compiling it.
//! - [`param_header`]: which arguments of a tool are mirrored into headers.
//! - [`capability`]: what a client declared that it can do.
//! - [`failure`]: failures that are known on our side, and never read from a wire.
//! - [`progress`]: the rule that progress increases.
//! - [`session`]: how a dialogue runs, stateless or after `initialize`.
//! - [`subscription`]: the filter of `subscriptions/listen`; [`uri`]: whether a resource is a part of another.
//! - [`settings`](mod@settings): settings and limits, declared once, for every crate.
//! - [`suggest`]: names that are similar to an unknown one.
//! - [`types`]: the messages of 2026-07-28, typed.

// First, since its macros are visible below it.
#[macro_use]
pub mod settings;

pub mod capability;
pub mod failure;
pub mod json;
pub mod jsonrpc;
pub mod meta;
pub mod method;
pub mod param_header;
pub mod progress;
pub mod revision;
pub mod schema;
pub mod session;
pub mod subscription;
pub mod suggest;
pub mod types;
pub mod uri;

pub use json::{Limits, Raw};
pub use jsonrpc::{Error, Id, Message};
pub use method::Method;
pub use revision::Revision;
