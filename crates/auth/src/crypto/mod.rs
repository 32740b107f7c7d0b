//! The cryptography of JSON Web Tokens, by `ring`.
//!
//! - [`sign`]: signers of `jsonwebtoken`, and tokens that this program signs.
//! - [`verify`]: verifiers of `jsonwebtoken`.

pub(crate) mod sign;
pub(crate) mod verify;
