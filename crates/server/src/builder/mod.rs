//! How a server is put together.
//!
//! - `definition`: [`Builder`] and its settings; `lifecycle`: settings of start, stop and limits.
//! - `assemble`: what it makes of that; `instructions`: what the server says of itself, with what is mounted in it.

mod assemble;
mod definition;
mod instructions;
mod lifecycle;

pub use definition::{Builder, DEFAULT_LIST_TTL};
