use std::{error::Error as StdError, io, time::Duration};

use anyport_protocol::{Error, Raw, json::Splice, jsonrpc::code};
use serde_json::{Value, json};

use super::{
    ContextError, ErrorKind, Fault, InternalError, InvalidParams, NotFound, PermissionDenied, RateLimited,
    StateError,
};

/// The length from which on no further cause is added.
pub(super) const MAX_CHAIN_BYTES: usize = 4 << 10;
/// How many causes are looked at: a chain may be a circle.
const MAX_CAUSES: usize = 16;

/// Makes the report of an error of one of this crate's types; `None` for any other type.
macro_rules! named {
    ($error:expr) => {{
        let error = $error;
        let of = |kind| Some(ErrorReport { kind, ..ErrorReport::default() });
        if let Some(error) = error.downcast_ref::<NotFound>() {
            let missing = Some(error.words().to_owned());
            Some(ErrorReport { kind: ErrorKind::NotFound, missing, ..ErrorReport::default() })
        } else if error.is::<PermissionDenied>() {
            of(ErrorKind::PermissionDenied)
        } else if let Some(error) = error.downcast_ref::<RateLimited>() {
            let retry_after = error.retry_after();
            Some(ErrorReport { kind: ErrorKind::RateLimited, retry_after, ..ErrorReport::default() })
        } else if let Some(error) = error.downcast_ref::<InvalidParams>() {
            Some(ErrorReport { kind: ErrorKind::Validation, faults: error.faults().to_vec(), ..ErrorReport::default() })
        } else if error.is::<ContextError>() {
            of(ErrorKind::Context)
        } else if error.is::<StateError>() {
            of(ErrorKind::State)
        } else if let Some(error) = error.downcast_ref::<InternalError>() {
            let cause = error.source().map(|cause| ErrorReport::chain(cause).words).unwrap_or_default();
            tracing::error!(%error, cause, "a handler failed");
            of(ErrorKind::Internal)
        } else {
            None
        }
    }};
}

pub(super) use named;

/// The report of an error: what is sent of it, read once from whichever type it came as.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorReport {
    pub(crate) kind: ErrorKind,
    pub(crate) words: String,
    /// The name of the missing thing, for such an error.
    pub(crate) missing: Option<String>,
    pub(crate) faults: Vec<Fault>,
    /// Whether the arguments were held against the tool's schema, so that its handler was never reached.
    pub(crate) by_schema: bool,
    pub(crate) retry_after: Option<Duration>,
    /// A protocol error, which says everything itself.
    pub(crate) failure: Option<Error>,
}

impl ErrorReport {
    /// The texts of an error and its causes.
    pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Self {
        let mut words = error.to_string();
        let mut known: Option<Self> = None;
        let mut cause = Some(error);
        for depth in 0..MAX_CAUSES {
            let Some(error) = cause else { break };
            if depth > 0 && words.len() < MAX_CHAIN_BYTES {
                let more = error.to_string();
                // Many errors repeat their cause in their message.
                if !words.contains(&more) {
                    words.push_str(": ");
                    words.push_str(&super::cut(&more, MAX_CHAIN_BYTES));
                }
            }
            if known.is_none() {
                known = named!(error).or_else(|| of_io(error));
            }
            if known.as_ref().is_some_and(|known| known.kind == ErrorKind::Internal) {
                break;
            }
            cause = error.source();
        }
        Self { words, ..known.unwrap_or_default() }
    }

    /// As the error that ends the read of `uri`.
    pub(crate) fn into_read_error(self, uri: &str) -> Error {
        if self.kind != ErrorKind::NotFound || self.failure.is_some() {
            return self.into_error();
        }
        let mut error = Error::resource_not_found(uri);
        let words = self.missing.unwrap_or(self.words);
        // Some have no more to say than the URI.
        if !words.is_empty() && words != uri {
            error.message = format!("{}: {words}", error.message).into();
        }
        error
    }

    /// As the error that ends a request which has no result for failures.
    pub(crate) fn into_error(self) -> Error {
        if let Some(error) = self.failure {
            return error;
        }
        let code = match self.kind {
            ErrorKind::NotFound | ErrorKind::Validation => code::INVALID_PARAMS,
            ErrorKind::RateLimited => code::RATE_LIMITED,
            _ => code::INTERNAL_ERROR,
        };
        let mut error = Error::new(code, self.words);
        if self.kind == ErrorKind::Execution {
            return error;
        }
        let mut data = Splice::new();
        if let Some(wait) = self.retry_after {
            data = data.with("retryAfterMs", &millis(wait).into());
        }
        if !self.faults.is_empty() {
            data = data.with("faults", &json!(self.faults).into());
        }
        match self.kind.reason() {
            Some(reason) => error.with_data(data.finish()).with_reason(reason),
            None => {
                error.data = Some(data.with("reason", &Raw::string(self.kind.as_str())).finish());
                error
            }
        }
    }
}

/// A duration in milliseconds, as JSON.
pub(crate) fn millis(wait: Duration) -> Value {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into()
}

/// The kinds of errors that files give.
fn of_io(error: &(dyn StdError + 'static)) -> Option<ErrorReport> {
    let kind = match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => return None,
    };
    Some(ErrorReport { kind, ..ErrorReport::default() })
}
