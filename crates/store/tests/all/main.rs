//! The back ends of the store, with real files and real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod memory;
mod sqlite;
