//! What the tests share that see more than one crate.
//!
//! The tests themselves stand in `tests/tests/`, one file for each thing that must hold between crates; other
//! languages' clients stand in `tests/python/`, the documents that they are served in `tests/data/`.
//!
//! - [`architecture`]: which of our crates may use which, and which of other people's.

pub mod architecture;
