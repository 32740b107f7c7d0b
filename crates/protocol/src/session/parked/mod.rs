//! Parked calls: calls to a server with inline requests, for callers that retry, while no request is attached.
//!
//! A legacy server sends requests while a call is open. A modern client receives them as `input_required` and answers
//! with a retry. In between the call is *parked*. [`Call`] is one such call as a state machine: events and the time go
//! in, actions come out. [`Lot`] has all calls by their ids, bounds their number, and stores for a while how they
//! ended.
//!
//! The states: *running* (a request is attached), *gathering* (the server has sent a request, and may send more),
//! *parked* (the caller has the requests, and no request is attached), *kept* (the server finished before the retry),
//! and over.

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
