//! One server asks for the same answers from every revision on every transport, but for what the older ones cannot say.
//!
//! Every message that the server sends here is also held against the schema of its revision: see
//! `anyport_tests::matrix`.
//!
//! Invariant: A server gives the same answers over every transport in every revision, in messages that fit
//! the revision's schema.

mod asking;
mod calls;
mod changing;
mod envelope;
mod eras;
mod lists;
mod notifications;
mod reading;
mod results;
mod running;
