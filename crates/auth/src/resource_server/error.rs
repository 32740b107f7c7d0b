use crate::safe_url::UnsafeUrl;

/// Why a verifier cannot be made as it was configured. Tells no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A URL is not safe to fetch from.
    #[error("the {what} {url:?} is not used: {why}")]
    Url {
        /// What the URL is.
        what: &'static str,
        /// The URL.
        url: String,
        /// What is wrong.
        why: UnsafeUrl,
    },
    /// An issuer without a name.
    #[error("an issuer must not be empty")]
    NoIssuer,
    /// A text is no set of keys.
    #[error("the key set is not used: {0}")]
    Keys(String),
    /// An algorithm that is not supported, or that verifies with a secret.
    #[error(
        "the algorithm {0:?} is not supported: name some of ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512"
    )]
    Algorithm(String),
    /// A secret that can be guessed.
    #[error(
        "the secret has {0} bytes, and HS256 needs 32 random ones at least (RFC 7518, section 3.2): \
         `openssl rand -hex 32` makes one"
    )]
    WeakSecret(usize),
    /// Two verifiers for the same tokens.
    #[error("two verifiers are configured for {0}: a token must have one alone")]
    Twice(String),
}
