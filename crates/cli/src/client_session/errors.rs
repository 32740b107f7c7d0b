//! Converts a server's failure to one of the program: its exit code, and the advice.

use anyhow::Error;
use anyport_client::Error as ClientError;
use anyport_protocol::jsonrpc::code;

use crate::{exit::Exit, render::safe, user_error::UserError};

/// Whether the server requires authentication or refuses the caller, by the HTTP status.
pub(crate) fn is_access_denied(error: &anyport_protocol::Error) -> bool {
    let status = error.data.as_ref().and_then(|data| data.member("httpStatus"));
    status.is_some_and(|status| matches!(status.as_str(), "401" | "403"))
}

/// What to do about a call that failed with `text`, if the server can ask about it only in another revision.
pub(crate) fn other_revision(text: &str) -> Option<String> {
    let revision = anyport_upstream::revision_to_ask_in(text)?;
    Some(format!(
        "the server can only ask about this in {revision}: try it in a terminal with --revision {revision}"
    ))
}

/// A call did not work.
pub(crate) fn of_call(error: &ClientError) -> Error {
    Error::new(user_error(error))
}

/// How to see more than a failure says.
pub(crate) const RECORD: &str = "--record FILE keeps what was said; the server's own log may tell more";

/// Why a call did not work, and what to do.
pub(crate) fn user_error(error: &ClientError) -> UserError {
    let problem = safe::text(&error.to_string());
    let (exit, help) = match error {
        ClientError::Closed { .. } => (Exit::Unreachable, RECORD),
        ClientError::Timeout { .. } => (Exit::Failed, "give it more time with --timeout SECONDS"),
        ClientError::Refused { error, .. } if is_access_denied(error) => (
            Exit::Auth,
            "ask whoever runs the server for the permission, or give another token with --bearer env:NAME",
        ),
        ClientError::Refused { error, .. } => match error.code {
            code::METHOD_NOT_FOUND => (Exit::Failed, "`anyport inspect` says what the server offers"),
            code::INVALID_PARAMS => (Exit::Failed, "correct what was asked for"),
            code::MISSING_CLIENT_CAPABILITY => {
                (Exit::Failed, "the server needs something of its client that this program cannot give")
            }
            _ => (Exit::Failed, "the server's own log may tell more"),
        },
        ClientError::Answer { .. } => (Exit::Failed, "answer the server's question as it asks"),
        ClientError::Decode { .. } | ClientError::Output { .. } => {
            (Exit::Failed, "tell whoever made the server; --unchecked takes results that miss their schema")
        }
        _ => (Exit::Failed, RECORD),
    };
    let other = match error {
        ClientError::Refused { error, .. } => other_revision(&error.message),
        _ => None,
    };
    UserError::new(exit, problem, other.unwrap_or_else(|| help.to_owned()))
}
