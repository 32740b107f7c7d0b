//! A server that refuses access (HTTP status 401 or 403): which credential it was sent, and what to do.

use super::{challenge::Challenge, credential::Credential};
use crate::{exit::Exit, user_error::UserError};

/// The server at `at` does not know who calls (HTTP status 401), or not for `method` alone.
pub(super) fn unauthorized(
    at: &str,
    method: Option<&str>,
    challenge: Option<&str>,
    credential: Option<&Credential>,
) -> UserError {
    let challenge = Challenge::of(challenge);
    let scope =
        challenge.scope.as_deref().map_or_else(String::new, |scope| format!(" for the scope {scope}"));
    let other_scheme = challenge.scheme.as_deref().filter(|scheme| !scheme.eq_ignore_ascii_case("bearer"));
    let what = method.map_or_else(String::new, |method| format!(" for {method}"));
    let (problem, help) = match (credential, other_scheme) {
        (Some(Credential::Token(place)), _) => (
            format!("{at} does not take the token of {place}{what} (HTTP status 401)"),
            format!("it may have expired, or be meant for another server: get a new one{scope}; {DOCTOR}"),
        ),
        (Some(Credential::Header(place)), _) => (
            format!(
                "{at} wants to know who calls{what} (HTTP status 401), and does not learn it from {place}"
            ),
            "correct the header, or give a token with --bearer env:NAME".into(),
        ),
        (None, Some(scheme)) => (
            format!("{at} wants to know who calls{what} (HTTP status 401)"),
            format!("give --header 'Authorization: {scheme} ${{NAME}}', with NAME set in the environment"),
        ),
        (None, None) => (
            format!("{at} wants to know who calls{what} (HTTP status 401)"),
            format!(
                "sign in: anyport login {at}; or keep a token{scope} in a variable, and give --bearer env:NAME; {DOCTOR}"
            ),
        ),
    };
    UserError::new(Exit::Auth, problem + &challenge.words(), help)
}

/// The server does not allow it (HTTP status 403).
pub(super) fn forbidden(mut problem: String, credential: Option<&Credential>) -> UserError {
    if let Some(Credential::Token(place)) = credential {
        problem += &format!("; it was sent the token of {place}");
    }
    let help = "ask whoever runs the server for the permission, or give another token with --bearer env:NAME";
    UserError::new(Exit::Auth, problem, help)
}

const DOCTOR: &str = "`anyport doctor` says where to get one, if the server does";
