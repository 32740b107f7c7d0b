//! Conversations that outlive a call: what agents know of one, kept in a store, with versions, an owner, and those it is shared with.
//!
//! Start at [`Contexts`]. [`server()`] offers them to clients as tools and resources.
//!
//! # Layout
//! - [`conversation`]: what is kept of a conversation.
//! - [`change`]: what may be changed of it, as rules without I/O.
//! - [`name`]: how callers name one.
//! - `listing`: the names of a caller's conversations.
//! - [`contexts`]: finds and changes them in the store.
//! - `server`: tools and resources; `answers`: what the tools answer.
//! - [`limits`]: how large and how many they may be.

mod answers;
pub mod change;
pub mod contexts;
pub mod conversation;
pub mod limits;
mod listing;
pub mod name;
pub mod server;

pub use contexts::{CONTEXTS, Contexts, ContextsError};
pub use conversation::{Conversation, Grant, May};
pub use limits::ContextLimits;
pub use listing::LISTINGS;
pub use server::server;
