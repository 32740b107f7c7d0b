use std::{fmt, time::Duration};

use anyport_protocol::{
    Error as ServerError, Method, Raw,
    failure::{CloseReason, Failure},
    jsonrpc::Reason,
};

use crate::CallResult;

/// What to do about a request whose connection is gone.
fn what_now(method: &str, sent: bool) -> &'static str {
    let only_reads = |method: Method| method.only_reads() || method == Method::Listen;
    match sent && !Method::named(method).is_some_and(only_reads) {
        true => "the server may have done what was asked, so find out before you ask again",
        false => "connect anew",
    }
}

/// Why a call gave no answer that can be used.
///
/// A tool that failed answers, and says so in its result ([`CallResult::is_error`]); [`Error::ToolFailed`] is for code that
/// needs its structured content.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error.
    #[error("{method} was refused: {error}")]
    Refused {
        /// What was requested.
        method: String,
        /// The server's words, code and data.
        error: Box<ServerError>,
    },
    /// There is no answer: a limit was reached, or the server broke the protocol.
    #[error("{method} failed: {failure}")]
    Failed {
        /// What was requested.
        method: String,
        /// What happened, as this process knows it.
        failure: Box<Failure>,
    },
    /// The server's answer is not what the protocol says it must be.
    #[error(
        "the answer to {method} cannot be read at {place}: {fault}; the server is at fault, and `request` has the answer as it came"
    )]
    Decode {
        /// What was requested.
        method: String,
        /// Where in the answer: `tools[3].inputSchema`, or `.` for the whole.
        place: String,
        /// What is wrong there.
        fault: String,
    },
    /// The tool failed, and has no structured content.
    #[error("the tool failed: {text}")]
    ToolFailed {
        /// The text of its result.
        text: String,
    },
    /// A tool's structured content is not what its output schema describes.
    #[error(
        "the result of the tool {tool:?} does not fit its output schema: {fault}; the server is at fault, `Call::unchecked` takes such results"
    )]
    Output {
        /// The tool.
        tool: String,
        /// Where it does not fit, and how.
        fault: String,
        /// The result as it came.
        result: Box<CallResult>,
    },
    /// A list does not end.
    #[error("{method} does not end: {fault}; `pages` reads it as far as it is wanted")]
    Endless {
        /// What was listed.
        method: String,
        /// How that was noticed.
        fault: String,
    },
    /// No answer came in time. The call was cancelled.
    #[error(
        "no answer to {method} within {after:?}; a longer time can be given with `timeout` and `timeout_max`"
    )]
    Timeout {
        /// What was requested.
        method: String,
        /// How long it was waited for, without the time in which questions were open.
        after: Duration,
    },
    /// What was to be sent cannot be written as JSON, or is no object.
    #[error("{method} was not sent: {fault}")]
    Arguments {
        /// What was requested.
        method: String,
        /// What is wrong.
        fault: String,
    },
    /// The answer of a function of ours to a question of the server's does not fit the question. The call was cancelled.
    #[error(
        "{method} was cancelled, since the answer to {question:?} is wrong: {fault}; `Form::check` tells beforehand"
    )]
    Answer {
        /// What was requested.
        method: String,
        /// What the server asked.
        question: String,
        /// What is wrong with the answer.
        fault: String,
    },
    /// What was to be connected to names no server.
    #[cfg(feature = "connect")]
    #[error(transparent)]
    Target(#[from] crate::InvalidEndpoint),
    /// There is no connection.
    #[cfg(feature = "connect")]
    #[error(transparent)]
    Connect(#[from] anyport_transport::client::ConnectError),
    /// The connection is gone.
    #[error("{method}: the connection to the server is gone: {fault}; {}", what_now(method, *sent))]
    Closed {
        /// What was requested.
        method: String,
        /// What is known of the reason.
        fault: String,
        /// Whether the request was sent before, so that it may have been processed.
        sent: bool,
    },
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The error that ended a call of `method`.
    ///
    /// The reason of an error is set in this process alone: whatever a server writes into `data`, it cannot claim that a call
    /// was never sent.
    pub(crate) fn of_server(method: &str, error: ServerError) -> Self {
        let method = method.to_owned();
        let sent = match error.reason {
            Some(Reason::UpstreamLost | Reason::OutcomeUnknown) => true,
            // Nothing was sent where there is no connection.
            Some(Reason::UpstreamDown) => false,
            _ => return Self::Refused { method, error: Box::new(error) },
        };
        Self::Closed { method, fault: error.message.into_owned(), sent }
    }

    /// The failure of a call of `method` that has no answer.
    pub(crate) fn of_failure(method: &str, failure: &Failure) -> Self {
        let closed = |reason: &CloseReason, sent| Self::Closed {
            method: method.to_owned(),
            fault: reason.to_string(),
            sent,
        };
        match failure.root() {
            Failure::NotSent(reason) => closed(reason, false),
            Failure::Disconnected(reason) | Failure::OutcomeUnknown(reason) => closed(reason, true),
            Failure::Unavailable { .. } => {
                Self::Closed { method: method.to_owned(), fault: failure.to_string(), sent: false }
            }
            _ => Self::Failed { method: method.to_owned(), failure: Box::new(failure.clone()) },
        }
    }

    /// The code of the server's error, when it is one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            _ => None,
        }
    }

    /// The data of the server's error, when it is one and has some.
    pub fn data(&self) -> Option<&Raw> {
        match self {
            Self::Refused { error, .. } => error.data.as_ref(),
            _ => None,
        }
    }
}
