//! The authentication challenges of a server: the header `WWW-Authenticate` (RFC 9110 §11.6.1).

use http_auth::{ChallengeRef, parse_challenges};

use crate::oauth_error::USE_DPOP_NONCE;

/// The challenges of one refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges(Vec<Challenge>);

/// One challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, as the server writes it.
    pub scheme: String,
    /// `resource_metadata`: where the metadata of the protected resource is (RFC 9728 §5.1).
    pub resource_metadata: Option<String>,
    /// `scope`: what the request needs (RFC 6750 §3).
    pub scope: Option<String>,
    /// `error`: why the credential is refused.
    pub error: Option<String>,
    /// `error_description`, in words.
    pub description: Option<String>,
}

impl Challenges {
    /// Reads the values of the header, each of which may hold several challenges. A value that is no list of challenges counts
    /// for nothing, and the others stay.
    ///
    /// 2026-07-28, authorization-server-discovery §Protected Resource Metadata Discovery Requirements: "MCP clients **MUST** be
    /// able to parse `WWW-Authenticate` headers and respond appropriately to `HTTP 401 Unauthorized` responses from the MCP
    /// server."
    pub fn parse(values: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let mut all = Vec::new();
        for value in values {
            if let Ok(challenges) = parse_challenges(value.as_ref()) {
                all.extend(challenges.iter().map(Challenge::of));
            }
        }
        Self(all)
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Challenge> {
        self.0.iter()
    }

    /// The challenge for bearer tokens, else the first one that leads to metadata: a server that binds its tokens to a key has a
    /// challenge `DPoP` alone.
    pub fn token(&self) -> Option<&Challenge> {
        let is_bearer = |one: &&Challenge| one.scheme.eq_ignore_ascii_case("bearer");
        let mut bearer = self.0.iter().filter(is_bearer);
        let first = bearer.clone().next();
        bearer
            .find(|one| one.resource_metadata.is_some())
            .or(first)
            .or_else(|| self.0.iter().find(|one| one.resource_metadata.is_some()))
    }

    /// The URL of the metadata, which any of the challenges may name.
    pub fn resource_metadata(&self) -> Option<&str> {
        let token = self.token().and_then(|one| one.resource_metadata.as_deref());
        token.or_else(|| self.0.iter().find_map(|one| one.resource_metadata.as_deref()))
    }

    /// The scopes that the request needs, if the server says so.
    pub fn scope(&self) -> Option<&str> {
        self.token()?.scope.as_deref()
    }

    /// Whether the server takes tokens that are bound to a key, and whether it takes no others, as far as the challenges tell
    /// (RFC 9449 §7.1).
    pub fn bound_tokens(&self) -> BoundTokens {
        let has = |scheme: &str| self.0.iter().any(|one| one.scheme.eq_ignore_ascii_case(scheme));
        match (has("dpop"), has("bearer")) {
            (true, false) => BoundTokens::Required,
            (true, true) => BoundTokens::Offered,
            (false, _) => BoundTokens::No,
        }
    }

    /// Whether the server wants a proof with a nonce (RFC 9449 §9).
    pub(crate) fn wants_nonce(&self) -> bool {
        self.0.iter().any(|one| one.error.as_deref() == Some(USE_DPOP_NONCE))
    }

    /// Whether the token is good and lacks a scope.
    ///
    /// 2026-07-28, authorization §Runtime Insufficient Scope Errors: the header has `error="insufficient_scope"`.
    pub fn is_insufficient_scope(&self) -> bool {
        self.0.iter().any(|one| one.error.as_deref() == Some("insufficient_scope"))
    }
}

/// Whether a server takes tokens that are bound to a key (DPoP).
///
/// Only the server's own word counts: authorization servers that can bind tokens say so to everybody, and a token that is bound
/// fails at a server that knows bearer tokens alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundTokens {
    /// It does not say so.
    #[default]
    No,
    /// Beside bearer tokens.
    Offered,
    /// It takes no others.
    Required,
}

impl Challenge {
    fn of(challenge: &ChallengeRef<'_>) -> Self {
        let value = |name: &str| {
            let (_, value) = challenge.params.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped()).filter(|value| !value.is_empty())
        };
        Self {
            scheme: challenge.scheme.to_owned(),
            resource_metadata: value("resource_metadata"),
            scope: value("scope"),
            error: value("error"),
            description: value("error_description"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_challenge_for_tokens_is_found_among_others() {
        let several = Challenges::parse([
            "Basic realm=\"x\", DPoP algs=\"ES256\", Bearer error=\"insufficient_scope\", scope=\"a b\", \
             resource_metadata=\"https://a.example/m\"",
        ]);
        assert_eq!(several.token().map(|one| one.scheme.as_str()), Some("Bearer"));
        assert_eq!(several.scope(), Some("a b"));
        assert_eq!(several.resource_metadata(), Some("https://a.example/m"));
        assert!(several.is_insufficient_scope());
    }

    #[test]
    fn several_headers_are_read_and_bad_ones_left_out() {
        let read =
            Challenges::parse(["\u{1}\"", "Bearer", "bearer resource_metadata=\"https://a.example/m\""]);
        assert_eq!(read.resource_metadata(), Some("https://a.example/m"));
        let dpop = Challenges::parse(["DPoP algs=\"ES256\", resource_metadata=\"https://a.example/m\""]);
        assert_eq!(dpop.resource_metadata(), Some("https://a.example/m"));
        assert_eq!(Challenges::parse(["Negotiate"]).token(), None);
        let unquoted = Challenges::parse(["Bearer error=invalid_token, scope=\"\""]);
        assert_eq!((unquoted.scope(), unquoted.is_insufficient_scope()), (None, false));
    }

    #[test]
    fn bound_tokens_are_used_where_the_server_says_so() {
        let of = |value: &str| Challenges::parse([value]).bound_tokens();
        assert_eq!(of("DPoP algs=\"ES256\""), BoundTokens::Required);
        assert_eq!(of("Bearer, DPoP algs=\"ES256\""), BoundTokens::Offered);
        assert_eq!(of("Bearer realm=\"DPoP\""), BoundTokens::No);
        assert!(Challenges::parse(["DPoP error=\"use_dpop_nonce\""]).wants_nonce());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(values in proptest::collection::vec(".{0,80}", 0..4)) {
            let read = Challenges::parse(&values);
            let _ = (read.token(), read.scope(), read.resource_metadata(), read.is_insufficient_scope());
        }

        #[test]
        fn what_a_server_quotes_is_what_is_read(url in "https://[a-z]{1,9}/[a-z/ ]{0,20}", scope in "[a-z:]{1,9}( [a-z:]{1,9}){0,3}") {
            let header = format!("Basic realm=\"r\", Bearer scope=\"{scope}\", resource_metadata=\"{url}\"");
            let read = Challenges::parse([&header]);
            prop_assert_eq!(read.resource_metadata(), Some(url.as_str()));
            prop_assert_eq!(read.scope(), Some(scope.as_str()));
        }
    }
}
