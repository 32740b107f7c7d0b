//! Signs in to one server: gives its requests their token, renews it, and answers refusals.

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
use anyport_transport::client::http::{AccessRefusal, Authorizer, Endpoint, SideRequest, SignInFailed};
use http::{HeaderValue, Method};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};
use url::Url;

use crate::{
    challenge::{BoundTokens, Challenges},
    credential::Credential,
    discover::{Discovered, Walk, discover},
    error::Error,
    fetch::Fetcher,
    grant::SecretReader,
    identity::{Identities, PROVIDERS},
    limits::{Refusals, SignInLimits},
    login::Login,
    options::SignInOptions,
    pending_login::PendingLogin,
    refresh::{AnotherToken, Refresher},
    registration::{ClientOptions, GivenClient, Registration, RegistrationKind},
    scope::Scopes,
    secret::Secret,
    unattended::Unattended,
    user_agent::UserAgent,
    vault::Vault,
};

/// The sign-in to one server with one account. Clones are the same: they share the token, its renewal and the login.
///
/// Without a [`UserAgent`] nobody is asked: a stored credential is used and renewed, and where a login is needed the server's
/// refusal comes through.
#[derive(Clone)]
pub struct SignIn(Arc<Inner>);

struct Inner {
    /// The server, without this authorizer.
    endpoint: Endpoint,
    server: Url,
    account: String,
    options: SignInOptions,
    vault: Vault,
    clock: Clock,
    agent: Option<Arc<dyn UserAgent>>,
    /// Reads the assertions of platforms.
    secrets: Option<Arc<dyn SecretReader>>,
    refusals: Refusals,
    /// The assertion that was refused last, as a hash.
    refused_assertion: Lock<Option<[u8; 32]>>,
    /// The nonce of the server for the next proof (RFC 9449 §9).
    nonce: Lock<Option<String>>,
    /// Sees each credential before it is used.
    observer: Option<CredentialObserver>,
    current: Lock<Current>,
    /// The id of the login whose credential is used, if there is one.
    login_id: watch::Sender<Option<Arc<str>>>,
    /// Whether the stored credential was read.
    is_loaded: AtomicBool,
    /// Whether the server is on the public internet. Until a connection has shown it, it counts as such.
    is_public: AtomicBool,
    /// The number of logins and renewals that have ended.
    ended: AtomicU64,
    /// Held by the one that renews or signs in; what its last failure was.
    gate: Mutex<Option<Error>>,
}

/// The credential as it is used.
#[derive(Default)]
struct Current {
    credential: Option<Arc<Credential>>,
    header: Option<HeaderValue>,
    /// When a renewal that failed is tried again.
    not_before: Option<Instant>,
    /// When the stored credential is read again.
    reread: Option<Instant>,
    is_refreshing: bool,
    /// Whether the server refuses the token, though it was renewed, or cannot be.
    is_refused: bool,
    /// What the last refusal was answered with by a renewal, and when: if the server refuses that as well, another renewal does not
    /// help for now.
    renewed: Option<(HeaderValue, Instant)>,
}

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

/// Sees a credential before it is used.
type CredentialObserver = Box<dyn Fn(&Credential) + Send + Sync>;

/// How long a renewal is not tried again that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// How long the renewal after a refusal is not done again for another request.
const LATELY: Duration = Duration::from_secs(30);

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

impl Inner {
    async fn load(&self) -> Result<(), Error> {
        if !self.is_loaded.load(Ordering::Acquire) {
            let stored = self.vault.find(self.server.as_str(), &self.account).await?;
            if let Some(stored) = stored {
                self.adopt(stored);
            }
            self.current.lock().reread = Some(Instant::now() + self.options.limits.login_reread);
            self.is_loaded.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether it is time to look what other processes have made of the stored credential.
    fn may_be_changed(&self) -> bool {
        self.current.lock().reread.is_some_and(|reread| Instant::now() >= reread)
    }

    /// Reads the stored credential again: another process may have logged out, or has a newer token.
    async fn reread(&self) -> Result<(), Error> {
        self.current.lock().reread = Some(Instant::now() + self.options.limits.login_reread);
        let stored = self.vault.find(self.server.as_str(), &self.account).await?;
        match (stored, self.credential()) {
            (Some(stored), Some(held))
                if stored.has_tokens_of(&held) && stored.needs_login == held.needs_login => {}
            (Some(stored), _) => self.adopt(stored),
            (None, Some(_)) => {
                let reread = self.current.lock().reread;
                *self.current.lock() = Current { reread, ..Current::default() };
                self.login_id.send_replace(None);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Uses a credential from now on.
    fn adopt(&self, credential: Credential) {
        self.is_public.store(credential.is_public, Ordering::Relaxed);
        self.observer.iter().for_each(|observe| observe(&credential));
        let mut current = self.current.lock();
        current.header = credential.header().filter(|_| !credential.needs_login);
        self.login_id.send_if_modified(|known| {
            let is_other = known.as_deref() != Some(&*credential.login_id);
            if is_other {
                *known = Some(credential.login_id.as_str().into());
            }
            is_other
        });
        current.credential = Some(Arc::new(credential));
        current.not_before = None;
        current.is_refused = false;
    }

    fn credential(&self) -> Option<Arc<Credential>> {
        self.current.lock().credential.clone()
    }

    fn fetcher(&self) -> Fetcher {
        let is_public = self.is_public.load(Ordering::Relaxed);
        Fetcher::new(&self.endpoint, is_public, self.options.limits).refusals(self.refusals.clone())
    }

    /// What gives tokens without a user.
    fn unattended<'a>(&'a self, fetcher: &'a Fetcher) -> Unattended<'a> {
        Unattended {
            fetcher,
            clock: &self.clock,
            secrets: self.secrets.as_deref(),
            identities: Identities {
                endpoint: &self.endpoint,
                vault: &self.vault,
                clock: &self.clock,
                limits: &self.options.limits,
                refusals: &self.refusals,
            },
            refused: &self.refused_assertion,
        }
    }

    /// Whether nobody can be asked, so that what needs a user fails.
    fn is_alone(&self) -> bool {
        self.agent.is_none() && self.options.grant.has_user()
    }

    /// Notes how a login or a renewal has ended, for those that wait for it.
    fn ended(
        &self,
        failure: &mut Option<Error>,
        outcome: Result<Credential, Error>,
    ) -> Result<Credential, Error> {
        *failure = outcome.as_ref().err().cloned();
        if let Ok(credential) = &outcome {
            self.adopt(credential.clone());
        }
        self.ended.fetch_add(1, Ordering::AcqRel);
        outcome
    }

    /// What the server says to a caller without a token. A `ping` changes nothing, and servers look at the token first.
    async fn challenges(&self) -> Result<Challenges, Error> {
        const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let limits = &self.options.limits;
        let request = SideRequest::post("application/json", PING, limits.max_document, limits.fetch_timeout)
            .header(http::header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let url = anyport_transport::client::http::without_secrets(self.server.as_str());
        let bare = self.endpoint.beside(self.server.as_str());
        let answer = match bare {
            Ok(bare) => bare.ask(request).await,
            Err(fault) => Err(fault),
        };
        let answer = answer.map_err(|fault| Error::Unreachable { url, fault })?;
        self.is_public.store(answer.is_public, Ordering::Relaxed);
        Ok(match answer.status {
            401 => Challenges::parse(&answer.challenges),
            _ => Challenges::default(),
        })
    }

    /// Finds the authorization server; that of the user's options, now or when `held` was got, comes before the server's own.
    async fn discover(
        &self,
        challenges: &Challenges,
        held: Option<&Credential>,
    ) -> Result<Discovered, Error> {
        let held = held.filter(|held| held.issuer_is_given);
        let of_login = held.map(|held| held.authorization_server.issuer.as_str());
        let issuer = self.options.issuer.as_deref().or(of_login);
        discover(&self.server, challenges, issuer, &self.fetcher()).await
    }

    async fn log_in(&self, challenges: &Challenges) -> Result<Credential, Error> {
        let discovered = self.discover(challenges, None).await?;
        let scopes = self.scopes(challenges, &discovered);
        self.log_in_at(&discovered, self.server.as_str(), &scopes).await
    }

    /// The scopes of a first login.
    fn scopes(&self, challenges: &Challenges, discovered: &Discovered) -> Scopes {
        let given = self.options.scopes.clone();
        given.unwrap_or_else(|| Scopes::of_login(challenges.scope(), discovered.scopes_supported.as_deref()))
    }

    async fn log_in_at(
        &self,
        discovered: &Discovered,
        server: &str,
        scopes: &Scopes,
    ) -> Result<Credential, Error> {
        let fetcher = self.fetcher();
        self.login(discovered, server, &fetcher).run(scopes, &self.unattended(&fetcher)).await
    }

    fn login<'a>(&'a self, discovered: &'a Discovered, server: &'a str, fetcher: &'a Fetcher) -> Login<'a> {
        Login {
            server,
            account: &self.account,
            discovered,
            options: &self.options,
            fetcher,
            vault: &self.vault,
            clock: &self.clock,
            refusals: &self.refusals,
            agent: self.agent.as_deref(),
        }
    }

    async fn redeem(&self, pending: &PendingLogin, answer: &str) -> Result<Credential, Error> {
        let code = pending.request.read_url(answer)?;
        let credential = pending.redeem(&code, &self.fetcher(), &self.clock).await;
        let client = pending.client();
        if client.kind == RegistrationKind::Dynamic
            && credential.as_ref().is_err_and(Error::is_invalid_client)
        {
            // The authorization server has forgotten it; the next login registers another one.
            self.vault.unregister(client).await?;
        }
        let credential = credential?;
        self.vault.save(&credential, self.server.as_str()).await?;
        Ok(credential)
    }

    async fn renew(&self, held: &Credential) -> Result<Credential, Error> {
        let (fetcher, limits) = (self.fetcher(), &self.options.limits);
        let (clock, refusals) = (&self.clock, &self.refusals);
        let refresher = Refresher { vault: &self.vault, fetcher: &fetcher, clock, limits, refusals };
        self.current.lock().is_refreshing = true;
        let unattended = self.unattended(&fetcher);
        let unattended: Option<&dyn AnotherToken> =
            if held.grant.has_user() { None } else { Some(&unattended) };
        let renewed = refresher.renew(held, unattended).await;
        self.current.lock().is_refreshing = false;
        match &renewed {
            Err(Error::NeedsLogin(_)) => self.adopt(held.taken_back()),
            // What the client or its platform has is not enough any more.
            Err(error) if !error.is_temporary() => self.current.lock().is_refused = true,
            _ => {}
        }
        renewed
    }

    /// Whether the token is to be renewed before the next request.
    fn is_due(&self) -> bool {
        let current = self.current.lock();
        let may_try = current.not_before.is_none_or(|not_before| Instant::now() >= not_before);
        let credential = current.credential.as_deref().filter(|credential| credential.can_refresh());
        may_try && credential.is_some_and(|one| one.is_due(self.clock.now(), &self.options.limits))
    }

    /// Reads the stored credential, and renews one that ends soon.
    async fn prepare(&self) {
        if let Err(error) = self.load().await {
            tracing::warn!(%error, "the stored credentials cannot be read");
            self.is_loaded.store(true, Ordering::Release);
        }
        let mut failure = match self.is_due() {
            true => self.gate.lock().await,
            // A look at the store waits for nobody's login.
            false => match self.gate.try_lock() {
                Ok(failure) => failure,
                Err(_) => return,
            },
        };
        if self.may_be_changed()
            && let Err(error) = self.reread().await
        {
            tracing::warn!(%error, "the stored credentials cannot be read");
        }
        // Another one may have done it while this one waited.
        let Some(held) = self.credential().filter(|_| self.is_due()) else { return };
        let renewed = self.renew(&held).await;
        if let Err(error) = self.ended(&mut failure, renewed) {
            tracing::warn!(%error, server = self.server.as_str(), "a token could not be renewed");
            self.current.lock().not_before = Some(Instant::now() + PAUSE);
        }
    }

    async fn refused(&self, refusal: AccessRefusal) -> Result<bool, Error> {
        self.is_public.store(refusal.is_public, Ordering::Relaxed);
        let challenges = Challenges::parse(&refusal.challenges);
        let lacks_scope = refusal.status == 403;
        // 2026-07-28, authorization §Step-Up Authorization Flow: "Retry the original request with the new authorization no more
        // than a few times and treat this as a permanent authorization failure".
        let is_final = match lacks_scope {
            true => {
                !challenges.is_insufficient_scope() || refusal.forbidden >= self.options.limits.max_step_ups
            }
            false => refusal.attempt >= MAX_ATTEMPTS,
        };
        if is_final {
            if lacks_scope && challenges.is_insufficient_scope() {
                self.refusals.step_ups.increment();
            }
            return Ok(false);
        }
        if self.takes_nonce(&refusal, &challenges) {
            return Ok(true);
        }
        let seen = self.ended.load(Ordering::Acquire);
        let mut failure = self.gate.lock().await;
        if self.has_other_token(&refusal).await? {
            return Ok(true);
        }
        // Those that were refused together share one login, and its failure.
        if let (true, Some(error)) = (self.ended.load(Ordering::Acquire) != seen, &*failure) {
            return self.no_access(error.clone(), lacks_scope);
        }
        let outcome = match lacks_scope {
            true => self.step_up(&challenges).await,
            false => {
                let token = refusal.sent.as_ref();
                let was_renewed = token.is_some_and(|token| self.was_renewed(token, refusal.attempt));
                self.regain(&challenges, was_renewed).await
            }
        };
        match self.ended(&mut failure, outcome) {
            Ok(_) => Ok(true),
            Err(error) => self.no_access(error, lacks_scope),
        }
    }

    /// Whether the refused token is good, and only its proof lacked the nonce that the refusal brought (RFC 9449 §9).
    fn takes_nonce(&self, refusal: &AccessRefusal, challenges: &Challenges) -> bool {
        let is_current = refusal.sent.is_some() && refusal.sent == self.current.lock().header;
        is_current && challenges.wants_nonce() && self.nonce.lock().is_some()
    }

    /// Where only a login helps and there is nobody to ask, the server's own refusal says more. A token that lacks a scope for one
    /// operation is as good as before for the others.
    fn no_access(&self, error: Error, lacks_scope: bool) -> Result<bool, Error> {
        match (&error, &self.agent) {
            (Error::NeedsLogin(_), None) if self.is_alone() => {
                self.current.lock().is_refused |= !lacks_scope;
                Ok(false)
            }
            _ => Err(error),
        }
    }

    /// Whether there is a token by now that was not sent, here or in the store.
    async fn has_other_token(&self, refusal: &AccessRefusal) -> Result<bool, Error> {
        let is_other = |header: &Option<HeaderValue>| header.is_some() && *header != refusal.sent;
        if is_other(&self.current.lock().header) {
            return Ok(true);
        }
        let stored = self.vault.find(self.server.as_str(), &self.account).await?;
        let stored = stored.filter(|stored| !stored.needs_login && is_other(&stored.header()));
        let is_newer = stored.is_some();
        if let Some(stored) = stored {
            self.adopt(stored);
        }
        Ok(is_newer)
    }

    /// Gets a token that the server takes: by the refresh token, if the server's tokens still come from where it does, else by a
    /// login.
    async fn regain(&self, challenges: &Challenges, was_renewed: bool) -> Result<Credential, Error> {
        let held = self.credential();
        if self.is_alone() && held.as_ref().is_none_or(|held| !held.can_refresh() || was_renewed) {
            return Err(Error::NeedsLogin(self.server.as_str().to_owned()));
        }
        let discovered = match (self.discover(challenges, held.as_deref()).await, &held) {
            // What the login has found is as good while nobody says otherwise.
            (Err(error), Some(held)) if error.is_temporary() && held.can_refresh() && !was_renewed => {
                return match self.renew_refused(held).await {
                    Err(Error::NeedsLogin(_)) if self.agent.is_some() => Err(error),
                    renewed => renewed,
                };
            }
            (discovered, _) => discovered?,
        };
        let mut scopes = self.scopes(challenges, &discovered);
        let is_bound = discovered.bound_tokens == BoundTokens::Required;
        let known = held.filter(|held| {
            held.authorization_server.issuer == discovered.server.issuer
                && held.resource == discovered.resource
                // A renewal binds no token to a key that was not bound before.
                && (held.proof_key.is_some() || !is_bound)
        });
        if let Some(held) = known {
            if held.can_refresh() && !was_renewed {
                match self.renew_refused(&held).await {
                    Err(Error::NeedsLogin(_)) if self.agent.is_some() => {}
                    renewed => return renewed,
                }
            }
            scopes = Scopes::parse(&held.requested_scope).and(&scopes);
        }
        // The token of another server of the same resource is not taken without a login: on a host with a path for each tenant,
        // any of them may name the whole host as its resource.
        self.log_in_at(&discovered, self.server.as_str(), &scopes).await
    }

    /// Whether `token` has answered a refusal already: of the same request, or a short time ago. A server that forgets tokens now and
    /// then gets another one each time.
    fn was_renewed(&self, token: &HeaderValue, attempt: u32) -> bool {
        let current = self.current.lock();
        let renewed = current.renewed.as_ref().filter(|(renewed, _)| renewed == token);
        renewed.is_some_and(|(_, at)| attempt > 0 || at.elapsed() < LATELY)
    }

    /// Renews a token that the server refuses, and notes with which one it was answered.
    async fn renew_refused(&self, held: &Credential) -> Result<Credential, Error> {
        let renewed = self.renew(held).await;
        let header = renewed.as_ref().ok().and_then(Credential::header);
        self.current.lock().renewed = header.map(|header| (header, Instant::now()));
        renewed
    }

    /// Signs in for the scopes that a request lacks, and for those that were asked for before: RFC 6749 §6 lets no refresh token
    /// widen them.
    async fn step_up(&self, challenges: &Challenges) -> Result<Credential, Error> {
        if self.is_alone() {
            return Err(Error::NeedsLogin(self.server.as_str().to_owned()));
        }
        let held = self.credential();
        let discovered = self.discover(challenges, held.as_deref()).await?;
        let lacking = Scopes::parse(challenges.scope().unwrap_or_default());
        let before = held.map(|held| Scopes::parse(&held.requested_scope)).unwrap_or_default();
        self.log_in_at(&discovered, self.server.as_str(), &before.and(&lacking)).await
    }
}

/// How often one request is sent again after HTTP status 401: with a newer token, with a renewed one, after a login.
const MAX_ATTEMPTS: u32 = 3;

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
