//! The return values of middleware: outcomes, and errors that refuse the call.

use std::{any::Any, fmt::Display, future::Future};

use anyport_layers::{Call, Function, Next};
use anyport_protocol::{Error, Method};
use anyport_service::{Outcome, Request};

use crate::{Failure, ToolResult, error::ErrorReport, write::Identity};

/// What a middleware returns: an [`Outcome`], or a `Result` whose error refuses the call.
///
/// An error is treated as that of a handler: a refused tool call gets a result with `isError`, which the model reads, and
/// any other call an error. Both have the error's kind: [`PermissionDenied`](crate::PermissionDenied),
/// [`NotFound`](crate::NotFound) and so on, also inside a [`ToolError`](crate::ToolError). A [`Failure`] or an [`Error`] is
/// the protocol error that it is.
#[diagnostic::on_unimplemented(
    message = "middleware cannot return `{Self}`",
    note = "return an `Outcome`, or a `Result<Outcome, E>` whose error can be displayed"
)]
pub trait IntoOutcome {
    /// Makes the outcome of the call to `request`.
    fn into_outcome(self, request: &MiddlewareRequest) -> Outcome;
}

/// The request that a middleware answers.
#[derive(Debug)]
pub struct MiddlewareRequest {
    request: Request,
    identity: Identity,
}

impl IntoOutcome for Outcome {
    fn into_outcome(self, _: &MiddlewareRequest) -> Outcome {
        self
    }
}

impl<E: Display + 'static> IntoOutcome for Result<Outcome, E> {
    fn into_outcome(self, request: &MiddlewareRequest) -> Outcome {
        self.unwrap_or_else(|error| match (&error as &dyn Any).downcast_ref::<Error>() {
            Some(error) => Outcome::Error(error.clone()),
            None => request.refused(ErrorReport::of(&error)),
        })
    }
}

impl IntoOutcome for Result<Outcome, Failure> {
    fn into_outcome(self, _: &MiddlewareRequest) -> Outcome {
        self.unwrap_or_else(|Failure(error)| Outcome::Error(error))
    }
}

impl MiddlewareRequest {
    fn refused(&self, report: ErrorReport) -> Outcome {
        match self.request.known() {
            Some(Method::ToolsCall) => ToolResult::from(report).write(&self.identity).into(),
            Some(Method::ResourcesRead) => {
                report.into_read_error(&self.request.name().unwrap_or_default()).into()
            }
            _ => report.into_error().into(),
        }
    }
}

/// Makes a middleware of a function.
pub(crate) fn function<F, R>(function: F) -> Function<Identity>
where
    F: Fn(Call, Next) -> R + Send + Sync + 'static,
    R: Future<Output: IntoOutcome> + Send + 'static,
{
    Function::new(move |call: Call, next, identity| {
        let request = MiddlewareRequest { request: call.request.clone(), identity };
        let running = function(call, next);
        async move { running.await.into_outcome(&request) }
    })
}
