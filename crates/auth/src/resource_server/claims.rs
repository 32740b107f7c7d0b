//! The claims of a token, and whether they are for us and now.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_service::{Authorization, Principal};
use anyport_transport::http::CredentialError;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    binding::{Binding, Confirmation},
    refusal::invalid,
    scopes::{Hierarchy, names},
};

/// What a token, or the answer of an introspection endpoint, says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<Subject>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    pub(super) iat: Option<f64>,
    scope: Option<Value>,
    scp: Option<Value>,
    permissions: Option<Value>,
    roles: Option<Value>,
    cnf: Option<Confirmation>,
    pub(super) user_id: Option<Subject>,
    typ: Option<Value>,
    token_use: Option<Value>,
    nonce: Option<Value>,
    at_hash: Option<Value>,
    c_hash: Option<Value>,
    events: Option<Value>,
}

/// One recipient or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A user's id: a text, or the number of a row.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Subject {
    Text(String),
    Number(u64),
}

impl Subject {
    /// The id as a text; `None` if it is empty.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => (!text.is_empty()).then_some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
        }
    }
}

/// When claims are checked, and how far clocks may be off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time by the clock of the wall.
    pub(super) wall: SystemTime,
    /// The same moment for timers.
    pub(super) instant: Instant,
    pub(super) leeway: Duration,
}

impl Moment {
    /// The seconds since 1970.
    pub(super) fn seconds(&self) -> f64 {
        self.wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}

/// What is longer is treated as this: 100 years.
const FOREVER: f64 = 100.0 * 365.0 * 86_400.0;

impl Claims {
    /// Checks `exp`, `nbf` and `iat`. Returns when the token ends, with the leeway.
    ///
    /// RFC 7519, section 4.1.4: "the current date/time MUST be before the expiration date/time listed in the "exp" claim.
    /// Implementers MAY provide for some small leeway, usually no more than a few minutes, to account for clock skew."
    pub(super) fn check_times(&self, now: &Moment) -> Result<Instant, CredentialError> {
        let (seconds, leeway) = (now.seconds(), now.leeway.as_secs_f64());
        let exp = self.exp.ok_or(invalid("the token has no end (exp)"))?;
        if exp + leeway <= seconds {
            return Err(invalid("the token has expired"));
        }
        self.check_begin(now)?;
        let rest = Duration::from_secs_f64((exp + leeway - seconds).clamp(0.0, FOREVER));
        Ok(now.instant.checked_add(rest).unwrap_or(now.instant))
    }

    /// Checks `nbf` and `iat`.
    pub(super) fn check_begin(&self, now: &Moment) -> Result<(), CredentialError> {
        let latest = now.seconds() + now.leeway.as_secs_f64();
        let has_begun = [self.nbf, self.iat].into_iter().flatten().all(|begin| begin <= latest);
        has_begun.then_some(()).ok_or(invalid("the token is not valid yet"))
    }

    /// Checks that the token is for `resource`, or for one of `audiences`.
    ///
    /// 2026-07-28, basic/authorization §Token Handling: "MCP servers **MUST** validate that access tokens were issued specifically
    /// for them as the intended audience".
    pub(super) fn check_audience(&self, resource: &str, audiences: &[String]) -> Result<(), CredentialError> {
        // Without a public URL the endpoint has no name that a token could be for.
        let is_resource = |audience: &String| !resource.is_empty() && audience == resource;
        let is_ours = |audience: &String| is_resource(audience) || audiences.contains(audience);
        let found = match &self.aud {
            Some(Audience::One(audience)) => is_ours(audience),
            Some(Audience::Many(all)) => all.iter().any(is_ours),
            None => false,
        };
        found.then_some(()).ok_or(invalid("the token is not for this server (aud)"))
    }

    /// Whether it names recipients.
    pub(super) fn has_audience(&self) -> bool {
        self.aud.is_some()
    }

    /// Whether it names an end.
    pub(super) fn has_end(&self) -> bool {
        self.exp.is_some()
    }

    /// Refuses tokens that are signed by the same keys and say who somebody is, or what became of a session, in place of what a
    /// caller may do. Many authorization servers type all of their tokens as `JWT`.
    pub(super) fn check_kind(&self) -> Result<(), CredentialError> {
        let text = |claim: &'_ Option<Value>| claim.as_ref().and_then(Value::as_str).map(str::to_owned);
        // Keycloak says in the claim `typ`, Cognito (`access`) and Hydra (`access_token`) in `token_use`, what a token is.
        let typ = text(&self.typ);
        let is_other =
            typ.as_deref().is_some_and(|typ| ["ID", "Refresh", "Offline", "Logout"].contains(&typ))
                || text(&self.token_use)
                    .is_some_and(|token_use| !["access", "access_token"].contains(&&*token_use));
        // OpenID Connect Core, sections 2 and 3.1.3.6. Access tokens of older Keycloaks have a nonce, too.
        let has_scope = self.scope.is_some() || self.scp.is_some() || typ.as_deref() == Some("Bearer");
        let is_id = self.at_hash.is_some() || self.c_hash.is_some() || self.nonce.is_some() && !has_scope;
        if is_other || is_id {
            return Err(invalid("the token is an ID token, or of another kind, and no access token"));
        }
        // OpenID Connect Back-Channel Logout, section 2.4, and other security events (RFC 8417).
        match self.events {
            Some(_) => Err(invalid("the token is a security event, and no access token")),
            None => Ok(()),
        }
    }

    /// The scopes that it grants, with those that they include.
    pub(super) fn scopes<'a>(&'a self, hierarchy: &'a Hierarchy) -> BTreeSet<&'a str> {
        let claims = [&self.scope, &self.scp, &self.permissions, &self.roles];
        hierarchy.expand(claims.into_iter().flat_map(|claim| names(claim.as_ref())))
    }

    /// What it is bound to.
    pub(super) fn binding(&self) -> Result<Binding, CredentialError> {
        self.cnf.as_ref().map_or(Ok(Binding::default()), Confirmation::binding)
    }

    /// What it allows `subject` of `issuer` to do.
    pub(super) fn authorization(&self, issuer: &str, subject: &str, hierarchy: &Hierarchy) -> Authorization {
        let principal = Principal::subject_of(issuer, subject);
        Authorization::scoped(principal, self.scopes(hierarchy))
    }
}
