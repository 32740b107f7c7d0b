use std::{fmt, str::FromStr};

use jsonwebtoken::Algorithm as Jwa;

use super::error::ConfigError;

/// An algorithm by which an authorization server signs (RFC 7518, RFC 8037). All of them have a public key to verify with: a
/// secret that both sides know is [`SharedSecretJwt`](super::SharedSecretJwt)'s alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA by P-256 and SHA-256.
    Es256,
    /// ECDSA by P-384 and SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA (PKCS#1 v1.5) and SHA-256.
    Rs256,
    /// RSA (PKCS#1 v1.5) and SHA-384.
    Rs384,
    /// RSA (PKCS#1 v1.5) and SHA-512.
    Rs512,
    /// RSA (PSS) and SHA-256.
    Ps256,
    /// RSA (PSS) and SHA-384.
    Ps384,
    /// RSA (PSS) and SHA-512.
    Ps512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The name, as a token's header has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// The algorithm of a token's header; `None` for those with a secret.
    pub(super) fn of(algorithm: Jwa) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.jwa() == algorithm)
    }

    pub(super) const fn jwa(self) -> Jwa {
        match self {
            Self::Es256 => Jwa::ES256,
            Self::Es384 => Jwa::ES384,
            Self::EdDsa => Jwa::EdDSA,
            Self::Rs256 => Jwa::RS256,
            Self::Rs384 => Jwa::RS384,
            Self::Rs512 => Jwa::RS512,
            Self::Ps256 => Jwa::PS256,
            Self::Ps384 => Jwa::PS384,
            Self::Ps512 => Jwa::PS512,
        }
    }
}

/// Those of RSA keys.
pub(super) const RSA: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let unknown = || ConfigError::Algorithm(name.chars().take(40).collect());
        Self::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(unknown)
    }
}
