//! What went wrong at a server, as a failure of the program: in which way it ends, and what to do.

use anyhow::Error;
use anyport_client::Error as ClientError;
use anyport_protocol::jsonrpc::code;

use crate::{exit::Exit, failure::Advice, render::safe};

/// A call did not work.
pub(crate) fn of_call(error: &ClientError) -> Error {
    let problem = safe::text(&error.to_string());
    let (exit, help) = match error {
        ClientError::Closed { .. } => {
            (Exit::Unreachable, "--verbose shows what was said; the server's own log may tell more")
        }
        ClientError::Timeout { .. } => (Exit::Failed, "give it more time with --timeout SECONDS"),
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
        _ => (Exit::Failed, "--verbose shows what was said; the server's own log may tell more"),
    };
    Error::new(Advice::new(exit, problem, help))
}
