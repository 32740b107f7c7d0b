//! Verifies the credentials that callers present to a server of ours: this program as an OAuth resource server.
//!
//! Each verifier here is a `CredentialVerifier` of the transport: [`Jwt`] for the signed tokens of one issuer,
//! [`SharedSecretJwt`] for those with a secret of our own, [`Introspection`] for those that only the authorization server
//! can read, [`ApiKeys`] for keys of our own. [`Verifiers`] chooses one of several for each token, by the token's form and issuer.
//!
//! # Layout
//! - What is believed of a token: `jws` (its form), `claims`, `scopes`, `binding` (`cnf`), `dpop` (proofs), `used_proofs` (which must not be used
//!   twice).
//! - Whose signature it is: [`Algorithm`], `key_set`, `key_source` (fetching, rotation).
//! - What is remembered: `cache`. What the verifiers of one issuer have in common: `policy`, `configured`.
//! - What says something else than what a caller may do: `signed_token`.
//! - The verifiers: `jwt`, `shared_secret`, `introspection`, `api_keys`, and `verifiers`, which chooses.

mod algorithm;
mod api_keys;
mod binding;
pub(crate) mod cache;
mod claims;
mod configured;
mod dpop;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod introspection;
mod jws;
mod jwt;
mod key_set;
mod key_source;
mod limits;
mod policy;
mod presented;
pub(crate) mod refusal;
mod remote;
mod scopes;
mod shared_secret;
mod signed_token;
#[cfg(test)]
pub(crate) mod tests;
mod used_proofs;
mod verifiers;

pub use anyport_transport::http::DpopSupport;

pub use self::{
    algorithm::Algorithm,
    api_keys::{API_KEY_USES, API_KEYS, ApiKey, ApiKeyRecords, ApiKeys, CreateError},
    error::ConfigError,
    introspection::Introspection,
    jwt::Jwt,
    limits::VerifierLimits,
    shared_secret::{LEAST_SECRET, SHARED_SECRET_ISSUER, SharedSecretJwt},
    verifiers::Verifiers,
};
pub(crate) use self::{
    jws::claimed_issuer,
    signed_token::{SignedTokens, SignedTokensConfig},
};
