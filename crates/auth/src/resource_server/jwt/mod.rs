//! Signed tokens of one issuer: [`Jwt`] is how they are to be verified, `verifier` does it.

mod verifier;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_store::Clock;
use anyport_transport::{
    client::http::Endpoint,
    http::{Credential, CredentialVerifier, DpopSupport, Verification},
};
use http::request::Parts;

use self::verifier::{Config, Verifier, media_type};
use super::{
    algorithm::Algorithm,
    configured::configured_verifier,
    dpop::ProofChecker,
    error::ConfigError,
    key_set::KeySet,
    key_source::{KeyPlace, NamedBy, RemoteKeys},
    limits::VerifierLimits,
    policy::{TokenPolicy, policy_setters},
    presented::Presented,
    remote::endpoint,
};
use crate::crypto::verify::install;

/// Verifies the JSON Web Tokens of one issuer (RFC 9068).
///
/// A token is accepted if its type is one of an access token, its `iss` is the issuer's very text, one of the issuer's keys has
/// signed it by an algorithm that is allowed, it is for this server (`aud`), and it has not ended. Its caller is its `sub`, its
/// scopes those of the claims `scope`, `scp`, `permissions` and `roles` together. If it is bound to a key or a certificate
/// (`cnf`), that is proven or it is refused.
///
/// # Example
/// ```
/// use anyport_auth::resource_server::{Algorithm, Jwt};
///
/// # fn main() -> Result<(), anyport_auth::resource_server::ConfigError> {
/// let verifier = Jwt::discover("https://login.example.com/tenant")?
///     .algorithms([Algorithm::Rs256])
///     .audience("api://notes")
///     .includes("notes:write", ["notes:read"]);
/// # Ok(())
/// # }
/// ```
pub struct Jwt {
    config: Config,
    /// Made of the configuration at the first token.
    verifier: OnceLock<Arc<Verifier>>,
}

impl Jwt {
    /// Trusts `issuer`, whose metadata names its keys (RFC 8414, OpenID Connect Discovery). The text must be that of the claim `iss`,
    /// byte for byte.
    ///
    /// # Errors
    /// If it is no URL that metadata can be fetched from.
    pub fn discover(issuer: impl Into<String>) -> Result<Self, ConfigError> {
        let issuer = issuer.into();
        let endpoint = endpoint("issuer", &issuer)?;
        let place =
            KeyPlace::Remote(Box::new(RemoteKeys { named_by: NamedBy::Issuer(issuer.clone()), endpoint }));
        Self::new(issuer, place)
    }

    /// Trusts `issuer`, whose keys are at `url`.
    ///
    /// # Errors
    /// If keys cannot be fetched from the URL: it must begin with `https://`, or be on this machine.
    pub fn keys_at(issuer: impl Into<String>, url: impl Into<String>) -> Result<Self, ConfigError> {
        let url = url.into();
        let endpoint = endpoint("URL of the keys", &url)?;
        Self::new(
            issuer.into(),
            KeyPlace::Remote(Box::new(RemoteKeys { named_by: NamedBy::Url(url), endpoint })),
        )
    }

    /// Trusts `issuer`, whose keys are those of a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// If the text is no key set.
    pub fn keys(issuer: impl Into<String>, key_set: &str) -> Result<Self, ConfigError> {
        install();
        let keys = KeySet::parse(key_set.as_bytes(), VerifierLimits::default().max_keys)
            .map_err(ConfigError::Keys)?;
        Self::new(issuer.into(), KeyPlace::Given(Arc::new(keys)))
    }

    fn new(issuer: String, place: KeyPlace) -> Result<Self, ConfigError> {
        if issuer.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        let config = Config {
            issuer,
            place,
            algorithms: Algorithm::ALL.to_vec(),
            types: ["at+jwt", "jwt"].map(str::to_owned).into(),
            is_untyped_allowed: true,
            policy: TokenPolicy::default(),
            dpop: DpopSupport::Accepted,
            nonces: None,
            metrics: Metrics::new(),
        };
        Ok(Self { config, verifier: OnceLock::new() })
    }

    /// Sets the algorithms by which tokens may be signed. Default: all that have public keys.
    #[must_use]
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.with(|config| config.algorithms = algorithms.into_iter().collect())
    }

    /// Sets the types of tokens (`typ`) that are access tokens, without regard to case. Default: `at+jwt` and `JWT`.
    #[must_use]
    pub fn types<T: Into<String>>(self, types: impl IntoIterator<Item = T>) -> Self {
        self.with(|config| config.types = types.into_iter().map(|typ| media_type(&typ.into())).collect())
    }

    /// Sets whether tokens without a type are accepted. Default: yes.
    #[must_use]
    pub fn untyped(self, is_allowed: bool) -> Self {
        self.with(|config| config.is_untyped_allowed = is_allowed)
    }

    /// Fetches with the proxies and certificates of `endpoint`, wherever that is.
    #[must_use]
    pub fn endpoint(self, endpoint: &Endpoint) -> Self {
        self.with(|config| {
            if let KeyPlace::Remote(remote) = &mut config.place {
                remote.endpoint = endpoint.clone();
            }
        })
    }
}

configured_verifier!(Jwt);
