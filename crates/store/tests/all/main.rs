//! The back ends of the store, with real files and real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "a test says what it measured, or that it was skipped")]

#[cfg(unix)]
mod faults;
mod jetstream;
#[cfg(unix)]
mod jetstream_cluster;
#[cfg(unix)]
mod jetstream_faults;
mod jetstream_tls;
mod memory;
mod nats;
#[cfg(unix)]
mod nats_proxy;
#[cfg(unix)]
mod processes;
mod sqlite;
#[cfg(unix)]
mod support;
mod transfer;
