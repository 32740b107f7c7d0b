//! Identity assertions of identity providers that are trusted (Identity Assertion JWT Authorization Grant, "ID-JAG"): users of an
//! enterprise need no consent, since their identity provider has decided for them.

use std::{fmt, sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_store::{Bucket, Clock, Error as StoreError, Expect, Key, Store, Write};
use anyport_transport::{client::http::Endpoint, http::CredentialError};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::user::User;
use crate::{
    resource_server::{ConfigError, SignedTokens, SignedTokensConfig, VerifierLimits, claimed_issuer},
    secret::Secret,
};

/// The assertions that were used, by a hash of issuer and `jti`, until they have ended.
pub static USED_ASSERTIONS: Bucket = Bucket::new("oauth-assertion-use").max_bytes(16 << 20);

/// Enterprise-Managed Authorization, section 5.1: "Validate the JWT `typ` is `oauth-id-jag+jwt`".
const TYPES: &[&str] = &["oauth-id-jag+jwt"];

/// The longest time for which an assertion is accepted: it is made for one request.
const MAX_LIFE: Duration = Duration::from_secs(60 * 60);

/// The identity providers whose assertions are accepted.
#[derive(Clone)]
pub struct TrustedIdentityProviders {
    issuers: Arc<[SignedTokens]>,
    store: Arc<dyn Store>,
    clock: Clock,
    limits: VerifierLimits,
}

/// An identity provider whose assertions are accepted.
#[derive(Clone, Debug, Default)]
pub struct TrustedIdentityProvider {
    /// Its issuer, as its assertions write it.
    pub issuer: String,
    /// The URL of its keys. Default: what its metadata says.
    pub keys_url: Option<String>,
    /// What it is reached with: its proxies and certificates are used. Default: those of the environment.
    pub endpoint: Option<Endpoint>,
}

/// What an assertion says, after it was verified.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assertion {
    pub(crate) user: User,
    pub(crate) resource: String,
    /// The scopes, if it limits them, with spaces between.
    pub(crate) scopes: Option<String>,
    /// What makes it one, and until when: its issuer's word, as it is used up.
    id: String,
    expires: f64,
}

/// Why an assertion gives no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    /// `invalid_grant` (RFC 7523, section 3.1).
    #[error("the assertion is not accepted: {0}")]
    Invalid(String),
    /// The keys cannot be fetched, or the store fails.
    #[error("the assertion cannot be checked now: {0}")]
    Unavailable(String),
}

/// The claims of an ID-JAG (Enterprise-Managed Authorization, section 4.3), all of which are REQUIRED but `scope`.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    resource: String,
    client_id: String,
    jti: String,
    exp: f64,
    iat: f64,
    scope: Option<String>,
    #[serde(default)]
    cnf: Option<Value>,
}

impl TrustedIdentityProviders {
    /// Trusts `providers`. `store` must have been opened with [`USED_ASSERTIONS`].
    ///
    /// # Errors
    /// If the keys of one cannot be fetched from where they are said to be, or two are the same issuer.
    pub fn new(
        providers: &[TrustedIdentityProvider],
        store: Arc<dyn Store>,
        (clock, limits, metrics): (&Clock, VerifierLimits, &Metrics),
    ) -> Result<Self, ConfigError> {
        let mut issuers: Vec<SignedTokens> = Vec::new();
        for provider in providers {
            if issuers.iter().any(|known| known.issuer() == provider.issuer) {
                return Err(ConfigError::Twice(provider.issuer.clone()));
            }
            issuers.push(SignedTokens::new(&SignedTokensConfig {
                issuer: &provider.issuer,
                keys_url: provider.keys_url.as_deref(),
                types: TYPES,
                endpoint: provider.endpoint.as_ref(),
                clock,
                limits,
                metrics,
            })?);
        }
        Ok(Self { issuers: issuers.into(), store, clock: clock.clone(), limits })
    }

    /// Verifies an assertion that the client `client_id`, which has proven itself, presents to the authorization server `issuer`.
    /// `accepts` says of the assertion's resource whether it is one of ours. The assertion is good once: [`use_once`](Self::use_once).
    ///
    /// # Errors
    /// [`AssertionError`].
    pub(crate) async fn verify(
        &self,
        assertion: &Secret,
        (issuer, client_id): (&str, &str),
        accepts: impl FnOnce(&str) -> bool,
    ) -> Result<Assertion, AssertionError> {
        let claimed = claimed_issuer(assertion.expose()).flatten();
        let trusted = self.issuers.iter().find(|known| claimed.as_deref() == Some(known.issuer()));
        let trusted = trusted.ok_or_else(|| invalid("its issuer (iss) is not trusted here"))?;
        let claims: Claims = trusted.verify(assertion).await?;
        claims.check(issuer, client_id).map_err(invalid)?;
        if !accepts(&claims.resource) {
            return Err(invalid("its resource is no endpoint of this server"));
        }
        self.check_life(&claims)?;
        let user = User {
            issuer: trusted.issuer().to_owned(),
            name: claims.sub.clone(),
            subject: claims.sub,
            login: None,
            scopes: None,
        };
        let (resource, scopes, expires) = (claims.resource, claims.scope, claims.exp);
        Ok(Assertion { user, resource, scopes, id: claims.jti, expires })
    }

    fn check_life(&self, claims: &Claims) -> Result<(), AssertionError> {
        let longest = MAX_LIFE.as_secs_f64() + self.limits.clock_leeway.as_secs_f64();
        match claims.exp - claims.iat > longest {
            true => Err(invalid("it lives longer than an hour (exp, iat)")),
            false => Ok(()),
        }
    }

    /// Uses an assertion up, when everything else about its request has been checked.
    ///
    /// RFC 7523, section 3: "The authorization server MAY ensure that JWTs are not replayed by maintaining the set of used "jti"
    /// values for the length of time for which the JWT would be considered valid based on the applicable "exp" instant."
    ///
    /// # Errors
    /// If it was used already, or that cannot be known.
    pub(crate) async fn use_once(&self, assertion: &Assertion) -> Result<(), AssertionError> {
        let mut hash = Sha256::new();
        for part in [&assertion.user.issuer, &assertion.id] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let key = Key::new(&USED_ASSERTIONS, HEXLOWER.encode(&hash.finalize()));
        let now = self.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let rest = Duration::try_from_secs_f64(
            (assertion.expires - now.as_secs_f64()).clamp(0.0, MAX_LIFE.as_secs_f64() * 2.0),
        );
        let life = rest.unwrap_or(MAX_LIFE) + self.limits.clock_leeway * 2;
        match self
            .store
            .put(&key, b"used".as_slice().into(), Write::expecting(Expect::Absent).ttl(life))
            .await
        {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict(_)) => Err(invalid("it was used already (jti)")),
            Err(error) => Err(AssertionError::Unavailable(error.to_string())),
        }
    }
}

impl Claims {
    fn check(&self, issuer: &str, client_id: &str) -> Result<(), &'static str> {
        // Enterprise-Managed Authorization, section 5.1: "The `aud` claim of the assertion JWT **MUST** identify the Issuer URL of the
        // MCP Server's authorization server as the intended audience of the JWT." An assertion for several could be used at each.
        let audience = match &self.aud {
            Value::Array(all) if all.len() == 1 => all.first(),
            one => Some(one),
        };
        if audience.and_then(Value::as_str) != Some(issuer) {
            return Err("it is for another authorization server (aud)");
        }
        // "The `client_id` claim of the assertion JWT **MUST** identify the same client as the client authentication in the request".
        if self.client_id != client_id {
            return Err("it was made for another client (client_id)");
        }
        if self.cnf.is_some() {
            return Err("it is bound to a key (cnf), which is not supported");
        }
        if self.sub.is_empty() || self.sub.len() > LONGEST || self.jti.is_empty() || self.jti.len() > LONGEST
        {
            return Err("its subject (sub) or its id (jti) is empty or too long");
        }
        Ok(())
    }
}

/// The length of a subject and of an id.
const LONGEST: usize = 255;

fn invalid(why: &str) -> AssertionError {
    AssertionError::Invalid(why.to_owned())
}

impl From<CredentialError> for AssertionError {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Unavailable { reason, .. } => Self::Unavailable(reason.into_owned()),
            CredentialError::Invalid(why) => Self::Invalid(why.into_owned()),
            _ => invalid("it is of a kind that is not supported"),
        }
    }
}

impl fmt::Debug for TrustedIdentityProviders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustedIdentityProviders").field(&self.issuers).finish()
    }
}

#[cfg(test)]
mod tests {
    use anyport_store::MemoryStore;
    use serde_json::json;

    use super::*;
    use crate::resource_server::tests::{
        fixture::{TestKey, now},
        server::Server,
    };

    const OURS: &str = "https://gateway.example";
    const RESOURCE: &str = "https://gateway.example/mcp";

    struct Enterprise {
        server: Server,
        key: TestKey,
        trusted: TrustedIdentityProviders,
    }

    impl Enterprise {
        async fn new() -> Self {
            let (server, key) = (Server::start().await, TestKey::new("k"));
            server.publish(&[&key]);
            let provider = TrustedIdentityProvider {
                issuer: "https://acme.idp.example".to_owned(),
                keys_url: Some(format!("{}/keys", server.url)),
                endpoint: Some(Endpoint::new(&server.url).unwrap().without_proxy()),
            };
            let store = Arc::new(MemoryStore::new(&[&USED_ASSERTIONS], &Metrics::new()));
            let setup = (&Clock::default(), VerifierLimits::default(), &Metrics::new());
            let trusted = TrustedIdentityProviders::new(&[provider], store, setup).unwrap();
            Self { server, key, trusted }
        }

        fn assertion(&self, header: Value, changes: &Value) -> Secret {
            let mut claims = json!({
                "iss": "https://acme.idp.example", "sub": "U019488227", "aud": OURS, "resource": RESOURCE, "client_id": "c",
                "jti": crate::pkce::random().unwrap().expose(), "iat": now(), "exp": now() + 300, "scope": "read write",
            });
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                    value => claims[name] = value.clone(),
                }
            }
            Secret::new(self.key.sign_with(header, &claims))
        }

        async fn present(&self, assertion: &Secret) -> Result<Assertion, AssertionError> {
            let verified =
                self.trusted.verify(assertion, (OURS, "c"), |resource| resource == RESOURCE).await?;
            self.trusted.use_once(&verified).await?;
            Ok(verified)
        }
    }

    #[tokio::test]
    async fn an_assertion_says_who_the_user_is_and_for_which_resource() {
        let enterprise = Enterprise::new().await;
        let good = enterprise.assertion(json!({ "typ": "oauth-id-jag+jwt" }), &json!({}));
        let Assertion { user, resource, scopes, .. } = enterprise.present(&good).await.unwrap();
        assert_eq!((user.issuer.as_str(), user.subject.as_str()), ("https://acme.idp.example", "U019488227"));
        assert_eq!(resource, RESOURCE);
        assert_eq!(scopes.unwrap(), "read write");
        let typed = json!({ "typ": "application/OAUTH-ID-JAG+JWT" });
        let one = json!({ "aud": [OURS], "scope": null });
        let other = enterprise.assertion(typed, &one);
        assert_eq!(enterprise.present(&other).await.unwrap().scopes, None);
    }

    /// Invariant: An identity assertion gives a token to the one client that it names, for the one resource that it names, here
    /// and once.
    #[tokio::test]
    async fn an_assertion_for_somebody_or_something_else_is_refused() {
        let enterprise = Enterprise::new().await;
        for (changes, why) in [
            (json!({ "aud": RESOURCE }), "aud"),
            (json!({ "aud": format!("{OURS}/") }), "aud"),
            (json!({ "aud": [OURS, "https://other.example"] }), "aud"),
            (json!({ "aud": [] }), "aud"),
            (json!({ "client_id": "another" }), "client_id"),
            (json!({ "client_id": null }), "cannot be read"),
            (json!({ "resource": "https://gateway.example/other" }), "resource"),
            (json!({ "resource": null }), "cannot be read"),
            (json!({ "iss": "https://another.example" }), "iss"),
            (json!({ "sub": "" }), "sub"),
            (json!({ "jti": "" }), "jti"),
            (json!({ "jti": null }), "cannot be read"),
            (json!({ "exp": now() - 61 }), "expired"),
            (json!({ "exp": now() + 4_000 }), "an hour"),
            (json!({ "exp": 1e300 }), "an hour"),
            (json!({ "iat": now() + 90 }), "not valid yet"),
            (json!({ "cnf": { "jkt": "x" } }), "cnf"),
        ] {
            let assertion = enterprise.assertion(json!({ "typ": "oauth-id-jag+jwt" }), &changes);
            let refused = enterprise.present(&assertion).await.unwrap_err();
            assert!(matches!(&refused, AssertionError::Invalid(_)), "{changes}: {refused}");
            assert!(refused.to_string().contains(why), "{changes}: {refused}");
        }
        for typ in [json!({ "typ": "JWT" }), json!({ "typ": "at+jwt" }), json!({})] {
            let assertion = enterprise.assertion(typ.clone(), &json!({}));
            let refused = enterprise.present(&assertion).await.unwrap_err();
            assert!(refused.to_string().contains("typ"), "{typ}: {refused}");
        }
        let good = enterprise.assertion(json!({ "typ": "oauth-id-jag+jwt" }), &json!({}));
        enterprise.present(&good).await.unwrap();
        let again = enterprise.present(&good).await.unwrap_err();
        assert!(again.to_string().contains("used already"), "{again}");
    }

    #[tokio::test]
    async fn an_assertion_is_not_wrong_because_keys_are_out_of_reach() {
        let enterprise = Enterprise::new().await;
        enterprise.server.state().is_broken = true;
        let good = enterprise.assertion(json!({ "typ": "oauth-id-jag+jwt" }), &json!({}));
        let refused = enterprise.present(&good).await.unwrap_err();
        assert!(matches!(refused, AssertionError::Unavailable(_)), "{refused}");
    }
}
