use std::{fmt, io};

use anyport_transport::{http as transport, unix};
use serde_json::Value;

use crate::refusal::Refusal;

/// Why a call has no answer: the other end sent nothing or something that is no message, or its request remained without an
/// answer.
#[derive(thiserror::Error)]
pub enum Lost {
    /// Nothing came in time.
    #[error("nothing came within {0} ms, while waiting for {1}")]
    Silence(u128, String),
    /// The other end closed the connection.
    #[error("the connection ended, while waiting for {0}")]
    Ended(String),
    /// What came cannot be read.
    #[error("cannot be read: {0}")]
    Garbage(String),
    /// What came answers no request.
    #[error("not an answer: {0}")]
    Misfit(Value),
    /// The server refused to open a stream or a WebSocket, with this HTTP status.
    #[error("refused with the HTTP status {0}")]
    Status(u16),
    /// The server answered with an error where a result was needed.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// A server request was not answered by [`Connect::answering`](crate::Connect::answering).
    #[error("the question {question} was not answered: {refusal}")]
    Unanswered {
        /// The request.
        question: String,
        /// The answer that refuses it.
        refusal: Refusal,
    },
    /// The answer to a server request does not fit it.
    #[error("the answer {answer} to the question {question} does not fit: {fault}")]
    Answer {
        /// The request.
        question: String,
        /// The answer.
        answer: Value,
        /// What is wrong with it.
        fault: String,
    },
    /// The server sent requests in too many rounds of one call.
    #[error("the call asked in more than {rounds} rounds, at last {question}")]
    Rounds {
        /// The last request.
        question: String,
        /// How many rounds are answered.
        rounds: u32,
    },
    /// A tool failed where its structured content was needed.
    #[error("the tool failed: {0}")]
    ToolFailed(String),
    /// The service could not be served, or not be reached.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The service could not be served.
    #[error(transparent)]
    Bind(#[from] transport::Refused),
    /// The service could not be served on a Unix socket.
    #[error(transparent)]
    Unix(#[from] unix::Refused),
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
