//! The tokens by which callers were let in, for what exchanges them.

use std::{collections::HashMap, fmt, sync::Arc};

use anyport_metrics::{Counter, Metrics};
use anyport_service::{Authorization, ScopedPrincipal, sync::Lock};
use bytestring::ByteString;
use tokio::time::Instant;

use super::credential::{Credential, CredentialVerifier};

/// The tokens of callers that were let in, for a service that exchanges them for others (RFC 8693).
///
/// 2026-07-28, authorization §Access Token Privilege Restriction: "The MCP server **MUST NOT** pass through the token it received
/// from the MCP client." So no token is in the context of a call, where each service would have it: it is here, under whom it stands for,
/// and only whoever was given this table finds it. Only tokens of the issuers that were set are kept, in memory,
/// each until another one of the same caller comes, or until it has ended and room is needed.
///
/// Clones are the same table.
#[derive(Clone)]
pub struct CallerTokens(Arc<Inner>);

struct Inner {
    issuers: Lock<Arc<[String]>>,
    tokens: Lock<HashMap<ScopedPrincipal, CallerToken>>,
    most: usize,
    refused: Counter,
}

/// The token of a caller that was let in. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerToken {
    token: ByteString,
    issuer: Box<str>,
    expires: Option<Instant>,
}

impl CallerTokens {
    /// A table of at most `most` tokens ([`Limits::max_caller_tokens`](super::Limits::max_caller_tokens)). Whatever is forgotten beyond
    /// that is counted in `metrics`.
    pub fn new(most: usize, metrics: &Metrics) -> Self {
        let refused = metrics.refusals("max_caller_tokens");
        Self(Arc::new(Inner {
            issuers: Lock::default(),
            tokens: Lock::default(),
            most: most.max(1),
            refused,
        }))
    }

    /// Keeps the tokens of these issuers from now on, and no others.
    pub fn set_issuers(&self, issuers: impl IntoIterator<Item = String>) {
        let issuers: Arc<[String]> = issuers.into_iter().collect();
        *self.0.issuers.lock() = issuers.clone();
        self.0.tokens.lock().retain(|_, token| is_of(&issuers, Some(&token.issuer)));
    }

    /// The token of `caller`, unless it has ended.
    pub fn of(&self, caller: &ScopedPrincipal) -> Option<CallerToken> {
        let token = self.0.tokens.lock().get(caller).cloned();
        token.filter(|token| !token.is_over(Instant::now()))
    }

    /// Keeps the token of a caller that was let in.
    pub(super) fn note(
        &self,
        verifier: &dyn CredentialVerifier,
        authorization: &Authorization,
        credential: &Credential,
    ) {
        let issuers = self.0.issuers.lock().clone();
        // A principal can be known by a token of another issuer than its own: what gave the token says so.
        if issuers.is_empty() || !is_of(&issuers, verifier.issuer_of(credential)) {
            return;
        }
        let caller = authorization.scoped_principal();
        let mut tokens = self.0.tokens.lock();
        if tokens.get(&caller).is_some_and(|known| known.token == credential.token) {
            return;
        }
        if tokens.len() >= self.0.most && !tokens.contains_key(&caller) {
            let now = Instant::now();
            tokens.retain(|_, token| !token.is_over(now));
            // One that ends soonest helps its caller least.
            let soonest = tokens.iter().filter(|_| tokens.len() >= self.0.most);
            let soonest = soonest.min_by_key(|(_, token)| (token.expires.is_none(), token.expires));
            if let Some(soonest) = soonest.map(|(caller, _)| caller.clone()) {
                tokens.remove(&soonest);
                self.0.refused.increment();
            }
        }
        let issuer = verifier.issuer_of(credential).unwrap_or_default().into();
        let token = CallerToken { token: credential.token.clone(), issuer, expires: authorization.expires() };
        tokens.insert(caller, token);
    }
}

fn is_of(issuers: &[String], issuer: Option<&str>) -> bool {
    issuer.is_some_and(|issuer| issuers.iter().any(|known| known == issuer))
}

impl CallerToken {
    /// The token, to be sent to its own issuer alone.
    pub fn expose(&self) -> &str {
        &self.token
    }

    /// The authorization server that gave it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When it ends; `None` if that is not known.
    pub fn expires(&self) -> Option<Instant> {
        self.expires
    }

    fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// The token is a secret.
impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerToken")
            .field("issuer", &self.issuer)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Whose tokens there are, and no token.
impl fmt::Debug for CallerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerTokens").field("issuers", &self.0.issuers.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyport_service::Principal;
    use http::request::Parts;

    use super::*;
    use crate::http::{Scheme, Verification};

    const ISSUER: &str = "https://issuer.example";

    /// A verifier of the tokens of one issuer; those that begin with `key` are keys.
    #[derive(Debug)]
    struct Of(&'static str);

    impl CredentialVerifier for Of {
        fn verify(&self, _: &Credential, _: &Parts, _: &str) -> Verification {
            unreachable!("the caller was let in already")
        }

        fn issuer_of(&self, credential: &Credential) -> Option<&str> {
            (!credential.token.starts_with("key")).then_some(self.0)
        }
    }

    fn note(
        tokens: &CallerTokens,
        issuer: &'static str,
        subject: &'static str,
        token: &'static str,
        seconds: u64,
    ) -> ScopedPrincipal {
        let authorization = Authorization::scoped(Principal::subject_of(ISSUER, subject), ["a"])
            .until(Instant::now() + Duration::from_secs(seconds));
        let credential = Credential::new(Scheme::Bearer, token);
        tokens.note(&Of(issuer), &authorization, &credential);
        authorization.scoped_principal()
    }

    fn known(tokens: &CallerTokens, caller: &ScopedPrincipal) -> Option<String> {
        tokens.of(caller).map(|token| token.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_for_its_caller_until_it_ends_if_its_issuer_is_wanted() {
        let tokens = CallerTokens::new(10, &Metrics::new());
        let early = note(&tokens, ISSUER, "ada", "t0", 60);
        assert_eq!(known(&tokens, &early), None, "no issuer was set");
        tokens.set_issuers([ISSUER.to_owned()]);
        let ada = note(&tokens, ISSUER, "ada", "t1", 60);
        // The same principal by tokens of another issuer, and by a key.
        note(&tokens, "https://other.example", "ada", "t2", 60);
        note(&tokens, ISSUER, "ada", "key", 60);
        assert_eq!(known(&tokens, &ada).as_deref(), Some("t1"));
        assert_eq!(known(&tokens, &ada.clone().without_scopes()), None, "other scopes are another caller");
        note(&tokens, ISSUER, "ada", "t3", 90);
        assert_eq!(known(&tokens, &ada).as_deref(), Some("t3"), "the newest is used");
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(known(&tokens, &ada), None, "it has ended");
        let ada = note(&tokens, ISSUER, "ada", "t4", 60);
        assert!(!format!("{tokens:?} {:?}", tokens.of(&ada)).contains("t4"));
        tokens.set_issuers([]);
        assert_eq!(known(&tokens, &ada), None, "its issuer is not wanted any more");
    }

    /// Limit: max_caller_tokens.
    #[tokio::test(start_paused = true)]
    async fn beyond_the_limit_the_token_that_ends_soonest_is_forgotten() {
        let metrics = Metrics::new();
        let tokens = CallerTokens::new(2, &metrics);
        tokens.set_issuers([ISSUER.to_owned()]);
        let long = note(&tokens, ISSUER, "long", "t1", 600);
        let short = note(&tokens, ISSUER, "short", "t2", 60);
        let third = note(&tokens, ISSUER, "third", "t3", 300);
        let all = [&long, &short, &third].map(|caller| known(&tokens, caller).is_some());
        assert_eq!(all, [true, false, true]);
        assert!(metrics.render().contains("{limit=\"max_caller_tokens\"} 1"), "{}", metrics.render());
    }
}
