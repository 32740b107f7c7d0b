//! State that outlives a process, and that several processes share, on one machine or on several.
//!
//! # What is promised
//! - A key is a log: [`Store::put`] appends a version, [`Store::get`] reads the newest, and the [`Bucket`] says how many
//!   versions stay. There is no transaction over two keys.
//! - A write that was acknowledged is as durable as [`Status::durability`] says. With [`SqliteStore`] it is on the disk: one
//!   `fdatasync` of the write-ahead log comes before the acknowledgement, and writes that wait together share it. It survives
//!   the end of the process, `kill -9` and a loss of power. With [`JetStreamStore`] it is on as many servers as the status says. With
//!   [`MemoryStore`] it ends with the process.
//! - A write that failed was not written, except with [`Error::Unknown`]: that one may have been written.
//! - Versions grow with every write of a key, deletions included, and are never used again. A version is the fencing token of
//!   what its key guards.
//!
//! # Layout
//! - [`Store`], the trait, with [`Key`], [`Bucket`], [`Entry`], [`Version`], [`Expect`], [`Write`], [`Change`] and [`Error`].
//! - [`MemoryStore`], [`SqliteStore`] and [`JetStreamStore`], the back ends; [`maintenance`] checks, backs up and restores the file
//!   of the second.
//! - [`RoutedStore`] makes one store of two: what all members see, and what is of this machine.
//! - [`transfer`] copies between any two stores, checks what is in one, and empties one.
//! - [`backup`] writes any store into a file, and restores it.
//! - [`Members`], the processes that share a store, and [`Lease`], which one of them holds.
//! - [`Collection`], typed records with a format number, on top of any store.
//! - `suite`, behind the feature of this name: the tests that every back end passes.
//!
//! It knows bytes and JSON, not MCP.

pub mod backup;
mod checks;
mod clock;
mod collection;
mod entry;
mod error;
mod faults;
mod jetstream;
mod key;
mod lease;
mod members;
mod memory;
mod routed;
mod sqlite;
mod status;
mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod transfer;
mod watch;

pub use clock::Clock;
pub use collection::{BLOB, Collection, Record, Sealer};
pub use entry::{Change, Entry, Expect, Version, Write};
pub use error::{Answer, BoxError, Error};
pub use jetstream::{Address, InvalidAddress, JetStreamOptions, JetStreamStore};
pub use key::{Bucket, KEY_MAX, Keep, Key, Place};
pub use lease::Lease;
pub use members::{Liveness, Member, MemberChange, MemberChanges, Members};
pub use memory::MemoryStore;
pub use routed::RoutedStore;
pub use sqlite::{Options, SqliteStore, maintenance};
pub use status::{Durability, Outage, Status};
pub use store::{Store, VALUE_MAX};
pub use watch::Watch;
