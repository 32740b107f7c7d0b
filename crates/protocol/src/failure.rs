//! Failures that are known on our side: a call that was not sent, a connection that is lost, a limit that is reached.
//!
//! They are values of this process and never read from a wire: whatever a server writes into an error, it cannot claim that
//! a call was never sent. [`Failure::to_error`] makes the JSON-RPC error, where a response is written.

use std::{fmt, process::ExitStatus, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    Error, Raw,
    json::Splice,
    jsonrpc::{Reason, code},
};

/// Why a call has no response of its server's.
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
        /// The time of the first attempt that failed.
        since: Timestamp,
        /// Why the last attempt failed, for a person.
        why: String,
        /// The time until the next attempt; `None` if none is made.
        retry_in: Option<Duration>,
    },
    /// A limit is reached; a later call may fit.
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
        /// The limit and what to do, for a person.
        why: String,
    },
    /// More calls were made than a rate allows.
    RateLimited {
        /// The name of the limit.
        limit: &'static str,
        /// The limit, and whose it is, for a person.
        why: String,
        /// The time until a call may be made again.
        retry_in: Duration,
    },
    /// The call took longer than its limit.
    Timeout {
        /// The name of the limit.
        limit: &'static str,
        /// The value of the limit.
        after: Duration,
    },
    /// The call neither ended nor reported progress for the time of its limit.
    NoProgress {
        /// The name of the limit.
        limit: &'static str,
        /// The value of the limit.
        after: Duration,
    },
    /// The server has sent nothing of the call for the time of its limit: no notification, no request, no response.
    NoFirstByte {
        /// The name of the limit.
        limit: &'static str,
        /// The value of the limit.
        after: Duration,
    },
    /// The server's message breaks the protocol.
    InvalidPeer(String),
    /// This process is shutting down.
    ShuttingDown,
    /// The audit log cannot be written, and no call goes on without it.
    AuditUnavailable {
        /// Whether the call was carried out, and only its answer is held back.
        is_done: bool,
    },
    /// A failure of the upstream server called `name`, for callers that know several.
    Upstream {
        /// The name of the server, as configured.
        name: Arc<str>,
        /// The failure itself.
        failure: Box<Failure>,
    },
}

impl Failure {
    /// The same failure, as one of the upstream server called `name`.
    #[must_use]
    pub fn of_upstream(self, name: impl Into<Arc<str>>) -> Self {
        Self::Upstream { name: name.into(), failure: Box::new(self) }
    }

    /// The failure itself, whichever upstream server it is of.
    pub fn root(&self) -> &Self {
        match self {
            Self::Upstream { failure, .. } => failure.root(),
            failure => failure,
        }
    }

    /// Whether a connection was lost, or never reached the server: what a later call may not meet again.
    pub fn is_lost_connection(&self) -> bool {
        matches!(self.root(), Self::NotSent(_) | Self::Disconnected(_) | Self::OutcomeUnknown(_))
    }

    /// The JSON-RPC error for the caller, with the reason in `data.reason`. For where a response is written.
    pub fn to_error(&self) -> Error {
        self.error(None)
    }

    /// `upstream` is the name of the server, where callers know several.
    fn error(&self, upstream: Option<&str>) -> Error {
        let data =
            || upstream.map_or(Splice::new(), |name| Splice::new().with("upstream", &Raw::string(name)));
        let internal = |message: String, reason| match upstream {
            Some(_) => Error::internal(message).with_data(data().finish()).with_reason(reason),
            None => Error::internal(message).with_reason(reason),
        };
        let call = || upstream.map_or("the call".to_owned(), |name| format!("the call to {name}"));
        match self {
            Self::NotSent(reason) | Self::Disconnected(reason) => {
                let message = match (upstream, reason) {
                    (Some(name), _) => format!("the connection to {name} was lost: {reason}"),
                    (None, CloseReason::Closed) => reason.to_string(),
                    (None, _) => format!("the connection to the server is lost: {reason}"),
                };
                internal(message, Reason::UpstreamLost)
            }
            Self::OutcomeUnknown(reason) => {
                let message = match upstream {
                    Some(name) => format!(
                        "the connection to {name} was lost before the answer came ({reason}), so it is unknown whether \
                         this was done; find out before you try again"
                    ),
                    None => format!(
                        "the answer was lost ({reason}); whether the server did what was asked is not known, so ask \
                         again only if that is safe"
                    ),
                };
                internal(message, Reason::OutcomeUnknown)
            }
            Self::Unavailable { since, why, retry_in } => {
                let name = upstream.unwrap_or("the server");
                let next = |time: &Duration| {
                    format!("; the next attempt is in {} s", time.as_secs().saturating_add(1))
                };
                let next = retry_in.as_ref().map(next).unwrap_or_default();
                let message = format!("{name} cannot be reached since {since:.0}: {why}{next}");
                let data =
                    data().with("since", &Raw::string(&since.to_string())).with("why", &Raw::string(why));
                Error::internal(message).with_data(data.finish()).with_reason(Reason::UpstreamDown)
            }
            Self::Overloaded { why, .. } => internal(why.clone(), Reason::Overloaded),
            Self::RateLimited { why, retry_in, .. } => {
                let wait = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
                let message = match wait {
                    ..10_000 => format!("{why}; try again in {wait} ms"),
                    _ => format!("{why}; try again in {} s", wait.div_ceil(1_000)),
                };
                let data = data().with("retryAfterMs", &Raw::from(serde_json::Value::from(wait)));
                let error = Error::new(code::RATE_LIMITED, message).with_data(data.finish());
                error.with_reason(Reason::RateLimited)
            }
            Self::Timeout { limit, after } => {
                let message = format!("{} took longer than {} ms ({limit})", call(), after.as_millis());
                internal(message, Reason::Timeout)
            }
            Self::NoProgress { limit, after } => {
                let message =
                    format!("{} has reported no progress for {} ms ({limit})", call(), after.as_millis());
                internal(message, Reason::Timeout)
            }
            Self::NoFirstByte { limit, after } => {
                let message =
                    format!("{} has received nothing for {} ms ({limit})", call(), after.as_millis());
                internal(message, Reason::Timeout)
            }
            Self::InvalidPeer(why) => Error::internal(why.clone()).with_reason(Reason::InvalidUpstream),
            Self::ShuttingDown => Error::internal("shutting down").with_reason(Reason::ShuttingDown),
            Self::AuditUnavailable { is_done } => {
                let message = match is_done {
                    false => "the call was not made, since the audit log cannot be written; try again later",
                    true => {
                        "the call was made, and its answer is held back, since the audit log cannot be written; find out \
                         what was done before you try again"
                    }
                };
                Error::internal(message).with_reason(Reason::AuditUnavailable)
            }
            Self::Upstream { name, failure } => failure.error(Some(name)),
        }
    }
}

/// In the words of the error that it becomes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_error().message)
    }
}

impl std::error::Error for Failure {}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was closed from our side.
    Closed,
    /// The other side closed it, or it broke.
    Lost(Arc<str>),
    /// The server is there, but it is another one or speaks another revision, for the reason given here.
    Replaced(Arc<str>),
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
            Self::Lost(why) | Self::Replaced(why) => f.write_str(why),
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
            (
                Failure::Timeout { limit: "call_timeout", after: Duration::from_secs(1) },
                "timeout",
                "the call took longer than 1000 ms (call_timeout)",
            ),
            (
                Failure::NoProgress { limit: "call_timeout", after: Duration::from_secs(1) },
                "timeout",
                "the call has reported no progress for 1000 ms (call_timeout)",
            ),
            (
                Failure::NoFirstByte { limit: "first_byte_timeout", after: Duration::from_secs(1) },
                "timeout",
                "the call has received nothing for 1000 ms (first_byte_timeout)",
            ),
            (Failure::InvalidPeer("nonsense".into()), "invalid_upstream", "nonsense"),
            (Failure::ShuttingDown, "shutting_down", "shutting down"),
            (
                Failure::AuditUnavailable { is_done: false },
                "audit_unavailable",
                "the call was not made, since the audit log cannot be written; try again later",
            ),
            (
                Failure::AuditUnavailable { is_done: true },
                "audit_unavailable",
                "the call was made, and its answer is held back, since the audit log cannot be written; find",
            ),
        ];
        for (failure, reason, words) in cases {
            let error = failure.to_error();
            assert!(error.code == -32603 && error.message.starts_with(words), "{failure:?}: {error}");
            assert_eq!(error.data.unwrap().as_str(), format!(r#"{{"reason":"{reason}"}}"#));
        }
    }

    #[test]
    fn a_rate_that_is_exceeded_has_a_code_and_a_time_to_wait() {
        let refused = |retry_in| {
            let why = "this caller makes more than 5 calls a second".to_owned();
            Failure::RateLimited { limit: "calls_per_second", why, retry_in }.to_error()
        };
        let error = refused(Duration::from_millis(70));
        assert_eq!(error.code, 42900);
        assert_eq!(error.message, "this caller makes more than 5 calls a second; try again in 71 ms");
        assert_eq!(error.data.as_ref().unwrap().as_str(), r#"{"retryAfterMs":71,"reason":"rate_limited"}"#);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(71)));
        assert!(refused(Duration::from_secs(3_600)).message.ends_with("try again in 3601 s"));
    }

    #[test]
    fn a_failure_of_an_upstream_server_names_it() {
        let error = |failure: Failure| {
            let failure = failure.of_upstream("docs");
            let error = failure.to_error();
            (error.message.to_string(), error.data.unwrap().to_string())
        };
        let (message, data) = error(Failure::Disconnected(CloseReason::lost("the pipe broke")));
        assert_eq!(message, "the connection to docs was lost: the pipe broke");
        assert_eq!(data, r#"{"upstream":"docs","reason":"upstream_lost"}"#);
        let (message, data) = error(Failure::Unavailable {
            since: Timestamp::UNIX_EPOCH,
            why: "refused".into(),
            retry_in: Some(Duration::from_millis(1500)),
        });
        let expected =
            "docs cannot be reached since 1970-01-01T00:00:00Z: refused; the next attempt is in 2 s";
        assert_eq!(message, expected);
        let expected =
            r#"{"upstream":"docs","since":"1970-01-01T00:00:00Z","why":"refused","reason":"upstream_down"}"#;
        assert_eq!(data, expected);
        let silent = Failure::NoProgress { limit: "call_timeout", after: Duration::from_secs(30) };
        let (message, data) = error(silent);
        assert_eq!(message, "the call to docs has reported no progress for 30000 ms (call_timeout)");
        assert_eq!(data, r#"{"upstream":"docs","reason":"timeout"}"#);
        let named = Failure::NotSent(CloseReason::Closed).of_upstream("docs");
        assert_eq!(named.root(), &Failure::NotSent(CloseReason::Closed));
        assert!(named.is_lost_connection() && !Failure::ShuttingDown.is_lost_connection());
    }

    #[test]
    fn a_process_that_ended_is_told_with_its_last_words() {
        let silent = CloseReason::Exited { status: None, stderr: " \n".into() };
        assert_eq!(silent.to_string(), "the server's process ended and wrote nothing to standard error");
        let words = CloseReason::Exited { status: None, stderr: "no such file\n".into() };
        assert!(words.to_string().ends_with("standard error:\nno such file"));
    }
}
