//! A server that refuses access (HTTP status 401 or 403): which credential it was sent, and what to do.

use anyport_auth::DEFAULT_ACCOUNT;

use super::{challenge::Challenge, credential::Credential};
use crate::{
    exit::Exit,
    render::safe,
    target::{self, GatewayServer, Server, Target, login_command},
    user_error::UserError,
};

/// The login to a server, as it is typed.
pub(super) struct Login {
    command: String,
    has_query: bool,
}

impl Login {
    /// The login to the server of `target`, as `options` have named the account.
    pub(super) fn at(target: &Target, options: &target::Options) -> Self {
        let (url, login) = match &target.server {
            Server::Http { url, login, .. } => (url, login),
            Server::Gateway(GatewayServer { file, name, .. }) => {
                return Self { command: login_command(file, name), has_query: false };
            }
            other => return Self { command: format!("anyport login {other}"), has_query: false },
        };
        let command = match &target.found {
            // The file says more of the login than the URL: its client, its account.
            Some(file) => login_command(file, &target.name),
            None => format!("anyport login {}", safe::word(&target.server.to_string())),
        };
        let of_file = login.as_ref().and_then(|login| login.account.as_deref());
        let account =
            options.account.as_deref().filter(|account| *account != of_file.unwrap_or(DEFAULT_ACCOUNT));
        let account =
            account.map_or_else(String::new, |account| format!(" --account {}", safe::word(account)));
        Self { command: command + &account, has_query: target.found.is_none() && url.contains('?') }
    }

    /// The command, with what is missing of it.
    pub(super) fn command(&self) -> String {
        self.with("")
    }

    fn with(&self, options: &str) -> String {
        let Self { command, has_query } = self;
        // A query may be secret.
        let query = if *has_query { " (with the query of its URL, which is not repeated here)" } else { "" };
        format!("{command}{options}{query}")
    }
}

/// The server at `at` does not know who calls (HTTP status 401), or not for `method` alone.
pub(super) fn unauthorized(
    at: &str,
    method: Option<&str>,
    challenge: Option<&str>,
    (credential, login): (Option<&Credential>, &Login),
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
                "sign in: {}; or keep a token{scope} in a variable, and give --bearer env:NAME; {DOCTOR}",
                login.command()
            ),
        ),
    };
    UserError::new(Exit::Auth, problem + &challenge.words(), help)
}

/// The server does not allow it (HTTP status 403).
pub(super) fn forbidden(
    mut problem: String,
    challenge: Option<&str>,
    (credential, login): (Option<&Credential>, Option<&Login>),
) -> UserError {
    let challenge = Challenge::of(challenge);
    if let Some(Credential::Token(place)) = credential {
        problem += &format!("; it was sent the token of {place}");
    }
    let help = match (&challenge.scope, credential, login) {
        // RFC 6750 §3.1: "The request requires higher privileges than provided by the access token."
        (Some(scope), None, Some(login)) if challenge.lacks_scope() => {
            problem += &format!("; it wants the scope {scope}");
            let scope = safe::word(scope);
            let command = login.with(&format!(" --scope {scope}"));
            format!(
                "sign in for it: {command}; add the scopes of before, which `anyport accounts --json` lists"
            )
        }
        (Some(scope), ..) if challenge.lacks_scope() => {
            problem += &format!("; it wants the scope {scope}");
            "give a token with this scope with --bearer env:NAME".to_owned()
        }
        _ => "ask whoever runs the server for the permission, or give another token with --bearer env:NAME"
            .to_owned(),
    };
    UserError::new(Exit::Auth, problem, help)
}

const DOCTOR: &str = "`anyport doctor` says where to get one, if the server does";
