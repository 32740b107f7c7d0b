use std::{any::Any, error::Error as StdError, fmt::Display, io, time::Duration};

use anyport_protocol::{Error, Raw, json::Splice, jsonrpc::code, meta::key, types::JsonObject};
use serde_json::{Value, json};

use super::{
    ContextError, ErrorKind, Fault, InternalError, InvalidParams, NotFound, PermissionDenied, RateLimited,
    StateError, ToolError,
};
use crate::ToolResult;

/// From this length on, no further cause is told.
const MAX_CHAIN_BYTES: usize = 4 << 10;
/// How many causes are looked at: a chain may be a circle.
const MAX_CAUSES: usize = 16;

/// What an error says that is one of ours.
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

/// What an error says, read once from whichever type it came as.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorReport {
    pub(crate) kind: ErrorKind,
    pub(crate) words: String,
    /// What is missing, when that is what it says.
    pub(crate) missing: Option<String>,
    pub(crate) faults: Vec<Fault>,
    /// Whether the arguments were held against the tool's schema, so that its handler was never reached.
    pub(crate) by_schema: bool,
    pub(crate) retry_after: Option<Duration>,
    /// A protocol error, which says everything itself.
    pub(crate) failure: Option<Error>,
}

impl ErrorReport {
    /// What a handler's `Err` says. Which types say more than words is known when the handler is compiled.
    pub(crate) fn of<E: Display + 'static>(error: &E) -> Self {
        let any: &dyn Any = error;
        if let Some(error) = any.downcast_ref::<ToolError>() {
            return error.told().clone();
        }
        if let Some(error) = any.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
            return Self::chain(&**error);
        }
        if let Some(error) = any.downcast_ref::<Box<dyn StdError>>() {
            return Self::chain(&**error);
        }
        #[cfg(feature = "anyhow")]
        if let Some(error) = any.downcast_ref::<anyhow::Error>() {
            return Self::chain(error.as_ref());
        }
        // `anyhow` and its like tell the causes as well in this form, and nobody else minds it.
        let words = format!("{error:#}");
        let named = named!(any);
        Self { words, ..named.unwrap_or_default() }
    }

    /// What an error and its causes say.
    pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Self {
        let mut words = error.to_string();
        let mut known: Option<Self> = None;
        let mut cause = Some(error);
        for depth in 0..MAX_CAUSES {
            let Some(error) = cause else { break };
            if depth > 0 && words.len() < MAX_CHAIN_BYTES {
                let more = error.to_string();
                // Many repeat their cause in their own words.
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

    /// As the result of a tool.
    pub(crate) fn into_tool_result(self) -> ToolResult {
        if let Some(error) = self.failure {
            return ToolResult::failure(error);
        }
        if self.kind == ErrorKind::Internal {
            return ToolResult::failure(Error::internal(self.words));
        }
        let mut meta = JsonObject::new();
        if self.kind != ErrorKind::Execution {
            let mut says = JsonObject::new();
            says.insert("reason".into(), self.kind.as_str().into());
            if let Some(wait) = self.retry_after {
                says.insert("retryAfterMs".into(), millis(wait));
            }
            if self.by_schema {
                says.insert("by".into(), "schema".into());
            }
            meta.insert(key::ERROR.into(), Value::Object(says));
        }
        if !self.faults.is_empty() {
            meta.insert(key::FAULTS.into(), json!(self.faults));
        }
        let result = ToolResult::error(self.words);
        if meta.is_empty() { result } else { result.with_meta(meta) }
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

fn millis(wait: Duration) -> Value {
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

#[cfg(test)]
mod tests {
    use anyport_protocol::types::Implementation;

    use super::*;
    use crate::write::Identity;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("the list cannot be made")]
        List(#[source] NotFound),
        #[error("inside: {0}")]
        Repeats(#[source] StateError),
        #[error("hidden")]
        Hidden(#[source] InternalError),
    }

    fn identity() -> Identity {
        Identity::of(&Implementation::new("test", "1")).unwrap()
    }

    fn boxed(error: impl StdError + Send + Sync + 'static) -> Box<dyn StdError + Send + Sync> {
        Box::new(error)
    }

    fn meta(told: ErrorReport) -> Value {
        let written = told.into_tool_result().write(&identity()).unwrap();
        written.decode::<Value>().unwrap()["_meta"][key::ERROR].clone()
    }

    #[test]
    fn an_error_is_told_as_it_displays() {
        assert_eq!(ErrorReport::of(&"no ink").words, "no ink");
        assert_eq!(ErrorReport::of(&Outer::List(NotFound::new("note 7"))).words, "the list cannot be made");
        for told in [
            ErrorReport::of(&anyhow::anyhow!("inner").context("outer")),
            ErrorReport::of(&ToolError::from(anyhow::anyhow!("inner").context("outer"))),
        ] {
            assert_eq!((&*told.words, told.kind), ("outer: inner", ErrorKind::Execution));
        }
        let told = ErrorReport::of(&"words");
        assert_eq!(meta(told), Value::Null, "words alone have no reason");
    }

    #[test]
    fn a_named_error_keeps_its_kind_through_every_wrapping() {
        let check = |told: ErrorReport, words: &str| {
            assert_eq!((&*told.words, told.kind), (words, ErrorKind::NotFound));
            assert_eq!(meta(told), json!({"reason": "not_found"}));
        };
        let missing = || NotFound::new("note 7");
        check(ErrorReport::of(&missing()), "not found: note 7");
        check(ErrorReport::of(&ToolError::from(missing())), "not found: note 7");
        check(ErrorReport::of(&boxed(missing())), "not found: note 7");
        check(ErrorReport::of(&ToolError::from(boxed(missing()))), "not found: note 7");
        #[cfg(feature = "anyhow")]
        {
            check(ErrorReport::of(&ToolError::from(anyhow::Error::new(missing()))), "not found: note 7");
            check(ErrorReport::of(&anyhow::Error::new(missing())), "not found: note 7");
            check(
                ErrorReport::of(&anyhow::Error::new(missing()).context("no list")),
                "no list: not found: note 7",
            );
        }
        check(
            ErrorReport::of(&ToolError::from(anyhow::Error::new(missing()).context("no list"))),
            "no list: not found: note 7",
        );
        check(
            ErrorReport::of(&ToolError::from(Outer::List(missing()))),
            "the list cannot be made: not found: note 7",
        );
    }

    #[test]
    fn a_cause_that_is_repeated_is_told_once() {
        let told = ErrorReport::of(&ToolError::from(Outer::Repeats(StateError::new("shipped"))));
        assert_eq!((&*told.words, told.kind), ("inside: wrong state: shipped", ErrorKind::State));
    }

    #[test]
    fn an_internal_error_hides_its_cause_and_is_a_protocol_error() {
        let error = InternalError::hiding(io::Error::other("/var/db")).with_words("no notes");
        for told in [ErrorReport::of(&error), ErrorReport::of(&ToolError::from(Outer::Hidden(error.clone())))]
        {
            assert!(!told.words.contains("/var/db"), "{}", told.words);
            let failed = told.into_tool_result().write(&identity()).unwrap_err();
            assert_eq!(failed.code, code::INTERNAL_ERROR);
            assert!(failed.message.ends_with("internal error: no notes"), "{}", failed.message);
        }
    }

    #[test]
    fn chains_are_bounded() {
        #[derive(Debug, thiserror::Error)]
        #[error("{}", "x".repeat(1_000) + &self.0.to_string())]
        struct Long(usize, #[source] Option<Box<Long>>);
        let long = (0..100).fold(None, |inner, depth| Some(Box::new(Long(depth, inner)))).unwrap();
        assert!(ErrorReport::chain(&*long).words.len() <= MAX_CHAIN_BYTES + 1_100);
    }

    #[test]
    fn an_error_without_a_result_has_a_code_and_a_reason() {
        let of = |error: Error| {
            let data = error.data.map_or(Value::Null, |data| data.decode().unwrap());
            (error.code, error.message.into_owned(), data)
        };
        assert_eq!(of(ErrorReport::of(&"no ink").into_error()), (-32603, "no ink".into(), Value::Null));
        assert_eq!(
            of(ErrorReport::of(&NotFound::new("a topic")).into_error()),
            (-32602, "not found: a topic".into(), json!({"reason": "not_found"}))
        );
        assert_eq!(
            of(ErrorReport::of(&RateLimited::after(Duration::from_millis(1_500))).into_error()),
            (
                -32603,
                "rate limited: try again in 2 s".into(),
                json!({"retryAfterMs": 1500, "reason": "rate_limited"})
            )
        );
        assert_eq!(
            of(ErrorReport::of(&PermissionDenied::new("no")).into_error()),
            (-32603, "permission denied: no".into(), json!({"reason": "forbidden"}))
        );
        let invalid =
            InvalidParams::new("day", "a day to come").got("2020-01-01").and("until", "a later day");
        assert_eq!(
            of(ErrorReport::of(&invalid).into_error()),
            (
                -32602,
                "invalid arguments: day: expected a day to come, got 2020-01-01; until: expected a later day"
                    .into(),
                json!({"reason": "validation", "faults": [
                    {"field": "day", "expected": "a day to come", "got": "2020-01-01"},
                    {"field": "until", "expected": "a later day"},
                ]})
            )
        );
    }

    #[test]
    fn a_resource_that_is_missing_is_named_by_its_uri() {
        let read = |told: ErrorReport| {
            let error = told.into_read_error("notes:///7");
            (error.code, error.message.into_owned(), error.data.unwrap_or(Raw::NULL).to_string())
        };
        let data = || r#"{"uri":"notes:///7"}"#.to_owned();
        assert_eq!(
            read(ErrorReport::of(&NotFound::new("note 7"))),
            (-32602, "resource not found: notes:///7: note 7".into(), data())
        );
        assert_eq!(
            read(ErrorReport::of(&NotFound::new("notes:///7"))),
            (-32602, "resource not found: notes:///7".into(), data())
        );
        let gone = ToolError::from(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(read(ErrorReport::of(&gone)).0, -32602);
        assert_eq!(
            read(ErrorReport::of(&"the disk is gone")),
            (-32603, "the disk is gone".into(), "null".into())
        );
    }

    #[test]
    fn a_failure_goes_through_a_tool_error_as_it_is() {
        let failure = crate::Failure(Error::new(4711, "not today"));
        let told = ErrorReport::of(&ToolError::from(failure.clone()));
        assert_eq!(told.clone().into_error(), failure.0);
        assert_eq!(told.into_read_error("a:b"), failure.0);
    }
}
