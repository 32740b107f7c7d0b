//! Signs in to one server: gives its requests their token, renews it, and answers refusals.

mod inner;
mod refused;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_service::sync::Lock;
use anyport_store::Clock;
use anyport_transport::client::http::{AccessRefusal, Authorizer, Endpoint, SignInFailed};
use http::{HeaderValue, Method};
use tokio::sync::{Mutex, watch};
use url::Url;

use self::inner::{Current, Inner};
use crate::{
    credential::Credential,
    discover::{Discovered, Walk},
    error::Error,
    fetch::Fetcher,
    grant::SecretReader,
    identity::PROVIDERS,
    limits::{Refusals, SignInLimits},
    options::SignInOptions,
    pending_login::PendingLogin,
    registration::{ClientOptions, GivenClient, Registration},
    scope::Scopes,
    secret::Secret,
    user_agent::UserAgent,
    vault::Vault,
};

/// The sign-in to one server with one account. Clones are the same: they share the token, its renewal and the login.
///
/// Without a [`UserAgent`] nobody is asked: a stored credential is used and renewed, and where a login is needed the server's
/// refusal comes through.
#[derive(Clone)]
pub struct SignIn(Arc<Inner>);

/// What a sign-in needs before the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInState {
    /// Nobody has signed in, or the server has not asked for it.
    SignedOut,
    /// There is a token.
    SignedIn,
    /// The token has ended, and is renewed before the next request.
    Expired,
    /// The token is being renewed.
    Refreshing,
    /// Only a login helps.
    NeedsLogin,
}

/// The account, unless the user names one.
pub const DEFAULT_ACCOUNT: &str = "default";

impl SignIn {
    /// A sign-in to the server at `endpoint`, whose credentials are in `vault`.
    ///
    /// # Errors
    /// When its URL is no place for a token: neither `https:` nor on this machine.
    pub fn new(
        endpoint: &Endpoint,
        account: impl Into<String>,
        vault: Vault,
        options: SignInOptions,
    ) -> Result<Self, Error> {
        let written = endpoint.url();
        let without_fragment = written.split('#').next().unwrap_or(written);
        let server = crate::safe_url::safe_url(without_fragment).map_err(|why| Error::Url {
            what: "the URL of the server",
            url: anyport_transport::client::http::without_secrets(written),
            why,
        })?;
        Ok(Self(Arc::new(Inner {
            endpoint: endpoint.clone(),
            server,
            account: account.into(),
            options,
            vault,
            clock: Clock::default(),
            agent: None,
            secrets: None,
            refusals: Refusals::new(&Metrics::new()),
            refused_assertion: Lock::default(),
            nonce: Lock::default(),
            observer: None,
            current: Lock::default(),
            login_id: watch::Sender::new(None),
            is_loaded: AtomicBool::new(false),
            is_public: AtomicBool::new(true),
            ended: AtomicU64::new(0),
            gate: Mutex::new(None),
        })))
    }

    /// Lets `agent` show the pages of logins. Call it before anything else.
    #[must_use]
    pub fn user_agent(self, agent: impl UserAgent) -> Self {
        self.with(|inner| inner.agent = Some(Arc::new(agent)))
    }

    /// Lets `reader` read the assertions of platforms. Call it before anything else.
    #[must_use]
    pub fn secret_reader(self, reader: impl SecretReader) -> Self {
        self.with(|inner| inner.secrets = Some(Arc::new(reader)))
    }

    /// Counts in `metrics` what the limits refuse. Call it before anything else.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        self.with(|inner| inner.refusals = Refusals::new(metrics))
    }

    /// Reads the time from `clock`. Call it before anything else.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    /// Shows `observe` each credential before it is used, for example to hide its tokens in logs. Call it before anything else.
    #[must_use]
    pub fn observed(self, observe: impl Fn(&Credential) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.observer = Some(Box::new(observe)))
    }

    fn with(mut self, set: impl FnOnce(&mut Inner)) -> Self {
        // A clone has the same state, which is set before it is shared.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            set(inner);
        }
        self
    }

    /// The endpoint with this sign-in.
    pub fn endpoint(&self) -> Endpoint {
        self.0.endpoint.clone().authorizer(Arc::new(self.clone()))
    }

    /// Signs in, whether or not there is a credential.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn log_in(&self) -> Result<Credential, Error> {
        let inner = &*self.0;
        let mut failure = inner.gate.lock().await;
        let challenges = inner.challenges().await?;
        let outcome = inner.log_in(&challenges).await;
        inner.ended(&mut failure, outcome)
    }

    /// Begins a login with `state`, which must be random, whose answer comes to the redirect URI of the options: somebody else takes it there,
    /// and ends the login with [`finish_login`](Self::finish_login), in another process perhaps. `lacking` are scopes that the login before
    /// lacked: they are asked for together with those of that login.
    ///
    /// # Errors
    /// Why there is no page to sign in at.
    pub async fn begin_login(&self, state: Secret, lacking: &Scopes) -> Result<PendingLogin, Error> {
        let inner = &*self.0;
        inner.load().await?;
        let challenges = inner.challenges().await?;
        let discovered = inner.discover(&challenges, None).await?;
        let scopes = match (lacking.parameter(), inner.credential()) {
            (None, _) => inner.scopes(&challenges, &discovered),
            (Some(_), None) => inner.scopes(&challenges, &discovered).and(lacking),
            (Some(_), Some(held)) => Scopes::parse(&held.requested_scope).and(lacking),
        };
        let fetcher = inner.fetcher();
        inner.login(&discovered, inner.server.as_str(), &fetcher).begin(&scopes, state).await
    }

    /// Ends a login by `answer`, the URL to which its page has sent the browser.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn finish_login(&self, pending: &PendingLogin, answer: &str) -> Result<Credential, Error> {
        let inner = &*self.0;
        let mut failure = inner.gate.lock().await;
        inner.is_public.store(pending.is_public(), Ordering::Relaxed);
        let outcome = inner.redeem(pending, answer).await;
        inner.ended(&mut failure, outcome)
    }

    /// Signs the user in to the identity provider at `issuer`, which then says to other authorization servers who the user is
    /// ([`LoginGrant::IdentityProvider`](crate::LoginGrant::IdentityProvider), with the account of this sign-in as its name).
    ///
    /// # Errors
    /// Why there is no ID token.
    pub async fn log_in_to_provider(&self, issuer: &str) -> Result<Credential, Error> {
        let inner = &*self.0;
        let _alone = inner.gate.lock().await;
        // The user has named it, so it may be anywhere.
        inner.is_public.store(false, Ordering::Relaxed);
        let provider = Discovered::provider(issuer, &inner.fetcher()).await?;
        let scopes = inner.options.scopes.clone().unwrap_or_default();
        let credential = inner.log_in_at(&provider, PROVIDERS, &Scopes::parse("openid").and(&scopes)).await?;
        inner.observer.iter().for_each(|observe| observe(&credential));
        match credential.id_token {
            Some(_) => Ok(credential),
            None => Err(Error::NoIdentity(inner.account.clone())),
        }
    }

    /// Keeps the ID token of a user whom the application has signed in at the provider at `issuer` by itself, with its own client
    /// there, as [`log_in_to_provider`](Self::log_in_to_provider) does.
    ///
    /// # Errors
    /// When the provider has no metadata, or the store fails.
    pub async fn keep_identity(
        &self,
        issuer: &str,
        client: GivenClient,
        id_token: Secret,
    ) -> Result<(), Error> {
        let inner = &*self.0;
        let fetcher = Fetcher::new(&inner.endpoint, false, inner.options.limits);
        let provider = Discovered::provider(issuer, &fetcher).await?;
        let options = ClientOptions { given: Some(client), ..ClientOptions::default() };
        let client = Registration::make(&fetcher, &provider.server, &options, "").await?;
        let credential =
            Credential::of_identity(provider.server, client, id_token, (&inner.account, inner.clock.now()));
        inner.vault.save(&credential, PROVIDERS).await
    }

    /// Walks to the authorization server, and stops there: what a login would find.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn walk(&self) -> Result<Walk, Error> {
        let challenges = self.0.challenges().await?;
        let issuer = self.0.options.issuer.as_deref();
        Ok(Walk::new(&self.0.server, &challenges, issuer, &self.0.fetcher()).await)
    }

    /// Takes the tokens back, and forgets them. Returns the credential, and what the authorization server said if it did not do
    /// its part; `None` if there is no credential.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_out(&self) -> Result<Option<(Credential, Result<bool, Error>)>, Error> {
        let inner = &*self.0;
        let _alone = inner.gate.lock().await;
        let Some(credential) = inner.vault.find(inner.server.as_str(), &inner.account).await? else {
            return Ok(None);
        };
        inner.observer.iter().for_each(|observe| observe(&credential));
        let fetcher = Fetcher::new(&inner.endpoint, credential.is_public, inner.options.limits);
        let revoked = crate::revoke::revoke(&fetcher, &credential, inner.clock.now()).await;
        inner.vault.remove(&credential).await?;
        *inner.current.lock() = Current::default();
        inner.login_id.send_replace(None);
        Ok(Some((credential, revoked)))
    }

    /// Reads the stored credential, if that was not done.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(&self) -> Result<Option<Credential>, Error> {
        self.0.load().await?;
        Ok(self.0.current.lock().credential.as_deref().cloned())
    }

    /// Reads the stored credential again, which another login may have brought.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reload(&self) -> Result<(), Error> {
        self.0.reread().await?;
        self.0.is_loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// The id of the login whose credential is used, and its changes; `None` while there is none. A renewal changes nothing.
    pub fn login_id(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.0.login_id.subscribe()
    }

    /// The scopes that the login has asked for whose credential is used; none while there is no such login.
    pub fn requested_scopes(&self) -> Scopes {
        let current = self.0.current.lock();
        current.credential.as_deref().map(|held| Scopes::parse(&held.requested_scope)).unwrap_or_default()
    }

    /// Whether its token was received within `time`.
    pub(crate) fn is_younger_than(&self, time: Duration) -> bool {
        let current = self.0.current.lock();
        current.credential.as_deref().is_some_and(|held| held.is_younger_than(time, self.0.clock.now()))
    }

    /// What its requests are limited to.
    pub fn limits(&self) -> &SignInLimits {
        &self.0.options.limits
    }

    /// Counts an operation that lacks scopes after as many logins as are allowed for it.
    pub(crate) fn count_step_ups(&self) {
        self.0.refusals.step_ups.increment();
    }

    /// What is needed before the next call.
    pub fn state(&self) -> SignInState {
        let current = self.0.current.lock();
        match &current.credential {
            _ if current.is_refreshing => SignInState::Refreshing,
            None => SignInState::SignedOut,
            Some(credential) if credential.needs_login || current.is_refused => SignInState::NeedsLogin,
            Some(credential) if credential.is_expired(self.0.clock.now()) => match credential.can_refresh() {
                true => SignInState::Expired,
                false => SignInState::NeedsLogin,
            },
            Some(_) => SignInState::SignedIn,
        }
    }
}

impl Authorizer for SignIn {
    fn authorization(&self) -> Option<HeaderValue> {
        self.0.current.lock().header.clone()
    }

    fn proof(&self, method: &Method, url: &Url, authorization: &HeaderValue) -> Option<HeaderValue> {
        let current = self.0.current.lock();
        let held = current.credential.clone().filter(|_| current.header.as_ref() == Some(authorization))?;
        drop(current);
        let (key, nonce) = (held.proof_key.as_ref()?, self.0.nonce.lock().clone());
        let (token, now) = (Some(&held.access_token), self.0.clock.now());
        let proof = key.proof(method.as_str(), url.as_str(), token, nonce.as_deref(), now);
        proof.inspect_err(|error| tracing::warn!(%error, "no proof for a token that is bound to a key")).ok()
    }

    fn nonce(&self, nonce: &HeaderValue) {
        *self.0.nonce.lock() = nonce.to_str().ok().map(str::to_owned);
    }

    fn prepare(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> {
        if self.0.is_loaded.load(Ordering::Acquire) && !self.0.is_due() && !self.0.may_be_changed() {
            return None;
        }
        let inner = self.0.clone();
        // A call that is given up takes no renewal with it: the old refresh token may be used up already.
        Some(Box::pin(async move {
            let _ = tokio::spawn(async move { inner.prepare().await }).await;
        }))
    }

    fn refused(
        &self,
        refusal: AccessRefusal,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SignInFailed>> + Send + '_>> {
        let inner = self.0.clone();
        // Nor a login, which others wait for.
        let answer = tokio::spawn(async move { inner.refused(refusal).await });
        Box::pin(async move {
            match answer.await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(SignInFailed { why: "the login was cancelled".to_owned(), is_temporary: true }),
            }
        })
    }
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn")
            .field("endpoint", &self.0.endpoint)
            .field("account", &self.0.account)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
