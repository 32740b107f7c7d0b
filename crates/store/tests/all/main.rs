//! The back ends of the store, with real files and real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[cfg(unix)]
mod faults;
mod memory;
#[cfg(unix)]
mod processes;
mod sqlite;
#[cfg(unix)]
mod support;
