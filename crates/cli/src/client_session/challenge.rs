//! The authentication challenge of a server: the header `WWW-Authenticate` (RFC 9110 §11.6.1).

use anyport_auth::Challenges;

/// The server's challenge: the first one of `WWW-Authenticate`, or the one for bearer tokens.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Challenge {
    pub(crate) scheme: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) scope: Option<String>,
    /// Where it says more.
    pub(crate) metadata: Option<String>,
}

impl Challenge {
    /// Reads the header `WWW-Authenticate`.
    pub(crate) fn of(challenge: Option<&str>) -> Self {
        let challenges = Challenges::parse(challenge);
        let bearer = challenges.iter().find(|one| one.scheme.eq_ignore_ascii_case("bearer"));
        let Some(one) = bearer.or(challenges.iter().next()).cloned() else { return Self::default() };
        Self {
            scheme: Some(one.scheme),
            error: one.error,
            description: one.description,
            scope: one.scope,
            metadata: one.resource_metadata,
        }
    }

    /// Whether the token is good, and lacks a scope.
    pub(crate) fn lacks_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }

    /// Its text, to be added to a sentence.
    pub(crate) fn words(&self) -> String {
        let said: Vec<&str> =
            [&self.error, &self.description].into_iter().flatten().map(String::as_str).collect();
        if said.is_empty() { String::new() } else { format!("; it says: {}", said.join(": ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_for_bearer_tokens_is_read_among_others() {
        let asked = Challenge::of(Some(
            "Basic realm=\"x\", Bearer error=\"invalid_token\", error_description=\"expired \\\"now\\\"\", \
             resource_metadata=\"https://a.example/m\", scope=\"a b\"",
        ));
        assert_eq!(asked.words(), "; it says: invalid_token: expired \"now\"");
        assert_eq!(
            (asked.scope.as_deref(), asked.metadata.as_deref()),
            (Some("a b"), Some("https://a.example/m"))
        );
        assert_eq!(Challenge::of(Some("Negotiate")).scheme.as_deref(), Some("Negotiate"));
        assert_eq!(Challenge::of(Some("\u{1}\"")), Challenge::default());
        assert_eq!(Challenge::of(None).words(), "");
    }
}
