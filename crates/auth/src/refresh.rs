//! A new token for an old one, by one process at a time.

use std::{future::Future, pin::Pin, time::Duration};

use anyport_store::Clock;
use anyport_transport::client::http::without_secrets;
use tokio::time::{Instant, timeout};

use crate::{
    credential::Credential,
    error::Error,
    fetch::Fetcher,
    limits::{Refusals, SignInLimits},
    token::{Grant, TokenAnswer, TokenRequest},
    vault::Vault,
};

/// What renewing needs.
pub(crate) struct Refresher<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) clock: &'a Clock,
    pub(crate) limits: &'a SignInLimits,
    pub(crate) refusals: &'a Refusals,
}

/// Gives another token where there is no refresh token.
pub(crate) trait AnotherToken: Sync {
    /// Another token for the login of `held`, by its grant.
    fn another<'a>(
        &'a self,
        held: &'a Credential,
    ) -> Pin<Box<dyn Future<Output = Result<TokenAnswer, Error>> + Send + 'a>>;
}

/// How often a process looks whether the lease of another one has ended, which no change tells: that process hangs.
const LOOK: Duration = Duration::from_secs(1);

impl Refresher<'_> {
    /// The credential that takes the place of `held`: what another process has stored meanwhile, else one with a new token,
    /// which is stored before it is used. Where there is no refresh token, a grant without a user gives another token by
    /// `unattended`.
    ///
    /// Authorization servers that rotate refresh tokens take every login back of which an old one comes twice. So the token is
    /// redeemed under a lease, after the stored credential was read again.
    ///
    /// # Errors
    /// [`Error::NeedsLogin`] when the authorization server has taken the login back. After any other error everything is as it
    /// was.
    pub(crate) async fn renew(
        &self,
        held: &Credential,
        unattended: Option<&dyn AnotherToken>,
    ) -> Result<Credential, Error> {
        let (mut changes, mut is_told) = (None, false);
        let asked = Instant::now();
        let lease = loop {
            if let Some(newer) = self.newer(held).await? {
                return Ok(newer);
            }
            match self.vault.lease(held, self.limits.refresh_lease).await? {
                Some(lease) => break lease,
                // The other process stores its token and gives the lease back.
                None => {
                    if changes.is_some() && !is_told {
                        is_told = true;
                        let within = self.limits.refresh_lease.as_secs();
                        tracing::warn!(
                            "another process renews the token of {}, or has hung: it is waited for, at most {within} s \
                             (refresh_lease)",
                            without_secrets(&held.server)
                        );
                    }
                    let changes = changes.get_or_insert_with(|| self.vault.lease_changes(held));
                    let _ = timeout(LOOK, changes.next()).await;
                }
            }
        };
        if asked.elapsed() >= self.limits.refresh_lease {
            self.refusals.lease.increment();
        }
        let renewed = self.renew_alone(held, unattended).await;
        self.vault.release(lease).await;
        renewed
    }

    /// The stored credential, by another process or this one.
    async fn stored(&self, held: &Credential) -> Result<Credential, Error> {
        let issuer = &held.authorization_server.issuer;
        let Some(stored) = self.vault.of(issuer, &held.resource, &held.account).await? else {
            return Err(Error::NeedsLogin(format!("{} has been logged out", held.server)));
        };
        match stored.needs_login {
            true => Err(needs_login(held)),
            false => Ok(stored),
        }
    }

    /// The stored credential, if it is another one.
    async fn newer(&self, held: &Credential) -> Result<Option<Credential>, Error> {
        Ok(Some(self.stored(held).await?).filter(|stored| !stored.has_tokens_of(held)))
    }

    async fn renew_alone(
        &self,
        held: &Credential,
        unattended: Option<&dyn AnotherToken>,
    ) -> Result<Credential, Error> {
        let stored = self.stored(held).await?;
        if !stored.has_tokens_of(held) {
            return Ok(stored);
        }
        match self.token(&stored, unattended).await {
            Ok(answer) => {
                let renewed = stored.renewed(answer, self.clock.now());
                self.vault.replace(&renewed).await?;
                Ok(renewed)
            }
            Err(error) if error.is_invalid_grant() || error.is_invalid_client() => {
                // The lease may have been lost to a process that has a newer token by now.
                if let Some(newer) = self.newer(&stored).await? {
                    return Ok(newer);
                }
                // What the platform says of this program changes without a login.
                if !stored.grant.has_user() {
                    return Err(error);
                }
                if error.is_invalid_client() {
                    self.vault.unregister(&stored.client).await?;
                }
                self.vault.replace(&stored.taken_back()).await?;
                Err(needs_login(held))
            }
            Err(error) => Err(error),
        }
    }

    /// Another token: by the refresh token, else by the grant of the login.
    async fn token(
        &self,
        held: &Credential,
        unattended: Option<&dyn AnotherToken>,
    ) -> Result<TokenAnswer, Error> {
        match (&held.refresh_token, unattended) {
            (Some(token), _) => {
                let request = TokenRequest {
                    server: &held.authorization_server,
                    client: held.client.identity(),
                    grant: Grant::Refresh(token),
                    resource: held.names_resource.then_some(held.resource.as_str()),
                    proof_key: held.proof_key.as_ref(),
                    clock: self.clock,
                };
                request.send(self.fetcher).await
            }
            (None, Some(unattended)) => unattended.another(held).await,
            (None, None) => Err(needs_login(held)),
        }
    }
}

fn needs_login(held: &Credential) -> Error {
    let issuer = &held.authorization_server.issuer;
    Error::NeedsLogin(format!("{issuer} has taken the login of {} back, or it has expired", held.server))
}
