//! Tests of the facade: a program that serves with it.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod public_paths;
#[cfg(all(feature = "http", feature = "unix"))]
mod serve;
