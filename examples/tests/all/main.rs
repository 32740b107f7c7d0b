//! Tests of the examples, as programs and by the rules of the specification.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod conformance;
mod database_pool;
mod examples;
mod postgres;
