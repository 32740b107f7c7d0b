//! Logins at a server and an authorization server on this machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod caller_logins;
mod clients;
mod exchanges;
mod fetching;
mod grants;
mod limits;
mod logins;
mod processes;
mod quirks;
mod support;
