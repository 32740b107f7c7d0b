use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, UNIX_EPOCH},
};

use anyport_service::Authorization;
use anyport_store::Clock;
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier, Scheme, Verification};
use http::request::Parts;
use jsonwebtoken::{Algorithm as Jwa, DecodingKey, EncodingKey};
use serde_json::json;

use super::{
    binding::Binding,
    cache::{TokenCache, TokenHash},
    claims::{Claims, Moment},
    error::ConfigError,
    jws::UnverifiedToken,
    limits::VerifierLimits,
    policy::{TokenPolicy, policy_setters},
    refusal::invalid,
};
use crate::{
    crypto::{sign::jwt, verify::install},
    secret::Secret,
};

/// Verifies tokens that are signed with a secret of this server's own (HS256), such as those of `anyport token`.
///
/// The caller is the claim `user_id`, else `sub`. Only such tokens may be without `iss` and `aud`: nobody else has the secret, so
/// that whoever signed one meant this server. What a token does name must be right.
///
/// # Example
/// ```
/// # fn main() -> Result<(), anyport_auth::resource_server::ConfigError> {
/// # let secret = [7; 32];
/// let verifier = anyport_auth::resource_server::SharedSecretJwt::new(&secret)?;
/// # Ok(())
/// # }
/// ```
pub struct SharedSecretJwt {
    issuer: Option<String>,
    policy: TokenPolicy,
    key: DecodingKey,
    signing_key: EncodingKey,
    cache: OnceLock<Arc<TokenCache<Authorization>>>,
}

/// The least length of a secret in bytes. RFC 7518, section 3.2: "A key of the same size as the hash output (for instance, 256 bits
/// for "HS256") or larger MUST be used with this algorithm."
pub const LEAST_SECRET: usize = 32;

/// The issuer of callers whose token names none.
pub const SHARED_SECRET_ISSUER: &str = "urn:anyport:shared-secret";

impl SharedSecretJwt {
    /// Trusts whoever knows `secret`.
    ///
    /// # Errors
    /// If the secret is shorter than 256 bits.
    pub fn new(secret: &[u8]) -> Result<Self, ConfigError> {
        if secret.len() < LEAST_SECRET {
            return Err(ConfigError::WeakSecret(secret.len()));
        }
        install();
        let (key, signing_key) = (DecodingKey::from_secret(secret), EncodingKey::from_secret(secret));
        let (issuer, policy) = (None, TokenPolicy::default());
        Ok(Self { issuer, policy, key, signing_key, cache: OnceLock::new() })
    }

    /// Has tokens name this issuer (`iss`). Default: they name none.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self.cache = OnceLock::new();
        self
    }

    policy_setters!();

    /// A token for `user` with these scopes, which ends after `lifetime`. It names the first audience, if any was added; else it is
    /// for every endpoint that knows the secret.
    pub fn issue(&self, user: &str, scopes: &[String], lifetime: Duration) -> Secret {
        let (issuer, TokenPolicy { audiences, clock, .. }) = (&self.issuer, &self.policy);
        let now = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({
            "user_id": user,
            "permissions": scopes,
            "iat": now.as_secs(),
            "exp": now.saturating_add(lifetime).as_secs(),
        });
        for (name, value) in [("iss", issuer.as_ref()), ("aud", audiences.first())] {
            if let Some(value) = value {
                claims[name] = value.as_str().into();
            }
        }
        // HMAC takes any key and any text.
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        Secret::new(jwt(&header, &claims, Jwa::HS256, &self.signing_key).unwrap_or_default())
    }

    /// The issuer that tokens must name.
    pub(super) fn issuer_of_tokens(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn with_policy(mut self, change: impl FnOnce(&mut TokenPolicy)) -> Self {
        change(&mut self.policy);
        self.cache = OnceLock::new();
        self
    }

    fn verified(&self, credential: &Credential, resource: &str) -> Result<Authorization, CredentialError> {
        if credential.scheme != Scheme::Bearer {
            return Err(invalid("the token is not bound to a key: present it with the scheme Bearer"));
        }
        let (limits, now) = (&self.policy.limits, self.policy.now());
        let cache = self.cache.get_or_init(|| Arc::new(TokenCache::new()));
        let hash = TokenHash::of(&credential.token, resource);
        if let Some(known) = cache.get(&hash, now.instant) {
            return Ok(known);
        }
        let authorization = self.read(&credential.token, resource, &now)?;
        let end = authorization.expires().unwrap_or(now.instant);
        cache.insert(
            hash,
            authorization.clone(),
            end.min(now.instant + limits.token_cache),
            limits.max_cached_tokens,
        );
        Ok(authorization)
    }

    fn read(&self, token: &str, resource: &str, now: &Moment) -> Result<Authorization, CredentialError> {
        let (issuer, TokenPolicy { audiences, hierarchy, limits, .. }) = (&self.issuer, &self.policy);
        let token = UnverifiedToken::parse(token, limits)?;
        let is_typed = |typ: &String| typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt");
        if !token.header.typ.as_ref().is_none_or(is_typed) {
            return Err(invalid("the token's type (typ) is not that of an access token"));
        }
        if token.header.alg != Jwa::HS256 {
            return Err(invalid("the token's algorithm is not HS256"));
        }
        if !token.is_signed_by(&self.key) {
            return Err(invalid("the token's signature is wrong"));
        }
        let claims: Claims = token.claims()?;
        if claims.iss != *issuer {
            return Err(invalid("the token is of another issuer (iss)"));
        }
        let end = claims.check_times(now)?;
        if claims.has_audience() {
            claims.check_audience(resource, audiences)?;
        }
        claims.check_kind()?;
        if claims.binding()? != Binding::default() {
            return Err(invalid(
                "the token is bound to a key (cnf), which is not supported with a shared secret",
            ));
        }
        let subject = claims.user_id.as_ref().or(claims.sub.as_ref()).and_then(|subject| subject.text());
        let subject = subject.ok_or(invalid("the token has no user (user_id)"))?;
        let issuer = issuer.as_deref().unwrap_or(SHARED_SECRET_ISSUER);
        Ok(claims.authorization(issuer, &subject, hierarchy).until(end))
    }
}

impl CredentialVerifier for SharedSecretJwt {
    fn verify(&self, credential: &Credential, _: &Parts, resource: &str) -> Verification {
        Verification::Ready(self.verified(credential, resource))
    }
}

impl fmt::Debug for SharedSecretJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecretJwt").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
