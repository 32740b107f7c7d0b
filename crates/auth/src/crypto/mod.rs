//! The cryptography of JSON Web Tokens, by `ring`.
//!
//! - [`sign`]: signers of `jsonwebtoken`, and tokens that this program signs.
//! - [`verify`]: verifiers of `jsonwebtoken`.
//! - [`SigningKey`]: a private key in PEM, by which a client proves who it is.

pub(crate) mod sign;
mod signing_key;
pub(crate) mod verify;

pub use signing_key::InvalidKey;
pub(crate) use signing_key::SigningKey;
