//! Whether the server lets the caller in, and what it publishes about who may call it.

use anyhow::Result;
use http_auth::{ChallengeRef, parse_challenges};

use super::{
    metadata::{self, Found},
    report::Report,
};
use crate::target::SecretValue;

/// The server let us in.
pub(super) async fn granted(report: &mut Report, url: &str, headers: &[(String, SecretValue)]) -> Result<()> {
    match metadata::find(url, None).await {
        Found::None => report.skipped("well-known", "it publishes nothing about tokens, and needs not")?,
        found => published(report, &found)?,
    }
    let word = if has_token(headers) { "it takes the token that was given" } else { "it asks for no token" };
    report.ok("auth", word)
}

/// The server wants to know who calls.
pub(super) async fn unauthorized(
    report: &mut Report,
    url: &str,
    headers: &[(String, SecretValue)],
    challenge: Option<&str>,
) -> Result<()> {
    let asked = Asked::of(challenge);
    let found = metadata::find(url, asked.metadata.as_deref()).await;
    published(report, &found)?;
    let from = match &found {
        Found::Good { servers, .. } => format!(" from {}", servers.join(" or ")),
        _ => " from whoever runs the server".to_owned(),
    };
    let scope = asked.scope.as_deref().map_or_else(String::new, |scope| format!(" for the scope {scope}"));
    let (problem, help) = if has_token(headers) {
        let problem = "it does not take the token that was given (HTTP status 401)";
        (problem, format!("it may have expired, or be meant for another server: get a new one{from}{scope}"))
    } else if let Some(scheme) =
        asked.scheme.as_deref().filter(|scheme| !scheme.eq_ignore_ascii_case("bearer"))
    {
        let help =
            format!("give --header 'Authorization: {scheme} ${{NAME}}', with NAME set in the environment");
        ("it wants to know who calls (HTTP status 401)", help)
    } else {
        let help = format!("get a token{from}{scope}, and give it with --bearer env:NAME or file:PATH");
        ("it wants to know who calls (HTTP status 401)", help)
    };
    report.failed("auth", format!("{problem}{}", asked.words()), help)
}

/// The server does not let us in.
pub(super) async fn forbidden(
    report: &mut Report,
    url: &str,
    headers: &[(String, SecretValue)],
    words: &str,
    challenge: Option<&str>,
) -> Result<()> {
    let asked = Asked::of(challenge);
    match metadata::find(url, asked.metadata.as_deref()).await {
        Found::None => report.skipped("well-known", "it publishes nothing about tokens")?,
        found => published(report, &found)?,
    }
    let help = match (&asked.scope, has_token(headers)) {
        (Some(scope), _) => format!("get a token with the scope {scope}, and give it with --bearer env:NAME"),
        (None, true) => "the token is known and does not allow this: ask whoever runs the server".into(),
        (None, false) => {
            "it may want a token (--bearer env:NAME), or let in only some networks, hosts or origins"
                .to_owned()
        }
    };
    report.failed("auth", format!("{words}{}", asked.words()), help)
}

fn has_token(headers: &[(String, SecretValue)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
}

/// Says what was published.
fn published(report: &mut Report, found: &Found) -> Result<()> {
    match found {
        Found::Good { url, servers } => {
            report.ok("well-known", format!("{url}: tokens are given by {}", servers.join(", ")))
        }
        Found::Wrong { url, why } => {
            let help = "whoever runs the server must correct it: clients learn there where to get a token";
            report.doubtful("well-known", format!("{url}: {why}"), help)
        }
        Found::Old { url } => {
            let help = "clients of 2025-06-18 and later look for /.well-known/oauth-protected-resource";
            report.doubtful("well-known", format!("only {url}, as 2025-03-26 had it"), help)
        }
        Found::None => {
            let help =
                "without /.well-known/oauth-protected-resource no client can find out where to get a token";
            report.doubtful("well-known", "it publishes nothing about tokens", help)
        }
    }
}

/// The server's challenge: the first one of `WWW-Authenticate`, or the one for bearer tokens.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    scheme: Option<String>,
    error: Option<String>,
    description: Option<String>,
    scope: Option<String>,
    /// Where it says more.
    metadata: Option<String>,
}

impl Asked {
    fn of(challenge: Option<&str>) -> Self {
        let Some(challenges) = challenge.and_then(|text| parse_challenges(text).ok()) else {
            return Self::default();
        };
        let bearer = |one: &&ChallengeRef<'_>| one.scheme.eq_ignore_ascii_case("bearer");
        let Some(one) = challenges.iter().find(bearer).or(challenges.first()) else { return Self::default() };
        let value = |name: &str| {
            let (_, value) = one.params.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped()).filter(|value| !value.is_empty())
        };
        Self {
            scheme: Some(one.scheme.to_owned()),
            error: value("error"),
            description: value("error_description"),
            scope: value("scope"),
            metadata: value("resource_metadata"),
        }
    }

    /// Its text, to be added to a sentence.
    fn words(&self) -> String {
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
        let asked = Asked::of(Some(
            "Basic realm=\"x\", Bearer error=\"invalid_token\", error_description=\"expired \\\"now\\\"\", \
             resource_metadata=\"https://a.example/m\", scope=\"a b\"",
        ));
        assert_eq!(asked.words(), "; it says: invalid_token: expired \"now\"");
        assert_eq!(
            (asked.scope.as_deref(), asked.metadata.as_deref()),
            (Some("a b"), Some("https://a.example/m"))
        );
        assert_eq!(Asked::of(Some("Negotiate")).scheme.as_deref(), Some("Negotiate"));
        assert_eq!(Asked::of(Some("\u{1}\"")), Asked::default());
        assert_eq!(Asked::of(None).words(), "");
    }
}
