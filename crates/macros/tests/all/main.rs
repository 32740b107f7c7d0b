//! Tests of what the macros accept and what the compiler says where they do not.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod compile;
mod functions;
mod methods;
