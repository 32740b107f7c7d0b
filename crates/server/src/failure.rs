use anyport_protocol::Error;

/// Ends a call with a protocol error, where an ordinary `Err` of a tool becomes a result for the model to read.
///
/// 2026-07-28, server/tools §Error Handling: protocol errors "indicate issues with the request structure itself that
/// models are less likely to be able to fix"; what a model could fix is better a [`crate::ToolResult::error`].
///
/// A handler that returns `Result<T, Failure>` can use `?` on [`anyport_protocol::Error`]. It has no `Display`, so that
/// it is never taken for an error with a text for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}
