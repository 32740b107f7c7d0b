//! Tokens that an authorization server is asked about: [`Introspection`] is how, `verifier` does it, for clients that are none of the
//! `refused_clients`.

mod refused_clients;
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

use self::verifier::{Config, Verifier};
use super::{
    configured::configured_verifier,
    dpop::ProofChecker,
    error::ConfigError,
    limits::VerifierLimits,
    policy::{TokenPolicy, policy_setters},
    presented::Presented,
    remote::endpoint,
};
use crate::{client_auth::AuthMethod, secret::Secret};

/// Has the authorization server say what a token is (RFC 7662): for tokens that are not signed, or that may be revoked.
///
/// Its answer is used for 30 s. It must name this server (`aud`), so that a token for another server of the same authorization
/// server is refused here. The caller is the claim `sub`; without it, `username:` and the name of the user, or, where no user
/// is involved, `client_id:` and the id of the client.
///
/// # Example
/// ```
/// use anyport_auth::resource_server::Introspection;
///
/// # fn main() -> Result<(), anyport_auth::resource_server::ConfigError> {
/// let url = "https://login.example.com/oauth2/introspect";
/// let verifier = Introspection::new("https://login.example.com", url, "notes", "the secret of the client")?;
/// # Ok(())
/// # }
/// ```
pub struct Introspection {
    config: Config,
    /// Made of the configuration at the first token.
    verifier: OnceLock<Arc<Verifier>>,
}

impl Introspection {
    /// Asks the introspection endpoint of `issuer` at `url`, as a client with this id and secret.
    ///
    /// # Errors
    /// If the URL is none that a token may be sent to: it must begin with `https://`, or be on this machine.
    pub fn new(
        issuer: impl Into<String>,
        url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let (issuer, url) = (issuer.into(), url.into());
        if issuer.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        let endpoint = endpoint("introspection endpoint", &url)?;
        let config = Config {
            issuer,
            url,
            client_id: client_id.into(),
            client_secret: Secret::new(client_secret),
            method: AuthMethod::Basic,
            endpoint,
            policy: TokenPolicy::default(),
            dpop: DpopSupport::Accepted,
            nonces: None,
            metrics: Metrics::new(),
        };
        Ok(Self { config, verifier: OnceLock::new() })
    }

    /// Sends the client's secret as a parameter (`client_secret_post`). Default: as a header (`client_secret_basic`).
    #[must_use]
    pub fn secret_in_body(self) -> Self {
        self.with(|config| config.method = AuthMethod::Post)
    }

    /// Asks with the proxies and certificates of `endpoint`, wherever that is.
    #[must_use]
    pub fn endpoint(self, endpoint: &Endpoint) -> Self {
        self.with(|config| config.endpoint = endpoint.clone())
    }
}

configured_verifier!(Introspection);
