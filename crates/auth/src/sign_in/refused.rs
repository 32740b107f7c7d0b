//! What a refusal of the server is answered with: a nonce, a token that another one has got, a renewal, a login.

use std::{sync::atomic::Ordering, time::Duration};

use anyport_transport::client::http::AccessRefusal;
use http::HeaderValue;
use tokio::time::Instant;

use super::inner::Inner;
use crate::{
    challenge::{BoundTokens, Challenges},
    credential::Credential,
    error::Error,
    scope::Scopes,
};

impl Inner {
    pub(super) async fn refused(&self, refusal: AccessRefusal) -> Result<bool, Error> {
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

/// How long the renewal after a refusal is not done again for another request.
const LATELY: Duration = Duration::from_secs(30);
