//! State that travels through a client and comes back: encrypted, authenticated, and ours.
//!
//! 2026-07-28, patterns/mrtr §Server Requirements: servers "MUST treat `requestState` as an attacker-controlled
//! input" and, where it matters, "MUST protect its integrity (e.g. HMAC or AEAD)".
//!
//! # Layout
//! - [`Sealer`]: authenticated encryption with a [`Key`].
//! - [`RequestState`]: what is sealed for a multi round-trip request, with its owner, its request and its expiry.

mod request_state;
mod sealer;

pub use request_state::{RequestIdentity, RequestState, StateRefused, digest, hex};
pub use sealer::{Key, NoRandomness, Sealer, Unsealed};
