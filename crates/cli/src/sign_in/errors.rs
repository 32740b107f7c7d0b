use anyhow::Error;
use anyport_auth::Error as SignInError;

use crate::{exit::Exit, render::safe, user_error::UserError};

/// A failure of the program of a login that failed.
pub(crate) fn failed(server: &str, error: &SignInError) -> Error {
    if let Some(option) = error.option() {
        let problem = format!("no login to {server}: {error}");
        return Error::new(UserError::new(Exit::Auth, safe::text(&problem), option.words()));
    }
    let (exit, help) = match error {
        SignInError::NoIdentity(_) => {
            (Exit::Auth, "sign in there first: anyport login --idp NAME --issuer URL --client-id ID")
        }
        SignInError::Assertion { .. } | SignInError::Key(_) => {
            (Exit::Usage, "give the place of another one: env:NAME, file:PATH or cmd:COMMAND")
        }
        SignInError::Callback { .. } => {
            (Exit::Failed, "end the program that uses the port, or name another address with --redirect-uri")
        }
        SignInError::NoAnswer(_) => (
            Exit::Auth,
            "paste the URL that the browser ends at, where --no-browser asks for it; or leave --redirect-uri out",
        ),
        SignInError::Browser(_) => (Exit::Auth, "--no-browser prints the page, to be opened anywhere"),
        SignInError::TimedOut(_) => {
            (Exit::Auth, "try again; --timeout SECONDS waits longer, --no-browser prints the page")
        }
        SignInError::Store(_) => {
            (Exit::Failed, "`anyport store check` looks for damage; --state-dir DIR names another folder")
        }
        SignInError::Unreachable { .. } => {
            (Exit::Unreachable, "try again; `anyport doctor` goes the way to the server step by step")
        }
        error if error.is_temporary() => (Exit::Unreachable, "try again later"),
        _ => (Exit::Auth, "`anyport doctor` says what the server publishes about who may call it"),
    };
    let problem = format!("no login to {server}: {error}");
    Error::new(UserError::new(exit, safe::text(&problem), help))
}
