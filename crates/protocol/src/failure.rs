//! Failures that are known on our side: a call that was not sent, a connection that is lost, a limit that is reached.
//!
//! They are values of this process and never read from a wire: whatever a server writes into an error, it cannot claim that
//! a call was never sent. [`Failure::to_error`] makes the JSON-RPC error, where a response is written.

use std::{fmt, process::ExitStatus, sync::Arc, time::Duration, time::SystemTime};

use crate::{Error, jsonrpc::Reason};

/// Why a call has no outcome of its server's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The call was not sent, or was refused before it was processed: repeating it is always safe.
    NotSent(CloseReason),
    /// The connection was lost while the call was in flight.
    Disconnected(CloseReason),
    /// The call may or may not have been carried out, and repeating it is not safe.
    OutcomeUnknown(CloseReason),
    /// The server cannot be reached.
    Unavailable {
        /// Since when.
        since: SystemTime,
        /// Why.
        why: String,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// A limit is reached; a later call may fit.
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
        /// In words.
        why: String,
    },
    /// The caller has made too many calls in a while.
    RateLimited {
        /// When the next one may be made.
        retry_in: Duration,
    },
    /// The call took too long.
    Timeout {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        after: Duration,
    },
    /// The server's message breaks the protocol.
    InvalidPeer(String),
    /// This process is shutting down.
    ShuttingDown,
}

impl Failure {
    /// The JSON-RPC error for the caller, with the reason in `data.reason`.
    pub fn to_error(&self) -> Error {
        match self {
            Self::NotSent(reason) | Self::Disconnected(reason) => {
                let message = match reason {
                    CloseReason::Closed => reason.to_string(),
                    _ => format!("the connection to the server is lost: {reason}"),
                };
                Error::internal(message).with_reason(Reason::UpstreamLost)
            }
            Self::OutcomeUnknown(reason) => Error::internal(format!(
                "the answer was lost ({reason}); whether the server did what was asked is not known, so ask again only if \
                 that is safe"
            ))
            .with_reason(Reason::OutcomeUnknown),
            Self::Unavailable { why, retry_in, .. } => {
                let message = format!("the server cannot be reached: {why}; the next attempt is in {retry_in:.0?}");
                Error::internal(message).with_reason(Reason::UpstreamDown)
            }
            Self::Overloaded { why, .. } => Error::internal(why.clone()).with_reason(Reason::Overloaded),
            Self::RateLimited { retry_in } => {
                let message = format!("too many calls; try again in {retry_in:.0?}");
                Error::internal(message).with_reason(Reason::RateLimited)
            }
            Self::Timeout { limit, after } => {
                let message = format!("the call took longer than {after:?} ({limit})");
                Error::internal(message).with_reason(Reason::Timeout)
            }
            Self::InvalidPeer(why) => Error::internal(why.clone()).with_reason(Reason::InvalidUpstream),
            Self::ShuttingDown => Error::internal("shutting down").with_reason(Reason::ShuttingDown),
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was closed from our side.
    Closed,
    /// The other side closed it, or it broke.
    Lost(Arc<str>),
    /// The server's process ended.
    Exited {
        /// How it ended; `None` if the system does not say.
        status: Option<ExitStatus>,
        /// The last lines that it wrote to standard error.
        stderr: Arc<str>,
    },
}

impl CloseReason {
    /// The connection is lost for the reason in `why`.
    pub fn lost(why: impl Into<Arc<str>>) -> Self {
        Self::Lost(why.into())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Lost(why) => f.write_str(why),
            Self::Exited { status, stderr } => {
                match status {
                    Some(status) => write!(f, "the server's process ended ({status})")?,
                    None => f.write_str("the server's process ended")?,
                }
                match stderr.trim() {
                    "" => f.write_str(" and wrote nothing to standard error"),
                    lines => write!(f, "; the last that it wrote to standard error:\n{lines}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_reason_on_the_wire() {
        let lost = || CloseReason::lost("the pipe broke");
        let cases = [
            (Failure::NotSent(CloseReason::Closed), "upstream_lost", "the connection was closed"),
            (
                Failure::Disconnected(lost()),
                "upstream_lost",
                "the connection to the server is lost: the pipe broke",
            ),
            (
                Failure::OutcomeUnknown(lost()),
                "outcome_unknown",
                "the answer was lost (the pipe broke); whether",
            ),
            (Failure::Overloaded { limit: "x", why: "x is full".into() }, "overloaded", "x is full"),
            (Failure::RateLimited { retry_in: Duration::from_secs(2) }, "rate_limited", "too many calls"),
            (
                Failure::Timeout { limit: "call_timeout", after: Duration::from_secs(1) },
                "timeout",
                "the call took longer than 1s (call_timeout)",
            ),
            (Failure::InvalidPeer("nonsense".into()), "invalid_upstream", "nonsense"),
            (Failure::ShuttingDown, "shutting_down", "shutting down"),
        ];
        for (failure, reason, words) in cases {
            let error = failure.to_error();
            assert!(error.code == -32603 && error.message.starts_with(words), "{failure:?}: {error}");
            assert_eq!(error.data.unwrap().as_str(), format!(r#"{{"reason":"{reason}"}}"#));
        }
    }

    #[test]
    fn a_process_that_ended_is_told_with_its_last_words() {
        let silent = CloseReason::Exited { status: None, stderr: " \n".into() };
        assert_eq!(silent.to_string(), "the server's process ended and wrote nothing to standard error");
        let words = CloseReason::Exited { status: None, stderr: "no such file\n".into() };
        assert!(words.to_string().ends_with("standard error:\nno such file"));
    }
}
