//! What a user has granted to a client: one record a grant, which all its codes and tokens name.
//!
//! Everything that must happen at once is a compare-and-set of this one record: that a code is redeemed once, that a refresh token
//! is replaced once, that a reuse ends the grant. So several processes on one store behave as one.

use std::{sync::Arc, time::Duration};

use anyport_store::{Bucket, Clock, Collection, Error as StoreError, Record, Store, Version};
use serde::{Deserialize, Serialize};

use super::{
    error::ServerError,
    limits::{AuthorizationServerLimits, Refusals},
    time::seconds_since_1970,
    token_text::{TokenKind, has_hash, hash, random_id, random_text},
    user::User,
};
use crate::{pkce, secret::Secret};

/// The grants, by id. Of codes and tokens only hashes are stored.
pub static OAUTH_GRANTS: Bucket = Bucket::new("oauth-grant").max_bytes(256 << 20);

/// What a client may do in the name of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The client to which it was granted.
    pub(crate) client_id: String,
    /// The user who granted it.
    pub(crate) user: User,
    /// The one resource that its tokens are for.
    pub(crate) resource: String,
    /// The scopes.
    pub(crate) scopes: Vec<String>,
    /// When it was granted, in seconds since 1970.
    pub(crate) granted: u64,
    /// The authorization code; `None` for a grant that came without one.
    #[serde(default)]
    pub(super) code: Option<Code>,
    /// The access tokens that have not ended; the newest is the last.
    #[serde(default)]
    pub(super) access: Vec<Token>,
    /// The refresh token.
    #[serde(default)]
    pub(super) refresh: Option<Token>,
    /// The refresh tokens that were replaced; the newest is the last.
    #[serde(default)]
    pub(super) replaced: Vec<Replaced>,
}

/// An authorization code, and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) hash: String,
    pub(super) expires: u64,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) is_redeemed: bool,
}

/// A token by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) hash: String,
    pub(super) expires: u64,
    /// The scopes, if they are fewer than those of the grant.
    #[serde(default)]
    pub(super) scopes: Option<Vec<String>>,
}

/// A refresh token that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replaced {
    pub(super) hash: String,
    /// Until when the same answer is given again.
    pub(super) retry_until: u64,
    /// What the tokens of that answer were made of, together with the token itself; gone with the next replacement.
    pub(super) salt: Option<String>,
}

/// What a user has consented to.
#[derive(Clone, Debug)]
pub(crate) struct Consented {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
}

/// What a client presents to redeem a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) client_id: &'a str,
    /// RFC 6749 §4.1.3; OAuth 2.1 has left it out, so it may be absent.
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: &'a Secret,
}

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
    #[error("a scope that was not granted cannot be had by a refresh")]
    Scope,
    /// The system has no randomness, or the store fails.
    #[error(transparent)]
    Failed(#[from] ServerError),
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A grant with its id and version.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) grant: Grant,
    version: Version,
}

/// The grants of a store.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    records: Collection<Grant>,
    limits: AuthorizationServerLimits,
    refusals: Refusals,
    clock: Clock,
}

const FORMAT: u8 = 1;
/// How many access tokens of a grant are valid at once: calls that run have the one before the newest.
const ACCESS_TOKENS: usize = 4;
/// How many replaced refresh tokens are remembered, so that their reuse is noticed.
const REPLACED: usize = 16;
/// How often a compare-and-set is tried.
const TRIES: usize = 8;

impl Grants {
    pub(super) fn new(
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

    /// Redeems an authorization code, once.
    ///
    /// RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
    /// revoke (when possible) all tokens previously issued based on that authorization code."
    pub(crate) async fn redeem(&self, redemption: Redemption<'_>) -> Result<Issued, GrantError> {
        let unknown = GrantError::Invalid("the code is unknown, was used already, or has expired");
        let Some(found) = self.find(TokenKind::Code, redemption.code).await? else { return Err(unknown) };
        let Found { id, mut grant, version } = found;
        let Some(code) = grant.code.clone().filter(|code| has_hash(redemption.code, &code.hash)) else {
            return Err(unknown);
        };
        if code.is_redeemed {
            self.end(&id, "an authorization code was used twice").await?;
            return Err(unknown);
        }
        if code.expires <= self.seconds() {
            self.refusals.authorization_code.increment();
            return Err(unknown);
        }
        if grant.client_id != redemption.client_id {
            return Err(GrantError::Invalid("the code is another client's"));
        }
        if redemption.redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
            return Err(GrantError::Invalid("the redirect_uri is not the one of the authorization request"));
        }
        if !pkce::is_verifier_of(redemption.verifier, &code.challenge) {
            return Err(GrantError::Invalid("the code_verifier does not fit the code_challenge"));
        }
        grant.code = Some(Code { is_redeemed: true, ..code });
        let (access, refresh) = (TokenKind::Access.random(&id)?, TokenKind::Refresh.random(&id)?);
        let issued = self.add(&mut grant, access, refresh, None);
        match self.records.replace(&id, version, &grant, Some(self.life())).await {
            Ok(_) => Ok(issued),
            // Another request has redeemed it meanwhile: the code is used twice.
            Err(StoreError::Conflict(_)) => {
                self.end(&id, "an authorization code was used twice at once").await?;
                Err(unknown)
            }
            Err(error) => Err(error.into()),
        }
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

    /// Replaces a refresh token. A repetition within the time for retries gets the same tokens again: its answer may have been
    /// lost, or several processes of a client may have come at once. A later one ends the grant.
    ///
    /// RFC 6749 §10.4: "If a refresh token is compromised and subsequently used by both the attacker and the legitimate client,
    /// one of them will present an invalidated refresh token, which will inform the authorization server of the breach."
    pub(crate) async fn refresh(
        &self,
        refresh_token: &Secret,
        client_id: &str,
        scopes: Option<&[String]>,
    ) -> Result<Issued, GrantError> {
        let unknown = GrantError::Invalid("the refresh token is unknown, was revoked, or has expired");
        for _ in 0..TRIES {
            let Some(found) = self.of_refresh_token(refresh_token.expose()).await? else {
                self.end_of_forgotten(refresh_token).await?;
                return Err(unknown);
            };
            if found.grant.client_id != client_id {
                return Err(GrantError::Invalid("the refresh token is another client's"));
            }
            if found.grant.refresh.as_ref().is_none_or(|token| !has_hash(refresh_token.expose(), &token.hash))
            {
                return self.again(&found, refresh_token).await;
            }
            match self.replace(found, refresh_token, scopes).await {
                Err(GrantError::Failed(ServerError::Store(StoreError::Conflict(_)))) => {}
                answered => return answered,
            }
        }
        Err(GrantError::Failed(ServerError::Store(StoreError::Unreachable)))
    }

    /// Ends the grant that an unknown refresh token names, if some of its tokens are forgotten: it may be one of them, replaced so
    /// many times that its reuse would not be noticed. Only who had a token of the grant knows its id.
    async fn end_of_forgotten(&self, refresh_token: &Secret) -> Result<(), GrantError> {
        let Some(found) = self.find(TokenKind::Refresh, refresh_token.expose()).await? else { return Ok(()) };
        if found.grant.replaced.len() >= REPLACED {
            self.refusals.refresh_retry.increment();
            self.end(&found.id, "a refresh token was used again long after it had been replaced").await?;
        }
        Ok(())
    }

    async fn replace(
        &self,
        Found { id, mut grant, version }: Found,
        refresh_token: &Secret,
        scopes: Option<&[String]>,
    ) -> Result<Issued, GrantError> {
        let now = self.seconds();
        if grant.refresh.as_ref().is_none_or(|token| token.expires <= now) {
            self.refusals.refresh_token.increment();
            return Err(GrantError::Invalid("the refresh token has expired"));
        }
        // RFC 6749 §6: "The requested scope MUST NOT include any scope not originally granted by the resource owner".
        if scopes.is_some_and(|scopes| !scopes.iter().all(|scope| grant.scopes.contains(scope))) {
            return Err(GrantError::Scope);
        }
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
        let issued = self.add(&mut grant, access, refresh, scopes);
        self.records.replace(&id, version, &grant, Some(self.life())).await?;
        Ok(issued)
    }

    /// Answers a refresh token that was replaced.
    async fn again(
        &self,
        Found { id, grant, .. }: &Found,
        refresh_token: &Secret,
    ) -> Result<Issued, GrantError> {
        let now = self.seconds();
        let replaced =
            grant.replaced.iter().find(|replaced| has_hash(refresh_token.expose(), &replaced.hash));
        let salt = replaced.filter(|replaced| now < replaced.retry_until).and_then(|one| one.salt.as_ref());
        let Some(salt) = salt else {
            self.refusals.refresh_retry.increment();
            self.end(id, "a refresh token was used again after it had been replaced").await?;
            return Err(GrantError::Invalid(
                "the refresh token was used already, so every token of its grant is revoked",
            ));
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

    async fn find(&self, kind: TokenKind, token: &str) -> Result<Option<Found>, ServerError> {
        let Some(id) = kind.id(token) else { return Ok(None) };
        let found = match self.records.get(id).await {
            Err(StoreError::Unreadable) => None,
            found => found?,
        };
        Ok(found.map(|Record { value: grant, version }| Found { id: id.to_owned(), grant, version }))
    }

    /// Adds the tokens of an answer to a grant.
    fn add(&self, grant: &mut Grant, access: Secret, refresh: Secret, scopes: Option<&[String]>) -> Issued {
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
    fn life(&self) -> Duration {
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

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

impl Grant {
    fn new(client_id: String, user: User, resource: String, scopes: Vec<String>, granted: u64) -> Self {
        let (code, access, refresh, replaced) = (None, Vec::new(), None, Vec::new());
        Self { client_id, user, resource, scopes, granted, code, access, refresh, replaced }
    }
}
