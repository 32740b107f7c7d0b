//! Refresh tokens are replaced at each use.

use anyport_store::Error as StoreError;

use super::{
    grants::{GrantError, Grants, Issued, seconds},
    record::{Found, Replaced},
};
use crate::{
    authorization_server::{
        error::ServerError,
        token_text::{TokenKind, has_hash, hash, random_text},
    },
    secret::Secret,
};

/// What a client presents to have its refresh token replaced.
#[derive(Clone, Copy)]
pub(crate) struct RefreshRequest<'a> {
    pub(crate) token: &'a Secret,
    pub(crate) client_id: &'a str,
    /// The scopes that it asks for, if it asks for some.
    pub(crate) scopes: Option<&'a [String]>,
    /// The scopes that are given; empty: all.
    pub(crate) given: &'a [String],
}

/// How often a compare-and-set is tried.
const TRIES: usize = 8;
/// How many replaced refresh tokens are remembered, so that their reuse is noticed.
const REPLACED: usize = 16;
/// What a client learns of a refresh token that gives nothing.
const UNKNOWN: &str = "the refresh token is unknown, was revoked, or has expired";

impl RefreshRequest<'_> {
    /// The scopes of the new access token, of those that the user has `granted`: what the configuration does not give any more is left
    /// out. If nothing remains, the user signs in again, and sees what there is now.
    fn scopes_of(&self, granted: &[String]) -> Result<Vec<String>, GrantError> {
        let is_given = |scope: &&String| self.given.is_empty() || self.given.contains(scope);
        let given: Vec<String> = granted.iter().filter(is_given).cloned().collect();
        if given.is_empty() && !granted.is_empty() {
            let why = "none of the granted scopes is given here any more: the user must sign in again";
            return Err(GrantError::Invalid(why));
        }
        let Some(requested) = self.scopes else { return Ok(given) };
        // RFC 6749 §6: "The requested scope MUST NOT include any scope not originally granted by the resource owner".
        if !requested.iter().all(|scope| granted.contains(scope)) {
            return Err(GrantError::Scope("a scope that was not granted cannot be had by a refresh"));
        }
        let scopes: Vec<String> = given.into_iter().filter(|scope| requested.contains(scope)).collect();
        match scopes.is_empty() {
            true => Err(GrantError::Scope("none of these scopes is given here any more")),
            false => Ok(scopes),
        }
    }
}

impl Grants {
    /// Replaces a refresh token. A repetition within the time for retries gets the same tokens again: its answer may have been
    /// lost, or several processes of a client may have come at once. A later one ends the grant.
    ///
    /// RFC 6749 §10.4: "If a refresh token is compromised and subsequently used by both the attacker and the legitimate client,
    /// one of them will present an invalidated refresh token, which will inform the authorization server of the breach."
    pub(crate) async fn refresh(&self, request: RefreshRequest<'_>) -> Result<Issued, GrantError> {
        let RefreshRequest { token: refresh_token, client_id, .. } = request;
        for _ in 0..TRIES {
            let Some(found) = self.of_refresh_token(refresh_token.expose()).await? else {
                self.check_forgotten(refresh_token).await?;
                return Err(GrantError::Invalid(UNKNOWN));
            };
            if found.grant.client_id != client_id {
                return Err(GrantError::Invalid("the refresh token is another client's"));
            }
            if found.grant.refresh.as_ref().is_none_or(|token| !has_hash(refresh_token.expose(), &token.hash))
            {
                return self.again(&found, refresh_token).await;
            }
            match self.replace(found, request).await {
                Err(GrantError::Failed(ServerError::Store(StoreError::Conflict(_)))) => {}
                answered => return answered,
            }
        }
        Err(GrantError::Failed(ServerError::Store(StoreError::Unreachable)))
    }

    /// Checks that the grant which an unknown refresh token names has forgotten none of its tokens: it may be one of them, replaced so
    /// many times that its reuse would not be noticed. Only who had a token of the grant knows its id.
    async fn check_forgotten(&self, refresh_token: &Secret) -> Result<(), GrantError> {
        let Some(found) = self.find(TokenKind::Refresh, refresh_token.expose()).await? else { return Ok(()) };
        if found.grant.replaced.len() < REPLACED {
            return Ok(());
        }
        self.refusals.refresh_retry.increment();
        let why = "a refresh token was used again long after it had been replaced";
        Err(GrantError::Reused { grant: Box::new(found), why, words: UNKNOWN })
    }

    async fn replace(
        &self,
        Found { id, mut grant, version }: Found,
        request: RefreshRequest<'_>,
    ) -> Result<Issued, GrantError> {
        let (now, refresh_token) = (self.seconds(), request.token);
        if grant.refresh.as_ref().is_none_or(|token| token.expires <= now) {
            self.refusals.refresh_token.increment();
            return Err(GrantError::Invalid("the refresh token has expired"));
        }
        if grant.granted.saturating_add(seconds(self.limits.grant_life)) <= now {
            self.refusals.grant_life.increment();
            return Err(GrantError::Invalid(
                "the grant has reached its longest life: the user must sign in again",
            ));
        }
        let scopes = request.scopes_of(&grant.scopes)?;
        let salt = random_text()?.expose().to_owned();
        grant.replaced.iter_mut().for_each(|replaced| replaced.salt = None);
        grant.replaced.push(Replaced {
            hash: hash(refresh_token.expose()),
            retry_until: now + seconds(self.limits.refresh_retry),
            salt: Some(salt.clone()),
        });
        let beyond = grant.replaced.len().saturating_sub(REPLACED);
        grant.replaced.drain(..beyond);
        let access = TokenKind::Access.derived(&id, refresh_token.expose(), &salt);
        let refresh = TokenKind::Refresh.derived(&id, refresh_token.expose(), &salt);
        let issued = self.add(&mut grant, access, refresh, Some(&scopes));
        self.records.replace(&id, version, &grant, Some(self.life())).await?;
        Ok(issued)
    }

    /// Answers a refresh token that was replaced.
    async fn again(&self, found: &Found, refresh_token: &Secret) -> Result<Issued, GrantError> {
        let Found { id, grant, .. } = found;
        let now = self.seconds();
        let replaced =
            grant.replaced.iter().find(|replaced| has_hash(refresh_token.expose(), &replaced.hash));
        let salt = replaced.filter(|replaced| now < replaced.retry_until).and_then(|one| one.salt.as_ref());
        let Some(salt) = salt else {
            self.refusals.refresh_retry.increment();
            return Err(GrantError::Reused {
                grant: Box::new(found.clone()),
                why: "a refresh token was used again after it had been replaced",
                words: "the refresh token was used already, so every token of its grant is revoked",
            });
        };
        let access_token = TokenKind::Access.derived(id, refresh_token.expose(), salt);
        let known = grant.access.iter().find(|token| has_hash(access_token.expose(), &token.hash));
        Ok(Issued {
            refresh_token: Some(TokenKind::Refresh.derived(id, refresh_token.expose(), salt)),
            access_token,
            expires_in: known.map_or(0, |token| token.expires.saturating_sub(now)),
            scopes: known.and_then(|token| token.scopes.clone()).unwrap_or_else(|| grant.scopes.clone()),
        })
    }
}
