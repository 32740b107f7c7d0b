//! Recognition: which report an error of any type gets.

use std::{any::Any, error::Error as StdError, fmt::Display};

use super::{
    ContextError, ErrorKind, InternalError, InvalidParams, NotFound, PermissionDenied, RateLimited,
    StateError, ToolError,
    report::{ErrorReport, named},
};

impl ErrorReport {
    /// Recognises the type of a handler's `Err`. Which types have a kind is known when the handler is compiled.
    pub(crate) fn of<E: Display + 'static>(error: &E) -> Self {
        let any: &dyn Any = error;
        if let Some(error) = any.downcast_ref::<ToolError>() {
            return error.report().clone();
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
        // `anyhow` and similar types include the causes in this form; for other types it makes no difference.
        let words = format!("{error:#}");
        let named = named!(any);
        Self { words, ..named.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use anyport_protocol::{Error, Raw, jsonrpc::code, meta::key, types::Implementation};
    use serde_json::{Value, json};

    use super::{super::report::MAX_CHAIN_BYTES, *};
    use crate::{ToolResult, write::Identity};

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

    fn meta(report: ErrorReport) -> Value {
        let written = ToolResult::from(report).write(&identity()).unwrap();
        written.decode::<Value>().unwrap()["_meta"][key::ERROR].clone()
    }

    #[test]
    fn an_error_is_told_as_it_displays() {
        assert_eq!(ErrorReport::of(&"no ink").words, "no ink");
        assert_eq!(ErrorReport::of(&Outer::List(NotFound::new("note 7"))).words, "the list cannot be made");
        for report in [
            ErrorReport::of(&anyhow::anyhow!("inner").context("outer")),
            ErrorReport::of(&ToolError::from(anyhow::anyhow!("inner").context("outer"))),
        ] {
            assert_eq!((&*report.words, report.kind), ("outer: inner", ErrorKind::Execution));
        }
        let report = ErrorReport::of(&"words");
        assert_eq!(meta(report), Value::Null, "words alone have no reason");
    }

    #[test]
    fn a_named_error_keeps_its_kind_through_every_wrapping() {
        let check = |report: ErrorReport, words: &str| {
            assert_eq!((&*report.words, report.kind), (words, ErrorKind::NotFound));
            assert_eq!(meta(report), json!({"reason": "not_found"}));
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
        let report = ErrorReport::of(&ToolError::from(Outer::Repeats(StateError::new("shipped"))));
        assert_eq!((&*report.words, report.kind), ("inside: wrong state: shipped", ErrorKind::State));
    }

    #[test]
    fn an_internal_error_hides_its_cause_and_is_a_protocol_error() {
        let error = InternalError::hiding(io::Error::other("/var/db")).with_words("no notes");
        for report in
            [ErrorReport::of(&error), ErrorReport::of(&ToolError::from(Outer::Hidden(error.clone())))]
        {
            assert!(!report.words.contains("/var/db"), "{}", report.words);
            let failed = ToolResult::from(report).write(&identity()).unwrap_err();
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
                42900,
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
        let read = |report: ErrorReport| {
            let error = report.into_read_error("notes:///7");
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
        let report = ErrorReport::of(&ToolError::from(failure.clone()));
        assert_eq!(report.clone().into_error(), failure.0);
        assert_eq!(report.into_read_error("a:b"), failure.0);
    }
}
