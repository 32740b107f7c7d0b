//! Tests of the server without a transport.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod asking;
mod caching;
mod changing;
mod common;
mod life;
mod listening;
mod listing;
mod lists;
mod macros;
mod methods;
mod mounting;
mod reading;
mod registry_properties;
mod running;
mod scopes;
mod together;
mod tools;
mod typed;
mod visibility;
