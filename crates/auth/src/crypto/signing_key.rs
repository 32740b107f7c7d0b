use jsonwebtoken::{Algorithm, EncodingKey, errors::Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::sign::{jwt, signer};
use crate::secret::Secret;

/// A private key, and the algorithm by which it signs: ES256, ES384, EdDSA or RS256.
pub(crate) struct SigningKey {
    key: EncodingKey,
    algorithm: Algorithm,
}

/// The text is not a private key that is supported. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not a private key in PEM of the kind P-256, P-384, Ed25519 or RSA: \
     `openssl pkcs8 -topk8 -nocrypt -in KEY` writes one in this form (BEGIN PRIVATE KEY)"
)]
pub struct InvalidKey;

impl SigningKey {
    /// Reads a key in PEM: PKCS#8, or PKCS#1 of RSA.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub(crate) fn from_pem(pem: &Secret) -> std::result::Result<Self, InvalidKey> {
        let pem = pem.expose().trim().as_bytes();
        let of = |key: Result<EncodingKey>, algorithms: &[Algorithm]| {
            let key = key.ok()?;
            let algorithm = algorithms.iter().find(|algorithm| signer(algorithm, &key).is_ok())?;
            Some(Self { algorithm: *algorithm, key })
        };
        of(EncodingKey::from_ec_pem(pem), &[Algorithm::ES256, Algorithm::ES384])
            .or_else(|| of(EncodingKey::from_ed_pem(pem), &[Algorithm::EdDSA]))
            .or_else(|| of(EncodingKey::from_rsa_pem(pem), &[Algorithm::RS256]))
            .ok_or(InvalidKey)
    }

    /// The name of the algorithm.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::EdDSA => "EdDSA",
            _ => "RS256",
        }
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// [`InvalidKey`], if the system has no randomness.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> std::result::Result<Secret, InvalidKey> {
        let header: Value = json!({ "alg": self.algorithm(), "typ": "JWT" });
        jwt(&header, claims, self.algorithm, &self.key).map(Secret::new).map_err(|_| InvalidKey)
    }
}
