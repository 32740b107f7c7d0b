//! How grants begin, are found and end.

use std::{sync::Arc, time::Duration};

use anyport_store::{Clock, Collection, Error as StoreError, Record, Store};

use super::record::{Code, Consented, Found, Grant, OAUTH_GRANTS, Token};
use crate::{
    authorization_server::{
        error::ServerError,
        limits::{AuthorizationServerLimits, Refusals},
        time::seconds_since_1970,
        token_text::{TokenKind, has_hash, hash, random_id},
        user::User,
    },
    secret::Secret,
};

/// What the token endpoint answers with.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) access_token: Secret,
    /// The seconds until its end.
    pub(crate) expires_in: u64,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) scopes: Vec<String>,
}

/// Why no token is given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    /// RFC 6749 §5.2 `invalid_grant`; the words say what is wrong.
    #[error("{0}")]
    Invalid(&'static str),
    /// `invalid_scope`.
    #[error("{0}")]
    Scope(&'static str),
    /// A code or a refresh token was used again: its grant must end, with all that is kept for it.
    #[error("{words}")]
    Reused {
        /// The grant.
        grant: Box<Found>,
        /// What has happened, for the log.
        why: &'static str,
        /// What the client learns.
        words: &'static str,
    },
    /// The system has no randomness, or the store fails.
    #[error(transparent)]
    Failed(#[from] ServerError),
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The grants of a store.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    pub(super) records: Collection<Grant>,
    pub(super) limits: AuthorizationServerLimits,
    pub(super) refusals: Refusals,
    clock: Clock,
}

const FORMAT: u8 = 1;
/// How many access tokens of a grant are valid at once: calls that run have the one before the newest.
const ACCESS_TOKENS: usize = 4;

impl Grants {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        limits: AuthorizationServerLimits,
        refusals: Refusals,
        clock: Clock,
    ) -> Self {
        Self { records: Collection::new(store, &OAUTH_GRANTS, FORMAT), limits, refusals, clock }
    }

    /// Grants what `user` has consented to. Returns the authorization code.
    pub(crate) async fn consent(&self, consented: Consented, user: User) -> Result<Secret, ServerError> {
        let id = random_id()?;
        let code = TokenKind::Code.random(&id)?;
        let now = self.seconds();
        let Consented { client_id, redirect_uri, challenge, resource, scopes } = consented;
        let record = Code {
            hash: hash(code.expose()),
            expires: now + seconds(self.limits.authorization_code),
            redirect_uri,
            challenge,
            is_redeemed: false,
        };
        let mut grant = Grant::new(client_id, user, resource, scopes, now);
        grant.code = Some(record);
        self.records.insert(&id, &grant, Some(self.limits.authorization_code + MARGIN)).await?;
        Ok(code)
    }

    /// Grants without a code, for an assertion that was verified: an access token, and no refresh token.
    pub(crate) async fn issue_direct(
        &self,
        client_id: &str,
        resource: &str,
        scopes: Vec<String>,
        user: User,
    ) -> Result<Issued, ServerError> {
        let id = random_id()?;
        let mut grant = Grant::new(client_id.into(), user, resource.into(), scopes, self.seconds());
        let access_token = TokenKind::Access.random(&id)?;
        let expires_in = self.add_access(&mut grant, &access_token, None);
        self.records.insert(&id, &grant, Some(self.limits.access_token + MARGIN)).await?;
        Ok(Issued { access_token, expires_in, refresh_token: None, scopes: grant.scopes })
    }

    /// The resource of an authorization code.
    pub(crate) async fn of_code(&self, code: &str) -> Result<Option<String>, ServerError> {
        Ok(self.find(TokenKind::Code, code).await?.map(|found| found.grant.resource))
    }

    /// The grant that `refresh_token` was given for, whatever has become of the token.
    pub(crate) async fn of_refresh_token(&self, refresh_token: &str) -> Result<Option<Found>, ServerError> {
        Ok(self.find(TokenKind::Refresh, refresh_token).await?.filter(|found| {
            let grant = &found.grant;
            let current = grant.refresh.iter().map(|token| &token.hash);
            let mut all = current.chain(grant.replaced.iter().map(|replaced| &replaced.hash));
            all.any(|hash| has_hash(refresh_token, hash))
        }))
    }

    /// The grant of an access token that is valid, with the token's end and scopes.
    pub(crate) async fn of_access_token(
        &self,
        token: &str,
    ) -> Result<Option<(Found, AccessToken)>, ServerError> {
        let Some(found) = self.find(TokenKind::Access, token).await? else { return Ok(None) };
        let Some(known) = found.grant.access.iter().find(|known| has_hash(token, &known.hash)) else {
            return Ok(None);
        };
        let rest = Duration::from_secs(known.expires.saturating_sub(self.seconds()));
        if rest.is_zero() {
            self.refusals.access_token.increment();
            return Ok(None);
        }
        let scopes = known.scopes.clone().unwrap_or_else(|| found.grant.scopes.clone());
        Ok(Some((found, AccessToken { rest, scopes })))
    }

    /// The grant of any token, whether or not the token is still valid.
    pub(crate) async fn of_token(&self, token: &str) -> Result<Option<Found>, ServerError> {
        if let Some(found) = self.of_refresh_token(token).await? {
            return Ok(Some(found));
        }
        let found = self.find(TokenKind::Access, token).await?;
        Ok(found.filter(|found| found.grant.access.iter().any(|known| has_hash(token, &known.hash))))
    }

    /// Ends a grant, and with it every token.
    pub(crate) async fn end(&self, id: &str, why: &str) -> Result<(), ServerError> {
        tracing::info!(why, "a grant ends");
        Ok(self.records.remove(id).await?)
    }

    pub(super) async fn find(&self, kind: TokenKind, token: &str) -> Result<Option<Found>, ServerError> {
        let Some(id) = kind.id(token) else { return Ok(None) };
        let found = match self.records.get(id).await {
            Err(StoreError::Unreadable) => None,
            found => found?,
        };
        Ok(found.map(|Record { value: grant, version }| Found { id: id.to_owned(), grant, version }))
    }

    /// Adds the tokens of an answer to a grant.
    pub(super) fn add(
        &self,
        grant: &mut Grant,
        access: Secret,
        refresh: Secret,
        scopes: Option<&[String]>,
    ) -> Issued {
        let is_narrower = |scopes: &&[String]| !grant.scopes.iter().all(|scope| scopes.contains(scope));
        let narrowed = scopes.filter(is_narrower).map(<[String]>::to_vec);
        let expires_in = self.add_access(grant, &access, narrowed.clone());
        let expires = self.seconds() + seconds(self.limits.refresh_token);
        grant.refresh = Some(Token { hash: hash(refresh.expose()), expires, scopes: None });
        Issued {
            access_token: access,
            expires_in,
            refresh_token: Some(refresh),
            scopes: narrowed.unwrap_or_else(|| grant.scopes.clone()),
        }
    }

    /// Adds an access token. Returns the seconds until its end.
    fn add_access(&self, grant: &mut Grant, token: &Secret, scopes: Option<Vec<String>>) -> u64 {
        let (now, expires_in) = (self.seconds(), seconds(self.limits.access_token));
        grant.access.retain(|known| known.expires > now);
        grant.access.push(Token { hash: hash(token.expose()), expires: now + expires_in, scopes });
        let beyond = grant.access.len().saturating_sub(ACCESS_TOKENS);
        grant.access.drain(..beyond);
        expires_in
    }

    /// How long the record of a grant with a refresh token lives.
    pub(super) fn life(&self) -> Duration {
        self.limits.refresh_token.max(self.limits.access_token) + MARGIN
    }

    pub(super) fn seconds(&self) -> u64 {
        seconds_since_1970(&self.clock)
    }
}

/// An access token that is valid.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    /// The time until its end.
    pub(crate) rest: Duration,
    pub(crate) scopes: Vec<String>,
}

/// How much longer a record lives than what it holds, so that clocks may differ.
const MARGIN: Duration = Duration::from_secs(60);

pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs()
}
