//! Verifiers meet good tokens and those of attackers.

mod api_keys;
mod fetched;
mod fixture;
mod introspected;
mod kinds;
mod proofs;
mod server;
mod shared_secret;
mod signed;
