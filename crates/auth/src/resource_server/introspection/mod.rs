//! Tokens that an authorization server is asked about: [`Introspection`] is how, `verifier` does it.

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
    dpop::{DpopPolicy, ProofChecker},
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
/// server is refused here. The caller is the claim `sub`; a server without it is taken at its `username`, or, where no user is
/// involved, at `client_id:` and the id of the client.
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
            dpop: DpopPolicy::default(),
            nonces: None,
            metrics: Metrics::new(),
        };
        Ok(Self { config, verifier: OnceLock::new() })
    }

    policy_setters!();

    /// Sends the client's secret as a parameter (`client_secret_post`). Default: as a header (`client_secret_basic`).
    #[must_use]
    pub fn secret_in_body(self) -> Self {
        self.with(|config| config.method = AuthMethod::Post)
    }

    /// Sets which tokens must be bound to a key of the caller (RFC 9449). Default: none must.
    #[must_use]
    pub fn dpop(self, policy: DpopPolicy) -> Self {
        self.with(|config| config.dpop = policy)
    }

    /// Has proofs contain a nonce of this server's (RFC 9449, section 9). Processes with the same key accept each other's.
    #[must_use]
    pub fn dpop_nonces(self, sealer: Sealer) -> Self {
        self.with(|config| config.nonces = Some(sealer))
    }

    /// Asks with the proxies and certificates of `endpoint`, wherever that is.
    #[must_use]
    pub fn endpoint(self, endpoint: &Endpoint) -> Self {
        self.with(|config| config.endpoint = endpoint.clone())
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        self.with(|config| config.metrics = metrics.clone())
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    fn with_policy(self, change: impl FnOnce(&mut TokenPolicy)) -> Self {
        self.with(|config| change(&mut config.policy))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.verifier = OnceLock::new();
        self
    }

    fn verifier(&self) -> &Arc<Verifier> {
        self.verifier.get_or_init(|| Arc::new(Verifier::new(self.config.clone())))
    }
}

impl CredentialVerifier for Introspection {
    fn verify(&self, credential: &Credential, head: &Parts, resource: &str) -> Verification {
        self.verifier().verify(&Presented { credential, head: Some(head), resource })
    }

    fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
        self.verifier().verify(&Presented { credential, head: None, resource })
    }

    fn authorization_servers(&self) -> Vec<String> {
        vec![self.config.issuer.clone()]
    }

    fn dpop(&self) -> DpopSupport {
        self.config.dpop.into()
    }

    fn dpop_algorithms(&self) -> &[&str] {
        ProofChecker::ALGORITHMS
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}
