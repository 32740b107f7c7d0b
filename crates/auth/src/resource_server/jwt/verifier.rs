use std::{collections::BTreeSet, sync::Arc};

use anyport_metrics::{Counter, Metrics};
use anyport_seal::Sealer;
use anyport_service::Authorization;
use anyport_transport::http::{CredentialError, DpopSupport, Verification};
use tokio::time::Instant;

use crate::{
    crypto::verify::install,
    resource_server::{
        algorithm::Algorithm,
        binding::Binding,
        cache::{TokenCache, TokenHash},
        claims::{Claims, Moment},
        dpop::ProofChecker,
        jws::UnverifiedToken,
        key_set::{KeySet, VerificationKey},
        key_source::{Fetching, KeyPlace, KeySource, Keys, Seeker},
        policy::TokenPolicy,
        presented::Presented,
        refusal::invalid,
    },
};

/// What tokens are verified by.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) issuer: String,
    pub(super) place: KeyPlace,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) types: BTreeSet<String>,
    pub(super) is_untyped_allowed: bool,
    pub(super) policy: TokenPolicy,
    pub(super) dpop: DpopSupport,
    pub(super) nonces: Option<Sealer>,
    pub(super) metrics: Metrics,
}

/// What verifies tokens, with what it remembers.
pub(super) struct Verifier {
    config: Config,
    keys: Arc<KeySource>,
    cache: TokenCache<Verified>,
    proofs: ProofChecker,
    refusals: Counter,
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
    pub(super) fn new(config: Config) -> Self {
        install();
        let Config { metrics, policy: TokenPolicy { limits, .. }, .. } = &config;
        let keys = KeySource::new(config.place.clone(), *limits, metrics);
        let proofs = ProofChecker::new(config.dpop, config.nonces.clone(), *limits, metrics);
        let refusals = metrics.refusals("max_keys_tried");
        Self { keys: Arc::new(keys), cache: TokenCache::new(), proofs, refusals, config }
    }

    pub(super) fn verify(self: &Arc<Self>, presented: &Presented<'_>) -> Verification {
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
            return match self.unsigned(&token, &keys, &claims, presented, was_sought, &now) {
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
        let tried =
            keys.find(token.header.kid.as_deref(), algorithm).take(self.config.policy.limits.max_keys_tried);
        tried.into_iter().find(|key| token.is_signed_by(&key.key))
    }

    /// What to do about a token that no known key has signed. A key that is known under the token's `kid` is not sought again.
    fn unsigned(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeySet,
        claims: &Claims,
        presented: &Presented<'_>,
        was_sought: bool,
        now: &Moment,
    ) -> Result<Fetching, CredentialError> {
        let id = token.header.kid.as_deref();
        let fitting = Algorithm::of(token.header.alg).map_or(0, |algorithm| keys.find(id, algorithm).count());
        if fitting > self.config.policy.limits.max_keys_tried {
            self.refusals.increment();
            return Err(invalid(
                "the token does not name its key (kid), and its issuer has more keys than are tried (max_keys_tried)",
            ));
        }
        if id.is_some() && fitting > 0 {
            return Err(invalid("the token's signature is wrong"));
        }
        match was_sought {
            true => Err(self.keys.still_unknown()),
            false => self.keys.seek(Seeker::new(id, presented.credential.client), claims.iat, now),
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
        self.proofs.check(verified.authorization.principal(), &verified.binding, presented, now)?;
        Ok(verified.authorization.clone())
    }
}

/// A type as it is compared: without its optional beginning (RFC 7515, section 4.1.9), in small letters.
pub(super) fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned)
}
