//! Tokens of an issuer that are no access tokens: ID tokens, and assertions about users.

use std::{fmt, sync::Arc};

use anyport_metrics::Metrics;
use anyport_store::Clock;
use anyport_transport::{client::http::Endpoint, http::CredentialError};
use serde::de::DeserializeOwned;

use super::{
    algorithm::Algorithm,
    claims::Claims,
    error::ConfigError,
    jws::UnverifiedToken,
    key_source::{KeyPlace, KeySource, Keys, NamedBy, RemoteKeys, Seeker},
    limits::VerifierLimits,
    policy::TokenPolicy,
    refusal::invalid,
    remote::endpoint,
};
use crate::{crypto::verify::install, secret::Secret};

/// The signed tokens of one issuer that say something else than what their bearer may do. A token is read only after its type, its
/// algorithm, its issuer, its signature and its times were checked. What else it claims is its reader's matter, above all whom it
/// is for.
pub(crate) struct SignedTokens {
    issuer: String,
    /// The media types that are allowed (`typ`), in small letters. An empty one stands for a token without a type.
    types: &'static [&'static str],
    keys: Arc<KeySource>,
    policy: TokenPolicy,
}

/// What signed tokens are verified by.
pub(crate) struct SignedTokensConfig<'a> {
    /// The issuer, as the claim `iss` has it.
    pub(crate) issuer: &'a str,
    /// The URL of its keys. Default: what its metadata says.
    pub(crate) keys_url: Option<&'a str>,
    /// The types of its tokens.
    pub(crate) types: &'static [&'static str],
    /// What keys are fetched by, in place of a connection without proxies and certificates of its own.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) clock: &'a Clock,
    pub(crate) limits: VerifierLimits,
    pub(crate) metrics: &'a Metrics,
}

impl SignedTokens {
    /// Trusts the issuer of `config`.
    ///
    /// # Errors
    /// If its keys cannot be fetched from where they are said to be.
    pub(crate) fn new(config: &SignedTokensConfig<'_>) -> Result<Self, ConfigError> {
        install();
        let named_by = match config.keys_url {
            Some(url) => NamedBy::Url(url.to_owned()),
            None => NamedBy::Issuer(config.issuer.to_owned()),
        };
        let own = match config.keys_url {
            Some(url) => endpoint("URL of the keys", url)?,
            None => endpoint("issuer", config.issuer)?,
        };
        let place = KeyPlace::Remote(Box::new(RemoteKeys {
            named_by,
            endpoint: config.endpoint.cloned().unwrap_or(own),
        }));
        let policy =
            TokenPolicy { limits: config.limits, clock: config.clock.clone(), ..TokenPolicy::default() };
        let keys = Arc::new(KeySource::new(place, config.limits, config.metrics));
        Ok(Self { issuer: config.issuer.to_owned(), types: config.types, keys, policy })
    }

    /// The issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What `token` claims, if the issuer has signed it and it has not ended.
    ///
    /// # Errors
    /// [`CredentialError::Invalid`], or [`CredentialError::Unavailable`] if the keys cannot be fetched.
    pub(crate) async fn verify<T: DeserializeOwned>(&self, token: &Secret) -> Result<T, CredentialError> {
        let token = UnverifiedToken::parse(token.expose(), &self.policy.limits)?;
        let typ = token.header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        // RFC 7515, section 4.1.9: a media type without a slash has "application/" in front of it.
        if !self.types.contains(&typ.strip_prefix("application/").unwrap_or(&typ)) {
            return Err(invalid("the token's type (typ) is not the one that is expected"));
        }
        let claims: Claims = token.claims()?;
        if claims.iss.as_deref() != Some(&self.issuer) {
            return Err(invalid("the token is of another issuer (iss)"));
        }
        self.check_signature(&token, &claims).await?;
        claims.check_times(&self.policy.now())?;
        token.claims()
    }

    /// Waits for the keys at most twice: for those that are known, and for those that are newer than the token.
    async fn check_signature(
        &self,
        token: &UnverifiedToken<'_>,
        claims: &Claims,
    ) -> Result<(), CredentialError> {
        let algorithm = Algorithm::of(token.header.alg)
            .ok_or(invalid("the token's algorithm has no public key, so it is not allowed"))?;
        let id = token.header.kid.as_deref();
        let mut was_sought = false;
        for _ in 0..MAX_LOOKS {
            let now = self.policy.now();
            let keys = match self.keys.keys(now.instant)? {
                Keys::Known(keys) => keys,
                Keys::Awaited(fetching) => {
                    fetching.done().await;
                    continue;
                }
            };
            let tried = keys.find(id, algorithm).take(self.policy.limits.max_keys_tried);
            if tried.into_iter().any(|key| token.is_signed_by(&key.key)) {
                return Ok(());
            }
            if id.is_some() && keys.find(id, algorithm).next().is_some() {
                return Err(invalid("the token's signature is wrong"));
            }
            if was_sought {
                break;
            }
            self.keys.seek(Seeker::new(id, None), claims.iat, &now)?.done().await;
            was_sought = true;
        }
        Err(self.keys.still_unknown())
    }
}

/// How often the keys are looked at for one token: as they are, after the first fetch, after one for this token.
const MAX_LOOKS: usize = 3;

impl fmt::Debug for SignedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
