//! Tests of the client against services that answer as a test tells them to, and against our own server.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod calls;
mod common;
#[cfg(feature = "connect")]
mod connect;
#[cfg(feature = "connect")]
mod hostile;
mod lists;
mod questions;
#[cfg(feature = "connect")]
mod targets;
