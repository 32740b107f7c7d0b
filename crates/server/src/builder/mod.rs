//! How a server is put together.
//!
//! - `definition`: [`Builder`]; `lifecycle`: its settings for start, stop and the limits of calls.
//! - `assemble`: how it builds the server; `instructions`: those of the server and of what is mounted in it.

mod assemble;
mod definition;
mod instructions;
mod lifecycle;

pub use definition::{Builder, DEFAULT_LIST_TTL};
