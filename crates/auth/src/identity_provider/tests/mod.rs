//! Sign-ins at a provider on this machine, which answers as its test says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

pub(crate) mod fake;
mod hostile;
mod kinds;
mod later;
mod options;
