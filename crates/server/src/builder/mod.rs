//! How a server is put together.
//!
//! - `definition`: [`Builder`], what it is told; `lifecycle`: of its start and end, and of what its calls may take.
//! - `assemble`: what it makes of that; `instructions`: what the server says of itself, with what is mounted in it.

mod assemble;
mod definition;
mod instructions;
mod lifecycle;

pub use definition::{Builder, DEFAULT_LIST_TTL};
