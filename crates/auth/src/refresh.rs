//! A new token for an old one, by one process at a time.

use std::time::Duration;

use anyport_store::Clock;
use tokio::time::sleep;

use crate::{
    credential::Credential,
    error::Error,
    fetch::Fetcher,
    limits::SignInLimits,
    token::{Grant, request_token},
    vault::Vault,
};

/// What renewing needs.
pub(crate) struct Refresher<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) clock: &'a Clock,
    pub(crate) limits: &'a SignInLimits,
}

/// How long a process waits before it looks again whether another one has renewed the token.
const PAUSE: Duration = Duration::from_millis(50);

impl Refresher<'_> {
    /// The credential that takes the place of `held`: what another process has stored meanwhile, else one with a new token,
    /// which is stored before it is used.
    ///
    /// Authorization servers that rotate refresh tokens take every login back of which an old one comes twice. So the token is
    /// redeemed under a lease, after the stored credential was read again.
    ///
    /// # Errors
    /// [`Error::NeedsLogin`] when the authorization server has taken the login back. After any other error everything is as it
    /// was.
    pub(crate) async fn renew(&self, held: &Credential) -> Result<Credential, Error> {
        let lease = loop {
            if let Some(newer) = self.newer(held).await? {
                return Ok(newer);
            }
            match self.vault.lease(held, self.limits.refresh_lease).await? {
                Some(lease) => break lease,
                None => sleep(PAUSE).await,
            }
        };
        let renewed = self.renew_alone(held).await;
        self.vault.release(lease).await;
        renewed
    }

    /// The stored credential, if it has another token.
    async fn newer(&self, held: &Credential) -> Result<Option<Credential>, Error> {
        let issuer = &held.authorization_server.issuer;
        let Some(stored) = self.vault.of(issuer, &held.resource, &held.account).await? else {
            return Err(Error::NeedsLogin(format!("{} has been logged out", held.server)));
        };
        if stored.needs_login {
            return Err(needs_login(held));
        }
        Ok(Some(stored).filter(|stored| stored.access_token != held.access_token))
    }

    async fn renew_alone(&self, held: &Credential) -> Result<Credential, Error> {
        if let Some(newer) = self.newer(held).await? {
            return Ok(newer);
        }
        let Some(token) = &held.refresh_token else { return Err(needs_login(held)) };
        let resource = held.names_resource.then_some(held.resource.as_str());
        let (server, client) = (&held.authorization_server, held.client.identity());
        let answer = request_token(self.fetcher, server, &client, &Grant::Refresh(token), resource).await;
        match answer {
            Ok(answer) => {
                let renewed = held.renewed(answer, self.clock.now());
                self.vault.replace(&renewed).await?;
                Ok(renewed)
            }
            Err(error) if error.is_invalid_grant() || error.is_invalid_client() => {
                // The lease may have been lost to a process that has a newer token by now.
                if let Some(newer) = self.newer(held).await? {
                    return Ok(newer);
                }
                if error.is_invalid_client() {
                    self.vault.unregister(&server.issuer, client.id).await?;
                }
                self.vault.replace(&held.taken_back()).await?;
                Err(needs_login(held))
            }
            Err(error) => Err(error),
        }
    }
}

fn needs_login(held: &Credential) -> Error {
    let issuer = &held.authorization_server.issuer;
    Error::NeedsLogin(format!("{issuer} has taken the login of {} back, or it has expired", held.server))
}
