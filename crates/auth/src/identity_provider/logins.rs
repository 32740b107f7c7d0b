//! What providers say of users after they have signed in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_store::{Bucket, Collection, Error as StoreError, Expect, Key, Store, Write};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::{provider::IdentityProvider, user::SignedInUser};
use crate::{error::Error, pkce::random, secret::Secret, store_sealer::StoreSealer, token::TokenAnswer};

/// The tokens that providers have given, by the id of the login.
pub static PROVIDER_LOGINS: Bucket = Bucket::new("provider-login").sealed();
/// Which process renews the tokens of a login at present.
pub static PROVIDER_REFRESH_LEASES: Bucket = Bucket::new("provider-refresh");

/// Whether a provider still vouches for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderLoginStatus {
    /// It does, as far as it was asked.
    Active,
    /// It does not: the user must sign in again.
    Ended,
    /// It cannot be asked now.
    Unknown,
}

/// The logins of users at one provider. Clones are the same.
#[derive(Clone)]
pub struct ProviderLogins(Arc<Inner>);

struct Inner {
    provider: Arc<IdentityProvider>,
    store: Arc<dyn Store>,
    logins: Collection<Login>,
    /// How long a login is kept after it was last used.
    life: Duration,
    /// Until when the provider is not asked about a login, or about [`EVERY`] one, since it could not say.
    silent: Mutex<HashMap<Box<str>, Instant>>,
}

/// A login, with the tokens that the provider gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Login {
    /// The client at the provider to which the tokens were given: no other one gets them.
    client: String,
    issuer: String,
    subject: String,
    /// The user's domain, if the provider has verified it at the sign-in.
    #[serde(default)]
    domain: Option<String>,
    access_token: Secret,
    refresh_token: Option<Secret>,
    /// When the provider is asked again, in seconds since 1970; `None` if it cannot be asked without the user.
    check: Option<u64>,
    /// When the record was last written.
    written: u64,
    /// Whether the provider has taken the login back.
    has_ended: bool,
}

impl Login {
    /// Who has signed in.
    fn user(&self) -> SignedInUser {
        let Self { issuer, subject, domain, .. } = self.clone();
        SignedInUser { issuer, subject, domain, name: None }
    }
}

const FORMAT: u8 = 1;
/// How long one process may take to renew tokens.
const LEASE: Duration = Duration::from_secs(30);
/// How often a process looks whether another one has renewed them.
const LOOK: Duration = Duration::from_secs(1);
/// All logins, in place of the id of one.
const EVERY: &str = "";
/// How long a provider that could not say is not asked.
const PAUSE: Duration = Duration::from_secs(15);
/// How long before its end a token is renewed, though at most a fifth of its life.
const MARGIN: Duration = Duration::from_secs(60);
/// The errors of a refresh that are the provider's word about the user (RFC 6749, section 5.2; OpenID Connect Core, section 3.1.2.6;
/// GitHub, "Refreshing user access tokens").
const ENDED: [&str; 5] =
    ["invalid_grant", "bad_refresh_token", "interaction_required", "login_required", "consent_required"];

impl ProviderLogins {
    /// The logins in `store`, which must have been opened with [`PROVIDER_LOGINS`] and [`PROVIDER_REFRESH_LEASES`]. A login is kept for
    /// `life` after it was last asked for.
    pub fn new(
        provider: Arc<IdentityProvider>,
        store: Arc<dyn Store>,
        sealer: anyport_seal::Sealer,
        life: Duration,
    ) -> Self {
        let logins =
            Collection::new(store.clone(), &PROVIDER_LOGINS, FORMAT).sealer(Arc::new(StoreSealer(sealer)));
        Self(Arc::new(Inner { provider, store, logins, life, silent: Mutex::default() }))
    }

    /// Keeps the tokens of a user who has just signed in. Returns the id of the login.
    ///
    /// 2025-03-26, authorization §Session Binding Requirements: "MCP servers implementing third-party authorization **MUST**: 1.
    /// Maintain secure mapping between third-party tokens and issued MCP tokens".
    ///
    /// # Errors
    /// If they cannot be stored.
    pub async fn keep(&self, user: &SignedInUser, tokens: TokenAnswer) -> Result<String, Error> {
        let id = random()?.expose().to_owned();
        let now = self.0.provider.clock.now();
        let login = Login {
            client: self.0.provider.client(),
            issuer: user.issuer.clone(),
            subject: user.subject.clone(),
            domain: user.domain.clone(),
            check: self.0.next_check(&tokens, tokens.refresh_token.is_some(), now),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            written: seconds(now),
            has_ended: false,
        };
        if login.check.is_none() {
            tracing::info!(
                issuer = user.issuer,
                "the provider gave no refresh token: it cannot be asked later whether the login still holds"
            );
        }
        self.0.logins.insert(&id, &login, Some(self.0.life)).await?;
        Ok(id)
    }

    /// Whether the provider still vouches for the user of the login `id`. It is asked only when its token ends, or has no end and was
    /// not looked at for a while.
    ///
    /// 2025-03-26, authorization §Session Binding Requirements: "MCP servers implementing third-party authorization **MUST**: [...] 2.
    /// Validate third-party token status before honoring MCP tokens [...] 4. Handle third-party token expiration and renewal".
    pub async fn status(&self, id: &str) -> ProviderLoginStatus {
        let login = match self.0.read(id).await {
            Ok(Some(login)) => login,
            Ok(None) => return ProviderLoginStatus::Ended,
            Err(error) => {
                tracing::warn!(%error, "the login of a user cannot be read");
                return ProviderLoginStatus::Unknown;
            }
        };
        let now = seconds(self.0.provider.clock.now());
        if login.has_ended || login.client != self.0.provider.client() {
            return ProviderLoginStatus::Ended;
        }
        if !self.0.provider.still_admits(&login.user()) {
            tracing::info!(issuer = login.issuer, "a user who signed in before may not any more");
            return ProviderLoginStatus::Ended;
        }
        if login.check.is_none_or(|check| now < check) {
            self.0.touch(id, &login, now).await;
            return ProviderLoginStatus::Active;
        }
        if self.0.is_silent(id) {
            return ProviderLoginStatus::Unknown;
        }
        // A caller that goes away must not lose the token that the provider gives in place of the old one.
        let (this, asked) = (self.0.clone(), id.to_owned());
        let checked = tokio::spawn(async move { this.check(&asked).await }).await;
        match checked {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the provider cannot be asked about a login");
                // What the provider answers about one login says nothing of others.
                let is_of_all =
                    matches!(error, Error::Unreachable { .. } | Error::Answer { is_temporary: true, .. });
                self.0.be_silent(if is_of_all { EVERY } else { id });
                ProviderLoginStatus::Unknown
            }
            Err(_) => ProviderLoginStatus::Unknown,
        }
    }

    /// Forgets the login `id`. The provider keeps what it has: its grant is that of the user and this program, and other logins of the
    /// user may live by it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn end(&self, id: &str) -> Result<(), Error> {
        Ok(self.0.logins.remove(id).await?)
    }
}

impl Inner {
    async fn read(&self, id: &str) -> Result<Option<Login>, StoreError> {
        match self.logins.get(id).await {
            Ok(record) => Ok(record.map(|record| record.value)),
            // It was sealed by a key that is lost, so nothing can be asked by it.
            Err(StoreError::Unreadable) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks the provider, by one process at a time: many providers take every token of a user back if one refresh token comes twice.
    async fn check(&self, id: &str) -> Result<ProviderLoginStatus, Error> {
        let key = Key::new(&PROVIDER_REFRESH_LEASES, id);
        let mut changes = None;
        loop {
            let Some(login) = self.read(id).await? else { return Ok(ProviderLoginStatus::Ended) };
            if let Some(status) = self.settled(&login) {
                return Ok(status);
            }
            let write = Write::expecting(Expect::Absent).ttl(LEASE);
            match self.store.put(&key, b"held".as_slice().into(), write).await {
                Ok(version) => {
                    let checked = self.check_alone(id).await;
                    // If the lease is lost already, another process has it.
                    let _ = self.store.delete(&key, Expect::Version(version)).await;
                    return checked;
                }
                Err(StoreError::Conflict(_)) => {
                    let changes = changes.get_or_insert_with(|| self.store.watch(&key));
                    let _ = timeout(LOOK, changes.next()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is known without asking.
    fn settled(&self, login: &Login) -> Option<ProviderLoginStatus> {
        let now = seconds(self.provider.clock.now());
        match (login.has_ended, login.check) {
            (true, _) => Some(ProviderLoginStatus::Ended),
            (false, Some(check)) if check <= now => None,
            _ => Some(ProviderLoginStatus::Active),
        }
    }

    async fn check_alone(&self, id: &str) -> Result<ProviderLoginStatus, Error> {
        let Some(login) = self.read(id).await? else { return Ok(ProviderLoginStatus::Ended) };
        if let Some(status) = self.settled(&login) {
            return Ok(status);
        }
        match &login.refresh_token {
            Some(refresh_token) => match self.provider.renew(refresh_token).await {
                Ok(tokens) => self.save(id, tokens).await,
                Err(error) if is_end(&error) => self.finish(id, &error.to_string()).await,
                Err(error) => Err(error),
            },
            None if self.provider.is_of(&login.access_token, &login.subject).await? => {
                self.save_checked(id).await
            }
            None => self.finish(id, "it does not take its token any more").await,
        }
    }

    /// Keeps the tokens that came in place of others. Some providers do not repeat the refresh token.
    async fn save(&self, id: &str, tokens: TokenAnswer) -> Result<ProviderLoginStatus, Error> {
        let now = self.provider.clock.now();
        let check = self.next_check(&tokens, true, now);
        self.rewrite(id, |login| Login {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone().or(login.refresh_token),
            check,
            written: seconds(now),
            ..login
        })
        .await?;
        Ok(ProviderLoginStatus::Active)
    }

    async fn save_checked(&self, id: &str) -> Result<ProviderLoginStatus, Error> {
        let now = self.provider.clock.now();
        let check = Some(seconds(now + self.provider.limits.check_interval));
        self.rewrite(id, |login| Login { check, written: seconds(now), ..login }).await?;
        Ok(ProviderLoginStatus::Active)
    }

    /// Notes that the provider has taken the login back.
    async fn finish(&self, id: &str, why: &str) -> Result<ProviderLoginStatus, Error> {
        tracing::info!(why, "the provider has ended the login of a user");
        self.rewrite(id, |login| Login { refresh_token: None, has_ended: true, ..login }).await?;
        Ok(ProviderLoginStatus::Ended)
    }

    /// Changes a login, if it was not removed meanwhile.
    async fn rewrite(&self, id: &str, change: impl Fn(Login) -> Login) -> Result<(), Error> {
        let Some(known) = self.read(id).await? else { return Ok(()) };
        let change = |old: Option<Login>| change(old.unwrap_or_else(|| known.clone()));
        self.logins.update(id, Some(self.life), change).await?;
        Ok(())
    }

    /// Has a login that is used live on. It is written anew only now and then.
    async fn touch(&self, id: &str, login: &Login, now: u64) {
        let is_due = now.saturating_sub(login.written) > self.life.as_secs() / 30;
        if is_due && let Err(error) = self.rewrite(id, |login| Login { written: now, ..login }).await {
            tracing::warn!(%error, "the login of a user cannot be written");
        }
    }

    /// When the provider is asked about `tokens` that were received at `now`.
    fn next_check(&self, tokens: &TokenAnswer, has_refresh_token: bool, now: SystemTime) -> Option<u64> {
        let after = match (has_refresh_token, tokens.expires_in) {
            (true, Some(life)) => life.saturating_sub(MARGIN.min(life / 5)),
            (true, None) => self.provider.limits.check_interval,
            (false, _) if self.provider.knows_access_tokens() => self.provider.limits.check_interval,
            (false, _) => return None,
        };
        now.checked_add(after).map(seconds)
    }

    fn is_silent(&self, id: &str) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        [EVERY, id].into_iter().any(|id| silent.get(id).is_some_and(|until| now < *until))
    }

    fn be_silent(&self, id: &str) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        silent.retain(|_, until| now < *until);
        silent.insert(id.into(), now + PAUSE);
    }
}

/// Whether an error of a refresh says that the user must sign in again. That the client is refused is the fault of the
/// configuration, and ends nobody's login.
fn is_end(error: &Error) -> bool {
    matches!(error, Error::Refused { error, .. } if ENDED.contains(&error.code.as_str()))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
