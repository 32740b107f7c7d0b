use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::{
    dpop::ProofKey,
    grant::LoginGrant,
    limits::SignInLimits,
    registration::Registration,
    secret::Secret,
    server_metadata::ServerMetadata,
    token::{TokenAnswer, end},
};

/// What one account may do at one resource, by the word of one authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The random id of the login, which renewals keep; empty for those that are older than such ids.
    #[serde(default)]
    pub(crate) login_id: String,
    /// The URL of the server that the login was for.
    pub server: String,
    /// The name that the user gave to the login.
    pub account: String,
    /// The resource, as its metadata names it.
    pub resource: String,
    /// Whether requests to the authorization server have the parameter `resource` (RFC 8707).
    pub names_resource: bool,
    /// The authorization server.
    pub authorization_server: ServerMetadata,
    /// The client that the tokens belong to.
    pub client: Registration,
    /// How its tokens are got.
    #[serde(default)]
    pub grant: LoginGrant,
    /// Whether the authorization server is the one of the user's options, not the one that the server names.
    #[serde(default)]
    pub issuer_is_given: bool,
    /// The scopes that were asked for so far.
    pub requested_scope: String,
    /// The scopes that were granted, if the authorization server has said so.
    pub granted_scope: Option<String>,
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
    /// The ID token of a login to an identity provider.
    #[serde(default)]
    pub(crate) id_token: Option<Secret>,
    /// The key that the token is bound to, if it is bound to one.
    #[serde(default)]
    pub(crate) proof_key: Option<ProofKey>,
    /// When the token was received, in seconds since 1970 by the clock of this machine.
    received: u64,
    /// When it ends.
    expires: Option<u64>,
    /// Whether the server is on the public internet, so that nothing it names leads to a private address.
    pub(crate) is_public: bool,
    /// Whether the authorization server has taken the login back.
    pub needs_login: bool,
}

/// What a login gives besides its tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewCredential {
    pub(crate) login_id: String,
    pub(crate) server: String,
    pub(crate) account: String,
    pub(crate) resource: String,
    pub(crate) names_resource: bool,
    pub(crate) authorization_server: ServerMetadata,
    pub(crate) client: Registration,
    pub(crate) grant: LoginGrant,
    pub(crate) issuer_is_given: bool,
    pub(crate) requested_scope: String,
    pub(crate) proof_key: Option<ProofKey>,
    pub(crate) is_public: bool,
}

impl Credential {
    /// The tokens, and the secret and the key of the client: what no message may show.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        let tokens = [&self.access_token].into_iter().chain(&self.refresh_token).chain(&self.id_token);
        tokens.chain(&self.client.client_secret).chain(&self.client.client_key)
    }

    /// The credential of a login whose token was received at `now`.
    pub(crate) fn new(login: NewCredential, token: TokenAnswer, now: SystemTime) -> Self {
        let NewCredential {
            login_id,
            server,
            account,
            resource,
            names_resource,
            authorization_server,
            client,
            grant,
            issuer_is_given,
            requested_scope,
            proof_key,
            is_public,
        } = login;
        Self {
            login_id,
            server,
            account,
            resource,
            names_resource,
            authorization_server,
            client,
            grant,
            issuer_is_given,
            requested_scope,
            granted_scope: token.scope,
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            id_token: token.id_token,
            proof_key: proof_key.filter(|_| token.is_bound),
            received: seconds(now),
            expires: end_of(token.expires_in, now),
            is_public,
            needs_login: false,
        }
    }

    /// The credential of a user who has signed in at an identity provider through an application.
    pub(crate) fn of_identity(
        provider: ServerMetadata,
        client: Registration,
        id_token: Secret,
        (account, now): (&str, SystemTime),
    ) -> Self {
        let login = NewCredential {
            login_id: String::new(),
            server: provider.issuer.clone(),
            account: account.to_owned(),
            resource: provider.issuer.clone(),
            names_resource: false,
            authorization_server: provider,
            client,
            grant: LoginGrant::AuthorizationCode,
            issuer_is_given: true,
            requested_scope: String::new(),
            proof_key: None,
            is_public: false,
        };
        Self::new(login, TokenAnswer::of_identity(id_token), now)
    }

    /// The same login with a token that was received at `now`. A refresh token that is not replaced stays.
    #[must_use]
    pub(crate) fn renewed(&self, token: TokenAnswer, now: SystemTime) -> Self {
        Self {
            granted_scope: token.scope.or_else(|| self.granted_scope.clone()),
            access_token: token.access_token,
            refresh_token: token.refresh_token.or_else(|| self.refresh_token.clone()),
            id_token: token.id_token.or_else(|| self.id_token.clone()),
            proof_key: self.proof_key.clone().filter(|_| token.is_bound),
            received: seconds(now),
            expires: end_of(token.expires_in, now),
            needs_login: false,
            ..self.clone()
        }
    }

    /// The same login after its authorization server has taken it back.
    #[must_use]
    pub(crate) fn taken_back(&self) -> Self {
        Self { refresh_token: None, needs_login: true, ..self.clone() }
    }

    /// Whether both have the same tokens, received at the same time. Authorization servers may give the same access token again,
    /// with another refresh token or for longer.
    pub(crate) fn has_tokens_of(&self, other: &Self) -> bool {
        let tokens =
            |one: &Self| (one.access_token.clone(), one.refresh_token.clone(), one.received, one.expires);
        tokens(self) == tokens(other)
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        // RFC 9449 §7.1: a token that is bound to a key is sent "using the authentication scheme DPoP".
        let scheme = if self.proof_key.is_some() { "DPoP" } else { "Bearer" };
        let mut value = HeaderValue::try_from(format!("{scheme} {}", self.access_token.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether the token is renewed before the next request: `refresh_before` its end, though at most a fifth of its life.
    pub fn is_due(&self, now: SystemTime, limits: &SignInLimits) -> bool {
        let Some(expires) = self.expires.filter(|_| self.can_refresh()) else { return false };
        let life = Duration::from_secs(expires.saturating_sub(self.received));
        seconds(now) >= expires.saturating_sub(limits.refresh_before.min(life / 5).as_secs())
    }

    /// Whether the token was received within `time`.
    pub(crate) fn is_younger_than(&self, time: Duration, now: SystemTime) -> bool {
        seconds(now).saturating_sub(self.received) < time.as_secs()
    }

    /// Whether the token has ended.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| seconds(now) >= expires)
    }

    /// When the token ends; `None` if the authorization server did not say.
    pub fn expires(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.expires?))
    }

    /// Whether the token can be renewed without the user.
    pub fn can_refresh(&self) -> bool {
        (self.refresh_token.is_some() || !self.grant.has_user()) && !self.needs_login
    }
}

/// When a token of this `life` ends, in seconds since 1970. A life of less than a second does not tell: the token would be renewed before each
/// request. Its server's refusal tells.
fn end_of(life: Option<Duration>, now: SystemTime) -> Option<u64> {
    end(now, life.filter(|life| life.as_secs() > 0)).map(seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
