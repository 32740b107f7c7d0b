//! Whether the server lets the caller in, and what it publishes about who may call it.

use super::{
    metadata::{self, Found},
    report::Report,
};
use crate::{
    client_session::{challenge::Challenge, credential::Credential},
    target::SecretValue,
};
use anyhow::Result;

/// The server let us in.
pub(super) async fn granted(report: &mut Report, url: &str, headers: &[(String, SecretValue)]) -> Result<()> {
    match metadata::find(url, None).await {
        Found::None => {
            report.skipped("well-known", "no authorization metadata (RFC 9728), and none is needed")?
        }
        found => published(report, &found)?,
    }
    let word = if has_token(headers) { "it takes the token that was given" } else { "it asks for no token" };
    report.ok("auth", word)
}

/// The server wants to know who calls.
pub(super) async fn unauthorized(
    report: &mut Report,
    url: &str,
    credential: Option<&Credential>,
    challenge: Option<&str>,
) -> Result<()> {
    let asked = Challenge::of(challenge);
    let found = metadata::find(url, asked.metadata.as_deref()).await;
    published(report, &found)?;
    let from = match &found {
        Found::Good { servers, .. } => format!(" from {}", servers.join(" or ")),
        _ => " from whoever runs the server".to_owned(),
    };
    let scope = asked.scope.as_deref().map_or_else(String::new, |scope| format!(" for the scope {scope}"));
    let (problem, help) = if let Some(Credential::Token(place)) = credential {
        let problem = format!("it does not take the token of {place} (HTTP status 401)");
        (problem, format!("it may have expired, or be meant for another server: get a new one{from}{scope}"))
    } else if let Some(scheme) =
        asked.scheme.as_deref().filter(|scheme| !scheme.eq_ignore_ascii_case("bearer"))
    {
        let help =
            format!("give --header 'Authorization: {scheme} ${{NAME}}', with NAME set in the environment");
        ("it wants to know who calls (HTTP status 401)".to_owned(), help)
    } else {
        let help = format!("get a token{from}{scope}, and give it with --bearer env:NAME or file:PATH");
        ("it wants to know who calls (HTTP status 401)".to_owned(), help)
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
    let asked = Challenge::of(challenge);
    match metadata::find(url, asked.metadata.as_deref()).await {
        Found::None => report.skipped("well-known", "no authorization metadata (RFC 9728)")?,
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
            report.doubtful("well-known", "no authorization metadata (RFC 9728)", help)
        }
    }
}
