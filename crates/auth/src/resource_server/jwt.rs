use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_service::Authorization;
use anyport_store::Clock;
use anyport_transport::{
    client::http::Endpoint,
    http::{Credential, CredentialError, CredentialVerifier, Verification},
};
use http::request::Parts;
use tokio::time::Instant;

use super::{
    algorithm::Algorithm,
    binding::Binding,
    cache::{TokenCache, TokenHash},
    claims::{Claims, Moment},
    dpop::{DpopPolicy, ProofChecker},
    error::ConfigError,
    jws::UnverifiedToken,
    key_set::{KeySet, VerificationKey},
    key_source::{Fetching, KeyPlace, KeySource, Keys, NamedBy, RemoteKeys},
    limits::VerifierLimits,
    policy::{TokenPolicy, policy_setters},
    presented::Presented,
    refusal::invalid,
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

#[derive(Clone)]
struct Config {
    issuer: String,
    place: KeyPlace,
    algorithms: Vec<Algorithm>,
    types: BTreeSet<String>,
    is_untyped_allowed: bool,
    policy: TokenPolicy,
    dpop: DpopPolicy,
    nonces: Option<Sealer>,
    metrics: Metrics,
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
            dpop: DpopPolicy::default(),
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

    policy_setters!();

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

    /// Fetches with the proxies and certificates of `endpoint`, wherever that is.
    #[must_use]
    pub fn endpoint(self, endpoint: &Endpoint) -> Self {
        self.with(|config| {
            if let KeyPlace::Remote(remote) = &mut config.place {
                remote.endpoint = endpoint.clone();
            }
        })
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

    fn verifier(&self) -> &Arc<Verifier> {
        self.verifier.get_or_init(|| Arc::new(Verifier::new(self.config.clone())))
    }

    fn with_policy(self, change: impl FnOnce(&mut TokenPolicy)) -> Self {
        self.with(|config| change(&mut config.policy))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.verifier = OnceLock::new();
        self
    }
}

impl CredentialVerifier for Jwt {
    fn verify(&self, credential: &Credential, head: &Parts, resource: &str) -> Verification {
        self.verifier().verify(&Presented { credential, head: Some(head), resource })
    }

    fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
        self.verifier().verify(&Presented { credential, head: None, resource })
    }

    fn accepts_dpop(&self) -> bool {
        ProofChecker::is_offered(self.config.dpop)
    }

    fn dpop_algorithms(&self) -> &[&str] {
        ProofChecker::ALGORITHMS
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

/// A type as it is compared: without its optional beginning (RFC 7515, section 4.1.9), in small letters.
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned)
}

/// What verifies tokens, with what it remembers.
struct Verifier {
    config: Config,
    keys: Arc<KeySource>,
    cache: TokenCache<Verified>,
    proofs: ProofChecker,
}

/// A token that was verified.
#[derive(Clone)]
struct Verified {
    authorization: Authorization,
    binding: Arc<Binding>,
    key: Arc<VerificationKey>,
}

/// How far a verification has come.
enum Step {
    Done(Result<Authorization, CredentialError>),
    /// Keys must be fetched first; whether that is since the token's key is not known.
    Wait(Fetching, bool),
}

/// How often one verification waits: for the keys, and for those that are newer.
const MAX_WAITS: usize = 2;

impl Verifier {
    fn new(config: Config) -> Self {
        install();
        let Config { metrics, policy: TokenPolicy { limits, .. }, .. } = &config;
        let fetches = metrics.counter("anyport_key_set_fetches", "Fetches of key sets that verify tokens.");
        let keys = KeySource::new(config.place.clone(), *limits, fetches);
        let refusals = metrics.refusals("max_dpop_proofs");
        let proofs = ProofChecker::new(config.dpop, config.nonces.clone(), *limits, refusals);
        Self { keys: Arc::new(keys), cache: TokenCache::new(), proofs, config }
    }

    fn verify(self: &Arc<Self>, presented: &Presented<'_>) -> Verification {
        let waiting = match self.step(presented, false) {
            Step::Done(result) => return Verification::Ready(result),
            Step::Wait(fetching, is_sought) => (fetching, is_sought),
        };
        let (verifier, kept) = (self.clone(), presented.keep());
        Verification::Pending(Box::pin(async move {
            let (mut fetching, mut is_sought) = waiting;
            for _ in 0..MAX_WAITS {
                fetching.done().await;
                match verifier.step(&kept.presented(), is_sought) {
                    Step::Done(result) => return result,
                    Step::Wait(next, is_next_sought) => (fetching, is_sought) = (next, is_next_sought),
                }
            }
            Err(verifier.keys.still_unknown())
        }))
    }

    /// Verifies as far as the keys that are there allow. `was_sought`: they were just fetched for this token.
    fn step(&self, presented: &Presented<'_>, was_sought: bool) -> Step {
        let now = self.config.policy.now();
        let hash = TokenHash::of(presented.token(), presented.resource);
        if let Some(verified) = self.cached(&hash, now.instant) {
            return Step::Done(self.prove(&verified, presented, &now));
        }
        let (token, claims) = match self.unverified(presented) {
            Ok(read) => read,
            Err(error) => return Step::Done(Err(error)),
        };
        let keys = match self.keys.keys(now.instant) {
            Ok(Keys::Known(keys)) => keys,
            Ok(Keys::Awaited(fetching)) => return Step::Wait(fetching, false),
            Err(error) => return Step::Done(Err(error)),
        };
        let Some(key) = self.signer(&token, &keys) else {
            return match self.unsigned(&token, &keys, &claims, was_sought, &now) {
                Ok(fetching) => Step::Wait(fetching, true),
                Err(error) => Step::Done(Err(error)),
            };
        };
        Step::Done(self.accept(hash, &claims, key.clone(), presented, &now))
    }

    /// A token that was verified, if its key is still one of the issuer's.
    fn cached(&self, hash: &TokenHash, now: Instant) -> Option<Verified> {
        let verified = self.cache.get(hash, now)?;
        if self.keys.is_due(now) && !matches!(self.keys.keys(now), Ok(Keys::Known(_))) {
            return None;
        }
        verified.key.is_current().then_some(verified)
    }

    /// What the token says, after all checks that need no key.
    fn unverified<'a>(
        &self,
        presented: &Presented<'a>,
    ) -> Result<(UnverifiedToken<'a>, Claims), CredentialError> {
        let Config { types, is_untyped_allowed, algorithms, issuer, policy, .. } = &self.config;
        let token = UnverifiedToken::parse(&presented.credential.token, &policy.limits)?;
        let is_type_allowed =
            token.header.typ.as_deref().map_or(*is_untyped_allowed, |typ| types.contains(&media_type(typ)));
        if !is_type_allowed {
            return Err(invalid("the token's type (typ) is not that of an access token"));
        }
        if Algorithm::of(token.header.alg).is_none_or(|algorithm| !algorithms.contains(&algorithm)) {
            return Err(invalid("the token's algorithm is not allowed"));
        }
        let claims: Claims = token.claims()?;
        if claims.iss.as_deref() != Some(issuer) {
            return Err(invalid("the token is of another issuer (iss)"));
        }
        Ok((token, claims))
    }

    /// The key that has signed the token.
    fn signer<'a>(&self, token: &UnverifiedToken<'_>, keys: &'a KeySet) -> Option<&'a Arc<VerificationKey>> {
        let algorithm = Algorithm::of(token.header.alg)?;
        keys.find(token.header.kid.as_deref(), algorithm).find(|key| token.is_signed_by(&key.key))
    }

    /// What to do about a token that no known key has signed. A key that is known under the token's `kid` is not sought again.
    fn unsigned(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeySet,
        claims: &Claims,
        was_sought: bool,
        now: &Moment,
    ) -> Result<Fetching, CredentialError> {
        let id = token.header.kid.as_deref();
        let is_known = |algorithm| id.is_some() && keys.find(id, algorithm).next().is_some();
        if Algorithm::of(token.header.alg).is_some_and(is_known) {
            return Err(invalid("the token's signature is wrong"));
        }
        match was_sought {
            true => Err(self.keys.still_unknown()),
            false => self.keys.seek(claims.iat, now),
        }
    }

    /// The checks of a token that is the issuer's own.
    fn accept(
        &self,
        hash: TokenHash,
        claims: &Claims,
        key: Arc<VerificationKey>,
        presented: &Presented<'_>,
        now: &Moment,
    ) -> Result<Authorization, CredentialError> {
        let Config { issuer, policy: TokenPolicy { audiences, hierarchy, limits, .. }, .. } = &self.config;
        let end = claims.check_times(now)?;
        claims.check_audience(presented.resource, audiences)?;
        claims.check_kind()?;
        let subject = claims.sub.as_ref().and_then(|subject| subject.text());
        let subject = subject.ok_or(invalid("the token has no subject (sub)"))?;
        let authorization = claims.authorization(issuer, &subject, hierarchy).until(end);
        let verified = Verified { authorization, binding: Arc::new(claims.binding()?), key };
        self.cache.insert(
            hash,
            verified.clone(),
            end.min(now.instant + limits.token_cache),
            limits.max_cached_tokens,
        );
        self.prove(&verified, presented, now)
    }

    /// The proof is made for each request anew.
    fn prove(
        &self,
        verified: &Verified,
        presented: &Presented<'_>,
        now: &Moment,
    ) -> Result<Authorization, CredentialError> {
        self.proofs.check(&verified.binding, presented, now)?;
        Ok(verified.authorization.clone())
    }
}
