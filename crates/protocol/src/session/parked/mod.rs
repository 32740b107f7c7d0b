//! Calls of a server that asks live, for callers that retry: what happens to one while nobody is attached to it.
//!
//! A legacy server asks while a call is open; a modern client is asked by `input_required`, goes away, and comes back
//! with a retry. In between the call is *parked*. [`Call`] is one such call as a state machine: it is told what happened
//! and what the time is, and says what to do. [`Lot`] knows all of them by their ids, bounds how many there are, and
//! remembers for a while how they ended.
//!
//! The states: *running* (a request is attached), *gathering* (the server asked, and may be about to ask more), *parked*
//! (the caller has the questions; nobody is attached), *kept* (the server was done before its caller came back), and over.

mod answer;
mod call;
mod call_record;
mod lot;

pub use answer::{Fault, check};
pub use call::{Attachment, Call, Caller, Effect, Event, Key, Limits, Retry};
pub use call_record::CallRecord;
pub use lot::{Full, Lot, Slot};

#[cfg(test)]
mod properties;
