//! The credential of one server as it is used: read from the store, renewed, replaced by a login.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_service::sync::Lock;
use anyport_store::Clock;
use anyport_transport::client::http::{Endpoint, SideRequest};
use http::HeaderValue;
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};
use url::Url;

use crate::{
    challenge::Challenges,
    credential::Credential,
    discover::{Discovered, discover},
    error::Error,
    fetch::Fetcher,
    grant::SecretReader,
    identity::Identities,
    limits::Refusals,
    login::Login,
    options::SignInOptions,
    pending_login::PendingLogin,
    refresh::{AnotherToken, Refresher},
    registration::RegistrationKind,
    scope::Scopes,
    unattended::Unattended,
    user_agent::UserAgent,
    vault::Vault,
};

/// What all clones of a [`SignIn`](super::SignIn) share.
pub(super) struct Inner {
    /// The server, without this authorizer.
    pub(super) endpoint: Endpoint,
    pub(super) server: Url,
    pub(super) account: String,
    pub(super) options: SignInOptions,
    pub(super) vault: Vault,
    pub(super) clock: Clock,
    pub(super) agent: Option<Arc<dyn UserAgent>>,
    /// Reads the assertions of platforms.
    pub(super) secrets: Option<Arc<dyn SecretReader>>,
    pub(super) refusals: Refusals,
    /// The assertion that was refused last, as a hash.
    pub(super) refused_assertion: Lock<Option<[u8; 32]>>,
    /// The nonce of the server for the next proof (RFC 9449 §9).
    pub(super) nonce: Lock<Option<String>>,
    /// Sees each credential before it is used.
    pub(super) observer: Option<CredentialObserver>,
    pub(super) current: Lock<Current>,
    /// The id of the login whose credential is used, if there is one.
    pub(super) login_id: watch::Sender<Option<Arc<str>>>,
    /// Whether the stored credential was read.
    pub(super) is_loaded: AtomicBool,
    /// Whether the server is on the public internet. Until a connection has shown it, it counts as such.
    pub(super) is_public: AtomicBool,
    /// The number of logins and renewals that have ended.
    pub(super) ended: AtomicU64,
    /// Held by the one that renews or signs in; what its last failure was.
    pub(super) gate: Mutex<Option<Error>>,
}

/// The credential as it is used.
#[derive(Default)]
pub(super) struct Current {
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) header: Option<HeaderValue>,
    /// When a renewal that failed is tried again.
    pub(super) not_before: Option<Instant>,
    /// When the stored credential is read again.
    pub(super) reread: Option<Instant>,
    pub(super) is_refreshing: bool,
    /// Whether the server refuses the token, though it was renewed, or cannot be.
    pub(super) is_refused: bool,
    /// What the last refusal was answered with by a renewal, and when: if the server refuses that as well, another renewal does not
    /// help for now.
    pub(super) renewed: Option<(HeaderValue, Instant)>,
}

/// Sees a credential before it is used.
pub(super) type CredentialObserver = Box<dyn Fn(&Credential) + Send + Sync>;

/// How long a renewal is not tried again that failed.
const PAUSE: Duration = Duration::from_secs(5);

impl Inner {
    pub(super) async fn load(&self) -> Result<(), Error> {
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
    pub(super) fn may_be_changed(&self) -> bool {
        self.current.lock().reread.is_some_and(|reread| Instant::now() >= reread)
    }

    /// Reads the stored credential again: another process may have logged out, or has a newer token.
    pub(super) async fn reread(&self) -> Result<(), Error> {
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
    pub(super) fn adopt(&self, credential: Credential) {
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

    pub(super) fn credential(&self) -> Option<Arc<Credential>> {
        self.current.lock().credential.clone()
    }

    pub(super) fn fetcher(&self) -> Fetcher {
        let is_public = self.is_public.load(Ordering::Relaxed);
        Fetcher::new(&self.endpoint, is_public, self.options.limits).refusals(self.refusals.clone())
    }

    /// What gives tokens without a user.
    pub(super) fn unattended<'a>(&'a self, fetcher: &'a Fetcher) -> Unattended<'a> {
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
    pub(super) fn is_alone(&self) -> bool {
        self.agent.is_none() && self.options.grant.has_user()
    }

    /// Notes how a login or a renewal has ended, for those that wait for it.
    pub(super) fn ended(
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
    pub(super) async fn challenges(&self) -> Result<Challenges, Error> {
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
    pub(super) async fn discover(
        &self,
        challenges: &Challenges,
        held: Option<&Credential>,
    ) -> Result<Discovered, Error> {
        let held = held.filter(|held| held.issuer_is_given);
        let of_login = held.map(|held| held.authorization_server.issuer.as_str());
        let issuer = self.options.issuer.as_deref().or(of_login);
        discover(&self.server, challenges, issuer, &self.fetcher()).await
    }

    pub(super) async fn log_in(&self, challenges: &Challenges) -> Result<Credential, Error> {
        let discovered = self.discover(challenges, None).await?;
        let scopes = self.scopes(challenges, &discovered);
        self.log_in_at(&discovered, self.server.as_str(), &scopes).await
    }

    /// The scopes of a first login.
    pub(super) fn scopes(&self, challenges: &Challenges, discovered: &Discovered) -> Scopes {
        let given = self.options.scopes.clone();
        given.unwrap_or_else(|| Scopes::of_login(challenges.scope(), discovered.scopes_supported.as_deref()))
    }

    pub(super) async fn log_in_at(
        &self,
        discovered: &Discovered,
        server: &str,
        scopes: &Scopes,
    ) -> Result<Credential, Error> {
        let fetcher = self.fetcher();
        self.login(discovered, server, &fetcher).run(scopes, &self.unattended(&fetcher)).await
    }

    pub(super) fn login<'a>(
        &'a self,
        discovered: &'a Discovered,
        server: &'a str,
        fetcher: &'a Fetcher,
    ) -> Login<'a> {
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

    pub(super) async fn redeem(&self, pending: &PendingLogin, answer: &str) -> Result<Credential, Error> {
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

    pub(super) async fn renew(&self, held: &Credential) -> Result<Credential, Error> {
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
    pub(super) fn is_due(&self) -> bool {
        let current = self.current.lock();
        let may_try = current.not_before.is_none_or(|not_before| Instant::now() >= not_before);
        let credential = current.credential.as_deref().filter(|credential| credential.can_refresh());
        may_try && credential.is_some_and(|one| one.is_due(self.clock.now(), &self.options.limits))
    }

    /// Reads the stored credential, and renews one that ends soon.
    pub(super) async fn prepare(&self) {
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
}
