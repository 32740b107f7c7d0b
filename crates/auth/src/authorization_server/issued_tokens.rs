//! Verifies the access tokens that our own authorization server has issued.

use std::{sync::Arc, time::Duration};

use anyport_service::Authorization;
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier, Scheme, Verification};
use http::request::Parts;
use tokio::time::Instant;

use super::{
    grant::AccessToken,
    server::{AuthorizationServer, Inner},
    token_text::TokenKind,
    user::LoginStatus,
};
use crate::resource_server::{
    cache::{TokenCache, TokenHash},
    refusal::{RETRY, invalid, unavailable},
};

/// The access tokens of an [`AuthorizationServer`] in this program. The caller is the user who has granted them.
#[derive(Clone)]
pub struct IssuedTokens {
    server: Arc<Inner>,
    cache: Arc<TokenCache<Authorization>>,
}

/// How many tokens are remembered.
const CACHED: usize = 10_000;

impl IssuedTokens {
    /// The tokens of `server`.
    pub fn of(server: &AuthorizationServer) -> Self {
        Self { server: server.0.clone(), cache: Arc::new(TokenCache::new()) }
    }

    /// Whether a credential has the form of such a token.
    pub(crate) fn is_one(token: &str) -> bool {
        TokenKind::Access.id(token).is_some()
    }

    fn pending(&self, credential: &Credential, resource: &str) -> Verification {
        let (this, token, resource) = (self.clone(), credential.token.clone(), resource.to_owned());
        Verification::Pending(Box::pin(async move {
            let authorization = this.read(&token, &resource).await?;
            let until = Instant::now() + this.server.settings.limits.grant_cache;
            let until = authorization.expires().map_or(until, |end| end.min(until));
            this.cache.insert(TokenHash::of(&token, &resource), authorization.clone(), until, CACHED);
            Ok(authorization)
        }))
    }

    /// 2026-07-28, authorization §Token Handling: "MCP servers **MUST** validate that access tokens were issued specifically for
    /// them as the intended audience".
    async fn read(&self, token: &str, resource: &str) -> Result<Authorization, CredentialError> {
        let failed = |error: super::error::ServerError| {
            tracing::warn!(%error, "a token cannot be read");
            unavailable("the store of tokens is out of reach", RETRY)
        };
        let found = self.server.grants.of_access_token(token).await.map_err(failed)?;
        let Some((found, AccessToken { rest, scopes })) = found else {
            return Err(invalid("the token is unknown, was revoked, or has expired"));
        };
        if found.grant.resource != resource {
            return Err(invalid("the token is for another resource"));
        }
        if self.server.status(&found.grant.user).await == LoginStatus::Ended {
            self.server.end(&found, "the login of its user has ended").await.map_err(failed)?;
            return Err(invalid("the user must sign in again"));
        }
        let end = Instant::now().checked_add(rest.min(LONGEST)).unwrap_or_else(Instant::now);
        Ok(Authorization::scoped(found.grant.user.principal(), scopes).until(end))
    }
}

/// The longest rest of a life that is counted with.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl CredentialVerifier for IssuedTokens {
    fn verify(&self, credential: &Credential, _: &Parts, resource: &str) -> Verification {
        if credential.scheme != Scheme::Bearer {
            return Verification::Ready(Err(invalid("the token is a bearer token")));
        }
        match self.cache.get(&TokenHash::of(&credential.token, resource), Instant::now()) {
            Some(known) => Verification::Ready(Ok(known)),
            None => self.pending(credential, resource),
        }
    }

    fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
        self.pending(credential, resource)
    }

    fn authorization_servers(&self) -> Vec<String> {
        vec![self.server.issuer().to_owned()]
    }
}

impl std::fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("IssuedTokens").field(&self.server.issuer()).finish()
    }
}
