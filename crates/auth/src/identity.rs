//! Enterprise-managed authorization: an identity provider says to authorization servers who the user is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyport_store::Clock;
use anyport_transport::client::http::Endpoint;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    credential::Credential,
    error::Error,
    fetch::Fetcher,
    limits::{Refusals, SignInLimits},
    refresh::Refresher,
    secret::Secret,
    token::{Grant, TokenRequest},
    vault::Vault,
};

/// The logins of users to identity providers.
#[derive(Clone, Copy)]
pub(crate) struct Identities<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) vault: &'a Vault,
    pub(crate) clock: &'a Clock,
    pub(crate) limits: &'a SignInLimits,
    pub(crate) refusals: &'a Refusals,
}

/// The server of the records of logins to identity providers, which no URL can be.
pub(crate) const PROVIDERS: &str = "identity provider";

/// How long before its end an ID token is no longer used.
const MARGIN: Duration = Duration::from_secs(30);

impl Identities<'_> {
    /// An assertion about the user of the login `name` for the authorization server `issuer` and the resource there.
    ///
    /// Enterprise-Managed Authorization §4: "To request a JWT Assertion Grant, the MCP Client **MUST** make a Token Exchange
    /// (RFC8693) request to the IdP's Token Endpoint"; `audience` is "The Issuer URL of the MCP server's authorization server",
    /// `resource` "The RFC9728 Resource Identifier of the MCP server".
    pub(crate) async fn assertion(
        &self,
        name: &str,
        (issuer, resource): (&str, &str),
        scope: Option<&str>,
    ) -> Result<Secret, Error> {
        let nobody = || Error::NoIdentity(name.to_owned());
        let held =
            self.vault.find(PROVIDERS, name).await?.filter(|held| !held.needs_login).ok_or_else(nobody)?;
        let held = match &held.id_token {
            Some(token) if !is_over(token, self.clock.now()) => held,
            _ if held.can_refresh() => self.renewed(&held).await?,
            _ => return Err(nobody()),
        };
        // The provider need not give a new ID token with a new access token (OpenID Connect Core §12.2).
        let id_token = held.id_token.as_ref().filter(|token| !is_over(token, self.clock.now()));
        let request = TokenRequest {
            server: &held.authorization_server,
            client: held.client.identity(),
            grant: Grant::IdentityAssertion {
                id_token: id_token.ok_or_else(nobody)?,
                audience: issuer,
                scope,
            },
            resource: Some(resource),
            proof_key: None,
            clock: self.clock,
        };
        Ok(request.send(&self.fetcher()).await?.access_token)
    }

    async fn renewed(&self, held: &Credential) -> Result<Credential, Error> {
        let refresher = Refresher {
            vault: self.vault,
            fetcher: &self.fetcher(),
            clock: self.clock,
            limits: self.limits,
            refusals: self.refusals,
        };
        let renewed = refresher.renew(held, None).await;
        renewed.map_err(|error| match error {
            Error::NeedsLogin(_) => Error::NoIdentity(held.account.clone()),
            error => error,
        })
    }

    /// The user has named the provider, so it may be anywhere.
    fn fetcher(&self) -> Fetcher {
        Fetcher::new(self.endpoint, false, *self.limits).refusals(self.refusals.clone())
    }
}

/// Whether an ID token ends soon, or is none. It came from the provider itself, which alone has to believe it, so its signature is
/// the provider's matter (OpenID Connect Core §3.1.3.7).
fn is_over(token: &Secret, now: SystemTime) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token.expose().split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default() + MARGIN;
    claims.is_none_or(|claims| claims.exp <= now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_token_is_used_until_shortly_before_its_end() {
        let token = Secret::new(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"exp": 1000}"#)));
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(!is_over(&token, at(969)) && is_over(&token, at(970)));
        for none in ["", "a.b", "e30.e30.x"] {
            assert!(is_over(&Secret::new(none), at(0)), "{none}");
        }
    }
}
