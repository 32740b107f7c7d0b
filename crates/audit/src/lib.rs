//! The audit log: every call in a keyed hash chain in the store.
//!
//! A process has one chain, which its one writer extends by blocks: many records, one write and one sync. Every record's tag depends on
//! the one before it, under a key, so that no record can be altered, removed or moved unseen. The first record of a chain names the
//! heads of the chains that it finds, so that one that is removed or cut is missed.
//!
//! # Layout
//! - [`Record`]: what the log says. [`Redaction`]: what it does not say.
//! - [`AuditLog`]: takes records, and has them written.
//! - [`RecordLayer`]: makes the records of calls; [`UpstreamLayer`]: tells which server a call goes to.
//! - [`CallLogLayer`]: a line of the program's log for each call, with what the audit log would not say left out as well.
//! - [`Query`]: finds records. [`verify`]: checks the chains.
//! - [`AUDIT`]: where they are in a store.
//!
//! With [`Mode::Required`] a call goes to its server once its record is durable, and its answer goes out once the record of its end is.
//! The log does not say what a call returned.

mod chain;
mod layer;
mod limits;
mod line;
mod log;
mod places;
mod query;
mod record;
mod redacted_arguments;
mod redaction;
mod retention;
mod verify;

#[doc(hidden)]
pub use chain::fuzzing;
pub use chain::{Head, Tag};
pub use layer::{CALL_LOG, CallLogLayer, CallLogged, RecordLayer, Recorded, Upstream, UpstreamLayer};
pub use limits::AuditLimits;
pub use log::{AuditLog, Mode, Options, Unavailable};
pub use places::AUDIT;
pub use query::{Filter, Found, Query};
pub use record::{Call, Caller, Event, Opening, Outcome, OutcomeKind, Record, Refusals};
pub use redaction::{Arguments, Redaction};
pub use verify::{ChainReport, Fault, FaultKind, Report, verify};

#[cfg(test)]
mod tests;
