use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyport_metrics::{Counter, Metrics};
use anyport_seal::Sealer;
use anyport_service::Authorization;
use anyport_transport::{
    client::http::Endpoint,
    http::{CredentialError, DpopSupport, Verification},
};
use form_urlencoded::Serializer;
use serde::Deserialize;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use super::refused_clients::RefusedClients;

use crate::{
    client_auth::{AuthMethod, ClientIdentity},
    crypto::verify::install,
    error::Error,
    fetch::{Body, Fetcher, Post, successful},
    resource_server::{
        binding::Binding,
        cache::{TokenCache, TokenHash},
        claims::{Claims, Subject},
        dpop::ProofChecker,
        policy::TokenPolicy,
        presented::Presented,
        refusal::{RETRY, invalid, unavailable},
        remote::fetcher,
    },
    secret::Secret,
};

/// What is asked, and how.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) issuer: String,
    pub(super) url: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) method: AuthMethod,
    pub(super) endpoint: Endpoint,
    pub(super) policy: TokenPolicy,
    pub(super) dpop: DpopSupport,
    pub(super) nonces: Option<Sealer>,
    pub(super) metrics: Metrics,
}

/// What asks, with what it remembers.
pub(super) struct Verifier {
    config: Config,
    fetcher: Fetcher,
    cache: TokenCache<Introspected>,
    /// The refusals, apart: many of them push no accepted token out.
    refused: TokenCache<CredentialError>,
    refused_clients: RefusedClients,
    /// The tokens that are asked about at present: whoever has one of them waits for the same answer.
    running: Mutex<HashMap<TokenHash, watch::Receiver<Option<Answer>>>>,
    places: Arc<Semaphore>,
    proofs: ProofChecker,
    requests: Counter,
    refusals: Counter,
}

/// What is known of a token.
type Answer = Result<Introspected, CredentialError>;

#[derive(Clone)]
struct Introspected {
    authorization: Authorization,
    binding: Arc<Binding>,
}

/// The answer of an introspection endpoint (RFC 7662, section 2.2).
#[derive(Deserialize)]
struct Document {
    active: bool,
    username: Option<String>,
    client_id: Option<String>,
    token_type: Option<String>,
    #[serde(flatten)]
    claims: Claims,
}

impl Verifier {
    pub(super) fn new(config: Config) -> Self {
        install();
        let Config { metrics, policy: TokenPolicy { limits, .. }, .. } = &config;
        let proofs = ProofChecker::new(config.dpop, config.nonces.clone(), *limits, metrics);
        Self {
            fetcher: fetcher(&config.endpoint, limits),
            cache: TokenCache::new(),
            refused: TokenCache::new(),
            refused_clients: RefusedClients::new(limits.max_refused_introspections, metrics),
            running: Mutex::default(),
            places: Arc::new(Semaphore::new(limits.max_introspections)),
            proofs,
            requests: metrics
                .counter("anyport_introspections", "Tokens that an authorization server was asked about."),
            refusals: metrics.refusals("max_introspections"),
            config,
        }
    }

    /// A credential that is verified again is asked about, whatever is known: it may have been revoked.
    pub(super) fn verify(self: &Arc<Self>, presented: &Presented<'_>) -> Verification {
        let policy = &self.config.policy;
        if presented.token().len() > policy.limits.max_token {
            return Verification::Ready(Err(invalid("the token is longer than is read (max_token)")));
        }
        let hash = TokenHash::of(presented.token(), presented.resource);
        let (is_again, now) = (presented.head.is_none(), policy.now().instant);
        if !is_again && let Some(answer) = self.known(&hash, now) {
            return Verification::Ready(self.prove(&answer, presented));
        }
        if !is_again && let Err(error) = self.refused_clients.check(presented.credential.client, now) {
            return Verification::Ready(Err(error));
        }
        let mut answer = match self.ask(hash, presented) {
            Ok(answer) => answer,
            Err(error) => return Verification::Ready(Err(error)),
        };
        let (verifier, kept) = (self.clone(), presented.keep());
        Verification::Pending(Box::pin(async move {
            let answer = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
            let lost = || Err(unavailable("the introspection endpoint was not asked", RETRY));
            verifier.prove(&answer.unwrap_or_else(lost), &kept.presented())
        }))
    }

    /// What is known of a token.
    fn known(&self, hash: &TokenHash, now: Instant) -> Option<Answer> {
        let accepted = self.cache.get(hash, now).map(Ok);
        accepted.or_else(|| self.refused.get(hash, now).map(Err))
    }

    /// The answer to a request about the token: of one that is under way, or of a new one. It belongs to no caller.
    fn ask(
        self: &Arc<Self>,
        hash: TokenHash,
        presented: &Presented<'_>,
    ) -> Result<watch::Receiver<Option<Answer>>, CredentialError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = running.get(&hash).filter(|answer| answer.has_changed().is_ok()) {
            return Ok(answer.clone());
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.refusals.increment();
            return Err(unavailable("too many tokens are introspected at once (max_introspections)", RETRY));
        };
        let (sender, receiver) = watch::channel(None);
        running.insert(hash, receiver.clone());
        let (verifier, kept) = (self.clone(), presented.keep());
        tokio::spawn(async move {
            let answer = verifier.introspect(&kept.presented()).await;
            verifier.settle(hash, &answer, kept.presented().credential.client);
            sender.send_replace(Some(answer));
            drop(place);
        });
        Ok(receiver)
    }

    fn settle(&self, hash: TokenHash, answer: &Answer, client: Option<IpAddr>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        let TokenPolicy { limits, .. } = &self.config.policy;
        let (now, most) = (self.config.policy.now().instant, limits.max_cached_tokens);
        let until = now + limits.introspection_cache;
        match answer {
            // Soon it may be known.
            Err(CredentialError::Unavailable { .. }) => {}
            Err(error) => {
                self.refused_clients.count(client, now);
                self.cache.remove(&hash);
                self.refused.insert(hash, error.clone(), until, most);
            }
            Ok(known) => {
                let until = known.authorization.expires().map_or(until, |end| end.min(until));
                self.cache.insert(hash, known.clone(), until, most);
            }
        }
    }

    async fn introspect(&self, presented: &Presented<'_>) -> Answer {
        self.requests.increment();
        let document = self.request(presented.token()).await.map_err(|error| {
            // Errors of requests repeat neither what was sent nor what was answered.
            tracing::warn!(%error, "a token cannot be introspected");
            unavailable("the introspection endpoint cannot be asked", RETRY)
        })?;
        self.read(&document, presented.resource)
    }

    async fn request(&self, token: &str) -> Result<Document, Error> {
        let (url, post) = (&self.config.url, self.post(token)?);
        let answer = self.fetcher.post(url, post).await?;
        let body = successful(url, &answer)?;
        // What serde says may repeat a part of the answer.
        let why = || "answers with what is no introspection of a token (RFC 7662)".to_owned();
        let wrong = |_| Error::Answer { url: url.clone(), why: why(), is_temporary: false };
        serde_json::from_slice(body).map_err(wrong)
    }

    /// The request about a token.
    fn post(&self, token: &str) -> Result<Post, Error> {
        let Config { client_id, client_secret, method, issuer, policy, .. } = &self.config;
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        let client =
            ClientIdentity { id: client_id, secret: Some(client_secret), key: None, method: *method };
        let authorization = client.authenticate(&mut form, issuer, policy.clock.now())?;
        Ok(Post { authorization, ..Body::Form(form.finish()).into() })
    }

    fn read(&self, document: &Document, resource: &str) -> Answer {
        let Config { issuer, policy, .. } = &self.config;
        let Document { active, claims, .. } = document;
        if !active {
            return Err(invalid(
                "the token is not active: it has ended, was revoked, or is of another issuer",
            ));
        }
        if claims.iss.as_ref().is_some_and(|iss| iss != issuer) {
            return Err(invalid("the token is of another issuer (iss)"));
        }
        claims.check_audience(resource, &policy.audiences)?;
        claims.check_kind()?;
        // RFC 7662, section 2.2: `token_type` is that of RFC 6749, section 5.1. Some say in it that it is a refresh token.
        if document.token_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("refresh_token")) {
            return Err(invalid("the token is a refresh token, and no access token"));
        }
        let now = policy.now();
        claims.check_begin(&now)?;
        let end = claims.has_end().then(|| claims.check_times(&now)).transpose()?;
        let subject = document.subject().ok_or(invalid("the token has no subject (sub)"))?;
        let authorization = claims.authorization(issuer, &subject, &policy.hierarchy);
        let authorization = match end {
            Some(end) => authorization.until(end),
            None => authorization,
        };
        Ok(Introspected { authorization, binding: Arc::new(claims.binding()?) })
    }

    fn prove(&self, answer: &Answer, presented: &Presented<'_>) -> Result<Authorization, CredentialError> {
        let Introspected { authorization, binding } = answer.as_ref().map_err(Clone::clone)?;
        let now = self.config.policy.now();
        self.proofs.check(authorization.principal(), binding, presented, &now)?;
        Ok(authorization.clone())
    }
}

impl Document {
    fn subject(&self) -> Option<String> {
        let marked = |mark: &str, name: &Option<String>| {
            let name = name.as_ref().filter(|name| !name.is_empty())?;
            Some(format!("{mark}{name}"))
        };
        let subject =
            self.claims.sub.as_ref().and_then(Subject::text).map(|subject| match is_marked(&subject) {
                true => format!("sub:{subject}"),
                false => subject.into_owned(),
            });
        subject.or_else(|| marked(USERNAME, &self.username)).or_else(|| marked(CLIENT, &self.client_id))
    }
}

/// What stands before the name of a user who has no `sub`, and before the id of a client that acts for itself: none of them, and no
/// `sub`, must be taken for another.
const USERNAME: &str = "username:";
const CLIENT: &str = "client_id:";

/// Whether a `sub` looks like what is no `sub`.
fn is_marked(subject: &str) -> bool {
    [USERNAME, CLIENT, "sub:"].iter().any(|mark| subject.starts_with(mark))
}
