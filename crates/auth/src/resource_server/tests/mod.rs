//! Verifiers meet good tokens and those of attackers.

mod fixture;
mod kinds;
mod shared_secret;
mod signed;
