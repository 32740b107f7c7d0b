//! Verifiers meet good tokens and those of attackers.

mod api_keys;
mod choice;
mod fetched;
pub(crate) mod fixture;
mod introspected;
mod kinds;
mod proofs;
pub(crate) mod server;
mod shared_secret;
mod signed;
