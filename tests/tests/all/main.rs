//! Tests that see more than one crate.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod any_message;
mod architecture;
mod asking_limits;
mod book;
mod bridging;
mod bridging_upstreams;
mod caching;
mod client_quirks;
mod conformance;
mod documents;
mod every_revision;
mod gateway_abuse;
mod gateway_claims;
mod knowledge;
mod limits;
mod matrix;
mod our_client;
mod parked_principals;
mod pipeline;
mod plain;
mod principals;
mod programs;
mod same_answers;
mod schemas;
mod subscriptions;
mod transport_pairs;
