//! Whether the server lets the caller in, and what it publishes about who may call it.

use super::{metadata, report::Report};
use crate::{
    client_session::{challenge::Challenge, credential::Credential},
    target::{LoginSettings, SecretValue},
};
use anyhow::Result;
use anyport_transport::client::http::without_secrets;

/// Where a server of the web is, what is sent to it, and what its file says of the login.
pub(super) struct Way<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, SecretValue)],
    pub(super) login: Option<&'a LoginSettings>,
}

/// The server let us in.
pub(super) async fn granted(report: &mut Report, way: &Way<'_>) -> Result<()> {
    let Way { url, headers, login } = *way;
    let found = metadata::find(url, login).await;
    match found.is_none() {
        true => {
            report.skipped("well-known", "no authorization metadata (RFC 9728), and none is needed")?;
            report.skipped("issuer", "")?;
        }
        false => found.report(report)?,
    }
    let word = if has_token(headers) { "it takes the token that was given" } else { "it asks for no token" };
    report.ok("auth", word)
}

/// The server wants to know who calls.
pub(super) async fn unauthorized(
    report: &mut Report,
    way: &Way<'_>,
    credential: Option<&Credential>,
    challenge: Option<&str>,
) -> Result<()> {
    let asked = Challenge::of(challenge);
    let found = metadata::find(way.url, way.login).await;
    found.report(report)?;
    let from = match &found.issuers()[..] {
        [] => " from whoever runs the server".to_owned(),
        issuers => format!(" from {}", issuers.join(" or ")),
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
        let mut help = format!("get a token{from}{scope}, and give it with --bearer env:NAME or file:PATH");
        if found.leads_to_login() {
            help = format!("sign in: anyport login {}; or {help}", without_secrets(way.url));
        }
        ("it wants to know who calls (HTTP status 401)".to_owned(), help)
    };
    report.failed("auth", format!("{problem}{}", asked.words()), help)
}

/// The server does not let us in.
pub(super) async fn forbidden(
    report: &mut Report,
    way: &Way<'_>,
    words: &str,
    challenge: Option<&str>,
) -> Result<()> {
    let asked = Challenge::of(challenge);
    let found = metadata::find(way.url, way.login).await;
    match found.is_none() {
        true => report.skipped("well-known", "no authorization metadata (RFC 9728)")?,
        false => found.report(report)?,
    }
    let help = match (&asked.scope, has_token(way.headers)) {
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
